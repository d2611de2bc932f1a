package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// RevokeInvite makes an invitation worthless at once.
func (d *Desk) RevokeInvite(ctx context.Context, a Actor, id string) error {
	if err := a.owner(); err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if err := tx.RevokeInvite(a.MerchantID, id); err != nil {
			return err
		}
		return a.audit(tx, "revokeInvite", id, "")
	})
}
