package desk

import (
	"context"

	"github.com/paybell/paybell"
)

// ReplaceSandbox double-spends an unconfirmed transaction: with one that pays
// the same address, or one that pays elsewhere.
func (d *Desk) ReplaceSandbox(ctx context.Context, a Actor, txID string, toInvoice bool) (newTxID string, err error) {
	if err := a.may(paybell.UseSandbox); err != nil {
		return "", err
	}
	if err := d.note(ctx, a, "replaceSandbox", line(txID, 100), ""); err != nil {
		return "", err
	}
	return d.Sandbox.Replace(ctx, a.MerchantID, txID, toInvoice)
}
