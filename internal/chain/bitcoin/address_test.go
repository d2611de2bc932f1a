package bitcoin

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	btcaddress "github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"pgregory.net/rapid"
)

// btcdParams is what btcd knows of a chain, to check what we write with its
// own packages.
var btcdParams = func() map[*Params]*chaincfg.Params {
	known := map[string]*chaincfg.Params{
		"mainnet": &chaincfg.MainNetParams, "testnet3": &chaincfg.TestNet3Params, "testnet4": &chaincfg.TestNet4Params,
		"signet": &chaincfg.SigNetParams, "regtest": &chaincfg.RegressionNetParams, "simnet": &chaincfg.SimNetParams,
	}
	all := make(map[*Params]*chaincfg.Params)
	for i, p := range networks {
		if p.Network == "bitcoin" {
			all[p] = known[p.Name]
			continue
		}
		// btcd's address package reads prefixes that are registered only.
		c := &chaincfg.Params{
			Name: "litecoin " + p.Name, Net: wire.BitcoinNet(0xff000000 + i),
			Bech32HRPSegwit: p.hrp, PubKeyHashAddrID: p.pubKeyHash, ScriptHashAddrID: p.scriptHash,
		}
		if err := chaincfg.Register(c); err != nil {
			panic(err)
		}
		all[p] = c
	}
	return all
}()

// checkAddress checks that btcd reads addr on the same chain and makes script
// of it.
func checkAddress(t interface{ Fatalf(string, ...any) }, p *Params, addr string, script []byte) {
	a, err := btcaddress.DecodeAddress(addr, btcdParams[p])
	if err != nil {
		t.Fatalf("%s: btcd cannot read the address %q: %v", p.title(), addr, err)
	}
	if !a.IsForNet(btcdParams[p]) {
		t.Fatalf("%s: btcd says that %q is of another network", p.title(), addr)
	}
	if a.EncodeAddress() != addr {
		t.Fatalf("%s: btcd writes %q as %q", p.title(), addr, a.EncodeAddress())
	}
	got, err := txscript.PayToAddrScript(a)
	if err != nil {
		t.Fatalf("%s: btcd makes no script of %q: %v", p.title(), addr, err)
	}
	if script != nil && !bytes.Equal(got, script) {
		t.Fatalf("%s: btcd's script of %q is %x, want %x", p.title(), addr, got, script)
	}
	if ours, err := p.Script(addr); err != nil || !bytes.Equal(ours, got) {
		t.Fatalf("%s: our script of %q is %x (%v), btcd's %x", p.title(), addr, ours, err, got)
	}
	if again := p.Address(got); again != addr {
		t.Fatalf("%s: the script of %q has the address %q", p.title(), addr, again)
	}
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct{ network, name, script, want string }{
		// BIP 173 and BIP 350.
		{"bitcoin", "mainnet", "0014751e76e8199196d454941c45d1b3a323f1433bd6", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"},
		{"bitcoin", "testnet3", "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"},
		{"bitcoin", "testnet4", "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433", "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy"},
		{"bitcoin", "signet", "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433", "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"},
		{"bitcoin", "mainnet", "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"},
		// The first coins that were given away, and a hash of zeros.
		{"bitcoin", "mainnet", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"},
		{"bitcoin", "mainnet", "76a914000000000000000000000000000000000000000088ac", "1111111111111111111114oLvT2"},
		{"litecoin", "mainnet", "a914000000000000000000000000000000000000000087", "M7uAERuQW2AotfyLDyewFGcLUDtAYu9v5V"},

		// No address.
		{"bitcoin", "mainnet", "", ""},
		{"bitcoin", "mainnet", "6a", ""},
		{"bitcoin", "mainnet", "51024e73", ""},
		{"bitcoin", "mainnet", "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9", ""},
		{"bitcoin", "mainnet", "210279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798ac", ""},
		{"bitcoin", "mainnet", "5214751e76e8199196d454941c45d1b3a323f1433bd6", ""},
		{"bitcoin", "mainnet", "5114751e76e8199196d454941c45d1b3a323f1433bd6", ""},
		{"bitcoin", "mainnet", "522079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", ""},
		{"bitcoin", "mainnet", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ad", ""},
		{"bitcoin", "mainnet", "a914000000000000000000000000000000000000000088", ""},
		{"bitcoin", "mainnet", "aa14000000000000000000000000000000000000000087", ""},
		{"litecoin", "mainnet", "582079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", ""},
	} {
		p := params(t, tt.network, tt.name)
		script, err := hex.DecodeString(tt.script)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Address(script); got != tt.want {
			t.Errorf("%s: %s has the address %q, want %q", p.title(), tt.script, got, tt.want)
		}
		if tt.want != "" {
			checkAddress(t, p, tt.want, script)
		}
	}
}

// For all scripts that may have an address, ours is btcd's.
func TestAddressLikeBtcd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(networks).Draw(t, "params")
		hash := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash")
		if rapid.Bool().Draw(t, "zeros") {
			clear(hash[:rapid.IntRange(1, 32).Draw(t, "n")])
		}
		script := rapid.SampledFrom([][]byte{
			payToPubKeyHash(hash[:20]), payToScriptHash(hash[:20]),
			witnessScript(txscript.OP_0, hash[:20]), witnessScript(txscript.OP_0, hash), witnessScript(txscript.OP_1, hash),
		}).Draw(t, "script")
		checkAddress(t, p, p.Address(script), script)
	})
}

