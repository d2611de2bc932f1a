package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell/internal/bench"
)

const (
	// ahead is how many notifications may be on their way before no more invoices
	// are made: a rate that lasts is one at which they do not pile up.
	ahead = 1024

	// arrivalTime is how long a notification may take before it counts as lost
	// here. It takes milliseconds.
	arrivalTime = 20 * time.Second

	askEvery = 10 * time.Millisecond // how often the receiver is asked what it has
)

// flow is what a load came to, once it had warmed up.
type flow struct {
	perSecond float64 // at the receiver
	cpu       float64 // of this process for each, in microseconds
}

// load works until over is closed, or ctx ends.
type load func(ctx context.Context, over <-chan struct{}) error

// measure puts a load on for a time and looks at what arrives.
func (b *bencher) measure(ctx context.Context, d time.Duration, work load) (flow, error) {
	over, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- work(ctx, over) }()
	begin, err := b.markAfter(ctx, warmUp(d))
	var end mark
	if err == nil {
		end, err = b.markAfter(ctx, d)
	}
	close(over)
	return begin.flowTo(end), errors.Join(err, <-ended)
}

// warmUp is for connections, statements and pages of the database.
func warmUp(d time.Duration) time.Duration { return min(d/2, 500*time.Millisecond) }

// mark is where things stand at a moment.
type mark struct {
	at    time.Time
	count int64 // of what has arrived
	cpu   time.Duration
}

func (b *bencher) markAfter(ctx context.Context, d time.Duration) (mark, error) {
	if !bench.Sleep(ctx, d) {
		return mark{}, ctx.Err()
	}
	n, err := b.receiver.Count()
	return mark{at: time.Now(), count: n, cpu: cpuTime()}, err
}

func (m mark) flowTo(end mark) flow {
	n := float64(end.count - m.count)
	return flow{
		perSecond: bench.Ratio(n, end.at.Sub(m.at).Seconds()),
		cpu:       bench.Ratio(float64((end.cpu - m.cpu).Microseconds()), n),
	}
}

// post is the ceiling: a bare loop of signed POSTs, to all endpoints in turn.
// Nothing is stored.
func (s *stand) post(ctx context.Context, over <-chan struct{}) error {
	client, body := bench.NewClient(), s.notification()
	defer client.CloseIdleConnections()
	return bench.Together(bench.Connections, func() (bool, error) {
		select {
		case <-over:
			return false, nil
		default:
			return true, bench.Post(ctx, client, s.next().target, body)
		}
	})
}

// saturate makes invoices as fast as their notifications arrive, for all endpoints
// in turn. It returns when all have arrived.
func (s *stand) saturate(ctx context.Context, over <-chan struct{}) error {
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	before, err := s.b.receiver.Count()
	if err != nil {
		return err
	}
	var made atomic.Int64
	places := make(chan struct{}, ahead) // taken by what is on its way
	allMade, arrived := make(chan struct{}), make(chan error, 1)
	go func() {
		defer fail() // who waits for a place would wait for ever
		arrived <- s.b.arrive(ctx, allMade, func(n int64) (all bool) {
			for n -= before; int64(len(places)) > max(0, made.Load()-n); {
				<-places
			}
			return n >= made.Load()
		})
	}()
	err = bench.Together(bench.Connections, func() (bool, error) {
		select {
		case <-over:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case places <- struct{}{}:
			made.Add(1)
			return true, s.create(ctx, s.next(), "0067")
		}
	})
	close(allMade)
	return errors.Join(err, <-arrived)
}

// arrive says how many notifications the receiver has got, again and again, until
// the last was made and saw says that all are there.
func (b *bencher) arrive(ctx context.Context, allMade <-chan struct{}, saw func(n int64) (all bool)) error {
	var late <-chan time.Time
	for {
		n, err := b.receiver.Count()
		if err != nil {
			return err
		}
		if all := saw(n); all && allMade == nil {
			return nil
		}
		select {
		case <-allMade:
			allMade, late = nil, time.After(arrivalTime)
		case <-time.After(askEvery):
		case <-late:
			return fmt.Errorf("some notifications did not arrive within %v", arrivalTime)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drained looks at what arrives of so many that wait, from the first of them on,
// until all have come or the time for it is over. before is from when none had.
func (b *bencher) drained(ctx context.Context, before mark, waiting int64) (flow, error) {
	for end := time.Now().Add(4 * b.Duration); ; {
		now, err := b.markAfter(ctx, askEvery)
		switch {
		case err != nil:
			return flow{}, err
		case now.count-before.count >= waiting || now.at.After(end):
			return before.flowTo(now), nil
		case now.count == before.count:
			before = now
		}
	}
}

// rung is one notification that the open loop has made; the times are nanoseconds
// since 1970, on the clock that the receiver has, too.
type rung struct {
	asked     int64 // when the invoice was asked for
	committed int64 // when the desk had answered: it is on disk
	arrived   int64
}

// ring makes invoices at random moments, so many in a second, for all endpoints in
// turn, and waits for the notifications of the first few endpoints.
func (s *stand) ring(ctx context.Context, perSecond float64, d time.Duration, endpoints int) ([]rung, error) {
	s.b.runs++
	run := "run-" + strconv.Itoa(s.b.runs) + "-" // what an earlier one left may still come
	if err := s.b.receiver.Record(); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var failed error
	made := map[string]rung{}
	warm := time.Now().Add(warmUp(d)).UnixNano()
	bench.Poisson(ctx, perSecond, warmUp(d)+d, func(i int) {
		endpoint, number := i%len(s.endpoints), run+strconv.Itoa(i)
		asked := time.Now().UnixNano()
		err := s.create(ctx, s.endpoints[endpoint], number)
		committed := time.Now().UnixNano()
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
		if asked >= warm && endpoint < endpoints {
			made[number] = rung{asked: asked, committed: committed}
		}
	})
	if err := errors.Join(ctx.Err(), failed); err != nil {
		return nil, err
	}
	return s.b.heard(ctx, made)
}

// heard waits until all have arrived. What is late counts as if it had come when
// the waiting was over.
func (b *bencher) heard(ctx context.Context, made map[string]rung) (all []rung, err error) {
	first := map[string]int64{}
	for end := time.Now().Add(arrivalTime); ; {
		arrivals, err := b.receiver.Arrivals()
		if err != nil {
			return nil, err
		}
		for _, a := range arrivals {
			if _, ours := made[a.Number]; ours && first[a.Number] == 0 {
				first[a.Number] = a.At
			}
		}
		if len(first) == len(made) || time.Now().After(end) {
			break
		}
		if !bench.Sleep(ctx, askEvery) {
			return nil, ctx.Err()
		}
	}
	over := time.Now().UnixNano()
	for number, r := range made {
		if r.arrived = first[number]; r.arrived == 0 {
			r.arrived = over
		}
		all = append(all, r)
	}
	return all, nil
}

// sinceCommit is how long each took from the commit, in milliseconds. What came
// before the desk had answered took no time.
func sinceCommit(all []rung) []float64 {
	return took(all, func(r rung) int64 { return r.committed })
}

// sinceAsked is how long each took from when its invoice was asked for.
func sinceAsked(all []rung) []float64 {
	return took(all, func(r rung) int64 { return r.asked })
}

func took(all []rung, from func(rung) int64) []float64 {
	ms := make([]float64, len(all))
	for i, r := range all {
		ms[i] = float64(max(0, r.arrived-from(r))) / 1e6
	}
	return ms
}
