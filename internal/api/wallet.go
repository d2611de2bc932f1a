package api

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// walletJSON is a wallet: contract 2.4. What is in it only the merchant knows, who
// has the private keys, so there are no balances; and each payment has an address of
// its own. The key is not told either: who has it sees all that the merchant
// receives.
type walletJSON struct {
	WalletID           string          `json:"walletId"`
	WalletType         string          `json:"walletType"`
	CurrencyID         string          `json:"currencyId"`
	IsActive           bool            `json:"isActive"` // new payments are made to it
	IsLocked           bool            `json:"isLocked"`
	Label              string          `json:"label"`
	DepositAddress     *string         `json:"depositAddress"`
	ConfirmedBalance   *moneyJSON      `json:"confirmedBalance"`
	UnconfirmedBalance *moneyJSON      `json:"unconfirmedBalance"`
	Paybell            walletExtraJSON `json:"paybell"`
}

// walletExtraJSON holds what the contract has no place for.
type walletExtraJSON struct {
	Kind        string      `json:"kind"` // of the addresses, in words
	Fingerprint string      `json:"fingerprint"`
	Created     string      `json:"created"`
	Removed     *string     `json:"removed"`
	NextIndex   int64       `json:"nextIndex"`
	Gap         int         `json:"gap"` // the newest addresses in a row without money
	GapTooWide  bool        `json:"gapTooWide"`
	Policy      policyJSON  `json:"policy"`
	InWords     []string    `json:"policyInWords"`
	Network     networkJSON `json:"network"`
}

// networkJSON is how a wallet's network is being watched.
type networkJSON struct {
	Name      string  `json:"name"`
	Chain     string  `json:"chain"`
	Test      bool    `json:"test"`
	Height    int64   `json:"height"`
	ScannedAt *string `json:"scanned"`
	Delayed   bool    `json:"delayed"`
	Trouble   *string `json:"trouble"`
}

// policyJSON is how many confirmations money needs; amounts are whole coins.
type policyJSON struct {
	Paid      int        `json:"paid"`
	Completed []tierJSON `json:"completed"`
}

type tierJSON struct {
	From          string `json:"from"`
	Confirmations int    `json:"confirmations"`
}

func newWalletJSON(v desk.WalletView) walletJSON {
	return walletJSON{
		WalletID: v.ID, WalletType: "watchOnly", CurrencyID: v.Coin.ID, IsActive: v.RemovedAt.IsZero(), Label: v.Coin.Name,
		Paybell: walletExtraJSON{
			Kind: v.Kind, Fingerprint: v.Fingerprint, Created: stamp(v.CreatedAt), Removed: stampOrNull(v.RemovedAt),
			NextIndex: v.NextIndex, Gap: v.Gap, GapTooWide: v.GapTooWide, Policy: newPolicyJSON(v.Coin, v.Policy), InWords: desk.PolicyInWords(v.Coin, v.Policy),
			Network: networkJSON{
				Name: v.Chain.Network, Chain: v.Chain.Chain, Test: v.Chain.Test, Height: v.Chain.Height, ScannedAt: stampOrNull(v.Chain.ScannedAt),
				Delayed: v.Chain.Delayed, Trouble: nullable(v.Chain.Trouble),
			},
		},
	}
}

func newPolicyJSON(c paybell.Currency, p paybell.Policy) policyJSON {
	j := policyJSON{Paid: p.Paid, Completed: make([]tierJSON, 0, len(p.Completed))}
	for _, t := range p.Completed {
		j.Completed = append(j.Completed, tierJSON{t.From.Coins(c.Decimals).String(), t.Confirmations})
	}
	return j
}

// policyBody is a policy as clients send it.
type policyBody struct {
	Paid      int `json:"paid"`
	Completed []struct {
		From          amount `json:"from"` // in coins; nothing is 0
		Confirmations int    `json:"confirmations"`
	} `json:"completed"`
}

// policy reads amounts in coin c. A path says where the policy stands in the body.
func (b policyBody) policy(path string, c paybell.Currency) (paybell.Policy, error) {
	p := paybell.Policy{Paid: b.Paid}
	if len(b.Completed) > paybell.MaxTiers {
		return p, paybell.InvalidField(path+"completed", "has %d tiers, at most %d are possible", len(b.Completed), paybell.MaxTiers)
	}
	as := &amounts{currency: c}
	for i, t := range b.Completed {
		field := path + "completed[" + strconv.Itoa(i) + "].from"
		from := t.From.read(as, field)
		units, err := paybell.UnitsOf(from, c.Decimals)
		if err == nil && !units.Coins(c.Decimals).Equal(from) {
			err = paybell.Errorf(paybell.Invalid, "has more than the %d decimals of %s", c.Decimals, c.Symbol)
		}
		if err != nil {
			as.fail(field, err)
		}
		p.Completed = append(p.Completed, paybell.Tier{From: units, Confirmations: t.Confirmations})
	}
	return p, as.err
}

// walletBody is a wallet as clients send it.
type walletBody struct {
	Currency     text        `json:"currency"`
	CurrencyID   text        `json:"currencyId"` // the same, as version 1 names it
	Key          string      `json:"key"`
	From         *int64      `json:"from"`
	FirstAddress string      `json:"firstAddress"`
	Policy       *policyBody `json:"policy"`
}

// maxKeyName is how long the name of a key in a body can be to be repeated. Nothing
// that has to be kept secret is so short.
const maxKeyName = 16

// readWallet reads a wallet that somebody wants to add. Errors hold nothing of the
// key: it may be a private one.
func readWallet(body []byte) (in desk.NewWallet, err error) {
	var all map[string]json.RawMessage
	if err := decode(body, &all); err != nil {
		return in, err
	}
	if all["key"] == nil { // which is how CoinPayments asks for one of its own
		return in, paybell.Errorf(paybell.NotSupported, watchedOnly+` To add one, send "key": its extended public key or output descriptor.`)
	}
	known := []string{"currency", "currencyId", "key", "from", "firstAddress", "policy"}
	for key := range all {
		if len(key) > maxKeyName && !slices.Contains(known, key) { // it is not repeated
			return in, paybell.Errorf(paybell.Invalid, "The body has a key that is not known here; known are: %s", strings.Join(known, ", "))
		}
	}
	var b walletBody
	if err := decodeOnly(body, &b, known...); err != nil {
		return in, err
	}
	in = desk.NewWallet{Currency: cmp.Or(string(b.Currency), string(b.CurrencyID)), Key: b.Key, From: b.From, FirstAddress: b.FirstAddress}
	if b.Policy != nil {
		coin, _ := paybell.FindCurrency(in.Currency) // the desk says what is wrong with it
		p, err := b.Policy.policy("policy.", coin)
		if err != nil {
			return in, err
		}
		in.Policy = &p
	}
	return in, nil
}
