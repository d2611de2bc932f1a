package bitcoin

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
)

// Keys that the vectors of BIP 380-389 use again and again.
const (
	pubA  = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd"
	pubAU = "04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd5b8dec5235a0fa8722476c7709c02559e3aa73aa03918ba2d492eea75abea235"
	wif   = "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1"
	wifU  = "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss"
	xpub1 = "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL"
	xpub2 = "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y"
	xpub3 = "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH"
	xpub4 = "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB"
	xpub5 = "xpub661MyMwAqRbcGDZQUKLqmWodYLcoBQnQH33yYkkF3jjxeLvY8qr2wWGEWkiKFaaQfJCoi3HeEq3Dc5DptfbCyjD38fNhSqtKc1UHaP4ba3t"
	xprv1 = "xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxFLJ8HFsTjSyQbLYnMpCqE2VbFWc"
	xprv2 = "xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtALGdso3pGz6ssrdK4PFmM8NSpSBHNqPqm55Qn3LqFtT2emdEXVYsCzC2U"
)

// sixteen are the keys of a vector in BIP 383.
const sixteen = "03669b8afcec803a0d323e9a17f3ea8e68e8abe5a278020a929adbec52421adbd0,0260b2003c386519fc9eadf2b5cf124dd8eea4c4e68d5e154050a9346ea98ce600,0362a74e399c39ed5593852a30147f2959b56bb827dfa3e60e464b02ccf87dc5e8,0261345b53de74a4d721ef877c255429961b7e43714171ac06168d7e08c542a8b8,02da72e8b46901a65d4374fe6315538d8f368557dda3a1dcf9ea903f3afe7314c8,0318c82dd0b53fd3a932d16e0ba9e278fcc937c582d5781be626ff16e201f72286,0297ccef1ef99f9d73dec9ad37476ddb232f1238aff877af19e72ba04493361009,02e502cfd5c3f972fe9a3e2a18827820638f96b6f347e54d63deb839011fd5765d,03e687710f0e3ebe81c1037074da939d409c0025f17eb86adb9427d28f0f7ae0e9,02c04d3a5274952acdbc76987f3184b346a483d43be40874624b29e3692c1df5af,02ed06e0f418b5b43a7ec01d1d7d27290fa15f75771cb69b642a51471c29c84acd,036d46073cbb9ffee90473f3da429abc8de7f8751199da44485682a989a4bebb24,02f5d1ff7c9029a80a4e36b9a5497027ef7f3e73384a4a94fbfe7c4e9164eec8bc,02e41deffd1b7cce11cde209a781adcffdabd1b91c0ba0375857a2bfd9302419f3,02d76625f7956a7fc505ab02556c23ee72d832f1bac391bcd2d3abce5710a13d06,0399eb0a5487515802dc14544cf10b3666623762fbed2ec38a3975716e2c29c232"

// The vectors of BIP 381, 382, 383 and 386 with single public keys, which no
// wallet can have here: their scripts.
func TestFormScripts(t *testing.T) {
	for _, tt := range []struct {
		form form
		need int
		keys string
		want string
	}{
		{"pkh", 0, pubA, "76a9149a1c78a507689f6f54b847ad1cef1e614ee23f1e88ac"},
		{"pkh", 0, pubAU, "76a914b5bd079c4d57cc7fc28ecf8213a6b791625b818388ac"},
		{"sh/pkh", 0, pubA, "a9141a31ad23bf49c247dd531a623c2ef57da3c400c587"},
		{"wpkh", 0, pubA, "00149a1c78a507689f6f54b847ad1cef1e614ee23f1e"},
		{"wsh/pkh", 0, pubA, "0020338e023079b91c58571b20e602d7805fb808c22473cbc391a41b1bd3a192e75b"},
		{"sh/wsh/pkh", 0, pubA, "a914b61b92e2ca21bac1e72a3ab859a742982bea960a87"},
		{"multi", 1, pubA + "," + pubAU, "5121" + pubA + "41" + pubAU + "52ae"},
		{"sortedmulti", 1, pubAU + "," + pubA, "5121" + pubA + "41" + pubAU + "52ae"},
		{"sh/wsh/multi", 16, sixteen, "a9147fc63e13dc25e8a95a3cee3d9a714ac3afd96f1e87"},
		{"tr", 0, "02a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd", "512077aab6e066f8a7419c5ab714c12c67d25007ed55a43cadcacb4d7a970a093f11"},
		{"tr", 0, pubA, "512077aab6e066f8a7419c5ab714c12c67d25007ed55a43cadcacb4d7a970a093f11"},
	} {
		var keys [][]byte
		for key := range strings.SplitSeq(tt.keys, ",") {
			raw, err := hex.DecodeString(key)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, raw)
		}
		script, err := tt.form.script(tt.need, keys)
		if got := hex.EncodeToString(script); got != tt.want || err != nil {
			t.Errorf("%s has the script %s, %v; want %s", tt.form.write(tt.keys), got, err, tt.want)
		}
	}
	if script, err := form("pk").script(0, [][]byte{{2}}); err == nil {
		t.Errorf("pk has the script %x", script)
	}
}

