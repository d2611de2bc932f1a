package store

import (
	"time"

	"github.com/paybell/paybell"
)

const auditColumns = "id, merchant_id, at, who, address, action, subject, detail"

func scanAudit(s scanner) (e paybell.AuditEntry, err error) {
	return e, s.Scan(&e.ID, &e.MerchantID, when{&e.At}, &e.Who, address{&e.From}, &e.Action, &e.Subject, &e.Detail)
}

// Audit writes what a person did, in the transaction that does it.
func (tx *Tx) Audit(e paybell.AuditEntry) error {
	_, err := tx.exec("INSERT INTO audit ("+auditColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		e.ID, e.MerchantID, micros(e.At), e.Who, addressText(e.From), e.Action, e.Subject, e.Detail)
	return err
}

// AuditLog lists what a merchant's people did, newest first: the entries before
// one that is named by its id, or the first. Before one that is not there, or not
// any more, there is nothing.
func (tx *Tx) AuditLog(merchantID, before string, limit int) ([]paybell.AuditEntry, error) {
	const newestFirst = " ORDER BY at DESC, id DESC LIMIT $2"
	if before == "" {
		return list(tx, scanAudit, "SELECT "+auditColumns+" FROM audit WHERE merchant_id = $1"+newestFirst, merchantID, limit)
	}
	return list(tx, scanAudit, "SELECT "+auditColumns+` FROM audit
		WHERE merchant_id = $1 AND (at, id) < (SELECT at, id FROM audit WHERE id = $3 AND merchant_id = $1)`+newestFirst, merchantID, limit, before)
}

// CountStranger counts an attempt to sign in as somebody who does not exist. It
// costs what an entry of the audit log costs: who waits for the answer cannot tell
// whether there was one to write.
func (tx *Tx) CountStranger() error {
	_, err := tx.exec(`INSERT INTO meta (name, value) VALUES ('strangers', '1')
		ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)`)
	return err
}

// ForgetAudit deletes entries from before a moment, at most limit of them.
func (tx *Tx) ForgetAudit(before time.Time, limit int) (int64, error) {
	return tx.exec("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)", micros(before), limit)
}
