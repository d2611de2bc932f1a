package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ReplaceSecret is RotateSecret for a form that may be sent again: it does so only
// while the client's current secret is the one that the form was made for, which
// current names, else it is a Conflict. A second press would end the secret that
// the overlap is there for.
func (d *Desk) ReplaceSecret(ctx context.Context, a Actor, clientID string, current int64, overlap time.Duration) (string, error) {
	if err := a.person(); err != nil {
		return "", err
	}
	if overlap < 0 || overlap > maxOverlap {
		return "", paybell.InvalidField("overlapSeconds", "must be 0 to %d", int(maxOverlap.Seconds()))
	}
	secret := paybell.NewClientSecret()
	id, err := store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		c, err := a.manages(tx, clientID)
		if err != nil {
			return "", err
		}
		at := now()
		good, err := tx.Secrets(c.ID, at)
		if err != nil {
			return "", err
		}
		if len(good) == 0 || good[0].ID != current {
			return "", paybell.Errorf(paybell.Conflict, "the secret was regenerated meanwhile")
		}
		if err := tx.RotateSecret(c.ID, secret, at, at.Add(overlap)); err != nil {
			return "", err
		}
		return c.ID, a.audit(tx, "rotateSecret", c.ID, "")
	})
	if err != nil {
		return "", err
	}
	d.known.Delete(id)
	return secret, nil
}
