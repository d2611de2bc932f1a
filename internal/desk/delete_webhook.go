package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// DeleteWebhook ends a webhook. No attempt begins later than a second after this
// returned; onWire are still under way.
func (d *Desk) DeleteWebhook(ctx context.Context, a Actor, clientID, id string) (onWire int, err error) {
	err = store.Do(ctx, d.DB, func(tx *store.Tx) error {
		own, err := a.actsFor(tx, clientID, paybell.DeleteWebhook)
		if err != nil {
			return err
		}
		if err := tx.DeleteWebhook(own, id, now()); err != nil {
			return err
		}
		return a.audit(tx, "deleteWebhook", id, "")
	})
	return d.inFlight(id), err
}
