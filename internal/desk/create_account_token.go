package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CreateAccountToken makes a token for a person. Its text is returned here and
// never again.
func (d *Desk) CreateAccountToken(ctx context.Context, a Actor, name string) (paybell.AccountToken, string, error) {
	if err := a.person(); err != nil {
		return paybell.AccountToken{}, "", err
	}
	at := now()
	t := paybell.AccountToken{ID: paybell.NewUUID(at), MerchantID: a.MerchantID, Name: name, CreatedAt: at}
	if strings.TrimSpace(name) == "" {
		return t, "", paybell.InvalidField("name", "say who or what the token is for")
	}
	if err := text("name", name, 127); err != nil {
		return t, "", err
	}
	secret := paybell.NewAccountToken()
	hash, _ := paybell.HashAccountToken(secret)
	return t, secret, store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
			return err
		}
		all, err := tx.AccountTokens(a.MerchantID)
		if err != nil {
			return err
		}
		if len(all) >= paybell.MaxTokensPerMerchant {
			return paybell.Errorf(paybell.Conflict, "this merchant has %d account tokens, which is the most; revoke one first", len(all))
		}
		if err := tx.CreateAccountToken(t, hash); err != nil {
			return err
		}
		return a.audit(tx, "createAccountToken", t.ID, t.Name)
	})
}
