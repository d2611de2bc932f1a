package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/paybell/paybell"
)

// moveTarget is the PostgreSQL side: one connection, which no other move shares the
// database with.
type moveTarget struct {
	conn *pgx.Conn
	name string // for people; no password
}

const (
	lockTime  = 5 * time.Second // a move that was killed holds its lock until the server has noticed
	idleTime  = 5 * time.Second // a process that lives beats more often
	lookEvery = 200 * time.Millisecond
	// moveLock is the number of the advisory lock: "paymove" as bytes.
	moveLock = 0x7061796d6f7665
)

func openTarget(ctx context.Context, dsn string) (*moveTarget, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	t := &moveTarget{name: fmt.Sprintf("PostgreSQL %s:%d/%s", cfg.Host, cfg.Port, cfg.Database)}
	if t.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return nil, cannotConnect(ctx, err, cfg)
	}
	if err := t.usable(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *moveTarget) close() {
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	_ = t.conn.Close(ctx) // what was not committed is rolled back
}

// usable refuses a server that cannot keep a store, and a second move.
func (t *moveTarget) usable(ctx context.Context) error {
	// A copy of a large table takes its time.
	if _, err := t.conn.Exec(ctx, "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET application_name = 'paybell migrate-store'"); err != nil {
		return err
	}
	var version int
	var encoding string
	var standby bool
	if err := t.conn.QueryRow(ctx, "SELECT CAST(current_setting('server_version_num') AS int), current_setting('server_encoding'), pg_is_in_recovery()").Scan(&version, &encoding, &standby); err != nil {
		return err
	}
	switch {
	case version < 15_00_00:
		return paybell.Errorf(paybell.Conflict, "%s is version %d; 15 or newer is needed", t.name, version/10000)
	case encoding != "UTF8":
		return paybell.Errorf(paybell.Conflict, "%s keeps text as %s; make a database with ENCODING 'UTF8'", t.name, encoding)
	case standby:
		return paybell.Errorf(paybell.Conflict, "%s is a standby, which cannot be written to; name the primary", t.name)
	}
	taken := false
	err := every(ctx, lockTime, func() (bool, error) {
		err := t.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(moveLock)).Scan(&taken)
		return taken, err
	})
	if err == nil && !taken {
		err = paybell.Errorf(paybell.Conflict, "another `paybell migrate-store` is using %s (or its connection was cut, and the server has not noticed yet); wait until it is done", t.name)
	}
	return err
}

// every asks again and again until it is done, for so long.
func every(ctx context.Context, long time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	over := time.After(long)
	for {
		if is, err := done(); is || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tableNames lists the tables that the store would see, without parts of tables and
// what extensions have brought.
func (t *moveTarget) tableNames(ctx context.Context) ([]string, error) {
	return collect[string](t.conn.Query(ctx, `SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition
		AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1`))
}

// collect reads the only column of a query. Its parameters are what Query returns.
func collect[T any](rows pgx.Rows, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// schema is the version of the schema, 0 if the database is empty. One with something
// else in it is refused.
func (t *moveTarget) schema(ctx context.Context) (version int64, err error) {
	names, err := t.tableNames(ctx)
	if err != nil {
		return 0, err
	}
	foreign := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "goose_db_version" })
	if len(foreign) == 0 {
		return 0, nil // a first start that was cut short may have left that one
	}
	if len(foreign) == len(names) || !slices.Contains(names, "meta") {
		return 0, paybell.Errorf(paybell.Conflict, "%s holds other data (table %s); give an empty database", t.name, foreign[0])
	}
	err = t.conn.QueryRow(ctx, "SELECT MAX(version_id) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

func (t *moveTarget) readMark(ctx context.Context) (moveMark, error) {
	var text string
	err := t.conn.QueryRow(ctx, getMark).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return moveMark{}, nil
	}
	if err != nil {
		return moveMark{}, err
	}
	return parseMark(text)
}

func (t *moveTarget) writeMark(ctx context.Context, to interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, k moveMark) error {
	text, err := k.text()
	if err == nil {
		_, err = to.Exec(ctx, putMark, text)
	}
	return err
}

// idle refuses a database that a process serves: one whose beat moves.
func (t *moveTarget) idle(ctx context.Context) error {
	names, err := t.tableNames(ctx)
	if err != nil || !slices.Contains(names, "processes") {
		return err
	}
	first, err := t.beats(ctx)
	if err != nil || len(first) == 0 {
		return err
	}
	return every(ctx, idleTime, func() (bool, error) {
		beats, err := t.beats(ctx)
		if err == nil && !maps.Equal(beats, first) {
			err = paybell.Errorf(paybell.Conflict, "a server runs on %s; stop it first, and all others that use that database", t.name)
		}
		return false, err
	})
}

func (t *moveTarget) beats(ctx context.Context) (map[string]int64, error) {
	rows, err := t.conn.Query(ctx, "SELECT id, beat FROM processes")
	if err != nil {
		return nil, err
	}
	beats := map[string]int64{}
	var id string
	var beat int64
	_, err = pgx.ForEachRow(rows, []any{&id, &beat}, func() error { beats[id] = beat; return nil })
	return beats, err
}

// empty refuses a database that holds more than what a schema begins with.
func (t *moveTarget) empty(ctx context.Context) error {
	names, err := t.tableNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "meta" || notMoved[name] != "" {
			continue
		}
		var filled bool
		if err := t.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+quoted(name)+")").Scan(&filled); err != nil {
			return err
		}
		if filled {
			return paybell.Errorf(paybell.Conflict, "%s holds data of a Paybell already (table %s); give an empty database", t.name, name)
		}
	}
	return nil
}

