package paybell

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// day0 is when every invoice of these tests is made.
var day0 = time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)

const (
	btc = "1"
)

// story plays the life of one invoice: the clock, the chains, and what was
// told. Like the store it keeps transfers whether or not a change follows, and
// everything else only as changes show it. Every call of Next is checked by
// checkNext.
type story struct {
	rapid.TB
	inv     Invoice
	now     time.Time
	scanned map[string]time.Time
	chain   []Transfer
	told    []Change // since want was last asked
	all     []Change
	copies  []Change // of all, made at once

	unchecked bool // by checkNext: the test is about something else
}

func newStory(t rapid.TB, edit ...func(*Invoice)) *story {
	draft := Invoice{
		ID: "01980000-0000-7000-8000-000000000001", MerchantID: "01980000-0000-7000-8000-00000000000a",
		ClientID: "dc6a16e545c34187ba21a9edbbe484a5",
		Bill:     Bill{Currency: "5057", Total: decimal.NewFromInt(10)},
		Window:   time.Hour, ExpiresAt: day0.Add(7 * 24 * time.Hour),
	}
	for _, f := range edit {
		f(&draft)
	}
	s := &story{TB: t, now: day0, scanned: map[string]time.Time{SandboxNetwork: day0, BitcoinNetwork: day0}}
	s.hear(Create(draft, day0))
	return s
}

func (s *story) hear(c Change) {
	s.inv = c.Invoice
	s.told, s.all, s.copies = append(s.told, c), append(s.all, c), append(s.copies, Change{c.Event, c.At, copyOf(c.Invoice)})
}

func copyOf(inv Invoice) Invoice {
	inv.Payments, inv.Transfers = slices.Clone(inv.Payments), slices.Clone(inv.Transfers)
	return inv
}

// next asks the invoice what follows from the present state of the chains.
func (s *story) next(do Command) error {
	s.Helper()
	return s.nextWith(Input{Transfers: append([]Transfer{}, s.chain...), Do: do})
}

func (s *story) nextWith(in Input) error {
	s.Helper()
	in.Scanned = maps.Clone(s.scanned)
	before := copyOf(s.inv)
	given := Input{Transfers: slices.Clone(in.Transfers), Scanned: maps.Clone(in.Scanned), Do: in.Do}
	changes, err := s.inv.Next(in, s.now)
	if !reflect.DeepEqual(s.inv, before) {
		s.Fatalf("Next changed the invoice it was called on:\n%s\nwas\n%s", show(s.inv), show(before))
	}
	if !reflect.DeepEqual(in, given) {
		s.Fatalf("Next changed its input:\n%+v\nwas\n%+v", in, given)
	}
	for _, c := range changes {
		s.hear(c)
	}
	if err == nil && in.Transfers != nil {
		s.inv.Transfers = transferSet(in.Transfers)
	}
	if !s.unchecked {
		checkNext(s.TB, before, s.inv, in, s.now, changes, err)
	}
	return err
}

// unaliased checks that changes still are what they were when they were told.
func (s *story) unaliased() {
	s.Helper()
	if !reflect.DeepEqual(s.all, s.copies) {
		for i, c := range s.all {
			if !reflect.DeepEqual(c, s.copies[i]) {
				s.Fatalf("%s of version %d changed after it was told: %s\nwas %s", c.Event, c.Invoice.Version, show(c.Invoice), show(s.copies[i].Invoice))
			}
		}
	}
}

// pass lets time go by, without looking at any chain.
func (s *story) pass(d time.Duration) { s.now = s.now.Add(d) }

// look scans every network, and lets the invoice follow.
func (s *story) look() {
	s.Helper()
	for network := range s.scanned {
		s.scanned[network] = s.now
	}
	s.must(s.next(nil))
}

func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected: %v", err)
	}
}

// refuse asks for something that has to be a conflict.
func (s *story) refuse(do Command) {
	s.Helper()
	if err := s.next(do); CodeOf(err) != Conflict || err == nil {
		s.Fatalf("%T gave %v, want a conflict", do, err)
	}
}

// draftPayment is the next payment to open: 100 units of coin, nothing missing
// allowed, paid at once and completed with 3 confirmations.
func (s *story) draftPayment(coin string, edit ...func(*Payment)) Payment {
	n := len(s.inv.Payments) + 1
	p := Payment{
		ID: fmt.Sprintf("p%d", n), Currency: coin, Network: SandboxNetwork, Address: fmt.Sprintf("address%d", n),
		Test: coin == LTCT, Due: NewUnits(100), Rate: decimal.New(1, -7), CompletedAfter: 3,
	}
	if coin == btc {
		p.Network = BitcoinNetwork
	}
	for _, f := range edit {
		f(&p)
	}
	return p
}

// open chooses a coin and returns the payment's id.
func (s *story) open(coin string, edit ...func(*Payment)) string {
	s.Helper()
	p := s.draftPayment(coin, edit...)
	s.must(s.next(Open{Payment: p}))
	return p.ID
}

func (s *story) payment(id string) Payment {
	s.Helper()
	i := slices.IndexFunc(s.inv.Payments, func(p Payment) bool { return p.ID == id })
	if i < 0 {
		s.Fatalf("no payment %s", id)
	}
	return s.inv.Payments[i]
}

// send puts a new transfer into the mempool and returns its name. The last scan
// of the network did not find it.
func (s *story) send(paymentID string, amount Units) string {
	s.Helper()
	p := s.payment(paymentID)
	t := Transfer{
		Network: p.Network, TxID: fmt.Sprintf("tx%02d", len(s.chain)+1), Asset: p.Currency, Address: p.Address, Amount: amount,
		Status: Mempool, PaymentID: p.ID, SeenAt: s.now, AbsentAt: s.scanned[p.Network],
	}
	s.chain = append(s.chain, t)
	return t.TxID
}

// pay sends a transfer and looks at it.
func (s *story) pay(paymentID string, amount uint64) string {
	s.Helper()
	tx := s.send(paymentID, NewUnits(amount))
	s.look()
	return tx
}

// turn changes one transfer, and looks at it.
func (s *story) turn(tx string, status TransferStatus, confirmations int, reorged bool) {
	s.Helper()
	i := slices.IndexFunc(s.chain, func(t Transfer) bool { return t.TxID == tx })
	s.chain[i].Status, s.chain[i].Confirmations, s.chain[i].Reorged = status, confirmations, reorged
	s.look()
}

func (s *story) mine(tx string, confirmations int) {
	s.Helper()
	s.turn(tx, Mined, confirmations, false)
}
func (s *story) replace(tx string) { s.Helper(); s.turn(tx, Replaced, 0, false) }
func (s *story) drop(tx string)    { s.Helper(); s.turn(tx, Dropped, 0, false) }
func (s *story) reorg(tx string)   { s.Helper(); s.turn(tx, Mempool, 0, true) }

