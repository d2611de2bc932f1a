package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var shardTests = map[string]func(*testing.T, *store.DB){
	"Shards/JoinAlone":       testJoinAlone,
	"Shards/TakeAndFree":     testTakeAndFree,
	"Shards/Leave":           testLeave,
	"Shards/Beats":           testBeats,
	"Shards/Bury":            testBury,
	"Shards/TakersAtOnce":    testTakersAtOnce,
	"Shards/BuriedWritesNot": testBuriedWritesNothing,
	"Shards/BuryWaits":       testBuryWaits,
	"Shards/BeatOrBury":      testBeatOrBury,
}

// shardsOf are the shards of a process.
func shardsOf(t testing.TB, db *store.DB, id string) []int {
	t.Helper()
	return view(t, db, func(tx *store.Tx) ([]int, error) { return tx.OwnShards(id) })
}

func allShards() (all []int) {
	for i := range store.Shards {
		all = append(all, i)
	}
	return all
}

// wantBuried fails unless a process cannot write any more.
func wantBuried(t testing.TB, db *store.DB, id string) {
	t.Helper()
	for what, err := range map[string]error{
		"a beat":    store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Beat(id) }),
		"a writing": store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Serving(id) }),
	} {
		if !errors.Is(err, store.ErrBuried) {
			t.Errorf("%s of a process that is buried: %v", what, err)
		}
	}
	if n := len(shardsOf(t, db, id)); n != 0 {
		t.Errorf("it has %d shards", n)
	}
}

// The only process has everything, also what one before it did not give back.
func testJoinAlone(t *testing.T, db *store.DB) {
	wantBuried(t, db, "nobody")
	for _, id := range []string{"first", "second"} {
		do(t, db, func(tx *store.Tx) error { return tx.JoinAlone(id) })
		wantSame(t, "its shards", shardsOf(t, db, id), allShards())
		do(t, db, func(tx *store.Tx) error { return errors.Join(tx.Serving(id), tx.Beat(id)) })
	}
	wantBuried(t, db, "first")
	wantSame(t, "the processes", view(t, db, func(tx *store.Tx) (map[string]int64, error) { return tx.Beats() }), map[string]int64{"second": 1})
}

// A shard has one owner. One takes what is free, at most so much, and gives back
// what is his.
func testTakeAndFree(t *testing.T, db *store.DB) {
	take := func(id string, n int) {
		t.Helper()
		do(t, db, func(tx *store.Tx) error { return tx.TakeShards(id, n) })
	}
	for _, id := range []string{"a", "b"} {
		do(t, db, func(tx *store.Tx) error { return tx.Join(id) })
		if n := len(shardsOf(t, db, id)); n != 0 {
			t.Errorf("who has just joined has %d shards", n)
		}
	}
	take("a", 100)
	take("b", 100)
	take("a", 100)
	a, b := shardsOf(t, db, "a"), shardsOf(t, db, "b")
	if len(a) != 156 || len(b) != 100 {
		t.Errorf("they have %d and %d shards", len(a), len(b))
	}
	wantSame(t, "all of them", slices.Sorted(slices.Values(slices.Concat(a, b))), allShards())
	take("b", 1)
	wantSame(t, "when none is free", shardsOf(t, db, "b"), b)

	do(t, db, func(tx *store.Tx) error { return errors.Join(tx.FreeShard("a", b[0]), tx.FreeShard("a", a[7])) })
	wantSame(t, "of another", shardsOf(t, db, "b"), b)
	take("b", 10)
	wantSame(t, "what was given back", shardsOf(t, db, "b"), slices.Sorted(slices.Values(append(b, a[7]))))
	wantSame(t, "without it", shardsOf(t, db, "a"), slices.Delete(a, 7, 8))
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Join("a") }); err == nil {
		t.Error("two processes have one name")
	}
}

