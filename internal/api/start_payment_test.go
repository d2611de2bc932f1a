package api_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/paybell/paybell"
)

// buys is a buyer's request: nobody knows who asks.
func (b *bench) buys(method, version, id, end, body string) answer {
	b.Helper()
	return b.call(client{}, method, "/api/"+version+"/invoices/"+id+end, body)
}

// A buyer's page asks for the coins (contract 2.1). It takes no address, and says
// no e-mail address but that of who asks.
func TestStartPayment(t *testing.T) {
	b := newBench(t)
	for _, version := range bothVersions {
		id := b.invoice(b.shop, "")
		for _, body := range []string{"", "{}", "  ", `{"refundEmail":""}`, `{"refundEmail":null}`, `{"unknown":1}`} {
			a := b.buys("POST", version, id, "/payments", body)
			if a.status != 200 {
				t.Fatalf("%q: %d %s", body, a.status, a.body)
			}
			v := b.decode(a)
			b.same(get(b, v, "refundEmail"), "")
			b.same(get(b, v, "paymentId"), id)
			b.same(get(b, v, "paymentCurrencies", 0, "currency", "id"), "1002")
			b.same(get(b, v, "paymentCurrencies", 0, "isDisabled"), "false")
			b.same(len(get(b, v, "paymentCurrencies").([]any)), "1")
		}
		inv := b.read(b.shop, version, id)
		b.same(inv["payments"], "[]")
		b.same(inv["status"], "unpaid")

		said := func(email string) answer {
			return b.buys("POST", version, id, "/payments", `{"refundEmail":"`+email+`"}`)
		}
		for range 2 { // the same again is fine
			a := said("ada@b.c")
			b.same(a.status, "200")
			b.same(get(b, b.decode(a), "refundEmail"), "ada@b.c")
		}
		other := said("bob@b.c")
		b.wantProblem(other, 409, "another e-mail address")
		for _, a := range []answer{other, b.buys("POST", version, id, "/payments", ""), said(""), b.buys("GET", version, id, "/payment-currencies/1002", "")} {
			if strings.Contains(string(a.body), "ada@") {
				t.Errorf("who has the link is told the first's address: %s", a.body)
			}
		}
		b.same(said("ada@b.c").status, "200")

		for _, bad := range []string{"nobody", "@b.c", "a@", "a b@c.d", strings.Repeat("x", 251) + "@b.c"} {
			b.wantField(said(bad), "refundEmail")
		}
		b.wantProblem(b.buys("POST", version, id, "/payments", `{"refundEmail":[]}`), 400, "refundEmail", "string")
		b.wantProblem(b.buys("POST", version, id, "/payments", `[]`), 400, "object")
		b.wantProblem(b.buys("POST", version, id, "/payments", `{`), 400, "JSON")
		b.wantProblem(b.buys("POST", version, "x", "/payments", ""), 404)
		b.wantProblem(b.buys("POST", version, paybell.DashedClientID(paybell.NewClientID()), "/payments", `{"refundEmail":"ada@b.c"}`), 404)

		// The merchant sees it, once a coin is chosen.
		b.same(at(b, b.read(b.shop, version, id), "payments/0/refundEmail"), "ada@b.c")
	}
}

// The coin that was chosen has its locked price and time, the merchant's own
// address is not told, and a closed invoice takes none.
func TestStartPaymentLater(t *testing.T) {
	b := newBench(t)
	for _, version := range bothVersions {
		id := b.invoice(b.shop, `,"payment":{"refundEmail":"merchant-said@b.c","paymentCurrency":"LTCT"}`)
		asked := b.buys("POST", version, id, "/payments", "")
		pick := b.want(200, client{}, "GET", "/api/v1/invoices/"+id+"/payment-currencies/1002", "")
		payment := at(b, b.read(b.shop, "v1", id), "payments/0/id")
		v := b.decode(asked)
		b.same(get(b, v, "expires"), fmt.Sprint(get(b, pick, "expires")))
		b.same(get(b, v, "paymentId"), fmt.Sprint(payment))
		b.same(get(b, v, "refundEmail"), "")
		other := b.buys("POST", version, id, "/payments", `{"refundEmail":"buyer@b.c"}`)
		b.wantProblem(other, 409)
		for _, a := range []answer{asked, other} {
			if strings.Contains(string(a.body), "merchant-said") {
				t.Errorf("the merchant's is told: %s", a.body)
			}
		}
		b.same(b.buys("POST", version, id, "/payments", `{"refundEmail":"merchant-said@b.c"}`).status, "200")

		closed := b.invoice(b.shop, "")
		b.want(200, b.shop, "POST", createPath+"/"+closed+"/cancel", "")
		b.wantProblem(b.buys("POST", version, closed, "/payments", `{"refundEmail":"buyer@b.c"}`), 409, "cancelled")
		b.same(b.read(b.shop, version, closed)["payments"], "[]")
	}
}