// migrate gives the target this program's schema.
func (t *moveTarget) migrate(ctx context.Context, dsn string) error {
	config, err := parseDSN(dsn)
	if err != nil {
		return err
	}
	pool := stdlib.OpenDB(*config)
	return errors.Join(migrate(ctx, pool, postgresDialect, "", true), pool.Close())
}

// begin takes out what the schema begins with, and marks the target.
func (t *moveTarget) begin(ctx context.Context, k moveMark) error {
	if err := t.empty(ctx); err != nil {
		return err
	}
	return t.transact(ctx, func(tx pgx.Tx) error {
		for _, statement := range []string{"DELETE FROM meta", "DELETE FROM processes", "UPDATE shards SET owner = ''"} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return t.writeMark(ctx, tx, k)
	})
}

// transact does something in a transaction that commits if there is no error.
func (t *moveTarget) transact(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, t.conn, do)
}

// lookOnly does something in a transaction that sees one moment, and finds rows by
// their keys.
func (t *moveTarget) lookOnly(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, t.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"); err != nil {
			return err
		}
		return do(tx)
	})
}

// sameTables refuses a target whose tables are not those of the source.
func (t *moveTarget) sameTables(ctx context.Context, tables []movedTable) error {
	names, err := t.tableNames(ctx)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return notMoved[name] != "" })
	have, err := collect[string](t.conn.Query(ctx, `SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = ANY ($1)`, names))
	if err != nil {
		return err
	}
	var want []string
	for _, table := range tables {
		for _, c := range table.columns {
			kind := "bigint"
			if c.text {
				kind = "text"
			}
			want = append(want, table.name+"."+c.name+" "+kind)
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		extra := slices.DeleteFunc(append(slices.Clone(have), want...), func(c string) bool { return slices.Contains(have, c) && slices.Contains(want, c) })
		return paybell.Errorf(paybell.Conflict, "the tables of %s are not those of the source: %s", t.name, strings.Join(extra, ", "))
	}
	return nil
}

// analyze tells the planner how large the tables are, for the comparison and for the
// servers.
func (t *moveTarget) analyze(ctx context.Context, tables []movedTable) error {
	for _, table := range tables {
		if _, err := t.conn.Exec(ctx, "ANALYZE "+quoted(table.name)); err != nil {
			return err
		}
	}
	return nil
}

func (t *moveTarget) count(ctx context.Context, tx pgx.Tx, table movedTable) (n int64, err error) {
	return n, tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+quoted(table.name)+table.filtered("WHERE")).Scan(&n)
}

// compare reads the rows that have the keys of those that are wanted, and adds them to
// a sum. The first that is missing or not the same is the error.
func (t *moveTarget) compare(ctx context.Context, tx pgx.Tx, table movedTable, want [][]any, sum *tableSum) error {
	rows, err := tx.Query(ctx, table.byKeys(), table.keysOf(want)...)
	if err != nil {
		return err
	}
	defer rows.Close() // rows.Err says what matters
	n := 0
	var is, ought []byte
	for rows.Next() {
		got, err := rows.Values()
		if err != nil {
			return err
		}
		if place, _ := got[0].(int64); place != int64(n)+1 {
			break
		}
		is, ought = appendRow(is[:0], got[1:]), appendRow(ought[:0], want[n])
		if !bytes.Equal(is, ought) {
			return different("row %s has another %s", table.row(want[n]), table.differs(got[1:], want[n]))
		}
		sum.add(is)
		n++
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	if n < len(want) {
		return different("row %s is missing", table.row(want[n]))
	}
	return nil
}

// byKeys is the query for rows with some keys, with the place of each key before it.
func (t movedTable) byKeys() string {
	var arrays, names, on []string
	for i, c := range t.key {
		kind := "bigint"
		if t.columns[c].text {
			kind = "text"
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, kind))
		names = append(names, fmt.Sprintf("k%d", i))
		on = append(on, fmt.Sprintf("t.%s = wanted.k%d", quoted(t.columns[c].name), i))
	}
	return "SELECT wanted.place, " + t.columnList("t.") + " FROM unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS wanted (" + strings.Join(names, ", ") +
		", place) JOIN " + quoted(t.name) + " t ON " + strings.Join(on, " AND ") + " ORDER BY wanted.place"
}

// keysOf are the parameters of byKeys.
func (t movedTable) keysOf(rows [][]any) []any {
	args := make([]any, len(t.key))
	for i, c := range t.key {
		if t.columns[c].text {
			args[i] = column[string](rows, c)
		} else {
			args[i] = column[int64](rows, c)
		}
	}
	return args
}

func column[T any](rows [][]any, c int) []T {
	all := make([]T, len(rows))
	for i, row := range rows {
		all[i] = row[c].(T) // sourceRows has looked
	}
	return all
}

// differs names the columns in which two rows differ.
func (t movedTable) differs(got, want []any) string {
	var names []string
	for i, c := range t.columns {
		if got[i] != want[i] {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}
