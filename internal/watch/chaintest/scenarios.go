package chaintest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

// scenario is a story with a name.
type scenario[W World] struct {
	name string
	need Need
	play func(*rig[W])
}

// Run plays all scenarios in worlds that open gives, a fresh one for each.
func Run(t *testing.T, open func(*testing.T, Need) World) {
	play(t, scenarios[World](), open)
	t.Run("only on real nodes", func(t *testing.T) {
		for _, s := range onNodes {
			t.Logf("not played: %s", s.name)
		}
	})
}

// RunNodes plays all scenarios, also those that only real nodes know.
func RunNodes(t *testing.T, open func(*testing.T, Need) Node) {
	play(t, scenarios[Node](), open)
	play(t, onNodes, open)
}

func play[W World](t *testing.T, all []scenario[W], open func(*testing.T, Need) W) {
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t, open(t, s.need))
			s.play(r)
			r.stands(true)
		})
	}
}

// scenarios are those that every chain knows.
func scenarios[W World]() []scenario[W] {
	return []scenario[W]{
		{"exact", Need{}, exact[W]},
		{"under, then the rest", Need{}, underThenTheRest[W]},
		{"over", Need{}, over[W]},
		{"two that add up", Need{}, twoThatAddUp[W]},
		{"late", Need{}, late[W]},
		{"seen in time, mined after it", Need{}, seenInTime[W]},
		{"after cancel", Need{}, afterCancel[W]},
		{"after time-out", Need{}, afterTimeOut[W]},
		{"replaced away", Need{}, replacedAway[W]},
		{"replaced with a higher fee", Need{}, feeBump[W]},
		{"replaced with a higher fee twice", Need{}, twoFeeBumps[W]},
		{"replaced away and back", Need{}, awayAndBack[W]},
		{"dropped and back", Need{}, droppedAndBack[W]},
		{"dropped for good", Need{}, droppedForGood[W]},
		{"reorged to the mempool", Need{}, reorgedToTheMempool[W]},
		{"reorged and mined elsewhere at once", Need{}, minedElsewhere[W]},
		{"reorg and double spend", Need{}, reorgAndDoubleSpend[W]},
		{"reorg after completed", Need{}, reorgAfterCompleted[W]},
		{"double spend after completed", Need{}, doubleSpendAfterCompleted[W]},
		{"reorg of nothing of ours", Need{}, reorgOfNothing[W]},
		{"deep reorg", Need{Alone: true}, deepReorg[W]},
		{"reorg of what was before", Need{}, reorgOfBefore[W]},
		{"confirmations one by one", Need{}, oneByOne[W]},
		{"tiers of confirmations", Need{}, tiers[W]},
		{"paid after one confirmation", Need{}, paidAfterOne[W]},
		{"money and block between two looks", Need{}, moneyAndBlock[W]},
		{"all between two looks", Need{}, allAtOnce[W]},
		{"another process in the middle", Need{}, anotherProcess[W]},
		{"address added while a scan runs", Need{}, addressAdded[W]},
		{"two watchers", Need{}, twoWatchers[W]},
		{"window over while nobody looked", Need{}, nobodyLooked[W]},
		{"time waits for a chain in trouble", Need{}, inTrouble[W]},
	}
}

func exact[W World](r *rig[W]) {
	b := r.bill()
	r.look()
	r.want(b, "pending 0/0/0/100000", "")
	r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "")
	r.world.Mine(2)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "")
}

func underThenTheRest[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, 30_000)
	r.look()
	r.want(b, "pending underpaid 30000/30000/0/70000; a 30000 mempool", "invoicePending")
	r.world.Mine(3)
	r.look()
	r.want(b, "pending underpaid 30000/30000/30000/70000; a 30000 mined x3", "")
	r.pay(b, 70_000)
	r.look()
	r.want(b, "paid 100000/100000/30000/0; a 30000 mined x3; b 70000 mempool", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 30000 mined x3; b 70000 mined x3", "invoiceCompleted")
}

func over[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, 150_000)
	r.look()
	r.want(b, "paid overpaid 150000/150000/0/0; a 150000 mempool", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed overpaid 150000/150000/150000/0; a 150000 mined x3", "invoiceCompleted")
}

func twoThatAddUp[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, 60_000)
	r.pay(b, 40_000)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 60000 mempool; b 40000 mempool", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 60000 mined x3; b 40000 mined x3", "invoiceCompleted")
}

