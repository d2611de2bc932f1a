package paybell

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
)

// cidrs makes an --allow-cidr list.
func cidrs(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// addressRule returns what JudgeAddress has against addr, "" for nothing.
func addressRule(t *testing.T, addr netip.Addr, allow []netip.Prefix) string {
	t.Helper()
	err := JudgeAddress(addr, allow)
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != Forbidden || e.Detail == "" {
		t.Fatalf("JudgeAddress(%s) = %#v, want a Forbidden error with a Detail", addr, err)
	}
	return e.Detail
}

// lastOf returns the highest address of p.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

// The list is copied from the page on hostile receivers, not from the code.
// before and after are parts of the rules against the neighbours; "" means that
// the neighbour is a public address, "-" that there is none.
var refusedRangeTests = []struct{ prefix, name, before, after string }{
	{"0.0.0.0/8", "this network", "-", ""},
	{"10.0.0.0/8", "private", "", ""},
	{"100.64.0.0/10", "shared address space", "", ""},
	{"127.0.0.0/8", "loopback", "", ""},
	{"169.254.0.0/16", "link-local", "", ""},
	{"172.16.0.0/12", "private", "", ""},
	{"192.0.0.0/24", "for IETF protocols", "", ""},
	{"192.0.2.0/24", "for documentation", "", ""},
	{"192.31.196.0/24", "AS112", "", ""},
	{"192.52.193.0/24", "AMT", "", ""},
	{"192.88.99.0/24", "6to4 relay", "", ""},
	{"192.168.0.0/16", "private", "", ""},
	{"192.175.48.0/24", "AS112", "", ""},
	{"198.18.0.0/15", "for benchmarks", "", ""},
	{"198.51.100.0/24", "for documentation", "", ""},
	{"203.0.113.0/24", "for documentation", "", ""},
	{"224.0.0.0/4", "multicast", "", "240.0.0.0/4"},
	{"240.0.0.0/4", "reserved", "224.0.0.0/4", "-"},

	{"::/128", "unspecified", "-", "::1/128"},
	{"::1/128", "loopback", "::/128", "::/96"},
	{"::2/127", "IPv4-compatible", "::1/128", "::/96"},
	{"::ffff:0:0:0/96", "IPv4-translated", "::/8", "::/8"},
	{"::1:0:0:0:0/80", "reserved", "::/8", "::/8"}, // a piece of ::/8 that nothing narrower names
	{"64:ff9b::/96", "NAT64", "::/8", "::/8"},
	{"64:ff9b:1::/48", "NAT64 for local use", "::/8", "::/8"},
	{"100::/64", "for discarding", "::/8", "2000::/3"},
	{"2001::/32", "Teredo", "", "2001::/23"},
	{"2001:2::/48", "for benchmarks", "2001::/23", "2001::/23"},
	{"2001:10::/28", "ORCHID", "2001::/23", "2001:20::/28"},
	{"2001:20::/28", "ORCHIDv2", "2001:10::/28", "2001::/23"},
	{"2001:40::/26", "for IETF protocols", "2001::/23", "2001::/23"},
	{"2001:100::/24", "for IETF protocols", "2001::/23", ""},
	{"2001:db8::/32", "for documentation", "", ""},
	{"2002::/16", "6to4", "", ""},
	{"2620:4f:8000::/48", "AS112", "", ""},
	{"3fff::/20", "for documentation", "", ""},
	{"4000::/3", "outside of global unicast", "", "2000::/3"},
	{"5f00::/16", "for segment routing", "2000::/3", "2000::/3"},
	{"fc00::/7", "private", "2000::/3", "2000::/3"},
	{"fe80::/10", "link-local", "2000::/3", "fec0::/10"},
	{"fec0::/10", "site-local", "fe80::/10", "ff00::/8"},
	{"ff00::/8", "multicast", "fec0::/10", "-"},
}

func TestJudgeAddressRanges(t *testing.T) {
	neighbour := func(t *testing.T, addr netip.Addr, want string) {
		t.Helper()
		if want == "-" {
			if addr.IsValid() && !addr.Is4In6() {
				t.Errorf("there is a neighbour %s", addr)
			}
			return
		}
		got := addressRule(t, addr, nil)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("neighbour %s: rule %q, want %q", addr, got, want)
		}
	}
	for _, tt := range refusedRangeTests {
		t.Run(tt.prefix, func(t *testing.T) {
			p := netip.MustParsePrefix(tt.prefix)
			first, last := p.Masked().Addr(), lastOf(p)
			for _, addr := range []netip.Addr{first, last} {
				rule := addressRule(t, addr, nil)
				if !strings.HasPrefix(rule, addr.String()+" is ") || !strings.Contains(rule, tt.name) {
					t.Errorf("%s: rule %q, want %q", addr, rule, tt.name)
				}
				if rule := addressRule(t, addr, cidrs(tt.prefix)); rule != "" && len(innerIPv4(addr)) == 0 {
					t.Errorf("%s is refused although its range is allowed: %s", addr, rule)
				}
			}
			neighbour(t, first.Prev(), tt.before)
			neighbour(t, last.Next(), tt.after)
		})
	}
}

