package desk

import (
	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewWebhook is what a webhook is made of.
type NewWebhook struct {
	URL    string
	Events []string
	// Schedule is the pauses after failed attempts, in seconds; empty is the usual
	// ones, and nil for a webhook that exists is those that it has.
	Schedule []int64
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
	schedule, err := paybell.ParseSchedule(prefix+"retrySchedule", n.Schedule)
	if err != nil {
		return paybell.Webhook{}, err
	}
	return paybell.Webhook{ClientID: clientID, URL: n.URL, Origin: origin, Events: events, Schedule: schedule, State: paybell.WebhookActive}, nil
}

// hook loads a webhook of a client that the actor may act for: its own, or, for
// a person, any of the merchant's.
func (a Actor) hook(tx *store.Tx, clientID, id string, p paybell.Permissions) (paybell.Webhook, error) {
	own, err := a.actsFor(tx, clientID, p)
	if err != nil {
		return paybell.Webhook{}, err
	}
	return tx.Webhook(own, id)
}

// hookToChange is hook for who is about to change it.
func (a Actor) hookToChange(tx *store.Tx, clientID, id string) (paybell.Webhook, error) {
	own, err := a.actsFor(tx, clientID, paybell.UpdateWebhook)
	if err != nil {
		return paybell.Webhook{}, err
	}
	return tx.WebhookForUpdate(own, id)
}

// actsFor is the id of the client that the path names, if the actor may do this
// for it.
func (a Actor) actsFor(tx *store.Tx, clientID string, p paybell.Permissions) (string, error) {
	if err := a.asks(clientID, p); err != nil || a.ClientID != "" {
		return a.ClientID, err
	}
	c, err := a.client(clientID, tx.Client)
	return c.ID, err
}

// asks is what of actsFor can be told without looking at the store.
func (a Actor) asks(clientID string, p paybell.Permissions) error {
	if a.ClientID != "" {
		return a.owns(clientID, p)
	}
	return a.may(p)
}

// inFlight is how many attempts for a webhook are under way from this process: a
// change of where it rings does not call them back.
func (d *Desk) inFlight(webhookID string) int {
	if d.Wire == nil {
		return 0
	}
	return d.Wire.InFlight(webhookID)
}

// owns checks that the path names the client that asks. Others do not exist.
func (a Actor) owns(clientID string, p paybell.Permissions) error {
	if id, ok := paybell.ParseClientID(clientID); !ok || id != a.ClientID {
		return paybell.Errorf(paybell.NotFound, "Merchant Not Found! The path names client %.40q, but the request is signed by another", clientID)
	}
	return a.may(p)
}
