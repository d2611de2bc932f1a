package store

import (
	"context"
	"database/sql"
	"errors"
	flags "flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
)

var measured = flags.Int("growth", 0, "how many notifications TestGrowth makes and delivers")

// TestGrowth measures what PostgreSQL writes for each notification, and how its tables
// grow: -growth=200000. Name a server that syncs in PAYBELL_TEST_POSTGRES.
func TestGrowth(t *testing.T) {
	if *measured == 0 {
		t.Skip("say with how many: -growth=200000")
	}
	ctx, dsn := context.Background(), pgtest.Open(t)
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
	const shops = 16
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for n := range shops {
		id := fmt.Sprintf("%032d", n)
		must(Do(ctx, db, func(tx *Tx) error {
			for _, err := range []error{
				tx.CreateMerchant(paybell.Merchant{ID: id, Name: "Shop " + id, Email: id + "@example.com", CreatedAt: time1}),
				tx.CreateClient(paybell.Client{ID: id, MerchantID: id, Name: id, State: paybell.ClientActive, CreatedAt: time1, Terms: paybell.DefaultTerms}, "secret"),
				tx.CreateWebhook(paybell.Webhook{ID: id[6:], ClientID: id, URL: "https://" + id + ".example/", Origin: "https://" + id + ".example:443", Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: time1}),
			} {
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
	first := growthOf(t, raw)
	began := time.Now()
	rounds := *measured / 4 / shops / 8
	var all sync.WaitGroup
	for n := range shops * 8 {
		all.Go(func() {
			for round := range rounds {
				must(sell(ctx, db, fmt.Sprintf("%032d", n%shops), n*rounds+round))
			}
		})
	}
	all.Wait()
	told := rounds * 4 * shops * 8
	last := growthOf(t, raw)
	per := func(a, b int64) float64 { return float64(b-a) / float64(told) }
	t.Logf("%d notifications made and delivered in %s: %.0f a second", told, time.Since(began).Round(time.Second), float64(told)/time.Since(began).Seconds())
	t.Logf("for each: %.0f bytes of WAL, of it %.0f in images of whole pages; %.2f syncs of the WAL; %.2f transactions", per(first.wal, last.wal), per(first.images*8192, last.images*8192), per(first.syncs, last.syncs), per(first.commits, last.commits))
	t.Logf("for each: %.0f bytes of the database", per(first.size, last.size))
	rows, err := raw.Query(`SELECT relname, n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd, pg_table_size(relid), pg_indexes_size(relid), autovacuum_count
		FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd > 1000 ORDER BY pg_total_relation_size(relid) DESC`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var live, dead, updated, hot, size, indexes, vacuums int64
		if err := rows.Scan(&name, &live, &dead, &updated, &hot, &size, &indexes, &vacuums); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-15s %8d rows, %8d dead, %8d updates, %8d of them HOT, %5.0f MB, %5.0f MB of indexes, vacuumed %d times", name, live, dead, updated, hot, float64(size)/1e6, float64(indexes)/1e6, vacuums)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

type grown struct{ wal, images, syncs, commits, size int64 }

func growthOf(t *testing.T, raw *sql.DB) (g grown) {
	t.Helper()
	time.Sleep(2 * time.Second) // sessions hand in their numbers
	if err := raw.QueryRow(`SELECT pg_current_wal_lsn() - '0/0', wal_fpi, wal_sync, (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
		pg_database_size(current_database()) FROM pg_stat_wal`).Scan(&g.wal, &g.images, &g.syncs, &g.commits, &g.size); err != nil {
		t.Fatal(err)
	}
	return g
}

// sell makes an invoice that is paid, and delivers each of its four notifications.
func sell(ctx context.Context, db *DB, shop string, n int) error {
	at := time.Now()
	bill := paybell.Bill{Currency: "5057", Total: decimal.NewFromInt(10), Number: fmt.Sprintf("INV-%d", n), PONumber: fmt.Sprintf("PO-%d", n), Description: "Two shirts",
		Items: []paybell.Item{{Name: "Blue shirt", Quantity: 2, Amount: decimal.NewFromInt(5)}}}
	c := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: shop, ClientID: shop, Window: time.Hour, ExpiresAt: at.Add(time.Hour), Bill: bill}, at)
	for step, state := range []paybell.State{paybell.Unpaid, paybell.Pending, paybell.Paid, paybell.Completed} {
		c.Invoice.Version, c.Invoice.State = step+1, state
		c.Event = []paybell.Event{paybell.InvoiceCreated, paybell.InvoicePending, paybell.InvoicePaid, paybell.InvoiceCompleted}[step]
		if step == 1 {
			c.Invoice.Payments = []paybell.Payment{{ID: paybell.NewUUID(at), Currency: "1002", Network: "sandbox", Address: fmt.Sprintf("ltct1q%039d", n), WalletID: shop, Index: int64(n), OpenedAt: at, ExpiresAt: at.Add(time.Hour)}}
		}
		if err := Do(ctx, db, func(tx *Tx) error {
			if step == 2 {
				p := c.Invoice.Payments[0]
				t := paybell.Transfer{Network: "sandbox", TxID: fmt.Sprintf("%064x", n), Asset: "1002", PaymentID: p.ID, Address: p.Address, Status: "mempool", SeenAt: at}
				if err := tx.RecordTransfer(c.Invoice.ID, t, false); err != nil {
					return err
				}
			}
			return tx.Apply(c)
		}); err != nil {
			return err
		}
		d, err := View(ctx, db, func(tx *Tx) (paybell.Delivery, error) {
			d, found, err := tx.LaneHead(&paybell.Delivery{WebhookID: shop[6:], InvoiceID: c.Invoice.ID}, time.Now().Add(time.Minute))
			if err == nil && !found {
				err = errors.New("no delivery is due")
			}
			return d, err
		})
		if err != nil {
			return err
		}
		a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: 1, StartedAt: at, Status: 200, Answer: "ok"}
		if err := Do(ctx, db, func(tx *Tx) error {
			_, err := tx.Record([]Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: d.URL}}, time.Now())
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
