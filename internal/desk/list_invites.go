package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Invites lists the open invitations of the owner's merchant, oldest first.
func (d *Desk) Invites(ctx context.Context, a Actor) ([]paybell.Pass, error) {
	if err := a.owner(); err != nil {
		return nil, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Pass, error) { return tx.Invites(a.MerchantID, now()) })
}
