package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// RequiredConfirmations tells by currency id how many confirmations complete an
// invoice: by the policies of a merchant's wallets, for small amounts where they
// differ by amount, and for all else the usual number. With no merchant they are all
// the usual ones.
func (d *Desk) RequiredConfirmations(ctx context.Context, merchantID string) (map[string]int, error) {
	required := map[string]int{}
	for _, c := range paybell.Currencies() {
		required[c.ID] = c.Confirmations
	}
	if merchantID == "" {
		return required, nil
	}
	wallets, err := store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Wallet, error) { return tx.Wallets(merchantID) })
	for _, w := range wallets {
		_, required[networkCoin(w.Network).ID] = w.Policy.Required(paybell.Units{})
	}
	return required, err
}
