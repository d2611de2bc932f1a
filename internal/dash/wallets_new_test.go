package dash

import (
	"context"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// Keys of the seed that BIP 84 takes for its vectors.
const (
	zpub         = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs"
	zprv         = "zprvAWgYBBk7JR8Gjrh4UJQ2uJdG1r3WNRRfURiABBE3RvMXYSrRJL62XuezvGdPvG6GFBZduosCc1YP5wixPox7zhZLfiUm8aunE96BBa4Kei5"
	zpubFirst    = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
	accountXpub  = "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"
	accountFirst = "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA" // as BIP 44 makes it
	vpub         = "vpub5Y6cjg78GGuNLsaPhmYsiw4gYX3HoQiRBiSwDaBXKUafCt9bNwWQiitDk5VZ5BVxYnQdwoTyXSs2JHRPAgjAvtbBrf8ZhDYe2jWAqvZVnsc"
	seedWords    = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
)

// chainOf is a network whose node knows which addresses were paid; without it it
// cannot tell.
func chainOf(network, chain string, used func(address string) bool) func(*desk.Desk) {
	return func(d *desk.Desk) {
		params, err := bitcoin.FindParams(network, chain)
		if err != nil {
			panic(err)
		}
		if d.Networks == nil {
			d.Networks = map[string]desk.Network{}
		}
		d.Networks[network] = desk.Network{
			Name: network, Chain: chain, Test: params.Test,
			ParseKey: func(text string) (desk.Key, error) {
				k, err := bitcoin.ParseKey(params, text)
				if err != nil {
					return nil, err
				}
				return k, nil
			},
			Used: func(_ context.Context, addresses []string) ([]bool, error) {
				if used == nil {
					return nil, paybell.Errorf(paybell.Unavailable, "the node keeps no index")
				}
				paid := make([]bool, len(addresses))
				for i, a := range addresses {
					paid[i] = used(a)
				}
				return paid, nil
			},
		}
	}
}

func none(string) bool { return false }

// looked notes that a network was wholly looked at.
func (r *rig) looked(network string, height int64, at time.Time) {
	r.Helper()
	must(r.T, store.Do(r.Context(), r.desk.DB, func(tx *store.Tx) error {
		from, err := tx.Cursor(network)
		if err != nil {
			return err
		}
		to := from
		to.Position, to.Height, to.ScannedAt = "x", height, at
		_, err = tx.MoveCursor(from, to)
		return err
	}))
}

// trouble notes that a network cannot be looked at.
func (r *rig) trouble(network, why string, at time.Time) {
	r.Helper()
	must(r.T, store.Do(r.Context(), r.desk.DB, func(tx *store.Tx) error {
		return tx.NoteTrouble(network, why, strings.Contains(why, paybell.ErrHalted.Error()), at)
	}))
}

// wallet makes a live one for the owner's merchant.
func (r *rig) wallet() desk.WalletView {
	r.Helper()
	w, err := r.desk.AddWallet(r.Context(), r.ownerActor(), desk.NewWallet{Currency: "BTC", Key: zpub, FirstAddress: zpubFirst})
	must(r.T, err)
	return w
}

// descriptor is the one form of a key.
func (r *rig) descriptor(key string) string {
	r.Helper()
	k, err := r.desk.Networks[paybell.BitcoinNetwork].ParseKey(key)
	must(r.T, err)
	return k.String()
}

// grouped is an address as it is shown to be compared.
func grouped(address string) string {
	var b strings.Builder
	for group := range slices.Chunk([]byte(address), 4) {
		fmt.Fprintf(&b, "<span>%s</span>", group)
	}
	return b.String()
}

// A wallet is added in two steps, replaced and removed.
func TestAddWallet(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none), chainOf(paybell.LitecoinNetwork, "mainnet", none))
	r.looked(paybell.BitcoinNetwork, 861234, time.Now())
	v, looker := r.owner, r.invited("looker@a.example", paybell.RoleReadOnly)
	const list, add = walletsPath, walletsPath + "/new/BTC"
	v.get(list).want(t, 200, "No wallet yet", "Add wallet", add, "/new/LTC", "block 861,234", "The Litecoin network was not looked at yet").wantNot(t, "watches no real coins", "--bitcoin-node")
	looker.get(list).want(t, 200, "No wallet yet").wantNot(t, "Add wallet", add)
	v.get(add).want(t, 200, `data-modal="/dash/wallets"`, "Add a wallet for Bitcoin", "xpub, ypub or zpub", `spellcheck="false" autocomplete="off"`, "Never a private key or seed words", "Sparrow", "Trezor Suite", "Leave it empty")
	v.get(walletsPath+"/new/LTC").want(t, 200, "Add a wallet for Litecoin", "Ltub")

	// What is refused is not sent back, whatever it was.
	for name, secret := range map[string]string{
		"an extended private key": zprv, "seed words": seedWords, "seed words, one wrong": strings.Replace(seedWords, "about", "abuot", 1),
		"a single private key": "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1", "a private descriptor": "wpkh(" + zprv + "/0/*)",
		"a broken private key": zprv[:90], "a broken public key": zpub[:100], "nonsense": `"></textarea><script>x`, "an address": zpubFirst,
	} {
		a := v.post(add, "key", secret, "from", "").want(t, 422, "<textarea", `aria-invalid="true"`, `role="alert"`)
		if strings.Contains(a.body, html.EscapeString(secret)) || strings.Contains(a.body, secret[:16]) {
			t.Errorf("%s is sent back", name)
		}
		if a := v.post(add, "key", zpub, "from", secret).want(t, 422); strings.Contains(a.body, secret[:16]) {
			t.Errorf("%s is sent back as a number", name)
		}
		for _, from := range []string{"x", "-1"} { // which is complained about first must not matter
			if a := v.post(add, "key", secret, "from", from).want(t, 422); strings.Contains(a.body, secret[:16]) {
				t.Errorf("%s is sent back, with the number %q", name, from)
			}
		}
		if a := v.post(add, "key", secret, "first", zpubFirst).want(t, 422); strings.Contains(a.body, secret[:16]) && name != "an address" {
			t.Errorf("%s is sent back in the second step", name)
		}
	}
	v.post(add, "key", "").want(t, 422, "The key is missing")
	for from, says := range map[string]string{
		"x": "The first number is not a number", "-1": "must be 0 to 10,000,000", "10000001": "must be 0 to 10,000,000", "99999999999999999999": "must be 0 to 10,000,000",
	} {
		v.post(add, "key", zpub, "from", from).want(t, 422, says, html.EscapeString(r.descriptor(zpub)), "<details class=\"more\" open>") // the key was public
	}

	// The second step shows what is to be compared.
	second := "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"
	v.post(add, "key", "  "+zpub+"\n").want(t, 200, grouped(zpubFirst), grouped(second), "Native SegWit (bc1q…)", "None of its addresses was used before", "These are my addresses", "They differ",
		">Taproot</button>", ">Nested SegWit</button>", ">Legacy</button>", `name="first" value="`+zpubFirst+`"`).wantNot(t, "<textarea", "zpub6", ">Native SegWit</button>")
	v.post(add, "key", zpub, "from", "12").want(t, 200, "Payments begin at number 12.", `name="from" value="12"`)
	v.post(add, "key", zpub, "first", second).want(t, 422, "second or third address", grouped(zpubFirst), "<details class=\"more\" open>")

	// They differ: the account's key says nothing of the kind, and it was another.
	a := v.post(add, "key", accountXpub).want(t, 200, "Native SegWit").wantNot(t, grouped(accountFirst))
	k := fmt.Sprintf("pkh(%s/0/*)", accountXpub)
	if !strings.Contains(a.body, html.EscapeString(k)) && !strings.Contains(a.body, strings.ReplaceAll(k, "/", "&#x2F;")) {
		t.Errorf("Legacy is not offered as %s:\n%s", k, a.body)
	}
	v.post(add, "key", k).want(t, 200, "Legacy (1…)", grouped(accountFirst), ">Native SegWit</button>").wantNot(t, ">Legacy</button>")

	// Nothing has come of all this. Now it is added.
	if all, err := r.desk.ListWallets(t.Context(), r.ownerActor()); err != nil || len(all) != 0 {
		t.Fatalf("there are wallets already: %+v, %v", all, err)
	}
	v.follow(v.post(add, "key", r.descriptor(zpub), "from", "", "first", zpubFirst)).want(t, 200, "Your Bitcoin wallet is live", `<span class="badge good">Live</span>`, "Native SegWit (bc1q…)",
		"Number 0", "Block 861,234", "Change confirmations", "Replace key", "Remove", "An invoice is paid as soon as the payment is seen", `role="switch" aria-checked="false"`)
	all, err := r.desk.ListWallets(t.Context(), r.ownerActor())
	if err != nil || len(all) != 1 || all[0].Key != r.descriptor(zpub) {
		t.Fatalf("the wallets are %+v, %v", all, err)
	}
	name := walletCard{Live: true, Wallet: all[0]}.KeyName()
	if !strings.HasPrefix(name, "xpub6") || len([]rune(name)) != 13 {
		t.Errorf("the key is called %q", name)
	}
	looker.get(list).want(t, 200, name, `data-copy="`+html.EscapeString(all[0].Key)).wantNot(t, "Change confirmations", "Replace key", "/remove/", `role="switch"`, `<button class="button`)

	// A new key keeps the confirmations.
	policy := paybell.Policy{Paid: 1, Completed: []paybell.Tier{{Confirmations: 4}}}
	_, err = r.desk.SetPolicy(t.Context(), r.ownerActor(), all[0].ID, policy)
	must(t, err)
	v.get(add).want(t, 200, "Replace the key for Bitcoin", "Addresses that buyers were given of the old key stay watched")
	v.follow(v.post(add, "key", k, "from", "7", "first", accountFirst)).want(t, 200, "The key for Bitcoin is replaced", "Number 7", "Legacy (1…)", "paid after 1 block", "completed after 4 blocks")

	now, err := r.desk.ListWallets(t.Context(), r.ownerActor())
	must(t, err)
	remove := walletsPath + "/remove/" + now[0].ID
	v.get(remove).want(t, 200, "stays watched for ever", "Remove the wallet", `data-modal="/dash/wallets"`)
	if all, err := r.desk.ListWallets(t.Context(), r.ownerActor()); err != nil || len(all) != 1 {
		t.Errorf("it is gone by looking: %v, %v", all, err)
	}
	v.follow(v.post(remove)).want(t, 200, "The Bitcoin wallet is removed", "No wallet yet")
	v.post(remove).want(t, 404)
	v.get(remove).want(t, 404)
	v.get("/dash/settings/audit").want(t, 200, "fingerprint").wantNot(t, accountXpub, zpub)
}

