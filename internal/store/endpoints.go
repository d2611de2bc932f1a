package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/paybell/paybell"
)

// Target is where a webhook rings now, and how its endpoint is.
type Target struct {
	Webhook paybell.Webhook
	Health  paybell.Health
}

// Rings reports whether deliveries go out to the webhook.
func (t Target) Rings() bool {
	return t.Webhook.State == paybell.WebhookActive && t.Health.DisabledAt.IsZero()
}

// Target reads a webhook as the dispatcher needs it. One that does not exist is
// like one that was deleted.
func (tx *Tx) Target(webhookID string) (Target, error) {
	w, found, err := one(tx, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE id = $1", webhookID)
	if err != nil || !found {
		w.State = paybell.WebhookDeleted
		return Target{Webhook: w}, err
	}
	h, err := tx.Health(Endpoint{w.ClientID, w.Origin})
	return Target{w, h}, err
}

const healthColumns = "failing_since, failures, failure, paused_until, disabled_at, accepted_secret"

func scanHealth(s scanner) (h paybell.Health, err error) {
	return h, s.Scan(when{&h.FailingSince}, &h.Failures, &h.Failure, when{&h.PausedUntil}, when{&h.DisabledAt}, &h.AcceptedSecret)
}

// Health reads what is known of an endpoint.
func (tx *Tx) Health(e Endpoint) (paybell.Health, error) {
	h, _, err := one(tx, scanHealth, "SELECT "+healthColumns+" FROM endpoints WHERE client_id = $1 AND origin = $2", e.ClientID, e.Origin)
	return h, err
}

// OldestWaiting is when the oldest notification was made that an endpoint has not
// got yet; zero: it has all.
func (tx *Tx) OldestWaiting(e Endpoint) (time.Time, error) {
	us, _, err := one(tx, scanInt, `SELECT created_at FROM deliveries WHERE client_id = $1 AND origin = $2 AND state = 'pending'
		ORDER BY created_at LIMIT 1`, e.ClientID, e.Origin)
	return moment(us), err
}

// Origins lists the endpoints of a client's own webhooks, and others that are not
// well: those that are not well first.
func (tx *Tx) Origins(clientID string, limit int) ([]string, error) {
	return list(tx, scanText, `SELECT origin FROM (
		SELECT origin, 0 AS well FROM endpoints WHERE client_id = $1 AND (failing_since > 0 OR disabled_at > 0)
		UNION SELECT origin, 1 AS well FROM webhooks w WHERE client_id = $1 AND invoice_id = '' AND state <> 'deleted'
			AND NOT EXISTS (SELECT 1 FROM endpoints e WHERE e.client_id = $1 AND e.origin = w.origin AND (failing_since > 0 OR disabled_at > 0))
		) known ORDER BY well, origin LIMIT $2`, clientID, limit)
}

// byEndpoint lists the results that say something new of their endpoints, those
// of one together and in their order.
func byEndpoint(results []Result) (order []int) {
	for i, r := range results {
		if r.Attempt.Failure != "" || r.Recovered || r.Accepted != 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		e, f := results[a].endpoint(), results[b].endpoint()
		return cmp.Or(cmp.Compare(e.ClientID, f.ClientID), cmp.Compare(e.Origin, f.Origin))
	})
	return order
}

