package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
)

// later9999 is a migration of a program to come. It gives each table that is there a
// column, which programs that do not know it leave out.
func later9999(statements ...string) *goose.Migration {
	return goose.NewGoMigration(9999, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}}, nil)
}

// tablesOf are all tables of the schema.
func tablesOf(t *testing.T, raw *sql.DB, d dialect) (names []string) {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'"
	if d.name == postgresDialect.name {
		query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version'"
	}
	rows, err := raw.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil || len(names) < 20 {
		t.Fatalf("the tables are %v, %v", names, err)
	}
	return names
}

// keptStore is one store of each kind, with what stands behind it.
type keptStore struct {
	name string
	d    dialect
	open func(migrate bool) (*DB, error)
	raw  *sql.DB
}

func keptStores(t *testing.T) []keptStore {
	t.Helper()
	raw := func(driver, dsn string) *sql.DB {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	keys, dir, dsn := keyring(t, keyLine(1)), t.TempDir(), pgtest.Open(t)
	return []keptStore{
		{"SQLite", sqliteDialect, func(migrate bool) (*DB, error) {
			return OpenSQLite(context.Background(), dir, Options{Keys: keys, Migrate: migrate})
		}, raw("sqlite", filepath.Join(dir, "paybell.db")+"?_pragma=busy_timeout(10000)")},
		{"PostgreSQL", postgresDialect, func(migrate bool) (*DB, error) {
			return OpenPostgres(context.Background(), dsn, Options{Keys: keys, Migrate: migrate})
		}, raw("pgx", dsn)},
	}
}

func (k keptStore) mustOpen(t *testing.T) *DB {
	t.Helper()
	db, err := k.open(true)
	if err != nil {
		t.Fatalf("%s: %v", k.name, err)
	}
	return db
}

// trade makes an invoice of a client of its own, changes it, delivers what is due and
// deletes what is over: the main path.
func trade(db *DB, name string) error {
	at, origin := time1, "https://"+name+".example:443"
	invoice := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: name, ClientID: name, Window: time.Hour}, at)
	paid := invoice
	paid.Event, paid.Invoice.Version, paid.Invoice.State = paybell.InvoicePaid, 2, paybell.Paid
	paid.Invoice.Payments = []paybell.Payment{{ID: paybell.NewUUID(at), Currency: "1", Network: "n", Address: name, OpenedAt: at}}
	cursor := Cursor{Network: name, Position: "1"}
	moved := func(ok bool, err error) error {
		if err == nil && !ok {
			err = errors.New("nothing was written")
		}
		return err
	}
	err := Do(context.Background(), db, func(tx *Tx) error {
		for _, err := range []error{
			tx.CreateMerchant(paybell.Merchant{ID: name, Name: name, CreatedAt: at}),
			tx.CreateClient(paybell.Client{ID: name, MerchantID: name, Name: name, State: paybell.ClientActive, CreatedAt: at, Terms: paybell.DefaultTerms}, "secret"),
			tx.CreateWebhook(paybell.Webhook{ID: name, ClientID: name, URL: "https://" + name + ".example/", Origin: origin, Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: at}),
			tx.CreateWallet(paybell.Wallet{ID: name, MerchantID: name, Network: "n", Fingerprint: name, CreatedAt: at}),
			tx.CreateUser(paybell.User{ID: name, MerchantID: name, Email: name, CreatedAt: at}, ""),
			tx.CreateSession(paybell.Session{ID: name, UserID: name, CreatedAt: at, SeenAt: at}, name),
			tx.CreatePass(paybell.Pass{ID: name, What: "invite", MerchantID: name, CreatedAt: at, ExpiresAt: at}, name),
			tx.CreateAccountToken(paybell.AccountToken{ID: name, MerchantID: name, CreatedAt: at}, name),
			tx.Audit(paybell.AuditEntry{ID: name, MerchantID: name, At: at}),
			tx.Answer(Asked{ClientID: name, Route: "r", Key: "k"}, nil, at),
			tx.Apply(invoice), tx.Apply(paid),
			tx.NoteRefund(Refund{ID: name, InvoiceID: invoice.Invoice.ID, NotedAt: at}),
			tx.RecordTransfer(invoice.Invoice.ID, paybell.Transfer{Network: "n", TxID: name, PaymentID: paid.Invoice.Payments[0].ID}, false),
			moved(tx.MoveCursor(cursor, Cursor{Position: "2"})),
			tx.Join(name), tx.TakeShards(name, 1), tx.Beat(name),
		} {
			if err != nil {
				return err
			}
		}
		if _, err := tx.TakeIndex(name); err != nil {
			return err
		}
		if _, err := tx.AppendJournal(name, "{}"); err != nil {
			return err
		}
		if _, err := tx.Pace(name, 1, time.Second, at); err != nil {
			return err
		}
		_, err := tx.StartResend(paybell.Resend{ID: name, ClientID: name, WebhookID: name, What: paybell.ResendFailed, State: paybell.ResendRunning, CreatedAt: at})
		return err
	})
	if err != nil {
		return err
	}
	for n := range 2 { // the second is due when the first was taken
		if err := Do(context.Background(), db, func(tx *Tx) error {
			due, _, err := tx.DueDeliveries(Endpoint{name, origin}, Place{}, at.Add(time.Minute), time.Time{}, 10)
			if err != nil {
				return err
			}
			if len(due) != 1 || due[0].Number != int64(n+1) {
				return fmt.Errorf("%d deliveries are due, want one, number %d", len(due), n+1)
			}
			a := paybell.Attempt{WebhookID: name, Number: due[0].Number, N: 1, StartedAt: at, Status: 200}
			_, err = tx.Record([]Result{{Delivery: due[0].Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: due[0].URL, Accepted: 1}}, at)
			return err
		}); err != nil {
			return err
		}
	}
	read, err := View(context.Background(), db, func(tx *Tx) (inv paybell.Invoice, err error) {
		if _, err := tx.Deliveries(name, 0, 10); err != nil {
			return inv, err
		}
		return tx.Invoice(invoice.Invoice.ID)
	})
	if err == nil && (read.State != paybell.Paid || len(read.Payments) != 1 || len(read.Transfers) != 1) {
		err = fmt.Errorf("the invoice is %s, with %d payments and %d transfers", read.State, len(read.Payments), len(read.Transfers))
	}
	return err
}

