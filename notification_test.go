package paybell

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files of notifications anew")

func money(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// sampleID is the id that the tests give every notification, so that its bytes
// can be compared.
const sampleID = "8a49a588266246a2ab5f43217ca993bd"

// bodyOf is a notification's body, with sampleID for its random id.
func bodyOf(t rapid.TB, n Notification) []byte {
	t.Helper()
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(n.ID) || bytes.Count(n.Body, []byte(n.ID)) != 1 {
		t.Fatalf("id %q, which should be 32 hex digits and in the body once: %s", n.ID, n.Body)
	}
	return bytes.Replace(n.Body, []byte(n.ID), []byte(sampleID), 1)
}

// decode reads JSON with numbers as they are written.
func decode(t rapid.TB, body []byte) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, body)
	}
	return v
}

func sample(t rapid.TB) map[string]any {
	t.Helper()
	body, err := os.ReadFile("testdata/notification-sample.json")
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, body)
}

// differences compares keys and JSON types with those of the sample. Null in the
// sample takes any type, elements of a list are like the sample's first, and an
// integer over 2^53 is a string.
func differences(path string, want, got any) []string {
	switch want := want.(type) {
	case nil:
		return nil
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, want an object", path, got)}
		}
		var diffs []string
		for key := range want {
			if value, there := g[key]; there {
				diffs = append(diffs, differences(path+"."+key, want[key], value)...)
			} else {
				diffs = append(diffs, path+"."+key+" is missing")
			}
		}
		for key := range g {
			if _, known := want[key]; !known && path+"."+key != "$.invoice.paybell" {
				diffs = append(diffs, path+"."+key+" is not in the sample")
			}
		}
		return diffs
	case []any:
		g, ok := got.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, want a list", path, got)}
		}
		var diffs []string
		for i, element := range g {
			if len(want) > 0 {
				diffs = append(diffs, differences(fmt.Sprintf("%s[%d]", path, i), want[0], element)...)
			}
		}
		return diffs
	case json.Number:
		if !isKind("amount", got) {
			return []string{fmt.Sprintf("%s is %T %v, want an integer", path, got, got)}
		}
		return nil
	}
	if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
		return []string{fmt.Sprintf("%s is %T, want %T", path, got, want)}
	}
	return nil
}

// The documented sample comes out of the invoice that it shows, value by value.
func TestNotificationIsTheDocumentedSample(t *testing.T) {
	created := Create(Invoice{
		ID: "2008d68d-0f66-44ec-8500-68d054b882b9", ClientID: "dc6a16e545c34187ba21a9edbbe484a5", ExpiresAt: time.Unix(1751367846, 0),
		Bill: Bill{
			Currency: "5057", Number: "0067", Total: money("100.00"), Breakdown: Breakdown{Subtotal: money("100.00")},
			Items:           []Item{{Name: "test item", Quantity: 1, Amount: money("100"), OriginalAmount: money("100")}},
			MerchantOptions: MerchantOptions{ShowEmail: true},
		},
	}, time.Unix(1719831846, 803357500))
	got := decode(t, bodyOf(t, created.Tell(Merchant{ID: "uuid", Email: "merchant@example.com"}, 0)))
	want := sample(t)
	want["type"], want["timestamp"] = "InvoiceCreated", "2024-07-01T11:04:06.8033575+00:00" // the sample's own do not go with its state
	delete(got["invoice"].(map[string]any), "paybell")
	g, _ := json.MarshalIndent(got, "", " ")
	w, _ := json.MarshalIndent(want, "", " ")
	if !bytes.Equal(g, w) {
		t.Errorf("got %s\nwant %s", g, w)
	}
}

func TestNotificationHasTheKeysOfTheSample(t *testing.T) {
	want := sample(t)
	rapid.Check(t, func(t *rapid.T) {
		c := randomChange(t)
		n := c.Tell(Merchant{ID: "m", Email: rapid.SampledFrom([]string{"", "a@b.c"}).Draw(t, "email")}, rapid.SampledFrom(styles).Draw(t, "names"))
		got := decode(t, bodyOf(t, n))
		if diffs := differences("$", want, got); len(diffs) > 0 {
			slices.Sort(diffs)
			t.Errorf("%s\n%s", strings.Join(diffs, "\n"), n.Body)
		}
		for _, p := range got["invoice"].(map[string]any)["payments"].([]any) {
			if diffs := paymentDifferences(p.(map[string]any)); len(diffs) > 0 {
				t.Errorf("%s\n%s", strings.Join(diffs, "\n"), n.Body)
			}
		}
		checkIntegers(t, "$", got)
	})
}

