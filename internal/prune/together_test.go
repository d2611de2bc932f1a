package prune_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/prune"
	"github.com/paybell/paybell/internal/store"
)

func TestMain(m *testing.M) {
	pgtest.Durable = false
	pgtest.Main(m)
}

// fillOld makes n rows that are over in every table from which rows are deleted, in
// steps of two webhooks.
const fillOld = `
INSERT INTO merchants (id, name, email, created_at) VALUES ('m', 'm', 'm', 1);
INSERT INTO clients (id, merchant_id, name, url, permissions, created_at, pay_window, lifetime, tolerance, accept_late) VALUES ('c', 'm', 'c', '', 0, 1, 1, 1, 0, 0);
INSERT INTO webhooks (id, client_id, invoice_id, url, origin, events, state, created_from_ui, created_at, last_number, state_since)
	SELECT 'w' || i, 'c', '', '', 'o', 1, CASE WHEN i = 2 THEN 'deleted' ELSE 'active' END, 0, 1, 0, i FROM generate_series(1, 2) i;
INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, marks, attempts, round, refused_secret, due_at, failing_since, created_at, finished_at)
	SELECT 'w' || h, i, lpad(to_hex(i), 32, '0'), 'i' || i, 'c', 'o', CASE WHEN h = 2 THEN 'held' ELSE 'delivered' END, 0, 1, 0, 0, 0, 0, i, i FROM generate_series(1, %[1]d) i, generate_series(1, 2) h;
INSERT INTO attempts (webhook_id, number, n, started_at, duration, dns, connect, tls, first_byte, status, answer, failure, secret)
	SELECT 'w1', i, 1, 1, 1, 1, 1, 1, 1, 200, '', '', 1 FROM generate_series(1, %[1]d) i;
INSERT INTO notifications (id, client_id, invoice_id, version, event, created_at, body) SELECT lpad(to_hex(i), 32, '0'), 'c', 'x' || i, 1, 1, i, '' FROM generate_series(1, %[1]d) i;
INSERT INTO answers (client_id, route, idempotency_key, digest, body, created_at) SELECT 'c', 'r', i, '', '', i FROM generate_series(1, %[1]d) i;
INSERT INTO audit (id, merchant_id, at, who, address, action, subject, detail) SELECT i, 'm', i, '', '', '', '', '' FROM generate_series(1, %[1]d) i;
INSERT INTO users (id, merchant_id, email, name, role, created_at, signed_in_at, password, factor, pending_factor, factor_step) VALUES ('u', 'm', 'u', '', 'owner', 1, 1, '', '', '', 0);
INSERT INTO sessions (hash, id, user_id, created_at, seen_at, ends_at, address, agent) SELECT i, i, 'u', 1, 1, 1, '', '' FROM generate_series(1, %[1]d) i;
INSERT INTO passes (hash, id, what, merchant_id, user_id, email, role, created_at, expires_at) SELECT i, i, 'invite', 'm', '', '', '', 1, 1 FROM generate_series(1, %[1]d) i;
INSERT INTO secrets (client_id, created_at, sealed, expires_at) SELECT 'c', i, '', 1 FROM generate_series(1, %[1]d) i;
INSERT INTO resends (id, client_id, webhook_id, origin, what, since, after, upto, at_webhook, at_number, total, done, state, created_at, finished_at)
	SELECT i, 'c', '', 'o', 'failed', 0, 0, 0, '', 0, 0, 0, 'done', 1, 1 FROM generate_series(1, %[1]d) i;
INSERT INTO paces (key, ready_at) SELECT i, 1 FROM generate_series(1, %[1]d) i`

// Several processes prune one PostgreSQL at the same time: they come to an end as one
// would, and none waits in a circle for another.
func TestSeveralPruners(t *testing.T) {
	const rows = 1300
	ctx, dsn := t.Context(), pgtest.Open(t)
	keys, err := store.OpenKeyring(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	open := func() *store.DB {
		db, err := store.OpenPostgres(ctx, dsn, store.Options{Keys: keys, Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	processes := []*store.DB{open(), open(), open()}
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	if _, err := raw.Exec(fmt.Sprintf(fillOld, rows)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, db := range processes {
		all.Go(func() {
			p := prune.Pruner{DB: db, Every: time.Minute, KeepDeliveries: keep, KeepNotifications: keep}
			for wait := time.Duration(0); wait < p.Every; {
				var err error
				if wait, err = p.Step(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for _, table := range []string{"attempts", "answers", "audit", "sessions", "passes", "secrets", "resends", "paces"} {
		var left int
		if err := raw.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows of %s are left, %v", left, table, err)
		}
	}
	var deliveries, ended, last, notifications int
	if err := raw.QueryRow(`SELECT COUNT(*), COUNT(*) FILTER (WHERE state = 'exhausted'), (SELECT last_number FROM webhooks WHERE id = 'w1'), (SELECT COUNT(*) FROM notifications) FROM deliveries`).
		Scan(&deliveries, &ended, &last, &notifications); err != nil {
		t.Fatal(err)
	}
	// What waited for the deleted webhook was ended just now, and is kept from then on.
	if deliveries != rows || ended != rows || last != rows || notifications != 0 {
		t.Errorf("%d deliveries are left, %d were ended, the last number of the other webhook is %d, %d notifications are left", deliveries, ended, last, notifications)
	}
	for _, db := range processes { // sessions hand in their numbers when they end
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	for began, sessions := time.Now(), 1; sessions > 0 && time.Since(began) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if err := raw.QueryRow("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'").Scan(&sessions); err != nil {
			t.Fatal(err)
		}
	}
	var deadlocks int
	if err := raw.QueryRow("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks); err != nil || deadlocks != 0 {
		t.Errorf("%d deadlocks, %v", deadlocks, err)
	}
}
