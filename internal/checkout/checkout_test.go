package checkout_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/checkout"
	"github.com/paybell/paybell/internal/desk"
)

const (
	refreshes = `<noscript><meta http-equiv="refresh" content="20"></noscript>`
	code      = `role="img"` // a QR code
	payForm   = `name="coin" value="1002"`
)

// withLinks gives an invoice its own ways back to the shop.
func withLinks(b *paybell.Bill) {
	b.SuccessURL, b.CancelURL = "https://shop.example/paid", "https://shop.example/left"
}

// TestStates walks an invoice into each state on a real store and chain.
func TestStates(t *testing.T) {
	whole := newBench(t)
	const paid, left = `href="https://shop.example/paid"`, `href="https://shop.example/left"`
	for name, c := range map[string]struct {
		walk    func(b *bench, id string)
		says    []string // in the buyer's page; with ! before: it does not
		label   string   // on the invoice to print
		payable bool     // from there
	}{
		"choose a coin": {func(*bench, string) {},
			[]string{"Choose how to pay", payForm, "about 0.125 LTCT", "for 1 hour", left, "Cancel and return", "!" + paid, "!" + refreshes, "!" + code}, "Not paid", true},
		"waiting": {func(b *bench, id string) { b.open(id) },
			[]string{"Waiting for your payment", "tltc1", ">0.125</span> LTCT", code, "Time left", "data-left>59 min</time>", "until <time", refreshes, left, "!" + paid, "!" + payForm, "!Arrived", "!Open in wallet", "!Pay with another coin"}, "Not paid", true},
		"part": {func(b *bench, id string) { b.pay(id, "0.05") },
			[]string{"Part of the payment has arrived", "Still to pay", ">0.075</span> LTCT", code, "0.05 LTCT", refreshes, left, "!" + paid, "!Cancel and"}, "Partly paid", true},
		"part, and the window is over": {func(b *bench, id string) { b.pay(id, "0.05"); b.hasten(id, "window"); b.watch() },
			[]string{"The payment is not complete", "0.075 LTCT", "do not send more", "!" + code, "!tltc1", "!" + payForm, "!" + refreshes}, "Partly paid", false},
		"seen": {func(b *bench, id string) { b.pay(id, "") },
			[]string{"Payment received", "0 of 3 confirmations", refreshes, paid, "!" + left, "!" + code, "!tltc1", "!Missing"}, "Paid, not confirmed yet", false},
		"overpaid": {func(b *bench, id string) { b.pay(id, "0.2") },
			[]string{"Payment received", "More has arrived", "0.2 LTCT", paid}, "Paid, not confirmed yet", false},
		"confirming": {func(b *bench, id string) { b.pay(id, ""); b.mine(2) },
			[]string{"Payment received", "2 of 3 confirmations", `<progress id="depth" max="3" value="2">`, refreshes, paid}, "Paid, not confirmed yet", false},
		"completed": {func(b *bench, id string) { b.pay(id, ""); b.mine(5) },
			[]string{"<title>Paid", "3 of 3 confirmations", paid, "!" + left, "!" + refreshes}, "Paid", false},
		"replaced": {func(b *bench, id string) {
			tx := b.pay(id, "")
			_, err := b.desk.ReplaceSandbox(b.Context(), b.shop, tx, false)
			must(b.T, err)
			b.watch()
		},
			[]string{"Waiting for your payment", "was replaced", ">0.125</span> LTCT", code, refreshes, "!" + paid}, "Not paid", true},
		"the window is over, nobody has looked": {func(b *bench, id string) { b.open(id); b.hasten(id, "window") },
			[]string{"The time to pay is over", "Do not send anything now", refreshes, "!" + code, "!tltc1", "!" + payForm}, "Not paid", false},
		"the window is over": {func(b *bench, id string) { b.open(id); b.hasten(id, "window"); b.watch() },
			[]string{"The time to pay is over", "old address is no longer good", payForm, "!tltc1", "!" + refreshes}, "Not paid", true},
		"the window is over, chosen anew": {func(b *bench, id string) { b.open(id); b.hasten(id, "window"); b.watch(); b.open(id) },
			[]string{"Waiting for your payment", code, refreshes}, "Not paid", true},
		"late": {func(b *bench, id string) { b.open(id); b.hasten(id, "window"); b.watch(); b.pay(id, "0.125") },
			[]string{"The payment came too late", "decides whether it counts", "0.125 LTCT", "!" + code, "!" + payForm, "!Missing"}, "Paid too late", false},
		"late and accepted": {func(b *bench, id string) {
			b.open(id)
			b.hasten(id, "window")
			b.watch()
			b.pay(id, "0.125")
			must(b.T, b.desk.AcceptInvoice(b.Context(), b.shop, id))
		}, []string{"Payment received", paid}, "Paid, not confirmed yet", false},
		"timed out": {func(b *bench, id string) { b.hasten(id, "lifetime"); b.timers() },
			[]string{"This invoice has expired", left, "!" + payForm, "!" + refreshes}, "Expired", false},
		"timed out after a payment": {func(b *bench, id string) { b.open(id); b.hasten(id, "lifetime"); b.watch(); b.watch() },
			[]string{"This invoice has expired", "!" + code, "!tltc1", "!" + refreshes}, "Expired", false},
		"cancelled": {func(b *bench, id string) { b.open(id); must(b.T, b.desk.CancelInvoice(b.Context(), b.shop, id)) },
			[]string{"This invoice was cancelled", left, "!" + code, "!tltc1", "!" + payForm, "!" + refreshes}, "Cancelled", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{}
			*b = *whole
			b.T = t
			id := b.invoice(withLinks)
			c.walk(b, id)
			b.wants(b.get(page(id)), 200, append(c.says, "<bdi>Café Bell</bdi>", "10.00 <span>USD</span>", "Invoice <bdi>0067</bdi>", "Test, no real money", "!ZgotmplZ")...)
			printed := b.get("/invoices/" + id)
			b.wants(printed, 200, ">"+c.label+"</p>", "Total", "10.00 USD", id, "!ZgotmplZ", "!"+refreshes, "!"+code)
			if asks := strings.Contains(printed.body, "Pay this invoice"); asks != c.payable {
				t.Errorf("the printed invoice asks to be paid: %v", asks)
			}
		})
	}
}

