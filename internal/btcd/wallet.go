package btcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const (
	// FeeRate is what our transactions pay, in satoshis for a virtual byte. A node
	// relays from 1 upward.
	FeeRate = 10

	dust = 546 // satoshis; less change is left to the miner
)

// replaceable is the sequence of an input that signals replacement (BIP 125).
const replaceable = 0xfffffffd

// Coin is an output that the wallet may spend.
type Coin struct {
	wire.OutPoint
	Sats int64
}

// Output is what a transaction pays to whom: to an address, or to a raw script
// instead of one.
type Output struct {
	Address string
	Script  []byte
	Sats    int64
}

// Tx is a signed transaction of the wallet. Its outputs are those that were asked
// for, in that order, and then at most one of change.
type Tx struct {
	*wire.MsgTx
	ID     chainhash.Hash
	Spends []Coin // its inputs, in order
	Fee    int64  // satoshis

	change *Coin // nil if there is none
}

// Raw is the transaction as it goes over the wire.
func (tx *Tx) Raw() []byte {
	var raw bytes.Buffer
	_ = tx.Serialize(&raw) // a bytes.Buffer does not fail
	return raw.Bytes()
}

// Change is the output that goes back to the wallet, and whether there is one. It may
// be spent before the transaction is in a block.
func (tx *Tx) Change() (Coin, bool) {
	if tx.change == nil {
		return Coin{}, false
	}
	return *tx.change, true
}

// VSize is the transaction's virtual size (BIP 141).
func (tx *Tx) VSize() int64 { return vsize(tx.MsgTx) }

func vsize(tx *wire.MsgTx) int64 {
	return (int64(tx.SerializeSizeStripped())*3 + int64(tx.SerializeSize()) + 3) / 4
}

func messages(txs []*Tx) []*wire.MsgTx {
	all := make([]*wire.MsgTx, len(txs))
	for i, tx := range txs {
		all[i] = tx.MsgTx
	}
	return all
}

// Broadcast gives a transaction to the node, whichever wallet made it. A refusal is
// an [*Error].
func (n *Node) Broadcast(ctx context.Context, tx *Tx) error {
	return n.Call(ctx, "sendrawtransaction", nil, hex.EncodeToString(tx.Raw()))
}

// Rebroadcast gives transactions to the node, parents first, that it may have already.
func (n *Node) Rebroadcast(ctx context.Context, txs ...*Tx) error {
	for _, tx := range txs {
		err := n.Broadcast(ctx, tx)
		if err == nil {
			continue
		}
		var ids []chainhash.Hash
		if again := n.Call(ctx, "getrawmempool", &ids); again != nil {
			return again
		}
		if !slices.Contains(ids, tx.ID) {
			return err
		}
	}
	return nil
}

// Wallet holds test money: the keys are ours, the node knows nothing of it. Its coins
// are of the chain, so they may be spent on any node of that chain. All methods may
// be called by several goroutines.
type Wallet struct {
	node   *Node
	seed   string
	key    *btcec.PrivateKey // of all its coins
	script []byte            // P2WPKH

	mu    sync.Mutex // guards what follows
	fresh []Coin     // confirmed and not spent, to be taken from the front
	taken map[wire.OutPoint]bool
	next  uint32 // of NewAddress
}

// NewWallet returns a wallet on a node whose keys follow from seed. It has no money
// before Fund. Two wallets with one seed would spend each other's coins.
func NewWallet(n *Node, seed string) *Wallet {
	w := &Wallet{node: n, seed: seed, taken: map[wire.OutPoint]bool{}}
	w.key = w.derive(0)
	w.script = witnessScript(w.key, n.params)
	return w
}

func (w *Wallet) derive(i uint32) *btcec.PrivateKey {
	sum := sha256.Sum256(fmt.Appendf(nil, "paybell test money %q %d", w.seed, i))
	key, _ := btcec.PrivKeyFromBytes(sum[:])
	return key
}

