package desk

import (
	"github.com/paybell/paybell"
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

// owns checks that the path names the client that asks. Others do not exist.
func (a Actor) owns(clientID string, p paybell.Permissions) error {
	if id, ok := paybell.ParseClientID(clientID); !ok || id != a.ClientID {
		return paybell.Errorf(paybell.NotFound, "Merchant Not Found! The path names client %.40q, but the request is signed by another", clientID)
	}
	return a.may(p)
}
