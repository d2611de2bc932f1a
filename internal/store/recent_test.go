package store_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// teller is a shop to which things happen at moments that a test says.
type teller struct {
	*testing.T
	*storetest.Shop
}

func newTeller(t *testing.T, p place) *teller { return &teller{t, storetest.NewShop(t, opened(t, p))} }

func onPlaces(t *testing.T, test func(s *teller)) {
	t.Helper()
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) { test(newTeller(t, p)) })
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (s *teller) do(body func(tx *store.Tx) error) {
	s.Helper()
	if err := store.Do(context.Background(), s.DB, body); err != nil {
		s.Fatal(err)
	}
}

func read[T any](s *teller, body func(tx *store.Tx) (T, error)) T {
	s.Helper()
	v, err := store.View(context.Background(), s.DB, body)
	if err != nil {
		s.Fatal(err)
	}
	return v
}

func (s *teller) hook(url, invoiceID string) paybell.Webhook {
	s.Helper()
	w := s.Webhook(url)
	w.InvoiceID = invoiceID
	s.do(func(tx *store.Tx) error { return tx.CreateWebhook(w) })
	return w
}

// invoice makes one, and n more changes of it, a second after each other.
func (s *teller) invoice(at time.Time, n int) paybell.Invoice {
	s.Helper()
	c := s.NewInvoice(at)
	s.do(func(tx *store.Tx) error { return tx.Apply(c) })
	for range n {
		c.Event, c.At = paybell.InvoiceFlagged, c.At.Add(time.Second)
		c.Invoice.Version++
		c.Invoice.Flags ^= paybell.Late
		s.do(func(tx *store.Tx) error { return tx.Apply(c) })
	}
	return c.Invoice
}

func (s *teller) deliveries(w paybell.Webhook) []paybell.Delivery {
	s.Helper()
	return read(s, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, 0, 10_000) })
}

// attempt records one more attempt at a delivery, after which it is in a state.
func (s *teller) attempt(w paybell.Webhook, number int64, state paybell.DeliveryState, failure string, at time.Time) {
	s.Helper()
	d := s.deliveries(w)[number-1]
	a := paybell.Attempt{WebhookID: w.ID, Number: number, N: d.Attempts + 1, StartedAt: at, Duration: time.Second, Status: 200, Failure: failure}
	d = d.Next(a, paybell.RetrySchedule, 0)
	if d.State = state; state != paybell.DeliveryPending {
		d.DueAt = time.Time{}
	}
	s.do(func(tx *store.Tx) error {
		_, err := tx.Record([]store.Result{{Delivery: d, Attempt: a, URL: w.URL}}, at.Add(time.Second))
		return err
	})
}

// pages reads a list to its end, and says how many pages were cut short because
// enough was looked at.
func (s *teller) pages(f store.RecentFilter) (all []paybell.Delivery, short int) {
	s.Helper()
	for range 1000 {
		page := read(s, func(tx *store.Tx) (store.RecentPage, error) { return tx.Recent(f) })
		if len(page.Deliveries) > f.Limit {
			s.Fatalf("a page has %d", len(page.Deliveries))
		}
		all = append(all, page.Deliveries...)
		if !page.LookedTo.IsZero() {
			short++
			if !page.LookedTo.Equal(page.Next.At) {
				s.Errorf("looked to %v, the next page begins at %v", page.LookedTo, page.Next.At)
			}
		}
		if page.Next.IsZero() {
			return all, short
		}
		f.After = page.Next
	}
	s.Fatal("the list does not end")
	return nil, 0
}

func newestFirst(all []paybell.Delivery) []paybell.Delivery {
	slices.SortFunc(all, func(a, b paybell.Delivery) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.WebhookID, a.WebhookID), cmp.Compare(b.Number, a.Number))
	})
	return all
}

func (s *teller) same(what string, got, want []paybell.Delivery) {
	s.Helper()
	names := func(all []paybell.Delivery) (names []string) {
		for _, d := range all {
			names = append(names, fmt.Sprintf("%s/%d %s", d.WebhookID, d.Number, d.CreatedAt.Format("15:04:05")))
		}
		return names
	}
	if g, w := names(got), names(newestFirst(want)); !slices.Equal(g, w) {
		s.Errorf("%s: got %d\n%v\nwant %d\n%v", what, len(g), g, len(w), w)
	}
}