// randomChange is a change of an invoice with anything in it.
func randomChange(t *rapid.T) Change {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"\xff\xfe", "</script>", "\u2028\u2029", "a\x00b"}))
	raw := rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`null`), json.RawMessage(`{}`), json.RawMessage(`{"hostHash":"<&>","n":[1.0,1e2]}`)})
	amount := rapid.SampledFrom([]decimal.Decimal{money("0"), money("10.00"), money("0.01"), money("999999999999999.99")})
	at := day0
	party := func() *Party {
		if rapid.Bool().Draw(t, "party") {
			return nil
		}
		return &Party{Method: text.Draw(t, "method"), Name: Name{First: text.Draw(t, "first")}, Address: Address{City: text.Draw(t, "city")}}
	}
	s := newStory(t, func(inv *Invoice) {
		inv.Test = rapid.Bool().Draw(t, "test")
		inv.Bill = Bill{
			Currency: rapid.SampledFrom([]string{"5057", LTCT, "4"}).Draw(t, "currency"), Total: amount.Draw(t, "total"),
			Number: text.Draw(t, "number"), PONumber: text.Draw(t, "po"), Description: text.Draw(t, "description"), Notes: text.Draw(t, "notes"),
			NotesToRecipient: text.Draw(t, "notesToRecipient"), CustomData: raw.Draw(t, "customData"), Metadata: raw.Draw(t, "metadata"),
			Buyer: party(), Shipping: party(), MerchantOptions: MerchantOptions{AdditionalInfo: text.Draw(t, "info")},
		}
		if rapid.Bool().Draw(t, "dates") {
			inv.Bill.InvoiceDate, inv.Bill.DueDate = &at, &time.Time{}
		}
		for range rapid.IntRange(0, 2).Draw(t, "items") {
			tax := amount.Draw(t, "tax")
			inv.Bill.Items = append(inv.Bill.Items, Item{
				Name: text.Draw(t, "item"), Quantity: 999_999_999, Hours: rapid.Bool().Draw(t, "hours"),
				Amount: amount.Draw(t, "amount"), Tax: &tax,
			})
		}
	})
	s.unchecked = true
	for range rapid.IntRange(0, 2).Draw(t, "payments") {
		s.randomOpen(t)
	}
	for range rapid.IntRange(0, 4).Draw(t, "transfers") {
		if len(s.inv.Payments) > 0 {
			s.randomSend(t)
			s.randomTurn(t)
		}
	}
	_ = s.next(rapid.SampledFrom([]Command{nil, Cancel{}, Accept{}}).Draw(t, "command"))
	return rapid.SampledFrom(s.all).Draw(t, "change")
}

// The fields of a payment and of its hotWallet, as contract 4.2 lists them.
const (
	paymentFields = `id:string invoiceId:string createdAt:int? expiresAt:int? cancelledAt:int? detectedAt:int? pendingAt:int?
		confirmedAt:int? completedAt:int? scheduledAt:int? refundedAt:int? state:state refundEmail:string? isGuest:bool isActive:bool
		hotWallet:object payout:object? refund:object?`
	hotWalletFields = `nativeCurrency:currency paymentSubTotalInNativeCurrency:amount merchantMarkupOrDiscountInNativeCurrency:amount
		buyerFeeInNativeCurrency:fee merchantFeeInNativeCurrency:fee confirmedAmountInNativeCurrency:amount
		unconfirmedAmountInNativeCurrency:amount id:string paymentId:string currency:currency merchantPayoutCurrency:currency
		currencyRateFromInvoiceCurrency:string paymentReceiveAddress:string merchantPayoutAddress:string merchantPayoutWalletId:string?
		paymentSubTotal:amount merchantMarkupOrDiscount:amount isConversion:bool buyerFee:fee merchantFee:fee payoutFrequency:string
		createdAt:int expiresAt:int error:object? confirmations:int requiredConfirmations:int confirmedAmount:amount
		unconfirmedAmount:amount assignment:assignment pooledWalletId:string? buyerDepositTxHashes:strings`
)

