package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybell/paybell"
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

	blockEvery = 50 * time.Millisecond // on the test coin's chain
)

// flow is what a load came to, once it had warmed up.
type flow struct {
	perSecond float64 // at the receiver
	accepted  float64 // invoices per second

	// What each took at the receiver:
	cpu     float64 // of this process, in microseconds
	server  float64 // of PostgreSQL, if it runs here
	written float64 // bytes, by this process
	wal     float64 // bytes of PostgreSQL's log
}

// load works until over is closed, or ctx ends.
type load func(ctx context.Context, over <-chan struct{}) error

// measure puts a load on for a time and looks at what arrives.
func (s *stand) measure(ctx context.Context, d time.Duration, work load) (flow, error) {
	over, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- work(ctx, over) }()
	begin, err := s.markAfter(ctx, warmUp(d))
	var end mark
	if err == nil {
		end, err = s.markAfter(ctx, d)
	}
	close(over)
	return begin.flowTo(end), errors.Join(err, <-ended)
}

// warmUp is for connections, statements and pages of the database.
func warmUp(d time.Duration) time.Duration { return min(d/2, 500*time.Millisecond) }

// mark is where things stand at a moment.
type mark struct {
	at              time.Time
	count, accepted int64 // of what has arrived, and of invoices
	cpu, server     time.Duration
	written, wal    int64
}

func (s *stand) markAfter(ctx context.Context, d time.Duration) (m mark, err error) {
	if !bench.Sleep(ctx, d) {
		return mark{}, ctx.Err()
	}
	if m.count, err = s.b.receiver.Count(); err != nil {
		return mark{}, err
	}
	m.at, m.accepted, m.cpu, m.server, m.written = time.Now(), s.accepted.Load(), cpuTime(), s.b.postgres.cpu(), writtenBytes()
	if s.b.postgres != nil {
		m.wal, err = s.b.postgres.wal(ctx)
	}
	return m, err
}

func (m mark) flowTo(end mark) flow {
	n, seconds := float64(end.count-m.count), end.at.Sub(m.at).Seconds()
	return flow{
		perSecond: bench.Ratio(n, seconds), accepted: bench.Ratio(float64(end.accepted-m.accepted), seconds),
		cpu: bench.Ratio(float64((end.cpu - m.cpu).Microseconds()), n), server: bench.Ratio(float64((end.server - m.server).Microseconds()), n),
		written: bench.Ratio(float64(end.written-m.written), n), wal: bench.Ratio(float64(end.wal-m.wal), n),
	}
}

// post is the ceiling: a bare loop of signed POSTs, to all webhooks in turn.
// Nothing is stored.
func (s *stand) post(ctx context.Context, over <-chan struct{}) error {
	client, body := bench.NewClient(), s.notification()
	defer client.CloseIdleConnections()
	return bench.Together(bench.Connections, func() (bool, error) {
		select {
		case <-over:
			return false, nil
		default:
			return true, bench.Post(ctx, client, s.nextTarget(), body)
		}
	})
}

