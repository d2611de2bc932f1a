package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// Here is what anybody can send: bodies, queries, signed requests. Each target says
// what has to hold for all of them; inputs that once broke it lie in testdata/fuzz.

// maxDetail is how long what a caller is told can be, in bytes: it may quote a URL.
const maxDetail = 2500

// wantRefusal holds an error to what the caller of a route may be told: that the
// input is wrong, in words that end, about a field that the contract knows.
func wantRefusal(t *testing.T, what any, err error) {
	t.Helper()
	e, ok := errors.AsType[*paybell.Error](err)
	switch {
	case !ok || e.Code != paybell.Invalid && e.Code != paybell.NotSupported:
		t.Fatalf("%.300q: refused with %.300v", what, err)
	case e.Detail == "" || len(e.Detail) > maxDetail || !utf8.ValidString(e.Detail):
		t.Fatalf("%.300q: refused with %d bytes, %.300q", what, len(e.Detail), e.Detail)
	case e.Err != nil:
		t.Fatalf("%.300q: %s, because %v: nobody is told", what, e.Detail, e.Err)
	}
	for field, text := range e.Fields {
		if !utf8.ValidString(field) || len(field) > 100 || text == "" || len(text) > maxDetail || strings.Contains(field, "Body") {
			t.Fatalf("%.300q: the field %.300q is refused with %.300q", what, field, text)
		}
	}
}

// asking is the client whose requests these are.
var asking = desk.Actor{ClientID: authClient, Permissions: paybell.AllPermissions, Terms: paybell.DefaultTerms}

func FuzzCreateV1(f *testing.F) {
	f.Add([]byte(`{"amount":{"currencyId":"5057","value":"1250","breakdown":{"subtotal":{"currencyId":5057,"value":1000},"shipping":{"valueAsDecimal":"2.50"}}},` +
		`"items":[{"name":"Shirt","quantity":{"value":2,"type":"quantity"},"amount":{"value":1000},"originalAmount":{"valueAsDecimal":11}}]}`))
	f.Add([]byte(`{"items":{"customId":1,"sku":2,"name":3,"quantity":{"type":"hours"},"amount":{"currencyId":"4","contractAddress":"0xdac17f958d2ee523a2206206994597c13d831ec7","value":"5000001"},"tax":{"value":0}},` +
		`"amount":{"value":5000001.0000000001},"payoutConfig":{}}`))
	f.Add([]byte(`{"clientId":"` + authDashed + `","amount":{"currencyId":"LTCT","valueAsDecimal":"0.00000001"},"payment":{"paymentCurrency":"LTCT"},"webhooks":{"notificationsUrl":"https://shop.example/","notifications":"invoicePaid, invoicePaymentCreated"}}`))
	d := pricelessDesk(f)
	f.Fuzz(func(t *testing.T, raw []byte) { fuzzCreate(t, d, raw, &bodyV1{}) })
}

func FuzzCreateV2(f *testing.F) {
	f.Add([]byte(`{"currency":"5057","amount":{"total":"12.50","breakdown":{"subtotal":"10","shipping":2.5}},` +
		`"items":[{"name":"Shirt","quantity":{"value":"2","type":2},"amount":"10.00","originalAmount":11,"tax":0}],"invoiceDate":"2026-01-02","dueDate":"2026-02-03T04:05:06.7+08:09"}`))
	f.Add([]byte(`{"currencyId":1002,"amount":{"total":0.100000000000001},"buyer":{"name":{"firstName":"Zoë"},"address":{"countryCode":"DE"},"hasData":true},"shipping":[],` +
		`"merchantOptions":{"showEmail":false},"emailDelivery":{"to":"a@b.example; c@d.example"},"successUrl":"https://shop.example/ok"}`))
	f.Add([]byte("{\"currency\":\"ETH\",\"amount\":{\"total\":\"999999999999.99999999999999999\"},\"customData\":{ \"<a>\" : [ 1e400 , \"\\ud800\\u2028\" ] },\"metadata\":{\"integration\":\"x\"},\"payment\":{\"refundEmail\":\"a@b.example\"}}"))
	d := pricelessDesk(f)
	f.Fuzz(func(t *testing.T, raw []byte) { fuzzCreate(t, d, raw, &bodyV2{}) })
}

// invoiceBody is the body of one of the versions.
type invoiceBody interface {
	invoice(desk.Actor) (desk.NewInvoice, error)
	named(error) error
}

// fuzzCreate does what createInvoice does with a body, as far as it writes.
func fuzzCreate(t *testing.T, d *desk.Desk, raw []byte, body invoiceBody) {
	if err := decode(raw, body); err != nil {
		wantRefusal(t, raw, err)
		return
	}
	in, err := body.invoice(asking)
	if err != nil {
		wantRefusal(t, raw, body.named(err))
		return
	}
	checkBillAmounts(t, raw, in.Bill)
	kept := mustEncode(t, raw, in.Bill)
	var back paybell.Bill
	if err := json.Unmarshal(kept, &back); err != nil {
		t.Fatalf("%q: the bill cannot be read back: %v", raw, err)
	}
	if again := mustEncode(t, raw, back); !bytes.Equal(again, kept) {
		t.Fatalf("%q: the bill\n%s comes back as\n%s", raw, kept, again)
	}
	checkSpellings(t, raw, in)
	if checkDesk(t, d, raw, in, body) {
		checkAnswers(t, raw, in.Bill)
	}
}

func mustEncode(t *testing.T, what, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%.2000q: cannot be written: %v", what, err)
	}
	return text
}