// want compares the events told since it was last asked.
func (s *story) want(state State, flags Flags, events ...Event) {
	s.Helper()
	var got []Event
	for _, c := range s.told {
		got = append(got, c.Event)
	}
	if !slices.Equal(got, events) {
		s.Fatalf("told %v, want %v", got, events)
	}
	if s.inv.State != state || s.inv.Flags != flags {
		s.Fatalf("the invoice is %s %v, want %s %v", s.inv.State, s.inv.Flags.Names(), state, flags.Names())
	}
	s.told = nil
	s.unaliased()
}

// picture is what an invoice should look like, worked out from DESIGN section 2
// by other code than the product's: sums are big integers, nothing is cached.
type picture struct {
	state                     State // as the facts give it; an invoice that was completed stays so
	flags                     Flags
	seen, counted, confirmed  []*big.Int // per payment
	states                    []State    // per payment
	paid, standing, ruleMayDo bool       // paid: the seen money pays it; ruleMayDo: some payment is full, late money and all
}

var most = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

func bigUnits(u Units) *big.Int {
	n, ok := new(big.Int).SetString(u.String(), 10)
	if !ok {
		panic("not a number: " + u.String())
	}
	return n
}

func sumOf(transfers []Transfer, is func(Transfer) bool) *big.Int {
	sum := new(big.Int)
	for _, t := range transfers {
		if (t.Status == Mempool || t.Status == Mined) && is(t) {
			sum.Add(sum, bigUnits(t.Amount))
		}
	}
	if sum.Cmp(most) > 0 {
		sum.Set(most)
	}
	return sum
}

func pictureOf(inv Invoice) picture {
	var pic picture
	closed := !inv.CancelledAt.IsZero() || !inv.TimedOutAt.IsZero()
	isLate := func(p Payment, t Transfer) bool { return closed || !t.AbsentAt.Before(p.ExpiresAt) }
	enoughOf := func(p Payment) *big.Int {
		if p.Tolerance.IsZero() || p.Tolerance.Cmp(p.Due) >= 0 {
			return bigUnits(p.Due)
		}
		return new(big.Int).Sub(bigUnits(p.Due), bigUnits(p.Tolerance))
	}
	seenOf := func(p Payment) *big.Int {
		return sumOf(inv.Transfers, func(t Transfer) bool { return t.PaymentID == p.ID })
	}
	// Late money counts once it was accepted, as long as all of that is there.
	isCounted := func(p Payment, t Transfer) bool {
		return t.PaymentID == p.ID && (!isLate(p, t) || !p.Accepted.IsZero() && seenOf(p).Cmp(bigUnits(p.Accepted)) >= 0)
	}
	// pays: some payment is paid in full by money this deep, or all that was accepted is.
	pays := func(deep func(Payment) int) bool {
		anyAccepted, allKept := false, true
		for _, p := range inv.Payments {
			sum := sumOf(inv.Transfers, func(t Transfer) bool {
				return isCounted(p, t) && t.Confirmations >= deep(p)
			})
			if sum.Sign() > 0 && sum.Cmp(enoughOf(p)) >= 0 {
				return true
			}
			if !p.Accepted.IsZero() {
				anyAccepted, allKept = true, allKept && sum.Cmp(bigUnits(p.Accepted)) >= 0
			}
		}
		return anyAccepted && allKept
	}
	pic.paid = pays(func(Payment) int { return 0 })
	paid, completed := pays(func(p Payment) int { return p.PaidAfter }), pays(func(p Payment) int { return p.CompletedAfter })
	withMoney, anyCounted, anyOpen := 0, false, false
	for _, p := range inv.Payments {
		deep := func(n int) *big.Int {
			return sumOf(inv.Transfers, func(t Transfer) bool { return isCounted(p, t) && t.Confirmations >= n })
		}
		seen, counted := seenOf(p), deep(0)
		pic.seen, pic.counted, pic.confirmed = append(pic.seen, seen), append(pic.counted, counted), append(pic.confirmed, deep(p.CompletedAfter))
		if seen.Sign() > 0 {
			withMoney++
		}
		anyCounted = anyCounted || counted.Sign() > 0
		anyOpen = anyOpen || p.TimedOutAt.IsZero()
		if counted.Cmp(bigUnits(p.Due.Add(p.Tolerance))) > 0 {
			pic.flags |= Overpaid
		}
		if !p.Accepted.IsZero() {
			pic.flags |= AcceptedAsIs
		}
		if seen.Sign() > 0 && seen.Cmp(enoughOf(p)) >= 0 {
			pic.ruleMayDo = true
		}
		if sumOf(inv.Transfers, func(t Transfer) bool { return t.PaymentID == p.ID && isLate(p, t) }).Sign() > 0 {
			pic.flags |= Late
		}
		// A payment needs no more than pays it, and no more than was accepted.
		asked := enoughOf(p)
		if a := bigUnits(p.Accepted); a.Sign() > 0 && a.Cmp(asked) < 0 {
			asked = a
		}
		switch {
		case deep(p.CompletedAfter).Cmp(asked) >= 0:
			pic.states = append(pic.states, Completed)
		case deep(p.PaidAfter).Cmp(asked) >= 0:
			pic.states = append(pic.states, Paid)
		case counted.Sign() > 0:
			pic.states = append(pic.states, Pending)
		case !inv.CancelledAt.IsZero():
			pic.states = append(pic.states, Cancelled)
		case !p.TimedOutAt.IsZero() || !inv.TimedOutAt.IsZero():
			pic.states = append(pic.states, TimedOut)
		default:
			pic.states = append(pic.states, Unpaid)
		}
	}
	for _, t := range inv.Transfers {
		pic.standing = pic.standing || sumOf([]Transfer{t}, func(Transfer) bool { return true }).Sign() > 0
		if t.Status == Replaced && !pic.paid {
			pic.flags |= ReplacedFlag
		}
		if t.Reorged && t.Status != Mined && !completed {
			pic.flags |= ReorgedFlag
		}
	}
	if withMoney > 1 {
		pic.flags |= Multiple
	}
	if anyCounted && !pic.paid {
		pic.flags |= Underpaid
	}
	switch {
	case completed:
		pic.state = Completed
	case paid:
		pic.state = Paid
	case anyCounted:
		pic.state = Pending
	case !inv.CancelledAt.IsZero():
		pic.state = Cancelled
	case !inv.TimedOutAt.IsZero():
		pic.state = TimedOut
	case anyOpen:
		pic.state = Pending
	default:
		pic.state = Unpaid
	}
	return pic
}

// checkNext holds one call of Next to everything that is promised of it. after
// is the invoice as the store has it then.
func checkNext(t rapid.TB, before, after Invoice, in Input, now time.Time, changes []Change, err error) {
	t.Helper()
	if err != nil {
		if len(changes) > 0 || in.Do == nil || CodeOf(err) != Conflict && CodeOf(err) != Invalid {
			t.Fatalf("error %v with %d changes for %T", err, len(changes), in.Do)
		}
		return
	}
	prev := before
	for _, c := range changes {
		checkStep(t, prev, c, in, now)
		prev = c.Invoice
	}
	checkFacts(t, after)
	checkClocks(t, after, in.Scanned, now)
	if _, ok := in.Do.(Accept); ok {
		for i, p := range after.Payments {
			if bigUnits(p.Accepted).Cmp(pictureOf(after).seen[i]) != 0 {
				t.Fatalf("Accept said yes, but of payment %s %s is accepted and %s stands; %d changes; %s", p.ID, p.Accepted, pictureOf(after).seen[i], len(changes), show(after))
			}
		}
	}
	again, err := after.Next(Input{Transfers: in.Transfers, Scanned: in.Scanned}, now)
	if err != nil || len(again) > 0 {
		t.Fatalf("the same facts again gave %d changes, %v: %s", len(again), err, show(after))
	}
}

