package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewResetPass makes a pass with which a user of the owner's merchant chooses
// another password, and earlier ones worthless. Until it is used nothing changes.
func (d *Desk) NewResetPass(ctx context.Context, a Actor, userID string) (token string, err error) {
	if err := a.owner(); err != nil {
		return "", err
	}
	return store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		u, err := a.user(userID, tx.UserForUpdate)
		if err != nil {
			return "", err
		}
		if err := tx.RevokePasses(u.ID); err != nil {
			return "", err
		}
		token, err := newPass(tx, paybell.Pass{What: paybell.PassReset, MerchantID: u.MerchantID, UserID: u.ID})
		if err != nil {
			return "", err
		}
		return token, a.audit(tx, "newResetPass", u.ID, u.Email)
	})
}
