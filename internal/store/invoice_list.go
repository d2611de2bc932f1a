package store

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// MaxPage is how many invoices a page of a list has at most.
const MaxPage = 100

// MaxWords is how many words a search has at most.
const MaxWords = 4

// InvoiceFilter says which of a merchant's invoices to list.
type InvoiceFilter struct {
	MerchantID  string
	State       paybell.State // empty: any
	ClientID    string        // empty: any
	Integration string        // the client's id, or what the metadata say; empty: any
	From, To    time.Time     // when it was created, both included; zero: any
	None        bool          // for what no invoice can be: the desk answers itself
	Words       []string      // all of them are in it, in any case, or are its id; at most MaxWords
	// Before is the last invoice of the page before; its moment and id. Zero:
	// from the newest.
	BeforeAt time.Time
	BeforeID string
	Limit    int  // 1..MaxPage
	Look     int  // how many to look at for one page, where that is not the same as to list; 0: any number
	Brief    bool // without payments and transfers
}

// InvoicePage is a page of such a list.
type InvoicePage struct {
	Invoices []paybell.Invoice
	Next     InvoicePlace // what the next page begins behind; zero: there is none
	// LookedTo is set when the page ended because enough was looked at: everything
	// created since then was.
	LookedTo time.Time
}

// InvoicePlace is where an invoice stands in a list.
type InvoicePlace struct {
	At time.Time
	ID string
}

// IsZero reports whether there is no such place.
func (p InvoicePlace) IsZero() bool { return p.ID == "" }

func placeOf(inv *paybell.Invoice) InvoicePlace { return InvoicePlace{inv.CreatedAt, inv.ID} }

// Invoices lists a merchant's invoices, newest first, with their payments and
// transfers.
func (tx *Tx) Invoices(f InvoiceFilter) ([]paybell.Invoice, error) {
	page, err := tx.InvoicePage(f)
	return page.Invoices, err
}

// firstLook is how many invoices are looked at first where few may be enough.
const firstLook = 500

// InvoicePage lists a merchant's invoices, newest first. All of them, those of a
// client and those in a state are read straight from an index. What else is asked
// for is looked for in them from the newest on, at no more than f.Look.
func (tx *Tx) InvoicePage(f InvoiceFilter) (page InvoicePage, err error) {
	from := f.begin()
	if f.Look == 0 || !f.looks() {
		page.Invoices, err = tx.readInvoices(f, from, InvoicePlace{}, f.Limit+1)
		return tx.finish(f, page, err)
	}
	left := f.Look
	for size := min(firstLook, left); ; size = min(4*size, left) {
		end, more, err := tx.invoiceAfter(f, from, size)
		if err != nil {
			return page, err
		}
		found, err := tx.readInvoices(f, from, end, f.Limit+1-len(page.Invoices))
		page.Invoices = append(page.Invoices, found...)
		if err != nil || !more || len(page.Invoices) > f.Limit {
			return tx.finish(f, page, err)
		}
		from, left = end, left-size
		if left == 0 {
			page.Next, page.LookedTo = end, end.At
			return tx.finish(f, page, nil)
		}
	}
}

// finish cuts what was read one too many, which says that there is a next page, and
// adds the rest to what is on the page.
func (tx *Tx) finish(f InvoiceFilter, page InvoicePage, err error) (InvoicePage, error) {
	if len(page.Invoices) > f.Limit {
		page.Invoices = page.Invoices[:f.Limit]
		page.Next = placeOf(&page.Invoices[f.Limit-1])
	}
	if err == nil && !f.Brief {
		err = tx.addPayments(page.Invoices)
	}
	return page, err
}

// begin is the place behind which the page begins.
func (f *InvoiceFilter) begin() InvoicePlace {
	switch {
	case !f.To.IsZero() && (f.BeforeAt.IsZero() || f.To.Before(f.BeforeAt)):
		return InvoicePlace{At: f.To.Add(time.Microsecond)}
	case f.BeforeAt.IsZero():
		return InvoicePlace{At: time.UnixMicro(math.MaxInt64)}
	}
	return InvoicePlace{f.BeforeAt, f.BeforeID}
}

