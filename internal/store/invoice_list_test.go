package store

import (
	"context"
	"database/sql"
	flags "flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
)

var manyInvoices = flags.Int("invoices", 0, "with how many invoices TestPagesOfManyInvoices measures pages; 0: it does not")

const fillInvoicesSQL = `INSERT INTO invoices (` + invoiceColumns + `, due_at, due_network, integration, searched, po_number, number)
	WITH RECURSIVE numbers (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < $4)
	SELECT '019b0000-0000-7000-8000-' || substr(CAST(1000000000000 + n AS TEXT), 2), CAST($1 AS TEXT), CASE WHEN n % 1000 = 7 THEN CAST($3 AS TEXT) ELSE CAST($2 AS TEXT) END, 5,
		CASE WHEN n % 20 = 1 THEN 'timedOut' WHEN n % 20 = 2 THEN 'cancelled' WHEN n % 5000 = 9 THEN 'paid' ELSE 'completed' END, 0,
		'{"currency":"5057","total":"10","breakdown":{"subtotal":"10","shipping":"0","handling":"0","taxTotal":"0","discount":"0"},"items":[{"name":"Blue Shirt, size L","quantity":1,"amount":"10","originalAmount":"10"}],"number":"WC-' || n ||
		'","poNumber":"PO' || n || '","description":"Order ' || n || ' of the Great Shop","buyer":{"name":{"firstName":"Zoe","lastName":"Lovelace"},"emailAddress":"buyer' || n || '@example.com","address":{"address1":"12 High Street","city":"London"}},' ||
		'"merchantOptions":{"showAddress":false,"showEmail":true,"showPhone":false,"showRegistrationNumber":false},"metadata":{"integration":"plugin:whmcs_8"}}',
		1767323045000000 + n * 1000000, 0, 0, 0, 0, 0, 3600000000, 0, 0, 1, 0, '', 'plugin:whmcs_8',
		'wc-' || n || ' po' || n || ' order ' || n || ' of the great shop zoe lovelace buyer' || n || '@example.com blue shirt, size l' || CASE WHEN n = 20 THEN ' needle' ELSE '' END,
		'PO' || n, 'WC-' || n
	FROM numbers`

// fillInvoices makes a merchant "m" with n invoices, a second apart, nearly all of
// client "a" and completed.
func fillInvoices(t *testing.T, db *DB, n int) {
	t.Helper()
	if err := Do(context.Background(), db, func(tx *Tx) error {
		if err := tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "m", CreatedAt: time1}); err != nil {
			return err
		}
		for _, id := range []string{"a", "b"} {
			c := paybell.Client{ID: id, MerchantID: "m", Name: id, State: paybell.ClientActive, CreatedAt: time1, Terms: paybell.DefaultTerms}
			if err := tx.CreateClient(c, "secret"); err != nil {
				return err
			}
		}
		_, err := tx.exec(fillInvoicesSQL, "m", "a", "b", n)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if db.dialect.name == "postgres" {
		if _, err := db.pool.Exec("VACUUM ANALYZE invoices"); err != nil {
			t.Fatal(err)
		}
	}
}

func bothStores(t *testing.T) map[string]*DB {
	t.Helper()
	postgres, err := OpenPostgres(context.Background(), pgtest.Open(t), Options{Keys: keyring(t, keyLine(1)), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSQLite(t, postgres) })
	return map[string]*DB{"SQLite": newSQLite(t), "PostgreSQL": postgres}
}

