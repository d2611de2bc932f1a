package api_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// kept reads what the store will push to a webhook.
func (b *bench) kept(hook string) (all []paybell.Delivery) {
	b.Helper()
	all, err := store.View(b.Context(), b.db, func(tx *store.Tx) ([]paybell.Delivery, error) { return tx.Deliveries(hook, 0, 200) })
	must(b.T, err)
	return all
}

// listener is a webhook that wants to hear of creation and cancellation.
func (b *bench) listener(c client) string {
	b.Helper()
	return get(b, b.want(200, c, "POST", hooksPath(c), `{"notificationsUrl":"https://shop.example/all","notifications":["invoiceCreated","invoiceCancelled"]}`), "id").(string)
}

// What is pulled has the bytes and the order of what is pushed.
func TestPull(t *testing.T) {
	b := newBench(t)
	hook := b.listener(b.shop)
	const strange = `,"customData":{"x":"<&>\u2028é☕"},"invoiceId":"\/1"`
	for range 3 {
		b.want(200, b.shop, "POST", "/api/v1/merchant/invoices/"+b.invoice(b.shop, strange)+"/cancel", "")
	}
	want := b.kept(hook)
	if len(want) != 6 {
		t.Fatalf("%d deliveries", len(want))
	}
	path := hooksPath(b.shop) + "/" + hook + "/notifications"
	next, read := path+"?limit=4", 0
	for read < len(want) {
		page := b.call(b.shop, "GET", next, "")
		items := get(b, b.decode(page), "items").([]any)
		for i, item := range items {
			d := want[read+i]
			if !bytes.Contains(page.body, append([]byte(`"notification":`), d.Body...)) {
				t.Errorf("%v is not pulled byte for byte: %s", d.Sequence(), page.body)
			}
			b.same(get(b, item, "sequence"), d.Sequence().String())
			b.same(get(b, item, "state"), "pending")
		}
		read += len(items)
		next = strings.TrimPrefix(get(b, b.decode(page), "paging", "next").(string), b.url)
	}
	b.same(get(b, b.want(200, b.shop, "GET", next, ""), "items"), "[]")
	b.same(len(get(b, b.want(200, b.shop, "GET", path+"?after=1.5", ""), "items").([]any)), "1")
	for _, bad := range []string{"x", "1", "1.", ".1", "01.1", "1.-1", "0.1", "1.1.1", "1.99999999999999999999"} {
		b.wantField(b.call(b.shop, "GET", path+"?after="+bad, ""), "after")
	}
	b.wantProblem(b.call(b.shop, "GET", path+"?after=7.1", ""), 409, "epoch")
	for _, limit := range []string{"0", "101", "x"} {
		b.wantField(b.call(b.shop, "GET", path+"?limit="+limit, ""), "limit")
	}
	b.wantProblem(b.call(b.sibling, "GET", path, ""), 404)
	b.wantProblem(b.call(b.stranger, "GET", path, ""), 404)
	b.wantProblem(b.call(b.stranger, "GET", hooksPath(b.stranger)+"/"+hook+"/notifications", ""), 404)
	b.wantProblem(b.call(b.shop, "GET", hooksPath(b.shop)+"/nothing/notifications", ""), 404)
	blind := b.limited(b.merchantOf(b.shop), paybell.AllPermissions&^paybell.PullNotifications)
	b.wantProblem(b.call(blind, "GET", hooksPath(blind)+"/"+b.webhook(blind)+"/notifications", ""), 403, "pullNotifications")
}

// stream reads server-sent events: of each its id and its data.
type stream struct {
	*bench
	resp *http.Response
	in   *bufio.Reader
}

func (b *bench) stream(c client, path, last string) *stream {
	b.Helper()
	r := b.request(c, "GET", path, "")
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	must(b.T, err)
	b.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		b.Fatalf("answered %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &stream{b, resp, bufio.NewReader(resp.Body)}
}

func (s *stream) next() (id, data string) {
	s.Helper()
	for {
		line, err := s.in.ReadString('\n')
		must(s.T, err)
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if data != "" {
				return id, data
			}
		}
	}
}

func TestStream(t *testing.T) {
	b := newBench(t)
	b.db.OnCommit(b.desk.Ring)
	stopping := make(chan struct{})
	b.api.Stopping = stopping
	b.serve()
	hook := b.listener(b.shop)
	path := hooksPath(b.shop) + "/" + hook + "/notifications"
	b.invoice(b.shop, "")
	s := b.stream(b.shop, path, "")
	first, _ := s.next() // of before
	for range 2 {
		b.invoice(b.shop, "")
		s.next() // of now
	}
	want := b.kept(hook)
	again := b.stream(b.shop, path, first) // somebody else comes back, knowing one
	for _, d := range want[1:] {
		if id, data := again.next(); id != d.Sequence().String() || data != string(d.Body) {
			t.Errorf("got %s %s, want %v %s", id, data, d.Sequence(), d.Body)
		}
	}
	if quick := time.Now(); b.invoice(b.shop, "") != "" {
		s.next()
		if took := time.Since(quick); took > 900*time.Millisecond {
			t.Errorf("an event took %v: nobody was woken", took)
		}
	}
	close(stopping) // ends all of them
	for _, s := range []*stream{s, again} {
		for err := error(nil); err == nil; {
			_, err = s.in.ReadString('\n')
		}
	}
	r := b.request(b.shop, "GET", path, "")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Last-Event-ID", "nonsense")
	b.wantProblem(b.send(r), 400, "Last-Event-ID")
}

// A client has so many streams and no more; a closed one makes room.
func TestStreamsAreBounded(t *testing.T) {
	b := newBench(t)
	path := hooksPath(b.shop) + "/" + b.webhook(b.shop) + "/notifications"
	var open []*stream
	for range 16 {
		open = append(open, b.stream(b.shop, path, ""))
	}
	ask := func() answer {
		r := b.request(b.shop, "GET", path, "")
		r.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultTransport.RoundTrip(r)
		must(t, err)
		defer func() { _ = resp.Body.Close() }()
		return answer{status: resp.StatusCode, header: resp.Header}
	}
	if a := ask(); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", a.status)
	}
	_ = open[0].resp.Body.Close()
	for ask().status != 200 { // until the server has seen it
	}
}
