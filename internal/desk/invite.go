package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Invite makes a pass with which somebody becomes a user of the owner's merchant.
// With an e-mail address it is for that address only, and takes the place of an
// earlier invitation to it; without, for whoever has the link.
func (d *Desk) Invite(ctx context.Context, a Actor, email string, role paybell.Role) (token string, err error) {
	if err := a.owner(); err != nil {
		return "", err
	}
	if _, err := paybell.ParseRole("role", string(role)); err != nil {
		return "", err
	}
	if email = strings.TrimSpace(email); email != "" {
		if email, err = paybell.ParseEmail("email", email); err != nil {
			return "", err
		}
	}
	to := email
	return store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		if err := a.roomForUser(tx, to); err != nil {
			return "", err
		}
		token, err := newPass(tx, paybell.Pass{What: paybell.PassInvite, MerchantID: a.MerchantID, Email: to, Role: role})
		if err != nil {
			return "", err
		}
		return token, a.audit(tx, "invite", to, string(role))
	})
}

// roomForUser checks that the merchant can have one more user, and none has the
// e-mail address. Earlier invitations to it are revoked. Others who do so wait.
func (a Actor) roomForUser(tx *store.Tx, email string) error {
	if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
		return err
	}
	users, err := tx.Users(a.MerchantID)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.Email == email {
			return paybell.Errorf(paybell.Conflict, "%s is a user already", email)
		}
	}
	open, err := tx.Invites(a.MerchantID, now())
	if err != nil {
		return err
	}
	left := paybell.MaxUsersPerMerchant - len(users) - len(open)
	for _, p := range open {
		if p.Email == "" || p.Email != email {
			continue
		}
		if err := tx.RevokeInvite(a.MerchantID, p.ID); err != nil {
			return err
		}
		left++
	}
	if left <= 0 {
		return paybell.Errorf(paybell.Conflict, "this merchant has %d users and open invitations, which is the most; remove one first", paybell.MaxUsersPerMerchant)
	}
	return nil
}
