package paybell

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var happenings = []string{"moneyComes", "moneyGoes", "cancel", "accept", "open", "windowOver", "lifetimeOver"}

// bring makes an invoice in a state. With money, as much stands (as transfer
// tx01 of payment p1) as the state can have; without, none. It is nil where the
// state cannot be without.
func bring(t *testing.T, state State, money bool) *story {
	t.Helper()
	s := newStory(t)
	p := s.open(LTCT)
	switch state {
	case Unpaid:
		s.pass(time.Hour)
		s.look()
	case Paid, Completed:
		s.open(btc) // a second window, to see it never end
		tx := s.pay(p, 100)
		if state == Completed {
			s.mine(tx, 3)
		}
	case Cancelled:
		s.must(s.next(Cancel{}))
	case TimedOut:
		s.pass(8 * 24 * time.Hour)
		s.look()
	}
	switch {
	case money && state != Paid && state != Completed:
		s.pay(p, 40) // late, but for a pending one
	case !money && state == Paid:
		return nil
	case !money && state == Completed:
		s.turn("tx01", Dropped, 0, true)
	}
	if s.inv.State != state {
		t.Fatalf("brought to %s, want %s", s.inv.State, state)
	}
	s.told = nil
	return s
}

// happen makes it happen.
func (s *story) happen(h happening) error {
	switch h {
	case moneyComes:
		s.pay("p1", 100)
	case moneyGoes:
		s.replace("tx01")
	case cancel:
		return s.next(Cancel{})
	case accept:
		return s.next(Accept{})
	case open:
		return s.next(Open{Payment: s.draftPayment("2")})
	case windowOver:
		s.pass(time.Hour)
		s.look()
	case lifetimeOver:
		s.pass(8 * 24 * time.Hour)
		s.look()
	}
	return nil
}

// TestEveryPair runs every pair of the table against invoices brought to the
// state through Next, with and without standing money.
func TestEveryPair(t *testing.T) {
	if len(outcomes) != len(States) || len(happenings) != int(lifetimeOver)+1 {
		t.Fatalf("the table has %d states, there are %d", len(outcomes), len(States))
	}
	met := map[outcome]bool{}
	for _, state := range States {
		for h := range lifetimeOver + 1 {
			want := outcomes[state][h]
			met[want] = true
			for _, money := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/money=%v", state, happenings[h], money), func(t *testing.T) {
					s := bring(t, state, money)
					if s == nil || h == moneyGoes && !money {
						return // there is no such invoice
					}
					before := s.inv
					err := s.happen(h)
					if why := judge(want, h, before, s.inv, s.told, err); why != "" {
						t.Errorf("%s: told %v, error %v; %s %v became %s %v", why, eventsOf(s.told), err,
							before.State, before.Flags.Names(), s.inv.State, s.inv.Flags.Names())
					}
				})
			}
		}
	}
	for o := range refused + 1 {
		if !met[o] {
			t.Errorf("outcome %d is in no pair", o)
		}
	}
}

func eventsOf(changes []Change) Events {
	var set Events
	for _, c := range changes {
		set |= c.Event
	}
	return set
}

