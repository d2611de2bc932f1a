package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	flags "flag"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
)

var manyDeliveries = flags.Int("deliveries", 100_000, "how many deliveries TestPlansOfManyRows makes")

// fillMany makes a platform of n deliveries: half of them of one busy webhook (w1), a
// quarter waits for an endpoint that is down (w9), the rest is of 200 others (w10 to
// w209). Each was told four times of an invoice, one after the other. There is one
// delivery every 10 seconds from time1 on.
const fillMany = `
CREATE TEMPORARY TABLE told AS
	SELECT i, h, n, (n - 1) / 4 AS k, $AT$ + i * 10000000 AS at FROM (
		SELECT i, CASE WHEN i % 2 = 0 THEN 1 WHEN i % 4 = 1 THEN 9 ELSE 10 + i / 4 % 200 END AS h,
			CASE WHEN i % 2 = 0 THEN i / 2 WHEN i % 4 = 1 THEN i / 4 + 1 ELSE i / 800 + 1 END AS n FROM generate_series(1, $N$::bigint) i) numbered;
CREATE TEMPORARY TABLE made AS
	SELECT h, k, MIN(at) AS at, overlay(lpad(to_hex(MIN(at) / 1000), 12, '0') placing '-' from 9 for 0) || '-7000-8000-' || lpad(h || '0' || k, 12, '0') AS id FROM told GROUP BY h, k;
CREATE UNIQUE INDEX made_key ON made (h, k);
ANALYZE told; ANALYZE made;

INSERT INTO merchants (id, name, email, created_at) SELECT 'm' || i, 'Merchant ' || i, 'm' || i || '@example.com', $AT$ FROM generate_series(1, 20000) i;
INSERT INTO clients (id, merchant_id, name, url, permissions, created_at, pay_window, lifetime, tolerance, accept_late)
	SELECT 'c' || i, 'm' || i, 'Client ' || i, 'https://shop.example.com', 1, $AT$, 3600000000, 604800000000, 0, 0 FROM generate_series(1, 20000) i;
INSERT INTO secrets (client_id, created_at, sealed, expires_at) SELECT 'c' || i, $AT$, 'sealed', CASE WHEN i % 100 = 0 THEN $AT$ ELSE 0 END FROM generate_series(1, 20000) i;
INSERT INTO webhooks (id, client_id, invoice_id, url, origin, events, state, created_from_ui, created_at, last_number)
	SELECT 'w' || i, 'c' || i, '', 'https://' || i || '.example/', 'https://' || i || '.example:443', 4095, CASE WHEN i % 100 = 50 THEN 'deleted' ELSE 'active' END, 0, $AT$, 0 FROM generate_series(1, 20000) i;
INSERT INTO webhooks (id, client_id, invoice_id, url, origin, events, state, created_from_ui, created_at, last_number)
	SELECT 'x' || h || '-' || k, 'c' || h, id, 'https://' || h || '.example/given', 'https://' || h || '.example:443', 4095, 'active', 0, at, 0 FROM made WHERE k % 10 = 3;
INSERT INTO endpoints (client_id, origin, failing_since, failures, failure, paused_until, disabled_at, accepted_secret)
	SELECT 'c' || i, 'https://' || i || '.example:443', CASE WHEN i = 9 THEN $AT$ ELSE 0 END, 0, '', 0, 0, 1 FROM generate_series(1, 20000) i;

INSERT INTO invoices (id, merchant_id, client_id, version, state, flags, bill, created_at, expires_at, paid_at, completed_at, cancelled_at, timed_out_at, pay_window, tolerance, accept_late, test,
		due_at, due_network, searched, po_number, integration, number)
	SELECT id, 'm' || h, 'c' || h, 4, CASE WHEN k % 1000 = 7 THEN 'paid' WHEN at > $END$ - 3600000000 THEN 'pending' ELSE 'completed' END, CASE WHEN k % 500 = 3 THEN 1 ELSE 0 END,
		'{"currency":"5057","total":"10.00","items":[{"name":"Blue shirt","quantity":1,"amount":"10.00"}],"number":"' || k || '"}',
		at, at + 604800000000, 0, 0, 0, 0, 3600000000, 0, 0, 0,
		CASE WHEN at > $END$ - 3600000000 THEN at + 3600000000 ELSE 0 END, CASE WHEN h = 1 THEN 'bitcoin' ELSE 'sandbox' END, 'blue shirt ' || k, 'PO-' || k, 'plugin:x', 'INV-' || k FROM made;
INSERT INTO payments (id, invoice_id, currency, network, address, due, tolerance, rate, refund_email, paid_after, completed_after, opened_at, expires_at, timed_out_at, seen, counted, accepted, wallet_id, address_index, test)
	SELECT 'p' || id, id, CASE WHEN h = 1 THEN '1' ELSE '1002' END, CASE WHEN h = 1 THEN 'bitcoin' ELSE 'sandbox' END, 'address-' || h || '-' || k, '1000', '0', '1', '', 0, 3, at, at + 3600000000,
		CASE WHEN at > $END$ - 3600000000 THEN 0 ELSE at + 3600000000 END, '0', '0', '0', CASE WHEN h = 1 THEN 'wallet' ELSE '' END, k, 0 FROM made;
INSERT INTO transfers (network, txid, position, asset, invoice_id, payment_id, address, amount, status, confirmations, reorged, replaces, seen_at, absent_at, settled, height, raw)
	SELECT CASE WHEN h = 1 THEN 'bitcoin' ELSE 'sandbox' END, 'tx-' || h || '-' || k, 0, '1', id, 'p' || id, 'address-' || h || '-' || k, '1000', 'mined', 6, 0, '', at, at,
		CASE WHEN at > $END$ - 3600000000 THEN 0 ELSE 1 END, at / 600000000, CASE WHEN at > $END$ - 3600000000 THEN 'raw' ELSE '' END FROM made;
INSERT INTO wallets (id, merchant_id, network, public_key, fingerprint, policy, created_at, removed_at)
	SELECT CASE WHEN i = 1 THEN 'wallet' ELSE 'wallet' || i END, 'm' || i, 'bitcoin', '', 'f' || i, '{}', $AT$, 0 FROM generate_series(1, 20000) i;
INSERT INTO address_keys (fingerprint, next_index) SELECT 'f' || i, 1000000 FROM generate_series(1, 20000) i;
INSERT INTO cursors (network, position, version, scanned_at) VALUES ('bitcoin', '', 1, $END$), ('sandbox', '', 1, $END$);

INSERT INTO notifications (id, client_id, invoice_id, version, event, created_at, body)
	SELECT lpad(to_hex(t.at / 1000), 12, '0') || lpad(to_hex(t.i), 20, '0'), 'c' || h, made.id, (n - 1) % 4 + 1, CASE WHEN n % 5000 = 4999 THEN 256 ELSE 1 << ((n - 1) % 4)::int END, t.at, '{"type":"InvoiceCreated"}'
	FROM told t JOIN made USING (h, k);
INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, marks, attempts, round, refused_secret, due_at, failing_since, created_at, finished_at)
	SELECT 'w' || h, n, lpad(to_hex(t.at / 1000), 12, '0') || lpad(to_hex(t.i), 20, '0'), made.id, 'c' || h, 'https://' || h || '.example:443', state, 0, CASE WHEN state = 'delivered' THEN 1 ELSE 10 END, 0, 0,
		CASE WHEN state = 'pending' AND n % 4 = 1 THEN t.at ELSE 0 END, 0, t.at, CASE WHEN state = 'pending' THEN 0 ELSE t.at + 1000 END
	FROM (SELECT *, CASE WHEN h = 9 OR at > $END$ - 1000000000 THEN 'pending' WHEN h = 10 THEN 'held' WHEN i % 5000 = 0 THEN 'exhausted' ELSE 'delivered' END AS state FROM told) t JOIN made USING (h, k);
INSERT INTO attempts (webhook_id, number, n, started_at, duration, dns, connect, tls, first_byte, status, answer, failure, secret)
	SELECT 'w' || h, n, 1, at, 1000, 0, 0, 0, 0, 200, 'ok', '', 1 FROM told WHERE h <> 9;

INSERT INTO answers (client_id, route, idempotency_key, digest, body, created_at) SELECT 'c' || h, 'create', id, 'd', '{}', at FROM made;
INSERT INTO users (id, merchant_id, email, name, role, created_at, signed_in_at, password, factor, pending_factor, factor_step)
	SELECT 'u' || i, 'm' || i, 'u' || i || '@example.com', '', 'owner', $AT$, 0, '', '', '', 0 FROM generate_series(1, 20000) i;
INSERT INTO audit (id, merchant_id, at, who, address, action, subject, detail) SELECT 'a' || i, 'm' || h, at, 'u', '', 'sign in', '', '' FROM told WHERE i % 4 = 0;
INSERT INTO sessions (hash, id, user_id, created_at, seen_at, ends_at, address, agent)
	SELECT 'hash' || i, 'session' || i, 'u' || (1 + i % 20000), $AT$, $AT$, $AT$ + i::bigint * 1000000, '', '' FROM generate_series(1, 50000) i;
INSERT INTO passes (hash, id, what, merchant_id, user_id, email, role, created_at, expires_at)
	SELECT 'hash' || i, 'pass' || i, 'invite', 'm' || (1 + i % 20000), '', '', 'staff', $AT$, $AT$ + i::bigint * 1000000 FROM generate_series(1, 50000) i;
INSERT INTO account_tokens (id, merchant_id, name, hash, created_at) SELECT 't' || i, 'm' || i, '', 'hash' || i, $AT$ FROM generate_series(1, 20000) i;
INSERT INTO resends (id, client_id, webhook_id, origin, what, since, after, upto, at_webhook, at_number, total, done, state, created_at, finished_at)
	SELECT 'r' || i, 'c' || i % 200, 'w' || i % 200, '', 'failed', 0, 0, 0, '', 0, 0, 0, CASE WHEN i % 100 = 0 THEN 'running' ELSE 'done' END, $AT$ + i, $AT$ + i FROM generate_series(1, 50000) i;
INSERT INTO refunds (id, invoice_id, currency, amount, txid, who, noted_at) SELECT 'refund' || id, id, '1', '1', '', '', at FROM made WHERE k % 10 = 0;
INSERT INTO sandbox_journal (n, merchant_id, op) SELECT i, 'm1', '{}' FROM generate_series(1, 20000) i;
INSERT INTO meta (name, value) SELECT 'erase/' || id, lpad('1', 16, '0') FROM made WHERE k % 300 = 0 LIMIT 200;
`

