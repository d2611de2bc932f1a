package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/store"
)

var paceTests = map[string]func(*testing.T, *store.DB){
	"Pace/BurstThenOnceInAWhile": testPace,
	"Pace/AtOnce":                testPaceAtOnce,
	"Pace/Forget":                testForgetPaces,
}

func pace(t testing.TB, db *store.DB, key string, at time.Time) time.Duration {
	t.Helper()
	return update(t, db, func(tx *store.Tx) (time.Duration, error) { return tx.Pace(key, 3, 10*time.Second, at) })
}

func testPace(t *testing.T, db *store.DB) {
	for i, c := range []struct {
		key  string
		at   int // seconds
		want time.Duration
	}{
		{"a", 0, 0}, {"a", 0, 0}, {"a", 1, 0}, {"a", 1, 9 * time.Second}, {"b", 1, 0}, {"a", 9, time.Second},
		{"a", 10, 0}, {"a", 10, 10 * time.Second}, {"a", 35, 0}, {"a", 35, 0}, {"a", 35, 5 * time.Second},
		{"a", 1000, 0}, {"a", 1000, 0}, {"a", 1000, 0}, {"a", 1000, 10 * time.Second},
		{"a", 995, 15 * time.Second}, // by a clock that is a little behind
		{"a", 100, 0},                // the other clock was wrong
		{"a", 100, 0}, {"a", 100, 0}, {"a", 100, 10 * time.Second},
	} {
		if got := pace(t, db, c.key, after(c.at)); got != c.want {
			t.Errorf("step %d: %s after %d s has to wait %v, want %v", i, c.key, c.at, got, c.want)
		}
	}
}

// Who tries at many places at once gets no more.
func testPaceAtOnce(t *testing.T, db *store.DB) {
	var passed atomic.Int64
	if err := atOnce(20, func(int) error {
		wait, err := store.Update(context.Background(), db, func(tx *store.Tx) (time.Duration, error) { return tx.Pace("a", 3, 10*time.Second, t0) })
		if err == nil && wait == 0 {
			passed.Add(1)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if passed.Load() != 3 {
		t.Errorf("%d passed, want 3", passed.Load())
	}
}

func testForgetPaces(t *testing.T, db *store.DB) {
	for i := range 5 {
		pace(t, db, fmt.Sprint(i), after(i))
	}
	for _, c := range []struct {
		at, limit int
		want      int64
	}{{9, 10, 0}, {12, 2, 2}, {12, 10, 1}, {100, 10, 2}, {100, 10, 0}} {
		n := update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetPaces(after(c.at), c.limit) })
		if n != c.want {
			t.Errorf("%d forgotten after %d s, want %d", n, c.at, c.want)
		}
	}
}
