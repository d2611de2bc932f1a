package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var merchantTests = map[string]func(*testing.T, *store.DB){
	"Merchant/RoundTrip":             testMerchant,
	"Merchant/List":                  testMerchants,
	"Client/RoundTrip":               testClient,
	"Client/Secret":                  testSecret,
	"Wallet/NextAddressIndex":        testNextAddressIndex,
	"Wallet/NextAddressIndexFailing": testNextAddressIndexFailing,
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

func testClient(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	c := paybell.Client{
		ID: paybell.NewClientID(), MerchantID: s.Merchant.ID, Name: "café", URL: "https://shop.example.com/?a=1&b='",
		Permissions: paybell.AllPermissions, Disabled: true, CreatedAt: after(1),
		Terms: paybell.Terms{Window: 90 * time.Minute, Lifetime: 48 * time.Hour, Tolerance: 125, AcceptLate: true},
	}
	requireSet(t, c)
	plain := paybell.Client{ID: paybell.NewClientID(), MerchantID: s.Merchant.ID, CreatedAt: t0}
	for _, want := range []paybell.Client{c, plain} {
		do(t, db, func(tx *store.Tx) error { return tx.CreateClient(want, "secret") })
		wantSame(t, "client", view(t, db, func(tx *store.Tx) (paybell.Client, error) { return tx.Client(want.ID) }), want)
	}
	_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Client, error) { return tx.Client(paybell.NewClientID()) })
	wantCode(t, err, paybell.NotFound)

	c.ID, c.MerchantID = paybell.NewClientID(), paybell.NewUUID(t0)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateClient(c, "secret") }); err == nil {
		t.Error("a client was made for a merchant that does not exist")
	}
}

func testSecret(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	c := s.Client
	c.ID = paybell.NewClientID()
	secret := paybell.NewClientSecret()
	do(t, db, func(tx *store.Tx) error { return tx.CreateClient(c, secret) })
	wantSame(t, "secrets", view(t, db, func(tx *store.Tx) ([]string, error) { return tx.Secrets(c.ID) }), []string{secret})
	wantSame(t, "secrets of nobody", view(t, db, func(tx *store.Tx) ([]string, error) { return tx.Secrets("nobody") }), []string{})
	if other := view(t, db, func(tx *store.Tx) ([]string, error) { return tx.Secrets(s.Client.ID) }); len(other) != 1 || other[0] == secret {
		t.Error("another client has the same secret, or none")
	}
}

func testNextAddressIndex(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	const goroutines, each = 16, 8
	var taken [goroutines][each]int64
	next := func(network string) (int64, error) {
		return store.Update(context.Background(), db, func(tx *store.Tx) (int64, error) { return tx.NextAddressIndex(s.Merchant.ID, network) })
	}
	if err := atOnce(goroutines, func(i int) (err error) {
		for j := range each {
			if taken[i][j], err = next("btc"); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, some := range taken {
		for _, index := range some {
			if seen[index] || index < 0 || index >= goroutines*each {
				t.Errorf("index %d was given twice, or after a gap", index)
			}
			seen[index] = true
		}
	}
	if index, err := next("ltc"); err != nil || index != 0 {
		t.Errorf("the first index on another network is %d, %v", index, err)
	}
}

// An index that a failed body took was shown to nobody and may be given again,
// but never to two.
func testNextAddressIndexFailing(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	take := func(fail error) (index int64, err error) {
		err = store.Do(context.Background(), db, func(tx *store.Tx) error {
			var err error
			index, err = tx.NextAddressIndex(s.Merchant.ID, "btc")
			return errors.Join(err, fail)
		})
		return index, err
	}
	for want := range int64(3) {
		if _, err := take(errGivenUp); !errors.Is(err, errGivenUp) {
			t.Fatal(err)
		}
		if index, err := take(nil); err != nil || index != want {
			t.Errorf("got index %d, %v, want %d", index, err, want)
		}
	}
}