// checkStep holds one change to what its event means.
func checkStep(t rapid.TB, prev Invoice, c Change, in Input, now time.Time) {
	t.Helper()
	inv := c.Invoice
	fail := func(why string) {
		t.Helper()
		t.Fatalf("%s of version %d, %s -> %s: %s\nbefore %s\nafter  %s", c.Event, inv.Version, prev.State, inv.State, why, show(prev), show(inv))
	}
	if inv.Version != prev.Version+1 || !c.At.Equal(now) {
		fail("the version is not the next, or the time is not now")
	}
	if prev.State == Completed && inv.State != Completed {
		fail("completed was left")
	}
	if (inv.State == Paid || inv.State == Completed) == inv.PaidAt.IsZero() || (inv.State == Completed) == inv.CompletedAt.IsZero() {
		fail("PaidAt or CompletedAt do not belong to the state")
	}
	if inv.State == Cancelled && inv.CancelledAt.IsZero() || inv.State == TimedOut && inv.TimedOutAt.IsZero() ||
		!prev.CancelledAt.IsZero() && inv.CancelledAt != prev.CancelledAt || !prev.TimedOutAt.IsZero() && inv.TimedOutAt != prev.TimedOutAt {
		fail("CancelledAt or TimedOutAt do not belong to the state, or moved")
	}
	// Test money makes a test; real money alone does not; before money the coin counts
	// that was chosen last.
	want, money := prev.Test, false
	for _, p := range inv.Payments {
		if p.Seen.IsZero() {
			continue
		}
		want, money = money && want || p.Test, true
	}
	if n := len(inv.Payments); !money && n > 0 {
		want = inv.Payments[n-1].Test
	}
	if inv.Test != want {
		fail(fmt.Sprintf("it is a test: %v, its payments and their money make that %v", inv.Test, want))
	}
	pic, before := pictureOf(inv), pictureOf(prev)
	if inv.Flags != pic.flags {
		fail(fmt.Sprintf("the flags are %v, the facts give %v", inv.Flags.Names(), pic.flags.Names()))
	}
	newPayments, newTimedOut, moneyMoved := len(inv.Payments)-len(prev.Payments), 0, false
	for i, p := range prev.Payments {
		q := inv.Payments[i]
		if p.TimedOutAt != q.TimedOutAt {
			newTimedOut++
		}
		moneyMoved = moneyMoved || p.Seen != q.Seen || p.Accepted != q.Accepted || pic.counted[i].Cmp(before.counted[i]) != 0
		if termsOf(p) != termsOf(q) {
			fail("the terms of a payment are not what they were")
		}
	}
	was := prev
	was.Transfers = inv.Transfers // what counted before the step
	for i, p := range prev.Payments {
		_, asked := in.Do.(Accept)
		byRule := inv.AcceptLate && inv.CancelledAt.IsZero() && !pictureOf(was).paid && inv.Payments[i].Accepted.Cmp(p.enough()) >= 0
		if p.Accepted != inv.Payments[i].Accepted && (prev.State == Completed || !asked && !byRule) {
			fail("money was accepted that nobody and no rule accepts")
		}
	}
	countedBefore := slices.ContainsFunc(pictureOf(was).counted, func(n *big.Int) bool { return n.Sign() > 0 })
	open := prev.State == Unpaid || prev.State == Pending
	var ok bool
	switch c.Event {
	case PaymentCreated:
		_, asked := in.Do.(Open)
		ok = asked && newPayments == 1 && inv.State == prev.State
	case InvoicePending:
		ok = inv.State == Pending && prev.State != Paid && (prev.State != Pending || moneyMoved)
	case InvoicePaid:
		ok = inv.State == Paid && prev.State != Paid
	case InvoiceCompleted:
		ok = inv.State == Completed && prev.State == Paid
	case InvoiceCancelled:
		_, asked := in.Do.(Cancel)
		ok = asked && open && inv.State == Cancelled && !countedBefore
	case PaymentTimedOut:
		ok = open && newTimedOut == 1 && (inv.State == Unpaid || inv.State == Pending)
		for i, p := range inv.Payments {
			if p.TimedOutAt != prev.Payments[i].TimedOutAt && (in.Scanned[p.Network].Before(p.ExpiresAt) || pic.counted[i].Sign() > 0) {
				fail("a window ended before the chain was scanned past it, or with money")
			}
		}
	case InvoiceTimedOut:
		ok = open && inv.State == TimedOut && !pic.standing && !now.Before(inv.ExpiresAt)
		for _, p := range inv.Payments {
			ok = ok && !in.Scanned[p.Network].Before(inv.ExpiresAt)
		}
	case InvoiceReverted:
		ok = inv.State.rank() < prev.State.rank()
	case InvoiceFlagged:
		ok = inv.State == prev.State && (inv.Flags != prev.Flags || moneyMoved)
	}
	if !ok || c.Event != PaymentCreated && newPayments != 0 || c.Event != PaymentTimedOut && newTimedOut != 0 {
		fail("this is not what the event means")
	}
}

// termsOf is what of a payment is fixed when it is opened.
func termsOf(p Payment) Payment {
	return Payment{
		ID: p.ID, Currency: p.Currency, Network: p.Network, Address: p.Address, Due: p.Due, Tolerance: p.Tolerance, Rate: p.Rate, RefundEmail: p.RefundEmail,
		PaidAfter: p.PaidAfter, CompletedAfter: p.CompletedAfter, OpenedAt: p.OpenedAt, ExpiresAt: p.ExpiresAt,
	}
}

// show is an invoice in few words, for failures; moments are since day0.
func show(inv Invoice) string {
	since := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return at.Sub(day0).String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{v%d %s %v expires %s cancelled %s timedOut %s acceptLate %v", inv.Version, inv.State, inv.Flags.Names(),
		since(inv.ExpiresAt), since(inv.CancelledAt), since(inv.TimedOutAt), inv.AcceptLate)
	for _, p := range inv.Payments {
		fmt.Fprintf(&b, "\n  [%s due %s tolerance %s after %d,%d expires %s timedOut %s seen %s accepted %s", p.ID, p.Due, p.Tolerance,
			p.PaidAfter, p.CompletedAfter, since(p.ExpiresAt), since(p.TimedOutAt), p.Seen, p.Accepted)
		for _, tr := range inv.Transfers {
			if tr.PaymentID == p.ID {
				fmt.Fprintf(&b, "\n    (%s %s %s %d reorged %v absent %s)", tr.TxID, tr.Amount, tr.Status, tr.Confirmations, tr.Reorged, since(tr.AbsentAt))
			}
		}
		b.WriteString("]")
	}
	return b.String() + "}"
}

