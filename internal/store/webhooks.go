package store

import (
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

const webhookColumns = "id, client_id, invoice_id, url, origin, events, state, state_reason, state_since, retry_schedule, created_from_ui, created_at"

func scanWebhook(s scanner) (w paybell.Webhook, err error) {
	var schedule string
	err = s.Scan(&w.ID, &w.ClientID, &w.InvoiceID, &w.URL, &w.Origin, &w.Events, &w.State, &w.StateReason, when{&w.StateSince}, &schedule,
		&w.CreatedFromUI, when{&w.CreatedAt})
	for text := range strings.FieldsSeq(schedule) {
		seconds, _ := strconv.ParseInt(text, 10, 64) // we wrote it
		w.Schedule = append(w.Schedule, time.Duration(seconds)*time.Second)
	}
	return w, err
}

// scheduleText is pauses as a column has them: whole seconds.
func scheduleText(pauses []time.Duration) string {
	texts := make([]string, len(pauses))
	for i, p := range pauses {
		texts[i] = strconv.FormatInt(int64(p/time.Second), 10)
	}
	return strings.Join(texts, " ")
}

// CreateWebhook writes a new webhook. It rings for what happens from now on.
func (tx *Tx) CreateWebhook(w paybell.Webhook) error {
	values := []any{
		w.ID, w.ClientID, w.InvoiceID, w.URL, w.Origin, int64(w.Events), string(w.State), w.StateReason, micros(w.StateSince), scheduleText(w.Schedule),
		flag(w.CreatedFromUI), micros(w.CreatedAt), 0,
	}
	if w.InvoiceID == "" {
		_, err := tx.exec(webhookRow.one(), values...)
		return err
	}
	// It changes nothing for other invoices.
	if v := tx.voices[w.ClientID]; v != nil {
		v.given = true
	}
	_, err := tx.insert(webhookRow, values...)
	return err
}

var webhookRow = newRow("webhooks ("+webhookColumns+", last_number)", "")

// Webhooks lists the webhooks of a client's own scope, or with an invoice's id
// those given with it, oldest first, without the deleted ones.
func (tx *Tx) Webhooks(clientID, invoiceID string) ([]paybell.Webhook, error) {
	return list(tx, scanWebhook, "SELECT "+webhookColumns+` FROM webhooks
		WHERE client_id = $1 AND invoice_id = $2 AND state <> 'deleted' ORDER BY created_at, id LIMIT $3`,
		clientID, invoiceID, paybell.MaxWebhooksPerClient)
}

// Webhook reads one webhook of a client, in any scope, or NotFound.
func (tx *Tx) Webhook(clientID, id string) (paybell.Webhook, error) {
	// By the id: a client may have given very many with invoices.
	w, found, err := one(tx, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE id = $1 AND client_id || '' = $2 AND state <> 'deleted'", id, clientID)
	if err == nil && !found {
		err = errNoWebhook(id)
	}
	return w, err
}

// WebhookForUpdate is Webhook for who is about to change it: others that want the
// same wait.
func (tx *Tx) WebhookForUpdate(clientID, id string) (paybell.Webhook, error) {
	if err := tx.lock("SELECT id FROM webhooks WHERE id = $1 AND client_id || '' = $2", id, clientID); err != nil {
		return paybell.Webhook{}, err
	}
	return tx.Webhook(clientID, id)
}

// UpdateWebhook changes URL, events, schedule and state of a client's webhook;
// one that is not there is NotFound. The numbers go on counting. What waits goes
// to the new URL, or is held, when it is due.
func (tx *Tx) UpdateWebhook(w paybell.Webhook) error {
	n, err := tx.exec(`UPDATE webhooks SET url = $3, origin = $4, events = $5, state = $6, state_reason = $7, state_since = $8, retry_schedule = $9
		WHERE id = $1 AND client_id || '' = $2 AND state <> 'deleted'`,
		w.ID, w.ClientID, w.URL, w.Origin, int64(w.Events), string(w.State), w.StateReason, micros(w.StateSince), scheduleText(w.Schedule))
	if err == nil && n == 0 {
		err = errNoWebhook(w.ID)
	}
	return err
}

// DeleteWebhook ends a client's webhook; nothing is sent to it any more. One
// that is not there is NotFound.
func (tx *Tx) DeleteWebhook(clientID, id string, now time.Time) error {
	n, err := tx.exec("UPDATE webhooks SET state = 'deleted', state_since = $3 WHERE id = $1 AND client_id || '' = $2 AND state <> 'deleted'", id, clientID, micros(now))
	if err == nil && n == 0 {
		err = errNoWebhook(id)
	}
	return err
}

func errNoWebhook(id string) error {
	return paybell.Errorf(paybell.NotFound, "there is no webhook %.40q on this client", id)
}
