package desk

import (
	"context"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// maxPayments bounds how many addresses one invoice can take: choosing a coin
// needs no signature.
const maxPayments = 20

// offer is a coin at a rate, before it is locked.
type offer struct {
	coin paybell.Currency
	rate decimal.Decimal
	due  paybell.Units
}

// OpenPayment chooses a coin for an invoice: an address and an amount are
// locked. Choosing it again gives the same payment, as long as it is open or
// has money.
func (d *Desk) OpenPayment(ctx context.Context, invoiceID, coin string) (paybell.Invoice, paybell.Payment, error) {
	inv, err := d.publicInvoice(ctx, invoiceID)
	if err != nil {
		return inv, paybell.Payment{}, err
	}
	o, err := d.offer(ctx, inv.MerchantID, inv.Bill, coin)
	if err != nil {
		return inv, paybell.Payment{}, err
	}
	if p, ok := current(&inv, o.coin); ok {
		return inv, p, nil
	}
	if err := o.sendable(); err != nil {
		return inv, paybell.Payment{}, err
	}
	id := inv.ID // the body may run when we have left
	inv, err = store.Update(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) {
		inv, err := tx.Invoice(id)
		if err != nil {
			return inv, err
		}
		if _, ok := current(&inv, o.coin); ok {
			return inv, nil
		}
		return d.openPayment(tx, inv, o)
	})
	if err != nil {
		return inv, paybell.Payment{}, err
	}
	p, _ := current(&inv, o.coin)
	return inv, p, nil
}

// Payment reads the payment of an invoice in a coin: the current one, or the
// latest. It opens nothing.
func (d *Desk) Payment(ctx context.Context, invoiceID, coin string) (paybell.Invoice, paybell.Payment, error) {
	inv, err := d.publicInvoice(ctx, invoiceID)
	if err != nil {
		return inv, paybell.Payment{}, err
	}
	c, err := FindCurrency(coin)
	if err != nil {
		return inv, paybell.Payment{}, err
	}
	if p, ok := current(&inv, c); ok {
		return inv, p, nil
	}
	for _, p := range slices.Backward(inv.Payments) {
		if p.Currency == c.ID {
			return inv, p, nil
		}
	}
	return inv, paybell.Payment{}, paybell.Errorf(paybell.NotFound, "%s was not chosen for this invoice yet", c.Symbol)
}

// publicInvoice is what a buyer who has the invoice's id may see.
func (d *Desk) publicInvoice(ctx context.Context, id string) (paybell.Invoice, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) {
		inv, err := shared(tx, id)
		if err == nil {
			err = d.genuine(tx, &inv)
		}
		return inv, err
	})
}

// current is the payment in coin c that a buyer should pay to, if there is one.
func current(inv *paybell.Invoice, c paybell.Currency) (paybell.Payment, bool) {
	for _, p := range slices.Backward(inv.Payments) {
		if p.Currency == c.ID && (p.Open() || !inv.Money(p).Seen.IsZero()) {
			return p, true
		}
	}
	return paybell.Payment{}, false
}

// offer asks for a rate, outside of any transaction.
func (d *Desk) offer(ctx context.Context, merchantID string, bill paybell.Bill, ref string) (*offer, error) {
	coin, err := d.payable(ctx, merchantID, ref)
	if err != nil {
		return nil, err
	}
	from, ok := paybell.FindCurrency(bill.Currency)
	if !ok {
		return nil, paybell.Errorf(paybell.Internal, "the invoice's currency is gone")
	}
	rate, err := d.Quote.Rate(ctx, from, coin, time.Time{})
	if err != nil {
		return nil, err
	}
	due, err := paybell.UnitsOf(bill.Total.Mul(rate), coin.Decimals)
	return &offer{coin: coin, rate: rate, due: due}, err
}

// leastDue is the least that wallets can send of a coin, in units: nodes do not pass
// on less, as dust. That of the kind of address that needs the most is taken.
func leastDue(c paybell.Currency) paybell.Units {
	switch c.Network {
	case paybell.BitcoinNetwork:
		return paybell.NewUnits(546)
	case paybell.LitecoinNetwork:
		return paybell.NewUnits(5460)
	}
	return paybell.NewUnits(1)
}

// sendable checks that the amount is one that a wallet can send.
func (o *offer) sendable() error {
	if least := leastDue(o.coin); o.due.Cmp(least) < 0 {
		return paybell.Errorf(paybell.Invalid, "this is too little to be paid in %s: wallets cannot send less than %s", o.coin.Symbol, least.Coins(o.coin.Decimals))
	}
	return nil
}

// openPayment takes an address and adds the payment.
func (d *Desk) openPayment(tx *store.Tx, inv paybell.Invoice, o *offer) (paybell.Invoice, error) {
	if len(inv.Payments) >= maxPayments {
		return inv, paybell.Errorf(paybell.Conflict, "this invoice had %d payments already; ask the merchant for a new invoice", maxPayments)
	}
	wallets, err := d.wallets(tx, inv.MerchantID)
	if err != nil {
		return inv, err
	}
	wallet, ok := wallets[o.coin.Network]
	if !ok {
		return inv, paybell.Errorf(paybell.Conflict, "%s can no longer be paid with here; choose another coin", o.coin.Symbol)
	}
	at := now()
	open := paybell.Open{Payment: paybell.Payment{
		ID: paybell.NewUUID(at), Currency: o.coin.ID, Network: wallet.Network, WalletID: wallet.ID, Test: o.coin.Test || d.Networks[wallet.Network].Test, Due: o.due, Rate: o.rate, RefundEmail: inv.Bill.RefundEmail,
	}}
	p := &open.Payment
	p.PaidAfter, p.CompletedAfter = wallet.Policy.Required(o.due)
	p.Tolerance = o.due.Share(inv.Tolerance)
	// Whether it can be opened is asked before an index is taken.
	if _, err := inv.Next(paybell.Input{Do: open}, at); err != nil {
		return inv, err
	}
	if p.Index, err = tx.TakeIndex(wallet.Fingerprint); err != nil {
		return inv, err
	}
	if p.Address, err = d.address(wallet, p.Index); err != nil {
		return inv, err
	}
	changes, err := inv.Next(paybell.Input{Do: open}, at)
	if err != nil {
		return inv, err
	}
	return changes[len(changes)-1].Invoice, tx.Apply(changes...)
}
