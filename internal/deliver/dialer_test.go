package deliver

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
)

type lookupFunc = func(ctx context.Context, network, host string) ([]netip.Addr, error)

// answer is a resolver that knows one answer.
func answer(list ...string) lookupFunc {
	return func(context.Context, string, string) ([]netip.Addr, error) {
		var addrs []netip.Addr
		for _, s := range list {
			addrs = append(addrs, netip.MustParseAddr(s))
		}
		return addrs, nil
	}
}

// transportTo is NewTransport with another resolver.
func transportTo(t *testing.T, lookup lookupFunc, allow ...string) *http.Transport {
	t.Helper()
	var list []netip.Prefix
	for _, s := range allow {
		list = append(list, netip.MustParsePrefix(s))
	}
	d := newDialer(list)
	d.lookup = lookup
	tr := newTransport(d)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// post makes a request the way a delivery does and returns the whole answer.
func post(tr *http.Transport, url string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return nil, nil, err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// listen opens a listener on a loopback address that a test calls public or
// private by its allow-list.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8 on the loopback interface")
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// serveOn runs h on ln until the test ends.
func serveOn(t *testing.T, ln net.Listener, h http.HandlerFunc) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)
}

func portOf(ln net.Listener) string {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// wantUntouched fails if anybody has connected to ln. A connection of our own
// comes last in the accept queue, so it is the first only if it is alone.
func wantUntouched(t *testing.T, ln net.Listener) {
	t.Helper()
	own, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != own.LocalAddr().String() {
		t.Errorf("%s was connected to", ln.Addr())
	}
}

func wantRefused(t *testing.T, err error, rule string) {
	t.Helper()
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok {
		t.Fatalf("error %v, want a RefusedError", err)
	}
	if refused.Rule != rule || refused.Error() != rule || !strings.HasPrefix(rule, refused.Addr.String()+" ") {
		t.Errorf("refused %s by %q, want %q", refused.Addr, refused.Rule, rule)
	}
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

func TestTransportRefusesByDefault(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	port := portOf(ln)
	tr := NewTransport(nil)
	defer tr.CloseIdleConnections()
	for host, rule := range map[string]string{
		"127.0.0.1":            "127.0.0.1 is loopback (127.0.0.0/8)",
		"[::ffff:7f00:1]":      "127.0.0.1 is loopback (127.0.0.0/8)",
		"[::1]":                "::1 is loopback (::1/128)",
		"0.0.0.0":              "0.0.0.0 is this network (0.0.0.0/8)",
		"[::]":                 ":: is unspecified (::/128)",
		"169.254.169.254":      "169.254.169.254 is a cloud metadata service (169.254.169.254/32)",
		"[64:ff9b::a9fe:a9fe]": "64:ff9b::a9fe:a9fe is NAT64 (64:ff9b::/96) and leads to an IPv4 address: 169.254.169.254 is a cloud metadata service (169.254.169.254/32)",
		"[2002:7f00:1::]":      "2002:7f00:1:: is 6to4 (2002::/16) and leads to an IPv4 address: 127.0.0.1 is loopback (127.0.0.0/8)",
	} {
		t.Run(host, func(t *testing.T) {
			for _, scheme := range []string{"http", "https"} {
				_, _, err := post(tr, scheme+"://"+host+":"+port+"/hook")
				if err == nil {
					t.Fatal("accepted")
				}
				if isNoIPv6(err) {
					t.Skip("no IPv6 on this machine:", err)
				}
				wantRefused(t, err, rule)
			}
		})
	}
	wantUntouched(t, ln)
}

// isNoIPv6 says that the kernel would not even make a socket.
func isNoIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT)
}

