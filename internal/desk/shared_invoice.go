package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// SharedInvoice reads an invoice for whoever knows its id: the buyer.
func (d *Desk) SharedInvoice(ctx context.Context, id string) (paybell.Invoice, paybell.Merchant, error) {
	return d.withMerchant(ctx, func(tx *store.Tx) (paybell.Invoice, error) { return shared(tx, id) })
}
