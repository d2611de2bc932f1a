package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var searchTests = map[string]func(*testing.T, *store.DB){
	"List/Filter":       testInvoices,
	"List/Times":        testInvoicesOfTimes,
	"List/Words":        testInvoicesByWords,
	"List/Integration":  testInvoicesOfIntegration,
	"List/WhileItGrows": testInvoicesPaging,
	"List/Whole":        testInvoicesWhole,
	"List/FullPage":     testInvoicesFullPage,
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
		wantSame(t, tt.name, s.found(t, tt.filter), tt.want)
	}
}

// Both ends of a time are in it.
func testInvoicesOfTimes(t *testing.T, db *store.DB) {
	const us = time.Microsecond
	s := NewShop(t, db)
	a, b, c := s.create(t, after(1)).ID, s.create(t, after(2)).ID, s.create(t, after(3)).ID
	for _, tt := range []struct {
		from, to time.Time
		want     []string
	}{
		{time.Time{}, time.Time{}, []string{c, b, a}},
		{after(2), time.Time{}, []string{c, b}}, {after(2).Add(us), time.Time{}, []string{c}}, {after(2).Add(-us), time.Time{}, []string{c, b}},
		{time.Time{}, after(2), []string{b, a}}, {time.Time{}, after(2).Add(-us), []string{a}}, {time.Time{}, after(2).Add(us), []string{b, a}},
		{after(2), after(2), []string{b}}, {after(1), after(3), []string{c, b, a}}, {after(3), after(1), nil}, {after(4), after(9), nil},
		{time.Time{}, after(0), nil}, {time.Unix(1, 0), time.Unix(2, 0), nil},
	} {
		wantSame(t, fmt.Sprint(tt.from, " to ", tt.to), s.found(t, store.InvoiceFilter{From: tt.from, To: tt.to}), tt.want)
	}
	wantSame(t, "a page of a time", s.found(t, store.InvoiceFilter{From: after(1), To: after(2), Limit: 1, BeforeAt: after(2), BeforeID: b}), []string{a})
}