func witnessAddress(key *btcec.PrivateKey, params *chaincfg.Params) *address.AddressWitnessPubKeyHash {
	addr, err := address.NewAddressWitnessPubKeyHash(address.Hash160(key.PubKey().SerializeCompressed()), params)
	if err != nil {
		panic("btcd: a key hash of the wrong length: " + err.Error())
	}
	return addr
}

func witnessScript(key *btcec.PrivateKey, params *chaincfg.Params) []byte {
	script, err := txscript.PayToAddrScript(witnessAddress(key, params))
	if err != nil {
		panic("btcd: an address without a script: " + err.Error())
	}
	return script
}

// NewAddress returns an address (P2WPKH) that was not returned before: some other
// person's, for payments that go elsewhere. The wallet does not spend from it.
func (w *Wallet) NewAddress() string {
	w.mu.Lock()
	w.next++
	key := w.derive(w.next)
	w.mu.Unlock()
	return witnessAddress(key, w.node.params).EncodeAddress()
}

// Coins is how many coins are left for payments.
func (w *Wallet) Coins() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.fresh)
}

// Spend says what transaction to make.
type Spend struct {
	Coins   []Coin // to be its inputs; fresh ones are added while these are not enough
	Outputs []Output
	Fee     int64 // satoshis; 0 is FeeRate for each virtual byte
	Final   bool  // not to signal replacement; it does so else (BIP 125)

	more int64 // satoshis on top of FeeRate
}

// Build makes and signs a transaction without giving it to any node.
func (w *Wallet) Build(s Spend) (*Tx, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	msg := wire.NewMsgTx(2)
	var paid int64
	for _, o := range s.Outputs {
		script, err := w.scriptOf(o)
		if err != nil {
			return nil, err
		}
		msg.AddTxOut(wire.NewTxOut(o.Sats, script))
		paid += o.Sats
	}
	tx := &Tx{MsgTx: msg}
	var owned int64
	spend := func(c Coin) {
		sequence := uint32(replaceable)
		if s.Final {
			sequence = wire.MaxTxInSequenceNum
		}
		msg.AddTxIn(&wire.TxIn{PreviousOutPoint: c.OutPoint, Sequence: sequence})
		tx.Spends = append(tx.Spends, c)
		owned += c.Sats
	}
	for _, c := range s.Coins {
		spend(c)
	}
	added := 0
	fee := func() int64 {
		if s.Fee > 0 {
			return s.Fee
		}
		return FeeRate*w.expectedSize(msg) + s.more
	}
	for owned < paid+fee() || len(tx.Spends) == 0 {
		if added == len(w.fresh) {
			return nil, errors.New("btcd: the wallet has not enough coins left; call Fund")
		}
		spend(w.fresh[added])
		added++
	}
	if rest := owned - paid - fee(); rest >= dust {
		msg.AddTxOut(wire.NewTxOut(rest, w.script))
	}
	if err := w.sign(tx); err != nil {
		return nil, err
	}
	for _, c := range tx.Spends {
		w.taken[c.OutPoint] = true
	}
	w.fresh = w.fresh[added:]
	return tx, nil
}

// expectedSize is the virtual size that tx will have, with signatures and change.
func (w *Wallet) expectedSize(tx *wire.MsgTx) int64 {
	const change, witness = 8 + 1 + 22, 1 + 1 + 72 + 1 + 33
	weight := 4*(int64(tx.SerializeSizeStripped())+change) + 2 + witness*int64(len(tx.TxIn))
	return (weight + 3) / 4
}

func (w *Wallet) scriptOf(o Output) ([]byte, error) {
	if o.Script != nil {
		return o.Script, nil
	}
	addr, err := address.DecodeAddress(o.Address, w.node.params)
	if err != nil {
		return nil, fmt.Errorf("btcd: the address %q: %w", o.Address, err)
	}
	if !addr.IsForNet(w.node.params) {
		return nil, fmt.Errorf("btcd: the address %q is not of %s", o.Address, w.node.params.Name)
	}
	return txscript.PayToAddrScript(addr)
}

