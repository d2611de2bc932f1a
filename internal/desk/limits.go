package desk

import (
	"context"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// Limits are the least and the most of one currency that an invoice can ask for
// when it is paid in another: nothing finer than either can count, and nothing less
// than wallets can send.
func (d *Desk) Limits(ctx context.Context, from, to string) (least, most decimal.Decimal, err error) {
	price, err := FindCurrency(from)
	if err != nil {
		return least, most, err
	}
	coin, err := FindCurrency(to)
	if err == nil && !d.Watches(coin) {
		err = paybell.Errorf(paybell.Invalid, "%s cannot be paid with here", coin.Symbol)
	}
	if err != nil {
		return least, most, err
	}
	rate, err := d.Quote.Rate(ctx, price, coin, time.Time{})
	if err != nil {
		return least, most, err
	}
	unit := decimal.New(1, -price.Decimals)
	least = leastDue(coin).Coins(coin.Decimals).DivRound(rate, price.Decimals+1).RoundUp(price.Decimals)
	return decimal.Max(least, unit), decimal.New(1, maxDigits).Sub(unit), nil
}
