package paybell

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// Here math/big, time.Parse and net/netip judge what the domain makes of any text.
// Each pure part has further targets beside its own tests.

// wantShown holds an error to what a caller may be shown: about one field, in words
// that end however long the input was.
func wantShown(t *testing.T, what any, field string, err error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != Invalid || e.Detail == "" || len(e.Detail) > 2500 || !utf8.ValidString(e.Detail) || e.Err != nil {
		t.Fatalf("%.300q: refused with %.3000v", what, err)
	}
	if field != "" && (len(e.Fields) != 1 || e.Fields[field] == "") {
		t.Fatalf("%.300q: refused because of %.3000v, not of %s", what, e.Fields, field)
	}
}

// units reads up to 32 bytes as an amount.
func units(t *testing.T, b []byte) (Units, *big.Int) {
	t.Helper()
	n := new(big.Int).SetBytes(b[:min(len(b), 32)])
	u, err := ParseUnits(n.String())
	if err != nil || bigUnits(u).Cmp(n) != 0 {
		t.Fatalf("%s is read as %s, %v", n, u, err)
	}
	return u, n
}

// clamped is n, or the end of the range that it is beyond.
func clamped(n *big.Int) *big.Int {
	switch {
	case n.Sign() < 0:
		return new(big.Int)
	case n.Cmp(most) > 0:
		return most
	}
	return n
}

// Money is what math/big says it is: read exactly, scaled exactly, rounded up once,
// never wrapped.
func FuzzMoney(f *testing.F) {
	f.Add("10.00", int32(-2), []byte{1}, []byte{2}, 100)
	f.Add("0.000000000000000000000000000001", int32(-30), []byte{}, []byte{}, 0)
	f.Add("999999999999999999999999999999", int32(60), slices.Repeat([]byte{0xff}, 32), []byte{1}, 10_001)
	f.Add("115792089237316195423570985008", int32(0), slices.Repeat([]byte{0xff}, 32), slices.Repeat([]byte{0xff}, 32), 1<<62)
	f.Add("-1", int32(-78), []byte{0x80}, slices.Repeat([]byte{0x80}, 31), -1)
	f.Add("0.00000000000000000000000000001", int32(0), []byte{7}, []byte{7}, 1)
	f.Add(strings.Repeat("1", 31), int32(0), []byte{7}, []byte{8}, 1)
	f.Add("1.", int32(1), []byte{1}, slices.Repeat([]byte{0xff}, 17), 9_999)
	grammar := regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, text string, exp int32, a, b []byte, basisPoints int) {
		d, err := ParseAmount(text)
		if good := grammar.MatchString(text) && len(text) <= 30; good != (err == nil) {
			t.Fatalf("%q: %s, %v", text, d, err)
		}
		if err != nil {
			wantShown(t, text, "", err)
		} else if want, _ := new(big.Rat).SetString(text); d.Rat().Cmp(want) != 0 {
			t.Fatalf("%q is read as %s", text, d)
		} else {
			checkCurrencies(t, d)
		}

		u, n := units(t, a)
		v, m := units(t, b)
		if got, want := bigUnits(u.Add(v)), clamped(new(big.Int).Add(n, m)); got.Cmp(want) != 0 || u.Add(v) != v.Add(u) {
			t.Fatalf("%s + %s is %s, want %s", u, v, got, want)
		}
		if got, want := bigUnits(u.Sub(v)), clamped(new(big.Int).Sub(n, m)); got.Cmp(want) != 0 {
			t.Fatalf("%s - %s is %s, want %s", u, v, got, want)
		}
		share := new(big.Int).Mul(n, big.NewInt(int64(max(0, basisPoints))))
		if got, want := bigUnits(u.Share(basisPoints)), clamped(share.Div(share, big.NewInt(10_000))); got.Cmp(want) != 0 {
			t.Fatalf("%d basis points of %s are %s, want %s", basisPoints, u, got, want)
		}
		if u.Cmp(v) != n.Cmp(m) || (u == v) != (n.Cmp(m) == 0) || u.IsZero() != (n.Sign() == 0) {
			t.Fatalf("%s and %s compare as %d", u, v, u.Cmp(v))
		}
		checkUnitsOf(t, decimal.NewFromBigInt(n, exp%100), int32(len(b)%19))
		checkUnitsOf(t, decimal.NewFromBigInt(n.Neg(n), exp%100), int32(len(b)%19))
		checkUnitsOf(t, d.Mul(decimal.NewFromBigInt(m, exp%100)), int32(len(a)%19)) // a price times a rate
		for _, decimals := range []int32{0, 2, 18} {
			if again, err := UnitsOf(u.Coins(decimals), decimals); err != nil || again != u {
				t.Fatalf("%s units of 10^-%d, there and back: %s, %v", u, decimals, again, err)
			}
		}
	})
}

