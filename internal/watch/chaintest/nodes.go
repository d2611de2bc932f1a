package chaintest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

// onNodes are the scenarios that need real nodes.
var onNodes = []scenario[Node]{
	{"one for two invoices", Need{}, oneForTwo},
	{"two outputs to one address", Need{}, twoOutputs},
	{"dust and data beside", Need{}, dustAndData},
	{"every kind of address", Need{}, everyKind},
	{"spent again before the next look", Need{}, spentAgain},
	{"forgotten and broadcast again", Need{}, forgotten},
	{"parent and child forgotten", Need{}, parentAndChildForgotten},
	{"child of a parent that is replaced", Need{}, childOfReplaced},
	{"conflict in a block", Need{}, conflictInABlock},
	{"conflict in a block of what was never seen", Need{}, conflictNeverSeen},
	{"conflict in a block that is taken back", Need{}, conflictTakenBack},
	{"conflict that waits again", Need{}, conflictWaitsAgain},
	{"another branch of the same length", Need{}, sameLength},
	{"reorg into another block at once", Need{}, intoAnotherBlock},
	{"reorg and conflict in the new block", Need{}, reorgAndConflict},
	{"completed, then another is in the new block", Need{}, completedThenConflict},
	{"replaced by what pays less", Need{}, replacedByLess},
	{"reorg deeper than is remembered", Need{Alone: true}, tooDeep},
	{"shorter with no rival", Need{Alone: true}, shorter},
	{"shorter, and looked at again", Need{Alone: true}, shorterForGood},
	{"mined again far behind", Need{Alone: true}, farBehind},
	{"looks while a reorg is under way", Need{Alone: true}, underWay},
	{"catch-up over 500 blocks", Need{Alone: true}, catchUp},
	{"killed between two chunks", Need{}, killedBetweenChunks},
	{"wrong network", Need{}, wrongNetwork},
	{"wrong password", Need{}, wrongPassword},
	{"node restarts and has lost its mempool", Need{Lasts: true}, lostMempool},
	{"node is killed", Need{Lasts: true}, killed},
	{"two nodes with a real fork", Need{Two: true}, realFork},
	{"next node when the first dies", Need{Two: true, Lasts: true}, failOver},
	{"anything", Need{Alone: true}, anything},
}

// isNode reports whether the world is one of real nodes.
func (r *rig[W]) isNode() bool { _, is := any(r.world).(Node); return is }

type nodeRig = *rig[Node]

func oneForTwo(r nodeRig) {
	b, other := r.bill(), r.bill()
	r.name(r.world.Pay(Output{b.address, due}, r.world.Other(), Output{other.address, 30_000}))
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.want(other, "pending underpaid 30000/30000/0/70000; a 30000 mempool", "invoicePending")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
	r.want(other, "pending underpaid 30000/30000/30000/70000; a 30000 mined x3", "")
}

func twoOutputs(r nodeRig) {
	b := r.bill()
	r.name(r.world.Pay(Output{b.address, 40_000}, Output{b.address, 60_000}))
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 40000 mempool; a 60000 mempool", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 40000 mined x3; a 60000 mined x3", "invoiceCompleted")
}

func dustAndData(r nodeRig) {
	b := r.bill()
	r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.name(r.world.Pay(r.world.Data(), Output{b.address, 5}, r.world.Data()))
	r.look()
	r.want(b, "paid overpaid 100005/100005/0/0; a 100000 mempool; b 5 mempool", "invoiceFlagged")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed overpaid 100005/100005/100005/0; a 100000 mined x3; b 5 mined x3", "invoiceCompleted")
}

func everyKind(r nodeRig) {
	kinds := r.world.Kinds()
	if len(kinds) < 5 {
		r.Errorf("only %d kinds of addresses: %q", len(kinds), kinds)
	}
	var bills []*bill
	var outputs []Output
	for i, address := range kinds {
		bills = append(bills, r.bill(func(d *draft) { d.address = address }))
		outputs = append(outputs, Output{address, due + uint64(i)})
	}
	r.name(r.world.Pay(outputs...))
	r.look()
	r.world.Mine(3)
	r.look()
	for i, b := range bills {
		n := fmt.Sprint(due + i)
		over := " overpaid"
		if i == 0 {
			over = ""
		}
		r.want(b, "completed"+over+" "+n+"/"+n+"/"+n+"/0; a "+n+" mined x3", "invoicePaid invoiceCompleted")
	}
}

func spentAgain(r nodeRig) {
	b := r.bill(func(d *draft) { d.address = r.world.Own() })
	a := r.pay(b, due)
	r.world.Spend(a)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
	r.world.Reorg(3)
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/0/0; a 100000 mined x1", "")
	r.world.Mine(2)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "")
}