// TestLookingTakesNoAddress: only choosing a coin does, and once.
func TestLookingTakesNoAddress(t *testing.T) {
	b := newBench(t)
	id := b.invoice()
	form := "/checkout/" + id + "/pay"
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
		for _, path := range []string{page(id), page(id) + "&coin=1002", "/checkout?invoice-id=" + id, "/invoices/" + id, form, form + "?coin=1002", "/checkout/" + id + "/pay-test"} {
			for _, purpose := range []string{"", "prefetch", "prefetch;prerender"} {
				r := b.request(method, path, "")
				r.Header.Set("Sec-Purpose", purpose)
				b.send(r)
			}
		}
	}
	if b.derived() != 0 {
		t.Fatalf("%d addresses were taken by looking", b.derived())
	}
	for range 3 {
		a := b.post(form+"?success-url=https%3A%2F%2Fshop.example%2Fok", url.Values{"coin": {"1002"}})
		where := "../../checkout/?coin=1002&invoice-id=" + id + "&success-url=https%3A%2F%2Fshop.example%2Fok"
		if a.status != http.StatusSeeOther || a.header.Get("Location") != where {
			t.Errorf("choosing a coin is answered %d, to %q, want 303 to %q", a.status, a.header.Get("Location"), where)
		}
	}
	if b.derived() != 1 {
		t.Errorf("choosing one coin three times took %d addresses", b.derived())
	}
	b.wants(b.get(page(id)), 200, "Waiting for your payment")
}

func TestChoosingWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	id := b.invoice()
	form := "/checkout/" + id + "/pay"
	back := `href="../../checkout/?invoice-id=` + id + `"`
	b.wants(b.post(form, url.Values{}), 400, back)
	b.wants(b.post(form, url.Values{"coin": {"DOGE"}}), 400, back)
	b.wants(b.post(form, url.Values{"coin": {"1"}}), 400, back) // known, and the merchant has no wallet for it
	b.wants(b.post(form, url.Values{"coin": {strings.Repeat("1", 20<<10)}}), 413, back)
	b.wants(b.post("/checkout/nope/pay", url.Values{"coin": {"1002"}}), 404)
	b.wants(b.post("/checkout/"+paybell.NewUUID(paybell.Invoice{}.CreatedAt)+"/pay", url.Values{"coin": {"1002"}}), 404)
	b.rate = ""
	a := b.post(form, url.Values{"coin": {"1002"}})
	b.wants(a, 503, "Not possible at the moment", back)
	if a.header.Get("Retry-After") == "" {
		t.Error("it is not said when to come again")
	}
	b.wants(b.get(page(id)), 200, "No coin can be chosen at the moment", "!"+payForm)
	b.rate = "0.0125"
	must(t, b.desk.CancelInvoice(t.Context(), b.shop, id))
	if a := b.post(form, url.Values{"coin": {"1002"}}); a.status != http.StatusSeeOther {
		t.Errorf("who chooses a coin of a cancelled invoice gets %d, and is not shown the invoice", a.status)
	}
	if b.derived() != 0 {
		t.Errorf("%d addresses were taken", b.derived())
	}
}

