package desk

import (
	"context"
	"slices"

	"github.com/paybell/paybell"
)

// FindCurrency finds a currency by its id or symbol, or NotFound.
func FindCurrency(ref string) (paybell.Currency, error) {
	c, ok := paybell.FindCurrency(ref)
	if !ok {
		return c, errNoCurrency(ref)
	}
	return c, nil
}

func errNoCurrency(ref string) error {
	return paybell.Errorf(paybell.NotFound, "%.60q is not a currency known here; see GET /api/v1/currencies", ref)
}

// Watches reports whether payments in a coin can be seen here at all.
func (d *Desk) Watches(c paybell.Currency) bool {
	_, ok := d.Networks[c.Network]
	return ok || c.Network == paybell.SandboxNetwork
}

// Coins lists what a merchant can be paid with now.
func (d *Desk) Coins(ctx context.Context, merchantID string) ([]paybell.Currency, error) {
	r, err := d.receives(ctx, merchantID)
	return r.coins, err
}

// payable finds a coin that a merchant can be paid with.
func (d *Desk) payable(ctx context.Context, merchantID, ref string) (paybell.Currency, error) {
	c, err := FindCurrency(ref)
	if err != nil {
		return c, err
	}
	coins, err := d.Coins(ctx, merchantID)
	if err == nil && !slices.Contains(coins, c) {
		err = paybell.Errorf(paybell.Invalid, "%s cannot be paid with here; the merchant has no wallet for it, or its node was not reached yet", c.Symbol)
	}
	return c, err
}
