package desk

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// DeliveryMark is a place in a list of deliveries.
type DeliveryMark = store.Mark

// DeliveryFilter says which deliveries to list.
type DeliveryFilter struct {
	ClientID, WebhookID string       // empty: of all the merchant's
	Origin              string       // of an endpoint; empty: of all
	InvoiceID           string       // empty: about any
	Fate                paybell.Fate // empty: any
	Event               paybell.Events
	From, To            time.Time    // when they were made, both included; zero: any
	After               DeliveryMark // where the page begins; zero: with the newest
	Limit               int          // 1..MaxDeliveries
}

// MaxDeliveries is how many deliveries a page of them has at most.
const MaxDeliveries = 100

// DeliveryLine is a delivery as a list shows it.
type DeliveryLine struct {
	store.Glance
	Client string // its name
}

// DeliveryPage is a page of deliveries, newest first.
type DeliveryPage struct {
	Lines []DeliveryLine
	Next  DeliveryMark // where the next page begins; zero: there is none
	// LookedTo is set when the page ended because enough was looked at: everything
	// made since then was.
	LookedTo time.Time
	// Given says that webhooks that were given with invoices are among those that were
	// looked at. Unless an invoice is named, these are the ones of the newest invoices.
	Given bool
}

// How much is looked at for one page. Events are a second look for each.
const (
	lookDeliveries = 4000
	lookEvents     = 2000
	listedHooks    = 300 // of clients' own: those that were told something last
	givenHooks     = 200 // given with invoices: those of the newest
)

// ListDeliveries reads a page of what the merchant's webhooks are told, for people.
// What waits or fails is found wherever it is; what has another fate, or is about an
// event, is looked for from the newest on, and a page may end before it is full.
func (d *Desk) ListDeliveries(ctx context.Context, a Actor, f DeliveryFilter) (DeliveryPage, error) {
	if err := a.looker(); err != nil {
		return DeliveryPage{}, err
	}
	if err := a.may(paybell.PullNotifications); err != nil {
		return DeliveryPage{}, err
	}
	if f.Limit < 1 || f.Limit > MaxDeliveries {
		return DeliveryPage{}, paybell.InvalidField("limit", "must be 1 to %d", MaxDeliveries)
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (page DeliveryPage, err error) {
		clients, err := a.clientNames(tx, f.ClientID)
		if err != nil {
			return page, err
		}
		q, given, err := a.recent(tx, f, clients)
		if err != nil {
			return page, err
		}
		found, err := tx.Recent(q)
		if err != nil {
			return page, err
		}
		page.Next, page.LookedTo, page.Given = found.Next, found.LookedTo, given
		for _, one := range found.Deliveries {
			g, err := tx.Glance(one)
			if err != nil {
				return page, err
			}
			page.Lines = append(page.Lines, DeliveryLine{g, clients[g.ClientID]})
		}
		return page, nil
	})
}

// clientNames is the names of the merchant's clients, or of one of them.
func (a Actor) clientNames(tx *store.Tx, only string) (map[string]string, error) {
	names := map[string]string{}
	if only != "" {
		c, err := a.client(only, tx.Client)
		names[c.ID] = c.Name
		return names, err
	}
	all, err := tx.Clients(a.MerchantID)
	for _, c := range all {
		names[c.ID] = c.Name
	}
	return names, err
}

// recent says where to look for what a filter asks for. The clients are those that
// it is about.
func (a Actor) recent(tx *store.Tx, f DeliveryFilter, clients map[string]string) (q store.RecentFilter, given bool, err error) {
	q = store.RecentFilter{Fate: f.Fate, Event: f.Event, From: f.From, To: f.To, After: f.After, Limit: f.Limit, Look: lookDeliveries}
	if f.Event != 0 {
		q.Look = lookEvents
	}
	hooks, err := a.hooks(tx, f, clients)
	if err != nil {
		return q, false, err
	}
	endpoints := map[store.Endpoint]bool{}
	for _, w := range hooks {
		if e := (store.Endpoint{ClientID: w.ClientID, Origin: w.Origin}); f.Origin == "" || f.Origin == w.Origin {
			q.WebhookIDs = append(q.WebhookIDs, w.ID)
			given = given || w.InvoiceID != ""
			endpoints[e] = true
		}
	}
	if f.InvoiceID != "" {
		q.InvoiceID, _ = paybell.ParseUUID(f.InvoiceID) // it was found
		return q, given, nil
	}
	if f.Fate.Pending() && f.WebhookID == "" {
		q.WebhookIDs = nil // of any at these, and where something is wrong
		unwell, err := tx.Unwell(a.MerchantID, now(), MaxEndpoints)
		if err != nil {
			return q, given, err
		}
		for _, u := range unwell {
			if _, ours := clients[u.ClientID]; ours && (f.Origin == "" || f.Origin == u.Origin) {
				endpoints[u.Endpoint] = true
			}
		}
	}
	for e := range endpoints {
		q.Endpoints = append(q.Endpoints, e)
	}
	return q, given, nil
}

// hooks lists the webhooks that a filter is about, at most store.MaxRecentHooks.
func (a Actor) hooks(tx *store.Tx, f DeliveryFilter, clients map[string]string) ([]paybell.Webhook, error) {
	if f.WebhookID != "" {
		w, err := a.hook(tx, f.ClientID, f.WebhookID, paybell.PullNotifications)
		return []paybell.Webhook{w}, err
	}
	if f.InvoiceID != "" {
		inv, err := a.invoice(tx, f.InvoiceID)
		if err != nil {
			return nil, err
		}
		own, err := tx.Webhooks(inv.ClientID, "")
		if err != nil {
			return nil, err
		}
		with, err := tx.Webhooks(inv.ClientID, inv.ID)
		if _, wanted := clients[inv.ClientID]; !wanted {
			return nil, err
		}
		return append(own, with...), err
	}
	used, err := tx.RecentHooks(a.MerchantID, store.Endpoint{ClientID: f.ClientID, Origin: f.Origin}, listedHooks)
	if err != nil {
		return nil, err
	}
	var all []paybell.Webhook
	for _, h := range used {
		all = append(all, h.Webhook)
	}
	until := f.After.At
	if until.IsZero() {
		until = now()
	}
	given, err := a.givenHooks(tx, clients, until)
	return append(all, given...), err
}

// givenHooks lists webhooks that were given with the newest invoices of clients.
func (a Actor) givenHooks(tx *store.Tx, clients map[string]string, until time.Time) (all []paybell.Webhook, err error) {
	for id := range clients {
		given, err := tx.GivenHooks(id, until, givenHooks)
		if err != nil {
			return nil, err
		}
		all = append(all, given...)
	}
	slices.SortFunc(all, func(v, w paybell.Webhook) int {
		return cmp.Or(cmp.Compare(w.InvoiceID, v.InvoiceID), cmp.Compare(v.ID, w.ID))
	})
	return all[:min(len(all), givenHooks)], nil
}
