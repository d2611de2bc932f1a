package deliver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// answers is a transport that answers as a function says, and keeps what came.
type answers struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies [][]byte
	at     []time.Time
	say    func(n int, r *http.Request, body []byte) (status int, header http.Header)
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.got, a.bodies, a.at = append(a.got, r), append(a.bodies, body), append(a.at, time.Now())
	n := len(a.got)
	a.mu.Unlock()
	status, header := a.say(n, r, body)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Header: header, Request: r}, nil
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

// A head that keeps failing while its endpoint accepts other things is passed
// over after ten minutes, and says so from then on; what fails together waits.
func TestPoison(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("shop.example")
		var poison string
		everything := false
		a := &answers{}
		a.say = func(_ int, _ *http.Request, body []byte) (int, http.Header) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if everything || bytes.Contains(body, []byte(poison)) && bytes.Contains(body, []byte(`"InvoiceCreated"`)) {
				return 500, nil
			}
			return 204, nil
		}
		stop := h.run(a)
		defer stop()
		a.mu.Lock()
		inv := h.invoice()
		poison = inv.ID
		everything = true
		a.mu.Unlock()
		h.cancel(inv)
		arrived := func() (passed, marked bool) {
			a.mu.Lock()
			defer a.mu.Unlock()
			for i, body := range a.bodies {
				passed = passed || bytes.Contains(body, []byte(poison)) && bytes.Contains(body, []byte(`"InvoiceCancelled"`))
				marked = marked || a.got[i].Header.Get("Paybell-Out-Of-Order") != ""
			}
			return passed, marked
		}
		time.Sleep(5 * time.Hour)
		if passed, _ := arrived(); passed {
			t.Fatal("the head was passed over although the whole endpoint failed")
		}
		a.mu.Lock()
		everything = false
		a.mu.Unlock()
		h.invoice()
		time.Sleep(9 * time.Hour) // its next attempt, at the latest
		if passed, _ := arrived(); !passed {
			t.Fatal("the lane waits behind a message that nobody will ever accept")
		}
		time.Sleep(24 * time.Hour)
		if _, marked := arrived(); !marked {
			t.Error("what was passed over does not say that it is out of order")
		}
		if got := h.states(hook); got[paybell.Delivered] != 2 || got[paybell.DeliveryPending] != 1 {
			t.Errorf("states %v", got)
		}
	})
}

// Retry-After keeps everything away from the endpoint, and then it is asked
// gently.
func TestRetryAfterHoldsTheEndpoint(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		h.webhook("shop.example")
		a := &answers{say: func(n int, _ *http.Request, _ []byte) (int, http.Header) {
			if n == 1 {
				return 429, http.Header{"Retry-After": {"600"}}
			}
			return 204, nil
		}}
		stop := h.run(a)
		began := time.Now()
		h.invoice()
		time.Sleep(time.Minute)
		for range 20 {
			h.invoice() // none of them may go
		}
		time.Sleep(8 * time.Minute)
		if n := a.count(); n != 1 {
			t.Fatalf("%d requests came while the endpoint wanted to be left alone", n)
		}
		time.Sleep(10 * time.Minute)
		stop()
		if n := a.count(); n != 22 {
			t.Errorf("%d requests in all, want 22", n)
		}
		if first := a.at[1].Sub(began); first < 10*time.Minute || first > 11*time.Minute {
			t.Errorf("it was asked again after %v", first)
		}
	})
}

func TestRetryAfterTexts(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-5": 0, "+5": 0, "1.5": 0, "soon": 0, "99999999999999999999": 24 * time.Hour, "86401": 24 * time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0, "Sat, 02 Jan 2027 03:05:05 GMT": 24 * time.Hour, "5, 6": 0, " 5": 0,
	} {
		got := retryAfter(text, now)
		if want == 0 && !got.IsZero() || want > 0 && !got.Equal(now.Add(want)) {
			t.Errorf("%q: until %v", text, got)
		}
	}
}