func TestJudgeAddressText(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1":                     "127.0.0.1 is loopback (127.0.0.0/8)",
		"::ffff:7f00:1":                 "127.0.0.1 is loopback (127.0.0.0/8)",
		"fe80::1%eth0":                  "fe80::1 is link-local (fe80::/10)",
		"::7f00:1":                      "::7f00:1 is IPv4-compatible (::/96) and leads to an IPv4 address: 127.0.0.1 is loopback (127.0.0.0/8)",
		"64:ff9b::a9fe:a9fe":            "64:ff9b::a9fe:a9fe is NAT64 (64:ff9b::/96) and leads to an IPv4 address: 169.254.169.254 is a cloud metadata service (169.254.169.254/32)",
		"64:ff9b::808:808":              "64:ff9b::808:808 is NAT64 (64:ff9b::/96)",
		"2002:7f00:1::":                 "2002:7f00:1:: is 6to4 (2002::/16) and leads to an IPv4 address: 127.0.0.1 is loopback (127.0.0.0/8)",
		"2001:0:808:808:0:0:f5ff:fffe":  "2001:0:808:808::f5ff:fffe is Teredo (2001::/32) and leads to an IPv4 address: 10.0.0.1 is private (10.0.0.0/8)",
		"2001:0:a00:1:0:0:f7f7:f7f7":    "2001:0:a00:1::f7f7:f7f7 is Teredo (2001::/32) and leads to an IPv4 address: 10.0.0.1 is private (10.0.0.0/8)",
		"168.63.129.16":                 "168.63.129.16 is a cloud metadata service (168.63.129.16/32)",
		"8.8.8.8":                       "",
		"::ffff:8.8.8.8":                "",
		"2606:4700:4700::1111":          "",
		"2a00:1450:4001:82b::200e%eth0": "",
		"2001:200::1":                   "",
		"2003::1":                       "",
		"255.255.255.255":               "255.255.255.255 is reserved (240.0.0.0/4)",
		"fd12:3456:789a::1":             "fd12:3456:789a::1 is private (fc00::/7)",
		"::ffff:0:127.0.0.1":            "::ffff:0:7f00:1 is IPv4-translated (::ffff:0:0:0/96) and leads to an IPv4 address: 127.0.0.1 is loopback (127.0.0.0/8)",
		"2620:4f:8000::1":               "2620:4f:8000::1 is AS112 (2620:4f:8000::/48)",
		"6000::1":                       "6000::1 is outside of global unicast (2000::/3)",
	} {
		if got := addressRule(t, netip.MustParseAddr(addr), nil); got != want {
			t.Errorf("%s: rule %q, want %q", addr, got, want)
		}
	}
	if JudgeAddress(netip.Addr{}, cidrs("0.0.0.0/0", "::/0")) == nil {
		t.Error("the zero Addr is accepted")
	}
}

