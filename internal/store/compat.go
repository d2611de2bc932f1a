package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/paybell/paybell"
)

// A migration only adds (columns that may be left out, tables, indexes), so that
// programs that do not know it go on working beside those that do. One that takes
// something away, or changes what it means, also raises oldest_program in meta: the
// schema that a program must know to work on the data.
//
// So programs of two versions can be changed for each other one by one, and back.
// It holds as long as every INSERT names its columns and no SELECT says *.

// schemaOf is the version of the schema of the data; 0: there is none yet.
func schemaOf(ctx context.Context, conn *sql.DB, d dialect) (version int64, err error) {
	var tables int
	if err := conn.QueryRowContext(ctx, d.versions).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version").Scan(&version)
	return version, err
}

// oldestProgram is the schema that a program must know to work on the data.
func oldestProgram(ctx context.Context, conn *sql.DB) (int64, error) {
	var text string
	err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'oldest_program'").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("the data does not say which programs may work on it")
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// admitted reports whether a program that wants a schema may work on the data as they
// are. What is newer may admit it, or refuses it for good. What is older does not:
// it has to be brought up to date.
func admitted(ctx context.Context, conn *sql.DB, have, want int64) (bool, error) {
	if have <= want {
		return have == want, nil
	}
	oldest, err := oldestProgram(ctx, conn)
	if err != nil {
		return false, err
	}
	if oldest > want {
		return false, paybell.Errorf(paybell.Conflict,
			"the data has schema %d, on which programs must know schema %d; this one knows only %d: use the newer program", have, oldest, want)
	}
	return true, nil
}

const (
	lockWait     = 3 * time.Second        // for a table that a migration changes: what comes behind it waits as long
	lockTries    = 20                     // before a migration is given up
	lockPause    = time.Second            // in which others get the table
	migratePause = 100 * time.Millisecond // between questions whether another program still migrates
	migrateLock  = 7267355                // of pg_advisory_lock, of no meaning
)

// alone runs migrate while no other program does. Programs that start at once wait for
// each other here; on SQLite there is one, which the data directory is locked for.
func (d dialect) alone(ctx context.Context, conn *sql.DB, migrate func() error) error {
	if d.name != postgresDialect.name {
		return migrate()
	}
	for {
		ran, err := ifAlone(ctx, conn, migrate)
		if ran || err != nil {
			return err
		}
		if err := pause(ctx, migratePause); err != nil {
			return err
		}
	}
}

// ifAlone runs migrate if no other program does; ran says so.
func ifAlone(ctx context.Context, conn *sql.DB, migrate func() error) (ran bool, err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // it wrote nothing
	// The lock of a transaction, not of a session: it goes with it behind a pooler, too.
	// And it is not waited for: what waits has a view of the data that is kept for it, and
	// keeps CREATE INDEX CONCURRENTLY from its end.
	err = tx.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", migrateLock).Scan(&ran)
	if err != nil || !ran {
		return false, err
	}
	// This also lets go of the view that the question had.
	if _, err := tx.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return false, err
	}
	return true, migrate()
}

// up makes the migrations that are missing. One that waits too long for a table that
// others use lets them pass and tries again.
func (d dialect) up(ctx context.Context, provider *goose.Provider) error {
	for try := 1; ; try++ {
		_, err := provider.Up(ctx)
		var pg *pgconn.PgError
		if err == nil || !errors.As(err, &pg) || pg.Code != "55P03" {
			return err
		}
		if try == lockTries {
			return paybell.Errorf(paybell.Unavailable, "somebody holds a table that a migration has to change: look in pg_stat_activity for a transaction that stays open, end it, and start again")
		}
		if err := pause(ctx, lockPause); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// impatient makes the statements of migrations wait for a lock no longer than lockWait:
// whoever comes behind a statement that waits for a table waits for it, too.
type impatient struct{}

func (impatient) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, fmt.Sprintf("SET lock_timeout = %d", lockWait.Milliseconds()))
	return err
}

func (impatient) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "RESET lock_timeout")
	return err
}
