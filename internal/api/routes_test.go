package api_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
)

// The main job over HTTP: invoice, coin, money, confirmations.
func TestLifeOfAnInvoice(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	pick := "/api/v1/invoices/" + id + "/payment-currencies/1002"

	b.wantProblem(b.call(client{}, "GET", pick+"/status", ""), 404, "not chosen")
	first := b.want(200, client{}, "GET", pick, "")
	b.same(get(b, first, "amount", "displayValue"), "0.125")
	b.same(get(b, first, "amount", "value"), "12500000")
	b.same(get(b, first, "amount", "rate"), "0.0125")
	address := get(b, first, "addresses", "address").(string)
	b.same(get(b, first, "addresses", "biP21"), "litecoin:"+address+"?amount=0.125")
	for _, spelling := range []string{"1002", "LTCT", "ltct", "%31002"} {
		for _, version := range []string{"v1", "v2"} {
			again := b.want(200, client{}, "GET", "/api/"+version+"/invoices/"+id+"/payment-currencies/"+spelling, "")
			b.same(get(b, again, "addresses", "address"), address)
		}
	}
	b.status(pick, "unpaid", "0", "0", "12500000")

	tx := get(b, b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", `{"amount":"0.1"}`), "txId").(string)
	b.watch()
	b.status(pick, "pending", "0", "10000000", "2500000")
	part := b.want(200, client{}, "GET", pick, "")
	b.same(get(b, part, "addresses", "biP21"), "litecoin:"+address+"?amount=0.025")
	b.same(get(b, part, "remainingAmount", "value"), "2500000")
	b.same(get(b, part, "amount", "value"), "12500000")
	seen := get(b, b.want(200, b.shop, "GET", "/api/v2/merchant/invoices/"+id, ""), "payments", 0)
	b.same(get(b, seen, "nativeActualAmount"), "8.00")
	b.same(get(b, seen, "nativeExpectedAmount"), "10.00")
	b.same(get(b, seen, "expectedAmount"), "0.12500000")
	b.same(get(b, seen, "completedAt"), "<nil>")

	b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "")
	b.watch()
	b.status(pick, "paid", "0", "12500000", "0")
	b.same(get(b, b.want(200, client{}, "GET", pick, ""), "addresses", "biP21"), "litecoin:"+address)
	b.wantProblem(b.call(b.shop, "POST", "/api/v1/merchant/invoices/"+id+"/cancel", ""), 409)

	b.same(get(b, b.want(200, b.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":1}`), "height"), "1")
	if a := b.call(b.shop, "POST", "/api/v1/sandbox/reorg", `{"depth":1}`); a.status != 200 {
		t.Errorf("reorg: %d %s", a.status, a.body)
	}
	b.watch()
	b.status(pick, "paid", "0", "12500000", "0")
	b.want(200, b.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
	b.watch()
	b.status(pick, "completed", "12500000", "0", "0")
	inv := b.want(200, b.sibling, "GET", "/api/v2/merchant/invoices/"+id, "")
	b.same(get(b, inv, "status"), "completed")
	b.same(get(b, inv, "state"), "completed")
	b.same(get(b, inv, "payments", 0, "confirmations"), "3")
	b.same(get(b, inv, "payments", 0, "actualAmount"), "0.12500000")
	b.same(get(b, inv, "payments", 0, "nativeActualAmount"), "10.00")
	for _, moment := range []any{get(b, inv, "completed"), get(b, inv, "confirmed"), get(b, inv, "payments", 0, "completedAt"), get(b, inv, "payments", 0, "pendingAt")} {
		if moment == nil {
			t.Errorf("a completed invoice lacks a moment: %v", inv)
		}
	}
	b.wantProblem(b.call(b.shop, "POST", "/api/v1/sandbox/transactions/"+tx+"/drop", ""), 409)
}

// status expects what the status route says: state, confirmed, unconfirmed and
// missing smallest units.
func (b *bench) status(pick, state, confirmed, unconfirmed, missing string) {
	b.Helper()
	v := b.want(200, client{}, "GET", pick+"/status", "")
	b.same(get(b, v, "status"), state)
	b.same(get(b, v, "payment", "confirmedAmount", "value"), confirmed)
	b.same(get(b, v, "payment", "unconfirmedAmount", "value"), unconfirmed)
	b.same(get(b, v, "payment", "remainingAmount", "value"), missing)
	b.same(get(b, v, "payment", "expectedAmount", "value"), "12500000")
	b.same(get(b, v, "payment", "requiredConfirmations"), "3")
}

func TestSandboxReplaceDropExpire(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, `,"payment":{"paymentCurrency":"LTCT"}`)
	pick := "/api/v1/invoices/" + id + "/payment-currencies/1002"
	pay := func() string {
		return get(b, b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "{}"), "txId").(string)
	}
	tx := get(b, b.want(200, b.shop, "POST", "/api/v1/sandbox/transactions/"+pay()+"/replace", `{"toInvoice":true}`), "txId").(string)
	b.watch()
	b.status(pick, "paid", "0", "12500000", "0")
	if a := b.call(b.shop, "POST", "/api/v1/sandbox/transactions/"+tx+"/drop", ""); a.status != 200 {
		t.Fatalf("drop: %d %s", a.status, a.body)
	}
	b.watch()
	b.status(pick, "unpaid", "0", "0", "12500000")
	for _, what := range []string{"window", "lifetime"} {
		if a := b.call(b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/expire", `{"what":"`+what+`"}`); a.status != 200 {
			t.Fatalf("expire %s: %d %s", what, a.status, a.body)
		}
		b.watch()
		b.status(pick, "timedOut", "0", "0", "12500000")
	}
	b.same(get(b, b.want(200, b.shop, "GET", "/api/v1/merchant/invoices/"+id, ""), "status"), "timedOut")

	pay() // late
	b.watch()
	b.wantProblem(b.call(b.sibling, "POST", "/api/v1/merchant/invoices/"+id+"/accept", ""), 403, "another integration")
	if v := b.want(200, b.shop, "POST", "/api/v1/merchant/invoices/"+id+"/accept", ""); v != nil {
		t.Errorf("accept answers %v, want nothing", v)
	}
	inv := b.want(200, b.shop, "GET", "/api/v1/merchant/invoices/"+id, "")
	b.same(get(b, inv, "status"), "paid")
	b.same(get(b, inv, "paybell", "flags"), "[late acceptedAsIs]")
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	for i, version := range []string{"v1", "v2"} {
		id := b.invoice(b.shop, "")
		for _, body := range []string{"", "null", "{}", "[]", " \n"}[:5-i] {
			if body == " \n" {
				continue // auth refuses what is no JSON
			}
			if v := b.want(200, b.shop, "POST", "/api/"+version+"/merchant/invoices/"+id+"/cancel", body); v != nil {
				t.Errorf("cancel answers %v, want nothing", v)
			}
		}
		b.same(get(b, b.want(200, b.shop, "GET", "/api/v2/merchant/invoices/"+id, ""), "status"), "cancelled")
		b.wantProblem(b.call(b.shop, "POST", "/api/"+version+"/merchant/invoices/"+id+"/cancel", `{"force":true}`), 400, "no body")
	}
}

// Who signs a body wants it to mean something: where it would not, it is refused.
func TestRoutesWithoutABody(t *testing.T) {
	b := newBench(t)
	id, hook, token := b.invoice(b.shop, ""), b.webhook(b.shop), b.newAccountToken(b.shop)
	before := b.facts(id)
	for pattern, whose := range b.api.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		end := path[strings.LastIndex(path, "/")+1:]
		if whose == "anonymous" || method != "GET" && method != "DELETE" && !slices.Contains([]string{"cancel", "accept", "drop", "pause"}, end) {
			continue
		}
		path = strings.NewReplacer("{id}", id, "{clientId}", b.shop.id, "{webhookId}", hook, "{txId}", "x", "{notificationId}", "x", "{resendId}", "x", "{walletId}", "x").Replace(path)
		const body = `{"force":true}`
		if whose == "account" {
			b.wantProblem(b.callWithToken(token, method, path, body), 400, "no body")
		} else {
			b.wantProblem(b.call(b.shop, method, path, body), 400, "no body")
		}
	}
	if after := b.facts(id); after != before {
		t.Errorf("something was changed: %s, was %s", after, before)
	}
}

func TestWebhooks(t *testing.T) {
	b := newBench(t)
	id := b.webhook(b.shop)
	for _, version := range []string{"v1", "v2"} {
		path := "/api/" + version + "/merchant/clients/" + paybell.DashedClientID(b.shop.id) + "/webhooks"
		v := b.want(200, b.shop, "GET", path, "")
		b.same(get(b, v, "items", 0, "id"), id)
		b.same(get(b, v, "items", 0, "notificationsUrl"), "https://shop.example/hook?x=1")
		b.same(get(b, v, "items", 0, "notifications"), "[invoicePaid invoiceCompleted]")
		b.same(get(b, v, "paging", "next"), "<nil>")
		other := get(b, b.want(200, b.shop, "POST", path, `{"notificationsUrl":"https://shop.example","notifications":["PaymentTimedOut","INVOICEPENDING"]}`), "id").(string)
		b.same(len(get(b, b.want(200, b.shop, "GET", path+"?type=invoicePaid", ""), "items").([]any)), "1")
		b.same(len(get(b, b.want(200, b.shop, "GET", path+"?type=invoicePaid,invoicePending", ""), "items").([]any)), "2")
		b.same(len(get(b, b.want(200, b.shop, "GET", path+"?type=invoiceCancelled", ""), "items").([]any)), "0")
		b.wantProblem(b.call(b.shop, "GET", path+"?type=nonsense", ""), 400, "type")

		b.want(200, b.shop, "PUT", path+"/"+other, `{"notificationsUrl":"https://new.example/","notifications":["invoiceCancelled"]}`)
		b.same(get(b, b.want(200, b.shop, "GET", path+"?type=invoiceCancelled", ""), "items", 0, "notificationsUrl"), "https://new.example/")
		if a := b.call(b.shop, "DELETE", path+"/"+other, ""); a.status != 204 || len(a.body) > 0 {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
		b.wantProblem(b.call(b.shop, "DELETE", path+"/"+other, ""), 404)
		b.wantProblem(b.call(b.shop, "PUT", path+"/"+other, hookBody), 404)
	}
}

func TestCurrencies(t *testing.T) {
	b := newBench(t)
	const (
		tokens = "9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t,4:0xdac17f958d2ee523a2206206994597c13d831ec7,35:0x55d398326f99059ff775485246999027b3197955"
		crypto = "1,2,4,9,35," + tokens + ",1002"
	)
	for _, version := range []string{"/api/v1", "/api/v2"} {
		for query, want := range map[string]string{
			"": crypto + ",5057,5195", "?q=lite": "2,1002", "?q=5057": "5057", "?q=eUr": "5195", "?q=usdt": tokens, "?q=0XDAC": "4:0xdac17f958d2ee523a2206206994597c13d831ec7",
			"?types=fiat": "5057,5195", "?types=token": tokens, "?types=crypto,token": crypto, "?types=crypto%2Ctoken": crypto, "?types=fiat+token": tokens + ",5057,5195",
			"?types=nonsense": "", "?capabilities=payments": "1002", "?capabilities=payments,utxo": "", "?q=zzz": "", "?types=crypto&q=l&capabilities=payments": "1002",
		} {
			var ids []string
			for _, c := range b.want(200, client{}, "GET", version+"/currencies"+query, "").([]any) {
				ids = append(ids, get(b, c, "id").(string))
			}
			if got := strings.Join(ids, ","); got != want {
				t.Errorf("currencies%s: %s, want %s", query, got, want)
			}
		}
		for ref, want := range map[string]string{
			"1002": "LTCT", "ltct": "LTCT", "5057": "USD", "9": "TRX", "35": "BNB", "usdt.trc20": "USDT.TRC20",
			"4%3A0xdac17f958d2ee523a2206206994597c13d831ec7": "USDT.ERC20", "4:0xdAC17F958D2ee523a2206206994597C13D831ec7": "USDT.ERC20",
			"35%3a0x55d398326f99059ff775485246999027b3197955": "USDT.BEP20",
		} {
			b.same(get(b, b.want(200, client{}, "GET", version+"/currencies/"+ref, ""), "symbol"), want)
		}
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/4%3A0x0000000000000000000000000000000000000000", ""), 404, "4:0x0000")
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/XXX", ""), 404, "XXX", "/currencies")

		confirmations := map[string]string{}
		for _, item := range b.want(200, client{}, "GET", version+"/currencies/required-confirmations", "").([]any) {
			confirmations[get(b, item, "currencyId").(string)] = fmt.Sprint(get(b, item, "confirmationsCount"))
		}
		b.same(len(confirmations), "9") // all but the fiat ones
		b.same(confirmations["1002"], "3")
		b.same(confirmations["4:0xdac17f958d2ee523a2206206994597c13d831ec7"], "12")

		payable := b.want(200, b.shop, "GET", version+"/merchant/currencies", "").([]any)
		b.same(len(payable), "1")
		b.same(get(b, payable, 0, "id"), "1002")
		b.wantProblem(b.call(client{}, "GET", version+"/merchant/currencies", ""), 401)

		b.same(b.want(200, b.shop, "GET", version+"/merchant/wallets?skip=0&take=1", ""), "[]")
	}
	b.wantProblem(b.call(b.limited(b.merchant("Third"), paybell.CreateInvoice), "GET", "/api/v2/merchant/wallets", ""), 403, "getWallets")
}

// There is nothing to convert, no fee, and one chain.
func TestChainsAndFees(t *testing.T) {
	b := newBench(t)
	for _, version := range []string{"/api/v1", "/api/v2"} {
		b.same(b.want(200, client{}, "GET", version+"/currencies/conversions", ""), "[]")

		limits := b.want(200, client{}, "GET", version+"/currencies/limits/5057/1002", "")
		b.same(limits, "map[max:999999999999999.99 min:0.01]")
		b.same(b.want(200, client{}, "GET", version+"/currencies/limits/usd/ltct", ""), fmt.Sprint(limits))
		b.same(get(b, b.want(200, client{}, "GET", version+"/currencies/limits/4%3A0xdac17f958d2ee523a2206206994597c13d831ec7/1002", ""), "min"), "0.000001")
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/limits/XXX/1002", ""), 404, "XXX")
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/limits/5057/XXX", ""), 404, "XXX")
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/limits/5057/5195", ""), 400, "EUR")
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/limits/5057/BTC", ""), 400, "BTC")
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/limits/BTC/1002", ""), 503, "no rate")

		fee := b.want(200, client{}, "GET", version+"/fees/blockchain/1002", "")
		b.same(fee, "map[currencyId:1002 displayValue:0 value:0 valueAsDecimal:0]")
		b.same(get(b, b.want(200, client{}, "GET", version+"/fees/blockchain/4%3A0xdac17f958d2ee523a2206206994597c13d831ec7", ""), "value"), "0")
		b.wantProblem(b.call(client{}, "GET", version+"/fees/blockchain/USD", ""), 404, "USD")
		b.wantProblem(b.call(client{}, "GET", version+"/fees/blockchain/XXX", ""), 404, "XXX")

		latest := func(ref string) string {
			return version + "/currencies/blockchain-nodes/" + ref + "/latest-block-number"
		}
		before, err := strconv.Atoi(fmt.Sprint(get(b, b.want(200, client{}, "GET", latest("1002"), ""), "latestBlockNumber")))
		must(t, err)
		b.want(200, b.shop, "POST", "/api/v1/sandbox/mine", `{"blocks":2}`)
		b.same(b.want(200, client{}, "GET", latest("ltct"), ""), fmt.Sprintf("map[currencyId:1002 latestBlockNumber:%d]", before+2))
		b.wantProblem(b.call(client{}, "GET", latest("BTC"), ""), 501, "Bitcoin")
		b.wantProblem(b.call(client{}, "GET", latest("XXX"), ""), 404, "XXX")
	}
}

func TestRates(t *testing.T) {
	b := newBench(t)
	for _, version := range []string{"/api/v1", "/api/v2"} {
		v := b.want(200, client{}, "GET", version+"/rates?from=USD&to=LTCT,1002,EUR", "")
		b.same(len(get(b, v, "items").([]any)), "2")
		b.same(get(b, v, "items", 0, "rate"), "0.0125")
		b.same(get(b, v, "items", 0, "baseCurrencyId"), "5057")
		b.same(get(b, v, "items", 0, "quoteCurrencyId"), "1002")
		b.same(get(b, v, "items", 0, "baseToken"), "<nil>")
		token := get(b, b.want(200, client{}, "GET", version+"/rates?from=4%3A0xdac17f958d2ee523a2206206994597c13d831ec7&to=USD", ""), "items", 0)
		b.same(get(b, token, "baseToken"), "0xdac17f958d2ee523a2206206994597c13d831ec7")
		b.same(get(b, token, "quoteToken"), "<nil>")
		b.same(len(get(b, b.want(200, client{}, "GET", version+"/rates", ""), "items").([]any)), "100") // without bitcoin
		b.wantField(b.call(client{}, "GET", version+"/rates?from=XXX", ""), "from", "XXX")
		b.wantField(b.call(client{}, "GET", version+"/rates?to=USD,XXX", ""), "to", "XXX")
		if a := b.call(client{}, "GET", version+"/rates?from=BTC&to=USD", ""); a.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		} else {
			b.wantProblem(a, 503, "no rate")
		}
	}
}

// rateOfThen is a quote that tells the moment it was asked about: as many units
// as seconds since 1970, or 1 for now.
type rateOfThen struct{}

func (rateOfThen) Rate(_ context.Context, _, _ paybell.Currency, at time.Time) (decimal.Decimal, error) {
	if at.IsZero() {
		return decimal.NewFromInt(1), nil
	}
	return decimal.NewFromInt(at.Unix()), nil
}

func TestRatesOfThen(t *testing.T) {
	b := newBench(t)
	b.desk.Quote = rateOfThen{}
	for query, want := range map[string]string{
		"": "1", "&pointInTime=": "1", "&pointInTime=2026-01-02T03:04:05Z": "1767323045", "&pointInTime=2026-01-02T03:04:05": "1767323045",
		"&pointInTime=2026-01-02T04:04:05%2B01:00": "1767323045", "&pointInTime=2026-01-02": "1767312000", "&pointInTime=2026-01-02T03:04:05.5Z": "1767323045",
	} {
		b.same(get(b, b.want(200, client{}, "GET", "/api/v2/rates?from=USD&to=LTCT"+query, ""), "items", 0, "rate"), want)
	}
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	b.wantField(b.call(client{}, "GET", "/api/v1/rates?from=USD&to=LTCT&pointInTime="+future, ""), "pointInTime", "future")
	for _, bad := range []string{"yesterday", "1767323045", "2026-13-01", "2026-01-02T03:04:05+01:00", "2026-1-2"} { // a bare + is a space
		b.wantField(b.call(client{}, "GET", "/api/v1/rates?from=USD&to=LTCT&pointInTime="+bad, ""), "pointInTime")
	}
}

// Anonymous routes get wrong signatures from real clients, and do not look.
func TestAnonymousRoutesIgnoreSignatures(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	b.want(200, client{}, "GET", "/api/v1/invoices/"+id+"/payment-currencies/1002", "")
	asked := map[string]bool{}
	for pattern, whose := range b.api.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if whose != "anonymous" || slices.Contains(api.PutOffPatterns(), pattern) {
			continue
		}
		asked[pattern] = true
		ref := "1002"
		if strings.Contains(path, "/invoices/") || strings.Contains(path, "/shared-invoices/") {
			ref = id
		}
		path = strings.NewReplacer("{id}", ref, "{currency}", "1002", "{from}", "5057", "{to}", "1002").Replace(path)
		body, want := "", 200
		if method == "PUT" {
			body, want = richPeople, 409 // the invoice does not ask who buys
		}
		for _, signature := range []string{"garbage", strings.Repeat("A", 43) + "="} {
			r := b.request(client{}, method, path, body)
			r.Header.Set(paybell.HeaderClient, b.shop.id)
			r.Header.Set(paybell.HeaderTimestamp, "1999-01-01T00:00:00")
			r.Header.Set(paybell.HeaderSignature, signature)
			if a := b.send(r); a.status != want {
				t.Errorf("%s with a wrong signature: %d %s", pattern, a.status, a.body)
			}
		}
	}
	if len(asked) != 28 {
		t.Errorf("there are %d anonymous routes: %v", len(asked), slices.Sorted(maps.Keys(asked)))
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		r := b.request(client{}, "GET", path, "")
		r.Header.Set(paybell.HeaderSignature, "garbage")
		if a := b.send(r); a.status != 200 {
			t.Errorf("GET %s with a wrong signature: %d %s", path, a.status, a.body)
		}
	}
}

