package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ListWallets lists the merchant's live wallets: one for each network at most. The
// test coin needs none.
func (d *Desk) ListWallets(ctx context.Context, a Actor) ([]WalletView, error) {
	if err := a.may(paybell.GetWallets); err != nil {
		return nil, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]WalletView, error) {
		all, err := tx.Wallets(a.MerchantID)
		if err != nil {
			return nil, err
		}
		return d.viewWallets(tx, all)
	})
}
