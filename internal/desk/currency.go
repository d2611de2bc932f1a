package desk

import (
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

func payable(ref string) (paybell.Currency, error) {
	c, err := FindCurrency(ref)
	if err == nil && !c.Payable() {
		err = paybell.Errorf(paybell.Invalid, "%s cannot be paid with here; the merchant has no wallet for it", c.Symbol)
	}
	return c, err
}
