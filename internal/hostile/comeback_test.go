package hostile_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/store"
)

// weak is a receiver without a network that is down for a while and then comes
// back. It notes what it has to bear.
type weak struct {
	mu       sync.Mutex
	downTill time.Time
	flying   int
	answered int // since it is back
	most     int // requests at a time since it is back
	eager    int // most requests at a time above what had been answered by then
	perSec   map[time.Time]int
}

func (w *weak) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.mu.Lock()
	w.perSec[time.Now().Truncate(time.Second)]++
	down := time.Now().Before(w.downTill)
	w.flying++
	if !down {
		w.most = max(w.most, w.flying)
		w.eager = max(w.eager, w.flying-w.answered)
	}
	w.mu.Unlock()
	time.Sleep(50 * time.Millisecond) // of the bubble: costs nothing
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	status := http.StatusServiceUnavailable
	if !down {
		status = http.StatusOK
		w.answered++
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// TestEverythingBack lets a receiver be down for a while of virtual time. What it
// missed comes back spread out by the jitter, not at the moment it all fell due;
// and what is new meets it with few requests at a time first. The jitter is a
// share of the pause, so minutes show what hours would.
func TestEverythingBack(t *testing.T) {
	t.Parallel()
	const (
		down = 12 * time.Minute // all wait for the attempt after the pause of ten
		rest = 5 * time.Minute
	)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		w := &weak{downTill: time.Now().Add(down), perSec: map[time.Time]int{}}
		client := paybell.Client{ID: paybell.NewClientID(), MerchantID: "m", Name: "weak", CreatedAt: now()}
		hook := paybell.Webhook{ID: paybell.NewWebhookID(), ClientID: client.ID, URL: "https://weak.example/hook", Origin: "https://weak.example:443",
			Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: now()}
		h.do(func(tx *store.Tx) error {
			return errors.Join(tx.CreateClient(client, paybell.NewClientSecret()), tx.CreateWebhook(hook))
		})
		invoices := func(n int) {
			h.do(func(tx *store.Tx) error {
				for range n {
					c := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(time.Now()), MerchantID: "m", ClientID: client.ID,
						Bill: paybell.Bill{Currency: "5057"}, ExpiresAt: now().Add(24 * time.Hour)}, now())
					if err := tx.Apply(c); err != nil {
						return err
					}
				}
				return nil
			})
		}
		d := deliver.New(h.db, w, slog.New(slog.DiscardHandler))
		h.db.OnCommit(d.Offer)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		synctest.Wait()

		const missed, fresh = 60, 30
		invoices(missed)
		time.Sleep(time.Until(w.downTill))
		invoices(fresh)
		time.Sleep(10 * time.Second)
		w.mu.Lock()
		most, eager, answered := w.most, w.eager, w.answered
		w.mu.Unlock()
		if answered < fresh {
			t.Errorf("%d of %d new ones were delivered in the first 10 s", answered, fresh)
		}
		if eager > 2 {
			t.Errorf("%d requests at a time more than it had answered: no slow start", eager)
		}
		time.Sleep(rest)
		cancel()
		running.Wait()

		peak := 0
		for at, n := range w.perSec {
			if at.After(w.downTill.Add(10 * time.Second)) {
				peak = max(peak, n)
			}
		}
		t.Logf("back after %v: %d at a time at most, then %d missed ones with at most %d in a second", down, most, missed, peak)
		if peak > missed/10 {
			t.Errorf("%d of %d missed ones came back in one second", peak, missed)
		}
		if w.answered != missed+fresh {
			t.Errorf("%d of %d were delivered", w.answered, missed+fresh)
		}
	})
}
