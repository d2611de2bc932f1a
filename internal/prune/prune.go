// Package prune deletes what is over: deliveries, attempts and notifications when
// they are old, remembered answers after a day, secrets after their overlap,
// sessions and passes that are over, what people did after more than a year, and of
// buyers who were to be erased what somebody still waited for then. It works in
// small steps, so that nobody waits for it.
package prune

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Pruner is a loop's Stepper.
type Pruner struct {
	DB *store.DB
	// Every is the pause when nothing is left to delete.
	Every time.Duration
	// KeepDeliveries is how long deliveries and their attempts are kept after they
	// were made and came to an end; what is pending is kept in any case. Zero: for ever.
	KeepDeliveries time.Duration
	// KeepNotifications is how long notifications are kept, at least as long as their
	// deliveries. Zero: for ever.
	KeepNotifications time.Duration

	ended store.Ended // webhooks deleted before have nothing waiting any more
	sweep store.Sweep
	swept time.Time // when it last came to the end
}

const (
	batch       = 500                   // rows of a kind that one step deletes
	eraseBatch  = 50                    // invoices of whose notifications one step erases what is left of buyers
	pause       = 50 * time.Millisecond // while there is more: others write between
	sweepEvery  = 10 * time.Minute      // a look through everything that is old
	resendsKept = 30 * 24 * time.Hour
)

// Step deletes one batch of each kind. While there is more, it wants to go on
// soon, and lets others write between.
func (p *Pruner) Step(ctx context.Context) (wait time.Duration, err error) {
	now := time.Now()
	wait = p.Every
	if more, err := p.endDeleted(ctx, now); err != nil {
		return 0, err
	} else if more {
		wait = pause
	}
	for _, forget := range []func(*store.Tx) (int64, error){
		func(tx *store.Tx) (int64, error) { return tx.ForgetAnswers(now.Add(-store.AnswersKept), batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetPaces(now, batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetSecrets(now, batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetResends(now.Add(-resendsKept), batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetSessions(now, batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetPasses(now, batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetAudit(now.Add(-paybell.AuditKept), batch) },
	} {
		n, err := store.Update(ctx, p.DB, forget)
		if err != nil {
			return 0, err
		}
		if n == batch {
			wait = min(wait, pause)
		}
	}
	left, err := store.Update(ctx, p.DB, func(tx *store.Tx) (int64, error) { return tx.EraseLeft(now, eraseBatch) })
	if err != nil {
		return 0, err
	}
	if left == eraseBatch {
		wait = min(wait, pause)
	}
	if now.Sub(p.swept) < sweepEvery {
		return wait, nil
	}
	over, err := p.step(ctx, now)
	if err != nil {
		return 0, err
	}
	if over {
		p.sweep, p.swept = store.Sweep{}, now
		return wait, nil
	}
	return min(wait, pause), nil
}

// endDeleted ends some of what still waits for webhooks that were deleted since it
// was done with that last; the first time, for all.
func (p *Pruner) endDeleted(ctx context.Context, now time.Time) (more bool, err error) {
	type reached struct {
		at   store.Ended
		over bool
	}
	from := p.ended
	r, err := store.Update(ctx, p.DB, func(tx *store.Tx) (r reached, err error) {
		r.at, r.over, err = tx.EndWaiting(from, now, batch)
		return r, err
	})
	if err != nil {
		return false, err
	}
	p.ended = r.at
	if r.over {
		p.ended = store.Ended{At: now.Add(-time.Minute)} // what was committed late is met again
	}
	return !r.over, nil
}

// step takes the sweep one batch further: deliveries first, then the notifications
// that nobody needs any more.
func (p *Pruner) step(ctx context.Context, now time.Time) (over bool, err error) {
	if p.KeepDeliveries > 0 && p.sweep.NotificationID == "" {
		over, err := p.deliveries(ctx, now.Add(-p.KeepDeliveries))
		if err != nil || !over {
			return false, err
		}
	}
	if p.KeepNotifications == 0 {
		return true, nil
	}
	from, before := p.sweep, now.Add(-p.KeepNotifications)
	type reached struct {
		at   store.Sweep
		over bool
	}
	r, err := store.Update(ctx, p.DB, func(tx *store.Tx) (r reached, err error) {
		r.at, r.over, err = tx.ForgetNotifications(from, before, batch)
		return r, err
	})
	if err == nil {
		p.sweep = r.at
	}
	return r.over, err
}

func (p *Pruner) deliveries(ctx context.Context, before time.Time) (over bool, err error) {
	type page struct {
		at    store.Sweep
		last  int64
		found bool
	}
	old, err := store.View(ctx, p.DB, func(tx *store.Tx) (f page, err error) {
		f.at, f.last, f.found, err = tx.OldDeliveries(p.sweep, before, batch)
		return f, err
	})
	if err != nil {
		return false, err
	}
	if old.last > 0 {
		if _, err := store.Update(ctx, p.DB, func(tx *store.Tx) (int64, error) { return tx.ForgetDeliveries(old.at, old.last, before) }); err != nil {
			return false, err
		}
		old.at.Number = old.last
	}
	p.sweep = old.at
	return !old.found, nil
}
