package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// cell is a bench in a bubble of virtual time. Requests are handed to the
// handler: what waits for a network holds up the time there. Everything that is
// answered and logged is searched for secrets and tokens.
type cell struct {
	*bench
	market  *market
	handler http.Handler
	from    string // where requests come from: address and port

	merchant, other string // the merchants of shop and stranger
	token, theirs   string // and an account token of each

	hidden []string // what no answer may hold any more, and the log never
}

// inCell runs a test in a cell.
func inCell(t *testing.T, test func(c *cell)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newCell(t)) })
}

func newCell(t *testing.T) *cell {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	must(t, err)
	c := &cell{bench: &bench{T: t, log: &logBuffer{}, url: "http://pay.example"}, market: &market{}, from: "192.0.2.1:1234"}
	c.db, err = store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	must(t, err)
	t.Cleanup(func() { _ = c.db.Close() })
	t.Cleanup(c.searchLog)
	c.restart()
	c.merchant, c.other = c.bench.merchant("One"), c.bench.merchant("Two")
	for _, made := range []struct {
		of   string
		into *client
	}{{c.merchant, &c.shop}, {c.merchant, &c.sibling}, {c.other, &c.stranger}} {
		time.Sleep(time.Second) // lists are ordered by time
		*made.into = c.bench.client(made.of)
		c.hide(made.into.secret)
	}
	c.token, _ = c.newToken(c.merchant)
	c.theirs, _ = c.newToken(c.other)
	return c
}

// newDesk is the desk of one more process beside this data.
func (c *cell) newDesk() *desk.Desk {
	return &desk.Desk{DB: c.db, Quote: c.market, Sandbox: sandbox.New(journal(c.db))}
}

// restart is a server that remembers nothing but what is in the store.
func (c *cell) restart() {
	c.desk = c.newDesk()
	c.api = &api.Server{Desk: c.desk, Log: slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	c.open()
}

// open starts the server with c.api as it now is.
func (c *cell) open() { c.handler = c.api.Handler() }

// market is a quote that can be made to fail, or to change.
type market struct {
	mu     sync.Mutex
	closed bool
	price  decimal.Decimal
}

func (m *market) Rate(ctx context.Context, from, to paybell.Currency, at time.Time) (decimal.Decimal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return decimal.Zero, paybell.Errorf(paybell.Unavailable, "the market is closed")
	case to.ID == paybell.LTCT && !m.price.IsZero():
		return m.price, nil
	}
	return quote{}.Rate(ctx, from, to, at)
}

func (m *market) set(closed bool, price string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.price = closed, decimal.RequireFromString(price)
}

func (c *cell) newToken(merchantID string) (token, id string) {
	c.Helper()
	t, token, err := c.desk.CreateAccountToken(c.Context(), desk.Owner(merchantID), "Zoë")
	must(c.T, err)
	c.hide(token)
	return token, t.ID
}

func (c *cell) hide(secret string) {
	if len(secret) < 40 {
		c.Fatalf("%q is no secret", secret)
	}
	c.hidden = append(c.hidden, secret)
	if hash, ok := paybell.HashAccountToken(secret); ok {
		c.hidden = append(c.hidden, hash)
	}
}

func (c *cell) searchLog() {
	text := c.log.String()
	if len(text) == 0 {
		c.Error("nothing was logged: this test looks in the wrong place")
	}
	for _, secret := range c.hidden {
		if strings.Contains(text, secret) {
			c.Errorf("the log holds %s", secret)
		}
	}
}

// request is signed by who; by nobody, if that is the zero client.
func (c *cell) request(who client, method, path, body string) *http.Request {
	r := httptest.NewRequest(method, c.url+path, strings.NewReader(body)).WithContext(c.Context())
	r.RequestURI, r.RemoteAddr = path, c.from
	if who.id != "" {
		c.sign(r, who, time.Now(), body)
	}
	return r
}

func (c *cell) sign(r *http.Request, who client, now time.Time, body string) (signature string) {
	at := paybell.FormatTimestamp(now)
	signature = paybell.SignRequest(who.secret, r.Method, c.url+r.RequestURI, who.id, at, []byte(body))
	r.Header.Set(paybell.HeaderClient, who.id)
	r.Header.Set(paybell.HeaderTimestamp, at)
	r.Header.Set(paybell.HeaderSignature, signature)
	return signature
}

func (c *cell) send(r *http.Request) answer {
	c.Helper()
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	a := answer{rec.Code, rec.Header(), rec.Body.Bytes()}
	for _, secret := range c.hidden {
		if text := fmt.Sprint(a.header, string(a.body)); strings.Contains(text, secret) {
			c.Errorf("the answer to %s %s holds %s", r.Method, r.URL.Path, secret)
		}
	}
	return a
}

func (c *cell) call(who client, method, path, body string) answer {
	c.Helper()
	return c.send(c.request(who, method, path, body))
}

// person calls with an account token.
func (c *cell) person(token, method, path, body string) answer {
	c.Helper()
	r := c.request(client{}, method, path, body)
	r.Header.Set("Authorization", "Bearer "+token)
	return c.send(r)
}

// ok is the decoded answer, which must have this status.
func (c *cell) ok(status int, a answer) any {
	c.Helper()
	if a.status != status {
		c.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	if len(a.body) == 0 {
		return nil
	}
	return c.decode(a)
}

func (c *cell) invoice(who client) string {
	c.Helper()
	return get(c.bench, c.ok(201, c.call(who, "POST", "/api/v2/merchant/invoices", tenUSD)), "invoices", 0, "id").(string)
}

// hook makes a webhook that wants everything.
func (c *cell) hook(who client) string {
	c.Helper()
	body := `{"notificationsUrl":"https://shop.example/all","notifications":"` + paybell.AllEvents.String() + `"}`
	return get(c.bench, c.ok(200, c.call(who, "POST", hooksPath(who), body)), "id").(string)
}

const tenUSD = `{"currency":"5057","amount":{"total":"10.00"}}`

// actor is who a client acts as with every permission, whatever it is allowed.
func (c *cell) actor(who client) desk.Actor {
	c.Helper()
	stored := view(c, func(tx *store.Tx) (paybell.Client, error) { return tx.Client(who.id) })
	return desk.Actor{ClientID: who.id, MerchantID: stored.MerchantID, Permissions: paybell.AllPermissions, Terms: stored.Terms}
}

func view[T any](c *cell, body func(*store.Tx) (T, error)) T {
	c.Helper()
	v, err := store.View(c.Context(), c.db, body)
	must(c.T, err)
	return v
}

// deliveries are what a webhook is told: the state and the type of each.
func (c *cell) deliveries(hook string) (all []string) {
	c.Helper()
	for _, d := range view(c, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hook, 0, 1000) }) {
		var n struct{ Type string }
		must(c.T, json.Unmarshal(d.Body, &n))
		all = append(all, string(d.State)+" "+n.Type)
	}
	return all
}

// signs expects that a client's request is answered 200, or 401 with words.
func (c *cell) signs(who client, words ...string) {
	c.Helper()
	a := c.call(who, "GET", "/api/v2/merchant/currencies", "")
	if len(words) == 0 {
		c.ok(200, a)
		return
	}
	c.wantProblem(a, 401, words...)
}

const clientsPath = "/api/v1/merchant/clients"

func clientPath(id string) string { return clientsPath + "/" + id }

// facts is what people see of a client.
func (c *cell) facts(id string) string {
	c.Helper()
	token := c.token
	if id == c.stranger.id {
		token = c.theirs
	}
	return fmt.Sprint(c.ok(200, c.person(token, "GET", clientPath(id), "")))
}

// change puts a client's change, which must succeed.
func (c *cell) change(who client, body string) {
	c.Helper()
	c.ok(200, c.person(c.token, "PUT", clientPath(who.id), body))
}

// route is one that can be asked for, read from the source.
type route struct{ method, path string }

// routesBehind lists the routes that only somebody may ask for: "signed",
// "account" or "anonymous". Both versions are there.
func routesBehind(t *testing.T, guard string) []route {
	t.Helper()
	var all []route
	for _, name := range []string{"server.go", "put_off.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || lit.Type != nil || len(lit.Elts) != 3 {
				return true
			}
			pattern, ok := lit.Elts[0].(*ast.BasicLit)
			if !ok || pattern.Kind != token.STRING || !says(lit.Elts[1], guard) {
				return true
			}
			text, err := strconv.Unquote(pattern.Value)
			must(t, err)
			method, path, _ := strings.Cut(text, " ")
			for _, version := range []string{"1", "2"} {
				one := route{method, strings.Replace(path, "v{1,2}", "v"+version, 1)}
				if !slices.Contains(all, one) {
					all = append(all, one)
				}
			}
			return true
		})
	}
	if len(all) < 5 {
		t.Fatalf("only %d routes are %s: this test looks in the wrong place", len(all), guard)
	}
	return all
}