// looks reports whether more is asked for than an index answers.
func (f *InvoiceFilter) looks() bool {
	return len(f.Words) > 0 || f.Integration != "" || f.ClientID != "" && f.State != ""
}

// clauses are the conditions of a query, with what is compared.
type clauses struct {
	index string // to read through; empty: the database finds it
	texts []string
	args  []any
}

// and adds a condition with a ? for each argument.
func (c *clauses) and(text string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.texts = append(c.texts, text)
}

// newestFirst reads invoices that fulfil the conditions.
func (c *clauses) newestFirst(d dialect, columns, limit string, args ...any) (query string, all []any) {
	tail := clauses{args: c.args}
	tail.and(" ORDER BY created_at DESC, id DESC LIMIT "+limit, args...)
	from := " FROM invoices"
	if d.name == sqliteDialect.name && c.index != "" { // it would take the one that has the time alone
		from += " INDEXED BY " + c.index
	}
	return "SELECT " + columns + from + " WHERE " + strings.Join(c.texts, " AND ") + tail.texts[0], tail.args
}

// walk is the conditions of which one index has all: it has those that pass in the
// order of the list.
func (f *InvoiceFilter) walk(from InvoicePlace) *clauses {
	c := &clauses{index: "invoices_list"}
	c.and("merchant_id = ?", f.MerchantID)
	switch {
	case f.ClientID != "":
		c.index = "invoices_client"
		c.and("client_id = ?", f.ClientID)
	case f.State != "":
		c.index = "invoices_state"
		c.and("state = ?", string(f.State))
	}
	c.and("(created_at, id) < (?, ?)", micros(from.At), from.ID)
	if !f.From.IsZero() {
		c.and("created_at >= ?", micros(f.From))
	}
	return c
}

// rest adds the other conditions.
func (f *InvoiceFilter) rest(c *clauses) {
	if f.ClientID != "" && f.State != "" {
		c.and("state || '' = ?", string(f.State)) // by the other index
	}
	if f.Integration != "" {
		c.and("(integration = ? OR client_id = ?)", f.Integration, f.Integration)
	}
	for _, word := range f.Words {
		word = strings.ToLower(word)
		like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(word) + "%"
		c.and(`(searched LIKE ? ESCAPE '\' OR id = ?)`, like, word)
	}
}

// readInvoices reads what is asked for behind one place, down to another (zero: to
// the end).
func (tx *Tx) readInvoices(f InvoiceFilter, from, end InvoicePlace, limit int) ([]paybell.Invoice, error) {
	c := f.walk(from)
	if !end.IsZero() {
		c.and("(created_at, id) >= (?, ?)", micros(end.At), end.ID)
	}
	f.rest(c)
	query, args := c.newestFirst(tx.db.dialect, invoiceColumns, "?", limit)
	return list(tx, scanInvoice, query, args...)
}

// invoiceAfter is the place of the invoice that is so many behind another; more
// says whether there is one.
func (tx *Tx) invoiceAfter(f InvoiceFilter, from InvoicePlace, n int) (at InvoicePlace, more bool, err error) {
	query, args := f.walk(from).newestFirst(tx.db.dialect, "created_at, id", "1 OFFSET ?", n-1)
	return one(tx, func(s scanner) (p InvoicePlace, err error) { return p, s.Scan(when{&p.At}, &p.ID) }, query, args...)
}

