package bitcoin

import (
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
)

// Params tells the networks apart: which chain it is, and how its addresses and
// keys are written. They come from FindParams, are shared, and never change.
type Params struct {
	Network     string // "bitcoin" or "litecoin": the name in payments and transfers
	Name        string // "mainnet", "testnet4", "regtest" ...: which of the chains of that name
	Test        bool   // its coins are worth nothing
	Asset       string // the currency id of its coin
	GenesisHash chainhash.Hash

	hrp           string      // before the 1 of SegWit addresses (BIP 173)
	hrpSum        uint32      // the BIP 173 checksum as it stands after hrp
	pubKeyHash    byte        // first byte of P2PKH addresses
	scriptHash    byte        // first byte of P2SH addresses
	oldScriptHash byte        // another first byte of P2SH addresses, that is read and never written
	legacy        string      // how P2PKH addresses begin, for people
	nested        string      // how P2SH addresses begin, for people
	versions      []hdVersion // of extended public keys; the first is the one we write
}

// hdVersion is a kind of extended public key, told from others by its first
// four bytes (BIP 32, SLIP-132).
type hdVersion struct {
	id    [4]byte
	name  string // what its text begins with: "xpub"
	form  form   // the one script form it is for, with "multi" for sorted and unsorted; "" for any
	place string // where it is from, for people
}

var (
	mainVersions = []hdVersion{
		{[4]byte{0x04, 0x88, 0xb2, 0x1e}, "xpub", "", "the main network"},
		{[4]byte{0x04, 0x9d, 0x7c, 0xb2}, "ypub", "sh/wpkh", "the main network"},
		{[4]byte{0x04, 0xb2, 0x47, 0x46}, "zpub", "wpkh", "the main network"},
		{[4]byte{0x02, 0x95, 0xb4, 0x3f}, "Ypub", "sh/wsh/multi", "the main network"},
		{[4]byte{0x02, 0xaa, 0x7e, 0xd3}, "Zpub", "wsh/multi", "the main network"},
	}
	testVersions = []hdVersion{
		{[4]byte{0x04, 0x35, 0x87, 0xcf}, "tpub", "", "the test networks"},
		{[4]byte{0x04, 0x4a, 0x52, 0x62}, "upub", "sh/wpkh", "the test networks"},
		{[4]byte{0x04, 0x5f, 0x1c, 0xf6}, "vpub", "wpkh", "the test networks"},
		{[4]byte{0x02, 0x42, 0x89, 0xef}, "Upub", "sh/wsh/multi", "the test networks"},
		{[4]byte{0x02, 0x57, 0x54, 0x83}, "Vpub", "wsh/multi", "the test networks"},
	}
	simVersions = []hdVersion{
		{[4]byte{0x04, 0x20, 0xbd, 0x3a}, "spub", "", "Bitcoin simnet"},
	}
	litecoinVersions = []hdVersion{
		{[4]byte{0x01, 0x9d, 0xa4, 0x62}, "Ltub", "", "the main network of Litecoin"},
		{[4]byte{0x01, 0xb2, 0x6e, 0xf6}, "Mtub", "sh/wpkh", "the main network of Litecoin"},
	}
	litecoinTestVersions = []hdVersion{
		{[4]byte{0x04, 0x36, 0xf6, 0xe1}, "ttub", "", "the test networks of Litecoin"},
	}
	allVersions = [][]hdVersion{mainVersions, testVersions, simVersions, litecoinVersions, litecoinTestVersions}
)

