package bitcoin_test

import (
	"context"
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"github.com/paybell/paybell/internal/btcd"
	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/watch"
	"github.com/paybell/paybell/internal/watch/chaintest"
)

func TestConformance(t *testing.T) {
	chaintest.RunNodes(t, func(t *testing.T, need chaintest.Need) chaintest.Node { return newWorld(t, need) })
}

func TestMain(m *testing.M) {
	code := m.Run()
	shared.close()
	os.Exit(code)
}

// shared is the node of the scenarios that do no harm to others.
var shared sharedNode

type sharedNode struct {
	once   sync.Once
	node   *btcd.Node
	wallet *btcd.Wallet
	err    error
}

func (s *sharedNode) start() (*btcd.Node, *btcd.Wallet, error) {
	s.once.Do(func() {
		if s.node, s.err = btcd.Start(context.Background(), btcd.Config{}); s.err == nil {
			s.wallet = btcd.NewWallet(s.node, "shared")
			s.err = s.wallet.Fund(context.Background())
		}
	})
	return s.node, s.wallet, s.err
}

func (s *sharedNode) close() {
	if s.node != nil {
		s.node.Close()
	}
}

// world is a chain of one or two btcds as scenarios act on it.
type world struct {
	t       *testing.T
	ctx     context.Context
	params  *bitcoin.Params
	nodes   []*btcd.Node
	wallets []*btcd.Wallet // one on each node, with the same money
	node    *btcd.Node     // that is acted upon
	wallet  *btcd.Wallet
	first   int64 // height at which the scenario began
	txs     map[string]*btcd.Tx
	parents map[string]*btcd.Tx     // of those that PayUnsure made
	owners  map[string]*btcd.Wallet // of Own addresses
	cut     chainhash.Hash          // what Shorten took away
	blocks  map[chainhash.Hash]*seenBlock
}

func newWorld(t *testing.T, need chaintest.Need) *world {
	w := &world{t: t, ctx: t.Context(), txs: map[string]*btcd.Tx{}, parents: map[string]*btcd.Tx{}, owners: map[string]*btcd.Wallet{}, blocks: map[chainhash.Hash]*seenBlock{}}
	if !need.Alone && !need.Two && !need.Lasts {
		node, wallet, err := shared.start()
		w.must(err)
		w.nodes, w.wallets = []*btcd.Node{node}, []*btcd.Wallet{wallet}
	} else {
		w.start(need)
	}
	var err error
	w.params, err = bitcoin.FindParams("bitcoin", w.nodes[0].Params().Name)
	w.must(err)
	w.Use(0)
	if w.wallet.Coins() < 20 {
		w.must(w.wallet.Fund(w.ctx))
	}
	w.first = w.Height()
	return w
}

