package bitcoin

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"github.com/paybell/paybell"
)

// pool is what is known of the current node's mempool.
type pool struct {
	right bool                           // the node was seen to be on our network
	looks uint32                         // how often it was looked at
	seen  map[chainhash.Hash]uint32      // all that are in it and were read, and in which look they last were there
	ours  map[chainhash.Hash]*wire.MsgTx // those of them that pay us
	stale map[chainhash.Hash]bool        // of those of ours: whether blocks up to tip hold or contradict it
	tip   string
	tried map[string]time.Time // when a transaction that was not in it was last broadcast again
}

func newPool() *pool {
	return &pool{seen: map[chainhash.Hash]uint32{}, ours: map[chainhash.Hash]*wire.MsgTx{}, tried: map[string]time.Time{}}
}

// update takes over which transactions are in the mempool, and returns those that are
// to be read.
func (p *pool) update(ids []chainhash.Hash) (fresh []chainhash.Hash) {
	p.looks++
	for _, id := range ids {
		if _, known := p.seen[id]; known {
			p.seen[id] = p.looks
		} else {
			fresh = append(fresh, id)
		}
	}
	for id, look := range p.seen {
		if look != p.looks {
			delete(p.seen, id)
			delete(p.ours, id)
		}
	}
	return fresh
}

const (
	maxNew     = 5000 // transactions of the mempool that one look reads
	maxTries   = 100  // that one look broadcasts again
	retryAfter = 30 * time.Second
)

// mempool looks at what is in no block: what is new there, and what has become of
// those transfers that were neither found in a block nor are in the mempool. more
// says that there is more to see, of blocks or of the mempool.
func (l *look) mempool(more bool) (bool, error) {
	var ids hashes
	if err := l.node.call(l.ctx, &ids, "getrawmempool", false); err != nil {
		return false, err
	}
	var best string
	if err := l.node.call(l.ctx, &best, "getbestblockhash"); err != nil {
		return false, err
	}
	if last, _ := l.at.at(l.at.height); best != last.hash.String() {
		if !more {
			return false, errMoved // what left the mempool for a block that was not read is not missing
		}
	}
	fresh := l.pool.update(ids)
	var later []chainhash.Hash
	if len(fresh) > maxNew {
		fresh, later, more = fresh[:maxNew], fresh[maxNew:], true
	}
	if err := l.read(fresh); err != nil {
		return false, err
	}
	ours := slices.Collect(maps.Values(l.pool.ours))
	if err := l.judge(ours, best, later); err != nil {
		return false, err
	}
	paid, err := l.paid(ours)
	if err != nil {
		return false, err
	}
	for _, tx := range ours {
		id := tx.TxHash()
		if _, ended := l.closed[id.String()]; ended || l.pool.stale[id] {
			continue // the node will find out, too, or never
		}
		l.transfers(tx, id, paid, func(t paybell.Transfer) {
			t.Status = paybell.Mempool
			if g, ok := l.given[nameOf(t)]; ok {
				if g.Status == paybell.Mined && !l.lost[nameOf(t)] {
					return // nodes forget at times to take out what is in a block
				}
				t.Reorged, t.Replaces = l.reorged(g), g.Replaces
			}
			if _, mined := l.now[nameOf(t)]; !mined {
				l.now[nameOf(t)] = t
			}
		})
	}
	return more, l.missing(more)
}

