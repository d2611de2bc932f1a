package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var healthTests = map[string]func(*testing.T, *store.DB){
	"Health/Failing":          testHealthFailing,
	"Health/InOneTransaction": testHealthTogether,
	"Health/Secret":           testHealthSecret,
	"Health/Disabled":         testEndpointDisabled,
	"Health/NotYetDisabled":   testEndpointNotYetDisabled,
	"Health/DisabledAtOnce":   testDisabledAtOnce,
	"Health/RecordTwice":      testHealthTwice,
	"Health/Enabled":          testEndpointEnabled,
	"Health/Gone":             testGone,
	"Health/GoneElsewhere":    testGoneElsewhere,
	"Health/Notices":          testNotices,
	"Health/OldestWaiting":    testOldestWaiting,
	"Health/Target":           testTargetHealth,
	"Settle/Lanes":            testSettleLanes,
	"Settle/Unknown":          testSettleUnknown,
}

func (s *Shop) health(t testing.TB, origin string) paybell.Health {
	t.Helper()
	return view(t, s.DB, func(tx *store.Tx) (paybell.Health, error) {
		return tx.Health(store.Endpoint{ClientID: s.Client.ID, Origin: origin})
	})
}

// recovered is a success of an endpoint that was failing.
func recovered(d paybell.Delivery, at time.Time) store.Result {
	r := tried(d, "", at)
	r.Recovered = true
	return r
}

// An endpoint fails from the first failure to the next success, whichever of its
// deliveries they are; others do not.
func testHealthFailing(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	sister := *s
	sister.Client = s.newClient(t)
	a, a2, b := s.hook(t, "https://a.example/1"), s.hook(t, "https://a.example/2"), s.hook(t, "https://b.example/hook")
	theirs := sister.hook(t, "https://a.example/theirs")
	s.create(t, t0)
	sister.create(t, t0)
	check := func(what string, want paybell.Health) {
		t.Helper()
		wantSame(t, what, s.health(t, a.Origin), want)
		wantSame(t, "the other endpoint", s.health(t, b.Origin), paybell.Health{})
		wantSame(t, "the other client's", sister.health(t, theirs.Origin), paybell.Health{})
	}
	check("before the first attempt", paybell.Health{})
	s.record(t, after(11), tried(s.delivery(t, a.ID, 1), "answered 500", after(10)))
	want := paybell.Health{FailingSince: after(10), Failures: 1, Failure: "answered 500"}
	check("after a failure", want)

	r := tried(s.delivery(t, a2.ID, 1), "answered 429: „später“", after(20))
	r.Hold = after(500)
	s.record(t, after(21), r)
	want.Failures, want.Failure, want.PausedUntil = 2, "answered 429: „später“", after(500)
	check("after it asked for a pause", want)
	r = tried(s.delivery(t, a.ID, 1), "answered 503", after(30))
	r.Hold = after(400)
	s.record(t, after(31), r)
	want.Failures, want.Failure = 3, "answered 503"
	check("after it asked for a shorter pause", want)

	s.record(t, after(40), tried(s.delivery(t, b.ID, 1), "", after(40)), tried(sister.delivery(t, theirs.ID, 1), "", after(40)))
	check("after others succeeded", want)
	if got := want.State(after(41)); got != paybell.EndpointPaused {
		t.Errorf("it is %s", got)
	}
	s.record(t, after(50), recovered(s.delivery(t, a2.ID, 1), after(50)))
	check("after a success", paybell.Health{})
	s.record(t, after(61), tried(s.delivery(t, a.ID, 1), "no answer", after(60)))
	check("after a failure again", paybell.Health{FailingSince: after(60), Failures: 1, Failure: "no answer"})
}

