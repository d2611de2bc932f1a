package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The samples are literal copies of the contract (../shared/coinpayments-api.md),
// with what it abbreviates to "…" written out. An answer must have the same keys
// with the same JSON types; null fits every type. What we add is named beside.

const currencySample = `{"id":"1002","type":"crypto","symbol":"LTCT","name":"Litecoin Testnet","logo":{"imageUrl":"x","vectorUrl":"x"},
 "decimalPlaces":8,"rank":1,"status":"active","capabilities":["payments"],"urls":{"websites":["x"],"explorers":["x"]},
 "requiredConfirmations":3,"isEnabledForPayment":true}`

const dueSample = `{"rate":0.0089,"breakdown":[],"displayValue":"1.09867125","value":"109867125","currencyId":"1002","valueAsDecimal":1.09867125}`

// 3.5
const addressSample = `{"currency":{"id":"1002","symbol":"LTCT","name":"Litecoin Testnet","decimalPlaces":8},
 "amount":{"rate":0.0089,"breakdown":[],"displayValue":"1.09867125","value":"109867125","currencyId":"1002","valueAsDecimal":1.09867125},
 "remainingAmount":{"displayValue":"1.09867125","value":"109867125","currencyId":"1002","valueAsDecimal":1.09867125},
 "addresses":{"address":"mxSomething","biP21":"litecoin:mxSomething?amount=1.09867125"},
 "expires":"2026-01-02T04:04:05Z"}`

const moneySample = `{"displayValue":"0.1 BTC","value":"10000000","currencyId":"1","valueAsDecimal":0.1}`

// 3.4
const createSample = `{"invoices":[{
  "id":"2008d68d-0f66-44ec-8500-68d054b882b9",
  "link":"https://…/invoices/…",
  "checkoutLink":"https://a-checkout.coinpayments.net/checkout/?invoice-id=2008d68d-0f66-44ec-8500-68d054b882b9",
  "payment":{"paymentId":"…","expires":"2026-01-02T04:04:05Z","refundEmail":"info@test.com","paymentCurrencies":[
    {"currency":` + currencySample + `,"isDisabled":false,"amount":` + dueSample + `,"nativePreferredAmount":` + dueSample + `,
     "approximateNetworkAmount":"0.1","approximateNetworkInNativeCurrencyAmount":"0.1","remainingAmount":"0.1"}]},
  "hotWallet":` + addressSample + `}]}`

// 3.5
const statusSample = `{"created":"…","expires":"…","status":"pending","partialAcceptAvailable":false,
 "payment":{"currencyId":1002,"confirmations":1,"requiredConfirmations":3,
  "confirmedAmount":` + moneySample + `,"unconfirmedAmount":` + moneySample + `,"expectedAmount":` + moneySample + `,"remainingAmount":` + moneySample + `}}`

const pagingSample = `{"cursors":{"before":"x","after":"x"},"limit":1,"first":"x","next":"x","previous":"x","last":"x"}`

// 2.2
const webhooksSample = `{"items":[{"id":"wLKBuD6h3Vama4mGDqHeF","notificationsUrl":"x","notifications":["x"],"createdFromUI":true}],"paging":` + pagingSample + `}`

const personSample = `{"companyName":"x","name":{"firstName":"x","lastName":"x"},"emailAddress":"x","phoneNumber":"x",
 "address":{"address1":"x","address2":"x","address3":"x","provinceOrState":"x","city":"x","suburbOrDistrict":"x","countryCode":"DE","postalCode":"x"},"hasData":true`

const feesSample = `{"paymentSubTotal":"x","merchantMarkupOrDiscount":"x","buyerFee":{"coinPaymentsFee":"x","networkFee":"x","conversionFee":"x","total":"x"},
 "merchantFee":{"coinPaymentsFee":"x","networkFee":"x","conversionFee":"x","total":"x"},"gross":"x"}`

// 3.6, the common part of an invoice and of its place in the list
const headSample = `"id":"x","invoiceId":"x","invoiceIdSuffix":null,"created":"x","invoiceDate":"x","dueDate":"x","confirmed":null,"completed":null,
 "cancelled":null,"expires":"x","currency":{"id":"x","symbol":"x","name":"x","token":null,"logo":{"imageUrl":"x","vectorUrl":"x"},"decimalPlaces":2},
 "buyer":` + personSample + `},"shipping":` + personSample + `,"method":"x"},"description":"x","notes":"x","notesToRecipient":"x",
 "metadata":{"integration":"x","hostname":"x"},"emailDelivery":null,"isEmailDelivery":false,"status":"unpaid","partialAcceptAvailable":false,"isLifeTimeFinished":false`

