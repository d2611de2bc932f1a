package store

import (
	"github.com/paybell/paybell"
)

// CreateMerchant writes a new merchant.
func (tx *Tx) CreateMerchant(m paybell.Merchant) error {
	_, err := tx.exec("INSERT INTO merchants (id, name, email, created_at) VALUES ($1, $2, $3, $4)",
		m.ID, m.Name, m.Email, micros(m.CreatedAt))
	return err
}

// Merchant reads one merchant, or NotFound.
func (tx *Tx) Merchant(id string) (paybell.Merchant, error) {
	m, found, err := one(tx, scanMerchant, "SELECT id, name, email, created_at FROM merchants WHERE id = $1", id)
	if err == nil && !found {
		err = paybell.Errorf(paybell.NotFound, "there is no merchant %s", id)
	}
	return m, err
}

// MerchantForUpdate is Merchant for who is about to add something that a merchant
// has only so many of: others who do so wait.
func (tx *Tx) MerchantForUpdate(id string) (paybell.Merchant, error) {
	if err := tx.lock("SELECT id FROM merchants WHERE id = $1", id); err != nil {
		return paybell.Merchant{}, err
	}
	return tx.Merchant(id)
}

// Merchants lists the first merchants, oldest first.
func (tx *Tx) Merchants(limit int) ([]paybell.Merchant, error) {
	return list(tx, scanMerchant, "SELECT id, name, email, created_at FROM merchants ORDER BY created_at, id LIMIT $1", limit)
}

func scanMerchant(s scanner) (m paybell.Merchant, err error) {
	return m, s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt})
}