func TestLookingAheadOpensNothing(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	pick := "/api/v1/invoices/" + id + "/payment-currencies/1002"
	if a := b.call(client{}, "HEAD", pick, ""); a.status != 405 || a.header.Get("Allow") != "GET" {
		t.Errorf("HEAD: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
	for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "Prefetch", "X-Purpose": "preview", "X-Moz": "prefetch"} {
		r := b.request(client{}, "GET", pick, "")
		r.Header.Set(name, value)
		b.wantProblem(b.send(r), 409, "ahead of time")
	}
	b.wantProblem(b.call(client{}, "GET", pick+"/status", ""), 404, "not chosen")
	b.want(200, client{}, "GET", pick, "")
	for path, status := range map[string]int{
		"/api/v1/invoices/" + id + "/payment-currencies/XXX":                                            404,
		"/api/v1/invoices/" + id + "/payment-currencies/BTC":                                            400,
		"/api/v1/invoices/" + id + "/payment-currencies/USD":                                            400,
		"/api/v1/invoices/x/payment-currencies/1002":                                                    404,
		"/api/v1/invoices/00000000-0000-0000-0000-000000000000/payment-currencies/1002":                 404,
		"/api/v1/invoices/00000000-0000-0000-0000-000000000000/payment-currencies/1002/status":          404,
		"/api/v1/invoices/" + id + "/payment-currencies/4%3A0xdAC17F958D2ee523a2206206994597C13D831ec7": 400, // no wallet for it
		"/api/v1/invoices/" + id + "/payment-currencies/4:0xdAC17F958D2ee523a2206206994597C13D831ec7":   400,
		"/api/v1/invoices/" + id + "/payment-currencies/4%3A0x0000000000000000000000000000000000000000": 404,
	} {
		b.wantProblem(b.call(client{}, "GET", path, ""), status)
	}
}

func TestHealth(t *testing.T) {
	b := newBench(t)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if a := b.call(client{}, "GET", path, ""); a.status != 200 || string(a.body) != want {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	b.api.Ready = func(ctx context.Context) error { return fmt.Errorf("secret cause: %w", ctx.Err()) }
	b.serve()
	a := b.call(client{}, "GET", "/readyz", "")
	b.wantProblem(a, 503, "Not ready")
	if strings.Contains(string(a.body), "secret cause") || a.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.header, a.body)
	}
	if a := b.call(client{}, "GET", "/healthz", ""); a.status != 200 {
		t.Errorf("healthz: %d", a.status)
	}
}

