package api_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// wire is a request as the bytes that a client puts on the wire: no library
// tidies up its target or its headers.
type wire struct {
	line string // method and target as they are sent
	body string
	from client   // who signs; zero: nobody
	more []string // further header lines

	// Where a client differs from a careful one; empty where it does not.
	host  string               // the header Host
	id    string               // its own id, as the header has it
	at    string               // the timestamp
	sign  func(signing) string // makes the signature
	spell func(string) string  // writes the names of the three headers
}

// signing is what a signature is made of: contract 1.1.
type signing struct{ secret, method, url, id, at, body string }

const byteOrderMark = "\xEF\xBB\xBF"

func (s signing) message() string { return byteOrderMark + s.method + s.url + s.id + s.at + s.body }

// rightly is the recipe of the contract, written down a second time here: the
// product's own would agree with itself.
func rightly(s signing) string { return mac64(s.secret, s.message()) }

func mac64(key, message string) string {
	return base64.StdEncoding.EncodeToString(mac(sha256.New, key, message))
}

func mac(h func() hash.Hash, key, message string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(message))
	return m.Sum(nil)
}

// But for what change does, it is signed rightly.
func but(change func(*signing)) func(signing) string {
	return func(s signing) string {
		change(&s)
		return rightly(s)
	}
}

// What clients make of the recipe: 1.2.
var (
	nullForNothing = but(func(s *signing) { s.body = "null" })
	withoutQuery   = but(func(s *signing) { s.url, _, _ = strings.Cut(s.url, "?") })
)

// signature is the three header lines of a signed request.
func (b *bench) signature(w wire) []string {
	method, target, _ := strings.Cut(w.line, " ")
	if strings.HasPrefix(target, "/") {
		target = "http://" + b.hostOf(w) + target
	}
	s := signing{w.from.secret, method, target, w.from.id, time.Now().UTC().Format("2006-01-02T15:04:05"), w.body}
	if w.id != "" {
		s.id = w.id
	}
	if w.at != "" {
		s.at = w.at
	}
	sign, spell := rightly, func(name string) string { return name }
	if w.sign != nil {
		sign = w.sign
	}
	if w.spell != nil {
		spell = w.spell
	}
	return []string{
		spell("X-CoinPayments-Client") + ": " + s.id, spell("X-CoinPayments-Timestamp") + ": " + s.at,
		spell("X-CoinPayments-Signature") + ": " + sign(s),
	}
}

func (b *bench) hostOf(w wire) string {
	if w.host != "" {
		return w.host
	}
	return strings.TrimPrefix(b.url, "http://")
}

// raw sends a request and holds the answer to what all answers keep.
func (b *bench) raw(w wire) answer {
	b.Helper()
	method, target, _ := strings.Cut(w.line, " ")
	a := b.exchange(w)
	b.promised(&http.Request{Method: method, URL: &url.URL{Path: target}}, a)
	return a
}

// exchange sends the bytes of a request. There is no User-Agent, as in the PHP SDK.
func (b *bench) exchange(w wire) answer {
	b.Helper()
	lines := []string{w.line + " HTTP/1.1", "Host: " + b.hostOf(w), "Connection: close"}
	if w.from.id != "" {
		lines = append(lines, b.signature(w)...)
	}
	lines = append(lines, w.more...)
	framed := slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "Content-Length:") || strings.HasPrefix(l, "Transfer-Encoding:")
	})
	if w.body != "" && !framed {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(w.body)))
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	must(b.T, err)
	defer func() { _ = conn.Close() }()
	must(b.T, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+w.body)
	must(b.T, err)
	method, _, _ := strings.Cut(w.line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	must(b.T, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(b.T, err)
	return answer{resp.StatusCode, resp.Header, body}
}

// expect sends a request that must be answered with a status, and returns the
// decoded body, nil if there is none.
func (b *bench) expect(status int, w wire) any {
	b.Helper()
	a := b.raw(w)
	if a.status != status {
		b.Fatalf("%s: %d %s, want %d", w.line, a.status, a.body, status)
	}
	if len(a.body) == 0 {
		return nil
	}
	return b.decode(a)
}

// shows compares facts in decoded JSON, given as path and text, like
// "items.0.name", "Tea". A # at the end of a path counts.
func (b *bench) shows(v any, facts ...string) {
	b.Helper()
	for fact := range slices.Chunk(facts, 2) {
		if got := fmt.Sprint(dig(v, fact[0])); got != fact[1] {
			b.Errorf("%s is %s, want %s", fact[0], got, fact[1])
		}
	}
}

func dig(v any, way string) any {
	for step := range strings.SplitSeq(way, ".") {
		switch in := v.(type) {
		case map[string]any:
			inner, there := in[step]
			if step == "#" {
				inner, there = len(in), true
			}
			if !there {
				return "(not there)"
			}
			v = inner
		case []any:
			if step == "#" {
				v = len(in)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return "(not there)"
			}
			v = in[i]
		default:
			return "(not there)"
		}
	}
	return v
}

// on is the same bench with another server before it.
func (b *bench) on(change func(*api.Server)) *bench {
	other := *b
	other.api = &api.Server{Desk: b.desk, Log: b.api.Log}
	change(other.api)
	other.serve()
	return &other
}

// fresh is a client that has nothing yet.
func (b *bench) fresh() client {
	b.Helper()
	return b.client(b.merchant("fresh"))
}

// confine says where a client's requests may come from, as a person does.
func (b *bench) confine(token string, c client, addresses string) answer {
	b.Helper()
	return b.callWithToken(token, "PUT", "/api/v1/merchant/clients/"+c.id+"/allowed-ips", `{"ipAddresses":`+addresses+`}`)
}

// hears makes a webhook of c for some events and returns its id.
func (b *bench) hears(c client, events string) string {
	b.Helper()
	v := b.want(200, c, "POST", hooksPath(c), `{"notificationsUrl":"https://shop.example/hook","notifications":`+events+`}`)
	return get(b, v, "id").(string)
}

// types are the types of what a webhook was told.
func (b *bench) types(hook string) string {
	b.Helper()
	var types []string
	for _, n := range b.told(hook) {
		types = append(types, fmt.Sprint(dig(n, "type")))
	}
	return strings.Join(types, " ")
}

// paid makes an invoice of c that is paid and completed, and returns its id.
func (b *bench) paid(c client) string {
	b.Helper()
	id := b.invoice(c, "")
	b.want(200, c, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "{}")
	b.watch()
	b.want(200, c, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
	b.watch()
	return id
}

// quirk is one thing that real clients do and no specification asks for. The
// name begins with the section of the contract that reports it.
type quirk struct {
	name string
	do   func(b *bench)
}

// reads sends a request of the shop's; what must be answered follows: the status,
// then facts of the answer.
func reads(w wire, status int, facts ...string) func(*bench) {
	return func(b *bench) {
		b.Helper()
		w := w
		w.line = b.filled(w.line)
		b.shows(b.expect(status, w), facts...)
	}
}

// signs is reads for the shop.
func signs(w wire, status int, facts ...string) func(*bench) {
	return func(b *bench) {
		b.Helper()
		w := w
		w.from = b.shop
		reads(w, status, facts...)(b)
	}
}

// refuses sends a request of the shop's that is refused with words that help.
func refuses(w wire, status int, words ...string) func(*bench) {
	return func(b *bench) {
		b.Helper()
		w := w
		w.line, w.body, w.from = b.filled(w.line), b.filled(w.body), b.shop
		b.wantProblem(b.raw(w), status, words...)
	}
}

// filled puts the shop's id into a text: CLIENT, or DASHED.
func (b *bench) filled(s string) string {
	return strings.NewReplacer("CLIENT", b.shop.id, "DASHED", paybell.DashedClientID(b.shop.id)).Replace(s)
}

// creates makes an invoice of a body as it stands there, without a content type,
// and looks at the invoice.
func creates(version, body string, facts ...string) func(*bench) {
	return func(b *bench) {
		b.Helper()
		path := "/api/" + version + "/merchant/invoices"
		v := b.expect(201, wire{line: "POST " + path, body: b.filled(body), from: b.shop})
		b.shows(b.expect(200, wire{line: "GET " + path + "/" + get(b, v, "invoices", 0, "id").(string), from: b.shop}), facts...)
	}
}

// dollars is a body of version 2 with more keys.
func dollars(more string) string { return `{"currency":"USD","amount":{"total":"10.00"},` + more + `}` }

// cents is the same of version 1.
func cents(more string) string {
	return `{"amount":{"currencyId":"5057","value":"1000"},` + more + `}`
}

// TestQuirks holds the server to every leniency and quirk that the contract
// reports of real clients, and to the policies that it recommends.
func TestQuirks(t *testing.T) {
	b := newBench(t)
	seen := map[string]bool{}
	for _, q := range slices.Concat(factQuirks, signingQuirks, timestampQuirks, defectQuirks, vectorQuirks, endpointQuirks, referenceQuirks, connectionQuirks, problemQuirks, stateQuirks, moneyQuirks,
		bodyQuirks, createdQuirks, checkoutQuirks, notificationQuirks, choiceQuirks) {
		if seen[q.name] {
			t.Errorf("two rows are called %s", q.name)
		}
		seen[q.name] = true
		b.subtest(q.name, func() { q.do(b) })
	}
}

const (
	listLine = "GET /api/v2/merchant/invoices"
	makeLine = "POST /api/v2/merchant/invoices"
	hookLine = "/api/v1/merchant/clients/CLIENT/webhooks"
	usdt     = "4:0xdac17f958d2ee523a2206206994597c13d831ec7"
	usdtCode = "4%3A0xdac17f958d2ee523a2206206994597c13d831ec7"
)

// sdk is what the official PHP SDK writes above every request without a body.
var sdk = []string{"Accept: application/json", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"}

// 0: ten facts that break naive servers.
var factQuirks = []quirk{
	{"0.1 the secret is a key as text", signs(wire{line: listLine}, 200)},
	{"0.1 the secret is not decoded", refuses(wire{line: listLine, sign: but(func(s *signing) {
		key, _ := base64.StdEncoding.DecodeString(s.secret)
		s.secret = string(key)
	})}, 401, "secret as text (not decoded)")},
	{"0.2 without the byte order mark nothing is signed", refuses(wire{line: listLine, sign: func(s signing) string {
		return mac64(s.secret, strings.TrimPrefix(s.message(), byteOrderMark))
	}}, 401, "EF BB BF")},
	{"0.3 the target is signed as it is written", func(b *bench) {
		c := b.fresh()
		hook := b.webhook(c)
		encoded := "/api/v1/merchant/clients/" + strings.ReplaceAll(paybell.DashedClientID(c.id), "-", "%2D") + "/webhooks?type=invoicePaid%2cinvoiceCompleted&q=a+b%20c&&"
		b.shows(b.expect(200, wire{line: "GET " + encoded, from: c}), "items.0.id", hook)
		decoded := but(func(s *signing) { s.url = strings.NewReplacer("%2D", "-", "%2c", ",").Replace(s.url) })
		b.wantProblem(b.raw(wire{line: "GET " + encoded, from: c, sign: decoded}), 401, "%2D", "%2c")
		for _, id := range []string{"Caf\xc3\xa9", "a|b", "a^b", "a%7Cb", "a%2fb", "a+b", "a;b=c"} { // which no library would write again as it was
			b.wantProblem(b.raw(wire{line: "DELETE " + hooksPath(c) + "/" + id, from: c}), 404)
		}
	}},
	{"0.4 WooCommerce, WHMCS 2025, OpenCart: the query is signed nowhere, and counts: currencies", signs(
		wire{line: "GET /api/v1/currencies?q=LTCT&types=crypto%2Ctoken", sign: withoutQuery}, 200, "#", "1", "0.id", "1002")},
	{"0.4 the same: rates", signs(wire{line: "GET /api/v2/rates?from=5057&to=1002", sign: withoutQuery}, 200, "items.#", "1", "items.0.rate", "0.0125")},
	{"0.4 the same: fees", signs(wire{line: "GET /api/v1/fees/blockchain/1002?x=1", sign: withoutQuery}, 200, "currencyId", "1002")},
	{"0.4 the same: payment-currencies", func(b *bench) {
		id := b.invoice(b.shop, "")
		v := b.expect(200, wire{line: "GET /api/v1/invoices/" + id + "/payment-currencies/1002?success-url=x", from: b.shop, sign: withoutQuery})
		b.shows(v, "currency.symbol", "LTCT")
	}},
	{"0.4 headers of a signature that mean nothing", func(b *bench) {
		for _, more := range [][]string{
			{"X-CoinPayments-Client: " + b.shop.id}, {"X-CoinPayments-Signature: "}, {"X-CoinPayments-Timestamp: 1767323045"},
			{"X-CoinPayments-Client: x", "X-CoinPayments-Client: y", "X-CoinPayments-Signature: \xff"},
		} {
			b.shows(b.expect(200, wire{line: "GET /api/v1/currencies/1002", more: more}), "symbol", "LTCT")
		}
	}},
	{"0.5 PHP SDK: form content type and Content-Length: 0 on GET", signs(wire{line: "GET /api/v2/merchant/wallets?skip=0&take=1", more: sdk}, 200, "#", "0")},
	{"0.5 PHP SDK: the same on a GET for everybody", reads(wire{line: "GET /api/v1/currencies/1002", more: sdk}, 200, "id", "1002")},
	{"0.5 PHP SDK: the same on DELETE", func(b *bench) {
		c := b.fresh()
		hook := b.webhook(c)
		b.expect(204, wire{line: "DELETE " + hooksPath(c) + "/" + hook, from: c, more: sdk})
		b.shows(b.expect(200, wire{line: "GET " + hooksPath(c), from: c, more: sdk}), "items.#", "0")
	}},
	{"0.5 PHP SDK: the same on POST", func(b *bench) {
		path := "/api/v1/merchant/invoices/" + b.invoice(b.shop, "")
		if v := b.expect(200, wire{line: "POST " + path + "/cancel", from: b.shop, more: sdk}); v != nil {
			b.Errorf("cancel answers %v", v)
		}
		b.shows(b.expect(200, wire{line: "GET " + path, from: b.shop}), "status", "cancelled")
	}},
	{"0.5 a POST without a length, a type and a user agent", func(b *bench) {
		b.expect(200, wire{line: "POST /api/v1/merchant/invoices/" + b.invoice(b.shop, "") + "/cancel", from: b.shop})
	}},
	{"0.5 JSON that is called a form", func(b *bench) {
		w := wire{line: makeLine, body: dollars(`"invoiceId":"a=1&b=2"`), from: b.shop, more: []string{"Content-Type: application/x-www-form-urlencoded"}}
		id := get(b, b.expect(201, w), "invoices", 0, "id").(string)
		b.shows(b.want(200, b.shop, "GET", createPath+"/"+id, ""), "invoiceId", "a=1&b=2")
	}},
	{`0.6 PHP: \/ and \uXXXX`, creates("v2", dollars(`"notes":"Caf\u00e9 \ud83d\ude00","successUrl":"https:\/\/shop.example\/ok","customData":{"u":"a\/b"}`),
		"notes", "Café 😀", "successUrl", "https://shop.example/ok", "customData.u", "a/b")},
	{"0.6 Python: spaces after : and ,", creates("v2", `{"currency": "USD", "amount": {"total": "10.00"}, "items": [{"name": "Tea", "amount": "10.00"}], "invoiceId": "a: b, c"}`,
		"items.0.name", "Tea", "invoiceId", "a: b, c")},
	{"0.6 JavaScript and Rust: UTF-8 as it is", creates("v2", dollars(`"notes":"Café ☕ 😀 日本"`), "notes", "Café ☕ 😀 日本")},
	{"0.6 C#: indented, with CR LF and a line's end behind", creates("v2", "{\r\n\t\"currency\": \"USD\",\r\n\t\"amount\": {\r\n\t\t\"total\": \"10.00\"\r\n\t},\r\n\t\"notes\": \"n\"\r\n}\r\n",
		"notes", "n", "amount.total", "10.00")},
	{"0.6 a body in chunks", func(b *bench) {
		body := dollars(`"notes":"chunks"`)
		signed := wire{line: makeLine, body: body, from: b.shop}
		chunks := fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, body[:10], len(body)-10, body[10:])
		v := b.expect(201, wire{line: makeLine, body: chunks, more: append(b.signature(signed), "Transfer-Encoding: chunked")})
		b.shows(b.want(200, b.shop, "GET", createPath+"/"+get(b, v, "invoices", 0, "id").(string), ""), "notes", "chunks")
	}},
	{"0.7 create answers 201", func(b *bench) {
		for _, version := range []string{"v1", "v2"} {
			body := `{"currency":"USD","amount":{"total":"10.00","currencyId":"5057","value":"1000"}}` // good for both
			b.expect(201, wire{line: "POST /api/" + version + "/merchant/invoices", body: body, from: b.shop})
		}
	}},
	{"0.8 the client id without dashes here, with dashes in notifications", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated"]`)
		b.invoice(c, "")
		b.shows(b.told(hook)[0], "invoice.merchantClientId", paybell.DashedClientID(c.id))
		if len(c.id) != 32 || strings.Trim(c.id, "0123456789abcdef") != "" {
			b.Errorf("the client id is %s", c.id)
		}
	}},
	{"0.9 InvoicePaid on the wire, though invoicePaid was subscribed", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoicePaid"]`)
		b.paid(c)
		b.same(b.types(hook), "InvoicePaid")
		b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.0.notifications", "[invoicePaid]")
	}},
	{"0.10 a notification's invoice is not the invoice that is read", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated"]`)
		id := b.invoice(c, `,"items":[{"name":"Tea","amount":"10.00"}]`)
		inv := dig(b.told(hook)[0], "invoice")
		b.shows(inv, "id", id, "lineItems.0.amount", "1000", "lineItems.0.quantity", "1", "lineItems.0.type", "Quantity", "amount.total", "1000",
			"state", "Unpaid", "canceledAt", "<nil>", "items", "(not there)", "expires", "(not there)")
		for _, key := range []string{"createdAt", "expiresDate"} {
			if s, err := strconv.ParseInt(fmt.Sprint(dig(inv, key)), 10, 64); err != nil || s < 1_700_000_000 || s > 5_000_000_000 {
				b.Errorf("%s is %v, want unix seconds", key, dig(inv, key))
			}
		}
	}},
}

