package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// house is a store with one client, in a bubble of virtual time.
type house struct {
	t      *testing.T
	db     *store.DB
	client paybell.Client
	poll   time.Duration // of dispatchers
}

func newHouse(t *testing.T) *house {
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	storetest.Blank(t, dir)
	db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, poll: time.Hour} // they must not need it
	h.client = paybell.Client{ID: paybell.NewClientID(), MerchantID: "m", Name: "c", CreatedAt: now()}
	h.do(func(tx *store.Tx) error {
		return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "M"}), tx.CreateClient(h.client, paybell.NewClientSecret()))
	})
	return h
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (h *house) do(body func(*store.Tx) error) {
	h.t.Helper()
	if err := store.Do(context.Background(), h.db, body); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) webhook(host string) string {
	id := paybell.NewWebhookID()
	h.do(func(tx *store.Tx) error {
		return tx.CreateWebhook(paybell.Webhook{ID: id, ClientID: h.client.ID, URL: "https://" + host + "/hook", Origin: "https://" + host + ":443",
			Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: now()})
	})
	return id
}

func (h *house) draft() paybell.Change {
	return paybell.Create(paybell.Invoice{ID: paybell.NewUUID(time.Now()), MerchantID: "m", ClientID: h.client.ID,
		Bill: paybell.Bill{Currency: "5057"}, ExpiresAt: now().Add(365 * 24 * time.Hour)}, now())
}

// invoice makes one; more changes follow with cancel.
func (h *house) invoice() paybell.Invoice {
	c := h.draft()
	h.do(func(tx *store.Tx) error { return tx.Apply(c) })
	return c.Invoice
}

func (h *house) cancel(inv paybell.Invoice) {
	changes, err := inv.Next(paybell.Input{Do: paybell.Cancel{}}, now())
	if err != nil {
		h.t.Fatal(err)
	}
	h.do(func(tx *store.Tx) error { return tx.Apply(changes...) })
}

// run runs a dispatcher until the returned function is called.
func (h *house) run(transport http.RoundTripper) (stop func()) {
	d := New(h.db, transport, slog.New(slog.NewTextHandler(h.t.Output(), nil)))
	d.maxLanes, d.pollEvery, d.Alone = memory, h.poll, true
	h.db.OnCommit(d.Offer)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx) })
	synctest.Wait()
	return func() { cancel(); wg.Wait() }
}

func (h *house) states(webhookID string) map[paybell.DeliveryState]int {
	h.t.Helper()
	states := map[paybell.DeliveryState]int{}
	all, err := store.View(context.Background(), h.db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhookID, 0, 100_000) })
	if err != nil {
		h.t.Fatal(err)
	}
	for _, d := range all {
		states[d.State]++
	}
	return states
}

// arrival is a request as the receiver saw it.
type arrival struct {
	host, id, invoice, event, sequence string
	at                                 time.Time
}

// memory is how many lanes of one endpoint these dispatchers hold.
const memory = 50

// shop is a receiver without a network.
type shop struct {
	mu     sync.Mutex
	got    []arrival
	answer func(a arrival) (status int, body io.Reader) // nil: 204
}

func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var body struct {
		ID, Type string
		Invoice  struct{ ID string }
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, err
	}
	a := arrival{r.URL.Host, body.ID, body.Invoice.ID, body.Type, r.Header.Get("Paybell-Sequence"), time.Now()}
	s.mu.Lock()
	s.got = append(s.got, a)
	answer := s.answer
	s.mu.Unlock()
	status, text := 204, io.Reader(strings.NewReader(""))
	if answer != nil {
		status, text = answer(a)
	}
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(text), Header: http.Header{}, Request: r}, nil
}

func (s *shop) arrivals() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.got...)
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		defer h.db.Close()
		test(t, h)
	})
}

