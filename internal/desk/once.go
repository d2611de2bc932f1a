package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Once is a request that may be sent again, by who does not know whether it
// arrived. Its first answer is kept with what was done, in one transaction, and
// given to all that ask the same. Errors are not kept.
type Once[T any] struct {
	Route string // what was asked for
	Key   string // the Idempotency-Key
	Body  []byte // as it came
	// Answer makes the answer. It is called inside of a transaction, perhaps more
	// than once, and must depend on nothing else.
	Answer func(T) ([]byte, error)
}

// maxKey bounds an Idempotency-Key, in bytes.
const maxKey = 255

func (o Once[T]) asked(a Actor) (store.Asked, error) {
	if err := a.acts(); err != nil { // what is kept is kept by client
		return store.Asked{}, err
	}
	for _, c := range []byte(o.Key) {
		if c < ' ' || c > '~' {
			return store.Asked{}, paybell.InvalidField("Idempotency-Key", "must be printable ASCII")
		}
	}
	if len(o.Key) > maxKey {
		return store.Asked{}, paybell.InvalidField("Idempotency-Key", "has %d characters, at most %d are possible", len(o.Key), maxKey)
	}
	digest := sha256.Sum256(o.Body)
	return store.Asked{ClientID: a.ClientID, Route: o.Route, Key: o.Key, Digest: hex.EncodeToString(digest[:])}, nil
}

// once does what prepare returns, in one transaction with its answer, unless it
// was done before. Then nothing is checked again: what was fine stays answered.
func once[T any](ctx context.Context, d *Desk, a Actor, o Once[T], prepare func() (func(*store.Tx) (T, error), error)) ([]byte, error) {
	asked, err := o.asked(a)
	if err != nil {
		return nil, err
	}
	since := time.Now().Add(-store.AnswersKept)
	before, err := store.View(ctx, d.DB, func(tx *store.Tx) ([]byte, error) {
		body, found, err := tx.Answered(asked, since)
		if !found {
			body = nil
		}
		return body, err
	})
	if before != nil || err != nil {
		return before, err
	}
	do, err := prepare()
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, d.DB, func(tx *store.Tx) ([]byte, error) {
		if body, found, err := tx.Answered(asked, since); found || err != nil {
			return body, err
		}
		v, err := do(tx)
		if err != nil {
			return nil, err
		}
		body, err := o.Answer(v)
		if err != nil {
			return nil, err
		}
		return body, tx.Answer(asked, body, now())
	})
}
