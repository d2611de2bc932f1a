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

// voice is who speaks in a client's notifications, and how: its merchant, its
// style for the names of events, and whether it is told at all (deleted clients
// are not).
type voice struct {
	merchant paybell.Merchant
	names    paybell.EventNames
	told     bool
}

func (tx *Tx) voice(clientID string) (v voice, err error) {
	if v, known := tx.voices[clientID]; known {
		return v, nil
	}
	v, found, err := one(tx, func(s scanner) (v voice, err error) {
		var state paybell.ClientState
		m := &v.merchant
		err = s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt}, &v.names, &state)
		v.told = state != paybell.ClientDeleted
		return v, err
	}, "SELECT m.id, m.name, m.email, m.created_at, c.event_names, c.state FROM clients c JOIN merchants m ON m.id = c.merchant_id WHERE c.id = $1", clientID)
	if err == nil && !found {
		err = errNoClient(clientID)
	}
	if err == nil && tx.voices != nil {
		tx.voices[clientID] = v
	}
	return v, err
}

func scanMerchant(s scanner) (m paybell.Merchant, err error) {
	return m, s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt})
}