func TestTransportAllowed(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	serveOn(t, ln, ok)
	tr := NewTransport([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	defer tr.CloseIdleConnections()
	for _, host := range []string{"127.0.0.1", "[::ffff:7f00:1]"} {
		resp, body, err := post(tr, "http://"+host+":"+portOf(ln)+"/hook")
		if err != nil || resp.StatusCode != 200 || string(body) != "ok" {
			t.Errorf("%s: %v, body %q, error %v", host, resp, body, err)
		}
	}
}

func TestTransportJudgesEveryAnswer(t *testing.T) {
	public := listen(t, "127.0.0.2:0")
	private := listen(t, "127.0.0.3:"+portOf(public))
	serveOn(t, public, ok)
	url := "http://shop.example:" + portOf(public) + "/hook"

	t.Run("a private one among several", func(t *testing.T) {
		tr := transportTo(t, answer("127.0.0.3", "::ffff:127.0.0.3", "127.0.0.2", "127.0.0.3"), "127.0.0.2/32")
		if _, body, err := post(tr, url); err != nil || string(body) != "ok" {
			t.Errorf("body %q, error %v", body, err)
		}
	})
	t.Run("only private ones", func(t *testing.T) {
		tr := transportTo(t, answer("127.0.0.3", "10.0.0.1"), "127.0.0.2/32")
		_, _, err := post(tr, url)
		wantRefused(t, err, "127.0.0.3 is loopback (127.0.0.0/8)")
	})
	t.Run("a private one and a dead one", func(t *testing.T) {
		tr := transportTo(t, answer("127.0.0.3", "127.0.0.4"), "127.0.0.4/32")
		_, _, err := post(tr, url)
		if _, refused := errors.AsType[*RefusedError](err); refused || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error %v, want the one of the address that may be dialled", err)
		}
	})
	wantUntouched(t, private)
}

// TestTransportRebinding uses a real resolver and a DNS server that changes its
// mind, as an attacker's does.
func TestTransportRebinding(t *testing.T) {
	public := listen(t, "127.0.0.2:0")
	private := listen(t, "127.0.0.3:"+portOf(public))
	serveOn(t, public, ok)
	var a atomic.Pointer[[4]byte]
	tr := transportTo(t, fakeDNS(t, &a), "127.0.0.2/32")
	url := "http://shop.example:" + portOf(public) + "/hook"

	a.Store(&[4]byte{127, 0, 0, 2})
	if _, body, err := post(tr, url); err != nil || string(body) != "ok" {
		t.Fatalf("body %q, error %v", body, err)
	}
	tr.CloseIdleConnections()
	a.Store(&[4]byte{127, 0, 0, 3})
	_, _, err := post(tr, url)
	wantRefused(t, err, "127.0.0.3 is loopback (127.0.0.0/8)")
	wantUntouched(t, private)

	a.Store(nil)
	_, _, err = post(tr, url)
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
		t.Errorf("error %v, want a DNSError that says not found", err)
	}
}

// fakeDNS answers every A question with *a, NXDOMAIN if there is none, and
// every other question with nothing.
func fakeDNS(t *testing.T, a *atomic.Pointer[[4]byte]) lookupFunc {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(dnsAnswer(buf[:n], a.Load()), from)
		}
	}()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	return r.LookupNetIP
}

// dnsAnswer writes an RFC 1035 message for the one question in q.
func dnsAnswer(q []byte, a *[4]byte) []byte {
	end := 12 + bytes.IndexByte(q[12:], 0) + 5 // the name, its type, its class
	isA := binary.BigEndian.Uint16(q[end-4:]) == 1
	msg := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	switch {
	case a == nil:
		msg[3] |= 3 // NXDOMAIN
	case isA:
		msg[7] = 1
		msg = append(msg, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		msg = append(msg, a[:]...)
	}
	return msg
}

func TestTransportIgnoresProxies(t *testing.T) {
	server, proxy := listen(t, "127.0.0.2:0"), listen(t, "127.0.0.1:0")
	serveOn(t, server, ok)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+proxy.Addr().String())
	}
	tr := transportTo(t, answer("127.0.0.2"), "127.0.0.0/8")
	if _, body, err := post(tr, "http://shop.example:"+portOf(server)+"/hook"); err != nil || string(body) != "ok" {
		t.Errorf("body %q, error %v", body, err)
	}
	wantUntouched(t, proxy)
	if tr.Proxy != nil { // net/http reads the environment once, maybe before this test
		t.Error("the transport asks for a proxy")
	}
}

