package api_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// once makes a signed request with an Idempotency-Key.
func (c *cell) once(who client, key, path, body string) answer {
	c.Helper()
	r := c.request(who, "POST", path, body)
	r.Header["Idempotency-Key"] = []string{key}
	return c.send(r)
}

// wantSame expects an answer that was given before: status, headers and bytes.
func (c *cell) wantSame(got, want answer) {
	c.Helper()
	clean := func(a answer) string {
		h := maps.Clone(a.header)
		delete(h, "X-Request-Id")
		return fmt.Sprint(a.status, h, string(a.body))
	}
	if clean(got) != clean(want) {
		c.Errorf("got\n%s\nwant what was answered at first\n%s", clean(got), clean(want))
	}
}

// invoices counts a merchant's invoices.
func (c *cell) invoices(merchantID string) int {
	c.Helper()
	return len(view(c, func(tx *store.Tx) ([]paybell.Invoice, error) {
		return tx.Invoices(store.InvoiceFilter{MerchantID: merchantID, Limit: 100})
	}))
}

func (c *cell) webhooks(who client) int {
	c.Helper()
	return len(view(c, func(tx *store.Tx) ([]paybell.Webhook, error) { return tx.Webhooks(who.id, "") }))
}

const (
	invoicesV1 = "/api/v1/merchant/invoices"
	invoicesV2 = "/api/v2/merchant/invoices"

	// fullUSD has everything in its answer that could change: rates, a coin, links.
	fullUSD = `{"currency":"5057","amount":{"total":"10.00"},"poNumber":"PO-1","payment":{"refundEmail":"a@example.com","paymentCurrency":"LTCT"},` +
		`"webhooks":[{"notificationsUrl":"https://shop.example/one","notifications":["invoiceCreated"]}]}`
	fullV1 = `{"amount":{"currencyId":"5057","value":"1000"},"payment":{"refundEmail":"a@example.com","paymentCurrency":"LTCT"}}`
)

// The same key and body get the same bytes, whatever has changed since, and
// nothing is done twice.
func TestSameKeySameAnswer(t *testing.T) {
	inCell(t, func(c *cell) {
		hook := c.hook(c.shop)
		hooks := c.webhooks(c.shop)
		private := `{"notificationsUrl":"http://10.0.0.1/hook","notifications":["invoicePaid"]}`
		c.desk.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		requests := []struct {
			path, body string
			status     int
		}{
			{invoicesV2, fullUSD, 201}, {invoicesV1, fullV1, 201}, {invoicesV2 + "?x=1", tenUSD, 201},
			{hooksPath(c.shop), anything, 200}, {strings.Replace(hooksPath(c.shop), "v1", "v2", 1), anything, 200}, {hooksPath(c.shop), private, 200},
		}
		first := make([]answer, len(requests))
		for i, r := range requests {
			first[i] = c.once(c.shop, fmt.Sprint("key ", i), r.path, r.body)
			c.ok(r.status, first[i])
			if got := first[i].header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type is %s", got)
			}
		}
		if body := string(first[0].body); !strings.Contains(body, `"hotWallet"`) || !strings.Contains(body, `"paymentCurrencies"`) || !strings.Contains(body, "http://pay.example/") {
			t.Fatalf("this answer has too little in it for this test: %s", body)
		}
		told := []string{"pending InvoiceCreated", "pending PaymentCreated", "pending InvoicePending"}
		told = append(append(told, told...), "pending InvoiceCreated")
		again := func(what string) {
			t.Helper()
			for i, r := range requests {
				if a := c.once(c.shop, fmt.Sprint("key ", i), r.path, r.body); a.status != r.status {
					t.Errorf("%s: POST %s %s: %d %s", what, r.path, r.body, a.status, a.body)
				} else {
					c.wantSame(a, first[i])
				}
			}
			c.same(c.invoices(c.merchant), "3")
			c.same(c.webhooks(c.shop), fmt.Sprint(hooks+3))
			c.same(c.deliveries(hook), fmt.Sprint(told))
		}
		again("at once")
		c.market.set(false, "0.5")
		again("at another rate")
		c.market.set(true, "0.5")
		again("without rates")
		c.api.PublicURLs = []string{"https://pay.example.com/base"}
		c.open()
		again("under another URL")
		c.url = "http://elsewhere.example"
		again("asked elsewhere")
		c.restart()
		again("after a restart with other addresses allowed")
		must(c.T, c.desk.CancelInvoice(c.Context(), c.actor(c.shop), get(c.bench, c.decode(first[1]), "invoices", 0, "id").(string)))
		told = append(told, "pending InvoiceCancelled")
		again("after one was cancelled")
		c.rotate(c.shop, `{"overlapSeconds":60}`)
		again("signed with the old secret")
		c.change(c.shop, `{"name":"x","eventNames":"camelCase"}`)
		again("as a client of another name")
	})
}

