package store

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/paybell/paybell"
)

func (tx *Tx) insertNotification(n paybell.Notification) error {
	_, err := tx.insert(notificationRow, n.ID, n.ClientID, n.InvoiceID, n.Version, int64(n.Event), micros(n.At), string(n.Body))
	return err
}

var notificationRow = newRow("notifications (id, client_id, invoice_id, version, event, created_at, body)", "")

// deliver makes a numbered delivery of n to every webhook that wants it: those
// of its client, and those given with the invoice unless the client has the
// same URL for the same event. It passes over one webhook, or all of an origin,
// when the news is about them.
//
// A delivery stands at the end of its lane. The head of a lane is due at once;
// what stands behind another waits for it.
func (tx *Tx) deliver(n paybell.Notification, notTo paybell.Webhook) error {
	if tx.voices != nil {
		return tx.deliverKnown(n, notTo)
	}
	query := tx.db.dialect.deliver
	if begins(n) {
		query = tx.db.dialect.deliverFirst
	}
	made, err := list(tx, func(s scanner) (paybell.Delivery, error) {
		d := tx.newDelivery(n)
		return d, s.Scan(&d.WebhookID, &d.Number, &d.Origin, &d.State, when{&d.DueAt})
	}, query, n.ClientID, n.InvoiceID, int64(n.Event), notTo.ID, notTo.Origin, n.ID, micros(n.At))
	if err != nil {
		return err
	}
	for _, d := range made {
		if d.State != paybell.DeliveryPending {
			continue
		}
		if d.DueAt.IsZero() {
			if d.Previous, err = tx.lastInLane(d); err != nil {
				return err
			}
		}
		tx.fresh = append(tx.fresh, d)
	}
	return nil
}

// begins reports whether n is the first that is told of an invoice: nothing waits in
// its lanes.
func begins(n paybell.Notification) bool { return n.Version == 1 && n.InvoiceID != "" }

// newDelivery is a delivery of n to a webhook that is still to be named.
func (tx *Tx) newDelivery(n paybell.Notification) paybell.Delivery {
	return paybell.Delivery{NotificationID: n.ID, InvoiceID: n.InvoiceID, ClientID: n.ClientID, CreatedAt: n.At, Epoch: tx.db.epoch, Body: n.Body}
}

// lastInLane is the number of the last delivery that waits before d, where it stands
// when it is made; 0: none does.
func (tx *Tx) lastInLane(d paybell.Delivery) (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COALESCE(MAX(number), 0) FROM "+tx.inLane("$3")+" AND number < $4", d.WebhookID, d.InvoiceID, 0, d.Number)
	return n, err
}

// deliverSQL makes the deliveries of a notification in one statement. A webhook's
// next number is the one after its last delivery, or after the last that it had
// when none is kept any more. waits is the condition for deliveries that wait in
// the same lane.
func deliverSQL(waits string) string {
	return `INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, marks, attempts, round,
			refused_secret, due_at, failing_since, created_at, finished_at)
		SELECT hook.id, 1 + COALESCE((SELECT MAX(number) FROM deliveries WHERE webhook_id = hook.id), hook.last_number),
			CAST($6 AS TEXT), CAST($2 AS TEXT), CAST($1 AS TEXT), hook.origin, CASE WHEN rings = 1 THEN 'pending' ELSE 'held' END, 0, 0, 0,
			0, CASE WHEN rings = 1` + waits + ` THEN CAST($7 AS BIGINT) ELSE 0 END, 0, CAST($7 AS BIGINT), CASE WHEN rings = 1 THEN 0 ELSE CAST($7 AS BIGINT) END
		FROM (SELECT id, origin, last_number, CASE WHEN state = 'active' AND NOT EXISTS (SELECT 1 FROM endpoints e
				WHERE e.client_id = w.client_id AND e.origin = w.origin AND e.disabled_at > 0) THEN 1 ELSE 0 END AS rings
			FROM webhooks w WHERE client_id = $1 AND invoice_id IN ('', $2) AND state <> 'deleted' AND events & $3 <> 0 AND id <> $4 AND origin <> $5
			AND (invoice_id = '' OR NOT EXISTS (SELECT 1 FROM webhooks same WHERE same.client_id = $1 AND same.invoice_id = ''
				AND same.url = w.url AND same.state <> 'deleted' AND same.events & $3 <> 0))) hook
		RETURNING webhook_id, number, origin, state, due_at`
}

