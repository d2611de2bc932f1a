package checkout

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// page is what the templates show.
type page struct {
	desk.CheckoutView
	say
	visit
	root string // leads to the folder of /checkout/ and /invoices/
	now  time.Time
	Live bool // its address, asked for as a stream, tells of changes
	Sent bool // it is such a change: what the script counts itself is left out

	Native  paybell.Currency // that the invoice is priced in
	Payment *paybell.Payment // that the page is about; nil: none
	Coin    paybell.Currency // of the payment
	Money   paybell.Money    // of the payment
	Form    buyerForm
	Unseen  bool // the payment's network cannot be looked at now

	Back, Reference string // of failures
}

// showCheckout is the page that shops send buyers to, or the stream of its changes.
// Opening it takes no address and changes nothing.
func (s *Server) showCheckout(w http.ResponseWriter, r *http.Request) error {
	v := readVisit(r, r.URL.Query().Get("invoice-id"))
	if id, ok := paybell.ParseUUID(v.id); ok {
		v.id = id // in one spelling
	}
	if r.Method == http.MethodGet && web.WantsLive(r) {
		return s.stream(w, r, v)
	}
	p, err := s.newPage(r.Context(), r, v)
	if err != nil {
		return err
	}
	p.Live = true
	return p.write(w, http.StatusOK, "checkout.html")
}

// stream sends the part of the page that changes, whenever it has.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, v visit) error {
	for _, place := range []struct {
		of  *web.Streams
		key string
	}{{&s.watched, v.id}, {&s.watchers, s.caller(r)}, {&s.streaming, ""}} {
		if !place.of.Enter(place.key) {
			return paybell.Errorf(paybell.RateLimited, "too many look at it already")
		}
		defer place.of.Leave(place.key)
	}
	var sent *page
	var text []byte
	return s.live.Serve(w, r, func(ctx context.Context) ([]byte, error) {
		p, err := s.newPage(ctx, r, v)
		if err != nil || sent != nil && p.looksLike(sent) {
			return text, err
		}
		p.Live, p.Sent = true, true
		sent = p
		text, err = p.render("live")
		return text, err
	})
}

// looksLike reports whether drawing p would come to the same as drawing q, which
// costs more than to find out.
func (p *page) looksLike(q *page) bool {
	return p.say == q.say && p.Unseen == q.Unseen && p.Window() == q.Window() && reflect.DeepEqual(p.CheckoutView, q.CheckoutView)
}

// showInvoice is the invoice to print: what its link leads to.
func (s *Server) showInvoice(w http.ResponseWriter, r *http.Request) error {
	p, err := s.newPage(r.Context(), r, visit{id: r.PathValue("id")})
	if err != nil {
		return err
	}
	return p.write(w, http.StatusOK, "invoice.html")
}

func (s *Server) newPage(ctx context.Context, r *http.Request, v visit) (*page, error) {
	view, err := s.Desk.Checkout(ctx, v.id, v.success, v.cancel)
	if err != nil {
		return nil, err
	}
	if v.success != "" { // what does not count is not taken along
		v.success = view.SuccessURL
	}
	if v.cancel != "" {
		v.cancel = view.CancelURL
	}
	p := pageAt(view, v, rootOf(r), time.Now())
	p.Unseen, err = s.unseen(ctx, p)
	return p, err
}

// unseen reports whether a page waits for a network that cannot be looked at now.
func (s *Server) unseen(ctx context.Context, p *page) (bool, error) {
	if p.Payment == nil || !p.Waits || p.Payment.Network == paybell.SandboxNetwork {
		return false, nil
	}
	chains, err := s.Desk.Chains(ctx)
	i := slices.IndexFunc(chains, func(c desk.ChainStatus) bool { return c.Network == p.Payment.Network })
	return i >= 0 && chains[i].Delayed, err
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
	if p.Step == 3 && p.Payment != nil && p.Payment.PaidAfter > 0 && view.Invoice.State == paybell.Pending {
		p.Label = "Seen, not confirmed yet"
		p.Text = fmt.Sprintf("It counts as paid after %s. You can close this page.", confirmations(p.Payment.PaidAfter))
	}
	return p
}

func confirmations(n int) string {
	if n == 1 {
		return "1 confirmation"
	}
	return fmt.Sprintf("%d confirmations", n)
}

