package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ConfirmSecondFactor takes the code that shows that the person's authenticator
// has the secret. From now on signing in asks for one.
func (d *Desk) ConfirmSecondFactor(ctx context.Context, p Person, code string) error {
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		u, err := tx.UserForUpdate(p.User.ID)
		if err != nil {
			return err
		}
		known, err := tx.Credentials(u.ID)
		if err != nil {
			return err
		}
		if known.Pending == "" || known.Factor != "" {
			return paybell.Errorf(paybell.Conflict, "there is nothing to confirm; begin anew")
		}
		step, good := codeAt(known.Pending, code, now())
		if !good {
			return paybell.InvalidField("code", "is not the one that the authenticator shows now; check the clock of both devices")
		}
		if err := tx.ConfirmFactor(u.ID, step); err != nil {
			return err
		}
		return p.Actor().audit(tx, "addSecondFactor", u.ID, "")
	})
}