// says reports whether an expression names something.
func says(e ast.Expr, name string) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		ident, ok := n.(*ast.Ident)
		found = found || ok && ident.Name == name
		return true
	})
	return found
}

func TestClientLife(t *testing.T) {
	inCell(t, func(c *cell) {
		a := c.person(c.token, "POST", clientsPath, `{"name":"Café ☕","integration":"woocommerce","storeUrl":"https://cafe.example/?a=1&b=2",
			"allowedIps":["192.0.2.1","2001:DB8::5/32"],"permissions":["createInvoice","FINDinvoice","getWallets"],"eventNames":"camelcase"}`)
		made := c.ok(201, a)
		id, secret := get(c.bench, made, "clientId").(string), get(c.bench, made, "clientSecret").(string)
		want := `{"clientId":"` + id + `","name":"Café ☕","integration":"woocommerce","state":"active","storeUrl":"https://cafe.example/?a=1&b=2",` +
			`"allowedIps":"192.0.2.1,2001:db8::/32","paybell":{"permissions":["createInvoice","findInvoice","getWallets"],"eventNames":"camelCase","created":"2000-01-01T00:00:03Z"}`
		if got := string(a.body); got != want+`,"clientSecret":"`+secret+"\"}\n" {
			t.Errorf("got  %s\nwant %s and a secret", got, want)
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) || len(secret) != 44 {
			t.Errorf("the client id is %q, the secret has %d characters", id, len(secret))
		}
		c.hide(secret)
		fresh := client{id, secret}
		c.ok(201, c.call(fresh, "POST", "/api/v2/merchant/invoices", tenUSD))
		c.wantProblem(c.call(fresh, "GET", "/api/v2/merchant/invoices", ""), 403, "listInvoices")

		for _, spelling := range []string{id, strings.ToUpper(id), paybell.DashedClientID(id), strings.ToUpper(paybell.DashedClientID(id))} {
			a := c.person(c.token, "GET", clientPath(spelling), "")
			if got := string(a.body); a.status != 200 || got != want+"}\n" {
				t.Errorf("%s: %d %s", spelling, a.status, got)
			}
		}
		list := func(token string) (ids []string) {
			v := c.ok(200, c.person(token, "GET", clientsPath, ""))
			c.same(get(c.bench, v, "paging", "next"), "<nil>")
			c.same(get(c.bench, v, "paging", "limit"), "100")
			for _, item := range get(c.bench, v, "items").([]any) {
				ids = append(ids, get(c.bench, item, "clientId").(string))
			}
			return ids
		}
		c.same(list(c.token), fmt.Sprint([]string{c.shop.id, c.sibling.id, id}))
		c.same(list(c.theirs), fmt.Sprint([]string{c.stranger.id}))
		v := c.ok(200, c.person(c.token, "GET", clientsPath, ""))
		if got := fmt.Sprint(get(c.bench, v, "items", 2)); got != c.facts(id) {
			t.Errorf("the list has\n%s, alone it is\n%s", got, c.facts(id))
		}

		// What is not said stays.
		before := c.facts(id)
		for _, body := range []string{`{}`, `{"name":null,"integration":null,"storeUrl":null,"state":null,"allowedIps":null,"permissions":null,"eventNames":null}`} {
			c.change(fresh, body)
			c.same(c.facts(id), before)
		}
		c.change(fresh, `{"name":"Tea"}`)
		c.same(c.facts(id), strings.Replace(before, "Café ☕", "Tea", 1))
		a = c.person(c.token, "PUT", clientPath(id), `{"name":5,"integration":"","storeUrl":"","allowedIps":[],"permissions":"all","eventNames":"PASCALcase"}`)
		c.ok(200, a)
		want = `{"clientId":"` + id + `","name":"5","integration":null,"state":"active","storeUrl":null,"allowedIps":null,` +
			`"paybell":{"permissions":["` + strings.Join(paybell.AllPermissions.Names(), `","`) + `"],"eventNames":"PascalCase","created":"2000-01-01T00:00:03Z"}}` + "\n"
		if string(a.body) != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
		c.ok(200, c.call(fresh, "GET", "/api/v2/merchant/invoices", ""))

		a = c.person(c.token, "DELETE", clientPath(id), "")
		if a.status != 204 || len(a.body) != 0 {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
		c.same(list(c.token), fmt.Sprint([]string{c.shop.id, c.sibling.id}))
		c.signs(fresh, "not known here, or the client is disabled")
		c.signs(c.shop)

		// Without anything but a name.
		minimal := c.ok(201, c.person(c.token, "POST", clientsPath, `{"name":"x"}`))
		c.same(get(c.bench, minimal, "paybell", "permissions"), fmt.Sprint(paybell.UsualPermissions.Names()))
		for _, key := range []string{"integration", "storeUrl", "allowedIps"} {
			c.same(get(c.bench, minimal, key), "<nil>")
		}
		c.same(get(c.bench, minimal, "state"), "active")
		c.same(get(c.bench, minimal, "paybell", "eventNames"), "PascalCase")
	})
}

// What cannot be is refused by the name of its field, on the way in and later,
// and changes nothing.
func TestClientBadInput(t *testing.T) {
	inCell(t, func(c *cell) {
		many := strings.TrimSuffix(strings.Repeat(`"192.0.2.1",`, paybell.MaxAllowedIPs+1), ",")
		before := c.facts(c.shop.id)
		for _, tc := range []struct{ field, value string }{
			{"name", `""`}, {"name", `" "`}, {"name", `"` + strings.Repeat("é", 128) + `"`}, {"name", `["x"]`}, {"name", `{}`}, {"name", `true`},
			{"integration", `"` + strings.Repeat("x", 128) + `"`}, {"integration", `[]`},
			{"storeUrl", `"cafe.example"`}, {"storeUrl", `"ftp://cafe.example"`}, {"storeUrl", `"javascript:alert(1)"`}, {"storeUrl", `"https://"`},
			{"storeUrl", `"https://cafe.example/` + strings.Repeat("x", 2000) + `"`},
			{"state", `"deleted"`}, {"state", `"Active"`}, {"state", `""`}, {"state", `"gone"`}, {"state", `1`},
			{"allowedIps", `["192.0.2.256"]`}, {"allowedIps", `"192.0.2.7,nonsense"`}, {"allowedIps", `["192.0.2.0/33"]`}, {"allowedIps", `[""]`},
			{"allowedIps", `["192.0.2.7,192.0.2.8"]`}, {"allowedIps", `["fe80::1%eth0"]`}, {"allowedIps", `["2001:db8::/129"]`}, {"allowedIps", `["192.0.2"]`},
			{"allowedIps", `["::ffff:192.0.2.0/120"]`}, {"allowedIps", `["192.0.2.7:80"]`}, {"allowedIps", `["*"]`}, {"allowedIps", `[7]`}, {"allowedIps", `7`},
			{"allowedIps", `{}`}, {"allowedIps", `[` + many + `]`},
			{"permissions", `["createInvoise"]`}, {"permissions", `"createInvoice,everything"`}, {"permissions", `[""]`}, {"permissions", `3`}, {"permissions", `true`},
			{"eventNames", `"snake_case"`}, {"eventNames", `""`}, {"eventNames", `1`},
		} {
			for _, call := range []struct{ method, path, body string }{
				{"POST", clientsPath, `{"name":"x","` + tc.field + `":` + tc.value + `}`},
				{"PUT", clientPath(c.shop.id), `{"` + tc.field + `":` + tc.value + `}`},
			} {
				if call.method == "POST" && tc.field == "name" {
					call.body = `{"name":` + tc.value + `}`
				}
				c.wantField(c.person(c.token, call.method, call.path, call.body), tc.field)
			}
			if got := c.facts(c.shop.id); got != before {
				t.Fatalf("%s %s has made\n%s of\n%s", tc.field, tc.value, got, before)
			}
		}
		for _, tc := range []struct{ field, value string }{
			{"ipAddresses", `["192.0.2.256"]`}, {"ipAddresses", `"192.0.2.7 nonsense"`}, {"ipAddresses", `[7]`}, {"ipAddresses", `null`}, {"ipAddresses", `[` + many + `]`},
		} {
			c.wantField(c.person(c.token, "PUT", clientPath(c.shop.id)+"/allowed-ips", `{"`+tc.field+`":`+tc.value+`}`), tc.field)
		}
		c.wantField(c.person(c.token, "PUT", clientPath(c.shop.id)+"/allowed-ips", `{}`), "ipAddresses")
		c.wantField(c.person(c.token, "POST", clientsPath, `{}`), "name")
		c.same(c.facts(c.shop.id), before)

		for _, call := range []struct{ method, path, key string }{
			{"POST", clientsPath, "clientSecret"}, {"POST", clientsPath, "Name"}, {"POST", clientsPath, "clientId"}, {"POST", clientsPath, "merchantId"},
			{"PUT", clientPath(c.shop.id), "paybell"}, {"PUT", clientPath(c.shop.id), "allowedips"}, {"PUT", clientPath(c.shop.id), "ipAddresses"},
			{"POST", clientPath(c.shop.id) + "/secret", "overlap"}, {"POST", clientPath(c.shop.id) + "/secret", "clientSecret"},
			{"PUT", clientPath(c.shop.id) + "/allowed-ips", "allowedIps"}, {"PUT", clientPath(c.shop.id) + "/allowed-ips", "add"},
		} {
			body := `{"` + call.key + `":"1"}`
			switch {
			case strings.HasSuffix(call.path, "/secret"):
				body = `{"overlapSeconds":1,"` + call.key + `":1}`
			case strings.HasSuffix(call.path, "/allowed-ips"):
				body = `{"ipAddresses":[],"` + call.key + `":"192.0.2.7"}`
			}
			c.wantField(c.person(c.token, call.method, call.path, body), call.key)
		}
		for _, call := range []string{"GET " + clientsPath, "GET " + clientPath(c.shop.id), "DELETE " + clientPath(c.shop.id), "GET " + clientPath(c.shop.id) + "/allowed-ips"} {
			method, path, _ := strings.Cut(call, " ")
			c.wantProblem(c.person(c.token, method, path, `{"force":true}`), 400, "no body")
		}
		for _, body := range []string{"", "null", "[]", `"x"`, "{", `{"name":"x","name":"y"}`} {
			c.wantProblem(c.person(c.token, "POST", clientsPath, body), 400)
			c.wantProblem(c.person(c.token, "PUT", clientPath(c.shop.id), body), 400)
		}
		c.same(c.facts(c.shop.id), before)
		c.signs(c.shop)
		c.same(len(get(c.bench, c.ok(200, c.person(c.token, "GET", clientsPath, "")), "items").([]any)), "2")

		// Just inside.
		c.change(c.shop, `{"name":"`+strings.Repeat("é", 127)+`","integration":"`+strings.Repeat("x", 127)+`","allowedIps":[`+many[:len(many)-len(`,"192.0.2.1"`)]+`]}`)
		c.signs(c.shop)
	})
}

// wantField expects a 400 that points at one field, and only that.
func (c *cell) wantField(a answer, field string) {
	c.Helper()
	if p := c.wantProblem(a, 400, field); p != nil {
		errs, _ := p["errors"].(map[string]any)
		if _, there := errs[field]; !there || len(errs) != 1 {
			c.Errorf("the errors are in %v, want one in %s: %s", slices.Collect(maps.Keys(errs)), field, a.body)
		}
	}
}

// A state that is given with a new client is its state, or is refused.
func TestNewClientIsWhatWasAskedFor(t *testing.T) {
	inCell(t, func(c *cell) {
		a := c.person(c.token, "POST", clientsPath, `{"name":"x","state":"disabled"}`)
		if a.status == 201 {
			c.same(get(c.bench, c.decode(a), "state"), "disabled")
		} else {
			c.wantField(a, "state")
		}
	})
}

func TestMaxClients(t *testing.T) {
	inCell(t, func(c *cell) {
		var last string
		for range paybell.MaxClientsPerMerchant - 2 {
			last = get(c.bench, c.ok(201, c.person(c.token, "POST", clientsPath, `{"name":"x"}`)), "clientId").(string)
		}
		c.wantProblem(c.person(c.token, "POST", clientsPath, `{"name":"x"}`), 409, "100")
		c.same(len(get(c.bench, c.ok(200, c.person(c.token, "GET", clientsPath, "")), "items").([]any)), "100")
		c.ok(201, c.person(c.theirs, "POST", clientsPath, `{"name":"x"}`))
		c.change(client{id: last}, `{"state":"disabled"}`) // is still there
		c.wantProblem(c.person(c.token, "POST", clientsPath, `{"name":"x"}`), 409)
		c.ok(204, c.person(c.token, "DELETE", clientPath(last), ""))
		c.ok(201, c.person(c.token, "POST", clientsPath, `{"name":"x"}`))
	})
}

// rotate gives a client a new secret; body is that of the request.
func (c *cell) rotate(who client, body string) client {
	c.Helper()
	a := c.person(c.token, "POST", clientPath(who.id)+"/secret", body)
	v := c.ok(200, a)
	secret := get(c.bench, v, "clientSecret").(string)
	if len(v.(map[string]any)) != 1 || len(secret) != 44 || secret == who.secret {
		c.Fatalf("the answer to a rotation has %d keys and a secret of %d characters", len(v.(map[string]any)), len(secret))
	}
	c.hide(secret)
	return client{who.id, secret}
}

const badSignature = "The signature does not match"

func TestRotateSecret(t *testing.T) {
	inCell(t, func(c *cell) {
		old := c.shop
		current := c.rotate(old, `{"overlapSeconds":60}`)
		for range 59 {
			c.signs(old)
			c.signs(current)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second - time.Microsecond)
		c.signs(old) // and is remembered for a second
		time.Sleep(time.Second)
		c.signs(old, badSignature)
		c.signs(current)
		c.signs(c.sibling)

		// Nobody remembers: it ends to the microsecond.
		old, current = current, c.rotate(current, `{"overlapSeconds":60}`)
		time.Sleep(time.Minute)
		c.signs(old, badSignature)
		c.signs(current)

		// A day, if it is not said.
		for _, body := range []string{"", "{}", `{"overlapSeconds":null}`} {
			old, current = current, c.rotate(current, body)
			time.Sleep(24*time.Hour - time.Microsecond)
			c.signs(old)
			c.signs(current)
			time.Sleep(time.Second)
			c.signs(old, badSignature)
			c.signs(current)
		}

		// No overlap: at once.
		c.signs(current)
		old, current = current, c.rotate(current, `{"overlapSeconds":0}`)
		c.signs(old, badSignature)
		c.signs(current)

		// Three in a row: never more than two are good.
		time.Sleep(time.Second)
		first := current
		second := c.rotate(first, `{"overlapSeconds":2592000}`)
		time.Sleep(time.Second)
		third := c.rotate(second, `{"overlapSeconds":2592000}`)
		c.signs(first, badSignature)
		c.signs(second)
		c.signs(third)
		time.Sleep(time.Second)
		fourth := c.rotate(third, `{"overlapSeconds":0}`)
		c.signs(second, badSignature)
		c.signs(third, badSignature)
		c.signs(fourth)

		// A mistake changes nothing.
		for _, value := range []string{"-1", "2592001", "2147483648", "2147483649", "9000000000", "9223372036854775807", "1e30", "1.5", `"60"`, "true", "[]"} {
			a := c.person(c.token, "POST", clientPath(c.shop.id)+"/secret", `{"overlapSeconds":`+value+`}`)
			c.wantField(a, "overlapSeconds")
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil && seconds > 0 {
				c.wantProblem(a, 400, "2592000") // what would do
			}
		}
		c.signs(fourth)

		// A client that is disabled can be given a new one before it is let in again.
		time.Sleep(time.Second)
		c.change(c.shop, `{"state":"disabled"}`)
		fifth := c.rotate(fourth, `{"overlapSeconds":0}`)
		c.signs(fifth, "not known here, or the client is disabled")
		c.change(c.shop, `{"state":"active"}`)
		c.signs(fourth, badSignature)
		c.signs(fifth)
	})
}

// What another process changes counts here within a second, and not a moment
// later.
func TestChangesElsewhere(t *testing.T) {
	const stranger = "not known here, or the client is disabled"
	for name, tc := range map[string]struct {
		change func(c *cell, d *desk.Desk, owner desk.Actor) error
		words  string
	}{
		"secret": {func(c *cell, d *desk.Desk, owner desk.Actor) error {
			secret, err := d.RotateSecret(c.Context(), owner, c.shop.id, 0)
			c.hide(secret)
			return err
		}, badSignature},
		"disabled": {func(c *cell, d *desk.Desk, owner desk.Actor) error {
			state := paybell.ClientDisabled
			_, err := d.UpdateClient(c.Context(), owner, c.shop.id, desk.ClientChange{State: &state})
			return err
		}, stranger},
		"deleted": {func(c *cell, d *desk.Desk, owner desk.Actor) error {
			state := paybell.ClientDeleted
			_, err := d.UpdateClient(c.Context(), owner, c.shop.id, desk.ClientChange{State: &state})
			return err
		}, stranger},
		"allowed IPs": {func(c *cell, d *desk.Desk, owner desk.Actor) error {
			return store.Do(c.Context(), c.db, func(tx *store.Tx) error {
				stored, err := tx.Client(c.shop.id)
				stored.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}
				return errors.Join(err, tx.UpdateClient(stored))
			})
		}, "192.0.2.1, which is not among the allowed IPs"},
	} {
		t.Run(name, func(t *testing.T) {
			inCell(t, func(c *cell) {
				c.signs(c.shop)
				must(c.T, tc.change(c, c.newDesk(), desk.Owner(c.merchant)))
				time.Sleep(time.Second)
				c.signs(c.shop, tc.words)
				c.signs(c.sibling)
			})
		})
	}
	inCell(t, func(c *cell) { // and what was there before is back as soon
		d, owner := c.newDesk(), desk.Owner(c.merchant)
		none, all := paybell.Permissions(0), paybell.AllPermissions
		c.ok(200, c.call(c.shop, "GET", "/api/v2/merchant/invoices", ""))
		_, err := d.UpdateClient(c.Context(), owner, c.shop.id, desk.ClientChange{Permissions: &none})
		must(c.T, err)
		time.Sleep(time.Second)
		c.wantProblem(c.call(c.shop, "GET", "/api/v2/merchant/invoices", ""), 403, "listInvoices")
		_, err = d.UpdateClient(c.Context(), owner, c.shop.id, desk.ClientChange{Permissions: &all})
		must(c.T, err)
		time.Sleep(time.Second)
		c.ok(200, c.call(c.shop, "GET", "/api/v2/merchant/invoices", ""))
	})
}

