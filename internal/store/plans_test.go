package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// spy passes statements on and asks SQLite how it would run each.
type spy struct {
	conn
	t     *testing.T
	plans map[string]string // by statement
}

func (s *spy) explain(query string, args []any) {
	rows, err := s.conn.queryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		s.t.Errorf("%v in %s", err, query)
		return
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			s.t.Error(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		s.t.Error(err)
	}
	s.plans[strings.Join(strings.Fields(query), " ")] = strings.Join(steps, "; ")
}

func (s *spy) execContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s.explain(query, args)
	return s.conn.execContext(ctx, query, args...)
}

func (s *spy) queryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s.explain(query, args)
	return s.conn.queryContext(ctx, query, args...)
}

func (s *spy) execAll(ctx context.Context, all []statement) ([]int64, error) {
	for _, st := range all {
		s.explain(st.query, st.args)
	}
	return s.conn.execAll(ctx, all)
}

// plansOf are those of the statements that body asks. What it writes is taken back.
func plansOf(t *testing.T, db *DB, body func(*Tx) error) map[string]string {
	t.Helper()
	s := &spy{t: t, plans: map[string]string{}}
	undo := paybell.Errorf(paybell.Conflict, "only asked")
	err := Do(context.Background(), db, func(tx *Tx) error {
		s.conn = tx.conn
		tx.conn = s
		if err := body(tx); err != nil {
			return err
		}
		return undo
	})
	if err != error(undo) {
		t.Fatal(err)
	}
	return s.plans
}

// big are the tables that grow with every invoice: no statement of the
// dispatcher may read one from end to end, or sort what it found there.
var big = []string{"deliveries", "notifications", "attempts", "invoices", "d", "n"}

