package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
)

// Clients of a server of schema 1, by what they could do.
var (
	clientAll      = strings.Repeat("a1", 16) // everything there was
	clientCanceler = strings.Repeat("b2", 16) // cancel, nothing else
	clientDisabled = strings.Repeat("c3", 16) // disabled, two permissions
	clientNone     = strings.Repeat("d4", 16)
	clientButOne   = strings.Repeat("e5", 16) // everything but useSandbox
	clientNoCancel = strings.Repeat("f6", 16) // everything but cancelInvoice
)

const (
	merchant1 = "019b7ca9-0000-7000-8000-00000000000a"
	invoice1  = "019b7ca9-0000-7000-8000-000000000001"
	payment1  = "019b7ca9-0000-7000-8000-000000000002"
	told1     = "019b7ca9000070008000000000000003"
	told2     = "019b7ca9000070008000000000000004"
	webhook1  = "hook_hook_hook_hook_1"
)

// time1 is when that server ran; its clock has microseconds.
var time1 = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

// rows1 is what it wrote: something into every table.
func rows1(keys *Keyring) string {
	at := func(n int) int64 { return time1.Add(time.Duration(n) * time.Second).UnixMicro() }
	client := func(id, name string, permissions, disabled, n int) string {
		return fmt.Sprintf("INSERT INTO clients VALUES ('%s', '%s', '%s', 'https://shop.example.com', %d, %d, %d, 3600000000, 604800000000, 125, 1);\n",
			id, merchant1, name, permissions, disabled, at(n))
	}
	secret := func(clientID, secret string) string {
		return fmt.Sprintf("INSERT INTO secrets VALUES ('%s', %d, '%s');\n", clientID, at(0), keys.Seal([]byte(secret), "client-secret/"+clientID))
	}
	return fmt.Sprintf(`
INSERT INTO meta VALUES ('key', '%s');
INSERT INTO merchants VALUES ('%s', 'Märkte & Söhne', 'shop@example.com', %d);
`, keys.Fingerprint(), merchant1, at(0)) +
		client(clientAll, "all", 2097151, 0, 1) + client(clientCanceler, "canceler", 524288, 0, 2) + client(clientDisabled, "disabled", 3, 1, 3) +
		client(clientNone, "none", 0, 0, 4) + client(clientButOne, "but one", 1048575, 0, 5) + client(clientNoCancel, "no cancel", 2097151-524288, 0, 6) +
		secret(clientAll, "secret of all") + secret(clientDisabled, "secret of disabled") + fmt.Sprintf(`
INSERT INTO wallets VALUES ('%[1]s', 'sandbox', 7);
INSERT INTO invoices VALUES ('%[2]s', '%[1]s', '%[3]s', 2, 'pending', 1,
 '{"currency":"5057","total":"10","breakdown":{"subtotal":"10","shipping":"0","handling":"0","taxTotal":"0","discount":"0"},"items":[{"name":"Blue Shirt","quantity":1,"amount":"10","originalAmount":"10"}],"number":"INV-7","poNumber":"PO-7","description":"Größe ÄÖÜ","buyer":{"name":{"firstName":"Zoë"},"address":{}},"merchantOptions":{"showAddress":false,"showEmail":true,"showPhone":false,"showRegistrationNumber":false},"customData":{"a":"''"},"metadata":{"integration":"plugin:whmcs_8"}}',
 %[4]d, %[5]d, 0, 0, 0, 0, 3600000000, 125, 1, 1, %[6]d, 'sandbox');
INSERT INTO payments VALUES ('%[7]s', '%[2]s', '1002', 'sandbox', 'address-1', '1000', '0', '1.5', 'r@example.com', 0, 3, %[4]d, %[6]d, 0, '10', '0', '0');
INSERT INTO transfers VALUES ('sandbox', 'tx-1', 0, '1002', '%[2]s', '%[7]s', 'address-1', '10', 'mempool', 0, 0, '', %[4]d, 0, 0);
INSERT INTO cursors VALUES ('sandbox', '{"n":3}', 4, %[4]d);
INSERT INTO webhooks VALUES ('%[8]s', '%[3]s', '', 'https://a.example/hook', 'https://a.example:443', 2047, 'active', 0, %[4]d, 2);
INSERT INTO notifications VALUES ('%[9]s', '%[3]s', '%[2]s', 1, 1, %[4]d, '{"type":"InvoiceCreated"}');
INSERT INTO notifications VALUES ('%[10]s', '%[3]s', '%[2]s', 2, 64, %[4]d, '{"type":"PaymentCreated"}');
INSERT INTO deliveries VALUES ('%[8]s', 1, '%[9]s', '%[2]s', '%[3]s', 'https://a.example:443', 'delivered', 1, 0, %[4]d, %[4]d);
INSERT INTO deliveries VALUES ('%[8]s', 2, '%[10]s', '%[2]s', '%[3]s', 'https://a.example:443', 'pending', 0, %[4]d, %[4]d, 0);
INSERT INTO attempts VALUES ('%[8]s', 1, 1, %[4]d, 1234, 200, 'ok', '');
INSERT INTO sandbox_journal VALUES (1, '%[1]s', '{"op":"mine"}');
`, merchant1, invoice1, clientAll, at(10), at(10+7*24*3600), at(10+3600), payment1, webhook1, told1, told2)
}

