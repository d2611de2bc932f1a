package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/loop"
	"github.com/paybell/paybell/internal/prune"
	"github.com/paybell/paybell/internal/rates"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

// What the store says where a fault was put.
var (
	errDead  = errors.New("sim: this process is dead")
	errFault = errors.New("sim: the store failed here")
)

// process is one server: all that runs in it, on a store handle of its own.
type process struct {
	w          *world
	name       string
	db         *store.DB
	desk       *desk.Desk
	dispatcher *deliver.Dispatcher
	watcher    *loop.Loop

	stop context.CancelFunc
	gone chan struct{} // closed when nothing of it runs any more
	dead chan struct{} // closed by a crash: nothing it does from then on has an effect

	mu      sync.Mutex
	crashed bool
	ended   time.Time     // when it crashed, or was asked to stop
	thaw    chan struct{} // while it is frozen: closed at the end of that
	plan    *plan
	cut     bool          // the store cannot be reached
	slow    time.Duration // of each statement
	writer  string        // the goroutine that holds SQLite's lock when it writes
	writing commit        // what it is about to commit
	pauses  []*pause
	held    map[string]*pause // of pauses that last, by what they are
}

// pause is a time in which a process, or its store, stood still.
type pause struct {
	from, to time.Time
	locked   bool // SQLite's lock was held
}

// plan is a fault that is to come: at the point, when it was passed so often.
type plan struct {
	at    store.FaultPoint
	after int
	fault kind
	slow  time.Duration
}

// start makes a process and runs it.
func (w *world) start(name string) (*process, error) {
	p := &process{w: w, name: name, gone: make(chan struct{}), dead: make(chan struct{}), held: map[string]*pause{}}
	db, err := store.OpenSQLite(context.Background(), w.dir, store.Options{Keys: w.keys, Fault: p.fault})
	if err != nil {
		return nil, err
	}
	p.db = db
	log := slog.New(&logbook{p})
	chain := sandbox.New(sandbox.Journal{Load: p.loadJournal, Append: p.appendJournal})
	p.desk = &desk.Desk{DB: db, Quote: rates.Default, Sandbox: chain}
	p.dispatcher = deliver.New(db, &wire{p}, log)
	db.OnCommit(p.dispatcher.Offer)
	p.watcher = loop.New("watch", &watch.Watcher{DB: db, Chain: chain, Every: 3 * time.Second}, log)
	timers := loop.New("timers", &watch.Timers{DB: db, Every: 5 * time.Second}, log)
	resender := loop.New("resend", &deliver.Resender{DB: db, Every: 2 * time.Second}, log)
	pruner := loop.New("prune", &prune.Pruner{DB: db, Every: 20 * time.Second}, log)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	var loops sync.WaitGroup
	for _, run := range []func(context.Context){p.dispatcher.Run, p.watcher.Run, timers.Run, resender.Run, pruner.Run} {
		loops.Go(func() { run(ctx) })
	}
	go func() {
		defer close(p.gone)
		loops.Wait()
		if err := db.Close(); err != nil {
			w.wrong("%s: the store did not close: %v", name, err)
		}
	}()
	w.say("%s starts", name)
	w.mu.Lock()
	w.all = append(w.all, p)
	w.mu.Unlock()
	return p, nil
}

func (p *process) loadJournal(ctx context.Context, after int64) ([]sandbox.Entry, error) {
	return store.View(ctx, p.db, func(tx *store.Tx) ([]sandbox.Entry, error) {
		rows, err := tx.Journal(after)
		entries := make([]sandbox.Entry, len(rows))
		for i, r := range rows {
			entries[i] = sandbox.Entry(r)
		}
		return entries, err
	})
}

func (p *process) appendJournal(ctx context.Context, merchantID, op string) (int64, error) {
	n, err := store.Update(ctx, p.db, func(tx *store.Tx) (int64, error) { return tx.AppendJournal(merchantID, op) })
	p.watcher.Poke()
	return n, err
}

// crash ends the process in the middle of whatever it does: what it has not
// committed is gone, what it has sent is sent.
func (p *process) crash(why kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crashed {
		return
	}
	p.crashed, p.ended = true, time.Now()
	p.w.happened(why)
	p.w.say("%s: %s", p.name, why)
	close(p.dead)
	p.thawLocked()
	p.stop()
}

// end stops the process in an orderly way and waits for it.
func (p *process) end() {
	p.mu.Lock()
	p.thawLocked()
	p.plan, p.cut, p.slow = nil, false, 0
	if p.ended.IsZero() {
		p.ended = time.Now()
	}
	p.mu.Unlock()
	p.stop()
	<-p.gone
}

func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// freeze makes the process stand still, as SIGSTOP or a paused machine does: it
// neither sends nor hears nor writes any more. What it has begun to write is
// finished, so that SQLite's one lock is not held all the while; and it can read,
// which has no effect.
func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.crashed && p.thaw == nil {
		p.thaw = make(chan struct{})
		p.begins("frozen")
		p.w.say("%s: frozen", p.name)
	}
}

