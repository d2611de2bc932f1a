package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// plainKey is a key that is written "pub:name".
type plainKey string

func (k plainKey) String() string      { return "pub:" + string(k) }
func (k plainKey) Fingerprint() string { return "print of " + string(k) }
func (k plainKey) Kind() string        { return "plain (ltc1…)" }

func (k plainKey) Address(index int64) (string, error) {
	return fmt.Sprintf("ltc1%s%d", string(k), index), nil
}

// plainLitecoin is a network whose keys are written "pub:name". Its node knows that
// the addresses 0 to 4 of "used" were paid.
var plainLitecoin = desk.Network{
	Name: paybell.LitecoinNetwork, Chain: "mainnet",
	ParseKey: func(text string) (desk.Key, error) {
		name, ok := strings.CutPrefix(text, "pub:")
		if !ok {
			return nil, paybell.InvalidField("key", "is a private key")
		}
		return plainKey(name), nil
	},
	Used: func(_ context.Context, addresses []string) ([]bool, error) {
		used := make([]bool, len(addresses))
		for i, a := range addresses {
			used[i] = len(a) == 9 && strings.HasPrefix(a, "ltc1used") && a[8] <= '4'
		}
		return used, nil
	},
}

const aWallet = `{"currencyId":2,"key":"pub:zoe","firstAddress":"ltc1zoe0"}`

// lookedAt writes that a network was looked at, now.
func (b *bench) lookedAt(network, trouble string) {
	b.Helper()
	must(b.T, store.Do(b.Context(), b.db, func(tx *store.Tx) error {
		from, err := tx.Cursor(network)
		if err != nil {
			return err
		}
		to := from
		to.Height, to.ScannedAt = 840_000, time.Now()
		if _, err := tx.MoveCursor(from, to); err != nil || trouble == "" {
			return err
		}
		return tx.NoteTrouble(network, trouble, false, time.Now())
	}))
}

