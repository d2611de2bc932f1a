package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// PauseWebhook stops a webhook until it is enabled. What happens meanwhile is
// numbered and held. No attempt begins later than a second after this returned;
// onWire are still under way. Pausing what does not ring changes nothing.
func (d *Desk) PauseWebhook(ctx context.Context, a Actor, clientID, id string) (onWire int, err error) {
	err = store.Do(ctx, d.DB, func(tx *store.Tx) error {
		w, err := a.hookToChange(tx, clientID, id)
		if err != nil || w.State != paybell.WebhookActive {
			return err
		}
		w.State, w.StateReason, w.StateSince = paybell.WebhookPaused, "", now()
		if err := tx.CancelMissed(w.ClientID, w.ID, now()); err != nil {
			return err
		}
		if err := tx.UpdateWebhook(w); err != nil {
			return err
		}
		return a.audit(tx, "pauseWebhook", w.ID, w.Origin)
	})
	return d.inFlight(id), err
}
