package desk

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Network is a chain of real coins that this server watches.
type Network struct {
	Name  string // in payments: paybell.BitcoinNetwork
	Chain string // which of its chains: mainnet, regtest ...
	Test  bool   // its coins are worth nothing
	// ParseKey reads a receiving key as merchants write it. Errors are advice, and
	// hold nothing of the text: it may be a private key.
	ParseKey func(text string) (Key, error)
	// Used asks a node which of these addresses were ever paid. Unavailable: there is
	// none that can tell.
	Used func(ctx context.Context, addresses []string) ([]bool, error)
}

// Key is a public receiving key.
type Key interface {
	String() string      // its one form, which ParseKey reads
	Fingerprint() string // names its material, in whatever form it was written
	Kind() string        // of its addresses, in words
	Address(index int64) (string, error)
}

// stale is how old the last whole look at a network may be before people are told
// that what they see of it is delayed.
const stale = 2 * time.Minute

// ChainStatus is how a network's chain is being watched.
type ChainStatus struct {
	Network   string
	Chain     string // mainnet, regtest ...; empty on the sandbox
	Test      bool
	Height    int64     // of the last block that was looked at
	ScannedAt time.Time // when the chain was last completely looked at, to half a minute; zero: never yet
	// Trouble is why it cannot be looked at, since TroubleSince; empty: it can.
	Trouble      string
	TroubleSince time.Time
	Halted       bool // it stays so until somebody decides
	Delayed      bool // what is shown of its payments may be old
	Unwatched    bool // this server was not started with a node of it
}

// Chains tells how all networks are being watched that this server was started
// with, or that payments were made on.
func (d *Desk) Chains(ctx context.Context) ([]ChainStatus, error) {
	return store.View(ctx, d.DB, d.chains)
}

func (d *Desk) chains(tx *store.Tx) ([]ChainStatus, error) {
	cursors, err := tx.Cursors()
	if err != nil {
		return nil, err
	}
	for name := range d.Networks {
		if !slices.ContainsFunc(cursors, func(c store.Cursor) bool { return c.Network == name }) {
			cursors = append(cursors, store.Cursor{Network: name})
		}
	}
	slices.SortFunc(cursors, func(a, b store.Cursor) int { return strings.Compare(a.Network, b.Network) })
	at, all := now(), make([]ChainStatus, 0, len(cursors))
	for _, c := range cursors {
		n, ok := d.Networks[c.Network]
		all = append(all, ChainStatus{
			Network: c.Network, Chain: n.Chain, Test: n.Test || c.Network == paybell.SandboxNetwork, Height: c.Height, ScannedAt: c.ScannedAt,
			Trouble: c.Trouble, TroubleSince: c.TroubleSince, Halted: c.Halted, Unwatched: !ok && c.Network != paybell.SandboxNetwork,
			Delayed: c.Network != paybell.SandboxNetwork && (!ok || c.Trouble != "" || at.Sub(c.ScannedAt) > stale),
		})
	}
	return all, nil
}

// receiving is what a merchant can be paid with, remembered for a moment: a change
// made anywhere counts here within a second.
type receiving struct {
	coins   []paybell.Currency
	delayed map[string]bool // networks that are not being watched as they should
	test    bool            // invoices are tests unless a real coin is chosen
	until   time.Time
}

// receives tells what a merchant can be paid with: the coins of the live wallets
// whose network has been looked at, and the test coin as long as there never was a
// wallet for real ones, or the merchant wants it.
func (d *Desk) receives(ctx context.Context, merchantID string) (receiving, error) {
	if r, ok := d.received.Load(merchantID); ok && time.Now().Before(r.(receiving).until) {
		return r.(receiving), nil
	}
	r, err := store.View(ctx, d.DB, func(tx *store.Tx) (receiving, error) {
		r := receiving{delayed: map[string]bool{}, until: time.Now().Add(remember)}
		chains, err := d.chains(tx)
		if err != nil {
			return r, err
		}
		wallets, err := d.wallets(tx, merchantID)
		if err != nil {
			return r, err
		}
		ready := map[string]bool{paybell.SandboxNetwork: true}
		for _, c := range chains {
			r.delayed[c.Network] = c.Delayed
			ready[c.Network] = ready[c.Network] || !c.ScannedAt.IsZero()
		}
		r.test = true
		for _, c := range paybell.Currencies() {
			if _, ok := wallets[c.Network]; ok && ready[c.Network] {
				r.coins = append(r.coins, c)
				r.test = r.test && (c.Test || d.Networks[c.Network].Test)
			}
		}
		return r, nil
	})
	if err == nil {
		d.received.Store(merchantID, r) // bounded by the merchants that exist
	}
	return r, err
}

