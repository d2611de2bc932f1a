package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// NewInvoice is what an invoice is made of.
type NewInvoice struct {
	Bill            paybell.Bill // Currency as an id or a symbol
	Webhooks        []NewWebhook // ring for this invoice only
	PaymentCurrency string       // opens a payment at once; empty: the buyer chooses
	UniquePO        bool         // refuse a purchase order number that the merchant has used
}

// Bounds on what a merchant writes.
const (
	MaxItems      = 500
	maxCustomData = 16 << 10
	maxDigits     = 15 // of an amount before its point
)

// CreateInvoice makes an invoice and, if a coin is named, its first payment, in
// one transaction.
func (d *Desk) CreateInvoice(ctx context.Context, a Actor, in NewInvoice) (paybell.Invoice, error) {
	create, err := d.newInvoice(ctx, a, in)
	if err != nil {
		return paybell.Invoice{}, err
	}
	return store.Update(ctx, d.DB, create)
}

// CreateInvoiceOnce is CreateInvoice for a request that may be sent again: there
// is one invoice, and everybody gets the answer of the first.
func (d *Desk) CreateInvoiceOnce(ctx context.Context, a Actor, in NewInvoice, o Once[paybell.Invoice]) (answer []byte, err error) {
	if err := a.may(paybell.CreateInvoice); err != nil {
		return nil, err
	}
	return once(ctx, d, a, o, func() (func(*store.Tx) (paybell.Invoice, error), error) { return d.newInvoice(ctx, a, in) })
}

// newInvoice checks what is asked for and returns what makes it.
func (d *Desk) newInvoice(ctx context.Context, a Actor, in NewInvoice) (func(*store.Tx) (paybell.Invoice, error), error) {
	if err := a.may(paybell.CreateInvoice); err != nil {
		return nil, err
	}
	if err := a.acts(); err != nil {
		return nil, err
	}
	if err := checkBill(&in.Bill); err != nil {
		return nil, err
	}
	hooks, err := d.invoiceWebhooks(a, in.Webhooks)
	if err != nil {
		return nil, err
	}
	r, err := d.receives(ctx, a.MerchantID)
	if err != nil {
		return nil, err
	}
	var offer *offer
	if in.PaymentCurrency != "" {
		if _, err := d.payable(ctx, a.MerchantID, in.PaymentCurrency); err != nil {
			return nil, inField("payment.paymentCurrency", err)
		}
		if offer, err = d.offer(ctx, a.MerchantID, in.Bill, in.PaymentCurrency); err != nil {
			return nil, err
		}
		if err := offer.sendable(); err != nil {
			return nil, inField("payment.paymentCurrency", err)
		}
	}
	return func(tx *store.Tx) (paybell.Invoice, error) {
		if in.UniquePO {
			if err := freePONumber(tx, a.MerchantID, in.Bill.PONumber); err != nil {
				return paybell.Invoice{}, err
			}
		}
		at := now()
		created := paybell.Create(paybell.Invoice{
			ID: paybell.NewUUID(at), MerchantID: a.MerchantID, ClientID: a.ClientID, Bill: in.Bill,
			ExpiresAt: at.Add(a.Terms.Lifetime), Window: a.Terms.Window,
			Tolerance: a.Terms.Tolerance, AcceptLate: a.Terms.AcceptLate,
			Test: r.test,
		}, at)
		for _, w := range hooks {
			w.ID, w.InvoiceID, w.CreatedAt = paybell.NewWebhookID(), created.Invoice.ID, at
			if err := tx.CreateWebhook(w); err != nil {
				return paybell.Invoice{}, err
			}
		}
		if err := tx.Apply(created); err != nil {
			return created.Invoice, err
		}
		if err := a.audit(tx, "createInvoice", created.Invoice.ID, ""); err != nil || offer == nil {
			return created.Invoice, err
		}
		return d.openPayment(tx, created.Invoice, offer)
	}, nil
}

// freePONumber refuses a purchase order number that the merchant has used.
func freePONumber(tx *store.Tx, merchantID, number string) error {
	if number == "" {
		return nil
	}
	taken, err := tx.PONumberTaken(merchantID, number)
	if err == nil && taken {
		err = paybell.InvalidField("poNumber", "%q is on another invoice of yours; it must be unique, or left out", number)
	}
	return err
}

