package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// Every route with an id in its path, called with ids of somebody else.
func TestOwners(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, `,"payment":{"paymentCurrency":"1002"}`)
	hook := b.webhook(b.shop)
	tx := get(b, b.want(200, b.shop, "POST", "/api/v1/sandbox/invoices/"+id+"/pay", `{"amount":"0.01"}`), "txId").(string)
	b.watch()
	told := get(b, b.want(200, b.shop, "GET", "/api/v1/merchant/invoices/"+id+"/history", ""), "items", 0, "paybell", "notificationId").(string)
	job := get(b, b.want(202, b.shop, "POST", hooksPath(b.shop)+"/"+hook+"/resend", `{"after":0}`), "id").(string)
	b.disableEndpoint(b.shop, "https://down.example:443")
	b.desk.Networks = map[string]desk.Network{paybell.LitecoinNetwork: plainLitecoin}
	wallet := get(b, b.want(201, b.shop, "POST", "/api/v1/merchant/wallets", aWallet), "walletId").(string)
	before := b.facts(id)

	const nobody = 404
	theirs := map[client]string{b.stranger: b.webhook(b.stranger), b.sibling: b.webhook(b.sibling)}
	mux, asked := http.NewServeMux(), map[string]bool{}
	for pattern := range b.api.Patterns() {
		mux.Handle(pattern, http.NotFoundHandler())
	}
	for _, tc := range []struct {
		call, body        string
		stranger, sibling int
	}{
		{"GET /api/v1/merchant/invoices/INV", "", nobody, 200},
		{"GET /api/v2/merchant/invoices/INV", "", nobody, 200},
		{"GET /api/v2/merchant/invoices/INV?include_full_details=true", "", nobody, 200},
		{"GET /api/v1/merchant/invoices/INV/history", "", nobody, 200},
		{"GET /api/v2/merchant/invoices/INV/history", "", nobody, 200},
		{"GET /api/v1/merchant/invoices/INV/payouts", "", nobody, 200},
		{"GET /api/v2/merchant/invoices/INV/payouts", "", nobody, 200},
		{"POST /api/v1/merchant/invoices/INV/cancel", "", nobody, 403},
		{"POST /api/v2/merchant/invoices/INV/cancel", "", nobody, 403},
		{"POST /api/v1/merchant/invoices/INV/accept", "", nobody, 403},
		{"GET /api/v1/merchant/clients/CLIENT/webhooks", "", nobody, nobody},
		{"GET /api/v2/merchant/clients/CLIENT/webhooks?type=invoicePaid", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/webhooks", hookBody, nobody, nobody},
		{"POST /api/v2/merchant/clients/CLIENT/webhooks", hookBody, nobody, nobody},
		{"PUT /api/v1/merchant/clients/CLIENT/webhooks/HOOK", hookBody, nobody, nobody},
		{"DELETE /api/v2/merchant/clients/CLIENT/webhooks/HOOK", "", nobody, nobody},
		{"PUT /api/v1/merchant/clients/OWN/webhooks/HOOK", hookBody, nobody, nobody},
		{"PUT /api/v2/merchant/clients/OWN/webhooks/HOOK", hookBody, nobody, nobody},
		{"DELETE /api/v1/merchant/clients/OWN/webhooks/HOOK", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/CLIENT/webhooks/HOOK/notifications", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/OWN/webhooks/HOOK/notifications", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/CLIENT/webhooks/HOOK", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/OWN/webhooks/HOOK", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/CLIENT/webhooks/HOOK/notifications/TOLD", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/OWN/webhooks/HOOK/notifications/TOLD", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/OWN/webhooks/THEIRS/notifications/TOLD", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/webhooks/HOOK/pause", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/webhooks/HOOK/pause", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/webhooks/HOOK/enable", `{"missed":"skip"}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/webhooks/HOOK/enable", `{"missed":"skip"}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/webhooks/HOOK/test", `{"event":"invoicePaid"}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/webhooks/HOOK/test", `{"event":"invoicePaid"}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/webhooks/HOOK/resend", `{"after":0}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/webhooks/HOOK/resend", `{"after":0}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/webhooks/HOOK/resend", `{"failedSince":"2026-01-02","dryRun":true}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/webhooks/THEIRS/resend", `{"notificationId":"TOLD"}`, nobody, nobody},
		{"GET /api/v1/merchant/clients/CLIENT/resends", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/CLIENT/resends/JOB", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/OWN/resends/JOB", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/resends/JOB/cancel", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/resends/JOB/cancel", "", nobody, nobody},
		{"GET /api/v1/merchant/clients/CLIENT/endpoints", "", nobody, nobody},
		{"POST /api/v1/merchant/clients/CLIENT/endpoints/enable", `{"endpoint":"https://down.example:443"}`, nobody, nobody},
		{"POST /api/v1/merchant/clients/OWN/endpoints/enable", `{"endpoint":"https://down.example:443"}`, 409, 409}, // it is not disabled there
		{"GET /api/v1/merchant/clients/CLIENT/webhooks?invoiceId=INV", "", nobody, nobody},
		{"GET /api/v1/merchant/wallets/WALLET", "", nobody, 200},
		{"GET /api/v2/merchant/wallets/WALLET", "", nobody, 200},
		{"PUT /api/v1/merchant/wallets/WALLET/policy", `{"completed":[{"confirmations":9}]}`, nobody, 0}, // it is the merchant's
		{"DELETE /api/v1/merchant/wallets/WALLET", "", nobody, 0},
		{"POST /api/v1/sandbox/invoices/INV/pay", `{"amount":"0.01"}`, nobody, 403},
		{"POST /api/v1/sandbox/invoices/INV/pay", "", nobody, 403},
		{"POST /api/v1/sandbox/invoices/INV/expire", `{"what":"lifetime"}`, nobody, 403},
		{"POST /api/v1/sandbox/transactions/TX/replace", `{"toInvoice":false}`, nobody, 0}, // the chain is the merchant's
		{"POST /api/v1/sandbox/transactions/TX/drop", "", nobody, 0},
	} {
		for who, want := range map[client]int{b.stranger: tc.stranger, b.sibling: tc.sibling} {
			method, path, _ := strings.Cut(tc.call, " ")
			ids := strings.NewReplacer("INV", id, "CLIENT", b.shop.id, "HOOK", hook, "TX", tx, "OWN", who.id, "TOLD", told, "JOB", job, "THEIRS", theirs[who], "WALLET", wallet)
			path = ids.Replace(path)
			_, pattern := mux.Handler(b.request(client{}, method, path, ""))
			asked[pattern] = true
			if want == 0 {
				continue
			}
			if a := b.call(who, method, path, ids.Replace(tc.body)); want == 200 {
				b.same(a.status, "200")
			} else {
				b.wantProblem(a, want)
			}
		}
	}
	// Nothing of the stranger's moves the shop's chain either.
	b.want(200, b.stranger, "POST", "/api/v1/sandbox/mine", `{"blocks":5}`)
	b.watch()
	if after := b.facts(id); after != before {
		t.Errorf("others changed the shop's things:\n%s\nwas\n%s", after, before)
	}
	for pattern, whose := range b.api.Patterns() {
		if whose == "signed" && strings.Contains(pattern, "{") && !asked[pattern] {
			t.Errorf("nobody asked for another's %s", pattern)
		}
	}
}

// facts is all that the shop sees of its own.
func (b *bench) facts(id string) string {
	b.Helper()
	inv := b.call(b.shop, "GET", "/api/v2/merchant/invoices/"+id, "")
	hooks := b.call(b.shop, "GET", hooksPath(b.shop), "")
	resends := b.call(b.shop, "GET", resendsPath(b.shop), "")
	endpoints := b.call(b.shop, "GET", "/api/v1/merchant/clients/"+b.shop.id+"/endpoints", "")
	wallets := b.call(b.shop, "GET", "/api/v1/merchant/wallets", "")
	return string(inv.body) + string(hooks.body) + string(resends.body) + string(endpoints.body) + string(wallets.body)
}

// What a client may not is refused by the name of the permission.
func TestPermissions(t *testing.T) {
	b := newBench(t)
	one := b.merchant("Third")
	id := b.invoice(b.client(one), "")
	none := b.limited(one, 0)
	for call, permission := range map[string]string{
		"POST /api/v2/merchant/invoices":                                 "createInvoice",
		"GET /api/v2/merchant/invoices":                                  "listInvoices",
		"GET /api/v2/merchant/invoices/" + id:                            "findInvoice",
		"GET /api/v1/merchant/invoices/" + id + "/history":               "listInvoiceHistory",
		"GET /api/v2/merchant/invoices/" + id + "/payouts":               "invoicePayouts",
		"POST /api/v2/merchant/invoices/" + id + "/cancel":               "cancelInvoice",
		"POST /api/v1/merchant/invoices/" + id + "/accept":               "acceptInvoice",
		"POST " + hooksPath(none):                                        "createClientWebHook",
		"GET " + hooksPath(none):                                         "getWebhooks",
		"PUT " + hooksPath(none) + "/x":                                  "updateWebhook",
		"DELETE " + hooksPath(none) + "/x":                               "deleteWebhook",
		"GET " + hooksPath(none) + "/x/notifications":                    "pullNotifications",
		"GET " + hooksPath(none) + "/x":                                  "getWebhooks",
		"GET " + hooksPath(none) + "/x/notifications/x":                  "pullNotifications",
		"POST " + hooksPath(none) + "/x/pause":                           "updateWebhook",
		"POST " + hooksPath(none) + "/x/enable":                          "updateWebhook",
		"POST " + hooksPath(none) + "/x/test":                            "updateWebhook",
		"POST " + hooksPath(none) + "/x/resend":                          "resendNotifications",
		"GET " + resendsPath(none):                                       "resendNotifications",
		"GET " + resendsPath(none) + "/x":                                "resendNotifications",
		"POST " + resendsPath(none) + "/x/cancel":                        "resendNotifications",
		"POST /api/v1/merchant/clients/" + none.id + "/endpoints/enable": "updateWebhook",
		"GET /api/v1/merchant/clients/" + none.id + "/endpoints":         "getWebhooks",
		"GET /api/v2/merchant/wallets":                                   "getWallets",
		"GET /api/v2/merchant/wallets/x":                                 "getWalletById",
		"POST /api/v1/merchant/wallets":                                  "createWallet",
		"POST /api/v1/merchant/wallets/preview":                          "createWallet",
		"PUT /api/v1/merchant/wallets/x/policy":                          "createWallet",
		"DELETE /api/v1/merchant/wallets/x":                              "createWallet",
		"POST /api/v1/sandbox/mine":                                      "useSandbox",
		"POST /api/v1/sandbox/reorg":                                     "useSandbox",
		"POST /api/v1/sandbox/invoices/" + id + "/pay":                   "useSandbox",
		"POST /api/v1/sandbox/invoices/" + id + "/expire":                "useSandbox",
		"POST /api/v1/sandbox/transactions/" + "x/drop":                  "useSandbox",
		"POST /api/v1/sandbox/transactions/" + "x/replace":               "useSandbox",
	} {
		method, path, _ := strings.Cut(call, " ")
		body := map[string]string{
			"createInvoice": `{"currency":"USD","amount":{"total":"1"}}`, "createClientWebHook": hookBody, "updateWebhook": hookBody, "createWallet": aWallet,
		}[permission]
		for end, needs := range map[string]string{"mine": `{"blocks":1}`, "reorg": `{"depth":1}`, "expire": `{"what":"window"}`, "replace": `{"toInvoice":true}`, "pause": "",
			"enable": "{}", "test": `{"event":"invoicePaid"}`, "endpoints/enable": `{"endpoint":"x"}`, "resend": `{"after":0}`,
			"policy": `{"completed":[{"confirmations":1}]}`, "wallets/x": ""} {
			if strings.HasSuffix(path, "/"+end) && (end != "enable" || !strings.HasSuffix(path, "endpoints/enable")) {
				body = needs
			}
		}
		b.wantProblem(b.call(none, method, path, body), 403, permission)
	}
}

// The routes that change something or show what is the merchant's own need a
// signature; without a good one nothing is looked at. Those for people need a
// token, and there a signature is nothing.
func TestSignedRoutesNeedASignature(t *testing.T) {
	b := newBench(t)
	id := b.invoice(b.shop, "")
	forged := client{b.shop.id, paybell.NewClientSecret()}
	unknown := client{paybell.NewClientID(), b.shop.secret}
	token := b.newAccountToken(b.shop)
	before := b.facts(id)
	for pattern, whose := range b.api.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{id}", id, "{clientId}", b.shop.id, "{webhookId}", "x", "{txId}", "x", "{notificationId}", "x", "{resendId}", "x", "{walletId}", "x").Replace(path)
		callers := map[string]client{"nobody": {}, "a forger": forged, "an unknown client": unknown}
		switch whose {
		case "anonymous":
			continue
		case "account":
			callers["a client"] = b.shop
		case "signed":
			b.wantProblem(b.callWithToken(token, method, path, ""), 401, "missing")
		}
		for who, c := range callers {
			if a := b.call(c, method, path, ""); a.status != http.StatusUnauthorized {
				t.Errorf("%s by %s: %d %s, want 401", pattern, who, a.status, a.body)
			} else {
				b.wantProblem(a, 401)
			}
			if method != "GET" {
				continue
			}
			if a := b.call(c, "HEAD", path, ""); a.status != http.StatusUnauthorized {
				t.Errorf("HEAD %s by %s: %d, want 401", path, who, a.status)
			}
		}
	}
	if after := b.facts(id); after != before {
		t.Errorf("something was changed:\n%s\nwas\n%s", after, before)
	}
	if a := b.call(b.shop, "HEAD", createPath+"/"+id, ""); a.status != 200 || len(a.body) > 0 {
		t.Errorf("a signed HEAD: %d %s", a.status, a.body)
	}
}
