// Package store keeps everything Paybell knows, in SQLite or PostgreSQL. SQL is
// written once, in the common subset of both; what must differ is in dialect.
//
// Nothing can be asked outside a transaction: only *Tx has query methods, and
// only Update and View hand one out. A body may run more than once, and must
// touch nothing but its Tx. What Update has returned without an error is on
// disk; when it returns an error, nothing of it was written.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/paybell/paybell"
)

// DB is an open store. It is safe for use by many goroutines.
type DB struct {
	dialect dialect
	keys    *Keyring
	pool    *sql.DB // for readers
	epoch   int64
	fault   func(FaultPoint) error // nil outside of simulations

	// Writers, each of which commits many bodies at once: one on SQLite.
	writeDB *sql.DB
	queue   chan *job
	more    chan struct{} // calls writers that stand by
	live    atomic.Int32  // connections of writers to PostgreSQL
	writing sync.WaitGroup
	stop    chan struct{}

	readers chan *session // those that are idle; nil: the pool has its own

	onCommit func([]paybell.Delivery)
	changed  changes
	notices  *notices // nil: no other process can serve this store
}

// QueueSize is how many bodies may wait for the writer; one more is refused
// with Unavailable.
const QueueSize = 2048

// Options say how to open a store.
type Options struct {
	Keys *Keyring
	// Migrate brings an older schema up to date (SQLite is copied first). Without
	// it, a store with another schema is refused: only the server migrates.
	Migrate bool
	// Fault, in simulations, is asked at every point where a machine can fail. Its
	// error is what happens there.
	Fault func(FaultPoint) error
}

// FaultPoint is where a machine can fail.
type FaultPoint string

// The points. Whoever gets an error after the commit cannot know that it happened.
const (
	BeforeStatement FaultPoint = "statement"
	BeforeCommit    FaultPoint = "commit"
	AfterCommit     FaultPoint = "committed"
	BeforeKeyFile   FaultPoint = "key file"
	AfterKeyFile    FaultPoint = "key file written"
)

func (db *DB) faultAt(p FaultPoint) error {
	if db.fault == nil {
		return nil
	}
	return db.fault(p)
}

// OpenSQLite opens the store in a data directory, which must exist.
func OpenSQLite(ctx context.Context, dir string, opt Options) (*DB, error) {
	path := filepath.Join(dir, "paybell.db")
	fresh := false
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		fresh = true
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // before SQLite makes it readable for all
		if err != nil {
			return nil, fmt.Errorf("make the database: %w", err)
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	// Escaped: SQLite takes it for a URI, where ? and # end the path.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)"
	writeDB, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	writeDB.SetMaxOpenConns(1)
	db := &DB{dialect: sqliteDialect, keys: opt.Keys, fault: opt.Fault, writeDB: writeDB, queue: make(chan *job, QueueSize), stop: make(chan struct{})}
	if err := db.prepare(ctx, writeDB, path, fresh, opt); err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	if db.pool, err = sql.Open("sqlite", dsn+"&_pragma=query_only(ON)"); err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	db.readers = make(chan *session, max(4, runtime.NumCPU()))
	for range cap(db.readers) {
		conn, err := db.pool.Conn(ctx)
		if err != nil {
			return nil, errors.Join(err, writeDB.Close(), db.pool.Close())
		}
		db.readers <- newSession(conn)
	}
	conn, err := writeDB.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, writeDB.Close(), db.pool.Close())
	}
	db.writing.Go(func() { db.write(newSession(conn), false) })
	return db, nil
}

// OpenPostgres opens a store on a PostgreSQL database.
func OpenPostgres(ctx context.Context, dsn string, opt Options) (*DB, error) {
	config, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	db := &DB{dialect: postgresDialect, keys: opt.Keys, fault: opt.Fault, pool: openPool(config), notices: newNotices(config), queue: make(chan *job, QueueSize), stop: make(chan struct{})}
	patient := stdlib.OpenDB(*config) // a change of the schema takes its time
	err = checkServer(ctx, patient, config)
	if err == nil {
		err = db.prepare(ctx, patient, "", false, opt)
	}
	if err = errors.Join(err, patient.Close()); err != nil {
		return nil, errors.Join(err, db.pool.Close())
	}
	db.writeDB = openPool(config)
	db.more = make(chan struct{}, postgresStandBy)
	for i := range postgresWriters + postgresStandBy {
		db.writing.Go(func() { db.write(&remote{db: db}, i >= postgresWriters) })
	}
	return db, nil
}

