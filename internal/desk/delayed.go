package desk

import (
	"context"

	"github.com/paybell/paybell"
)

// Delayed reports whether the network of an invoice's payment is not being looked at
// as it should: money for it will be seen later.
func (d *Desk) Delayed(ctx context.Context, inv *paybell.Invoice, p paybell.Payment) (bool, error) {
	r, err := d.receives(ctx, inv.MerchantID)
	return r.delayed[p.Network], err
}
