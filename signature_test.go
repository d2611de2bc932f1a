package paybell

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	vectorClient = "d0ccc52b8204460783d375e278082de2"
	vectorSecret = "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="
)

// signatureVectors are V1 to V6 of the contract, section 1.5. They were made
// by other code than ours, three of them by two other languages.
var signatureVectors = []struct {
	name, method, url, timestamp, body string
	bodyLen                            int
	signature                          string
}{
	{
		"V1 POST with body", "POST", "https://api.coinpayments.com/api/v1/merchant/wallets", "2024-03-15T12:00:00",
		`{"currencyId":2,"label":"Online Shop Wallet","webhookUrl":"https://mysite.com/api/v1/payment/notification"}`, 107,
		"zwls77QR4slgrRWeGxq9s+E5DS2HB7xq+DaYYhEivf4=",
	},
	{
		"V2 GET with query", "GET", "https://a-api.coinpayments.net/api/v2/merchant/invoices?status=paid&q=a+b%26c&limit=5", "2026-01-02T03:04:05",
		"", 0, "FSZT4cBmwcRu/0xsIY/mT61s/4ThRhRPq8JHWVgFp5Y=",
	},
	{
		"V3 POST without body", "POST", "http://127.0.0.1:8080/api/v1/merchant/invoices/11111111-2222-3333-4444-555555555555/cancel", "2026-01-02T03:04:05",
		"", 0, "nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKA=",
	},
	{
		"V4 not ASCII", "POST", "http://127.0.0.1:8080/api/v2/merchant/invoices", "2026-01-02T03:04:05",
		`{"currency":"5057","items":[{"name":"Café ☕","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`, 168,
		"+fXwmZJQ6eK8NYakhSM8xaOilkYpjS49+jcSu7swFvY=",
	},
	{
		"V5 webhook", "POST", "http://127.0.0.1:9000/hook?event=Paid&clientId=d0ccc52b8204460783d375e278082de2", "2026-01-02T03:04:06",
		`{"id":"5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877","type":"InvoicePaid","timestamp":"2026-01-02T03:04:06.1234567+00:00","invoice":{"id":"11111111-2222-3333-4444-555555555555","invoiceId":"0067","state":"Paid"}}`, 200,
		"GzATZhCeoUFjoCKrSsZ3ocqLeOscnoYVsSkyTB9q5r0=",
	},
	{
		"V6 DELETE", "DELETE", "http://127.0.0.1:8080/api/v1/merchant/clients/d0ccc52b8204460783d375e278082de2/webhooks/wLKBuD6h3Vama4mGDqHeF", "2026-01-02T03:04:05",
		"", 0, "m/Nu4JeIrSl5RooyXZOXXef1lMaNPmjthtOAamWiZyc=",
	},
	{
		"V6 as the generated Node client signs it", "DELETE", "http://127.0.0.1:8080/api/v1/merchant/clients/d0ccc52b8204460783d375e278082de2/webhooks/wLKBuD6h3Vama4mGDqHeF", "2026-01-02T03:04:05",
		"null", 4, "j32Vs4n0eu/bpJ6X13XuiuKguqbGUhILqhxkkqt09WE=",
	},
}

func TestSignRequestVectors(t *testing.T) {
	for _, v := range signatureVectors {
		t.Run(v.name, func(t *testing.T) {
			if len(v.body) != v.bodyLen {
				t.Fatalf("the body is %d bytes, the contract says %d: the vector was copied wrong", len(v.body), v.bodyLen)
			}
			got := SignRequest(vectorSecret, v.method, v.url, vectorClient, v.timestamp, []byte(v.body))
			if got != v.signature {
				t.Fatalf("signed %s, want %s", got, v.signature)
			}
			if !SameSignature(v.signature, got) {
				t.Error("the right signature is refused")
			}
			parts := []string{vectorSecret, v.method, v.url, vectorClient, v.timestamp, v.body}
			for part := range parts {
				for at := range parts[part] {
					changed := slices.Clone(parts)
					changed[part] = flipByte(parts[part], at)
					sum := SignRequest(changed[0], changed[1], changed[2], changed[3], changed[4], []byte(changed[5]))
					if SameSignature(v.signature, sum) {
						t.Fatalf("still accepted with byte %d of part %d changed", at, part)
					}
				}
			}
			for at := range v.signature {
				if SameSignature(flipByte(v.signature, at), got) {
					t.Fatalf("still accepted with byte %d of the signature changed", at)
				}
			}
		})
	}
}

func flipByte(s string, at int) string {
	b := []byte(s)
	b[at] ^= 1
	return string(b)
}

