package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// process is a store as one of several processes has it open.
type process struct {
	*store.DB
	mu    sync.Mutex
	hints []store.Hint
	came  chan struct{} // for each hint, if somebody takes it
}

// processes opens one store several times; they know of each other.
func processes(t testing.TB, p place, n int) (all []*process) {
	t.Helper()
	opt := server(t)
	for range n {
		p := &process{DB: mustOpen(t, p, opt), came: make(chan struct{}, 1)}
		t.Cleanup(func() { mustClose(t, p.DB) })
		p.OnHint(func(h store.Hint) {
			p.mu.Lock()
			p.hints = append(p.hints, h)
			p.mu.Unlock()
			select {
			case p.came <- struct{}{}:
			default:
			}
		})
		all = append(all, p)
	}
	// Whom each hears: they greet each other, and are not told of.
	for _, teller := range all {
		for _, p := range all {
			if p != teller {
				p.awaitHint(t, "a hint after the greetings", func() { teller.TellChain() }, byAnother)
			}
		}
	}
	for _, p := range all {
		p.forget()
	}
	return all
}

func (p *process) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hints = nil
}

func (p *process) heard() []store.Hint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hints)
}

// awaitHint waits for a hint; again is done meanwhile, over and over.
func (p *process) awaitHint(t testing.TB, what string, again func(), is func(store.Hint) bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if slices.ContainsFunc(p.heard(), is) {
			return
		}
		select {
		case <-p.came:
		case <-tick.C:
			if again != nil {
				again()
			}
		case <-deadline:
			t.Fatalf("waited in vain for %s; heard %v", what, p.heard())
		}
	}
}

// byAnother is whether a hint is what TellChain of another process makes; who has just
// connected is told of everything.
func byAnother(h store.Hint) bool { return h.Chain && !h.Everything }

func tells(webhookID string, number int64) func(store.Hint) bool {
	return func(h store.Hint) bool {
		return slices.ContainsFunc(h.Fresh, func(f store.Fresh) bool { return f.WebhookID == webhookID && slices.Contains(f.Numbers, number) })
	}
}

func apply(t testing.TB, db *store.DB, c paybell.Change) {
	t.Helper()
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
		t.Fatal(err)
	}
}

func createHook(t testing.TB, db *store.DB, w paybell.Webhook) {
	t.Helper()
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateWebhook(w) }); err != nil {
		t.Fatal(err)
	}
}

// What one process commits the others hear of, and it does not hear of it itself.
func TestHints(t *testing.T) {
	all := processes(t, postgresPlace(t), 3)
	s := storetest.NewShop(t, all[0].DB)
	w := s.Webhook("https://shop.example/hook")
	createHook(t, all[0].DB, w)
	for _, p := range all {
		p.forget()
	}
	changed := []<-chan struct{}{all[1].Changed(), all[2].Changed()}
	apply(t, all[0].DB, s.NewInvoice(time.Now()))
	for i, p := range all[1:] {
		p.awaitHint(t, "the delivery", nil, tells(w.ID, 1))
		select {
		case <-changed[i]:
		case <-time.After(10 * time.Second):
			t.Error("who waits for changes was not told")
		}
		for _, h := range p.heard() {
			for _, f := range h.Fresh {
				if f.Endpoint != (store.Endpoint{ClientID: w.ClientID, Origin: w.Origin}) {
					t.Errorf("heard of %v", f.Endpoint)
				}
			}
		}
	}
	all[1].TellChain() // behind which nothing else is to come
	all[0].awaitHint(t, "the end", nil, byAnother)
	for _, h := range all[0].heard() {
		if len(h.Fresh) > 0 {
			t.Errorf("it heard of what it did itself: %v", h)
		}
	}
}

// A commit that makes no delivery is told, too: pages show it.
func TestHintsOfOtherChanges(t *testing.T) {
	all := processes(t, postgresPlace(t), 2)
	changed := all[1].Changed()
	storetest.NewShop(t, all[0].DB)
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
}

// More than fits is told as everything; what fits is told whole.
func TestManyHints(t *testing.T) {
	all := processes(t, postgresPlace(t), 2)
	s := storetest.NewShop(t, all[0].DB)
	w := s.Webhook("https://shop.example/hook")
	createHook(t, all[0].DB, w)
	for _, c := range []struct {
		made       int64
		everything bool
	}{{600, false}, {1200, true}} {
		all[1].forget()
		var last int64
		if err := store.Do(context.Background(), all[0].DB, func(tx *store.Tx) error {
			for range c.made {
				if err := tx.Apply(s.NewInvoice(time.Now())); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if c.everything {
			all[1].awaitHint(t, "everything", nil, func(h store.Hint) bool { return h.Everything })
			continue
		}
		for n := last + 1; n <= last+c.made; n++ {
			all[1].awaitHint(t, fmt.Sprint("delivery ", n), nil, tells(w.ID, n))
		}
	}
}

// A store that nobody listens to is told nothing.
func TestHintsOfOneAlone(t *testing.T) {
	for _, p := range places(t) {
		db := opened(t, p)
		db.OnHint(func(h store.Hint) {
			if byAnother(h) || len(h.Fresh) > 0 {
				t.Errorf("%s: heard %v", p.name, h)
			}
		})
		db.TellChain()
		storetest.NewShop(t, db)
	}
}

// Hinted finds the heads among what was told, however many there are.
func TestHinted(t *testing.T) {
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) {
			db := opened(t, p)
			s := storetest.NewShop(t, db)
			w := s.Webhook("https://shop.example/hook")
			createHook(t, db, w)
			first := s.NewInvoice(time.Now())
			apply(t, db, first)
			later := first.Invoice
			later.Version++
			later.Flags ^= paybell.Late
			apply(t, db, paybell.Change{Event: paybell.InvoiceFlagged, At: time.Now(), Invoice: later}) // 2 is behind 1
			for range 98 {
				apply(t, db, s.NewInvoice(time.Now()))
			}
			for _, n := range []int{1, 2, 7, 8, 9, 63, 64, 65, 72, 73, 100} {
				f := store.Fresh{Endpoint: store.Endpoint{ClientID: w.ClientID, Origin: w.Origin}, WebhookID: w.ID}
				var want []int64
				for i := range int64(n) {
					if f.Numbers = append(f.Numbers, i+1); i+1 != 2 {
						want = append(want, i+1)
					}
				}
				unknown := store.Fresh{WebhookID: paybell.NewWebhookID(), Numbers: []int64{1}}
				heads, err := store.View(context.Background(), db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Hinted([]store.Fresh{unknown, f}) })
				if err != nil {
					t.Fatal(err)
				}
				var got []int64
				for _, h := range heads {
					got = append(got, h.Number)
					if len(h.Body) == 0 || h.Origin != w.Origin {
						t.Errorf("read %+v", h)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("of %d found %v", n, got)
				}
			}
		})
	}
}
