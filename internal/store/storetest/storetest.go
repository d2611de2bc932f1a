// Package storetest is what every store must do, whichever database it keeps
// its rows in. A new dialect is done when it passes Run.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Run holds the stores that open gives to the whole contract. Each call of open
// gives an empty store, up to date, that is closed when its test ends.
func Run(t *testing.T, open func(t *testing.T) *store.DB) {
	tests := map[string]func(*testing.T, *store.DB){}
	for _, group := range []map[string]func(*testing.T, *store.DB){
		transactionTests, merchantTests, clientTests, tokenTests, peopleTests, passTests, auditTests, answerTests, paceTests, invoiceTests, searchTests, applyTests, webhookTests, laneTests, againTests, healthTests, resendTests, shardTests, standstillTests, dueTests, timerTests, chainTests, walletTests,
	} {
		maps.Copy(tests, group)
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of them wait for the database
			tests[name](t, open(t))
		})
	}
}

// t0 is when these tests play. The store keeps microseconds.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

// after is t0 and n seconds.
func after(n int) time.Time { return t0.Add(time.Duration(n) * time.Second) }

// A body runs on the goroutine of a writer, where a test cannot be ended: bodies
// return their errors to these.

func do(t testing.TB, db *store.DB, body func(*store.Tx) error) {
	t.Helper()
	if err := store.Do(context.Background(), db, body); err != nil {
		t.Fatal(err)
	}
}

