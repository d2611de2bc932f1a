package deliver

import (
	"context"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// target is where a delivery goes and what it is signed with, as of a moment.
type target struct {
	store.Target
	secrets []paybell.Secret // the current one first
}

// freshTarget is where a webhook rings, read again when it is older than
// targetAge: a change counts within a second.
type freshTarget struct {
	mu sync.Mutex
	at time.Time
	to target
}

// target reads where d goes now and what signs it, not from before a moment: an
// endpoint that is new in memory takes over what the store knows of it now, not what
// was known before its last attempts were recorded.
func (d *Dispatcher) target(del paybell.Delivery, since time.Time) (target, error) {
	v, _ := d.targets.LoadOrStore(del.WebhookID, &freshTarget{})
	f := v.(*freshTarget)
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) < targetAge && !f.at.Before(since) {
		return f.to, nil
	}
	began := time.Now()
	to, err := store.View(context.WithoutCancel(d.running), d.db, func(tx *store.Tx) (to target, err error) {
		if to.Target, err = tx.Target(del.WebhookID); err != nil {
			return to, err
		}
		to.secrets, err = tx.Secrets(del.ClientID, began)
		return to, err
	})
	if err == nil {
		f.to, f.at = to, began
	}
	return to, err
}

// forgetTargets drops what was not used for a while: webhooks given with an
// invoice are many, and soon silent.
func (d *Dispatcher) forgetTargets() {
	d.targets.Range(func(id, v any) bool {
		f := v.(*freshTarget)
		if f.mu.TryLock() {
			if time.Since(f.at) > time.Minute {
				d.targets.Delete(id)
			}
			f.mu.Unlock()
		}
		return true
	})
}
