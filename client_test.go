package paybell

import (
	"encoding/json"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wantField fails unless err is about one field of the input, says something,
// and is short enough to be shown, however long the input was.
func wantField(t rapid.TB, what, field string, err error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != Invalid || len(e.Fields) != 1 || e.Fields[field] == "" || !strings.HasPrefix(e.Detail, field+": ") || len(e.Detail) > 1000 {
		t.Errorf("%.80q: got %.1200v, want an error about %s", what, err, field)
	}
}

// States are stored, and in the SQL of the store.
func TestClientStates(t *testing.T) {
	if ClientActive != "active" || ClientDisabled != "disabled" || ClientDeleted != "deleted" {
		t.Errorf("%s, %s, %s", ClientActive, ClientDisabled, ClientDeleted)
	}
}

// What people write for addresses and ranges, and how it is written back.
var allowedIPs = []struct{ text, want string }{
	{"192.0.2.7", "192.0.2.7"},
	{"192.0.2.7/32", "192.0.2.7"},
	{"192.0.2.7/31", "192.0.2.6/31"},
	{"192.0.2.7/24", "192.0.2.0/24"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"255.255.255.255", "255.255.255.255"},
	{" \t192.0.2.7\r\n", "192.0.2.7"},
	{"2001:DB8::1", "2001:db8::1"},
	{"2001:db8:0:0:0:0:0:1/128", "2001:db8::1"},
	{"2001:db8:ffff::1/32", "2001:db8::/32"},
	{"::/0", "::/0"},
	{"::1", "::1"},
	{"::ffff:192.0.2.7", "192.0.2.7"},
	{"::ffff:c000:207", "192.0.2.7"},
}

func TestParseAllowedIPs(t *testing.T) {
	var texts, want []string
	for _, c := range allowedIPs {
		list, err := ParseAllowedIPs("f", []string{c.text})
		if err != nil || !slices.Equal(IPTexts(list), []string{c.want}) {
			t.Errorf("%q: %v, %v, want %s", c.text, list, err, c.want)
		}
		texts, want = append(texts, c.text), append(want, c.want)
	}
	list, err := ParseAllowedIPs("f", texts)
	if err != nil || !slices.Equal(IPTexts(list), want) {
		t.Errorf("all of them, in their order: %v, %v", IPTexts(list), err)
	}
	for _, none := range [][]string{nil, {}} {
		if list, err := ParseAllowedIPs("f", none); err != nil || len(list) != 0 {
			t.Errorf("none: %v, %v", list, err)
		}
	}

	for _, bad := range []string{
		"", " ", "/", "x", "localhost", "*", "shop.example.com", "192.0.2", "192.0.2.256", "192.0.2.07", "3221225991", "0xc0000207",
		"192.0.2.1/33", "192.0.2.1/-1", "192.0.2.1/", "192.0.2.1/024", "192.0.2.1/255.255.255.0", "192.0.2.*", "192.0.2.1-192.0.2.9",
		"192.0.2.1,192.0.2.2", "192.0.2.1 192.0.2.2", "192.0.2.1:443", "[::1]", ":::", "2001:db8::/129", "2001:db8::1::2",
		"fe80::1%eth0", "fe80::1%", "fe80::%eth0/64", "fe80::/64%eth0", "::ffff:192.0.2.7%eth0",
		"::ffff:192.0.2.0/120", "::ffff:0:0/96", "::ffff:192.0.2.7/128", // a range of IPv4 is written as one
		"\xff", "192.0.2.7\x00", "\u0661.0.2.7", strings.Repeat("1", 1<<16), strings.Repeat("\xff", 1<<16),
	} {
		for _, texts := range [][]string{{bad}, {"192.0.2.7", bad}, {bad, "192.0.2.7"}} {
			list, err := ParseAllowedIPs("allowedIps", texts)
			wantField(t, bad, "allowedIps", err)
			if list != nil {
				t.Errorf("%.80q: %v beside the error", bad, list)
			}
		}
	}
}

func TestTooManyAllowedIPs(t *testing.T) {
	texts := slices.Repeat([]string{"192.0.2.7"}, MaxAllowedIPs)
	if list, err := ParseAllowedIPs("f", texts); err != nil || len(list) != MaxAllowedIPs {
		t.Errorf("%d addresses: %d, %v", len(texts), len(list), err)
	}
	list, err := ParseAllowedIPs("allowedIps", append(texts, "192.0.2.7"))
	wantField(t, "one too many", "allowedIps", err)
	if list != nil {
		t.Errorf("%d addresses beside the error", len(list))
	}
}

// No address is an empty list, also in JSON.
func TestNoIPTexts(t *testing.T) {
	if got, err := json.Marshal(IPTexts(nil)); err != nil || string(got) != "[]" {
		t.Errorf("%s, %v", got, err)
	}
}

// randomAddr is an address of either family, often of those in the documentation.
func randomAddr(t *rapid.T) netip.Addr {
	b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
	if rapid.Bool().Draw(t, "like others") {
		copy(b, []byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	}
	if rapid.Bool().Draw(t, "IPv4") {
		b = b[:4]
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr.Unmap()
}

func randomRange(t *rapid.T) netip.Prefix {
	addr := randomAddr(t)
	return netip.PrefixFrom(addr, rapid.IntRange(0, addr.BitLen()).Draw(t, "bits")).Masked()
}

// What IPTexts writes, ParseAllowedIPs reads: the store keeps it so.
func TestAllowedIPsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []netip.Prefix
		for range rapid.IntRange(0, 5).Draw(t, "ranges") {
			if p := randomRange(t); !p.Addr().Is4In6() {
				list = append(list, p)
			}
		}
		texts := IPTexts(list)
		for i, text := range texts {
			if single := list[i].Bits() == list[i].Addr().BitLen(); strings.Contains(text, "/") == single || strings.ContainsAny(text, " \t\n") {
				t.Errorf("%v is written as %q", list[i], text)
			}
		}
		if back, err := ParseAllowedIPs("f", texts); err != nil || !slices.Equal(back, list) {
			t.Errorf("%v became %v, %v", list, back, err)
		}
	})
}

