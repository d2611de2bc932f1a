package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/bench"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/pgtest"
)

// TestBench runs scenarios of every kind, each for a moment, on few rows. What is
// found is worth nothing, but it is found.
func TestBench(t *testing.T) {
	for _, test := range []struct {
		store, dsn string
		only       []string
		leftOut    []string
	}{
		{"SQLite 3", "", []string{"rate-1", "fan-10", "life", "api", "latency", "half", "flood", "hang", "drain", "idle"}, []string{"processes"}},
		{"PostgreSQL 1", pgtest.Open(t), []string{"rate-1", "processes", "drain"}, nil},
	} {
		t.Run(test.store, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			c := benchCmd{Only: append(test.only, test.leftOut...), Database: test.dsn, Duration: 200 * time.Millisecond, Rows: 2000, Processes: 2}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			report, err := c.all(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(report.Store, test.store) || report.Machine.Go == "" || report.Machine.Cores == 0 {
				t.Errorf("it was measured with %q on %+v", report.Store, report.Machine)
			}
			checkFigures(t, report.Figures, test.only)
			if len(report.LeftOut) != len(test.leftOut) {
				t.Errorf("left out: %v", report.LeftOut)
			}
			nothingLeft(t, temp, test.dsn)
		})
	}
}

func checkFigures(t *testing.T, figures []bench.Figure, only []string) {
	t.Helper()
	var had []string
	for _, f := range figures {
		if !slices.Contains(had, f.Scenario) {
			had = append(had, f.Scenario)
		}
		// What can be more than nothing on a machine that did not get far in so short a time.
		sure := strings.HasPrefix(f.Name, "ceiling") || strings.Contains(f.Name, "memory")
		if f.Value < 0 || f.Value == 0 && sure || f.Value > 1e6 || f.Name == "" || f.Unit == "" || (f.Aim == "") != (f.Verdict == "") {
			t.Errorf("%+v is not plausible", f)
		}
	}
	if !slices.Equal(had, only) {
		t.Errorf("there are figures of %v, of %v were asked for", had, only)
	}
}

// nothingLeft looks for files and databases that are still there.
func nothingLeft(t *testing.T, temp, dsn string) {
	t.Helper()
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
	if dsn == "" {
		return
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	var left int
	err = db.QueryRow("SELECT COUNT(*) FROM pg_database WHERE starts_with(datname, $1)", benchDatabase).Scan(&left)
	if err = errors.Join(err, db.Close()); err != nil || left > 0 {
		t.Errorf("%d databases are left behind, %v", left, err)
	}
}

func TestBenchCanBeInterrupted(t *testing.T) {
	for name, dsn := range map[string]string{"SQLite": "", "Postgres": pgtest.Open(t)} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			began := time.Now()
			c := benchCmd{Only: []string{"rate-1"}, Database: dsn, Duration: time.Hour, Rows: 2000, Processes: 2}
			if _, err := c.all(ctx); err == nil || time.Since(began) > 10*time.Second {
				t.Errorf("it ended after %v with %v", time.Since(began), err)
			}
			nothingLeft(t, temp, dsn)
		})
	}
}

// TestBenchSaysWhatItNeeds has users and addresses that do not do. Nobody hears of a
// password.
func TestBenchSaysWhatItNeeds(t *testing.T) {
	dsn := pgtest.Open(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	role := "bench_" + strings.ToLower(rand.Text())
	_, err = db.Exec("CREATE ROLE " + role + " LOGIN")
	t.Cleanup(func() {
		_, err := db.Exec("DROP ROLE " + role)
		if err = errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	poor, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	poor.User = url.User(role)
	for _, test := range []struct{ dsn, want string }{
		{poor.String(), "ALTER ROLE " + role + " CREATEDB"},
		{"host=localhost password=hunter2", "postgres://"},
		{"postgres://shop:hunter2@127.0.0.1:9/shop", "127.0.0.1"},
	} {
		c := benchCmd{Only: []string{"idle"}, Database: test.dsn, Duration: time.Second, Rows: 2000, Processes: 2}
		_, err := c.all(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("it says %v, not %s", err, test.want)
		}
	}
}

func TestBenchLeavesProfiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := filepath.Join(t.TempDir(), "profiles")
	c := benchCmd{Only: []string{"latency"}, Profile: dir, Duration: 50 * time.Millisecond, Rows: 2000, Processes: 2}
	if _, err := c.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"cpu", "heap", "mutex", "block"} {
		if info, err := os.Stat(filepath.Join(dir, "latency."+kind+".pprof")); err != nil || info.Size() == 0 {
			t.Errorf("the %s profile is %v, %v", kind, info, err)
		}
	}
}

func TestMachine(t *testing.T) {
	dir := t.TempDir()
	m, err := readMachine(dir)
	if err != nil || m.Filesystem == "" || m.SyncMS <= 0 || m.Cores < 1 || m.CPU == "" {
		t.Errorf("the machine is %+v, %v", m, err)
	}
	p, ok := readProcess(os.Getpid())
	if !ok || p.parent != os.Getppid() || p.cpu > cpuTime()+time.Second {
		t.Errorf("this process is %+v, %v", p, ok)
	}
	if postmasterOf(os.Getpid()) != 0 {
		t.Error("a test is taken for PostgreSQL")
	}
	if _, ok := readProcess(1 << 30); ok {
		t.Error("a process that is not there was read")
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
			return bench.Post(ctx, client, bench.Target{URL: url, ClientID: id, Secret: secrets[id]}, fmt.Appendf(nil, benchInvoice, usualNumber))
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
	all, err := newBencher(ctx, &benchCmd{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = all.close() })
	s, err := all.stand(ctx, all.hooks(1))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.close() })
	client, to := bench.NewClient(), s.targets[0]
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
	b.Run("deliver", func(b *testing.B) { run(b, func() error { return s.create(ctx, s.clients[0], usualNumber) }) })
	api := bench.Target{URL: s.app.url + "/api/v2/merchant/invoices", ClientID: to.ClientID, Secret: to.Secret}
	b.Run("api", func(b *testing.B) {
		run(b, func() error { return bench.Post(ctx, client, api, fmt.Appendf(nil, benchInvoice, usualNumber)) })
	})
}
