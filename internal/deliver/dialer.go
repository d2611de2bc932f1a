package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/paybell/paybell"
)

const (
	dnsLimit     = 3 * time.Second
	connectLimit = 5 * time.Second // for all addresses of a name together
	tlsLimit     = 5 * time.Second

	// nextAddressAfter is how long one address may keep silent before the next
	// is tried beside it (RFC 8305, section 5).
	nextAddressAfter = 250 * time.Millisecond

	// maxAddresses bounds what one hostile DNS answer can make us dial.
	maxAddresses = 32
)

// RefusedError says that no connection was opened because every address of the
// host is one that deliveries may not go to. Nothing was sent.
type RefusedError struct {
	Addr netip.Addr // the first address that was refused
	Rule string     // the rule against it, as paybell.JudgeAddress words it
}

func (e *RefusedError) Error() string { return e.Rule }

// NewTransport returns the transport for deliveries: it connects to nothing
// that paybell.JudgeAddress refuses. Every address is judged at the moment it
// is dialled, so a name that resolves differently from one time to the next
// gains nothing. allow is the operator's --allow-cidr list.
//
// Proxies named in the environment are not used: they would do the connecting,
// out of sight of the judge. Answers are never decompressed.
//
// DNS, connect and TLS have their limits here (dnsLimit, connectLimit,
// tlsLimit). The time for the whole request is the caller's to set, and so are
// the limits on the body and on requests in flight. A refusal is found with
// errors.As and *RefusedError.
func NewTransport(allow []netip.Prefix) *http.Transport {
	return newTransport(newDialer(allow))
}

func newTransport(d *dialer) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            d.dial,
		TLSHandshakeTimeout:    tlsLimit,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true, // our own dialer and TLS settings switch it off otherwise
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(1024),
		},
		// Requests share one HTTP/2 connection. When it dies without a word, the
		// ping ends it; else each request would wait for its own timeout on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// dialer resolves and connects. Its two functions are net.Resolver.LookupNetIP
// and net.Dialer.DialContext, apart from tests.
type dialer struct {
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

func newDialer(allow []netip.Prefix) *dialer {
	guarded := &net.Dialer{ControlContext: judge(allow)}
	return &dialer{lookup: net.DefaultResolver.LookupNetIP, connect: guarded.DialContext}
}

// judge returns the hook that net.Dialer calls between making a socket and
// connecting it. The address it gets is the one that the kernel will get.
func judge(allow []netip.Prefix) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("judge %q: %w", address, err)
		}
		err = paybell.JudgeAddress(ap.Addr(), allow)
		if err == nil {
			return nil
		}
		rule := err.Error()
		if e, ok := errors.AsType[*paybell.Error](err); ok {
			rule = e.Detail
		}
		return &RefusedError{Addr: ap.Addr(), Rule: rule}
	}
}

// dial is http.Transport's DialContext. The transport detaches ctx from the
// request, so that another request can use a connection that came too late for
// the first: the limits here are what ends a dial.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	return d.connectAny(ctx, network, addrs, port)
}

// resolve returns at least one address, in the order of the resolver's
// preference (RFC 6724). An IP address resolves to itself.
func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsLimit)
	defer cancel()
	addrs, err := d.lookup(ctx, "ip", host)
	if err != nil && ctx.Err() != nil { // the resolver says only that some deadline is over
		return nil, &net.DNSError{UnwrapErr: err, Err: "no answer", Name: host, IsTimeout: true}
	}
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

// connectAny connects to the first address that answers. The next address is
// tried when the one before has failed or keeps silent for nextAddressAfter. It
// returns when all its connects have ended, and keeps one connection at most.
func (d *dialer) connectAny(ctx context.Context, network string, addrs []netip.Addr, port string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	silence := time.NewTimer(nextAddressAfter)
	defer silence.Stop()

	var winner net.Conn
	var errs []error
	started, running := 0, 0
	start := func() {
		if started == len(addrs) || started > 0 && ctx.Err() != nil {
			return // none left, or somebody has won, or the time is over
		}
		address := net.JoinHostPort(addrs[started].String(), port)
		started++
		running++
		silence.Reset(nextAddressAfter)
		go func() {
			conn, err := d.connect(ctx, network, address)
			results <- result{conn, err}
		}()
	}
	for start(); running > 0; {
		select {
		case <-silence.C:
			start()
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				errs = append(errs, r.err)
				start()
			case winner != nil:
				_ = r.conn.Close() // came in second
			default:
				winner = r.conn
				cancel()
			}
		}
	}
	if winner != nil {
		return winner, nil
	}
	return nil, mostTelling(errs)
}

// mostTelling chooses the error to report: the first that is not a refusal,
// because then there was an address that we would have delivered to.
func mostTelling(errs []error) error {
	for _, err := range errs {
		if _, refused := errors.AsType[*RefusedError](err); !refused {
			return err
		}
	}
	return errs[0]
}
