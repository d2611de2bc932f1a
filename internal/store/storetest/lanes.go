package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var laneTests = map[string]func(*testing.T, *store.DB){
	"Lane/OneAfterTheOther":      testLane,
	"Lane/EachForItself":         testLanes,
	"Lane/FailedKeepsItsTime":    testLaneFailed,
	"Lane/FailedBehindDelivered": testFailedBehindDelivered,
	"Lane/ExhaustedMakesWay":     testLaneExhausted,
	"Lane/RecordTwice":           testRecordTwice,
	"Lane/RecordAfterDelete":     testRecordAfterDelete,
	"Lane/RecordWhatIsNotThere":  testRecordUnknown,
	"Lane/WrittenWhileDelivered": testWrittenWhileDelivered,
	"Lane/Attempts":              testAttempts,
}

// Only the head of a lane is due; when it is delivered the next is, at once.
func testLane(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 2)
	for n := int64(1); n <= 3; n++ {
		wantSound(t, s.deliveries(t, w.ID))
		d, at := s.delivery(t, w.ID, n), after(100*int(n))
		if promoted := s.record(t, at, tried(d, "", at)); !slices.Equal(promoted, []bool{n < 3}) {
			t.Errorf("number %d was delivered; the next became due: %v", n, promoted)
		}
		if d = s.delivery(t, w.ID, n); d.State != paybell.Delivered || d.Attempts != 1 {
			t.Errorf("number %d is %s after %d attempts", n, d.State, d.Attempts)
		}
		if n < 3 {
			wantSame(t, "when the next is due", s.delivery(t, w.ID, n+1).DueAt, at)
		}
	}
	if n := view(t, db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() }); n != 0 {
		t.Errorf("%d are undelivered", n)
	}
	s.tell(t, inv, 1) // into an empty lane
	wantSound(t, s.deliveries(t, w.ID))
}

// A lane is one invoice at one webhook; others never wait for it. Results of
// many lanes are written together.
func testLanes(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/1"), s.hook(t, "https://a.example/2")}
	for range 2 {
		s.tell(t, s.create(t, t0), 1) // numbers 1, 2 and 3, 4
	}
	promoted := s.record(t, after(10),
		tried(s.delivery(t, hooks[0].ID, 1), "", t0), tried(s.delivery(t, hooks[0].ID, 3), "refused", t0), tried(s.delivery(t, hooks[1].ID, 3), "", t0))
	if !slices.Equal(promoted, []bool{true, false, true}) {
		t.Errorf("the next became due: %v", promoted)
	}
	for i, want := range [][]paybell.DeliveryState{
		{paybell.Delivered, paybell.DeliveryPending, paybell.DeliveryPending, paybell.DeliveryPending},
		{paybell.DeliveryPending, paybell.DeliveryPending, paybell.Delivered, paybell.DeliveryPending},
	} {
		got := s.deliveries(t, hooks[i].ID)
		wantSound(t, got)
		for j, d := range got {
			if d.State != want[j] {
				t.Errorf("webhook %d, number %d is %s, want %s", i, d.Number, d.State, want[j])
			}
		}
	}
}

// A head that failed is due again when its schedule says, and what is behind it
// waits, also what comes new.
func testLaneFailed(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.tell(t, s.create(t, t0), 1)
	for n := 1; n <= 3; n++ {
		r := tried(s.delivery(t, w.ID, 1), "answered 500", after(1000*n))
		if promoted := s.record(t, after(1000*n+1), r); promoted[0] {
			t.Error("the second became due although the first failed")
		}
		inv = s.tell(t, inv, 1)
		d := s.delivery(t, w.ID, 1)
		if d.State != paybell.DeliveryPending || d.Attempts != n || !d.DueAt.Equal(r.Delivery.DueAt) || !d.DueAt.After(after(1000*n)) {
			t.Errorf("after %d failures it is %s, %d attempts, due at %v, want %v", n, d.State, d.Attempts, d.DueAt, r.Delivery.DueAt)
		}
		wantSound(t, s.deliveries(t, w.ID))
	}
}

