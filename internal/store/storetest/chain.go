package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var chainTests = map[string]func(*testing.T, *store.DB){
	"Chain/Cursor":         testCursor,
	"Chain/CursorRace":     testCursorRace,
	"Chain/Trouble":        testTrouble,
	"Chain/TroubleRace":    testTroubleRace,
	"Chain/Extend":         testExtend,
	"Chain/RecordTransfer": testRecordTransfer,
	"Chain/Raw":            testRaw,
	"Chain/DecidedAbove":   testDecidedAbove,
	"Chain/PaidTo":         testPaidTo,
	"Chain/OpenTransfers":  testOpenTransfers,
	"Chain/AbsentAt":       testAbsentAt,
	"Chain/PaymentAt":      testPaymentAt,
	"Chain/AddressTwice":   testAddressTwice,
	"Journal/Numbers":      testJournal,
	"Journal/AtOnce":       testJournalAtOnce,
	"Journal/Long":         testJournalLong,
}

func cursor(t testing.TB, db *store.DB, network string) store.Cursor {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor(network) })
}

// height is that of the tip in these tests, when the clock shows at.
func height(at time.Time) int64 { return int64(at.Sub(t0)/time.Second) + 1<<40 }

func move(t testing.TB, db *store.DB, from store.Cursor, position string, at time.Time) (moved bool) {
	t.Helper()
	return update(t, db, func(tx *store.Tx) (bool, error) {
		return tx.MoveCursor(from, store.Cursor{Position: position, Height: height(at), ScannedAt: at})
	})
}

func testCursor(t *testing.T, db *store.DB) {
	start := cursor(t, db, "btc")
	wantSame(t, "a cursor that never moved", start, store.Cursor{Network: "btc"})
	position := strings.Repeat(`{"headers":["00ff"]}`, 5000)
	if !move(t, db, start, position, after(1)) {
		t.Fatal("the first move was refused")
	}
	first := cursor(t, db, "btc")
	wantSame(t, "the cursor", first, store.Cursor{Network: "btc", Position: position, Height: height(after(1)), Version: 1, ScannedAt: after(1)})
	if move(t, db, start, "late", after(2)) {
		t.Error("it was moved from the beginning twice")
	}
	if !move(t, db, first, first.Position, after(3)) {
		t.Fatal("a move to the same position was refused")
	}
	if move(t, db, first, "late", after(4)) {
		t.Error("it was moved from one place twice")
	}
	if !move(t, db, cursor(t, db, "ltc"), "other", after(5)) {
		t.Error("another network's cursor was refused")
	}
	wantSame(t, "the cursor at the end", cursor(t, db, "btc"), store.Cursor{Network: "btc", Position: position, Height: height(after(3)), Version: 2, ScannedAt: after(3)})
	scanned := view(t, db, func(tx *store.Tx) (map[string]time.Time, error) { return tx.Scanned() })
	wantSame(t, "scanned", scanned, map[string]time.Time{"btc": after(3), "ltc": after(5)})
	wantSame(t, "all", cursors(t, db), []store.Cursor{cursor(t, db, "btc"), cursor(t, db, "ltc")})
}

func cursors(t testing.TB, db *store.DB) []store.Cursor {
	t.Helper()
	return view(t, db, func(tx *store.Tx) ([]store.Cursor, error) { return tx.Cursors() })
}

func noteTrouble(t testing.TB, db *store.DB, network, trouble string, at time.Time) {
	t.Helper()
	do(t, db, func(tx *store.Tx) error { return tx.NoteTrouble(network, trouble, false, at) })
}

