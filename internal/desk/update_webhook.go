package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// UpdateWebhook changes where a webhook points and what it wants.
func (d *Desk) UpdateWebhook(ctx context.Context, a Actor, clientID, id string, n NewWebhook) error {
	if err := a.owns(clientID, paybell.UpdateWebhook); err != nil {
		return err
	}
	changed, err := d.newWebhook(a.ClientID, "", n)
	if err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		w, err := tx.Webhook(a.ClientID, id)
		if err != nil {
			return err
		}
		w.URL, w.Origin, w.Events = changed.URL, changed.Origin, changed.Events
		return tx.UpdateWebhook(w)
	})
}
