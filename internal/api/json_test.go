package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

func TestCheckJSON(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for text, want := range map[string]string{
		`{}`: "", `[]`: "", `null`: "", `"x"`: "", "1": "", " {\"a\":[1,{\"b\":{}}],\"b\":null}\n": "",
		`{"a":{"a":1},"b":[{"a":1},{"a":1}]}`: "", `{"":1}`: "", nest(maxDepth): "", `{"a":1e999999}`: "",
		`{"customData":{"a":1,"A":1},"metadata":{"x":{"k":1,"K":1}}}`: "", // the merchant's own keys
		`{"a":1,"A":1}`: "A is there twice", // encoding/json takes them for one

		``: "byte 0", `{`: "byte 1", `{"a":1}}`: "byte 8", `{"a":1} x`: "byte 9", `{'a':1}`: "byte 2", `{"a":NaN}`: "byte 6",
		`{"a":1,}`: "byte 8", `[1,]`: "byte 4", `{"a" 1}`: "byte 6", `01`: "byte 2", `{"a":"` + "\n" + `"}`: "byte 7",
		"\xef\xbb\xbf{}": "byte 1", "{\"a\":\"\xc3\"}": "UTF-8 at byte 6", "\"\xed\xa0\x80\"": "UTF-8 at byte 1",
		`{"a":1,"a":2}`: "The key a is there twice", `[{"x":1},{"y":[{"z":{"q":1,"q":1}}]}]`: "The key [1].y[0].z.q is there twice",
		`{"a":1,"\u0061":2}`: "The key a", `{"":1,"":2}`: "twice", `{"a":{"b":1},"a":1}`: "The key a is",
		`{"a":[{"b":1},0,{"c":1,"c":2}]}`: "The key a[2].c is",
		nest(maxDepth + 1):                "deeper than 64", `{"a":[0,0,` + nest(maxDepth) + `]}`: "at a[2][0]",
	} {
		err := checkJSON([]byte(text))
		if want == "" {
			if err != nil {
				t.Errorf("%.80q: %v", text, err)
			}
			continue
		}
		if paybell.CodeOf(err) != paybell.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", text, err, want)
		}
	}
}

// What passes is valid JSON without doubles and not too deep, and what fails is
// not: judged by another way of reading, which loses one of two equal keys.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[{"c":null},true,"x"]}`, `{"a":1,"a":2}`, `[[[[]]]]`, "\"\xff\"", `{"\ud800":1,"\udfff":2}`, `{} {}`, `{"a":{"b":{"b":1}}}`,
		strings.Repeat("[", 70), `"` + "\u2028" + `"`, `-0.0e-0`, `{"a":01}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := checkJSON(text)
		if err != nil && paybell.CodeOf(err) != paybell.Invalid {
			t.Fatalf("%q: %v", text, err)
		}
		good := utf8.Valid(text) && json.Valid(text)
		if good {
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.UseNumber()
			var v any
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			keys, depth := measure(v)
			good = keys == countKeys(t, text) && depth <= maxDepth
		}
		if good != (err == nil) {
			t.Fatalf("%q: %v, but good is %v", text, err, good)
		}
	})
}

// measure counts the keys of a decoded value and how deep it is.
func measure(v any) (keys, depth int) {
	var children []any
	switch v := v.(type) {
	case map[string]any:
		keys = len(v)
		for _, child := range v {
			children = append(children, child)
		}
	case []any:
		children = v
	default:
		return 0, 0
	}
	for _, child := range children {
		k, d := measure(child)
		keys, depth = keys+k, max(depth, d)
	}
	return keys, depth + 1
}

// countKeys counts the keys as they are written: strings that stand before a colon.
func countKeys(t *testing.T, text []byte) (keys int) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	inString, escaped := false, false
	for _, c := range compact.Bytes() {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case c == ':' && !inString:
			keys++
		}
	}
	return keys
}

// A body of any bytes is read or refused as invalid, and what was read is within
// what the desk can judge.
func FuzzInvoiceBody(f *testing.F) {
	f.Add([]byte(`{"currency":"USD","amount":{"total":10.100000000000001,"breakdown":{"subtotal":"1"}},"items":{"name":"x","amount":1,"quantity":{"value":"1","type":2},"tax":null}}`))
	f.Add([]byte(`{"currencyId":1002,"amount":{"total":"0.00000001"},"items":[{}],"webhooks":[{"notifications":["x"]}],"payment":{"refundEmail":"x"},"dueDate":"2026-01-02"}`))
	f.Add([]byte(`{"currency":"USD","amount":{"total":"1"},"dueDate":"9999-12-31T23:59:59-01:00"}`))
	f.Add([]byte(`{"currency":"USD","amount":{"total":"1"},"invoiceDate":"0000-01-01T00:00:00+01:00"}`))
	f.Add([]byte(`{"currency":"ETH","amount":{"total":1e400},"buyer":{"name":{}},"customData":{"a":[]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body bodyV2
		if err := decode(raw, &body); err != nil {
			wantInvalid(t, raw, err)
			return
		}
		in, err := body.invoice((&request{}).actor)
		if err != nil {
			wantInvalid(t, raw, err)
			return
		}
		if in.Bill.Total.IsNegative() || in.Bill.Total.GreaterThan(decimal.New(1, 30)) {
			t.Fatalf("%q: total %s", raw, in.Bill.Total)
		}
		if _, err := json.Marshal(in.Bill); err != nil {
			t.Fatalf("%q: the bill cannot be kept: %v", raw, err)
		}
	})
}

