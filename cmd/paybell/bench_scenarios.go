package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/bench"
	"github.com/paybell/paybell/internal/desk"
)

const (
	besideRounds = 5
	besideRate   = 200 // invoices per second while something else is wrong
	latencyRate  = 50

	// deadHook is where nobody listens.
	deadHook = "http://127.0.0.1:9/hook"
)

// rounds is how often a pair of measurements is made in turn, since the machine's
// mood changes, and how long each takes: in less than that nothing is seen.
func (b *bencher) rounds() (n int, each time.Duration) {
	n = min(5, max(1, int(b.Duration/(200*time.Millisecond))))
	return n, b.Duration / time.Duration(n)
}

// rateTo measures deliveries to so many endpoints as a share of what bare POSTs
// reach.
func rateTo(endpoints int) func(*bencher, context.Context) ([]bench.Figure, error) {
	return func(b *bencher, ctx context.Context) (_ []bench.Figure, err error) {
		s, err := b.stand(ctx, b.hooks(endpoints))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.remove()) }()
		var ceiling, rate, share, bareCPU, cpu []float64
		rounds, each := b.rounds()
		for range rounds {
			var bare, full flow
			pprof.Do(ctx, pprof.Labels("part", "ceiling"), func(ctx context.Context) {
				bare, err = b.measure(ctx, each, s.post)
			})
			if err != nil {
				return nil, err
			}
			if full, err = b.measure(ctx, each, s.saturate); err != nil {
				return nil, err
			}
			ceiling, rate = append(ceiling, bare.perSecond), append(rate, full.perSecond)
			bareCPU, cpu = append(bareCPU, bare.cpu), append(cpu, full.cpu)
			share = append(share, bench.Ratio(full.perSecond, bare.perSecond))
		}
		if endpoints == 1 {
			b.steady, b.ceiling = median(rate), median(ceiling)
		}
		return []bench.Figure{
			{Name: "ceiling: bare signed POSTs", Value: median(ceiling), Unit: "/s"},
			{Name: "deliveries", Value: median(rate), Unit: "/s"},
			shareOf(bench.Figure{Name: "share of the ceiling", Value: median(share)}),
			{Name: "own CPU for each bare POST", Value: median(bareCPU), Unit: "µs"},
			{Name: "own CPU for each delivery", Value: median(cpu), Unit: "µs"},
		}, nil
	}
}

// shareOf judges a share of the ceiling. Below a half nothing else counts.
func shareOf(f bench.Figure) bench.Figure {
	f = f.AtLeast(0.6)
	if f.Value < 0.5 {
		f.Verdict = "not done"
	}
	return f
}

func median(samples []float64) float64 { return bench.Percentile(samples, 50) }

// latency measures an open loop that leaves the machine idle most of the time.
func (b *bencher) latency(ctx context.Context) (_ []bench.Figure, err error) {
	s, err := b.stand(ctx, b.hooks(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	all, err := s.ring(ctx, latencyRate, 2*b.Duration, 1)
	if err != nil {
		return nil, err
	}
	commit, asked := sinceCommit(all), sinceAsked(all)
	return []bench.Figure{
		bench.Figure{Name: "p50 from the commit", Value: bench.Percentile(commit, 50), Unit: "ms"}.AtMost(3),
		bench.Figure{Name: "p99 from the commit", Value: bench.Percentile(commit, 99), Unit: "ms"}.AtMost(15),
		{Name: "p50 from the call, with the commit", Value: bench.Percentile(asked, 50), Unit: "ms"},
		{Name: "p99 from the call, with the commit", Value: bench.Percentile(asked, 99), Unit: "ms"},
	}, nil
}

// besideHanging has a tenth endpoint that never answers.
func (b *bencher) besideHanging(ctx context.Context) ([]bench.Figure, error) {
	return b.beside(ctx, b.receiver.URL(9, bench.Hang), func(*stand) error { return nil })
}

// besideDead has a tenth endpoint that is down, for which very many wait.
func (b *bencher) besideDead(ctx context.Context) ([]bench.Figure, error) {
	return b.beside(ctx, deadHook, func(s *stand) error { return s.fill(ctx, b.Rows/10, paybell.DeliveryPending, s.endpoints[9:]) })
}

// besideHooks has a thousand webhooks, ten to an invoice, on one host that hangs.
func (b *bencher) besideHooks(ctx context.Context) ([]bench.Figure, error) {
	return b.beside(ctx, b.receiver.URL(9, bench.Hook), func(s *stand) error {
		hooks := make([]desk.NewWebhook, paybell.MaxWebhooksPerInvoice)
		for i := range hooks {
			url := fmt.Sprintf("%s/%d", b.receiver.URL(receiverPorts-1, bench.Hang), i)
			hooks[i] = desk.NewWebhook{URL: url, Events: []string{"invoiceCreated"}}
		}
		for range 1000 / len(hooks) {
			if err := s.create(ctx, s.endpoints[9], "0067", hooks...); err != nil {
				return err
			}
		}
		return nil
	})
}

// beside compares nine endpoints of two servers, in turn: one is well, on the
// other spoil has done what it does, and the tenth endpoint is another.
func (b *bencher) beside(ctx context.Context, tenth string, spoil func(*stand) error) (_ []bench.Figure, err error) {
	well, err := b.stand(ctx, b.hooks(10))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, well.remove()) }()
	ill, err := b.stand(ctx, append(b.hooks(9), tenth))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ill.remove()) }()
	if err := errors.Join(spoil(ill), ill.close(), well.close()); err != nil {
		return nil, err
	}
	p99 := map[*stand][]float64{}
	for range besideRounds {
		for _, s := range []*stand{well, ill} {
			var all []rung
			err := s.visit(ctx, func() (err error) {
				all, err = s.ring(ctx, besideRate, b.Duration*2/5, 9)
				return err
			})
			if err != nil {
				return nil, err
			}
			p99[s] = append(p99[s], bench.Percentile(sinceCommit(all), 99))
		}
	}
	usual := median(p99[well])
	return []bench.Figure{
		{Name: "p99 of nine, alone", Value: usual, Unit: "ms"},
		bench.Figure{Name: "p99 of nine, beside it", Value: median(p99[ill]), Unit: "ms"}.AtMost(max(1.5*usual, usual+5)),
	}, nil
}

