// Package deliver brings deliveries to merchants' servers: in order per lane
// (invoice x webhook), every endpoint for itself.
//
// A pending delivery is a row. What the Dispatcher holds in memory is a cache
// of such rows, and the proof that it may be attempted: only the head of a lane
// is. Fresh commits are handed over directly; what is not in memory is read
// through the index of what is due, which holds the heads of lanes only.
//
// deliver.go is the schedule, endpoint.go what is in memory of one endpoint,
// fly.go the way of one delivery, shards.go which endpoints are this process's.
package deliver

import (
	"container/heap"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

const (
	targetAge  = 500 * time.Millisecond // how old a webhook's URL and state may be
	maxResults = 512                    // results written in one transaction
)

// Dispatcher sends what is due. Make it with New, give Offer to the store's
// OnCommit, and Run it.
type Dispatcher struct {
	// Alone says that no other process serves this store, so nothing has to be
	// dealt out.
	Alone bool
	// Attempted is told of every attempt; nil: nobody is. It must not block.
	Attempted func(*store.Result)

	db        *store.DB
	transport http.RoundTripper
	log       *slog.Logger
	maxLanes  int           // of one endpoint in memory; the rest wait on disk
	pollEvery time.Duration // for work that nobody told of

	results chan landing
	wake    chan struct{}

	mu        sync.Mutex
	endpoints map[store.Endpoint]*endpoint
	agenda    agenda          // endpoints that are to be looked at some time
	flights   map[string]int  // attempts in flight, by webhook
	running   context.Context // nil until Run, ended when no attempt may start
	pollNow   bool
	attempts  sync.WaitGroup
	shards    shards

	targets sync.Map // webhook id -> *freshTarget
}

// New makes a Dispatcher. The transport decides what may be reached.
func New(db *store.DB, transport http.RoundTripper, log *slog.Logger) *Dispatcher {
	return &Dispatcher{
		db: db, transport: transport, log: log, maxLanes: 2048, pollEvery: time.Second,
		results: make(chan landing, 4*maxResults), wake: make(chan struct{}, 1),
		endpoints: map[store.Endpoint]*endpoint{}, flights: map[string]int{},
	}
}

// Offer takes deliveries that were just committed, in the order of the commits.
// It never blocks; what it does not take is found on disk.
func (d *Dispatcher) Offer(fresh []paybell.Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil || d.running.Err() != nil {
		return
	}
	for _, f := range fresh {
		name := store.Endpoint{ClientID: f.ClientID, Origin: f.Origin}
		if e := d.endpoints[name]; e == nil && !d.serving(shardOf(name)) {
			continue
		}
		e := d.endpoint(name)
		d.take(e, f)
		d.start(e)
		d.drop(e) // if nothing was taken
	}
}

// InFlight is how many attempts for a webhook are on the wire from here.
func (d *Dispatcher) InFlight(webhookID string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flights[webhookID]
}

// AllInFlight is how many attempts are on the wire from here.
func (d *Dispatcher) AllInFlight() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, of := range d.flights {
		n += of
	}
	return n
}

// Run sends until ctx ends; then it waits for what is in flight and writes the
// results. What has not begun stays pending; other processes take it over at once,
// except what has to wait for something in flight of the same shard.
func (d *Dispatcher) Run(ctx context.Context) {
	d.mu.Lock()
	d.running = ctx
	d.mu.Unlock()
	var recorder, keeper sync.WaitGroup
	recorder.Go(d.record)
	keeping, enough := context.WithCancel(context.WithoutCancel(ctx))
	defer enough()
	keeper.Go(func() { d.keepShards(ctx, keeping) })
	d.schedule(ctx)
	d.mu.Lock() // attempts begin under the lock, after a look at ctx: from here on none does
	attempts := &d.attempts
	d.mu.Unlock()
	attempts.Wait()
	close(d.results)
	recorder.Wait()
	enough()
	keeper.Wait()
	d.leave()
}

