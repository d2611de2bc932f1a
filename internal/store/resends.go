package store

import (
	"math"
	"time"

	"github.com/paybell/paybell"
)

const resendColumns = "id, client_id, webhook_id, origin, what, since, after, upto, at_webhook, at_number, total, done, state, created_at, finished_at"

func scanResend(s scanner) (r paybell.Resend, err error) {
	err = s.Scan(&r.ID, &r.ClientID, &r.WebhookID, &r.Origin, &r.What, when{&r.Since}, &r.After, &r.Upto, &r.AtWebhook, &r.AtNumber,
		&r.Total, &r.Done, &r.State, when{&r.CreatedAt}, when{&r.FinishedAt})
	return r, err
}

// MaxResends is how many jobs a client may have running that somebody asked for.
const MaxResends = 20

// StartResend writes a new job. If one that asks for the same is running, that
// one is returned: pressing twice is pressing once.
func (tx *Tx) StartResend(r paybell.Resend) (paybell.Resend, error) {
	if err := tx.lock("SELECT id FROM clients WHERE id = $1", r.ClientID); err != nil {
		return r, err
	}
	same, found, err := one(tx, scanResend, "SELECT "+resendColumns+` FROM resends WHERE state = 'running'
		AND client_id = $1 AND webhook_id = $2 AND origin = $3 AND what = $4 AND since = $5 AND after = $6 AND (upto = $7 OR what = 'after') LIMIT 1`,
		r.ClientID, r.WebhookID, r.Origin, string(r.What), micros(r.Since), r.After, r.Upto)
	if err != nil || found {
		return same, err
	}
	running, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM resends WHERE state = 'running' AND client_id = $1", r.ClientID)
	if err != nil {
		return r, err
	}
	if running >= MaxResends && r.What != paybell.ResendMissed && r.What != paybell.SkipMissed {
		return r, paybell.Errorf(paybell.Conflict, "%d resends of this client are running, which is the most; wait for one, or cancel it", running)
	}
	_, err = tx.exec("INSERT INTO resends ("+resendColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		r.ID, r.ClientID, r.WebhookID, r.Origin, string(r.What), micros(r.Since), r.After, r.Upto, r.AtWebhook, r.AtNumber,
		r.Total, r.Done, string(r.State), micros(r.CreatedAt), micros(r.FinishedAt))
	return r, err
}

// Resend reads a client's job, or NotFound.
func (tx *Tx) Resend(clientID, id string) (paybell.Resend, error) {
	r, found, err := one(tx, scanResend, "SELECT "+resendColumns+" FROM resends WHERE id = $1 AND client_id = $2", id, clientID)
	if err == nil && !found {
		err = paybell.Errorf(paybell.NotFound, "there is no resend %.40q of this client", id)
	}
	return r, err
}

// Resends lists a client's jobs, the newest first.
func (tx *Tx) Resends(clientID string, limit int) ([]paybell.Resend, error) {
	return list(tx, scanResend, "SELECT "+resendColumns+" FROM resends WHERE client_id = $1 ORDER BY created_at DESC, id LIMIT $2", clientID, limit)
}

// RunningResends lists jobs of all clients that have something to do, after one,
// the oldest first.
func (tx *Tx) RunningResends(after paybell.Resend, limit int) ([]paybell.Resend, error) {
	return list(tx, scanResend, "SELECT "+resendColumns+` FROM resends WHERE state = 'running' AND (created_at, id) > ($1, $2)
		ORDER BY created_at, id LIMIT $3`, micros(after.CreatedAt), after.ID, limit)
}

// SaveResend writes how far a job is, if it is still where it was.
func (tx *Tx) SaveResend(was, is paybell.Resend) (bool, error) {
	n, err := tx.exec(`UPDATE resends SET at_webhook = $4, at_number = $5, done = $6, state = $7, finished_at = $8
		WHERE id = $1 AND at_webhook = $2 AND at_number = $3 AND state = 'running'`,
		was.ID, was.AtWebhook, was.AtNumber, is.AtWebhook, is.AtNumber, is.Done, string(is.State), micros(is.FinishedAt))
	return n > 0, err
}

// MissedResend finds the job that is bringing, or skipping, what a webhook
// missed.
func (tx *Tx) MissedResend(clientID, webhookID string) (paybell.Resend, bool, error) {
	return one(tx, scanResend, "SELECT "+resendColumns+` FROM resends WHERE state = 'running' AND client_id = $1
		AND what IN ('missed', 'skip') AND (webhook_id = $2 OR webhook_id = '' AND origin = (SELECT origin FROM webhooks WHERE id = $2))
		ORDER BY created_at DESC LIMIT 1`, clientID, webhookID)
}