// read fetches transactions of the mempool. Those that pay nobody of ours are
// remembered as such, and those that cannot be read, which only Litecoin's extension
// block has.
func (l *look) read(fresh []chainhash.Hash) error {
	var txs []*wire.MsgTx
	var there []chainhash.Hash
	params := make([][]any, len(fresh))
	for i, id := range fresh {
		params[i] = []any{id.String(), 0}
	}
	err := each(l.ctx, l.node, "getrawtransaction", params, func(i int, text string, err error) error {
		var refused *rpcError
		if errors.As(err, &refused) {
			return nil // it has left the mempool
		}
		if err != nil {
			return err
		}
		there = append(there, fresh[i])
		if tx, err := decodeTx(text); err == nil && tx.TxHash() == fresh[i] {
			txs = append(txs, tx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	paid, err := l.paid(txs)
	if err != nil {
		return err
	}
	for _, tx := range txs {
		if slices.ContainsFunc(tx.TxOut, func(out *wire.TxOut) bool { return paid[l.params.Address(out.PkScript)] }) {
			l.pool.ours[tx.TxHash()] = tx
		}
	}
	for _, id := range there { // now that nothing can go wrong any more
		l.pool.seen[id] = l.pool.looks
	}
	return nil
}

// judge finds those transactions of the mempool that a block holds or contradicts:
// btcd keeps them there when it catches up with a peer. Only a block makes them so.
// later are those in the mempool that were not read yet.
func (l *look) judge(txs []*wire.MsgTx, tip string, later []chainhash.Hash) error {
	if l.pool.stale == nil || l.pool.tip != tip {
		l.pool.stale, l.pool.tip = map[chainhash.Hash]bool{}, tip
	}
	type coin struct {
		of chainhash.Hash // what spends it
		wire.OutPoint
	}
	var coins []coin
	var params [][]any
	for _, tx := range txs {
		id := tx.TxHash()
		if _, judged := l.pool.stale[id]; judged {
			continue
		}
		l.pool.stale[id] = false
		for _, in := range tx.TxIn {
			coins = append(coins, coin{id, in.PreviousOutPoint})
			params = append(params, []any{in.PreviousOutPoint.Hash.String(), in.PreviousOutPoint.Index, false})
		}
	}
	found := false
	err := each(l.ctx, l.node, "gettxout", params, func(i int, out *struct{}, err error) error {
		c := coins[i]
		if _, unconfirmed := l.pool.seen[c.Hash]; err == nil && out == nil && !unconfirmed && !slices.Contains(later, c.Hash) {
			l.pool.stale[c.of], found = true, true
		}
		return err
	})
	if err == nil && found {
		var now string
		if err = l.node.call(l.ctx, &now, "getbestblockhash"); err == nil && now != tip {
			err = errMoved // by a block that has just come
		}
	}
	if err != nil {
		l.pool.tip = ""
	}
	return err
}

// missing finds out what has become of the given transfers that are neither in a
// block nor in the mempool: double-spent, or forgotten. What was forgotten is
// broadcast again, parents before what was built on them.
func (l *look) missing(more bool) error {
	gone := map[string][]name{} // by transaction
	for n, t := range l.given {
		if _, found := l.now[n]; found || t.Height > 0 && !l.lost[n] { // decided
			continue
		}
		if _, ended := l.closed[t.TxID]; !ended {
			gone[t.TxID] = append(gone[t.TxID], n)
		}
	}
	tried := map[string]bool{}
	var try func(id string) error
	try = func(id string) error {
		if tried[id] || gone[id] == nil {
			return nil
		}
		tried[id] = true
		i := max(0, slices.IndexFunc(gone[id], func(n name) bool { return l.given[n].Raw != "" }))
		t, lost := l.given[gone[id][i]], slices.ContainsFunc(gone[id], func(n name) bool { return l.lost[n] })
		tx, err := decodeTx(t.Raw)
		if err == nil {
			for _, in := range tx.TxIn {
				if err := try(in.PreviousOutPoint.Hash.String()); err != nil {
					return err
				}
			}
		}
		status := paybell.Mempool
		if t.Status == paybell.Replaced {
			status = paybell.Replaced
		}
		if !more || !lost { // else it may be in a block that is not read yet
			if status, err = l.fate(t, tx, lost); err != nil {
				return err
			}
		}
		for _, n := range gone[id] {
			if t := l.given[n]; status != "" {
				t.Status, t.Height, t.Reorged = status, 0, l.reorged(t)
				l.now[n] = t
			}
		}
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		if err := try(id); err != nil {
			return err
		}
	}
	for id, at := range l.pool.tried {
		if time.Since(at) >= retryAfter {
			delete(l.pool.tried, id)
		}
	}
	return nil
}

// reorged reports whether a given transfer lost its block, now or before.
func (l *look) reorged(given paybell.Transfer) bool {
	return given.Reorged || given.Status == paybell.Mined && l.lost[nameOf(given)]
}

// fate is what has become of a transaction that is not there; "": it is to be looked
// at another time. tx is nil if it was not kept.
func (l *look) fate(t paybell.Transfer, tx *wire.MsgTx, lost bool) (paybell.TransferStatus, error) {
	known := t.Status != paybell.Mempool && !lost
	if tried, ok := l.pool.tried[t.TxID]; known && ok && time.Since(tried) < retryAfter || !lost && l.tries >= maxTries {
		return "", nil
	}
	l.pool.tried[t.TxID] = time.Now()
	l.tries++
	if tx == nil {
		return paybell.Dropped, nil // it is not here, and it cannot be brought back
	}
	if l.pool.stale[tx.TxHash()] {
		return paybell.Replaced, nil
	}
	var spent []map[string]any
	for _, in := range tx.TxIn {
		spent = append(spent, map[string]any{"txid": in.PreviousOutPoint.Hash.String(), "vout": in.PreviousOutPoint.Index})
	}
	var by []struct {
		SpendingTxID string `json:"spendingtxid"`
	}
	err := l.node.call(l.ctx, &by, "gettxspendingprevout", spent)
	var refused *rpcError
	if err != nil && !errors.As(err, &refused) {
		return "", err
	}
	for _, b := range by {
		if b.SpendingTxID != "" && b.SpendingTxID != t.TxID {
			return paybell.Replaced, nil
		}
	}
	err = l.node.call(l.ctx, nil, "sendrawtransaction", t.Raw)
	switch {
	case err == nil:
		return paybell.Mempool, nil
	case !errors.As(err, &refused):
		return "", err
	case refused.Code == codeInChain && !lost:
		return "", nil // in a block that comes next
	case refused.Code == codeInChain:
		return paybell.Mempool, nil // the same; what is known of its confirmations is no longer right
	case refused.Code == codeRejected && l.node.call(l.ctx, nil, "getrawtransaction", t.TxID, 0) == nil:
		return paybell.Mempool, nil
	case t.Status == paybell.Replaced && !lost:
		return paybell.Replaced, nil
	}
	return paybell.Dropped, nil
}
