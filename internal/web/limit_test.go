package web

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
)

// spend asks n times at once and tells how many requests passed.
func spend(t *testing.T, l *Limiter, key string, n int) (passed int) {
	t.Helper()
	for range n {
		if l.Take(key) == nil {
			passed++
		}
	}
	return passed
}

// wantSpent fails unless exactly n requests of key pass at once.
func wantSpent(t *testing.T, l *Limiter, key string, n int) {
	t.Helper()
	if got := spend(t, l, key, n+100); got != n {
		t.Errorf("%s: %d requests passed, want %d", key, got, n)
	}
}

func TestLimiterPerSecond(t *testing.T) {
	for _, perSecond := range []int{1, 3, 7, 60, 1000} {
		t.Run(strconv.Itoa(perSecond), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(perSecond)
				for range 5 {
					wantSpent(t, l, "a", perSecond)
					time.Sleep(time.Second)
				}
				time.Sleep(time.Hour)
				wantSpent(t, l, "a", perSecond) // quiet hours are not saved up
			})
		})
	}
}

// Who asks all the time gets the second's worth and then the rate: the many
// refusals take nothing.
func TestLimiterTakesNothingForRefusals(t *testing.T) {
	for _, perSecond := range []int{1, 7, 30} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(perSecond)
			passed := spend(t, l, "a", perSecond+1)
			for range 20_000 {
				time.Sleep(500 * time.Microsecond)
				passed += spend(t, l, "a", 3)
			}
			if want := 11 * perSecond; passed != want {
				t.Errorf("%d per second: %d requests passed in 10 s, want %d", perSecond, passed, want)
			}
		})
	}
}

func TestLimiterRetryAfter(t *testing.T) {
	tests := []struct {
		perSecond int
		later     time.Duration // after the last token was taken
		want      time.Duration
	}{
		{1, 0, time.Second},
		{1, 999 * time.Millisecond, time.Millisecond},
		{1, time.Second - time.Microsecond, time.Microsecond},
		{4, 0, 250 * time.Millisecond},
		{4, 100 * time.Millisecond, 150 * time.Millisecond},
		{3, 0, time.Second / 3},
		{1000, 0, time.Millisecond},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(test.perSecond)
			wantSpent(t, l, "a", test.perSecond)
			time.Sleep(test.later)
			wantLimited(t, l, "a", test.want)
			wantLimited(t, l, "a", test.want) // who is refused does not queue
			time.Sleep(test.want - time.Microsecond)
			wantLimited(t, l, "a", time.Microsecond)
			time.Sleep(time.Microsecond)
			wantSpent(t, l, "a", 1)
		})
	}
}

// wantLimited fails unless one request of key is refused for so long; a
// nanosecond may be lost in rounding.
func wantLimited(t *testing.T, l *Limiter, key string, after time.Duration) {
	t.Helper()
	e, ok := errors.AsType[*paybell.Error](l.Take(key))
	if !ok || e.Code != paybell.RateLimited || (e.RetryAfter-after).Abs() > 1 {
		t.Errorf("got %+v, want a refusal for %v", e, after)
	}
}

func TestLimiterSaysWhatToDo(t *testing.T) {
	l := NewLimiter(1)
	if err := l.Take("a"); err != nil {
		t.Fatal(err)
	}
	e, ok := errors.AsType[*paybell.Error](l.Take("a"))
	if !ok || e.Detail != "Requests are limited to 1 per second for each client or address; wait and ask again." {
		t.Errorf("got %+v", e)
	}
}

func TestLimiterTellsKeysApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(5)
		for _, key := range []string{"a", "b", "", "A"} {
			wantSpent(t, l, key, 5)
		}
		time.Sleep(400 * time.Millisecond)
		wantSpent(t, l, "a", 2)
		time.Sleep(600 * time.Millisecond)
		wantSpent(t, l, "a", 3)
		wantSpent(t, l, "b", 5)
	})
}

