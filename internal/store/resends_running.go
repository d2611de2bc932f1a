package store

import "github.com/paybell/paybell"

// RunningResendsOf lists the jobs of a merchant's clients that have something to do,
// the newest first.
func (tx *Tx) RunningResendsOf(merchantID string, limit int) ([]paybell.Resend, error) {
	return list(tx, scanResend, "SELECT "+resendColumns+` FROM resends WHERE state = 'running'
		AND EXISTS (SELECT 1 FROM clients c WHERE c.id = resends.client_id AND c.merchant_id = $1) ORDER BY created_at DESC, id DESC LIMIT $2`, merchantID, limit)
}
