package dash

import (
	"context"
	"slices"
	"strconv"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// overviewPage is what needs attention first, then how the day goes.
type overviewPage struct {
	desk.Overview
	Steps     []step       // what a new merchant does first; none: it was all done
	Networks  []walletCard // of the merchant's wallets
	Unwell    []alert
	Decisions []decision
	Hour      *hourChart
}

// step is one of those that a new merchant takes first.
type step struct {
	Title, Text string
	Link, Do    string
	Changes     bool // it is for who may do more than look
	Done        bool
}

// decision is an invoice with something that a person has to judge.
type decision struct {
	paybell.Invoice
	Flags []flagText
}

// overview reads what is shown at most once in a second for each merchant, however
// many look at it.
func (s *Server) overview(ctx context.Context, r *request) (view, error) {
	v := view{Template: "overview.html", Title: "Overview", Area: "overview"}
	key := memoryKey{s.Desk, r.Merchant.ID, r.User.Role, ""}
	o, err := s.overviews.get(ctx, key, web.WantsLive(r.Request), func(ctx context.Context) (desk.Overview, error) { return s.Desk.Overview(ctx, r.Person.Actor()) })
	if err != nil {
		return v, err
	}
	p := overviewPage{Overview: o, Steps: firstSteps(o), Hour: newHourChart(o.LastHour, o.HourSince)}
	if p.Networks, err = s.networks(ctx, r.Person.Actor()); err != nil {
		return v, err
	}
	for _, n := range p.Networks {
		if text := n.Trouble(); text != "" {
			p.Unwell = append(p.Unwell, alert{Text: text, Link: walletsPath, Do: "See the wallet"})
		}
	}
	for _, e := range o.Endpoints {
		p.Unwell = append(p.Unwell, alertOf(e))
	}
	for _, w := range o.Webhooks {
		p.Unwell = append(p.Unwell, alertOfWebhook(w))
	}
	for _, inv := range o.Flagged {
		p.Decisions = append(p.Decisions, decision{inv, flagTexts(inv.Flags)})
	}
	v.Data = p
	return v, nil
}

// networks are the cards of the wallets that the merchant has.
func (s *Server) networks(ctx context.Context, a desk.Actor) ([]walletCard, error) {
	cards, err := s.walletCards(ctx, a)
	return slices.DeleteFunc(cards, func(c walletCard) bool { return !c.Live }), err
}

// Calm reports whether nothing needs attention.
func (p overviewPage) Calm() bool { return len(p.Unwell)+len(p.Decisions) == 0 }

// Number is how a step is called.
func (p overviewPage) Number(i int) string { return strconv.Itoa(i + 1) }

// NextStep is the title of the first step that is not done.
func (p overviewPage) NextStep() string {
	for _, s := range p.Steps {
		if !s.Done {
			return s.Title
		}
	}
	return ""
}

// NameOf is what the merchant calls an invoice.
func (p overviewPage) NameOf(inv paybell.Invoice) string { return invoiceName(&inv) }

// newcomers is how many invoices a merchant makes before nobody explains the first
// steps any more, whether they were taken or not.
const newcomers = 10

func firstSteps(o desk.Overview) []step {
	steps := []step{
		{"Make an API integration", "It gives your shop a client id and a secret, and rings your server when something happens.", "/dash/integrations/api/new", "Add one", true, o.Clients > 0},
		{"Make an invoice", "Here, or from your shop. Pay it with test coins: nothing has to be set up for that.", "/dash/invoices/new", "Make one", true, len(o.Newest) > 0},
		{"Watch the notification come", "Your server is told of each change. Here you see what it was told, and what it answered.", deliveriesPath, "To the deliveries", false, o.Told},
	}
	missing := false
	for _, s := range steps {
		missing = missing || !s.Done
	}
	if !missing || len(o.Newest) >= newcomers {
		return nil
	}
	return steps
}

// Name is what the merchant calls the invoice, or what it is for.
func (d decision) Name() string { return invoiceName(&d.Invoice) }

// moneyLine is what the invoices in one state are about.
type moneyLine struct {
	State paybell.State
	Sums  []desk.InvoiceMoney
}

// MoneyLines are the sums by state: of what may be used first.
func (p overviewPage) MoneyLines() []moneyLine {
	var lines []moneyLine
	for _, m := range p.Money {
		if len(lines) == 0 || lines[len(lines)-1].State != m.State {
			lines = append(lines, moneyLine{State: m.State})
		}
		l := &lines[len(lines)-1]
		l.Sums = append(l.Sums, m)
	}
	return lines
}

// Count is how many invoices are in a state, in words.
func (p overviewPage) Count(c desk.InvoiceCount) string { return atLeast(c.N, desk.MaxDay) }