func testLeave(t *testing.T, db *store.DB) {
	do(t, db, func(tx *store.Tx) error {
		return errors.Join(tx.Join("a"), tx.Join("b"), tx.TakeShards("a", 200), tx.TakeShards("b", 10))
	})
	b := shardsOf(t, db, "b")
	do(t, db, func(tx *store.Tx) error { return errors.Join(tx.Leave("a"), tx.Leave("nobody")) })
	wantBuried(t, db, "a")
	wantSame(t, "the other's", shardsOf(t, db, "b"), b)
	do(t, db, func(tx *store.Tx) error { return tx.TakeShards("b", 1000) })
	wantSame(t, "all", shardsOf(t, db, "b"), allShards())
}

func testBeats(t *testing.T, db *store.DB) {
	do(t, db, func(tx *store.Tx) error { return errors.Join(tx.Join("a"), tx.Join("b")) })
	for range 3 {
		do(t, db, func(tx *store.Tx) error { return tx.Beat("b") })
	}
	wantSame(t, "the beats", view(t, db, func(tx *store.Tx) (map[string]int64, error) { return tx.Beats() }), map[string]int64{"a": 0, "b": 3})
}

// Only who has not moved since is buried. What was his is free.
func testBury(t *testing.T, db *store.DB) {
	do(t, db, func(tx *store.Tx) error {
		return errors.Join(tx.Join("a"), tx.Join("b"), tx.TakeShards("a", 100), tx.TakeShards("b", 1000), tx.Beat("a"))
	})
	a, b := shardsOf(t, db, "a"), shardsOf(t, db, "b")
	bury := func(id string, beat int64) bool {
		return update(t, db, func(tx *store.Tx) (bool, error) { return tx.Bury(id, beat) })
	}
	if bury("a", 0) || bury("a", 2) || bury("nobody", 0) {
		t.Error("one that moved was buried")
	}
	wantSame(t, "its shards", shardsOf(t, db, "a"), a)
	do(t, db, func(tx *store.Tx) error { return tx.Serving("a") })
	if !bury("a", 1) || bury("a", 1) {
		t.Error("one that stood still was not buried, or twice")
	}
	wantBuried(t, db, "a")
	wantSame(t, "the other's", shardsOf(t, db, "b"), b)
	do(t, db, func(tx *store.Tx) error { return tx.TakeShards("b", 1000) })
	wantSame(t, "all", shardsOf(t, db, "b"), allShards())
}

