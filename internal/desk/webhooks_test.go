package desk_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// program is the office's client.
func (o *office) program() desk.Actor {
	return desk.Actor{ClientID: o.client.ID, MerchantID: o.client.MerchantID, Permissions: paybell.AllPermissions, Terms: o.client.Terms}
}

func (o *office) hook(url string, events ...string) paybell.Webhook {
	o.Helper()
	w, err := o.CreateWebhook(o.Context(), o.program(), o.client.ID, desk.NewWebhook{URL: url, Events: events})
	must(o.T, err)
	return w
}

func (o *office) invoice() string {
	o.Helper()
	ten := decimal.NewFromInt(10)
	inv, err := o.CreateInvoice(o.Context(), o.program(), desk.NewInvoice{Bill: paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}})
	must(o.T, err)
	return inv.ID
}

func (o *office) pulled(id string) []paybell.Delivery {
	o.Helper()
	all, err := o.PullNotifications(o.Context(), o.program(), o.client.ID, id, paybell.SequenceNumber{}, desk.MaxPull)
	must(o.T, err)
	return all
}

func (o *office) status(id string) desk.WebhookStatus {
	o.Helper()
	s, err := o.WebhookStatus(o.Context(), o.program(), o.client.ID, id)
	must(o.T, err)
	return s
}

// onBoth runs a test on both databases.
func onBoth(t *testing.T, test func(o *office)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(onPostgres(t)) })
}

