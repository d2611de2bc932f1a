package desk

import (
	"context"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// How long the old secret goes on being good after a rotation.
const (
	DefaultOverlap = 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour
)

// RotateSecret gives one of the person's clients a new secret, returned here and
// never again. For the time of the overlap requests may be signed with either,
// and notifications carry what a receiver with either can verify; with none the
// old one is worthless at once, here within a second.
func (d *Desk) RotateSecret(ctx context.Context, a Actor, clientID string, overlap time.Duration) (string, error) {
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
