// Package bitcoin watches chains of bitcoin's kind through full nodes, and knows
// their addresses and keys. It holds no private key and no wallet of a node.
//
// What happened is found by looking (chain.go): blocks by their own chain of headers
// (cursor.go), what is in no block in the mempool (mempool.go). Nodes (node.go) are asked only
// what Bitcoin Core and btcd both know. Receiving keys are output descriptors
// (key.go, descriptor.go), and addresses the scripts that are worth reading
// (address.go).
package bitcoin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"github.com/paybell/paybell"
)

// Chain is one network as its nodes see it.
type Chain struct {
	params *Params
	nodes  []*Node

	mu      sync.Mutex
	current int   // the node that is asked
	pool    *pool // what is known of its mempool; a cache of what it would tell again
}

// New returns the network that the nodes are on. The first is asked as long as it
// answers, then the next.
func New(p *Params, nodes ...*Node) *Chain { return &Chain{params: p, nodes: nodes} }

// Network is its name in payments and transfers.
func (c *Chain) Network() string { return c.params.Network }

// Used asks the nodes which of some addresses were ever paid. Unavailable: none of
// them can tell.
func (c *Chain) Used(ctx context.Context, addresses []string) (found []bool, err error) {
	for _, n := range c.nodes {
		if found, err = n.used(ctx, addresses); err == nil {
			return found, nil
		}
	}
	return nil, paybell.Errorf(paybell.Unavailable, "no node can tell which addresses were used before")
}

// errMoved means that the node's chain changed while it was read.
var errMoved = errors.New("its chain changed while it was read")

// Scan looks at the chain: the next block after the cursor, and at the tip the
// mempool. A reorg is one look, with the blocks that take the place of others and what
// follows, up to 144. The first look of all begins at the tip.
func (c *Chain) Scan(ctx context.Context, cursor string, w paybell.Watch) (paybell.Batch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, err := parseCursor(cursor)
	if err != nil {
		return paybell.Batch{}, err
	}
	var troubles []error
	for range c.nodes {
		n := c.nodes[c.current]
		if c.pool == nil {
			c.pool = newPool()
		}
		var batch paybell.Batch
		for range 3 {
			l := &look{ctx: ctx, node: n, params: c.params, pool: c.pool, watch: w, at: from}
			if batch, err = l.scan(); !errors.Is(err, errMoved) {
				break
			}
		}
		if err == nil || ctx.Err() != nil {
			return batch, err
		}
		troubles = append(troubles, fmt.Errorf("the node at %s: %w", n, err))
		c.current, c.pool = (c.current+1)%len(c.nodes), nil
	}
	return paybell.Batch{}, errors.Join(troubles...)
}

// name is what tells transfers of one network apart.
type name struct {
	txID  string
	index int
}

func nameOf(t paybell.Transfer) name { return name{t.TxID, t.Index} }

// look is one scan of one node.
type look struct {
	ctx    context.Context
	node   *Node
	params *Params
	pool   *pool
	watch  paybell.Watch
	at     cursor // how far the chain was followed
	top    int64  // height of the node's chain

	given  map[name]paybell.Transfer  // those that are open, or were taken back
	spends map[wire.OutPoint][]string // what their transactions spend
	lost   map[name]bool              // of the given ones: whose block was taken back
	now    map[name]paybell.Transfer  // what was found of transfers
	closed map[string]int64           // transactions whose inputs another one spent, in a block of this height
	tries  int                        // how many were broadcast again
}

func (l *look) scan() (paybell.Batch, error) {
	l.given, l.spends, l.lost = map[name]paybell.Transfer{}, map[wire.OutPoint][]string{}, map[name]bool{}
	l.now, l.closed = map[name]paybell.Transfer{}, map[string]int64{}
	var err error
	if l.top, err = l.tip(); err != nil {
		return paybell.Batch{}, err
	}
	l.hold(l.watch.Open)
	until, err := l.rewind(l.top)
	if err != nil {
		return paybell.Batch{}, err
	}
	for l.at.height < until {
		if err := l.block(l.at.height + 1); err != nil {
			return paybell.Batch{}, err
		}
	}
	more := l.at.height < l.top
	if l.at.again && !more {
		if err := l.takeBack(l.at.height); err != nil {
			return paybell.Batch{}, err
		}
		l.at.again = false
	}
	if !more || len(l.lost) > 0 {
		if more, err = l.mempool(more); err != nil {
			return paybell.Batch{}, err
		}
	}
	return paybell.Batch{Cursor: l.at.String(), Height: l.at.height, Transfers: l.news(), More: more}, nil
}