// listener passes statements on, and keeps them with their arguments.
type listener struct {
	conn
	heard []statement
}

func (l *listener) execContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	l.heard = append(l.heard, statement{query, args})
	return l.conn.execContext(ctx, query, args...)
}

func (l *listener) queryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	l.heard = append(l.heard, statement{query, args})
	return l.conn.queryContext(ctx, query, args...)
}

func (l *listener) execAll(ctx context.Context, all []statement) ([]int64, error) {
	l.heard = append(l.heard, all...)
	return l.conn.execAll(ctx, all)
}

// statementsOf are those that a body makes. What it writes is taken back.
func statementsOf(t *testing.T, db *DB, body func(*Tx) error) []statement {
	t.Helper()
	var heard []statement
	undo := paybell.Errorf(paybell.Conflict, "only asked")
	err := Do(context.Background(), db, func(tx *Tx) error {
		l := &listener{conn: tx.conn}
		tx.conn = l
		if err := body(tx); err != nil {
			return err
		}
		if tx.later != nil {
			if err := tx.flush(); err != nil {
				return err
			}
		}
		heard = l.heard
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	return heard
}

// asSQL is an argument as it is written in SQL.
func asSQL(t *testing.T, arg any) string {
	switch v := arg.(type) {
	case nil:
		return "NULL"
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case []byte:
		return asSQL(t, string(v))
	case int, int32, int64, bool:
		return fmt.Sprint(v)
	case driver.Valuer:
		value, err := v.Value()
		if err != nil {
			t.Fatal(err)
		}
		return asSQL(t, value)
	case []string:
		var all []string
		for _, text := range v {
			all = append(all, strconv.Quote(text))
		}
		return asSQL(t, "{"+strings.Join(all, ",")+"}")
	case []int64:
		return asSQL(t, strings.NewReplacer("[", "{", "]", "}", " ", ",").Replace(fmt.Sprint(v)))
	}
	t.Fatalf("an argument is a %T", arg)
	return ""
}

// step is a step of a plan of PostgreSQL, and what it did when it was run.
type step struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Index   string  `json:"Index Name"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Missed  float64 `json:"Rows Removed by Index Recheck"`
	Hit     float64 `json:"Shared Hit Blocks"`
	Read    float64 `json:"Shared Read Blocks"`
	Steps   []step  `json:"Plans"`
}

func (s *step) all() []*step {
	steps := []*step{s}
	for i := range s.Steps {
		steps = append(steps, s.Steps[i].all()...)
	}
	return steps
}

// String is short: what an outline of the plan has.
func (s *step) String() string {
	var out strings.Builder
	var write func(s *step, depth int)
	write = func(s *step, depth int) {
		fmt.Fprintf(&out, "\n%s%s %s %s: %g rows and %g left out, %g times, %g blocks", strings.Repeat("  ", depth), s.Type, s.Table, s.Index, s.Rows, s.Removed+s.Missed, s.Loops, s.Hit+s.Read)
		for i := range s.Steps {
			write(&s.Steps[i], depth+1)
		}
	}
	write(s, 1)
	return out.String()
}

// wrong says what is wrong with a plan in which no more than page rows are of use.
func (s *step) wrong(large map[string]bool, page float64) string {
	touched := 0.0
	for _, step := range s.all() {
		switch {
		case step.Type == "Seq Scan" && large[step.Table]:
			return "reads all of " + step.Table
		case step.Type == "Sort" && len(step.Steps) == 1 && step.Steps[0].Rows*step.Steps[0].Loops > page:
			return "sorts more than a page"
		case strings.Contains(step.Type, "Scan"):
			touched += (step.Rows + step.Removed + step.Missed) * step.Loops
		}
	}
	if touched > 3*page { // with what it joins
		return fmt.Sprintf("looks at %g rows", touched)
	}
	if blocks := s.Hit + s.Read; blocks > 25*page {
		return fmt.Sprintf("looks at %g blocks", blocks)
	}
	return ""
}

// planner runs statements and reads their plans.
type planner struct {
	conn  *sql.Conn
	large map[string]bool
}

// wants fails unless each of the statements of one transaction, run as they were, finds
// what it wants. Statements that are prepared get a plan that knows their arguments, or
// one for any: which, decides the server, and so both have to be good.
func (p *planner) wants(t *testing.T, verb string, page float64, statements []statement) {
	ctx := context.Background()
	for _, kind := range []string{"force_custom_plan", "force_generic_plan"} {
		tx, err := p.conn.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		exec := func(query string) {
			t.Helper()
			if _, err := tx.ExecContext(ctx, query, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%s: %v in %s", verb, err, query)
			}
		}
		defer func() { _ = tx.Rollback() }() // what runs changes nothing
		exec("SET LOCAL plan_cache_mode = " + kind)
		exec("SET LOCAL statement_timeout = 10000")
		for _, a := range statements {
			exec("PREPARE one AS " + a.query)
			args := make([]string, len(a.args))
			for i, arg := range a.args {
				args[i] = asSQL(t, arg)
			}
			query := "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE one"
			if len(args) > 0 {
				query += "(" + strings.Join(args, ", ") + ")"
			}
			var text string
			if err := tx.QueryRowContext(ctx, query, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
				t.Errorf("%s (%s): %v in %s %v", verb, kind, err, strings.Join(strings.Fields(a.query), " "), args)
				break
			}
			exec("DEALLOCATE one")
			var plans []struct{ Plan step }
			if err := json.Unmarshal([]byte(text), &plans); err != nil {
				t.Fatal(err)
			}
			if wrong := plans[0].Plan.wrong(p.large, page); wrong != "" {
				t.Errorf("%s (%s) %s: %s %v%s", verb, kind, wrong, strings.Join(strings.Fields(a.query), " "), args, &plans[0].Plan)
			}
		}
		_ = tx.Rollback()
	}
}

// Whatever there is, no statement that is asked again and again reads a table from end
// to end, looks at more than it needs, or sorts more than its page: -deliveries=1000000.
func TestPlansOfManyRows(t *testing.T) {
	ctx, n := context.Background(), int64(*manyDeliveries)
	dsn := pgtest.Open(t)
	db, err := OpenPostgres(ctx, dsn, Options{Keys: keyring(t, keyLine(1)), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSQLite(t, db) })
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	conn, err := raw.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	began := time.Now()
	end := time1.Add(time.Duration(n) * 10 * time.Second)
	fill := strings.NewReplacer("$N$", strconv.FormatInt(n, 10), "$AT$", strconv.FormatInt(micros(time1), 10), "$END$", strconv.FormatInt(micros(end), 10)).Replace(fillMany)
	for statement := range strings.SplitSeq("SET synchronous_commit = off;\nSET session_replication_role = replica;\n"+fill+"\nVACUUM ANALYZE;\n", ";\n") {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
	t.Logf("%d deliveries were made in %s", n, time.Since(began))
	config, err := parseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	daily := openPool(config)
	t.Cleanup(func() { _ = daily.Close() })
	asking, err := daily.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = asking.Close() })
	p := &planner{conn: asking, large: map[string]bool{}}
	rows, err := conn.QueryContext(ctx, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= 1000")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		p.large[table] = true
	}
	if err := rows.Err(); err != nil || len(p.large) < 20 {
		t.Fatalf("large are %v, %v", slices.Sorted(maps.Keys(p.large)), err)
	}
	for _, v := range manyVerbs(t, db, end) {
		statements := statementsOf(t, db, v.body)
		if len(statements) == 0 {
			t.Errorf("%s asked nothing", v.name)
		}
		p.wants(t, v.name, max(v.page, 300), statements)
	}
}

type manyVerb struct {
	name string
	page float64 // rows that it is about, where those are more than 300
	body func(*Tx) error
}

// manyVerbs is what the program does all day, and what people look at, at a moment.
func manyVerbs(t *testing.T, db *DB, now time.Time) (all []manyVerb) {
	add := func(name string, page float64, body func(*Tx) error) { all = append(all, manyVerb{name, page, body}) }
	value := func(name string, page float64, body func(*Tx) (any, error)) {
		add(name, page, func(tx *Tx) error {
			_, err := body(tx)
			return err
		})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	day := 24 * time.Hour
	busy, down := Endpoint{"c1", "https://1.example:443"}, Endpoint{"c9", "https://9.example:443"}
	deliveries := func(webhook string, n int) []paybell.Delivery {
		found, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Delivery, error) {
			last, err := tx.LastNumber(webhook)
			if err != nil {
				return nil, err
			}
			return tx.Deliveries(webhook, last-int64(n), n)
		})
		must(err)
		return found
	}
	told := deliveries("w1", 64)
	waits := deliveries("w9", 1)[0]
	inv, err := View(context.Background(), db, func(tx *Tx) (paybell.Invoice, error) { return tx.Invoice(told[0].InvoiceID) })
	must(err)
	changed := func(event paybell.Event, state paybell.State) paybell.Change {
		c := paybell.Change{Event: event, At: now, Invoice: inv}
		c.Invoice.Version, c.Invoice.State = inv.Version+1, state
		return c
	}
	fresh := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(now), MerchantID: "m1", ClientID: "c1", Window: time.Hour}, now)

	// What the API writes.
	add("create an invoice", 0, func(tx *Tx) error {
		if _, _, err := tx.Answered(Asked{ClientID: "c1", Route: "create", Key: "new"}, now.Add(-day)); err != nil {
			return err
		}
		if _, err := tx.PONumberTaken("m1", "PO-17"); err != nil {
			return err
		}
		if _, err := tx.TakeIndex("f1"); err != nil {
			return err
		}
		if err := tx.Apply(fresh); err != nil {
			return err
		}
		return tx.Answer(Asked{ClientID: "c1", Route: "create", Key: "new"}, nil, now)
	})
	for event, state := range map[paybell.Event]paybell.State{
		paybell.InvoicePending: paybell.Pending, paybell.PaymentCreated: paybell.Pending, paybell.InvoicePaid: paybell.Paid, paybell.InvoiceCompleted: paybell.Completed,
		paybell.InvoiceCancelled: paybell.Cancelled, paybell.InvoiceTimedOut: paybell.TimedOut, paybell.InvoiceReverted: paybell.Unpaid, paybell.InvoiceFlagged: paybell.Completed,
	} {
		add(fmt.Sprintf("Apply %d", event), 0, func(tx *Tx) error { return tx.Apply(changed(event, state)) })
	}
	add("SaveBill", 0, func(tx *Tx) error {
		if _, err := tx.InvoiceForUpdate(inv.ID); err != nil {
			return err
		}
		return tx.SaveBill(inv)
	})
	add("Hasten", 0, func(tx *Tx) error { return tx.Hasten(inv, true, now) })
	add("AppendJournal", 0, func(tx *Tx) error { _, err := tx.AppendJournal("m1", "{}"); return err })
	value("Gap", 0, func(tx *Tx) (any, error) { return tx.Gap("f1", 21) })

	// The dispatcher.
	value("DueEndpoints", 0, func(tx *Tx) (any, error) { return tx.DueEndpoints() })
	for name, e := range map[string]Endpoint{"busy": busy, "down": down} {
		add("DueDeliveries, "+name, 0, func(tx *Tx) error { _, _, err := tx.DueDeliveries(e, Place{}, now, time.Time{}, 256); return err })
		add("DueDeliveries, behind, "+name, 0, func(tx *Tx) error {
			_, _, err := tx.DueDeliveries(e, Place{now.Add(-time.Hour), "w1", 5}, now, time.Time{}, 256)
			return err
		})
		value("OldestWaiting, "+name, 0, func(tx *Tx) (any, error) { return tx.OldestWaiting(e) })
		value("Waiting, "+name, 512, func(tx *Tx) (any, error) { return tx.Waiting(e, now, 512) })
		value("CountPending, "+name, 1000, func(tx *Tx) (any, error) { return tx.CountPending(e, 1000) })
		value("NextAttempt, "+name, 0, func(tx *Tx) (any, error) { return tx.NextAttempt(e) })
		value("Health, "+name, 0, func(tx *Tx) (any, error) { return tx.Health(e) })
		value("MissedResendOf, "+name, 0, func(tx *Tx) (any, error) { _, _, err := tx.MissedResendOf(e); return nil, err })
	}
	for status, failure := range map[int]string{200: "", 500: "no", 410: "gone"} {
		add(fmt.Sprintf("Record %d", status), 0, func(tx *Tx) error {
			var results []Result
			for _, d := range told {
				a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: now, Status: status, Failure: failure}
				d.State = paybell.DeliveryPending
				results = append(results, Result{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: d.URL, Recovered: status == 200, Accepted: 200 / int64(status)})
			}
			_, err := tx.Record(results, now)
			return err
		})
	}
	for name, d := range map[string]paybell.Delivery{"busy": told[0], "down": waits} {
		value("Settle, "+name, 0, func(tx *Tx) (any, error) { return tx.Settle(d.WebhookID, d.InvoiceID, now) })
		add("LaneHead, "+name, 0, func(tx *Tx) error { _, _, err := tx.LaneHead(&d, now); return err })
		value("HeadOf, "+name, 0, func(tx *Tx) (any, error) { return tx.HeadOf(d) })
		value("Target, "+name, 0, func(tx *Tx) (any, error) { return tx.Target(d.WebhookID) })
		value("GiveUp, "+name, 0, func(tx *Tx) (any, error) { return tx.GiveUp(d, now) })
		given := d
		given.State = paybell.Exhausted
		value("Again, "+name, 0, func(tx *Tx) (any, error) { return tx.Again(given, now) })
		given.State = paybell.Delivered
		value("Again after success, "+name, 0, func(tx *Tx) (any, error) { return tx.Again(given, now) })
		value("Deliveries, "+name, 0, func(tx *Tx) (any, error) { return tx.Deliveries(d.WebhookID, d.Number-500, 100) })
		value("LastNumber, "+name, 0, func(tx *Tx) (any, error) { return tx.LastNumber(d.WebhookID) })
		value("numberAt, "+name, 0, func(tx *Tx) (any, error) { return tx.numberAt(d.WebhookID, now.Add(-day)) })
		add("DeliveryOf, "+name, 0, func(tx *Tx) error { _, _, err := tx.DeliveryOf(d.WebhookID, d.NotificationID); return err })
		value("Attempts, "+name, 0, func(tx *Tx) (any, error) { return tx.Attempts(d.WebhookID, d.Number) })
		value("Glance, "+name, 0, func(tx *Tx) (any, error) { return tx.Glance(d) })
		value("Notification, "+name, 0, func(tx *Tx) (any, error) { return tx.Notification(d.ClientID, d.NotificationID) })
		value("History, "+name, 0, func(tx *Tx) (any, error) { return tx.History(d.InvoiceID, 0, 100) })
		value("LastTold, "+name, 0, func(tx *Tx) (any, error) { return tx.LastTold(d.InvoiceID, 100) })
		value("HooksOf, "+name, 0, func(tx *Tx) (any, error) { return tx.HooksOf(d.ClientID, d.InvoiceID, 10) })
		value("Waits, "+name, 0, func(tx *Tx) (any, error) { return tx.Waits(d.InvoiceID, d.ClientID) })
		value("Invoice, "+name, 0, func(tx *Tx) (any, error) { return tx.Invoice(d.InvoiceID) })
		value("EraseBuyer, "+name, 0, func(tx *Tx) (any, error) { return tx.EraseBuyer(d.InvoiceID, now) })
		value("Refunds, "+name, 0, func(tx *Tx) (any, error) { return tx.Refunds(d.InvoiceID) })
	}
	value("Hinted", 0, func(tx *Tx) (any, error) {
		return tx.Hinted([]Fresh{{busy, "w1", []int64{told[0].Number, told[1].Number}}})
	})
	value("Serving", 0, func(tx *Tx) (any, error) { return nil, tx.Join("p") })

	// The watcher.
	value("PaidTo", 0, func(tx *Tx) (any, error) {
		return tx.PaidTo("bitcoin", []string{"address-1-3", "address-1-4", "elsewhere"})
	})
	add("PaymentAt", 0, func(tx *Tx) error { _, _, _, err := tx.PaymentAt("bitcoin", "address-1-3"); return err })
	value("OpenTransfers", 500, func(tx *Tx) (any, error) { return tx.OpenTransfers("bitcoin") })
	value("DecidedAbove", 0, func(tx *Tx) (any, error) { return tx.DecidedAbove("bitcoin", micros(now.Add(-time.Hour))/600_000_000) })
	add("AbsentAt", 0, func(tx *Tx) error { _, _, err := tx.AbsentAt("bitcoin", "tx-1-3", "address-1-3"); return err })
	add("RecordTransfer", 0, func(tx *Tx) error {
		return tx.RecordTransfer(inv.ID, paybell.Transfer{Network: "bitcoin", TxID: "tx-1-3", Asset: "1", PaymentID: "p" + inv.ID, Address: "address-1-3", Status: "mined"}, true)
	})
	add("MoveCursor", 0, func(tx *Tx) error {
		_, err := tx.MoveCursor(Cursor{Network: "bitcoin", Version: 1}, Cursor{Position: "p", ScannedAt: now})
		return err
	})
	add("Extend", 0, func(tx *Tx) error { return tx.Extend("bitcoin", now.Add(-time.Minute), time.Minute) })
	add("ForgetRaw", 0, func(tx *Tx) error { return tx.ForgetRaw("bitcoin", micros(now)/600_000_000) })
	value("Due", 0, func(tx *Tx) (any, error) { return tx.Due("bitcoin", now, 100) })
	value("NextTimer", 0, func(tx *Tx) (any, error) { return tx.NextTimer("bitcoin") })
	value("SetTimer", 0, func(tx *Tx) (any, error) { return nil, tx.SetTimer(inv.ID, now, "bitcoin") })

	// The pruner, and jobs.
	const batch = 500
	value("ForgetAnswers", batch, func(tx *Tx) (any, error) { return tx.ForgetAnswers(now, batch) })
	value("ForgetAnswers, none", 0, func(tx *Tx) (any, error) { return tx.ForgetAnswers(time1, batch) })
	value("ForgetSecrets", batch, func(tx *Tx) (any, error) { return tx.ForgetSecrets(now, batch) })
	value("ForgetResends", batch, func(tx *Tx) (any, error) { return tx.ForgetResends(now, batch) })
	value("ForgetResends, none", 0, func(tx *Tx) (any, error) { return tx.ForgetResends(time1.Add(-day), batch) })
	value("ForgetSessions", batch, func(tx *Tx) (any, error) { return tx.ForgetSessions(now, batch) })
	value("ForgetPasses", batch, func(tx *Tx) (any, error) { return tx.ForgetPasses(now, batch) })
	value("ForgetAudit", batch, func(tx *Tx) (any, error) { return tx.ForgetAudit(now, batch) })
	value("ForgetAudit, none", 0, func(tx *Tx) (any, error) { return tx.ForgetAudit(time1, batch) })
	value("EraseLeft", 2000, func(tx *Tx) (any, error) { return tx.EraseLeft(now, 50) })
	add("EndWaiting", span, func(tx *Tx) error { _, _, err := tx.EndWaiting(Ended{}, now, batch); return err })
	for _, webhook := range []string{"w1", "w9"} { // as if it was deleted
		add("EndWaiting of "+webhook, span, func(tx *Tx) error { _, _, err := tx.EndWaiting(Ended{WebhookID: webhook}, now, batch); return err })
	}
	add("OldDeliveries", batch, func(tx *Tx) error { _, _, _, err := tx.OldDeliveries(Sweep{}, now.Add(-day), batch); return err })
	value("ForgetDeliveries", batch, func(tx *Tx) (any, error) { return tx.ForgetDeliveries(Sweep{WebhookID: "w1"}, batch, now) })
	add("ForgetNotifications", 2*batch, func(tx *Tx) error { _, _, err := tx.ForgetNotifications(Sweep{}, now, batch); return err })
	for _, what := range []paybell.ResendWhat{paybell.ResendFailed, paybell.ResendMissed, paybell.SkipMissed, paybell.ResendAfter} {
		for name, r := range map[string]paybell.Resend{"a webhook": {WebhookID: "w1"}, "an endpoint": {Origin: busy.Origin}, "what waits": {WebhookID: "w9", ClientID: "c9"}} {
			r.ID, r.What, r.State, r.CreatedAt, r.Since = "new", what, paybell.ResendRunning, now, now.Add(-day)
			if r.ClientID == "" {
				r.ClientID = "c1"
			}
			value(fmt.Sprintf("StartResend %s %s", what, name), 0, func(tx *Tx) (any, error) { return tx.StartResend(r) })
			add(fmt.Sprintf("ResendPage %s %s", what, name), span, func(tx *Tx) error { _, _, _, err := tx.ResendPage(r, 256); return err })
			add(fmt.Sprintf("MissedResend %s %s", what, name), 0, func(tx *Tx) error { _, _, err := tx.MissedResend(r.ClientID, "w1"); return err })
		}
	}
	value("RunningResends", 0, func(tx *Tx) (any, error) { return tx.RunningResends(paybell.Resend{}, 100) })
	value("RunningResendsOf", 0, func(tx *Tx) (any, error) { return tx.RunningResendsOf("m1", 10) })
	value("Resends", 0, func(tx *Tx) (any, error) { return tx.Resends("c1", 20) })

	// Pages.
	for name, f := range map[string]RecentFilter{
		"all": {}, "of an event": {Event: paybell.InvoicePaid}, "of a rare event": {Event: 256}, "of an event that never was": {Event: paybell.InvoiceReverted},
		"failed": {Fate: paybell.FateGivenUp}, "waiting": {Fate: paybell.FateWaiting, Endpoints: []Endpoint{busy, down}}, "of an invoice": {InvoiceID: inv.ID},
		"from a place": {After: Mark{now.Add(-day), "w1", 1000}}, "of an hour": {From: now.Add(-2 * day), To: now.Add(-2*day + time.Hour)},
	} {
		f.WebhookIDs, f.Limit, f.Look = []string{"w1", "w9", "w10", "w11"}, 25, 5000
		add("Recent "+name, 2*maxRun, func(tx *Tx) error { _, err := tx.Recent(f); return err })
	}
	value("GivenHooks", 0, func(tx *Tx) (any, error) { return tx.GivenHooks("c1", now, 50) })
	value("RecentHooks", 0, func(tx *Tx) (any, error) { return tx.RecentHooks("m1", Endpoint{}, 50) })
	value("RecentHooks of an endpoint", 0, func(tx *Tx) (any, error) { return tx.RecentHooks("m1", busy, 50) })
	value("SampleDeliveries", 1000, func(tx *Tx) (any, error) { return tx.SampleDeliveries([]string{"w1", "w9"}, now.Add(-3*day), 1000) })
	value("Unwell", 0, func(tx *Tx) (any, error) { return tx.Unwell("m9", now, 10) })
	value("DisabledWebhooks", 0, func(tx *Tx) (any, error) { return tx.DisabledWebhooks("m1", 10) })
	value("Origins", 0, func(tx *Tx) (any, error) { return tx.Origins("c1", 10) })
	value("FlaggedInvoices", 0, func(tx *Tx) (any, error) { return tx.FlaggedInvoices("m1", time1, 10) })
	value("CountInvoices", 1000, func(tx *Tx) (any, error) { return tx.CountInvoices("m1", paybell.Completed, now.Add(-3*day), 1000) })
	value("InvoiceTotals", 1000, func(tx *Tx) (any, error) { return tx.InvoiceTotals("m1", paybell.Completed, now.Add(-3*day), 1000) })
	old := now.Add(-2 * day)
	for name, f := range map[string]InvoiceFilter{
		"all": {}, "in the middle": {BeforeAt: old, BeforeID: "x"}, "in a state": {State: paybell.Completed}, "in a rare state": {State: paybell.Paid}, "in no state": {State: paybell.Cancelled},
		"of a client": {ClientID: "c1"}, "of a client in a state": {ClientID: "c1", State: paybell.Completed}, "of a client in no state": {ClientID: "c1", State: paybell.Cancelled},
		"of a day": {From: old, To: old.Add(day)}, "with a word": {Words: []string{"shirt"}}, "with a rare word": {Words: []string{"needle"}},
		"of a program": {Integration: "plugin:x"}, "of a rare program": {Integration: "plugin:y"}, "of a rare program in a state": {Integration: "plugin:y", State: paybell.Completed},
	} {
		f.MerchantID, f.Limit, f.Look = "m1", 25, 5000
		value("Invoices "+name, 5000, func(tx *Tx) (any, error) { return tx.InvoicePage(f) })
	}
	for _, name := range []string{inv.ID, "inv-17", "po-17", "address-1-17", "tx-1-17", "nothing"} {
		value("InvoicesCalled "+name, 0, func(tx *Tx) (any, error) {
			return tx.InvoicesCalled(InvoiceFilter{MerchantID: "m1"}, name, []string{"bitcoin"}, 5)
		})
	}
	value("StillErasing", 1000, func(tx *Tx) (any, error) { return tx.StillErasing("m1") })
	add("InvoicesOfBuyer", buyerSweep, func(tx *Tx) error {
		_, _, _, err := tx.InvoicesOfBuyer("m1", "a@example.com", BuyerSweep{})
		return err
	})
	value("AuditLog", 0, func(tx *Tx) (any, error) { return tx.AuditLog("m1", "", 50) })
	value("AuditLog, second page", 0, func(tx *Tx) (any, error) { return tx.AuditLog("m1", "a5000", 50) })
	value("Client", 0, func(tx *Tx) (any, error) { return tx.ClientForUpdate("c1") })
	value("Clients", 0, func(tx *Tx) (any, error) { return tx.Clients("m1") })
	value("Webhooks", 0, func(tx *Tx) (any, error) { return tx.Webhooks("c1", "") })
	value("Webhooks of an invoice", 0, func(tx *Tx) (any, error) { return tx.Webhooks("c1", inv.ID) })
	value("DeleteWebhook", 0, func(tx *Tx) (any, error) { return nil, tx.DeleteWebhook("c1", "w1", now) })
	value("EnableEndpoint", 0, func(tx *Tx) (any, error) { return nil, tx.EnableEndpoint(Endpoint{"c10", "https://10.example:443"}) })
	value("Wallets", 0, func(tx *Tx) (any, error) { return tx.Wallets("m1") })
	value("HadWallet", 0, func(tx *Tx) (any, error) { return tx.HadWallet("m1") })
	add("Session", 0, func(tx *Tx) error {
		s, _, err := tx.Session("hash9000", time1)
		if err != nil {
			return err
		}
		return tx.SeeSession(s, now, netip.Addr{})
	})
	value("Sessions", 0, func(tx *Tx) (any, error) { return tx.Sessions("u1", time1) })
	add("UserByEmail", 0, func(tx *Tx) error { _, _, err := tx.UserByEmail("u5@example.com"); return err })
	value("Users", 0, func(tx *Tx) (any, error) { return tx.Users("m1") })
	value("Invites", 0, func(tx *Tx) (any, error) { return tx.Invites("m1", time1) })
	add("AccountToken", 0, func(tx *Tx) error { _, _, err := tx.AccountToken("hash5"); return err })
	value("AccountTokens", 0, func(tx *Tx) (any, error) { return tx.AccountTokens("m1") })
	value("Journal", 5000, func(tx *Tx) (any, error) { return tx.Journal(15_000) })
	value("Beats", 0, func(tx *Tx) (any, error) { return tx.Beats() })
	return all
}