// Of results that are written together, the later one counts.
func testHealthTogether(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, other := s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")
	for range 3 {
		s.create(t, t0)
	}
	fails := func(n int64, at int) store.Result { return tried(s.delivery(t, w.ID, n), "no answer", after(at)) }
	good := func(n int64, at int) store.Result { return recovered(s.delivery(t, w.ID, n), after(at)) }
	elsewhere := tried(s.delivery(t, other.ID, 1), "elsewhere", after(10))
	s.record(t, after(20), fails(1, 11), elsewhere, fails(2, 12), good(3, 13))
	wantSame(t, "a success came last", s.health(t, w.Origin), paybell.Health{})
	s.create(t, t0)
	s.record(t, after(30), fails(1, 21), good(2, 22), fails(4, 23))
	wantSame(t, "a failure came last", s.health(t, w.Origin), paybell.Health{FailingSince: after(23), Failures: 1, Failure: "no answer"})
	wantSame(t, "the other endpoint", s.health(t, other.Origin), paybell.Health{FailingSince: after(10), Failures: 1, Failure: "elsewhere"})
}

// The secret that was accepted last is remembered through failures and
// recoveries, and says nothing of them.
func testHealthSecret(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	for range 4 {
		s.create(t, t0)
	}
	r := tried(s.delivery(t, w.ID, 1), "", after(10))
	r.Accepted = 1 << 51
	s.record(t, after(10), r)
	wantSame(t, "after the first", s.health(t, w.Origin), paybell.Health{AcceptedSecret: 1 << 51})
	s.record(t, after(20), tried(s.delivery(t, w.ID, 2), "no answer", after(20)))
	want := paybell.Health{AcceptedSecret: 1 << 51, FailingSince: after(20), Failures: 1, Failure: "no answer"}
	wantSame(t, "after a failure", s.health(t, w.Origin), want)
	r = tried(s.delivery(t, w.ID, 3), "", after(19)) // began before the failure
	r.Accepted = 1 << 52
	s.record(t, after(21), r)
	want.AcceptedSecret = 1 << 52
	wantSame(t, "after another secret", s.health(t, w.Origin), want)
	r = recovered(s.delivery(t, w.ID, 2), after(30))
	r.Accepted = 7
	s.record(t, after(30), r)
	wantSame(t, "after a recovery with another", s.health(t, w.Origin), paybell.Health{AcceptedSecret: 7})
}

// outage lets one delivery of a webhook fail n times, the first and the last of
// them so far apart, and returns the moment of the last.
func (s *Shop) outage(t testing.TB, webhookID string, number int64, n int, long time.Duration) (last time.Time) {
	t.Helper()
	d := s.delivery(t, webhookID, number)
	for i := range n {
		last = after(100)
		if i > 0 {
			last = last.Add(long * time.Duration(i) / time.Duration(n-1))
		}
		a := paybell.Attempt{WebhookID: webhookID, Number: number, N: d.Attempts + 1, StartedAt: last, Failure: fmt.Sprint("failure ", i)}
		r := store.Result{Delivery: d.Next(a, slices.Repeat([]time.Duration{time.Minute}, paybell.MaxRetries), 0), Attempt: a}
		s.record(t, last, r)
		d = r.Delivery
	}
	return last
}

// notices are what a webhook is told of others that do not ring any more.
func (s *Shop) notices(t testing.TB, webhookID string) (told []notice) {
	t.Helper()
	for _, d := range s.deliveries(t, webhookID) {
		var n notice
		if err := json.Unmarshal(d.Body, &n); err != nil {
			t.Fatal(err)
		}
		if n.Webhook.Endpoint != "" {
			if n.ID != d.NotificationID || d.InvoiceID != "" || d.ClientID != s.Client.ID {
				t.Errorf("the notice %s is in %+v", n.ID, d)
			}
			n.state = d.State
			told = append(told, n)
		}
	}
	return told
}

type notice struct {
	ID, Type string
	Webhook  struct {
		MerchantClientID, Endpoint, Reason string
		IDs                                []string
		FailingSince                       *int64
		DisabledAt                         int64
	}
	state paybell.DeliveryState
}

