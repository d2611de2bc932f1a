package deliver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Endpoints are dealt out in shards among the processes that serve one store. A
// process says every beatEvery that it lives. One whose beat the others have seen
// stand still for deadAfter is buried: its shards go to others, and from that
// commit on it can record nothing. It begins no attempts from a little before
// that moment. Only durations are compared, each on one machine: clocks need not
// agree, and may jump.
//
// A process that leaves says so before: from then on it counts for nothing when
// shares are made, and gives back every shard as soon as nothing of it is in flight.
const (
	beatEvery = time.Second
	deadAfter = 5 * time.Second
	doubtAt   = deadAfter - 2*beatEvery // without a beat that was written
	hurry     = beatEvery / 8           // between beats while shares are not as they are to be, or may soon not be
)

// leavingMark and the id of a process are the id under which it says that it leaves:
// an entry beside its own, which beats and is buried like one.
const leavingMark = "leaving "

// shards is which part of the endpoints is this process's.
type shards struct {
	mu   sync.Mutex
	id   string // of this process; a new one after it was buried
	mine [store.Shards]bool
	// leaving are those that another process is to have, as soon as nothing of them
	// is in flight.
	leaving map[int]bool
	beaten  time.Time           // before the last beat that was written
	looked  time.Time           // when it had told of the others
	seen    map[string]sighting // of other processes
}

// sighting is the beat of a process, and since when it is the same.
type sighting struct {
	beat  int64
	since time.Time
}

func (s *shards) self() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// serving reports whether attempts for a shard may begin now. The caller holds
// d.mu.
func (d *Dispatcher) serving(shard int) bool {
	if d.running == nil || d.running.Err() != nil {
		return false
	}
	s := &d.shards
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mine[shard] && !s.leaving[shard] && (d.Alone || time.Since(s.beaten) < doubtAt)
}

// keepShards joins the processes that serve the store and goes on saying that this
// one lives, until keeping ends. From the end of ctx on it gives back what it has.
func (d *Dispatcher) keepShards(ctx, keeping context.Context) {
	for failures := 0; keeping.Err() == nil; {
		leaving := ctx.Err() != nil
		if leaving && (d.Alone || d.shards.self() == "") {
			return
		}
		even, err := d.beat(keeping, leaving)
		if errors.Is(err, store.ErrBuried) {
			d.buried()
			continue
		}
		wait := beatEvery
		switch {
		case err != nil && keeping.Err() == nil:
			failures++
			d.log.Error("cannot say that this process lives", "failures", failures, "err", err)
			wait = min(beatEvery, 50*time.Millisecond<<min(failures, 10))
		case d.Alone:
			<-ctx.Done() // nobody else wants anything
			return
		case !even:
			failures, wait = 0, hurry
		default:
			failures = 0
		}
		stop := ctx.Done()
		if leaving {
			stop = keeping.Done()
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-stop:
		}
		timer.Stop()
	}
}

// beat says that this process lives, or that it leaves, buries those that do not, and
// takes or gives back what makes the shares even; even tells whether they are, and
// nobody seems to be dying.
func (d *Dispatcher) beat(ctx context.Context, leaving bool) (even bool, err error) {
	// A connection that leads nowhere any more is not waited for.
	ctx, cancel := context.WithTimeout(ctx, deadAfter)
	defer cancel()
	began := time.Now()
	id, missed := d.shards.before(began, leaving)
	drained := d.drained()
	joining := id == ""
	if joining {
		id = paybell.NewUUID(began)
	}
	type dealt struct {
		mine  []int
		beats map[string]int64
	}
	got, err := store.Update(ctx, d.db, func(tx *store.Tx) (got dealt, err error) {
		switch {
		case joining && d.Alone:
			err = tx.JoinAlone(id)
		case joining:
			err = tx.Join(id)
		default:
			err = tx.Beat(id)
		}
		if err == nil && leaving {
			if err = tx.Beat(leavingMark + id); errors.Is(err, store.ErrBuried) {
				err = tx.Join(leavingMark + id) // it is the first time
			}
		}
		if err != nil {
			return got, err
		}
		if got.beats, err = tx.Beats(); err != nil {
			return got, err
		}
		for other, beat := range got.beats {
			if other != id && d.shards.dead(other, beat, began.Add(-missed)) {
				buried, err := tx.Bury(other, beat)
				if err != nil {
					return got, err
				}
				if buried {
					delete(got.beats, other)
				}
			}
		}
		for _, shard := range drained {
			if err := tx.FreeShard(id, shard); err != nil {
				return got, err
			}
		}
		if got.mine, err = tx.OwnShards(id); err != nil {
			return got, err
		}
		if missing := share(id, got.beats) - len(got.mine); missing > 0 {
			if err := tx.TakeShards(id, missing); err != nil {
				return got, err
			}
			got.mine, err = tx.OwnShards(id)
		}
		return got, err
	})
	if err != nil {
		return false, err
	}
	if d.shards.dealt(id, began, missed, got.mine, got.beats) {
		d.mu.Lock()
		d.pollSoon()
		d.mu.Unlock()
	}
	return len(got.mine) == share(id, got.beats) && !d.shards.doubts(id), nil
}