// 1.1: how live clients write the time. All are read, and signed as they stand.
var timestampQuirks = func() (rows []quirk) {
	for _, s := range [][2]string{
		{"SDK, examples, Node, WHMCS, Woo", "2006-01-02T15:04:05"},
		{"Go: Z", "2006-01-02T15:04:05Z"},
		{"Drupal, PrestaShop: +00:00", "2006-01-02T15:04:05-07:00"},
		{"JavaScript: .123Z", "2006-01-02T15:04:05.000Z"},
		{"Rust: .123", "2006-01-02T15:04:05.000"},
		{"Python: .123456", "2006-01-02T15:04:05.000000"},
		{"Python: .123456Z", "2006-01-02T15:04:05.000000Z"},
		{"Python with a zone", "2006-01-02T15:04:05.000000-07:00"},
		{"Rust: .123456789Z", "2006-01-02T15:04:05.000000000Z"},
	} {
		rows = append(rows, quirk{"1.1 timestamp of " + s[0], func(b *bench) {
			at := time.Now().UTC().Format(s[1])
			signs(wire{line: listLine, at: at}, 200)(b)
			// The text is signed and not the time: another spelling of it is another text.
			other := but(func(s *signing) { s.at = s.at[:19] + ".0Z" })
			refuses(wire{line: listLine, at: at, sign: other}, 401, "signature does not match")(b)
		}})
	}
	return rows
}()

func utc(by time.Duration) string {
	return time.Now().UTC().Add(by).Format("2006-01-02T15:04:05")
}

// 1.1: the rest of what is signed.
var signingQuirks = []quirk{
	{"1.1 a time with a zone is that moment", func(b *bench) {
		signs(wire{line: listLine, at: utc(2*time.Hour) + "+02:00"}, 200)(b)
		refuses(wire{line: listLine, at: utc(0) + "+02:00"}, 401, "2h0m", "time zone")(b)
	}},
	{"1.1 the documentation's UNIX timestamp is none", func(b *bench) {
		refuses(wire{line: listLine, at: strconv.FormatInt(time.Now().Unix(), 10)}, 401, "X-CoinPayments-Timestamp", "2026-01-02T03:04:05")(b)
	}},
	{"1.1 WHMCS 2025, WooCommerce, OpenCart, Shopware: the time of PHP's own zone", func(b *bench) {
		refuses(wire{line: listLine, at: utc(time.Hour)}, 401, "ahead of this server's clock", "time zone")(b)
		refuses(wire{line: listLine, at: utc(-5 * time.Hour)}, 401, "behind", "time zone")(b)
	}},
	{"1.1 a clock may be off by a minute, both ways", func(b *bench) {
		for off, status := range map[time.Duration]int{-30 * time.Second: 200, 30 * time.Second: 200, -90 * time.Second: 401, 90 * time.Second: 401} {
			b.same(b.raw(wire{line: listLine, from: b.shop, at: utc(off)}).status, strconv.Itoa(status))
		}
	}},
	{"1.1 no nonce: the same request twice is two requests", func(b *bench) {
		c := b.fresh()
		w := wire{line: makeLine, body: dollars(`"invoiceId":"7"`)}
		w.more = b.signature(wire{line: w.line, body: w.body, from: c})
		b.expect(201, w)
		b.expect(201, w)
		b.shows(b.want(200, c, "GET", createPath, ""), "items.#", "2", "items.0.invoiceId", "7", "items.1.invoiceId", "7")
	}},
	{"1.1 the client id in any spelling, signed as it stands", func(b *bench) {
		dashed := paybell.DashedClientID(b.shop.id)
		for _, id := range []string{dashed, strings.ToUpper(b.shop.id), strings.ToUpper(dashed)} {
			signs(wire{line: listLine, id: id}, 200)(b)
			refuses(wire{line: listLine, id: id, sign: but(func(s *signing) { s.id = b.shop.id })}, 401, "does not match")(b)
		}
	}},
	{"1.1 header names in any case", func(b *bench) {
		signs(wire{line: listLine, spell: strings.ToLower}, 200)(b)
		signs(wire{line: listLine, spell: strings.ToUpper}, 200)(b)
	}},
	{"1.1 the query is signed, lists joined by %2C, spaces as +, booleans as words", func(b *bench) {
		c := b.fresh()
		id := b.invoice(c, `,"invoiceId":"Order no xyz"`)
		b.invoice(c, `,"invoiceId":"Order no xyy"`)
		b.shows(b.expect(200, wire{line: listLine + "?q=order+no+xyz&status=unpaid&limit=5", from: c}), "items.#", "1", "items.0.id", id)
		b.shows(b.expect(200, wire{line: listLine + "?q=order%20no%20xyz", from: c}), "items.#", "1", "items.0.id", id)
		hook := b.webhook(c)
		b.shows(b.expect(200, wire{line: "GET " + hooksPath(c) + "?type=invoicePaid%2CinvoiceCancelled", from: c}), "items.0.id", hook)
		b.shows(b.expect(200, wire{line: listLine + "/" + id + "?include_full_details=true", from: c}), "merchant.name", "fresh")
		b.shows(b.expect(200, wire{line: listLine + "/" + id + "?include_full_details=false", from: c}), "merchant", "(not there)")
	}},
	{"1.1 behind TLS, under CoinPayments' own names (hosts file)", func(b *bench) {
		for _, host := range []string{
			"a-api.coinpayments.net", "b-api.coinpayments.net", "c-api.coinpayments.net", "api.coinpayments.net", "api.coinpayments.com", "api-staging.coinpaymints.com",
		} {
			https := but(func(s *signing) { s.url = strings.Replace(s.url, "http://", "https://", 1) })
			signs(wire{line: listLine + "?limit=1", host: host, sign: https}, 200)(b)
			signs(wire{line: listLine + "?limit=1", host: host}, 200)(b)
		}
	}},
	{"1.1 behind a proxy that changes the Host, and cuts a path off", func(b *bench) {
		proxied := b.on(func(s *api.Server) {
			s.PublicURLs = []string{"https://pay.example/sub/", "https://api.coinpayments.net"}
		})
		for _, base := range []string{"https://pay.example/sub", "https://api.coinpayments.net", "http://inside:8080", "https://inside:8080"} {
			w := wire{line: listLine + "?limit=1", host: "inside:8080", sign: but(func(s *signing) { s.url = base + "/api/v2/merchant/invoices?limit=1" })}
			signs(w, 200)(proxied)
			if !strings.Contains(base, "inside") {
				refuses(w, 401, "http://inside:8080/api/v2/merchant/invoices?limit=1")(b) // without the configuration
			}
		}
	}},
	{"1.1 an absolute target, as to a proxy", func(b *bench) {
		target := b.url + "/api/v2/merchant/invoices?limit=1"
		b.shows(b.expect(200, wire{line: "GET " + target, from: b.shop}), "paging.limit", "1")
		b.shows(b.expect(200, wire{line: "GET " + target, from: b.shop, host: "proxy.example"}), "paging.limit", "1")
	}},
	{"1.1 causes of 401: another id, another secret, a header missing", func(b *bench) {
		b.wantProblem(b.raw(wire{line: listLine, from: client{paybell.NewClientID(), b.shop.secret}}), 401, "not known")
		b.wantProblem(b.raw(wire{line: listLine, from: client{b.shop.id, b.stranger.secret}}), 401, "does not match")
		lines := b.signature(wire{line: listLine, from: b.shop})
		for i, name := range []string{"X-CoinPayments-Client", "X-CoinPayments-Timestamp", "X-CoinPayments-Signature"} {
			b.wantProblem(b.raw(wire{line: listLine, more: slices.Delete(slices.Clone(lines), i, i+1)}), 401, name, "missing")
		}
	}},
	{"1.1 causes of 401: the address is not among the allowed", func(b *bench) {
		c := b.fresh()
		b.confine(b.newAccountToken(c), c, `["192.0.2.0/24"]`)
		b.wantProblem(b.raw(wire{line: listLine, from: c}), 401, "127.0.0.1", "allowed IPs")
	}},
	{"1.1 the window can be made wider", func(b *bench) {
		wide := b.on(func(s *api.Server) { s.SignatureWindow = 5 * time.Minute })
		signs(wire{line: listLine, at: utc(-4 * time.Minute)}, 200)(wide)
		refuses(wire{line: listLine, at: utc(-6 * time.Minute)}, 401, "5m0s is allowed")(wide)
	}},
	{"1.1 OAuth: a bearer's token is no signature", func(b *bench) {
		b.wantProblem(b.raw(wire{line: listLine, more: []string{"Authorization: Bearer " + b.shop.secret}}), 401, "X-CoinPayments-Client", "missing")
	}},
	{"1.1 403 is a permission", func(b *bench) {
		c := b.limited(b.merchant("narrow"), paybell.CreateInvoice)
		b.wantProblem(b.raw(wire{line: listLine, from: c}), 403, "listInvoices")
	}},
}

// 1.2: what single clients get wrong, and the policy that the contract
// recommends for each.
var defectQuirks = []quirk{
	{"1.2 generated Node client: null is signed on POST", func(b *bench) {
		path := "/api/v1/merchant/invoices/" + b.invoice(b.shop, "")
		b.expect(200, wire{line: "POST " + path + "/cancel", from: b.shop, sign: nullForNothing})
		b.shows(b.expect(200, wire{line: "GET " + path, from: b.shop}), "status", "cancelled")
	}},
	{"1.2 generated Node client: null is signed on DELETE", func(b *bench) {
		c := b.fresh()
		hook := b.webhook(c)
		b.expect(204, wire{line: "DELETE " + hooksPath(c) + "/" + hook, from: c, sign: nullForNothing})
		b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.#", "0")
	}},
	{"1.2 generated Node client: null is signed on PUT", func(b *bench) {
		hook := b.webhook(b.shop) // no PUT of ours does anything without a body: that it is missing shows who was recognised
		refuses(wire{line: "PUT " + hookLine + "/" + hook, sign: nullForNothing}, 400, "body is missing")(b)
		b.expect(204, wire{line: "DELETE " + hooksPath(b.shop) + "/" + hook, from: b.shop})
	}},
	{"1.2 null is not signed on GET", refuses(wire{line: listLine, sign: nullForNothing}, 401, "does not match")},
	{"1.2 Laravel driver: the query of an authenticated GET is not signed", refuses(wire{line: "GET /api/v2/merchant/invoices?limit=1", sign: withoutQuery},
		401, "does not match", "/api/v2/merchant/invoices?limit=1", "method, URL")},
	{"1.2 Drupal: a malformed content type", func(b *bench) {
		for _, line := range []string{
			"Content-Type: Content-Type: application/json", "0: Content-Type: application/json", "Content-Type: ", "Content-Type: ;;;=", "Content-Type: application/json, application/json",
			"Content-Type: multipart/form-data",
		} {
			w := wire{line: makeLine, body: dollars(`"notes":"n"`), from: b.shop, more: []string{line}}
			id := get(b, b.expect(201, w), "invoices", 0, "id").(string)
			b.shows(b.want(200, b.shop, "GET", createPath+"/"+id, ""), "notes", "n")
		}
	}},
	{"1.2 Go: an empty signature when there is no body", refuses(wire{line: listLine, sign: func(signing) string { return "" }}, 401, "X-CoinPayments-Signature", "missing")},
	{"1.2 Rust: HMAC-SHA512 in hex", refuses(wire{line: listLine, sign: func(s signing) string { return hex.EncodeToString(mac(sha512.New, s.secret, s.message())) }},
		401, "HMAC-SHA256", "44 characters")},
	{"1.2 Python: the digest in hex", refuses(wire{line: listLine, sign: func(s signing) string { return hex.EncodeToString(mac(sha256.New, s.secret, s.message())) }},
		401, "base64", "44 characters")},
	{`1.2 C#: parts separated by \n`, refuses(wire{line: listLine, sign: func(s signing) string {
		return mac64(s.secret, byteOrderMark+strings.Join([]string{s.method, s.url, s.id, s.at, s.body}, "\n"))
	}}, 401, "without separators")},
	{"1.4 the alpha dialect signs URL and body only", refuses(wire{line: makeLine, body: dollars(`"notes":"n"`), sign: func(s signing) string { return mac64(s.secret, s.url+s.body) }},
		401, "does not match")},
}

// 1.5: the contract's own vectors, through the whole server. V1 is for a route
// that is not offered, V5 and V7 are notifications.
var vectorQuirks = []quirk{
	{"1.5 V2: GET with a query", vector(200, "GET /api/v2/merchant/invoices?status=paid&q=a+b%26c&limit=5", "a-api.coinpayments.net", "", "FSZT4cBmwcRu/0xsIY/mT61s/4ThRhRPq8JHWVgFp5Y=")},
	{"1.5 V3: POST without a body", vector(404, "POST /api/v1/merchant/invoices/11111111-2222-3333-4444-555555555555/cancel", "127.0.0.1:8080", "", "nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKA=")},
	{"1.5 V4: a body that is not ASCII", vector(201, makeLine, "127.0.0.1:8080",
		`{"currency":"5057","items":[{"name":"Café ☕","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`,
		"+fXwmZJQ6eK8NYakhSM8xaOilkYpjS49+jcSu7swFvY=")},
	{"1.5 V6: DELETE", vector(404, "DELETE /api/v1/merchant/clients/d0ccc52b8204460783d375e278082de2/webhooks/wLKBuD6h3Vama4mGDqHeF", "127.0.0.1:8080", "",
		"m/Nu4JeIrSl5RooyXZOXXef1lMaNPmjthtOAamWiZyc=")},
	{"1.5 V6: DELETE of the generated Node client", vector(404, "DELETE /api/v1/merchant/clients/d0ccc52b8204460783d375e278082de2/webhooks/wLKBuD6h3Vama4mGDqHeF", "127.0.0.1:8080", "",
		"j32Vs4n0eu/bpJ6X13XuiuKguqbGUhILqhxkkqt09WE=")},
}