func paymentDifferences(p map[string]any) []string {
	diffs := fieldDifferences("payment", paymentFields, p)
	if hot, ok := p["hotWallet"].(map[string]any); ok {
		diffs = append(diffs, fieldDifferences("hotWallet", hotWalletFields, hot)...)
	}
	return diffs
}

// fieldDifferences holds an object to a list of name:kind, where ? takes null.
func fieldDifferences(name, list string, got map[string]any) (diffs []string) {
	want := map[string]string{}
	for _, field := range strings.Fields(list) {
		key, kind, _ := strings.Cut(field, ":")
		want[key] = kind
	}
	for key := range got {
		if want[key] == "" {
			diffs = append(diffs, name+"."+key+" is not in the contract")
		}
	}
	for key, kind := range want {
		value, there := got[key]
		kind, nullable := strings.CutSuffix(kind, "?")
		if !there || !isKind(kind, value) && (!nullable || value != nil) {
			diffs = append(diffs, fmt.Sprintf("%s.%s is %T %v, want %s", name, key, value, value, kind))
		}
	}
	slices.Sort(diffs)
	return diffs
}

var largeInteger = regexp.MustCompile(`^[1-9][0-9]{15,}$`)

func isKind(kind string, value any) bool {
	object, _ := value.(map[string]any)
	switch v := value.(type) {
	case string:
		return kind == "string" || kind == "amount" && largeInteger.MatchString(v) ||
			kind == "state" && slices.Contains([]string{"Unpaid", "Pending", "Paid", "Completed", "Cancelled", "TimedOut"}, v)
	case bool:
		return kind == "bool"
	case json.Number:
		return (kind == "int" || kind == "amount") && !strings.ContainsAny(v.String(), ".eE")
	case []any:
		return kind == "strings" && !slices.ContainsFunc(v, func(e any) bool { _, ok := e.(string); return !ok })
	}
	switch kind {
	case "object":
		return object != nil
	case "currency":
		return len(fieldDifferences("", "id:int smartContract:string?", object)) == 0
	case "fee":
		return len(fieldDifferences("", "coinPaymentsFee:amount networkFee:amount conversionFee:amount", object)) == 0
	case "assignment":
		return len(fieldDifferences("", "assignedFrom:int assignedUntil:int completedDate:int?", object)) == 0
	}
	return false
}

// checkIntegers: no number in a body is more than a JavaScript or PHP receiver
// can hold, and none is a fraction, but for what the merchant wrote itself.
func checkIntegers(t rapid.TB, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if path != "$.invoice" || key != "customData" && key != "metadata" {
				checkIntegers(t, path+"."+key, value)
			}
		}
	case []any:
		for _, value := range v {
			checkIntegers(t, path+"[]", value)
		}
	case json.Number:
		if n, err := v.Int64(); err != nil || n > 1<<53-1 || n < -(1<<53-1) {
			t.Errorf("%s is %s", path, v)
		}
	}
}