func TestJudgeAddressAllow(t *testing.T) {
	for _, tt := range []struct {
		addr  string
		allow []netip.Prefix
		ok    bool
	}{
		{"10.1.2.3", cidrs("10.1.0.0/16"), true},
		{"10.1.2.3", cidrs("10.1.2.99/16"), true}, // host bits set, as operators write it
		{"10.1.2.3", cidrs("192.168.0.0/16", "10.1.2.3/32"), true},
		{"10.1.2.3", cidrs("10.2.0.0/16"), false},
		{"::ffff:10.1.2.3", cidrs("10.0.0.0/8"), true},
		{"10.1.2.3", cidrs("::/0"), false},
		{"fd12::1", cidrs("0.0.0.0/0"), false},
		{"fd12::1", cidrs("fc00::/7"), true},
		{"fe80::1%eth0", cidrs("fe80::/10"), true},
		{"::1", cidrs("::1/128"), true},
		{"::1", cidrs("127.0.0.0/8"), false},

		{"169.254.169.254", cidrs("169.254.0.0/16"), false},
		{"169.254.169.254", cidrs("169.254.169.254/31"), false},
		{"169.254.169.254", cidrs("0.0.0.0/0"), false},
		{"169.254.169.254", cidrs("169.254.169.254/32"), true},
		{"169.254.169.254", cidrs("169.254.0.0/16", "169.254.169.254/32"), true},
		{"169.254.169.253", cidrs("169.254.0.0/16"), true},
		{"169.254.170.2", cidrs("169.254.0.0/16"), false},
		{"169.254.170.23", cidrs("169.254.0.0/16"), false},
		{"192.0.0.192", cidrs("192.0.0.0/24"), false},
		{"100.100.100.200", cidrs("100.64.0.0/10"), false},
		{"100.100.100.201", cidrs("100.64.0.0/10"), true},
		{"168.63.129.16", cidrs("168.63.0.0/16"), false},
		{"168.63.129.16", cidrs("168.63.129.16/32"), true},
		{"168.63.129.17", nil, true},
		{"fd00:ec2::254", cidrs("fc00::/7"), false},
		{"fd00:ec2::254", cidrs("fd00:ec2::254/128"), true},
		{"fd00:ec2::23", cidrs("fc00::/7"), false},
		{"fd20:ce::254", cidrs("fc00::/7"), false},

		// A gateway that operators allow must not become a way round the list.
		{"64:ff9b::808:808", cidrs("64:ff9b::/96"), true},
		{"64:ff9b::a00:1", cidrs("64:ff9b::/96"), false},
		{"64:ff9b::a00:1", cidrs("64:ff9b::/96", "10.0.0.0/8"), true},
		{"64:ff9b::a00:1", cidrs("10.0.0.0/8"), false},
		{"64:ff9b::a00:1", cidrs("64:ff9b::a00:1/128"), true},
		{"64:ff9b::a9fe:a9fe", cidrs("64:ff9b::/96", "169.254.0.0/16"), false},
		{"2002:808:808::1", cidrs("2002::/16"), true},
		{"2002:a9fe:a9fe::1", cidrs("2002::/16"), false},
		{"2001:0:808:808::f5ff:fffe", cidrs("2001::/32"), false},
		{"2001:0:808:808::f7f7:f7f7", cidrs("2001::/32"), true},
		{"::7f00:1", cidrs("::/0"), false},
	} {
		if rule := addressRule(t, netip.MustParseAddr(tt.addr), tt.allow); (rule == "") != tt.ok {
			t.Errorf("%s with %v: rule %q, want allowed %v", tt.addr, tt.allow, rule, tt.ok)
		}
	}
}

