package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ResetPassword sets the password of the user whom a reset pass is for. The second
// factor is taken away and all sessions end; a new one begins here.
func (d *Desk) ResetPassword(ctx context.Context, token, password string, v Visitor) (session string, err error) {
	pass, err := d.findPass(ctx, token, paybell.PassReset)
	if err != nil {
		return "", err
	}
	u, err := store.View(ctx, d.DB, func(tx *store.Tx) (paybell.User, error) { return tx.User(pass.UserID) })
	if err != nil {
		return "", err
	}
	if err := paybell.CheckPassword("password", password, u.Email); err != nil {
		return "", err
	}
	hash, err := hashPassword(ctx, password)
	if err != nil {
		return "", err
	}
	defer d.people.forget()
	return store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		p, err := takePass(tx, token, paybell.PassReset)
		if err != nil {
			return "", err
		}
		u, err := tx.UserForUpdate(p.UserID)
		if err != nil {
			return "", err
		}
		if err := setPassword(tx, u.ID, hash, ""); err != nil {
			return "", err
		}
		if err := tx.RemoveFactor(u.ID); err != nil {
			return "", err
		}
		if err := userActor(u, v.address()).audit(tx, "resetPassword", u.ID, ""); err != nil {
			return "", err
		}
		return newSession(tx, u, v, now())
	})
}

// setPassword writes the hash of a new password and ends what others may have: all
// sessions but one, and passes.
func setPassword(tx *store.Tx, userID, hash, butSession string) error {
	if err := tx.SetPassword(userID, hash); err != nil {
		return err
	}
	if err := tx.EndSessions(userID, butSession); err != nil {
		return err
	}
	return tx.RevokePasses(userID)
}
