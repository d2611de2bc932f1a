package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// knows compares what is remembered with what is in the database, and returns of how
// many clients it is.
func knows(t *testing.T, tx *Tx) int {
	t.Helper()
	if tx.later != nil { // what is to be told changes the numbers
		if err := tx.flush(); err != nil {
			t.Fatal(err)
		}
	}
	blank := *tx
	blank.voices = map[string]*voice{}
	for id, v := range tx.voices {
		read := func() error { return blank.readVoices([]string{id}) }
		if v.hooks != nil {
			read = func() error { _, err := blank.readHooks([]string{id}, nil); return err }
		}
		if err := read(); err != nil {
			t.Fatal(err)
		}
		want := blank.voices[id]
		if !reflect.DeepEqual(v, want) {
			t.Errorf("of %s is remembered %+v, it is %+v", id, v, want)
		}
	}
	return len(tx.voices)
}

func tellOne(at time.Time) paybell.Change {
	return paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: "m", ClientID: "c", Window: time.Hour}, at)
}

// Whatever changes what is remembered of a client makes it forgotten, in the same
// transaction and in the next, also when it is another connection that does.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir)
	defer closeSQLite(t, db)
	at := time1
	do := func(name string, body func(*Tx) error) {
		t.Helper()
		if err := Do(context.Background(), db, body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	look := func(name string, want int) {
		t.Helper()
		do(name, func(tx *Tx) error {
			if n := knows(t, tx); n < want {
				t.Errorf("%s: %d clients are remembered, want %d", name, n, want)
			}
			return nil
		})
	}
	do("begin", func(tx *Tx) error { return tellTo(tx, 3) })
	var hooks []paybell.Webhook
	do("webhooks", func(tx *Tx) (err error) { hooks, err = tx.Webhooks("c", ""); return err })
	e := Endpoint{"c", hooks[0].Origin}
	failed := func(tx *Tx, webhookID string, status int, took time.Duration) error {
		all, err := tx.Deliveries(webhookID, 0, 1)
		if err != nil {
			return err
		}
		d := all[0]
		a := paybell.Attempt{WebhookID: webhookID, Number: d.Number, N: d.Attempts + 1, StartedAt: at, Status: status, Failure: "no"}
		_, err = tx.Record([]Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: d.URL}}, at.Add(took))
		return err
	}
	for _, step := range []struct {
		name string
		body func(*Tx) error
	}{
		{"nothing", func(*Tx) error { return nil }},
		{"a webhook is made", func(tx *Tx) error {
			return tx.CreateWebhook(paybell.Webhook{ID: "new", ClientID: "c", URL: "https://n.example/", Origin: "https://n.example:443",
				Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: at})
		}},
		{"a webhook is given with an invoice", func(tx *Tx) error {
			c := tellOne(at)
			if err := tx.CreateWebhook(paybell.Webhook{ID: "given", ClientID: "c", InvoiceID: c.Invoice.ID, URL: "https://g.example/", Origin: "https://g.example:443",
				Events: paybell.AllEvents, State: paybell.WebhookActive, CreatedAt: at}); err != nil {
				return err
			}
			return tx.Apply(c)
		}},
		{"a webhook is changed", func(tx *Tx) error {
			w := hooks[1]
			w.URL, w.Origin, w.Events, w.State = "https://x.example/", "https://x.example:443", paybell.InvoiceCreated, paybell.WebhookPaused
			return tx.UpdateWebhook(w)
		}},
		{"a webhook is deleted", func(tx *Tx) error { return tx.DeleteWebhook("c", "new", at) }},
		{"a webhook is gone", func(tx *Tx) error { return failed(tx, hooks[2].ID, 410, 0) }},
		{"an endpoint fails for too long", func(tx *Tx) error { return failed(tx, hooks[0].ID, 500, 30*24*time.Hour) }},
		{"an endpoint is enabled", func(tx *Tx) error { return tx.EnableEndpoint(e) }},
		{"deliveries are forgotten", func(tx *Tx) error {
			_, err := tx.ForgetDeliveries(Sweep{WebhookID: hooks[0].ID}, 1000, at.Add(time.Hour))
			return err
		}},
		{"deliveries are added", func(tx *Tx) error { return tx.Fill(hooks[0].ID, 1, 3, paybell.DeliveryPending) }},
		{"the client changes", func(tx *Tx) error {
			c, err := tx.Client("c")
			c.EventNames = paybell.LongPaymentNames
			if err == nil {
				err = tx.UpdateClient(c)
			}
			return err
		}},
		{"the client is deleted", func(tx *Tx) error { return tx.DeleteClient("c", at) }},
	} {
		do(step.name, func(tx *Tx) error {
			if err := tx.Apply(tellOne(at)); err != nil {
				return err
			}
			if n := knows(t, tx); n != 1 {
				t.Errorf("before %s: %d clients are remembered", step.name, n)
			}
			if err := step.body(tx); err != nil {
				return err
			}
			knows(t, tx)
			return tx.Apply(tellOne(at))
		})
		look(step.name, 1)
	}

	// What a body did that failed is not remembered.
	undo := paybell.Errorf(paybell.Conflict, "no")
	if err := Do(context.Background(), db, func(tx *Tx) error {
		if err := tx.Apply(tellOne(at)); err != nil {
			return err
		}
		return undo
	}); err != error(undo) {
		t.Fatal(err)
	}
	look("a body has failed", 0)

	do("again", func(tx *Tx) error { return tx.Apply(tellOne(at)) })
	other, err := sql.Open("sqlite", filepath.Join(dir, "paybell.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec("UPDATE clients SET state = 'active'"); err != nil {
		t.Fatal(err)
	}
	look("another connection has written", 0)
	do("remember", func(tx *Tx) error { return tx.Apply(tellOne(at)) })
	look("nobody else has written", 1)
}

