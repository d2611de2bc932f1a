package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var invoiceTests = map[string]func(*testing.T, *store.DB){
	"Invoice/RoundTrip":       testInvoice,
	"Invoice/Changes":         testInvoiceChanges,
	"Invoice/FreeJSON":        testFreeJSON,
	"Invoice/FreeText":        testFreeText,
	"Invoice/SaveBill":        testSaveBill,
	"Invoice/SaveBillColumns": testSaveBillColumns,
	"Invoice/ForUpdate":       testInvoiceForUpdate,
	"Invoice/PONumberTaken":   testPONumberTaken,
	"Invoice/History":         testHistory,
}

// requireSet fails unless every field of v, all the way down, has a value that
// is not its zero. A field that is added to the domain fails here until the
// sample, and with it the round trip, has it.
func requireSet(t *testing.T, v any) {
	t.Helper()
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct:
			walk(path+"[0]", v.Index(0))
		case v.Kind() == reflect.Pointer && !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct:
			walk(path, v.Elem())
		case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[paybell.Invoice]().PkgPath() && v.Type() != reflect.TypeFor[paybell.Units]():
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.IsZero(), v.Type() == reflect.TypeFor[decimal.Decimal]() && v.Interface().(decimal.Decimal).IsZero():
			t.Errorf("the sample has no %s", path)
		}
	}
	walk(reflect.TypeOf(v).Name(), reflect.ValueOf(v))
}

func mustUnits(s string) paybell.Units {
	u, err := paybell.ParseUnits(s)
	if err != nil {
		panic(err)
	}
	return u
}

// most is 2^256-1.
var most = mustUnits(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)).String())

// sampleBill has every field.
func sampleBill() paybell.Bill {
	dec := decimal.RequireFromString
	day, due, tax := t0.Add(-time.Hour), after(3600), dec("0.07")
	party := paybell.Party{
		Method: "post", CompanyName: "Müller & Co <GmbH>", Name: paybell.Name{First: "Zoë", Last: "O'Hara"}, Email: "zoe@example.com", Phone: "+49 (30) 1",
		Address: paybell.Address{
			Address1: "1", Address2: "2", Address3: "3", ProvinceOrState: "P", City: "C", SuburbOrDistrict: "S", CountryCode: "DE", PostalCode: "10115",
		},
	}
	shipping := party
	shipping.Method = "courier"
	return paybell.Bill{
		Currency: "5057", Total: dec("999999999999999.99"),
		Breakdown: paybell.Breakdown{
			Subtotal: dec("999999999999990.00"), Shipping: dec("5.01"), Handling: dec("4.99"), Tax: dec("0.07"), Discount: dec("0.08"),
		},
		Items: []paybell.Item{{
			CustomID: "c", SKU: "s", Name: "ünï \"quoted\" \\ item\n", Description: "d", Quantity: 999_999_999, Hours: true,
			Amount: dec("999999999999990.00"), OriginalAmount: dec("0.000000000000000001"), Tax: &tax,
		}},
		Number: "0067", PONumber: "po", Description: "an invoice", Notes: "n", NotesToRecipient: "nr", TermsAndConditions: "tc",
		BuyerDataCollectionMessage: "m", RequireBuyerNameAndEmail: true, InvoiceDate: &day, DueDate: &due, Buyer: &party, Shipping: &shipping,
		MerchantOptions: paybell.MerchantOptions{ShowAddress: true, ShowEmail: true, ShowPhone: true, ShowRegistrationNumber: true, ShowTaxID: true, AdditionalInfo: "ai"},
		CustomData:      json.RawMessage(`{"a":1}`), Metadata: json.RawMessage(`{"b":[null]}`),
		RefundEmail: "r@example.com", EmailDelivery: &paybell.EmailDelivery{To: "a@example.com;b@example.com", Cc: "c@example.com", Bcc: "d@example.com"},
		AffiliateID: "a7ffd7e5-0d4d-4c35-9f6f-8c8d0d5b7a11", UseCoinReservation: true, HideShoppingCart: true, SimpleQR: true,
		SuccessURL: "https://shop.example.com/ok", CancelURL: "https://shop.example.com/no",
	}
}

