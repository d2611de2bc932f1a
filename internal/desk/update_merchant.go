package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// UpdateMerchant gives the owner's merchant another name and e-mail address, which
// may be empty.
func (d *Desk) UpdateMerchant(ctx context.Context, a Actor, name, email string) error {
	if err := a.owner(); err != nil {
		return err
	}
	name, email = strings.TrimSpace(name), strings.TrimSpace(email)
	if err := checkMerchant(name, email); err != nil {
		return err
	}
	to := paybell.Merchant{ID: a.MerchantID, Name: name, Email: email}
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		m, err := tx.MerchantForUpdate(a.MerchantID)
		if err != nil || m.Name == to.Name && m.Email == to.Email {
			return err
		}
		if err := tx.UpdateMerchant(to); err != nil {
			return err
		}
		return a.audit(tx, "updateMerchant", m.ID, to.Name+", "+to.Email)
	})
}

func checkMerchant(name, email string) error {
	if name == "" {
		return paybell.InvalidField("name", "give the merchant a name")
	}
	if err := text("name", name, 127); err != nil || email == "" {
		return err
	}
	return checkEmail("email", email)
}