// What the dispatcher asks again and again is found through an index, whatever
// there is; and these statements through the index that was made for them.
func TestPlans(t *testing.T) {
	db := newSQLite(t)
	at := time1
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := paybell.Merchant{ID: "m", Name: "m", CreatedAt: at}
	c := paybell.Client{ID: "c", MerchantID: "m", Name: "c", State: paybell.ClientActive, CreatedAt: at, Terms: paybell.DefaultTerms}
	w := paybell.Webhook{ID: "w", ClientID: "c", URL: "https://a.example/", Origin: "https://a.example:443", Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: at}
	change := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: "m", ClientID: "c", Window: time.Hour}, at)
	again := change
	again.Event, again.Invoice.Version = paybell.InvoiceFlagged, 2
	must(Do(context.Background(), db, func(tx *Tx) error {
		must := []error{tx.CreateMerchant(m), tx.CreateClient(c, "secret"), tx.CreateWebhook(w), tx.Apply(change)}
		for _, err := range must {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	e := Endpoint{"c", w.Origin}
	first, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries("w", 0, 1) })
	must(err)
	d := first[0]
	result := func(status int) []Result {
		a := paybell.Attempt{WebhookID: "w", Number: 1, N: 1, StartedAt: at, Status: status}
		if status != 200 {
			a.Failure = "no"
		}
		return []Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: d.URL, Recovered: status == 200, Accepted: int64(status)}}
	}
	job := paybell.Resend{ID: "r", ClientID: "c", Origin: w.Origin, What: paybell.ResendFailed, State: paybell.ResendRunning, CreatedAt: at}

	for _, tt := range []struct {
		name  string
		body  func(*Tx) error
		wants []string // each in a step of some plan
	}{
		{"DueDeliveries", func(tx *Tx) error {
			_, _, err := tx.DueDeliveries(e, Place{at, "w", 1}, at, at, 256)
			return err
		}, []string{"SEARCH d USING INDEX deliveries_due (client_id=? AND origin=? AND due_at>?)", "SEARCH deliveries USING COVERING INDEX deliveries_due (client_id=? AND origin=? AND due_at>?)"}},
		{"DueEndpoints", func(tx *Tx) error {
			_, err := tx.DueEndpoints()
			return err
		}, []string{"SEARCH deliveries USING COVERING INDEX deliveries_due ((client_id,origin)>(?,?))"}},
		{"Apply", func(tx *Tx) error { return tx.Apply(again) }, []string{"SEARCH deliveries USING INDEX deliveries_lane (webhook_id=? AND invoice_id=? AND number<?)", "SEARCH deliveries USING PRIMARY KEY (webhook_id=?)"}},
		{"Record a success", func(tx *Tx) error {
			_, err := tx.Record(result(200), at)
			return err
		}, []string{"deliveries USING INDEX deliveries_lane (webhook_id=? AND invoice_id=?)", "SEARCH deliveries USING PRIMARY KEY (webhook_id=? AND number=?)"}},
		{"Record a 410", func(tx *Tx) error {
			_, err := tx.Record(result(410), at)
			return err
		}, []string{"SEARCH w USING INDEX webhooks_scope (client_id=? AND invoice_id=?)"}},
		{"Settle", func(tx *Tx) error {
			_, err := tx.Settle("w", change.Invoice.ID, at)
			return err
		}, []string{"deliveries USING INDEX deliveries_lane (webhook_id=? AND invoice_id=?)"}},
		{"Target", func(tx *Tx) error {
			_, err := tx.Target("w")
			return err
		}, []string{"SEARCH endpoints USING PRIMARY KEY (client_id=? AND origin=?)"}},
		{"OldestWaiting", func(tx *Tx) error {
			_, err := tx.OldestWaiting(e)
			return err
		}, []string{"SEARCH deliveries USING COVERING INDEX deliveries_waiting (client_id=? AND origin=?)"}},
		{"Waiting", func(tx *Tx) error {
			_, err := tx.Waiting(e, at, 512)
			return err
		}, []string{"SEARCH deliveries USING COVERING INDEX deliveries_due (client_id=? AND origin=? AND due_at>? AND due_at<?)"}},
		{"ResendPage", func(tx *Tx) error {
			_, _, _, err := tx.ResendPage(job, 256)
			return err
		}, []string{"SEARCH webhooks USING INDEX webhooks_origin (client_id=? AND origin=? AND id>?)", "SEARCH d USING PRIMARY KEY (webhook_id=? AND number>? AND number<?)"}},
		{"RunningResends", func(tx *Tx) error {
			_, err := tx.RunningResends(paybell.Resend{}, 100)
			return err
		}, []string{"resends USING INDEX resends_running"}},
		{"Again", func(tx *Tx) error {
			given := d
			given.State = paybell.Exhausted
			_, err := tx.Again(given, at)
			return err
		}, []string{"deliveries USING INDEX deliveries_lane (webhook_id=? AND invoice_id=?"}},
		{"GiveUp", func(tx *Tx) error {
			_, err := tx.GiveUp(d, at)
			return err
		}, []string{"deliveries USING INDEX deliveries_lane (webhook_id=? AND invoice_id=?)"}},
		{"Deliveries", func(tx *Tx) error {
			_, err := tx.Deliveries("w", 0, 100)
			return err
		}, []string{"SEARCH d USING PRIMARY KEY (webhook_id=? AND number>?)"}},
	} {
		plans := plansOf(t, db, tt.body)
		if len(plans) == 0 {
			t.Errorf("%s asked nothing", tt.name)
		}
		var all []string
		for query, plan := range plans {
			all = append(all, plan)
			for _, table := range big {
				for _, bad := range []string{"SCAN " + table + ";", "SCAN " + table + " ", "USE TEMP B-TREE"} {
					if strings.Contains(plan+";", bad) {
						t.Errorf("%s: %s: %s", tt.name, plan, query)
					}
				}
			}
		}
		for _, want := range tt.wants {
			if !slices.ContainsFunc(all, func(plan string) bool { return strings.Contains(plan, want) }) {
				t.Errorf("%s: no plan says %q:\n%s", tt.name, want, strings.Join(all, "\n"))
			}
		}
	}
}
