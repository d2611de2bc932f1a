package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// InvoicePayouts reads one invoice of the merchant's, for what was paid to them.
func (d *Desk) InvoicePayouts(ctx context.Context, a Actor, id string) (paybell.Invoice, error) {
	if err := a.may(paybell.InvoicePayouts); err != nil {
		return paybell.Invoice{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) { return a.invoice(tx, id) })
}
