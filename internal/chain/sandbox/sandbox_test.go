package sandbox

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
)

func TestPayIsInTheMempool(t *testing.T) {
	b := newBench(t)
	id := b.pay(150)
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(id) {
		t.Errorf("transaction id %q is not 64 hex digits", id)
	}
	want := paybell.Transfer{
		Network: "sandbox", TxID: id, Index: 0, Asset: "1002", Address: Address(alice, 0),
		Amount: paybell.NewUnits(150), Status: paybell.Mempool,
	}
	if got := b.scan("").Transfers; !reflect.DeepEqual(got, []paybell.Transfer{want}) {
		t.Errorf("scan = %+v, want only %+v", got, want)
	}
	if again := b.pay(150); again == id {
		t.Error("the same payment made twice is one transaction")
	}
	if b.chain.Network() != paybell.SandboxNetwork {
		t.Errorf("network %q", b.chain.Network())
	}
}

func TestMine(t *testing.T) {
	b := newBench(t)
	first := b.pay(1)
	if h := b.mine(1); h != 1 {
		t.Errorf("height %d after the first block", h)
	}
	b.want(first, paybell.Mined, 1, false)
	second := b.pay(2)
	if h := b.mine(3); h != 4 {
		t.Errorf("height %d, want 4", h)
	}
	b.want(second, paybell.Mined, 3, false) // in the first of the three
	b.want(first, paybell.Mined, 4, false)
}

func TestReplace(t *testing.T) {
	b := newBench(t)
	first := b.pay(7)
	second := b.replace(first, true)
	b.want(first, paybell.Replaced, 0, false)
	b.want(second, paybell.Mempool, 0, false)
	if got, _ := b.find(second); got.Amount != paybell.NewUnits(7) || got.Address != Address(alice, 0) {
		t.Errorf("the replacement pays %s to %s", got.Amount, got.Address)
	}

	third := b.replace(second, false)
	b.want(second, paybell.Replaced, 0, false)
	if got, ok := b.find(third); ok {
		t.Errorf("a transaction that pays elsewhere is reported: %+v", got)
	}

	fourth := b.replace(third, true) // and back to the invoice
	b.mine(1)
	b.want(fourth, paybell.Mined, 1, false)
	b.want(first, paybell.Replaced, 0, false)
	if got, _ := b.find(fourth); got.Amount != paybell.NewUnits(7) || got.Address != Address(alice, 0) {
		t.Errorf("the replacement of the replacement pays %s to %s", got.Amount, got.Address)
	}
	if _, ok := b.find(third); ok {
		t.Error("what paid elsewhere is reported once it is replaced")
	}
}

func TestElsewhereLivesButIsNeverReported(t *testing.T) {
	b := newBench(t)
	lost := b.pay(1)
	gone := b.replace(lost, false)
	cursor := b.scan("").Cursor
	b.drop(gone)
	b.back(gone)
	b.mine(2)
	b.wantHeight(lost, 1)
	b.reorg(1)
	b.wantHeight(lost, 1)
	b.reorg(3)
	b.wantHeight(lost, 0)
	batch := b.scan(cursor, paybell.Transfer{TxID: gone})
	if !slices.Equal(ids(batch), []string{lost}) {
		t.Errorf("reported %+v, want what it replaced", batch.Transfers)
	}
	if batch = b.scan(batch.Cursor, paybell.Transfer{TxID: gone}); len(batch.Transfers) != 0 {
		t.Errorf("reported as open %+v", batch.Transfers)
	}
}

// What is replaced is so for good when one of those that came after it is mined,
// however many there are, and until that block is taken back.
func TestReplacedForGood(t *testing.T) {
	b := newBench(t)
	b.mine(3)
	first := b.pay(1)
	second := b.replace(first, true)
	third := b.replace(second, false)
	fourth := b.replace(third, true)
	b.wantHeight(first, 0)
	before := b.scan("")
	b.mine(2)
	after := b.scan(before.Cursor, before.Transfers...)
	if got := ids(after); len(got) != 3 || got[0] != fourth {
		t.Errorf("the block told of %v", got)
	}
	for _, id := range []string{first, second} {
		b.want(id, paybell.Replaced, 0, false)
		b.wantHeight(id, 4)
	}
	b.wantHeight(fourth, 4)
	b.reorg(2)
	for _, id := range []string{first, second, fourth} {
		b.wantHeight(id, 0)
	}
	fifth := b.replace(fourth, false)
	b.mine(1)
	for _, id := range []string{first, second, fourth} {
		b.want(id, paybell.Replaced, 0, id == fourth)
		b.wantHeight(id, 7)
	}
	if _, ok := b.find(fifth); ok {
		t.Error("what pays elsewhere is reported")
	}
}

