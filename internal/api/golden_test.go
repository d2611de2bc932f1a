package api_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
)

// The samples are those of the contract, with what it abbreviates to "…" written
// out. An answer must have the same keys with the same JSON types. What we add,
// and what is null since Paybell does not have it, is named beside the call.

// 2.3
const currencySample = `{"id":"1002","type":"crypto","symbol":"LTCT","name":"Litecoin Testnet","logo":{"imageUrl":"x","vectorUrl":"x"},
 "decimalPlaces":8,"rank":1,"status":"active","capabilities":["payments"],"urls":{"websites":["x"],"explorers":["x"]},
 "requiredConfirmations":3,"isEnabledForPayment":true}`

// 3.4
const moneySample = `{"displayValue":"0.1 BTC","value":"10000000","currencyId":"1","valueAsDecimal":0.1}`

// 3.6: money + currencySymbol
const taggedSample = `{"currencySymbol":"BTC","displayValue":"0.1 BTC","value":"10000000","currencyId":"1","valueAsDecimal":0.1}`

const dueSample = `{"rate":0.0089,"breakdown":[],"displayValue":"1.09867125","value":"109867125","currencyId":"1002","valueAsDecimal":1.09867125}`

// 3.5
const addressSample = `{"currency":{"id":"1002","symbol":"LTCT","name":"Litecoin Testnet","decimalPlaces":8},
 "amount":{"rate":0.0089,"breakdown":[],"displayValue":"1.09867125","value":"109867125","currencyId":"1002","valueAsDecimal":1.09867125},
 "remainingAmount":{"displayValue":"1.09867125","value":"109867125","currencyId":"1002","valueAsDecimal":1.09867125},
 "addresses":{"address":"mxSomething","biP21":"litecoin:mxSomething?amount=1.09867125"},
 "expires":"2026-01-02T04:04:05Z"}`

// 3.5
const statusSample = `{"created":"…","expires":"…","status":"pending","partialAcceptAvailable":false,
 "payment":{"currencyId":1002,"confirmations":1,"requiredConfirmations":3,
  "confirmedAmount":` + moneySample + `,"unconfirmedAmount":` + moneySample + `,"expectedAmount":` + moneySample + `,"remainingAmount":` + moneySample + `}}`

// 2.6
const pagingSample = `{"cursors":{"before":"x","after":"x"},"limit":1,"first":"x","next":"x","previous":"x","last":"x"}`

// 2.2; our own is paybell, without the brackets at its end.
const webhookSample = `{"id":"wLKBuD6h3Vama4mGDqHeF","notificationsUrl":"x","notifications":["x"],"createdFromUI":true,
 "paybell":{"state":"x","reason":"x","since":"x","retrySchedule":[5]}`

// Our own: how a merchant server is.
const endpointSample = `{"endpoint":"x","state":"x","reason":"x","failingSince":"x","failures":0,"pausedUntil":"x","disabledAt":"x","oldestWaiting":"x","waitingSeconds":0}`

// Our own: a job that sends again.
const resendSample = `{"id":"x","webhookId":"x","endpoint":"x","what":"x","state":"x","total":1,"done":1,"created":"x","finished":"x"}`

// Our own: one request, and all that is known of one notification and one webhook.
const (
	attemptSample = `{"number":1,"started":"x","dnsMs":1.5,"connectMs":1.5,"tlsMs":1.5,"firstByteMs":1.5,"totalMs":1.5,"status":200,"answer":"x","failure":"x"}`
	storySample   = `{"notificationId":"x","event":"x","invoiceId":"x","version":1,"created":"x","match":"x","sequence":"x","state":"x","outOfOrder":true,
 "attempts":[` + attemptSample + `],"due":"x","next":"x","endpointState":"x"}`
)

// 2.2; our own are paybell, and on creation the secret.
const clientSample = `{"clientId":"x","name":"x","integration":"x","state":"active","storeUrl":"x","allowedIps":"x",
 "paybell":{"permissions":["x"],"eventNames":"x","created":"x"}`

// 2.4; our own is paybell, and there are no balances and no address.
const walletSample = `{"walletId":"x","walletType":"x","currencyId":"2","isActive":true,"isLocked":false,"label":"x","depositAddress":"x",
 "confirmedBalance":` + moneySample + `,"unconfirmedBalance":` + moneySample + `,"paybell":{"kind":"x","fingerprint":"x","created":"x","removed":"x",
 "nextIndex":1,"gap":0,"gapTooWide":false,"policy":{"paid":0,"completed":[{"from":"0.5","confirmations":1}]},"policyInWords":["x"],
 "network":{"name":"x","chain":"x","test":true,"height":1,"scanned":"x","delayed":true,"trouble":"x"}}}`

// Our own: a wallet before it is added.
const previewSample = `{"currencyId":"2","chain":"x","test":false,"kind":"x","key":"x","addresses":["x"],"first":0,"checked":true}`

// What the two versions write differently: $money is an amount of an invoice or
// a payout, $tagged one of a payment, $number a sum of fees (3.6: total and gross
// are numbers in version 1), $total what an invoice comes to. $offered are the
// amounts of a coin that can be chosen and $due that of the chosen one: in version
// 2 "the three amounts are plain decimal strings" (3.4).
var inVersion = map[string]*strings.Replacer{
	"v1": strings.NewReplacer("$money", moneySample, "$tagged", taggedSample, "$number", "1.5",
		"$total", `{"breakdown":{"subtotal":`+moneySample+`,"shipping":`+moneySample+`,"handling":`+moneySample+`,"taxTotal":`+moneySample+`,
			"discount":`+moneySample+`},"currencyId":"5057","displayValue":"123.45","value":"12345","valueAsDecimal":123.45}`,
		"$wallet", addressSample,
		"$offer", `{"currency":`+currencySample+`,"isDisabled":false,"amount":`+dueSample+`,"nativePreferredAmount":`+dueSample+`,
			"approximateNetworkAmount":`+moneySample+`,"approximateNetworkInNativeCurrencyAmount":`+moneySample+`,"remainingAmount":`+moneySample+`}`),
	"v2": strings.NewReplacer("$money", `"10.00"`, "$tagged", `"10.00"`, "$number", `"10.00"`,
		"$total", `{"breakdown":{"subtotal":"10.00","shipping":"0","handling":"0","taxTotal":"0","discount":"0"},"total":"10.00"}`,
		"$wallet", `{"currency":{"id":"1002","symbol":"LTCT","name":"Litecoin Testnet","decimalPlaces":8},"amount":"1.09867125","remainingAmount":"1.09867125",
			"addresses":{"address":"mxSomething","biP21":"litecoin:mxSomething?amount=1.09867125"},"expires":"2026-01-02T04:04:05Z"}`,
		"$offer", `{"currency":`+currencySample+`,"isDisabled":false,"amount":"1.09867125","approximateNetworkAmount":"0.1","remainingAmount":"0.1"}`),
}

// 3.4
const offersSample = `{"paymentId":"…","expires":"2026-01-02T04:04:05Z","refundEmail":"info@test.com","paymentCurrencies":[$offer]}`

const createSample = `{"invoices":[{
  "id":"2008d68d-0f66-44ec-8500-68d054b882b9",
  "link":"https://…/invoices/…",
  "checkoutLink":"https://a-checkout.coinpayments.net/checkout/?invoice-id=2008d68d-0f66-44ec-8500-68d054b882b9",
  "payment":` + offersSample + `,
  "hotWallet":$wallet}]}`