// An endpoint that fails for five days is disabled, loudly; what comes then is
// held, and enabled it gets everything, in order.
func TestDisabledAfterFiveDays(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		dead, other := h.webhook("dead.example"), h.webhook("shop.example")
		down := true
		s := &shop{}
		s.answer = func(a arrival) (int, io.Reader) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if a.host == "dead.example" && down {
				return 503, strings.NewReader("")
			}
			return 204, strings.NewReader("")
		}
		stop := h.run(s)
		defer stop()
		var invoices []paybell.Invoice
		for range 12 { // six days
			invoices = append(invoices, h.invoice())
			time.Sleep(12 * time.Hour)
		}
		told := 0
		last := time.Time{}
		for _, a := range s.arrivals() {
			if a.event == "WebhookDisabled" {
				told++
			}
			if a.host == "dead.example" {
				last = a.at
			}
		}
		if told != 1 || time.Since(last) < 12*time.Hour {
			t.Fatalf("the other webhook was told %d times; the last request was %v ago", told, time.Since(last))
		}
		h.cancel(invoices[11])
		time.Sleep(time.Second)
		if got := h.states(dead); got[paybell.Held] == 0 || got[paybell.Delivered] != 0 {
			t.Errorf("states of the disabled one: %v", got)
		}
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		e := store.Endpoint{ClientID: h.client.ID, Origin: "https://dead.example:443"}
		health, err := store.View(context.Background(), h.db, func(tx *store.Tx) (paybell.Health, error) { return tx.Health(e) })
		if err != nil || health.State(time.Now()) != paybell.EndpointDisabled {
			t.Fatalf("its health is %+v, %v", health, err)
		}
		h.do(func(tx *store.Tx) error {
			err := tx.EnableEndpoint(e)
			_, startErr := tx.StartResend(paybell.Resend{ID: "r", ClientID: e.ClientID, Origin: e.Origin, What: paybell.ResendMissed, Since: health.FailingSince,
				State: paybell.ResendRunning, CreatedAt: now()})
			return errors.Join(err, startErr)
		})
		resender := &Resender{DB: h.db, Every: time.Minute}
		for range 10 {
			if _, err := resender.Step(context.Background()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := h.states(dead); len(got) != 1 || got[paybell.Delivered] != 13 {
			t.Errorf("states after it was enabled: %v", got)
		}
		if got := h.states(other); len(got) != 1 || got[paybell.Delivered] != 14 {
			t.Errorf("states of the other: %v", got)
		}
	})
}

// After a long outage what waits does not keep to its schedule of hours.
func TestHastenedAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("shop.example")
		down := true
		s := &shop{}
		s.answer = func(arrival) (int, io.Reader) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if down {
				return 503, strings.NewReader("")
			}
			return 204, strings.NewReader("")
		}
		stop := h.run(s)
		defer stop()
		const n = 3 * memory
		for range n {
			h.invoice()
		}
		time.Sleep(20 * time.Hour)
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		h.invoice()
		time.Sleep(time.Minute)
		if got := h.states(hook); got[paybell.Delivered] != n+1 {
			t.Errorf("a minute after the outage: %v", got)
		}
	})
}

// Two processes share the endpoints; when one dies, the other serves them all.
func TestTwoProcesses(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		const hosts = 20
		var hooks []string
		for i := range hosts {
			hooks = append(hooks, h.webhook("shop"+string(rune('a'+i))+".example"))
		}
		byProcess := [2]*shop{{}, {}}
		dispatchers := [2]*Dispatcher{}
		var stops [2]context.CancelFunc
		var running [2]sync.WaitGroup
		for i := range dispatchers {
			d := New(h.db, byProcess[i], slog.New(slog.DiscardHandler))
			dispatchers[i] = d
			ctx, cancel := context.WithCancel(context.Background())
			stops[i] = cancel
			running[i].Go(func() { d.Run(ctx) })
		}
		h.db.OnCommit(func(fresh []paybell.Delivery) { dispatchers[0].Offer(fresh); dispatchers[1].Offer(fresh) })
		time.Sleep(5 * time.Second)
		for range 10 {
			h.invoice()
		}
		time.Sleep(3 * time.Second)
		first, second := len(byProcess[0].arrivals()), len(byProcess[1].arrivals())
		if first+second != 10*hosts || first == 0 || second == 0 {
			t.Errorf("%d and %d arrivals, want %d in all, some from each", first, second, 10*hosts)
		}
		// The second stands still: nothing of it is heard, as of a frozen machine.
		stops[1]()
		running[1].Wait()
		dispatchers[1].shards.id = ""
		for range 5 {
			h.invoice()
		}
		time.Sleep(10 * time.Second)
		stops[0]()
		running[0].Wait()
		for _, hook := range hooks {
			if got := h.states(hook); got[paybell.Delivered] != 15 {
				t.Errorf("states %v", got)
			}
		}
	})
}

