package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var applyTests = map[string]func(*testing.T, *store.DB){
	"Apply/Nothing":            testApplyNothing,
	"Apply/OneNotification":    testApplyTellsOnce,
	"Apply/StaleVersion":       testApplyStale,
	"Apply/StaleRace":          testApplyRace,
	"Apply/WhichWebhooks":      testApplyWhichWebhooks,
	"Apply/PaymentNames":       testPaymentNames,
	"Apply/EventNames":         testEventNames,
	"Apply/GaplessNumbers":     testGaplessNumbers,
	"Apply/GaplessAfterErrors": testGaplessAfterErrors,
}

func testApplyNothing(t *testing.T, db *store.DB) {
	do(t, db, func(tx *store.Tx) error { return tx.Apply() })
}

// pay is a payment in the test coin for Open.
func pay(address string) paybell.Open {
	return paybell.Open{Payment: paybell.Payment{
		ID: paybell.NewUUID(t0), Currency: paybell.LTCT, Network: paybell.SandboxNetwork, Address: address,
		Due: paybell.NewUnits(1000), Rate: decimal.NewFromInt(1), CompletedAfter: 3,
	}}
}

// next is what follows from in; it fails when nothing does.
func next(t testing.TB, inv paybell.Invoice, in paybell.Input, at time.Time) []paybell.Change {
	t.Helper()
	changes, err := inv.Next(in, at)
	if err != nil || len(changes) == 0 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	return changes
}

// Every change is told in exactly one notification, whose body is that of
// Change.Tell, also when several changes come of one call of Next.
func testApplyTellsOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")}

	told := []paybell.Change{s.NewInvoice(t0)}
	s.apply(t, told...)
	inv := told[0].Invoice
	for i, in := range []paybell.Input{
		{Do: pay("address")},
		{Transfers: []paybell.Transfer{}}, // set below: they need the payment's id
		{Do: paybell.Accept{}},
	} {
		at := after(10 * (i + 1))
		if in.Transfers != nil {
			in.Transfers = append(in.Transfers, paybell.Transfer{
				Network: paybell.SandboxNetwork, TxID: "tx", Asset: paybell.LTCT, Address: "address", Amount: paybell.NewUnits(10), Status: paybell.Mined,
				Confirmations: 3, PaymentID: inv.Payments[0].ID, SeenAt: at, AbsentAt: t0,
			})
			do(t, db, func(tx *store.Tx) error { return tx.RecordTransfer(inv.ID, in.Transfers[0], false) })
		}
		changes := next(t, inv, in, at)
		s.apply(t, changes...)
		told = append(told, changes...)
		inv = changes[len(changes)-1].Invoice
	}
	if len(told) < 6 {
		t.Fatalf("only %d changes: this test wants several from one call of Next", len(told))
	}
	wantSame(t, "the invoice", s.invoice(t, inv.ID), inv)

	ids := map[string]bool{}
	for _, w := range hooks {
		got := s.deliveries(t, w.ID)
		wantSound(t, got)
		if len(got) != len(told) {
			t.Fatalf("%d deliveries of %d changes", len(got), len(told))
		}
		for i, d := range got {
			want := told[i].Tell(s.Merchant, s.Client.EventNames)
			if body := bytes.ReplaceAll(want.Body, []byte(want.ID), []byte(d.NotificationID)); !bytes.Equal(d.Body, body) {
				t.Errorf("change %d was told as\n%s\nwant\n%s", i+1, d.Body, body)
			}
			if ids[d.NotificationID] = true; d.CreatedAt != told[i].At || d.InvoiceID != inv.ID || d.ClientID != s.Client.ID || d.URL != w.URL || d.Origin != w.Origin || d.Attempts != 0 {
				t.Errorf("delivery %d is %+v", i+1, d)
			}
		}
	}
	if len(ids) != len(told) {
		t.Errorf("%d changes have %d ids: a notification is the same for every webhook, and another for every change", len(told), len(ids))
	}
}

