package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybell/paybell"
)

const invoiceColumns = `id, merchant_id, client_id, version, state, flags, bill, created_at, expires_at,
	paid_at, completed_at, cancelled_at, timed_out_at, pay_window, tolerance, accept_late, test`

func scanInvoice(s scanner) (inv paybell.Invoice, err error) {
	var bill string
	var window int64
	err = s.Scan(&inv.ID, &inv.MerchantID, &inv.ClientID, &inv.Version, &inv.State, &inv.Flags, &bill,
		when{&inv.CreatedAt}, when{&inv.ExpiresAt}, when{&inv.PaidAt}, when{&inv.CompletedAt},
		when{&inv.CancelledAt}, when{&inv.TimedOutAt}, &window, &inv.Tolerance, &inv.AcceptLate, &inv.Test)
	if err != nil {
		return inv, err
	}
	inv.Window = time.Duration(window) * time.Microsecond
	return inv, json.Unmarshal([]byte(bill), &inv.Bill)
}

// Invoice reads a whole invoice with its payments and transfers, or NotFound.
func (tx *Tx) Invoice(id string) (paybell.Invoice, error) {
	inv, found, err := one(tx, scanInvoice, "SELECT "+invoiceColumns+" FROM invoices WHERE id = $1", id)
	if err == nil && !found {
		err = paybell.Errorf(paybell.NotFound, "there is no invoice %s", id)
	}
	if err != nil {
		return inv, err
	}
	if inv.Payments, err = list(tx, scanPayment, "SELECT "+paymentColumns+" FROM payments WHERE invoice_id = $1 ORDER BY opened_at, id", id); err != nil || len(inv.Payments) == 0 {
		return inv, err
	}
	inv.Transfers, err = list(tx, scanTransfer, "SELECT "+transferColumns+" FROM transfers WHERE invoice_id = $1 ORDER BY network, txid, position, asset", id)
	return inv, err
}

const paymentColumns = `id, currency, network, address, due, tolerance, rate, refund_email,
	paid_after, completed_after, opened_at, expires_at, timed_out_at, seen, counted, accepted`

func scanPayment(s scanner) (p paybell.Payment, err error) {
	err = s.Scan(&p.ID, &p.Currency, &p.Network, &p.Address, &p.Due, &p.Tolerance, &p.Rate, &p.RefundEmail,
		&p.PaidAfter, &p.CompletedAfter, when{&p.OpenedAt}, when{&p.ExpiresAt}, when{&p.TimedOutAt}, &p.Seen, &p.Counted, &p.Accepted)
	return p, err
}

const transferColumns = `network, txid, position, asset, payment_id, address, amount, status, confirmations, reorged, replaces, seen_at, absent_at`

func scanTransfer(s scanner) (t paybell.Transfer, err error) {
	err = s.Scan(&t.Network, &t.TxID, &t.Index, &t.Asset, &t.PaymentID, &t.Address, &t.Amount,
		&t.Status, &t.Confirmations, &t.Reorged, &t.Replaces, when{&t.SeenAt}, when{&t.AbsentAt})
	return t, err
}

// InvoiceFilter says which of a merchant's invoices to list.
type InvoiceFilter struct {
	MerchantID string
	State      paybell.State // empty: any
	ClientID   string        // empty: any
	// Before is the last invoice of the page before; its moment and id. Zero:
	// from the newest.
	BeforeAt time.Time
	BeforeID string
	Limit    int // 1..100
}

// Invoices lists a merchant's invoices, newest first, without their payments.
func (tx *Tx) Invoices(f InvoiceFilter) ([]paybell.Invoice, error) {
	before := micros(f.BeforeAt)
	if before == 0 {
		before = 1<<63 - 1
	}
	return list(tx, scanInvoice, "SELECT "+invoiceColumns+` FROM invoices
		WHERE merchant_id = $1 AND (created_at, id) < ($2, $3)
		AND ($4 = '' OR state = $4) AND ($5 = '' OR client_id = $5)
		ORDER BY created_at DESC, id DESC LIMIT $6`,
		f.MerchantID, before, f.BeforeID, string(f.State), f.ClientID, f.Limit)
}