// Who may only look is shown no form and can send none; what is another merchant's is
// not there.
func TestWalletsOfOthers(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none))
	looker, staff := r.invited("looker@a.example", paybell.RoleReadOnly), r.invited("staff@a.example", paybell.RoleStaff)
	r.looked(paybell.BitcoinNetwork, 1, time.Now())
	w := r.wallet()
	other := r.merchant()
	theirs, err := r.desk.AddWallet(t.Context(), other, desk.NewWallet{Currency: "BTC", Key: accountXpub, FirstAddress: func() string {
		p, err := r.desk.PreviewWallet(t.Context(), other, desk.NewWallet{Currency: "BTC", Key: accountXpub})
		must(t, err)
		return p.Addresses[0]
	}()})
	must(t, err)
	for path, form := range map[string][]string{
		"/new/BTC": {"key", zpub}, "/confirmations/" + w.ID: {"paid", "1", "from", "0", "confirmations", "2"}, "/remove/" + w.ID: nil,
	} {
		looker.get(walletsPath+path).want(t, 403)
		looker.post(walletsPath+path, form...).want(t, 403)
		r.visitor().post(walletsPath+path, form...).want(t, 303)
	}
	looker.post(walletsPath+"/test-coin", "offer", "yes").want(t, 403)
	staff.get(walletsPath+"/remove/"+w.ID).want(t, 200)
	staff.post(walletsPath+"/test-coin", "offer", "yes").want(t, 303)
	r.owner.get(walletsPath).wantNot(t, theirs.Key, theirs.ID)
	for _, id := range []string{theirs.ID, "x", paybell.NewUUID(time.Now()), strings.Repeat("9", 300)} {
		for _, page := range []string{"/confirmations/", "/remove/"} {
			r.owner.get(walletsPath+page+id).want(t, 404)
			r.owner.post(walletsPath+page+id, "paid", "1", "from", "0", "confirmations", "2").want(t, 404)
		}
	}
	for _, coin := range []string{"LTC", "LTCT", "ETH", "USD", "btc", "x", "1"} {
		r.owner.get(walletsPath+"/new/"+coin).want(t, 404)
		r.owner.post(walletsPath+"/new/"+coin, "key", zpub).want(t, 404)
	}
	again, err := r.desk.WalletOf(t.Context(), other, theirs.ID)
	if err != nil || !again.RemovedAt.IsZero() || again.Policy.Paid != 0 {
		t.Errorf("another merchant's wallet is %+v, %v", again, err)
	}
}