// Marks of deliveries, as bits. Those that decide the lane are lanes.
const (
	outOfOrder = 1
	resent     = 2
	replay     = 4
)

func marks(d *paybell.Delivery) int64 {
	return outOfOrder*flag(d.OutOfOrder) | resent*flag(d.Resent) | replay*flag(d.Replay)
}

// mayHaveGone marks what was due when it was held or given up: a process may have
// sent it, and died before it wrote so.
const mayHaveGone = "marks = marks | CASE WHEN due_at > 0 THEN 8 ELSE 0 END"

// laneMark is 0 for the lane of what is told for the first time, replay for that of
// what is told again, and 1 for what waits for nothing.
const laneMark = "CASE WHEN marks & 4 = 4 THEN 4 ELSE marks & 1 END"

// inLane is where the deliveries are that wait for each other in the lane of
// webhook $1 and invoice $2, as mark says: 0, or replay.
func (tx *Tx) inLane(mark string) string {
	return "deliveries" + tx.db.dialect.byLane + " WHERE webhook_id = $1 AND invoice_id = $2 AND " + laneMark + " = " + mark + " AND state IN ('pending', 'held')"
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

const deliveryColumns = `d.webhook_id, d.number, d.notification_id, d.invoice_id, d.client_id, d.origin, d.state, d.marks, d.attempts,
	d.round, d.refused_secret, d.due_at, d.failing_since, d.created_at, d.finished_at, w.url, n.body`

const deliveryTables = "deliveries d" + joined

const joined = " JOIN webhooks w ON w.id = d.webhook_id JOIN notifications n ON n.id = d.notification_id"

// laneTables is deliveryTables for who looks by webhook and invoice.
func (tx *Tx) laneTables() string { return "deliveries d" + tx.db.dialect.byLane + joined }

// scanDelivery reads a delivery; the epoch is the store's.
func (tx *Tx) scanDelivery(s scanner) (d paybell.Delivery, err error) {
	var body string
	var marks int64
	err = s.Scan(&d.WebhookID, &d.Number, &d.NotificationID, &d.InvoiceID, &d.ClientID, &d.Origin, &d.State, &marks, &d.Attempts,
		&d.Round, &d.RefusedSecret, when{&d.DueAt}, when{&d.FailingSince}, when{&d.CreatedAt}, when{&d.FinishedAt}, &d.URL, &body)
	d.OutOfOrder, d.Resent, d.Replay = marks&outOfOrder != 0, marks&resent != 0, marks&replay != 0
	d.Epoch, d.Body = tx.db.epoch, []byte(body)
	return d, err
}

// Place is where a delivery stands among those of its endpoint that are due.
type Place struct {
	DueAt     time.Time
	WebhookID string
	Number    int64
}

// DueDeliveries reads the heads of an endpoint's lanes that are due, the oldest
// first, after a place (zero: from the first), and when the next after them is
// due (zero: none). With an outage that is not zero, heads that began to fail
// since then are due at once.
func (tx *Tx) DueDeliveries(e Endpoint, after Place, now, outage time.Time, limit int) (heads []paybell.Delivery, next time.Time, err error) {
	since := int64(math.MaxInt64)
	if !outage.IsZero() {
		since = micros(outage)
	}
	heads, err = list(tx, tx.scanDelivery, "SELECT "+deliveryColumns+" FROM "+deliveryTables+`
		WHERE d.client_id = $1 AND d.origin = $2 AND d.due_at > 0 AND (d.due_at, d.webhook_id, d.number) > ($3, $4, $5)
		AND (d.due_at <= $6 OR d.failing_since >= $7) ORDER BY d.due_at, d.webhook_id, d.number LIMIT $8`,
		e.ClientID, e.Origin, micros(after.DueAt), after.WebhookID, after.Number, micros(now), since, limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(heads) == limit {
		return heads, now, nil
	}
	us, _, err := one(tx, scanInt, `SELECT due_at FROM deliveries WHERE client_id = $1 AND origin = $2 AND due_at > 0 AND due_at > $3 ORDER BY due_at LIMIT 1`,
		e.ClientID, e.Origin, micros(now))
	return heads, moment(us), err
}

// Result is an attempt, the delivery as it stands after it, and what the attempt
// says of its endpoint.
type Result struct {
	Delivery paybell.Delivery
	Attempt  paybell.Attempt
	URL      string    // that was called
	Hold     time.Time // the endpoint asked for no requests before; zero: it did not
	// Recovered says that the endpoint was failing before this success.
	Recovered bool
	// Accepted is the secret to remember as the one accepted last; 0: none is.
	Accepted int64
}

func (r *Result) endpoint() Endpoint { return Endpoint{r.Delivery.ClientID, r.Delivery.Origin} }

// Record writes the results of attempts, in one transaction for many. When a
// delivery leaves its lane, the next in the lane becomes due; next tells for
// which results that happened. A delivery that was ended meanwhile (its webhook
// was deleted) keeps its state.
func (tx *Tx) Record(results []Result, now time.Time) (next []bool, err error) {
	if err := tx.lockLanes(results); err != nil {
		return nil, err
	}
	next = make([]bool, len(results))
	inserted := make([]bool, len(results)) // false: it was written before
	for i := range results {
		if inserted[i], err = tx.insertAttempt(&results[i].Attempt); err != nil {
			return nil, err
		}
	}
	var fresh []Result
	for i, r := range results {
		if inserted[i] {
			if r.Attempt.Gone() {
				if err := tx.gone(&r, now); err != nil {
					return nil, err
				}
			}
			fresh = append(fresh, r)
		}
		if next[i], err = tx.record(r, now); err != nil {
			return nil, err
		}
	}
	// Last, in one order: the rows of endpoints are shared by many.
	for _, i := range byEndpoint(fresh) {
		if err := tx.judgeEndpoint(&fresh[i], now); err != nil {
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
	if tx.db.dialect.forUpdate == "" {
		return nil
	}
	lanes := make([]paybell.Delivery, len(results))
	for i, r := range results {
		lanes[i] = r.Delivery
	}
	// One order for all, against deadlocks: that of Apply, invoices first.
	slices.SortFunc(lanes, func(a, b paybell.Delivery) int {
		return cmp.Or(cmp.Compare(b.InvoiceID, a.InvoiceID), cmp.Compare(a.WebhookID, b.WebhookID)) // "" is last
	})
	lanes = slices.CompactFunc(lanes, func(a, b paybell.Delivery) bool {
		return a.InvoiceID == b.InvoiceID && (a.InvoiceID != "" || a.WebhookID == b.WebhookID)
	})
	for _, d := range lanes {
		if err := tx.lockLane(d.WebhookID, d.InvoiceID); err != nil {
			return err
		}
	}
	return nil
}

// lockLane keeps out others who would add to a lane or take from it: they hold its
// invoice, or, for news that are not about one, its webhook.
func (tx *Tx) lockLane(webhookID, invoiceID string) error {
	if invoiceID == "" {
		return tx.lock("SELECT 1 FROM webhooks WHERE id = $1", webhookID)
	}
	return tx.lock("SELECT 1 FROM invoices WHERE id = $1", invoiceID)
}

// insertAttempt writes an attempt; false: it was written already.
func (tx *Tx) insertAttempt(a *paybell.Attempt) (bool, error) {
	return tx.insert(attemptRow, a.WebhookID, a.Number, a.N, micros(a.StartedAt), a.Duration.Microseconds(), a.Timing.DNS.Microseconds(), a.Timing.Connect.Microseconds(),
		a.Timing.TLS.Microseconds(), a.Timing.FirstByte.Microseconds(), a.Status, a.Answer, a.Failure, a.Secret)
}

var attemptRow = newRow("attempts (webhook_id, number, n, started_at, duration, dns, connect, tls, first_byte, status, answer, failure, secret)",
	" ON CONFLICT (webhook_id, number, n) DO NOTHING")

func (tx *Tx) record(r Result, now time.Time) (next bool, err error) {
	d := r.Delivery
	var finished time.Time
	if d.State != paybell.DeliveryPending {
		finished = now
	}
	// The guard on attempts keeps out a result that was written already, and that on
	// the round a failure from before the delivery was made again. What was held
	// while it was on the wire, and got there, is delivered.
	passed := d.State == paybell.DeliveryPending && d.OutOfOrder && !d.Replay
	n, err := tx.exec(`UPDATE deliveries SET state = $3, marks = CASE WHEN $4 = 1 AND marks & 4 = 0 THEN (marks | 1) & 3 ELSE marks END, attempts = $5, refused_secret = $6,
			due_at = CASE WHEN $3 = 'pending' AND due_at = 0 THEN 0 ELSE CAST($7 AS BIGINT) END, failing_since = $8, finished_at = $9
		WHERE webhook_id = $1 AND number = $2 AND attempts < $5
		AND (state = 'pending' AND round = $10 OR $3 = 'delivered' AND state IN ('pending', 'held'))`,
		d.WebhookID, d.Number, string(d.State), flag(passed), d.Attempts, d.RefusedSecret, micros(d.DueAt), micros(d.FailingSince),
		micros(finished), d.Round)
	if err != nil {
		return false, err
	}
	if n == 0 { // it was made all the same: the next has another number
		_, err = tx.exec("UPDATE deliveries SET attempts = $3 WHERE webhook_id = $1 AND number = $2 AND attempts < $3", d.WebhookID, d.Number, d.Attempts)
		return false, err
	}
	switch {
	case passed: // out of the lane that it was in, unless it is told again by now: then it waits there
		return tx.promoteLane(d.WebhookID, d.InvoiceID, now)
	case d.State == paybell.DeliveryPending:
		return false, nil
	case d.State == paybell.Held: // with all that waits there
		return false, tx.holdLane(d.WebhookID, d.InvoiceID, now)
	}
	return tx.promote(&d, now)
}

// holdLane holds what waits for one webhook and invoice.
func (tx *Tx) holdLane(webhookID, invoiceID string, now time.Time) error {
	_, err := tx.exec("UPDATE deliveries"+tx.db.dialect.byLane+" SET state = 'held', "+mayHaveGone+", due_at = 0, finished_at = $3 WHERE webhook_id = $1 AND invoice_id = $2 AND state = 'pending'",
		webhookID, invoiceID, micros(now))
	return err
}

// promote makes the head of the lane due that a delivery is in, if it is not. Which
// lane that is says its row: what memory holds of it may be older.
func (tx *Tx) promote(d *paybell.Delivery, now time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE deliveries SET due_at = $4 WHERE webhook_id = $1 AND due_at = 0 AND state = 'pending' AND number =
		(SELECT MIN(number) FROM `+tx.inLane("(SELECT "+laneMark+" FROM deliveries WHERE webhook_id = $1 AND number = $3)")+" AND number <> $3)",
		d.WebhookID, d.InvoiceID, d.Number, micros(now))
	return n > 0, err
}

// promoteLane does so for what is told for the first time.
func (tx *Tx) promoteLane(webhookID, invoiceID string, now time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE deliveries SET due_at = $3 WHERE webhook_id = $1 AND due_at = 0 AND state = 'pending' AND number =
		(SELECT MIN(number) FROM `+tx.inLane("0")+")", webhookID, invoiceID, micros(now))
	return n > 0, err
}

// Settle looks at what waits in the lanes of one webhook and invoice when it may
// not go where it was about to. What a deleted webhook waits for is over, what a
// paused or disabled one waits for is held, and what has moved goes on at the
// other endpoint: moved tells so.
func (tx *Tx) Settle(webhookID, invoiceID string, now time.Time) (moved bool, err error) {
	// In the order of Apply. Who enables the webhook waits, and then finds what is
	// held here.
	if err := tx.lockLane(webhookID, invoiceID); err != nil {
		return false, err
	}
	if err := tx.lock("SELECT 1 FROM webhooks WHERE id = $1", webhookID); err != nil {
		return false, err
	}
	t, err := tx.Target(webhookID)
	if err != nil {
		return false, err
	}
	switch {
	case t.Webhook.State == paybell.WebhookDeleted:
		_, err = tx.exec("UPDATE deliveries"+tx.db.dialect.byLane+" SET state = 'exhausted', "+mayHaveGone+`, due_at = 0, finished_at = $3
			WHERE webhook_id = $1 AND invoice_id = $2 AND state IN ('pending', 'held')`, webhookID, invoiceID, micros(now))
	case !t.Rings():
		err = tx.holdLane(webhookID, invoiceID, now)
	default:
		var n int64
		n, err = tx.exec("UPDATE deliveries"+tx.db.dialect.byLane+` SET origin = $3 WHERE webhook_id = $1 AND invoice_id = $2 AND state IN ('pending', 'held') AND origin <> $3`,
			webhookID, invoiceID, t.Webhook.Origin)
		moved = n > 0
	}
	return moved, err
}

// Epoch is that of the store's sequence numbers.
func (tx *Tx) Epoch() int64 { return tx.db.epoch }

// Deliveries lists a webhook's deliveries after a number, in order.
func (tx *Tx) Deliveries(webhookID string, after int64, limit int) ([]paybell.Delivery, error) {
	return list(tx, tx.scanDelivery, "SELECT "+deliveryColumns+" FROM "+deliveryTables+`
		WHERE d.webhook_id = $1 AND d.number > $2 ORDER BY d.number LIMIT $3`, webhookID, after, limit)
}

// Notification reads one notification of a client, without its body, or NotFound.
func (tx *Tx) Notification(clientID, id string) (paybell.Notification, error) {
	n, found, err := one(tx, scanNotification, "SELECT "+notificationColumns+" FROM notifications WHERE id = $1 AND client_id = $2", id, clientID)
	if err == nil && !found {
		err = paybell.Errorf(paybell.NotFound, "there is no notification %.40q of this client", id)
	}
	return n, err
}

// NotificationBody reads the bytes of a notification.
func (tx *Tx) NotificationBody(id string) (string, error) {
	body, _, err := one(tx, scanText, "SELECT body FROM notifications WHERE id = $1", id)
	return body, err
}

// DeliveryOf finds the delivery of a notification to a webhook.
func (tx *Tx) DeliveryOf(webhookID, notificationID string) (paybell.Delivery, bool, error) {
	return one(tx, tx.scanDelivery, "SELECT "+deliveryColumns+" FROM "+tx.laneTables()+` WHERE d.webhook_id = $1
		AND d.invoice_id = (SELECT invoice_id FROM notifications WHERE id = $2) AND d.notification_id = $2`, webhookID, notificationID)
}

// LaneHead reads the head of the lane that d is or was in, if it is due.
func (tx *Tx) LaneHead(d *paybell.Delivery, now time.Time) (paybell.Delivery, bool, error) {
	return one(tx, tx.scanDelivery, "SELECT "+deliveryColumns+" FROM "+tx.laneTables()+` WHERE d.webhook_id = $1 AND d.invoice_id = $2
		AND `+laneMark+` = $3 AND d.state = 'pending' AND d.due_at > 0 AND d.due_at <= $4 ORDER BY d.number LIMIT 1`,
		d.WebhookID, d.InvoiceID, replay*flag(d.Replay), micros(now))
}

// HeadOf is the number of the delivery that the lane of d waits for.
func (tx *Tx) HeadOf(d paybell.Delivery) (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COALESCE(MIN(number), 0) FROM "+tx.inLane("$3"), d.WebhookID, d.InvoiceID, replay*flag(d.Replay))
	return n, err
}

// Attempts lists what was tried for one delivery.
func (tx *Tx) Attempts(webhookID string, number int64) ([]paybell.Attempt, error) {
	return list(tx, func(s scanner) (a paybell.Attempt, err error) {
		var total, dns, connect, tls, first int64
		err = s.Scan(&a.WebhookID, &a.Number, &a.N, when{&a.StartedAt}, &total, &dns, &connect, &tls, &first, &a.Status, &a.Answer, &a.Failure, &a.Secret)
		a.Duration = time.Duration(total) * time.Microsecond
		a.Timing = paybell.Timing{
			DNS: time.Duration(dns) * time.Microsecond, Connect: time.Duration(connect) * time.Microsecond,
			TLS: time.Duration(tls) * time.Microsecond, FirstByte: time.Duration(first) * time.Microsecond,
		}
		return a, err
	}, `SELECT webhook_id, number, n, started_at, duration, dns, connect, tls, first_byte, status, answer, failure, secret
		FROM attempts WHERE webhook_id = $1 AND number = $2 ORDER BY n`, webhookID, number)
}

// Undelivered counts the deliveries that are still pending.
func (tx *Tx) Undelivered() (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM deliveries WHERE state = 'pending'")
	return n, err
}

// Fill makes n more deliveries like one that exists, each for an invoice of its
// own that is not there: pending ones are due at once. It is for measurements.
func (tx *Tx) Fill(webhookID string, number int64, n int, state paybell.DeliveryState) error {
	last, _, err := one(tx, scanInt, "SELECT MAX(number) FROM deliveries WHERE webhook_id = $1", webhookID)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, marks, attempts, round,
			refused_secret, due_at, failing_since, created_at, finished_at)
		WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $3)
		SELECT webhook_id, $4 + n, notification_id, invoice_id || '/' || ($4 + n), client_id, origin, $5, 0, 0, 0,
			0, CASE WHEN $5 = 'pending' THEN created_at ELSE 0 END, 0, created_at, CASE WHEN $5 = 'pending' THEN 0 ELSE created_at END
		FROM deliveries, numbers WHERE webhook_id = $1 AND number = $2`, webhookID, number, n, last, string(state))
	return err
}
