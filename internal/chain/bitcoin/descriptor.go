package bitcoin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/txscript/v2"

	"github.com/paybell/paybell"
)

const (
	maxText  = 2000 // characters of a key or descriptor
	maxKeys  = 15   // in a multisig
	maxSteps = 10   // in a path, before the last
)

// form is a descriptor without what is in its innermost parentheses: the names
// of the script expressions from the outside in, as in "sh/wpkh" (BIP 381-386).
type form string

// forms are what a wallet may have. All of them have an address, and for each
// of them there are wallets that can spend.
var forms = []form{
	"wpkh", "sh/wpkh", "tr", "pkh",
	"wsh/sortedmulti", "sh/wsh/sortedmulti", "sh/sortedmulti",
	"wsh/multi", "sh/wsh/multi", "sh/multi",
}

// innermost is the expression that holds the keys.
func (f form) innermost() string { return string(f[strings.LastIndexByte(string(f), '/')+1:]) }

func (f form) multisig() bool { return strings.HasSuffix(string(f), "multi") }

// unsorted is f, with multi in place of sortedmulti.
func (f form) unsorted() form { return form(strings.Replace(string(f), "sortedmulti", "multi", 1)) }

// write is the descriptor of this form with args in its innermost parentheses.
func (f form) write(args string) string {
	return strings.ReplaceAll(string(f), "/", "(") + "(" + args + strings.Repeat(")", strings.Count(string(f), "/")+1)
}

// script is the output script for public keys as they are serialized; need is
// how many must sign, and counts with a multisig only.
func (f form) script(need int, keys [][]byte) ([]byte, error) {
	var script []byte
	switch f.innermost() {
	case "pkh":
		script = payToPubKeyHash(address.Hash160(keys[0]))
	case "wpkh":
		script = witnessScript(txscript.OP_0, address.Hash160(keys[0]))
	case "tr":
		internal, err := schnorr.ParsePubKey(keys[0][1:])
		if err != nil {
			return nil, err
		}
		script = witnessScript(txscript.OP_1, schnorr.SerializePubKey(txscript.ComputeTaprootKeyNoScript(internal)))
	case "multi":
		script = multisigScript(need, keys)
	case "sortedmulti":
		keys = slices.Clone(keys)
		slices.SortFunc(keys, bytes.Compare)
		script = multisigScript(need, keys)
	default:
		return nil, errors.New("no such script expression")
	}
	outer := strings.Split(string(f), "/")
	for _, name := range slices.Backward(outer[:len(outer)-1]) {
		if name == "sh" {
			script = payToScriptHash(address.Hash160(script))
		} else {
			sum := sha256.Sum256(script)
			script = witnessScript(txscript.OP_0, sum[:])
		}
	}
	return script, nil
}

// multisigScript is for at most 16 keys.
func multisigScript(need int, keys [][]byte) []byte {
	script := []byte{byte(txscript.OP_1 - 1 + need)}
	for _, k := range keys {
		script = append(script, byte(len(k)))
		script = append(script, k...)
	}
	return append(script, byte(txscript.OP_1-1+len(keys)), txscript.OP_CHECKMULTISIG)
}

// descriptor is an output descriptor that was read.
type descriptor struct {
	form form
	need int // signatures, with a multisig
	keys []keyExpr
}

// keyExpr is a key expression (BIP 380, 389).
type keyExpr struct {
	origin   string // canonical, with its brackets; or ""
	purpose  string // first step of the origin: "84h"
	key      *hdkeychain.ExtendedKey
	version  hdVersion // as it was given
	path     []uint32  // from key to the branch, the first of each multipath
	paths    int       // how many paths a multipath makes; 0 without one
	wildcard bool
}

// String is the descriptor in its canonical form, without a checksum.
func (d descriptor) String() string {
	var args []string
	if d.form.multisig() {
		args = append(args, strconv.Itoa(d.need))
	}
	for _, k := range d.keys {
		arg := k.origin + k.key.String()
		for _, step := range k.path {
			arg += "/" + strconv.FormatUint(uint64(step), 10)
		}
		args = append(args, arg+"/*")
	}
	return d.form.write(strings.Join(args, ","))
}