// What a node can tell of a key is said; where it cannot, somebody else must know.
func TestUsedAddresses(t *testing.T) {
	key := func(r *rig, i int64) string {
		k, err := r.desk.Networks[paybell.BitcoinNetwork].ParseKey(zpub)
		must(t, err)
		address, err := k.Address(i)
		must(t, err)
		return address
	}
	var fifth string
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", func(a string) bool { return a == fifth }))
	fifth = key(r, 5)
	r.owner.post(walletsPath+"/new/BTC", "key", zpub).want(t, 200, "Addresses that were used before are left out. Payments begin at number 6.")
	r = newRig(t, chainOf(paybell.BitcoinNetwork, "regtest", nil))
	a := r.owner.get(walletsPath+"/new/BTC").want(t, 200, "tpub, upub or vpub", "Test network: regtest")
	a.wantNot(t, "xpub,")
	r.owner.post(walletsPath+"/new/BTC", "key", zpub).want(t, 422).wantNot(t, "zpub6")
	r.owner.post(walletsPath+"/new/BTC", "key", vpub).want(t, 200, "The node cannot tell which addresses were used before. Payments begin at number 0.", "regtest, a test network: its coins are worth nothing", "Begin there")
}

// The confirmations of a wallet, row by row.
func TestWalletPolicy(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none))
	r.looked(paybell.BitcoinNetwork, 1, time.Now())
	w, v := r.wallet(), r.owner
	path := walletsPath + "/confirmations/" + w.ID
	v.get(path).want(t, 200, "Confirmations for Bitcoin", `name="paid" value="0"`, `name="confirmations" value="2"`, "As it is now", "do not ship on &#34;paid&#34; alone", "Any amount")
	if n := strings.Count(v.get(path).body, `name="confirmations"`); n != tierRows {
		t.Errorf("there are %d rows", n)
	}
	form := func(paid string, rows ...string) []string {
		pairs := []string{"paid", paid}
		for i := 0; i+1 < len(rows); i += 2 {
			pairs = append(pairs, "from", rows[i], "confirmations", rows[i+1])
		}
		return pairs
	}
	for _, bad := range []struct {
		form []string
		says string
		mark int // fields that are marked
	}{
		{form("x", "0", "2"), "Paid must be 0 to 100 confirmations.", 1},
		{form("-1", "0", "2"), "Paid must be 0 to 100 confirmations.", 1},
		{form("101", "0", "2"), "Paid must be 0 to 100 confirmations.", 1},
		{form("", "0", "2"), "Paid must be 0 to 100 confirmations.", 1},
		{form("0", "0", ""), "in row 1, write 1 to 100 confirmations.", 1},
		{form("0", "0", "0"), "in row 1, write 1 to 100 confirmations.", 1},
		{form("0", "0", "2", "0.1", ""), "in row 2, write 1 to 100 confirmations.", 2},
		{form("0", "0", "2", "", "6"), "in row 2, the amount must be more than in the row before.", 2},
		{form("0", "0", "2", "1", "6", "0.5", "9"), "in row 3, the amount must be more than in the row before.", 2},
		{form("0", "0", "2", "1", "6", "1", "9"), "in row 3, the amount must be more than in the row before.", 2},
		{form("0", "0", "2", "<b>", "6"), "in row 2, the amount is no number", 2},
		{form("0", "0", "2", "-1", "6"), "in row 2, the amount is no number", 2},
		{form("0", "0", "2", "0.000000001", "6"), "in row 2, the amount has more than 8 digits", 2},
		{form("0", "1", "2"), "the first tier must begin at 0", 0},
		{form("0"), "needs 1 to 10 tiers", 0},
		{form("0", slices.Repeat([]string{"", ""}, 12)...), "in row 1, write 1 to 100", 1},
	} {
		a := v.post(path, bad.form...).want(t, 422, bad.says, "<dialog").wantNot(t, "<b>")
		if n := strings.Count(a.body, `aria-invalid="true"`); n != bad.mark {
			t.Errorf("%v: %d fields are marked, want %d", bad.form, n, bad.mark)
		}
	}
	v.follow(v.post(path, form("1", "0", "1", "", "", "0,05", "3", "1", "6")...)).want(t, 200, "The confirmations for Bitcoin are saved", "paid after 1 block (about 10 minutes)", "From 0.05 BTC on", "completed after 3 blocks", "From 1 BTC on", "completed after 6 blocks (about 1 hour)")
	got, err := r.desk.WalletOf(t.Context(), r.ownerActor(), w.ID)
	must(t, err)
	units := func(text string) paybell.Units {
		u, err := paybell.UnitsOf(decimal.RequireFromString(text), 8)
		must(t, err)
		return u
	}
	want := paybell.Policy{Paid: 1, Completed: []paybell.Tier{{Confirmations: 1}, {From: units("0.05"), Confirmations: 3}, {From: units("1"), Confirmations: 6}}}
	if fmt.Sprint(got.Policy) != fmt.Sprint(want) {
		t.Errorf("the policy is %v, want %v", got.Policy, want)
	}
	v.get(path).want(t, 200, `name="from" value="0.05"`, `name="confirmations" value="6"`)
}