// checkUnitsOf compares with the integer that is next above.
func checkUnitsOf(t *testing.T, coins decimal.Decimal, decimals int32) {
	t.Helper()
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	exact := new(big.Rat).Mul(coins.Rat(), new(big.Rat).SetInt(scale))
	want, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		want.Add(want, big.NewInt(1))
	}
	u, err := UnitsOf(coins, decimals)
	if exact.Sign() < 0 || want.Cmp(most) > 0 {
		wantShown(t, coins, "", err)
		if !u.IsZero() {
			t.Fatalf("%s beside an error", u)
		}
		return
	}
	if err != nil || bigUnits(u).Cmp(want) != 0 {
		t.Fatalf("%s coins of 10^%d units are %s, %v; want %s", coins, decimals, u, err, want)
	}
}

// checkCurrencies counts an amount in every currency.
func checkCurrencies(t *testing.T, d decimal.Decimal) {
	t.Helper()
	for _, c := range Currencies() {
		scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Decimals)), nil))
		minor := c.Minor(d)
		if want := new(big.Rat).Mul(d.Rat(), scale); minor.Rat().Cmp(want) != 0 || !minor.Shift(-c.Decimals).Equal(d) {
			t.Fatalf("%s %s are %s of the smallest unit", d, c.Symbol, minor)
		}
		checkUnitsOf(t, d, c.Decimals)
		text := c.Format(d)
		if whole, fraction, point := strings.Cut(text, "."); whole == "" || len(fraction) != int(c.Decimals) || point != (c.Decimals > 0) {
			t.Fatalf("%s %s are written %q", d, c.Symbol, text)
		}
		written, ok := new(big.Rat).SetString(text)
		off := new(big.Rat).Mul(new(big.Rat).Sub(written, d.Rat()), scale)
		if !ok || minor.IsInteger() && off.Sign() != 0 || off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
			t.Fatalf("%s %s are written %q, off by %s smallest units", d, c.Symbol, text, off)
		}
	}
}

// A timestamp is taken if its grammar allows it and time.Parse takes it, and means
// what time.Parse says.
func FuzzTimestamp(f *testing.F) {
	for _, s := range []string{
		"2026-01-02T03:04:05", "2024-02-29T23:59:59.999999999-23:59", "2025-02-29T00:00:00Z", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
		"2026-01-02T24:00:00", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05,5", "2026-01-02T03:04:05.0000000000", "2026-00-10T00:00:00", "2026-04-31T00:00:00",
	} {
		f.Add(s)
	}
	grammar := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?$`)
	zone := regexp.MustCompile(`(Z|[+-]\d\d:\d\d)$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTimestamp(s)
		full := s
		if !zone.MatchString(s[min(len(s), len("2026-01-02T")):]) {
			full += "Z"
		}
		want, wantErr := time.Parse(time.RFC3339Nano, full)
		if good := grammar.MatchString(s) && wantErr == nil; good != (err == nil) || good && (!got.Equal(want) || got.Location() != time.UTC) {
			t.Fatalf("%q is read as %v, %v; time.Parse says %v, %v", s, got, err, want, wantErr)
		}
		if err != nil {
			wantShown(t, s, "", err)
		}
	})
}

// The hash of a token is that of its whole text, and of nothing that is no token.
func FuzzAccountToken(f *testing.F) {
	f.Add("pbt_" + strings.Repeat("A", 52))
	f.Add("pbt_" + strings.Repeat("A", 51))
	f.Add("PBT_" + strings.Repeat("A", 52))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		hash, ok := HashAccountToken(text)
		if good := len(text) == 56 && text[:4] == "pbt_"; ok != good {
			t.Fatalf("%q is a token: %v", text, ok)
		}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(text))); ok && hash != want || !ok && hash != "" {
			t.Fatalf("%q is kept as %q, want %q", text, hash, want)
		}
	})
}