// invalidKey refuses a key. What it says never has a part of the input in it.
func invalidKey(format string, args ...any) error {
	return paybell.InvalidField("key", format, args...)
}

// parseDescriptor reads a descriptor, or an extended key alone, as ParseKey
// says. The extended keys in it are set to the version that we write.
func parseDescriptor(p *Params, text string) (descriptor, error) {
	body, sum, hasSum := strings.Cut(text, "#")
	want, ok := descriptorChecksum(body)
	switch {
	case strings.ContainsAny(text, " \t\r\n"):
		return descriptor{}, invalidKey("There is a space or a line break in the middle. Give the key as one line without spaces.")
	case !ok:
		return descriptor{}, invalidKey("There is a character in it that no key or descriptor has. Copy it again.")
	case hasSum && sum != want:
		return descriptor{}, invalidKey("The checksum after the # does not fit: something was changed or lost on the way. Copy the whole descriptor again; if you changed it by hand, give it without the # and what follows.")
	}

	d, args, err := splitForms(body)
	if err != nil {
		return descriptor{}, err
	}
	if d.form.multisig() {
		if d.need, args, err = splitThreshold(args); err != nil {
			return descriptor{}, err
		}
	} else if len(args) != 1 {
		return descriptor{}, notASingleKey(d.form)
	}
	for _, arg := range args {
		k, err := parseKeyExpr(p, arg)
		if err != nil {
			return descriptor{}, err
		}
		d.keys = append(d.keys, k)
	}
	if d.form == "" {
		err = d.keys[0].alone(&d.form)
	} else {
		err = d.check()
	}
	return d, err
}

