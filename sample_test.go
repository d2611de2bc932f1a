package paybell

import (
	"encoding/json"
	"testing"
	"time"
)

// Every event has a sample, which shows an invoice at the step that it tells of.
func TestSample(t *testing.T) {
	m := Merchant{ID: "m", Name: "M"}
	states := map[Event]State{
		InvoiceCreated: Unpaid, InvoicePending: Pending, InvoicePaid: Paid, InvoiceCompleted: Completed, InvoiceCancelled: Cancelled,
		InvoiceTimedOut: TimedOut, PaymentCreated: Unpaid, PaymentTimedOut: Unpaid, InvoiceReverted: Pending, InvoiceFlagged: "", WebhookWasDisabled: "",
	}
	for _, name := range AllEvents.Names() {
		event, err := ParseEvents("event", []string{name})
		if err != nil {
			t.Fatal(err)
		}
		n := Sample(event, m, "0123456789abcdef0123456789abcdef", 0, time.Now())
		var body struct {
			ID, Type string
			Invoice  *struct {
				State   string
				Paybell struct{ Test bool }
			}
			Webhook *struct{ Reason string }
		}
		if err := json.Unmarshal(n.Body, &body); err != nil {
			t.Fatal(err)
		}
		want, known := states[event]
		switch {
		case !known:
			t.Errorf("%s: which state does it show?", name)
		case body.ID != n.ID || body.Type != event.Wire(0) || n.Event != event:
			t.Errorf("%s: the sample is %s of %s", name, body.Type, n.Event)
		case event == WebhookWasDisabled && (body.Webhook == nil || body.Invoice != nil):
			t.Errorf("%s: its subject is not the webhook: %s", name, n.Body)
		case event != WebhookWasDisabled && (body.Invoice == nil || !body.Invoice.Paybell.Test):
			t.Errorf("%s: it is not marked as a test: %s", name, n.Body)
		case want != "" && body.Invoice.State != pascal(string(want)):
			t.Errorf("%s shows an invoice that is %s, not %s", name, body.Invoice.State, want)
		}
	}
}