// checkFacts holds an invoice to what its transfers say.
func checkFacts(t rapid.TB, inv Invoice) {
	t.Helper()
	pic := pictureOf(inv)
	if inv.State != pic.state && inv.State != Completed {
		t.Fatalf("the invoice is %s, the facts give %s: %s", inv.State, pic.state, show(inv))
	}
	if inv.Flags != pic.flags || inv.Flags != inv.flags() {
		t.Fatalf("the flags are %v, the facts give %v: %s", inv.Flags.Names(), pic.flags.Names(), show(inv))
	}
	for i, p := range inv.Payments {
		m := inv.Money(p)
		if bigUnits(p.Seen).Cmp(pic.seen[i]) != 0 || m.Seen != p.Seen || bigUnits(m.Counted).Cmp(pic.counted[i]) != 0 || bigUnits(m.Confirmed).Cmp(pic.confirmed[i]) != 0 {
			t.Fatalf("payment %s: Seen %s, Money %+v; the facts give %s seen, %s counted, %s confirmed: %s",
				p.ID, p.Seen, m, pic.seen[i], pic.counted[i], pic.confirmed[i], show(inv))
		}
		ahead := inv.State != Completed && pic.states[i] == Completed // it may wait for its invoice, and should
		if got := inv.PaymentState(p); got != pic.states[i] && (!ahead || got != Paid) {
			t.Fatalf("payment %s of an invoice that is %s is %s, the facts give %s: %s", p.ID, inv.State, got, pic.states[i], show(inv))
		}
	}
	if inv.AcceptLate && pic.ruleMayDo && !pic.paid && inv.CancelledAt.IsZero() && inv.State != Completed {
		t.Fatalf("the rule should have accepted the late money: %s", show(inv))
	}
}

// checkClocks checks that what is over is over, and that NextDue names the
// first moment at which time alone does something.
func checkClocks(t rapid.TB, inv Invoice, scanned map[string]time.Time, now time.Time) {
	t.Helper()
	pic := pictureOf(inv)
	if inv.State == Unpaid || inv.State == Pending {
		lifetimeOver := !now.Before(inv.ExpiresAt) && !pic.standing
		for i, p := range inv.Payments {
			if p.Open() && pic.counted[i].Sign() == 0 && !scanned[p.Network].Before(p.ExpiresAt) {
				t.Fatalf("the window of %s is over, it has no money and is still open: %s", p.ID, show(inv))
			}
			lifetimeOver = lifetimeOver && !scanned[p.Network].Before(inv.ExpiresAt)
		}
		if lifetimeOver {
			t.Fatalf("the lifetime is over, no money stands, and the invoice did not time out: %s", show(inv))
		}
	}
	at, network := inv.NextDue(scanned)
	everywhere := func(at time.Time) map[string]time.Time {
		m := map[string]time.Time{}
		for n, was := range scanned {
			m[n] = at
			if was.After(at) {
				m[n] = was
			}
		}
		return m
	}
	if at.IsZero() {
		if c, _ := inv.Next(Input{Scanned: everywhere(now.Add(1e6 * time.Hour))}, now.Add(1e6*time.Hour)); len(c) > 0 {
			t.Fatalf("NextDue says never, but time changes it: %s of %s", c[0].Event, show(inv))
		}
		return
	}
	late := now
	if at.After(now) {
		late = at
	}
	if c, _ := inv.Next(Input{Scanned: everywhere(at)}, late); len(c) == 0 {
		t.Fatalf("NextDue says %v, but nothing happens then: %s", at, show(inv))
	}
	if early := at.Add(-1); !now.After(early) {
		if c, _ := inv.Next(Input{Scanned: everywhere(early)}, early); len(c) > 0 {
			t.Fatalf("NextDue says %v, but %s comes before: %s", at, c[0].Event, show(inv))
		}
	}
	behind := slices.ContainsFunc(inv.Payments, func(p Payment) bool { return scanned[p.Network].Before(at) })
	if network != "" && behind && !scanned[network].Before(at) {
		t.Fatalf("NextDue waits for %s, which was scanned; another network was not: %s", network, show(inv))
	}
	if network == "" && len(inv.Payments) > 0 {
		t.Fatalf("NextDue waits for no network, but the invoice has payments: %s", show(inv))
	}
}

// TestEveryLife plays random lives over the full space of what can happen and
// holds every call of Next to checkNext.
//

// TestPaymentStateOfAcceptedSurplus, TestAcceptedAndGone and, in some thousand
// lives, TestCommandMeetsThePresentFacts.
func TestEveryLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStory(t, func(inv *Invoice) {
			inv.AcceptLate = rapid.Bool().Draw(t, "acceptLate")
			inv.Window = rapid.SampledFrom([]time.Duration{time.Hour, 8 * 24 * time.Hour, 0}).Draw(t, "window")
		})
		t.Repeat(map[string]func(*rapid.T){
			"open":     s.randomOpen,
			"send":     s.randomSend,
			"turn":     s.randomTurn,
			"bump":     s.randomBump,
			"block":    s.randomBlock,
			"time":     s.randomTime,
			"commands": s.randomCommand,
			"look":     s.randomLook,
		})
		s.unaliased()
	})
}

func (s *story) randomOpen(t *rapid.T) {
	if len(s.inv.Payments) == 3 {
		t.Skip("payments enough")
	}
	due := NewUnits(rapid.SampledFrom([]uint64{100, 1, 3, 1 << 62, 0}).Draw(t, "due"))
	if rapid.IntRange(0, 20).Draw(t, "greatest amount") == 20 {
		due = greatest
	}
	bp := rapid.SampledFrom([]int{0, 100, 777, 10_000}).Draw(t, "tolerance")
	p := s.draftPayment(rapid.SampledFrom([]string{LTCT, btc}).Draw(t, "coin"), func(p *Payment) {
		p.Due, p.Tolerance = due, due.Share(bp)
		p.randomDepths(t)
	})
	_ = s.next(Open{Payment: p})
}

// randomDepths keeps what Policy.Required promises: completed never asks for
// less than paid.
func (p *Payment) randomDepths(t *rapid.T) {
	p.PaidAfter = rapid.IntRange(0, 2).Draw(t, "paidAfter")
	p.CompletedAfter = max(p.PaidAfter, rapid.IntRange(1, 4).Draw(t, "completedAfter"))
}

// greatest is 2^256-1.
var greatest, _ = ParseUnits("115792089237316195423570985008687907853269984665640564039457584007913129639935")

func (s *story) randomPayment(t *rapid.T) Payment {
	if len(s.inv.Payments) == 0 {
		t.Skip("no payment")
	}
	return s.inv.Payments[rapid.IntRange(0, len(s.inv.Payments)-1).Draw(t, "payment")]
}