// Lists of several webhooks are in the order of time, however they are paged and
// filtered, and each delivery is in them once.
func TestRecent(t *testing.T) { onPlaces(t, recent) }

func recent(s *teller) {
	hooks := []paybell.Webhook{s.hook("https://a.example/1", ""), s.hook("https://a.example/2", ""), s.hook("https://b.example/", "")}
	for i := range 12 {
		s.invoice(noon.Add(time.Duration(i)*10*time.Second), 2)
	}
	late := s.hook("https://c.example/", "")
	one := s.invoice(noon.Add(time.Hour), 3)
	hooks = append(hooks, late)
	for n := int64(1); n <= 30; n += 3 {
		s.attempt(hooks[0], n, paybell.Delivered, "", noon.Add(2*time.Hour))
	}
	s.attempt(hooks[0], 2, paybell.Exhausted, "answered 500", noon.Add(2*time.Hour))
	s.attempt(hooks[2], 1, paybell.DeliveryPending, "answered 500", noon.Add(2*time.Hour))
	s.attempt(hooks[1], 4, paybell.Held, "answered 500", noon.Add(2*time.Hour))

	var all []paybell.Delivery
	f := store.RecentFilter{Look: 10_000}
	for _, w := range hooks {
		all = append(all, s.deliveries(w)...)
		f.WebhookIDs = append(f.WebhookIDs, w.ID)
		if e := (store.Endpoint{ClientID: w.ClientID, Origin: w.Origin}); !slices.Contains(f.Endpoints, e) {
			f.Endpoints = append(f.Endpoints, e)
		}
	}
	events := read(s, func(tx *store.Tx) (map[string]paybell.Event, error) {
		events := map[string]paybell.Event{}
		for _, d := range all {
			n, err := tx.Notification(d.ClientID, d.NotificationID)
			if err != nil {
				return nil, err
			}
			events[n.ID] = n.Event
		}
		return events, nil
	})
	from, to := noon.Add(15*time.Second), noon.Add(71*time.Second)
	for name, test := range map[string]struct {
		set  func(f *store.RecentFilter)
		want func(d paybell.Delivery) bool
	}{
		"all":       {func(*store.RecentFilter) {}, func(paybell.Delivery) bool { return true }},
		"one":       {func(f *store.RecentFilter) { f.WebhookIDs = f.WebhookIDs[1:2] }, func(d paybell.Delivery) bool { return d.WebhookID == hooks[1].ID }},
		"none":      {func(f *store.RecentFilter) { f.WebhookIDs = nil }, func(paybell.Delivery) bool { return false }},
		"delivered": {func(f *store.RecentFilter) { f.Fate = paybell.FateDelivered }, func(d paybell.Delivery) bool { return d.State == paybell.Delivered }},
		"given up":  {func(f *store.RecentFilter) { f.Fate = paybell.FateGivenUp }, func(d paybell.Delivery) bool { return d.State == paybell.Exhausted }},
		"held":      {func(f *store.RecentFilter) { f.Fate = paybell.FateHeld }, func(d paybell.Delivery) bool { return d.State == paybell.Held }},
		"waiting":   {func(f *store.RecentFilter) { f.Fate = paybell.FateWaiting }, func(d paybell.Delivery) bool { return d.Fate() == paybell.FateWaiting }},
		"failing":   {func(f *store.RecentFilter) { f.Fate = paybell.FateFailing }, func(d paybell.Delivery) bool { return d.Fate() == paybell.FateFailing }},
		"waiting of one": {func(f *store.RecentFilter) { f.Fate, f.WebhookIDs = paybell.FateWaiting, f.WebhookIDs[1:2] },
			func(d paybell.Delivery) bool { return d.Fate() == paybell.FateWaiting && d.WebhookID == hooks[1].ID }},
		"waiting of any": {func(f *store.RecentFilter) { f.Fate, f.WebhookIDs = paybell.FateWaiting, nil }, func(d paybell.Delivery) bool { return d.Fate() == paybell.FateWaiting }},
		"event":          {func(f *store.RecentFilter) { f.Event = paybell.InvoiceCreated }, func(d paybell.Delivery) bool { return events[d.NotificationID] == paybell.InvoiceCreated }},
		"waiting event": {func(f *store.RecentFilter) { f.Event, f.Fate = paybell.InvoiceCreated, paybell.FateWaiting },
			func(d paybell.Delivery) bool {
				return events[d.NotificationID] == paybell.InvoiceCreated && d.Fate() == paybell.FateWaiting
			}},
		"times": {func(f *store.RecentFilter) { f.From, f.To = from, to }, func(d paybell.Delivery) bool { return !d.CreatedAt.Before(from) && !d.CreatedAt.After(to) }},
		"exact times": {func(f *store.RecentFilter) { f.From, f.To = noon.Add(10*time.Second), noon.Add(20*time.Second) },
			func(d paybell.Delivery) bool {
				return !d.CreatedAt.Before(noon.Add(10*time.Second)) && !d.CreatedAt.After(noon.Add(20*time.Second))
			}},
		"before all": {func(f *store.RecentFilter) { f.To = noon.Add(-time.Second) }, func(paybell.Delivery) bool { return false }},
		"waiting times": {func(f *store.RecentFilter) { f.Fate, f.From, f.To = paybell.FateWaiting, from, to }, func(d paybell.Delivery) bool {
			return d.Fate() == paybell.FateWaiting && !d.CreatedAt.Before(from) && !d.CreatedAt.After(to)
		}},
		"invoice": {func(f *store.RecentFilter) { f.InvoiceID = one.ID }, func(d paybell.Delivery) bool { return d.InvoiceID == one.ID }},
		"invoice waiting": {func(f *store.RecentFilter) { f.InvoiceID, f.Fate = one.ID, paybell.FateWaiting },
			func(d paybell.Delivery) bool { return d.InvoiceID == one.ID && d.Fate() == paybell.FateWaiting }},
		"invoice of one": {func(f *store.RecentFilter) { f.InvoiceID, f.WebhookIDs = one.ID, f.WebhookIDs[:1] }, func(d paybell.Delivery) bool { return d.InvoiceID == one.ID && d.WebhookID == hooks[0].ID }},
	} {
		var want []paybell.Delivery
		for _, d := range all {
			if test.want(d) {
				want = append(want, d)
			}
		}
		for _, limit := range []int{1, 7, 1000} {
			f := f
			f.Limit = limit
			test.set(&f)
			got, short := s.pages(f)
			s.same(fmt.Sprintf("%s, %d on a page", name, limit), got, want)
			if short > 0 {
				s.Errorf("%s: %d pages end early", name, short)
			}
		}
		// However little is looked at, all is found in the end.
		f := f
		f.Limit, f.Look = 3, 1
		test.set(&f)
		got, _ := s.pages(f)
		s.same(name+", in small steps", got, want)
	}
}

