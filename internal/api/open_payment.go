package api

import (
	"net/http"
	"strings"

	"github.com/paybell/paybell"
)

// openPayment is a buyer choosing a coin. It is a GET that locks an address and
// a rate, so what browsers and chat programs send to look ahead must not do it.
func (s *Server) openPayment(w http.ResponseWriter, r *request) error {
	if r.Method != http.MethodGet {
		return &methodError{[]string{http.MethodGet}}
	}
	if looksAhead(r.Header) {
		return paybell.Errorf(paybell.Conflict, "This locks an address and a rate, so it is not done ahead of time; ask again when the buyer has chosen.")
	}
	inv, p, err := s.Desk.OpenPayment(r.Context(), r.PathValue("id"), r.PathValue("currency"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newAddressJSON(&inv, p, version1)) // CoinPayments has no other of this call
}

// looksAhead reports whether nobody has followed the link yet.
func looksAhead(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		value := strings.ToLower(h.Get(name))
		if strings.Contains(value, "prefetch") || strings.Contains(value, "prerender") || strings.Contains(value, "preview") {
			return true
		}
	}
	return false
}

// addressJSON is where and how much to pay: contract 3.5.
type addressJSON struct {
	Currency        currencyBriefJSON `json:"currency"`
	Amount          any               `json:"amount"`
	RemainingAmount any               `json:"remainingAmount"`
	Addresses       addressesJSON     `json:"addresses"`
	Expires         string            `json:"expires"`
}

type addressesJSON struct {
	Address string `json:"address"`
	BIP21   string `json:"biP21"`
}

func newAddressJSON(inv *paybell.Invoice, p paybell.Payment, v *version) addressJSON {
	coin, _ := paybell.FindCurrency(p.Currency) // was found when the payment was opened
	missing := inv.Money(p).Missing
	return addressJSON{
		Currency: briefly(coin), Amount: v.due(coin, p.Due.Coins(coin.Decimals), p.Rate),
		RemainingAmount: v.money(coin, missing.Coins(coin.Decimals)),
		Addresses:       addressesJSON{p.Address, coin.PaymentURI(p.Address, missing)},
		Expires:         stamp(p.ExpiresAt),
	}
}
