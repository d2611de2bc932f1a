package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/paybell/paybell"
)

// errConflict means that a guarded write found another version than the one
// that was read. On PostgreSQL the body runs again.
var errConflict = errors.New("changed by somebody else in between")

// uncertainError is what went wrong when a transaction was to be committed.
type uncertainError struct{ error }

func (e uncertainError) Unwrap() error { return e.error }

// committing marks the error of a COMMIT that PostgreSQL may have done all the same:
// its answer was lost.
func committing(err error) error {
	var pg *pgconn.PgError
	if err == nil || errors.As(err, &pg) && pg.Code[:2] != "57" {
		return err // it says itself that it has not
	}
	return uncertainError{err}
}

// explainIn is explain for what was to be done within ctx: a time that was up
// although ctx goes on was ours.
func explainIn(ctx context.Context, err error) error {
	var ours *paybell.Error
	var unknown uncertainError
	if ctx.Err() != nil || errors.As(err, &ours) {
		return explain(err)
	}
	if errors.As(err, &unknown) && (isLost(err) || errors.Is(err, context.DeadlineExceeded)) {
		return unavailable("the database did not say whether this was written: look, or ask again with the same Idempotency-Key", err)
	}
	if errors.Is(err, context.DeadlineExceeded) { // a writer may still be at it
		return unavailable("the database takes too long at the moment: look whether it was done, or ask again with the same Idempotency-Key", err)
	}
	return explain(err)
}

// explain turns what a database says into what a caller can act on. Errors of
// ours pass.
func explain(err error) error {
	var ours *paybell.Error
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case err == nil || errors.As(err, &ours):
		return err
	case errors.Is(err, errConflict):
		return &paybell.Error{Code: paybell.Conflict, Detail: "it was changed by somebody else at the same moment; read it again and retry", Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &lite):
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return unavailable("the disk is full; nothing was written", err)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
			return unavailable("the store cannot write now; nothing was written", err)
		}
	case errors.As(err, &pg):
		if detail := troubles[pg.Code]; detail != "" {
			return unavailable(detail+"; nothing was written", err)
		}
		if detail := troubles[pg.Code[:2]]; detail != "" {
			return unavailable(detail+"; nothing was written", err)
		}
	case isLost(err):
		return unavailable("the database cannot be reached at the moment; nothing was written", err)
	}
	return err
}

// troubles are the errors of PostgreSQL that pass, by code or class (the manual's
// Appendix A).
var troubles = map[string]string{
	"08":    "the connection to the database broke",
	"25006": "the database is read-only at the moment",
	"25P03": "this server was too slow for the database", // idle_in_transaction_session_timeout
	"28":    "the database refuses this server",
	"3D000": "the database is not there",
	"40":    "too many change the same at once",
	"53":    "the database cannot write now",
	"53100": "the database's disk is full",
	"53300": "the database has no connection left",
	"55P03": "too many change the same at once",
	"57":    "the database is stopping or starting",
	"57014": "the database takes too long at the moment", // statement_timeout
	"58":    "the database cannot read or write its files",
}

// isLost reports whether there was no database to talk to, or none any more.
func isLost(err error) bool {
	var refused *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &refused) || errors.As(err, &network) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone)
}

func unavailable(detail string, err error) error {
	return &paybell.Error{Code: paybell.Unavailable, Detail: detail, RetryAfter: time.Second, Err: err}
}
