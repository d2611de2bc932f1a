package desk

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// CheckoutView is what may be shown to whoever has an invoice's link.
type CheckoutView struct {
	Invoice   paybell.Invoice  // without what is the merchant's own, and the buyer's
	Merchant  paybell.Merchant // the name, and the e-mail address if the invoice shows it
	AsksBuyer bool             // the merchant wants to know who buys, and nobody has said it
	Coins     []PricedCoin     // that can be chosen now; none once money was seen or the time is over
	TestPay   bool             // PayTest can pay it now

	// SuccessURL leads back to the shop when the invoice is paid, CancelURL before.
	// Empty: there is no such link.
	SuccessURL, CancelURL string
}

// PricedCoin is a coin that an invoice can be paid with.
type PricedCoin struct {
	paybell.Currency
	Due     paybell.Units // as locked by a payment that is open, or at the rate of now
	Open    bool          // there is such a payment
	Delayed bool          // its network is not being looked at as it should: payments will be seen later
}

// Checkout reads an invoice for its buyer, who needs nothing but its id. It
// changes nothing and takes no address.
//
// The links are what the buyer's browser was given, which anybody can have
// written. One counts only if it is http(s) and its host and port are those of
// an address that the merchant registered: the client's URL, one of the client's
// webhooks, or a link of the invoice's own. Else the invoice's own link is it.
func (d *Desk) Checkout(ctx context.Context, invoiceID, successURL, cancelURL string) (CheckoutView, error) {
	inv, merchant, err := d.withMerchant(ctx, func(tx *store.Tx) (paybell.Invoice, error) {
		inv, err := shared(tx, invoiceID)
		if err == nil {
			err = d.genuine(tx, &inv)
		}
		return inv, err
	})
	if err != nil {
		return CheckoutView{}, err
	}
	b := &inv.Bill
	v := CheckoutView{Merchant: merchantFor(inv.Bill, merchant)}
	registered := hostSet{}
	if successURL != "" || cancelURL != "" {
		if registered, err = d.shopHosts(ctx, &inv); err != nil {
			return CheckoutView{}, err
		}
	}
	v.SuccessURL = registered.link(successURL, b.SuccessURL)
	v.CancelURL = registered.link(cancelURL, b.CancelURL)
	at := now()
	if _, payable := testPayment(&inv, at); payable {
		if v.TestPay, err = d.paysTests(ctx, inv.MerchantID); err != nil {
			return CheckoutView{}, err
		}
	}
	if takesPayment(&inv, at) {
		v.AsksBuyer = b.Buyer == nil && (b.RequireBuyerNameAndEmail || b.BuyerDataCollectionMessage != "")
		if v.Coins, err = d.coinsFor(ctx, &inv, at); err != nil {
			return CheckoutView{}, err
		}
	}
	v.Invoice = forBuyer(inv)
	return v, nil
}

// takesPayment reports whether a coin may be chosen. The domain would let one be
// chosen beside another that has money; but money in two coins is not summed,
// and a page that offers it invites a mistake.
func takesPayment(inv *paybell.Invoice, now time.Time) bool {
	return (inv.State == paybell.Unpaid || inv.State == paybell.Pending) && now.Before(inv.ExpiresAt) &&
		!slices.ContainsFunc(inv.Payments, func(p paybell.Payment) bool { return !inv.Money(p).Seen.IsZero() })
}

// coinsFor prices the coins. One that has no rate now cannot be chosen now.
func (d *Desk) coinsFor(ctx context.Context, inv *paybell.Invoice, at time.Time) ([]PricedCoin, error) {
	r, err := d.receives(ctx, inv.MerchantID)
	if err != nil {
		return nil, err
	}
	var coins []PricedCoin
	for _, c := range paybell.Currencies() {
		if p, ok := current(inv, c); ok {
			if at.Before(p.ExpiresAt) { // else it is about to be timed out
				coins = append(coins, PricedCoin{Currency: c, Due: p.Due, Open: true, Delayed: r.delayed[p.Network]})
			}
			continue
		}
		if len(inv.Payments) >= maxPayments || !slices.Contains(r.coins, c) {
			continue
		}
		o, err := d.offer(ctx, inv.MerchantID, inv.Bill, c.ID)
		switch code := paybell.CodeOf(err); {
		case err != nil && code != paybell.Unavailable && code != paybell.Invalid:
			return nil, err
		case err == nil && o.sendable() == nil:
			coins = append(coins, PricedCoin{Currency: c, Due: o.due, Delayed: r.delayed[c.Network]})
		}
	}
	return coins, nil
}

