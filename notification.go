package paybell

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Notification is one fact told. Its bytes never change: every webhook, every
// attempt and every pull gets the same.
type Notification struct {
	ID         string // 32 hex digits, the same over all retries: receivers drop doubles by it
	MerchantID string
	ClientID   string
	InvoiceID  string
	Version    int // of the invoice
	Event      Event
	At         time.Time
	Body       []byte
}

// Tell makes the notification of a change. The body is that of the CoinPayments
// API (event names in the client's style, times in unix seconds, amounts in
// minor units), with Paybell's own facts under the one extra key
// invoice.paybell.
func (c Change) Tell(m Merchant, names EventNames) Notification {
	inv := &c.Invoice
	n := Notification{
		ID: NewNotificationID(c.At), MerchantID: m.ID, ClientID: inv.ClientID, InvoiceID: inv.ID,
		Version: inv.Version, Event: c.Event, At: c.At,
	}
	invoice := newInvoiceJSON(inv, m)
	n.Body = envelope(n, names, envelopeJSON{Invoice: &invoice})
	return n
}

type envelopeJSON struct {
	ID        string        `json:"id"`
	Type      string        `json:"type"`
	Timestamp string        `json:"timestamp"`
	Invoice   *invoiceJSON  `json:"invoice,omitempty"`
	Webhook   *disabledJSON `json:"webhook,omitempty"`
}

// Disabled says that nothing is sent any more to some webhooks of a client, until
// somebody enables them.
type Disabled struct {
	ClientID     string
	Origin       string   // their endpoint
	WebhookIDs   []string // of the client's own; those given with invoices are not listed
	Reason       string
	FailingSince time.Time // zero: it did not fail for long, it said that it is gone
	At           time.Time
}

// Tell makes the notification for the client's other webhooks. It names webhooks
// by id: their URLs may hold tokens, and others read this.
func (d Disabled) Tell(names EventNames) Notification {
	n := Notification{ID: NewNotificationID(d.At), ClientID: d.ClientID, Event: WebhookWasDisabled, At: d.At}
	n.Body = envelope(n, names, envelopeJSON{Webhook: &disabledJSON{
		MerchantClientID: DashedClientID(d.ClientID), Endpoint: d.Origin, IDs: append([]string{}, d.WebhookIDs...),
		Reason: d.Reason, FailingSince: unix(d.FailingSince), DisabledAt: d.At.Unix(),
	}})
	return n
}

type disabledJSON struct {
	MerchantClientID string   `json:"merchantClientId"`
	Endpoint         string   `json:"endpoint"`
	IDs              []string `json:"ids"`
	Reason           string   `json:"reason"`
	FailingSince     *int64   `json:"failingSince"`
	DisabledAt       int64    `json:"disabledAt"`
}

// envelope puts what every notification begins with around its subject.
func envelope(n Notification, names EventNames, e envelopeJSON) []byte {
	e.ID, e.Type, e.Timestamp = n.ID, n.Event.Wire(names), n.At.UTC().Format("2006-01-02T15:04:05.0000000-07:00")
	body, err := json.Marshal(e)
	if err != nil {
		panic("paybell: a notification cannot fail to encode: " + err.Error()) // raw JSON in a Bill was checked when it came in
	}
	return body
}

// integer is a JSON integer, or a string where an integer would be over 2^53
// and lose its last digits in JavaScript and PHP.
type integer decimal.Decimal

var maxSafeInteger = decimal.NewFromInt(1<<53 - 1)

func (n integer) MarshalJSON() ([]byte, error) {
	d := decimal.Decimal(n).Truncate(0)
	if d.Abs().GreaterThan(maxSafeInteger) {
		return []byte(`"` + d.String() + `"`), nil
	}
	return []byte(d.String()), nil
}

type currencyRefJSON struct {
	ID            integer `json:"id"`
	SmartContract *string `json:"smartContract"`
}

func currencyRef(id string) currencyRefJSON {
	number, contract, token := strings.Cut(id, ":")
	n, _ := decimal.NewFromString(number)
	ref := currencyRefJSON{ID: integer(n)}
	if token {
		ref.SmartContract = &contract
	}
	return ref
}