// prepare checks or makes the schema, the key and the epoch.
func (db *DB) prepare(ctx context.Context, conn *sql.DB, path string, fresh bool, opt Options) error {
	if err := migrate(ctx, conn, db.dialect, path, opt.Migrate || fresh); err != nil {
		return err
	}
	if err := refuseMoved(ctx, conn); err != nil {
		return err
	}
	if err := db.checkKey(ctx, conn); err != nil {
		return err
	}
	var epoch string
	if err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'epoch'").Scan(&epoch); err != nil {
		return err
	}
	var err error
	db.epoch, err = strconv.ParseInt(epoch, 10, 64)
	return err
}

// OnCommit sets who is told of the deliveries of each commit of this process: on
// SQLite in the order of the commits, on PostgreSQL in none between writers. It is a
// hint that saves time: what is lost is found in the store.
// Set it before the first Update; the function must not block.
func (db *DB) OnCommit(tell func([]paybell.Delivery)) { db.onCommit = tell }

// Changed is closed at the next commit of this process, and, after OnHint, of
// others. That one may be missed: who waits looks again now and then.
func (db *DB) Changed() <-chan struct{} { return db.changed.next() }

// changes tells all who wait that there is something new.
type changes struct {
	mu sync.Mutex
	ch chan struct{} // nil: nobody waits
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch = make(chan struct{})
	}
	return c.ch
}

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil {
		close(c.ch)
		c.ch = nil
	}
}

// Close waits for what is being written or read and closes the store.
func (db *DB) Close() error {
	db.notices.close()
	close(db.stop)
	db.writing.Wait()
	for range cap(db.readers) {
		(<-db.readers).close()
	}
	return errors.Join(db.pool.Close(), db.writeDB.Close())
}

// Update runs body in a transaction that commits when it returns no error. A
// panic in body is an error. When ctx ends, Update stops waiting; whether the
// transaction was committed is then unknown, and body may run still: it must not
// read variables that its caller assigns again, named results above all.
func Update[T any](ctx context.Context, db *DB, body func(*Tx) (T, error)) (T, error) {
	return result(ctx, db.enqueue, body)
}

// result runs body and gives what it returned, if its transaction went well.
func result[T any](ctx context.Context, run func(context.Context, func(*Tx) error) error, body func(*Tx) (T, error)) (T, error) {
	var v, zero T
	err := run(ctx, func(tx *Tx) (err error) {
		v, err = body(tx)
		return err
	})
	if err != nil {
		return zero, explainIn(ctx, err)
	}
	return v, nil
}

// Do is Update for a body with no result.
func Do(ctx context.Context, db *DB, body func(*Tx) error) error {
	return explainIn(ctx, db.enqueue(ctx, body))
}

// View runs body in a transaction that only reads, and sees one moment.
func View[T any](ctx context.Context, db *DB, body func(*Tx) (T, error)) (T, error) {
	return result(ctx, db.view, body)
}

func (db *DB) view(ctx context.Context, body func(*Tx) error) (err error) {
	if db.readers == nil {
		ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
		defer cancel()
		tx, err := db.pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // it only read
		return guarded(&Tx{ctx: ctx, db: db, conn: pooled{tx}}, body)
	}
	var s *session
	select {
	case s = <-db.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stop:
		return unavailable("the server is stopping", nil)
	}
	defer func() { db.readers <- s }()
	if err := s.exec("BEGIN"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.exec("ROLLBACK")) }()
	return guarded(&Tx{ctx: ctx, db: db, conn: s}, body)
}

func (db *DB) committed(fresh []paybell.Delivery) {
	db.changed.tell()
	db.notices.committed(fresh)
	if len(fresh) > 0 && db.onCommit != nil {
		db.onCommit(fresh)
	}
}
