package prune_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

const (
	day  = 24 * time.Hour
	keep = 90 * day
)

// told is what is left of a webhook's deliveries: states by number, attempts, and
// how many notifications there are.
func (a *attic) told(hook string) (states map[int64]paybell.DeliveryState, attempts int) {
	a.Helper()
	states = map[int64]paybell.DeliveryState{}
	_, err := store.View(context.Background(), a.db, func(tx *store.Tx) (int, error) {
		all, err := tx.Deliveries(hook, 0, 10_000)
		for _, d := range all {
			states[d.Number] = d.State
			tried, e := tx.Attempts(hook, d.Number)
			attempts, err = attempts+len(tried), errors.Join(err, e)
		}
		return 0, err
	})
	if err != nil {
		a.Fatal(err)
	}
	return states, attempts
}

// sweep steps until a whole sweep is done.
func (a *attic) sweep() {
	a.Helper()
	for range 15 {
		if _, err := a.pruner.Step(context.Background()); err != nil {
			a.Fatal(err)
		}
		time.Sleep(time.Minute)
	}
}

// Deliveries go when they are old and over; what is pending stays, and numbers go
// on counting when nothing is left.
func TestOldDeliveries(t *testing.T) {
	inAttic(t, func(a *attic) {
		a.pruner.KeepDeliveries, a.pruner.KeepNotifications = keep, 400*day
		client := paybell.Client{ID: paybell.NewClientID(), MerchantID: "m"}
		hook := paybell.Webhook{ID: "hook", ClientID: client.ID, URL: "https://shop.example/", Origin: "https://shop.example:443",
			Events: paybell.AllEvents, State: paybell.WebhookActive}
		a.do(func(tx *store.Tx) error {
			return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: "m"}), tx.CreateClient(client, paybell.NewClientSecret()), tx.CreateWebhook(hook))
		})
		var invoices []string
		tell := func(n int) {
			for range n {
				c := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(time.Now()), MerchantID: "m", ClientID: client.ID,
					Bill: paybell.Bill{Currency: "5057"}, ExpiresAt: time.Now().Add(time.Hour)}, time.Now())
				invoices = append(invoices, c.Invoice.ID)
				a.do(func(tx *store.Tx) error { return tx.Apply(c) })
			}
		}
		deliver := func(keepPending int64) {
			all, err := store.View(context.Background(), a.db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hook.ID, 0, 10_000) })
			if err != nil {
				a.Fatal(err)
			}
			var results []store.Result
			for _, d := range all {
				if d.State == paybell.DeliveryPending && d.Number != keepPending {
					at := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: time.Now()}
					results = append(results, store.Result{Delivery: d.Next(at, paybell.RetrySchedule, 0), Attempt: at})
				}
			}
			a.do(func(tx *store.Tx) error { _, err := tx.Record(results, time.Now()); return err })
		}
		history := func() (n int) {
			for _, id := range invoices {
				all, err := store.View(context.Background(), a.db, func(tx *store.Tx) ([]paybell.Notification, error) { return tx.History(id, 0, 10) })
				if err != nil {
					a.Fatal(err)
				}
				n += len(all)
			}
			return n
		}
		const old = 603 // more than a batch
		tell(old)
		deliver(7)
		time.Sleep(80 * day)
		tell(3)
		deliver(7)
		a.sweep()
		if states, attempts := a.told("hook"); len(states) != old+3 || attempts != old+2 {
			t.Errorf("after 80 days there are %d deliveries and %d attempts", len(states), attempts)
		}
		time.Sleep(11 * day)
		a.sweep()
		states, attempts := a.told("hook")
		if len(states) != 4 || states[7] != paybell.DeliveryPending || states[old+1] != paybell.Delivered || attempts != 3 {
			t.Errorf("after 91 days there are %v and %d attempts", states, attempts)
		}
		deliver(0)
		if n := history(); n != old+3 {
			t.Errorf("the history has %d steps", n)
		}
		time.Sleep(310 * day)
		a.sweep()
		if states, _ := a.told("hook"); len(states) != 0 {
			t.Errorf("after all that time there are %v", states)
		}
		if n := history(); n != 3 {
			t.Errorf("of the history %d steps are left, want the 3 younger ones", n)
		}
		tell(1)
		if states, _ := a.told("hook"); len(states) != 1 || states[old+4] != paybell.DeliveryPending {
			t.Errorf("the numbers do not go on: %v", states)
		}
	})
}