// A merchant's wallet from the key to the payment.
func TestWallets(t *testing.T) {
	b := newBench(t)
	const path = "/api/v1/merchant/wallets"
	status := func(code int, method, path, body string, words ...string) {
		t.Helper()
		b.wantProblem(b.call(b.shop, method, path, body), code, words...)
	}
	status(501, "POST", path, aWallet, "--litecoin-node")
	b.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
	b.lookedAt(paybell.LitecoinNetwork, "")
	latest := "/api/v2/currencies/blockchain-nodes/LTC/latest-block-number"
	b.same(get(b, b.want(200, client{}, "GET", latest, ""), "latestBlockNumber"), "840000")

	// Comparing comes first.
	seen := b.want(200, b.shop, "POST", path+"/preview", `{"currency":"ltc","key":"pub:used"}`)
	b.same(seen, "map[addresses:[ltc1used0 ltc1used1 ltc1used2] chain:mainnet checked:true currencyId:2 first:5 key:pub:used kind:plain (ltc1…) test:false]")
	b.same(get(b, b.want(200, b.shop, "POST", path+"/preview", `{"currency":"ltc","key":"pub:used","from":70}`), "first"), "70")
	b.same(b.want(200, b.shop, "GET", path, ""), "[]")
	b.wantField(b.call(b.shop, "POST", path, `{"currency":"LTC","key":"pub:used"}`), "firstAddress", "wallet program")
	if a := b.call(b.shop, "POST", path, `{"currency":"LTC","key":"pub:used","prv:secret and more":1}`); a.status != 400 || strings.Contains(string(a.body), "prv:") {
		t.Errorf("a key in the wrong place is answered with %d %s", a.status, a.body)
	}
	if a := b.call(b.shop, "GET", path+"/prv:secret", ""); a.status != 404 || strings.Contains(strings.ReplaceAll(string(a.body), "/prv:secret", ""), "prv:") {
		t.Errorf("a key in the wrong place is answered with %d %s", a.status, a.body)
	}
	b.wantField(b.call(b.shop, "POST", path, `{"currency":"LTC","key":"pub:used","firstAddress":"ltc1zoe0"}`), "firstAddress", "ltc1used0")

	added := b.want(201, b.shop, "POST", path, `{"currency":"LTC","key":"pub:used","firstAddress":"ltc1used0","policy":{"paid":1,"completed":[{"confirmations":2},{"from":0.5,"confirmations":6}]}}`)
	id := get(b, added, "walletId").(string)
	b.same(get(b, added, "paybell", "nextIndex"), "5")
	b.same(get(b, added, "paybell", "policy"), "map[completed:[map[confirmations:2 from:0] map[confirmations:6 from:0.5]] paid:1]")
	b.same(get(b, added, "paybell", "policyInWords", 2), "From 0.5 LTC on it is completed after 6 blocks (about 15 minutes). To take back that many blocks costs far more than most payments are worth.")
	again := b.want(201, b.shop, "POST", path, `{"currency":"LTC","key":"pub:used","firstAddress":"ltc1used0"}`)
	b.same(get(b, again, "walletId"), id)
	for _, call := range []string{"GET /api/v2/merchant/wallets/" + id, "GET /api/v1/merchant/wallets/" + strings.ToUpper(id)} {
		method, path, _ := strings.Cut(call, " ")
		b.same(b.want(200, b.sibling, method, path, ""), fmt.Sprint(added))
	}
	for query, want := range map[string]int{"": 1, "?skip=0&take=1": 1, "?skip=1&take=1": 0, "?take=0": 0, "?skip=9999999999&take=x": 1} {
		b.same(len(b.want(200, b.shop, "GET", path+query, "").([]any)), fmt.Sprint(want))
	}

	// What its payments ask for is the policy's, everywhere, and stays.
	b.same(get(b, b.want(200, b.shop, "GET", "/api/v1/merchant/currencies", ""), 0, "requiredConfirmations"), "2")
	made := b.invoice(b.shop, "")
	pick := "/api/v1/invoices/" + made + "/payment-currencies/LTC"
	b.same(get(b, b.want(200, client{}, "GET", pick, ""), "addresses", "address"), "ltc1used5")
	b.want(200, b.shop, "PUT", path+"/"+id+"/policy", `{"completed":[{"confirmations":9}]}`)
	b.same(get(b, b.want(200, client{}, "GET", pick+"/status", ""), "payment", "requiredConfirmations"), "6")
	read := b.want(200, b.shop, "GET", "/api/v2/merchant/invoices/"+made, "")
	b.same(get(b, read, "payments", 0, "requiredConfirmations"), "6")
	b.same(get(b, read, "payments", 0, "confirmations"), "0")
	b.same(get(b, read, "paybell", "test"), "false")

	// A network that cannot be looked at delays what is seen of it.
	delayed := func(want string) {
		t.Helper()
		b.same(get(b, b.want(200, client{}, "GET", pick+"/status", ""), "paybell", "delayed"), want)
	}
	delayed("false")
	b.lookedAt(paybell.LitecoinNetwork, "the node is away")
	again = b.want(200, b.shop, "GET", path+"/"+id, "")
	b.same(get(b, again, "paybell", "network", "trouble"), "the node is away")
	b.desk = &desk.Desk{DB: b.db, Quote: quote{}, Sandbox: b.desk.Sandbox, Networks: b.desk.Networks} // which remembers nothing
	b.api.Desk = b.desk
	b.serve()
	delayed("true")

	b.want(204, b.shop, "DELETE", path+"/"+id, "")
	b.want(204, b.shop, "DELETE", path+"/"+id, "")
	b.same(get(b, b.want(200, b.shop, "GET", path+"/"+id, ""), "isActive"), "false")
	b.same(b.want(200, b.shop, "GET", path, ""), "[]")
	status(409, "PUT", path+"/"+id+"/policy", `{"completed":[{"confirmations":9}]}`, "removed")
	status(400, "GET", "/api/v1/invoices/"+b.invoice(b.shop, "")+"/payment-currencies/LTC", "", "no wallet")
}

// Others' wallets do not exist.
func TestOthersWallets(t *testing.T) {
	b := newBench(t)
	b.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
	const path = "/api/v1/merchant/wallets/"
	id := get(b, b.want(201, b.shop, "POST", "/api/v1/merchant/wallets", aWallet), "walletId").(string)
	for _, ref := range []string{id, "x", "00000000-0000-0000-0000-000000000000"} {
		b.wantProblem(b.call(b.stranger, "GET", path+ref, ""), 404, "there is no wallet")
		b.wantProblem(b.call(b.stranger, "PUT", path+ref+"/policy", `{"completed":[{"confirmations":9}]}`), 404, "there is no wallet")
		b.wantProblem(b.call(b.stranger, "DELETE", path+ref, ""), 404, "there is no wallet")
	}
	b.same(b.want(200, b.stranger, "GET", "/api/v1/merchant/wallets", ""), "[]")
	b.same(get(b, b.want(200, b.shop, "GET", path+id, ""), "isActive"), "true")
}

