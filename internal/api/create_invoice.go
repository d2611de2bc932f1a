package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// createInvoice makes an invoice of a body of either version. Errors name fields
// as the version does.
func createInvoice[B any, P interface {
	*B
	invoice(desk.Actor) (desk.NewInvoice, error)
	named(error) error
}](s *Server) action {
	return func(w http.ResponseWriter, r *request) (err error) {
		var body B
		if err := decode(r.body, &body); err != nil {
			return err
		}
		defer func() { err = P(&body).named(err) }()
		in, err := P(&body).invoice(r.actor)
		if err != nil {
			return err
		}
		var rates coinRates
		if in.Bill.RefundEmail != "" { // or else no coins are listed
			if rates, err = s.coinRates(r, r.actor.MerchantID, in.Bill); err != nil {
				return err
			}
		}
		key, err := idempotencyKey(r)
		if err != nil {
			return err
		}
		describe := func(inv paybell.Invoice) createdJSON {
			return createdJSON{[]createdInvoiceJSON{s.created(r, &inv, rates)}}
		}
		if key == "" {
			inv, err := s.Desk.CreateInvoice(r.Context(), r.actor, in)
			if err != nil {
				return err
			}
			return reply(w, http.StatusCreated, describe(inv))
		}
		answer, err := s.Desk.CreateInvoiceOnce(r.Context(), r.actor, in, desk.Once[paybell.Invoice]{
			Route: r.Pattern, Key: key, Body: r.body,
			Answer: func(inv paybell.Invoice) ([]byte, error) { return encode(describe(inv)) },
		})
		if err != nil {
			return err
		}
		return write(w, http.StatusCreated, "application/json", answer)
	}
}

// commonBody is what the bodies of both versions have: contract 3.3.
type commonBody struct {
	ClientID text `json:"clientId"`

	InvoiceID                  text                   `json:"invoiceId"`
	PONumber                   text                   `json:"poNumber"`
	Description                text                   `json:"description"`
	Notes                      text                   `json:"notes"`
	NotesToRecipient           text                   `json:"notesToRecipient"`
	TermsAndConditions         text                   `json:"termsAndConditions"`
	BuyerDataCollectionMessage text                   `json:"buyerDataCollectionMessage"`
	RequireBuyerNameAndEmail   bool                   `json:"requireBuyerNameAndEmail"`
	InvoiceDate                text                   `json:"invoiceDate"`
	DueDate                    text                   `json:"dueDate"`
	Buyer                      object[partyBody]      `json:"buyer"`
	Shipping                   object[partyBody]      `json:"shipping"`
	MerchantOptions            object[optionsBody]    `json:"merchantOptions"`
	EmailDelivery              object[emailBody]      `json:"emailDelivery"`
	CustomData                 freeObject             `json:"customData"`
	Metadata                   freeObject             `json:"metadata"`
	SuccessURL                 text                   `json:"successUrl"`
	CancelURL                  text                   `json:"cancelUrl"`
	AffiliateID                text                   `json:"affiliateId"`
	Webhooks                   oneOrMany[webhookBody] `json:"webhooks"`
	Payment                    *object[paymentBody]   `json:"payment"`
	UseCoinReservation         bool                   `json:"useCoinReservation"`
	HideShoppingCart           bool                   `json:"hideShoppingCart"`
	IsSimpleQR                 bool                   `json:"isSimpleQR"`
	Draft                      bool                   `json:"draft"`
	IsEmailDelivery            bool                   `json:"isEmailDelivery"`

	PayoutConfig    freeObject `json:"payoutConfig"`    // version 1
	PayoutOverrides freeObject `json:"payoutOverrides"` // version 2, a list
}

type partyBody struct {
	Method      text                `json:"method"`
	CompanyName text                `json:"companyName"`
	Name        object[nameBody]    `json:"name"`
	Email       text                `json:"emailAddress"`
	Phone       text                `json:"phoneNumber"`
	Address     object[addressBody] `json:"address"`
	HasData     json.RawMessage     `json:"hasData"` // is in our answers; means nothing here
}

type nameBody struct {
	First text `json:"firstName"`
	Last  text `json:"lastName"`
}

type addressBody struct {
	Address1         text `json:"address1"`
	Address2         text `json:"address2"`
	Address3         text `json:"address3"`
	ProvinceOrState  text `json:"provinceOrState"`
	City             text `json:"city"`
	SuburbOrDistrict text `json:"suburbOrDistrict"`
	CountryCode      text `json:"countryCode"`
	PostalCode       text `json:"postalCode"`
}

