package sandbox

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/paybell/paybell"
)

func TestScanOfNothing(t *testing.T) {
	b := newBench(t)
	for _, cursor := range []string{"", "0"} {
		if got := b.scan(cursor); !reflect.DeepEqual(got, paybell.Batch{Cursor: cursor}) {
			t.Errorf("scan(%q) of an empty chain = %+v", cursor, got)
		}
	}
	b.pay(1)
	first := b.scan("")
	loads := b.store.loads
	if got := b.scan(first.Cursor, first.Transfers...); !reflect.DeepEqual(got, paybell.Batch{Cursor: first.Cursor}) {
		t.Errorf("a scan with nothing new = %+v", got)
	}
	if n := b.store.loads - loads; n != 1 {
		t.Errorf("a scan with nothing new read the journal %d times", n)
	}
}

func TestScanCursorGarbage(t *testing.T) {
	b := newBench(t)
	b.pay(1)
	end := b.scan("").Cursor
	for _, cursor := range []string{"x", "-1", "+1", "01", " 1", "1.0", "0x1", "99999999999999999999", end + "0"} {
		if got, err := b.chain.Scan(t.Context(), cursor, paybell.Watch{}); err == nil {
			t.Errorf("Scan(%q) = %+v", cursor, got)
		}
	}
}

func TestScanFromAnOldCursor(t *testing.T) {
	b := newBench(t)
	first := b.pay(1)
	start := b.scan("").Cursor
	second, third := b.pay(2), b.pay(3)
	b.mine(1)
	b.reorg(1)
	b.drop(second)
	got := b.scan(start)
	if want := []string{first, third, second}; !slices.Equal(ids(got), want) {
		t.Errorf("got %v, want each once, in the order of their last change: %v", ids(got), want)
	}
	if tr := got.Transfers[2]; tr.Status != paybell.Dropped || !tr.Reorged {
		t.Errorf("not as it is now: %+v", tr)
	}
	// Any cursor between gives what came after it, and ends where the others end.
	for n, want := range map[string][]string{
		b.scan("").Cursor:                             nil,
		cursorAt(b.store.entries[4]):                  {second},
		cursorAt(b.store.entries[3]):                  {first, third, second},
		cursorAt(b.store.entries[0]):                  {first, third, second},
		strconv.FormatInt(b.store.entries[5].N-1, 10): {second}, // a number that no entry has
	} {
		batch := b.scan(n)
		if !slices.Equal(ids(batch), want) || batch.Cursor != got.Cursor {
			t.Errorf("scan(%s) = %v to %s, want %v to %s", n, ids(batch), batch.Cursor, want, got.Cursor)
		}
	}
}

func cursorAt(e Entry) string { return strconv.FormatInt(e.N, 10) }

func TestScanOpen(t *testing.T) {
	b := newBench(t)
	settled, open := b.pay(1), b.pay(2)
	b.mine(1)
	first := b.scan("")
	known := map[string]paybell.Transfer{}
	for _, tr := range first.Transfers {
		tr.PaymentID = "set by the watcher"
		known[tr.TxID] = tr
	}

	b.mine(1)
	second := b.scan(first.Cursor, known[open])
	if !slices.Equal(ids(second), []string{open}) || second.Transfers[0].Confirmations != 2 || second.Transfers[0].PaymentID != "" {
		t.Errorf("one more confirmation: %+v, want only the open one, bare", second.Transfers)
	}
	if second.Cursor == first.Cursor {
		t.Error("the cursor did not move")
	}

	// Touched and open: once. Settled but touched: reported all the same.
	b.reorg(2)
	third := b.scan(second.Cursor, second.Transfers...)
	if want := []string{settled, open}; !slices.Equal(ids(third), want) {
		t.Errorf("got %v, want %v", ids(third), want)
	}

	// What the caller holds is wrong though nothing happened.
	for _, wrong := range []func(*paybell.Transfer){
		func(t *paybell.Transfer) { t.Status = paybell.Dropped },
		func(t *paybell.Transfer) { t.Confirmations = 9 },
		func(t *paybell.Transfer) { t.Reorged = false },
		func(t *paybell.Transfer) { t.Height = 9 },
	} {
		given := third.Transfers[1]
		wrong(&given)
		if got := b.scan(third.Cursor, third.Transfers[0], given); !reflect.DeepEqual(got, paybell.Batch{Cursor: third.Cursor, Height: 3, Transfers: third.Transfers[1:]}) {
			t.Errorf("given %+v: %+v", given, got)
		}
	}

	// Not ours to tell about.
	other := third.Transfers[1]
	other.Index, other.Confirmations = 1, 9
	if got := b.scan(third.Cursor, other, paybell.Transfer{TxID: "unknown"}); len(got.Transfers) != 0 {
		t.Errorf("reported %+v", got.Transfers)
	}
}

