package sandbox

import (
	"container/list"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/paybell/paybell"
)

// Bounds of one operation.
const (
	maxBlocks = 1000
	maxDepth  = 100
)

// book is the fold of the journal: all ledgers, as they are now. It is pure:
// two books that folded the same entries are the same, down to the order in
// which they report.
type book struct {
	last    int64 // N of the last entry folded
	ledgers map[string]*ledger
	txs     map[string]*tx
	changed *list.List // of *tx that pay an address of ours, the last touched at the back
}

// ledger is the chain of one merchant.
type ledger struct {
	merchantID string
	tip        int64 // height of the last block; 0: no block yet
	mempool    []*tx
	mined      []*tx // in order of height
}

// tx is one transaction. It has one output, index 0.
type tx struct {
	id        string
	ledger    *ledger
	address   string // of the invoice, also when elsewhere: a replacement may pay it again
	elsewhere bool   // pays somebody else, and is not reported
	amount    paybell.Units
	replaces  string // the transaction to the invoice that this one, or those before it, replaced
	status    paybell.TransferStatus
	height    int64 // of its block, when mined; of that which holds what replaced it
	reorged   bool
	touched   int64         // N of the last entry that changed any of this
	place     *list.Element // in book.changed; nil when elsewhere
}

// op is an operation as the journal keeps it. Entries live for ever, so a field
// or a verb may be added but never given another meaning.
type op struct {
	Do        string        `json:"do"` // a key of verbs
	Address   string        `json:"address,omitempty"`
	Amount    paybell.Units `json:"amount,omitzero"`
	Blocks    int           `json:"blocks,omitempty"`
	TxID      string        `json:"txId,omitempty"`
	ToInvoice bool          `json:"toInvoice,omitempty"`
	Depth     int           `json:"depth,omitempty"`
}

// answer is what an entry came to.
type answer struct {
	txID   string // the new transaction, if it made one
	height int64  // after mine
	err    error  // an *paybell.Error: the operation was impossible by then, and changed nothing
}

// effect does an operation that was found possible, as entry n.
type effect func(n int64) answer

// verbs says for each operation whether it is possible now, and what it does.
// A verb changes nothing until its effect is called.
var verbs = map[string]func(*book, *ledger, op) (effect, error){
	"pay":     (*book).pay,
	"mine":    (*book).mine,
	"replace": (*book).replace,
	"drop":    (*book).drop,
	"return":  (*book).bringBack,
	"reorg":   (*book).reorg,
}

func newBook() *book {
	return &book{
		ledgers: make(map[string]*ledger),
		txs:     make(map[string]*tx),
		changed: list.New(),
	}
}

// ledger is the merchant's ledger; one without operations is empty and not kept.
func (b *book) ledger(merchantID string) *ledger {
	if l, ok := b.ledgers[merchantID]; ok {
		return l
	}
	return &ledger{merchantID: merchantID}
}

// height is that of a merchant's ledger, or of the longest.
func (b *book) height(merchantID string) (height int64) {
	if merchantID != "" {
		return b.ledger(merchantID).tip
	}
	for _, l := range b.ledgers {
		height = max(height, l.tip)
	}
	return height
}

// plan finds out whether o is possible now on ledger l.
func (b *book) plan(l *ledger, o op) (effect, error) { return verbs[o.Do](b, l, o) }

// fold does the next entry. The error is about the journal itself; then nothing
// was folded. That an operation was impossible is part of its answer.
func (b *book) fold(e Entry) (answer, error) {
	if e.N <= b.last {
		return answer{}, fmt.Errorf("comes after entry %d", b.last)
	}
	o, err := readOp(e.Op)
	if err != nil {
		return answer{}, err
	}
	b.last = e.N
	l := b.ledger(e.MerchantID)
	do, err := b.plan(l, o)
	if err != nil {
		return answer{err: err}, nil
	}
	b.ledgers[e.MerchantID] = l
	return do(e.N), nil
}

// readOp reads an operation, and nothing that it does not know in full: another
// version may have meant something by it.
func readOp(text string) (op, error) {
	var o op
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		// Not wrapped: that an amount in the journal is Invalid is our fault, not
		// that of the caller who happens to come by.
		return op{}, fmt.Errorf("read operation: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return op{}, errors.New("read operation: more than one JSON value")
	}
	if verbs[o.Do] == nil {
		return op{}, fmt.Errorf("unknown operation %q", o.Do)
	}
	return o, nil
}

func (b *book) pay(l *ledger, o op) (effect, error) {
	if o.Amount.IsZero() {
		return nil, paybell.InvalidField("amount", "must be more than nothing")
	}
	if !ownsAddress(l.merchantID, o.Address) {
		return nil, paybell.InvalidField("address", "is not one of your sandbox addresses; take it from a payment of one of your invoices")
	}
	return func(n int64) answer {
		return b.add(&tx{ledger: l, address: o.Address, amount: o.Amount}, n)
	}, nil
}

func (b *book) mine(l *ledger, o op) (effect, error) {
	if o.Blocks < 1 || o.Blocks > maxBlocks {
		return nil, paybell.InvalidField("blocks", "must be 1 to %d", maxBlocks)
	}
	return func(n int64) answer {
		for _, t := range l.mempool {
			t.status, t.height, t.reorged = paybell.Mined, l.tip+1, false
			b.touch(t, n)
			b.decide(t, t.height, n)
		}
		l.mined = append(l.mined, l.mempool...)
		l.mempool = nil
		l.tip += int64(o.Blocks)
		return answer{height: l.tip}
	}, nil
}

