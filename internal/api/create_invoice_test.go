package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// made makes an invoice and returns its id.
func (b *bench) made(c client, version, body string) string {
	b.Helper()
	v := b.want(201, c, "POST", "/api/"+version+"/merchant/invoices", body)
	return get(b, v, "invoices", 0, "id").(string)
}

// read is a whole invoice as one version shows it.
func (b *bench) read(c client, version, id string) map[string]any {
	b.Helper()
	return b.want(200, c, "GET", "/api/"+version+"/merchant/invoices/"+id, "").(map[string]any)
}

// plainBody is a bill of 10.00 USD in one of the versions, with more keys if given.
func plainBody(version, more string) string {
	if version == "v1" {
		return `{"amount":{"currencyId":"5057","value":"1000"}` + more + `}`
	}
	return `{"currency":"5057","amount":{"total":"10.00"}` + more + `}`
}

// Everything that was written on an invoice comes back as it was, whichever
// version wrote it and whichever reads it, and is told (contract 3.2, 3.3, 3.6, 4.2).
func TestEveryFieldComesBack(t *testing.T) {
	b := newBench(t)
	hook := get(b, b.want(200, b.shop, "POST", hooksPath(b.shop), `{"notificationsUrl":"https://shop.example/","notifications":["invoiceCreated"]}`), "id").(string)
	for i, wrote := range bothVersions {
		body := strings.Replace(rich(wrote, b.shop), "PO1", fmt.Sprintf("PO-%d", i), 1)
		asked := b.decode(answer{body: []byte(body)}).(map[string]any)
		id := b.made(b.shop, wrote, body)
		for _, reads := range bothVersions {
			b.subtest(wrote+" read by "+reads, func() {
				inv := b.read(b.shop, reads, id)
				b.same(get(b, inv, "payments", 0, "refundEmail"), "info@test.com")
				b.same(get(b, inv, "currency", "id"), "5057")
				b.same(get(b, inv, "paybell", "clientId"), b.shop.id)
				for key, value := range asked {
					switch {
					case slices.Contains([]string{"clientId", "webhooks", "payment", "draft", "refundEmail", "unknown", "currency"}, key):
					case reads != wrote && (key == "items" || key == "amount"): // TestOneBill compares these
					default:
						b.within(key, inv[key], withQuantityTypes(value))
					}
				}
			})
		}
		told := get(b, b.told(hook)[i], "invoice")
		b.subtest("told of "+wrote, func() { b.tellsOf(told, asked, id) })
	}
}

