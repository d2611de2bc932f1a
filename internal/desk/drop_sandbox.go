package desk

import (
	"context"

	"github.com/paybell/paybell"
)

// DropSandbox makes the nodes forget an unconfirmed transaction.
func (d *Desk) DropSandbox(ctx context.Context, a Actor, txID string) error {
	if err := a.may(paybell.UseSandbox); err != nil {
		return err
	}
	if err := d.note(ctx, a, "dropSandbox", line(txID, 100), ""); err != nil {
		return err
	}
	return d.Sandbox.Drop(ctx, a.MerchantID, txID)
}
