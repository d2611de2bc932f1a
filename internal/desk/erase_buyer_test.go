package desk_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

func (o *office) bill(change func(*paybell.Bill)) string {
	o.Helper()
	ten := decimal.NewFromInt(10)
	b := paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}, Number: "R-1"}
	change(&b)
	inv, err := o.CreateInvoice(o.Context(), o.program(), desk.NewInvoice{Bill: b})
	must(o.T, err)
	return inv.ID
}

// deliver has what waits for a webhook delivered, with an answer.
func (o *office) deliver(webhookID, answer string) {
	o.Helper()
	for _, d := range o.pulled(webhookID) {
		if d.State != paybell.DeliveryPending {
			continue
		}
		a := paybell.Attempt{WebhookID: webhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: time.Now(), Status: 200, Answer: answer}
		d, url := d, d.URL
		must(o.T, store.Do(o.Context(), o.DB, func(tx *store.Tx) error {
			_, err := tx.Record([]store.Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: url}}, time.Now())
			return err
		}))
	}
}

func (o *office) eraseLeft(at time.Time) int64 {
	o.Helper()
	n, err := store.Update(o.Context(), o.DB, func(tx *store.Tx) (int64, error) { return tx.EraseLeft(at, 10) })
	must(o.T, err)
	return n
}

var zoe = paybell.Party{
	CompanyName: "Acme", Name: paybell.Name{First: "Zoë", Last: "Kowalska"}, Email: "Zoe@Example.com", Phone: "+48 600 700 800",
	Address: paybell.Address{Address1: "Long Street 5", City: "Kraków", PostalCode: "30-001", CountryCode: "PL"},
}

// personal is what must not be found once the buyer was erased.
var personal = []string{"zoe@", "zoë", "kowalska", "acme", "600 700", "long street", "kraków", "30-001", "parents@"}

func (o *office) wantErased(what, text string) {
	o.Helper()
	for _, word := range personal {
		if strings.Contains(strings.ToLower(text), word) {
			o.Errorf("%s holds %q: %s", what, word, text)
		}
	}
}

func TestEraseBuyer(t *testing.T) { onBoth(t, eraseBuyer) }

