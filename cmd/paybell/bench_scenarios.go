package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync/atomic"
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

// work is a way to make deliveries.
type work struct {
	clients int
	hooks   int      // of each client; 0: one
	path    string   // of the receiver; empty: bench.Hook
	events  []string // that the webhooks want; nil: invoiceCreated
	each    int      // deliveries of an invoice; 0: as many as there are hooks
	paid    bool     // each invoice is paid, and completed
	asked   bool     // by signed requests
	judged  bool     // there is an aim
}

// life is what a shop's invoices go through.
var life = work{clients: 10, events: []string{"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted"}, each: 4, paid: true}

// stand is one for this work.
func (w work) stand(ctx context.Context, b *bencher) (*stand, error) {
	hooks, path, events := max(1, w.hooks), w.path, w.events
	if path == "" {
		path = bench.Hook
	}
	if events == nil {
		events = []string{"invoiceCreated"}
	}
	all := b.urls(w.clients*hooks, path)
	clients := make([][]string, w.clients)
	for i := range clients {
		clients[i] = all[i*hooks : (i+1)*hooks]
	}
	return b.standOf(ctx, clients, events)
}

// load is this work on its stand.
func (w work) load(s *stand) load {
	each := max(1, w.hooks, w.each)
	switch {
	case w.paid:
		return s.mining(s.saturate(each, s.createAndPay))
	case w.asked:
		return s.saturate(each, s.ask(s.app.url))
	}
	return s.saturate(each, s.create)
}

// rate measures deliveries as a share of what bare POSTs reach.
func rate(w work) func(*bencher, context.Context) ([]bench.Figure, error) {
	return func(b *bencher, ctx context.Context) (_ []bench.Figure, err error) {
		s, err := w.stand(ctx, b)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.remove()) }()
		bare, full, err := s.rate(ctx, w.load(s))
		if err != nil {
			return nil, err
		}
		if w.clients == 1 && w.judged {
			b.steady, b.ceiling = bare.middle(perSecond)*full.ratio(bare, perSecond), bare.middle(perSecond)
		}
		return b.rateFigures(w, bare, full)
	}
}

// flows are of several rounds.
type flows []flow

func perSecond(f flow) float64 { return f.perSecond }

// middle is the median of one figure.
func (all flows) middle(of func(flow) float64) float64 {
	var samples []float64
	for _, f := range all {
		samples = append(samples, of(f))
	}
	return median(samples)
}

// ratio is the median of what a figure was in each round, as a share of another's.
func (all flows) ratio(others flows, of func(flow) float64) float64 {
	var shares []float64
	for i, f := range all {
		shares = append(shares, bench.Ratio(of(f), of(others[i])))
	}
	return median(shares)
}

func median(samples []float64) float64 { return bench.Percentile(samples, 50) }

// rate measures bare POSTs and a load, in turn.
func (s *stand) rate(ctx context.Context, work load) (bare, full flows, err error) {
	rounds, each := s.b.rounds()
	forgetPeak()
	for range rounds {
		var f flow
		pprof.Do(ctx, pprof.Labels("part", "ceiling"), func(ctx context.Context) {
			f, err = s.measure(ctx, each, s.post)
		})
		if err != nil {
			return nil, nil, err
		}
		bare = append(bare, f)
		if f, err = s.measure(ctx, each, work); err != nil {
			return nil, nil, err
		}
		full = append(full, f)
	}
	return bare, full, nil
}

func (b *bencher) rateFigures(w work, bare, full flows) ([]bench.Figure, error) {
	share := bench.Figure{Name: "share of the ceiling", Value: full.ratio(bare, perSecond), Unit: "×"}
	if w.judged {
		share = b.judgeShare(share)
	}
	figures := []bench.Figure{
		{Name: "ceiling: bare signed POSTs", Value: bare.middle(perSecond), Unit: "/s"},
		{Name: "invoices accepted", Value: full.middle(func(f flow) float64 { return f.accepted }), Unit: "/s"},
		{Name: "deliveries", Value: full.middle(perSecond), Unit: "/s"},
		share,
		{Name: "own CPU for each bare POST", Value: bare.middle(func(f flow) float64 { return f.cpu }), Unit: "µs"},
		{Name: "own CPU for each delivery", Value: full.middle(func(f flow) float64 { return f.cpu }), Unit: "µs"},
	}
	if server := full.middle(func(f flow) float64 { return f.server }); server > 0 {
		figures = append(figures, bench.Figure{Name: "PostgreSQL's CPU for each delivery", Value: server, Unit: "µs"})
	}
	if b.postgres != nil {
		figures = append(figures, bench.Figure{Name: "PostgreSQL's log for each delivery", Value: full.middle(func(f flow) float64 { return f.wal }), Unit: "bytes"})
	} else if written := full.middle(func(f flow) float64 { return f.written }); written > 0 {
		figures = append(figures, bench.Figure{Name: "written to disk for each delivery", Value: written, Unit: "bytes"})
	}
	peak, err := peakMemory()
	if peak > 0 {
		figures = append(figures, bench.Figure{Name: "resident memory at its most", Value: float64(peak) / 1e6, Unit: "MB"})
	}
	return figures, err
}