func TestPathsThatAreNotThere(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	for _, path := range []string{
		"/", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v9/currencies", "/api//v1/currencies", "/api/v1/../v1/currencies", "/api/v1/./currencies",
		"/api/v1/currencies/", "/api/v2/merchant/invoices/", "/api/v2/merchant/invoices/" + id + "/", "/api/v1/sandbox", "/nothing", "/api/v2/sandbox/mine",
		"//api/v1/currencies", "/api/v1/currencies/../../../etc/passwd", "/api/v3/currencies", "/api/v2/merchant/clients", "/api/v2/merchant/invoices/" + id + "/accept",
	} {
		b.wantProblem(b.call(b.shop, "GET", path, ""), 404, "There is nothing at")
	}
	for path, want := range map[string][2]string{
		"/api/v1/currencies":                          {"POST", "GET"},
		"/api/v2/merchant/invoices":                   {"PUT", "GET, POST"},
		"/api/v1/sandbox/mine":                        {"GET", "POST"},
		"/api/v2/merchant/invoices/" + id + "/cancel": {"GET", "POST"},
		hooksPath(b.shop) + "/x":                      {"POST", "GET, PUT, DELETE"},
		"/healthz":                                    {"DELETE", "GET"},
		"/api/v1/invoices/" + id:                      {"GET", "PUT"},
		"/api/v2/shared-invoices/" + id:               {"PUT", "GET"},
		"/api/v1/invoices/" + id + "/payments":        {"GET", "POST"},
	} {
		a := b.call(b.shop, want[0], path, "")
		b.wantProblem(a, 405, want[1])
		if a.header.Get("Allow") != want[1] {
			t.Errorf("%s %s: Allow is %q, want %q", want[0], path, a.header.Get("Allow"), want[1])
		}
	}
}

