package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// InvoiceFilter says which invoices to list; the merchant is always the actor's.
type InvoiceFilter = store.InvoiceFilter

// ListInvoices reads a page of the merchant's invoices, newest first.
func (d *Desk) ListInvoices(ctx context.Context, a Actor, f InvoiceFilter) ([]paybell.Invoice, error) {
	if err := a.may(paybell.ListInvoices); err != nil {
		return nil, err
	}
	if f.Limit < 1 || f.Limit > store.MaxPage {
		return nil, paybell.InvalidField("limit", "must be 1 to %d", store.MaxPage)
	}
	if len(f.Words) > store.MaxWords {
		return nil, paybell.InvalidField("q", "has %d words, at most %d are possible", len(f.Words), store.MaxWords)
	}
	if f.None {
		return nil, nil
	}
	f.MerchantID = a.MerchantID
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.Invoices(f) })
}
