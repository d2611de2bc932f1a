package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// AccountTokens lists the person's tokens, oldest first.
func (d *Desk) AccountTokens(ctx context.Context, a Actor) ([]paybell.AccountToken, error) {
	if err := a.looker(); err != nil {
		return nil, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.AccountToken, error) { return tx.AccountTokens(a.MerchantID) })
}