// schema1 is the first migration, alone: what that server made.
func schema1(t *testing.T) fstest.MapFS {
	t.Helper()
	text, err := fs.ReadFile(migrations, "migrations/00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"00001_init.sql": {Data: text}}
}

// oldStore is a store that a server of schema 1 has left behind.
type oldStore struct {
	name string
	dir  string // of SQLite
	raw  *sql.DB
	open func(Options) (*DB, error)
	keys *Keyring
}

func newOldStore(t *testing.T, name, dir string, d dialect, dsn string, open func(Options) (*DB, error)) oldStore {
	t.Helper()
	raw, err := sql.Open(map[string]string{"sqlite": "sqlite", "postgres": "pgx"}[d.name], dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	o := oldStore{name: name, dir: dir, raw: raw, open: open, keys: keyring(t, keyLine(1))}
	provider, err := goose.NewProvider(d.goose, raw, schema1(t), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Up(context.Background()); err != nil {
		t.Fatal(err)
	}
	o.exec(t, rows1(o.keys))
	return o
}

// oldSQLite is one whose last writes are still in the log, as after a crash: raw
// stays open until the test ends.
func oldSQLite(t *testing.T) oldStore {
	dir := t.TempDir()
	return newOldStore(t, "SQLite", dir, sqliteDialect, "file:"+filepath.Join(dir, "paybell.db")+"?_pragma=journal_mode(WAL)&_pragma=foreign_keys(ON)",
		func(opt Options) (*DB, error) { return OpenSQLite(context.Background(), dir, opt) })
}

func oldPostgres(t *testing.T) oldStore {
	dsn := pgtest.Open(t)
	return newOldStore(t, "PostgreSQL", "", postgresDialect, dsn, func(opt Options) (*DB, error) { return OpenPostgres(context.Background(), dsn, opt) })
}

func oldStores(t *testing.T) []oldStore { return []oldStore{oldSQLite(t), oldPostgres(t)} }

func (o oldStore) exec(t *testing.T, statements string) {
	t.Helper()
	for statement := range strings.SplitSeq(statements, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := o.raw.Exec(statement); err != nil {
			t.Fatalf("%s: %v in %s", o.name, err, statement)
		}
	}
}

// mustOpen opens the store; the test closes it.
func (o oldStore) mustOpen(t *testing.T, migrate bool) *DB {
	t.Helper()
	db, err := o.open(Options{Keys: o.keys, Migrate: migrate})
	if err != nil {
		t.Fatalf("%s: %v", o.name, err)
	}
	return db
}

// wantNotOpened fails unless the store is refused, and says words.
func (o oldStore) wantNotOpened(t *testing.T, migrate bool, words string) error {
	t.Helper()
	db, err := o.open(Options{Keys: o.keys, Migrate: migrate})
	if err == nil {
		closeSQLite(t, db)
		t.Fatalf("%s: was opened, want an error that says %q", o.name, words)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %q does not say %q", o.name, err, words)
	}
	return err
}

// content is all rows of the tables of schema 1, and its version. The columns
// that a later schema has are left out, and those that it changed on purpose.
type content map[string][]string

func contentOf(t *testing.T, raw *sql.DB, columns map[string][]string) content {
	t.Helper()
	c := content{}
	for table, names := range columns {
		c[table] = []string{}
		from := " FROM " + table
		if table == "meta" {
			from += " WHERE name <> 'oldest_program'" // what schema 11 says of itself
		}
		rows, err := raw.Query("SELECT " + strings.Join(names, ", ") + from)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			var row []string
			for i, v := range values {
				row = append(row, fmt.Sprintf("%s=%v", names[i], *v.(*any)))
			}
			c[table] = append(c[table], strings.Join(row, " "))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(c[table])
	}
	return c
}

// columns1 are the columns of schema 1, as the database says.
func columns1(t *testing.T, raw *sql.DB) map[string][]string {
	t.Helper()
	columns := map[string][]string{}
	for _, found := range regexp.MustCompile(`CREATE TABLE (\w+)`).FindAllStringSubmatch(string(schema1(t)["00001_init.sql"].Data), -1) {
		rows, err := raw.Query("SELECT * FROM " + found[1])
		if err != nil {
			t.Fatal(err)
		}
		if columns[found[1]], err = rows.Columns(); err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Errorf("this test has no row in %s", found[1])
		}
		_ = rows.Close()
	}
	return columns
}

// kept are the columns that the present schema has from schema 1, untouched.
func kept(columns map[string][]string) map[string][]string {
	all := map[string][]string{}
	for table, names := range columns {
		all[table] = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return table == "clients" && (name == "permissions" || name == "disabled")
		})
	}
	delete(all, "wallets") // are others now: wantGoingOn looks at what they counted
	return all
}

