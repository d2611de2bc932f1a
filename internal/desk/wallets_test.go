package desk_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// plainKey is a key that is written "pub:name". Another spelling, "PUB:name", is the
// same.
type plainKey struct{ network, name string }

func (k plainKey) String() string      { return "pub:" + k.name }
func (k plainKey) Fingerprint() string { return "print of " + k.name }
func (k plainKey) Kind() string        { return "plain (" + k.network + "…)" }
func (k plainKey) Address(index int64) (string, error) {
	return fmt.Sprintf("%s1%s%d", k.network[:3], strings.ToLower(k.name), index), nil
}

// node is what a network's node knows: which addresses were paid.
type node struct {
	mu    sync.Mutex
	used  map[string]bool
	err   error
	asked int // addresses
}

func (n *node) look(_ context.Context, addresses []string) ([]bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked += len(addresses)
	used := make([]bool, len(addresses))
	for i, a := range addresses {
		used[i] = n.used[a]
	}
	return used, n.err
}

// pay makes a node know that addresses of a key were paid.
func (n *node) pay(k plainKey, indexes ...int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used = map[string]bool{}
	for _, i := range indexes {
		address, _ := k.Address(i)
		n.used[address] = true
	}
}

// plain is a network whose keys are written "pub:name".
func plain(network string, n *node) desk.Network {
	return desk.Network{Name: network, Chain: "mainnet", Used: n.look, ParseKey: func(text string) (desk.Key, error) {
		kind, name, ok := strings.Cut(strings.TrimSpace(text), ":")
		switch {
		case strings.EqualFold(kind, "prv"):
			return nil, paybell.InvalidField("key", "is a private key")
		case !ok || !strings.EqualFold(kind, "pub"):
			return nil, paybell.InvalidField("key", "is not a key")
		}
		return plainKey{network, name}, nil
	}}
}

// watching gives an office nodes of both networks, which were looked at just now.
func watching(o *office) *node {
	n := &node{}
	o.Networks = map[string]desk.Network{}
	for _, network := range []string{paybell.BitcoinNetwork, paybell.LitecoinNetwork} {
		o.Networks[network] = plain(network, n)
		o.scanned(network, time.Now())
	}
	if o.Quote == nil {
		o.Quote = evenly{}
	}
	if o.Sandbox == nil {
		o.Sandbox = evenly{}
	}
	return n
}

// scanned writes that a network was looked at.
func (o *office) scanned(network string, at time.Time) {
	o.Helper()
	must(o.T, store.Do(o.Context(), o.DB, func(tx *store.Tx) error {
		from, err := tx.Cursor(network)
		if err != nil {
			return err
		}
		to := from
		to.Height, to.ScannedAt = from.Height+1, at
		_, err = tx.MoveCursor(from, to)
		return err
	}))
}

// wallet adds one.
func (o *office) wallet(a desk.Actor, coin, name string) desk.WalletView {
	o.Helper()
	v, err := o.AddWallet(o.Context(), a, newWallet(coin, name))
	must(o.T, err)
	return v
}

func newWallet(coin, name string) desk.NewWallet {
	c, _ := paybell.FindCurrency(coin)
	first, _ := plainKey{c.Network, name}.Address(0)
	return desk.NewWallet{Currency: coin, Key: "pub:" + name, FirstAddress: first}
}

// coins are the symbols of what a merchant can be paid with.
func (o *office) coins(a desk.Actor) string {
	o.Helper()
	all, err := o.Coins(o.Context(), a.MerchantID)
	must(o.T, err)
	symbols := []string{}
	for _, c := range all {
		symbols = append(symbols, c.Symbol)
	}
	return strings.Join(symbols, " ")
}

// pick opens a payment of a new invoice.
func (o *office) pick(coin string) paybell.Payment {
	o.Helper()
	_, p, err := o.OpenPayment(o.Context(), o.invoice(), coin)
	must(o.T, err)
	return p
}