// Rows that are inserted later are there for whoever asks, and belong to the body
// that made them: one that may not be there fails alone.
func TestInsertLater(t *testing.T) {
	db := newSQLite(t)
	if err := Do(context.Background(), db, func(tx *Tx) error { return tellTo(tx, 2) }); err != nil {
		t.Fatal(err)
	}
	const n = 40
	changes := make([]paybell.Change, n)
	for i := range changes {
		changes[i] = tellOne(time1)
	}
	changes[n/2] = changes[n/4] // which is there then
	gathered := make(chan struct{})
	jobs := []*job{{ctx: context.Background(), body: func(*Tx) error { <-gathered; return nil }, done: make(chan error, 1)}}
	for i := range n {
		jobs = append(jobs, &job{ctx: context.Background(), done: make(chan error, 1), body: func(tx *Tx) error {
			if err := tx.Apply(changes[i]); err != nil || i%10 != 0 {
				return err
			}
			_, err := tx.Invoice(changes[i].Invoice.ID)
			return err
		}})
	}
	for _, j := range jobs {
		db.queue <- j
	}
	close(gathered)
	for i, j := range jobs {
		if err := <-j.done; (err != nil) != (i == n/2+1) {
			t.Errorf("body %d: %v", i-1, err)
		}
	}
	hooks, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Webhook, error) { return tx.Webhooks("c", "") })
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range hooks {
		all, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries(w.ID, 0, 2*n) })
		if err != nil || len(all) != n-1 {
			t.Fatalf("%d deliveries, %v", len(all), err)
		}
		for i, d := range all {
			if d.Number != int64(i+1) {
				t.Errorf("number %d is %d", i+1, d.Number)
			}
		}
	}

	// An attempt that was written already is not written again, nor is it an error.
	all, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hooks[0].ID, 0, 20) })
	if err != nil {
		t.Fatal(err)
	}
	results := delivered(all)
	for _, some := range [][]Result{results[:3], results[2:]} {
		if err := Do(context.Background(), db, func(tx *Tx) error { _, err := tx.Record(some, time1); return err }); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range all {
		tried, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Attempt, error) { return tx.Attempts(d.WebhookID, d.Number) })
		if err != nil || len(tried) != 1 {
			t.Errorf("%d attempts of number %d, %v", len(tried), d.Number, err)
		}
	}
}