// An endpoint that has failed for five days is disabled. The client's webhooks
// elsewhere are told, once; those there hold what comes, and what waits when it
// comes to its turn.
func testEndpointDisabled(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	s.Client.EventNames = paybell.CamelCase
	do(t, db, func(tx *store.Tx) error { return tx.UpdateClient(s.Client) })
	sister := *s
	sister.Client = s.newClient(t)
	created := s.NewInvoice(t0)
	dead, paused, deleted, ofInvoice := s.hook(t, "https://a.example/1"), s.Webhook("https://a.example/2"), s.Webhook("https://a.example/3"), s.Webhook("https://a.example/4")
	paused.State, deleted.State, ofInvoice.InvoiceID = paybell.WebhookPaused, paybell.WebhookDeleted, created.Invoice.ID
	alive, deaf, elsewhere := s.hook(t, "https://b.example/hook"), s.Webhook("https://b.example/deaf"), s.Webhook("https://b.example/invoice")
	deaf.Events, elsewhere.InvoiceID = paybell.AllEvents&^paybell.WebhookWasDisabled, created.Invoice.ID
	s.createHooks(t, paused, deleted, ofInvoice, deaf, elsewhere)
	theirs := sister.hook(t, "https://a.example/theirs")
	s.apply(t, created)
	sister.create(t, t0)

	last := s.outage(t, dead.ID, 1, 10, paybell.DisableAfter)
	wantSame(t, "its health", s.health(t, dead.Origin), paybell.Health{FailingSince: after(100), Failures: 10, Failure: "failure 9", DisabledAt: last})
	ids := []string{dead.ID, paused.ID}
	slices.Sort(ids)
	told := s.notices(t, alive.ID)
	if len(told) != 1 || told[0].state != paybell.DeliveryPending {
		t.Fatalf("it was told %+v", told)
	}
	n := told[0]
	if n.Type != "webhookDisabled" || n.Webhook.Endpoint != dead.Origin || n.Webhook.Reason != "failure 9" || !slices.Equal(n.Webhook.IDs, ids) ||
		n.Webhook.FailingSince == nil || *n.Webhook.FailingSince != after(100).Unix() || n.Webhook.DisabledAt != last.Unix() ||
		n.Webhook.MerchantClientID != paybell.DashedClientID(s.Client.ID) {
		t.Errorf("it was told %+v", n)
	}
	for _, w := range []paybell.Webhook{dead, paused, deleted, ofInvoice, deaf, elsewhere} {
		if told := s.notices(t, w.ID); len(told) != 0 {
			t.Errorf("%s was told %+v", w.URL, told)
		}
	}
	if told := sister.notices(t, theirs.ID); len(told) != 0 || sister.health(t, theirs.Origin) != (paybell.Health{}) {
		t.Errorf("another client was told %+v", told)
	}

	// What waits is held when it comes to its turn, what comes at once.
	s.tell(t, created.Invoice, 1)
	states := func(w paybell.Webhook) (all []paybell.DeliveryState) {
		got := s.deliveries(t, w.ID)
		wantSound(t, got)
		for _, d := range got {
			all = append(all, d.State)
		}
		return all
	}
	wantSame(t, "there", states(dead), []paybell.DeliveryState{paybell.DeliveryPending, paybell.Held})
	wantSame(t, "of the invoice there", states(ofInvoice), []paybell.DeliveryState{paybell.DeliveryPending, paybell.Held})
	wantSame(t, "elsewhere", states(elsewhere), []paybell.DeliveryState{paybell.DeliveryPending, paybell.DeliveryPending})
	if n := s.settle(t, dead.Origin, last); n != 2 {
		t.Errorf("%d heads were due there", n)
	}
	wantSame(t, "there, settled", states(dead), []paybell.DeliveryState{paybell.Held, paybell.Held})
	wantSame(t, "the webhook, which nobody changed", s.webhook(t, dead.ID), dead)

	// More failures, from what was on the wire, say nothing new.
	s.record(t, last.Add(time.Minute), tried(s.delivery(t, ofInvoice.ID, 1), "and again", last))
	if told := s.notices(t, alive.ID); len(told) != 1 {
		t.Errorf("it was told %d times", len(told))
	}
	// A success that was on the wire does not enable it: a person does.
	s.record(t, last.Add(time.Minute), recovered(s.delivery(t, ofInvoice.ID, 1), last))
	if h := s.health(t, dead.Origin); !h.DisabledAt.Equal(last) {
		t.Errorf("after a late success it is %+v", h)
	}
}