// The vectors of BIP 382, 383 and 389 that a wallet can have.
func TestDescriptors(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	for _, tt := range []struct {
		text  string
		want  []string // scripts of the first addresses
		kind  string
		equal string // another way to write it
	}{
		{
			"wpkh([ffffffff/13']" + xpub3 + "/1/2/*)",
			[]string{"0014326b2249e3a25d5dc60935f044ee835d090ba859", "0014af0bd98abc2f2cae66e36896a39ffe2d32984fb7", "00141fa798efd1cbf95cebf912c031b8a4a6e9fb9f27"},
			"Native SegWit (bc1q…)", "wpkh([FFFFFFFF/13h]" + xpub3 + "/<1;3>/2/*)",
		},
		{"pkh(" + xpub4 + "/<0;1;2>/*)", nil, "Legacy (1…)", "pkh(" + xpub4 + "/0/*)"},
		{
			"sh(multi(2," + xpub1 + "/<1;2;3>/0/*," + xpub2 + "/0/*," + xpub5 + "/0/0/<3;4;5>/*))", nil, "2 of 3 multisig, Legacy (3…)",
			"sh(multi(2," + xpub1 + "/1/0/*," + xpub2 + "/0/*," + xpub5 + "/0/0/3/*))",
		},
		{"wsh(sortedmulti(2," + xpub1 + "/<1;2>/*," + xpub2 + "/<3;4>/0/*))", nil, "2 of 2 multisig, Native SegWit (bc1q…)", "wsh(sortedmulti(2," + xpub1 + "/1/*," + xpub2 + "/3/0/*))"},
		{"sh(wsh(multi(1," + xpub1 + "/*)))", nil, "1 of 1 multisig, Nested SegWit (3…)", ""},
		{"wpkh(" + aboutZpub + "/0/*)", []string{"0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2"}, "Native SegWit (bc1q…)", aboutZpub},
		{"sh(wpkh(" + aboutYpub + "/0/*))", nil, "Nested SegWit (3…)", aboutYpub},
	} {
		k := parse(t, p, tt.text)
		checkKey(t, p, k)
		if k.Kind() != tt.kind {
			t.Errorf("%s is %s, want %s", tt.text, k.Kind(), tt.kind)
		}
		for i, want := range tt.want {
			addr, err := k.Address(int64(i))
			if err != nil {
				t.Fatal(err)
			}
			if script, err := p.Script(addr); hex.EncodeToString(script) != want || err != nil {
				t.Errorf("script %d of %s is %x, %v; want %s", i, tt.text, script, err, want)
			}
		}
		if tt.equal != "" && parse(t, p, tt.equal).String() != k.String() {
			t.Errorf("%s is %s, and %s is %s", tt.text, k, tt.equal, parse(t, p, tt.equal))
		}
		for sum, fits := range map[string]bool{k.String()[len(k.String())-8:]: true, "qqqqqqqq": false, "": false} {
			text, _, _ := strings.Cut(k.String(), "#")
			if _, err := ParseKey(p, text+"#"+sum); (err == nil) != fits {
				t.Errorf("%s with the checksum %q: %v", text, sum, err)
			}
		}
	}
}

