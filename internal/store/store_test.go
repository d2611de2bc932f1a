package store_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

func TestMain(m *testing.M) {
	pgtest.Durable = false // these tests never take the machine's power away
	pgtest.Main(m)
}

// place is where a store can be: it is opened there more than once, and looked
// at from behind.
type place struct {
	name string
	open func(store.Options) (*store.DB, error)
	raw  func(t testing.TB) *sql.DB
	// everything is all text that somebody finds who has the database and not
	// the key.
	everything func(t testing.TB) string
}

func sqlitePlace(t testing.TB) place {
	dir := t.TempDir()
	storetest.Blank(t, dir)
	return sqliteAt(dir)
}

func sqliteAt(dir string) place {
	return place{
		name: "SQLite",
		open: func(opt store.Options) (*store.DB, error) { return store.OpenSQLite(context.Background(), dir, opt) },
		raw:  func(t testing.TB) *sql.DB { return openRaw(t, "sqlite", filepath.Join(dir, "paybell.db")) },
		everything: func(t testing.TB) string {
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, f := range files {
				content, err := os.ReadFile(filepath.Join(dir, f.Name()))
				if err != nil {
					t.Fatal(err)
				}
				all.Write(content)
			}
			return all.String()
		},
	}
}

// makeSchema makes a store and takes its key away: each test has its own.
func makeSchema(dsn string) error {
	dir, err := os.MkdirTemp("", "paybell-key-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	db, err := store.OpenPostgres(context.Background(), dsn, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	_, err = raw.Exec("DELETE FROM meta WHERE name = 'key'")
	return errors.Join(err, raw.Close())
}

func postgresPlace(t testing.TB) place { return postgresAt(pgtest.Copy(t, "empty", makeSchema)) }

func postgresAt(dsn string) place {
	raw := func(t testing.TB) *sql.DB { return openRaw(t, "pgx", dsn) }
	return place{
		name: "PostgreSQL",
		open: func(opt store.Options) (*store.DB, error) { return store.OpenPostgres(context.Background(), dsn, opt) },
		raw:  raw,
		everything: func(t testing.TB) string {
			db := raw(t)
			var all strings.Builder
			for _, table := range texts(t, db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") {
				for _, row := range texts(t, db, fmt.Sprintf("SELECT x::text FROM %s x", table)) {
					all.WriteString(row)
				}
			}
			return all.String()
		},
	}
}

func places(t testing.TB) []place { return []place{sqlitePlace(t), postgresPlace(t)} }

func openRaw(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func texts(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
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

func exec(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// server is how `paybell serve` opens a store, with a new key.
func server(t testing.TB) store.Options {
	t.Helper()
	keys, err := store.OpenKeyring(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return store.Options{Keys: keys, Migrate: true}
}

func mustOpen(t testing.TB, p place, opt store.Options) *store.DB {
	t.Helper()
	db, err := p.open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func mustClose(t testing.TB, db *store.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// opened is a store at p that is closed when the test ends.
func opened(t testing.TB, p place) *store.DB {
	t.Helper()
	db := mustOpen(t, p, server(t))
	t.Cleanup(func() { mustClose(t, db) })
	return db
}

// wantRefused fails unless a store refuses to be opened and says what to do.
func wantRefused(t testing.TB, p place, opt store.Options, advice ...string) {
	t.Helper()
	db, err := p.open(opt)
	if err == nil {
		mustClose(t, db)
		t.Errorf("%s: was opened, want a refusal that says %q", p.name, advice)
		return
	}
	if paybell.CodeOf(err) != paybell.Conflict {
		t.Errorf("%s: refused with %v, want a conflict", p.name, err)
	}
	for _, words := range advice {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%s: refused with %q, which does not say %q", p.name, err, words)
		}
	}
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.DB { return opened(t, sqlitePlace(t)) })
}

// No test of the suite makes transactions wait in a circle: PostgreSQL takes a
// second to notice each.
func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.DB {
		p := postgresPlace(t)
		t.Cleanup(func() {
			for _, n := range texts(t, p.raw(t), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") {
				if n != "0" {
					t.Errorf("%s deadlocks", n)
				}
			}
		})
		return opened(t, p)
	})
}

// newClient makes a client in a store.
func newClient(t testing.TB, db *store.DB, name, secret string) paybell.Client {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := paybell.Merchant{ID: paybell.NewUUID(at), Name: "merchant of " + name, CreatedAt: at}
	c := paybell.Client{ID: paybell.NewClientID(), MerchantID: m.ID, Name: name, State: paybell.ClientActive, CreatedAt: at}
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error {
		if err := tx.CreateMerchant(m); err != nil {
			return err
		}
		return tx.CreateClient(c, secret)
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func secrets(db *store.DB, clientID string) ([]string, error) {
	all, err := store.View(context.Background(), db, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(clientID, time.Now()) })
	return paybell.SecretTexts(all), err
}

// Whoever has the database and not the key has no secret, in no spelling.
func TestSecretsAreSealed(t *testing.T) {
	for _, p := range places(t) {
		db := mustOpen(t, p, server(t))
		secret := paybell.NewClientSecret()
		key, err := base64.StdEncoding.DecodeString(secret)
		if err != nil {
			t.Fatal(err)
		}
		newClient(t, db, "easy-to-find", secret)
		all := p.everything(t)
		mustClose(t, db)
		all += p.everything(t) // closing moves it
		if !strings.Contains(all, "easy-to-find") {
			t.Fatalf("%s: this test does not look where clients are", p.name)
		}
		for name, spelling := range map[string]string{
			"itself": secret, "half of it": secret[:22], "the other half": secret[22:], "its bytes": string(key), "hex": hex.EncodeToString(key),
			"without padding": strings.TrimRight(secret, "="), "base64url": base64.RawURLEncoding.EncodeToString(key), "base64 of it": base64.StdEncoding.EncodeToString([]byte(secret)),
		} {
			if strings.Contains(all, spelling) {
				t.Errorf("%s: the database holds the secret: %s", p.name, name)
			}
		}
		for _, sealed := range texts(t, p.raw(t), "SELECT sealed FROM secrets") {
			if !strings.HasPrefix(sealed, "v1.") {
				t.Errorf("%s: sealed as %.20s", p.name, sealed)
			}
		}
	}
}

// A sealed secret that was moved to another client, or changed, does not open.
func TestMovedSecret(t *testing.T) {
	for _, p := range places(t) {
		db := opened(t, p)
		victim, thief := newClient(t, db, "victim", "the victim's"), newClient(t, db, "thief", "the thief's")
		exec(t, p.raw(t), fmt.Sprintf("UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE client_id = '%s') WHERE client_id = '%s'", victim.ID, thief.ID))
		if got, err := secrets(db, thief.ID); err == nil {
			t.Errorf("%s: another client's secret opened: %q", p.name, got)
		}
		if got, err := secrets(db, victim.ID); err != nil || len(got) != 1 || got[0] != "the victim's" {
			t.Errorf("%s: the client's own secret: %q, %v", p.name, got, err)
		}
	}
}

func TestWrongKeyIsRefused(t *testing.T) {
	for _, p := range places(t) {
		right, wrong := server(t), server(t)
		db := mustOpen(t, p, right)
		c := newClient(t, db, "client", "secret")
		wantRefused(t, p, wrong, right.Keys.Fingerprint(), wrong.Keys.Fingerprint(), "give the key file") // beside the server
		mustClose(t, db)
		wrong.Migrate = false
		wantRefused(t, p, wrong, "give the key file")
		db = mustOpen(t, p, right)
		if got, err := secrets(db, c.ID); err != nil || len(got) != 1 || got[0] != "secret" {
			t.Errorf("%s: with the right key: %q, %v", p.name, got, err)
		}
		mustClose(t, db)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	for _, p := range places(t) {
		opt := server(t)
		mustClose(t, mustOpen(t, p, opt))
		exec(t, p.raw(t), "INSERT INTO goose_db_version (version_id, is_applied) SELECT MAX(version_id) + 1, is_applied FROM goose_db_version GROUP BY is_applied")
		mustClose(t, mustOpen(t, p, opt)) // it says that it can be worked on
		exec(t, p.raw(t), "UPDATE meta SET value = '1000000' WHERE name = 'oldest_program'")
		wantRefused(t, p, opt, "use the newer program")
		opt.Migrate = false
		wantRefused(t, p, opt, "use the newer program")
	}
}

// Only the server makes a schema; others say so.
func TestOldSchemaIsRefused(t *testing.T) {
	for _, p := range []place{sqliteAt(t.TempDir()), postgresAt(pgtest.Open(t))} {
		exec(t, p.raw(t), "CREATE TABLE first_start_died_here (x BIGINT)")
		opt := server(t)
		opt.Migrate = false
		wantRefused(t, p, opt, "paybell serve")
		opt.Migrate = true
		mustClose(t, mustOpen(t, p, opt))
		opt.Migrate = false
		mustClose(t, mustOpen(t, p, opt))
	}
}

// What nobody asked for is told by its documented name, in the client's style:
// somebody may pull it later.
func TestNobodyAsked(t *testing.T) {
	for _, p := range places(t) {
		s := storetest.NewShop(t, opened(t, p))
		for _, style := range []paybell.EventNames{0, paybell.CamelCase} {
			s.Client.EventNames = style
			c := s.NewInvoice(time.Now())
			paid := c
			paid.Event, paid.Invoice.Version = paybell.PaymentCreated, 2
			if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error {
				if err := tx.UpdateClient(s.Client); err != nil {
					return err
				}
				return tx.Apply(c, paid)
			}); err != nil {
				t.Fatal(err)
			}
			bodies := texts(t, p.raw(t), "SELECT body FROM notifications WHERE invoice_id = '"+c.Invoice.ID+"' ORDER BY version")
			if want := `"type":"` + paybell.PaymentCreated.Wire(style) + `"`; len(bodies) != 2 || !strings.Contains(bodies[1], want) {
				t.Errorf("%s: told is %q, want %s", p.name, bodies, want)
			}
		}
	}
}

// On PostgreSQL a body that lost a race runs again and decides anew. Only one
// that never wins hears of the conflict.
func TestPostgresRunsAgain(t *testing.T) {
	db := opened(t, postgresPlace(t))
	s := storetest.NewShop(t, db)
	created := s.NewInvoice(time.Now().UTC().Truncate(time.Microsecond))
	if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.Apply(created) }); err != nil {
		t.Fatal(err)
	}
	next := func(tx *store.Tx) error {
		inv, err := tx.Invoice(created.Invoice.ID)
		if err != nil {
			return err
		}
		inv.Version++
		return tx.Apply(paybell.Change{Event: paybell.InvoiceFlagged, At: created.At, Invoice: inv})
	}
	for _, tt := range []struct {
		lost int // how often another is faster
		code paybell.Code
	}{{1, ""}, {5, ""}, {1000, paybell.Conflict}} {
		runs := 0
		err := store.Do(context.Background(), db, func(tx *store.Tx) error {
			inv, err := tx.Invoice(created.Invoice.ID)
			if err != nil {
				return err
			}
			if runs++; runs <= tt.lost {
				if err := store.Do(context.Background(), db, next); err != nil {
					return err
				}
			}
			inv.Version++
			return tx.Apply(paybell.Change{Event: paybell.InvoiceFlagged, At: created.At, Invoice: inv})
		})
		if tt.code == "" && (err != nil || runs != tt.lost+1) || tt.code != "" && paybell.CodeOf(err) != tt.code {
			t.Errorf("after %d runs, of which at most %d lose: %v", runs, tt.lost, err)
		}
	}
}

// atPostgres is what a shop of these tests begins with: webhooks, and one invoice
// that was told to them.
func atPostgres(t *testing.T, urls ...string) (s *storetest.Shop, hooks []paybell.Webhook, c paybell.Change) {
	s = storetest.NewShop(t, opened(t, postgresPlace(t)))
	c = s.NewInvoice(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error {
		for _, url := range urls {
			w := s.Webhook(url)
			hooks = append(hooks, w)
			if err := tx.CreateWebhook(w); err != nil {
				return err
			}
		}
		return tx.Apply(c)
	}); err != nil {
		t.Fatal(err)
	}
	return s, hooks, c
}

// answered is the result of one more attempt at a delivery.
func answered(tx *store.Tx, webhookID string, number int64, status int) (r store.Result, err error) {
	some, err := tx.Deliveries(webhookID, number-1, 1)
	if err != nil || len(some) != 1 {
		return r, fmt.Errorf("%d deliveries, %w", len(some), err)
	}
	d := some[0]
	r.URL = d.URL
	r.Attempt = paybell.Attempt{WebhookID: webhookID, Number: number, N: d.Attempts + 1, StartedAt: d.CreatedAt, Status: status}
	if status != 200 {
		r.Attempt.Failure = fmt.Sprint("answered ", status)
	}
	r.Delivery = d.Next(r.Attempt, paybell.RetrySchedule, 0)
	return r, nil
}

func record(db *store.DB, webhookID string, number int64, status int) error {
	return store.Do(context.Background(), db, func(tx *store.Tx) error {
		r, err := answered(tx, webhookID, number, status)
		if err == nil {
			_, err = tx.Record([]store.Result{r}, time.Now())
		}
		return err
	})
}

// meanwhile runs something beside a transaction that is under way, until it is
// done or has to wait for that.
func meanwhile(run func() error) (ended <-chan error) {
	done := make(chan error, 1)
	began := make(chan error, 1)
	go func() {
		err := run()
		began <- nil
		done <- err
	}()
	select {
	case <-began:
	case <-time.After(300 * time.Millisecond):
	}
	return done
}

// heads says which numbers of a webhook are due, and which wait.
func heads(t *testing.T, db *store.DB, webhookID string) (due, waiting []int64) {
	t.Helper()
	all, err := store.View(context.Background(), db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(webhookID, 0, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		switch {
		case !d.DueAt.IsZero():
			due = append(due, d.Number)
		case d.State == paybell.DeliveryPending:
			waiting = append(waiting, d.Number)
		}
	}
	return due, waiting
}

// What is added behind a head that is being finished at the same moment does not
// wait for it for ever: neither news of an invoice, nor notices that a webhook was
// disabled, which are of no invoice.
func TestPostgresBehindTheLast(t *testing.T) {
	t.Run("news", func(t *testing.T) {
		s, hooks, c := atPostgres(t, "https://a.example/hook")
		var ended <-chan error
		if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error {
			c.Event, c.Invoice.Version = paybell.InvoiceFlagged, 2
			if err := tx.Apply(c); err != nil {
				return err
			}
			ended = meanwhile(func() error { return record(s.DB, hooks[0].ID, 1, 200) })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if due, waiting := heads(t, s.DB, hooks[0].ID); len(due) != 1 || len(waiting) != 0 {
			t.Errorf("due are %v, waiting for ever %v", due, waiting)
		}
	})
	t.Run("notices", func(t *testing.T) {
		s, hooks, _ := atPostgres(t, "https://a.example/1", "https://a.example/2", "https://b.example/listener")
		if err := record(s.DB, hooks[0].ID, 1, 410); err != nil {
			t.Fatal(err)
		}
		var ended <-chan error
		if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error {
			r, err := answered(tx, hooks[1].ID, 1, 410)
			if err != nil {
				return err
			}
			if _, err := tx.Record([]store.Result{r}, time.Now()); err != nil {
				return err
			}
			ended = meanwhile(func() error { return record(s.DB, hooks[2].ID, 2, 200) }) // the first notice
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if due, waiting := heads(t, s.DB, hooks[2].ID); len(due) != 2 || len(waiting) != 0 { // and the invoice's
			t.Errorf("due are %v, waiting for ever %v", due, waiting)
		}
	})
}

// Creating an invoice that rings one webhook, on disk when it returns: what the
// API does for each, without HTTP.
func BenchmarkUpdate(b *testing.B) {
	create := func(b *testing.B, s *storetest.Shop) {
		c := s.NewInvoice(time.Now())
		if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error { return tx.Apply(c) }); err != nil {
			b.Error(err)
		}
	}
	shop := func(b *testing.B) *storetest.Shop {
		s := storetest.NewShop(b, opened(b, sqlitePlace(b)))
		w := s.Webhook("https://a.example/hook")
		if err := store.Do(context.Background(), s.DB, func(tx *store.Tx) error { return tx.CreateWebhook(w) }); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.ResetTimer()
		return s
	}
	report := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s") }
	b.Run("alone", func(b *testing.B) {
		s := shop(b)
		for range b.N {
			create(b, s)
		}
		report(b)
	})
	b.Run("parallel", func(b *testing.B) {
		s := shop(b)
		b.SetParallelism(32) // times the processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				create(b, s)
			}
		})
		report(b)
	})
}
