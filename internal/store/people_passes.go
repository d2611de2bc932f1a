package store

import (
	"time"

	"github.com/paybell/paybell"
)

const passColumns = "id, what, merchant_id, user_id, email, role, created_at, expires_at"

func scanPass(s scanner) (p paybell.Pass, err error) {
	return p, s.Scan(&p.ID, &p.What, &p.MerchantID, &p.UserID, &p.Email, &p.Role, when{&p.CreatedAt}, when{&p.ExpiresAt})
}

// CreatePass writes a new pass by the hash of its token.
func (tx *Tx) CreatePass(p paybell.Pass, hash string) error {
	_, err := tx.exec("INSERT INTO passes (hash, "+passColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		hash, p.ID, string(p.What), p.MerchantID, p.UserID, p.Email, string(p.Role), micros(p.CreatedAt), micros(p.ExpiresAt))
	return err
}

// Pass finds a pass that is still good by the hash of its token.
func (tx *Tx) Pass(hash string, now time.Time) (p paybell.Pass, found bool, err error) {
	return one(tx, scanPass, "SELECT "+passColumns+" FROM passes WHERE hash = $1 AND expires_at > $2", hash, micros(now))
}

// TakePass uses a pass of a kind up: of those who do so at once one finds it, if
// the transaction commits.
func (tx *Tx) TakePass(hash string, what paybell.PassKind, now time.Time) (p paybell.Pass, found bool, err error) {
	return one(tx, scanPass, "DELETE FROM passes WHERE hash = $1 AND what = $2 AND expires_at > $3 RETURNING "+passColumns,
		hash, string(what), micros(now))
}

// Invites lists a merchant's invitations that are still good, oldest first.
func (tx *Tx) Invites(merchantID string, now time.Time) ([]paybell.Pass, error) {
	return list(tx, scanPass, "SELECT "+passColumns+` FROM passes
		WHERE merchant_id = $1 AND what = 'invite' AND expires_at > $2 ORDER BY created_at, id LIMIT $3`,
		merchantID, micros(now), paybell.MaxUsersPerMerchant)
}

// RevokeInvite makes a merchant's invitation worthless, or NotFound.
func (tx *Tx) RevokeInvite(merchantID, id string) error {
	n, err := tx.exec("DELETE FROM passes WHERE id = $1 AND merchant_id = $2 AND what = 'invite'", id, merchantID)
	if err == nil && n == 0 {
		err = paybell.Errorf(paybell.NotFound, "there is no invitation %.40q", id)
	}
	return err
}

// RevokeSetups makes all passes for a setup worthless.
func (tx *Tx) RevokeSetups() error {
	_, err := tx.exec("DELETE FROM passes WHERE what = 'setup'")
	return err
}

// RevokePasses makes all passes of a user's worthless.
func (tx *Tx) RevokePasses(userID string) error {
	_, err := tx.exec("DELETE FROM passes WHERE user_id = $1 AND user_id <> ''", userID)
	return err
}

// ForgetPasses deletes passes that are too old, at most limit of them.
func (tx *Tx) ForgetPasses(now time.Time, limit int) (int64, error) {
	return tx.exec("DELETE FROM passes WHERE hash IN (SELECT hash FROM passes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)", micros(now), limit)
}
