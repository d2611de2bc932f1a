package desk

import (
	"context"
	"net/mail"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// SetRefundEmail is a buyer saying where refunds are to be talked about. It can
// be said once: who has the link later cannot lead a refund astray.
func (d *Desk) SetRefundEmail(ctx context.Context, invoiceID, email string) (paybell.Invoice, error) {
	if err := checkEmail("refundEmail", email); err != nil {
		return paybell.Invoice{}, err
	}
	return store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) {
		inv, err := openInvoice(tx, invoiceID)
		if err != nil || inv.Bill.RefundEmail == email {
			return inv, err
		}
		if inv.Bill.RefundEmail != "" {
			return inv, paybell.Errorf(paybell.Conflict, "another e-mail address for refunds was given already; only the merchant can change it")
		}
		inv.Bill.RefundEmail = email
		return inv, tx.SaveBill(inv)
	})
}

func checkEmail(field, email string) error {
	if len(email) > 254 {
		return paybell.InvalidField(field, "is longer than an e-mail address can be")
	}
	if _, err := mail.ParseAddress(email); err != nil {
		return paybell.InvalidField(field, "is not an e-mail address")
	}
	return nil
}
