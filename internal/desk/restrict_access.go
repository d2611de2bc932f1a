package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// RestrictAccess lets a client give up permissions that it does not need. It can
// never get more that way: only people grant.
func (d *Desk) RestrictAccess(ctx context.Context, a Actor, to paybell.Permissions) error {
	if err := a.changes(); err != nil {
		return err
	}
	if more := to &^ a.Permissions; more != 0 {
		return paybell.Errorf(paybell.Forbidden, "an integration can give permissions up but not take any; %v would be new. "+
			"Somebody with an account token can grant them", more.Names())
	}
	err := store.Do(ctx, d.DB, func(tx *store.Tx) error {
		c, err := tx.ClientForUpdate(a.ClientID)
		if err != nil {
			return err
		}
		c.Permissions &= to
		if err := tx.UpdateClient(c); err != nil {
			return err
		}
		return a.audit(tx, "restrictAccess", c.ID, "")
	})
	d.known.Delete(a.ClientID)
	return err
}
