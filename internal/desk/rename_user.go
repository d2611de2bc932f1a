package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// RenameUser gives the person another name.
func (d *Desk) RenameUser(ctx context.Context, p Person, name string) error {
	name, err := userName(name)
	if err != nil {
		return err
	}
	to := name
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		u, err := tx.UserForUpdate(p.User.ID)
		if err != nil || u.Name == to {
			return err
		}
		u.Name = to
		if err := tx.UpdateUser(u); err != nil {
			return err
		}
		return p.Actor().audit(tx, "renameUser", u.ID, to)
	})
}
