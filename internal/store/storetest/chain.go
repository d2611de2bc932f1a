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
	"Chain/RecordTransfer": testRecordTransfer,
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

func move(t testing.TB, db *store.DB, from store.Cursor, position string, at time.Time) (moved bool) {
	t.Helper()
	return update(t, db, func(tx *store.Tx) (bool, error) { return tx.MoveCursor(from, position, at) })
}

func testCursor(t *testing.T, db *store.DB) {
	start := cursor(t, db, "btc")
	wantSame(t, "a cursor that never moved", start, store.Cursor{Network: "btc"})
	position := strings.Repeat(`{"headers":["00ff"]}`, 5000)
	if !move(t, db, start, position, after(1)) {
		t.Fatal("the first move was refused")
	}
	first := cursor(t, db, "btc")
	wantSame(t, "the cursor", first, store.Cursor{Network: "btc", Position: position, Version: 1, ScannedAt: after(1)})
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
	wantSame(t, "the cursor at the end", cursor(t, db, "btc"), store.Cursor{Network: "btc", Position: position, Version: 2, ScannedAt: after(3)})
	scanned := view(t, db, func(tx *store.Tx) (map[string]time.Time, error) { return tx.Scanned() })
	wantSame(t, "scanned", scanned, map[string]time.Time{"btc": after(3), "ltc": after(5)})
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
				return tx.MoveCursor(from, fmt.Sprint("racer ", i), after(round))
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
