package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// RevokeAccountToken makes a token worthless at once.
func (d *Desk) RevokeAccountToken(ctx context.Context, a Actor, id string) error {
	if err := a.person(); err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if err := tx.DeleteAccountToken(a.MerchantID, id); err != nil {
			return err
		}
		return a.audit(tx, "revokeAccountToken", id, "")
	})
}