func testEndpointNotYetDisabled(t *testing.T, db *store.DB) {
	for name, tt := range map[string]struct {
		failures int
		long     time.Duration
	}{
		"few failures":   {9, 2 * paybell.DisableAfter},
		"not long":       {30, paybell.DisableAfter - time.Microsecond},
		"only a moment":  {30, 0},
		"failed once":    {1, 0},
		"long and twice": {2, 100 * paybell.DisableAfter},
	} {
		s := NewShop(t, db)
		w, other := s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")
		s.create(t, t0)
		s.outage(t, w.ID, 1, tt.failures, tt.long)
		if h := s.health(t, w.Origin); !h.DisabledAt.IsZero() || h.Failures != tt.failures {
			t.Errorf("%s: %+v", name, h)
		}
		if told := s.notices(t, other.ID); len(told) != 0 {
			t.Errorf("%s: told was %+v", name, told)
		}
	}
}

// Of many results that are written together one disables, and it is told once.
func testDisabledAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, other := s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")
	var results []store.Result
	for i := range 12 { // of one batch, in which the tenth disables
		s.create(t, t0)
		at := after(100).Add(paybell.DisableAfter * time.Duration(i) / 9)
		results = append(results, tried(s.delivery(t, w.ID, int64(i+1)), "no answer", at))
	}
	s.record(t, after(100).Add(2*paybell.DisableAfter), results...)
	if told := s.notices(t, other.ID); len(told) != 1 {
		t.Errorf("it was told %+v", told)
	}
	if h := s.health(t, w.Origin); h.DisabledAt.IsZero() {
		t.Errorf("it is %+v", h)
	}
}

// A result that was written already says nothing new when it is written again.
func testHealthTwice(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, other := s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")
	s.create(t, t0)
	s.create(t, t0)
	r, disliked := tried(s.delivery(t, w.ID, 1), "no answer", after(10)), gone(s.delivery(t, w.ID, 2), after(11))
	for range 3 {
		s.record(t, after(20), r, disliked)
		wantSame(t, "its health", s.health(t, w.Origin), paybell.Health{FailingSince: after(10), Failures: 2, Failure: "answered 410"})
	}
	s.ring(t, w.ID, paybell.WebhookActive, after(30))
	s.record(t, after(31), disliked)
	if state := s.webhook(t, w.ID).State; state != paybell.WebhookActive {
		t.Errorf("a 410 from before it was enabled makes it %s", state)
	}
	if told := s.notices(t, other.ID); len(told) != 1 {
		t.Errorf("it was told %d times", len(told))
	}
}

