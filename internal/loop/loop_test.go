package loop

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// steps notes when it was called and answers as told.
type steps struct {
	at   []time.Time
	wait func(n int) (time.Duration, error)
}

func (s *steps) Step(context.Context) (time.Duration, error) {
	s.at = append(s.at, time.Now())
	return s.wait(len(s.at))
}

// run runs a loop for a while of virtual time and gives the times of its steps
// since the beginning.
func run(t *testing.T, s *steps, d time.Duration, meanwhile func(*Loop)) (at []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		l := New("test", s, slog.New(slog.DiscardHandler))
		if meanwhile != nil {
			go meanwhile(l)
		}
		l.Run(ctx)
		for _, moment := range s.at {
			at = append(at, moment.Sub(began))
		}
	})
	return at
}

func TestWaitsAsTold(t *testing.T) {
	at := run(t, &steps{wait: func(n int) (time.Duration, error) { return time.Duration(n/3) * time.Second, nil }}, 2500*time.Millisecond, nil)
	// 1 and 2 ask for more at once, 3 to 5 for a second each.
	want := []time.Duration{0, 0, 0, time.Second, 2 * time.Second}
	if len(at) != len(want) {
		t.Fatalf("steps at %v", at)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Fatalf("steps at %v, want %v", at, want)
		}
	}
}

func TestPokeEndsTheWait(t *testing.T) {
	at := run(t, &steps{wait: func(int) (time.Duration, error) { return time.Hour, nil }}, time.Minute, func(l *Loop) {
		time.Sleep(time.Second)
		l.Poke()
		l.Poke() // together they are at most one step more
	})
	if len(at) < 2 || len(at) > 3 || at[1] != time.Second {
		t.Fatalf("steps at %v", at)
	}
}

func TestErrorsWaitLongerAndEnd(t *testing.T) {
	s := &steps{wait: func(n int) (time.Duration, error) {
		if n <= 12 {
			return 0, errors.New("no")
		}
		return time.Hour, nil
	}}
	at := run(t, s, 10*time.Minute, nil)
	if len(at) != 13 {
		t.Fatalf("%d steps", len(at))
	}
	last := time.Duration(0)
	for i := 1; i < len(at); i++ {
		pause := at[i] - at[i-1]
		if pause < last || pause > 30*time.Second {
			t.Fatalf("pause %d is %v after %v", i, pause, last)
		}
		last = pause
	}
}
