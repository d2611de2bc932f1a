package store

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// toldBodies is how many bodies share a commit here.
const toldBodies = 64

// BenchmarkTold makes invoices that are told to a client's webhooks, and records
// that each was delivered at the first attempt. One step is a batch of bodies that
// share a commit; what is reported is for each delivery.
func BenchmarkTold(b *testing.B) {
	for _, hooks := range []int{1, 10} {
		b.Run(fmt.Sprintf("webhooks=%d", hooks), func(b *testing.B) {
			db := newSQLite(b)
			var fresh []paybell.Delivery
			db.OnCommit(func(made []paybell.Delivery) { fresh = append(fresh, made...) })
			if err := Do(b.Context(), db, func(tx *Tx) error { return tellTo(tx, hooks) }); err != nil {
				b.Fatal(err)
			}
			var making, recording time.Duration
			for b.Loop() {
				began := processTime(b)
				together(b, db, toldBodies, func(tx *Tx) error {
					at := time.Now()
					return tx.Apply(paybell.Create(paybell.Invoice{
						ID: paybell.NewUUID(at), MerchantID: "m", ClientID: "c", Bill: paybell.Bill{Currency: "5057", Number: "0067"},
						ExpiresAt: at.Add(time.Hour), Window: time.Hour,
					}, at))
				})
				made := processTime(b)
				if len(fresh) != toldBodies*hooks {
					b.Fatalf("%d deliveries", len(fresh))
				}
				for ; len(fresh) > 0; fresh = fresh[min(toldBodies, len(fresh)):] {
					some := delivered(fresh[:min(toldBodies, len(fresh))])
					if err := Do(b.Context(), db, func(tx *Tx) error {
						_, err := tx.Record(some, time.Now())
						return err
					}); err != nil {
						b.Fatal(err)
					}
				}
				making += made - began
				recording += processTime(b) - made
			}
			told := float64(b.N * toldBodies * hooks)
			b.ReportMetric(0, "ns/op") // of a whole batch
			b.ReportMetric(float64(making.Nanoseconds())/told, "cpu-ns/made")
			b.ReportMetric(float64(recording.Nanoseconds())/told, "cpu-ns/recorded")
			b.ReportMetric(float64((making+recording).Nanoseconds())/told, "cpu-ns/told")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/told, "ns/told")
		})
	}
}

// tellTo writes a merchant with a client that has so many webhooks.
func tellTo(tx *Tx, hooks int) error {
	at := time.Now()
	if err := tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "m", CreatedAt: at}); err != nil {
		return err
	}
	if err := tx.CreateClient(paybell.Client{ID: "c", MerchantID: "m", Name: "c", State: paybell.ClientActive, CreatedAt: at, Terms: paybell.DefaultTerms}, "secret"); err != nil {
		return err
	}
	for i := range hooks {
		origin := fmt.Sprintf("https://h%d.example", i)
		if err := tx.CreateWebhook(paybell.Webhook{
			ID: paybell.NewWebhookID(), ClientID: "c", URL: origin + "/hook", Origin: origin + ":443", Events: paybell.AllEvents,
			State: paybell.WebhookActive, CreatedAt: at,
		}); err != nil {
			return err
		}
	}
	return nil
}

// together runs n bodies in one commit: the writer waits until all are there.
func together(b *testing.B, db *DB, n int, body func(*Tx) error) {
	gathered := make(chan struct{})
	jobs := []*job{{ctx: context.Background(), body: func(*Tx) error { <-gathered; return nil }, done: make(chan error, 1)}}
	for range n {
		jobs = append(jobs, &job{ctx: context.Background(), body: body, done: make(chan error, 1)})
	}
	for _, j := range jobs {
		db.queue <- j
	}
	close(gathered)
	for _, j := range jobs {
		if err := <-j.done; err != nil {
			b.Fatal(err)
		}
	}
}

// delivered are the results of deliveries that were taken at once.
func delivered(made []paybell.Delivery) []Result {
	results := make([]Result, len(made))
	for i, d := range made {
		a := paybell.Attempt{
			WebhookID: d.WebhookID, Number: d.Number, N: 1, StartedAt: time.Now(), Duration: time.Millisecond,
			Timing: paybell.Timing{FirstByte: time.Millisecond}, Status: 204, Secret: 1,
		}
		results[i] = Result{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a}
	}
	return results
}

// processTime is what this process has taken of all cores: other programs disturb it
// less than time itself.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