func TestSameSignature(t *testing.T) {
	const sig = "nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKA="
	// The last character before the padding holds two bits that decode to
	// nothing; another spelling of the same 32 bytes must not pass.
	twin := "nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKB="
	a, _ := base64.StdEncoding.DecodeString(sig)
	b, _ := base64.StdEncoding.DecodeString(twin)
	if !slices.Equal(a, b) {
		t.Fatal("the twin is no twin")
	}
	for _, got := range []string{"", twin, sig[:43], sig + "=", sig + "\n", " " + sig, strings.ToLower(sig)} {
		if SameSignature(got, sig) {
			t.Errorf("%q passes for %q", got, sig)
		}
	}
	if SameSignature("", "") {
		t.Error("an empty signature passes")
	}
	if !SameSignature(sig, sig) {
		t.Error("the signature itself does not pass")
	}
}

func TestNewClientSecret(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret := NewClientSecret()
		key, err := base64.StdEncoding.Strict().DecodeString(secret)
		if err != nil || len(key) != 32 || len(secret) != 44 {
			t.Fatalf("%q is not 44 characters of base64 of 32 bytes: %v", secret, err)
		}
		if seen[secret] {
			t.Fatalf("%q came twice", secret)
		}
		seen[secret] = true
	}
}

// The library of the Standard Webhooks project itself accepts what we sign.
func TestStandardSignatureIsAcceptedByTheLibrary(t *testing.T) {
	secret, body := NewClientSecret(), []byte(`{"id":"5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877","name":"Café ☕"}`)
	receiver, err := standardwebhooks.NewWebhook("whsec_" + secret)
	if err != nil {
		t.Fatal(err)
	}
	header := func() http.Header {
		return http.Header{
			"Webhook-Id":        {"5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877"},
			"Webhook-Timestamp": {"1767323046"},
			"Webhook-Signature": {StandardSignature(secret, "5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877", 1767323046, body)},
		}
	}
	if err := receiver.VerifyIgnoringTimestamp(body, header()); err != nil {
		t.Fatal(err)
	}
	for at := range body {
		if receiver.VerifyIgnoringTimestamp([]byte(flipByte(string(body), at)), header()) == nil {
			t.Fatalf("still accepted with byte %d of the body changed", at)
		}
	}
	for name := range header() {
		h := header()
		last := len(h[name][0]) - 1
		h[name][0] = flipByte(h[name][0], last)
		if receiver.VerifyIgnoringTimestamp(body, h) == nil {
			t.Errorf("still accepted with %s changed", name)
		}
	}
	if got := StandardSignature(NewClientSecret(), "a", 1, body); len(got) != len("v1,")+44 {
		t.Errorf("%q has the wrong length", got)
	}
}

// The worked example of the Standard Webhooks test suite (shared by all its languages).
func TestStandardSignatureVector(t *testing.T) {
	got := StandardSignature("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestStandardSignatureNeverUsesAnEmptyKey(t *testing.T) {
	for _, secret := range []string{"", "\n", "not base64!", "whsec_" + vectorSecret} {
		if got := StandardSignature(secret, "a", 1, nil); got != "" {
			t.Errorf("%q signed %q, want nothing", secret, got)
		}
	}
}

func TestSignedHeaders(t *testing.T) {
	v := signatureVectors[4]
	now := time.Date(2026, 1, 2, 4, 4, 6, 999_999_999, time.FixedZone("", 3600))
	const id, old = "5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	got := SignedHeaders([]string{vectorSecret, old}, vectorSecret, vectorClient, v.url, id, now, []byte(v.body))
	want := [][2]string{
		{"X-CoinPayments-Client", vectorClient},
		{"X-CoinPayments-Timestamp", v.timestamp},
		{"X-CoinPayments-Signature", v.signature},
		{"webhook-id", id},
		{"webhook-timestamp", "1767323046"},
		{"webhook-signature", StandardSignature(vectorSecret, id, 1767323046, []byte(v.body)) + " " + StandardSignature(old, id, 1767323046, []byte(v.body))},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// While a rotation lasts, a receiver that knows only one of the two secrets
// accepts the attempt by Standard Webhooks, whichever it is.
func TestSignedHeadersDuringRotation(t *testing.T) {
	current, old, body := NewClientSecret(), NewClientSecret(), []byte(`{}`)
	header := http.Header{}
	for _, h := range SignedHeaders([]string{current, old}, old, vectorClient, "https://shop.example/", "a", time.Now(), body) {
		header.Add(h[0], h[1])
	}
	for name, secret := range map[string]string{"current": current, "old": old} {
		receiver, err := standardwebhooks.NewWebhook("whsec_" + secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(body, header); err != nil {
			t.Errorf("with the %s secret: %v", name, err)
		}
	}
	want := SignRequest(old, "POST", "https://shop.example/", vectorClient, header.Get(HeaderTimestamp), body)
	if header.Get(HeaderSignature) != want {
		t.Error("the CoinPayments header does not use the secret it was given")
	}
}

func TestParseTimestamp(t *testing.T) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2026-01-02T03:04:05":                 base,
		"2026-01-02T03:04:05Z":                base,
		"2026-01-02T03:04:05+00:00":           base,
		"2026-01-02T03:04:05-00:00":           base,
		"2026-01-02T05:04:05+02:00":           base,
		"2026-01-01T21:34:05-05:30":           base,
		"2026-01-03T03:03:05+23:59":           base,
		"2026-01-02T03:04:05.1":               base.Add(100 * time.Millisecond),
		"2026-01-02T03:04:05.123":             base.Add(123 * time.Millisecond),
		"2026-01-02T03:04:05.123456":          base.Add(123456 * time.Microsecond),
		"2026-01-02T03:04:05.1234567Z":        base.Add(123456700),
		"2026-01-02T03:04:05.123456789":       base.Add(123456789),
		"2026-01-02T03:04:05.000000001+00:00": base.Add(1),
		"2024-02-29T23:59:59":                 time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC),
	} {
		got, err := ParseTimestamp(s)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s is read as %v (%v), want %v", s, got, err, want)
		}
	}
}