// judgeEndpoint writes what an attempt says of its endpoint. One that has failed
// for too long is disabled, and so is a webhook that is gone: the client is told.
func (tx *Tx) judgeEndpoint(r *Result, now time.Time) error {
	e := r.endpoint()
	if r.Recovered {
		if _, err := tx.exec(`UPDATE endpoints SET failing_since = 0, failures = 0, failure = '', paused_until = 0
			WHERE client_id = $1 AND origin = $2`, e.ClientID, e.Origin); err != nil {
			return err
		}
	}
	if r.Accepted != 0 {
		_, err := tx.exec(`INSERT INTO endpoints (client_id, origin, `+healthColumns+`) VALUES ($1, $2, 0, 0, '', 0, 0, $3)
			ON CONFLICT (client_id, origin) DO UPDATE SET accepted_secret = excluded.accepted_secret`, e.ClientID, e.Origin, r.Accepted)
		return err
	}
	if r.Attempt.Failure == "" {
		return nil
	}
	h, _, err := one(tx, scanHealth, `INSERT INTO endpoints (client_id, origin, `+healthColumns+`) VALUES ($1, $2, $3, 1, $4, $5, 0, 0)
		ON CONFLICT (client_id, origin) DO UPDATE SET
			failing_since = CASE WHEN endpoints.failing_since = 0 THEN excluded.failing_since ELSE endpoints.failing_since END,
			failures = endpoints.failures + 1, failure = excluded.failure,
			paused_until = CASE WHEN excluded.paused_until > endpoints.paused_until THEN excluded.paused_until ELSE endpoints.paused_until END
		RETURNING `+healthColumns, e.ClientID, e.Origin, micros(r.Attempt.StartedAt), r.Attempt.Failure, micros(r.Hold))
	if err != nil {
		return err
	}
	if h.Hopeless(now) {
		return tx.disableEndpoint(e, h, now)
	}
	return nil
}

// gone stops the webhook that an answer of 410 is about, and tells the client's
// others. If it rings elsewhere by now, the delivery goes there.
func (tx *Tx) gone(r *Result, now time.Time) error {
	d, reason := r.Delivery, r.Attempt.Failure
	n, err := tx.exec("UPDATE webhooks SET state = 'disabled', state_reason = $2, state_since = $3 WHERE id = $1 AND state = 'active' AND url = $4",
		d.WebhookID, reason, micros(now), r.URL)
	if err != nil {
		return err
	}
	if n == 0 {
		t, err := tx.Target(d.WebhookID)
		if t.Webhook.URL != r.URL {
			r.Delivery.State, r.Delivery.DueAt, r.Delivery.FinishedAt = paybell.DeliveryPending, now, time.Time{}
		}
		return err
	}
	return tx.tellDisabled(paybell.Webhook{ID: d.WebhookID}, paybell.Disabled{
		ClientID: d.ClientID, Origin: d.Origin, WebhookIDs: []string{d.WebhookID}, Reason: reason, At: now,
	})
}

func (tx *Tx) disableEndpoint(e Endpoint, h paybell.Health, now time.Time) error {
	if _, err := tx.exec("UPDATE endpoints SET disabled_at = $3 WHERE client_id = $1 AND origin = $2", e.ClientID, e.Origin, micros(now)); err != nil {
		return err
	}
	ids, err := list(tx, scanText, `SELECT id FROM webhooks WHERE client_id = $1 AND origin = $2 AND invoice_id = '' AND state <> 'deleted'
		ORDER BY id LIMIT $3`, e.ClientID, e.Origin, paybell.MaxWebhooksPerClient)
	if err != nil {
		return err
	}
	return tx.tellDisabled(paybell.Webhook{Origin: e.Origin}, paybell.Disabled{
		ClientID: e.ClientID, Origin: e.Origin, WebhookIDs: ids, Reason: h.Failure, FailingSince: h.FailingSince, At: now,
	})
}

func (tx *Tx) tellDisabled(notTo paybell.Webhook, d paybell.Disabled) error {
	v, err := tx.voice(d.ClientID)
	if err != nil || !v.told {
		return err
	}
	n := d.Tell(v.names)
	return tx.tell(telling{clientID: d.ClientID, news: &n, notTo: notTo})
}

// EnableEndpoint lets an endpoint be served again, as if it had never failed.
func (tx *Tx) EnableEndpoint(e Endpoint) error {
	// Who is about to hold something because the endpoint is disabled is waited for.
	if err := tx.lock("SELECT id FROM webhooks WHERE client_id = $1 AND origin = $2 ORDER BY id", e.ClientID, e.Origin); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE endpoints SET failing_since = 0, failures = 0, failure = '', paused_until = 0, disabled_at = 0
		WHERE client_id = $1 AND origin = $2`, e.ClientID, e.Origin)
	return err
}
