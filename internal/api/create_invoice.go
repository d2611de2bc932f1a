package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) createInvoice(w http.ResponseWriter, r *request) error {
	var body invoiceBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	in, err := body.invoice(r.actor)
	if err != nil {
		return err
	}
	inv, err := s.Desk.CreateInvoice(r.Context(), r.actor, in)
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, createdJSON{[]createdInvoiceJSON{s.created(r, &inv)}})
}

// invoiceBody is the body of a request in version 2: contract 3.3.
type invoiceBody struct {
	Currency   text                `json:"currency"`
	CurrencyID text                `json:"currencyId"` // how older clients call it
	ClientID   text                `json:"clientId"`
	Items      oneOrMany[itemBody] `json:"items"`
	Amount     *amountBody         `json:"amount"`

	InvoiceID                  text            `json:"invoiceId"`
	PONumber                   text            `json:"poNumber"`
	Description                text            `json:"description"`
	Notes                      text            `json:"notes"`
	NotesToRecipient           text            `json:"notesToRecipient"`
	TermsAndConditions         text            `json:"termsAndConditions"`
	BuyerDataCollectionMessage text            `json:"buyerDataCollectionMessage"`
	RequireBuyerNameAndEmail   bool            `json:"requireBuyerNameAndEmail"`
	InvoiceDate                text            `json:"invoiceDate"`
	DueDate                    text            `json:"dueDate"`
	Buyer                      *paybell.Party  `json:"buyer"`
	Shipping                   *paybell.Party  `json:"shipping"`
	MerchantOptions            *optionsBody    `json:"merchantOptions"`
	CustomData                 json.RawMessage `json:"customData"`
	Metadata                   json.RawMessage `json:"metadata"`
	SuccessURL                 text            `json:"successUrl"`
	CancelURL                  text            `json:"cancelUrl"`
	Webhooks                   []webhookBody   `json:"webhooks"`
	Payment                    *paymentBody    `json:"payment"`

	Draft           bool              `json:"draft"`
	IsEmailDelivery bool              `json:"isEmailDelivery"`
	PayoutOverrides []json.RawMessage `json:"payoutOverrides"`
}

type amountBody struct {
	Breakdown struct {
		Subtotal amount `json:"subtotal"`
		Shipping amount `json:"shipping"`
		Handling amount `json:"handling"`
		TaxTotal amount `json:"taxTotal"`
		Discount amount `json:"discount"`
	} `json:"breakdown"`
	Total amount `json:"total"`
}

type itemBody struct {
	CustomID       text          `json:"customId"`
	SKU            text          `json:"sku"`
	Name           text          `json:"name"`
	Description    text          `json:"description"`
	Quantity       *quantityBody `json:"quantity"`
	OriginalAmount amount        `json:"originalAmount"`
	Amount         amount        `json:"amount"` // of the whole line
	Tax            amount        `json:"tax"`
}

type quantityBody struct {
	Value amount `json:"value"`
	Type  text   `json:"type"`
}

type optionsBody struct {
	ShowAddress            bool  `json:"showAddress"`
	ShowEmail              *bool `json:"showEmail"` // true when it is not given
	ShowPhone              bool  `json:"showPhone"`
	ShowRegistrationNumber bool  `json:"showRegistrationNumber"`
	AdditionalInfo         text  `json:"additionalInfo"`
}

type paymentBody struct {
	RefundEmail     text `json:"refundEmail"`
	PaymentCurrency text `json:"paymentCurrency"`
}

// invoice is what the body asks for. The limits of texts and the sums are the
// desk's to check.
func (b *invoiceBody) invoice(a desk.Actor) (in desk.NewInvoice, err error) {
	if err := b.offered(a); err != nil {
		return in, err
	}
	if in.Bill, err = b.bill(); err != nil {
		return in, err
	}
	for _, hook := range b.Webhooks {
		in.Webhooks = append(in.Webhooks, hook.webhook())
	}
	if b.Payment != nil {
		if coin := string(b.Payment.PaymentCurrency); coin != "" && !isCurrency(coin) {
			return in, paybell.InvalidField("payment.paymentCurrency", "%.60q is not a currency known here; see GET /api/v1/currencies", coin)
		}
		in.PaymentCurrency, in.Bill.RefundEmail = string(b.Payment.PaymentCurrency), string(b.Payment.RefundEmail)
	}
	return in, nil
}

// offered refuses what would be wrong to ignore.
func (b *invoiceBody) offered(a desk.Actor) error {
	switch id, ok := paybell.ParseClientID(string(b.ClientID)); {
	case b.ClientID != "" && (!ok || id != a.ClientID):
		return paybell.InvalidField("clientId", "is not the client that signed the request; leave it out, or give that one")
	case b.IsEmailDelivery:
		return paybell.Errorf(paybell.NotSupported, "isEmailDelivery: invoices are not sent by e-mail here; create it without, and send the checkoutLink yourself.")
	case b.Draft:
		return paybell.Errorf(paybell.NotSupported, "draft: there are no drafts here; create the invoice when it is to be paid.")
	case len(b.PayoutOverrides) > 0:
		return paybell.Errorf(paybell.NotSupported, "payoutOverrides: the money goes straight to the merchant's own wallet here; nothing is paid out or converted.")
	case b.Payment != nil && *b.Payment == paymentBody{}:
		return paybell.InvalidField("payment", "is empty; give refundEmail or paymentCurrency, or leave it out")
	}
	return nil
}