type optionsBody struct {
	ShowAddress            bool  `json:"showAddress"`
	ShowEmail              *bool `json:"showEmail"` // true when it is not given
	ShowPhone              bool  `json:"showPhone"`
	ShowRegistrationNumber bool  `json:"showRegistrationNumber"`
	ShowTaxID              bool  `json:"showTaxId"`
	AdditionalInfo         text  `json:"additionalInfo"`
}

type emailBody struct {
	To  text `json:"to"`
	Cc  text `json:"cc"`
	Bcc text `json:"bcc"`
}

type paymentBody struct {
	RefundEmail     text `json:"refundEmail"`
	PaymentCurrency text `json:"paymentCurrency"`
}

// invoice is what the body asks for, without its amounts. The limits of texts
// and the sums are the desk's to check.
func (b *commonBody) invoice(a desk.Actor) (in desk.NewInvoice, err error) {
	if err := b.offered(a); err != nil {
		return in, err
	}
	in.Bill = paybell.Bill{
		Number: string(b.InvoiceID), PONumber: string(b.PONumber),
		Description: string(b.Description), Notes: string(b.Notes), NotesToRecipient: string(b.NotesToRecipient),
		TermsAndConditions: string(b.TermsAndConditions), BuyerDataCollectionMessage: string(b.BuyerDataCollectionMessage),
		RequireBuyerNameAndEmail: b.RequireBuyerNameAndEmail, Buyer: b.Buyer.value.party(), Shipping: b.Shipping.value.party(),
		MerchantOptions: b.MerchantOptions.value.options(), EmailDelivery: b.EmailDelivery.value.delivery(),
		CustomData: json.RawMessage(b.CustomData), Metadata: json.RawMessage(b.Metadata),
		SuccessURL: string(b.SuccessURL), CancelURL: string(b.CancelURL), AffiliateID: string(b.AffiliateID),
		UseCoinReservation: b.UseCoinReservation, HideShoppingCart: b.HideShoppingCart, SimpleQR: b.IsSimpleQR,
	}
	if in.Bill.InvoiceDate, err = readTime("invoiceDate", string(b.InvoiceDate)); err != nil {
		return in, err
	}
	if in.Bill.DueDate, err = readTime("dueDate", string(b.DueDate)); err != nil {
		return in, err
	}
	for _, hook := range b.Webhooks {
		in.Webhooks = append(in.Webhooks, hook.webhook())
	}
	if b.Payment != nil {
		in.PaymentCurrency, in.Bill.RefundEmail = string(b.Payment.value.PaymentCurrency), string(b.Payment.value.RefundEmail)
	}
	return in, nil
}

// offered refuses what would be wrong to ignore.
func (b *commonBody) offered(a desk.Actor) error {
	switch id, ok := paybell.ParseClientID(string(b.ClientID)); {
	case b.ClientID != "" && (!ok || id != a.ClientID):
		return paybell.InvalidField("clientId", "is not the client that signed the request; leave it out, or give that one")
	case b.IsEmailDelivery:
		return paybell.Errorf(paybell.NotSupported, "isEmailDelivery: invoices are not sent by e-mail here; create it without, and send the checkoutLink yourself.")
	case b.Draft:
		return paybell.Errorf(paybell.NotSupported, "draft: there are no drafts here; create the invoice when it is to be paid.")
	case len(b.PayoutOverrides) > 0, len(b.PayoutConfig) > 0 && !isEmpty(b.PayoutConfig, '{'):
		return paybell.Errorf(paybell.NotSupported, "payoutConfig, payoutOverrides: the money goes straight to the merchant's own wallet here; nothing is paid out or converted.")
	case b.Payment != nil && b.Payment.value == paymentBody{}:
		return paybell.InvalidField("payment", "is empty; give refundEmail or paymentCurrency, or leave it out")
	}
	return nil
}

// party is who is meant, or nobody when nothing is said of them.
func (p partyBody) party() *paybell.Party {
	name, at := p.Name.value, p.Address.value
	party := paybell.Party{
		Method: string(p.Method), CompanyName: string(p.CompanyName), Name: paybell.Name{First: string(name.First), Last: string(name.Last)},
		Email: string(p.Email), Phone: string(p.Phone),
		Address: paybell.Address{
			Address1: string(at.Address1), Address2: string(at.Address2), Address3: string(at.Address3), ProvinceOrState: string(at.ProvinceOrState),
			City: string(at.City), SuburbOrDistrict: string(at.SuburbOrDistrict), CountryCode: string(at.CountryCode), PostalCode: string(at.PostalCode),
		},
	}
	if party == (paybell.Party{}) {
		return nil
	}
	return &party
}

