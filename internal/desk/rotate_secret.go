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
	return d.rotate(ctx, a, clientID, overlap, 0)
}

// ReplaceSecret is RotateSecret for a form that may be sent again: it does so only
// while the client's current secret is the one that the form was made for, which
// current names, else it is a Conflict. A second press would end the secret that
// the overlap is there for.
func (d *Desk) ReplaceSecret(ctx context.Context, a Actor, clientID string, current int64, overlap time.Duration) (string, error) {
	if current == 0 {
		return "", errRegenerated
	}
	return d.rotate(ctx, a, clientID, overlap, current)
}

var errRegenerated = paybell.Errorf(paybell.Conflict, "the secret was regenerated meanwhile")

// rotate takes the secret that must be the current one; 0: whatever it is.
func (d *Desk) rotate(ctx context.Context, a Actor, clientID string, overlap time.Duration, current int64) (string, error) {
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
		if current != 0 {
			good, err := tx.Secrets(c.ID, at)
			if err != nil {
				return "", err
			}
			if len(good) == 0 || good[0].ID != current {
				return "", errRegenerated
			}
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