// sampleInvoice has every field, with the greatest amounts there are. It makes
// no sense as an invoice: the store does not judge.
func (s *Shop) sampleInvoice() paybell.Invoice {
	inv := paybell.Invoice{
		ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, ClientID: s.Client.ID, Version: 1, State: paybell.Completed,
		Flags: paybell.Underpaid | paybell.AcceptedAsIs, Bill: sampleBill(),
		CreatedAt: t0, ExpiresAt: after(1), PaidAt: after(2), CompletedAt: after(3), CancelledAt: after(4), TimedOutAt: after(5),
		Window: 61 * time.Minute, Tolerance: 9999, AcceptLate: true, Test: true,
		Payments: []paybell.Payment{{
			ID: paybell.NewUUID(t0), Currency: paybell.LTCT, Network: paybell.SandboxNetwork, Address: "addr-1", WalletID: "wallet", Index: 1<<63 - 1, Test: true, Due: most, Tolerance: most.Sub(paybell.NewUnits(1)),
			Rate:        decimal.RequireFromString("12345678901234567890.123456789012345678901234567890123456789"),
			RefundEmail: "p@example.com", PaidAfter: 1, CompletedAfter: 1_000_000,
			OpenedAt: after(6), ExpiresAt: after(7), TimedOutAt: after(8), Seen: most.Sub(paybell.NewUnits(2)), Counted: paybell.NewUnits(4), Accepted: most.Sub(paybell.NewUnits(3)),
		}, {
			ID: paybell.NewUUID(t0), Currency: "4", Network: "evm", Address: "addr-2", Due: paybell.NewUnits(1),
			Rate: decimal.RequireFromString("0.000000000000000000000000000001"), CompletedAfter: 1, OpenedAt: after(7), ExpiresAt: after(8),
		}},
	}
	inv.Transfers = []paybell.Transfer{{
		Network: paybell.SandboxNetwork, TxID: strings.Repeat("ab", 32), Index: 4_294_967_295, Asset: paybell.LTCT, Address: "addr-1", Amount: most,
		Status: paybell.Replaced, Confirmations: 7, Reorged: true, Height: 1<<63 - 1, Raw: "0200", Replaces: "before", PaymentID: inv.Payments[0].ID, SeenAt: after(9), AbsentAt: after(8),
	}, {
		Network: paybell.SandboxNetwork, TxID: strings.Repeat("cd", 32), Asset: paybell.LTCT, Address: "addr-1",
		Status: paybell.Mempool, PaymentID: inv.Payments[0].ID, SeenAt: after(10),
	}}
	return inv
}

// keep writes an invoice with its transfers.
func (s *Shop) keep(t testing.TB, c paybell.Change) {
	t.Helper()
	do(t, s.DB, func(tx *store.Tx) error {
		if err := tx.Apply(c); err != nil {
			return err
		}
		for _, tr := range c.Invoice.Transfers {
			if err := tx.RecordTransfer(c.Invoice.ID, tr, false); err != nil {
				return err
			}
		}
		return nil
	})
}

func testInvoice(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv := s.sampleInvoice()
	requireSet(t, inv)
	s.keep(t, paybell.Change{Event: paybell.InvoiceCompleted, At: t0, Invoice: inv})
	wantSame(t, "the invoice", s.invoice(t, inv.ID), inv)

	plain := s.create(t, t0)
	wantSame(t, "an invoice with little in it", s.invoice(t, plain.ID), plain)

	_, err := store.View(context.Background(), db, func(tx *store.Tx) (paybell.Invoice, error) { return tx.Invoice(paybell.NewUUID(t0)) })
	wantCode(t, err, paybell.NotFound)
}

