package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/paybell/paybell"
)

// job is one body that waits for the writer.
type job struct {
	ctx  context.Context
	body func(*Tx) error
	done chan error // buffered: the writer never waits for a caller that left

	tries int // that were lost
}

// reply tells the caller once how it went.
func (j *job) reply(err error) {
	select {
	case j.done <- err:
	default: // told already
	}
}

// maxBatch bounds how many bodies share a transaction, and so how long the
// first of them waits for its commit.
const maxBatch = 256

// enqueue hands body to the writer and waits for its commit.
func (db *DB) enqueue(ctx context.Context, body func(*Tx) error) error {
	if db.dialect.shared {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, transactionTimeout)
		defer cancel()
	}
	j := &job{ctx: ctx, body: body, done: make(chan error, 1)}
	select {
	case <-db.stop:
		return unavailable("the server is stopping; nothing was written", nil)
	default:
	}
	select {
	case db.queue <- j:
	default:
		return unavailable("too many writes are waiting; nothing was written", nil)
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stop:
		select {
		case err := <-j.done:
			return err
		default:
		}
		db.writing.Wait()
		select {
		case err := <-j.done:
			return err
		default:
			return unavailable("the server is stopping; nothing was written", nil)
		}
	}
}

// write is a goroutine that writes: the only one to SQLite, one of a few to PostgreSQL.
// While one transaction is being synced to disk the next bodies gather; then they share
// one commit.
//
// Those that stand by write only when what waits is of the kind that cannot share a
// transaction: else there would be many small ones.
func (db *DB) write(conn writeConn, standBy bool) {
	w := &writer{db: db, writeConn: conn, voices: map[string]*voice{}}
	queue := db.queue
	if standBy {
		queue = nil
	}
	for {
		select {
		case j := <-queue:
			w.commit(j)
		case <-db.more:
			select {
			case j := <-db.queue:
				w.commit(j)
			default:
			}
		case <-db.stop:
			for {
				select {
				case j := <-db.queue:
					w.commit(j)
				default:
					w.close()
					return
				}
			}
		}
	}
}

// writeConn is a connection to the database that belongs to a writer.
type writeConn interface {
	conn
	exec(query string) error
	begin() (others bool, err error)
	commit() error
	rollback() error
	close()
}

type writer struct {
	db *DB
	writeConn
	// careful is how many transactions are still to be made with savepoints: a body
	// has failed lately, and more may.
	careful int
	voices  map[string]*voice // what is known of clients
	later   later
}

// caution is for how many transactions after a failed body each has its savepoint.
const caution = 64

// ran is a body that was run, and its error.
type ran struct {
	*job
	err   error
	cause error // of the database
	fresh []paybell.Delivery
}

// commit runs first, and whatever else waits, in one transaction. A body that
// fails takes back only what it did: that is what savepoints are for. They make
// SQLite copy every page that a body touches, and PostgreSQL is asked twice more, so
// they are left out as long as all goes well; when a body fails without one,
// everything is taken back and all of them run again, with savepoints. If the
// transaction itself fails, every caller gets the error.
func (w *writer) commit(first *job) {
	all, failed, err := w.try(first, nil, w.careful > 0)
	if len(all) == 0 && err != nil && w.db.putBack(first, err) {
		return
	}
	if err == nil && failed && w.careful == 0 {
		if err = w.rollback(); err == nil {
			all, failed, err = w.try(nil, all, true)
		} else { // the database has ended the transaction itself, and it has said why
			err = errors.Join(all[len(all)-1].cause, err)
		}
	}
	if failed {
		w.careful = caution
	} else if w.careful > 0 {
		w.careful--
	}
	if err == nil {
		err = w.db.faultAt(BeforeCommit)
	}
	if err == nil {
		if err = committing(w.writeConn.commit()); err == nil {
			err = w.db.faultAt(AfterCommit)
		}
	}
	if err != nil {
		_ = w.rollback() // there may be no transaction any more
		clear(w.voices)
		first.reply(err)
		for _, r := range all {
			r.reply(err)
		}
		return
	}
	fresh := w.later.fresh
	for _, r := range all {
		fresh = append(fresh, r.fresh...)
	}
	w.db.committed(fresh)
	for _, r := range all {
		if !w.db.again(r) {
			r.reply(r.err)
		}
	}
}