func TestTransportDoesNotDecompress(t *testing.T) {
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, _ = zw.Write(make([]byte, 1<<20))
	zw.Close()
	ln := listen(t, "127.0.0.1:0")
	serveOn(t, ln, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Asked", r.Header.Get("Accept-Encoding"))
		_, _ = w.Write(zipped.Bytes())
	})
	tr := transportTo(t, answer("127.0.0.1"), "127.0.0.1/32")
	resp, body, err := post(tr, "http://shop.example:"+portOf(ln)+"/")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Asked") != "" || !bytes.Equal(body, zipped.Bytes()) {
		t.Errorf("asked for %q, got %d bytes, sent were %d", resp.Header.Get("Asked"), len(body), zipped.Len())
	}
}

// serveTLS returns a server for https://example.com and a transport that knows
// its certificate. Both may be changed before the first request.
func serveTLS(t *testing.T, config *tls.Config, http2 bool, h http.HandlerFunc) (tr *http.Transport, url string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = config
	srv.EnableHTTP2 = http2
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes that fail are ours
	srv.StartTLS()
	t.Cleanup(srv.Close)
	tr = transportTo(t, answer("127.0.0.1"), "127.0.0.1/32")
	tr.TLSClientConfig.RootCAs = x509.NewCertPool()
	tr.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
	return tr, "https://example.com:" + portOf(srv.Listener) + "/"
}

func TestTransportTLS(t *testing.T) {
	t.Run("HTTP/2, sessions are resumed", func(t *testing.T) {
		tr, url := serveTLS(t, nil, true, ok)
		for i := range 2 {
			resp, body, err := post(tr, url)
			if err != nil || string(body) != "ok" {
				t.Fatalf("body %q, error %v", body, err)
			}
			if resp.ProtoMajor != 2 || resp.TLS.DidResume != (i == 1) {
				t.Errorf("request %d: %s, resumed %v", i, resp.Proto, resp.TLS.DidResume)
			}
			tr.CloseIdleConnections()
		}
	})
	t.Run("TLS 1.2 is enough", func(t *testing.T) {
		tr, url := serveTLS(t, &tls.Config{MaxVersion: tls.VersionTLS12}, false, ok)
		if _, _, err := post(tr, url); err != nil {
			t.Error(err)
		}
	})
	t.Run("TLS 1.1 is not", func(t *testing.T) {
		tr, url := serveTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false, ok)
		if _, _, err := post(tr, url); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("unknown CA", func(t *testing.T) {
		tr, url := serveTLS(t, nil, false, ok)
		tr.TLSClientConfig.RootCAs = nil
		_, _, err := post(tr, url)
		if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown {
			t.Errorf("error %v", err)
		}
	})
	t.Run("wrong host", func(t *testing.T) {
		tr, url := serveTLS(t, nil, false, ok)
		_, _, err := post(tr, strings.Replace(url, "example.com", "shop.invalid", 1))
		if _, wrong := errors.AsType[x509.HostnameError](err); !wrong {
			t.Errorf("error %v", err)
		}
	})
}

func TestTransportBoundsHeaders(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for size, fits := range map[int]bool{32 << 10: true, 128 << 10: false, 10 << 20: false} {
			t.Run(fmt.Sprintf("http2=%v/%d", http2, size), func(t *testing.T) {
				tr, url := serveTLS(t, nil, http2, func(w http.ResponseWriter, _ *http.Request) {
					for range size / 1024 {
						w.Header().Add("X", strings.Repeat("x", 1000))
					}
				})
				if _, _, err := post(tr, url); (err == nil) != fits {
					t.Errorf("error %v, want accepted %v", err, fits)
				}
			})
		}
	}
}

