package paybell

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

func TestParseUnits(t *testing.T) {
	for _, s := range []string{"0", "1", "100000000", "9007199254740993", "18446744073709551616", greatest.String()} {
		u, err := ParseUnits(s)
		if err != nil || u.String() != s {
			t.Errorf("%s: %s, %v", s, u, err)
		}
	}
	if u, err := ParseUnits("000123"); err != nil || u != NewUnits(123) {
		t.Errorf("leading zeros: %s, %v", u, err)
	}
	for _, s := range []string{
		"", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "1_000", "1,000", "NaN", "Inf", "١", "1\x00",
		"115792089237316195423570985008687907853269984665640564039457584007913129639936", strings.Repeat("9", 78), strings.Repeat("0", 79), strings.Repeat("9", 1<<20),
	} {
		if u, err := ParseUnits(s); CodeOf(err) != Invalid || err == nil || !u.IsZero() || len(err.Error()) > 500 {
			t.Errorf("%.90q: %s, %.600v", s, u, err)
		}
	}
}

// arbitrary is an amount over the whole range, near its edges often enough.
func arbitrary(t *rapid.T, name string) Units {
	n := new(big.Int)
	for _, word := range rapid.SliceOfN(rapid.Uint64(), 0, 4).Draw(t, name) {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(word))
	}
	if rapid.IntRange(0, 9).Draw(t, "from the top") == 9 {
		n.Sub(most, n)
	}
	u, err := ParseUnits(n.String())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Sums and shares are those of big integers, and stop at the edges of the range.
func TestUnitsArithmetic(t *testing.T) {
	within := func(n *big.Int) string {
		switch {
		case n.Sign() < 0:
			return "0"
		case n.Cmp(most) > 0:
			return most.String()
		}
		return n.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		u, v := arbitrary(t, "u"), arbitrary(t, "v")
		bp := rapid.OneOf(rapid.IntRange(-1, 10_001), rapid.Int()).Draw(t, "basis points")
		a, b := bigUnits(u), bigUnits(v)
		share := new(big.Int).Mul(a, big.NewInt(int64(max(0, bp))))
		for what, c := range map[string][2]string{
			"add":   {u.Add(v).String(), within(new(big.Int).Add(a, b))},
			"sub":   {u.Sub(v).String(), within(new(big.Int).Sub(a, b))},
			"share": {u.Share(bp).String(), within(share.Div(share, big.NewInt(10_000)))},
		} {
			if c[0] != c[1] {
				t.Errorf("%s of %s and %s (%d): %s, want %s", what, u, v, bp, c[0], c[1])
			}
		}
		if u.Cmp(v) != a.Cmp(b) || u.IsZero() != (a.Sign() == 0) {
			t.Errorf("%s and %s compare as %d", u, v, u.Cmp(v))
		}
		if bigUnits(u).Cmp(a) != 0 {
			t.Error("an operand changed")
		}
	})
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		amount uint64
		bp     int
		want   uint64
	}{{100, 100, 1}, {100, 0, 0}, {100, -5, 0}, {99, 100, 0}, {10_000, 1, 1}, {9_999, 1, 0}, {100, 777, 7}, {100, 10_000, 100}, {100, 20_000, 200}, {0, 100, 0}} {
		if got := NewUnits(c.amount).Share(c.bp); got != NewUnits(c.want) {
			t.Errorf("%d bp of %d: %s, want %d", c.bp, c.amount, got, c.want)
		}
	}
}

func TestUnitsOf(t *testing.T) {
	for _, c := range []struct {
		coins    string
		decimals int32
		want     string
	}{
		{"0", 8, "0"},
		{"1", 8, "100000000"},
		{"0.00000001", 8, "1"},
		{"0.000000001", 8, "1"}, // finer than the smallest unit: rounded up
		{"1.098671250000000001", 8, "109867126"},
		{"1.09867125", 8, "109867125"},
		{"0.1", 0, "1"},
		{"1.000000000000000001", 18, "1000000000000000001"},
		{"115792089237316195423570985008687907853269984665640564039457.584007913129639935", 18, greatest.String()},
	} {
		if got, err := UnitsOf(money(c.coins), c.decimals); err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.coins, got, err, c.want)
		}
	}
	for _, coins := range []string{"-1", "-1.5", "115792089237316195423570985008687907853269984665640564039457584007913129639935.1"} {
		if got, err := UnitsOf(money(coins), 0); CodeOf(err) != Invalid || err == nil {
			t.Errorf("%s: %s, %v", coins, got, err)
		}
	}
}

