package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/paybell/paybell"
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

func TestListInvoices(t *testing.T) {
	b := newBench(t)
	var made []string
	for i := range 5 {
		c := b.shop
		if i == 2 {
			c = b.sibling
		}
		made = append(made, b.invoice(c, fmt.Sprintf(`,"invoiceId":%d`, i)))
	}
	b.invoice(b.stranger, "")
	b.want(200, b.shop, "POST", "/api/v1/merchant/invoices/"+made[3]+"/cancel", "")
	slices.Reverse(made)

	var read []string
	path := "/api/v2/merchant/invoices?limit=2"
	for pages := 0; path != ""; pages++ {
		v := b.want(200, b.shop, "GET", path, "")
		for _, item := range get(b, v, "items").([]any) {
			read = append(read, get(b, item, "id").(string))
		}
		next, _ := get(b, v, "paging", "next").(string)
		path = strings.TrimPrefix(next, b.url)
		if pages > 3 {
			t.Fatal("the list never ends")
		}
	}
	if !slices.Equal(read, made) {
		t.Errorf("read %v, want %v", read, made)
	}
	for query, want := range map[string]int{
		"?status=cancelled": 1, "?status=Unpaid": 4, "?status=paid": 0, "?clientId=" + b.sibling.id: 1, "?limit=100": 5, "": 5,
		"?clientId=" + b.stranger.id: 0, "?from=&to=&q=": 5,
	} {
		v := b.want(200, b.shop, "GET", "/api/v1/merchant/invoices"+query, "")
		b.same(len(get(b, v, "items").([]any)), fmt.Sprint(want))
	}
	for query, word := range map[string]string{
		"?status=none": "status", "?limit=0": "limit", "?limit=101": "limit", "?limit=x": "limit", "?limit=-1": "limit",
		"?after=x": "after", "?after=%00": "after", "?after=MTIz": "after", "?clientId=7": "clientId",
	} {
		b.wantProblem(b.call(b.shop, "GET", "/api/v1/merchant/invoices"+query, ""), 400, word)
	}
	for _, name := range []string{"from", "to", "q", "integration", "payoutWalletId"} {
		b.wantProblem(b.call(b.shop, "GET", "/api/v1/merchant/invoices?"+name+"=x", ""), 501, name)
	}
	b.wantProblem(b.call(b.limited(b.merchant("Third"), paybell.CreateInvoice), "GET", "/api/v1/merchant/invoices", ""), 403, "listInvoices")
}

func TestReferenceData(t *testing.T) {
	b := newBench(t)
	for _, version := range []string{"/api/v1", "/api/v2"} {
		for query, want := range map[string]string{
			"": "1,2,4,1002,5057,5195", "?q=lite": "2,1002", "?q=5057": "5057", "?q=eUr": "5195", "?types=fiat": "5057,5195",
			"?types=crypto,token": "1,2,4,1002", "?capabilities=payments": "1002", "?capabilities=payments,utxo": "", "?q=zzz": "",
			"?types=crypto&q=l&capabilities=payments": "1002",
		} {
			var ids []string
			for _, c := range b.want(200, client{}, "GET", version+"/currencies"+query, "").([]any) {
				ids = append(ids, get(b, c, "id").(string))
			}
			if got := strings.Join(ids, ","); got != want {
				t.Errorf("currencies%s: %s, want %s", query, got, want)
			}
		}
		for ref, want := range map[string]string{"1002": "LTCT", "ltct": "LTCT", "5057": "USD"} {
			b.same(get(b, b.want(200, client{}, "GET", version+"/currencies/"+ref, ""), "symbol"), want)
		}
		b.wantProblem(b.call(client{}, "GET", version+"/currencies/4%3A0xdac17f958d2ee523a2206206994597c13d831ec7", ""), 404, "4:0xdac17f")
		confirmations := b.want(200, client{}, "GET", version+"/currencies/required-confirmations", "").([]any)
		b.same(len(confirmations), "4")
		b.same(confirmations[3], "map[confirmationsCount:3 currencyId:1002]")

		v := b.want(200, client{}, "GET", version+"/rates?from=USD&to=LTCT,1002,EUR", "")
		b.same(len(get(b, v, "items").([]any)), "2")
		b.same(get(b, v, "items", 0, "rate"), "0.0125")
		b.same(get(b, v, "items", 0, "baseCurrencyId"), "5057")
		b.same(get(b, v, "items", 0, "quoteCurrencyId"), "1002")
		b.same(len(get(b, b.want(200, client{}, "GET", version+"/rates", ""), "items").([]any)), "25") // without bitcoin
		b.wantProblem(b.call(client{}, "GET", version+"/rates?from=XXX", ""), 400, "from", "XXX")
		b.wantProblem(b.call(client{}, "GET", version+"/rates?from=USD&pointInTime=2026-01-01", ""), 501, "pointInTime")
		if a := b.call(client{}, "GET", version+"/rates?from=BTC&to=USD", ""); a.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		} else {
			b.wantProblem(a, 503, "no rate")
		}
		b.same(b.want(200, b.shop, "GET", version+"/merchant/wallets?skip=0&take=1", ""), "[]")
	}
	b.wantProblem(b.call(b.limited(b.merchant("Third"), paybell.CreateInvoice), "GET", "/api/v2/merchant/wallets", ""), 403, "getWallets")
}