// drain measures how fast a server that was just started works off what waits.
func (b *bencher) drain(ctx context.Context) (_ []bench.Figure, err error) {
	if b.steady == 0 {
		if _, err := rateTo(1)(b, ctx); err != nil {
			return nil, err
		}
	}
	s, err := b.stand(ctx, b.hooks(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.fill(ctx, b.Rows/10, paybell.DeliveryPending, s.endpoints); err != nil {
		return nil, err
	}
	before, err := b.markAfter(ctx, 0)
	if err != nil {
		return nil, err
	}
	var f flow
	err = s.visit(ctx, func() (err error) {
		f, err = b.drained(ctx, before, int64(b.Rows/10))
		return err
	})
	return []bench.Figure{
		bench.Figure{Name: "deliveries", Value: f.perSecond, Unit: "/s"}.AtLeast(b.steady),
		{Name: "share of the ceiling", Value: bench.Ratio(f.perSecond, b.ceiling), Unit: "×"},
		{Name: "own CPU for each delivery", Value: f.cpu, Unit: "µs"},
	}, err
}

// memory measures a server of its own, in the first seconds with very many rows.
func (b *bencher) memory(ctx context.Context) (_ []bench.Figure, err error) {
	urls := b.hooks(10)
	for i := range 5 {
		urls[i] = b.receiver.URL(i, bench.Hang)
	}
	s, err := b.stand(ctx, urls)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.fill(ctx, b.Rows/len(urls), paybell.DeliveryPending, s.endpoints); err != nil {
		return nil, err
	}
	at, err := serverUsage(ctx, s.dir, b.Duration)
	if err != nil || at[1].Peak == 0 {
		return nil, err // or this is not Linux: nothing can be said
	}
	return []bench.Figure{
		bench.Figure{Name: "resident memory at its most", Value: float64(at[1].Peak) / 1e6, Unit: "MB"}.AtMost(200),
	}, nil
}

// idle measures a server of its own that has nothing to do.
func (b *bencher) idle(ctx context.Context) (_ []bench.Figure, err error) {
	s, err := b.stand(ctx, b.hooks(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := errors.Join(s.create(ctx, s.endpoints[0], "0067"), s.close()); err != nil {
		return nil, err
	}
	at, err := serverUsage(ctx, s.dir, min(2*time.Second, b.Duration), b.Duration) // the start is over then
	if err != nil {
		return nil, err
	}
	cpu := (at[2].CPU - at[1].CPU).Seconds() / b.Duration.Seconds()
	return []bench.Figure{bench.Figure{Name: "of a core", Value: 100 * cpu, Unit: "%"}.AtMost(0.5)}, nil
}

// kept compares deliveries on top of few and of very many that are done, in turn.
func (b *bencher) kept(ctx context.Context) (_ []bench.Figure, err error) {
	type heap struct {
		rows      int
		stand     *stand
		cpu, rate []float64
	}
	heaps := []*heap{{rows: b.Rows / 100}, {rows: b.Rows}}
	for _, h := range heaps {
		if h.stand, err = b.stand(ctx, b.hooks(1)); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, h.stand.remove()) }()
		if err := h.stand.fill(ctx, h.rows, paybell.Delivered, h.stand.endpoints); err != nil {
			return nil, err
		}
	}
	rounds, each := b.rounds()
	for range rounds {
		for _, h := range heaps {
			var f flow
			err := h.stand.visit(ctx, func() (err error) {
				f, err = b.measure(ctx, each, h.stand.saturate)
				return err
			})
			if err != nil {
				return nil, err
			}
			h.cpu, h.rate = append(h.cpu, f.cpu), append(h.rate, f.perSecond)
		}
	}
	few, many := heaps[0], heaps[1]
	return []bench.Figure{
		{Name: "own CPU for each delivery, few kept", Value: median(few.cpu), Unit: "µs"},
		{Name: "own CPU for each delivery, many kept", Value: median(many.cpu), Unit: "µs"},
		bench.Figure{Name: "more CPU with many", Value: bench.Ratio(median(many.cpu), median(few.cpu)), Unit: "×"}.AtMost(1.3),
		{Name: "deliveries, few kept", Value: median(few.rate), Unit: "/s"},
		{Name: "deliveries, many kept", Value: median(many.rate), Unit: "/s"},
		bench.Figure{Name: "slower with many", Value: bench.Ratio(median(few.rate), median(many.rate)), Unit: "×"}.AtMost(1.3),
	}, nil
}