func TestBadWallets(t *testing.T) {
	b := newBench(t)
	b.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
	const path = "/api/v1/merchant/wallets"
	for _, route := range []string{path, path + "/preview"} {
		for body, field := range map[string]string{
			`{"key":"pub:zoe"}`:                                                       "currency",
			`{"currency":"secret","key":"pub:zoe"}`:                                   "currency",
			`{"currency":"USD","key":"pub:zoe"}`:                                      "currency",
			`{"currency":"LTCT","key":"pub:zoe"}`:                                     "currency",
			`{"currency":"LTC","key":"prv:secret"}`:                                   "key",
			`{"currency":"LTC","key":["prv:secret"]}`:                                 "key",
			`{"currency":"LTC","key":"pub:zoe","from":-1}`:                            "from",
			`{"currency":"LTC","key":"pub:zoe","from":1.5}`:                           "from",
			`{"currency":"LTC","key":"pub:zoe","from":2147483648}`:                    "from",
			`{"currency":"LTC","key":"pub:zoe","label":"x"}`:                          "label",
			`{"currency":"LTC","key":"pub:zoe","policy":{}}`:                          "policy.completed",
			`{"currency":"LTC","key":"pub:zoe","policy":[]}`:                          "policy",
			`{"currency":"LTC","key":"pub:zoe","policy":{"paid":-1}}`:                 "policy.paid",
			`{"currency":"LTC","key":"pub:zoe","policy":{"completed":[{}]}}`:          "policy.completed",
			`{"currency":"LTC","key":"pub:zoe","policy":` + tier("0.1") + `}`:         "policy.completed",
			`{"currency":"LTC","key":"pub:zoe","policy":` + tier("-1") + `}`:          "policy.completed[0].from",
			`{"currency":"LTC","key":"pub:zoe","policy":` + tier("1e400") + `}`:       "policy.completed[0].from",
			`{"currency":"LTC","key":"pub:zoe","policy":` + tier("0.123456789") + `}`: "policy.completed[0].from",
		} {
			a := b.call(b.shop, "POST", route, body)
			if b.wantField(a, field); strings.Contains(string(a.body), "secret") {
				t.Errorf("%s: %s", body, a.body)
			}
		}
		// As CoinPayments makes wallets.
		b.wantProblem(b.call(b.shop, "POST", route, `{"currencyId":2,"label":"Online Shop Wallet","webhookUrl":"https://mysite.com/"}`), 501, "only watched", `"key"`)
		b.wantProblem(b.call(b.shop, "POST", route, `[]`), 400, "object")
	}
	b.same(b.want(200, b.shop, "GET", path, ""), "[]")
	id := get(b, b.want(201, b.shop, "POST", path, aWallet), "walletId").(string)
	for body, field := range map[string]string{
		`{}`: "completed", `{"paid":0.5}`: "paid", `{"paid":101,"completed":[{"confirmations":1}]}`: "paid", `{"completed":[{"confirmations":0}]}`: "completed",
		`{"completed":[` + strings.Repeat(`{"confirmations":1},`, 10) + `{"confirmations":1}]}`: "completed", `{"completed":[{"confirmations":1}],"x":1}`: "x",
		tier("0.000000001"): "completed[0].from", tier("1e2"): "completed[0].from",
	} {
		b.wantField(b.call(b.shop, "PUT", path+"/"+id+"/policy", body), field)
	}
	if log := b.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "pub:") {
		t.Error("the log has a key")
	}
}

func tier(from string) string { return `{"completed":[{"from":"` + from + `","confirmations":1}]}` }

// Who signs is told the confirmations of their own wallets; a wrong signature is
// nobody's.
func TestRequiredConfirmations(t *testing.T) {
	b := newBench(t)
	b.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
	id := get(b, b.want(201, b.shop, "POST", "/api/v1/merchant/wallets", aWallet), "walletId").(string)
	b.want(200, b.shop, "PUT", "/api/v1/merchant/wallets/"+id+"/policy", `{"paid":7,"completed":[{"confirmations":5},{"from":1,"confirmations":20}]}`)
	forged := client{b.shop.id, paybell.NewClientSecret()}
	for _, version := range []string{"v1", "v2"} {
		for _, ask := range []struct {
			who  client
			want string
		}{{b.shop, "7"}, {b.sibling, "7"}, {b.stranger, "3"}, {client{}, "3"}, {forged, "3"}} {
			for _, item := range b.want(200, ask.who, "GET", "/api/"+version+"/currencies/required-confirmations", "").([]any) {
				if get(b, item, "currencyId") == "2" {
					b.same(get(b, item, "confirmationsCount"), ask.want)
				}
			}
		}
	}
}
