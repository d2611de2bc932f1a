package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

const (
	authClient = "d0ccc52b8204460783d375e278082de2"
	authDashed = "d0ccc52b-8204-4607-83d3-75e278082de2"
	authSecret = "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="
	authTime   = "2026-01-02T03:04:05"
	authBase   = "http://127.0.0.1:8080"

	cancelTarget = "/api/v1/merchant/invoices/11111111-2222-3333-4444-555555555555/cancel"
	cancelSign   = "nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKA="
	deleteTarget = "/api/v1/merchant/clients/d0ccc52b8204460783d375e278082de2/webhooks/wLKBuD6h3Vama4mGDqHeF"
	deleteSign   = "m/Nu4JeIrSl5RooyXZOXXef1lMaNPmjthtOAamWiZyc="
	deleteNull   = "j32Vs4n0eu/bpJ6X13XuiuKguqbGUhILqhxkkqt09WE="
)

var authNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// call is one request as it goes over the wire. Zero fields are those of the
// client and clock of the vectors.
type call struct {
	method, target, host     string
	client, timestamp, sign  string
	body                     string
	extra                    string // further raw header lines
	signURL, secret, signing string // if sign is empty: what is signed instead of what is sent
	signBody                 *string
}

// complete fills in the defaults and signs what is not signed yet.
func (c call) complete() call {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.method, "POST")
	def(&c.target, cancelTarget)
	def(&c.host, "127.0.0.1:8080")
	def(&c.client, authClient)
	def(&c.timestamp, authTime)
	def(&c.signURL, "http://"+c.host+c.target)
	def(&c.secret, authSecret)
	def(&c.signing, c.method)
	if c.sign == "" {
		body := c.body
		if c.signBody != nil {
			body = *c.signBody
		}
		c.sign = paybell.SignRequest(c.secret, c.signing, c.signURL, c.client, c.timestamp, []byte(body))
	}
	return c
}

// request makes the http.Request that a server would make of c.
func (c call) request() *http.Request {
	return &http.Request{
		Method: c.method, RequestURI: c.target, Host: c.host,
		Header: http.Header{
			http.CanonicalHeaderKey(paybell.HeaderClient):    {c.client},
			http.CanonicalHeaderKey(paybell.HeaderTimestamp): {c.timestamp},
			http.CanonicalHeaderKey(paybell.HeaderSignature): {c.sign},
		},
	}
}

// raw spells c as HTTP/1.1, without any library that would tidy it up.
func (c call) raw() string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\n"+ // as the PHP SDK has it, always
		"X-CoinPayments-Client: %s\r\nX-CoinPayments-Timestamp: %s\r\nX-CoinPayments-Signature: %s\r\n%s\r\n%s",
		c.method, c.target, c.host, len(c.body), c.client, c.timestamp, c.sign, c.extra, c.body)
}

func testAuthenticator() *authenticator {
	return &authenticator{
		Secrets: func(_ context.Context, id string) ([]string, bool, error) {
			return []string{authSecret}, id == authClient, nil
		},
		now: func() time.Time { return authNow },
	}
}

// server runs a under a real net/http server and returns a function that sends
// a call to it and gives back the client id, or the error's code and detail.
func serveAuth(t *testing.T, a *authenticator) func(call) (string, error) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id, err := a.verify(r, body)
		var e *paybell.Error
		if errors.As(err, &e) {
			http.Error(w, string(e.Code)+": "+e.Detail, http.StatusUnauthorized)
			return
		}
		io.WriteString(w, id)
	}))
	t.Cleanup(srv.Close)
	return func(c call) (string, error) {
		t.Helper()
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, c.complete().raw()); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			return "", errors.New(strings.TrimSpace(string(text)))
		}
		return string(text), nil
	}
}

func wantClient(t *testing.T, id string, err error) {
	t.Helper()
	if err != nil || id != authClient {
		t.Errorf("got %q, %v; want the client recognised", id, err)
	}
}