// A script that is almost one of ours has an address exactly if btcd sees one.
func TestNearlyAddress(t *testing.T) {
	p := params(t, "bitcoin", "mainnet")
	hash := bytes.Repeat([]byte{7}, 32)
	for _, script := range [][]byte{
		payToPubKeyHash(hash[:20]), payToScriptHash(hash[:20]),
		witnessScript(txscript.OP_0, hash[:20]), witnessScript(txscript.OP_0, hash), witnessScript(txscript.OP_1, hash),
	} {
		for i := range script {
			for b := range 256 {
				s := bytes.Clone(script)
				s[i] = byte(b)
				var want string
				switch class, addrs, _, _ := txscript.ExtractPkScriptAddrs(s, btcdParams[p]); class {
				case txscript.PubKeyHashTy, txscript.ScriptHashTy, txscript.WitnessV0PubKeyHashTy, txscript.WitnessV0ScriptHashTy, txscript.WitnessV1TaprootTy:
					want = addrs[0].EncodeAddress()
				}
				if got := p.Address(s); got != want {
					t.Fatalf("%x has the address %q, btcd says %q", s, got, want)
				}
			}
		}
	}
}

func TestScript(t *testing.T) {
	main, test, ltc := params(t, "bitcoin", "mainnet"), params(t, "bitcoin", "testnet3"), params(t, "litecoin", "mainnet")
	for _, tt := range []struct {
		p             *Params
		address, want string
	}{
		{main, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"},
		{ltc, "31h1vYVSYuKP6AhS86fbRdMw9XHieotbST", "a914000000000000000000000000000000000000000087"}, // as it was before M
		{main, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", ""},
		{test, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", ""},
		{ltc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", ""},
		{test, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", ""},
		{main, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", ""},
		{main, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", ""}, // BIP 350: bech32 in place of bech32m
		{main, "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3x", ""},
		{main, "BC1SW50QGDZ25J", ""}, // witness version 16
		{main, "bc1pfeessrawgf", ""}, // pay to anchor
		{main, "", ""}, {main, "bc1", ""}, {main, strings.Repeat("1", 1<<20), ""},
	} {
		script, err := tt.p.Script(tt.address)
		if hex.EncodeToString(script) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: the script of %.100q is %x, %v; want %s", tt.p.title(), tt.address, script, err, tt.want)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
	f.Add("M7uAERuQW2AotfyLDyewFGcLUDtAYu9v5V")
	f.Fuzz(func(t *testing.T, address string) {
		for _, p := range networks {
			script, err := p.Script(address)
			if err != nil {
				continue
			}
			canonical := p.Address(script)
			checkAddress(t, p, canonical, script)
			if p.scriptHash == p.oldScriptHash && canonical != address && canonical != strings.ToLower(address) {
				t.Errorf("%s: %q is written as %q", p.title(), address, canonical)
			}
		}
	})
}

func BenchmarkAddress(b *testing.B) {
	p := params(b, "bitcoin", "mainnet")
	hash := bytes.Repeat([]byte{7, 9}, 16)
	for _, bb := range []struct {
		name   string
		script []byte
	}{
		{"p2pkh", payToPubKeyHash(hash[:20])},
		{"p2sh", payToScriptHash(hash[:20])},
		{"p2wpkh", witnessScript(txscript.OP_0, hash[:20])},
		{"p2wsh", witnessScript(txscript.OP_0, hash)},
		{"p2tr", witnessScript(txscript.OP_1, hash)},
		{"none", append([]byte{txscript.OP_RETURN, 32}, hash...)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Address(bb.script)
			}
		})
		b.Run(bb.name+"/btcd", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, addrs, _, _ := txscript.ExtractPkScriptAddrs(bb.script, &chaincfg.MainNetParams)
				for _, a := range addrs {
					_ = a.EncodeAddress()
				}
			}
		})
	}
}