func (o optionsBody) options() paybell.MerchantOptions {
	return paybell.MerchantOptions{
		ShowAddress: o.ShowAddress, ShowEmail: o.ShowEmail == nil || *o.ShowEmail, ShowPhone: o.ShowPhone,
		ShowRegistrationNumber: o.ShowRegistrationNumber, ShowTaxID: o.ShowTaxID, AdditionalInfo: string(o.AdditionalInfo),
	}
}

func (e emailBody) delivery() *paybell.EmailDelivery {
	if e == (emailBody{}) {
		return nil
	}
	return &paybell.EmailDelivery{To: string(e.To), Cc: string(e.Cc), Bcc: string(e.Bcc)}
}

// itemBody is a line of a bill, its money as the version writes it.
type itemBody[M money] struct {
	CustomID       text          `json:"customId"`
	SKU            text          `json:"sku"`
	Name           text          `json:"name"`
	Description    text          `json:"description"`
	Quantity       *quantityBody `json:"quantity"`
	OriginalAmount object[M]     `json:"originalAmount"`
	Amount         M             `json:"amount"` // of the whole line
	Tax            object[M]     `json:"tax"`
}

// breakdownBody is how a total comes about.
type breakdownBody[M money] struct {
	Subtotal object[M] `json:"subtotal"`
	Shipping object[M] `json:"shipping"`
	Handling object[M] `json:"handling"`
	TaxTotal object[M] `json:"taxTotal"`
	Discount object[M] `json:"discount"`
}

// readAmounts fills in the bill's items and sums, total first. Without a
// breakdown all of it is the subtotal.
func readAmounts[M money](bill *paybell.Bill, c paybell.Currency, total M, totalAt string, parts breakdownBody[M], items []itemBody[M]) error {
	const at = "amount.breakdown."
	as := &amounts{currency: c}
	bill.Currency = c.ID
	bill.Total = must(as, totalAt, total)
	bill.Breakdown = paybell.Breakdown{
		Subtotal: parts.Subtotal.value.read(as, at+"subtotal"), Shipping: parts.Shipping.value.read(as, at+"shipping"),
		Handling: parts.Handling.value.read(as, at+"handling"), Tax: parts.TaxTotal.value.read(as, at+"taxTotal"),
		Discount: parts.Discount.value.read(as, at+"discount"),
	}
	if !parts.Subtotal.value.given() && bill.Breakdown.Total().IsZero() {
		bill.Breakdown.Subtotal = bill.Total
	}
	for i, it := range items {
		bill.Items = append(bill.Items, it.item(as, fmt.Sprintf("items[%d].", i)))
	}
	return as.err
}

func (it itemBody[M]) item(as *amounts, at string) paybell.Item {
	item := paybell.Item{
		CustomID: string(it.CustomID), SKU: string(it.SKU), Name: string(it.Name), Description: string(it.Description),
		Amount: must(as, at+"amount", it.Amount),
	}
	item.Quantity, item.Hours = it.Quantity.read(as, at+"quantity.")
	item.OriginalAmount = item.Amount
	if it.OriginalAmount.value.given() {
		item.OriginalAmount = it.OriginalAmount.value.read(as, at+"originalAmount")
	}
	if it.Tax.value.given() {
		tax := it.Tax.value.read(as, at+"tax")
		item.Tax = &tax
	}
	return item
}

// findCurrency reads what amounts are in: they cannot be read without it.
func findCurrency(field string, ref text) (paybell.Currency, error) {
	if ref == "" {
		return paybell.Currency{}, paybell.InvalidField(field, `is missing; give an id or a symbol, like "5057" or "USD"`)
	}
	c, ok := paybell.FindCurrency(string(ref))
	if !ok {
		return c, paybell.InvalidField(field, "%.60q is not a currency known here; see GET /api/v1/currencies", string(ref))
	}
	return c, nil
}

// idempotencyKey is the request's, empty when it has none.
func idempotencyKey(r *request) (string, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 {
		return "", paybell.InvalidField("Idempotency-Key", "is there %d times; send it once", len(keys))
	}
	if len(keys) == 1 && keys[0] == "" {
		return "", paybell.InvalidField("Idempotency-Key", "is empty; leave it out, or give each new request a new one")
	}
	if len(keys) == 0 {
		return "", nil
	}
	return keys[0], nil
}