func forgotten(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.world.Forget(a)
	if r.world.Knows(a) {
		r.Fatal("the node has not forgotten it")
	}
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	if !r.world.Knows(a) {
		r.Error("it was not broadcast again")
	}
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func parentAndChildForgotten(r nodeRig) {
	for range 3 { // the order of their names is by chance
		b, other := r.bill(), r.bill()
		a := r.pay(b, due)
		c := r.name(r.world.Child(a, Output{other.address, due}))
		r.look()
		r.world.Forget(a)
		r.restart()
		r.look()
		r.want(b, "paid 100000/100000/0/0; "+r.names[a]+" 100000 mempool", "invoicePaid")
		r.want(other, "paid 100000/100000/0/0; "+r.names[c]+" 100000 mempool", "invoicePaid")
		if !r.world.Knows(a) || !r.world.Knows(c) {
			r.Error("they were not broadcast again")
		}
	}
}

func childOfReplaced(r nodeRig) {
	b := r.bill()
	parent := r.world.Pay(r.world.Other())
	r.name(r.world.Child(parent, Output{b.address, due}))
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.Replace(parent)
	r.look()
	r.want(b, "pending 0/0/0/100000; a 100000 dropped", "invoiceReverted")
	r.world.Mine(4)
	r.look()
	r.want(b, "pending 0/0/0/100000; a 100000 dropped", "")
}

func conflictInABlock(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.MineTxs(r.world.Conflict(a, r.world.Other()))
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "invoiceReverted")
	r.world.Mine(3)
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "")
}

func conflictNeverSeen(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	c := r.name(r.world.Conflict(a, Output{b.address, due}, r.world.Other()))
	r.world.MineTxs(c)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 replaced for good; b 100000 mined x1 replaces a", "invoicePaid")
	r.world.Mine(2)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 replaced for good; b 100000 mined x3 replaces a", "invoiceCompleted")
}

func conflictTakenBack(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.world.MineTxs(r.world.Conflict(a, r.world.Other()))
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "invoicePaid invoiceReverted")
	r.world.ReorgTo(1, a)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func conflictWaitsAgain(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.world.MineTxs(r.world.Conflict(a, r.world.Other()))
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "invoicePaid invoiceReverted")
	r.world.ReorgTo(1) // the node has the other one in its mempool again
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced", "")
	r.world.Mine(1)
	r.look()
	r.want(b, "pending replaced 0/0/0/100000; a 100000 replaced for good", "")
}

func intoAnotherBlock(r nodeRig) {
	b := r.bill(func(d *draft) { d.paidAfter = 1 })
	a := r.pay(b, due)
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.ReorgTo(2, a) // the same height, and one on top
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
	r.world.ReorgTo(4, a) // one block earlier
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "")
}

func reorgAndConflict(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.ReorgTo(2, r.world.Conflict(a, r.world.Other()))
	r.look()
	r.want(b, "pending replaced,reorged 0/0/0/100000; a 100000 replaced for good reorged", "invoiceReverted")
}

// completedThenConflict takes back what is no longer looked after.
func completedThenConflict(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	r.world.ReorgTo(3, r.world.Conflict(a, r.world.Other()))
	r.look()
	r.want(b, "completed replaced,reorged 0/0/0/100000; a 100000 replaced for good reorged", "invoiceFlagged")
}

func replacedByLess(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.replace(a, Output{b.address, 90_000})
	r.look()
	r.want(b, "pending underpaid,replaced 90000/90000/0/10000; a 100000 replaced; b 90000 mempool replaces a", "invoicePaid invoiceReverted")
	r.pay(b, 10_000)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 replaced for good; b 90000 mined x3 replaces a; c 10000 mined x3", "invoicePaid invoiceCompleted")
}

func tooDeep(r nodeRig) {
	b, open := r.bill(), r.bill()
	r.pay(b, due)
	r.world.Mine(150)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	r.world.Reorg(150)
	r.timeIsUp(open, true)
	for range 2 {
		why := r.trouble()
		if !strings.Contains(why, "halted") || !strings.Contains(why, "paybell chain rescan --network "+r.network) {
			r.Errorf("it does not say what to do: %s", why)
		}
	}
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "")
	r.want(open, "pending 0/0/0/100000", "")
	r.must(watch.Rescan(r.Context(), r.db, r.network, r.world.From(r.first), r.first))
	r.look()
	r.want(b, "completed reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
	r.want(open, "timedOut 0/0/0/100000", "paymentTimedOut invoiceTimedOut")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceFlagged")
}