// A page of what is rare ends, and says how far it looked.
func TestRecentLooksSoFar(t *testing.T) { onPlaces(t, recentLooksSoFar) }

func recentLooksSoFar(s *teller) {
	w := s.hook("https://a.example/", "")
	s.invoice(noon, 0)
	s.attempt(w, 1, paybell.Exhausted, "answered 500", noon)
	s.do(func(tx *store.Tx) error { return tx.Fill(w.ID, 1, 3000, paybell.Delivered) })
	f := store.RecentFilter{WebhookIDs: []string{w.ID}, Fate: paybell.FateGivenUp, Limit: 10, Look: 500}
	page := read(s, func(tx *store.Tx) (store.RecentPage, error) { return tx.Recent(f) })
	if len(page.Deliveries) != 0 || page.LookedTo.IsZero() || page.Next.Number < 1500 || page.Next.Number > 2501 {
		s.Errorf("the first page has %d, looked to %v, and the next begins at number %d", len(page.Deliveries), page.LookedTo, page.Next.Number)
	}
	all, short := s.pages(f)
	if len(all) != 1 || all[0].Number != 1 || short < 2 {
		s.Errorf("found %d after %d pages that were cut short", len(all), short)
	}
}

// Numbers that were deleted long ago leave gaps, which nothing stumbles over.
func TestRecentWithGaps(t *testing.T) { onPlaces(t, recentWithGaps) }