type invoiceJSON struct {
	InvoiceID                  string          `json:"invoiceId"`
	ID                         string          `json:"id"`
	UserID                     string          `json:"userId"`
	UserEmail                  string          `json:"userEmail"`
	MerchantID                 string          `json:"merchantId"`
	MerchantClientID           string          `json:"merchantClientId"`
	InvoiceNumber              string          `json:"invoiceNumber"`
	InvoiceNumberSuffix        *string         `json:"invoiceNumberSuffix"`
	CreatedAt                  int64           `json:"createdAt"`
	InvoiceDate                *int64          `json:"invoiceDate"`
	DueDate                    *int64          `json:"dueDate"`
	Description                *string         `json:"description"`
	ExpiresDate                int64           `json:"expiresDate"`
	CustomData                 json.RawMessage `json:"customData"`
	Notes                      *string         `json:"notes"`
	NotesToRecipient           *string         `json:"notesToRecipient"`
	BuyerDataCollectionMessage *string         `json:"buyerDataCollectionMessage"`
	TermsAndConditions         *string         `json:"termsAndConditions"`
	Metadata                   json.RawMessage `json:"metadata"`
	PONumber                   *string         `json:"poNumber"`
	Buyer                      *partyJSON      `json:"buyer"`
	Shipping                   *partyJSON      `json:"shipping"`
	LineItems                  []lineItemJSON  `json:"lineItems"`
	MerchantOptions            optionsJSON     `json:"merchantOptions"`
	EmailDeliveryOptions       *EmailDelivery  `json:"emailDeliveryOptions"`
	Amount                     amountJSON      `json:"amount"`
	State                      string          `json:"state"`
	Flags                      flagsJSON       `json:"flags"`
	CanceledAt                 *int64          `json:"canceledAt"`
	CompletedAt                *int64          `json:"completedAt"`
	ConfirmedAt                *int64          `json:"confirmedAt"`
	Payments                   []paymentJSON   `json:"payments"`
	PayoutConfig               *struct{}       `json:"payoutConfig"`
	PartialAcceptAvailable     bool            `json:"partialAcceptAvailable"`
	Paybell                    extraJSON       `json:"paybell"`
}

type partyJSON struct {
	Method      string  `json:"method,omitempty"`
	CompanyName *string `json:"companyName"`
	Email       *string `json:"email"`
	FirstName   *string `json:"firstName"`
	LastName    *string `json:"lastName"`
	PhoneNumber *string `json:"phoneNumber"`
	Address     Address `json:"address"`
}

type lineItemJSON struct {
	Amount         integer  `json:"amount"`
	CustomID       *string  `json:"customId"`
	Description    *string  `json:"description"`
	Name           string   `json:"name"`
	OriginalAmount integer  `json:"originalAmount"`
	Quantity       int64    `json:"quantity"`
	SKU            *string  `json:"sku"`
	Tax            *integer `json:"tax"`
	Type           string   `json:"type"`
}

type optionsJSON struct {
	AdditionalInfo         *string `json:"additionalInfo"`
	ShowAddress            bool    `json:"showAddress"`
	ShowEmail              bool    `json:"showEmail"`
	ShowPhone              bool    `json:"showPhone"`
	ShowRegistrationNumber bool    `json:"showRegistrationNumber"`
}

type amountJSON struct {
	Currency      currencyRefJSON `json:"currency"`
	Subtotal      integer         `json:"subtotal"`
	ShippingTotal integer         `json:"shippingTotal"`
	HandlingTotal integer         `json:"handlingTotal"`
	DiscountTotal integer         `json:"discountTotal"`
	TaxTotal      integer         `json:"taxTotal"`
	Total         integer         `json:"total"`
}

type flagsJSON struct {
	RequireBuyerNameAndEmail             bool `json:"requireBuyerNameAndEmail"`
	SendPaymentCompleteEmailNotification bool `json:"sendPaymentCompleteEmailNotification"`
	IsPos                                bool `json:"isPos"`
}

// extraJSON holds what the documented shape has no place for. Amounts on chains
// are strings here: they can be over 2^53.
type extraJSON struct {
	Version  int                `json:"version"`
	Flags    []string           `json:"flags"`
	Test     bool               `json:"test"`
	Payments []extraPaymentJSON `json:"payments"`
}

