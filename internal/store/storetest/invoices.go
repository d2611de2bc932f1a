package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var invoiceTests = map[string]func(*testing.T, *store.DB){
	"Invoice/RoundTrip":        testInvoice,
	"Invoice/Changes":          testInvoiceChanges,
	"Invoice/FreeJSON":         testFreeJSON,
	"Invoice/List":             testInvoices,
	"Invoice/ListWhileItGrows": testInvoicesPaging,
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
		MerchantOptions: paybell.MerchantOptions{ShowAddress: true, ShowEmail: true, ShowPhone: true, ShowRegistrationNumber: true, AdditionalInfo: "ai"},
		CustomData:      json.RawMessage(`{"a":1}`), Metadata: json.RawMessage(`{"b":[null]}`),
		RefundEmail: "r@example.com", SuccessURL: "https://shop.example.com/ok", CancelURL: "https://shop.example.com/no",
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
			ID: paybell.NewUUID(t0), Currency: paybell.LTCT, Network: paybell.SandboxNetwork, Address: "addr-1", Due: most, Tolerance: most.Sub(paybell.NewUnits(1)),
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
		Status: paybell.Replaced, Confirmations: 7, Reorged: true, Replaces: "before", PaymentID: inv.Payments[0].ID, SeenAt: after(9), AbsentAt: after(8),
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

	inv.Version, inv.State, inv.Flags = 2, paybell.Pending, paybell.Late|paybell.Multiple
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

func testInvoices(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	other.create(t, t0)
	second := *s
	second.Client = s.newClient(t)

	first, mine := s.create(t, after(1)), second.create(t, after(2))
	cancelled, err := first.Next(paybell.Input{Do: paybell.Cancel{}}, after(3))
	if err != nil {
		t.Fatal(err)
	}
	s.apply(t, cancelled...)
	for _, tt := range []struct {
		name   string
		filter store.InvoiceFilter
		want   []string
	}{
		{"all of the merchant, newest first", store.InvoiceFilter{}, []string{mine.ID, first.ID}},
		{"in a state", store.InvoiceFilter{State: paybell.Cancelled}, []string{first.ID}},
		{"in another state", store.InvoiceFilter{State: paybell.Completed}, nil},
		{"of a client", store.InvoiceFilter{ClientID: second.Client.ID}, []string{mine.ID}},
		{"of a client in a state", store.InvoiceFilter{ClientID: second.Client.ID, State: paybell.Cancelled}, nil},
		{"the newest", store.InvoiceFilter{Limit: 1}, []string{mine.ID}},
		{"after the newest", store.InvoiceFilter{BeforeAt: mine.CreatedAt, BeforeID: mine.ID}, []string{first.ID}},
		{"after the oldest", store.InvoiceFilter{BeforeAt: first.CreatedAt, BeforeID: first.ID}, nil},
	} {
		f := tt.filter
		f.MerchantID = s.Merchant.ID
		if f.Limit == 0 {
			f.Limit = 100
		}
		var ids []string
		for _, inv := range view(t, db, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.Invoices(f) }) {
			ids = append(ids, inv.ID)
		}
		wantSame(t, tt.name, ids, tt.want)
	}
}

// Pages neither repeat nor miss an invoice, although many were created in the
// same microsecond and new ones come in front all the time.
func testInvoicesPaging(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	want := map[string]bool{}
	for i := range 30 {
		want[s.create(t, after(i/10)).ID] = true
	}
	f := store.InvoiceFilter{MerchantID: s.Merchant.ID, Limit: 7}
	seen := map[string]bool{}
	var last string
	for page := 0; ; page++ {
		some := view(t, db, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.Invoices(f) })
		if len(some) == 0 {
			break
		}
		for _, inv := range some {
			name := fmt.Sprint(inv.CreatedAt.UnixMicro(), inv.ID)
			if seen[inv.ID] || last != "" && name >= last {
				t.Fatalf("page %d: %s comes after %s", page, name, last)
			}
			seen[inv.ID], last = true, name
		}
		f.BeforeAt, f.BeforeID = some[len(some)-1].CreatedAt, some[len(some)-1].ID
		s.create(t, after(100+page))
	}
	wantSame(t, "the invoices of all pages", seen, want)
}
