package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresWriters is how many transactions one process writes at a time, each made of
// what waits, as on SQLite: two, for the time that a commit takes. postgresStandBy more
// are for changes that lock rows, of which each has a transaction of its own.
const (
	postgresWriters = 2
	postgresStandBy = 6
)

// remote is a connection of a writer to PostgreSQL. The driver prepares each statement
// once. One that breaks is replaced before the next transaction.
type remote struct {
	db     *DB
	conn   *sql.Conn       // nil: none
	ctx    context.Context // of a transaction: it takes no longer than transactionTimeout
	cancel context.CancelFunc
}

func (r *remote) exec(query string) error {
	_, err := r.execContext(context.Background(), query)
	return err
}

func (r *remote) execContext(_ context.Context, query string, args ...any) (sql.Result, error) {
	if r.conn == nil {
		return nil, driver.ErrBadConn
	}
	return r.conn.ExecContext(r.ctx, query, args...)
}

func (r *remote) queryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	if r.conn == nil {
		return nil, driver.ErrBadConn
	}
	return r.conn.QueryContext(r.ctx, query, args...)
}

// execAll sends everything at once.
func (r *remote) execAll(_ context.Context, all []statement) (touched []int64, err error) {
	if r.conn == nil {
		return nil, driver.ErrBadConn
	}
	batch := &pgx.Batch{}
	for _, s := range all {
		batch.Queue(s.query, s.args...)
	}
	err = r.conn.Raw(func(c any) (err error) {
		results := c.(*stdlib.Conn).Conn().SendBatch(r.ctx, batch)
		for range all {
			tag, failed := results.Exec()
			if failed != nil {
				err = failed
				break
			}
			touched = append(touched, tag.RowsAffected())
		}
		if closed := results.Close(); err == nil {
			err = closed
		}
		return err
	})
	return touched, err
}

// begin begins a transaction, on a new connection if the one that was there has died
// since. Others may always have written.
func (r *remote) begin() (others bool, err error) {
	r.timeFrom()
	if r.conn != nil {
		if err = r.exec("BEGIN"); err == nil {
			return true, nil
		}
		r.drop()
		r.timeFrom()
	}
	if r.conn, err = r.db.writeDB.Conn(r.ctx); err != nil {
		r.conn = nil
		return true, err
	}
	r.db.live.Add(1)
	if err = r.exec("BEGIN"); err != nil {
		r.drop()
	}
	return true, err
}

func (r *remote) timeFrom() {
	if r.cancel != nil {
		r.cancel()
	}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), transactionTimeout)
}

// commit ends the transaction. PostgreSQL answers a COMMIT of one in which something has
// failed with ROLLBACK, and not with an error.
func (r *remote) commit() error {
	if r.conn == nil {
		return driver.ErrBadConn
	}
	return r.conn.Raw(func(c any) error {
		tag, err := c.(*stdlib.Conn).Conn().Exec(r.ctx, "COMMIT")
		if err == nil && tag.String() != "COMMIT" {
			err = errTakenBack
		}
		return err
	})
}

// errTakenBack is for a transaction that the database has taken back itself.
var errTakenBack = errors.New("the database has taken the transaction back: a statement in it had failed")

// rollback takes back what was begun: with the connection, if need be.
func (r *remote) rollback() error {
	if r.exec("ROLLBACK") != nil {
		r.drop()
	}
	return nil
}

// drop gives the connection up, with whatever was begun on it.
func (r *remote) drop() {
	if r.conn == nil {
		return
	}
	_ = r.conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool closes it
	_ = r.conn.Close()
	r.conn = nil
	r.db.live.Add(-1)
}

func (r *remote) close() {
	r.drop()
	if r.cancel != nil {
		r.cancel()
	}
}

// errNoConnection is for a writer that has none, while others have.
var errNoConnection = errors.New("no connection to the database")

// pooled is a transaction on PostgreSQL that only reads.
type pooled struct{ *sql.Tx }

func (p pooled) execContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.ExecContext(ctx, query, args...)
}

func (p pooled) queryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.QueryContext(ctx, query, args...)
}

func (p pooled) execAll(context.Context, []statement) ([]int64, error) {
	return nil, errors.New("a transaction that only reads was to write")
}
