package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Attention is what somebody has to mend, or the merchant's servers are not told what
// they should know.
type Attention struct {
	Endpoints []UnwellEndpoint // those that were disabled first, then those that fail the longest
	Webhooks  []DisabledWebhook
}

// UnwellEndpoint is a merchant's server that does not take what it is told.
type UnwellEndpoint struct {
	store.Unwell
	Pending int64 // notifications that wait for it; more than MaxCounted: so many at least
}

// DisabledWebhook is a webhook that said that it is gone.
type DisabledWebhook struct {
	paybell.Webhook
	Client string // the name of its client
}

// MaxCounted is up to where notifications that wait are counted.
const MaxCounted = 1000

const (
	failingFor = time.Minute // a failure is no alarm when the next attempt may well succeed
	maxUnwell  = 100
	countedFor = 10 // endpoints whose notifications are counted
)

// Attention reads what has to be mended, for people. It is cheap, and meant to be
// asked often.
func (d *Desk) Attention(ctx context.Context, a Actor) (Attention, error) {
	if err := a.looker(); err != nil {
		return Attention{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (Attention, error) { return a.attention(tx) })
}

func (a Actor) attention(tx *store.Tx) (n Attention, err error) {
	if err := a.may(paybell.GetWebhooks); err != nil {
		return n, err
	}
	unwell, err := tx.Unwell(a.MerchantID, now().Add(-failingFor), maxUnwell)
	if err != nil {
		return n, err
	}
	for i, u := range unwell {
		e := UnwellEndpoint{Unwell: u}
		if i < countedFor {
			if e.Pending, err = tx.CountPending(u.Endpoint, MaxCounted+1); err != nil {
				return n, err
			}
		}
		n.Endpoints = append(n.Endpoints, e)
	}
	hooks, err := tx.DisabledWebhooks(a.MerchantID, maxUnwell)
	if err != nil || len(hooks) == 0 {
		return n, err
	}
	names, err := a.clientNames(tx, "")
	for _, w := range hooks {
		n.Webhooks = append(n.Webhooks, DisabledWebhook{w, names[w.ClientID]})
	}
	return n, err
}