// vector sends a vector, made at its time by its client. 404 is an answer, too:
// a stranger gets 401.
func vector(status int, line, host, body, signature string) func(*bench) {
	const id, secret = "d0ccc52b8204460783d375e278082de2", "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="
	return func(b *bench) {
		b = newBench(b.T)
		b.api.SignatureWindow = 1<<63 - 1
		b.serve()
		merchant := b.merchant("vectors")
		must(b.T, store.Do(b.Context(), b.db, func(tx *store.Tx) error {
			return tx.CreateClient(paybell.Client{
				ID: id, MerchantID: merchant, Name: "vectors", State: paybell.ClientActive,
				Permissions: paybell.AllPermissions, CreatedAt: time.Now(), Terms: paybell.DefaultTerms,
			}, secret)
		}))
		w := wire{line: line, body: body, from: client{id, secret}, host: host, at: "2026-01-02T03:04:05", sign: func(signing) string { return signature }}
		if a := b.raw(w); a.status != status {
			b.Errorf("%d %s, want %d", a.status, a.body, status)
		}
		w.at = "2026-01-02T03:04:06"
		b.wantProblem(b.raw(w), 401, "does not match")
	}
}

// 2.1 and 2.2: invoices, webhooks and clients.
var endpointQuirks = []quirk{
	{"2.1 cancel: no body, and an empty answer, by v1 and by v2", func(b *bench) {
		for _, version := range []string{"v1", "v2"} {
			path := "/api/" + version + "/merchant/invoices/" + b.invoice(b.shop, "")
			for _, nothing := range []string{"", "null", "{}", "[]"} { // as clients write it that always send a body
				if a := b.raw(wire{line: "POST " + path + "/cancel", body: nothing, from: b.shop}); a.status != 200 || len(a.body) > 0 {
					b.Errorf("%d %s", a.status, a.body)
				}
			}
			b.shows(b.want(200, b.shop, "GET", path, ""), "status", "cancelled")
		}
	}},
	{"2.1 list: every key of the query is understood", func(b *bench) {
		c := b.fresh()
		id := b.invoice(c, `,"invoiceId":"N-1","metadata":{"integration":"plugin:whmcs_8"}`)
		b.invoice(c, "")
		day := time.Now().UTC().Format("2006-01-02")
		for query, want := range map[string]string{
			"status=unpaid": "2", "status=paid": "0", "from=" + day: "2", "from=2999-01-01": "0", "to=" + day: "2", "to=2020-01-01T00%3A00%3A00Z": "0",
			"q=n-1": "1", "integration=plugin:whmcs_8": "1", "integration=plugin%3Awhmcs_8": "1", "integration=" + c.id: "2", "payoutWalletId=x": "0", "after=": "2", "limit=1": "1",
			"clientId=" + c.id: "2", "clientId=" + paybell.DashedClientID(c.id): "2", "clientId=" + b.shop.id: "0",
			"status=&from=&to=&q=&integration=&payoutWalletId=&after=&limit=": "2", "unknown=1": "2",
		} {
			for _, version := range []string{"v1", "v2"} {
				v := b.expect(200, wire{line: "GET /api/" + version + "/merchant/invoices?" + query, from: c})
				if got := fmt.Sprint(dig(v, "items.#")); got != want {
					b.Errorf("?%s lists %s, want %s", query, got, want)
				}
			}
		}
		b.shows(b.expect(200, wire{line: listLine + "?q=n-1", from: c}), "items.0.id", id)
	}},
	{"2.1 payouts and history, by v1 and by v2", func(b *bench) {
		c := b.fresh()
		id := b.paid(c)
		for _, version := range []string{"v1", "v2"} {
			path := "GET /api/" + version + "/merchant/invoices/" + id
			b.shows(b.expect(200, wire{line: path + "/payouts", from: c, more: sdk}), "items.#", "1", "items.0.state", "confirmed")
			b.shows(b.expect(200, wire{line: path + "/history", from: c, more: sdk}), "items.0.eventType", "created")
		}
	}},
	{"2.1 a coin in the path: id, symbol in any case, percent-encoded", func(b *bench) {
		id := b.invoice(b.shop, "")
		first := b.expect(200, wire{line: "GET /api/v1/invoices/" + id + "/payment-currencies/1002"})
		for _, coin := range []string{"LTCT", "ltct", "%31002", "LTC%54"} {
			v := b.expect(200, wire{line: "GET /api/v2/invoices/" + id + "/payment-currencies/" + coin})
			b.shows(v, "currency.id", "1002", "addresses.address", fmt.Sprint(dig(first, "addresses.address")))
			b.shows(b.expect(200, wire{line: "GET /api/v1/invoices/" + id + "/payment-currencies/" + coin + "/status"}), "payment.currencyId", "1002")
		}
	}},
	{"2.1 a token in the path: id:contract raw and percent-encoded, in any case, or the symbol", func(b *bench) {
		id := b.invoice(b.shop, "")
		for _, coin := range []string{usdt, usdtCode, strings.Replace(usdtCode, "%3A", "%3a", 1), "4:0xdAC17F958D2ee523a2206206994597C13D831ec7", "USDT.ERC20"} {
			// Known, and not to be paid with: no merchant has a wallet for it.
			line := "GET /api/v1/invoices/" + id + "/payment-currencies/" + coin
			b.wantProblem(b.raw(wire{line: line}), 400, "USDT.ERC20", "no wallet")
			b.wantProblem(b.raw(wire{line: line + "/status"}), 404, "USDT.ERC20", "not chosen")
		}
	}},
	{"2.1 C#: POST payments is signed, rightly or not", func(b *bench) {
		id := b.invoice(b.shop, "")
		for _, sign := range []func(signing) string{nil, nullForNothing, func(signing) string { return "" }} {
			v := b.expect(200, wire{line: "POST /api/v1/invoices/" + id + "/payments", body: `{"refundEmail":"a@b.c"}`, from: b.shop, sign: sign})
			b.shows(v, "refundEmail", "a@b.c", "paymentCurrencies.0.currency.id", "1002")
		}
	}},
	{"2.1 the checkout page's buyer: PUT without a signature", func(b *bench) {
		id := b.invoice(b.shop, `,"requireBuyerNameAndEmail":true`)
		b.expect(200, wire{line: "PUT /api/v1/invoices/" + id, body: `{"buyer":{"name":{"firstName":"Ann"},"emailAddress":"a@b.c"},"shipping":[]}`})
		b.shows(b.want(200, b.shop, "GET", createPath+"/"+id, ""), "buyer.name.firstName", "Ann", "shipping", "<nil>")
	}},
	{"2.1 shared invoices: without a signature, by v1 and by v2", func(b *bench) {
		id := b.invoice(b.shop, "")
		b.shows(b.expect(200, wire{line: "GET /api/v1/shared-invoices/" + id, more: sdk}), "id", id, "amount.value", "1000", "merchant.name", "One")
		b.shows(b.expect(200, wire{line: "GET /api/v2/shared-invoices/" + id, from: b.shop, sign: withoutQuery}), "id", id, "amount.total", "10.00")
	}},
	{"2.1 what is not offered says so, signed or not", func(b *bench) {
		for _, line := range []string{
			"POST /api/v1/merchant/invoices/buy-now-button", "POST /api/v2/merchant/invoices/buy-now-button", "POST /api/v1/invoices/button",
			"PUT /api/v1/merchant/invoices/11111111-2222-3333-4444-555555555555/payout-config",
		} {
			for _, c := range []client{b.shop, {}} {
				b.wantProblem(b.raw(wire{line: line, body: "action=checkout&data=x", from: c}), 501)
			}
		}
	}},
	{"2.2 alpha plugins: two URLs, each with its client and its event", func(b *bench) {
		c := b.fresh()
		urls := map[string]string{}
		for _, event := range []string{"Paid", "Cancelled"} {
			url := "https://shop.example/?wc-api=WC_Gateway_Coinpayments&clientId=" + c.id + "&event=" + event
			v := b.want(200, c, "POST", hooksPath(c), strings.ReplaceAll(`{"notificationsUrl":"`+url+`","notifications":["invoice`+event+`"]}`, "/", `\/`))
			urls[get(b, v, "id").(string)] = url
		}
		for _, item := range dig(b.want(200, c, "GET", hooksPath(c), ""), "items").([]any) {
			b.shows(item, "notificationsUrl", urls[fmt.Sprint(dig(item, "id"))], "createdFromUI", "false")
		}
	}},
	{"2.2 webhooks by v2, and by an id with dashes", func(b *bench) {
		c := b.fresh()
		for _, path := range []string{
			"/api/v2/merchant/clients/" + c.id + "/webhooks", "/api/v1/merchant/clients/" + paybell.DashedClientID(c.id) + "/webhooks",
			"/api/v2/merchant/clients/" + strings.ToUpper(paybell.DashedClientID(c.id)) + "/webhooks",
		} {
			id := get(b, b.expect(200, wire{line: "POST " + path, body: hookBody, from: c}), "id").(string)
			b.expect(200, wire{line: "PUT " + path + "/" + id, body: strings.Replace(hookBody, "/hook", "/other", 1), from: c})
			b.shows(b.expect(200, wire{line: "GET " + path, from: c}), "items.0.id", id, "items.0.notificationsUrl", "https://shop.example/other?x=1")
			b.expect(204, wire{line: "DELETE " + path + "/" + id, from: c})
			b.wantProblem(b.raw(wire{line: "DELETE " + path + "/" + id, from: c}), 404)
		}
	}},
	{"1.3 the URL of a webhook is kept byte for byte", func(b *bench) {
		for _, url := range []string{
			"https://shop.example", "https://shop.example/", "https://shop.example:443/hook", "http://shop.example:80/a%2Fb%7E?b=2&a=1&&x=%7e+%20&y", "https://shop.example/hook?",
			"https://shop.example/index.php/?rest_route=/coinpayments/v1/hook&id[]=1",
		} {
			c := b.fresh()
			b.want(200, c, "POST", hooksPath(c), `{"notificationsUrl":"`+url+`","notifications":["invoicePaid"]}`)
			b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.0.notificationsUrl", url)
		}
	}},
	{"2.2 ids of webhooks: at most 36 characters that need no escape", func(b *bench) {
		id := b.webhook(b.shop)
		if !regexp.MustCompile(`^[0-9A-Za-z_-]{1,36}$`).MatchString(id) {
			b.Errorf("the id is %s", id)
		}
		b.want(200, b.shop, "PUT", hooksPath(b.shop)+"/"+id, hookBody)
	}},
	{"2.2 notifications as a list joined by commas, with and without spaces", func(b *bench) {
		for _, events := range []string{`"invoicePaid,invoiceCompleted"`, `"invoicePaid, invoiceCompleted"`, `["invoicePaid","invoiceCompleted"]`} {
			c := b.fresh()
			b.hears(c, events)
			b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.0.notifications", "[invoicePaid invoiceCompleted]")
		}
		c := b.fresh()
		b.invoice(c, `,"webhooks":[{"notificationsUrl":"https://shop.example/","notifications":"invoicePaid,invoiceCancelled"}]`)
	}},
	{"2.2 notifications missing or empty", func(b *bench) {
		for _, events := range []string{"", `,"notifications":[]`, `,"notifications":""`, `,"notifications":null`, `,"notifications":","`} {
			refuses(wire{line: "POST " + hookLine, body: `{"notificationsUrl":"https://shop.example/"` + events + `}`}, 400, "notifications", "invoicePaid")(b)
		}
	}},
	{"2.2 an unknown client in the path", func(b *bench) {
		refuses(wire{line: "GET /api/v1/merchant/clients/" + paybell.NewClientID() + "/webhooks"}, 404, "Merchant Not Found!")(b)
	}},
	{"2.2 the caller's address, a bare string", func(b *bench) {
		b.same(b.expect(200, wire{line: "GET /api/v1/merchant/clients/ip", more: sdk}), "127.0.0.1")
	}},
	{"2.2 access-control: flags as a list or joined by commas, names as the enum misspells them", func(b *bench) {
		path := "/api/v1/merchant/clients/access-control"
		for _, flags := range []string{`["createInvoice","getWalletAddresse","createClientWebHook"]`, `"createInvoice,getwalletaddresse, CREATECLIENTWEBHOOK"`} {
			c := b.fresh()
			b.shows(b.expect(200, wire{line: "POST " + path, body: `{"flags":` + flags + `}`, from: c}), "flags", "[createInvoice getWalletAddresse createClientWebHook]")
			b.shows(b.expect(200, wire{line: "GET " + path, from: c}), "flags", "[createInvoice getWalletAddresse createClientWebHook]")
			b.wantProblem(b.raw(wire{line: listLine, from: c}), 403, "listInvoices")
		}
	}},
	{"2.2 webhooks given with an invoice ring for it alone", func(b *bench) {
		c := b.fresh()
		// Two ways to write them: a list, and one object without it.
		for i, hooks := range []string{`[{"notificationsUrl":"https://shop.example/1","notifications":["invoiceCreated"]}]`, `{"notificationsUrl":"https://shop.example/2","notifications":["invoiceCreated"]}`} {
			before := b.undelivered()
			b.invoice(c, `,"webhooks":`+hooks)
			b.invoice(c, "")
			if now := b.undelivered(); now != before+1 {
				b.Errorf("in way %d, two invoices are told %d times, want once", i, now-before)
			}
		}
		b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.#", "0")
	}},
}

func (b *bench) undelivered() int64 {
	b.Helper()
	n, err := store.View(b.Context(), b.db, func(tx *store.Tx) (int64, error) { return tx.Undelivered() })
	must(b.T, err)
	return n
}

// 2.3: reference data.
var referenceQuirks = []quirk{
	{"2.3 currencies are a plain list", reads(wire{line: "GET /api/v1/currencies"}, 200, "0.id", "1", "0.symbol", "BTC", "0.type", "crypto", "0.status", "active")},
	{"2.3 types=crypto%2Ctoken", func(b *bench) {
		for _, query := range []string{"types=crypto%2Ctoken", "types=crypto,token", "types=crypto%2Ctoken&q=&capabilities="} {
			kinds := map[any]int{}
			for _, c := range b.expect(200, wire{line: "GET /api/v2/currencies?" + query}).([]any) {
				kinds[dig(c, "type")]++
			}
			if kinds["crypto"] == 0 || kinds["token"] == 0 || len(kinds) != 2 {
				b.Errorf("?%s gives %v", query, kinds)
			}
		}
	}},
	{"2.3 one currency: id, symbol in any case, id:contract raw and percent-encoded", func(b *bench) {
		for ref, want := range map[string]string{
			"1": "1", "LTCT": "1002", "ltct": "1002", "usd": "5057", usdt: usdt, usdtCode: usdt, "4%3a0xdAC17F958D2ee523a2206206994597C13D831ec7": usdt,
			"USDT.TRC20": "9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "9%3ATR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t": "9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
		} {
			for _, version := range []string{"v1", "v2"} {
				b.shows(b.expect(200, wire{line: "GET /api/" + version + "/currencies/" + ref}), "id", want)
			}
		}
	}},
	{"2.3 rates: ids, symbols and contracts in a list, raw and percent-encoded", func(b *bench) {
		for _, query := range []string{"from=5057&to=1002," + usdt, "from=USD&to=LTCT%2C" + usdtCode, "from=usd&to=1002+USDT.ERC20"} {
			v := b.expect(200, wire{line: "GET /api/v1/rates?" + query})
			b.shows(v, "items.#", "2", "items.0.baseCurrencyId", "5057", "items.0.quoteCurrencyId", "1002", "items.0.rate", "0.0125", "items.0.quoteToken", "<nil>",
				"items.1.quoteCurrencyId", usdt, "items.1.quoteToken", strings.TrimPrefix(usdt, "4:"))
			if _, text := dig(v, "items.0.rate").(string); !text {
				b.Errorf("the rate is no string")
			}
		}
	}},
	{"2.3 limits, fees and blocks take the same spellings", func(b *bench) {
		b.shows(b.expect(200, wire{line: "GET /api/v1/currencies/limits/USD/LTCT"}), "min", "0.01")
		b.shows(b.expect(200, wire{line: "GET /api/v2/currencies/limits/" + usdtCode + "/1002"}), "#", "2")
		b.shows(b.expect(200, wire{line: "GET /api/v1/fees/blockchain/" + usdtCode}), "currencyId", usdt)
		b.shows(b.expect(200, wire{line: "GET /api/v1/currencies/blockchain-nodes/ltct/latest-block-number"}), "currencyId", "1002")
	}},
	{"2.3 conversions and confirmations are plain lists", func(b *bench) {
		b.shows(b.expect(200, wire{line: "GET /api/v1/currencies/conversions"}), "#", "0")
		b.shows(b.expect(200, wire{line: "GET /api/v1/currencies/required-confirmations"}), "0.currencyId", "1")
	}},
	{"2.3 the merchant's own currencies", signs(wire{line: "GET /api/v1/merchant/currencies", more: sdk}, 200, "#", "1", "0.id", "1002")},
}

