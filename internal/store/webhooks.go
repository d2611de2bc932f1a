package store

import (
	"time"

	"github.com/paybell/paybell"
)

const webhookColumns = "id, client_id, invoice_id, url, origin, events, state, created_from_ui, created_at"

func scanWebhook(s scanner) (w paybell.Webhook, err error) {
	err = s.Scan(&w.ID, &w.ClientID, &w.InvoiceID, &w.URL, &w.Origin, &w.Events, &w.State, &w.CreatedFromUI, when{&w.CreatedAt})
	return w, err
}

// CreateWebhook writes a new webhook. It rings for what happens from now on.
func (tx *Tx) CreateWebhook(w paybell.Webhook) error {
	_, err := tx.exec("INSERT INTO webhooks ("+webhookColumns+", last_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
		w.ID, w.ClientID, w.InvoiceID, w.URL, w.Origin, int64(w.Events), string(w.State), flag(w.CreatedFromUI), micros(w.CreatedAt))
	return err
}

// Webhooks lists the webhooks of a client's own scope, oldest first, without
// the deleted ones.
func (tx *Tx) Webhooks(clientID string) ([]paybell.Webhook, error) {
	return list(tx, scanWebhook, "SELECT "+webhookColumns+` FROM webhooks
		WHERE client_id = $1 AND invoice_id = '' AND state <> 'deleted' ORDER BY created_at, id LIMIT $2`,
		clientID, paybell.MaxWebhooksPerClient)
}

// Webhook reads one webhook of a client, in any scope, or NotFound.
func (tx *Tx) Webhook(clientID, id string) (paybell.Webhook, error) {
	w, found, err := one(tx, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE id = $1 AND client_id = $2 AND state <> 'deleted'", id, clientID)
	if err == nil && !found {
		err = errNoWebhook(id)
	}
	return w, err
}

// UpdateWebhook changes URL and events of a client's webhook; one that is not
// there is NotFound. The numbers go on counting, and what is pending goes to the
// new URL.
func (tx *Tx) UpdateWebhook(w paybell.Webhook) error {
	n, err := tx.exec("UPDATE webhooks SET url = $3, origin = $4, events = $5 WHERE id = $1 AND client_id = $2 AND state <> 'deleted'",
		w.ID, w.ClientID, w.URL, w.Origin, int64(w.Events))
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoWebhook(w.ID)
	}
	_, err = tx.exec("UPDATE deliveries SET origin = $2 WHERE webhook_id = $1 AND state IN ('pending', 'held') AND origin <> $2", w.ID, w.Origin)
	return err
}

// DeleteWebhook ends a client's webhook; nothing is sent to it any more. One
// that is not there is NotFound.
func (tx *Tx) DeleteWebhook(clientID, id string, now time.Time) error {
	n, err := tx.exec("UPDATE webhooks SET state = 'deleted' WHERE id = $1 AND client_id = $2 AND state <> 'deleted'", id, clientID)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoWebhook(id)
	}
	_, err = tx.exec("UPDATE deliveries SET state = 'exhausted', due_at = 0, finished_at = $2 WHERE webhook_id = $1 AND state IN ('pending', 'held')", id, micros(now))
	return err
}

func errNoWebhook(id string) error {
	return paybell.Errorf(paybell.NotFound, "there is no webhook %.40q on this client", id)
}
