package desk

import (
	"context"
	"errors"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewWebhook is what a webhook is made of.
type NewWebhook struct {
	URL    string
	Events []string
}

// newWebhook checks n; prefix says in errors where it stands in the input.
func (d *Desk) newWebhook(clientID, prefix string, n NewWebhook) (paybell.Webhook, error) {
	events, err := paybell.ParseEvents(prefix+"notifications", n.Events)
	if err != nil {
		return paybell.Webhook{}, err
	}
	origin, err := paybell.CheckNotificationsURL(n.URL, d.Allow)
	if err != nil {
		return paybell.Webhook{}, within(prefix, err)
	}
	return paybell.Webhook{ClientID: clientID, URL: n.URL, Origin: origin, Events: events, State: paybell.WebhookActive}, nil
}

// within says of an error in a field where that field stands.
func within(prefix string, err error) error {
	var e *paybell.Error
	if prefix == "" || !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	moved := *e
	moved.Detail, moved.Fields = prefix+e.Detail, map[string]string{}
	for field, what := range e.Fields {
		moved.Fields[prefix+field] = what
	}
	return &moved
}

// CreateWebhook makes a webhook of a client.
func (d *Desk) CreateWebhook(ctx context.Context, a Actor, clientID string, n NewWebhook) (paybell.Webhook, error) {
	if err := a.owns(clientID, paybell.CreateClientWebhook); err != nil {
		return paybell.Webhook{}, err
	}
	w, err := d.newWebhook(a.ClientID, "", n)
	if err != nil {
		return w, err
	}
	w.ID, w.CreatedAt = paybell.NewWebhookID(), now()
	return w, store.Do(ctx, d.DB, func(tx *store.Tx) error {
		all, err := tx.Webhooks(a.ClientID)
		if err != nil {
			return err
		}
		if len(all) >= paybell.MaxWebhooksPerClient {
			return paybell.Errorf(paybell.Conflict, "this client has %d webhooks, which is the most; delete one first", len(all))
		}
		return tx.CreateWebhook(w)
	})
}

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

// DeleteWebhook ends a webhook.
func (d *Desk) DeleteWebhook(ctx context.Context, a Actor, clientID, id string) error {
	if err := a.owns(clientID, paybell.DeleteWebhook); err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error { return tx.DeleteWebhook(a.ClientID, id, now()) })
}

// owns checks that the path names the client that asks. Others do not exist.
func (a Actor) owns(clientID string, p paybell.Permissions) error {
	if id, ok := paybell.ParseClientID(clientID); !ok || id != a.ClientID {
		return paybell.Errorf(paybell.NotFound, "Merchant Not Found! The path names client %.40q, but the request is signed by another", clientID)
	}
	return a.may(p)
}