// What was attempted as soon as the one before it had arrived, and failed, keeps its
// time also when both are recorded at once.
func testFailedBehindDelivered(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 2)
	failed := tried(s.delivery(t, w.ID, 3), "answered 500", after(3))
	s.record(t, after(4), tried(s.delivery(t, w.ID, 1), "", after(1)), tried(s.delivery(t, w.ID, 2), "", after(2)), failed)
	if d := s.delivery(t, w.ID, 3); d.State != paybell.DeliveryPending || d.Attempts != 1 || !d.DueAt.Equal(failed.Delivery.DueAt) {
		t.Errorf("it is %s after %d attempts, due at %v, want %v", d.State, d.Attempts, d.DueAt, failed.Delivery.DueAt)
	}
	wantSound(t, s.deliveries(t, w.ID))
}

func testLaneExhausted(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 1)
	for {
		d := s.delivery(t, w.ID, 1)
		if d.State == paybell.Exhausted {
			break
		}
		last := d.Attempts == len(paybell.RetrySchedule)
		if promoted := s.record(t, d.DueAt, tried(d, "no answer", d.DueAt)); promoted[0] != last {
			t.Fatalf("after attempt %d the next became due: %v", d.Attempts+1, promoted[0])
		}
		wantSound(t, s.deliveries(t, w.ID))
	}
	if d := s.delivery(t, w.ID, 2); d.DueAt.IsZero() || d.State != paybell.DeliveryPending {
		t.Errorf("behind an exhausted one it is %s, due at %v", d.State, d.DueAt)
	}
}

// Whoever is not sure that a result was written writes it again.
func testRecordTwice(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 2)
	failed := tried(s.delivery(t, w.ID, 1), "answered 500", t0)
	delivered := tried(failed.Delivery, "", after(10))
	for i, tt := range []struct {
		r    store.Result
		want bool
	}{{failed, false}, {failed, false}, {delivered, true}, {delivered, false}, {failed, false}} {
		before := s.deliveries(t, w.ID)
		if promoted := s.record(t, after(20+i), tt.r); promoted[0] != tt.want {
			t.Errorf("result %d: the next became due: %v", i, promoted[0])
		}
		now := s.deliveries(t, w.ID)
		wantSound(t, now)
		if i == 1 || i >= 3 {
			wantSame(t, fmt.Sprint("after result ", i), now, before)
		}
	}
	if promoted := s.record(t, after(30), delivered, delivered); promoted[0] || promoted[1] {
		t.Error("twice in one transaction: the next became due again")
	}
	attempts := view(t, db, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(w.ID, 1) })
	wantSame(t, "attempts", attempts, []paybell.Attempt{failed.Attempt, delivered.Attempt})
}

// A delivery whose webhook was deleted while its attempt was on the wire was
// delivered all the same, and what is behind it comes to its turn, where it ends.
// What was ended before its result came stays ended.
func testRecordAfterDelete(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 2)
	d := s.delivery(t, w.ID, 1)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteWebhook(s.Client.ID, w.ID, after(1)) })
	if promoted := s.record(t, after(2), tried(d, "", t0)); !promoted[0] {
		t.Error("what is behind it did not come to its turn")
	}
	flying := s.delivery(t, w.ID, 2)
	if n := s.settle(t, w.Origin, after(3)); n != 1 {
		t.Errorf("%d heads were due to a deleted webhook", n)
	}
	ended := s.deliveries(t, w.ID)
	wantSound(t, ended)
	for i, want := range []paybell.DeliveryState{paybell.Delivered, paybell.Exhausted, paybell.Exhausted} {
		if ended[i].State != want || i > 0 && !ended[i].FinishedAt.Equal(after(3)) {
			t.Errorf("number %d of a deleted webhook is %s since %v", i+1, ended[i].State, ended[i].FinishedAt)
		}
	}
	for _, failure := range []string{"", "answered 500"} {
		if promoted := s.record(t, after(4), tried(flying, failure, t0)); promoted[0] {
			t.Error("the next of a deleted webhook became due")
		}
		ended[1].Attempts = 1 // they are counted
		wantSame(t, "deliveries", s.deliveries(t, w.ID), ended)
	}
}