// Who is not let in learns the same, whoever it is that it wants to be.
func TestStatesOfAClient(t *testing.T) {
	inCell(t, func(c *cell) {
		gone := client{strings.Repeat("0", 32), c.shop.secret}
		invoice, hook := c.invoice(c.shop), c.hook(c.shop)
		second := c.invoice(c.shop)
		before := c.deliveries(hook)

		c.signs(c.shop)
		c.change(c.shop, `{"state":"disabled"}`)
		c.sameRefusals(c.shop, gone)
		c.same(get(c.bench, c.ok(200, c.person(c.token, "GET", clientPath(c.shop.id), "")), "state"), "disabled")
		c.same(get(c.bench, c.ok(200, c.person(c.token, "GET", clientsPath, "")), "items", 0, "state"), "disabled")
		// Its invoices go on, and ring.
		must(c.T, c.desk.CancelInvoice(c.Context(), c.actor(c.shop), invoice))
		c.same(c.deliveries(hook), fmt.Sprint(append(before, "pending InvoiceCancelled")))

		c.change(c.shop, `{"state":"active"}`)
		c.signs(c.shop)
		c.change(c.shop, `{"name":"x"}`) // says nothing of the state
		c.signs(c.shop)

		c.ok(204, c.person(c.token, "DELETE", clientPath(c.shop.id), ""))
		c.sameRefusals(c.shop, gone)
		for _, call := range accountCalls {
			if strings.Contains(call.path, "CLIENT") {
				c.wantProblem(c.person(c.token, call.method, strings.Replace(call.path, "CLIENT", c.shop.id, 1), call.body), 404, "Merchant Not Found!", c.shop.id)
			}
		}
		must(c.T, c.desk.CancelInvoice(c.Context(), c.actor(c.shop), second))
		// What was pending is not sent: the dispatcher ends it when it meets it.
		c.same(c.deliveries(hook), fmt.Sprint(append(before, "pending InvoiceCancelled")))
		r := newRig(c)
		r.run()
		time.Sleep(5 * time.Second)
		r.stop()
		c.same(len(r.shopfront.visits()), "0")
		c.same(c.deliveries(hook), strings.ReplaceAll(fmt.Sprint(append(before, "pending InvoiceCancelled")), "pending ", "exhausted "))
		c.same(len(view(c, func(tx *store.Tx) ([]paybell.Webhook, error) { return tx.Webhooks(c.shop.id, "") })), "0")
		c.same(len(view(c, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(c.shop.id, time.Now()) })), "0")
		// Its invoices stay, for the other integrations of the merchant.
		c.same(get(c.bench, c.ok(200, c.call(c.sibling, "GET", "/api/v2/merchant/invoices/"+second, "")), "status"), "cancelled")
		c.signs(c.sibling)
	})
}

