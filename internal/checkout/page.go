package checkout

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// page is what the templates show.
type page struct {
	desk.CheckoutView
	say
	visit
	root string // leads to the folder of /checkout/ and /invoices/
	now  time.Time

	Native  paybell.Currency // that the invoice is priced in
	Payment *paybell.Payment // that the page is about; nil: none
	Coin    paybell.Currency // of the payment
	Money   paybell.Money    // of the payment
	Form    buyerForm

	Back, Reference string // of failures
}

// showCheckout is the page that shops send buyers to. Opening it takes no
// address and changes nothing.
func (s *Server) showCheckout(w http.ResponseWriter, r *http.Request) error {
	p, err := s.newPage(r, readVisit(r, r.URL.Query().Get("invoice-id")))
	if err != nil {
		return err
	}
	return p.write(w, http.StatusOK, "checkout.html")
}

// showInvoice is the invoice to print: what its link leads to.
func (s *Server) showInvoice(w http.ResponseWriter, r *http.Request) error {
	p, err := s.newPage(r, visit{id: r.PathValue("id")})
	if err != nil {
		return err
	}
	return p.write(w, http.StatusOK, "invoice.html")
}

func (s *Server) newPage(r *http.Request, v visit) (*page, error) {
	view, err := s.Desk.Checkout(r.Context(), v.id, v.success, v.cancel)
	if err != nil {
		return nil, err
	}
	if v.success != "" { // what does not count is not taken along
		v.success = view.SuccessURL
	}
	if v.cancel != "" {
		v.cancel = view.CancelURL
	}
	return pageAt(view, v, rootOf(r), time.Now()), nil
}

// pageAt is the page of a moment.
func pageAt(view desk.CheckoutView, v visit, root string, now time.Time) *page {
	v.id = view.Invoice.ID
	p := &page{CheckoutView: view, visit: v, root: root, now: now, Payment: shown(&view.Invoice, v.coin)}
	p.Native, _ = paybell.FindCurrency(view.Invoice.Bill.Currency) // was found when the invoice was made
	if p.Payment != nil {
		p.Coin, _ = paybell.FindCurrency(p.Payment.Currency)
		p.Money = view.Invoice.Money(*p.Payment)
	}
	p.say = stages[p.stage()]
	return p
}

func (p *page) write(w http.ResponseWriter, status int, template string) error {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, template, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // who has gone cannot be told
	return nil
}

// The addresses of a page: of its style, of what its forms are sent to, of the
// buyer's page, of the invoice to print, of the list of coins.

func (p *page) Style() string             { return p.root + stylePath }
func (p *page) Action(step string) string { return p.form(p.root, step) }
func (p *page) Checkout() string          { return p.page(p.root) }
func (p *page) Printed() string           { return p.root + "invoices/" + p.id }

// OtherCoin is empty when there is none to choose.
func (p *page) OtherCoin() string {
	if len(p.Coins) < 2 {
		return ""
	}
	v := p.visit
	v.coin = chooseCoin
	return v.page(p.root)
}

// Shop is where the link back to the shop leads; empty: there is no link.
func (p *page) Shop() string {
	if p.Invoice.State == paybell.Paid || p.Invoice.State == paybell.Completed {
		return p.SuccessURL
	}
	return p.CancelURL
}

// URI is what the payment's QR code holds.
func (p *page) URI() string { return p.Coin.PaymentURI(p.Payment.Address, p.Money.Missing) }

// Wallet opens a wallet; empty: there is none for the coin. html/template would
// not let the scheme through, but it is from our own table, the address is our
// own, and the rest is digits.
func (p *page) Wallet() template.URL {
	if p.Coin.Test || p.Coin.URIScheme == "" {
		return ""
	}
	return template.URL(p.URI())
}

// QR draws the payment: all of it, or the bare address.
func (p *page) QR() qrCode {
	if p.Invoice.Bill.SimpleQR {
		return newQR(p.Payment.Address)
	}
	return newQR(p.URI())
}

// Depth is how many confirmations there are of those that are needed.
func (p *page) Depth() int { return min(p.Money.Depth, p.Payment.CompletedAfter) }

// Notes say what the invoice's flags mean for a buyer.
func (p *page) Notes() (texts []string) {
	for _, n := range notes {
		if p.Invoice.Flags&n.flag != 0 {
			texts = append(texts, n.text)
		}
	}
	return texts
}

// Price writes an amount of the invoice's currency to be read: 1,234.50.
func (p *page) Price(amount decimal.Decimal) string {
	s := p.Native.Format(amount)
	for i := strings.IndexByte(s+".", '.') - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Sum is a part of the total.
type Sum struct{ Name, Amount string }

// Sums is how the total comes about; empty if it is the one sum there is.
func (p *page) Sums() (sums []Sum) {
	b := p.Invoice.Bill.Breakdown
	for _, part := range []struct {
		name, sign string
		amount     decimal.Decimal
	}{{"Subtotal", "", b.Subtotal}, {"Shipping", "", b.Shipping}, {"Handling", "", b.Handling}, {"Tax", "", b.Tax}, {"Discount", "−", b.Discount}} {
		if !part.amount.IsZero() {
			sums = append(sums, Sum{part.name, part.sign + p.Price(part.amount)})
		}
	}
	if b.Subtotal.Equal(p.Invoice.Bill.Total) && len(sums) == 1 {
		return nil
	}
	return sums
}

// Receipt is one transaction that pays the invoice.
type Receipt struct{ Amount, Address, TxID string }

// Receipts lists the money that stands.
func (p *page) Receipts() (list []Receipt) {
	for _, t := range p.Invoice.Transfers {
		if coin, _ := paybell.FindCurrency(t.Asset); t.Standing() {
			list = append(list, Receipt{t.Amount.Coins(coin.Decimals).String() + " " + coin.Symbol, t.Address, t.TxID})
		}
	}
	return list
}

// Until is when the payment's window is over, with the date if that is not today.
func (p *page) Until() string {
	at := p.Payment.ExpiresAt.UTC()
	if at.Format(time.DateOnly) == p.now.UTC().Format(time.DateOnly) {
		return at.Format("15:04 UTC")
	}
	return at.Format("2 January, 15:04 UTC")
}

// Left is how much of the window there is.
func (p *page) Left() string { return span(p.Payment.ExpiresAt.Sub(p.now)) }

// Window is how long an amount would be good.
func (p *page) Window() string { return span(min(p.Invoice.Window, p.Invoice.ExpiresAt.Sub(p.now))) }

// span is a duration in words, in whole minutes, hours or days.
func span(d time.Duration) string {
	minutes := int(d / time.Minute)
	switch hours := minutes / 60; {
	case minutes < 1:
		return "less than a minute"
	case hours >= 48:
		return fmt.Sprintf("%d days", hours/24)
	case hours == 0:
		return fmt.Sprintf("%d min", minutes)
	case minutes%60 > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes%60)
	case hours == 1:
		return "1 hour"
	default:
		return fmt.Sprintf("%d hours", hours)
	}
}
