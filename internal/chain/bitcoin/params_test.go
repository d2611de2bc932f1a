package bitcoin

import (
	"slices"
	"strings"
	"testing"

	"github.com/paybell/paybell"
)

func params(t testing.TB, network, name string) *Params {
	t.Helper()
	p, err := FindParams(network, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFindParams(t *testing.T) {
	want := map[string][]string{
		"bitcoin":  {"mainnet", "testnet3", "testnet4", "signet", "regtest", "simnet"},
		"litecoin": {"mainnet", "testnet4", "regtest"},
		"dogecoin": nil,
	}
	for network, names := range want {
		if got := Names(network); !slices.Equal(got, names) {
			t.Errorf("Names(%q) = %q, want %q", network, got, names)
		}
		for _, name := range names {
			p := params(t, network, name)
			if p.Network != network || p.Name != name || p.Test != (name != "mainnet") {
				t.Errorf("%s %s is %s %s, test %v", network, name, p.Network, p.Name, p.Test)
			}
			if c, ok := paybell.FindCurrency(p.Asset); !ok || !strings.EqualFold(c.Name, network) {
				t.Errorf("%s %s: asset %q is %q", network, name, p.Asset, c.Name)
			}
		}
	}
	for _, tt := range []struct{ network, name, say string }{
		{"bitcoin", "testnet", "mainnet, testnet3, testnet4, signet, regtest, simnet"},
		{"litecoin", "signet", "mainnet, testnet4, regtest"},
		{"dogecoin", "mainnet", "bitcoin or litecoin"},
	} {
		if _, err := FindParams(tt.network, tt.name); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("FindParams(%q, %q) says %v, not %q", tt.network, tt.name, err, tt.say)
		}
	}
}

func TestGenesis(t *testing.T) {
	for _, tt := range []struct{ network, name, hash string }{
		{"bitcoin", "mainnet", "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"},
		{"bitcoin", "testnet3", "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943"},
		{"bitcoin", "testnet4", "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043"},
		{"bitcoin", "signet", "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"},
		{"bitcoin", "regtest", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"},
		{"bitcoin", "simnet", "683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6"},
		{"litecoin", "mainnet", "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2"},
	} {
		if got := params(t, tt.network, tt.name).GenesisHash.String(); got != tt.hash {
			t.Errorf("%s %s begins with %s, want %s", tt.network, tt.name, got, tt.hash)
		}
	}
}