// However many take at once, each shard has one owner, and in the end somebody
// has it.
func testTakersAtOnce(t *testing.T, db *store.DB) {
	const takers = 4
	name := func(i int) string { return fmt.Sprint("process ", i) }
	if err := atOnce(takers, func(i int) error {
		ctx, id := context.Background(), name(i)
		if err := store.Do(ctx, db, func(tx *store.Tx) error { return tx.Join(id) }); err != nil {
			return err
		}
		for n := 0; n < store.Shards/takers; {
			mine, err := store.Update(ctx, db, func(tx *store.Tx) ([]int, error) {
				if err := errors.Join(tx.Beat(id), tx.TakeShards(id, min(20, store.Shards/takers-n))); err != nil {
					return nil, err
				}
				return tx.OwnShards(id)
			})
			if err != nil {
				return err
			}
			n = len(mine)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var all []int
	for i := range takers {
		all = append(all, shardsOf(t, db, name(i))...)
	}
	slices.Sort(all)
	wantSame(t, "all shards", all, allShards())
}

// recordAs is what a process does with a result.
func recordAs(db *store.DB, id string, meanwhile func(), r store.Result) error {
	return store.Do(context.Background(), db, func(tx *store.Tx) error {
		if err := tx.Serving(id); err != nil {
			return err
		}
		meanwhile()
		_, err := tx.Record([]store.Result{r}, r.Attempt.StartedAt)
		return err
	})
}

// From the moment at which others have buried a process it records nothing, also
// if it began before.
func testBuriedWritesNothing(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	for range 4 {
		s.create(t, t0)
	}
	do(t, db, func(tx *store.Tx) error { return errors.Join(tx.Join("a"), tx.TakeShards("a", 1000), tx.Join("b")) })
	results := []store.Result{tried(s.delivery(t, w.ID, 1), "", after(1)), tried(s.delivery(t, w.ID, 2), "", after(1)), tried(s.delivery(t, w.ID, 3), "no answer", after(1))}
	if err := recordAs(db, "a", func() {}, results[0]); err != nil {
		t.Fatal(err)
	}
	late := make(chan error, 1)
	if !update(t, db, func(tx *store.Tx) (bool, error) {
		buried, err := tx.Bury("a", 0)
		go func() { late <- recordAs(db, "a", func() {}, results[1]) }()
		select { // it has to wait for us, or PostgreSQL would let it pass
		case err := <-late:
			late <- err
			t.Errorf("a process that is being buried did not wait: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		return buried, err
	}) {
		t.Error("it was not buried")
	}
	if err := <-late; !errors.Is(err, store.ErrBuried) {
		t.Errorf("what it wrote while it was being buried: %v", err)
	}
	if err := recordAs(db, "a", func() {}, results[2]); !errors.Is(err, store.ErrBuried) {
		t.Errorf("what it wrote then: %v", err)
	}
	for i, want := range []paybell.DeliveryState{paybell.Delivered, paybell.DeliveryPending, paybell.DeliveryPending, paybell.DeliveryPending} {
		d := s.delivery(t, w.ID, int64(i+1))
		attempts := view(t, db, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(w.ID, d.Number) })
		if d.State != want || d.Attempts != len(attempts) || (d.Attempts == 1) != (i == 0) {
			t.Errorf("number %d is %s after %d attempts, of which %d are kept", d.Number, d.State, d.Attempts, len(attempts))
		}
	}
	if h := s.health(t, w.Origin); h != (paybell.Health{}) {
		t.Errorf("the endpoint is %+v", h)
	}
}

// Who buries a process waits for what that is just writing.
func testBuryWaits(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	s.create(t, t0)
	do(t, db, func(tx *store.Tx) error { return tx.Join("a") })
	r := tried(s.delivery(t, w.ID, 1), "", after(1))
	seen := make(chan paybell.DeliveryState, 1)
	var once atomic.Bool
	if err := recordAs(db, "a", func() {
		if !once.CompareAndSwap(false, true) {
			return
		}
		go func() {
			state, err := store.Update(context.Background(), db, func(tx *store.Tx) (state paybell.DeliveryState, err error) {
				if buried, err := tx.Bury("a", 0); err != nil || !buried {
					return "it was not buried", err
				}
				some, err := tx.Deliveries(w.ID, 0, 1)
				if err == nil {
					state = some[0].State
				}
				return state, err
			})
			if err != nil {
				state = paybell.DeliveryState(err.Error())
			}
			seen <- state
		}()
		select {
		case state := <-seen:
			seen <- state
		case <-time.After(100 * time.Millisecond):
		}
	}, r); err != nil {
		t.Fatal(err)
	}
	if state := <-seen; state != paybell.Delivered {
		t.Errorf("who buried it saw a delivery that is %s", state)
	}
}

// A process that moves at the moment at which it is buried knows which it was.
func testBeatOrBury(t *testing.T, db *store.DB) {
	for i := range 20 {
		id := fmt.Sprint("process ", i)
		do(t, db, func(tx *store.Tx) error { return errors.Join(tx.Join(id), tx.TakeShards(id, 3)) })
		var lives, buried atomic.Bool
		if err := atOnce(2, func(who int) error {
			if who == 0 {
				err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Beat(id) })
				lives.Store(err == nil)
				if errors.Is(err, store.ErrBuried) {
					return nil
				}
				return err
			}
			done, err := store.Update(context.Background(), db, func(tx *store.Tx) (bool, error) { return tx.Bury(id, 0) })
			buried.Store(done)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if lives.Load() == buried.Load() {
			t.Errorf("it lives: %v, it was buried: %v", lives.Load(), buried.Load())
		}
		if n := len(shardsOf(t, db, id)); (n == 3) != lives.Load() {
			t.Errorf("it lives: %v, with %d shards", lives.Load(), n)
		}
		do(t, db, func(tx *store.Tx) error { return tx.Leave(id) })
	}
}