// listings are pages that people and programs look at.
func listings(n int) []struct {
	name   string
	filter InvoiceFilter
	found  int // -1: any number
	looked bool
	index  string // that has the answer
} {
	const look = 15_000
	old := InvoicePlace{time.UnixMicro(1767323045000000 + int64(n/2)*1000000).UTC(), "019b0000-0000-7000-8000-000000000000"}
	day := func(i int) time.Time { return time.UnixMicro(1767323045000000 + int64(i)*1000000).UTC() }
	return []struct {
		name   string
		filter InvoiceFilter
		found  int
		looked bool
		index  string
	}{
		{"the newest", InvoiceFilter{}, 25, false, "invoices_list"},
		{"in the middle", InvoiceFilter{BeforeAt: old.At, BeforeID: old.ID}, 25, false, "invoices_list"},
		{"in a usual state", InvoiceFilter{State: paybell.Completed}, 25, false, "invoices_state"},
		{"in a rare state", InvoiceFilter{State: paybell.Paid}, min(25, (n+4991)/5000), false, "invoices_state"},
		{"in no state", InvoiceFilter{State: paybell.Unpaid}, 0, false, "invoices_state"},
		{"of the busy client", InvoiceFilter{ClientID: "a"}, 25, false, "invoices_client"},
		{"of the quiet client", InvoiceFilter{ClientID: "b"}, min(25, (n+993)/1000), false, "invoices_client"},
		{"of the busy client in a rare state", InvoiceFilter{ClientID: "a", State: paybell.Unpaid}, 0, n > look, "invoices_client"},
		{"of an hour", InvoiceFilter{From: day(n - 3600), To: day(n)}, 25, false, "invoices_list"},
		{"with a usual word", InvoiceFilter{Words: []string{"shirt"}}, 25, false, "invoices_list"},
		{"with a rare word", InvoiceFilter{Words: []string{"needle"}}, -1, n > look, "invoices_list"},
		{"with a rare word, behind", InvoiceFilter{Words: []string{"needle"}, BeforeAt: old.At, BeforeID: old.ID}, -1, n/2 > look, "invoices_list"},
		{"with four rare words", InvoiceFilter{Words: []string{"zoe", "shirt", "london", "x"}}, 0, n > look, "invoices_list"},
		{"with a rare word, in a state", InvoiceFilter{Words: []string{"needle"}, State: paybell.Completed}, -1, n > look*10/9, "invoices_state"},
		{"of a program", InvoiceFilter{Integration: "plugin:whmcs_8"}, 25, false, "invoices_list"},
		{"of a rare program", InvoiceFilter{Integration: "plugin:other"}, 0, n > look, "invoices_list"},
	}
}

// calledNames are ways to find one invoice at once, with SQLite's indexes.
var calledNames = []struct{ name, index string }{
	{"019B0000-0000-7000-8000-000000000003", "sqlite_autoindex_invoices_1"}, {"wc-3", "invoices_number"}, {"po3", "invoices_po_number"},
	{"address-3", "sqlite_autoindex_payments_2"}, {"tx-3", "sqlite_autoindex_transfers_1"},
}

// TestPagesOfManyInvoices measures pages: -invoices=1000000.
func TestPagesOfManyInvoices(t *testing.T) {
	n := *manyInvoices
	if n == 0 {
		t.Skip("say with how many: -invoices=1000000")
	}
	for name, db := range bothStores(t) {
		began := time.Now()
		fillInvoices(t, db, n)
		t.Logf("%s: %d invoices were made in %s", name, n, time.Since(began))
		measure := func(what string, page func(*Tx) (int, error)) {
			var took []time.Duration
			found := 0
			for range 5 {
				began := time.Now()
				var err error
				if found, err = View(context.Background(), db, page); err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			t.Logf("%-10s %-40s %3d found in %7.1f ms (at worst %7.1f ms)", name, what, found, float64(took[0].Microseconds())/1000, float64(took[4].Microseconds())/1000)
			if took[0] > 100*time.Millisecond {
				t.Errorf("%s: a page of invoices %s takes %s", name, what, took[0])
			}
		}
		for _, l := range listings(n) {
			l.filter.MerchantID, l.filter.Limit, l.filter.Look, l.filter.Brief = "m", 25, 15_000, true
			measure(l.name, func(tx *Tx) (int, error) {
				page, err := tx.InvoicePage(l.filter)
				return len(page.Invoices), err
			})
		}
		for _, called := range calledNames {
			measure("called "+called.name, func(tx *Tx) (int, error) {
				all, err := tx.InvoicesCalled(InvoiceFilter{MerchantID: "m"}, called.name, []string{"sandbox"}, 5)
				return len(all), err
			})
		}
	}
}

// plansOfPostgres are those of the statements that body asks. With so few rows it
// would rather read all of them: those ways are closed, and what is asked is whether
// there is another.
func plansOfPostgres(t *testing.T, db *DB, body func(*Tx) error) map[string]string {
	t.Helper()
	s := &pgSpy{t: t, plans: map[string]string{}}
	if _, err := View(context.Background(), db, func(tx *Tx) (bool, error) {
		for _, way := range []string{"seqscan", "bitmapscan", "sort"} {
			if _, err := tx.exec("SET LOCAL enable_" + way + " = off"); err != nil {
				return false, err
			}
		}
		s.conn = tx.conn
		tx.conn = s
		return true, body(tx)
	}); err != nil {
		t.Fatal(err)
	}
	return s.plans
}

type pgSpy struct {
	conn
	t     *testing.T
	plans map[string]string
}

func (s *pgSpy) queryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.conn.queryContext(ctx, "EXPLAIN "+query, args...)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, query)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var step string
		if err := rows.Scan(&step); err != nil {
			return nil, err
		}
		steps = append(steps, strings.TrimSpace(step))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	s.plans[strings.Join(strings.Fields(query), " ")] = strings.Join(steps, "; ")
	return s.conn.queryContext(ctx, query, args...)
}

