package killtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// shop is a merchant's program with its integration client. Its methods make
// signed requests, and wait while the server is down.
type shop struct {
	account
	name   string
	home   *endpoint // where the webhooks of single invoices point
	server *server
	recv   *receiver
	web    *http.Client
	excuse func(answer string) bool // of a 500; nil: there is none

	acknowledged *atomic.Int64 // invoices, of all shops
	numbers      atomic.Int64
}

// The answers to a request. What is not among them ends the test.
const (
	ok       = http.StatusOK
	conflict = http.StatusConflict
	cut      = 0 // a kill cut the answer off
)

// call makes one request and reads its answer into into, if that is not nil. Where
// a 503 says that nothing was written, it asks again; another, and what a database
// that is killed makes of it, is as good as no answer. An error ends the test.
func (s *shop) call(ctx context.Context, method, path, body string, into any) (status int, err error) {
	for {
		status, answer, err := s.once(ctx, method, path, body)
		switch {
		case err != nil:
			return cut, err
		case status == cut || status == conflict:
			return status, nil
		case status >= 200 && status < 300:
			if into != nil {
				if err := json.Unmarshal(answer, into); err != nil {
					return status, fmt.Errorf("%s %s: %w in %s", method, path, err, answer)
				}
			}
			return ok, nil
		case status == http.StatusInternalServerError && s.excuse != nil && s.excuse(string(answer)):
		case status != http.StatusServiceUnavailable:
			return status, fmt.Errorf("%s %s answered %d: %s", method, path, status, answer)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return cut, err
		}
		if !strings.Contains(string(answer), "nothing was written") {
			return cut, nil
		}
	}
}

// once makes one request of one life of the server.
func (s *shop) once(ctx context.Context, method, path, body string) (status int, answer []byte, err error) {
	l, err := s.server.enter(ctx)
	if err != nil {
		return cut, nil, err
	}
	status, answer, err = s.exchange(ctx, method, path, body)
	s.server.leave(l, err)
	if err == nil {
		return status, answer, nil
	}
	if ctx.Err() != nil {
		return cut, nil, context.Cause(ctx)
	}
	// The only excuse is that the server was killed.
	select {
	case <-l.exited:
		return cut, nil, nil
	case <-time.After(10 * time.Second):
		return cut, nil, fmt.Errorf("%s %s: %w, and nobody killed the server; what it was doing:\n%s", method, path, err, s.server.dump(l))
	}
}

func (s *shop) exchange(ctx context.Context, method, path, body string) (int, []byte, error) {
	target := s.server.url() + path
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.GetBody = nil // what was perhaps done is not to be asked for again behind our back
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CoinPayments-Client", s.clientID)
	req.Header.Set("X-CoinPayments-Timestamp", stamp)
	req.Header.Set("X-CoinPayments-Signature", sign([]byte(s.secret), "\xEF\xBB\xBF"+method, target, s.clientID, stamp, body))
	resp, err := s.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		err = errors.New("503 without Retry-After: " + string(answer))
	}
	return resp.StatusCode, answer, err
}

// ask is call for a verb of a sale: it writes down what was answered.
func (s *shop) ask(ctx context.Context, sl *sale, v verb, method, path, body string, into any) (outcome, error) {
	status, err := s.call(ctx, method, path, body, into)
	if err != nil {
		return lost, err
	}
	o := acknowledged
	switch status {
	case cut:
		o = lost
	case conflict:
		o = refused
	}
	sl.note(s.recv.since(), v, o)
	return o, nil
}

// insist is ask for what can be asked twice: until there is an answer.
func (s *shop) insist(ctx context.Context, sl *sale, v verb, method, path string) (outcome, error) {
	for {
		if o, err := s.ask(ctx, sl, v, method, path, "", nil); err != nil || o != lost {
			return o, err
		}
	}
}

// plan is a way to sell.
type plan struct {
	weight int
	do     func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error
}

// plans are the ways, with how often they are gone.
var plans = []plan{
	{50, func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error {
		return s.each(ctx, sl, random, (*shop).pick, (*shop).pay)
	}},
	{15, func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error {
		return s.each(ctx, sl, random, (*shop).pay) // the sandbox chooses its coin
	}},
	{12, func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error {
		return s.each(ctx, sl, random, (*shop).cancel)
	}},
	{8, func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error {
		return s.each(ctx, sl, random, (*shop).pick, (*shop).cancel)
	}},
	{5, func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error {
		return s.each(ctx, sl, random, (*shop).pick)
	}},
	{3, func(*shop, context.Context, *sale, *rand.Rand) error { return nil }},
	{7, (*shop).race},
}

type step func(s *shop, ctx context.Context, sl *sale, random *rand.Rand) error

func (s *shop) each(ctx context.Context, sl *sale, random *rand.Rand, steps ...step) error {
	for _, do := range steps {
		if err := do(s, ctx, sl, random); err != nil {
			return err
		}
	}
	return nil
}