func TestParseTimestampRefuses(t *testing.T) {
	for _, s := range []string{
		"", "2026", "1767323045", "2026-01-02", "2026-01-02 03:04:05", "2026-01-02T03:04", "2026-01-02T3:04:05", "2026-01-02T3:04:05Z",
		"2026-1-02T03:04:05", "2026-01-02t03:04:05", "2026-01-02T03:04:05z", "2026-01-02T03:04:05 ", " 2026-01-02T03:04:05", "2026-01-02T03:04:05\n",
		"2026-01-02T03:04:05.", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05,123", "2026-01-02T03:04:05.1234567890", "2026-01-02T03:04:05.12a",
		"2026-01-02T03:04:05+0000", "2026-01-02T03:04:05+00", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+00:60", "2026-01-02T03:04:05+0a:00",
		"2026-01-02T03:04:05+00:00Z", "2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05 UTC", "2026-01-02T03:04:05Z+00:00", "2026-01-02T03:04:05−00:00",
		"2026-13-02T03:04:05", "2026-02-29T03:04:05", "2026-01-00T03:04:05", "2026-01-02T24:00:00", "2026-01-02T03:60:05", "2026-01-02T03:04:60",
		"+2026-01-02T03:04:05", "12026-01-02T03:04:05", "-026-01-02T03:04:05", "２026-01-02T03:04:05", "2026-01-02T03:04:05.1234567890+00:00",
		strings.Repeat("2026-01-02T03:04:05", 1000),
	} {
		if got, err := ParseTimestamp(s); CodeOf(err) != Invalid {
			t.Errorf("%.60q is read as %v (%v), want it refused as invalid", s, got, err)
		}
	}
}

func TestFormatTimestamp(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 999_999_999, time.FixedZone("CET", 3600))
	if got := FormatTimestamp(at); got != "2026-01-02T03:04:05" {
		t.Errorf("spelled %s", got)
	}
}

// What is accepted means the same to time.Parse, and is bounded.
func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{
		"2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.123456789-23:59", "2026-01-02T3:04:05.1",
		"0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9-23:59",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTimestamp(s)
		if err != nil {
			if CodeOf(err) != Invalid || !got.IsZero() {
				t.Fatalf("%q is refused with %v and %v", s, got, err)
			}
			return
		}
		if len(s) > 35 {
			t.Fatalf("%q is too long to be accepted", s)
		}
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			want, err = time.Parse(time.RFC3339Nano, s+"Z")
		}
		if err != nil || !got.Equal(want) {
			t.Fatalf("%q is read as %v; time.Parse says %v, %v", s, got, want, err)
		}
		if y := got.Year(); y < 0 || y > 9999 {
			return // an offset moved it out of what four digits can spell
		}
		again, err := ParseTimestamp(FormatTimestamp(got))
		if err != nil || !again.Equal(got.Truncate(time.Second)) {
			t.Fatalf("%q does not survive being written again: %v, %v", s, again, err)
		}
	})
}
