package shop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybell/paybell"
)

const (
	testClient = "d0ccc52b8204460783d375e278082de2"
	testSecret = "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="

	// Vector V5 of the contract, section 1.5.
	v5URL       = "http://127.0.0.1:9000/hook?event=Paid&clientId=d0ccc52b8204460783d375e278082de2"
	v5ID        = "5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877"
	v5Timestamp = "2026-01-02T03:04:06"
	v5Body      = `{"id":"5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877","type":"InvoicePaid","timestamp":"2026-01-02T03:04:06.1234567+00:00","invoice":{"id":"11111111-2222-3333-4444-555555555555","invoiceId":"0067","state":"Paid"}}`
	v5Signature = "GzATZhCeoUFjoCKrSsZ3ocqLeOscnoYVsSkyTB9q5r0="
)

var v5Time = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)

// The shop proves something only as long as it shares no code with the sender.
func TestImports(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(path, "/")
			if strings.Contains(first, ".") && path != "github.com/standard-webhooks/standard-webhooks/libraries/go" {
				t.Errorf("%s imports %s", entry.Name(), path)
			}
		}
	}
	if files == 0 {
		t.Fatal("no file was looked at")
	}
}

// post is one POST to the shop; the functions below change the good one.
type post struct {
	header http.Header
	body   string
}

// goodPost signs body as it was sent at the time at, by this file's own code.
func goodPost(id, body string, at time.Time) post {
	timestamp := at.UTC().Format("2006-01-02T15:04:05")
	mac := hmac.New(sha256.New, []byte(testSecret))
	io.WriteString(mac, "\xEF\xBB\xBFPOST"+v5URL+testClient+timestamp+body)
	webhook, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		panic(err)
	}
	standard, err := webhook.Sign(id, at, []byte(body))
	if err != nil {
		panic(err)
	}
	p := post{header: http.Header{}, body: body}
	for name, value := range map[string]string{
		"X-CoinPayments-Client":    testClient,
		"X-CoinPayments-Timestamp": timestamp,
		"X-CoinPayments-Signature": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"webhook-id":               id,
		"webhook-timestamp":        strconv.FormatInt(at.Unix(), 10),
		"webhook-signature":        standard,
	} {
		p.header.Set(name, value)
	}
	return p
}

func testShop() *Shop {
	s := New(v5URL, testClient, testSecret)
	s.now = func() time.Time { return v5Time }
	return s
}

// send posts p and returns the status and the event, if there is one.
func send(s *Shop, p post) (int, *Event) {
	r := httptest.NewRequest(http.MethodPost, "/anything", strings.NewReader(p.body))
	r.Header = p.header
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	select {
	case event := <-s.Events():
		return w.Code, &event
	default:
		return w.Code, nil
	}
}

func TestGood(t *testing.T) {
	p := goodPost(v5ID, v5Body, v5Time)
	if got := p.header.Get("X-CoinPayments-Signature"); got != v5Signature {
		t.Fatalf("this test signs %s, the contract's vector is %s", got, v5Signature)
	}
	p.header.Set("Paybell-Sequence", "1.7")
	status, event := send(testShop(), p)
	want := Event{ID: v5ID, Type: "InvoicePaid", InvoiceID: "11111111-2222-3333-4444-555555555555", State: "Paid", Sequence: "1.7", At: v5Time}
	if status != http.StatusNoContent || event == nil || *event != want {
		t.Errorf("got %d and %+v, want 204 and %+v", status, event, want)
	}
	p.header.Set("Paybell-Out-Of-Order", "true")
	if _, event := send(testShop(), p); !event.OutOfOrder {
		t.Error("out of order is not seen")
	}
}

