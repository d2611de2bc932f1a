package checkout_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/checkout"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
	"github.com/paybell/paybell/internal/watch"
)

// bench is the pages of one merchant's shop on a real store and the real sandbox
// chain. Only the watcher has to be stepped by hand.
type bench struct {
	*testing.T
	db      *store.DB
	desk    *desk.Desk
	url     string
	watcher *watch.Watcher
	*addresses

	shop desk.Actor
	rate string // coins for one unit of anything; empty: nobody trades
}

// addresses is the sandbox chain, which notes the addresses that were made.
type addresses struct {
	*sandbox.Chain
	mu   sync.Mutex
	made map[string]bool
}

func (a *addresses) Address(merchantID string, index int64) string {
	address := a.Chain.Address(merchantID, index)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made[address] = true
	return address
}

// derived is how many addresses were made.
func (a *addresses) derived() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.made)
}

func (b *bench) Rate(context.Context, paybell.Currency, paybell.Currency, time.Time) (decimal.Decimal, error) {
	if b.rate == "" {
		return decimal.Zero, paybell.Errorf(paybell.Unavailable, "there is no rate")
	}
	return decimal.NewFromString(b.rate)
}

// newBench opens the pages; the functions change what the server is given.
func newBench(t *testing.T, change ...func(*checkout.Server)) *bench {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	must(t, err)
	b := &bench{T: t, rate: "0.0125"}
	storetest.Blank(t, dir)
	b.db, err = store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	must(t, err)
	t.Cleanup(func() { _ = b.db.Close() })
	chain := sandbox.New(sandbox.Journal{
		Load: func(ctx context.Context, after int64) ([]sandbox.Entry, error) {
			return store.View(ctx, b.db, func(tx *store.Tx) ([]sandbox.Entry, error) {
				rows, err := tx.Journal(after)
				entries := make([]sandbox.Entry, len(rows))
				for i, r := range rows {
					entries[i] = sandbox.Entry(r)
				}
				return entries, err
			})
		},
		Append: func(ctx context.Context, merchantID, op string) (int64, error) {
			return store.Update(ctx, b.db, func(tx *store.Tx) (int64, error) { return tx.AppendJournal(merchantID, op) })
		},
	})
	b.addresses = &addresses{Chain: chain, made: map[string]bool{}}
	b.desk = &desk.Desk{DB: b.db, Quote: b, Sandbox: b.addresses}
	b.watcher = &watch.Watcher{DB: b.db, Chain: chain, Every: time.Second}
	server := &checkout.Server{Desk: b.desk}
	for _, c := range change {
		c(server)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	b.url = srv.URL
	b.shop = b.client("Café Bell", "https://shop.example")
	return b
}

// client makes a merchant with one client.
func (b *bench) client(name, shopURL string) desk.Actor {
	b.Helper()
	m, err := b.desk.CreateMerchant(b.Context(), name, "owner@cafe.example")
	must(b.T, err)
	c, _, err := b.desk.CreateClient(b.Context(), desk.Owner(m.ID), desk.NewClient{Name: "Web shop", URL: shopURL, Permissions: paybell.AllPermissions})
	must(b.T, err)
	a, err := b.desk.Actor(b.Context(), c.ID, netip.MustParseAddr("192.0.2.1"))
	must(b.T, err)
	return a
}

// invoice makes an invoice of 10.00 USD, changed by the given functions, and
// returns its id.
func (b *bench) invoice(change ...func(*paybell.Bill)) string {
	b.Helper()
	bill := paybell.Bill{Currency: "5057", Total: decimal.RequireFromString("10.00"), Number: "0067"}
	bill.Breakdown.Subtotal = bill.Total
	for _, c := range change {
		c(&bill)
	}
	inv, err := b.desk.CreateInvoice(b.Context(), b.shop, desk.NewInvoice{Bill: bill})
	must(b.T, err)
	return inv.ID
}

func (b *bench) open(id string) {
	b.Helper()
	_, _, err := b.desk.OpenPayment(b.Context(), id, paybell.LTCT)
	must(b.T, err)
}

// pay sends coins ("": what is missing) and lets the watcher see them.
func (b *bench) pay(id, amount string) (txID string) {
	b.Helper()
	var coins *decimal.Decimal
	if amount != "" {
		d := decimal.RequireFromString(amount)
		coins = &d
	}
	txID, err := b.desk.PaySandbox(b.Context(), b.shop, id, coins)
	must(b.T, err)
	b.watch()
	return txID
}

func (b *bench) mine(blocks int) {
	b.Helper()
	_, err := b.desk.MineSandbox(b.Context(), b.shop, blocks)
	must(b.T, err)
	b.watch()
}

// hasten ends an invoice's window or lifetime. Nobody has noticed yet.
func (b *bench) hasten(id, what string) {
	b.Helper()
	must(b.T, b.desk.ExpireSandbox(b.Context(), b.shop, id, what))
}

func (b *bench) watch() {
	b.Helper()
	_, err := b.watcher.Step(b.Context())
	must(b.T, err)
}

// timers ends what waits for no chain.
func (b *bench) timers() {
	b.Helper()
	_, err := (&watch.Timers{DB: b.db, Every: time.Second}).Step(b.Context())
	must(b.T, err)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *bench) send(r *http.Request) answer {
	b.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r) // follows no redirects
	must(b.T, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(b.T, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (b *bench) request(method, path, body string) *http.Request {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(body))
	must(b.T, err)
	return r
}

func (b *bench) get(path string) answer { return b.send(b.request(http.MethodGet, path, "")) }

// post sends a form as a browser on the page does.
func (b *bench) post(path string, form url.Values) answer {
	b.Helper()
	r := b.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", b.url)
	return b.send(r)
}

// page is the path of an invoice's buyer's page.
func page(id string) string { return "/checkout/?invoice-id=" + id }

// wants checks that a page says some things and not others.
func (b *bench) wants(a answer, status int, says ...string) {
	b.Helper()
	if a.status != status {
		b.Errorf("got status %d, want %d", a.status, status)
	}
	for _, s := range says {
		if not, ok := strings.CutPrefix(s, "!"); ok && strings.Contains(a.body, not) {
			b.Errorf("the page says %q:\n%s", not, a.body)
		} else if !ok && !strings.Contains(a.body, s) {
			b.Errorf("the page does not say %q:\n%s", s, a.body)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
