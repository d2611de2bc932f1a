package btcd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// signalling is the version of our blocks: they vote for CSV, segwit and taproot
// (BIP 9 bits 0, 1 and 2), which simnet must learn by votes.
const signalling = 0x20000007

// Mine adds count blocks to the best chain and returns their hashes. The first holds
// the whole mempool, as far as it is valid; the others nothing.
func (n *Node) Mine(ctx context.Context, count int) ([]chainhash.Hash, error) {
	n.mining.Lock()
	defer n.mining.Unlock()
	txs, err := n.mineable(ctx)
	if err != nil {
		return nil, err
	}
	return n.extendTo(ctx, count, txs, anyone)
}

// mineable is the mempool without what is in the chain already or is contradicted by
// it: btcd keeps such transactions when it catches up with a peer.
func (n *Node) mineable(ctx context.Context) ([]*wire.MsgTx, error) {
	waiting, err := n.Mempool(ctx)
	if err != nil {
		return nil, err
	}
	var params [][]any
	for _, tx := range waiting {
		for _, in := range tx.TxIn {
			params = append(params, []any{in.PreviousOutPoint.Hash.String(), in.PreviousOutPoint.Index, false})
		}
	}
	unspent, err := batch[json.RawMessage](ctx, n, "gettxout", params...)
	if err != nil {
		return nil, err
	}
	var txs []*wire.MsgTx
	chosen := map[chainhash.Hash]bool{}
	for _, tx := range waiting {
		valid := true
		for i, in := range tx.TxIn {
			confirmed := len(unspent[i]) > 0 && string(unspent[i]) != "null"
			valid = valid && (confirmed || chosen[in.PreviousOutPoint.Hash])
		}
		unspent = unspent[len(tx.TxIn):]
		if valid {
			chosen[tx.TxHash()] = true
			txs = append(txs, tx)
		}
	}
	return txs, nil
}

// MineTxs adds one block that holds exactly txs, in this order: parents first. They
// need not be in the mempool and may conflict with what is there, which the node
// then drops.
func (n *Node) MineTxs(ctx context.Context, txs ...*Tx) (chainhash.Hash, error) {
	hashes, err := n.extend(ctx, 1, messages(txs))
	if err != nil {
		return chainhash.Hash{}, err
	}
	return hashes[0], nil
}

// MineEmpty adds count blocks without transactions to the best chain.
func (n *Node) MineEmpty(ctx context.Context, count int) ([]chainhash.Hash, error) {
	return n.extend(ctx, count, nil)
}

// MineOn makes one block with exactly txs on any block that the node knows, so also
// beside the best chain. The node changes over to the branch that has more work,
// which is the longer one; of two equal ones it keeps the one that it had first.
func (n *Node) MineOn(ctx context.Context, parent chainhash.Hash, txs ...*Tx) (chainhash.Hash, error) {
	n.mining.Lock()
	defer n.mining.Unlock()
	hashes, err := n.mine(ctx, parent, 1, messages(txs), anyone)
	if err != nil {
		return chainhash.Hash{}, err
	}
	return hashes[0], nil
}

// Reorg replaces the last depth blocks by depth+1 others, of which the first holds
// exactly txs. What the replaced blocks held besides goes back to the mempool, unless
// txs conflict with it: see the package's words on reorganisations. The hashes of the
// new blocks are returned.
func (n *Node) Reorg(ctx context.Context, depth int, txs ...*Tx) ([]chainhash.Hash, error) {
	n.mining.Lock()
	defer n.mining.Unlock()
	height, _, err := n.Tip(ctx)
	if err != nil {
		return nil, err
	}
	if depth < 1 || int64(depth) > height {
		return nil, fmt.Errorf("btcd: a reorganisation of %d blocks in a chain of %d", depth, height)
	}
	var fork chainhash.Hash
	if err := n.Call(ctx, "getblockhash", &fork, height-int64(depth)); err != nil {
		return nil, err
	}
	hashes, err := n.mine(ctx, fork, depth+1, messages(txs), anyone)
	if err != nil {
		return nil, err
	}
	_, tip, err := n.Tip(ctx)
	if err != nil {
		return nil, err
	}
	if tip != hashes[depth] {
		return nil, errors.New("btcd: the node did not change over to the longer branch")
	}
	return hashes, nil
}

