package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// The receiver is a process of its own: this test binary, started again.
func init() {
	if os.Getenv("PAYBELL_BENCH_RECEIVER") == "" {
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	var got atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, got.Load()) })
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }() // ends with its parent
	panic(http.Serve(listener, mux))
}

// receiver starts the merchant's server and returns its URL.
func receiver(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PAYBELL_BENCH_RECEIVER=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(line) + "/hook"
}

// arrived asks the receiver how many notifications it has got.
func arrived(b *testing.B, url string) int64 {
	resp, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close() // read below
	text, _ := io.ReadAll(resp.Body)
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// parallel runs do b.N times on so many goroutines.
func parallel(b *testing.B, workers int, do func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

const benchWorkers = 64

const benchInvoice = `{"currency":"5057","invoiceId":"0067","items":[{"name":"A bag of coffee","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`

// BenchmarkCreate measures signed requests per second, by several clients on 64
// connections, with the generator in the same process:
//
//	verify   the ceiling: a bare handler that reads the body, verifies the signature and answers
//	create   the server: an invoice is stored and its notification with it; nobody is told
//
// Compare the figures of one run only.
func BenchmarkCreate(b *testing.B) {
	app, err := start(context.Background(), appConfig{
		dataFlags: dataFlags{Data: b.TempDir()}, listen: "127.0.0.1:0", rateLimit: 100_000, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = app.close() })
	secrets := map[string]string{}
	var ids []string
	for range 8 {
		m, err := app.desk.CreateMerchant(context.Background(), "Bench", "")
		if err != nil {
			b.Fatal(err)
		}
		c, secret, err := app.desk.CreateClient(context.Background(), desk.Owner(m.ID), desk.NewClient{Name: "Bench", Permissions: paybell.AllPermissions})
		if err != nil {
			b.Fatal(err)
		}
		secrets[c.ID], ids = secret, append(ids, c.ID)
	}
	bare := httptest.NewServer(verifyOnly(secrets))
	b.Cleanup(bare.Close)
	http := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchWorkers}}
	run := func(b *testing.B, url string) {
		var n atomic.Int64
		b.ResetTimer()
		parallel(b, benchWorkers, func() error {
			id := ids[int(n.Add(1))%len(ids)]
			return postSigned(http, url, id, secrets[id], []byte(benchInvoice))
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
// one run only.
func BenchmarkMainJob(b *testing.B) {
	hook := receiver(b)
	app, err := start(context.Background(), appConfig{
		dataFlags: dataFlags{Data: b.TempDir()}, listen: "127.0.0.1:0",
		allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = app.close() })
	ctx := context.Background()
	m, err := app.desk.CreateMerchant(ctx, "Bench", "")
	if err != nil {
		b.Fatal(err)
	}
	client, secret, err := app.desk.CreateClient(ctx, desk.Owner(m.ID), desk.NewClient{Name: "Bench", Permissions: paybell.AllPermissions})
	if err != nil {
		b.Fatal(err)
	}
	actor, err := app.desk.Actor(ctx, client.ID, netip.Addr{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := app.desk.CreateWebhook(ctx, actor, client.ID, desk.NewWebhook{URL: hook, Events: []string{"invoiceCreated"}}); err != nil {
		b.Fatal(err)
	}
	http := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchWorkers}}
	wait := func(b *testing.B, before int64) {
		for arrived(b, hook) < before+int64(b.N) {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	}

	b.Run("ceiling", func(b *testing.B) {
		notification := paybell.Create(paybell.Invoice{ID: "x", ClientID: client.ID, Bill: paybell.Bill{Currency: "5057"}}, time.Now()).Tell(m, 0)
		before := arrived(b, hook)
		b.ResetTimer()
		parallel(b, benchWorkers, func() error { return postSigned(http, hook, client.ID, secret, notification.Body) })
		wait(b, before)
	})
	b.Run("deliver", func(b *testing.B) {
		bill := paybell.Bill{Currency: "5057", Total: decimalTen, Breakdown: paybell.Breakdown{Subtotal: decimalTen}}
		before := arrived(b, hook)
		b.ResetTimer()
		parallel(b, benchWorkers, func() error {
			_, err := app.desk.CreateInvoice(ctx, actor, desk.NewInvoice{Bill: bill})
			return err
		})
		wait(b, before)
	})
	b.Run("api", func(b *testing.B) {
		url := app.url + "/api/v2/merchant/invoices"
		before := arrived(b, hook)
		b.ResetTimer()
		parallel(b, benchWorkers, func() error { return postSigned(http, url, client.ID, secret, []byte(benchInvoice)) })
		wait(b, before)
	})
}

var decimalTen, _ = paybell.ParseAmount("10.00")

func postSigned(c *http.Client, url, clientID, secret string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	now := time.Now()
	for _, h := range paybell.SignedHeaders([]string{secret}, secret, clientID, url, "bench", now, body) {
		req.Header[http.CanonicalHeaderKey(h[0])] = []string{h[1]}
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode > 299 {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return resp.Body.Close()
}
