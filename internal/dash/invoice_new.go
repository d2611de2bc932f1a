package dash

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// newInvoicePage is the form of a new invoice, and what can be chosen in it.
type newInvoicePage struct {
	complaint
	invoiceForm
	Clients    []paybell.Client // none: there has to be one first
	Currencies []paybell.Currency
	Sum        string // what the items and the rest come to; empty: not counted yet
}

// invoiceForm is what was typed.
type invoiceForm struct {
	Key, Client, Currency   string
	Number, PO, Description string
	Rows                    []itemRow
	Shipping, Tax, Discount string
	Note, Name, Email       string
}

// itemRow is one line of the items.
type itemRow struct {
	N                              int // from 1
	Name, Quantity, Price          string
	BadName, BadQuantity, BadPrice bool
}

// moreRows is how many empty rows a form has, and gets more.
const moreRows = 5

const usdID = "5057"

func (s *Server) newInvoice(ctx context.Context, r *request) (view, error) {
	if err := mayChange(r); err != nil {
		return view{}, err
	}
	return s.newInvoiceWith(ctx, r, newInvoicePage{invoiceForm: invoiceForm{
		Key: rand.Text(), Client: r.URL.Query().Get("client"), Currency: usdID, Rows: make([]itemRow, moreRows),
	}})
}

func (s *Server) newInvoiceWith(ctx context.Context, r *request, p newInvoicePage) (view, error) {
	var err error
	for i := range p.Rows {
		p.Rows[i].N = i + 1
	}
	p.Currencies = paybell.Currencies()
	p.Clients, err = s.Desk.Clients(ctx, r.Person.Actor())
	return view{Template: "invoice_new.html", Title: "New invoice", Area: "invoices", Data: p}, err
}

