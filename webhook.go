package paybell

import (
	"math/bits"
	"strings"
	"time"
)

// Webhook is a URL that wants to be told of some event types. Its scope is a
// client (InvoiceID empty) or one invoice.
type Webhook struct {
	ID            string // opaque, URL-safe, at most 36 characters
	ClientID      string
	InvoiceID     string // empty: rings for every invoice of the client
	URL           string // byte for byte as registered: it is signed
	Origin        string // scheme://host:port, the endpoint that serves it
	Events        Events
	State         WebhookState
	StateReason   string          // why it is disabled; for people
	StateSince    time.Time       // of the state; zero: since it was made
	Schedule      []time.Duration // pauses after failed attempts; none: RetrySchedule
	CreatedFromUI bool
	CreatedAt     time.Time
}

// RetrySchedule is the pauses after failed attempts for this webhook.
func (w Webhook) RetrySchedule() []time.Duration {
	if len(w.Schedule) > 0 {
		return w.Schedule
	}
	return RetrySchedule
}

// Bounds on the schedule of a webhook.
const (
	MaxRetries = 32
	MaxPause   = 24 * time.Hour
)

// ParseSchedule reads pauses in seconds.
func ParseSchedule(field string, seconds []int64) ([]time.Duration, error) {
	if len(seconds) > MaxRetries {
		return nil, InvalidField(field, "has %d pauses, at most %d are possible", len(seconds), MaxRetries)
	}
	pauses := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		if most := int64(MaxPause / time.Second); s < 1 || s > most {
			return nil, InvalidField(field, "has a pause of %d seconds; each must be 1 to %d", s, most)
		}
		pauses[i] = time.Duration(s) * time.Second
	}
	return pauses, nil
}

// WebhookState says whether deliveries go out.
type WebhookState string

const (
	WebhookActive   WebhookState = "active"
	WebhookPaused   WebhookState = "paused"   // by a person; deliveries are held, numbered
	WebhookDisabled WebhookState = "disabled" // by us (it answered 410 Gone); the same
	WebhookDeleted  WebhookState = "deleted"  // for ever
)

// Bounds on webhooks.
const (
	MaxWebhooksPerClient  = 100
	MaxWebhooksPerInvoice = 10
)

// Event is one type of event. Values are bits, so that a set is one number.
type Event uint64

// Events is a set of event types.
type Events = Event

// The event types. Bits are stored: append only.
const (
	InvoiceCreated Event = 1 << iota
	InvoicePending
	InvoicePaid
	InvoiceCompleted
	InvoiceCancelled
	InvoiceTimedOut
	PaymentCreated
	PaymentTimedOut
	InvoiceReverted
	InvoiceFlagged
	WebhookWasDisabled

	AllEvents = WebhookWasDisabled<<1 - 1

	// longNames in a set says that payment events were subscribed to by the names
	// that clients use (invoicePaymentCreated), not those of the documentation
	// (paymentCreated). It is no event.
	longNames Event = 1 << 32
)

// EventNames says how notifications write the names of events. The zero value
// is what CoinPayments does: InvoicePaid, PaymentCreated.
type EventNames uint8

const (
	// CamelCase writes invoicePaid, as the documentation's schema has it. One
	// official plugin knows only that.
	CamelCase EventNames = 1 << iota
	// LongPaymentNames writes InvoicePaymentCreated for PaymentCreated.
	LongPaymentNames
)

// String is the style's name: PascalCase or camelCase.
func (n EventNames) String() string {
	if n&CamelCase != 0 {
		return "camelCase"
	}
	return "PascalCase"
}

// ParseEventNames reads a style's name.
func ParseEventNames(field, name string) (EventNames, error) {
	switch {
	case strings.EqualFold(name, "PascalCase"):
		return 0, nil
	case strings.EqualFold(name, "camelCase"):
		return CamelCase, nil
	}
	return 0, InvalidField(field, `must be "PascalCase" (InvoicePaid) or "camelCase" (invoicePaid)`)
}

var eventNames = []string{
	"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled",
	"invoiceTimedOut", "paymentCreated", "paymentTimedOut", "invoiceReverted", "invoiceFlagged",
	"webhookDisabled",
}

// String is the name to subscribe with: invoicePaid. A set joins its names.
func (e Event) String() string { return strings.Join(e.Names(), ",") }

// Wire is the name a notification carries: InvoicePaid.
func (e Event) Wire(names EventNames) string {
	if names&LongPaymentNames != 0 {
		e |= longNames
	}
	if s := e.String(); names&CamelCase == 0 {
		return pascal(s)
	} else {
		return s
	}
}

// Payment reports whether the event is one of those with two names.
func (e Event) Payment() bool { return e&(PaymentCreated|PaymentTimedOut) != 0 }

// PaymentNames is how payment events are to be written for who subscribed with
// this set: by the name that was subscribed.
func (e Event) PaymentNames() EventNames {
	if e&longNames != 0 {
		return LongPaymentNames
	}
	return 0
}

// Names lists a set in a fixed order, payment events by the names that were
// subscribed.
func (e Event) Names() []string {
	names := make([]string, 0, bits.OnesCount64(uint64(e)))
	for i, name := range eventNames {
		if e&(1<<i) == 0 {
			continue
		}
		if e&longNames != 0 && Event(1<<i).Payment() {
			name = "invoice" + pascal(name)
		}
		names = append(names, name)
	}
	return names
}

// ParseEvents reads the names of event types, in any case. The names that
// clients use for payment events (invoicePaymentCreated) are the same events as
// those of the documentation (paymentCreated).
func ParseEvents(field string, names []string) (Events, error) {
	if len(names) == 0 {
		return 0, InvalidField(field, "name at least one event: %s", strings.Join(eventNames, ", "))
	}
	var set Events
next:
	for _, name := range names {
		short := strings.ToLower(name)
		if rest, ok := strings.CutPrefix(short, "invoicepayment"); ok {
			short = "payment" + rest
			set |= longNames
		}
		for i, known := range eventNames {
			if short == strings.ToLower(known) {
				set |= 1 << i
				continue next
			}
		}
		return 0, InvalidField(field, "%.60q is not an event; use any of: %s", name, strings.Join(eventNames, ", "))
	}
	return set, nil
}
