package deliver

import (
	"hash/fnv"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Bounds of what one endpoint gets at a time, and of what is held in memory for it.
const (
	maxQueue    = 64 // deliveries of one lane in memory
	firstSlots  = 8  // requests in flight to a new endpoint
	mostSlots   = 64
	lanesOfSlot = 32 // lanes in memory for each slot: one that fails fills no memory
	readAhead   = 256
)

// An endpoint on which nothing succeeds any more is probed less often: after
// patience failures in a row one request at a time, after a pause that doubles up
// to longestPause. What waits keeps its own schedule, and is late by that at most
// when the endpoint is well again.
const (
	patience     = 8
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

// longOutage is when what waits is hastened after an outage: its schedule may
// have come to pauses of hours.
const longOutage = time.Minute

// endpoint is one merchant server in memory.
type endpoint struct {
	name   store.Endpoint
	shard  int
	born   time.Time // when it came into memory
	lanes  map[laneName]*lane
	ready  []*lane // whose head may be attempted, in the order they became so
	resent []*lane // the same, for when nothing fresh is ready
	again  int     // lanes that began with something resent
	flying int
	slots  int // grows with success, shrinks with failure, never to zero

	known    bool      // what the store knows of its health was taken over
	failing  bool      // since outage
	outage   time.Time // the first failure since the last success
	streak   int       // failures in a row
	accepted time.Time // when it accepted something last
	secret   int64     // which secret it accepted last
	notUntil time.Time // no attempts before: it asked for that, or has to be probed gently
	askedAt  time.Time // when it asked for that

	// due is when the rows on disk are to be read; zero: nothing there is known
	// that is not in memory. after is how far they were read, and hasten is the
	// outage after which waiting rows do not keep to their schedules.
	due     time.Time
	after   store.Place
	hasten  time.Time
	reading bool
	// finished holds what was done while the disk is being read: the reader may
	// have seen it pending still.
	finished map[laneName]int64

	idle  time.Time // since when nothing of it was in memory, when that was seen
	at    time.Time // when the schedule has to look at it; zero: it need not
	index int       // in the agenda
	lost  bool      // another process serves it now
}

type laneName struct {
	webhookID, invoiceID string
	lane                 paybell.Lane
}

func nameOf(d paybell.Delivery) laneName { return laneName{d.WebhookID, d.InvoiceID, d.Lane()} }

// lane is the deliveries of one invoice to one webhook that are in memory, from
// the head on without a gap.
type lane struct {
	name      laneName
	again     bool               // it began with something resent
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
	by   string // the process as which it began
}

// shardOf is which part of the endpoints one belongs to.
func shardOf(e store.Endpoint) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.ClientID + " " + e.Origin))
	return int(h.Sum32() % store.Shards)
}

func (d *Dispatcher) endpoint(name store.Endpoint) *endpoint {
	e := d.endpoints[name]
	if e == nil {
		e = &endpoint{name: name, shard: shardOf(name), born: time.Now(), lanes: map[laneName]*lane{}, slots: firstSlots, index: -1}
		d.endpoints[name] = e
	}
	return e
}

// room is how many more lanes of e may come into memory. What is resent takes no
// room from what is fresh.
func (d *Dispatcher) room(e *endpoint, again bool) int {
	most := min(d.maxLanes, lanesOfSlot*e.slots)
	if again {
		return most/2 - e.again
	}
	return most - (len(e.lanes) - e.again)
}

// newLane makes a lane for what is at its head.
func (e *endpoint) newLane(head paybell.Delivery) *lane {
	l := &lane{name: nameOf(head), again: head.Resent}
	e.lanes[l.name], e.idle = l, time.Time{}
	if l.again {
		e.again++
	}
	return l
}