// A buyer may choose the coin first. The merchant, who is to send a refund, reads
// the address all the same.
func TestRefundEmailAfterTheCoin(t *testing.T) {
	b := newBench(t)
	hook := get(b, b.want(200, b.shop, "POST", hooksPath(b.shop), `{"notificationsUrl":"https://shop.example/","notifications":["invoicePaid"]}`), "id").(string)
	id := b.invoice(b.shop, `,"payment":{"paymentCurrency":"LTCT"}`)
	b.same(b.buys("POST", "v1", id, "/payments", `{"refundEmail":"ada@b.c"}`).status, "200")
	for _, version := range bothVersions {
		b.same(at(b, b.read(b.shop, version, id), "payments/0/refundEmail"), "ada@b.c")
	}
	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "")
	b.watch()
	b.same(at(b, b.told(hook)[0], "invoice/payments/0/refundEmail"), "ada@b.c")
}

// Of two who say different addresses at once, one is heard.
func TestRefundEmailsAtOnce(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	answers := make([]answer, 10)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = b.buys("POST", "v1", id, "/payments", fmt.Sprintf(`{"refundEmail":"buyer%d@b.c"}`, i))
		})
	}
	wg.Wait()
	heard := -1
	for i, a := range answers {
		if a.status == 200 && heard < 0 {
			heard = i
		} else if a.status != 409 {
			t.Errorf("buyer %d: %d %s", i, a.status, a.body)
		}
	}
	b.want(200, client{}, "GET", "/api/v1/invoices/"+id+"/payment-currencies/1002", "")
	b.same(at(b, b.read(b.shop, "v1", id), "payments/0/refundEmail"), fmt.Sprintf("buyer%d@b.c", heard))
}