// invoiceWebhooks checks the webhooks given with an invoice. The same URL twice
// is one webhook that wants the events of both.
func (d *Desk) invoiceWebhooks(a Actor, in []NewWebhook) ([]paybell.Webhook, error) {
	if len(in) > paybell.MaxWebhooksPerInvoice {
		return nil, paybell.InvalidField("webhooks", "an invoice takes at most %d webhooks", paybell.MaxWebhooksPerInvoice)
	}
	var hooks []paybell.Webhook
	for i, n := range in {
		w, err := d.newWebhook(a.ClientID, fmt.Sprintf("webhooks[%d].", i), n)
		if err != nil {
			return nil, err
		}
		if same := slices.IndexFunc(hooks, func(h paybell.Webhook) bool { return h.URL == w.URL }); same >= 0 {
			hooks[same].Events |= w.Events
			continue
		}
		hooks = append(hooks, w)
	}
	return hooks, nil
}

// checkBill holds a bill to its limits and brings its currency to an id.
func checkBill(b *paybell.Bill) error {
	currency, ok := paybell.FindCurrency(b.Currency)
	if !ok {
		return paybell.InvalidField("currency", "%.60q is not a currency known here; see GET /api/v1/currencies", b.Currency)
	}
	b.Currency = currency.ID
	if err := checkAmounts(b, currency); err != nil {
		return err
	}
	for _, f := range []struct {
		field, value string
		most         int
	}{
		{"invoiceId", b.Number, 127}, {"description", b.Description, 200}, {"notes", b.Notes, 500},
		{"notesToRecipient", b.NotesToRecipient, 2000}, {"termsAndConditions", b.TermsAndConditions, 2000},
		{"buyerDataCollectionMessage", b.BuyerDataCollectionMessage, 300}, {"poNumber", b.PONumber, 16},
		{"merchantOptions.additionalInfo", b.MerchantOptions.AdditionalInfo, 2000},
	} {
		if err := text(f.field, f.value, f.most); err != nil {
			return err
		}
	}
	if err := object("customData", b.CustomData); err != nil {
		return err
	}
	if err := object("metadata", b.Metadata); err != nil {
		return err
	}
	if b.RefundEmail != "" {
		if err := checkEmail("payment.refundEmail", b.RefundEmail); err != nil {
			return err
		}
	}
	if err := checkEmails(b.EmailDelivery); err != nil {
		return err
	}
	if _, ok := paybell.ParseUUID(b.AffiliateID); b.AffiliateID != "" && !ok {
		return paybell.InvalidField("affiliateId", "is not a UUID")
	}
	if err := checkLink("successUrl", b.SuccessURL); err != nil {
		return err
	}
	if err := checkLink("cancelUrl", b.CancelURL); err != nil {
		return err
	}
	if err := checkParty("buyer", b.Buyer); err != nil {
		return err
	}
	return checkParty("shipping", b.Shipping)
}

