package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CountMissed is how many notifications EnableWebhook would send, or give up if
// they are skipped. It changes nothing.
func (d *Desk) CountMissed(ctx context.Context, a Actor, clientID, id string) (send, skip int64, err error) {
	type counts struct{ send, skip int64 }
	c, err := store.View(ctx, d.DB, func(tx *store.Tx) (c counts, err error) {
		w, err := a.hook(tx, clientID, id, paybell.UpdateWebhook)
		if err != nil {
			return c, err
		}
		h, err := tx.Health(store.Endpoint{ClientID: w.ClientID, Origin: w.Origin})
		if err != nil {
			return c, err
		}
		job := missed(w, false)
		switch {
		case !h.DisabledAt.IsZero():
			job.WebhookID, job.Since = "", h.FailingSince
		case w.State == paybell.WebhookActive:
			return c, nil
		}
		if c.send, err = tx.CountResend(job); err != nil {
			return c, err
		}
		job.What, job.Since = paybell.SkipMissed, time.Time{}
		c.skip, err = tx.CountResend(job)
		return c, err
	})
	return c.send, c.skip, err
}
