package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Operator is the actor of somebody at the server's own terminal, who can read
// the data and so may do everything: as the client that made an invoice, or for
// a merchant. With neither, for the only merchant there is.
func (d *Desk) Operator(ctx context.Context, merchantID, invoiceID string) (Actor, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (a Actor, err error) {
		a = Owner("")
		if invoiceID != "" {
			uuid, _ := paybell.ParseUUID(invoiceID)
			inv, err := tx.Invoice(uuid)
			a.MerchantID, a.ClientID = inv.MerchantID, inv.ClientID
			return a, err
		}
		if merchantID != "" {
			m, err := tx.Merchant(merchantID)
			a.MerchantID = m.ID
			return a, err
		}
		all, err := tx.Merchants(2)
		if err != nil {
			return a, err
		}
		if len(all) != 1 {
			return a, paybell.Errorf(paybell.Invalid, "say which merchant, with --merchant: there is not exactly one")
		}
		a.MerchantID = all[0].ID
		return a, nil
	})
}