// sortedmulti without wsh, as BIP 383 has it, is a bare multisig without an
// address. Its scripts are the witness scripts of what a wallet can have.
func TestSortedMulti(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	k := parse(t, p, "wsh(sortedmulti(2,"+xpub1+"/*,"+xpub2+"/0/0/*))")
	for i, bare := range []string{
		"5221025d5fc65ebb8d44a5274b53bac21ff8307fec2334a32df05553459f8b1f7fe1b62102fbd47cc8034098f0e6a94c6aeee8528abf0a2153a5d8e46d325b7284c046784652ae",
		"52210264fd4d1f5dea8ded94c61e9641309349b62f27fbffe807291f664e286bfbe6472103f4ece6dfccfa37b211eb3d0af4d0c61dba9ef698622dc17eecdf764beeb005a652ae",
		"5221022ccabda84c30bad578b13c89eb3b9544ce149787e5b538175b1d1ba259cbb83321024d902e1a2fc7a8755ab5b694c575fce742c48d9ff192e63df5193e4c7afe1f9c52ae",
	} {
		raw, err := hex.DecodeString(bare)
		if err != nil {
			t.Fatal(err)
		}
		keys := [][]byte{raw[2:35], raw[36:69]}
		want, err := form("wsh/multi").script(2, keys)
		if err != nil {
			t.Fatal(err)
		}
		if got := multisigScript(2, keys); hex.EncodeToString(got) != bare {
			t.Errorf("script %d is %x, want %s", i, got, bare)
		}
		if got, err := k.Address(int64(i)); got != p.Address(want) || err != nil {
			t.Errorf("address %d is %s, %v; want %s", i, got, err, p.Address(want))
		}
	}
}

