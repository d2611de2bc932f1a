package dash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// invoicePage is the page of one invoice; what may lie over it is Pop.
type invoicePage struct {
	desk.InvoiceStory
	Wrong string   // why the last thing that was asked for was not done
	Blind []string // about networks that it waits for, and that cannot be looked at
	Path  string
	Name  string
	Lead  string // how it stands, in a sentence
	Until time.Time
	Buyer *buyerText

	Payments []paymentBlock // the newest first
	Unused   int            // payments that timed out with nothing
	Timeline timeline
	Link     string // for the buyer
	QR       web.QR
	Print    string // the invoice to print
	Cancel   possible
	Accept   possible
	Test     *testPanel // nil: there are no test coins in it

	Custom, Metadata string // as the merchant's programs wrote it
	MoreItems        int
	Pop              any
}

// maxItemsShown bounds the table of items.
const maxItemsShown = 50

// buyerText is who buys, line by line.
type buyerText struct {
	Name, Email, Phone string
	Address            []string
}

// possible says whether something can be done with the invoice, and if not, why.
type possible struct {
	Now bool
	Why string
}

// paymentBlock is one payment, with what it has received.
type paymentBlock struct {
	paybell.Payment
	State                            paybell.State
	Coin                             string
	Asked, Got, Confirmed, Missing   string
	Rate                             string
	Depth                            int // confirmations
	Open, HasMoney, Short, Unsettled bool

	Transfers []transferLine // the newest first, at most maxTransferLines
	More      int            // transfers that are not shown
}

// maxTransferLines bounds the transfers that a payment's card shows; the timeline has
// them, too.
const maxTransferLines = 5

// transferLine is money that a payment received.
type transferLine struct {
	paybell.Transfer
	Amount string
	Text   string // how it stands
	Kind   string // good, wait, warn or stop
	Block  string // that holds it; empty: none does
}

func (s *Server) invoice(ctx context.Context, r *request) (view, error) {
	p, err := s.readInvoice(ctx, r)
	return view{Template: "invoice.html", Title: "Invoice " + p.Name, Area: "invoices", Data: p}, err
}

func (s *Server) readInvoice(ctx context.Context, r *request) (p invoicePage, err error) {
	story, err := s.Desk.InvoiceStory(ctx, r.Person.Actor(), r.PathValue("id"))
	if err != nil {
		return p, err
	}
	inv := &story.Invoice
	base := strings.TrimRight(s.PublicURL, "/")
	p = invoicePage{
		InvoiceStory: story, Path: invoicesPath + "/" + inv.ID, Name: invoiceName(inv), Timeline: newTimeline(&story),
		Link: base + "/checkout/?invoice-id=" + inv.ID, Print: base + "/invoices/" + inv.ID,
		Cancel: mayCancel(inv), Accept: mayAccept(inv), Test: newTestPanel(inv),
		Custom: indented(inv.Bill.CustomData), Metadata: indented(inv.Bill.Metadata),
		MoreItems: max(0, len(inv.Bill.Items)-maxItemsShown), Buyer: newBuyerText(inv.Bill.Buyer),
	}
	if p.Blind, err = s.blind(ctx, inv); err != nil {
		return p, err
	}
	if p.Test != nil && !p.Test.Opened { // it may be a test because of another network
		offered, _, err := s.Desk.TestCoin(ctx, r.Person.Actor())
		if err != nil {
			return p, err
		}
		if !offered {
			p.Test = nil
		}
	}
	p.QR = web.NewQR(p.Link)
	p.Lead, p.Until = lead(inv)
	for _, payment := range slices.Backward(inv.Payments) {
		b := newPaymentBlock(inv, payment)
		if !b.Open && !b.HasMoney {
			p.Unused++
			continue
		}
		p.Payments = append(p.Payments, b)
	}
	return p, nil
}

func blindText(network string) string {
	return "The " + network + " network is not seen now, so this may be old. Money that comes meanwhile is recognised later, and the buyer gets the time back."
}

// showInvoiceWith is the page of an invoice after something was asked for that is
// not possible: it says so.
func (s *Server) showInvoiceWith(w http.ResponseWriter, r *request, asked error) error {
	wrong := advice(asked)
	if wrong == "" || paybell.CodeOf(asked) == paybell.Forbidden {
		return asked
	}
	p, err := s.readInvoice(r.Context(), r)
	if err != nil {
		return err
	}
	p.Wrong = wrong
	return s.show(w, r, http.StatusUnprocessableEntity, view{Template: "invoice.html", Title: "Invoice " + p.Name, Area: "invoices", Data: p})
}

// Items are those that are shown.
func (p invoicePage) Items() []paybell.Item {
	return p.Invoice.Bill.Items[:len(p.Invoice.Bill.Items)-p.MoreItems]
}

// Tags are the flags, in words.
func (p invoicePage) Tags() []flagText { return flagTexts(p.Invoice.Flags) }

// Gone reports whether the integration that made the invoice was deleted.
func (p invoicePage) Gone() bool { return p.Client.State == paybell.ClientDeleted }

// coins writes an amount of a coin to be read: 1,234.5 LTCT.
func coins(u paybell.Units, currency string) string {
	c, ok := paybell.FindCurrency(currency)
	if !ok {
		return u.String()
	}
	return thousands(u.Coins(c.Decimals).String()) + " " + c.Symbol
}

