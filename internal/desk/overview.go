package desk

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Overview is how a merchant's last day went, and what to look at first.
type Overview struct {
	Attention
	Flagged     []paybell.Invoice // made in the last week, to be decided about; the newest first, without their payments
	MoreFlagged bool              // than MaxFlagged

	Since     time.Time      // what follows is about invoices that were made since then
	States    []InvoiceCount // in the order of an invoice's life; none that has no invoice
	Money     []InvoiceMoney // of those that are completed, then of those that are paid
	LastHour  DeliverySample // of all that was told since HourSince
	HourSince time.Time      // a full minute
	Newest    []paybell.Invoice
	Clients   int  // that the merchant has
	Told      bool // some webhook was told something, at any time
}

// InvoiceCount is how many invoices are in a state.
type InvoiceCount struct {
	State paybell.State
	N     int64 // more than MaxDay: so many at least
}

// InvoiceMoney is what the invoices in a state are about, in one currency.
type InvoiceMoney struct {
	State    paybell.State
	Currency string
	Test     bool // in coins that are worth nothing
	Sum      decimal.Decimal
	AtLeast  bool // there are more invoices than were summed
}

// DeliverySample is deliveries that stand for all of a span of time.
type DeliverySample = store.Sample

// Bounds on what an overview looks at.
const (
	MaxDay     = 10_000 // invoices in one state
	MaxFlagged = 5

	summedPaid      = 1000
	summedCompleted = 2500
	sampled         = 2000
	newest          = 10
	flaggedLook     = 100
)

// Overview reads it, for people. It costs tens of milliseconds where much happens.
func (d *Desk) Overview(ctx context.Context, a Actor) (Overview, error) {
	if err := a.looker(); err != nil {
		return Overview{}, err
	}
	if err := a.may(paybell.ListInvoices | paybell.GetWebhooks | paybell.PullNotifications); err != nil {
		return Overview{}, err
	}
	minute := now().Truncate(time.Minute)
	return store.View(ctx, d.DB, func(tx *store.Tx) (o Overview, err error) {
		o.Since, o.HourSince = minute.Add(-24*time.Hour), minute.Add(-59*time.Minute)
		if o.Attention, err = a.attention(tx); err != nil {
			return o, err
		}
		if err := a.addInvoices(tx, &o, minute.Add(-7*24*time.Hour)); err != nil {
			return o, err
		}
		return o, a.addDeliveries(tx, &o)
	})
}

// addInvoices adds what is to be said about invoices.
func (a Actor) addInvoices(tx *store.Tx, o *Overview, flaggedSince time.Time) (err error) {
	flagged, err := tx.FlaggedInvoices(a.MerchantID, flaggedSince, flaggedLook)
	if err != nil {
		return err
	}
	flagged = slices.DeleteFunc(flagged, func(inv paybell.Invoice) bool { return !undecided(inv) })
	o.MoreFlagged = len(flagged) > MaxFlagged
	o.Flagged = flagged[:min(len(flagged), MaxFlagged)]
	for _, state := range paybell.States {
		n, err := tx.CountInvoices(a.MerchantID, state, o.Since, MaxDay+1)
		if err != nil {
			return err
		}
		if n > 0 {
			o.States = append(o.States, InvoiceCount{state, n})
		}
	}
	for _, of := range []struct {
		state paybell.State
		most  int
	}{{paybell.Completed, summedCompleted}, {paybell.Paid, summedPaid}} {
		all, err := tx.InvoiceTotals(a.MerchantID, of.state, o.Since, of.most+1)
		if err != nil {
			return err
		}
		o.Money = append(o.Money, sums(of.state, all, of.most)...)
	}
	o.Newest, err = tx.Invoices(InvoiceFilter{MerchantID: a.MerchantID, Limit: newest, Brief: true})
	return err
}

// undecided reports whether somebody should look at an invoice with a flag. What
// was accepted as it is was looked at, unless its money is in doubt again.
func undecided(inv paybell.Invoice) bool {
	doubt := inv.Flags & (paybell.ReplacedFlag | paybell.ReorgedFlag)
	return doubt != 0 || inv.Flags&paybell.AcceptedAsIs == 0
}

// sums adds up, for each currency, what invoices are about.
func sums(state paybell.State, all []store.InvoiceTotal, most int) (money []InvoiceMoney) {
	for _, t := range all[:min(len(all), most)] {
		i := slices.IndexFunc(money, func(m InvoiceMoney) bool { return m.Currency == t.Currency && m.Test == t.Test })
		if i < 0 {
			i = len(money)
			money = append(money, InvoiceMoney{State: state, Currency: t.Currency, Test: t.Test, AtLeast: len(all) > most})
		}
		money[i].Sum = money[i].Sum.Add(t.Total)
	}
	slices.SortFunc(money, func(m, n InvoiceMoney) int { return strings.Compare(m.Currency, n.Currency) })
	return money
}

// addDeliveries adds what is to be said about what webhooks were told.
func (a Actor) addDeliveries(tx *store.Tx, o *Overview) error {
	clients, err := a.clientNames(tx, "")
	if err != nil {
		return err
	}
	o.Clients = len(clients)
	used, err := tx.RecentHooks(a.MerchantID, store.Endpoint{}, listedHooks)
	if err != nil {
		return err
	}
	var ids []string
	for _, h := range used {
		o.Told = o.Told || !h.ToldAt.IsZero()
		if !h.ToldAt.Before(o.HourSince) {
			ids = append(ids, h.ID)
		}
	}
	given, err := a.givenHooks(tx, clients, now())
	if err != nil {
		return err
	}
	o.Told = o.Told || len(given) > 0
	for _, w := range given {
		ids = append(ids, w.ID)
	}
	o.LastHour, err = tx.SampleDeliveries(ids, o.HourSince, sampled)
	return err
}
