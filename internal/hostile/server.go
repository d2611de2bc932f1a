package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how a Server listens and for whom.
type Options struct {
	// Listen is address and port of the first listener. Others take the ports
	// after it, or any port if it is 0.
	Listen string
	// Host stands in the URLs, if it is not the address of Listen: the cases with
	// DNS need an address.
	Host string
	// DNS is address and port of the name server for the cases that need one;
	// empty: none. The port may be 0.
	DNS string
	// Patience is how long the sender gives one request; default Patience.
	Patience time.Duration
	// Cases are those to serve; default all.
	Cases []Case
	// Watch is called for every visit that has ended, from several goroutines.
	Watch func(Visit)
}

// Server is all receivers at once. Whatever a sender does, each connection ends:
// by time, by the bytes it gave or took, or by Close.
type Server struct {
	opt       Options
	host      string
	ip        netip.Addr
	cases     []Case
	trust     *authorities
	ordinary  *port // of the cases without a port of their own
	secure    *port // the same with TLS
	other     *port // where redirects to another host lead
	ports     map[string]*port
	listeners []*port
	names     net.PacketConn
	done      chan struct{}
	wg        sync.WaitGroup

	mu      sync.Mutex
	open    map[net.Conn]bool
	tallies map[string]*tally
}

// port is a listener and what speaks there.
type port struct {
	net.Listener
	of   *Case       // nil: the path of each request tells
	tls  *tls.Config // nil: none
	trap bool        // nobody may come here
}

// tally is what happened to one case. Nobody changes its visits but through the
// Server's lock.
type tally struct {
	visits    []*Visit
	requests  int
	elsewhere int // requests to where only a redirect or a forbidden address leads
	questions map[uint16]int
}

// TrapAddress is where the forbidden answers of the name server lead, on
// machines that have all of 127.0.0.0/8, on the port of the first listener.
var TrapAddress = netip.MustParseAddr("127.0.0.66")

// Start listens. The Server runs until it is closed.
func Start(opt Options) (*Server, error) {
	s := &Server{
		opt: opt, cases: opt.Cases, ports: map[string]*port{}, done: make(chan struct{}),
		open: map[net.Conn]bool{}, tallies: map[string]*tally{},
	}
	if s.opt.Patience == 0 {
		s.opt.Patience = Patience
	}
	if s.cases == nil {
		s.cases = Cases()
	}
	if err := s.listen(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) listen() error {
	address, first, err := net.SplitHostPort(s.opt.Listen)
	if err != nil {
		return err
	}
	next, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return fmt.Errorf("port %q: %w", first, err)
	}
	if s.ip, err = netip.ParseAddr(address); err != nil {
		return fmt.Errorf("listen at an IP address and a port: %w", err)
	}
	if s.host = s.opt.Host; s.host == "" {
		s.host = address
	}
	if ip, err := netip.ParseAddr(s.host); err == nil {
		s.ip = ip
	}
	if s.ip.IsUnspecified() && s.opt.Host == "" {
		return errors.New("which host is to stand in the URLs, when this listens everywhere?")
	}
	if s.trust, err = newAuthorities(s.host, s.ip); err != nil {
		return err
	}
	add := func(p *port) (err error) {
		if p.Listener, err = net.Listen("tcp", net.JoinHostPort(address, strconv.FormatUint(next, 10))); err != nil {
			return err
		}
		if next != 0 {
			next++
		}
		s.listeners = append(s.listeners, p)
		return nil
	}
	s.ordinary, s.other, s.secure = &port{}, &port{}, &port{tls: s.trust.good()}
	for _, p := range []*port{s.ordinary, s.other, s.secure} {
		if err := add(p); err != nil {
			return err
		}
	}
	for i := range s.cases {
		c := &s.cases[i]
		s.tallies[c.Name] = &tally{questions: map[uint16]int{}}
		if !c.own {
			continue
		}
		p := &port{of: c}
		switch {
		case c.cert != nil:
			p.tls = c.cert(s.trust)
		case c.streams != nil:
			p.tls = s.trust.good()
			p.tls.NextProtos = []string{"h2"}
		}
		if err := add(p); err != nil {
			return err
		}
		s.ports[c.Name] = p
	}
	if s.opt.DNS != "" {
		s.layTraps()
		if s.names, err = net.ListenPacket("udp", s.opt.DNS); err != nil {
			return err
		}
		s.wg.Go(func() { s.serveDNS(s.names) })
	}
	for _, p := range s.listeners {
		s.wg.Go(func() { s.run(p) })
	}
	return nil
}

