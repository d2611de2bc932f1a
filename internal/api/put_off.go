package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

// watchedOnly is why wallets are not what they are with CoinPayments.
const watchedOnly = "Wallets here are the merchant's own and only watched, so there is nothing to make, spend, convert or consolidate by the API."

// putOff lists what CoinPayments has and Paybell does not, or not yet: better a
// sentence than a bare 404.
func putOff() []route {
	var routes []route
	for _, off := range []struct{ pattern, why string }{
		{"POST /api/v{1,2}/merchant/invoices/buy-now-button", "Buy-now buttons are not offered; create an invoice and link to its checkoutLink."},
		{"POST /api/v1/invoices/button", "Buy-now buttons are not offered; create an invoice and link to its checkoutLink."},
		{"PUT /api/v{1,2}/merchant/invoices/{id}/payout-config", "Nothing is paid out: buyers pay straight into the merchant's wallet."},
		{"GET /api/v{1,2}/currencies/{id}/logo", "There are no pictures of currencies here; logo in GET /api/v1/currencies says so, with null."},
		{"GET /api/v{1,2}/currencies/{id}/logosvg", "There are no pictures of currencies here; logo in GET /api/v1/currencies says so, with null."},
		{"POST /api/v1/invoices", "Unsigned invoices are not offered; sign POST /api/v2/merchant/invoices."},
		{"/api/v{1,2}/merchant/wallets", watchedOnly},
		{"/api/v{1,2}/merchant/wallets/{rest...}", watchedOnly},
		{"/api/v3/merchant/wallets", watchedOnly},
		{"/api/v3/merchant/wallets/{rest...}", watchedOnly},
	} {
		routes = append(routes, route{off.pattern, anonymous, func(http.ResponseWriter, *request) error {
			return paybell.Errorf(paybell.NotSupported, "%s", off.why)
		}})
	}
	return routes
}
