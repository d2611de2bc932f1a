package store

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// What pages ask, again and again while they are looked at, is found through an index
// on both databases, and what may be much is not sorted.
func TestPlansOfPages(t *testing.T) {
	stores := bothStores(t)
	at := time1
	e := Endpoint{"c", "https://a.example:443"}
	given := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: "m", ClientID: "c", Window: time.Hour}, at)
	for _, db := range stores {
		err := Do(context.Background(), db, func(tx *Tx) error {
			w := paybell.Webhook{ID: "w", ClientID: "c", URL: "https://a.example/", Origin: e.Origin, Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: at}
			for _, err := range []error{
				tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "m", CreatedAt: at}),
				tx.CreateClient(paybell.Client{ID: "c", MerchantID: "m", Name: "c", State: paybell.ClientActive, CreatedAt: at, Terms: paybell.DefaultTerms}, "secret"),
				tx.CreateWebhook(w), tx.Apply(given), tx.Fill("w", 1, 30, paybell.DeliveryPending),
			} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f := RecentFilter{WebhookIDs: []string{"w"}, Endpoints: []Endpoint{e}, Limit: 5, Look: 10}
	of := func(change func(f *RecentFilter)) func(*Tx) error {
		f := f
		change(&f)
		return func(tx *Tx) error {
			_, err := tx.Recent(f)
			return err
		}
	}
	sorts := regexp.MustCompile(`(^|-> +)Sort |USE TEMP B-TREE`) // an incremental one is of those of one moment
	for _, tt := range []struct {
		name     string
		body     func(*Tx) error
		lite, pg string // in a step of some plan; empty: it depends on how much there is
		sorts    bool   // what is few
	}{
		{"Recent", of(func(*RecentFilter) {}), "SEARCH d USING PRIMARY KEY (webhook_id=? AND number<?)", "Index Scan Backward using deliveries_key on deliveries d", false},
		{"Recent with an event", of(func(f *RecentFilter) { f.Event = paybell.InvoicePaid }), "SEARCH n USING INDEX sqlite_autoindex_notifications_1 (id=?)", "Index Scan using notifications_pkey on notifications n", false},
		{"Recent from a place", of(func(f *RecentFilter) { f.After = Mark{at.Add(-time.Hour), "v", 1} }), "SEARCH d USING PRIMARY KEY (webhook_id=? AND number<?)", "Index Scan Backward using deliveries_key on deliveries d", false},
		{"Recent of an invoice", of(func(f *RecentFilter) { f.InvoiceID = given.Invoice.ID }), "SEARCH d USING INDEX deliveries_lane (webhook_id=? AND invoice_id=? AND number<?)", "using deliveries_lane on deliveries d", false},
		{"Recent that waits", of(func(f *RecentFilter) { f.Fate = paybell.FateWaiting }), "SEARCH d USING INDEX deliveries_waiting (client_id=? AND origin=? AND (created_at,webhook_id,number)<(?,?,?))", "Index Scan Backward using deliveries_waiting on deliveries d", false},
		{"Glance", func(tx *Tx) error { _, err := tx.Glance(paybell.Delivery{WebhookID: "w", Number: 1}); return err }, "SEARCH a USING PRIMARY KEY (webhook_id=? AND number=? AND n=?)", "Index Scan using attempts_key on attempts a", false},
		{"RecentHooks", func(tx *Tx) error { _, err := tx.RecentHooks("m", Endpoint{}, 10); return err }, "SEARCH d USING PRIMARY KEY (webhook_id=?)", "using deliveries_key on deliveries d", true},
		{"GivenHooks", func(tx *Tx) error { _, err := tx.GivenHooks("c", at, 10); return err }, "SEARCH webhooks USING INDEX webhooks_scope (client_id=? AND invoice_id>? AND invoice_id<?)", "Index Scan Backward using webhooks_scope on webhooks", false},
		{"SampleDeliveries", func(tx *Tx) error { _, err := tx.SampleDeliveries([]string{"w"}, at.Add(-time.Hour), 4); return err }, "SCAN picks; SEARCH d USING PRIMARY KEY (webhook_id=? AND number=?)", "Index Scan using deliveries_key on deliveries d", false},
		{"Unwell", func(tx *Tx) error { _, err := tx.Unwell("m", at, 10); return err }, "SEARCH e USING PRIMARY KEY (client_id=?)", "using deliveries_waiting on deliveries d", true},
		{"DisabledWebhooks", func(tx *Tx) error { _, err := tx.DisabledWebhooks("m", 10); return err }, "SEARCH w USING INDEX webhooks_scope (client_id=? AND invoice_id=?)", "", true},
		{"CountPending", func(tx *Tx) error { _, err := tx.CountPending(e, 10); return err }, "SEARCH deliveries USING COVERING INDEX deliveries_waiting (client_id=? AND origin=?)", "using deliveries_waiting on deliveries", false},
		{"NextAttempt", func(tx *Tx) error { _, err := tx.NextAttempt(e); return err }, "SEARCH deliveries USING COVERING INDEX deliveries_due (client_id=? AND origin=? AND due_at>?)", "using deliveries_due on deliveries", false},
		{"FlaggedInvoices", func(tx *Tx) error { _, err := tx.FlaggedInvoices("m", at, 10); return err }, "SEARCH invoices USING INDEX invoices_flagged (merchant_id=? AND created_at>?)", "Index Scan Backward using invoices_flagged on invoices", false},
		{"CountInvoices", func(tx *Tx) error { _, err := tx.CountInvoices("m", paybell.Paid, at, 10); return err }, "SEARCH invoices USING COVERING INDEX invoices_state (merchant_id=? AND state=? AND created_at>?)", "", false},
		{"InvoiceTotals", func(tx *Tx) error { _, err := tx.InvoiceTotals("m", paybell.Paid, at, 10); return err }, "SEARCH invoices USING INDEX invoices_state (merchant_id=? AND state=? AND created_at>?)", "Index Scan Backward using invoices_state on invoices", false},
		{"RunningResendsOf", func(tx *Tx) error { _, err := tx.RunningResendsOf("m", 10); return err }, "resends_running", "using resends_running on resends", false},
	} {
		for name, plans := range map[string]map[string]string{"SQLite": plansOf(t, stores["SQLite"], tt.body), "PostgreSQL": plansOfPostgres(t, stores["PostgreSQL"], tt.body)} {
			want := tt.lite
			if name == "PostgreSQL" {
				want = tt.pg
			}
			var all []string
			for query, plan := range plans {
				all = append(all, plan)
				for _, table := range big {
					for _, bad := range []string{"SCAN " + table + ";", "SCAN " + table + " ", "Seq Scan on " + table + ";", "Seq Scan on " + table + " "} {
						if strings.Contains(plan+";", bad) {
							t.Errorf("%s, %s: %s: %s", name, tt.name, plan, query)
						}
					}
				}
				if !tt.sorts && sorts.MatchString(plan) {
					t.Errorf("%s, %s sorts: %s: %s", name, tt.name, plan, query)
				}
			}
			if !slices.ContainsFunc(all, func(plan string) bool { return strings.Contains(plan, want) }) {
				t.Errorf("%s, %s: no plan says %q:\n%s", name, tt.name, want, strings.Join(all, "\n"))
			}
		}
	}
}