func (p *process) unfreeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thawLocked()
}

func (p *process) thawLocked() {
	if p.thaw != nil {
		close(p.thaw)
		p.thaw = nil
		p.ends("frozen")
		p.w.say("%s: thawed", p.name)
	}
}

// begins and ends note a pause; the caller holds p.mu.
func (p *process) begins(what string) {
	if p.held[what] == nil {
		p.held[what] = &pause{from: time.Now(), locked: what == "slow"}
		p.pauses = append(p.pauses, p.held[what])
	}
}

func (p *process) ends(what string) {
	if h := p.held[what]; h != nil {
		h.to = time.Now()
		delete(p.held, what)
	}
}

// paused is for how long the process stood still between two moments, at most.
func (p *process) paused(from, to time.Time) time.Duration { return p.sum(from, to, false) }

// locking is for how long it held SQLite's lock meanwhile without doing anything.
func (p *process) locking(from, to time.Time) time.Duration { return p.sum(from, to, true) }

func (p *process) sum(from, to time.Time, locked bool) (sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.pauses {
		if locked && !h.locked {
			continue
		}
		begin, end := h.from, h.to
		if end.IsZero() || end.After(to) {
			end = to
		}
		if begin.Before(from) {
			begin = from
		}
		sum += max(0, end.Sub(begin))
	}
	return sum
}

// gate holds the caller while the process is frozen.
func (p *process) gate() error {
	for {
		p.mu.Lock()
		thaw := p.thaw
		p.mu.Unlock()
		if p.isDead() {
			return errDead
		}
		if thaw == nil {
			return nil
		}
		select {
		case <-thaw:
		case <-p.dead:
		}
	}
}

// fault is asked by the store at every point where a machine can fail.
func (p *process) fault(at store.FaultPoint) error {
	if at == store.AfterCommit {
		p.mu.Lock()
		made := p.writing
		p.mu.Unlock()
		p.w.commits.happened(made, p.w.tick())
	}
	if p.isDead() {
		return errDead
	}
	frozen, cut, slow, due := p.trouble(at)
	if frozen && at == store.AfterCommit {
		if err := p.gate(); err != nil {
			return err
		}
	}
	if slow > 0 {
		time.Sleep(slow)
	}
	if cut {
		return errFault
	}
	if due != nil {
		if err := p.strike(due); err != nil {
			return err
		}
	}
	if at == store.BeforeCommit {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.writing = p.w.commits.begins(p, p.w.tick())
		if p.writer == "" {
			p.writer = goroutine()
		}
	}
	return nil
}

// trouble says what is wrong at a point. Only what writes is ever made to wait:
// the dispatcher reads with a mutex held, and virtual time does not pass while
// somebody waits for one.
func (p *process) trouble(at store.FaultPoint) (frozen, cut bool, slow time.Duration, due *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	writes := at != store.BeforeStatement || (p.plan != nil || p.slow > 0) && p.writer == goroutine()
	if pl := p.plan; pl != nil && pl.at == at && (writes || pl.fault != storeStalls) {
		if pl.after--; pl.after < 0 {
			due, p.plan = pl, nil
		}
	}
	if at == store.BeforeStatement && writes {
		slow = p.slow
	}
	return p.thaw != nil, p.cut && at != store.AfterCommit, slow, due
}

// strike makes a planned fault happen.
func (p *process) strike(due *plan) error {
	switch due.fault {
	case crashAtStatement, crashBeforeCommit, crashAfterCommit:
		p.crash(due.fault)
		return errDead
	case storeStalls:
		p.mu.Lock()
		h := &pause{from: time.Now(), to: time.Now().Add(due.slow), locked: true}
		p.pauses = append(p.pauses, h)
		p.mu.Unlock()
		p.w.happened(due.fault)
		p.w.say("%s: the store stalls for %v", p.name, due.slow)
		time.Sleep(due.slow)
		if p.isDead() {
			return errDead
		}
		return nil
	}
	p.w.happened(due.fault)
	p.w.say("%s: %s", p.name, due.fault)
	return errFault
}

// goroutine names the one that calls.
func goroutine() string {
	var buf [64]byte
	head, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte(" ["))
	return string(head)
}

// logbook keeps what a process logs.
type logbook struct{ p *process }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	var failed error
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		if err, ok := a.Value.Any().(error); ok {
			failed = err
		}
		return true
	})
	l.p.w.say("%s: %s: %s", l.p.name, r.Level, text)
	if failed != nil {
		l.p.w.expect(l.p, r.Message, failed)
	}
	return nil
}

func (l *logbook) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logbook) WithGroup(string) slog.Handler      { return l }

// expect says that an error must be one that the faults explain.
func (w *world) expect(p *process, doing string, err error) {
	switch {
	case err == nil, errors.Is(err, errDead), errors.Is(err, errFault), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case paybell.CodeOf(err) != paybell.Internal:
	case p.isDead():
	default:
		w.wrong("%s: %s: %v", p.name, doing, err)
	}
}