const addressOfPersonSample = `{"address1":"x","address2":"x","address3":"x","provinceOrState":"x","city":"x","suburbOrDistrict":"x","countryCode":"DE","postalCode":"x"}`

const personSample = `{"companyName":"x","name":{"firstName":"x","lastName":"x"},"emailAddress":"x","phoneNumber":"x","address":` + addressOfPersonSample

const feesSample = `{"paymentSubTotal":$tagged,"merchantMarkupOrDiscount":$tagged,
 "buyerFee":{"coinPaymentsFee":$tagged,"networkFee":$tagged,"conversionFee":$tagged,"total":$number},
 "merchantFee":{"coinPaymentsFee":$tagged,"networkFee":$tagged,"conversionFee":$tagged,"total":$number},"gross":$number}`

const paymentsSample = `[{"expectedAmount":$tagged,"nativeExpectedAmount":$tagged,"actualAmount":$tagged,"nativeActualAmount":$tagged,
 "paymentAddress":"x","errorCode":null,"fees":` + feesSample + `,"nativeFees":` + feesSample + `,"payout":null,"nativePayout":null,
 "refundEmail":"x","state":"x","isActive":true,"pendingAt":"x","confirmedAt":"x","completedAt":"x","confirmations":0,"requiredConfirmations":3,
 "paymentCurrencyId":"x","paymentCurrencySymbol":"x","nativeCurrencyId":"x","nativeCurrencySymbol":"x"}]`

// 3.6, the common part of an invoice and of its place in the list
const headSample = `"id":"x","invoiceId":"x","invoiceIdSuffix":null,"created":"x","invoiceDate":"x","dueDate":"x","confirmed":"x","completed":"x",
 "cancelled":"x","expires":"x","currency":{"id":"x","symbol":"x","name":"x","token":null,"logo":{"imageUrl":"x","vectorUrl":"x"},"decimalPlaces":2},
 "buyer":` + personSample + `,"hasData":true},"description":"x","notes":"x","notesToRecipient":"x",
 "emailDelivery":{"to":"x","cc":"x","bcc":"x"},"isEmailDelivery":false,"status":"unpaid","partialAcceptAvailable":false,"isLifeTimeFinished":false,
 "payments":` + paymentsSample

// 3.6
const payoutsSample = `{"paidTransactions":[{"hash":"x","amount":$money,"conversionId":1}],"paidDate":"x","completedTxId":"x","externalAddress":"x",
 "destinationCurrencyId":"x","destinationWalletId":"x","expectedDisplayValue":"x","sourceCurrencyId":"x","isConversion":false,"conversionProgress":null,
 "settlementModeErrorCode":0,"destinationAmount":{"amount":$money,"nativeAmount":$money},"receivedBlockchainTxId":"x",
 "items":[{"currency":` + currencySample + `,"merchantFees":{"transactionFee":$money,"networkFee":$money,"conversionFee":$money},"payoutAmount":$money,
  "payoutAmountInInvoiceCurrency":$money,"merchantPayoutAddress":"x","created":"x","sent":"x","expected":"x","confirmed":"x","state":"x"}],
 "paging":` + pagingSample + `}`

// 3.6, with full details
const invoiceSample = `{` + headSample + `,
 "shipping":` + personSample + `,"hasData":true,"method":"x"},"metadata":{"integration":"x","hostname":"x"},
 "merchant":{"id":"x","name":"x","uboName":"x","websiteUrl":"x","country":"x","logoUrl":"x","email":"x","address":"x","phone":"x",
   "description":"x","registrationNumber":"x"},
 "merchantOptions":{"showAddress":true,"showEmail":true,"showPhone":true,"showRegistrationNumber":true,"showTaxId":true,"additionalInfo":"x"},
 "customData":{"whmcsInvoiceId":"x","hostHash":"x"},"termsAndConditions":"x","buyerDataCollectionMessage":"x","requireBuyerNameAndEmail":true,"poNumber":"x",
 "items":[{"customId":"x","sku":"x","name":"x","description":"x","quantity":{"value":1,"type":"quantity"},"originalAmount":$money,"amount":$money,"tax":$money}],
 "amount":$total,"payoutDetails":` + payoutsSample + `,"hideShoppingCart":false,"successUrl":"x","cancelUrl":"x","payoutOverrides":[]}`

// 3.6, MerchantInvoiceSummaryDto: the amount is money in both versions.
const listSample = `{"items":[{` + headSample + `,"shipping":{"address":` + addressOfPersonSample + `},"metadata":{"integration":"x"},"amount":` + taggedSample + `}],
 "paging":` + pagingSample + `}`

// What we add to an invoice wherever it is.
var extraHead = []string{"/state", "/paybell", "/paybell/clientId", "/paybell/version", "/paybell/flags", "/paybell/test", "/payments/0/id"}

// And to a whole one: what was given on creation comes back.
var extraInvoice = append([]string{"/useCoinReservation", "/isSimpleQR", "/affiliateId"}, extraHead...)

// What is null in an invoice since there is no such thing here.
var (
	nullHead   = []string{"?/currency/logo/imageUrl", "?/currency/logo/vectorUrl"}
	nullPaging = []string{"?/paging/cursors/before", "?/paging/cursors/after", "?/paging/next", "?/paging/previous", "?/paging/last"}
	nullLogo   = []string{"?/logo/imageUrl", "?/logo/vectorUrl", "?/urls/websites/0", "?/urls/explorers/0"}
	nullPayout = append([]string{"?/paidTransactions/0/conversionId", "?/destinationWalletId", "?/settlementModeErrorCode", "?/items/0/expected"},
		prefixed("/items/0/currency", nullLogo)...)
	nullMerchant = []string{"?/merchant/uboName", "?/merchant/websiteUrl", "?/merchant/country", "?/merchant/logoUrl", "?/merchant/email",
		"?/merchant/address", "?/merchant/phone", "?/merchant/description", "?/merchant/registrationNumber"}
	nullUnpaid    = []string{"?/confirmed", "?/completed", "?/cancelled", "?/payments/0/pendingAt", "?/payments/0/confirmedAt", "?/payments/0/completedAt"}
	nullCompleted = []string{"?/cancelled"}
)

// extraOffers is the same of the coins that can be chosen. Version 2 has all
// amounts that version 1 has.
var extraOffers = append(prefixed("/paymentCurrencies/0", []string{"/nativePreferredAmount", "/nativePreferredAmount/rate", "/nativePreferredAmount/breakdown",
	"/nativePreferredAmount/displayValue", "/nativePreferredAmount/value", "/nativePreferredAmount/currencyId", "/nativePreferredAmount/valueAsDecimal",
	"/approximateNetworkInNativeCurrencyAmount"}), prefixed("/paymentCurrencies/0/currency", nullLogo)...)

