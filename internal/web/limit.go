package web

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/paybell/paybell"
)

// maxLimited is how many keys a limiter tells apart at once. It takes about
// 20 MB then.
const maxLimited = 100_000

// Limiter bounds how many requests each key (a client, an address) may make per
// second. Each key has a bucket of one second's worth: who was quiet for a second
// may spend it at once, and it fills evenly again. A nil Limiter bounds nothing.
//
// A bucket that is full again says nothing, so it may be dropped; that happens
// when there are maxLimited. If all of them are in use, the keys that come next
// share one bucket until there is room: a flood from many addresses holds up
// newcomers, and not those who are known.
type Limiter struct {
	perSecond int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	shared  *rate.Limiter
	swept   time.Time // when full buckets were last looked for
}

// NewLimiter makes a limiter; 0 or less means no limit.
func NewLimiter(perSecond int) *Limiter {
	if perSecond <= 0 {
		return nil
	}
	l := &Limiter{perSecond: perSecond, buckets: map[string]*rate.Limiter{}}
	l.shared = l.newBucket()
	return l
}

// Take counts one request of key. One that comes too early is not counted and
// gets RateLimited, with the time after which the next is possible.
func (l *Limiter) Take(key string) error {
	if l == nil {
		return nil
	}
	wait := l.wait(key)
	if wait == 0 {
		return nil
	}
	return &paybell.Error{
		Code:       paybell.RateLimited,
		Detail:     fmt.Sprintf("Requests are limited to %d per second for each client or address; wait and ask again.", l.perSecond),
		RetryAfter: wait,
	}
}

// wait takes a token from the bucket of key and returns 0, or leaves the bucket
// as it is and returns how long it takes until there is one.
func (l *Limiter) wait(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now() // under the lock: a bucket that is asked about the past fills that time twice
	token := l.bucket(key, now).ReserveN(now, 1)
	wait := token.DelayFrom(now)
	if wait > 0 {
		token.CancelAt(now)
	}
	return wait
}

// bucket finds or makes the bucket of key.
func (l *Limiter) bucket(key string, now time.Time) *rate.Limiter {
	if b, ok := l.buckets[key]; ok {
		return b
	}
	if len(l.buckets) >= maxLimited {
		l.sweep(now)
	}
	if len(l.buckets) >= maxLimited {
		return l.shared
	}
	b := l.newBucket()
	l.buckets[key] = b
	return b
}

func (l *Limiter) newBucket() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond)
}

// sweep drops the buckets that are full again, at most once per second: looking
// at all of them takes tens of milliseconds, in which nobody gets a token, and an
// empty one takes a second to fill.
func (l *Limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	maps.DeleteFunc(l.buckets, func(_ string, b *rate.Limiter) bool {
		return b.TokensAt(now) >= float64(l.perSecond)
	})
}
