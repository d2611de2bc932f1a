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
	Previous       int64 // number of the delivery ahead in the lane when this was made; 0: none was pending
	Epoch          int64 // of the store: changes when a backup is restored
	Body           []byte
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
	Held            DeliveryState = "held"      // the webhook is paused or disabled
)

// Attempt is one HTTP request made for a delivery, and what came back.
type Attempt struct {
	WebhookID string
	Number    int64 // of the delivery
	N         int   // 1 for the first
	StartedAt time.Time
	Duration  time.Duration
	Status    int    // HTTP status; 0 when no answer came
	Answer    string // at most MaxAnswer bytes of the answer's body, as text
	Failure   string // why it does not count as delivered; empty when it does
}

// MaxAnswer is how much of a receiver's answer is kept, in bytes.
const MaxAnswer = 16 << 10

// RetrySchedule is the pauses after each failed attempt, 71 h 42 min 35 s in
// all. After the last of them the delivery is exhausted.
var RetrySchedule = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour,
	8 * time.Hour, 8 * time.Hour, 8 * time.Hour, 8 * time.Hour,
	8 * time.Hour, 8 * time.Hour, 8 * time.Hour, 8 * time.Hour,
}

// Next is the delivery after attempt a. jitter is in thousandths, 0 to 999: it
// stretches a pause by at most a fifth, so that what failed together does not
// come back together.
func (d Delivery) Next(a Attempt, jitter int) Delivery {
	d.Attempts = a.N
	d.DueAt = time.Time{}
	switch {
	case a.Failure == "":
		d.State = Delivered
	case a.N > len(RetrySchedule):
		d.State = Exhausted
	default:
		pause := RetrySchedule[a.N-1]
		pause += pause / 5000 * time.Duration(jitter)
		d.DueAt = a.StartedAt.Add(a.Duration + pause)
	}
	return d
}

// Secret chooses, of a client's secrets (the current one first), the one that
// signs the next attempt the way of CoinPayments, which has room for one only.
// While a rotation lasts there are two, and a receiver knows the old one until
// somebody gives it the new one: the first attempt uses the old, the second the
// new, and so on.
func (d Delivery) Secret(secrets []string) string {
	if d.Attempts%2 == 0 {
		return secrets[len(secrets)-1]
	}
	return secrets[0]
}
