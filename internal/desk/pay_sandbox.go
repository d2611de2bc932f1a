package desk

import (
	"context"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// PaySandbox pays one of the merchant's invoices with the test coin: amount in
// coins, or what is missing when it is nil. Without a payment in the test coin,
// one is opened first.
func (d *Desk) PaySandbox(ctx context.Context, a Actor, invoiceID string, amount *decimal.Decimal) (txID string, err error) {
	if err := a.may(paybell.UseSandbox); err != nil {
		return "", err
	}
	var units paybell.Units
	if amount != nil {
		coin, _ := paybell.FindCurrency(paybell.LTCT)
		if err := checkAmount("amount", *amount, coin); err != nil {
			return "", err
		}
		if units, err = paybell.UnitsOf(*amount, coin.Decimals); err != nil {
			return "", err
		}
		if units.IsZero() {
			return "", paybell.InvalidField("amount", "must be more than 0")
		}
	}
	inv, err := store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) { return a.ownInvoice(tx, invoiceID) })
	if err != nil {
		return "", err
	}
	inv, p, err := d.sandboxPayment(ctx, inv)
	if err != nil {
		return "", err
	}
	if amount == nil {
		units = inv.Money(p).Missing
	}
	if units.IsZero() {
		units = p.Due // paid already: pay it again
	}
	if err := d.note(ctx, a, "paySandbox", inv.ID, p.Address); err != nil {
		return "", err
	}
	return d.Sandbox.Pay(ctx, a.MerchantID, p.Address, units)
}

// sandboxPayment is the payment to pay to: the one in the test coin that is
// there, timed out or not, or a new one.
func (d *Desk) sandboxPayment(ctx context.Context, inv paybell.Invoice) (paybell.Invoice, paybell.Payment, error) {
	read, p, err := d.Payment(ctx, inv.ID, paybell.LTCT)
	if paybell.CodeOf(err) == paybell.NotFound {
		return d.OpenPayment(ctx, inv.ID, paybell.LTCT)
	}
	return read, p, err
}