// within expects that got has everything that want has: the same texts and
// numbers, in objects and lists. It may have more keys.
func (b *bench) within(path string, got, want any) {
	b.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for key, value := range want {
			b.within(path+"/"+key, object[key], value)
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			b.Errorf("%s is %v, want %v", path, got, want)
			return
		}
		for i, value := range want {
			b.within(path+"/"+strconv.Itoa(i), list[i], value)
		}
	default:
		if !reflect.DeepEqual(got, want) {
			b.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

// withQuantityTypes writes the types of quantities by name, as answers do. Version
// 1 numbers them (3.2).
func withQuantityTypes(v any) any {
	text, _ := json.Marshal(v)
	text = regexp.MustCompile(`"type":1\b`).ReplaceAll(text, []byte(`"type":"hours"`))
	text = regexp.MustCompile(`"type":2\b`).ReplaceAll(text, []byte(`"type":"quantity"`))
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	_ = dec.Decode(&v)
	return v
}

// tellsOf expects that a notification has what the rich bill has, in the words of
// 4.2.
func (b *bench) tellsOf(told any, asked map[string]any, id string) {
	b.Helper()
	b.same(get(b, told, "id"), id)
	for theirs, ours := range map[string]string{
		"invoiceId": "invoiceId", "invoiceNumber": "invoiceId", "description": "description", "notes": "notes", "notesToRecipient": "notesToRecipient",
		"termsAndConditions": "termsAndConditions", "buyerDataCollectionMessage": "buyerDataCollectionMessage", "poNumber": "poNumber",
		"metadata": "metadata", "customData": "customData", "emailDeliveryOptions": "emailDelivery",
	} {
		b.within(theirs, get(b, told, theirs), asked[ours])
	}
	for path, want := range map[string]string{
		"invoiceDate": "1767312000", "dueDate": "1770091506", "flags/requireBuyerNameAndEmail": "true",
		"merchantOptions/showAddress": "true", "merchantOptions/showEmail": "false", "merchantOptions/showPhone": "true",
		"merchantOptions/showRegistrationNumber": "true", "merchantOptions/additionalInfo": "ring twice",
		"buyer/companyName": "buyer's company", "buyer/firstName": "buyer's first", "buyer/lastName": "buyer's last", "buyer/email": "buyer@b.c", "buyer/phoneNumber": "+1 (2)",
		"shipping/method": "by ship", "shipping/companyName": "shipping's company", "shipping/firstName": "shipping's first",
		"shipping/lastName": "shipping's last", "shipping/email": "shipping@b.c", "shipping/phoneNumber": "-3.4",
		"amount/currency": "map[id:5057 smartContract:<nil>]", "amount/subtotal": "1000", "amount/shippingTotal": "110", "amount/handlingTotal": "40",
		"amount/taxTotal": "50", "amount/discountTotal": "200", "amount/total": "1000",
		"lineItems/0": "map[amount:900 customId:one description:the first name:Invoice #42 ☕ originalAmount:1200 quantity:2 sku:sku one tax:50 type:Hours]",
		"lineItems/1": "map[amount:100 customId:two description:the second name:another originalAmount:101 quantity:3 sku:sku two tax:0 type:Quantity]",
	} {
		if got := fmt.Sprint(at(b, told, path)); got != want {
			b.Errorf("%s is told as %s, want %s", path, got, want)
		}
	}
	for _, who := range []string{"buyer", "shipping"} {
		b.within(who+"/address", get(b, told, who, "address"), get(b, asked, who, "address"))
	}
}

// The same bill written in either version is one bill: nothing but what is new
// with each invoice tells them apart.
func TestOneBill(t *testing.T) {
	b := newBench(t)
	pairs := map[string][2]string{
		"rich":  {strings.Replace(rich("v1", b.shop), "PO1", "", 1), strings.Replace(rich("v2", b.shop), "PO1", "", 1)},
		"plain": {plainBody("v1", ""), plainBody("v2", "")},
		"in coins": {`{"amount":{"currencyId":"1002","value":"123456789"},"items":[{"name":"a","amount":{"currencyId":"LTCT","value":123456789}}]}`,
			`{"currency":"LTCT","amount":{"total":"1.23456789"},"items":[{"name":"a","amount":1.23456789}]}`},
		"in a token": {`{"amount":{"currencyId":4,"contractAddress":"0xdac17f958d2ee523a2206206994597c13d831ec7","value":"1000001"}}`,
			`{"currency":"USDT.ERC20","amount":{"total":"1.000001"}}`},
		"in wei": {`{"amount":{"currencyId":"ETH","value":"1000000000000000001"}}`, `{"currency":"4","amount":{"total":"1.000000000000000001"}}`},
		"one item": {`{"amount":{"currencyId":"5057","value":"1000"},"items":{"name":"a","quantity":{"value":"3","type":"1"},"amount":{"value":"1000"}}}`,
			`{"currency":"USD","amount":{"total":"10"},"items":{"name":"a","quantity":{"value":3,"type":"hours"},"amount":10}}`},
		"parts": {`{"amount":{"currencyId":"5057","value":"1100","breakdown":{"subtotal":{"value":"1000"},"shipping":{},"handling":{"value":""},"taxTotal":{"value":"200"},"discount":{"value":100}}}}`,
			`{"currency":"USD","amount":{"total":"11","breakdown":{"subtotal":"10","shipping":"","taxTotal":2,"discount":"1.00"}}}`},
	}
	for name, pair := range pairs {
		b.subtest(name, func() {
			of1, of2 := b.made(b.shop, "v1", pair[0]), b.made(b.shop, "v2", pair[1])
			for _, reads := range bothVersions {
				one, two := b.read(b.shop, reads, of1), b.read(b.shop, reads, of2)
				for _, inv := range []map[string]any{one, two} {
					for _, key := range []string{"id", "created", "expires", "payments", "payoutDetails"} {
						delete(inv, key)
					}
				}
				if !reflect.DeepEqual(one, two) {
					b.Errorf("read by %s, version 1 made %v\nversion 2 %v", reads, one, two)
				}
			}
		})
	}
}

// Each flag is its own: alone it sets nothing else.
func TestFlagsOfAnInvoice(t *testing.T) {
	b := newBench(t)
	flags := []string{
		"requireBuyerNameAndEmail", "useCoinReservation", "hideShoppingCart", "isSimpleQR",
		"merchantOptions/showAddress", "merchantOptions/showEmail", "merchantOptions/showPhone", "merchantOptions/showRegistrationNumber", "merchantOptions/showTaxId",
	}
	usual := map[string]bool{"merchantOptions/showEmail": true}
	for _, v := range bothVersions {
		for _, flag := range append(slices.Clone(flags), "none") {
			more := ""
			if flag != "none" {
				object, key, nested := strings.Cut(flag, "/")
				more = fmt.Sprintf(`,%q:%t`, object, !usual[flag])
				if nested {
					more = fmt.Sprintf(`,%q:{%q:%t}`, object, key, !usual[flag])
				}
			}
			inv := b.read(b.shop, v, b.made(b.shop, v, plainBody(v, more)))
			for _, other := range flags {
				if got, want := at(b, inv, other), usual[other] != (other == flag); got != want {
					t.Errorf("%s, with %s: %s is %v, want %v", v, flag, other, got, want)
				}
			}
		}
	}
}

// What was not given is not there.
func TestABareInvoice(t *testing.T) {
	b := newBench(t)
	for _, wrote := range bothVersions {
		for _, more := range []string{"", `,"buyer":{},"shipping":[],"merchantOptions":"","emailDelivery":{},"customData":[],"metadata":"","items":[],"webhooks":[],"notes":"","poNumber":null`} {
			id := b.made(b.shop, wrote, plainBody(wrote, more))
			for _, reads := range bothVersions {
				inv := b.read(b.shop, reads, id)
				for _, key := range []string{
					"invoiceDate", "dueDate", "confirmed", "completed", "cancelled", "buyer", "shipping", "description", "notes", "notesToRecipient", "metadata",
					"emailDelivery", "customData", "termsAndConditions", "buyerDataCollectionMessage", "poNumber", "affiliateId", "successUrl", "cancelUrl", "payoutDetails",
				} {
					if value, there := inv[key]; value != nil || !there {
						t.Errorf("%s is %v, want null", key, value)
					}
				}
				b.same(inv["items"], "[]")
				b.same(inv["payments"], "[]")
				b.same(inv["invoiceId"], "")
				b.same(inv["isEmailDelivery"], "false")
			}
		}
	}
}

// The limits of the contract's table "Fields common to both" (3.3): what is at
// the limit comes back, what is over it is refused by the field's name.
func TestLimitsOfFields(t *testing.T) {
	for _, v := range bothVersions {
		b := newBench(t) // a purchase order number is there once
		for field, most := range map[string]int{
			"invoiceId": 127, "description": 200, "notes": 500, "notesToRecipient": 2000, "termsAndConditions": 2000, "buyerDataCollectionMessage": 300,
			"poNumber": 16, "items[0].name": 127, "items[0].description": 1000,
		} {
			for _, letter := range []string{"x", "é", "☕", "🔔"} { // of one byte to four: letters are counted
				b.accepts(v, field, strconv.Quote(strings.Repeat(letter, most)))
				b.refuses(v, field, strconv.Quote(strings.Repeat(letter, most+1)), strconv.Itoa(most))
			}
		}
		b.refuses(v, "items[0].name", `""`)
		b.refuses(v, "items[0].name", `" \t"`)
		b.refuses(v, "items[0].name", `null`)
		b.refuses(v, "payment", `{}`)
		b.refuses(v, "payment", `{"refundEmail":"","paymentCurrency":null}`)
		for _, good := range []string{"1", "999999999", "3.0"} {
			b.accepts(v, "items[0].quantity.value", good)
		}
		for _, bad := range []string{"0", `"0"`, "1000000000", `"1000000000"`, "-1", "1.5", "1e2", `"x"`, "99999999999999999999"} {
			b.refuses(v, "items[0].quantity.value", bad)
		}
		for _, good := range []string{`"quantity"`, `"hours"`, `"Quantity"`, "1", "2", `"1"`, `"2"`, `""`} {
			b.accepts(v, "items[0].quantity.type", good)
		}
		for _, bad := range []string{`"days"`, "0", "3", `"12"`} {
			b.refuses(v, "items[0].quantity.type", bad)
		}
		for _, who := range []string{"buyer", "shipping"} {
			for _, good := range []string{`"+49 (30) 12-34.5"`, `"0"`, `""`, `" "`} {
				b.accepts(v, who+".phoneNumber", good)
			}
			for _, bad := range []string{`"1a2"`, `"x1"`, `"1x"`, `"+1/2"`, `"١"`, `"1\t2"`, `"1\n"`, `"ext. 5"`} {
				b.refuses(v, who+".phoneNumber", bad)
			}
			for _, good := range []string{`"DE"`, `"AZ"`, `"ZA"`, `""`} {
				b.accepts(v, who+".address.countryCode", good)
			}
			for _, bad := range []string{`"D"`, `"DEU"`, `"de"`, `"De"`, `"D1"`, `"Ä"`, `"D "`, `"@A"`, `"A["`} {
				b.refuses(v, who+".address.countryCode", bad)
			}
		}
		for _, good := range []string{`"3f2504e0-4f89-41d3-9a0c-0305e82c3301"`, `"3F2504E0-4F89-41D3-9A0C-0305E82C3301"`, `""`} {
			b.accepts(v, "affiliateId", good)
		}
		for _, bad := range []string{`"me"`, `"3f2504e04f8941d39a0c0305e82c3301x"`, `"3f2504e0-4f89-41d3-9a0c-0305e82c330"`, `"3f2504e0-4f89-41d3-9a0c-0305e82c3301-"`, `"3f2504e0-4f89-41d3-9a0c-0305e82c330g"`} {
			b.refuses(v, "affiliateId", bad)
		}
		for _, field := range []string{"successUrl", "cancelUrl"} {
			for _, good := range []string{`"https://shop.example/ok?a=1&b=2#c"`, `"http://localhost:8080"`, `"https://shop.example/` + strings.Repeat("x", 1979) + `"`, `""`} {
				b.accepts(v, field, good)
			}
			for _, bad := range []string{`"shop.example"`, `"/ok"`, `"javascript:alert(1)"`, `"data:text/html,x"`, `"ftp://shop.example/"`, `"https://"`, `"https:shop.example"`,
				`"//shop.example"`, `"http://[::1"`, `"https://shop.example/` + strings.Repeat("x", 1980) + `"`} {
				b.refuses(v, field, bad)
			}
		}
		for _, field := range []string{"emailDelivery.to", "emailDelivery.cc", "emailDelivery.bcc"} {
			b.accepts(v, field, `"a@b.c; d@e.f;"`)
			b.refuses(v, field, `"a@b.c;nobody"`)
			b.refuses(v, field, `"a@b.c, d@e.f, nobody"`)
		}
		b.accepts(v, "payment.refundEmail", `"a@b.c"`)
		b.accepts(v, "payment.refundEmail", `"`+strings.Repeat("x", 250)+`@b.c"`)
		for _, bad := range []string{`"nobody"`, `"@b.c"`, `"a@"`, `"a@b.c,d@e.f"`, `"` + strings.Repeat("x", 251) + `@b.c"`} {
			b.refuses(v, "payment.refundEmail", bad)
		}
		for _, bad := range []string{`"XXX"`, `"BTC"`, `"5057"`, `"4:0x00"`} {
			b.refuses(v, "payment.paymentCurrency", bad)
		}
		for _, field := range []string{"customData", "metadata"} {
			b.accepts(v, field, `{"integration":"x","a":"`+strings.Repeat("x", 16<<10-len(`{"integration":"x","a":""}`))+`"}`)
			b.refuses(v, field, `{"integration":"x","a":"`+strings.Repeat("x", 16<<10-len(`{"integration":"x","a":""}`)+1)+`"}`, "16384")
			b.accepts(v, field, `{}`)
			for _, bad := range []string{`[1]`, `"x"`, `1`, `true`} {
				b.refuses(v, field, bad)
			}
		}
		for _, field := range []string{"invoiceDate", "dueDate"} {
			for _, good := range []string{`"2026-01-02"`, `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.678Z"`, `"2026-01-02T03:04:05"`, `"2026-01-02T03:04:05-11:00"`, `""`} {
				b.accepts(v, field, good)
			}
			for _, bad := range []string{`"tomorrow"`, `"2026-02-30"`, `"2026-01-02 03:04:05"`, `1767323045`, `"02.01.2026"`} {
				b.refuses(v, field, bad)
			}
		}
		b.accepts(v, "clientId", strconv.Quote(b.shop.id))
		b.refuses(v, "clientId", strconv.Quote(b.sibling.id))
	}
}

// No moment is too far away to be read or refused: what has no place in the
// calendar of four-digit years is a mistake of the caller.
func TestDatesPastTheCalendar(t *testing.T) {
	b := newBench(t)
	for _, v := range bothVersions {
		for _, field := range []string{"invoiceDate", "dueDate"} {
			b.accepts(v, field, `"9999-12-31T23:59:59Z"`)
			b.refuses(v, field, `"9999-12-31T23:59:59-01:00"`)
			b.refuses(v, field, `"0000-01-01T00:00:00+01:00"`)
		}
	}
}

// A value of the wrong kind is named by its way in the body.
func TestKindsOfFields(t *testing.T) {
	b := newBench(t)
	const list, object, number, truth = "[1]", `{"x":1}`, "7", "true"
	for _, v := range bothVersions {
		for field, bad := range map[string][]string{
			"clientId": {list, object, truth}, "invoiceId": {list, object, truth}, "poNumber": {list, object, truth}, "description": {list, object, truth},
			"notes": {list, object, truth}, "notesToRecipient": {list, object, truth}, "termsAndConditions": {list, object, truth},
			"buyerDataCollectionMessage": {list, object, truth}, "invoiceDate": {list, object, truth}, "dueDate": {list, object, truth},
			"successUrl": {list, object, truth}, "cancelUrl": {list, object, truth}, "affiliateId": {list, object, truth},
			"requireBuyerNameAndEmail": {list, object, number, `"yes"`}, "useCoinReservation": {list, object, number, `"true"`},
			"hideShoppingCart": {list, object, number}, "isSimpleQR": {list, object, number}, "draft": {list, object, number}, "isEmailDelivery": {list, object, number},
			"buyer": {list, number, truth, `"x"`}, "buyer.name": {list, number, `"x"`}, "buyer.name.firstName": {list, object, truth}, "buyer.emailAddress": {list, object},
			"buyer.address": {list, number, `"x"`}, "buyer.address.city": {list, object, truth}, "shipping": {list, number, `"x"`}, "shipping.method": {list, object},
			"merchantOptions": {list, number, `"x"`}, "merchantOptions.showEmail": {list, object, number, `"x"`}, "merchantOptions.additionalInfo": {list, object},
			"emailDelivery": {list, number, `"x"`}, "emailDelivery.to": {list, object, truth},
			"payment": {list, number, `"x"`}, "payment.refundEmail": {list, object}, "payment.paymentCurrency": {list, object, truth},
			"webhooks": {number, truth, `"x"`}, "items": {number, truth, `"x"`}, "items[0].name": {list, object, truth}, "items[0].customId": {list, object},
			"items[0].sku": {list, object}, "items[0].description": {list, object}, "items[0].quantity": {list, number, `"x"`}, "items[0].quantity.value": {list, object, truth},
			"items[0].quantity.type": {list, object, truth}, "amount": {list, number, `"x"`}, "amount.breakdown": {list, number, `"x"`},
		} {
			for _, value := range bad {
				a := b.call(b.shop, "POST", "/api/"+v+"/merchant/invoices", b.put(v, field, value))
				if a.status != 400 {
					t.Errorf("%s: %s is %s: %d %s", v, field, value, a.status, a.body)
					continue
				}
				named, _ := b.decode(a).(map[string]any)["errors"].(map[string]any)
				plain := strings.ReplaceAll(field, "[0]", "") // which element it is, is not known here
				if len(named) != 1 || named[plain] == nil {
					t.Errorf("%s: %s is %s: errors is %v, want one for %s", v, field, value, named, plain)
					break // it will be the same for the other kinds
				}
			}
		}
	}
}

// put is the plain bill of a version with one more field, whose path is written
// as errors write it.
func (b *bench) put(version, field, value string) string {
	b.Helper()
	var body map[string]any
	must(b.T, json.Unmarshal([]byte(plainBody(version, "")), &body))
	at, steps := body, strings.Split(field, ".")
	if steps[0] == "items[0]" {
		amount := any("10.00")
		if version == "v1" {
			amount = map[string]any{"currencyId": "5057", "value": "1000"}
		}
		item := map[string]any{"name": "a", "amount": amount}
		body["items"] = []any{item}
		at, steps = item, steps[1:]
	}
	for _, step := range steps[:len(steps)-1] {
		if at[step] == nil {
			at[step] = map[string]any{}
		}
		at = at[step].(map[string]any)
	}
	at[steps[len(steps)-1]] = json.RawMessage(value)
	text, err := json.Marshal(body)
	must(b.T, err)
	return string(text)
}

// accepts expects that the field is taken, and comes back if it is a text.
func (b *bench) accepts(version, field, value string) {
	b.Helper()
	a := b.call(b.shop, "POST", "/api/"+version+"/merchant/invoices", b.put(version, field, value))
	if a.status != 201 {
		b.Errorf("%s: %s is %.60s: %d %.300s", version, field, value, a.status, a.body)
		return
	}
	var text string
	if json.Unmarshal([]byte(value), &text) != nil || text == "" || strings.HasSuffix(field, "Date") || strings.HasPrefix(field, "payment") ||
		strings.Contains(field, "quantity") || field == "clientId" {
		return
	}
	inv := b.read(b.shop, version, get(b, b.decode(a), "invoices", 0, "id").(string))
	path := strings.ReplaceAll(strings.ReplaceAll(field, "[0]", "/0"), ".", "/")
	if got := at(b, inv, path); got != text {
		b.Errorf("%s: %s was %.60q and is %.60q", version, field, text, got)
	}
}

// refuses expects a 400 that names the field, and that nothing was made.
func (b *bench) refuses(version, field, value string, words ...string) {
	b.Helper()
	a := b.call(b.shop, "POST", "/api/"+version+"/merchant/invoices", b.put(version, field, value))
	if a.status != 400 {
		b.Errorf("%s: %s is %.60s: %d %.300s", version, field, value, a.status, a.body)
		return
	}
	b.wantField(a, field, words...)
}

// A purchase order number is there once for each merchant, as far as version 2
// made the invoice (3.3).
func TestPurchaseOrderNumbers(t *testing.T) {
	b := newBench(t)
	number := func(n string) string { return `,"poNumber":"` + n + `"` }
	refused := func(c client, n string) {
		t.Helper()
		b.wantField(b.call(c, "POST", createPath, plainBody("v2", number(n))), "poNumber", n)
	}
	b.made(b.shop, "v2", plainBody("v2", number("A")))
	refused(b.shop, "A")
	refused(b.sibling, "A") // the merchant's other client
	b.made(b.stranger, "v2", plainBody("v2", number("A")))
	b.made(b.shop, "v2", plainBody("v2", number("a"))) // another number
	for range 2 {
		b.made(b.shop, "v2", plainBody("v2", number("")))
		b.made(b.shop, "v2", plainBody("v2", ""))
		b.made(b.shop, "v1", plainBody("v1", number("A")))
		b.made(b.shop, "v1", plainBody("v1", number("B")))
	}
	refused(b.shop, "B") // version 1 took it

	// What was refused for something else takes no number, and neither does the end of an invoice give it back.
	b.wantProblem(b.call(b.shop, "POST", createPath, plainBody("v2", number("C")+`,"dueDate":"x"`)), 400, "dueDate")
	id := b.made(b.shop, "v2", plainBody("v2", number("C")))
	b.want(200, b.shop, "POST", createPath+"/"+id+"/cancel", "")
	refused(b.shop, "C")

	// Of many at once one gets it.
	var wg sync.WaitGroup
	answers := make([]answer, 20)
	for i := range answers {
		c := []client{b.shop, b.sibling}[i%2]
		wg.Go(func() { answers[i] = b.call(c, "POST", createPath, plainBody("v2", number("D"))) })
	}
	wg.Wait()
	statuses := map[int]int{}
	for _, a := range answers {
		statuses[a.status]++
	}
	if !maps.Equal(statuses, map[int]int{201: 1, 400: 19}) {
		t.Errorf("one number at once: %v", statuses)
	}
}

// The amounts of version 1 are whole numbers of the smallest unit (3.2). What
// clients write for them: the total is the first, what is stored the second.
func TestAmountsOfVersion1(t *testing.T) {
	b := newBench(t)
	const token = "0xdac17f958d2ee523a2206206994597c13d831ec7"
	for body, want := range map[string]string{
		// how a number is written
		`{"amount":{"currencyId":"5057","value":"12345"}}`:                                              "5057 12345",
		`{"amount":{"currencyId":"5057","value":12345}}`:                                                "5057 12345",
		`{"amount":{"currencyId":"5057","value":12345.0}}`:                                              "5057 12345",
		`{"amount":{"currencyId":"5057","value":"12345.0"}}`:                                            "5057 12345",
		`{"amount":{"currencyId":"5057","value":12345.000000000002}}`:                                   "5057 12345",
		`{"amount":{"currencyId":"5057","value":12344.999999999998}}`:                                   "5057 12345",
		`{"amount":{"currencyId":"5057","value":0.9999999999999999}}`:                                   "5057 1",
		`{"amount":{"currencyId":"5057","value":"12345","displayValue":"nonsense","valueAsDecimal":1}}`: "5057 12345",
		`{"amount":{"currencyId":"5057","valueAsDecimal":123.45}}`:                                      "5057 12345",
		`{"amount":{"currencyId":"5057","valueAsDecimal":"123.45"}}`:                                    "5057 12345",
		`{"amount":{"currencyId":"5057","valueAsDecimal":123.45000000000002,"value":null}}`:             "5057 12345",
		`{"amount":{"currencyId":"5057","valueAsDecimal":123.45,"value":""}}`:                           "5057 12345",
		`{"amount":{"currencyId":"1002","value":"1"}}`:                                                  "1002 1",
		`{"amount":{"currencyId":"1002","valueAsDecimal":0.00000001}}`:                                  "1002 1",
		`{"amount":{"currencyId":"4","value":"1"}}`:                                                     "4 1",
		`{"amount":{"currencyId":"4","value":"123456789012345000000000000001"}}`:                        "4 123456789012345000000000000001",
		`{"amount":{"currencyId":"5057","value":"99999999999999999"}}`:                                  "5057 99999999999999999",
		// which currency
		`{"amount":{"currencyId":5057,"value":1}}`:                                                                 "5057 1",
		`{"amount":{"currencyId":"usd","value":1}}`:                                                                "5057 1",
		`{"amount":{"currencyId":"USDT.ERC20","value":1}}`:                                                         "4:" + token + " 1",
		`{"amount":{"currencyId":"4:` + token + `","value":1}}`:                                                    "4:" + token + " 1",
		`{"amount":{"currencyId":"4","contractAddress":"` + token + `","value":1}}`:                                "4:" + token + " 1",
		`{"amount":{"currencyId":4,"contractAddress":"` + strings.ToUpper(token[:4]) + token[4:] + `","value":1}}`: "4:" + token + " 1",
		`{"amount":{"currencyId":"4","contractAddress":"","value":1}}`:                                             "4 1",
		`{"amount":{"currencyId":"4","contractAddress":null,"value":1}}`:                                           "4 1",
		// where it is said
		`{"amount":{"value":1000},"items":[{"name":"a","amount":{"currencyId":"5057","value":"1000"}}]}`:                                                  "5057 1000",
		`{"amount":{"value":1000},"items":{"name":"a","amount":{"currencyId":"EUR","value":"1000"},"tax":{"currencyId":5195,"value":0}}}`:                 "5195 1000",
		`{"amount":{"currencyId":"5057","value":1000},"items":[{"name":"a","amount":{"value":"1000"},"originalAmount":{},"tax":{}}]}`:                     "5057 1000",
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{"currencyId":"USD","value":"1000"},"shipping":{"currencyId":"5057"}}}}`:     "5057 1000",
		`{"amount":{"currencyId":"4","contractAddress":"` + token + `","value":7},"items":[{"name":"a","amount":{"currencyId":"USDT.ERC20","value":7}}]}`: "4:" + token + " 7",
		// and how it comes about
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":{}}}`:                                                                                                                           "5057 1000",
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":[]}}`:                                                                                                                           "5057 1000",
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":null}}`:                                                                                                                         "5057 1000",
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{},"shipping":{},"handling":{},"taxTotal":{},"discount":{}}}}`:                                                      "5057 1000",
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{"value":900},"shipping":{"value":"70"},"handling":{"value":30},"taxTotal":{"value":20},"discount":{"value":20}}}}`: "5057 1000",
	} {
		inv := b.read(b.shop, "v1", b.made(b.shop, "v1", body))
		if got := fmt.Sprint(at(b, inv, "amount/currencyId"), " ", at(b, inv, "amount/value")); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
		b.same(at(b, inv, "currency/id"), strings.Fields(want)[0])
	}
}