// The test coin is there until there is a wallet, and then if it is wanted.
func TestOfferTestCoin(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none))
	r.looked(paybell.BitcoinNetwork, 1, time.Now())
	v, path := r.owner, walletsPath+"/test-coin"
	v.get(walletsPath).want(t, 200, "Until you have a wallet for real coins", `<span class="badge good">Offered</span>`).wantNot(t, `role="switch"`)
	r.wallet()
	v.get(walletsPath).want(t, 200, `aria-checked="false" name="offer" value="yes"`, `<span class="badge">Not offered</span>`, "Mine a block")
	v.follow(v.post(path, "offer", "yes")).want(t, 200, "Buyers are offered the test coin, too", `aria-checked="true" name="offer" value="no"`)
	coins, err := r.desk.Coins(t.Context(), r.ownerActor().MerchantID)
	if err != nil || len(coins) != 2 {
		t.Errorf("the coins are %v, %v", coins, err)
	}
	v.follow(v.post(path, "offer", "no")).want(t, 200, "not offered the test coin any more", `aria-checked="false"`)
}

// An invoice that is a test because its network is one has no buttons for test coins,
// unless those are offered, too.
func TestNoTestCoinsOnTestNetworks(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "regtest", none))
	r.looked(paybell.BitcoinNetwork, 1, time.Now())
	in := desk.NewWallet{Currency: "BTC", Key: vpub}
	p, err := r.desk.PreviewWallet(t.Context(), r.ownerActor(), in)
	must(t, err)
	in.FirstAddress = p.Addresses[0]
	_, err = r.desk.AddWallet(t.Context(), r.ownerActor(), in)
	must(t, err)
	inv := r.till("Shop").bill(nil)
	inv, _, err = r.desk.OpenPayment(t.Context(), inv.ID, "BTC")
	must(t, err)
	if !inv.Test {
		t.Fatal("it is no test")
	}
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, `<span class="badge tag">Test</span>`).wantNot(t, `id="test-coins"`)
	must(t, r.desk.OfferTestCoin(t.Context(), r.ownerActor(), true))
	r.owner.get("/dash/invoices/"+inv.ID).want(t, 200, `id="test-coins"`)
}

