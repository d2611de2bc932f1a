package paybell

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An endpoint is one merchant server: scheme, host and port of a webhook's URL.
// This file says which URLs may be registered and which addresses a delivery
// may go to. The first is asked once and is a courtesy: the merchant hears at
// once what could never work. The second is asked again for every connection,
// because what a name resolves to is the merchant's choice and may change.

// maxURLLength is in characters; an accepted URL is ASCII, so also in bytes.
const maxURLLength = 2000

// CheckNotificationsURL says whether a webhook may be registered with the URL
// raw, and which endpoint that is: origin is "scheme://host:port", always with
// the port.
//
// The registered text is what is signed, byte for byte, so it must be exactly
// what goes over the wire: a URL that would be sent in another spelling is
// refused, and the error says what to write instead. One exception: a URL that
// ends with its host ("https://shop.example") is accepted although HTTP asks
// for the path "/". The text without the slash is signed, and receivers verify
// with the URL they have configured.
//
// Hosts that are IP addresses are judged at once (see JudgeAddress; allow is
// the operator's --allow-cidr list). Names are not resolved here.
//
// The error is an Invalid one for the field notificationsUrl. It names the host
// at most: paths and queries of webhook URLs often hold tokens.
func CheckNotificationsURL(raw string, allow []netip.Prefix) (origin string, err error) {
	if err := checkURLText(raw); err != nil {
		return "", err
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text may quote a password, so it is not passed on
		return "", badURL("cannot be read: check the host and the port; an IPv6 address stands in brackets, a port is a number after one colon")
	case u.User != nil:
		return "", badURL("must not hold a user name or password: put a token into the path or the query")
	case u.Hostname() == "":
		return "", badURL("has no host: write https://shop.example/path")
	}
	port, err := checkURLPort(u)
	if err != nil {
		return "", err
	}
	if err := checkURLHost(u, allow); err != nil {
		return "", err
	}
	if err := checkWireForm(u, raw); err != nil {
		return "", err
	}
	return u.Scheme + "://" + strings.TrimSuffix(u.Host, ":"+u.Port()) + ":" + port, nil
}

func badURL(format string, args ...any) error {
	return InvalidField("notificationsUrl", format, args...)
}

// checkURLText looks at the characters alone. Everything it lets through is
// ASCII that RFC 3986 allows in a URL, and "[" and "]" in the query, which PHP
// shops write.
func checkURLText(raw string) error {
	switch {
	case raw == "":
		return badURL("is missing: write https://shop.example/path")
	case !utf8.ValidString(raw):
		return badURL("is not valid UTF-8: percent-encode the bytes that are not ASCII")
	case utf8.RuneCountInString(raw) > maxURLLength:
		return badURL("is longer than %d characters", maxURLLength)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	switch lower := strings.ToLower(scheme); {
	case !ok || lower != "http" && lower != "https":
		return badURL("must start with https:// or http://")
	case scheme != lower:
		return badURL("must have its scheme in lower case: write %s://", lower)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if err := checkURLRunes(rest[:end], true); err != nil {
		return err
	}
	return checkURLRunes(rest[end:], false)
}

func checkURLRunes(s string, inHost bool) error {
	for i, r := range s {
		switch {
		case r == '#':
			return badURL("must not have a fragment: leave out everything from the # on; a # that belongs to the path or query is written %%23")
		case r == '%' && !inHost && !isPercentEscape(s[i:]):
			return badURL("has a %% that starts no percent-escape: write %%25 for the character %%")
		case isURLChar(r):
		case unicode.IsControl(r):
			return badURL("must not hold control characters")
		case inHost:
			return badURL("has %q in its host, which may hold a-z, 0-9, '-', '_' and '.': write an international name in its ASCII form, which begins with xn--", r)
		default:
			return badURL("has %q unescaped, but must be written as it is sent: write %s", r, url.PathEscape(string(r)))
		}
	}
	return nil
}

func isURLChar(r rune) bool {
	return isASCIIAlnum(r) || r < utf8.RuneSelf && strings.ContainsRune("-._~:/?[]@!$&'()*+,;=%", r)
}

func isASCIIAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func isPercentEscape(s string) bool {
	if len(s) < 3 {
		return false
	}
	_, err := hex.DecodeString(s[1:3])
	return err == nil
}

// checkURLPort returns the port in decimal, the scheme's own if none is written.
func checkURLPort(u *url.URL) (string, error) {
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "", badURL("has a colon but no port: write the port, or leave the colon out")
		}
		if u.Scheme == "http" {
			return "80", nil
		}
		return "443", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", badURL("has a port outside 1..65535")
	}
	if canonical := strconv.FormatUint(n, 10); port != canonical {
		return "", badURL("has a port with leading zeros: write %s", canonical)
	}
	return port, nil
}

