// Package rates knows what one currency is worth in another. For now from a
// fixed table, enough for the test coin.
package rates

import (
	"context"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// Fixed is a table of what one unit of a currency is worth in US dollars, by
// currency id.
type Fixed map[string]decimal.Decimal

// Default are made-up rates for trying things out with the test coin.
var Default = Fixed{
	"5057":                                 decimal.RequireFromString("1"),
	"5195":                                 decimal.RequireFromString("1.10"),
	"1":                                    decimal.RequireFromString("100000"),
	"2":                                    decimal.RequireFromString("80"),
	"4":                                    decimal.RequireFromString("4000"),
	"9":                                    decimal.RequireFromString("0.25"),
	"35":                                   decimal.RequireFromString("600"),
	paybell.LTCT:                           decimal.RequireFromString("80"),
	"9:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t": decimal.RequireFromString("1"),
	"4:0xdac17f958d2ee523a2206206994597c13d831ec7":  decimal.RequireFromString("1"),
	"35:0x55d398326f99059ff775485246999027b3197955": decimal.RequireFromString("1"),
}

// Rate is how many units of to one unit of from buys, with 18 digits. It has
// been so at all times.
func (f Fixed) Rate(_ context.Context, from, to paybell.Currency, _ time.Time) (decimal.Decimal, error) {
	if from.ID == to.ID {
		return decimal.NewFromInt(1), nil
	}
	a, b := f[from.ID], f[to.ID]
	if a.IsZero() || b.IsZero() {
		return decimal.Zero, paybell.Errorf(paybell.Unavailable, "there is no rate from %s to %s", from.Symbol, to.Symbol)
	}
	return a.DivRound(b, 18), nil
}