// Each merchant has its own blocks.
func TestHeight(t *testing.T) {
	b := newBench(t)
	b.mine(2)
	if _, err := b.chain.Mine(t.Context(), bob, 5); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]int64{alice: 2, bob: 5, "": 5, "nobody": 0} {
		if got, err := New(b.store.journal()).Height(t.Context(), who); err != nil || got != want {
			t.Errorf("the height of %q is %d, %v; want %d", who, got, err, want)
		}
	}
	if got := b.scan("").Height; got != 5 {
		t.Errorf("a scan goes up to height %d", got)
	}
	if _, err := New(Journal{Load: func(context.Context, int64) ([]Entry, error) { return nil, errors.New("no disk") }}).Height(t.Context(), ""); err == nil {
		t.Error("a height without a journal")
	}
}

func TestDropAndReturn(t *testing.T) {
	b := newBench(t)
	id, other := b.pay(1), b.pay(2)
	b.drop(id)
	b.want(id, paybell.Dropped, 0, false)
	b.mine(1)
	b.want(id, paybell.Dropped, 0, false)
	b.want(other, paybell.Mined, 1, false)
	b.back(id)
	b.want(id, paybell.Mempool, 0, false)
	b.mine(1)
	b.want(id, paybell.Mined, 1, false)
}

func TestReorg(t *testing.T) {
	b := newBench(t)
	deep := b.pay(1)
	b.mine(1) // 1
	shallow := b.pay(2)
	b.mine(2) // 2, 3
	b.reorg(2)
	b.want(deep, paybell.Mined, 4, false) // the rival chain is one block longer
	b.want(shallow, paybell.Mempool, 0, true)
	if h := b.mine(1); h != 5 {
		t.Errorf("height %d, want 5", h)
	}
	b.want(shallow, paybell.Mined, 1, false)
	b.want(deep, paybell.Mined, 5, false)

	b.reorg(5) // everything
	b.want(shallow, paybell.Mempool, 0, true)
	b.want(deep, paybell.Mempool, 0, true)
	b.mine(1)
	b.want(deep, paybell.Mined, 1, false)
}

// The double spend that a reorg is feared for: the payment leaves its block and
// its coins go elsewhere. That it was reorged stays true, as it is not mined.
func TestReorgedCanBeReplacedAndDropped(t *testing.T) {
	b := newBench(t)
	spent, lost := b.pay(1), b.pay(2)
	b.mine(1)
	b.reorg(1)
	fresh := b.replace(spent, true)
	b.drop(lost)
	b.want(spent, paybell.Replaced, 0, true)
	b.want(fresh, paybell.Mempool, 0, false)
	b.want(lost, paybell.Dropped, 0, true)
	b.back(lost)
	b.want(lost, paybell.Mempool, 0, true)
	b.mine(1)
	b.want(lost, paybell.Mined, 1, false)
}

