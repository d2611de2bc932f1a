package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// landing is what becomes of a flight: a result to record, or, when the delivery
// may not go where it was about to, a lane to settle.
type landing struct {
	store.Result
	e      *endpoint
	l      *lane
	by     string // the process as which it began
	settle bool
}

// fly attempts one head, and then others as long as there are any.
func (d *Dispatcher) fly(e *endpoint, f *flight) {
	for f != nil {
		to, err := d.target(f.head, e.born)
		switch {
		case err != nil:
			d.log.Error("cannot read a webhook, trying again", "webhook", f.head.WebhookID, "err", err)
			f = d.giveBack(e, f, time.Now().Add(time.Second))
			continue
		case !to.Rings(), to.Webhook.Origin != e.name.Origin, len(to.secrets) == 0:
			f = d.landed(e, f, &landing{e: e, l: f.lane, by: f.by, settle: true, Result: store.Result{Delivery: f.head}}, to)
			continue
		}
		accepted, wait := d.admit(e, to)
		if wait {
			f = d.giveBack(e, f, time.Time{})
			continue
		}
		// An attempt that has begun is finished also when the server stops.
		a, hold := attempt(context.WithoutCancel(d.running), d.transport, f.head, to, accepted)
		r := store.Result{Delivery: f.head.Next(a, to.Webhook.RetrySchedule(), rand.IntN(1000)), Attempt: a, URL: to.Webhook.URL, Hold: hold}
		if d.Attempted != nil {
			d.Attempted(&r)
		}
		f = d.landed(e, f, &landing{e: e, l: f.lane, by: f.by, Result: r}, to)
	}
}

// admit looks at the endpoint's health before an attempt: which secret it accepted
// last, and whether it has to wait.
func (d *Dispatcher) admit(e *endpoint, to target) (secret int64, wait bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.takeOver(to.Health)
	return e.secret, e.waits(time.Now()) || !d.serving(e.shard)
}

// landed puts what became of a flight into the queue for the disk and picks the
// next.
func (d *Dispatcher) landed(e *endpoint, f *flight, a *landing, to target) *flight {
	l := f.lane
	d.mu.Lock()
	d.land(e, f)
	l.recording++
	switch {
	case a.settle:
		l.failed, l.queue = true, nil
	case a.Attempt.Failure != "":
		d.failed(e, &a.Result)
		l.failed, l.queue = true, nil // what is behind it waits on disk
	default:
		d.succeeded(e, &a.Result, to.secrets)
		if len(l.queue) > 0 {
			e.queue(l)
		}
	}
	another := d.next(e)
	d.start(e) // a slot may have been added
	d.mu.Unlock()
	d.results <- *a
	return another
}

// giveBack takes a lane out of memory without an attempt; it is read from disk
// again at a moment, or, when that is zero, when its endpoint may be asked again.
func (d *Dispatcher) giveBack(e *endpoint, f *flight, at time.Time) *flight {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.land(e, f)
	f.lane.failed, f.lane.queue = true, nil
	e.after = store.Place{}
	if at.IsZero() {
		at = e.notUntil
	}
	d.dueAt(e, at)
	d.forget(e, f.lane)
	return d.next(e)
}

