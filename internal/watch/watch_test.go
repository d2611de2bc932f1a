package watch

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// fakeChain tells what it is told to tell.
type fakeChain struct {
	network string
	n       int
	batch   []paybell.Transfer
	err     error
	during  func() // runs inside Scan
	cursors []string
}

func (c *fakeChain) Network() string { return c.network }

func (c *fakeChain) Scan(_ context.Context, cursor string, _ []paybell.Transfer) (paybell.Batch, error) {
	c.cursors = append(c.cursors, cursor)
	if c.during != nil {
		c.during()
	}
	if len(c.batch) == 0 || c.err != nil {
		return paybell.Batch{Cursor: cursor}, c.err
	}
	c.n++
	out := paybell.Batch{Cursor: strconv.Itoa(c.n), Transfers: c.batch}
	c.batch = nil
	return out, nil
}

func open(t *testing.T) *store.DB {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	storetest.Blank(t, dir)
	db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	do(t, db, func(tx *store.Tx) error {
		return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "M"}),
			tx.CreateClient(paybell.Client{ID: "c", MerchantID: "m"}, "secret"))
	})
	return db
}

func do(t *testing.T, db *store.DB, body func(*store.Tx) error) {
	t.Helper()
	if err := store.Do(context.Background(), db, body); err != nil {
		t.Fatal(err)
	}
}

// pending makes an invoice with open payments of 100 units, one per network.
func pending(t *testing.T, db *store.DB, id string, window time.Duration, networks ...string) {
	t.Helper()
	at := now()
	created := paybell.Create(paybell.Invoice{ID: id, MerchantID: "m", ClientID: "c", Bill: paybell.Bill{Currency: "5057"},
		ExpiresAt: at.Add(24 * time.Hour), Window: window}, at)
	do(t, db, func(tx *store.Tx) error {
		if err := tx.Apply(created); err != nil {
			return err
		}
		inv := created.Invoice
		for i, network := range networks {
			changes, err := inv.Next(paybell.Input{Do: paybell.Open{Payment: paybell.Payment{ID: id + network, Currency: []string{"1002", "1"}[i], Network: network,
				Address: "to-" + id + "-" + network, Due: paybell.NewUnits(100), CompletedAfter: 3, Rate: decimal.NewFromInt(1)}}}, at)
			if err := errors.Join(err, tx.Apply(changes...)); err != nil {
				return err
			}
			inv = changes[len(changes)-1].Invoice
		}
		return nil
	})
}

