// Package deliver brings deliveries to merchants' servers: in order per lane
// (invoice x webhook), every endpoint for itself.
//
// A pending delivery is a row. What the Dispatcher holds in memory is a cache
// of such rows, and the proof that it may be attempted: only the head of a lane
// is. Fresh commits are handed over directly; what is not in memory is read
// through the index of what is due, which holds the heads of lanes only.
package deliver

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Bounds of what is held in memory and of what one endpoint gets at a time.
const (
	maxQueue   = 64  // deliveries of one lane in memory
	readAhead  = 256 // heads of lanes read at a time
	firstSlots = 8   // requests in flight to a new endpoint
	mostSlots  = 64
	targetAge  = 500 * time.Millisecond // how old a webhook's URL and state may be
	maxResults = 512                    // results written in one transaction
)

// Dispatcher sends what is due. Make it with New, give Offer to the store's
// OnCommit, and Run it.
type Dispatcher struct {
	db        *store.DB
	transport http.RoundTripper
	log       *slog.Logger
	maxLanes  int           // of one endpoint in memory; the rest wait on disk
	pollEvery time.Duration // for work that nobody told of

	results chan store.Result
	wake    chan struct{}

	mu        sync.Mutex
	endpoints map[store.Endpoint]*endpoint
	running   context.Context // nil until Run, ended when no attempt may start
	attempts  sync.WaitGroup

	targets sync.Map // webhook id -> *freshTarget
}

// endpoint is one merchant server in memory.
type endpoint struct {
	name   store.Endpoint
	lanes  map[laneName]*lane
	ready  []*lane // whose head may be attempted, in the order they became so
	flying int
	slots  int // grows with success, shrinks with failure, never to zero

	// due is when the rows on disk are to be read; zero: nothing there is known
	// that is not in memory.
	due     time.Time
	reading bool
	// finished holds what was done while the disk is being read: the reader may
	// have seen it pending still.
	finished map[laneName]int64
}

type laneName struct{ webhookID, invoiceID string }

// lane is the deliveries of one invoice to one webhook that are in memory, from
// the head on without a gap.
type lane struct {
	name      laneName
	queue     []paybell.Delivery // behind the one in flight
	last      int64              // number of the last one that was in the queue
	flying    bool               // the head is being attempted
	recording int                // results not written yet
	failed    bool               // the head failed: the lane leaves memory when that is written
}

// flight is the head of a lane that is being attempted.
type flight struct {
	lane *lane
	head paybell.Delivery
}

// New makes a Dispatcher. The transport decides what may be reached.
func New(db *store.DB, transport http.RoundTripper, log *slog.Logger) *Dispatcher {
	return &Dispatcher{
		db: db, transport: transport, log: log, maxLanes: 2048, pollEvery: time.Second,
		results: make(chan store.Result, 4*maxResults), wake: make(chan struct{}, 1),
		endpoints: map[store.Endpoint]*endpoint{},
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
		e := d.endpoint(store.Endpoint{ClientID: f.ClientID, Origin: f.Origin})
		d.take(e, f)
		d.start(e)
	}
}

// take puts a fresh delivery into memory if it belongs there: as the head of a
// lane, or right behind the last one of a lane that is there.
func (d *Dispatcher) take(e *endpoint, f paybell.Delivery) {
	name := laneName{f.WebhookID, f.InvoiceID}
	l := e.lanes[name]
	switch {
	case l == nil && f.Previous == 0 && len(e.lanes) < d.maxLanes:
		l = &lane{name: name}
		e.lanes[name] = l
	case l == nil && f.Previous == 0:
		d.dueAt(e, time.Now())
		return
	case l == nil:
		return // its head is on disk, and known to be due some time
	case f.Number <= l.last:
		return // it was read from disk before we were told
	case l.failed || len(l.queue) >= maxQueue || f.Previous != 0 && f.Previous != l.last:
		return // found on disk when what is before it is done
	}
	l.push(e, f)
}

// push adds a delivery; a lane that was idle becomes ready.
func (l *lane) push(e *endpoint, f paybell.Delivery) {
	l.queue = append(l.queue, f)
	l.last = f.Number
	if len(l.queue) == 1 && !l.flying {
		e.ready = append(e.ready, l)
	}
}

