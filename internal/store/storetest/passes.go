package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var passTests = map[string]func(*testing.T, *store.DB){
	"Pass/RoundTrip": testPass,
	"Pass/Take":      testTakePass,
	"Pass/Once":      testPassOnce,
	"Pass/Invites":   testInvites,
	"Pass/Revoke":    testRevokePasses,
	"Pass/Forget":    testForgetPasses,
}

// newPass makes a pass that is good for an hour and returns the hash of its token.
func (s *Shop) newPass(t testing.TB, p paybell.Pass) (_ paybell.Pass, hash string) {
	t.Helper()
	p.ID, p.CreatedAt, p.ExpiresAt = paybell.NewUUID(t0), t0, t0.Add(time.Hour)
	hash, ok := paybell.HashPassToken(paybell.NewPassToken())
	if !ok {
		t.Fatal("a new token is none")
	}
	do(t, s.DB, func(tx *store.Tx) error { return tx.CreatePass(p, hash) })
	return p, hash
}

// passOf finds a pass by its hash; nil: there is none at that moment.
func passOf(t testing.TB, db *store.DB, hash string, now time.Time) *paybell.Pass {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (*paybell.Pass, error) {
		p, found, err := tx.Pass(hash, now)
		if !found {
			return nil, err
		}
		return &p, err
	})
}

func testPass(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	p, hash := s.newPass(t, paybell.Pass{What: paybell.PassInvite, MerchantID: s.Merchant.ID, UserID: "u", Email: "a@b.example", Role: paybell.RoleStaff})
	requireSet(t, p)
	wantSame(t, "the pass", passOf(t, db, hash, t0.Add(time.Hour-time.Microsecond)), &p)
	if got := passOf(t, db, hash, t0.Add(time.Hour)); got != nil {
		t.Errorf("it is good when it is too old: %+v", got)
	}
	for _, other := range []string{"", p.ID, hash[1:]} {
		if got := passOf(t, db, other, t0); got != nil {
			t.Errorf("%q is the hash of %+v", other, got)
		}
	}
	empty, hash := s.newPass(t, paybell.Pass{What: paybell.PassSetup})
	wantSame(t, "a pass that names nobody", passOf(t, db, hash, t0), &empty)
}

func take(t testing.TB, db *store.DB, hash string, what paybell.PassKind, now time.Time) *paybell.Pass {
	t.Helper()
	return update(t, db, func(tx *store.Tx) (*paybell.Pass, error) {
		p, found, err := tx.TakePass(hash, what, now)
		if !found {
			return nil, err
		}
		return &p, err
	})
}

func testTakePass(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	p, hash := s.newPass(t, paybell.Pass{What: paybell.PassReset, MerchantID: s.Merchant.ID, UserID: "u"})
	for _, what := range []paybell.PassKind{paybell.PassSetup, paybell.PassInvite, paybell.PassSignIn, ""} {
		if got := take(t, db, hash, what, t0); got != nil {
			t.Errorf("taken as %q: %+v", what, got)
		}
	}
	if got := take(t, db, hash, p.What, t0.Add(time.Hour)); got != nil {
		t.Errorf("taken too late: %+v", got)
	}
	err := fails(t, db, func(tx *store.Tx) error {
		if _, found, err := tx.TakePass(hash, p.What, t0); err != nil || !found {
			t.Errorf("found is %v, %v", found, err)
		}
		return errGivenUp
	})
	if !errors.Is(err, errGivenUp) {
		t.Error(err)
	}
	wantSame(t, "after what it was for has failed", take(t, db, hash, p.What, t0), &p)
	if got := take(t, db, hash, p.What, t0); got != nil {
		t.Errorf("taken twice: %+v", got)
	}
}