func TestRefused(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	key := aboutXpub44
	multi := func(n int, path string) string {
		text := "wsh(sortedmulti(1"
		for i := range n {
			text += "," + aboutAccount(t, "xpub", 48, uint32(i)) + path
		}
		return text + "))"
	}
	for _, tt := range []struct{ text, say string }{
		{"", "missing"}, {" \n", "missing"},
		{"hello", "not an extended public key"},
		{"wpkh()", "not an extended public key"},
		{"bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "one address"},
		{"addr(bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu)", "kind of descriptor"},
		{strings.Repeat("x", 2001), "2000"}, {key + strings.Repeat("/0", 1000) + "/*", "2000"},
		{key + strings.Repeat("/0", 11) + "/*", "10 steps"},
		{key[:110], "not an extended"}, {key[:len(key)-1] + "k", "checksum"}, {strings.Replace(key, "Cn", "CN", 1), "checksum"},
		{key + " /0/*", "space"}, {"wpkh(" + key + "/0/*\n)", "space"}, {"wpkh(" + key + "é/0/*)", "character"}, {"\u200b" + key, "character"},
		{key + "#aaaaaaaa", "checksum"},

		// What would give one address to all invoices.
		{key + "/0", "every invoice"}, {"wpkh(" + key + ")", "every invoice"}, {"wpkh(" + key + "/0/5)", "every invoice"},
		{key + "/<0;1>", "every invoice"}, {"pkh([deadbeef/1/2'/3/4']" + pubA + ")", "every invoice"}, {"pkh(" + pubAU + ")", "every invoice"},
		{multi(2, "/0"), "every invoice"},

		// A key that is not an account's.
		{aboutBranch(t), "below"}, {deep(t, 255) + "/*", "too deep"}, {deep(t, 254), "too deep"}, {deep(t, 253) + "/0/1/2/*", "too deep"},

		// Paths.
		{key + "/0h/*", "private key"}, {key + "/0/*h", "private key"}, {key + "/0/*'", "private key"}, {key + "/<0;1'>/*", "private key"},
		{key + "/", "path"}, {key + "//*", "path"}, {key + "/*/0", "path"}, {key + "/*/*", "path"}, {key + "/-1/*", "path"}, {key + "/+1/*", "path"},
		{key + "/2147483648/*", "below 2147483648"}, {key + "/99999999999999999999/*", "below 2147483648"}, {"[deadbeef/2147483648]" + key, "[d34db33f"}, {key + "/1aa/*", "path"}, {key + "/0x1/*", "path"}, {key + "/**", "path"},
		{key + "/<0>/*", "path"}, {key + "/<0;0>/*", "twice"}, {key + "/<00;0>/*", "twice"}, {key + "/0;1/*", "path"}, {key + "/<<0;1>>/*", "path"},

		// Origins.
		{"[]" + key, "[d34db33f"}, {"[deadbeef" + key, "[d34db33f"}, {"[deadbeef/" + strings.Repeat("0/", 10) + "0]" + key, "[d34db33f"},
		{"[ffffffff]", "not an extended public key"}, {"deadbeef]" + key, "not an extended public key"}, {"[deadbeef]/0/*", "not an extended public key"},

		// Forms.
		{"combo(" + key + "/0/*)", "kind of descriptor"}, {"rawtr(" + key + "/0/*)", "kind of descriptor"}, {"raw(deadbeef)#89f8spxm", "kind of descriptor"},
		{"sortedmulti(1," + key + "/0/*)", "kind of descriptor"}, {"sh(pkh(" + key + "/0/*))", "kind of descriptor"}, {"WPKH(" + key + "/0/*)", "not an extended public key"},
		{strings.Repeat("sh(", 9) + strings.Repeat(")", 9), "kind of descriptor"}, {strings.Repeat("(", 1000), "not an extended"},
		{"wpkh(" + key + "/0/*", "more ( than )"}, {"wpkh(" + key + "/0/*))", "path"}, {"wpkh(" + key + "/0/*)x", "more ( than )"},
		{"wpkh(" + key + "/0/*," + key + "/1/*)", "one key"}, {"tr(" + key + "/0/*,pk(" + key + "/1/*))", "without scripts"},
		{key + "," + key, "several keys"},

		// SLIP-132 keys where they say something else.
		{"pkh(" + aboutZpub + "/0/*)", "xpub"}, {"tr(" + aboutZpub + "/0/*)", "xpub"}, {"wpkh(" + aboutYpub + "/0/*)", "xpub"},
		{"wsh(sortedmulti(1," + aboutZpub + "/0/*))", "xpub"}, {"[73c5da0a/49h/0h/0h]" + aboutZpub, "brackets"},
		{aboutAccount(t, "Zpub", 48, 0, 0), "multisig wallet"}, {"[73c5da0a/48h/0h/0h/2h]" + aboutAccount(t, "xpub", 48, 0, 0, 2), "multisig wallet"},

		// Multisig.
		{multi(16, "/*"), "at most 15"},
		{strings.Replace(multi(2, "/*"), "(1,", "(3,", 1), "signature"}, {strings.Replace(multi(2, "/*"), "(1,", "(0,", 1), "signature"},
		{strings.Replace(multi(2, "/*"), "(1,", "(a,", 1), "number of signatures"}, {strings.Replace(multi(2, "/*"), "(1,", "(", 1), "number of signatures"},
		{strings.Replace(multi(2, "/*"), "(1,", "(4294967297,", 1), "number of signatures"}, {"wsh(multi(1))", "signature"}, {"wsh(multi())", "number of signatures"},
		{"wsh(sortedmulti(1," + key + "/0/*," + key + "/<0;1>/*))", "twice"}, {"wsh(multi(1," + xpub1 + "/*," + xpub1 + "/*))", "twice"},
		{"wsh(multi(2," + xpub1 + "/<1;2;3>/0/*," + xpub2 + "/0/*," + xpub5 + "/0/0/<3;4>/*))", "same length"},
		{"wsh(multi(2," + xpub1 + "/<1;2;3>/0/*," + xpub2 + "/0/*," + xpub5 + "/0/0/<3;4;5>/0))", "every invoice"},

		// BIP 380.
		{"wpkh([deadbeef/0h/0h/0h/*]" + key + "/0/*)", "[d34db33f"}, {"wpkh([deadbeef/0h/0h/0h/]" + key + "/0/*)", "[d34db33f"},
		{"wpkh([deadbef/0h/0h/0h]" + key + "/0/*)", "[d34db33f"}, {"wpkh([deadbeeef/0h/0h/0h]" + key + "/0/*)", "[d34db33f"},
		{"wpkh([deadbeef/0f/0f/0f]" + key + "/0/*)", "[d34db33f"}, {"wpkh([deadbeef/-0/-0/-0]" + key + "/0/*)", "[d34db33f"},
		{"wpkh([aaaaaaaa][aaaaaaaa]" + key + "/0/*)", "not an extended public key"}, {"wpkh([gaaaaaaa]" + key + "/0/*)", "[d34db33f"},
		{xpub1 + "/3h/4h/5h/*", "private key"}, {xpub1 + "/3h/4h/5h/*h", "private key"}, {"[deadbeef/0h/1h/2h]" + xpub1 + "/3/4/5", "every invoice"},
		{wif + "/0", "private key"}, {wif + "/*", "private key"}, {xprv2 + "/2147483648", "private key"}, {"[deadbeef/0h/1h/2h]" + xprv1 + "/3/4/5/*", "private key"},

		// BIP 381.
		{"pk(" + wif + ")", "private key"}, {"pk(" + pubA + ")", "kind of descriptor"}, {"sh(pk(" + pubA + "))", "kind of descriptor"},
		{"pkh([bd16bee5/2147483647h]" + xpub3 + "/0)", "every invoice"}, {"pk(" + xpub2 + "/0)", "kind of descriptor"},
		{"pk(pk(" + pubA + "))", "kind of descriptor"}, {"pkh(pk(" + pubA + "))", "kind of descriptor"},
		{"sh(" + pubA + ")", "kind of descriptor"}, {"sh(sh(pkh(" + pubA + ")))", "kind of descriptor"},
		{"pkh(" + xprv2 + "/2147483647'/0)", "private key"},

		// BIP 382.
		{"wpkh(" + wif + ")", "private key"}, {"sh(wpkh(" + wifU + "))", "private key"}, {"wsh(pkh(" + wif + "))", "private key"},
		{"sh(wpkh(xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi/10/20/30/40/*'))", "private key"},
		{"wpkh(" + pubAU + ")", "every invoice"}, {"wsh(pk(" + pubAU + "))", "kind of descriptor"},
		{"wsh(wpkh(" + pubA + "))", "kind of descriptor"}, {"wsh(wsh(pkh(" + pubA + ")))", "kind of descriptor"}, {"sh(wsh(wsh(pkh(" + pubA + "))))", "kind of descriptor"},
		{"wpkh(wsh(pkh(" + pubA + ")))", "kind of descriptor"}, {"wsh(" + pubA + ")", "kind of descriptor"},

		// BIP 383.
		{"sh(multi(16," + sixteen + "))", "at most 15"}, {"multi(1," + wif + "," + wifU + ")", "private key"},
		{"multi(a," + pubA + "," + pubAU + ")", "kind of descriptor"}, {"sh(multi(0," + pubA + "," + pubAU + "))", "signature"},
		{"sh(multi(2,[00000000/111'/222]" + xprv1 + "," + xprv2 + "/0))", "private key"},

		// BIP 386.
		{"tr(a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd)", "private key"}, // which it may be: it looks the same
		{"tr(" + pubAU + ")", "every invoice"}, {"tr(" + wif + ")", "private key"}, {"wsh(tr(" + pubA + "))", "kind of descriptor"}, {"sh(tr(" + pubA + "))", "kind of descriptor"},
		{"tr(" + xprv1 + "/0/*,pk(" + xprv1 + "/1/*))", "private key"},
		{"tr(" + xpub1 + "/0/*,{pk(" + xpub2 + "/0/*),{{pk(" + xpub1 + "),pk(" + pubA + ")},pk(" + pubA + ")}})", "without scripts"},

		// BIP 389.
		{"pk(" + xpub2 + "/<0;1>)", "kind of descriptor"}, {"pkh(" + xpub4 + "/<0;1;2>)", "every invoice"}, {"pkh(" + xprv2 + "/<2147483647h;0>/0)", "private key"},
		{"multi(2," + xpub1 + "/<1;2>/*," + xpub2 + "/<3;4>/0/*)", "kind of descriptor"}, {"pkh(" + xpub4 + "/<0;1>/<2;3>/*)", "only one list"},
		{"pkh([deadbeef/<0;1>]" + xpub4 + "/0/*)", "[d34db33f"}, {"wpkh(" + xpub4 + "/<>/*)", "path"}, {"wpkh(" + xpub4 + "/0>/*)", "path"},
		{"wpkh(" + xpub4 + "/<0/*)", "path"}, {"wpkh(" + xpub4 + "/<0;>/*)", "path"},

		// The extended keys that BIP 32 says are wrong.
		{"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6LBpB85b3D2yc8sfvZU521AAwdZafEz7mnzBBsz4wKY5fTtTQBm", "private key"},
		{"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Txnt3siSujt9RCVYsx4qHZGc62TG4McvMGcAUjeuwZdduYEvFn", "not an extended"},
		{"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6N8ZMMXctdiCjxTNq964yKkwrkBJJwpzZS4HS2fxvyYUA4q2Xe4", "not an extended"},
		{"xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXGENhYRCf7hyEbWrR3FewATdCEebj6znwMfQkhRYHRLpJ", "not an extended"},
		{"xpub661MyMwAuDcm6CRQ5N4qiHKrJ39Xe1R1NyfouMKTTWcguwVcfrZJaNvhpebzGerh7gucBvzEQWRugZDuDXjNDRmXzSZe4c7mnTK97pTvGS8", "not an extended"},
		{"DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHGMQzT7ayAmfo4z3gY5KfbrZWZ6St24UVf2Qgo6oujFktLHdHY4", "private key"},
		{"DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHPmHJiEDXkTiJTVV9rHEBUem2mwVbbNfvT2MTcAqj3nesx8uBf9", "not one of Bitcoin mainnet"},
		{"xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzF93Y5wvzdUayhgkkFoicQZcP3y52uPPxFnfoLZB21Teqt1VvEHx", "private key"},
		{"xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Q5JXayek4PRsn35jii4veMimro1xefsM58PgBMrvdYre8QyULY", "not an extended"},
	} {
		k, err := ParseKey(p, tt.text)
		if err == nil {
			t.Errorf("%.200q is taken as %s", tt.text, k)
			continue
		}
		if checkRefused(t, tt.text, err); !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%.200q is refused with %q, which does not say %q", tt.text, err, tt.say)
		}
	}
}