func TestInOrderAndOnce(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("shop.example")
		s := &shop{}
		stop := h.run(s)
		const n = 200
		for range n {
			h.cancel(h.invoice())
		}
		time.Sleep(time.Minute)
		stop()
		seen := map[string]string{}
		for _, a := range s.arrivals() {
			if want := map[string]string{"": "InvoiceCreated", "InvoiceCreated": "InvoiceCancelled"}[seen[a.invoice]]; a.event != want {
				t.Fatalf("%s came after %q for invoice %s", a.event, seen[a.invoice], a.invoice)
			}
			seen[a.invoice] = a.event
		}
		if got := h.states(hook); len(s.arrivals()) != 2*n || got[paybell.Delivered] != 2*n {
			t.Fatalf("%d arrivals of %d, states %v", len(s.arrivals()), 2*n, got)
		}
	})
}

func TestRetriesOnScheduleThenExhausted(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("shop.example")
		s := &shop{answer: func(a arrival) (int, io.Reader) {
			if a.event == "InvoiceCreated" {
				return 500, strings.NewReader("no")
			}
			return 200, strings.NewReader("OK")
		}}
		stop := h.run(s)
		h.cancel(h.invoice())
		time.Sleep(100 * time.Hour)
		stop()
		got := s.arrivals()
		if want := len(paybell.RetrySchedule) + 2; len(got) != want {
			t.Fatalf("%d attempts, want %d", len(got), want)
		}
		for i, pause := range paybell.RetrySchedule {
			if waited := got[i+1].at.Sub(got[i].at); waited < pause || waited > pause+pause/4+6*time.Second {
				t.Errorf("pause %d was %v, want %v to a fifth more", i, waited, pause)
			}
			if got[i+1].id != got[0].id || got[i+1].sequence != "1.1" {
				t.Errorf("attempt %d carries id %s number %s", i+1, got[i+1].id, got[i+1].sequence)
			}
		}
		if last := got[len(got)-1]; last.event != "InvoiceCancelled" || last.sequence != "1.2" {
			t.Errorf("after the schedule was over came %+v", last)
		}
		if st := h.states(hook); st[paybell.Exhausted] != 1 || st[paybell.Delivered] != 1 {
			t.Errorf("states %v", st)
		}
		attempts, err := store.View(context.Background(), h.db, func(tx *store.Tx) ([]paybell.Attempt, error) { return tx.Attempts(hook, 1) })
		if err != nil || len(attempts) != len(paybell.RetrySchedule)+1 || attempts[0].Failure != "answered 500" || attempts[0].Answer != "no" {
			t.Errorf("recorded %d attempts, first %+v, %v", len(attempts), attempts[0], err)
		}
	})
}

// A lane waits behind its failed head; other lanes of the same endpoint go on.
func TestOtherLanesDoNotWait(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		h.webhook("shop.example")
		var bad string
		down := true
		s := &shop{}
		s.answer = func(a arrival) (int, io.Reader) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if a.invoice == bad && down {
				return 503, strings.NewReader("")
			}
			return 204, strings.NewReader("")
		}
		stop := h.run(s)
		s.mu.Lock()
		inv := h.invoice()
		bad = inv.ID
		s.mu.Unlock()
		time.Sleep(time.Second)
		h.cancel(inv)
		other := h.invoice()
		h.cancel(other)
		time.Sleep(2 * time.Second)
		count := map[string]int{}
		for _, a := range s.arrivals() {
			count[a.invoice+" "+a.event]++
		}
		if count[other.ID+" InvoiceCancelled"] != 1 || count[inv.ID+" InvoiceCancelled"] != 0 || count[inv.ID+" InvoiceCreated"] != 1 {
			t.Fatalf("arrivals %v", count)
		}
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		time.Sleep(10 * time.Second)
		stop()
		got := s.arrivals()
		if last := got[len(got)-1]; last.invoice != inv.ID || last.event != "InvoiceCancelled" {
			t.Fatalf("the lane did not go on: %+v", last)
		}
	})
}

