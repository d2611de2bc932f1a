package api

import (
	"strings"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// version is how one version of the API writes money. In all else the answers
// of the two are the same.
type version struct {
	// money is an amount: of an item, of the breakdown.
	money func(paybell.Currency, decimal.Decimal) any
	// tagged is an amount in a payment, which names its currency.
	tagged func(paybell.Currency, decimal.Decimal) any
	// total is what an invoice comes to.
	total func(*paybell.Bill, paybell.Currency, breakdownJSON) any
	// due is what a payment asks for in a coin, at a rate.
	due func(c paybell.Currency, amount, rate decimal.Decimal) any
	// native tells of an amount in the invoice's own currency, where only version 1 does.
	native func(any) any
	// sum is a total of fees.
	sum func(paybell.Currency, decimal.Decimal) any
}

// Version 1 writes objects, with amounts in the smallest unit.
var version1 = &version{
	money:  func(c paybell.Currency, d decimal.Decimal) any { return newMoneyJSON(c, d) },
	tagged: func(c paybell.Currency, d decimal.Decimal) any { return taggedJSON{c.Symbol, newMoneyJSON(c, d)} },
	total: func(b *paybell.Bill, c paybell.Currency, parts breakdownJSON) any {
		return struct {
			Breakdown breakdownJSON `json:"breakdown"`
			moneyJSON
		}{parts, newMoneyJSON(c, b.Total)}
	},
	due:    func(c paybell.Currency, amount, rate decimal.Decimal) any { return newDueJSON(c, amount, rate) },
	native: func(amount any) any { return amount },
	sum:    func(_ paybell.Currency, d decimal.Decimal) any { return number(d) },
}

// Version 2 writes decimal strings.
var version2 = &version{
	money: formatted, tagged: formatted, sum: formatted,
	due:    func(c paybell.Currency, amount, _ decimal.Decimal) any { return c.Format(amount) },
	native: func(any) any { return nil },
	total: func(b *paybell.Bill, c paybell.Currency, parts breakdownJSON) any {
		return struct {
			Breakdown breakdownJSON `json:"breakdown"`
			Total     string        `json:"total"`
		}{parts, c.Format(b.Total)}
	},
}

func formatted(c paybell.Currency, d decimal.Decimal) any { return c.Format(d) }

// version is that of the path that was asked for.
func (r *request) version() *version {
	if strings.HasPrefix(r.URL.Path, "/api/v1/") {
		return version1
	}
	return version2
}