// When so many invoices were not paid that a wallet program would not look further,
// it is said what to do.
func TestGap(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none))
	r.looked(paybell.BitcoinNetwork, 1, time.Now())
	r.wallet()
	s := r.till("Shop")
	open := func(n int) {
		for range n {
			_, _, err := r.desk.OpenPayment(t.Context(), s.bill(nil).ID, "BTC")
			must(t, err)
		}
	}
	open(paybell.MaxGap)
	r.owner.get(walletsPath).want(t, 200, "Number 20").wantNot(t, "gap limit")
	open(5)
	r.owner.get(walletsPath).want(t, 200, "Number 25", "The newest 25 addresses in a row got no money", "Raise the gap limit in your wallet program to 50 or more", "no address is lost")
	for gap, want := range map[int]string{21: "50", 30: "50", 31: "60", 995: "1,020"} {
		if got := (walletCard{Wallet: desk.WalletView{Gap: gap}}).GapLimit(); got != want {
			t.Errorf("a gap of %d needs %s, want %s", gap, got, want)
		}
	}
}

// A network that cannot be looked at is told to those whose wallets are on it, with
// since when, why, and what to do.
func TestNetworkTrouble(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none), chainOf(paybell.LitecoinNetwork, "regtest", none))
	looker := r.invited("looker@a.example", paybell.RoleReadOnly)
	began := time.Now().Add(-10 * time.Minute)
	r.looked(paybell.BitcoinNetwork, 861234, time.Now())
	r.trouble(paybell.LitecoinNetwork, "nobody cares", began)
	const elsewhere = "/dash/settings"
	r.wallet()
	s := r.till("Shop")
	inv := s.bill(nil)
	_, _, err := r.desk.OpenPayment(t.Context(), inv.ID, "BTC")
	must(t, err)
	at := "/dash/invoices/" + inv.ID
	r.owner.get("/dash/").want(t, 200, "Networks", "block 861,234", `<span class="badge good">Seen</span>`).wantNot(t, "Litecoin", "cannot be looked at")
	r.owner.get(elsewhere).wantNot(t, "cannot be looked at", "was not looked at")
	r.owner.get(at).want(t, 200, "Waits for 0.0001 BTC").wantNot(t, "cannot be looked at", blindText("Bitcoin"))

	why := `dial tcp <10.0.0.1>: refused`
	r.trouble(paybell.BitcoinNetwork, why, began)
	text := "The Bitcoin network cannot be looked at since " + moment(began) + ". The reason: Dial tcp &lt;10.0.0.1&gt;: refused. See to the node; on the server, paybell chain status tells more."
	for _, v := range []*visitor{r.owner, looker} {
		for _, path := range []string{"/dash/", elsewhere, walletsPath, at} {
			if n := strings.Count(v.get(path).want(t, 200, text).body, text); n != 1 {
				t.Errorf("%s says it %d times", path, n)
			}
		}
		v.get(at).want(t, 200, blindText("Bitcoin"))
	}
	r.owner.get("/dash/").want(t, 200, "Needs attention", `<span class="badge stop">Not seen now</span>`).wantNot(t, "All is well", "obody cares")
	r.owner.get(walletsPath).want(t, 200, "Not seen now", "obody cares")
	must(t, r.desk.CancelInvoice(t.Context(), s.as, inv.ID))
	r.owner.get(at).want(t, 200).wantNot(t, blindText("Bitcoin"))

	// A chain that went too far back is another matter: nothing is said to be safe.
	r.trouble(paybell.BitcoinNetwork, "the node at a: is behind\nthe node at b: has another chain than the one that was followed. The watching is halted, and nothing is confirmed or expires. "+
		"Find out which chain is right; then `paybell chain rescan --network bitcoin --from HEIGHT`, with a height where they are still the same", began)
	for _, path := range []string{"/dash/", elsewhere, walletsPath} {
		r.owner.get(path).want(t, 200, "Watching the Bitcoin network is halted since "+moment(began), "Ship nothing for payments in Bitcoin", "is behind; the node at b", "paybell chain rescan --network bitcoin --from HEIGHT", "they are still the same.").
			wantNot(t, "Bitcoin network cannot be looked at")
	}
	r.owner.get(walletsPath).want(t, 200, `<span class="badge stop">Halted</span>`)

	// Nobody looks at it any more, and this server was started without a node.
	r.looked(paybell.BitcoinNetwork, 861235, time.Now().Add(-time.Hour))
	r.owner.get(elsewhere).want(t, 200, "The Bitcoin network was not looked at since "+moment(time.Now().Add(-time.Hour)))
	r.looked(paybell.BitcoinNetwork, 861236, time.Now())
	r.owner.get(elsewhere).wantNot(t, "Bitcoin network")
}

