package paybell

import "time"

// What people ask of an invoice, and what becomes of money, depends on the
// state in which it arrives. This is every pair; order in time decides only
// here. TestEveryPair runs each of them.
type happening int

const (
	moneyComes   happening = iota // a transfer is seen, in time or late
	moneyGoes                     // a transfer is replaced, dropped or reorged away
	cancel                        // Cancel
	accept                        // Accept
	open                          // Open
	windowOver                    // a payment's window is over and it got nothing
	lifetimeOver                  // the lifetime is over
)

// outcome is what a happening does to an invoice in some state.
type outcome int

const (
	nothing     outcome = iota // no change, no error
	follows                    // the state goes where the facts lead, up or down
	stays                      // the state stays for good; flags and events tell
	held                       // recorded, flagged late, told; waits to be accepted
	does                       // done
	unlessMoney                // done, but refused while counted money stands
	ifMoney                    // done, but refused unless money stands
	refused                    // a conflict
)

var outcomes = map[State][lifetimeOver + 1]outcome{
	//          moneyComes moneyGoes cancel       accept   open     windowOver lifetimeOver
	Unpaid:    {follows, follows, unlessMoney, ifMoney, does, nothing, unlessMoney},
	Pending:   {follows, follows, unlessMoney, ifMoney, does, unlessMoney, unlessMoney},
	Paid:      {follows, follows, refused, ifMoney, refused, nothing, nothing},
	Completed: {stays, stays, refused, refused, refused, nothing, nothing},
	Cancelled: {held, held, nothing, ifMoney, refused, nothing, nothing},
	TimedOut:  {held, held, refused, ifMoney, refused, nothing, nothing},
}

// Cancel ends the invoice at the merchant's word. Cancelling twice is fine.
type Cancel struct{}

func (Cancel) do(inv *Invoice, now time.Time) (Event, error) {
	switch outcomes[inv.State][cancel] {
	case nothing:
		return 0, nil
	case unlessMoney:
		if inv.anyCounted() {
			return 0, Errorf(Conflict, "money for this invoice has been seen; it can be cancelled only if that transfer is dropped")
		}
		inv.State, inv.CancelledAt = Cancelled, now
		return InvoiceCancelled, nil
	}
	return 0, Errorf(Conflict, "the invoice is %s and can no longer be cancelled", inv.State)
}

// Accept takes the money that stands as enough, at the locked rates: what is
// missing, what came late, what came in several coins.
type Accept struct{}

func (Accept) do(inv *Invoice, _ time.Time) (Event, error) {
	if outcomes[inv.State][accept] == refused {
		return 0, Errorf(Conflict, "the invoice is %s; there is nothing to accept", inv.State)
	}
	if !inv.anyStanding() {
		return 0, Errorf(Conflict, "no money stands for this invoice; there is nothing to accept")
	}
	for i, p := range inv.Payments {
		inv.Payments[i].Accepted = inv.Money(p).Seen
	}
	return 0, nil // the flag and the state that follow tell of it
}

// acceptLate is Accept by rule: late money that pays a payment in full, unless
// the merchant has cancelled.
func (inv *Invoice) acceptLate() {
	if !inv.AcceptLate || !inv.CancelledAt.IsZero() || inv.State == Completed || inv.satisfied(whenSeen) {
		return
	}
	for i, p := range inv.Payments {
		if seen := inv.Money(p).Seen; !seen.IsZero() && seen.Cmp(p.enough()) >= 0 {
			inv.Payments[i].Accepted = seen
			return
		}
	}
}

// Open adds a payment: a coin was chosen, an address and an amount are locked.
type Open struct{ Payment Payment }

func (o Open) do(inv *Invoice, now time.Time) (Event, error) {
	if outcomes[inv.State][open] == refused {
		return 0, Errorf(Conflict, "the invoice is %s and takes no more payments", inv.State)
	}
	for _, p := range inv.Payments {
		if p.Currency == o.Payment.Currency && (p.Open() || p.Address == o.Payment.Address) {
			return 0, Errorf(Conflict, "a payment in this coin is open already")
		}
	}
	if o.Payment.Due.IsZero() {
		return 0, Errorf(Invalid, "the amount due is nothing")
	}
	if !now.Before(inv.ExpiresAt) {
		return 0, Errorf(Conflict, "the invoice's time is over")
	}
	p := o.Payment
	p.OpenedAt, p.ExpiresAt = now, now.Add(inv.Window)
	if p.ExpiresAt.After(inv.ExpiresAt) {
		p.ExpiresAt = inv.ExpiresAt
	}
	inv.Payments = append(inv.Payments, p)
	return PaymentCreated, nil
}
