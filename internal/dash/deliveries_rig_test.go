package dash

import (
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// shop is an integration of the rig's merchant, to which things happen as a test
// says.
type shop struct {
	*rig
	client paybell.Client
}

func (r *rig) shop(name string) *shop {
	r.Helper()
	c, _, err := r.desk.CreateClient(r.Context(), r.ownerActor(), desk.NewClient{Name: name, URL: "https://" + strings.ToLower(name) + ".example", Permissions: paybell.AllPermissions})
	must(r.T, err)
	return &shop{r, c}
}

// hook is a webhook that wants everything.
func (s *shop) hook(url string) paybell.Webhook {
	s.Helper()
	return s.hookOf("", url)
}

// hookOf is one that was given with an invoice.
func (s *shop) hookOf(invoiceID, url string) paybell.Webhook {
	s.Helper()
	origin, err := paybell.CheckNotificationsURL(url, nil)
	must(s.T, err)
	w := paybell.Webhook{
		ID: paybell.NewWebhookID(), ClientID: s.client.ID, InvoiceID: invoiceID, URL: url, Origin: origin, Events: paybell.AllEvents,
		State: paybell.WebhookActive, CreatedAt: time.Now().UTC(),
	}
	s.do(func(tx *store.Tx) error { return tx.CreateWebhook(w) })
	return w
}

func (s *shop) do(body func(tx *store.Tx) error) {
	s.Helper()
	must(s.T, store.Do(s.Context(), s.desk.DB, body))
}

// draft is an invoice of the shop.
func (s *shop) draft(number, total string) paybell.Invoice {
	sum := decimal.RequireFromString(total)
	return paybell.Invoice{
		ID: paybell.NewUUID(time.Now()), MerchantID: s.client.MerchantID, ClientID: s.client.ID,
		Bill:      paybell.Bill{Currency: "5057", Total: sum, Breakdown: paybell.Breakdown{Subtotal: sum}, Number: number},
		ExpiresAt: time.Now().Add(7 * 24 * time.Hour), Window: time.Hour,
	}
}

// create makes an invoice at a moment.
func (s *shop) create(inv paybell.Invoice, at time.Time) paybell.Invoice {
	s.Helper()
	c := paybell.Create(inv, at.UTC().Truncate(time.Microsecond))
	s.do(func(tx *store.Tx) error { return tx.Apply(c) })
	return c.Invoice
}

// becomes tells a next state of an invoice, with flags.
func (s *shop) becomes(inv paybell.Invoice, event paybell.Event, state paybell.State, flags paybell.Flags, at time.Time) paybell.Invoice {
	s.Helper()
	inv.Version++
	inv.State, inv.Flags = state, flags
	switch at = at.UTC().Truncate(time.Microsecond); state {
	case paybell.Paid:
		inv.PaidAt = at
	case paybell.Completed:
		inv.CompletedAt = at
	}
	s.do(func(tx *store.Tx) error { return tx.Apply(paybell.Change{Event: event, At: at, Invoice: inv}) })
	return inv
}

// delivery reads one of a webhook.
func (s *shop) delivery(w paybell.Webhook, number int64) paybell.Delivery {
	s.Helper()
	all, err := store.View(s.Context(), s.desk.DB, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, number-1, 1) })
	must(s.T, err)
	if len(all) != 1 {
		s.Fatalf("the webhook has no delivery %d", number)
	}
	return all[0]
}

// answers records that an attempt at a delivery was made at a moment, and how long
// it took. A failure is why it did not count.
func (s *shop) answers(w paybell.Webhook, number int64, status int, failure, body string, at time.Time, took time.Duration) {
	s.Helper()
	d := s.delivery(w, number)
	a := paybell.Attempt{
		WebhookID: w.ID, Number: number, N: d.Attempts + 1, StartedAt: at.UTC().Truncate(time.Microsecond), Duration: took, Status: status, Answer: body, Failure: failure,
		Timing: paybell.Timing{DNS: took / 20, Connect: took / 10, TLS: took / 5, FirstByte: took * 9 / 10}, Secret: s.client.CreatedAt.UnixMicro(),
	}
	r := store.Result{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: w.URL}
	h, err := store.View(s.Context(), s.desk.DB, func(tx *store.Tx) (paybell.Health, error) {
		return tx.Health(store.Endpoint{ClientID: w.ClientID, Origin: w.Origin})
	})
	must(s.T, err)
	r.Recovered = failure == "" && !h.FailingSince.IsZero()
	s.do(func(tx *store.Tx) error {
		_, err := tx.Record([]store.Result{r}, at.Add(took).UTC().Truncate(time.Microsecond))
		return err
	})
}

// exhaust records that the last attempt at a delivery failed.
func (s *shop) exhaust(w paybell.Webhook, number int64, at time.Time) {
	s.Helper()
	d := s.delivery(w, number)
	a := paybell.Attempt{WebhookID: w.ID, Number: number, N: d.Attempts + 1, StartedAt: at.UTC().Truncate(time.Microsecond), Status: 500, Failure: "answered 500"}
	r := store.Result{Delivery: d.Next(a, nil, 0), Attempt: a, URL: w.URL}
	s.do(func(tx *store.Tx) error {
		_, err := tx.Record([]store.Result{r}, at.UTC().Truncate(time.Microsecond))
		return err
	})
}

// outage records attempts at a delivery that failed, over so long that its endpoint
// is disabled at the end.
func (s *shop) outage(w paybell.Webhook, number int64, until time.Time) {
	s.Helper()
	const n = 12
	for i := range n {
		s.answers(w, number, 500, "answered 500", "", until.Add(-paybell.DisableAfter*time.Duration(n-1-i)/(n-1)), time.Millisecond)
	}
}

// link is the page of a delivery.
func (s *shop) link(w paybell.Webhook, number int64) string {
	s.Helper()
	return deliveryLink(s.delivery(w, number))
}

// another is a merchant of its own, with a shop.
func (r *rig) another() *shop {
	r.Helper()
	m, err := r.desk.CreateMerchant(r.Context(), "Another", "")
	must(r.T, err)
	c, _, err := r.desk.CreateClient(r.Context(), desk.Owner(m.ID), desk.NewClient{Name: "theirs", Permissions: paybell.AllPermissions})
	must(r.T, err)
	return &shop{r, c}
}
