package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var againTests = map[string]func(*testing.T, *store.DB){
	"Again/Exhausted":          testAgainExhausted,
	"Again/Delivered":          testAgainDelivered,
	"Again/Held":               testAgainHeld,
	"Again/OutOfOrder":         testAgainOutOfOrder,
	"Again/ChangedMeanwhile":   testAgainChanged,
	"Again/ReplayWasHeld":      testAgainReplayWasHeld,
	"Again/ReplayWasExhausted": testAgainReplayWasExhausted,
	"Again/EarlierReplay":      testAgainEarlierReplay,
	"Again/RetriedBehindHeld":  testAgainRetriedBehindHeld,
	"Again/WhileOnTheWire":     testAgainWhileOnTheWire,
	"Again/LateFailureBehind":  testAgainLateFailureBehind,
	"Again/HeldOnTheWire":      testAgainHeldOnTheWire,
	"GiveUp/Head":              testGiveUp,
	"GiveUp/Replay":            testGiveUpReplay,
}

// again makes some deliveries of a webhook pending again, in this order.
func (s *Shop) again(t testing.TB, webhookID string, at time.Time, numbers ...int64) (done []bool) {
	t.Helper()
	for _, n := range numbers {
		d := s.delivery(t, webhookID, n)
		done = append(done, update(t, s.DB, func(tx *store.Tx) (bool, error) { return tx.Again(d, at) }))
	}
	return done
}

func (s *Shop) giveUp(t testing.TB, at time.Time, d paybell.Delivery) bool {
	t.Helper()
	return update(t, s.DB, func(tx *store.Tx) (bool, error) { return tx.GiveUp(d, at) })
}

// deliver records that those were delivered, each as it then stands.
func (s *Shop) deliver(t testing.TB, webhookID string, at time.Time, numbers ...int64) {
	t.Helper()
	for _, n := range numbers {
		s.record(t, at, tried(s.delivery(t, webhookID, n), "", at))
	}
}

// exhaust records a failure that was the last.
func (s *Shop) exhaust(t testing.TB, webhookID string, at time.Time, numbers ...int64) {
	t.Helper()
	for _, n := range numbers {
		r := tried(s.delivery(t, webhookID, n), "answered 500", at)
		r.Delivery.State, r.Delivery.DueAt = paybell.Exhausted, time.Time{}
		s.record(t, at, r)
	}
}

// gone is the result of one more attempt at d that was answered 410.
func gone(d paybell.Delivery, at time.Time) store.Result {
	r := tried(d, "answered 410", at)
	r.Attempt.Status, r.URL = 410, d.URL
	r.Delivery = d.Next(r.Attempt, paybell.RetrySchedule, 0)
	return r
}

// ring changes whether a webhook rings.
func (s *Shop) ring(t testing.TB, id string, state paybell.WebhookState, at time.Time) {
	t.Helper()
	w := s.webhook(t, id)
	w.State, w.StateSince = state, at
	do(t, s.DB, func(tx *store.Tx) error { return tx.UpdateWebhook(w) })
}

// hold pauses a webhook and holds what waits of an invoice.
func (s *Shop) hold(t testing.TB, id, invoiceID string, at time.Time) {
	t.Helper()
	s.ring(t, id, paybell.WebhookPaused, at)
	update(t, s.DB, func(tx *store.Tx) (bool, error) { return tx.Settle(id, invoiceID, at) })
}

// wantDue fails unless the deliveries of a webhook are sound and those are due.
func (s *Shop) wantDue(t testing.TB, webhookID string, numbers ...int64) {
	t.Helper()
	all := s.deliveries(t, webhookID)
	wantSound(t, all)
	var due []int64
	for _, d := range all {
		if !d.DueAt.IsZero() {
			due = append(due, d.Number)
		}
	}
	if !slices.Equal(due, numbers) {
		t.Errorf("numbers %v are due, want %v", due, numbers)
	}
}

// brief says of a delivery what these tests are about.
func brief(d paybell.Delivery) string {
	return fmt.Sprintf("number %d, %s, lane %d, attempts %d of which %d before, due %v, out of order %v, resent %v, replay %v",
		d.Number, d.State, d.Lane(), d.Attempts, d.Round, d.DueAt, d.OutOfOrder, d.Resent, d.Replay)
}