func eraseBuyer(o *office) {
	ctx := o.Context()
	quick, slow := o.hook("https://quick.example/", "invoiceCreated"), o.hook("https://slow.example/", "invoiceCreated")
	shipping := paybell.Party{Name: zoe.Name, Email: "parents@example.com", Address: zoe.Address}
	whole := func(b *paybell.Bill) {
		b.Buyer, b.Shipping, b.RefundEmail = &zoe, &shipping, "Zoë <zoe@example.com>"
		b.EmailDelivery = &paybell.EmailDelivery{To: "zoe@example.com", Cc: "parents@example.com"}
		b.Description = "For zoe@example.com, not for anna-zoe@example.com."
		b.CustomData = json.RawMessage(`{"mail":"ZOE@EXAMPLE.COM","n":12345678901234567890}`)
		b.SuccessURL = "https://shop.example/thanks?email=zoe%40example.com&n=1"
	}
	first := o.bill(whole)
	byRefund := o.bill(func(b *paybell.Bill) { b.RefundEmail = "zoe@example.com" })
	byDelivery := o.bill(func(b *paybell.Bill) { b.EmailDelivery = &paybell.EmailDelivery{To: "x@example.com; zoe@example.com"} })
	noOnesFault := []string{
		o.bill(func(b *paybell.Bill) { b.Buyer = &paybell.Party{Email: "anna-zoe@example.com"} }),
		o.bill(func(b *paybell.Bill) { b.Buyer = &paybell.Party{Email: "zoe@example.com.au"} }),
		o.bill(func(b *paybell.Bill) {
			b.Buyer, b.EmailDelivery = &paybell.Party{Email: "anna@example.com"}, &paybell.EmailDelivery{To: "zoe@example.com"}
		}),
		o.bill(func(b *paybell.Bill) { b.EmailDelivery = &paybell.EmailDelivery{Bcc: "zoe@example.com"} }),
		o.bill(func(b *paybell.Bill) { b.Notes = "zoe@example.com" }),
	}
	o.deliver(quick.ID, "Dear Zoë Kowalska")

	for _, who := range []string{" ZOE@example.com ", first} {
		found := must1(o.FindBuyer(ctx, o.owner, who))
		want := map[bool]int{true: 3, false: 1}[strings.Contains(who, "@")]
		if len(found.Invoices) != want || found.Open != want || found.Waiting != want || found.More || found.Email != "zoe@example.com" {
			o.Errorf("%s: found %d invoices, %d open, %d waiting, of %s", who, len(found.Invoices), found.Open, found.Waiting, found.Email)
		}
	}
	before := o.pulled(slow.ID)
	done := must1(o.EraseBuyer(ctx, o.owner, "zoe@example.com"))
	if done != (desk.Erased{Invoices: 3, Waiting: 3}) {
		o.Errorf("erased %+v", done)
	}

	inv := o.read(first)
	text := fmt.Sprintf("%+v %s", inv.Bill, inv.Bill.CustomData)
	text = strings.ReplaceAll(text, "anna-zoe@example.com", "")
	o.wantErased("the bill", text)
	for _, kept := range []string{"For erased, not for .", `"n":12345678901234567890`, "email=erased&n=1", "R-1"} {
		if !strings.Contains(text, kept) {
			o.Errorf("the bill does not say %q: %s", kept, text)
		}
	}
	if found := must1(o.ListInvoices(ctx, o.owner, desk.InvoiceFilter{Words: []string{"kowalska"}, Limit: 10}, 1)).Invoices; len(found) > 0 {
		o.Error("the invoice is found by the buyer's name")
	}
	for _, id := range []string{byRefund, byDelivery} {
		if inv := o.read(id); inv.Bill.RefundEmail != "" || inv.Bill.EmailDelivery != nil {
			o.Errorf("another invoice of the buyer says %+v", inv.Bill)
		}
	}
	for i, id := range noOnesFault {
		if inv := o.read(id); !strings.Contains(fmt.Sprintf("%+v %+v %+v", inv.Bill, inv.Bill.Buyer, inv.Bill.EmailDelivery), "zoe@example.com") {
			o.Errorf("invoice %d of somebody else says %+v", i, inv.Bill)
		}
	}

	// What waits keeps its bytes, for all webhooks; then it is erased.
	for i, d := range o.pulled(slow.ID) {
		if string(d.Body) != string(before[i].Body) {
			o.Errorf("notification %d has changed while a webhook waits for it", i)
		}
	}
	if n := must1(o.StillErasing(ctx, o.owner)); n != 3 {
		o.Errorf("%d invoices are still being erased, want 3", n)
	}
	if n := o.eraseLeft(time.Now().Add(time.Hour)); n != 0 {
		o.Errorf("%d were erased while a webhook waits", n)
	}
	o.deliver(slow.ID, "Dear Zoë Kowalska")
	if n := o.eraseLeft(time.Now()); n != 0 {
		o.Errorf("%d were erased while others may still write", n)
	}
	if n := o.eraseLeft(time.Now().Add(time.Hour)); n != 3 {
		o.Errorf("%d were erased, want 3", n)
	}
	if n := must1(o.StillErasing(ctx, o.owner)) + o.eraseLeft(time.Now().Add(time.Hour)); n != 0 {
		o.Errorf("%d are left to erase", n)
	}
	for i, d := range o.pulled(quick.ID) {
		if d.InvoiceID != first {
			continue
		}
		o.wantErased("a notification", strings.ReplaceAll(string(d.Body), "anna-zoe@example.com", ""))
		want := string(before[i].Body)
		for _, cut := range [][2]string{{`"buyer":`, `,"shipping"`}, {`"shipping":`, `,"lineItems"`}, {`"emailDeliveryOptions":`, `,"amount"`}} {
			from := strings.Index(want, cut[0]) + len(cut[0])
			to := from + strings.Index(want[from:], cut[1])
			want = want[:from] + "null" + want[to:]
		}
		want = strings.Replace(strings.Replace(want, "For zoe@example.com", "For erased", 1), "ZOE@EXAMPLE.COM", "erased", 1)
		if string(d.Body) != want {
			o.Errorf("the rest of the notification is not what it was:\n got %s\nwant %s", d.Body, want)
		}
		attempts := must1(store.View(ctx, o.DB, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(d.WebhookID, d.Number) }))
		if len(attempts) != 1 || attempts[0].Answer != "" || attempts[0].Status != 200 {
			o.Errorf("the attempts are %+v", attempts)
		}
	}

	// The log knows that it was done, and not about whom.
	log := must1(o.AuditLog(ctx, o.owner, "", 100))
	if log[0].Action != "eraseBuyer" || log[0].Detail != "3 invoices" {
		o.Errorf("the log says %+v", log[0])
	}
	for _, e := range log {
		o.wantErased("the log", e.Subject+e.Detail)
	}
	for _, who := range []string{"zoe@example.com", first} {
		if found := must1(o.FindBuyer(ctx, o.owner, who)); len(found.Invoices) > 0 {
			o.Errorf("%s is found again", who)
		}
		if done := must1(o.EraseBuyer(ctx, o.owner, who)); done != (desk.Erased{}) {
			o.Errorf("erased again: %+v", done)
		}
	}
	if again := must1(o.AuditLog(ctx, o.owner, "", 1)); again[0].ID != log[0].ID {
		o.Error("doing nothing was written down")
	}
}

