package paybell

import "time"

// Resend is a job that makes deliveries again: they keep their ids, numbers and
// bytes and get their full schedule. It survives restarts, goes after live
// traffic, and can be cancelled.
type Resend struct {
	ID        string
	ClientID  string
	WebhookID string // empty: every webhook of the endpoint
	Origin    string // the endpoint
	What      ResendWhat
	Since     time.Time // for ResendFailed and ResendMissed: given up or held since then
	After     int64     // numbers after this one ...
	Upto      int64     // ... up to this one; 0: the last

	AtWebhook  string // how far it is
	AtNumber   int64
	Total      int64 // deliveries to make again, as counted when it was made
	Done       int64 // of them
	State      ResendState
	CreatedAt  time.Time
	FinishedAt time.Time
}

// ResendWhat says which deliveries a Resend is about.
type ResendWhat string

const (
	ResendOne    ResendWhat = "one"    // whatever became of it
	ResendAfter  ResendWhat = "after"  // all with later numbers, whatever became of them
	ResendFailed ResendWhat = "failed" // exhausted since a moment
	ResendMissed ResendWhat = "missed" // held, or exhausted since a moment: what a webhook missed while it did not ring
	// SkipMissed gives up what waits or is held instead.
	SkipMissed ResendWhat = "skip"
)

// ResendState says how far a Resend is.
type ResendState string

const (
	ResendRunning   ResendState = "running"
	ResendFinished  ResendState = "finished"
	ResendCancelled ResendState = "cancelled" // by a person, or because the webhook does not ring any more
)