// What version 1 refuses, and by the name that the field has there.
func TestBadAmountsOfVersion1(t *testing.T) {
	b := newBench(t)
	total := func(money string) string { return `{"amount":{"currencyId":"5057",` + money + `}}` }
	item := func(money string) string {
		return `{"amount":{"currencyId":"5057","value":1000},"items":[{"name":"a","amount":{"value":400}},{"name":"b",` + money + `}]}`
	}
	part := func(money string) string {
		return `{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{"value":1000},"shipping":` + money + `}}}`
	}
	for body, field := range map[string]string{
		total(`"value":"12345.5"`): "amount.value", total(`"value":12345.5`): "amount.value", total(`"value":12345.001`): "amount.value",
		total(`"value":0.5`): "amount.value", total(`"value":"12345.000000000002"`): "amount.value", // who writes a text means it
		total(`"value":"-1"`): "amount.value", total(`"value":-1`): "amount.value", total(`"value":"1e3"`): "amount.value", total(`"value":1e3`): "amount.value",
		total(`"value":"ten"`): "amount.value", total(`"value":"1,000"`): "amount.value", total(`"value":" 1"`): "amount.value",
		total(`"value":{}`): "amount.value", total(`"value":true`): "amount.value", total(`"value":[1]`): "amount.value",
		total(`"value":"` + strings.Repeat("1", 31) + `"`): "amount.value", total(`"valueAsDecimal":"x"`): "amount.value",
		total(`"displayValue":"10.00"`): "amount.value", total(`"value":""`): "amount.value", total(`"value":null`): "amount.value",
		`{"amount":{"value":"1000"}}`: "amount.currencyId",
		`{"amount":{}}`:               "amount.currencyId",
		`{}`:                          "amount.currencyId",
		`{"currency":"5057","amount":{"total":"10.00"}}`:                      "amount.currencyId", // that is version 2
		`{"amount":{"currencyId":"XXX","value":1}}`:                           "amount.currencyId",
		`{"amount":{"currencyId":"9999","value":1}}`:                          "amount.currencyId",
		`{"amount":{"currencyId":"4","contractAddress":"0x00","value":1}}`:    "amount.currencyId",
		`{"amount":{"currencyId":"5057","contractAddress":"0x00","value":1}}`: "amount.currencyId",
		`{"amount":[]}`: "amount", `{"amount":"10.00"}`: "amount", `{"amount":10}`: "amount",

		item(`"amount":{}`): "items[1].amount", item(`"amount":null`): "items[1].amount", item(`"x":1`): "items[1].amount", item(`"amount":{"value":0.5}`): "items[1].amount",
		item(`"amount":{"currencyId":"5195","value":600}`): "items[1].amount", item(`"amount":{"currencyId":"XXX","value":600}`): "items[1].amount",
		item(`"amount":{"currencyId":"5057","contractAddress":"0xdac17f958d2ee523a2206206994597c13d831ec7","value":600}`): "items[1].amount",
		item(`"amount":{"value":600},"tax":{"currencyId":"EUR","value":1}`):                                               "items[1].tax",
		item(`"amount":{"value":600},"tax":{"value":"-1"}`):                                                               "items[1].tax",
		item(`"amount":{"value":600},"originalAmount":{"currencyId":1,"value":1}`):                                        "items[1].originalAmount",
		item(`"amount":{"value":600},"originalAmount":{"value":"1.5"}`):                                                   "items[1].originalAmount",
		item(`"amount":{"value":600,"valueAsDecimal":6,"currencyId":{}}`):                                                 "items.amount.currencyId",
		part(`{"currencyId":"5195","value":0}`):                                                                           "amount.breakdown.shipping", part(`{"currencyId":"EUR"}`): "amount.breakdown.shipping",
		part(`{"value":0.25}`): "amount.breakdown.shipping", part(`{"value":"-1"}`): "amount.breakdown.shipping", part(`{"valueAsDecimal":"0.001"}`): "amount.breakdown.shipping",

		// sums, as in version 2
		item(`"amount":{"value":599}`): "amount.breakdown.subtotal", item(`"amount":{"value":601}`): "amount.breakdown.subtotal",
		`{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{"value":900}}},"items":[{"name":"a","amount":{"value":1000}}]}`: "amount.breakdown.subtotal",
	} {
		a := b.call(b.shop, "POST", "/api/v1/merchant/invoices", body)
		if a.status != 400 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
			continue
		}
		p := b.decode(a).(map[string]any)
		if named, _ := p["errors"].(map[string]any); len(named) != 1 || named[field] == nil {
			t.Errorf("%s: errors is %v, want one for %s", body, p["errors"], field)
		}
		if detail := p["detail"].(string); strings.Count(detail, field+": ") > 1 {
			t.Errorf("%s: says the field twice: %s", body, detail)
		}
	}
	b.same(len(get(b, b.want(200, b.shop, "GET", createPath, ""), "items").([]any)), "0")
}

