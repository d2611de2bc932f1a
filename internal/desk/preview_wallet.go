package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// WalletPreview is a wallet before it is added.
type WalletPreview struct {
	Coin      paybell.Currency
	Chain     string   // of the network: mainnet, regtest ...
	Test      bool     // its coins are worth nothing
	Kind      string   // of the addresses, in words
	Key       string   // the key in its one form
	Addresses []string // the first three, to compare with the merchant's own wallet program
	First     int64    // index that the first payment will get: after all that is used here, or on the chain
	Checked   bool     // a node could tell which addresses were used before
}

// Bounds on asking a node which addresses of a key were used before.
const (
	usedStep = paybell.MaxGap // at once, and so many in a row without money end it
	usedMost = 2000           // addresses in all
)

// PreviewWallet reads a key and shows what would come of it. It changes nothing and
// takes no index.
func (d *Desk) PreviewWallet(ctx context.Context, a Actor, in NewWallet) (WalletPreview, error) {
	v, _, err := d.previewWallet(ctx, a, in)
	return v, err
}

func (d *Desk) previewWallet(ctx context.Context, a Actor, in NewWallet) (v WalletPreview, key Key, err error) {
	if err := a.mayChangeWallets(); err != nil {
		return v, nil, err
	}
	coin, network, err := d.walletCoin(in.Currency)
	if err != nil {
		return v, nil, err
	}
	if in.Policy != nil {
		if err := within("policy.", in.Policy.Check()); err != nil {
			return v, nil, err
		}
	}
	if in.From != nil && (*in.From < 0 || *in.From > MaxFrom) {
		return v, nil, paybell.InvalidField("from", "must be 0 to %d", MaxFrom)
	}
	if key, err = network.ParseKey(in.Key); err != nil {
		return v, nil, err
	}
	v = WalletPreview{Coin: coin, Chain: network.Chain, Test: network.Test, Kind: key.Kind(), Key: key.String()}
	if v.Addresses, err = addressesAt(key, 0, 3); err != nil {
		return v, nil, err
	}
	if v.First, err = store.View(ctx, d.DB, func(tx *store.Tx) (int64, error) { return tx.NextIndex(key.Fingerprint()) }); err != nil {
		return v, nil, err
	}
	if in.From != nil {
		v.First = max(v.First, *in.From)
	}
	v.First, v.Checked, err = network.unused(ctx, key, v.First)
	return v, key, err
}

// addressesAt derives n addresses from an index on.
func addressesAt(key Key, from int64, n int) ([]string, error) {
	all := make([]string, 0, n)
	for i := range int64(n) {
		address, err := key.Address(from + i)
		if err != nil {
			return nil, err
		}
		all = append(all, address)
	}
	return all, nil
}

// unused finds the index behind all addresses of a key that were ever paid, at from
// or after it. With no node that can tell it is from, and checked is false.
func (n Network) unused(ctx context.Context, key Key, from int64) (first int64, checked bool, err error) {
	first = from
	for at := from; at < from+usedMost; at += usedStep {
		addresses, err := addressesAt(key, at, usedStep)
		if err != nil {
			return from, false, err
		}
		used, err := n.Used(ctx, addresses)
		switch {
		case paybell.CodeOf(err) == paybell.Unavailable:
			return from, false, ctx.Err()
		case err != nil:
			return from, false, err
		}
		for i, paid := range used {
			if paid {
				first = at + int64(i) + 1
			}
		}
		if first <= at {
			return first, true, nil
		}
	}
	return first, false, nil // it goes on behind what was asked about
}