func recentWithGaps(s *teller) {
	hooks := []paybell.Webhook{s.hook("https://a.example/1", ""), s.hook("https://a.example/2", "")}
	for i := range 10 {
		s.invoice(noon.Add(time.Duration(i)*time.Minute), 0)
	}
	for n := int64(1); n <= 8; n++ {
		if n != 3 && n != 6 { // those are pending still
			s.attempt(hooks[0], n, paybell.Delivered, "", noon)
		}
	}
	s.do(func(tx *store.Tx) error {
		_, err := tx.ForgetDeliveries(store.Sweep{WebhookID: hooks[0].ID}, 7, noon.Add(time.Hour))
		return err
	})
	var want []paybell.Delivery
	for _, w := range hooks {
		want = append(want, s.deliveries(w)...)
	}
	if len(want) != 15 {
		s.Fatalf("%d are kept", len(want))
	}
	f := store.RecentFilter{WebhookIDs: []string{hooks[0].ID, hooks[1].ID}, Limit: 2, Look: 1000}
	got, _ := s.pages(f)
	s.same("all", got, want)
	for minute := range 10 {
		f.To = noon.Add(time.Duration(minute) * time.Minute)
		got, _ := s.pages(f)
		var older []paybell.Delivery
		for _, d := range want {
			if !d.CreatedAt.After(f.To) {
				older = append(older, d)
			}
		}
		s.same(fmt.Sprintf("until minute %d", minute), got, older)
	}
}

// What a list shows of a delivery is its last attempt.
func TestGlance(t *testing.T) { onPlaces(t, glance) }

func glance(s *teller) {
	w := s.hook("https://a.example/hook", "")
	s.invoice(noon, 1)
	s.attempt(w, 1, paybell.DeliveryPending, "answered 500", noon.Add(time.Second))
	s.attempt(w, 1, paybell.Delivered, "", noon.Add(time.Minute))
	page := read(s, func(tx *store.Tx) (store.RecentPage, error) {
		return tx.Recent(store.RecentFilter{WebhookIDs: []string{w.ID}, Limit: 9, Look: 9})
	})
	var all []store.Glance
	for _, d := range page.Deliveries {
		all = append(all, read(s, func(tx *store.Tx) (store.Glance, error) { return tx.Glance(d) }))
	}
	if g := all[1]; g.Event != paybell.InvoiceCreated || g.URL != w.URL || g.Last.N != 2 || g.Last.Failure != "" || g.Last.Status != 200 || g.Last.Duration != time.Second || !g.Last.StartedAt.Equal(noon.Add(time.Minute)) {
		s.Errorf("the first is %+v", g)
	}
	if g := all[0]; g.Event != paybell.InvoiceFlagged || g.Last.N != 0 || !g.Last.StartedAt.IsZero() || g.DueAt.IsZero() {
		s.Errorf("the second is %+v", g)
	}
}

func ids(hooks []paybell.Webhook) (ids []string) {
	for _, w := range hooks {
		ids = append(ids, w.ID)
	}
	return ids
}

// Webhooks are listed by when they were told something last, and those that were
// given with invoices by these.
func TestRecentHooks(t *testing.T) { onPlaces(t, recentHooks) }