type extraPaymentJSON struct {
	ID        string  `json:"id"`
	Currency  string  `json:"currency"`
	Due       Units   `json:"due"`
	Seen      Units   `json:"seen"`
	Confirmed Units   `json:"confirmed"`
	Missing   Units   `json:"missing"`
	Accepted  Units   `json:"accepted"`
	TxIDs     []txRef `json:"transfers"`                  // the greatest, at most MaxTold
	More      int     `json:"transfersLeftOut,omitempty"` // how many others there are
}

type txRef struct {
	TxID          string         `json:"txId"`
	Index         int            `json:"index"`
	Amount        Units          `json:"amount"`
	Status        TransferStatus `json:"status"`
	Confirmations int            `json:"confirmations"`
	Late          bool           `json:"late"`
}

type paymentJSON struct {
	ID          string        `json:"id"`
	InvoiceID   string        `json:"invoiceId"`
	CreatedAt   int64         `json:"createdAt"`
	ExpiresAt   int64         `json:"expiresAt"`
	CancelledAt *int64        `json:"cancelledAt"`
	DetectedAt  *int64        `json:"detectedAt"`
	PendingAt   *int64        `json:"pendingAt"`
	ConfirmedAt *int64        `json:"confirmedAt"`
	CompletedAt *int64        `json:"completedAt"`
	ScheduledAt *int64        `json:"scheduledAt"`
	RefundedAt  *int64        `json:"refundedAt"`
	State       string        `json:"state"`
	RefundEmail *string       `json:"refundEmail"`
	IsGuest     bool          `json:"isGuest"`
	IsActive    bool          `json:"isActive"`
	HotWallet   hotWalletJSON `json:"hotWallet"`
	Payout      *struct{}     `json:"payout"` // the money goes straight to the merchant: nothing is paid out
	Refund      *struct{}     `json:"refund"`
}

type feeJSON struct {
	CoinPaymentsFee integer `json:"coinPaymentsFee"`
	NetworkFee      integer `json:"networkFee"`
	ConversionFee   integer `json:"conversionFee"`
}

type hotWalletJSON struct {
	NativeCurrency                    currencyRefJSON `json:"nativeCurrency"`
	PaymentSubTotalInNativeCurrency   integer         `json:"paymentSubTotalInNativeCurrency"`
	MerchantMarkupOrDiscountInNative  integer         `json:"merchantMarkupOrDiscountInNativeCurrency"`
	BuyerFeeInNativeCurrency          feeJSON         `json:"buyerFeeInNativeCurrency"`
	MerchantFeeInNativeCurrency       feeJSON         `json:"merchantFeeInNativeCurrency"`
	ConfirmedAmountInNativeCurrency   integer         `json:"confirmedAmountInNativeCurrency"`
	UnconfirmedAmountInNativeCurrency integer         `json:"unconfirmedAmountInNativeCurrency"`
	ID                                string          `json:"id"`
	PaymentID                         string          `json:"paymentId"`
	Currency                          currencyRefJSON `json:"currency"`
	MerchantPayoutCurrency            currencyRefJSON `json:"merchantPayoutCurrency"`
	CurrencyRateFromInvoiceCurrency   string          `json:"currencyRateFromInvoiceCurrency"`
	PaymentReceiveAddress             string          `json:"paymentReceiveAddress"`
	MerchantPayoutAddress             string          `json:"merchantPayoutAddress"`
	MerchantPayoutWalletID            *string         `json:"merchantPayoutWalletId"`
	PaymentSubTotal                   integer         `json:"paymentSubTotal"`
	MerchantMarkupOrDiscount          integer         `json:"merchantMarkupOrDiscount"`
	IsConversion                      bool            `json:"isConversion"`
	BuyerFee                          feeJSON         `json:"buyerFee"`
	MerchantFee                       feeJSON         `json:"merchantFee"`
	PayoutFrequency                   string          `json:"payoutFrequency"`
	CreatedAt                         int64           `json:"createdAt"`
	ExpiresAt                         int64           `json:"expiresAt"`
	Error                             *struct{}       `json:"error"`
	Confirmations                     int             `json:"confirmations"`
	RequiredConfirmations             int             `json:"requiredConfirmations"`
	ConfirmedAmount                   integer         `json:"confirmedAmount"`
	UnconfirmedAmount                 integer         `json:"unconfirmedAmount"`
	Assignment                        assignmentJSON  `json:"assignment"`
	PooledWalletID                    *string         `json:"pooledWalletId"`
	BuyerDepositTxHashes              []string        `json:"buyerDepositTxHashes"`
}

