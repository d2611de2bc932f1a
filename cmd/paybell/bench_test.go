package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
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

// BenchmarkMainJob measures the whole path on one machine, receiver included:
//
//	ceiling   a bare loop of signed POSTs to the receiver; nothing is stored
//	deliver   an invoice made at the desk, stored, told and recorded
//	api       the same by signed API calls: two HTTP exchanges for each
//
// An operation ends when its notification has arrived. Compare the figures of
// one run only.
func BenchmarkMainJob(b *testing.B) {
	const body = `{"currency":"5057","invoiceId":"0067","items":[{"name":"A bag of coffee","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`
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
	client, secret, err := app.desk.CreateClient(ctx, desk.NewClient{MerchantID: m.ID, Name: "Bench", Permissions: paybell.AllPermissions})
	if err != nil {
		b.Fatal(err)
	}
	actor, err := app.desk.Actor(ctx, client.ID)
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
		notification := paybell.Create(paybell.Invoice{ID: "x", ClientID: client.ID, Bill: paybell.Bill{Currency: "5057"}}, time.Now()).Tell(m)
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
		parallel(b, benchWorkers, func() error { return postSigned(http, url, client.ID, secret, []byte(body)) })
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
