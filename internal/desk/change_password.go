package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ChangePassword gives the person a new password. The user's other sessions end.
func (d *Desk) ChangePassword(ctx context.Context, p Person, old, new string) error {
	if err := paybell.CheckPassword("newPassword", new, p.User.Email); err != nil {
		return err
	}
	was, err := d.proven(ctx, p, "oldPassword", old)
	if err != nil {
		return err
	}
	hash, err := hashPassword(ctx, new)
	if err != nil {
		return err
	}
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if err := stillProven(tx, p.User.ID, was); err != nil {
			return err
		}
		if err := setPassword(tx, p.User.ID, hash, p.Session.ID); err != nil {
			return err
		}
		return p.Actor().audit(tx, "changePassword", p.User.ID, "")
	})
}

// proven checks the password of a person who is signed in, and is its hash. Guesses
// are counted as those of who signs in are.
func (d *Desk) proven(ctx context.Context, p Person, field, password string) (hash string, err error) {
	if err := d.mayTry(ctx, p.User.Email, p.Session.From); err != nil {
		return "", err
	}
	known, err := store.View(ctx, d.DB, func(tx *store.Tx) (store.Credentials, error) { return tx.Credentials(p.User.ID) })
	if err != nil {
		return "", err
	}
	right, err := samePassword(ctx, known.Password, password)
	if err == nil && !right {
		err = paybell.InvalidField(field, "is not your password")
	}
	return known.Password, err
}

// stillProven checks that the password is still the one that was proven. Others who
// change the user wait.
func stillProven(tx *store.Tx, userID, hash string) error {
	if _, err := tx.UserForUpdate(userID); err != nil {
		return err
	}
	known, err := tx.Credentials(userID)
	if err == nil && known.Password != hash {
		err = paybell.Errorf(paybell.Conflict, "the password was changed at the same moment; try again")
	}
	return err
}