type assignmentJSON struct {
	AssignedFrom  int64  `json:"assignedFrom"`
	AssignedUntil int64  `json:"assignedUntil"`
	CompletedDate *int64 `json:"completedDate"`
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

func unixPtr(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	return unix(*t)
}

func pascal(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func newInvoiceJSON(inv *Invoice, m Merchant) invoiceJSON {
	b := &inv.Bill
	cur, _ := FindCurrency(b.Currency)
	minor := func(d decimal.Decimal) integer { return integer(cur.Minor(d)) }
	j := invoiceJSON{
		InvoiceID: b.Number, ID: inv.ID, UserID: m.ID, UserEmail: m.Email, MerchantID: m.ID,
		MerchantClientID: DashedClientID(inv.ClientID), InvoiceNumber: b.Number,
		CreatedAt: inv.CreatedAt.Unix(), InvoiceDate: unixPtr(b.InvoiceDate), DueDate: unixPtr(b.DueDate),
		Description: nullable(b.Description), ExpiresDate: inv.ExpiresAt.Unix(),
		CustomData: b.CustomData, Notes: nullable(b.Notes), NotesToRecipient: nullable(b.NotesToRecipient),
		BuyerDataCollectionMessage: nullable(b.BuyerDataCollectionMessage), TermsAndConditions: nullable(b.TermsAndConditions),
		Metadata: b.Metadata, PONumber: nullable(b.PONumber),
		Buyer: newPartyJSON(b.Buyer), Shipping: newPartyJSON(b.Shipping),
		LineItems: make([]lineItemJSON, 0, len(b.Items)),
		MerchantOptions: optionsJSON{
			AdditionalInfo: nullable(b.MerchantOptions.AdditionalInfo),
			ShowAddress:    b.MerchantOptions.ShowAddress, ShowEmail: b.MerchantOptions.ShowEmail,
			ShowPhone: b.MerchantOptions.ShowPhone, ShowRegistrationNumber: b.MerchantOptions.ShowRegistrationNumber,
		},
		Amount: amountJSON{
			Currency: currencyRef(b.Currency), Subtotal: minor(b.Breakdown.Subtotal),
			ShippingTotal: minor(b.Breakdown.Shipping), HandlingTotal: minor(b.Breakdown.Handling),
			DiscountTotal: minor(b.Breakdown.Discount), TaxTotal: minor(b.Breakdown.Tax), Total: minor(b.Total),
		},
		State: pascal(string(inv.State)), EmailDeliveryOptions: b.EmailDelivery,
		Flags:      flagsJSON{RequireBuyerNameAndEmail: b.RequireBuyerNameAndEmail},
		CanceledAt: unix(inv.CancelledAt), CompletedAt: unix(inv.CompletedAt), ConfirmedAt: unix(inv.CompletedAt),
		Payments:               make([]paymentJSON, 0, len(inv.Payments)),
		PartialAcceptAvailable: inv.PartialAcceptAvailable(),
		Paybell:                extraJSON{Version: inv.Version, Flags: inv.Flags.Names(), Test: inv.Test, Payments: []extraPaymentJSON{}},
	}
	for _, it := range b.Items {
		j.LineItems = append(j.LineItems, newLineItemJSON(it, minor))
	}
	for _, p := range inv.Payments {
		j.Payments = append(j.Payments, newPaymentJSON(inv, p, cur))
		j.Paybell.Payments = append(j.Paybell.Payments, newExtraPaymentJSON(inv, p))
	}
	return j
}

func newPartyJSON(p *Party) *partyJSON {
	if p == nil {
		return nil
	}
	return &partyJSON{
		Method: p.Method, CompanyName: nullable(p.CompanyName), Email: nullable(p.Email), FirstName: nullable(p.Name.First),
		LastName: nullable(p.Name.Last), PhoneNumber: nullable(p.Phone), Address: p.Address,
	}
}

func newLineItemJSON(it Item, minor func(decimal.Decimal) integer) lineItemJSON {
	j := lineItemJSON{
		Amount: minor(it.Amount), CustomID: nullable(it.CustomID), Description: nullable(it.Description), Name: it.Name,
		OriginalAmount: minor(it.OriginalAmount), Quantity: it.Quantity, SKU: nullable(it.SKU), Type: "Quantity",
	}
	if it.Hours {
		j.Type = "Hours"
	}
	if it.Tax != nil {
		tax := minor(*it.Tax)
		j.Tax = &tax
	}
	return j
}

func newPaymentJSON(inv *Invoice, p Payment, native Currency) paymentJSON {
	m := inv.Money(p)
	inNative := func(u Units) integer { return integer(native.Minor(p.Native(u)).Round(0)) }
	whole := func(u Units) integer { d, _ := decimal.NewFromString(u.String()); return integer(d) }
	unconfirmed := m.Counted.Sub(m.Confirmed)
	rate := p.Rate.String()
	var hashes []string
	var detected time.Time
	told, _ := inv.Told(p)
	for _, t := range told {
		hashes = append(hashes, t.TxID)
	}
	for _, t := range inv.Transfers {
		if t.PaymentID == p.ID && (detected.IsZero() || t.SeenAt.Before(detected)) {
			detected = t.SeenAt
		}
	}
	state := inv.PaymentState(p)
	j := paymentJSON{
		ID: p.ID, InvoiceID: inv.ID, CreatedAt: p.OpenedAt.Unix(), ExpiresAt: p.ExpiresAt.Unix(),
		CancelledAt: unix(inv.CancelledAt), DetectedAt: unix(detected), PendingAt: unix(detected),
		State: pascal(string(state)), RefundEmail: nullable(inv.Refunds(p)), IsGuest: true,
		IsActive: state == Unpaid || state == Pending,
		HotWallet: hotWalletJSON{
			NativeCurrency: currencyRef(inv.Bill.Currency), PaymentSubTotalInNativeCurrency: integer(native.Minor(inv.Bill.Total)),
			ConfirmedAmountInNativeCurrency: inNative(m.Confirmed), UnconfirmedAmountInNativeCurrency: inNative(unconfirmed),
			ID: p.ID, PaymentID: p.ID, Currency: currencyRef(p.Currency), MerchantPayoutCurrency: currencyRef(p.Currency),
			CurrencyRateFromInvoiceCurrency: rate, PaymentReceiveAddress: p.Address, MerchantPayoutAddress: p.Address,
			PaymentSubTotal: whole(p.Due), PayoutFrequency: "normal", CreatedAt: p.OpenedAt.Unix(), ExpiresAt: p.ExpiresAt.Unix(),
			Confirmations: m.Depth, RequiredConfirmations: p.CompletedAfter,
			ConfirmedAmount: whole(m.Confirmed), UnconfirmedAmount: whole(unconfirmed),
			Assignment:           assignmentJSON{AssignedFrom: p.OpenedAt.Unix(), AssignedUntil: p.ExpiresAt.Unix()},
			BuyerDepositTxHashes: append([]string{}, hashes...),
		},
	}
	if state == Completed {
		j.CompletedAt, j.ConfirmedAt = unix(inv.CompletedAt), unix(inv.CompletedAt)
	}
	return j
}

func newExtraPaymentJSON(inv *Invoice, p Payment) extraPaymentJSON {
	m := inv.Money(p)
	j := extraPaymentJSON{
		ID: p.ID, Currency: p.Currency, Due: p.Due, Seen: m.Seen, Confirmed: m.Confirmed,
		Missing: m.Missing, Accepted: p.Accepted, TxIDs: []txRef{},
	}
	told, more := inv.Told(p)
	for _, t := range told {
		j.TxIDs = append(j.TxIDs, txRef{t.TxID, t.Index, t.Amount, t.Status, t.Confirmations, inv.late(p, t)})
	}
	j.More = more
	return j
}
