package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

func (s *Server) getInvoice(w http.ResponseWriter, r *request) error {
	inv, merchant, err := s.Desk.Invoice(r.Context(), r.actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	j := newInvoiceJSON(&inv, r.version())
	if r.URL.Query().Get("include_full_details") == "true" {
		j.Merchant = newMerchantJSON(merchant)
	}
	return reply(w, http.StatusOK, j)
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
	EmailDelivery   *deliveryJSON    `json:"emailDelivery"`
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
	Token *tokenJSON `json:"token"`
	Logo  logoJSON   `json:"logo"`
}

// tokenJSON says which contract a currency is, on its chain.
type tokenJSON struct {
	ContractAddress string `json:"contractAddress"`
	Name            string `json:"name"`
	Symbol          string `json:"symbol"`
	DecimalPlaces   int32  `json:"decimalPlaces"`
}

func newPriceTagJSON(c paybell.Currency) priceTagJSON {
	tag := priceTagJSON{currencyBriefJSON: briefly(c)}
	if _, contract, ok := strings.Cut(c.ID, ":"); ok {
		tag.Token = &tokenJSON{contract, c.Name, c.Symbol, c.Decimals}
	}
	return tag
}

// deliveryJSON is whom the invoice is meant for. No mail is sent.
type deliveryJSON struct {
	To  *string `json:"to"`
	Cc  *string `json:"cc"`
	Bcc *string `json:"bcc"`
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
		Currency: newPriceTagJSON(currency), Buyer: newPersonJSON(b.Buyer), Shipping: newPersonJSON(b.Shipping),
		Description: nullable(b.Description), Notes: nullable(b.Notes), ToRecipient: nullable(b.NotesToRecipient),
		Metadata: b.Metadata, EmailDelivery: newDeliveryJSON(b.EmailDelivery), Status: inv.State, State: inv.State,
		PartialAccept: inv.PartialAcceptAvailable(), LifeTimeOver: finished(inv, time.Now()),
		Paybell: invoiceExtraJSON{inv.ClientID, inv.Version, inv.Flags.Names(), inv.Test},
	}
}

func newDeliveryJSON(d *paybell.EmailDelivery) *deliveryJSON {
	if d == nil {
		return nil
	}
	return &deliveryJSON{nullable(d.To), nullable(d.Cc), nullable(d.Bcc)}
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

// invoiceJSON is a whole invoice: contract 3.6. Money is written as the version
// has it.
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
	Amount                     any                     `json:"amount"`
	Payments                   []paymentJSON           `json:"payments"`
	PayoutDetails              *payoutsJSON            `json:"payoutDetails"` // null before there is money
	PayoutOverrides            []struct{}              `json:"payoutOverrides"`
	HideShoppingCart           bool                    `json:"hideShoppingCart"`
	UseCoinReservation         bool                    `json:"useCoinReservation"`
	IsSimpleQR                 bool                    `json:"isSimpleQR"`
	AffiliateID                *string                 `json:"affiliateId"`
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
	OriginalAmount any          `json:"originalAmount"`
	Amount         any          `json:"amount"`
	Tax            any          `json:"tax"` // null when none was given
}

type quantityJSON struct {
	Value int64  `json:"value"`
	Type  string `json:"type"`
}

type breakdownJSON struct {
	Subtotal any `json:"subtotal"`
	Shipping any `json:"shipping"`
	Handling any `json:"handling"`
	TaxTotal any `json:"taxTotal"`
	Discount any `json:"discount"`
}

func newInvoiceJSON(inv *paybell.Invoice, v *version) invoiceJSON {
	b := &inv.Bill
	currency, _ := paybell.FindCurrency(b.Currency)
	j := invoiceJSON{
		headJSON: newHeadJSON(inv), MerchantOptions: b.MerchantOptions, CustomData: b.CustomData,
		TermsAndConditions: nullable(b.TermsAndConditions), BuyerDataCollectionMessage: nullable(b.BuyerDataCollectionMessage),
		RequireBuyerNameAndEmail: b.RequireBuyerNameAndEmail, PONumber: nullable(b.PONumber),
		Items: []itemJSON{}, Amount: v.total(b, currency, newBreakdownJSON(b, currency, v)), Payments: newPaymentsJSON(inv, v),
		PayoutDetails: newPayoutsJSON(inv, v), PayoutOverrides: []struct{}{}, SuccessURL: nullable(b.SuccessURL), CancelURL: nullable(b.CancelURL),
		HideShoppingCart: b.HideShoppingCart, UseCoinReservation: b.UseCoinReservation, IsSimpleQR: b.SimpleQR, AffiliateID: nullable(b.AffiliateID),
	}
	for _, it := range b.Items {
		j.Items = append(j.Items, newItemJSON(it, currency, v))
	}
	return j
}

func newMerchantJSON(m paybell.Merchant) *merchantJSON {
	return &merchantJSON{ID: m.ID, Name: &m.Name, Email: nullable(m.Email)}
}

func newBreakdownJSON(b *paybell.Bill, c paybell.Currency, v *version) breakdownJSON {
	return breakdownJSON{
		Subtotal: v.money(c, b.Breakdown.Subtotal), Shipping: v.money(c, b.Breakdown.Shipping), Handling: v.money(c, b.Breakdown.Handling),
		TaxTotal: v.money(c, b.Breakdown.Tax), Discount: v.money(c, b.Breakdown.Discount),
	}
}

func newItemJSON(it paybell.Item, c paybell.Currency, v *version) itemJSON {
	j := itemJSON{
		CustomID: nullable(it.CustomID), SKU: nullable(it.SKU), Name: it.Name, Description: nullable(it.Description),
		Quantity: quantityJSON{it.Quantity, "quantity"}, OriginalAmount: v.money(c, it.OriginalAmount), Amount: v.money(c, it.Amount),
	}
	if it.Hours {
		j.Quantity.Type = "hours"
	}
	if it.Tax != nil {
		j.Tax = v.money(c, *it.Tax)
	}
	return j
}
