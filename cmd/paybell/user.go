package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

type userCmd struct {
	Create userCreateCmd `cmd:"" help:"Make a user of the dashboard, and a link to choose the password with, once."`
	Reset  userResetCmd  `cmd:"" help:"Make a link with which a user chooses another password, once."`
	List   userListCmd   `cmd:"" help:"List a merchant's users."`
}

// linkFlags say where the dashboard is.
type linkFlags struct {
	PublicURL string `name:"public-url" help:"Base URL under which people reach the server." default:"http://127.0.0.1:8080"`
}

// link is the page where a pass lets somebody in. Of several URLs, as the server
// takes them, the first is meant.
func (f linkFlags) link(pass string) string {
	first, _, _ := strings.Cut(f.PublicURL, ",")
	return passLink(first, pass)
}

func passLink(base, pass string) string { return strings.TrimSuffix(base, "/") + "/dash/pass/" + pass }

type userCreateCmd struct {
	operator
	linkFlags
	Email string `required:"" help:"What the user signs in with."`
	Name  string `required:"" help:"Who it is."`
	Role  string `help:"owner: everything; staff: everything but users; readOnly: look." default:"owner"`
}

// Run makes a user without a password.
func (c *userCreateCmd) Run(ctx context.Context) error {
	role, err := paybell.ParseRole("--role", c.Role)
	if err != nil {
		return err
	}
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		u, pass, err := d.CreateUser(ctx, a, desk.NewUser{Name: c.Name, Email: c.Email}, role)
		if err != nil {
			return err
		}
		return c.say(fmt.Sprintf("User %s was made. Choose the password here, once, within a day:\n\n  %s", u.Email, c.link(pass)),
			map[string]any{"id": u.ID, "email": u.Email, "link": c.link(pass)})
	})
}

type userResetCmd struct {
	dataFlags
	linkFlags
	Email string `arg:"" help:"What the user signs in with."`
	JSON  bool   `name:"json" help:"Print one line of JSON."`
}

// Run makes a link; until it is used nothing changes.
func (c *userResetCmd) Run(ctx context.Context) error {
	return c.withDesk(ctx, func(d *desk.Desk) error {
		u, err := d.FindUser(ctx, c.Email)
		if err != nil {
			return err
		}
		pass, err := d.NewResetPass(ctx, desk.Owner(u.MerchantID), u.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(map[string]string{"id": u.ID, "email": u.Email, "link": c.link(pass)})
		}
		fmt.Printf("Choose another password for %s here, once, within a day. It also takes the second factor away:\n\n  %s\n", u.Email, c.link(pass))
		return nil
	})
}

type userListCmd struct{ operator }

// Run lists the users, one a line.
func (c *userListCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		users, err := d.Users(ctx, a)
		if err != nil {
			return err
		}
		for _, u := range users {
			seen := ""
			if !u.SignedInAt.IsZero() {
				seen = u.SignedInAt.Format(time.DateOnly)
			}
			if err := c.say(fmt.Sprintf("%-8s  %-10s  %s  %s", u.Role, cmp.Or(seen, "never"), u.Email, u.Name), map[string]any{
				"id": u.ID, "role": u.Role, "signedIn": seen, "email": u.Email, "name": u.Name, "secondFactor": u.SecondFactor,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}