func recentHooks(s *teller) {
	first, second := s.hook("https://a.example/1", ""), s.hook("https://b.example/2", "")
	gone := s.hook("https://a.example/3", "")
	var given []paybell.Webhook
	for i := range 3 {
		inv := s.invoice(noon.Add(time.Duration(i)*time.Minute), 0)
		given = append(given, s.hook("https://g.example/", inv.ID))
	}
	quiet := s.hook("https://a.example/4", "")
	s.do(func(tx *store.Tx) error { return tx.DeleteWebhook(s.Client.ID, gone.ID, noon) })
	list := func(e store.Endpoint, limit int) (found []paybell.Webhook) {
		s.Helper()
		for i, h := range read(s, func(tx *store.Tx) ([]store.RecentHook, error) { return tx.RecentHooks(s.Merchant.ID, e, limit) }) {
			if told := !h.ToldAt.IsZero(); told != (h.ID != quiet.ID) {
				s.Errorf("number %d was told something at %v", i, h.ToldAt)
			}
			found = append(found, h.Webhook)
		}
		return found
	}
	all := list(store.Endpoint{}, 10)
	if len(all) != 3 || all[2].ID != quiet.ID {
		s.Errorf("it has %v, %v and %v; found are %v", first.ID, second.ID, quiet.ID, ids(all))
	}
	if one := list(store.Endpoint{ClientID: s.Client.ID, Origin: second.Origin}, 10); len(one) != 1 || one[0].ID != second.ID {
		s.Errorf("at %s are %v", second.Origin, ids(one))
	}
	if some := list(store.Endpoint{ClientID: s.Client.ID}, 2); len(some) != 2 {
		s.Errorf("two are %v", ids(some))
	}
	if none := read(s, func(tx *store.Tx) ([]store.RecentHook, error) { return tx.RecentHooks("another", store.Endpoint{}, 10) }); len(none) != 0 {
		s.Errorf("another merchant has %d", len(none))
	}
	for until, want := range map[time.Time][]paybell.Webhook{
		noon.Add(time.Hour):    {given[2], given[1], given[0]},
		noon.Add(time.Minute):  {given[1], given[0]},
		noon.Add(-time.Minute): nil,
	} {
		got := read(s, func(tx *store.Tx) ([]paybell.Webhook, error) { return tx.GivenHooks(s.Client.ID, until, 10) })
		if !slices.Equal(ids(got), ids(want)) {
			s.Errorf("given until %v are %v, want %v", until, ids(got), ids(want))
		}
	}
}

// A sample has all of few, and of many so many as were asked for, from first to last.
func TestSampleDeliveries(t *testing.T) { onPlaces(t, sampleDeliveries) }

func sampleDeliveries(s *teller) {
	quiet, busy := s.hook("https://a.example/1", ""), s.hook("https://a.example/2", "")
	for i := range 10 {
		s.invoice(noon.Add(time.Duration(i)*time.Minute), 0)
	}
	hooks := []string{quiet.ID, busy.ID}
	sample := func(since time.Time, most int64) store.Sample {
		s.Helper()
		return read(s, func(tx *store.Tx) (store.Sample, error) { return tx.SampleDeliveries(hooks, since, most) })
	}
	if all := sample(noon, 100); len(all.Deliveries) != 20 || all.Every != 1 {
		s.Errorf("of 20 it has %d, every %d", len(all.Deliveries), all.Every)
	}
	if some := sample(noon.Add(5*time.Minute), 100); len(some.Deliveries) != 10 || some.Every != 1 {
		s.Errorf("of 10 it has %d, every %d", len(some.Deliveries), some.Every)
	}
	if half := sample(noon, 10); len(half.Deliveries) != 10 || half.Every != 2 {
		s.Errorf("of 20 by 10 it has %d, every %d", len(half.Deliveries), half.Every)
	}
	// 500 more, all made like the tenth.
	s.do(func(tx *store.Tx) error { return tx.Fill(busy.ID, 10, 500, paybell.Delivered) })
	many := sample(noon.Add(9*time.Minute), 50)
	if n := len(many.Deliveries); n < 40 || n > 60 || many.Every != 11 {
		s.Errorf("of 502 by 50 it has %d, every %d", n, many.Every)
	}
	if all := sample(noon.Add(8*time.Minute), 1000); len(all.Deliveries) != 504 || all.Every != 1 {
		s.Errorf("of 504 it has %d, every %d", len(all.Deliveries), all.Every)
	}
	for _, d := range many.Deliveries {
		if d.CreatedAt.Before(noon.Add(9 * time.Minute)) {
			s.Errorf("it has one of %v", d.CreatedAt)
		}
	}
	if none := sample(noon.Add(time.Hour), 10); len(none.Deliveries) != 0 || none.Every != 1 {
		s.Errorf("of nothing it has %d, every %d", len(none.Deliveries), none.Every)
	}
}

// fail records that an endpoint did not take a delivery.
func (s *teller) fail(w paybell.Webhook, number int64, at time.Time) {
	s.Helper()
	s.attempt(w, number, paybell.DeliveryPending, "answered 500", at)
}

// Endpoints are unwell as long as something is to be brought to them.
func TestUnwell(t *testing.T) { onPlaces(t, unwell) }

