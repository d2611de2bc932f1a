package desk

import (
	"context"

	"github.com/paybell/paybell/internal/store"
)

// NeedsSetup reports whether there is no user at all.
func (d *Desk) NeedsSetup(ctx context.Context) (bool, error) {
	found, err := store.View(ctx, d.DB, func(tx *store.Tx) (bool, error) { return tx.AnyUser() })
	return !found, err
}
