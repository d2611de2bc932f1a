package desk

import (
	"context"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Refund is a merchant's note that money was given back.
type Refund = store.Refund

// NewRefund is what such a note is made of.
type NewRefund struct {
	Currency string // as an id or a symbol
	Amount   decimal.Decimal
	TxID     string // of the transaction, or what else names the refund
}

// NoteRefund notes that money of an invoice was given back. It is a note: no state
// changes, and nobody is told.
func (d *Desk) NoteRefund(ctx context.Context, a Actor, invoiceID string, in NewRefund) (Refund, error) {
	if err := a.person(); err != nil {
		return Refund{}, err
	}
	coin, ok := paybell.FindCurrency(in.Currency)
	if !ok {
		return Refund{}, paybell.InvalidField("currency", "%.60q is not a currency known here", in.Currency)
	}
	if err := checkAmount("amount", in.Amount, coin); err != nil {
		return Refund{}, err
	}
	if !in.Amount.IsPositive() {
		return Refund{}, paybell.InvalidField("amount", "must be more than 0")
	}
	in.TxID = strings.TrimSpace(in.TxID)
	if in.TxID == "" {
		return Refund{}, paybell.InvalidField("txId", "say which transaction gave the money back")
	}
	if in.TxID != line(in.TxID, 200) {
		return Refund{}, paybell.InvalidField("txId", "is not one line of at most 200 characters")
	}
	at := now()
	r := Refund{ID: paybell.NewUUID(at), Currency: coin.ID, Amount: in.Amount, TxID: in.TxID, Who: a.Who, NotedAt: at}
	return store.Update(ctx, d.DB, func(tx *store.Tx) (Refund, error) {
		inv, err := a.invoice(tx, invoiceID)
		if err != nil {
			return Refund{}, err
		}
		noted := r
		noted.InvoiceID = inv.ID
		if err := tx.NoteRefund(noted); err != nil {
			return Refund{}, err
		}
		return noted, a.audit(tx, "noteRefund", inv.ID, coin.Format(in.Amount)+" "+coin.Symbol+", "+in.TxID)
	})
}