// Apply writes changes of one invoice, made by one call of Next or Create: the
// invoice as it now is (guarded by its version), a notification of each change,
// and a delivery of it to every webhook that wants it. All or nothing: what is
// committed will be notified.
func (tx *Tx) Apply(changes ...paybell.Change) error {
	if len(changes) == 0 {
		return nil
	}
	inv := changes[len(changes)-1].Invoice
	was := changes[0].Invoice.Version - 1
	if err := tx.saveInvoice(inv, was); err != nil {
		return err
	}
	for _, p := range inv.Payments {
		if err := tx.savePayment(inv.ID, p); err != nil {
			return err
		}
	}
	merchant, err := tx.Merchant(inv.MerchantID)
	if err != nil {
		return err
	}
	// Every webhook is about to be numbered. Those who do so at once take the rows
	// in one order, or they would wait for each other.
	if err := tx.lock("SELECT id FROM webhooks WHERE client_id = $1 AND invoice_id IN ('', $2) ORDER BY id", inv.ClientID, inv.ID); err != nil {
		return err
	}
	for _, c := range changes {
		n := c.Tell(merchant)
		if err := tx.insertNotification(n); err != nil {
			return err
		}
		if err := tx.deliver(n); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) saveInvoice(inv paybell.Invoice, was int) error {
	dueAt, dueNetwork := inv.NextDue(nil)
	if was == 0 {
		bill, err := json.Marshal(inv.Bill)
		if err != nil {
			return fmt.Errorf("encode the bill: %w", err)
		}
		_, err = tx.exec("INSERT INTO invoices ("+invoiceColumns+`, due_at, due_network)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
			inv.ID, inv.MerchantID, inv.ClientID, inv.Version, string(inv.State), int64(inv.Flags), string(bill),
			micros(inv.CreatedAt), micros(inv.ExpiresAt), micros(inv.PaidAt), micros(inv.CompletedAt),
			micros(inv.CancelledAt), micros(inv.TimedOutAt), inv.Window.Microseconds(), inv.Tolerance, flag(inv.AcceptLate), flag(inv.Test),
			micros(dueAt), dueNetwork)
		return err
	}
	n, err := tx.exec(`UPDATE invoices SET version = $3, state = $4, flags = $5, paid_at = $6, completed_at = $7,
		cancelled_at = $8, timed_out_at = $9, due_at = $10, due_network = $11 WHERE id = $1 AND version = $2`,
		inv.ID, was, inv.Version, string(inv.State), int64(inv.Flags), micros(inv.PaidAt), micros(inv.CompletedAt),
		micros(inv.CancelledAt), micros(inv.TimedOutAt), micros(dueAt), dueNetwork)
	if err == nil && n == 0 {
		err = errConflict
	}
	return err
}

func (tx *Tx) savePayment(invoiceID string, p paybell.Payment) error {
	_, err := tx.exec(`INSERT INTO payments (`+paymentColumns+`, invoice_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (id) DO UPDATE SET timed_out_at = excluded.timed_out_at, seen = excluded.seen, counted = excluded.counted, accepted = excluded.accepted`,
		p.ID, p.Currency, p.Network, p.Address, p.Due, p.Tolerance, p.Rate.String(), p.RefundEmail,
		p.PaidAfter, p.CompletedAfter, micros(p.OpenedAt), micros(p.ExpiresAt), micros(p.TimedOutAt), p.Seen, p.Counted, p.Accepted, invoiceID)
	return err
}

// SetTimer writes when an invoice is to be looked at by time alone, and which
// network has to be scanned past that moment first.
func (tx *Tx) SetTimer(invoiceID string, at time.Time, network string) error {
	_, err := tx.exec("UPDATE invoices SET due_at = $2, due_network = $3 WHERE id = $1", invoiceID, micros(at), network)
	return err
}

// Hasten moves an invoice's deadlines, for the sandbox: those of its open
// payments, and with lifetime its own, to now if they are later.
func (tx *Tx) Hasten(inv paybell.Invoice, lifetime bool, now time.Time) error {
	if _, err := tx.exec("UPDATE payments SET expires_at = $2 WHERE invoice_id = $1 AND timed_out_at = 0 AND expires_at > $2", inv.ID, micros(now)); err != nil {
		return err
	}
	if lifetime {
		if _, err := tx.exec("UPDATE invoices SET expires_at = $2 WHERE id = $1 AND expires_at > $2", inv.ID, micros(now)); err != nil {
			return err
		}
	}
	moved, err := tx.Invoice(inv.ID)
	if err != nil {
		return err
	}
	at, network := moved.NextDue(nil)
	return tx.SetTimer(inv.ID, at, network)
}

// Due lists invoices whose time has come, for one network ("" for those that
// wait for none), the longest overdue first.
func (tx *Tx) Due(network string, until time.Time, limit int) ([]string, error) {
	return list(tx, scanText, "SELECT id FROM invoices WHERE due_network = $1 AND due_at > 0 AND due_at <= $2 ORDER BY due_at LIMIT $3",
		network, micros(until), limit)
}

// NextTimer says when the next invoice of a network is due; zero: none.
func (tx *Tx) NextTimer(network string) (time.Time, error) {
	us, _, err := one(tx, scanInt, "SELECT due_at FROM invoices WHERE due_network = $1 AND due_at > 0 ORDER BY due_at LIMIT 1", network)
	return moment(us), err
}