// tip is the height of the node's chain, once it is known to be on our network and
// to have what it knows of.
func (l *look) tip() (height int64, err error) {
	if !l.pool.right {
		genesis, err := l.hash(0)
		if err != nil {
			return 0, err
		}
		if genesis != l.params.GenesisHash {
			return 0, fmt.Errorf("is not on %s %s: its first block is %s; start the server with the address of another node, or the name of its network", l.params.Network, l.params.Name, genesis)
		}
		l.pool.right = true
	}
	var info struct {
		Blocks  int64 `json:"blocks"`
		Headers int64 `json:"headers"`
	}
	if err := l.node.call(l.ctx, &info, "getblockchaininfo"); err != nil {
		return 0, err
	}
	if info.Headers-info.Blocks > kept {
		return 0, fmt.Errorf("is still fetching the chain: it has %d of %d blocks", info.Blocks, info.Headers)
	}
	return info.Blocks, nil
}

func (l *look) hash(height int64) (h chainhash.Hash, err error) {
	var text string
	err = l.node.call(l.ctx, &text, "getblockhash", height)
	if code := codeOf(err); height > 0 && (code == codeUnsupported || code == codeInvalid) {
		return h, errMoved // there was such a block a moment ago
	}
	if err != nil {
		return h, err
	}
	if err := chainhash.Decode(&h, text); err != nil {
		return h, fmt.Errorf("names block %d %.70q", height, text)
	}
	return h, nil
}

// header asks for that of the block at a height of the node's chain.
func (l *look) header(height int64) (hash chainhash.Hash, h wire.BlockHeader, err error) {
	if hash, err = l.hash(height); err != nil {
		return hash, h, err
	}
	var text string
	if err := l.node.call(l.ctx, &text, "getblockheader", hash.String(), false); err != nil {
		return hash, h, err
	}
	return hash, h, decodeHeader(text, &h)
}

// hold takes transfers into the look.
func (l *look) hold(transfers []paybell.Transfer) {
	for _, t := range transfers {
		if _, ok := l.given[nameOf(t)]; ok {
			continue
		}
		l.given[nameOf(t)] = t
		tx, err := decodeTx(t.Raw)
		if err != nil {
			continue // of before it was kept; its own blocks still tell of it
		}
		for _, in := range tx.TxIn {
			if by := l.spends[in.PreviousOutPoint]; !slices.Contains(by, t.TxID) {
				l.spends[in.PreviousOutPoint] = append(by, t.TxID)
			}
		}
	}
}

// takeBack takes those into the look that blocks above a height decided.
func (l *look) takeBack(above int64) error {
	undone, err := l.watch.DecidedAbove(above)
	if err == nil {
		l.lose(undone)
	}
	return err
}

// lose takes those into the look whose blocks are to be found again. What was replaced
// so long ago that its transaction was forgotten stays so.
func (l *look) lose(undone []paybell.Transfer) {
	l.hold(undone)
	raw := map[string]bool{}
	for _, t := range l.given {
		raw[t.TxID] = raw[t.TxID] || t.Raw != ""
	}
	for _, t := range undone {
		if t.Status == paybell.Mined || raw[t.TxID] {
			l.lost[nameOf(t)] = true
		}
	}
}

