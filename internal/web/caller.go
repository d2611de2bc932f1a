package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Caller is the address that r comes from. Behind proxies that are trusted
// (prefixes given by the operator), it is the last one in X-Forwarded-For that is
// not such a proxy; without trust the header means nothing, since anybody can
// send it. What stands left of something that is not an address is not believed
// either: the proxy to its right is then the caller, as it is when the header is
// missing. A connection without an address, such as a Unix socket, gives the zero
// Addr.
func Caller(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	hop := plain(peer.Addr())
	left := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for isIn(trusted, hop) {
		comma := strings.LastIndexByte(left, ',')
		next, ok := parseHop(left[comma+1:])
		if !ok {
			break // also when nothing is left
		}
		hop, left = next, left[:max(comma, 0)]
	}
	return hop
}

// parseHop reads one element of X-Forwarded-For: an address, which some proxies
// write with a port and, if it is of IPv6, in brackets.
func parseHop(s string) (addr netip.Addr, ok bool) {
	s = strings.Trim(s, " \t")
	if addr, err := netip.ParseAddr(s); err == nil {
		return plain(addr), true
	}
	if strings.HasSuffix(s, "]") {
		s += ":0"
	}
	withPort, err := netip.ParseAddrPort(s)
	return plain(withPort.Addr()), err == nil
}

// plain is the one form of an address by which it can be compared: IPv4 is not
// dressed as IPv6, and there is no zone.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func isIn(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}