func shorter(r nodeRig) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "invoicePaid")
	r.world.Shorten(2)
	if why := r.trouble(); !strings.Contains(why, "behind") {
		r.Errorf("it does not say that the node is behind: %s", why)
	}
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "")
	r.world.Lengthen()
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func sameLength(r nodeRig) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
	r.world.Shorten(1)
	r.trouble()
	r.world.MineTxs()
	r.look()
	r.want(b, "paid reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoiceFlagged")
}

// shorterForGood is somebody's decision that the shorter chain is the right one.
func shorterForGood(r nodeRig) {
	b := r.bill()
	r.pay(b, due)
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	r.world.Shorten(3)
	r.trouble()
	r.must(watch.Rescan(r.Context(), r.db, r.network, r.world.From(r.first-5), r.first-5))
	r.look()
	r.want(b, "completed reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
}

// farBehind has a new chain with more blocks than one look reads, and what was taken
// back is in the last of them, spent again: no node would take it.
func farBehind(r nodeRig) {
	b := r.bill(func(d *draft) { d.address = r.world.Own() })
	a := r.pay(b, due)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
	spent, rest := r.world.Spend(a), r.world.Child(a, r.world.Other())
	r.world.Reorg(1)
	for range 150 {
		r.world.MineTxs()
	}
	r.world.MineTxs(a, spent, rest)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoiceFlagged invoiceFlagged")
}

// underWay looks all the time while the chain moves: what is seen in the middle of it
// must not be told.
func underWay(r nodeRig) {
	b, other := r.bill(), r.bill()
	a := r.pay(b, due)
	r.world.Mine(1)
	r.pay(other, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "invoicePaid")
	r.want(other, "paid 100000/100000/0/0; b 100000 mempool", "invoicePaid")
	r.world.Mine(40)
	ctx, stop := context.WithCancel(r.Context())
	looks := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			_, _ = r.watcher.Step(ctx) // a chain in the middle of a change may be trouble
		}
		looks <- n
	}()
	for i := range 15 {
		r.world.ReorgTo(41+i, a)
	}
	stop()
	r.Logf("looked %d times", <-looks)
	r.restart()
	r.look()
	for _, b := range r.bills {
		for _, n := range view(r, func(tx *store.Tx) ([]paybell.Notification, error) { return tx.History(b.id, b.told, 1000) }) {
			if b.told++; n.Event != paybell.InvoiceFlagged && n.Event != paybell.InvoiceCompleted {
				r.Errorf("told was %s", n.Event)
			}
		}
	}
	r.world.Mine(3)
	r.look()
	r.invoice(b)
	for i, b := range r.bills {
		if want := "completed 100000/100000/100000/0; " + []string{"a", "b"}[i] + " 100000 mined x3"; r.picture(r.invoice(b)) != want {
			r.Errorf("the picture is %s", r.picture(r.invoice(b)))
		}
	}
}

func catchUp(r nodeRig) {
	old := func(d *draft) { d.ago, d.window = time.Hour, 30*time.Minute }
	first := r.bill(old)
	spent := r.bill(old, func(d *draft) { d.address = r.world.Own() })
	last, none, over := r.bill(old), r.bill(old), r.bill(old, func(d *draft) { d.window = 10 * time.Minute })
	r.pay(first, due)
	r.world.Mine(100)
	b := r.pay(spent, due)
	r.world.Mine(200)
	r.world.Spend(b)
	r.world.Mine(199)
	r.pay(last, due)
	r.world.Mine(1)
	r.asleep(45 * time.Minute)
	began := time.Now()
	r.look()
	r.Logf("500 blocks in %v", time.Since(began).Round(time.Millisecond))
	r.want(first, "completed 100000/100000/100000/0; a 100000 mined x3", "invoicePaid invoiceCompleted")
	r.want(spent, "completed 100000/100000/100000/0; b 100000 mined x3", "invoicePaid invoiceCompleted")
	r.want(last, "paid 100000/100000/0/0; c 100000 mined x1", "invoicePaid")
	r.want(none, "pending 0/0/0/100000", "")
	r.want(over, "unpaid 0/0/0/100000", "paymentTimedOut")
}