// sign completes a transaction whose inputs and outputs are set, the change last.
func (w *Wallet) sign(tx *Tx) error {
	previous := make(map[wire.OutPoint]*wire.TxOut, len(tx.Spends))
	for _, c := range tx.Spends {
		previous[c.OutPoint] = wire.NewTxOut(c.Sats, w.script)
		tx.Fee += c.Sats
	}
	hashes := txscript.NewTxSigHashes(tx.MsgTx, txscript.NewMultiPrevOutFetcher(previous))
	for i, c := range tx.Spends {
		witness, err := txscript.WitnessSignature(tx.MsgTx, hashes, i, c.Sats, w.script, txscript.SigHashAll, w.key, true)
		if err != nil {
			return fmt.Errorf("btcd: sign: %w", err)
		}
		tx.TxIn[i].Witness = witness
	}
	tx.ID = tx.TxHash()
	for i, out := range tx.TxOut {
		tx.Fee -= out.Value
		if bytes.Equal(out.PkScript, w.script) {
			tx.change = &Coin{wire.OutPoint{Hash: tx.ID, Index: uint32(i)}, out.Value}
		}
	}
	return nil
}

// Prepare makes a transaction of fresh coins that pays outputs, without giving it to
// any node.
func (w *Wallet) Prepare(outputs ...Output) (*Tx, error) { return w.Build(Spend{Outputs: outputs}) }

// Pay is Prepare and Broadcast. A transaction that the node refuses is returned too.
func (w *Wallet) Pay(ctx context.Context, outputs ...Output) (*Tx, error) {
	return w.send(ctx, Spend{Outputs: outputs})
}

// Conflict makes a transaction that spends the same coins as tx, so that only one of
// the two can be in the chain, for more than twice the fee. It is not given to any
// node: put it into a block, or Broadcast it as a replacement.
func (w *Wallet) Conflict(tx *Tx, outputs ...Output) (*Tx, error) {
	return w.Build(Spend{Coins: tx.Spends, Outputs: outputs, more: 2 * tx.Fee})
}

// Replace is Conflict and Broadcast: the node drops tx and what was built on it
// (BIP 125). Without outputs the money goes back to the wallet.
func (w *Wallet) Replace(ctx context.Context, tx *Tx, outputs ...Output) (*Tx, error) {
	c, err := w.Conflict(tx, outputs...)
	if err != nil {
		return nil, err
	}
	return c, w.node.Broadcast(ctx, c)
}

// Child makes a transaction that spends the change of tx, which may still be
// unconfirmed, and gives it to the node.
func (w *Wallet) Child(ctx context.Context, tx *Tx, outputs ...Output) (*Tx, error) {
	change, ok := tx.Change()
	if !ok {
		return nil, fmt.Errorf("btcd: transaction %s has no change to spend", tx.ID)
	}
	return w.send(ctx, Spend{Coins: []Coin{change}, Outputs: outputs})
}

// Forget makes the node lose transactions from its mempool, with all that is built on
// them, and keep everything else. They may be broadcast again. A transaction's first
// coin must be confirmed.
//
// btcd has no call for that. A block is mined with transactions that conflict with
// txs and are so small (BIP 141 sizes under 65 bytes) that the mempool never takes
// them; then two empty blocks take its place.
func (w *Wallet) Forget(ctx context.Context, txs ...*Tx) error {
	var small []*Tx
	seen := map[wire.OutPoint]bool{}
	for _, tx := range txs {
		coin := tx.Spends[0]
		if seen[coin.OutPoint] {
			continue
		}
		seen[coin.OutPoint] = true
		c, err := w.Build(Spend{Coins: []Coin{coin}, Outputs: []Output{{Script: anyone, Sats: coin.Sats - 1000}}, Fee: 1000})
		if err != nil {
			return err
		}
		small = append(small, c)
	}
	if _, err := w.node.MineTxs(ctx, small...); err != nil {
		return err
	}
	_, err := w.node.Reorg(ctx, 1)
	return err
}

func (w *Wallet) send(ctx context.Context, s Spend) (*Tx, error) {
	tx, err := w.Build(s)
	if err != nil {
		return nil, err
	}
	return tx, w.node.Broadcast(ctx, tx)
}
