package api

import (
	"time"

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
	Amount                                   any          `json:"amount"`
	NativePreferredAmount                    any          `json:"nativePreferredAmount,omitempty"`                    // version 1
	ApproximateNetworkAmount                 any          `json:"approximateNetworkAmount"`                           // what the chain takes: not known here
	ApproximateNetworkInNativeCurrencyAmount any          `json:"approximateNetworkInNativeCurrencyAmount,omitempty"` // version 1
	RemainingAmount                          any          `json:"remainingAmount"`
}

// created describes an invoice that was made. It asks nobody: an invoice is
// described in the transaction that makes it.
func (s *Server) created(r *request, inv *paybell.Invoice, rates coinRates) createdInvoiceJSON {
	base := s.publicURL(r)
	j := createdInvoiceJSON{
		ID: inv.ID, Link: base + "/invoices/" + inv.ID, CheckoutLink: base + "/checkout/?invoice-id=" + inv.ID,
	}
	if len(inv.Payments) > 0 {
		wallet := newAddressJSON(inv, inv.Payments[0], r.version())
		j.HotWallet = &wallet
	}
	if inv.Bill.RefundEmail != "" {
		payment := newCreatedPaymentJSON(inv, rates, r.version())
		j.Payment = &payment
	}
	return j
}

func newCreatedPaymentJSON(inv *paybell.Invoice, rates coinRates, v *version) createdPaymentJSON {
	j := createdPaymentJSON{
		PaymentID: inv.ID, Expires: stamp(inv.ExpiresAt), RefundEmail: inv.Bill.RefundEmail,
		PaymentCurrencies: newOffersJSON(inv, rates, v),
	}
	if len(inv.Payments) > 0 {
		last := inv.Payments[len(inv.Payments)-1]
		j.PaymentID, j.Expires = last.ID, stamp(last.ExpiresAt)
	}
	return j
}

// coinRates are the rates of now from an invoice's currency to the coins that its
// merchant can be paid with, by id. That of a coin that nobody trades is 0.
type coinRates map[string]decimal.Decimal

// coinRates asks for them.
func (s *Server) coinRates(r *request, merchantID string, bill paybell.Bill) (coinRates, error) {
	coins, err := s.Desk.Coins(r.Context(), merchantID)
	if err != nil {
		return nil, err
	}
	native, _ := paybell.FindCurrency(bill.Currency) // was found when the bill was read
	rates := coinRates{}
	for _, coin := range coins {
		rate, err := s.Desk.Quote.Rate(r.Context(), native, coin, time.Time{})
		if err != nil {
			rate = decimal.Zero
		}
		rates[coin.ID] = rate
	}
	return rates, nil
}

// newOffersJSON lists the coins that an invoice can be paid with. A coin without
// a rate is there, disabled.
func newOffersJSON(inv *paybell.Invoice, rates coinRates, v *version) []offerJSON {
	native, _ := paybell.FindCurrency(inv.Bill.Currency)
	offers := []offerJSON{}
	for _, coin := range paybell.Currencies() {
		now, ok := rates[coin.ID]
		if !ok {
			continue
		}
		rate, due, remaining := price(inv, coin, now)
		offers = append(offers, offerJSON{
			Currency: newCurrencyJSON(coin, true), IsDisabled: due.IsZero(),
			Amount:                                   v.due(coin, due.Coins(coin.Decimals), rate),
			NativePreferredAmount:                    v.native(newDueJSON(native, inv.Bill.Total, decimal.NewFromInt(1))),
			ApproximateNetworkAmount:                 v.money(coin, decimal.Zero),
			ApproximateNetworkInNativeCurrencyAmount: v.native(newMoneyJSON(native, decimal.Zero)),
			RemainingAmount:                          v.money(coin, remaining.Coins(coin.Decimals)),
		})
	}
	return offers
}

// price is what is due in a coin and what of it is missing: as locked by a
// payment that is open, or at the rate of now. Nothing means that there is no
// price.
func price(inv *paybell.Invoice, coin paybell.Currency, rate decimal.Decimal) (_ decimal.Decimal, due, remaining paybell.Units) {
	for _, p := range inv.Payments {
		if p.Currency == coin.ID && p.Open() {
			return p.Rate, p.Due, inv.Money(p).Missing
		}
	}
	due, err := paybell.UnitsOf(inv.Bill.Total.Mul(rate), coin.Decimals)
	if err != nil {
		return decimal.Zero, paybell.Units{}, paybell.Units{}
	}
	return rate, due, due
}