// MissedResendOf is MissedResend for all webhooks of an endpoint.
func (tx *Tx) MissedResendOf(e Endpoint) (paybell.Resend, bool, error) {
	return one(tx, scanResend, "SELECT "+resendColumns+` FROM resends WHERE state = 'running' AND client_id = $1 AND webhook_id = '' AND origin = $2
		AND what IN ('missed', 'skip') ORDER BY created_at DESC LIMIT 1`, e.ClientID, e.Origin)
}

// CancelMissed ends the jobs that bring, or skip, what one webhook missed.
func (tx *Tx) CancelMissed(clientID, webhookID string, now time.Time) error {
	_, err := tx.exec(`UPDATE resends SET state = 'cancelled', finished_at = $3 WHERE state = 'running' AND client_id = $1 AND webhook_id = $2
		AND what IN ('missed', 'skip')`, clientID, webhookID, micros(now))
	return err
}

// CancelResend ends a job, wherever it is.
func (tx *Tx) CancelResend(r *paybell.Resend, now time.Time) error {
	r.State, r.FinishedAt = paybell.ResendCancelled, now
	_, err := tx.exec("UPDATE resends SET state = 'cancelled', finished_at = $2 WHERE id = $1 AND state = 'running'", r.ID, micros(now))
	return err
}

