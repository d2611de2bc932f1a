package main

import (
	"context"
	"fmt"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/desk"
)

// chainFlags say which networks of real coins there are, and where their nodes.
type chainFlags struct {
	BitcoinNetwork  string   `help:"Which Bitcoin network: mainnet, testnet3, testnet4, signet, regtest, simnet." default:"mainnet"`
	BitcoinNode     []string `help:"A Bitcoin node (Bitcoin Core or btcd), like http://user:password@127.0.0.1:8332; repeatable: the next is asked while one does not answer." placeholder:"URL"`
	BitcoinCookie   string   `help:"The node's cookie file, instead of user and password." type:"path" placeholder:"FILE"`
	LitecoinNetwork string   `help:"Which Litecoin network: mainnet, testnet4, regtest." default:"mainnet"`
	LitecoinNode    []string `help:"A Litecoin Core node; repeatable." placeholder:"URL"`
	LitecoinCookie  string   `help:"Its cookie file." type:"path" placeholder:"FILE"`
}

// pollEvery is how often a node is asked what is new.
const pollEvery = 2 * time.Second

// chains are those that nodes were given for.
func (f chainFlags) chains() (chains []*bitcoin.Chain, networks map[string]desk.Network, err error) {
	networks = map[string]desk.Network{}
	for _, n := range f.named() {
		if len(n.nodes) == 0 {
			continue
		}
		params, err := bitcoin.FindParams(n.network, n.name)
		if err != nil {
			return nil, nil, fmt.Errorf("--%s-network: %w", n.network, err)
		}
		var nodes []*bitcoin.Node
		for _, address := range n.nodes {
			node, err := bitcoin.NewNode(address, n.cookie)
			if err != nil {
				return nil, nil, fmt.Errorf("--%s-node: %w", n.network, err)
			}
			nodes = append(nodes, node)
		}
		chain := bitcoin.New(params, nodes...)
		chains = append(chains, chain)
		networks[n.network] = network(params, chain.Used)
	}
	return chains, networks, nil
}

// networks are all that there are, for commands beside the server: it may have been
// given nodes that they know nothing of.
func (f chainFlags) networks() (map[string]desk.Network, error) {
	_, networks, err := f.chains()
	if err != nil {
		return nil, err
	}
	for _, n := range f.named() {
		if _, ok := networks[n.network]; ok {
			continue
		}
		params, err := bitcoin.FindParams(n.network, n.name)
		if err != nil {
			return nil, err
		}
		networks[n.network] = network(params, func(context.Context, []string) ([]bool, error) {
			return nil, paybell.Errorf(paybell.Unavailable, "no node was given to ask which addresses were used before")
		})
	}
	return networks, nil
}

type namedChain struct {
	network, name string
	nodes         []string
	cookie        string
}

func (f chainFlags) named() []namedChain {
	return []namedChain{
		{paybell.BitcoinNetwork, f.BitcoinNetwork, f.BitcoinNode, f.BitcoinCookie},
		{paybell.LitecoinNetwork, f.LitecoinNetwork, f.LitecoinNode, f.LitecoinCookie},
	}
}

// network is a chain as the desk knows it.
func network(p *bitcoin.Params, used func(context.Context, []string) ([]bool, error)) desk.Network {
	return desk.Network{
		Name: p.Network, Chain: p.Name, Test: p.Test, Used: used,
		ParseKey: func(text string) (desk.Key, error) {
			key, err := bitcoin.ParseKey(p, text)
			if err != nil {
				return nil, err // not a nil *Key
			}
			return key, nil
		},
	}
}
