package checkout

import (
	"slices"

	"github.com/paybell/paybell"
)

// stage is where a buyer stands: the one thing that a page says first.
type stage int

const (
	askBuyer   stage = iota
	choose           // a coin
	chooseAnew       // the window of a payment is over
	waiting          // for money
	closing          // the window is over, and whether money came in it is not known yet
	part             // some of the money is there, and there is time for the rest
	short            // the same without the time
	late             // money came when the time was over; the merchant decides
	seen             // all of it, in no block yet
	confirming
	completed
	cancelled
	timedOut
)

// say is all that is said of a stage.
type say struct {
	Step        int    // of the way: 1 choose, 2 pay, 3 confirm, 4 all is done; 0: off the way
	Does        string // what a buyer can do: ask who they are, choose a coin, pay, or nothing
	Mark        string // picture and colour: wait, good, warn or stop
	Label       string // on the invoice to print
	Title, Text string
	Leave       string // how they go back to the shop: cancel, return, or done if nothing is left to do
	Waits       bool   // for something that is not in the buyer's hands: the page looks again by itself
}

var stages = [...]say{
	askBuyer:   {1, "ask", "", "Not paid", "Who is paying?", "", "cancel", false},
	choose:     {1, "choose", "", "Not paid", "Choose how to pay", "", "cancel", false},
	chooseAnew: {1, "choose", "warn", "Not paid", "The time to pay is over", "No payment was seen in time, and the old address is no longer good. Start again for a new address and a new amount.", "cancel", false},
	waiting:    {2, "pay", "wait", "Not paid", "Waiting for your payment", "Send this exact amount to this address. It shows up here by itself.", "cancel", true},
	closing:    {2, "", "wait", "Not paid", "The time to pay is over", "Do not send anything now. We are looking one last time whether your payment came in time.", "return", true},
	part:       {2, "pay", "warn", "Partly paid", "Part of the payment has arrived", "Send the rest to the same address.", "return", true},
	short:      {0, "", "stop", "Partly paid", "The payment is not complete", "The time is over, so do not send more. The merchant can accept what has arrived: ask them.", "done", false},
	late:       {0, "", "stop", "Paid too late", "The payment came too late", lateNote, "done", false},
	seen:       {3, "", "good", "Paid, not confirmed yet", "Payment received", "The network will confirm it now. You can close this page.", "done", true},
	confirming: {3, "", "good", "Paid, not confirmed yet", "Payment received", "The network is confirming it. You can close this page.", "done", true},
	completed:  {4, "", "good", "Paid", "Paid", "Thank you. The payment is confirmed and complete.", "done", false},
	cancelled:  {0, "", "stop", "Cancelled", "This invoice was cancelled", "Do not send anything for it. Ask the merchant if this surprises you.", "done", false},
	timedOut:   {0, "", "stop", "Expired", "This invoice has expired", "Do not send anything for it. Ask the merchant for a new one.", "done", false},
}

const lateNote = "Money came after the time was over, so do not send more. The merchant was told and decides whether it counts: ask them."

// notes are what is said of flags.
var notes = []struct {
	flag paybell.Flags
	text string
}{
	{paybell.Overpaid, "More has arrived than was asked for. Ask the merchant about the difference."},
	{paybell.Late, lateNote},
	{paybell.Multiple, "Money came in more than one coin and is not added up. The merchant was told."},
	{paybell.ReplacedFlag, "A transaction that was seen before was replaced by its sender and does not count."},
	{paybell.ReorgedFlag, "The network took back a block. The payment has to be confirmed once more."},
}

// shown is the payment that a page is about: one with money, else the open one
// in the coin that the buyer asks for, else the newest open one; nil: none.
func shown(inv *paybell.Invoice, coin string) (best *paybell.Payment) {
	found := 1
	for i, p := range inv.Payments {
		m, rank := inv.Money(p), 0
		switch {
		case !m.Counted.IsZero() && m.Missing.IsZero():
			rank = 5
		case !m.Counted.IsZero():
			rank = 4
		case !m.Seen.IsZero():
			rank = 3
		case p.Open() && p.Currency == coin:
			rank = 2
		case p.Open() && coin != chooseCoin:
			rank = 1
		}
		if rank >= found {
			best, found = &inv.Payments[i], rank
		}
	}
	return best
}

// stage judges where the buyer stands.
func (p *page) stage() stage {
	inv, m := &p.Invoice, p.Money
	switch {
	case inv.State == paybell.Completed:
		return completed
	case inv.State == paybell.Cancelled:
		return cancelled
	case inv.State == paybell.TimedOut:
		return timedOut
	case inv.State == paybell.Paid, !m.Counted.IsZero() && m.Missing.IsZero():
		if m.Depth == 0 {
			return seen
		}
		return confirming
	case !m.Counted.IsZero() && p.Payment.Open() && p.now.Before(p.Payment.ExpiresAt):
		return part
	case !m.Counted.IsZero():
		return short
	case !m.Seen.IsZero():
		return late
	case p.Payment != nil && !p.now.Before(p.Payment.ExpiresAt):
		return closing
	case !p.now.Before(inv.ExpiresAt):
		return timedOut
	case p.AsksBuyer:
		return askBuyer
	case p.Payment != nil:
		return waiting
	case len(inv.Payments) > 0 && !slices.ContainsFunc(inv.Payments, paybell.Payment.Open):
		return chooseAnew
	}
	return choose
}
