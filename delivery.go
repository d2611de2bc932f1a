package paybell

import (
	"strconv"
	"strings"
	"time"
)

// Delivery is one notification to be brought to one webhook. The webhook and
// the number name it. While it is pending it is a row in the store; whoever
// holds it in memory holds a copy.
type Delivery struct {
	WebhookID      string
	Number         int64 // gapless per webhook, from 1
	NotificationID string
	InvoiceID      string // with the webhook, the lane it waits in
	ClientID       string
	Origin         string // the endpoint
	URL            string // of the webhook, as registered
	State          DeliveryState
	Attempts       int       // all that were made
	DueAt          time.Time // of the next attempt; zero while another delivery is ahead in the lane
	CreatedAt      time.Time
	FinishedAt     time.Time // when it was delivered, exhausted or held; zero while it is pending
	Previous       int64     // number of the delivery ahead in the lane when this was made; 0: none was waiting
	Epoch          int64     // of the store: changes when a backup is restored
	Body           []byte

	// A round is a run of the schedule: the first, and one for each resend.
	Round        int       // attempts made before this round
	FailingSince time.Time // first failure of this round; zero: there was none
	// RefusedSecret is the one that the last answer of 400, 401 or 403 came to; 0:
	// there was none.
	RefusedSecret int64

	OutOfOrder bool // newer news of the invoice went, or may have gone, before it
	Resent     bool // asked for again: goes when nothing fresh is waiting
	Replay     bool // of those that are told again: in order among themselves, and keeping nothing else back
}

// Lane says which deliveries of one invoice to one webhook wait for each other.
type Lane int64

// Lanes: what is told for the first time goes one after the other, and so does
// what is told again. What was passed over waits for nothing: its lane is its own
// number.
const (
	FirstTime Lane = 0
	Again     Lane = -1
)

// Lane is the delivery's own.
func (d Delivery) Lane() Lane {
	switch {
	case d.Replay:
		return Again
	case d.OutOfOrder:
		return Lane(d.Number)
	}
	return FirstTime
}

// SequenceNumber is a delivery's place among all of its webhook: 1, 2, 3 ... in
// an epoch. A restored backup begins a new epoch, since it may number again what
// was numbered already.
type SequenceNumber struct{ Epoch, N int64 }

// Sequence is the delivery's own.
func (d Delivery) Sequence() SequenceNumber { return SequenceNumber{d.Epoch, d.Number} }

// String writes it as headers and pulls show it: epoch.n.
func (s SequenceNumber) String() string {
	return strconv.FormatInt(s.Epoch, 10) + "." + strconv.FormatInt(s.N, 10)
}

// ParseSequence reads what String writes. Nothing and 0 are before the first.
func ParseSequence(field, text string) (s SequenceNumber, err error) {
	if text == "" || text == "0" {
		return s, nil
	}
	epoch, n, _ := strings.Cut(text, ".")
	s.Epoch, err = strconv.ParseInt(epoch, 10, 64)
	if err == nil {
		s.N, err = strconv.ParseInt(n, 10, 64)
	}
	if err != nil || s.Epoch < 1 || s.N < 0 || s.String() != text {
		return SequenceNumber{}, InvalidField(field, "%.60q is not a number like 1.42, as the header Paybell-Sequence has it", text)
	}
	return s, nil
}

// DeliveryState says what is still to be done.
type DeliveryState string

const (
	DeliveryPending DeliveryState = "pending"
	Delivered       DeliveryState = "delivered"
	Exhausted       DeliveryState = "exhausted" // the schedule is over; can be resent
	Held            DeliveryState = "held"      // the webhook or its endpoint is paused or disabled
)

// Attempt is one HTTP request made for a delivery, and what came back.
type Attempt struct {
	WebhookID string
	Number    int64 // of the delivery
	N         int   // 1 for the first
	StartedAt time.Time
	Duration  time.Duration // all in, the answer's body too
	Timing    Timing
	Status    int    // HTTP status; 0 when no answer came
	Answer    string // at most MaxAnswer bytes of the answer's body, as text
	Failure   string // why it does not count as delivered; empty when it does
	Secret    int64  // which secret signed it the way of CoinPayments
}

// Timing says how long the parts of an attempt took. What did not happen is
// zero: a connection that was there already is not made.
type Timing struct {
	DNS, Connect, TLS time.Duration
	FirstByte         time.Duration // from the start to the first byte of the answer
}