// A request that was let in just before its client was deleted leaves nothing
// behind that rings.
func TestDeletedWhileItAsks(t *testing.T) {
	inCell(t, func(c *cell) {
		actor := c.actor(c.shop)
		invoice := c.invoice(c.shop)
		c.ok(204, c.person(c.token, "DELETE", clientPath(c.shop.id), ""))
		w, err := c.desk.CreateWebhook(c.Context(), actor, c.shop.id, desk.NewWebhook{URL: "https://shop.example/late", Events: paybell.AllEvents.Names()})
		if err == nil {
			must(c.T, c.desk.CancelInvoice(c.Context(), actor, invoice))
			for _, d := range c.deliveries(w.ID) {
				t.Errorf("a webhook that a deleted client made late is told: %s", d)
			}
		}
		if err := c.desk.RestrictAccess(c.Context(), actor, paybell.CreateInvoice); err == nil {
			t.Error("a deleted client was changed")
		}
		c.signs(c.shop, "not known here, or the client is disabled")
		c.wantProblem(c.person(c.token, "GET", clientPath(c.shop.id), ""), 404)
	})
}

// sameRefusals expects that a client is refused as if it did not exist, byte for
// byte, however it asks.
func (c *cell) sameRefusals(who, nobody client) {
	c.Helper()
	var seen string
	for _, asks := range []client{who, {who.id, "wrong"}, nobody, {nobody.id, "wrong"}} {
		for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
			r := c.request(client{}, "GET", "/api/v2/merchant/invoices", "")
			c.sign(r, asks, time.Now().Add(off), "")
			a := c.send(r)
			c.wantProblem(a, 401, "not known here, or the client is disabled")
			id := a.header.Get("X-Request-Id")
			a.header.Del("X-Request-Id")
			text := strings.ReplaceAll(fmt.Sprint(a.status, a.header, string(a.body)), id, "")
			if seen == "" {
				seen = text
			}
			if text != seen {
				c.Errorf("the answers differ:\n%s\n%s", text, seen)
			}
		}
	}
}

// accountCalls are all that can be asked with an account token.
var accountCalls = []struct {
	method, path, body string
	status             int
}{
	{"POST", clientsPath, `{"name":"x"}`, 201},
	{"GET", clientsPath, "", 200},
	{"GET", clientsPath + "/CLIENT", "", 200},
	{"PUT", clientsPath + "/CLIENT", `{"name":"x"}`, 200},
	{"POST", clientsPath + "/CLIENT/secret", `{"overlapSeconds":60}`, 200},
	{"GET", clientsPath + "/CLIENT/allowed-ips", "", 200},
	{"PUT", clientsPath + "/CLIENT/allowed-ips", `{"ipAddresses":[]}`, 200},
	{"DELETE", clientsPath + "/CLIENT", "", 204},
}

func TestAccountCallsAreAll(t *testing.T) {
	for _, rt := range routesBehind(t, "account") {
		path := strings.ReplaceAll(rt.path, "{clientId}", "CLIENT")
		there := false
		for _, call := range accountCalls {
			there = there || call.method == rt.method && call.path == path
		}
		if !there {
			t.Errorf("%s %s is not among the calls that these tests make; add it", rt.method, rt.path)
		}
	}
}

// The clients of another merchant do not exist, and no answer is another than
// for ids that never were.
func TestForeignTokens(t *testing.T) {
	inCell(t, func(c *cell) {
		c.hook(c.shop)
		before := c.facts(c.shop.id)
		never := strings.Repeat("0", 31) + "1"
		for _, call := range accountCalls {
			if !strings.Contains(call.path, "CLIENT") {
				continue
			}
			bodies := []string{call.body}
			if call.body != "" {
				bodies = append(bodies, "{}", `{"name":""}`, `{"allowedIps":["x"]}`, `{"permissions":["x"]}`, `{"overlapSeconds":-1}`, `{"ipAddresses":["x"]}`, `[]`)
			}
			for _, body := range bodies {
				var texts []string
				for _, id := range []string{c.shop.id, never} {
					a := c.person(c.theirs, call.method, strings.Replace(call.path, "CLIENT", id, 1), body)
					if body == call.body {
						c.wantProblem(a, 404, "Merchant Not Found!")
					}
					if a.status != 404 && a.status != 400 {
						t.Errorf("%s %s: %d %s", call.method, call.path, a.status, a.body)
					}
					texts = append(texts, strings.NewReplacer(a.header.Get("X-Request-Id"), "", id, "ID").Replace(string(a.body)))
				}
				if texts[0] != texts[1] {
					t.Errorf("%s %s %s: the answers tell what exists:\n%s%s", call.method, call.path, body, texts[0], texts[1])
				}
			}
		}
		c.same(c.facts(c.shop.id), before)
		c.signs(c.shop)
		for _, id := range []string{"x", "0", strings.Repeat("g", 32), c.shop.id + "0", "%00", "..%2f" + c.shop.id, c.shop.id[:31]} {
			c.wantProblem(c.person(c.token, "GET", clientPath(id), ""), 404)
		}
	})
}

