package desk

import (
	"cmp"
	"context"
	"net/netip"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewClient is what an integration client is made of.
type NewClient struct {
	Name        string
	Integration string              // what it is for; may be empty
	URL         string              // the shop's address; may be empty
	State       paybell.ClientState // empty: active
	Permissions paybell.Permissions
	AllowedIPs  []netip.Prefix // none: from anywhere
	EventNames  paybell.EventNames
}

// CreateClient makes an integration client of the person's merchant. The secret
// is returned here and never again.
func (d *Desk) CreateClient(ctx context.Context, a Actor, in NewClient) (paybell.Client, string, error) {
	c, err := a.newClient(paybell.NewClientID(), in)
	if err != nil {
		return c, "", err
	}
	secret := paybell.NewClientSecret()
	return c, secret, store.Do(ctx, d.DB, func(tx *store.Tx) error { return a.createClient(tx, c, secret) })
}

// newClient checks what a client is to be.
func (a Actor) newClient(id string, in NewClient) (paybell.Client, error) {
	if err := a.person(); err != nil {
		return paybell.Client{}, err
	}
	c := paybell.Client{
		ID: id, MerchantID: a.MerchantID, Name: in.Name, Integration: in.Integration, URL: in.URL,
		State: cmp.Or(in.State, paybell.ClientActive), Permissions: in.Permissions, AllowedIPs: in.AllowedIPs, EventNames: in.EventNames,
		CreatedAt: now(), Terms: paybell.DefaultTerms,
	}
	return c, checkClient(c)
}

func (a Actor) createClient(tx *store.Tx, c paybell.Client, secret string) error {
	if _, err := tx.MerchantForUpdate(a.MerchantID); err != nil {
		return err
	}
	all, err := tx.Clients(a.MerchantID)
	if err != nil {
		return err
	}
	if len(all) >= paybell.MaxClientsPerMerchant {
		return paybell.Errorf(paybell.Conflict, "this merchant has %d integrations, which is the most; delete one first", len(all))
	}
	if err := tx.CreateClient(c, secret); err != nil {
		return err
	}
	return a.audit(tx, "createClient", c.ID, c.Name)
}

func checkClient(c paybell.Client) error {
	if strings.TrimSpace(c.Name) == "" {
		return paybell.InvalidField("name", "give the client a name")
	}
	if err := text("name", c.Name, 127); err != nil {
		return err
	}
	if err := text("integration", c.Integration, 127); err != nil {
		return err
	}
	return checkLink("storeUrl", c.URL)
}