// Trouble stands beside the cursor, from its first moment until the cursor moves,
// and moves nothing.
func testTrouble(t *testing.T, db *store.DB) {
	for _, n := range []struct {
		trouble string
		at      int
	}{{"the node does not answer", 1}, {"the node does not answer", 2}, {"its password is wrong: ü", 3}} {
		noteTrouble(t, db, "btc", n.trouble, after(n.at))
		wantSame(t, "a cursor that never moved", cursor(t, db, "btc"), store.Cursor{Network: "btc", Trouble: n.trouble, TroubleSince: after(1)})
	}
	start := cursor(t, db, "btc")
	if !move(t, db, start, "first", after(4)) {
		t.Fatal("the first move was refused")
	}
	first := cursor(t, db, "btc")
	wantSame(t, "after a move", first, store.Cursor{Network: "btc", Position: "first", Height: height(after(4)), Version: 1, ScannedAt: after(4)})
	noteTrouble(t, db, "btc", "again", after(5))
	troubled := first
	troubled.Trouble, troubled.TroubleSince = "again", after(5)
	wantSame(t, "in trouble again", cursor(t, db, "btc"), troubled)
	if move(t, db, start, "late", after(6)) {
		t.Error("it was moved from the beginning twice")
	}
	wantSame(t, "after a move that came late", cursor(t, db, "btc"), troubled)
	noteTrouble(t, db, "ltc", "other", after(7))
	wantSame(t, "all", cursors(t, db), []store.Cursor{troubled, {Network: "ltc", Trouble: "other", TroubleSince: after(7)}})
	if !move(t, db, first, "second", after(8)) { // whoever looked before the trouble
		t.Error("a move from where it is was refused")
	}
	wantSame(t, "at the end", cursor(t, db, "btc"), store.Cursor{Network: "btc", Position: "second", Height: height(after(8)), Version: 2, ScannedAt: after(8)})
	scanned := view(t, db, func(tx *store.Tx) (map[string]time.Time, error) { return tx.Scanned() })
	wantSame(t, "scanned", scanned, map[string]time.Time{"btc": after(8), "ltc": {}})
}