// together runs what is to happen at once, and waits for it.
func together(t *testing.T, all ...func() error) {
	t.Helper()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, one := range all {
		wg.Go(func() { errs[i] = one() })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
}

// Of two who change a webhook at once both have their way: one that was paused
// does not ring again since somebody changed its events at that moment.
func TestNobodysPauseIsOverruled(t *testing.T) { onBoth(t, nobodysPauseIsOverruled) }

func nobodysPauseIsOverruled(o *office) {
	ctx, a := o.Context(), o.program()
	w := o.hook("https://shop.example/x", "invoicePaid")
	for i := range 50 {
		url := "https://shop.example/" + string(rune('a'+i%26))
		_, err := o.EnableWebhook(ctx, a, a.ClientID, w.ID, true)
		must(o.T, err)
		together(o.T,
			func() error { _, err := o.PauseWebhook(ctx, a, a.ClientID, w.ID); return err },
			func() error {
				_, err := o.UpdateWebhook(ctx, a, a.ClientID, w.ID, desk.NewWebhook{URL: url, Events: []string{"invoiceCreated"}})
				return err
			})
		if s := o.status(w.ID).Webhook; s.State != paybell.WebhookPaused || s.URL != url || s.Events != paybell.InvoiceCreated {
			o.Fatalf("round %d: it is %s at %s for %v", i, s.State, s.URL, s.Events)
		}
	}
}

// A webhook that says 410 while it is changed is disabled and changed.
func TestNobodysEndIsOverruled(t *testing.T) { onBoth(t, nobodysEndIsOverruled) }

func nobodysEndIsOverruled(o *office) {
	ctx, a := o.Context(), o.program()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	for i := range 30 {
		_, err := o.EnableWebhook(ctx, a, a.ClientID, w.ID, true)
		must(o.T, err)
		o.invoice()
		all := o.pulled(w.ID)
		last := all[len(all)-1]
		attempt := paybell.Attempt{WebhookID: w.ID, Number: last.Number, N: last.Attempts + 1, StartedAt: time.Now(), Status: 410, Failure: "answered 410"}
		together(o.T,
			func() error {
				return store.Do(ctx, o.DB, func(tx *store.Tx) error {
					_, err := tx.Record([]store.Result{{Delivery: last.Next(attempt, paybell.RetrySchedule, 0), Attempt: attempt, URL: w.URL}}, time.Now())
					return err
				})
			},
			func() error {
				_, err := o.UpdateWebhook(ctx, a, a.ClientID, w.ID, desk.NewWebhook{URL: w.URL, Events: []string{"invoiceCreated", "invoicePaid"}})
				return err
			})
		if s := o.status(w.ID).Webhook; s.State != paybell.WebhookDisabled || s.StateReason != "answered 410" {
			o.Fatalf("round %d: it is %s, %q", i, s.State, s.StateReason)
		}
	}
}

// What is told while a webhook is paused and enabled at once is brought.
func TestNothingIsLostWhileItIsSwitched(t *testing.T) { onBoth(t, nothingIsLostWhileItIsSwitched) }

func nothingIsLostWhileItIsSwitched(o *office) {
	ctx, a := o.Context(), o.program()
	w := o.hook("https://shop.example/x", "invoiceCreated", "invoiceCancelled")
	d := deliver.New(o.DB, accepting{}, slog.New(slog.DiscardHandler))
	d.Alone = true
	o.DB.OnCommit(d.Offer)
	running, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(running) })
	defer func() { stop(); wg.Wait() }()
	resender := &deliver.Resender{DB: o.DB, Every: time.Hour}
	for range 20 {
		together(o.T,
			func() error { _, err := o.PauseWebhook(ctx, a, a.ClientID, w.ID); return err },
			func() error { return o.CancelInvoice(ctx, a, o.invoice()) },
			func() error { return o.CancelInvoice(ctx, a, o.invoice()) })
		together(o.T,
			func() error { _, err := o.EnableWebhook(ctx, a, a.ClientID, w.ID, false); return err },
			func() error { return o.CancelInvoice(ctx, a, o.invoice()) },
			func() error { _, err := resender.Step(ctx); return err })
	}
	_, err := o.EnableWebhook(ctx, a, a.ClientID, w.ID, false)
	must(o.T, err)
	for began := time.Now(); ; {
		_, err := resender.Step(ctx)
		must(o.T, err)
		all := append(o.pulled(w.ID), o.after(w.ID, desk.MaxPull)...)
		waiting := 0
		for i, n := range all {
			if n.Number != int64(i+1) {
				o.Fatalf("number %d is at place %d", n.Number, i+1)
			}
			if n.State != paybell.Delivered {
				waiting++
			}
		}
		if len(all) == 120 && waiting == 0 {
			return
		}
		if time.Since(began) > 20*time.Second {
			for _, n := range all {
				if n.State != paybell.Delivered {
					o.Errorf("number %d is %s, due %v, finished %v, created %v", n.Number, n.State, n.DueAt, n.FinishedAt, n.CreatedAt)
				}
			}
			o.Fatalf("of %d, %d were not brought", len(all), waiting)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (o *office) after(id string, n int64) []paybell.Delivery {
	o.Helper()
	all, err := o.PullNotifications(o.Context(), o.program(), o.client.ID, id, paybell.SequenceNumber{Epoch: 1, N: n}, desk.MaxPull)
	must(o.T, err)
	return all
}

// accepting is a server that takes everything.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = r.Body.Close()
	return &http.Response{StatusCode: 204, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// Presses of a button that come at once are one job.
func TestPressesAtOnceAreOneJob(t *testing.T) { onBoth(t, pressesAtOnceAreOneJob) }

func pressesAtOnceAreOneJob(o *office) {
	ctx, a := o.Context(), o.program()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	_, err := o.PauseWebhook(ctx, a, a.ClientID, w.ID)
	must(o.T, err)
	o.invoice()
	press := func() error { _, err := o.EnableWebhook(ctx, a, a.ClientID, w.ID, false); return err }
	again := func() error {
		_, err := o.Resend(ctx, a, a.ClientID, w.ID, desk.ResendRequest{After: &paybell.SequenceNumber{}})
		return err
	}
	together(o.T, press, press, press, press, press, press, press, press)
	together(o.T, again, again, again, again, again, again, again, again)
	jobs, err := o.Resends(ctx, a, a.ClientID)
	must(o.T, err)
	if len(jobs) != 2 {
		o.Errorf("there are %d jobs: %+v", len(jobs), jobs)
	}
}

// A person may do for a client of theirs what the client may, and for no other.
func TestPeopleSwitchWebhooks(t *testing.T) {
	o := onSQLite(t)
	o.Wire = deliver.New(o.DB, accepting{}, slog.New(slog.DiscardHandler))
	ctx := t.Context()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	o.invoice()
	told := o.pulled(w.ID)[0].NotificationID
	stranger := o.merchant()
	job, err := o.Resend(ctx, o.owner, o.client.ID, w.ID, desk.ResendRequest{After: &paybell.SequenceNumber{}})
	must(t, err)
	for name, try := range map[string]func(a desk.Actor) error{
		"WebhookStatus": func(a desk.Actor) error { _, err := o.WebhookStatus(ctx, a, o.client.ID, w.ID); return err },
		"Endpoints":     func(a desk.Actor) error { _, err := o.Endpoints(ctx, a, o.client.ID); return err },
		"EnableEndpoint": func(a desk.Actor) error {
			_, err := o.EnableEndpoint(ctx, a, o.client.ID, "https://shop.example:443", true)
			return err
		},
		"PauseWebhook":  func(a desk.Actor) error { _, err := o.PauseWebhook(ctx, a, o.client.ID, w.ID); return err },
		"EnableWebhook": func(a desk.Actor) error { _, err := o.EnableWebhook(ctx, a, o.client.ID, w.ID, true); return err },
		"TryWebhook":    func(a desk.Actor) error { _, err := o.TryWebhook(ctx, a, o.client.ID, w.ID, "invoicePaid"); return err },
		"Resends":       func(a desk.Actor) error { _, err := o.Resends(ctx, a, o.client.ID); return err },
		"FindResend":    func(a desk.Actor) error { _, err := o.FindResend(ctx, a, o.client.ID, job.ID); return err },
		"CancelResend":  func(a desk.Actor) error { _, err := o.CancelResend(ctx, a, o.client.ID, job.ID); return err },
		"ExplainDelivery": func(a desk.Actor) error {
			_, err := o.ExplainDelivery(ctx, a, o.client.ID, w.ID, told)
			return err
		},
		"Resend": func(a desk.Actor) error {
			_, err := o.Resend(ctx, a, o.client.ID, w.ID, desk.ResendRequest{NotificationID: told, DryRun: true})
			return err
		},
		"UpdateWebhook": func(a desk.Actor) error {
			_, err := o.UpdateWebhook(ctx, a, o.client.ID, w.ID, desk.NewWebhook{URL: w.URL, Events: []string{"invoiceCreated"}})
			return err
		},
	} {
		if err := try(o.owner); paybell.CodeOf(err) == paybell.Conflict {
			// It was just paused, or its endpoint is well.
		} else if err != nil {
			t.Errorf("%s by its owner: %v", name, err)
		}
		o.wantCode(try(stranger), paybell.NotFound)
		o.wantCode(try(desk.Actor{ClientID: o.client.ID, MerchantID: o.client.MerchantID}), paybell.Forbidden)
		nobody := o.owner
		nobody.Permissions = 0
		o.wantCode(try(nobody), paybell.Forbidden)
	}
	_, err = o.DeleteWebhook(ctx, stranger, o.client.ID, w.ID)
	o.wantCode(err, paybell.NotFound)
	_, err = o.DeleteWebhook(ctx, o.owner, o.client.ID, w.ID)
	must(t, err)
	if all := must1(store.View(ctx, o.DB, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, 0, 10) })); all[0].State != paybell.DeliveryPending {
		t.Errorf("it is %s: the dispatcher ends it, not who deletes", all[0].State)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Zero bytes, which JSON can write and PostgreSQL cannot keep, are no fault of ours.
func TestZeroBytes(t *testing.T) { onBoth(t, zeroBytes) }

func zeroBytes(o *office) {
	ctx, a := o.Context(), o.program()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	o.invoice()
	for _, id := range []string{"\x00", "x\x00y"} {
		_, err := o.Resend(ctx, a, a.ClientID, w.ID, desk.ResendRequest{NotificationID: id})
		if code := paybell.CodeOf(err); code != paybell.NotFound && code != paybell.Invalid {
			o.Errorf("resend %q: %v", id, err)
		}
		_, err = o.EnableEndpoint(ctx, a, a.ClientID, "https://shop.example:443"+id, false)
		if code := paybell.CodeOf(err); code != paybell.Conflict && code != paybell.NotFound && code != paybell.Invalid {
			o.Errorf("enable %q: %v", id, err)
		}
	}
}
