package bitcoin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/btcsuite/btcd/address/v2/base58"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"pgregory.net/rapid"

	"github.com/paybell/paybell"
)

// The seed of the words "abandon abandon ... about", whose keys many
// specifications give.
const aboutSeed = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"

// Its accounts.
const (
	aboutXpub44 = "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"
	aboutYpub   = "ypub6Ww3ibxVfGzLrAH1PNcjyAWenMTbbAosGNB6VvmSEgytSER9azLDWCxoJwW7Ke7icmizBMXrzBx9979FfaHxHcrArf3zbeJJJUZPf663zsP"
	aboutZpub   = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs"
	aboutUpub   = "upub5EFU65HtV5TeiSHmZZm7FUffBGy8UKeqp7vw43jYbvZPpoVsgU93oac7Wk3u6moKegAEWtGNF8DehrnHtv21XXEMYRUocHqguyjknFHYfgY"
	aboutXpub86 = "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ"
)

// account derives an account of a seed and writes its public key with version.
func account(t testing.TB, seed []byte, version string, path ...uint32) string {
	t.Helper()
	key, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
	for _, step := range path {
		if err == nil {
			key, err = key.Derive(hdkeychain.HardenedKeyStart + step)
		}
	}
	if err == nil {
		key, err = key.Neuter()
	}
	if err == nil {
		key, err = key.CloneWithVersion(versionID(t, version))
	}
	if err != nil {
		t.Fatal(err)
	}
	return key.String()
}

func aboutAccount(t testing.TB, version string, path ...uint32) string {
	seed, err := hex.DecodeString(aboutSeed)
	if err != nil {
		t.Fatal(err)
	}
	return account(t, seed, version, path...)
}

func versionID(t testing.TB, name string) []byte {
	t.Helper()
	for _, versions := range allVersions {
		for _, v := range versions {
			if v.name == name {
				return v.id[:]
			}
		}
	}
	t.Fatalf("no key begins with %s", name)
	return nil
}

func parse(t testing.TB, p *Params, text string) *Key {
	t.Helper()
	k, err := ParseKey(p, text)
	if err != nil {
		t.Fatalf("%s: %s: %v", p.title(), text, err)
	}
	return k
}