// An answer is kept for a day to the microsecond; then the key is as new.
func TestKeysAreKeptForADay(t *testing.T) {
	inCell(t, func(c *cell) {
		for i, r := range []struct{ path, body string }{{invoicesV2, tenUSD}, {hooksPath(c.shop), anything}} {
			first := c.once(c.shop, "key", r.path, r.body)
			time.Sleep(24*time.Hour - time.Microsecond)
			c.wantSame(c.once(c.shop, "key", r.path, r.body), first)
			c.wantProblem(c.once(c.shop, "key", r.path, r.body+" "), 409)
			time.Sleep(time.Microsecond)
			second := c.once(c.shop, "key", r.path, r.body)
			if second.status != first.status || string(second.body) == string(first.body) {
				t.Errorf("%s a day later: %d %s", r.path, second.status, second.body)
			}
			c.wantSame(c.once(c.shop, "key", r.path, r.body), second)
			time.Sleep(24 * time.Hour)
			c.ok(first.status, c.once(c.shop, "key", r.path, r.body+" ")) // other content, too
			if i == 0 {
				c.same(c.invoices(c.merchant), "3")
			}
		}
		c.same(c.webhooks(c.shop), "3")
	})
}

func TestKeyWithAnotherBody(t *testing.T) {
	inCell(t, func(c *cell) {
		first := c.once(c.shop, "key", invoicesV2, tenUSD)
		c.ok(201, first)
		for _, body := range []string{
			strings.Replace(tenUSD, "10.00", "10.01", 1), tenUSD + " ", tenUSD + "\n", strings.Replace(tenUSD, "10.00", "10.0", 1), strings.Replace(tenUSD, "5057", "USD", 1),
		} {
			c.wantProblem(c.once(c.shop, "key", invoicesV2, body), 409, "Idempotency-Key", "another body", "new key")
		}
		c.wantSame(c.once(c.shop, "key", invoicesV2, tenUSD), first)
		c.same(c.invoices(c.merchant), "1")

		hook := c.once(c.shop, "key", hooksPath(c.shop), anything)
		c.ok(200, hook)
		c.wantProblem(c.once(c.shop, "key", hooksPath(c.shop), hookBody), 409, "Idempotency-Key")
		c.wantSame(c.once(c.shop, "key", hooksPath(c.shop), anything), hook)
		c.same(c.webhooks(c.shop), "1")
	})
}

// The same key means another thing to another client, or on another route.
func TestKeysAreTheClientsOwn(t *testing.T) {
	inCell(t, func(c *cell) {
		seen := map[string]bool{}
		for _, who := range []client{c.shop, c.sibling, c.stranger} {
			for path, body := range map[string]string{
				invoicesV1: v1Body, invoicesV2: tenUSD, hooksPath(who): anything, strings.Replace(hooksPath(who), "v1", "v2", 1): anything,
			} {
				for range 2 {
					a := c.once(who, "key", path, body)
					if a.status != 200 && a.status != 201 {
						t.Errorf("POST %s: %d %s", path, a.status, a.body)
					}
					seen[string(a.body)] = true
				}
			}
		}
		c.same(len(seen), "12")
		c.same(c.invoices(c.merchant), "4")
		c.same(c.invoices(c.other), "2")
		c.same(c.webhooks(c.shop), "2")

		// One route, however its path is spelled.
		a := c.once(c.shop, "spelled", hooksPath(c.shop), anything)
		c.wantSame(c.once(c.shop, "spelled", "/api/v1/merchant/clients/"+paybell.DashedClientID(c.shop.id)+"/webhooks?x=1", anything), a)
		// Keys are taken as they are.
		for _, key := range []string{"k", "K", "k ", " k", "%", "_", "key%", "'", `"`, "k'--", "~"} {
			c.ok(201, c.once(c.shop, key, invoicesV2, tenUSD))
		}
		c.same(c.invoices(c.merchant), fmt.Sprint(4+11))
	})
}

