package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"
)

// InUse reports whether there is something in a PostgreSQL database that somebody may
// want to keep: a merchant, or tables that are not Paybell's. It changes nothing.
func InUse(ctx context.Context, dsn string) (bool, error) {
	config, err := parseDSN(dsn)
	if err != nil {
		return false, err
	}
	conn := stdlib.OpenDB(*config)
	defer conn.Close() // it only read
	if err := checkServer(ctx, conn, config); err != nil {
		return false, err
	}
	var ours, tables int64
	if err := conn.QueryRowContext(ctx, `SELECT COUNT(*) FILTER (WHERE tablename = 'goose_db_version'), COUNT(*) FROM pg_tables
		WHERE schemaname = current_schema()`).Scan(&ours, &tables); err != nil {
		return false, fmt.Errorf("look into the database: %w", err)
	}
	if ours == 0 {
		return tables > 0, nil
	}
	var merchants bool
	if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM merchants)").Scan(&merchants); err != nil {
		return false, fmt.Errorf("look into the database: %w", err)
	}
	return merchants, nil
}