// Anonymous routes get wrong signatures from real clients, and do not look.
func TestAnonymousRoutesIgnoreSignatures(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	for _, path := range []string{
		"/api/v1/currencies?q=a", "/api/v1/currencies/1002", "/api/v1/rates?from=USD", "/api/v1/currencies/required-confirmations",
		"/api/v1/invoices/" + id + "/payment-currencies/1002", "/api/v1/invoices/" + id + "/payment-currencies/1002/status",
		"/healthz", "/readyz",
	} {
		for _, signature := range []string{"garbage", strings.Repeat("A", 43) + "="} {
			r := b.request(client{}, "GET", path, "")
			r.Header.Set(paybell.HeaderClient, b.shop.id)
			r.Header.Set(paybell.HeaderTimestamp, "1999-01-01T00:00:00")
			r.Header.Set(paybell.HeaderSignature, signature)
			if a := b.send(r); a.status != 200 {
				t.Errorf("GET %s with a wrong signature: %d %s", path, a.status, a.body)
			}
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
		"/api/v1/invoices/" + id + "/payment-currencies/4%3A0xdAC17F958D2ee523a2206206994597C13D831ec7": 404,
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
		"//api/v1/currencies", "/api/v1/currencies/../../../etc/passwd", "/api/v1/invoices/" + id,
	} {
		if path == "/api/v1/invoices/"+id { // there, for PUT
			continue
		}
		b.wantProblem(b.call(b.shop, "GET", path, ""), 404, "There is nothing at")
	}
	for path, want := range map[string][2]string{
		"/api/v1/currencies":                          {"POST", "GET"},
		"/api/v2/merchant/invoices":                   {"PUT", "GET, POST"},
		"/api/v1/sandbox/mine":                        {"GET", "POST"},
		"/api/v2/merchant/invoices/" + id + "/cancel": {"GET", "POST"},
		hooksPath(b.shop) + "/x":                      {"POST", "PUT, DELETE"},
		"/healthz":                                    {"DELETE", "GET"},
	} {
		a := b.call(b.shop, want[0], path, "")
		b.wantProblem(a, 405, want[1])
		if a.header.Get("Allow") != want[1] {
			t.Errorf("%s %s: Allow is %q, want %q", want[0], path, a.header.Get("Allow"), want[1])
		}
	}
}

func TestPutOff(t *testing.T) {
	b := newBench(t)
	for _, call := range []string{
		"POST /api/v1/merchant/invoices", "POST /api/v1/merchant/invoices/buy-now-button", "POST /api/v2/merchant/invoices/buy-now-button",
		"POST /api/v1/merchant/wallets", "POST /api/v2/merchant/wallets", "GET /api/v1/merchant/wallets/x", "POST /api/v2/merchant/wallets/x/spend/request",
		"POST /api/v1/merchant/wallets/x/spend/confirmation", "PUT /api/v1/merchant/wallets/x/webhook", "PUT /api/v3/merchant/wallets",
		"POST /api/v3/merchant/wallets/label/2/spend/request", "GET /api/v1/currencies/conversions", "GET /api/v1/currencies/limits/1/2",
		"GET /api/v1/fees/blockchain/1", "GET /api/v1/merchant/invoices/x/payouts", "GET /api/v2/merchant/invoices/x/history", "POST /api/v1/invoices",
	} {
		method, path, _ := strings.Cut(call, " ")
		b.wantProblem(b.call(b.shop, method, path, ""), http.StatusNotImplemented)
		b.wantProblem(b.call(b.shop, method, path, `{"amount":"1"}`), http.StatusNotImplemented)
	}
}