// 2.4 and 2.5: how clients find out whether they are connected.
var connectionQuirks = []quirk{
	{"2.5 WHMCS 2026: Test Connection", signs(wire{line: "GET /api/v2/merchant/wallets?skip=0&take=1", more: sdk}, 200, "#", "0")},
	{"2.5 WooCommerce: invoices, webhooks, and two webhooks where there are none", func(b *bench) {
		c := b.fresh()
		b.shows(b.expect(200, wire{line: "GET /api/v1/merchant/invoices", from: c}), "items.#", "0")
		b.shows(b.expect(200, wire{line: "GET " + hooksPath(c), from: c}), "items.#", "0")
		for _, event := range []string{"Paid", "Cancelled"} {
			body := `{"notificationsUrl":"https://shop.example/?wc-api=x&event=` + event + `","notifications":["invoice` + event + `"]}`
			b.expect(200, wire{line: "POST " + hooksPath(c), body: body, from: c})
		}
		b.shows(b.expect(200, wire{line: "GET " + hooksPath(c), from: c}), "items.#", "2", "items.0.notificationsUrl", "https://shop.example/?wc-api=x&event=Paid")
	}},
	{"2.5 OpenCart, Drupal, PrestaShop: the webhooks are an answer, though there are none", func(b *bench) {
		if a := b.raw(wire{line: "GET " + hooksPath(b.sibling), from: b.sibling, at: utc(0) + "+00:00"}); a.status != 200 || len(a.body) == 0 {
			b.Errorf("%d %s", a.status, a.body)
		}
	}},
	{"2.5 alpha plugins: an invoice that is not signed is not offered", func(b *bench) {
		b.wantProblem(b.raw(wire{line: "POST /api/v1/invoices", body: `{"clientId":"` + b.shop.id + `","amount":{"currencyId":5057,"value":1}}`}), 501, "sign")
	}},
	{"2.5 Node, Go, Laravel: currencies, or one invoice", func(b *bench) {
		signs(wire{line: "GET /api/v1/currencies"}, 200, "0.id", "1")(b)
		signs(wire{line: "GET /api/v1/merchant/invoices?limit=1", at: utc(0) + "Z"}, 200, "paging.limit", "1")(b)
	}},
	{"2.4 wallets that cannot be: said so", func(b *bench) {
		for _, line := range []string{
			"POST /api/v1/merchant/wallets", "GET /api/v2/merchant/wallets/x/addresses", "POST /api/v1/merchant/wallets/x/addresses", "PUT /api/v1/merchant/wallets/x/webhook",
			"POST /api/v2/merchant/wallets/x/spend/request", "GET /api/v3/merchant/wallets/label/4%3A0xdac17f/transactions?skip=0&take=5", "PUT /api/v3/merchant/wallets",
		} {
			b.wantProblem(b.raw(wire{line: line, body: `{"currencyId":2}`, from: b.shop}), 501, "allets")
		}
	}},
}

// 2.6: errors and pages.
var problemQuirks = []quirk{
	{"2.6 clients read detail, then title, then errors, and take a key error for a failure", func(b *bench) {
		a := b.raw(wire{line: makeLine, body: `{"currency":"USD","amount":{"total":"x"}}`, from: b.shop})
		p := b.wantProblem(a, 400, "amount.total")
		if list, _ := p["errors"].(map[string]any)["amount.total"].([]any); len(list) != 1 {
			b.Errorf("errors are %v", p["errors"])
		}
	}},
	{"2.6 no answer that is good has a key error", func(b *bench) {
		c := b.fresh()
		id := b.paid(c)
		b.webhook(c)
		for _, path := range []string{
			createPath, createPath + "/" + id, createPath + "/" + id + "/payouts", createPath + "/" + id + "/history", hooksPath(c),
			"/api/v1/invoices/" + id + "/payment-currencies/1002", "/api/v1/invoices/" + id + "/payment-currencies/1002/status", "/api/v1/rates?from=USD&to=LTCT",
		} {
			b.shows(b.expect(200, wire{line: "GET " + path, from: c}), "error", "(not there)")
		}
	}},
	{"2.6 too many requests: 429 says when to come again", func(b *bench) {
		slow := b.on(func(s *api.Server) { s.RateLimit = 1 })
		for range 20 { // one is free each second
			if a := slow.raw(wire{line: listLine, from: b.shop}); a.status != 200 {
				slow.wantProblem(a, 429, "wait")
				b.same(a.header.Get("Retry-After"), "1")
				return
			}
		}
		b.Error("the limit never comes")
	}},
	{"2.6 pages: cursors lead on, and next is a link", func(b *bench) {
		c := b.fresh()
		first := b.invoice(c, "")
		b.invoice(c, "")
		v := b.expect(200, wire{line: listLine + "?limit=1", from: c})
		after := fmt.Sprint(dig(v, "paging.cursors.after"))
		b.shows(b.expect(200, wire{line: listLine + "?limit=1&after=" + after, from: c}), "items.0.id", first)
		next := strings.TrimPrefix(fmt.Sprint(dig(v, "paging.next")), b.url)
		b.shows(b.expect(200, wire{line: "GET " + next, from: c}), "items.0.id", first)
		b.shows(v, "paging.cursor", "(not there)", "paging.previous", "<nil>", "paging.last", "<nil>")
	}},
}

// 3.1: states.
var stateQuirks = []quirk{
	{"3.1 a list by a status that no invoice here ever has", func(b *bench) {
		for _, status := range []string{"draft", "scheduled", "deleted"} {
			b.shows(b.expect(200, wire{line: listLine + "?status=" + status, from: b.shop}), "items.#", "0")
		}
	}},
	{"3.1 a list by a status in any case", func(b *bench) {
		c := b.fresh()
		b.invoice(c, "")
		for _, status := range []string{"unpaid", "Unpaid", "UNPAID"} {
			b.shows(b.expect(200, wire{line: listLine + "?status=" + status, from: c}), "items.#", "1")
		}
		b.shows(b.expect(200, wire{line: listLine + "?status=TimedOut", from: c}), "items.#", "0")
	}},
}

// 3.2 and 3.3: how money is written.
var moneyQuirks = []quirk{
	{"3.2 value as a string", creates("v1", `{"amount":{"currencyId":"5057","value":"12345"}}`, "amount.value", "12345", "amount.displayValue", "123.45")},
	{"3.2 value as an integer", creates("v1", `{"amount":{"currencyId":5057,"value":12345}}`, "amount.value", "12345")},
	{"3.2 value as a float", creates("v1", `{"amount":{"currencyId":"5057","value":12345.0}}`, "amount.value", "12345")},
	{"3.2 value with PHP's noise above", creates("v1", `{"amount":{"currencyId":"5057","value":12345.000000000002}}`, "amount.value", "12345")},
	{"3.2 value with PHP's noise below: 19.99*100", creates("v1", `{"amount":{"currencyId":"5057","value":1998.9999999999998}}`, "amount.value", "1999")},
	{"3.2 value as a string with zeros behind", creates("v1", `{"amount":{"currencyId":"5057","value":"12345.00"}}`, "amount.value", "12345")},
	{"3.2 WooCommerce: only currencyId, displayValue, value", creates("v1", `{"amount":{"currencyId":"5057","displayValue":"$ 1,234.50","value":"123450"}}`,
		"amount.value", "123450", "amount.displayValue", "1234.50")},
	{"3.2 valueAsDecimal instead of value", creates("v1", `{"amount":{"currencyId":"5057","valueAsDecimal":123.45}}`, "amount.value", "12345")},
	{"3.2 valueAsDecimal beside value: value counts", creates("v1", `{"amount":{"currencyId":"5057","value":"100","valueAsDecimal":0.99}}`, "amount.value", "100")},
	{"3.2 a symbol, where the others write the id", creates("v1",
		`{"items":[{"name":"Tea","amount":{"currencyId":"5057","value":"100"}}],"amount":{"currencyId":"USD","value":"100","breakdown":{"subtotal":{"currencyId":5057,"value":100}}}}`,
		"currency.id", "5057", "amount.breakdown.subtotal.value", "100")},
	{"3.2 the currency stands at the items only", creates("v1", `{"items":[{"name":"Tea","amount":{"currencyId":"5195","value":"100"}}],"amount":{"value":"100"}}`, "currency.symbol", "EUR")},
	{"3.2 a token: currencyId and contractAddress", creates("v1", `{"amount":{"currencyId":4,"contractAddress":"0xdac17f958d2ee523a2206206994597c13d831ec7","value":"1000000"}}`,
		"currency.id", usdt, "amount.value", "1000000", "amount.displayValue", "1")},
	{"3.2 a token: id:contract, and no contractAddress", creates("v1", `{"amount":{"currencyId":"`+usdt+`","contractAddress":null,"value":"1000000"}}`, "currency.id", usdt)},
	{"3.2 parts of the breakdown as {}", creates("v1",
		`{"amount":{"currencyId":"5057","value":"12345","breakdown":{"subtotal":{"currencyId":"5057","value":"12345"},"shipping":{},"handling":{},"taxTotal":{},"discount":{}}}}`,
		"amount.breakdown.subtotal.value", "12345", "amount.breakdown.shipping.value", "0", "amount.value", "12345")},
	{"3.2 parts of the breakdown as PHP's []", creates("v1",
		`{"amount":{"currencyId":"5057","value":"12345","breakdown":{"subtotal":{"currencyId":"5057","value":"12345"},"shipping":[],"handling":[],"taxTotal":[],"discount":[]}}}`,
		"amount.breakdown.shipping.value", "0", "amount.value", "12345")},
	{"3.2 parts of the breakdown as null, or not there", creates("v1",
		`{"amount":{"currencyId":"5057","value":"12345","breakdown":{"subtotal":{"currencyId":"5057","value":"12345"},"shipping":null}}}`, "amount.value", "12345")},
	{"3.3 amounts as strings", creates("v2", `{"currency":"5057","amount":{"total":"10.00"}}`, "amount.total", "10.00")},
	{"3.3 amounts as strings without decimals", creates("v2", `{"currency":"5057","amount":{"total":"10","breakdown":{"subtotal":"10.0","shipping":"0"}}}`, "amount.total", "10.00")},
	{"3.3 amounts as integers", creates("v2", `{"currency":"5057","amount":{"total":10}}`, "amount.total", "10.00")},
	{"3.3 amounts as floats", creates("v2", `{"currency":"5057","amount":{"total":10.5,"breakdown":{"subtotal":10.0,"shipping":0.5}}}`, "amount.total", "10.50", "amount.breakdown.shipping", "0.50")},
	{"3.3 amounts as floats with noise: 0.1+0.2", creates("v2", `{"currency":"5057","amount":{"total":0.30000000000000004}}`, "amount.total", "0.30")},
	{"3.3 amounts as floats with the noise of large numbers", creates("v2", `{"currency":"5057","amount":{"total":123456789.12000000477}}`, "amount.total", "123456789.12")},
	{"3.3 amounts of a coin with noise", creates("v2", `{"currency":"1002","amount":{"total":0.30000000000000004}}`, "amount.total", "0.30000000")},
	{"3.3 an item's tax and original amount: string, number, null, empty", creates("v2", `{"currency":"USD","amount":{"total":"4"},"items":[
		{"name":"a","amount":"1","originalAmount":"2.00","tax":"0.00"},{"name":"b","amount":1,"originalAmount":2,"tax":0.1},
		{"name":"c","amount":1.0,"originalAmount":null,"tax":null},{"name":"d","amount":"1.0","originalAmount":"","tax":""}]}`,
		"items.0.originalAmount", "2.00", "items.0.tax", "0.00", "items.1.originalAmount", "2.00", "items.1.tax", "0.10",
		"items.2.originalAmount", "1.00", "items.2.tax", "<nil>", "items.3.originalAmount", "1.00", "items.3.tax", "<nil>")},
	{"3.3 total = subtotal + shipping + handling + tax - discount", creates("v2",
		`{"currency":"USD","amount":{"breakdown":{"subtotal":"10.00","shipping":"1","handling":"2","taxTotal":"0.5","discount":"3.5"},"total":"10.00"}}`, "amount.total", "10.00")},
}