// InvoicesCalled lists the newest of a merchant's invoices that have exactly this
// for their id, their number or their purchase order number, in any case (of ASCII
// letters at least), or were to be paid to this address, or by this transaction;
// without their payments and transfers. Of f, the merchant, the state, the client
// and the time are asked for. It takes no longer with many invoices.
func (tx *Tx) InvoicesCalled(f InvoiceFilter, name string, networks []string, limit int) (all []paybell.Invoice, err error) {
	f.BeforeAt = time.Time{}
	upto := f.begin()
	read := func(index, condition string, args ...any) {
		if err != nil {
			return
		}
		c := &clauses{index: index}
		c.and(condition, args...)
		// What is added to a column here keeps it from being looked for by an index:
		// there are few of that name.
		merchant := "merchant_id || '' = ?"
		if index != "" {
			merchant = "merchant_id = ?"
		}
		c.and(merchant, f.MerchantID)
		c.and("created_at + 0 >= ?", micros(f.From))
		c.and("created_at + 0 < ?", micros(upto.At))
		if f.ClientID != "" {
			c.and("client_id || '' = ?", f.ClientID)
		}
		if f.State != "" {
			c.and("state || '' = ?", string(f.State))
		}
		query, args := c.newestFirst(tx.db.dialect, invoiceColumns, "?", limit)
		var found []paybell.Invoice
		found, err = list(tx, scanInvoice, query, args...)
		all = append(all, found...)
	}
	read("", "id = ?", strings.ToLower(name))
	read("invoices_number", "lower(number) = lower(CAST(? AS TEXT)) AND number <> ''", name)
	read("invoices_po_number", "lower(po_number) = lower(CAST(? AS TEXT)) AND po_number <> ''", name)
	for _, network := range networks {
		read("", "id IN (SELECT invoice_id FROM payments WHERE network = ? AND address = ?)", network, name)
		read("", "id IN (SELECT invoice_id FROM transfers WHERE network = ? AND txid = ?)", network, name)
	}
	slices.SortFunc(all, func(a, b paybell.Invoice) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	all = slices.CompactFunc(all, func(a, b paybell.Invoice) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)], err
}

// addPayments reads the payments and transfers of a page of invoices, all at
// once.
func (tx *Tx) addPayments(page []paybell.Invoice) error {
	ids := make([]any, MaxPage) // of one length always: one statement
	byID := map[string]*paybell.Invoice{}
	for i := range ids {
		ids[i] = ""
		if i < len(page) {
			ids[i], byID[page[i].ID] = page[i].ID, &page[i]
		}
	}
	if len(page) == 0 {
		return nil
	}
	payments, err := list(tx, scanOfInvoice(scanPayment), "SELECT "+paymentColumns+", invoice_id FROM payments WHERE invoice_id IN ("+pageOfIDs+") ORDER BY opened_at, id", ids...)
	if err != nil || len(payments) == 0 {
		return err
	}
	for _, p := range payments {
		byID[p.invoiceID].Payments = append(byID[p.invoiceID].Payments, p.value)
	}
	transfers, err := list(tx, scanOfInvoice(scanTransfer), "SELECT "+transferColumns+", invoice_id FROM transfers WHERE invoice_id IN ("+pageOfIDs+") ORDER BY network, txid, position, asset", ids...)
	for _, t := range transfers {
		byID[t.invoiceID].Transfers = append(byID[t.invoiceID].Transfers, t.value)
	}
	return err
}

// pageOfIDs is the parameters for a page of ids: $1, $2, ...
var pageOfIDs = func() string {
	names := make([]string, MaxPage)
	for i := range names {
		names[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(names, ", ")
}()

// ofInvoice is a part of an invoice that was read with the parts of others.
type ofInvoice[T any] struct {
	invoiceID string
	value     T
}

// scanOfInvoice reads a row whose last column is the invoice's id.
func scanOfInvoice[T any](scan func(scanner) (T, error)) func(scanner) (ofInvoice[T], error) {
	return func(s scanner) (row ofInvoice[T], err error) {
		row.value, err = scan(withID{s, &row.invoiceID})
		return row, err
	}
}

// withID is a row that has one more column than its reader knows.
type withID struct {
	scanner
	id *string
}

func (w withID) Scan(dest ...any) error { return w.scanner.Scan(append(dest, w.id)...) }