// checkWireForm compares the text with what net/http makes of it. The checks
// before leave it little to find, but a difference here would mean a signature
// that no receiver can verify.
func checkWireForm(u *url.URL, raw string) error {
	sent := u.Scheme + "://" + u.Host + u.RequestURI()
	switch {
	case u.Path == "" && (u.RawQuery != "" || u.ForceQuery):
		return badURL("has a query but no path, and would be sent with one: write a / before the ?")
	case u.String() != raw, sent != raw && sent != raw+"/":
		return badURL("would be sent in another spelling than it is written: percent-encode everything in path and query that is not a letter, a digit or one of - . _ ~")
	}
	return nil
}

func checkURLHost(u *url.URL, allow []netip.Prefix) error {
	host := u.Hostname()
	switch {
	case strings.HasPrefix(u.Host, "["):
		return checkIPv6Literal(host, allow)
	case strings.HasSuffix(host, "."):
		return badURL("has a dot at the end of its host: leave it out")
	case strings.ToLower(host) != host:
		return badURL("must have its host in lower case: write %s", strings.ToLower(host))
	case endsInNumber(host):
		return checkIPv4Literal(host, allow)
	}
	if err := checkHostName(host); err != nil {
		return err
	}
	if isLocalhost(host) && !allowsLoopback(allow) {
		return badURL("points to %s, which is this machine: deliveries go to public addresses only, unless the operator of Paybell allows it with --allow-cidr 127.0.0.1/32", host)
	}
	return nil
}

// checkHostName follows the rules that Go's resolver has for names: letters,
// digits, hyphens and, for names inside a LAN or a compose file, underscores.
func checkHostName(host string) error {
	if len(host) > 253 {
		return badURL("has a host longer than 253 characters, which no DNS name is")
	}
	for label := range strings.SplitSeq(host, ".") {
		switch {
		case label == "":
			return badURL("has an empty part in its host: write one dot between two parts and none at the start")
		case len(label) > 63:
			return badURL("has a part of its host longer than 63 characters, which no DNS name has")
		case label[0] == '-' || label[len(label)-1] == '-':
			return badURL("has a part of its host that starts or ends with a hyphen, which no DNS name has")
		}
	}
	for _, r := range host {
		if !isASCIIAlnum(r) && !strings.ContainsRune("-_.", r) {
			return badURL("has %q in its host, which may hold a-z, 0-9, '-', '_' and '.'", r)
		}
	}
	return nil
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func allowsLoopback(allow []netip.Prefix) bool {
	return JudgeAddress(netip.AddrFrom4([4]byte{127, 0, 0, 1}), allow) == nil ||
		JudgeAddress(netip.IPv6Loopback(), allow) == nil
}

// endsInNumber is the WHATWG URL standard's test for a host that some resolver
// would read as an IPv4 address: its last part is decimal, octal or hex.
// 127.1, 0x7f000001 and 2130706433 are all 127.0.0.1 to the C library.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hexDigits, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hexDigits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func checkIPv4Literal(host string, allow []netip.Prefix) error {
	addr, err := netip.ParseAddr(host) // takes no leading zeros, no hex, nothing but four numbers
	if err != nil {
		return badURL("has a number as its host that is not written as an IPv4 address: write four decimal numbers, like 192.0.2.7")
	}
	return checkLiteral(addr, allow)
}

func checkIPv6Literal(host string, allow []netip.Prefix) error {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return badURL("has no IPv6 address between the brackets of its host")
	case addr.Zone() != "":
		return badURL("has an IPv6 zone in its host, which means something on one machine only: write the address without it")
	case addr.Is4In6():
		return badURL("has an IPv4 address written as IPv6: write %s", addr.Unmap())
	case addr.String() != host:
		return badURL("has an IPv6 address that is not in its short form: write [%s]", addr)
	}
	return checkLiteral(addr, allow)
}

func checkLiteral(addr netip.Addr, allow []netip.Prefix) error {
	err := JudgeAddress(addr, allow)
	if err == nil {
		return nil
	}
	rule := err.Error()
	if e, ok := errors.AsType[*Error](err); ok {
		rule = e.Detail
	}
	return badURL("points to an address that deliveries may not go to: %s. Use a public address, or ask the operator of Paybell to allow it with --allow-cidr %s/%d", rule, addr, addr.BitLen())
}

// JudgeAddress returns nil when a delivery may go to addr, else a Forbidden
// error whose Detail names the rule: "127.0.0.1 is loopback (127.0.0.0/8)".
//
// Everything that is not on the public internet is refused: the IANA special
// purpose registries, and all IPv6 outside of global unicast. allow is the
// operator's --allow-cidr list; a prefix in it that contains the address allows
// it, with two exceptions, where the operator has surely not thought of this
// address when allowing a network around it:
//
//   - the metadata services of the clouds, which hand out credentials;
//   - IPv6 addresses that carry an IPv4 address to which a gateway passes the
//     packets on (NAT64, 6to4, Teredo): the IPv4 address must be allowed, too.
//
// A prefix that is the address alone (/32, /128) allows these as well. Mapped
// addresses (::ffff:127.0.0.1) are judged as the IPv4 address they are, and
// only by IPv4 prefixes; a zone is ignored.
func JudgeAddress(addr netip.Addr, allow []netip.Prefix) error {
	addr = addr.WithZone("").Unmap() // with a zone, no prefix would contain it
	if rule := refusal(addr, allow); rule != "" {
		return Errorf(Forbidden, "%s", rule)
	}
	return nil
}

