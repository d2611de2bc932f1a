package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// TryWebhook sends a sample of an event to a webhook, signed as real ones are and
// marked as a test, and tells how it went. It has no number, is not kept and not
// tried again. Each client may do so now and then.
func (d *Desk) TryWebhook(ctx context.Context, a Actor, clientID, id string, event string) (paybell.Attempt, error) {
	if err := a.changes(); err != nil {
		return paybell.Attempt{}, err
	}
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
	if wait, err := d.paced(ctx, &d.tries, "test of "+f.hook.ClientID, tryBurst, tryEvery); err != nil {
		return paybell.Attempt{}, err
	} else if wait > 0 {
		return paybell.Attempt{}, &paybell.Error{Code: paybell.RateLimited, RetryAfter: wait,
			Detail: "tests are limited to one in six seconds for each client; wait and try again"}
	}
	if err := d.note(ctx, a, "tryWebhook", f.hook.ID, event); err != nil {
		return paybell.Attempt{}, err
	}
	n := paybell.Sample(events&paybell.AllEvents, f.merchant, f.hook.ClientID, f.names, now())
	return d.Wire.Try(ctx, f.hook, n)
}

// The button for tests must not be a port scanner.
const (
	tryBurst = 5
	tryEvery = 6 * time.Second
)
