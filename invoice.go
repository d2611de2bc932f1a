package paybell

import (
	"slices"
	"time"
)

// Invoice is what is owed, with everything known about how it is being paid.
// It changes only through Next, one Change at a time.
type Invoice struct {
	ID         string // UUID
	MerchantID string
	ClientID   string
	Version    int // 1, 2, 3 ...: one per Change, one per notification
	State      State
	Flags      Flags
	Bill       Bill

	CreatedAt   time.Time
	ExpiresAt   time.Time // the lifetime is over
	PaidAt      time.Time // zero unless State is paid or completed
	CompletedAt time.Time // zero unless completed
	CancelledAt time.Time // zero unless it was cancelled; stays when late money was accepted
	TimedOutAt  time.Time // the same for the lifetime

	Window     time.Duration // of a payment
	Tolerance  int           // basis points of an amount due that may be missing
	AcceptLate bool          // take late money that pays in full without asking
	Test       bool          // paid with coins that are worth nothing

	Payments  []Payment  // in the order of their opening
	Transfers []Transfer // of all payments, in the order of their names
}

// State is where an invoice stands. It follows the facts; see Next.
type State string

const (
	Unpaid    State = "unpaid"    // it exists
	Pending   State = "pending"   // a coin is chosen, or part of the money is seen
	Paid      State = "paid"      // the whole amount is seen in the merchant's wallet
	Completed State = "completed" // and has its confirmations: the money may be used
	Cancelled State = "cancelled" // by the merchant
	TimedOut  State = "timedOut"  // its lifetime ran out without standing money
)

// States lists all of them.
var States = []State{Unpaid, Pending, Paid, Completed, Cancelled, TimedOut}

// rank orders the states that money moves through.
func (s State) rank() int {
	switch s {
	case Pending:
		return 1
	case Paid:
		return 2
	case Completed:
		return 3
	}
	return 0
}

// Flags stand beside the state and are never mixed into it. Bits are stored:
// append only.
type Flags uint32

const (
	Underpaid    Flags = 1 << iota // some money counts, not enough of it
	Overpaid                       // more than the amount due and the tolerance
	Late                           // money came after the time was up
	Multiple                       // money stands in more than one payment; it is not summed
	ReplacedFlag                   // a transfer was double-spent and not made good
	ReorgedFlag                    // a transfer lost its block, and the confirmed money does not suffice without it
	AcceptedAsIs                   // the merchant took what was there as enough
)

var flagNames = []string{"underpaid", "overpaid", "late", "multiple", "replaced", "reorged", "acceptedAsIs"}

