package telemetry

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// What is committed and not delivered is counted by its age, and what is
// delivered is not.
func TestTheMeasureOfTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		do := func(body func(*store.Tx) error) {
			t.Helper()
			if err := store.Do(context.Background(), db, body); err != nil {
				t.Fatal(err)
			}
		}
		client := paybell.Client{ID: paybell.NewClientID(), MerchantID: "m"}
		hook := paybell.Webhook{ID: "hook", ClientID: client.ID, URL: "https://shop.example/", Origin: "https://shop.example:443",
			Events: paybell.AllEvents, State: paybell.WebhookActive}
		do(func(tx *store.Tx) error {
			return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: "m"}), tx.CreateClient(client, paybell.NewClientSecret()), tx.CreateWebhook(hook))
		})
		make := func(n int) {
			for range n {
				do(func(tx *store.Tx) error {
					return tx.Apply(paybell.Create(paybell.Invoice{ID: paybell.NewUUID(time.Now()), MerchantID: "m", ClientID: client.ID,
						Bill: paybell.Bill{Currency: "5057"}, ExpiresAt: time.Now().Add(time.Hour)}, time.Now()))
				})
			}
		}
		m := New(db, func() int { return 7 })
		wants := func(lines ...string) {
			t.Helper()
			time.Sleep(fresh)
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			for _, line := range lines {
				if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
					t.Errorf("there is no line %q in\n%s", line, w.Body)
				}
			}
		}
		wants(`paybell_undelivered{age="under 1m"} 0`, `paybell_oldest_undelivered_seconds 0`, `paybell_attempts_in_flight 7`, `paybell_store_readable 1`)
		make(3)
		time.Sleep(25 * time.Hour)
		make(2)
		time.Sleep(30 * time.Minute)
		make(1)
		wants(`paybell_undelivered{age="under 1m"} 1`, `paybell_undelivered{age="10m to 1h"} 2`, `paybell_undelivered{age="over 1d"} 3`,
			`paybell_oldest_undelivered_seconds 91810`, `paybell_endpoints{state="failing"} 0`)

		all, err := store.View(context.Background(), db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hook.ID, 0, 10) })
		if err != nil {
			t.Fatal(err)
		}
		record := func(d paybell.Delivery, failure string, hold time.Time) {
			a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: 1, StartedAt: time.Now(), Duration: time.Second, Failure: failure}
			r := store.Result{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, Hold: hold}
			do(func(tx *store.Tx) error { _, err := tx.Record([]store.Result{r}, time.Now()); return err })
			m.Attempted(&r)
		}
		record(all[5], "", time.Time{})
		record(all[4], "answered 503", time.Now().Add(time.Hour))
		wants(`paybell_undelivered{age="under 1m"} 0`, `paybell_undelivered{age="10m to 1h"} 2`, `paybell_endpoints{state="paused"} 1`,
			`paybell_attempts_total{result="delivered"} 1`, `paybell_attempts_total{result="failed"} 1`,
			`paybell_first_attempt_seconds_count 2`, `paybell_delivered_seconds_count 1`)
	})
}