// judge says what is wrong with an outcome, nothing if it is the one named in
// the table.
func judge(want outcome, h happening, before, after Invoice, told []Change, err error) string {
	events, standing, counted := eventsOf(told), before.anyStanding(), before.anyCounted()
	quiet := len(told) == 0 && after.State == before.State && after.Flags == before.Flags
	conflict := err != nil && CodeOf(err) == Conflict && quiet
	switch want {
	case nothing:
		return unless(err == nil && quiet, "something happened")
	case follows:
		up := after.State.rank() >= before.State.rank()
		return unless(err == nil && len(told) > 0 && after.State == pictureOf(after).state && (up == (h == moneyComes) || after.State == before.State),
			"it did not follow the facts")
	case stays:
		return unless(err == nil && events == InvoiceFlagged && after.State == before.State && after.Payments[0].Seen != before.Payments[0].Seen,
			"it did not stay, or did not tell")
	case held:
		more := after.Payments[0].Seen.Cmp(before.Payments[0].Seen) > 0
		ok := err == nil && events == InvoiceFlagged && after.State == before.State && !after.anyCounted() && more == (h == moneyComes)
		if h == moneyComes {
			ok = ok && after.Flags&Late != 0 && after.PartialAcceptAvailable()
		}
		return unless(ok, "it was not held")
	case does:
		return unless(err == nil && events&PaymentCreated != 0 && len(after.Payments) == len(before.Payments)+1 && after.State == Pending, "not done")
	case unlessMoney:
		blocked, done := counted, map[happening]Event{cancel: InvoiceCancelled, windowOver: PaymentTimedOut, lifetimeOver: InvoiceTimedOut}[h]
		if h == lifetimeOver {
			blocked = standing
		}
		if blocked && h == cancel {
			return unless(conflict, "money did not refuse it")
		}
		return unless(err == nil && (events&done != 0) == !blocked, "money decided wrongly")
	case ifMoney:
		if !standing {
			return unless(conflict, "it was not refused without money")
		}
		return unless(err == nil && len(told) > 0 && after.Flags&AcceptedAsIs != 0 && after.State == Paid && after.Money(after.Payments[0]).Counted == after.Payments[0].Seen,
			"it was not accepted")
	case refused:
		return unless(conflict, "it was not refused")
	}
	return "no such outcome"
}

func unless(ok bool, why string) string {
	if ok {
		return ""
	}
	return why
}

// Money that was seen in time and comes back takes an unpaid invoice up.
func TestUnpaidFollowsMoneyThatCameInTime(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	tx := s.pay(p, 100)
	s.drop(tx)
	s.pass(time.Hour)
	s.look()
	s.told = nil
	s.turn(tx, Mempool, 0, false)
	s.want(Paid, 0, InvoicePaid)
	s.drop(tx)
	s.want(Unpaid, 0, InvoiceReverted)
}

func TestCancelTwice(t *testing.T) {
	s := newStory(t)
	s.must(s.next(Cancel{}))
	at := s.inv.CancelledAt
	s.want(Cancelled, 0, InvoiceCreated, InvoiceCancelled)
	s.pass(time.Minute)
	s.must(s.next(Cancel{}))
	s.want(Cancelled, 0)
	if s.inv.CancelledAt != at {
		t.Error("the second cancel moved CancelledAt")
	}
}

func TestCancelWithMoney(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	tx := s.pay(p, 1)
	s.told = nil
	s.refuse(Cancel{})
	s.drop(tx)
	s.want(Pending, 0, InvoicePending)
	s.must(s.next(Cancel{}))
	s.want(Cancelled, 0, InvoiceCancelled)
	s.turn(tx, Mempool, 0, false) // and back: whatever comes to a cancelled invoice is held
	s.want(Cancelled, Late, InvoiceFlagged)
}

// Money that is seen in the same moment refuses a cancel.
func TestCancelWithMoneyOfTheMoment(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.told = nil
	s.send(p, NewUnits(1))
	s.refuse(Cancel{})
	s.want(Pending, 0)
}

// A command meets the invoice as the facts given with it make it: money that is
// gone does not refuse a cancel.
//

func TestCommandMeetsThePresentFacts(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pay(p, 100)
	s.told = nil
	s.chain[0].Status = Dropped
	s.must(s.next(Cancel{}))
	s.want(Cancelled, 0, InvoiceReverted, InvoiceCancelled)
}

// The same the other way round: money that is new with the command is told as
// what it is, not only inside of what tells of the command.
//

func TestOpenDoesNotSwallowNews(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.pass(time.Hour)
	s.look()
	s.told = nil
	s.send(p, NewUnits(40))
	s.open(btc)
	s.want(Pending, Late, InvoiceFlagged, PaymentCreated, InvoicePending)
}

// A window that is over does not stand in the way of choosing the coin again.
//

func TestOpenAfterAWindowThatJustEnded(t *testing.T) {
	s := newStory(t)
	s.open(LTCT)
	s.told = nil
	s.pass(time.Hour)
	s.scanned[SandboxNetwork] = s.now
	s.must(s.next(Open{Payment: s.draftPayment(LTCT)}))
	s.want(Pending, 0, PaymentTimedOut, PaymentCreated, InvoicePending)
}

