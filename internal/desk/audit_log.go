package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// AuditLog lists what people did with the person's merchant, newest first: the
// entries before the one with an id, or from the newest on.
func (d *Desk) AuditLog(ctx context.Context, a Actor, before string, limit int) ([]paybell.AuditEntry, error) {
	if err := a.staff(); err != nil {
		return nil, err
	}
	if limit < 1 || limit > store.MaxPage {
		return nil, paybell.InvalidField("limit", "must be 1 to %d", store.MaxPage)
	}
	id, ok := paybell.ParseUUID(before)
	if before != "" && !ok {
		return nil, paybell.InvalidField("before", "is not the id of an entry")
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.AuditEntry, error) { return tx.AuditLog(a.MerchantID, id, limit) })
}