// killedBetweenChunks ends a process in the middle of a batch that needs several
// transactions.
func killedBetweenChunks(r nodeRig) {
	var outputs []Output
	for range 250 {
		outputs = append(outputs, Output{r.bill().address, due})
	}
	r.name(r.world.Pay(outputs...))
	paid := func() (n int) {
		for _, b := range r.bills {
			if r.invoice(b).State == paybell.Paid {
				n++
			}
		}
		return n
	}
	before := r.cursor()
	ctx, kill := context.WithCancel(r.Context())
	defer kill()
	r.watcher.Chain = &during{r.world.Chain(), func() {
		// The first chunk is committed while the second waits for the writer.
		changed := r.db.Changed()
		go func() {
			<-changed
			_ = store.Do(context.WithoutCancel(ctx), r.db, func(*store.Tx) error { kill(); return nil })
		}()
	}}
	_, err := r.watcher.Step(ctx)
	if n := paid(); err == nil || n == 0 || n == len(r.bills) {
		r.Fatalf("%d of %d were recorded, %v; not killed in the middle", n, len(r.bills), err)
	}
	if now := r.cursor(); now.Position != before.Position || !now.ScannedAt.Equal(before.ScannedAt) {
		r.Errorf("the cursor moved: %+v", now)
	}
	r.restart()
	r.look()
	for _, b := range r.bills {
		r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	}
}

func wrongNetwork(r nodeRig) {
	right := r.watcher.Chain
	r.watcher.Chain = r.world.WrongNetwork()
	if why := r.trouble(); !strings.Contains(why, "not on bitcoin mainnet") {
		r.Errorf("it does not say what is wrong: %s", why)
	}
	r.watcher.Chain = right
	r.look()
}

func wrongPassword(r nodeRig) {
	right := r.watcher.Chain
	wrong, secret := r.world.WrongPassword()
	r.watcher.Chain = wrong
	if why := r.trouble(); !strings.Contains(why, "password") || strings.Contains(why, secret) {
		r.Errorf("it does not say what is wrong, or too much: %s", why)
	}
	r.watcher.Chain = right
	r.look()
}

func lostMempool(r nodeRig) {
	b := r.bill()
	a := r.pay(b, due)
	r.look()
	r.world.Restart()
	if r.world.Knows(a) {
		r.Fatal("the node still knows it")
	}
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	if !r.world.Knows(a) {
		r.Error("it was not broadcast again")
	}
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func killed(r nodeRig) {
	b := r.bill()
	r.pay(b, due)
	r.look()
	r.world.Kill()
	if why := r.trouble(); !strings.Contains(why, "reached") {
		r.Errorf("it does not say what is wrong: %s", why)
	}
	r.world.Restart()
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "")
	r.world.Kill() // and the two blocks are lost
	r.world.Restart()
	if why := r.trouble(); !strings.Contains(why, "behind") {
		r.Errorf("it does not say that the node is behind: %s", why)
	}
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "")
	// Another chain grows, in which the money is not yet.
	r.world.Mine(3)
	r.look()
	r.want(b, "paid reorged 100000/100000/0/0; a 100000 mempool reorged", "invoiceFlagged")
	r.world.Mine(3)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
}

func realFork(r nodeRig) {
	b, other := r.bill(), r.bill()
	a := r.pay(b, due)
	r.pay(other, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.want(other, "paid 100000/100000/0/0; b 100000 mempool", "invoicePaid")
	r.world.Apart()
	r.world.Mine(2)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "")
	// Elsewhere a is spent twice, and that chain is the longer one.
	rival := r.world.Conflict(a, r.world.Other())
	r.world.Use(1)
	r.world.MineTxs(rival)
	r.world.MineTxs()
	r.world.Use(0)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "")
	r.world.Use(1)
	r.world.MineTxs()
	r.world.Together()
	r.world.Use(0)
	r.look()
	r.want(b, "pending replaced,reorged 0/0/0/100000; a 100000 replaced for good reorged", "invoiceReverted")
	r.want(other, "paid reorged 100000/100000/0/0; b 100000 mempool reorged", "invoiceFlagged")
	// The first node holds a in its mempool for ever.
	r.world.Mine(1)
	r.look()
	r.want(b, "pending replaced,reorged 0/0/0/100000; a 100000 replaced for good reorged", "")
	r.want(other, "paid 100000/100000/0/0; b 100000 mined x1", "invoiceFlagged")
	r.world.Mine(2)
	r.look()
	r.want(other, "completed 100000/100000/100000/0; b 100000 mined x3", "invoiceCompleted")
}

func failOver(r nodeRig) {
	b := r.bill()
	r.pay(b, due)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mempool", "invoicePaid")
	r.world.Mine(1)
	r.world.Together()
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x1", "")
	r.world.Kill()
	r.world.Use(1)
	r.world.Mine(1)
	r.look()
	r.want(b, "paid 100000/100000/0/0; a 100000 mined x2", "")
	r.world.Use(0)
	r.world.Restart()
	r.world.Together()
	r.world.Use(1)
	r.world.Kill()
	r.world.Use(0)
	r.world.Mine(1)
	r.look()
	r.want(b, "completed 100000/100000/100000/0; a 100000 mined x3", "invoiceCompleted")
	r.world.Use(1)
	r.world.Restart()
	r.world.Together()
}