// A program works on beside one that has added to the schema, and is started again on
// it; one that has taken something away keeps it out.
func TestTwoVersions(t *testing.T) {
	ctx := context.Background()
	for _, k := range keptStores(t) {
		running := k.mustOpen(t)
		if err := trade(running, "before"); err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		var adds []string
		for _, table := range tablesOf(t, k.raw, k.d) {
			adds = append(adds, "ALTER TABLE "+table+" ADD COLUMN later_text TEXT", "ALTER TABLE "+table+" ADD COLUMN later_number BIGINT NOT NULL DEFAULT 0")
		}
		next := later9999(append(adds, "CREATE TABLE later_table (id TEXT PRIMARY KEY)")...)
		if err := migrate(ctx, k.raw, k.d, "", false, next); paybell.CodeOf(err) != paybell.Conflict || !strings.Contains(err.Error(), "start `paybell serve` once") {
			t.Errorf("%s: a program that may not change the schema says %v", k.name, err)
		}
		if err := migrate(ctx, k.raw, k.d, "", true, next); err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		if err := migrate(ctx, k.raw, k.d, "", false, next); err != nil { // it is as the newer one wants it
			t.Errorf("%s: %v", k.name, err)
		}
		again := k.mustOpen(t)
		beside, err := k.open(false)
		if err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		var all sync.WaitGroup
		for name, db := range map[string]*DB{"running": running, "again": again, "beside": beside} {
			all.Go(func() {
				if err := trade(db, name); err != nil {
					t.Errorf("%s, %s: %v", k.name, name, err)
				}
			})
		}
		all.Wait()
		for _, db := range []*DB{running, again, beside} {
			closeSQLite(t, db)
		}
		if n, err := schemaOf(ctx, k.raw, k.d); n != 9999 || err != nil {
			t.Errorf("%s: the schema is %d, %v", k.name, n, err)
		}
		if _, err := k.raw.Exec("UPDATE meta SET value = '9999' WHERE name = 'oldest_program'"); err != nil {
			t.Fatal(err)
		}
		for _, allowed := range []bool{true, false} {
			if _, err := k.open(allowed); paybell.CodeOf(err) != paybell.Conflict || !strings.Contains(err.Error(), "use the newer program") {
				t.Errorf("%s: on a schema that does not admit it, it says %v", k.name, err)
			}
		}
		if err := migrate(ctx, k.raw, k.d, "", true, next); err != nil {
			t.Errorf("%s: the newer program: %v", k.name, err)
		}
	}
}