// splitForms takes the script expressions off. Of an extended key alone the
// form is empty.
func splitForms(body string) (d descriptor, args []string, err error) {
	var names []string
	for {
		n := strings.IndexFunc(body, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
		if n < 1 || body[n] != '(' {
			break
		}
		if !strings.HasSuffix(body, ")") {
			return d, nil, invalidKey("The descriptor has more ( than ). Copy all of it.")
		}
		names = append(names, body[:n])
		body = body[n+1 : len(body)-1]
		if len(names) > 3 {
			return d, nil, wrongForm()
		}
	}
	d.form = form(strings.Join(names, "/"))
	if d.form != "" && !slices.Contains(forms, d.form) {
		return d, nil, wrongForm()
	}
	// A comma stands between keys. In the script tree of tr() it may stand
	// anywhere, but only after the first, so there are two args at least.
	return d, strings.Split(body, ","), nil
}

func wrongForm() error {
	return invalidKey("This kind of descriptor cannot be used. There are wpkh(KEY), sh(wpkh(KEY)), tr(KEY) and pkh(KEY), and for multisig wsh(sortedmulti(2,KEY,KEY)), the same in sh(), and multi in place of sortedmulti.")
}

func notASingleKey(f form) error {
	switch f {
	case "tr":
		return invalidKey("Only tr(KEY) can be used, without scripts after the key.")
	case "":
		return invalidKey("These are several keys. For a multisig wallet give its descriptor: wsh(sortedmulti(2,KEY,KEY)). Otherwise give one key.")
	}
	return invalidKey("%s takes one key.", f.write("KEY"))
}

// splitThreshold takes the number of signatures off the front.
func splitThreshold(args []string) (need int, keys []string, err error) {
	n, ok := parseStep(args[0])
	keys = args[1:]
	switch {
	case !ok:
		return 0, nil, invalidKey("A multisig begins with the number of signatures, as in sortedmulti(2,KEY,KEY,KEY).")
	case len(keys) > maxKeys:
		return 0, nil, invalidKey("A multisig can have at most %d keys.", maxKeys)
	case n < 1 || int64(n) > int64(len(keys)):
		return 0, nil, invalidKey("A multisig needs at least 1 signature, and not more than it has keys.")
	}
	return int(n), keys, nil
}

// check looks at what a descriptor must fulfil beyond its grammar.
func (d descriptor) check() error {
	paths := 0
	for _, k := range d.keys {
		if !k.wildcard {
			return invalidKey("The path of each key must end in /*, or every invoice would get the same address. Usually that is KEY/0/* or KEY/<0;1>/*.")
		}
		if k.version.form != "" && k.version.form != d.form.unsorted() {
			return invalidKey("A key that starts with %s is for descriptors like %s, and this one is %s. Write the key as %s if you are sure of the descriptor.",
				k.version.name, k.version.form.example(), d.form.example(), plainName(k.version))
		}
		if k.paths > 0 && paths > 0 && k.paths != paths {
			return invalidKey("The lists in < > must have the same length in every key.")
		}
		paths = max(paths, k.paths)
	}
	return nil
}

// example is a form for people, with KEY where keys are.
func (f form) example() string {
	if f.multisig() {
		return f.write("2,KEY,KEY")
	}
	return f.write("KEY")
}

// plainName is what a key of another version of the same place begins with when
// it says nothing of its script form.
func plainName(v hdVersion) string {
	for _, versions := range allVersions {
		if versions[0].place == v.place {
			return versions[0].name
		}
	}
	return v.name
}

// purposes are the account paths that say which form a key is for: BIP 44, 49,
// 84 and 86.
var purposes = map[string]form{"44h": "pkh", "49h": "sh/wpkh", "84h": "wpkh", "86h": "tr"}

// alone makes a descriptor of an extended key that was given without one: it
// finds the form, and takes the receiving branch if there is no path.
func (k *keyExpr) alone(f *form) error {
	given, said := k.version.form, purposes[k.purpose]
	switch {
	case given.multisig() || k.purpose == "45h" || k.purpose == "48h":
		return invalidKey("This is one key of a multisig wallet. Give the descriptor of the whole wallet: wsh(sortedmulti(2,KEY,KEY)).")
	case given != "" && said != "" && given != said:
		return invalidKey("A key that starts with %s is for %s, but the path in the brackets is for %s. Give the descriptor of the wallet, which says which of them it is.",
			k.version.name, given.example(), said.example())
	}
	switch {
	case given != "":
		*f = given
	case said != "":
		*f = said
	default:
		*f = "wpkh"
	}

	switch {
	case k.wildcard:
		return nil
	case len(k.path) > 0 || k.paths > 0:
		return invalidKey("A path after the key must end in /*, or every invoice would get the same address. Usually that is KEY/0/* or KEY/<0;1>/*.")
	case k.key.Depth() > 0 && k.key.ChildIndex() < hdkeychain.HardenedKeyStart:
		return invalidKey("This is not the key of an account, but one below it. Give the account's key, or say with a path where the addresses are: KEY/* if they come straight after this key.")
	}
	k.path, k.wildcard = []uint32{0}, true
	return nil
}

// parseKeyExpr reads [origin]key/path.
func parseKeyExpr(p *Params, s string) (k keyExpr, err error) {
	if strings.HasPrefix(s, "[") {
		origin, rest, ok := strings.Cut(s[1:], "]")
		if !ok {
			return k, badOrigin()
		}
		if k.origin, k.purpose, err = parseOrigin(origin); err != nil {
			return k, err
		}
		s = rest
	}
	s, path, hasPath := strings.Cut(s, "/")
	if k.key, k.version, err = parseExtendedKey(p, s); err != nil {
		return k, err
	}
	if hasPath {
		if err := k.parsePath(path); err != nil {
			return k, err
		}
	}
	return k, nil
}

func badOrigin() error {
	return invalidKey("What stands in [ ] before a key must be like [d34db33f/84h/0h/0h]: eight hex digits, then the steps of the path.")
}

// parseOrigin reads where a key comes from, without the brackets.
func parseOrigin(s string) (origin, purpose string, err error) {
	steps := strings.Split(s, "/")
	if raw, err := hex.DecodeString(steps[0]); err != nil || len(raw) != 4 || len(steps) > 1+maxSteps {
		return "", "", badOrigin()
	}
	steps[0] = strings.ToLower(steps[0])
	for i, step := range steps[1:] {
		plain, hardened := cutHardened(step)
		n, ok := parseStep(plain)
		if !ok {
			return "", "", badOrigin()
		}
		steps[i+1] = strconv.FormatUint(uint64(n), 10)
		if hardened {
			steps[i+1] += "h"
		}
	}
	if len(steps) > 1 {
		purpose = steps[1]
	}
	return "[" + strings.Join(steps, "/") + "]", purpose, nil
}

// cutHardened takes the mark of a hardened step off.
func cutHardened(s string) (plain string, hardened bool) {
	for _, mark := range []string{"h", "'", "H"} {
		if plain, ok := strings.CutSuffix(s, mark); ok {
			return plain, true
		}
	}
	return s, false
}

// parseStep reads a number below 2^31.
func parseStep(s string) (n uint32, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	v, err := strconv.ParseUint(s, 10, 31)
	return uint32(v), err == nil
}

// parsePath reads what follows a key, without the first slash.
func (k *keyExpr) parsePath(path string) error {
	steps := strings.Split(path, "/")
	if len(steps) > maxSteps+1 {
		return invalidKey("The path after a key can have at most %d steps before its /*.", maxSteps)
	}
	for i, step := range steps {
		last := i == len(steps)-1
		inner, opened := strings.CutPrefix(step, "<")
		inner, closed := strings.CutSuffix(inner, ">")
		switch {
		case last && step == "*":
			k.wildcard = true
			continue
		case opened && closed && k.paths == 0:
			step = inner
		case opened && closed:
			return invalidKey("A path can have only one list in < >.")
		}
		all := strings.Split(step, ";")
		if opened != closed || (len(all) > 1) != opened {
			return badPath()
		}
		numbers := make([]uint32, len(all))
		for j, s := range all {
			plain, hardened := cutHardened(s)
			n, ok := parseStep(plain)
			switch {
			case hardened && (ok || plain == "*"):
				return invalidKey("A step with h or ' after a public key cannot be followed: it needs the private key. Let the wallet give the public key of that account, with the step in the brackets before the key.")
			case !ok:
				return badPath()
			case slices.Contains(numbers[:j], n):
				return invalidKey("A list in < > must not have a number twice.")
			}
			numbers[j] = n
		}
		if opened {
			k.paths = len(numbers)
		}
		k.path = append(k.path, numbers[0])
	}
	return nil
}

func badPath() error {
	return invalidKey("The path after the key cannot be read. It is made of numbers below 2147483648 and ends in /*, as in KEY/0/* or KEY/<0;1>/*.")
}

// parseExtendedKey reads an extended public key of p, and sets it to the
// version that we write.
func parseExtendedKey(p *Params, s string) (*hdkeychain.ExtendedKey, hdVersion, error) {
	none := hdVersion{}
	if raw, err := hex.DecodeString(s); err == nil && (len(raw) == 33 || len(raw) == 65) {
		return nil, none, invalidKey("This is a single public key: it has one address, and every invoice would get the same. Give the extended public key of the account (%s).", p.keyNames())
	}
	if len(s) > 120 { // all are 111 or 112; decoding takes the square of the length
		return nil, none, notAKey(p)
	}
	key, err := hdkeychain.NewKeyFromString(s)
	switch {
	case errors.Is(err, hdkeychain.ErrBadChecksum):
		return nil, none, invalidKey("There is a mistake in the key: its checksum does not fit. Copy all of it again, do not type it.")
	case err != nil:
		return nil, none, notAKey(p)
	case key.IsPrivate():
		return nil, none, privateKey(p)
	case key.Depth() == 0 && (key.ParentFingerprint() != 0 || key.ChildIndex() != 0):
		return nil, none, notAKey(p)
	}
	for _, v := range p.versions {
		if bytes.Equal(v.id[:], key.Version()) {
			key, err = key.CloneWithVersion(p.versions[0].id[:])
			if err != nil {
				return nil, none, fmt.Errorf("set the version of an extended key: %w", err)
			}
			return key, v, nil
		}
	}
	for _, versions := range allVersions {
		for _, v := range versions {
			if bytes.Equal(v.id[:], key.Version()) {
				return nil, none, invalidKey("This key starts with %s, so it is for %s, and payments come in on %s here. Give a key that starts with %s.",
					v.name, v.place, p.title(), p.keyNames())
			}
		}
	}
	return nil, none, invalidKey("This is an extended public key, but not one of %s. Give a key that starts with %s.", p.title(), p.keyNames())
}

func notAKey(p *Params) error {
	return invalidKey("This is not an extended public key. Give the one of the account, which starts with %s, or the wallet's output descriptor, like wpkh(KEY/0/*).", p.keyNames())
}
