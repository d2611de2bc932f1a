package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewOwner is what the first user is made of.
type NewOwner struct {
	Merchant              string // its name, if there is none yet
	Name, Email, Password string
}

// SetUp makes the first user, an owner, by a setup pass: of the only merchant there
// is, or of a new one. The user is signed in.
func (d *Desk) SetUp(ctx context.Context, token string, in NewOwner, v Visitor) (session string, err error) {
	pass, err := d.findPass(ctx, token, paybell.PassSetup)
	if err != nil {
		return "", err
	}
	u, hash, err := newUser(ctx, NewUser{in.Name, in.Email, in.Password})
	if err != nil {
		return "", err
	}
	shop := strings.TrimSpace(in.Merchant)
	if pass.MerchantID == "" {
		if err := checkMerchant(shop, ""); err != nil {
			return "", err
		}
	}
	session, err = store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		if _, err := takePass(tx, token, paybell.PassSetup); err != nil {
			return "", err
		}
		m, err := setupMerchant(tx)
		if err != nil {
			return "", err
		}
		if m.ID == "" {
			m = paybell.Merchant{ID: paybell.NewUUID(u.CreatedAt), Name: shop, CreatedAt: u.CreatedAt}
			if err := tx.CreateMerchant(m); err != nil {
				return "", err
			}
		}
		if err := tx.RevokeSetups(); err != nil { // of those that were made at once
			return "", err
		}
		owner := u
		owner.MerchantID, owner.Role = m.ID, paybell.RoleOwner
		return d.welcome(tx, owner, hash, "setUp", v)
	})
	return session, err
}

// welcome makes a user and signs them in.
func (d *Desk) welcome(tx *store.Tx, u paybell.User, hash, action string, v Visitor) (session string, err error) {
	if err := tx.CreateUser(u, hash); err != nil {
		return "", err
	}
	if err := userActor(u, v.address()).audit(tx, action, u.ID, string(u.Role)); err != nil {
		return "", err
	}
	return newSession(tx, u, v, u.CreatedAt)
}

// newUser checks what a user says of themselves, and hashes the password.
func newUser(ctx context.Context, in NewUser) (u paybell.User, hash string, err error) {
	at := now()
	u = paybell.User{ID: paybell.NewUUID(at), CreatedAt: at}
	if u.Name, err = userName(in.Name); err != nil {
		return u, "", err
	}
	if u.Email, err = paybell.ParseEmail("email", in.Email); err != nil {
		return u, "", err
	}
	if err := paybell.CheckPassword("password", in.Password, u.Email); err != nil {
		return u, "", err
	}
	hash, err = hashPassword(ctx, in.Password)
	return u, hash, err
}