// saturate makes invoices, of all clients in turn, as fast as their notifications
// arrive: of each so many. It returns when all have arrived.
func (s *stand) saturate(each int, one turn) load {
	return func(ctx context.Context, over <-chan struct{}) error {
		ctx, fail := context.WithCancel(ctx)
		defer fail()
		before, err := s.b.receiver.Count()
		if err != nil {
			return err
		}
		var made atomic.Int64
		places := make(chan struct{}, max(1, ahead/each)) // taken by invoices on their way
		allMade, arrived := make(chan struct{}), make(chan error, 1)
		go func() {
			defer fail() // who waits for a place would wait for ever
			arrived <- s.b.arrive(ctx, allMade, func(n int64) (all bool) {
				for n = (n - before) / int64(each); int64(len(places)) > max(0, made.Load()-n); {
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
				return true, one(ctx, s.nextClient(), usualNumber)
			}
		})
		close(allMade)
		return errors.Join(err, <-arrived)
	}
}

// mining is a load with blocks that confirm what it pays. They go on coming until it
// has ended.
func (s *stand) mining(work load) load {
	return func(ctx context.Context, over <-chan struct{}) error {
		coin, _ := paybell.FindCurrency(paybell.LTCT)
		mining, enough := context.WithCancel(ctx)
		mined := make(chan error, 1)
		go func() {
			var err error
			for err == nil && bench.Sleep(mining, blockEvery) {
				_, err = s.app.desk.MineSandbox(ctx, s.clients[0].actor, coin.Confirmations)
			}
			mined <- err
		}()
		err := work(ctx, over)
		enough()
		return errors.Join(err, <-mined)
	}
}

// flood makes invoices at random moments, so many in a second, and counts those that
// are refused since too many wait.
func (s *stand) flood(perSecond float64, refused *atomic.Int64) load {
	return func(ctx context.Context, over <-chan struct{}) error {
		coming, enough := context.WithCancel(ctx)
		defer enough()
		go func() {
			select {
			case <-over:
				enough()
			case <-coming.Done():
			}
		}()
		failed := make(chan error, 1)
		bench.Poisson(coming, perSecond, time.Hour, func(int, time.Time) {
			err := s.create(ctx, s.nextClient(), usualNumber)
			if paybell.CodeOf(err) == paybell.Unavailable {
				refused.Add(1)
			} else if err != nil {
				select {
				case failed <- err:
				default: // one says enough
				}
			}
		})
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}
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
// until all have come or the time for it is over. before is how many had come of
// others.
func (s *stand) drained(ctx context.Context, before, waiting int64) (flow, error) {
	first, err := s.markWhen(ctx, before+1, arrivalTime)
	if err == nil && first.count == before {
		err = fmt.Errorf("nothing of what waits arrived within %v", arrivalTime)
	}
	if err != nil {
		return flow{}, err
	}
	end, err := s.markWhen(ctx, before+waiting, 4*s.b.Duration)
	return first.flowTo(end), err
}

// markWhen is where things stand when so many have arrived in all, or a time is over.
func (s *stand) markWhen(ctx context.Context, count int64, most time.Duration) (mark, error) {
	for end := time.Now().Add(most); ; {
		n, err := s.b.receiver.Count()
		if err != nil {
			return mark{}, err
		}
		if n >= count || time.Now().After(end) {
			return s.markAfter(ctx, 0)
		}
		if !bench.Sleep(ctx, askEvery) {
			return mark{}, ctx.Err()
		}
	}
}

// rung is one notification that the open loop has made; the times are nanoseconds
// since 1970, on the clock that the receiver has, too.
type rung struct {
	meant     int64 // when the invoice was to be asked for
	committed int64 // when the desk had answered: it is on disk
	arrived   int64
}

// ring makes invoices at random moments, so many in a second, for all clients in
// turn, and waits for the notifications of the first few clients.
func (s *stand) ring(ctx context.Context, perSecond float64, d time.Duration, clients int, one turn) ([]rung, error) {
	s.b.runs++
	run := "run-" + strconv.Itoa(s.b.runs) + "-" // what an earlier one left may still come
	if err := s.b.receiver.Record(); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var failed error
	made := map[string]rung{}
	warm := time.Now().Add(warmUp(d))
	bench.Poisson(ctx, perSecond, warmUp(d)+d, func(i int, at time.Time) {
		client, number := i%len(s.clients), run+strconv.Itoa(i)
		err := one(ctx, s.clients[client], number)
		committed := time.Now().UnixNano()
		mu.Lock()
		defer mu.Unlock()
		failed = cmp.Or(failed, err)
		if at.After(warm) && client < clients {
			made[number] = rung{meant: at.UnixNano(), committed: committed}
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

// sinceMeant is how long each took from when its invoice was to be asked for.
func sinceMeant(all []rung) []float64 {
	return took(all, func(r rung) int64 { return r.meant })
}

// untilCommit is how long its caller waited for each.
func untilCommit(all []rung) []float64 {
	ms := make([]float64, len(all))
	for i, r := range all {
		ms[i] = float64(r.committed-r.meant) / 1e6
	}
	return ms
}

func took(all []rung, from func(rung) int64) []float64 {
	ms := make([]float64, len(all))
	for i, r := range all {
		ms[i] = float64(max(0, r.arrived-from(r))) / 1e6
	}
	return ms
}