func (b *invoiceBody) bill() (bill paybell.Bill, err error) {
	currency, err := b.currency()
	if err != nil {
		return bill, err
	}
	bill = paybell.Bill{
		Currency: currency.ID, Number: string(b.InvoiceID), PONumber: string(b.PONumber),
		Description: string(b.Description), Notes: string(b.Notes), NotesToRecipient: string(b.NotesToRecipient),
		TermsAndConditions: string(b.TermsAndConditions), BuyerDataCollectionMessage: string(b.BuyerDataCollectionMessage),
		RequireBuyerNameAndEmail: b.RequireBuyerNameAndEmail, Buyer: party(b.Buyer), Shipping: party(b.Shipping),
		MerchantOptions: b.MerchantOptions.options(), CustomData: b.CustomData, Metadata: b.Metadata,
		SuccessURL: string(b.SuccessURL), CancelURL: string(b.CancelURL),
	}
	if bill.InvoiceDate, err = readTime("invoiceDate", string(b.InvoiceDate)); err != nil {
		return bill, err
	}
	if bill.DueDate, err = readTime("dueDate", string(b.DueDate)); err != nil {
		return bill, err
	}
	as := &amounts{currency: currency}
	b.Amount.read(as, &bill)
	for i, it := range b.Items {
		bill.Items = append(bill.Items, it.item(as, fmt.Sprintf("items[%d].", i)))
	}
	return bill, as.err
}

// currency is what the amounts are in: they cannot be read without it.
func (b *invoiceBody) currency() (paybell.Currency, error) {
	ref := string(b.Currency)
	if ref == "" {
		ref = string(b.CurrencyID)
	}
	if ref == "" {
		return paybell.Currency{}, paybell.InvalidField("currency", `is missing; give an id or a symbol, like "5057" or "USD"`)
	}
	c, ok := paybell.FindCurrency(ref)
	if !ok {
		return c, paybell.InvalidField("currency", "%.60q is not a currency known here; see GET /api/v1/currencies", ref)
	}
	return c, nil
}

func isCurrency(ref string) bool {
	_, ok := paybell.FindCurrency(ref)
	return ok
}

// read fills in the bill's sums. Without a breakdown all of it is the subtotal.
func (a *amountBody) read(as *amounts, bill *paybell.Bill) {
	if a == nil {
		a = &amountBody{}
	}
	const at = "amount.breakdown."
	bill.Total = as.must("amount.total", a.Total)
	parts := &a.Breakdown
	bill.Breakdown = paybell.Breakdown{
		Subtotal: as.read(at+"subtotal", parts.Subtotal), Shipping: as.read(at+"shipping", parts.Shipping),
		Handling: as.read(at+"handling", parts.Handling), Tax: as.read(at+"taxTotal", parts.TaxTotal),
		Discount: as.read(at+"discount", parts.Discount),
	}
	if !parts.Subtotal.given() && bill.Breakdown.Total().IsZero() {
		bill.Breakdown.Subtotal = bill.Total
	}
}

func (it itemBody) item(as *amounts, at string) paybell.Item {
	item := paybell.Item{
		CustomID: string(it.CustomID), SKU: string(it.SKU), Name: string(it.Name), Description: string(it.Description),
		Amount: as.must(at+"amount", it.Amount),
	}
	item.Quantity, item.Hours = it.Quantity.read(as, at+"quantity.")
	item.OriginalAmount = item.Amount
	if it.OriginalAmount.given() {
		item.OriginalAmount = as.read(at+"originalAmount", it.OriginalAmount)
	}
	if it.Tax.given() {
		tax := as.read(at+"tax", it.Tax)
		item.Tax = &tax
	}
	return item
}

// read is the quantity, 1 when none is given, and whether it counts hours.
// Clients write the type by name or by number, and that as a string, too.
func (q *quantityBody) read(as *amounts, at string) (value int64, hours bool) {
	if q == nil {
		return 1, false
	}
	switch strings.ToLower(string(q.Type)) {
	case "hours", "1":
		hours = true
	case "quantity", "2", "":
	default:
		as.fail(at+"type", paybell.Errorf(paybell.Invalid, `must be "quantity" or "hours"`))
	}
	if !q.Value.given() {
		return 1, hours
	}
	v, err := paybell.ParseAmount(q.Value.text)
	if err != nil || !v.IsInteger() || v.GreaterThan(decimal.New(1, 9)) {
		as.fail(at+"value", paybell.Errorf(paybell.Invalid, "must be a whole number, 1 to 999999999"))
		return 0, hours
	}
	return v.IntPart(), hours
}

func (o *optionsBody) options() paybell.MerchantOptions {
	if o == nil {
		return paybell.MerchantOptions{ShowEmail: true}
	}
	return paybell.MerchantOptions{
		ShowAddress: o.ShowAddress, ShowEmail: o.ShowEmail == nil || *o.ShowEmail, ShowPhone: o.ShowPhone,
		ShowRegistrationNumber: o.ShowRegistrationNumber, AdditionalInfo: string(o.AdditionalInfo),
	}
}

// party is p, or nobody when nothing is said of them.
func party(p *paybell.Party) *paybell.Party {
	if p == nil || *p == (paybell.Party{}) {
		return nil
	}
	return p
}