// sell makes one sale from its beginning to where the chain has to go on.
func (s *shop) sell(ctx context.Context, random *rand.Rand) error {
	sl := &sale{number: fmt.Sprintf("%s-%d", s.name, s.numbers.Add(1)), owner: &s.account}
	s.recv.open(sl)
	var made struct{ Invoices []struct{ ID string } }
	o, err := s.ask(ctx, sl, create, http.MethodPost, "/api/v2/merchant/invoices", s.bill(sl, random), &made)
	if err != nil || o == lost {
		return err // nobody knows its id: what became of it is seen at the end
	}
	if o != acknowledged || len(made.Invoices) != 1 {
		return fmt.Errorf("create %s: %s with %d invoices", sl.number, outcomeNames[o], len(made.Invoices))
	}
	sl.mu.Lock()
	sl.id = made.Invoices[0].ID
	sl.mu.Unlock()
	s.acknowledged.Add(1)
	return choose(random).do(s, ctx, sl, random)
}

func choose(random *rand.Rand) plan {
	sum := 0
	for _, p := range plans {
		sum += p.weight
	}
	n := random.IntN(sum)
	for _, p := range plans {
		if n -= p.weight; n < 0 {
			return p
		}
	}
	panic("unreachable")
}

// bill writes the request for a new invoice. One in eight chooses its coin at
// once; one in forty brings its own webhook.
func (s *shop) bill(sl *sale, random *rand.Rand) string {
	amount := fmt.Sprintf("%d.%02d", 1+random.IntN(500), random.IntN(100))
	body := map[string]any{
		"currency": "USD", "invoiceId": sl.number, "customData": map[string]string{"sale": sl.number},
		"items":  []any{map[string]any{"name": "Coffee, ½ kg", "quantity": map[string]any{"value": 1, "type": "quantity"}, "amount": amount}},
		"amount": map[string]any{"breakdown": map[string]string{"subtotal": amount}, "total": amount},
	}
	if random.IntN(8) == 0 {
		body["payment"] = map[string]string{"paymentCurrency": "1002"}
	}
	if random.IntN(40) == 0 {
		h := s.recv.expect(s.home, "/sale/"+sl.number, &s.account, sl.number)
		body["webhooks"] = []any{map[string]any{"notificationsUrl": h.url, "notifications": everything}}
	}
	text, _ := json.Marshal(body) // strings and numbers always encode
	return string(text)
}

func (s *shop) pick(ctx context.Context, sl *sale, _ *rand.Rand) error {
	o, err := s.insist(ctx, sl, pick, http.MethodGet, "/api/v1/invoices/"+sl.id+"/payment-currencies/LTCT")
	return unless(o == acknowledged, err, sl, "the coin could not be chosen")
}

// pay pays once. When the answer is lost, half of the buyers try again and so
// may pay twice; the others leave it.
func (s *shop) pay(ctx context.Context, sl *sale, random *rand.Rand) error {
	again := random.IntN(2) == 0
	for {
		o, err := s.ask(ctx, sl, pay, http.MethodPost, "/api/v1/sandbox/invoices/"+sl.id+"/pay", "{}", nil)
		if err == nil && o == lost && again {
			continue
		}
		return unless(o != refused, err, sl, "the payment was refused")
	}
}

func (s *shop) cancel(ctx context.Context, sl *sale, _ *rand.Rand) error {
	o, err := s.insist(ctx, sl, cancel, http.MethodPost, "/api/v1/merchant/invoices/"+sl.id+"/cancel")
	return unless(o == acknowledged, err, sl, "the cancel was refused")
}

// race pays and cancels at the same time: whoever comes first, the other must
// not be told of.
func (s *shop) race(ctx context.Context, sl *sale, random *rand.Rand) error {
	if err := s.pick(ctx, sl, random); err != nil {
		return err
	}
	var payErr, cancelErr error
	var both sync.WaitGroup
	both.Go(func() { payErr = s.pay(ctx, sl, random) })
	both.Go(func() {
		_, cancelErr = s.insist(ctx, sl, cancel, http.MethodPost, "/api/v1/merchant/invoices/"+sl.id+"/cancel")
	})
	both.Wait()
	if payErr != nil {
		return payErr
	}
	return cancelErr
}

func unless(fine bool, err error, sl *sale, text string) error {
	if err != nil || fine {
		return err
	}
	return fmt.Errorf("sale %s: %s", sl.number, text)
}

// mine mines blocks until one request is answered.
func (s *shop) mine(ctx context.Context, blocks int) error {
	for {
		status, err := s.call(ctx, http.MethodPost, "/api/v1/sandbox/mine", fmt.Sprintf(`{"blocks":%d}`, blocks), nil)
		if err != nil || status == ok {
			return err
		}
	}
}

// list reads all invoices of the shop's merchant.
func (s *shop) list(ctx context.Context, into map[string]stored) error {
	after := ""
	for {
		var page struct {
			Items []struct {
				ID, InvoiceID, Status string
				Paybell               struct{ Version int }
			}
			Paging struct{ Cursors struct{ After string } }
		}
		status, err := s.call(ctx, http.MethodGet, "/api/v2/merchant/invoices?limit=100&after="+url.QueryEscape(after), "", &page)
		if err != nil || status != ok {
			return fmt.Errorf("list the invoices: %d, %w", status, err)
		}
		for _, it := range page.Items {
			into[it.ID] = stored{it.InvoiceID, it.Status, it.Paybell.Version}
		}
		if after = page.Paging.Cursors.After; after == "" {
			return nil
		}
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
