package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// startOne starts one of several processes that serve one database, with the same key.
func startOne(t *testing.T, database, key string, roles ...string) *app {
	t.Helper()
	a, err := start(t.Context(), appConfig{
		dataFlags: dataFlags{Data: t.TempDir(), KeyFile: key, Database: database}, roles: roles, listen: "127.0.0.1:0",
		allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// looker is somebody who looks at a page that changes by itself.
type looker struct {
	t     *testing.T
	lines *bufio.Scanner
}

func look(t *testing.T, client *http.Client, url string) *looker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return &looker{t, lines}
}

// until reads on to a line that says something.
func (l *looker) until(text string) {
	l.t.Helper()
	for l.lines.Scan() {
		if strings.Contains(l.lines.Text(), text) {
			return
		}
	}
	l.t.Fatalf("the page never says %q: %v", text, l.lines.Err())
}

// Who looks at a page sees at once what happens, whichever process serves the page
// and whichever makes it happen. A page that nobody told of looks every two seconds.
func TestPagesOfAnotherProcess(t *testing.T) {
	database, key := databases[1].make(t), filepath.Join(t.TempDir(), "key")
	back := startOne(t, database, key, roleWatch, roleDeliver, rolePrune)
	front := startOne(t, database, key, roleAPI)
	shop, err := back.desk.CreateMerchant(t.Context(), "Café Bell", "owner@cafe-bell.example")
	if err != nil {
		t.Fatal(err)
	}
	owner := desk.Owner(shop.ID)
	client, _, err := back.desk.CreateClient(t.Context(), owner, desk.NewClient{Name: "Web shop", URL: "https://cafe-bell.example", Permissions: paybell.AllPermissions})
	if err != nil {
		t.Fatal(err)
	}
	user, _, err := back.desk.CreateUser(t.Context(), owner, desk.NewUser{Name: "Ada", Email: "ada@cafe-bell.example"}, paybell.RoleOwner)
	if err != nil {
		t.Fatal(err)
	}
	pass, err := back.desk.NewSignInPass(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	resp, err := browser.Post(front.url+"/dash/pass/"+pass, "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()

	program := desk.Actor{MerchantID: shop.ID, ClientID: client.ID, Permissions: paybell.AllPermissions, Terms: paybell.DefaultTerms}
	bill := func(number string) paybell.Invoice {
		t.Helper()
		b := paybell.Bill{Currency: "5057", Total: decimal.NewFromInt(10), Number: number}
		b.Breakdown.Subtotal = b.Total
		inv, err := back.desk.CreateInvoice(t.Context(), program, desk.NewInvoice{Bill: b, PaymentCurrency: "LTCT"})
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	inv := bill("0001")
	overview := look(t, browser, front.url+"/dash/")
	overview.until("0001")
	checkout := look(t, http.DefaultClient, front.url+"/checkout/?invoice-id="+inv.ID)
	checkout.until("Waiting for your payment")

	t.Run("of what is made there", func(t *testing.T) {
		var all []time.Duration
		for _, number := range []string{"0002", "0003", "0004", "0005", "0006"} {
			bill(number)
			began := time.Now()
			overview.until(number)
			all = append(all, time.Since(began))
		}
		slices.Sort(all)
		t.Logf("the page of another process changed after %v", all)
		if all[len(all)/2] > 1500*time.Millisecond {
			t.Errorf("the page of another process changed after %v", all)
		}
	})
	t.Run("of what a watcher there sees", func(t *testing.T) {
		began := time.Now()
		if _, err := front.desk.PaySandbox(t.Context(), program, inv.ID, nil); err != nil {
			t.Fatal(err)
		}
		checkout.until("0 of 3 confirmations")
		t.Logf("a payment was shown after %v", time.Since(began))
		for range 3 {
			if _, err := front.desk.MineSandbox(t.Context(), program, 1); err != nil {
				t.Fatal(err)
			}
		}
		checkout.until(`data-title="Paid`)
		t.Logf("and its confirmations after %v", time.Since(began))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Two processes are sent one request at the same moment, each again and again: one
// makes the invoice, and everybody gets its answer.
func TestOnceOverProcesses(t *testing.T) {
	database, key := databases[1].make(t), filepath.Join(t.TempDir(), "key")
	both := []*app{startOne(t, database, key, roleAPI), startOne(t, database, key, roleAPI)}
	shop, err := both[0].desk.CreateMerchant(t.Context(), "Café Bell", "owner@cafe-bell.example")
	if err != nil {
		t.Fatal(err)
	}
	client, _, err := both[0].desk.CreateClient(t.Context(), desk.Owner(shop.ID), desk.NewClient{Name: "Web shop", URL: "https://cafe-bell.example", Permissions: paybell.AllPermissions})
	if err != nil {
		t.Fatal(err)
	}
	program := desk.Actor{MerchantID: shop.ID, ClientID: client.ID, Permissions: paybell.AllPermissions, Terms: paybell.DefaultTerms}
	const rounds, each = 10, 3
	for round := range rounds {
		answers := make([]string, len(both)*each)
		errs := make([]error, len(answers))
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				b := paybell.Bill{Currency: "5057", Total: decimal.NewFromInt(10)}
				b.Breakdown.Subtotal = b.Total
				answer, err := both[i%len(both)].desk.CreateInvoiceOnce(t.Context(), program, desk.NewInvoice{Bill: b}, desk.Once[paybell.Invoice]{
					Route: "POST /invoices", Key: fmt.Sprint("order ", round), Body: []byte("10 USD"),
					Answer: func(inv paybell.Invoice) ([]byte, error) { return []byte(inv.ID), nil },
				})
				answers[i], errs[i] = string(answer), err
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if distinct := slices.Compact(slices.Sorted(slices.Values(answers))); len(distinct) != 1 || distinct[0] == "" {
			t.Errorf("%d answers to one request: %q", len(distinct), answers)
		}
	}
	made, err := both[0].desk.ListInvoices(t.Context(), program, desk.InvoiceFilter{Limit: 100}, desk.MaxSteps)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Invoices) != rounds {
		t.Errorf("%d invoices were made for %d requests", len(made.Invoices), rounds)
	}
}