// Nothing but an account token opens what is for people, and it opens nothing
// else.
func TestWhoIsLetIn(t *testing.T) {
	inCell(t, func(c *cell) {
		revoked, id := c.newToken(c.merchant)
		c.ok(200, c.person(revoked, "GET", clientsPath, ""))
		must(c.T, c.desk.RevokeAccountToken(c.Context(), desk.Owner(c.merchant), id))
		invented := paybell.NewAccountToken()
		last := c.token[:len(c.token)-1] + "A"
		if last == c.token {
			last = c.token[:len(c.token)-1] + "B"
		}
		before := c.facts(c.shop.id)

		for _, call := range accountCalls {
			path := strings.Replace(call.path, "CLIENT", c.shop.id, 1)
			for _, headers := range [][]string{
				nil, {""}, {"Bearer"}, {"Bearer "}, {c.token}, {"Bearer" + c.token}, {"Basic " + c.token}, {"Bearer " + c.token + "x"},
				{"Bearer " + c.token[:len(c.token)-1]}, {"Bearer " + strings.ToLower(c.token)}, {"Bearer Bearer " + c.token}, {"Bearer " + c.token[4:]},
				{"Bearer " + revoked}, {"Bearer " + invented}, {"Bearer " + last}, {"Bearer " + c.token + "," + c.token}, {"Bearer " + c.token + " " + c.token},
				{"Bearer " + c.shop.secret}, {"Bearer \x00"}, {"Bearer " + c.token, "Bearer " + c.token}, {"Bearer " + revoked, "Bearer " + c.token},
				{"Bearer " + c.token, "Basic eDp5"}, {"Bearer pbt_" + strings.Repeat("A", 52)}, {"Bearer " + c.token + "\x00"}, {"Bearer pbt_'; DROP TABLE clients; --"},
			} {
				for _, query := range []string{"", "?access_token=" + c.token + "&token=" + c.token + "&Authorization=Bearer+" + c.token} {
					for _, who := range []client{{}, c.shop} {
						r := c.request(who, call.method, path+query, call.body)
						r.Header["Authorization"] = headers
						r.Header.Set("X-Authorization", "Bearer "+c.token)
						r.Header.Set("Cookie", "token="+c.token+"; access_token="+c.token)
						c.wantProblem(c.send(r), 401, "token")
					}
				}
			}
		}
		c.same(c.facts(c.shop.id), before)
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer  "} {
			r := c.request(client{}, "GET", clientsPath, "")
			r.Header.Set("Authorization", scheme+c.token)
			c.ok(200, c.send(r))
		}

		// The token is no signature, nor does it help one.
		for _, rt := range routesBehind(t, "signed") {
			path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(rt.path, c.shop.id)
			c.wantProblem(c.person(c.token, rt.method, path, ""), 401, paybell.HeaderClient)
			for _, secret := range []string{"wrong", c.token, c.sibling.secret} {
				r := c.request(client{c.shop.id, secret}, rt.method, path, "")
				r.Header.Set("Authorization", "Bearer "+c.token)
				c.wantProblem(c.send(r), 401, badSignature)
			}
			r := c.request(client{c.token, c.token}, rt.method, path, "")
			c.wantProblem(c.send(r), 401, paybell.HeaderClient)
		}
		// With both, each route looks at its own.
		both := func(who client, token, path string) answer {
			r := c.request(who, "GET", path, "")
			r.Header.Set("Authorization", "Bearer "+token)
			return c.send(r)
		}
		c.ok(200, both(c.shop, "nonsense", "/api/v2/merchant/invoices"))
		c.ok(200, both(client{c.shop.id, "wrong"}, c.token, clientsPath))
		// One that is signed sees its own merchant's, whatever token comes along.
		c.same(len(get(c.bench, c.ok(200, both(c.shop, c.theirs, clientsPath)), "items").([]any)), "1")
	})
}

// Revoking counts at once, in every process.
func TestRevokedToken(t *testing.T) {
	inCell(t, func(c *cell) {
		token, id := c.newToken(c.merchant)
		c.ok(200, c.person(token, "GET", clientsPath, ""))
		c.wantCode(c.newDesk().RevokeAccountToken(c.Context(), desk.Owner(c.other), id), paybell.NotFound)
		c.ok(200, c.person(token, "GET", clientsPath, ""))
		must(c.T, c.newDesk().RevokeAccountToken(c.Context(), desk.Owner(c.merchant), id))
		c.wantProblem(c.person(token, "GET", clientsPath, ""), 401, "revoked", "paybell token create")
		c.ok(200, c.person(c.token, "GET", clientsPath, ""))
	})
}

func (c *cell) wantCode(err error, code paybell.Code) {
	c.Helper()
	if err == nil || paybell.CodeOf(err) != code {
		c.Errorf("got %v, want %s", err, code)
	}
}

// What a client may do is narrowed and widened by people, and counts at once.
func TestPermissionsOfAClient(t *testing.T) {
	inCell(t, func(c *cell) {
		may := func() int { return c.call(c.shop, "GET", "/api/v1/merchant/invoices", "").status }
		for _, tc := range []struct {
			permissions string
			status      int
			names       string
		}{
			{`["createInvoice"]`, 403, "[createInvoice]"},
			{`["createInvoice","listInvoices"]`, 200, "[createInvoice listInvoices]"},
			{`"findInvoice,LISTINVOICES"`, 200, "[listInvoices findInvoice]"},
			{`[]`, 403, "[]"},
			{`"all"`, 200, fmt.Sprint(paybell.AllPermissions.Names())},
			{`["none"]`, 403, "[]"},
			{`["none","listInvoices"]`, 200, "[listInvoices]"},
			{`["all","none"]`, 200, fmt.Sprint(paybell.AllPermissions.Names())},
			{`""`, 403, "[]"},
		} {
			v := c.ok(200, c.person(c.token, "PUT", clientPath(c.shop.id), `{"permissions":`+tc.permissions+`}`))
			c.same(get(c.bench, v, "paybell", "permissions"), tc.names)
			if got := may(); got != tc.status {
				t.Errorf("%s: %d, want %d", tc.permissions, got, tc.status)
			}
			c.same(get(c.bench, c.ok(200, c.call(c.shop, "GET", accessPath, "")), "flags"), tc.names)
		}
	})
}

// The way a client's notifications write the names of events counts from the
// next on.
func TestEventNames(t *testing.T) {
	inCell(t, func(c *cell) {
		hook := c.hook(c.shop)
		var want []string
		for _, style := range []string{"PascalCase", "camelCase", "PascalCase"} {
			c.change(c.shop, `{"eventNames":"`+style+`"}`)
			c.invoice(c.shop)
			name := "InvoiceCreated"
			if style == "camelCase" {
				name = "invoiceCreated"
			}
			want = append(want, "pending "+name)
		}
		c.same(c.deliveries(hook), fmt.Sprint(want))
	})
}

const accessPath = "/api/v1/merchant/clients/access-control"