// The rest runs in virtual time, without a network.

// step is what one address does when it is dialled, and how long that takes.
type step struct {
	after time.Duration
	err   error
}

var never = step{after: 1 << 62}

// script is a connect function that follows its steps and counts.
type script struct {
	steps  map[string]step // by host
	dialed atomic.Int32
	closed atomic.Int32
}

type countingConn struct {
	net.Conn
	closed *atomic.Int32
}

func (c countingConn) Close() error { c.closed.Add(1); return c.Conn.Close() }

func (s *script) connect(ctx context.Context, _, address string) (net.Conn, error) {
	s.dialed.Add(1)
	host, _, _ := net.SplitHostPort(address)
	st := s.steps[host]
	select {
	case <-time.After(st.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if st.err != nil {
		return nil, st.err
	}
	ours, theirs := net.Pipe()
	theirs.Close()
	return countingConn{ours, &s.closed}, nil
}

// dialTimed dials in virtual time and checks how long it took.
func dialTimed(t *testing.T, d *dialer, want time.Duration) (net.Conn, error) {
	t.Helper()
	start := time.Now()
	conn, err := d.dial(t.Context(), "tcp", "shop.example:443")
	if took := time.Since(start); took != want {
		t.Errorf("took %v, want %v", took, want)
	}
	return conn, err
}

func slowAnswer(after time.Duration, lookup lookupFunc) lookupFunc {
	return func(ctx context.Context, network, host string) ([]netip.Addr, error) {
		select {
		case <-time.After(after):
			return lookup(ctx, network, host)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestDialLimits(t *testing.T) {
	t.Run("DNS", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{}
			d := &dialer{slowAnswer(never.after, answer("192.0.2.1")), s.connect}
			if _, err := dialTimed(t, d, 3*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			if s.dialed.Load() != 0 {
				t.Error("dialled without an address")
			}
		})
	})
	t.Run("connect, all addresses together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: map[string]step{"192.0.2.1": never, "192.0.2.2": never}}
			d := &dialer{answer("192.0.2.1", "192.0.2.2"), s.connect}
			if _, err := dialTimed(t, d, 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("slow DNS takes nothing from connect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: map[string]step{"192.0.2.1": {after: 4900 * time.Millisecond}}}
			d := &dialer{slowAnswer(2900*time.Millisecond, answer("192.0.2.1")), s.connect}
			if _, err := dialTimed(t, d, 7800*time.Millisecond); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("TLS", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe() // nobody reads the other end
			defer theirs.Close()
			tr := newTransport(&dialer{answer("192.0.2.1"), func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
			start := time.Now()
			_, _, err := post(tr, "https://shop.example/")
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				t.Errorf("error %v", err)
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("the caller gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: map[string]step{"192.0.2.1": never, "192.0.2.2": never}}
			d := &dialer{answer("192.0.2.1", "192.0.2.2"), s.connect}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			if _, err := d.dial(ctx, "tcp", "shop.example:443"); err == nil {
				t.Error("connected")
			}
			if took := time.Since(start); took != 100*time.Millisecond || s.dialed.Load() != 1 {
				t.Errorf("took %v and %d connects", took, s.dialed.Load())
			}
		})
	})
}

func TestDialTriesTheNextAddress(t *testing.T) {
	broken := errors.New("broken")
	refused := &RefusedError{Addr: netip.MustParseAddr("10.0.0.1"), Rule: "10.0.0.1 is private (10.0.0.0/8)"}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		steps  []step // of 192.0.2.1, 192.0.2.2, ...
		took   time.Duration
		err    error
		dialed int32
		closed int32 // connections that came in second
	}{
		{"the first answers", []step{{}, {}}, 0, nil, 1, 0},
		{"the first fails", []step{{err: broken}, {}}, 0, nil, 2, 0},
		{"the first is refused", []step{{err: refused}, {}}, 0, nil, 2, 0},
		{"the first is silent", []step{never, {}}, 250 * ms, nil, 2, 0},
		{"two are silent", []step{never, never, {}, {}}, 500 * ms, nil, 3, 0},
		{"the first is slow, the second slower", []step{{after: 300 * ms}, {after: 100 * ms}}, 300 * ms, nil, 2, 0},
		{"the first fails late", []step{{after: 300 * ms, err: broken}, never, {after: 10 * ms}}, 310 * ms, nil, 3, 0},
		{"all are refused", []step{{err: refused}, {err: refused}}, 0, refused, 2, 0},
		{"refused and broken", []step{{err: refused}, {err: broken}, {err: refused}}, 0, broken, 3, 0},
		{"refused and silent", []step{{err: refused}, never}, 5 * time.Second, context.DeadlineExceeded, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: map[string]step{}}
				var addrs []string
				for i, st := range tt.steps {
					addr := fmt.Sprintf("192.0.2.%d", i+1)
					addrs = append(addrs, addr)
					s.steps[addr] = st
				}
				conn, err := dialTimed(t, &dialer{answer(addrs...), s.connect}, tt.took)
				if !errors.Is(err, tt.err) || (conn == nil) != (tt.err != nil) {
					t.Errorf("connection %v, error %v, want %v", conn, err, tt.err)
				}
				if s.dialed.Load() != tt.dialed || s.closed.Load() != tt.closed {
					t.Errorf("%d dialled, %d closed, want %d, %d", s.dialed.Load(), s.closed.Load(), tt.dialed, tt.closed)
				}
			})
		})
	}
}

// A connect may succeed in the moment in which another has won.
func TestDialClosesTheSecondConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		connect := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "192.0.2.1:") {
				<-ctx.Done() // only now it gets through
				ctx = context.WithoutCancel(ctx)
			}
			return s.connect(ctx, network, address)
		}
		conn, err := dialTimed(t, &dialer{answer("192.0.2.1", "192.0.2.2"), connect}, 250*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if s.dialed.Load() != 2 || s.closed.Load() != 1 {
			t.Errorf("%d connected, %d closed", s.dialed.Load(), s.closed.Load())
		}
		conn.Close()
		if s.closed.Load() != 2 {
			t.Error("the connection that was kept is the closed one")
		}
	})
}