// What the desk finds of a total is named as the version calls it: version 1 has
// no amount.total.
func TestTotalsByTheirName(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct{ v1, v2 string }{
		{`{"amount":{"currencyId":"5057","value":0}}`, `{"currency":"USD","amount":{"total":"0"}}`},
		{`{"amount":{"currencyId":"5057","value":"100000000000000000"}}`, `{"currency":"USD","amount":{"total":"1000000000000000"}}`},
		{`{"amount":{"currencyId":"5057","valueAsDecimal":"10.001"}}`, `{"currency":"USD","amount":{"total":"10.001"}}`},
		{`{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{"value":900},"shipping":{"value":99}}}}`,
			`{"currency":"USD","amount":{"total":"10.00","breakdown":{"subtotal":"9.00","shipping":"0.99"}}}`},
		{`{"amount":{"currencyId":"5057","value":1000,"breakdown":{"subtotal":{"value":1000},"discount":{"value":1}}}}`,
			`{"currency":"USD","amount":{"total":"10.00","breakdown":{"subtotal":"10.00","discount":"0.01"}}}`},
	} {
		b.wantField(b.call(b.shop, "POST", "/api/v2/merchant/invoices", tc.v2), "amount.total")
		b.wantField(b.call(b.shop, "POST", "/api/v1/merchant/invoices", tc.v1), "amount.value")
	}
}