// 3.6, the shape of version 2 with full details
const invoiceSample = `{` + headSample + `,
 "merchant":{"id":"x","name":"x","uboName":"x","websiteUrl":"x","country":"x","logoUrl":"x","email":"x","address":"x","phone":"x",
   "description":"x","registrationNumber":"x"},
 "merchantOptions":{"showAddress":true,"showEmail":true,"showPhone":true,"showRegistrationNumber":true,"additionalInfo":"x"},
 "customData":{"k":"v"},"termsAndConditions":"x","buyerDataCollectionMessage":"x","requireBuyerNameAndEmail":true,"poNumber":"x",
 "items":[{"customId":"x","sku":"x","name":"x","description":"x","quantity":{"value":1,"type":"quantity"},"originalAmount":"x","amount":"x","tax":"x"}],
 "amount":{"breakdown":{"subtotal":"x","shipping":"x","handling":"x","taxTotal":"x","discount":"x"},"total":"x"},
 "payments":[{"expectedAmount":"x","nativeExpectedAmount":"x","actualAmount":"x","nativeActualAmount":"x","paymentAddress":"x","errorCode":null,
   "fees":` + feesSample + `,"nativeFees":` + feesSample + `,"payout":null,"nativePayout":null,"refundEmail":"x","state":"x","isActive":true,"pendingAt":null,
   "confirmedAt":null,"completedAt":null,"confirmations":0,"requiredConfirmations":3,
   "paymentCurrencyId":"x","paymentCurrencySymbol":"x","nativeCurrencyId":"x","nativeCurrencySymbol":"x"}],
 "payoutDetails":null,"hideShoppingCart":false,"successUrl":"x","cancelUrl":"x","payoutOverrides":[]}`

var extraHead = []string{"/state", "/paybell", "/paybell/clientId", "/paybell/version", "/paybell/flags", "/paybell/test"}

// 3.6, a row of the list
const listSample = `{"items":[{` + headSample + `,"amount":{"currencyId":"x","currencySymbol":"x","displayValue":"x","value":"x","valueAsDecimal":1.5},"payments":[]}],
 "paging":` + pagingSample + `}`

// richInvoice uses every field of the contract: 3.3.
const richInvoice = `{"currency":"5057","clientId":"CLIENT","invoiceId":"WHMCS_42",
 "items":[{"customId":"42","sku":"s","name":"Invoice #42 ☕","description":"d","quantity":{"value":2,"type":"hours"},
           "originalAmount":"12.00","amount":"10.00","tax":"0.50"}],
 "amount":{"breakdown":{"subtotal":"10.00","shipping":"1","handling":"0.5","taxTotal":"0.50","discount":"2"},"total":"10.00"},
 "isEmailDelivery":false,"draft":false,"refundEmail":"ignored","unknown":{"deep":[1]},
 "metadata":{"integration":"plugin:whmcs_8","hostname":"https://shop"},
 "customData":{"whmcsInvoiceId":"42","hostHash":"<&>é"},
 "successUrl":"https://shop.example/ok?a=1&b=2","cancelUrl":"https://shop.example/no",
 "webhooks":[{"notificationsUrl":"https://shop.example/hook","notifications":["invoicePaid","invoiceCancelled"]}],
 "buyer":{"companyName":"c","name":{"firstName":"f","lastName":"l"},"emailAddress":"a@b.c","phoneNumber":"+1 (2)",
   "address":{"address1":"1","address2":"2","address3":"3","provinceOrState":"p","city":"c","suburbOrDistrict":"s","countryCode":"DE","postalCode":"1"}},
 "shipping":{"method":"ship","companyName":"c","name":{"firstName":"f","lastName":"l"},"emailAddress":"a@b.c","phoneNumber":"+1 (2)",
   "address":{"address1":"1","address2":"2","address3":"3","provinceOrState":"p","city":"c","suburbOrDistrict":"s","countryCode":"DE","postalCode":"1"}},
 "description":"d","notes":"n","notesToRecipient":"r","termsAndConditions":"t","buyerDataCollectionMessage":"m","requireBuyerNameAndEmail":true,
 "merchantOptions":{"showAddress":true,"showPhone":true,"showRegistrationNumber":true,"additionalInfo":"i"},
 "poNumber":"PO1","invoiceDate":"2026-01-02","dueDate":"2026-02-03T04:05:06+01:00",
 "payment":{"refundEmail":"info@test.com","paymentCurrency":"1002"}}`