func TestRefused(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	mempool, mined, dropped := b.pay(1), b.pay(2), b.pay(3)
	replaced := b.pay(4)
	theirs := b.payAs(bob, 5)
	b.drop(mempool)
	b.drop(dropped)
	replacement := b.replace(replaced, true)
	b.drop(replacement)
	b.mine(2)
	b.back(mempool)
	entries, state := len(b.store.entries), b.scan("")

	pay := func(address string, units uint64) error {
		_, err := b.chain.Pay(ctx, alice, address, paybell.NewUnits(units))
		return err
	}
	mine := func(n int) error { _, err := b.chain.Mine(ctx, alice, n); return err }
	replace := func(id string) error { _, err := b.chain.Replace(ctx, alice, id, true); return err }
	drop := func(id string) error { return b.chain.Drop(ctx, alice, id) }
	back := func(id string) error { return b.chain.Return(ctx, alice, id) }
	reorg := func(n int) error { return b.chain.Reorg(ctx, alice, n) }
	unknown := strings.Repeat("0", 64)

	for name, test := range map[string]struct {
		err  error
		code paybell.Code
	}{
		"pay nothing":               {pay(Address(alice, 0), 0), paybell.Invalid},
		"pay no address":            {pay("", 1), paybell.Invalid},
		"pay garbage":               {pay("tltc1garbage", 1), paybell.Invalid},
		"pay an address cut short":  {pay(Address(alice, 0)[:40], 1), paybell.Invalid},
		"pay an address grown":      {pay(Address(alice, 0)+"q", 1), paybell.Invalid},
		"pay in capitals":           {pay(strings.ToUpper(Address(alice, 0)), 1), paybell.Invalid},
		"pay a letter not in it":    {pay(Address(alice, 0)[:44]+"b", 1), paybell.Invalid},
		"pay another merchant":      {pay(Address(bob, 0), 1), paybell.Invalid},
		"mine 0":                    {mine(0), paybell.Invalid},
		"mine -1":                   {mine(-1), paybell.Invalid},
		"mine 1001":                 {mine(1001), paybell.Invalid},
		"reorg 0":                   {reorg(0), paybell.Invalid},
		"reorg -1":                  {reorg(-1), paybell.Invalid},
		"reorg 101":                 {reorg(101), paybell.Invalid},
		"reorg deeper than it is":   {reorg(3), paybell.Conflict},
		"reorg no chain":            {b.chain.Reorg(ctx, bob, 1), paybell.Conflict},
		"replace unknown":           {replace(unknown), paybell.NotFound},
		"replace empty":             {replace(""), paybell.NotFound},
		"replace another's":         {replace(theirs), paybell.NotFound},
		"replace mined":             {replace(mined), paybell.Conflict},
		"replace dropped":           {replace(dropped), paybell.Conflict},
		"replace replaced":          {replace(replaced), paybell.Conflict},
		"drop unknown":              {drop(unknown), paybell.NotFound},
		"drop another's":            {drop(theirs), paybell.NotFound},
		"drop mined":                {drop(mined), paybell.Conflict},
		"drop dropped":              {drop(dropped), paybell.Conflict},
		"drop replaced":             {drop(replaced), paybell.Conflict},
		"return unknown":            {back(unknown), paybell.NotFound},
		"return another's":          {back(theirs), paybell.NotFound},
		"return what is there":      {back(mempool), paybell.Conflict},
		"return mined":              {back(mined), paybell.Conflict},
		"return replaced":           {back(replaced), paybell.Conflict},
		"without ledger, unknown":   {b.chain.Drop(ctx, "nobody", unknown), paybell.NotFound},
		"without ledger, another's": {b.chain.Drop(ctx, "nobody", theirs), paybell.NotFound},
	} {
		t.Run(name, func(t *testing.T) { refused(t, test.err, test.code) })
	}
	if drop(unknown).Error() != drop(theirs).Error() {
		t.Error("another merchant's transaction can be told from one that does not exist")
	}
	if pay(Address(bob, 0), 1).Error() != pay(Address(alice, 0)+"q", 1).Error() {
		t.Error("another merchant's address can be told from garbage")
	}
	if len(b.store.entries) != entries {
		t.Error("a refused operation is in the journal")
	}
	if got := b.scan(""); !reflect.DeepEqual(got, state) {
		t.Errorf("refused operations changed %+v to %+v", state, got)
	}

	// The bounds themselves are allowed.
	if h := b.mine(1000); h != 1002 {
		t.Errorf("height %d, want 1002", h)
	}
	b.reorg(100)
}

func TestMerchantsAreIsolated(t *testing.T) {
	b := newBench(t)
	hers, his := b.pay(1), b.payAs(bob, 2)
	if h := b.mine(5); h != 5 {
		t.Errorf("height %d", h)
	}
	b.want(hers, paybell.Mined, 5, false)
	b.want(his, paybell.Mempool, 0, false)
	h, err := b.chain.Mine(t.Context(), bob, 2)
	b.must(err)
	if h != 2 {
		t.Errorf("bob's height is %d, want 2", h)
	}
	b.reorg(5)
	b.want(hers, paybell.Mempool, 0, true)
	b.want(his, paybell.Mined, 2, false)
}