// judgeShare judges a share of the ceiling. Below the second figure nothing else
// counts.
func (b *bencher) judgeShare(f bench.Figure) bench.Figure {
	aim, least := 0.6, 0.5
	if b.postgres != nil {
		aim, least = 0.4, 0.3
	}
	f = f.AtLeast(aim)
	if f.Value < least {
		f.Verdict = "not done"
	}
	return f
}

// knowSteady sees to it that the rate to one endpoint is known.
func (b *bencher) knowSteady(ctx context.Context) error {
	if b.steady > 0 {
		return nil
	}
	_, err := rate(work{clients: 1, judged: true})(b, ctx)
	if err == nil && b.steady == 0 {
		err = errors.New("nothing was delivered in so short a time; give it more with --duration")
	}
	return err
}

// api measures what a merchant sees of it.
func (b *bencher) api(ctx context.Context) (_ []bench.Figure, err error) {
	w := work{clients: 10, asked: true}
	s, err := w.stand(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	bare, full, err := s.rate(ctx, w.load(s))
	if err != nil {
		return nil, err
	}
	figures, err := b.rateFigures(w, bare, full)
	if err != nil {
		return nil, err
	}
	all, err := s.ring(ctx, latencyRate, b.Duration, len(s.clients), s.ask(s.app.url))
	if err != nil {
		return nil, err
	}
	figures = append(figures, percentiles("of a call, when little happens", untilCommit(all))...)
	return append(figures, percentiles("from the call to the receiver", sinceMeant(all))...), nil
}

// percentiles says the usual three of some times in milliseconds.
func percentiles(of string, ms []float64) (figures []bench.Figure) {
	for _, p := range []float64{50, 95, 99} {
		figures = append(figures, bench.Figure{Name: fmt.Sprintf("p%.0f %s", p, of), Value: bench.Percentile(ms, p), Unit: "ms"})
	}
	return figures
}

// latency measures an open loop that leaves the machine idle most of the time.
func (b *bencher) latency(ctx context.Context) (_ []bench.Figure, err error) {
	s, err := b.stand(ctx, b.hooks(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	all, err := s.ring(ctx, latencyRate, 2*b.Duration, 1, s.create)
	if err != nil {
		return nil, err
	}
	figures := percentiles("from the commit", sinceCommit(all))
	if b.postgres == nil {
		figures[0], figures[2] = figures[0].AtMost(3), figures[2].AtMost(15)
	}
	return append(figures, percentiles("from the call, with the commit", sinceMeant(all))...), nil
}

// half is an open loop under a load that lasts.
func (b *bencher) half(ctx context.Context) (_ []bench.Figure, err error) {
	if err := b.knowSteady(ctx); err != nil {
		return nil, err
	}
	s, err := b.stand(ctx, b.hooks(10))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	all, err := s.ring(ctx, b.steady/2, b.Duration, 10, s.create)
	if err != nil {
		return nil, err
	}
	figures := []bench.Figure{{Name: "invoices that come", Value: b.steady / 2, Unit: "/s"}}
	figures = append(figures, percentiles("from the commit", sinceCommit(all))...)
	return append(figures, percentiles("from the call, with the commit", sinceMeant(all))...), nil
}

// flood is an open loop under a load that cannot last.
func (b *bencher) flood(ctx context.Context) (_ []bench.Figure, err error) {
	if err := b.knowSteady(ctx); err != nil {
		return nil, err
	}
	s, err := b.stand(ctx, b.hooks(10))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	before, err := s.markAfter(ctx, 0)
	if err != nil {
		return nil, err
	}
	var refused atomic.Int64
	f, err := s.measure(ctx, b.Duration, s.flood(b.ceiling, &refused))
	if err != nil {
		return nil, err
	}
	after, err := s.markAfter(ctx, 0)
	if err != nil {
		return nil, err
	}
	return []bench.Figure{
		{Name: "invoices that come", Value: b.ceiling, Unit: "/s"},
		{Name: "invoices accepted", Value: f.accepted, Unit: "/s"},
		{Name: "invoices refused (503, Retry-After)", Value: bench.Ratio(float64(refused.Load()), after.at.Sub(before.at).Seconds()), Unit: "/s"},
		{Name: "deliveries", Value: f.perSecond, Unit: "/s"},
		{Name: "accepted and not delivered, at the end", Value: float64(after.accepted - (after.count - before.count)), Unit: "deliveries"},
	}, nil
}

// besideHanging has a tenth endpoint that never answers.
func (b *bencher) besideHanging(ctx context.Context) ([]bench.Figure, error) {
	return b.beside(ctx, b.receiver.URL(9, bench.Hang), func(*stand) error { return nil })
}

// besideFailing has a tenth endpoint that answers 500.
func (b *bencher) besideFailing(ctx context.Context) ([]bench.Figure, error) {
	return b.beside(ctx, b.receiver.URL(9, bench.Fail), func(*stand) error { return nil })
}

// besideDead has a tenth endpoint that is down, for which very many wait.
func (b *bencher) besideDead(ctx context.Context) ([]bench.Figure, error) {
	return b.beside(ctx, deadHook, func(s *stand) error { return s.fill(ctx, b.Rows/10, paybell.DeliveryPending, s.clients[9:]) })
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
			if err := s.createWith(ctx, s.clients[9], usualNumber, hooks...); err != nil {
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
				all, err = s.ring(ctx, besideRate, b.Duration*2/5, 9, s.create)
				return err
			})
			if err != nil {
				return nil, err
			}
			p99[s] = append(p99[s], bench.Percentile(sinceCommit(all), 99))
		}
	}
	usual, worse := median(p99[well]), median(p99[ill])
	return []bench.Figure{
		{Name: "p99 of nine, alone", Value: usual, Unit: "ms"},
		bench.Figure{Name: "p99 of nine, beside it", Value: worse, Unit: "ms"}.AtMost(max(1.5*usual, usual+5)),
		{Name: "isolation: beside it to alone", Value: bench.Ratio(worse, usual), Unit: "×"},
	}, nil
}