// Every word has to be somewhere in what people know of an invoice, in any case
// and letter for letter.
func testInvoicesByWords(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	write := func(s *Shop, at int, edit func(*paybell.Bill)) string {
		c := s.NewInvoice(after(at))
		edit(&c.Invoice.Bill)
		s.apply(t, c)
		return c.Invoice.ID
	}
	big := func(b *paybell.Bill) {
		b.Number, b.PONumber, b.Description, b.Notes = "INV-7", "PO-77", `Größe ÄÖÜ é: 100%_off \ 'now'`, "not for searching"
		b.Buyer = &paybell.Party{CompanyName: "Müller & Söhne", Name: paybell.Name{First: "Zoë", Last: "O'Hara"}, Email: "Zoe@Example.com"}
		b.Items, b.CustomData = []paybell.Item{{Name: "Blue shirt"}}, json.RawMessage(`{"k":"not for searching"}`)
	}
	a := write(s, 1, big)
	b := write(s, 2, func(b *paybell.Bill) { b.Number, b.Description = "inv_8", "CAFÉ 100x off" })
	c := write(s, 3, func(b *paybell.Bill) {
		b.Number, b.Description = strings.Repeat("long ", 199), "edge. And nobody finds this"
	})
	write(other, 1, big)

	for _, tt := range []struct {
		words string // one each line
		want  []string
	}{
		{"", []string{c, b, a}},
		{"inv-7", []string{a}}, {"INV-7", []string{a}}, {"nv-", []string{a}}, {"po-77", []string{a}}, {"größe", []string{a}}, {"GRöß", []string{a}},
		{"äöü", []string{a}}, {"ÄÖÜ", []string{a}}, {"Äöü", []string{a}}, {"é", []string{b, a}}, {"É", []string{b, a}}, {"e\u0301", nil}, {"muller", nil},
		{"müller & söhne", []string{a}}, {"ZOË", []string{a}}, {"o'hara", []string{a}}, {"zoe@example.com", []string{a}}, {"blue SHIRT", []string{a}},
		{"100%", []string{a}}, {"100_", nil}, {"%", []string{a}}, {"_", []string{b, a}}, {"inv_8", []string{b}}, {"v_7", nil}, {"%_o", []string{a}},
		{`\`, []string{a}}, {`\\`, nil}, {`\%`, nil}, {`\_`, nil}, {`f \ '`, []string{a}}, {"'", []string{a}}, {`"`, nil}, {"*", nil}, {"?", nil}, {"[a-z]", nil}, {".", []string{a}},
		{"zoë\nshirt", []string{a}}, {"shirt\nzoë", []string{a}}, {"zoë\ncafé", nil}, {"off\n100", []string{b, a}}, {"off\n100\ncafé", []string{b}},
		{"o\nf\nf\n%", []string{a}}, {"o\nf\nf\n?", nil}, {"?\no\nf\nf", nil}, {"o\n?\nf\nf", nil}, {"o\nf\n?\nf", nil},
		{a, []string{a}}, {strings.ToUpper(a), []string{a}}, {a[:35], nil}, {a + "x", nil}, {"%" + a[1:], nil}, {a + "\n" + b, nil}, {a + "\ncafé", nil},
		{a + "\no\nf\nf", []string{a}}, {"o\n" + a + "\nf\nf", []string{a}}, {"o\nf\n" + a + "\nf", []string{a}}, {"o\nf\nf\n" + a, []string{a}}, {"o\nf\nf\n" + c, nil},
		{"edge", []string{c}}, {"nobody finds", nil}, {"not for searching", nil}, {"number", nil}, {"description", nil},
		{"nothing has this", nil}, {strings.Repeat("%", 3000), nil},
	} {
		var words []string
		if tt.words != "" {
			words = strings.Split(tt.words, "\n")
		}
		if len(words) > store.MaxWords {
			t.Fatalf("%q: too many words", words)
		}
		wantSame(t, fmt.Sprintf("with %.100q", words), s.found(t, store.InvoiceFilter{Words: words}), tt.want)
	}
	wantSame(t, "with all of it", s.found(t, store.InvoiceFilter{
		Words: []string{"100", "off"}, From: after(1), To: after(2), State: paybell.Unpaid, ClientID: s.Client.ID, Integration: s.Client.ID, BeforeAt: after(2), BeforeID: b,
	}), []string{a})
	d := write(s, 4, func(b *paybell.Bill) { b.Number = strings.ToUpper(a) })
	wantSame(t, "with an id that is another's number", s.found(t, store.InvoiceFilter{Words: []string{a}}), []string{d, a})
}

// By the program that made it: as the invoice says, or by the client's id.
func testInvoicesOfIntegration(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	second := *s
	second.Client = s.newClient(t)
	write := func(s *Shop, at int, metadata string) string {
		c := s.NewInvoice(after(at))
		c.Invoice.Bill.Metadata = json.RawMessage(metadata)
		s.apply(t, c)
		return c.Invoice.ID
	}
	a, b := write(s, 1, `{"integration":"plugin:whmcs_8"}`), write(&second, 2, `{"integration":"plugin:whmcs_8"}`)
	c, d := write(&second, 3, `{"integration":"plugin"}`), write(s, 4, `{}`)
	long := strings.Repeat("ü", 127)
	e := write(s, 5, `{"integration":"`+long+`x"}`)
	for integration, want := range map[string][]string{
		"": {e, d, c, b, a}, "plugin:whmcs_8": {b, a}, "plugin": {c}, "plugin:WHMCS_8": nil, "plugin%": nil, "plugin:whmcs?8": nil,
		s.Client.ID: {e, d, a}, second.Client.ID: {c, b}, paybell.NewClientID(): nil, long: {e},
	} {
		wantSame(t, fmt.Sprintf("of %.100q", integration), s.found(t, store.InvoiceFilter{Integration: integration}), want)
	}
	wantSame(t, "of an integration and a client", s.found(t, store.InvoiceFilter{Integration: "plugin:whmcs_8", ClientID: s.Client.ID}), []string{a})
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

// spread is an invoice with payments and transfers on several networks, which
// were seen in another order than they are kept in.
func (s *Shop) spread(name string, at, payments, transfers int) paybell.Change {
	c := s.NewInvoice(after(at))
	networks := []string{"evm", "btc", paybell.SandboxNetwork}
	for p := range payments {
		c.Invoice.Payments = append(c.Invoice.Payments, paybell.Payment{
			ID: paybell.NewUUID(t0), Currency: paybell.LTCT, Network: networks[p%3], Address: fmt.Sprint(name, " address ", p), Due: paybell.NewUnits(uint64(p + 1)),
			CompletedAfter: 1, OpenedAt: after(100 - p/2), ExpiresAt: after(200), // two at each moment
		})
		for n := range transfers {
			c.Invoice.Transfers = append(c.Invoice.Transfers, paybell.Transfer{
				Network: networks[p%3], TxID: fmt.Sprint(name, " transaction ", (7*n+p)%5), Index: n, Asset: paybell.LTCT, Address: fmt.Sprint(name, " address ", p),
				Amount: paybell.NewUnits(uint64(n)), Status: paybell.Mempool, PaymentID: c.Invoice.Payments[p].ID, SeenAt: after(n),
			})
		}
	}
	return c
}

// wantWhole fails unless the pages of a list have, together, every invoice of
// the merchant as Invoice reads it.
func (s *Shop) wantWhole(t *testing.T, limit, want int) {
	t.Helper()
	f := store.InvoiceFilter{MerchantID: s.Merchant.ID, Limit: limit}
	n := 0
	for {
		page := view(t, s.DB, func(tx *store.Tx) ([]paybell.Invoice, error) { return tx.Invoices(f) })
		if len(page) == 0 {
			break
		}
		var each []paybell.Invoice
		for _, inv := range page {
			each = append(each, s.invoice(t, inv.ID))
		}
		wantSame(t, fmt.Sprint("a page of ", len(page), " after ", n), page, each)
		n += len(page)
		f.BeforeAt, f.BeforeID = page[len(page)-1].CreatedAt, page[len(page)-1].ID
	}
	if n != want {
		t.Errorf("pages of %d have %d invoices, want %d", limit, n, want)
	}
}

// A page has its invoices whole: each with its own payments and transfers, in
// the order in which it has them when it is read alone.
func testInvoicesWhole(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	s.wantWhole(t, 10, 0)
	s.create(t, after(1))
	s.wantWhole(t, 10, 1)
	sample := s.sampleInvoice()
	s.keep(t, paybell.Change{Event: paybell.InvoiceCompleted, At: t0, Invoice: sample})
	for _, c := range []paybell.Change{
		s.spread("a", 2, 3, 4), s.spread("b", 3, 0, 0), s.spread("c", 4, 2, 0), s.spread("d", 4, 5, 1), s.spread("e", 5, 0, 0), s.spread("f", 6, 1, 6), s.spread("g", 7, 0, 0),
	} {
		s.keep(t, c)
	}
	other.keep(t, other.spread("other", 4, 2, 2))
	for _, limit := range []int{1, 2, 3, store.MaxPage} {
		s.wantWhole(t, limit, 9)
	}
	some := 0
	for _, inv := range view(t, db, func(tx *store.Tx) ([]paybell.Invoice, error) {
		return tx.Invoices(store.InvoiceFilter{MerchantID: s.Merchant.ID, Limit: store.MaxPage})
	}) {
		some += 100*len(inv.Payments) + len(inv.Transfers)
	}
	if want := 100*(2+3+2+5+1) + 2 + 12 + 5 + 6; some != want {
		t.Errorf("payments and transfers on the page: %d, want %d", some, want)
	}
}

// The last invoice of the largest page is as whole as the first.
func testInvoicesFullPage(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	do(t, db, func(tx *store.Tx) error {
		for i := range store.MaxPage + 1 {
			c := s.spread(fmt.Sprint(i), i, 1, 1)
			if err := tx.Apply(c); err != nil {
				return err
			}
			if err := tx.RecordTransfer(c.Invoice.ID, c.Invoice.Transfers[0], false); err != nil {
				return err
			}
		}
		return nil
	})
	page := view(t, db, func(tx *store.Tx) ([]paybell.Invoice, error) {
		return tx.Invoices(store.InvoiceFilter{MerchantID: s.Merchant.ID, Limit: store.MaxPage})
	})
	if len(page) != store.MaxPage {
		t.Fatalf("the page has %d invoices", len(page))
	}
	for i, inv := range page {
		if len(inv.Payments) != 1 || len(inv.Transfers) != 1 || inv.Transfers[0].PaymentID != inv.Payments[0].ID {
			t.Errorf("invoice %d has %d payments and %d transfers", i, len(inv.Payments), len(inv.Transfers))
		}
	}
}
