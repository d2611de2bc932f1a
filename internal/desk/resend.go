package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ResendRequest says which deliveries of a webhook are to be made again. One of
// the first three is given.
type ResendRequest struct {
	NotificationID string                  // this one
	FailedSince    time.Time               // all that were given up since
	After          *paybell.SequenceNumber // all with later numbers, also those that were delivered
	DryRun         bool                    // only count them
}

// Resend starts a job that makes deliveries again, with their ids, numbers and
// bytes and their full schedule. While a job that asks for the same is running,
// there is no second one. With DryRun nothing happens, and Total says how many it
// would be.
func (d *Desk) Resend(ctx context.Context, a Actor, clientID, webhookID string, q ResendRequest) (paybell.Resend, error) {
	if err := a.changes(); err != nil {
		return paybell.Resend{}, err
	}
	at := now()
	r := paybell.Resend{ID: paybell.NewUUID(at), State: paybell.ResendRunning, CreatedAt: at}
	asked := 0
	for _, given := range []bool{q.NotificationID != "", !q.FailedSince.IsZero(), q.After != nil} {
		if given {
			asked++
		}
	}
	if asked != 1 {
		return r, errWhatToResend
	}
	// Counting may take a while: not where others wait to write.
	r, err := store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Resend, error) { return a.resend(tx, clientID, webhookID, q, r) })
	if err != nil || q.DryRun {
		return r, err
	}
	return store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Resend, error) {
		job, err := tx.StartResend(r)
		if err != nil || job.ID != r.ID { // one that asks for the same is running
			return job, err
		}
		return job, a.audit(tx, "resend", job.WebhookID, string(job.What))
	})
}

var errWhatToResend = paybell.Errorf(paybell.Invalid, "say what to send again: notificationId for one, failedSince for all that were given up since then, "+
	"or after for everything after a number")

// resend is the job that a request asks for, with its count.
func (a Actor) resend(tx *store.Tx, clientID, webhookID string, q ResendRequest, r paybell.Resend) (paybell.Resend, error) {
	w, err := a.hook(tx, clientID, webhookID, paybell.ResendNotifications)
	if err != nil {
		return r, err
	}
	r.ClientID, r.WebhookID, r.Origin = w.ClientID, w.ID, w.Origin
	t, err := tx.Target(w.ID)
	if err != nil {
		return r, err
	}
	if !t.Rings() {
		return r, paybell.Errorf(paybell.Conflict, "the webhook does not ring now: enable it first, which can send what it missed")
	}
	switch {
	case q.NotificationID != "":
		id, ok := paybell.ParseClientID(q.NotificationID) // of the same form
		d, found, err := tx.DeliveryOf(w.ID, id)
		if err == nil && !(ok && found) {
			err = paybell.Errorf(paybell.NotFound, "notification %.40q was not for this webhook", q.NotificationID)
		}
		if err != nil {
			return r, err
		}
		r.What, r.After, r.Upto = paybell.ResendOne, d.Number-1, d.Number
	case q.After != nil:
		if q.After.N > 0 && q.After.Epoch != tx.Epoch() {
			return r, errEpoch(*q.After, tx.Epoch())
		}
		last, err := tx.LastNumber(w.ID)
		if err != nil {
			return r, err
		}
		r.What, r.After, r.Upto = paybell.ResendAfter, min(q.After.N, last), max(last, 1)
	default:
		r.What, r.Since = paybell.ResendFailed, q.FailedSince
	}
	r.Total, err = tx.CountResend(r)
	return r, err
}

// seesResends is the permission to look at jobs: people who may look see them, too.
func (a Actor) seesResends() paybell.Permissions {
	if a.Person {
		return paybell.GetWebhooks
	}
	return paybell.ResendNotifications
}

// Resends lists a client's jobs, the newest first, at most MaxPull.
func (d *Desk) Resends(ctx context.Context, a Actor, clientID string) ([]paybell.Resend, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Resend, error) {
		own, err := a.actsFor(tx, clientID, a.seesResends())
		if err != nil {
			return nil, err
		}
		return tx.Resends(own, MaxPull)
	})
}

// FindResend reads one job of a client.
func (d *Desk) FindResend(ctx context.Context, a Actor, clientID, id string) (paybell.Resend, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Resend, error) {
		own, err := a.actsFor(tx, clientID, a.seesResends())
		if err != nil {
			return paybell.Resend{}, err
		}
		return tx.Resend(own, id)
	})
}