// What was given up gets a full schedule again and keeps what it had: number, id,
// bytes and count of attempts. The newest takes its place in its lane; those
// before it are told after it was, or may have been, and say so.
func testAgainExhausted(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	told := make(chan []paybell.Delivery, 100)
	db.OnCommit(func(fresh []paybell.Delivery) { told <- fresh })
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 2)
	s.exhaust(t, w.ID, after(10), 1, 2)
	r := tried(s.delivery(t, w.ID, 3), "answered 401", after(11))
	r.Attempt.Status, r.Attempt.Secret = 401, 77
	r.Delivery = s.delivery(t, w.ID, 3).Next(r.Attempt, nil, 0)
	s.record(t, after(11), r)
	was := s.deliveries(t, w.ID)
	if was[2].State != paybell.Exhausted || was[2].RefusedSecret != 77 || was[2].FailingSince.IsZero() {
		t.Fatalf("this test begins with %s", brief(was[2]))
	}
	for len(told) > 0 {
		<-told
	}
	if done := s.again(t, w.ID, after(20), 1, 2, 3); !slices.Equal(done, []bool{true, true, true}) {
		t.Errorf("made again: %v", done)
	}
	s.tell(t, inv, 1)
	s.wantDue(t, w.ID, 1, 3)
	for i, d := range s.deliveries(t, w.ID)[:3] {
		want := was[i]
		want.State, want.Resent, want.Round, want.FinishedAt = paybell.DeliveryPending, true, 1, time.Time{}
		want.RefusedSecret, want.FailingSince = 0, time.Time{}
		want.OutOfOrder, want.Replay = i < 2, i < 2
		if i != 1 {
			want.DueAt = after(20)
		}
		wantSame(t, "made again", d, want)
		fresh := <-told
		if len(fresh) != 1 || fresh[0].Previous != []int64{0, 1, 0}[i] {
			t.Errorf("number %d: told was of %d, behind %d", d.Number, len(fresh), fresh[0].Previous)
			continue
		}
		fresh[0].Previous = 0
		wantSame(t, "what was told", fresh[0], d)
		if last := tried(d, "answered 500", after(21)).Delivery; last.State != paybell.DeliveryPending || !last.FailingSince.Equal(after(21)) {
			t.Errorf("after one failure of a full schedule it is %s", brief(last))
		}
	}
	s.deliver(t, w.ID, after(30), 1)
	s.wantDue(t, w.ID, 2, 3)
	s.deliver(t, w.ID, after(31), 3)
	s.wantDue(t, w.ID, 2, 4)
	s.deliver(t, w.ID, after(32), 4)
	s.deliver(t, w.ID, after(33), 2)
	s.wantDue(t, w.ID)
}

// What was delivered goes among the replays, one after the other, and keeps back
// nothing that is new.
func testAgainDelivered(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 2)
	s.deliver(t, w.ID, after(10), 1, 2, 3)
	s.again(t, w.ID, after(20), 1, 3)
	s.wantDue(t, w.ID, 1)
	inv = s.tell(t, inv, 1)
	s.wantDue(t, w.ID, 1, 4)
	s.deliver(t, w.ID, after(30), 4)
	s.wantDue(t, w.ID, 1)
	s.tell(t, inv, 1)
	s.deliver(t, w.ID, after(40), 1)
	s.wantDue(t, w.ID, 3, 5)
	for _, n := range []int64{1, 3} {
		if d := s.delivery(t, w.ID, n); !d.Replay || !d.Resent || d.OutOfOrder || d.Round != 1 {
			t.Errorf("what is made again after it was delivered is %s", brief(d))
		}
	}
	s.exhaust(t, w.ID, after(50), 3)
	s.deliver(t, w.ID, after(50), 5)
	s.wantDue(t, w.ID)
}

