package store

import (
	"time"

	"github.com/paybell/paybell"
)

// Cursor says how far a network was watched.
type Cursor struct {
	Network   string
	Position  string // opaque, the chain's own
	Height    int64  // of the chain's tip at Position
	Version   int64
	ScannedAt time.Time // the chain was completely looked at at this moment, or later; zero: never yet
	// Trouble is why the chain cannot be looked at since TroubleSince; empty: it can.
	Trouble      string
	TroubleSince time.Time
	Halted       bool // it stays so until somebody decides
}

const cursorColumns = "network, position, height, version, scanned_at, trouble, trouble_since, halted"

func scanCursor(s scanner) (c Cursor, err error) {
	return c, s.Scan(&c.Network, &c.Position, &c.Height, &c.Version, when{&c.ScannedAt}, &c.Trouble, when{&c.TroubleSince}, &c.Halted)
}

// Cursor reads where a network's watcher stands; new ones stand at the beginning.
func (tx *Tx) Cursor(network string) (Cursor, error) {
	c, _, err := one(tx, scanCursor, "SELECT "+cursorColumns+" FROM cursors WHERE network = $1", network)
	c.Network = network
	return c, err
}

// Cursors reads where all watchers stand, by network.
func (tx *Tx) Cursors() ([]Cursor, error) {
	return list(tx, scanCursor, "SELECT "+cursorColumns+" FROM cursors ORDER BY network")
}

// Scanned reads up to when each network was completely looked at.
func (tx *Tx) Scanned() (map[string]time.Time, error) {
	all, err := tx.Cursors()
	scanned := map[string]time.Time{}
	for _, c := range all {
		scanned[c.Network] = c.ScannedAt
	}
	return scanned, err
}

// MoveCursor writes where a network's watcher stands now, if it is still at from:
// moved is false when another process was faster, and then the whole transaction
// must be given up. Trouble ends with the move.
func (tx *Tx) MoveCursor(from, to Cursor) (moved bool, err error) {
	n, err := tx.exec(`INSERT INTO cursors (network, position, height, version, scanned_at) VALUES ($1, $2, $3, 1, $4)
		ON CONFLICT (network) DO UPDATE SET position = excluded.position, height = excluded.height, version = cursors.version + 1,
			scanned_at = excluded.scanned_at, trouble = '', trouble_since = 0, halted = 0
		WHERE cursors.version = $5`, from.Network, to.Position, to.Height, micros(to.ScannedAt), from.Version)
	return n == 1, err
}

// NoteTrouble writes why a network cannot be looked at. Since when stays until it
// can again.
func (tx *Tx) NoteTrouble(network, trouble string, halted bool, at time.Time) error {
	_, err := tx.exec(`INSERT INTO cursors (network, position, version, scanned_at, trouble, trouble_since, halted) VALUES ($1, '', 0, 0, $2, $3, $4)
		ON CONFLICT (network) DO UPDATE SET trouble = excluded.trouble, halted = excluded.halted,
			trouble_since = CASE WHEN cursors.trouble = '' THEN excluded.trouble_since ELSE cursors.trouble_since END`, network, trouble, micros(at), flag(halted))
	return err
}

// Extend gives those who wait for a network the time back for which it was not
// looked at: the windows of their open payments, and their invoices, that were not
// over at from end later by so much, or, when they began since then, by as much less.
// It is told by no notification.
func (tx *Tx) Extend(network string, from time.Time, by time.Duration) error {
	const waiting = "due_network = $1 AND due_at > $2 AND due_at > 0"
	// By invoice: those of the network are all that there ever were on it.
	if _, err := tx.exec(`UPDATE payments SET expires_at = expires_at + $3 - CASE WHEN opened_at > $2 THEN opened_at - $2 ELSE 0 END WHERE network || '' = $1 AND timed_out_at = 0 AND expires_at > $2
		AND invoice_id IN (SELECT id FROM invoices WHERE `+waiting+`)`, network, micros(from), by.Microseconds()); err != nil {
		return err
	}
	// When one is due that has a payment from since then is found out when it was due.
	_, err := tx.exec(`UPDATE invoices SET expires_at = expires_at + $3 - CASE WHEN created_at > $2 THEN created_at - $2 ELSE 0 END,
		due_at = due_at + CASE WHEN EXISTS (SELECT 1 FROM payments p WHERE p.invoice_id = invoices.id AND p.opened_at > $2) THEN 0 ELSE $3 END
		WHERE `+waiting, network, micros(from), by.Microseconds())
	return err
}

// OpenTransfers lists the transfers of a network that are not settled: those
// whose confirmations still matter, or that went away and may come back.
func (tx *Tx) OpenTransfers(network string) ([]paybell.Transfer, error) {
	return list(tx, scanWhole, "SELECT "+transferColumns+", raw FROM transfers WHERE network = $1 AND settled = 0", network)
}

// DecidedAbove lists a network's transfers that were mined, or replaced for good, in
// blocks above a height, settled or not.
func (tx *Tx) DecidedAbove(network string, height int64) ([]paybell.Transfer, error) {
	return list(tx, scanWhole, "SELECT "+transferColumns+", raw FROM transfers WHERE network = $1 AND height > $2 AND height > 0", network, height)
}

// scanWhole reads a transfer with its transaction.
func scanWhole(s scanner) (t paybell.Transfer, err error) {
	err = s.Scan(append(transferFields(&t), &t.Raw)...)
	return t, err
}

// PaidTo finds those of the addresses that payments on a network have.
func (tx *Tx) PaidTo(network string, addresses []string) ([]string, error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	return list(tx, scanText, "SELECT address FROM payments WHERE network = $1 AND address "+tx.db.dialect.among("$2"), network, tx.db.dialect.texts(addresses))
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
// when it was first seen stay as they were first written. The transaction itself is
// kept until ForgetRaw. What is mined goes back only when its block was
// taken back: blocks say more than a mempool.
func (tx *Tx) RecordTransfer(invoiceID string, t paybell.Transfer, settled bool) error {
	_, err := tx.exec(`INSERT INTO transfers (`+transferColumns+`, invoice_id, settled, raw)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (network, txid, position, asset) DO UPDATE SET status = excluded.status, confirmations = excluded.confirmations,
			height = excluded.height, reorged = excluded.reorged, settled = excluded.settled,
			raw = CASE WHEN excluded.raw = '' THEN transfers.raw ELSE excluded.raw END
		WHERE transfers.status <> 'mined' OR excluded.status = 'mined' OR excluded.reorged = 1`,
		t.Network, t.TxID, t.Index, t.Asset, t.PaymentID, t.Address, t.Amount, string(t.Status), t.Confirmations, t.Height,
		flag(t.Reorged), t.Replaces, micros(t.SeenAt), micros(t.AbsentAt), invoiceID, flag(settled), t.Raw)
	return err
}

// ForgetRaw forgets the transactions of transfers that a network's blocks up to a
// height decided: nobody will need them again.
func (tx *Tx) ForgetRaw(network string, height int64) error {
	_, err := tx.exec("UPDATE transfers SET raw = '' WHERE network = $1 AND height > 0 AND height <= $2 AND raw <> ''", network, height)
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