// Names lists the flags that are set, in a fixed order; never nil.
func (f Flags) Names() []string {
	names := []string{}
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Change is one step of an invoice's life, told in exactly one notification.
type Change struct {
	Event   Event
	At      time.Time
	Invoice Invoice // as it stands after this step; its Version names the step
}

// Input is everything that Next may judge by.
type Input struct {
	// Transfers is the whole present set for this invoice, not what changed. Nil
	// keeps what the invoice holds.
	Transfers []Transfer
	// Scanned says, per network, up to which moment the chain was completely
	// looked at. Nothing expires before its networks were scanned past its time,
	// so downtime expires nothing.
	Scanned map[string]time.Time
	// Do is what somebody asks for; nil when only the facts moved.
	Do Command
}

// Command is what a person or program asks of an invoice: Open, Cancel or Accept.
type Command interface {
	// do changes inv and returns the event that tells of it, or none (0) when
	// there is nothing to tell.
	do(inv *Invoice, now time.Time) (Event, error)
}

// Create makes a new invoice out of what draft says it is, and its first change.
func Create(draft Invoice, now time.Time) Change {
	draft.Version, draft.State, draft.CreatedAt = 1, Unpaid, now
	return Change{Event: InvoiceCreated, At: now, Invoice: draft}
}

// Next returns what follows from the facts, in the order to tell it: nothing
// when nothing changed. It is pure. The last change holds the invoice as it then
// is. An error (Conflict) means that in.Do is not possible now; nothing changed.
//
// For one final set of transfers, the money picture (Seen, Counted, Confirmed
// and the derived flags) is the same however the sightings were grouped,
// ordered or repeated. What does depend on the order is in the table in
// command.go.
func (inv Invoice) Next(in Input, now time.Time) ([]Change, error) {
	inv.Payments = slices.Clone(inv.Payments)
	told := slices.Clone(inv.Payments) // as the last change shows them
	if in.Transfers != nil {
		inv.Transfers = transferSet(in.Transfers)
	}
	var changes []Change
	tell := func(e Event) {
		inv.refresh()
		inv.Test = inv.test()
		inv.Version++
		told = slices.Clone(inv.Payments)
		shown := inv
		shown.Payments = told
		changes = append(changes, Change{Event: e, At: now, Invoice: shown})
	}
	follow := func() {
		inv.acceptLate()
		for {
			event := inv.step(in.Scanned, now)
			switch {
			case event != 0:
			case slices.Equal(inv.Payments, told):
				return
			case inv.State == Pending: // more was accepted than before
				event = InvoicePending
			default:
				event = InvoiceFlagged
			}
			tell(event)
		}
	}
	follow() // first, so that a command meets the invoice as it is, not as it was
	if in.Do != nil {
		event, err := in.Do.do(&inv, now)
		if err != nil {
			return nil, err
		}
		if event != 0 {
			tell(event)
		}
		follow()
	}
	return changes, nil
}

// test reports whether the invoice is paid with coins that are worth nothing: if
// any of its money is such, and without money, if the coin that was chosen last is.
func (inv *Invoice) test() bool {
	test, money := inv.Test, false
	for _, p := range inv.Payments {
		if !p.Seen.IsZero() {
			test, money = p.Test || money && test, true
		} else if !money {
			test = p.Test
		}
	}
	return test
}

// step makes the one change that the facts ask for first, and names it. It
// returns 0 when the invoice agrees with its facts. Each step brings the
// invoice nearer to them, so there are few.
func (inv *Invoice) step(scanned map[string]time.Time, now time.Time) Event {
	target := inv.target()
	switch {
	case inv.State == Completed:
		// Stays. The flags say when its money is in doubt.
	case target.rank() > inv.State.rank():
		return inv.advance(target, now)
	case target != inv.State:
		inv.State, inv.PaidAt = target, time.Time{}
		return InvoiceReverted
	}
	if inv.moneyMoved() {
		if inv.State == Pending {
			return InvoicePending
		}
		return InvoiceFlagged
	}
	if inv.Flags != inv.flags() {
		return InvoiceFlagged
	}
	return inv.expire(scanned, now)
}

// advance goes up: to pending, or to paid, and from there to completed. Paid is
// never jumped over.
func (inv *Invoice) advance(target State, now time.Time) Event {
	switch {
	case target == Pending:
		inv.State = Pending
		return InvoicePending
	case inv.State != Paid:
		inv.State, inv.PaidAt = Paid, now
		return InvoicePaid
	default:
		inv.State, inv.CompletedAt = Completed, now
		return InvoiceCompleted
	}
}

// target is the state that the facts give, whatever the state is now.
func (inv *Invoice) target() State {
	switch {
	case inv.satisfied(whenCompleted):
		return Completed
	case inv.satisfied(whenPaid):
		return Paid
	case inv.anyCounted():
		return Pending
	case !inv.CancelledAt.IsZero():
		return Cancelled
	case !inv.TimedOutAt.IsZero():
		return TimedOut
	case slices.ContainsFunc(inv.Payments, Payment.Open):
		return Pending
	}
	return Unpaid
}

// closed reports whether the invoice was cancelled or timed out. Money that
// comes then is late and held until it is accepted.
func (inv *Invoice) closed() bool {
	return !inv.CancelledAt.IsZero() || !inv.TimedOutAt.IsZero()
}

// satisfied reports whether the money that is deep enough pays the invoice: one
// payment in full, or all that was accepted.
func (inv *Invoice) satisfied(deep depth) bool {
	accepted, kept := false, true
	for _, p := range inv.Payments {
		sum := inv.received(p, deep)
		if !sum.IsZero() && sum.Cmp(p.enough()) >= 0 {
			return true
		}
		if !p.Accepted.IsZero() {
			accepted = true
			kept = kept && sum.Cmp(p.Accepted) >= 0
		}
	}
	return accepted && kept
}

func (inv *Invoice) anyCounted() bool {
	return slices.ContainsFunc(inv.Payments, func(p Payment) bool { return !inv.received(p, whenSeen).IsZero() })
}

func (inv *Invoice) anyStanding() bool {
	return slices.ContainsFunc(inv.Transfers, Transfer.Standing)
}

func (inv *Invoice) anyTransfer(is func(Transfer) bool) bool {
	return slices.ContainsFunc(inv.Transfers, is)
}

// flags derives the flags from the facts.
func (inv *Invoice) flags() Flags {
	var f Flags
	seen := inv.satisfied(whenSeen)
	if !seen && inv.anyCounted() {
		f |= Underpaid
	}
	withMoney := 0
	for _, p := range inv.Payments {
		m := inv.Money(p)
		if !m.Seen.IsZero() {
			withMoney++
		}
		if m.Counted.Cmp(p.Due.Add(p.Tolerance)) > 0 {
			f |= Overpaid
		}
		if !p.Accepted.IsZero() {
			f |= AcceptedAsIs
		}
		if inv.anyTransfer(func(t Transfer) bool { return t.PaymentID == p.ID && t.Standing() && inv.late(p, t) }) {
			f |= Late
		}
	}
	if withMoney > 1 {
		f |= Multiple
	}
	if !seen && inv.anyTransfer(func(t Transfer) bool { return t.Status == Replaced && !inv.bumped(t) }) {
		f |= ReplacedFlag
	}
	if !inv.satisfied(whenCompleted) && inv.anyTransfer(func(t Transfer) bool { return t.Reorged && t.Status != Mined }) {
		f |= ReorgedFlag
	}
	return f
}

// bumped reports whether what replaced t pays as much to the same address.
func (inv *Invoice) bumped(t Transfer) bool {
	return inv.anyTransfer(func(u Transfer) bool {
		return u.Replaces == t.TxID && u.PaymentID == t.PaymentID && u.Amount.Cmp(t.Amount) >= 0
	})
}

// refresh brings the derived fields up to the facts.
func (inv *Invoice) refresh() {
	inv.Flags = inv.flags()
	for i, p := range inv.Payments {
		m := inv.Money(p)
		inv.Payments[i].Seen, inv.Payments[i].Counted = m.Seen, m.Counted
	}
}

// moneyMoved reports whether the standing money, or what of it counts, is not
// what was last told.
func (inv *Invoice) moneyMoved() bool {
	return slices.ContainsFunc(inv.Payments, func(p Payment) bool {
		m := inv.Money(p)
		return m.Seen != p.Seen || m.Counted != p.Counted
	})
}

// expire ends one payment window, or the lifetime, whose time has come. Two
// clocks: both wait for the chain to be scanned, and for money.
func (inv *Invoice) expire(scanned map[string]time.Time, now time.Time) Event {
	if inv.State != Unpaid && inv.State != Pending {
		return 0
	}
	past := func(network string, at time.Time) bool { return !scanned[network].Before(at) }
	for i, p := range inv.Payments {
		if !p.Open() || !past(p.Network, p.ExpiresAt) || !inv.received(p, whenSeen).IsZero() {
			continue
		}
		inv.Payments[i].TimedOutAt = now
		inv.State = inv.target()
		return PaymentTimedOut
	}
	if now.Before(inv.ExpiresAt) || inv.anyStanding() {
		return 0
	}
	for _, p := range inv.Payments {
		if !past(p.Network, inv.ExpiresAt) {
			return 0
		}
	}
	inv.State, inv.TimedOutAt = TimedOut, now
	return InvoiceTimedOut
}

// NextDue says when the invoice may change by time alone, and which network has
// to be scanned past that moment first: one that is not, if there is one; empty
// when there is none to wait for. A zero time means: never, as it stands.
func (inv Invoice) NextDue(scanned map[string]time.Time) (at time.Time, network string) {
	if inv.State != Unpaid && inv.State != Pending {
		return time.Time{}, ""
	}
	for _, p := range inv.Payments {
		if p.Open() && inv.received(p, whenSeen).IsZero() && (at.IsZero() || p.ExpiresAt.Before(at)) {
			at, network = p.ExpiresAt, p.Network
		}
	}
	if !at.IsZero() || inv.anyStanding() {
		return at, network // a window never outlives the invoice
	}
	for _, p := range inv.Payments {
		if network == "" || scanned[p.Network].Before(inv.ExpiresAt) {
			network = p.Network
		}
	}
	return inv.ExpiresAt, network
}
