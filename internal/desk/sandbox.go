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

// MineSandbox mines blocks on the merchant's own test ledger.
func (d *Desk) MineSandbox(ctx context.Context, a Actor, blocks int) (height int64, err error) {
	if err := a.may(paybell.UseSandbox); err != nil {
		return 0, err
	}
	return d.Sandbox.Mine(ctx, a.MerchantID, blocks)
}

// ReplaceSandbox double-spends an unconfirmed transaction: with one that pays
// the same address, or one that pays elsewhere.
func (d *Desk) ReplaceSandbox(ctx context.Context, a Actor, txID string, toInvoice bool) (newTxID string, err error) {
	if err := a.may(paybell.UseSandbox); err != nil {
		return "", err
	}
	return d.Sandbox.Replace(ctx, a.MerchantID, txID, toInvoice)
}

// DropSandbox makes the nodes forget an unconfirmed transaction.
func (d *Desk) DropSandbox(ctx context.Context, a Actor, txID string) error {
	if err := a.may(paybell.UseSandbox); err != nil {
		return err
	}
	return d.Sandbox.Drop(ctx, a.MerchantID, txID)
}

// ReorgSandbox takes back the last blocks of the merchant's test ledger.
func (d *Desk) ReorgSandbox(ctx context.Context, a Actor, depth int) error {
	if err := a.may(paybell.UseSandbox); err != nil {
		return err
	}
	return d.Sandbox.Reorg(ctx, a.MerchantID, depth)
}

// ExpireSandbox moves an invoice's deadlines to now: those of its open payments
// ("window"), or its own too ("lifetime"). They end when the chain was scanned.
func (d *Desk) ExpireSandbox(ctx context.Context, a Actor, invoiceID, what string) error {
	if err := a.may(paybell.UseSandbox); err != nil {
		return err
	}
	if what != "window" && what != "lifetime" {
		return paybell.InvalidField("what", `must be "window" or "lifetime"`)
	}
	return store.Do(ctx, d.DB, func(tx *store.Tx) error {
		inv, err := a.ownInvoice(tx, invoiceID)
		if err != nil {
			return err
		}
		return tx.Hasten(inv, what == "lifetime", now())
	})
}
