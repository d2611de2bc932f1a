package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// WebhookStatus is a webhook, how its endpoint is, and what waits there.
type WebhookStatus struct {
	Webhook  paybell.Webhook
	Endpoint EndpointStatus
}

// EndpointStatus is one merchant server.
type EndpointStatus struct {
	Origin        string
	Health        paybell.Health
	OldestWaiting time.Time // when the oldest notification was made that it has not got; zero: it has all
}

// WebhookStatus tells how a webhook is.
func (d *Desk) WebhookStatus(ctx context.Context, a Actor, clientID, id string) (WebhookStatus, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (s WebhookStatus, err error) {
		if s.Webhook, err = a.hook(tx, clientID, id, paybell.GetWebhooks); err != nil {
			return s, err
		}
		s.Endpoint, err = endpointStatus(tx, store.Endpoint{ClientID: s.Webhook.ClientID, Origin: s.Webhook.Origin})
		return s, err
	})
}

func endpointStatus(tx *store.Tx, e store.Endpoint) (s EndpointStatus, err error) {
	s.Origin = e.Origin
	if s.Health, err = tx.Health(e); err != nil {
		return s, err
	}
	s.OldestWaiting, err = tx.OldestWaiting(e)
	return s, err
}

// MaxEndpoints is how many endpoints of a client are listed.
const MaxEndpoints = 100

// Endpoints lists a client's servers: those that something is known of, the
// unwell ones first.
func (d *Desk) Endpoints(ctx context.Context, a Actor, clientID string) ([]EndpointStatus, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (all []EndpointStatus, err error) {
		own, err := a.actsFor(tx, clientID, paybell.GetWebhooks)
		if err != nil {
			return nil, err
		}
		origins, err := tx.Origins(own, MaxEndpoints)
		for _, origin := range origins {
			s, err := endpointStatus(tx, store.Endpoint{ClientID: own, Origin: origin})
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, err
	})
}
