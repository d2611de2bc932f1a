package paybell

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Transfer is one output or log seen on a chain that pays an address of ours.
// Network, TxID, Index and Asset name it; everything else is what the chain
// says about it now.
type Transfer struct {
	Network string `json:"network"`
	TxID    string `json:"txId"`
	Index   int    `json:"index"`
	Asset   string `json:"asset"` // currency id
	Address string `json:"address"`
	Amount  Units  `json:"amount"`

	Status        TransferStatus `json:"status"`
	Confirmations int            `json:"confirmations"`     // 0 unless mined; chains stop counting once Settled
	Reorged       bool           `json:"reorged,omitempty"` // its block was taken back and it was not mined again
	// Height is that of the block which decided: the transfer's own when it is mined,
	// that of the other transaction when it is replaced for good; 0: none has yet.
	Height int64 `json:"height,omitempty"`
	// Raw is the whole transaction in hex, on chains that keep it to broadcast it
	// again; of several transfers of one transaction, one may have it. It is forgotten
	// MaxReorg blocks after it was decided.
	Raw string `json:"-"`

	// Replaces is the transaction that this one double-spent, if the chain knows:
	// a fee bump is the same money, and as old as what it replaced.
	Replaces string `json:"replaces,omitempty"`

	// Set by the watcher when it first records the transfer.
	PaymentID string    `json:"paymentId"`
	SeenAt    time.Time `json:"seenAt"`
	// AbsentAt is the last moment at which the whole chain was looked at and the
	// transfer was not there: it is certainly not older. Whether money is late is
	// judged by it, so that an outage of the node makes nobody late.
	AbsentAt time.Time `json:"absentAt"`
}

// TransferStatus says where a transfer is.
type TransferStatus string

const (
	Mempool  TransferStatus = "mempool"  // seen, in no block
	Mined    TransferStatus = "mined"    // in the best chain
	Replaced TransferStatus = "replaced" // its inputs were spent by another transaction
	Dropped  TransferStatus = "dropped"  // no node holds it any more; it may come back
)

// MaxReorg is how many blocks a chain may take back without anybody being asked.
const MaxReorg = 144

// ErrHalted is part of a chain's error that only people can end: it went so far back
// that nobody knows which blocks count.
var ErrHalted = errors.New("watching is halted")

// Watch is what a chain is asked to look after.
type Watch struct {
	// Open are the transfers that are not settled, as they were last told.
	Open []Transfer
	// Ours finds those of some addresses that belong to payments. Asked after the
	// chain was read, it cannot miss an address that was made in time for its money.
	Ours func(addresses []string) ([]string, error)
	// DecidedAbove finds the transfers that blocks above a height decided, settled or
	// not: mined there, or replaced for good. A reorg from there takes that back.
	DecidedAbove func(height int64) ([]Transfer, error)
}

// Batch is what one look at a chain brought: every transfer that is new or not
// what it was, whole, as it is now, and the cursor to look from next time. The
// cursor is opaque to everybody but the chain that made it.
type Batch struct {
	Cursor    string
	Height    int64 // of the chain's tip as far as Cursor goes
	Transfers []Transfer
	// More says that the chain goes on behind Cursor: it was not completely looked at.
	More bool
}

// Standing reports whether the money is there as far as anybody can see. A
// transfer of nothing, which costs its sender nothing, is no money.
func (t Transfer) Standing() bool {
	return (t.Status == Mempool || t.Status == Mined) && !t.Amount.IsZero()
}

// compareTransfers orders transfers by name, so that a set has one order.
func compareTransfers(a, b Transfer) int {
	return cmp.Or(
		cmp.Compare(a.Network, b.Network), cmp.Compare(a.TxID, b.TxID),
		cmp.Compare(a.Index, b.Index), cmp.Compare(a.Asset, b.Asset))
}

// transferSet is the given transfers in order, each once; of a transfer given
// twice the later one in the slice counts.
func transferSet(in []Transfer) []Transfer {
	set := make([]Transfer, 0, len(in))
	for _, t := range in {
		i, found := slices.BinarySearchFunc(set, t, compareTransfers)
		if found {
			set[i] = t
		} else {
			set = slices.Insert(set, i, t)
		}
	}
	return set
}
