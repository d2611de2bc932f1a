package bitcoin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"

	"github.com/paybell/paybell"
)

// Key is a receiving key: it makes the addresses of a wallet, and can spend
// nothing. Several goroutines may use one.
type Key struct {
	params      *Params
	form        form
	need        int                       // signatures, with a multisig
	branches    []*hdkeychain.ExtendedKey // their children are the keys of the addresses
	text        string                    // the descriptor with its checksum
	fingerprint string
}

// ParseKey reads a receiving key for the chain p. White space around it is
// ignored. It is one of
//
//   - an extended public key as BIP 32 and SLIP-132 have it, with or without its
//     origin in brackets and a path. A ypub or upub gives P2WPKH in P2SH, a zpub
//     or vpub P2WPKH; other keys what the first step of the origin says (BIP 44,
//     49, 84, 86), and without one P2WPKH. Without a path it is the account's, and
//     its addresses are at /0/*.
//   - an output descriptor (BIP 380-386) with wpkh, sh(wpkh), tr or pkh, or with
//     multi or sortedmulti in wsh, sh(wsh) or sh, of extended public keys whose
//     paths end in /*. Of a list like <0;1> (BIP 389) the first is taken, which is
//     for receiving. A checksum is verified when there is one.
//
// The text may have 2,000 characters and a multisig 15 keys. Everything else is
// Invalid, with advice on the field "key"; above all everything that holds a
// private key. Nothing of the input is in an error.
func ParseKey(p *Params, text string) (*Key, error) {
	text = strings.TrimSpace(text)
	if looksPrivate(text) {
		return nil, privateKey(p)
	}
	if text == "" {
		return nil, invalidKey("The key is missing. Give the extended public key of the account, which starts with %s, or the wallet's output descriptor.", p.keyNames())
	}
	if len(text) > maxText {
		return nil, tooLongKey()
	}
	if _, err := p.Script(text); err == nil {
		return nil, invalidKey("This is one address, and every invoice needs its own. Give the extended public key of the account, which starts with %s, or the wallet's output descriptor.", p.keyNames())
	}
	d, err := parseDescriptor(p, text)
	if err != nil {
		return nil, err
	}
	return newKey(p, d)
}

func newKey(p *Params, d descriptor) (*Key, error) {
	k := &Key{params: p, form: d.form, need: d.need}
	var material [][]byte // of each branch
	for _, expr := range d.keys {
		branch := expr.key
		for _, step := range expr.path {
			var err error
			branch, err = branch.Derive(step)
			switch {
			case errors.Is(err, hdkeychain.ErrDeriveBeyondMaxDepth):
				return nil, tooDeepKey()
			case err != nil:
				return nil, invalidKey("There are no addresses on this path. Give another path or another account.")
			}
		}
		if branch.Depth() == math.MaxUint8 {
			return nil, tooDeepKey()
		}
		pub, err := branch.ECPubKey()
		if err != nil {
			return nil, fmt.Errorf("read a derived public key: %w", err)
		}
		k.branches = append(k.branches, branch)
		material = append(material, append(pub.SerializeCompressed(), branch.ChainCode()...))
	}
	slices.SortFunc(material, bytes.Compare)
	if len(slices.CompactFunc(slices.Clone(material), bytes.Equal)) != len(material) {
		return nil, invalidKey("The same key stands twice in the multisig, so it protects less than it seems to. Give each signer's own key.")
	}
	sum := sha256.Sum256(bytes.Join(material, nil))
	k.fingerprint = hex.EncodeToString(sum[:16])

	body := d.String()
	checksum, ok := descriptorChecksum(body)
	if !ok {
		return nil, errors.New("a descriptor was written that has no checksum")
	}
	k.text = body + "#" + checksum
	if len(k.text) > maxText {
		return nil, tooLongKey()
	}
	return k, nil
}

func tooLongKey() error {
	return invalidKey("This is too long: a key or descriptor has at most %d characters.", maxText)
}

func tooDeepKey() error {
	return invalidKey("This key is too deep in its wallet to have addresses below it.")
}

// String is the canonical descriptor with its checksum: keys as xpub or tpub,
// hardened steps of origins with an h, the receiving branch alone. ParseKey
// reads it as the same key.
func (k *Key) String() string { return k.text }

