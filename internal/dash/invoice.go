package dash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// invoicePage is the page of one invoice; what may lie over it is Pop.
type invoicePage struct {
	desk.InvoiceStory
	Wrong string // why the last thing that was asked for was not done
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
	return b
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