var networks = []*Params{
	bitcoinParams(&chaincfg.MainNetParams, "1…", "3…", mainVersions),
	bitcoinParams(&chaincfg.TestNet3Params, "m… or n…", "2…", testVersions),
	bitcoinParams(&chaincfg.TestNet4Params, "m… or n…", "2…", testVersions),
	bitcoinParams(&chaincfg.SigNetParams, "m… or n…", "2…", testVersions),
	bitcoinParams(&chaincfg.RegressionNetParams, "m… or n…", "2…", testVersions),
	// Wallets that know nothing of simnet give keys of the other test networks.
	bitcoinParams(&chaincfg.SimNetParams, "S…", "s…", simVersions, testVersions),

	// Litecoin Core writes xpub, Electrum-LTC also ypub and zpub, others Ltub and
	// Mtub. What we write is what Litecoin Core reads.
	litecoinParams(Params{
		Name:        "mainnet",
		GenesisHash: mustHash("12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2"),
		hrp:         "ltc", pubKeyHash: 0x30, scriptHash: 0x32, oldScriptHash: 0x05,
		legacy: "L…", nested: "M…",
	}, mainVersions, litecoinVersions),
	litecoinParams(Params{
		Name: "testnet4", Test: true,
		GenesisHash: mustHash("4966625a4b2851d9fdee139e56211a0d88575f59ed816ff5e6a63deb4e3e29a0"),
		hrp:         "tltc", pubKeyHash: 0x6f, scriptHash: 0x3a, oldScriptHash: 0xc4,
		legacy: "m… or n…", nested: "Q…",
	}, testVersions, litecoinTestVersions),
	litecoinParams(Params{
		Name: "regtest", Test: true,
		GenesisHash: mustHash("530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9"),
		hrp:         "rltc", pubKeyHash: 0x6f, scriptHash: 0x3a, oldScriptHash: 0xc4,
		legacy: "m… or n…", nested: "Q…",
	}, testVersions, litecoinTestVersions),
}

func bitcoinParams(c *chaincfg.Params, legacy, nested string, versions ...[]hdVersion) *Params {
	p := &Params{
		Network: "bitcoin", Name: c.Name, Test: c != &chaincfg.MainNetParams, Asset: "1", GenesisHash: *c.GenesisHash,
		hrp: c.Bech32HRPSegwit, pubKeyHash: c.PubKeyHashAddrID, scriptHash: c.ScriptHashAddrID, oldScriptHash: c.ScriptHashAddrID,
		legacy: legacy, nested: nested,
	}
	return p.with(versions)
}

func litecoinParams(p Params, versions ...[]hdVersion) *Params {
	p.Network, p.Asset = "litecoin", "2"
	return p.with(versions)
}

func (p *Params) with(versions [][]hdVersion) *Params {
	for _, v := range versions {
		p.versions = append(p.versions, v...)
	}
	p.hrpSum = bech32Prefix(p.hrp)
	return p
}

func mustHash(s string) chainhash.Hash {
	h, err := chainhash.NewHashFromStr(s)
	if err != nil {
		panic(err)
	}
	return *h
}

// FindParams returns the parameters of a chain: network is "bitcoin" or
// "litecoin", name one of Names. The error lists what there is.
func FindParams(network, name string) (*Params, error) {
	for _, p := range networks {
		if p.Network == network && p.Name == name {
			return p, nil
		}
	}
	names := Names(network)
	if names == nil {
		return nil, fmt.Errorf("there is no network %q: choose bitcoin or litecoin", network)
	}
	return nil, fmt.Errorf("%s has no chain %q: choose one of %s", network, name, strings.Join(names, ", "))
}

// Names lists the chains of a network, its main one first; nil when the network
// is not known.
func Names(network string) []string {
	var names []string
	for _, p := range networks {
		if p.Network == network {
			names = append(names, p.Name)
		}
	}
	return names
}

// title is the name of the chain for people.
func (p *Params) title() string {
	if p.Network == "litecoin" {
		return "Litecoin " + p.Name
	}
	return "Bitcoin " + p.Name
}

// keyNames is what the keys of single-key wallets begin with, for people.
func (p *Params) keyNames() string {
	var names []string
	for _, v := range p.versions {
		if !v.form.multisig() {
			names = append(names, v.name)
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
