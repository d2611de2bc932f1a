package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// RemoveWallet ends a wallet: its coin can no longer be chosen. What was opened
// with it is watched for ever. Removing it again changes nothing.
func (d *Desk) RemoveWallet(ctx context.Context, a Actor, walletID string) error {
	_, err := d.changeWallet(ctx, a, func(tx *store.Tx) (paybell.Wallet, error) {
		if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
			return paybell.Wallet{}, err
		}
		w, err := a.walletOf(tx, walletID)
		if err != nil || !w.RemovedAt.IsZero() {
			return w, err
		}
		if err := tx.RemoveWallet(w.ID, now()); err != nil {
			return w, err
		}
		return w, a.auditWallet(tx, "removeWallet", w.ID, networkCoin(w.Network).Symbol+", fingerprint "+w.Fingerprint)
	})
	return err
}