// take puts a fresh delivery into memory if it belongs there: as the head of a
// lane, or right behind the last one of a lane that is there.
func (d *Dispatcher) take(e *endpoint, f paybell.Delivery) {
	name := nameOf(f)
	l := e.lanes[name]
	switch {
	case l == nil && f.Previous == 0 && d.room(e, f.Resent) > 0:
		l = e.newLane(f)
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
	e.push(l, f)
}

// push adds a delivery to a lane; one that was idle becomes ready.
func (e *endpoint) push(l *lane, f paybell.Delivery) {
	l.queue = append(l.queue, f)
	l.last = f.Number
	if len(l.queue) == 1 && !l.flying {
		e.queue(l)
	}
}

// queue puts a lane among those that are ready.
func (e *endpoint) queue(l *lane) {
	if l.queue[0].Resent {
		e.resent = append(e.resent, l)
	} else {
		e.ready = append(e.ready, l)
	}
}

// waits reports whether no attempt may begin now although there may be heads.
func (e *endpoint) waits(now time.Time) bool { return e.lost || now.Before(e.notUntil) }

// next takes the head whose turn it is; it is then in flight. Nil: there is none,
// no slot for it, or no permission.
func (d *Dispatcher) next(e *endpoint) *flight {
	from := &e.ready
	if len(e.ready) == 0 {
		from = &e.resent
	}
	if len(*from) == 0 || e.flying >= e.slots || !d.serving(e.shard) || e.waits(time.Now()) {
		return nil
	}
	l := (*from)[0]
	(*from)[0] = nil
	*from = (*from)[1:]
	e.flying++
	l.flying = true
	head := l.queue[0]
	l.queue[0].Body = nil
	l.queue = l.queue[1:]
	d.flights[head.WebhookID]++
	return &flight{l, head, d.shards.self()}
}

// land is the opposite of next: the head is no longer in flight.
func (d *Dispatcher) land(e *endpoint, f *flight) {
	e.flying--
	f.lane.flying = false
	if d.flights[f.head.WebhookID]--; d.flights[f.head.WebhookID] == 0 {
		delete(d.flights, f.head.WebhookID)
	}
}

// start begins attempts while there are heads and slots for them.
func (d *Dispatcher) start(e *endpoint) {
	for f := d.next(e); f != nil; f = d.next(e) {
		d.attempts.Go(func() { d.fly(e, f) })
	}
	d.plan(e)
}

// takeOver adopts what the store knows of an endpoint that is new in memory.
func (e *endpoint) takeOver(h paybell.Health) {
	if e.known {
		return
	}
	e.known, e.secret = true, h.AcceptedSecret
	if !h.FailingSince.IsZero() && !e.failing {
		e.failing, e.outage, e.slots = true, h.FailingSince, 1
	}
	if h.PausedUntil.After(e.notUntil) {
		e.notUntil, e.slots = h.PausedUntil, 1
	}
}

// succeeded and failed keep the health in memory after an attempt.
func (d *Dispatcher) succeeded(e *endpoint, r *store.Result, secrets []paybell.Secret) {
	e.slots = min(mostSlots, e.slots+1)
	e.streak, e.accepted, e.notUntil = 0, time.Now(), time.Time{}
	if e.failing {
		r.Recovered = true
		if e.accepted.Sub(e.outage) >= longOutage {
			e.hasten, e.after = e.outage, store.Place{}
			d.dueAt(e, e.accepted)
		}
		e.failing, e.outage = false, time.Time{}
	}
	if used := r.Attempt.Secret; len(secrets) > 1 && used != e.secret {
		e.secret, r.Accepted = used, used
	}
}

func (d *Dispatcher) failed(e *endpoint, r *store.Result) {
	e.slots = max(1, e.slots/2)
	e.streak++
	e.hasten = time.Time{}
	if !e.failing {
		e.failing, e.outage = true, r.Attempt.StartedAt
	}
	if !r.Hold.IsZero() {
		e.slots = 1
		if r.Hold.After(e.notUntil) {
			e.notUntil, e.askedAt = r.Hold, time.Now()
		}
	}
	if n := e.streak - patience; n >= 0 {
		pause := min(longestPause, firstPause<<min(n, 10))
		if until := time.Now().Add(pause); until.After(e.notUntil) {
			e.notUntil = until
		}
	}
	if r.Delivery.Poison(e.accepted, time.Now()) {
		r.Delivery = r.Delivery.Passed()
	}
}

// dueAt makes sure that the endpoint's rows are read at a moment, or before.
func (d *Dispatcher) dueAt(e *endpoint, at time.Time) {
	if at.IsZero() || !e.due.IsZero() && !at.Before(e.due) {
		return
	}
	e.due = at
	d.plan(e)
}

// forget drops a lane that has nothing left in memory, and then its endpoint.
func (d *Dispatcher) forget(e *endpoint, l *lane) {
	if l.recording > 0 || l.flying || len(l.queue) > 0 {
		return
	}
	delete(e.lanes, l.name)
	if l.again {
		e.again--
	}
	d.plan(e) // there may be room to read on
	d.drop(e)
}

// An endpoint that is well stays in memory for idleAge after its last delivery, if there
// are not more than mostIdle: with it go its slots, and the freshness of its targets.
const (
	idleAge  = 10 * time.Second
	mostIdle = 20_000
)

// drop takes an endpoint out of memory of which nothing is left there.
func (d *Dispatcher) drop(e *endpoint) {
	if len(e.lanes) > 0 || !e.due.IsZero() || e.reading || e.waits(time.Now()) || d.endpoints[e.name] != e {
		return
	}
	if now := time.Now(); !e.failing && len(d.endpoints) <= mostIdle && d.running.Err() == nil {
		if e.idle.IsZero() {
			e.idle = now
		}
		if now.Sub(e.idle) < idleAge {
			return
		}
	}
	d.lose(e)
}
