package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// SharedInvoice reads an invoice for whoever knows its id: the buyer.
// It is without what is the merchant's own, and of who buys it tells only that it
// was said.
func (d *Desk) SharedInvoice(ctx context.Context, id string) (paybell.Invoice, paybell.Merchant, error) {
	inv, m, err := d.withMerchant(ctx, func(tx *store.Tx) (paybell.Invoice, error) {
		inv, err := shared(tx, id)
		if err == nil {
			err = d.genuine(tx, &inv)
		}
		return inv, err
	})
	if err != nil {
		return paybell.Invoice{}, m, err
	}
	return forBuyer(inv), merchantFor(inv.Bill, m), nil
}

// merchantFor is what an invoice shows of its merchant.
func merchantFor(b paybell.Bill, m paybell.Merchant) paybell.Merchant {
	shown := paybell.Merchant{ID: m.ID, Name: m.Name}
	if b.MerchantOptions.ShowEmail {
		shown.Email = m.Email
	}
	return shown
}