// Whoever enables an endpoint begins anew; what was known of its secret stays.
func testEndpointEnabled(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.create(t, t0)
	s.create(t, t0)
	r := tried(s.delivery(t, w.ID, 2), "", after(10))
	r.Accepted = 42
	s.record(t, after(10), r)
	last := s.outage(t, w.ID, 1, 10, paybell.DisableAfter)
	s.settle(t, w.Origin, last)
	e := store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin}
	for range 2 {
		do(t, db, func(tx *store.Tx) error { return tx.EnableEndpoint(e) })
		wantSame(t, "its health", s.health(t, w.Origin), paybell.Health{AcceptedSecret: 42})
	}
	do(t, db, func(tx *store.Tx) error { return tx.EnableEndpoint(store.Endpoint{ClientID: "x", Origin: "y"}) })
	other := s.create(t, t0)
	s.tell(t, inv, 1)
	all := s.deliveries(t, w.ID)
	wantSound(t, all)
	var due []string
	for _, d := range all {
		if !d.DueAt.IsZero() {
			due = append(due, d.InvoiceID)
		}
	}
	if !slices.Equal(due, []string{other.ID}) {
		t.Errorf("due are %v, want what is new of %s; the rest waits behind what is held", due, other.ID)
	}
}

// Who answers 410 is asked no more, and the client's others hear of it. It is
// about one webhook, not about its endpoint.
func testGone(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, neighbour := s.hook(t, "https://a.example/gone"), s.hook(t, "https://a.example/neighbour")
	inv := s.tell(t, s.create(t, t0), 1)
	quiet := s.create(t, t0)
	flying := s.delivery(t, w.ID, 3)
	s.record(t, after(11), gone(s.delivery(t, w.ID, 1), after(10)))
	want := w
	want.State, want.StateReason, want.StateSince = paybell.WebhookDisabled, "answered 410", after(11)
	wantSame(t, "the webhook", s.webhook(t, w.ID), want)
	if h := s.health(t, w.Origin); !h.DisabledAt.IsZero() || h.Failures != 1 {
		t.Errorf("its endpoint is %+v", h)
	}
	head := s.delivery(t, w.ID, 1)
	if head.State != paybell.Held || !head.FinishedAt.Equal(after(11)) || head.Attempts != 1 {
		t.Errorf("what was answered 410 is %+v", head)
	}
	s.wantDue(t, w.ID, 3) // of another lane
	s.tell(t, inv, 1)
	told := s.notices(t, neighbour.ID)
	if len(told) != 1 || !slices.Equal(told[0].Webhook.IDs, []string{w.ID}) || told[0].Webhook.FailingSince != nil || told[0].Webhook.Reason != "answered 410" ||
		told[0].Webhook.Endpoint != w.Origin || told[0].Type != "WebhookDisabled" {
		t.Errorf("it was told %+v", told)
	}
	if own := s.notices(t, w.ID); len(own) != 0 {
		t.Errorf("it was told of itself %+v", own)
	}

	// What was on the wire says it again; nobody is told again.
	s.record(t, after(21), gone(flying, after(10)))
	wantSame(t, "the webhook", s.webhook(t, w.ID), want)
	s.wantDue(t, w.ID)
	if told := s.notices(t, neighbour.ID); len(told) != 1 {
		t.Errorf("it was told %d times", len(told))
	}
	s.create(t, t0)
	s.tell(t, quiet, 1)
	wantSound(t, s.deliveries(t, w.ID))
	wantSound(t, s.deliveries(t, neighbour.ID))
}

// A 410 of an address that was given up meanwhile says nothing of the new one, and
// nothing of a webhook that a person has paused or deleted.
func testGoneElsewhere(t *testing.T, db *store.DB) {
	for name, change := range map[string]func(*Shop, paybell.Webhook) paybell.WebhookState{
		"moved": func(s *Shop, w paybell.Webhook) paybell.WebhookState {
			w.URL, w.Origin = "https://b.example/new", "https://b.example:443"
			do(t, db, func(tx *store.Tx) error { return tx.UpdateWebhook(w) })
			return paybell.WebhookActive
		},
		"paused": func(s *Shop, w paybell.Webhook) paybell.WebhookState {
			s.ring(t, w.ID, paybell.WebhookPaused, after(5))
			return paybell.WebhookPaused
		},
		"deleted": func(s *Shop, w paybell.Webhook) paybell.WebhookState {
			do(t, db, func(tx *store.Tx) error { return tx.DeleteWebhook(w.ClientID, w.ID, after(5)) })
			return paybell.WebhookDeleted
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewShop(t, db)
			w, other := s.hook(t, "https://a.example/hook"), s.hook(t, "https://c.example/hook")
			s.tell(t, s.create(t, t0), 1)
			flying := s.delivery(t, w.ID, 1)
			want := change(s, w)
			s.record(t, after(11), gone(flying, after(4)))
			to := view(t, db, func(tx *store.Tx) (store.Target, error) { return tx.Target(w.ID) })
			if to.Webhook.State != want || to.Webhook.StateReason != "" {
				t.Errorf("it is %s: %s", to.Webhook.State, to.Webhook.StateReason)
			}
			if told := s.notices(t, other.ID); len(told) != 0 {
				t.Errorf("told was %+v", told)
			}
		})
	}
}

