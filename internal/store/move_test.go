package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
)

// moving is a shop on SQLite with many rows in every table, and an empty database.
type moving struct {
	t        *testing.T
	dir, dsn string
	keys     *Keyring
}

// perTable is how many rows every table has at least: more than three batches of the
// tests.
const perTable = 25

func newMoving(t *testing.T) *moving {
	t.Helper()
	old := oldSQLite(t)
	m := &moving{t: t, dir: old.dir, dsn: pgtest.Open(t), keys: old.keys}
	db := old.mustOpen(t, true)
	if err := Do(t.Context(), db, func(tx *Tx) error { return tx.Fill(webhook1, 2, perTable, paybell.DeliveryPending) }); err != nil {
		t.Fatal(err)
	}
	closeSQLite(t, db)
	m.sow()
	return m
}

// source looks at the SQLite database from behind.
func (m *moving) source() *sql.DB { return m.raw("sqlite", filepath.Join(m.dir, databaseFile)) }

// there looks at the PostgreSQL database from behind.
func (m *moving) there() *sql.DB { return m.raw("pgx", m.dsn) }

func (m *moving) raw(driver, dsn string) *sql.DB {
	m.t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = db.Close() })
	return db
}

func (m *moving) exec(db *sql.DB, statement string, args ...any) {
	m.t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		m.t.Fatalf("%s: %v", statement, err)
	}
}

// odd is text that is easily changed on the way.
var odd = []string{"", " ", "ß 🔔 \u2028\ufeff", `\N`, `\.`, "tab\tline\r\n\"'`", `{"a":"\u0000"}`, "\x01\x7f", "NULL", "é e\u0301", strings.Repeat("long ", 3000)}