func wantRefused(t *testing.T, id string, err error, words ...string) {
	t.Helper()
	if id != "" || err == nil || !strings.HasPrefix(err.Error(), string(paybell.Unauthenticated)) {
		t.Errorf("got %q, %v; want it refused as unauthenticated", id, err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("refused with %q; want %q in it", err, word)
		}
	}
	if strings.Contains(err.Error(), authSecret) {
		t.Errorf("%q shows the secret", err)
	}
}

// The vectors of the contract, section 1.5, as requests on the wire.
func TestVerifyVectors(t *testing.T) {
	vectors := map[string]call{
		"V1": {
			host: "api.coinpayments.com", target: "/api/v1/merchant/wallets", timestamp: "2024-03-15T12:00:00",
			body: `{"currencyId":2,"label":"Online Shop Wallet","webhookUrl":"https://mysite.com/api/v1/payment/notification"}`,
			sign: "zwls77QR4slgrRWeGxq9s+E5DS2HB7xq+DaYYhEivf4=",
		},
		"V2": {
			method: "GET", host: "a-api.coinpayments.net", target: "/api/v2/merchant/invoices?status=paid&q=a+b%26c&limit=5",
			sign: "FSZT4cBmwcRu/0xsIY/mT61s/4ThRhRPq8JHWVgFp5Y=",
		},
		"V3": {sign: cancelSign},
		"V4": {
			target: "/api/v2/merchant/invoices", sign: "+fXwmZJQ6eK8NYakhSM8xaOilkYpjS49+jcSu7swFvY=",
			body: `{"currency":"5057","items":[{"name":"Café ☕","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}`,
		},
		"V6":      {method: "DELETE", target: deleteTarget, sign: deleteSign},
		"V6 null": {method: "DELETE", target: deleteTarget, sign: deleteNull},
	}
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			a := testAuthenticator()
			if v.timestamp != "" {
				a.now = func() time.Time { at, _ := paybell.ParseTimestamp(v.timestamp); return at }
			}
			send := serveAuth(t, a)
			id, err := send(v)
			wantClient(t, id, err)

			for part, change := range map[string]func(*call){
				"method":    func(c *call) { c.method = "PATCH" },
				"target":    func(c *call) { c.target = flipLast(c.target) },
				"host":      func(c *call) { c.host = "other.example" },
				"timestamp": func(c *call) { c.timestamp = flipLast(c.timestamp) },
				"signature": func(c *call) { c.sign = "A" + c.sign[1:] },
				"body": func(c *call) {
					if c.body == "" {
						c.body = "{}"
					} else {
						c.body = c.body[:len(c.body)-1] + " }"
					}
				},
				"client spelling": func(c *call) { c.client = authDashed },
			} {
				c := v.complete()
				change(&c)
				id, err := send(c)
				if id != "" || err == nil {
					t.Errorf("still accepted with another %s", part)
				}
			}
		})
	}
}

func flipLast(s string) string { return s[:len(s)-1] + string(s[len(s)-1]^1) }

// The spelling of the request target is signed, and another spelling of the
// same path is another request.
func TestVerifyKeepsTheSpellingOfTheTarget(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	const encoded = "/api/v1/currencies/4%3A0xdac17f958d2ee523a2206206994597c13d831ec7/x"
	decoded := strings.Replace(encoded, "%3A", ":", 1)
	for _, target := range []string{
		encoded, decoded, strings.Replace(encoded, "%3A", "%3a", 1), "/api//v1/../v1/x", "/api/v1/x?", "/api/v1/x?types=crypto%2Ctoken&q=a+b%20c",
		"/?q=Caf\xc3\xa9", "/a;b?c;d=e&&f", "//evil.example/x", "/%2e%2e/%00/x",
	} {
		id, err := send(call{method: "GET", target: target})
		wantClient(t, id, err)
	}
	id, err := send(call{method: "GET", target: decoded, signURL: authBase + encoded})
	wantRefused(t, id, err, "signature")
	id, err = send(call{method: "GET", target: encoded, signURL: authBase + decoded})
	wantRefused(t, id, err, "signature")
}