// Of those who use one pass at once, one does.
func testPassOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	_, hash := s.newPass(t, paybell.Pass{What: paybell.PassSignIn, UserID: "u"})
	found := make([]bool, 8)
	if err := atOnce(len(found), func(i int) (err error) {
		found[i], err = store.Update(context.Background(), db, func(tx *store.Tx) (bool, error) {
			_, found, err := tx.TakePass(hash, paybell.PassSignIn, t0)
			return found, err
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range found {
		if f {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it was good %d times", n)
	}
}

func testInvites(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	first, _ := s.newPass(t, paybell.Pass{What: paybell.PassInvite, MerchantID: s.Merchant.ID, Email: "a@b.example", Role: paybell.RoleOwner})
	theirs, theirHash := s.newPass(t, paybell.Pass{What: paybell.PassInvite, MerchantID: other.Merchant.ID, Role: paybell.RoleOwner})
	reset, resetHash := s.newPass(t, paybell.Pass{What: paybell.PassReset, MerchantID: s.Merchant.ID, UserID: "u"})
	invites := func(merchantID string, now time.Time) []paybell.Pass {
		return view(t, db, func(tx *store.Tx) ([]paybell.Pass, error) { return tx.Invites(merchantID, now) })
	}
	wantSame(t, "the invitations", invites(s.Merchant.ID, t0), []paybell.Pass{first})
	wantSame(t, "those of another", invites(other.Merchant.ID, t0), []paybell.Pass{theirs})
	if late := invites(s.Merchant.ID, t0.Add(time.Hour)); len(late) != 0 {
		t.Errorf("listed is what is too old: %+v", late)
	}
	revoke := func(id string) error {
		return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.RevokeInvite(s.Merchant.ID, id) })
	}
	wantCode(t, revoke(theirs.ID), paybell.NotFound)
	wantCode(t, revoke(reset.ID), paybell.NotFound)
	if err := revoke(first.ID); err != nil {
		t.Error(err)
	}
	wantCode(t, revoke(first.ID), paybell.NotFound)
	if passOf(t, db, theirHash, t0) == nil || passOf(t, db, resetHash, t0) == nil {
		t.Error("others were revoked")
	}
}

func testRevokePasses(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	_, setup := s.newPass(t, paybell.Pass{What: paybell.PassSetup})
	_, setup2 := s.newPass(t, paybell.Pass{What: paybell.PassSetup, MerchantID: s.Merchant.ID})
	_, reset := s.newPass(t, paybell.Pass{What: paybell.PassReset, MerchantID: s.Merchant.ID, UserID: "u"})
	_, signIn := s.newPass(t, paybell.Pass{What: paybell.PassSignIn, MerchantID: s.Merchant.ID, UserID: "u"})
	_, other := s.newPass(t, paybell.Pass{What: paybell.PassReset, MerchantID: s.Merchant.ID, UserID: "v"})
	want := func(when string, good ...bool) {
		t.Helper()
		for i, hash := range []string{setup, setup2, reset, signIn, other} {
			if (passOf(t, db, hash, t0) != nil) != good[i] {
				t.Errorf("%s pass %d is good: %v", when, i, !good[i])
			}
		}
	}
	do(t, db, func(tx *store.Tx) error { return tx.RevokePasses("") })
	want("revoked those of nobody,", true, true, true, true, true)
	do(t, db, func(tx *store.Tx) error { return tx.RevokePasses("u") })
	want("revoked those of a user,", true, true, false, false, true)
	do(t, db, func(tx *store.Tx) error { return tx.RevokeSetups() })
	want("revoked setups,", false, false, false, false, true)
}

func testForgetPasses(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for range 3 {
		s.newPass(t, paybell.Pass{What: paybell.PassSetup})
	}
	forget := func(now time.Time) int64 {
		return update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetPasses(now, 2) })
	}
	if n := forget(t0.Add(time.Hour - time.Microsecond)); n != 0 {
		t.Errorf("%d were forgotten too early", n)
	}
	for _, want := range []int64{2, 1, 0} {
		if n := forget(t0.Add(time.Hour)); n != want {
			t.Errorf("%d were forgotten, want %d", n, want)
		}
	}
}
