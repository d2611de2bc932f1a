package store

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestBodyWithoutBuyer(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{
			"all fields",
			`{"id":"1","invoice":{"notes":"to <é>","buyer":{"email":"a@x.de","x":[1,{}]},"n":12345678901234567890,"shipping":{"email":"b@x.de"},` +
				`"emailDeliveryOptions":{"to":"c@x.de;C <d@x.de>","bcc":"e@x.de"},"payments":[{"id":"p","refundEmail":"f@x.de","hotWallet":{"refundEmail":"kept"}},` +
				`{"refundEmail":null}],"customData":{"all":["A@x.de","b@x.de","c@x.de d@x.de","e@x.de","f@x.de"]},"paybell":{}},"z":1}`,
			`{"id":"1","invoice":{"notes":"to <é>","buyer":null,"n":12345678901234567890,"shipping":null,` +
				`"emailDeliveryOptions":null,"payments":[{"id":"p","refundEmail":null,"hotWallet":{"refundEmail":"kept"}},` +
				`{"refundEmail":null}],"customData":{"all":["erased","erased","erased erased","e@x.de","erased"]},"paybell":{}},"z":1}`,
		},
		{"nobody", `{"invoice":{"buyer":null,"payments":[],"shipping":null}}`, `{"invoice":{"buyer":null,"payments":[],"shipping":null}}`},
		{"no invoice", `{"id":"1","webhook":{"buyer":{"email":"a@x.de"}}}`, `{"id":"1","webhook":{"buyer":{"email":"a@x.de"}}}`},
		{"an address that is none", `{"invoice":{"notes":"a or e","buyer":{"email":"a"}}}`, `{"invoice":{"notes":"a or e","buyer":null}}`},
	} {
		got, who, err := bodyWithoutBuyer([]byte(tt.body))
		if got = scrub(got, who); err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n got %s\nwant %s", tt.name, err, got, tt.want)
		}
	}
	for _, broken := range []string{"", "{", `{"invoice":{"buyer":`, `{"invoice":{"buyer":7}}`, `{"invoice":{"payments":[{"refundEmail":{}}]}}`} {
		if got, _, err := bodyWithoutBuyer([]byte(broken)); err == nil {
			t.Errorf("%s became %s", broken, got)
		}
	}
}

func TestScrub(t *testing.T) {
	emails := []string{"a@x.co", "a@x.com", "o'neil+shop@x.com"}
	for in, want := range map[string]string{
		"":                          "",
		"a@x.com":                   "erased",
		"A@X.Com":                   "erased",
		"a@x.co, a@x.com":           "erased, erased",
		"Write to a@x.com.":         "Write to erased.",
		"<a@x.com>":                 "<erased>",
		"mail=a%40x.com&n=1":        "mail=erased&n=1",
		"o'neil+shop@x.com":         "erased",
		"o%27neil%2Bshop%40x.com":   "erased",
		"\na@x.com\n\"a@x.com\"":    "\nerased\n\"erased\"",
		"ba@x.com a@x.com.au":       "ba@x.com a@x.com.au",
		"b.a@x.com éa@x.com":        "b.a@x.com éa@x.com",
		"a@x.community a@x.com-pay": "a@x.community a@x.com-pay",
		`\`:                         `\`,
	} {
		quoted, err := json.Marshal(map[string]string{"k": in})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(scrub(quoted, emails), &got); err != nil || got["k"] != want {
			t.Errorf("%q became %q (%v), want %q", in, got["k"], err, want)
		}
	}
}

// Erasing looks at one invoice's rows only, however many there are.
func TestErasePlans(t *testing.T) {
	db := newSQLite(t)
	for query, plan := range plansOf(t, db, func(tx *Tx) error {
		if _, err := tx.eraseTold("i", "c", nil); err != nil {
			return err
		}
		if _, err := tx.EraseLeft(time1, 10); err != nil {
			return err
		}
		if _, err := tx.StillErasing("m"); err != nil {
			return err
		}
		_, _, _, err := tx.InvoicesOfBuyer("m", "a@x.com", BuyerSweep{})
		return err
	}) {
		for step := range strings.SplitSeq(plan, "; ") {
			if strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN m") {
				t.Errorf("%q in %s", step, query)
			}
		}
	}
}

func TestEraseTime(t *testing.T) {
	if a, b := eraseTime(time.Unix(1, 0)), eraseTime(time1); a >= b || len(a) != len(b) {
		t.Errorf("%s and %s", a, b)
	}
}
