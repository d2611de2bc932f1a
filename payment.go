package paybell

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// Payment is one coin chosen for an invoice: an address, an exact amount and a
// locked rate, for a window of time. The address is watched for ever.
type Payment struct {
	ID          string // UUID
	Currency    string // currency id of the coin
	Network     string
	Address     string
	WalletID    string          // whose address it is; empty: the sandbox wallet that every merchant has
	Index       int64           // of the address in that wallet
	Test        bool            // its coin is worth nothing
	Due         Units           // exact; rounded up once when the payment was opened
	Tolerance   Units           // how much of Due may be missing
	Rate        decimal.Decimal // coins for one unit of the invoice's currency, locked
	RefundEmail string

	// Confirmations needed before this payment makes its invoice paid, completed.
	PaidAfter, CompletedAfter int

	OpenedAt   time.Time
	ExpiresAt  time.Time // the window is over; money first seen later is late
	TimedOutAt time.Time // zero: not timed out
	Seen       Units     // standing money when the invoice last changed
	Counted    Units     // of it, what counted then
	Accepted   Units     // what the merchant took as enough; zero: nothing was accepted
}

// Open reports whether the payment still waits for its money.
func (p Payment) Open() bool { return p.TimedOutAt.IsZero() }

// Refunds is where refunds of p are to be talked about: as it was said when p was
// opened, or later.
func (inv *Invoice) Refunds(p Payment) string {
	if p.RefundEmail != "" {
		return p.RefundEmail
	}
	return inv.Bill.RefundEmail
}

// depth says which transfers count for a question.
type depth func(Payment, Transfer) bool

func whenSeen(Payment, Transfer) bool          { return true }
func whenPaid(p Payment, t Transfer) bool      { return t.Confirmations >= p.PaidAfter }
func whenCompleted(p Payment, t Transfer) bool { return t.Confirmations >= p.CompletedAfter }

// Money is what one payment has received.
type Money struct {
	Seen      Units // all that stands, late or not
	Counted   Units // of it, what counts towards the amount due
	Confirmed Units // of Counted, what has its confirmations
	Missing   Units // of the amount due, not counted yet; nothing once it is within the tolerance or accepted
	Depth     int   // the fewest confirmations of a counted transfer
}

// Money sums what payment p has received.
func (inv *Invoice) Money(p Payment) Money {
	m, kept := Money{Depth: -1}, inv.keepsAccepted(p)
	for _, t := range inv.Transfers {
		if t.PaymentID != p.ID || !t.Standing() {
			continue
		}
		m.Seen = m.Seen.Add(t.Amount)
		if inv.late(p, t) && !kept {
			continue
		}
		m.Counted = m.Counted.Add(t.Amount)
		if whenCompleted(p, t) {
			m.Confirmed = m.Confirmed.Add(t.Amount)
		}
		if m.Depth < 0 || t.Confirmations < m.Depth {
			m.Depth = t.Confirmations
		}
	}
	m.Depth = max(0, m.Depth)
	if m.Counted.Cmp(p.asked()) < 0 {
		m.Missing = p.Due.Sub(m.Counted)
	}
	return m
}

// MaxTold bounds how many transfers of a payment are told and shown: anybody can send
// dust, a thousand times.
const MaxTold = 100

// Told are the transfers of p that are told and shown, in the order of their names: the
// MaxTold greatest, those that stand before others. more is how many are left out. All
// of them count.
func (inv *Invoice) Told(p Payment) (told []Transfer, more int) {
	for _, t := range inv.Transfers {
		if t.PaymentID == p.ID {
			told = append(told, t)
		}
	}
	if more = len(told) - MaxTold; more <= 0 {
		return told, 0
	}
	slices.SortStableFunc(told, func(a, b Transfer) int {
		if a.Standing() != b.Standing() {
			if a.Standing() {
				return -1
			}
			return 1
		}
		return b.Amount.Cmp(a.Amount)
	})
	told = told[:MaxTold]
	slices.SortFunc(told, compareTransfers)
	return told, more
}

// enough is the least that pays p in full.
func (p Payment) enough() Units {
	if p.Tolerance.IsZero() || p.Tolerance.Cmp(p.Due) >= 0 {
		return p.Due // a tolerance of everything would make nothing enough
	}
	return p.Due.Sub(p.Tolerance)
}

// late reports whether t came after p's time: a complete look at the chain
// after the window was over had not found it, or the invoice was closed.
func (inv *Invoice) late(p Payment, t Transfer) bool {
	return inv.closed() || !t.AbsentAt.Before(p.ExpiresAt)
}

// keepsAccepted reports whether all that was accepted of p stands. As long as it
// does, p's late money counts.
func (inv *Invoice) keepsAccepted(p Payment) bool {
	var seen Units
	for _, t := range inv.Transfers {
		if t.PaymentID == p.ID && t.Standing() {
			seen = seen.Add(t.Amount)
		}
	}
	return !p.Accepted.IsZero() && seen.Cmp(p.Accepted) >= 0
}

// received sums the counted transfers of p that are deep enough.
func (inv *Invoice) received(p Payment, deep depth) Units {
	var sum Units
	kept := inv.keepsAccepted(p)
	for _, t := range inv.Transfers {
		if t.PaymentID == p.ID && t.Standing() && (kept || !inv.late(p, t)) && deep(p, t) {
			sum = sum.Add(t.Amount)
		}
	}
	return sum
}

// PaymentState tells where one payment of the invoice stands, in the words of
// an invoice's state.
func (inv *Invoice) PaymentState(p Payment) State {
	full := func(deep depth) bool { return inv.received(p, deep).Cmp(p.asked()) >= 0 }
	switch {
	case full(whenCompleted) && inv.State == Completed: // never ahead of its invoice
		return Completed
	case full(whenPaid):
		return Paid
	case !inv.received(p, whenSeen).IsZero():
		return Pending
	case !inv.CancelledAt.IsZero():
		return Cancelled
	case !p.Open() || !inv.TimedOutAt.IsZero():
		return TimedOut
	}
	return Unpaid
}

// asked is what makes p done: enough of the amount due, or what was accepted if
// that is less.
func (p Payment) asked() Units {
	if !p.Accepted.IsZero() && p.Accepted.Cmp(p.enough()) < 0 {
		return p.Accepted
	}
	return p.enough()
}

// Native is what u coins are worth in the invoice's currency at the locked rate.
func (p Payment) Native(u Units) decimal.Decimal {
	coin, ok := FindCurrency(p.Currency)
	if !ok || p.Rate.IsZero() {
		return decimal.Zero
	}
	return u.Coins(coin.Decimals).DivRound(p.Rate, 18)
}

// PartialAcceptAvailable reports whether the merchant may accept what is there
// although it does not pay the invoice.
func (inv *Invoice) PartialAcceptAvailable() bool {
	return outcomes[inv.State][accept] != refused && inv.anyStanding() && !inv.satisfied(whenSeen)
}