// schedule looks at the endpoints whose time has come, and polls for those that
// nobody told of.
func (d *Dispatcher) schedule(ctx context.Context) {
	var pollAt time.Time
	var took, before time.Duration // the last two polls
	for ctx.Err() == nil {
		if d.pollIsDue(pollAt) {
			began := time.Now()
			done := d.poll(ctx)
			if took, before = time.Since(began), took; !done {
				took = 0
			}
			pollAt = time.Now().Add(d.pollPause(took, before))
		}
		wait := time.Until(pollAt)
		if e, next := d.nextDue(); e != nil {
			d.read(ctx, e)
			continue
		} else if !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-d.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// pollPause is how long to wait after a poll, of which the last two took so long.
// Where very many endpoints wait, a poll takes its time: it is not to take most of
// ours. One that was held up once does not count.
func (d *Dispatcher) pollPause(took, before time.Duration) time.Duration {
	return max(d.pollEvery, 20*min(took, before))
}

func (d *Dispatcher) pollIsDue(at time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.pollNow || !time.Now().Before(at)
	d.pollNow = false
	return due
}

// pollSoon makes the schedule poll as soon as it can.
func (d *Dispatcher) pollSoon() {
	d.pollNow = true
	d.poke()
}

func (d *Dispatcher) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// poll asks the disk which endpoints have something due: everything after a
// start, and later what a lost hint left behind. It is done unless that failed.
func (d *Dispatcher) poll(ctx context.Context) (done bool) {
	d.forgetTargets()
	asked, until := d.paused(), map[*endpoint]time.Time{}
	due, err := store.View(ctx, d.db, func(tx *store.Tx) (map[store.Endpoint]time.Time, error) {
		for _, e := range asked {
			h, err := tx.Health(e.name)
			if err != nil {
				return nil, err
			}
			until[e] = h.PausedUntil
		}
		return tx.DueEndpoints()
	})
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("cannot read what is due", "err", err)
		}
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for e, at := range until {
		if at.Before(e.notUntil) { // somebody enabled it, or its clock is another: it is asked again
			e.notUntil = at
			d.start(e)
		}
	}
	for _, e := range d.endpoints {
		d.drop(e) // if it has been idle for long
	}
	for name, at := range due {
		if d.serving(shardOf(name)) {
			e := d.endpoint(name)
			if at.Before(e.after.DueAt) && len(e.lanes) == 0 && !e.reading {
				e.after = store.Place{} // it came to stand before the place that was read last
			}
			d.dueAt(e, at)
			d.start(e) // what is ready may have had to wait for a beat of ours
		}
	}
	return true
}

// paused lists endpoints that asked to be left alone, and long enough ago for the
// store to know.
func (d *Dispatcher) paused() (asked []*endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for _, e := range d.endpoints {
		if e.notUntil.Sub(now) > longestPause && now.Sub(e.askedAt) > 10*time.Second && len(asked) < 100 {
			asked = append(asked, e)
		}
	}
	return asked
}

// nextDue gives an endpoint whose rows are to be read now, or tells when to look
// again. Those that only waited for their time begin.
func (d *Dispatcher) nextDue() (e *endpoint, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.agenda) > 0 {
		e, now := d.agenda[0], time.Now()
		if e.at.After(now) {
			return nil, e.at
		}
		if e.lost {
			heap.Remove(&d.agenda, e.index)
			continue
		}
		if d.readsAt(e).After(now) || d.readsAt(e).IsZero() {
			d.start(e) // plans it anew
			d.drop(e)
			if e.index >= 0 && !e.at.IsZero() && !e.at.After(now) {
				return nil, now.Add(time.Millisecond) // a pause that ended this very moment
			}
			continue
		}
		e.due, e.reading, e.finished = time.Time{}, true, map[laneName]int64{}
		d.plan(e)
		return e, time.Time{}
	}
	return nil, time.Time{}
}

// readsAt is when the rows of e are to be read; zero: not as things are. A full
// memory is read on when half of it is done.
func (d *Dispatcher) readsAt(e *endpoint) time.Time {
	if e.due.IsZero() || e.reading || d.room(e, false) <= len(e.lanes)-e.again {
		return time.Time{}
	}
	if e.notUntil.After(e.due) {
		return e.notUntil
	}
	return e.due
}

// plan writes into the agenda when e has to be looked at.
func (d *Dispatcher) plan(e *endpoint) {
	at := d.readsAt(e)
	if len(e.ready)+len(e.resent) > 0 && e.flying < e.slots && time.Now().Before(e.notUntil) && (at.IsZero() || e.notUntil.Before(at)) {
		at = e.notUntil
	}
	if at.IsZero() && len(e.lanes) == 0 && !e.reading && e.notUntil.After(time.Now()) {
		at = e.notUntil // to drop it
	}
	if e.lost {
		at = time.Time{}
	}
	was := e.at
	e.at = at
	switch {
	case e.index >= 0 && at.IsZero():
		heap.Remove(&d.agenda, e.index)
	case e.index >= 0 && !at.Equal(was):
		heap.Fix(&d.agenda, e.index)
	case e.index < 0 && !at.IsZero():
		heap.Push(&d.agenda, e)
	}
	if e.index == 0 && (was.IsZero() || at.Before(was)) {
		d.poke()
	}
}

// agenda is a heap of endpoints: the first is the one to look at first.
type agenda []*endpoint

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

func (a *agenda) Push(x any) {
	e := x.(*endpoint)
	e.index = len(*a)
	*a = append(*a, e)
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	e.index = -1
	return e
}

// read brings heads of lanes that are due into memory.
func (d *Dispatcher) read(ctx context.Context, e *endpoint) {
	d.mu.Lock()
	limit, after, hasten := max(1, min(readAhead, d.room(e, false))), e.after, e.hasten
	d.mu.Unlock()
	type page struct {
		heads []paybell.Delivery
		next  time.Time
	}
	p, err := store.View(ctx, d.db, func(tx *store.Tx) (p page, err error) {
		p.heads, p.next, err = tx.DueDeliveries(e.name, after, time.Now(), hasten, limit)
		return p, err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	e.reading = false
	if e.lost {
		return
	}
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("cannot read what is due", "err", err)
		}
		d.dueAt(e, time.Now().Add(time.Second))
		return
	}
	for _, h := range p.heads {
		name := nameOf(h)
		if e.lanes[name] != nil || e.finished[name] >= h.Number {
			continue
		}
		e.push(e.newLane(h), h)
	}
	e.after = store.Place{}
	if n := len(p.heads); n == limit {
		e.after = store.Place{DueAt: p.heads[n-1].DueAt, WebhookID: p.heads[n-1].WebhookID, Number: p.heads[n-1].Number}
	} else {
		e.hasten = time.Time{} // that was all of it
	}
	d.dueAt(e, p.next)
	d.start(e)
	d.drop(e)
}
