package deliver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Shares differ by one at most, and leave nothing over; who leaves gets none.
func TestShare(t *testing.T) {
	for n := 1; n <= store.Shards+10; n++ {
		beats := map[string]int64{"zz": 1, leavingMark + "zz": 7}
		for i := range n {
			beats[fmt.Sprintf("p%03d", i)] = int64(i)
		}
		sum, least, most := 0, store.Shards, 0
		for id := range beats {
			s := share(id, beats)
			if id == "zz" || id == leavingMark+"zz" {
				if s != 0 {
					t.Errorf("%s leaves, and is to have %d", id, s)
				}
				continue
			}
			sum, least, most = sum+s, min(least, s), max(most, s)
		}
		if sum != store.Shards || most-least > 1 {
			t.Errorf("%d processes share %d, each between %d and %d", n, sum, least, most)
		}
	}
}

// fleet is dispatchers on one store.
type fleet struct {
	dispatchers []*Dispatcher
	shops       []*shop
	stops       []func()
}

func (h *house) fleet(n int, answer func(process int, a arrival) (int, io.Reader)) *fleet {
	f := &fleet{}
	for i := range n {
		s := &shop{answer: func(a arrival) (int, io.Reader) { return answer(i, a) }}
		d := New(h.db, s, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		f.dispatchers, f.shops = append(f.dispatchers, d), append(f.shops, s)
		f.stops = append(f.stops, func() { cancel(); running.Wait() })
	}
	h.db.OnCommit(func(fresh []paybell.Delivery) {
		for _, d := range f.dispatchers {
			d.Offer(fresh)
		}
	})
	return f
}

// A process that leaves while a receiver takes its time records what that says in the
// end; nobody else waits for it.
func TestLeaveWithSomethingInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, h *house) {
		const hosts, slowly = 20, 10 * time.Second
		var hooks []string
		for i := range hosts {
			hooks = append(hooks, h.webhook(fmt.Sprintf("shop%d.example", i)))
		}
		var slow atomic.Value // the host that takes its time
		slow.Store("")
		f := h.fleet(3, func(_ int, a arrival) (int, io.Reader) {
			if a.host == slow.Load() {
				time.Sleep(slowly)
			}
			return 204, strings.NewReader("")
		})
		time.Sleep(5 * time.Second)
		h.invoice()
		time.Sleep(time.Second)
		slow.Store(f.shops[0].arrivals()[0].host)
		h.invoice()
		time.Sleep(time.Second)
		left := make(chan struct{})
		go func() { f.stops[0](); close(left) }()
		time.Sleep(10 * time.Millisecond)
		h.invoice()
		began := time.Now()
		time.Sleep(3 * time.Second)
		late := map[string]time.Duration{}
		for _, s := range f.shops[1:] {
			for _, a := range s.arrivals() {
				if a.at.After(began) {
					late[a.host] = a.at.Sub(began)
				}
			}
		}
		shard := func(host any) int {
			return shardOf(store.Endpoint{ClientID: h.client.ID, Origin: fmt.Sprintf("https://%v:443", host)})
		}
		for _, a := range f.shops[0].arrivals() { // what it had
			if _, taken := late[a.host]; !taken && shard(a.host) != shard(slow.Load()) {
				t.Errorf("%s waits for %v and longer for a receiver that is none of its business", a.host, time.Since(began))
			}
		}
		for host, took := range late {
			if took > beatEvery+100*time.Millisecond {
				t.Errorf("%s waited %v", host, took)
			}
		}
		time.Sleep(2 * slowly)
		<-left
		for _, stop := range f.stops[1:] {
			stop()
		}
		arrivals := 0
		for _, s := range f.shops {
			arrivals += len(s.arrivals())
		}
		if arrivals != 3*hosts {
			t.Errorf("%d arrivals, want %d: what was in flight came again", arrivals, 3*hosts)
		}
		for _, hook := range hooks {
			if got := h.states(hook); got[paybell.Delivered] != 3 {
				t.Errorf("states %v", got)
			}
		}
		h.do(func(tx *store.Tx) error {
			if beats, err := tx.Beats(); err != nil || len(beats) > 0 {
				t.Errorf("all have left, and there are %v, %v", beats, err)
			}
			return nil
		})
	})
}

// While the store is away nobody can say that he lives: nobody is buried for that.
// Who then is not there any more is.
func TestOutageBuriesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		var away atomic.Bool
		db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true, Fault: func(store.FaultPoint) error {
			if away.Load() {
				return errors.New("the store is away")
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h := &house{t: t, db: db}
		f := h.fleet(3, func(int, arrival) (int, io.Reader) { return 204, strings.NewReader("") })
		time.Sleep(5 * time.Second)
		ids := func() (ids []string) {
			for _, d := range f.dispatchers {
				ids = append(ids, d.shards.self())
			}
			return ids
		}
		before := ids()
		for _, outage := range []time.Duration{4 * time.Second, 8 * time.Second, time.Minute} {
			away.Store(true)
			time.Sleep(outage)
			away.Store(false)
			time.Sleep(10 * time.Second)
			if after := ids(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("after %v without the store the processes %v are %v", outage, before, after)
			}
		}
		// One does not come back.
		away.Store(true)
		f.dispatchers[2].shards.mu.Lock()
		f.dispatchers[2].shards.id = ""
		f.dispatchers[2].shards.mu.Unlock()
		time.Sleep(time.Minute)
		gone := before[2]
		away.Store(false)
		time.Sleep(deadAfter + 2*beatEvery)
		h.do(func(tx *store.Tx) error {
			beats, err := tx.Beats()
			if _, there := beats[gone]; there || err != nil {
				t.Errorf("%s is still there: %v, %v", gone, beats, err)
			}
			return nil
		})
		for _, stop := range f.stops {
			stop()
		}
	})
}

// A store that was held up once, or away, is asked again soon; one in which a search
// always takes long is not.
func TestPollPause(t *testing.T) {
	d := &Dispatcher{pollEvery: time.Second}
	for _, c := range []struct{ took, before, want time.Duration }{
		{time.Millisecond, time.Millisecond, time.Second},
		{15 * time.Second, time.Millisecond, time.Second},
		{time.Millisecond, 15 * time.Second, time.Second},
		{time.Second, 2 * time.Second, 20 * time.Second},
	} {
		if got := d.pollPause(c.took, c.before); got != c.want {
			t.Errorf("after polls of %v and %v: %v, want %v", c.before, c.took, got, c.want)
		}
	}
}
