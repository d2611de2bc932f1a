package checkout_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/checkout"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

const (
	zpub      = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs"
	zpubFirst = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
)

// onBitcoin gives the desk the network, with no node.
func onBitcoin(s *checkout.Server) {
	params, err := bitcoin.FindParams(paybell.BitcoinNetwork, "mainnet")
	if err != nil {
		panic(err)
	}
	s.Desk.Networks = map[string]desk.Network{paybell.BitcoinNetwork: {
		Name: paybell.BitcoinNetwork, Chain: "mainnet",
		ParseKey: func(text string) (desk.Key, error) {
			k, err := bitcoin.ParseKey(params, text)
			if err != nil {
				return nil, err
			}
			return k, nil
		},
		Used: func(context.Context, []string) ([]bool, error) {
			return nil, paybell.Errorf(paybell.Unavailable, "there is no node")
		},
	}}
}

// looked notes that a network was wholly looked at.
func (b *bench) looked(network string, at time.Time) {
	b.Helper()
	must(b.T, store.Do(b.Context(), b.db, func(tx *store.Tx) error {
		from, err := tx.Cursor(network)
		if err != nil {
			return err
		}
		to := from
		to.Position, to.Height, to.ScannedAt = "x", 7, at
		_, err = tx.MoveCursor(from, to)
		return err
	}))
}

// TestUnseenNetwork: who pays while a network cannot be looked at is told that
// nothing is lost, for as long as that is so; the coin can still be chosen.
func TestUnseenNetwork(t *testing.T) {
	b := newBench(t, onBitcoin)
	merchant := desk.Owner(b.shop.MerchantID)
	_, err := b.desk.AddWallet(t.Context(), merchant, desk.NewWallet{Currency: "BTC", Key: zpub, FirstAddress: zpubFirst})
	must(t, err)
	const unseen = "We cannot see the Bitcoin network right now."
	b.looked(paybell.BitcoinNetwork, time.Now())
	must(t, store.Do(t.Context(), b.db, func(tx *store.Tx) error {
		return tx.NoteTrouble(paybell.BitcoinNetwork, "the node at http://10.0.0.1:8332 is gone", false, time.Now())
	}))
	must(t, b.desk.OfferTestCoin(t.Context(), merchant, true))
	id := b.invoice()
	b.wants(b.get(page(id)), 200, unseen+" You can pay all the same", "!If you have paid", "!10.0.0.1")
	a := b.post("/checkout/"+id+"/pay", url.Values{"coin": {"1"}})
	b.wants(a, 303)
	b.wants(b.get(page(id)), 200, "Waiting for your payment", zpubFirst, unseen+" If you have paid, nothing is lost: it will be recognised as soon as we can see it, and your time is extended.", "!10.0.0.1")
	b.wants(b.get(page(id)+"&coin=1002"), 200, zpubFirst)

	// It is only said of the network that the payment is on.
	test := b.invoice()
	b.open(test)
	b.wants(b.get(page(test)), 200, "Waiting for your payment", "tltc1", "!"+unseen)

	b.looked(paybell.BitcoinNetwork, time.Now())
	b.wants(b.get(page(id)), 200, "Waiting for your payment", "!"+unseen)
	b.looked(paybell.BitcoinNetwork, time.Now().Add(-time.Hour))
	b.wants(b.get(page(id)), 200, "Waiting for your payment", unseen)
}
