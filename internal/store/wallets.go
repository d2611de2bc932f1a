package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/paybell/paybell"
)

const walletColumns = "id, merchant_id, network, public_key, fingerprint, policy, created_at, removed_at"

func scanWallet(s scanner) (w paybell.Wallet, err error) {
	var policy string
	if err := s.Scan(&w.ID, &w.MerchantID, &w.Network, &w.Key, &w.Fingerprint, &policy, when{&w.CreatedAt}, when{&w.RemovedAt}); err != nil {
		return w, err
	}
	return w, json.Unmarshal([]byte(policy), &w.Policy)
}

// Wallet reads a wallet, live or not, or NotFound.
func (tx *Tx) Wallet(id string) (paybell.Wallet, error) {
	w, found, err := one(tx, scanWallet, "SELECT "+walletColumns+" FROM wallets WHERE id = $1", id)
	if err == nil && !found {
		err = paybell.Errorf(paybell.NotFound, "there is no wallet %s", id)
	}
	return w, err
}

// Wallets lists a merchant's live wallets, one for each network at most.
func (tx *Tx) Wallets(merchantID string) ([]paybell.Wallet, error) {
	return list(tx, scanWallet, "SELECT "+walletColumns+" FROM wallets WHERE merchant_id = $1 AND removed_at = 0 ORDER BY created_at, id", merchantID)
}

// HadWallet reports whether a merchant ever had a wallet for real coins.
func (tx *Tx) HadWallet(merchantID string) (bool, error) {
	_, found, err := one(tx, scanText, "SELECT id FROM wallets WHERE merchant_id = $1 LIMIT 1", merchantID)
	return found, err
}

// CreateWallet adds a live wallet, in the place of the one that the merchant had
// on the network.
func (tx *Tx) CreateWallet(w paybell.Wallet) error {
	policy, err := json.Marshal(w.Policy)
	if err != nil {
		return fmt.Errorf("encode the policy: %w", err)
	}
	if _, err := tx.exec("UPDATE wallets SET removed_at = $3 WHERE merchant_id = $1 AND network = $2 AND removed_at = 0",
		w.MerchantID, w.Network, micros(w.CreatedAt)); err != nil {
		return err
	}
	_, err = tx.exec("INSERT INTO wallets ("+walletColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
		w.ID, w.MerchantID, w.Network, w.Key, w.Fingerprint, string(policy), micros(w.CreatedAt))
	return err
}

// RemoveWallet ends a wallet: no payment is opened with it any more. What was
// opened is watched for ever.
func (tx *Tx) RemoveWallet(id string, at time.Time) error {
	_, err := tx.exec("UPDATE wallets SET removed_at = $2 WHERE id = $1 AND removed_at = 0", id, micros(at))
	return err
}

// SetPolicy writes how many confirmations new payments to a wallet need.
func (tx *Tx) SetPolicy(walletID string, p paybell.Policy) error {
	policy, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the policy: %w", err)
	}
	_, err = tx.exec("UPDATE wallets SET policy = $2 WHERE id = $1", walletID, string(policy))
	return err
}

// TakeIndex takes the next address index of a key. An index is never given twice.
func (tx *Tx) TakeIndex(fingerprint string) (int64, error) {
	index, _, err := one(tx, scanInt, `INSERT INTO address_keys (fingerprint, next_index) VALUES ($1, 1)
		ON CONFLICT (fingerprint) DO UPDATE SET next_index = address_keys.next_index + 1
		RETURNING next_index - 1`, fingerprint)
	return index, err
}

// NextIndex is what TakeIndex would give.
func (tx *Tx) NextIndex(fingerprint string) (int64, error) {
	index, _, err := one(tx, scanInt, "SELECT next_index FROM address_keys WHERE fingerprint = $1", fingerprint)
	return index, err
}

// SkipTo makes index the next one of a key, unless it is beyond that already.
func (tx *Tx) SkipTo(fingerprint string, index int64) error {
	_, err := tx.exec(`INSERT INTO address_keys (fingerprint, next_index) VALUES ($1, $2)
		ON CONFLICT (fingerprint) DO UPDATE SET next_index = excluded.next_index WHERE address_keys.next_index < excluded.next_index`, fingerprint, index)
	return err
}

// Gap counts the newest addresses of a key in a row to which no money came, most at
// most.
func (tx *Tx) Gap(fingerprint string, most int) (int, error) {
	wallets, err := list(tx, scanText, "SELECT id FROM wallets WHERE fingerprint = $1", fingerprint)
	if err != nil {
		return 0, err
	}
	type opened struct{ index, transfers int64 }
	var newest []opened
	for _, id := range wallets { // each is asked alone: its index is in the right order
		some, err := list(tx, func(s scanner) (o opened, err error) {
			err = s.Scan(&o.index, &o.transfers)
			return o, err
		}, `SELECT p.address_index, (SELECT COUNT(*) FROM transfers t WHERE t.invoice_id = p.invoice_id AND t.payment_id = p.id)
			FROM payments p WHERE p.wallet_id = $1 AND p.wallet_id <> '' ORDER BY p.address_index DESC LIMIT $2`, id, most)
		if err != nil {
			return 0, err
		}
		newest = append(newest, some...)
	}
	slices.SortFunc(newest, func(a, b opened) int { return cmp.Compare(b.index, a.index) })
	newest = newest[:min(most, len(newest))]
	if paid := slices.IndexFunc(newest, func(o opened) bool { return o.transfers > 0 }); paid >= 0 {
		return paid, nil
	}
	return len(newest), nil
}

// OffersTestCoin reports whether a merchant who has a wallet for real coins offers
// the test coin all the same.
func (tx *Tx) OffersTestCoin(merchantID string) (bool, error) {
	n, _, err := one(tx, scanInt, "SELECT test_coin FROM merchants WHERE id = $1", merchantID)
	return n != 0, err
}

// OfferTestCoin writes that.
func (tx *Tx) OfferTestCoin(merchantID string, offer bool) error {
	_, err := tx.exec("UPDATE merchants SET test_coin = $2 WHERE id = $1", merchantID, flag(offer))
	return err
}
