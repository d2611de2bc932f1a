package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// FindPass reads a pass by its token, and leaves it good. One that was used, is too
// old or never was is NotFound.
func (d *Desk) FindPass(ctx context.Context, token string) (paybell.Pass, error) {
	hash, ok := paybell.HashPassToken(token)
	if !ok {
		return paybell.Pass{}, errPass
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Pass, error) {
		p, found, err := tx.Pass(hash, now())
		if err == nil && !found {
			err = errPass
		}
		return p, err
	})
}

// findPass is FindPass for one of a kind: what costs time is done for who has one.
func (d *Desk) findPass(ctx context.Context, token string, what paybell.PassKind) (paybell.Pass, error) {
	p, err := d.FindPass(ctx, token)
	if err == nil && p.What != what {
		err = errPass
	}
	return p, err
}