func (b *book) replace(l *ledger, o op) (effect, error) {
	old, err := b.findAs(l, o.TxID, paybell.Mempool)
	if err != nil {
		return nil, err
	}
	return func(n int64) answer {
		b.leaveMempool(old, paybell.Replaced, n)
		replaces := old.id
		if old.elsewhere {
			replaces = old.replaces
		}
		return b.add(&tx{ledger: l, address: old.address, elsewhere: !o.ToInvoice, amount: old.amount, replaces: replaces}, n)
	}, nil
}

func (b *book) drop(l *ledger, o op) (effect, error) {
	t, err := b.findAs(l, o.TxID, paybell.Mempool)
	if err != nil {
		return nil, err
	}
	return func(n int64) answer {
		b.leaveMempool(t, paybell.Dropped, n)
		return answer{}
	}, nil
}

func (b *book) bringBack(l *ledger, o op) (effect, error) {
	t, err := b.findAs(l, o.TxID, paybell.Dropped)
	if err != nil {
		return nil, err
	}
	return func(n int64) answer {
		b.enterMempool(t, n)
		return answer{}
	}, nil
}

func (b *book) reorg(l *ledger, o op) (effect, error) {
	if o.Depth < 1 || o.Depth > maxDepth {
		return nil, paybell.InvalidField("depth", "must be 1 to %d", maxDepth)
	}
	if int64(o.Depth) > l.tip {
		return nil, paybell.Errorf(paybell.Conflict, "Your sandbox chain is at height %d, so a reorg cannot be %d deep. Mine more blocks, or use a smaller depth.", l.tip, o.Depth)
	}
	return func(n int64) answer {
		kept := len(l.mined)
		for kept > 0 && l.mined[kept-1].height > l.tip-int64(o.Depth) {
			kept--
		}
		for _, t := range l.mined[kept:] {
			t.height, t.reorged = 0, true
			b.enterMempool(t, n)
			b.decide(t, 0, n)
		}
		l.mined = l.mined[:kept]
		l.tip++ // depth blocks less, depth+1 more
		return answer{height: l.tip}
	}, nil
}

// findAs finds the merchant's transaction that must have a status. One of
// another merchant is not found, exactly like one that does not exist.
func (b *book) findAs(l *ledger, txID string, want paybell.TransferStatus) (*tx, error) {
	t, ok := b.txs[txID]
	if !ok || t.ledger != l {
		return nil, paybell.Errorf(paybell.NotFound, "There is no such transaction on your sandbox chain. Use a txId that a payment, or an earlier step, returned.")
	}
	if t.status != want {
		return nil, paybell.Errorf(paybell.Conflict, "The transaction is %s, and this can be done only while it is %s.%s", inWords[t.status], inWords[want], wayOut(t.status, want))
	}
	return t, nil
}

var inWords = map[paybell.TransferStatus]string{
	paybell.Mempool:  "in the mempool",
	paybell.Mined:    "mined",
	paybell.Replaced: "replaced",
	paybell.Dropped:  "dropped",
}

// wayOut says what the caller can do about a transaction that is not as wanted.
func wayOut(is, want paybell.TransferStatus) string {
	switch {
	case want == paybell.Mempool && is == paybell.Mined:
		return " Take its block back with a reorg first."
	case want == paybell.Mempool && is == paybell.Dropped:
		return " Return it first."
	case want == paybell.Mempool && is == paybell.Replaced:
		return " Use the transaction that replaced it."
	}
	return ""
}

// add puts a new transaction into the mempool as entry n, which gives its id.
func (b *book) add(t *tx, n int64) answer {
	id := hash("transaction", t.ledger.merchantID, n)
	t.id = hex.EncodeToString(id[:])
	b.txs[t.id] = t
	b.enterMempool(t, n)
	return answer{txID: t.id}
}

func (b *book) enterMempool(t *tx, n int64) {
	t.status = paybell.Mempool
	t.ledger.mempool = append(t.ledger.mempool, t)
	b.touch(t, n)
}

func (b *book) leaveMempool(t *tx, to paybell.TransferStatus, n int64) {
	i := slices.Index(t.ledger.mempool, t)
	t.ledger.mempool = slices.Delete(t.ledger.mempool, i, i+1)
	t.status = to
	b.touch(t, n)
}

// decide notes at which height a transaction replaced, for good, those to the
// invoice that it double-spends; 0: not yet, or no longer.
func (b *book) decide(by *tx, height, n int64) {
	for old := b.txs[by.replaces]; old != nil; old = b.txs[old.replaces] {
		old.height = height
		b.touch(old, n)
	}
}

// touch makes t the last changed.
func (b *book) touch(t *tx, n int64) {
	t.touched = n
	switch {
	case t.elsewhere: // nobody is told
	case t.place == nil:
		t.place = b.changed.PushBack(t)
	default:
		b.changed.MoveToBack(t.place)
	}
}

// transfer is t as it is now.
func (t *tx) transfer() paybell.Transfer {
	out := paybell.Transfer{
		Network: paybell.SandboxNetwork,
		TxID:    t.id,
		Asset:   paybell.LTCT,
		Address: t.address,
		Amount:  t.amount,
		Status:  t.status,
		Reorged: t.reorged,
		Height:  t.height,

		Replaces: t.replaces,
	}
	if t.status == paybell.Mined {
		out.Confirmations = int(t.ledger.tip - t.height + 1)
	}
	return out
}
