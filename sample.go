package paybell

import (
	"time"

	"github.com/shopspring/decimal"
)

// Sample is a notification of an event as a client would get it, about an invoice
// that does not exist: for trying a webhook. invoice.paybell.test is true in it.
// The invoice goes the way of a real one, through Next.
func Sample(event Event, m Merchant, clientID string, names EventNames, now time.Time) Notification {
	if event == WebhookWasDisabled {
		return Disabled{ClientID: clientID, Origin: "https://shop.example:443", WebhookIDs: []string{NewWebhookID()},
			Reason: "answered 500", FailingSince: now.Add(-DisableAfter), At: now}.Tell(names)
	}
	ten := decimal.New(10, 0)
	created := Create(Invoice{
		ID: NewUUID(now), MerchantID: m.ID, ClientID: clientID, Test: true, Window: DefaultTerms.Window, ExpiresAt: now.Add(DefaultTerms.Lifetime),
		Bill: Bill{Currency: "5057", Total: ten, Breakdown: Breakdown{Subtotal: ten}, Number: "TEST", Items: []Item{
			{Name: "A test", Quantity: 1, Amount: ten, OriginalAmount: ten},
		}},
	}, now)
	told := map[Event]Change{InvoiceCreated: created}
	do := func(from Change, in Input, at time.Time) (last Change) {
		changes, err := from.Invoice.Next(in, at)
		if err != nil {
			panic("paybell: a sample cannot fail: " + err.Error())
		}
		last = from
		for _, c := range changes {
			last = c
			if _, known := told[c.Event]; !known {
				told[c.Event] = c
			}
		}
		return last
	}
	coin, _ := FindCurrency(LTCT)
	due, _ := UnitsOf(decimal.New(1, -1), coin.Decimals)
	p := Payment{
		ID: NewUUID(now), Currency: coin.ID, Network: coin.Network, Address: "ltct1test", Due: due, Rate: decimal.New(1, -2),
	}
	p.Test = true
	p.PaidAfter, p.CompletedAfter = DefaultPolicy(coin).Required(due)
	transfer := Transfer{Network: p.Network, TxID: "test", Asset: coin.ID, Address: p.Address, Amount: due, Status: Mempool, PaymentID: p.ID, SeenAt: now, AbsentAt: now}
	mined, dropped := transfer, transfer
	mined.Status, mined.Confirmations = Mined, p.CompletedAfter
	dropped.Status = Dropped
	half := transfer
	half.Amount, _ = UnitsOf(decimal.New(5, -2), coin.Decimals)
	scanned := map[string]time.Time{p.Network: now.Add(DefaultTerms.Lifetime)}

	pending := do(created, Input{Do: Open{Payment: p}}, now)
	paid := do(pending, Input{Transfers: []Transfer{transfer}}, now)
	do(paid, Input{Transfers: []Transfer{mined}}, now)
	do(paid, Input{Transfers: []Transfer{dropped}}, now)
	do(pending, Input{Transfers: []Transfer{half}}, now)
	do(created, Input{Do: Cancel{}}, now)
	do(pending, Input{Scanned: scanned}, now.Add(DefaultTerms.Window))
	do(created, Input{Scanned: scanned}, now.Add(DefaultTerms.Lifetime))
	c, known := told[event]
	if !known { // flags alone: the money of another payment
		c = told[InvoicePending]
		c.Event = event
	}
	return c.Tell(m, names)
}
