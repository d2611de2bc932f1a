package api

import (
	"github.com/paybell/paybell/internal/desk"
)

// bodyV2 is the body of a request in version 2: contract 3.3. Its amounts are
// decimals in whole units of its currency.
type bodyV2 struct {
	commonBody
	Currency   text                        `json:"currency"`
	CurrencyID text                        `json:"currencyId"` // how older clients call it
	Items      oneOrMany[itemBody[amount]] `json:"items"`
	Amount     amountBodyV2                `json:"amount"`
}

type amountBodyV2 struct {
	Breakdown object[breakdownBody[amount]] `json:"breakdown"`
	Total     amount                        `json:"total"`
}

func (b *bodyV2) invoice(a desk.Actor) (in desk.NewInvoice, err error) {
	if in, err = b.commonBody.invoice(a); err != nil {
		return in, err
	}
	ref := b.Currency
	if ref == "" {
		ref = b.CurrencyID
	}
	c, err := findCurrency("currency", ref)
	if err != nil {
		return in, err
	}
	in.UniquePO = true
	return in, readAmounts(&in.Bill, c, b.Amount.Total, "amount.total", b.Amount.Breakdown.value, b.Items)
}

// named leaves errors as they are: the desk speaks of fields as version 2 does.
func (b *bodyV2) named(err error) error { return err }