// A request that failed was not done, so it may be tried again with its key.
func TestErrorsAreNotRemembered(t *testing.T) {
	inCell(t, func(c *cell) {
		coin := `{"currency":"5057","amount":{"total":"10.00"},"payment":{"paymentCurrency":"LTCT"}}`
		c.market.set(true, "1")
		for range 2 {
			c.wantProblem(c.once(c.shop, "503", invoicesV2, coin), 503, "market is closed")
		}
		c.market.set(false, "1")
		first := c.once(c.shop, "503", invoicesV2, coin)
		c.ok(201, first)
		c.wantSame(c.once(c.shop, "503", invoicesV2, coin), first)

		c.wantProblem(c.once(c.shop, "400", invoicesV2, `{"currency":"5057","amount":{"total":"0"}}`), 400, "amount.total")
		c.ok(201, c.once(c.shop, "400", invoicesV2, tenUSD)) // another body: the first was never taken

		po := `{"currency":"5057","amount":{"total":"10.00"},"poNumber":"7"}`
		c.ok(201, c.call(c.sibling, "POST", invoicesV2, po))
		for range 2 {
			c.wantProblem(c.once(c.shop, "po", invoicesV2, po), 400, "poNumber") // found in the transaction
		}
		c.ok(201, c.once(c.shop, "po", invoicesV2, strings.Replace(po, `"7"`, `"8"`, 1)))

		c.wantProblem(c.once(c.shop, "hook", hooksPath(c.shop), `{"notificationsUrl":"http://10.0.0.1/","notifications":["invoicePaid"]}`), 400, "notificationsUrl")
		c.ok(200, c.once(c.shop, "hook", hooksPath(c.shop), anything))

		for range paybell.MaxWebhooksPerClient - 1 {
			c.ok(200, c.call(c.shop, "POST", hooksPath(c.shop), anything))
		}
		c.wantProblem(c.once(c.shop, "full", hooksPath(c.shop), anything), 409, "100 webhooks")
		last := get(c.bench, c.ok(200, c.call(c.shop, "GET", hooksPath(c.shop), "")), "items", 99, "id").(string)
		c.ok(204, c.call(c.shop, "DELETE", hooksPath(c.shop)+"/"+last, ""))
		c.ok(200, c.once(c.shop, "full", hooksPath(c.shop), anything))

		before := c.invoices(c.merchant)
		c.change(c.shop, `{"permissions":"createClientWebHook"}`)
		c.wantProblem(c.once(c.shop, "403", invoicesV2, tenUSD), 403, "createInvoice")
		c.same(c.invoices(c.merchant), fmt.Sprint(before))
		c.change(c.shop, `{"permissions":"all"}`)
		c.ok(201, c.once(c.shop, "403", invoicesV2, tenUSD))
	})
}

// Who may no longer ask gets no answer, not even one that was given before.
func TestMemoryIsBehindTheDoor(t *testing.T) {
	inCell(t, func(c *cell) {
		first := c.once(c.shop, "key", invoicesV2, tenUSD)
		hook := c.once(c.shop, "key", hooksPath(c.shop), anything)
		again := func() (invoice, webhook answer) {
			return c.once(c.shop, "key", invoicesV2, tenUSD), c.once(c.shop, "key", hooksPath(c.shop), anything)
		}
		c.change(c.shop, `{"permissions":"listInvoices"}`)
		a, h := again()
		c.wantProblem(a, 403, "createInvoice")
		c.wantProblem(h, 403, "createClientWebHook")
		c.wantProblem(c.once(c.shop, "key", invoicesV2, tenUSD+" "), 403) // nor what was asked before
		c.change(c.shop, `{"permissions":"all"}`)
		a, h = again()
		c.wantSame(a, first)
		c.wantSame(h, hook)

		c.change(c.shop, `{"allowedIps":"198.51.100.7"}`)
		a, _ = again()
		c.wantProblem(a, 401, "allowed IPs")
		c.change(c.shop, `{"allowedIps":"","state":"disabled"}`)
		a, _ = again()
		c.wantProblem(a, 401, "not known here")
		c.wantProblem(c.once(client{c.shop.id, "wrong"}, "key", invoicesV2, tenUSD), 401)
		c.change(c.shop, `{"state":"active"}`)
		a, h = again()
		c.wantSame(a, first)
		c.wantSame(h, hook)

		// The path is somebody else's: that comes first.
		c.wantProblem(c.once(c.sibling, "key", hooksPath(c.shop), anything), 404)
	})
}

