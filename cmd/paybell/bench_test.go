package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/bench"
	"github.com/paybell/paybell/internal/desk"
)

// TestBench runs scenarios of every kind, each for a moment, on few rows. What is
// found is worth nothing, but it is found.
func TestBench(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	only := []string{"rate-1", "latency", "hang", "drain", "memory", "idle"}
	c := benchCmd{Only: only, Duration: 200 * time.Millisecond, Rows: 2000}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	report, err := c.all(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var had []string
	for _, f := range report.Figures {
		if !slices.Contains(had, f.Scenario) {
			had = append(had, f.Scenario)
		}
		// No ticks; it came before the desk had answered; a busy machine did not get far.
		mayBeNothing := f.Scenario == "idle" || f.Unit == "ms" || f.Scenario == "rate-1" && !strings.HasPrefix(f.Name, "ceiling")
		if f.Value < 0 || f.Value == 0 && !mayBeNothing || f.Value > 1e6 || f.Name == "" || f.Unit == "" && f.Aim == "" || (f.Aim == "") != (f.Verdict == "") {
			t.Errorf("%+v is not plausible", f)
		}
	}
	if !slices.Equal(had, only) {
		t.Errorf("there are figures of %v, of %v were asked for", had, only)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestBenchCanBeInterrupted(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	c := benchCmd{Only: []string{"rate-1"}, Duration: time.Hour, Rows: 2000}
	if _, err := c.all(ctx); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("it ended after %v with %v", time.Since(began), err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

// times runs do b.N times on bench.Connections goroutines.
func times(b *testing.B, do func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	if err := bench.Together(bench.Connections, func() (bool, error) {
		if left.Add(-1) < 0 {
			return false, nil
		}
		return true, do()
	}); err != nil {
		b.Fatal(err)
	}
}

const benchInvoice = `{"currency":"5057","invoiceId":"0067","items":[{"name":"A bag of coffee","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`

// BenchmarkCreate measures signed requests per second, by several clients on 64
// connections, with the generator in the same process:
//
//	verify   the ceiling: a bare handler that reads the body, verifies the signature and answers
//	create   the server: an invoice is stored and its notification with it; nobody is told
//
// Compare the figures of one run only.
func BenchmarkCreate(b *testing.B) {
	ctx := context.Background()
	app, err := start(ctx, appConfig{
		dataFlags: dataFlags{Data: b.TempDir()}, listen: "127.0.0.1:0", rateLimit: 100_000, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = app.close() })
	secrets := map[string]string{}
	var ids []string
	for range 8 {
		m, err := app.desk.CreateMerchant(ctx, "Bench", "")
		if err != nil {
			b.Fatal(err)
		}
		c, secret, err := app.desk.CreateClient(ctx, desk.Owner(m.ID), desk.NewClient{Name: "Bench", Permissions: paybell.AllPermissions})
		if err != nil {
			b.Fatal(err)
		}
		secrets[c.ID], ids = secret, append(ids, c.ID)
	}
	bare := httptest.NewServer(verifyOnly(secrets))
	b.Cleanup(bare.Close)
	client := bench.NewClient()
	run := func(b *testing.B, url string) {
		var n atomic.Int64
		b.ResetTimer()
		times(b, func() error {
			id := ids[int(n.Add(1))%len(ids)]
			return bench.Post(ctx, client, bench.Target{URL: url, ClientID: id, Secret: secrets[id]}, []byte(benchInvoice))
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	}
	const path = "/api/v2/merchant/invoices"
	b.Run("verify", func(b *testing.B) { run(b, bare.URL+path) })
	b.Run("create", func(b *testing.B) { run(b, app.url+path) })
}

// verifyOnly is the least that a server of signed requests can do.
func verifyOnly(secrets map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id := r.Header.Get(paybell.HeaderClient)
		want := paybell.SignRequest(secrets[id], r.Method, "http://"+r.Host+r.RequestURI, id, r.Header.Get(paybell.HeaderTimestamp), body)
		if !paybell.SameSignature(r.Header.Get(paybell.HeaderSignature), want) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}
}

// BenchmarkMainJob measures the whole path on one machine, receiver included:
//
//	ceiling   a bare loop of signed POSTs to the receiver; nothing is stored
//	deliver   an invoice made at the desk, stored, told and recorded
//	api       the same by signed API calls: two HTTP exchanges for each
//
// An operation ends when its notification has arrived. Compare the figures of
// one run only. `paybell bench` measures more.
func BenchmarkMainJob(b *testing.B) {
	ctx := context.Background()
	all, err := newBencher(&benchCmd{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = all.close() })
	s, err := all.stand(ctx, all.hooks(1))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.close() })
	client, to := bench.NewClient(), s.endpoints[0].target
	run := func(b *testing.B, do func() error) {
		before, err := all.receiver.Count()
		if err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		times(b, do)
		if err := all.arrive(ctx, nil, func(n int64) bool { return n >= before+int64(b.N) }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	}
	body := s.notification()
	b.Run("ceiling", func(b *testing.B) { run(b, func() error { return bench.Post(ctx, client, to, body) }) })
	b.Run("deliver", func(b *testing.B) { run(b, func() error { return s.create(ctx, s.endpoints[0], "0067") }) })
	api := bench.Target{URL: s.app.url + "/api/v2/merchant/invoices", ClientID: to.ClientID, Secret: to.Secret}
	b.Run("api", func(b *testing.B) {
		run(b, func() error { return bench.Post(ctx, client, api, []byte(benchInvoice)) })
	})
}