func TestRefused(t *testing.T) {
	other := paybell.NewClientSecret()
	for name, tc := range map[string]struct {
		change func(*post)
		words  string
	}{
		"tampered body":        {func(p *post) { p.body = strings.Replace(p.body, "0067", "0068", 1) }, "CoinPayments: signature"},
		"no body":              {func(p *post) { p.body = "" }, "CoinPayments: signature"},
		"tampered signature":   {func(p *post) { p.header.Set("X-CoinPayments-Signature", "A"+v5Signature[1:]) }, "CoinPayments: signature"},
		"wrong client":         {func(p *post) { p.header.Set("X-CoinPayments-Client", strings.Repeat("0", 32)) }, "client id"},
		"dashed client":        {func(p *post) { p.header.Set("X-CoinPayments-Client", paybell.DashedClientID(testClient)) }, "client id"},
		"another time":         {func(p *post) { p.header.Set("X-CoinPayments-Timestamp", "2026-01-02T03:04:07") }, "CoinPayments: signature"},
		"time with a zone":     {func(p *post) { p.header.Set("X-CoinPayments-Timestamp", v5Timestamp+"Z") }, "malformed"},
		"time with fraction":   {func(p *post) { p.header.Set("X-CoinPayments-Timestamp", v5Timestamp+".5") }, "malformed"},
		"time in seconds":      {func(p *post) { p.header.Set("X-CoinPayments-Timestamp", "1767323046") }, "malformed"},
		"short hour":           {func(p *post) { p.header.Set("X-CoinPayments-Timestamp", "2026-01-02T3:04:06") }, "malformed"},
		"another webhook id":   {func(p *post) { p.header.Set("webhook-id", strings.Repeat("0", 32)) }, "Standard Webhooks: signature"},
		"another second":       {func(p *post) { p.header.Set("webhook-timestamp", "1767323047") }, "Standard Webhooks: signature"},
		"old second":           {func(p *post) { p.header.Set("webhook-timestamp", "1767322745") }, "Standard Webhooks: timestamp"},
		"no number":            {func(p *post) { p.header.Set("webhook-timestamp", "now") }, "Standard Webhooks: timestamp"},
		"tampered standard":    {func(p *post) { p.header.Set("webhook-signature", "v1,"+v5Signature) }, "Standard Webhooks: signature"},
		"unknown version":      {func(p *post) { p.header.Set("webhook-signature", "v2"+p.header.Get("webhook-signature")[2:]) }, "Standard Webhooks: signature"},
		"another secret":       {func(p *post) { signStandard(p, other) }, "Standard Webhooks: signature"},
		"signature sent twice": {func(p *post) { p.header.Add("X-CoinPayments-Signature", v5Signature) }, "once"},
	} {
		t.Run(name, func(t *testing.T) {
			p := goodPost(v5ID, v5Body, v5Time)
			tc.change(&p)
			status, event := send(testShop(), p)
			if status != http.StatusUnauthorized || event == nil || event.Err == nil || !strings.Contains(event.Err.Error(), tc.words) {
				t.Fatalf("got %d and %+v, want 401 and %q", status, event, tc.words)
			}
			if *event != (Event{At: v5Time, Err: event.Err}) {
				t.Errorf("%+v repeats what cannot be trusted", event)
			}
			if strings.Contains(event.Err.Error(), testSecret) {
				t.Errorf("%q shows the secret", event.Err)
			}
		})
	}
	for name := range goodPost(v5ID, v5Body, v5Time).header {
		p := goodPost(v5ID, v5Body, v5Time)
		p.header.Del(name)
		if status, event := send(testShop(), p); status != http.StatusUnauthorized || event.Err == nil {
			t.Errorf("without %s: %d and %+v, want 401", name, status, event)
		}
	}
}

func signStandard(p *post, secret string) {
	p.header.Set("webhook-signature", paybell.StandardSignature(secret, v5ID, v5Time.Unix(), []byte(p.body)))
}

func TestAge(t *testing.T) {
	for _, tc := range []struct {
		off  time.Duration // of the shop's clock from the signature
		want int
	}{
		{0, 204},
		{300 * time.Second, 204},
		{300*time.Second + 999*time.Millisecond, 204}, // the SDK counts whole seconds
		{301 * time.Second, 401},
		{-300 * time.Second, 204},
		{-301 * time.Second, 401},
		{24 * time.Hour, 401},
	} {
		s := testShop()
		s.now = func() time.Time { return v5Time.Add(tc.off) }
		if status, event := send(s, goodPost(v5ID, v5Body, v5Time)); status != tc.want || (event.Err == nil) != (tc.want == 204) {
			t.Errorf("with the clock off by %v: %d and %+v, want %d", tc.off, status, event, tc.want)
		}
	}
}