// Gone reports whether the receiver said that nothing is there any more, for ever
// (410): its webhook is disabled at once.
func (a Attempt) Gone() bool { return a.Status == 410 }

// Refused reports whether the receiver may have disliked the signature.
func (a Attempt) Refused() bool { return a.Status == 400 || a.Status == 401 || a.Status == 403 }

// MaxAnswer is how much of a receiver's answer is kept, in bytes.
const MaxAnswer = 16 << 10

// RetrySchedule is the pauses after each failed attempt, 71 h 42 min 35 s in
// all. After the last of them the delivery is exhausted. A webhook may have
// another.
var RetrySchedule = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour,
	8 * time.Hour, 8 * time.Hour, 8 * time.Hour, 8 * time.Hour,
	8 * time.Hour, 8 * time.Hour, 8 * time.Hour, 8 * time.Hour,
}

// Next is the delivery after attempt a. jitter is in thousandths, 0 to 999: it
// stretches a pause by at most a fifth, so that what failed together does not
// come back together.
func (d Delivery) Next(a Attempt, schedule []time.Duration, jitter int) Delivery {
	d.Attempts = a.N
	d.DueAt = time.Time{}
	ended := a.StartedAt.Add(a.Duration)
	if a.Failure == "" {
		d.State, d.FinishedAt = Delivered, ended
		return d
	}
	if d.FailingSince.IsZero() {
		d.FailingSince = a.StartedAt
	}
	if a.Refused() {
		d.RefusedSecret = a.Secret
	}
	switch {
	case a.Gone():
		d.State, d.FinishedAt = Held, ended // with its webhook
	case a.N-d.Round > len(schedule):
		d.State, d.FinishedAt = Exhausted, ended
	default:
		pause := schedule[a.N-d.Round-1]
		pause += pause / 5000 * time.Duration(jitter)
		d.DueAt = ended.Add(pause)
	}
	return d
}

// PoisonAfter is how long the head of a lane keeps the others waiting at an
// endpoint that accepts other things meanwhile.
const PoisonAfter = 10 * time.Minute

// Poison reports whether what is behind this head may go before it: it has been
// failing for PoisonAfter, while its endpoint accepted something, last at
// accepted. When the whole endpoint fails, lanes wait.
func (d Delivery) Poison(accepted, now time.Time) bool {
	return d.State == DeliveryPending && !d.FailingSince.IsZero() &&
		now.Sub(d.FailingSince) >= PoisonAfter && accepted.After(d.FailingSince)
}

// Passed is the delivery when what is behind it goes before it.
func (d Delivery) Passed() Delivery {
	d.OutOfOrder, d.Replay = true, false
	return d
}

// Secret chooses, of a client's secrets (the current one first), the one that
// signs the next attempt the way of CoinPayments, which has room for one only.
// While a rotation lasts there are two, and a receiver knows the old one until
// somebody gives it the new one: it is the one that the endpoint accepted last,
// first the old, and after a refusal the other.
func (d Delivery) Secret(secrets []Secret, accepted int64) Secret {
	current, old := secrets[0], secrets[len(secrets)-1]
	chosen := old
	if accepted == current.ID {
		chosen = current
	}
	switch d.RefusedSecret {
	case current.ID:
		return old
	case old.ID:
		return current
	}
	return chosen
}

// Fate is what became of a delivery, as people look for it: what is pending either
// waits for its turn or fails.
type Fate string

// The fates. Those of what is not pending are called as its state is.
const (
	FateWaiting   Fate = "waiting" // pending, and no attempt of this round has failed
	FateFailing   Fate = "failing" // pending, after a failure
	FateDelivered      = Fate(Delivered)
	FateGivenUp        = Fate(Exhausted) // its schedule is over, or it was skipped
	FateHeld           = Fate(Held)
)

// Fates lists all of them.
var Fates = []Fate{FateWaiting, FateFailing, FateDelivered, FateGivenUp, FateHeld}

// Fate is what became of d.
func (d Delivery) Fate() Fate {
	switch {
	case d.State != DeliveryPending:
		return Fate(d.State)
	case d.FailingSince.IsZero():
		return FateWaiting
	}
	return FateFailing
}

// Pending reports whether f is a fate of deliveries that are still to be made.
func (f Fate) Pending() bool { return f == FateWaiting || f == FateFailing }
