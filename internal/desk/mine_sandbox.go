package desk

import (
	"context"
	"strconv"

	"github.com/paybell/paybell"
)

// MineSandbox mines blocks on the merchant's own test ledger.
func (d *Desk) MineSandbox(ctx context.Context, a Actor, blocks int) (height int64, err error) {
	if err := a.may(paybell.UseSandbox); err != nil {
		return 0, err
	}
	if err := d.note(ctx, a, "mineSandbox", "", strconv.Itoa(blocks)); err != nil {
		return 0, err
	}
	return d.Sandbox.Mine(ctx, a.MerchantID, blocks)
}