// A negative amount is refused however small it is.
//

func TestUnitsOfRefusesEveryNegative(t *testing.T) {
	if got, err := UnitsOf(money("-0.000000001"), 8); CodeOf(err) != Invalid || err == nil {
		t.Errorf("a tenth of a negative unit: %s, %v", got, err)
	}
}

// Rounding goes up, by less than one unit, and never twice: what was rounded
// stays what it is.
func TestUnitsOfRoundsUpOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decimals := rapid.Int32Range(0, 18).Draw(t, "decimals")
		total := decimal.New(rapid.Int64Range(0, 1e15).Draw(t, "total"), -2)
		rate := decimal.New(rapid.Int64Range(0, 1e18).Draw(t, "rate"), -rapid.Int32Range(0, 30).Draw(t, "precision"))
		exact := total.Mul(rate)
		u, err := UnitsOf(exact, decimals)
		if err != nil {
			t.Fatal(err)
		}
		above := u.Coins(decimals).Sub(exact)
		if above.IsNegative() || above.GreaterThanOrEqual(decimal.New(1, -decimals)) {
			t.Errorf("%s became %s units of 10^-%d: off by %s", exact, u, decimals, above)
		}
		if again, err := UnitsOf(u.Coins(decimals), decimals); err != nil || again != u {
			t.Errorf("%s units, there and back: %s, %v", u, again, err)
		}
	})
}