// 3.2 and 3.3: everything else in a new invoice.
var bodyQuirks = []quirk{
	{"3.2 the sample as it is printed", creates("v1", `{"clientId":"CLIENT","invoiceId":"3432432432",
		"items":[{"customId":"","sku":"","name":"Item","description":"",
		  "quantity":{"value":1,"type":2},
		  "originalAmount":{"currencyId":"5057","value":"12345"},
		  "amount":{"currencyId":"5057","value":"12345"},
		  "tax":{"currencyId":"5057","value":"0"}}],
		"amount":{"currencyId":"5057","value":"12345","displayValue":"123.45",
		  "breakdown":{"subtotal":{"currencyId":"5057","value":"12345"},"shipping":{},"handling":{},"taxTotal":{},"discount":{}}},
		"payment":{"refundEmail":"info@test.com","paymentCurrency":"1002"}}`,
		"invoiceId", "3432432432", "amount.value", "12345", "items.0.quantity.type", "quantity", "items.0.sku", "<nil>", "items.0.tax.value", "0",
		"status", "pending", "payments.0.paymentCurrencyId", "1002", "payments.0.refundEmail", "info@test.com")},
	{"3.3 the sample as it is printed", creates("v2", `{"currency":"5057","clientId":"CLIENT","invoiceId":"WHMCS_42",
		"items":[{"customId":"42","name":"Invoice #42","description":"d","quantity":{"value":1,"type":"quantity"},
		          "originalAmount":"10.00","amount":"10.00","tax":"0.00"}],
		"amount":{"breakdown":{"subtotal":"10.00","shipping":"0","handling":"0","taxTotal":"0","discount":"0"},"total":"10.00"},
		"isEmailDelivery":false,
		"metadata":{"integration":"plugin:whmcs_8","hostname":"https://shop"},
		"customData":{"whmcsInvoiceId":"42","hostHash":"abc"},
		"successUrl":"https://shop.example/ok","cancelUrl":"https://shop.example/no",
		"webhooks":[{"notificationsUrl":"https://shop.example/hook","notifications":["invoicePaid","invoiceCancelled"]}],
		"payment":{"refundEmail":"a@b.c","paymentCurrency":"1002"}}`,
		"invoiceId", "WHMCS_42", "items.0.customId", "42", "amount.total", "10.00", "isEmailDelivery", "false", "metadata.integration", "plugin:whmcs_8",
		"customData.hostHash", "abc", "successUrl", "https://shop.example/ok", "payments.0.refundEmail", "a@b.c")},
	{"3.3 currencyId instead of currency, a number", creates("v2", `{"currencyId":5057,"amount":{"total":10}}`, "currency.symbol", "USD")},
	{"3.3 currency and currencyId: currency counts", creates("v2", `{"currencyId":"EUR","currency":"USD","amount":{"total":10}}`, "currency.symbol", "USD")},
	{"3.3 WHMCS 2025: the ISO code, and items as one object", creates("v2",
		`{"currency":"EUR","items":{"name":"Invoice #7","quantity":{"value":1,"type":"quantity"},"originalAmount":"10.00","amount":"10.00"},"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`,
		"currency.id", "5195", "items.#", "1", "items.0.name", "Invoice #7")},
	{"3.2 items as one object by v1", creates("v1", cents(`"items":{"name":"Tea","amount":{"currencyId":"5057","value":1000}}`), "items.#", "1", "items.0.amount.value", "1000")},
	{"3.3 paymentCurrency: id, number or symbol", func(b *bench) {
		for _, coin := range []string{`"1002"`, "1002", `"LTCT"`, `"ltct"`} {
			creates("v2", dollars(`"payment":{"paymentCurrency":`+coin+`}`), "payments.0.paymentCurrencyId", "1002", "payments.0.refundEmail", "<nil>")(b)
		}
		for _, coin := range []string{usdt, "USDT.ERC20"} { // known, but nobody's wallet
			refuses(wire{line: makeLine, body: dollars(`"payment":{"paymentCurrency":"` + coin + `"}`)}, 400, "payment.paymentCurrency", "USDT.ERC20")(b)
		}
	}},
	{"3.3 the price in a token: id:contract or symbol", func(b *bench) {
		for _, currency := range []string{usdt, "USDT.ERC20", "usdt.erc20"} {
			creates("v2", `{"currency":"`+currency+`","amount":{"total":"1.5"}}`, "currency.id", usdt, "amount.total", "1.500000")(b)
		}
	}},
	{"3.3 quantity types", func(b *bench) {
		for kind, want := range map[string]string{
			`"quantity"`: "quantity", `"hours"`: "hours", "2": "quantity", "1": "hours", `"2"`: "quantity", `"1"`: "hours", `"Quantity"`: "quantity", `"HOURS"`: "hours", "null": "quantity",
		} {
			item := `"items":[{"name":"a","amount":"10.00","quantity":{"value":3,"type":` + kind + `}}]`
			creates("v2", dollars(item), "items.0.quantity.type", want, "items.0.quantity.value", "3")(b)
		}
	}},
	{"3.3 quantity values: number, string, float", func(b *bench) {
		for value, want := range map[string]string{"1": "1", `"1"`: "1", "2.0": "2", `"999999999"`: "999999999"} {
			creates("v2", dollars(`"items":[{"name":"a","amount":"10.00","quantity":{"value":`+value+`,"type":"quantity"}}]`), "items.0.quantity.value", want)(b)
		}
		creates("v2", dollars(`"items":[{"name":"a","amount":"10.00"}]`), "items.0.quantity.value", "1", "items.0.quantity.type", "quantity")(b)
		creates("v2", dollars(`"items":[{"name":"a","amount":"10.00","quantity":{}}]`), "items.0.quantity.value", "1")(b)
	}},
	{"3.3 clientId left out, plain, dashed, in capitals", func(b *bench) {
		for _, id := range []string{"", `"clientId":"",`, `"clientId":null,`, `"clientId":"CLIENT",`, `"clientId":"DASHED",`, `"clientId":"` + strings.ToUpper(b.shop.id) + `",`} {
			creates("v2", dollars(id+`"notes":"n"`), "paybell.clientId", b.shop.id)(b)
			creates("v1", cents(id+`"notes":"n"`), "paybell.clientId", b.shop.id)(b)
		}
	}},
	{"3.3 unknown fields are ignored: refundEmail at the top", func(b *bench) {
		creates("v2", dollars(`"refundEmail":"a@b.c","unknown":{"deep":[1,{"x":null}]},"amounts":1e400,"buttonWidth":1`), "payments.#", "0")(b)
		creates("v1", cents(`"refundEmail":"not an address","currency":{"id":"nonsense"}`), "payments.#", "0")(b)
	}},
	{"3.3 an empty payment is an error", func(b *bench) {
		for _, payment := range []string{"{}", "[]", "{ }", `""`} {
			refuses(wire{line: makeLine, body: dollars(`"payment":` + payment)}, 400, "payment", "empty")(b)
			refuses(wire{line: "POST /api/v1/merchant/invoices", body: cents(`"payment":` + payment)}, 400, "payment", "empty")(b)
		}
		creates("v2", dollars(`"payment":null`), "payments.#", "0")(b)
	}},
	{"3.3 empty optional objects: {}, PHP's [], null, nothing", func(b *bench) {
		for _, empty := range []string{"{}", "[]", "[ ]", "null", `""`} {
			body := dollars(strings.ReplaceAll(`"buyer":E,"shipping":E,"merchantOptions":E,"emailDelivery":E,"payoutConfig":E`, "E", empty))
			creates("v2", body, "buyer", "<nil>", "shipping", "<nil>", "merchantOptions.showEmail", "true", "emailDelivery", "<nil>")(b)
			creates("v2", dollars(`"buyer":{"name":`+empty+`,"address":`+empty+`}`), "buyer", "<nil>")(b)
			creates("v2", `{"currency":"USD","amount":{"total":"10.00","breakdown":`+empty+`}}`, "amount.breakdown.subtotal", "10.00")(b)
			creates("v1", `{"amount":{"currencyId":"5057","value":1000,"breakdown":`+empty+`}}`, "amount.breakdown.subtotal.value", "1000")(b)
		}
		for _, empty := range []string{"[]", "null", `""`} {
			creates("v2", dollars(strings.ReplaceAll(`"customData":E,"metadata":E`, "E", empty)), "customData", "<nil>", "metadata", "<nil>")(b)
		}
		creates("v2", dollars(`"customData":{},"metadata":{}`), "customData.#", "0", "metadata.#", "0")(b)
	}},
	{"3.3 empty objects with a space in them, as Java's printers indent", func(b *bench) {
		creates("v2", dollars(`"buyer":{ },"customData":{ },"payoutConfig":{ },"payoutOverrides":[ ],"webhooks":[ ]`), "buyer", "<nil>", "customData.#", "0")(b)
		b.expect(200, wire{line: "POST /api/v1/merchant/invoices/" + b.invoice(b.shop, "") + "/cancel", body: "{ }", from: b.shop})
	}},
	{"3.3 empty lists: [], null", func(b *bench) {
		for _, empty := range []string{"[]", "null"} {
			creates("v2", dollars(strings.ReplaceAll(`"items":E,"webhooks":E,"payoutOverrides":E`, "E", empty)), "items.#", "0")(b)
		}
	}},
	{"3.3 isEmailDelivery false is fine, true is not offered", func(b *bench) {
		creates("v2", dollars(`"isEmailDelivery":false,"draft":false,"emailDelivery":{"to":"a@b.c;d@e.f","cc":"","bcc":""}`), "isEmailDelivery", "false", "emailDelivery.to", "a@b.c;d@e.f")(b)
		refuses(wire{line: makeLine, body: dollars(`"isEmailDelivery":true`)}, 501, "isEmailDelivery", "checkoutLink")(b)
	}},
	{"3.3 numbers where text is meant", creates("v2", dollars(`"invoiceId":42,"poNumber":7007,"items":[{"customId":42,"sku":7,"name":"a","amount":10}],
		"buyer":{"phoneNumber":4930123456,"address":{"postalCode":10115,"address2":5}}`),
		"invoiceId", "42", "poNumber", "7007", "items.0.customId", "42", "items.0.sku", "7", "buyer.phoneNumber", "4930123456", "buyer.address.postalCode", "10115")},
	{"3.3 null where text is meant", creates("v2", dollars(`"invoiceId":null,"poNumber":null,"notes":null,"description":null,"dueDate":null,"successUrl":null,"affiliateId":null,
		"merchantOptions":{"additionalInfo":null,"showEmail":null}`), "invoiceId", "", "poNumber", "<nil>", "notes", "<nil>", "merchantOptions.showEmail", "true")},
	{"3.3 empty text: nothing", creates("v2", dollars(`"invoiceId":"","poNumber":"","dueDate":"","successUrl":"","cancelUrl":"","affiliateId":"","buyer":{"companyName":"","emailAddress":""}`),
		"poNumber", "<nil>", "dueDate", "<nil>", "successUrl", "<nil>", "buyer", "<nil>")},
	{"3.3 an empty purchase order number is never taken", func(b *bench) {
		for range 2 {
			creates("v2", dollars(`"poNumber":""`), "poNumber", "<nil>")(b)
		}
		creates("v2", dollars(`"poNumber":"once"`), "poNumber", "once")(b)
		refuses(wire{line: makeLine, body: dollars(`"poNumber":"once"`)}, 400, "poNumber")(b)
		creates("v1", cents(`"poNumber":"once"`), "poNumber", "once")(b)
	}},
	{"3.3 a merchant's invoice numbers may repeat", func(b *bench) {
		for range 2 {
			creates("v2", dollars(`"invoiceId":"again"`), "invoiceId", "again")(b)
		}
	}},
	{"3.3 dates: with Z, a zone, a fraction, nothing, a day", func(b *bench) {
		for _, date := range []string{"2030-01-02T03:04:05Z", "2030-01-02T05:04:05+02:00", "2030-01-02T03:04:05.1234567Z", "2030-01-02T03:04:05", "2030-01-02T03:04:05.123456"} {
			creates("v2", dollars(`"dueDate":"`+date+`"`), "dueDate", "2030-01-02T03:04:05Z")(b)
		}
		creates("v2", dollars(`"invoiceDate":"2030-01-02"`), "invoiceDate", "2030-01-02T00:00:00Z")(b)
	}},
	{"3.3 customData comes back unchanged", creates("v2", dollars(`"customData":{"hostHash":"<&>é\u00e9","n":"007","":"","A":"1","a":"2"}`),
		"customData.hostHash", "<&>éé", "customData.n", "007", "customData.A", "1", "customData.a", "2")},
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// 3.4: the answer to a new invoice.
var createdQuirks = []quirk{
	{"3.4 a list of one, with a GUID, a link and a checkoutLink", func(b *bench) {
		for _, v := range []any{
			b.expect(201, wire{line: makeLine, body: dollars(`"notes":"n"`), from: b.shop}),
			b.expect(201, wire{line: "POST /api/v1/merchant/invoices", body: cents(`"notes":"n"`), from: b.shop}),
		} {
			id := get(b, v, "invoices", 0, "id").(string)
			if !guid.MatchString(id) {
				b.Errorf("the id is %s", id)
			}
			b.shows(v, "invoices.#", "1", "invoices.0.link", b.url+"/invoices/"+id, "invoices.0.checkoutLink", b.url+"/checkout/?invoice-id="+id,
				"invoices.0.payment", "(not there)", "invoices.0.hotWallet", "(not there)")
		}
	}},
	{"3.4 payment with a refund address, hotWallet with a coin", func(b *bench) {
		v := b.expect(201, wire{line: makeLine, body: dollars(`"payment":{"refundEmail":"a@b.c","paymentCurrency":"1002"}`), from: b.shop})
		b.shows(v, "invoices.0.payment.refundEmail", "a@b.c", "invoices.0.payment.paymentCurrencies.0.currency.id", "1002", "invoices.0.payment.paymentCurrencies.0.remainingAmount", "0.12500000",
			"invoices.0.hotWallet.remainingAmount", "0.12500000", "invoices.0.hotWallet.currency.symbol", "LTCT")
		expires, err := time.Parse(time.RFC3339, fmt.Sprint(dig(v, "invoices.0.payment.expires"))) // Xboard looks whether it is in the future
		if err != nil || !expires.After(time.Now()) {
			b.Errorf("it expires at %v, %v", expires, err)
		}
	}},
	{"3.4 amounts as v1 and as v2 write them", func(b *bench) {
		v := b.expect(201, wire{line: "POST /api/v1/merchant/invoices", body: cents(`"payment":{"refundEmail":"a@b.c"}`), from: b.shop})
		b.shows(v, "invoices.0.payment.paymentCurrencies.0.remainingAmount.value", "12500000")
		v = b.expect(201, wire{line: makeLine, body: dollars(`"payment":{"refundEmail":"a@b.c"}`), from: b.shop})
		b.shows(v, "invoices.0.payment.paymentCurrencies.0.remainingAmount", "0.12500000")
	}},
}

// 3.5 and 3.6: what a buyer's page asks for, and an invoice that is read.
var checkoutQuirks = []quirk{
	{"3.5 the same coin again has the same address", func(b *bench) {
		pick := "/payment-currencies/1002"
		id := b.invoice(b.shop, "")
		first := b.expect(200, wire{line: "GET /api/v1/invoices/" + id + pick, more: sdk})
		again := b.expect(200, wire{line: "GET /api/v1/invoices/" + id + pick})
		for _, way := range []string{"addresses.address", "addresses.biP21", "amount.displayValue", "currency.id", "currency.name", "currency.symbol", "expires"} {
			if text := fmt.Sprint(dig(first, way)); text == "" || text == "(not there)" {
				b.Errorf("%s is %s", way, text)
			} else {
				b.shows(again, way, text)
			}
		}
		b.shows(b.want(200, b.shop, "GET", createPath+"/"+id, ""), "payments.#", "1")
	}},
	{"3.5 the address of hotWallet is that of its coin", func(b *bench) {
		v := b.expect(201, wire{line: makeLine, body: dollars(`"payment":{"paymentCurrency":"LTCT"}`), from: b.shop})
		pick := b.expect(200, wire{line: "GET /api/v1/invoices/" + get(b, v, "invoices", 0, "id").(string) + "/payment-currencies/1002"})
		b.shows(v, "invoices.0.hotWallet.addresses.address", fmt.Sprint(dig(pick, "addresses.address")))
	}},
	{"3.5 the status that is polled", func(b *bench) {
		id := b.paid(b.fresh())
		b.shows(b.expect(200, wire{line: "GET /api/v1/invoices/" + id + "/payment-currencies/1002/status", more: sdk}),
			"status", "completed", "payment.currencyId", "1002", "payment.confirmations", "3", "payment.confirmedAmount.value", "12500000", "payment.remainingAmount.value", "0")
	}},
	{"3.6 amounts by v1 in minor units, by v2 as decimal strings", func(b *bench) {
		id := b.invoice(b.shop, `,"items":[{"name":"a","amount":"10.00"}]`)
		b.shows(b.want(200, b.shop, "GET", "/api/v1/merchant/invoices/"+id, ""), "amount.value", "1000", "amount.displayValue", "10.00", "amount.currencyId", "5057", "items.0.amount.value", "1000")
		b.shows(b.want(200, b.shop, "GET", "/api/v2/merchant/invoices/"+id, ""), "amount.total", "10.00", "amount.breakdown.subtotal", "10.00", "items.0.amount", "10.00")
		b.shows(b.want(200, b.shop, "GET", "/api/v2/merchant/invoices?clientId="+b.shop.id+"&limit=1", ""), "items.0.amount.value", "1000", "items.0.amount.currencySymbol", "USD")
	}},
}

// 4: what the notifications say that clients disagree about. The bytes are those
// of the deliveries.
var notificationQuirks = []quirk{
	{"4.1 the envelope: 32 hex digits, new for each event; seven digits of a second and +00:00", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated","invoicePending","invoicePaid","invoiceCompleted"]`)
		b.paid(c)
		ids := map[any]bool{}
		for _, n := range b.told(hook) {
			ids[dig(n, "id")] = true
			if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(fmt.Sprint(dig(n, "id"))) ||
				!regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00$`).MatchString(fmt.Sprint(dig(n, "timestamp"))) {
				b.Errorf("id %v, timestamp %v", dig(n, "id"), dig(n, "timestamp"))
			}
		}
		if len(ids) < 4 {
			b.Errorf("%d ids", len(ids))
		}
	}},
	{"4.2 customData as it was given: WHMCS refuses others", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated"]`)
		b.invoice(c, `,"customData":{"whmcsInvoiceId":"42","hostHash":"<&>\u00e9"},"buyer":{"companyName":"c","name":{"firstName":"f"},"emailAddress":"a@b.c"}`)
		b.shows(b.told(hook)[0], "invoice.customData.hostHash", "<&>é", "invoice.customData.whmcsInvoiceId", "42",
			"invoice.buyer.companyName", "c", "invoice.buyer.firstName", "f", "invoice.buyer.email", "a@b.c")
	}},
	{"4.3 the same amounts whether v1 or v2 made the invoice", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated"]`)
		b.want(201, c, "POST", "/api/v1/merchant/invoices", cents(`"notes":"n"`))
		b.want(201, c, "POST", "/api/v2/merchant/invoices", dollars(`"notes":"n"`))
		for _, n := range b.told(hook) {
			b.shows(n, "invoice.amount.total", "1000", "invoice.amount.currency.id", "5057", "invoice.amount.currency.smartContract", "<nil>", "invoice.amount.currencyId", "(not there)")
			if _, number := dig(n, "invoice.amount.total").(json.Number); !number {
				b.Errorf("the total is no number")
			}
		}
	}},
	{"4.3 a token: a number, and its contract beside it; over 2^53 a string", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated"]`)
		b.want(201, c, "POST", createPath, `{"currency":"USDT.ERC20","amount":{"total":"1.5"}}`)
		b.want(201, c, "POST", createPath, `{"currency":"ETH","amount":{"total":"1.5"}}`)
		told := b.told(hook)
		b.shows(told[0], "invoice.amount.currency.id", "4", "invoice.amount.currency.smartContract", strings.TrimPrefix(usdt, "4:"), "invoice.amount.total", "1500000")
		b.shows(told[1], "invoice.amount.total", "1500000000000000000")
		if _, text := dig(told[1], "invoice.amount.total").(string); !text {
			b.Errorf("a total over 2^53 is no string")
		}
	}},
	{"4.4 names of events in any case: camelCase, PascalCase, capitals", func(b *bench) {
		for _, events := range []string{
			`["invoiceCreated","invoicePending","invoicePaid","invoiceCompleted","invoiceCancelled","invoiceTimedOut"]`,
			`["InvoiceCreated","InvoicePending","InvoicePaid","InvoiceCompleted","InvoiceCancelled","InvoiceTimedOut"]`,
			`["INVOICECREATED","INVOICEPENDING","INVOICEPAID","INVOICECOMPLETED","INVOICECANCELLED","INVOICETIMEDOUT"]`,
			`"invoicecreated,invoicepending,invoicepaid,invoicecompleted,invoicecancelled,invoicetimedout"`,
		} {
			c := b.fresh()
			b.hears(c, events)
			b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.0.notifications", "[invoiceCreated invoicePending invoicePaid invoiceCompleted invoiceCancelled invoiceTimedOut]")
			for _, kind := range []string{"invoicePaid", "InvoicePaid", "INVOICEPAID"} {
				b.shows(b.want(200, c, "GET", hooksPath(c)+"?type="+kind, ""), "items.#", "1")
			}
		}
	}},
	{"4.4 types are PascalCase, and say paid before completed", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCreated","invoicePaid","invoiceCompleted"]`)
		b.paid(c)
		b.same(b.types(hook), "InvoiceCreated InvoicePaid InvoiceCompleted")
		for i, state := range []string{"Unpaid", "Paid", "Completed"} {
			b.shows(b.told(hook)[i], "invoice.state", state)
		}
	}},
	{"4.4 WHMCS 2025: types in camelCase, by a switch of the client", func(b *bench) {
		merchant := b.merchant("whmcs")
		c := b.client(merchant)
		hook := b.hears(c, `["invoiceCreated","invoiceCompleted"]`)
		camel := paybell.CamelCase
		_, err := b.desk.UpdateClient(b.Context(), desk.Owner(merchant), c.id, desk.ClientChange{EventNames: &camel})
		must(b.T, err)
		b.paid(c)
		b.same(b.types(hook), "invoiceCreated invoiceCompleted")
		b.shows(b.told(hook)[1], "invoice.state", "Completed") // the state stays
	}},
	{"4.4 payment events by either name, told and listed by the name that was subscribed", func(b *bench) {
		for name, want := range map[string]string{
			"paymentCreated": "PaymentCreated", "invoicePaymentCreated": "InvoicePaymentCreated", "InvoicePaymentCreated": "InvoicePaymentCreated", "PAYMENTCREATED": "PaymentCreated",
		} {
			c := b.fresh()
			hook := b.hears(c, `["`+name+`"]`)
			b.invoice(c, `,"payment":{"paymentCurrency":"1002"}`)
			b.same(b.types(hook), want)
			b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.0.notifications.0", strings.ToLower(want[:1])+want[1:])
		}
		c := b.fresh()
		b.hears(c, `["paymentTimedOut"]`)
		b.hears(c, `["invoicePaymentTimedOut"]`)
		b.shows(b.want(200, c, "GET", hooksPath(c), ""), "items.0.notifications.0", "paymentTimedOut", "items.1.notifications.0", "invoicePaymentTimedOut")
	}},
	{"4.4 cancelled and timed out", func(b *bench) {
		c := b.fresh()
		hook := b.hears(c, `["invoiceCancelled","invoiceTimedOut"]`)
		b.want(200, c, "POST", "/api/v1/merchant/invoices/"+b.invoice(c, "")+"/cancel", "")
		b.want(200, c, "POST", "/api/v1/sandbox/invoices/"+b.invoice(c, `,"payment":{"paymentCurrency":"1002"}`)+"/expire", `{"what":"lifetime"}`)
		b.watch()
		b.same(b.types(hook), "InvoiceCancelled InvoiceTimedOut")
		b.shows(b.told(hook)[0], "invoice.state", "Cancelled")
		b.shows(b.told(hook)[1], "invoice.state", "TimedOut")
	}},
}

