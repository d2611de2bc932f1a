package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// RemoveSecondFactor ends the asking for codes when the person signs in.
func (d *Desk) RemoveSecondFactor(ctx context.Context, p Person, password string) error {
	hash, err := d.proven(ctx, p, "password", password)
	if err != nil {
		return err
	}
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if err := stillProven(tx, p.User.ID, hash); err != nil {
			return err
		}
		if err := tx.RemoveFactor(p.User.ID); err != nil {
			return err
		}
		return p.Actor().audit(tx, "removeSecondFactor", p.User.ID, "")
	})
}
