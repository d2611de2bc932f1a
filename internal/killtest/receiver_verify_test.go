package killtest

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSignKnowsTheContract holds our own signing against vectors 3 and 5 of the
// contract, section 1.5.
func TestSignKnowsTheContract(t *testing.T) {
	const client, secret = "d0ccc52b8204460783d375e278082de2", "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="
	for _, v := range []struct{ method, url, stamp, body, want string }{
		{"POST", "http://127.0.0.1:8080/api/v1/merchant/invoices/11111111-2222-3333-4444-555555555555/cancel", "2026-01-02T03:04:05", "",
			"nXGc7Qv6xCWTYcagf0L1az2jCPw20ABgQTMo0WgwsKA="},
		{"POST", "http://127.0.0.1:9000/hook?event=Paid&clientId=" + client, "2026-01-02T03:04:06",
			`{"id":"5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877","type":"InvoicePaid","timestamp":"2026-01-02T03:04:06.1234567+00:00","invoice":{"id":"11111111-2222-3333-4444-555555555555","invoiceId":"0067","state":"Paid"}}`,
			"GzATZhCeoUFjoCKrSsZ3ocqLeOscnoYVsSkyTB9q5r0="},
	} {
		if got := sign([]byte(secret), "\xEF\xBB\xBF"+v.method, v.url, client, v.stamp, v.body); got != v.want {
			t.Errorf("%s %s: %s, want %s", v.method, v.url, got, v.want)
		}
	}
}

// TestReceiverDistrusts alters a good notification in one way at a time.
func TestReceiverDistrusts(t *testing.T) {
	const body = `{"id":"5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877","type":"InvoicePaid","invoice":{"id":"i","merchantClientId":"d0ccc52b-8204-4607-83d3-75e278082de2","invoiceId":"7","state":"Paid","paybell":{"version":4}}}`
	hk := &hook{url: "http://127.0.0.1:9000/hook?a=1", owner: &account{"d0ccc52b8204460783d375e278082de2", "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="}}
	arrive := func(at time.Time, alter func(header func(name, value string)), sent string) arrival {
		req := httptest.NewRequest("POST", "/hook?a=1", strings.NewReader(sent))
		stamp, unix := at.UTC().Format("2006-01-02T15:04:05"), strconv.FormatInt(at.Unix(), 10)
		key := "\x59\x81\x01\xfa\x13\x7e\xf3\xdc\x1a\x3b\xbe\x90\x78\xef\x53\xec\x82\x2a\x85\xda\x3f\xeb\x41\x87\xad\xd6\x2e\xda\xf1\x1a\xed\x38" // the secret, decoded
		for name, value := range map[string]string{
			"Paybell-Sequence": "1.12", "X-CoinPayments-Client": hk.owner.clientID, "X-CoinPayments-Timestamp": stamp,
			"X-CoinPayments-Signature": sign([]byte(hk.owner.secret), "\xEF\xBB\xBFPOST", hk.url, hk.owner.clientID, stamp, body),
			"webhook-id":               "5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877", "webhook-timestamp": unix,
			"webhook-signature": "v1," + sign([]byte(key), "5a5c1f0e5d6c4b7e9a3f2d1c0b9a8877."+unix+".", body),
		} {
			req.Header.Set(name, value)
		}
		if alter != nil {
			alter(req.Header.Set)
		}
		return read(hk, req, []byte(sent))
	}
	good := arrive(time.Now(), nil, body)
	if good.distrust != "" || good.kind != "InvoicePaid" || good.number != "7" || good.version != 4 || good.n != 12 {
		t.Fatalf("a good notification is read as %+v", good)
	}
	const wrong = "60NsOvvAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for name, a := range map[string]arrival{
		"another body":          arrive(time.Now(), nil, strings.Replace(body, `"version":4`, `"version":5`, 1)),
		"no JSON":               arrive(time.Now(), nil, body[1:]),
		"signed long ago":       arrive(time.Now().Add(-301*time.Second), nil, body),
		"CoinPayments":          arrive(time.Now(), func(h func(string, string)) { h("X-CoinPayments-Signature", wrong) }, body),
		"Standard Webhooks":     arrive(time.Now(), func(h func(string, string)) { h("webhook-signature", "v1,"+wrong) }, body),
		"another webhook-id":    arrive(time.Now(), func(h func(string, string)) { h("webhook-id", "x") }, body),
		"another client":        arrive(time.Now(), func(h func(string, string)) { h("X-CoinPayments-Client", "x") }, body),
		"a timestamp with zone": arrive(time.Now(), func(h func(string, string)) { h("X-CoinPayments-Timestamp", "2026-01-02T03:04:05Z") }, body),
		"no number":             arrive(time.Now(), func(h func(string, string)) { h("Paybell-Sequence", "") }, body),
		"number 0":              arrive(time.Now(), func(h func(string, string)) { h("Paybell-Sequence", "1.0") }, body),
	} {
		if a.distrust == "" {
			t.Errorf("%s: it is trusted", name)
		}
	}
}
