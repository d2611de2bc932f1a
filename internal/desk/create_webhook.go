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
	if err := a.asks(clientID, paybell.CreateClientWebhook); err != nil {
		return nil, err
	}
	return once(ctx, d, a, o, func() (func(*store.Tx) (paybell.Webhook, error), error) { return d.createWebhook(a, clientID, n) })
}

func (d *Desk) createWebhook(a Actor, clientID string, n NewWebhook) (func(*store.Tx) (paybell.Webhook, error), error) {
	if err := a.asks(clientID, paybell.CreateClientWebhook); err != nil {
		return nil, err
	}
	made, err := d.newWebhook("", "", n)
	if err != nil {
		return nil, err
	}
	made.ID, made.CreatedAt = paybell.NewWebhookID(), now()
	made.CreatedFromUI = a.UserID != "" // only the dashboard acts for users
	return func(tx *store.Tx) (paybell.Webhook, error) {
		w := made
		var err error
		if w.ClientID, err = a.actsFor(tx, clientID, paybell.CreateClientWebhook); err != nil {
			return w, err
		}
		if _, err := tx.ClientForUpdate(w.ClientID); err != nil {
			return w, err
		}
		all, err := tx.Webhooks(w.ClientID, "")
		if err != nil {
			return w, err
		}
		if len(all) >= paybell.MaxWebhooksPerClient {
			return w, paybell.Errorf(paybell.Conflict, "this client has %d webhooks, which is the most; delete one first", len(all))
		}
		if err := tx.CreateWebhook(w); err != nil {
			return w, err
		}
		return w, a.audit(tx, "createWebhook", w.ID, w.Origin)
	}, nil
}
