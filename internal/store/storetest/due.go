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
		heads, next, err = tx.DueDeliveries(store.Endpoint{ClientID: s.Client.ID, Origin: origin}, now, limit)
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