func (o oldStore) version(t *testing.T) (n int) {
	t.Helper()
	if err := o.raw.QueryRow("SELECT MAX(version_id) FROM goose_db_version").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wantUntouched fails unless the store is as the old server left it.
func (o oldStore) wantUntouched(t *testing.T, columns map[string][]string, was content) {
	t.Helper()
	if n := o.version(t); n != 1 {
		t.Errorf("%s: it has schema %d", o.name, n)
	}
	if got := columns1(t, o.raw); !reflect.DeepEqual(got, columns) {
		t.Errorf("%s: the columns are %v", o.name, got)
	}
	if got := contentOf(t, o.raw, columns); !reflect.DeepEqual(got, was) {
		t.Errorf("%s: got %v, want %v", o.name, got, was)
	}
}

// wantClients fails unless every client can what it could, but for changing wallets,
// which was nothing, and what goes with
// it now.
func wantClients(t *testing.T, name string, db *DB) {
	t.Helper()
	for id, want := range map[string]struct {
		permissions paybell.Permissions
		state       paybell.ClientState
	}{
		clientAll:      {paybell.UsualPermissions, paybell.ClientActive},
		clientCanceler: {paybell.CancelInvoice | paybell.AcceptInvoice, paybell.ClientActive},
		clientDisabled: {paybell.CreateInvoice | paybell.ListInvoices, paybell.ClientDisabled},
		clientNone:     {0, paybell.ClientActive},
		clientButOne:   {1048575&^paybell.CreateWallet | paybell.AcceptInvoice, paybell.ClientActive},
		clientNoCancel: {2097151 &^ (paybell.CancelInvoice | paybell.CreateWallet), paybell.ClientActive},
	} {
		c, err := View(context.Background(), db, func(tx *Tx) (paybell.Client, error) { return tx.Client(id) })
		if err != nil || c.Permissions != want.permissions || c.State != want.state {
			t.Errorf("%s: client %q is %s and may %b, %v, want %s and %b", name, c.Name, c.State, c.Permissions, err, want.state, want.permissions)
		}
		terms := paybell.Terms{Window: time.Hour, Lifetime: 7 * 24 * time.Hour, Tolerance: 125, AcceptLate: true}
		if c.MerchantID != merchant1 || c.Terms != terms || c.Integration != "" || len(c.AllowedIPs) != 0 || c.EventNames != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	all, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Client, error) { return tx.Clients(merchant1) })
	if err != nil || len(all) != 6 || all[0].ID != clientAll {
		t.Errorf("%s: %d clients are listed, %v", name, len(all), err)
	}
	for id, want := range map[string]string{clientAll: "secret of all", clientDisabled: "secret of disabled"} {
		got, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Secret, error) { return tx.Secrets(id, time1.Add(1e6*time.Hour)) })
		if err != nil || !slices.Equal(paybell.SecretTexts(got), []string{want}) {
			t.Errorf("%s: the secrets are %q, %v, want %q", name, paybell.SecretTexts(got), err, want)
		}
	}
}

// Only the server changes a schema; others leave all as it is and say so. Then
// everything is there and goes on.
func TestMigrateFromSchema1(t *testing.T) {
	for _, o := range oldStores(t) {
		columns := columns1(t, o.raw)
		all, staying := contentOf(t, o.raw, columns), contentOf(t, o.raw, kept(columns))
		if err := o.wantNotOpened(t, false, "paybell serve"); paybell.CodeOf(err) != paybell.Conflict {
			t.Errorf("%s: refused with %v, want a conflict", o.name, err)
		}
		o.wantUntouched(t, columns, all)

		db := o.mustOpen(t, true)
		if got := contentOf(t, o.raw, kept(columns)); !reflect.DeepEqual(got, staying) {
			t.Errorf("%s: got\n%v\nwant\n%v", o.name, got, staying)
		}
		wantClients(t, o.name, db)
		wantGoingOn(t, o.name, db)
		closeSQLite(t, db)
		db = o.mustOpen(t, false) // by everybody, now
		if c, err := View(context.Background(), db, func(tx *Tx) (paybell.Client, error) { return tx.Client(clientCanceler) }); err != nil || c.Permissions != paybell.CancelInvoice|paybell.AcceptInvoice {
			t.Errorf("%s: opened again: %+v, %v", o.name, c, err)
		}
		closeSQLite(t, db)
	}
}

