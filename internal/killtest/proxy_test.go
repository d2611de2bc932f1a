package killtest

import (
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// proxy stands between a process and PostgreSQL. While it is cut nothing passes,
// in either direction, and nobody is told: a network that has fallen apart.
type proxy struct {
	dsn string // of the database, through it

	mu   sync.Mutex
	open chan struct{} // closed while it is not cut
}

func newProxy(t *testing.T, dsn string) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	query := u.Query()
	if dir := query.Get("host"); dir != "" {
		network, address = "unix", filepath.Join(dir, ".s.PGSQL."+query.Get("port"))
		query.Del("host")
		query.Del("port")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	p := &proxy{dsn: u.String(), open: make(chan struct{})}
	close(p.open)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.pass(t, client, network, address)
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	return p
}

// pass brings what comes from a client to the server, and back, until one of them
// has closed.
func (p *proxy) pass(t *testing.T, client net.Conn, network, address string) {
	defer client.Close() //nolint:errcheck // it is over
	p.wait(t)
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // it is over
	done := make(chan struct{}, 2)
	for _, way := range []struct{ from, to net.Conn }{{client, server}, {server, client}} {
		go func() {
			defer func() { done <- struct{}{} }()
			buf := make([]byte, 64<<10)
			for {
				n, err := way.from.Read(buf)
				p.wait(t)
				if n > 0 {
					if _, err := way.to.Write(buf[:n]); err != nil {
						return
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
	<-done
}

// wait returns when the proxy is not cut, or the test is over.
func (p *proxy) wait(t *testing.T) {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-open:
	case <-t.Context().Done():
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// heal lets pass what waits, and everything after it.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open)
}
