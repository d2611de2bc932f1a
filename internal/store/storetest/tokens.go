package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var tokenTests = map[string]func(*testing.T, *store.DB){
	"AccountToken/RoundTrip": testAccountToken,
	"AccountToken/List":      testAccountTokens,
	"AccountToken/Delete":    testDeleteAccountToken,
}

// newToken makes a token of the merchant and returns its hash.
func (s *Shop) newToken(t testing.TB, at int) (token paybell.AccountToken, hash string) {
	t.Helper()
	token = paybell.AccountToken{ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, Name: "Zoë's laptop", CreatedAt: after(at)}
	hash, ok := paybell.HashAccountToken(paybell.NewAccountToken())
	if !ok {
		t.Fatal("a new token is none")
	}
	do(t, s.DB, func(tx *store.Tx) error { return tx.CreateAccountToken(token, hash) })
	return token, hash
}

// tokenOf finds a token by its hash; nil: there is none.
func tokenOf(t testing.TB, db *store.DB, hash string) *paybell.AccountToken {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (*paybell.AccountToken, error) {
		token, found, err := tx.AccountToken(hash)
		if !found {
			return nil, err
		}
		return &token, err
	})
}

func testAccountToken(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	want, hash := s.newToken(t, 1)
	requireSet(t, want)
	wantSame(t, "the token", tokenOf(t, db, hash), &want)
	for _, other := range []string{"", want.ID, hash[1:], hash + "0", "%"} {
		if got := tokenOf(t, db, other); got != nil {
			t.Errorf("the hash %q has the token %+v", other, got)
		}
	}

	twin := want
	twin.ID = paybell.NewUUID(t0)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateAccountToken(twin, hash) }); err == nil {
		t.Error("two tokens have one hash")
	}
	twin.MerchantID = paybell.NewUUID(t0)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateAccountToken(twin, "another") }); err == nil {
		t.Error("a token was made for a merchant that does not exist")
	}
	wantSame(t, "the token at the end", tokenOf(t, db, hash), &want)
}

func testAccountTokens(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	var want []paybell.AccountToken
	for _, at := range []int{2, 0, 1} {
		token, _ := s.newToken(t, at)
		want = append(want, token)
	}
	slices.SortFunc(want, func(a, b paybell.AccountToken) int { return a.CreatedAt.Compare(b.CreatedAt) })
	theirs, _ := other.newToken(t, 0)
	for merchantID, want := range map[string][]paybell.AccountToken{s.Merchant.ID: want, other.Merchant.ID: {theirs}, paybell.NewUUID(t0): nil} {
		wantSame(t, "oldest first", view(t, db, func(tx *store.Tx) ([]paybell.AccountToken, error) { return tx.AccountTokens(merchantID) }), want)
	}
}

// A token is revoked by its own merchant only.
func testDeleteAccountToken(t *testing.T, db *store.DB) {
	s, thief := NewShop(t, db), NewShop(t, db)
	token, hash := s.newToken(t, 1)
	kept, keptHash := s.newToken(t, 2)
	revoke := func(merchantID, id string) error {
		return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.DeleteAccountToken(merchantID, id) })
	}
	wantCode(t, revoke(thief.Merchant.ID, token.ID), paybell.NotFound)
	wantCode(t, revoke(s.Merchant.ID, paybell.NewUUID(t0)), paybell.NotFound)
	wantSame(t, "the token that another merchant wanted to revoke", tokenOf(t, db, hash), &token)
	if err := revoke(s.Merchant.ID, token.ID); err != nil {
		t.Error(err)
	}
	wantCode(t, revoke(s.Merchant.ID, token.ID), paybell.NotFound)
	if got := tokenOf(t, db, hash); got != nil {
		t.Errorf("a revoked token is found: %+v", got)
	}
	wantSame(t, "another token", tokenOf(t, db, keptHash), &kept)
	wantSame(t, "the list", view(t, db, func(tx *store.Tx) ([]paybell.AccountToken, error) { return tx.AccountTokens(s.Merchant.ID) }), []paybell.AccountToken{kept})
}