func TestUnwatchedWallet(t *testing.T) {
	d := desk.Network{}
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none), func(k *desk.Desk) { d = k.Networks[paybell.BitcoinNetwork] })
	r.looked(paybell.BitcoinNetwork, 7, time.Now())
	w := r.wallet()
	bare := &Server{Desk: &desk.Desk{DB: r.desk.DB, Quote: r.desk.Quote, Sandbox: r.desk.Sandbox}}
	if d.Name == "" {
		t.Fatal("there was no network")
	}
	cards, err := bare.walletCards(t.Context(), r.ownerActor())
	must(t, err)
	if len(cards) != 1 || !cards[0].Live || cards[0].Receivable() || !strings.HasPrefix(cards[0].Trouble(), "This server was started without a Bitcoin node") || cards[0].Wallet.ID != w.ID {
		t.Errorf("without a node the cards are %+v", cards)
	}
	text := fragment(t, "wallets.html", "live", walletsPage{Cards: cards}, time.Now())
	if strings.Contains(text, "Replace key") || !strings.Contains(text, "/remove/"+w.ID) || !strings.Contains(text, "--bitcoin-node") {
		t.Errorf("its card says:\n%s", text)
	}
}

// A wallet whose key is for another chain of the network than the one that is watched.
func TestWalletOfAnotherChain(t *testing.T) {
	r := newRig(t, chainOf(paybell.BitcoinNetwork, "mainnet", none))
	r.looked(paybell.BitcoinNetwork, 800_000, time.Now())
	r.wallet()
	chainOf(paybell.BitcoinNetwork, "regtest", none)(r.desk)
	r.server.Desk = &desk.Desk{DB: r.desk.DB, Quote: r.desk.Quote, Sandbox: r.desk.Sandbox, Networks: r.desk.Networks}
	r.owner.get(walletsPath).want(t, 200, "This key is not for regtest, the Bitcoin network that this server watches now, so buyers are not offered BTC.")
}