func (d *Dispatcher) endpoint(name store.Endpoint) *endpoint {
	e := d.endpoints[name]
	if e == nil {
		e = &endpoint{name: name, lanes: map[laneName]*lane{}, slots: firstSlots}
		d.endpoints[name] = e
	}
	return e
}

// dueAt makes sure that the endpoint's rows are read at a moment, or before.
func (d *Dispatcher) dueAt(e *endpoint, at time.Time) {
	if at.IsZero() || !e.due.IsZero() && e.due.Before(at) {
		return
	}
	e.due = at
	d.poke()
}

func (d *Dispatcher) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// start begins attempts while there are heads and slots for them.
func (d *Dispatcher) start(e *endpoint) {
	for e.flying < e.slots && len(e.ready) > 0 && d.running.Err() == nil {
		f := e.next()
		d.attempts.Go(func() { d.fly(e, f) })
	}
}

// next takes the head whose turn it is. It is then in flight.
func (e *endpoint) next() *flight {
	l := e.ready[0]
	e.ready[0] = nil
	e.ready = e.ready[1:]
	e.flying++
	l.flying = true
	head := l.queue[0]
	l.queue[0].Body = nil
	l.queue = l.queue[1:]
	return &flight{l, head}
}

// another is next for a goroutine that has just landed, if there is one and a
// slot for it.
func (d *Dispatcher) another(e *endpoint) *flight {
	if len(e.ready) == 0 || e.flying >= e.slots || d.running.Err() != nil {
		return nil
	}
	return e.next()
}

// fly attempts one head, and then others as long as there are any.
func (d *Dispatcher) fly(e *endpoint, f *flight) {
	for f != nil {
		to, err := d.target(f.head)
		if err != nil || !to.active {
			f = d.leave(e, f, err)
			continue
		}
		// An attempt that has begun is finished also when the server stops.
		a := attempt(context.WithoutCancel(d.running), d.transport, f.head, to)
		f = d.landed(e, f, store.Result{Delivery: f.head.Next(a, rand.IntN(1000)), Attempt: a})
	}
}

// landed puts a result into the queue for the disk and picks the next flight.
func (d *Dispatcher) landed(e *endpoint, f *flight, r store.Result) *flight {
	l := f.lane
	d.mu.Lock()
	e.flying--
	l.flying = false
	l.recording++
	if r.Attempt.Failure == "" {
		e.slots = min(mostSlots, e.slots+1)
	} else {
		e.slots = max(1, e.slots/2)
	}
	switch {
	case r.Delivery.State != paybell.Delivered:
		l.failed, l.queue = true, nil // what is behind it waits on disk
	case len(l.queue) > 0:
		e.ready = append(e.ready, l)
	}
	another := d.another(e)
	d.start(e) // a slot may have been added
	d.mu.Unlock()
	d.results <- r
	return another
}

// leave takes a lane out of memory without an attempt: its webhook does not
// ring now, or could not be read.
func (d *Dispatcher) leave(e *endpoint, f *flight, err error) *flight {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.flying--
	f.lane.flying, f.lane.failed, f.lane.queue = false, true, nil
	if err != nil {
		d.log.Error("cannot read a webhook, trying again", "webhook", f.lane.name.webhookID, "err", err)
		d.dueAt(e, time.Now().Add(time.Second))
	}
	d.forget(e, f.lane)
	return d.another(e)
}

// record is the one goroutine that writes results, many at a time.
func (d *Dispatcher) record() {
	for first := range d.results {
		batch := []store.Result{first}
		for more := true; more && len(batch) < maxResults; {
			select {
			case r, open := <-d.results:
				if more = open; open {
					batch = append(batch, r)
				}
			default:
				more = false
			}
		}
		d.write(batch)
	}
}

// write keeps trying until the results are on disk or the server has to give
// up. Given up, they are attempted again after the next start: at least once.
func (d *Dispatcher) write(batch []store.Result) {
	for try := 0; ; try++ {
		next, err := store.Update(context.Background(), d.db, func(tx *store.Tx) ([]bool, error) { return tx.Record(batch, time.Now()) })
		if err == nil {
			d.recorded(batch, next)
			return
		}
		d.log.Error("cannot record attempts", "attempts", len(batch), "err", err)
		if d.running.Err() != nil && try >= 5 {
			return
		}
		time.Sleep(min(5*time.Second, 50*time.Millisecond<<min(try, 10)))
	}
}