// A client of version 1 is not told to write what would be cents for dollars.
func TestVersion1IsToldOfSmallestUnits(t *testing.T) {
	b := newBench(t)
	for _, body := range []string{
		`{"amount":{"currencyId":"5057"}}`, `{"amount":{"currencyId":"5057","value":"ten"}}`, `{"amount":{"currencyId":"5057","value":"10.50"}}`,
	} {
		a := b.call(b.shop, "POST", "/api/v1/merchant/invoices", body)
		b.wantField(a, "amount.value", "smallest unit")
		if strings.Contains(string(a.body), "10.00") {
			t.Errorf("%s: version 1 counts in cents, and is told %s", body, a.body)
		}
	}
}

// Floating point bends the large numbers more: their last digits are worth more.
func TestLargeFloatsOfVersion1(t *testing.T) {
	b := newBench(t)
	for value, want := range map[string]string{ // what programs make of 123.45678912*1e8, 987654321.01*100, 40000000000.07*100
		"12345678912.000002": "12345678912", "98765432100.99998": "98765432101", "4000000000007.0005": "4000000000007",
	} {
		a := b.call(b.shop, "POST", "/api/v1/merchant/invoices", `{"amount":{"currencyId":"1002","value":`+value+`}}`)
		if a.status != 201 {
			t.Errorf("%s: %d %s", value, a.status, a.body)
			continue
		}
		inv := b.read(b.shop, "v1", get(b, b.decode(a), "invoices", 0, "id").(string))
		b.same(at(b, inv, "amount/value"), want)
	}
}