// checkBillAmounts holds all amounts to what 30 characters can say, of the smallest
// unit at least.
func checkBillAmounts(t *testing.T, raw []byte, b paybell.Bill) {
	t.Helper()
	parts := b.Breakdown
	all := []decimal.Decimal{b.Total, parts.Subtotal, parts.Shipping, parts.Handling, parts.Tax, parts.Discount}
	for _, it := range b.Items {
		all = append(all, it.Amount, it.OriginalAmount)
		if it.Tax != nil {
			all = append(all, *it.Tax)
		}
		if it.Quantity < 0 || it.Quantity > 1e9 {
			t.Fatalf("%q: a quantity of %d", raw, it.Quantity)
		}
	}
	for _, d := range all {
		if d.IsNegative() || d.Coefficient().BitLen() > 100 || d.Exponent() > 0 || d.Exponent() < -48 {
			t.Fatalf("%q: an amount of %d bits, e%d", raw, d.Coefficient().BitLen(), d.Exponent())
		}
	}
}

// checkSpellings writes what was read in the way of each version and reads it again:
// it must be the same.
func checkSpellings(t *testing.T, raw []byte, in desk.NewInvoice) {
	t.Helper()
	want := string(mustEncode(t, raw, []any{in.Bill, in.Webhooks, in.PaymentCurrency}))
	c, ok := paybell.FindCurrency(in.Bill.Currency)
	if !ok {
		t.Fatalf("%q: the currency is %q", raw, in.Bill.Currency)
	}
	for version, body := range []invoiceBody{1: &bodyV1{}, 2: &bodyV2{}} {
		if version == 0 || version == 2 && !fitsV2(in.Bill) {
			continue
		}
		text := spelled(t, raw, version, in, c)
		err := decode(text, body)
		if err != nil {
			t.Fatalf("%q\nis in version %d\n%s\n, but %v", raw, version, text, err)
		}
		again, err := body.invoice(asking)
		if err != nil {
			t.Fatalf("%q\nis in version %d\n%s\n, but %v", raw, version, text, err)
		}
		if got := string(mustEncode(t, raw, []any{again.Bill, again.Webhooks, again.PaymentCurrency})); got != want {
			t.Fatalf("%q\nis in version %d\n%s\nand that is\n%s, not\n%s", raw, version, text, got, want)
		}
		if again.UniquePO != (version == 2) {
			t.Fatalf("version %d has unique purchase orders: %v", version, again.UniquePO)
		}
	}
}

// fitsV2 tells whether version 2 has room for the amounts: version 1 counts smallest
// units, and does not spend a character on the point.
func fitsV2(b paybell.Bill) bool {
	_, err := paybell.ParseAmount(b.Total.String())
	for _, d := range []decimal.Decimal{b.Breakdown.Subtotal, b.Breakdown.Shipping, b.Breakdown.Handling, b.Breakdown.Tax, b.Breakdown.Discount} {
		err = errors.Join(err, second(paybell.ParseAmount(d.String())))
	}
	for _, it := range b.Items {
		err = errors.Join(err, second(paybell.ParseAmount(it.Amount.String())), second(paybell.ParseAmount(it.OriginalAmount.String())))
		if it.Tax != nil {
			err = errors.Join(err, second(paybell.ParseAmount(it.Tax.String())))
		}
	}
	return err == nil
}

func second(_ decimal.Decimal, err error) error { return err }

// spelled writes an invoice as a body of one version. What the bill says beside its
// amounts has the same names there.
func spelled(t *testing.T, raw []byte, version int, in desk.NewInvoice, c paybell.Currency) []byte {
	t.Helper()
	money := func(d decimal.Decimal) any { return d.String() }
	if version == 1 {
		money = func(d decimal.Decimal) any { return spelledV1(c, d) }
	}
	var bill map[string]json.RawMessage
	if err := json.Unmarshal(mustEncode(t, raw, in.Bill), &bill); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	body := map[string]any{}
	for key, value := range bill {
		body[key] = value
	}
	for _, own := range []string{"total", "breakdown", "number", "refundEmail"} {
		delete(body, own)
	}
	body["invoiceId"] = in.Bill.Number
	body["payment"] = nil
	if in.PaymentCurrency != "" || in.Bill.RefundEmail != "" {
		body["payment"] = map[string]string{"paymentCurrency": in.PaymentCurrency, "refundEmail": in.Bill.RefundEmail}
	}
	hooks := []map[string]any{}
	for _, w := range in.Webhooks {
		hooks = append(hooks, map[string]any{"notificationsUrl": w.URL, "notifications": w.Events})
	}
	body["webhooks"] = hooks
	parts := in.Bill.Breakdown
	breakdown := map[string]any{
		"subtotal": money(parts.Subtotal), "shipping": money(parts.Shipping), "handling": money(parts.Handling),
		"taxTotal": money(parts.Tax), "discount": money(parts.Discount),
	}
	amount := map[string]any{"total": money(in.Bill.Total)}
	if version == 1 {
		delete(body, "currency")
		amount = money(in.Bill.Total).(map[string]any)
	}
	amount["breakdown"] = breakdown
	body["amount"] = amount
	items := []map[string]any{}
	for _, it := range in.Bill.Items {
		item := map[string]any{
			"customId": it.CustomID, "sku": it.SKU, "name": it.Name, "description": it.Description,
			"amount": money(it.Amount), "originalAmount": money(it.OriginalAmount), "quantity": spelledQuantity(it),
		}
		if it.Tax != nil {
			item["tax"] = money(*it.Tax)
		}
		items = append(items, item)
	}
	body["items"] = items
	return mustEncode(t, raw, body)
}

