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

// voice is how a client's notifications are told: in whose name, with which
// names of events, and whether anybody is told, which ends with the client.
func (tx *Tx) voice(clientID string) (m paybell.Merchant, names paybell.EventNames, told bool, err error) {
	var state paybell.ClientState
	m, found, err := one(tx, func(s scanner) (m paybell.Merchant, err error) {
		err = s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt}, &names, &state)
		return m, err
	}, "SELECT m.id, m.name, m.email, m.created_at, c.event_names, c.state FROM clients c JOIN merchants m ON m.id = c.merchant_id WHERE c.id = $1", clientID)
	if err == nil && !found {
		err = errNoClient(clientID)
	}
	return m, names, state != paybell.ClientDeleted, err
}

func scanMerchant(s scanner) (m paybell.Merchant, err error) {
	return m, s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt})
}

// NextAddressIndex takes the next index of a merchant's wallet. An index is
// never given twice.
func (tx *Tx) NextAddressIndex(merchantID, network string) (int64, error) {
	index, _, err := one(tx, scanInt, `INSERT INTO wallets (merchant_id, network, next_index) VALUES ($1, $2, 1)
		ON CONFLICT (merchant_id, network) DO UPDATE SET next_index = wallets.next_index + 1
		RETURNING next_index - 1`, merchantID, network)
	return index, err
}