// Notices to one webhook are a lane. A client that was deleted gets none.
func testNotices(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	listener := s.hook(t, "https://z.example/hook")
	listener.Events = paybell.WebhookWasDisabled
	do(t, db, func(tx *store.Tx) error { return tx.UpdateWebhook(listener) })
	var hooks []paybell.Webhook
	for i := range 4 {
		hooks = append(hooks, s.hook(t, fmt.Sprintf("https://a.example/%d", i)))
	}
	s.create(t, t0)
	for i, w := range hooks[:3] {
		s.record(t, after(10+i), gone(s.delivery(t, w.ID, 1), after(10+i)))
		s.wantDue(t, listener.ID, 1)
	}
	for n := int64(1); n <= 3; n++ {
		s.wantDue(t, listener.ID, n)
		s.deliver(t, listener.ID, after(20), n)
	}
	s.wantDue(t, listener.ID)
	told := s.notices(t, listener.ID)
	for i, n := range told {
		if !slices.Equal(n.Webhook.IDs, []string{hooks[i].ID}) {
			t.Errorf("notice %d is about %v", i, n.Webhook.IDs)
		}
	}
	if len(told) != 3 {
		t.Errorf("%d notices of 3 webhooks", len(told))
	}
	flying := s.delivery(t, hooks[3].ID, 1)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteClient(s.Client.ID, after(30)) })
	s.record(t, after(31), gone(flying, after(29)))
	if n := len(s.deliveries(t, listener.ID)); n != 3 {
		t.Errorf("a deleted client has %d notices", n)
	}
}

func testOldestWaiting(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	stranger := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.hook(t, "https://b.example/hook")
	stranger.hook(t, "https://a.example/hook")
	stranger.create(t, t0)
	oldest := func() time.Time {
		return view(t, db, func(tx *store.Tx) (time.Time, error) {
			return tx.OldestWaiting(store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin})
		})
	}
	wantSame(t, "of nothing", oldest(), time.Time{})
	s.create(t, after(30))
	inv := s.create(t, after(10))
	s.tell(t, inv, 1) // at 11 s, behind it
	wantSame(t, "of three", oldest(), after(10))
	s.record(t, after(40), tried(s.delivery(t, w.ID, 2), "no answer", after(40)))
	wantSame(t, "when it failed", oldest(), after(10))
	s.deliver(t, w.ID, after(50), 2)
	wantSame(t, "when it was delivered", oldest(), after(11))
	s.exhaust(t, w.ID, after(50), 3)
	wantSame(t, "when the next was given up", oldest(), after(30))
	s.hold(t, w.ID, s.delivery(t, w.ID, 1).InvoiceID, after(60))
	wantSame(t, "when the last is held", oldest(), time.Time{})
}