func spelledQuantity(it paybell.Item) map[string]any {
	if it.Hours {
		return map[string]any{"value": it.Quantity, "type": "Hours"}
	}
	return map[string]any{"value": strconv.FormatInt(it.Quantity, 10)}
}

// spelledV1 is an amount in version 1, in the smallest unit if that can be said.
func spelledV1(c paybell.Currency, d decimal.Decimal) map[string]any {
	id, contract, _ := strings.Cut(c.ID, ":")
	m := map[string]any{"currencyId": id, "contractAddress": contract, "valueAsDecimal": d.String()}
	if minor := d.Shift(c.Decimals); minor.IsInteger() && len(minor.String()) <= 30 {
		m["value"], m["valueAsDecimal"] = minor.String(), "not read"
	}
	return m
}

// errChecked is as far as a desk without a rate can go: the bill was good, and the
// rate of its payment is asked for.
var errChecked = errors.New("all checks passed")

type noRate struct{}

func (noRate) Rate(context.Context, paybell.Currency, paybell.Currency, time.Time) (decimal.Decimal, error) {
	return decimal.Zero, errChecked
}

// pricelessDesk has a store with nothing in it, and no rates.
func pricelessDesk(f *testing.F) *desk.Desk {
	f.Helper()
	dir := f.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	if err != nil {
		f.Fatal(err)
	}
	db, err := store.OpenSQLite(f.Context(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	return &desk.Desk{DB: db, Quote: noRate{}}
}

// checkDesk reports whether the desk takes the invoice. If not, it must say why.
func checkDesk(t *testing.T, d *desk.Desk, raw []byte, in desk.NewInvoice, body invoiceBody) bool {
	t.Helper()
	if in.PaymentCurrency == "" {
		in.PaymentCurrency = paybell.LTCT
	}
	_, err := d.CreateInvoice(t.Context(), asking, in)
	if errors.Is(err, errChecked) {
		return true
	}
	wantRefusal(t, raw, body.named(err))
	return false
}

// checkAnswers writes everything that is ever written of a new invoice.
func checkAnswers(t *testing.T, raw []byte, bill paybell.Bill) {
	t.Helper()
	created := paybell.Create(paybell.Invoice{ID: "0198c0de-0000-7000-8000-000000000001", ClientID: authClient, Bill: bill}, authNow)
	inv := created.Invoice
	c, _ := paybell.FindCurrency(bill.Currency)
	if sum := bill.Breakdown.Total(); !sum.Equal(bill.Total) || !bill.Total.IsPositive() || !bill.Total.Equal(bill.Total.Truncate(c.Decimals)) {
		t.Fatalf("%q: the desk takes a total of %s %s for a sum of %s", raw, bill.Total, c.Symbol, sum)
	}
	if n := utf8.RuneCountInString(bill.Searched()); n > 1000 || !utf8.ValidString(bill.Searched()) {
		t.Fatalf("%q: is found by %d characters", raw, n)
	}
	for number, v := range map[int]*version{1: version1, 2: version2} {
		text, err := encode(newInvoiceJSON(&inv, v))
		if err != nil || !json.Valid(text) {
			t.Fatalf("%q: version %d cannot answer: %v", raw, number, err)
		}
		if _, err := encode(newSummaryJSON(&inv, v)); err != nil {
			t.Fatalf("%q: version %d cannot list: %v", raw, number, err)
		}
		var said struct {
			Amount struct {
				Total, Value   string
				ValueAsDecimal json.Number
			}
		}
		if err := json.Unmarshal(text, &said); err != nil {
			t.Fatalf("%q: version %d answers %s: %v", raw, number, text, err)
		}
		total, minor := decimal.RequireFromString(said.Amount.Total+said.Amount.ValueAsDecimal.String()), said.Amount.Value
		if !total.Equal(bill.Total) || number == 1 && !decimal.RequireFromString(minor).Shift(-c.Decimals).Equal(bill.Total) {
			t.Fatalf("%q: version %d says %+v for %s %s", raw, number, said.Amount, bill.Total, c.Symbol)
		}
	}
	told := created.Tell(paybell.Merchant{}, 0).Body
	if !json.Valid(told) || !isNotification(told) {
		t.Fatalf("%q: it is told of with %.200q, which is no notification", raw, told)
	}
}

// reader is one way in which routes read a body.
type reader struct {
	name string
	cost uint64 // bytes that it may allocate for a byte of the body, in all
	read func(raw []byte) error
}

// Half of the cost of a reader is the walk of checkJSON over one token after the
// other: an object with one empty key, which takes seven bytes, is a map. Readers
// that know all their keys walk twice.
const costOfReading, fixedCost = 100, 1 << 20

var readers = []reader{
	{"v1", costOfReading, func(raw []byte) error { return readInvoice(raw, &bodyV1{}) }},
	{"v2", costOfReading, func(raw []byte) error { return readInvoice(raw, &bodyV2{}) }},
	{"webhook", costOfReading, func(raw []byte) error {
		var body webhookBody
		if err := decode(raw, &body); err != nil {
			return err
		}
		in := body.webhook()
		_, err := paybell.ParseEvents("notifications", in.Events)
		return errors.Join(err, second2(paybell.CheckNotificationsURL(in.URL, nil)))
	}},
	{"buyer", costOfReading, func(raw []byte) error {
		var body struct {
			Buyer    object[partyBody] `json:"buyer"`
			Shipping object[partyBody] `json:"shipping"`
		}
		err := decode(raw, &body)
		_, _ = body.Buyer.value.party(), body.Shipping.value.party()
		return err
	}},
	{"access", costOfReading, func(raw []byte) error {
		var body struct {
			Flags *names `json:"flags"`
		}
		if err := decode(raw, &body); err != nil || body.Flags == nil {
			return err
		}
		_, err := paybell.ParsePermissions("flags", *body.Flags)
		return err
	}},
	{"client", 2 * costOfReading, func(raw []byte) error {
		var body clientBody
		if err := decodeOnly(raw, &body, clientKeys...); err != nil {
			return err
		}
		_, err := body.change()
		return err
	}},
	{"blocks", 2 * costOfReading, func(raw []byte) error {
		var body struct {
			Blocks *int `json:"blocks"`
		}
		return decodeOnly(raw, &body, "blocks")
	}},
	{"coins", 2 * costOfReading, func(raw []byte) error {
		_, err := readCoins(raw)
		return err
	}},
}

func second2(_ string, err error) error { return err }

func readInvoice(raw []byte, body invoiceBody) error {
	err := decode(raw, body)
	if err == nil {
		_, err = body.invoice(asking)
	}
	return err
}

// allocated is how many bytes read allocates for raw, whether they live or not. What
// others allocate meanwhile is not counted, if they rest once in three times.
func (r reader) allocated(raw []byte) (least uint64, err error) {
	least = 1 << 63
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = r.read(raw)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
		if least <= r.most(len(raw)) {
			break
		}
	}
	return least, err
}

func (r reader) most(n int) uint64 { return r.cost*uint64(n) + fixedCost }

// filled is start, as often a unit as fits into size, and end. A comma that stands
// before the end is left out.
func filled(start, unit, end string, size int) []byte {
	size = min(size, maxBody)
	text := start
	if room := size - len(start) - len(end); unit != "" && room > 0 {
		text += strings.Repeat(unit, room/len(unit))
	}
	text = strings.TrimSuffix(text, ",") + end
	return []byte(text[:min(size, len(text))])
}

// worst are bodies that take much memory for their length, and who reads them.
var worst = map[string]struct{ reader, start, unit, end string }{
	"lists in lists":     {"v1", ``, `[`, ``},
	"objects in objects": {"v1", ``, `{"a":`, ``},
	"nested and closed":  {"client", `{"name":[`, strings.Repeat(`{"":`, 60) + `0` + strings.Repeat(`}`, 60) + `,`, `]}`},
	"zeros":              {"client", `{"name":[`, `0,`, `]}`},
	"exponents":          {"coins", `{"amount":[`, `1e9,`, `]}`},
	"objects":            {"v2", `{"x":[`, `{},`, `]}`},
	"small objects":      {"v2", `{"x":[`, `{"":0},`, `]}`},
	"items":              {"v1", `{"amount":{"currencyId":"USD","value":1},"items":[`, `{},`, `]}`},
	"items of zero":      {"v1", `{"items":[`, `0,`, `]}`},
	"items with amounts": {"v2", `{"currency":"USD","amount":{"total":1},"items":[`, `{"amount":1},`, `]}`},
	"items in version 1": {"v1", `{"amount":{"currencyId":"USD","value":1},"items":[`, `{"amount":{"value":1}},`, `]}`},
	"webhooks":           {"v2", `{"currency":"USD","amount":{"total":1},"webhooks":[`, `{},`, `]}`},
	"webhooks of zero":   {"v2", `{"webhooks":[`, `0,`, `]}`},
	"payouts":            {"v2", `{"payoutOverrides":[`, `0,`, `]}`},
	"events":             {"webhook", `{"notifications":[`, `"",`, `]}`},
	"joined events":      {"webhook", `{"notifications":"`, `a,`, `"}`},
	"one event":          {"webhook", `{"notificationsUrl":"https://shop.example/","notifications":[`, `"webhookDisabled",`, `]}`},
	"addresses":          {"client", `{"name":"x","allowedIps":[`, `"::",`, `]}`},
	"permissions":        {"access", `{"flags":[`, `"none",`, `]}`},
	"a long number":      {"blocks", `{"blocks":`, `1`, `}`},
	"a long amount":      {"coins", `{"amount":`, `1`, `}`},
	"a long exponent":    {"coins", `{"amount":1e`, `9`, `}`},
	"a long string":      {"v2", `{"currency":"USD","amount":{"total":"1"},"notes":"`, `x`, `"}`},
	"a long name":        {"buyer", `{"buyer":{"name":{"firstName":"`, `x`, `"}}}`},
	"a long date":        {"v2", `{"currency":"USD","dueDate":"`, `1`, `"}`},
	"a long URL":         {"webhook", `{"notificationsUrl":"https://shop.example/`, `%`, `","notifications":"invoicePaid"}`},
	"escapes":            {"v2", `{"currency":"`, `\u0041`, `"}`},
	"a long key":         {"client", `{"`, `é`, `":0}`},
	"a long way":         {"v1", `{"x`, `é`, `":{"":{"b":1,"b":2}}}`},
	"white space":        {"v1", `{`, "\n", `}`},
	"broken UTF-8":       {"v1", `{"`, "\xc3", `"}`},
}

// What a body of any kind costs is bounded by its length, and so by how much is read
// of it at all.
func TestDecodeIsBounded(t *testing.T) {
	const size = 24 << 10
	for _, name := range slices.Sorted(maps.Keys(worst)) {
		w := worst[name]
		for _, r := range readers {
			if r.name != w.reader {
				checkCost(t, name, r, filled(w.start, w.unit, w.end, 1<<10))
				continue
			}
			one := checkCost(t, name, r, filled(w.start, w.unit, w.end, size))
			two := checkCost(t, name, r, filled(w.start, w.unit, w.end, 2*size))
			if two > 5*one/2+fixedCost/4 {
				t.Errorf("%s: %s allocates %d bytes for %d, but %d for twice that", name, r.name, one, size, two)
			}
		}
	}
	checkCost(t, "a whole body", readers[0], filled(`{"items":[`, `0,`, `]}`, maxBody))
}

func checkCost(t *testing.T, name string, r reader, body []byte) uint64 {
	t.Helper()
	got, err := r.allocated(body)
	if most := r.most(len(body)); got > most {
		t.Errorf("%s: %s allocates %d bytes for %d, at most %d are allowed", name, r.name, got, len(body), most)
	}
	if err != nil {
		wantEach(t, body, err)
	}
	return got
}

// wantEach is wantRefusal for errors that were joined.
func wantEach(t *testing.T, what any, err error) {
	t.Helper()
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range all.Unwrap() {
			wantRefusal(t, what, one)
		}
		return
	}
	wantRefusal(t, what, err)
}