func TestAllowsIP(t *testing.T) {
	for _, c := range []struct {
		allowed  string
		from     string // "" is no address at all
		isItThen bool
	}{
		{"", "192.0.2.7", true}, {"", "2001:db8::1", true}, {"", "fe80::1%eth0", true}, {"", "", true},
		{"192.0.2.0/24", "192.0.2.0", true}, {"192.0.2.0/24", "192.0.2.255", true}, {"192.0.2.0/24", "192.0.1.255", false},
		{"192.0.2.0/24", "192.0.3.0", false}, {"192.0.2.0/24", "2001:db8::1", false}, {"192.0.2.0/24", "", false},
		{"192.0.2.7", "192.0.2.7", true}, {"192.0.2.7", "192.0.2.8", false}, {"192.0.2.7", "192.0.2.6", false},
		{"192.0.2.0/24", "::ffff:192.0.2.7", true}, {"192.0.2.0/24", "::ffff:192.0.3.7", false}, {"192.0.2.7", "::ffff:192.0.2.7%eth0", true},
		{"::ffff:192.0.2.7", "192.0.2.7", true}, {"::ffff:192.0.2.7", "::ffff:192.0.2.7", true},
		{"2001:db8::/32", "2001:db8:ffff::1", true}, {"2001:db8::/32", "2001:db9::", false}, {"2001:db8::/32", "192.0.2.7", false},
		{"2001:db8::1", "2001:db8::1%eth0", true}, {"fe80::/10", "fe80::1%eth0", true}, {"fe80::/10", "fec0::1%eth0", false},
		{"0.0.0.0/0", "203.0.113.9", true}, {"0.0.0.0/0", "2001:db8::1", false}, {"0.0.0.0/0", "", false},
		{"::/0", "2001:db8::1", true}, {"::/0", "203.0.113.9", false}, {"::/0", "::ffff:203.0.113.9", false},
		{"192.0.2.7 2001:db8::/32", "2001:db8::1", true}, {"192.0.2.7 2001:db8::/32", "192.0.2.7", true}, {"192.0.2.7 2001:db8::/32", "192.0.2.8", false},
	} {
		list, err := ParseAllowedIPs("f", strings.Fields(c.allowed))
		if err != nil {
			t.Fatal(err)
		}
		var from netip.Addr
		if c.from != "" {
			from = netip.MustParseAddr(c.from)
		}
		if got := AllowsIP(list, from); got != c.isItThen {
			t.Errorf("[%s] allows %q: %v", c.allowed, c.from, got)
		}
	}
}

