package hostile

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

// domain holds the names of the cases: <case>.hostile.test.
const domain = "hostile.test"

// records is what the name server says to one question.
type records struct {
	addrs  []netip.Addr // those of the type that was asked for are given
	code   byte         // RCODE of RFC 1035
	silent bool
}

const (
	servFail = 2
	nxDomain = 3
)

func dnsCases() []Case {
	home := func(s *Server) netip.Addr { return s.ip }
	fixed := func(r records) func(*Server, int) records {
		return func(*Server, int) records { return r }
	}
	cases := []Case{
		{Name: "dns-ok", What: "has a name with one address: the control", Outcome: Delivered,
			names: func(s *Server, _ int) records { return records{addrs: []netip.Addr{home(s)}} }},
		{Name: "dns-nxdomain", What: "has a name that does not exist", Outcome: Failed, MaxRequests: none,
			names: fixed(records{code: nxDomain})},
		{Name: "dns-servfail", What: "has a name whose server fails", Outcome: Failed, MaxRequests: none,
			names: fixed(records{code: servFail})},
		{Name: "dns-timeout", What: "has a name whose server never answers", Outcome: Failed, MaxRequests: none,
			names: fixed(records{silent: true})},
		{Name: "dns-rebinding", What: "has a name with an acceptable address when it is asked first, and a forbidden one from then on",
			Outcome: Delivered, Notifications: 2,
			answer: sayAndClose(strings.Replace(ok, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)),
			names: func(s *Server, nth int) records {
				if nth == 1 {
					return records{addrs: []netip.Addr{home(s)}}
				}
				return records{addrs: []netip.Addr{TrapAddress}}
			}},
		{Name: "dns-several", What: "has a name with several addresses, of which one is acceptable and the others are not",
			Outcome: Delivered,
			names: func(s *Server, _ int) records {
				return records{addrs: []netip.Addr{TrapAddress, netip.IPv6Loopback(), home(s), netip.MustParseAddr("169.254.169.254")}}
			}},
		{Name: "dns-aaaa-only", What: "has a name with no address but ::1", Outcome: Refused,
			names: fixed(records{addrs: []netip.Addr{netip.IPv6Loopback()}})},
	}
	for i := range cases {
		cases[i].group = nameCase
		cases[i].url = "http://{name}." + domain + ":{port}/{name}"
	}
	return cases
}

// serveDNS answers questions until the Server is closed.
func (s *Server) serveDNS(pc net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if a := s.answerDNS(buf[:n]); a != nil {
			_, _ = pc.WriteTo(a, from)
		}
	}
}

const (
	typeA    = 1
	typeAAAA = 28
)

// answerDNS answers a message of RFC 1035 with one question; nil: not at all.
func (s *Server) answerDNS(q []byte) []byte {
	name, end := questionName(q)
	if end == 0 || q[2]&0x80 != 0 { // broken, or an answer itself
		return nil
	}
	kind := binary.BigEndian.Uint16(q[end-4:])
	r := s.records(name, kind)
	if r.silent {
		return nil
	}
	msg := append([]byte{q[0], q[1], 0x84, 0x80 | r.code, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	for _, a := range r.addrs {
		if a.Is4() != (kind == typeA) || a.Is6() != (kind == typeAAAA) {
			continue
		}
		msg[7]++
		msg = append(msg, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(a.BitLen()/8)) // to be kept for 0 s
		msg = append(msg, a.AsSlice()...)
	}
	return msg
}

// questionName reads the name of the first question, in lower case, and where
// the question ends; 0 if the message is broken.
func questionName(q []byte) (name string, end int) {
	if len(q) < 12 || binary.BigEndian.Uint16(q[4:]) != 1 {
		return "", 0
	}
	var labels []string
	at := 12
	for at < len(q) && q[at] != 0 {
		next := at + 1 + int(q[at])
		if q[at] > 63 || next >= len(q) {
			return "", 0
		}
		labels = append(labels, string(q[at+1:next]))
		at = next
	}
	if end = at + 5; end > len(q) {
		return "", 0
	}
	return strings.ToLower(strings.Join(labels, ".")), end
}

// records looks a name up and counts the question.
func (s *Server) records(name string, kind uint16) records {
	label, found := strings.CutSuffix(name, "."+domain)
	c := s.named(label)
	if !found || c == nil || c.names == nil {
		return records{code: nxDomain}
	}
	s.mu.Lock()
	t := s.tallies[c.Name]
	t.questions[kind]++
	nth := t.questions[kind]
	s.mu.Unlock()
	if kind == typeA {
		s.note(c, time.Now(), "asked for its address")
	}
	return c.names(s, nth)
}
