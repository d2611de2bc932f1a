package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// SignOut ends the session with a token. One that is over is fine.
func (d *Desk) SignOut(ctx context.Context, token string) error {
	hash, ok := paybell.HashSessionToken(token)
	if !ok {
		return nil
	}
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		s, found, err := tx.Session(hash, now())
		if err != nil || !found {
			return err
		}
		u, err := tx.User(s.UserID)
		if err != nil {
			return err
		}
		if err := tx.EndSession(u.ID, s.ID); err != nil {
			return err
		}
		return userActor(u, s.From).audit(tx, "signOut", u.ID, "")
	})
}