// randomSend makes a transfer; it is told now or with what comes later. It may
// have been there for longer than the last scan knows, or the payment's time
// may be over for it.
func (s *story) randomSend(t *rapid.T) {
	p := s.randomPayment(t)
	one, half := NewUnits(1), p.Due.Share(5_000)
	amount := rapid.SampledFrom([]Units{
		p.Due, half, p.Due.Sub(half), one, p.Due.Sub(one), p.Due.Add(one), p.Due.Sub(p.Tolerance), p.Due.Sub(p.Tolerance).Sub(one),
		p.Due.Add(p.Tolerance), p.Due.Add(p.Tolerance).Add(one), greatest, {},
	}).Draw(t, "amount")
	s.send(p.ID, amount)
	last := &s.chain[len(s.chain)-1]
	last.AbsentAt = rapid.SampledFrom([]time.Time{last.AbsentAt, last.AbsentAt, {}, p.ExpiresAt, p.ExpiresAt.Add(-1)}).Draw(t, "absentAt")
	s.randomLook(t)
}

// randomTurn lets a transfer be confirmed, replaced, dropped, taken back with
// its block, mined again, or return.
func (s *story) randomTurn(t *rapid.T) {
	if len(s.chain) == 0 {
		t.Skip("no transfer")
	}
	tr := &s.chain[rapid.IntRange(0, len(s.chain)-1).Draw(t, "transfer")]
	tr.Status = rapid.SampledFrom([]TransferStatus{Mined, Mempool, Replaced, Dropped}).Draw(t, "status")
	tr.Confirmations, tr.Reorged = 0, tr.Reorged || rapid.Bool().Draw(t, "reorged")
	if tr.Status == Mined {
		tr.Confirmations = rapid.IntRange(1, 5).Draw(t, "confirmations") // a chain may leave Reorged set; it means nothing now
	}
	s.randomLook(t)
}

// randomBump replaces a transfer by one that pays the same.
func (s *story) randomBump(t *rapid.T) {
	if len(s.chain) == 0 {
		t.Skip("no transfer")
	}
	i := rapid.IntRange(0, len(s.chain)-1).Draw(t, "transfer")
	s.chain[i].Status, s.chain[i].Confirmations = Replaced, 0
	s.send(s.chain[i].PaymentID, s.chain[i].Amount)
	s.randomLook(t)
}

func (s *story) randomBlock(t *rapid.T) {
	for i := range s.chain {
		tr := &s.chain[i]
		switch {
		case tr.Status == Mined:
			tr.Confirmations++
		case tr.Status == Mempool && rapid.Bool().Draw(t, "mined"):
			tr.Status, tr.Confirmations, tr.Reorged = Mined, 1, false
		}
	}
	s.randomLook(t)
}

func (s *story) randomTime(t *rapid.T) {
	s.pass(rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}).Draw(t, "pass"))
	for _, network := range []string{SandboxNetwork, BitcoinNetwork} {
		if rapid.Bool().Draw(t, "scan "+network) {
			s.scanned[network] = s.now
		}
	}
	s.randomLook(t)
}

func (s *story) randomCommand(t *rapid.T) {
	_ = s.next(rapid.SampledFrom([]Command{Accept{}, Cancel{}}).Draw(t, "command"))
}

// randomLook asks with the whole set in some order, some of it twice and older,
// or with nothing new, or not at all.
func (s *story) randomLook(t *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(t, "look") {
	case 0:
		return
	case 1:
		s.must(s.nextWith(Input{}))
		return
	}
	set := rapid.Permutation(s.chain).Draw(t, "order")
	for _, tr := range s.chain {
		if rapid.IntRange(0, 4).Draw(t, "twice") == 4 {
			tr.Status, tr.Confirmations = Mempool, 0
			set = append([]Transfer{tr}, set...)
		}
	}
	s.must(s.nextWith(Input{Transfers: append([]Transfer{}, set...)}))
}

// history is how a transfer came to be what it is: older versions, then the
// final one.
type history []Transfer

func randomHistory(t *rapid.T, p Payment, n int) history {
	final := Transfer{
		Network: p.Network, TxID: fmt.Sprintf("tx%02d", n), Asset: p.Currency, Address: p.Address, PaymentID: p.ID, SeenAt: day0,
		Amount:   rapid.SampledFrom([]Units{NewUnits(100), NewUnits(50), NewUnits(99), NewUnits(1), NewUnits(200)}).Draw(t, "amount"),
		AbsentAt: rapid.SampledFrom([]time.Time{day0, p.ExpiresAt}).Draw(t, "absentAt"),
	}
	var h history
	for range rapid.IntRange(1, 4).Draw(t, "versions") {
		final.Status = rapid.SampledFrom([]TransferStatus{Mined, Mempool, Replaced, Dropped}).Draw(t, "status")
		final.Confirmations, final.Reorged = 0, rapid.Bool().Draw(t, "reorged")
		if final.Status == Mined {
			final.Confirmations, final.Reorged = rapid.IntRange(1, 4).Draw(t, "confirmations"), false
		}
		h = append(h, final)
	}
	return h
}

// tell plays histories to a copy of s, in random order and groups, some of it
// again and again, with act in between, and ends with the whole final set.
func (s *story) tell(t *rapid.T, histories []history, act func(*story)) *story {
	told := *s
	told.scanned, told.told = maps.Clone(s.scanned), nil
	told.all, told.copies = slices.Clone(s.all), slices.Clone(s.copies)
	at := make([]int, len(histories)) // versions told so far
	for range rapid.IntRange(0, 8).Draw(t, "looks") {
		told.chain = nil
		for i, h := range histories {
			if at[i] < len(h) && rapid.Bool().Draw(t, "moves") {
				at[i]++
			}
			if at[i] > 0 {
				told.chain = append(told.chain, h[at[i]-1])
			}
		}
		told.chain = rapid.Permutation(told.chain).Draw(t, "order")
		told.must(told.next(nil))
		act(&told)
	}
	told.chain = nil
	for _, h := range histories {
		told.chain = append(told.chain, h[len(h)-1])
	}
	told.chain = rapid.Permutation(told.chain).Draw(t, "order")
	for range rapid.IntRange(1, 3).Draw(t, "times") {
		told.must(told.next(nil))
	}
	return &told
}

// twoTellings makes an invoice with payments and two ways in which the same
// final set of transfers came to it.
func twoTellings(t *rapid.T, acceptLate bool, act func(*story)) (a, b *story) {
	s := newStory(t, func(inv *Invoice) { inv.AcceptLate = acceptLate })
	for i := range rapid.IntRange(1, 2).Draw(t, "payments") {
		s.open([]string{LTCT, btc}[i], func(p *Payment) {
			p.Tolerance = NewUnits(rapid.Uint64Range(0, 1).Draw(t, "tolerance"))
			p.randomDepths(t)
		})
	}
	var histories []history
	for i := range rapid.IntRange(0, 5).Draw(t, "transfers") {
		histories = append(histories, randomHistory(t, s.randomPayment(t), i))
	}
	return s.tell(t, histories, act), s.tell(t, histories, act)
}

// sameMoney compares the money picture of two invoices.
func sameMoney(t rapid.TB, a, b Invoice) {
	t.Helper()
	for i, p := range a.Payments {
		q := b.Payments[i]
		if a.Money(p) != b.Money(q) {
			t.Fatalf("payment %s has %+v one way and %+v the other", p.ID, a.Money(p), b.Money(q))
		}
	}
	if a.Flags != b.Flags {
		t.Fatalf("the flags are %v one way and %v the other:\n%s\n%s", a.Flags.Names(), b.Flags.Names(), show(a), show(b))
	}
}