func TestLargeAmountsAreStrings(t *testing.T) {
	for _, c := range []struct{ amount, want string }{
		{"9007199254740991", "9007199254740991"},
		{"9007199254740992", `"9007199254740992"`},
		{greatest.String(), `"` + greatest.String() + `"`},
		{"0", "0"},
		{"-9007199254740992", `"-9007199254740992"`},
		{"1000000000000000000", `"1000000000000000000"`},
	} {
		if got, err := json.Marshal(integer(money(c.amount))); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", c.amount, got, err)
		}
	}
	s := newStory(t, func(inv *Invoice) { inv.Bill.Currency, inv.Bill.Total = "4", money("2.5") })
	p := s.open("4", func(p *Payment) { p.Due = NewUnits(2_500_000_000_000_000_000); p.Rate = money("1") })
	s.send(p, NewUnits(2_500_000_000_000_000_000))
	s.look()
	body := string(s.all[len(s.all)-1].Tell(Merchant{}, 0).Body)
	for _, want := range []string{
		`"total":"2500000000000000000"`, `"paymentSubTotal":"2500000000000000000"`, `"paymentSubTotalInNativeCurrency":"2500000000000000000"`,
		`"unconfirmedAmount":"2500000000000000000"`, `"unconfirmedAmountInNativeCurrency":"2500000000000000000"`, `"confirmedAmount":0`,
		`"seen":"2500000000000000000"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

func TestNotificationTypes(t *testing.T) {
	for i, name := range []string{
		"InvoiceCreated", "InvoicePending", "InvoicePaid", "InvoiceCompleted", "InvoiceCancelled", "InvoiceTimedOut",
		"PaymentCreated", "PaymentTimedOut", "InvoiceReverted", "InvoiceFlagged",
	} {
		c := newStory(t).all[0]
		c.Event = 1 << i
		if got := decode(t, c.Tell(Merchant{}, 0).Body); got["type"] != name {
			t.Errorf("type %v, want %s", got["type"], name)
		}
	}
	for _, state := range States {
		c := newStory(t).all[0]
		c.Invoice.State = state
		want := strings.ToUpper(string(state)[:1]) + string(state)[1:]
		if got := decode(t, c.Tell(Merchant{}, 0).Body)["invoice"].(map[string]any)["state"]; got != want {
			t.Errorf("state %v, want %s", got, want)
		}
	}
}

// In another style a notification has another type, and no other byte differs.
func TestNotificationStyles(t *testing.T) {
	m := Merchant{ID: "m", Name: "Shop", Email: "merchant@example.com"}
	told := fullStory(t).all
	for i := range wantEvents { // events that no story tells, too
		c := told[len(told)-1]
		c.Event = 1 << i
		told = append(told, c)
	}
	for _, c := range told {
		plain := bodyOf(t, c.Tell(m, 0))
		for _, style := range styles {
			n := c.Tell(m, style)
			want := bytes.Replace(plain, []byte(`"type":"`+c.Event.Wire(0)+`"`), []byte(`"type":"`+c.Event.Wire(style)+`"`), 1)
			if got := bodyOf(t, n); !bytes.Equal(got, want) || decode(t, got)["type"] != c.Event.Wire(style) {
				t.Errorf("%s in style %b:\n%s\nwant\n%s", c.Event, style, got, want)
			}
			if n.Event != c.Event || n.Version != c.Invoice.Version || !n.At.Equal(c.At) {
				t.Errorf("in style %b it is %+v", style, n)
			}
		}
	}
}

// Whom the merchant means the invoice for comes back as it was given.
func TestEmailDeliveryOptions(t *testing.T) {
	for _, c := range []struct {
		given *EmailDelivery
		want  string
	}{
		{nil, `null`},
		{&EmailDelivery{To: "a@example.com;b@example.com", Cc: "c@example.com", Bcc: "d@example.com"}, `{"to":"a@example.com;b@example.com","cc":"c@example.com","bcc":"d@example.com"}`},
		{&EmailDelivery{To: "a@example.com"}, `{"to":"a@example.com"}`},
		{&EmailDelivery{}, `{}`},
	} {
		change := newStory(t, func(inv *Invoice) { inv.Bill.EmailDelivery = c.given }).all[0]
		var got struct {
			Invoice struct{ EmailDeliveryOptions json.RawMessage }
		}
		if err := json.Unmarshal(change.Tell(Merchant{}, 0).Body, &got); err != nil || string(got.Invoice.EmailDeliveryOptions) != c.want {
			t.Errorf("%+v came back as %s, %v", c.given, got.Invoice.EmailDeliveryOptions, err)
		}
	}
}

// Where refunds are to be talked about was said for the payment, or for the whole
// invoice, perhaps later.
func TestRefundEmail(t *testing.T) {
	for _, c := range []struct{ bill, payment, want string }{
		{"", "", "null"}, {"b@example.com", "", `"b@example.com"`}, {"", "p@example.com", `"p@example.com"`}, {"b@example.com", "p@example.com", `"p@example.com"`},
	} {
		s := newStory(t)
		s.open(LTCT, func(p *Payment) { p.RefundEmail = c.payment })
		change := s.all[len(s.all)-1]
		change.Invoice.Bill.RefundEmail = c.bill
		var got struct {
			Invoice struct {
				Payments []struct{ RefundEmail json.RawMessage }
			}
		}
		if err := json.Unmarshal(change.Tell(Merchant{}, 0).Body, &got); err != nil || string(got.Invoice.Payments[0].RefundEmail) != c.want {
			t.Errorf("%+v: got %s, %v", c, got.Invoice.Payments[0].RefundEmail, err)
		}
	}
}

// A notification tells whose it is outside of its body, too.
func TestNotificationHeads(t *testing.T) {
	c := newStory(t).all[0]
	n := c.Tell(Merchant{ID: "m"}, 0)
	if n.MerchantID != "m" || n.ClientID != c.Invoice.ClientID || n.InvoiceID != c.Invoice.ID || n.Version != 1 || n.Event != InvoiceCreated || !n.At.Equal(c.At) {
		t.Errorf("%+v", n)
	}
}

func TestTimestamps(t *testing.T) {
	zone := time.FixedZone("far", -5*3600-30*60)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2024, 7, 1, 11, 4, 6, 803357500, time.UTC), "2024-07-01T11:04:06.8033575+00:00"},
		{time.Date(2024, 7, 1, 11, 4, 6, 0, time.UTC), "2024-07-01T11:04:06.0000000+00:00"},
		{time.Date(2024, 7, 1, 23, 4, 6, 999999999, zone), "2024-07-02T04:34:06.9999999+00:00"},
	} {
		change := newStory(t).all[0]
		change.At = c.at
		if got := decode(t, change.Tell(Merchant{}, 0).Body)["timestamp"]; got != c.want {
			t.Errorf("timestamp %v, want %s", got, c.want)
		}
	}
}

// What happened when, in unix seconds; null is never.
func TestNotificationMoments(t *testing.T) {
	start := json.Number("1767323045") // day0
	for _, c := range []struct {
		state              State
		cancelled, settled any
	}{{Unpaid, nil, nil}, {Pending, nil, nil}, {Paid, nil, nil}, {Completed, nil, start}, {Cancelled, start, nil}, {TimedOut, nil, nil}} {
		s := bring(t, c.state, true)
		inv := decode(t, s.all[len(s.all)-1].Tell(Merchant{}, 0).Body)["invoice"].(map[string]any)
		p := inv["payments"].([]any)[0].(map[string]any)
		if inv["canceledAt"] != c.cancelled || p["cancelledAt"] != c.cancelled || inv["completedAt"] != c.settled || inv["confirmedAt"] != c.settled || p["completedAt"] != c.settled {
			t.Errorf("%s shows %v, %v, %v and a payment with %v, %v", c.state, inv["canceledAt"], inv["completedAt"], inv["confirmedAt"], p["cancelledAt"], p["completedAt"])
		}
		if inv["createdAt"] != start || inv["expiresDate"] != json.Number("1767927845") || p["createdAt"] != start || p["expiresAt"] != json.Number("1767326645") {
			t.Errorf("%s shows %v to %v and a payment from %v to %v", c.state, inv["createdAt"], inv["expiresDate"], p["createdAt"], p["expiresAt"])
		}
	}
}

// fullStory is an invoice with everything in it: two coins, transfers of every
// status, amounts over 2^53.
func fullStory(t *testing.T) *story {
	date := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	tax := money("0.42")
	s := newStory(t, func(inv *Invoice) {
		inv.Tolerance, inv.Test = 100, true
		inv.Bill = Bill{
			Currency: "5057", Total: money("123.45"),
			Breakdown: Breakdown{Subtotal: money("120"), Shipping: money("3.00"), Handling: money("1"), Tax: money("0.45"), Discount: money("1.00")},
			Items: []Item{
				{CustomID: "42", SKU: "sku-1", Name: "Café ☕ <b>", Description: "two & more", Quantity: 2, Amount: money("100"), OriginalAmount: money("110.00"), Tax: &tax},
				{Name: "consulting", Quantity: 3, Hours: true, Amount: money("20.00"), OriginalAmount: money("20.00")},
			},
			Number: "0067", PONumber: "PO-1", Description: "a bill", Notes: "note", NotesToRecipient: "thanks", TermsAndConditions: "terms",
			BuyerDataCollectionMessage: "why", RequireBuyerNameAndEmail: true, InvoiceDate: &day0, DueDate: &date,
			Buyer: &Party{CompanyName: "ACME", Name: Name{"Ada", "Lovelace"}, Email: "ada@example.com", Phone: "+44 1", Address: Address{Address1: "1 Road", City: "London", CountryCode: "GB", PostalCode: "N1"}},
			Shipping: &Party{
				Method: "ship", Name: Name{"Bob", ""},
				Address: Address{Address1: "2 Road", Address2: "b", Address3: "c", ProvinceOrState: "p", City: "Paris", SuburbOrDistrict: "s", CountryCode: "FR", PostalCode: "75000"},
			},
			MerchantOptions: MerchantOptions{ShowAddress: true, ShowEmail: true, ShowPhone: true, ShowRegistrationNumber: true, AdditionalInfo: "info"},
			CustomData:      json.RawMessage(`{"whmcsInvoiceId":"42","hostHash":"a/b+c=="}`), Metadata: json.RawMessage(`{"integration":"plugin:whmcs_8","hostname":"https://shop"}`),
			RefundEmail: "a@b.c", SuccessURL: "https://shop/ok", CancelURL: "https://shop/no",
		}
	})
	coin := s.open(LTCT, func(p *Payment) {
		p.Due, p.Tolerance, p.Rate, p.RefundEmail = NewUnits(109_867_125), NewUnits(1_098_671), money("0.00889972661"), "a@b.c"
	})
	ether := s.open("4", func(p *Payment) {
		p.Due, p.Rate, p.CompletedAfter = NewUnits(41_150_000_000_000_000), money("0.000333333333333333"), 12
	})
	s.pass(10 * time.Minute)
	lost := s.pay(coin, 9_867_125)
	s.pass(time.Minute)
	first := s.pay(coin, 100_000_000)
	s.replace(lost)
	s.mine(first, 2)
	s.pay(ether, 20_000_000_000_000_000)
	s.pass(2 * time.Hour)
	s.look()
	s.pay(coin, 867_125)
	s.turn(first, Mempool, 0, true)
	s.mine(first, 3)
	s.must(s.next(Accept{}))
	return s
}

func TestGoldenNotification(t *testing.T) {
	s := fullStory(t)
	last := s.all[len(s.all)-1]
	body := bodyOf(t, last.Tell(Merchant{ID: s.inv.MerchantID, Name: "Shop", Email: "merchant@example.com"}, 0))
	if diffs := differences("$", sample(t), decode(t, body)); len(diffs) > 0 {
		t.Error(strings.Join(diffs, "\n"))
	}
	var pretty bytes.Buffer // for people to read and git to compare; the body itself is compact
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	const golden = "testdata/notification-full.json"
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("the notification is not what %s has (run with -update and read the difference):\n%s", golden, pretty.Bytes())
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil || !bytes.Equal(compact.Bytes(), body) {
		t.Errorf("the body is not compact: %v", err)
	}
}

// The bytes depend on nothing but the change, the merchant and the id.
func TestNotificationBytesAreDeterministic(t *testing.T) {
	for _, c := range fullStory(t).all {
		first := bodyOf(t, c.Tell(Merchant{ID: "m"}, 0))
		for range 20 {
			if again := bodyOf(t, c.Tell(Merchant{ID: "m"}, 0)); !bytes.Equal(first, again) {
				t.Fatalf("twice told, the bytes differ:\n%s\n%s", first, again)
			}
		}
	}
}

// What the merchant wrote comes back as the same JSON, token for token: no key
// sorted, no number reformatted, nothing lost.
func TestMerchantDataComesBackUnchanged(t *testing.T) {
	check := func(t rapid.TB, raw string) {
		t.Helper()
		c := newStory(t).all[0]
		c.Invoice.Bill.CustomData, c.Invoice.Bill.Metadata, c.Invoice.Bill.Number = json.RawMessage(raw), json.RawMessage(raw), "00"+raw
		var got struct {
			Invoice struct {
				CustomData, Metadata     json.RawMessage
				InvoiceID, InvoiceNumber string
			}
		}
		if err := json.Unmarshal(c.Tell(Merchant{}, 0).Body, &got); err != nil {
			t.Fatal(err)
		}
		want := tokens(t, raw)
		if inv := got.Invoice; !slices.Equal(tokens(t, string(inv.CustomData)), want) || !slices.Equal(tokens(t, string(inv.Metadata)), want) {
			t.Errorf("%s came back as %s and %s", raw, inv.CustomData, inv.Metadata)
		}
		if inv := got.Invoice; inv.InvoiceID != "00"+raw || inv.InvoiceNumber != inv.InvoiceID {
			t.Errorf("the invoice's number %q came back as %q, %q", "00"+raw, inv.InvoiceID, inv.InvoiceNumber)
		}
	}
	for _, raw := range []string{
		`{}`, `{"z":1,"a":2,"z":3}`, `{"n":123456789012345678901234567890,"f":1.0,"e":1E400,"m":-0.10}`,
		"{\"line\":\"\u2028\u2029\",\"html\":\"</script>&\"}", `{"u":"\u00e9\/\ud83d\ude00","nul":"\u0000"}`, "{ \"space\" :\n[ 1 , { } ] }",
		`{"deep":[[[[[null,true,false,""]]]]]}`,
	} {
		check(t, raw)
	}
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "data")
		raw, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		check(t, string(raw))
	})
}

func tokens(t rapid.TB, raw string) (all []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		all = append(all, fmt.Sprintf("%T %v", token, token))
	}
}

// Text that is no UTF-8, and text that some JavaScript cannot read inside of a
// string, cannot break a body.
func TestHostileTextInNotifications(t *testing.T) {
	for _, bad := range []string{"\xff\xfe\xc0\x80", "a\xed\xa0\x80b", "\u2028\u2029", "</script><!--", "\x00\x1f\"\\", strings.Repeat("\xf0\x9f", 1000)} {
		s := newStory(t, func(inv *Invoice) {
			party := &Party{bad, bad, Name{bad, bad}, bad, bad, Address{bad, bad, bad, bad, bad, bad, bad, bad}}
			inv.Bill = Bill{
				Currency: "5057", Number: bad, PONumber: bad, Description: bad, Notes: bad, NotesToRecipient: bad, TermsAndConditions: bad,
				BuyerDataCollectionMessage: bad, Buyer: party, Shipping: party, MerchantOptions: MerchantOptions{AdditionalInfo: bad},
				Items: []Item{{CustomID: bad, SKU: bad, Name: bad, Description: bad}}, EmailDelivery: &EmailDelivery{bad, bad, bad},
			}
		})
		p := s.open(LTCT, func(p *Payment) { p.Address, p.RefundEmail = bad, bad })
		s.send(p, NewUnits(1))
		s.chain[0].TxID = bad
		s.look()
		for _, c := range s.all {
			body := c.Tell(Merchant{ID: "m", Email: bad}, 0).Body
			if !utf8.Valid(body) || !json.Valid(body) || bytes.ContainsAny(body, "\u2028\u2029<>") {
				t.Errorf("%q made %q", bad, body)
			}
		}
	}
}

// Each of two notifications at once shows the invoice at its own step, with
// its payments.
//

// with completedAt null.
func TestPaidShowsAPaymentThatIsPaid(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	s.chain = []Transfer{{Network: SandboxNetwork, TxID: "tx", Asset: LTCT, Amount: NewUnits(100), Status: Mined, Confirmations: 3, PaymentID: p, SeenAt: s.now, AbsentAt: day0}}
	changes, err := s.inv.Next(Input{Transfers: s.chain}, s.now)
	s.must(err)
	for i, state := range []string{"Paid", "Completed"} {
		payment := decode(t, changes[i].Tell(Merchant{}, 0).Body)["invoice"].(map[string]any)["payments"].([]any)[0].(map[string]any)
		if payment["state"] != state || (payment["completedAt"] != nil) != (state == "Completed") {
			t.Errorf("%s shows a payment that is %v, completed at %v", changes[i].Event, payment["state"], payment["completedAt"])
		}
	}
}

// Paybell's own key, the only one beyond the contract.
func TestPaybellKey(t *testing.T) {
	s := fullStory(t)
	for i, c := range s.all {
		got := decode(t, c.Tell(Merchant{}, 0).Body)["invoice"].(map[string]any)["paybell"].(map[string]any)
		keys := slices.Sorted(maps.Keys(got))
		if !slices.Equal(keys, []string{"flags", "payments", "test", "version"}) {
			t.Fatalf("keys %v", keys)
		}
		if got["version"] != json.Number(fmt.Sprint(i+1)) || got["test"] != c.Invoice.Test || len(got["flags"].([]any)) != len(c.Invoice.Flags.Names()) {
			t.Errorf("change %d: %v", i, got)
		}
		for _, p := range got["payments"].([]any) {
			for _, key := range []string{"due", "seen", "confirmed", "missing", "accepted"} {
				if _, ok := p.(map[string]any)[key].(string); !ok {
					t.Errorf("%s is not a string in %v", key, p)
				}
			}
			for _, tr := range p.(map[string]any)["transfers"].([]any) {
				if _, ok := tr.(map[string]any)["amount"].(string); !ok {
					t.Errorf("the amount is not a string in %v", tr)
				}
			}
		}
	}
}

func TestSequence(t *testing.T) {
	if got := (SequenceNumber{3, 41}).String(); got != "3.41" {
		t.Errorf("got %s", got)
	}
}
