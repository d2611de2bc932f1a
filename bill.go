package paybell

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/shopspring/decimal"
)

// Bill is what the merchant wrote on an invoice. Paybell keeps it as it came
// and gives it back unchanged (free JSON as equal JSON: white space may go);
// only the amounts mean something to it.
type Bill struct {
	Currency  string          `json:"currency"` // currency id
	Total     decimal.Decimal `json:"total"`    // in whole units of Currency, no finer than its smallest unit
	Breakdown Breakdown       `json:"breakdown"`
	Items     []Item          `json:"items,omitempty"`

	Number      string `json:"number,omitempty"` // the merchant's own invoice number ("invoiceId"); not unique
	PONumber    string `json:"poNumber,omitempty"`
	Description string `json:"description,omitempty"`
	Notes       string `json:"notes,omitempty"`

	NotesToRecipient           string `json:"notesToRecipient,omitempty"`
	TermsAndConditions         string `json:"termsAndConditions,omitempty"`
	BuyerDataCollectionMessage string `json:"buyerDataCollectionMessage,omitempty"`
	RequireBuyerNameAndEmail   bool   `json:"requireBuyerNameAndEmail,omitempty"`

	InvoiceDate *time.Time `json:"invoiceDate,omitempty"`
	DueDate     *time.Time `json:"dueDate,omitempty"`

	Buyer           *Party          `json:"buyer,omitempty"`
	Shipping        *Party          `json:"shipping,omitempty"`
	MerchantOptions MerchantOptions `json:"merchantOptions"`
	CustomData      json.RawMessage `json:"customData,omitempty"` // an object, at most 16 KiB
	Metadata        json.RawMessage `json:"metadata,omitempty"`   // an object, at most 16 KiB
	RefundEmail     string          `json:"refundEmail,omitempty"`
	EmailDelivery   *EmailDelivery  `json:"emailDelivery,omitempty"`
	AffiliateID     string          `json:"affiliateId,omitempty"` // UUID

	// How the merchant wants buyers' pages to be.
	UseCoinReservation bool   `json:"useCoinReservation,omitempty"`
	HideShoppingCart   bool   `json:"hideShoppingCart,omitempty"`
	SimpleQR           bool   `json:"isSimpleQR,omitempty"`
	SuccessURL         string `json:"successUrl,omitempty"`
	CancelURL          string `json:"cancelUrl,omitempty"`
}

// EmailDelivery says whom an invoice is meant for, addresses separated by
// semicolons. Paybell keeps it and sends no mail.
type EmailDelivery struct {
	To  string `json:"to,omitempty"`
	Cc  string `json:"cc,omitempty"`
	Bcc string `json:"bcc,omitempty"`
}

// Breakdown is how a total comes about:
// Total = Subtotal + Shipping + Handling + Tax - Discount.
type Breakdown struct {
	Subtotal decimal.Decimal `json:"subtotal"`
	Shipping decimal.Decimal `json:"shipping"`
	Handling decimal.Decimal `json:"handling"`
	Tax      decimal.Decimal `json:"taxTotal"`
	Discount decimal.Decimal `json:"discount"`
}

// Total is the sum that the parts give.
func (b Breakdown) Total() decimal.Decimal {
	return b.Subtotal.Add(b.Shipping).Add(b.Handling).Add(b.Tax).Sub(b.Discount)
}

// Item is one line of a bill. Amount is the line's total.
type Item struct {
	CustomID       string           `json:"customId,omitempty"`
	SKU            string           `json:"sku,omitempty"`
	Name           string           `json:"name"`
	Description    string           `json:"description,omitempty"`
	Quantity       int64            `json:"quantity"`
	Hours          bool             `json:"hours,omitempty"` // the quantity counts hours
	Amount         decimal.Decimal  `json:"amount"`
	OriginalAmount decimal.Decimal  `json:"originalAmount"`
	Tax            *decimal.Decimal `json:"tax,omitempty"`
}

// Party is a buyer, or where to ship to.
type Party struct {
	Method      string  `json:"method,omitempty"` // of shipping
	CompanyName string  `json:"companyName,omitempty"`
	Name        Name    `json:"name"`
	Email       string  `json:"emailAddress,omitempty"`
	Phone       string  `json:"phoneNumber,omitempty"`
	Address     Address `json:"address"`
}

// Name is a person's.
type Name struct {
	First string `json:"firstName,omitempty"`
	Last  string `json:"lastName,omitempty"`
}

// Address is a postal one.
type Address struct {
	Address1         string `json:"address1,omitempty"`
	Address2         string `json:"address2,omitempty"`
	Address3         string `json:"address3,omitempty"`
	ProvinceOrState  string `json:"provinceOrState,omitempty"`
	City             string `json:"city,omitempty"`
	SuburbOrDistrict string `json:"suburbOrDistrict,omitempty"`
	CountryCode      string `json:"countryCode,omitempty"` // ISO 3166-1 alpha-2
	PostalCode       string `json:"postalCode,omitempty"`
}

// MerchantOptions say what of the merchant an invoice shows.
type MerchantOptions struct {
	ShowAddress            bool   `json:"showAddress"`
	ShowEmail              bool   `json:"showEmail"`
	ShowPhone              bool   `json:"showPhone"`
	ShowRegistrationNumber bool   `json:"showRegistrationNumber"`
	ShowTaxID              bool   `json:"showTaxId"`
	AdditionalInfo         string `json:"additionalInfo,omitempty"`
}

// Integration is the program that made the invoice, as its metadata says, like
// "plugin:whmcs_8"; empty when it does not say.
func (b *Bill) Integration() string {
	var m struct{ Integration string }
	if len(b.Metadata) == 0 || json.Unmarshal(b.Metadata, &m) != nil {
		return ""
	}
	return firstRunes(printable(m.Integration), 127)
}

// maxSearched bounds the text by which an invoice is found.
const maxSearched = 1000

// Searched is the text by which people find the invoice, in lower case: numbers,
// who buys, what for.
func (b *Bill) Searched() string {
	words := []string{b.Number, b.PONumber, b.Description}
	if p := b.Buyer; p != nil {
		words = append(words, p.CompanyName, p.Name.First, p.Name.Last, p.Email)
	}
	for _, it := range b.Items {
		words = append(words, it.Name)
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	return firstRunes(printable(strings.ToLower(strings.Join(words, " "))), maxSearched)
}

// printable has a space for each control character: databases stop at some.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func firstRunes(s string, most int) string {
	for i := range s {
		if most == 0 {
			return s[:i]
		}
		most--
	}
	return s
}