// checkEmails checks lists of addresses, separated by semicolons.
func checkEmails(d *paybell.EmailDelivery) error {
	if d == nil {
		return nil
	}
	for _, part := range [][2]string{{"emailDelivery.to", d.To}, {"emailDelivery.cc", d.Cc}, {"emailDelivery.bcc", d.Bcc}} {
		field, list := part[0], part[1]
		if err := text(field, list, 500); err != nil {
			return err
		}
		for email := range strings.SplitSeq(list, ";") {
			if email = strings.TrimSpace(email); email != "" {
				if err := checkEmail(field, email); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func checkLink(field, link string) error {
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(link) > 2000 {
		return paybell.InvalidField(field, "is not an http(s) address of at most 2000 characters")
	}
	return nil
}

// checkAmounts holds the amounts to their sums and to the currency's digits.
func checkAmounts(b *paybell.Bill, c paybell.Currency) error {
	if err := checkItems(b, c); err != nil {
		return err
	}
	for _, part := range []struct {
		field string
		value decimal.Decimal
	}{
		{"amount.total", b.Total}, {"amount.breakdown.subtotal", b.Breakdown.Subtotal}, {"amount.breakdown.shipping", b.Breakdown.Shipping},
		{"amount.breakdown.handling", b.Breakdown.Handling}, {"amount.breakdown.taxTotal", b.Breakdown.Tax}, {"amount.breakdown.discount", b.Breakdown.Discount},
	} {
		if err := checkAmount(part.field, part.value, c); err != nil {
			return err
		}
	}
	if !b.Total.IsPositive() {
		return paybell.InvalidField("amount.total", "must be more than 0")
	}
	if sum := b.Breakdown.Total(); !sum.Equal(b.Total) {
		return paybell.InvalidField("amount.total", "is %s, but subtotal + shipping + handling + taxTotal - discount is %s", b.Total, sum)
	}
	return nil
}

func checkItems(b *paybell.Bill, c paybell.Currency) error {
	if len(b.Items) > MaxItems {
		return paybell.InvalidField("items", "an invoice takes at most %d items", MaxItems)
	}
	sum := decimal.Zero
	for i, it := range b.Items {
		at := fmt.Sprintf("items[%d].", i)
		if strings.TrimSpace(it.Name) == "" {
			return paybell.InvalidField(at+"name", "give the item a name")
		}
		if err := text(at+"name", it.Name, 127); err != nil {
			return err
		}
		if err := text(at+"description", it.Description, 1000); err != nil {
			return err
		}
		if err := text(at+"customId", it.CustomID, 127); err != nil {
			return err
		}
		if err := text(at+"sku", it.SKU, 127); err != nil {
			return err
		}
		if it.Quantity < 1 || it.Quantity > 999_999_999 {
			return paybell.InvalidField(at+"quantity.value", "must be 1 to 999999999")
		}
		if err := checkAmount(at+"amount", it.Amount, c); err != nil {
			return err
		}
		if err := checkAmount(at+"originalAmount", it.OriginalAmount, c); err != nil {
			return err
		}
		if it.Tax != nil {
			if err := checkAmount(at+"tax", *it.Tax, c); err != nil {
				return err
			}
		}
		sum = sum.Add(it.Amount)
	}
	if len(b.Items) > 0 && !sum.Equal(b.Breakdown.Subtotal) {
		return paybell.InvalidField("amount.breakdown.subtotal", "is %s, but the items' amounts sum up to %s", b.Breakdown.Subtotal, sum)
	}
	return nil
}

func checkAmount(field string, v decimal.Decimal, c paybell.Currency) error {
	switch {
	case v.IsNegative():
		return paybell.InvalidField(field, "cannot be negative")
	case v.GreaterThanOrEqual(decimal.New(1, maxDigits)):
		return paybell.InvalidField(field, "has more than %d digits before the point", maxDigits)
	case !v.Equal(v.Truncate(c.Decimals)):
		return paybell.InvalidField(field, "%s has more than the %d decimals that %s has", v, c.Decimals, c.Symbol)
	}
	return nil
}

func checkParty(field string, p *paybell.Party) error {
	if p == nil {
		return nil
	}
	for _, part := range [][2]string{
		{"companyName", p.CompanyName}, {"name.firstName", p.Name.First}, {"name.lastName", p.Name.Last},
		{"emailAddress", p.Email}, {"phoneNumber", p.Phone}, {"address.address1", p.Address.Address1},
		{"address.address2", p.Address.Address2}, {"address.address3", p.Address.Address3}, {"address.city", p.Address.City},
		{"address.provinceOrState", p.Address.ProvinceOrState}, {"address.suburbOrDistrict", p.Address.SuburbOrDistrict},
		{"address.postalCode", p.Address.PostalCode},
	} {
		if err := text(field+"."+part[0], part[1], 254); err != nil {
			return err
		}
	}
	if err := text(field+".method", p.Method, 127); err != nil {
		return err
	}
	if strings.Trim(p.Phone, ".()+-0123456789 ") != "" {
		return paybell.InvalidField(field+".phoneNumber", "may hold digits, spaces and . ( ) + - only")
	}
	if cc := p.Address.CountryCode; cc != "" && (len(cc) != 2 || strings.Trim(cc, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return paybell.InvalidField(field+".address.countryCode", "must be two capital letters, like DE")
	}
	return nil
}

// object checks free JSON that goes back to the merchant as it came.
func object(field string, raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if len(raw) > maxCustomData {
		return paybell.InvalidField(field, "has %d bytes, at most %d are possible", len(raw), maxCustomData)
	}
	if raw[0] != '{' || !json.Valid(raw) || !utf8.Valid(raw) {
		return paybell.InvalidField(field, "must be a JSON object")
	}
	return nil
}
