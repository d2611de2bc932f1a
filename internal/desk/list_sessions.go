package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Sessions lists in which browsers the person is signed in, the one that was seen
// last first.
func (d *Desk) Sessions(ctx context.Context, p Person) ([]paybell.Session, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Session, error) { return tx.Sessions(p.User.ID, now()) })
}