// What was held goes in order, however it is woken, and what is told meanwhile
// waits behind it.
func testAgainHeld(t *testing.T, db *store.DB) {
	for _, order := range [][]int64{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}} {
		s := NewShop(t, db)
		w := s.hook(t, "https://a.example/hook")
		inv := s.tell(t, s.create(t, t0), 1)
		r := tried(s.delivery(t, w.ID, 1), "answered 500", after(5))
		s.record(t, after(5), r)
		s.hold(t, w.ID, inv.ID, after(10))
		inv = s.tell(t, inv, 1)
		s.wantDue(t, w.ID)
		for _, d := range s.deliveries(t, w.ID) {
			if d.State != paybell.Held {
				t.Errorf("number %d of a paused webhook is %s", d.Number, d.State)
			}
		}
		s.ring(t, w.ID, paybell.WebhookActive, after(20))
		inv = s.tell(t, inv, 1)
		s.wantDue(t, w.ID) // number 4 waits for those that are held
		s.again(t, w.ID, after(21), order...)
		s.tell(t, inv, 1)
		for n := int64(1); n <= 5; n++ {
			s.wantDue(t, w.ID, n)
			if d := s.delivery(t, w.ID, n); d.OutOfOrder || d.Replay || d.Resent != (n <= 3) {
				t.Errorf("number %d is %s", n, brief(d))
			}
			s.deliver(t, w.ID, after(30), n)
		}
		s.wantDue(t, w.ID)
	}
}

// What newer news has overtaken, or may have, is out of order for ever, and told
// among the replays: it keeps nothing back.
func testAgainOutOfOrder(t *testing.T, db *store.DB) {
	for name, overtake := range map[string]func(*Shop, string){
		"delivered":           func(s *Shop, w string) { s.deliver(t, w, after(20), 2) },
		"due, perhaps flying": func(*Shop, string) {},
		"tried":               func(s *Shop, w string) { s.record(t, after(20), tried(s.delivery(t, w, 2), "no answer", after(20))) },
	} {
		s := NewShop(t, db)
		w := s.hook(t, "https://a.example/hook")
		inv := s.tell(t, s.create(t, t0), 1)
		s.exhaust(t, w.ID, after(10), 1)
		overtake(s, w.ID)
		was := s.delivery(t, w.ID, 2)
		s.again(t, w.ID, after(30), 1)
		d := s.delivery(t, w.ID, 1)
		if !d.OutOfOrder || !d.Resent || !d.DueAt.Equal(after(30)) || d.Lane() != paybell.Again {
			t.Errorf("%s: made again is %s", name, brief(d))
		}
		wantSame(t, name+": what overtook it", s.delivery(t, w.ID, 2), was)
		wantSound(t, s.deliveries(t, w.ID))

		// It keeps its mark through a pause and another round.
		s.hold(t, w.ID, inv.ID, after(40))
		s.ring(t, w.ID, paybell.WebhookActive, after(50))
		s.again(t, w.ID, after(51), 1)
		s.exhaust(t, w.ID, after(52), 1)
		s.again(t, w.ID, after(53), 1)
		if d := s.delivery(t, w.ID, 1); !d.OutOfOrder || d.Round != 2 {
			t.Errorf("%s: after more rounds it is %s", name, brief(d))
		}
		wantSound(t, s.deliveries(t, w.ID))
		s.deliver(t, w.ID, after(54), 1)
		if s.delivery(t, w.ID, 2).State == paybell.Held {
			s.again(t, w.ID, after(55), 2)
		}
		if s.delivery(t, w.ID, 2).State != paybell.Delivered {
			s.wantDue(t, w.ID, 2)
		}
	}
}

// Of what somebody changed meanwhile nothing is changed.
func testAgainChanged(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 1)
	s.exhaust(t, w.ID, after(10), 1)
	old := s.delivery(t, w.ID, 1)
	s.again(t, w.ID, after(20), 1)
	s.deliver(t, w.ID, after(21), 1)
	now := s.deliveries(t, w.ID)
	if update(t, db, func(tx *store.Tx) (bool, error) { return tx.Again(old, after(30)) }) {
		t.Error("what was exhausted, and is delivered now, is made again")
	}
	if s.giveUp(t, after(31), old) {
		t.Error("what was delivered is given up")
	}
	ghost := old
	ghost.Number = 99
	if update(t, db, func(tx *store.Tx) (bool, error) { return tx.Again(ghost, after(30)) }) || s.giveUp(t, after(31), ghost) {
		t.Error("what is not there was changed")
	}
	wantSame(t, "deliveries", s.deliveries(t, w.ID), now)
}

