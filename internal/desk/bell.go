package desk

import (
	"sync"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// bell wakes who waits for a webhook's next notification. It is a hint that saves
// time: who waits looks by itself every now and then.
type bell struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool // by webhook id
}

// Ring tells of deliveries that were just committed. It never blocks.
func (d *Desk) Ring(fresh []paybell.Delivery) {
	d.bell.mu.Lock()
	defer d.bell.mu.Unlock()
	if len(d.bell.waiting) == 0 {
		return
	}
	for _, f := range fresh {
		d.bell.ring(f.WebhookID)
	}
}

// RingHinted tells of what other processes have committed.
func (d *Desk) RingHinted(h store.Hint) {
	d.bell.mu.Lock()
	defer d.bell.mu.Unlock()
	for _, f := range h.Fresh {
		d.bell.ring(f.WebhookID)
	}
	if h.Everything {
		for webhookID := range d.bell.waiting {
			d.bell.ring(webhookID)
		}
	}
}

func (b *bell) ring(webhookID string) {
	for c := range b.waiting[webhookID] {
		select {
		case c <- struct{}{}:
		default: // it was woken already
		}
	}
}

// Listen returns a channel that is sent to when a webhook is told something, until
// stop is called.
func (d *Desk) Listen(webhookID string) (rings <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	d.bell.mu.Lock()
	defer d.bell.mu.Unlock()
	if d.bell.waiting == nil {
		d.bell.waiting = map[string]map[chan struct{}]bool{}
	}
	if d.bell.waiting[webhookID] == nil {
		d.bell.waiting[webhookID] = map[chan struct{}]bool{}
	}
	d.bell.waiting[webhookID][c] = true
	return c, func() {
		d.bell.mu.Lock()
		defer d.bell.mu.Unlock()
		delete(d.bell.waiting[webhookID], c)
		if len(d.bell.waiting[webhookID]) == 0 {
			delete(d.bell.waiting, webhookID)
		}
	}
}
