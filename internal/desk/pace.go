package desk

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/paybell/paybell/internal/store"
)

// paced counts one more time for a key, and returns 0, or how long it takes until one
// more is possible. It guards what must not be tried often, whichever process is
// asked: the store counts for all of them, and p keeps a flood away from the store.
func (d *Desk) paced(ctx context.Context, p *pace, key string, burst int, every time.Duration) (wait time.Duration, err error) {
	if wait := p.take(key, burst, every); wait > 0 {
		return wait, nil
	}
	return store.Update(ctx, d.DB, func(tx *store.Tx) (time.Duration, error) { return tx.Pace(key, burst, every, now()) })
}

// pace bounds how often something is done for each key: so many times at once,
// and then once in a while. The zero value is ready.
//
// It keeps for each key when it may do all of that at once again. A moment that is
// past says nothing and is dropped when there are too many; if none is, the keys
// that come next share one moment until there is room: a flood of them holds up
// newcomers, and not those who are known.
type pace struct {
	mu    sync.Mutex
	ready map[string]time.Time
	swept time.Time
}

// maxPaced is how many keys are told apart at once.
const maxPaced = 100_000

// take counts one more time for key and returns 0, or how long it takes until one
// more is possible, and then counts nothing.
func (p *pace) take(key string, burst int, every time.Duration) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.ready == nil {
		p.ready = map[string]time.Time{}
	}
	if _, known := p.ready[key]; !known && len(p.ready) >= maxPaced {
		key = p.newcomer(key, now)
	}
	ready := p.ready[key]
	if ready.Before(now) {
		ready = now
	}
	if wait := ready.Sub(now) - time.Duration(burst-1)*every; wait > 0 {
		return wait
	}
	p.ready[key] = ready.Add(every)
	return 0
}

// newcomer makes room for key, or is the key that it has to share. Looking at all
// takes a while, so that is done once in a second.
func (p *pace) newcomer(key string, now time.Time) string {
	if now.Sub(p.swept) >= time.Second {
		p.swept = now
		maps.DeleteFunc(p.ready, func(_ string, ready time.Time) bool { return !ready.After(now) })
	}
	if len(p.ready) >= maxPaced {
		return ""
	}
	return key
}
