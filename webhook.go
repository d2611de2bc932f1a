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
	CreatedFromUI bool
	CreatedAt     time.Time
}

// WebhookState says whether deliveries go out.
type WebhookState string

const (
	WebhookActive   WebhookState = "active"
	WebhookPaused   WebhookState = "paused"   // by a person; deliveries are held, numbered
	WebhookDisabled WebhookState = "disabled" // by us (410 Gone); the same
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
)

var eventNames = []string{
	"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled",
	"invoiceTimedOut", "paymentCreated", "paymentTimedOut", "invoiceReverted", "invoiceFlagged",
	"webhookDisabled",
}

// String is the name to subscribe with: invoicePaid. A set joins its names.
func (e Event) String() string { return strings.Join(e.Names(), ",") }

// Wire is the name a notification carries: InvoicePaid.
func (e Event) Wire() string {
	s := e.String()
	return strings.ToUpper(s[:1]) + s[1:]
}

// Names lists a set in a fixed order.
func (e Event) Names() []string {
	names := make([]string, 0, bits.OnesCount64(uint64(e)))
	for i, name := range eventNames {
		if e&(1<<i) != 0 {
			names = append(names, name)
		}
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
