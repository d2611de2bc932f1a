package desk

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ChangeRole gives a user of the owner's merchant another role. The last owner
// stays one.
func (d *Desk) ChangeRole(ctx context.Context, a Actor, userID string, role paybell.Role) error {
	if err := a.owner(); err != nil {
		return err
	}
	if _, err := paybell.ParseRole("role", string(role)); err != nil {
		return err
	}
	defer d.people.forget()
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		u, err := a.userToChange(tx, userID)
		if err != nil || u.Role == role {
			return err
		}
		if err := a.notTheLastOwner(tx, u); err != nil {
			return err
		}
		detail := string(u.Role) + " to " + string(role)
		u.Role = role
		if err := tx.UpdateUser(u); err != nil {
			return err
		}
		return a.audit(tx, "changeRole", u.ID, u.Email+", "+detail)
	})
}

// userToChange is user for an owner who is about to change what the user may do:
// others of the merchant who do so wait.
func (a Actor) userToChange(tx *store.Tx, id string) (paybell.User, error) {
	if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
		return paybell.User{}, err
	}
	return a.user(id, tx.UserForUpdate)
}

// notTheLastOwner refuses to take away the one who could manage users.
func (a Actor) notTheLastOwner(tx *store.Tx, u paybell.User) error {
	if u.Role != paybell.RoleOwner {
		return nil
	}
	users, err := tx.Users(a.MerchantID)
	if err != nil {
		return err
	}
	for _, other := range users {
		if other.Role == paybell.RoleOwner && other.ID != u.ID {
			return nil
		}
	}
	return paybell.Errorf(paybell.Conflict, "%s is the last owner; make somebody else an owner first", u.Email)
}