func TestURL(t *testing.T) {
	s := testShop()
	s.SetURL(strings.Replace(v5URL, "event=Paid&", "", 1))
	if status, _ := send(s, goodPost(v5ID, v5Body, v5Time)); status != http.StatusUnauthorized {
		t.Errorf("a signature for another URL got %d", status)
	}
	s.SetURL(v5URL)
	if status, _ := send(s, goodPost(v5ID, v5Body, v5Time)); status != http.StatusNoContent {
		t.Errorf("a signature for the URL that was set got %d", status)
	}
}

func TestShape(t *testing.T) {
	for body, want := range map[string]int{
		`{"id":"a","type":"WebhookDisabled"}`:                                       204,
		`{"id":"a","type":"InvoicePaid","invoice":{"id":"b","state":"Paid"}}`:       204,
		`{"id":"a","type":"PaymentCreated","invoice":{"id":"b","state":"Pending"}}`: 204,
		`{"id":"a","type":"InvoicePaid"}`:                                           400,
		`{"id":"a","type":"InvoicePaid","invoice":null}`:                            400,
		`{"id":"a","type":"InvoicePaid","invoice":{"state":"Paid"}}`:                400,
		`{"id":"a","type":"InvoicePaid","invoice":{"id":"b"}}`:                      400,
		`{"id":"a","type":"InvoicePaid","invoice":{"id":1,"state":"Paid"}}`:         400,
		`{"id":"a"}`:                               400,
		`{"type":"WebhookDisabled"}`:               400,
		`{"id":"c","type":"WebhookDisabled"}`:      400, // not the webhook-id
		`{"id":"a","type":"WebhookDisabled"} more`: 400,
		`{"id":"a","type":"WebhookDisabled"`:       400,
		`null`:                                     400, `[]`: 400, `1`: 400, ``: 400, "\xff": 400,
	} {
		status, event := send(testShop(), goodPost("a", body, v5Time))
		if status != want || event == nil || (event.Err == nil) != (want == 204) {
			t.Errorf("%s: got %d and %+v, want %d", body, status, event, want)
		}
	}
}

