package store

import (
	"time"

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

// Merchants lists the first merchants, oldest first.
func (tx *Tx) Merchants(limit int) ([]paybell.Merchant, error) {
	return list(tx, scanMerchant, "SELECT id, name, email, created_at FROM merchants ORDER BY created_at, id LIMIT $1", limit)
}

func scanMerchant(s scanner) (m paybell.Merchant, err error) {
	return m, s.Scan(&m.ID, &m.Name, &m.Email, when{&m.CreatedAt})
}

// CreateClient writes a new integration client and its secret, sealed.
func (tx *Tx) CreateClient(c paybell.Client, secret string) error {
	_, err := tx.exec(`INSERT INTO clients (id, merchant_id, name, url, permissions, disabled, created_at, pay_window, lifetime, tolerance, accept_late)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.ID, c.MerchantID, c.Name, c.URL, int64(c.Permissions), flag(c.Disabled), micros(c.CreatedAt),
		c.Terms.Window.Microseconds(), c.Terms.Lifetime.Microseconds(), c.Terms.Tolerance, flag(c.Terms.AcceptLate))
	if err != nil {
		return err
	}
	_, err = tx.exec("INSERT INTO secrets (client_id, created_at, sealed) VALUES ($1, $2, $3)",
		c.ID, micros(c.CreatedAt), tx.db.keys.Seal([]byte(secret), secretContext(c.ID)))
	return err
}

// secretContext binds a sealed secret to its client: moved to another row, it
// does not open.
func secretContext(clientID string) string { return "client-secret/" + clientID }

// Client reads one client, or NotFound.
func (tx *Tx) Client(id string) (paybell.Client, error) {
	c, found, err := one(tx, func(s scanner) (c paybell.Client, err error) {
		var window, lifetime int64
		err = s.Scan(&c.ID, &c.MerchantID, &c.Name, &c.URL, &c.Permissions, &c.Disabled, when{&c.CreatedAt},
			&window, &lifetime, &c.Terms.Tolerance, &c.Terms.AcceptLate)
		c.Terms.Window, c.Terms.Lifetime = time.Duration(window)*time.Microsecond, time.Duration(lifetime)*time.Microsecond
		return c, err
	}, `SELECT id, merchant_id, name, url, permissions, disabled, created_at, pay_window, lifetime, tolerance, accept_late
		FROM clients WHERE id = $1`, id)
	if err == nil && !found {
		err = paybell.Errorf(paybell.NotFound, "there is no client %s", id)
	}
	return c, err
}

// Secrets opens a client's secrets, the current one first. They live as long as
// the caller keeps them: never log them.
func (tx *Tx) Secrets(clientID string) ([]string, error) {
	sealed, err := list(tx, scanText, "SELECT sealed FROM secrets WHERE client_id = $1 ORDER BY created_at DESC", clientID)
	if err != nil {
		return nil, err
	}
	secrets := make([]string, len(sealed))
	for i, s := range sealed {
		plain, err := tx.db.keys.Open(s, secretContext(clientID))
		if err != nil {
			return nil, err
		}
		secrets[i] = string(plain)
	}
	return secrets, nil
}

// NextAddressIndex takes the next index of a merchant's wallet. An index is
// never given twice.
func (tx *Tx) NextAddressIndex(merchantID, network string) (int64, error) {
	index, _, err := one(tx, scanInt, `INSERT INTO wallets (merchant_id, network, next_index) VALUES ($1, $2, 1)
		ON CONFLICT (merchant_id, network) DO UPDATE SET next_index = wallets.next_index + 1
		RETURNING next_index - 1`, merchantID, network)
	return index, err
}
