package desk

import (
	"context"
	"strconv"

	"github.com/paybell/paybell"
)

// ReorgSandbox takes back the last blocks of the merchant's test ledger.
func (d *Desk) ReorgSandbox(ctx context.Context, a Actor, depth int) error {
	if err := a.may(paybell.UseSandbox); err != nil {
		return err
	}
	if err := d.note(ctx, a, "reorgSandbox", "", strconv.Itoa(depth)); err != nil {
		return err
	}
	return d.Sandbox.Reorg(ctx, a.MerchantID, depth)
}