// rewind goes back to where our chain and the node's part, and says up to which
// height blocks are to be read now.
func (l *look) rewind(tip int64) (until int64, err error) {
	if len(l.at.blocks) == 0 {
		start := tip
		if l.at.again {
			start = l.at.height
		}
		if start > tip {
			return 0, fmt.Errorf("has %d blocks; it cannot be looked at from %d on", tip, start)
		}
		if err := l.begin(start); err != nil {
			return 0, err
		}
		return min(start+1, tip), nil
	}
	fork := min(l.at.height, tip)
	for ; ; fork-- {
		ours, ok := l.at.at(fork)
		if !ok {
			return 0, fmt.Errorf("has another chain than the one that was followed: they part before block %d, which is as far back as is remembered: %w, and nothing is confirmed or expires. "+
				"Find out which chain is right; then `paybell chain rescan --network %s --from HEIGHT`, with a height where they are still the same", l.at.oldest(), paybell.ErrHalted, l.params.Network)
		}
		theirs, err := l.hash(fork)
		if err != nil {
			return 0, err
		}
		if theirs == ours.hash {
			break
		}
	}
	if fork == l.at.height {
		return min(fork+1, tip), nil
	}
	worthy, err := l.worthy(fork, tip)
	if err != nil {
		return 0, err
	}
	if !worthy {
		return 0, fmt.Errorf("is behind: it has %d blocks, and a chain with more work up to block %d was seen before; waiting until it has as much", tip, l.at.height)
	}
	// All that takes the place of what is taken back is read at once: what was moved
	// from one block to another was never gone.
	until = min(l.at.height+kept, tip)
	if err := l.takeBack(fork); err != nil {
		return 0, err
	}
	l.at = l.at.back(fork)
	return until, nil
}

// begin takes over the node's chain up to a height, as far back as is remembered: a
// reorg may go deeper than what was read.
func (l *look) begin(height int64) error {
	at := cursor{height: height, again: l.at.again}
	var heights, hashes [][]any
	for h := max(0, height-kept+1); h <= height; h++ {
		heights = append(heights, []any{h})
	}
	err := each(l.ctx, l.node, "getblockhash", heights, func(_ int, text string, err error) error {
		hashes = append(hashes, []any{text, false})
		return err
	})
	if err != nil {
		return err
	}
	var last wire.BlockHeader
	err = each(l.ctx, l.node, "getblockheader", hashes, func(i int, text string, err error) error {
		if err != nil {
			return err
		}
		var h wire.BlockHeader
		if err := decodeHeader(text, &h); err != nil {
			return fmt.Errorf("gives a header that cannot be read: %w", err)
		}
		if hash := h.BlockHash(); hash.String() != hashes[i][0] || i > 0 && h.PrevBlock != last.BlockHash() {
			return errMoved
		}
		at.blocks, last = append(at.blocks, block{h.BlockHash(), h.Bits}), h
		return nil
	})
	l.at = at
	return err
}

// worthy reports whether the node's chain has no less work behind the fork than ours.
// Of two branches of one length the node's is followed: it knows the mempool that goes
// with it.
func (l *look) worthy(fork, tip int64) (bool, error) {
	ours, theirs := new(big.Int), new(big.Int)
	for h := fork + 1; h <= l.at.height; h++ {
		b, _ := l.at.at(h)
		ours.Add(ours, work(b.bits))
	}
	for h := fork + 1; h <= tip; h++ {
		_, header, err := l.header(h)
		if err != nil {
			return false, err
		}
		if theirs.Add(theirs, work(header.Bits)).Cmp(ours) >= 0 {
			return true, nil
		}
	}
	return false, nil
}

// block reads the next block.
func (l *look) block(height int64) error {
	hash, err := l.hash(height)
	if err != nil {
		return err
	}
	var text string
	if err := l.node.call(l.ctx, &text, "getblock", hash.String(), 0); err != nil {
		return fmt.Errorf("does not give block %d (a pruned node forgets old ones; give it another node beside): %w", height, err)
	}
	b, err := decodeBlock(text)
	if err != nil {
		return fmt.Errorf("block %d: %w", height, err)
	}
	last, _ := l.at.at(l.at.height)
	if b.header.BlockHash() != hash || b.header.PrevBlock != last.hash {
		return errMoved
	}
	if l.at.again {
		if err := l.recheck(height); err != nil {
			return err
		}
	}
	paid, err := l.paid(b.txs)
	if err != nil {
		return err
	}
	for i, tx := range b.txs {
		for _, in := range tx.TxIn {
			for _, victim := range l.spends[in.PreviousOutPoint] {
				if victim != b.ids[i].String() {
					l.closed[victim] = height
				}
			}
		}
		l.transfers(tx, b.ids[i], paid, func(t paybell.Transfer) {
			t.Status, t.Height = paybell.Mined, height
			l.now[nameOf(t)] = t
		})
	}
	l.at = l.at.with(block{hash, b.header.Bits})
	return nil
}

