package store

import (
	"slices"
	"strings"

	"github.com/paybell/paybell"
)

// What a notification needs of its client is the same again and again: who speaks,
// and who is told. The writer remembers it, so that a delivery is one plain INSERT:
// on SQLite from transaction to transaction (it sees every statement of its own, and
// asks SQLite whether another connection has written), on PostgreSQL to the end of
// the transaction, which has locked the webhooks. A memory that could differ from
// what is in the database is dropped whole.

// maxRemembered bounds of how many clients something is remembered.
const maxRemembered = 500

// voice is who speaks in a client's notifications, and how: its merchant, its
// style for the names of events, and whether it is told at all (deleted clients
// are not).
type voice struct {
	merchant paybell.Merchant
	names    paybell.EventNames
	told     bool

	hooks []*hook // the client's own; nil: not read
	given bool    // whether webhooks may have been given with its invoices; read with hooks
}

// hook is what is needed of a webhook to make a delivery for it.
type hook struct {
	id, client, invoice, origin, url string
	events                           paybell.Event
	rings                            bool  // or else what comes is held
	last                             int64 // the number of its last delivery
}

// rememberedTables are those that what is remembered is read from.
var rememberedTables = []string{"clients", "merchants", "webhooks", "endpoints", "deliveries"}

// mind drops what is remembered when a statement could change it.
func (tx *Tx) mind(query string) {
	switch {
	case len(tx.voices) == 0, query == deliveryRow.one(), strings.HasPrefix(query, "SELECT "):
	case strings.HasPrefix(query, "UPDATE deliveries"): // their numbers never change
	case mentions(query, rememberedTables):
		clear(tx.voices)
	}
}

// voice is that of one client.
func (tx *Tx) voice(clientID string) (*voice, error) {
	if err := tx.readVoices([]string{clientID}); err != nil {
		return nil, err
	}
	return tx.voices[clientID], nil
}

// readVoices reads what is not remembered of some clients, without their webhooks.
func (tx *Tx) readVoices(clientIDs []string) error {
	unknown := slices.DeleteFunc(slices.Clone(clientIDs), func(id string) bool { return tx.voices[id] != nil })
	if len(unknown) == 0 {
		return nil
	}
	type found struct {
		voice
		clientID string
	}
	all, err := list(tx, func(s scanner) (f found, err error) {
		var state paybell.ClientState
		m := &f.merchant
		err = s.Scan(&f.clientID, &m.ID, &m.Name, &m.Email, when{&m.CreatedAt}, &f.names, &state)
		f.told = state != paybell.ClientDeleted
		return f, err
	}, `SELECT c.id, m.id, m.name, m.email, m.created_at, c.event_names, c.state
		FROM clients c JOIN merchants m ON m.id = c.merchant_id WHERE c.id `+tx.db.dialect.among("$1"), tx.db.dialect.texts(unknown))
	if err != nil {
		return err
	}
	for _, f := range all {
		tx.voices[f.clientID] = &f.voice
	}
	for _, id := range unknown {
		if tx.voices[id] == nil {
			return errNoClient(id)
		}
	}
	return nil
}

// scope is whose webhooks: a client's own, or those given with one of its invoices.
type scope struct{ clientID, invoiceID string }

// readHooks reads the webhooks of clients that are not remembered, and gives those
// that were given with some of their invoices, by invoice.
func (tx *Tx) readHooks(clientIDs []string, invoices []scope) (given map[string][]*hook, err error) {
	var ask []string
	var scopes []scope
	for _, id := range clientIDs {
		if v := tx.voices[id]; v == nil || v.hooks == nil {
			ask, scopes = append(ask, id), append(scopes, scope{id, ""})
		}
	}
	for _, s := range invoices {
		if v := tx.voices[s.clientID]; (v == nil || v.hooks == nil || v.given) && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if len(scopes) == 0 {
		return nil, nil
	}
	all, err := tx.hooksIn(scopes)
	if err != nil {
		return nil, err
	}
	if err := tx.readVoices(ask); err != nil {
		return nil, err
	}
	fresh := map[string]bool{} // clients whose own are to be remembered
	for _, id := range ask {
		if v := tx.voices[id]; v.hooks == nil {
			v.hooks, fresh[id] = []*hook{}, true
			if v.given = tx.db.dialect.shared; v.given {
				continue // others may give some at any moment
			}
			if _, v.given, err = one(tx, scanText, "SELECT id FROM webhooks WHERE client_id = $1 AND invoice_id > '' LIMIT 1", id); err != nil {
				return nil, err
			}
		}
	}
	given = map[string][]*hook{}
	for _, h := range all {
		if h.invoice != "" {
			given[h.invoice] = append(given[h.invoice], h)
		} else if fresh[h.client] {
			tx.voices[h.client].hooks = append(tx.voices[h.client].hooks, h)
		}
	}
	return given, nil
}

const hookColumns = `id, client_id, invoice_id, origin, url, events, CASE WHEN state = 'active' AND NOT EXISTS (SELECT 1 FROM endpoints e
		WHERE e.client_id = w.client_id AND e.origin = w.origin AND e.disabled_at > 0) THEN 1 ELSE 0 END,
	COALESCE((SELECT MAX(number) FROM deliveries WHERE webhook_id = w.id), last_number)`

func scanHook(s scanner) (*hook, error) {
	h := &hook{}
	return h, s.Scan(&h.id, &h.client, &h.invoice, &h.origin, &h.url, &h.events, &h.rings, &h.last)
}

// hooksIn reads webhooks that are about to be numbered. Where several may do so at
// once, it is all in one question, and they take the rows in one order: or they would
// wait for each other.
func (tx *Tx) hooksIn(scopes []scope) (all []*hook, err error) {
	if !tx.db.dialect.shared {
		for _, s := range scopes {
			some, err := list(tx, scanHook, "SELECT "+hookColumns+" FROM webhooks w WHERE client_id = $1 AND invoice_id = $2 AND state <> 'deleted'", s.clientID, s.invoiceID)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
		return all, nil
	}
	clients, invoices := make([]string, len(scopes)), make([]string, len(scopes))
	for i, s := range scopes {
		clients[i], invoices[i] = s.clientID, s.invoiceID
	}
	const asked = " WHERE (client_id, invoice_id) IN (SELECT * FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS TEXT[]))) AND state <> 'deleted'"
	if err := tx.lock("SELECT id FROM webhooks"+asked+" ORDER BY id", clients, invoices); err != nil {
		return nil, err
	}
	return list(tx, scanHook, "SELECT "+hookColumns+" FROM webhooks w"+asked, clients, invoices)
}