// richCommon has every field that the bodies of both versions have (3.3) but
// their money, and some that are unknown. Each text is there once.
const richCommon = `"clientId":"CLIENT","invoiceId":"WHMCS_42",
 "isEmailDelivery":false,"draft":false,"refundEmail":"ignored","unknown":{"deep":[1]},
 "metadata":{"integration":"plugin:whmcs_8","hostname":"https://shop"},
 "customData":{"whmcsInvoiceId":"42","hostHash":"<&>é"},
 "successUrl":"https://shop.example/ok?a=1&b=2","cancelUrl":"https://shop.example/no",
 "webhooks":[{"notificationsUrl":"https://shop.example/hook","notifications":["invoicePaid","invoiceCancelled"]}],
 "buyer":{"companyName":"buyer's company","name":{"firstName":"buyer's first","lastName":"buyer's last"},"emailAddress":"buyer@b.c","phoneNumber":"+1 (2)",
   "address":{"address1":"b1","address2":"b2","address3":"b3","provinceOrState":"bp","city":"bc","suburbOrDistrict":"bs","countryCode":"DE","postalCode":"bpc"}},
 "shipping":{"method":"by ship","companyName":"shipping's company","name":{"firstName":"shipping's first","lastName":"shipping's last"},
   "emailAddress":"shipping@b.c","phoneNumber":"-3.4",
   "address":{"address1":"s1","address2":"s2","address3":"s3","provinceOrState":"sp","city":"sc","suburbOrDistrict":"ss","countryCode":"FR","postalCode":"spc"}},
 "description":"what for","notes":"for ourselves","notesToRecipient":"for you","termsAndConditions":"the terms","buyerDataCollectionMessage":"who are you",
 "requireBuyerNameAndEmail":true,"useCoinReservation":true,"hideShoppingCart":true,"isSimpleQR":true,
 "emailDelivery":{"to":"to@b.c;to2@b.c","cc":"cc@b.c","bcc":"bcc@b.c"},
 "merchantOptions":{"showAddress":true,"showEmail":false,"showPhone":true,"showRegistrationNumber":true,"showTaxId":true,"additionalInfo":"ring twice"},
 "affiliateId":"3f2504e0-4f89-41d3-9a0c-0305e82c3301",
 "poNumber":"PO1","invoiceDate":"2026-01-02T00:00:00Z","dueDate":"2026-02-03T04:05:06Z",
 "payment":{"refundEmail":"info@test.com","paymentCurrency":"1002"}`

// richBody is the same bill in one of the versions: 3.2, 3.3.
var richBody = map[string]string{
	"v1": `{` + richCommon + `,
 "items":[{"customId":"one","sku":"sku one","name":"Invoice #42 ☕","description":"the first","quantity":{"value":2,"type":1},
           "originalAmount":{"currencyId":"5057","value":"1200"},"amount":{"currencyId":"5057","value":"900"},"tax":{"currencyId":"5057","value":"50"}},
          {"customId":"two","sku":"sku two","name":"another","description":"the second","quantity":{"value":3,"type":2},
           "originalAmount":{"currencyId":"5057","value":"101"},"amount":{"currencyId":"5057","value":"100"},"tax":{"currencyId":"5057","value":"0"}}],
 "amount":{"currencyId":"5057","value":"1000","displayValue":"10.00","breakdown":{
   "subtotal":{"currencyId":"5057","value":"1000"},"shipping":{"currencyId":"5057","value":"110"},"handling":{"currencyId":"5057","value":"40"},
   "taxTotal":{"currencyId":"5057","value":"50"},"discount":{"currencyId":"5057","value":"200"}}}}`,
	"v2": `{` + richCommon + `,"currency":"5057",
 "items":[{"customId":"one","sku":"sku one","name":"Invoice #42 ☕","description":"the first","quantity":{"value":2,"type":"hours"},
           "originalAmount":"12.00","amount":"9.00","tax":"0.50"},
          {"customId":"two","sku":"sku two","name":"another","description":"the second","quantity":{"value":3,"type":"quantity"},
           "originalAmount":"1.01","amount":"1.00","tax":"0.00"}],
 "amount":{"breakdown":{"subtotal":"10.00","shipping":"1.10","handling":"0.40","taxTotal":"0.50","discount":"2.00"},"total":"10.00"}}`,
}

// rich is richBody as c sends it.
func rich(version string, c client) string {
	return strings.Replace(richBody[version], "CLIENT", c.id, 1)
}

var bothVersions = []string{"v1", "v2"}

// goldens asks every route and remembers which.
type goldens struct {
	*bench
	mux     *http.ServeMux // of the routes' patterns
	covered map[string]bool
	token   string            // of a person of the shop's merchant
	created map[string]string // version -> id of an invoice that has a coin and no money
	paid    string            // id of one that is completed
	bare    string            // of one that has nothing but an amount
}

func newGoldens(t *testing.T) *goldens {
	b := newBench(t)
	g := &goldens{bench: b, mux: http.NewServeMux(), covered: map[string]bool{}, token: b.newAccountToken(b.shop), created: map[string]string{}}
	for pattern := range b.api.Patterns() {
		g.mux.Handle(pattern, http.NotFoundHandler())
	}
	g.bare = b.invoice(b.shop, "")
	b.webhook(b.shop)
	return g
}

// ask sends a request as its route wants it: signed, with a token, or as anybody.
func (g *goldens) ask(status int, call, body string) (a answer) {
	g.Helper()
	method, path, _ := strings.Cut(call, " ")
	_, pattern := g.mux.Handler(g.request(client{}, method, path, body))
	switch g.covered[pattern] = true; g.api.Patterns()[pattern] {
	case "signed":
		a = g.call(g.shop, method, path, body)
	case "account":
		a = g.callWithToken(g.token, method, path, body)
	default:
		a = g.call(client{}, method, path, body)
	}
	if a.status != status {
		g.Fatalf("%s: %d %s, want %d", call, a.status, a.body, status)
	}
	return a
}

// nameOf is a call without the ids that are new each time.
func (g *goldens) nameOf(call string) string {
	for id, name := range map[string]string{
		g.created["v1"]: "of-v1", g.created["v2"]: "of-v2", g.paid: "paid", g.bare: "bare", g.shop.id: "shop",
	} {
		if id != "" {
			call = strings.ReplaceAll(call, id, name)
		}
	}
	return call
}

// sample asks and compares: status is a 2xx.
func (g *goldens) sample(status int, call, body, sample string, extra ...string) (v any) {
	g.Helper()
	g.subtest(g.nameOf(call), func() {
		a := g.ask(status, call, body)
		if kind := a.header.Get("Content-Type"); kind != "application/json" {
			g.Errorf("the content type is %q", kind)
		}
		v = g.decode(a)
		g.goldenWithNulls(v, sample, extra...)
	})
	return v
}

// nothing asks and expects an empty answer.
func (g *goldens) nothing(status int, call, body string) {
	g.Helper()
	g.subtest(g.nameOf(call), func() {
		if a := g.ask(status, call, body); len(a.body) != 0 {
			g.Errorf("answers %s, want nothing", a.body)
		}
	})
}

// Every route there is, in both versions, answers as the contract's sample.
func TestGolden(t *testing.T) {
	g := newGoldens(t)
	g.makesInvoices()
	g.readsInvoices()
	g.buysThings()
	g.managesWebhooks()
	g.managesClients()
	g.managesWallets()
	g.knowsCurrencies()
	g.movesTheSandbox()
	g.endsInvoices()
	for pattern := range g.api.Patterns() {
		if !g.covered[pattern] && !slices.Contains(api.PutOffPatterns(), pattern) { // TestPutOff has those
			t.Errorf("%s has no golden sample", pattern)
		}
	}
}