func TestParseAmount(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "10.00": "10", "10": "10", "0.5": "0.5", "007": "7", "0.00000001": "0.00000001",
		"123456789012345678901234567890": "123456789012345678901234567890", "0.1234567890123456789012345678": "0.1234567890123456789012345678",
	} {
		if got, err := ParseAmount(in); err != nil || !got.Equal(money(want)) {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", ".", "5.", ".5", "-1", "+1", "1e3", "1E3", "NaN", "Infinity", "inf", "1,000", "1 000", " 1", "1 ", "1.2.3", "0x1", "1_0", "1.-2",
		"١٢", "１", "1\n", "1\x00", "$1", "1/2", strings.Repeat("1", 31), strings.Repeat("9", 1<<20),
	} {
		if got, err := ParseAmount(in); CodeOf(err) != Invalid || err == nil || !got.IsZero() {
			t.Errorf("%.40q: %s, %v", in, got, err)
		}
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"10.00", "0.5", "-1", "1e9", "NaN", "5.", "00.10", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseAmount(s)
		if err != nil {
			if CodeOf(err) != Invalid {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if d.IsNegative() || strings.Trim(s, "0123456789.") != "" || len(s) > 30 {
			t.Errorf("%q was taken as %s", s, d)
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok || d.Rat().Cmp(want) != 0 {
			t.Errorf("%q is %s", s, d)
		}
		for _, c := range Currencies() {
			u, err := UnitsOf(d, c.Decimals)
			if err != nil || u.Coins(c.Decimals).LessThan(d) {
				t.Errorf("%q is %s units, %v", s, u, err)
			}
		}
	})
}

func FuzzParseUnits(f *testing.F) {
	for _, s := range []string{"0", "1", "+1", "-1", "0x1", greatest.String(), "1e1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUnits(s)
		n, ok := new(big.Int).SetString(s, 10)
		fits := ok && strings.Trim(s, "0123456789") == "" && len(s) <= 78 && n.Cmp(most) <= 0
		if (err == nil) != fits || fits && u.String() != n.String() {
			t.Errorf("%q: %s, %v", s, u, err)
		}
		var back Units
		if err := back.Scan(u.String()); err != nil || back != u {
			t.Errorf("%q: scanned %s, %v", s, back, err)
		}
	})
}

// The store and JSON keep amounts exactly, as text.
func TestUnitsAsText(t *testing.T) {
	for _, u := range []Units{{}, NewUnits(1), NewUnits(1 << 63), greatest} {
		v, err := u.Value()
		if s, ok := v.(string); !ok || err != nil || s != u.String() {
			t.Errorf("value %#v, %v", v, err)
		}
		b, err := json.Marshal(struct{ A Units }{u})
		if err != nil || string(b) != `{"A":"`+u.String()+`"}` {
			t.Errorf("%s, %v", b, err)
		}
		var back struct{ A Units }
		if err := json.Unmarshal(b, &back); err != nil || back.A != u {
			t.Errorf("%s came back as %s, %v", u, back.A, err)
		}
	}
	var u Units
	for _, src := range []any{nil, int64(1), "-1", "1.0", 1.5} {
		if err := u.Scan(src); err == nil {
			t.Errorf("scanned %#v as %s", src, u)
		}
	}
	for _, src := range []string{`{"A":1}`, `{"A":"x"}`, `{"A":""}`} {
		var v struct{ A Units }
		if err := json.Unmarshal([]byte(src), &v); err == nil {
			t.Errorf("read %s as %s", src, v.A)
		}
	}
}

func TestFindCurrency(t *testing.T) {
	for ref, id := range map[string]string{"1002": LTCT, "LTCT": LTCT, "ltct": LTCT, "5057": "5057", "usd": "5057", "1": "1", "btc": "1"} {
		if c, ok := FindCurrency(ref); !ok || c.ID != id {
			t.Errorf("%s is %+v", ref, c)
		}
	}
	for _, ref := range []string{"", " 1", "01", "LTC T", "4:0x", "100", "\xff"} {
		if c, ok := FindCurrency(ref); ok {
			t.Errorf("%q is %+v", ref, c)
		}
	}
	list := Currencies()
	ids := map[string]bool{}
	for _, c := range list {
		if ids[c.ID] || ids[c.Symbol] || c.Decimals < 0 || (c.Network == SandboxNetwork) != c.Test {
			t.Errorf("%+v", c)
		}
		ids[c.ID], ids[c.Symbol] = true, true
	}
	list[0].ID = "changed"
	if Currencies()[0].ID == "changed" {
		t.Error("Currencies gives away its own slice")
	}
}

func TestCurrencyAmounts(t *testing.T) {
	usd, _ := FindCurrency("USD")
	if got := usd.Minor(money("123.45")); !got.Equal(money("12345")) {
		t.Errorf("minor units %s", got)
	}
	if got := usd.Format(money("10")); got != "10.00" {
		t.Errorf("formatted %s", got)
	}
	p := Payment{Currency: LTCT, Rate: money("0.00889972661")}
	if got := p.Native(NewUnits(109_867_125)); !got.Round(2).Equal(money("123.45")) {
		t.Errorf("worth %s", got)
	}
	for _, p := range []Payment{{}, {Currency: LTCT}, {Currency: "none", Rate: money("1")}} {
		if got := p.Native(greatest); !got.IsZero() {
			t.Errorf("worth %s", got)
		}
	}
}

func TestPolicyRequired(t *testing.T) {
	tiers := Policy{Paid: 1, Completed: []Tier{{Confirmations: 0}, {From: NewUnits(100), Confirmations: 3}, {From: NewUnits(1000), Confirmations: 6}}}
	for _, c := range []struct {
		policy          Policy
		due             uint64
		paid, completed int
	}{
		{Policy{}, 1, 0, 1},
		{Policy{Paid: -3, Completed: []Tier{{Confirmations: -1}}}, 1, 0, 1},
		{Policy{Paid: 4, Completed: []Tier{{Confirmations: 2}}}, 1, 4, 4},
		{Policy{Completed: []Tier{{From: NewUnits(100), Confirmations: 3}}}, 99, 0, 1},
		{tiers, 99, 1, 1},
		{tiers, 100, 1, 3},
		{tiers, 999, 1, 3},
		{tiers, 1000, 1, 6},
	} {
		if paid, completed := c.policy.Required(NewUnits(c.due)); paid != c.paid || completed != c.completed {
			t.Errorf("%+v for %d: %d, %d", c.policy, c.due, paid, completed)
		}
	}
	coin, _ := FindCurrency(LTCT)
	if paid, completed := DefaultPolicy(coin).Required(NewUnits(1)); paid != 0 || completed != 3 {
		t.Errorf("LTCT: %d, %d", paid, completed)
	}
}