// wallets are those that a merchant's payments can be opened with, by network. The
// key of one may be for another of the network's chains than the one that is watched
// now: nobody is asked to pay there.
func (d *Desk) wallets(tx *store.Tx, merchantID string) (map[string]paybell.Wallet, error) {
	live, err := tx.Wallets(merchantID)
	if err != nil {
		return nil, err
	}
	all := map[string]paybell.Wallet{}
	for _, w := range live {
		if _, err := d.key(w); err == nil {
			all[w.Network] = w
		}
	}
	test := len(live) == 0
	if test {
		had, err := tx.HadWallet(merchantID)
		if err != nil {
			return nil, err
		}
		test = !had
	}
	if !test {
		if test, err = tx.OffersTestCoin(merchantID); err != nil {
			return nil, err
		}
	}
	if test {
		all[paybell.SandboxNetwork] = sandboxWallet(merchantID)
	}
	return all, nil
}

// sandboxWallet is the one that every merchant has.
func sandboxWallet(merchantID string) paybell.Wallet {
	coin, _ := paybell.FindCurrency(paybell.LTCT)
	return paybell.Wallet{
		MerchantID: merchantID, Network: paybell.SandboxNetwork, Key: merchantID, Fingerprint: paybell.SandboxNetwork + ":" + merchantID,
		Policy: paybell.DefaultPolicy(coin),
	}
}

// address derives a wallet's address.
func (d *Desk) address(w paybell.Wallet, index int64) (string, error) {
	if w.Network == paybell.SandboxNetwork {
		return d.Sandbox.Address(w.Key, index), nil
	}
	key, err := d.key(w)
	if err != nil {
		return "", err
	}
	return key.Address(index)
}

// key reads the key of a wallet for real coins. Keys that were read once are kept.
func (d *Desk) key(w paybell.Wallet) (Key, error) {
	if known, ok := d.keys.Load(w.ID); ok {
		return known.(Key), nil
	}
	network, ok := d.Networks[w.Network]
	if !ok {
		return nil, paybell.Errorf(paybell.Unavailable, "this server watches no %s node", w.Network)
	}
	key, err := network.ParseKey(w.Key)
	if err != nil { // what it says is for who writes a key
		return nil, paybell.Errorf(paybell.Conflict, "the key of this wallet is for another chain than %s %s, which this server watches now", networkCoin(w.Network).Name, network.Chain)
	}
	d.keys.Store(w.ID, key) // bounded by the wallets that exist
	return key, nil
}

// genuine checks the addresses that are about to be shown to who pays: each is
// derived once more, from the wallet that it is said to belong to. While its chain is
// not watched that cannot be done; an open payment is shown all the same then, unless
// the network's other chain is watched in its place.
func (d *Desk) genuine(tx *store.Tx, inv *paybell.Invoice) error {
	for _, p := range inv.Payments {
		coin, _ := paybell.FindCurrency(p.Currency)
		if p.Index < 0 && p.Network == paybell.SandboxNetwork && coin.Test {
			continue // of before indexes were kept
		}
		w := sandboxWallet(inv.MerchantID)
		if p.WalletID != "" {
			var err error
			if w, err = tx.Wallet(p.WalletID); err != nil {
				return err
			}
		}
		address, err := d.address(w, max(0, p.Index))
		switch code := paybell.CodeOf(err); {
		case err == nil && (address != p.Address || p.Index < 0 || w.MerchantID != inv.MerchantID || w.Network != p.Network || coin.Network != p.Network):
			return paybell.Errorf(paybell.Internal, "the address of payment %s is not the wallet's own: do not pay it; the data was changed from outside", p.ID)
		case err == nil || code == paybell.Unavailable || code == paybell.Conflict && !p.Open():
		default:
			return err
		}
	}
	return nil
}