// Every attempt verifies, by the official library and by the rule that
// CoinPayments' documentation gives: the first, the retries, and those during a
// rotation, for a receiver that knows the old secret and for one that knows the
// new. The CoinPayments header has room for one: which it is, is learned.
func TestSignaturesDuringARotation(t *testing.T) {
	for _, knows := range []int{0, 1} {
		bubble(t, func(t *testing.T, h *house) {
			secrets := []string{paybell.NewClientSecret(), paybell.NewClientSecret()}
			h.do(func(tx *store.Tx) error { // the old one, alone
				return tx.RotateSecret(h.client.ID, secrets[0], now(), now())
			})
			hook := h.webhook("shop.example")
			known := secrets[0]
			fail := 0
			a := &answers{}
			a.say = func(_ int, r *http.Request, body []byte) (int, http.Header) {
				a.mu.Lock()
				defer a.mu.Unlock()
				lib, err := standardwebhooks.NewWebhook("whsec_" + known)
				if err != nil {
					t.Error(err)
				}
				wire := http.Header{} // as a server reads it
				for name, values := range r.Header {
					wire[http.CanonicalHeaderKey(name)] = values
				}
				if err := lib.Verify(body, wire); err != nil {
					t.Errorf("the library refuses it: %v", err)
				}
				if fail > 0 {
					fail--
					return 500, nil
				}
				if !verifiesAsDocumented(r, body, known) {
					return 401, nil
				}
				return 200, nil
			}
			stop := h.run(a)
			defer func() { stop() }()
			fail = 2
			h.invoice()
			time.Sleep(time.Minute)
			if a.count() != 3 {
				t.Fatalf("%d attempts before the rotation, want 3", a.count())
			}
			h.do(func(tx *store.Tx) error {
				return tx.RotateSecret(h.client.ID, secrets[1], now(), now().Add(24*time.Hour))
			})
			time.Sleep(2 * time.Second)
			a.mu.Lock()
			known = secrets[knows]
			a.mu.Unlock()
			h.invoice()
			time.Sleep(10 * time.Second) // the receiver with the new secret refuses once
			if want := 4 + knows; a.count() != want {
				t.Fatalf("%d attempts, want %d: the first signed with the old secret", a.count(), want)
			}
			for range 5 {
				h.invoice()
			}
			time.Sleep(time.Second)
			if want := 9 + knows; a.count() != want {
				t.Errorf("%d attempts, want %d: it was not learned which secret the endpoint knows", a.count(), want)
			}
			if got := h.states(hook); got[paybell.Delivered] != 7 {
				t.Errorf("states %v", got)
			}
			stop()
			stop = h.run(a) // what was learned survives
			h.invoice()
			time.Sleep(time.Second)
			if want := 10 + knows; a.count() != want {
				t.Errorf("%d attempts after a restart, want %d", a.count(), want)
			}
		})
	}
}

// verifiesAsDocumented is the documented check: HMAC-SHA256 over the BOM, method,
// URL, client id, timestamp and body, with the secret as text.
func verifiesAsDocumented(r *http.Request, body []byte, secret string) bool {
	header := func(name string) string { return strings.Join(r.Header["X-CoinPayments-"+name], "") }
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, "\ufeff"+"POST"+r.URL.String()+header("Client")+header("Timestamp")+string(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == header("Signature")
}

// What is resent goes after what is fresh.
func TestResentAfterFresh(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("shop.example")
		slow := false
		began := map[string]time.Time{}
		a := &answers{}
		a.say = func(_ int, r *http.Request, _ []byte) (int, http.Header) {
			a.mu.Lock()
			wait := slow
			began[r.Header.Get("Paybell-Sequence")] = time.Now()
			a.mu.Unlock()
			if wait {
				time.Sleep(time.Second)
			}
			return 204, nil
		}
		stop := h.run(a)
		defer stop()
		const old = 300
		for range old {
			h.invoice()
		}
		time.Sleep(time.Minute)
		a.mu.Lock()
		slow = true
		a.mu.Unlock()
		h.do(func(tx *store.Tx) error {
			_, err := tx.StartResend(paybell.Resend{ID: "r", ClientID: h.client.ID, WebhookID: hook, Origin: "https://shop.example:443",
				What: paybell.ResendAfter, State: paybell.ResendRunning, CreatedAt: now()})
			return err
		})
		resender := &Resender{DB: h.db, Every: time.Second}
		if _, err := resender.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second / 2) // what there are slots for is on the wire
		synctest.Wait()
		made := time.Now()
		h.invoice() // fresh
		time.Sleep(2 * time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		if waited := began["1.301"].Sub(made); waited < 0 || waited > 600*time.Millisecond {
			t.Errorf("the fresh one began after %v, a slot was free after half a second", waited)
		}
	})
}