// Shorten takes the last depth blocks from the node's chain with no others in their
// place, as a node does that comes back from a crash with fewer blocks. What they held
// goes back to the mempool. If the node knows a branch that is longer than what is
// left, it changes over to that. The node does not take those blocks again before
// Lengthen.
func (n *Node) Shorten(ctx context.Context, depth int) (first chainhash.Hash, err error) {
	n.mining.Lock()
	defer n.mining.Unlock()
	height, _, err := n.Tip(ctx)
	if err != nil {
		return first, err
	}
	if depth < 1 || int64(depth) > height {
		return first, fmt.Errorf("btcd: a chain of %d blocks cannot be shortened by %d", height, depth)
	}
	if err := n.Call(ctx, "getblockhash", &first, height-int64(depth)+1); err != nil {
		return first, err
	}
	return first, n.Call(ctx, "invalidateblock", nil, first.String())
}

// Lengthen takes back a Shorten, whose result it is given: the node has those blocks
// again, unless it has got a longer branch.
func (n *Node) Lengthen(ctx context.Context, first chainhash.Hash) error {
	n.mining.Lock()
	defer n.mining.Unlock()
	return n.Call(ctx, "reconsiderblock", nil, first.String())
}

// Mempool returns the transactions that wait in the node's mempool, parents first.
func (n *Node) Mempool(ctx context.Context) ([]*wire.MsgTx, error) {
	raws, err := n.rawMempool(ctx)
	for tries := 0; Code(err) == -5 && tries < 10; tries++ { // one was replaced meanwhile
		raws, err = n.rawMempool(ctx)
	}
	if err != nil {
		return nil, err
	}
	waiting := make(map[chainhash.Hash]*wire.MsgTx, len(raws))
	txs := make([]*wire.MsgTx, len(raws))
	for i, raw := range raws {
		txs[i] = new(wire.MsgTx)
		if err := decode(raw, txs[i]); err != nil {
			return nil, err
		}
		waiting[txs[i].TxHash()] = txs[i]
	}
	var ordered []*wire.MsgTx
	var add func(tx *wire.MsgTx)
	add = func(tx *wire.MsgTx) {
		id := tx.TxHash()
		if waiting[id] == nil {
			return
		}
		delete(waiting, id)
		for _, in := range tx.TxIn {
			if parent := waiting[in.PreviousOutPoint.Hash]; parent != nil {
				add(parent)
			}
		}
		ordered = append(ordered, tx)
	}
	for _, tx := range txs {
		add(tx)
	}
	return ordered, nil
}

func (n *Node) rawMempool(ctx context.Context) ([]string, error) {
	var ids []string
	if err := n.Call(ctx, "getrawmempool", &ids); err != nil {
		return nil, err
	}
	slices.Sort(ids) // the node's order is by chance
	params := make([][]any, len(ids))
	for i, id := range ids {
		params[i] = []any{id, 0}
	}
	return batch[string](ctx, n, "getrawtransaction", params...)
}

func (n *Node) extend(ctx context.Context, count int, txs []*wire.MsgTx) ([]chainhash.Hash, error) {
	n.mining.Lock()
	defer n.mining.Unlock()
	return n.extendTo(ctx, count, txs, anyone)
}

// extendTo is extend with the new money going to a script. The caller holds n.mining.
func (n *Node) extendTo(ctx context.Context, count int, txs []*wire.MsgTx, script []byte) ([]chainhash.Hash, error) {
	_, tip, err := n.Tip(ctx)
	if err != nil {
		return nil, err
	}
	return n.mine(ctx, tip, count, txs, script)
}

// anyone is the script that our blocks pay to when the money is of no interest: all
// may spend it, nobody watches it.
var anyone = []byte{txscript.OP_TRUE}

// perBatch is how many blocks go to the node in one request.
const perBatch = 100

// mine makes count blocks upon one another on parent, the first with txs, and gives
// them to the node.
func (n *Node) mine(ctx context.Context, parent chainhash.Hash, count int, txs []*wire.MsgTx, script []byte) ([]chainhash.Hash, error) {
	var hashes []chainhash.Hash
	for len(hashes) < count {
		var raws [][]any
		for len(raws) < perBatch && len(hashes) < count {
			block, err := n.build(ctx, parent, txs, script)
			if err != nil {
				return nil, err
			}
			var raw bytes.Buffer
			if err := block.Serialize(&raw); err != nil {
				return nil, err
			}
			raws = append(raws, []any{hex.EncodeToString(raw.Bytes())})
			parent, txs = block.BlockHash(), nil
			hashes = append(hashes, parent)
		}
		refusals, err := batch[string](ctx, n, "submitblock", raws...) // null is no refusal
		if err != nil {
			return nil, err
		}
		for i, why := range refusals {
			if why != "" {
				return nil, fmt.Errorf("btcd: the node refused block %d of %d: %s", len(hashes)-len(raws)+i+1, count, why)
			}
		}
	}
	return hashes, nil
}