// recorded drops what memory need not hold any more. next tells for each result
// whether it made the next delivery of its lane due.
func (d *Dispatcher) recorded(batch []store.Result, next []bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range batch {
		e := d.endpoints[store.Endpoint{ClientID: r.Delivery.ClientID, Origin: r.Delivery.Origin}]
		if e == nil {
			continue
		}
		l := e.lanes[laneName{r.Delivery.WebhookID, r.Delivery.InvoiceID}]
		if l == nil {
			continue
		}
		if e.reading {
			e.finished[l.name] = r.Delivery.Number
		}
		l.recording--
		d.dueAt(e, r.Delivery.DueAt)
		if next[i] && len(l.queue) == 0 && !l.flying {
			d.dueAt(e, time.Now()) // it is on disk only
		}
		d.forget(e, l)
	}
}

// forget drops a lane that has nothing left in memory, and then its endpoint.
func (d *Dispatcher) forget(e *endpoint, l *lane) {
	if l.recording > 0 || l.flying || len(l.queue) > 0 {
		return
	}
	delete(e.lanes, l.name)
	if !e.due.IsZero() {
		d.poke() // there is room to read on
	}
	if len(e.lanes) == 0 && e.due.IsZero() && !e.reading && e.slots >= firstSlots {
		delete(d.endpoints, e.name)
	}
}

// Run sends until ctx ends; then it waits for what is in flight and writes the
// results. What has not begun stays pending.
func (d *Dispatcher) Run(ctx context.Context) {
	d.mu.Lock()
	d.running = ctx
	d.mu.Unlock()
	var recorder sync.WaitGroup
	recorder.Go(d.record)
	d.schedule(ctx)
	d.mu.Lock() // attempts begin under the lock, after a look at ctx: from here on none does
	attempts := &d.attempts
	d.mu.Unlock()
	attempts.Wait()
	close(d.results)
	recorder.Wait()
}

// schedule reads what is due from disk, when it is due.
func (d *Dispatcher) schedule(ctx context.Context) {
	var polled time.Time
	for ctx.Err() == nil {
		if time.Since(polled) >= d.pollEvery {
			d.poll(ctx)
			polled = time.Now()
		}
		wait := time.Until(polled.Add(d.pollEvery))
		due, next := d.dueNow()
		for _, e := range due {
			d.read(ctx, e)
		}
		if len(due) > 0 {
			continue
		}
		if !next.IsZero() {
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

// poll asks the disk which endpoints have something due: everything after a
// start, and later what a lost hint left behind.
func (d *Dispatcher) poll(ctx context.Context) {
	d.forgetTargets()
	due, err := store.View(ctx, d.db, func(tx *store.Tx) (map[store.Endpoint]time.Time, error) { return tx.DueEndpoints() })
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("cannot read what is due", "err", err)
		}
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, at := range due {
		d.dueAt(d.endpoint(name), at)
	}
}

// dueNow marks the endpoints that are to be read now, and tells when the next is.
func (d *Dispatcher) dueNow() (due []*endpoint, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for _, e := range d.endpoints {
		switch {
		case e.due.IsZero():
		case !e.due.After(now):
			// A full memory is read on when half of it is done.
			if len(e.lanes) > d.maxLanes/2 {
				continue
			}
			e.due, e.reading, e.finished = time.Time{}, true, map[laneName]int64{}
			due = append(due, e)
		case next.IsZero() || e.due.Before(next):
			next = e.due
		}
	}
	return due, next
}

// read brings heads of lanes that are due into memory.
func (d *Dispatcher) read(ctx context.Context, e *endpoint) {
	d.mu.Lock()
	limit := len(e.lanes) + readAhead // those in memory may be among them
	d.mu.Unlock()
	type page struct {
		heads []paybell.Delivery
		next  time.Time
	}
	p, err := store.View(ctx, d.db, func(tx *store.Tx) (p page, err error) {
		p.heads, p.next, err = tx.DueDeliveries(e.name, time.Now(), limit)
		return p, err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	e.reading = false
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("cannot read what is due", "err", err)
		}
		d.dueAt(e, time.Now().Add(time.Second))
		return
	}
	for _, h := range p.heads {
		name := laneName{h.WebhookID, h.InvoiceID}
		if e.lanes[name] != nil || e.finished[name] >= h.Number {
			continue
		}
		l := &lane{name: name}
		e.lanes[name] = l
		l.push(e, h)
	}
	d.dueAt(e, p.next)
	d.start(e)
}
