package desk

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		take := func(key string, want time.Duration) {
			t.Helper()
			if got := p.take(key, 3, time.Minute); got != want {
				t.Errorf("%s has to wait %v, want %v", key, got, want)
			}
		}
		for range 3 {
			take("a", 0)
		}
		take("a", time.Minute)
		take("b", 0)
		time.Sleep(59 * time.Second)
		take("a", time.Second)
		take("a", time.Second) // asking costs nothing
		time.Sleep(time.Second)
		take("a", 0)
		take("a", time.Minute)
		time.Sleep(2 * time.Minute)
		take("a", 0)
		take("a", 0)
		take("a", time.Minute)
		time.Sleep(time.Hour)
		for range 3 {
			take("a", 0) // and no more than that
		}
		take("a", time.Minute)
	})
}

// A flood of keys takes a bounded room, and holds up newcomers only.
func TestPaceFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		for range 2 {
			p.take("known", 3, time.Minute)
		}
		for i := range maxPaced + 100 {
			p.take(fmt.Sprint(i), 3, time.Minute)
		}
		if len(p.ready) > maxPaced+1 {
			t.Errorf("%d keys are kept", len(p.ready))
		}
		if wait := p.take("newcomer", 3, time.Minute); wait == 0 {
			t.Error("a newcomer is not held up")
		}
		if wait := p.take("known", 3, time.Minute); wait != 0 {
			t.Errorf("who is known waits %v", wait)
		}
		if wait := p.take("known", 3, time.Minute); wait == 0 {
			t.Error("the flood has made who is known unknown")
		}
		time.Sleep(time.Hour)
		if wait := p.take("newcomer", 3, time.Minute); wait != 0 || len(p.ready) > 10 {
			t.Errorf("after the flood a newcomer waits %v, among %d", wait, len(p.ready))
		}
	})
}
