package killtest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/pgtest"
)

var (
	pgKillsFlag    = flag.Int("pgkills", 10, "how many times each is killed: the process that answers, one that works, PostgreSQL")
	pgInvoicesFlag = flag.Int("pginvoices", 400, "how many acknowledged invoices there are at least, on PostgreSQL")
)

const forever = 24 * time.Hour

// victim is what is killed.
type victim string

const (
	answers  victim = "api"
	works    victim = "worker"
	database victim = "PostgreSQL"
)

// TestKillsPostgres is TestKills with several processes on a PostgreSQL, of which
// now one and now another is killed, and sometimes the database.
func TestKillsPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	began := time.Now()
	t.Logf("seed %d: go test ./internal/killtest -run TestKillsPostgres -seed %d -pgkills %d -pginvoices %d", seed, seed, *pgKillsFlag, *pgInvoicesFlag)
	pg := pgtest.Start(t)
	f := newFleet(t, build(t), pg.DSN(), seed, 3**pgKillsFlag, *pgInvoicesFlag)
	f.recv.record.patience = 2 * takeOver // who takes over may be killed, too
	f.open()
	for range 3 {
		f.worker(f.dsn)
	}
	for _, s := range f.shops {
		s.excuse = f.excuse
	}
	f.awaitEvenShares(takeOver)

	var sellers, others sync.WaitGroup
	for i := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(100+i)))
		s := f.shops[i%len(f.shops)]
		sellers.Go(func() { f.sell(s, random) })
	}
	selling, stop := context.WithCancel(f.ctx)
	for _, s := range f.shops {
		others.Go(func() { f.mine(selling, s) })
	}
	killed := map[victim]int{}
	if err := f.reap(pg, killed); err != nil {
		f.fail(err)
	}
	sellers.Wait()
	stop()
	others.Wait()
	if f.stopped() {
		t.Log(f.shares())
		return
	}
	sold := time.Since(began)
	f.drain()
	drained := time.Since(began)
	f.judge()
	f.again()
	t.Logf("killed: %v; the database was down for %v in all; %d answers with 500", killed, f.downTime().Round(time.Millisecond), f.broken.Load())
	t.Logf("built and sold in %.1f s, drained in %.1f s, all in %.1f s", sold.Seconds(), (drained - sold).Seconds(), time.Since(began).Seconds())
	if n := f.broken.Load(); n > 0 {
		t.Errorf("%d requests were answered 500 while the database was down; 503 is right", n)
	}
}

func (f *fleet) downTime() (sum time.Duration) {
	for _, d := range f.down {
		sum += d.to - d.from
	}
	return sum
}

// excuse takes a 500 for a lost answer when the database is down.
func (f *fleet) excuse(answer string) bool {
	if !f.troubled(time.Now(), time.Second) {
		return false
	}
	if f.broken.Add(1) <= 3 {
		f.t.Log("answered 500: " + answer)
	}
	return true
}

// reap kills each kind of victim often enough, in a random order. Between two kills
// shops make some progress.
func (f *fleet) reap(pg *pgtest.Server, killed map[victim]int) error {
	var plan []victim
	for range f.wantKills / 3 {
		plan = append(plan, answers, works, database)
	}
	f.random.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	for _, v := range plan {
		if err := f.progress(); err != nil {
			return err
		}
		var err error
		switch v {
		case answers:
			err = f.killAPI()
		case works:
			err = f.killWorker(killed[v] == 0)
		case database:
			err = f.killDatabase(pg)
		}
		if err != nil {
			return fmt.Errorf("after %v kills: %w", killed, err)
		}
		killed[v]++
		f.kills.Store(int64(killed[answers] + killed[works] + killed[database]))
	}
	return nil
}

// progress waits until some invoices were acknowledged, and for a random moment.
func (f *fleet) progress() error {
	began, from := time.Now(), f.acknowledged.Load()
	few := 1 + f.random.Int64N(2*max(1, f.wantInvoices/f.wantKills)-1)
	for f.acknowledged.Load() < from+few {
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("no more than %d invoices in 30 s\n%s", f.acknowledged.Load()-from, f.server.logTail())
		}
		if err := pause(f.ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return pause(f.ctx, time.Duration(f.random.Int64N(int64(700*time.Millisecond))))
}

// killAPI kills the process that answers, while there are requests in flight.
func (f *fleet) killAPI() error {
	for {
		l := f.server.life
		f.server.kill(l)
		cut, err := f.server.landed(f.ctx, l)
		if err != nil {
			return err
		}
		if err := f.restart(); err != nil {
			return err
		}
		if f.cut += cut; cut > 0 {
			return nil
		}
		f.idle++
		if err := pause(f.ctx, time.Duration(f.random.Int64N(int64(50*time.Millisecond)))); err != nil {
			return err
		}
	}
}

// killWorker kills a process that works, and starts another: any, or the one that
// waits for the answer to a POST and cannot have recorded it, or has just got it.
func (f *fleet) killWorker(certain bool) error {
	var s *server
	if certain || f.random.IntN(3) == 0 {
		t := &trap{answerFirst: !certain && f.random.IntN(2) == 0}
		d, err := f.spring(t, func(life int) bool {
			i := slices.IndexFunc(f.workers, func(w *server) bool { return w.life.n == life })
			if i >= 0 {
				s = f.workers[i]
				f.end(s)
			}
			return i >= 0
		})
		if err != nil {
			return err
		}
		f.traps = append(f.traps, sprung{d, t.answerFirst})
	} else {
		s = f.workers[f.random.IntN(len(f.workers))]
		f.end(s)
	}
	if err := pause(f.ctx, time.Duration(f.random.Int64N(int64(time.Second)))); err != nil {
		return err
	}
	return f.startWorker(s)
}

// end is kill -9 of a process that works.
func (f *fleet) end(s *server) {
	from := time.Now()
	s.kill(s.life)
	f.lost(s.life, from, time.Now().Add(time.Second)) // what it had sent may be read a little later
}

// spring sets a trap and kills, in the goroutine of the test, who runs into it. It is
// set again when that was none of those that kill knows.
func (f *fleet) spring(t *trap, kill func(life int) bool) (delivery, error) {
	caught, dead := make(chan int), make(chan struct{})
	t.kill = func(life int) { caught <- life; <-dead }
	t.sprung = make(chan delivery, 1)
	for {
		f.recv.trap.Store(t)
		select {
		case life := <-caught:
			done := kill(life)
			dead <- struct{}{}
			if d := <-t.sprung; done {
				return d, nil
			}
		case <-time.After(30 * time.Second):
			return delivery{}, fmt.Errorf("no new notification came for 30 s, with shops selling")
		case <-f.ctx.Done():
			return delivery{}, context.Cause(f.ctx)
		}
	}
}

// killDatabase kills PostgreSQL, at any moment or while a POST waits for its answer,
// which is then to be recorded when the database is back.
func (f *fleet) killDatabase(pg *pgtest.Server) error {
	kill := func(int) bool {
		f.mu.Lock()
		f.down = append(f.down, span{f.recv.since(), forever}) // until we know better
		f.mu.Unlock()
		pg.Kill()
		return true
	}
	if f.random.IntN(2) == 0 {
		kill(0)
	} else if _, err := f.spring(new(trap), kill); err != nil {
		return err
	}
	if err := pause(f.ctx, time.Duration(f.random.Int64N(int64(600*time.Millisecond)))); err != nil {
		return err
	}
	pg.Restart()
	f.mu.Lock()
	f.down[len(f.down)-1].to = f.recv.since()
	f.mu.Unlock()
	return nil
}
