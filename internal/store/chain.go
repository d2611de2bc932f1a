package store

import (
	"time"

	"github.com/paybell/paybell"
)

// Cursor says how far a network was watched.
type Cursor struct {
	Network   string
	Position  string // opaque, the chain's own
	Version   int64
	ScannedAt time.Time // the chain was completely looked at at this moment, or later
}

// Cursor reads where a network's watcher stands; new ones stand at the beginning.
func (tx *Tx) Cursor(network string) (Cursor, error) {
	c, _, err := one(tx, scanCursor, "SELECT network, position, version, scanned_at FROM cursors WHERE network = $1", network)
	c.Network = network
	return c, err
}

// Scanned reads up to when each network was completely looked at.
func (tx *Tx) Scanned() (map[string]time.Time, error) {
	all, err := list(tx, scanCursor, "SELECT network, position, version, scanned_at FROM cursors")
	scanned := map[string]time.Time{}
	for _, c := range all {
		scanned[c.Network] = c.ScannedAt
	}
	return scanned, err
}

func scanCursor(s scanner) (c Cursor, err error) {
	return c, s.Scan(&c.Network, &c.Position, &c.Version, when{&c.ScannedAt})
}

// MoveCursor writes where the watcher of c's network stands now, if it is still
// at c: moved is false when another process was faster, and then the whole
// transaction must be given up.
func (tx *Tx) MoveCursor(c Cursor, position string, scannedAt time.Time) (moved bool, err error) {
	if c.Version == 0 {
		n, err := tx.exec("INSERT INTO cursors (network, position, version, scanned_at) VALUES ($1, $2, 1, $3) ON CONFLICT (network) DO NOTHING",
			c.Network, position, micros(scannedAt))
		return n == 1, err
	}
	n, err := tx.exec("UPDATE cursors SET position = $3, version = version + 1, scanned_at = $4 WHERE network = $1 AND version = $2",
		c.Network, c.Version, position, micros(scannedAt))
	return n == 1, err
}

// OpenTransfers lists the transfers of a network that are not settled: those
// whose confirmations still matter, or that went away and may come back.
func (tx *Tx) OpenTransfers(network string) ([]paybell.Transfer, error) {
	return list(tx, scanTransfer, "SELECT "+transferColumns+" FROM transfers WHERE network = $1 AND settled = 0", network)
}

// PaymentAt finds the payment that owns an address; found is false for
// addresses that are not ours.
func (tx *Tx) PaymentAt(network, address string) (invoiceID string, p paybell.Payment, found bool, err error) {
	p, found, err = one(tx, func(s scanner) (p paybell.Payment, err error) {
		err = s.Scan(&invoiceID, &p.ID, &p.Currency, &p.CompletedAfter)
		return p, err
	}, "SELECT invoice_id, id, currency, completed_after FROM payments WHERE network = $1 AND address = $2", network, address)
	return invoiceID, p, found, err
}

// RecordTransfer writes what a chain says of a transfer now. When and since
// when it was first seen stay as they were first written.
func (tx *Tx) RecordTransfer(invoiceID string, t paybell.Transfer, settled bool) error {
	_, err := tx.exec(`INSERT INTO transfers (`+transferColumns+`, invoice_id, settled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (network, txid, position, asset) DO UPDATE SET status = excluded.status,
		confirmations = excluded.confirmations, reorged = excluded.reorged, settled = excluded.settled`,
		t.Network, t.TxID, t.Index, t.Asset, t.PaymentID, t.Address, t.Amount, string(t.Status), t.Confirmations,
		flag(t.Reorged), t.Replaces, micros(t.SeenAt), micros(t.AbsentAt), invoiceID, flag(settled))
	return err
}

// AbsentAt tells since when the money of a transaction to an address may have
// been there; found is false when no such transfer was recorded.
func (tx *Tx) AbsentAt(network, txID, address string) (at time.Time, found bool, err error) {
	us, found, err := one(tx, scanInt, "SELECT absent_at FROM transfers WHERE network = $1 AND txid = $2 AND address = $3 ORDER BY absent_at LIMIT 1",
		network, txID, address)
	return moment(us), found, err
}

// JournalEntry is one operation on the sandbox chain.
type JournalEntry struct {
	N          int64
	MerchantID string
	Op         string
}

// AppendJournal adds an operation and returns its number: 1, 2, 3 ...
func (tx *Tx) AppendJournal(merchantID, op string) (int64, error) {
	// One at a time: MAX does not see what is not committed.
	if err := tx.lock("SELECT name FROM meta WHERE name = 'epoch'"); err != nil {
		return 0, err
	}
	n, _, err := one(tx, scanInt, `INSERT INTO sandbox_journal (n, merchant_id, op)
		VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM sandbox_journal), $1, $2) RETURNING n`, merchantID, op)
	return n, err
}

// Journal reads operations after number n, at most 5,000.
func (tx *Tx) Journal(n int64) ([]JournalEntry, error) {
	return list(tx, func(s scanner) (e JournalEntry, err error) {
		return e, s.Scan(&e.N, &e.MerchantID, &e.Op)
	}, "SELECT n, merchant_id, op FROM sandbox_journal WHERE n > $1 ORDER BY n LIMIT 5000", n)
}
