package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var dueTests = map[string]func(*testing.T, *store.DB){
	"Due/Endpoints":     testDueEndpoints,
	"Due/Deliveries":    testDueDeliveries,
	"Due/Listing":       testListDeliveries,
	"Due/SameBytes":     testSameBytes,
	"Due/NothingAtAll":  testNothingDue,
	"Due/LaterAndLater": testDueLater,
	"Due/Pages":         testDuePages,
	"Due/Outage":        testDueOutage,
	"Due/Fill":          testFill,
}

// due reads what is due to an origin of the client.
func (s *Shop) due(t testing.TB, origin string, now time.Time, limit int) []paybell.Delivery {
	t.Helper()
	heads, _ := s.dueNext(t, origin, now, limit)
	return heads
}

func (s *Shop) dueNext(t testing.TB, origin string, now time.Time, limit int) (heads []paybell.Delivery, next time.Time) {
	t.Helper()
	heads = view(t, s.DB, func(tx *store.Tx) (heads []paybell.Delivery, err error) {
		heads, next, err = tx.DueDeliveries(store.Endpoint{ClientID: s.Client.ID, Origin: origin}, store.Place{}, now, time.Time{}, limit)
		return heads, err
	})
	return heads, next
}

func endpoints(t testing.TB, db *store.DB) map[string]time.Time {
	t.Helper()
	byName := map[string]time.Time{}
	for e, at := range view(t, db, func(tx *store.Tx) (map[store.Endpoint]time.Time, error) { return tx.DueEndpoints() }) {
		byName[e.ClientID+" "+e.Origin] = at
	}
	return byName
}

func testNothingDue(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	if all := endpoints(t, db); len(all) != 0 {
		t.Errorf("an empty store has endpoints: %v", all)
	}
	if heads, next := s.dueNext(t, "https://a.example:443", after(1), 10); len(heads) != 0 || !next.IsZero() {
		t.Errorf("an empty store has %d due and the next at %v", len(heads), next)
	}
}

// An endpoint is a client and an origin; each is listed once, with the first
// moment at which something of it is due.
func testDueEndpoints(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	shops := []*Shop{s, NewShop(t, db), NewShop(t, db)}
	want := map[string]time.Time{}
	for i, s := range shops {
		for j, host := range []string{"a", "b", "c"} {
			w := s.hook(t, fmt.Sprintf("https://%s.example/hook", host))
			want[s.Client.ID+" "+w.Origin] = after(10 * i)
			if j == 2 { // and one more at the same endpoint
				s.hook(t, fmt.Sprintf("https://%s.example/other", host))
			}
		}
		for k := range 5 {
			s.tell(t, s.create(t, after(10*i+4-k)), 1)
		}
	}
	wantSame(t, "the endpoints", endpoints(t, db), want)

	// One whose deliveries all failed is due later; one whose all were delivered
	// is not due at all.
	a, b := "https://a.example:443", "https://b.example:443"
	for _, d := range s.due(t, a, after(100), 100) {
		s.record(t, after(100), tried(d, "answered 500", after(100)))
	}
	for heads := s.due(t, b, after(1000), 100); len(heads) > 0; heads = s.due(t, b, after(1000), 100) {
		for _, d := range heads {
			s.record(t, after(100), tried(d, "", after(100)))
		}
	}
	want[s.Client.ID+" "+a] = after(100).Add(1234*time.Microsecond + paybell.RetrySchedule[0])
	delete(want, s.Client.ID+" "+b)
	wantSame(t, "the endpoints after attempts", endpoints(t, db), want)
}

// The heads of lanes come oldest first, at most as many as asked for, and with
// them when to ask again.
func testDueDeliveries(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.hook(t, "https://b.example/hook")
	stranger := NewShop(t, db)
	stranger.hook(t, "https://a.example/hook")
	stranger.create(t, t0)
	for _, second := range []int{40, 10, 30, 20, 50} {
		s.tell(t, s.create(t, after(second)), 1) // numbers 1, 3, 5, 7, 9 are heads
	}
	for _, tt := range []struct {
		now, limit int
		numbers    []int64
		next       time.Time
	}{
		{9, 10, nil, after(10)},
		{10, 10, []int64{3}, after(20)}, // due at this very moment is due
		{30, 10, []int64{3, 7, 5}, after(40)},
		{30, 3, []int64{3, 7, 5}, after(30)}, // perhaps there are more: ask again at once
		{100, 2, []int64{3, 7}, after(100)},
		{100, 10, []int64{3, 7, 5, 1, 9}, time.Time{}},
	} {
		heads, next := s.dueNext(t, w.Origin, after(tt.now), tt.limit)
		var numbers []int64
		for _, d := range heads {
			numbers = append(numbers, d.Number)
			if d.WebhookID != w.ID || d.ClientID != s.Client.ID || d.State != paybell.DeliveryPending || d.Epoch == 0 {
				t.Errorf("%+v is due", d)
			}
		}
		if !slices.Equal(numbers, tt.numbers) || !next.Equal(tt.next) {
			t.Errorf("after %d s, at most %d: numbers %v and next at %v, want %v and %v", tt.now, tt.limit, numbers, next, tt.numbers, tt.next)
		}
	}
}