func FuzzDecodeBounded(f *testing.F) {
	for _, name := range []string{"zeros", "items of zero", "small objects", "events", "addresses", "a long number", "a long way", "nested and closed"} {
		w := worst[name]
		kind := slices.IndexFunc(readers, func(r reader) bool { return r.name == w.reader })
		f.Add(byte(kind), w.start, w.unit, w.end, uint32(8<<10))
	}
	f.Fuzz(func(t *testing.T, kind byte, start, unit, end string, size uint32) {
		r := readers[int(kind)%len(readers)]
		checkCost(t, r.name, r, filled(start, unit, end, int(size%(maxBody+1))))
	})
}

// Whatever is changed in a signed request, it is refused, unless it says the same:
// no signature has two readings. The program holds the changes, see change.
func FuzzVerifyChanged(f *testing.F) {
	f.Add("POST", "pay.example", cancelTarget, authClient, authTime, []byte(nil), byte(1), []byte{0, 0, 0, 'X'})
	f.Add("GET", "127.0.0.1:8080", "http://ignored.example/api/v2/merchant/invoices?limit=20", authClient, authTime+".5Z", []byte(nil), byte(3), []byte{2, 2, 60, 0})
	f.Add("PUT", "[::1]", "/x", authDashed, authTime, []byte(`{"a":1}`), byte(2), []byte{3, 6, 0, 0, 6, 1, 44, '='})
	f.Add("POST", "shop.example", "/x", authClient, authTime, []byte(`{"id":"8a49a588266246a2ab5f43217ca993bd","type":"InvoicePaid"}`), byte(3), []byte{5, 0, 7, 'G'})
	f.Add("POST", "shop.example", "/x", authClient, authTime, []byte(`{"id":"8a49a588266246a2ab5f43217ca993b","type":"InvoicePaid"}`), byte(3), []byte{5, 1, 7, '8'})
	f.Fuzz(func(t *testing.T, method, host, target, client, timestamp string, body []byte, signedAs byte, program []byte) {
		a := testAuthenticator()
		a.Window = 1<<63 - 1 // the clock must not be what saves us
		a.PublicURLs = []string{"https://pay.example/sub", "http://other.example:81/"}
		honest := claim{parts: [6]string{method, host, target, client, timestamp, string(body)}}
		if at, err := paybell.ParseTimestamp(timestamp); err == nil {
			a.now = func() time.Time { return at }
		}
		urls := honest.urls()
		if len(urls) == 0 || !isMethod(method) {
			return
		}
		honest.signature = honest.signedFor(urls[int(signedAs)%len(urls)], string(body))
		if isNotification(body) != isToldByUs(body) {
			t.Fatalf("%q is a notification: %v", body, isNotification(body))
		}
		id, err := a.verify(honest.request(), body)
		if err != nil {
			if paybell.CodeOf(err) != paybell.Unauthenticated || id != "" || !utf8.ValidString(err.Error()) || len(err.Error()) > maxDetail+6*300 {
				t.Fatalf("%q is refused with %.3000q, %v", honest, id, err)
			}
			if honest.isOrdinary() {
				t.Fatalf("%q is refused with %v", honest, err)
			}
			return
		}
		if id != authClient || isToldByUs(body) {
			t.Fatalf("%q is accepted as %q", honest, id)
		}
		other := honest
		for _, step := range slices.Collect(slices.Chunk(program, 4)) {
			other.change(step)
		}
		if !isMethod(other.parts[0]) {
			return // net/http refuses it
		}
		same := other.saysTheSame(honest)
		if _, err := a.verify(other.request(), []byte(other.parts[5])); err == nil && !same || err != nil && same && other.isOrdinary() {
			t.Fatalf("%q\ngets %v after\n%q", other, err, honest)
		}
	})
}