func late[W World](r *rig[W]) {
	b := r.bill()
	r.timeIsUp(b, false)
	r.look()
	r.want(b, "unpaid 0/0/0/100000", "paymentTimedOut")
	r.pay(b, due)
	r.look()
	r.want(b, "unpaid late 100000/0/0/100000; a 100000 mempool", "invoiceFlagged")
	r.world.Mine(3)
	r.look()
	r.want(b, "unpaid late 100000/0/0/100000; a 100000 mined x3", "")
	r.ask(b, paybell.Accept{})
	r.want(b, "completed late,acceptedAsIs 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
}

func seenInTime[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	r.look()
	r.timeIsUp(b, true)
	r.look()
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
}

func afterCancel[W World](r *rig[W]) {
	b := r.bill()
	r.ask(b, paybell.Cancel{})
	r.pay(b, due)
	r.look()
	r.want(b, "cancelled late 100000/0/0/100000; a 100000 mempool", "invoiceCancelled invoiceFlagged")
	r.world.Mine(3)
	r.look()
	r.want(b, "cancelled late 100000/0/0/100000; a 100000 mined x3", "")
}

func afterTimeOut[W World](r *rig[W]) {
	b := r.bill()
	r.timeIsUp(b, true)
	r.look()
	r.want(b, "timedOut 0/0/0/100000", "paymentTimedOut invoiceTimedOut")
	r.pay(b, due)
	r.look()
	r.want(b, "timedOut late 100000/0/0/100000; a 100000 mempool", "invoiceFlagged")
	r.world.Mine(3)
	r.look()
	r.want(b, "timedOut late 100000/0/0/100000; a 100000 mined x3", "")
}

func replacedAway[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.replace(a)
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced", "invoicePaid invoiceReverted")
	r.world.Mine(1)
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "")
	r.world.Mine(3)
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "")
	r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 replaced for good; c 100000 mempool", "invoicePaid")
}

func feeBump[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.timeIsUp(b, false)
	r.look()
	r.replace(a, Output{b.address, due})
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 replaced; b 100000 mempool replaces a", "")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 replaced for good; b 100000 mined x3 replaces a", "invoiceCompleted")
}

func twoFeeBumps[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	second := r.replace(a, Output{b.address, due})
	r.look()
	r.timeIsUp(b, false)
	r.look()
	r.replace(second, Output{b.address, due})
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 replaced; b 100000 replaced replaces a; c 100000 mempool replaces b", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 replaced for good; b 100000 replaced for good replaces a; c 100000 mined x3 replaces b", "invoiceCompleted")
}

func awayAndBack[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	away := r.replace(a)
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced", "invoicePaid invoiceReverted")
	r.replace(away, Output{b.address, due})
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 replaced; c 100000 mempool replaces a", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 replaced for good; c 100000 mined x3 replaces a", "invoiceCompleted")
}

func droppedAndBack[W World](r *rig[W]) {
	b := r.bill()
	a := r.name(r.world.PayUnsure(Output{b.address, due}))
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.Drop(a)
	r.look()
	r.want(b, "pending 0/0/0/100000; a 100000 dropped", "invoiceReverted")
	r.look()
	r.want(b, "pending 0/0/0/100000; a 100000 dropped", "")
	r.timeIsUp(b, false)
	r.look()
	r.want(b, "unpaid 0/0/0/100000; a 100000 dropped", "paymentTimedOut")
	r.world.Return(a)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid") // it was seen in time
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func droppedForGood[W World](r *rig[W]) {
	b := r.bill()
	a := r.name(r.world.PayUnsure(Output{b.address, due}))
	r.look()
	r.world.Drop(a)
	r.world.Mine(5)
	r.look()
	r.want(b, "pending 0/0/0/100000; a 100000 dropped", "invoicePaid invoiceReverted")
	r.timeIsUp(b, true)
	r.look()
	r.want(b, "timedOut 0/0/0/100000; a 100000 dropped", "paymentTimedOut invoiceTimedOut")
}

func reorgedToTheMempool[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.Reorg(2)
	r.look()
	r.want(b, "paid reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoiceFlagged")
	r.world.Mine(2)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func minedElsewhere[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.Reorg(2)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "")
	r.world.Reorg(1)
	r.world.Reorg(3)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func reorgAndDoubleSpend[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, due)
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.Reorg(2)
	r.replace(a)
	r.world.Mine(1)
	r.look()
	r.want(b, "pending replaced,reorged 0/0/0/100000; a 100000 replaced for good reorged", "invoiceReverted")
}

func reorgAfterCompleted[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	r.world.Mine(2)
	r.look()
	r.world.Reorg(5)
	r.look()
	r.want(b, "completed reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
	r.restart()
	r.look()
	r.want(b, "completed reorged 100000/100000/0/0; a 100000 mempool reorged", "")
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/0/0; a 100000 mined x1", "invoiceFlagged")
	r.world.Mine(2)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "")
}

func doubleSpendAfterCompleted[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, due)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	r.world.Reorg(3)
	r.look()
	r.want(b, "completed reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
	r.replace(a)
	r.look()
	r.want(b, "completed replaced,reorged 0/0/0/100000; a 100000 replaced reorged", "invoiceFlagged")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed replaced,reorged 0/0/0/100000; a 100000 replaced for good reorged", "")
}

func reorgOfNothing[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	other := r.bill()
	r.pay(other, due)
	r.look()
	r.want(other, "paid 100000/100000/0/0; b 100000 mempool", "invoicePaid")
	r.world.Reorg(2)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "")
	r.want(other, "paid 100000/100000/0/0; b 100000 mempool", "")
}