func TestOpenRefused(t *testing.T) {
	s := newStory(t)
	s.open(LTCT)
	s.refuse(Open{Payment: s.draftPayment(LTCT)})
	s.pass(time.Hour)
	s.look()
	again := s.draftPayment(LTCT)
	again.Address = s.payment("p1").Address
	s.refuse(Open{Payment: again})
	if err := s.next(Open{Payment: s.draftPayment(btc, func(p *Payment) { p.Due = Units{} })}); CodeOf(err) != Invalid {
		t.Errorf("an amount due of nothing gave %v", err)
	}
	s.pass(7 * 24 * time.Hour) // over, but the chain was not looked at yet
	s.refuse(Open{Payment: s.draftPayment(btc)})
}

func TestAcceptNothing(t *testing.T) {
	s := newStory(t)
	s.refuse(Accept{})
	p := s.open(LTCT)
	s.refuse(Accept{})
	s.drop(s.pay(p, 100))
	s.refuse(Accept{})
}

// What was accepted has to stay; what comes on top counts as well.
func TestAcceptAsIs(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	first := s.pay(p, 40)
	s.told = nil
	s.must(s.next(Accept{}))
	s.want(Paid, AcceptedAsIs, InvoicePaid)
	s.must(s.next(Accept{}))
	s.want(Paid, AcceptedAsIs) // twice is fine
	second := s.pay(p, 40)
	s.want(Paid, AcceptedAsIs, InvoiceFlagged)
	s.drop(first)
	s.want(Paid, AcceptedAsIs, InvoiceFlagged) // 40 were accepted, 40 are there
	s.drop(second)
	s.want(Pending, AcceptedAsIs, InvoiceReverted)
	s.turn(second, Mined, 3, false)
	s.want(Completed, AcceptedAsIs, InvoicePaid, InvoiceCompleted)
	s.refuse(Accept{})
}

// The merchant accepts late money in a second coin, after a partial payment in
// the first was accepted. Nothing may get lost without an error: a change that
// no notification tells is not written by the store.
//

// was accepted is gone.
func TestAcceptAgain(t *testing.T) {
	s := newStory(t)
	a, b := s.open(LTCT), s.open(btc)
	s.pay(a, 40)
	s.must(s.next(Accept{}))
	s.pass(2 * time.Hour)
	s.look()
	s.pay(b, 60)
	s.told = nil
	changes, err := s.inv.Next(Input{Do: Accept{}}, s.now)
	s.must(err)
	i := slices.IndexFunc(s.inv.Payments, func(p Payment) bool { return p.ID == b })
	if len(changes) != 1 || changes[0].Event != InvoiceFlagged || changes[0].Invoice.Payments[i].Accepted != NewUnits(60) {
		t.Fatalf("Accept gave %+v", changes)
	}
}

// An acceptance is for the money that stood then. When that is gone, what comes
// to a cancelled invoice is held again, as the table says; when it is back, so
// is the state.
//

// a cancelled invoice to pending.
func TestAcceptedAndGone(t *testing.T) {
	s := newStory(t)
	p := s.open(LTCT)
	s.must(s.next(Cancel{}))
	tx := s.pay(p, 100)
	s.must(s.next(Accept{}))
	s.drop(tx)
	s.told = nil
	s.pay(p, 1)
	s.want(Cancelled, Late|AcceptedAsIs, InvoiceFlagged)
	s.turn(tx, Mempool, 0, false)
	s.want(Paid, Overpaid|Late|AcceptedAsIs, InvoicePaid)
}

// The rule accepts again what pays in full, after what it accepted is gone.
//

// acceptance.
func TestAcceptLateAgain(t *testing.T) {
	s := newStory(t, func(inv *Invoice) { inv.AcceptLate = true })
	p := s.open(LTCT)
	s.pass(time.Hour)
	s.look()
	tx := s.pay(p, 150)
	s.drop(tx)
	s.told = nil
	s.pay(p, 100)
	s.want(Paid, Late|AcceptedAsIs, InvoicePaid)
}