func testRecordUnknown(t *testing.T, db *store.DB) {
	if promoted := update(t, db, func(tx *store.Tx) ([]bool, error) { return tx.Record(nil, t0) }); len(promoted) != 0 {
		t.Errorf("no results: %v", promoted)
	}
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	ghost := s.delivery(t, w.ID, 1)
	ghost.Number = 7
	if promoted := s.record(t, t0, tried(ghost, "", t0)); promoted[0] {
		t.Error("a delivery that does not exist made another due")
	}
	wantSound(t, s.deliveries(t, w.ID))
}

// Nothing waits for ever: whatever is written while the ones ahead of it are
// being recorded, there is a head that is due, until all were delivered in
// order.
func testWrittenWhileDelivered(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/1"), s.hook(t, "https://a.example/2")}
	const writers, changes, dispatchers = 6, 25, 2
	var writing atomic.Int32
	writing.Store(writers)
	write := func() error {
		defer writing.Add(-1)
		for c := s.NewInvoice(t0); c.Invoice.Version <= changes; c = flagged(c.Invoice, t0) {
			if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
				return err
			}
		}
		return nil
	}
	dispatch := func() error {
		for {
			done := writing.Load() == 0 // before looking: what is due after that is all there is
			heads, err := store.View(context.Background(), db, func(tx *store.Tx) ([]paybell.Delivery, error) {
				heads, _, err := tx.DueDeliveries(store.Endpoint{ClientID: s.Client.ID, Origin: hooks[0].Origin}, store.Place{}, after(1000), time.Time{}, 1000)
				return heads, err
			})
			if err != nil || done && len(heads) == 0 {
				return err
			}
			var results []store.Result
			for _, d := range heads {
				results = append(results, tried(d, "", t0))
			}
			if _, err := store.Update(context.Background(), db, func(tx *store.Tx) ([]bool, error) { return tx.Record(results, after(1)) }); err != nil {
				return err
			}
		}
	}
	if err := atOnce(writers+dispatchers, func(i int) error {
		if i < writers {
			return write()
		}
		return dispatch()
	}); err != nil {
		t.Fatal(err)
	}
	for _, w := range hooks {
		got := s.deliveries(t, w.ID)
		wantSound(t, got)
		if len(got) != writers*changes {
			t.Errorf("%d deliveries of %d changes", len(got), writers*changes)
		}
		for _, d := range got {
			if d.State != paybell.Delivered {
				t.Fatalf("number %d is %s, due at %v: nobody will ever bring it", d.Number, d.State, d.DueAt)
			}
		}
	}
}

func testAttempts(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	want := paybell.Attempt{
		WebhookID: w.ID, Number: 1, N: 1, StartedAt: after(1), Duration: 14_999_999 * time.Microsecond, Status: 503,
		Timing: paybell.Timing{DNS: time.Microsecond, Connect: 2 * time.Microsecond, TLS: 3 * time.Second, FirstByte: 14 * time.Second},
		Answer: "<h1>ünavailable</h1>\r\n\t\ufffd", Failure: "answered 503", Secret: 1 << 52,
	}
	requireSet(t, want)
	d := s.delivery(t, w.ID, 1)
	s.record(t, after(2), store.Result{Delivery: d.Next(want, paybell.RetrySchedule, 0), Attempt: want})
	wantSame(t, "attempts", view(t, db, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(w.ID, 1) }), []paybell.Attempt{want})
	if none := view(t, db, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(w.ID, 2) }); len(none) != 0 {
		t.Errorf("attempts at a delivery that was not made: %v", none)
	}
}
