package dash

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

const invoicesPath = "/dash/invoices"

func (s *Server) invoiceRoutes() []route {
	const one = invoicesPath + "/{id}"
	return []route{
		{"GET " + invoicesPath, s.invoices},
		{"GET " + invoicesPath + ".csv", s.exportInvoices},
		{"GET " + invoicesPath + "/new", s.page(s.newInvoice)},
		{"POST " + invoicesPath + "/new", s.createInvoice},
		{"GET " + one, s.page(s.invoice)},
		{"POST " + one + "/cancel", s.cancelInvoice},
		{"POST " + one + "/accept", s.acceptInvoice},
		{"GET " + one + "/refund", s.page(s.askRefund)},
		{"POST " + one + "/refund", s.noteRefund},
		{"POST " + one + "/test/{step}", s.testInvoice},
	}
}

// invoicesOnPage is how many a page of the list has.
const invoicesOnPage = 25

// invoiceQuery is what people look for, as they said it.
type invoiceQuery struct {
	Words    string
	State    string
	Client   string
	From, To string // days, in UTC
	Before   string
	Wrong    string // why it cannot be looked for
}

// readInvoiceQuery reads a page's address.
func readInvoiceQuery(q url.Values) (iq invoiceQuery, f desk.InvoiceFilter) {
	iq = invoiceQuery{
		Words: strings.TrimSpace(strings.Map(printable, q.Get("q"))), State: q.Get("state"), Client: q.Get("client"),
		From: q.Get("from"), To: q.Get("to"), Before: q.Get("before"),
	}
	f = desk.InvoiceFilter{Limit: invoicesOnPage, Words: strings.Fields(iq.Words)}
	complain := func(text string) {
		if iq.Wrong == "" {
			iq.Wrong = text
		}
	}
	if iq.State != "" && !slices.Contains(paybell.States, paybell.State(iq.State)) {
		complain("There is no such state.")
	}
	f.State = paybell.State(iq.State)
	if iq.Client != "" {
		var ok bool
		if f.ClientID, ok = paybell.ParseClientID(iq.Client); !ok {
			complain("There is no such integration.")
		}
	}
	day := func(name, text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if text != "" && err != nil {
			complain(name + " must be a date like 2026-01-31.")
		}
		return at
	}
	f.From = day("From", iq.From)
	if f.To = day("To", iq.To); !f.To.IsZero() {
		f.To = f.To.AddDate(0, 0, 1).Add(-time.Microsecond) // a day is all of it
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		complain("From is after To: nothing can be found.")
	}
	f.BeforeAt, f.BeforeID = readPlace(iq.Before)
	if len(f.Words) > maxWords || len(iq.Words) > 200 {
		complain("Search for four words at most.")
	}
	return iq, f
}

const maxWords = 4

// printable drops what nobody types and databases do not take.
func printable(r rune) rune {
	if unicode.IsControl(r) || r == unicode.ReplacementChar {
		return ' '
	}
	return r
}

// place names an invoice's place in the list.
func place(at time.Time, id string) string {
	return strconv.FormatInt(at.UnixMicro(), 10) + "." + id
}

// readPlace reads what place wrote; what is none is the beginning.
func readPlace(text string) (time.Time, string) {
	micros, id, _ := strings.Cut(text, ".")
	us, err := strconv.ParseInt(micros, 10, 64)
	id, ok := paybell.ParseUUID(id)
	if err != nil || !ok || us <= 0 {
		return time.Time{}, ""
	}
	return time.UnixMicro(us), id
}

// Filtered reports whether not all invoices are asked for.
func (q invoiceQuery) Filtered() bool {
	return q.Words != "" || q.State != "" || q.Client != "" || q.From != "" || q.To != ""
}