func TestLimiterWithoutLimit(t *testing.T) {
	for name, l := range map[string]*Limiter{"nil": nil, "0": NewLimiter(0), "-1": NewLimiter(-1)} {
		if got := spend(t, l, "a", 10_000); got != 10_000 {
			t.Errorf("%s: %d of 10000 requests passed", name, got)
		}
	}
}

// fullLimiter makes a limiter with all the keys it can tell apart, each of which has
// taken one token.
func fullLimiter(t *testing.T, perSecond int) *Limiter {
	t.Helper()
	l := NewLimiter(perSecond)
	for i := range maxLimited {
		if err := l.Take(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	wantKeys(t, l, maxLimited)
	return l
}

func wantKeys(t *testing.T, l *Limiter, n int) {
	t.Helper()
	if got := len(l.buckets); got != n {
		t.Errorf("%d keys are held, want %d", got, n)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLimiter(t, 4)
		wantSpent(t, l, "new", 4)
		wantSpent(t, l, "also new", 0) // they share
		wantSpent(t, l, "0", 3)        // those who are known do not
		wantKeys(t, l, maxLimited)

		time.Sleep(time.Second - time.Millisecond)
		wantSpent(t, l, "new", 3) // nobody looks for room again so soon, though there is some by now
		wantSpent(t, l, "1", 4)
		wantKeys(t, l, maxLimited)

		time.Sleep(time.Millisecond)
		wantSpent(t, l, "also new", 4)
		wantSpent(t, l, "new", 4)
		wantSpent(t, l, "1", 0) // was in use, so it is not forgotten
		wantKeys(t, l, 3)       // 0 was quiet for a second
	})
}

// A bucket is dropped when it is full again, and not before.
func TestLimiterForgetsTheQuiet(t *testing.T) {
	for _, test := range []struct {
		quiet time.Duration
		keys  int
	}{
		{249 * time.Millisecond, maxLimited},
		{250 * time.Millisecond, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := fullLimiter(t, 4)
			time.Sleep(test.quiet)
			wantSpent(t, l, "new", 4)
			wantKeys(t, l, test.keys)
		})
	}
}

func TestLimiterAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, keys, perSecond = 64, 3, 500
		l := NewLimiter(perSecond)
		for range 3 {
			var passed [keys]atomic.Int64
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for i := range 100 * keys {
						if l.Take(strconv.Itoa(i%keys)) == nil {
							passed[i%keys].Add(1)
						}
					}
				})
			}
			wg.Wait()
			for key := range keys {
				if got := passed[key].Load(); got != perSecond {
					t.Errorf("%d requests passed, want %d", got, perSecond)
				}
			}
			time.Sleep(time.Second)
		}
	})
}

// On the real clock, whose readings reach the buckets in any order, no time is
// filled in twice.
func TestLimiterOnTheRealClock(t *testing.T) {
	const perSecond = 1000
	l := NewLimiter(perSecond)
	start := time.Now()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for time.Since(start) < 200*time.Millisecond {
				passed.Add(int64(spend(t, l, "a", 100)))
			}
		})
	}
	wg.Wait()
	most := int64(perSecond*(1+time.Since(start).Seconds())) + 1
	if got := passed.Load(); got > most {
		t.Errorf("%d requests passed, at most %d may", got, most)
	}
}

func BenchmarkLimiter(b *testing.B) {
	for name, keys := range map[string]int{"1 key": 1, "1000 keys": 1000, "all keys": maxLimited, "shared": maxLimited + 1} {
		b.Run(name, func(b *testing.B) {
			l := NewLimiter(1 << 30)
			names := make([]string, keys)
			for i := range names {
				names[i] = "client " + strconv.Itoa(i)
				_ = l.Take(names[i])
			}
			if keys > maxLimited {
				names = names[maxLimited:]
			}
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					_ = l.Take(names[i*7919%len(names)])
				}
			})
		})
	}
}

// A flood of new keys, each of which may find the limiter full.
func BenchmarkLimiterFlood(b *testing.B) {
	l := NewLimiter(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_ = l.Take("client " + strconv.Itoa(i))
	}
}
