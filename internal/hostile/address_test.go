package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/hostile"
)

// post makes one request the way a delivery does.
func post(ctx context.Context, tr http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.GetBody = nil
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// rule is what an error says in our words, if it is a refusal.
func rule(err error) string {
	if refused, is := errors.AsType[*deliver.RefusedError](err); is {
		return refused.Rule
	}
	return ""
}

const loops = "127.0.0.1 is loopback (127.0.0.0/8)"

// addresses is what is said to each URL and name by an engine that allows
// nothing. The first is what the merchant hears who registers it, empty when
// only the address it resolves to is bad. The second is the rule against dialling
// it nevertheless, as from an old row; where there is none, no resolver of ours
// reads the host as an address, or there is no such port.
var addresses = map[string]struct{ registered, dialled string }{
	"url-short":         {"not written as an IPv4 address", ""},
	"url-hex":           {"not written as an IPv4 address", ""},
	"url-decimal":       {"not written as an IPv4 address", ""},
	"url-octal":         {"not written as an IPv4 address", ""},
	"url-loopback":      {loops, loops},
	"url-localhost":     {"is this machine", "is loopback"},
	"url-this-network":  {"is this network (0.0.0.0/8)", "is this network (0.0.0.0/8)"},
	"url-ipv6-loopback": {"::1 is loopback", "::1 is loopback"},
	"url-mapped":        {"IPv4 address written as IPv6: write 127.0.0.1", loops},
	"url-nat64":         {"169.254.169.254 is a cloud metadata service", "is NAT64 (64:ff9b::/96) and leads to an IPv4 address: 169.254.169.254"},
	"url-6to4":          {loops, "is 6to4 (2002::/16) and leads to an IPv4 address: " + loops},
	"url-metadata":      {"169.254.169.254 is a cloud metadata service", "169.254.169.254 is a cloud metadata service"},
	"url-trailing-dot":  {"dot at the end of its host", ""},
	"url-userinfo":      {"user name or password", loops},
	"url-idn-dots":      {`has '。' in its host`, loops},
	"url-idn-digits":    {`has '１' in its host`, loops},
	"url-port-0":        {"port outside 1..65535", loops},
	"url-port-65536":    {"port outside 1..65535", ""},
	"dns-ok":            {"", loops},
	"dns-nxdomain":      {"", ""},
	"dns-servfail":      {"", ""},
	"dns-timeout":       {"", ""},
	"dns-rebinding":     {"", loops},
	"dns-several":       {"", "is loopback"},
	"dns-aaaa-only":     {"", "::1 is loopback (::1/128)"},
}

// TestAddresses registers and dials every URL that must lead nowhere, without an
// allow-list: nothing may arrive, and the rule is named.
func TestAddresses(t *testing.T) {
	s := start(t, hostile.Options{DNS: "127.0.0.1:0"})
	tr := newTransport(t, s)
	t.Parallel()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CASE\tURL\tREGISTERED\tDIALLED")
	seen := 0
	for _, c := range s.Cases() {
		want, found := addresses[c.Name]
		if !found {
			if c.ByURL() || c.ByName() {
				t.Errorf("it is not said what is to become of %s", c.Name)
			}
			continue
		}
		seen++
		url := s.URL(c)
		_, err := paybell.CheckNotificationsURL(url, nil)
		if (err == nil) != (want.registered == "") || err != nil && !strings.Contains(err.Error(), want.registered) {
			t.Errorf("%s: registering said %v, want %q", c.Name, err, want.registered)
		}
		dialled := post(t.Context(), tr, url)
		got := rule(dialled)
		switch {
		case dialled == nil:
			t.Errorf("%s: dialled", c.Name)
		case noIPv6(dialled):
		case (got == "") != (want.dialled == ""), !strings.Contains(got, want.dialled):
			t.Errorf("%s: dialling said %v, want %q", c.Name, dialled, want.dialled)
		}
		if r := s.Report(c.Name); r.Requests > 0 || len(r.Faults) > 0 {
			t.Errorf("%s: %d requests arrived, %v", c.Name, r.Requests, r.Faults)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Name, url, short(said(err)), said(dialled))
	}
	_ = w.Flush()
	t.Logf("\n%s", table.String())
	if seen != len(addresses) {
		t.Errorf("%d of %d cases are served", seen, len(addresses))
	}
}

func said(err error) string {
	if e, is := errors.AsType[*paybell.Error](err); is {
		return e.Detail
	}
	if err == nil {
		return "accepted"
	}
	return err.Error()
}

// short cuts a text for the table.
func short(text string) string { return text[:min(len(text), 120)] }

// noIPv6 says that the machine cannot even try.
func noIPv6(err error) bool {
	return strings.Contains(err.Error(), "address family not supported")
}

// A name with nothing but an IPv6 address is delivered to, where that is allowed.
func TestIPv6Only(t *testing.T) {
	s := start(t, hostile.Options{DNS: "127.0.0.1:0"})
	tr := newTransport(t, s, netip.MustParsePrefix("::1/128"))
	t.Parallel()
	for _, c := range s.Cases() {
		if c.Name != "dns-aaaa-only" {
			continue
		}
		err := post(t.Context(), tr, s.URL(c))
		if err != nil && rule(err) == "" {
			t.Skip("no IPv6 on this machine:", err)
		}
		if r := s.Report(c.Name); err != nil || len(r.Faults) != 1 { // the fault: somebody came to ::1
			t.Errorf("error %v, faults %v", err, r.Faults)
		}
	}
}

// The networks that nobody may deliver to, their first and their last address;
// and the metadata services, which stay refused in an allowed network around
// them.
func TestEveryForbiddenNetwork(t *testing.T) {
	for _, network := range strings.Fields(`
		0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24
		192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		::/8 64:ff9b:1::/48 100::/64 2001::/32 2001:2::/48 2001:10::/28 2001:20::/28 2001:db8::/32 2002::/16 3fff::/20 5f00::/16
		fc00::/7 fe80::/10 fec0::/10 ff00::/8`) {
		p := netip.MustParsePrefix(network)
		for _, a := range []netip.Addr{p.Addr(), last(p)} {
			if err := paybell.JudgeAddress(a, nil); err == nil {
				t.Errorf("%s of %s is let through", a, p)
			}
			if mapped := netip.AddrFrom16(a.As16()); a.Is4() && paybell.JudgeAddress(mapped, nil) == nil {
				t.Errorf("%s of %s is let through", mapped, p)
			}
		}
	}
	for _, metadata := range []string{"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"} {
		a := netip.MustParseAddr(metadata)
		around, _ := a.Prefix(a.BitLen() - 8)
		if err := paybell.JudgeAddress(a, []netip.Prefix{around}); err == nil || !strings.Contains(err.Error(), "metadata") {
			t.Errorf("%s in the allowed %s: %v", a, around, err)
		}
	}
	for _, carrier := range []string{"64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:0:808:808::80ff:fffe", "::127.0.0.1"} {
		a := netip.MustParseAddr(carrier)
		around, _ := a.Prefix(16)
		if err := paybell.JudgeAddress(a, []netip.Prefix{around}); err == nil || !strings.Contains(err.Error(), "127.0.0.1 is loopback") {
			t.Errorf("%s in the allowed %s: %v", a, around, err)
		}
	}
}

func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// The environment is read once per process, so a process of its own is started
// with proxy variables in it. One that asks for the proxy shows that the test
// would see it.
func TestProxyVariables(t *testing.T) {
	s := start(t, hostile.Options{DNS: "127.0.0.1:0"})
	for _, asks := range []bool{false, true} {
		proxy, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		came := make(chan bool, 1)
		go func() {
			conn, err := proxy.Accept()
			if err == nil {
				conn.Close()
			}
			came <- err == nil
		}()
		child := exec.Command(os.Args[0], "-test.run", "^TestProxyChild$")
		child.Env = append(os.Environ(), "HOSTILE_DNS="+s.DNS(), "HOSTILE_URL="+url(s, "dns-ok"), fmt.Sprintf("HOSTILE_ASKS=%v", asks))
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
			child.Env = append(child.Env, name+"=http://"+proxy.Addr().String())
		}
		child.Env = append(child.Env, "NO_PROXY=", "no_proxy=")
		before := s.Report("dns-ok").Requests
		if text, err := child.CombinedOutput(); err != nil && !asks {
			t.Errorf("%v\n%s", err, text)
		}
		proxy.Close()
		if arrived := s.Report("dns-ok").Requests - before; <-came != asks || (arrived == 1) == asks {
			t.Errorf("asks for the proxy %v: %d requests arrived, or the proxy was used", asks, arrived)
		}
	}
}

func TestProxyChild(t *testing.T) {
	at := os.Getenv("HOSTILE_DNS")
	if at == "" {
		t.Skip("runs in TestProxyVariables")
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", at)
	}}
	tr := deliver.NewTransport([]netip.Prefix{loopback})
	if os.Getenv("HOSTILE_ASKS") == "true" {
		tr.Proxy = http.ProxyFromEnvironment
	}
	if err := post(t.Context(), tr, os.Getenv("HOSTILE_URL")); err != nil {
		t.Error(err)
	}
}

// url is the URL of a case by its name.
func url(s *hostile.Server, name string) string {
	for _, c := range s.Cases() {
		if c.Name == name {
			return s.URL(c)
		}
	}
	panic("no case " + name)
}