func TestAddress(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range []string{alice, bob, ""} {
		for i := range int64(300) {
			a := Address(m, i)
			if !regexp.MustCompile(`^tltc1[a-z0-9]{40}$`).MatchString(a) {
				t.Fatalf("Address(%q, %d) = %q", m, i, a)
			}
			if seen[a] {
				t.Fatalf("address %s twice", a)
			}
			seen[a] = true
			if !ownsAddress(m, a) || ownsAddress(m+"x", a) {
				t.Fatalf("whose address %s is cannot be told", a)
			}
		}
	}
	// Addresses are kept by stores: they may never change.
	if got, want := Address(alice, 1), "tltc1jgdkwafrseecacjf4xexwqhsm9he6yrdtq2slzuy"; got != want {
		t.Errorf("Address(alice, 1) = %q, want %q", got, want)
	}
}

// The journals of running installations must always be read the same way.
func TestOldJournal(t *testing.T) {
	a := Address(alice, 1)
	m := &memory{entries: []Entry{
		{1, alice, `{"do":"pay","address":"` + a + `","amount":"150000000"}`},
		{2, alice, `{"do":"mine","blocks":2}`},
		{3, alice, `{"do":"reorg","depth":2}`},
	}}
	const (
		first  = "187dc614b6a9d13e179bc8bcc42caa8821132001fb26259a024f3cbc5f06c5fa"
		second = "9619c3c67b8fd9beaa5c4937256c154356619256755d5db83fa2787727d41ad9"
	)
	m.entries = append(m.entries,
		Entry{4, alice, `{"do":"replace","txId":"` + first + `","toInvoice":true}`},
		Entry{5, alice, `{"do":"drop","txId":"` + second + `"}`},
		Entry{6, alice, `{"do":"return","txId":"` + second + `"}`},
		Entry{7, alice, `{"do":"mine","blocks":1}`},
	)
	c := New(m.journal())
	batch, err := c.Scan(t.Context(), "", paybell.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	want := paybell.Batch{Cursor: "7", Height: 4, Transfers: []paybell.Transfer{
		{Network: "sandbox", TxID: second, Asset: "1002", Address: a, Amount: paybell.NewUnits(150000000), Status: paybell.Mined, Confirmations: 1, Height: 4, Replaces: first},
		{Network: "sandbox", TxID: first, Asset: "1002", Address: a, Amount: paybell.NewUnits(150000000), Status: paybell.Replaced, Reorged: true, Height: 4},
	}}
	if !reflect.DeepEqual(batch, want) {
		t.Errorf("scan = %+v\nwant   %+v", batch, want)
	}
	if h, err := c.Mine(t.Context(), alice, 1); err != nil || h != 5 {
		t.Errorf("height %d, %v; want 5", h, err)
	}
}

func TestTwoChainsOverOneJournal(t *testing.T) {
	b := newBench(t)
	other := New(b.store.journal())
	id := b.pay(1)
	if h, err := other.Mine(t.Context(), alice, 2); err != nil || h != 2 {
		t.Fatalf("height %d, %v", h, err)
	}
	b.want(id, paybell.Mined, 2, false)
	b.reorg(1)
	b.must(other.Reorg(t.Context(), alice, 3))
	b.must(other.Drop(t.Context(), alice, id))
	b.back(id)
	got, err := other.Scan(t.Context(), "", paybell.Watch{})
	b.must(err)
	if want := b.scan(""); !reflect.DeepEqual(got, want) {
		t.Errorf("one process sees %+v, the other %+v", got, want)
	}
}

// Another process does something between our check and our append.
func TestRaceBetweenProcesses(t *testing.T) {
	for name, test := range map[string]struct {
		quicker, slower func(c *Chain, ctx context.Context, id string) error
		code            paybell.Code
	}{
		"drop twice": {
			quicker: func(c *Chain, ctx context.Context, id string) error { return c.Drop(ctx, alice, id) },
			slower:  func(c *Chain, ctx context.Context, id string) error { return c.Drop(ctx, alice, id) },
		},
		"mined before it is replaced": {
			quicker: func(c *Chain, ctx context.Context, _ string) error { _, err := c.Mine(ctx, alice, 1); return err },
			slower: func(c *Chain, ctx context.Context, id string) error {
				newID, err := c.Replace(ctx, alice, id, true)
				if newID != "" {
					return fmt.Errorf("a replacement %s that is not there", newID)
				}
				return err
			},
		},
		"replaced before it is dropped": {
			quicker: func(c *Chain, ctx context.Context, id string) error {
				_, err := c.Replace(ctx, alice, id, false)
				return err
			},
			slower: func(c *Chain, ctx context.Context, id string) error { return c.Drop(ctx, alice, id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.pay(1)
			other := New(b.store.journal())
			var after paybell.Batch
			b.store.before = func(string) {
				b.store.before = nil
				b.must(test.quicker(other, t.Context(), id))
				var err error
				after, err = other.Scan(t.Context(), "", paybell.Watch{})
				b.must(err)
			}
			refused(t, test.slower(b.chain, t.Context(), id), paybell.Conflict)
			got := b.scan("")
			if !reflect.DeepEqual(got.Transfers, after.Transfers) {
				t.Errorf("the operation that came too late changed %+v to %+v", after.Transfers, got.Transfers)
			}
			if n := len(b.store.entries); n != 3 {
				t.Errorf("%d entries, want 3: the late one is there and does nothing", n)
			}
			fresh, err := New(b.store.journal()).Scan(t.Context(), "", paybell.Watch{})
			b.must(err)
			if !reflect.DeepEqual(fresh, got) {
				t.Errorf("after a restart %+v, before %+v", fresh, got)
			}
		})
	}
}

// The journal may lead back into the chain, and has the chain's locks free.
func TestJournalMayCallTheChain(t *testing.T) {
	b := newBench(t)
	b.store.before = func(string) { b.scan("") }
	id := b.pay(1)
	b.mine(1)
	b.want(id, paybell.Mined, 1, false)
}

func TestConcurrentUse(t *testing.T) {
	b := newBench(t)
	chains := []*Chain{b.chain, New(b.store.journal())}
	const workers, rounds = 8, 25
	var group sync.WaitGroup
	made := make([][]string, workers)
	for w := range workers {
		c, merchant := chains[w%2], []string{alice, bob}[w/2%2]
		group.Go(func() {
			cursor := ""
			for i := range rounds {
				id, err := c.Pay(t.Context(), merchant, Address(merchant, int64(w)), paybell.NewUnits(uint64(i+1)))
				if err != nil {
					t.Error(err)
					return
				}
				made[w] = append(made[w], id)
				_, _ = c.Mine(t.Context(), merchant, 1)
				_ = c.Drop(t.Context(), merchant, id) // mostly too late
				_ = c.Reorg(t.Context(), merchant, 1+i%3)
				batch, err := c.Scan(t.Context(), cursor, paybell.Watch{})
				if err != nil {
					t.Error(err)
					return
				}
				cursor = batch.Cursor
			}
		})
	}
	group.Wait()
	all := map[string]paybell.Transfer{}
	for _, tr := range b.scan("").Transfers {
		all[tr.TxID] = tr
	}
	if len(all) != workers*rounds {
		t.Errorf("%d transfers, want %d", len(all), workers*rounds)
	}
	for w := range workers {
		for i, id := range made[w] { // every caller got the answer to its own operation
			if tr := all[id]; tr.Address != Address([]string{alice, bob}[w/2%2], int64(w)) || tr.Amount != paybell.NewUnits(uint64(i+1)) {
				t.Fatalf("worker %d, payment %d got the id of %+v", w, i, tr)
			}
		}
	}
	for _, c := range append(chains, New(b.store.journal())) {
		got, err := c.Scan(t.Context(), "", paybell.Watch{})
		b.must(err)
		if !reflect.DeepEqual(got, b.scan("")) {
			t.Error("two chains over one journal differ")
		}
		if len(c.answers) != 0 || c.waiting != 0 {
			t.Errorf("%d answers kept for %d callers, with nobody there", len(c.answers), c.waiting)
		}
	}
}

func TestMineAnswersItsOwnHeight(t *testing.T) {
	b := newBench(t)
	const workers, rounds = 6, 20
	var mu sync.Mutex
	var heights []int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				h, err := b.chain.Mine(t.Context(), alice, 1)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				heights = append(heights, h)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(heights)
	for i, h := range heights {
		if h != int64(i+1) {
			t.Fatalf("heights %v, want each once", heights)
		}
	}
}

func TestTroubleWithTheJournal(t *testing.T) {
	down := paybell.Errorf(paybell.Unavailable, "The store is busy.")

	t.Run("append fails", func(t *testing.T) {
		b := newBench(t)
		b.store.fail = down
		_, err := b.chain.Pay(t.Context(), alice, Address(alice, 0), paybell.NewUnits(1))
		refused(t, err, paybell.Unavailable)
		if b.scan("").Transfers != nil {
			t.Error("the chain shows what is not in the journal")
		}
		b.store.fail = nil
		b.want(b.pay(1), paybell.Mempool, 0, false)
	})

	t.Run("load fails in the middle", func(t *testing.T) {
		b := newBench(t)
		for range 3 * pageSize {
			b.pay(1)
		}
		want := b.scan("")
		j, calls := b.store.journal(), 0
		load := j.Load
		j.Load = func(ctx context.Context, after int64) ([]Entry, error) {
			if calls++; calls == 2 {
				return nil, down
			}
			return load(ctx, after)
		}
		c := New(j)
		_, err := c.Scan(t.Context(), "", paybell.Watch{})
		refused(t, err, paybell.Unavailable)
		got, err := c.Scan(t.Context(), "", paybell.Watch{})
		b.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("after the trouble %+v, want %+v", got, want)
		}
	})

	t.Run("append is not shown", func(t *testing.T) {
		b := newBench(t)
		b.store.before = func(string) { b.store.hidden = true }
		_, err := b.chain.Pay(t.Context(), alice, Address(alice, 0), paybell.NewUnits(1))
		if err == nil || paybell.CodeOf(err) != paybell.Internal {
			t.Errorf("got %v", err)
		}
	})

	for name, op := range map[string]string{
		"not JSON":          `mine`,
		"two values":        `{"do":"mine","blocks":1}{}`,
		"unknown verb":      `{"do":"halve"}`,
		"unknown field":     `{"do":"mine","blocks":1,"backwards":true}`,
		"amount not parsed": `{"do":"pay","amount":"1e3"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.mine(1)
			_, _ = b.store.append(t.Context(), alice, op)
			for range 2 { // it does not go away by itself
				_, err := b.chain.Scan(t.Context(), "", paybell.Watch{})
				if err == nil || paybell.CodeOf(err) != paybell.Internal || !strings.Contains(err.Error(), "entry 4") {
					t.Errorf("got %v, want our own fault, and which entry it is", err)
				}
			}
		})
	}

	for name, second := range map[string]int64{"out of order": 1, "twice": 2} {
		t.Run(name, func(t *testing.T) {
			const op = `{"do":"mine","blocks":1}`
			c := New(Journal{Load: func(context.Context, int64) ([]Entry, error) {
				return []Entry{{2, alice, op}, {second, alice, op}}, nil
			}})
			if _, err := c.Scan(t.Context(), "", paybell.Watch{}); err == nil || paybell.CodeOf(err) != paybell.Internal {
				t.Errorf("got %v", err)
			}
		})
	}
}

// While one caller waits for its answer, those of others do not pile up.
func TestAnswersAreTakenOnce(t *testing.T) {
	b := newBench(t)
	b.chain.await()
	b.mine(1)
	if n := len(b.chain.answers); n != 0 {
		t.Errorf("%d answers kept after they were given", n)
	}
}

// Bounds are part of the fold: no journal can make a ledger that they forbid.
func TestFoldKeepsTheBounds(t *testing.T) {
	m := &memory{}
	for _, op := range []string{
		`{"do":"mine","blocks":1001}`, `{"do":"mine"}`, `{"do":"reorg","depth":1}`, `{"do":"reorg","depth":-1}`,
		`{"do":"pay","address":"` + Address(alice, 0) + `"}`, `{"do":"pay","address":"` + Address(bob, 0) + `","amount":"1"}`,
		`{"do":"drop","txId":"x"}`,
	} {
		_, _ = m.append(t.Context(), alice, op)
	}
	c := New(m.journal())
	batch, err := c.Scan(t.Context(), "", paybell.Watch{})
	if err != nil || batch.Transfers != nil || batch.Cursor != "14" {
		t.Errorf("got %+v, %v; want nothing, and the cursor moved past", batch, err)
	}
	if h, err := c.Mine(t.Context(), alice, 1); err != nil || h != 1 {
		t.Errorf("height %d, %v; want 1", h, err)
	}
}

// Who waits behind a slow journal can leave.
func TestWaitIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := New(Journal{Load: func(context.Context, int64) ([]Entry, error) { <-release; return nil, nil }})
		slow := make(chan error)
		go func() { _, err := c.Scan(context.Background(), "", paybell.Watch{}); slow <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Scan(ctx, "", paybell.Watch{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := c.Drop(ctx, alice, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(release)
		if err := <-slow; err != nil {
			t.Error(err)
		}
	})
}
