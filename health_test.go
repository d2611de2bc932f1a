package paybell

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The state is the worst of what is known.
func TestEndpointState(t *testing.T) {
	before, later := day0.Add(-time.Second), day0.Add(time.Second)
	for _, tt := range []struct {
		h    Health
		want EndpointState
	}{
		{Health{}, EndpointHealthy},
		{Health{AcceptedSecret: 7}, EndpointHealthy},
		{Health{PausedUntil: before}, EndpointHealthy},
		{Health{PausedUntil: day0}, EndpointHealthy}, // the pause ends at this very moment
		{Health{FailingSince: before, Failures: 1}, EndpointFailing},
		{Health{FailingSince: before, PausedUntil: day0}, EndpointFailing},
		{Health{PausedUntil: later}, EndpointPaused},
		{Health{FailingSince: before, PausedUntil: later}, EndpointPaused},
		{Health{DisabledAt: before}, EndpointDisabled},
		{Health{FailingSince: before, PausedUntil: later, DisabledAt: before}, EndpointDisabled},
	} {
		if got := tt.h.State(day0); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.h, got, tt.want)
		}
	}
}

// It takes five days and ten failures, and happens once.
func TestHopeless(t *testing.T) {
	since := day0.Add(-DisableAfter)
	for _, tt := range []struct {
		h    Health
		want bool
	}{
		{Health{}, false},
		{Health{Failures: 1000}, false},
		{Health{FailingSince: since, Failures: 10}, true},
		{Health{FailingSince: since, Failures: 9}, false},
		{Health{FailingSince: since.Add(-1000 * time.Hour), Failures: 2}, false},
		{Health{FailingSince: since.Add(time.Nanosecond), Failures: 1000}, false},
		{Health{FailingSince: since, Failures: 10, PausedUntil: day0.Add(MaxHold)}, true},
		{Health{FailingSince: since, Failures: 10, DisabledAt: day0}, false},
	} {
		if got := tt.h.Hopeless(day0); got != tt.want {
			t.Errorf("%+v is hopeless: %v", tt.h, got)
		}
	}
	if DisableAfter != 120*time.Hour || MaxHold != 24*time.Hour {
		t.Error("five days and a day are promised")
	}
}

// An endpoint that fails now and then is never hopeless, and one that is not
// hopeless at a moment was not so before.
func TestHopelessGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Health{FailingSince: day0, Failures: rapid.IntRange(0, 20).Draw(t, "failures")}
		at := day0.Add(time.Duration(rapid.Int64Range(0, int64(10*24*time.Hour)).Draw(t, "at")))
		more := h
		more.Failures += rapid.IntRange(0, 5).Draw(t, "more")
		if h.Hopeless(at) && !more.Hopeless(at.Add(time.Hour)) {
			t.Errorf("%+v was hopeless, %+v an hour later is not", h, more)
		}
		if h.FailingSince = at; h.Hopeless(at) {
			t.Errorf("hopeless since now: %+v", h)
		}
	})
}
