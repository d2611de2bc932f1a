package deliver

import (
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Hint takes what another process has committed. What this one is to serve of it is
// read from disk, and goes the way of what Offer gets. It may block for as long as
// that reading takes; what it does not take is found by the next poll.
func (d *Dispatcher) Hint(h store.Hint) {
	fresh, hinted := d.hinted(h)
	if len(fresh) == 0 {
		return
	}
	heads, err := store.View(d.running, d.db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Hinted(fresh) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && d.running.Err() == nil {
		d.log.Error("cannot read what others made", "err", err)
	}
	for _, head := range heads {
		if e := hinted[store.Endpoint{ClientID: head.ClientID, Origin: head.Origin}]; e != nil && !e.lost {
			d.takeHead(e, head)
		}
	}
	for _, e := range hinted {
		e.reading = false
		if e.lost {
			continue
		}
		if err != nil {
			d.dueAt(e, time.Now().Add(time.Second))
		}
		d.start(e)
		d.drop(e)
	}
}

// hinted picks what is this process's, and makes ready for its being read.
func (d *Dispatcher) hinted(h store.Hint) (fresh []store.Fresh, hinted map[store.Endpoint]*endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil || d.running.Err() != nil {
		return nil, nil
	}
	if h.Everything {
		d.pollSoon()
	}
	hinted = map[store.Endpoint]*endpoint{}
	for _, f := range h.Fresh {
		if !d.serving(shardOf(f.Endpoint)) {
			continue
		}
		e := d.endpoint(f.Endpoint)
		switch {
		case hinted[e.name] == nil && e.reading, d.room(e, false) <= 0:
			d.dueAt(e, time.Now()) // with the rest of what is on disk
			continue
		case hinted[e.name] == nil:
			hinted[e.name], e.reading, e.finished = e, true, map[laneName]int64{}
		}
		fresh = append(fresh, f)
	}
	return fresh, hinted
}

// takeHead puts the head of a lane that was read from disk into memory. If the lane is
// there, what was before it is on disk, and only memory does not know yet.
func (d *Dispatcher) takeHead(e *endpoint, head paybell.Delivery) {
	name, now := nameOf(head), time.Now()
	switch {
	case e.finished[name] >= head.Number:
	case e.lanes[name] != nil:
		d.take(e, head)
	case head.Attempts > 0 && head.DueAt.After(now): // by then it is on the way
		d.dueAt(e, head.DueAt)
	case d.room(e, head.Resent) <= 0:
		d.dueAt(e, now)
	default:
		e.push(e.newLane(head), head)
	}
}