func update[T any](t testing.TB, db *store.DB, body func(*store.Tx) (T, error)) T {
	t.Helper()
	v, err := store.Update(context.Background(), db, body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func view[T any](t testing.TB, db *store.DB, body func(*store.Tx) (T, error)) T {
	t.Helper()
	v, err := store.View(context.Background(), db, body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantCode fails unless err is one of ours with this code.
func wantCode(t testing.TB, err error, code paybell.Code) {
	t.Helper()
	if err == nil || paybell.CodeOf(err) != code {
		t.Errorf("got the error %v, want one with code %s", err, code)
	}
}

// wantSame compares two values as JSON shows them: decimals and times have
// several forms of one value in memory, and one there.
func wantSame(t testing.TB, what string, got, want any) {
	t.Helper()
	show := func(v any) string {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if g, w := show(got), show(want); g != w {
		t.Errorf("%s: got\n%s\nwant\n%s", what, g, w)
	}
}

// atOnce runs n goroutines and returns their errors, joined.
func atOnce(n int, run func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := run(i); err != nil {
				errs[i] = fmt.Errorf("goroutine %d: %w", i, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Shop is a merchant with one client.
type Shop struct {
	DB       *store.DB
	Merchant paybell.Merchant
	Client   paybell.Client
}

// NewShop makes a merchant with a client.
func NewShop(t testing.TB, db *store.DB) *Shop {
	t.Helper()
	s := &Shop{DB: db, Merchant: paybell.Merchant{ID: paybell.NewUUID(t0), Name: "Märkte & Söhne", Email: "shop@example.com", CreatedAt: t0}}
	do(t, db, func(tx *store.Tx) error { return tx.CreateMerchant(s.Merchant) })
	s.Client = s.newClient(t)
	return s
}

// newClient makes another client of the merchant.
func (s *Shop) newClient(t testing.TB) paybell.Client {
	t.Helper()
	c := paybell.Client{
		ID: paybell.NewClientID(), MerchantID: s.Merchant.ID, Name: "checkout", URL: "https://shop.example.com", State: paybell.ClientActive,
		Permissions: paybell.AllPermissions, CreatedAt: t0, Terms: paybell.DefaultTerms,
	}
	do(t, s.DB, func(tx *store.Tx) error { return tx.CreateClient(c, paybell.NewClientSecret()) })
	return c
}

// Webhook is one for the client that wants everything; change what differs
// before it is created.
func (s *Shop) Webhook(url string) paybell.Webhook {
	origin, err := paybell.CheckNotificationsURL(url, nil)
	if err != nil {
		panic(err)
	}
	return paybell.Webhook{
		ID: paybell.NewWebhookID(), ClientID: s.Client.ID, URL: url, Origin: origin,
		Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: t0,
	}
}

// hook creates a webhook of the client that wants everything.
func (s *Shop) hook(t testing.TB, url string) paybell.Webhook {
	t.Helper()
	w := s.Webhook(url)
	s.createHooks(t, w)
	return w
}

func (s *Shop) createHooks(t testing.TB, hooks ...paybell.Webhook) {
	t.Helper()
	do(t, s.DB, func(tx *store.Tx) error {
		for _, w := range hooks {
			if err := tx.CreateWebhook(w); err != nil {
				return err
			}
		}
		return nil
	})
}

// NewInvoice is the change that creates an invoice of the client.
func (s *Shop) NewInvoice(at time.Time) paybell.Change {
	ten := decimal.NewFromInt(10)
	return paybell.Create(paybell.Invoice{
		ID: paybell.NewUUID(at), MerchantID: s.Merchant.ID, ClientID: s.Client.ID,
		Bill:      paybell.Bill{Currency: "5057", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}, Number: "INV-1"},
		ExpiresAt: at.Add(7 * 24 * time.Hour), Window: time.Hour, Test: true,
	}, at)
}

// create creates an invoice and returns it.
func (s *Shop) create(t testing.TB, at time.Time) paybell.Invoice {
	t.Helper()
	c := s.NewInvoice(at)
	s.apply(t, c)
	return c.Invoice
}

func (s *Shop) apply(t testing.TB, changes ...paybell.Change) {
	t.Helper()
	do(t, s.DB, func(tx *store.Tx) error { return tx.Apply(changes...) })
}

// flagged is the next change of an invoice, for tests to which any will do.
func flagged(inv paybell.Invoice, at time.Time) paybell.Change {
	inv.Version++
	inv.Flags ^= paybell.Late
	return paybell.Change{Event: paybell.InvoiceFlagged, At: at, Invoice: inv}
}

// tell writes n more changes of an invoice, one in each transaction.
func (s *Shop) tell(t testing.TB, inv paybell.Invoice, n int) paybell.Invoice {
	t.Helper()
	for range n {
		c := flagged(inv, inv.CreatedAt.Add(time.Duration(inv.Version)*time.Second))
		s.apply(t, c)
		inv = c.Invoice
	}
	return inv
}

func (s *Shop) invoice(t testing.TB, id string) paybell.Invoice {
	t.Helper()
	return view(t, s.DB, func(tx *store.Tx) (paybell.Invoice, error) { return tx.Invoice(id) })
}

// deliveries reads all of a webhook.
func (s *Shop) deliveries(t testing.TB, webhookID string) []paybell.Delivery {
	t.Helper()
	return view(t, s.DB, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhookID, 0, 100_000) })
}

// delivery reads one.
func (s *Shop) delivery(t testing.TB, webhookID string, number int64) paybell.Delivery {
	t.Helper()
	some := view(t, s.DB, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhookID, number-1, 1) })
	if len(some) != 1 || some[0].Number != number {
		t.Fatalf("webhook %s has no delivery %d", webhookID, number)
	}
	return some[0]
}

// tried is the result of one more attempt at d; failure is empty when it was
// delivered.
func tried(d paybell.Delivery, failure string, at time.Time) store.Result {
	a := paybell.Attempt{
		WebhookID: d.WebhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: at,
		Duration: 1234 * time.Microsecond, Status: 200, Answer: "ok", Failure: failure,
	}
	return store.Result{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a}
}

// record writes results and returns which of them made the next one due.
func (s *Shop) record(t testing.TB, at time.Time, results ...store.Result) []bool {
	t.Helper()
	return update(t, s.DB, func(tx *store.Tx) ([]bool, error) { return tx.Record(results, at) })
}

// settle is what the dispatcher does with heads that are due to an origin of the
// client and may not go, until there are none. It returns how many there were.
func (s *Shop) settle(t testing.TB, origin string, now time.Time) (n int) {
	t.Helper()
	for {
		before := n
		for _, d := range s.due(t, origin, now.Add(1000*time.Hour), 1000) {
			to := view(t, s.DB, func(tx *store.Tx) (store.Target, error) { return tx.Target(d.WebhookID) })
			if !to.Rings() || to.Webhook.Origin != origin {
				n++
				update(t, s.DB, func(tx *store.Tx) (bool, error) { return tx.Settle(d.WebhookID, d.InvoiceID, now) })
			}
		}
		if n == before {
			return n
		}
	}
}

// laneName is what waits for each other.
type laneName struct {
	webhookID, invoiceID string
	lane                 paybell.Lane
}

func laneOf(d paybell.Delivery) laneName { return laneName{d.WebhookID, d.InvoiceID, d.Lane()} }

// wantSound fails unless the numbers of a webhook have no gap, and what is due is
// the head of each lane that begins with a pending delivery, and nothing else:
// what is behind another waits for it, also when that is held. Among those that
// are told again, one that was due stays so when an earlier one is made again.
func wantSound(t testing.TB, all []paybell.Delivery) {
	t.Helper()
	if err := sound(all); err != nil {
		t.Error(err)
	}
}

func sound(all []paybell.Delivery) error {
	heads := map[laneName]bool{}
	var wrong []error
	for i, d := range all {
		if d.Number != int64(i+1) {
			return fmt.Errorf("webhook %s: after number %d comes %d", d.WebhookID, i, d.Number)
		}
		waits := d.State == paybell.DeliveryPending || d.State == paybell.Held
		first := waits && !heads[laneOf(d)]
		heads[laneOf(d)] = heads[laneOf(d)] || waits
		head := first && d.State == paybell.DeliveryPending
		if mayBeDue := head || d.Lane() == paybell.Again && d.State == paybell.DeliveryPending; head && d.DueAt.IsZero() || !mayBeDue && !d.DueAt.IsZero() {
			wrong = append(wrong, fmt.Errorf("webhook %s, number %d, lane %d, %s: is the head of its lane: %v; due at %v", d.WebhookID, d.Number, d.Lane(), d.State, head, d.DueAt))
		}
		if d.FinishedAt.IsZero() != (d.State == paybell.DeliveryPending) {
			wrong = append(wrong, fmt.Errorf("webhook %s, number %d is %s and was finished at %v", d.WebhookID, d.Number, d.State, d.FinishedAt))
		}
	}
	return errors.Join(wrong...)
}

// patience is how long a test waits for what must come at once.
const patience = 20 * time.Second
