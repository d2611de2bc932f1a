package desk

import (
	"context"
	"net/netip"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// ClientChange is what of a client is to be otherwise; what is nil stays.
type ClientChange struct {
	Name, Integration, URL *string
	State                  *paybell.ClientState
	Permissions            *paybell.Permissions
	AllowedIPs             *[]netip.Prefix
	EventNames             *paybell.EventNames
}

// UpdateClient changes one of the person's clients. Other processes know it
// within a second. Deleting is for ever: nothing rings for its invoices any more.
func (d *Desk) UpdateClient(ctx context.Context, a Actor, id string, change ClientChange) (paybell.Client, error) {
	if err := a.person(); err != nil {
		return paybell.Client{}, err
	}
	c, err := store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Client, error) {
		c, err := a.manages(tx, id)
		if err != nil {
			return c, err
		}
		if c = change.of(c); c.State == paybell.ClientDeleted {
			if err := tx.DeleteClient(c.ID, now()); err != nil {
				return c, err
			}
			return c, a.audit(tx, "deleteClient", c.ID, c.Name)
		}
		if err := checkClient(c); err != nil {
			return c, err
		}
		if err := tx.UpdateClient(c); err != nil {
			return c, err
		}
		return c, a.audit(tx, "updateClient", c.ID, change.fields())
	})
	d.known.Delete(c.ID)
	return c, err
}

// of is c after the change.
func (ch ClientChange) of(c paybell.Client) paybell.Client {
	set(&c.Name, ch.Name)
	set(&c.Integration, ch.Integration)
	set(&c.URL, ch.URL)
	set(&c.State, ch.State)
	set(&c.Permissions, ch.Permissions)
	set(&c.EventNames, ch.EventNames)
	set(&c.AllowedIPs, ch.AllowedIPs)
	return c
}

// fields names what is to be otherwise.
func (ch ClientChange) fields() string {
	var names []string
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"name", ch.Name != nil}, {"integration", ch.Integration != nil}, {"URL", ch.URL != nil}, {"state", ch.State != nil},
		{"permissions", ch.Permissions != nil}, {"allowed IPs", ch.AllowedIPs != nil}, {"event names", ch.EventNames != nil},
	} {
		if f.given {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}