func TestHangingEndpointCostsOthersNothing(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		h.webhook("hangs.example")
		h.webhook("shop.example")
		s := &shop{answer: func(a arrival) (int, io.Reader) {
			if a.host == "hangs.example" {
				return 0, nil
			}
			return 204, strings.NewReader("")
		}}
		stop := h.run(s)
		for range 500 {
			made := time.Now()
			inv := h.invoice()
			synctest.Wait()
			for _, a := range s.arrivals() {
				if a.invoice == inv.ID && a.host == "shop.example" && a.at.Sub(made) > 0 {
					t.Fatalf("waited %v", a.at.Sub(made))
				}
			}
		}
		healthy := 0
		for _, a := range s.arrivals() {
			if a.host == "shop.example" {
				healthy++
			}
		}
		stop()
		if healthy != 500 {
			t.Fatalf("%d of 500 arrived at the healthy one", healthy)
		}
	})
}

// What a crash leaves pending is attempted after the start, oldest first, also
// when it does not fit into memory.
func TestStartWithABacklog(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("shop.example")
		const n = 10*memory + 7
		h.do(func(tx *store.Tx) error {
			for range n {
				created := h.draft()
				changes, err := created.Invoice.Next(paybell.Input{Do: paybell.Cancel{}}, now())
				if err := errors.Join(err, tx.Apply(created), tx.Apply(changes...)); err != nil {
					return err
				}
			}
			return nil
		})
		s := &shop{}
		stop := h.run(s)
		time.Sleep(time.Minute)
		stop()
		first := map[string]string{}
		for _, a := range s.arrivals() {
			if first[a.invoice] == "" && a.event != "InvoiceCreated" {
				t.Fatalf("%s came first", a.event)
			}
			first[a.invoice] = a.event
		}
		if got := h.states(hook); len(s.arrivals()) != 2*n || got[paybell.Delivered] != 2*n {
			t.Fatalf("%d arrivals of %d, states %v", len(s.arrivals()), 2*n, got)
		}
	})
}

func TestDeletedAndMovedWebhooks(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		h.poll = 5 * time.Second // nobody tells the dispatcher of a move
		hook := h.webhook("old.example")
		s := &shop{answer: func(a arrival) (int, io.Reader) {
			if a.host == "old.example" {
				return 500, strings.NewReader("")
			}
			return 204, strings.NewReader("")
		}}
		stop := h.run(s)
		inv := h.invoice()
		time.Sleep(time.Second)
		h.do(func(tx *store.Tx) error {
			w, err := tx.Webhook(h.client.ID, hook)
			w.URL, w.Origin = "https://new.example/hook", "https://new.example:443"
			return errors.Join(err, tx.UpdateWebhook(w))
		})
		moved := time.Now()
		time.Sleep(time.Minute)
		got := s.arrivals()
		if last := got[len(got)-1]; last.host != "new.example" || last.sequence != "1.1" {
			t.Fatalf("after the move: %+v", last)
		}
		h.do(func(tx *store.Tx) error { return tx.DeleteWebhook(h.client.ID, hook, now()) })
		deleted := time.Now()
		h.cancel(inv)
		time.Sleep(time.Hour)
		stop()
		for _, a := range s.arrivals() {
			if a.at.After(deleted.Add(time.Second)) || a.host == "old.example" && a.at.After(moved.Add(time.Second)) {
				t.Errorf("an attempt to %s started too late", a.host)
			}
		}
	})
}