func TestBounds(t *testing.T) {
	fit := func(size int) string {
		const frame = `{"id":"a","type":"WebhookDisabled","pad":""}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1)
	}
	if status, event := send(testShop(), goodPost("a", fit(maxBody), v5Time)); status != http.StatusNoContent {
		t.Errorf("a body of 1 MiB got %d and %+v", status, event)
	}
	if status, event := send(testShop(), goodPost("a", fit(maxBody+1), v5Time)); status != http.StatusRequestEntityTooLarge || event.Err == nil {
		t.Errorf("a larger body got %d and %+v", status, event)
	}
	w := httptest.NewRecorder()
	s := testShop()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || len(s.Events()) != 0 {
		t.Errorf("GET got %d and %d events", w.Code, len(s.Events()))
	}
}

func numbered(i int) post {
	id := fmt.Sprintf("%032x", i)
	return goodPost(id, `{"id":"`+id+`","type":"WebhookDisabled"}`, v5Time)
}

func TestDuplicates(t *testing.T) {
	s := testShop()
	for i, want := range []bool{false, true, true} {
		status, event := send(s, goodPost(v5ID, v5Body, v5Time.Add(time.Duration(i)*time.Second))) // signed again
		if status != http.StatusNoContent || event.Duplicate != want {
			t.Errorf("time %d: got %d and %+v", i+1, status, event)
		}
	}
	bad := numbered(1)
	bad.header.Set("X-CoinPayments-Signature", v5Signature)
	send(s, bad)
	if _, event := send(s, numbered(1)); event.Duplicate {
		t.Error("an untrusted POST made a later good one a duplicate")
	}
}

// The memory is a window over the last ids.
func TestDuplicatesBounded(t *testing.T) {
	s := testShop()
	for i := range remembered + 5 {
		if _, event := send(s, numbered(i)); event.Duplicate || event.Err != nil {
			t.Fatalf("%d is %+v", i, event)
		}
	}
	if len(s.seen) != remembered {
		t.Errorf("%d ids are remembered", len(s.seen))
	}
	if _, event := send(s, numbered(5)); !event.Duplicate {
		t.Error("an id inside the window is forgotten")
	}
	if _, event := send(s, numbered(4)); event.Duplicate {
		t.Error("an id outside the window is remembered")
	}
}

// With no reader the shop stops acknowledging, and forgets nothing it has
// acknowledged.
func TestNoReader(t *testing.T) {
	s := testShop()
	post := func(p post) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(p.body))
		r.Header = p.header
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	for i := range waiting {
		if status := post(numbered(i)); status != http.StatusNoContent {
			t.Fatalf("%d got %d", i, status)
		}
	}
	if status := post(numbered(waiting)); status != http.StatusServiceUnavailable {
		t.Errorf("past the buffer the answer is %d", status)
	}
	bad := numbered(0)
	bad.header.Del("webhook-id")
	if status := post(bad); status != http.StatusUnauthorized {
		t.Errorf("an untrusted one got %d", status)
	}
	<-s.Events()
	if status := post(numbered(waiting)); status != http.StatusNoContent {
		t.Errorf("with room again the answer is %d", status)
	}
	for i := range waiting {
		if event := <-s.Events(); event.Duplicate || event.ID != fmt.Sprintf("%032x", i+1) {
			t.Fatalf("event %d is %+v", i+1, event)
		}
	}
}

// Of attempts that arrive together exactly one is the first.
func TestTogether(t *testing.T) {
	s := testShop()
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(v5Body))
			r.Header = goodPost(v5ID, v5Body, v5Time).header
			s.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	group.Wait()
	first := 0
	for range 20 {
		if event := <-s.Events(); !event.Duplicate {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d of 20 are the first", first)
	}
}

// The sender's code and this code, which share nothing, agree over a real
// connection, with header names that are not canonical.
func TestAgreesWithTheSender(t *testing.T) {
	secret, old := paybell.NewClientSecret(), paybell.NewClientSecret()
	s := New("", testClient, secret)
	srv := httptest.NewServer(s)
	defer srv.Close()
	url := srv.URL + "/hook?a=b&c=%C3%A9"
	s.SetURL(url)
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(v5Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range paybell.SignedHeaders([]string{old, secret}, secret, testClient, url, v5ID, time.Now(), []byte(v5Body)) {
		req.Header[h[0]] = []string{h[1]}
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if event := <-s.Events(); resp.StatusCode != http.StatusNoContent || event.Err != nil || event.ID != v5ID {
		t.Errorf("got %d and %+v", resp.StatusCode, event)
	}
}

// A secret that cannot be a key trusts nobody.
func TestBadSecret(t *testing.T) {
	for _, secret := range []string{"", "no base64!"} {
		s := New(v5URL, testClient, secret)
		s.now = func() time.Time { return v5Time }
		p := goodPost(v5ID, v5Body, v5Time)
		p.header.Set("X-CoinPayments-Signature", paybell.SignRequest(secret, "POST", v5URL, testClient, v5Timestamp, []byte(v5Body)))
		webhook, err := standardwebhooks.NewWebhookRaw(nil) // what an empty secret decodes to
		if err != nil {
			t.Fatal(err)
		}
		standard, err := webhook.Sign(v5ID, v5Time, []byte(v5Body))
		if err != nil {
			t.Fatal(err)
		}
		p.header.Set("webhook-signature", standard)
		if status, event := send(s, p); status != http.StatusUnauthorized || event.Err == nil {
			t.Errorf("with the secret %q: got %d and %+v", secret, status, event)
		}
	}
}