// wantGoingOn fails unless the present program goes on with what the old one
// began: its invoice, its webhook's numbers, its secret.
func wantGoingOn(t *testing.T, name string, db *DB) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	ctx := context.Background()
	page, err := View(ctx, db, func(tx *Tx) ([]paybell.Invoice, error) {
		return tx.Invoices(InvoiceFilter{MerchantID: merchant1, Words: []string{"Blue shirt"}, Limit: 10})
	})
	must(err)
	inv, err := View(ctx, db, func(tx *Tx) (paybell.Invoice, error) { return tx.Invoice(invoice1) })
	must(err)
	if len(page) != 1 || show(t, page[0]) != show(t, inv) || len(inv.Payments) != 1 || len(inv.Transfers) != 1 || inv.Bill.Description != "Größe ÄÖÜ" {
		t.Errorf("%s: the invoice is %s, found are %s", name, show(t, inv), show(t, page))
	}
	changed := inv
	changed.Version, changed.State = 3, paybell.Cancelled
	must(Do(ctx, db, func(tx *Tx) error {
		return tx.Apply(paybell.Change{Event: paybell.InvoiceCancelled, At: time1.Add(time.Hour), Invoice: changed})
	}))
	due, err := View(ctx, db, func(tx *Tx) ([]paybell.Delivery, error) {
		due, _, err := tx.DueDeliveries(Endpoint{clientAll, "https://a.example:443"}, Place{}, time1.Add(time.Hour), time.Time{}, 10)
		return due, err
	})
	must(err)
	if len(due) != 1 || due[0].Number != 2 || string(due[0].Body) != `{"type":"PaymentCreated"}` {
		t.Errorf("%s: due is %s", name, show(t, due))
	}
	all, err := View(ctx, db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhook1, 0, 10) })
	must(err)
	if len(all) != 3 || all[2].Number != 3 || !strings.Contains(string(all[2].Body), `"type":"InvoiceCancelled"`) {
		t.Errorf("%s: the deliveries are %s", name, show(t, all))
	}
	next, err := View(ctx, db, func(tx *Tx) (int64, error) { return tx.NextIndex("sandbox:" + merchant1) })
	if must(err); next != 7 {
		t.Errorf("%s: the next address of the merchant's sandbox wallet is %d", name, next)
	}
	now := time1.Add(time.Hour)
	must(Do(ctx, db, func(tx *Tx) error { return tx.RotateSecret(clientDisabled, "new", now, now.Add(time.Minute)) }))
	both, err := View(ctx, db, func(tx *Tx) ([]paybell.Secret, error) { return tx.Secrets(clientDisabled, now) })
	if must(err); !slices.Equal(paybell.SecretTexts(both), []string{"new", "secret of disabled"}) {
		t.Errorf("%s: after a rotation the secrets are %q", name, paybell.SecretTexts(both))
	}
	must(Do(ctx, db, func(tx *Tx) error { // as it was, for who looks next
		_, err := tx.exec("DELETE FROM secrets WHERE client_id = $1 AND created_at <> $2", clientDisabled, micros(time1))
		return err
	}))
}