// TestChoosingIsBounded: a coin is chosen without a signature, so neither one invoice
// nor one address may do it at will.
func TestChoosingIsBounded(t *testing.T) {
	b := newBench(t, func(s *checkout.Server) { s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	choose := func(invoice, from string) answer {
		r := b.request(http.MethodPost, "/checkout/"+invoice+"/pay", "coin=1002")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", from)
		return b.send(r)
	}
	// The clock runs, so one more may pass than is allowed at once, and not many more.
	passed := func(do func(i int) answer) (n int) {
		var last answer
		for i := range 40 {
			if last = do(i); last.status == http.StatusSeeOther {
				n++
			} else {
				b.wants(last, 429, "Too many requests", "Back to the invoice")
			}
		}
		if last.header.Get("Retry-After") == "" {
			t.Error("it is not said when to come again")
		}
		return n
	}
	one := b.invoice()
	if n := passed(func(i int) answer { return choose(one, fmt.Sprintf("192.0.2.%d", i)) }); n < 5 || n > 15 {
		t.Errorf("of 40 choices for one invoice, %d passed", n)
	}
	many := make([]string, 40)
	for i := range many {
		many[i] = b.invoice()
	}
	before := b.derived()
	if n := passed(func(i int) answer { return choose(many[i], fmt.Sprintf("2001:db8::%x", i)) }); n < 5 || n > 15 || b.derived()-before != n {
		t.Errorf("of 40 choices from one network, %d passed and took %d addresses", n, b.derived()-before)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	b := newBench(t, func(s *checkout.Server) { s.RateLimit = 3 })
	id := b.invoice()
	var refused int
	for range 20 {
		if a := b.get(page(id)); a.status == http.StatusTooManyRequests {
			b.wants(a, 429, "Wait a few seconds")
			refused++
		}
	}
	if refused < 5 {
		t.Errorf("of 20 requests at once, %d were refused", refused)
	}
}

// TestPayTest: who tries out a test invoice can pay it here, once.
func TestPayTest(t *testing.T) {
	b := newBench(t)
	const button = "Pay with test coins"
	id := b.invoice()
	form := "/checkout/" + id + "/pay-test"
	b.wants(b.get(page(id)), 200, "!"+button)
	send := func() {
		t.Helper()
		if a := b.post(form+"?coin=1002", url.Values{}); a.status != http.StatusSeeOther || a.header.Get("Location") != "../../checkout/?coin=1002&invoice-id="+id {
			t.Errorf("got %d to %q", a.status, a.header.Get("Location"))
		}
	}
	send() // nothing is chosen
	if b.derived() != 0 {
		t.Error("paying has chosen a coin")
	}
	b.open(id)
	b.wants(b.get(page(id)), 200, button, `action="../checkout/`+id+`/pay-test`)
	for range 3 {
		send()
	}
	b.watch()
	b.wants(b.get(page(id)), 200, "Payment received", "Arrived</dt><dd>0.125 LTCT", "!"+button)
	b.wants(b.post("/checkout/"+paybell.NewUUID(time.Now())+"/pay-test", url.Values{}), 404)
}

// TestWeight: the first page with all that it needs is light.
func TestWeight(t *testing.T) {
	b := newBench(t)
	id := b.invoice(withLinks)
	b.open(id)
	body := b.get(page(id)).body
	size := len(body)
	for _, path := range regexp.MustCompile(`checkout/assets/[\w.-]+`).FindAllString(body, -1) {
		size += len(b.get("/" + path).body)
	}
	if size > 100_000 {
		t.Errorf("the first page weighs %d bytes", size)
	}
}

// TestMoneyEndsTheChoice: once money was seen, another coin is not offered, and
// nobody is asked who pays.
func TestMoneyEndsTheChoice(t *testing.T) {
	b := newBench(t)
	id := b.invoice(func(bill *paybell.Bill) { bill.RequireBuyerNameAndEmail = true })
	b.pay(id, "0.05")
	v, err := b.desk.Checkout(t.Context(), id, "", "")
	must(t, err)
	if v.Coins != nil || v.AsksBuyer {
		t.Errorf("there are %d coins to choose; the buyer is asked: %v", len(v.Coins), v.AsksBuyer)
	}
	b.wants(b.get(page(id)), 200, "Part of the payment has arrived", "!Who is paying")
}

// TestTheLastAddress: when an invoice has had all its payments, the page does not
// offer what would fail.
func TestTheLastAddress(t *testing.T) {
	b := newBench(t)
	id := b.invoice()
	for range 20 {
		b.open(id)
		b.hasten(id, "window")
		b.watch()
	}
	b.wants(b.get(page(id)), 200, "No coin can be chosen", "ask the merchant", "!"+payForm)
	a := b.post("/checkout/"+id+"/pay", url.Values{"coin": {"1002"}})
	if a.status != http.StatusSeeOther || b.derived() != 20 {
		t.Errorf("got %d and %d addresses", a.status, b.derived())
	}
}

func TestOtherSitesCannotSendForms(t *testing.T) {
	b := newBench(t)
	id := b.invoice(func(bill *paybell.Bill) { bill.RequireBuyerNameAndEmail = true })
	for _, header := range [][2]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		for step, form := range map[string]string{"pay": "coin=1002", "buyer": "first-name=Eve&email=eve@evil.example"} {
			r := b.request(http.MethodPost, "/checkout/"+id+"/"+step, form)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header[0], header[1])
			b.wants(b.send(r), 403, "Another site sent this form", "Back to the invoice")
		}
	}
	inv, _, err := b.desk.SharedInvoice(t.Context(), id)
	must(t, err)
	if b.derived() != 0 || inv.Bill.Buyer != nil {
		t.Error("another site's form did something")
	}
}

func TestBuyerForm(t *testing.T) {
	for name, ask := range map[string]func(*paybell.Bill){
		"required":   func(b *paybell.Bill) { b.RequireBuyerNameAndEmail = true },
		"by message": func(b *paybell.Bill) { b.BuyerDataCollectionMessage = "We send you <b>tickets</b>." },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.invoice(ask)
			form := "/checkout/" + id + "/buyer"
			first := b.get(page(id))
			b.wants(first, 200, "Who is paying?", `for="email"`, `action="../checkout/`+id+`/buyer`, "!"+payForm, "!"+refreshes, "!aria-invalid")
			if name == "by message" {
				b.wants(first, 200, "We send you &lt;b&gt;tickets&lt;/b&gt;.")
			}
			b.open(id) // a payment that the shop opened waits behind the form
			b.wants(b.get(page(id)), 200, "Who is paying?", "!tltc1", "!"+code)

			b.wants(b.post(form, url.Values{"first-name": {" "}, "last-name": {`"><script>`}, "email": {"nobody"}}), 422,
				"Write your name.", "Write your email address", `aria-describedby="wrong-name"`, `aria-describedby="wrong-email"`,
				`value="&#34;&gt;&lt;script&gt;"`, `value="nobody"`, `action="../../checkout/`+id+`/buyer`, "!<script>")
			for _, email := range []string{"", "a", "a@", "Ann <ann@example.com>", strings.Repeat("a", 250) + "@example.com"} {
				b.wants(b.post(form, url.Values{"first-name": {"Ann"}, "email": {email}}), 422, "Write your email address", "!Write your name")
			}
			b.wants(b.post(form, url.Values{"first-name": {strings.Repeat("ä", 255)}, "email": {"ann@example.com"}}), 422, "too long")
			b.wants(b.post("/checkout/nope/buyer", url.Values{"first-name": {"Ann"}, "email": {"ann@example.com"}}), 404)

			for _, who := range []string{"Ann", "Eve"} { // the first word counts
				if a := b.post(form, url.Values{"first-name": {who}, "last-name": {"Lee"}, "email": {"ann@example.com"}}); a.status != http.StatusSeeOther {
					t.Errorf("got %d: %s", a.status, a.body)
				}
			}
			if a := b.post(form, url.Values{}); a.status != http.StatusSeeOther {
				t.Errorf("who is not asked any more is told of mistakes: %d", a.status)
			}
			inv, _, err := b.desk.SharedInvoice(t.Context(), id)
			must(t, err)
			if p := inv.Bill.Buyer; p == nil || *p != (paybell.Party{}) {
				t.Errorf("who has the link is told of the buyer: %+v", p)
			}
			inv, _, err = b.desk.Invoice(t.Context(), desk.Owner(inv.MerchantID), id)
			must(t, err)
			if p := inv.Bill.Buyer; p == nil || p.Name.First != "Ann" || p.Name.Last != "Lee" || p.Email != "ann@example.com" {
				t.Errorf("the invoice says the buyer is %+v", p)
			}
			b.wants(b.get(page(id)), 200, "Waiting for your payment", "!Ann", "!ann@example.com")
			b.wants(b.get("/invoices/"+id), 200, "!Ann", "!ann@example.com")
		})
	}
}