// Every page is read through the index that has it in order: none is sorted, and no
// table read from end to end.
func TestPlansOfInvoicePages(t *testing.T) {
	const n = 50_000
	for name, db := range bothStores(t) {
		fillInvoices(t, db, n)
		plans, bad := plansOf, []string{"SCAN ", "USE TEMP B-TREE"}
		if name == "PostgreSQL" {
			plans, bad = plansOfPostgres, []string{"Seq Scan", "Sort"}
		}
		check := func(what, wants string, plans map[string]string, bad ...string) {
			t.Helper()
			if len(plans) == 0 {
				t.Errorf("%s: %s: nothing was asked", name, what)
			}
			through := name == "PostgreSQL" // which index it takes, it decides by what is in the table
			for query, plan := range plans {
				for _, words := range bad {
					if strings.Contains(plan, words) {
						t.Errorf("%s: %s: %s: %s", name, what, plan, query)
					}
				}
				through = through || strings.Contains(plan, wants)
			}
			if !through {
				t.Errorf("%s: %s: no plan says %q: %q", name, what, wants, plans)
			}
		}
		for _, l := range listings(n) {
			l.filter.MerchantID, l.filter.Limit, l.filter.Look, l.filter.Brief = "m", 25, 15_000, true
			var page InvoicePage
			plans := plans(t, db, func(tx *Tx) (err error) {
				page, err = tx.InvoicePage(l.filter)
				return err
			})
			check(l.name, "USING INDEX "+l.index+" ", plans, bad...)
			if found := len(page.Invoices); found != l.found && l.found >= 0 || !page.LookedTo.IsZero() != l.looked {
				t.Errorf("%s: %s: found %d and looked to %v, want %d, and a bound: %v", name, l.name, found, page.LookedTo, l.found, l.looked)
			}
		}
		for _, called := range calledNames {
			plans := plans(t, db, func(tx *Tx) error {
				_, err := tx.InvoicesCalled(InvoiceFilter{MerchantID: "m"}, called.name, []string{"sandbox"}, 5)
				return err
			})
			check("called "+called.name, called.index, plans, bad[0], "invoices_list")
		}
	}
}

// Invoices of before are found by their numbers, too.
func TestNumbersOfBefore(t *testing.T) {
	for _, o := range oldStores(t) {
		db := o.mustOpen(t, true)
		for name, want := range map[string]int{"inv-7": 1, "INV-7": 1, "po-7": 1, invoice1: 1, "address-1": 1, "tx-1": 1, "7": 0} {
			all, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Invoice, error) {
				return tx.InvoicesCalled(InvoiceFilter{MerchantID: merchant1}, name, []string{"sandbox"}, 5)
			})
			if err != nil || len(all) != want {
				t.Errorf("%s: %d invoices are called %s, %v", o.name, len(all), name, err)
			}
		}
		closeSQLite(t, db)
	}
}

// What was told of one invoice is not looked for among all that was told.
func TestPlansOfHistory(t *testing.T) {
	plans := plansOf(t, newSQLite(t), func(tx *Tx) error {
		if _, err := tx.History("i", 0, 10); err != nil {
			return err
		}
		_, err := tx.LastTold("i", 10)
		return err
	})
	for query, plan := range plans {
		if !strings.Contains(plan, "notifications_invoice (invoice_id=?") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: %s", plan, query)
		}
	}
	if len(plans) != 2 {
		t.Errorf("%d statements were asked", len(plans))
	}
}