// An address is in a range when their first bits are the same.
func TestAllowsIPByBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []netip.Prefix
		for range rapid.IntRange(1, 4).Draw(t, "ranges") {
			list = append(list, randomRange(t))
		}
		from := randomAddr(t)
		want := slices.ContainsFunc(list, func(p netip.Prefix) bool {
			a, b := from.AsSlice(), p.Addr().AsSlice()
			if len(a) != len(b) {
				return false
			}
			same := 0
			for i := range a {
				n := bits.LeadingZeros8(a[i] ^ b[i])
				if same += n; n < 8 {
					break
				}
			}
			return same >= p.Bits()
		})
		if got := AllowsIP(list, from); got != want {
			t.Errorf("%v allows %v: %v", list, from, got)
		}
	})
}

// The enum MerchantClientACL of the contract's section 2.2, with its own
// misspelling, then ours, in the order of their bits: stored sets depend on it.
var wantPermissions = []string{
	"createInvoice", "listInvoices", "findInvoice", "invoicePayouts", "listInvoiceHistory", "createWallet", "getWallets", "getWalletById",
	"createAddress", "getWalletAddresse", "getWalletAddresses", "getWalletTransactions", "getWalletTransaction", "spendRequest",
	"confirmSpendingFunds", "createClientWebHook", "getWebhooks", "updateWebhook", "deleteWebhook", "cancelInvoice", "useSandbox",
	"acceptInvoice", "pullNotifications", "resendNotifications",
}

func TestPermissions(t *testing.T) {
	if got := AllPermissions.Names(); !slices.Equal(got, wantPermissions) || bits.OnesCount64(uint64(AllPermissions)) != len(wantPermissions) {
		t.Errorf("all permissions are %v, %b", got, AllPermissions)
	}
	for i, name := range wantPermissions {
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if got, err := ParsePermissions("f", []string{spelling}); err != nil || got != 1<<i {
				t.Errorf("%s: %b, %v", spelling, got, err)
			}
		}
	}
	for _, c := range []struct {
		names []string
		want  Permissions
	}{
		{nil, 0}, {[]string{"none"}, 0}, {[]string{"ALL"}, AllPermissions}, {[]string{"None", "createInvoice"}, CreateInvoice},
		{[]string{"useSandbox", "createinvoice"}, UseSandbox | CreateInvoice}, {[]string{"all", "createInvoice"}, AllPermissions},
		{[]string{"deleteWebhook"}, DeleteWebhook}, {[]string{"getWalletAddresse"}, GetWalletAddress}, {[]string{"cancelInvoice"}, CancelInvoice},
		{[]string{"acceptInvoice"}, AcceptInvoice}, {[]string{"pullNotifications"}, PullNotifications}, {[]string{"resendNotifications"}, ResendNotifications},
	} {
		if got, err := ParsePermissions("f", c.names); err != nil || got != c.want {
			t.Errorf("%v: %b, %v", c.names, got, err)
		}
	}
	for _, names := range [][]string{{""}, {"createInvoice,listInvoices"}, {" createInvoice"}, {"admin"}, {"all", "nope"}, {"nope", "all"}, {strings.Repeat("x", 1<<16)}, {"\xff"}} {
		got, err := ParsePermissions("acl", names)
		wantField(t, strings.Join(names, " "), "acl", err)
		if got != 0 {
			t.Errorf("%.80q: %b beside the error", names, got)
		}
	}
}

// Those of the store's migration: what older clients got when there were more.
func TestPermissionBits(t *testing.T) {
	if CancelInvoice != 524288 || AcceptInvoice != 2097152 || AcceptInvoice|PullNotifications|ResendNotifications != 14680064 || AcceptInvoice-1 != 2097151 {
		t.Errorf("%d %d %d %d", CancelInvoice, AcceptInvoice, PullNotifications, ResendNotifications)
	}
}

// What Names lists, ParsePermissions reads; it is a list also of nothing.
func TestPermissionsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := Permissions(rapid.Uint64Range(0, uint64(AllPermissions)).Draw(t, "set"))
		names := set.Names()
		if got, err := ParsePermissions("f", names); err != nil || got != set || names == nil {
			t.Errorf("%b became %b, %v by %#v", set, got, err, names)
		}
	})
	for _, set := range []Permissions{0, (AllPermissions + 1) << 7} { // of a later version
		if got, err := json.Marshal(set.Names()); err != nil || string(got) != "[]" {
			t.Errorf("%b: %s, %v", set, got, err)
		}
	}
}
