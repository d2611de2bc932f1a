package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var webhookTests = map[string]func(*testing.T, *store.DB){
	"Webhook/RoundTrip":        testWebhook,
	"Webhook/List":             testWebhooks,
	"Webhook/Update":           testUpdateWebhook,
	"Webhook/UpdateOfAnother":  testUpdateOfAnother,
	"Webhook/Delete":           testDeleteWebhook,
	"Webhook/DeleteBehindHeld": testDeleteBehindHeld,
	"Webhook/Target":           testTarget,
}

func (s *Shop) webhook(t testing.TB, id string) paybell.Webhook {
	t.Helper()
	return view(t, s.DB, func(tx *store.Tx) (paybell.Webhook, error) { return tx.Webhook(s.Client.ID, id) })
}

func wantNoWebhook(t testing.TB, db *store.DB, clientID, id string) {
	t.Helper()
	_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Webhook, error) { return tx.Webhook(clientID, id) })
	wantCode(t, err, paybell.NotFound)
}

func testWebhook(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := paybell.Webhook{
		ID: paybell.NewWebhookID(), ClientID: s.Client.ID, InvoiceID: paybell.NewUUID(t0), URL: "https://a.example/%C3%BC?x=' OR 1=1--",
		Origin: "https://a.example:443", Events: paybell.AllEvents, State: paybell.WebhookDisabled, StateReason: "answered 410: „weg“",
		StateSince: after(2), Schedule: []time.Duration{time.Second, 24 * time.Hour}, CreatedFromUI: true, CreatedAt: after(1),
	}
	requireSet(t, w)
	s.createHooks(t, w)
	wantSame(t, "webhook", s.webhook(t, w.ID), w)
	wantNoWebhook(t, db, s.newClient(t).ID, w.ID)
	wantNoWebhook(t, db, s.Client.ID, paybell.NewWebhookID())
}

func testWebhooks(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	var want []paybell.Webhook
	for i := range 3 {
		w := s.Webhook("https://a.example/hook")
		w.CreatedAt = after(i)
		want = append(want, w)
	}
	paused, deleted, ofInvoice := s.Webhook("https://a.example/p"), s.Webhook("https://a.example/d"), s.Webhook("https://a.example/i")
	paused.State, paused.CreatedAt = paybell.WebhookPaused, after(3)
	deleted.State, ofInvoice.InvoiceID = paybell.WebhookDeleted, paybell.NewUUID(t0)
	sister := *s
	sister.Client = s.newClient(t)
	s.createHooks(t, want[1], deleted, paused, want[2], sister.Webhook("https://a.example/s"), ofInvoice, want[0])

	got := view(t, db, func(tx *store.Tx) ([]paybell.Webhook, error) { return tx.Webhooks(s.Client.ID, "") })
	wantSame(t, "the client's, oldest first", got, append(want, paused))
	wantNoWebhook(t, db, s.Client.ID, deleted.ID)
}

// A changed webhook goes on counting and asks for the new events from now on.
// What waits moves to the new address when it comes to its turn, with its whole
// lane, and is due there as it was. What was delivered stays.
func testUpdateWebhook(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, bystander := s.hook(t, "https://a.example/hook"), s.hook(t, "https://a.example/other")
	inv := s.tell(t, s.create(t, t0), 2)
	quiet := s.create(t, t0)
	s.record(t, after(1), tried(s.delivery(t, w.ID, 1), "", t0))
	failed := tried(s.delivery(t, w.ID, 4), "answered 500", after(1))
	s.record(t, after(1), failed)

	w.URL, w.Origin, w.Events = "https://b.example:8443/new", "https://b.example:8443", paybell.InvoiceFlagged
	w.Schedule = []time.Duration{time.Minute}
	was := s.deliveries(t, w.ID)
	do(t, db, func(tx *store.Tx) error { return tx.UpdateWebhook(w) })
	wantSame(t, "webhook", s.webhook(t, w.ID), w)
	for i, d := range s.deliveries(t, w.ID) {
		if d.URL != w.URL {
			t.Errorf("number %d goes to %s", d.Number, d.URL)
		}
		d.URL = was[i].URL
		wantSame(t, "a delivery that nobody has looked at", d, was[i])
	}

	theirs := s.deliveries(t, bystander.ID)
	for _, inv := range []string{inv.ID, quiet.ID} {
		settled := func() bool {
			return update(t, db, func(tx *store.Tx) (bool, error) { return tx.Settle(w.ID, inv, after(2)) })
		}
		if !settled() || settled() {
			t.Error("a lane moves once, and says so")
		}
	}
	got := s.deliveries(t, w.ID)
	wantSound(t, got)
	for i, d := range got {
		if i > 0 { // it was delivered there
			was[i].Origin = w.Origin
		}
		was[i].URL = w.URL
		wantSame(t, "a delivery that has moved", d, was[i])
	}
	wantSame(t, "deliveries of another webhook", s.deliveries(t, bystander.ID), theirs)
	due := view(t, db, func(tx *store.Tx) (map[store.Endpoint]time.Time, error) { return tx.DueEndpoints() })
	wantSame(t, "when the endpoints are due", due[store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin}], after(1))
	heads, next := s.dueNext(t, w.Origin, after(2), 10)
	if len(heads) != 1 || heads[0].Number != 2 || heads[0].URL != w.URL || !next.Equal(failed.Delivery.DueAt) {
		t.Errorf("due at the new address are %+v, and the next at %v", heads, next)
	}

	s.tell(t, inv, 1)
	s.create(t, t0) // not asked for any more
	s.tell(t, quiet, 1)
	got = s.deliveries(t, w.ID)
	wantSound(t, got)
	if len(got) != 6 || got[5].Origin != w.Origin {
		t.Errorf("after the change there are %d deliveries, want 6", len(got))
	}
}