// A buyer says who they are, once, on an invoice that asks for it.
func TestUpdateBuyer(t *testing.T) {
	b := newBench(t)
	const ada = `{"buyer":{"companyName":"Engines","name":{"firstName":"Ada","lastName":"L"},"emailAddress":"ada@b.c"}}`
	const bob = `{"buyer":{"name":{"firstName":"Bob"}}}`
	hook := get(b, b.want(200, b.shop, "POST", hooksPath(b.shop), `{"notificationsUrl":"https://shop.example/","notifications":["invoiceCancelled"]}`), "id").(string)
	for i, version := range bothVersions {
		for _, asks := range []string{`,"requireBuyerNameAndEmail":true`, `,"buyerDataCollectionMessage":"who are you?"`} {
			id := b.invoice(b.shop, asks)
			for range 2 { // the same again is fine
				if a := b.buys("PUT", version, id, "", ada); a.status != 200 || len(a.body) != 0 {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			b.wantProblem(b.buys("PUT", version, id, "", bob), 409, "already")
			inv := b.read(b.shop, version, id)
			b.same(at(b, inv, "buyer/name"), "map[firstName:Ada lastName:L]")
			b.same(at(b, inv, "buyer/companyName"), "Engines")
			b.same(at(b, inv, "buyer/emailAddress"), "ada@b.c")
			b.same(at(b, inv, "buyer/hasData"), "true")
			b.same(at(b, inv, "shipping"), "<nil>")
			b.same(at(b, inv, "paybell/version"), "1") // nothing happened to the invoice
			b.same(len(b.list(b.shop, "?q=ada+engines+"+id)), "1")
		}

		closed := b.invoice(b.shop, `,"requireBuyerNameAndEmail":true`)
		b.same(b.buys("PUT", version, closed, "", ada).status, "200")
		b.want(200, b.shop, "POST", createPath+"/"+closed+"/cancel", "")
		b.wantProblem(b.buys("PUT", version, closed, "", bob), 409, "cancelled")
		b.same(at(b, b.told(hook)[i], "invoice/buyer/firstName"), "Ada") // what is told next has it

		silent := b.invoice(b.shop, `,"notesToRecipient":"who are you?"`)
		b.wantProblem(b.buys("PUT", version, silent, "", ada), 409, "does not ask")
		b.same(b.read(b.shop, version, silent)["buyer"], "<nil>")

		given := b.invoice(b.shop, `,"requireBuyerNameAndEmail":true,"buyer":{"name":{"firstName":"Merchant's"}}`)
		b.wantProblem(b.buys("PUT", version, given, "", ada), 409, "already")
		b.same(at(b, b.read(b.shop, version, given), "buyer/name/firstName"), "Merchant's")

		open := b.invoice(b.shop, `,"requireBuyerNameAndEmail":true`)
		for _, nobody := range []string{`{}`, `{"buyer":null}`, `{"buyer":{}}`, `{"buyer":""}`, `{"buyer":[],"shipping":{"name":{}}}`, `{"buyer":{"hasData":true}}`} {
			b.wantField(b.buys("PUT", version, open, "", nobody), "buyer")
		}
		b.wantProblem(b.buys("PUT", version, open, "", ""), 400, "missing")
		b.wantProblem(b.buys("PUT", version, open, "", `[]`), 400, "object")
		b.wantProblem(b.buys("PUT", version, "x", "", ada), 404)
		b.wantProblem(b.buys("PUT", version, paybell.DashedClientID(paybell.NewClientID()), "", ada), 404)
		for _, who := range []string{"buyer", "shipping"} {
			for field, bad := range map[string]string{
				"phoneNumber": `"1a2"`, "address.countryCode": `"de"`, "companyName": strconv.Quote(strings.Repeat("é", 255)),
				"name.firstName": strconv.Quote(strings.Repeat("x", 255)), "name.lastName": strconv.Quote(strings.Repeat("x", 255)),
				"emailAddress": strconv.Quote(strings.Repeat("x", 255)), "address.address1": strconv.Quote(strings.Repeat("x", 255)),
				"address.address2": strconv.Quote(strings.Repeat("x", 255)), "address.address3": strconv.Quote(strings.Repeat("x", 255)),
				"address.provinceOrState": strconv.Quote(strings.Repeat("x", 255)), "address.city": strconv.Quote(strings.Repeat("x", 255)),
				"address.suburbOrDistrict": strconv.Quote(strings.Repeat("x", 255)), "address.postalCode": strconv.Quote(strings.Repeat("x", 255)),
				"method": strconv.Quote(strings.Repeat("x", 128)),
			} {
				body := bad
				steps := strings.Split(who+"."+field, ".")
				for i := len(steps) - 1; i >= 0; i-- {
					body = fmt.Sprintf(`{%q:%s}`, steps[i], body)
				}
				b.wantField(b.buys("PUT", version, open, "", body), who+"."+field)
			}
		}
		b.same(b.read(b.shop, version, open)["buyer"], "<nil>")
		b.same(b.buys("PUT", version, open, "", `{"buyer":{"companyName":`+strconv.Quote(strings.Repeat("é", 254))+`}}`).status, "200")
	}
}

// Who buys and where to ship to may be said one after the other, each once.
func TestUpdateBuyerInTwoSteps(t *testing.T) {
	b := newBench(t)
	const buyer, shipping = `{"buyer":{"name":{"firstName":"Ada"}}}`, `{"shipping":{"address":{"city":"Turin"}}}`
	id := b.invoice(b.shop, `,"requireBuyerNameAndEmail":true`)
	b.same(b.buys("PUT", "v1", id, "", buyer).status, "200")
	b.same(b.buys("PUT", "v1", id, "", shipping).status, "200")
	b.wantProblem(b.buys("PUT", "v1", id, "", `{"shipping":{"address":{"city":"London"}}}`), 409)
	inv := b.read(b.shop, "v1", id)
	b.same(at(b, inv, "buyer/name/firstName"), "Ada")
	b.same(at(b, inv, "shipping/address/city"), "Turin")

	// Whoever does not know whether it arrived says it again.
	for _, again := range []string{buyer, shipping, `{"buyer":{"name":{"firstName":"Ada"}},"shipping":{"address":{"city":"Turin"}}}`} {
		if a := b.buys("PUT", "v1", id, "", again); a.status != 200 {
			t.Errorf("the same again, %s: %d %s", again, a.status, a.body)
		}
	}
}

// Whoever has the link sees what is to be paid and to whom, and nothing that is
// the merchant's own or tells who buys. The raw answers are searched for what
// was written.
func TestSharedInvoice(t *testing.T) {
	b := newBench(t)
	hidden := []string{
		"for ourselves", "plugin:whmcs_8", "https://shop\"", "whmcsInvoiceId", "hostHash", "é", "info@test.com", "PO1", "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
		"to@b.c", "cc@b.c", "bcc@b.c", "https://shop.example/hook",
		"buyer's company", "buyer's first", "buyer's last", "buyer@b.c", "+1 (2)", `"b1"`, `"b2"`, `"b3"`, `"bp"`, `"bc"`, `"bs"`, `"DE"`, `"bpc"`,
		"by ship", "shipping's company", "shipping's first", "shipping's last", "shipping@b.c", "-3.4", `"s1"`, `"s2"`, `"s3"`, `"sp"`, `"sc"`, `"ss"`, `"FR"`, `"spc"`,
		b.shop.id, paybell.DashedClientID(b.shop.id), b.shop.secret, "ignored",
	}
	id := get(b, b.want(201, b.shop, "POST", createPath, rich("v2", b.shop)), "invoices", 0, "id").(string)
	mine := string(b.call(b.shop, "GET", createPath+"/"+id+"?include_full_details=true", "").body)
	for _, text := range hidden[:7] {
		if !strings.Contains(mine, text) {
			t.Errorf("the merchant is not shown %q: what is searched for is not what was written", text)
		}
	}
	for _, paid := range []bool{false, true} {
		if paid {
			b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "")
			b.watch()
		}
		for _, version := range bothVersions {
			for _, path := range []string{
				"GET /shared-invoices/" + id, "GET /shared-invoices/" + id + "?include_full_details=true", "POST /invoices/" + id + "/payments",
				"GET /invoices/" + id + "/payment-currencies/1002", "GET /invoices/" + id + "/payment-currencies/1002/status",
			} {
				method, path, _ := strings.Cut(path, " ")
				a := b.call(client{}, method, "/api/"+version+path, "")
				if a.status != 200 {
					t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
				}
				for _, text := range hidden {
					if strings.Contains(string(a.body), text) {
						t.Errorf("%s %s %s shows %q: %s", version, method, path, text, a.body)
					}
				}
			}
			inv := b.want(200, client{}, "GET", "/api/"+version+"/shared-invoices/"+id, "").(map[string]any)
			for key, want := range map[string]string{
				"invoiceId": "WHMCS_42", "description": "what for", "notesToRecipient": "for you", "termsAndConditions": "the terms", "buyerDataCollectionMessage": "who are you",
				"successUrl": "https://shop.example/ok?a=1&b=2", "requireBuyerNameAndEmail": "true", "hideShoppingCart": "true", "notes": "<nil>", "customData": "<nil>",
			} {
				b.same(inv[key], want)
			}
			b.same(at(b, inv, "buyer/hasData"), "true")
			b.same(at(b, inv, "shipping/hasData"), "true")
			b.same(at(b, inv, "merchant/name"), "One")
			b.same(at(b, inv, "payments/0/refundEmail"), "<nil>")
			b.same(at(b, inv, "items/0/name"), "Invoice #42 ☕")
			b.same(inv["amount"], fmt.Sprint(b.read(b.shop, version, id)["amount"]))
		}
	}
	bare := b.want(200, client{}, "GET", "/api/v1/shared-invoices/"+b.invoice(b.shop, ""), "")
	b.same(at(b, bare, "buyer/hasData"), "false")
	b.same(at(b, bare, "shipping/hasData"), "false")
	b.wantProblem(b.call(client{}, "GET", "/api/v1/shared-invoices/x", ""), 404)
	b.wantProblem(b.call(client{}, "GET", "/api/v1/shared-invoices/"+paybell.DashedClientID(paybell.NewClientID()), ""), 404)
	// And the merchant's copy is whole.
	if after := string(b.call(b.shop, "GET", createPath+"/"+id+"?include_full_details=true", "").body); !strings.Contains(after, "for ourselves") {
		t.Errorf("the merchant's own is gone: %s", after)
	}
}

// The merchant's address is shown to buyers only if the merchant shows it.
func TestSharedInvoiceShowsTheMerchantsEmail(t *testing.T) {
	b := newBench(t)
	m, err := b.desk.CreateMerchant(b.Context(), "With an address", "merchant@b.c")
	must(t, err)
	c := b.client(m.ID)
	for options, want := range map[string]string{"": "merchant@b.c", `,"merchantOptions":{"showEmail":true}`: "merchant@b.c", `,"merchantOptions":{"showEmail":false}`: "<nil>"} {
		for _, version := range bothVersions {
			v := b.want(200, client{}, "GET", "/api/"+version+"/shared-invoices/"+b.invoice(c, options), "")
			b.same(at(b, v, "merchant/email"), want)
		}
	}
}
