package api

import (
	"net/http"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// getPayouts tells what reached the merchant. Nothing is paid out afterwards:
// the buyer's transfer is the payout.
func (s *Server) getPayouts(w http.ResponseWriter, r *request) error {
	inv, err := s.Desk.InvoicePayouts(r.Context(), r.actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	j := newPayoutsJSON(&inv, r.version())
	if j == nil {
		j = &payoutsJSON{PaidTransactions: []paidJSON{}, Items: []payoutJSON{}}
	}
	paging := s.paging(r, len(inv.Transfers), "") // on one page: of dust, the greatest
	j.Paging = &paging
	return reply(w, http.StatusOK, j)
}

// payoutsJSON is the money that an invoice has brought: contract 3.6.
type payoutsJSON struct {
	PaidTransactions        []paidJSON       `json:"paidTransactions"`
	PaidDate                *string          `json:"paidDate"`
	CompletedTxID           *string          `json:"completedTxId"`
	ExternalAddress         *string          `json:"externalAddress"` // the merchant's own
	DestinationCurrencyID   *string          `json:"destinationCurrencyId"`
	DestinationWalletID     *string          `json:"destinationWalletId"`
	ExpectedDisplayValue    *string          `json:"expectedDisplayValue"`
	SourceCurrencyID        *string          `json:"sourceCurrencyId"`
	IsConversion            bool             `json:"isConversion"`
	ConversionProgress      *struct{}        `json:"conversionProgress"`
	SettlementModeErrorCode *int             `json:"settlementModeErrorCode"`
	DestinationAmount       *destinationJSON `json:"destinationAmount"`
	ReceivedBlockchainTxID  *string          `json:"receivedBlockchainTxId"`
	Items                   []payoutJSON     `json:"items"`
	Paging                  *pagingJSON      `json:"paging"`
}

type paidJSON struct {
	Hash         string `json:"hash"`
	Amount       any    `json:"amount"`
	ConversionID *int64 `json:"conversionId"`
}

type destinationJSON struct {
	Amount       any `json:"amount"`
	NativeAmount any `json:"nativeAmount"`
}

// payoutJSON is one transfer that stands.
type payoutJSON struct {
	Currency                      currencyJSON   `json:"currency"`
	MerchantFees                  payoutFeesJSON `json:"merchantFees"`
	PayoutAmount                  any            `json:"payoutAmount"`
	PayoutAmountInInvoiceCurrency any            `json:"payoutAmountInInvoiceCurrency"`
	MerchantPayoutAddress         string         `json:"merchantPayoutAddress"`
	Created                       string         `json:"created"`
	Sent                          *string        `json:"sent"`
	Expected                      *string        `json:"expected"`
	Confirmed                     *string        `json:"confirmed"`
	State                         string         `json:"state"` // sent, or confirmed
}

type payoutFeesJSON struct {
	TransactionFee any `json:"transactionFee"`
	NetworkFee     any `json:"networkFee"`
	ConversionFee  any `json:"conversionFee"`
}

// newPayoutsJSON is nil when no money stands. The sums are of the payment that
// got the most of the invoice's money first; several coins are not added up.
func newPayoutsJSON(inv *paybell.Invoice, v *version) *payoutsJSON {
	native, _ := paybell.FindCurrency(inv.Bill.Currency)
	var j *payoutsJSON
	for _, p := range inv.Payments {
		coin, _ := paybell.FindCurrency(p.Currency)
		told, _ := inv.Told(p)
		for _, t := range told {
			if !t.Standing() {
				continue
			}
			if j == nil {
				j = payoutsTo(inv, p, coin, native, v)
				j.ReceivedBlockchainTxID = &t.TxID
			}
			j.PaidTransactions = append(j.PaidTransactions, paidJSON{Hash: t.TxID, Amount: v.money(coin, t.Amount.Coins(coin.Decimals))})
			j.Items = append(j.Items, newPayoutJSON(inv, p, t, coin, native, v))
			if inv.State == paybell.Completed {
				j.CompletedTxID = &t.TxID
			}
		}
	}
	return j
}

func payoutsTo(inv *paybell.Invoice, p paybell.Payment, coin, native paybell.Currency, v *version) *payoutsJSON {
	seen := inv.Money(p).Seen
	expected := p.Due.Coins(coin.Decimals).String()
	return &payoutsJSON{
		PaidDate: stampOrNull(inv.PaidAt), ExternalAddress: &p.Address, DestinationCurrencyID: &coin.ID, SourceCurrencyID: &coin.ID,
		ExpectedDisplayValue: &expected,
		DestinationAmount: &destinationJSON{
			Amount: v.money(coin, seen.Coins(coin.Decimals)), NativeAmount: v.money(native, inNative(p, seen, native)),
		},
	}
}

func newPayoutJSON(inv *paybell.Invoice, p paybell.Payment, t paybell.Transfer, coin, native paybell.Currency, v *version) payoutJSON {
	none, sent := v.money(coin, decimal.Zero), stamp(t.SeenAt)
	j := payoutJSON{
		Currency: newCurrencyJSON(coin, true), MerchantFees: payoutFeesJSON{none, none, none},
		PayoutAmount:                  v.money(coin, t.Amount.Coins(coin.Decimals)),
		PayoutAmountInInvoiceCurrency: v.money(native, inNative(p, t.Amount, native)),
		MerchantPayoutAddress:         p.Address, Created: sent, Sent: &sent, State: "sent",
	}
	if t.Confirmations >= p.CompletedAfter {
		j.State, j.Confirmed = "confirmed", stampOrNull(inv.CompletedAt)
	}
	return j
}