// checkKey checks what must hold for every key.
func checkKey(t interface{ Fatalf(string, ...any) }, p *Params, k *Key) {
	again, err := ParseKey(p, k.String())
	if err != nil {
		t.Fatalf("%s: %s cannot be read again: %v", p.title(), k, err)
	}
	if again.String() != k.String() || again.Fingerprint() != k.Fingerprint() || again.Kind() != k.Kind() {
		t.Fatalf("%s: %s %s %s is read again as %s %s %s", p.title(), k, k.Fingerprint(), k.Kind(), again, again.Fingerprint(), again.Kind())
	}
	if b, err := hex.DecodeString(k.Fingerprint()); err != nil || len(b) != 16 {
		t.Fatalf("%s: the fingerprint of %s is %q", p.title(), k, k.Fingerprint())
	}
	for _, i := range []int64{0, 1, 1<<31 - 1} {
		addr, err := k.Address(i)
		if err != nil {
			t.Fatalf("%s: address %d of %s: %v", p.title(), i, k, err)
		}
		checkAddress(t, p, addr, nil)
		if same, err := again.Address(i); err != nil || same != addr {
			t.Fatalf("%s: address %d of %s is %s, and when read again %s (%v)", p.title(), i, k, addr, same, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		network, name, text string
		kind, first, second string // second may be empty
	}{
		// BIP 44, 49, 84 and 86, SLIP-132.
		{"bitcoin", "mainnet", aboutZpub, "Native SegWit (bc1q…)", "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"},
		{"bitcoin", "mainnet", " \r\n\t" + aboutZpub + "/0/*\n", "Native SegWit (bc1q…)", "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"},
		{"bitcoin", "mainnet", aboutZpub + "/1/*", "Native SegWit (bc1q…)", "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el", ""},
		{"bitcoin", "mainnet", "[73c5da0a/84'/0'/0']" + aboutZpub + "/<0;1>/*", "Native SegWit (bc1q…)", "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", ""},
		{"bitcoin", "mainnet", aboutYpub, "Nested SegWit (3…)", "37VucYSaXLCAsxYyAPfbSi9eh4iEcbShgf", ""},
		{"bitcoin", "mainnet", "pkh(" + aboutXpub44 + "/0/*)", "Legacy (1…)", "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA", ""},
		{"bitcoin", "mainnet", "[73c5da0a/44h/0h/0h]" + aboutXpub44, "Legacy (1…)", "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA", ""},
		{"bitcoin", "mainnet", "tr(" + aboutXpub86 + "/0/*)", "Taproot (bc1p…)", "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr", "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh"},
		{"bitcoin", "mainnet", "[73c5da0a/86H/0H/0H]" + aboutXpub86, "Taproot (bc1p…)", "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr", ""},
		{"bitcoin", "testnet3", aboutUpub, "Nested SegWit (2…)", "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2", ""},
		{"bitcoin", "testnet4", "[73c5da0a/49h/1h/0h]" + aboutAccount(t, "tpub", 49, 1, 0), "Nested SegWit (2…)", "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2", ""},
		{"bitcoin", "signet", aboutAccount(t, "vpub", 84, 1, 0), "Native SegWit (tb1q…)", "tb1q6rz28mcfaxtmd6v789l9rrlrusdprr9pqcpvkl", ""},
		{"bitcoin", "regtest", aboutAccount(t, "tpub", 84, 1, 0), "Native SegWit (bcrt1q…)", "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk", ""},
		{"litecoin", "mainnet", "pkh(" + aboutAccount(t, "Ltub", 44, 2, 0) + "/0/*)", "Legacy (L…)", "LUWPbpM43E2p7ZSh8cyTBEkvpHmr3cB8Ez", ""},
		{"litecoin", "mainnet", aboutAccount(t, "Mtub", 49, 2, 0), "Nested SegWit (M…)", "M7wtsL7wSHDBJVMWWhtQfTMSYYkyooAAXM", ""},
		{"litecoin", "mainnet", aboutAccount(t, "Ltub", 84, 2, 0), "Native SegWit (ltc1q…)", "ltc1qjmxnz78nmc8nq77wuxh25n2es7rzm5c2rkk4wh", ""},
		{"litecoin", "mainnet", aboutAccount(t, "zpub", 84, 2, 0), "Native SegWit (ltc1q…)", "ltc1qjmxnz78nmc8nq77wuxh25n2es7rzm5c2rkk4wh", ""},
	} {
		p := params(t, tt.network, tt.name)
		k, err := ParseKey(p, tt.text)
		if err != nil {
			t.Errorf("%s: %s: %v", p.title(), tt.text, err)
			continue
		}
		checkKey(t, p, k)
		if k.Kind() != tt.kind {
			t.Errorf("%s: %s is %s, want %s", p.title(), tt.text, k.Kind(), tt.kind)
		}
		for i, want := range []string{tt.first, tt.second} {
			if got, err := k.Address(int64(i)); want != "" && (got != want || err != nil) {
				t.Errorf("%s: address %d of %s is %s, %v; want %s", p.title(), i, tt.text, got, err, want)
			}
		}
	}
}

// Every kind of key works on every chain that it is for, and is refused on the
// others by their names.
func TestKeysOfOtherNetworks(t *testing.T) {
	for _, p := range networks {
		for _, versions := range allVersions {
			for _, v := range versions {
				text := aboutAccount(t, v.name, 84, 0, 0)
				if v.form.multisig() {
					text = v.form.write("1," + text + "/0/*," + aboutAccount(t, v.name, 84, 0, 1) + "/0/*")
				}
				k, err := ParseKey(p, text)
				wanted := false
				for _, own := range p.versions {
					wanted = wanted || own.id == v.id
				}
				if wanted != (err == nil) {
					t.Errorf("%s: a %s gives %v", p.title(), v.name, err)
				}
				if err != nil {
					if checkRefused(t, text, err); !strings.Contains(err.Error(), p.title()) || !strings.Contains(err.Error(), v.place) {
						t.Errorf("%s: a %s is refused with %q, which does not name both networks", p.title(), v.name, err)
					}
					continue
				}
				checkKey(t, p, k)
				if canonical := p.versions[0].name; !strings.Contains(k.String(), canonical) {
					t.Errorf("%s: a %s is written as %s", p.title(), v.name, k)
				}
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	a, b, c := aboutAccount(t, "xpub", 84, 0, 0), aboutAccount(t, "xpub", 84, 0, 1), aboutAccount(t, "xpub", 84, 0, 2)
	ext, err := hdkeychain.NewKeyFromString(a)
	if err != nil {
		t.Fatal(err)
	}
	branch, err := ext.Derive(0)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ext.ECPubKey()
	if err != nil {
		t.Fatal(err)
	}
	otherChain := hdkeychain.NewExtendedKey(ext.Version(), pub.SerializeCompressed(), make([]byte, 32), make([]byte, 4), 0, 0, false).String()
	same := [][]string{
		{
			a, aboutZpub, "[73c5da0a/84h/0h/0h]" + a, a + "/0/*", a + "/<0;1>/*", "wpkh(" + a + "/0/*)", "pkh([00000000]" + a + "/00/*)",
			"tr(" + a + "/<0;7;1>/*)", "sh(wpkh(" + a + "/0/*))", aboutAccount(t, "ypub", 84, 0, 0), branch.String() + "/*",
		},
		{a + "/1/*", a + "/<1;0>/*"},
		{b},
		{"wpkh(" + a + "/*)"},
		{"wpkh(" + otherChain + "/*)"},
		{
			"wsh(sortedmulti(2," + a + "/0/*," + b + "/0/*," + c + "/0/*))", "wsh(sortedmulti(2," + c + "/0/*," + a + "/<0;1>/*," + b + "/0/*))",
			"sh(wsh(multi(1,[73c5da0a]" + b + "/0/*," + a + "/0/*," + c + "/0/*)))",
		},
		{"wsh(sortedmulti(2," + a + "/0/*," + b + "/0/*))"},
		{"wsh(sortedmulti(2," + a + "/0/*," + b + "/1/*))"},
	}
	seen := make(map[string]int)
	for i, texts := range same {
		for _, text := range texts {
			fp := parse(t, p, text).Fingerprint()
			if before, ok := seen[fp]; ok && before != i {
				t.Errorf("%s has the fingerprint of %s", text, same[before][0])
			}
			seen[fp] = i
			if fp != parse(t, p, texts[0]).Fingerprint() {
				t.Errorf("%s has another fingerprint than %s", text, texts[0])
			}
		}
	}
	if one := parse(t, p, "wsh(sortedmulti(1,"+a+"/0/*))"); one.Fingerprint() != parse(t, p, a).Fingerprint() {
		t.Errorf("a multisig of one key has another fingerprint than the key")
	}
}

func TestCanonical(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	for text, want := range map[string]string{
		aboutZpub: "wpkh(" + aboutAccount(t, "xpub", 84, 0, 0) + "/0/*)",
		"[73C5DA0A/84'/0H/00h/7]" + aboutZpub + "/5/<007;1>/9/*": "wpkh([73c5da0a/84h/0h/0h/7]" + aboutAccount(t, "xpub", 84, 0, 0) + "/5/7/9/*)",
		aboutYpub: "sh(wpkh(" + aboutAccount(t, "xpub", 49, 0, 0) + "/0/*))",
		"wsh(sortedmulti(01," + aboutXpub86 + "/1/*," + aboutXpub44 + "/*))": "wsh(sortedmulti(1," + aboutXpub86 + "/1/*," + aboutXpub44 + "/*))",
	} {
		got, sum, _ := strings.Cut(parse(t, p, text).String(), "#")
		if wantSum, _ := descriptorChecksum(want); got != want || sum != wantSum {
			t.Errorf("%s is written as %s#%s, want %s", text, got, sum, want)
		}
	}
}

// checkRefused checks an error for input that was refused.
func checkRefused(t testing.TB, text string, err error) {
	t.Helper()
	var e *paybell.Error
	if !errors.As(err, &e) || e.Code != paybell.Invalid || e.Fields["key"] == "" || e.Err != nil {
		t.Errorf("%.200q gives %#v, and not an Invalid error on the key", text, err)
		return
	}
	// Words of up to 11 letters may be ours.
	for token := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		if len(token) > 11 && strings.Contains(err.Error(), token) {
			t.Errorf("%.200q is refused with its own %q in %q", text, token, err)
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	words := "legal winner thank year wave sausage worth useful legal winner thank yellow"
	xprv := "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
	relabelled, err := hdkeychain.NewKeyFromString(xprv)
	if err == nil {
		relabelled, err = relabelled.CloneWithVersion(versionID(t, "xpub"))
	}
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		xprv, xprv + "/0/*", "wpkh(" + xprv + "/0/*)", "wpkh([73c5da0a/84h/0h/0h]" + xprv + "/0/*)#aaaaaaaa",
		xprv[:60] + "\n" + xprv[60:], xprv[:100], "My key: " + xprv, strings.Repeat(xprv, 30),
		"wsh(sortedmulti(1," + aboutZpub + "/0/*," + xprv + "/0/*))",
		relabelled.String(),
		"zprvAdG4iTXWBoARxkkzNpNh8r6Qag3irQB8PzEMkAFeTRXxHpbF9z4QgEvBRmfvqWvGp42t42nvgGpNgYSJA9iefm1yYNZKEm7z6qUWCroSQnE",
		"yprvAHwhK6RbpuS3dgCYHM5jc2ZvEKd7Bi61u9FVhYMpgMSuZS613T1xxQeKTffhrHY79hZ5PsskBjcc6C2V7DrnsMsNaGDaWev3GLRQRgV7hxF",
		"uprv91G7gZkzehuMVxDJTYE6tLivdF8e4rvzSu1LFfKw3b2Qx1Aj8vpoFnHdfUZ3hmi9jsvPifmZ24RTN2KhwB8BfMLTVqaBReibyaFFcTP1s9n",
		"Ltpv71G8qDifUiNetP6nmxPA5STrUVmv2J9YSmXajv8VsYBUyuPhvN9xCaQrfX2wo5xxJNtEazYCFRUu5FmokYMM79pcqz8pcdo4rNXAFPgyB4k",
		"Ltpv71G8qDifUiNetP6nmxPA5STr", "ttpv96BtqegdxXceQk8r9KuoG5yiMACLxANu9hh98NpMwpzcCa8XbrJ7uwnRBMzyTVHTBTvcbnmFhJ8ZQqwXrTd",
		"L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1", "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss",
		"cULrpoZGXiuC19Uhvykx7NugygA3k86b3hmdCeyvHYQZSxojGyXJ", "wpkh(L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1)",
		"L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY2", // its checksum is wrong
		"6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGg",
		"c9bdb49cfbaedca21c4b1f3a7803c34636b1d7dc55a717132443fc3f4c5867e8", "0xC9BDB49CFBAEDCA21C4B1F3A7803C34636B1D7DC55A717132443FC3F4C5867E8",
		"tr(a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd)", aboutSeed,
		words, strings.ToUpper(words), "My words are:\n" + words, strings.ReplaceAll(words, " ", ", "), strings.ReplaceAll(words, " ", "\n"),
		"1. legal\n2. winner 3)thank 4 year 5wave 6sausage 7worth 8useful 9legal 10winner 11thank 12yellow",
		strings.TrimSuffix(words, " yellow"), words + " " + words,
		"あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　あおぞら",
	}
	// A private key of every version that there is, by its bytes.
	for version := range uint32(64) {
		id := sha256.Sum256([]byte{byte(version)})
		k, err := relabelled.CloneWithVersion(id[:4])
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, k.String())
	}
	for _, network := range []string{"bitcoin", "litecoin"} {
		for _, name := range Names(network) {
			p := params(t, network, name)
			for _, text := range texts {
				k, err := ParseKey(p, text)
				if err == nil {
					t.Errorf("%s: %.200q is taken as %s", p.title(), text, k)
					continue
				}
				checkRefused(t, text, err)
				if !strings.Contains(err.Error(), "private") || !strings.Contains(err.Error(), "not kept") || !strings.Contains(err.Error(), p.keyNames()) {
					t.Errorf("%s: %.200q is refused with %q", p.title(), text, err)
				}
				for word := range strings.FieldsSeq(words) {
					if strings.Contains(err.Error(), word) {
						t.Errorf("%s: %.200q is refused with its own word %q", p.title(), text, word)
					}
				}
			}
		}
	}
	for _, public := range []string{
		"", aboutZpub, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
		"0260b2003c386519fc9eadf2b5cf124dd8eea4c4e68d5e154050a9346ea98ce600", "wpkh", "what is my key", aboutXpub44[:52],
	} {
		if looksPrivate(public) {
			t.Errorf("%q looks private", public)
		}
	}
}

func TestAddressIndex(t *testing.T) {
	k := parse(t, params(t, "bitcoin", "mainnet"), aboutZpub)
	for _, i := range []int64{-1, 1 << 31, 1<<32 + 5, 1<<63 - 1, -1 << 63} {
		if addr, err := k.Address(i); paybell.CodeOf(err) != paybell.Invalid {
			t.Errorf("address %d is %s, %v", i, addr, err)
		}
	}
}

// A key is used by several goroutines at once; the race detector looks on.
func TestKeyShared(t *testing.T) {
	k := parse(t, params(t, "bitcoin", "mainnet"), "wsh(sortedmulti(2,"+aboutXpub44+"/0/*,"+aboutXpub86+"/0/*))")
	var want []string
	for i := range int64(8) {
		addr, err := k.Address(i)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, addr)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range int64(8) {
				if addr, err := k.Address(i); addr != want[i] || err != nil {
					t.Errorf("address %d is %s, %v; alone it was %s", i, addr, err, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// Keys of random seeds, in every form and on every chain.
func TestKeyProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SampledFrom(networks).Draw(rt, "params")
		f := rapid.SampledFrom(forms).Draw(rt, "form")
		n := 1
		if f.multisig() {
			n = rapid.IntRange(1, 4).Draw(rt, "keys")
		}
		seed := rapid.SliceOfN(rapid.Byte(), 16, 64).Draw(rt, "seed")
		var args []string
		if f.multisig() {
			args = append(args, string(rune('0'+rapid.IntRange(1, n).Draw(rt, "need"))))
		}
		for i := range n {
			key := account(t, seed, p.versions[0].name, rapid.Uint32Range(0, 1<<31-1).Draw(rt, "purpose"), uint32(i))
			args = append(args, key+rapid.SampledFrom([]string{"/*", "/0/*", "/<0;1>/*", "/2147483647/*"}).Draw(rt, "path"))
		}
		k, err := ParseKey(p, f.write(strings.Join(args, ",")))
		if err != nil {
			rt.Fatalf("%s: %s: %v", p.title(), f.write(strings.Join(args, ",")), err)
		}
		checkKey(rt, p, k)
		index := rapid.Int64Range(0, 1<<31-1).Draw(rt, "index")
		addr, err := k.Address(index)
		if err != nil {
			rt.Fatalf("address %d: %v", index, err)
		}
		checkAddress(rt, p, addr, nil)
		for _, want := range []string{p.hrp + "1p", p.hrp + "1q"} {
			if strings.Contains(k.Kind(), want) && !strings.HasPrefix(addr, want) {
				rt.Fatalf("%s: the first address of %s is %s", p.title(), k.Kind(), addr)
			}
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, text := range []string{
		aboutZpub, aboutYpub, "[73c5da0a/86h/0h/0h]" + aboutXpub86 + "/<0;1>/*", "sh(wpkh(" + aboutXpub44 + "/0/*))",
		"tr(" + aboutXpub86 + "/0/*)", "wsh(sortedmulti(2," + aboutXpub44 + "/0/*," + aboutXpub86 + "/<0;1>/*))",
		"wpkh(" + aboutXpub44 + "/0h/*)", "raw(deadbeef)#89f8spxm", "wsh(multi(0,,))", "pkh([/]/*)", "((((", "sh()", "<>;;/",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, resum bool) {
		if resum { // so that the fuzzer need not find checksums
			body, _, _ := strings.Cut(text, "#")
			sum, _ := descriptorChecksum(body)
			text = body + "#" + sum
		}
		for _, p := range []*Params{networks[0], networks[2], networks[5], networks[6]} {
			k, err := ParseKey(p, text)
			if err != nil {
				checkRefused(t, text, err)
				continue
			}
			checkKey(t, p, k)
		}
	})
}

// Extended keys of any bytes: with a checksum that fits, and so past the first
// check.
func FuzzExtendedKey(f *testing.F) {
	for _, key := range []string{aboutZpub, aboutYpub, aboutUpub, aboutXpub44} {
		raw := base58.Decode(key)
		f.Add(raw[:len(raw)-4])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		sum := sha256.Sum256(raw)
		sum = sha256.Sum256(sum[:])
		text := base58.Encode(append(raw, sum[:4]...))
		for _, p := range []*Params{networks[0], networks[2], networks[6]} {
			for _, text := range []string{text, text + "/*", "tr(" + text + "/1/*)"} {
				k, err := ParseKey(p, text)
				if err != nil {
					checkRefused(t, text, err)
					continue
				}
				checkKey(t, p, k)
			}
		}
	})
}

func BenchmarkKeyAddress(b *testing.B) {
	p := params(b, "bitcoin", "mainnet")
	for _, bb := range []struct{ name, text string }{
		{"wpkh", aboutZpub},
		{"tr", "tr(" + aboutXpub86 + "/0/*)"},
		{"2of2", "wsh(sortedmulti(2," + aboutXpub44 + "/0/*," + aboutXpub86 + "/0/*))"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			k := parse(b, p, bb.text)
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				if _, err := k.Address(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseKey(b *testing.B) {
	p := params(b, "bitcoin", "mainnet")
	for b.Loop() {
		parse(b, p, aboutZpub)
	}
}
