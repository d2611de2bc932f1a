package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

// putOff lists what CoinPayments has and Paybell does not, or not yet: better a
// sentence than a bare 404.
func putOff() []route {
	const (
		wallets = "Wallets here are the merchant's own and only watched, so there is nothing to make, spend, convert or consolidate by the API."
		links   = "Buyers choose a coin with GET /api/v1/invoices/{id}/payment-currencies/{currency}; nothing else is needed."
	)
	var routes []route
	for _, off := range []struct{ pattern, why string }{
		{"POST /api/v1/merchant/invoices", "Invoices are not created by version 1 yet; use POST /api/v2/merchant/invoices, with amounts as decimal strings."},
		{"POST /api/v{1,2}/merchant/invoices/buy-now-button", "Buy-now buttons are not offered; create an invoice and link to its checkoutLink."},
		{"POST /api/v1/invoices/button", "Buy-now buttons are not offered; create an invoice and link to its checkoutLink."},
		{"GET /api/v{1,2}/merchant/invoices/{id}/payouts", "Nothing is paid out: buyers pay straight into the merchant's wallet. See payments of GET /api/v2/merchant/invoices/{id}."},
		{"PUT /api/v{1,2}/merchant/invoices/{id}/payout-config", "Nothing is paid out: buyers pay straight into the merchant's wallet."},
		{"GET /api/v{1,2}/merchant/invoices/{id}/history", "The history of an invoice cannot be read yet; webhooks tell every step."},
		{"POST /api/v1/invoices", "Unsigned invoices are not offered; sign POST /api/v2/merchant/invoices."},
		{"PUT /api/v1/invoices/{id}", "Buyers cannot change an invoice yet."},
		{"POST /api/v1/invoices/{id}/payments", links},
		{"GET /api/v1/shared-invoices/{id}", "Shared invoices are not offered yet."},
		{"/api/v{1,2}/merchant/clients/access-control", "Permissions of a client cannot be read or set by the API yet."},
		{"GET /api/v{1,2}/merchant/clients/ip", "The caller's address cannot be asked for yet."},
		{"GET /api/v{1,2}/merchant/currencies", "The merchant's own list of coins cannot be read yet; see GET /api/v1/currencies."},
		{"/api/v{1,2}/merchant/wallets", wallets},
		{"/api/v{1,2}/merchant/wallets/{rest...}", wallets},
		{"/api/v3/merchant/wallets", wallets},
		{"/api/v3/merchant/wallets/{rest...}", wallets},
		{"GET /api/v{1,2}/currencies/conversions", "Nothing is converted here."},
		{"GET /api/v{1,2}/currencies/limits/{from}/{to}", "Nothing is converted here."},
		{"GET /api/v{1,2}/currencies/blockchain-nodes/{id}/latest-block-number", "The height of a chain cannot be asked for yet."},
		{"GET /api/v{1,2}/fees/blockchain/{id}", "Network fees are paid by the buyer's wallet and not estimated here."},
	} {
		routes = append(routes, route{off.pattern, anonymous, func(http.ResponseWriter, *request) error {
			return paybell.Errorf(paybell.NotSupported, "%s", off.why)
		}})
	}
	return routes
}
