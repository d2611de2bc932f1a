package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Invoice reads one of the merchant's invoices, whichever client made it.
func (d *Desk) Invoice(ctx context.Context, a Actor, id string) (paybell.Invoice, error) {
	if err := a.may(paybell.FindInvoice); err != nil {
		return paybell.Invoice{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) { return a.invoice(tx, id) })
}

// invoice loads an invoice that the actor may read. Those of other merchants do
// not exist for it.
func (a Actor) invoice(tx *store.Tx, id string) (paybell.Invoice, error) {
	uuid, ok := paybell.ParseUUID(id)
	if !ok {
		return paybell.Invoice{}, paybell.Errorf(paybell.NotFound, "%.60q is not an invoice id", id)
	}
	inv, err := tx.Invoice(uuid)
	if err == nil && inv.MerchantID != a.MerchantID {
		err = paybell.Errorf(paybell.NotFound, "there is no invoice %s", uuid)
	}
	if err != nil {
		return paybell.Invoice{}, err
	}
	return inv, nil
}

// ownInvoice loads an invoice that the actor may change: its own.
func (a Actor) ownInvoice(tx *store.Tx, id string) (paybell.Invoice, error) {
	inv, err := a.invoice(tx, id)
	if err == nil && inv.ClientID != a.ClientID {
		return paybell.Invoice{}, paybell.Errorf(paybell.Forbidden, "another integration of yours made this invoice; only that one can change it")
	}
	return inv, err
}