func TestVerifyTimestampSpellings(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	for _, timestamp := range []string{
		"2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05.123",
		"2026-01-02T03:04:05.123456", "2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456789+00:00",
	} {
		id, err := send(call{timestamp: timestamp})
		wantClient(t, id, err)
	}
	for _, timestamp := range []string{"1767323045", "2026-01-02 03:04:05", "2026-01-02T03:04:05+0000", "now", strings.Repeat("2", 5000)} {
		id, err := send(call{timestamp: timestamp})
		wantRefused(t, id, err, "X-CoinPayments-Timestamp", "malformed")
	}
	// The text is signed, not the time it means.
	id, err := send(call{timestamp: authTime + "Z", sign: cancelSign})
	wantRefused(t, id, err, "signature")
}

func TestVerifyWindow(t *testing.T) {
	for _, tc := range []struct {
		window, off time.Duration // of the server's clock from the timestamp
		words       []string      // nil if it is accepted
	}{
		{0, 0, nil},
		{0, time.Minute, nil},
		{0, -time.Minute, nil},
		{0, time.Minute + time.Nanosecond, []string{"behind", "1m0s is allowed"}},
		{0, -time.Minute - time.Nanosecond, []string{"ahead of"}},
		{0, 2 * time.Hour, []string{"2h0m0s behind", "time zone", "says 2026-01-02T05:04:05 UTC"}},
		{0, -time.Hour, []string{"1h0m0s ahead of"}},
		{5 * time.Minute, 5 * time.Minute, nil},
		{5 * time.Minute, -5 * time.Minute, nil},
		{5 * time.Minute, 5*time.Minute + time.Second, []string{"5m1s behind", "5m0s is allowed"}},
		{time.Second, -2 * time.Second, []string{"ahead of"}},
	} {
		a := testAuthenticator()
		a.Window = tc.window
		a.now = func() time.Time { return authNow.Add(tc.off) }
		c := call{}.complete()
		id, err := a.verify(c.request(), nil)
		if tc.words == nil {
			wantClient(t, id, err)
		} else {
			wantRefused(t, id, err, tc.words...)
		}
	}
	a := testAuthenticator()
	for _, timestamp := range []string{"0000-01-01T00:00:00", "9999-12-31T23:59:59", "1700-01-01T00:00:00"} { // durations end at 292 years
		c := call{timestamp: timestamp}.complete()
		id, err := a.verify(c.request(), nil)
		wantRefused(t, id, err, "clock")
	}
}

func TestVerifyNullBody(t *testing.T) {
	null, empty := "null", ""
	send := serveAuth(t, testAuthenticator())
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		id, err := send(call{method: method, signBody: &null})
		wantClient(t, id, err)
		id, err = send(call{method: method, body: "null"}) // simply what was signed
		wantClient(t, id, err)
		for _, body := range []string{"{}", "[]", " null", "null ", "nul", "[null]", "\x00"} {
			id, err = send(call{method: method, body: body, signBody: &null})
			wantRefused(t, id, err)
		}
		id, err = send(call{method: method, body: "null", signBody: &empty})
		wantRefused(t, id, err)
	}
	for _, method := range []string{"GET", "HEAD", "PATCH", "OPTIONS"} {
		c := call{method: method, signBody: &null}.complete()
		id, err := testAuthenticator().verify(c.request(), nil)
		wantRefused(t, id, err, "signature")
	}
	for _, signed := range []string{`""`, "{}", "[]", "0", "false", "undefined", "NULL", "nullnull"} {
		id, err := send(call{signBody: &signed})
		wantRefused(t, id, err, "signature")
	}
	// The quirk covers the same request and no other.
	id, err := send(call{method: "DELETE", target: deleteTarget, sign: deleteNull})
	wantClient(t, id, err)
	id, err = send(call{method: "PUT", target: deleteTarget, sign: deleteNull})
	wantRefused(t, id, err, "signature")
	id, err = send(call{method: "DELETE", target: flipLast(deleteTarget), sign: deleteNull})
	wantRefused(t, id, err, "signature")
}

