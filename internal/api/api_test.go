package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/api"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

// bench is a whole server on a real store and the real sandbox chain, with two
// merchants. Only the watcher has to be stepped by hand.
type bench struct {
	*testing.T
	db      *store.DB
	desk    *desk.Desk
	api     *api.Server
	url     string
	log     *logBuffer
	watcher *watch.Watcher

	shop, sibling, stranger client // two clients of one merchant, one of another
}

type client struct{ id, secret string }

// quote says that a test coin is worth 80 of anything, and that nobody trades
// bitcoins.
type quote struct{}

func (quote) Rate(_ context.Context, from, to paybell.Currency, _ time.Time) (decimal.Decimal, error) {
	switch {
	case from.Symbol == "BTC" || to.Symbol == "BTC":
		return decimal.Zero, paybell.Errorf(paybell.Unavailable, "there is no rate from %s to %s", from.Symbol, to.Symbol)
	case to.ID == paybell.LTCT:
		return decimal.RequireFromString("0.0125"), nil
	}
	return decimal.NewFromInt(1), nil
}

// emptyStore is the files of a store that was just made. To make one for each
// test takes most of the time of most tests.
var emptyStore = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "paybell-empty-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	if err != nil {
		return nil, err
	}
	db, err := store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for _, name := range []string{"paybell.key", "paybell.db"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	files, err := emptyStore()
	must(t, err)
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	must(t, err)
	b := &bench{T: t, log: &logBuffer{}}
	b.db, err = store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	must(t, err)
	t.Cleanup(func() { _ = b.db.Close() })
	chain := sandbox.New(journal(b.db))
	b.desk = &desk.Desk{
		DB: b.db, Quote: quote{}, Sandbox: chain,
		Wire: deliver.New(b.db, &storefront{}, slog.New(slog.DiscardHandler)), // tries webhooks, and does not run
	}
	b.watcher = &watch.Watcher{DB: b.db, Chain: chain, Every: time.Second}
	b.api = &api.Server{Desk: b.desk, Log: slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	b.serve()
	one, two := b.merchant("One"), b.merchant("Two")
	b.shop, b.sibling, b.stranger = b.client(one), b.client(one), b.client(two)
	return b
}

// serve starts the server with b.api as it now is.
func (b *bench) serve() {
	srv := httptest.NewServer(b.api.Handler())
	b.Cleanup(srv.Close)
	b.url = srv.URL
}

func journal(db *store.DB) sandbox.Journal {
	return sandbox.Journal{
		Load: func(ctx context.Context, after int64) ([]sandbox.Entry, error) {
			return store.View(ctx, db, func(tx *store.Tx) ([]sandbox.Entry, error) {
				rows, err := tx.Journal(after)
				entries := make([]sandbox.Entry, len(rows))
				for i, r := range rows {
					entries[i] = sandbox.Entry(r)
				}
				return entries, err
			})
		},
		Append: func(ctx context.Context, merchantID, op string) (int64, error) {
			return store.Update(ctx, db, func(tx *store.Tx) (int64, error) { return tx.AppendJournal(merchantID, op) })
		},
	}
}

func (b *bench) merchant(name string) string {
	m, err := b.desk.CreateMerchant(b.Context(), name, "")
	must(b.T, err)
	return m.ID
}

func (b *bench) client(merchantID string) client {
	return b.limited(merchantID, paybell.AllPermissions)
}

func (b *bench) limited(merchantID string, p paybell.Permissions) client {
	c, secret, err := b.desk.CreateClient(b.Context(), desk.Owner(merchantID), desk.NewClient{Name: "shop", Permissions: p})
	must(b.T, err)
	return client{c.ID, secret}
}

// watch brings what the chain has to the invoices.
func (b *bench) watch() {
	b.Helper()
	_, err := b.watcher.Step(b.Context())
	must(b.T, err)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request signed by c; the zero client signs nothing.
func (b *bench) call(c client, method, path, body string) answer {
	b.Helper()
	return b.send(b.request(c, method, path, body))
}

func (b *bench) request(c client, method, path, body string) *http.Request {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	must(b.T, err)
	if c.id != "" {
		at := paybell.FormatTimestamp(time.Now())
		r.Header.Set(paybell.HeaderClient, c.id)
		r.Header.Set(paybell.HeaderTimestamp, at)
		r.Header.Set(paybell.HeaderSignature, paybell.SignRequest(c.secret, method, b.url+path, c.id, at, []byte(body)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as the PHP SDK has it
	}
	return r
}

func (b *bench) send(r *http.Request) answer {
	b.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r) // no redirects: there must be none
	must(b.T, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(b.T, err)
	a := answer{resp.StatusCode, resp.Header, body}
	b.promised(r, a)
	return a
}

// promised holds each answer to what all of them keep: an error is a problem
// document and nothing else, and nowhere is there a key "error", which clients
// take for a failure (contract 2.6). What the merchant wrote is theirs, and a
// notification is as the contract has it (4.2), wherever it is read.
func (b *bench) promised(r *http.Request, a answer) {
	b.Helper()
	kind := a.header.Get("Content-Type")
	if isProblem := kind == "application/problem+json"; isProblem != (a.status >= 400) {
		b.Errorf("%s %s: status %d with content type %q", r.Method, r.URL, a.status, kind)
	}
	if len(a.body) == 0 || !strings.Contains(kind, "json") {
		return
	}
	v := b.decode(a)
	if hasErrorKey(v) {
		b.Errorf("%s %s: there is a key error: %s", r.Method, r.URL, a.body)
	}
	if a.status < 400 {
		return
	}
	for key := range v.(map[string]any) {
		if !slices.Contains([]string{"type", "title", "status", "detail", "instance", "errors"}, key) {
			b.Errorf("%s %s: a problem has no key %q: %s", r.Method, r.URL, key, a.body)
		}
	}
}

func hasErrorKey(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			opaque := key == "customData" || key == "metadata" || key == "notification"
			if key == "error" || !opaque && hasErrorKey(value) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasErrorKey)
	}
	return false
}

// newAccountToken makes a token of a person of c's merchant.
func (b *bench) newAccountToken(c client) string {
	b.Helper()
	_, secret, err := b.desk.CreateAccountToken(b.Context(), desk.Owner(b.merchantOf(c)), "a person")
	must(b.T, err)
	return secret
}

func (b *bench) merchantOf(c client) string {
	b.Helper()
	actor, err := b.desk.Actor(b.Context(), c.id, netip.Addr{})
	must(b.T, err)
	return actor.MerchantID
}

// callWithToken sends a request of a person.
func (b *bench) callWithToken(token, method, path, body string) answer {
	b.Helper()
	r := b.request(client{}, method, path, body)
	r.Header.Set("Authorization", "Bearer "+token)
	return b.send(r)
}

// subtest runs f with a T of its own.
func (b *bench) subtest(name string, f func()) {
	b.Helper()
	was := b.T
	was.Run(name, func(t *testing.T) {
		b.T = t
		defer func() { b.T = was }()
		f()
	})
}

// wantField expects a 400 whose errors name the field, and only that.
func (b *bench) wantField(a answer, field string, words ...string) {
	b.Helper()
	p := b.wantProblem(a, 400, words...)
	if p == nil {
		return
	}
	named, _ := p["errors"].(map[string]any)
	if list, _ := named[field].([]any); len(named) != 1 || len(list) != 1 {
		b.Errorf("errors is %v, want one for %s", p["errors"], field)
	}
}

// told reads the notifications that were made for a webhook, in order.
func (b *bench) told(hook string) (bodies []any) {
	b.Helper()
	all, err := store.View(b.Context(), b.db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hook, 0, 100) })
	must(b.T, err)
	for _, d := range all {
		bodies = append(bodies, b.decode(answer{body: d.Body}))
	}
	return bodies
}