func TestPreviewWallet(t *testing.T) {
	o := onSQLite(t)
	n := watching(o)
	n.pay(plainKey{"bitcoin", "Zoe"}, 0, 3, 22)
	ctx := t.Context()
	before := o.actions()
	v, err := o.PreviewWallet(ctx, o.owner, desk.NewWallet{Currency: " btc", Key: " PUB:Zoe\n"})
	must(t, err)
	if v.Key != "pub:Zoe" || v.Kind != "plain (bitcoin…)" || v.Coin.Symbol != "BTC" || v.Chain != "mainnet" || v.Test || !v.Checked || v.First != 23 ||
		!slices.Equal(v.Addresses, []string{"bit1zoe0", "bit1zoe1", "bit1zoe2"}) {
		t.Errorf("the preview is %+v", v)
	}
	if n.asked != 60 {
		t.Errorf("the node was asked about %d addresses", n.asked)
	}
	// Nothing was made, and no index taken.
	if all, err := o.ListWallets(ctx, o.owner); err != nil || len(all) != 0 || o.coins(o.owner) != "LTCT" || o.actions() != before {
		t.Errorf("there are %v, %v", all, err)
	}
	if w := o.wallet(o.owner, "BTC", "Max"); w.NextIndex != 0 {
		t.Errorf("the next index is %d", w.NextIndex)
	}

	for name, in := range map[string]desk.NewWallet{
		"currency": {Key: "pub:x"}, "currency:": {Currency: "prv:secret", Key: "pub:x"}, "currency: ETH": {Currency: "ETH", Key: "pub:x"},
		"currency: LTCT": {Currency: "1002", Key: "pub:x"}, "currency: ": {Currency: "USD", Key: "pub:x"},
		"key": {Currency: "1"}, "key: is a private key": {Currency: "1", Key: "prv:secret"},
		"from": {Currency: "1", Key: "pub:x", From: new(int64(-1))}, "from:": {Currency: "1", Key: "pub:x", From: new(int64(desk.MaxFrom + 1))},
		"policy.paid": {Currency: "1", Key: "pub:x", Policy: &paybell.Policy{Paid: -1}}, "policy.completed": {Currency: "1", Key: "pub:x", Policy: &paybell.Policy{}},
	} {
		_, err := o.PreviewWallet(ctx, o.owner, in)
		if o.wantCode(err, paybell.Invalid); !strings.Contains(fmt.Sprint(err), "invalid: "+name) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	delete(o.Networks, paybell.LitecoinNetwork)
	_, err = o.PreviewWallet(ctx, o.owner, desk.NewWallet{Currency: "LTC", Key: "pub:x"})
	if o.wantCode(err, paybell.NotSupported); !strings.Contains(fmt.Sprint(err), "--litecoin-node") {
		t.Errorf("without a node: %v", err)
	}
}

// Which address is the first to be used.
func TestFirstUnused(t *testing.T) {
	o := onSQLite(t)
	n := watching(o)
	ctx := t.Context()
	key := plainKey{"bitcoin", "zoe"}
	series := func(from, to int64) (all []int64) {
		for i := from; i <= to; i++ {
			all = append(all, i)
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		used    []int64
		err     error
		from    *int64
		first   int64
		checked bool
		asked   int
	}{
		{name: "new key", checked: true, asked: 20},
		{name: "one payment", used: []int64{0}, first: 1, checked: true, asked: 40},
		{name: "a gap of 19", used: []int64{20}, first: 0, checked: true, asked: 20},
		{name: "behind each other", used: []int64{19, 39, 59}, first: 60, checked: true, asked: 80},
		{name: "says where", used: []int64{3, 120}, from: new(int64(110)), first: 121, checked: true, asked: 40},
		{name: "says nothing new", used: []int64{3}, from: new(int64(0)), first: 4, checked: true, asked: 40},
		{name: "no node", err: paybell.Errorf(paybell.Unavailable, "x"), asked: 20},
		{name: "no node, says where", err: paybell.Errorf(paybell.Unavailable, "x"), from: new(int64(7)), first: 7, asked: 20},
		{name: "too many", used: series(0, 3000), first: 2000, asked: 2000},
	} {
		n.pay(key, tt.used...)
		n.err, n.asked = tt.err, 0
		v, err := o.PreviewWallet(ctx, o.owner, desk.NewWallet{Currency: "BTC", Key: "pub:zoe", From: tt.from})
		if err != nil || v.First != tt.first || v.Checked != tt.checked || n.asked != tt.asked {
			t.Errorf("%s: first %d, checked %v, asked %d, %v", tt.name, v.First, v.Checked, n.asked, err)
		}
	}
	n.err = errors.New("broken")
	if _, err := o.PreviewWallet(ctx, o.owner, desk.NewWallet{Currency: "BTC", Key: "pub:zoe"}); !errors.Is(err, n.err) {
		t.Errorf("a broken node: %v", err)
	}
	n.err = paybell.Errorf(paybell.Unavailable, "x")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := o.PreviewWallet(gone, o.owner, desk.NewWallet{Currency: "BTC", Key: "pub:zoe"}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

func TestAddWallet(t *testing.T) {
	o := onSQLite(t)
	n := watching(o)
	ctx := t.Context()
	n.pay(plainKey{"bitcoin", "Zoe"}, 4)

	// Somebody must have compared, and wrong guesses change nothing.
	before := o.actions()
	for given, want := range map[string]string{
		"": "wallet program shows", "prv:secret": "which is bit1zoe0", "bit1zoe1": "very first", "BIT1ZOE2": "very first", "bit1zoe3": "do not use it",
	} {
		_, err := o.AddWallet(ctx, o.owner, desk.NewWallet{Currency: "BTC", Key: "pub:Zoe", FirstAddress: given})
		if o.wantCode(err, paybell.Invalid); !strings.Contains(fmt.Sprint(err), "firstAddress: ") || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%q: %v", given, err)
		}
	}
	if o.coins(o.owner) != "LTCT" || o.actions() != before {
		t.Error("something was added")
	}

	// It counts at once here, although what the merchant receives was remembered.
	v, err := o.AddWallet(ctx, o.owner, desk.NewWallet{Currency: "BTC", Key: "pub:Zoe", FirstAddress: " BIT1ZOE0 "})
	must(t, err)
	btc, _ := paybell.FindCurrency("BTC")
	if _, ok := paybell.ParseUUID(v.ID); !ok || v.Key != "pub:Zoe" || v.Fingerprint != "print of Zoe" || v.Kind != "plain (bitcoin…)" || v.Coin != btc || v.NextIndex != 5 ||
		v.MerchantID != o.owner.MerchantID || v.Chain.Height != 1 || v.Chain.Delayed || v.Chain.Unwatched || v.CreatedAt.IsZero() || !v.RemovedAt.IsZero() ||
		len(v.Policy.Completed) != 1 || v.Policy.Completed[0].Confirmations != 2 || v.Gap != 0 || v.GapTooWide {
		t.Errorf("made was %+v", v)
	}
	if got := o.coins(o.owner); got != "BTC" {
		t.Errorf("the merchant receives %s", got)
	}
	p := o.pick("BTC")
	if p.Address != "bit1zoe5" || p.Index != 5 || p.WalletID != v.ID || p.PaidAfter != 0 || p.CompletedAfter != 2 {
		t.Errorf("the payment is %+v", p)
	}
	log, err := o.AuditLog(ctx, o.owner, "", 1)
	must(t, err)
	if e := log[0]; e.Action != "addWallet" || e.Subject != v.ID || e.Detail != "BTC, plain (bitcoin…), fingerprint print of Zoe" {
		t.Errorf("the audit log has %+v", e)
	}

	// The same key again is the same wallet; it can skip ahead, and have another policy.
	again := newWallet("BTC", "Zoe")
	again.From, again.Policy = new(int64(50)), &paybell.Policy{Paid: 1, Completed: []paybell.Tier{{Confirmations: 6}}}
	w, err := o.AddWallet(ctx, o.owner, again)
	must(t, err)
	if w.ID != v.ID || w.NextIndex != 50 || w.Policy.Paid != 1 {
		t.Errorf("again: %+v", w)
	}
	if p := o.pick("BTC"); p.Index != 50 || p.PaidAfter != 1 || p.CompletedAfter != 6 {
		t.Errorf("the payment is %+v", p)
	}

	// Another key takes its place. What was opened stays valid.
	open := o.invoice()
	_, p, err = o.OpenPayment(ctx, open, "BTC")
	must(t, err)
	next := o.wallet(o.owner, "BTC", "Max")
	if all, err := o.ListWallets(ctx, o.owner); err != nil || len(all) != 1 || all[0].ID != next.ID {
		t.Errorf("there are %+v, %v", all, err)
	}
	if _, same, err := o.OpenPayment(ctx, open, "BTC"); err != nil || same.Address != p.Address {
		t.Errorf("the open payment: %+v, %v", same, err)
	}
	if old, err := o.WalletOf(ctx, o.owner, strings.ToUpper(v.ID)); err != nil || old.RemovedAt.IsZero() {
		t.Errorf("the old one is %+v, %v", old, err)
	}
	if p := o.pick("BTC"); p.Address != "bit1max0" {
		t.Errorf("the payment is %+v", p)
	}
}

// Two merchants with one key never get the same address, nor does one who adds a
// key again that was removed.
func TestOneKeyOneCounter(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	mine := o.wallet(o.owner, "BTC", "zoe")
	first := o.pick("BTC")
	other := o.merchant()
	theirs := o.wallet(other, "BTC", "zoe")
	if theirs.NextIndex != 1 || theirs.ID == mine.ID {
		t.Errorf("theirs is %+v", theirs)
	}
	must(t, o.RemoveWallet(ctx, o.owner, mine.ID))
	_, _, err := o.OpenPayment(ctx, o.invoice(), "BTC")
	o.wantCode(err, paybell.Invalid)
	back := o.wallet(o.owner, "BTC", "zoe")
	if back.ID == mine.ID || back.NextIndex != 1 {
		t.Errorf("back is %+v", back)
	}
	if p := o.pick("BTC"); p.Index != 1 || p.Address == first.Address {
		t.Errorf("the payment is %+v", p)
	}
}

// What is added at once by several leaves one live wallet.
func TestAddWalletAtOnce(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *office{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			watching(o)
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					if _, err := o.AddWallet(t.Context(), o.owner, newWallet("BTC", fmt.Sprint("k", i%4))); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if list, err := o.ListWallets(t.Context(), o.owner); err != nil || len(list) != 1 {
				t.Errorf("there are %+v, %v", list, err)
			}
		})
	}
}

func TestSetPolicy(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	w := o.wallet(o.owner, "LTC", "zoe")
	before := o.pick("LTC")
	half, _ := paybell.ParseUnits("50000000")
	p := paybell.Policy{Paid: 1, Completed: []paybell.Tier{{Confirmations: 4}, {From: half, Confirmations: 12}}}
	v, err := o.SetPolicy(ctx, o.owner, w.ID, p)
	must(t, err)
	if v.ID != w.ID || v.Policy.Paid != 1 || len(v.Policy.Completed) != 2 {
		t.Errorf("the wallet is %+v", v)
	}
	log, err := o.AuditLog(ctx, o.owner, "", 1)
	must(t, err)
	if e := log[0]; e.Action != "setPolicy" || e.Subject != w.ID || e.Detail != "paid after 1, completed after 4, from 0.5 LTC 12" {
		t.Errorf("the audit log has %+v", e)
	}
	was := o.actions()
	_, err = o.SetPolicy(ctx, o.owner, w.ID, p)
	must(t, err)
	if o.actions() != was {
		t.Error("what changed nothing is in the log")
	}
	if p := o.pick("LTC"); p.PaidAfter != 1 || p.CompletedAfter != 12 { // 10 LTC
		t.Errorf("the payment is %+v", p)
	}
	if before.PaidAfter != 0 || before.CompletedAfter != 3 {
		t.Errorf("the payment of before is %+v", before)
	}
	_, err = o.SetPolicy(ctx, o.owner, w.ID, paybell.Policy{Paid: 101, Completed: p.Completed})
	o.wantCode(err, paybell.Invalid)
	_, err = o.SetPolicy(ctx, o.owner, "x", p)
	o.wantCode(err, paybell.NotFound)
	must(t, o.RemoveWallet(ctx, o.owner, w.ID))
	_, err = o.SetPolicy(ctx, o.owner, w.ID, p)
	o.wantCode(err, paybell.Conflict)
}

func TestRemoveWallet(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	w := o.wallet(o.owner, "BTC", "zoe")
	o.wallet(o.owner, "LTC", "zoe")
	if got := o.coins(o.owner); got != "BTC LTC" {
		t.Errorf("the merchant receives %s", got)
	}
	must(t, o.RemoveWallet(ctx, o.owner, w.ID))
	if got := o.coins(o.owner); got != "LTC" {
		t.Errorf("the merchant receives %s", got)
	}
	was := o.actions()
	must(t, o.RemoveWallet(ctx, o.owner, w.ID))
	if o.actions() != was {
		t.Error("what changed nothing is in the log")
	}
}

// The test coin is there until there is a wallet, and then if it is wanted.
func TestOfferTestCoin(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	is := func(offered, choosable bool, coins string) {
		t.Helper()
		was, can, err := o.TestCoin(ctx, o.owner)
		if err != nil || was != offered || can != choosable || o.coins(o.owner) != coins {
			t.Errorf("offered %v, choosable %v, %v; the merchant receives %s", was, can, err, o.coins(o.owner))
		}
	}
	is(true, false, "LTCT")
	o.wantCode(o.OfferTestCoin(ctx, o.owner, false), paybell.Conflict)
	w := o.wallet(o.owner, "BTC", "zoe")
	is(false, true, "BTC")
	must(t, o.OfferTestCoin(ctx, o.owner, true))
	is(true, true, "BTC LTCT")
	was := o.actions()
	must(t, o.OfferTestCoin(ctx, o.owner, true))
	if o.actions() != was {
		t.Error("what changed nothing is in the log")
	}
	must(t, o.RemoveWallet(ctx, o.owner, w.ID))
	is(true, true, "LTCT")
	must(t, o.OfferTestCoin(ctx, o.owner, false))
	is(false, true, "")
}

// Wallets are the merchant's own, and programs need the permission that
// CoinPayments has for it. What they change is written down as well.
func TestWhoHandlesWallets(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	w := o.wallet(o.program(), "BTC", "zoe")
	log, err := o.AuditLog(ctx, o.owner, "", 1)
	must(t, err)
	if e := log[0]; e.Who != "integration "+o.client.ID || e.Action != "addWallet" {
		t.Errorf("the audit log has %+v", e)
	}
	policy := paybell.Policy{Completed: []paybell.Tier{{Confirmations: 1}}}
	other := o.merchant()
	for id, a := range map[string]desk.Actor{w.ID: other, "": o.owner, paybell.NewUUID(time.Now()): o.owner, "prv:": o.owner} {
		_, err := o.WalletOf(ctx, a, id)
		o.wantCode(err, paybell.NotFound)
		_, err = o.SetPolicy(ctx, a, id, policy)
		o.wantCode(err, paybell.NotFound)
		o.wantCode(o.RemoveWallet(ctx, a, id), paybell.NotFound)
	}
	if all, err := o.ListWallets(ctx, other); err != nil || len(all) != 0 {
		t.Errorf("others see %+v, %v", all, err)
	}

	looks, changes := o.program(), o.program()
	looks.Permissions, changes.Permissions = paybell.GetWallets|paybell.GetWalletByID, paybell.CreateWallet
	in := newWallet("BTC", "max")
	for name, try := range map[string]func(desk.Actor) error{
		"preview": func(a desk.Actor) error { _, err := o.PreviewWallet(ctx, a, in); return err },
		"add":     func(a desk.Actor) error { _, err := o.AddWallet(ctx, a, in); return err },
		"policy":  func(a desk.Actor) error { _, err := o.SetPolicy(ctx, a, w.ID, policy); return err },
		"remove":  func(a desk.Actor) error { return o.RemoveWallet(ctx, a, w.ID) },
		"offer":   func(a desk.Actor) error { return o.OfferTestCoin(ctx, a, true) },
	} {
		if err := try(looks); paybell.CodeOf(err) != paybell.Forbidden || !strings.Contains(err.Error(), "createWallet") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = o.ListWallets(ctx, changes)
	o.wantCode(err, paybell.Forbidden)
	_, err = o.WalletOf(ctx, changes, w.ID)
	o.wantCode(err, paybell.Forbidden)
	_, _, err = o.TestCoin(ctx, changes)
	o.wantCode(err, paybell.Forbidden)
	if v, err := o.WalletOf(ctx, looks, w.ID); err != nil || v.RemovedAt != (time.Time{}) {
		t.Errorf("they see %+v, %v", v, err)
	}
}

// A gap over 20 is shown; money closes it.
func TestGap(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	w := o.wallet(o.owner, "BTC", "zoe")
	var ids []string
	for range paybell.MaxGap + 1 {
		id := o.invoice()
		_, _, err := o.OpenPayment(ctx, id, "BTC")
		must(t, err)
		ids = append(ids, id)
	}
	v, err := o.WalletOf(ctx, o.owner, w.ID)
	must(t, err)
	if v.Gap != 21 || !v.GapTooWide || v.NextIndex != 21 {
		t.Errorf("the gap is %+v", v)
	}
	must(t, store.Do(ctx, o.DB, func(tx *store.Tx) error {
		inv, err := tx.Invoice(ids[18])
		if err != nil {
			return err
		}
		p := inv.Payments[0]
		return tx.RecordTransfer(inv.ID, paybell.Transfer{
			Network: p.Network, TxID: "tx", Asset: p.Currency, PaymentID: p.ID, Address: p.Address, Amount: p.Due, Status: paybell.Mempool, SeenAt: p.OpenedAt,
		}, false)
	}))
	all, err := o.ListWallets(ctx, o.owner)
	must(t, err)
	if all[0].Gap != 2 || all[0].GapTooWide {
		t.Errorf("the gap is %+v", all[0])
	}
}

// A network that this server no longer watches: its wallets are shown, and its coin
// is not offered.
func TestUnwatchedWallet(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	w := o.wallet(o.owner, "BTC", "zoe")
	again := &desk.Desk{DB: o.DB, Quote: o.Quote, Sandbox: o.Sandbox, Networks: map[string]desk.Network{}}
	v, err := again.WalletOf(ctx, o.owner, w.ID)
	must(t, err)
	if v.Kind != "" || !v.Chain.Unwatched || !v.Chain.Delayed || v.Chain.Network != paybell.BitcoinNetwork || v.Key != "pub:zoe" {
		t.Errorf("the wallet is %+v", v)
	}
	if coins, err := again.Coins(ctx, o.owner.MerchantID); err != nil || len(coins) != 0 {
		t.Errorf("it receives %v, %v", coins, err)
	}
	if _, err := again.SetPolicy(ctx, o.owner, w.ID, paybell.Policy{Completed: []paybell.Tier{{Confirmations: 9}}}); err != nil {
		t.Error(err)
	}
	must(t, again.RemoveWallet(ctx, o.owner, w.ID))
}

// A key for another chain of a network than the one that is watched now: its coin is
// not offered, and who was asked to pay there before is not asked again.
func TestWalletOfAnotherChain(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	w := o.wallet(o.owner, "BTC", "zoe")
	inv := o.invoice()
	_, _, err := o.OpenPayment(ctx, inv, "BTC")
	must(t, err)
	other := plain(paybell.BitcoinNetwork, &node{})
	other.Chain = "regtest"
	other.ParseKey = func(string) (desk.Key, error) {
		return nil, paybell.InvalidField("key", "This key is for the main network.")
	}
	again := &desk.Desk{DB: o.DB, Quote: o.Quote, Sandbox: o.Sandbox, Networks: map[string]desk.Network{paybell.BitcoinNetwork: other}}
	if v, err := again.WalletOf(ctx, o.owner, w.ID); err != nil || v.Kind != "" || v.Chain.Unwatched {
		t.Errorf("the wallet is %+v, %v", v, err)
	}
	if coins, err := again.Coins(ctx, o.owner.MerchantID); err != nil || len(coins) != 0 {
		t.Errorf("it receives %v, %v", coins, err)
	}
	_, _, err = again.OpenPayment(ctx, o.invoice(), "BTC")
	if o.wantCode(err, paybell.Invalid); strings.Contains(err.Error(), "key") {
		t.Errorf("the buyer is told %v", err)
	}
	_, err = again.Checkout(ctx, inv, "", "")
	if o.wantCode(err, paybell.Conflict); err != nil && !strings.Contains(err.Error(), "another chain than Bitcoin regtest") {
		t.Errorf("the buyer is told %v", err)
	}
	must(t, again.RemoveWallet(ctx, o.owner, w.ID))
}

// Whoever can write to the database cannot send buyers elsewhere by changing a
// payment.
func TestAddressChangedFromOutside(t *testing.T) {
	var dir string
	o := newOffice(t, func(keys *store.Keyring, d string) (*store.DB, error) {
		dir = d
		storetest.Blank(t, dir)
		return store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	})
	watching(o)
	ctx := t.Context()
	o.wallet(o.owner, "BTC", "zoe")
	raw, err := sql.Open("sqlite", filepath.Join(dir, "paybell.db"))
	must(t, err)
	defer raw.Close()
	for _, change := range []string{
		"address = 'evil1'",
		"address = 'evil2', address_index = -1",
		"address = 'evil3', address_index = -1, wallet_id = ''",
		"address = 'evil4', address_index = -1, wallet_id = '', network = 'sandbox', currency = '1'",
		"address = 'evil5', wallet_id = ''",
		"address = 'evil6', timed_out_at = 1",
		"address_index = address_index + 1",
	} {
		inv := o.invoice()
		_, p, err := o.OpenPayment(ctx, inv, "BTC")
		must(t, err)
		_, err = raw.ExecContext(ctx, "UPDATE payments SET "+change+" WHERE id = $1", p.ID)
		must(t, err)
		_, err = o.Checkout(ctx, inv, "", "")
		o.wantCode(err, paybell.Internal)
		_, _, err = o.OpenPayment(ctx, inv, "BTC")
		o.wantCode(err, paybell.Internal)
		_, _, err = o.Payment(ctx, inv, "BTC")
		o.wantCode(err, paybell.Internal)
		if shown, _, err := o.SharedInvoice(ctx, inv); paybell.CodeOf(err) != paybell.Internal || len(shown.Payments) > 0 {
			t.Errorf("%s: shown is %+v, %v", change, shown.Payments, err)
		}
	}
}

// Nodes do not pass dust on, so nobody is asked for it.
func TestTooLittleToSend(t *testing.T) {
	o := onSQLite(t)
	watching(o)
	ctx := t.Context()
	o.wallet(o.owner, "BTC", "zoe")
	for text, sendable := range map[string]bool{"0.00000545": false, "0.00000546": true} {
		amount, err := paybell.ParseAmount(text)
		must(t, err)
		in := desk.NewInvoice{Bill: paybell.Bill{Currency: "BTC", Total: amount, Breakdown: paybell.Breakdown{Subtotal: amount}}}
		inv, err := o.CreateInvoice(ctx, o.program(), in)
		must(t, err)
		v, err := o.Checkout(ctx, inv.ID, "", "")
		if must(t, err); (len(v.Coins) == 1) != sendable {
			t.Errorf("%s: offered are %+v", text, v.Coins)
		}
		_, _, err = o.OpenPayment(ctx, inv.ID, "BTC")
		in.PaymentCurrency = "BTC"
		_, madeErr := o.CreateInvoice(ctx, o.program(), in)
		for _, err := range []error{err, madeErr} {
			if sendable != (err == nil) || err != nil && (paybell.CodeOf(err) != paybell.Invalid || !strings.Contains(err.Error(), "0.00000546")) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if least, _, err := o.Limits(ctx, "USD", "BTC"); err != nil || least.String() != "0.01" {
		t.Errorf("the least is %s, %v", least, err)
	}
	if least, _, err := o.Limits(ctx, "BTC", "BTC"); err != nil || least.String() != "0.00000546" {
		t.Errorf("the least is %s, %v", least, err)
	}
}

func TestPolicyInWords(t *testing.T) {
	btc, _ := paybell.FindCurrency("BTC")
	ltc, _ := paybell.FindCurrency("LTC")
	ltct, _ := paybell.FindCurrency("LTCT")
	units := func(coins string) paybell.Units {
		u, err := paybell.UnitsOf(decimal.RequireFromString(coins), 8)
		must(t, err)
		return u
	}
	const (
		seen   = `An invoice is paid as soon as the payment is seen, before any block holds it. The sender can still take it back (double-spend it), so do not ship on "paid" alone.`
		one    = " Now and then one block is taken back, without anybody wanting it; then the payment is unconfirmed again."
		few    = " That many blocks are hardly ever taken back by chance; somebody with much of the miners' power could do it."
		plenty = " To take back that many blocks costs far more than most payments are worth."
	)
	for _, tt := range []struct {
		coin   paybell.Currency
		policy paybell.Policy
		want   []string
	}{
		{btc, paybell.DefaultPolicy(btc), []string{seen, "It is completed after 2 blocks (about 20 minutes)." + few}},
		{ltc, paybell.DefaultPolicy(ltc), []string{seen, "It is completed after 3 blocks (about 8 minutes)." + few}},
		{ltct, paybell.DefaultPolicy(ltct), []string{seen, "It is completed after 3 blocks." + few}},
		{btc, paybell.Policy{Paid: 1, Completed: []paybell.Tier{{Confirmations: 1}, {From: units("0.5"), Confirmations: 6}, {From: units("10"), Confirmations: 10}}}, []string{
			"An invoice is paid after 1 block (about 10 minutes)." + one,
			"It is completed after 1 block (about 10 minutes)." + one,
			"From 0.5 BTC on it is completed after 6 blocks (about 1 hour)." + plenty,
			"From 10 BTC on it is completed after 10 blocks (about 1.6 hours)." + plenty,
		}},
		{btc, paybell.Policy{Paid: 3, Completed: []paybell.Tier{{Confirmations: 1}}}, []string{ // completed is never less than paid
			"An invoice is paid after 3 blocks (about 30 minutes)." + few, "It is completed after 3 blocks (about 30 minutes)." + few,
		}},
		{btc, paybell.Policy{}, []string{seen, "It is completed after 1 block (about 10 minutes)." + one}},
	} {
		if got := desk.PolicyInWords(tt.coin, tt.policy); !slices.Equal(got, tt.want) {
			t.Errorf("%s %+v:\n%s", tt.coin.Symbol, tt.policy, strings.Join(got, "\n"))
		}
	}
}
