package api_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

const createPath = "/api/v2/merchant/invoices"

// Every class of bad input of a new invoice: the status, and words that lead to
// the mistake. Nothing is written.
func TestBadInvoices(t *testing.T) {
	b := newBench(t)
	usd := func(total string) string { return `{"currency":"USD","amount":{"total":` + total + `}}` }
	items := func(list string) string { return `{"currency":"USD","amount":{"total":"10.00"},"items":` + list + `}` }
	with := func(more string) string { return `{"currency":"USD","amount":{"total":"10.00"},` + more + `}` }
	for name, tc := range map[string]struct {
		body   string
		status int
		words  []string
	}{
		"empty":                {"", 400, []string{"body is missing"}},
		"null":                 {"null", 400, []string{"object"}},
		"list":                 {"[]", 400, []string{"object"}},
		"nothing in it":        {"{}", 400, []string{"currency", "missing"}},
		"cut off":              {`{"currency":"USD"`, 400, []string{"JSON", "byte 17"}},
		"trailing data":        {usd(`"1"`) + "{}", 400, []string{"JSON", "byte 42"}},
		"NaN":                  {usd("NaN"), 400, []string{"JSON", "byte"}},
		"Infinity":             {usd("-Infinity"), 400, []string{"JSON", "byte"}},
		"invalid UTF-8":        {with("\"notes\":\"\xff\""), 400, []string{"UTF-8", "byte 54"}},
		"duplicate key":        {`{"currency":"USD","amount":{"total":"1","total":"2"}}`, 400, []string{"amount.total", "twice"}},
		"escaped duplicate":    {`{"currency":"USD","c\u0075rrency":"EUR"}`, 400, []string{"currency", "twice"}},
		"duplicate in custom":  {with(`"customData":{"a":[{"b":1,"b":1}]}`), 400, []string{"customData.a[0].b", "twice"}},
		"deep":                 {with(`"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64)), 400, []string{"deeper than 64", "x[0][0]"}},
		"very deep":            {with(`"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), 400, []string{"depth"}},
		"negative":             {usd(`"-1"`), 400, []string{"amount.total", "sign"}},
		"negative number":      {usd(`-1`), 400, []string{"amount.total", "sign"}},
		"zero":                 {usd(`"0.00"`), 400, []string{"amount.total", "more than 0"}},
		"exponent":             {usd(`"1e3"`), 400, []string{"amount.total", "exponent"}},
		"exponent in a number": {usd(`1e3`), 400, []string{"amount.total", "exponent"}},
		"huge exponent":        {usd(`1e999999999`), 400, []string{"amount.total", "exponent"}},
		"NaN as a string":      {usd(`"NaN"`), 400, []string{"amount.total"}},
		"comma":                {usd(`"10,00"`), 400, []string{"amount.total", "separator"}},
		"spaces":               {usd(`" 10"`), 400, []string{"amount.total"}},
		"too long":             {usd(`"` + strings.Repeat("1", 31) + `"`), 400, []string{"amount.total", "30 characters"}},
		"too many digits":      {usd(`"` + strings.Repeat("9", 16) + `"`), 400, []string{"amount.total", "15 digits"}},
		"too fine":             {usd(`"10.001"`), 400, []string{"amount.total", "2 decimals"}},
		"a number too fine":    {usd(`10.001`), 400, []string{"amount.total", "2 decimals"}},
		"total an object":      {usd(`{"value":"1"}`), 400, []string{"amount.total", "string", "object"}},
		"total a list":         {usd(`["1"]`), 400, []string{"amount.total", "string", "list"}},
		"total true":           {usd(`true`), 400, []string{"amount.total"}},
		"total missing":        {`{"currency":"USD","amount":{}}`, 400, []string{"amount.total", "missing"}},
		"total empty":          {usd(`""`), 400, []string{"amount.total", "missing"}},
		"amount missing":       {`{"currency":"USD"}`, 400, []string{"amount.total", "missing"}},
		"amount a string":      {`{"currency":"USD","amount":"10"}`, 400, []string{"amount", "object"}},
		"sum":                  {`{"currency":"USD","amount":{"breakdown":{"subtotal":"9.00","shipping":"0.5"},"total":"10.00"}}`, 400, []string{"amount.total", "9.5"}},
		"sum of items":         {items(`[{"name":"a","amount":"4"},{"name":"b","amount":"5"}]`), 400, []string{"subtotal", "9"}},
		"unknown currency":     {`{"currency":"XXX","amount":{"total":"1"}}`, 400, []string{"currency", "XXX", "/api/v1/currencies"}},
		"currency an object":   {`{"currency":{"id":1},"amount":{"total":"1"}}`, 400, []string{"currency", "string"}},
		"item without name":    {items(`[{"amount":"10.00"}]`), 400, []string{"items[0].name"}},
		"item without amount":  {items(`[{"name":"a"}]`), 400, []string{"items[0].amount", "missing"}},
		"item's bad amount":    {items(`[{"name":"a","amount":"10.00"},{"name":"b","amount":"x"}]`), 400, []string{"items[1].amount"}},
		"the first of many":    {items(`[{"name":"a","amount":"x"},{"name":"b","amount":"y"}]`), 400, []string{"items[0].amount"}},
		"item's bad tax":       {items(`[{"name":"a","amount":"10.00","tax":"x"}]`), 400, []string{"items[0].tax"}},
		"item's bad original":  {items(`[{"name":"a","amount":"10.00","originalAmount":"1e1"}]`), 400, []string{"items[0].originalAmount"}},
		"quantity 0":           {items(`[{"name":"a","amount":"10.00","quantity":{"value":0}}]`), 400, []string{"items[0].quantity.value"}},
		"quantity a half":      {items(`[{"name":"a","amount":"10.00","quantity":{"value":1.5}}]`), 400, []string{"items[0].quantity.value"}},
		"quantity too much":    {items(`[{"name":"a","amount":"10.00","quantity":{"value":"1000000000"}}]`), 400, []string{"items[0].quantity.value"}},
		"quantity past int64":  {items(`[{"name":"a","amount":"10.00","quantity":{"value":18446744073709551617}}]`), 400, []string{"items[0].quantity.value"}},
		"quantity type":        {items(`[{"name":"a","amount":"10.00","quantity":{"value":1,"type":"days"}}]`), 400, []string{"items[0].quantity.type", "hours"}},
		"too many items":       {items(`[` + strings.Repeat(`{"name":"a","amount":"0"},`, 500) + `{"name":"a","amount":"10"}]`), 400, []string{"items", "500"}},
		"items a string":       {items(`"x"`), 400, []string{"items"}},
		"long name":            {items(`[{"name":"` + strings.Repeat("é", 128) + `","amount":"10.00"}]`), 400, []string{"items[0].name", "127"}},
		"long number":          {with(`"invoiceId":"` + strings.Repeat("x", 128) + `"`), 400, []string{"invoiceId", "127"}},
		"long notes":           {with(`"notes":"` + strings.Repeat("x", 501) + `"`), 400, []string{"notes", "500"}},
		"notes a list":         {with(`"notes":[]`), 400, []string{"notes", "string"}},
		"customData a list":    {with(`"customData":[1]`), 400, []string{"customData", "object"}},
		"customData a string":  {with(`"customData":"x"`), 400, []string{"customData", "object"}},
		"customData too large": {with(`"customData":{"a":"` + strings.Repeat("x", 16<<10) + `"}`), 400, []string{"customData", "16384"}},
		"metadata a number":    {with(`"metadata":1`), 400, []string{"metadata", "object"}},
		"empty payment":        {with(`"payment":{}`), 400, []string{"payment", "empty"}},
		"empty payment of PHP": {with(`"payment":[]`), 400, []string{"payment"}},
		"refund address":       {with(`"payment":{"refundEmail":"nobody"}`), 400, []string{"payment.refundEmail"}},
		"unknown coin":         {with(`"payment":{"paymentCurrency":"XXX"}`), 400, []string{"payment.paymentCurrency", "XXX"}},
		"coin without wallet":  {with(`"payment":{"paymentCurrency":"BTC"}`), 400, []string{"BTC"}},
		"another's clientId":   {with(`"clientId":"` + b.sibling.id + `"`), 400, []string{"clientId"}},
		"clientId garbage":     {with(`"clientId":"x"`), 400, []string{"clientId"}},
		"e-mail delivery":      {with(`"isEmailDelivery":true`), 501, []string{"isEmailDelivery"}},
		"draft":                {with(`"draft":true`), 501, []string{"draft"}},
		"draft a string":       {with(`"draft":"yes"`), 400, []string{"draft", "true or false"}},
		"payout elsewhere":     {with(`"payoutOverrides":[{"address":"x"}]`), 501, []string{"payoutOverrides"}},
		"date":                 {with(`"dueDate":"tomorrow"`), 400, []string{"dueDate"}},
		"success link":         {with(`"successUrl":"javascript:alert(1)"`), 400, []string{"successUrl"}},
		"country":              {with(`"buyer":{"address":{"countryCode":"Germany"}}`), 400, []string{"countryCode"}},
		"buyer a string":       {with(`"buyer":"x"`), 400, []string{"buyer", "object"}},
		"webhook events":       {with(`"webhooks":[{"notificationsUrl":"https://shop.example/","notifications":[]}]`), 400, []string{"webhooks[0].notifications"}},
		"webhook event names":  {with(`"webhooks":[{"notificationsUrl":"https://shop.example/","notifications":["x"]}]`), 400, []string{"webhooks[0].notifications", "invoicePaid"}},
		"webhook URL":          {with(`"webhooks":[{"notificationsUrl":"http://127.0.0.1/","notifications":["invoicePaid"]}]`), 400, []string{"notificationsUrl", "loopback"}},
		"many webhooks":        {with(`"webhooks":[` + strings.Repeat(`{"notificationsUrl":"https://a.example/","notifications":["invoicePaid"]},`, 10) + `{}]`), 400, []string{"webhooks", "10"}},
	} {
		t.Run(name, func(t *testing.T) {
			was := b.T
			b.T = t
			defer func() { b.T = was }()
			b.wantProblem(b.call(b.shop, "POST", createPath, tc.body), tc.status, tc.words...)
		})
	}
	b.same(len(get(b, b.want(200, b.shop, "GET", createPath, ""), "items").([]any)), "0")
}

// What real clients send instead of what the contract says.
func TestLenientInvoices(t *testing.T) {
	b := newBench(t)
	for body, want := range map[string]string{
		`{"currencyId":5057,"amount":{"total":10}}`:                                                                                             "10.00",
		`{"currency":"usd","currencyId":"EUR","amount":{"total":10.100000000000001}}`:                                                           "10.10",
		`{"currency":"USD","amount":{"total":10.0999999}}`:                                                                                      "10.10",
		`{"currency":"USD","amount":{"total":0.30000000000000004,"breakdown":null}}`:                                                            "0.30",
		`{"currency":"USD","amount":{"total":"10","breakdown":{}}}`:                                                                             "10.00",
		`{"currency":"USD","amount":{"total":"10.0000","breakdown":{"shipping":"","tax":null}}}`:                                                "10.00",
		`{"currency":"LTCT","amount":{"total":0.123456780000001}}`:                                                                              "0.12345678",
		`{"currency":"USD","amount":{"total":"12","breakdown":{"subtotal":10,"shipping":"2"}},"items":{"name":"one","amount":10}}`:              "12.00",
		`{"currency":"USD","amount":{"total":"10"},"items":[],"clientId":"` + paybell.DashedClientID(b.shop.id) + `"}`:                          "10.00",
		`{"currency":"USD","amount":{"total":"10"},"items":null,"webhooks":null,"payment":null,"buyer":null,"customData":null,"metadata":null}`: "10.00",
		"\n {\"currency\":\"USD\",\"amount\":{\"total\":\"10\"},\"buyer\":{},\"invoiceId\":42,\"poNumber\":7,\"payoutOverrides\":[]}\r\n":       "10.00",
		`{"Currency":"USD","Amount":{"Total":"10"}}`:                                                                                            "10.00",
		`{"currency":"USD","amount":{"total":"10","breakdown":{"shipping":"10"}}}`:                                                              "10.00",
		`{"currency":"USD","amount":{"total":"10"},"merchantOptions":{"showEmail":true}}`:                                                       "10.00",
	} {
		id := get(b, b.want(201, b.shop, "POST", createPath, body), "invoices", 0, "id").(string)
		inv := b.want(200, b.shop, "GET", createPath+"/"+id, "")
		if got := get(b, inv, "amount", "total"); got != want {
			t.Errorf("%s: total %v, want %s", body, got, want)
		}
		b.same(get(b, inv, "merchantOptions", "showEmail"), "true")
		b.same(get(b, inv, "buyer"), "<nil>")
		b.same(get(b, inv, "customData"), "<nil>")
	}
	// A coin's last digits are not rounded away.
	b.wantProblem(b.call(b.shop, "POST", createPath, `{"currency":"LTCT","amount":{"total":0.000000019}}`), 400, "8 decimals")

	for quantity, want := range map[string]string{
		`{"value":2,"type":"quantity"}`: "map[type:quantity value:2]", `{"value":"3","type":2}`: "map[type:quantity value:3]",
		`{"value":3.0,"type":"2"}`: "map[type:quantity value:3]", `{"value":1,"type":"Hours"}`: "map[type:hours value:1]",
		`{"value":1,"type":1}`: "map[type:hours value:1]", `{"type":"1"}`: "map[type:hours value:1]", `null`: "map[type:quantity value:1]",
	} {
		body := `{"currency":"USD","amount":{"total":"10"},"merchantOptions":{"showEmail":false},"items":{"name":"a","amount":"10","quantity":` + quantity + `}}`
		id := get(b, b.want(201, b.shop, "POST", createPath, body), "invoices", 0, "id").(string)
		inv := b.want(200, b.shop, "GET", createPath+"/"+id, "")
		b.same(get(b, inv, "items", 0, "quantity"), want)
		b.same(get(b, inv, "items", 0, "originalAmount"), "10.00")
		b.same(get(b, inv, "items", 0, "tax"), "<nil>")
		b.same(get(b, inv, "merchantOptions", "showEmail"), "false")
	}
}

func TestBadWebhooks(t *testing.T) {
	b := newBench(t)
	hook := b.webhook(b.shop)
	before := string(b.call(b.shop, "GET", hooksPath(b.shop), "").body)
	body := func(url, events string) string {
		return `{"notificationsUrl":"` + url + `","notifications":` + events + `}`
	}
	const paid = `["invoicePaid"]`
	for name, tc := range map[string]struct{ body, field, word string }{
		"empty body":        {"", "", "missing"},
		"no events":         {body("https://shop.example/", `[]`), "notifications", "at least one"},
		"events missing":    {`{"notificationsUrl":"https://shop.example/"}`, "notifications", "at least one"},
		"events null":       {body("https://shop.example/", `null`), "notifications", "at least one"},
		"events as text":    {body("https://shop.example/", `"invoiceEaten"`), "notifications", "invoiceEaten"},
		"events a number":   {body("https://shop.example/", `7`), "notifications", "a list"},
		"no events as text": {body("https://shop.example/", `""`), "notifications", "at least one"},
		"event unknown":     {body("https://shop.example/", `["invoicePaid","invoiceEaten"]`), "notifications", "invoiceEaten"},
		"URL missing":       {`{"notifications":["invoicePaid"]}`, "notificationsUrl", "missing"},
		"URL a number":      {`{"notificationsUrl":{},"notifications":["invoicePaid"]}`, "notificationsUrl", "string"},
		"ftp":               {body("ftp://shop.example/", paid), "notificationsUrl", "http"},
		"no scheme":         {body("shop.example/hook", paid), "notificationsUrl", "http"},
		"private":           {body("http://10.0.0.1/", paid), "notificationsUrl", "private"},
		"metadata":          {body("http://169.254.169.254/latest", paid), "notificationsUrl", "metadata"},
		"loopback":          {body("http://[::1]:8080/", paid), "notificationsUrl", "loopback"},
		"user info":         {body("https://user:pass@shop.example/", paid), "notificationsUrl", "user name"},
		"too long":          {body("https://shop.example/"+strings.Repeat("x", 2000), paid), "notificationsUrl", "2000"},
		"duplicate key":     {`{"notificationsUrl":"https://a.example/","notificationsUrl":"https://b.example/","notifications":["invoicePaid"]}`, "", "twice"},
	} {
		for _, call := range []string{"POST " + hooksPath(b.shop), "PUT " + hooksPath(b.shop) + "/" + hook} {
			method, path, _ := strings.Cut(call, " ")
			p := b.wantProblem(b.call(b.shop, method, path, tc.body), 400, tc.word)
			if tc.field == "" || p == nil {
				continue
			}
			if list, ok := get(b, p, "errors", tc.field).([]any); !ok || len(list) != 1 {
				t.Errorf("%s: %s: errors is %v, want one for %s", method, name, p["errors"], tc.field)
			}
		}
	}
	if after := string(b.call(b.shop, "GET", hooksPath(b.shop), "").body); after != before {
		t.Errorf("something was written: %s, was %s", after, before)
	}
	b.wantProblem(b.call(b.shop, "PUT", hooksPath(b.shop)+"/nothing", hookBody), 404)
	b.wantProblem(b.call(b.shop, "GET", "/api/v1/merchant/clients/x/webhooks", ""), 404, "Merchant Not Found!")
}

func TestBadSandboxCalls(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	const tx = "/api/v1/sandbox/transactions/0000000000000000000000000000000000000000000000000000000000000000"
	pay, expire := "/api/v1/sandbox/invoices/"+id+"/pay", "/api/v1/sandbox/invoices/"+id+"/expire"
	for _, tc := range []struct {
		path, body string
		status     int
		word       string
	}{
		{pay, `{"amount":"-1"}`, 400, "amount"}, {pay, `{"amount":"1e9"}`, 400, "amount"}, {pay, `{"amount":"0"}`, 400, "more than 0"},
		{pay, `{"amount":"0.000000001"}`, 400, "8 decimals"}, {pay, `{"amount":[]}`, 400, "amount"}, {pay, `{"amuont":"1"}`, 400, "amuont"},
		{pay, `[1]`, 400, "object"}, {pay, `{"amount":"1","amount":"2"}`, 400, "twice"},
		{"/api/v1/sandbox/invoices/x/pay", "", 404, "invoice id"}, {"/api/v1/sandbox/invoices/" + b.shop.id + "/pay", "", 404, "invoice id"},
		{expire, "", 400, "missing"}, {expire, `{}`, 400, "what"}, {expire, `{"what":"never"}`, 400, "lifetime"}, {expire, `{"what":"window","force":1}`, 400, "force"},
		{"/api/v1/sandbox/mine", "", 400, "missing"}, {"/api/v1/sandbox/mine", "{}", 400, "blocks"}, {"/api/v1/sandbox/mine", `{"blocks":0}`, 400, "1"},
		{"/api/v1/sandbox/mine", `{"blocks":"many"}`, 400, "blocks"}, {"/api/v1/sandbox/mine", `{"blocks":1.5}`, 400, "blocks"},
		{"/api/v1/sandbox/mine", `{"blocks":99999999999999999999}`, 400, "blocks"}, {"/api/v1/sandbox/mine", `{"blocks":1000000}`, 400, "1000"},
		{"/api/v1/sandbox/reorg", "{}", 400, "depth"}, {"/api/v1/sandbox/reorg", `{"depth":-1}`, 400, ""},
		{tx + "/replace", "{}", 400, "toInvoice"}, {tx + "/replace", `{"toInvoice":"yes"}`, 400, "true or false"},
		{tx + "/replace", `{"toInvoice":true}`, 404, ""}, {tx + "/drop", "", 404, ""}, {tx + "/drop", `{"x":1}`, 400, "no body"},
	} {
		b.wantProblem(b.call(b.shop, "POST", tc.path, tc.body), tc.status, tc.word)
	}
}

func TestBodySize(t *testing.T) {
	b := newBench(t)
	const most = 1 << 20
	fill := func(size int) string {
		start, end := `{"currency":"USD","amount":{"total":"1"},"ignored":"`, `"}`
		return start + strings.Repeat("x", size-len(start)-len(end)) + end
	}
	b.want(201, b.shop, "POST", createPath, fill(most))
	b.wantProblem(b.call(b.shop, "POST", createPath, fill(most+1)), 413, "1048576")
	b.wantProblem(b.call(client{}, "POST", createPath, fill(most+1)), 413)

	r := b.request(b.shop, "POST", createPath, fill(most+1))
	r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(fill(most+1))) // chunked: the size is not told
	b.wantProblem(b.send(r), 413)
}

// Signatures and timestamps that are not good; auth_test has the fine print.
func TestBadSignatures(t *testing.T) {
	b := newBench(t)
	sign := func(change func(r *http.Request)) answer {
		r := b.request(b.shop, "GET", createPath, "")
		change(r)
		return b.send(r)
	}
	resign := func(at time.Time) func(r *http.Request) {
		return func(r *http.Request) {
			ts := paybell.FormatTimestamp(at)
			r.Header.Set(paybell.HeaderTimestamp, ts)
			r.Header.Set(paybell.HeaderSignature, paybell.SignRequest(b.shop.secret, "GET", b.url+createPath, b.shop.id, ts, nil))
		}
	}
	b.wantProblem(sign(func(r *http.Request) { r.Header.Del(paybell.HeaderSignature) }), 401, "missing")
	b.wantProblem(sign(func(r *http.Request) { r.URL.RawQuery = "limit=100" }), 401, "does not match")
	b.wantProblem(sign(resign(time.Now().Add(-2*time.Minute))), 401, "behind")
	b.wantProblem(sign(resign(time.Now().Add(2*time.Minute))), 401, "ahead")
	if a := sign(resign(time.Now().Add(-30 * time.Second))); a.status != 200 {
		t.Errorf("half a minute old: %d %s", a.status, a.body)
	}
	b.api.SignatureWindow = 5 * time.Minute
	b.serve()
	if a := sign(resign(time.Now().Add(-2 * time.Minute))); a.status != 200 {
		t.Errorf("two minutes old with a window of five: %d %s", a.status, a.body)
	}

	// The body is part of what is signed, and a disabled integration's id tells nobody.
	r := b.request(b.shop, "POST", createPath, `{"currency":"USD","amount":{"total":"1"}}`)
	r.Body = io.NopCloser(bytes.NewReader([]byte(`{"currency":"USD","amount":{"total":"9"}}`)))
	b.wantProblem(b.send(r), 401, "does not match")
}

// A notification is signed like a request; sent to one of our routes it does nothing.
func TestNotificationsAreNoRequests(t *testing.T) {
	b := newBench(t)
	id, hook := b.invoice(b.shop, ""), b.webhook(b.shop)
	before := b.facts(id)
	told := `{"id":"8a49a588266246a2ab5f43217ca993bd","type":"InvoicePaid","timestamp":"2024-07-01T11:04:06.8033575+00:00","invoice":{"id":"` + id + `"}}`
	for pattern, whose := range b.api.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if whose != "signed" || method == "GET" {
			continue
		}
		path = strings.NewReplacer("{id}", id, "{clientId}", b.shop.id, "{webhookId}", hook, "{txId}", "x").Replace(path)
		b.wantProblem(b.call(b.shop, method, path, told), 401, "a notification of ours")
	}
	if after := b.facts(id); after != before {
		t.Errorf("a notification changed something: %s, was %s", after, before)
	}
}