// Where a webhook rings has the health of the endpoint that it has now.
func testTargetHealth(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	target := func() store.Target {
		return view(t, db, func(tx *store.Tx) (store.Target, error) { return tx.Target(w.ID) })
	}
	s.record(t, after(10), tried(s.delivery(t, w.ID, 1), "no answer", after(10)))
	wantSame(t, "failing", target(), store.Target{Webhook: w, Health: s.health(t, w.Origin)})
	if !target().Rings() {
		t.Error("one that fails does not ring")
	}
	s.outage(t, w.ID, 1, 12, 2*paybell.DisableAfter)
	if to := target(); to.Rings() || to.Health.DisabledAt.IsZero() {
		t.Errorf("disabled, it rings at %+v", to)
	}
	w.URL, w.Origin = "https://b.example/hook", "https://b.example:443"
	do(t, db, func(tx *store.Tx) error { return tx.UpdateWebhook(w) })
	wantSame(t, "moved", target(), store.Target{Webhook: w})
}

// Settling is about everything that waits of one invoice at one webhook, in every
// lane, and about nothing else.
func testSettleLanes(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, neighbour := s.hook(t, "https://a.example/hook"), s.hook(t, "https://a.example/neighbour")
	inv := s.tell(t, s.create(t, t0), 5)
	s.tell(t, s.create(t, t0), 1)
	s.deliver(t, w.ID, after(10), 1)
	s.exhaust(t, w.ID, after(10), 2)
	s.record(t, after(10), tried(s.delivery(t, w.ID, 3), "no answer", after(10)))
	s.again(t, w.ID, after(11), 1, 2) // replays
	s.wantDue(t, w.ID, 1, 3, 7)
	theirs := s.deliveries(t, neighbour.ID)
	settle := func() bool {
		return update(t, db, func(tx *store.Tx) (bool, error) { return tx.Settle(w.ID, inv.ID, after(20)) })
	}
	was := s.deliveries(t, w.ID)
	if settle() {
		t.Error("what may go has moved")
	}
	wantSame(t, "what may go", s.deliveries(t, w.ID), was)

	s.ring(t, w.ID, paybell.WebhookPaused, after(15))
	if settle() {
		t.Error("what is held has moved")
	}
	s.wantDue(t, w.ID, 7)
	for i, d := range s.deliveries(t, w.ID) {
		if i < 6 {
			was[i].State, was[i].DueAt, was[i].FinishedAt = paybell.Held, time.Time{}, after(20)
		}
		wantSame(t, "held", d, was[i])
	}
	moved := s.webhook(t, w.ID)
	moved.URL, moved.Origin, moved.State = "https://b.example/hook", "https://b.example:443", paybell.WebhookActive
	do(t, db, func(tx *store.Tx) error { return tx.UpdateWebhook(moved) })
	if !settle() {
		t.Error("what is held did not move")
	}
	for i, d := range s.deliveries(t, w.ID) {
		was[i].URL = moved.URL
		if i < 6 {
			was[i].Origin = moved.Origin
		}
		wantSame(t, "moved", d, was[i])
	}
	do(t, db, func(tx *store.Tx) error { return tx.DeleteWebhook(s.Client.ID, w.ID, after(30)) })
	if settle() {
		t.Error("what is over has moved")
	}
	s.wantDue(t, w.ID, 7)
	for i, d := range s.deliveries(t, w.ID) {
		if i < 6 {
			was[i].State = paybell.Exhausted
		}
		wantSame(t, "over", d, was[i])
	}
	wantSame(t, "the neighbour's", s.deliveries(t, neighbour.ID), theirs)
}

func testSettleUnknown(t *testing.T, db *store.DB) {
	if moved := update(t, db, func(tx *store.Tx) (bool, error) { return tx.Settle("nobody", "nothing", t0) }); moved {
		t.Error("nothing has moved")
	}
	to, err := store.View(context.Background(), db, func(tx *store.Tx) (store.Target, error) { return tx.Target("nobody") })
	if err != nil || to.Webhook.State != paybell.WebhookDeleted {
		t.Errorf("a webhook that is not there is %+v, %v", to, err)
	}
}
