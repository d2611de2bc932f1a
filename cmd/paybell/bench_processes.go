package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/bench"
	"github.com/paybell/paybell/internal/store"
)

// settleTime is how long processes may take until each has its part of the endpoints.
const settleTime = 20 * time.Second

// worker is everything but to answer requests.
var worker = []string{roleWatch, roleDeliver, rolePrune}

// processes compares several with one, and measures the way from one to another.
// Invoices come by signed requests, to all that answer them in turn; who makes them is
// this process, always.
func (b *bencher) processes(ctx context.Context) (_ []bench.Figure, err error) {
	if b.postgres == nil {
		return nil, leftOut("SQLite is served by one process; several share a PostgreSQL, see --database")
	}
	s, err := b.stand(ctx, b.hooks(100)) // the more endpoints, the more evenly they are shared
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.close(); err != nil {
		return nil, err
	}
	crews := [][][]string{make([][]string, 1), make([][]string, b.Processes), {{roleAPI}, worker}}
	got := make([]flows, len(crews))
	rounds, _ := b.rounds()
	for range min(3, rounds) {
		for i, crew := range crews {
			f, err := s.together(ctx, b.Duration, crew)
			if err != nil {
				return nil, err
			}
			got[i] = append(got[i], f)
		}
	}
	one, several, split := got[0], got[1], got[2]
	all, err := s.across(ctx)
	if err != nil {
		return nil, err
	}
	latency := percentiles("from the commit in one to the receiver of another", sinceCommit(all))
	latency[0] = latency[0].AtMost(6)
	return append([]bench.Figure{
		{Name: "deliveries, one process", Value: one.middle(perSecond), Unit: "/s"},
		{Name: fmt.Sprintf("deliveries, %d that do everything", b.Processes), Value: several.middle(perSecond), Unit: "/s"},
		bench.Figure{Name: "they to the one", Value: several.ratio(one, perSecond), Unit: "×"}.AtLeast(1),
		{Name: "deliveries, one that answers and one that delivers", Value: split.middle(perSecond), Unit: "/s"},
		{Name: "these two to the one", Value: split.ratio(one, perSecond), Unit: "×"},
	}, latency...), nil
}

// together measures a crew of processes: what each does, or nil for everything.
func (s *stand) together(ctx context.Context, d time.Duration, crew [][]string) (f flow, err error) {
	var urls []string
	delivering := 0
	for _, roles := range crew {
		p, err := startServer(s, roles...)
		if err != nil {
			return flow{}, err
		}
		defer func() { err = errors.Join(err, p.leave()) }()
		if p.url != "" {
			urls = append(urls, p.url)
		}
		if len(roles) != 1 {
			delivering++
		}
	}
	if err := s.settle(ctx, delivering); err != nil {
		return flow{}, err
	}
	return s.measure(ctx, d, s.saturate(1, s.ask(urls...)))
}

// across rings from this process, which does not deliver, through another.
func (s *stand) across(ctx context.Context) (all []rung, err error) {
	p, err := startServer(s, worker...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.leave()) }()
	if err := s.open(ctx, roleAPI); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.settle(ctx, 1); err != nil {
		return nil, err
	}
	return s.ring(ctx, latencyRate, 2*s.b.Duration, len(s.clients), s.create)
}

// settle waits until the endpoints are dealt out evenly among so many processes.
func (s *stand) settle(ctx context.Context, processes int) (err error) {
	db, err := s.place.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for end := time.Now().Add(settleTime); ; {
		even, err := store.View(ctx, db, func(tx *store.Tx) (bool, error) { return dealtOut(tx, processes) })
		if err != nil || even {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d processes did not share the endpoints within %v", processes, settleTime)
		}
		if !bench.Sleep(ctx, askEvery) {
			return ctx.Err()
		}
	}
}

func dealtOut(tx *store.Tx, processes int) (even bool, err error) {
	beats, err := tx.Beats()
	if err != nil || len(beats) != processes {
		return false, err
	}
	for id := range beats {
		own, err := tx.OwnShards(id)
		if err != nil || strings.Contains(id, " ") || len(own) < store.Shards/processes {
			return false, err
		}
	}
	return true, nil
}