// TestOrderOfSightings: without a cancel, an accept and the lifetime's end, the
// way to one final set of transfers leaves no trace, but for completed, which
// stays, and windows that ended on the way.
func TestOrderOfSightings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := twoTellings(t, false, func(s *story) {
			s.pass(rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "pass"))
			if rapid.Bool().Draw(t, "scan") {
				s.scanned[SandboxNetwork] = s.now
			}
		})
		for _, s := range []*story{a, b} {
			s.now = day0.Add(24 * time.Hour)
			s.look() // both windows are over now, if they got nothing
		}
		sameMoney(t, a.inv, b.inv)
		if a.inv.State != b.inv.State && a.inv.State != Completed && b.inv.State != Completed {
			t.Fatalf("the state is %s one way and %s the other", a.inv.State, b.inv.State)
		}
	})
}

// TestOrderOfCommands: what was cancelled, timed out or accepted on the way is
// the only thing that two invoices with one final set of transfers differ by.
// What was seen is always the same.
//

// TestAcceptedAndGone.
func TestOrderOfCommands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		acceptLate := rapid.Bool().Draw(t, "acceptLate")
		a, b := twoTellings(t, acceptLate, func(s *story) {
			switch rapid.IntRange(0, 5).Draw(t, "act") {
			case 0:
				_ = s.next(Cancel{})
			case 1:
				_ = s.next(Accept{})
			case 2:
				s.pass(rapid.SampledFrom([]time.Duration{time.Hour, 8 * 24 * time.Hour}).Draw(t, "pass"))
				s.look()
			}
		})
		same := a.inv.CancelledAt.IsZero() == b.inv.CancelledAt.IsZero() && a.inv.TimedOutAt.IsZero() == b.inv.TimedOutAt.IsZero()
		windows := true
		for i, p := range a.inv.Payments {
			q := b.inv.Payments[i]
			if p.Seen != q.Seen {
				t.Fatalf("payment %s has seen %s one way and %s the other", p.ID, p.Seen, q.Seen)
			}
			same = same && p.Accepted == q.Accepted
			windows = windows && p.Open() == q.Open()
		}
		if a.inv.Flags&Multiple != b.inv.Flags&Multiple {
			t.Fatal("multiple depends on more than what was seen")
		}
		if !same {
			return
		}
		sameMoney(t, a.inv, b.inv)
		if windows && a.inv.State != b.inv.State && a.inv.State != Completed && b.inv.State != Completed {
			t.Fatalf("the state is %s one way and %s the other:\n%s\n%s", a.inv.State, b.inv.State, show(a.inv), show(b.inv))
		}
	})
}

func TestCreate(t *testing.T) {
	s := newStory(t)
	if c := s.told[0]; c.Invoice.Version != 1 || !c.At.Equal(day0) || !c.Invoice.CreatedAt.Equal(day0) {
		t.Errorf("created %+v", c)
	}
	s.want(Unpaid, 0, InvoiceCreated)
	s.look()
	s.want(Unpaid, 0)
}

// The flowchart of the seed.
func TestFlowchart(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.want(Pending, 0, InvoiceCreated, PaymentCreated, InvoicePending)
	tx := s.pay(p, 100)
	s.want(Paid, 0, InvoicePaid)
	s.mine(tx, 1)
	s.mine(tx, 2)
	s.want(Paid, 0)
	s.mine(tx, 3)
	s.want(Completed, 0, InvoiceCompleted)
	s.mine(tx, 4)
	s.pass(30 * 24 * time.Hour)
	s.look()
	s.want(Completed, 0)
}

func TestPartialThenRest(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	first := s.pay(p, 40)
	s.want(Pending, Underpaid, InvoicePending)
	if m := s.inv.Money(s.payment(p)); m.Missing != NewUnits(60) || m.Counted != NewUnits(40) {
		t.Errorf("money %+v", m)
	}
	s.pass(2 * time.Hour)
	s.look()
	s.want(Pending, Underpaid) // money keeps the window open
	rest := s.send(p, NewUnits(60))
	s.chain[1].AbsentAt = day0 // the node was away: nobody is late for that
	s.look()
	s.want(Paid, 0, InvoicePaid)
	s.mine(first, 3)
	s.want(Paid, 0) // every counted transfer has to be confirmed
	s.mine(rest, 3)
	s.want(Completed, 0, InvoiceCompleted)
}

// What comes after the window is held, also when it is the rest of a payment
// that began in time.
func TestPartialThenLateRest(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pay(p, 40)
	s.pass(2 * time.Hour)
	s.look()
	s.told = nil
	s.pay(p, 60)
	s.want(Pending, Underpaid|Late, InvoicePending)
	if m := s.inv.Money(s.payment(p)); m.Seen != NewUnits(100) || m.Counted != NewUnits(40) || m.Missing != NewUnits(60) {
		t.Errorf("money %+v", m)
	}
	s.must(s.next(Accept{}))
	s.want(Paid, Late|AcceptedAsIs, InvoicePaid)
}

func TestOver(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	tx := s.pay(p, 150)
	s.want(Paid, Overpaid, InvoicePaid)
	s.mine(tx, 3)
	s.want(Completed, Overpaid, InvoiceCompleted)
	s.pay(p, 1)
	s.want(Completed, Overpaid, InvoiceFlagged) // more money is told also when no flag changes
}

func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		tolerance, amount uint64
		state             State
		flags             Flags
		missing           uint64
	}{
		{0, 99, Pending, Underpaid, 1},
		{0, 100, Paid, 0, 0},
		{0, 101, Paid, Overpaid, 0},
		{1, 98, Pending, Underpaid, 2},
		{1, 99, Paid, 0, 0},
		{1, 101, Paid, 0, 0},
		{1, 102, Paid, Overpaid, 0},
		{7, 92, Pending, Underpaid, 8},
		{7, 93, Paid, 0, 0},
		{100, 99, Pending, Underpaid, 1}, // a tolerance of everything is none
		{200, 99, Pending, Underpaid, 1},
	} {
		s := newStory(t)
		p := s.open(LTCT, func(p *Payment) { p.Tolerance = NewUnits(c.tolerance) })
		s.pay(p, c.amount)
		if m := s.inv.Money(s.payment(p)); s.inv.State != c.state || s.inv.Flags != c.flags || m.Missing != NewUnits(c.missing) {
			t.Errorf("%d of 100 with tolerance %d: %s %v, missing %s; want %s %v, %d",
				c.amount, c.tolerance, s.inv.State, s.inv.Flags.Names(), m.Missing, c.state, c.flags.Names(), c.missing)
		}
	}
}

