package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// withDesk opens the store beside a server that may be running, for one command.
func (f dataFlags) withDesk(ctx context.Context, do func(*desk.Desk) error) error {
	db, err := f.open(ctx, false)
	if err != nil {
		return err
	}
	d, _ := newDesk(db, nil, func() {})
	return errors.Join(do(d), db.Close())
}

type merchantCmd struct {
	Create merchantCreateCmd `cmd:"" help:"Make a merchant."`
}

type merchantCreateCmd struct {
	dataFlags
	Name  string `required:"" help:"The merchant's name, as buyers see it."`
	Email string `help:"Shown to the merchant's own servers in notifications."`
	JSON  bool   `name:"json" help:"Print one line of JSON."`
}

// Run makes a merchant; a server on the same data sees it at once.
func (c *merchantCreateCmd) Run(ctx context.Context) error {
	return c.withDesk(ctx, func(d *desk.Desk) error {
		m, err := d.CreateMerchant(ctx, c.Name, c.Email)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(map[string]string{"id": m.ID})
		}
		fmt.Printf("Merchant %q was made.\n\n  id  %s\n\nNext: paybell client create --merchant %s --name \"My shop\"\n", m.Name, m.ID, m.ID)
		return nil
	})
}

type clientCmd struct {
	Create clientCreateCmd `cmd:"" help:"Make an integration client and show its secret, once."`
}

type clientCreateCmd struct {
	dataFlags
	Merchant    string   `required:"" help:"Id of the merchant."`
	Name        string   `required:"" help:"A name for people, like \"Web shop\"."`
	URL         string   `name:"url" help:"The shop's address."`
	Permissions []string `help:"What it may do: names separated by commas." default:"all"`
	JSON        bool     `name:"json" help:"Print one line of JSON."`
}

// Run makes a client; a server on the same data knows it at once.
func (c *clientCreateCmd) Run(ctx context.Context) error {
	may, err := paybell.ParsePermissions(c.Permissions)
	if err != nil {
		return err
	}
	return c.withDesk(ctx, func(d *desk.Desk) error {
		client, secret, err := d.CreateClient(ctx, desk.NewClient{MerchantID: c.Merchant, Name: c.Name, URL: c.URL, Permissions: may})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(map[string]string{"clientId": client.ID, "clientSecret": secret})
		}
		fmt.Printf("Client %q was made.\n\n  client id      %s\n  client secret  %s\n\nThe secret is shown this once. Keep it where your shop's server can read it, and nobody else.\n",
			client.Name, client.ID, secret)
		return nil
	})
}