// build makes a block on parent: valid, unless txs are not.
func (n *Node) build(ctx context.Context, parent chainhash.Hash, txs []*wire.MsgTx, script []byte) (*wire.MsgBlock, error) {
	last, err := n.header(ctx, parent)
	if err != nil {
		return nil, err
	}
	at, err := n.blockTime(ctx, last)
	if err != nil {
		return nil, err
	}
	bits, err := n.bits(ctx, last, at)
	if err != nil {
		return nil, err
	}
	coinbase, err := newCoinbase(last.height+1, n.params, script)
	if err != nil {
		return nil, err
	}
	block := wire.NewMsgBlock(&wire.BlockHeader{Version: signalling, PrevBlock: parent, Timestamp: time.Unix(at, 0), Bits: bits})
	block.Transactions = append([]*wire.MsgTx{coinbase}, txs...)
	if slices.ContainsFunc(txs, (*wire.MsgTx).HasWitness) {
		commit(block)
	}
	ids := make([]chainhash.Hash, len(block.Transactions))
	for i, tx := range block.Transactions {
		ids[i] = tx.TxHash()
	}
	block.Header.MerkleRoot = merkleRoot(ids)
	if err := work(ctx, &block.Header); err != nil {
		return nil, err
	}
	n.known.add(block.BlockHash(), header{block.Header, last.height + 1})
	return block, nil
}

// newCoinbase makes the first transaction of a block: the height (BIP 34), something
// that makes two blocks on one parent differ, and the subsidy without any fees.
func newCoinbase(height int64, params *chaincfg.Params, script []byte) (*wire.MsgTx, error) {
	nonce := make([]byte, 8)
	rand.Read(nonce)
	signature, err := txscript.NewScriptBuilder().AddInt64(height).AddData(nonce).Script()
	if err != nil {
		return nil, err
	}
	tx := wire.NewMsgTx(1)
	tx.AddTxIn(&wire.TxIn{
		PreviousOutPoint: wire.OutPoint{Index: wire.MaxPrevOutIndex},
		SignatureScript:  signature,
		Sequence:         wire.MaxTxInSequenceNum,
	})
	tx.AddTxOut(wire.NewTxOut(subsidy(height, params), script))
	return tx, nil
}

const bitcoin = 100_000_000 // satoshis

func subsidy(height int64, params *chaincfg.Params) int64 {
	return 50 * bitcoin >> (height / int64(params.SubsidyReductionInterval))
}

// commit puts the witness commitment into the coinbase (BIP 141).
func commit(block *wire.MsgBlock) {
	reserved := make([]byte, chainhash.HashSize)
	ids := make([]chainhash.Hash, len(block.Transactions)) // the coinbase's is zero
	for i, tx := range block.Transactions[1:] {
		ids[i+1] = tx.WitnessHash()
	}
	root := merkleRoot(ids)
	commitment := chainhash.DoubleHashB(append(root[:], reserved...))
	coinbase := block.Transactions[0]
	coinbase.TxIn[0].Witness = wire.TxWitness{reserved}
	coinbase.AddTxOut(wire.NewTxOut(0, append([]byte{txscript.OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed}, commitment...)))
}

func merkleRoot(level []chainhash.Hash) chainhash.Hash {
	for len(level) > 1 {
		if len(level)%2 == 1 {
			level = append(level, level[len(level)-1])
		}
		next := make([]chainhash.Hash, len(level)/2)
		for i := range next {
			next[i] = chainhash.DoubleHashH(append(level[2*i][:], level[2*i+1][:]...))
		}
		level = next
	}
	return level[0]
}