func TestUnknown(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{
		"/checkout/", "/checkout", "/checkout/?invoice-id=nope", page(paybell.NewUUID(paybell.Invoice{}.CreatedAt)), "/invoices/nope",
		"/invoices/", "/checkout/nope/pay", "/checkout/a/b/c", "/checkout/?invoice-id=%3Cscript%3E&success-url=https://evil.example/",
	} {
		b.wants(b.get(path), 404, "We cannot find this invoice", "Go back to the shop", "!href=\"http", "!Back to the invoice", "!<script")
	}
	if a := b.send(b.request(http.MethodDelete, "/invoices/x", "")); a.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE is answered %d", a.status)
	}
	id := b.invoice()
	if a := b.get("/checkout/" + strings.ToUpper(id) + "/pay?cancel-url=x"); a.status != 303 || a.header.Get("Location") != "../../checkout/?cancel-url=x&invoice-id="+id {
		t.Errorf("who opens the address of a form gets %d %q", a.status, a.header.Get("Location"))
	}
	b.wants(b.get("/checkout/?foo=bar&invoice-id="+strings.ToUpper(id)+"&utm_source=x"), 200, "Choose how to pay")
}

func TestHeaders(t *testing.T) {
	b := newBench(t)
	id := b.invoice()
	for _, path := range []string{page(id), "/invoices/" + id, "/checkout/", "/checkout/" + id + "/pay"} {
		a := b.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Robots-Tag": "noindex",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	if got := b.get(page(id)).header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("a page is %q", got)
	}
}

// scripts are our own.
var scripts = regexp.MustCompile(`<script src="(\.\./)*checkout/assets/\w+-\w+\.js" defer></script>`)

// forbidden is what the policy would keep a page from using.
var forbidden = regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son\w+=|<iframe|<object|<base|<link[^>]+href="(https?:|//)|src=`)

