package paybell

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestBillIntegration(t *testing.T) {
	for _, c := range []struct{ metadata, want string }{
		{"", ""}, {`null`, ""}, {`{}`, ""}, {`{"hostname":"https://shop"}`, ""}, {`{"integration":""}`, ""},
		{`{"integration":"plugin:whmcs_8","hostname":"https://shop"}`, "plugin:whmcs_8"},
		{`{"integration":"é \" \u00fc"}`, `é " ü`}, {`{"integration":"a\u0000b\n\u009fc\u2028"}`, "a b  c\u2028"},
		{`{"integration":null}`, ""}, {`{"integration":8}`, ""}, {`{"integration":["a"]}`, ""}, {`{"integration":{"name":"a"}}`, ""},
		{`{"nested":{"integration":"a"}}`, ""},
		{`[]`, ""}, {`"integration"`, ""}, {`7`, ""}, {`{"integration":"a"`, ""}, {`{"integration":"a"} x`, ""}, // the store does not judge
		{`{"integration":"` + strings.Repeat("ü", 127) + `"}`, strings.Repeat("ü", 127)},
		{`{"integration":"` + strings.Repeat("ü", 128) + `"}`, strings.Repeat("ü", 127)},
		{`{"integration":"` + strings.Repeat("🔔", 5000) + `"}`, strings.Repeat("🔔", 127)},
	} {
		b := Bill{Metadata: json.RawMessage(c.metadata)}
		if got := b.Integration(); got != c.want {
			t.Errorf("%.80s: got %.300q, want %.300q", c.metadata, got, c.want)
		}
	}
	if got := (&Bill{CustomData: json.RawMessage(`{"integration":"a"}`)}).Integration(); got != "" {
		t.Errorf("custom data says %q", got)
	}
}

func TestBillSearched(t *testing.T) {
	secret := Party{
		Method: "m", CompanyName: "Ship Co", Name: Name{"Ship", "Per"}, Email: "ship@example.com", Phone: "+1",
		Address: Address{"a1", "a2", "a3", "p", "c", "s", "DE", "10115"},
	}
	full := Bill{
		Number: "INV-7", PONumber: "PO_8", Description: "Größe ÄÖÜ",
		Buyer:    &Party{CompanyName: "Müller & Co", Name: Name{"Zoë", "O'Hara"}, Email: "Zoe@Example.com", Phone: "+49 30", Address: secret.Address},
		Items:    []Item{{Name: "Blue Shirt", SKU: "sku", CustomID: "custom", Description: "d"}, {Name: "CAFÉ 100%"}},
		Shipping: &secret, Notes: "n", NotesToRecipient: "nr", TermsAndConditions: "tc", BuyerDataCollectionMessage: "bm", RefundEmail: "r@example.com",
		EmailDelivery: &EmailDelivery{"to@example.com", "cc@example.com", "bcc@example.com"}, SuccessURL: "https://s", CancelURL: "https://c",
		CustomData: json.RawMessage(`{"x":"y"}`), Metadata: json.RawMessage(`{"integration":"z"}`), MerchantOptions: MerchantOptions{AdditionalInfo: "ai"},
	}
	for _, c := range []struct {
		bill Bill
		want string
	}{
		{full, "inv-7 po_8 größe äöü müller & co zoë o'hara zoe@example.com blue shirt café 100%"},
		{Bill{}, ""},
		{Bill{PONumber: "P"}, "p"}, {Bill{Number: "a\x00b", Description: "\tc\r\nd\u009f\u2028"}, "a b  c  d \u2028"},
		{Bill{Number: "1", Buyer: &Party{Name: Name{Last: "X"}}, Items: []Item{{}, {Name: "y"}, {}}}, "1 x y"},
		{Bill{Description: strings.Repeat("Ü", 1000)}, strings.Repeat("ü", 1000)},
		{Bill{Description: strings.Repeat("Ü", 1001)}, strings.Repeat("ü", 1000)},
		{Bill{Number: "N", Items: slices.Repeat([]Item{{Name: strings.Repeat("🔔", 127)}}, 500)}, "n " + strings.Repeat(strings.Repeat("🔔", 127)+" ", 7) + strings.Repeat("🔔", 998-7*128)},
	} {
		if got := c.bill.Searched(); got != c.want {
			t.Errorf("got %.500q, want %.500q", got, c.want)
		}
	}
}

// Whatever a bill says, what is searched is the beginning of it, as text.
func TestBillSearchedOfAnything(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.IntRange(0, 1100), func(n int) string { return strings.Repeat("Σé", n/2) }))
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(text, 3, 8).Draw(t, "words")
		b := Bill{Number: words[0], PONumber: words[1], Description: words[2]}
		for _, name := range words[3:] {
			b.Items = append(b.Items, Item{Name: name})
		}
		all := []rune(strings.ToLower(strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")))
		for i, r := range all {
			if r < ' ' || r >= 0x7f && r < 0xa0 { // the databases do not take all of them
				all[i] = ' '
			}
		}
		got := b.Searched()
		if want := string(all[:min(len(all), 1000)]); got != want || !utf8.ValidString(got) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Bills are kept as JSON: these names are in every database.
func TestBillJSON(t *testing.T) {
	b := Bill{
		EmailDelivery: &EmailDelivery{To: "a@example.com;b@example.com", Cc: "c@example.com", Bcc: "d@example.com"}, AffiliateID: "a7ffd7e5-0d4d-4c35-9f6f-8c8d0d5b7a11",
		UseCoinReservation: true, HideShoppingCart: true, SimpleQR: true, MerchantOptions: MerchantOptions{ShowTaxID: true},
	}
	body, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, body)
	for name, want := range map[string]any{"affiliateId": b.AffiliateID, "useCoinReservation": true, "hideShoppingCart": true, "isSimpleQR": true} {
		if got[name] != want {
			t.Errorf("%s is %v in %s", name, got[name], body)
		}
	}
	if got["merchantOptions"].(map[string]any)["showTaxId"] != true {
		t.Errorf("no showTaxId in %s", body)
	}
	want := map[string]any{"to": "a@example.com;b@example.com", "cc": "c@example.com", "bcc": "d@example.com"}
	if d, _ := got["emailDelivery"].(map[string]any); !maps.Equal(d, want) {
		t.Errorf("emailDelivery is %v", d)
	}
	var back Bill
	if err := json.Unmarshal(body, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(body) {
		t.Errorf("%s came back as %s, %v", body, again, err)
	}
	plain, err := json.Marshal(Bill{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"emailDelivery", "affiliateId", "useCoinReservation", "hideShoppingCart", "isSimpleQR"} {
		if strings.Contains(string(plain), name) {
			t.Errorf("a bill without %s says %s", name, plain)
		}
	}
}
