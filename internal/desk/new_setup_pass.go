package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewSetupPass makes the pass with which the first user is made, and earlier ones
// worthless. When there is a user it is a Conflict.
func (d *Desk) NewSetupPass(ctx context.Context) (token string, err error) {
	return store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		m, err := setupMerchant(tx)
		if err != nil {
			return "", err
		}
		if err := tx.RevokeSetups(); err != nil {
			return "", err
		}
		return newPass(tx, paybell.Pass{What: paybell.PassSetup, MerchantID: m.ID})
	})
}

// setupMerchant is whose user the first one will be: the only merchant there is,
// or, without an id, one that is to be made.
func setupMerchant(tx *store.Tx) (paybell.Merchant, error) {
	found, err := tx.AnyUser()
	if err != nil {
		return paybell.Merchant{}, err
	}
	if found {
		return paybell.Merchant{}, paybell.Errorf(paybell.Conflict, "there is a user already: sign in, or ask an owner for an invitation")
	}
	all, err := tx.Merchants(2)
	switch {
	case err != nil || len(all) == 0:
		return paybell.Merchant{}, err
	case len(all) > 1:
		return paybell.Merchant{}, paybell.Errorf(paybell.Conflict,
			"there are several merchants: make the first user of one with `paybell user create --merchant`")
	}
	return all[0], nil
}
