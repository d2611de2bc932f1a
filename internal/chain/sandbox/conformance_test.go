package sandbox

import (
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/watch"
	"github.com/paybell/paybell/internal/watch/chaintest"
)

func TestConformance(t *testing.T) {
	chaintest.Run(t, func(t *testing.T, _ chaintest.Need) chaintest.World {
		w := &world{bench: newBench(t)}
		w.mine(10) // something for reorgs to take back
		return w
	})
}

// world is alice's ledger as scenarios act on it.
type world struct {
	*bench
	addresses int64
}

func (w *world) Chain() watch.Chain { return New(w.store.journal()) }
func (w *world) Asset() string      { return paybell.LTCT }
func (w *world) From(int64) string  { return "0" }
func (w *world) Mine(blocks int)    { w.Helper(); w.mine(blocks) }
func (w *world) Reorg(depth int)    { w.Helper(); w.reorg(depth) }
func (w *world) Drop(id string)     { w.Helper(); w.drop(id) }
func (w *world) Return(id string)   { w.Helper(); w.back(id) }

func (w *world) Height() int64 {
	height, err := w.chain.Height(w.Context(), alice)
	w.must(err)
	return height
}

func (w *world) HeightOf(id string) int64 {
	for _, t := range w.chain.book.ledger(alice).mined {
		if t.id == id {
			return t.height
		}
	}
	return 0
}

func (w *world) Address() string {
	w.addresses++
	return Address(alice, w.addresses)
}

func (w *world) Pay(outputs ...chaintest.Output) string {
	w.Helper()
	if len(outputs) != 1 {
		w.Fatalf("a transaction has one output, not %d", len(outputs))
	}
	id, err := w.chain.Pay(w.Context(), alice, outputs[0].Address, paybell.NewUnits(outputs[0].Amount))
	w.must(err)
	return id
}

func (w *world) PayUnsure(output chaintest.Output) string { w.Helper(); return w.Pay(output) }

func (w *world) Replace(id string, outputs ...chaintest.Output) string {
	w.Helper()
	if old := w.chain.book.txs[id]; len(outputs) > 1 || len(outputs) == 1 && (outputs[0].Address != old.address || paybell.NewUnits(outputs[0].Amount) != old.amount) {
		w.Fatalf("a replacement pays the same to the same address, not %+v", outputs)
	}
	return w.replace(id, len(outputs) == 1)
}