func TestEraseBuyerWhoMay(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	id := o.bill(func(b *paybell.Bill) { b.Buyer = &zoe })
	looker := o.owner
	looker.Role = paybell.RoleReadOnly
	for name, a := range map[string]desk.Actor{"a program": o.program(), "somebody who only looks": looker} {
		_, findErr := o.FindBuyer(ctx, a, "zoe@example.com")
		_, eraseErr := o.EraseBuyer(ctx, a, "zoe@example.com")
		_, stillErr := o.StillErasing(ctx, a)
		for _, err := range []error{findErr, eraseErr, stillErr} {
			if paybell.CodeOf(err) != paybell.Forbidden || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	other := o.merchant()
	if done := must1(o.EraseBuyer(ctx, other, "zoe@example.com")); done.Invoices != 0 {
		t.Errorf("another merchant erased %d invoices", done.Invoices)
	}
	_, err := o.EraseBuyer(ctx, other, id)
	o.wantCode(err, paybell.NotFound)
	for _, who := range []string{"", "nobody", "@", "a b@c", "a@b@c"} {
		if _, err := o.EraseBuyer(ctx, o.owner, who); err == nil {
			t.Errorf("%q was erased", who)
		}
	}
	staff := o.owner
	staff.Role = paybell.RoleStaff
	if done := must1(o.EraseBuyer(ctx, staff, id)); done.Invoices != 1 {
		t.Errorf("staff erased %d invoices", done.Invoices)
	}
}

// More invoices than one look and one transaction take.
func TestEraseMany(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	const each = 300
	for i := range each {
		for _, email := range []string{"zoe@example.com", fmt.Sprintf("buyer%d@example.com", i)} {
			o.bill(func(b *paybell.Bill) { b.Buyer = &paybell.Party{Email: email} })
		}
	}
	if found := must1(o.FindBuyer(ctx, o.owner, "zoe@example.com")); len(found.Invoices) != each {
		t.Fatalf("found %d invoices", len(found.Invoices))
	}
	if done := must1(o.EraseBuyer(ctx, o.owner, "zoe@example.com")); done.Invoices != each || done.Waiting != 0 {
		t.Errorf("erased %+v", done)
	}
	if found := must1(o.FindBuyer(ctx, o.owner, "buyer7@example.com")); len(found.Invoices) != 1 {
		t.Errorf("somebody else has %d invoices", len(found.Invoices))
	}
}

// read is an invoice as its merchant sees it.
func (o *office) read(id string) paybell.Invoice {
	o.Helper()
	inv, _, err := o.Invoice(o.Context(), o.owner, id)
	must(o.T, err)
	return inv
}
