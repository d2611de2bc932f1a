package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) listInvoices(w http.ResponseWriter, r *request) error {
	filter, err := readInvoiceFilter(r)
	if err != nil {
		return err
	}
	page, err := s.Desk.ListInvoices(r.Context(), r.actor, filter, desk.MaxSteps)
	if err != nil {
		return err
	}
	items := []summaryJSON{}
	for i := range page.Invoices {
		items = append(items, newSummaryJSON(&page.Invoices[i], r.version()))
	}
	after := ""
	if n := len(page.Invoices); n == filter.Limit {
		after = newCursor(page.Invoices[n-1])
	} else if !page.Next.IsZero() { // a search that goes on further back
		after = newCursor(paybell.Invoice{CreatedAt: page.Next.At, ID: page.Next.ID})
	}
	return reply(w, http.StatusOK, listJSON[summaryJSON]{items, s.paging(r, filter.Limit, after)})
}

// readInvoiceFilter reads the query.
func readInvoiceFilter(r *request) (f desk.InvoiceFilter, err error) {
	query := r.URL.Query()
	for name := range query {
		if text := query.Get(name); !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return f, paybell.InvalidField(cut(strings.ToValidUTF8(name, "?"), 60), "is not text: it holds a zero byte, or bytes that are no UTF-8")
		}
	}
	if f.Limit, err = readLimit(r); err != nil {
		return f, err
	}
	if f.BeforeAt, f.BeforeID, err = readCursor(query.Get("after")); err != nil {
		return f, err
	}
	if f.State, f.None, err = readState(query.Get("status")); err != nil {
		return f, err
	}
	if id := query.Get("clientId"); id != "" {
		var ok bool
		if f.ClientID, ok = paybell.ParseClientID(id); !ok {
			return f, paybell.InvalidField("clientId", "must be 32 hex digits, or a UUID")
		}
	}
	if query.Get("payoutWalletId") != "" {
		f.None = true // buyers pay into the merchant's own: no wallet of ours was ever paid out to
	}
	f.Integration = query.Get("integration")
	if id, ok := paybell.ParseClientID(f.Integration); ok {
		f.Integration = id
	}
	f.Words = strings.Fields(query.Get("q"))
	return f, readPeriod(query, &f)
}

// readPeriod reads from and to. Both are included, also when they name a whole
// second.
func readPeriod(query url.Values, f *desk.InvoiceFilter) error {
	from, err := readTime("from", query.Get("from"))
	if err != nil {
		return err
	}
	to, err := readTime("to", query.Get("to"))
	if err != nil {
		return err
	}
	if from != nil {
		f.From = *from
	}
	if to != nil {
		f.To = *to
		if len(query.Get("to")) == len(time.DateOnly) {
			f.To = to.AddDate(0, 0, 1).Add(-time.Microsecond) // a day is all of it
		} else if to.Nanosecond() == 0 {
			f.To = to.Add(time.Second - time.Microsecond)
		}
	}
	return nil
}

// readState reads a status. No invoice here ever has some of those that
// CoinPayments knows: then none is listed.
func readState(name string) (state paybell.State, none bool, err error) {
	switch strings.ToLower(name) {
	case "":
		return "", false, nil
	case "draft", "scheduled", "deleted":
		return "", true, nil
	}
	at := slices.IndexFunc(paybell.States, func(s paybell.State) bool { return strings.EqualFold(string(s), name) })
	if at < 0 {
		return "", false, paybell.InvalidField("status", "%.40q is none of: %s", name, stateNames())
	}
	return paybell.States[at], false, nil
}

func stateNames() string {
	names := make([]string, len(paybell.States))
	for i, s := range paybell.States {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// summaryJSON is an invoice in a list: contract 3.6, MerchantInvoiceSummaryDto.
type summaryJSON struct {
	headJSON
	// Of these a list shows less.
	Shipping *shippingBriefJSON `json:"shipping"`
	Metadata *metadataBriefJSON `json:"metadata"`

	Amount   taggedJSON    `json:"amount"`
	Payments []paymentJSON `json:"payments"`
}

type shippingBriefJSON struct {
	Address paybell.Address `json:"address"`
}

type metadataBriefJSON struct {
	Integration string `json:"integration"`
}

func newSummaryJSON(inv *paybell.Invoice, v *version) summaryJSON {
	currency, _ := paybell.FindCurrency(inv.Bill.Currency)
	j := summaryJSON{
		headJSON: newHeadJSON(inv),
		Amount:   taggedJSON{currency.Symbol, newMoneyJSON(currency, inv.Bill.Total)},
		Payments: newPaymentsJSON(inv, v),
	}
	if p := inv.Bill.Shipping; p != nil {
		j.Shipping = &shippingBriefJSON{p.Address}
	}
	if integration := inv.Bill.Integration(); integration != "" {
		j.Metadata = &metadataBriefJSON{integration}
	}
	return j
}
