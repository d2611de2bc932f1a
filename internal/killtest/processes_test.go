package killtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/pgtest"
)

const (
	calmEndpoints = 12
	sellEvery     = 300 * time.Millisecond
	atOnce        = 4 * time.Second // how long an endpoint may wait when its process leaves as it should
)

// TestProcesses does to processes that work what happens to some of many, one way in
// each test, while shops sell.
func TestProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	bin := build(t)
	var all sync.WaitGroup // not t.Parallel: they wait for most of the time, on two processors too
	for name, test := range map[string]func(*testing.T, *fleet){"cut off": testCutOff, "frozen": testFrozen, "join and leave": testJoinAndLeave} {
		all.Go(func() {
			t.Run(name, func(t *testing.T) { test(t, newFleet(t, bin, pgtest.Open(t), rand.Uint64(), 1, 1)) })
		})
	}
	all.Wait()
}

// openCalm starts the process that answers, with a shop that has webhooks at many
// endpoints, of which none is sick.
func (f *fleet) openCalm() {
	f.t.Helper()
	var all []*endpoint
	for i := range calmEndpoints {
		all = append(all, f.recv.listen(fmt.Sprintf("well%d", i), healthy))
	}
	f.begin()
	f.register(all[0])
	for i, e := range all {
		events := []string{"invoiceCreated", "invoicePaid"}
		if i%4 == 0 {
			events = everything
		}
		f.webhook(f.shops[0], e, "/", events)
	}
}

// selling has the shop sell now and then until stop is called, which returns when
// everything was brought and holds it against what was sold.
func (f *fleet) selling(seed uint64) (stop func() *judge) {
	ctx, cancel := context.WithCancel(f.ctx)
	random := rand.New(rand.NewPCG(seed, 100))
	var all sync.WaitGroup
	all.Go(func() { f.mine(ctx, f.shops[0]) })
	all.Go(func() {
		for pause(ctx, sellEvery) == nil {
			if err := f.shops[0].sell(f.ctx, random); err != nil {
				f.fail(err)
			}
		}
	})
	return func() *judge {
		f.t.Helper()
		cancel()
		all.Wait()
		if f.stopped() {
			f.t.FailNow()
		}
		f.must(f.shops[0].mine(f.ctx, 3))
		f.settle((*history).healthy)
		f.settle(func(h *history) []*hook { return h.hooks }) // those who are slow
		return f.verdict()
	}
}

// id is how a process is called in the database.
func (f *fleet) started(s *server) (id string) {
	f.t.Helper()
	known := ask[string](f, "SELECT COALESCE(string_agg(id, ' '), '') FROM processes")
	f.must(f.startWorker(s))
	f.await("the new process", takeOver, func() bool {
		id = ask[string](f, "SELECT COALESCE(MAX(id), '') FROM processes WHERE id NOT LIKE 'leaving %' AND POSITION(id IN $1) = 0", known)
		return id != ""
	})
	return id
}

func (f *fleet) isThere(id string) bool {
	f.t.Helper()
	return ask[bool](f, "SELECT EXISTS (SELECT 1 FROM processes WHERE id = $1)", id)
}

// of finds the worker that a life is one of.
func (f *fleet) of(life int) int {
	f.t.Helper()
	i := slices.IndexFunc(f.workers, func(s *server) bool { return s.life.n == life })
	if i < 0 {
		f.t.Fatalf("no process has life %d", life)
	}
	return i
}

// arrived counts how often a delivery has come to another life and was accepted.
func (f *fleet) arrived(d delivery, notFrom int) (n int) {
	f.recv.judged(func(h *history) {
		for _, a := range h.arrivals {
			if a.hook == d.hook && a.id == d.id && a.life != notFrom && a.status == http.StatusOK {
				n++
			}
		}
	})
	return n
}

// works reports whether a life has brought something since a moment.
func (f *fleet) works(life int, since time.Duration) (works bool) {
	f.recv.judged(func(h *history) {
		works = slices.ContainsFunc(h.arrivals, func(a arrival) bool { return a.life == life && a.at > since })
	})
	return works
}

// attempts tells what is recorded of a delivery: its state, the statuses of the
// answers, and the state of its webhook.
func (f *fleet) attempts(d delivery) string {
	f.t.Helper()
	return ask[string](f, `SELECT d.state || ' ' || COALESCE((SELECT string_agg(CAST(a.status AS TEXT), ',' ORDER BY a.n) FROM attempts a
		WHERE a.webhook_id = d.webhook_id AND a.number = d.number), 'never') || ' ' || w.state
		FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE w.url = $1 AND d.notification_id = $2`, d.hook.url, d.id)
}

