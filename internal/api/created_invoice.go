package api

import (
	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// createdJSON is the answer to a new invoice: contract 3.4. It is always a list.
type createdJSON struct {
	Invoices []createdInvoiceJSON `json:"invoices"`
}

type createdInvoiceJSON struct {
	ID           string              `json:"id"`
	Link         string              `json:"link"`
	CheckoutLink string              `json:"checkoutLink"`
	Payment      *createdPaymentJSON `json:"payment,omitempty"`   // when a refund address was given
	HotWallet    *addressJSON        `json:"hotWallet,omitempty"` // when a coin was chosen
}

type createdPaymentJSON struct {
	PaymentID         string      `json:"paymentId"`
	Expires           string      `json:"expires"`
	RefundEmail       string      `json:"refundEmail"`
	PaymentCurrencies []offerJSON `json:"paymentCurrencies"`
}

// offerJSON is a coin that the invoice can be paid with, at the rate of now.
type offerJSON struct {
	Currency                                 currencyJSON `json:"currency"`
	IsDisabled                               bool         `json:"isDisabled"` // there is no rate at the moment
	Amount                                   dueJSON      `json:"amount"`
	NativePreferredAmount                    dueJSON      `json:"nativePreferredAmount"`
	ApproximateNetworkAmount                 string       `json:"approximateNetworkAmount"`
	ApproximateNetworkInNativeCurrencyAmount string       `json:"approximateNetworkInNativeCurrencyAmount"`
	RemainingAmount                          string       `json:"remainingAmount"`
}

// created describes an invoice that was made. It cannot fail: the invoice is
// there whatever happens now.
func (s *Server) created(r *request, inv *paybell.Invoice) createdInvoiceJSON {
	base := s.publicURL(r)
	j := createdInvoiceJSON{
		ID: inv.ID, Link: base + "/invoices/" + inv.ID, CheckoutLink: base + "/checkout/?invoice-id=" + inv.ID,
	}
	if len(inv.Payments) > 0 {
		wallet := newAddressJSON(inv, inv.Payments[0])
		j.HotWallet = &wallet
	}
	if inv.Bill.RefundEmail != "" {
		j.Payment = &createdPaymentJSON{
			PaymentID: inv.ID, Expires: stamp(inv.ExpiresAt), RefundEmail: inv.Bill.RefundEmail,
			PaymentCurrencies: s.offers(r, inv),
		}
		if j.HotWallet != nil {
			j.Payment.PaymentID, j.Payment.Expires = inv.Payments[0].ID, stamp(inv.Payments[0].ExpiresAt)
		}
	}
	return j
}

// offers lists the coins that an invoice can be paid with. A coin without a rate
// is there, disabled.
func (s *Server) offers(r *request, inv *paybell.Invoice) []offerJSON {
	native, _ := paybell.FindCurrency(inv.Bill.Currency) // was found when the invoice was made
	offers := []offerJSON{}
	for _, coin := range paybell.Currencies() {
		if !coin.Payable() {
			continue
		}
		rate, due := s.price(r, inv, native, coin)
		offers = append(offers, offerJSON{
			Currency: newCurrencyJSON(coin), IsDisabled: due.IsZero(),
			Amount:                   newDueJSON(coin, due.Coins(coin.Decimals), rate),
			NativePreferredAmount:    newDueJSON(native, inv.Bill.Total, decimal.NewFromInt(1)),
			ApproximateNetworkAmount: "0", ApproximateNetworkInNativeCurrencyAmount: "0",
			RemainingAmount: due.Coins(coin.Decimals).String(),
		})
	}
	return offers
}

// price is what is due in a coin: as locked by a payment, or at the rate of now.
// Nothing means that there is no price.
func (s *Server) price(r *request, inv *paybell.Invoice, native, coin paybell.Currency) (decimal.Decimal, paybell.Units) {
	for _, p := range inv.Payments {
		if p.Currency == coin.ID {
			return p.Rate, p.Due
		}
	}
	rate, err := s.Desk.Quote.Rate(r.Context(), native, coin)
	if err != nil {
		return decimal.Zero, paybell.Units{}
	}
	due, err := paybell.UnitsOf(inv.Bill.Total.Mul(rate), coin.Decimals)
	if err != nil {
		return decimal.Zero, paybell.Units{}
	}
	return rate, due
}