// Everything that Next may change is written again.
func testInvoiceChanges(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv := s.sampleInvoice()
	s.keep(t, paybell.Change{Event: paybell.InvoiceCompleted, At: t0, Invoice: inv})

	inv.Version, inv.State, inv.Flags, inv.Test = 2, paybell.Pending, paybell.Late|paybell.Multiple, false
	inv.PaidAt, inv.CompletedAt, inv.CancelledAt, inv.TimedOutAt = time.Time{}, after(20), after(21), time.Time{}
	inv.Payments[0].TimedOutAt, inv.Payments[0].Seen, inv.Payments[0].Accepted = time.Time{}, paybell.NewUnits(5), paybell.Units{}
	inv.Payments[0].Counted, inv.Payments[1].Counted = paybell.NewUnits(3), most
	inv.Payments[1].TimedOutAt, inv.Payments[1].Seen, inv.Payments[1].Accepted = after(22), most, most
	third := inv.Payments[1]
	third.ID, third.Address, third.OpenedAt = paybell.NewUUID(t0), "addr-3", after(23)
	inv.Payments = append(inv.Payments, third)
	s.apply(t, paybell.Change{Event: paybell.InvoiceReverted, At: after(1), Invoice: inv})
	wantSame(t, "the invoice", s.invoice(t, inv.ID), inv)
}

// What the merchant wrote comes back with every digit and every letter. (White
// space and escapes may be others: what they stand for is the same.)
func testFreeJSON(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for _, raw := range []string{
		`{}`, `{"a":{"b":[1,"2",null,true,{}]},"z":0,"A":1}`, `{"n":123456789012345678901234567890.10,"e":1e400,"small":-0.0}`,
		`{"html":"<a href='x'>&amp;</a>","u":"\u2028\ud83d\udd14 ünï","nul":"\u0000","esc":"\\\"\/"}`,
		`{"big":"` + strings.Repeat("x", 16<<10-20) + `"}`,
	} {
		c := s.NewInvoice(t0)
		c.Invoice.Bill.CustomData, c.Invoice.Bill.Metadata = json.RawMessage(raw), json.RawMessage(raw)
		s.apply(t, c)
		got := s.invoice(t, c.Invoice.ID).Bill
		for _, back := range []json.RawMessage{got.CustomData, got.Metadata} {
			if g, w := exact(t, back), exact(t, json.RawMessage(raw)); !reflect.DeepEqual(g, w) {
				t.Errorf("%.100s came back as %.100s", raw, back)
			}
		}
	}
}