func testDueLater(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	s.create(t, after(1))
	r := tried(s.delivery(t, w.ID, 1), "no answer", after(2))
	s.record(t, after(2), r)
	heads, next := s.dueNext(t, w.Origin, after(2), 10)
	if len(heads) != 1 || heads[0].Number != 2 || !next.Equal(r.Delivery.DueAt) {
		t.Errorf("due are %v and the next at %v, want number 2 and %v", heads, next, r.Delivery.DueAt)
	}
	heads, next = s.dueNext(t, w.Origin, r.Delivery.DueAt, 10)
	if len(heads) != 2 || heads[1].Number != 1 || heads[1].Attempts != 1 || !next.IsZero() {
		t.Errorf("due are %v and the next at %v, want numbers 2 and 1", heads, next)
	}
}

func testListDeliveries(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.tell(t, s.create(t, t0), 6)
	var numbers []int64
	for last := int64(0); ; {
		page := view(t, db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, last, 3) })
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			numbers = append(numbers, d.Number)
			last = d.Number
		}
	}
	if !slices.Equal(numbers, []int64{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("the pages hold numbers %v", numbers)
	}
}

// A notification has the same id and the same bytes wherever it is read.
func testSameBytes(t *testing.T, db *store.DB) {
	told := make(chan []paybell.Delivery, 10)
	db.OnCommit(func(fresh []paybell.Delivery) { told <- fresh })
	s := NewShop(t, db)
	a, b := s.hook(t, "https://a.example/hook"), s.hook(t, "https://b.example/hook")
	s.create(t, t0)
	all := append(<-told, s.delivery(t, a.ID, 1), s.delivery(t, b.ID, 1))
	all = append(all, s.due(t, a.Origin, after(1), 10)...)
	s.record(t, after(1), tried(s.delivery(t, b.ID, 1), "answered 500", t0))
	all = append(all, s.due(t, b.Origin, after(1000), 10)...)
	if len(all) != 6 {
		t.Fatalf("%d readings, want 6", len(all))
	}
	for _, d := range all {
		if d.NotificationID != all[0].NotificationID || string(d.Body) != string(all[0].Body) || len(d.Body) == 0 {
			t.Errorf("%s has the body\n%s\nand %s has\n%s", d.NotificationID, d.Body, all[0].NotificationID, all[0].Body)
		}
	}
}

// However many are due at one moment, and at whichever webhook, pages give each
// of them once, in one order.
func testDuePages(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	hooks := []paybell.Webhook{s.hook(t, "https://a.example/1"), s.hook(t, "https://a.example/2"), s.hook(t, "https://a.example/3")}
	s.create(t, after(1)) // number 1 of each
	s.create(t, after(2))
	for _, w := range hooks {
		do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 1, 500, paybell.DeliveryPending) })
		do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 2, 3, paybell.DeliveryPending) })
		do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 1, 3, paybell.Held) })
	}
	e := store.Endpoint{ClientID: s.Client.ID, Origin: hooks[0].Origin}
	for _, limit := range []int{100, 256, 501, 10_000} {
		seen := map[string]bool{}
		var last store.Place
		for pages := 0; ; pages++ {
			var next time.Time
			heads := view(t, db, func(tx *store.Tx) (heads []paybell.Delivery, err error) {
				heads, next, err = tx.DueDeliveries(e, last, after(10), time.Time{}, limit)
				return heads, err
			})
			for _, d := range heads {
				at := store.Place{DueAt: d.DueAt, WebhookID: d.WebhookID, Number: d.Number}
				if at.DueAt.Before(last.DueAt) || at.DueAt.Equal(last.DueAt) && (at.WebhookID < last.WebhookID || at.WebhookID == last.WebhookID && at.Number <= last.Number) {
					t.Fatalf("%+v comes after %+v", at, last)
				}
				last = at
				seen[fmt.Sprint(d.WebhookID, d.Number)] = true
			}
			if full := len(heads) == limit; full != next.Equal(after(10)) || !full && !next.IsZero() {
				t.Fatalf("after a page of %d, at most %d, the next is due at %v", len(heads), limit, next)
			}
			if len(heads) < limit {
				if want := 3 * (2 + 500 + 3); len(seen) != want || pages != want/limit {
					t.Errorf("in %d full pages of %d there were %d, want %d", pages, limit, len(seen), want)
				}
				break
			}
		}
	}
}

