package watch

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
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
	more    bool   // behind each batch is another
	during  func() // runs inside Scan
	asks    func(paybell.Watch)
	cursors []string
}

func (c *fakeChain) Network() string { return c.network }

func (c *fakeChain) Scan(_ context.Context, cursor string, watch paybell.Watch) (paybell.Batch, error) {
	c.cursors = append(c.cursors, cursor)
	if c.during != nil {
		c.during()
	}
	if c.asks != nil {
		c.asks(watch)
	}
	if len(c.batch) == 0 && !c.more || c.err != nil {
		return paybell.Batch{Cursor: cursor}, c.err
	}
	c.n++
	out := paybell.Batch{Cursor: strconv.Itoa(c.n), Height: int64(100 + c.n), Transfers: c.batch, More: c.more}
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
	pendingSince(t, db, id, now(), window, networks...)
}

func pendingSince(t *testing.T, db *store.DB, id string, at time.Time, window time.Duration, networks ...string) {
	t.Helper()
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

// What replaces money is told together with what it replaces, however much else comes
// in the same look.
func TestReplacementAmongMany(t *testing.T) {
	db := open(t)
	pending(t, db, "z", time.Hour, "n")
	first, second := seen("n", "first", "to-z-n", 100, 0), seen("n", "second", "to-z-n", 100, 0)
	chain := &fakeChain{network: "n", batch: []paybell.Transfer{first}}
	w := &Watcher{DB: db, Chain: chain, Every: time.Second}
	step(t, w)
	first.Status, second.Replaces = paybell.Replaced, "first"
	for i := range chunk - 1 {
		id := "i" + strconv.Itoa(i)
		pending(t, db, id, time.Hour, "n")
		chain.batch = append(chain.batch, seen("n", "t"+id, "to-"+id+"-n", 100, 3))
	}
	chain.batch = append(chain.batch, first, second)
	step(t, w)
	if inv := invoice(t, db, "z"); inv.State != paybell.Paid || inv.Version != 4 {
		t.Fatalf("%s at version %d", inv.State, inv.Version)
	}
	if inv := invoice(t, db, "i0"); inv.State != paybell.Completed {
		t.Fatalf("another: %s", inv.State)
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

func cursor(t *testing.T, db *store.DB) store.Cursor {
	t.Helper()
	c, err := store.View(t.Context(), db, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor("n") })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lookedAt makes the network one that was last looked at so long ago.
func lookedAt(t *testing.T, db *store.DB, ago time.Duration) (at time.Time) {
	t.Helper()
	at = now().Add(-ago)
	do(t, db, func(tx *store.Tx) error {
		from, err := tx.Cursor("n")
		if err != nil {
			return err
		}
		to := from
		to.ScannedAt = at
		return move(tx, from, to)
	})
	return at
}

// An idle look writes nothing: after the first, which is news, and but for the
// heartbeat.
func TestIdleLookWritesNothing(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n")
	w := &Watcher{DB: db, Chain: &fakeChain{network: "n"}, Every: time.Second}
	before := now()
	for range 5 {
		step(t, w)
	}
	if c := cursor(t, db); c.Version != 1 || c.ScannedAt.Before(before) {
		t.Fatalf("after some looks: %+v", c)
	}
	was := lookedAt(t, db, Heartbeat-10*time.Second)
	step(t, w)
	if c := cursor(t, db); c.Version != 2 || !c.ScannedAt.Equal(was) {
		t.Fatalf("before the heartbeat: %+v", c)
	}
	lookedAt(t, db, Heartbeat)
	before = now()
	for range 3 {
		step(t, w)
	}
	if c := cursor(t, db); c.Version != 4 || c.ScannedAt.Before(before) {
		t.Fatalf("after the heartbeat: %+v", c)
	}
}

// What is not the whole chain proves nothing of what was not there: no time is up,
// nothing else is known to be absent. The watcher goes on at once.
func TestMore(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Millisecond, "n")
	pending(t, db, "b", time.Millisecond, "n")
	was := lookedAt(t, db, time.Minute)
	for end := invoice(t, db, "b").Payments[0].ExpiresAt; !now().After(end); {
		time.Sleep(time.Millisecond)
	}
	chain := &fakeChain{network: "n", more: true}
	w := &Watcher{DB: db, Chain: chain, Every: time.Hour}
	for i := range 3 {
		if i == 1 {
			chain.batch = []paybell.Transfer{seen("n", "t", "to-a-n", 100, 0)}
		}
		if wait, err := w.Step(t.Context()); wait != 0 || err != nil {
			t.Fatalf("in the middle: wait %v, %v", wait, err)
		}
		if c := cursor(t, db); c.Position != strconv.Itoa(i+1) || c.Height != int64(101+i) || !c.ScannedAt.Equal(was) {
			t.Fatalf("in the middle the cursor is %+v", c)
		}
	}
	if inv := invoice(t, db, "a"); inv.State != paybell.Paid || inv.Flags != 0 || !inv.Transfers[0].AbsentAt.Equal(was) {
		t.Errorf("found in the middle: %s %v, absent at %v", inv.State, inv.Flags.Names(), inv.Transfers[0].AbsentAt)
	}
	if s := invoice(t, db, "b").State; s != paybell.Pending {
		t.Errorf("expired in the middle: %s", s)
	}
	chain.more = false
	step(t, w)
	if c := cursor(t, db); c.Position != "3" || !c.ScannedAt.After(was) {
		t.Errorf("at the end the cursor is %+v", c)
	}
	if s := invoice(t, db, "b").State; s != paybell.Unpaid {
		t.Errorf("after the end: %s", s)
	}
}

// Why a chain cannot be looked at is written once for each reason, with the moment
// of the first, until it can.
func TestTrouble(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n")
	chain := &fakeChain{network: "n"}
	w := &Watcher{DB: db, Chain: chain, Every: time.Second}
	fail := func(why string) {
		t.Helper()
		chain.err = errors.New(why)
		if _, err := w.Step(t.Context()); !errors.Is(err, chain.err) {
			t.Fatalf("got %v", err)
		}
	}
	want := func(trouble string) store.Cursor {
		t.Helper()
		c := cursor(t, db)
		if c.Trouble != trouble || c.TroubleSince.IsZero() != (trouble == "") {
			t.Fatalf("the cursor is %+v, want the trouble %q", c, trouble)
		}
		return c
	}
	before := now()
	fail("the node is down")
	first := want("the node is down")
	if first.TroubleSince.Before(before) || first.Version != 0 || !first.ScannedAt.IsZero() {
		t.Errorf("the trouble of a chain that was never seen: %+v", first)
	}
	do(t, db, func(tx *store.Tx) error { return tx.NoteTrouble("n", "another's", false, now()) })
	fail("the node is down")
	want("another's") // it had said so
	fail("the password is wrong")
	if c := want("the password is wrong"); !c.TroubleSince.Equal(first.TroubleSince) {
		t.Errorf("since %v, then %v", first.TroubleSince, c.TroubleSince)
	}
	chain.err = nil
	step(t, w)
	if c := want(""); c.Version != 1 || c.ScannedAt.Before(before) {
		t.Errorf("after it could be seen: %+v", c)
	}
	step(t, w)
	if c := want(""); c.Version != 1 {
		t.Errorf("an idle look wrote %+v", c)
	}
	fail("the password is wrong")
	want("the password is wrong")
	if err := Rescan(t.Context(), db, "n", "5", 7); err != nil {
		t.Fatal(err)
	}
	if c := want("the password is wrong"); c.Position != "5" || c.Height != 7 {
		t.Errorf("set back in trouble: %+v", c)
	}
	do(t, db, func(tx *store.Tx) error { // another process can see it
		c, err := tx.Cursor("n")
		return errors.Join(err, move(tx, c, c))
	})
	chain.err = nil
	step(t, w)
	fail("the password is wrong")
	want("the password is wrong") // it could meanwhile

	chain.err = nil
	step(t, w)
	ctx, stop := context.WithCancel(t.Context())
	chain.during = stop
	chain.err = context.Canceled
	if _, err := w.Step(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	want("") // the server stops: that is no trouble of the chain's
}

// Who waits while a network cannot be looked at gets the time back: once, and only
// if it was long.
func TestOutage(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name     string
		ago      time.Duration
		window   time.Duration
		extended bool
		state    paybell.State
	}{
		{"long", Outage, time.Hour, true, paybell.Pending},
		{"long, and its window is over", 3 * Outage, 2 * Outage, true, paybell.Pending},
		{"short", Outage - 10*time.Second, time.Hour, false, paybell.Pending},
		{"short, and its window is over", Outage - 10*time.Second, 3*Outage + Outage/2, false, paybell.Unpaid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := open(t)
			began := now().Add(-4 * Outage)
			pendingSince(t, db, "a", began, tt.window, "n")
			pendingSince(t, db, "paid", began, tt.window, "n")
			pendingSince(t, db, "elsewhere", began, tt.window, "m")
			pending(t, db, "at the end of it", time.Hour, "n")
			late := invoice(t, db, "at the end of it")
			was := invoice(t, db, "a")
			other := invoice(t, db, "elsewhere")
			for !now().After(other.Payments[0].OpenedAt.Add(ms)) {
				time.Sleep(ms)
			}
			from := lookedAt(t, db, tt.ago)
			chain := &fakeChain{network: "n", batch: []paybell.Transfer{seen("n", "t", "to-paid-n", 100, 0)}}
			w := &Watcher{DB: db, Chain: chain, Every: time.Second}
			for range 3 {
				step(t, w)
			}
			inv := invoice(t, db, "a")
			by := time.Duration(0)
			if tt.extended {
				by = cursor(t, db).ScannedAt.Sub(from)
			}
			if got := inv.Payments[0].ExpiresAt.Sub(was.Payments[0].ExpiresAt); inv.State != tt.state || got > by || by-got > time.Second || (got > 0) != tt.extended {
				t.Errorf("%s, and the window ends %v later; want %s, %v", inv.State, got, tt.state, by)
			}
			if got := invoice(t, db, late.ID).Payments[0].ExpiresAt.Sub(late.Payments[0].ExpiresAt); got < 0 || got > time.Minute {
				t.Errorf("who chose the coin at the end of it got %v", got)
			}
			if got := inv.ExpiresAt.Sub(was.ExpiresAt); got != inv.Payments[0].ExpiresAt.Sub(was.Payments[0].ExpiresAt) {
				t.Errorf("the invoice ends %v later", got)
			}
			if tt.extended && inv.Version != was.Version {
				t.Errorf("it was told: version %d after %d", inv.Version, was.Version)
			}
			if p := invoice(t, db, "paid"); p.State != paybell.Paid || p.Flags != 0 || !p.Transfers[0].AbsentAt.Equal(from) {
				t.Errorf("paid meanwhile: %s %v, absent at %v", p.State, p.Flags.Names(), p.Transfers[0].AbsentAt)
			}
			if now := invoice(t, db, "elsewhere"); !now.ExpiresAt.Equal(other.ExpiresAt) || !now.Payments[0].ExpiresAt.Equal(other.Payments[0].ExpiresAt) {
				t.Error("who waits for another network got time too")
			}
		})
	}
}

// A window that was given back ends like any other.
func TestOutageEnds(t *testing.T) {
	db := open(t)
	pending(t, db, "a", time.Hour, "n")
	lookedAt(t, db, Outage)
	w := &Watcher{DB: db, Chain: &fakeChain{network: "n"}, Every: time.Second}
	step(t, w)
	do(t, db, func(tx *store.Tx) error {
		inv, err := tx.Invoice("a")
		return errors.Join(err, tx.Hasten(inv, false, now()))
	})
	for range 2 {
		step(t, w)
	}
	if s := invoice(t, db, "a").State; s != paybell.Unpaid {
		t.Error(s)
	}
}

// What a chain asks after it looked has what was made meanwhile, and only what is of
// this network.
func TestOursIsAskedAfterTheLook(t *testing.T) {
	db := open(t)
	pending(t, db, "before", time.Hour, "n")
	var before, after []string
	var mined []paybell.Transfer
	chain := &fakeChain{network: "n"}
	ours := func(w paybell.Watch) []string {
		found, err := w.Ours([]string{"to-before-n", "to-meanwhile-n", "to-other-m", "nobody's"})
		if err != nil {
			t.Error(err)
		}
		slices.Sort(found)
		return found
	}
	chain.asks = func(w paybell.Watch) {
		before = ours(w)
		pending(t, db, "meanwhile", time.Hour, "n")
		pending(t, db, "other", time.Hour, "m")
		after = ours(w)
		chain.asks = nil
	}
	w := &Watcher{DB: db, Chain: chain, Every: time.Second}
	step(t, w)
	if !slices.Equal(before, []string{"to-before-n"}) || !slices.Equal(after, []string{"to-before-n", "to-meanwhile-n"}) {
		t.Errorf("ours were %q, then %q", before, after)
	}

	low, high, waiting := seen("n", "low", "to-before-n", 10, 9), seen("n", "high", "to-before-n", 10, 2), seen("n", "waiting", "to-before-n", 10, 0)
	low.Height, high.Height, high.Raw, waiting.Raw = 3, 10, "0200", "0201"
	chain.batch = []paybell.Transfer{low, high, waiting}
	step(t, w)
	var open []paybell.Transfer
	chain.asks = func(w paybell.Watch) {
		var err error
		if mined, err = w.DecidedAbove(2); err != nil {
			t.Error(err)
		}
		open = w.Open
	}
	step(t, w)
	names := func(all []paybell.Transfer) (names []string) {
		for _, t := range all {
			names = append(names, t.TxID+" "+t.Raw)
		}
		slices.Sort(names)
		return names
	}
	if !slices.Equal(names(mined), []string{"high 0200", "low "}) || !slices.Equal(names(open), []string{"high 0200", "waiting 0201"}) {
		t.Errorf("mined above 2 are %q; open are %q", names(mined), names(open))
	}
}

// A transfer is looked after until the chain decided, one way or the other.
func TestSettled(t *testing.T) {
	p := paybell.Payment{CompletedAfter: 3}
	for _, tt := range []struct {
		status        paybell.TransferStatus
		confirmations int
		height        int64
		amount        uint64
		want          bool
	}{
		{paybell.Mempool, 0, 0, 1, false},
		{paybell.Mined, 2, 9, 1, false},
		{paybell.Mined, 3, 9, 1, true},
		{paybell.Replaced, 0, 0, 1, false},
		{paybell.Replaced, 0, 9, 1, true},
		{paybell.Dropped, 0, 0, 1, false},
		{paybell.Mempool, 0, 0, 0, true}, // nothing that could come or go
		{paybell.Dropped, 0, 0, 0, true},
	} {
		tr := paybell.Transfer{Status: tt.status, Confirmations: tt.confirmations, Height: tt.height, Amount: paybell.NewUnits(tt.amount)}
		if got := settled(tr, p); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// counting is a chain that moves on at every look.
type counting struct {
	mu      sync.Mutex
	cursors []string
}

func (c *counting) Network() string { return "n" }

func (c *counting) Scan(_ context.Context, cursor string, _ paybell.Watch) (paybell.Batch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cursors = append(c.cursors, cursor)
	return paybell.Batch{Cursor: cursor + "."}, nil
}

// However busy the watchers are, a network is set back when somebody says so, and
// the watchers go on from there.
func TestRescan(t *testing.T) {
	db := open(t)
	slow := &fakeChain{network: "n", n: 50, batch: []paybell.Transfer{seen("n", "t", "x", 1, 0)}}
	slow.during = func() {
		slow.during = nil
		if err := Rescan(t.Context(), db, "n", "5", 7); err != nil {
			t.Error(err)
		}
	}
	w := &Watcher{DB: db, Chain: slow, Every: time.Second}
	if wait, err := w.Step(t.Context()); wait != 0 || err != nil {
		t.Fatalf("overtaken: wait %v, %v", wait, err)
	}
	if c := cursor(t, db); c.Position != "5" || c.Height != 7 {
		t.Fatalf("set back: %+v", c)
	}
	step(t, w)
	if got := slow.cursors; len(got) != 2 || got[1] != "5" {
		t.Fatalf("it looked from %q", got)
	}

	busy := &counting{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var watchers sync.WaitGroup
	for range 2 {
		w := &Watcher{DB: db, Chain: busy, Every: time.Second}
		watchers.Go(func() {
			for ctx.Err() == nil {
				if _, err := w.Step(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	at := func(position string) bool {
		busy.mu.Lock()
		defer busy.mu.Unlock()
		return slices.Contains(busy.cursors, position)
	}
	for i := range 20 {
		position := "to " + strconv.Itoa(i)
		if err := Rescan(ctx, db, "n", position, int64(i)); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); !at(position); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("nobody looked from %q", position)
			}
		}
	}
	stop()
	watchers.Wait()
}