// Names of events and permissions are refused, or are a set that its own names spell.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		"invoicePaid", "paymentCreated", "invoicePaymentCreated\npaymentTimedOut", "INVOICECOMPLETED\n\n", "invoicePayment", "webhook\u212aisabled\nall", "all\nnone", "CREATEINVOICE\npullNotifications",
		"PascalCase", "camelcase", strings.Repeat("x", 300), strings.Repeat("\U0010ffff", 1000), "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		names := strings.Split(s, "\n")
		set, err := ParseEvents("notifications", names)
		if err != nil {
			wantShown(t, s, "notifications", err)
			if set != 0 {
				t.Fatalf("%q: %v beside an error", s, set)
			}
		} else {
			checkEvents(t, s, set)
			long := slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(strings.ToLower(name), "invoicepayment") })
			if long != (set.PaymentNames() == LongPaymentNames) {
				t.Fatalf("%q: payments are told of in style %b", s, set.PaymentNames())
			}
		}
		may, err := ParsePermissions("flags", names)
		if err != nil {
			wantShown(t, s, "flags", err)
		} else if again, err := ParsePermissions("f", may.Names()); err != nil || again != may || may&^AllPermissions != 0 {
			t.Fatalf("%q are %v, which are %v, %v", s, may.Names(), again, err)
		}
		style, err := ParseEventNames("eventNames", s)
		if err != nil {
			wantShown(t, s, "eventNames", err)
		} else if again, err := ParseEventNames("f", style.String()); err != nil || again != style {
			t.Fatalf("%q is %s, which is %s, %v", s, style, again, err)
		}
	})
}

func checkEvents(t *testing.T, s string, set Events) {
	t.Helper()
	if again, err := ParseEvents("f", set.Names()); err != nil || again != set || set&AllEvents == 0 || set&^(AllEvents|longNames) != 0 {
		t.Fatalf("%q are %v, which are %v, %v", s, set.Names(), again, err)
	}
	for e := Event(1); e < AllEvents; e <<= 1 {
		if set&e == 0 {
			continue
		}
		for style := range EventNames(4) {
			wire := e.Wire(style | set.PaymentNames())
			if told, err := ParseEvents("f", []string{wire}); err != nil || told&AllEvents != e {
				t.Fatalf("%q: %v is told as %q, which is %v, %v", s, e, wire, told, err)
			}
		}
		if wire := e.Wire(CamelCase | set.PaymentNames()); !slices.Contains(set.Names(), wire) {
			t.Fatalf("%q subscribes to %v and is told of %q", s, set.Names(), wire)
		}
	}
}

// A list of addresses lets in who is in it, and is written so that it is read as the
// same list.
func FuzzAllowedIPs(f *testing.F) {
	for _, s := range []string{
		"192.0.2.7\n192.0.2.0/24", "2001:db8::1/32\n::", "::ffff:192.0.2.7", "::ffff:192.0.2.7/104", "fe80::1%eth0", "fe80::1%eth0/64", "0.0.0.0/0", "192.0.2.7/33", "192.0.2.07", " 1.1.1.1\t",
		"1.1.1.1/0x8", "1.1.1.1/+8", "::/128", strings.Repeat("::\n", 100), strings.Repeat("\U0010ffff", 1000),
	} {
		f.Add(s, "192.0.2.7")
		f.Add(s, "::ffff:192.0.2.7")
	}
	f.Fuzz(func(t *testing.T, s, from string) {
		texts := strings.Split(s, "\n")
		list, err := ParseAllowedIPs("ipAddresses", texts)
		if err != nil {
			wantShown(t, s, "ipAddresses", err)
			if list != nil {
				t.Fatalf("%q: %v beside an error", s, list)
			}
			if len(texts) <= MaxAllowedIPs && !slices.ContainsFunc(texts, isNoAddress) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if len(list) != len(texts) || len(list) > MaxAllowedIPs {
			t.Fatalf("%q are %d ranges", s, len(list))
		}
		if again, err := ParseAllowedIPs("f", IPTexts(list)); err != nil || !slices.Equal(again, list) {
			t.Fatalf("%q is written %q, which is %v, %v", s, IPTexts(list), again, err)
		}
		for i, p := range list {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
				t.Fatalf("%q is read as %v", texts[i], p)
			}
			addr, err := netip.ParseAddr(strings.TrimSpace(texts[i]))
			if err == nil && (!AllowsIP(list[i:i+1], addr) || !p.IsSingleIP()) {
				t.Fatalf("%q does not let itself in", texts[i])
			}
		}
		addr, err := netip.ParseAddr(from)
		if err != nil {
			return
		}
		addr = addr.WithZone("").Unmap()
		inside := slices.ContainsFunc(list, func(p netip.Prefix) bool {
			first, err := addr.Prefix(min(p.Bits(), addr.BitLen()))
			return err == nil && first == p
		})
		if AllowsIP(list, addr) != inside {
			t.Fatalf("%q lets %s in: %v", s, addr, !inside)
		}
	})
}

// isNoAddress reports whether the text is none of what a list takes for sure: an
// address without a zone.
func isNoAddress(text string) bool {
	addr, err := netip.ParseAddr(strings.TrimSpace(text))
	return err != nil || addr.Zone() != ""
}