// 8: the ambiguities, and what was chosen. Those that a row above shows already
// are not here again.
var choiceQuirks = []quirk{
	{"8 GET invoice: status, and state with the same text", func(b *bench) {
		id := b.paid(b.shop)
		for _, version := range []string{"v1", "v2"} {
			b.shows(b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices/"+id, ""), "status", "completed", "state", "completed")
			b.shows(b.want(200, b.shop, "GET", "/api/"+version+"/merchant/invoices?status=completed", ""), "items.0.status", "completed", "items.0.state", "completed")
		}
	}},
	{"8 the key of a webhook's URL is notificationsUrl", func(b *bench) {
		b.webhook(b.shop)
		b.shows(b.want(200, b.shop, "GET", hooksPath(b.shop), ""), "items.0.notificationsUrl", "https://shop.example/hook?x=1", "items.0.notificationUrl", "(not there)")
	}},
	{"8 the key of pages is cursors", func(b *bench) {
		for _, path := range []string{createPath, hooksPath(b.shop), createPath + "/" + b.invoice(b.shop, "") + "/history"} {
			b.shows(b.want(200, b.shop, "GET", path, ""), "paging.cursors.before", "<nil>", "paging.cursor", "(not there)")
		}
	}},
	{"8 lists of currencies have no envelope", func(b *bench) {
		for _, path := range []string{"/api/v1/currencies", "/api/v2/currencies", "/api/v1/currencies/required-confirmations", "/api/v1/currencies/conversions"} {
			if _, list := b.expect(200, wire{line: "GET " + path}).([]any); !list {
				b.Errorf("%s is no list", path)
			}
		}
	}},
	{"8 pending waits for the payment, paid is seen, completed is confirmed", func(b *bench) {
		c := b.fresh()
		id := b.invoice(c, "")
		status := func(want string) {
			b.Helper()
			b.shows(b.want(200, c, "GET", createPath+"/"+id, ""), "status", want)
		}
		status("unpaid")
		b.expect(200, wire{line: "GET /api/v1/invoices/" + id + "/payment-currencies/1002"})
		status("pending")
		b.want(200, c, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", "{}")
		b.watch()
		status("paid")
		b.want(200, c, "POST", "/api/v1/sandbox/mine", `{"blocks":3}`)
		b.watch()
		status("completed")
	}},
}

// victim is a client with an invoice and a webhook, whom somebody wants to harm.
type victim struct {
	client
	invoice, hook string
}

func (b *bench) victim() victim {
	b.Helper()
	c := b.fresh()
	return victim{c, b.invoice(c, `,"notes":"secret note"`), b.webhook(c)}
}

func (v victim) hookLine(method string) string {
	return method + " " + hooksPath(v.client) + "/" + v.hook
}

func (v victim) cancelLine() string { return "POST /api/v1/merchant/invoices/" + v.invoice + "/cancel" }

// world is all that a client has.
func (b *bench) world(c client) string {
	b.Helper()
	var all strings.Builder
	for _, path := range []string{createPath + "?limit=100", hooksPath(c), "/api/v1/merchant/clients/access-control"} {
		all.Write(b.call(c, "GET", path, "").body)
	}
	return all.String()
}

// stopped sends a request that must be refused and change nothing for v.
func (b *bench) stopped(v client, w wire, status int, words ...string) {
	b.Helper()
	before := b.world(v)
	a := b.raw(w)
	if strings.HasPrefix(w.line, "HEAD ") {
		b.same(a.status, strconv.Itoa(status))
	} else if b.wantProblem(a, status, words...) == nil {
		b.Errorf("that was %s with body %s", w.line, w.body)
	}
	if after := b.world(v); after != before {
		b.Errorf("%s changed\n%s\nto\n%s", w.line, before, after)
	}
}

// stolen uses the signature of one request for others, which are refused. Then
// the one that it is for shows that it is good.
func (b *bench) stolen(made wire, others ...wire) {
	b.Helper()
	v, lines := made.from, b.signature(made)
	for _, other := range others {
		other.more = append(slices.Clone(other.more), lines...)
		b.stopped(v, other, 401)
	}
	made.from, made.more = client{}, lines
	if a := b.raw(made); a.status >= 300 {
		b.Errorf("%s, as it was signed: %d %s", made.line, a.status, a.body)
	}
}

// abuse is somebody trying to make use of a leniency. The comment above says why
// it cannot be done.
type abuse struct {
	name string
	try  func(b *bench, v victim)
}

// TestLeniencyIsNoHole tries to turn every leniency against those whom it serves.
func TestLeniencyIsNoHole(t *testing.T) {
	b := newBench(t)
	for _, a := range slices.Concat(bodyAbuses, targetAbuses, boundaryAbuses, identityAbuses, textAbuses, secretAbuses) {
		b.subtest(a.name, func() { a.try(b, b.victim()) })
	}
}

// The bytes of the body are signed; what a client calls them is not looked at.
var bodyAbuses = []abuse{
	// A signature over null is accepted for no body at all. It covers method, URL,
	// client and time like any other, and a body that was sent is always verified as
	// it is: whoever holds such a request can repeat it, and nothing else.
	{"null body: replayed with a body", func(b *bench, v victim) {
		made := wire{line: v.cancelLine(), from: v.client, sign: nullForNothing}
		b.stolen(made, wire{line: made.line, body: "{}"}, wire{line: made.line, body: "[]"}, wire{line: made.line, body: " null"}, wire{line: made.line, body: "null\n"},
			wire{line: made.line, body: `{"force":true}`})
	}},
	{"null body: a body put under it", func(b *bench, v victim) {
		lines := b.signature(wire{line: v.hookLine("PUT"), from: v.client, sign: nullForNothing})
		b.stopped(v.client, wire{line: v.hookLine("PUT"), body: strings.Replace(hookBody, "shop", "evil", 1), more: lines}, 401, "does not match")
		b.stopped(v.client, wire{line: v.hookLine("PUT"), more: lines}, 400, "body is missing") // alone it is known, and does nothing
	}},
	{"null body: another method, another path", func(b *bench, v victim) {
		other := b.invoice(v.client, "")
		made := wire{line: v.cancelLine(), from: v.client, sign: nullForNothing}
		b.stolen(made, wire{line: strings.Replace(made.line, v.invoice, other, 1)}, wire{line: strings.Replace(made.line, "v1", "v2", 1)}, wire{line: made.line + "?x"})
		lines := b.signature(wire{line: v.hookLine("PUT"), from: v.client, sign: nullForNothing})
		b.stopped(v.client, wire{line: v.hookLine("DELETE"), more: lines}, 401, "does not match")
	}},
	// The one thing it gives away: to every route, null and nothing are the same.
	{"null body: null put in or taken out changes nothing", func(b *bench, v victim) {
		lines := b.signature(wire{line: v.hookLine("PUT"), from: v.client, sign: nullForNothing})
		for _, body := range []string{"", "null"} {
			b.stopped(v.client, wire{line: v.hookLine("PUT"), body: body, more: lines}, 400)
		}
		b.stopped(v.client, wire{line: v.cancelLine(), body: "null", from: v.client, sign: but(func(s *signing) { s.body = "" })}, 401, "does not match")
	}},
	{"null body: not for GET, and nothing else stands for nothing", func(b *bench, v victim) {
		b.stopped(v.client, wire{line: listLine, from: v.client, sign: nullForNothing}, 401)
		b.stopped(v.client, wire{line: strings.Replace(listLine, "GET", "HEAD", 1), from: v.client, sign: nullForNothing}, 401)
		for _, body := range []string{"{}", "[]", `""`, "undefined", "false", "0", "NULL", "nullnull"} {
			b.stopped(v.client, wire{line: v.cancelLine(), from: v.client, sign: but(func(s *signing) { s.body = body })}, 401, "does not match")
		}
	}},
	{"body taken away", func(b *bench, v victim) {
		put := wire{line: v.hookLine("PUT"), body: hookBody, from: v.client}
		b.stolen(put, wire{line: put.line}, wire{line: put.line, body: "null"}, wire{line: put.line, body: "{}"})
		b.stolen(wire{line: makeLine, body: dollars(`"notes":"n"`), from: v.client}, wire{line: makeLine}, wire{line: makeLine, more: sdk})
	}},
	{"body changed", func(b *bench, v victim) {
		body := dollars(`"notes":"n"`)
		b.stolen(wire{line: makeLine, body: body, from: v.client}, wire{line: makeLine, body: strings.Replace(body, "10.00", "01.00", 1)}, wire{line: makeLine, body: body + " "},
			wire{line: makeLine, body: " " + body}, wire{line: makeLine, body: strings.Replace(body, `"notes"`, `"\u006eotes"`, 1)})
	}},
	// The content type says nothing here, since the PHP SDK calls everything a
	// form. So nothing is ever read as one.
	{"form content type: a form is no body", func(b *bench, v victim) {
		form := []string{"Content-Type: application/x-www-form-urlencoded"}
		for _, body := range []string{"currency=USD&amount%5Btotal%5D=10", "notificationsUrl=https%3A%2F%2Fevil.example%2F&notifications%5B%5D=invoicePaid", "a", "&{}"} {
			for _, line := range []string{makeLine, "POST " + hooksPath(v.client), v.hookLine("PUT"), v.cancelLine()} {
				b.stopped(v.client, wire{line: line, body: body, from: v.client, more: form}, 401, "JSON")
			}
		}
		for _, line := range []string{"POST /api/v1/invoices/" + v.invoice + "/payments", "PUT /api/v1/invoices/" + v.invoice} {
			b.stopped(v.client, wire{line: line, body: "refundEmail=a%40b.c&buyer=x", more: form}, 400, "JSON")
		}
	}},
	{"form content type: a form under a GET is not read", func(b *bench, v victim) {
		form := []string{"Content-Type: application/x-www-form-urlencoded"}
		b.stopped(v.client, wire{line: listLine, body: "limit=1", from: v.client, more: form}, 401, "JSON")
		if n := len(b.expect(200, wire{line: "GET /api/v1/currencies", body: "q=LTCT", more: form}).([]any)); n < 2 {
			b.Errorf("the form is read: it leaves %d currencies", n)
		}
	}},
	{"other encodings of a body are other bytes", func(b *bench, v victim) {
		claims := []string{"Content-Encoding: gzip", "Content-Type: multipart/form-data; boundary=x; charset=utf-16"}
		for _, body := range []string{
			byteOrderMark + dollars(`"notes":"n"`), "\xff\xfe{\x00}\x00", "\x00{\x00}", "\x1f\x8b\x08\x00", "--x\r\nContent-Disposition: form-data\r\n\r\n{}\r\n--x--",
		} {
			b.stopped(v.client, wire{line: makeLine, body: body, from: v.client, more: claims}, 401, "JSON")
		}
	}},
	// Bodies that say nothing pass where none is meant. Whoever says something there
	// is told that it is not heard.
	{"a body where none is taken", func(b *bench, v victim) {
		for _, line := range []string{v.cancelLine(), v.hookLine("DELETE"), listLine, "GET /api/v2/merchant/invoices/" + v.invoice} {
			for _, body := range []string{`{"force":true}`, "[0]", "[null]", `{"":0}`} {
				b.stopped(v.client, wire{line: line, body: body, from: v.client}, 400, "no body")
			}
		}
	}},
	{"something behind the JSON", func(b *bench, v victim) {
		for _, end := range []string{"{}", "null", ",", "}", "\x00", "// note", "/* note */"} {
			b.stopped(v.client, wire{line: makeLine, body: dollars(`"notes":"n"`) + end, from: v.client}, 400, "JSON")
		}
	}},
	// Notifications are signed by the same recipe with the same secret, for a URL
	// that the receiver has chosen. They begin in a way that no request may.
	{"a notification sent back as a request", func(b *bench, v victim) {
		hooks := map[string]string{}
		for _, path := range []string{
			"/api/v1/merchant/invoices/" + v.invoice + "/cancel", "/api/v1/merchant/invoices/" + v.invoice + "/accept", createPath, hooksPath(v.client),
			"/api/v1/sandbox/invoices/" + v.invoice + "/pay", accessPath,
		} {
			body := `{"notificationsUrl":"https://evil.example` + path + `","notifications":["invoiceCreated"]}`
			hooks[path] = get(b, b.want(200, v.client, "POST", hooksPath(v.client), body), "id").(string)
		}
		b.invoice(v.client, "")
		for path, hook := range hooks {
			deliveries, err := store.View(b.Context(), b.db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hook, 0, 1) })
			must(b.T, err)
			d := deliveries[0]
			var lines []string
			for _, h := range paybell.SignedHeaders([]string{v.secret}, v.secret, v.id, d.URL, d.NotificationID, time.Now(), d.Body) {
				lines = append(lines, h[0]+": "+h[1])
			}
			told := string(d.Body)
			b.stopped(v.client, wire{line: "POST " + path, host: "evil.example", body: told, more: lines}, 401, "notification")
			for _, body := range []string{"", "null", "{}", " " + told, strings.Replace(told, `{"id"`, `{ "id"`, 1)} {
				b.stopped(v.client, wire{line: "POST " + path, host: "evil.example", body: body, more: lines}, 401)
			}
		}
	}},
}

