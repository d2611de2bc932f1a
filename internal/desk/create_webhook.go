package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CreateWebhook makes a webhook of a client.
func (d *Desk) CreateWebhook(ctx context.Context, a Actor, clientID string, n NewWebhook) (paybell.Webhook, error) {
	create, err := d.createWebhook(a, clientID, n)
	if err != nil {
		return paybell.Webhook{}, err
	}
	return store.Update(ctx, d.DB, create)
}

// CreateWebhookOnce is CreateWebhook for a request that may be sent again.
func (d *Desk) CreateWebhookOnce(ctx context.Context, a Actor, clientID string, n NewWebhook, o Once[paybell.Webhook]) (answer []byte, err error) {
	if err := a.owns(clientID, paybell.CreateClientWebhook); err != nil {
		return nil, err
	}
	return once(ctx, d, a, o, func() (func(*store.Tx) (paybell.Webhook, error), error) { return d.createWebhook(a, clientID, n) })
}

func (d *Desk) createWebhook(a Actor, clientID string, n NewWebhook) (func(*store.Tx) (paybell.Webhook, error), error) {
	if err := a.owns(clientID, paybell.CreateClientWebhook); err != nil {
		return nil, err
	}
	w, err := d.newWebhook(a.ClientID, "", n)
	if err != nil {
		return nil, err
	}
	w.ID, w.CreatedAt = paybell.NewWebhookID(), now()
	return func(tx *store.Tx) (paybell.Webhook, error) {
		if _, err := tx.ClientForUpdate(a.ClientID); err != nil {
			return w, err
		}
		all, err := tx.Webhooks(a.ClientID, "")
		if err != nil {
			return w, err
		}
		if len(all) >= paybell.MaxWebhooksPerClient {
			return w, paybell.Errorf(paybell.Conflict, "this client has %d webhooks, which is the most; delete one first", len(all))
		}
		return w, tx.CreateWebhook(w)
	}, nil
}