// claim is a request in the parts that are signed: method, host, target, client,
// timestamp, body.
type claim struct {
	parts     [6]string
	signature string
}

func (s claim) request() *http.Request {
	p := s.parts
	return call{method: p[0], host: p[1], target: p[2], client: p[3], timestamp: p[4], sign: s.signature}.request()
}

// signedFor is the signature by the recipe of CoinPayments, which is short enough to
// be written twice.
func (s claim) signedFor(url, body string) string {
	return signText(s.parts[0] + url + s.parts[3] + s.parts[4] + body)
}

var (
	absoluteForm   = regexp.MustCompile(`^(?is)https?://[^/?]*(.*)$`)
	hostForm       = regexp.MustCompile(`^[-a-zA-Z0-9._:\[\]]{1,261}$`)
	ordinaryTarget = regexp.MustCompile(`^/[-/?&=.~%a-zA-Z0-9]{0,100}$`)
	ordinaryTime   = regexp.MustCompile(`^20[0-9]{2}-0[1-9]-[0-2][1-8]T0[0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|\+00:00)?$`)
)

// urls are those that a client may have meant.
func (s claim) urls() (urls []string) {
	host, path := s.parts[1], s.parts[2]
	if m := absoluteForm.FindStringSubmatch(path); m != nil {
		path = m[1]
	} else if !strings.HasPrefix(path, "/") {
		return nil
	}
	urls = []string{"https://pay.example/sub" + path, "http://other.example:81" + path}
	if hostForm.MatchString(host) {
		urls = append(urls, "https://"+host+path, "http://"+host+path)
	}
	return urls
}