// TestJudgeAddressAgainstSSRF compares with a library that others rely on: what
// it refuses we refuse, and in IPv4 we refuse nothing else but metadata.
func TestJudgeAddressAgainstSSRF(t *testing.T) {
	guardian := ssrf.New()
	refused := 0
	compare := func(addr netip.Addr) {
		addr = addr.Unmap()
		if !addr.IsValid() {
			return
		}
		theirs, ours := guardian.SafeAddr(addr), JudgeAddress(addr, nil)
		if theirs != nil {
			refused++
		}
		if theirs != nil && ours == nil {
			t.Errorf("%s is accepted, but ssrf says: %v", addr, theirs)
		}
		if theirs == nil && ours != nil && addr != netip.MustParseAddr("168.63.129.16") {
			t.Errorf("ssrf accepts %s, but we say: %v", addr, ours)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(p netip.Prefix) netip.Addr {
		b, low := p.Masked().Addr().AsSlice(), lastOf(p).AsSlice()
		for i := range b {
			b[i] |= low[i] & byte(rnd.Uint32())
		}
		addr, _ := netip.AddrFromSlice(b)
		return addr
	}
	prefixes := append(cidrs("0.0.0.0/0", "::/0", "2000::/3", "2001::/16"), ssrf.IPv4DeniedPrefixes...)
	prefixes = append(prefixes, ssrf.IPv6DeniedPrefixes...)
	prefixes = append(prefixes, ssrf.IPv6NAT64Prefix)
	for _, tt := range refusedRangeTests {
		prefixes = append(prefixes, netip.MustParsePrefix(tt.prefix))
	}
	for _, p := range prefixes {
		first, last := p.Masked().Addr(), lastOf(p)
		for _, addr := range []netip.Addr{first, last, first.Prev(), last.Next()} {
			compare(addr)
		}
		for range 2000 {
			compare(random(p))
		}
	}
	for hi := range 1 << 16 { // the first address of every IPv4 /16
		compare(netip.AddrFrom4([4]byte{byte(hi >> 8), byte(hi)}))
	}
	if refused == 0 {
		t.Error("ssrf refused nothing: the comparison is empty")
	}
}

var acceptedURLTests = []struct{ raw, origin string }{
	{"https://shop.example/hook", "https://shop.example:443"},
	{"http://shop.example/hook", "http://shop.example:80"},
	{"https://shop.example", "https://shop.example:443"}, // sent with the path "/"
	{"https://shop.example/", "https://shop.example:443"},
	{"https://shop.example:443/", "https://shop.example:443"},
	{"http://shop.example:443/", "http://shop.example:443"},
	{"http://shop.example:1/", "http://shop.example:1"},
	{"http://shop.example:65535", "http://shop.example:65535"},
	{"https://shop.example/?", "https://shop.example:443"},
	{"https://shop.example/a?b", "https://shop.example:443"},
	{"https://shop.example/a//b/../c/./?b=c&d[]=e&d[]=f?", "https://shop.example:443"},
	{"https://shop.example//a", "https://shop.example:443"},
	{"https://shop.example/4%3A0xdac/%2f/%2F/%e4?x=%2f+%20", "https://shop.example:443"},
	{"https://shop.example/-._~!$&'()*+,;=:@[]?-._~!$&'()*+,;=:@/[]?", "https://shop.example:443"},
	{"https://shop.example/index.php?wc-api=WC_Gateway&clientId=1&event=Paid", "https://shop.example:443"},
	{"https://shop.example/a@b:c", "https://shop.example:443"},
	{"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example:443"},
	{"http://my_shop:8080/hook", "http://my_shop:8080"},
	{"http://a-b.c--d.e/", "http://a-b.c--d.e:80"},
	{"http://cafe.0xample/", "http://cafe.0xample:80"}, // ends in no number
	{"http://localhost.example/", "http://localhost.example:80"},
	{"https://8.8.8.8/", "https://8.8.8.8:443"},
	{"http://[2606:4700:4700::1111]/", "http://[2606:4700:4700::1111]:80"},
	{"http://[2606:4700:4700::1111]:8080/", "http://[2606:4700:4700::1111]:8080"},
	{"https://" + strings.Repeat("a", 63) + ".example/", "https://" + strings.Repeat("a", 63) + ".example:443"},
	{"https://shop.example/" + strings.Repeat("a", maxURLLength-21), "https://shop.example:443"},
}

func TestCheckNotificationsURLAccepts(t *testing.T) {
	for _, tt := range acceptedURLTests {
		origin, err := CheckNotificationsURL(tt.raw, nil)
		if err != nil || origin != tt.origin {
			t.Errorf("%s: origin %q, error %v, want %q", tt.raw, origin, err, tt.origin)
			continue
		}
		checkOnTheWire(t, tt.raw)
	}
}

var refusedURLTests = []struct{ raw, want string }{
	{"", "is missing"},
	{"https://shop.example/\xff", "is not valid UTF-8"},
	{"https://shop.example/" + strings.Repeat("a", maxURLLength-20), "is longer than 2000 characters"},
	{"shop.example/hook", "must start with https:// or http://"},
	{"//shop.example/hook", "must start with https:// or http://"},
	{"ftp://shop.example/", "must start with https:// or http://"},
	{"javascript://shop.example/", "must start with https:// or http://"},
	{" https://shop.example/", "must start with https:// or http://"},
	{"https:shop.example/", "must start with https:// or http://"},
	{"https:/shop.example/", "must start with https:// or http://"},
	{`https:\\shop.example\`, "must start with https:// or http://"},
	{"HTTPS://shop.example/", "write https://"},
	{"Http://shop.example/", "write http://"},
	{"https://shop.example/a b", "write %20"},
	{"https://shop.example/a ", "write %20"},
	{"https://shop.example/a\tb", "control characters"},
	{"https://shop.example/a\r\nX: y", "control characters"},
	{"https://shop.example\n/", "control characters"},
	{"https://shop.example/\x00", "control characters"},
	{"https://shop.example/\x7f", "control characters"},
	{"https://shop.example/\u0085", "control characters"},
	{"https://shop.example/\u2028", "write %E2%80%A8"},
	{"https://shop.example/caf\u00e9", "write %C3%A9"},
	{"https://shop.example/?q=\u00e9", "write %C3%A9"},
	{`https://shop.example/"`, "write %22"},
	{"https://shop.example/?a={b}", "write %7B"},
	{"https://shop.example/a|b", "write %7C"},
	{`https://shop.example/a\b`, "write %5C"},
	{"https://shop.example/?a=100%", "write %25"},
	{"https://shop.example/?a=%zz", "write %25"},
	{"https://shop.example/%4", "write %25"},
	{"https://shop.example/#", "fragment"},
	{"https://shop.example/a#b", "fragment"},
	{"https://shop.example#b", "fragment"},
	{"https://user:s3cret@shop.example/", "user name or password"},
	{"https://user@shop.example/", "user name or password"},
	{"https://@shop.example/", "user name or password"},
	{"https://shop.example:443@127.0.0.1/", "user name or password"},
	{"https://user:s3/cret@shop.example/", "cannot be read"},
	{"https://", "has no host"},
	{"https:///hook", "has no host"},
	{"https://:443/hook", "has no host"},
	{"https://?a", "has no host"},
	{"https://shop.example?a=b", "write a / before the ?"},
	{"https://shop.example?", "write a / before the ?"},
	{"https://shop.example:/", "has a colon but no port"},
	{"https://shop.example:0/", "port outside 1..65535"},
	{"https://shop.example:65536/", "port outside 1..65535"},
	{"https://shop.example:99999999999999999999/", "port outside 1..65535"},
	{"https://shop.example:0443/", "leading zeros: write 443"},
	{"https://shop.example:-1/", "cannot be read"},
	{"https://shop.example:http/", "cannot be read"},
	{"https://shop.example:80:443/", "cannot be read"},
	{"https://SHOP.example/", "lower case: write shop.example"},
	{"https://shop.example./", "dot at the end"},
	{"https://shop.example.:443/", "dot at the end"},
	{"https://b\u00fccher.example/", "xn--"},
	{"https://shop\u3002example/", "xn--"},
	{"https://shop\uff0eexample/", "xn--"},
	{"https://\u2460.example/", "xn--"},
	{"https://b%C3%BCcher.example/", "in its host"},
	{"https://sh%6fp.example/", "cannot be read"},
	{`https://shop.example\@127.0.0.1/`, "in its host"},
	{"https://shop example/", "in its host"},
	{"https://shop.example,other.example/", "in its host"},
	{"https://shop!example/", "in its host"},
	{"https://shop..example/", "an empty part"},
	{"https://.shop.example/", "an empty part"},
	{"https://-shop.example/", "hyphen"},
	{"https://shop-.example/", "hyphen"},
	{"https://" + strings.Repeat("a", 64) + ".example/", "longer than 63 characters"},
	{"https://" + strings.Repeat("a.", 127) + "example/", "longer than 253 characters"},

	{"http://localhost/", "is this machine"},
	{"http://localhost:8080/", "is this machine"},
	{"http://shop.localhost/", "is this machine"},
	{"http://LOCALHOST/", "lower case: write localhost"},
	{"http://localhost./", "dot at the end"},
	{"http://127.0.0.1/", "127.0.0.1 is loopback (127.0.0.0/8)"},
	{"http://10.1.2.3/", "--allow-cidr 10.1.2.3/32"},
	{"http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a cloud metadata service"},
	{"http://0.0.0.0/", "0.0.0.0 is this network"},
	{"http://127.1/", "four decimal numbers"},
	{"http://127.0.1/", "four decimal numbers"},
	{"http://127.0.0.1./", "dot at the end"},
	{"http://0x7f000001/", "four decimal numbers"},
	{"http://0X7F000001/", "lower case"},
	{"http://0x7f.0.0.1/", "four decimal numbers"},
	{"http://127.0.0.0x1/", "four decimal numbers"},
	{"http://127.0.0.0x/", "four decimal numbers"},
	{"http://2130706433/", "four decimal numbers"},
	{"http://017700000001/", "four decimal numbers"},
	{"http://0177.0.0.1/", "four decimal numbers"},
	{"http://127.0.0.01/", "four decimal numbers"},
	{"http://1.2.3.4.5/", "four decimal numbers"},
	{"http://256.1.1.1/", "four decimal numbers"},
	{"http://0/", "four decimal numbers"},
	{"http://shop.example.1/", "four decimal numbers"},
	{"http://\uff11\uff12\uff17.0.0.1/", "xn--"},
	{"http://[::1]/", "::1 is loopback (::1/128)"},
	{"http://[::1]:80/", "--allow-cidr ::1/128"},
	{"http://[::]/", ":: is unspecified"},
	{"http://[::ffff:7f00:1]/", "write 127.0.0.1"},
	{"http://[::ffff:127.0.0.1]/", "write 127.0.0.1"},
	{"http://[::ffff:8.8.8.8]/", "write 8.8.8.8"},
	{"http://[::7f00:1]/", "127.0.0.1 is loopback"},
	{"http://[64:ff9b::a9fe:a9fe]/", "169.254.169.254 is a cloud metadata service"},
	{"http://[64:ff9b::169.254.169.254]/", "write [64:ff9b::a9fe:a9fe]"},
	{"http://[2002:7f00:1::]/", "127.0.0.1 is loopback"},
	{"http://[fd00:ec2::254]/", "cloud metadata service"},
	{"http://[FD00:EC2::254]/", "write [fd00:ec2::254]"},
	{"http://[2606:4700:4700:0:0:0:0:1111]/", "write [2606:4700:4700::1111]"},
	{"http://[fe80::1%25eth0]/", "zone"},
	{"http://[fe80::1%eth0]/", "cannot be read"},
	{"http://[::1/", "cannot be read"},
	{"http://[]/", "cannot be read"},
	{"http://[127.0.0.1]/", "cannot be read"},
	{"http://[shop.example]/", "cannot be read"},
	{"http://[::1]evil/", "cannot be read"},
	{"http://::1/", "cannot be read"},
}

func TestCheckNotificationsURLRefuses(t *testing.T) {
	for _, tt := range refusedURLTests {
		origin, err := CheckNotificationsURL(tt.raw, nil)
		e, ok := errors.AsType[*Error](err)
		if !ok || origin != "" || e.Code != Invalid {
			t.Errorf("%q: origin %q, error %#v, want an Invalid error", tt.raw, origin, err)
			continue
		}
		if msg := e.Fields["notificationsUrl"]; !strings.Contains(msg, tt.want) {
			t.Errorf("%q: %q, want %q in it", tt.raw, msg, tt.want)
		}
		if strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: the error holds the password: %v", tt.raw, err)
		}
	}
}

func TestCheckNotificationsURLAllow(t *testing.T) {
	for _, tt := range []struct {
		raw   string
		allow []netip.Prefix
		ok    bool
	}{
		{"http://localhost:8080/", cidrs("127.0.0.1/32"), true},
		{"http://localhost:8080/", cidrs("127.0.0.0/8"), true},
		{"http://localhost:8080/", cidrs("::1/128"), true},
		{"http://shop.localhost/", cidrs("127.0.0.0/8"), true},
		{"http://localhost:8080/", cidrs("10.0.0.0/8", "127.0.0.2/32"), false},
		{"http://127.0.0.1:8080/", cidrs("127.0.0.0/8"), true},
		{"http://127.1:8080/", cidrs("127.0.0.0/8"), false}, // allowed, but not how it is written
		{"http://[::ffff:7f00:1]/", cidrs("127.0.0.0/8", "::/0"), false},
		{"http://[::1]/", cidrs("::1/128"), true},
		{"http://10.1.2.3/", cidrs("10.0.0.0/8"), true},
		{"http://10.1.2.3/", cidrs("10.2.0.0/16"), false},
		{"http://169.254.169.254/", cidrs("0.0.0.0/0"), false},
	} {
		if _, err := CheckNotificationsURL(tt.raw, tt.allow); (err == nil) != tt.ok {
			t.Errorf("%s with %v: %v, want accepted %v", tt.raw, tt.allow, err, tt.ok)
		}
	}
}

// The advice in a refusal must work: who follows it is not refused again.
func TestCheckNotificationsURLAdviceWorks(t *testing.T) {
	followed := 0
	for _, tt := range refusedURLTests {
		_, err := CheckNotificationsURL(tt.raw, nil)
		if err == nil {
			continue // reported by TestCheckNotificationsURLRefuses
		}
		_, cidr, ok := strings.Cut(err.Error(), "--allow-cidr ")
		if !ok {
			continue
		}
		followed++
		if _, err := CheckNotificationsURL(tt.raw, cidrs(cidr)); err != nil {
			t.Errorf("%s with --allow-cidr %s: %v", tt.raw, cidr, err)
		}
	}
	if followed == 0 {
		t.Error("no refusal mentions --allow-cidr")
	}
}

// checkOnTheWire sends a request for an accepted URL into a buffer and puts the
// URL together again the way a receiver does, from the request line and Host.
func checkOnTheWire(t *testing.T, raw string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, raw, nil)
	if err != nil {
		t.Fatalf("%q is accepted, but: %v", raw, err)
	}
	if req.URL.String() != raw {
		t.Errorf("%q becomes %q", raw, req.URL)
	}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatalf("%q is accepted, but cannot be sent: %v", raw, err)
	}
	line, _, _ := strings.Cut(wire.String(), "\r\n")
	target := strings.TrimSuffix(strings.TrimPrefix(line, "POST "), " HTTP/1.1")
	if target != req.URL.RequestURI() {
		t.Errorf("%q: sent %q, RequestURI says %q", raw, target, req.URL.RequestURI())
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatalf("%q is accepted, but cannot be received: %v", raw, err)
	}
	rebuilt := req.URL.Scheme + "://" + got.Host + got.RequestURI
	hostOnly := strings.Count(raw, "/") == 2
	if rebuilt != raw && !(hostOnly && rebuilt == raw+"/") {
		t.Errorf("%q arrives as %q", raw, rebuilt)
	}
}

func FuzzCheckNotificationsURL(f *testing.F) {
	for _, tt := range acceptedURLTests {
		f.Add(tt.raw)
	}
	for _, tt := range refusedURLTests {
		f.Add(tt.raw)
	}
	loopback := cidrs("127.0.0.0/8", "::1/128")
	f.Fuzz(func(t *testing.T, raw string) {
		origin, err := CheckNotificationsURL(raw, nil)
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if origin != "" || !ok || e.Code != Invalid || e.Fields["notificationsUrl"] == "" {
				t.Fatalf("%q: origin %q, error %#v", raw, origin, err)
			}
			if origin, err = CheckNotificationsURL(raw, loopback); err != nil {
				return
			}
		} else if again, err := CheckNotificationsURL(raw, loopback); err != nil || again != origin {
			t.Fatalf("%q: a longer allow-list changes the answer: %q, %v", raw, again, err)
		}
		if len(raw) > maxURLLength {
			t.Fatalf("accepted with %d bytes", len(raw))
		}
		if again, err := CheckNotificationsURL(origin, loopback); err != nil || again != origin {
			t.Fatalf("%q: the origin of its origin %q is %q, %v", raw, origin, again, err)
		}
		checkOnTheWire(t, raw)
	})
}
