package main

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

type sandboxCmd struct {
	Pay     sandboxPayCmd     `cmd:"" help:"Pay an invoice with the test coin."`
	Mine    sandboxMineCmd    `cmd:"" help:"Mine blocks on a merchant's test ledger."`
	Replace sandboxReplaceCmd `cmd:"" help:"Double-spend an unconfirmed transaction."`
	Drop    sandboxDropCmd    `cmd:"" help:"Make the nodes forget an unconfirmed transaction."`
	Reorg   sandboxReorgCmd   `cmd:"" help:"Take back the last blocks of a merchant's test ledger."`
	Expire  sandboxExpireCmd  `cmd:"" help:"End an invoice's payment window or lifetime now."`
}

// operator is who acts at the terminal: whoever can read the data may do all.
type operator struct {
	dataFlags
	Merchant string `help:"Id of the merchant; not needed while there is only one."`
	JSON     bool   `name:"json" help:"Print one line of JSON."`
}

// act runs do as the given merchant's client, or the owner of an invoice.
func (o operator) act(ctx context.Context, invoiceID string, do func(*desk.Desk, desk.Actor) error) error {
	return o.withDesk(ctx, func(d *desk.Desk) error {
		a, err := d.Operator(ctx, o.Merchant, invoiceID)
		if err != nil {
			return err
		}
		return do(d, a)
	})
}

// say prints what came out, for people or for scripts.
func (o operator) say(text string, result map[string]any) error {
	if o.JSON {
		return printJSON(result)
	}
	fmt.Println(text)
	return nil
}

type sandboxPayCmd struct {
	operator
	Invoice string `arg:"" help:"Id of the invoice."`
	Amount  string `help:"In coins; what is missing if not given."`
}

// Run pays.
func (c *sandboxPayCmd) Run(ctx context.Context) error {
	var amount *decimal.Decimal
	if c.Amount != "" {
		v, err := paybell.ParseAmount(c.Amount)
		if err != nil {
			return err
		}
		amount = &v
	}
	return c.act(ctx, c.Invoice, func(d *desk.Desk, a desk.Actor) error {
		txID, err := d.PaySandbox(ctx, a, c.Invoice, amount)
		if err != nil {
			return err
		}
		return c.say("Paid with transaction "+txID+". It is unconfirmed: mine a block.", map[string]any{"txId": txID})
	})
}

type sandboxMineCmd struct {
	operator
	Blocks int `arg:"" optional:"" default:"1" help:"How many."`
}

// Run mines.
func (c *sandboxMineCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		height, err := d.MineSandbox(ctx, a, c.Blocks)
		if err != nil {
			return err
		}
		return c.say(fmt.Sprintf("Mined %d; the chain is %d blocks high.", c.Blocks, height), map[string]any{"height": height})
	})
}

type sandboxReplaceCmd struct {
	operator
	Tx        string `arg:"" help:"Id of the transaction."`
	ToInvoice bool   `help:"Pay the same address again instead of elsewhere."`
}

// Run replaces.
func (c *sandboxReplaceCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		txID, err := d.ReplaceSandbox(ctx, a, c.Tx, c.ToInvoice)
		if err != nil {
			return err
		}
		return c.say("Replaced by transaction "+txID+".", map[string]any{"txId": txID})
	})
}

type sandboxDropCmd struct {
	operator
	Tx string `arg:"" help:"Id of the transaction."`
}

// Run drops.
func (c *sandboxDropCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		if err := d.DropSandbox(ctx, a, c.Tx); err != nil {
			return err
		}
		return c.say("Dropped.", map[string]any{"txId": c.Tx})
	})
}

type sandboxReorgCmd struct {
	operator
	Depth int `arg:"" help:"How many blocks to take back."`
}

// Run reorganises.
func (c *sandboxReorgCmd) Run(ctx context.Context) error {
	return c.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		if err := d.ReorgSandbox(ctx, a, c.Depth); err != nil {
			return err
		}
		return c.say(fmt.Sprintf("Took back %d blocks; their transactions are unconfirmed again.", c.Depth), map[string]any{"depth": c.Depth})
	})
}

type sandboxExpireCmd struct {
	operator
	Invoice string `arg:"" help:"Id of the invoice."`
	What    string `help:"window or lifetime." enum:"window,lifetime" default:"window"`
}

// Run expires.
func (c *sandboxExpireCmd) Run(ctx context.Context) error {
	return c.act(ctx, c.Invoice, func(d *desk.Desk, a desk.Actor) error {
		if err := d.ExpireSandbox(ctx, a, c.Invoice, c.What); err != nil {
			return err
		}
		return c.say("Its time is over as soon as the server has looked at the chain.", map[string]any{"invoice": c.Invoice})
	})
}
