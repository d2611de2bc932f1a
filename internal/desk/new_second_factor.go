package desk

import (
	"context"

	"github.com/pquerna/otp/totp"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewSecondFactor makes the secret of a second factor, as text and as the URI that
// authenticators read from a QR code. Nothing changes until a code confirms it.
func (d *Desk) NewSecondFactor(ctx context.Context, p Person) (secret, uri string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Paybell", AccountName: p.User.Email, Period: codeStep, SecretSize: codeBytes})
	if err != nil {
		return "", "", err
	}
	return key.Secret(), key.URL(), store.Do(ctx, d.DB, func(tx *store.Tx) error {
		u, err := tx.UserForUpdate(p.User.ID)
		if err == nil && u.SecondFactor {
			err = paybell.Errorf(paybell.Conflict, "signing in asks you for a code already; remove that first")
		}
		if err != nil {
			return err
		}
		return tx.SetPendingFactor(u.ID, key.Secret())
	})
}
