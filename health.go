package paybell

import (
	"time"
)

// Health is what is known of an endpoint: one merchant server, which all
// webhooks of a client with the same scheme, host and port share. The zero value
// is that of one that is well.
type Health struct {
	FailingSince time.Time // the first failure since the last success; zero: the last attempt was good
	Failures     int       // attempts that failed since then
	Failure      string    // why the last of them did
	PausedUntil  time.Time // it asked for no requests before (Retry-After)
	DisabledAt   time.Time // nothing is sent until somebody enables it; zero: it is not disabled
	// AcceptedSecret is the one of a client's secrets that it accepted last; 0: not
	// known.
	AcceptedSecret int64
}

// EndpointState is a Health in a word.
type EndpointState string

const (
	EndpointHealthy  EndpointState = "healthy"
	EndpointFailing  EndpointState = "failing"
	EndpointPaused   EndpointState = "paused" // as it asked to be
	EndpointDisabled EndpointState = "disabled"
)

// State is the health in a word, at a moment.
func (h Health) State(now time.Time) EndpointState {
	switch {
	case !h.DisabledAt.IsZero():
		return EndpointDisabled
	case h.PausedUntil.After(now):
		return EndpointPaused
	case !h.FailingSince.IsZero():
		return EndpointFailing
	}
	return EndpointHealthy
}

// DisableAfter is how long an endpoint may fail without one success before it is
// disabled.
const DisableAfter = 5 * 24 * time.Hour

// disableFailures is how many attempts must have failed: a failure, five days in
// which we were not running, and another failure say nothing.
const disableFailures = 10

// Hopeless reports whether it is time to disable the endpoint.
func (h Health) Hopeless(now time.Time) bool {
	return !h.FailingSince.IsZero() && h.DisabledAt.IsZero() && h.Failures >= disableFailures && now.Sub(h.FailingSince) >= DisableAfter
}

// MaxHold is the longest that an endpoint can ask to be left alone.
const MaxHold = 24 * time.Hour