// drain measures how fast a server that was just started works off what waits.
func (b *bencher) drain(ctx context.Context) (_ []bench.Figure, err error) {
	if err := b.knowSteady(ctx); err != nil {
		return nil, err
	}
	s, err := b.stand(ctx, b.hooks(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.fill(ctx, b.Rows/10, paybell.DeliveryPending, s.clients); err != nil {
		return nil, err
	}
	before, err := b.receiver.Count()
	if err != nil {
		return nil, err
	}
	var f flow
	err = s.visit(ctx, func() (err error) {
		f, err = s.drained(ctx, before, int64(b.Rows/10))
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
	if err := s.fill(ctx, b.Rows/len(urls), paybell.DeliveryPending, s.clients); err != nil {
		return nil, err
	}
	at, err := serverUsage(ctx, s, b.Duration)
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
	if err := errors.Join(s.create(ctx, s.clients[0], usualNumber), s.close()); err != nil {
		return nil, err
	}
	at, err := serverUsage(ctx, s, min(2*time.Second, b.Duration), b.Duration) // the start is over then
	if err != nil {
		return nil, err
	}
	f := bench.Figure{Name: "of a core", Value: 100 * (at[2].CPU - at[1].CPU).Seconds() / b.Duration.Seconds(), Unit: "%"}
	if b.postgres == nil {
		f = f.AtMost(0.5)
	}
	return []bench.Figure{f}, nil
}

// kept compares deliveries on top of few and of very many that are done, in turn.
func (b *bencher) kept(ctx context.Context) (_ []bench.Figure, err error) {
	type heap struct {
		rows  int
		stand *stand
		flows flows
	}
	heaps := []*heap{{rows: b.Rows / 100}, {rows: b.Rows}}
	for _, h := range heaps {
		if h.stand, err = b.stand(ctx, b.hooks(1)); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, h.stand.remove()) }()
		if err := h.stand.fill(ctx, h.rows, paybell.Delivered, h.stand.clients); err != nil {
			return nil, err
		}
	}
	rounds, each := b.rounds()
	for range rounds {
		for _, h := range heaps {
			var f flow
			err := h.stand.visit(ctx, func() (err error) {
				f, err = h.stand.measure(ctx, each, h.stand.saturate(1, h.stand.create))
				return err
			})
			if err != nil {
				return nil, err
			}
			h.flows = append(h.flows, f)
		}
	}
	few, many := heaps[0].flows, heaps[1].flows
	cpu := func(f flow) float64 { return f.cpu + f.server }
	return []bench.Figure{
		{Name: "CPU for each delivery, few kept", Value: few.middle(cpu), Unit: "µs"},
		{Name: "CPU for each delivery, many kept", Value: many.middle(cpu), Unit: "µs"},
		bench.Figure{Name: "more CPU with many", Value: bench.Ratio(many.middle(cpu), few.middle(cpu)), Unit: "×"}.AtMost(1.3),
		{Name: "deliveries, few kept", Value: few.middle(perSecond), Unit: "/s"},
		{Name: "deliveries, many kept", Value: many.middle(perSecond), Unit: "/s"},
		bench.Figure{Name: "slower with many", Value: bench.Ratio(few.middle(perSecond), many.middle(perSecond)), Unit: "×"}.AtMost(1.3),
	}, nil
}
