package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// As is the person acting for one of the merchant's clients: what it makes is the
// client's, by the client's terms.
func (d *Desk) As(ctx context.Context, a Actor, clientID string) (Actor, error) {
	if err := a.person(); err != nil {
		return Actor{}, err
	}
	c, err := store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Client, error) { return a.client(clientID, tx.Client) })
	if err != nil {
		return Actor{}, err
	}
	a.ClientID, a.Terms = c.ID, c.Terms
	return a, nil
}
