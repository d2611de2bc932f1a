package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/paybell/paybell"
)

// Tx is a transaction that is under way. It is used by the body it was given
// to, on its goroutine, until the body returns.
type Tx struct {
	ctx   context.Context
	db    *DB
	conn  conn
	fresh []paybell.Delivery // made in this transaction

	// voices is what the writer remembers of clients. Nil: this is not the writer.
	voices map[string]*voice

	// later takes what may be inserted later. Nil: nothing may.
	later *later

	// err is the first error of the database. It ends the transaction, also for a
	// body that goes on: PostgreSQL says so itself, but SQLite may have rolled
	// back all of it (a full disk), and would commit each further statement alone.
	err error

	// wrote says that a statement was made that may have changed or locked a row that
	// was there.
	wrote bool
}

// conn is what a transaction asks.
type conn interface {
	execContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	queryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// execAll makes statements one after the other, and tells how many rows each has
	// touched. It ends with the first that fails.
	execAll(ctx context.Context, all []statement) ([]int64, error)
}

// exec runs a statement and returns how many rows it touched.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if err := tx.before(query); err != nil {
		return 0, err
	}
	res, err := tx.conn.execContext(tx.ctx, query, args...)
	if err != nil {
		tx.err = err
		return 0, err
	}
	return res.RowsAffected()
}

// execAll runs statements that none of them needs the answer of another for. Where the
// database is elsewhere they travel together.
func (tx *Tx) execAll(all []statement) ([]int64, error) {
	if len(all) == 0 {
		return nil, nil
	}
	for _, s := range all {
		if err := tx.before(s.query); err != nil {
			return nil, err
		}
	}
	touched, err := tx.conn.execAll(tx.ctx, all)
	if err != nil {
		tx.err = err
	}
	return touched, err
}

// forUpdate locks the rows that a SELECT reads. Rows that refer to them may be added
// meanwhile.
const forUpdate = " FOR NO KEY UPDATE"

// lock makes others that lock one of these rows wait for the end of this
// transaction. What is read afterwards has what they committed.
func (tx *Tx) lock(query string, args ...any) error {
	if !tx.db.dialect.shared {
		return nil
	}
	_, err := tx.exec(query+forUpdate, args...)
	return err
}

// scanner is a row being read.
type scanner interface{ Scan(dest ...any) error }

// list reads every row of a query.
func list[T any](tx *Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	if err := tx.before(query); err != nil {
		return nil, err
	}
	rows, err := tx.conn.queryContext(tx.ctx, query, args...)
	if err != nil {
		tx.err = err
		return nil, err
	}
	defer rows.Close() // rows.Err says what matters
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	tx.err = rows.Err()
	return all, tx.err
}

// one reads the only row of a query; found is false when there is none.
func one[T any](tx *Tx, scan func(scanner) (T, error), query string, args ...any) (v T, found bool, err error) {
	all, err := list(tx, scan, query, args...)
	if err != nil || len(all) == 0 {
		return v, false, err
	}
	return all[0], true, nil
}

func scanInt(s scanner) (n int64, err error)      { return n, s.Scan(&n) }
func scanText(s scanner) (text string, err error) { return text, s.Scan(&text) }

// micros is t as the store keeps it: microseconds UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is what micros wrote.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// when reads a time column.
type when struct{ t *time.Time }

func (w when) Scan(src any) error {
	var n sql.NullInt64
	if err := n.Scan(src); err != nil {
		return err
	}
	*w.t = moment(n.Int64)
	return nil
}

// flag reads and writes a truth value as 0 or 1.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