// PayTest pays a test invoice's open payment, exactly, with the test coin: for who
// tries out what buyers see. It needs nothing but the invoice's id, and so it is
// bounded: once for each payment, and only while nothing was seen. If the process
// ends at the wrong moment, that payment is not made, and can be made otherwise.
func (d *Desk) PayTest(ctx context.Context, invoiceID string) error {
	type asked struct {
		merchantID string
		payment    paybell.Payment
	}
	pay, err := store.Update(ctx, d.DB, func(tx *store.Tx) (asked, error) {
		inv, err := shared(tx, invoiceID)
		if err != nil {
			return asked{}, err
		}
		at := now()
		p, ok := testPayment(&inv, at)
		if ok {
			had, err := tx.HadWallet(inv.MerchantID)
			if err != nil {
				return asked{}, err
			}
			ok = !had
		}
		if !ok {
			return asked{}, paybell.Errorf(paybell.Conflict, "there is no payment in test coins that waits for money")
		}
		once := store.Asked{ClientID: inv.ClientID, Route: "pay at the checkout", Key: p.ID}
		if _, found, err := tx.Answered(once, at.Add(-store.AnswersKept)); err != nil {
			return asked{}, err
		} else if found {
			return asked{}, paybell.Errorf(paybell.Conflict, "the test coins are on their way")
		}
		return asked{inv.MerchantID, p}, tx.Answer(once, nil, at)
	})
	if err != nil {
		return err
	}
	_, err = d.Sandbox.Pay(ctx, pay.merchantID, pay.payment.Address, pay.payment.Due)
	return err
}

// paysTests reports whether PayTest may pay a merchant's invoices: only as long as
// there never was a wallet for real coins, or buyers could pay with nothing.
func (d *Desk) paysTests(ctx context.Context, merchantID string) (bool, error) {
	had, err := store.View(ctx, d.DB, func(tx *store.Tx) (bool, error) { return tx.HadWallet(merchantID) })
	return !had && err == nil, err
}

// testPayment is the payment that PayTest would pay.
func testPayment(inv *paybell.Invoice, at time.Time) (paybell.Payment, bool) {
	coin, _ := paybell.FindCurrency(paybell.LTCT)
	p, ok := current(inv, coin)
	ok = ok && inv.Test && coin.Test && takesPayment(inv, at) && at.Before(p.ExpiresAt)
	return p, ok
}

// forBuyer keeps of an invoice what a buyer's page shows. What is added to
// invoices later is not shown until it is added here.
func forBuyer(inv paybell.Invoice) paybell.Invoice {
	b := inv.Bill
	inv.ClientID = ""
	inv.Bill = paybell.Bill{
		Currency: b.Currency, Total: b.Total, Breakdown: b.Breakdown, Items: b.Items, Number: b.Number, Description: b.Description,
		NotesToRecipient: b.NotesToRecipient, TermsAndConditions: b.TermsAndConditions,
		BuyerDataCollectionMessage: b.BuyerDataCollectionMessage, RequireBuyerNameAndEmail: b.RequireBuyerNameAndEmail,
		InvoiceDate: b.InvoiceDate, DueDate: b.DueDate, MerchantOptions: b.MerchantOptions,
		HideShoppingCart: b.HideShoppingCart, SimpleQR: b.SimpleQR, UseCoinReservation: b.UseCoinReservation,
		SuccessURL: b.SuccessURL, CancelURL: b.CancelURL,
	}
	if b.Buyer != nil {
		inv.Bill.Buyer = &paybell.Party{}
	}
	if b.Shipping != nil {
		inv.Bill.Shipping = &paybell.Party{}
	}
	inv.Payments = slices.Clone(inv.Payments)
	for i := range inv.Payments {
		inv.Payments[i].RefundEmail = ""
	}
	return inv
}

// hostSet holds "host:port" of addresses that a merchant registered.
type hostSet map[string]bool

// shopHosts are the hosts that an invoice's client is known to live on.
func (d *Desk) shopHosts(ctx context.Context, inv *paybell.Invoice) (hostSet, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (hostSet, error) {
		c, err := tx.Client(inv.ClientID)
		if err != nil {
			return nil, err
		}
		hooks, err := tx.Webhooks(inv.ClientID, "")
		if err != nil {
			return nil, err
		}
		hosts := hostSet{}
		hosts.add(c.URL)
		hosts.add(inv.Bill.SuccessURL)
		hosts.add(inv.Bill.CancelURL)
		for _, w := range hooks {
			hosts.add(w.URL)
		}
		return hosts, nil
	})
}

func (s hostSet) add(address string) {
	if u, ok := parseLink(address); ok {
		s[hostPort(u)] = true
	}
}

// link is the given link if its host is in the set, else the merchant's own, in
// the spelling that was judged; empty: neither will do.
func (s hostSet) link(given, own string) string {
	if u, ok := parseLink(given); ok && s[hostPort(u)] {
		return u.String()
	}
	if u, ok := parseLink(own); ok {
		return u.String()
	}
	return ""
}

// parseLink reads an absolute http(s) address. A user name before the host only
// serves to deceive people who read it.
func parseLink(link string) (*url.URL, bool) {
	u, err := url.Parse(link)
	if err != nil || len(link) > 2000 || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, false
	}
	return u, true
}

// hostPort names a host and port in one way. Letters that are not ASCII are
// compared as they are written: some of them look like others, or fold to them.
func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	lower := func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return strings.Map(lower, u.Hostname()) + ":" + port
}
