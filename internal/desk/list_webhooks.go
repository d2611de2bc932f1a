package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Webhooks lists a client's webhooks, or those that were given with one of its
// invoices; those that want event only, 0 for all.
func (d *Desk) Webhooks(ctx context.Context, a Actor, clientID, invoiceID string, event paybell.Events) ([]paybell.Webhook, error) {
	all, err := store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Webhook, error) {
		own, err := a.actsFor(tx, clientID, paybell.GetWebhooks)
		if err != nil {
			return nil, err
		}
		return tx.Webhooks(own, invoiceID)
	})
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