func TestVerifyURLCandidates(t *testing.T) {
	a := testAuthenticator()
	a.PublicURLs = []string{"https://pay.example", "https://example.com/pay/", "http://api.coinpayments.net:8443"}
	send := serveAuth(t, a)
	const target = "/api/v2/merchant/invoices?limit=5"
	for _, url := range []string{
		"https://pay.example" + target, "https://example.com/pay" + target, "http://api.coinpayments.net:8443" + target,
		"http://inside:8080" + target, "https://inside:8080" + target,
	} {
		id, err := send(call{method: "GET", target: target, host: "inside:8080", signURL: url})
		wantClient(t, id, err)
		id, err = send(call{method: "GET", target: "http://inside:8080" + target, host: "ignored.example", signURL: url}) // absolute form
		wantClient(t, id, err)
	}
	for _, url := range []string{
		"http://pay.example" + target, "https://example.com" + target, "https://example.com/pay/" + target, "https://other.example" + target,
		target, "inside:8080" + target, "ftp://inside:8080" + target, "HTTP://inside:8080" + target,
		"http://inside:8080/api/v2/merchant/invoices", "http://ignored.example" + target, "", "http://inside:8080",
	} {
		c := call{method: "GET", target: target, host: "inside:8080", signURL: url}.complete()
		c.sign = paybell.SignRequest(authSecret, "GET", url, authClient, authTime, nil)
		id, err := send(c)
		wantRefused(t, id, err, "https://pay.example"+target+" or ", "http://inside:8080"+target[:10])
	}
	for _, end := range []string{"", "?", "?x=/y"} {
		id, err := send(call{method: "GET", target: "HTTPS://inside:8080" + end, signURL: "https://inside:8080" + end})
		wantClient(t, id, err)
	}
}

// A Host that could swallow a part of the path is not used.
func TestVerifyHostCannotHoldAPath(t *testing.T) {
	for _, host := range []string{"pay.example/api", "pay.example/api?x=", "user@pay.example", "pay.example#", "pay example", "pay.example%2f", "", strings.Repeat("a", 262)} {
		c := call{host: host, target: "/cancel"}.complete()
		c.sign = paybell.SignRequest(authSecret, c.method, "http://"+host+"/cancel", authClient, authTime, nil)
		id, err := testAuthenticator().verify(c.request(), nil)
		wantRefused(t, id, err, "signature")
	}
	for _, host := range []string{"pay.example", "127.0.0.1:8080", "[::1]:8080", "localhost", "PAY_1.example."} {
		c := call{host: host}.complete()
		id, err := testAuthenticator().verify(c.request(), nil)
		wantClient(t, id, err)
	}
}

func TestVerifyTargets(t *testing.T) {
	for _, target := range []string{"", "*", "api", "pay.example:443", "ftp://127.0.0.1:8080/x", `/x?q={}`, `/x"`, "/" + strings.Repeat("x", maxSignedTarget)} {
		c := call{}.complete()
		c.target = target
		c.sign = paybell.SignRequest(authSecret, c.method, authBase+target, authClient, authTime, nil)
		id, err := testAuthenticator().verify(c.request(), nil)
		wantRefused(t, id, err, "request target")
	}
	c := call{target: "/" + strings.Repeat("x", maxSignedTarget-1)}.complete()
	id, err := testAuthenticator().verify(c.request(), nil)
	wantClient(t, id, err)
	c.sign = cancelSign
	_, err = testAuthenticator().verify(c.request(), nil)
	if len(err.Error()) > 2000 {
		t.Errorf("the answer to a long target has %d bytes", len(err.Error()))
	}
}

func TestVerifyClientSpellings(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	for _, client := range []string{authClient, strings.ToUpper(authClient), authDashed, strings.ToUpper(authDashed)} {
		id, err := send(call{client: client})
		wantClient(t, id, err)
	}
	for _, client := range []string{
		"x", authClient[:31], authClient + "0", "{" + authDashed + "}", "urn:uuid:" + authDashed, authClient[:31] + "g",
		authClient + ", " + authClient, strings.Repeat("d", 5000),
	} {
		id, err := send(call{client: client})
		wantRefused(t, id, err, "X-CoinPayments-Client")
	}
}