// Of those that move a cursor which has only had trouble exactly one does.
func testTroubleRace(t *testing.T, db *store.DB) {
	const racers = 8
	var moved [racers]bool
	if err := atOnce(racers, func(i int) (err error) {
		if i%2 == 0 {
			return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.NoteTrouble("btc", fmt.Sprint("racer ", i), false, after(i)) })
		}
		moved[i], err = store.Update(context.Background(), db, func(tx *store.Tx) (bool, error) {
			return tx.MoveCursor(store.Cursor{Network: "btc"}, store.Cursor{Position: fmt.Sprint("racer ", i)})
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	winner := slices.Index(moved[:], true)
	if winner < 0 || slices.Contains(moved[winner+1:], true) {
		t.Fatalf("moved: %v", moved)
	}
	if c := cursor(t, db, "btc"); c.Version != 1 || c.Position != fmt.Sprint("racer ", winner) {
		t.Errorf("the cursor is %+v", c)
	}
}

// payAt opens a payment on a network.
func (s *Shop) payAt(t testing.TB, inv paybell.Invoice, network, coin string, window time.Duration) paybell.Invoice {
	t.Helper()
	inv.Window = window
	open := pay(fmt.Sprint(inv.ID, network, len(inv.Payments)))
	open.Payment.Network, open.Payment.Currency = network, coin
	s.apply(t, next(t, inv, paybell.Input{Do: open}, after(len(inv.Payments)))...)
	return s.invoice(t, inv.ID)
}

// Time is given back to who waited for this network and was not over when it was
// last looked at, to the invoice and to its payments there; and told to nobody.
func testExtend(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	const minute = time.Minute
	waiting := s.payAt(t, s.create(t, t0), "btc", "1", 10*minute)
	both := s.payAt(t, s.payAt(t, s.create(t, t0), "btc", "1", 10*minute), "ltc", "2", 20*minute)
	unchanged := map[string]paybell.Invoice{
		"of another network":   s.payAt(t, s.create(t, t0), "ltc", "2", 10*minute),
		"without a payment":    s.create(t, t0),
		"over before":          s.payAt(t, s.create(t, t0), "btc", "1", 4*minute),
		"over in that moment":  s.payAt(t, s.create(t, t0), "btc", "1", 5*minute),
		"waits for ltc before": s.payAt(t, s.payAt(t, s.create(t, t0), "ltc", "2", 9*minute), "btc", "1", 10*minute),
	}
	cancelled := s.payAt(t, s.create(t, t0), "btc", "1", 10*minute)
	s.apply(t, next(t, cancelled, paybell.Input{Do: paybell.Cancel{}}, after(1))...)
	unchanged["cancelled"] = s.invoice(t, cancelled.ID)
	paid := s.payAt(t, s.create(t, t0), "btc", "1", 10*minute)
	p := paid.Payments[0]
	money := paybell.Transfer{Network: "btc", TxID: "t", Asset: "1", Address: p.Address, Amount: p.Due, Status: paybell.Mempool, PaymentID: p.ID, SeenAt: after(1)}
	recordTransfer(t, db, paid.ID, money, false)
	s.apply(t, next(t, paid, paybell.Input{Transfers: []paybell.Transfer{money}}, after(1))...)
	unchanged["paid"] = s.invoice(t, paid.ID)
	told := len(s.deliveries(t, w.ID))

	const by = 7*minute + time.Microsecond
	do(t, db, func(tx *store.Tx) error { return tx.Extend("btc", t0.Add(5*minute), by) })
	for i, inv := range []*paybell.Invoice{&waiting, &both} {
		due := inv.Payments[0].ExpiresAt.Add(by)
		inv.ExpiresAt, inv.Payments[0].ExpiresAt = inv.ExpiresAt.Add(by), due
		wantSame(t, fmt.Sprint("invoice ", i), s.invoice(t, inv.ID), *inv)
		if got := dueInvoices(t, db, "btc", due, 10); !slices.Contains(got, inv.ID) {
			t.Errorf("invoice %d is not due when its window ends", i)
		}
		if got := dueInvoices(t, db, "btc", due.Add(-time.Microsecond), 10); slices.Contains(got, inv.ID) {
			t.Errorf("invoice %d is due before its window ends", i)
		}
	}
	for what, inv := range unchanged {
		wantSame(t, what, s.invoice(t, inv.ID), inv)
	}
	if n := len(s.deliveries(t, w.ID)); n != told {
		t.Errorf("%d notifications were sent of it", n-told)
	}
	do(t, db, func(tx *store.Tx) error { return tx.Extend("xmr", t0, minute) }) // where nobody waits
	wantSame(t, "in the end", s.invoice(t, waiting.ID), waiting)
}

// Of those that move a cursor from the same place exactly one does, from the
// beginning and later.
func testCursorRace(t *testing.T, db *store.DB) {
	const racers = 8
	for round := range 6 {
		from := cursor(t, db, "btc")
		var moved [racers]bool
		if err := atOnce(racers, func(i int) (err error) {
			moved[i], err = store.Update(context.Background(), db, func(tx *store.Tx) (bool, error) {
				return tx.MoveCursor(from, store.Cursor{Position: fmt.Sprint("racer ", i), ScannedAt: after(round)})
			})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		winner := slices.Index(moved[:], true)
		if winner < 0 || slices.Contains(moved[winner+1:], true) {
			t.Fatalf("round %d: moved: %v", round, moved)
		}
		wantSame(t, "the cursor", cursor(t, db, "btc"), store.Cursor{Network: "btc", Position: fmt.Sprint("racer ", winner), Version: from.Version + 1, ScannedAt: after(round)})
	}
}

// paid is an invoice with a payment and a transfer that pays it, not written yet.
func (s *Shop) paid(t testing.TB, address string) (paybell.Invoice, paybell.Transfer) {
	t.Helper()
	changes := next(t, s.create(t, t0), paybell.Input{Do: pay(address)}, t0)
	s.apply(t, changes...)
	inv := changes[len(changes)-1].Invoice
	return inv, paybell.Transfer{
		Network: paybell.SandboxNetwork, TxID: "tx-" + address, Index: 1, Asset: paybell.LTCT, Address: address, Amount: paybell.NewUnits(10),
		Status: paybell.Mempool, PaymentID: inv.Payments[0].ID, SeenAt: after(10), AbsentAt: after(9),
	}
}

func recordTransfer(t testing.TB, db *store.DB, invoiceID string, tr paybell.Transfer, settled bool) {
	t.Helper()
	do(t, db, func(tx *store.Tx) error { return tx.RecordTransfer(invoiceID, tr, settled) })
}

// What the chain says of a transfer is written over; when it was first seen, and
// what it is, never.
func testRecordTransfer(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, first := s.paid(t, "address")
	recordTransfer(t, db, inv.ID, first, false)
	second := first
	second.Status, second.Confirmations, second.Reorged = paybell.Mined, 2, true
	second.Height = 1 << 40
	again := second
	again.SeenAt, again.AbsentAt, again.Amount, again.Address = after(100), after(99), most, "elsewhere"
	recordTransfer(t, db, inv.ID, again, false)
	wantSame(t, "the transfer", s.invoice(t, inv.ID).Transfers, []paybell.Transfer{second})

	// Another output, and another asset, is another transfer.
	output, asset, network := first, first, first
	output.Index, asset.Asset, network.Network = 2, "1002:token", "zz"
	for _, tr := range []paybell.Transfer{asset, network, output} {
		recordTransfer(t, db, inv.ID, tr, false)
	}
	wantSame(t, "the transfers", s.invoice(t, inv.ID).Transfers, []paybell.Transfer{second, asset, output, network})
}

// The transaction is kept as long as it may have to be broadcast again, and only the
// watcher reads it.
func testRaw(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, tr := s.paid(t, "address")
	tr.Status, tr.Height = paybell.Mined, 5
	want := func(why string, settled bool, raw string) {
		t.Helper()
		recordTransfer(t, db, inv.ID, tr, settled)
		open := view(t, db, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.OpenTransfers(tr.Network) })
		mined := view(t, db, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.DecidedAbove(tr.Network, 4) })
		if (len(open) == 0) != settled || len(mined) != 1 || mined[0].Raw != raw || len(open) > 0 && open[0].Raw != raw {
			t.Errorf("%s: %d open, mined %.200v; want the transaction %.20q", why, len(open), mined, raw)
		}
		if got := s.invoice(t, inv.ID).Transfers; len(got) != 1 || got[0].Raw != "" {
			t.Errorf("%s: the invoice has %.200v", why, got)
		}
	}
	want("none", false, "")
	tr.Raw = strings.Repeat("00ff", 50_000)
	want("it came", false, tr.Raw)
	want("settled", true, tr.Raw)
	whole := tr.Raw
	tr.Raw = ""
	want("told without it", false, whole)
	do(t, db, func(tx *store.Tx) error { return errors.Join(tx.ForgetRaw(tr.Network, 4), tx.ForgetRaw("other", 5)) })
	want("not old yet", true, whole)
	do(t, db, func(tx *store.Tx) error { return tx.ForgetRaw(tr.Network, 5) })
	want("forgotten", true, "")
}

// All that a reorg takes back is found, settled or not, and nothing else.
func testDecidedAbove(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, tr := s.paid(t, "address")
	var all []paybell.Transfer
	for i, is := range []struct {
		height int64
		status paybell.TransferStatus
	}{
		{9, paybell.Mined}, {10, paybell.Mined}, {11, paybell.Mined}, {11, paybell.Mined}, {12, paybell.Mined},
		{0, paybell.Mempool}, {0, paybell.Dropped}, {13, paybell.Replaced}, {15, paybell.Mined},
	} {
		tr.TxID, tr.Height, tr.Status = fmt.Sprint("tx ", i), is.height, is.status
		recordTransfer(t, db, inv.ID, tr, i%2 == 0)
		if tr.Height > 0 {
			all = append(all, tr)
		}
	}
	other := tr
	other.Network, other.TxID = "zz", "other"
	recordTransfer(t, db, inv.ID, other, false)
	above := func(height int64) []paybell.Transfer {
		found := view(t, db, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.DecidedAbove(paybell.SandboxNetwork, height) })
		slices.SortFunc(found, func(a, b paybell.Transfer) int { return cmp.Compare(a.TxID, b.TxID) })
		return found
	}
	wantSame(t, "above 10", above(10), all[2:])
	wantSame(t, "above 0", above(0), all)
	wantSame(t, "above all", above(15), []paybell.Transfer(nil))

	// A reorg takes one back, and it is mined again higher.
	back := all[2]
	back.Status, back.Height, back.Reorged = paybell.Mempool, 0, true
	recordTransfer(t, db, inv.ID, back, false)
	wantSame(t, "above 10, one less", above(10), all[3:])
	back.Status, back.Height, back.Reorged = paybell.Mined, 20, false
	recordTransfer(t, db, inv.ID, back, false)
	wantSame(t, "above 15", above(15), []paybell.Transfer{back})
}

// Of any addresses, however many and whatever is in them, ours are found.
func testPaidTo(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	odd := []string{
		"bc1q", "BC1Q", "a\"b\\c", "a'b", "ünï \u2028 🔔", "line\nbreak\t\u0001", "%_", "[]", " ", "a,b", "</script>&", strings.Repeat("x", 500),
	}
	for _, address := range odd {
		s.paid(t, address)
	}
	ask := func(network string, addresses []string) []string {
		found := view(t, db, func(tx *store.Tx) ([]string, error) { return tx.PaidTo(network, addresses) })
		slices.Sort(found)
		return found
	}
	var others []string
	for i := range 10_000 {
		others = append(others, fmt.Sprint("somebody's ", i))
	}
	others = append(others, "bc1Q", "", "null", "bc1q ", "line", "1")
	wantSame(t, "of many", ask(paybell.SandboxNetwork, slices.Concat(odd, others, odd[:1])), slices.Sorted(slices.Values(odd)))
	for _, one := range odd {
		wantSame(t, "of one", ask(paybell.SandboxNetwork, []string{one}), []string{one})
	}
	wantSame(t, "of others", ask(paybell.SandboxNetwork, others), []string(nil))
	wantSame(t, "of none", ask(paybell.SandboxNetwork, nil), []string(nil))
	wantSame(t, "of none", ask(paybell.SandboxNetwork, []string{}), []string(nil))
	wantSame(t, "on another network", ask("zz", odd), []string(nil))
}

func testOpenTransfers(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, first := s.paid(t, "a")
	other, second := s.paid(t, "b")
	elsewhere := first
	elsewhere.Network = "zz"
	recordTransfer(t, db, inv.ID, first, false)
	recordTransfer(t, db, inv.ID, elsewhere, false)
	recordTransfer(t, db, other.ID, second, true)
	open := func() []paybell.Transfer {
		all := view(t, db, func(tx *store.Tx) ([]paybell.Transfer, error) { return tx.OpenTransfers(paybell.SandboxNetwork) })
		slices.SortFunc(all, func(a, b paybell.Transfer) int { return cmp.Compare(a.TxID, b.TxID) })
		return all
	}
	wantSame(t, "open", open(), []paybell.Transfer{first})
	recordTransfer(t, db, other.ID, second, false) // a reorg opens it again
	wantSame(t, "open after a reorg", open(), []paybell.Transfer{first, second})
	recordTransfer(t, db, inv.ID, first, true)
	wantSame(t, "open after one was settled", open(), []paybell.Transfer{second})
}

// Of several outputs of one transaction to one address the oldest counts.
func testAbsentAt(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, tr := s.paid(t, "address")
	for i, absent := range []time.Time{after(8), after(6), after(7)} {
		tr.Index, tr.AbsentAt = i, absent
		recordTransfer(t, db, inv.ID, tr, i == 0)
	}
	other, older := s.paid(t, "other")
	older.TxID, older.AbsentAt = tr.TxID, after(1)
	recordTransfer(t, db, other.ID, older, false)
	ask := func(network, txID, address string) (at time.Time, found bool) {
		at = view(t, db, func(tx *store.Tx) (at time.Time, err error) {
			at, found, err = tx.AbsentAt(network, txID, address)
			return at, err
		})
		return at, found
	}
	if at, found := ask(tr.Network, tr.TxID, tr.Address); !found || !at.Equal(after(6)) {
		t.Errorf("absent at %v, %v, want %v", at, found, after(6))
	}
	for _, not := range [][3]string{{"zz", tr.TxID, tr.Address}, {tr.Network, "tx", tr.Address}, {tr.Network, tr.TxID, "nowhere"}} {
		if at, found := ask(not[0], not[1], not[2]); found {
			t.Errorf("%v was absent at %v", not, at)
		}
	}
}

func testPaymentAt(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, _ := s.paid(t, "address")
	type at struct {
		invoiceID string
		paybell.Payment
		found bool
	}
	ask := func(network, address string) at {
		return view(t, db, func(tx *store.Tx) (a at, err error) {
			a.invoiceID, a.Payment, a.found, err = tx.PaymentAt(network, address)
			return a, err
		})
	}
	p := inv.Payments[0]
	if got := ask(paybell.SandboxNetwork, "address"); !got.found || got.invoiceID != inv.ID || got.ID != p.ID || got.Currency != p.Currency || got.CompletedAfter != p.CompletedAfter {
		t.Errorf("at the address is %+v, want %+v", got, p)
	}
	for _, not := range [][2]string{{paybell.SandboxNetwork, "Address"}, {"other", "address"}, {"", ""}} {
		if got := ask(not[0], not[1]); got.found {
			t.Errorf("%q on %q is ours: %+v", not[1], not[0], got)
		}
	}
}

// One address never serves two payments: nobody could say whose the money is.
func testAddressTwice(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	s.paid(t, "address")
	inv := s.create(t, t0)
	stolen := next(t, inv, paybell.Input{Do: pay("address")}, t0)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(stolen...) }); err == nil {
		t.Error("two payments have one address")
	}
	wantSame(t, "the invoice", s.invoice(t, inv.ID), inv)
}

