package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// withDesk opens the store beside a server that may be running, for one command.
func (f dataFlags) withDesk(ctx context.Context, do func(*desk.Desk) error) error {
	db, err := f.open(ctx, false)
	if err != nil {
		return err
	}
	d, _ := newDesk(db, nil, nil, func() {})
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
	Create       clientCreateCmd `cmd:"" help:"Make an integration client and show its secret, once."`
	List         clientListCmd   `cmd:"" help:"List a merchant's integration clients."`
	RotateSecret clientRotateCmd `cmd:"" name:"rotate-secret" help:"Give a client a new secret and show it, once."`
}

type clientCreateCmd struct {
	dataFlags
	Merchant    string   `required:"" help:"Id of the merchant."`
	Name        string   `required:"" help:"A name for people, like \"Web shop\"."`
	URL         string   `name:"url" help:"The shop's address."`
	Permissions []string `help:"What it may do: names separated by commas, or all. Default: all but to change wallets."`
	AllowedIP   []string `name:"allowed-ip" help:"Addresses or ranges that its requests may come from; repeatable. Default: from anywhere."`
	EventNames  string   `help:"How notifications write the names of events: PascalCase (InvoicePaid) or camelCase." default:"PascalCase"`
	JSON        bool     `name:"json" help:"Print one line of JSON."`
}

// Run makes a client; a server on the same data knows it at once.
func (c *clientCreateCmd) Run(ctx context.Context) error {
	may, err := paybell.ParsePermissions("--permissions", c.Permissions)
	if len(c.Permissions) == 0 {
		may = paybell.UsualPermissions
	}
	if err != nil {
		return err
	}
	style, err := paybell.ParseEventNames("--event-names", c.EventNames)
	if err != nil {
		return err
	}
	from, err := paybell.ParseAllowedIPs("--allowed-ip", c.AllowedIP)
	if err != nil {
		return err
	}
	return c.withDesk(ctx, func(d *desk.Desk) error {
		client, secret, err := d.CreateClient(ctx, desk.Owner(c.Merchant), desk.NewClient{
			Name: c.Name, URL: c.URL, Permissions: may, AllowedIPs: from, EventNames: style,
		})
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

type clientListCmd struct{ operator }

// Run lists the clients, one a line.
func (c *clientListCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		clients, err := d.Clients(ctx, a)
		if err != nil {
			return err
		}
		for _, cl := range clients {
			if err := c.say(fmt.Sprintf("%s  %-8s  %s", cl.ID, cl.State, cl.Name), map[string]any{"clientId": cl.ID, "state": cl.State, "name": cl.Name}); err != nil {
				return err
			}
		}
		return nil
	})
}

type clientRotateCmd struct {
	operator
	Client  string        `arg:"" help:"Id of the client."`
	Overlap time.Duration `help:"How long the old secret goes on being good; 0 ends it at once." default:"24h"`
}

// Run rotates; a server on the same data knows it within a second.
func (c *clientRotateCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		secret, err := d.RotateSecret(ctx, a, c.Client, c.Overlap)
		if paybell.CodeOf(err) == paybell.Invalid {
			return fmt.Errorf("--overlap %v: at most 30 days are possible", c.Overlap)
		}
		if err != nil {
			return err
		}
		old := "The old one is worthless."
		if c.Overlap > 0 {
			old = fmt.Sprintf("The old one is good for %v more.", c.Overlap)
		}
		return c.say(fmt.Sprintf("The client has a new secret.\n\n  client secret  %s\n\nIt is shown this once. %s", secret, old),
			map[string]any{"clientSecret": secret})
	})
}

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make an account token, with which a person manages clients by API, and show it, once."`
	List   tokenListCmd   `cmd:"" help:"List a merchant's account tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"Make an account token worthless."`
}

type tokenCreateCmd struct {
	operator
	Name string `required:"" help:"Whose it is, or what for."`
}

// Run makes a token.
func (c *tokenCreateCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		t, secret, err := d.CreateAccountToken(ctx, a, c.Name)
		if err != nil {
			return err
		}
		return c.say(fmt.Sprintf("Account token %q was made.\n\n  id     %s\n  token  %s\n\nIt is shown this once. Send it as: Authorization: Bearer <token>", t.Name, t.ID, secret),
			map[string]any{"id": t.ID, "token": secret})
	})
}

type tokenListCmd struct{ operator }

// Run lists the tokens, one a line.
func (c *tokenListCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		tokens, err := d.AccountTokens(ctx, a)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			made := t.CreatedAt.Format(time.DateOnly)
			if err := c.say(fmt.Sprintf("%s  %s  %s", t.ID, made, t.Name), map[string]any{"id": t.ID, "created": made, "name": t.Name}); err != nil {
				return err
			}
		}
		return nil
	})
}

type tokenRevokeCmd struct {
	operator
	Token string `arg:"" help:"Id of the token, as the list shows it."`
}

// Run revokes a token.
func (c *tokenRevokeCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		if err := d.RevokeAccountToken(ctx, a, c.Token); err != nil {
			return err
		}
		return c.say("The token is worthless now.", map[string]any{"id": c.Token})
	})
}