// aboutBranch is the receiving branch of an account, without its path.
func aboutBranch(t *testing.T) string {
	t.Helper()
	d, err := parseDescriptor(params(t, "bitcoin", "mainnet"), aboutXpub44)
	if err != nil {
		t.Fatal(err)
	}
	branch, err := d.keys[0].key.Derive(0)
	if err != nil {
		t.Fatal(err)
	}
	return branch.String()
}

// deep is a key that says of itself that it is so many steps below its master.
func deep(t *testing.T, depth uint8) string {
	t.Helper()
	key, err := hdkeychain.NewKeyFromString(aboutXpub44)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.ECPubKey()
	if err != nil {
		t.Fatal(err)
	}
	return hdkeychain.NewExtendedKey(key.Version(), pub.SerializeCompressed(), key.ChainCode(), []byte{1, 2, 3, 4},
		depth, hdkeychain.HardenedKeyStart, false).String()
}

// The deepest key that has addresses has all of them.
func TestDeepKey(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	checkKey(t, p, parse(t, p, deep(t, 253)))
	checkKey(t, p, parse(t, p, deep(t, 254)+"/*"))
}

// The largest multisig fits, and one that is only just too long when it is
// written canonically is refused and not cut.
func TestBounds(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	text := "sh(wsh(sortedmulti(15"
	for i := range uint32(15) {
		text += "," + aboutAccount(t, "xpub", 48, i) + "/0/*"
	}
	text += ")))"
	k := parse(t, p, text)
	checkKey(t, p, k)
	if k.Kind() != "15 of 15 multisig, Nested SegWit (3…)" {
		t.Errorf("it is %s", k.Kind())
	}

	// The canonical form has a checksum, nine characters more than this text.
	text = strings.ReplaceAll(text, "/0/*", "/0/0/*")
	for length := maxText - 12; length <= maxText; length++ {
		long := text
		for missing := length - len(text); missing > 0; missing -= 9 {
			long = strings.Replace(long, "/0/", "/"+strings.Repeat("1", min(missing, 9))+"0/", 1)
		}
		k, err := ParseKey(p, long)
		if fits := length+len("#12345678") <= maxText; len(long) != length || fits != (err == nil) {
			t.Fatalf("%d of %d characters: %v", len(long), length, err)
		}
		if err != nil {
			if checkRefused(t, text, err); !strings.Contains(err.Error(), "2000") {
				t.Errorf("%d characters are refused with %q", length, err)
			}
			continue
		}
		if len(k.String()) > maxText {
			t.Errorf("%d characters are written as %d", length, len(k.String()))
		}
		if again, err := ParseKey(p, k.String()); err != nil || again.String() != k.String() {
			t.Errorf("%d characters are written as %s, and read again as %s, %v", length, k, again, err)
		}
	}
}
