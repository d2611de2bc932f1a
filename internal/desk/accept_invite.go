package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewUser is what a user is made of.
type NewUser struct{ Name, Email, Password string }

// AcceptInvite makes the user that an invitation is for, and signs them in. The
// e-mail address may be left out if the invitation names it.
func (d *Desk) AcceptInvite(ctx context.Context, token string, in NewUser, v Visitor) (session string, err error) {
	pass, err := d.findPass(ctx, token, paybell.PassInvite)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(in.Email) == "" {
		in.Email = pass.Email
	}
	u, hash, err := newUser(ctx, in)
	if err != nil {
		return "", err
	}
	if pass.Email != "" && pass.Email != u.Email {
		return "", paybell.InvalidField("email", "this invitation is for %s", pass.Email)
	}
	guest := u
	guest.MerchantID, guest.Role = pass.MerchantID, pass.Role
	return store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		if _, err := takePass(tx, token, paybell.PassInvite); err != nil {
			return "", err
		}
		if err := userActor(guest, v.address()).roomForUser(tx, guest.Email); err != nil {
			return "", err
		}
		return d.welcome(tx, guest, hash, "acceptInvite", v)
	})
}