func TestDialBoundsAnswers(t *testing.T) {
	var addrs []string
	for i := range 200 {
		addrs = append(addrs, fmt.Sprintf("10.0.0.%d", i))
	}
	s := &script{}
	d := newDialer(nil)
	connect := d.connect
	d.lookup = answer(addrs...)
	d.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		s.dialed.Add(1)
		return connect(ctx, network, address)
	}
	_, err := d.dial(t.Context(), "tcp", "shop.example:443")
	wantRefused(t, err, "10.0.0.0 is private (10.0.0.0/8)")
	if s.dialed.Load() != maxAddresses {
		t.Errorf("%d addresses dialled, want %d", s.dialed.Load(), maxAddresses)
	}
	d.lookup = answer()
	_, err = d.dial(t.Context(), "tcp", "shop.example:443")
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
		t.Errorf("no address: error %v, want a DNSError that says not found", err)
	}
}

// What may be registered and what may be dialled follow the same rule.
func TestTransportAgreesWithRegistration(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "10.0.0.1", "100.100.100.200", "192.168.1.1"} {
		_, registerErr := paybell.CheckNotificationsURL("http://"+host+"/", nil)
		_, _, err := post(transportTo(t, answer(host)), "http://"+host+"/")
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || registerErr == nil || !strings.Contains(registerErr.Error(), refused.Rule) {
			t.Errorf("%s: registered %v, dialled %v", host, registerErr, err)
		}
	}
}
