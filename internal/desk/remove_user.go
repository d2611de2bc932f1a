package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// RemoveUser ends a user of the owner's merchant, and their sessions. The last
// owner stays.
func (d *Desk) RemoveUser(ctx context.Context, a Actor, userID string) error {
	if err := a.owner(); err != nil {
		return err
	}
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		u, err := a.userToChange(tx, userID)
		if err != nil {
			return err
		}
		if err := a.notTheLastOwner(tx, u); err != nil {
			return err
		}
		if err := tx.DeleteUser(u.ID); err != nil {
			return err
		}
		return a.audit(tx, "removeUser", u.ID, u.Email)
	})
}