func TestLateAfterWindow(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pass(time.Hour)
	s.look()
	s.told = nil
	tx := s.pay(p, 100)
	s.want(Unpaid, Late, InvoiceFlagged)
	s.pass(8 * 24 * time.Hour)
	s.look()
	s.want(Unpaid, Late) // money stands: it never times out
	s.must(s.next(Accept{}))
	s.want(Paid, Late|AcceptedAsIs, InvoicePaid)
	s.mine(tx, 3)
	s.want(Completed, Late|AcceptedAsIs, InvoiceCompleted)
}

// Late is what a complete look at the chain at the window's end, or after it,
// had not found.
func TestLateToTheMoment(t *testing.T) {
	for _, c := range []struct {
		absent time.Duration // since the window was over
		late   bool
	}{{-1, false}, {0, true}, {1, true}} {
		s := newStory(t)
		p := s.open(LTCT)
		s.send(p, NewUnits(100))
		s.chain[0].AbsentAt = s.payment(p).ExpiresAt.Add(c.absent)
		s.pass(5 * time.Hour)
		s.look()
		if late := s.inv.Flags&Late != 0; late != c.late || late == (s.inv.State == Paid) {
			t.Errorf("absent %v after the end: %s %v", c.absent, s.inv.State, s.inv.Flags.Names())
		}
	}
}

func TestLateAfterCancelThenAccept(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.must(s.next(Cancel{}))
	s.want(Cancelled, 0, InvoiceCreated, PaymentCreated, InvoicePending, InvoiceCancelled)
	tx := s.pay(p, 100)
	s.want(Cancelled, Late, InvoiceFlagged)
	s.must(s.next(Accept{}))
	s.want(Paid, Late|AcceptedAsIs, InvoicePaid)
	if s.inv.CancelledAt.IsZero() {
		t.Error("it was cancelled, and that should stay on record")
	}
	s.replace(tx)
	s.want(Cancelled, ReplacedFlag|AcceptedAsIs, InvoiceReverted)
	s.must(s.next(Cancel{}))
	s.want(Cancelled, ReplacedFlag|AcceptedAsIs)
}

func TestAcceptLate(t *testing.T) {
	s := newStory(t, func(inv *Invoice) { inv.AcceptLate = true })
	p := s.open(LTCT)
	s.pass(8 * 24 * time.Hour)
	s.look()
	s.want(TimedOut, 0, InvoiceCreated, PaymentCreated, InvoicePending, PaymentTimedOut, InvoiceTimedOut)
	first := s.pay(p, 60)
	s.want(TimedOut, Late, InvoiceFlagged) // not in full: it is for the merchant to say
	second := s.pay(p, 40)
	s.want(Paid, Late|AcceptedAsIs, InvoicePaid)
	s.mine(first, 3)
	s.mine(second, 3)
	s.want(Completed, Late|AcceptedAsIs, InvoiceCompleted)
}

func TestAcceptLateNeverAfterCancel(t *testing.T) {
	s := newStory(t, func(inv *Invoice) { inv.AcceptLate = true })
	p := s.open(LTCT)
	s.must(s.next(Cancel{}))
	s.told = nil
	s.pay(p, 100)
	s.want(Cancelled, Late, InvoiceFlagged)
}

func TestTwoCoinsAreNotSummed(t *testing.T) {
	s := newStory(t)
	a, b := s.open(LTCT), s.open(btc)
	s.want(Pending, 0, InvoiceCreated, PaymentCreated, InvoicePending, PaymentCreated)
	x := s.pay(a, 60)
	s.want(Pending, Underpaid, InvoicePending)
	y := s.pay(b, 60)
	s.want(Pending, Underpaid|Multiple, InvoicePending)
	s.must(s.next(Accept{}))
	s.want(Paid, Multiple|AcceptedAsIs, InvoicePaid)
	s.mine(x, 3)
	s.want(Paid, Multiple|AcceptedAsIs)
	s.mine(y, 3)
	s.want(Completed, Multiple|AcceptedAsIs, InvoiceCompleted)
}

func TestReplacedAway(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	tx := s.pay(p, 100)
	s.told = nil
	s.replace(tx)
	s.want(Pending, ReplacedFlag, InvoiceReverted)
	if !s.inv.PaidAt.IsZero() {
		t.Error("PaidAt stays although it is not paid")
	}
	s.pay(p, 100)
	s.want(Paid, 0, InvoicePaid) // made good
}

// Whether a replacement that pays the same is seen with what it replaces or
// later, in the end the invoice is paid without a flag.
func TestReplacedToUs(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pay(p, 100)
	s.told = nil
	s.chain[0].Status = Replaced
	s.pay(p, 100)
	s.want(Paid, 0)

	s = newStory(t)
	p = s.open(LTCT)
	tx := s.pay(p, 100)
	s.told = nil
	s.replace(tx)
	s.pay(p, 100)
	s.want(Paid, 0, InvoiceReverted, InvoicePaid)
}

func TestReorgBeforeCompleted(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	tx := s.pay(p, 100)
	s.mine(tx, 2)
	s.told = nil
	s.reorg(tx)
	s.want(Paid, ReorgedFlag, InvoiceFlagged)
	s.mine(tx, 1)
	s.want(Paid, 0, InvoiceFlagged)
	s.mine(tx, 3)
	s.want(Completed, 0, InvoiceCompleted)
}

func TestReorgWithConfirmationsForPaid(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT, func(p *Payment) { p.PaidAfter = 1 })
	tx := s.pay(p, 100)
	s.mine(tx, 1)
	s.told = nil
	s.reorg(tx)
	s.want(Pending, ReorgedFlag, InvoiceReverted)
	s.mine(tx, 1)
	s.want(Paid, 0, InvoicePaid)
}

func TestReorgAfterCompleted(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	tx := s.pay(p, 100)
	s.mine(tx, 3)
	s.told = nil
	s.reorg(tx)
	s.want(Completed, ReorgedFlag, InvoiceFlagged)
	s.mine(tx, 1)
	s.want(Completed, 0, InvoiceFlagged)
	s.turn(tx, Replaced, 0, true)
	s.want(Completed, ReplacedFlag|ReorgedFlag, InvoiceFlagged)
	if p := s.payment(p); !p.Seen.IsZero() {
		t.Errorf("seen %s", p.Seen)
	}
}

func TestPaidAndCompletedAtOnce(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	s.send(p, NewUnits(100))
	s.chain[0].Status, s.chain[0].Confirmations = Mined, 3
	s.look()
	paid, completed := s.told[0].Invoice, s.told[1].Invoice
	s.want(Completed, 0, InvoicePaid, InvoiceCompleted)
	if paid.State != Paid || paid.PaidAt.IsZero() || !paid.CompletedAt.IsZero() || completed.Version != paid.Version+1 {
		t.Errorf("the first step shows %+v", paid)
	}
}

func TestPaidAfterOneConfirmation(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT, func(p *Payment) { p.PaidAfter = 1 })
	s.told = nil
	tx := s.pay(p, 100)
	s.want(Pending, 0, InvoicePending) // all of it is there: not underpaid
	s.mine(tx, 1)
	s.want(Paid, 0, InvoicePaid)
	s.mine(tx, 3)
	s.want(Completed, 0, InvoiceCompleted)
}