func TestVerifySignatureTexts(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	for _, sign := range []string{
		"A", cancelSign[:43], cancelSign + "=", cancelSign + cancelSign, cancelSign[:42] + "==", strings.Repeat("=", 44), strings.Repeat("!", 44),
		cancelSign[:43] + "A", "9d719cED0bfac4255361c6a07f42f56b3da308fc36d00060413328d16830b0a0", strings.Repeat("A", 100_000),
		strings.NewReplacer("+", "-", "/", "_").Replace("+fXwmZJQ6eK8NYakhSM8xaOilkYpjS49+jcSu7swFvY="),
		"nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKB=", // decodes to the same bytes
		cancelSign + "," + cancelSign, "v1," + cancelSign[3:],
	} {
		id, err := send(call{sign: sign})
		wantRefused(t, id, err, "X-CoinPayments-Signature", "44 characters")
	}
	id, err := send(call{sign: strings.Repeat("A", 43) + "="})
	wantRefused(t, id, err, "signature does not match")
}

func TestVerifyHeadersOnce(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	good := call{}.complete()
	for name, value := range map[string]string{paybell.HeaderClient: good.client, paybell.HeaderTimestamp: good.timestamp, paybell.HeaderSignature: good.sign} {
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			id, err := send(call{extra: spelling + ": " + value + "\r\n"})
			wantRefused(t, id, err, name, "2 times")
		}
		for _, values := range [][]string{nil, {}, {""}} {
			r := good.request()
			r.Header[http.CanonicalHeaderKey(name)] = values
			id, err := testAuthenticator().verify(r, nil)
			wantRefused(t, id, err, name, "missing")
		}
	}
	id, err := testAuthenticator().verify(&http.Request{Method: "GET", RequestURI: "/", Host: "a"}, nil)
	wantRefused(t, id, err, "missing")
}

func TestVerifyRotation(t *testing.T) {
	current, old := paybell.NewClientSecret(), paybell.NewClientSecret()
	a := testAuthenticator()
	a.Secrets = func(context.Context, string) ([]string, bool, error) { return []string{current, old}, true, nil }
	send := serveAuth(t, a)
	for _, secret := range []string{current, old} {
		id, err := send(call{secret: secret})
		wantClient(t, id, err)
	}
	for _, secret := range []string{authSecret, current + old, stranger} {
		id, err := send(call{secret: secret})
		wantRefused(t, id, err, "signature")
	}
	// An empty secret in the list is no key, alone or among others.
	for _, secrets := range [][]string{{""}, {"", current}, {current, ""}, {}, nil} {
		a.Secrets = func(context.Context, string) ([]string, bool, error) { return secrets, true, nil }
		c := call{}.complete()
		c.sign = paybell.SignRequest("", c.method, c.signURL, c.client, c.timestamp, nil)
		given := slices.Clone(secrets)
		id, err := a.verify(c.request(), nil)
		wantRefused(t, id, err)
		if !slices.Equal(given, secrets) {
			t.Error("the list of secrets was changed")
		}
	}
}

// Whatever a stranger sends, even signed with the stand-in's key, the answer is
// one sentence.
func TestVerifyStranger(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	other := strings.Repeat("0", 32)
	var first error
	for _, c := range []call{
		{client: other},
		{client: other, secret: stranger},
		{client: other, sign: cancelSign},
		{client: other, timestamp: "1999-01-02T03:04:05"},
		{client: other, method: "GET", target: "/x", host: "elsewhere.example"},
	} {
		id, err := send(c)
		wantRefused(t, id, err, "not known")
		if first == nil {
			first = err
		}
		if err == nil || err.Error() != first.Error() {
			t.Errorf("answered %q here, %q there", err, first)
		}
	}
}