// lateResult is what cut off and frozen processes have in common: in the middle of a
// delivery one stands still, as stop does it, until the others have taken over, and one
// of them is at the same delivery. Then the first is answered, and goes on, as resume
// does it. The answer is 410, which would switch the webhook off. The other is answered
// when that was too late.
func (f *fleet) lateResult(dsns []string, least time.Duration, stop, resume func(i int)) {
	f.t.Helper()
	f.openCalm()
	var ids []string
	for _, dsn := range dsns {
		s := f.process(fmt.Sprintf("worker%d", len(f.workers)+1), dsn)
		s.serve = []string{"--roles", "watch,deliver,prune"}
		f.workers, f.others = append(f.workers, s), append(f.others, s)
		ids = append(ids, f.started(s))
	}
	f.awaitEvenShares(takeOver)
	end := f.selling(1)
	f.must(pause(f.ctx, time.Second))

	first := f.recv.hold(delivery{}, http.StatusGone)
	a, err := first.wait(f.ctx, takeOver)
	f.must(err)
	i, d := f.of(a.life), delivery{a.hook, a.id}
	second := f.recv.hold(d, http.StatusOK)
	stop(i)
	stopped := time.Now()
	l := f.workers[i].life
	f.lost(l, stopped, stopped.Add(forever))
	buried := f.await("the others bury "+ids[i], takeOver, func() bool { return !f.isThere(ids[i]) })
	b, err := second.wait(f.ctx, takeOver)
	f.must(err)
	f.t.Logf("life %d is stopped; it is buried after %.1f s, and after %.1f s the delivery that it was at comes again, from life %d",
		a.life, buried.Seconds(), time.Since(stopped).Seconds(), b.life)
	if b.life == a.life {
		f.t.Errorf("life %d goes on", a.life)
	}
	if took := time.Since(stopped); took > takeOver+time.Second {
		f.t.Errorf("what it was at came again after %v", took)
	}
	n := ask[int](f, "SELECT COUNT(*) FROM processes")
	if n != len(ids)-1 {
		f.t.Errorf("there are %d processes, and %d go on", n, len(ids)-1)
	}
	f.must(pause(f.ctx, least-time.Since(stopped)))
	close(first.answer)
	f.must(pause(f.ctx, 500*time.Millisecond))
	resume(i)
	resumed := f.recv.since()
	f.lost(l, stopped, time.Now().Add(2*time.Second))
	f.mu.Lock()
	f.apart = append(f.apart, f.gone[l.n])
	f.mu.Unlock()
	back := f.await("it joins again", 2*takeOver, func() bool { return ask[int](f, "SELECT COUNT(*) FROM processes") == len(ids) })
	close(second.answer)
	f.awaitEvenShares(takeOver)
	works := f.await("it works again", 2*takeOver, func() bool { return f.works(a.life, resumed+2*time.Second) })
	f.t.Logf("it joins again after %.1f s, and works after %.1f s more", back.Seconds(), works.Seconds())
	end()
	if got, want := f.attempts(d), "delivered 200 active"; got != want {
		f.t.Errorf("the delivery, its attempts and its webhook are %q, want %q: a late result counts", got, want)
	}
	if f.arrived(d, a.life) != 1 {
		f.t.Errorf("it came %d times of other processes", f.arrived(d, a.life))
	}
	f.again()
}

// testCutOff cuts the way of a process to the database.
func testCutOff(t *testing.T, f *fleet) {
	var proxies []*proxy
	var dsns []string
	for range 3 {
		p := newProxy(t, f.dsn)
		proxies, dsns = append(proxies, p), append(dsns, p.dsn)
	}
	f.lateResult(dsns, 9*time.Second, func(i int) { proxies[i].cut() }, func(i int) { proxies[i].heal() })
}