// putBack is for a writer that could not begin. If others can, the body is theirs. If
// none can, everybody who waits is told so, and nobody waits for nothing.
func (db *DB) putBack(j *job, err error) bool {
	if !db.dialect.shared {
		return false
	}
	all := []*job{j}
	for more := db.live.Load() == 0; more; {
		select {
		case waiting := <-db.queue:
			all = append(all, waiting)
		default:
			more = false
		}
	}
	for _, j := range all {
		if db.live.Load() == 0 || !db.again(ran{job: j, err: errNoConnection}) {
			j.reply(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // or a writer without a connection would take everything from the others
	return true
}

// mostTries is how often a body runs that loses races against others.
const mostTries = 10

// again puts a body that has lost a race into the queue once more, after a pause in
// which the others can win theirs.
//
// Who has no connection loses, too.
func (db *DB) again(r ran) bool {
	if r.err == nil || r.tries >= mostTries || !db.dialect.retryable(errors.Join(r.err, r.cause)) {
		return false
	}
	r.tries++
	pause := rand.N(time.Millisecond << r.tries)
	time.AfterFunc(pause, func() {
		select {
		case db.queue <- r.job:
		default:
			r.reply(unavailable("too many writes are waiting; nothing was written", r.err))
		}
	})
	return true
}

// try begins a transaction and runs bodies in it: first and what else waits, or
// those that ran before. failed says that one returned an error; without
// savepoints it stops there. err says that the whole transaction is lost.
func (w *writer) try(first *job, again []ran, savepoints bool) (all []ran, failed bool, err error) {
	w.later = later{}
	others, err := w.begin()
	if others {
		clear(w.voices)
	}
	locked := false
	next := func() *job {
		if again == nil && locked {
			return nil
		}
		if again == nil {
			return w.waiting(len(all))
		}
		if len(all) == len(again) {
			return nil
		}
		return again[len(all)].job
	}
	j := first
	if again != nil {
		j = again[0].job
	}
	for ; err == nil && j != nil; j = next() {
		if again == nil && j.ctx.Err() != nil {
			j.reply(j.ctx.Err())
			continue
		}
		tx := w.tx(!savepoints)
		r := ran{job: j}
		if savepoints {
			r.err, err = w.savepoint(tx, j.body)
		} else {
			r.err = guarded(tx, j.body)
		}
		r.cause = tx.err
		if r.err == nil {
			r.fresh = tx.fresh
		} else {
			failed = true
			clear(w.voices) // it may have read what it had changed itself
		}
		all = append(all, r)
		if err != nil || failed && !savepoints {
			break // or else the next would be taken and never answered
		}
		// Rows are locked in the order that a body wants. Two that want them in another
		// order, in the transactions of two writers, would wait for each other: nothing
		// follows a body that may have locked some.
		if locked = tx.wrote && w.db.dialect.shared; locked && len(w.db.queue) > 0 {
			poke(w.db.more)
		}
	}
	if err == nil && !failed && len(all) > 0 {
		if cause := w.tx(true).flush(); cause != nil {
			all[len(all)-1].cause, failed = cause, true
			clear(w.voices)
		}
	}
	return all, failed, err
}

// tx is for a body, or for what the bodies have left for later.
func (w *writer) tx(later bool) *Tx {
	tx := &Tx{ctx: context.Background(), db: w.db, conn: w, voices: w.voices}
	if later {
		tx.later = &w.later
	}
	return tx
}

// yields is how often the writer lets everything else that can run go first before
// it commits. On an idle machine that takes no time. On a busy one the callers get to
// the queue who would have been a little late: transactions become twice as large,
// and a change costs a sixth less.
const yields = 4

// waiting is the next job for a transaction that holds n already, if one waits.
func (w *writer) waiting(n int) *job {
	if n >= maxBatch {
		return nil
	}
	for try := 0; ; try++ {
		select {
		case j := <-w.db.queue:
			return j
		default:
		}
		if try == yields {
			return nil
		}
		runtime.Gosched()
	}
}

// savepoint runs body; the second error says that the whole transaction is lost.
func (w *writer) savepoint(tx *Tx, body func(*Tx) error) (bodyErr, txErr error) {
	if err := w.exec("SAVEPOINT body"); err != nil {
		return nil, err
	}
	if bodyErr = guarded(tx, body); bodyErr != nil {
		if err := w.exec("ROLLBACK TO body"); err != nil {
			return bodyErr, errors.Join(tx.err, err) // everybody gets it: not what body says
		}
	}
	return bodyErr, w.exec("RELEASE body")
}

// guarded runs body and makes an error of a panic, and of an error of the
// database that body did not pass on.
func guarded(tx *Tx, body func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	if err := body(tx); err != nil {
		return err
	}
	return tx.err
}
