package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/btcd"
)

// btcdStage is what a demo on a real chain has beside the server: a node, a buyer
// with coins, and a merchant's wallet, of which the server gets the public key.
type btcdStage struct {
	node  *btcd.Node
	buyer *btcd.Wallet
}

// newBtcdStage starts a node of its own, on regtest: a chain that is nobody else's.
func (d *demo) newBtcdStage(ctx context.Context) (*btcdStage, error) {
	d.begin("Node", "starts a real btcd; the first time it is fetched and built, which takes a minute")
	node, err := btcd.Start(context.WithoutCancel(ctx), btcd.Config{})
	if err != nil {
		return nil, d.failed(err)
	}
	b := &btcdStage{node: node, buyer: btcd.NewWallet(node, "buyer")}
	if err := b.buyer.Fund(ctx); err != nil {
		node.Close()
		return nil, d.failed(err)
	}
	height, _, err := node.Tip(ctx)
	if err != nil {
		node.Close()
		return nil, d.failed(err)
	}
	d.note("on regtest, %d blocks; the buyer has coins", height)
	return b, nil
}

// receive gives the merchant a wallet: a new key whose private half stays here, and
// goes with the demo.
func (d *demo) receive(ctx context.Context) error {
	seed := make([]byte, hdkeychain.RecommendedSeedLen)
	_, _ = rand.Read(seed) // never fails
	params := &chaincfg.RegressionNetParams
	account, err := hdkeychain.NewMaster(seed, params)
	for _, step := range []uint32{84, 1, 0} { // BIP 84, the first account
		if err == nil {
			account, err = account.Derive(hdkeychain.HardenedKeyStart + step)
		}
	}
	if err != nil {
		return err
	}
	public, err := account.Neuter()
	if err != nil {
		return err
	}
	// The first address as the merchant's own wallet program would show it.
	first := public
	for _, step := range []uint32{0, 0} {
		if first, err = first.Derive(step); err != nil {
			return err
		}
	}
	key, err := first.ECPubKey()
	if err != nil {
		return err
	}
	shown, err := address.NewAddressWitnessPubKeyHash(address.Hash160(key.SerializeCompressed()), params)
	if err != nil {
		return err
	}
	if err := d.watched(ctx); err != nil {
		return d.failed(err)
	}
	return d.call(ctx, "Wallet", "give Paybell the public key of the merchant's own wallet, and its first address to compare",
		http.MethodPost, "/api/v1/merchant/wallets", fmt.Sprintf(`{"currency":"BTC","key":"wpkh(%s/<0;1>/*)","firstAddress":%q}`, public, shown.EncodeAddress()), nil)
}

// watched waits until the server has looked at the node's chain.
func (d *demo) watched(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	for {
		chains, err := d.app.desk.Chains(ctx)
		if err != nil {
			return err
		}
		for _, c := range chains {
			if c.Network == paybell.BitcoinNetwork && !c.ScannedAt.IsZero() {
				return nil
			}
			if c.Trouble != "" {
				err = errors.New(c.Trouble)
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the server did not look at the node"), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// pay sends real (worthless) coins from the buyer's wallet.
func (b *btcdStage) pay(ctx context.Context, to, bitcoins string) (txID string, err error) {
	amount, err := paybell.ParseAmount(bitcoins)
	if err != nil {
		return "", err
	}
	sats := amount.Shift(8).IntPart()
	tx, err := b.buyer.Pay(ctx, btcd.Output{Address: to, Sats: sats})
	if err != nil {
		return "", err
	}
	return tx.ID.String(), nil
}
