package sim

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/paybell/paybell/internal/store"
)

// makeTrouble breaks processes, and starts new ones in their places.
func (w *world) makeTrouble(rnd *rand.Rand, until time.Time) {
	var later sync.WaitGroup
	defer later.Wait()
	var restartAt [3]time.Time
	var watched time.Time // until then others are to live who take one for dead
	for time.Now().Before(until) {
		time.Sleep(time.Duration(100+rnd.IntN(1500)) * time.Millisecond)
		w.probe(false)
		for i := range w.places {
			w.mu.Lock()
			p := w.places[i]
			w.mu.Unlock()
			if p != nil && !p.isDead() {
				continue
			}
			if restartAt[i].IsZero() {
				restartAt[i] = time.Now().Add(time.Duration(rnd.IntN(7000)) * time.Millisecond)
			} else if time.Now().After(restartAt[i]) || time.Now().Before(watched) {
				restartAt[i] = time.Time{}
				w.startAt(i)
			}
		}
		p := w.any(rnd)
		if p == nil || p.isDead() {
			continue
		}
		if time.Now().Before(watched) && rnd.IntN(4) > 0 {
			continue
		}
		switch rnd.IntN(24) {
		case 0, 1, 2:
			p.expects(&plan{at: store.BeforeStatement, fault: crashAtStatement}, rnd.IntN(60))
		case 3, 4:
			p.expects(&plan{at: store.BeforeCommit, fault: crashBeforeCommit}, rnd.IntN(4))
		case 5, 6:
			p.expects(&plan{at: store.AfterCommit, fault: crashAfterCommit}, rnd.IntN(4))
		case 7, 8:
			p.expects(&plan{at: store.BeforeStatement, fault: storeFailsAtStatement}, rnd.IntN(60))
		case 9, 10:
			p.expects(&plan{at: store.BeforeCommit, fault: storeFailsBeforeCommit}, rnd.IntN(4))
		case 11, 12:
			p.expects(&plan{at: store.AfterCommit, fault: commitAnswerLost}, rnd.IntN(4))
		case 13:
			p.expects(&plan{at: store.BeforeStatement, fault: storeStalls, slow: time.Duration(100+rnd.IntN(4000)) * time.Millisecond}, rnd.IntN(60))
		case 14:
			if w.net.inFlight(p) > 0 {
				p.crash(crashWithRequests)
			} else {
				p.crash(crashAtRest)
			}
		case 15, 16:
			long := time.Duration(200+rnd.IntN(3000)) * time.Millisecond
			w.happened(frozenBriefly)
			p.freeze()
			later.Go(func() { time.Sleep(long); p.unfreeze() })
		case 17, 18, 19:
			long := time.Duration(6500+rnd.IntN(5000)) * time.Millisecond
			if time.Until(until) < long/2 {
				continue // the day is nearly over
			}
			for _, other := range w.running() { // one that has something to tell when it wakes up
				if w.net.inFlight(other) > w.net.inFlight(p) && !other.isDead() {
					p = other
				}
			}
			w.happened(frozenForLong)
			p.freeze()
			watched = time.Now().Add(long)
			later.Go(func() { time.Sleep(long); p.unfreeze() })
		case 20:
			w.happened(storeCutOff)
			p.cutOff(true)
			long := min(time.Until(until), time.Duration(300+rnd.IntN(8000))*time.Millisecond)
			later.Go(func() { time.Sleep(long); p.cutOff(false) })
		case 21:
			w.happened(storeSlow)
			p.slowDown(time.Duration(1+rnd.IntN(30)) * time.Millisecond)
			long := time.Duration(500+rnd.IntN(3000)) * time.Millisecond
			later.Go(func() { time.Sleep(long); p.slowDown(0) })
		case 22:
			w.happened(restart)
			w.say("%s is restarted", p.name)
			later.Go(p.end)
			w.leave(p)
		case 23:
			by := time.Duration(rnd.IntN(120)-60) * time.Minute
			w.jump(by)
		}
	}
}

// leave takes a process that ends out of its place.
func (w *world) leave(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.places {
		if w.places[i] == p {
			w.places[i] = nil
		}
	}
}

// expects makes a fault happen at the next of its points, but for so many.
func (p *process) expects(pl *plan, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pl.after = after
	p.plan = pl
}

func (p *process) cutOff(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == cut {
		return
	}
	p.cut = cut
	p.w.say("%s: cut off from the store: %v", p.name, cut)
	if cut {
		p.begins("cut off")
	} else {
		p.ends("cut off")
	}
}

func (p *process) slowDown(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = by
	p.w.say("%s: the store takes %v for a statement", p.name, by)
	if by > 0 {
		p.begins("slow")
	} else {
		p.ends("slow")
	}
}

// jump is what a jump of all clocks does to what is stored: due times are nearer,
// or further away, by as much. Time itself goes on as it did for who measures
// durations.
func (w *world) jump(by time.Duration) {
	if by == 0 {
		return
	}
	tx, err := w.raw.Begin()
	if err != nil {
		w.say("the clock cannot jump: %v", err)
		return
	}
	defer func() { _ = tx.Rollback() }()
	for _, q := range []string{
		"UPDATE deliveries SET due_at = MAX(1, due_at - $1) WHERE due_at > 0",
		"UPDATE endpoints SET paused_until = MAX(1, paused_until - $1) WHERE paused_until > 0",
	} {
		if _, err := tx.Exec(q, by.Microseconds()); err != nil {
			w.say("the clock cannot jump: %v", err)
			return
		}
	}
	made := w.commits.begins(nil, w.tick())
	if err := tx.Commit(); err != nil {
		w.say("the clock cannot jump: %v", err)
		return
	}
	w.commits.happened(made, w.tick())
	if by > 0 {
		w.happened(clockForward)
	} else {
		w.happened(clockBack)
	}
	w.say("all clocks jump by %v", by)
}

// probe looks into the dispatchers' memories.
func (w *world) probe(idle bool) {
	for _, p := range w.running() {
		if p.isDead() {
			continue
		}
		w.bounded(p, idle)
	}
}
