package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// InvoiceHistory lists what was told of an invoice, oldest first, after a
// version.
func (d *Desk) InvoiceHistory(ctx context.Context, a Actor, id string, after, limit int) ([]paybell.Notification, error) {
	if err := a.may(paybell.ListInvoiceHistory); err != nil {
		return nil, err
	}
	if limit < 1 || limit > store.MaxPage {
		return nil, paybell.InvalidField("limit", "must be 1 to %d", store.MaxPage)
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Notification, error) {
		inv, err := a.invoice(tx, id)
		if err != nil {
			return nil, err
		}
		return tx.History(inv.ID, after, limit)
	})
}