// ForgetResends deletes jobs that were over before a moment, at most limit of them.
func (tx *Tx) ForgetResends(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM resends WHERE id IN (SELECT id FROM resends WHERE state <> 'running' AND finished_at < $1 LIMIT $2)`, micros(before), limit)
}

// ofHook and ofEndpoint say which webhooks' deliveries d a job is about.
const (
	ofHook     = "d.webhook_id = $1"
	ofEndpoint = "d.webhook_id IN (SELECT id FROM webhooks WHERE client_id = $6 AND origin = $7 AND state = 'active')"
)

// wanted is the condition for the deliveries d that a job is about: those with
// numbers over $2 up to $3, made until $4, and given up since $5. What is held is
// so since the webhook stopped, whatever the clocks say.
func wanted(what paybell.ResendWhat, of string) string {
	numbers := of + " AND d.number > $2 AND d.number <= $3 AND (d.created_at <= $4 OR d.state = 'held') AND "
	switch what {
	case paybell.ResendFailed:
		return numbers + "d.state = 'exhausted' AND d.finished_at >= $5"
	case paybell.ResendMissed:
		return numbers + "(d.state = 'held' OR d.state = 'exhausted' AND d.finished_at >= $5 OR d.state = 'pending' AND d.due_at > $4)"
	case paybell.SkipMissed:
		return numbers + "d.state IN ('held', 'pending') AND d.finished_at >= $5"
	}
	return numbers + "d.state <> 'pending' AND d.finished_at >= $5"
}

// CountResend counts the deliveries that a job is about.
func (tx *Tx) CountResend(r paybell.Resend) (int64, error) {
	args, of := []any{r.WebhookID, r.After, lastNumber(r), micros(r.CreatedAt), micros(r.Since)}, ofHook
	if r.WebhookID == "" {
		args, of = append(args, r.ClientID, r.Origin), ofEndpoint+" AND $1 = ''"
	}
	n, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM deliveries d WHERE "+wanted(r.What, of), args...)
	return n, err
}

func lastNumber(r paybell.Resend) int64 {
	if r.Upto == 0 {
		return math.MaxInt64
	}
	return r.Upto
}

// Bounds of what one step of a job looks at, since few of it may be wanted:
// numbers of one webhook, and webhooks.
const (
	span     = 5000
	maxHooks = 200
)

// ResendPage lists the deliveries that a job is about after where it stands, and
// where it stands then; over says that there are no more.
func (tx *Tx) ResendPage(r paybell.Resend, limit int) (page []paybell.Delivery, is paybell.Resend, over bool, err error) {
	is = r
	if is.AtWebhook == "" {
		if is.AtWebhook, over, err = tx.nextWebhook(r); err != nil || over {
			return nil, is, over, err
		}
		is.AtNumber = r.After
	}
	for hooks := 0; hooks < maxHooks && len(page) < limit; hooks++ {
		until := min(lastNumber(r), is.AtNumber+span)
		found, err := list(tx, tx.scanDelivery, "SELECT "+deliveryColumns+" FROM "+deliveryTables+" WHERE "+wanted(r.What, ofHook)+" ORDER BY d.number LIMIT $6",
			is.AtWebhook, is.AtNumber, until, micros(r.CreatedAt), micros(r.Since), limit-len(page))
		if err != nil {
			return nil, is, false, err
		}
		page = append(page, found...)
		if len(page) == limit {
			is.AtNumber = found[len(found)-1].Number
			return page, is, false, nil
		}
		is.AtNumber = until
		last, err := tx.LastNumber(is.AtWebhook)
		if err != nil {
			return nil, is, false, err
		}
		if until < min(last, lastNumber(r)) {
			return page, is, false, nil // a whole span of this webhook
		}
		if is.AtWebhook, over, err = tx.nextWebhook(is); err != nil || over {
			return page, is, over, err
		}
		is.AtNumber = r.After
	}
	return page, is, false, nil
}

// LastNumber is that of a webhook's last delivery that is kept; 0: there is none.
func (tx *Tx) LastNumber(webhookID string) (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COALESCE(MAX(number), 0) FROM deliveries WHERE webhook_id = $1", webhookID)
	return n, err
}

// nextWebhook is the webhook that a job goes on with after the one it is at.
func (tx *Tx) nextWebhook(r paybell.Resend) (id string, over bool, err error) {
	if r.WebhookID != "" {
		return r.WebhookID, r.AtWebhook != "", nil
	}
	id, found, err := one(tx, scanText, "SELECT id FROM webhooks WHERE client_id = $1 AND origin = $2 AND id > $3 AND state = 'active' ORDER BY id LIMIT 1",
		r.ClientID, r.Origin, r.AtWebhook)
	return id, !found, err
}

// Waiting counts the deliveries of an endpoint that are due now, up to most.
func (tx *Tx) Waiting(e Endpoint, now time.Time, most int) (int64, error) {
	n, _, err := one(tx, scanInt, `SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE client_id = $1 AND origin = $2 AND due_at > 0 AND due_at <= $3 LIMIT $4) due`,
		e.ClientID, e.Origin, micros(now), most)
	return n, err
}

// Again makes a delivery pending again, as it was read. It gets its full
// schedule. One that was delivered before is told again; one that was not takes
// its place in its lane, unless newer news may have gone already: then it is out
// of order, and among those that are told again. again is false when somebody changed it meanwhile.
func (tx *Tx) Again(d paybell.Delivery, now time.Time) (again bool, err error) {
	if err := tx.lockLane(d.WebhookID, d.InvoiceID); err != nil {
		return false, err
	}
	was := d.State
	if was == paybell.DeliveryPending { // it need not wait for its time
		n, err := tx.exec("UPDATE deliveries SET due_at = $3 WHERE webhook_id = $1 AND number = $2 AND state = 'pending' AND due_at > $3", d.WebhookID, d.Number, micros(now))
		return n > 0, err
	}
	first := d.Lane() == paybell.FirstTime
	if !d.Replay && was != paybell.Delivered && !d.OutOfOrder {
		_, d.OutOfOrder, err = one(tx, scanInt, "SELECT number FROM deliveries"+tx.db.dialect.byLane+` WHERE webhook_id = $1 AND invoice_id = $2 AND number > $3
			AND (state = 'delivered' OR attempts > 0 OR marks & 9 <> 0 OR state = 'pending' AND due_at > 0) LIMIT 1`, d.WebhookID, d.InvoiceID, d.Number)
		if err != nil {
			return false, err
		}
	}
	d.Replay = d.Replay || was == paybell.Delivered || d.OutOfOrder
	if d.Previous, _, err = one(tx, scanInt, "SELECT COALESCE(MAX(number), 0) FROM "+tx.inLane("$3")+" AND number < $4",
		d.WebhookID, d.InvoiceID, replay*flag(d.Replay), d.Number); err != nil {
		return false, err
	}
	if d.Previous == 0 {
		d.DueAt = now
	}
	d.State, d.Resent, d.Round, d.RefusedSecret, d.FailingSince, d.FinishedAt = paybell.DeliveryPending, true, d.Attempts, 0, time.Time{}, time.Time{}
	n, err := tx.exec(`UPDATE deliveries SET state = 'pending', marks = $4, round = $5, refused_secret = 0, failing_since = 0, finished_at = 0, due_at = $6
		WHERE webhook_id = $1 AND number = $2 AND state = $3`,
		d.WebhookID, d.Number, string(was), marks(&d), d.Round, micros(d.DueAt))
	if err != nil || n == 0 {
		return false, err
	}
	tx.fresh = append(tx.fresh, d)
	if first && d.Replay {
		_, err = tx.promoteLane(d.WebhookID, d.InvoiceID, now) // it is not at the head of that any more
	}
	return true, err
}

// GiveUp ends a delivery that is held or pending; the next in its lane becomes due.
// What was delivered meanwhile stays as it is.
func (tx *Tx) GiveUp(d paybell.Delivery, now time.Time) (bool, error) {
	if err := tx.lockLane(d.WebhookID, d.InvoiceID); err != nil {
		return false, err
	}
	n, err := tx.exec("UPDATE deliveries SET state = 'exhausted', "+mayHaveGone+", due_at = 0, finished_at = $3 WHERE webhook_id = $1 AND number = $2 AND state IN ('held', 'pending')",
		d.WebhookID, d.Number, micros(now))
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.promote(&d, now)
	return true, err
}
