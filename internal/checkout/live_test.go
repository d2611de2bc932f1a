package checkout_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/checkout"
)

// stream is a page that is being looked at.
type stream struct {
	*testing.T
	answer answer // without a body, if it is a stream
	lines  *bufio.Reader
	stop   context.CancelFunc
}

// streamFrom asks for the stream of a page as a browser's EventSource does.
func (b *bench) streamFrom(path, from string) *stream {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), 20*time.Second)
	b.Cleanup(stop)
	r := b.request(http.MethodGet, path, "").WithContext(ctx)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("X-Forwarded-For", from)
	resp, err := http.DefaultTransport.RoundTrip(r)
	must(b.T, err)
	b.Cleanup(func() { _ = resp.Body.Close() })
	s := &stream{b.T, answer{resp.StatusCode, resp.Header, ""}, bufio.NewReader(resp.Body), stop}
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(resp.Body)
		must(b.T, err)
		s.answer.body = string(body)
	}
	return s
}

func (b *bench) stream(path string) *stream { b.Helper(); return b.streamFrom(path, "") }

// next is the data of the next event.
func (s *stream) next() string {
	s.Helper()
	var text strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		must(s.T, err)
		switch data, ok := strings.CutPrefix(line, "data: "); {
		case ok:
			text.WriteString(data)
		case line == "\n" && text.Len() > 0:
			return text.String()
		case line != "\n" && line != ":\n":
			s.Fatalf("%q is no line of an event", line)
		}
	}
}

// until reads events until one says something.
func (s *stream) until(says string) string {
	s.Helper()
	for {
		if text := s.next(); strings.Contains(text, says) {
			return text
		}
	}
}

// TestStream: a page that is looked at tells what happens, from the choice of a coin
// to the last confirmation.
func TestStream(t *testing.T) {
	b := newBench(t)
	id := b.invoice(withLinks)
	s := b.stream(page(id))
	if s.answer.status != 200 || s.answer.header.Get("Content-Type") != "text/event-stream" || s.answer.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the stream begins with %+v", s.answer)
	}
	first := s.next()
	shown := b.get(page(id)).body
	if !strings.Contains(shown, strings.TrimSpace(first)) {
		t.Errorf("the first event is not what the page shows:\n%s", first)
	}
	if b.derived() != 0 {
		t.Error("looking took an address")
	}
	for _, text := range []string{`<main data-live data-title="Choose how to pay · Café Bell">`, payForm, "</main>"} {
		if !strings.Contains(first, text) {
			t.Errorf("the first event lacks %q", text)
		}
	}
	b.open(id)
	if text := s.until("Waiting for your payment"); !strings.Contains(text, "data-left></time>") {
		t.Error("what the script counts is sent")
	}
	b.pay(id, "0.05")
	s.until(">0.075</span> LTCT")
	b.pay(id, "")
	s.until("0 of 3 confirmations")
	b.mine(3)
	s.until(`data-title="Paid · Café Bell"`)
}

// TestStreamKeepsTheVisit: what is sent leads where the page does.
func TestStreamKeepsTheVisit(t *testing.T) {
	b := newBench(t)
	id := b.invoice()
	const links = "&cancel-url=https%3A%2F%2Fshop.example%2Fcart&success-url=https%3A%2F%2Fevil.example%2F"
	text := b.stream(page(id) + links).next()
	b.wants(answer{200, nil, text}, 200,
		`href="https://shop.example/cart"`, `action="../checkout/`+id+`/pay?cancel-url=https%3A%2F%2Fshop.example%2Fcart"`, "!evil")
}

// TestStreamOfNothing: what goes wrong before there is anything to send is answered
// with its status, and no stream.
func TestStreamOfNothing(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/checkout/", "/checkout/?invoice-id=nope", page(paybell.NewUUID(time.Now()))} {
		s := b.stream(path)
		b.wants(s.answer, 404, "We cannot find this invoice")
		if got := s.answer.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s: an error comes as %q", path, got)
		}
	}
	id := b.invoice()
	r := b.request(http.MethodHead, page(id), "")
	r.Header.Set("Accept", "text/event-stream")
	if got := b.send(r).header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("HEAD is answered as %q", got)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	b := newBench(t, func(s *checkout.Server) { s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	enter := func(id, from string) *stream {
		t.Helper()
		s := b.streamFrom(page(id), from)
		if s.answer.status != http.StatusOK {
			t.Fatalf("a stream is refused: %d", s.answer.status)
		}
		s.next()
		return s
	}
	one := b.invoice()
	var last *stream
	for range 16 {
		last = enter(one, "192.0.2.1")
	}
	b.wants(b.streamFrom(page(strings.ToUpper(one)), "192.0.2.2").answer, 429, "Too many requests")
	two, three := b.invoice(), b.invoice()
	for range 16 {
		enter(two, "192.0.2.1")
	}
	b.wants(b.streamFrom(page(three), "192.0.2.1").answer, 429, "Too many requests")
	enter(three, "192.0.2.2")

	last.stop() // its place is free when the server has seen that it is gone
	for {
		s := b.streamFrom(page(one), "192.0.2.2")
		if s.answer.status == http.StatusOK {
			break
		}
		b.wants(s.answer, 429)
	}
	b.wants(b.get(page(one)), 200, "Choose how to pay") // the page itself is there
}

// TestStreamsEndWithTheServer: a stream does not hold up a server that stops.
func TestStreamsEndWithTheServer(t *testing.T) {
	stopping := make(chan struct{})
	b := newBench(t, func(s *checkout.Server) { s.Stopping = stopping })
	s := b.stream(page(b.invoice()))
	s.next()
	close(stopping)
	if rest, err := io.ReadAll(s.lines); err != nil || len(rest) > 0 {
		t.Errorf("after the end comes %q, %v", rest, err)
	}
}