func TestAccessControl(t *testing.T) {
	inCell(t, func(c *cell) {
		flags := func(want string) {
			t.Helper()
			for _, version := range []string{"v1", "v2"} {
				path := strings.Replace(accessPath, "v1", version, 1)
				c.same(get(c.bench, c.ok(200, c.call(c.shop, "GET", path, "")), "flags"), want)
			}
		}
		give := func(body string) answer { return c.call(c.shop, "POST", accessPath, body) }
		flags(fmt.Sprint(paybell.AllPermissions.Names()))
		c.ok(200, give(`{"flags":["all"]}`))
		flags(fmt.Sprint(paybell.AllPermissions.Names()))

		a := give(`{"flags":["listInvoices","createInvoice","getWallets","getwalletaddresse"]}`)
		if a.status != 200 || string(a.body) != `{"flags":["createInvoice","listInvoices","getWallets","getWalletAddresse"]}`+"\n" {
			t.Errorf("got %d %s", a.status, a.body)
		}
		flags("[createInvoice listInvoices getWallets getWalletAddresse]")
		c.wantProblem(c.call(c.shop, "GET", hooksPath(c.shop), ""), 403, "getWebhooks")
		c.ok(200, c.call(c.shop, "GET", "/api/v1/merchant/invoices", ""))

		// Nothing comes back, not even beside what is kept.
		for _, body := range []string{
			`{"flags":["findInvoice"]}`, `{"flags":["createInvoice","listInvoices","getWallets","getWalletAddresse","getWebhooks"]}`, `{"flags":"all"}`,
			`{"flags":"none,updateWebhook"}`, `{"flags":["createInvoice","ALL"]}`, `{"flags":["getWalletAddresses"]}`,
		} {
			c.wantProblem(give(body), 403, "account token")
			flags("[createInvoice listInvoices getWallets getWalletAddresse]")
		}
		c.wantProblem(give(`{"flags":["createInvoice","findInvoice","getWebhooks"]}`), 403, "[findInvoice getWebhooks]")
		for _, body := range []string{`{"flags":["listInvoice"]}`, `{"flags":"createInvoice,everything"}`, `{"flags":[""]}`, `{"flags":3}`, `{"flags":true}`, `{"flags":{}}`, `{"flags":[1]}`, `{"flags":null}`, `{}`} {
			c.wantField(give(body), "flags")
			flags("[createInvoice listInvoices getWallets getWalletAddresse]")
		}
		for _, body := range []string{"", "[]", "null", `{"flags":"none","flags":"all"}`} {
			c.wantProblem(give(body), 400)
		}

		c.ok(200, give(`{"flags":"createInvoice, getWallets"}`))
		flags("[createInvoice getWallets]")
		c.wantProblem(c.call(c.shop, "GET", "/api/v1/merchant/invoices", ""), 403, "listInvoices")
		c.ok(200, c.call(c.sibling, "GET", "/api/v1/merchant/invoices", ""))
		c.ok(200, give(`{"flags":"none"}`))
		flags("[]")
		c.ok(200, give(`{"flags":[]}`))
		c.wantProblem(give(`{"flags":["createInvoice"]}`), 403, "createInvoice")
		flags("[]")
		c.change(c.shop, `{"permissions":["createInvoice"]}`) // people grant
		flags("[createInvoice]")
	})
}

// Of two who take away at once both have their way.
func TestAccessControlAndAPerson(t *testing.T) {
	inCell(t, func(c *cell) {
		actor := c.actor(c.shop) // as the server remembers it for a moment
		c.change(c.shop, `{"permissions":"createInvoice,listInvoices"}`)
		must(c.T, c.desk.RestrictAccess(c.Context(), actor, paybell.CreateInvoice|paybell.FindInvoice))
		c.same(get(c.bench, c.ok(200, c.call(c.shop, "GET", accessPath, "")), "flags"), "[createInvoice]")

		c.change(c.shop, `{"state":"disabled"}`)
		must(c.T, c.desk.RestrictAccess(c.Context(), actor, 0))
		c.signs(c.shop, "not known here, or the client is disabled")
	})
}

const (
	v1Body   = `{"amount":{"currencyId":"5057","value":"1000"}}`
	anything = `{"notificationsUrl":"https://shop.example/x","notifications":["invoicePaid"]}`
)