// What CoinPayments has and Paybell does not is refused with the reason. These
// are all, each by every method that clients use there.
func TestPutOff(t *testing.T) {
	b := newBench(t)
	const (
		button = "create an invoice and link to its checkoutLink"
		payout = "straight into the merchant's wallet"
		simple = "sign POST /api/v2/merchant/invoices"
		wallet = "the merchant's own and only watched"
	)
	mux, asked := http.NewServeMux(), map[string]bool{}
	for _, pattern := range api.PutOffPatterns() {
		mux.Handle(pattern, http.NotFoundHandler())
	}
	for call, reason := range map[string]string{
		"POST /api/v1/merchant/invoices/buy-now-button": button, "POST /api/v2/merchant/invoices/buy-now-button": button, "POST /api/v1/invoices/button": button,
		"PUT /api/v1/merchant/invoices/x/payout-config": payout, "PUT /api/v2/merchant/invoices/x/payout-config": payout,
		"POST /api/v1/invoices":         simple,
		"GET /api/v1/currencies/1/logo": "no pictures", "GET /api/v2/currencies/4%3A0xdac17f958d2ee523a2206206994597c13d831ec7/logo": "no pictures",
		"GET /api/v1/currencies/1/logosvg": "no pictures", "GET /api/v2/currencies/1/logosvg": "no pictures",
		"POST /api/v2/merchant/wallets": wallet, "PATCH /api/v1/merchant/wallets": wallet, "PUT /api/v2/merchant/wallets": wallet, "DELETE /api/v1/merchant/wallets": wallet,
		"GET /api/v2/merchant/wallets/x/addresses": wallet, "POST /api/v1/merchant/wallets/x/addresses": wallet,
		"PUT /api/v1/merchant/wallets/x/webhook": wallet, "PUT /api/v2/merchant/wallets/x/addresses/y/webhook": wallet, "GET /api/v1/merchant/wallets/x/balance/2026-01-02": wallet,
		"GET /api/v2/merchant/wallets/x/transactions?skip=0&take=1": wallet, "GET /api/v1/merchant/wallets/x/transaction?transactionId=y": wallet,
		"POST /api/v1/merchant/wallets/x/spend/request": wallet, "POST /api/v2/merchant/wallets/x/spend/request": wallet, "POST /api/v1/merchant/wallets/x/spend/confirmation": wallet,
		"POST /api/v2/merchant/wallets/x/consolidation/y": wallet, "GET /api/v1/merchant/wallets/x/consolidation-preview": wallet,
		"GET /api/v3/merchant/wallets": wallet, "PUT /api/v3/merchant/wallets": wallet, "GET /api/v3/merchant/wallets/label/4%3A0xdac17f958d2ee523a2206206994597c13d831ec7": wallet,
		"POST /api/v3/merchant/wallets/label/2/spend/request": wallet,
	} {
		method, path, _ := strings.Cut(call, " ")
		_, pattern := mux.Handler(b.request(client{}, method, path, ""))
		asked[pattern] = true
		for _, c := range []client{b.shop, {}} {
			b.wantProblem(b.call(c, method, path, ""), http.StatusNotImplemented, reason)
			b.wantProblem(b.call(c, method, path, `{"amount":"1"}`), http.StatusNotImplemented, reason)
		}
	}
	for _, pattern := range api.PutOffPatterns() {
		if !asked[pattern] {
			t.Errorf("%s is not asked for", pattern)
		}
	}
	b.want(200, b.shop, "GET", "/api/v1/merchant/wallets", "") // which is answered
}