func (w *world) start(need chaintest.Need) {
	config, count := btcd.Config{}, 1
	if need.Lasts {
		config.Network = "simnet"
	}
	if need.Two {
		count = 2
	}
	for range count {
		node, err := btcd.Start(context.Background(), config)
		w.must(err)
		w.t.Cleanup(node.Close)
		w.nodes, w.wallets = append(w.nodes, node), append(w.wallets, btcd.NewWallet(node, w.t.Name()))
	}
	w.must(w.wallets[0].Fund(w.ctx))
	if need.Two {
		w.Together()
		w.must(w.wallets[1].Fund(w.ctx))
	}
	if need.Lasts { // what there is so far lasts
		for _, n := range w.nodes {
			w.must(n.Restart(w.ctx))
		}
	}
	if need.Two {
		w.Together()
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) chain(params *bitcoin.Params, urls ...string) watch.Chain {
	var nodes []*bitcoin.Node
	for _, url := range urls {
		node, err := bitcoin.NewNode(url, "")
		w.must(err)
		nodes = append(nodes, node)
	}
	return bitcoin.New(params, nodes...)
}

func (w *world) Chain() watch.Chain {
	var urls []string
	for _, n := range w.nodes {
		urls = append(urls, n.URL())
	}
	return w.chain(w.params, urls...)
}

func (w *world) Asset() string            { return w.params.Asset }
func (w *world) From(height int64) string { return bitcoin.From(height) }

func (w *world) Height() int64 {
	height, _, err := w.node.Tip(w.ctx)
	w.must(err)
	return height
}

func (w *world) HeightOf(id string) int64 {
	height, hash, err := w.node.Tip(w.ctx)
	w.must(err)
	for ; height > w.first-200 && height > 0; height-- {
		if w.blocks[hash] == nil {
			block, err := w.node.Block(w.ctx, hash)
			w.must(err)
			w.blocks[hash] = &seenBlock{block.Header.PrevBlock, map[string]bool{}}
			for _, tx := range block.Transactions {
				w.blocks[hash].txs[tx.TxHash().String()] = true
			}
		}
		if w.blocks[hash].txs[id] {
			return height
		}
		hash = w.blocks[hash].previous
	}
	return 0
}

// seenBlock is a block that was asked for.
type seenBlock struct {
	previous chainhash.Hash
	txs      map[string]bool
}

func (w *world) Address() string {
	hash := make([]byte, 20)
	rand.Read(hash)
	return w.params.Address(append([]byte{txscript.OP_0, 20}, hash...))
}

func outputs(of []chaintest.Output) []btcd.Output {
	all := make([]btcd.Output, len(of))
	for i, o := range of {
		all[i] = btcd.Output{Address: o.Address, Sats: int64(o.Amount)}
		if o.Address == "" {
			all[i].Script = []byte{txscript.OP_RETURN, 3, 'a', 'b', 'c'}
		}
	}
	return all
}

// made keeps a transaction for what happens to it later.
func (w *world) made(tx *btcd.Tx, err error) string {
	w.t.Helper()
	w.must(err)
	w.txs[tx.ID.String()] = tx
	return tx.ID.String()
}

func (w *world) get(ids []string) (txs []*btcd.Tx) {
	w.t.Helper()
	for _, id := range ids {
		if w.txs[id] == nil {
			w.t.Fatalf("there is no transaction %s", id)
		}
		txs = append(txs, w.txs[id])
	}
	return txs
}

func (w *world) Pay(to ...chaintest.Output) string {
	w.t.Helper()
	return w.made(w.wallet.Pay(w.ctx, outputs(to)...))
}

func (w *world) PayUnsure(to chaintest.Output) string {
	w.t.Helper()
	parent, err := w.wallet.Pay(w.ctx, btcd.Output{Address: w.wallet.NewAddress(), Sats: 50_000})
	w.must(err)
	id := w.made(w.wallet.Child(w.ctx, parent, outputs([]chaintest.Output{to})...))
	w.parents[id] = parent
	return id
}

func (w *world) Replace(id string, to ...chaintest.Output) string {
	w.t.Helper()
	return w.made(w.wallet.Replace(w.ctx, w.get([]string{id})[0], outputs(to)...))
}

func (w *world) Drop(id string) { w.t.Helper(); w.must(w.wallet.Forget(w.ctx, w.parents[id])) }

func (w *world) Return(id string) {
	w.t.Helper()
	w.must(w.node.Rebroadcast(w.ctx, w.parents[id], w.txs[id]))
}

func (w *world) Mine(blocks int) {
	w.t.Helper()
	_, err := w.node.Mine(w.ctx, blocks)
	w.must(err)
}

func (w *world) Reorg(depth int) { w.t.Helper(); w.ReorgTo(depth) }

func (w *world) ReorgTo(depth int, ids ...string) {
	w.t.Helper()
	_, err := w.node.Reorg(w.ctx, depth, w.get(ids)...)
	w.must(err)
}

func (w *world) MineTxs(ids ...string) {
	w.t.Helper()
	_, err := w.node.MineTxs(w.ctx, w.get(ids)...)
	w.must(err)
}

func (w *world) WrongNetwork() watch.Chain {
	params, err := bitcoin.FindParams("bitcoin", "mainnet")
	w.must(err)
	return w.chain(params, w.node.URL())
}

func (w *world) WrongPassword() (watch.Chain, string) {
	return w.chain(w.params, strings.Replace(w.node.URL(), w.node.Password, "hunter2", 1)), "hunter2"
}

func (w *world) Kinds() []string {
	key := make([]byte, 32)
	rand.Read(key)
	var kinds []string
	for _, script := range [][]byte{
		slices.Concat([]byte{txscript.OP_DUP, txscript.OP_HASH160, 20}, key[:20], []byte{txscript.OP_EQUALVERIFY, txscript.OP_CHECKSIG}),
		slices.Concat([]byte{txscript.OP_HASH160, 20}, key[:20], []byte{txscript.OP_EQUAL}),
		slices.Concat([]byte{txscript.OP_0, 20}, key[:20]),
		slices.Concat([]byte{txscript.OP_0, 32}, key),
		slices.Concat([]byte{txscript.OP_1, 32}, key),
	} {
		kinds = append(kinds, w.params.Address(script))
	}
	return kinds
}

func (w *world) Own() string {
	owner := btcd.NewWallet(w.node, rand.Text())
	// Its own address is that which its change goes to.
	tx, err := owner.Build(btcd.Spend{Coins: []btcd.Coin{{Sats: 1_000_000}}, Outputs: []btcd.Output{{Script: []byte{txscript.OP_TRUE}, Sats: 1000}}})
	w.must(err)
	address := w.params.Address(tx.TxOut[1].PkScript)
	w.owners[address] = owner
	return address
}

func (w *world) Spend(id string) string {
	w.t.Helper()
	tx := w.get([]string{id})[0]
	for i, out := range tx.TxOut {
		if owner := w.owners[w.params.Address(out.PkScript)]; owner != nil {
			coin := btcd.Coin{OutPoint: wire.OutPoint{Hash: tx.ID, Index: uint32(i)}, Sats: out.Value}
			spent, err := owner.Build(btcd.Spend{Coins: []btcd.Coin{coin}, Outputs: []btcd.Output{{Address: w.wallet.NewAddress(), Sats: out.Value - 2000}}, Fee: 2000})
			w.must(err)
			return w.made(spent, w.node.Broadcast(w.ctx, spent))
		}
	}
	w.t.Fatalf("%s pays no address of our own", id)
	return ""
}

func (w *world) Other() chaintest.Output {
	return chaintest.Output{Address: w.wallet.NewAddress(), Amount: 40_000}
}

func (w *world) Data() chaintest.Output { return chaintest.Output{} }

func (w *world) Child(id string, to ...chaintest.Output) string {
	w.t.Helper()
	return w.made(w.wallet.Child(w.ctx, w.get([]string{id})[0], outputs(to)...))
}

func (w *world) Conflict(id string, to ...chaintest.Output) string {
	w.t.Helper()
	return w.made(w.wallet.Conflict(w.get([]string{id})[0], outputs(to)...))
}

func (w *world) Forget(ids ...string) { w.t.Helper(); w.must(w.wallet.Forget(w.ctx, w.get(ids)...)) }

func (w *world) Knows(id string) bool {
	w.t.Helper()
	waiting, err := w.node.Mempool(w.ctx)
	w.must(err)
	return slices.ContainsFunc(waiting, func(tx *wire.MsgTx) bool { return tx.TxHash().String() == id })
}

func (w *world) Shorten(depth int) {
	w.t.Helper()
	var err error
	w.cut, err = w.node.Shorten(w.ctx, depth)
	w.must(err)
}

func (w *world) Lengthen() { w.t.Helper(); w.must(w.node.Lengthen(w.ctx, w.cut)) }

func (w *world) Use(i int) { w.node, w.wallet = w.nodes[i], w.wallets[i] }

func (w *world) Together() {
	w.t.Helper()
	w.must(w.nodes[0].Connect(w.ctx, w.nodes[1]))
	w.must(btcd.Sync(w.ctx, w.nodes...))
}

func (w *world) Apart() { w.t.Helper(); w.must(w.nodes[0].Disconnect(w.ctx, w.nodes[1])) }

func (w *world) Kill() { w.node.Kill() }

func (w *world) Restart() { w.t.Helper(); w.must(w.node.Restart(w.ctx)) }
