package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ExpireSandbox moves an invoice's deadlines to now: those of its open payments
// ("window"), or its own too ("lifetime"). They end when the chain was scanned.
func (d *Desk) ExpireSandbox(ctx context.Context, a Actor, invoiceID, what string) error {
	if err := a.may(paybell.UseSandbox); err != nil {
		return err
	}
	if what != "window" && what != "lifetime" {
		return paybell.InvalidField("what", `must be "window" or "lifetime"`)
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		inv, err := a.ownInvoice(tx, invoiceID)
		if err != nil {
			return err
		}
		if err := tx.Hasten(inv, what == "lifetime", now()); err != nil {
			return err
		}
		return a.audit(tx, "expireSandbox", inv.ID, what)
	})
}