func TestSplitKey(t *testing.T) {
	for text, want := range map[string][2]string{
		"wpkh([d34db33f/84h/0h/0h]xpub1/0/*)#abcdefgh": {"wpkh", "[d34db33f/84h/0h/0h]xpub1/0/*"},
		"sh(wpkh(xpub1/0/*))#abcdefgh":                 {"sh(wpkh", "xpub1/0/*"},
		"tr(xpub1/0/*)":                                {"tr", "xpub1/0/*"},
		"pkh(xpub1/0/*)":                               {"pkh", "xpub1/0/*"},
		"wsh(sortedmulti(2,xpub1/0/*,xpub2/0/*))":      {"", ""},
	} {
		if form, inner, _ := splitKey(text); form != want[0] || inner != want[1] {
			t.Errorf("%s is %q of %q", text, form, inner)
		}
	}
	for key, want := range map[string]string{
		"wpkh([d34db33f/84h/0h/0h]xpub6BosfCnifzxcF/0/*)#abcdefgh": "xpub6Bos…zxcF",
		"wsh(sortedmulti(2,xpub1/0/*,xpub2/0/*))#abcdefgh":         "wsh(sort…efgh",
	} {
		if got := (walletCard{Wallet: desk.WalletView{Wallet: paybell.Wallet{Key: key}}}).KeyName(); got != want {
			t.Errorf("%s is called %q, want %q", key, got, want)
		}
	}
}