// The log holds who asked for what, and nothing that opens a door.
func TestTheLogHoldsNoSecrets(t *testing.T) {
	b := newBench(t)
	const private = "p-r-i-v-a-t-e"
	calls := []*http.Request{
		b.request(b.shop, "POST", createPath, `{"currency":"USD","amount":{"total":"1"},"notes":"`+private+`","customData":{"k":"`+private+`"}}`),
		b.request(b.shop, "POST", createPath, `{"currency":"`+private+`","notes":"`+private+`"}`),
		b.request(b.shop, "POST", hooksPath(b.shop), `{"notificationsUrl":"https://shop.example/?token=`+private+`","notifications":["invoicePaid"]}`),
		b.request(b.shop, "POST", hooksPath(b.shop), `{"notificationsUrl":"https://u:`+private+`@shop.example/","notifications":["invoicePaid"]}`),
		b.request(b.shop, "GET", createPath+"?status="+private, ""),
		b.request(client{b.shop.id, private}, "GET", createPath, ""),
		b.request(client{}, "GET", "/nothing?token="+private, ""),
	}
	for _, r := range calls {
		b.send(r)
	}
	log := b.log.String()
	if strings.Count(log, "\n") != len(calls) {
		t.Errorf("%d requests, logged %s", len(calls), log)
	}
	for _, secret := range []string{private, b.shop.secret, calls[0].Header.Get(paybell.HeaderSignature)} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log: %s", secret, log)
		}
	}
	if !strings.Contains(log, b.shop.id) {
		t.Errorf("the client is not in the log: %s", log)
	}
}