// Programs that start at once on an empty PostgreSQL make one schema, and one that is
// newer than the others changes it once.
func TestStartAtOnce(t *testing.T) {
	k := keptStores(t)[1]
	atOnce := func(start func(n int) error) {
		t.Helper()
		errs := make([]error, 4)
		var all sync.WaitGroup
		for n := range errs {
			all.Go(func() { errs[n] = start(n) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	atOnce(func(int) error {
		db, err := k.open(true)
		if err != nil {
			return err
		}
		return db.Close()
	})
	next := later9999("CREATE TABLE later_table (id TEXT PRIMARY KEY)")
	atOnce(func(n int) error {
		if n == 0 {
			return migrate(context.Background(), k.raw, k.d, "", true)
		}
		return migrate(context.Background(), k.raw, k.d, "", true, next)
	})
	var versions, different int
	if err := k.raw.QueryRow("SELECT COUNT(*), COUNT(DISTINCT version_id) FROM goose_db_version").Scan(&versions, &different); err != nil || versions != different {
		t.Errorf("%d migrations were made, %d of them different, %v", versions, different, err)
	}
	var invalid int
	if err := k.raw.QueryRow("SELECT COUNT(*) FROM pg_index WHERE NOT indisvalid").Scan(&invalid); err != nil || invalid != 0 {
		t.Errorf("%d indexes are not valid, %v", invalid, err)
	}
	db := k.mustOpen(t)
	if err := trade(db, "shop"); err != nil {
		t.Error(err)
	}
	closeSQLite(t, db)
}

// A migration that waits for a table lets others pass that come behind it, and goes on
// when the table is free.
func TestMigrationIsPolite(t *testing.T) {
	ctx := context.Background()
	k := keptStores(t)[1]
	closeSQLite(t, k.mustOpen(t))
	held, err := k.raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec("LOCK TABLE deliveries IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- migrate(ctx, k.raw, k.d, "", true, later9999("ALTER TABLE deliveries ADD COLUMN later_text TEXT"))
	}()
	waits := func(query string) {
		t.Helper()
		for began, n := time.Now(), 0; n == 0; time.Sleep(10 * time.Millisecond) {
			if err := k.raw.QueryRow(query).Scan(&n); err != nil || time.Since(began) > patienceOfTests {
				t.Fatalf("nobody waits: %v", err)
			}
		}
	}
	waits("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE deliveries%'")
	began := time.Now()
	var n int
	if err := k.raw.QueryRow("SELECT COUNT(*) FROM deliveries").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > lockWait+2*time.Second {
		t.Errorf("who came behind the migration waited %s", took)
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

const patienceOfTests = 20 * time.Second

// Statements name the columns that they write and read: then a program goes on working
// when there are more.
func TestStatementsNameColumns(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	bad := []*regexp.Regexp{
		regexp.MustCompile(`INSERT INTO [a-z_]+ (VALUES|SELECT)`),
		regexp.MustCompile(`RETURNING \*`),
		// Of a table: unnest is none.
		regexp.MustCompile(`SELECT ([a-z]+\.)?\* FROM [a-tv-z]`),
	}
	looked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		looked += strings.Count(string(text), "INSERT INTO")
		for _, form := range bad {
			for _, found := range form.FindAllString(string(text), -1) {
				t.Errorf("%s: %s", name, found)
			}
		}
	}
	if looked < 20 {
		t.Errorf("%d statements were looked at", looked)
	}
}