// naive is the chain told once more, as plainly as possible: blocks are lists
// of transactions, and everything asked is looked up in them.
type naive struct {
	blocks  [][]int // numbers of txs
	mempool []int
	txs     []naiveTx
}

type naiveTx struct {
	id        string
	replaced  bool
	by        int // what replaced it
	dropped   bool
	reorged   bool
	elsewhere bool
}

func (m *naive) pay(id string, elsewhere bool) {
	m.mempool = append(m.mempool, len(m.txs))
	m.txs = append(m.txs, naiveTx{id: id, elsewhere: elsewhere})
}

func (m *naive) mine(n int) {
	for _, t := range m.mempool {
		m.txs[t].reorged = false
	}
	m.blocks = append(m.blocks, m.mempool)
	m.mempool = nil
	m.blocks = append(m.blocks, make([][]int, n-1)...)
}

func (m *naive) reorg(depth int) {
	for range depth {
		last := m.blocks[len(m.blocks)-1]
		m.blocks = m.blocks[:len(m.blocks)-1]
		for _, t := range last {
			m.txs[t].reorged = true
		}
		m.mempool = append(m.mempool, last...)
	}
	m.blocks = append(m.blocks, make([][]int, depth+1)...)
}

func (m *naive) leave(t int) {
	m.mempool = slices.DeleteFunc(m.mempool, func(u int) bool { return u == t })
}

func (m *naive) status(t int) (paybell.TransferStatus, int) {
	switch {
	case m.txs[t].replaced:
		return paybell.Replaced, 0
	case m.txs[t].dropped:
		return paybell.Dropped, 0
	}
	for i, block := range m.blocks {
		if slices.Contains(block, t) {
			return paybell.Mined, len(m.blocks) - i
		}
	}
	return paybell.Mempool, 0
}

// height is that of the block which decided what became of a transaction.
func (m *naive) height(t int) int {
	for m.txs[t].replaced {
		t = m.txs[t].by
	}
	return 1 + slices.IndexFunc(m.blocks, func(block []int) bool { return slices.Contains(block, t) })
}

// watcher keeps transfers as a store does, and what it thinks is settled.
type watcher struct {
	cursor string
	known  map[string]paybell.Transfer
}

const settledAt = 6

func (w *watcher) scan(rt *rapid.T, c *Chain) {
	var open []paybell.Transfer
	for _, t := range w.known {
		if t.Confirmations < settledAt {
			open = append(open, t)
		}
	}
	batch, err := c.Scan(rt.Context(), w.cursor, paybell.Watch{Open: open})
	if err != nil {
		rt.Fatal(err)
	}
	seen := map[string]bool{}
	for _, t := range batch.Transfers {
		if seen[t.TxID] {
			rt.Fatalf("%s twice in one batch", t.TxID)
		}
		seen[t.TxID] = true
		w.known[t.TxID] = t
	}
	w.cursor = batch.Cursor
}

