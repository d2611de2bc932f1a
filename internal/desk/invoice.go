package desk

import (
	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// shared loads an invoice by nothing but its id, which has 74 random bits.
func shared(tx *store.Tx, id string) (paybell.Invoice, error) {
	uuid, err := invoiceID(id)
	if err != nil {
		return paybell.Invoice{}, err
	}
	return tx.Invoice(uuid)
}

// invoice loads an invoice that the actor may read. Those of other merchants do
// not exist for it.
func (a Actor) invoice(tx *store.Tx, id string) (paybell.Invoice, error) {
	inv, err := shared(tx, id)
	if err == nil && inv.MerchantID != a.MerchantID {
		err = paybell.Errorf(paybell.NotFound, "there is no invoice %s", inv.ID)
	}
	if err != nil {
		return paybell.Invoice{}, err
	}
	return inv, nil
}

func invoiceID(id string) (uuid string, err error) {
	uuid, ok := paybell.ParseUUID(id)
	if !ok {
		return "", paybell.Errorf(paybell.NotFound, "%.60q is not an invoice id", id)
	}
	return uuid, nil
}

// ownInvoice loads an invoice that the actor may change: its own, or, for a person,
// any of the merchant's. What the person may do was asked for before.
func (a Actor) ownInvoice(tx *store.Tx, id string) (paybell.Invoice, error) {
	inv, err := a.invoice(tx, id)
	if err == nil && inv.ClientID != a.ClientID && !a.Person {
		return paybell.Invoice{}, paybell.Errorf(paybell.Forbidden, "another integration of yours made this invoice; only that one can change it")
	}
	return inv, err
}