// A storage error is neither a yes nor a 401.
func TestVerifyStorageError(t *testing.T) {
	a := testAuthenticator()
	busy := paybell.Errorf(paybell.Unavailable, "busy")
	a.Secrets = func(context.Context, string) ([]string, bool, error) { return []string{authSecret}, true, busy }
	c := call{}.complete()
	id, err := a.verify(c.request(), nil)
	if id != "" || !errors.Is(err, busy) || paybell.CodeOf(err) != paybell.Unavailable {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestVerifyDoesNotPassForAnotherRequest(t *testing.T) {
	send := serveAuth(t, testAuthenticator())
	for name, c := range map[string]call{
		"another method":              {method: "GET", sign: cancelSign},
		"another invoice":             {target: strings.Replace(cancelTarget, "1111-", "1112-", 1), sign: cancelSign},
		"a longer path":               {target: cancelTarget + "/", sign: cancelSign},
		"a query added":               {target: cancelTarget + "?force=true", sign: cancelSign},
		"a query taken away":          {signURL: authBase + cancelTarget + "?dryRun=true"},
		"a fragment added":            {target: cancelTarget + "#", sign: cancelSign},
		"the path's end in the body":  {target: "/api/v1/merchant/invoices", signURL: authBase + "/api/v1/merchant/invoices{", body: "{"},
		"a body added":                {body: "{}", sign: cancelSign},
		"the zone moved to the body":  {timestamp: "2026-01-02T03:04:05", body: "+05:00", sign: signText("POST" + authBase + cancelTarget + authClient + "2026-01-02T03:04:05+05:00")},
		"the digits moved":            {timestamp: "2026-01-02T03:04:05.1", body: "23", sign: signText("POST" + authBase + cancelTarget + authClient + "2026-01-02T03:04:05.123")},
		"the Z moved":                 {body: "Z", sign: signText("POST" + authBase + cancelTarget + authClient + authTime + "Z")},
		"the body moved to the clock": {timestamp: authTime + ".5", sign: signText("POST" + authBase + cancelTarget + authClient + authTime + ".5{}")},
		"no byte order mark":          {sign: signBytes("POST" + authBase + cancelTarget + authClient + authTime)},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := send(c)
			wantRefused(t, id, err)
		})
	}
}

// signText signs a whole message, its parts already joined; signBytes does so
// without the byte order mark.
func signText(message string) string {
	return signBytes("\xEF\xBB\xBF" + message)
}