func TestWindowOver(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	s.pass(time.Hour - 1)
	s.look()
	s.want(Pending, 0)
	s.pass(time.Hour)
	s.must(s.next(nil))
	s.want(Pending, 0) // nobody looked at the chain since
	s.scanned[BitcoinNetwork] = s.now
	s.must(s.next(nil))
	s.want(Pending, 0) // nor at this one
	s.look()
	s.want(Unpaid, 0, PaymentTimedOut)
	if s.payment(p).Open() {
		t.Error("the payment is still open")
	}
	s.open(LTCT)
	s.want(Pending, 0, PaymentCreated, InvoicePending)
	s.pay("p2", 100)
	s.want(Paid, 0, InvoicePaid)
}

func TestLifetimeOver(t *testing.T) {
	s := newStory(t)
	s.told = nil
	s.pass(7*24*time.Hour - 1)
	s.must(s.next(nil))
	s.want(Unpaid, 0)
	s.pass(1)
	s.must(s.next(nil)) // there is no chain to wait for
	s.want(TimedOut, 0, InvoiceTimedOut)
}

func TestLifetimeWaitsForEveryNetwork(t *testing.T) {
	s := newStory(t)
	s.open(LTCT)
	s.open(btc)
	s.told = nil
	s.pass(8 * 24 * time.Hour)
	s.scanned[SandboxNetwork] = s.now
	s.must(s.next(nil))
	s.want(Pending, 0, PaymentTimedOut)
	if at, network := s.inv.NextDue(s.scanned); network != BitcoinNetwork || !at.Equal(s.payment("p2").ExpiresAt) {
		t.Errorf("waits for %s until %v", network, at)
	}
	s.scanned[BitcoinNetwork] = day0.Add(3 * time.Hour)
	s.must(s.next(nil))
	s.want(Unpaid, 0, PaymentTimedOut)
	s.look()
	s.want(TimedOut, 0, InvoiceTimedOut)
}

// A window never outlives its invoice.
func TestWindowEndsWithTheLifetime(t *testing.T) {
	s := newStory(t)
	s.pass(7*24*time.Hour - time.Minute)
	p := s.open(LTCT)
	if at := s.payment(p).ExpiresAt; !at.Equal(s.inv.ExpiresAt) {
		t.Errorf("the window ends %v, the invoice %v", at, s.inv.ExpiresAt)
	}
}

// What stands and is counted keeps the money of other payments apart, and all
// of it stays on watch.
func TestMoneyForAnOldPayment(t *testing.T) {
	s := newStory(t)
	old := s.open(LTCT)
	s.pass(time.Hour)
	s.look()
	s.open(LTCT)
	s.told = nil
	s.pay(old, 100)
	s.want(Pending, Late, InvoicePending)
	s.pay("p2", 100)
	s.want(Paid, Late|Multiple, InvoicePaid)
}

// A transfer of nothing costs its sender nothing. It must not keep an invoice
// alive, count as late money, or be there to accept.
//

func TestNothingIsNoMoney(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	s.send(p, NewUnits(0))
	if err := s.next(Accept{}); CodeOf(err) != Conflict {
		t.Errorf("accepting nothing gave %v", err)
	}
	s.look()
	s.pass(8 * 24 * time.Hour)
	s.look()
	s.want(TimedOut, 0, PaymentTimedOut, InvoiceTimedOut)
	s.send(p, NewUnits(0))
	s.look()
	s.want(TimedOut, 0)
}

// A pending invoice is told again when the counted money changes, also when
// what stands sums up to the same: 2 of the 5 counted are gone, 2 more came late.
//

func TestPendingIsToldWhenCountedMoneyMoves(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pay(p, 2)
	s.pay(p, 3)
	s.pass(2 * time.Hour)
	s.look()
	s.pay(p, 5)
	s.told = nil
	s.chain[0].Status = Dropped
	s.pay(p, 2)
	if m := s.inv.Money(s.payment(p)); m.Counted != NewUnits(3) || m.Seen != NewUnits(10) {
		t.Fatalf("money %+v", m)
	}
	s.want(Pending, Underpaid|Late, InvoicePending)
}

// A payment is never less done than its invoice: the surplus that was accepted
// with the rest is not asked for again.
//

func TestPaymentStateOfAcceptedSurplus(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	tx, surplus := s.pay(p, 100), s.pay(p, 20)
	s.must(s.next(Accept{}))
	s.mine(tx, 3)
	if got := s.inv.PaymentState(s.payment(p)); s.inv.State != Completed || got != Completed {
		t.Errorf("the invoice is %s and its payment %s", s.inv.State, got)
	}
	s.drop(surplus)
}

// An empty set means that there are no transfers, nil that nothing is new.
func TestNoTransfersAndNothingNew(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pay(p, 100)
	s.told = nil
	s.must(s.nextWith(Input{}))
	s.want(Paid, 0)
	s.must(s.nextWith(Input{Transfers: []Transfer{}}))
	s.want(Pending, 0, InvoiceReverted)
}

// NextDue names the first window to end, whatever the order of the payments.
func TestNextDueOrder(t *testing.T) {
	s := newStory(t)
	s.open(LTCT)
	s.open(btc)
	s.inv.Payments[1].ExpiresAt = s.now.Add(time.Minute)
	if at, network := s.inv.NextDue(s.scanned); !at.Equal(s.now.Add(time.Minute)) || network != BitcoinNetwork {
		t.Errorf("due %v on %s", at, network)
	}
	s.pay("p2", 1)
	if at, network := s.inv.NextDue(s.scanned); !at.Equal(day0.Add(time.Hour)) || network != SandboxNetwork {
		t.Errorf("due %v on %s", at, network)
	}
	s.pay("p1", 1)
	if at, network := s.inv.NextDue(s.scanned); !at.IsZero() || network != "" {
		t.Errorf("due %v on %s, although money stands", at, network)
	}
}

func TestFlagNames(t *testing.T) {
	if names := Flags(0).Names(); names == nil || len(names) != 0 {
		t.Errorf("no flags are %#v; JSON should show []", names)
	}
	all := Underpaid | Overpaid | Late | Multiple | ReplacedFlag | ReorgedFlag | AcceptedAsIs
	want := []string{"underpaid", "overpaid", "late", "multiple", "replaced", "reorged", "acceptedAsIs"}
	if names := all.Names(); !slices.Equal(names, want) {
		t.Errorf("all flags are %v", names)
	}
	if names := Flags(1 << 31).Names(); len(names) != 0 {
		t.Errorf("a flag of a later version is %v", names)
	}
}

func TestTransferSet(t *testing.T) {
	a, b, c := Transfer{TxID: "a"}, Transfer{TxID: "a", Index: 1}, Transfer{TxID: "a", Index: 1, Confirmations: 2}
	d := Transfer{TxID: "a", Asset: "x"}
	in := []Transfer{b, d, a, c}
	if got := transferSet(in); !slices.Equal(got, []Transfer{a, d, c}) {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(in, []Transfer{b, d, a, c}) {
		t.Error("the input was changed")
	}
	if got := transferSet(nil); got == nil || len(got) != 0 {
		t.Errorf("of nothing: %#v", got)
	}
}
