package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewWallet is what a wallet is made of.
type NewWallet struct {
	Currency string // id or symbol: BTC, LTC
	Key      string // as the merchant's own wallet program writes it
	// From is the first index to use, when the merchant knows better than the node;
	// nil: what the node says. What is known as used is skipped all the same.
	From *int64
	// FirstAddress is the first one that the merchant's own wallet program shows. To
	// add a wallet it must be that of index 0: so somebody compared.
	FirstAddress string
	Policy       *paybell.Policy // nil: the coin's usual one
}

// WalletView is a wallet, and what has become of it.
type WalletView struct {
	paybell.Wallet
	Coin       paybell.Currency
	Kind       string // of its addresses, in words; empty while this server does not watch its chain
	NextIndex  int64
	Gap        int  // how many of the newest addresses in a row got no money, most mostGap
	GapTooWide bool // over paybell.MaxGap: other wallet programs may no longer see what comes
	Chain      ChainStatus
}

// mostGap bounds how far a gap is counted.
const mostGap = 1000

// MaxFrom bounds the index that somebody can begin with. Behind it there are two
// billion more, whatever they write.
const MaxFrom = 10_000_000

// walletCoin finds the coin of a wallet, and its network. What is not known is not
// repeated: somebody may have written a key there.
func (d *Desk) walletCoin(ref string) (paybell.Currency, Network, error) {
	ref = strings.TrimSpace(ref)
	if ref == "" {
		return paybell.Currency{}, Network{}, paybell.InvalidField("currency", "say which coin it is for: BTC or LTC")
	}
	c, ok := paybell.FindCurrency(ref)
	switch {
	case !ok:
		return c, Network{}, paybell.InvalidField("currency", "is not a coin known here; use BTC or LTC")
	case c.Network == paybell.SandboxNetwork:
		return c, Network{}, paybell.InvalidField("currency", "%s needs no wallet: it is the test coin, which is always there", c.Symbol)
	case c.Network == "":
		return c, Network{}, paybell.InvalidField("currency", "%s cannot be received by this version; use BTC or LTC", c.Symbol)
	}
	n, ok := d.Networks[c.Network]
	if !ok {
		return c, n, paybell.Errorf(paybell.NotSupported, "this server watches no %s node; its operator must start it with --%s-node", c.Name, c.Network)
	}
	return c, n, nil
}

// networkCoin is the coin whose payments are made on a network.
func networkCoin(network string) paybell.Currency {
	all := paybell.Currencies()
	if i := slices.IndexFunc(all, func(c paybell.Currency) bool { return c.Network == network }); i >= 0 {
		return all[i]
	}
	return paybell.Currency{}
}

// mayChangeWallets checks who may say where money goes, and how safe it must be.
func (a Actor) mayChangeWallets() error { return a.may(paybell.CreateWallet) }

// walletOf loads a wallet of the actor's merchant, live or not. Those of others do
// not exist.
func (a Actor) walletOf(tx *store.Tx, id string) (paybell.Wallet, error) {
	uuid, ok := paybell.ParseUUID(id)
	if !ok { // it is not repeated: somebody may have written a key there
		return paybell.Wallet{}, paybell.Errorf(paybell.NotFound, "there is no wallet with this id; it looks like 01a20ad2-2d8e-732f-920d-3ff58020e292")
	}
	missing := paybell.Errorf(paybell.NotFound, "there is no wallet %s", uuid)
	w, err := tx.Wallet(uuid)
	if paybell.CodeOf(err) == paybell.NotFound || err == nil && w.MerchantID != a.MerchantID {
		return paybell.Wallet{}, missing
	}
	return w, err
}

// liveWallet is walletOf for who is about to change it: others who do so wait.
func (a Actor) liveWallet(tx *store.Tx, id string) (paybell.Wallet, error) {
	if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
		return paybell.Wallet{}, err
	}
	w, err := a.walletOf(tx, id)
	if err == nil && !w.RemovedAt.IsZero() {
		err = paybell.Errorf(paybell.Conflict, "this wallet was removed; nothing can be changed of it")
	}
	return w, err
}

// auditWallet writes down what is done with a wallet, also by programs: whoever has
// a client's secret could let the money go elsewhere. The key is never part of it.
func (a Actor) auditWallet(tx *store.Tx, action, walletID, detail string) error {
	if !a.Person {
		a.Person, a.Who = true, "integration "+a.ClientID
	}
	return a.audit(tx, action, walletID, detail)
}

// viewWallet adds to a wallet what has become of it.
func (d *Desk) viewWallet(tx *store.Tx, w paybell.Wallet) (WalletView, error) {
	views, err := d.viewWallets(tx, []paybell.Wallet{w})
	if err != nil {
		return WalletView{}, err
	}
	return views[0], nil
}

func (d *Desk) viewWallets(tx *store.Tx, wallets []paybell.Wallet) ([]WalletView, error) {
	chains, err := d.chains(tx)
	if err != nil {
		return nil, err
	}
	views := make([]WalletView, 0, len(wallets))
	for _, w := range wallets {
		v := WalletView{Wallet: w, Coin: networkCoin(w.Network), Chain: ChainStatus{Network: w.Network, Delayed: true, Unwatched: true}}
		if i := slices.IndexFunc(chains, func(c ChainStatus) bool { return c.Network == w.Network }); i >= 0 {
			v.Chain = chains[i]
		}
		if key, err := d.key(w); err == nil { // else its network is not watched, or is another chain than it was
			v.Kind = key.Kind()
		}
		if v.NextIndex, err = tx.NextIndex(w.Fingerprint); err != nil {
			return nil, err
		}
		if v.Gap, err = tx.Gap(w.Fingerprint, mostGap); err != nil {
			return nil, err
		}
		v.GapTooWide = v.Gap > paybell.MaxGap
		views = append(views, v)
	}
	return views, nil
}

// forgetWallets makes a change count here at once, and elsewhere within a second.
func (d *Desk) forgetWallets(merchantID string) { d.received.Delete(merchantID) }

// changeWallet does a change to a wallet in one transaction, and shows it as it is
// then.
func (d *Desk) changeWallet(ctx context.Context, a Actor, change func(tx *store.Tx) (paybell.Wallet, error)) (WalletView, error) {
	if err := a.mayChangeWallets(); err != nil {
		return WalletView{}, err
	}
	defer d.forgetWallets(a.MerchantID)
	return store.Update(ctx, d.DB, func(tx *store.Tx) (WalletView, error) {
		w, err := change(tx)
		if err != nil {
			return WalletView{}, err
		}
		return d.viewWallet(tx, w)
	})
}