func (g *goldens) makesInvoices() {
	for _, v := range bothVersions {
		body := rich(v, g.shop)
		if v == "v1" {
			body = strings.Replace(body, `"poNumber":"PO1"`, `"poNumber":"PO0"`, 1)
		}
		created := g.sample(201, "POST /api/"+v+"/merchant/invoices", body, inVersion[v].Replace(createSample), prefixed("/invoices/0/payment", extraOffers)...)
		g.created[v] = get(g.bench, created, "invoices", 0, "id").(string)
	}
	// One of them gets its money.
	body := strings.Replace(rich("v2", g.shop), "PO1", "PO2", 1)
	paid := get(g.bench, g.want(201, g.shop, "POST", createPath, body), "invoices", 0, "id").(string)
	g.want(200, g.shop, "POST", "/api/v1/sandbox/invoices/"+paid+"/pay", "")
	g.want(200, g.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
	g.watch()
	g.paid = paid
}

func (g *goldens) readsInvoices() {
	for _, v := range bothVersions {
		path, sample := "GET /api/"+v+"/merchant/invoices", inVersion[v].Replace(invoiceSample)
		const details = "?include_full_details=true"
		for _, made := range bothVersions {
			g.sample(200, path+"/"+g.created[made]+details, "", sample,
				slices.Concat(extraInvoice, nullHead, nullMerchant, nullUnpaid, []string{"?/payoutDetails"})...)
		}
		g.sample(200, path+"/"+g.paid+details, "", sample,
			slices.Concat(extraInvoice, nullHead, nullMerchant, nullCompleted, prefixed("/payoutDetails", nullPayout), []string{"?/payoutDetails/paging"})...)
		g.subtest("without details", func() {
			plain := g.decode(g.ask(200, path+"/"+g.created[v], "")).(map[string]any)
			if _, there := plain["merchant"]; there {
				g.Error("the merchant is shown without include_full_details")
			}
		})
		inList := slices.Concat(extraHead, nullHead, nullCompleted)
		g.sample(200, path+"?status=completed&limit=1", "", inVersion[v].Replace(listSample),
			append(prefixed("/items/0", inList), "?/paging/cursors/before", "?/paging/previous", "?/paging/last")...)
		g.sample(200, path+"?status=completed", "", inVersion[v].Replace(listSample), append(prefixed("/items/0", inList), nullPaging...)...)

		g.sample(200, path+"/"+g.paid+"/payouts", "", inVersion[v].Replace(payoutsSample), append(slices.Clone(nullPayout), nullPaging...)...)
		none := g.sample(200, path+"/"+g.created[v]+"/payouts", "", inVersion[v].Replace(payoutsSample), append([]string{
			"?/paidDate", "?/completedTxId", "?/externalAddress", "?/destinationCurrencyId", "?/destinationWalletId", "?/expectedDisplayValue",
			"?/sourceCurrencyId", "?/settlementModeErrorCode", "?/destinationAmount", "?/receivedBlockchainTxId", "?/items/0", "?/paidTransactions/0"}, nullPaging...)...)
		g.same(get(g.bench, none, "items"), "[]")
		g.same(get(g.bench, none, "paidTransactions"), "[]")

		g.sample(200, path+"/"+g.paid+"/history", "", `{"items":[{"timestamp":"x","eventType":"x"}],"paging":`+pagingSample+`}`,
			append([]string{"/items/0/paybell", "/items/0/paybell/notificationId", "/items/0/paybell/event", "/items/0/paybell/version"}, nullPaging...)...)
	}
}

func (g *goldens) buysThings() {
	for _, v := range bothVersions {
		path := "/api/" + v + "/invoices/" + g.created[v]
		g.sample(200, "GET "+path+"/payment-currencies/1002", "", addressSample)
		g.sample(200, "GET "+path+"/payment-currencies/1002/status", "", statusSample, "/paybell", "/paybell/delayed")
		g.sample(200, "POST "+path+"/payments", `{"refundEmail":"info@test.com"}`, inVersion[v].Replace(offersSample), extraOffers...)
		g.nothing(200, "PUT "+path, richPeople)
		// What a buyer sees is the invoice without what is not theirs to see.
		g.sample(200, "GET /api/"+v+"/shared-invoices/"+g.created[v], "", inVersion[v].Replace(invoiceSample),
			slices.Concat(extraInvoice, nullHead, nullMerchant, nullUnpaid, hiddenPeople, []string{
				"?/payoutDetails", "?/notes", "?/poNumber", "?/affiliateId", "?/customData", "?/metadata", "?/emailDelivery", "?/payments/0/refundEmail"})...)
	}
}

// richPeople are those of richCommon.
var richPeople = "{" + richCommon[strings.Index(richCommon, `"buyer":`):strings.Index(richCommon, ",\n \"description\"")] + "}"

// hiddenPeople are the keys that a buyer and an address to ship to lack when
// nothing but their existence is told.
var hiddenPeople = []string{
	"-/buyer/companyName", "-/buyer/emailAddress", "-/buyer/phoneNumber", "-/buyer/name/firstName", "-/buyer/name/lastName",
	"-/buyer/address/address1", "-/buyer/address/address2", "-/buyer/address/address3", "-/buyer/address/provinceOrState", "-/buyer/address/city",
	"-/buyer/address/suburbOrDistrict", "-/buyer/address/countryCode", "-/buyer/address/postalCode",
	"-/shipping/method", "-/shipping/companyName", "-/shipping/emailAddress", "-/shipping/phoneNumber", "-/shipping/name/firstName", "-/shipping/name/lastName",
	"-/shipping/address/address1", "-/shipping/address/address2", "-/shipping/address/address3", "-/shipping/address/provinceOrState", "-/shipping/address/city",
	"-/shipping/address/suburbOrDistrict", "-/shipping/address/countryCode", "-/shipping/address/postalCode",
}

func (g *goldens) managesWebhooks() {
	for _, v := range bothVersions {
		path := "/api/" + v + "/merchant/clients/" + g.shop.id + "/webhooks"
		id := get(g.bench, g.sample(200, "POST "+path, hookBody, `{"id":"wLKBuD6h3Vama4mGDqHeF"}`), "id").(string)
		g.sample(200, "GET "+path, "", `{"items":[`+webhookSample+`}],"paging":`+pagingSample+`}`,
			append([]string{"?/items/0/paybell/reason", "?/items/0/paybell/since"}, nullPaging...)...)
		g.sample(200, "PUT "+path+"/"+id, hookBody, `{"id":"wLKBuD6h3Vama4mGDqHeF"}`)
		g.nothing(204, "DELETE "+path+"/"+id, "")
	}
	// What a webhook is told can be read, too. This is our own; the notification is
	// as it is pushed.
	hooks := "/api/v1/merchant/clients/" + g.shop.id + "/webhooks"
	id := get(g.bench, g.want(200, g.shop, "POST", hooks, `{"notificationsUrl":"https://shop.example/","notifications":["invoiceCreated"]}`), "id").(string)
	g.invoice(g.shop, "")
	g.sample(200, "GET "+hooks+"/"+id+"/notifications", "",
		`{"items":[{"sequence":"1.1","state":"pending","attempts":0,"notification":null}],"paging":`+pagingSample+`}`,
		"?/paging/cursors/before", "?/paging/previous", "?/paging/last")
	g.switchesWebhooks(hooks, id)
}

// What is asked of one webhook is our own, in version 1 only.
func (g *goldens) switchesWebhooks(hooks, id string) {
	shop := &storefront{answer: func(visit) response { return response{status: 500, body: "not today"} }}
	g.desk.Wire = deliver.New(g.db, shop, slog.New(slog.DiscardHandler))
	path := hooks + "/" + id
	well := []string{"?/reason", "?/failingSince", "?/pausedUntil", "?/disabledAt"}
	g.sample(200, "POST "+path+"/pause", "", `{"id":"x"}`)
	g.sample(200, "GET "+path, "", webhookSample+`,"endpoint":`+endpointSample+`}`, append(prefixed("/endpoint", well), "?/paybell/reason")...)
	g.sample(200, "POST "+path+"/enable", `{"missed":"skip"}`, resendSample, "?/finished")
	g.sample(200, "POST "+path+"/enable", "", resendSample, "?/finished")
	g.sample(200, "POST "+path+"/test", `{"event":"invoicePaid"}`, attemptSample)
	again := g.sample(202, "POST "+path+"/resend", `{"after":"1.0"}`, resendSample, "?/finished")
	g.sample(200, "POST "+path+"/resend", `{"failedSince":"2026-01-02","dryRun":true}`, `{"total":1}`)

	resends := "/api/v1/merchant/clients/" + g.shop.id + "/resends"
	job := resends + "/" + get(g.bench, again, "id").(string)
	g.sample(200, "POST "+job+"/cancel", "", resendSample)
	g.sample(200, "GET "+job, "", resendSample)
	g.sample(200, "GET "+resends, "", `{"items":[`+resendSample+`],"paging":`+pagingSample+`}`, append([]string{"?/items/0/finished"}, nullPaging...)...)
	g.sample(200, "GET /api/v1/merchant/clients/"+g.shop.id+"/endpoints", "", `{"items":[`+endpointSample+`],"paging":`+pagingSample+`}`,
		slices.Concat(prefixed("/items/0", well), nullPaging)...)
	g.disableEndpoint(g.shop, "https://shop.example:443")
	g.sample(200, "POST /api/v1/merchant/clients/"+g.shop.id+"/endpoints/enable", `{"endpoint":"https://shop.example:443"}`, resendSample, "?/webhookId", "?/finished")
	invoice := get(g.bench, g.want(201, g.shop, "POST", createPath, strings.TrimSuffix(tenUSD, "}")+`,"webhooks":[`+hookBody+`]}`), "invoices", 0, "id").(string)
	g.sample(200, "GET "+hooks+"?invoiceId="+invoice, "", `{"items":[`+webhookSample+`}],"paging":`+pagingSample+`}`,
		append([]string{"?/items/0/paybell/reason", "?/items/0/paybell/since"}, nullPaging...)...)

	told := g.kept(id)[0]
	g.sample(200, "GET "+path+"/notifications/"+told.NotificationID, "", storySample, "?/attempts/0")
	other := g.webhook(g.shop)
	g.sample(200, "GET "+hooks+"/"+other+"/notifications/"+told.NotificationID, "", storySample, "?/sequence", "?/state", "?/due", "?/attempts/0")
}

func (g *goldens) managesClients() {
	const path = "/api/v1/merchant/clients"
	made := g.sample(201, "POST "+path, `{"integration":"woocommerce","name":"the shop","storeUrl":"https://shop.example","allowedIps":["192.0.2.1","2001:db8::/32"]}`,
		clientSample+`,"clientSecret":"x"}`)
	g.same(get(g.bench, made, "allowedIps"), "192.0.2.1,2001:db8::/32")
	id := get(g.bench, made, "clientId").(string)
	g.sample(200, "GET "+path, "", `{"items":[`+clientSample+`}],"paging":`+pagingSample+`}`,
		append([]string{"?/items/0/integration", "?/items/0/storeUrl", "?/items/0/allowedIps"}, nullPaging...)...)
	g.sample(200, "GET "+path+"/"+id, "", clientSample+`}`)
	g.sample(200, "PUT "+path+"/"+id, `{"name":"renamed"}`, clientSample+`}`)
	g.sample(200, "POST "+path+"/"+id+"/secret", "", `{"clientSecret":"x"}`)
	g.sample(200, "GET "+path+"/"+id+"/allowed-ips", "", `{"ipAddresses":["x"]}`)
	g.sample(200, "PUT "+path+"/"+id+"/allowed-ips", `{"ipAddresses":["192.0.2.1"]}`, `{"ipAddresses":["x"]}`)
	g.nothing(204, "DELETE "+path+"/"+id, "")
	for _, v := range bothVersions {
		path := "/api/" + v + "/merchant/clients"
		g.sample(200, "GET "+path+"/access-control", "", `{"flags":["createInvoice","listInvoices"]}`)
		g.sample(200, "POST "+path+"/access-control", `{"flags":["all"]}`, `{"flags":["createInvoice","listInvoices"]}`)
		g.sample(200, "GET "+path+"/ip", "", `"192.0.2.1"`)
		g.sample(200, "GET /api/"+v+"/merchant/wallets?skip=0&take=1", "", `[]`)
		g.sample(200, "GET /api/"+v+"/merchant/currencies", "", `[`+currencySample+`]`, prefixed("/0", nullLogo)...)
	}
}

// managesWallets adds and removes one, so that there is the test coin alone again.
func (g *goldens) managesWallets() {
	g.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
	const path = "/api/v1/merchant/wallets"
	well := []string{"?/depositAddress", "?/confirmedBalance", "?/unconfirmedBalance", "?/paybell/removed", "?/paybell/network/scanned", "?/paybell/network/trouble"}
	g.sample(200, "POST "+path+"/preview", `{"currency":"LTC","key":"pub:zoe"}`, previewSample)
	id := get(g.bench, g.sample(201, "POST "+path, aWallet, walletSample, well...), "walletId").(string)
	g.sample(200, "PUT "+path+"/"+id+"/policy", `{"paid":1,"completed":[{"confirmations":2},{"from":"0.5","confirmations":6}]}`, walletSample, well...)
	for _, v := range bothVersions {
		g.sample(200, "GET /api/"+v+"/merchant/wallets", "", `[`+walletSample+`]`, prefixed("/0", well)...)
		g.sample(200, "GET /api/"+v+"/merchant/wallets/"+id, "", walletSample, well...)
	}
	g.nothing(204, "DELETE "+path+"/"+id, "")
	must(g.T, g.desk.OfferTestCoin(g.Context(), desk.Owner(g.merchantOf(g.shop)), true))
}

func (g *goldens) knowsCurrencies() {
	for _, v := range bothVersions {
		path := "GET /api/" + v + "/currencies"
		g.sample(200, path, "", `[`+currencySample+`]`, prefixed("/0", nullLogo)...)
		g.sample(200, path+"/1002", "", currencySample, nullLogo...)
		g.sample(200, path+"/required-confirmations", "", `[{"currencyId":"x","confirmationsCount":1}]`)
		g.sample(200, path+"/conversions", "", `[]`)
		g.sample(200, path+"/limits/5057/1002", "", `{"min":0.1,"max":1}`)
		g.sample(200, path+"/blockchain-nodes/1002/latest-block-number", "", `{"currencyId":"x","latestBlockNumber":1}`)
		g.sample(200, "GET /api/"+v+"/fees/blockchain/1002", "", moneySample)
		rates := `{"items":[{"baseCurrencyId":"x","quoteCurrencyId":"x","rate":"x","baseToken":"x","quoteToken":"x"}]}`
		g.sample(200, "GET /api/"+v+"/rates?from=USDT.TRC20&to=USDT.ERC20", "", rates)
		g.sample(200, "GET /api/"+v+"/rates?from=5057&to=1002&pointInTime=2026-01-02T03:04:05Z", "", rates, "?/items/0/baseToken", "?/items/0/quoteToken")
	}
}

// The sandbox is our own.
func (g *goldens) movesTheSandbox() {
	const path = "POST /api/v1/sandbox/"
	paid := g.sample(200, path+"invoices/"+g.created["v1"]+"/pay", `{"amount":"0.01"}`, `{"txId":"x"}`)
	other := g.sample(200, path+"transactions/"+get(g.bench, paid, "txId").(string)+"/replace", `{"toInvoice":true}`, `{"txId":"x"}`)
	g.sample(200, path+"transactions/"+get(g.bench, other, "txId").(string)+"/drop", "", `{"txId":"x"}`)
	g.sample(200, path+"mine", `{"blocks":1}`, `{"height":1}`)
	g.sample(200, path+"reorg", `{"depth":1}`, `{"depth":1}`)
	g.sample(200, path+"invoices/"+g.created["v1"]+"/expire", `{"what":"window"}`, `{"what":"window"}`)
}

func (g *goldens) endsInvoices() {
	for _, v := range bothVersions {
		g.nothing(200, "POST /api/"+v+"/merchant/invoices/"+g.bare+"/cancel", "")
	}
	id := g.invoice(g.shop, "")
	g.want(200, g.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", `{"amount":"0.01"}`)
	g.watch()
	g.nothing(200, "POST /api/v1/merchant/invoices/"+id+"/accept", "")
}

// An error is a problem document (2.6); with mistakes in fields it has errors.
func TestGoldenProblems(t *testing.T) {
	g := newGoldens(t)
	const sample = `{"type":"x","title":"x","status":400,"detail":"x","instance":"x"`
	for _, tc := range []struct {
		status             int
		method, path, body string
		more               string
	}{
		{400, "POST", createPath, `{"currency":"XXX","amount":{"total":"1"}}`, `,"errors":{"currency":["x"]}`},
		{400, "POST", createPath, `{`, ""},
		{404, "GET", createPath + "/x", "", ""},
		{404, "GET", "/nothing", "", ""},
		{405, "PUT", createPath, "", ""},
		{409, "PUT", "/api/v1/invoices/" + g.bare, richPeople, ""},
		{413, "POST", createPath, strings.Repeat(" ", 1<<20) + "{}", ""},
		{501, "POST", "/api/v1/invoices", "", ""},
		{503, "GET", "/api/v1/rates?from=BTC&to=USD", "", ""},
	} {
		a := g.call(g.shop, tc.method, tc.path, tc.body)
		g.wantProblem(a, tc.status)
		g.goldenWithNulls(g.decode(a), sample+tc.more+`}`)
	}
	g.goldenWithNulls(g.decode(g.call(client{}, "GET", createPath, "")), sample+`}`)
	g.goldenWithNulls(g.decode(g.call(g.limited(g.merchant("Third"), 0), "GET", createPath, "")), sample+`}`)
}

// The amounts of the two versions, one by one.
func TestAmountsOfBothVersions(t *testing.T) {
	g := newGoldens(t)
	money := func(display, value, currency string) string {
		short := strings.TrimSuffix(strings.TrimRight(display, "0"), ".")
		return "map[currencyId:" + currency + " displayValue:" + display + " value:" + value + " valueAsDecimal:" + cmp.Or(short, "0") + "]"
	}
	tagged := func(display, value, currency, symbol string) string {
		return strings.Replace(money(display, value, currency), " displayValue", " currencySymbol:"+symbol+" displayValue", 1)
	}
	made := g.want(201, g.shop, "POST", "/api/v1/merchant/invoices", rich("v1", g.shop))
	offer := get(g.bench, made, "invoices", 0, "payment", "paymentCurrencies", 0)
	g.same(get(g.bench, made, "invoices", 0, "hotWallet", "amount", "value"), "12500000")
	g.same(get(g.bench, made, "invoices", 0, "hotWallet", "remainingAmount"), money("0.125", "12500000", "1002"))
	g.same(get(g.bench, offer, "amount", "value"), "12500000")
	g.same(get(g.bench, offer, "amount", "rate"), "0.0125")
	g.same(get(g.bench, offer, "nativePreferredAmount", "value"), "1000")
	g.same(get(g.bench, offer, "nativePreferredAmount", "currencyId"), "5057")
	g.same(get(g.bench, offer, "remainingAmount"), money("0.125", "12500000", "1002"))
	g.same(get(g.bench, offer, "approximateNetworkAmount"), money("0", "0", "1002"))
	g.same(get(g.bench, offer, "approximateNetworkInNativeCurrencyAmount"), money("0.00", "0", "5057"))
	id := get(g.bench, made, "invoices", 0, "id").(string)
	g.want(200, g.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", `{"amount":"0.1"}`)
	g.want(200, g.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
	g.watch()

	for version, want := range map[string]map[string]string{
		"v1": {
			"items/0/amount": money("9.00", "900", "5057"), "items/0/originalAmount": money("12.00", "1200", "5057"), "items/0/tax": money("0.50", "50", "5057"),
			"items/1/tax": money("0.00", "0", "5057"), "amount/value": "1000", "amount/displayValue": "10.00", "amount/currencyId": "5057", "amount/valueAsDecimal": "10",
			"amount/breakdown/subtotal": money("10.00", "1000", "5057"), "amount/breakdown/shipping": money("1.10", "110", "5057"),
			"amount/breakdown/handling": money("0.40", "40", "5057"), "amount/breakdown/taxTotal": money("0.50", "50", "5057"),
			"amount/breakdown/discount": money("2.00", "200", "5057"),

			"payments/0/expectedAmount": tagged("0.125", "12500000", "1002", "LTCT"), "payments/0/nativeExpectedAmount": tagged("10.00", "1000", "5057", "USD"),
			"payments/0/actualAmount": tagged("0.1", "10000000", "1002", "LTCT"), "payments/0/nativeActualAmount": tagged("8.00", "800", "5057", "USD"),
			"payments/0/fees/paymentSubTotal": tagged("0.125", "12500000", "1002", "LTCT"), "payments/0/nativeFees/paymentSubTotal": tagged("10.00", "1000", "5057", "USD"),
			"payments/0/fees/buyerFee/networkFee": tagged("0", "0", "1002", "LTCT"), "payments/0/nativeFees/merchantFee/conversionFee": tagged("0.00", "0", "5057", "USD"),
			"payments/0/fees/buyerFee/total": "0", "payments/0/nativeFees/merchantFee/total": "0",

			"payoutDetails/paidTransactions/0/amount": money("0.1", "10000000", "1002"),
			"payoutDetails/destinationAmount/amount":  money("0.1", "10000000", "1002"), "payoutDetails/destinationAmount/nativeAmount": money("8.00", "800", "5057"),
			"payoutDetails/items/0/payoutAmount": money("0.1", "10000000", "1002"), "payoutDetails/items/0/payoutAmountInInvoiceCurrency": money("8.00", "800", "5057"),
			"payoutDetails/items/0/merchantFees/networkFee": money("0", "0", "1002"), "payoutDetails/expectedDisplayValue": "0.125",
		},
		"v2": {
			"items/0/amount": "9.00", "items/0/originalAmount": "12.00", "items/0/tax": "0.50", "items/1/tax": "0.00", "amount/total": "10.00",
			"amount/breakdown": "map[discount:2.00 handling:0.40 shipping:1.10 subtotal:10.00 taxTotal:0.50]",

			"payments/0/expectedAmount": "0.12500000", "payments/0/nativeExpectedAmount": "10.00", "payments/0/actualAmount": "0.10000000", "payments/0/nativeActualAmount": "8.00",
			"payments/0/fees/paymentSubTotal": "0.12500000", "payments/0/nativeFees/paymentSubTotal": "10.00", "payments/0/fees/buyerFee/networkFee": "0.00000000",
			"payments/0/nativeFees/merchantFee/conversionFee": "0.00", "payments/0/fees/buyerFee/total": "0.00000000", "payments/0/nativeFees/merchantFee/total": "0.00",
			"payments/0/fees/gross": "0.12500000", "payments/0/nativeFees/gross": "10.00",

			"payoutDetails/paidTransactions/0/amount": "0.10000000", "payoutDetails/destinationAmount/amount": "0.10000000",
			"payoutDetails/destinationAmount/nativeAmount": "8.00", "payoutDetails/items/0/payoutAmount": "0.10000000",
			"payoutDetails/items/0/payoutAmountInInvoiceCurrency": "8.00", "payoutDetails/items/0/merchantFees/networkFee": "0.00000000",
			"payoutDetails/expectedDisplayValue": "0.125",
		},
	} {
		g.subtest(version, func() {
			inv := g.want(200, g.shop, "GET", "/api/"+version+"/merchant/invoices/"+id, "")
			for path, value := range want {
				if got := fmt.Sprint(at(g.bench, inv, path)); got != value {
					g.Errorf("%s is %s, want %s", path, got, value)
				}
			}
			row := get(g.bench, g.want(200, g.shop, "GET", "/api/"+version+"/merchant/invoices?limit=1", ""), "items", 0)
			g.same(get(g.bench, row, "amount"), tagged("10.00", "1000", "5057", "USD"))
			g.same(get(g.bench, row, "payments"), fmt.Sprint(get(g.bench, inv, "payments")))
			payouts := g.want(200, g.shop, "GET", "/api/"+version+"/merchant/invoices/"+id+"/payouts", "").(map[string]any)
			delete(payouts, "paging")
			details := get(g.bench, inv, "payoutDetails").(map[string]any)
			delete(details, "paging")
			g.same(payouts, fmt.Sprint(details))
			g.same(at(g.bench, inv, "payoutDetails/items/0/state"), "confirmed")
		})
	}
}

// What a coin costs is a plain decimal in version 2 (3.4), as its clients
// declare it.
func TestCreateInVersion2WritesDecimals(t *testing.T) {
	b := newBench(t)
	made := get(b, b.want(201, b.shop, "POST", createPath, rich("v2", b.shop)), "invoices", 0)
	for path, want := range map[string]string{
		"payment/paymentCurrencies/0/amount": "0.12500000", "payment/paymentCurrencies/0/remainingAmount": "0.12500000",
		"payment/paymentCurrencies/0/approximateNetworkAmount": "0.00000000",
		"hotWallet/amount": "0.12500000", "hotWallet/remainingAmount": "0.12500000",
	} {
		if got := fmt.Sprint(at(b, made, path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

// A payment is read in the words that the contract has for payments (3.1), not in
// those of an invoice: clients read them into an enum.
func TestStatesOfPayments(t *testing.T) {
	b := newBench(t)
	reads := func(id, want string) {
		t.Helper()
		state, active, _ := strings.Cut(want, " ")
		for _, version := range bothVersions {
			payment := at(b, b.read(b.shop, version, id), "payments/0")
			b.same(get(b, payment, "state"), state)
			b.same(get(b, payment, "isActive"), fmt.Sprint(active == "active"))
		}
	}
	pay := func(id, body string) {
		b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", body)
		b.watch()
	}
	mine := func(body string) { b.want(200, b.shop, "POST", "/api/v1/sandbox/mine", body); b.watch() }
	const coin = `,"payment":{"paymentCurrency":"LTCT"}`
	id := b.invoice(b.shop, coin)
	reads(id, "created active")
	pay(id, `{"amount":"0.1"}`)
	reads(id, "detected active")
	mine(`{"blocks":1}`)
	reads(id, "pending active")
	mine(`{"blocks":2}`)
	reads(id, "pending active") // confirmed, and not enough
	pay(id, "")
	reads(id, "detected")
	mine(`{"blocks":3}`)
	reads(id, "completed")

	cancelled := b.invoice(b.shop, coin)
	b.want(200, b.shop, "POST", createPath+"/"+cancelled+"/cancel", "")
	reads(cancelled, "created")
	pay(cancelled, "")
	reads(cancelled, "cancelledWaitingRefund")
	b.want(200, b.shop, "POST", "/api/v1/merchant/invoices/"+cancelled+"/accept", "")
	reads(cancelled, "detected")

	timedOut := b.invoice(b.shop, coin)
	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+timedOut+"/expire", `{"what":"lifetime"}`)
	b.watch()
	reads(timedOut, "created")
	pay(timedOut, "")
	reads(timedOut, "timedOutWaitingRefund")
}

// Payouts are the transfers that stand, in both versions as part of the invoice
// and on their own.
func TestPayouts(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, `,"payment":{"paymentCurrency":"LTCT"}`)
	address := at(b, b.read(b.shop, "v1", id), "payments/0/paymentAddress")
	pay := func(body string) string {
		tx := get(b, b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", body), "txId").(string)
		b.watch()
		return tx
	}
	reads := func(when string, want ...any) { // hash, state of each transfer, then the rest
		t.Helper()
		for _, version := range bothVersions {
			payouts := b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices/"+id+"/payouts", "")
			details := get(b, b.read(b.shop, version, id), "payoutDetails")
			if (details == nil) != (len(want) == 0) {
				t.Errorf("%s: payoutDetails is %v", when, details)
			}
			var got []any
			for i, paid := range get(b, payouts, "paidTransactions").([]any) {
				got = append(got, get(b, paid, "hash"), get(b, payouts, "items", i, "state"))
			}
			b.same(len(get(b, payouts, "items").([]any)), fmt.Sprint(len(got)/2))
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
	}
	rest := func(key string) any {
		t.Helper()
		return get(b, b.want(200, b.shop, "GET", "/api/v1/merchant/invoices/"+id+"/payouts", ""), key)
	}
	reads("before there is money")
	b.same(rest("externalAddress"), "<nil>")
	first := pay(`{"amount":"0.1"}`)
	reads("with a part", first, "sent")
	b.same(rest("externalAddress"), fmt.Sprint(address))
	b.same(rest("receivedBlockchainTxId"), first)
	b.same(rest("paidDate"), "<nil>")
	b.want(200, b.shop, "POST", "/api/v1/sandbox/transactions/"+first+"/drop", "")
	b.watch()
	reads("after it was dropped")

	second := pay("")
	reads("with all of it", second, "sent")
	b.same(rest("completedTxId"), "<nil>")
	if rest("paidDate") == nil {
		t.Error("it was paid, and not said when")
	}
	b.want(200, b.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
	b.watch()
	reads("completed", second, "confirmed")
	b.same(rest("completedTxId"), second)
	b.wantProblem(b.call(b.shop, "GET", createPath+"/x/payouts", ""), 404)
}

// An invoice may be priced in a token; its currency then says which (3.6).
func TestCurrencyOfAToken(t *testing.T) {
	b := newBench(t)
	id := b.made(b.shop, "v2", `{"currency":"USDT.ERC20","amount":{"total":"10"}}`)
	for _, version := range bothVersions {
		currency := at(b, b.read(b.shop, version, id), "currency")
		b.same(get(b, currency, "id"), "4:0xdac17f958d2ee523a2206206994597c13d831ec7")
		if token, _ := get(b, currency, "token").(map[string]any); token["contractAddress"] != "0xdac17f958d2ee523a2206206994597c13d831ec7" {
			t.Errorf("the token is %v", token)
		}
	}
}

// Links are written as they were given, not escaped for a web page.
func TestLinksAreReadable(t *testing.T) {
	b := newBench(t)
	id := get(b, b.want(201, b.shop, "POST", createPath, rich("v2", b.shop)), "invoices", 0, "id").(string)
	for _, v := range bothVersions {
		if raw := b.call(b.shop, "GET", "/api/"+v+"/merchant/invoices/"+id, ""); !strings.Contains(string(raw.body), "ok?a=1&b=2") {
			t.Errorf("links are not readable: %s", raw.body)
		}
	}
}

func TestLinks(t *testing.T) {
	b := newBench(t)
	const path = "/api/v2/merchant/invoices"
	v := b.want(201, b.shop, "POST", path, `{"currency":"USD","amount":{"total":"1"}}`)
	id := get(b, v, "invoices", 0, "id").(string)
	b.same(get(b, v, "invoices", 0, "link"), b.url+"/invoices/"+id)
	b.same(get(b, v, "invoices", 0, "checkoutLink"), b.url+"/checkout/?invoice-id="+id)

	b.api.PublicURLs = []string{"https://pay.example/sub/", "https://other.example"}
	b.serve()
	v = b.want(201, b.shop, "POST", path, `{"currency":"USD","amount":{"total":"1"}}`)
	id = get(b, v, "invoices", 0, "id").(string)
	b.same(get(b, v, "invoices", 0, "link"), "https://pay.example/sub/invoices/"+id)
	b.same(get(b, v, "invoices", 0, "checkoutLink"), "https://pay.example/sub/checkout/?invoice-id="+id)
	b.same(get(b, b.want(200, b.shop, "GET", path+"?status=unpaid&after=&limit=1", ""), "paging", "first"),
		"https://pay.example/sub/api/v2/merchant/invoices?limit=1&status=unpaid")
}

// Only what was asked for is answered: payment with a refund address, hotWallet
// with a coin.
func TestCreateAnswersWhatWasAsked(t *testing.T) {
	b := newBench(t)
	for payment, want := range map[string]string{
		"":                                    "checkoutLink id link",
		`,"payment":null`:                     "checkoutLink id link",
		`,"payment":{"refundEmail":"a@b.c"}`:  "checkoutLink id link payment",
		`,"payment":{"paymentCurrency":1002}`: "checkoutLink hotWallet id link",
		`,"payment":{"paymentCurrency":"LTCT","refundEmail":"a@b.c"}`: "checkoutLink hotWallet id link payment",
	} {
		v := b.want(201, b.shop, "POST", "/api/v2/merchant/invoices", `{"currency":"USD","amount":{"total":"1"}`+payment+`}`)
		got := slices.Sorted(maps.Keys(get(b, v, "invoices", 0).(map[string]any)))
		b.same(strings.Join(got, " "), want)
	}
}

// at goes down into decoded JSON by a path like items/0/amount.
func at(b *bench, v any, path string) any {
	b.Helper()
	for step := range strings.SplitSeq(path, "/") {
		if n, err := strconv.Atoi(step); err == nil {
			v = get(b, v, n)
		} else {
			v = get(b, v, step)
		}
	}
	return v
}

// golden compares keys and JSON types with a sample, and names each difference
// (not what is below one). Null fits every type, and what is null in the sample
// may be anything. extra are keys that may be there
// beside the sample's; with a leading minus, keys of the sample that may be
// missing.
func (b *bench) golden(got any, sample string, extra ...string) {
	b.Helper()
	have, asked := shapeOf(got), shapeOf(b.decode(answer{body: []byte(sample)}))
	var told []string
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if slices.ContainsFunc(told, func(above string) bool { return strings.HasPrefix(path, above+"/") }) {
			continue
		}
		wanted, there := asked[path]
		if wanted["null"] {
			told = append(told, path) // whatever it is
		}
		if !there && !slices.Contains(extra, path) {
			b.Errorf("%s is not in the contract", path)
			told = append(told, path)
		}
		for kind := range have[path] {
			if there && kind != "null" && !wanted[kind] && !wanted["null"] {
				b.Errorf("%s is a %s, in the contract a %s", path, kind, strings.Join(slices.Sorted(maps.Keys(wanted)), " or "))
				told = append(told, path)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(asked)) {
		if _, there := have[path]; !there && !slices.Contains(extra, "-"+path) && !underNothing(path, have) {
			b.Errorf("%s is missing", path)
		}
	}
}

// goldenWithNulls is golden for an answer that has everything: null, and a list
// without elements, is only what is so in the sample, or is in extra with a
// leading question mark (a list by the path of its first element).
func (b *bench) goldenWithNulls(got any, sample string, extra ...string) {
	b.Helper()
	b.golden(got, sample, extra...)
	have, asked := shapeOf(got), shapeOf(b.decode(answer{body: []byte(sample)}))
	for path, wanted := range asked {
		if slices.Contains(extra, "?"+path) || wanted["null"] {
			continue
		}
		if have[path]["null"] {
			b.Errorf("%s is null", path)
		}
		list, isElement := strings.CutSuffix(path, "/0")
		if _, there := have[path]; isElement && !there && have[list]["list"] && !slices.Contains(extra, "-"+path) {
			b.Errorf("%s has no elements", list)
		}
	}
}

// shapeOf is the kinds of everything in v by its path. All elements of a list
// have the path of the first.
func shapeOf(v any) map[string]map[string]bool {
	shape := map[string]map[string]bool{}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		kind := fmt.Sprintf("%T", v)
		switch v := v.(type) {
		case map[string]any:
			kind = "object"
			for key, value := range v {
				walk(value, path+"/"+key)
			}
		case []any:
			kind = "list"
			for _, value := range v {
				walk(value, path+"/0")
			}
		case nil:
			kind = "null"
		}
		if shape[path] == nil {
			shape[path] = map[string]bool{}
		}
		shape[path][kind] = true
	}
	walk(v, "")
	return shape
}

// underNothing reports whether path is missing since what it would be in is null
// or an empty list.
func underNothing(path string, have map[string]map[string]bool) bool {
	for at := strings.LastIndex(path, "/"); at >= 0; at = strings.LastIndex(path[:at], "/") {
		if kinds, there := have[path[:at]]; there {
			return kinds["null"] || kinds["list"] && strings.HasPrefix(path[at:], "/0")
		}
	}
	return false
}

// prefixed puts a prefix before paths, behind their marks.
func prefixed(prefix string, paths []string) []string {
	var out []string
	for _, p := range paths {
		mark := p[:strings.Index(p, "/")]
		out = append(out, mark+prefix+p[len(mark):])
	}
	return out
}