// TestNothingOutside: pages hold what their policy lets them have, and what they
// name is there.
func TestNothingOutside(t *testing.T) {
	b := newBench(t)
	id := b.invoice(func(bill *paybell.Bill) { bill.RequireBuyerNameAndEmail = true })
	open := b.invoice()
	b.open(open)
	link := regexp.MustCompile(`<link rel="stylesheet" href="((?:\.\./)*)(checkout/assets/style-\w+\.css)">`)
	for path, up := range map[string]string{page(id): "../", "/checkout?invoice-id=" + id: "", page(open): "../", "/invoices/" + open: "../", "/checkout/a/b/c": "../../../"} {
		body := b.get(path).body
		if found := forbidden.FindString(scripts.ReplaceAllString(body, "")); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		m := link.FindStringSubmatch(body)
		if m == nil || m[1] != up {
			t.Fatalf("%s links its style as %v", path, m)
		}
		a := b.get("/" + m[2])
		b.wants(a, 200, "prefers-color-scheme: dark")
		if a.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("the style comes as %v", a.header)
		}
		for _, script := range scripts.FindAllString(body, -1) {
			b.wants(b.get("/"+script[strings.Index(script, "checkout/"):strings.Index(script, `" defer`)]), 200, "!eval(", "!Function(")
		}
		if strings.Contains(a.body, "url(") || strings.Contains(a.body, "@import") {
			t.Error("the style loads something")
		}
	}
}

// TestBelowAPath: a proxy may serve the pages below a path and take it away.
func TestBelowAPath(t *testing.T) {
	b := newBench(t)
	inner := (&checkout.Server{Desk: b.desk}).Handler()
	srv := httptest.NewServer(http.StripPrefix("/pay/here", inner))
	t.Cleanup(srv.Close)
	id := b.invoice()
	at, err := url.Parse(srv.URL + "/pay/here/checkout/" + id + "/pay")
	must(t, err)
	b.url = srv.URL + "/pay/here"
	a := b.post("/checkout/"+id+"/pay", url.Values{"coin": {"1002"}})
	to, err := at.Parse(a.header.Get("Location"))
	must(t, err)
	if to.Path != "/pay/here/checkout/" {
		t.Errorf("the redirect leads to %s", to)
	}
	b.wants(b.get("/checkout/?"+to.RawQuery), 200, "Waiting for your payment", `href="../invoices/`+id+`"`)
}

// TestHostileTexts: what the merchant writes is text, and stays in its place.
func TestHostileTexts(t *testing.T) {
	const bad = "</script></title><script>alert(1)</script>\u202e\"'><img src=x onerror=alert(1)>{{.}}"
	b := newBench(t)
	b.shop = b.client(bad, "")
	one := decimal.RequireFromString("1.00")
	id := b.invoice(func(bill *paybell.Bill) {
		bill.Number, bill.Description, bill.NotesToRecipient, bill.TermsAndConditions = bad, bad, bad+strings.Repeat("W", 1500), bad
		bill.BuyerDataCollectionMessage, bill.MerchantOptions.AdditionalInfo = bad, bad
		for i := range desk.MaxItems {
			bill.Items = append(bill.Items, paybell.Item{Name: bad, Description: fmt.Sprint(i, bad), Quantity: 999_999_999, Amount: one})
		}
		bill.Breakdown.Subtotal = decimal.NewFromInt(desk.MaxItems)
		bill.Total = bill.Breakdown.Subtotal
		withLinks(bill)
		bill.CancelURL = `https://shop.example/"><script>alert(1)</script>?a=<b>&c='d'`
	})
	for _, path := range []string{page(id), "/invoices/" + id, page(id) + "&success-url=" + url.QueryEscape(bad) + "&coin=" + url.QueryEscape(bad)} {
		a := b.get(path)
		a.body = scripts.ReplaceAllString(a.body, "")
		b.wants(a, 200, "&lt;/script&gt;", "!<script", "!</script", "!onerror=alert(1)>", "!ZgotmplZ")
		if n := strings.Count(a.body, "</title>"); n != 1 {
			t.Errorf("%s: %d titles end", path, n)
		}
		// An override ends with the isolate that it is in; in the title it is last.
		rest := regexp.MustCompile(`<bdi>[^<]*</bdi>|<title>[^<]*</title>| data-title="[^"]*"`).ReplaceAllString(a.body, "")
		if i := strings.Index(rest, "\u202e"); i >= 0 {
			t.Errorf("%s: a text is not isolated: %.100q", path, rest[max(0, i-60):])
		}
	}
	b.wants(b.get(page(id)), 200, `https://shop.example/%22%3E%3Cscript%3E`, "500.00")
}

