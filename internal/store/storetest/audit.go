package storetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var auditTests = map[string]func(*testing.T, *store.DB){
	"Audit/RoundTrip": testAudit,
	"Audit/Pages":     testAuditPages,
	"Audit/Forget":    testForgetAudit,
	"Audit/Strangers": testStrangers,
}

// entry writes that something was done with the merchant.
func (s *Shop) entry(t testing.TB, at int) paybell.AuditEntry {
	t.Helper()
	e := paybell.AuditEntry{
		ID: paybell.NewUUID(after(at)), MerchantID: s.Merchant.ID, At: after(at), Who: "user zoë@shop.example", From: netip.MustParseAddr("192.0.2.7"),
		Action: "createClient", Subject: s.Client.ID, Detail: "the \"Größe\" 🔔",
	}
	do(t, s.DB, func(tx *store.Tx) error { return tx.Audit(e) })
	return e
}

func (s *Shop) log(t testing.TB, before string, limit int) []paybell.AuditEntry {
	t.Helper()
	return view(t, s.DB, func(tx *store.Tx) ([]paybell.AuditEntry, error) { return tx.AuditLog(s.Merchant.ID, before, limit) })
}

func testAudit(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	e := s.entry(t, 0)
	requireSet(t, e)
	wantSame(t, "the entry", s.log(t, "", 10), []paybell.AuditEntry{e})
	if theirs := other.log(t, "", 10); len(theirs) != 0 {
		t.Errorf("another merchant sees %+v", theirs)
	}
	least := paybell.AuditEntry{ID: paybell.NewUUID(after(1)), MerchantID: other.Merchant.ID, At: after(1), Who: "operator", Action: "x"}
	do(t, db, func(tx *store.Tx) error { return tx.Audit(least) })
	wantSame(t, "an entry from nowhere", other.log(t, "", 10), []paybell.AuditEntry{least})
}

func testAuditPages(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	var all []paybell.AuditEntry
	for i := range 5 {
		all = append([]paybell.AuditEntry{s.entry(t, i)}, all...)
		other.entry(t, i)
	}
	first := s.log(t, "", 2)
	wantSame(t, "the first page", first, all[:2])
	second := s.log(t, first[1].ID, 2)
	wantSame(t, "the second", second, all[2:4])
	wantSame(t, "the third", s.log(t, second[1].ID, 2), all[4:])
	for _, id := range []string{all[4].ID, other.log(t, "", 1)[0].ID, paybell.NewUUID(after(100)), "x"} {
		if none := s.log(t, id, 2); len(none) != 0 {
			t.Errorf("before the first, or what is not there, comes %+v", none)
		}
	}

	// What was done within a millisecond has an order, too.
	at := after(1000)
	for i := range 20 {
		moment := at.Add(time.Duration(i) * time.Microsecond)
		do(t, db, func(tx *store.Tx) error {
			return tx.Audit(paybell.AuditEntry{ID: paybell.NewUUID(moment), MerchantID: s.Merchant.ID, At: moment, Who: "operator", Action: "x"})
		})
	}
	for i, before := 19, ""; i >= 0; i-- {
		e := s.log(t, before, 1)[0]
		if want := at.Add(time.Duration(i) * time.Microsecond); !e.At.Equal(want) {
			t.Fatalf("entry %d is of %v, want %v", i, e.At, want)
		}
		before = e.ID
	}
}

func testForgetAudit(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for i := range 4 {
		s.entry(t, i)
	}
	for _, tt := range []struct {
		before time.Time
		want   int64
		left   int
	}{{t0, 0, 4}, {t0.Add(time.Microsecond), 1, 3}, {after(3), 2, 1}, {after(3), 0, 1}, {after(4), 1, 0}} {
		n := update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetAudit(tt.before, 2) })
		if left := len(s.log(t, "", 10)); n != tt.want || left != tt.left {
			t.Errorf("before %v: %d were forgotten, %d are left", tt.before.Sub(t0), n, left)
		}
	}
}

// Attempts to be somebody who does not exist are written as an entry is, and leave
// none.
func testStrangers(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for range 3 {
		do(t, db, func(tx *store.Tx) error { return tx.CountStranger() })
	}
	if all := s.log(t, "", 10); len(all) != 0 {
		t.Errorf("the log has %+v", all)
	}
}
