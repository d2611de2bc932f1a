package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CreateUser makes a user of the owner's merchant who has no password yet: the pass
// is to choose one. What in holds of a password is not looked at.
func (d *Desk) CreateUser(ctx context.Context, a Actor, in NewUser, role paybell.Role) (_ paybell.User, token string, err error) {
	if err := a.owner(); err != nil {
		return paybell.User{}, "", err
	}
	at := now()
	u := paybell.User{ID: paybell.NewUUID(at), MerchantID: a.MerchantID, CreatedAt: at}
	if u.Role, err = paybell.ParseRole("role", string(role)); err != nil {
		return u, "", err
	}
	if u.Name, err = userName(in.Name); err != nil {
		return u, "", err
	}
	if u.Email, err = paybell.ParseEmail("email", in.Email); err != nil {
		return u, "", err
	}
	made := u
	token, err = store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) {
		if err := a.roomForUser(tx, made.Email); err != nil {
			return "", err
		}
		if err := tx.CreateUser(made, ""); err != nil {
			return "", err
		}
		token, err := newPass(tx, paybell.Pass{What: paybell.PassReset, MerchantID: made.MerchantID, UserID: made.ID})
		if err != nil {
			return "", err
		}
		return token, a.audit(tx, "createUser", made.ID, made.Email+", "+string(made.Role))
	})
	return u, token, err
}
