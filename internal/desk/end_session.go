package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// EndSession signs the person out in one browser. Sessions of others are NotFound.
func (d *Desk) EndSession(ctx context.Context, p Person, id string) error {
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if err := tx.EndSession(p.User.ID, id); err != nil {
			return err
		}
		return p.Actor().audit(tx, "endSession", id, "")
	})
}
