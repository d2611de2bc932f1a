package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// EndpointLine is one merchant server with all that a person wants to see beside it.
type EndpointLine struct {
	ClientID, Client string // whose it is, and the client's name
	EndpointStatus
	Pending  int64             // notifications that wait for it; more than MaxCounted: so many at least
	NextAt   time.Time         // when it is asked next; zero: nothing waits
	OnWire   int               // attempts under way from this process
	Webhooks []paybell.Webhook // of the client's own that ring there
	// Recent are the newest deliveries to those webhooks, the newest first, with their
	// state and their times only.
	Recent []paybell.Delivery
}

// EndpointPage is the endpoints of a merchant, or of some of it.
type EndpointPage struct {
	Lines []EndpointLine // those that are not well first, then those that were told something last
	More  int            // that were left out
	Jobs  []paybell.Resend
}

// EndpointFilter says which endpoints to list.
type EndpointFilter struct {
	ClientID, Origin string // empty: of all
	Limit            int    // of endpoints, 1..MaxEndpoints
	Recent           int    // deliveries of each, 0..MaxRecent
}

// MaxRecent is how many of its newest deliveries come with an endpoint at most.
const MaxRecent = 200

// maxJobs is how many running jobs are listed.
const maxJobs = 20

// ListEndpoints reads how the merchant's servers are, and which jobs are running that
// send to them again, for people.
func (d *Desk) ListEndpoints(ctx context.Context, a Actor, f EndpointFilter) (EndpointPage, error) {
	if err := a.looker(); err != nil {
		return EndpointPage{}, err
	}
	if err := a.may(paybell.GetWebhooks | paybell.PullNotifications); err != nil {
		return EndpointPage{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (page EndpointPage, err error) {
		clients, err := a.clientNames(tx, f.ClientID)
		if err != nil {
			return page, err
		}
		all, hooks, err := a.endpoints(tx, f, clients)
		if err != nil {
			return page, err
		}
		page.More = max(0, len(all)-f.Limit)
		for _, e := range all[:len(all)-page.More] {
			l, err := d.endpointLine(tx, e, hooks[e], f.Recent)
			if err != nil {
				return page, err
			}
			l.Client = clients[e.ClientID]
			page.Lines = append(page.Lines, l)
		}
		jobs, err := tx.RunningResendsOf(a.MerchantID, maxJobs)
		for _, j := range jobs {
			if _, ours := clients[j.ClientID]; ours && (f.Origin == "" || f.Origin == j.Origin) {
				page.Jobs = append(page.Jobs, j)
			}
		}
		return page, err
	})
}

// endpoints lists what a filter is about, with the webhooks of clients that ring
// there.
func (a Actor) endpoints(tx *store.Tx, f EndpointFilter, clients map[string]string) (all []store.Endpoint, hooks map[store.Endpoint][]paybell.Webhook, err error) {
	hooks = map[store.Endpoint][]paybell.Webhook{}
	add := func(e store.Endpoint) {
		if _, ours := clients[e.ClientID]; !ours || f.Origin != "" && f.Origin != e.Origin {
			return
		}
		if _, known := hooks[e]; !known {
			all, hooks[e] = append(all, e), nil
		}
	}
	unwell, err := tx.Unwell(a.MerchantID, now(), maxUnwell)
	if err != nil {
		return nil, nil, err
	}
	for _, u := range unwell {
		add(u.Endpoint)
	}
	used, err := tx.RecentHooks(a.MerchantID, store.Endpoint{ClientID: f.ClientID, Origin: f.Origin}, store.MaxRecentHooks)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range used {
		e := store.Endpoint{ClientID: h.ClientID, Origin: h.Origin}
		add(e)
		hooks[e] = append(hooks[e], h.Webhook)
	}
	given, err := a.givenHooks(tx, clients, now())
	for _, w := range given {
		add(store.Endpoint{ClientID: w.ClientID, Origin: w.Origin})
	}
	return all, hooks, err
}

func (d *Desk) endpointLine(tx *store.Tx, e store.Endpoint, hooks []paybell.Webhook, recent int) (l EndpointLine, err error) {
	l.ClientID, l.Webhooks = e.ClientID, hooks
	if l.EndpointStatus, err = endpointStatus(tx, e); err != nil {
		return l, err
	}
	if !l.OldestWaiting.IsZero() {
		if l.Pending, err = tx.CountPending(e, MaxCounted+1); err != nil {
			return l, err
		}
		if l.NextAt, err = tx.NextAttempt(e); err != nil {
			return l, err
		}
		if l.Health.PausedUntil.After(l.NextAt) {
			l.NextAt = l.Health.PausedUntil
		}
	}
	var ids []string
	for _, w := range hooks {
		l.OnWire += d.inFlight(w.ID)
		ids = append(ids, w.ID)
	}
	if recent == 0 || len(ids) == 0 {
		return l, nil
	}
	page, err := tx.Recent(store.RecentFilter{WebhookIDs: ids, Limit: recent, Look: recent})
	l.Recent = page.Deliveries
	return l, err
}
