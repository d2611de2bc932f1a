package store

import (
	"strings"
	"time"

	"github.com/paybell/paybell"
)

const clientColumns = `id, merchant_id, name, integration, url, state, permissions, allowed_ips, event_names, created_at,
	pay_window, lifetime, tolerance, accept_late`

func scanClient(s scanner) (c paybell.Client, err error) {
	var window, lifetime int64
	var ips string
	err = s.Scan(&c.ID, &c.MerchantID, &c.Name, &c.Integration, &c.URL, &c.State, &c.Permissions, &ips, &c.EventNames, when{&c.CreatedAt},
		&window, &lifetime, &c.Terms.Tolerance, &c.Terms.AcceptLate)
	if err != nil {
		return c, err
	}
	c.Terms.Window, c.Terms.Lifetime = time.Duration(window)*time.Microsecond, time.Duration(lifetime)*time.Microsecond
	c.AllowedIPs, err = paybell.ParseAllowedIPs("allowed_ips", strings.Fields(ips))
	return c, err
}

// CreateClient writes a new integration client and its secret, sealed.
func (tx *Tx) CreateClient(c paybell.Client, secret string) error {
	_, err := tx.exec("INSERT INTO clients ("+clientColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		c.ID, c.MerchantID, c.Name, c.Integration, c.URL, string(c.State), int64(c.Permissions), strings.Join(paybell.IPTexts(c.AllowedIPs), " "),
		int64(c.EventNames), micros(c.CreatedAt),
		c.Terms.Window.Microseconds(), c.Terms.Lifetime.Microseconds(), c.Terms.Tolerance, flag(c.Terms.AcceptLate))
	if err != nil {
		return err
	}
	return tx.addSecret(c.ID, secret, c.CreatedAt)
}

// Client reads one client, or NotFound. Deleted ones are there, as such.
func (tx *Tx) Client(id string) (paybell.Client, error) {
	c, found, err := one(tx, scanClient, "SELECT "+clientColumns+" FROM clients WHERE id = $1", id)
	if err == nil && !found {
		err = errNoClient(id)
	}
	return c, err
}

// ClientForUpdate is Client for who is about to change it, or what belongs to it:
// others who do so wait.
func (tx *Tx) ClientForUpdate(id string) (paybell.Client, error) {
	if err := tx.lock("SELECT id FROM clients WHERE id = $1", id); err != nil {
		return paybell.Client{}, err
	}
	return tx.Client(id)
}

func errNoClient(id string) error {
	return paybell.Errorf(paybell.NotFound, "there is no client %.40q", id)
}

// Clients lists a merchant's clients, oldest first, without the deleted ones.
func (tx *Tx) Clients(merchantID string) ([]paybell.Client, error) {
	return list(tx, scanClient, "SELECT "+clientColumns+` FROM clients
		WHERE merchant_id = $1 AND state <> 'deleted' ORDER BY created_at, id LIMIT $2`, merchantID, paybell.MaxClientsPerMerchant)
}

// UpdateClient writes what of a client can change; one that is not there is
// NotFound. What is told from now on is told by the new names of events.
func (tx *Tx) UpdateClient(c paybell.Client) error {
	delete(tx.voices, c.ID)
	n, err := tx.exec(`UPDATE clients SET name = $2, integration = $3, url = $4, state = $5, permissions = $6, allowed_ips = $7, event_names = $8
		WHERE id = $1 AND state <> 'deleted'`,
		c.ID, c.Name, c.Integration, c.URL, string(c.State), int64(c.Permissions), strings.Join(paybell.IPTexts(c.AllowedIPs), " "), int64(c.EventNames))
	if err == nil && n == 0 {
		err = errNoClient(c.ID)
	}
	return err
}

// SetTerms writes by what terms a client's invoices are made from now on; one that
// is not there is NotFound.
func (tx *Tx) SetTerms(clientID string, t paybell.Terms) error {
	n, err := tx.exec(`UPDATE clients SET pay_window = $2, lifetime = $3, tolerance = $4, accept_late = $5 WHERE id = $1 AND state <> 'deleted'`,
		clientID, t.Window.Microseconds(), t.Lifetime.Microseconds(), t.Tolerance, flag(t.AcceptLate))
	if err == nil && n == 0 {
		err = errNoClient(clientID)
	}
	return err
}

