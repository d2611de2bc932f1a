package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// UpdateWebhook changes where a webhook points and what it wants. No attempt
// begins at the old URL later than a second after this returned; onWire are
// still under way there.
func (d *Desk) UpdateWebhook(ctx context.Context, a Actor, clientID, id string, n NewWebhook) (onWire int, err error) {
	if err := a.may(paybell.UpdateWebhook); err != nil {
		return 0, err
	}
	changed, err := d.newWebhook(a.ClientID, "", n)
	if err != nil {
		return 0, err
	}
	err = store.Do(ctx, d.DB, func(tx *store.Tx) error {
		w, err := a.hookToChange(tx, clientID, id)
		if err != nil {
			return err
		}
		old, err := tx.Health(store.Endpoint{ClientID: w.ClientID, Origin: w.Origin})
		if err != nil {
			return err
		}
		if w.Origin == changed.Origin {
			old = paybell.Health{}
		}
		w.URL, w.Origin, w.Events = changed.URL, changed.Origin, changed.Events
		if n.Schedule != nil {
			w.Schedule = changed.Schedule
		}
		job := missed(w, false)
		job.Since = old.FailingSince
		if err := tx.UpdateWebhook(w); err != nil {
			return err
		}
		if err := a.audit(tx, "updateWebhook", w.ID, w.Origin); err != nil || old.DisabledAt.IsZero() || w.State != paybell.WebhookActive {
			return err
		}
		_, err = startMissed(tx, job) // it is away from an endpoint that was disabled
		return err
	})
	return d.inFlight(id), err
}