// exact reads JSON without losing a digit.
func exact(t *testing.T, raw json.RawMessage) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A merchant may write anything, and the store takes it, also where it looks for
// invoices by it.
func testFreeText(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for i, bad := range []string{"zero \x00 behind", "\u2028\ufffd\u200b", `' OR 1=1 -- " \`, "%_\\%", "\x01\x7f\t\r\n", strings.Repeat("🔔", 5000)} {
		c := s.NewInvoice(after(i))
		metadata, err := json.Marshal(map[string]string{"integration": bad})
		if err != nil {
			t.Fatal(err)
		}
		c.Invoice.Bill = paybell.Bill{
			Currency: "5057", Number: bad, PONumber: bad, Description: bad, Buyer: &paybell.Party{CompanyName: bad, Name: paybell.Name{First: bad, Last: bad}, Email: bad},
			Items: []paybell.Item{{Name: bad}}, Metadata: metadata,
		}
		if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
			t.Errorf("an invoice that says %.40q: %v", bad, err)
			continue
		}
		wantSame(t, "the invoice", s.invoice(t, c.Invoice.ID), c.Invoice)
		if got := s.found(t, store.InvoiceFilter{Words: []string{"behind"}}); i == 0 && len(got) != 1 {
			t.Errorf("by what stands behind a zero byte are found %v", got)
		}
	}
}

// saved edits an invoice's bill as a desk does.
func (s *Shop) saved(t testing.TB, id string, edit func(*paybell.Bill)) paybell.Invoice {
	t.Helper()
	return update(t, s.DB, func(tx *store.Tx) (paybell.Invoice, error) {
		inv, err := tx.InvoiceForUpdate(id)
		if err != nil {
			return inv, err
		}
		edit(&inv.Bill)
		return inv, tx.SaveBill(inv)
	})
}

// found are the ids of the merchant's invoices that a filter finds, newest first.
func (s *Shop) found(t testing.TB, f store.InvoiceFilter) (ids []string) {
	t.Helper()
	f.MerchantID = s.Merchant.ID
	if f.Limit == 0 {
		f.Limit = store.MaxPage
	}
	for _, inv := range view(t, s.DB, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.Invoices(f) }) {
		ids = append(ids, inv.ID)
	}
	return ids
}

// What an invoice says can change beside its states. It is found by what it says
// now; what is told from now on says it, and what was told before stays.
func testSaveBill(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv, bystander := s.opened(t)
	was, timer := s.deliveries(t, w.ID), nextTimer(t, db, paybell.SandboxNetwork)
	want := inv
	want.Bill = sampleBill()
	moved := inv // what it must not write
	moved.State, moved.Flags, moved.Version, moved.Bill = paybell.Completed, paybell.Late, 77, want.Bill
	moved.Payments, moved.PaidAt, moved.ExpiresAt, moved.ClientID = nil, after(9), after(9), paybell.NewClientID()
	do(t, db, func(tx *store.Tx) error { return tx.SaveBill(moved) })

	wantSame(t, "the invoice", s.invoice(t, inv.ID), want)
	wantSame(t, "another invoice", s.invoice(t, bystander.ID), bystander)
	wantSame(t, "the deliveries", s.deliveries(t, w.ID), was)
	wantSame(t, "the next timer", nextTimer(t, db, paybell.SandboxNetwork), timer)
	wantSame(t, "found by what it says now", s.found(t, store.InvoiceFilter{Words: []string{"Müller", inv.ID}}), []string{inv.ID})
	wantSame(t, "found by what it said before", s.found(t, store.InvoiceFilter{Words: []string{"inv-1"}}), []string{bystander.ID})

	s.tell(t, s.invoice(t, inv.ID), 1)
	now := s.deliveries(t, w.ID)
	wantSame(t, "what was told before", now[:len(was)], was)
	if last := now[len(now)-1]; len(now) != len(was)+1 || !strings.Contains(string(last.Body), `"Zoë"`) || versionOf(t, last) != inv.Version+1 {
		t.Errorf("%d deliveries more; the last says %s", len(now)-len(was), last.Body)
	}
}

// Everything by which an invoice is looked for follows what it says.
func testSaveBillColumns(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv := s.create(t, t0)
	for _, name := range []string{"one", "two", ""} {
		s.saved(t, inv.ID, func(b *paybell.Bill) {
			b.PONumber, b.Metadata = name, json.RawMessage(fmt.Sprintf(`{"integration":%q}`, name))
		})
		for _, other := range []string{"one", "two"} {
			taken := update(t, db, func(tx *store.Tx) (bool, error) { return tx.PONumberTaken(s.Merchant.ID, other) })
			found := s.found(t, store.InvoiceFilter{Integration: other})
			if taken != (name == other) || (len(found) == 1) != (name == other) {
				t.Errorf("saved with %q: the number %q is taken: %v, and found are %v", name, other, taken, found)
			}
		}
	}
}

// Of those that change an invoice at once none loses what another wrote.
func testInvoiceForUpdate(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	inv, _ := s.opened(t)
	wantSame(t, "the invoice", update(t, db, func(tx *store.Tx) (paybell.Invoice, error) { return tx.InvoiceForUpdate(inv.ID) }), inv)
	err := store.Do(context.Background(), db, func(tx *store.Tx) error { _, err := tx.InvoiceForUpdate(paybell.NewUUID(t0)); return err })
	wantCode(t, err, paybell.NotFound)

	const goroutines, each = 8, 4
	if err := atOnce(goroutines, func(int) error {
		for range each {
			if err := store.Do(context.Background(), db, func(tx *store.Tx) error {
				inv, err := tx.InvoiceForUpdate(inv.ID)
				if err != nil {
					return err
				}
				inv.Bill.Notes += "x"
				return tx.SaveBill(inv)
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := len(s.invoice(t, inv.ID).Bill.Notes); got != goroutines*each {
		t.Errorf("%d of %d changes are there", got, goroutines*each)
	}
}

// A purchase order number is taken by any invoice of the merchant's, also by one
// that is being made at this moment.
func testPONumberTaken(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	taken := func(merchantID, number string) bool {
		return update(t, db, func(tx *store.Tx) (bool, error) { return tx.PONumberTaken(merchantID, number) })
	}
	order := func(s *Shop, number string) paybell.Change {
		c := s.NewInvoice(t0)
		c.Invoice.Bill.PONumber = number
		return c
	}
	sister := *s
	sister.Client = s.newClient(t)
	s.apply(t, order(s, "PO 1"))
	sister.apply(t, order(&sister, "PO 2"))
	other.apply(t, order(other, "PO 3"))
	s.create(t, t0) // one without
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return errors.Join(tx.Apply(order(s, "PO 4")), errGivenUp) }); err == nil {
		t.Fatal("was committed")
	}
	cancelled := order(s, "PO 5")
	s.apply(t, cancelled)
	s.apply(t, next(t, cancelled.Invoice, paybell.Input{Do: paybell.Cancel{}}, after(1))...)
	for number, want := range map[string]bool{"PO 1": true, "PO 2": true, "PO 3": false, "PO 4": false, "PO 5": true, "po 1": false, "PO": false, "PO%": false, "": false} {
		if got := taken(s.Merchant.ID, number); got != want {
			t.Errorf("the number %q is taken: %v", number, got)
		}
	}
	if taken(other.Merchant.ID, "PO 1") || !taken(other.Merchant.ID, "PO 3") || taken(paybell.NewUUID(t0), "PO 1") {
		t.Error("merchants share their numbers")
	}

	const goroutines = 8
	for i := range 3 {
		number := fmt.Sprint("new ", i)
		var got [goroutines]bool
		if err := atOnce(goroutines, func(g int) (err error) {
			got[g], err = store.Update(context.Background(), db, func(tx *store.Tx) (bool, error) {
				if taken, err := tx.PONumberTaken(s.Merchant.ID, number); taken || err != nil {
					return false, err
				}
				return true, tx.Apply(order([]*Shop{s, &sister}[g%2], number))
			})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if first := slices.Index(got[:], true); first < 0 || slices.Contains(got[first+1:], true) {
			t.Errorf("%s was given by: %v", number, got)
		}
	}
}

// What was told of an invoice, in order, and nothing of another.
func testHistory(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/hook")
	inv, bystander := s.opened(t)
	s.tell(t, inv, 3)
	var want []paybell.Notification
	for _, d := range s.deliveries(t, w.ID) {
		if d.InvoiceID == inv.ID {
			want = append(want, paybell.Notification{ID: d.NotificationID, ClientID: s.Client.ID, InvoiceID: inv.ID, Version: len(want) + 1, At: d.CreatedAt})
		}
	}
	events := []paybell.Event{paybell.InvoiceCreated, paybell.PaymentCreated, paybell.InvoicePending, paybell.InvoiceFlagged, paybell.InvoiceFlagged, paybell.InvoiceFlagged}
	if len(want) != len(events) {
		t.Fatalf("%d deliveries of %d changes", len(want), len(events))
	}
	for i, e := range events {
		want[i].Event = e
	}
	for _, tt := range []struct {
		after, limit int
		want         []paybell.Notification
	}{{0, 100, want}, {-1, 6, want}, {0, 1, want[:1]}, {1, 2, want[1:3]}, {5, 10, want[5:]}, {6, 10, nil}, {0, 0, nil}} {
		got := view(t, db, func(tx *store.Tx) ([]paybell.Notification, error) { return tx.History(inv.ID, tt.after, tt.limit) })
		wantSame(t, fmt.Sprint("after version ", tt.after, " at most ", tt.limit), got, tt.want)
	}
	for id, n := range map[string]int{bystander.ID: bystander.Version, paybell.NewUUID(t0): 0} {
		if got := view(t, db, func(tx *store.Tx) ([]paybell.Notification, error) { return tx.History(id, 0, 100) }); len(got) != n {
			t.Errorf("%d things were told of an invoice of version %d", len(got), n)
		}
	}
}