// DeleteClient ends a client for ever, with its secrets and all its webhooks;
// nothing is sent to them any more. Its invoices stay. One that is not there is
// NotFound.
func (tx *Tx) DeleteClient(id string, now time.Time) error {
	delete(tx.voices, id)
	n, err := tx.exec("UPDATE clients SET state = 'deleted' WHERE id = $1 AND state <> 'deleted'", id)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoClient(id)
	}
	if _, err := tx.exec("DELETE FROM secrets WHERE client_id = $1", id); err != nil {
		return err
	}
	if err := tx.lock("SELECT id FROM webhooks WHERE client_id = $1 ORDER BY id", id); err != nil {
		return err
	}
	_, err = tx.exec("UPDATE webhooks SET state = 'deleted', state_since = $2 WHERE client_id = $1 AND state <> 'deleted'", id, micros(now))
	return err
}

// Secrets opens a client's secrets that are good at a moment, the current one
// first. They live as long as the caller keeps them: never log them.
func (tx *Tx) Secrets(clientID string, now time.Time) ([]paybell.Secret, error) {
	secrets, err := list(tx, func(s scanner) (secret paybell.Secret, err error) {
		return secret, s.Scan(&secret.ID, &secret.Text)
	}, "SELECT created_at, sealed FROM secrets WHERE client_id = $1 AND (expires_at = 0 OR expires_at > $2) ORDER BY created_at DESC",
		clientID, micros(now))
	if err != nil {
		return nil, err
	}
	for i, s := range secrets {
		plain, err := tx.db.keys.Open(s.Text, secretContext(clientID))
		if err != nil {
			return nil, err
		}
		secrets[i].Text = string(plain)
	}
	return secrets, nil
}

// RotateSecret gives a client a new secret. The one that was current is good
// until then, one from before it is not any more: there are never more than two.
func (tx *Tx) RotateSecret(clientID, secret string, now, until time.Time) error {
	c, err := tx.ClientForUpdate(clientID)
	if err == nil && c.State == paybell.ClientDeleted {
		err = errNoClient(clientID)
	}
	if err != nil {
		return err
	}
	gone := "DELETE FROM secrets WHERE client_id = $1 AND expires_at > 0"
	if !until.After(now) {
		gone = "DELETE FROM secrets WHERE client_id = $1"
	}
	if _, err := tx.exec(gone, clientID); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE secrets SET expires_at = $2 WHERE client_id = $1", clientID, micros(until)); err != nil {
		return err
	}
	return tx.addSecret(clientID, secret, now)
}

// addSecret makes a secret the current one, whatever the clock says.
func (tx *Tx) addSecret(clientID, secret string, at time.Time) error {
	if secret == "" {
		return paybell.Errorf(paybell.Internal, "a client's secret must not be empty: anybody could sign with it")
	}
	last, _, err := one(tx, scanInt, "SELECT created_at FROM secrets WHERE client_id = $1 ORDER BY created_at DESC LIMIT 1", clientID)
	if err != nil {
		return err
	}
	sealed, err := tx.seal([]byte(secret), secretContext(clientID))
	if err != nil {
		return err
	}
	_, err = tx.exec("INSERT INTO secrets (client_id, created_at, sealed, expires_at) VALUES ($1, $2, $3, 0)", clientID, max(micros(at), last+1), sealed)
	return err
}

// secretContext binds a sealed secret to its client: moved to another row, it
// does not open.
func secretContext(clientID string) string { return "client-secret/" + clientID }

// ForgetSecrets deletes secrets that are no longer good, at most limit of them.
func (tx *Tx) ForgetSecrets(now time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM secrets WHERE (client_id, created_at) IN
		(SELECT client_id, created_at FROM secrets WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2)`, micros(now), limit)
}