// testFrozen stops a process for longer than others wait for it, if it can be in a
// transaction that holds locks: nobody waits for that either.
func testFrozen(t *testing.T, f *fleet) {
	var dsns []string
	for i := range 3 {
		u, err := url.Parse(f.dsn)
		f.must(err)
		query := u.Query()
		query.Set("application_name", fmt.Sprintf("worker%d", i+1))
		u.RawQuery = query.Encode()
		dsns = append(dsns, u.String())
	}
	const holdsLocks = `SELECT EXISTS (SELECT 1 FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE a.application_name = $1
		AND a.state LIKE 'idle in transaction%' AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))`
	f.lateResult(dsns, 15*time.Second, func(i int) {
		process := f.workers[i].life.cmd.Process
		tries := 0
		for began := time.Now(); ; tries++ {
			f.must(process.Signal(syscall.SIGSTOP))
			for range 3 { // what it has asked for last may still be on its way
				if ask[bool](f, holdsLocks, fmt.Sprintf("worker%d", i+1)) {
					t.Logf("frozen in a transaction, at try %d", tries+1)
					return
				}
			}
			if time.Since(began) > 3*time.Second {
				t.Log("frozen, but in no transaction")
				return
			}
			f.must(process.Signal(syscall.SIGCONT))
			f.must(pause(f.ctx, time.Duration(f.random.Int64N(int64(5*time.Millisecond)))))
		}
	}, func(i int) { f.must(f.workers[i].life.cmd.Process.Signal(syscall.SIGCONT)) })
}

// testJoinAndLeave has processes join and leave, and in the end kills one. Nothing is
// served by two, and nothing waits for long.
func testJoinAndLeave(t *testing.T, f *fleet) {
	f.openCalm()
	late := f.recv.listen("slow", slow)
	for f.sharesShard(late) { // then others would have to wait for it
		f.recv.endpoints = f.recv.endpoints[:calmEndpoints]
		late = f.recv.listen("slow", slow)
	}
	f.webhook(f.shops[0], late, "/", []string{"invoiceCreated"})
	for range 3 {
		f.worker(f.dsn)
	}
	f.awaitEvenShares(takeOver)
	end := f.selling(1)
	f.must(pause(f.ctx, time.Second))
	polite := f.recv.since()
	for _, s := range f.workers {
		l := s.life
		began := f.recv.since()
		f.must(s.stop(l))
		took := f.recv.since() - began
		t.Logf("life %d leaves at %v, in %.1f s", l.n, began.Round(time.Millisecond), took.Seconds())
		f.must(f.startWorker(s))
		t.Logf("shares are even %.1f s after another has joined", f.awaitEvenShares(takeOver).Seconds())
	}
	calm := f.recv.since()
	f.must(pause(f.ctx, time.Second)) // for what is due until then to arrive
	victim := f.workers[f.random.IntN(len(f.workers))]
	f.end(victim)
	f.must(pause(f.ctx, takeOver))
	f.must(f.startWorker(victim))
	t.Logf("shares are even %.1f s after another has joined", f.awaitEvenShares(takeOver).Seconds())
	f.must(pause(f.ctx, 2*time.Second))
	held := end()

	f.recv.judged(func(h *history) {
		for _, o := range f.recv.overlaps {
			t.Error("at the same time: " + o)
		}
		before, a := held.longest(polite, calm)
		after, b := held.longest(calm, h.up[len(h.up)-1].to)
		t.Logf("the longest that anything waited: %v while processes joined and left, %v after a kill", before.Round(time.Millisecond), after.Round(time.Millisecond))
		if before > atOnce {
			t.Errorf("something waited %v while processes joined and left, until life %d came at %v: %s", before, a.life, a.at, h.tell(complaint{a.number, a.kind + " at " + a.hook.url}))
		}
		if after > takeOver {
			t.Errorf("something waited %v after a process was killed, until life %d came at %v: %s", after, b.life, b.at, h.tell(complaint{b.number, b.kind + " at " + b.hook.url}))
		}
	})
	f.again()
}

// sharesShard reports whether an endpoint is dealt out together with another.
func (f *fleet) sharesShard(e *endpoint) bool {
	shard := func(e *endpoint) uint32 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(f.shops[0].clientID + " " + e.base))
		return h.Sum32() % 256
	}
	return slices.ContainsFunc(f.recv.endpoints, func(other *endpoint) bool { return other != e && shard(other) == shard(e) })
}

// longest is the delivery to a healthy webhook that waited longest, of those that
// became due between two moments, and how long that was.
func (j *judge) longest(from, to time.Duration) (longest time.Duration, of arrival) {
	stirred, seen := map[lane]time.Duration{}, map[delivery]bool{}
	for _, a := range j.arrivals {
		d := delivery{a.hook, a.id}
		due := max(a.made.Sub(j.began), stirred[a.lane()])
		if !seen[d] && due >= from && due < to && a.hook.at.health == healthy && a.at-due > longest {
			longest, of = a.at-due, a
		}
		seen[d], stirred[a.lane()] = true, a.at
	}
	return longest, of
}