func TestKeyBounds(t *testing.T) {
	inCell(t, func(c *cell) {
		for _, path := range []string{invoicesV1, invoicesV2, hooksPath(c.shop)} {
			body := map[string]string{invoicesV1: v1Body, invoicesV2: tenUSD}[path]
			if body == "" {
				body = anything
			}
			c.wantField(c.once(c.shop, "", path, body), "Idempotency-Key")
			for _, key := range []string{strings.Repeat("x", 256), strings.Repeat("x", 5000), "é", "schlüssel", "\x00", "a\tb", "a\nb", "\x7f", "\xff", "🔑", "\u00a0", "k\x00"} {
				c.wantField(c.once(c.shop, key, path, body), "Idempotency-Key")
			}
			for _, keys := range [][]string{{"a", "b"}, {"a", "a"}, {"", ""}, {"a", ""}, {"a", "b", "c"}} {
				r := c.request(c.shop, "POST", path, body)
				r.Header["Idempotency-Key"] = keys
				c.wantField(c.send(r), "Idempotency-Key")
			}
		}
		c.same(c.invoices(c.merchant), "0")
		c.same(c.webhooks(c.shop), "0")
		long := strings.Repeat("x", 255)
		first := c.once(c.shop, long, invoicesV2, tenUSD)
		c.ok(201, first)
		c.wantSame(c.once(c.shop, long, invoicesV2, tenUSD), first)
		c.ok(201, c.once(c.shop, long[1:], invoicesV2, tenUSD))
		c.ok(201, c.once(c.shop, "x", invoicesV2, tenUSD))
		c.ok(201, c.once(c.shop, " !~,;=", invoicesV2, tenUSD))
		c.same(c.invoices(c.merchant), "4")

		// Without a key nothing is remembered.
		one, two := c.call(c.shop, "POST", invoicesV2, tenUSD), c.call(c.shop, "POST", invoicesV2, tenUSD)
		c.ok(201, one)
		c.ok(201, two)
		if string(one.body) == string(two.body) {
			t.Errorf("two requests without a key made one invoice: %s", one.body)
		}
		c.same(c.invoices(c.merchant), "6")
	})
}

// What is no new thing takes no notice of a key: a cancel does the same twice
// anyway.
func TestKeysElsewhere(t *testing.T) {
	inCell(t, func(c *cell) {
		for range 2 {
			id := c.invoice(c.shop)
			c.ok(200, c.once(c.shop, "key", "/api/v2/merchant/invoices/"+id+"/cancel", ""))
			c.same(get(c.bench, c.ok(200, c.call(c.shop, "GET", "/api/v2/merchant/invoices/"+id, "")), "status"), "cancelled")
		}
	})
}

// However many ask at once: one thing is made, and everybody hears of that one.
// Over real connections, since those do ask at once.
func TestOneKeyAtOnce(t *testing.T) {
	b := newBench(t)
	for round := range 10 {
		for path, body := range map[string]string{invoicesV1: fullV1, invoicesV2: tenUSD, hooksPath(b.shop): anything} {
			const callers = 8
			answers := make([]answer, callers)
			var wg sync.WaitGroup
			for i := range callers {
				r := b.request(b.shop, "POST", path, body)
				r.Header.Set("Idempotency-Key", fmt.Sprint("round ", round))
				wg.Go(func() { answers[i] = b.send(r) })
			}
			wg.Wait()
			for _, a := range answers {
				if a.status/100 != 2 || string(a.body) != string(answers[0].body) {
					t.Fatalf("POST %s: %d %s and %d %s", path, a.status, a.body, answers[0].status, answers[0].body)
				}
			}
		}
	}
	items := func(path string) []any { return get(b, b.want(200, b.shop, "GET", path, ""), "items").([]any) }
	b.same(len(items(invoicesV2+"?limit=100")), "20")
	b.same(len(items(hooksPath(b.shop))), "10")
	types := []any{}
	for _, inv := range items(invoicesV2 + "?limit=100") {
		for _, step := range items("/api/v2/merchant/invoices/" + get(b, inv, "id").(string) + "/history") {
			types = append(types, get(b, step, "eventType"))
		}
	}
	created := slices.DeleteFunc(types, func(kind any) bool { return kind != "created" })
	b.same(len(created), "20")
}

// At once, with bodies that differ: one of them is done, and the others learn it.
func TestOneKeyAtOnceForTwoThings(t *testing.T) {
	b := newBench(t)
	for round := range 10 {
		const callers = 8
		answers := make([]answer, callers)
		var wg sync.WaitGroup
		for i := range callers {
			r := b.request(b.shop, "POST", invoicesV2, fmt.Sprintf(`{"currency":"5057","amount":{"total":"%d.00"}}`, 1+i%2))
			r.Header.Set("Idempotency-Key", fmt.Sprint("round ", round))
			wg.Go(func() { answers[i] = b.send(r) })
		}
		wg.Wait()
		status := [2]int{answers[0].status, answers[1].status}
		if status != [2]int{201, 409} && status != [2]int{409, 201} {
			t.Fatalf("got %v, want one 201 and one 409", status)
		}
		for i, a := range answers {
			if first := answers[i%2]; a.status != first.status || a.status == 201 && string(a.body) != string(first.body) {
				t.Errorf("got %d %s and %d %s", a.status, a.body, first.status, first.body)
			}
		}
	}
	b.same(len(get(b, b.want(200, b.shop, "GET", invoicesV2+"?limit=100", ""), "items").([]any)), "10")
}
