package store

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Pace counts one more time for a key and returns 0, or how long it takes until one
// more is possible, and then counts nothing: so many times at once, and then once in
// a while. It counts for all processes; their clocks may differ by as long as a
// burst lasts. The key is not kept, only its digest.
func (tx *Tx) Pace(key string, burst int, every time.Duration, now time.Time) (wait time.Duration, err error) {
	digest := sha256.Sum256([]byte(key))
	name, us, step := hex.EncodeToString(digest[:]), micros(now), every.Microseconds()
	full := us + int64(burst-1)*step
	// What is further ahead than any burst reaches was written by a clock that was wrong.
	wrong := us + 2*int64(burst)*step
	n, err := tx.exec(`INSERT INTO paces (key, ready_at) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET ready_at = CASE WHEN paces.ready_at > $3 AND paces.ready_at <= $4 THEN paces.ready_at + $5 ELSE $6 END
		WHERE paces.ready_at <= $7 OR paces.ready_at > $8`, name, us+step, us, wrong, step, us+step, full, wrong)
	if err != nil || n > 0 {
		return 0, err
	}
	ready, _, err := one(tx, scanInt, "SELECT ready_at FROM paces WHERE key = $1", name)
	return max(time.Microsecond, time.Duration(ready-full)*time.Microsecond), err
}

// ForgetPaces deletes what says nothing any more at a moment, at most limit of it.
func (tx *Tx) ForgetPaces(now time.Time, limit int) (int64, error) {
	const old = "SELECT key FROM paces WHERE ready_at <= $1 ORDER BY key LIMIT $2"
	// In one order: else two that forget at once would wait for each other.
	if err := tx.lock(old, micros(now), limit); err != nil {
		return 0, err
	}
	return tx.exec("DELETE FROM paces WHERE ready_at <= $1 AND key IN ("+old+")", micros(now), limit)
}