// A change of an invoice that has moved on is refused, and nothing of it stays:
// no payment, no notification, no number.
func testApplyStale(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	created := s.NewInvoice(t0)
	s.apply(t, created)
	old := created.Invoice
	inv := s.tell(t, old, 2)

	gap := flagged(inv, after(9))
	gap.Invoice.Version++
	for name, changes := range map[string][]paybell.Change{
		"a version behind":   {flagged(old, after(9))},
		"the same again":     {{Event: paybell.InvoiceFlagged, At: after(9), Invoice: inv}},
		"a version too high": {gap},
		"several":            next(t, old, paybell.Input{Do: pay("address")}, after(9)),
	} {
		wantCode(t, store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(changes...) }), paybell.Conflict)
		wantSame(t, name+": the invoice", s.invoice(t, inv.ID), inv)
	}
	unknown := s.NewInvoice(t0).Invoice
	wantCode(t, store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(flagged(unknown, after(9))) }), paybell.Conflict)
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(created) }); err == nil {
		t.Error("an invoice was created twice")
	}

	s.tell(t, inv, 1)
	got := s.deliveries(t, w.ID)
	wantSound(t, got)
	if len(got) != 4 {
		t.Errorf("%d deliveries of 4 changes", len(got))
	}
}

// Of many that change one invoice at once, each either has its change counted
// or hears of the conflict.
func testApplyRace(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	id := s.create(t, t0).ID
	const goroutines = 8
	if err := atOnce(goroutines, func(i int) error {
		for {
			err := store.Do(context.Background(), db, func(tx *store.Tx) error {
				inv, err := tx.Invoice(id)
				if err != nil {
					return err
				}
				return tx.Apply(flagged(inv, after(i)))
			})
			if err == nil || paybell.CodeOf(err) != paybell.Conflict {
				return err
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if v := s.invoice(t, id).Version; v != 1+goroutines {
		t.Errorf("%d changes made version %d", 1+goroutines, v)
	}
	got := s.deliveries(t, w.ID)
	wantSound(t, got)
	for i, d := range got {
		if version := versionOf(t, d); version != i+1 {
			t.Errorf("number %d tells version %d", d.Number, version)
		}
	}
}

// versionOf is the version of the invoice that a delivery tells.
func versionOf(t testing.TB, d paybell.Delivery) int {
	t.Helper()
	var body struct {
		Invoice struct {
			Paybell struct{ Version int }
		}
	}
	if err := json.Unmarshal(d.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body.Invoice.Paybell.Version
}

// Each webhook gets what it asked for, once.
func testApplyWhichWebhooks(t *testing.T, db *store.DB) {
	const created, flaggedToo = paybell.InvoiceCreated, paybell.InvoiceCreated | paybell.InvoiceFlagged
	s, stranger := NewShop(t, db), NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	c, another := s.NewInvoice(t0), s.NewInvoice(t0)

	type hook struct {
		name  string
		w     paybell.Webhook
		wants int // of the two notifications
		held  bool
	}
	var hooks []hook
	add := func(name string, owner *Shop, url, invoiceID string, events paybell.Events, state paybell.WebhookState, wants int) {
		w := owner.Webhook(url)
		w.InvoiceID, w.Events, w.State = invoiceID, events, state
		hooks = append(hooks, hook{name, w, wants, state != paybell.WebhookActive})
	}
	mine := c.Invoice.ID
	add("the client's, everything", s, "https://a.example/1", "", paybell.AllEvents, paybell.WebhookActive, 2)
	add("the client's, one event", s, "https://a.example/2", "", created, paybell.WebhookActive, 1)
	add("the client's, other events", s, "https://a.example/3", "", paybell.AllEvents&^flaggedToo, paybell.WebhookActive, 0)
	add("the client's, paused", s, "https://a.example/4", "", paybell.AllEvents, paybell.WebhookPaused, 2)
	add("the client's, disabled", s, "https://a.example/5", "", flaggedToo, paybell.WebhookDisabled, 2)
	add("the client's, deleted", s, "https://a.example/6", "", paybell.AllEvents, paybell.WebhookDeleted, 0)
	add("the client's, the same URL twice", s, "https://a.example/1", "", paybell.AllEvents, paybell.WebhookActive, 2)
	add("the invoice's", s, "https://b.example/1", mine, paybell.AllEvents, paybell.WebhookActive, 2)
	add("the invoice's, one event", s, "https://b.example/2", mine, paybell.InvoiceFlagged, paybell.WebhookActive, 1)
	add("the invoice's, the client has the URL for all of it", s, "https://a.example/1", mine, paybell.AllEvents, paybell.WebhookActive, 0)
	add("the invoice's, the client has the URL for one event", s, "https://a.example/2", mine, paybell.AllEvents, paybell.WebhookActive, 1)
	add("the invoice's, the client has the URL for other events", s, "https://a.example/3", mine, flaggedToo, paybell.WebhookActive, 2)
	add("the invoice's, the client has the URL paused", s, "https://a.example/4", mine, paybell.AllEvents, paybell.WebhookActive, 0)
	add("the invoice's, the client had the URL", s, "https://a.example/6", mine, paybell.AllEvents, paybell.WebhookActive, 2)
	add("the invoice's, another client has the URL", s, "https://c.example/1", mine, paybell.AllEvents, paybell.WebhookActive, 2)
	add("another invoice's", s, "https://b.example/1", another.Invoice.ID, paybell.AllEvents, paybell.WebhookActive, 0)
	add("of another client of the merchant", &sister, "https://c.example/1", "", paybell.AllEvents, paybell.WebhookActive, 0)
	add("of another merchant", stranger, "https://a.example/1", "", paybell.AllEvents, paybell.WebhookActive, 0)
	for _, h := range hooks {
		s.createHooks(t, h.w)
	}

	s.apply(t, c, flagged(c.Invoice, after(1)))
	for _, h := range hooks {
		got := s.deliveries(t, h.w.ID)
		if len(got) != h.wants {
			t.Errorf("%s: %d deliveries, want %d", h.name, len(got), h.wants)
		}
		if !h.held {
			wantSound(t, got)
			continue
		}
		for i, d := range got {
			if d.State != paybell.Held || !d.DueAt.IsZero() || d.Number != int64(i+1) {
				t.Errorf("%s: number %d is %s, due at %v", h.name, d.Number, d.State, d.DueAt)
			}
		}
	}
}

// typesOf are the types that the deliveries of a webhook say, in order.
func (s *Shop) typesOf(t testing.TB, webhookID string) (types []string) {
	t.Helper()
	for _, d := range s.deliveries(t, webhookID) {
		var body struct{ Type string }
		if err := json.Unmarshal(d.Body, &body); err != nil {
			t.Fatal(err)
		}
		types = append(types, body.Type)
	}
	return types
}

// happens are changes of an invoice, one for each event after the creation.
func happens(c paybell.Change, events ...paybell.Event) []paybell.Change {
	all := []paybell.Change{c}
	for _, e := range events {
		c = flagged(c.Invoice, c.At)
		c.Event = e
		all = append(all, c)
	}
	return all
}

// Payment events are told by the name by which they were subscribed to. When
// those that want one do not agree it is the documented one, for all: they get
// the same bytes.
func testPaymentNames(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	const long, short, both = "invoicePaymentCreated,invoicePaymentTimedOut,invoicePaid", "paymentCreated,paymentTimedOut", "paymentCreated,invoicePaymentTimedOut"
	const neither = "invoicePaid,invoiceCreated"
	type hook struct {
		events  string
		change  func(w *paybell.Webhook)
		created string // what it is told of a payment that was created, or ""
		timeout string
	}
	paused := func(w *paybell.Webhook) { w.State = paybell.WebhookPaused }
	deleted := func(w *paybell.Webhook) { w.State = paybell.WebhookDeleted }
	ofInvoice := func(w *paybell.Webhook) { w.InvoiceID = "this" }
	ofAnother := func(w *paybell.Webhook) { w.InvoiceID = paybell.NewUUID(t0) }
	ofSister := func(w *paybell.Webhook) { w.ClientID = sister.Client.ID }
	const longCreated, longTimeout, shortCreated, shortTimeout = "InvoicePaymentCreated", "InvoicePaymentTimedOut", "PaymentCreated", "PaymentTimedOut"
	for _, tt := range []struct {
		name  string
		hooks []hook
	}{
		{"long", []hook{{long, nil, longCreated, longTimeout}}},
		{"documented", []hook{{short, nil, shortCreated, shortTimeout}}},
		{"both in one", []hook{{both, nil, longCreated, longTimeout}}},
		{"long twice", []hook{{long, nil, longCreated, longTimeout}, {both, nil, longCreated, longTimeout}}},
		{"one of each", []hook{{long, nil, shortCreated, shortTimeout}, {short, nil, shortCreated, shortTimeout}}},
		{"the other way round", []hook{{short, nil, shortCreated, shortTimeout}, {long, nil, shortCreated, shortTimeout}}},
		{"each for its event", []hook{{"paymentCreated", nil, shortCreated, ""}, {"invoicePaymentTimedOut", nil, "", longTimeout}}},
		{"each for its event, swapped", []hook{{"invoicePaymentCreated", nil, longCreated, ""}, {"paymentTimedOut", nil, "", shortTimeout}}},
		{"beside one that wants neither", []hook{{long, nil, longCreated, longTimeout}, {neither, nil, "", ""}}},
		{"beside a paused one", []hook{{long, nil, shortCreated, shortTimeout}, {short, paused, shortCreated, shortTimeout}}},
		{"beside a deleted one", []hook{{long, nil, longCreated, longTimeout}, {short, deleted, "", ""}}},
		{"beside a long deleted one", []hook{{short, nil, shortCreated, shortTimeout}, {long, deleted, "", ""}}},
		{"the invoice's", []hook{{long, ofInvoice, longCreated, longTimeout}}},
		{"beside the invoice's", []hook{{long, nil, shortCreated, shortTimeout}, {short, ofInvoice, shortCreated, shortTimeout}}},
		{"beside another invoice's", []hook{{long, nil, longCreated, longTimeout}, {short, ofAnother, "", ""}}},
		{"beside another client's", []hook{{long, nil, longCreated, longTimeout}, {short, ofSister, "", ""}}},
		{"beside another client's long one", []hook{{short, nil, shortCreated, shortTimeout}, {long, ofSister, "", ""}}},
	} {
		for _, style := range []paybell.EventNames{0, paybell.CamelCase} {
			shop := *s
			shop.Client = s.sampleClient()
			shop.Client.EventNames = style
			do(t, db, func(tx *store.Tx) error { return tx.CreateClient(shop.Client, "secret") })
			created := shop.NewInvoice(t0)
			wants := map[string][]string{}
			for i, h := range tt.hooks {
				w := shop.Webhook(fmt.Sprint("https://a.example/", i))
				if h.change != nil {
					h.change(&w)
				}
				if w.InvoiceID == "this" {
					w.InvoiceID = created.Invoice.ID
				}
				events, err := paybell.ParseEvents("f", append(strings.Split(h.events, ","), "invoiceFlagged"))
				if err != nil {
					t.Fatal(err)
				}
				w.Events = events
				shop.createHooks(t, w)
				if w.State != paybell.WebhookDeleted && w.ClientID == shop.Client.ID && (w.InvoiceID == "" || w.InvoiceID == created.Invoice.ID) {
					for _, name := range []string{h.created, "InvoiceFlagged", h.timeout, h.created} {
						if style == paybell.CamelCase && name != "" {
							name = strings.ToLower(name[:1]) + name[1:]
						}
						if name != "" {
							wants[w.ID] = append(wants[w.ID], name)
						}
					}
				}
				if strings.Contains(h.events, "invoiceCreated") {
					wants[w.ID] = append([]string{paybell.InvoiceCreated.Wire(style)}, wants[w.ID]...)
				}
			}
			shop.apply(t, happens(created, paybell.PaymentCreated, paybell.InvoiceFlagged, paybell.PaymentTimedOut, paybell.PaymentCreated)...)
			for id, want := range wants {
				wantSame(t, fmt.Sprint(tt.name, " in ", style), shop.typesOf(t, id), want)
			}
		}
	}
}

// A client's style counts from the next change on. What was told keeps its
// bytes.
func testEventNames(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	w, theirs := s.hook(t, "https://a.example/hook"), sister.hook(t, "https://a.example/theirs")
	last := s.NewInvoice(t0)
	s.apply(t, last)
	var was []paybell.Delivery
	for i, style := range []paybell.EventNames{paybell.CamelCase, paybell.CamelCase, 0, paybell.CamelCase} {
		was = s.deliveries(t, w.ID)
		s.Client.EventNames = style
		do(t, db, func(tx *store.Tx) error { return tx.UpdateClient(s.Client) })
		if i == 3 { // and its webhook wants the other names
			w.Events, _ = paybell.ParseEvents("f", []string{"invoiceFlagged", "invoicePaymentCreated"})
			do(t, db, func(tx *store.Tx) error { return tx.UpdateWebhook(w) })
			was = s.deliveries(t, w.ID)
		}
		more := happens(last, paybell.InvoiceFlagged, paybell.PaymentCreated)[1:]
		s.apply(t, more...)
		last = more[len(more)-1]
		wantSame(t, "what was told before", s.deliveries(t, w.ID)[:len(was)], was)
	}
	wantSame(t, "the types", s.typesOf(t, w.ID), []string{
		"InvoiceCreated", "invoiceFlagged", "paymentCreated", "invoiceFlagged", "paymentCreated", "InvoiceFlagged", "PaymentCreated", "invoiceFlagged", "invoicePaymentCreated",
	})
	sister.create(t, t0)
	wantSame(t, "another client's", sister.typesOf(t, theirs.ID), []string{"InvoiceCreated"})
}

// Numbers have no gap and no double, and follow the versions of each invoice,
// however many write at once and however many fail.
func testGaplessNumbers(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	some := s.Webhook("https://b.example/hook")
	some.Events = paybell.InvoiceFlagged
	s.createHooks(t, some)
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/hook"), some, s.hook(t, "https://c.example/hook")}

	const goroutines, invoices, changes = 16, 3, 3
	if err := atOnce(goroutines, func(i int) error {
		for range invoices {
			c := s.NewInvoice(t0)
			for v := range changes {
				if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return errors.Join(tx.Apply(c), errGivenUp) }); !errors.Is(err, errGivenUp) {
					return fmt.Errorf("a body that failed: %w", err)
				}
				if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
					return err
				}
				c = flagged(c.Invoice, after(v))
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, w := range hooks {
		got := s.deliveries(t, w.ID)
		wantSound(t, got)
		want, first := goroutines*invoices*changes, 1
		if w.ID == some.ID {
			want, first = goroutines*invoices*(changes-1), 2 // not of the creation
		}
		if len(got) != want {
			t.Errorf("%d deliveries, want %d", len(got), want)
		}
		versions := map[string]int{}
		for _, d := range got {
			if versions[d.InvoiceID] == 0 {
				versions[d.InvoiceID] = first - 1
			}
			if v := versionOf(t, d); v != versions[d.InvoiceID]+1 {
				t.Errorf("number %d tells version %d after %d", d.Number, v, versions[d.InvoiceID])
			}
			versions[d.InvoiceID]++
		}
	}
}

func testGaplessAfterErrors(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	for name, fail := range failures {
		err := store.Do(context.Background(), db, func(tx *store.Tx) error {
			if err := tx.Apply(s.NewInvoice(t0)); err != nil {
				return err
			}
			return fail()
		})
		if err == nil {
			t.Errorf("%s: was committed", name)
		}
		s.create(t, t0)
	}
	got := s.deliveries(t, w.ID)
	wantSound(t, got)
	if len(got) != len(failures) {
		t.Errorf("%d deliveries of %d invoices", len(got), len(failures))
	}
	if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); n != int64(len(failures)) {
		t.Errorf("%d are undelivered, of %d", n, len(failures))
	}
}
