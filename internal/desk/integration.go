package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Integration is a client with all that a person wants to see beside it.
type Integration struct {
	Client   paybell.Client
	Webhooks []HookStatus // oldest first
	// Elsewhere are servers that are not well and that none of the webhooks points
	// at: webhooks that were given with single invoices do.
	Elsewhere []EndpointStatus
	Secret    int64 // names the current secret, and says nothing about it
	OldSecret bool  // the one before it is good still
}

// HookStatus is a webhook as Integration has it.
type HookStatus struct {
	WebhookStatus
	OnWire int             // attempts under way from this process
	Job    *paybell.Resend // sends or skips what it missed; nil: none is running
}

// FindIntegration reads one of the merchant's clients, for people.
func (d *Desk) FindIntegration(ctx context.Context, a Actor, clientID string) (Integration, error) {
	if err := a.looker(); err != nil {
		return Integration{}, err
	}
	at := now()
	return store.View(ctx, d.DB, func(tx *store.Tx) (i Integration, err error) {
		if i.Client, err = a.client(clientID, tx.Client); err != nil {
			return i, err
		}
		secrets, err := tx.Secrets(i.Client.ID, at)
		if err != nil {
			return i, err
		}
		if len(secrets) > 0 {
			i.Secret, i.OldSecret = secrets[0].ID, len(secrets) > 1
		}
		hooks, err := tx.Webhooks(i.Client.ID, "")
		if err != nil {
			return i, err
		}
		known := map[string]EndpointStatus{}
		for _, w := range hooks {
			s, err := d.hookStatus(tx, w, known)
			if err != nil {
				return i, err
			}
			i.Webhooks = append(i.Webhooks, s)
		}
		i.Elsewhere, err = unwell(tx, i.Client.ID, known)
		return i, err
	})
}

// hookStatus reads how a webhook is, with the endpoints that are known already.
func (d *Desk) hookStatus(tx *store.Tx, w paybell.Webhook, known map[string]EndpointStatus) (HookStatus, error) {
	e, found := known[w.Origin]
	if !found {
		var err error
		if e, err = endpointStatus(tx, store.Endpoint{ClientID: w.ClientID, Origin: w.Origin}); err != nil {
			return HookStatus{}, err
		}
		known[w.Origin] = e
	}
	s := HookStatus{WebhookStatus: WebhookStatus{Webhook: w, Endpoint: e}, OnWire: d.inFlight(w.ID)}
	job, running, err := tx.MissedResend(w.ClientID, w.ID)
	if running {
		s.Job = &job
	}
	return s, err
}

// unwell lists the endpoints of a client that are not well and not among those
// that are known.
func unwell(tx *store.Tx, clientID string, known map[string]EndpointStatus) (all []EndpointStatus, err error) {
	origins, err := tx.Origins(clientID, MaxEndpoints) // the unwell ones first
	for _, origin := range origins {
		if _, found := known[origin]; found {
			continue
		}
		e, err := endpointStatus(tx, store.Endpoint{ClientID: clientID, Origin: origin})
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, err
}

// IntegrationLine is a client as the list of them shows it.
type IntegrationLine struct {
	Client   paybell.Client
	Webhooks int
	Quiet    int                   // of them: paused or disabled
	Health   paybell.EndpointState // of the endpoint that is worst; empty: there is none
}

// Integrations lists the merchant's clients, oldest first, for people.
func (d *Desk) Integrations(ctx context.Context, a Actor) ([]IntegrationLine, error) {
	if err := a.looker(); err != nil {
		return nil, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]IntegrationLine, error) {
		clients, err := tx.Clients(a.MerchantID)
		if err != nil {
			return nil, err
		}
		lines := make([]IntegrationLine, len(clients))
		for i, c := range clients {
			if lines[i], err = integrationLine(tx, c); err != nil {
				return nil, err
			}
		}
		return lines, nil
	})
}

func integrationLine(tx *store.Tx, c paybell.Client) (IntegrationLine, error) {
	l := IntegrationLine{Client: c}
	hooks, err := tx.Webhooks(c.ID, "")
	if err != nil {
		return l, err
	}
	l.Webhooks = len(hooks)
	for _, w := range hooks {
		if w.State != paybell.WebhookActive {
			l.Quiet++
		}
	}
	origins, err := tx.Origins(c.ID, MaxEndpoints)
	if err != nil {
		return l, err
	}
	for _, origin := range origins { // the unwell ones first
		h, err := tx.Health(store.Endpoint{ClientID: c.ID, Origin: origin})
		if err != nil {
			return l, err
		}
		state := h.State(now())
		if l.Health == "" || badness[state] > badness[l.Health] {
			l.Health = state
		}
		if state == paybell.EndpointHealthy || state == paybell.EndpointDisabled {
			break // no other is worse
		}
	}
	return l, nil
}

// badness orders the states of endpoints.
var badness = map[paybell.EndpointState]int{
	paybell.EndpointHealthy: 0, paybell.EndpointPaused: 1, paybell.EndpointFailing: 2, paybell.EndpointDisabled: 3,
}