func TestWalletFragments(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	find := func(symbol string) paybell.Currency {
		c, _ := paybell.FindCurrency(symbol)
		return c
	}
	btc, ltc := find("BTC"), find("LTC")
	c := paybell.Client{ID: "c", Name: "Shop", Terms: paybell.DefaultTerms}
	chain := desk.ChainStatus{Network: paybell.BitcoinNetwork, Chain: "mainnet", Height: 861234, ScannedAt: now}
	w := desk.WalletView{Wallet: paybell.Wallet{ID: "w", Network: paybell.BitcoinNetwork, Key: "wpkh(" + accountXpub + "/0/*)#abcdefgh", Policy: paybell.DefaultPolicy(btc), CreatedAt: now},
		Coin: btc, Kind: "Native SegWit (bc1q…)", NextIndex: 41, Gap: 31, GapTooWide: true, Chain: chain}
	card := walletCard{Coin: btc, Chain: chain, Live: true, Wallet: w}
	test := desk.ChainStatus{Network: paybell.LitecoinNetwork, Chain: "regtest", Test: true, Height: 100, ScannedAt: now, Delayed: true, Trouble: "the node does not answer", TroubleSince: now}
	p := walletsPage{Cards: []walletCard{card, {Coin: ltc, Chain: test}}, Test: testCoin{find("LTCT"), 3, 7, true, true},
		Others: []otherCoin{newOtherCoin(find("ETH"))}, Prices: []paybell.Currency{find("USD")}, Clients: []paybell.Client{c}}
	preview := desk.WalletPreview{Coin: btc, Chain: "mainnet", Kind: w.Kind, Key: w.Key, Addresses: []string{zpubFirst, accountFirst, zpubFirst}, First: 3, Checked: true}
	for name, f := range map[string]struct {
		file string
		page walletsPage
	}{
		"wallets":       {"wallets.html", p},
		"wallets_none":  {"wallets.html", walletsPage{Test: testCoin{Currency: find("LTCT"), Completed: 3, Offered: true}, Others: []otherCoin{newOtherCoin(btc), newOtherCoin(ltc), newOtherCoin(find("ETH"))}}},
		"terms":         {"wallets_terms.html", walletsPage{Pop: &termsForm{Client: c, Window: newLength(c.Terms.Window), Lifetime: newLength(c.Terms.Lifetime), Percent: "0"}}},
		"new":           {"wallets_new.html", walletsPage{Pop: walletForm{Card: walletCard{Coin: btc, Chain: chain}, Step: 1}}},
		"compare":       {"wallets_new.html", walletsPage{Pop: walletForm{Card: card, Step: 2, Key: w.Key, Preview: preview}}},
		"confirmations": {"wallets_policy.html", walletsPage{Pop: policyForm{Card: card, Paid: "0", Tiers: []tierRow{{From: "0", Confirmations: "2"}, {From: "1", Confirmations: "x", Bad: true}}}}},
		"remove":        {"wallets_remove.html", walletsPage{Pop: card}},
	} {
		text := fragment(t, f.file, "main", f.page, now)
		if i := strings.Index(text, "<dialog"); i >= 0 {
			text = text[i:]
		}
		golden(t, "wallets/"+name, drawing.ReplaceAllString(text, "<svg/>"))
	}
}