// want sends a request and expects a status; it returns the decoded body.
func (b *bench) want(status int, c client, method, path, body string) any {
	b.Helper()
	a := b.call(c, method, path, body)
	if a.status != status {
		b.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	if len(a.body) == 0 {
		return nil
	}
	return b.decode(a)
}

func (b *bench) decode(a answer) (v any) {
	b.Helper()
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		b.Fatalf("%s: %v", a.body, err)
	}
	return v
}

// wantProblem expects a problem document with some words in its detail.
func (b *bench) wantProblem(a answer, status int, words ...string) map[string]any {
	b.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		b.Errorf("got %d %s %s, want a problem %d", a.status, a.header.Get("Content-Type"), a.body, status)
		return nil
	}
	p := b.decode(a).(map[string]any)
	for _, key := range []string{"type", "title", "detail", "instance"} {
		if text, _ := p[key].(string); text == "" {
			b.Errorf("the problem has no %s: %s", key, a.body)
		}
	}
	if fmt.Sprint(p["status"]) != fmt.Sprint(status) {
		b.Errorf("the problem says status %v, want %d", p["status"], status)
	}
	if _, there := p["error"]; there {
		b.Errorf("the problem has a key error: %s", a.body)
	}
	if p["instance"] != "urn:uuid:"+a.header.Get("X-Request-Id") {
		b.Errorf("instance %v does not name the request %s", p["instance"], a.header.Get("X-Request-Id"))
	}
	detail, _ := p["detail"].(string)
	for _, word := range words {
		if !strings.Contains(detail, word) {
			b.Errorf("the detail is %q, want %q in it", detail, word)
		}
	}
	return p
}

// invoice makes an invoice of 10.00 USD, with more keys if given, and returns its id.
func (b *bench) invoice(c client, more string) string {
	b.Helper()
	v := b.want(201, c, "POST", "/api/v2/merchant/invoices", `{"currency":"5057","amount":{"total":"10.00"}`+more+`}`)
	return get(b, v, "invoices", 0, "id").(string)
}

// webhook makes a webhook and returns its id.
func (b *bench) webhook(c client) string {
	b.Helper()
	return get(b, b.want(200, c, "POST", hooksPath(c), hookBody), "id").(string)
}

const hookBody = `{"notificationsUrl":"https://shop.example/hook?x=1","notifications":["invoicePaid","invoiceCompleted"]}`

func hooksPath(c client) string { return "/api/v1/merchant/clients/" + c.id + "/webhooks" }

// get goes down into decoded JSON.
func get(b *bench, v any, way ...any) any {
	b.Helper()
	for _, step := range way {
		switch step := step.(type) {
		case string:
			object, ok := v.(map[string]any)
			if !ok {
				b.Fatalf("at %v of %v: %v is no object", step, way, v)
			}
			v = object[step]
		case int:
			list, ok := v.([]any)
			if !ok || len(list) <= step {
				b.Fatalf("at %v of %v: no such element in %v", step, way, v)
			}
			v = list[step]
		}
	}
	return v
}

func (b *bench) same(got any, want string) {
	b.Helper()
	if s := fmt.Sprint(got); s != want {
		b.Errorf("got %s, want %s", s, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