func signBytes(message string) string {
	mac := hmac.New(sha256.New, []byte(authSecret))
	mac.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// One signature has one reading: however the signed message is cut into URL,
// client id, timestamp and body, only the client's own cut is accepted.
func TestVerifyOneReading(t *testing.T) {
	a := testAuthenticator()
	a.Window = 1<<63 - 1 // the window must not be what saves us
	host := "127.0.0.1:8080"
	for name, honest := range map[string]call{
		"body-less with an offset":  {timestamp: "2026-01-02T08:04:05.25+05:00"},
		"null signed":               {body: "null"},
		"dashed id and a fraction":  {client: authDashed, timestamp: "2026-01-02T03:04:05.123456789"},
		"query that ends in digits": {method: "GET", target: "/api/v2/merchant/invoices?limit=20"},
		"own id in the path":        {method: "DELETE", target: deleteTarget},
		"own id and a time in the body": {
			target: "/i", body: `{"x":"` + authClient + authTime + `","y":["` + authDashed + authTime + `Z{",[]]}`,
		},
		"an array in the body": {target: "/i?x=", body: `["` + authClient + authTime + `{}"]`},
	} {
		t.Run(name, func(t *testing.T) {
			honest := honest.complete()
			rest := honest.target + honest.client + honest.timestamp + honest.body
			accepted := 0
			for i := 0; i <= len(rest); i++ {
				for j := i + 31; j <= min(i+37, len(rest)); j++ {
					for k := j; k <= len(rest); k++ {
						c := call{method: honest.method, host: host, target: rest[:i], client: rest[i:j], timestamp: rest[j:k], sign: honest.sign}
						body := []byte(rest[k:])
						if _, err := a.verify(c.request(), body); err != nil {
							continue
						}
						accepted++
						if c.target != honest.target || c.timestamp != honest.timestamp {
							t.Errorf("read as target %q, client %q, timestamp %q, body %q", c.target, c.client, c.timestamp, body)
						}
					}
				}
			}
			if accepted != 1 {
				t.Errorf("%d readings are accepted, want one", accepted)
			}
		})
	}
}

// Nothing that differs from the signed request is accepted, and what is signed
// is refused with one bit of the signature changed.
func FuzzVerify(f *testing.F) {
	f.Add("POST", "127.0.0.1:8080", cancelTarget, authClient, authTime, cancelSign, []byte(nil))
	f.Add("DELETE", "127.0.0.1:8080", deleteTarget, authClient, authTime, deleteNull, []byte(nil))
	f.Add("GET", "[::1]", "http://[::1]/x?y", authDashed, authTime+".1Z", "", []byte("{}"))
	f.Add("POST", "a/b", "*", "", "", "=", []byte("+05:00"))
	f.Fuzz(func(t *testing.T, method, host, target, client, timestamp, sign string, body []byte) {
		a := testAuthenticator()
		a.PublicURLs = []string{"https://pay.example/sub"}
		c := call{method: method, host: host, target: target, client: client, timestamp: timestamp, sign: sign}
		if id, err := a.verify(c.request(), body); err == nil {
			path, _ := signedTarget(target)
			known := (sign == cancelSign && method == "POST" && path == cancelTarget ||
				(sign == deleteSign || sign == deleteNull) && method == "DELETE" && path == deleteTarget) &&
				client == authClient && timestamp == authTime && len(body) == 0
			if id != authClient || !known {
				t.Fatalf("%+v with body %q is accepted as %q", c, body, id)
			}
		} else if paybell.CodeOf(err) != paybell.Unauthenticated || id != "" {
			t.Fatalf("refused with %q, %v", id, err)
		}

		c.sign = paybell.SignRequest(authSecret, method, "https://pay.example/sub"+target, client, timestamp, body)
		if _, err := a.verify(c.request(), body); err == nil {
			c.sign = string(c.sign[0]^1) + c.sign[1:]
			if _, err := a.verify(c.request(), body); err == nil {
				t.Fatalf("%+v is accepted with a changed signature", c)
			}
		}
	})
}

// The same secret signs in both directions. What was signed as a notification,
// for a receiver whose path is one of ours, must not open our own door.
func TestVerifyRefusesNotifications(t *testing.T) {
	const secret, client = "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg=", "d0ccc52b8204460783d375e278082de2"
	change := paybell.Create(paybell.Invoice{ID: "11111111-2222-4333-8444-555555555555", ClientID: client, Bill: paybell.Bill{Currency: "5057"}}, time.Now())
	body := change.Tell(paybell.Merchant{}, 0).Body
	url := "https://evil.example/api/v1/merchant/invoices/11111111-2222-4333-8444-555555555555/cancel"
	r := httptest.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	r.RequestURI = strings.TrimPrefix(url, "https://evil.example")
	for _, h := range paybell.SignedHeaders([]string{secret}, secret, client, url, "x", time.Now(), body) {
		r.Header.Set(h[0], h[1])
	}
	a := &authenticator{Secrets: func(context.Context, string) ([]string, bool, error) { return []string{secret}, true, nil }}
	if _, err := a.verify(r, body); paybell.CodeOf(err) != paybell.Unauthenticated {
		t.Fatalf("a notification was taken for a request: %v", err)
	}
	// The same request with another body shows that only the body was at fault.
	other := []byte(`{}`)
	r.Header.Set(paybell.HeaderSignature, paybell.SignRequest(secret, http.MethodPost, url, client, r.Header.Get(paybell.HeaderTimestamp), other))
	if _, err := a.verify(r, other); err != nil {
		t.Fatalf("the request without the notification: %v", err)
	}
}
