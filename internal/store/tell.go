package store

import (
	"slices"
	"time"

	"github.com/paybell/paybell"
)

// telling is what a client's webhooks are to be told: changes of one invoice, or other
// news.
type telling struct {
	clientID string
	changes  []paybell.Change
	news     *paybell.Notification
	notTo    paybell.Webhook // whom the news is about: that webhook, or all of an origin
}

func (t *telling) invoiceID() string {
	if t.news != nil {
		return t.news.InvoiceID
	}
	return t.changes[0].Invoice.ID
}

// tell writes a notification, and a numbered delivery of it to every webhook that
// wants it: those of its client, and those given with the invoice unless the client
// has the same URL for the same event. A delivery stands at the end of its lane. The
// head of a lane is due at once; what stands behind another waits for it.
//
// The writer may do so later, for many at once.
func (tx *Tx) tell(t telling) error {
	if tx.later == nil {
		fresh, err := tx.tellNow([]telling{t})
		tx.fresh = append(tx.fresh, fresh...)
		return err
	}
	if tx.err == nil {
		tx.err = tx.db.faultAt(BeforeStatement)
	}
	if tx.err == nil {
		tx.later.told = append(tx.later.told, t)
	}
	return tx.err
}

// tellNow returns the deliveries that may be attempted.
func (tx *Tx) tellNow(all []telling) (fresh []paybell.Delivery, err error) {
	if len(tx.voices) > maxRemembered {
		clear(tx.voices)
	}
	var clients []string
	var invoices []scope
	for i := range all {
		clients = append(clients, all[i].clientID)
		if id := all[i].invoiceID(); id != "" {
			invoices = append(invoices, scope{all[i].clientID, id})
		}
	}
	slices.Sort(clients)
	clients = slices.Compact(clients)
	given, err := tx.readHooks(clients, invoices)
	if err != nil {
		return nil, err
	}
	ends := map[lane]int64{} // of lanes that something is added to here
	for i := range all {
		t := &all[i]
		v := tx.voices[t.clientID]
		tell := func(n paybell.Notification) error {
			if _, err := tx.insert(notificationRow, n.ID, n.ClientID, n.InvoiceID, n.Version, int64(n.Event), micros(n.At), string(n.Body)); err != nil || !v.told {
				return err
			}
			for _, h := range ears(v, given[n.InvoiceID], n, t.notTo) {
				d, err := tx.deliver(h, n, ends)
				if err != nil {
					return err
				}
				if d.State == paybell.DeliveryPending {
					fresh = append(fresh, d)
				}
			}
			return nil
		}
		if t.news != nil {
			if err := tell(*t.news); err != nil {
				return nil, err
			}
			continue
		}
		names := v.names
		for _, c := range t.changes {
			if c.Event.Payment() {
				names = paymentNames(v, given[c.Invoice.ID], c.Event, names)
			}
			if err := tell(c.Tell(v.merchant, names)); err != nil {
				return nil, err
			}
		}
	}
	return fresh, nil
}

var notificationRow = newRow("notifications (id, client_id, invoice_id, version, event, created_at, body)", "")

// paymentNames adds to a client's style how the payment event is to be named: as
// its webhooks have subscribed to it. If they do not agree, as documented: one
// notification has the same bytes for all.
func paymentNames(v *voice, given []*hook, e paybell.Event, names paybell.EventNames) paybell.EventNames {
	long, any := paybell.LongPaymentNames, false
	for _, hooks := range [][]*hook{v.hooks, given} {
		for _, h := range hooks {
			if h.events&e != 0 {
				long, any = long&h.events.PaymentNames(), true
			}
		}
	}
	if !any {
		long = 0
	}
	return names&^paybell.LongPaymentNames | long
}

// ears are the webhooks that want a notification.
func ears(v *voice, given []*hook, n paybell.Notification, notTo paybell.Webhook) (all []*hook) {
	wants := func(h *hook) bool { return h.events&n.Event != 0 && h.id != notTo.ID && h.origin != notTo.Origin }
	for _, h := range v.hooks {
		if wants(h) {
			all = append(all, h)
		}
	}
	for _, h := range given {
		same := func(own *hook) bool { return own.url == h.url && own.events&n.Event != 0 }
		if wants(h) && !slices.ContainsFunc(v.hooks, same) {
			all = append(all, h)
		}
	}
	return all
}

// lane is where deliveries of one webhook and invoice wait for each other.
type lane struct{ webhookID, invoiceID string }

var deliveryRow = newRow(`deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, due_at, created_at, finished_at,
	marks, attempts, round, refused_secret, failing_since)`, "")

// deliver makes the delivery of n to a webhook. ends has the last numbers of the lanes
// that were added to and are not in the database yet.
func (tx *Tx) deliver(h *hook, n paybell.Notification, ends map[lane]int64) (d paybell.Delivery, err error) {
	d = paybell.Delivery{
		WebhookID: h.id, Number: h.last + 1, NotificationID: n.ID, InvoiceID: n.InvoiceID, ClientID: n.ClientID, Origin: h.origin,
		State: paybell.Held, CreatedAt: n.At, FinishedAt: n.At, Epoch: tx.db.epoch, Body: n.Body,
	}
	if l := (lane{h.id, n.InvoiceID}); h.rings {
		d.State, d.FinishedAt = paybell.DeliveryPending, time.Time{}
		if d.Previous = ends[l]; d.Previous == 0 && !begins(n) {
			if d.Previous, err = tx.lastInLane(d); err != nil {
				return d, err
			}
		}
		if d.Previous == 0 {
			d.DueAt = moment(micros(n.At))
		}
		ends[l] = d.Number
	}
	_, err = tx.insert(deliveryRow, d.WebhookID, d.Number, d.NotificationID, d.InvoiceID, d.ClientID, d.Origin,
		string(d.State), micros(d.DueAt), micros(n.At), micros(d.FinishedAt), 0, 0, 0, 0, 0)
	h.last = d.Number
	return d, err
}

// begins reports whether n is the first that is told of an invoice: nothing waits in
// its lanes.
func begins(n paybell.Notification) bool { return n.Version == 1 && n.InvoiceID != "" }

// lastInLane is the number of the last delivery that waits before d, where it stands
// when it is made; 0: none does.
func (tx *Tx) lastInLane(d paybell.Delivery) (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COALESCE(MAX(number), 0) FROM "+tx.inLane("$3")+" AND number < $4", d.WebhookID, d.InvoiceID, 0, d.Number)
	return n, err
}