// reading is what a signature says: the URL and the body that it is for.
func (s claim) reading() (url, body string, ok bool) {
	for _, url := range s.urls() {
		if s.signedFor(url, s.parts[5]) == s.signature {
			return url, s.parts[5], true
		}
		if slices.Contains([]string{"POST", "PUT", "DELETE"}, s.parts[0]) && s.parts[5] == "" && s.signedFor(url, "null") == s.signature {
			return url, "null", true
		}
	}
	return "", "", false
}

// saysTheSame reports whether both are one request: same method, URL, client, time
// and body; no body and null are one.
func (s claim) saysTheSame(o claim) bool {
	url, body, ok := s.reading()
	wantURL, wantBody, wantOK := o.reading()
	id, _ := paybell.ParseClientID(s.parts[3])
	wantID, _ := paybell.ParseClientID(o.parts[3])
	at, _ := paybell.ParseTimestamp(s.parts[4])
	wantAt, _ := paybell.ParseTimestamp(o.parts[4])
	return ok && wantOK && s.parts[0] == o.parts[0] && url == wantURL && id == wantID && id != "" && at.Equal(wantAt) && body == wantBody
}

// isOrdinary reports whether the request is one that must be accepted.
func (s claim) isOrdinary() bool {
	p := s.parts
	return ordinaryTarget.MatchString(p[2]) && (p[3] == authClient || p[3] == authDashed) && ordinaryTime.MatchString(p[4]) &&
		(p[5] == "" || p[5] == "null" || json.Valid([]byte(p[5])) && strings.ContainsAny(p[5][:1], "{[")) && !isToldByUs([]byte(p[5])) && s.urls() != nil
}

// change does one step: byte 0 chooses the part, byte 1 what is done, byte 2 where,
// byte 3 with what.
func (s *claim) change(step []byte) {
	step = append(slices.Clone(step), make([]byte, 4)...)
	i := int(step[0]) % 7
	part := &s.signature
	if i < 6 {
		part = &s.parts[i]
	}
	at, with := int(step[2]), string(step[3:4])
	at = min(at, len(*part))
	switch step[1] % 8 {
	case 0: // another byte
		if at < len(*part) {
			*part = (*part)[:at] + with + (*part)[at+1:]
		}
	case 1: // one more byte
		*part = (*part)[:at] + with + (*part)[at:]
	case 2: // cut off
		*part = (*part)[:at]
	case 3: // cut off from the left
		*part = (*part)[at:]
	case 4: // the end goes over to the next part
		if i < 5 {
			s.parts[i], s.parts[i+1] = (*part)[:len(*part)-at], (*part)[len(*part)-at:]+s.parts[i+1]
		}
	case 5: // the beginning goes over to the part before
		if i > 0 && i < 6 {
			s.parts[i-1], s.parts[i] = s.parts[i-1]+(*part)[:at], (*part)[at:]
		}
	case 6: // another case
		*part = (*part)[:at] + strings.ToUpper((*part)[at:])
	case 7: // another body that says nothing
		s.parts[5] = []string{"", "null", "{}"}[step[3]%3]
	}
}

// isMethod reports whether net/http takes it for one.
func isMethod(method string) bool {
	_, err := http.NewRequest(method, "/", nil)
	return method != "" && err == nil
}

// isToldByUs reads the beginning of a notification byte by byte.
func isToldByUs(body []byte) bool {
	id, ok := strings.CutPrefix(string(body), `{"id":"`)
	if !ok || len(id) < 32 || strings.Trim(id[:32], "0123456789abcdef") != "" {
		return false
	}
	return strings.HasPrefix(id[32:], `","type":"`)
}

