package web

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// proxies are the proxies that the tests trust.
var proxies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("192.0.2.7/32"),
	netip.MustParsePrefix("2001:db8:ffff::/48"),
	netip.MustParsePrefix("fe80::/10"),
}

// forwarded is a request that comes from remote, with a line of X-Forwarded-For for
// each of lines.
func forwarded(remote string, lines ...string) *http.Request {
	r := &http.Request{RemoteAddr: remote, Header: http.Header{}}
	for _, line := range lines {
		r.Header.Add("X-Forwarded-For", line)
	}
	return r
}

func TestCaller(t *testing.T) {
	tests := map[string]struct {
		remote string
		lines  []string
		want   string
	}{
		"no proxy":                       {"203.0.113.1:5000", nil, "203.0.113.1"},
		"no proxy, spoofed":              {"203.0.113.1:5000", []string{"198.51.100.9"}, "203.0.113.1"},
		"no proxy, spoofed as a proxy":   {"203.0.113.1:5000", []string{"198.51.100.9, 10.0.0.1"}, "203.0.113.1"},
		"no proxy, but beside one":       {"192.0.2.8:5000", []string{"198.51.100.9"}, "192.0.2.8"},
		"no proxy, IPv6":                 {"[2001:db8::1]:5000", []string{"198.51.100.9"}, "2001:db8::1"},
		"no proxy, mapped":               {"[::ffff:203.0.113.1]:5000", []string{"198.51.100.9"}, "203.0.113.1"},
		"no proxy, zone":                 {"[fec0::1%eth0]:5000", nil, "fec0::1"},
		"a proxy that says nothing":      {"10.0.0.1:80", nil, "10.0.0.1"},
		"a proxy that says less":         {"10.0.0.1:80", []string{""}, "10.0.0.1"},
		"a proxy":                        {"10.0.0.1:80", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy, spoofed":               {"10.0.0.1:80", []string{"198.51.100.9, 203.0.113.1"}, "203.0.113.1"},
		"a proxy, spoofed as a chain":    {"10.0.0.1:80", []string{"198.51.100.9, 10.9.9.9, 203.0.113.1"}, "203.0.113.1"},
		"a proxy, spoofed by a line":     {"10.0.0.1:80", []string{"198.51.100.9", "203.0.113.1"}, "203.0.113.1"},
		"a proxy at one address":         {"192.0.2.7:80", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy, mapped":                {"[::ffff:10.0.0.1]:80", []string{"203.0.113.1"}, "203.0.113.1"},
		"a proxy, IPv6":                  {"[2001:db8:ffff::1]:80", []string{"2001:db8::1"}, "2001:db8::1"},
		"a proxy on the link":            {"[fe80::1%eth0]:80", []string{"203.0.113.1"}, "203.0.113.1"},
		"a chain":                        {"10.0.0.1:80", []string{"203.0.113.1, 192.0.2.7, 10.0.0.2"}, "203.0.113.1"},
		"a chain over lines":             {"10.0.0.1:80", []string{"198.51.100.9, 203.0.113.1", "192.0.2.7", "10.0.0.3,10.0.0.2"}, "203.0.113.1"},
		"a chain, mapped":                {"10.0.0.1:80", []string{"203.0.113.1, ::ffff:10.0.0.3, [::ffff:10.0.0.2]:80"}, "203.0.113.1"},
		"a chain on the link":            {"10.0.0.1:80", []string{"203.0.113.1, fe80::2%eth0, [fe80::3%eth0]:80"}, "203.0.113.1"},
		"a chain with a stranger":        {"10.0.0.1:80", []string{"203.0.113.1, 192.0.2.8, 10.0.0.2"}, "192.0.2.8"},
		"all are proxies":                {"10.0.0.1:80", []string{"10.0.0.4, 10.0.0.3", "10.0.0.2"}, "10.0.0.4"},
		"without spaces":                 {"10.0.0.1:80", []string{"203.0.113.1,10.0.0.2"}, "203.0.113.1"},
		"with many spaces":               {"10.0.0.1:80", []string{"  203.0.113.1\t ,\t 10.0.0.2  "}, "203.0.113.1"},
		"port":                           {"10.0.0.1:80", []string{"203.0.113.1:567"}, "203.0.113.1"},
		"IPv6 with what looks a port":    {"10.0.0.1:80", []string{"2001:db8::1:443"}, "2001:db8::1:443"},
		"IPv6 in brackets":               {"10.0.0.1:80", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv6 in brackets with port":     {"10.0.0.1:80", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		"a caller, mapped":               {"10.0.0.1:80", []string{"::ffff:203.0.113.1"}, "203.0.113.1"},
		"a caller, mapped, in brackets":  {"10.0.0.1:80", []string{"[::ffff:203.0.113.1]"}, "203.0.113.1"},
		"a caller with a zone":           {"10.0.0.1:80", []string{"fec0::1%eth0"}, "fec0::1"},
		"a caller with a zone and port":  {"10.0.0.1:80", []string{"[fec0::1%eth0]:443"}, "fec0::1"},
		"unknown":                        {"10.0.0.1:80", []string{"203.0.113.1, unknown"}, "10.0.0.1"},
		"unknown behind a chain":         {"10.0.0.1:80", []string{"203.0.113.1, unknown, 10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"unknown left of the caller":     {"10.0.0.1:80", []string{"unknown, 203.0.113.1"}, "203.0.113.1"},
		"unknown in a line of its own":   {"10.0.0.1:80", []string{"203.0.113.1", "unknown", "10.0.0.2"}, "10.0.0.2"},
		"obfuscated":                     {"10.0.0.1:80", []string{"203.0.113.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
		"nothing between commas":         {"10.0.0.1:80", []string{"203.0.113.1,,10.0.0.2"}, "10.0.0.2"},
		"nothing after the comma":        {"10.0.0.1:80", []string{"203.0.113.1,"}, "10.0.0.1"},
		"nothing before the comma":       {"10.0.0.1:80", []string{",10.0.0.2"}, "10.0.0.2"},
		"a comma":                        {"10.0.0.1:80", []string{","}, "10.0.0.1"},
		"an empty line":                  {"10.0.0.1:80", []string{"203.0.113.1", "", "10.0.0.2"}, "10.0.0.2"},
		"a name":                         {"10.0.0.1:80", []string{"localhost"}, "10.0.0.1"},
		"a port that is none":            {"10.0.0.1:80", []string{"203.0.113.1:_port"}, "10.0.0.1"},
		"a port that is too high":        {"10.0.0.1:80", []string{"203.0.113.1:65536"}, "10.0.0.1"},
		"brackets around IPv4":           {"10.0.0.1:80", []string{"[203.0.113.1]"}, "10.0.0.1"},
		"a bracket that is not closed":   {"10.0.0.1:80", []string{"[2001:db8::1"}, "10.0.0.1"},
		"a bracket that is not opened":   {"10.0.0.1:80", []string{"2001:db8::1]"}, "10.0.0.1"},
		"as RFC 7239 writes it":          {"10.0.0.1:80", []string{`for="203.0.113.1"`}, "10.0.0.1"},
		"a prefix":                       {"10.0.0.1:80", []string{"203.0.113.0/24"}, "10.0.0.1"},
		"a space of Unicode":             {"10.0.0.1:80", []string{"\u00a0203.0.113.1"}, "10.0.0.1"},
		"a connection without address":   {"@", []string{"203.0.113.1"}, "invalid IP"},
		"a connection without anything":  {"", []string{"203.0.113.1"}, "invalid IP"},
		"a connection without port":      {"10.0.0.1", []string{"203.0.113.1"}, "invalid IP"},
		"a connection from a name":       {"localhost:80", []string{"203.0.113.1"}, "invalid IP"},
		"a connection, no IPv6 brackets": {"2001:db8:ffff::1:80", []string{"203.0.113.1"}, "invalid IP"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Caller(forwarded(test.remote, test.lines...), proxies).String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Only X-Forwarded-For is read, however many proxies are trusted.
func TestCallerOfOtherHeaders(t *testing.T) {
	r := forwarded("10.0.0.1:80")
	for _, name := range []string{"Forwarded", "X-Real-Ip", "X-Forwarded", "X-Client-Ip"} {
		r.Header.Set(name, "203.0.113.1")
	}
	if got := Caller(r, proxies); got != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("got %s", got)
	}
}

// Whatever a client writes into the header, it cannot pass for another.
func FuzzCaller(f *testing.F) {
	for _, seed := range []string{
		"", "198.51.100.9", "198.51.100.9, 10.0.0.1", "10.0.0.1,10.0.0.2", "unknown", ",", ", ,", "[2001:db8::1]:443", "1.2.3.4:567",
		"::ffff:10.0.0.1", "fe80::1%eth0", "\"", "[", "10.0.0.1\n203.0.113.1", "fec0::1%a,10.0.0.1",
	} {
		f.Add("203.0.113.1", seed)
		f.Add("2001:db8::1", seed)
		f.Add("::ffff:203.0.113.1", seed)
		f.Add("10.0.0.9", seed)
	}
	f.Fuzz(func(t *testing.T, address, said string) {
		addr, err := netip.ParseAddr(address)
		if err != nil || addr.Zone() != "" {
			t.Skip("a proxy writes an address, and no zone")
		}
		remote, lines := netip.AddrPortFrom(addr, 5000).String(), strings.Split(said, "\n")
		addr = plain(addr)

		if got := Caller(forwarded(remote, lines...), nil); got != addr {
			t.Errorf("without trust, %q makes %s of %s", said, got, addr)
		}
		got := Caller(forwarded(remote, lines...), proxies)
		if !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("%q makes %s of %s, which is not plain", said, got, addr)
		}
		if isIn(proxies, addr) {
			return
		}
		if got != addr {
			t.Errorf("from a stranger, %q makes %s of %s", said, got, addr)
		}
		appended := append(lines[:len(lines)-1:len(lines)-1], lines[len(lines)-1]+", "+address)
		if got := Caller(forwarded("10.0.0.1:80", appended...), proxies); got != addr {
			t.Errorf("through a proxy, %q makes %s of %s", said, got, addr)
		}
		added := append(lines[:len(lines):len(lines)], address, "10.0.0.2")
		if got := Caller(forwarded("10.0.0.1:80", added...), proxies); got != addr {
			t.Errorf("through two proxies, %q makes %s of %s", said, got, addr)
		}
	})
}
