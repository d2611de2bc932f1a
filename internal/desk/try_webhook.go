package desk

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// TryWebhook sends a sample of an event to a webhook, signed as real ones are and
// marked as a test, and tells how it went. It has no number, is not kept and not
// tried again. Each client may do so now and then.
func (d *Desk) TryWebhook(ctx context.Context, a Actor, clientID, id string, event string) (paybell.Attempt, error) {
	events, err := paybell.ParseEvents("event", []string{event})
	if err != nil {
		return paybell.Attempt{}, err
	}
	if d.Wire == nil {
		return paybell.Attempt{}, paybell.Errorf(paybell.Unavailable, "this process sends no notifications")
	}
	type found struct {
		hook     paybell.Webhook
		merchant paybell.Merchant
		names    paybell.EventNames
	}
	f, err := store.View(ctx, d.DB, func(tx *store.Tx) (f found, err error) {
		if f.hook, err = a.hook(tx, clientID, id, paybell.UpdateWebhook); err != nil {
			return f, err
		}
		c, err := tx.Client(f.hook.ClientID)
		if err != nil {
			return f, err
		}
		f.names = c.EventNames | events.PaymentNames()
		f.merchant, err = tx.Merchant(c.MerchantID)
		return f, err
	})
	if err != nil {
		return paybell.Attempt{}, err
	}
	if err := d.tries.take(f.hook.ClientID); err != nil {
		return paybell.Attempt{}, err
	}
	n := paybell.Sample(events&paybell.AllEvents, f.merchant, f.hook.ClientID, f.names, now())
	return d.Wire.Try(ctx, f.hook, n)
}

// tries counts the tests of each client: the button must not be a port scanner.
type tries struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

const (
	tryEvery = 6 * time.Second
	tryBurst = 5
)

func (t *tries) take(clientID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buckets) > 10_000 || t.buckets == nil {
		t.buckets = map[string]*rate.Limiter{}
	}
	bucket := t.buckets[clientID]
	if bucket == nil {
		bucket = rate.NewLimiter(rate.Every(tryEvery), tryBurst)
		t.buckets[clientID] = bucket
	}
	if bucket.Allow() {
		return nil
	}
	return &paybell.Error{Code: paybell.RateLimited, RetryAfter: tryEvery,
		Detail: "tests are limited to one in six seconds for each client; wait and try again"}
}
