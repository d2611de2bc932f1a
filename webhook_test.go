package paybell

import (
	"errors"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The names that the contract's section 4.4 and the design list, in the order
// of their bits: stored sets depend on it.
var wantEvents = []string{
	"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled", "invoiceTimedOut",
	"paymentCreated", "paymentTimedOut", "invoiceReverted", "invoiceFlagged", "webhookDisabled",
}

func TestEvents(t *testing.T) {
	if got := AllEvents.Names(); !slices.Equal(got, wantEvents) || bits.OnesCount64(uint64(AllEvents)) != len(wantEvents) {
		t.Errorf("all events are %v, %b", got, AllEvents)
	}
	for i, name := range wantEvents {
		e := Event(1) << i
		if e.String() != name {
			t.Errorf("event %d is %s", i, e)
		}
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ToLower(name), e.Wire(0)} {
			if got, err := ParseEvents("f", []string{spelling}); err != nil || got != e {
				t.Errorf("%s: %v, %v", spelling, got, err)
			}
		}
	}
	if got := Events(0).Names(); got == nil || len(got) != 0 {
		t.Errorf("no events are %#v", got)
	}
	if got := (InvoicePaid | InvoiceCreated).String(); got != "invoiceCreated,invoicePaid" {
		t.Errorf("a set is %s", got)
	}
	if got := Event(1 << 60).Names(); len(got) != 0 {
		t.Errorf("an event of a later version is %v", got)
	}
}

// styles are all ways to write the names of events.
var styles = []EventNames{0, CamelCase, LongPaymentNames, CamelCase | LongPaymentNames}

// How each event is written in each style: only payment events have two names.
func TestWire(t *testing.T) {
	upper := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	for i, name := range wantEvents {
		long := name
		if strings.HasPrefix(name, "payment") {
			long = "invoice" + upper(name)
		}
		for style, want := range map[EventNames]string{0: upper(name), CamelCase: name, LongPaymentNames: upper(long), CamelCase | LongPaymentNames: long} {
			e := Event(1) << i
			if got := e.Wire(style); got != want {
				t.Errorf("%s in style %b is %s, want %s", name, style, got, want)
			}
			if e.Payment() != (long != name) {
				t.Errorf("%s is an event of a payment: %v", name, e.Payment())
			}
			if got, err := ParseEvents("f", []string{want}); err != nil || got&AllEvents != e {
				t.Errorf("who subscribes to %s gets %v, %v", want, got, err)
			}
		}
	}
	if !(InvoicePaid | PaymentTimedOut).Payment() || (AllEvents &^ (PaymentCreated | PaymentTimedOut)).Payment() {
		t.Error("a set has events of payments when it has one of the two")
	}
}

func TestEventNames(t *testing.T) {
	for _, style := range styles {
		want := "PascalCase"
		if style&CamelCase != 0 {
			want = "camelCase"
		}
		if got := style.String(); got != want {
			t.Errorf("style %b is %s", style, got)
		}
	}
	for name, want := range map[string]EventNames{
		"PascalCase": 0, "pascalcase": 0, "PASCALCASE": 0, "camelCase": CamelCase, "CamelCase": CamelCase, "CAMELCASE": CamelCase, "camelcase": CamelCase,
	} {
		if got, err := ParseEventNames("f", name); err != nil || got != want {
			t.Errorf("%s: %b, %v", name, got, err)
		}
	}
	for _, name := range []string{"", " camelCase", "camelCase ", "camel", "snake_case", "0", "1", "LongPaymentNames", "PascalCase,camelCase", "\xff", strings.Repeat("x", 1<<16)} {
		got, err := ParseEventNames("eventNames", name)
		wantField(t, name, "eventNames", err)
		if got != 0 {
			t.Errorf("%.80q: %b beside the error", name, got)
		}
	}
	if CamelCase != 1 || LongPaymentNames != 2 {
		t.Errorf("%d and %d: clients are stored with other bits", CamelCase, LongPaymentNames)
	}
}

