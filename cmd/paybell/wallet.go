package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

type walletCmd struct {
	Preview walletPreviewCmd `cmd:"" help:"Read a public key and show its first addresses, for comparison with your own wallet program. Changes nothing."`
	Add     walletAddCmd     `cmd:"" help:"Receive a coin with a public key from now on."`
	List    walletListCmd    `cmd:"" help:"List a merchant's wallets."`
	Policy  walletPolicyCmd  `cmd:"" help:"Show or change how many confirmations payments to a wallet need."`
	Remove  walletRemoveCmd  `cmd:"" help:"Stop receiving with a wallet. What was opened with it is watched for ever."`
}

// walletFlags are what all commands about wallets have.
type walletFlags struct {
	operator
	chainFlags
}

// act is operator.act with all networks that there are: the server beside may have
// nodes that this command knows nothing of.
func (f walletFlags) act(ctx context.Context, do func(*desk.Desk, desk.Actor) error) error {
	networks, err := f.networks()
	if err != nil {
		return err
	}
	return f.operator.act(ctx, "", func(d *desk.Desk, a desk.Actor) error {
		d.Networks = networks
		return do(d, a)
	})
}

// keyArgs are a coin and a public key.
type keyArgs struct {
	Currency string   `arg:"" help:"The coin: BTC or LTC."`
	Key      []string `arg:"" help:"Extended public key (xpub, ypub, zpub ...) or output descriptor, in quotes; - reads it from standard input."`
	From     *int64   `help:"Number of the first address to use, if the node cannot tell. Default: behind all that were used before."`
}

// maxKeyInput bounds what is read from standard input, in bytes.
const maxKeyInput = 64 << 10

// wallet reads the key. A list of words without quotes is several arguments, and one
// key: it may be a seed, which must be recognised and not be shown.
func (k keyArgs) wallet() (desk.NewWallet, error) {
	in := desk.NewWallet{Currency: k.Currency, Key: strings.Join(k.Key, " "), From: k.From}
	if in.Key == "-" {
		text, err := io.ReadAll(io.LimitReader(os.Stdin, maxKeyInput))
		if err != nil {
			return in, fmt.Errorf("read the key from standard input: %w", err)
		}
		in.Key = string(text)
	}
	return in, nil
}

type walletPreviewCmd struct {
	walletFlags
	keyArgs
}

// Run shows what a key comes to.
func (c *walletPreviewCmd) Run(ctx context.Context) error {
	in, err := c.wallet()
	if err != nil {
		return err
	}
	return c.act(ctx, func(d *desk.Desk, a desk.Actor) error {
		v, err := d.PreviewWallet(ctx, a, in)
		if err != nil {
			return err
		}
		lines := []string{fmt.Sprintf("%s on %s %s. The key, in its one form:\n\n  %s\n\nIts first addresses:\n", v.Kind, v.Coin.Name, v.Chain, v.Key)}
		for i, address := range v.Addresses {
			lines = append(lines, fmt.Sprintf("  %d  %s", i, address))
		}
		lines = append(lines, "\nYour own wallet program must show the same three as its first receiving addresses. If it does not, do not use this key.",
			fmt.Sprintf("The first payment will get address %d; %s.", v.First, checkedText(v)),
			fmt.Sprintf("\nNext: paybell wallet add %s '%s' --first-address <the first, as your own wallet program shows it>", v.Coin.Symbol, v.Key))
		return c.say(strings.Join(lines, "\n"), map[string]any{
			"currencyId": v.Coin.ID, "chain": v.Chain, "kind": v.Kind, "key": v.Key, "addresses": v.Addresses, "first": v.First, "checked": v.Checked,
		})
	})
}

// checkedText says how sure it is that the addresses from First on were not used.
func checkedText(v desk.WalletPreview) string {
	if v.Checked {
		return "a node says that nothing was ever paid to it and those behind it"
	}
	return fmt.Sprintf("no node could say whether it was used before. If the wallet was in use elsewhere, give --from or a node with --%s-node", v.Coin.Network)
}

// policyFlags are a policy, as far as it is given.
type policyFlags struct {
	PaidAfter      *int     `help:"Confirmations before an invoice is paid; 0: as soon as the payment is seen." placeholder:"N"`
	CompletedAfter []string `help:"Confirmations before it is completed: a number, and for greater amounts in coins more, like 2,0.5=6." placeholder:"N"`
}

// policy is the given one; what is not given is that of p. Nil: nothing was given.
func (f policyFlags) policy(c paybell.Currency, p paybell.Policy) (*paybell.Policy, error) {
	if f.PaidAfter == nil && f.CompletedAfter == nil {
		return nil, nil
	}
	if f.PaidAfter != nil {
		p.Paid = *f.PaidAfter
	}
	if f.CompletedAfter != nil {
		p.Completed = nil
	}
	for _, text := range f.CompletedAfter {
		from, number, tiered := strings.Cut(text, "=")
		if !tiered {
			from, number = "0", text
		}
		var t paybell.Tier
		coins, err := paybell.ParseAmount(from)
		if err == nil {
			t.From, err = paybell.UnitsOf(coins, c.Decimals)
		}
		if err == nil {
			t.Confirmations, err = strconv.Atoi(number)
		}
		if err != nil {
			return nil, fmt.Errorf("--completed-after %.40q: write a number of confirmations, or an amount and a number like 0.5=6", text)
		}
		p.Completed = append(p.Completed, t)
	}
	return &p, nil
}

