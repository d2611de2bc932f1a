package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CancelResend ends a job. What it has made pending already is still sent. One
// that is over stays as it is.
func (d *Desk) CancelResend(ctx context.Context, a Actor, clientID, id string) (paybell.Resend, error) {
	return store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Resend, error) {
		own, err := a.actsFor(tx, clientID, paybell.ResendNotifications)
		if err != nil {
			return paybell.Resend{}, err
		}
		r, err := tx.Resend(own, id)
		if err != nil || r.State != paybell.ResendRunning {
			return r, err
		}
		if r.What == paybell.ResendMissed || r.What == paybell.SkipMissed {
			// Half of a lane held would keep the other half waiting for ever.
			return r, paybell.Errorf(paybell.Conflict, "this job makes up for the time in which the webhook did not ring, and cannot be left half done: "+
				"pause the webhook, which stops it, and enable it again with missed: skip")
		}
		if err := tx.CancelResend(&r, now()); err != nil {
			return r, err
		}
		return r, a.audit(tx, "cancelResend", r.ID, "")
	})
}
