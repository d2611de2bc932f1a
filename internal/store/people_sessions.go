package store

import (
	"net/netip"
	"time"

	"github.com/paybell/paybell"
)

const sessionColumns = "id, user_id, created_at, seen_at, address, agent"

func scanSession(s scanner) (v paybell.Session, err error) {
	return v, s.Scan(&v.ID, &v.UserID, when{&v.CreatedAt}, when{&v.SeenAt}, address{&v.From}, &v.Agent)
}

// CreateSession writes a new session by the hash of its token. Of those that its
// user has too many of, the ones that were idle the longest end.
func (tx *Tx) CreateSession(s paybell.Session, hash string) error {
	if _, err := tx.UserForUpdate(s.UserID); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM sessions WHERE user_id = $1 AND id NOT IN
		(SELECT id FROM sessions WHERE user_id = $1 ORDER BY seen_at DESC, id DESC LIMIT $2)`, s.UserID, paybell.MaxSessionsPerUser-1); err != nil {
		return err
	}
	_, err := tx.exec("INSERT INTO sessions (hash, id, user_id, created_at, seen_at, ends_at, address, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		hash, s.ID, s.UserID, micros(s.CreatedAt), micros(s.SeenAt), micros(s.EndsAt()), addressText(s.From), s.Agent)
	return err
}

// Session finds a session that is not over by the hash of its token.
func (tx *Tx) Session(hash string, now time.Time) (s paybell.Session, found bool, err error) {
	return one(tx, scanSession, "SELECT "+sessionColumns+" FROM sessions WHERE hash = $1 AND ends_at > $2", hash, micros(now))
}

// Sessions lists a user's sessions that are not over, the one that was seen last
// first.
func (tx *Tx) Sessions(userID string, now time.Time) ([]paybell.Session, error) {
	return list(tx, scanSession, "SELECT "+sessionColumns+` FROM sessions
		WHERE user_id = $1 AND ends_at > $2 ORDER BY seen_at DESC, id DESC LIMIT $3`, userID, micros(now), paybell.MaxSessionsPerUser)
}

// SeeSession writes that a session was seen, and where. One that ended meanwhile
// stays so, and one that was seen later already does, too.
func (tx *Tx) SeeSession(s paybell.Session, at time.Time, from netip.Addr) error {
	s.SeenAt = at
	_, err := tx.exec("UPDATE sessions SET seen_at = $2, ends_at = $3, address = $4 WHERE id = $1 AND seen_at < $2 AND ends_at > $2",
		s.ID, micros(at), micros(s.EndsAt()), addressText(from))
	return err
}

// EndSession ends one session of a user's, or NotFound.
func (tx *Tx) EndSession(userID, id string) error {
	n, err := tx.exec("DELETE FROM sessions WHERE user_id = $1 AND id = $2", userID, id)
	if err == nil && n == 0 {
		err = paybell.Errorf(paybell.NotFound, "there is no session %.40q", id)
	}
	return err
}

// EndSessions ends all sessions of a user's but one; empty: really all.
func (tx *Tx) EndSessions(userID, but string) error {
	_, err := tx.exec("DELETE FROM sessions WHERE user_id = $1 AND id <> $2", userID, but)
	return err
}

// ForgetSessions deletes sessions that are over, at most limit of them.
func (tx *Tx) ForgetSessions(now time.Time, limit int) (int64, error) {
	return tx.exec("DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)", micros(now), limit)
}
