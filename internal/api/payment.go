package api

import (
	"time"

	"github.com/paybell/paybell"
)

// paymentJSON is one payment of an invoice that is read whole: contract 3.6, with
// amounts as decimal strings.
type paymentJSON struct {
	ID                    string        `json:"id"`
	PaymentCurrencyID     string        `json:"paymentCurrencyId"`
	PaymentCurrencySymbol string        `json:"paymentCurrencySymbol"`
	NativeCurrencyID      string        `json:"nativeCurrencyId"`
	NativeCurrencySymbol  string        `json:"nativeCurrencySymbol"`
	ExpectedAmount        string        `json:"expectedAmount"`
	NativeExpectedAmount  string        `json:"nativeExpectedAmount"`
	ActualAmount          string        `json:"actualAmount"` // all that was seen and stands
	NativeActualAmount    string        `json:"nativeActualAmount"`
	PaymentAddress        string        `json:"paymentAddress"`
	ErrorCode             *string       `json:"errorCode"`
	Fees                  feesJSON      `json:"fees"`
	NativeFees            feesJSON      `json:"nativeFees"`
	Payout                *struct{}     `json:"payout"`
	NativePayout          *struct{}     `json:"nativePayout"`
	RefundEmail           *string       `json:"refundEmail"`
	State                 paybell.State `json:"state"`
	IsActive              bool          `json:"isActive"`
	PendingAt             *string       `json:"pendingAt"`
	ConfirmedAt           *string       `json:"confirmedAt"`
	CompletedAt           *string       `json:"completedAt"`
	Confirmations         int           `json:"confirmations"`
	RequiredConfirmations int           `json:"requiredConfirmations"`
}

// feesJSON says that there are no fees: Paybell takes none, and the chain's are
// paid by the buyer's wallet.
type feesJSON struct {
	PaymentSubTotal          string  `json:"paymentSubTotal"`
	MerchantMarkupOrDiscount string  `json:"merchantMarkupOrDiscount"`
	BuyerFee                 feeJSON `json:"buyerFee"`
	MerchantFee              feeJSON `json:"merchantFee"`
	Gross                    string  `json:"gross"`
}

type feeJSON struct {
	CoinPaymentsFee string `json:"coinPaymentsFee"`
	NetworkFee      string `json:"networkFee"`
	ConversionFee   string `json:"conversionFee"`
	Total           string `json:"total"`
}

func noFees(gross string) feesJSON {
	none := feeJSON{"0", "0", "0", "0"}
	return feesJSON{PaymentSubTotal: gross, MerchantMarkupOrDiscount: "0", BuyerFee: none, MerchantFee: none, Gross: gross}
}

func newPaymentJSON(inv *paybell.Invoice, p paybell.Payment, native paybell.Currency) paymentJSON {
	coin, _ := paybell.FindCurrency(p.Currency) // was found when the payment was opened
	money, state := inv.Money(p), inv.PaymentState(p)
	due, total := coin.Format(p.Due.Coins(coin.Decimals)), native.Format(inv.Bill.Total)
	j := paymentJSON{
		ID: p.ID, PaymentCurrencyID: coin.ID, PaymentCurrencySymbol: coin.Symbol,
		NativeCurrencyID: native.ID, NativeCurrencySymbol: native.Symbol,
		ExpectedAmount: due, NativeExpectedAmount: total,
		ActualAmount: coin.Format(money.Seen.Coins(coin.Decimals)), NativeActualAmount: native.Format(p.Native(money.Seen)),
		PaymentAddress: p.Address, Fees: noFees(due), NativeFees: noFees(total), RefundEmail: nullable(p.RefundEmail),
		State: state, IsActive: state == paybell.Unpaid || state == paybell.Pending,
		PendingAt: stampOrNull(firstSeen(inv, p)), Confirmations: money.Depth, RequiredConfirmations: p.CompletedAfter,
	}
	if state == paybell.Completed {
		j.ConfirmedAt, j.CompletedAt = stampOrNull(inv.CompletedAt), stampOrNull(inv.CompletedAt)
	}
	return j
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
