package dash

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// maxExported is how many invoices one file has at most.
const maxExported = 100_000

const (
	exportPage   = 100
	exportWrites = 30 * time.Second // how long one page may take to be sent
)

var exportColumns = []string{
	"Invoice ID", "Number", "PO number", "Created", "State", "Flags", "Test", "Currency", "Total", "Description", "Buyer", "Email", "Integration",
	"Paid", "Completed", "Coins", "Due", "Received", "Rates", "Transactions",
}

// exportInvoices writes the list as a file: as RFC 4180 has it, in UTF-8.
func (s *Server) exportInvoices(w http.ResponseWriter, r *request) error {
	return s.exportAtMost(w, r, maxExported)
}

func (s *Server) exportAtMost(w http.ResponseWriter, r *request, most int) error {
	actor := r.Person.Actor()
	q, f := readInvoiceQuery(r.URL.Query())
	if q.Wrong != "" {
		return paybell.Errorf(paybell.Invalid, "%s", q.Wrong)
	}
	clients, err := s.Desk.Clients(r.Context(), actor)
	if err != nil {
		return err
	}
	names := clientNames(clients)
	f.Limit = exportPage
	page, err := s.Desk.ListInvoices(r.Context(), actor, f, 1)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="invoices-`+time.Now().UTC().Format(time.DateOnly)+`.csv"`)
	file := csv.NewWriter(w)
	file.UseCRLF = true
	_ = file.Write(exportColumns) // Error tells below
	control := http.NewResponseController(w)
	for n := 0; ; {
		_ = control.SetWriteDeadline(time.Now().Add(exportWrites))
		for i := range page.Invoices {
			if n == most {
				_ = file.Write([]string{fmt.Sprintf("There are more: a file has %d invoices at most. Choose a shorter time.", n)})
				file.Flush()
				return nil
			}
			n++
			_ = file.Write(exportRow(&page.Invoices[i], names))
		}
		file.Flush()
		if file.Error() != nil || page.Next.IsZero() {
			return nil // who has gone cannot be told
		}
		f.BeforeAt, f.BeforeID = page.Next.At, page.Next.ID
		if page, err = s.Desk.ListInvoices(r.Context(), actor, f, 1); err != nil {
			panic(http.ErrAbortHandler) // the file is cut short, and must not look whole
		}
	}
}

func exportRow(inv *paybell.Invoice, clients map[string]string) []string {
	b := &inv.Bill
	currency, _ := paybell.FindCurrency(b.Currency)
	l := newInvoiceLine(*inv, clients)
	test := "no"
	if inv.Test {
		test = "yes"
	}
	var coins, due, received, rates, transactions []string
	for _, p := range inv.Payments {
		m := inv.Money(p)
		if m.Seen.IsZero() {
			continue
		}
		coin, _ := paybell.FindCurrency(p.Currency)
		coins = append(coins, coin.Symbol)
		due = append(due, p.Due.Coins(coin.Decimals).String())
		received = append(received, m.Seen.Coins(coin.Decimals).String())
		rates = append(rates, p.Rate.String())
	}
	for _, t := range inv.Transfers {
		if t.Standing() && len(transactions) < maxExportedTransactions {
			transactions = append(transactions, t.TxID)
		}
	}
	row := []string{
		inv.ID, b.Number, b.PONumber, isoTime(inv.CreatedAt), stateBadge(inv.State).Text, strings.Join(inv.Flags.Names(), " "), test,
		currency.Symbol, currency.Format(b.Total), b.Description, l.Buyer, l.Email, l.Client, isoTime(inv.PaidAt), isoTime(inv.CompletedAt),
		strings.Join(coins, " "), strings.Join(due, " "), strings.Join(received, " "), strings.Join(rates, " "), strings.Join(transactions, " "),
	}
	for i, cell := range row {
		row[i] = harmless(cell)
	}
	return row
}

// maxExportedTransactions is how many transactions of one invoice are named.
const maxExportedTransactions = 20

// harmless keeps a cell from being taken for a formula by programs that run what
// they open.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func isoTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
