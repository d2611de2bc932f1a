package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/paybell/paybell"
)

func (s *Server) getInvoice(w http.ResponseWriter, r *request) error {
	inv, err := s.Desk.Invoice(r.Context(), r.actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newInvoiceJSON(&inv, r.URL.Query().Get("include_full_details") == "true"))
}

// headJSON is what the invoice itself and its place in a list have in common.
type headJSON struct {
	ID              string           `json:"id"`
	InvoiceID       string           `json:"invoiceId"` // the merchant's own number
	InvoiceIDSuffix *string          `json:"invoiceIdSuffix"`
	Created         string           `json:"created"`
	InvoiceDate     *string          `json:"invoiceDate"`
	DueDate         *string          `json:"dueDate"`
	Confirmed       *string          `json:"confirmed"`
	Completed       *string          `json:"completed"`
	Cancelled       *string          `json:"cancelled"`
	Expires         string           `json:"expires"`
	Currency        priceTagJSON     `json:"currency"`
	Buyer           *personJSON      `json:"buyer"`
	Shipping        *personJSON      `json:"shipping"`
	Description     *string          `json:"description"`
	Notes           *string          `json:"notes"`
	ToRecipient     *string          `json:"notesToRecipient"`
	Metadata        json.RawMessage  `json:"metadata"`
	EmailDelivery   *struct{}        `json:"emailDelivery"`
	IsEmailDelivery bool             `json:"isEmailDelivery"`
	Status          paybell.State    `json:"status"`
	State           paybell.State    `json:"state"` // the same; some clients read this one
	PartialAccept   bool             `json:"partialAcceptAvailable"`
	LifeTimeOver    bool             `json:"isLifeTimeFinished"`
	Paybell         invoiceExtraJSON `json:"paybell"`
}

// invoiceExtraJSON holds what the contract has no place for.
type invoiceExtraJSON struct {
	ClientID string   `json:"clientId"`
	Version  int      `json:"version"`
	Flags    []string `json:"flags"`
	Test     bool     `json:"test"`
}

// priceTagJSON is the currency that an invoice is priced in.
type priceTagJSON struct {
	currencyBriefJSON
	Token *struct{} `json:"token"`
	Logo  logoJSON  `json:"logo"`
}

// personJSON is a buyer, or where to ship to.
type personJSON struct {
	paybell.Party
	HasData bool `json:"hasData"`
}

// finishedFor is how long ago an invoice must have ended to be finished for good.
const finishedFor = 90 * 24 * time.Hour

func newHeadJSON(inv *paybell.Invoice) headJSON {
	b := &inv.Bill
	currency, _ := paybell.FindCurrency(b.Currency) // was found when the invoice was made
	return headJSON{
		ID: inv.ID, InvoiceID: b.Number, Created: stamp(inv.CreatedAt), InvoiceDate: dateOrNull(b.InvoiceDate),
		DueDate: dateOrNull(b.DueDate), Confirmed: stampOrNull(inv.CompletedAt), Completed: stampOrNull(inv.CompletedAt),
		Cancelled: stampOrNull(inv.CancelledAt), Expires: stamp(inv.ExpiresAt),
		Currency: priceTagJSON{currencyBriefJSON: briefly(currency)}, Buyer: newPersonJSON(b.Buyer), Shipping: newPersonJSON(b.Shipping),
		Description: nullable(b.Description), Notes: nullable(b.Notes), ToRecipient: nullable(b.NotesToRecipient),
		Metadata: b.Metadata, Status: inv.State, State: inv.State,
		PartialAccept: inv.PartialAcceptAvailable(), LifeTimeOver: finished(inv, time.Now()),
		Paybell: invoiceExtraJSON{inv.ClientID, inv.Version, inv.Flags.Names(), inv.Test},
	}
}

func newPersonJSON(p *paybell.Party) *personJSON {
	if p == nil {
		return nil
	}
	return &personJSON{*p, true}
}

func dateOrNull(t *time.Time) *string {
	if t == nil {
		return nil
	}
	return stampOrNull(*t)
}

func finished(inv *paybell.Invoice, now time.Time) bool {
	for _, end := range []time.Time{inv.CompletedAt, inv.CancelledAt, inv.TimedOutAt} {
		if !end.IsZero() && now.Sub(end) > finishedFor {
			return true
		}
	}
	return false
}