// A query is read or refused, and what was read is what it says. The links of a page
// lead to the same list.
func FuzzPaging(f *testing.F) {
	cursor := newCursor(paybell.Invoice{ID: "0198c0de-0000-7000-8000-000000000001", CreatedAt: authNow})
	for _, query := range []string{
		"", "limit=5&after=" + cursor + "&status=PAID&q=a+b%26c", "limit=-1", "limit=9999999999999999999", "limit=%2B5", "after=MQ",
		"from=2026-01-02&to=2026-01-02", "from=2026-01-02T03:04:05.1&to=2026-01-02T03:04:05%2B01:00", "to=9999-12-31T23:59:59-01:00", "from=0000-01-01T00:00:00%2B01:00",
		"clientId=" + authDashed + "&integration=" + strings.ToUpper(authDashed), "integration=plugin:whmcs_8", "status=nothing", "q=%25_%5C&q=2", "limit=1;after=2&%zz=1", "after=&after=x",
	} {
		f.Add(query)
	}
	s := &Server{PublicURLs: []string{"https://pay.example/sub/"}, Desk: &desk.Desk{}}
	f.Fuzz(func(t *testing.T, query string) {
		r := queried(query)
		checkHistoryCursor(t, s, r)
		filter, err := readInvoiceFilter(r)
		if err != nil {
			wantRefusal(t, query, err)
			return
		}
		said := r.URL.Query()
		if limit, ok := new(big.Int).SetString(said.Get("limit"), 10); said.Get("limit") != "" && (!ok || limit.Cmp(big.NewInt(int64(filter.Limit))) != 0) ||
			said.Get("limit") == "" && filter.Limit != defaultLimit {
			t.Fatalf("%q: the limit is %d", query, filter.Limit)
		}
		if after := said.Get("after"); (after == "") != (filter.BeforeAt.IsZero() && filter.BeforeID == "") ||
			after != "" && newCursor(paybell.Invoice{ID: filter.BeforeID, CreatedAt: filter.BeforeAt}) != after {
			t.Fatalf("%q: %s is read as behind %s %v, which is written otherwise", query, after, filter.BeforeID, filter.BeforeAt)
		}
		if !strings.EqualFold(string(filter.State), said.Get("status")) || filter.State != "" && !slices.Contains(paybell.States, filter.State) {
			t.Fatalf("%q: the state is %q", query, filter.State)
		}
		if id, _ := paybell.ParseClientID(said.Get("clientId")); id != filter.ClientID {
			t.Fatalf("%q: the client is %q", query, filter.ClientID)
		}
		checkPeriod(t, query, said, filter)

		first := s.paging(r, filter.Limit, "")
		next := s.paging(r, filter.Limit, cursor)
		unpaged := filter
		unpaged.BeforeAt, unpaged.BeforeID = time.Time{}, ""
		if got := followed(t, first.First); first.Next != nil || fmt.Sprint(got) != fmt.Sprint(unpaged) {
			t.Fatalf("%q: the first page is %q, which asks for %v, not %v", query, first.First, got, unpaged)
		}
		if next.Next == nil || *next.Cursors.After != cursor {
			t.Fatalf("%q: the next page is %+v", query, next)
		}
		got := followed(t, *next.Next)
		if newCursor(paybell.Invoice{ID: got.BeforeID, CreatedAt: got.BeforeAt}) != cursor {
			t.Fatalf("%q: the next page is %q, which is behind %s", query, *next.Next, got.BeforeID)
		}
		got.BeforeAt, got.BeforeID = time.Time{}, ""
		if fmt.Sprint(got) != fmt.Sprint(unpaged) {
			t.Fatalf("%q: the next page is %q, which asks for %v, not %v", query, *next.Next, got, unpaged)
		}
	})
}

func queried(query string) *request {
	return &request{Request: &http.Request{Method: "GET", URL: &url.URL{Path: "/api/v2/merchant/invoices", RawQuery: query}}}
}

// followed reads the query of a link of ours.
func followed(t *testing.T, link string) desk.InvoiceFilter {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, "https://pay.example/sub/api/v2/merchant/invoices") || u.Path != "/sub/api/v2/merchant/invoices" || u.Host != "pay.example" {
		t.Fatalf("the link %q leads to %v, %v", link, u, err)
	}
	filter, err := readInvoiceFilter(queried(u.RawQuery))
	if err != nil {
		t.Fatalf("the link %q: %v", link, err)
	}
	return filter
}

// checkPeriod says what from and to mean in another way: a text that names a day, a
// second or a moment means all of it.
func checkPeriod(t *testing.T, query string, said url.Values, filter desk.InvoiceFilter) {
	t.Helper()
	if said.Get("from") == "" && !filter.From.IsZero() || (said.Get("to") == "") != filter.To.IsZero() {
		t.Fatalf("%q: from %v to %v", query, filter.From, filter.To)
	}
	for _, at := range []time.Time{filter.From, filter.To} {
		if y := at.Year(); at.Location() != time.UTC || y < 0 || y > 10_000 || !time.UnixMicro(at.UnixMicro()).Equal(at.Truncate(time.Microsecond)) {
			t.Fatalf("%q: %v is not a time that can be kept", query, at)
		}
	}
	text := said.Get("to")
	if text == "" {
		return
	}
	whole, err := readInvoiceFilter(queried(url.Values{"from": {text}, "to": {text}}.Encode()))
	if err != nil || !whole.To.Equal(filter.To) {
		t.Fatalf("%q: to %v, %v", query, whole.To, err)
	}
	long := whole.To.Sub(whole.From)
	switch {
	case len(text) == len(time.DateOnly) && long == 24*time.Hour-time.Microsecond && whole.From.Truncate(24*time.Hour).Equal(whole.From):
	case len(text) > len(time.DateOnly) && whole.From.Nanosecond() == 0 && long == time.Second-time.Microsecond:
	case len(text) > len(time.DateOnly) && whole.From.Nanosecond() > 0 && long == 0:
	default:
		t.Fatalf("%q: from %s to %s are %v", query, whole.From, whole.To, long)
	}
}

// checkHistoryCursor reads the query as that of an invoice's history. Who asks may
// not read it: that is found out behind the reading.
func checkHistoryCursor(t *testing.T, s *Server, r *request) {
	t.Helper()
	err := s.getHistory(nil, r)
	if paybell.CodeOf(err) != paybell.Forbidden {
		wantRefusal(t, r.URL.RawQuery, err)
		return
	}
	after := r.URL.Query().Get("after")
	if n, ok := new(big.Int).SetString(after, 10); after != "" && (!ok || n.Sign() < 0 || !n.IsInt64()) {
		t.Fatalf("%q is taken for a version", after)
	}
}

