package sandbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/paybell/paybell"
)

// memory is a journal in memory. Its pages are short, so that every test reads
// several. Load and Append take one lock, as they do in a database that has one
// connection.
type memory struct {
	mu      sync.Mutex
	entries []Entry
	loads   int
	before  func(op string) // called by Append with no lock held, before it appends
	fail    error           // what Append returns instead
	hidden  bool            // Load shows nothing
}

const pageSize = 3

func (m *memory) journal() Journal { return Journal{Load: m.load, Append: m.append} }

func (m *memory) load(ctx context.Context, after int64) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	if m.hidden {
		return nil, nil
	}
	i, _ := slices.BinarySearchFunc(m.entries, after+1, func(e Entry, n int64) int { return int(e.N - n) })
	return slices.Clone(m.entries[i:min(i+pageSize, len(m.entries))]), nil
}

// append numbers with gaps, as sequences of databases do.
func (m *memory) append(_ context.Context, merchantID, op string) (int64, error) {
	if m.before != nil {
		m.before(op)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	n := int64(2)
	if len(m.entries) > 0 {
		n += m.entries[len(m.entries)-1].N
	}
	m.entries = append(m.entries, Entry{N: n, MerchantID: merchantID, Op: op})
	return n, nil
}

// bench is a chain under test. Its methods fail the test on any error.
type bench struct {
	*testing.T
	chain *Chain
	store *memory
}

func newBench(t *testing.T) *bench {
	m := &memory{}
	return &bench{T: t, chain: New(m.journal()), store: m}
}

const alice, bob = "0198c0de-0000-7000-8000-00000000000a", "0198c0de-0000-7000-8000-00000000000b"

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// pay pays units to alice's address 0.
func (b *bench) pay(units uint64) (txID string) {
	b.Helper()
	return b.payAs(alice, units)
}

func (b *bench) payAs(merchantID string, units uint64) (txID string) {
	b.Helper()
	id, err := b.chain.Pay(b.Context(), merchantID, Address(merchantID, 0), paybell.NewUnits(units))
	b.must(err)
	return id
}

func (b *bench) mine(blocks int) (height int64) {
	b.Helper()
	h, err := b.chain.Mine(b.Context(), alice, blocks)
	b.must(err)
	return h
}

func (b *bench) replace(txID string, toInvoice bool) (newTxID string) {
	b.Helper()
	id, err := b.chain.Replace(b.Context(), alice, txID, toInvoice)
	b.must(err)
	return id
}

func (b *bench) reorg(depth int) { b.Helper(); b.must(b.chain.Reorg(b.Context(), alice, depth)) }
func (b *bench) drop(id string)  { b.Helper(); b.must(b.chain.Drop(b.Context(), alice, id)) }
func (b *bench) back(id string)  { b.Helper(); b.must(b.chain.Return(b.Context(), alice, id)) }

func (b *bench) scan(cursor string, open ...paybell.Transfer) paybell.Batch {
	b.Helper()
	batch, err := b.chain.Scan(b.Context(), cursor, paybell.Watch{Open: open})
	b.must(err)
	return batch
}

// wantHeight fails unless the block that decided what became of a transfer has the
// given height; 0: none did.
func (b *bench) wantHeight(txID string, height int64) {
	b.Helper()
	if t, ok := b.find(txID); !ok || t.Height != height {
		b.Errorf("%s was decided at height %d, want %d", txID, t.Height, height)
	}
}

// find is a transfer as a scan from the beginning reports it.
func (b *bench) find(txID string) (t paybell.Transfer, ok bool) {
	b.Helper()
	all := b.scan("").Transfers
	i := slices.IndexFunc(all, func(t paybell.Transfer) bool { return t.TxID == txID })
	if i < 0 {
		return paybell.Transfer{}, false
	}
	return all[i], true
}

// want checks where a transfer is.
func (b *bench) want(txID string, status paybell.TransferStatus, confirmations int, reorged bool) {
	b.Helper()
	got, ok := b.find(txID)
	if !ok {
		b.Fatalf("%s is not reported", txID)
	}
	if got.Status != status || got.Confirmations != confirmations || got.Reorged != reorged {
		b.Fatalf("%s is %s with %d confirmations, reorged %t; want %s, %d, %t",
			txID[:8], got.Status, got.Confirmations, got.Reorged, status, confirmations, reorged)
	}
}

// refused checks the code of err, and that it tells the caller something.
func refused(t *testing.T, err error, code paybell.Code) {
	t.Helper()
	e, ok := errors.AsType[*paybell.Error](err)
	if !ok || e.Code != code || e.Detail == "" {
		t.Fatalf("got %v, want a %s error with a Detail", err, code)
	}
}

// ids are the transactions of a batch, in its order.
func ids(batch paybell.Batch) []string {
	var out []string
	for _, t := range batch.Transfers {
		out = append(out, t.TxID)
	}
	return out
}
