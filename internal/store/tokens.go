package store

import (
	"github.com/paybell/paybell"
)

// CreateAccountToken writes a new token by the hash of its text.
func (tx *Tx) CreateAccountToken(t paybell.AccountToken, hash string) error {
	_, err := tx.exec("INSERT INTO account_tokens (id, merchant_id, name, hash, created_at) VALUES ($1, $2, $3, $4, $5)",
		t.ID, t.MerchantID, t.Name, hash, micros(t.CreatedAt))
	return err
}

func scanAccountToken(s scanner) (t paybell.AccountToken, err error) {
	return t, s.Scan(&t.ID, &t.MerchantID, &t.Name, when{&t.CreatedAt})
}

// AccountToken finds a token by the hash of its text; found is false for one
// that does not exist or was revoked.
func (tx *Tx) AccountToken(hash string) (t paybell.AccountToken, found bool, err error) {
	return one(tx, scanAccountToken, "SELECT id, merchant_id, name, created_at FROM account_tokens WHERE hash = $1", hash)
}

// AccountTokens lists a merchant's tokens, oldest first.
func (tx *Tx) AccountTokens(merchantID string) ([]paybell.AccountToken, error) {
	return list(tx, scanAccountToken, "SELECT id, merchant_id, name, created_at FROM account_tokens WHERE merchant_id = $1 ORDER BY created_at, id LIMIT $2",
		merchantID, paybell.MaxTokensPerMerchant)
}

// DeleteAccountToken revokes a merchant's token, or NotFound.
func (tx *Tx) DeleteAccountToken(merchantID, id string) error {
	n, err := tx.exec("DELETE FROM account_tokens WHERE id = $1 AND merchant_id = $2", id, merchantID)
	if err == nil && n == 0 {
		err = paybell.Errorf(paybell.NotFound, "there is no account token %.40q", id)
	}
	return err
}