// layTraps listens where the name server's forbidden answers lead. A machine
// that does not have these addresses cannot be caught there.
func (s *Server) layTraps() {
	for _, ip := range []netip.Addr{TrapAddress, netip.IPv6Loopback()} {
		if l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), portOf(s.ordinary))); err == nil {
			s.listeners = append(s.listeners, &port{Listener: l, trap: true})
		}
	}
}

// Close ends everything and waits for it.
func (s *Server) Close() error {
	s.mu.Lock()
	select {
	case <-s.done:
		s.mu.Unlock()
		s.wg.Wait()
		return nil
	default:
		close(s.done)
	}
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	if s.names != nil {
		errs = append(errs, s.names.Close())
	}
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return errors.Join(errs...)
}

// Cases are those that are served.
func (s *Server) Cases() []Case { return s.cases }

// URL is what to register with the sender for a case.
func (s *Server) URL(c Case) string {
	text := c.url
	if text == "" {
		text = c.Scheme + "://{addr}/{name}"
	}
	p := s.ports[c.Name]
	switch {
	case p != nil:
	case c.Scheme == "https":
		p = s.secure
	default:
		p = s.ordinary
	}
	text = strings.ReplaceAll(text, "{addr}", net.JoinHostPort(s.host, portOf(p)))
	text = strings.ReplaceAll(text, "{port}", portOf(p))
	return s.fill(text, c.Name)
}

// fill puts the addresses of the Server into a text.
func (s *Server) fill(text, name string) string {
	other := s.host
	if s.ip.IsLoopback() {
		other = "localhost" // really another host, by its name
	}
	return strings.NewReplacer(
		"{name}", name,
		"{host}", s.host,
		"{addr}", net.JoinHostPort(s.host, portOf(s.ordinary)),
		"{other}", net.JoinHostPort(other, portOf(s.other)),
	).Replace(text)
}

func portOf(p *port) string {
	_, port, _ := net.SplitHostPort(p.Addr().String())
	return port
}

// within is how long the sender may hold on in this case.
func (s *Server) within(c *Case) time.Duration {
	return time.Duration(int64(c.Within) * int64(s.opt.Patience/time.Millisecond) / int64(Patience/time.Millisecond))
}

// Resolver asks the Server's own name server.
func (s *Server) Resolver() *net.Resolver {
	at := s.DNS()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", at)
	}}
}

// DNS is address and port of the name server; empty: there is none.
func (s *Server) DNS() string {
	if s.names == nil {
		return ""
	}
	return s.names.LocalAddr().String()
}

// CA is the certificate, as PEM, that the sender is to trust: without it every
// case with TLS fails, and those that should be delivered, too.
func (s *Server) CA() []byte { return s.trust.pem() }

// run accepts connections until the Server is closed.
func (s *Server) run(p *port) {
	for {
		c, err := p.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.serve(p, c.(*net.TCPConn)) })
	}
}

