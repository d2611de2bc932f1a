package hostile_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/hostile"
)

// naive is a sender as one would write it first: it follows redirects, reads
// answers to their end, looks at no certificate and sends two notifications in a
// row.
func naive(change func(*http.Transport)) func(ctx context.Context, url string) {
	return func(ctx context.Context, url string) {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		tr.ForceAttemptHTTP2 = true
		if change != nil {
			change(tr)
		}
		defer tr.CloseIdleConnections()
		client := http.Client{Transport: tr}
		for _, body := range []string{`{"id":1}`, `{"id":2}`} {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
			if err != nil {
				return
			}
			req.Header.Set("Idempotency-Key", "makes net/http send again what a kept connection has swallowed")
			resp, err := client.Do(req)
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}
	}
}

// TestNaiveSendersAreCaught shows that the receivers see what a bad sender does:
// for each kind of fault at least one that commits it.
func TestNaiveSendersAreCaught(t *testing.T) {
	t.Parallel()
	s := start(t, hostile.Options{Patience: time.Second})
	var all sync.WaitGroup // beside each other: they mostly wait
	for _, c := range []struct {
		name  string
		send  func(ctx context.Context, url string)
		fault hostile.FaultKind
	}{
		{"redirect-302-other", naive(nil), hostile.Followed},
		{"redirect-303-itself", naive(nil), hostile.Followed},
		{"redirect-307-other", naive(nil), hostile.Followed},
		{"redirect-308-downgrade", naive(nil), hostile.Followed},
		{"reads-never-answers", naive(nil), hostile.HeldOn},
		{"accepts-never-reads", naive(nil), hostile.HeldOn},
		{"dripping-body", naive(nil), hostile.HeldOn},
		{"slow-headers", naive(nil), hostile.HeldOn},
		{"switch-101-upgrade", naive(nil), hostile.HeldOn},
		{"h2-silent", naive(nil), hostile.HeldOn},
		{"tls-stall", naive(func(tr *http.Transport) { tr.TLSHandshakeTimeout = 0 }), hostile.HeldOn},
		{"endless-body", naive(nil), hostile.TookAll},
		{"h2-endless-body", naive(nil), hostile.TookAll},
		{"headers-10mb", naive(func(tr *http.Transport) { tr.MaxResponseHeaderBytes = 20 << 20 }), hostile.TookAll},
		{"reuse-closed", naive(nil), hostile.Doubled},
		{"h2-goaway", naive(nil), hostile.Doubled},
		{"h2-refused-stream", naive(nil), hostile.Doubled},
		{"retry-after-429-seconds", naive(nil), hostile.TooEarly},
		{"tls-expired", naive(nil), hostile.Arrived},
		{"tls-1.0", naive(func(tr *http.Transport) { tr.TLSClientConfig.MinVersion = tls.VersionTLS10 }), hostile.Arrived},
		{"url-loopback", naive(nil), hostile.Arrived},
		{"url-idn-dots", naive(nil), hostile.Arrived},
		{"url-userinfo", naive(nil), hostile.Arrived},
	} {
		all.Go(func() {
			limit := 4 * time.Second // longer than it may hold on
			if c.fault == hostile.TookAll {
				limit = time.Minute // it ends before
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			c.send(ctx, url(s, c.name))
			wantFault(t, s.Report(c.name), c.fault)
		})
	}
	all.Wait()
}

func wantFault(t *testing.T, r hostile.Report, kind hostile.FaultKind) {
	t.Helper()
	for _, f := range r.Faults {
		if f.Kind == kind {
			return
		}
	}
	t.Errorf("%s: %d visits, faults %v, want one that is %q", r.Case.Name, len(r.Visits), r.Faults, kind)
}

// A sender that resolves, judges, and then lets somebody else resolve again is
// the one that rebinding is made for.
func TestRebindingCatches(t *testing.T) {
	s := start(t, hostile.Options{DNS: "127.0.0.1:0"})
	if probe, err := net.Listen("tcp", net.JoinHostPort(hostile.TrapAddress.String(), "0")); err != nil {
		t.Skip("this machine does not have all of 127.0.0.0/8:", err)
	} else {
		probe.Close()
	}
	resolver := s.Resolver()
	addrs, err := resolver.LookupNetIP(t.Context(), "ip4", "dns-rebinding.hostile.test")
	if err != nil || len(addrs) != 1 || addrs[0] != loopback.Addr() {
		t.Fatalf("%v, %v", addrs, err)
	}
	tr := &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}
	defer tr.CloseIdleConnections()
	if err := post(t.Context(), tr, url(s, "dns-rebinding")); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Report("dns-rebinding"), hostile.Arrived)
}

// A good sender has no fault where it makes no mistake, with the slow cases, too.
func TestGoodSenderHasNoFaults(t *testing.T) {
	t.Parallel()
	s := start(t, hostile.Options{Patience: time.Second})
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}, ForceAttemptHTTP2: true}
	tr.TLSClientConfig.RootCAs.AppendCertsFromPEM(s.CA())
	defer tr.CloseIdleConnections()
	var all sync.WaitGroup
	for _, name := range []string{"ok", "reads-never-answers", "accepts-never-reads", "never-reads-the-body", "h2-ok", "h2-silent", "tls-ok", "tls-unknown-ca", "idle-closed"} {
		all.Go(func() {
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_ = post(ctx, tr, url(s, name))
				cancel()
				waitUntilOver(s, name)
			}
			if r := s.Report(name); len(r.Faults) > 0 || !r.Tried() {
				t.Errorf("%s: %d visits, faults %v", name, len(r.Visits), r.Faults)
			}
		})
	}
	all.Wait()
}

// waitUntilOver waits until the receiver knows that the sender has left, and as
// long as two attempts are to be apart.
func waitUntilOver(s *hostile.Server, name string) {
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		<-every.C
		over := true
		for _, v := range s.Report(name).Visits {
			over = over && v.Ended && time.Since(v.Started.Add(v.Took)) > 1100*time.Millisecond
		}
		if over {
			return
		}
	}
}

// The gzip bomb is one: what it unpacks to is a thousand times what is sent. The
// others need a decoder that Go does not have.
func TestBombsExplode(t *testing.T) {
	s := start(t, hostile.Options{})
	for name, most := range map[string]int64{"bomb-gzip": 64 << 10, "bomb-br": 100, "bomb-zstd": 2 << 10} {
		resp, err := http.Post(url(s, name), "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		packed := resp.Body.(io.Reader)
		if name == "bomb-gzip" {
			if !resp.Uncompressed {
				t.Error("net/http did not see that it is gzip")
			}
			n, err := io.Copy(io.Discard, packed)
			if n != 48<<20 || err != nil {
				t.Errorf("unpacked to %d bytes, %v", n, err)
			}
			continue
		}
		if raw, err := io.ReadAll(packed); int64(len(raw)) > most || err != nil {
			t.Errorf("%s has %d bytes, %v", name, len(raw), err)
		}
	}
}

// Close ends every connection, whatever it is doing.
func TestCloseEndsEverything(t *testing.T) {
	s := start(t, hostile.Options{DNS: "127.0.0.1:0"})
	for _, name := range []string{"accepts-never-reads", "reads-never-answers", "slow-headers", "stalled-body", "tls-stall"} {
		conn, err := net.Dial("tcp", strings.Split(url(s, name), "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST /"+name+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	}
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if err := s.Close(); err != nil {
		t.Error("again:", err)
	}
}
