package desk

import (
	"context"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// InvoiceFilter says which invoices to list; the merchant is always the actor's,
// and how many are looked at is the desk's to say.
type InvoiceFilter = store.InvoiceFilter

// InvoicePage is a page of a list of invoices.
type InvoicePage = store.InvoicePage

// look is how many invoices are looked at in one step of a search: what is asked in
// less than a tenth of a second of a million of them.
var look = 15_000

// MaxSteps is how many steps a search may take for one page.
const MaxSteps = 8

// ListInvoices reads a page of the merchant's invoices, newest first. What is looked
// for in many is looked for in so many steps at most, 1 to MaxSteps, each of them a
// bounded number of invoices further back: the page may then have less than it could,
// or nothing, and still a next one.
func (d *Desk) ListInvoices(ctx context.Context, a Actor, f InvoiceFilter, steps int) (page InvoicePage, err error) {
	if err := a.may(paybell.ListInvoices); err != nil {
		return page, err
	}
	if f.Limit < 1 || f.Limit > store.MaxPage {
		return page, paybell.InvalidField("limit", "must be 1 to %d", store.MaxPage)
	}
	if len(f.Words) > store.MaxWords {
		return page, paybell.InvalidField("q", "has %d words, at most %d are possible", len(f.Words), store.MaxWords)
	}
	if f.None {
		return page, nil
	}
	f.MerchantID, f.Look = a.MerchantID, look
	limit := f.Limit
	for range steps {
		part, err := d.step(ctx, f)
		if err != nil {
			return page, err
		}
		part.Invoices = append(page.Invoices, part.Invoices...)
		page = part
		if page.LookedTo.IsZero() || len(page.Invoices) == limit {
			return page, nil
		}
		f.BeforeAt, f.BeforeID, f.Limit = page.Next.At, page.Next.ID, limit-len(page.Invoices)
	}
	return page, nil
}

// step is a transaction of its own: a long one would be in the way of others.
func (d *Desk) step(ctx context.Context, f InvoiceFilter) (InvoicePage, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (InvoicePage, error) { return tx.InvoicePage(f) })
}

// maxCalled is how many invoices that have the same number are found by it at once.
const maxCalled = 5

// InvoicesCalled finds the newest of the merchant's invoices whose id, number or
// purchase order number is just what the filter's words are, or that were to be paid
// to such an address or by such a transaction; however old they are. Of the filter,
// the state, the client and the time count, too.
func (d *Desk) InvoicesCalled(ctx context.Context, a Actor, f InvoiceFilter) ([]paybell.Invoice, error) {
	if err := a.may(paybell.ListInvoices); err != nil {
		return nil, err
	}
	name := strings.Join(f.Words, " ")
	if name == "" {
		return nil, nil
	}
	f.MerchantID = a.MerchantID
	return store.View(ctx, d.DB, func(tx *store.Tx) ([]paybell.Invoice, error) {
		return tx.InvoicesCalled(f, name, networks, maxCalled)
	})
}

// networks are those that coins are on here.
var networks = func() (names []string) {
	known := map[string]bool{"": true}
	for _, c := range paybell.Currencies() {
		if !known[c.Network] {
			names, known[c.Network] = append(names, c.Network), true
		}
	}
	return names
}()