// work finds the nonce: two tries on average on a fresh network.
func work(ctx context.Context, h *wire.BlockHeader) error {
	target := compactToBig(h.Bits)
	for {
		hash := h.BlockHash()
		slices.Reverse(hash[:])
		if new(big.Int).SetBytes(hash[:]).Cmp(target) <= 0 {
			return nil
		}
		h.Nonce++
		if h.Nonce%(1<<16) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// blockTime is now, or the least time that the rules allow after the parent: one
// second more than the median of eleven blocks. 500 blocks in one second are some 90
// seconds ahead of the clock then; two hours are allowed.
func (n *Node) blockTime(ctx context.Context, last header) (int64, error) {
	var times []int64
	for h := last; ; {
		times = append(times, h.Timestamp.Unix())
		if len(times) == 11 || h.height == 0 {
			break
		}
		var err error
		if h, err = n.header(ctx, h.PrevBlock); err != nil {
			return 0, err
		}
	}
	slices.Sort(times)
	return max(time.Now().Unix(), times[len(times)/2]+1), nil
}

// bits is the difficulty that the rules demand of the block after last: the least on
// regtest always, on simnet after 20 quiet minutes; else, on simnet, it changes every
// 2016 blocks as on the main network.
func (n *Node) bits(ctx context.Context, last header, at int64) (uint32, error) {
	p := n.params
	interval := int64(p.TargetTimespan / p.TargetTimePerBlock)
	if p.PoWNoRetargeting {
		return p.PowLimitBits, nil
	}
	if (last.height+1)%interval != 0 {
		if at > last.Timestamp.Unix()+int64(p.MinDiffReductionTime/time.Second) {
			return p.PowLimitBits, nil
		}
		// The last block that was not an exception for quiet minutes.
		for last.Bits == p.PowLimitBits && last.height%interval != 0 {
			var err error
			if last, err = n.header(ctx, last.PrevBlock); err != nil {
				return 0, err
			}
		}
		return last.Bits, nil
	}
	first := last
	for range interval - 1 {
		var err error
		if first, err = n.header(ctx, first.PrevBlock); err != nil {
			return 0, err
		}
	}
	span := int64(p.TargetTimespan / time.Second)
	took := last.Timestamp.Unix() - first.Timestamp.Unix()
	took = min(max(took, span/p.RetargetAdjustmentFactor), span*p.RetargetAdjustmentFactor)
	target := compactToBig(last.Bits)
	target.Mul(target, big.NewInt(took)).Div(target, big.NewInt(span))
	if target.Cmp(p.PowLimit) > 0 {
		target = p.PowLimit
	}
	return bigToCompact(target), nil
}

// compactToBig and bigToCompact are the form in which a header says its target: a
// byte of length and the three leading bytes. Targets are positive.
func compactToBig(bits uint32) *big.Int {
	mantissa := big.NewInt(int64(bits & 0x007fffff))
	length := uint(bits >> 24)
	if length <= 3 {
		return mantissa.Rsh(mantissa, 8*(3-length))
	}
	return mantissa.Lsh(mantissa, 8*(length-3))
}

func bigToCompact(target *big.Int) uint32 {
	length := uint(len(target.Bytes()))
	var mantissa uint32
	if length <= 3 {
		mantissa = uint32(target.Uint64()) << (8 * (3 - length))
	} else {
		mantissa = uint32(new(big.Int).Rsh(target, 8*(length-3)).Uint64())
	}
	if mantissa&0x00800000 != 0 { // that bit would be a sign
		mantissa >>= 8
		length++
	}
	return uint32(length)<<24 | mantissa
}

// header is a block's header and its height.
type header struct {
	wire.BlockHeader
	height int64
}

// headers remembers those of all blocks that we made or asked for.
type headers struct {
	mu sync.Mutex
	by map[chainhash.Hash]header
}

func (k *headers) add(hash chainhash.Hash, h header) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[chainhash.Hash]header{}
	}
	k.by[hash] = h
}

func (k *headers) find(hash chainhash.Hash) (header, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok := k.by[hash]
	return h, ok
}

// header finds a block of any branch. The height is read from its coinbase, because
// the node says it only for blocks of the best chain.
func (n *Node) header(ctx context.Context, hash chainhash.Hash) (header, error) {
	if h, ok := n.known.find(hash); ok {
		return h, nil
	}
	h := header{}
	if hash == *n.params.GenesisHash {
		h.BlockHeader = n.params.GenesisBlock.Header
	} else {
		block, err := n.Block(ctx, hash)
		if err != nil {
			return header{}, err
		}
		h.BlockHeader = block.Header
		if h.height, err = coinbaseHeight(block); err != nil {
			return header{}, err
		}
	}
	n.known.add(hash, h)
	return h, nil
}

func coinbaseHeight(block *wire.MsgBlock) (int64, error) {
	script := txscript.MakeScriptTokenizer(0, block.Transactions[0].TxIn[0].SignatureScript)
	if !script.Next() {
		return 0, fmt.Errorf("btcd: block %s does not say its height", block.BlockHash())
	}
	if op := script.Opcode(); op >= txscript.OP_1 && op <= txscript.OP_16 {
		return int64(op - txscript.OP_1 + 1), nil
	}
	height, err := txscript.MakeScriptNum(script.Data(), true, 5)
	return int64(height), err
}

// Block returns a block of any branch.
func (n *Node) Block(ctx context.Context, hash chainhash.Hash) (*wire.MsgBlock, error) {
	var raw string
	if err := n.Call(ctx, "getblock", &raw, hash.String(), 0); err != nil {
		return nil, err
	}
	block := new(wire.MsgBlock)
	if err := decode(raw, block); err != nil {
		return nil, err
	}
	return block, nil
}

func decode(raw string, into interface{ Deserialize(io.Reader) error }) error {
	return into.Deserialize(hex.NewDecoder(strings.NewReader(raw)))
}