func TestGolden(t *testing.T) {
	b := newBench(t)
	b.api.PublicURLs = []string{"https://pay.example/sub/"}
	b.serve()
	created := b.want(201, b.shop, "POST", "/api/v2/merchant/invoices", strings.Replace(richInvoice, "CLIENT", b.shop.id, 1))
	b.golden(created, createSample)
	id := get(b, created, "invoices", 0, "id").(string)
	b.same(get(b, created, "invoices", 0, "hotWallet", "amount", "value"), "12500000")
	b.same(get(b, created, "invoices", 0, "payment", "paymentCurrencies", 0, "remainingAmount"), "0.125")

	for _, version := range []string{"v1", "v2"} {
		inv := b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices/"+id+"?include_full_details=true", "")
		b.golden(inv, invoiceSample, append(extraHead, "/payments/0/id", "/customData/whmcsInvoiceId", "/customData/hostHash", "-/customData/k")...)
		b.same(get(b, inv, "status"), "pending")
		b.same(get(b, inv, "customData"), "map[hostHash:<&>é whmcsInvoiceId:42]")
		b.same(get(b, inv, "metadata"), "map[hostname:https://shop integration:plugin:whmcs_8]")
		b.same(get(b, inv, "amount"), "map[breakdown:map[discount:2.00 handling:0.50 shipping:1.00 subtotal:10.00 taxTotal:0.50] total:10.00]")
		b.same(get(b, inv, "items", 0, "quantity"), "map[type:hours value:2]")
		b.same(get(b, inv, "items", 0, "originalAmount"), "12.00")
		b.same(get(b, inv, "items", 0, "tax"), "0.50")
		b.same(get(b, inv, "invoiceDate"), "2026-01-02T00:00:00Z")
		b.same(get(b, inv, "dueDate"), "2026-02-03T03:05:06Z")
		b.same(get(b, inv, "buyer", "hasData"), "true")
		b.same(get(b, inv, "shipping", "method"), "ship")
		b.same(get(b, inv, "merchantOptions", "showEmail"), "true")
		b.same(get(b, inv, "successUrl"), "https://shop.example/ok?a=1&b=2")
		if raw := b.call(b.shop, "GET", "/api/"+version+"/merchant/invoices/"+id, ""); !strings.Contains(string(raw.body), "ok?a=1&b=2") {
			t.Errorf("links are not readable: %s", raw.body)
		}
		plain := b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices/"+id, "").(map[string]any)
		if _, there := plain["merchant"]; there {
			t.Error("the merchant is shown without include_full_details")
		}
	}
	pick := "/api/v1/invoices/" + id + "/payment-currencies/1002"
	b.golden(b.want(200, client{}, "GET", pick, ""), addressSample)
	b.golden(b.want(200, client{}, "GET", pick+"/status", ""), statusSample)
	b.golden(b.want(200, b.shop, "GET", "/api/v2/merchant/invoices", ""), listSample, prefixed("/items/0", append(extraHead, "-/buyer/method"))...)
	b.webhook(b.shop)
	b.golden(b.want(200, b.shop, "GET", hooksPath(b.shop), ""), webhooksSample)
	b.golden(b.want(200, client{}, "GET", "/api/v1/currencies?q=LTCT", ""), `[`+currencySample+`]`)
	b.golden(b.want(200, client{}, "GET", "/api/v1/rates?from=5057&to=1002", ""),
		`{"items":[{"baseCurrencyId":"x","quoteCurrencyId":"x","rate":"x","baseToken":"x","quoteToken":"x"}]}`)
	b.golden(b.want(200, client{}, "GET", "/api/v1/currencies/required-confirmations", ""), `[{"currencyId":"x","confirmationsCount":1}]`)
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

// golden compares keys and JSON types with a sample, and names each difference.
// extra are keys that may be there beside the sample's; with a leading minus,
// keys of the sample that may be missing.
func (b *bench) golden(got any, sample string, extra ...string) {
	b.Helper()
	var want any
	dec := json.NewDecoder(strings.NewReader(sample))
	dec.UseNumber()
	must(b.T, dec.Decode(&want))
	have, asked := map[string]string{}, map[string]string{}
	types(got, "", have)
	types(want, "", asked)
	for path, kind := range have {
		switch wanted, there := asked[path]; {
		case !there && !slices.Contains(extra, path):
			b.Errorf("%s is not in the contract", path)
		case there && kind != wanted && kind != "null" && wanted != "null":
			b.Errorf("%s is a %s, in the contract a %s", path, kind, wanted)
		}
	}
	for path := range asked {
		if _, there := have[path]; !there && !slices.Contains(extra, "-"+path) && !underNull(path, have) {
			b.Errorf("%s is missing", path)
		}
	}
}

// types writes down the type of everything in v by its path. All elements of a
// list have the path of the first.
func types(v any, path string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		into[path] = "object"
		for key, value := range v {
			types(value, path+"/"+key, into)
		}
	case []any:
		into[path] = "list"
		for _, value := range v {
			types(value, path+"/0", into)
		}
	case nil:
		into[path] = "null"
	default:
		into[path] = fmt.Sprintf("%T", v)
	}
}

func underNull(path string, have map[string]string) bool {
	for at := strings.LastIndex(path, "/"); at >= 0; at = strings.LastIndex(path[:at], "/") {
		if kind, there := have[path[:at]]; there {
			return kind == "null" || kind == "list" && strings.HasPrefix(path[at:], "/0")
		}
	}
	return false
}

func prefixed(prefix string, paths []string) []string {
	var out []string
	for _, p := range paths {
		if rest, minus := strings.CutPrefix(p, "-"); minus {
			out = append(out, "-"+prefix+rest)
		} else {
			out = append(out, prefix+p)
		}
	}
	return out
}
