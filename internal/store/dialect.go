package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/paybell/paybell"
)

// dialect holds what must differ between the two databases.
type dialect struct {
	name   string
	byLane string // finds deliveries by their lane: SQLite would rather read all of a webhook
	keyed  string // ends the definition of a table that is found by its key only
	goose  goose.Dialect
	// The two statements of Tx.deliver: for a lane that may have others waiting, and
	// for one that begins.
	deliver, deliverFirst string
	elements              string // the texts of a JSON array in $2, as rows of value
	forUpdate             string // locks the rows that a SELECT reads; empty where there is one writer
	retryable             func(error) bool
}

var sqliteDialect = dialect{
	name: "sqlite", byLane: " INDEXED BY deliveries_lane",
	deliver: deliverSQL(laneOf(" INDEXED BY deliveries_lane")), deliverFirst: deliverSQL(""), keyed: "WITHOUT ROWID", goose: goose.DialectSQLite3, elements: "json_each($2)",
	retryable: func(error) bool { return false }, // one writer: nothing to lose a race against
}

var postgresDialect = dialect{
	name: "postgres", deliver: deliverSQL(laneOf("")), deliverFirst: deliverSQL(""), goose: goose.DialectPostgres, elements: "json_array_elements_text(CAST($2 AS json))", forUpdate: " FOR NO KEY UPDATE", // rows that refer to it may be added meanwhile

	retryable: func(err error) bool {
		var pg *pgconn.PgError
		// serialization failure, deadlock, or a unique number that another took first
		return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505")
	},
}

// laneOf is where the deliveries wait that a new one of a webhook waits for.
func laneOf(byLane string) string {
	return " AND NOT EXISTS (SELECT 1 FROM deliveries ahead" + byLane + ` WHERE ahead.webhook_id = hook.id AND ahead.invoice_id = $2
		AND ahead.marks & 5 = 0 AND ahead.state IN ('pending', 'held'))`
}

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed delivery_engine.sql
var deliveryEngine string

// deliveryEngine is migration 4, the one whose text the databases do not share.
func (d dialect) deliveryEngine(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, strings.ReplaceAll(deliveryEngine, "/* keyed */", d.keyed))
	return err
}

// migrate brings the schema to this program's version, or says why it may not.
func migrate(ctx context.Context, conn *sql.DB, d dialect, path string, allowed bool) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(d.goose, conn, dir, goose.WithLogger(goose.NopLogger()),
		goose.WithGoMigrations(
			goose.NewGoMigration(3, &goose.GoFunc{RunTx: fillFilters}, nil),
			goose.NewGoMigration(4, &goose.GoFunc{RunTx: d.deliveryEngine}, nil),
			goose.NewGoMigration(7, &goose.GoFunc{RunTx: fillNumbers}, nil),
		))
	if err != nil {
		return err
	}
	have, want, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read the schema version: %w", err)
	case have == want:
		return nil
	case have > want:
		return paybell.Errorf(paybell.Conflict, "the data has schema %d, this program knows only %d; use the newer program", have, want)
	case !allowed:
		return paybell.Errorf(paybell.Conflict, "the data has schema %d, this program wants %d; start `paybell serve` once to bring it up to date", have, want)
	}
	if have > 0 && path != "" {
		copied := fmt.Sprintf("%s.schema%d", path, have)
		if err := copySQLite(ctx, conn, copied); err != nil {
			return fmt.Errorf("copy the data to %s before changing its schema: %w", copied, err)
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("change the schema: %w", err)
	}
	return nil
}

// copySQLite writes a copy of the database that only its owner can read. A crash
// leaves none or a whole one (and a .part beside it, which the next copy
// replaces); a copy of the same name that was there is replaced.
func copySQLite(ctx context.Context, conn *sql.DB, path string) error {
	part := path + ".part"
	if err := removeDatabase(part); err != nil { // with its journal
		return err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // VACUUM INTO keeps the mode of an empty file
	if err != nil {
		return err
	}
	defer f.Close() // synced below
	if _, err := conn.ExecContext(ctx, "VACUUM INTO $1", part); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