// invoiceJSON is a whole invoice: contract 3.6 in the shape of version 2, where
// amounts are decimal strings.
type invoiceJSON struct {
	headJSON
	Merchant                   *merchantJSON           `json:"merchant,omitempty"` // with full details
	MerchantOptions            paybell.MerchantOptions `json:"merchantOptions"`
	CustomData                 json.RawMessage         `json:"customData"`
	TermsAndConditions         *string                 `json:"termsAndConditions"`
	BuyerDataCollectionMessage *string                 `json:"buyerDataCollectionMessage"`
	RequireBuyerNameAndEmail   bool                    `json:"requireBuyerNameAndEmail"`
	PONumber                   *string                 `json:"poNumber"`
	Items                      []itemJSON              `json:"items"`
	Amount                     amountJSON              `json:"amount"`
	Payments                   []paymentJSON           `json:"payments"`
	PayoutDetails              *struct{}               `json:"payoutDetails"` // nothing is paid out: the money is the merchant's at once
	PayoutOverrides            []struct{}              `json:"payoutOverrides"`
	HideShoppingCart           bool                    `json:"hideShoppingCart"`
	SuccessURL                 *string                 `json:"successUrl"`
	CancelURL                  *string                 `json:"cancelUrl"`
}

// merchantJSON is who is paid. What Paybell does not know is null.
type merchantJSON struct {
	ID                 string  `json:"id"`
	Name               *string `json:"name"`
	UboName            *string `json:"uboName"`
	WebsiteURL         *string `json:"websiteUrl"`
	Country            *string `json:"country"`
	LogoURL            *string `json:"logoUrl"`
	Email              *string `json:"email"`
	Address            *string `json:"address"`
	Phone              *string `json:"phone"`
	Description        *string `json:"description"`
	RegistrationNumber *string `json:"registrationNumber"`
}

type itemJSON struct {
	CustomID       *string      `json:"customId"`
	SKU            *string      `json:"sku"`
	Name           string       `json:"name"`
	Description    *string      `json:"description"`
	Quantity       quantityJSON `json:"quantity"`
	OriginalAmount string       `json:"originalAmount"`
	Amount         string       `json:"amount"`
	Tax            *string      `json:"tax"`
}

type quantityJSON struct {
	Value int64  `json:"value"`
	Type  string `json:"type"`
}

type amountJSON struct {
	Breakdown breakdownJSON `json:"breakdown"`
	Total     string        `json:"total"`
}

type breakdownJSON struct {
	Subtotal string `json:"subtotal"`
	Shipping string `json:"shipping"`
	Handling string `json:"handling"`
	TaxTotal string `json:"taxTotal"`
	Discount string `json:"discount"`
}

func newInvoiceJSON(inv *paybell.Invoice, full bool) invoiceJSON {
	b := &inv.Bill
	currency, _ := paybell.FindCurrency(b.Currency)
	j := invoiceJSON{
		headJSON: newHeadJSON(inv), MerchantOptions: b.MerchantOptions, CustomData: b.CustomData,
		TermsAndConditions: nullable(b.TermsAndConditions), BuyerDataCollectionMessage: nullable(b.BuyerDataCollectionMessage),
		RequireBuyerNameAndEmail: b.RequireBuyerNameAndEmail, PONumber: nullable(b.PONumber),
		Items: []itemJSON{}, Amount: newAmountJSON(b, currency), Payments: []paymentJSON{},
		PayoutOverrides: []struct{}{}, SuccessURL: nullable(b.SuccessURL), CancelURL: nullable(b.CancelURL),
	}
	if full {
		j.Merchant = &merchantJSON{ID: inv.MerchantID}
	}
	for _, it := range b.Items {
		j.Items = append(j.Items, newItemJSON(it, currency))
	}
	for _, p := range inv.Payments {
		j.Payments = append(j.Payments, newPaymentJSON(inv, p, currency))
	}
	return j
}

func newAmountJSON(b *paybell.Bill, c paybell.Currency) amountJSON {
	return amountJSON{
		Breakdown: breakdownJSON{
			Subtotal: c.Format(b.Breakdown.Subtotal), Shipping: c.Format(b.Breakdown.Shipping), Handling: c.Format(b.Breakdown.Handling),
			TaxTotal: c.Format(b.Breakdown.Tax), Discount: c.Format(b.Breakdown.Discount),
		},
		Total: c.Format(b.Total),
	}
}

func newItemJSON(it paybell.Item, c paybell.Currency) itemJSON {
	j := itemJSON{
		CustomID: nullable(it.CustomID), SKU: nullable(it.SKU), Name: it.Name, Description: nullable(it.Description),
		Quantity: quantityJSON{it.Quantity, "quantity"}, OriginalAmount: c.Format(it.OriginalAmount), Amount: c.Format(it.Amount),
	}
	if it.Hours {
		j.Quantity.Type = "hours"
	}
	if it.Tax != nil {
		tax := c.Format(*it.Tax)
		j.Tax = &tax
	}
	return j
}
