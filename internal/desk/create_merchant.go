package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CreateMerchant makes a main account.
func (d *Desk) CreateMerchant(ctx context.Context, name, email string) (paybell.Merchant, error) {
	at := now()
	m := paybell.Merchant{ID: paybell.NewUUID(at), Name: name, Email: email, CreatedAt: at}
	if err := checkMerchant(name, email); err != nil {
		return m, err
	}
	return m, store.Do(ctx, d.DB, func(tx *store.Tx) error { return tx.CreateMerchant(m) })
}