// createInvoice makes an invoice of the form. A form that is sent again makes
// nothing more, unless something else stands in it.
func (s *Server) createInvoice(w http.ResponseWriter, r *request) error {
	p := newInvoicePage{invoiceForm: readInvoiceForm(r)}
	if r.PostForm.Has("more") {
		if len(p.Rows)+moreRows <= desk.MaxItems {
			p.Rows = append(p.Rows, make([]itemRow, moreRows)...)
		}
		p.Sum = p.invoiceForm.sum()
		return s.showInvoiceForm(w, r, http.StatusOK, p)
	}
	id, err := s.createInvoiceOf(r, p.invoiceForm)
	if p.complaint = complain(err, p.labels()); p.Wrong != "" {
		p.mark()
		return s.showInvoiceForm(w, r, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return done(w, invoicesPath+"/"+id, "The invoice was created. Give its link to the buyer.")
}

func (s *Server) showInvoiceForm(w http.ResponseWriter, r *request, status int, p newInvoicePage) error {
	if err := mayChange(r); err != nil {
		return err
	}
	v, err := s.newInvoiceWith(r.Context(), r, p)
	if err != nil {
		return err
	}
	return s.show(w, r, status, v)
}

func (s *Server) createInvoiceOf(r *request, f invoiceForm) (id string, err error) {
	as, err := s.Desk.As(r.Context(), r.Person.Actor(), f.Client)
	if paybell.CodeOf(err) == paybell.NotFound {
		err = paybell.InvalidField("client", "choose the integration that it is for")
	}
	if err != nil {
		return "", err
	}
	in, err := f.invoice()
	if err != nil {
		return "", err
	}
	body := []byte(r.PostForm.Encode())
	digest := sha256.Sum256(body)
	answer, err := s.Desk.CreateInvoiceOnce(r.Context(), as, in, desk.Once[paybell.Invoice]{
		Route: "dashboard: new invoice", Key: fmt.Sprintf("%.64x.%s", f.Key, hex.EncodeToString(digest[:16])), Body: body,
		Answer: func(inv paybell.Invoice) ([]byte, error) { return []byte(inv.ID), nil },
	})
	return string(answer), err
}

func readInvoiceForm(r *request) invoiceForm {
	f := invoiceForm{
		Key: r.field("key"), Client: r.field("client"), Currency: r.field("currency"), Number: r.field("number"), PO: r.field("po"),
		Description: r.field("description"), Shipping: r.field("shipping"), Tax: r.field("tax"), Discount: r.field("discount"),
		Note: r.field("note"), Name: r.field("name"), Email: r.field("email"),
	}
	at := func(name string, i int) string {
		if all := r.PostForm[name]; i < len(all) {
			return strings.TrimSpace(all[i])
		}
		return ""
	}
	rows := max(len(r.PostForm["item"]), len(r.PostForm["quantity"]), len(r.PostForm["price"]))
	for i := range min(rows, desk.MaxItems) {
		f.Rows = append(f.Rows, itemRow{Name: at("item", i), Quantity: at("quantity", i), Price: at("price", i)})
	}
	return f
}

// empty reports whether nothing was typed in a row.
func (row itemRow) empty() bool { return row.Name == "" && row.Quantity == "" && row.Price == "" }

// items are the rows that something was typed in.
func (f invoiceForm) items() (rows []int) {
	for i, row := range f.Rows {
		if !row.empty() {
			rows = append(rows, i)
		}
	}
	return rows
}

// invoice is what the form asks for.
func (f invoiceForm) invoice() (in desk.NewInvoice, err error) {
	in.UniquePO = true
	in.Bill = paybell.Bill{
		Currency: f.Currency, Number: f.Number, PONumber: f.PO, Description: f.Description, NotesToRecipient: f.Note,
	}
	if f.Email != "" {
		if _, err := paybell.ParseEmail("buyer.emailAddress", f.Email); err != nil {
			return in, err
		}
	}
	if f.Name != "" || f.Email != "" {
		first, last := f.Name, ""
		if i := strings.LastIndexByte(f.Name, ' '); i > 0 {
			first, last = strings.TrimSpace(f.Name[:i]), f.Name[i+1:]
		}
		in.Bill.Buyer = &paybell.Party{Name: paybell.Name{First: first, Last: last}, Email: f.Email}
	}
	b := &in.Bill.Breakdown
	items := f.items()
	if len(items) == 0 {
		return in, paybell.InvalidField("items", "say what is sold, and for how much: at least one item")
	}
	for n, i := range items {
		item, err := f.Rows[i].item(fmt.Sprintf("items[%d].", n))
		if err != nil {
			return in, err
		}
		in.Bill.Items = append(in.Bill.Items, item)
		b.Subtotal = b.Subtotal.Add(item.Amount)
	}
	for _, part := range []struct {
		field, text string
		to          *decimal.Decimal
	}{{"amount.breakdown.shipping", f.Shipping, &b.Shipping}, {"amount.breakdown.taxTotal", f.Tax, &b.Tax}, {"amount.breakdown.discount", f.Discount, &b.Discount}} {
		if *part.to, err = typedAmount(part.field, part.text); err != nil {
			return in, err
		}
	}
	in.Bill.Total = b.Total()
	return in, nil
}

// item reads a row. An amount that was typed is the price of one.
func (row itemRow) item(at string) (it paybell.Item, err error) {
	it.Name, it.Quantity = row.Name, 1
	if row.Quantity != "" {
		if it.Quantity, err = strconv.ParseInt(row.Quantity, 10, 32); err != nil || it.Quantity < 1 {
			return it, paybell.InvalidField(at+"quantity.value", "must be a whole number, 1 or more")
		}
	}
	if row.Price == "" {
		return it, paybell.InvalidField(at+"amount", "is missing")
	}
	price, err := typedAmount(at+"amount", row.Price)
	it.Amount = price.Mul(decimal.NewFromInt(it.Quantity))
	it.OriginalAmount = it.Amount
	return it, err
}

// typedAmount reads an amount as people type it; nothing is 0.
func typedAmount(field, text string) (decimal.Decimal, error) {
	if text == "" {
		return decimal.Zero, nil
	}
	amount, err := paybell.ParseAmount(text)
	if err != nil {
		return amount, paybell.InvalidField(field, "is not an amount: write digits with at most one point, like 10.00")
	}
	return amount, nil
}

// sum is what the form comes to, empty as long as that cannot be said.
func (f invoiceForm) sum() string {
	in, err := f.invoice()
	if _, known := paybell.FindCurrency(f.Currency); err != nil || !known {
		return ""
	}
	return price(in.Bill.Total, f.Currency)
}

var newInvoiceLabels = map[string]string{
	"client": "Integration", "currency": "Currency", "items": "Items", "invoiceId": "Invoice number", "poNumber": "PO number", "description": "Description",
	"amount.total": "Total", "amount.breakdown.subtotal": "Items", "amount.breakdown.shipping": "Shipping", "amount.breakdown.taxTotal": "Tax",
	"amount.breakdown.discount": "Discount", "notesToRecipient": "Note", "buyer.name.firstName": "Buyer's name", "buyer.name.lastName": "Buyer's name",
	"buyer.emailAddress": "Buyer's email",
}

// labels are what the fields are called on the page.
func (f invoiceForm) labels() map[string]string {
	labels := maps.Clone(newInvoiceLabels)
	for n, i := range f.items() {
		at := fmt.Sprintf("items[%d].", n)
		labels[at+"name"] = fmt.Sprintf("Name of item %d", i+1)
		labels[at+"quantity.value"] = fmt.Sprintf("Quantity of item %d", i+1)
		labels[at+"amount"] = fmt.Sprintf("Price of item %d", i+1)
		labels[at+"originalAmount"] = labels[at+"amount"]
	}
	return labels
}

// mark notes at the rows what is wrong there.
func (p *newInvoicePage) mark() {
	for n, i := range p.items() {
		at := fmt.Sprintf("items[%d].", n)
		row := &p.Rows[i]
		row.BadName, row.BadQuantity = p.Bad[at+"name"], p.Bad[at+"quantity.value"]
		row.BadPrice = p.Bad[at+"amount"] || p.Bad[at+"originalAmount"]
	}
	for len(p.Rows) < moreRows {
		p.Rows = append(p.Rows, itemRow{})
	}
}
