package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// EnterBy signs in by a sign-in pass, once.
func (d *Desk) EnterBy(ctx context.Context, token string, v Visitor) (session string, err error) {
	return store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		p, err := takePass(tx, token, paybell.PassSignIn)
		if err != nil {
			return "", err
		}
		u, err := tx.User(p.UserID)
		if err != nil {
			return "", err
		}
		if err := userActor(u, v.address()).audit(tx, "signIn", u.ID, "by a link"); err != nil {
			return "", err
		}
		return newSession(tx, u, v, now())
	})
}