func deepReorg[W World](r *rig[W]) {
	var bills []*bill
	for range 4 {
		b := r.bill()
		r.pay(b, due)
		r.world.Mine(25)
		r.look()
		bills = append(bills, b)
	}
	mined := []string{"a", "b", "c", "d"}
	for i, b := range bills {
		r.want(b, "completed 100000/100000/100000/0; "+mined[i]+" 100000 mined x3", "invoicePaid invoiceCompleted")
	}
	r.world.Reorg(90)
	r.look()
	r.want(bills[0], "completed 100000/100000/100000/0; a 100000 mined x3", "")
	for i, b := range bills[1:] {
		r.want(b, "completed reorged 100000/100000/0/0; "+mined[i+1]+" 100000 mempool reorged", "invoiceFlagged")
	}
	r.world.Mine(3)
	r.look()
	for i, b := range bills[1:] {
		r.want(b, "completed 100000/100000/100000/0; "+mined[i+1]+" 100000 mined x3", "invoiceFlagged")
	}
}

func reorgOfBefore[W World](r *rig[W]) {
	r.world.Reorg(3)
	r.look()
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
	r.world.Reorg(6)
	r.look()
	r.want(b, "paid reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
}

func oneByOne[W World](r *rig[W]) {
	b := r.bill(func(d *draft) { d.completedAfter = 6 })
	r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	for _, depth := range []string{"1", "2", "3", "4", "5"} {
		r.world.Mine(1)
		r.look()
		r.want(b, "paid 100000/100000/0/0; a 100000 mined x"+depth, "")
	}
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x6", "invoiceCompleted")
}

func tiers[W World](r *rig[W]) {
	policy := paybell.Policy{Completed: []paybell.Tier{{Confirmations: 1}, {From: paybell.NewUnits(due), Confirmations: 2}, {From: paybell.NewUnits(due + 1), Confirmations: 6}}}
	b := r.bill(func(d *draft) { d.paidAfter, d.completedAfter = policy.Required(paybell.NewUnits(due)) })
	r.pay(b, due)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x2", "invoiceCompleted")
}

func paidAfterOne[W World](r *rig[W]) {
	b := r.bill(func(d *draft) { d.paidAfter = 1 })
	r.pay(b, due)
	r.look()
	r.want(b, "pending 100000/100000/0/0; a 100000 mempool", "invoicePending")
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
	r.world.Reorg(1)
	r.look()
	r.want(b, "pending reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceReverted")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
}

func moneyAndBlock[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
}

func allAtOnce[W World](r *rig[W]) {
	b, other := r.bill(), r.bill()
	r.pay(b, due)
	a := r.pay(other, due)
	r.replace(a)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	if r.isNode() { // the sandbox remembers what was never seen
		r.want(other, "pending 0/0/0/100000", "")
	}
}

func anotherProcess[W World](r *rig[W]) {
	b := r.bill()
	a := r.pay(b, 60_000)
	r.look()
	r.restart()
	r.look()
	r.want(b, "pending underpaid 60000/60000/0/40000; a 60000 mempool", "invoicePending")
	r.replace(a)
	r.restart()
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 60000 replaced", "invoicePending")
	r.pay(b, due)
	r.world.Mine(1)
	r.restart()
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 60000 replaced for good; c 100000 mined x1", "invoicePaid")
	r.world.Mine(2)
	r.restart()
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 60000 replaced for good; c 100000 mined x3", "invoiceCompleted")
}

// during is a chain on which something happens in the middle of a scan: it was read,
// and what is ours is asked next.
type during struct {
	watch.Chain
	happens func()
}

func (c *during) Scan(ctx context.Context, cursor string, w paybell.Watch) (paybell.Batch, error) {
	ours := w.Ours
	w.Ours = func(addresses []string) ([]string, error) {
		c.happen()
		return ours(addresses)
	}
	batch, err := c.Chain.Scan(ctx, cursor, w)
	c.happen() // a chain that knows without asking
	return batch, err
}

func (c *during) happen() {
	if happens := c.happens; happens != nil {
		c.happens = nil
		happens()
	}
}

func addressAdded[W World](r *rig[W]) {
	for _, mine := range []bool{false, true} {
		address := r.world.Address()
		id := r.name(r.world.Pay(Output{address, due}))
		picture := "paid 100000/100000/0/0; " + r.names[id] + " 100000 mempool"
		if mine {
			r.world.Mine(1)
			picture = "paid 100000/100000/0/0; " + r.names[id] + " 100000 mined x1"
		}
		var b *bill
		r.watcher.Chain = &during{r.world.Chain(), func() { b = r.bill(func(d *draft) { d.address = address }) }}
		r.look()
		r.want(b, picture, "invoicePaid")
	}
}

func twoWatchers[W World](r *rig[W]) {
	b, other := r.bill(), r.bill()
	second := &watch.Watcher{DB: r.db, Chain: r.world.Chain(), Every: time.Hour}
	both := func() {
		r.Helper()
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, w := range []*watch.Watcher{r.watcher, second} {
			all.Go(func() {
				for range 5 {
					errs[i] = errors.Join(errs[i], settle(r.Context(), w))
				}
			})
		}
		all.Wait()
		r.must(errors.Join(errs...))
	}
	a := r.pay(b, due)
	r.pay(other, due)
	both()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.replace(a)
	both()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced", "invoiceReverted")
	r.world.Mine(2)
	both()
	r.want(other, "paid 100000/100000/0/0; b 100000 mined x2", "invoicePaid")
	r.world.Reorg(2)
	both()
	r.want(other, "paid reorged 100000/100000/0/0; b 100000 mempool reorged", "invoiceFlagged")
	r.world.Mine(3)
	both()
	r.want(other, "completed 100000/100000/100000/0; b 100000 mined x3", "invoiceCompleted")
}

// asleep makes the last complete look at the chain one of long ago.
func (r *rig[W]) asleep(d time.Duration) {
	r.Helper()
	from := r.cursor()
	to := from
	to.ScannedAt = time.Now().UTC().Add(-d).Truncate(time.Microsecond)
	r.do(func(tx *store.Tx) error {
		moved, err := tx.MoveCursor(from, to)
		if err == nil && !moved {
			err = errors.New("the cursor moved")
		}
		return err
	})
	r.restart()
}

func nobodyLooked[W World](r *rig[W]) {
	// Opened an hour ago, over half an hour ago, and nobody looked for 45 minutes.
	paid := r.bill(func(d *draft) { d.ago, d.window = time.Hour, 30*time.Minute })
	open := r.bill(func(d *draft) { d.ago, d.window = time.Hour, 30*time.Minute })
	over := r.bill(func(d *draft) { d.ago, d.window = time.Hour, 10*time.Minute }) // before that
	r.pay(paid, due)
	r.asleep(45 * time.Minute)
	r.look()
	r.want(paid, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.want(open, "pending 0/0/0/100000", "")
	r.want(over, "unpaid 0/0/0/100000", "paymentTimedOut")
	if p := r.invoice(open).Payments[0]; time.Until(p.ExpiresAt) < 10*time.Minute {
		r.Errorf("the time was not given back: the window is over at %v", p.ExpiresAt)
	}
	r.pay(open, due)
	r.pay(over, due)
	r.look()
	r.want(open, "paid 100000/100000/0/0; b 100000 mempool", "invoicePaid")
	r.want(over, "unpaid late 100000/0/0/100000; c 100000 mempool", "invoiceFlagged")
}

// broken is a chain that cannot be looked at.
type broken struct{ watch.Chain }

func (broken) Scan(context.Context, string, paybell.Watch) (paybell.Batch, error) {
	return paybell.Batch{}, errors.New("is on fire")
}

func inTrouble[W World](r *rig[W]) {
	b := r.bill()
	r.pay(b, due)
	open := r.bill()
	r.timeIsUp(b, true)
	r.timeIsUp(open, true)
	chain := r.watcher.Chain
	r.watcher.Chain = broken{chain}
	for range 2 {
		if why := r.trouble(); why != "is on fire" {
			r.Errorf("noted was %q", why)
		}
	}
	since := r.cursor().TroubleSince
	r.want(open, "pending 0/0/0/100000", "")
	r.watcher.Chain = chain
	r.look()
	if c := r.cursor(); c.Trouble != "" || !c.TroubleSince.IsZero() || since.IsZero() {
		r.Errorf("the trouble is over, and noted is %+v, since %v", c, since)
	}
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.want(open, "timedOut 0/0/0/100000", "paymentTimedOut invoiceTimedOut")

	// What another process finds well is noted again when it is not.
	r.watcher.Chain = broken{chain}
	r.trouble()
	r.must(settle(r.Context(), &watch.Watcher{DB: r.db, Chain: chain, Every: time.Hour}))
	r.trouble()
	r.watcher.Chain = chain
	r.look()
}
