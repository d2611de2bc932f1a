package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/paybell/paybell"
)

// paymentStatus is what buyers' pages poll. It opens nothing.
func (s *Server) paymentStatus(w http.ResponseWriter, r *request) error {
	inv, p, err := s.Desk.Payment(r.Context(), r.PathValue("id"), r.PathValue("currency"))
	if err != nil {
		return err
	}
	j := newStatusJSON(&inv, p)
	if j.Paybell.Delayed, err = s.Desk.Delayed(r.Context(), &inv, p); err != nil {
		return err
	}
	return reply(w, http.StatusOK, j)
}

// statusJSON is how far a payment is: contract 3.5.
type statusJSON struct {
	Created                string          `json:"created"`
	Expires                string          `json:"expires"`
	Status                 paybell.State   `json:"status"` // of this payment, in the words of an invoice
	PartialAcceptAvailable bool            `json:"partialAcceptAvailable"`
	Payment                progressJSON    `json:"payment"`
	Paybell                statusExtraJSON `json:"paybell"`
}

// statusExtraJSON holds what the contract has no place for.
type statusExtraJSON struct {
	Delayed bool `json:"delayed"` // the network is not being looked at as it should: money will be seen later
}

type progressJSON struct {
	CurrencyID            json.Number `json:"currencyId"` // a number here; of a token, its chain's
	Confirmations         int         `json:"confirmations"`
	RequiredConfirmations int         `json:"requiredConfirmations"`
	ConfirmedAmount       moneyJSON   `json:"confirmedAmount"`
	UnconfirmedAmount     moneyJSON   `json:"unconfirmedAmount"`
	ExpectedAmount        moneyJSON   `json:"expectedAmount"`
	RemainingAmount       moneyJSON   `json:"remainingAmount"`
}

func newStatusJSON(inv *paybell.Invoice, p paybell.Payment) statusJSON {
	coin, _ := paybell.FindCurrency(p.Currency) // was found when the payment was opened
	money := inv.Money(p)
	id, _, _ := strings.Cut(coin.ID, ":")
	return statusJSON{
		Created: stamp(p.OpenedAt), Expires: stamp(p.ExpiresAt), Status: inv.PaymentState(p),
		PartialAcceptAvailable: inv.PartialAcceptAvailable(),
		Payment: progressJSON{
			CurrencyID: json.Number(id), Confirmations: money.Depth, RequiredConfirmations: p.CompletedAfter,
			ConfirmedAmount: coinsJSON(coin, money.Confirmed), UnconfirmedAmount: coinsJSON(coin, money.Counted.Sub(money.Confirmed)),
			ExpectedAmount: coinsJSON(coin, p.Due), RemainingAmount: coinsJSON(coin, money.Missing),
		},
	}
}
