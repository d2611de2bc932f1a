package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CancelInvoice cancels one of the client's own invoices; a person, one of the
// merchant's. Twice is fine; while
// counted money stands it is a Conflict.
func (d *Desk) CancelInvoice(ctx context.Context, a Actor, id string) error {
	return d.command(ctx, a, paybell.CancelInvoice, id, paybell.Cancel{}, "cancelInvoice")
}

// command asks something of an invoice that the actor may change.
func (d *Desk) command(ctx context.Context, a Actor, needed paybell.Permissions, id string, c paybell.Command, action string) error {
	if err := a.may(needed); err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		inv, err := a.ownInvoice(tx, id)
		if err != nil {
			return err
		}
		changes, err := inv.Next(paybell.Input{Do: c}, now())
		if err != nil || len(changes) == 0 {
			return err
		}
		if err := tx.Apply(changes...); err != nil {
			return err
		}
		return a.audit(tx, action, inv.ID, "")
	})
}