// What newCursor wrote, readCursor reads, and nothing else.
func FuzzCursor(f *testing.F) {
	plain := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	const id = "0198c0de-0000-7000-8000-000000000001"
	for _, text := range []string{
		"", "!", plain("1." + id), plain("0." + id), plain("-1." + id), plain("9223372036854775808." + id), plain("9223372036854775807." + id), plain("1." + id + "."),
		base64.StdEncoding.EncodeToString([]byte("1." + id)),
	} {
		f.Add(text, int64(1), []byte(id))
	}
	f.Fuzz(func(t *testing.T, text string, us int64, random []byte) {
		at, got, err := readCursor(text)
		switch {
		case err != nil:
			wantRefusal(t, text, err)
		case text == "" && got == "" && at.IsZero():
		case at.UnixMicro() <= 0 || newCursor(paybell.Invoice{ID: got, CreatedAt: at}) != text:
			t.Fatalf("%q is read as behind %q at %v", text, got, at)
		}
		if us <= 0 {
			return
		}
		b := append(random, make([]byte, 16)...)
		inv := paybell.Invoice{ID: paybell.DashedClientID(fmt.Sprintf("%x", b[:16])), CreatedAt: time.UnixMicro(us)}
		cursor := newCursor(inv)
		at, got, err = readCursor(cursor)
		if err != nil || !at.Equal(inv.CreatedAt) || at.UnixMicro() != us || got != inv.ID || url.QueryEscape(cursor) != cursor {
			t.Fatalf("%d, %s is written %q and read %v, %q, %v", us, inv.ID, cursor, at, got, err)
		}
	})
}

// A webhook is taken only if what arrives is the URL that was written, and the names
// of its events are the same in a list and in one text.
func FuzzWebhookBody(f *testing.F) {
	for _, body := range []string{
		hookOf("https://shop.example/hook?x=1"), hookOf("https://shop.example"), hookOf("http://[2606:4700::1111]:8080/%2f?a=[b]&c=d+e"), hookOf("https://shop.example/a b"),
		hookOf("https://shop.example:443/?"), hookOf("https://SHOP.example/"), hookOf("https://xn--bcher-kva.example/;p=1/@:!$&'()*+,="),
		`{"notificationsUrl":"https://1.1.1.1/","notifications":"invoicePaid, InvoicePaymentCreated,,INVOICECOMPLETED"}`,
		`{"notificationsUrl":1,"notifications":[null,""]}`, `{"notifications":null}`, `{"notifications":{}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body webhookBody
		if err := decode(raw, &body); err != nil {
			wantRefusal(t, raw, err)
			return
		}
		in := body.webhook()
		for _, text := range append([]string{in.URL}, in.Events...) {
			if !utf8.ValidString(text) {
				t.Fatalf("%q: %q is not UTF-8", raw, text)
			}
		}
		checkNames(t, raw, in)
		if set, err := paybell.ParseEvents("notifications", in.Events); err != nil {
			wantRefusal(t, raw, err)
		} else if again, err := paybell.ParseEvents("notifications", set.Names()); err != nil || again != set || set == 0 {
			t.Fatalf("%q: %v is written %v, which is %v, %v", raw, in.Events, set.Names(), again, err)
		}
		if _, err := paybell.CheckNotificationsURL(in.URL, nil); err != nil {
			wantRefusal(t, raw, err)
			return
		}
		checkSent(t, in.URL)
	})
}

func hookOf(url string) string {
	return `{"notificationsUrl":"` + url + `","notifications":["invoicePaid","paymentCreated"]}`
}

func checkNames(t *testing.T, raw []byte, in desk.NewWebhook) {
	t.Helper()
	list := mustEncode(t, raw, map[string]any{"notificationsUrl": in.URL, "notifications": in.Events})
	joined := mustEncode(t, raw, map[string]any{"notificationsUrl": in.URL, "notifications": strings.Join(in.Events, ", ")})
	var one, other webhookBody
	if err := decode(list, &one); err != nil || one.webhook().URL != in.URL || !slices.Equal(one.Notifications, in.Events) {
		t.Fatalf("%q is written %s, which is %v, %v", raw, list, one, err)
	}
	if slices.ContainsFunc(in.Events, func(name string) bool { return name == "" || strings.ContainsAny(name, ", ") }) {
		return
	}
	if err := decode(joined, &other); err != nil || !slices.Equal(other.Notifications, in.Events) {
		t.Fatalf("%q is written %s, which is %v, %v", raw, joined, other, err)
	}
}

// checkSent looks at what net/http puts on the wire for a URL: the request line and
// the Host are all that a receiver can check the signature with.
func checkSent(t *testing.T, link string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, link, strings.NewReader("{}"))
	if err != nil {
		t.Fatalf("%q is taken, but %v", link, err)
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatalf("%q is taken, but %v", link, err)
	}
	lines := bufio.NewScanner(&wire)
	lines.Scan()
	target, ok := strings.CutPrefix(lines.Text(), "POST ")
	target, ok2 := strings.CutSuffix(target, " HTTP/1.1")
	lines.Scan()
	host, ok3 := strings.CutPrefix(lines.Text(), "Host: ")
	scheme, _, _ := strings.Cut(link, "://")
	sent := scheme + "://" + host + target
	if !ok || !ok2 || !ok3 || sent != link && (sent != link+"/" || strings.Count(link, "/") != 2) {
		t.Fatalf("%q is sent as %q", link, sent)
	}
}
