package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// FindUser finds a user of any merchant by the e-mail address. It is for somebody
// at the server's own terminal.
func (d *Desk) FindUser(ctx context.Context, email string) (paybell.User, error) {
	email, err := paybell.ParseEmail("email", email)
	if err != nil {
		return paybell.User{}, err
	}
	address := email
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.User, error) {
		u, found, err := tx.UserByEmail(address)
		if err == nil && !found {
			err = paybell.Errorf(paybell.NotFound, "nobody signs in as %s", address)
		}
		return u, err
	})
}