func unwell(s *teller) {
	list := func(before time.Time) (names []string) {
		s.Helper()
		for _, u := range read(s, func(tx *store.Tx) ([]store.Unwell, error) { return tx.Unwell(s.Merchant.ID, before, 10) }) {
			if u.ClientID != s.Client.ID || u.Client != s.Client.Name || u.Failure == "" || u.FailingSince.IsZero() {
				s.Errorf("%+v", u)
			}
			names = append(names, u.Origin)
		}
		return names
	}
	want := func(what string, origins ...string) {
		s.Helper()
		if got := list(noon.Add(time.Hour)); !slices.Equal(got, origins) {
			s.Errorf("%s: unwell are %v, want %v", what, got, origins)
		}
	}
	a, b := s.hook("https://a.example/", ""), s.hook("https://b.example/", "")
	inv := s.NewInvoice(noon)
	g := s.hook("https://g.example/", inv.Invoice.ID)
	s.do(func(tx *store.Tx) error { return tx.Apply(inv) })
	want("nothing has failed")
	s.fail(b, 1, noon)
	s.fail(a, 1, noon.Add(time.Minute))
	s.fail(g, 1, noon.Add(2*time.Minute))
	want("all fail", b.Origin, a.Origin, g.Origin)
	if got := list(noon.Add(30 * time.Second)); !slices.Equal(got, []string{b.Origin}) {
		s.Errorf("for long fails %v", got)
	}
	if n := read(s, func(tx *store.Tx) (int64, error) {
		return tx.CountPending(store.Endpoint{ClientID: s.Client.ID, Origin: a.Origin}, 10)
	}); n != 1 {
		s.Errorf("%d wait", n)
	}
	if at := read(s, func(tx *store.Tx) (time.Time, error) {
		return tx.NextAttempt(store.Endpoint{ClientID: s.Client.ID, Origin: a.Origin})
	}); !at.After(noon.Add(time.Minute)) {
		s.Errorf("the next attempt is at %v", at)
	}

	// Nothing is to be brought to what has nothing waiting and does not ring.
	s.attempt(g, 1, paybell.Exhausted, "answered 500", noon.Add(3*time.Minute))
	want("the given one was given up", b.Origin, a.Origin)
	b.State, b.StateSince = paybell.WebhookPaused, noon
	s.do(func(tx *store.Tx) error { return tx.UpdateWebhook(b) })
	want("one is paused, and something waits", b.Origin, a.Origin)
	s.do(func(tx *store.Tx) error {
		_, err := tx.Settle(b.ID, inv.Invoice.ID, noon)
		return err
	})
	want("one is paused", a.Origin)

	// Until somebody enables it, what was disabled is told of, also for what comes.
	for i := range 12 {
		s.fail(a, 1, noon.Add(time.Duration(10+i)*11*time.Hour))
	}
	want("one was disabled", a.Origin)
	if u := read(s, func(tx *store.Tx) ([]store.Unwell, error) { return tx.Unwell(s.Merchant.ID, noon, 10) }); len(u) != 1 || u[0].DisabledAt.IsZero() {
		s.Errorf("disabled are %+v", u)
	}
	s.do(func(tx *store.Tx) error { return tx.DeleteWebhook(s.Client.ID, a.ID, noon) })
	s.do(func(tx *store.Tx) error {
		_, err := tx.Settle(a.ID, inv.Invoice.ID, noon)
		return err
	})
	want("it is gone")
}

func TestDisabledWebhooks(t *testing.T) {
	onPlaces(t, func(s *teller) {
		a, b := s.hook("https://a.example/", ""), s.hook("https://b.example/", "")
		inv := s.invoice(noon, 0)
		g := s.hook("https://g.example/", inv.ID)
		for i, w := range []paybell.Webhook{a, b, g} {
			w.State, w.StateReason, w.StateSince = paybell.WebhookDisabled, "answered 410", noon.Add(time.Duration(i)*time.Minute)
			s.do(func(tx *store.Tx) error { return tx.UpdateWebhook(w) })
		}
		got := read(s, func(tx *store.Tx) ([]paybell.Webhook, error) { return tx.DisabledWebhooks(s.Merchant.ID, 10) })
		if !slices.Equal(ids(got), []string{b.ID, a.ID}) || got[0].StateReason != "answered 410" {
			s.Errorf("disabled are %v", ids(got))
		}
	})
}

