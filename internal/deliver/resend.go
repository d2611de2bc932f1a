package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Resender works on the jobs that make deliveries again. It is a loop's Stepper.
// A step moves every job a page forward, and leaves those alone whose endpoint
// has enough waiting: what is resent goes after live traffic. Page and place are
// written in one transaction, guarded by the place: after a crash, or beside
// other processes, no page is made twice.
type Resender struct {
	DB *store.DB
	// Every is the pause when there is nothing to do; Poke of the loop ends it.
	Every time.Duration

	last paybell.Resend // of the jobs of the step before
}

const (
	resendPage  = 256                   // deliveries that a job makes again at a time
	resendAhead = 512                   // of an endpoint that may be due
	resendPause = 50 * time.Millisecond // between two steps of a job, so that others write
	resendWait  = time.Second           // before an endpoint that has enough waiting is looked at again
	maxResends  = 100                   // jobs of a step
)

// Step moves every running job forward.
func (r *Resender) Step(ctx context.Context) (wait time.Duration, err error) {
	jobs, err := store.View(ctx, r.DB, func(tx *store.Tx) ([]paybell.Resend, error) { return tx.RunningResends(r.last, maxResends) })
	wait = r.Every
	r.last = paybell.Resend{}
	if len(jobs) == maxResends {
		r.last, wait = jobs[maxResends-1], 0 // the others' turn
	}
	for _, job := range jobs {
		moved, err := r.advance(ctx, job)
		if err != nil {
			return 0, err
		}
		if moved {
			wait = min(wait, resendPause)
		}
		wait = min(wait, resendWait)
	}
	return wait, err
}

// page is what a job makes again next.
type page struct {
	deliveries []paybell.Delivery
	is         paybell.Resend // the job, when that is done
	wait       bool           // not now
}

// advance makes the next deliveries of a job again.
func (r *Resender) advance(ctx context.Context, job paybell.Resend) (moved bool, err error) {
	p, err := store.View(ctx, r.DB, func(tx *store.Tx) (p page, err error) {
		return r.look(tx, job)
	})
	if err != nil || p.wait {
		return false, err
	}
	moved, err = store.Update(ctx, r.DB, func(tx *store.Tx) (bool, error) {
		now := time.Now()
		is := p.is
		if is.State != paybell.ResendRunning {
			is.FinishedAt = now
		}
		for _, d := range p.deliveries {
			do := tx.Again
			if job.What == paybell.SkipMissed {
				do = tx.GiveUp
			}
			done, err := do(d, now)
			if err != nil {
				return false, err
			}
			if done {
				is.Done++
			}
		}
		saved, err := tx.SaveResend(job, is)
		if err == nil && !saved {
			err = errMoved // another process was faster, or it was cancelled: nothing of this counts
		}
		return true, err
	})
	if errors.Is(err, errMoved) {
		return false, nil
	}
	return moved, err
}

// errMoved takes back what was made again for a job that has moved meanwhile.
var errMoved = paybell.Errorf(paybell.Conflict, "another process works on this resend, or it was cancelled")

// look reads what a job makes again next. A job whose webhook does not ring any
// more is over: what it would make again would be held.
func (r *Resender) look(tx *store.Tx, job paybell.Resend) (p page, err error) {
	if job.What != paybell.SkipMissed {
		rings, err := rings(tx, job)
		if err != nil {
			return p, err
		}
		if !rings {
			p.is = job
			p.is.State = paybell.ResendCancelled
			return p, nil
		}
		e := store.Endpoint{ClientID: job.ClientID, Origin: job.Origin}
		if n, err := tx.Waiting(e, time.Now(), resendAhead); err != nil || n >= resendAhead {
			p.wait = true
			return p, err
		}
	}
	var over bool
	if p.deliveries, p.is, over, err = tx.ResendPage(job, resendPage); over {
		p.is.State = paybell.ResendFinished
	}
	return p, err
}

// rings reports whether what a job makes again goes out.
func rings(tx *store.Tx, job paybell.Resend) (bool, error) {
	if job.WebhookID == "" {
		h, err := tx.Health(store.Endpoint{ClientID: job.ClientID, Origin: job.Origin})
		return h.DisabledAt.IsZero(), err
	}
	t, err := tx.Target(job.WebhookID)
	return t.Rings(), err
}