func testJournal(t *testing.T, db *store.DB) {
	var want []store.JournalEntry
	for i := range 5 {
		e := store.JournalEntry{N: int64(i + 1), MerchantID: fmt.Sprint("merchant ", i%2), Op: fmt.Sprintf(`{"op":"mine %d"}`, i)}
		n, err := store.Update(context.Background(), db, func(tx *store.Tx) (int64, error) {
			n, err := tx.AppendJournal(e.MerchantID, e.Op)
			return n, err
		})
		if err != nil || n != e.N {
			t.Errorf("got number %d, %v, want %d", n, err, e.N)
		}
		_, err = store.Update(context.Background(), db, func(tx *store.Tx) (int64, error) {
			n, err := tx.AppendJournal(e.MerchantID, "given up")
			return n, errors.Join(err, errGivenUp)
		})
		if !errors.Is(err, errGivenUp) {
			t.Error(err)
		}
		want = append(want, e)
	}
	for n := range 6 {
		got := view(t, db, func(tx *store.Tx) ([]store.JournalEntry, error) { return tx.Journal(int64(n)) })
		wantSame(t, fmt.Sprint("after number ", n), append([]store.JournalEntry{}, got...), want[n:])
	}
}

func testJournalAtOnce(t *testing.T, db *store.DB) {
	const goroutines, each = 20, 10
	if err := atOnce(goroutines, func(i int) error {
		for j := range each {
			if err := store.Do(context.Background(), db, func(tx *store.Tx) error {
				_, err := tx.AppendJournal("m", fmt.Sprint(i, " ", j))
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all := view(t, db, func(tx *store.Tx) ([]store.JournalEntry, error) { return tx.Journal(0) })
	last := map[string]string{}
	for i, e := range all {
		who, what, _ := strings.Cut(e.Op, " ")
		if e.N != int64(i+1) || what <= last[who] && last[who] != "" {
			t.Errorf("number %d holds %q after %q", e.N, e.Op, last[who])
		}
		last[who] = what
	}
	if len(all) != goroutines*each {
		t.Errorf("%d entries, want %d", len(all), goroutines*each)
	}
}

// A journal is read in parts.
func testJournalLong(t *testing.T, db *store.DB) {
	const entries = 5001
	do(t, db, func(tx *store.Tx) error {
		for range entries {
			if _, err := tx.AppendJournal("m", "op"); err != nil {
				return err
			}
		}
		return nil
	})
	read := func(n int64) []store.JournalEntry {
		return view(t, db, func(tx *store.Tx) ([]store.JournalEntry, error) { return tx.Journal(n) })
	}
	first := read(0)
	if len(first) != 5000 {
		t.Fatalf("the first part has %d entries", len(first))
	}
	if rest := read(first[len(first)-1].N); len(rest) != 1 || rest[0].N != entries {
		t.Errorf("the second part is %v", rest)
	}
}
