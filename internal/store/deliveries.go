package store

import (
	"math"
	"slices"
	"time"

	"github.com/paybell/paybell"
)

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
	results, next = slices.Clone(results), make([]bool, len(results)) // the body may run again
	inserted := make([]bool, len(results))                            // false: it was written before
	for i := range results {
		if inserted[i], err = tx.insertAttempt(&results[i].Attempt); err != nil {
			return nil, err
		}
	}
	var fresh []Result
	for i := range results {
		if !inserted[i] {
			continue
		}
		if results[i].Attempt.Gone() {
			if err := tx.gone(&results[i], now); err != nil {
				return nil, err
			}
		}
		fresh = append(fresh, results[i])
	}
	if err := tx.recordAll(results, next, now); err != nil {
		return nil, err
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
	if !tx.db.dialect.shared {
		return nil
	}
	// One order for all, against deadlocks: that of Apply, invoices first.
	var invoices, webhooks []string
	for _, r := range results {
		if r.Delivery.InvoiceID != "" {
			invoices = append(invoices, r.Delivery.InvoiceID)
		} else {
			webhooks = append(webhooks, r.Delivery.WebhookID)
		}
	}
	if len(invoices) > 0 {
		if err := tx.lock("SELECT 1 FROM invoices WHERE id "+tx.db.dialect.among("$1")+" ORDER BY id", tx.db.dialect.texts(invoices)); err != nil {
			return err
		}
	}
	if len(webhooks) > 0 {
		return tx.lock("SELECT 1 FROM webhooks WHERE id "+tx.db.dialect.among("$1")+" ORDER BY id", tx.db.dialect.texts(webhooks))
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

// recordAll writes how deliveries stand after their attempts. next tells where another
// became due by that. Of several of one lane each has its turn after those before it:
// what became due by one may have failed by now, and is due later.
func (tx *Tx) recordAll(results []Result, next []bool, now time.Time) error {
	var turns [][]int
	before := map[lane]int{}
	for i := range results {
		l := lane{results[i].Delivery.WebhookID, results[i].Delivery.InvoiceID}
		if before[l] == len(turns) {
			turns = append(turns, nil)
		}
		turns[before[l]] = append(turns[before[l]], i)
		before[l]++
	}
	for _, turn := range turns {
		if err := tx.recordTurn(results, turn, next, now); err != nil {
			return err
		}
	}
	return nil
}

// recordTurn does so for some of the results, each of another lane.
func (tx *Tx) recordTurn(results []Result, turn []int, next []bool, now time.Time) error {
	updates := make([]statement, len(turn))
	for n, i := range turn {
		updates[n] = recordOf(&results[i].Delivery, now)
	}
	touched, err := tx.execAll(updates)
	if err != nil {
		return err
	}
	waits, err := tx.lanesThatWait(results, turn)
	if err != nil {
		return err
	}
	var left []int // their lane
	var promotions []statement
	for n, i := range turn {
		d := &results[i].Delivery
		switch {
		case touched[n] == 0: // it was made all the same: the next has another number
			_, err = tx.exec("UPDATE deliveries SET attempts = $3 WHERE webhook_id = $1 AND number = $2 AND attempts < $3", d.WebhookID, d.Number, d.Attempts)
		case passed(d): // out of the lane that it was in, unless it is told again by now: then it waits there
			next[i], err = tx.promoteLane(d.WebhookID, d.InvoiceID, now)
		case d.State == paybell.DeliveryPending:
		case d.State == paybell.Held: // with all that waits there
			err = tx.holdLane(d.WebhookID, d.InvoiceID, now)
		case waits == nil || waits[lane{d.WebhookID, d.InvoiceID}]:
			left, promotions = append(left, i), append(promotions, tx.promotion(d, now))
		}
		if err != nil {
			return err
		}
	}
	touched, err = tx.execAll(promotions)
	for n, i := range left {
		next[i] = err == nil && touched[n] > 0
	}
	return err
}

// lanesThatWait finds the lanes of results in which something stands behind another,
// in one question where the database is elsewhere; nil: it may be all of them. Nobody
// adds to these lanes meanwhile.
func (tx *Tx) lanesThatWait(results []Result, of []int) (map[lane]bool, error) {
	if !tx.db.dialect.shared {
		return nil, nil
	}
	webhooks, invoices := make([]string, len(of)), make([]string, len(of))
	for n, i := range of {
		webhooks[n], invoices[n] = results[i].Delivery.WebhookID, results[i].Delivery.InvoiceID
	}
	waits := map[lane]bool{}
	_, err := list(tx, func(s scanner) (l lane, err error) {
		err = s.Scan(&l.webhookID, &l.invoiceID)
		waits[l] = true
		return l, err
	}, `SELECT d.webhook_id, d.invoice_id FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[])) AS l (webhook_id, invoice_id)
		JOIN deliveries d ON d.webhook_id = l.webhook_id AND d.invoice_id = l.invoice_id WHERE d.state = 'pending' AND d.due_at = 0`, webhooks, invoices)
	return waits, err
}

// passed reports whether a delivery has just left its lane because others may not wait
// for it any longer.
func passed(d *paybell.Delivery) bool {
	return d.State == paybell.DeliveryPending && d.OutOfOrder && !d.Replay
}

// recordOf writes one delivery. The guard on attempts keeps out a result that was
// written already, and that on the round a failure from before the delivery was made
// again. What was held while it was on the wire, and got there, is delivered.
func recordOf(d *paybell.Delivery, now time.Time) statement {
	var finished time.Time
	if d.State != paybell.DeliveryPending {
		finished = now
	}
	return statement{`UPDATE deliveries SET state = $3, marks = CASE WHEN $4 = 1 AND marks & 4 = 0 THEN (marks | 1) & 3 ELSE marks END, attempts = $5, refused_secret = $6,
			due_at = CASE WHEN $3 = 'pending' AND due_at = 0 THEN 0 ELSE CAST($7 AS BIGINT) END, failing_since = $8, finished_at = $9
		WHERE webhook_id = $1 AND number = $2 AND attempts < $5
		AND (state = 'pending' AND round = $10 OR $3 = 'delivered' AND state IN ('pending', 'held'))`, []any{
		d.WebhookID, d.Number, string(d.State), flag(passed(d)), d.Attempts, d.RefusedSecret, micros(d.DueAt), micros(d.FailingSince),
		micros(finished), d.Round,
	}}
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
	p := tx.promotion(d, now)
	n, err := tx.exec(p.query, p.args...)
	return n > 0, err
}

func (tx *Tx) promotion(d *paybell.Delivery, now time.Time) statement {
	return statement{`UPDATE deliveries SET due_at = $4 WHERE webhook_id = $1 AND due_at = 0 AND state = 'pending' AND number =
		(SELECT MIN(number) FROM ` + tx.inLane("(SELECT "+laneMark+" FROM deliveries WHERE webhook_id = $1 AND number = $3)") + " AND number <> $3)", []any{
		d.WebhookID, d.InvoiceID, d.Number, micros(now),
	}}
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
