package deliver

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// runHinted runs a dispatcher that nobody offers anything: what is committed it is
// told by hints, as by another process.
func (h *house) runHinted(s *shop, hint func(d *Dispatcher, fresh []store.Fresh)) (d *Dispatcher, stop func()) {
	d = New(h.db, s, slog.New(slog.NewTextHandler(h.t.Output(), nil)))
	d.maxLanes, d.pollEvery, d.Alone = memory, h.poll, true
	hints := make(chan []store.Fresh, 10_000)
	h.db.OnCommit(func(made []paybell.Delivery) {
		var fresh []store.Fresh
		for _, m := range made {
			fresh = append(fresh, store.Fresh{Endpoint: store.Endpoint{ClientID: m.ClientID, Origin: m.Origin}, WebhookID: m.WebhookID, Numbers: []int64{m.Number}})
		}
		hints <- fresh
	})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { d.Run(ctx) })
	all.Go(func() {
		for {
			select {
			case fresh := <-hints:
				hint(d, fresh)
			case <-ctx.Done():
				return
			}
		}
	})
	synctest.Wait()
	return d, func() { cancel(); all.Wait() }
}

// What another process made goes out at once, in order and once, however often
// this one is told; also what does not fit into memory.
func TestHint(t *testing.T) {
	for name, slow := range map[string]time.Duration{"fast": 0, "slow": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *house) {
				hooks := []string{h.webhook("a.example"), h.webhook("b.example")}
				s := &shop{answer: func(arrival) (int, io.Reader) {
					time.Sleep(slow)
					return 204, strings.NewReader("")
				}}
				var said []store.Fresh
				_, stop := h.runHinted(s, func(d *Dispatcher, fresh []store.Fresh) {
					d.Hint(store.Hint{Fresh: fresh})
					if said = append(said, fresh...); len(said) > 64 {
						said = said[32:]
					}
					d.Hint(store.Hint{Fresh: said})
				})
				const n = 4 * memory
				for range n {
					h.cancel(h.invoice())
				}
				time.Sleep(time.Minute) // less than until the next poll
				stop()
				seen := map[string]string{}
				for _, a := range s.arrivals() {
					key := a.host + a.invoice
					if want := map[string]string{"": "InvoiceCreated", "InvoiceCreated": "InvoiceCancelled"}[seen[key]]; a.event != want {
						t.Fatalf("%s came after %q", a.event, seen[key])
					}
					seen[key] = a.event
				}
				for _, hook := range hooks {
					if got := h.states(hook); len(s.arrivals()) != 2*2*n || got[paybell.Delivered] != 2*n {
						t.Errorf("%d arrivals of %d, states %v", len(s.arrivals()), 2*2*n, got)
					}
				}
			})
		})
	}
}

// What was not told one by one is looked for.
func TestHintOfEverything(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		h.webhook("a.example")
		s := &shop{}
		d, stop := h.runHinted(s, func(d *Dispatcher, _ []store.Fresh) { d.Hint(store.Hint{Everything: true}) })
		h.invoice()
		time.Sleep(time.Second)
		stop()
		if n := len(s.arrivals()); n != 1 {
			t.Errorf("%d arrivals", n)
		}
		d.Hint(store.Hint{Everything: true}) // too late, and harmless
	})
}

// Hints of what does not exist, is done, waits for its time or is another
// process's do nothing.
func TestHintOfNothing(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		hook := h.webhook("a.example")
		failing := true
		s := &shop{}
		s.answer = func(arrival) (int, io.Reader) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if failing {
				return 500, strings.NewReader("")
			}
			return 204, strings.NewReader("")
		}
		first := make(chan []store.Fresh, 10)
		d, stop := h.runHinted(s, func(d *Dispatcher, fresh []store.Fresh) {
			first <- fresh
			d.Hint(store.Hint{Fresh: fresh})
		})
		h.invoice()
		told := <-first
		time.Sleep(time.Second)
		began := time.Now()
		d.Hint(store.Hint{Fresh: told}) // it failed, and waits for its next attempt
		d.Hint(store.Hint{Fresh: []store.Fresh{
			{Endpoint: store.Endpoint{ClientID: "x", Origin: "https://nobody.example:443"}, WebhookID: paybell.NewWebhookID(), Numbers: []int64{1, 2}},
			{Endpoint: told[0].Endpoint, WebhookID: told[0].WebhookID, Numbers: []int64{17, -1}},
		}})
		d.Hint(store.Hint{})
		s.mu.Lock()
		failing = false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		d.Hint(store.Hint{Fresh: told}) // it is done
		time.Sleep(time.Minute)         // which is long for an idle endpoint
		d.mu.Lock()
		d.pollSoon()
		d.mu.Unlock()
		time.Sleep(time.Second)
		d.mu.Lock()
		if len(d.endpoints) != 0 {
			t.Errorf("%d endpoints are left in memory", len(d.endpoints))
		}
		d.mu.Unlock()
		d.shards.mu.Lock()
		d.shards.mine = [store.Shards]bool{}
		d.shards.mu.Unlock()
		h.invoice() // another serves it
		time.Sleep(time.Minute)
		stop()
		got := s.arrivals()
		if len(got) != 2 || got[1].at.Sub(began) < 3*time.Second {
			t.Errorf("arrivals %v", got)
		}
		if st := h.states(hook); st[paybell.Delivered] != 1 || st[paybell.DeliveryPending] != 1 {
			t.Errorf("states %v", st)
		}
	})
}
