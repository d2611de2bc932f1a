package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/loop"
)

// The same on a real wire, with a real server behind it: the transport of the
// product, which reaches private addresses only if they are allowed.
func TestOnARealWire(t *testing.T) {
	b := newBench(t)
	shop := &realShop{}
	server := httptest.NewServer(shop)
	t.Cleanup(server.Close)
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	b.desk.Allow = []netip.Prefix{loopback}
	transport := deliver.NewTransport(b.desk.Allow)
	t.Cleanup(transport.CloseIdleConnections)
	d := deliver.New(b.db, transport, slog.New(slog.DiscardHandler))
	d.Alone = true
	b.desk.Wire = d
	b.db.OnCommit(d.Offer)
	resender := loop.New("resend", &deliver.Resender{DB: b.db, Every: 10 * time.Millisecond}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx) })
	wg.Go(func() { resender.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	hook := get(b, b.want(200, b.shop, "POST", hooksPath(b.shop), `{"notificationsUrl":"`+server.URL+`/in?k=%20","notifications":"invoiceCreated,invoiceCancelled"}`), "id").(string)
	path := hooksPath(b.shop) + "/" + hook
	a := b.want(200, b.shop, "POST", path+"/test", `{"event":"invoicePaid"}`)
	b.same(get(b, a, "status"), "200")
	b.same(get(b, a, "answer"), "got InvoicePaid")
	b.same(get(b, a, "dnsMs"), "0") // an address has no name to be looked up
	b.same(get(b, a, "tlsMs"), "0")
	inOrder(b, a, "connectMs", "firstByteMs", "totalMs")
	b.same(shop.seen(), "[true ]")

	id := b.invoice(b.shop, "")
	until(t, func() bool { return b.kept(hook)[0].State == paybell.Delivered })
	story := b.want(200, b.shop, "GET", path+"/notifications/"+b.kept(hook)[0].NotificationID, "")
	a = get(b, story, "attempts", 0)
	b.same(get(b, a, "connectMs"), "0") // the connection was there
	inOrder(b, a, "firstByteMs", "totalMs")
	b.want(200, b.shop, "POST", path+"/pause", "")
	b.want(200, b.shop, "POST", "/api/v1/merchant/invoices/"+id+"/cancel", "")
	b.want(200, b.shop, "POST", path+"/enable", "")
	until(t, func() bool { return b.kept(hook)[1].State == paybell.Delivered })
	b.want(202, b.shop, "POST", path+"/resend", `{"after":0}`)
	until(t, func() bool { all := b.kept(hook); return all[0].Attempts == 2 && all[1].Attempts == 2 })
	b.same(shop.seen(), "[true  1.1 1.2 1.1 1.2]")

	// Another server's list of what is allowed is shorter: the test says so, and
	// nothing is sent.
	strict := deliver.NewTransport(nil)
	t.Cleanup(strict.CloseIdleConnections)
	b.desk.Wire = deliver.New(b.db, strict, slog.New(slog.DiscardHandler))
	a = b.want(200, b.shop, "POST", path+"/test", `{"event":"invoicePaid"}`)
	if failure, _ := get(b, a, "failure").(string); !strings.HasPrefix(failure, "not sent: ") {
		t.Errorf("it says %q", failure)
	}
	b.same(len(shop.seen()), fmt.Sprint(len("[true  1.1 1.2 1.1 1.2]")))
}

// inOrder expects times that are more than nothing and grow.
func inOrder(b *bench, attempt any, keys ...string) {
	b.Helper()
	last := 0.0
	for _, key := range keys {
		ms, err := get(b, attempt, key).(json.Number).Float64()
		must(b.T, err)
		if ms <= 0 || ms < last || ms > 5000 {
			b.Errorf("%s is %v after %v: %v", key, ms, last, attempt)
		}
		last = ms
	}
}

// until waits for something that happens soon.
func until(t *testing.T, happened func() bool) {
	t.Helper()
	for began := time.Now(); !happened(); {
		if time.Since(began) > 20*time.Second {
			t.Fatal("it does not happen")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// realShop is a merchant's server that notes the numbers of what comes, and which
// of them are tests.
type realShop struct {
	mu  sync.Mutex
	got []string
}

func (s *realShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n struct{ Type string }
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil || r.URL.RawQuery != "k=%20" {
		w.WriteHeader(400)
		return
	}
	s.mu.Lock()
	if test := r.Header.Get("Paybell-Test"); test != "" {
		s.got = append(s.got, test+" ")
	} else {
		s.got = append(s.got, r.Header.Get("Paybell-Sequence"))
	}
	s.mu.Unlock()
	_, _ = io.WriteString(w, "got "+n.Type)
}

func (s *realShop) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.got)
}