// refusal returns the rule against addr, "" if there is none.
func refusal(addr netip.Addr, allow []netip.Prefix) string {
	if !addr.IsValid() {
		return "this is not an IP address"
	}
	named, covered := allows(allow, addr)
	if named {
		return ""
	}
	for _, m := range metadataAddresses {
		if addr == m {
			return fmt.Sprintf("%s is a cloud metadata service (%s/%d)", addr, addr, addr.BitLen())
		}
	}
	inner := innerRefusal(addr, allow)
	if covered && inner == "" {
		return ""
	}
	rule := rangeRefusal(addr)
	if rule == "" || inner == "" {
		return rule
	}
	return rule + " and leads to an IPv4 address: " + inner
}

// allows says whether the list names addr alone, and whether it covers it at all.
func allows(list []netip.Prefix, addr netip.Addr) (named, covered bool) {
	for _, p := range list {
		if p.Contains(addr) {
			covered = true
			named = named || p.IsSingleIP()
		}
	}
	return named, covered
}

func rangeRefusal(addr netip.Addr) string {
	for _, r := range refusedRanges {
		if r.prefix.Contains(addr) {
			return fmt.Sprintf("%s is %s (%s)", addr, r.name, r.prefix)
		}
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return fmt.Sprintf("%s is outside of global unicast (%s)", addr, globalUnicast)
	}
	return ""
}

// innerRefusal returns the rule against the first IPv4 address inside addr that
// has one. Such a rule always comes with one of refusedRanges against addr.
func innerRefusal(addr netip.Addr, allow []netip.Prefix) string {
	for _, v4 := range innerIPv4(addr) {
		if rule := refusal(v4, allow); rule != "" {
			return rule
		}
	}
	return ""
}

// innerIPv4 takes the IPv4 addresses out of an IPv6 address that carries some.
func innerIPv4(addr netip.Addr) []netip.Addr {
	if !addr.Is6() || addr == netip.IPv6Unspecified() || addr == netip.IPv6Loopback() {
		return nil
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr), v4Compatible.Contains(addr), v4Translated.Contains(addr):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:16]))}
	case sixToFour.Contains(addr):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case teredo.Contains(addr): // RFC 4380: the server, and the client with its bits flipped
		client := [4]byte{^b[12], ^b[13], ^b[14], ^b[15]}
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4(client)}
	}
	return nil
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	v4Compatible  = netip.MustParsePrefix("::/96")
	v4Translated  = netip.MustParsePrefix("::ffff:0:0:0/96")
	sixToFour     = netip.MustParsePrefix("2002::/16")
	teredo        = netip.MustParsePrefix("2001::/32")
)

// metadataAddresses are where clouds answer machines with credentials, without
// asking who they are. All but one lie in ranges that operators have reasons to
// allow for a LAN.
var metadataAddresses = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Google, Azure, DigitalOcean, Hetzner, ...
	netip.MustParseAddr("169.254.170.2"),   // AWS ECS: credentials of a task
	netip.MustParseAddr("169.254.170.23"),  // AWS EKS: credentials of a pod
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure's host; a public address to everybody else
	netip.MustParseAddr("192.0.0.192"),     // Oracle, the old one
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // AWS EKS
	netip.MustParseAddr("fd20:ce::254"),    // Google
}

// refusedRanges follow the IANA special purpose address registries for IPv4 and
// IPv6, with multicast and the retired ranges that old equipment still routes.
// The first that contains an address gives it its name, so the narrow ones
// stand before the wide ones around them.
var refusedRanges = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared address space of a carrier"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "for IETF protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112"},
	{netip.MustParsePrefix("192.52.193.0/24"), "AMT"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{v4Compatible, "IPv4-compatible"},
	{v4Translated, "IPv4-translated"},
	{nat64, "NAT64"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64 for local use"},
	{netip.MustParsePrefix("::/8"), "reserved"},
	{netip.MustParsePrefix("100::/64"), "for discarding"},
	{teredo, "Teredo"},
	{netip.MustParsePrefix("2001:2::/48"), "for benchmarks"},
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID"},
	{netip.MustParsePrefix("2001:20::/28"), "ORCHIDv2"},
	{netip.MustParsePrefix("2001::/23"), "for IETF protocols"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{sixToFour, "6to4"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	{netip.MustParsePrefix("5f00::/16"), "for segment routing"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}