// A replay that was held stays one: it keeps nothing back that was never told,
// and what is replayed behind it goes on.
func testAgainReplayWasHeld(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 1)
	s.deliver(t, w.ID, after(10), 1, 2)
	s.again(t, w.ID, after(20), 1, 2)
	s.record(t, after(30), gone(s.delivery(t, w.ID, 1), after(30)))
	s.wantDue(t, w.ID)
	s.ring(t, w.ID, paybell.WebhookActive, after(40))
	s.again(t, w.ID, after(41), 2)
	s.wantDue(t, w.ID) // it waits behind one that is held
	s.again(t, w.ID, after(42), 1)
	s.tell(t, inv, 1)
	s.wantDue(t, w.ID, 1, 3)
	for _, n := range []int64{1, 2} {
		if d := s.delivery(t, w.ID, n); !d.Replay || d.OutOfOrder {
			t.Errorf("a replay that was held is %s", brief(d))
		}
	}
	s.deliver(t, w.ID, after(50), 1)
	s.wantDue(t, w.ID, 2, 3)
}

func testAgainReplayWasExhausted(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.create(t, t0)
	s.deliver(t, w.ID, after(10), 1)
	s.again(t, w.ID, after(20), 1)
	s.exhaust(t, w.ID, after(30), 1)
	s.again(t, w.ID, after(40), 1)
	s.tell(t, inv, 1)
	s.wantDue(t, w.ID, 1, 2)
	if d := s.delivery(t, w.ID, 1); !d.Replay {
		t.Errorf("a replay that was given up is %s", brief(d))
	}
}

// An earlier one that is replayed later goes beside the one that was due already,
// which stays due, and none of them stands still.
func testAgainEarlierReplay(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 2)
	s.deliver(t, w.ID, after(10), 1, 2, 3)
	s.again(t, w.ID, after(20), 3)
	s.again(t, w.ID, after(21), 1)
	s.again(t, w.ID, after(22), 2)
	s.wantDue(t, w.ID, 1, 3)
	s.deliver(t, w.ID, after(30), 3)
	s.wantDue(t, w.ID, 1)
	s.deliver(t, w.ID, after(31), 1)
	s.wantDue(t, w.ID, 2)
	s.deliver(t, w.ID, after(32), 2)
	s.wantDue(t, w.ID)
}

// Two that were held are made again, the first is answered 410, and both are held
// once more. Made again, none is left behind.
func testAgainRetriedBehindHeld(t *testing.T, db *store.DB) {
	for _, order := range [][]int64{{1, 2}, {2, 1}} {
		s := NewShop(t, db)
		w := s.hook(t, "https://a.example/hook")
		inv := s.tell(t, s.create(t, t0), 1)
		s.exhaust(t, w.ID, after(10), 1)
		s.record(t, after(11), tried(s.delivery(t, w.ID, 2), "answered 500", after(11)))
		s.hold(t, w.ID, inv.ID, after(12))
		s.ring(t, w.ID, paybell.WebhookActive, after(20))
		s.again(t, w.ID, after(21), order...) // what it missed
		s.record(t, after(30), gone(s.delivery(t, w.ID, 1), after(30)))
		s.wantDue(t, w.ID)
		s.ring(t, w.ID, paybell.WebhookActive, after(40))
		s.again(t, w.ID, after(41), order...)
		wantSound(t, s.deliveries(t, w.ID))
		for range 2 {
			for _, d := range s.due(t, w.Origin, after(50), 10) {
				s.record(t, after(50), tried(d, "", after(50)))
			}
		}
		for _, d := range s.deliveries(t, w.ID) {
			if d.State != paybell.Delivered {
				t.Errorf("nothing will bring %s", brief(d))
			}
		}
	}
}

