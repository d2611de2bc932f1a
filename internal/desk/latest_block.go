package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// LatestBlock is the height of a coin's chain as it is seen from here. Of the test
// coin each merchant has a chain; with no merchant known it is the highest.
func (d *Desk) LatestBlock(ctx context.Context, merchantID, ref string) (paybell.Currency, int64, error) {
	c, err := FindCurrency(ref)
	if err != nil {
		return c, 0, err
	}
	if c.Network == paybell.SandboxNetwork {
		height, err := d.Sandbox.Height(ctx, merchantID)
		return c, height, err
	}
	if _, ok := d.Networks[c.Network]; !ok {
		return c, 0, paybell.Errorf(paybell.NotSupported, "no node of %s is watched here", c.Name)
	}
	at, err := store.View(ctx, d.DB, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor(c.Network) })
	if err == nil && at.ScannedAt.IsZero() {
		err = paybell.Errorf(paybell.Unavailable, "the %s node was not reached yet", c.Name)
	}
	return c, at.Height, err
}
