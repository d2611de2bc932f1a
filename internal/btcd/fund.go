package btcd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/btcsuite/btcd/wire/v2"
)

const (
	coinbases = 20  // blocks that Fund mines for their money
	coins     = 200 // into which it splits the money
	buried    = 12  // blocks that it puts on top, so that no usual reorganisation touches the coins
	simnetAge = 300 // height from which simnet knows segwit and taproot, if all blocks vote for them

	leastCoin = bitcoin / 100 // satoshis; what is less is not used for payments
)

// Fund sees to it that the wallet has at least 200 coins, each for one payment. What
// it owns already, on a chain that lasted, it finds; else it mines for itself: the
// chain grows by 133 blocks, on simnet to 313 at least. The coins are confirmed, no
// coinbases, and 12 blocks are on top of them. On a new chain each is nearly 5
// bitcoins; later it is less, because blocks bring less: on regtest half of it every
// 150 blocks. Fund again when they run out.
func (w *Wallet) Fund(ctx context.Context) error {
	owned, height, err := w.scan(ctx)
	if err != nil {
		return err
	}
	if len(owned) < coins {
		split, err := w.mineMoney(ctx, height)
		if err != nil {
			return err
		}
		owned = append(owned, split...)
	}
	slices.SortFunc(owned, func(a, b Coin) int { return cmp.Compare(b.Sats, a.Sats) })
	w.mu.Lock()
	w.fresh = owned
	w.mu.Unlock()
	return nil
}

// scan reads the whole chain for the wallet's coins that nothing spends, also not in
// the mempool.
func (w *Wallet) scan(ctx context.Context) (owned []Coin, height int64, err error) {
	n := w.node
	height, _, err = n.Tip(ctx)
	if err != nil {
		return nil, 0, err
	}
	unspent := map[wire.OutPoint]Coin{}
	read := func(txs []*wire.MsgTx, collect bool) {
		for _, tx := range txs {
			id := tx.TxHash()
			for i, out := range tx.TxOut {
				if collect && out.Value >= leastCoin && bytes.Equal(out.PkScript, w.script) {
					c := Coin{wire.OutPoint{Hash: id, Index: uint32(i)}, out.Value}
					unspent[c.OutPoint] = c
				}
			}
			for _, in := range tx.TxIn {
				delete(unspent, in.PreviousOutPoint)
			}
		}
	}
	for from := int64(1); from <= height; from += perBatch {
		var heights, blocks [][]any
		for h := from; h <= height && h < from+perBatch; h++ {
			heights = append(heights, []any{h})
		}
		hashes, err := batch[string](ctx, n, "getblockhash", heights...)
		if err != nil {
			return nil, 0, err
		}
		for _, hash := range hashes {
			blocks = append(blocks, []any{hash, 0})
		}
		raws, err := batch[string](ctx, n, "getblock", blocks...)
		if err != nil {
			return nil, 0, err
		}
		for i, raw := range raws {
			block := new(wire.MsgBlock)
			if err := decode(raw, block); err != nil {
				return nil, 0, err
			}
			n.known.add(block.BlockHash(), header{block.Header, from + int64(i)})
			read(block.Transactions[1:], true)
		}
	}
	waiting, err := n.Mempool(ctx)
	if err != nil {
		return nil, 0, err
	}
	read(waiting, false)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range unspent {
		if !w.taken[c.OutPoint] {
			owned = append(owned, c)
		}
	}
	return owned, height, nil
}

// mineMoney mines blocks for the wallet and splits their money into coins.
func (w *Wallet) mineMoney(ctx context.Context, height int64) ([]Coin, error) {
	n := w.node
	n.mining.Lock()
	defer n.mining.Unlock()
	hashes, err := n.extendTo(ctx, coinbases, nil, w.script)
	if err != nil {
		return nil, err
	}
	money := make([]Coin, len(hashes))
	var total int64
	for i, hash := range hashes {
		block, err := n.Block(ctx, hash)
		if err != nil {
			return nil, err
		}
		coinbase := block.Transactions[0]
		money[i] = Coin{wire.OutPoint{Hash: coinbase.TxHash()}, coinbase.TxOut[0].Value}
		total += money[i].Sats
	}
	each := (total - leastCoin) / coins // the rest is the fee
	if each < leastCoin {
		return nil, errors.New("btcd: the chain is so long that blocks bring no money any more; start a new one")
	}
	ripe := n.params.CoinbaseMaturity
	if n.params.Name == "simnet" {
		ripe = max(ripe, uint16(max(0, simnetAge-height-coinbases)))
	}
	if _, err := n.extendTo(ctx, int(ripe), nil, anyone); err != nil {
		return nil, err
	}
	outputs := make([]Output, coins)
	for i := range outputs {
		outputs[i] = Output{Script: w.script, Sats: each}
	}
	tx, err := w.Build(Spend{Coins: money, Outputs: outputs, Fee: total - each*coins})
	if err != nil {
		return nil, err
	}
	if _, err := n.extendTo(ctx, 1+buried, []*wire.MsgTx{tx.MsgTx}, anyone); err != nil {
		return nil, err
	}
	owned := make([]Coin, coins)
	for i := range owned {
		owned[i] = Coin{wire.OutPoint{Hash: tx.ID, Index: uint32(i)}, each}
	}
	return owned, nil
}