// The target is verified as it was sent, never in a form that was decoded or put
// in order; the method and the query are part of what is signed.
var targetAbuses = []abuse{
	{"signed for another path", func(b *bench, v victim) {
		other := b.invoice(v.client, "")
		read := "GET /api/v2/merchant/invoices/"
		var others []wire
		for _, line := range []string{
			read + other, read + v.invoice + "/history", strings.Replace(read, "v2", "v1", 1) + v.invoice, listLine, read + strings.ToUpper(v.invoice),
			read + "%" + hex.EncodeToString([]byte(v.invoice[:1])) + v.invoice[1:], strings.Replace(read, "invoices", "%69nvoices", 1) + v.invoice, read + v.invoice + "?",
		} {
			others = append(others, wire{line: line})
		}
		b.stolen(wire{line: read + v.invoice, from: v.client}, others...)
		cancel := v.cancelLine()
		b.stolen(wire{line: cancel, from: v.client}, wire{line: strings.Replace(cancel, v.invoice, other, 1)}, wire{line: strings.Replace(cancel, "cancel", "accept", 1)})
	}},
	{"a path that is put in order on the way", func(b *bench, v victim) {
		for _, target := range []string{
			"/api/v2//merchant/invoices", "/api/v2/./merchant/invoices", "/api/v1/../v2/merchant/invoices", "//api/v2/merchant/invoices", "/api/v2/merchant/invoices/" + v.invoice + "%2Fcancel",
			"/api/v2/merchant/invoices/%2e%2e", "/api/v2/merchant/invoices/" + v.invoice + "/", "/API/v2/merchant/invoices", "/api/v2%2Fmerchant/invoices",
		} {
			b.stopped(v.client, wire{line: "GET " + target, from: v.client}, 404)
		}
	}},
	// A query that was not signed is forgiven only where signatures are not looked at.
	{"signed with another query", func(b *bench, v victim) {
		var others []wire
		for _, query := range []string{
			"", "?limit=1", "?limit=2&status=unpaid", "?status=unpaid&limit=1", "?limit=1&status=unpaid&limit=100", "?limit=1&status=unpaid&", "?limit=1&status=unpai%64", "?limit=1;status=unpaid",
		} {
			others = append(others, wire{line: listLine + query})
		}
		b.stolen(wire{line: listLine + "?limit=1&status=unpaid", from: v.client}, others...)
		b.stolen(wire{line: listLine, from: v.client}, wire{line: listLine + "?"}, wire{line: listLine + "?limit=100"})
		b.stolen(wire{line: v.cancelLine(), from: v.client}, wire{line: v.cancelLine() + "?x=1"})
	}},
	{"a query never counts for the body", func(b *bench, v victim) {
		query := "?currency=EUR&amount=1&total=1&amount%5Btotal%5D=1&notes=evil&clientId=" + b.sibling.id
		b.expect(201, wire{line: makeLine + query, body: dollars(`"notes":"mine"`), from: v.client})
		b.shows(b.want(200, v.client, "GET", createPath+"?limit=1", ""),
			"items.0.currency.symbol", "USD", "items.0.amount.value", "1000", "items.0.notes", "mine", "items.0.paybell.clientId", v.id)
		b.stopped(v.client, wire{line: makeLine + "?currency=USD&amount%5Btotal%5D=10.00", body: "{}", from: v.client}, 400, "currency", "missing")
		hook := "?notificationsUrl=https%3A%2F%2Fevil.example%2F&notifications=invoicePaid"
		b.stopped(v.client, wire{line: "POST " + hooksPath(v.client) + hook, body: "{}", from: v.client}, 400, "notifications")
		b.stopped(v.client, wire{line: "POST " + accessPath + "?flags=none", body: "{}", from: v.client}, 400, "flags")
	}},
	{"signed for another method", func(b *bench, v victim) {
		b.stolen(wire{line: "GET /api/v2/merchant/invoices/" + v.invoice, from: v.client}, wire{line: "HEAD /api/v2/merchant/invoices/" + v.invoice})
		b.stolen(wire{line: "GET " + hooksPath(v.client), from: v.client}, wire{line: "POST " + hooksPath(v.client)})
		b.stolen(wire{line: v.hookLine("PUT"), body: hookBody, from: v.client}, wire{line: v.hookLine("DELETE"), body: hookBody}, wire{line: v.hookLine("DELETE")})
	}},
	{"a method in a header or in the query", func(b *bench, v victim) {
		before := b.world(v.client)
		for _, header := range []string{"X-HTTP-Method-Override: DELETE", "X-HTTP-Method: POST", "X-Method-Override: DELETE"} {
			b.expect(200, wire{line: "GET " + hooksPath(v.client) + "?_method=DELETE", from: v.client, more: []string{header}})
		}
		if after := b.world(v.client); after != before {
			b.Errorf("it was %s, is %s", before, after)
		}
	}},
	// Several URLs are tried, since proxies change what clients have signed. They
	// are those of the configuration and of the connection, not what a header says,
	// and the Host can hold no part of a path.
	{"a host that a header claims", func(b *bench, v victim) {
		for _, header := range []string{"X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Original-URL: http://evil.example/", "X-Host: evil.example"} {
			w := wire{line: v.cancelLine(), from: v.client, more: []string{header}, sign: but(func(s *signing) { s.url = strings.Replace(s.url, b.url, "http://evil.example", 1) })}
			b.stopped(v.client, w, 401, "does not match")
		}
	}},
	{"no separators: the path's start in the Host", func(b *bench, v victim) {
		for _, host := range []string{"evil.example%2Fx", "evil.example;x=", "evil.example&x", "evil.example~", "(evil.example)"} {
			b.stopped(v.client, wire{line: v.cancelLine(), from: v.client, host: host}, 401, "does not match")
		}
		for _, host := range []string{"evil.example/x", "user@evil.example", "evil.example:80/api", "evil.example?x"} { // net/http itself
			b.same(b.exchange(wire{line: v.cancelLine(), from: v.client, host: host}).status, "400")
		}
	}},
}

// Nothing stands between the parts of what is signed. Each part is held to a form
// that cannot run over into its neighbours, so that there is one reading.
var boundaryAbuses = []abuse{
	{"no separators: the timestamp's end in the body", func(b *bench, v victim) {
		for _, end := range []string{"Z", "+00:00", ".5", ".123456", ".5Z"} {
			at := utc(0)
			made := wire{line: v.cancelLine(), from: v.client, at: at + end}
			lines := b.signature(made)
			short := append([]string{"X-CoinPayments-Timestamp: " + at}, lines[0], lines[2])
			b.stopped(v.client, wire{line: made.line, body: end, more: short}, 401, "JSON") // the same bytes are signed
			b.stopped(v.client, wire{line: made.line, more: short}, 401, "does not match")
			b.stolen(made, wire{line: made.line, body: end})
		}
	}},
	{"no separators: the body's start in the timestamp", func(b *bench, v victim) {
		at := utc(0)
		for _, start := range []string{".5", "Z", "+00:00"} { // no body may begin so: whoever signs one has signed another time as well
			lines := b.signature(wire{line: v.cancelLine(), body: start, from: v.client, at: at})
			b.stopped(v.client, wire{line: v.cancelLine(), body: start, more: lines}, 401, "JSON")
			b.stopped(v.client, wire{line: v.cancelLine(), body: start + "{}", from: v.client, at: at}, 401, "JSON")
		}
		// What may begin a body ends every timestamp.
		for _, body := range []string{"{}", "[]", "null"} {
			lines := b.signature(wire{line: v.cancelLine(), body: body, from: v.client, at: at})
			lines[1] = "X-CoinPayments-Timestamp: " + at + body
			b.stopped(v.client, wire{line: v.cancelLine(), more: lines}, 401, "malformed")
		}
	}},
	{"no separators: the client id's digits in the URL", func(b *bench, v victim) {
		line, at := listLine+"?x=", utc(0)
		lines := b.signature(wire{line: line, from: v.client, at: at})
		lines[0], lines[1] = "X-CoinPayments-Client: "+v.id[4:]+at[:4], "X-CoinPayments-Timestamp: "+at[4:]
		b.stopped(v.client, wire{line: line + v.id[:4], more: lines}, 401, "malformed") // the same bytes are signed
		lines = b.signature(wire{line: line + v.id[:4], from: v.client, at: at})
		lines[0] = "X-CoinPayments-Client: " + v.id[:4] + v.id
		b.stopped(v.client, wire{line: line, more: lines}, 401, "32 hex digits")
	}},
	{"no separators: the body's start in the URL", func(b *bench, v victim) {
		at := utc(0)
		body := v.id + at + "{}" // a body that is like what stands before it
		b.stopped(v.client, wire{line: listLine, body: body, from: v.client, at: at}, 401, "JSON")
		made := wire{line: makeLine, body: `{"currency":"USD","amount":{"total":"10.00"},"notes":"` + v.id + at + `{}"}`, from: v.client, at: at}
		before := made.body[:strings.Index(made.body, v.id)]
		lines := b.signature(made)
		b.stopped(v.client, wire{line: makeLine + v.id + at + strings.ReplaceAll(before, " ", ""), body: `{}"}`, more: lines}, 404)
		b.stolen(made, wire{line: makeLine + "?" + v.id + at + before, body: `{}"}`})
	}},
	// Every spelling of the timestamp is read, and the one that was sent is signed.
	{"the time spelled otherwise", func(b *bench, v victim) {
		at := utc(0)
		lines := b.signature(wire{line: v.cancelLine(), from: v.client, at: at})
		for _, other := range []string{at + "Z", at + ".0", at + "+00:00", at + ".000000000Z", utc(time.Hour) + "+01:00"} {
			lines[1] = "X-CoinPayments-Timestamp: " + other
			b.stopped(v.client, wire{line: v.cancelLine(), more: lines}, 401, "does not match")
		}
	}},
	{"a zone does not stretch the window", func(b *bench, v victim) {
		for _, at := range []string{utc(-2*time.Minute) + "+00:00", utc(0) + "+00:03", utc(0) + "-00:03", utc(-2*time.Minute) + "Z", utc(-2*time.Minute) + ".999999999"} {
			b.stopped(v.client, wire{line: v.cancelLine(), from: v.client, at: at}, 401, "clock")
		}
	}},
	// The names of headers are read in any case. A second value is refused: a proxy
	// before us might look at the other.
	{"a header twice", func(b *bench, v victim) {
		good := b.signature(wire{line: v.cancelLine(), from: v.client})
		bad := b.signature(wire{line: v.cancelLine(), from: b.stranger, at: utc(-time.Second)})
		for i := range good {
			name, value, _ := strings.Cut(good[i], ": ")
			for _, second := range []string{good[i], bad[i], strings.ToLower(name) + ": " + value, name + ": "} {
				b.stopped(v.client, wire{line: v.cancelLine(), more: append(slices.Clone(good), second)}, 401, "2 times")
				b.stopped(v.client, wire{line: v.cancelLine(), more: append([]string{second}, good...)}, 401, "2 times")
			}
			joined := slices.Clone(good)
			joined[i] += ", " + value
			b.stopped(v.client, wire{line: v.cancelLine(), more: joined}, 401)
		}
	}},
}

// Who asks is whose signature is good, whatever else a request says.
var identityAbuses = []abuse{
	// The client id is read in any spelling, and is worth nothing without its secret.
	{"another's id, one's own secret", func(b *bench, v victim) {
		for _, id := range []string{v.id, paybell.DashedClientID(v.id), strings.ToUpper(v.id)} {
			for _, thief := range []client{b.stranger, b.client(b.merchantOf(v.client))} {
				b.stopped(v.client, wire{line: v.cancelLine(), from: thief, id: id}, 401, "does not match")
			}
		}
	}},
	{"one's own signature, another's things", func(b *bench, v victim) {
		b.stopped(v.client, wire{line: v.cancelLine(), from: b.stranger}, 404)
		b.stopped(v.client, wire{line: v.hookLine("DELETE"), from: b.stranger}, 404, "Merchant Not Found!")
		b.stopped(v.client, wire{line: v.hookLine("PUT"), body: hookBody, from: b.stranger}, 404)
		b.stopped(v.client, wire{line: "DELETE " + hooksPath(b.stranger) + "/" + v.hook, from: b.stranger}, 404)
		for _, thief := range []client{b.stranger, b.client(b.merchantOf(v.client))} {
			b.stopped(v.client, wire{line: makeLine, body: dollars(`"clientId":"` + v.id + `"`), from: thief}, 400, "clientId")
			b.stopped(v.client, wire{line: "POST /api/v1/merchant/invoices", body: cents(`"clientId":"` + paybell.DashedClientID(v.id) + `"`), from: thief}, 400, "clientId")
		}
		b.shows(b.expect(200, wire{line: listLine + "?clientId=" + v.id, from: b.stranger}), "items.#", "0")
		b.shows(b.expect(200, wire{line: listLine + "?integration=" + v.id, from: b.stranger}), "items.#", "0")
		b.shows(b.expect(200, wire{line: listLine + "?q=" + v.invoice, from: b.stranger}), "items.#", "0")
	}},
	// Signatures on routes for everybody are not looked at, since real clients send
	// wrong ones. So a good one is worth no more there than none.
	{"an anonymous route does not know who signed", func(b *bench, v victim) {
		line := "GET /api/v2/shared-invoices/" + v.invoice
		mine, nobodys := b.raw(wire{line: line, from: v.client}), b.raw(wire{line: line})
		if string(mine.body) != string(nobodys.body) || strings.Contains(string(mine.body), "secret note") || strings.Contains(string(mine.body), v.id) {
			b.Errorf("the merchant sees\n%s\nand everybody\n%s", mine.body, nobodys.body)
		}
		b.stopped(v.client, wire{line: "PUT /api/v1/invoices/" + v.invoice, body: `{"buyer":{"companyName":"c"}}`, from: v.client}, 409, "does not ask")
		pay := wire{line: "POST /api/v1/invoices/" + v.invoice + "/payments", body: `{"refundEmail":"a@b.c"}`}
		b.expect(200, pay)
		pay.body, pay.from = `{"refundEmail":"evil@b.c"}`, v.client
		b.stopped(v.client, pay, 409)
	}},
	{"wrong signatures spend nobody's requests", func(b *bench, v victim) {
		tight := b.on(func(s *api.Server) { s.RateLimit = 2 })
		for range 10 {
			tight.raw(wire{line: "GET /api/v1/currencies/1", from: v.client})
			tight.raw(wire{line: listLine, from: client{v.id, b.stranger.secret}})
		}
		tight.expect(200, wire{line: listLine, from: v.client})
	}},
	// A client may give its permissions up, in a list of either form, and gets none
	// that way.
	{"flags that a client takes for itself", func(b *bench, v victim) {
		c := b.limited(b.merchantOf(v.client), paybell.GetWebhooks|paybell.ListInvoices)
		for _, flags := range []string{`["all"]`, `"all"`, `"getWebhooks,all"`, `["getWebhooks","createInvoice"]`, `"getWebhooks, ALL"`} {
			b.stopped(c, wire{line: "POST " + accessPath, body: `{"flags":` + flags + `}`, from: c}, 403, "give permissions up")
		}
		for _, flags := range []string{`"getWebhooks,rule"`, "null", "7", "{}", `["getWebhooks,all"]`} {
			b.stopped(c, wire{line: "POST " + accessPath, body: `{"flags":` + flags + `}`, from: c}, 400, "flags")
		}
	}},
	// Where an empty list means something, nothing but commas is no list: it would
	// take all permissions away, or let everybody in.
	{"flags that are nothing but commas", func(b *bench, v victim) {
		for _, flags := range []string{`","`, `" "`, `" , "`, `[","]`, `[""]`} {
			b.stopped(v.client, wire{line: "POST " + accessPath, body: `{"flags":` + flags + `}`, from: v.client}, 400, "flags")
		}
	}},
	{"an allow-list that is nothing but commas", func(b *bench, v victim) {
		token := b.newAccountToken(v.client)
		b.shows(b.decode(b.confine(token, v.client, `"192.0.2.7, 192.0.2.8"`)), "ipAddresses", "[192.0.2.7 192.0.2.8]")
		for _, list := range []string{`[""]`, `[","]`, "null", "{}", `","`, `" "`, `" , "`} {
			b.wantProblem(b.confine(token, v.client, list), 400, "ipAddresses")
			b.wantProblem(b.raw(wire{line: listLine, from: v.client}), 401, "allowed IPs")
		}
	}},
	{"an allowed address that a header claims", func(b *bench, v victim) {
		b.confine(b.newAccountToken(v.client), v.client, `["192.0.2.7"]`)
		for _, header := range []string{"X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7", "Forwarded: for=192.0.2.7", "CF-Connecting-IP: 192.0.2.7"} {
			b.wantProblem(b.raw(wire{line: listLine, from: v.client, more: []string{header}}), 401, "127.0.0.1")
		}
	}},
}

