package store

import (
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// What a notification needs of its client is the same again and again: who speaks,
// and who is told. The writer of SQLite remembers it from transaction to
// transaction, so that a delivery is one plain INSERT. It sees every statement of
// its own, and asks SQLite whether another connection has written: a memory that
// could differ from what is in the database is dropped whole.

// maxRemembered bounds of how many clients something is remembered.
const maxRemembered = 500

// voice is who speaks in a client's notifications, and how: its merchant, its
// style for the names of events, and whether it is told at all (deleted clients
// are not).
type voice struct {
	merchant paybell.Merchant
	names    paybell.EventNames
	told     bool

	hooks []hook // the client's own; nil: not read
	given bool   // whether webhooks were given with its invoices; read with hooks
}

// hook is what is needed of a webhook to make a delivery for it.
type hook struct {
	id, origin, url string
	events          paybell.Event
	rings           bool  // or else what comes is held
	last            int64 // the number of its last delivery
}

// harmless is how statements begin that change nothing of what is remembered.
var harmless = []string{
	"SELECT ", "UPDATE deliveries", // their numbers never change
	"INSERT INTO attempts ", "INSERT INTO notifications ", "INSERT INTO invoices ", "UPDATE invoices ", "INSERT INTO payments ",
	"INSERT INTO transfers ", "INSERT INTO answers ", "INSERT INTO audit ",
}

// mind drops what is remembered when a statement could change it.
func (tx *Tx) mind(query string) {
	if len(tx.voices) == 0 || query == deliveryRow.one() {
		return
	}
	if !slices.ContainsFunc(harmless, func(begin string) bool { return strings.HasPrefix(query, begin) }) {
		clear(tx.voices)
	}
}

func (tx *Tx) voice(clientID string) (*voice, error) {
	if v := tx.voices[clientID]; v != nil {
		return v, nil
	}
	v, found, err := one(tx, func(s scanner) (v voice, err error) {
		var state paybell.ClientState
		m := &v.merchant
		err = s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt}, &v.names, &state)
		v.told = state != paybell.ClientDeleted
		return v, err
	}, "SELECT m.id, m.name, m.email, m.created_at, c.event_names, c.state FROM clients c JOIN merchants m ON m.id = c.merchant_id WHERE c.id = $1", clientID)
	if err == nil && !found {
		err = errNoClient(clientID)
	}
	if err != nil {
		return nil, err
	}
	if tx.voices != nil {
		if len(tx.voices) >= maxRemembered {
			clear(tx.voices)
		}
		tx.voices[clientID] = &v
	}
	return &v, nil
}

// hooksOf reads the webhooks of a client, or those given with an invoice, that are
// not deleted.
func (tx *Tx) hooksOf(clientID, invoiceID string) ([]hook, error) {
	return list(tx, func(s scanner) (h hook, err error) {
		return h, s.Scan(&h.id, &h.origin, &h.url, &h.events, &h.rings, &h.last)
	}, `SELECT id, origin, url, events, CASE WHEN state = 'active' AND NOT EXISTS (SELECT 1 FROM endpoints e
				WHERE e.client_id = w.client_id AND e.origin = w.origin AND e.disabled_at > 0) THEN 1 ELSE 0 END,
			COALESCE((SELECT MAX(number) FROM deliveries WHERE webhook_id = w.id), last_number)
		FROM webhooks w WHERE client_id = $1 AND invoice_id = $2 AND state <> 'deleted'`, clientID, invoiceID)
}

// ears are the webhooks that want a notification, as Tx.deliver says.
func (tx *Tx) ears(v *voice, n paybell.Notification, notTo paybell.Webhook) ([]*hook, error) {
	if v.hooks == nil {
		own, err := tx.hooksOf(n.ClientID, "")
		if err != nil {
			return nil, err
		}
		_, v.given, err = one(tx, scanText, "SELECT id FROM webhooks WHERE client_id = $1 AND invoice_id > '' LIMIT 1", n.ClientID)
		if err != nil {
			return nil, err
		}
		v.hooks = append([]hook{}, own...)
	}
	var all []*hook
	wants := func(h *hook) bool { return h.events&n.Event != 0 }
	for i := range v.hooks {
		if h := &v.hooks[i]; wants(h) {
			all = append(all, h)
		}
	}
	if v.given && n.InvoiceID != "" {
		given, err := tx.hooksOf(n.ClientID, n.InvoiceID)
		if err != nil {
			return nil, err
		}
		own := all
		for i := range given {
			h := &given[i]
			if wants(h) && !slices.ContainsFunc(own, func(o *hook) bool { return o.url == h.url }) {
				all = append(all, h)
			}
		}
	}
	return slices.DeleteFunc(all, func(h *hook) bool { return h.id == notTo.ID || h.origin == notTo.Origin }), nil
}

var deliveryRow = newRow(`deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, due_at, created_at, finished_at,
	marks, attempts, round, refused_secret, failing_since)`, "")

// deliverKnown is deliver for the writer, with what it remembers.
func (tx *Tx) deliverKnown(n paybell.Notification, notTo paybell.Webhook) error {
	v, err := tx.voice(n.ClientID)
	if err != nil {
		return err
	}
	hooks, err := tx.ears(v, n, notTo)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		d := tx.newDelivery(n)
		d.WebhookID, d.Number, d.Origin, d.State, d.FinishedAt = h.id, h.last+1, h.origin, paybell.Held, n.At
		if h.rings {
			d.State, d.FinishedAt = paybell.DeliveryPending, time.Time{}
			if !begins(n) {
				if d.Previous, err = tx.lastInLane(d); err != nil {
					return err
				}
			}
			if d.Previous == 0 {
				d.DueAt = moment(micros(n.At))
			}
		}
		if _, err := tx.insert(deliveryRow, d.WebhookID, d.Number, d.NotificationID, d.InvoiceID, d.ClientID, d.Origin,
			string(d.State), micros(d.DueAt), micros(n.At), micros(d.FinishedAt), 0, 0, 0, 0, 0); err != nil {
			return err
		}
		h.last = d.Number
		if h.rings {
			tx.fresh = append(tx.fresh, d)
		}
	}
	return nil
}