// After an outage, what began to fail in it is due at once, whatever its
// schedule says; what failed before keeps to it.
func testDueOutage(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	for range 4 {
		s.create(t, after(1))
	}
	s.create(t, after(5000))
	for n, at := range map[int64]int{1: 10, 2: 20, 3: 30} {
		s.record(t, after(at), tried(s.delivery(t, w.ID, n), "no answer", after(at)))
		d := s.delivery(t, w.ID, n)
		s.record(t, after(1000+at), tried(d, "no answer", after(1000+at))) // due 30 s later
	}
	e := store.Endpoint{ClientID: s.Client.ID, Origin: w.Origin}
	for _, tt := range []struct {
		now, outage int
		after       store.Place
		limit       int
		want        []int64
		next        int // of the result; -1: at once
	}{
		{now: 1035, limit: 10, want: []int64{4}, next: 1040},
		{now: 1035, outage: 20, limit: 10, want: []int64{4, 2, 3}, next: 1040},
		{now: 1035, outage: 20, limit: 2, want: []int64{4, 2}, next: -1},
		{now: 1035, outage: 20, limit: 2, after: store.Place{DueAt: after(1050), WebhookID: w.ID, Number: 1}, want: []int64{2, 3}, next: -1},
		{now: 1035, outage: 31, limit: 10, want: []int64{4}, next: 1040},
		{now: 1045, outage: 30, limit: 10, want: []int64{4, 1, 3}, next: 1050},
		{now: 1045, outage: 1, limit: 10, want: []int64{4, 1, 2, 3}, next: 1050},
		{now: 9000, outage: 1, limit: 10, want: []int64{4, 1, 2, 3, 5}},
	} {
		var outage, next time.Time
		if tt.outage > 0 {
			outage = after(tt.outage)
		}
		heads := view(t, db, func(tx *store.Tx) (heads []paybell.Delivery, err error) {
			if !tt.after.DueAt.IsZero() {
				tt.after.DueAt = s.delivery(t, w.ID, 1).DueAt
			}
			heads, next, err = tx.DueDeliveries(e, tt.after, after(tt.now), outage, tt.limit)
			return heads, err
		})
		var numbers []int64
		for _, d := range heads {
			numbers = append(numbers, d.Number)
		}
		want := time.Time{}
		switch {
		case tt.next < 0:
			want = after(tt.now)
		case tt.next > 0:
			want = after(tt.next).Add(1234 * time.Microsecond)
		}
		if !slices.Equal(numbers, tt.want) || !next.Equal(want) {
			t.Errorf("%+v: due are %v and the next at %v, want %v", tt, numbers, next, want)
		}
	}
}

// What is filled in has numbers without a gap, waits for nothing, and what comes
// then goes on counting.
func testFill(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv := s.create(t, t0)
	states := []paybell.DeliveryState{paybell.DeliveryPending, paybell.Delivered, paybell.Exhausted, paybell.Held}
	for i, state := range states {
		do(t, db, func(tx *store.Tx) error { return tx.Fill(w.ID, 1, 10, state) })
		for n := 2 + 10*i; n < 12+10*i; n++ {
			d, like := s.delivery(t, w.ID, int64(n)), s.delivery(t, w.ID, 1)
			like.Number, like.InvoiceID, like.State = d.Number, d.InvoiceID, state
			if state != paybell.DeliveryPending {
				like.DueAt, like.FinishedAt = time.Time{}, t0
			}
			wantSame(t, "filled in", d, like)
		}
	}
	s.tell(t, inv, 1)
	all := s.deliveries(t, w.ID)
	wantSound(t, all)
	lanes := map[string]bool{}
	for _, d := range all {
		lanes[d.InvoiceID] = true
	}
	if len(all) != 42 || len(lanes) != 41 {
		t.Errorf("there are %d deliveries of %d invoices", len(all), len(lanes))
	}
}