// What was given up and made again while it was on the wire is where it was put,
// whatever comes back, and what is behind it there goes on.
func testAgainWhileOnTheWire(t *testing.T, db *store.DB) {
	for _, failure := range []string{"", "answered 500"} {
		s := NewShop(t, db)
		w := s.hook(t, "https://a.example/hook")
		s.tell(t, s.create(t, t0), 2)
		flying := s.delivery(t, w.ID, 1)
		s.giveUp(t, after(10), flying)
		s.giveUp(t, after(10), s.delivery(t, w.ID, 2))
		s.wantDue(t, w.ID, 3)
		s.again(t, w.ID, after(20), 1, 2)
		s.wantDue(t, w.ID, 1, 3) // those before the newest are out of order now
		s.record(t, after(30), tried(flying, failure, after(9)))
		if d := s.delivery(t, w.ID, 1); !d.OutOfOrder || !d.Resent {
			t.Errorf("%q: its marks are gone: %s", failure, brief(d))
		}
		if failure == "" {
			s.wantDue(t, w.ID, 2, 3)
		} else {
			s.wantDue(t, w.ID, 1, 3)
		}
	}
}

// What was on the wire when its lane was held may have arrived: older news are out
// of order then, and neither waits for the other, whatever comes back.
func testAgainLateFailureBehind(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 1)
	s.giveUp(t, after(10), s.delivery(t, w.ID, 1))
	flying := s.delivery(t, w.ID, 2)
	s.hold(t, w.ID, inv.ID, after(11))
	s.ring(t, w.ID, paybell.WebhookActive, after(12))
	s.again(t, w.ID, after(13), 1, 2)
	s.wantDue(t, w.ID, 1, 2)
	if d := s.delivery(t, w.ID, 1); !d.OutOfOrder {
		t.Errorf("it does not say that newer news may have gone: %s", brief(d))
	}
	s.record(t, after(14), tried(flying, "no answer", after(10)))
	s.wantDue(t, w.ID, 1, 2)
	s.deliver(t, w.ID, after(15), 1)
	s.wantDue(t, w.ID, 2)
	s.deliver(t, w.ID, after(16), 2)
	s.wantDue(t, w.ID)
}

// What is held while it is on the wire stays held; what comes back is kept, and
// so is what comes back of the next attempt.
func testAgainHeldOnTheWire(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.create(t, t0)
	flying := s.delivery(t, w.ID, 1)
	s.hold(t, w.ID, inv.ID, after(10))
	first := tried(flying, "answered 500", after(9))
	s.record(t, after(11), first)
	if d := s.delivery(t, w.ID, 1); d.State != paybell.Held {
		t.Errorf("it is %s", d.State)
	}
	s.ring(t, w.ID, paybell.WebhookActive, after(20))
	s.again(t, w.ID, after(21), 1)
	second := tried(s.delivery(t, w.ID, 1), "", after(30))
	s.record(t, after(30), second)
	if d := s.delivery(t, w.ID, 1); d.State != paybell.Delivered {
		t.Errorf("after the second attempt it is %s", d.State)
	}
	all := view(t, db, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(w.ID, 1) })
	if len(all) != 2 || all[0].Failure == "" || all[1].Failure != "" {
		t.Errorf("of two attempts are kept: %+v", all)
	}
}

// What is given up makes way for what is behind it.
func testGiveUp(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 3)
	s.hold(t, w.ID, inv.ID, after(10))
	s.ring(t, w.ID, paybell.WebhookActive, after(20))
	s.tell(t, inv, 1)
	s.wantDue(t, w.ID)
	for n := int64(1); n <= 4; n++ { // held
		if !s.giveUp(t, after(30), s.delivery(t, w.ID, n)) {
			t.Errorf("number %d was not given up", n)
		}
		if d := s.delivery(t, w.ID, n); d.State != paybell.Exhausted || !d.FinishedAt.Equal(after(30)) {
			t.Errorf("given up, it is %s since %v", d.State, d.FinishedAt)
		}
	}
	s.wantDue(t, w.ID, 5)
	head := s.delivery(t, w.ID, 5) // pending
	if !head.DueAt.Equal(after(30)) {
		t.Errorf("the next is due at %v", head.DueAt)
	}
	s.giveUp(t, after(31), head)
	s.wantDue(t, w.ID)
	if s.giveUp(t, after(32), head) {
		t.Error("it was given up twice")
	}
}

func testGiveUpReplay(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 1)
	s.deliver(t, w.ID, after(10), 1, 2)
	s.again(t, w.ID, after(20), 1, 2)
	s.wantDue(t, w.ID, 1)
	s.giveUp(t, after(30), s.delivery(t, w.ID, 1))
	s.wantDue(t, w.ID, 2)
}
