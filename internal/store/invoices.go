package store

import (
	"encoding/json"
	"fmt"
	"strings"
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

const paymentColumns = `id, currency, network, address, wallet_id, address_index, test, due, tolerance, rate, refund_email,
	paid_after, completed_after, opened_at, expires_at, timed_out_at, seen, counted, accepted`

func scanPayment(s scanner) (p paybell.Payment, err error) {
	err = s.Scan(&p.ID, &p.Currency, &p.Network, &p.Address, &p.WalletID, &p.Index, &p.Test, &p.Due, &p.Tolerance, &p.Rate, &p.RefundEmail,
		&p.PaidAfter, &p.CompletedAfter, when{&p.OpenedAt}, when{&p.ExpiresAt}, when{&p.TimedOutAt}, &p.Seen, &p.Counted, &p.Accepted)
	return p, err
}

const transferColumns = `network, txid, position, asset, payment_id, address, amount, status, confirmations, height, reorged, replaces, seen_at, absent_at`

func scanTransfer(s scanner) (t paybell.Transfer, err error) {
	err = s.Scan(transferFields(&t)...)
	return t, err
}

// transferFields is where transferColumns go.
func transferFields(t *paybell.Transfer) []any {
	return []any{&t.Network, &t.TxID, &t.Index, &t.Asset, &t.PaymentID, &t.Address, &t.Amount,
		&t.Status, &t.Confirmations, &t.Height, &t.Reorged, &t.Replaces, when{&t.SeenAt}, when{&t.AbsentAt}}
}

// InvoiceForUpdate reads an invoice that this transaction is about to change
// beside its states: others that want the same wait.
func (tx *Tx) InvoiceForUpdate(id string) (paybell.Invoice, error) {
	if err := tx.lock("SELECT id FROM invoices WHERE id = $1", id); err != nil {
		return paybell.Invoice{}, err
	}
	return tx.Invoice(id)
}

// SaveBill writes what an invoice says. Notifications made from now on have it
// (on PostgreSQL, one that is just being made may not); it is no change of the
// invoice's state and not told by itself.
func (tx *Tx) SaveBill(inv paybell.Invoice) error {
	bill, err := json.Marshal(inv.Bill)
	if err != nil {
		return fmt.Errorf("encode the bill: %w", err)
	}
	_, err = tx.exec("UPDATE invoices SET bill = $2, po_number = $3, integration = $4, searched = $5, number = $6 WHERE id = $1",
		inv.ID, string(bill), poNumber(&inv), inv.Bill.Integration(), inv.Bill.Searched(), number(&inv))
	return err
}

// poNumber is an invoice's purchase order number as a column has it: PostgreSQL
// knows no zero bytes.
func poNumber(inv *paybell.Invoice) string { return strings.ReplaceAll(inv.Bill.PONumber, "\x00", " ") }

// number is the same for the merchant's own number.
func number(inv *paybell.Invoice) string { return strings.ReplaceAll(inv.Bill.Number, "\x00", " ") }

// PONumberTaken reports whether an invoice of the merchant has this purchase
// order number. Of several transactions that ask for one merchant, one waits for
// the other.
func (tx *Tx) PONumberTaken(merchantID, number string) (bool, error) {
	if err := tx.lock("SELECT id FROM merchants WHERE id = $1", merchantID); err != nil {
		return false, err
	}
	_, taken, err := one(tx, scanText, `SELECT id FROM invoices WHERE merchant_id = $1 AND lower(po_number) = lower(CAST($2 AS TEXT)) AND po_number <> ''
		AND po_number = $2 LIMIT 1`, merchantID, number)
	return taken, err
}

const notificationColumns = "id, client_id, invoice_id, version, event, created_at"

// scanNotification reads a notification without its body.
func scanNotification(s scanner) (n paybell.Notification, err error) {
	return n, s.Scan(&n.ID, &n.ClientID, &n.InvoiceID, &n.Version, &n.Event, when{&n.At})
}

// History lists what was told of an invoice, oldest first, after a version.
func (tx *Tx) History(invoiceID string, after, limit int) ([]paybell.Notification, error) {
	return list(tx, scanNotification, "SELECT "+notificationColumns+` FROM notifications
		WHERE invoice_id = $1 AND invoice_id <> '' AND version > $2 ORDER BY version LIMIT $3`, invoiceID, after, limit)
}

// LastTold lists what was told of an invoice, newest first.
func (tx *Tx) LastTold(invoiceID string, limit int) ([]paybell.Notification, error) {
	return list(tx, scanNotification, "SELECT "+notificationColumns+` FROM notifications
		WHERE invoice_id = $1 AND invoice_id <> '' ORDER BY version DESC LIMIT $2`, invoiceID, limit)
}

// HooksOf lists the ids of the webhooks that may have been told of an invoice: its
// client's and its own, those that were deleted last.
func (tx *Tx) HooksOf(clientID, invoiceID string, limit int) ([]string, error) {
	// Each kind by itself, or all that the client ever gave with invoices are looked through.
	return list(tx, scanText, `SELECT id FROM (SELECT id, state, created_at FROM webhooks WHERE client_id = $1 AND invoice_id = ''
		UNION ALL SELECT id, state, created_at FROM webhooks WHERE client_id = $1 AND invoice_id = $2 AND invoice_id <> '') hooks
		ORDER BY CASE WHEN state = 'deleted' THEN 1 ELSE 0 END, created_at, id LIMIT $3`, clientID, invoiceID, limit)
}

var invoiceRow = newRow("invoices ("+invoiceColumns+", due_at, due_network, po_number, integration, searched, number)", "")

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
	return tx.tell(telling{clientID: inv.ClientID, changes: changes})
}