// How much is paid is read from where bills begin with it.
func TestInvoiceFigures(t *testing.T) { onPlaces(t, invoiceFigures) }

func invoiceFigures(s *teller) {
	add := func(at time.Time, state paybell.State, flags paybell.Flags, currency, total string, test bool) paybell.Invoice {
		c := s.NewInvoice(at)
		c.Invoice.State, c.Invoice.Flags, c.Invoice.Test = state, flags, test
		c.Invoice.Bill.Currency, c.Invoice.Bill.Total = currency, decimal.RequireFromString(total)
		c.Invoice.Bill.Breakdown.Subtotal = c.Invoice.Bill.Total
		c.Invoice.Bill.Description = `"total":"7" ` + "\u2028 <ü>"
		s.do(func(tx *store.Tx) error { return tx.Apply(c) })
		return c.Invoice
	}
	add(noon.Add(-2*time.Hour), paybell.Paid, 0, "5057", "1", false)
	add(noon, paybell.Paid, 0, "5057", "1234567890.12", false)
	add(noon.Add(time.Minute), paybell.Paid, 0, "9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "0.000001", true)
	late := add(noon.Add(2*time.Minute), paybell.Cancelled, paybell.Late, "5057", "3", false)
	add(noon.Add(-time.Hour), paybell.Pending, paybell.Underpaid, "5057", "3", false)
	over := add(noon.Add(3*time.Minute), paybell.Completed, paybell.Overpaid, "5057", "3", false)

	totals := read(s, func(tx *store.Tx) ([]store.InvoiceTotal, error) {
		return tx.InvoiceTotals(s.Merchant.ID, paybell.Paid, noon, 10)
	})
	if len(totals) != 2 || totals[0].Currency != "9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t" || totals[0].Total.String() != "0.000001" || !totals[0].Test ||
		totals[1].Currency != "5057" || totals[1].Total.String() != "1234567890.12" || totals[1].Test {
		s.Errorf("totals are %+v", totals)
	}
	for most, want := range map[int]int64{10: 2, 1: 1} {
		if n := read(s, func(tx *store.Tx) (int64, error) { return tx.CountInvoices(s.Merchant.ID, paybell.Paid, noon, most) }); n != want {
			s.Errorf("%d are paid, counted up to %d", n, most)
		}
	}
	flagged := read(s, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.FlaggedInvoices(s.Merchant.ID, noon, 10) })
	if len(flagged) != 2 || flagged[0].ID != over.ID || flagged[1].ID != late.ID || flagged[0].Flags != paybell.Overpaid {
		s.Errorf("flagged are %+v", flagged)
	}
	if none := read(s, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.FlaggedInvoices("another", noon, 10) }); len(none) != 0 {
		s.Errorf("another merchant has %d", len(none))
	}
}

func TestRunningResendsOf(t *testing.T) {
	onPlaces(t, func(s *teller) {
		w := s.hook("https://a.example/", "")
		var jobs []paybell.Resend
		for i := range 3 {
			j := paybell.Resend{ID: paybell.NewUUID(noon), ClientID: s.Client.ID, WebhookID: w.ID, Origin: w.Origin, What: paybell.ResendFailed,
				Since: noon.Add(-time.Duration(i) * time.Hour), State: paybell.ResendRunning, CreatedAt: noon.Add(time.Duration(i) * time.Minute)}
			s.do(func(tx *store.Tx) error { _, err := tx.StartResend(j); return err })
			jobs = append(jobs, j)
		}
		s.do(func(tx *store.Tx) error { return tx.CancelResend(&jobs[1], noon) })
		got := read(s, func(tx *store.Tx) ([]paybell.Resend, error) { return tx.RunningResendsOf(s.Merchant.ID, 10) })
		if len(got) != 2 || got[0].ID != jobs[2].ID || got[1].ID != jobs[0].ID {
			s.Errorf("running are %+v", got)
		}
		if none := read(s, func(tx *store.Tx) ([]paybell.Resend, error) { return tx.RunningResendsOf("another", 10) }); len(none) != 0 {
			s.Errorf("another merchant has %d", len(none))
		}
	})
}
