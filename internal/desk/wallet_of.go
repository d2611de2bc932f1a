package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// WalletOf reads one of the merchant's wallets, also one that was removed.
func (d *Desk) WalletOf(ctx context.Context, a Actor, id string) (WalletView, error) {
	if err := a.may(paybell.GetWalletByID); err != nil {
		return WalletView{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (WalletView, error) {
		w, err := a.walletOf(tx, id)
		if err != nil {
			return WalletView{}, err
		}
		return d.viewWallet(tx, w)
	})
}

// WalletCoin is the coin of one of the merchant's wallets, for who is about to
// change it.
func (d *Desk) WalletCoin(ctx context.Context, a Actor, id string) (paybell.Currency, error) {
	if err := a.mayChangeWallets(); err != nil {
		return paybell.Currency{}, err
	}
	w, err := store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Wallet, error) { return a.walletOf(tx, id) })
	return networkCoin(w.Network), err
}