type walletAddCmd struct {
	walletFlags
	keyArgs
	policyFlags
	FirstAddress string `required:"" help:"The first receiving address that your own wallet program shows, which proves that it was compared."`
}

// Run adds it; a server on the same data offers its coin within a second.
func (c *walletAddCmd) Run(ctx context.Context) error {
	in, err := c.wallet()
	if err != nil {
		return err
	}
	in.FirstAddress = c.FirstAddress
	if coin, ok := paybell.FindCurrency(c.Currency); ok {
		if in.Policy, err = c.policy(coin, paybell.DefaultPolicy(coin)); err != nil {
			return err
		}
	}
	return c.act(ctx, func(d *desk.Desk, a desk.Actor) error {
		v, err := d.AddWallet(ctx, a, in)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s is received with this wallet from now on: %s on %s %s.\n\n  id    %s\n  next  address %d\n\n%s", v.Coin.Name, v.Kind, v.Coin.Name, v.Chain.Chain, v.ID, v.NextIndex,
			strings.Join(desk.PolicyInWords(v.Coin, v.Policy), "\n"))
		if v.Chain.ScannedAt.IsZero() {
			text += fmt.Sprintf("\n\nNo server has looked at the %s network yet, so buyers are not offered the coin: start it with --%s-node.", v.Coin.Name, v.Network)
		}
		return c.say(text, walletResult(v))
	})
}

func walletResult(v desk.WalletView) map[string]any {
	type tier struct {
		From          string `json:"from"`
		Confirmations int    `json:"confirmations"`
	}
	tiers := []tier{}
	for _, t := range v.Policy.Completed {
		tiers = append(tiers, tier{t.From.Coins(v.Coin.Decimals).String(), t.Confirmations})
	}
	return map[string]any{
		"id": v.ID, "currencyId": v.Coin.ID, "kind": v.Kind, "fingerprint": v.Fingerprint, "nextIndex": v.NextIndex, "gap": v.Gap, "gapTooWide": v.GapTooWide,
		"paidAfter": v.Policy.Paid, "completedAfter": tiers, "policyInWords": desk.PolicyInWords(v.Coin, v.Policy),
	}
}

type walletListCmd struct{ walletFlags }

// Run lists the live wallets, one a line.
func (c *walletListCmd) Run(ctx context.Context) error {
	return c.act(ctx, func(d *desk.Desk, a desk.Actor) error {
		all, err := d.ListWallets(ctx, a)
		if err != nil {
			return err
		}
		for _, v := range all {
			text := fmt.Sprintf("%s  %-4s  next address %d  %s", v.ID, v.Coin.Symbol, v.NextIndex, cmp.Or(v.Kind, "of another chain than "+v.Chain.Chain))
			if v.GapTooWide {
				text += fmt.Sprintf("\n  The newest %d addresses got no money. Wallet programs stop looking after %d: set the gap limit of yours to %d or more.",
					v.Gap, paybell.MaxGap, v.Gap+paybell.MaxGap)
			}
			if err := c.say(text, walletResult(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

type walletPolicyCmd struct {
	walletFlags
	policyFlags
	Wallet string `arg:"" help:"Id of the wallet, as the list shows it."`
}

// Run shows the policy, after the change if there is one.
func (c *walletPolicyCmd) Run(ctx context.Context) error {
	return c.act(ctx, func(d *desk.Desk, a desk.Actor) error {
		v, err := d.WalletOf(ctx, a, c.Wallet)
		if err != nil {
			return err
		}
		p, err := c.policy(v.Coin, v.Policy)
		if err != nil {
			return err
		}
		words := "For payments that are opened:"
		if p != nil {
			if v, err = d.SetPolicy(ctx, a, c.Wallet, *p); err != nil {
				return err
			}
			words = "For payments that are opened from now on:"
		}
		lines := slices.Concat([]string{words}, desk.PolicyInWords(v.Coin, v.Policy))
		return c.say(strings.Join(lines, "\n"), walletResult(v))
	})
}

type walletRemoveCmd struct {
	walletFlags
	Wallet string `arg:"" help:"Id of the wallet, as the list shows it."`
}

// Run removes it; a server on the same data knows it within a second.
func (c *walletRemoveCmd) Run(ctx context.Context) error {
	return c.act(ctx, func(d *desk.Desk, a desk.Actor) error {
		if err := d.RemoveWallet(ctx, a, c.Wallet); err != nil {
			return err
		}
		return c.say("No more payments are opened with this wallet. Those that were are watched for ever.", map[string]any{"id": c.Wallet})
	})
}
