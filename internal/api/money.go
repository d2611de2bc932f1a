package api

import (
	"encoding/json"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// moneyJSON is an amount of a currency: contract 3.4. The display value is a bare
// number, since clients write the symbol behind it: 10.00 dollars, 0.125 coins.
type moneyJSON struct {
	DisplayValue   string      `json:"displayValue"`
	Value          string      `json:"value"` // in the smallest unit
	CurrencyID     string      `json:"currencyId"`
	ValueAsDecimal json.Number `json:"valueAsDecimal"`
}

func newMoneyJSON(c paybell.Currency, amount decimal.Decimal) moneyJSON {
	display := amount.String()
	if c.Type == paybell.Fiat {
		display = c.Format(amount)
	}
	return moneyJSON{
		DisplayValue: display, Value: c.Minor(amount).StringFixed(0),
		CurrencyID: c.ID, ValueAsDecimal: number(amount),
	}
}

// number is a JSON number, written digit by digit, never a float here.
func number(d decimal.Decimal) json.Number { return json.Number(d.String()) }

// taggedJSON is an amount that names its currency for people.
type taggedJSON struct {
	CurrencySymbol string `json:"currencySymbol"`
	moneyJSON
}

// coinsJSON is an amount of a coin, given in its smallest units.
func coinsJSON(c paybell.Currency, u paybell.Units) moneyJSON {
	return newMoneyJSON(c, u.Coins(c.Decimals))
}

// dueJSON is an amount with the rate that it comes from: coins for one unit of
// the invoice's currency.
type dueJSON struct {
	Rate      json.Number `json:"rate"`
	Breakdown []struct{}  `json:"breakdown"` // of fees, of which there are none
	moneyJSON
}

func newDueJSON(c paybell.Currency, amount, rate decimal.Decimal) dueJSON {
	return dueJSON{Rate: number(rate), Breakdown: []struct{}{}, moneyJSON: newMoneyJSON(c, amount)}
}

// stamp is a moment as answers write it: whole seconds, UTC.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stampOrNull is null for a moment that did not come.
func stampOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

// nullable is null for an empty text.
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
