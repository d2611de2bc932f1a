package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Client reads one of the person's clients.
func (d *Desk) Client(ctx context.Context, a Actor, id string) (paybell.Client, error) {
	if err := a.looker(); err != nil {
		return paybell.Client{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Client, error) { return a.client(id, tx.Client) })
}
