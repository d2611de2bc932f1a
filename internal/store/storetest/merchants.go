package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var merchantTests = map[string]func(*testing.T, *store.DB){
	"Merchant/RoundTrip": testMerchant,
	"Merchant/List":      testMerchants,
	"Merchant/ForUpdate": testMerchantForUpdate,
}

func testMerchant(t *testing.T, db *store.DB) {
	m := paybell.Merchant{ID: paybell.NewUUID(t0), Name: "O'Brien & Søn \u2028 🔔", Email: "a@example.com", CreatedAt: t0}
	requireSet(t, m)
	do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(m) })
	wantSame(t, "merchant", view(t, db, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(m.ID) }), m)

	_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(paybell.NewUUID(t0)) })
	wantCode(t, err, paybell.NotFound)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateMerchant(m) }); err == nil {
		t.Error("one id was given to two merchants")
	}
}

func testMerchants(t *testing.T, db *store.DB) {
	all := []paybell.Merchant{merchantNumber(0), merchantNumber(1), merchantNumber(2)}
	for _, i := range []int{1, 2, 0} {
		do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(all[i]) })
	}
	wantSame(t, "all", view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(10) }), all)
	wantSame(t, "the first two", view(t, db, func(tx *store.Tx) ([]paybell.Merchant, error) { return tx.Merchants(2) }), all[:2])
}

// Of those that add something at once, which a merchant has only so many of, no
// two take the last place.
func testMerchantForUpdate(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	wantSame(t, "the merchant", update(t, db, func(tx *store.Tx) (paybell.Merchant, error) { return tx.MerchantForUpdate(s.Merchant.ID) }), s.Merchant)
	err := store.Do(context.Background(), db, func(tx *store.Tx) error {
		_, err := tx.MerchantForUpdate(paybell.NewUUID(t0))
		return err
	})
	wantCode(t, err, paybell.NotFound)

	const goroutines, most = 8, 3
	if err := atOnce(goroutines, func(i int) error {
		return store.Do(context.Background(), db, func(tx *store.Tx) error {
			if _, err := tx.MerchantForUpdate(s.Merchant.ID); err != nil {
				return err
			}
			all, err := tx.AccountTokens(s.Merchant.ID)
			if err != nil || len(all) >= most {
				return err
			}
			return tx.CreateAccountToken(paybell.AccountToken{ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, CreatedAt: after(i)}, fmt.Sprint(i))
		})
	}); err != nil {
		t.Fatal(err)
	}
	if all := view(t, db, func(tx *store.Tx) ([]paybell.AccountToken, error) { return tx.AccountTokens(s.Merchant.ID) }); len(all) != most {
		t.Errorf("%d were made, of at most %d", len(all), most)
	}
}