// Whatever is done, by whichever of two processes: the chain is what the naive
// model says, a process started later sees the same, and a watcher that scanned
// now and then knows what one that starts now learns.
func TestAnyHistory(t *testing.T) {
	merchants := []string{alice, bob}
	rapid.Check(t, func(rt *rapid.T) {
		ctx := rt.Context()
		store := &memory{}
		chains := []*Chain{New(store.journal()), New(store.journal())}
		models := map[string]*naive{alice: {}, bob: {}}
		watch := &watcher{known: map[string]paybell.Transfer{}}

		for range rapid.IntRange(0, 40).Draw(rt, "operations") {
			c := rapid.SampledFrom(chains).Draw(rt, "process")
			who := rapid.SampledFrom(merchants).Draw(rt, "merchant")
			m := models[who]
			what := rapid.SampledFrom([]string{"pay", "pay", "mine", "replace", "drop", "return", "reorg", "scan", "restart"}).Draw(rt, "what")
			picked := -1
			if len(m.txs) > 0 {
				picked = rapid.IntRange(0, len(m.txs)-1).Draw(rt, "transaction")
			}
			id, is := "", paybell.TransferStatus("")
			if picked >= 0 {
				id = m.txs[picked].id
				is, _ = m.status(picked)
			}
			var err error
			possible := true
			switch what {
			case "pay":
				id, err = c.Pay(ctx, who, Address(who, 0), paybell.NewUnits(1))
				m.pay(id, false)
			case "mine":
				n := rapid.IntRange(1, 5).Draw(rt, "blocks")
				var h int64
				h, err = c.Mine(ctx, who, n)
				m.mine(n)
				if h != int64(len(m.blocks)) {
					rt.Fatalf("height %d, want %d", h, len(m.blocks))
				}
			case "replace":
				back := rapid.Bool().Draw(rt, "to the invoice")
				id, err = c.Replace(ctx, who, id, back)
				if possible = is == paybell.Mempool; possible {
					m.leave(picked)
					m.txs[picked].replaced, m.txs[picked].by = true, len(m.txs)
					m.pay(id, !back)
				}
			case "drop":
				err = c.Drop(ctx, who, id)
				if possible = is == paybell.Mempool; possible {
					m.leave(picked)
					m.txs[picked].dropped = true
				}
			case "return":
				err = c.Return(ctx, who, id)
				if possible = is == paybell.Dropped; possible {
					m.mempool = append(m.mempool, picked)
					m.txs[picked].dropped = false
				}
			case "reorg":
				depth := rapid.IntRange(1, 8).Draw(rt, "depth")
				err = c.Reorg(ctx, who, depth)
				if possible = depth <= len(m.blocks); possible {
					m.reorg(depth)
				}
			case "scan":
				watch.scan(rt, c)
			case "restart":
				chains[0] = New(store.journal())
			}
			if possible != (err == nil) {
				rt.Fatalf("%s on a transaction that is %q: %v", what, is, err)
			}
		}

		chains = append(chains, New(store.journal()))
		cursors := []string{""}
		if n := len(store.entries); n > 0 {
			cursors = append(cursors, cursorAt(store.entries[rapid.IntRange(0, n-1).Draw(rt, "cursor")]))
		}
		for _, cursor := range cursors {
			want, err := chains[0].Scan(ctx, cursor, paybell.Watch{})
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range chains[1:] {
				if got, err := c.Scan(ctx, cursor, paybell.Watch{}); err != nil || !reflect.DeepEqual(got, want) {
					rt.Fatalf("after a restart, from %q: %+v, %v\nbefore: %+v", cursor, got, err, want)
				}
			}
		}

		full, err := chains[2].Scan(ctx, "", paybell.Watch{})
		if err != nil {
			rt.Fatal(err)
		}
		if got, want := facts(full.Transfers), modelFacts(models); !reflect.DeepEqual(got, want) {
			rt.Fatalf("the chain is\n%v\nwant\n%v", got, want)
		}

		watch.scan(rt, chains[1])
		for _, now := range full.Transfers {
			had, ok := watch.known[now.TxID]
			if settled := had.Confirmations >= settledAt && now.Confirmations >= settledAt; settled {
				had.Confirmations = now.Confirmations
			}
			if !ok || had != now {
				rt.Fatalf("the watcher has %+v of %+v", had, now)
			}
		}
		if len(watch.known) != len(full.Transfers) {
			rt.Fatalf("the watcher knows %d transfers of %d", len(watch.known), len(full.Transfers))
		}
	})
}

func facts(transfers []paybell.Transfer) map[string]string {
	out := map[string]string{}
	for _, t := range transfers {
		out[t.TxID] = fmt.Sprintln(t.Status, t.Confirmations, t.Reorged, t.Height)
	}
	return out
}

func modelFacts(models map[string]*naive) map[string]string {
	out := map[string]string{}
	for _, m := range models {
		for i, t := range m.txs {
			if !t.elsewhere {
				status, confirmations := m.status(i)
				out[t.id] = fmt.Sprintln(status, confirmations, t.reorged, m.height(i))
			}
		}
	}
	return out
}