func wantInvalid(t *testing.T, raw []byte, err error) {
	if code := paybell.CodeOf(err); code != paybell.Invalid && code != paybell.NotSupported {
		t.Fatalf("%q: %v", raw, err)
	}
}

func TestAmounts(t *testing.T) {
	usd, _ := paybell.FindCurrency("USD")
	eth, _ := paybell.FindCurrency("ETH")
	for _, tc := range []struct {
		currency paybell.Currency
		json     string
		want     string // empty: an error
	}{
		{usd, `"10"`, "10"}, {usd, `10`, "10"}, {usd, `10.10`, "10.1"}, {usd, `10.100000000000001`, "10.1"}, {usd, `99.99999999999999`, "100"},
		{usd, `10.000001`, "10"}, {usd, `10.0000011`, "10.0000011"}, {usd, `10.001`, "10.001"}, // the desk refuses these
		{usd, `"10.100000000000001"`, "10.100000000000001"}, {usd, `0.000001`, "0"},
		{eth, `0.123456789012345678`, "0.123456789012345678"}, {eth, `0.1234567890123456781`, "0.1234567890123456781"}, {eth, `1.000000000000000000001`, "1"},
		{usd, `""`, "0"}, {usd, `null`, "0"},
		{usd, `"+1"`, ""}, {usd, `-0`, ""}, {usd, `1E2`, ""}, {usd, `"1."`, ""}, {usd, `".5"`, ""}, {usd, `"0x10"`, ""}, {usd, `"١"`, ""},
		{usd, `"1_000"`, ""}, {usd, `1111111111111111111111111111111`, ""},
	} {
		var a amount
		if err := json.Unmarshal([]byte(tc.json), &a); err != nil {
			t.Fatal(err)
		}
		as := &amounts{currency: tc.currency}
		got := a.read(as, "f")
		if tc.want == "" != (as.err != nil) || tc.want != "" && got.String() != tc.want {
			t.Errorf("%s in %s: %s, %v, want %s", tc.json, tc.currency.Symbol, got, as.err, tc.want)
		}
	}
}

func TestCursor(t *testing.T) {
	for _, bad := range []string{"x", "MQ", "!", "LTEuMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAw"} {
		if _, _, err := readCursor(bad); paybell.CodeOf(err) != paybell.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestWriteJSONFailsWhole(t *testing.T) {
	if err := writeJSON(nil, 200, "application/json", json.RawMessage("{")); err == nil {
		t.Error("half an object was written")
	}
}