// TestWhatIsNotShown: what the merchant keeps for themselves stays there.
func TestWhatIsNotShown(t *testing.T) {
	b := newBench(t)
	secret := func(bill *paybell.Bill) {
		bill.Notes, bill.PONumber, bill.CustomData, bill.Metadata = "secret-notes", "secret-po", []byte(`{"k":"secret-data"}`), []byte(`{"k":"secret-meta"}`)
		bill.RefundEmail = "secret-refund@example.com"
		bill.EmailDelivery = &paybell.EmailDelivery{To: "secret-to@example.com"}
		bill.Buyer = &paybell.Party{Name: paybell.Name{First: "secret-buyer"}, Email: "secret-mail@example.com"}
		bill.Shipping = &paybell.Party{Address: paybell.Address{City: "secret-city"}}
		bill.RequireBuyerNameAndEmail = true
		bill.Items = []paybell.Item{{Name: "a box", Quantity: 2, Amount: bill.Total}}
	}
	shown := b.invoice(secret)
	hidden := b.invoice(secret, func(bill *paybell.Bill) { bill.HideShoppingCart, bill.MerchantOptions.ShowEmail = true, true })
	b.pay(shown, "")
	for _, path := range []string{page(shown), "/invoices/" + shown} {
		b.wants(b.get(path), 200, "!secret", "a box", "Quantity 2", "!owner@cafe.example", "!"+b.shop.ClientID)
	}
	for _, path := range []string{page(hidden), "/invoices/" + hidden} {
		b.wants(b.get(path), 200, "!secret", "!a box", "owner@cafe.example", "10.00")
	}
}

// TestBreakdown: a total is explained if there is something to explain.
func TestBreakdown(t *testing.T) {
	b := newBench(t)
	d := decimal.RequireFromString
	id := b.invoice(func(bill *paybell.Bill) {
		bill.Breakdown = paybell.Breakdown{Subtotal: d("1200.00"), Shipping: d("4.90"), Tax: d("8.36"), Discount: d("10.00")}
		bill.Total = d("1203.26")
	})
	b.wants(b.get(page(id)), 200, "Subtotal</th><td>1,200.00", "Shipping</th><td>4.90", "Tax</th><td>8.36", "Discount</th><td>−10.00", "1,203.26 USD", "!Handling")
	b.wants(b.get(page(b.invoice())), 200, "!Subtotal")
}

// TestSimpleQR: the merchant may want the bare address in the code.
func TestSimpleQR(t *testing.T) {
	b := newBench(t)
	path := regexp.MustCompile(`<path d="(M\d+ \d+h\d+v1[^"]*)"`)
	draw := func(simple bool) string {
		id := b.invoice(func(bill *paybell.Bill) { bill.SimpleQR = simple })
		b.open(id)
		m := path.FindStringSubmatch(b.get(page(id)).body)
		if m == nil {
			t.Fatal("there is no code")
		}
		return m[1]
	}
	if whole, simple := draw(false), draw(true); len(simple) >= len(whole) {
		t.Error("the bare address does not make a smaller code")
	}
}

// TestLinksToTheShop: a link of the query counts only if the merchant registered
// its host; it goes with the buyer from page to page.
func TestLinksToTheShop(t *testing.T) {
	b := newBench(t)
	id := b.invoice()
	good, evil := url.QueryEscape("https://shop.example/cart?x=1&y=2"), url.QueryEscape("https://evil.example/")
	b.wants(b.get(page(id)+"&cancel-url="+good+"&success-url="+evil), 200,
		`href="https://shop.example/cart?x=1&amp;y=2"`, `/pay?cancel-url=`+good+`"`, "!evil")
	b.wants(b.get(page(id)+"&cancel-url="+evil+"&success-url="+good), 200, "!Return to", "!return to", "!evil", `/pay?success-url=`+good+`"`)
	b.wants(b.get(page(id)+"&cancel-url=javascript:alert(1)"), 200, "!javascript", "!eturn to")
	b.pay(id, "")
	b.wants(b.get(page(id)+"&success-url="+good+"&cancel-url="+evil), 200, `href="https://shop.example/cart?x=1&amp;y=2"`, "Return to", "!evil")
	a := b.get(page(id) + "&success-url=" + good)
	if a.header.Get("Location") != "" || strings.Contains(a.body, "url=https") {
		t.Error("the page goes to the shop by itself")
	}
}