// record is the one goroutine that writes results, many at a time.
func (d *Dispatcher) record() {
	for first := range d.results {
		batch := []landing{first}
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
// up. Given up, or taken for dead by others, they are attempted again: at least
// once.
func (d *Dispatcher) write(batch []landing) {
	for try := 0; ; try++ {
		next, err := store.Update(context.Background(), d.db, func(tx *store.Tx) ([]bool, error) { return d.writeIn(tx, batch) })
		if err == nil {
			d.recorded(batch, next)
			return
		}
		if errors.Is(err, store.ErrBuried) {
			d.buried()
			return
		}
		d.log.Error("cannot record attempts", "attempts", len(batch), "err", err)
		if d.running.Err() != nil && try >= 5 {
			return
		}
		time.Sleep(min(time.Second/2, 50*time.Millisecond<<min(try, 10))) // what is not written is sent again if this process ends
	}
}

// writeIn writes a batch. next tells for each whether the endpoint has something
// new to be read.
func (d *Dispatcher) writeIn(tx *store.Tx, batch []landing) (next []bool, err error) {
	id := d.shards.self()
	if err := tx.Serving(id); err != nil {
		return nil, err
	}
	now := time.Now()
	next = make([]bool, len(batch))
	var results []store.Result
	var of []int
	for i, a := range batch {
		if a.by != id {
			continue // what it was then was buried: others have taken the delivery over
		}
		if !a.settle {
			results, of = append(results, a.Result), append(of, i)
			continue
		}
		if next[i], err = tx.Settle(a.Delivery.WebhookID, a.Delivery.InvoiceID, now); err != nil {
			return nil, err
		}
	}
	recorded, err := tx.Record(results, now)
	for j, i := range of {
		if err == nil {
			next[i] = recorded[j]
		}
	}
	return next, err
}

// recorded drops what memory need not hold any more.
func (d *Dispatcher) recorded(batch []landing, next []bool) {
	heads := d.promoted(batch, next)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, a := range batch {
		e, l := a.e, a.l
		if e.lost {
			continue
		}
		if e.reading {
			e.finished[l.name] = a.Delivery.Number
		}
		l.recording--
		switch {
		case a.settle && next[i]:
			d.pollSoon() // it is another endpoint's now
		case a.settle:
		case a.Delivery.DueAt.IsZero():
		default:
			d.dueAt(e, a.Delivery.DueAt)
		}
		if h, found := heads[i]; found && e.lanes[l.name] == l && len(l.queue) == 0 && !l.flying && l.recording == 0 {
			l.failed = false
			e.push(l, h)
			d.start(e)
		} else if !a.settle && next[i] && len(l.queue) == 0 && !l.flying {
			d.dueAt(e, time.Now()) // it is on disk only
		}
		d.forget(e, l)
	}
}

// promoted reads the heads of lanes that became due by what was just recorded, if
// memory does not hold them: else the backlog of the endpoint would be searched
// for each.
func (d *Dispatcher) promoted(batch []landing, next []bool) map[int]paybell.Delivery {
	var wanted []int
	d.mu.Lock()
	for i, a := range batch {
		if next[i] && !a.settle && !a.e.lost && len(a.l.queue) == 0 && !a.l.flying {
			wanted = append(wanted, i)
		}
	}
	d.mu.Unlock()
	if len(wanted) == 0 {
		return nil
	}
	heads, err := store.View(context.Background(), d.db, func(tx *store.Tx) (map[int]paybell.Delivery, error) {
		heads := map[int]paybell.Delivery{}
		for _, i := range wanted {
			h, found, err := tx.LaneHead(&batch[i].Delivery, time.Now())
			if err != nil {
				return nil, err
			}
			if found && nameOf(h) == batch[i].l.name {
				heads[i] = h
			}
		}
		return heads, nil
	})
	if err != nil {
		d.log.Error("cannot read what is due", "err", err)
	}
	return heads
}

// Try makes one attempt to bring a notification to a webhook, beside everything
// else: without a number, not recorded, marked as a test.
func (d *Dispatcher) Try(ctx context.Context, w paybell.Webhook, n paybell.Notification) (paybell.Attempt, error) {
	secrets, err := store.View(ctx, d.db, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(w.ClientID, time.Now()) })
	if err != nil {
		return paybell.Attempt{}, err
	}
	to := target{Target: store.Target{Webhook: w}, secrets: secrets}
	a, _ := attempt(ctx, d.transport, paybell.Delivery{WebhookID: w.ID, ClientID: w.ClientID, NotificationID: n.ID, Body: n.Body}, to, 0)
	return a, nil
}
