package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// TestCoin reports whether the merchant's buyers are offered the test coin, and
// whether that can be chosen: as long as there never was a wallet for real coins it
// is always offered.
func (d *Desk) TestCoin(ctx context.Context, a Actor) (offered, choosable bool, err error) {
	if err := a.may(paybell.GetWallets); err != nil {
		return false, false, err
	}
	type answer struct{ offered, choosable bool }
	is, err := store.View(ctx, d.DB, func(tx *store.Tx) (answer, error) {
		had, err := tx.HadWallet(a.MerchantID)
		if err != nil || !had {
			return answer{offered: true}, err
		}
		offered, err := tx.OffersTestCoin(a.MerchantID)
		return answer{offered, true}, err
	})
	return is.offered, is.choosable, err
}

// OfferTestCoin says whether the merchant's buyers are offered the test coin beside
// the real ones. Invoices that are paid with it are marked as tests.
func (d *Desk) OfferTestCoin(ctx context.Context, a Actor, offer bool) error {
	if err := a.mayChangeWallets(); err != nil {
		return err
	}
	defer d.forgetWallets(a.MerchantID)
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
			return err
		}
		had, err := tx.HadWallet(a.MerchantID)
		if err != nil {
			return err
		}
		if !had {
			return paybell.Errorf(paybell.Conflict, "the test coin is always offered until there is a wallet for real coins; add one first")
		}
		was, err := tx.OffersTestCoin(a.MerchantID)
		if err != nil || was == offer {
			return err
		}
		if err := tx.OfferTestCoin(a.MerchantID, offer); err != nil {
			return err
		}
		detail := "no longer offered"
		if offer {
			detail = "offered"
		}
		return a.auditWallet(tx, "offerTestCoin", a.MerchantID, detail)
	})
}
