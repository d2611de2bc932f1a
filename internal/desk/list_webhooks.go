package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Webhooks lists a client's webhooks, those that want event only; 0 for all.
func (d *Desk) Webhooks(ctx context.Context, a Actor, clientID string, event paybell.Events) ([]paybell.Webhook, error) {
	if err := a.owns(clientID, paybell.GetWebhooks); err != nil {
		return nil, err
	}
	all, err := store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Webhook, error) { return tx.Webhooks(a.ClientID) })
	if err != nil || event == 0 {
		return all, err
	}
	var wanted []paybell.Webhook
	for _, w := range all {
		if w.Events&event != 0 {
			wanted = append(wanted, w)
		}
	}
	return wanted, nil
}