// A webhook is changed and deleted by its own client only.
func testUpdateOfAnother(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	thief := w
	thief.ClientID, thief.URL, thief.Origin = s.newClient(t).ID, "https://b.example/mine", "https://b.example:443"
	for name, attack := range map[string]func(*store.Tx) error{
		"update": func(tx *store.Tx) error { return tx.UpdateWebhook(thief) },
		"delete": func(tx *store.Tx) error { return tx.DeleteWebhook(thief.ClientID, w.ID, after(1)) },
	} {
		wantCode(t, store.Do(context.Background(), db, attack), paybell.NotFound)
		wantSame(t, "webhook after the "+name+" of another client", s.webhook(t, w.ID), w)
		if d := s.delivery(t, w.ID, 1); d.State != paybell.DeliveryPending || d.Origin != w.Origin {
			t.Errorf("%s of another client: the delivery is %s for %s", name, d.State, d.Origin)
		}
	}
}

// Nothing is sent to a deleted webhook: what waits for it is over when it comes to
// its turn, with what is behind it. What is held for it never comes to its turn.
func testDeleteWebhook(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w, bystander := s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")
	paused := s.Webhook("https://c.example/hook")
	paused.State = paybell.WebhookPaused
	s.createHooks(t, paused)
	inv := s.tell(t, s.create(t, t0), 2)
	s.record(t, after(1), tried(s.delivery(t, w.ID, 1), "", t0))

	for _, id := range []string{w.ID, paused.ID} {
		do(t, db, func(tx *store.Tx) error { return tx.DeleteWebhook(s.Client.ID, id, after(2)) })
		wantNoWebhook(t, db, s.Client.ID, id)
		to := view(t, db, func(tx *store.Tx) (store.Target, error) { return tx.Target(id) })
		if to.Rings() || !to.Webhook.StateSince.Equal(after(2)) {
			t.Errorf("a deleted webhook is %s since %v", to.Webhook.State, to.Webhook.StateSince)
		}
	}
	s.tell(t, inv, 1)
	if n := s.settle(t, w.Origin, after(3)); n != 1 {
		t.Errorf("%d heads were due to a deleted webhook", n)
	}
	want := map[string][]paybell.DeliveryState{
		w.ID:         {paybell.Delivered, paybell.Exhausted, paybell.Exhausted},
		paused.ID:    {paybell.Held, paybell.Held, paybell.Held},
		bystander.ID: {paybell.DeliveryPending, paybell.DeliveryPending, paybell.DeliveryPending, paybell.DeliveryPending},
	}
	for id, states := range want {
		got := s.deliveries(t, id)
		wantSound(t, got)
		var have []paybell.DeliveryState
		for _, d := range got {
			have = append(have, d.State)
		}
		wantSame(t, "states of the deliveries", have, states)
	}
	if heads := s.due(t, w.Origin, after(100), 10); len(heads) != 0 {
		t.Errorf("%d deliveries are due to a deleted webhook", len(heads))
	}
	due := view(t, db, func(tx *store.Tx) (map[store.Endpoint]time.Time, error) { return tx.DueEndpoints() })
	if len(due) != 1 {
		t.Errorf("%d endpoints are due, want the one of the other webhook: %v", len(due), due)
	}
}

// What waits behind something that is held for a deleted webhook does not count as
// waiting for ever.
func testDeleteBehindHeld(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.create(t, t0)
	s.hold(t, w.ID, inv.ID, after(1))
	s.ring(t, w.ID, paybell.WebhookActive, after(2))
	s.tell(t, inv, 1)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteWebhook(s.Client.ID, w.ID, after(3)) })
	s.settle(t, w.Origin, after(4)) // nobody meets what is not due: it is ended by those who tidy up
	// end ends one delivery at a time, of webhooks deleted after so many seconds, and
	// returns how many steps that took.
	end := func(second int) (steps int) {
		for from, over := (store.Ended{At: after(second)}), false; !over; steps++ {
			do(t, db, func(tx *store.Tx) (err error) {
				from, over, err = tx.EndWaiting(from, after(5), 1)
				return err
			})
		}
		return steps
	}
	if end(4); view(t, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }) != 1 {
		t.Error("what waits for a webhook that was deleted before was ended")
	}
	if n := end(3); n != 3 {
		t.Errorf("it took %d steps, want one for each delivery and one to the end", n)
	}
	if n := end(3); n != 1 {
		t.Errorf("it took %d steps when nothing waits", n)
	}
	oldest := view(t, db, func(tx *store.Tx) (time.Time, error) {
		return tx.OldestWaiting(store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin})
	})
	if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); n != 0 || !oldest.IsZero() {
		t.Errorf("%d wait for a deleted webhook, the oldest since %v", n, oldest)
	}
}

func testTarget(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	ask := func(id string) store.Target {
		return view(t, db, func(tx *store.Tx) (store.Target, error) { return tx.Target(id) })
	}
	for _, state := range []paybell.WebhookState{paybell.WebhookActive, paybell.WebhookPaused, paybell.WebhookDisabled, paybell.WebhookDeleted} {
		w := s.Webhook("https://a.example/hook")
		w.State, w.Schedule = state, []time.Duration{time.Second, time.Hour}
		s.createHooks(t, w)
		got := ask(w.ID)
		wantSame(t, "the webhook", got.Webhook, w)
		if got.Rings() != (state == paybell.WebhookActive) {
			t.Errorf("a webhook that is %s rings: %v", state, got.Rings())
		}
	}
	if got := ask(paybell.NewWebhookID()); got.Rings() {
		t.Error("a webhook that does not exist rings")
	}
}
