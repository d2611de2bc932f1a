package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Clients lists the person's integration clients, oldest first.
func (d *Desk) Clients(ctx context.Context, a Actor) ([]paybell.Client, error) {
	if err := a.looker(); err != nil {
		return nil, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Client, error) { return tx.Clients(a.MerchantID) })
}