// guards says for each signed route which permission it needs.
var guards = []struct {
	call    string // both versions, where there are both
	needs   paybell.Permissions
	body    string
	status  int    // with that permission alone
	because string // nothing is needed
}{
	{"POST /api/v1/merchant/invoices", paybell.CreateInvoice, v1Body, 201, ""},
	{"POST /api/v2/merchant/invoices", paybell.CreateInvoice, tenUSD, 201, ""},
	{"GET /api/v{1,2}/merchant/invoices", paybell.ListInvoices, "", 200, ""},
	{"GET /api/v{1,2}/merchant/invoices/{id}", paybell.FindInvoice, "", 200, ""},
	{"GET /api/v{1,2}/merchant/invoices/{id}/history", paybell.ListInvoiceHistory, "", 200, ""},
	{"GET /api/v{1,2}/merchant/invoices/{id}/payouts", paybell.InvoicePayouts, "", 200, ""},
	{"POST /api/v{1,2}/merchant/invoices/{id}/cancel", paybell.CancelInvoice, "", 200, ""},
	{"POST /api/v1/merchant/invoices/{id}/accept", paybell.AcceptInvoice, "", 409, ""}, // there is no money
	{"POST /api/v{1,2}/merchant/clients/{clientId}/webhooks", paybell.CreateClientWebhook, anything, 200, ""},
	{"GET /api/v{1,2}/merchant/clients/{clientId}/webhooks", paybell.GetWebhooks, "", 200, ""},
	{"PUT /api/v{1,2}/merchant/clients/{clientId}/webhooks/{webhookId}", paybell.UpdateWebhook, anything, 200, ""},
	{"DELETE /api/v{1,2}/merchant/clients/{clientId}/webhooks/{webhookId}", paybell.DeleteWebhook, "", 204, ""},
	{"GET /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}", paybell.GetWebhooks, "", 200, ""},
	{"GET /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/notifications", paybell.PullNotifications, "", 200, ""},
	{"GET /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/notifications/{notificationId}", paybell.PullNotifications, "", 200, ""},
	{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/pause", paybell.UpdateWebhook, "", 200, ""},
	{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/enable", paybell.UpdateWebhook, "", 200, ""},
	{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/test", paybell.UpdateWebhook, `{"event":"invoicePaid"}`, 200, ""},
	{"POST /api/v1/merchant/clients/{clientId}/webhooks/{webhookId}/resend", paybell.ResendNotifications, `{"after":0}`, 202, ""},
	{"GET /api/v1/merchant/clients/{clientId}/resends", paybell.ResendNotifications, "", 200, ""},
	{"GET /api/v1/merchant/clients/{clientId}/resends/{resendId}", paybell.ResendNotifications, "", 200, ""},
	{"POST /api/v1/merchant/clients/{clientId}/resends/{resendId}/cancel", paybell.ResendNotifications, "", 200, ""},
	{"GET /api/v1/merchant/clients/{clientId}/endpoints", paybell.GetWebhooks, "", 200, ""},
	{"POST /api/v1/merchant/clients/{clientId}/endpoints/enable", paybell.UpdateWebhook, `{"endpoint":"https://shop.example:443"}`, 409, ""}, // it is well
	{"GET /api/v{1,2}/merchant/wallets", paybell.GetWallets, "", 200, ""},
	{"GET /api/v{1,2}/merchant/wallets/{walletId}", paybell.GetWalletByID, "", 200, ""},
	{"POST /api/v1/merchant/wallets/preview", paybell.CreateWallet, aWallet, 200, ""},
	{"POST /api/v1/merchant/wallets", paybell.CreateWallet, aWallet, 201, ""},
	{"PUT /api/v1/merchant/wallets/{walletId}/policy", paybell.CreateWallet, `{"completed":[{"confirmations":1}]}`, 200, ""},
	{"DELETE /api/v1/merchant/wallets/{walletId}", paybell.CreateWallet, "", 204, ""},
	{"POST /api/v1/sandbox/invoices/{id}/pay", paybell.UseSandbox, "{}", 200, ""},
	{"POST /api/v1/sandbox/invoices/{id}/expire", paybell.UseSandbox, `{"what":"lifetime"}`, 200, ""},
	{"POST /api/v1/sandbox/mine", paybell.UseSandbox, `{"blocks":1}`, 200, ""},
	{"POST /api/v1/sandbox/reorg", paybell.UseSandbox, `{"depth":1}`, 200, ""},
	{"POST /api/v1/sandbox/transactions/{txId}/replace", paybell.UseSandbox, `{"toInvoice":true}`, 200, ""},
	{"POST /api/v1/sandbox/transactions/{txId}/drop", paybell.UseSandbox, "", 200, ""},

	{"GET /api/v{1,2}/merchant/clients/access-control", 0, "", 200, "who may do nothing must be able to find that out"},
	{"POST /api/v{1,2}/merchant/clients/access-control", 0, `{"flags":"none"}`, 200, "it only ever takes away, from who asks"},
	{"GET /api/v{1,2}/merchant/currencies", 0, "", 200, "what every buyer of the merchant sees"},
}

// idle are permissions for what is not offered.
const idle = paybell.CreateAddress | paybell.GetWalletAddress | paybell.GetWalletAddresses |
	paybell.GetWalletTransactions | paybell.GetWalletTransaction | paybell.SpendRequest | paybell.ConfirmSpendingFunds

func TestEveryPermission(t *testing.T) {
	covered, used := map[route]bool{}, paybell.Permissions(0)
	inCell(t, func(c *cell) {
		c.desk.Wire = deliver.New(c.db, &storefront{}, slog.New(slog.DiscardHandler))
		c.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
		for _, g := range guards {
			used |= g.needs
			if (g.needs == 0) != (g.because != "") {
				t.Errorf("%s: say why it needs no permission", g.call)
			}
			method, pattern, _ := strings.Cut(g.call, " ")
			for _, version := range []string{"v1", "v2"} {
				path := strings.Replace(pattern, "v{1,2}", version, 1)
				if covered[route{method, path}] {
					continue
				}
				covered[route{method, path}] = true
				for _, key := range []string{"", "a key"} { // remembered answers are behind the same door
					c.wantGuarded(method, path, g.body, key, g.needs, g.status)
				}
			}
		}
	})
	for _, rt := range routesBehind(t, "signed") {
		if !covered[rt] {
			t.Errorf("nobody has said which permission guards %s %s", rt.method, rt.path)
		}
		delete(covered, rt)
	}
	for rt := range covered {
		t.Errorf("%s %s is no signed route any more", rt.method, rt.path)
	}
	if used&idle != 0 || used|idle != paybell.AllPermissions {
		t.Errorf("these permissions are in use and idle: %v; these neither: %v", (used & idle).Names(), (paybell.AllPermissions &^ (used | idle)).Names())
	}
}

// wantGuarded makes a call with every permission but one, and with that one only.
func (c *cell) wantGuarded(method, path, body, key string, needs paybell.Permissions, status int) {
	c.Helper()
	ask := func(who client) answer {
		a := c.actor(who)
		inv, err := c.desk.CreateInvoice(c.Context(), a, desk.NewInvoice{Bill: paybell.Bill{
			Currency: "USD", Total: decimal.NewFromInt(10), Breakdown: paybell.Breakdown{Subtotal: decimal.NewFromInt(10)},
		}})
		must(c.T, err)
		hook, err := c.desk.CreateWebhook(c.Context(), a, who.id, desk.NewWebhook{URL: "https://shop.example/x", Events: []string{"invoicePaid"}})
		must(c.T, err)
		_, err = c.desk.MineSandbox(c.Context(), a, 1)
		must(c.T, err)
		tx := "none"
		if strings.Contains(path, "{txId}") {
			tx, err = c.desk.PaySandbox(c.Context(), a, inv.ID, nil)
			must(c.T, err)
		}
		wallet := "none"
		if strings.Contains(path, "{walletId}") {
			made, err := c.desk.AddWallet(c.Context(), desk.Owner(a.MerchantID), desk.NewWallet{Currency: "LTC", Key: "pub:guarded", FirstAddress: "ltc1guarded0"})
			must(c.T, err)
			wallet = made.ID
		}
		told := view(c, func(tx *store.Tx) ([]paybell.Notification, error) { return tx.History(inv.ID, 0, 1) })[0].ID
		job, err := c.desk.Resend(c.Context(), a, who.id, hook.ID, desk.ResendRequest{After: &paybell.SequenceNumber{}})
		must(c.T, err)
		r := c.request(client{}, method, strings.NewReplacer("{id}", inv.ID, "{clientId}", who.id, "{webhookId}", hook.ID, "{txId}", tx,
			"{notificationId}", told, "{resendId}", job.ID, "{walletId}", wallet).Replace(path), body)
		c.sign(r, who, time.Now(), body)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		return c.send(r)
	}
	with := func(p paybell.Permissions) client {
		made := c.limited(c.bench.merchant("of one test"), p)
		c.hide(made.secret)
		return made
	}
	if needs == 0 {
		c.ok(status, ask(with(0)))
		return
	}
	name := needs.Names()[0]
	if p := c.wantProblem(ask(with(paybell.AllPermissions&^needs)), 403, "permission", "["+name+"]"); p == nil {
		c.Errorf("%s %s without %s", method, path, name)
	}
	if a := ask(with(needs)); a.status != status {
		c.Errorf("%s %s with %s alone: %d %s, want %d", method, path, name, a.status, a.body, status)
	}
}

func TestAllowedIPs(t *testing.T) {
	inCell(t, func(c *cell) {
		path := clientPath(c.shop.id) + "/allowed-ips"
		put := func(value, want string) {
			t.Helper()
			a := c.person(c.token, "PUT", path, `{"ipAddresses":`+value+`}`)
			for _, a := range []answer{a, c.person(c.token, "GET", path, "")} {
				if a.status != 200 || string(a.body) != `{"ipAddresses":`+want+"}\n" {
					t.Errorf("%s: %d %s, want %s", value, a.status, a.body, want)
				}
			}
		}
		from := func(address string, in bool) {
			t.Helper()
			c.from = address
			if in {
				c.signs(c.shop)
				return
			}
			host := netip.MustParseAddrPort(address).Addr().Unmap().WithZone("").String()
			c.signs(c.shop, "comes from "+host+",", "allowed IPs", "--trusted-proxy")
			c.signs(client{c.shop.id, "wrong"}, badSignature) // the list is nobody else's business
			c.signs(c.sibling)
		}
		put(`[]`, `[]`)
		from("192.0.2.1:9", true)

		put(`["198.51.100.7"]`, `["198.51.100.7"]`)
		from("192.0.2.1:9", false)
		from("198.51.100.7:9", true)
		from("[::ffff:198.51.100.7]:9", true)
		from("198.51.100.8:9", false)
		from("[::ffff:198.51.100.8]:9", false)
		from("[2001:db8::1]:9", false)

		put(`"198.51.100.7, 2001:db8::9/64,10.9.8.7/8 ::ffff:203.0.113.5"`, `["198.51.100.7","2001:db8::/64","10.0.0.0/8","203.0.113.5"]`)
		from("[2001:db8::ffff]:9", true)
		from("[2001:db8:0:1::1]:9", false)
		from("10.255.255.255:9", true)
		from("11.0.0.0:9", false)
		from("203.0.113.5:9", true)
		from("203.0.113.6:9", false)
		from("198.51.100.7:9", true)

		put(`["fd00::1","fe80::/10"]`, `["fd00::1","fe80::/10"]`)
		from("[fd00::1]:9", true)
		from("[fd00::2]:9", false)
		from("[fe80::1%eth0]:9", true)
		from("[fec0::1%eth0]:9", false)

		put(`["0.0.0.0/0"]`, `["0.0.0.0/0"]`)
		from("203.0.113.6:9", true)
		from("[2001:db8::1]:9", false)

		// A list of one call is not added to that of another.
		put(`["192.0.2.5"]`, `["192.0.2.5"]`)
		from("198.51.100.7:9", false)
		c.change(c.shop, `{"allowedIps":"192.0.2.6"}`)
		from("192.0.2.5:9", false)
		from("192.0.2.6:9", true)
		c.same(get(c.bench, c.ok(200, c.person(c.token, "GET", clientPath(c.shop.id), "")), "allowedIps"), "192.0.2.6")
		put(`[]`, `[]`)
		from("203.0.113.6:9", true)
	})
}

func TestTrustedProxies(t *testing.T) {
	inCell(t, func(c *cell) {
		c.change(c.shop, `{"allowedIps":"198.51.100.7,2001:db8::7"}`)
		ask := func(from string, forwarded ...string) answer {
			c.from = from
			r := c.request(c.shop, "GET", "/api/v1/merchant/currencies", "")
			for _, line := range forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			for _, name := range []string{"X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip"} {
				r.Header.Set(name, "198.51.100.7")
			}
			return c.send(r)
		}
		seen := func(address string, a answer) {
			t.Helper()
			c.wantProblem(a, 401, "comes from "+address+",")
		}
		seen("192.0.2.1", ask("192.0.2.1:9", "198.51.100.7"))
		seen("192.0.2.1", ask("192.0.2.1:9", "198.51.100.7, 192.0.2.1"))
		seen("127.0.0.1", ask("127.0.0.1:9", "198.51.100.7"))
		c.ok(200, ask("198.51.100.7:9", "203.0.113.9"))

		c.api.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30"), netip.MustParsePrefix("fd00::/8")}
		c.open()
		c.ok(200, ask("192.0.2.1:9", "198.51.100.7"))
		c.ok(200, ask("192.0.2.1:9", "[2001:db8::7]:443"))
		c.ok(200, ask("[fd00::1]:9", "::ffff:198.51.100.7"))
		c.ok(200, ask("192.0.2.1:9", "203.0.113.9, 198.51.100.7, 192.0.2.2"))
		c.ok(200, ask("192.0.2.1:9", "203.0.113.9", "198.51.100.7"))
		seen("203.0.113.9", ask("192.0.2.1:9", "198.51.100.7, 203.0.113.9"))
		seen("203.0.113.9", ask("192.0.2.1:9", "198.51.100.7", "203.0.113.9"))
		seen("192.0.2.1", ask("192.0.2.1:9"))
		seen("192.0.2.1", ask("192.0.2.1:9", "198.51.100.7, nonsense"))
		seen("192.0.2.4", ask("192.0.2.4:9", "198.51.100.7")) // just beside
		c.ok(200, ask("198.51.100.7:9", "203.0.113.9"))

		c.from = "192.0.2.1:9"
		r := c.request(client{}, "GET", "/api/v1/merchant/clients/ip", "")
		r.Header.Set("X-Forwarded-For", "1.1.1.1, 203.0.113.9, 192.0.2.3")
		c.same(c.ok(200, c.send(r)), "203.0.113.9")
	})
}

// limited expects a 429 and returns how long it wants one to wait.
func (c *cell) wantLimited(a answer) time.Duration {
	c.Helper()
	c.wantProblem(a, 429, "3 per second")
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		c.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

func TestRateLimit(t *testing.T) {
	inCell(t, func(c *cell) {
		c.api.RateLimit = 3
		c.open()
		list := func(who client) answer { return c.call(who, "GET", "/api/v1/merchant/invoices", "") }
		public := func(path string) answer { return c.call(client{}, "GET", path, "") }
		const rates = "/api/v1/rates?from=USD"

		// Who cannot sign uses up nothing of who can, and may not try for ever.
		for i := range 20 {
			late := c.request(client{}, "GET", "/api/v1/merchant/invoices", "")
			c.sign(late, c.shop, time.Now().Add(-time.Hour), "")
			if i == 0 {
				c.wantProblem(list(client{c.shop.id, "wrong"}), 401, badSignature)
				c.wantProblem(list(client{strings.Repeat("0", 32), "wrong"}), 401)
				c.wantProblem(c.send(late), 401, "clock")
				continue
			}
			c.wantLimited(list(client{c.shop.id, "wrong"}))
			c.wantLimited(c.send(late))
		}
		for range 3 {
			c.ok(200, list(c.shop))
		}
		wait := c.wantLimited(list(c.shop))
		c.wantLimited(c.call(c.shop, "POST", "/api/v2/merchant/invoices", tenUSD))
		c.wantLimited(c.call(c.shop, "GET", hooksPath(c.shop), ""))
		c.ok(200, list(c.sibling))
		c.ok(200, list(c.stranger))
		before := get(c.bench, c.ok(200, list(c.sibling)), "items")
		c.same(len(before.([]any)), "0") // what was refused was not done

		// The address has a budget of its own, for people and for everybody.
		for _, a := range []answer{public(rates), c.person(c.token, "GET", clientsPath, ""), public("/api/v2/currencies")} {
			c.ok(200, a)
		}
		c.wantLimited(public(rates))
		c.wantLimited(c.person(c.token, "GET", clientsPath, ""))
		c.wantLimited(c.person("guess", "GET", clientsPath, ""))
		c.wantLimited(c.call(client{}, "POST", "/api/v2/invoices/"+strings.Repeat("0", 32)+"/payments", "{}"))
		spoofed := c.request(client{}, "GET", rates, "")
		spoofed.Header.Set("X-Forwarded-For", "203.0.113.1")
		c.wantLimited(c.send(spoofed))
		c.ok(200, list(c.sibling)) // who signs is counted as itself
		for range 50 {
			for _, path := range []string{"/healthz", "/readyz"} {
				if a := public(path); a.status != 200 {
					t.Fatalf("%s: %d", path, a.status)
				}
			}
		}
		c.from = "192.0.2.2:1234"
		c.ok(200, public(rates))

		// A customer of the new kind has a /64.
		for _, address := range []string{"[2001:db8::1]:1", "[2001:db8::ffff:1:2:3]:1", "[2001:db8::2]:1"} {
			c.from = address
			c.ok(200, public(rates))
		}
		c.from = "[2001:db8:0:0:ffff::]:1"
		c.wantLimited(public(rates))
		c.from = "[2001:db8:0:1::1]:1"
		c.ok(200, public(rates))
		c.from = "[::ffff:192.0.2.1]:1" // the same as at first
		c.wantLimited(public(rates))

		// Guesses at tokens count.
		c.from = "203.0.113.1:1"
		for range 3 {
			c.wantProblem(c.person("pbt_"+strings.Repeat("A", 52), "GET", clientsPath, ""), 401)
		}
		c.wantLimited(c.person(c.token, "GET", clientsPath, ""))

		time.Sleep(wait)
		c.from = "192.0.2.1:1"
		for range 3 {
			c.ok(200, list(c.shop))
			c.ok(200, public(rates))
		}
		c.wantLimited(list(c.shop))
		c.wantLimited(public(rates))

		c.api.RateLimit = 0
		c.open()
		for range 200 {
			c.ok(200, list(c.shop))
			c.ok(200, public("/api/v1/currencies/1002"))
		}
	})
}

// Behind a proxy that is trusted, everybody has a budget of their own.
func TestRateLimitBehindAProxy(t *testing.T) {
	inCell(t, func(c *cell) {
		c.api.RateLimit = 3
		c.api.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
		c.open()
		ask := func(forwarded string) answer {
			r := c.request(client{}, "GET", "/api/v1/currencies/1002", "")
			r.Header.Set("X-Forwarded-For", forwarded)
			return c.send(r)
		}
		for i := range 3 {
			c.ok(200, ask(fmt.Sprintf("198.51.100.%d, 203.0.113.1", i)))
		}
		c.wantLimited(ask("198.51.100.77, 203.0.113.1"))
		c.ok(200, ask("203.0.113.1, 203.0.113.2"))
	})
}

// Who is known learns which check has failed, and nothing that helps to pass it.
func TestRefusalsSayWhy(t *testing.T) {
	inCell(t, func(c *cell) {
		c.api.PublicURLs = []string{"https://pay.example", "https://example.com/pay/"}
		c.open()
		const path = "/api/v2/merchant/invoices?limit=5&q=a%20b"
		try := func(who client, off time.Duration, words ...string) {
			t.Helper()
			r := c.request(client{}, "GET", path, "")
			c.sign(r, who, time.Now().Add(off), "")
			if len(words) == 0 {
				c.ok(200, c.send(r))
				return
			}
			a := c.send(r)
			c.wantProblem(a, 401, words...)
			for _, base := range []string{"https://pay.example", "https://example.com/pay", "http://pay.example"} {
				for _, at := range []time.Duration{0, off} {
					timestamp := paybell.FormatTimestamp(time.Now().Add(at))
					for _, secret := range []string{c.shop.secret, who.secret} {
						expected := paybell.SignRequest(secret, "GET", base+path, who.id, timestamp, nil)
						if strings.Contains(string(a.body), expected) || strings.Contains(string(a.body), strings.ReplaceAll(expected, "/", `\/`)) {
							t.Errorf("the answer holds a signature: %s", a.body)
						}
					}
				}
			}
		}
		try(c.shop, 0)
		try(c.shop, time.Minute)
		try(c.shop, -time.Minute)
		try(c.shop, -61*time.Second, "1m1s behind this server's clock, which says 2000-01-01T00:00:03 UTC; 1m0s is allowed")
		try(c.shop, 2*time.Hour, "2h0m0s ahead of this server's clock", "time zone")
		try(client{c.shop.id, "wrong"}, time.Hour, "1h0m0s ahead of") // the clock comes first: it is the likelier mistake
		try(client{c.shop.id, c.sibling.secret}, 0, badSignature, "https://pay.example"+path+" or https://example.com/pay"+path+" or http://pay.example"+path)
		try(client{c.shop.id, c.shop.secret + "\n"}, 0, badSignature, "as text")
		try(client{c.sibling.id, c.shop.secret}, 0, badSignature)

		// By a URL of another spelling.
		r := c.request(c.shop, "GET", path, "")
		r.RequestURI = strings.Replace(path, "%20", "+", 1)
		c.wantProblem(c.send(r), 401, badSignature, "q=a+b")
		for name, values := range map[string][]string{
			"missing": nil, "is there 2 times": {"x", "x"},
		} {
			for _, header := range []string{paybell.HeaderClient, paybell.HeaderTimestamp, paybell.HeaderSignature} {
				r := c.request(c.shop, "GET", path, "")
				r.Header[http.CanonicalHeaderKey(header)] = values
				c.wantProblem(c.send(r), 401, header, name)
			}
		}
		c.sameRefusals(client{strings.Repeat("a", 32), c.shop.secret}, client{strings.Repeat("b", 32), c.shop.secret})
	})
}