func show(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Invoices of the old server are found by everything by which new ones are.
func TestOldInvoicesAreFound(t *testing.T) {
	for _, o := range oldStores(t) {
		// More than are filled at a time, and one that says what no column takes.
		o.exec(t, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 11200)
			INSERT INTO invoices SELECT '%s' || i, '%s', '%s', 1, 'unpaid', 0, '{"number":"many ' || i || '","metadata":{"integration":"many"}}',
			%d + i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '' FROM n`, invoice1[:31], merchant1, clientNone, time1.Add(-time.Hour).UnixMicro()))
		o.exec(t, fmt.Sprintf(`INSERT INTO invoices VALUES ('%s', '%s', '%s', 1, 'unpaid', 0,
			'{"number":"odd\u0000one","poNumber":"o\u0000d","description":"\ud800","metadata":{"integration":"odd\u0000"}}', %d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '')`,
			strings.Replace(invoice1, "019b", "aaaa", 1), merchant1, clientNone, time1.Add(-time.Hour).UnixMicro()))
		db := o.mustOpen(t, true)
		all := texts1(t, o.raw, "SELECT searched || '/' || integration FROM invoices WHERE integration = 'many' ORDER BY id")
		if len(all) != 1201 {
			t.Errorf("%s: %d of many invoices are described", o.name, len(all))
		}
		for i, text := range all {
			if want := fmt.Sprintf("many %d/many", 10000+i); text != want {
				t.Fatalf("%s: invoice %d is described as %q, want %q", o.name, i, text, want)
			}
		}
		for name, f := range map[string]InvoiceFilter{
			"what stands beside an odd byte": {Words: []string{"odd", "one"}},

			"a word":                {Words: []string{"blue shirt"}},
			"its number":            {Words: []string{"inv-7"}},
			"its id":                {Words: []string{invoice1}},
			"words beyond ASCII":    {Words: []string{"äöü"}},
			"the program's name":    {Integration: "plugin:whmcs_8"},
			"the client":            {Integration: clientAll},
			"the moment, and words": {Words: []string{"zoë", "größe"}, From: time1, To: time1.Add(time.Hour)},
		} {
			f.MerchantID, f.Limit = merchant1, 10
			page, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Invoice, error) { return tx.Invoices(f) })
			if err != nil || len(page) != 1 {
				t.Errorf("%s: by %s are found %d invoices, %v", o.name, name, len(page), err)
			}
		}
		for _, word := range []string{"showEmail", "currency"} { // that nobody wrote
			page, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Invoice, error) {
				return tx.Invoices(InvoiceFilter{MerchantID: merchant1, Words: []string{word}, Limit: 10})
			})
			if err != nil || len(page) != 0 {
				t.Errorf("%s: by %s are found %d invoices, %v", o.name, word, len(page), err)
			}
		}
		if taken, err := Update(context.Background(), db, func(tx *Tx) (bool, error) { return tx.PONumberTaken(merchant1, "PO-7") }); err != nil || !taken {
			t.Errorf("%s: its purchase order number is taken: %v, %v", o.name, taken, err)
		}
		closeSQLite(t, db)
	}
}

func texts1(t *testing.T, raw *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := raw.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// A server that died between two steps goes on with the next one.
func TestMigrationGoesOn(t *testing.T) {
	for _, o := range oldStores(t) {
		d := sqliteDialect
		if o.dir == "" {
			d = postgresDialect
		}
		dir, err := fs.Sub(migrations, "migrations")
		if err != nil {
			t.Fatal(err)
		}
		provider, err := goose.NewProvider(d.goose, o.raw, dir, goose.WithLogger(goose.NopLogger()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provider.UpTo(context.Background(), 2); err != nil {
			t.Fatal(err)
		}
		o.wantNotOpened(t, false, "paybell serve")
		db := o.mustOpen(t, true)
		wantClients(t, o.name, db)
		wantGoingOn(t, o.name, db)
		closeSQLite(t, db)
		if _, err := os.Stat(filepath.Join(o.dir, "paybell.db.schema2")); err != nil && o.dir != "" {
			t.Errorf("no copy was made before the next step: %v", err)
		}
	}
}

// openCopy looks at the copy that was made before the schema was changed.
func openCopy(t *testing.T, dir string) *sql.DB {
	t.Helper()
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "paybell.db.schema1")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// Before its schema is changed the data is copied, whole, for its owner only.
// Whatever a crash left of an earlier copy is no hindrance.
func TestMigrationCopy(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	o := oldSQLite(t)
	columns := columns1(t, o.raw)
	was := contentOf(t, o.raw, columns)
	for name, left := range map[string]string{
		".schema1": "a copy that was never synced", ".schema1.part": strings.Repeat("half of a copy", 1000), ".schema1.part-journal": "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + strings.Repeat("\xff", 4096),
	} {
		if err := os.WriteFile(filepath.Join(o.dir, "paybell.db"+name), []byte(left), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	db := o.mustOpen(t, true)
	wantClients(t, "with leftovers of a crash", db)
	closeSQLite(t, db)
	if err := o.raw.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.dir, "paybell.db.schema1")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the copy has mode %v, %v", info.Mode(), err)
	}
	same(t, "files", names(t, o.dir), []string{"paybell.db", "paybell.db.schema1"})

	copied := oldStore{name: "the copy", raw: openCopy(t, o.dir)}
	copied.wantUntouched(t, columns, was)
	var sound string
	if err := copied.raw.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("the copy is %s, %v", sound, err)
	}

	// Put back in its place it is a store of the old server again.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	back := o
	back.name, back.dir = "the copy, put back", t.TempDir()
	back.open = func(opt Options) (*DB, error) { return OpenSQLite(context.Background(), back.dir, opt) }
	if err := os.WriteFile(filepath.Join(back.dir, "paybell.db"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	back.wantNotOpened(t, false, "paybell serve")
	same(t, "files after a refusal", names(t, back.dir), []string{"paybell.db"})
	db = back.mustOpen(t, true)
	wantClients(t, back.name, db)
	wantGoingOn(t, back.name, db)
	closeSQLite(t, db)

	// What is up to date is not copied.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	closeSQLite(t, o.mustOpen(t, true))
	same(t, "files after one more start", names(t, o.dir), []string{"paybell.db"})
}

// Without a copy nothing is changed.
func TestMigrationCopyFails(t *testing.T) {
	for _, name := range []string{"paybell.db.schema1", "paybell.db.schema1.part"} {
		o := oldSQLite(t)
		columns := columns1(t, o.raw)
		was := contentOf(t, o.raw, columns)
		inTheWay := filepath.Join(o.dir, name)
		if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		o.wantNotOpened(t, true, filepath.Join(o.dir, "paybell.db.schema1"))
		o.wantUntouched(t, columns, was)
		if err := os.RemoveAll(inTheWay); err != nil {
			t.Fatal(err)
		}
		db := o.mustOpen(t, true)
		wantClients(t, "later", db)
		closeSQLite(t, db)
		copied := oldStore{name: "the copy", raw: openCopy(t, o.dir)}
		copied.wantUntouched(t, columns, was)
	}
}

// A change of the schema that fails in the middle leaves the old one whole; the
// next start copies what is there then.
func TestMigrationFails(t *testing.T) {
	for _, o := range oldStores(t) {
		columns := columns1(t, o.raw)
		was := contentOf(t, o.raw, columns)
		o.exec(t, "CREATE TABLE answers (in_the_way BIGINT)")
		o.wantNotOpened(t, true, "change the schema")
		o.wantUntouched(t, columns, was)
		o.exec(t, "DROP TABLE answers")
		db := o.mustOpen(t, true)
		wantClients(t, o.name, db)
		closeSQLite(t, db)
		if o.dir == "" {
			continue
		}
		copied := oldStore{name: "the copy", raw: openCopy(t, o.dir)}
		copied.wantUntouched(t, columns, was)
		if _, err := copied.raw.Query("SELECT * FROM answers"); err == nil {
			t.Error("the copy is one of an earlier start")
		}
	}
}

// A store of before there were people gets them; a change that fails in the middle
// leaves it as it was.
func TestMigratePeople(t *testing.T) {
	ctx := context.Background()
	for _, o := range oldStores(t) {
		columns := columns1(t, o.raw)
		staying := contentOf(t, o.raw, kept(columns))
		for _, table := range []string{"users", "audit"} {
			o.exec(t, "CREATE TABLE "+table+" (in_the_way BIGINT)")
			o.wantNotOpened(t, true, "change the schema")
			if n := o.version(t); n != 4 {
				t.Errorf("%s: it has schema %d", o.name, n)
			}
			o.exec(t, "DROP TABLE "+table)
		}
		db := o.mustOpen(t, true)
		if n := o.version(t); n < 5 {
			t.Errorf("%s: it has schema %d", o.name, n)
		}
		if got := contentOf(t, o.raw, kept(columns)); !reflect.DeepEqual(got, staying) {
			t.Errorf("%s: what was there was changed", o.name)
		}
		u := paybell.User{ID: paybell.NewUUID(time1), MerchantID: merchant1, Email: "a@b.example", Name: "Zoë", Role: paybell.RoleOwner, CreatedAt: time1}
		e := paybell.AuditEntry{ID: paybell.NewUUID(time1), MerchantID: merchant1, At: time1, Who: "operator", Action: "createUser", Subject: u.ID}
		if err := Do(ctx, db, func(tx *Tx) error {
			return errors.Join(tx.CreateUser(u, "hash"), tx.CreateSession(paybell.Session{ID: "s", UserID: u.ID, CreatedAt: time1, SeenAt: time1}, "s"), tx.Audit(e))
		}); err != nil {
			t.Errorf("%s: %v", o.name, err)
		}
		users, err := View(ctx, db, func(tx *Tx) ([]paybell.User, error) { return tx.Users(merchant1) })
		if err != nil || len(users) != 1 || users[0] != u {
			t.Errorf("%s: the users are %s, %v", o.name, show(t, users), err)
		}
		wantGoingOn(t, o.name, db)
		closeSQLite(t, db)
	}
}

// The counters of a store of before there were wallets are those of keys now; a
// change that fails in the middle leaves it as it was. What was opened and seen of
// the sandbox needs no wallet, index or height.
func TestMigrateWallets(t *testing.T) {
	ctx := context.Background()
	const other = "019b7ca9-0000-7000-8000-00000000000b"
	for _, o := range oldStores(t) {
		o.exec(t, fmt.Sprintf(`INSERT INTO merchants VALUES ('%[1]s', 'Other', '', 0);
			INSERT INTO wallets VALUES ('%[1]s', 'sandbox', 9000000000000);
			INSERT INTO wallets VALUES ('%[1]s', 'elsewhere', 1)`, other))
		o.exec(t, "CREATE TABLE address_keys (in_the_way BIGINT)")
		o.wantNotOpened(t, true, "change the schema")
		if n := o.version(t); n != 8 {
			t.Errorf("%s: it has schema %d", o.name, n)
		}
		if got := texts1(t, o.raw, "SELECT network || ' ' || next_index FROM wallets ORDER BY network, next_index"); !slices.Equal(got, []string{"elsewhere 1", "sandbox 7", "sandbox 9000000000000"}) {
			t.Errorf("%s: after a failure the wallets are %q", o.name, got)
		}
		o.exec(t, "DROP TABLE address_keys")
		db := o.mustOpen(t, true)
		taken, err := Update(ctx, db, func(tx *Tx) (taken [3]int64, err error) {
			for i, key := range []string{"sandbox:" + merchant1, "sandbox:" + other, "elsewhere:" + other} {
				if taken[i], err = tx.TakeIndex(key); err != nil {
					break
				}
			}
			return taken, err
		})
		if err != nil || taken != [3]int64{7, 9_000_000_000_000, 1} {
			t.Errorf("%s: the next indexes are %v, %v", o.name, taken, err)
		}
		var was string
		if _, err := View(ctx, db, func(tx *Tx) (inv paybell.Invoice, err error) {
			if inv, err = tx.Invoice(invoice1); err != nil {
				return inv, err
			}
			c, err := tx.Cursor("sandbox")
			open, opErr := tx.OpenTransfers("sandbox")
			live, liveErr := tx.Wallets(merchant1)
			had, hadErr := tx.HadWallet(merchant1)
			test, testErr := tx.OffersTestCoin(merchant1)
			p := inv.Payments[0]
			was = fmt.Sprintf("%q %d %d %d %q %v %d %q %d %v %v", p.WalletID, p.Index, inv.Transfers[0].Height, c.Height, c.Trouble, c.TroubleSince.IsZero(),
				len(open), open[0].Raw, len(live), had, test)
			return inv, errors.Join(err, opErr, liveErr, hadErr, testErr)
		}); err != nil || was != `"" -1 0 0 "" true 1 "" 0 false false` {
			t.Errorf("%s: what was there is %s, %v", o.name, was, err)
		}
		closeSQLite(t, db)
	}
}

const (
	webhook2 = "hook_hook_hook_hook_2" // busy
	webhook3 = "hook_hook_hook_hook_3" // silent, numbered 50 once
)

// busy is a webhook of clientNone as an old server left it: of its first invoice
// a delivery was given up, one is being retried and one waits behind that; of
// many others all is told; of the last nothing.
func (o oldStore) busy(t *testing.T) {
	t.Helper()
	at := func(n int) int64 { return time1.Add(time.Duration(n) * time.Second).UnixMicro() }
	o.exec(t, fmt.Sprintf(`
INSERT INTO webhooks VALUES ('%[1]s', '%[3]s', '', 'https://b.example/hook', 'https://b.example:443', 2047, 'active', 0, %[4]d, 1204);
INSERT INTO webhooks VALUES ('%[2]s', '%[3]s', '', 'https://c.example/hook', 'https://c.example:443', 2047, 'active', 0, %[4]d, 50);
INSERT INTO deliveries VALUES ('%[1]s', 1, '%[5]s', 'first', '%[3]s', 'https://b.example:443', 'exhausted', 17, 0, %[4]d, %[6]d);
INSERT INTO deliveries VALUES ('%[1]s', 2, '%[5]s', 'first', '%[3]s', 'https://b.example:443', 'pending', 3, %[7]d, %[4]d, 0);
INSERT INTO deliveries VALUES ('%[1]s', 3, '%[5]s', 'first', '%[3]s', 'https://b.example:443', 'pending', 0, 0, %[4]d, 0);
WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1203)
 INSERT INTO deliveries SELECT '%[1]s', i, '%[5]s', 'many ' || i, '%[3]s', 'https://b.example:443', 'delivered', 1, 0, %[4]d, %[6]d FROM n;
INSERT INTO deliveries VALUES ('%[1]s', 1204, '%[5]s', 'last', '%[3]s', 'https://b.example:443', 'pending', 0, %[4]d, %[4]d, 0);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
 INSERT INTO attempts SELECT '%[1]s', 2, i, %[4]d + i, 14999999, 503, 'ünavailable', 'answered 503' FROM n;
WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1203)
 INSERT INTO attempts SELECT '%[1]s', i, 1, %[4]d, 1234, 200, 'ok', '' FROM n;
`, webhook2, webhook3, clientNone, at(20), told1, at(30), at(40)))
}

// Every delivery and every attempt of the old server is there, what was due is
// due, lanes and numbers go on, and what is new works with them.
func TestMigrateDeliveries(t *testing.T) {
	for _, o := range oldStores(t) {
		o.busy(t)
		columns := columns1(t, o.raw)
		staying := contentOf(t, o.raw, kept(columns))
		db := o.mustOpen(t, true)
		if got := contentOf(t, o.raw, kept(columns)); !reflect.DeepEqual(got, staying) {
			t.Errorf("%s: deliveries or attempts were changed", o.name)
		}
		wantLanesGoOn(t, o.name, db)
		closeSQLite(t, db)
	}
}

func wantLanesGoOn(t *testing.T, name string, db *DB) {
	t.Helper()
	ctx, now := context.Background(), time1.Add(time.Hour)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	due := func() (numbers []int64, heads []paybell.Delivery) {
		t.Helper()
		heads, err := View(ctx, db, func(tx *Tx) ([]paybell.Delivery, error) {
			heads, _, err := tx.DueDeliveries(Endpoint{clientNone, "https://b.example:443"}, Place{}, now, time.Time{}, 10)
			return heads, err
		})
		must(err)
		for _, d := range heads {
			numbers = append(numbers, d.Number)
		}
		return numbers, heads
	}
	wantDue := func(when string, want ...int64) []paybell.Delivery {
		t.Helper()
		numbers, heads := due()
		if !slices.Equal(numbers, want) {
			t.Fatalf("%s: %s due are %v, want %v", name, when, numbers, want)
		}
		return heads
	}
	heads := wantDue("at first", 1204, 2)
	if d := heads[1]; d.Attempts != 3 || d.Round != 0 || !d.FailingSince.IsZero() || d.OutOfOrder || d.Resent || d.Replay || d.URL != "https://b.example/hook" {
		t.Errorf("%s: the head is %s", name, show(t, d))
	}
	attempts, err := View(ctx, db, func(tx *Tx) ([]paybell.Attempt, error) { return tx.Attempts(webhook2, 2) })
	must(err)
	if len(attempts) != 3 || attempts[2].N != 3 || attempts[2].Duration != 14_999_999*time.Microsecond || attempts[2].Answer != "ünavailable" || attempts[2].Timing != (paybell.Timing{}) {
		t.Errorf("%s: its attempts are %s", name, show(t, attempts))
	}
	to, err := View(ctx, db, func(tx *Tx) (Target, error) { return tx.Target(webhook2) })
	must(err)
	if !to.Rings() || len(to.Webhook.Schedule) != 0 || !to.Webhook.StateSince.IsZero() || to.Health != (paybell.Health{}) {
		t.Errorf("%s: its webhook is %s", name, show(t, to))
	}

	record := func(d paybell.Delivery, status int) {
		t.Helper()
		a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: now, Status: status}
		if status != 200 {
			a.Failure = "no"
		}
		_, err := Update(ctx, db, func(tx *Tx) ([]bool, error) {
			return tx.Record([]Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: d.URL}}, now)
		})
		must(err)
	}
	record(heads[1], 200)
	wantDue("when the head was delivered", 1204, 3)
	exhausted, err := View(ctx, db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhook2, 0, 1) })
	must(err)
	_, err = Update(ctx, db, func(tx *Tx) (bool, error) { return tx.Again(exhausted[0], now) })
	must(err)
	wantDue("when the first was made again", 1204, 1, 3)

	// Two notices, which are of no invoice.
	c := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(now), MerchantID: merchant1, ClientID: clientNone, Window: time.Hour}, now)
	must(Do(ctx, db, func(tx *Tx) error {
		for _, id := range []string{"gone1", "gone2"} {
			w := paybell.Webhook{ID: id, ClientID: clientNone, URL: "https://d.example/" + id, Origin: "https://d.example:443", Events: paybell.InvoiceCreated, State: paybell.WebhookActive, CreatedAt: now}
			if err := tx.CreateWebhook(w); err != nil {
				return err
			}
		}
		hook, err := tx.Webhook(clientNone, webhook2)
		if err != nil {
			return err
		}
		hook.Events = paybell.AllEvents
		if err := tx.UpdateWebhook(hook); err != nil {
			return err
		}
		return tx.Apply(c)
	}))
	for _, id := range []string{"gone1", "gone2"} {
		some, err := View(ctx, db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries(id, 0, 10) })
		must(err)
		record(some[0], 410)
	}
	wantDue("after news and two notices", 1204, 1, 3, 1205, 1206)
	silent, err := View(ctx, db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhook3, 0, 10) })
	must(err)
	if len(silent) != 3 || silent[0].Number != 51 { // and the notices
		t.Errorf("%s: after number 50, of which nothing is kept, comes %s", name, show(t, silent))
	}

	mine, err := Update(ctx, db, func(tx *Tx) ([]int, error) {
		if err := tx.JoinAlone("process"); err != nil {
			return nil, err
		}
		return tx.OwnShards("process")
	})
	must(err)
	if len(mine) != Shards || mine[0] != 0 || mine[Shards-1] != Shards-1 {
		t.Errorf("%s: the shards are %v", name, mine)
	}
}

// A change of the deliveries that fails in the middle leaves them as they were.
func TestMigrateDeliveriesFails(t *testing.T) {
	for _, o := range oldStores(t) {
		o.busy(t)
		columns := columns1(t, o.raw)
		staying := contentOf(t, o.raw, kept(columns))
		for _, table := range []string{"endpoints", "shards", "resends"} {
			o.exec(t, "CREATE TABLE "+table+" (in_the_way BIGINT)")
			o.wantNotOpened(t, true, "change the schema")
			if n := o.version(t); n != 3 {
				t.Errorf("%s: it has schema %d", o.name, n)
			}
			if got := contentOf(t, o.raw, kept(columns)); !reflect.DeepEqual(got, staying) {
				t.Errorf("%s: with %s in the way the data was changed", o.name, table)
			}
			o.exec(t, "DROP TABLE "+table)
		}
		db := o.mustOpen(t, true)
		wantLanesGoOn(t, o.name, db)
		closeSQLite(t, db)
	}
}
