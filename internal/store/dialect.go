package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
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
	name     string
	byLane   string // finds deliveries by their lane: SQLite would rather read all of a webhook
	keyed    string // ends the definition of a table that is found by its key only
	goose    goose.Dialect
	versions string // whether there is a table of the schema's versions
	// among is the condition that a value is one of the texts in a parameter, and
	// texts makes that parameter.
	among     func(parameter string) string
	texts     func([]string) any
	shared    bool             // by several writers: rows have to be locked
	retryable func(error) bool // that a body has lost a race, and may win it the next time
}

var sqliteDialect = dialect{
	name: "sqlite", byLane: " INDEXED BY deliveries_lane",
	keyed: "WITHOUT ROWID", goose: goose.DialectSQLite3,
	versions: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'",
	among:    func(p string) string { return "IN (SELECT value FROM json_each(" + p + "))" },
	texts: func(all []string) any {
		text, _ := json.Marshal(all) // texts always can be
		return string(text)
	},
	retryable: func(error) bool { return false }, // one writer: nothing to lose a race against
}

var postgresDialect = dialect{
	name: "postgres", goose: goose.DialectPostgres,
	versions: "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'goose_db_version'",
	among:    func(p string) string { return "= ANY(CAST(" + p + " AS TEXT[]))" }, texts: func(all []string) any { return all },
	shared: true,
	retryable: func(err error) bool {
		var pg *pgconn.PgError
		// serialization failure, deadlock, or a unique number that another took first
		return errors.Is(err, errConflict) || errors.Is(err, errNoConnection) || errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505")
	},
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

//go:embed growth.sql
var growth string

// growth is migration 11: indexes for tables that have become large. On PostgreSQL
// each statement is on its own, because what builds an index beside those who write
// cannot be part of a transaction.
func (d dialect) growth() *goose.GoFunc {
	const admits = "INSERT INTO meta (name, value) VALUES ('oldest_program', '11') ON CONFLICT (name) DO NOTHING"
	if d.name == sqliteDialect.name {
		return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, admits+`; CREATE INDEX resends_over ON resends (finished_at) WHERE state <> 'running';
				DROP INDEX webhooks_deleted; CREATE INDEX webhooks_deleted ON webhooks (state_since, id) WHERE state = 'deleted'`)
			return err
		}}
	}
	return &goose.GoFunc{RunDB: func(ctx context.Context, conn *sql.DB) error {
		for statement := range strings.SplitSeq(growth+admits, ";\n") {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}}
}

// migrate brings the schema to this program's version, or says why it may not. A newer
// one stays as it is, if it admits this program. more are migrations of a later
// program, for tests.
func migrate(ctx context.Context, conn *sql.DB, d dialect, path string, allowed bool, more ...*goose.Migration) error {
	provider, err := d.provider(conn, more)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	want := sources[len(sources)-1].Version
	if have, err := schemaOf(ctx, conn, d); err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	} else if done, err := admitted(ctx, conn, have, want); done || err != nil {
		return err
	} else if !allowed {
		return paybell.Errorf(paybell.Conflict, "the data has schema %d, this program wants %d; start `paybell serve` once to bring it up to date", have, want)
	}
	return d.alone(ctx, conn, func() error {
		have, err := schemaOf(ctx, conn, d) // another program may have been faster
		if err != nil {
			return fmt.Errorf("read the schema version: %w", err)
		}
		if done, err := admitted(ctx, conn, have, want); done || err != nil {
			return err
		}
		if have > 0 && path != "" {
			copied := fmt.Sprintf("%s.schema%d", path, have)
			if err := copySQLite(ctx, conn, copied); err != nil {
				return fmt.Errorf("copy the data to %s before changing its schema: %w", copied, err)
			}
		}
		if err := d.up(ctx, provider); err != nil {
			return fmt.Errorf("change the schema: %w", err)
		}
		return nil
	})
}

// provider knows all migrations.
func (d dialect) provider(conn *sql.DB, more []*goose.Migration) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithLogger(goose.NopLogger()), goose.WithGoMigrations(append(more,
		goose.NewGoMigration(3, &goose.GoFunc{RunTx: fillFilters}, nil),
		goose.NewGoMigration(4, &goose.GoFunc{RunTx: d.deliveryEngine}, nil),
		goose.NewGoMigration(7, &goose.GoFunc{RunTx: fillNumbers}, nil),
		goose.NewGoMigration(11, d.growth(), nil),
	)...)}
	if d.name == postgresDialect.name {
		options = append(options, goose.WithSessionLocker(impatient{}))
	}
	return goose.NewProvider(d.goose, conn, dir, options...)
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