// sow puts rows into every table that is there, by what the database says of it.
func (m *moving) sow() {
	m.t.Helper()
	raw := m.source()
	defer raw.Close()
	conn, err := raw.Conn(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	s := &moveSource{conn: conn}
	tables, err := s.tables(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, t := range tables {
		parents := m.parents(raw, t.name)
		for i := range perTable {
			var values []string
			var args []any
			for c, column := range t.columns {
				args = append(args, m.seed(raw, t, c, i, parents[column.name]))
				values = append(values, fmt.Sprintf("$%d", c+1))
			}
			statement := "INSERT INTO " + t.name + " (" + t.columnList("") + ") VALUES (" + strings.Join(values, ", ") + ")"
			if _, err := conn.ExecContext(m.t.Context(), statement, args...); err != nil {
				m.t.Fatalf("row %d of %s: %v", i, t.name, err)
			}
		}
	}
}

// seed is a value for row i. Rows differ in all columns, in keys first of all.
func (m *moving) seed(raw *sql.DB, t movedTable, c, i int, parent string) any {
	switch {
	case parent != "":
		table, column, _ := strings.Cut(parent, ".")
		ids := texts1(m.t, raw, "SELECT "+column+" FROM "+table+" WHERE "+column+" LIKE '"+table+"-%' ORDER BY 1")
		return ids[i%len(ids)]
	case t.columns[c].text && slices.Contains(t.key, c):
		return fmt.Sprintf("%s-%d-%s", t.name, i, odd[i%(len(odd)-1)])
	case t.columns[c].text:
		return fmt.Sprintf("%d.%d %s", i, c, odd[i%len(odd)])
	case i == 0:
		return int64(-1 << 63)
	case i == 1:
		return int64(1<<63 - 1)
	}
	return int64(i*1000 + c)
}

// parents are the columns that refer to others, as "table.column".
func (m *moving) parents(raw *sql.DB, table string) map[string]string {
	m.t.Helper()
	found := map[string]string{}
	for _, pair := range texts1(m.t, raw, `SELECT "from" || ' ' || "table" || '.' || "to" FROM pragma_foreign_key_list('`+table+`')`) {
		from, to, _ := strings.Cut(pair, " ")
		found[from] = to
	}
	return found
}

func (m *moving) options() MoveOptions { return MoveOptions{From: m.dir, To: m.dsn, batch: 8} }

// move moves, and fails unless it is done.
func (m *moving) move() Moved {
	m.t.Helper()
	moved, err := Move(context.Background(), m.options())
	if err != nil {
		m.t.Fatal(err)
	}
	return moved
}

// wantRefused fails unless the error has this code and says words.
func wantRefused(t *testing.T, when string, err error, code paybell.Code, words string) {
	t.Helper()
	if paybell.CodeOf(err) != code || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v; want %s that says %q", when, err, code, words)
	}
}

// same compares the databases in another way than the move does: each row as text.
func (m *moving) same() {
	m.t.Helper()
	lite, pg := m.source(), m.there()
	for _, table := range texts1(m.t, lite, "SELECT name FROM sqlite_master WHERE type = 'table'") {
		if notMoved[table] != "" || strings.HasPrefix(table, "sqlite_") {
			continue
		}
		names := texts1(m.t, lite, "SELECT name FROM pragma_table_info('"+table+"')")
		if table == "meta" {
			for _, db := range []*sql.DB{lite, pg} {
				m.exec(db, "UPDATE meta SET value = '' WHERE name = 'move'")
			}
		}
		a, b := contentOf(m.t, lite, content{table: names})[table], contentOf(m.t, pg, content{table: names})[table]
		if len(a) < perTable || !slices.Equal(a, b) {
			m.t.Errorf("%s has %d rows here and %d there, and they are not the same", table, len(a), len(b))
		}
	}
}

// A new table, or a new column, is moved without anybody thinking of it. If it cannot
// be, this test fails.
func TestMoveHasEveryTable(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	moved := m.move()
	var got []string
	for _, table := range moved.Tables {
		got = append(got, table.Name)
		if table.Rows < perTable || len(table.SHA256) != 64 {
			t.Errorf("moved %+v", table)
		}
	}
	for name := range notMoved {
		got = append(got, name)
	}
	slices.Sort(got)
	want := texts1(t, m.source(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1")
	if !slices.Equal(got, want) {
		t.Errorf("moved or not moved on purpose: %s\nthere are %s", got, want)
	}
	if there := texts1(t, m.there(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"); !slices.Equal(there, want) {
		t.Errorf("in PostgreSQL there are %s", there)
	}
	// Numbers that PostgreSQL would give by itself would have to be set behind the last.
	if serial := texts1(t, m.there(), `SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'goose_db_version'
		AND (column_default LIKE 'nextval%' OR is_identity = 'YES')`); len(serial) > 0 {
		t.Errorf("columns that count by themselves are not moved: of %s", serial)
	}
	if moved.Resumed || moved.Already || moved.Epoch != 1 || moved.Pending != 1+perTable || moved.Replaced != 0 {
		t.Errorf("moved %+v", moved)
	}
	m.same()
}

// Afterwards only the target is opened, with the same epoch, and goes on.
func TestMoveAndOpen(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	inv := m.invoice(m.openSource())
	moved := m.move()
	_, err := OpenSQLite(t.Context(), m.dir, Options{Keys: m.keys, Migrate: true})
	wantRefused(t, "the source", err, paybell.Conflict, "was moved to "+moved.Target)
	if got := m.invoice(m.openTarget()); !reflect.DeepEqual(got, inv) {
		t.Errorf("the invoice is %+v, was %+v", got, inv)
	}
	db := m.openTarget()
	defer db.Close()
	if db.epoch != 1 {
		t.Errorf("epoch %d", db.epoch)
	}
	secrets, err := View(t.Context(), db, func(tx *Tx) ([]paybell.Secret, error) { return tx.Secrets(clientAll, time1) })
	if err != nil || len(secrets) != 1 || secrets[0].Text != "secret of all" {
		t.Errorf("the secret is %v, %v", secrets, err)
	}
	again := m.move()
	if !again.Already || again.At.IsZero() {
		t.Errorf("once more: %+v", again)
	}
}

// A crash between the two marks of the end leaves neither side to be opened, and the
// same call ends it.
func TestMoveCutAtItsEnd(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.move()
	m.exec(m.there(), `UPDATE meta SET value = replace(value, '"done":true', '"done":false') WHERE name = 'move'`)
	_, err := OpenSQLite(t.Context(), m.dir, Options{Keys: m.keys})
	wantRefused(t, "the source", err, paybell.Conflict, "was moved to")
	_, err = OpenPostgres(t.Context(), m.dsn, Options{Keys: m.keys})
	wantRefused(t, "the target", err, paybell.Conflict, "a part of a shop")
	if moved := m.move(); moved.Already || !moved.Resumed || len(moved.Tables) == 0 {
		t.Errorf("moved %+v", moved)
	}
	if err := m.openTarget().Close(); err != nil {
		t.Error(err)
	}
}

func (m *moving) openSource() *DB {
	m.t.Helper()
	db, err := OpenSQLite(context.Background(), m.dir, Options{Keys: m.keys, Migrate: true})
	if err != nil {
		m.t.Fatal(err)
	}
	return db
}

func (m *moving) openTarget() *DB {
	m.t.Helper()
	db, err := OpenPostgres(context.Background(), m.dsn, Options{Keys: m.keys})
	if err != nil {
		m.t.Fatal(err)
	}
	return db
}

// invoice reads the one that is real, and closes the store.
func (m *moving) invoice(db *DB) paybell.Invoice {
	m.t.Helper()
	inv, err := View(context.Background(), db, func(tx *Tx) (paybell.Invoice, error) { return tx.Invoice(invoice1) })
	if err := errors.Join(err, db.Close()); err != nil {
		m.t.Fatal(err)
	}
	return inv
}

// A move that is interrupted again and again, after any batch, by the end of its
// context or of its connection, is gone on with; nobody opens either side meanwhile.
func TestMoveInterrupted(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	pg := m.there()
	interruptions, copied := 0, map[string]int64{}
	for {
		ctx, cancel := context.WithCancel(context.Background())
		left, kill := 1+random.IntN(20), random.IntN(2) == 0
		opt := m.options()
		opt.Progress = func(p MoveProgress) {
			if p.Done > p.Total {
				t.Errorf("%+v", p)
			}
			if p.Doing == "copy" {
				if p.Done < copied[p.Table] {
					t.Errorf("%s went back from %d to %d", p.Table, copied[p.Table], p.Done)
				}
				copied[p.Table] = p.Done
			}
			if left--; left > 0 {
				return
			}
			if kill {
				m.exec(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'paybell migrate%'")
			} else {
				cancel()
			}
		}
		moved, err := Move(ctx, opt)
		cancel()
		if err == nil {
			if !moved.Resumed {
				t.Errorf("moved %+v", moved)
			}
			break
		}
		wantRefused(t, "interrupted", err, paybell.Unavailable, "same command again")
		_, err = OpenSQLite(t.Context(), m.dir, Options{Keys: m.keys})
		wantRefused(t, "the source", err, paybell.Conflict, "is being moved to PostgreSQL")
		_, err = OpenPostgres(t.Context(), m.dsn, Options{Keys: m.keys})
		wantRefused(t, "the target", err, paybell.Conflict, "a part of a shop")
		// So that also the comparison comes to its end.
		if interruptions++; interruptions > 12 {
			m.move()
			break
		}
	}
	if interruptions == 0 {
		t.Error("it was never interrupted")
	}
	m.same()
}

// Whatever is not the same in the target is found, and named.
func TestMoveVerifies(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.move()
	pg := m.there()
	for _, c := range []struct{ change, undo, words string }{
		{"UPDATE notifications SET body = body || ' ' WHERE id = '" + told2 + "'", "UPDATE notifications SET body = rtrim(body) WHERE id = '" + told2 + "'",
			`row ("` + told2 + `") of notifications has another body`},
		{"UPDATE deliveries SET state = 'held' WHERE webhook_id = '" + webhook1 + "' AND number = 7", "UPDATE deliveries SET state = 'pending' WHERE webhook_id = '" + webhook1 + "' AND number = 7",
			`row ("` + webhook1 + `", 7) of deliveries has another state`},
		{"UPDATE attempts SET n = 77 WHERE webhook_id = '" + webhook1 + "'", "UPDATE attempts SET n = 1 WHERE webhook_id = '" + webhook1 + "'",
			`row ("` + webhook1 + `", 1, 1) of attempts is missing`},
		{"INSERT INTO address_keys VALUES ('foreign', 1)", "DELETE FROM address_keys WHERE fingerprint = 'foreign'", "table address_keys has"},
		{"UPDATE meta SET value = '2' WHERE name = 'epoch'", "UPDATE meta SET value = '1' WHERE name = 'epoch'", `row ("epoch") of meta has another value`},
		{"UPDATE shards SET owner = 'somebody'", "UPDATE shards SET owner = ''", ""},
	} {
		m.exec(pg, c.change)
		if err := m.compare(); c.words == "" && err != nil || c.words != "" {
			wantRefused(t, c.change, err, paybell.Conflict, c.words)
		}
		m.exec(pg, c.undo)
	}
	if err := m.compare(); err != nil {
		t.Error(err)
	}
}

// compare is what a move does last.
func (m *moving) compare() error {
	m.t.Helper()
	ctx := context.Background()
	o := &mover{MoveOptions: m.options()}
	defer o.close()
	err := o.openSource(ctx)
	if err == nil {
		err = o.source.look(ctx)
	}
	if err == nil {
		err = o.plan(ctx)
	}
	if err == nil {
		o.target, err = openTarget(ctx, m.dsn)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer o.target.close()
	return o.verify(ctx)
}

// What somebody writes to the target during a move ends it, and the shop can go on
// where it was.
func TestMoveDisturbed(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	opt := m.options()
	opt.Progress = func(p MoveProgress) {
		if p.Doing == "copy" && p.Table == "webhooks" && p.Done == p.Total {
			m.exec(m.there(), "UPDATE invoices SET state = 'paid' WHERE id = '"+invoice1+"'")
		}
	}
	_, err := Move(t.Context(), opt)
	wantRefused(t, "disturbed", err, paybell.Conflict, `row ("`+invoice1+`") of invoices has another state`)
	_, err = Move(t.Context(), m.options())
	wantRefused(t, "again", err, paybell.Conflict, `row ("`+invoice1+`") of invoices has another state`)
	b, err := MoveBack(t.Context(), MoveOptions{From: m.dir})
	if err != nil || b.Served || b.Epoch != 1 {
		t.Fatalf("back: %+v, %v", b, err)
	}
	db := m.openSource()
	if db.epoch != 1 {
		t.Errorf("epoch %d", db.epoch)
	}
	closeSQLite(t, db)
	_, err = OpenPostgres(t.Context(), m.dsn, Options{Keys: m.keys})
	wantRefused(t, "the target", err, paybell.Conflict, "a part of a shop")
	_, err = Move(t.Context(), m.options())
	wantRefused(t, "to the same target", err, paybell.Conflict, "give an empty database")
	m.dsn = pgtest.Open(t)
	m.move()
	_, err = MoveBack(t.Context(), MoveOptions{From: t.TempDir()})
	wantRefused(t, "of nothing", err, paybell.NotFound, "no database")
}

// The way back: as if nothing had been, if no server ran on the target; else as from a
// backup.
func TestMoveBack(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	_, err := MoveBack(t.Context(), m.options())
	wantRefused(t, "before", err, paybell.NotFound, "no move of")
	m.move()
	b, err := MoveBack(t.Context(), m.options())
	if err != nil || b.Served || b.Epoch != 1 || b.SignedOut != 0 || b.Skipped != 0 {
		t.Errorf("back: %+v, %v", b, err)
	}
	_, err = OpenPostgres(t.Context(), m.dsn, Options{Keys: m.keys})
	wantRefused(t, "the target", err, paybell.Conflict, "a part of a shop")
	m.invoice(m.openSource())

	m.dsn = pgtest.Open(t)
	m.move()
	db := m.openTarget()
	if err := Do(t.Context(), db, func(tx *Tx) error { return tx.CreateMerchant(paybell.Merchant{ID: "new", Name: "new"}) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = MoveBack(t.Context(), m.options())
	wantRefused(t, "a target that was served", err, paybell.Conflict, "a server has run on")
	_, err = OpenSQLite(t.Context(), m.dir, Options{Keys: m.keys})
	wantRefused(t, "the source", err, paybell.Conflict, "was moved to")
	other := *m
	other.dsn = pgtest.Open(t)
	_, err = Move(t.Context(), other.options())
	wantRefused(t, "to another target", err, paybell.Conflict, "was moved to")
	_, err = MoveBack(t.Context(), other.options())
	wantRefused(t, "from another target", err, paybell.Conflict, "does not hold this shop")

	m.exec(m.source(), "DELETE FROM address_keys WHERE next_index > 1000000") // those have no room to leave addresses out
	b, err = MoveBack(t.Context(), MoveOptions{From: m.dir})
	if err != nil || !b.Served || b.Epoch != 2 || b.SignedOut < perTable || b.Skipped < leastSkip {
		t.Errorf("back from a target that was served: %+v, %v", b, err)
	}
	lite := m.openSource()
	if lite.epoch != 2 {
		t.Errorf("epoch %d", lite.epoch)
	}
	closeSQLite(t, lite)
}

// What a move refuses it leaves as it is.
func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	refused := func(when string, opt MoveOptions, code paybell.Code, words string) {
		t.Helper()
		_, err := Move(context.Background(), opt)
		wantRefused(t, when, err, code, words)
		db, err := OpenSQLite(context.Background(), m.dir, Options{Keys: m.keys})
		if err != nil {
			t.Fatalf("%s: the source: %v", when, err)
		}
		closeSQLite(t, db)
	}
	to := func(dsn string) MoveOptions { return MoveOptions{From: m.dir, To: dsn} }
	refused("no source", MoveOptions{From: t.TempDir(), To: m.dsn}, paybell.NotFound, "there is no database in")
	refused("no target", to("postgres://user:hunter2@/none?host=/nonexistent"), paybell.Unavailable, "cannot be reached")
	refused("no URL", to("postgres://user:hunter2@host:port/x"), paybell.Invalid, "the database's URL cannot be read")
	for _, dsn := range []string{"postgres://user:hunter2@/none?host=/nonexistent", "postgres://user:hunter2@host:port/x"} {
		if _, err := Move(t.Context(), to(dsn)); strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %q", err)
		}
	}

	release, err := Lock(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	refused("a server on the source", m.options(), paybell.Conflict, "a server runs on "+m.dir)
	release()

	foreign := pgtest.Open(t)
	m.exec(m.raw("pgx", foreign), "CREATE TABLE customers (id TEXT)")
	refused("a database of something else", to(foreign), paybell.Conflict, "table customers")
	used := pgtest.Open(t)
	db, err := OpenPostgres(t.Context(), used, Options{Keys: m.keys, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw := m.raw("pgx", used)
	m.exec(raw, "INSERT INTO merchants (id, name, email, created_at) VALUES ('m', 'm', '', 1)")
	refused("another shop", to(used), paybell.Conflict, "table merchants")
	m.exec(raw, "DELETE FROM merchants")

	m.exec(raw, "INSERT INTO processes (id, beat) VALUES ('p', 1)")
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; {
			select {
			case <-tick.C:
				_, _ = raw.Exec("UPDATE processes SET beat = beat + 1")
			case <-ctx.Done():
			}
		}
	}()
	refused("a server on the target", to(used), paybell.Conflict, "a server runs on PostgreSQL")
	stop()
	<-stopped

	_, held, err := lockTarget(t, used)
	if err != nil {
		t.Fatal(err)
	}
	refused("another move to it", to(used), paybell.Conflict, "another `paybell migrate-store`")
	held()
	m.dsn = used // nobody beats any more, and what the schema begins with is no data
	m.move()

	older := oldSQLite(t)
	_, err = Move(t.Context(), MoveOptions{From: older.dir, To: pgtest.Open(t)})
	wantRefused(t, "an older source", err, paybell.Conflict, "start `paybell serve` once")
	if n := older.version(t); n != 1 {
		t.Errorf("it was brought to schema %d", n)
	}
}

// lockTarget is another move that holds the target.
func lockTarget(t *testing.T, dsn string) (*moveTarget, func(), error) {
	target, err := openTarget(t.Context(), dsn)
	if err != nil {
		return nil, nil, err
	}
	return target, target.close, nil
}

// What PostgreSQL cannot keep is replaced where it is only read by people, as what is
// written nowadays is, and else refused with the name of the row.
func TestMoveWhatPostgresCannotKeep(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	lite := m.source()
	m.exec(lite, "UPDATE attempts SET answer = CAST(x'61006280' AS TEXT) WHERE webhook_id = $1", webhook1)
	m.exec(lite, "UPDATE invoices SET po_number = CAST(x'00' AS TEXT) WHERE id = $1", invoice1)
	bad := func(statement, words string) {
		t.Helper()
		m.exec(lite, statement)
		opt := m.options()
		opt.DryRun = true
		_, err := Move(t.Context(), opt)
		wantRefused(t, statement, err, paybell.Conflict, words)
	}
	bad("UPDATE notifications SET body = CAST(x'7b007d' AS TEXT) WHERE id = '"+told1+"'", `row ("`+told1+`") of notifications: column body holds a zero byte`)
	m.exec(lite, "UPDATE notifications SET body = '{}' WHERE id = '"+told1+"'")
	bad("UPDATE cursors SET height = 'high' WHERE network = 'sandbox'", `row ("sandbox") of cursors: column height holds what Paybell never writes`)
	m.exec(lite, "UPDATE cursors SET height = 5 WHERE network = 'sandbox'")
	if moved := m.move(); moved.Replaced != 2 {
		t.Errorf("replaced %d", moved.Replaced)
	}
	if got := texts1(t, m.there(), "SELECT answer FROM attempts WHERE webhook_id = '"+webhook1+"'"); len(got) != 1 || got[0] != "a b\uFFFD" {
		t.Errorf("the answer is %q", got)
	}
}

// A dry run says what is there, and leaves no trace.
func TestMoveDryRun(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	opt := m.options()
	opt.DryRun = true
	checked, err := Move(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if there := texts1(t, m.there(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"); len(there) != 0 {
		t.Errorf("it made %s", there)
	}
	closeSQLite(t, m.openSource())
	moved := m.move()
	if len(checked.Tables) == 0 || fmt.Sprint(checked.Tables) != fmt.Sprint(moved.Tables) || checked.Rows != moved.Rows || checked.Pending != moved.Pending {
		t.Errorf("checked %+v\nmoved %+v", checked, moved)
	}
}
