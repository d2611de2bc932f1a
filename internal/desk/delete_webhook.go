package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// DeleteWebhook ends a webhook.
func (d *Desk) DeleteWebhook(ctx context.Context, a Actor, clientID, id string) error {
	if err := a.owns(clientID, paybell.DeleteWebhook); err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error { return tx.DeleteWebhook(a.ClientID, id, now()) })
}
