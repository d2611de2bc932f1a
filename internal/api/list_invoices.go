package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// defaultLimit is how many invoices a page has when the query does not say.
const defaultLimit = 25

func (s *Server) listInvoices(w http.ResponseWriter, r *request) error {
	filter, err := readInvoiceFilter(r)
	if err != nil {
		return err
	}
	invoices, err := s.Desk.ListInvoices(r.Context(), r.actor, filter)
	if err != nil {
		return err
	}
	items := []summaryJSON{}
	for i := range invoices {
		items = append(items, newSummaryJSON(&invoices[i]))
	}
	after := ""
	if len(invoices) == filter.Limit {
		after = newCursor(invoices[len(invoices)-1])
	}
	return reply(w, http.StatusOK, listJSON[summaryJSON]{items, s.paging(r, filter.Limit, after)})
}

// readInvoiceFilter reads the query. A filter that we do not have is refused:
// ignoring it would answer with invoices that were not asked for.
func readInvoiceFilter(r *request) (f desk.InvoiceFilter, err error) {
	query := r.URL.Query()
	f.Limit = defaultLimit
	if limit := query.Get("limit"); limit != "" {
		if f.Limit, err = strconv.Atoi(limit); err != nil {
			return f, paybell.InvalidField("limit", "must be 1 to 100")
		}
	}
	if f.BeforeAt, f.BeforeID, err = readCursor(query.Get("after")); err != nil {
		return f, err
	}
	if f.State, err = readState(query.Get("status")); err != nil {
		return f, err
	}
	if id := query.Get("clientId"); id != "" {
		var ok bool
		if f.ClientID, ok = paybell.ParseClientID(id); !ok {
			return f, paybell.InvalidField("clientId", "must be 32 hex digits, or a UUID")
		}
	}
	for _, name := range []string{"from", "to", "q", "integration", "payoutWalletId"} {
		if query.Get(name) != "" {
			return f, paybell.Errorf(paybell.NotSupported, "Invoices cannot be filtered by %s yet; by status and clientId they can.", name)
		}
	}
	return f, nil
}

func readState(name string) (paybell.State, error) {
	if name == "" {
		return "", nil
	}
	at := slices.IndexFunc(paybell.States, func(s paybell.State) bool { return strings.EqualFold(string(s), name) })
	if at < 0 {
		return "", paybell.InvalidField("status", "%.40q is none of: %s", name, stateNames())
	}
	return paybell.States[at], nil
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
	Amount   summaryAmountJSON `json:"amount"`
	Payments []paymentJSON     `json:"payments"` // always empty: lists are read without them
}

type summaryAmountJSON struct {
	CurrencySymbol string `json:"currencySymbol"`
	moneyJSON
}

func newSummaryJSON(inv *paybell.Invoice) summaryJSON {
	currency, _ := paybell.FindCurrency(inv.Bill.Currency)
	return summaryJSON{
		headJSON: newHeadJSON(inv),
		Amount:   summaryAmountJSON{currency.Symbol, newMoneyJSON(currency, inv.Bill.Total)},
		Payments: []paymentJSON{},
	}
}