func TestWhatCountsAsDelivered(t *testing.T) {
	stall := func() io.Reader { return io.MultiReader(strings.NewReader("OK"), stalled{}) }
	for _, c := range []struct {
		name    string
		status  int
		body    func() io.Reader
		failure string // part of it; empty: delivered
	}{
		{"200", 200, func() io.Reader { return strings.NewReader("OK") }, ""},
		{"204", 204, func() io.Reader { return strings.NewReader("") }, ""},
		{"longer than 1 MiB is cut", 200, func() io.Reader { return endless{} }, ""},
		{"redirect", 302, func() io.Reader { return strings.NewReader("") }, "redirects are not followed"},
		{"304", 304, func() io.Reader { return strings.NewReader("") }, "304"},
		{"gone", 410, func() io.Reader { return strings.NewReader("") }, "410"},
		{"body that breaks", 200, func() io.Reader { return io.MultiReader(strings.NewReader("OK"), broken{}) }, "did not end"},
		{"body that stalls", 200, stall, "did not end"},
		{"no answer", 0, nil, "within 15s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shop{answer: func(arrival) (int, io.Reader) {
					if c.body == nil {
						return c.status, nil
					}
					return c.status, c.body()
				}}
				transport := http.RoundTripper(s)
				if strings.Contains(c.name, "stalls") {
					transport = stalling{s}
				}
				began := time.Now()
				to := target{secrets: []paybell.Secret{{ID: 1, Text: paybell.NewClientSecret()}}}
				to.Webhook.URL = "https://shop.example/"
				a, _ := attempt(t.Context(), transport, paybell.Delivery{Body: []byte(`{}`), Attempts: 2, Number: 7}, to, 0)
				if c.failure == "" && a.Failure != "" || !strings.Contains(a.Failure, c.failure) {
					t.Errorf("failure %q, want %q", a.Failure, c.failure)
				}
				if a.N != 3 || a.Number != 7 || a.Status != c.status || len(a.Answer) > paybell.MaxAnswer || time.Since(began) > attemptTime {
					t.Errorf("attempt %d, status %d, %d bytes of answer, after %v", a.N, a.Status, len(a.Answer), time.Since(began))
				}
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte("x\x00\xff"), len(p)/3+1))
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// stalled is replaced by a body that waits for the end of the request.
type stalled struct{}

func (stalled) Read([]byte) (int, error) { return 0, fmt.Errorf("not reached") }

type stalling struct{ next http.RoundTripper }

func (s stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err == nil {
		resp.Body = waiting{r.Context()}
	}
	return resp, err
}

type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) { <-w.ctx.Done(); return 0, w.ctx.Err() }
func (waiting) Close() error               { return nil }

// Gone means gone: the webhook is disabled at once, the client's others are told,
// and what waits is held until somebody enables it.
func TestGone(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook, other := h.webhook("gone.example"), h.webhook("shop.example")
		s := &shop{answer: func(a arrival) (int, io.Reader) {
			if a.host == "gone.example" {
				return 410, strings.NewReader("")
			}
			return 204, strings.NewReader("")
		}}
		stop := h.run(s)
		h.cancel(h.invoice())
		h.invoice()
		time.Sleep(time.Hour)
		stop()
		told, gone := 0, 0
		for _, a := range s.arrivals() {
			if a.event == "WebhookDisabled" && a.host == "shop.example" {
				told++
			}
			if a.host == "gone.example" {
				gone++
			}
		}
		if told != 1 || gone > 2 {
			t.Errorf("the other webhook was told %d times, and %d requests came to the one that is gone", told, gone)
		}
		if got := h.states(hook); got[paybell.Held] < 2 || got[paybell.Delivered]+got[paybell.Exhausted] > 0 {
			t.Errorf("states of what is gone: %v", got)
		}
		if got := h.states(other); got[paybell.Delivered] != 4 {
			t.Errorf("states of the other: %v", got)
		}
		w, err := store.View(context.Background(), h.db, func(tx *store.Tx) (paybell.Webhook, error) { return tx.Webhook(h.client.ID, hook) })
		if err != nil || w.State != paybell.WebhookDisabled || !strings.Contains(w.StateReason, "410") {
			t.Errorf("the webhook is %s because %q, %v", w.State, w.StateReason, err)
		}
	})
}
