package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

type chainCmd struct {
	Status chainStatusCmd `cmd:"" help:"Show how the networks are being watched."`
	Rescan chainRescanCmd `cmd:"" help:"Let the server look at blocks again."`
}

type chainStatusCmd struct {
	dataFlags
	chainFlags
	JSON bool `name:"json" help:"Print a line of JSON for each network."`
}

// Run tells what the server last wrote down, which it does every half a minute.
func (c *chainStatusCmd) Run(ctx context.Context) error {
	networks, err := c.networks() // which of them the server has nodes of is not known here
	if err != nil {
		return err
	}
	return c.withDesk(ctx, func(d *desk.Desk) error {
		d.Networks = networks
		all, err := d.Chains(ctx)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(s desk.ChainStatus) bool { return s.ScannedAt.IsZero() && s.Trouble == "" }) // nobody has watched it
		switch {
		case c.JSON:
		case len(all) == 0:
			fmt.Println("No server has looked at any network yet.")
		default:
			fmt.Printf("%-9s  %9s  %-20s  %s\n", "network", "height", "looked at", "state")
		}
		for _, s := range all {
			if err := c.tell(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *chainStatusCmd) tell(s desk.ChainStatus) error {
	moment := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	if c.JSON {
		return printJSON(map[string]any{
			"network": s.Network, "height": s.Height, "scanned": moment(s.ScannedAt), "delayed": s.Delayed, "trouble": s.Trouble, "troubleSince": moment(s.TroubleSince),
		})
	}
	state := "well"
	switch {
	case s.Trouble != "":
		state = fmt.Sprintf("since %s: %s", moment(s.TroubleSince), s.Trouble)
	case s.Delayed:
		state = fmt.Sprintf("nobody looks at it: is the server running, with --%s-node?", s.Network)
	}
	looked := "never"
	if !s.ScannedAt.IsZero() {
		looked = moment(s.ScannedAt)
	}
	fmt.Printf("%-9s  %9d  %-20s  %s\n", s.Network, s.Height, looked, state)
	return nil
}

type chainRescanCmd struct {
	dataFlags
	Network string `required:"" enum:"bitcoin,litecoin" help:"bitcoin or litecoin."`
	From    int64  `required:"" help:"Height of the first block to look at again."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Run sets the network back. It asks no node: a running server looks within
// seconds, another when it starts.
func (c *chainRescanCmd) Run(ctx context.Context) error {
	if c.From < 0 {
		return fmt.Errorf("--from %d: blocks are counted from 0", c.From)
	}
	return c.withDesk(ctx, func(d *desk.Desk) error {
		at, err := store.View(ctx, d.DB, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor(c.Network) })
		switch {
		case err != nil:
			return err
		case at.ScannedAt.IsZero():
			return paybell.Errorf(paybell.Conflict, "no server has looked at the %s network yet; start one with --%s-node", c.Network, c.Network)
		case c.From > at.Height:
			return paybell.Errorf(paybell.Invalid, "--from %d: the %s network was looked at up to block %d", c.From, c.Network, at.Height)
		}
		above := max(0, c.From-1)
		if err := watch.Rescan(ctx, d.DB, c.Network, bitcoin.From(above), above); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(map[string]any{"network": c.Network, "from": c.From, "height": at.Height})
		}
		fmt.Printf("A running server looks again at the blocks from %d to %d. See paybell chain status.\n", c.From, at.Height)
		return nil
	})
}
