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
		if e.String() != name || e.Wire() != strings.ToUpper(name[:1])+name[1:] {
			t.Errorf("event %d is %s, %s on the wire", i, e, e.Wire())
		}
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ToLower(name), e.Wire()} {
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

func TestParseEvents(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  Events
	}{
		{[]string{"paymentCreated"}, PaymentCreated},
		{[]string{"invoicePaymentCreated"}, PaymentCreated},
		{[]string{"INVOICEPAYMENTTIMEDOUT", "paymentTimedOut"}, PaymentTimedOut},
		{[]string{"invoicePaid", "InvoicePaid", "invoicepaid"}, InvoicePaid},
		{wantEvents, AllEvents},
	} {
		if got, err := ParseEvents("f", c.names); err != nil || got != c.want {
			t.Errorf("%v: %v, %v", c.names, got, err)
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

// What Names lists, ParseEvents reads.
func TestEventsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := Events(rapid.Uint64Range(1, uint64(AllEvents)).Draw(t, "set"))
		if got, err := ParseEvents("f", set.Names()); err != nil || got != set {
			t.Errorf("%v became %v, %v", set, got, err)
		}
	})
}

// The enum MerchantClientACL of the contract's section 2.2, with its own
// misspelling, then ours.
var wantPermissions = []string{
	"createInvoice", "listInvoices", "findInvoice", "invoicePayouts", "listInvoiceHistory", "createWallet", "getWallets", "getWalletById",
	"createAddress", "getWalletAddresse", "getWalletAddresses", "getWalletTransactions", "getWalletTransaction", "spendRequest",
	"confirmSpendingFunds", "createClientWebHook", "getWebhooks", "updateWebhook", "deleteWebhook", "cancelInvoice", "useSandbox",
}

func TestPermissions(t *testing.T) {
	if got := AllPermissions.Names(); !slices.Equal(got, wantPermissions) {
		t.Errorf("all permissions are %v", got)
	}
	for i, name := range wantPermissions {
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if got, err := ParsePermissions([]string{spelling}); err != nil || got != 1<<i {
				t.Errorf("%s: %b, %v", spelling, got, err)
			}
		}
	}
	for _, c := range []struct {
		names []string
		want  Permissions
	}{
		{nil, 0}, {[]string{"none"}, 0}, {[]string{"ALL"}, AllPermissions}, {[]string{"None", "createInvoice"}, CreateInvoice},
		{[]string{"useSandbox", "createinvoice"}, UseSandbox | CreateInvoice},
		{[]string{"deleteWebhook"}, DeleteWebhook}, {[]string{"getWalletAddresse"}, GetWalletAddress}, {[]string{"cancelInvoice"}, CancelInvoice},
	} {
		if got, err := ParsePermissions(c.names); err != nil || got != c.want {
			t.Errorf("%v: %b, %v", c.names, got, err)
		}
	}
	for _, names := range [][]string{{""}, {"createInvoice,listInvoices"}, {"admin"}, {"all", "nope"}} {
		if got, err := ParsePermissions(names); CodeOf(err) != Invalid || err == nil || got != 0 {
			t.Errorf("%v: %b, %v", names, got, err)
		}
	}
}