// share is how many shards a process is to have: as many as any other that stays, or
// one more for those that came first.
func share(id string, beats map[string]int64) int {
	var staying []string
	for other := range beats {
		if _, leaves := beats[leavingMark+other]; !leaves && !strings.HasPrefix(other, leavingMark) {
			staying = append(staying, other)
		}
	}
	slices.Sort(staying) // ids begin with the time
	place, stays := slices.BinarySearch(staying, id)
	if !stays {
		return 0
	}
	n := store.Shards / len(staying)
	if place < store.Shards%len(staying) {
		n++
	}
	return n
}

// before is what has to be known for a beat: as which process, and for how long it has
// not seen the others' although it should have. That time is not held against them:
// the store may have been away for all.
func (s *shards) before(began time.Time, leaving bool) (id string, missed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leaving {
		s.leaving = map[int]bool{}
		for shard, mine := range s.mine {
			if mine {
				s.leaving[shard] = true
			}
		}
	}
	if !s.looked.IsZero() {
		missed = max(0, began.Sub(s.looked)-2*beatEvery)
	}
	return s.id, missed
}

// dead reports whether the beat of another process has stood still for too long.
func (s *shards) dead(id string, beat int64, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.seen[id]
	return known && last.beat == beat && now.Sub(last.since) >= deadAfter
}

// doubts reports whether another process has not beaten for some time.
func (s *shards) doubts(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, last := range s.seen {
		if other != id && time.Since(last.since) > 2*beatEvery {
			return true
		}
	}
	return false
}

// dealt takes over what a beat has brought: more tells whether there are shards
// that were not there before.
func (s *shards) dealt(id string, began time.Time, missed time.Duration, mine []int, beats map[string]int64) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.beaten = id, began
	was := s.mine
	s.mine = [store.Shards]bool{}
	for _, shard := range mine {
		s.mine[shard] = true
		more = more || !was[shard]
	}
	surplus := len(mine) - share(id, beats)
	left := map[int]bool{}
	for _, shard := range mine {
		if s.leaving[shard] && len(left) < surplus {
			left[shard] = true
		}
	}
	for i := len(mine) - 1; i >= 0 && len(left) < surplus; i-- {
		left[mine[i]] = true
	}
	for shard := range s.leaving {
		more = more || s.mine[shard] && !left[shard] // it stays after all
	}
	s.leaving = left
	seen := map[string]sighting{}
	now := time.Now()
	for other, beat := range beats {
		if last, known := s.seen[other]; known && last.beat == beat {
			seen[other] = sighting{beat, last.since.Add(missed)}
		} else {
			seen[other] = sighting{beat, now}
		}
	}
	s.seen, s.looked = seen, now
	return more
}

// drained lists the shards that are to be given away and of which nothing is in
// flight any more. What memory held of them is forgotten.
func (d *Dispatcher) drained() (free []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shards.mu.Lock()
	leaving := d.shards.leaving
	d.shards.mu.Unlock()
	if len(leaving) == 0 {
		return nil
	}
	busy := map[int]bool{}
	for _, e := range d.endpoints {
		if !leaving[e.shard] {
			continue
		}
		for _, l := range e.lanes {
			if l.flying || l.recording > 0 {
				busy[e.shard] = true
			}
		}
	}
	for shard := range leaving {
		if !busy[shard] {
			free = append(free, shard)
		}
	}
	for _, e := range d.endpoints {
		if leaving[e.shard] && !busy[e.shard] {
			d.lose(e)
		}
	}
	return free
}

// lose drops an endpoint from memory: what is in flight of it is nobody's.
func (d *Dispatcher) lose(e *endpoint) {
	e.lost = true
	e.ready, e.resent = nil, nil
	d.plan(e)
	delete(d.endpoints, e.name)
}

// buried drops everything: others serve it now. This process joins again as a new
// one.
func (d *Dispatcher) buried() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.endpoints {
		d.lose(e)
	}
	s := &d.shards
	s.mu.Lock()
	defer s.mu.Unlock()
	d.log.Warn("other processes took over what this one served: it did not move for too long", "process", cmp.Or(s.id, "none"))
	s.id, s.mine, s.leaving = "", [store.Shards]bool{}, nil
}

// leave gives everything back at the end, so that others need not wait.
func (d *Dispatcher) leave() {
	id := d.shards.self()
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := store.Do(ctx, d.db, func(tx *store.Tx) error { return errors.Join(tx.Leave(id), tx.Leave(leavingMark+id)) }); err != nil {
		d.log.Error("cannot give back what this process served; others take it in a few seconds", "err", err)
	}
}
