package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
)

// Unwell is an endpoint that does not take what it is told.
type Unwell struct {
	Endpoint
	Client string // its name
	paybell.Health
}

// Unwell lists a merchant's endpoints that were disabled, then those that have been
// failing since before a moment, the longest first. One that fails, where nothing rings
// any more and for which nothing waits, is left out.
func (tx *Tx) Unwell(merchantID string, before time.Time, limit int) ([]Unwell, error) {
	// An origin may have very many webhooks that were given with invoices: those of
	// the client's own are looked for by their scope.
	return list(tx, func(s scanner) (u Unwell, err error) {
		u.Health, err = scanHealth(and{s, []any{&u.ClientID, &u.Origin, &u.Client}})
		return u, err
	}, `SELECT failing_since, failures, failure, paused_until, disabled_at, accepted_secret, e.client_id, e.origin, c.name
		FROM clients c JOIN endpoints e ON e.client_id = c.id
		WHERE c.merchant_id = $1 AND c.state <> 'deleted' AND (e.disabled_at > 0 OR e.failing_since > 0 AND e.failing_since < $2)
		AND (EXISTS (SELECT 1 FROM webhooks w WHERE w.client_id = e.client_id AND w.invoice_id = '' AND w.origin || '' = e.origin
				AND (w.state = 'active' OR e.disabled_at > 0 AND w.state <> 'deleted'))
			OR e.disabled_at > 0 AND EXISTS (SELECT 1 FROM webhooks w WHERE w.client_id = e.client_id AND w.origin = e.origin AND w.invoice_id <> '' AND w.state <> 'deleted')
			OR EXISTS (SELECT 1 FROM deliveries d WHERE d.client_id = e.client_id AND d.origin = e.origin AND d.state = 'pending'))
		ORDER BY CASE WHEN e.disabled_at > 0 THEN 0 ELSE 1 END, e.failing_since, e.client_id, e.origin LIMIT $3`, merchantID, micros(before), limit)
}

// DisabledWebhooks lists the webhooks of a merchant's clients that said that they are
// gone, the last one first.
func (tx *Tx) DisabledWebhooks(merchantID string, limit int) ([]paybell.Webhook, error) {
	return list(tx, scanWebhook, "SELECT "+ofTable("w", webhookColumns)+` FROM clients c JOIN webhooks w ON w.client_id = c.id AND w.invoice_id = ''
		WHERE c.merchant_id = $1 AND c.state <> 'deleted' AND w.state = 'disabled' ORDER BY w.state_since DESC, w.id LIMIT $2`, merchantID, limit)
}

// CountPending counts what an endpoint has not got yet, up to most.
func (tx *Tx) CountPending(e Endpoint, most int) (int64, error) {
	n, _, err := one(tx, scanInt, `SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE client_id = $1 AND origin = $2 AND state = 'pending' LIMIT $3) waiting`,
		e.ClientID, e.Origin, most)
	return n, err
}

// NextAttempt is when the first of an endpoint's deliveries is due; zero: none is
// waiting. It may have passed.
func (tx *Tx) NextAttempt(e Endpoint) (time.Time, error) {
	us, _, err := one(tx, scanInt, "SELECT due_at FROM deliveries WHERE client_id = $1 AND origin = $2 AND due_at > 0 ORDER BY due_at LIMIT 1", e.ClientID, e.Origin)
	return moment(us), err
}

// FlaggedInvoices lists a merchant's invoices that have a flag and were made since a
// moment, the newest first, without their payments and transfers.
func (tx *Tx) FlaggedInvoices(merchantID string, since time.Time, limit int) ([]paybell.Invoice, error) {
	return list(tx, scanInvoice, "SELECT "+invoiceColumns+` FROM invoices WHERE merchant_id = $1 AND flags <> 0 AND created_at >= $2
		ORDER BY created_at DESC, id DESC LIMIT $3`, merchantID, micros(since), limit)
}

// CountInvoices counts a merchant's invoices in a state that were made since a
// moment, up to most.
func (tx *Tx) CountInvoices(merchantID string, state paybell.State, since time.Time, most int) (int64, error) {
	n, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM (SELECT 1 FROM invoices WHERE merchant_id = $1 AND state = $2 AND created_at >= $3 LIMIT $4) counted",
		merchantID, string(state), micros(since), most)
	return n, err
}

// InvoiceTotal is what an invoice is about.
type InvoiceTotal struct {
	Currency string
	Total    decimal.Decimal
	Test     bool
}

// InvoiceTotals reads what the invoices in a state are about that were made since a
// moment: of the newest ones, at most limit.
func (tx *Tx) InvoiceTotals(merchantID string, state paybell.State, since time.Time, limit int) ([]InvoiceTotal, error) {
	return list(tx, func(s scanner) (t InvoiceTotal, err error) {
		var begin string
		if err := s.Scan(&begin, &t.Test); err != nil {
			return t, err
		}
		t.Currency, t.Total, err = total(begin)
		return t, err
	}, `SELECT SUBSTR(bill, 1, 300), test FROM invoices WHERE merchant_id = $1 AND state = $2 AND created_at >= $3
		ORDER BY created_at DESC, id DESC LIMIT $4`, merchantID, string(state), micros(since), limit)
}

// total reads how much a bill is about from its beginning: that is where we write it
// (paybell.Bill).
func total(bill string) (currency string, sum decimal.Decimal, err error) {
	rest, first := strings.CutPrefix(bill, `{"currency":"`)
	currency, rest, second := strings.Cut(rest, `","total":"`)
	amount, _, third := strings.Cut(rest, `"`)
	if !first || !second || !third {
		return "", sum, fmt.Errorf("a bill does not begin with its currency and its total: %.60q", bill)
	}
	sum, err = decimal.NewFromString(amount)
	return currency, sum, err
}