func invoice(t *testing.T, db *store.DB, id string) paybell.Invoice {
	t.Helper()
	inv, err := store.View(t.Context(), db, func(tx *store.Tx) (paybell.Invoice, error) { return tx.Invoice(id) })
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func seen(network, tx, address string, units uint64, confirmations int) paybell.Transfer {
	tr := paybell.Transfer{Network: network, TxID: tx, Asset: "1002", Address: address, Amount: paybell.NewUnits(units), Status: paybell.Mempool}
	if confirmations > 0 {
		tr.Status, tr.Confirmations = paybell.Mined, confirmations
	}
	return tr
}

func step(t *testing.T, w *Watcher) {
	t.Helper()
	if _, err := w.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// An address that is made while the chain is being looked at is not missed.
func TestAddressMadeDuringTheScan(t *testing.T) {
	db := open(t)
	chain := &fakeChain{network: "n", batch: []paybell.Transfer{seen("n", "t", "to-a-n", 100, 0), seen("n", "u", "somebody else's", 5, 0)}}
	chain.during = func() { chain.during = nil; pending(t, db, "a", time.Hour, "n") }
	w := &Watcher{DB: db, Chain: chain, Every: time.Second}
	step(t, w)
	if inv := invoice(t, db, "a"); inv.State != paybell.Paid || len(inv.Transfers) != 1 {
		t.Fatalf("%s with %d transfers", inv.State, len(inv.Transfers))
	}
}

// Of two watchers that saw the same, one writes; the other looks again.
func TestOvertakenWatcherLooksAgain(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n")
	slow := &fakeChain{network: "n", batch: []paybell.Transfer{seen("n", "t", "to-a-n", 100, 0)}}
	slow.during = func() {
		slow.during = nil
		fast := &Watcher{DB: db, Chain: &fakeChain{network: "n", n: 6, batch: []paybell.Transfer{seen("n", "t", "to-a-n", 100, 3)}}, Every: time.Second}
		step(t, fast)
	}
	w := &Watcher{DB: db, Chain: slow, Every: time.Second}
	wait, err := w.Step(t.Context())
	if err != nil || wait != 0 {
		t.Fatalf("overtaken: wait %v, %v", wait, err)
	}
	inv := invoice(t, db, "a")
	if inv.State != paybell.Completed || inv.Transfers[0].Confirmations != 3 {
		t.Fatalf("the late result counted: %s, %d confirmations", inv.State, inv.Transfers[0].Confirmations)
	}
	step(t, w)
	if last := slow.cursors[len(slow.cursors)-1]; last != "7" {
		t.Fatalf("looked again from %q", last)
	}
}

// More transfers than fit into one transaction, all credited, versions intact.
func TestManyTransfers(t *testing.T) {
	db := open(t)
	chain := &fakeChain{network: "n"}
	const n = 2*chunk + 7
	for i := range n {
		id := "i" + strconv.Itoa(i)
		pending(t, db, id, time.Hour, "n")
		chain.batch = append(chain.batch, seen("n", "t"+id, "to-"+id+"-n", 100, 3))
	}
	step(t, &Watcher{DB: db, Chain: chain, Every: time.Second})
	for i := range n {
		if inv := invoice(t, db, "i"+strconv.Itoa(i)); inv.State != paybell.Completed || inv.Version != 5 {
			t.Fatalf("%s: %s at version %d", inv.ID, inv.State, inv.Version)
		}
	}
}

// Downtime expires nothing: a window ends only when its chain was looked at
// after its end, and money found in that very look is in time.
func TestExpiryWaitsForTheChain(t *testing.T) {
	db := open(t)
	pending(t, db, "empty", time.Millisecond, "n")
	pending(t, db, "paid", time.Millisecond, "n")
	chain := &fakeChain{network: "n", err: errors.New("the node is down")}
	w := &Watcher{DB: db, Chain: chain, Every: time.Second}
	time.Sleep(5 * time.Millisecond)
	if _, err := w.Step(t.Context()); err == nil {
		t.Fatal("the chain's error was lost")
	}
	if s := invoice(t, db, "empty").State; s != paybell.Pending {
		t.Fatalf("expired while the node was down: %s", s)
	}
	chain.err, chain.batch = nil, []paybell.Transfer{seen("n", "t", "to-paid-n", 100, 0)}
	step(t, w)
	if s := invoice(t, db, "empty").State; s != paybell.Unpaid {
		t.Errorf("after the look: %s", s)
	}
	if inv := invoice(t, db, "paid"); inv.State != paybell.Paid || inv.Flags != 0 {
		t.Errorf("paid while the node was down: %s %v", inv.State, inv.Flags.Names())
	}
	chain.batch = []paybell.Transfer{seen("n", "late", "to-empty-n", 100, 0)}
	step(t, w)
	if inv := invoice(t, db, "empty"); inv.State != paybell.Unpaid || inv.Flags != paybell.Late {
		t.Errorf("money after the end: %s %v", inv.State, inv.Flags.Names())
	}
}

// The lifetime waits for every network that the invoice has a payment on, and
// an invoice that waits for one network does not stand before others.
func TestLifetimeWaitsForEveryNetwork(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n", "m")
	do(t, db, func(tx *store.Tx) error {
		inv, err := tx.Invoice("a")
		return errors.Join(err, tx.Hasten(inv, true, now()))
	})
	n := &Watcher{DB: db, Chain: &fakeChain{network: "n"}, Every: time.Second}
	m := &Watcher{DB: db, Chain: &fakeChain{network: "m"}, Every: time.Second}
	for range 3 {
		step(t, n)
	}
	if s := invoice(t, db, "a").State; s != paybell.Pending {
		t.Fatalf("after one of two networks: %s", s)
	}
	next, err := store.View(t.Context(), db, func(tx *store.Tx) (time.Time, error) { return tx.NextTimer("n") })
	if err != nil || !next.IsZero() {
		t.Fatalf("still in the way of network n: %v, %v", next, err)
	}
	for range 3 {
		step(t, m)
		step(t, n)
	}
	if s := invoice(t, db, "a").State; s != paybell.TimedOut {
		t.Fatalf("after both networks: %s", s)
	}
}

// A fee bump is the same money: in time if what it replaced was, and no reason
// to flag anything.
func TestFeeBumpAfterTheWindow(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n")
	chain := &fakeChain{network: "n", batch: []paybell.Transfer{seen("n", "first", "to-a-n", 100, 0)}}
	w := &Watcher{DB: db, Chain: chain, Every: time.Second}
	step(t, w)
	do(t, db, func(tx *store.Tx) error {
		inv, err := tx.Invoice("a")
		return errors.Join(err, tx.Hasten(inv, false, now()))
	})
	step(t, w)
	old, bumped := seen("n", "first", "to-a-n", 100, 0), seen("n", "second", "to-a-n", 100, 0)
	old.Status, bumped.Replaces = paybell.Replaced, "first"
	chain.batch = []paybell.Transfer{old, bumped}
	step(t, w)
	if inv := invoice(t, db, "a"); inv.State != paybell.Paid || inv.Flags != 0 {
		t.Fatalf("%s %v", inv.State, inv.Flags.Names())
	}
}

// An invoice without a payment waits for no network.
func TestTimers(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour)
	timers := &Timers{DB: db, Every: time.Second}
	if wait, err := timers.Step(t.Context()); err != nil || wait != time.Second {
		t.Fatalf("wait %v, %v", wait, err)
	}
	do(t, db, func(tx *store.Tx) error {
		inv, err := tx.Invoice("a")
		return errors.Join(err, tx.Hasten(inv, true, now()))
	})
	if _, err := timers.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := invoice(t, db, "a").State; s != paybell.TimedOut {
		t.Fatal(s)
	}
}

// An idle look writes nothing.
func TestIdleLookWritesNothing(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n")
	w := &Watcher{DB: db, Chain: &fakeChain{network: "n"}, Every: time.Second}
	for range 5 {
		step(t, w)
	}
	c, err := store.View(t.Context(), db, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor("n") })
	if err != nil || c.Version != 0 {
		t.Fatalf("cursor version %d, %v", c.Version, err)
	}
}