// What is read leniently means what its author wrote, or nothing.
var textAbuses = []abuse{
	// Unknown keys are ignored, and so are those of our own answers.
	{"facts that are not the merchant's to say", func(b *bench, v victim) {
		made := b.expect(201, wire{line: makeLine, from: v.client, body: dollars(`"id":"` + v.invoice + `","merchantId":"x","status":"completed","state":"paid","payments":[{"state":"completed"}],
			"expires":"2999-01-01","paybell":{"clientId":"` + b.stranger.id + `","version":99,"flags":["acceptedAsIs"],"test":false},"isLifeTimeFinished":true,"tolerance":10000,"window":1`)})
		id := get(b, made, "invoices", 0, "id").(string)
		if id == v.invoice {
			b.Error("the id was taken from the body")
		}
		b.shows(b.want(200, v.client, "GET", createPath+"/"+id, ""), "status", "unpaid", "payments.#", "0", "paybell.clientId", v.id, "paybell.version", "1",
			"paybell.flags.#", "0", "paybell.test", "true", "isLifeTimeFinished", "false")
	}},
	// Ids and symbols are one name space, so no name may mean two currencies.
	{"a symbol that is another's id", func(b *bench, _ victim) {
		for _, c := range paybell.Currencies() {
			for _, name := range []string{c.ID, c.Symbol, strings.ToLower(c.ID), strings.ToUpper(c.Symbol), strings.ToLower(c.Symbol)} {
				b.shows(b.expect(200, wire{line: "GET /api/v1/currencies/" + name}), "id", c.ID)
			}
		}
	}},
	{"what is nearly a currency is none", func(b *bench, v victim) {
		for _, currency := range []string{
			"1.0", "1e0", "-1", `"01"`, `"+1"`, `" 1"`, `"1 "`, `"BTC,LTC"`, `"4:"`, `":"`, `"4:0xdac17f958d2ee523a2206206994597c13d831ec8"`, `"9:0xdac17f958d2ee523a2206206994597c13d831ec7"`,
			`"5057:0xdac17f958d2ee523a2206206994597c13d831ec7"`, `"\u0000USD"`, `"１"`, `"ＵＳＤ"`, `["USD"]`, "true",
		} {
			b.stopped(v.client, wire{line: makeLine, body: `{"currency":` + currency + `,"amount":{"total":"10.00"}}`, from: v.client}, 400, "currency")
		}
		for _, ref := range []string{"01", "1.0", "%201", "BTC%00", "4%253A0xdac17f958d2ee523a2206206994597c13d831ec7", "%2e%2e"} {
			b.stopped(v.client, wire{line: "GET /api/v1/currencies/" + ref}, 404)
		}
	}},
	{"amounts in two currencies are not one bill", func(b *bench, v victim) {
		for _, body := range []string{
			`{"amount":{"currencyId":"5057","value":"100","breakdown":{"subtotal":{"currencyId":"1","value":"100"}}}}`,
			`{"amount":{"currencyId":"5057","value":"100"},"items":[{"name":"a","amount":{"currencyId":"EUR","value":"100"}}]}`,
			`{"amount":{"currencyId":"5057","value":"100"},"items":{"name":"a","amount":{"currencyId":"4","contractAddress":"0xdac17f958d2ee523a2206206994597c13d831ec7","value":"100"}}}`,
		} {
			b.stopped(v.client, wire{line: "POST /api/v1/merchant/invoices", body: body, from: v.client}, 400, "currency of the invoice")
		}
	}},
	// Keys are read in any case, so they are compared in any case: a program before
	// us must not see another of two than we do.
	{"a key twice", func(b *bench, v victim) {
		for _, body := range []string{
			`{"currency":"USD","amount":{"total":"10.00"},"amount":{"total":"1.00"}}`, `{"currency":"USD","amount":{"total":"10.00","total":"1.00"}}`,
			`{"currency":"USD","amount":{"total":"10.00"},"Amount":{"total":"1.00"}}`, `{"currency":"USD","AMOUNT":{"total":"10.00","Total":"1.00"}}`,
			`{"currency":"USD","curr\u0065ncy":"EUR","amount":{"total":"10.00"}}`, `{"currency":"USD","item\u017f":[],"items":[],"amount":{"total":"10.00"}}`,
			dollars(`"webhooks":[{"notificationsUrl":"https://a.example/","NotificationsURL":"https://b.example/","notifications":["invoicePaid"]}]`),
			dollars(`"webhooks":{"notificationsUrl":"https://a.example/","notifications":["invoicePaid"],"notifications":"invoiceCreated"}`),
			dollars(`"items":{"name":"a","amount":"10.00","Amount":"1.00"}`), dollars(`"customData":{"hostHash":"a","hostHash":"b"}`),
			dollars(`"payment":{"paymentCurrency":"1002"},"Payment":null`), dollars(`"unknown":{"a":1,"A":2}`), dollars(`"metadata":{"integration":"a","integration":"b"}`),
		} {
			b.stopped(v.client, wire{line: makeLine, body: body, from: v.client}, 400, "twice")
		}
		b.stopped(v.client, wire{line: v.hookLine("PUT"), body: `{"notificationsUrl":"https://a.example/","notificationsurl":"https://b.example/","notifications":["invoicePaid"]}`, from: v.client}, 400, "twice")
	}},
	// Floats are straightened where a computer has bent them, never where it changes
	// what is owed; strings never.
	{"amounts that rounding would change", func(b *bench, v victim) {
		for _, total := range []string{"10.001", "10.005", "10.00001", "9.9999", `"10.000000001"`, `"9.99999999999"`, "0.0000001", "0.001"} {
			b.stopped(v.client, wire{line: makeLine, body: `{"currency":"USD","amount":{"total":` + total + `}}`, from: v.client}, 400, "amount.total")
		}
		b.stopped(v.client, wire{line: makeLine, body: `{"currency":"LTCT","amount":{"total":0.000000019}}`, from: v.client}, 400, "amount.total")
		for _, value := range []string{"12345.4", "12345.5", "0.5", `"12345.000001"`, "12345.00001", `"123.45"`, "123.45", "0.0000001"} {
			b.stopped(v.client, wire{line: "POST /api/v1/merchant/invoices", body: `{"amount":{"currencyId":"5057","value":` + value + `}}`, from: v.client}, 400, "amount.")
		}
	}},
	{"amounts that are no amounts", func(b *bench, v victim) {
		for _, total := range []string{
			"1e400", "1e308", "1E2", "1e-400", "10e0", "-1", "-0.0000000001", "-0", `"1e2"`, `"-1"`, `"+1"`, `"0x10"`, `"1,000.00"`, `"10,00"`, `" 10"`, `"10 USD"`, `"NaN"`, `"Infinity"`, `"١٠"`, `"10."`, `".5"`,
			"99999999999999999999", "1" + strings.Repeat("0", 400), "0." + strings.Repeat("0", 400) + "1", `"` + strings.Repeat("9", 1000) + `"`, "0", `"0.00"`, "true", "{}", `["10.00"]`,
		} {
			b.stopped(v.client, wire{line: makeLine, body: `{"currency":"USD","amount":{"total":` + total + `}}`, from: v.client}, 400, "amount.")
			b.stopped(v.client, wire{line: "POST /api/v1/merchant/invoices", body: `{"amount":{"currencyId":"5057","value":` + total + `}}`, from: v.client}, 400, "amount.")
		}
	}},
	{"quantities that are no quantities", func(b *bench, v victim) {
		for _, quantity := range []string{
			`{"value":1e400}`, `{"value":1e9}`, `{"value":1000000000}`, `{"value":0}`, `{"value":1.5}`, `{"value":"1.5"}`, `{"value":-1}`, `{"value":"x"}`, `{"value":18446744073709551617}`, `{"value":true}`,
			`{"value":1,"type":"days"}`, `{"value":1,"type":0}`, `{"value":1,"type":3}`, `{"value":1,"type":1.0}`, `{"value":1,"type":"2 "}`, `{"value":1,"type":true}`, `{"value":1,"type":[]}`, "7", `"7"`, "[1]",
		} {
			b.stopped(v.client, wire{line: makeLine, body: dollars(`"items":[{"name":"a","amount":"10.00","quantity":` + quantity + `}]`), from: v.client}, 400, "quantity")
		}
	}},
	// One object stands for a list of one, and is held to the same.
	{"one without a list is checked as in a list", func(b *bench, v victim) {
		for more, word := range map[string]string{
			`"items":{"name":"a","amount":"1.00"}`:        "subtotal",
			`"items":{}`:                                  "items[0]",
			`"items":{"0":{"name":"a","amount":"10.00"}}`: "items[0]",
			`"webhooks":{}`:                               "webhooks[0]",
			`"webhooks":{"notificationsUrl":"http://127.0.0.1/","notifications":["invoicePaid"]}`:           "loopback",
			`"webhooks":{"0":{"notificationsUrl":"https://evil.example/","notifications":["invoicePaid"]}}`: "webhooks[0]",
		} {
			b.stopped(v.client, wire{line: makeLine, body: dollars(more), from: v.client}, 400, word)
		}
	}},
	// PHP's [] stands for an object that was left out. Where a list is meant it is an
	// empty one, and where a body is meant it is none.
	{"PHP's [] where a webhook is meant", func(b *bench, v victim) {
		for _, events := range []string{"[]", "{}", `""`, `","`, `[""]`, `["invoicePaid",""]`, `"invoicePaid,invoiceEaten"`, `[["invoicePaid"]]`, "true", "null"} {
			body := `{"notificationsUrl":"https://evil.example/","notifications":` + events + `}`
			b.stopped(v.client, wire{line: v.hookLine("PUT"), body: body, from: v.client}, 400, "notifications")
			b.stopped(v.client, wire{line: "POST " + hooksPath(v.client), body: body, from: v.client}, 400, "notifications")
			b.stopped(v.client, wire{line: makeLine, body: dollars(`"webhooks":[` + body + `]`), from: v.client}, 400, "notifications")
		}
		for _, line := range []string{v.hookLine("PUT"), "POST " + hooksPath(v.client), makeLine} {
			b.stopped(v.client, wire{line: line, body: "[]", from: v.client}, 400, "object")
		}
		b.stopped(v.client, wire{line: makeLine, body: dollars(`"webhooks":[[]]`), from: v.client}, 400, "webhooks")
		before := b.undelivered()
		b.expect(201, wire{line: makeLine, body: dollars(`"webhooks":[]`), from: v.client})
		if now := b.undelivered(); now != before {
			b.Errorf("%d are told, want nobody", now-before)
		}
	}},
	{"PHP's [] with something in it is no object", func(b *bench, v victim) {
		for _, key := range []string{"buyer", "shipping", "merchantOptions", "emailDelivery", "customData", "metadata", "payment"} {
			for _, list := range []string{"[{}]", "[[]]", "[1]", "[null]", `"x"`, `" "`, "true", "0"} {
				b.stopped(v.client, wire{line: makeLine, body: dollars(`"` + key + `":` + list), from: v.client}, 400, key)
			}
		}
	}},
}

// A secret is good as long as its client is, and no longer.
var secretAbuses = []abuse{
	{"a client that is disabled, and enabled again", func(b *bench, v victim) {
		owner := desk.Owner(b.merchantOf(v.client))
		for _, to := range []struct {
			state  paybell.ClientState
			status string
		}{{paybell.ClientActive, "200"}, {paybell.ClientDisabled, "401"}, {paybell.ClientActive, "200"}, {paybell.ClientDisabled, "401"}} {
			_, err := b.desk.UpdateClient(b.Context(), owner, v.id, desk.ClientChange{State: &to.state})
			must(b.T, err)
			for _, w := range []wire{{line: listLine}, {line: v.cancelLine(), sign: nullForNothing}, {line: listLine, id: paybell.DashedClientID(v.id)}} {
				w.from = v.client
				b.same(b.raw(w).status, to.status)
			}
		}
	}},
	{"a client that is deleted", func(b *bench, v victim) {
		gone := paybell.ClientDeleted
		b.expect(200, wire{line: listLine, from: v.client})
		_, err := b.desk.UpdateClient(b.Context(), desk.Owner(b.merchantOf(v.client)), v.id, desk.ClientChange{State: &gone})
		must(b.T, err)
		for _, id := range []string{v.id, paybell.DashedClientID(v.id), strings.ToUpper(v.id)} {
			b.wantProblem(b.raw(wire{line: listLine, from: v.client, id: id}), 401, "not known")
			b.wantProblem(b.raw(wire{line: v.cancelLine(), from: v.client, id: id, sign: nullForNothing}), 401, "not known")
		}
	}},
	{"an old secret after a rotation without an overlap", func(b *bench, v victim) {
		b.expect(200, wire{line: listLine, from: v.client})
		secret, err := b.desk.RotateSecret(b.Context(), desk.Owner(b.merchantOf(v.client)), v.id, 0)
		must(b.T, err)
		b.wantProblem(b.raw(wire{line: listLine, from: v.client}), 401, "does not match")
		b.wantProblem(b.raw(wire{line: v.cancelLine(), from: v.client, sign: nullForNothing}), 401, "does not match")
		b.shows(b.expect(200, wire{line: listLine, from: client{v.id, secret}}), "items.0.status", "unpaid")
	}},
	{"an old secret after its overlap, and one before the last two", func(b *bench, _ victim) {
		merchant := b.merchant("rotated")
		c, second := b.client(merchant), paybell.NewClientSecret()
		past := time.Now().Add(-2 * time.Hour)
		must(b.T, store.Do(b.Context(), b.db, func(tx *store.Tx) error { return tx.RotateSecret(c.id, second, past, past.Add(time.Hour)) }))
		b.wantProblem(b.raw(wire{line: listLine, from: c}), 401, "does not match")
		b.expect(200, wire{line: listLine, from: client{c.id, second}})
		third, err := b.desk.RotateSecret(b.Context(), desk.Owner(merchant), c.id, time.Hour)
		must(b.T, err)
		fourth, err := b.desk.RotateSecret(b.Context(), desk.Owner(merchant), c.id, time.Hour)
		must(b.T, err)
		for secret, status := range map[string]string{c.secret: "401", second: "401", third: "200", fourth: "200"} {
			b.same(b.raw(wire{line: listLine, from: client{c.id, secret}}).status, status)
		}
	}},
	{"no secret at all", func(b *bench, v victim) {
		for _, secret := range []string{"", "null", strings.Repeat("A", 43) + "=", v.id} {
			b.stopped(v.client, wire{line: v.cancelLine(), from: client{v.id, secret}}, 401, "does not match")
			b.stopped(v.client, wire{line: v.cancelLine(), from: client{paybell.NewClientID(), secret}}, 401, "not known")
		}
	}},
}