// Fingerprint is 32 hex digits that are the same for all ways to write the same
// public keys and branches, and for all script forms: who uses two keys with one
// fingerprint must not take one address index for both. The keys of a multisig
// count in any order.
func (k *Key) Fingerprint() string { return k.fingerprint }

// Kind says in words what the addresses are, and how they begin:
// "Native SegWit (bc1q…)", "2 of 3 multisig, Native SegWit (bc1q…)".
func (k *Key) Kind() string {
	p := k.params
	var kind string
	switch k.form.unsorted() {
	case "pkh":
		kind = "Legacy (" + p.legacy + ")"
	case "sh/multi":
		kind = "Legacy (" + p.nested + ")"
	case "sh/wpkh", "sh/wsh/multi":
		kind = "Nested SegWit (" + p.nested + ")"
	case "tr":
		kind = "Taproot (" + p.hrp + "1p…)"
	default:
		kind = "Native SegWit (" + p.hrp + "1q…)"
	}
	if k.form.multisig() {
		return fmt.Sprintf("%d of %d multisig, %s", k.need, len(k.branches), kind)
	}
	return kind
}

// Address is the address number index, from 0 to 2^31-1; another index is
// Invalid. One index in 2^127 has no address (BIP 32): that is an Internal
// error, and the next index is to be taken.
func (k *Key) Address(index int64) (string, error) {
	if index < 0 || index > math.MaxInt32 {
		return "", paybell.InvalidField("index", "must be from 0 to %d", math.MaxInt32)
	}
	pubs := make([][]byte, len(k.branches))
	for i, branch := range k.branches {
		child, err := branch.Derive(uint32(index))
		if err != nil {
			return "", fmt.Errorf("derive address %d: %w", index, err)
		}
		pub, err := child.ECPubKey()
		if err != nil {
			return "", fmt.Errorf("derive address %d: %w", index, err)
		}
		pubs[i] = pub.SerializeCompressed()
	}
	script, err := k.form.script(k.need, pubs)
	if err != nil {
		return "", fmt.Errorf("derive address %d: %w", index, err)
	}
	address := k.params.Address(script)
	if address == "" {
		return "", fmt.Errorf("derive address %d: its script has no address", index)
	}
	return address, nil
}

func privateKey(p *Params) error {
	return invalidKey("This is a private key or a wallet's secret words, with which anybody can take the money. It was not kept. Never give it to a website; "+
		"Paybell needs only the extended public key of the account, which starts with %s, or the wallet's output descriptor.", p.keyNames())
}

// looksPrivate says whether something in text may be a private key or the words
// of a seed, also one with mistakes in it. What is public never looks so.
func looksPrivate(text string) bool {
	text = text[:min(len(text), 4*maxText)]
	words, longest := 0, 0
	for token := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.M, unicode.N) }) {
		if privateToken(token) {
			return true
		}
		longest = max(longest, len(token))
		word := strings.TrimFunc(token, unicode.IsNumber) // they are often numbered
		if word != "" && !strings.ContainsFunc(word, unicode.IsNumber) {
			words++
		}
	}
	// Seeds have 12 words or more, and one may have been forgotten. Text with a
	// public key in it has something longer than any word.
	return words >= 11 && longest <= 50
}

// privateToken knows the private keys that are written without spaces.
func privateToken(s string) bool {
	if len(s) <= 8 { // the checksum of a descriptor may look like the beginning of a key
		return false
	}
	if strings.EqualFold(s[1:4], "prv") { // xprv, tprv, zprv ...
		return true
	}
	for _, prefix := range []string{"Ltpv", "Mtpv", "ttpv"} { // SLIP-132 for Litecoin
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	hexDigits := strings.TrimPrefix(s, "0x")
	switch len(hexDigits) {
	case 32, 64, 128: // entropy, key, seed
		if _, err := hex.DecodeString(hexDigits); err == nil {
			return true
		}
	}
	switch len(s) {
	case 51, 52: // WIF, by what it begins with on the networks we know
		return strings.ContainsRune("5KL9c6T4F", rune(s[0])) && isBase58(s)
	case 58: // BIP 38
		return strings.HasPrefix(s, "6P") && isBase58(s)
	}
	return false
}

func isBase58(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", r)
	})
}
