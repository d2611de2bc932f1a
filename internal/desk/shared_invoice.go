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
	inv, m, err := d.wholeInvoice(ctx, id)
	if err != nil {
		return inv, m, err
	}
	return forBuyer(inv), merchantFor(inv.Bill, m), nil
}

func (d *Desk) wholeInvoice(ctx context.Context, id string) (paybell.Invoice, paybell.Merchant, error) {
	return d.withMerchant(ctx, func(tx *store.Tx) (paybell.Invoice, error) { return shared(tx, id) })
}

// merchantFor is what an invoice shows of its merchant.
func merchantFor(b paybell.Bill, m paybell.Merchant) paybell.Merchant {
	shown := paybell.Merchant{ID: m.ID, Name: m.Name}
	if b.MerchantOptions.ShowEmail {
		shown.Email = m.Email
	}
	return shown
}
