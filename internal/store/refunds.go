package store

import (
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// Refund is a merchant's note that money was given back. It changes nothing of the
// invoice.
type Refund struct {
	ID        string // UUID
	InvoiceID string
	Currency  string          // currency id
	Amount    decimal.Decimal // in whole units of Currency
	TxID      string          // of the transaction that gave it back
	Who       string          // noted it, as the audit log has it
	NotedAt   time.Time
}

// MaxRefunds is how many refunds are noted of one invoice.
const MaxRefunds = 100

// NoteRefund writes a note. One more than MaxRefunds is a Conflict, and so is the
// same transaction, amount and coin again.
func (tx *Tx) NoteRefund(r Refund) error {
	if err := tx.lock("SELECT id FROM invoices WHERE id = $1", r.InvoiceID); err != nil {
		return err
	}
	noted, err := tx.Refunds(r.InvoiceID)
	if err != nil {
		return err
	}
	if len(noted) >= MaxRefunds {
		return paybell.Errorf(paybell.Conflict, "%d refunds of this invoice are noted, which is the most", MaxRefunds)
	}
	for _, old := range noted {
		if old.TxID == r.TxID && old.Currency == r.Currency && old.Amount.Equal(r.Amount) {
			return paybell.Errorf(paybell.Conflict, "this refund is noted already")
		}
	}
	_, err = tx.exec("INSERT INTO refunds (id, invoice_id, currency, amount, txid, who, noted_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		r.ID, r.InvoiceID, r.Currency, r.Amount.String(), r.TxID, r.Who, micros(r.NotedAt))
	return err
}

// Refunds lists what was noted of an invoice, oldest first.
func (tx *Tx) Refunds(invoiceID string) ([]Refund, error) {
	return list(tx, func(s scanner) (r Refund, err error) {
		return r, s.Scan(&r.ID, &r.InvoiceID, &r.Currency, &r.Amount, &r.TxID, &r.Who, when{&r.NotedAt})
	}, "SELECT id, invoice_id, currency, amount, txid, who, noted_at FROM refunds WHERE invoice_id = $1 ORDER BY noted_at, id LIMIT $2", invoiceID, MaxRefunds)
}
