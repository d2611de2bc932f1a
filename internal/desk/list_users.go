package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Users lists the users of the person's merchant, oldest first.
func (d *Desk) Users(ctx context.Context, a Actor) ([]paybell.User, error) {
	if err := a.staff(); err != nil {
		return nil, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.User, error) { return tx.Users(a.MerchantID) })
}
