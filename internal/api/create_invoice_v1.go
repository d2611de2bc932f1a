package api

import (
	"errors"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// bodyV1 is the body of a request in version 1: contract 3.2. Its amounts are
// whole numbers of the currency's smallest unit.
type bodyV1 struct {
	commonBody
	Items  oneOrMany[itemBody[moneyBody]] `json:"items"`
	Amount amountBodyV1                   `json:"amount"`
}

type amountBodyV1 struct {
	moneyBody
	Breakdown object[breakdownBody[moneyBody]] `json:"breakdown"`
}

func (b *bodyV1) invoice(a desk.Actor) (in desk.NewInvoice, err error) {
	if in, err = b.commonBody.invoice(a); err != nil {
		return in, err
	}
	ref := b.Amount.currency()
	if ref == "" && len(b.Items) > 0 {
		ref = b.Items[0].Amount.currency()
	}
	c, err := findCurrency("amount.currencyId", ref)
	if err != nil {
		return in, err
	}
	return in, readAmounts(&in.Bill, c, b.Amount.moneyBody, "amount.value", b.Amount.Breakdown.value, b.Items)
}

// moneyBody is an amount in version 1. The display value is for people.
type moneyBody struct {
	CurrencyID      text   `json:"currencyId"`
	ContractAddress text   `json:"contractAddress"`
	Value           amount `json:"value"`          // in the smallest unit
	ValueAsDecimal  amount `json:"valueAsDecimal"` // counts if there is no value
}

func (m moneyBody) currency() text {
	if m.ContractAddress != "" && m.CurrencyID != "" {
		return m.CurrencyID + ":" + m.ContractAddress
	}
	return m.CurrencyID
}

func (m moneyBody) given() bool { return m.Value.given() || m.ValueAsDecimal.given() }

// read is the amount in whole units of the currency. A number that floating
// point has bent (PHP's 123.45*100) is straightened like any other amount.
func (m moneyBody) read(as *amounts, field string) decimal.Decimal {
	if c, ok := paybell.FindCurrency(string(m.currency())); m.currency() != "" && (!ok || c.ID != as.currency.ID) {
		as.fail(field, paybell.Errorf(paybell.Invalid, "must be in the currency of the invoice, %s", as.currency.ID))
		return decimal.Zero
	}
	if !m.Value.given() {
		return m.ValueAsDecimal.read(as, field)
	}
	v, err := m.Value.value(0)
	if err != nil || !v.IsInteger() {
		as.fail(field, paybell.Errorf(paybell.Invalid, "must be a whole number of the smallest unit, without sign or exponent: of %s there are %s in one",
			as.currency.Symbol, decimal.New(1, as.currency.Decimals)))
	}
	return v.Shift(-as.currency.Decimals)
}

func (m moneyBody) missing() error {
	return errors.New(`is missing; write an amount in the smallest unit, like "1000" for ten dollars`)
}

// named calls the total as version 1 does.
func (b *bodyV1) named(err error) error {
	if e, ok := errors.AsType[*paybell.Error](err); ok {
		if what, there := e.Fields["amount.total"]; there {
			return paybell.InvalidField("amount.value", "%s", what)
		}
	}
	return err
}
