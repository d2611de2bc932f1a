package storetest

import (
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var timerTests = map[string]func(*testing.T, *store.DB){
	"Timer/FollowsTheInvoice": testTimerFollows,
	"Timer/Order":             testTimerOrder,
	"Timer/Set":               testSetTimer,
	"Timer/Hasten":            testHasten,
	"Timer/HastenLifetime":    testHastenLifetime,
}

func dueInvoices(t testing.TB, db *store.DB, network string, until time.Time, limit int) []string {
	t.Helper()
	return view(t, db, func(tx *store.Tx) ([]string, error) { return tx.Due(network, until, limit) })
}

func nextTimer(t testing.TB, db *store.DB, network string) time.Time {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (time.Time, error) { return tx.NextTimer(network) })
}

// wantTimer fails unless the only timer of all is this one.
func wantTimer(t testing.TB, db *store.DB, id, network string, at time.Time) {
	t.Helper()
	for _, n := range []string{"", paybell.SandboxNetwork, "elsewhere"} {
		want := time.Time{}
		if n == network {
			want = at
		}
		wantSame(t, "the next timer of network "+n, nextTimer(t, db, n), want)
	}
	if at.IsZero() {
		return
	}
	wantSame(t, "due in time", dueInvoices(t, db, network, at, 10), []string{id})
	wantSame(t, "due before its time", dueInvoices(t, db, network, at.Add(-time.Microsecond), 10), []string(nil))
}

// A timer is where Invoice.NextDue says, after every change.
func testTimerFollows(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	wantTimer(t, db, "", "", time.Time{})
	inv := s.create(t, t0)
	wantTimer(t, db, inv.ID, "", inv.ExpiresAt)

	opened := next(t, inv, paybell.Input{Do: pay("address")}, after(1))
	s.apply(t, opened...)
	inv = opened[len(opened)-1].Invoice
	wantTimer(t, db, inv.ID, paybell.SandboxNetwork, after(1).Add(time.Hour))

	s.apply(t, next(t, inv, paybell.Input{Do: paybell.Cancel{}}, after(2))...)
	wantTimer(t, db, inv.ID, "", time.Time{})
}

func testTimerOrder(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	var ids []string
	for i := range 5 {
		ids = append(ids, s.create(t, t0).ID)
		do(t, db, func(tx *store.Tx) error { return tx.SetTimer(ids[i], after(50-10*i), "net") })
	}
	wantSame(t, "the longest overdue first", dueInvoices(t, db, "net", after(30), 10), []string{ids[4], ids[3], ids[2]})
	wantSame(t, "at most two", dueInvoices(t, db, "net", after(30), 2), []string{ids[4], ids[3]})
	wantSame(t, "of another network", dueInvoices(t, db, "other", after(30), 10), []string(nil))
	wantSame(t, "the next", nextTimer(t, db, "net"), after(10))
}

func testSetTimer(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv := s.create(t, t0)
	do(t, db, func(tx *store.Tx) error { return tx.SetTimer(inv.ID, after(7), "elsewhere") })
	wantTimer(t, db, inv.ID, "elsewhere", after(7))
	wantSame(t, "the invoice", s.invoice(t, inv.ID), inv)
	do(t, db, func(tx *store.Tx) error { return tx.SetTimer(inv.ID, time.Time{}, "") })
	wantTimer(t, db, inv.ID, "", time.Time{})
}

// opened is an invoice with a payment, and another one beside it.
func (s *Shop) opened(t testing.TB) (inv, bystander paybell.Invoice) {
	t.Helper()
	for _, address := range []string{"mine", "bystander"} {
		inv, bystander = bystander, s.create(t, t0)
		changes := next(t, bystander, paybell.Input{Do: pay(address)}, t0)
		s.apply(t, changes...)
		bystander = changes[len(changes)-1].Invoice
	}
	return inv, bystander
}

func testHasten(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, bystander := s.opened(t)
	do(t, db, func(tx *store.Tx) error { return tx.Hasten(inv, false, after(10)) })
	want := inv
	want.Payments[0].ExpiresAt = after(10)
	wantSame(t, "the invoice", s.invoice(t, inv.ID), want)
	wantSame(t, "another invoice", s.invoice(t, bystander.ID), bystander)
	wantSame(t, "due", dueInvoices(t, db, paybell.SandboxNetwork, after(10), 10), []string{inv.ID})

	do(t, db, func(tx *store.Tx) error { return tx.Hasten(inv, false, after(20)) })
	wantSame(t, "the invoice, when its time was up already", s.invoice(t, inv.ID), want)
}

func testHastenLifetime(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, bystander := s.opened(t)
	do(t, db, func(tx *store.Tx) error { return tx.Hasten(inv, true, after(10)) })
	want := inv
	want.ExpiresAt, want.Payments[0].ExpiresAt = after(10), after(10)
	wantSame(t, "the invoice", s.invoice(t, inv.ID), want)
	wantSame(t, "another invoice", s.invoice(t, bystander.ID), bystander)

	timedOut := next(t, s.invoice(t, inv.ID), paybell.Input{Scanned: map[string]time.Time{paybell.SandboxNetwork: after(11)}}, after(11))
	s.apply(t, timedOut...)
	want = timedOut[len(timedOut)-1].Invoice
	if want.State != paybell.TimedOut {
		t.Errorf("it is %s", want.State)
	}
	wantSame(t, "the invoice after its time", s.invoice(t, inv.ID), want)
	wantSame(t, "due after its time", dueInvoices(t, db, paybell.SandboxNetwork, after(100), 10), []string(nil))
}
