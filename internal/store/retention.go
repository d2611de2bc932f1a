package store

import (
	"math"
	"slices"
	"time"

	"github.com/paybell/paybell"
)

// Sweep is how far old deliveries and notifications have been looked through. The
// zero value is the beginning.
type Sweep struct {
	WebhookID      string
	Number         int64
	NotificationID string
}

// sweepHooks is how many webhooks one step of a sweep looks at: most have nothing
// to forget.
const sweepHooks = 200

// OldDeliveries looks for deliveries to forget, from a place on: those of one
// webhook, from the one after the place up to number last, at most limit; found is
// false when the sweep is over. Deliveries of a webhook stand in the order of
// time, so it looks at few that stay.
func (tx *Tx) OldDeliveries(s Sweep, before time.Time, limit int) (place Sweep, last int64, found bool, err error) {
	for range sweepHooks {
		type row struct{ number, createdAt int64 }
		rows, err := list(tx, func(r scanner) (v row, err error) { return v, r.Scan(&v.number, &v.createdAt) },
			"SELECT number, created_at FROM deliveries WHERE webhook_id = $1 AND number > $2 ORDER BY number LIMIT $3", s.WebhookID, s.Number, limit)
		if err != nil {
			return s, 0, false, err
		}
		last := int64(0)
		for _, r := range rows {
			if r.createdAt >= micros(before) {
				break
			}
			last = r.number
		}
		if last > 0 {
			return s, last, true, nil
		}
		next, more, err := one(tx, scanText, "SELECT id FROM webhooks WHERE id > $1 ORDER BY id LIMIT 1", s.WebhookID)
		if err != nil || !more {
			return s, 0, false, err
		}
		s.WebhookID, s.Number = next, 0
	}
	return s, 0, true, nil
}

// ForgetDeliveries deletes what OldDeliveries found, with its attempts, and
// returns how many. What is pending stays, and what was held or finished since
// then.
func (tx *Tx) ForgetDeliveries(s Sweep, last int64, before time.Time) (int64, error) {
	// The numbers go on counting when none is left. As long as one is, the webhook's row,
	// which everybody wants who tells it something, is left alone.
	newest, err := tx.LastNumber(s.WebhookID)
	if err != nil {
		return 0, err
	}
	if newest <= last {
		if _, err := tx.exec("UPDATE webhooks SET last_number = $2 WHERE id = $1 AND last_number < $2", s.WebhookID, last); err != nil {
			return 0, err
		}
	}
	n, err := tx.exec(`DELETE FROM deliveries WHERE webhook_id = $1 AND number > $2 AND number <= $3
		AND state <> 'pending' AND created_at < $4 AND finished_at < $4`, s.WebhookID, s.Number, last, micros(before))
	if err != nil {
		return 0, err
	}
	_, err = tx.exec(`DELETE FROM attempts WHERE webhook_id = $1 AND number > $2 AND number <= $3
		AND number NOT IN (SELECT number FROM deliveries WHERE webhook_id = $1 AND number > $2 AND number <= $3)`, s.WebhookID, s.Number, last)
	return n, err
}

// Ended is how far webhooks that were deleted have been looked through for what still
// waits for them. With At alone it stands before those that were deleted at that moment;
// the zero value is before all.
type Ended struct {
	At        time.Time
	WebhookID string
	Number    int64 // of a delivery of that webhook; 0: before its first
}

// EndWaiting ends what waits for webhooks that were deleted, from a place on: what
// nobody will meet, because what is before it is held. It ends at most limit deliveries,
// and looks at no more than some thousands; over says that there are no more.
func (tx *Tx) EndWaiting(from Ended, now time.Time, limit int) (to Ended, over bool, err error) {
	to = from
	for range sweepHooks {
		if to.WebhookID == "" || to.Number == math.MaxInt64 {
			next, found, err := one(tx, func(s scanner) (e Ended, err error) { return e, s.Scan(when{&e.At}, &e.WebhookID) },
				"SELECT state_since, id FROM webhooks WHERE state = 'deleted' AND (state_since, id) > ($1, $2) ORDER BY state_since, id LIMIT 1", micros(to.At), to.WebhookID)
			if err != nil || !found {
				return to, true, err
			}
			to = next
		}
		end, more, err := one(tx, scanInt, "SELECT number FROM deliveries WHERE webhook_id = $1 AND number > $2 ORDER BY number LIMIT 1 OFFSET $3", to.WebhookID, to.Number, span-1)
		if err != nil {
			return from, false, err
		}
		if !more {
			end = math.MaxInt64
		}
		ended, err := list(tx, scanInt, `UPDATE deliveries SET state = 'exhausted', due_at = 0, finished_at = $2 WHERE webhook_id = $1 AND number IN
			(SELECT number FROM deliveries WHERE webhook_id = $1 AND number > $3 AND number <= $4 AND state IN ('pending', 'held') ORDER BY number LIMIT $5) RETURNING number`,
			to.WebhookID, micros(now), to.Number, end, limit)
		if err != nil {
			return from, false, err
		}
		if len(ended) == limit {
			to.Number = slices.Max(ended)
			return to, false, nil
		}
		to.Number = end
		if limit -= len(ended); more {
			break
		}
	}
	return to, false, nil
}

// ForgetNotifications deletes notifications that are older and that no delivery
// needs, after the one where the sweep stands; it looks at limit of them. over
// says that there are no more that old.
func (tx *Tx) ForgetNotifications(s Sweep, before time.Time, limit int) (_ Sweep, over bool, err error) {
	// Their ids sort by time.
	ids, err := list(tx, scanText, "SELECT id FROM notifications WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3",
		s.NotificationID, paybell.NewNotificationID(before)[:12], limit)
	if err != nil || len(ids) == 0 {
		return s, true, err
	}
	// Each kind of webhook is asked for by itself, or all that a client ever gave with
	// invoices would be looked through.
	none := func(scope string) string {
		return " AND NOT EXISTS (SELECT 1 FROM webhooks w JOIN deliveries d" + tx.db.dialect.byLane + ` ON d.webhook_id = w.id AND d.invoice_id = notifications.invoice_id
			WHERE w.client_id = notifications.client_id AND w.invoice_id = ` + scope + " AND d.notification_id = notifications.id)"
	}
	_, err = tx.exec("DELETE FROM notifications WHERE id >= $1 AND id <= $2"+none("''")+none("notifications.invoice_id"), ids[0], ids[len(ids)-1])
	s.NotificationID = ids[len(ids)-1]
	return s, len(ids) < limit, err
}
