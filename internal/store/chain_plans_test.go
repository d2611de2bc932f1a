package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// What is asked at every look at a chain, and when a payment is opened, is found
// through an index, however many payments there are.
func TestPlansOfChain(t *testing.T) {
	db := newSQLite(t)
	w := paybell.Wallet{ID: "w", MerchantID: "m", Network: "n", Fingerprint: "f", CreatedAt: time1}
	for _, tt := range []struct {
		name string
		body func(*Tx) error
		want string // in a step of some plan
	}{
		{"PaidTo", func(tx *Tx) error {
			_, err := tx.PaidTo("n", []string{"a", "b"})
			return err
		}, "SEARCH payments USING COVERING INDEX sqlite_autoindex_payments_2 (network=? AND address=?)"},
		{"DecidedAbove", func(tx *Tx) error {
			_, err := tx.DecidedAbove("n", 5)
			return err
		}, "SEARCH transfers USING INDEX transfers_height (network=? AND height>?)"},
		{"OpenTransfers", func(tx *Tx) error {
			_, err := tx.OpenTransfers("n")
			return err
		}, "SEARCH transfers USING INDEX transfers_open (network=?)"},
		{"Extend", func(tx *Tx) error { return tx.Extend("n", time1, time.Hour) }, "SEARCH payments USING INDEX payments_invoice (invoice_id=?)"},
		{"Wallets", func(tx *Tx) error {
			_, err := tx.Wallets("m")
			return err
		}, "SEARCH wallets USING INDEX wallets_"},
		{"HadWallet", func(tx *Tx) error {
			_, err := tx.HadWallet("m")
			return err
		}, "SEARCH wallets USING INDEX wallets_merchant (merchant_id=?)"},
		{"CreateWallet", func(tx *Tx) error {
			next := w
			next.ID = "next"
			return tx.CreateWallet(next)
		}, "SEARCH wallets USING INDEX wallets_live (merchant_id=? AND network=?)"},
		{"Gap", func(tx *Tx) error {
			_, err := tx.Gap("f", 21)
			return err
		}, "USING INDEX payments_wallet (wallet_id=?)"},
		{"TakeIndex", func(tx *Tx) error {
			_, err := tx.TakeIndex("f")
			return err
		}, ""}, // by its primary key
	} {
		found := false
		for query, plan := range plansOf(t, db, func(tx *Tx) error {
			return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: "m"}), tx.CreateWallet(w), tt.body(tx))
		}) {
			found = found || strings.Contains(plan, tt.want)
			for _, table := range []string{"payments", "transfers", "invoices", "wallets", "p", "t"} {
				if strings.Contains(plan+";", "SCAN "+table+";") || strings.Contains(plan, "SCAN "+table+" ") {
					t.Errorf("%s: %s: %s", tt.name, plan, query)
				}
			}
			if strings.Contains(plan, "USE TEMP B-TREE") && tt.name != "Wallets" { // of which there are few
				t.Errorf("%s: %s: %s", tt.name, plan, query)
			}
		}
		if !found {
			t.Errorf("%s: no plan says %q", tt.name, tt.want)
		}
	}
}