// Address is a page of this search under a path: of another state, and behind
// another place.
func (q invoiceQuery) Address(path, state, before string) string {
	values := url.Values{}
	for _, v := range [][2]string{{"q", q.Words}, {"state", state}, {"client", q.Client}, {"from", q.From}, {"to", q.To}, {"before", before}} {
		if v[1] != "" {
			values.Set(v[0], v[1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// Export is the same search as a file.
func (q invoiceQuery) Export() string { return q.Address(invoicesPath+".csv", q.State, "") }

// invoiceTab leads to the invoices in a state.
type invoiceTab struct {
	Text, Address string
	Now           bool
}

// Tabs are the states.
func (q invoiceQuery) Tabs() []invoiceTab {
	tabs := []invoiceTab{{"All", q.Address(invoicesPath, "", ""), q.State == ""}}
	for _, state := range paybell.States {
		tabs = append(tabs, invoiceTab{stateBadge(state).Text, q.Address(invoicesPath, string(state), ""), q.State == string(state)})
	}
	return tabs
}

// invoiceList is the page of the list.
type invoiceList struct {
	invoiceQuery
	Clients  []paybell.Client
	Called   []invoiceLine // that have just this number
	Lines    []invoiceLine
	Older    string    // the next page; empty: there is none
	LookedTo time.Time // where the search ended that goes on there
}

// None reports whether there is nothing to show.
func (l invoiceList) None() bool { return len(l.Called) == 0 && len(l.Lines) == 0 }

// Further reports whether there is more to search behind this page.
func (l invoiceList) Further() bool { return !l.LookedTo.IsZero() }

// invoiceLine is an invoice in the list.
type invoiceLine struct {
	paybell.Invoice
	Name, What, Buyer, Email string
	Client                   string // empty: it was deleted
	Only                     bool   // there is no other client
}

// newInvoiceLine makes the line of an invoice; clients are names.
func newInvoiceLine(inv paybell.Invoice, clients map[string]string) invoiceLine {
	l := invoiceLine{Invoice: inv, Name: invoiceName(&inv), What: inv.Bill.Description, Client: clients[inv.ClientID]}
	l.Only = l.Client != "" && len(clients) == 1
	if l.What == "" && len(inv.Bill.Items) > 0 {
		l.What = inv.Bill.Items[0].Name
	}
	if p := inv.Bill.Buyer; p != nil {
		l.Buyer, l.Email = buyerName(p), p.Email
	}
	return l
}

// invoiceName is what people call an invoice.
func invoiceName(inv *paybell.Invoice) string {
	switch {
	case inv.Bill.Number != "":
		return inv.Bill.Number
	case inv.Bill.PONumber != "":
		return "PO " + inv.Bill.PONumber
	}
	return short(inv.ID)
}

func buyerName(p *paybell.Party) string {
	name := strings.TrimSpace(p.Name.First + " " + p.Name.Last)
	if name == "" {
		return p.CompanyName
	}
	return name
}

// PO is the purchase order number, where the name is another.
func (l invoiceLine) PO() string {
	if l.Bill.Number == "" {
		return ""
	}
	return l.Bill.PONumber
}

// Tags are the flags, in words.
func (l invoiceLine) Tags() []flagText { return flagTexts(l.Flags) }

// invoiceSearch is the list as one visitor looks at it. A search that looks far back
// is not made again at every change.
type invoiceSearch struct {
	*Server
	last view
	ends time.Time // of the last search
	took time.Duration
}

func (s *Server) invoices(w http.ResponseWriter, r *request) error {
	return s.page((&invoiceSearch{Server: s}).look)(w, r)
}

// searchPause is how often a search that looks far back is made again: so many times
// as long as it takes lies between two.
const searchPause = 20

func (s *invoiceSearch) look(ctx context.Context, r *request) (view, error) {
	if time.Since(s.ends) < searchPause*s.took {
		return s.last, nil
	}
	began := time.Now()
	l, err := s.invoiceList(ctx, r)
	if err != nil {
		return view{}, err
	}
	s.last = view{Template: "invoices.html", Title: "Invoices", Area: "invoices", Data: l}
	s.ends = time.Now()
	if l.Further() {
		s.took = s.ends.Sub(began)
	}
	return s.last, nil
}

func (s *Server) invoiceList(ctx context.Context, r *request) (l invoiceList, err error) {
	actor := r.Person.Actor()
	var f desk.InvoiceFilter
	l.invoiceQuery, f = readInvoiceQuery(r.URL.Query())
	if l.Clients, err = s.Desk.Clients(ctx, actor); err != nil || l.Wrong != "" {
		return l, err
	}
	names := clientNames(l.Clients)
	known := map[string]bool{}
	if f.BeforeID == "" {
		called, err := s.Desk.InvoicesCalled(ctx, actor, f)
		if err != nil {
			return l, err
		}
		for _, inv := range called {
			known[inv.ID] = true
			l.Called = append(l.Called, newInvoiceLine(inv, names))
		}
	}
	f.Brief = true
	page, err := s.Desk.ListInvoices(ctx, actor, f, 1)
	if err != nil {
		return l, err
	}
	for _, inv := range page.Invoices {
		if !known[inv.ID] {
			l.Lines = append(l.Lines, newInvoiceLine(inv, names))
		}
	}
	l.LookedTo = page.LookedTo
	if !page.Next.IsZero() {
		l.Older = l.Address(invoicesPath, l.State, place(page.Next.At, page.Next.ID))
	}
	return l, nil
}

func clientNames(clients []paybell.Client) map[string]string {
	names := map[string]string{}
	for _, c := range clients {
		names[c.ID] = c.Name
	}
	return names
}

// flagText says in plain words what a flag means.
type flagText struct{ Kind, Name, Text string }

// allFlags are in the order of paybell.Flags' names.
var allFlags = map[string]flagText{
	"underpaid":    {"warn", "Underpaid", "Some money came, and it is not enough."},
	"overpaid":     {"warn", "Overpaid", "More came than is due."},
	"late":         {"warn", "Late", "Money came after the time was up."},
	"multiple":     {"warn", "Several coins", "Money stands in more than one payment. It is not added up."},
	"replaced":     {"stop", "Replaced", "The sender spent the money elsewhere before it was confirmed, and has not made good for it."},
	"reorged":      {"stop", "Reorganized", "A confirmed transaction lost its block, and without it the confirmed money is not enough."},
	"acceptedAsIs": {"good", "Accepted as is", "What was there was taken as enough."},
}

func flagTexts(f paybell.Flags) (texts []flagText) {
	for _, name := range f.Names() {
		t, ok := allFlags[name]
		if !ok {
			t = flagText{"warn", sentenceCase(name), ""}
		}
		texts = append(texts, t)
	}
	return texts
}
