package desk

import (
	"context"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// EnableWebhook lets a webhook ring that was paused or disabled, and its endpoint
// with all its webhooks if that was disabled. What was held, and what was given
// up since it failed first, is sent, in order and after what is new, or skipped.
// The job that does so is returned; while it runs, asking again returns it again.
func (d *Desk) EnableWebhook(ctx context.Context, a Actor, clientID, id string, skip bool) (paybell.Resend, error) {
	return store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Resend, error) {
		w, err := a.hookToChange(tx, clientID, id)
		if err != nil {
			return paybell.Resend{}, err
		}
		h, err := tx.Health(store.Endpoint{ClientID: w.ClientID, Origin: w.Origin})
		if err != nil {
			return paybell.Resend{}, err
		}
		if w.State == paybell.WebhookActive && h.DisabledAt.IsZero() {
			running, found, err := tx.MissedResend(w.ClientID, w.ID)
			if err != nil || found && skip == (running.What == paybell.SkipMissed) {
				return running, err // it was enabled just now
			}
			if err := tx.CancelMissed(w.ClientID, w.ID, now()); err != nil {
				return running, err
			}
		}
		job := missed(w, skip)
		if w.State == paybell.WebhookActive {
			job.Since = job.CreatedAt // it was not its own state that kept it
		} else {
			w.State, w.StateReason, w.StateSince = paybell.WebhookActive, "", time.Time{}
			if err := tx.UpdateWebhook(w); err != nil {
				return job, err
			}
		}
		if !h.DisabledAt.IsZero() {
			job, err = enableEndpoint(tx, job, h)
		} else {
			job, err = startMissed(tx, job)
		}
		if err != nil {
			return job, err
		}
		return job, a.audit(tx, "enableWebhook", w.ID, string(job.What))
	})
}

// EnableEndpoint is EnableWebhook for all webhooks of a disabled endpoint, which
// origin names.
func (d *Desk) EnableEndpoint(ctx context.Context, a Actor, clientID, origin string, skip bool) (paybell.Resend, error) {
	return store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Resend, error) {
		own, err := a.actsFor(tx, clientID, paybell.UpdateWebhook)
		if err != nil {
			return paybell.Resend{}, err
		}
		if strings.Contains(origin, "\x00") {
			return paybell.Resend{}, paybell.InvalidField("endpoint", "holds a zero byte")
		}
		h, err := tx.Health(store.Endpoint{ClientID: own, Origin: origin})
		if err == nil && h.DisabledAt.IsZero() {
			if running, found, err := tx.MissedResendOf(store.Endpoint{ClientID: own, Origin: origin}); err != nil || found {
				return running, err // it was enabled just now
			}
			err = paybell.Errorf(paybell.Conflict, "endpoint %.200q is not disabled; GET .../endpoints lists those that are", origin)
		}
		if err != nil {
			return paybell.Resend{}, err
		}
		job, err := enableEndpoint(tx, missed(paybell.Webhook{ClientID: own, Origin: origin}, skip), h)
		if err != nil {
			return job, err
		}
		return job, a.audit(tx, "enableEndpoint", own, origin)
	})
}

// missed is the job that makes up for the time in which w did not ring.
func missed(w paybell.Webhook, skip bool) paybell.Resend {
	at := now()
	r := paybell.Resend{
		ID: paybell.NewUUID(at), ClientID: w.ClientID, WebhookID: w.ID, Origin: w.Origin, What: paybell.ResendMissed, Since: w.StateSince,
		State: paybell.ResendRunning, CreatedAt: at,
	}
	if skip {
		r.What = paybell.SkipMissed
	}
	return r
}

// enableEndpoint lets an endpoint be served again; the job is for all that ring
// there.
func enableEndpoint(tx *store.Tx, job paybell.Resend, h paybell.Health) (paybell.Resend, error) {
	if err := tx.EnableEndpoint(store.Endpoint{ClientID: job.ClientID, Origin: job.Origin}); err != nil {
		return job, err
	}
	job.WebhookID, job.Since = "", h.FailingSince
	return startMissed(tx, job)
}

func startMissed(tx *store.Tx, job paybell.Resend) (_ paybell.Resend, err error) {
	if job.What == paybell.SkipMissed {
		job.Since = time.Time{}
	}
	if job.Total, err = tx.CountResend(job); err != nil {
		return job, err
	}
	return tx.StartResend(job)
}