// A set says how its payment events were subscribed to: by their long names when
// any of them was. It lists them so.
func TestParseEvents(t *testing.T) {
	for _, c := range []struct {
		names  []string
		want   Events
		listed string
	}{
		{[]string{"paymentCreated"}, PaymentCreated, "paymentCreated"},
		{[]string{"invoicePaymentCreated"}, PaymentCreated | longNames, "invoicePaymentCreated"},
		{[]string{"InvoicePaymentTimedOut"}, PaymentTimedOut | longNames, "invoicePaymentTimedOut"},
		{[]string{"INVOICEPAYMENTTIMEDOUT", "paymentTimedOut"}, PaymentTimedOut | longNames, "invoicePaymentTimedOut"},
		{[]string{"paymentTimedOut", "invoicePaymentTimedOut"}, PaymentTimedOut | longNames, "invoicePaymentTimedOut"},
		{[]string{"paymentTimedOut", "invoicePaymentCreated", "invoicePaid"}, InvoicePaid | PaymentCreated | PaymentTimedOut | longNames, "invoicePaid,invoicePaymentCreated,invoicePaymentTimedOut"},
		{[]string{"paymentTimedOut", "paymentCreated", "invoicePaid"}, InvoicePaid | PaymentCreated | PaymentTimedOut, "invoicePaid,paymentCreated,paymentTimedOut"},
		{[]string{"invoicePaid", "InvoicePaid", "invoicepaid"}, InvoicePaid, "invoicePaid"},
		{wantEvents, AllEvents, strings.Join(wantEvents, ",")},
	} {
		got, err := ParseEvents("f", c.names)
		if err != nil || got != c.want || got.String() != c.listed {
			t.Errorf("%v: %v, %v", c.names, got, err)
		}
		wantNames := EventNames(0)
		if c.want&longNames != 0 {
			wantNames = LongPaymentNames
		}
		if got.PaymentNames() != wantNames {
			t.Errorf("%v: payment events are to be written in style %b", c.names, got.PaymentNames())
		}
	}
	for _, names := range [][]string{
		nil, {}, {""}, {" invoicePaid"}, {"invoicePaid,invoiceCompleted"}, {"all"}, {"invoicePayment"}, {"invoicePaymentPaid"}, {"paid"},
		{"invoicePaid", "nope"}, {"invoicePaymentInvoicePaid"}, {strings.Repeat("x", 1<<16)}, {"\xff"},
	} {
		got, err := ParseEvents("notifications", names)
		e, ok := errors.AsType[*Error](err)
		if !ok || got != 0 || e.Code != Invalid || e.Fields["notifications"] == "" || len(e.Detail) > 600 {
			t.Errorf("%.80q: %v, %.700v", names, got, err)
		}
	}
}

// longNames is kept beside the events of a set, and is none: nothing that happens
// matches it.
func TestLongNamesAreNoEvent(t *testing.T) {
	if longNames != 1<<32 {
		t.Errorf("%d: stored sets have another bit", uint64(longNames))
	}
	if longNames&AllEvents != 0 || len(longNames.Names()) != 0 || longNames.String() != "" || longNames.Payment() {
		t.Errorf("it is among all events: %v", longNames)
	}
	set, err := ParseEvents("f", []string{"invoicePaymentCreated"})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range wantEvents {
		if e := Event(1) << i; (set&e != 0) != (e == PaymentCreated) {
			t.Errorf("who subscribed to invoicePaymentCreated is told of %s: %v", name, set&e != 0)
		}
	}
}

// What Names lists, ParseEvents reads.
func TestEventsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := Events(rapid.Uint64Range(1, uint64(AllEvents)).Draw(t, "set"))
		if set.Payment() && rapid.Bool().Draw(t, "long names") {
			set |= longNames
		}
		if got, err := ParseEvents("f", set.Names()); err != nil || got != set {
			t.Errorf("%v became %v, %v", set, got, err)
		}
	})
}
