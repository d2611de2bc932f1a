package api

import (
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// paymentJSON is one payment of an invoice that is read: contract 3.6.
type paymentJSON struct {
	ID                    string    `json:"id"`
	PaymentCurrencyID     string    `json:"paymentCurrencyId"`
	PaymentCurrencySymbol string    `json:"paymentCurrencySymbol"`
	NativeCurrencyID      string    `json:"nativeCurrencyId"`
	NativeCurrencySymbol  string    `json:"nativeCurrencySymbol"`
	ExpectedAmount        any       `json:"expectedAmount"`
	NativeExpectedAmount  any       `json:"nativeExpectedAmount"`
	ActualAmount          any       `json:"actualAmount"` // all that was seen and stands
	NativeActualAmount    any       `json:"nativeActualAmount"`
	PaymentAddress        string    `json:"paymentAddress"`
	ErrorCode             *string   `json:"errorCode"`
	Fees                  feesJSON  `json:"fees"`
	NativeFees            feesJSON  `json:"nativeFees"`
	Payout                *struct{} `json:"payout"`
	NativePayout          *struct{} `json:"nativePayout"`
	RefundEmail           *string   `json:"refundEmail"`
	State                 string    `json:"state"`
	IsActive              bool      `json:"isActive"`
	PendingAt             *string   `json:"pendingAt"`
	ConfirmedAt           *string   `json:"confirmedAt"`
	CompletedAt           *string   `json:"completedAt"`
	Confirmations         int       `json:"confirmations"`
	RequiredConfirmations int       `json:"requiredConfirmations"`
}

// feesJSON says that there are no fees: Paybell takes none, and the chain's are
// paid by the buyer's wallet.
type feesJSON struct {
	PaymentSubTotal          any     `json:"paymentSubTotal"`
	MerchantMarkupOrDiscount any     `json:"merchantMarkupOrDiscount"`
	BuyerFee                 feeJSON `json:"buyerFee"`
	MerchantFee              feeJSON `json:"merchantFee"`
	Gross                    any     `json:"gross"`
}

type feeJSON struct {
	CoinPaymentsFee any `json:"coinPaymentsFee"`
	NetworkFee      any `json:"networkFee"`
	ConversionFee   any `json:"conversionFee"`
	Total           any `json:"total"`
}

func noFees(c paybell.Currency, gross decimal.Decimal, v *version) feesJSON {
	zero := v.tagged(c, decimal.Zero)
	none := feeJSON{zero, zero, zero, v.sum(c, decimal.Zero)}
	return feesJSON{PaymentSubTotal: v.tagged(c, gross), MerchantMarkupOrDiscount: zero, BuyerFee: none, MerchantFee: none, Gross: v.sum(c, gross)}
}

func newPaymentsJSON(inv *paybell.Invoice, v *version) []paymentJSON {
	payments := []paymentJSON{}
	for _, p := range inv.Payments {
		payments = append(payments, newPaymentJSON(inv, p, v))
	}
	return payments
}

func newPaymentJSON(inv *paybell.Invoice, p paybell.Payment, v *version) paymentJSON {
	coin, _ := paybell.FindCurrency(p.Currency) // was found when the payment was opened
	native, _ := paybell.FindCurrency(inv.Bill.Currency)
	money, state := inv.Money(p), inv.PaymentState(p)
	due := p.Due.Coins(coin.Decimals)
	j := paymentJSON{
		ID: p.ID, PaymentCurrencyID: coin.ID, PaymentCurrencySymbol: coin.Symbol,
		NativeCurrencyID: native.ID, NativeCurrencySymbol: native.Symbol,
		ExpectedAmount: v.tagged(coin, due), NativeExpectedAmount: v.tagged(native, inv.Bill.Total),
		ActualAmount: v.tagged(coin, money.Seen.Coins(coin.Decimals)), NativeActualAmount: v.tagged(native, inNative(p, money.Seen, native)),
		PaymentAddress: p.Address, Fees: noFees(coin, due, v), NativeFees: noFees(native, inv.Bill.Total, v), RefundEmail: nullable(inv.Refunds(p)),
		State: settlement(inv, money), IsActive: state == paybell.Unpaid || state == paybell.Pending,
		PendingAt: stampOrNull(firstSeen(inv, p)), Confirmations: money.Depth, RequiredConfirmations: p.CompletedAfter,
	}
	if state == paybell.Completed {
		j.ConfirmedAt, j.CompletedAt = stampOrNull(inv.CompletedAt), stampOrNull(inv.CompletedAt)
	}
	return j
}

// settlement is how far a payment's money is, in CoinPayments' words for that:
// contract 3.1. What waits for a refund there waits here for the merchant to
// accept it, or to send it back.
func settlement(inv *paybell.Invoice, m paybell.Money) string {
	switch {
	case m.Missing.IsZero() && inv.State == paybell.Completed:
		return "completed"
	case m.Missing.IsZero() && m.Confirmed.Cmp(m.Counted) >= 0:
		return "confirmed"
	case !m.Counted.IsZero() && m.Depth > 0:
		return "pending"
	case !m.Counted.IsZero():
		return "detected"
	case !m.Seen.IsZero() && !inv.CancelledAt.IsZero():
		return "cancelledWaitingRefund"
	case !m.Seen.IsZero():
		return "timedOutWaitingRefund"
	}
	return "created"
}

// inNative is what coins are worth in the invoice's currency, in its digits.
func inNative(p paybell.Payment, u paybell.Units, native paybell.Currency) decimal.Decimal {
	return p.Native(u).Round(native.Decimals)
}

// firstSeen is when the first transfer of a payment was seen.
func firstSeen(inv *paybell.Invoice, p paybell.Payment) (first time.Time) {
	for _, t := range inv.Transfers {
		if t.PaymentID == p.ID && (first.IsZero() || t.SeenAt.Before(first)) {
			first = t.SeenAt
		}
	}
	return first
}
