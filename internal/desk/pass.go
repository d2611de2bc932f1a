package desk

import (
	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// In one text, whether it was used, is too old or never was.
var errPass = paybell.Errorf(paybell.NotFound, "this link was used or is too old; ask for a new one")

// newPass writes a pass and returns its token, which is kept nowhere. It is good
// from now on, for as long as passes of its kind are.
func newPass(tx *store.Tx, p paybell.Pass) (token string, err error) {
	p.CreatedAt = now()
	p.ID, p.ExpiresAt = paybell.NewUUID(p.CreatedAt), p.CreatedAt.Add(p.What.Life())
	token = paybell.NewPassToken()
	hash, _ := paybell.HashPassToken(token)
	return token, tx.CreatePass(p, hash)
}

// takePass uses a pass up in the transaction that does what it is for.
func takePass(tx *store.Tx, token string, what paybell.PassKind) (paybell.Pass, error) {
	hash, ok := paybell.HashPassToken(token)
	if !ok {
		return paybell.Pass{}, errPass
	}
	p, found, err := tx.TakePass(hash, what, now())
	if err == nil && !found {
		err = errPass
	}
	return p, err
}
