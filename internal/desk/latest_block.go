package desk

import (
	"context"

	"github.com/paybell/paybell"
)

// LatestBlock is the height of a coin's chain as it is seen from here.
func (d *Desk) LatestBlock(ctx context.Context, ref string) (paybell.Currency, int64, error) {
	c, err := FindCurrency(ref)
	if err != nil {
		return c, 0, err
	}
	if c.Network != paybell.SandboxNetwork {
		return c, 0, paybell.Errorf(paybell.NotSupported, "no node of %s is watched here", c.Name)
	}
	height, err := d.Sandbox.Height(ctx)
	return c, height, err
}