// serve ends when the connection does, and not later than its deadline.
func (s *Server) serve(p *port, tcp *net.TCPConn) {
	c := &conn{Conn: tcp, tcp: tcp, srv: s}
	c.br = bufio.NewReader(c)
	if !s.keep(tcp) {
		return
	}
	defer s.drop(tcp)
	_ = tcp.SetWriteBuffer(64 << 10) // what it holds counts as taken
	c.extend()
	began := time.Now()
	switch {
	case p.of != nil && p.of.connect != nil:
		v := s.begin(p.of, c, nil)
		p.of.connect(v)
		s.end(v)
		return
	case p.tls != nil:
		t := tls.Server(tcp, p.tls)
		if err := t.Handshake(); err != nil {
			s.note(p.of, began, "no request: "+err.Error())
			return
		}
		c.Conn = t
		defer t.Close()
	}
	if p.of != nil && p.of.streams != nil {
		s.serveHTTP2(p.of, c)
	} else {
		s.serveHTTP(p, c)
	}
	if c.requests == 0 {
		s.note(p.of, began, "no request")
	}
}

// extend gives the connection time for one more request.
func (c *conn) extend() { _ = c.tcp.SetDeadline(time.Now().Add(3*c.srv.opt.Patience + 5*time.Second)) }

// keep notes a connection as open; drop closes it.
func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		_ = c.Close()
		return false
	default:
		s.open[c] = true
		return true
	}
}

func (s *Server) drop(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// serveHTTP serves requests as long as the cases let it.
func (s *Server) serveHTTP(p *port, c *conn) {
	for {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		c.extend()
		c.requests++
		name, rest, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
		of := p.of
		if of == nil {
			of = s.named(name)
		}
		switch {
		case of == nil:
			_, _ = io.WriteString(c, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 17\r\n\r\nthere is no case\n")
			return
		case p.trap || p == s.other || rest == "followed":
			s.elsewhere(of)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		v := s.begin(of, c, req)
		of.answer(v)
		s.end(v)
		if v.hangUp || req.Close {
			return
		}
	}
}

func (s *Server) named(name string) *Case {
	for i := range s.cases {
		if s.cases[i].Name == name {
			return &s.cases[i]
		}
	}
	return nil
}

// begin notes that a request has come. req is nil when its head was not read.
func (s *Server) begin(of *Case, c *conn, req *http.Request) *visit {
	v := &visit{conn: c, of: of, req: req, before: c.given.Load()}
	v.Case, v.Started = of.Name, time.Now()
	if req != nil {
		v.Method, v.Agent = req.Method, req.UserAgent()
	}
	c.requests = max(1, c.requests)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[of.Name]
	if of.connect != nil && of.MaxRequests == 0 {
		v.Note = "a connection"
	} else {
		t.requests++
		v.N = t.requests
	}
	v.stored = new(Visit)
	*v.stored = v.Visit
	t.visits = append(t.visits, v.stored)
	return v
}

// end notes that both sides are done with a request.
func (s *Server) end(v *visit) {
	v.Ended, v.Took, v.Taken = true, time.Since(v.Started), v.given.Load()-v.before
	if v.body != nil {
		v.digest = hex.EncodeToString(v.body.Sum(nil))
	}
	s.mu.Lock()
	*v.stored = v.Visit
	s.mu.Unlock()
	s.watch(v.Visit)
}

// note keeps what happened to a case without a request.
func (s *Server) note(of *Case, began time.Time, what string) {
	if of == nil {
		return
	}
	v := Visit{Case: of.Name, Started: began, Ended: true, Took: time.Since(began), Note: what}
	s.mu.Lock()
	t := s.tallies[of.Name]
	t.visits = append(t.visits, &v)
	s.mu.Unlock()
	s.watch(v)
}

func (s *Server) elsewhere(of *Case) {
	s.mu.Lock()
	s.tallies[of.Name].elsewhere++
	s.mu.Unlock()
	s.watch(Visit{Case: of.Name, Started: time.Now(), Ended: true, Note: "came to where it must not come"})
}

func (s *Server) watch(v Visit) {
	if s.opt.Watch != nil {
		s.opt.Watch(v)
	}
}
