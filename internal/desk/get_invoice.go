package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Invoice reads one invoice of the merchant's, and the merchant.
func (d *Desk) Invoice(ctx context.Context, a Actor, id string) (paybell.Invoice, paybell.Merchant, error) {
	if err := a.may(paybell.FindInvoice); err != nil {
		return paybell.Invoice{}, paybell.Merchant{}, err
	}
	return d.withMerchant(ctx, func(tx *store.Tx) (paybell.Invoice, error) { return a.invoice(tx, id) })
}

func (d *Desk) withMerchant(ctx context.Context, find func(*store.Tx) (paybell.Invoice, error)) (inv paybell.Invoice, m paybell.Merchant, err error) {
	type both struct {
		inv paybell.Invoice
		m   paybell.Merchant
	}
	found, err := store.View(ctx, d.DB, func(tx *store.Tx) (f both, err error) {
		if f.inv, err = find(tx); err == nil {
			f.m, err = tx.Merchant(f.inv.MerchantID)
		}
		return f, err
	})
	return found.inv, found.m, err
}
