package desk

import (
	"context"
	"reflect"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// SetPolicy says how many confirmations new payments to a wallet need. Those that
// are open keep what they were opened with.
func (d *Desk) SetPolicy(ctx context.Context, a Actor, walletID string, p paybell.Policy) (WalletView, error) {
	return d.changeWallet(ctx, a, func(tx *store.Tx) (paybell.Wallet, error) {
		w, err := a.liveWallet(tx, walletID)
		if err != nil {
			return w, err
		}
		coin := networkCoin(w.Network)
		if err := p.Check(); err != nil || reflect.DeepEqual(w.Policy, p) {
			return w, err
		}
		w.Policy = p
		if err := tx.SetPolicy(w.ID, p); err != nil {
			return w, err
		}
		return w, a.auditWallet(tx, "setPolicy", w.ID, policyText(coin, p))
	})
}