func (p *page) render(template string) ([]byte, error) {
	var body bytes.Buffer
	err := templates.ExecuteTemplate(&body, template, p)
	return body.Bytes(), err
}

func (p *page) write(w http.ResponseWriter, status int, template string) error {
	body, err := p.render(template)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has gone cannot be told
	return nil
}

// The addresses of a page: of a file that it needs, of what its forms are sent to, of
// the buyer's page, of the invoice to print, of the list of coins.

func (p *page) Asset(name string) string  { return p.root + strings.TrimPrefix(assets.Path(name), "/") }
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
func (p *page) QR() web.QR {
	if p.Invoice.Bill.SimpleQR {
		return web.NewQR(p.Payment.Address)
	}
	return web.NewQR(p.URI())
}

// Depth is how many confirmations there are of those that are needed.
func (p *page) Depth() int { return min(p.Money.Depth, p.Payment.CompletedAfter) }

// Asked says that the buyer still has to pay, or may have paid already: time matters.
func (p *page) Asked() bool { return p.Step < 3 }

// Unready are the coins to choose from whose network cannot be looked at now.
func (p *page) Unready() (coins []desk.PricedCoin) {
	for _, c := range p.Coins {
		if c.Delayed {
			coins = append(coins, c)
		}
	}
	return coins
}

// Notes say what the invoice's flags mean for a buyer.
func (p *page) Notes() (texts []string) {
	for _, n := range notes {
		if p.Invoice.Flags&n.flag != 0 && n.text != p.Text {
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

// About writes what a coin would cost, with 6 digits that count: the rate is not
// locked, so more would say nothing.
func (p *page) About(c desk.PricedCoin) string {
	d := c.Due.Coins(c.Decimals)
	return d.Round(int32(max(0, 6-d.NumDigits()-int(d.Exponent())))).String()
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

// Step is one of those that lead to a paid invoice.
type Step struct {
	Name        string
	Done, Doing bool
}

// Way is the steps from here to a paid invoice; empty: this page leads there no more.
func (p *page) Way() (steps []Step) {
	if p.Step == 0 {
		return nil
	}
	for i, name := range []string{"Choose", "Pay", "Confirm"} {
		steps = append(steps, Step{name, p.Step > i+1, p.Step == i+1})
	}
	return steps
}

// Receipt is one transaction that pays the invoice.
type Receipt struct {
	Amount, Address, TxID string

	At            Moment // it was seen
	Confirmations int
}

// Receipts lists the money that stands.
func (p *page) Receipts() (list []Receipt) {
	for _, payment := range p.Invoice.Payments {
		told, _ := p.Invoice.Told(payment)
		for _, t := range told {
			if coin, _ := paybell.FindCurrency(t.Asset); t.Standing() {
				amount := t.Amount.Coins(coin.Decimals).String() + " " + coin.Symbol
				list = append(list, Receipt{amount, t.Address, t.TxID, p.moment(t.SeenAt), t.Confirmations})
			}
		}
	}
	return list
}

// ID is a long id that is shown short: the end of its head is cut off where it is
// shown, and nowhere else.
type ID struct{ Head, Tail string }

// Short cuts an id.
func (p *page) Short(id string) ID {
	cut := max(0, len(id)-6)
	return ID{id[:cut], id[cut:]}
}

// Moment is a time, for people and for the script, which tells it in the zone of who
// reads it.
type Moment struct{ Text, ISO string }

// moment is told with the date if that is not today.
func (p *page) moment(at time.Time) Moment {
	at = at.UTC()
	layout := "2 January, 15:04 UTC"
	if at.Format(time.DateOnly) == p.now.UTC().Format(time.DateOnly) {
		layout = "15:04 UTC"
	}
	return Moment{at.Format(layout), at.Format(isoTime)}
}

const isoTime = "2006-01-02T15:04:05Z"

// Until is when the payment's window is over.
func (p *page) Until() Moment { return p.moment(p.Payment.ExpiresAt) }

// PaidAt is when the invoice was paid, with its year: it is for the files.
func (p *page) PaidAt() Moment {
	at := p.Invoice.PaidAt.UTC()
	return Moment{at.Format("2 January 2006, 15:04 UTC"), at.Format(isoTime)}
}

// Now is the server's time, by which time runs out.
func (p *page) Now() string { return p.now.UTC().Format(isoTime) }

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
