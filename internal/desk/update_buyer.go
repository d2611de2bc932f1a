package desk

import (
	"context"
	"errors"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// UpdateBuyer is a buyer saying who they are, on an invoice that asks for it. It
// needs nothing but the invoice's id, so it can be said once: who has the link
// later cannot rewrite it.
func (d *Desk) UpdateBuyer(ctx context.Context, invoiceID string, buyer, shipping *paybell.Party) error {
	if buyer == nil && shipping == nil {
		return paybell.InvalidField("buyer", "say who buys")
	}
	if err := checkParty("buyer", buyer); err != nil {
		return err
	}
	if err := checkParty("shipping", shipping); err != nil {
		return err
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		inv, err := openInvoice(tx, invoiceID)
		if err != nil {
			return err
		}
		b := &inv.Bill
		if !b.RequireBuyerNameAndEmail && b.BuyerDataCollectionMessage == "" {
			return paybell.Errorf(paybell.Conflict, "this invoice does not ask who buys")
		}
		if err := errors.Join(sayOnce(&b.Buyer, buyer), sayOnce(&b.Shipping, shipping)); err != nil {
			return err
		}
		return tx.SaveBill(inv)
	})
}

// sayOnce sets who is meant, unless somebody else was before.
func sayOnce(who **paybell.Party, said *paybell.Party) error {
	switch {
	case said == nil:
		return nil
	case *who == nil:
		*who = said
	case **who != *said:
		return paybell.Errorf(paybell.Conflict, "it was said already who buys; only the merchant can change it")
	}
	return nil
}

// openInvoice loads an invoice that a buyer may still say something to.
func openInvoice(tx *store.Tx, id string) (paybell.Invoice, error) {
	uuid, err := invoiceID(id)
	if err != nil {
		return paybell.Invoice{}, err
	}
	inv, err := tx.InvoiceForUpdate(uuid)
	if err == nil && inv.State != paybell.Unpaid && inv.State != paybell.Pending {
		err = paybell.Errorf(paybell.Conflict, "the invoice is %s", inv.State)
	}
	return inv, err
}