func newPaymentBlock(inv *paybell.Invoice, p paybell.Payment) paymentBlock {
	m := inv.Money(p)
	coin, _ := paybell.FindCurrency(p.Currency)
	from, _ := paybell.FindCurrency(inv.Bill.Currency)
	b := paymentBlock{
		Payment: p, State: inv.PaymentState(p), Coin: cmp.Or(coin.Name, p.Currency), Asked: coins(p.Due, p.Currency), Got: coins(m.Seen, p.Currency),
		Confirmed: coins(m.Confirmed, p.Currency), Missing: coins(m.Missing, p.Currency),
		Rate: "1 " + from.Symbol + " = " + p.Rate.String() + " " + coin.Symbol, Depth: min(m.Depth, p.CompletedAfter),
		HasMoney: !m.Seen.IsZero(), Short: !m.Missing.IsZero(),
	}
	b.Open = p.Open() && b.State == paybell.Unpaid
	b.Unsettled = b.HasMoney && m.Confirmed.Cmp(m.Counted) < 0
	transfers := slices.DeleteFunc(slices.Clone(inv.Transfers), func(t paybell.Transfer) bool { return t.PaymentID != p.ID })
	slices.SortStableFunc(transfers, func(t, u paybell.Transfer) int { return u.SeenAt.Compare(t.SeenAt) })
	b.More = max(0, len(transfers)-maxTransferLines)
	for _, t := range transfers[:len(transfers)-b.More] {
		b.Transfers = append(b.Transfers, newTransferLine(t, p.CompletedAfter))
	}
	return b
}

// newTransferLine tells how a transfer stands that needs so many confirmations.
func newTransferLine(t paybell.Transfer, needed int) transferLine {
	l := transferLine{Transfer: t, Amount: coins(t.Amount, t.Asset)}
	l.Kind, l.Text = standing(t, needed)
	if t.Status == paybell.Mined && t.Height > 0 {
		l.Block = thousands(strconv.FormatInt(t.Height, 10))
	}
	return l
}

// standing says how a transfer stands.
func standing(t paybell.Transfer, needed int) (kind, text string) {
	switch t.Status {
	case paybell.Mempool:
		if t.Reorged {
			return "warn", "Its block was taken back. It waits for another one."
		}
		return "wait", "Not in a block yet."
	case paybell.Mined:
		if t.Confirmations >= needed {
			return "good", "Confirmed."
		}
		return "wait", fmt.Sprintf("%d of %d confirmations.", t.Confirmations, needed)
	case paybell.Replaced:
		return "stop", "Replaced by another transaction: this money does not come."
	case paybell.Dropped:
		return "stop", "Dropped: no node knows it any more. It may come back."
	}
	return "", ""
}

// blind says which networks cannot be looked at, of those that an invoice waits for.
// What is wrong with them is an alert on every page.
func (s *Server) blind(ctx context.Context, inv *paybell.Invoice) (texts []string, err error) {
	waits := map[string]bool{}
	for _, p := range inv.Payments {
		m := inv.Money(p)
		if p.Network != paybell.SandboxNetwork && (p.Open() && inv.State == paybell.Pending || m.Confirmed.Cmp(m.Seen) < 0) {
			waits[p.Network] = true
		}
	}
	if len(waits) == 0 {
		return nil, nil
	}
	chains, err := s.Desk.Chains(ctx)
	for _, c := range chains {
		if waits[c.Network] && c.Delayed {
			texts = append(texts, blindText(networkName(c.Network)))
		}
	}
	return texts, err
}

// lead says how an invoice stands; until is when that is over, if it ends by itself.
func lead(inv *paybell.Invoice) (text string, until time.Time) {
	switch inv.State {
	case paybell.Unpaid:
		return "Waits for the buyer to choose a coin. It can be paid until", inv.ExpiresAt
	case paybell.Pending:
		for _, p := range slices.Backward(inv.Payments) {
			if m := inv.Money(p); !m.Counted.IsZero() && !m.Missing.IsZero() {
				return coins(m.Counted, p.Currency) + " came; " + coins(m.Missing, p.Currency) + " are missing.", until
			}
		}
		for _, p := range slices.Backward(inv.Payments) {
			if p.Open() {
				return "Waits for " + coins(p.Due, p.Currency) + " until", p.ExpiresAt
			}
		}
		return "Waits for its payment.", until
	case paybell.Paid:
		return "The whole amount was seen. The money may be used when it is confirmed.", until
	case paybell.Completed:
		return "Paid and confirmed: the money may be used.", until
	case paybell.Cancelled:
		return "It was cancelled, and takes no payment.", until
	case paybell.TimedOut:
		return "Its time ran out without money.", until
	}
	return "", until
}

// mayCancel asks the invoice itself, and changes nothing.
func mayCancel(inv *paybell.Invoice) possible {
	if inv.State == paybell.Cancelled {
		return possible{Why: "It is cancelled already."}
	}
	_, err := inv.Next(paybell.Input{Do: paybell.Cancel{}}, inv.CreatedAt)
	return possible{err == nil, advice(err)}
}

func mayAccept(inv *paybell.Invoice) possible {
	if inv.PartialAcceptAvailable() {
		return possible{Now: true}
	}
	_, err := inv.Next(paybell.Input{Do: paybell.Accept{}}, inv.CreatedAt)
	return possible{Why: cmp.Or(advice(err), "It is paid in full; there is nothing to accept.")}
}

func newBuyerText(p *paybell.Party) *buyerText {
	if p == nil {
		return nil
	}
	a := p.Address
	t := &buyerText{Name: strings.Join(given(p.Name.First+" "+p.Name.Last, p.CompanyName), ", "), Email: p.Email, Phone: p.Phone}
	t.Address = given(a.Address1, a.Address2, a.Address3, strings.TrimSpace(a.PostalCode+" "+a.City), a.SuburbOrDistrict, a.ProvinceOrState, a.CountryCode)
	return t
}

// given are the texts that say something.
func given(texts ...string) (all []string) {
	for _, text := range texts {
		if text = strings.TrimSpace(text); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// indented is JSON to be read, empty if there is none.
func indented(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
