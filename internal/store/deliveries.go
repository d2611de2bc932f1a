package store

import (
	"slices"
	"time"

	"github.com/paybell/paybell"
)

func (tx *Tx) insertNotification(n paybell.Notification) error {
	_, err := tx.exec(`INSERT INTO notifications (id, client_id, invoice_id, version, event, created_at, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		n.ID, n.ClientID, n.InvoiceID, n.Version, int64(n.Event), micros(n.At), string(n.Body))
	return err
}

// deliver makes a numbered delivery of n to every webhook that wants it: those
// of its client, and those given with the invoice unless the client has the
// same URL for the same event.
func (tx *Tx) deliver(n paybell.Notification) error {
	wanted, err := list(tx, func(s scanner) (d paybell.Delivery, err error) {
		var state paybell.WebhookState
		err = s.Scan(&d.WebhookID, &d.Number, &d.URL, &d.Origin, &state)
		d.State = paybell.DeliveryPending
		if state != paybell.WebhookActive {
			d.State = paybell.Held
		}
		return d, err
	}, `UPDATE webhooks SET last_number = last_number + 1
		WHERE client_id = $1 AND invoice_id IN ('', $2) AND state <> 'deleted' AND events & $3 <> 0
		AND (invoice_id = '' OR NOT EXISTS (SELECT 1 FROM webhooks AS same WHERE same.client_id = $1 AND same.invoice_id = ''
			AND same.url = webhooks.url AND same.state <> 'deleted' AND same.events & $3 <> 0))
		RETURNING id, last_number, url, origin, state`,
		n.ClientID, n.InvoiceID, int64(n.Event))
	if err != nil {
		return err
	}
	for _, d := range wanted {
		d.NotificationID, d.InvoiceID, d.ClientID, d.CreatedAt = n.ID, n.InvoiceID, n.ClientID, n.At
		d.Epoch, d.Body = tx.db.epoch, n.Body
		if err := tx.insertDelivery(&d, n.Version == 1); err != nil {
			return err
		}
		if d.State == paybell.DeliveryPending {
			tx.fresh = append(tx.fresh, d)
		}
	}
	return nil
}

// insertDelivery puts d at the end of its lane. The head of a lane is due at
// once; what stands behind another waits for it.
func (tx *Tx) insertDelivery(d *paybell.Delivery, first bool) (err error) {
	if !first {
		if d.Previous, _, err = one(tx, scanInt, `SELECT number FROM deliveries
			WHERE webhook_id = $1 AND invoice_id = $2 AND state = 'pending' ORDER BY number DESC LIMIT 1`, d.WebhookID, d.InvoiceID); err != nil {
			return err
		}
	}
	if d.State == paybell.DeliveryPending && d.Previous == 0 {
		d.DueAt = d.CreatedAt
	}
	_, err = tx.exec(`INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, attempts, due_at, created_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, 0)`,
		d.WebhookID, d.Number, d.NotificationID, d.InvoiceID, d.ClientID, d.Origin, string(d.State), micros(d.DueAt), micros(d.CreatedAt))
	return err
}

// Endpoint names one merchant server: what shares its health and its limits.
type Endpoint struct{ ClientID, Origin string }

// DueEndpoints lists the endpoints that have pending deliveries, and when the
// first of each is due. The walk over the index skips from endpoint to endpoint,
// so a million waiting rows of one cost as much as one.
func (tx *Tx) DueEndpoints() (map[Endpoint]time.Time, error) {
	due := map[Endpoint]time.Time{}
	var last Endpoint
	for {
		type row struct {
			Endpoint
			at time.Time
		}
		next, found, err := one(tx, func(s scanner) (r row, err error) {
			return r, s.Scan(&r.ClientID, &r.Origin, when{&r.at})
		}, `SELECT client_id, origin, due_at FROM deliveries WHERE due_at > 0 AND (client_id, origin) > ($1, $2)
			ORDER BY client_id, origin, due_at LIMIT 1`, last.ClientID, last.Origin)
		if err != nil || !found {
			return due, err
		}
		due[next.Endpoint] = next.at
		last = next.Endpoint
	}
}

const deliveryColumns = `d.webhook_id, d.number, d.notification_id, d.invoice_id, d.client_id, d.origin, d.state, d.attempts,
	d.due_at, d.created_at, w.url, n.body`

func scanDelivery(s scanner) (d paybell.Delivery, err error) {
	var body string
	err = s.Scan(&d.WebhookID, &d.Number, &d.NotificationID, &d.InvoiceID, &d.ClientID, &d.Origin, &d.State, &d.Attempts,
		when{&d.DueAt}, when{&d.CreatedAt}, &d.URL, &body)
	d.Body = []byte(body)
	return d, err
}

// DueDeliveries reads the heads of an endpoint's lanes that are due, the oldest
// first, and when the next after them is due (zero: none).
func (tx *Tx) DueDeliveries(e Endpoint, now time.Time, limit int) (heads []paybell.Delivery, next time.Time, err error) {
	heads, err = list(tx, scanDelivery, `SELECT `+deliveryColumns+` FROM deliveries d
		JOIN webhooks w ON w.id = d.webhook_id JOIN notifications n ON n.id = d.notification_id
		WHERE d.client_id = $1 AND d.origin = $2 AND d.due_at > 0 AND d.due_at <= $3 ORDER BY d.due_at LIMIT $4`,
		e.ClientID, e.Origin, micros(now), limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	for i := range heads {
		heads[i].Epoch = tx.db.epoch
	}
	if len(heads) == limit {
		return heads, now, nil
	}
	us, _, err := one(tx, scanInt, `SELECT due_at FROM deliveries WHERE client_id = $1 AND origin = $2 AND due_at > $3 ORDER BY due_at LIMIT 1`,
		e.ClientID, e.Origin, micros(now))
	return heads, moment(us), err
}

// Result is an attempt and the delivery as it stands after it.
type Result struct {
	Delivery paybell.Delivery
	Attempt  paybell.Attempt
}

// Record writes the results of attempts, in one transaction for many. When the
// head of a lane is done, the next in the lane becomes due; next tells for which
// results that happened. A delivery that was ended meanwhile (its webhook was
// deleted) keeps its state.
func (tx *Tx) Record(results []Result, now time.Time) (next []bool, err error) {
	if err := tx.lockLanes(results); err != nil {
		return nil, err
	}
	next = make([]bool, len(results))
	for i, r := range results {
		if next[i], err = tx.record(r, now); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// lockLanes waits for those who are just adding to the lanes of these results,
// and keeps others out: Apply holds its invoice's row. Else a delivery that is
// added behind one that is being finished would see it pending, the finisher
// would not see the new one, and nobody would make it due. SQLite has one writer.
func (tx *Tx) lockLanes(results []Result) error {
	var ids []string
	for _, r := range results {
		ids = append(ids, r.Delivery.InvoiceID)
	}
	slices.Sort(ids) // one order for all, against deadlocks
	for _, id := range slices.Compact(ids) {
		if err := tx.lock("SELECT 1 FROM invoices WHERE id = $1", id); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) record(r Result, now time.Time) (next bool, err error) {
	a, d := r.Attempt, r.Delivery
	if _, err := tx.exec(`INSERT INTO attempts (webhook_id, number, n, started_at, duration, status, answer, failure)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (webhook_id, number, n) DO NOTHING`,
		a.WebhookID, a.Number, a.N, micros(a.StartedAt), a.Duration.Microseconds(), a.Status, a.Answer, a.Failure); err != nil {
		return false, err
	}
	var finished time.Time
	if d.State != paybell.DeliveryPending {
		finished = now
	}
	n, err := tx.exec(`UPDATE deliveries SET state = $3, attempts = $4, due_at = $5, finished_at = $6
		WHERE webhook_id = $1 AND number = $2 AND state = 'pending'`,
		d.WebhookID, d.Number, string(d.State), d.Attempts, micros(d.DueAt), micros(finished))
	if err != nil || n == 0 || d.State == paybell.DeliveryPending {
		return false, err
	}
	n, err = tx.exec(`UPDATE deliveries SET due_at = $3 WHERE webhook_id = $1 AND due_at = 0 AND number =
		(SELECT MIN(number) FROM deliveries WHERE webhook_id = $1 AND invoice_id = $2 AND state = 'pending')`,
		d.WebhookID, d.InvoiceID, micros(now))
	return n > 0, err
}

// ActiveURL reads where a webhook is to be rung now; active is false when it is
// not to be rung.
func (tx *Tx) ActiveURL(webhookID string) (url string, active bool, err error) {
	return one(tx, scanText, "SELECT url FROM webhooks WHERE id = $1 AND state = 'active'", webhookID)
}

// Epoch is that of the store's sequence numbers.
func (tx *Tx) Epoch() int64 { return tx.db.epoch }

// Deliveries lists a webhook's deliveries after a number, in order.
func (tx *Tx) Deliveries(webhookID string, after int64, limit int) ([]paybell.Delivery, error) {
	all, err := list(tx, scanDelivery, `SELECT `+deliveryColumns+` FROM deliveries d
		JOIN webhooks w ON w.id = d.webhook_id JOIN notifications n ON n.id = d.notification_id
		WHERE d.webhook_id = $1 AND d.number > $2 ORDER BY d.number LIMIT $3`, webhookID, after, limit)
	for i := range all {
		all[i].Epoch = tx.db.epoch
	}
	return all, err
}

// Attempts lists what was tried for one delivery.
func (tx *Tx) Attempts(webhookID string, number int64) ([]paybell.Attempt, error) {
	return list(tx, func(s scanner) (a paybell.Attempt, err error) {
		var us int64
		err = s.Scan(&a.WebhookID, &a.Number, &a.N, when{&a.StartedAt}, &us, &a.Status, &a.Answer, &a.Failure)
		a.Duration = time.Duration(us) * time.Microsecond
		return a, err
	}, `SELECT webhook_id, number, n, started_at, duration, status, answer, failure
		FROM attempts WHERE webhook_id = $1 AND number = $2 ORDER BY n`, webhookID, number)
}

// Undelivered counts the deliveries that are still pending.
func (tx *Tx) Undelivered() (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM deliveries WHERE state = 'pending'")
	return n, err
}
