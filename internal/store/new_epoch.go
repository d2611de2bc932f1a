package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/paybell/paybell"
)

// NewEpoch is what Restore does, for a PostgreSQL database that pg_restore, or
// another copy of an earlier moment, has just been put into: numbers of deliveries
// begin a new epoch, addresses of every key are left out, sessions and links that let
// in are void. It has to come before the first server: what was done after the copy
// is unknown, and must not be done once more in another way.
//
// Only KeyFile, Epoch and Skip of the options count. Nothing tells the epoch of the
// database that was there before, or of an earlier use of the same copy: when such a
// one was served, Epoch must be higher than its.
//
// It is refused with Conflict while anybody else is in the database, for a newer
// schema, and for another key; with NotFound where there is nothing. An older schema is
// brought up to date. What else it changes is one transaction: a crash, or an error,
// leaves none of it.
func NewEpoch(ctx context.Context, dsn string, opt RestoreOptions) (r Restored, err error) {
	config, err := parseDSN(dsn)
	if err != nil {
		return r, err
	}
	self := "paybell new epoch " + rand.Text()
	config.RuntimeParams["application_name"] = self
	conn := stdlib.OpenDB(*config)
	defer conn.Close() // nothing is written by it
	if err := checkServer(ctx, conn, config); err != nil {
		return r, err
	}
	if r.Was, err = describePostgres(ctx, conn); err != nil {
		return r, explain(err)
	}
	if err := KeyFits(opt.KeyFile, r.Was.SealKeys); err != nil {
		return r, err
	}
	// Who has just left may still be seen for a moment.
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := aloneIn(ctx, conn, self)
		if err == nil {
			break
		}
		if wait > time.Second || paybell.CodeOf(err) != paybell.Conflict {
			return r, explain(err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
	if err := migrate(ctx, conn, postgresDialect, "", true); err != nil {
		return r, explain(err)
	}
	r.Epoch = r.Was.Epoch
	if err := r.beginEpoch(ctx, conn, self, opt); err != nil {
		return r, explain(err)
	}
	r.BackedUp, err = describePostgres(ctx, conn)
	return r, explain(err)
}

// beginEpoch does what has to be done to the rows.
func (r *Restored) beginEpoch(ctx context.Context, conn *sql.DB, self string, opt RestoreOptions) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // unless it was committed
	// A server reads the epoch once, when it starts. One that starts now waits for the
	// lock and reads the new one; one that was faster is seen.
	for _, statement := range []string{"SET LOCAL lock_timeout = '10s'", "LOCK TABLE meta IN ACCESS EXCLUSIVE MODE"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := aloneIn(ctx, tx, self); err != nil {
		return err
	}
	if err := r.goOn(ctx, tx, givenOut{}, opt); err != nil {
		return err
	}
	// No process of the time before lives.
	for _, statement := range []string{"DELETE FROM processes", "UPDATE shards SET owner = ''"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// describePostgres reads what the database is.
func describePostgres(ctx context.Context, conn *sql.DB) (b BackedUp, err error) {
	var names sql.NullString
	err = conn.QueryRowContext(ctx, `SELECT (SELECT value FROM meta WHERE name = 'epoch'), (SELECT value FROM meta WHERE name = 'key'),
		(SELECT MAX(version_id) FROM goose_db_version WHERE is_applied), (SELECT COUNT(*) FROM invoices), pg_database_size(current_database()), current_database()`).
		Scan(&b.Epoch, &names, &b.Schema, &b.Invoices, &b.Bytes, &b.File)
	b.SealKeys = strings.Fields(names.String)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // undefined_table
		err = paybell.Errorf(paybell.NotFound, "there is nothing of Paybell in this database; put the dump into it first, with pg_restore")
	}
	return b, err
}

// aloneIn refuses while others are in the database, by whatever program.
func aloneIn(ctx context.Context, conn interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, self string) error {
	var n int64
	var who string
	err := conn.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(STRING_AGG(DISTINCT COALESCE(NULLIF(application_name, ''), 'without a name') || ' from ' || COALESCE(host(client_addr), 'this machine'), ', '), '')
		FROM pg_stat_activity WHERE datname = current_database() AND COALESCE(backend_type, 'client backend') = 'client backend' AND COALESCE(application_name, '') <> $1`, self).Scan(&n, &who)
	if err != nil {
		return fmt.Errorf("ask who else is in the database: %w", err)
	}
	if n > 0 {
		return paybell.Errorf(paybell.Conflict, "others are in this database (connections: %d; %s): stop every server on it, and what else is connected, and try again", n, who)
	}
	return nil
}