func (tx *Tx) saveInvoice(inv paybell.Invoice, was int) error {
	dueAt, dueNetwork := inv.NextDue(nil)
	if was == 0 {
		bill, err := json.Marshal(inv.Bill)
		if err != nil {
			return fmt.Errorf("encode the bill: %w", err)
		}
		_, err = tx.insert(invoiceRow, inv.ID, inv.MerchantID, inv.ClientID, inv.Version, string(inv.State), int64(inv.Flags), string(bill),
			micros(inv.CreatedAt), micros(inv.ExpiresAt), micros(inv.PaidAt), micros(inv.CompletedAt),
			micros(inv.CancelledAt), micros(inv.TimedOutAt), inv.Window.Microseconds(), inv.Tolerance, flag(inv.AcceptLate), flag(inv.Test),
			micros(dueAt), dueNetwork, poNumber(&inv), inv.Bill.Integration(), inv.Bill.Searched(), number(&inv))
		return err
	}
	n, err := tx.exec(`UPDATE invoices SET version = $3, state = $4, flags = $5, paid_at = $6, completed_at = $7,
		cancelled_at = $8, timed_out_at = $9, due_at = $10, due_network = $11, test = $12 WHERE id = $1 AND version = $2`,
		inv.ID, was, inv.Version, string(inv.State), int64(inv.Flags), micros(inv.PaidAt), micros(inv.CompletedAt),
		micros(inv.CancelledAt), micros(inv.TimedOutAt), micros(dueAt), dueNetwork, flag(inv.Test))
	if err == nil && n == 0 {
		err = errConflict
	}
	return err
}

func (tx *Tx) savePayment(invoiceID string, p paybell.Payment) error {
	_, err := tx.exec(`INSERT INTO payments (`+paymentColumns+`, invoice_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (id) DO UPDATE SET timed_out_at = excluded.timed_out_at, seen = excluded.seen, counted = excluded.counted, accepted = excluded.accepted`,
		p.ID, p.Currency, p.Network, p.Address, p.WalletID, p.Index, flag(p.Test), p.Due, p.Tolerance, p.Rate.String(), p.RefundEmail,
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
