package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// AddWallet makes a key the one that the merchant receives a coin with from now on,
// in the place of what was there. The first address must have been compared with
// the merchant's own wallet program. Payments that are open stay where they are, and
// are watched for ever. A key that is there already stays the wallet that it is.
func (d *Desk) AddWallet(ctx context.Context, a Actor, in NewWallet) (WalletView, error) {
	v, key, err := d.previewWallet(ctx, a, in)
	if err != nil {
		return WalletView{}, err
	}
	if err := compared(in.FirstAddress, v.Addresses); err != nil {
		return WalletView{}, err
	}
	at := now()
	made := paybell.Wallet{
		ID: paybell.NewUUID(at), MerchantID: a.MerchantID, Network: v.Coin.Network, Key: v.Key, Fingerprint: key.Fingerprint(),
		Policy: paybell.DefaultPolicy(v.Coin), CreatedAt: at,
	}
	if in.Policy != nil {
		made.Policy = *in.Policy
	}
	return d.changeWallet(ctx, a, func(tx *store.Tx) (paybell.Wallet, error) {
		if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
			return made, err
		}
		live, err := tx.Wallets(a.MerchantID)
		if err != nil {
			return made, err
		}
		if err := tx.SkipTo(made.Fingerprint, v.First); err != nil {
			return made, err
		}
		w := made
		if i := slices.IndexFunc(live, func(w paybell.Wallet) bool { return w.Network == made.Network && w.Key == made.Key }); i >= 0 {
			w = live[i]
			if in.Policy != nil {
				w.Policy, err = made.Policy, tx.SetPolicy(w.ID, made.Policy)
			}
		} else {
			err = tx.CreateWallet(w)
		}
		if err != nil {
			return w, err
		}
		return w, a.auditWallet(tx, "addWallet", w.ID, v.Coin.Symbol+", "+v.Kind+", fingerprint "+w.Fingerprint)
	})
}

// compared checks that somebody compared the addresses. What they wrote is not
// repeated.
func compared(given string, addresses []string) error {
	given = strings.TrimSpace(given)
	is := func(address string) bool {
		// Addresses without capitals mean the same with them (BIP 173).
		return given == address || address == strings.ToLower(address) && strings.EqualFold(given, address)
	}
	const field = "firstAddress"
	switch {
	case given == "":
		return paybell.InvalidField(field, "give the first receiving address that your own wallet program shows, so that it is compared before money goes there")
	case is(addresses[0]):
		return nil
	case slices.ContainsFunc(addresses[1:], is):
		return paybell.InvalidField(field, "is the second or third address of this key; give the very first")
	}
	return paybell.InvalidField(field, "is not the first address of this key, which is %s. If your wallet program shows another, "+
		"the key is of another account, or for another kind of address: do not use it", addresses[0])
}
