package store

import (
	"time"

	"github.com/paybell/paybell"
)

// Asked names a request that may be sent again: by its client, its route and the
// Idempotency-Key that it carried. Digest is of what it asked.
type Asked struct {
	ClientID, Route, Key string
	Digest               string
}

// Answered gives the answer that a request got before. The same key with other
// content is a Conflict: the caller has mixed something up.
func (tx *Tx) Answered(a Asked, since time.Time) (body []byte, found bool, err error) {
	type answer struct{ digest, body string }
	got, found, err := one(tx, func(s scanner) (a answer, err error) {
		return a, s.Scan(&a.digest, &a.body)
	}, "SELECT digest, body FROM answers WHERE client_id = $1 AND route = $2 AND idempotency_key = $3 AND created_at > $4",
		a.ClientID, a.Route, a.Key, micros(since))
	if err == nil && found && got.digest != a.Digest {
		err = paybell.Errorf(paybell.Conflict, "this Idempotency-Key was used for a request with another body; use a new key for a new request")
	}
	return []byte(got.body), found, err
}

// Answer remembers the answer of a request, in the transaction of what it tells.
// When another transaction answers the same request at this moment, one of them
// is run again and finds the answer.
func (tx *Tx) Answer(a Asked, body []byte, now time.Time) error {
	if _, err := tx.exec("DELETE FROM answers WHERE client_id = $1 AND route = $2 AND idempotency_key = $3 AND created_at <= $4",
		a.ClientID, a.Route, a.Key, micros(now.Add(-AnswersKept))); err != nil {
		return err
	}
	_, err := tx.exec("INSERT INTO answers (client_id, route, idempotency_key, digest, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
		a.ClientID, a.Route, a.Key, a.Digest, string(body), micros(now))
	return err
}

// AnswersKept is how long answers are remembered.
const AnswersKept = 24 * time.Hour

// ForgetAnswers deletes answers given before a moment, at most limit of them.
func (tx *Tx) ForgetAnswers(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM answers WHERE (client_id, route, idempotency_key) IN
		(SELECT client_id, route, idempotency_key FROM answers WHERE created_at <= $1 ORDER BY created_at LIMIT $2)`, micros(before), limit)
}