// recheck takes those into the look that are said to be in the block at a height:
// whether they are is found out.
func (l *look) recheck(height int64) error {
	above, err := l.watch.DecidedAbove(height - 1)
	if err != nil {
		return err
	}
	l.lose(slices.DeleteFunc(above, func(t paybell.Transfer) bool { return t.Height != height }))
	return nil
}

// paid finds those addresses that transactions pay and that are ours.
func (l *look) paid(txs []*wire.MsgTx) (map[string]bool, error) {
	all := map[string]bool{}
	var addresses []string
	for _, tx := range txs {
		for _, out := range tx.TxOut {
			if a := l.params.Address(out.PkScript); a != "" && out.Value > 0 && !all[a] {
				all[a] = true
				addresses = append(addresses, a)
			}
		}
	}
	ours, err := l.watch.Ours(addresses)
	if err != nil {
		return nil, err
	}
	paid := make(map[string]bool, len(ours))
	for _, a := range ours {
		paid[a] = true
	}
	return paid, nil
}

// transfers calls found for each output of a transaction that pays an address. One
// that was known before keeps what the chain says of it once.
func (l *look) transfers(tx *wire.MsgTx, id chainhash.Hash, paid map[string]bool, found func(paybell.Transfer)) {
	kept := false
	for i, out := range tx.TxOut {
		if len(paid) == 0 || out.Value <= 0 {
			continue
		}
		address := l.params.Address(out.PkScript)
		if !paid[address] {
			continue
		}
		t := paybell.Transfer{
			Network: l.params.Network, TxID: id.String(), Index: i, Asset: l.params.Asset, Address: address,
			Amount: paybell.NewUnits(uint64(out.Value)), Replaces: l.replaced(tx, id, address),
		}
		if !kept { // once: a thousand outputs of a large transaction would fill the disk
			t.Raw, kept = encodeTx(tx), true
		}
		found(t)
	}
}

// replaced is the transaction to the same address whose inputs tx spends: the last
// that was seen, when several took the place of one another.
func (l *look) replaced(tx *wire.MsgTx, id chainhash.Hash, address string) string {
	var last paybell.Transfer
	for _, in := range tx.TxIn {
		for _, victim := range l.spends[in.PreviousOutPoint] {
			if victim == id.String() {
				continue
			}
			for n, t := range l.given {
				if n.txID == victim && t.Address == address && cmp.Or(t.SeenAt.Compare(last.SeenAt), cmp.Compare(t.TxID, last.TxID)) > 0 {
					last = t
				}
			}
		}
	}
	return last.TxID
}

// news are the transfers that are new or not as they were given, those in blocks
// first, in their order.
func (l *look) news() []paybell.Transfer {
	for n, t := range l.given {
		if _, found := l.now[n]; found {
			continue
		}
		if height, ended := l.closed[t.TxID]; ended {
			t.Status, t.Height, t.Reorged = paybell.Replaced, height, l.reorged(t)
		}
		l.now[n] = t
	}
	var news []paybell.Transfer
	for n, t := range l.now {
		t.Confirmations = 0
		if t.Status == paybell.Mined {
			t.Confirmations = int(max(0, l.top-t.Height+1))
		}
		g, known := l.given[n]
		if !known || t.Status != g.Status || t.Confirmations != g.Confirmations || t.Height != g.Height || t.Reorged != g.Reorged {
			news = append(news, t)
		}
	}
	slices.SortFunc(news, func(a, b paybell.Transfer) int {
		return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.TxID, b.TxID), cmp.Compare(a.Index, b.Index))
	})
	return news
}
