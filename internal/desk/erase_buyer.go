package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Bounds on erasing.
const (
	maxErased  = 5000 // invoices at a time; who has more does it again
	eraseBatch = 50   // invoices in one transaction: others write between
)

// BuyerTrace is where a buyer is in what a merchant has.
type BuyerTrace struct {
	Email    string            // of the buyer; empty: an invoice was asked for that knows none
	Invoices []paybell.Invoice // oldest first, without their payments
	More     bool              // there are more than were looked for
	Open     int               // of these invoices, those that can still be paid
	Waiting  int               // of these, those with notifications that some webhook waits for
}

// FindBuyer looks for what is known of a buyer: in all invoices of the person's
// merchant that have an e-mail address as the buyer's or for refunds, or in one
// invoice, by its id. It changes nothing.
func (d *Desk) FindBuyer(ctx context.Context, a Actor, who string) (BuyerTrace, error) {
	if err := a.staff(); err != nil {
		return BuyerTrace{}, err
	}
	t, err := d.findBuyer(ctx, a, who)
	if err != nil {
		return t, err
	}
	for _, inv := range t.Invoices {
		if inv.State == paybell.Unpaid || inv.State == paybell.Pending {
			t.Open++
		}
	}
	for batch := range slices.Chunk(t.Invoices, eraseBatch) {
		n, err := store.View(ctx, d.DB, func(tx *store.Tx) (waiting int, err error) {
			for _, inv := range batch {
				n, err := tx.Waits(inv.ID, inv.ClientID)
				if err != nil {
					return 0, err
				}
				waiting += min(n, 1)
			}
			return waiting, nil
		})
		if err != nil {
			return t, err
		}
		t.Waiting += n
	}
	return t, nil
}

// findBuyer is FindBuyer without looking at the invoices.
func (d *Desk) findBuyer(ctx context.Context, a Actor, who string) (BuyerTrace, error) {
	if who = strings.TrimSpace(who); !strings.Contains(who, "@") {
		inv, err := store.View(ctx, d.DB, func(tx *store.Tx) (paybell.Invoice, error) { return a.invoice(tx, who) })
		if err != nil {
			return BuyerTrace{}, err
		}
		t := BuyerTrace{Email: store.BuyerEmail(&inv.Bill)}
		if store.NamesBuyer(&inv.Bill) {
			t.Invoices = []paybell.Invoice{inv}
		}
		return t, nil
	}
	email, err := paybell.ParseEmail("who", who)
	t := BuyerTrace{Email: email}
	if err != nil {
		return t, err
	}
	type page struct {
		found []paybell.Invoice
		next  store.BuyerSweep
		over  bool
	}
	for at, over := (store.BuyerSweep{}), false; !over; {
		from := at
		p, err := store.View(ctx, d.DB, func(tx *store.Tx) (p page, err error) {
			p.found, p.next, p.over, err = tx.InvoicesOfBuyer(a.MerchantID, email, from)
			return p, err
		})
		if err != nil {
			return t, err
		}
		t.Invoices = append(t.Invoices, p.found...)
		if len(t.Invoices) > maxErased {
			t.Invoices, t.More = t.Invoices[:maxErased], true
			break
		}
		at, over = p.next, p.over
	}
	return t, nil
}

// Erased is what was done about a buyer.
type Erased struct {
	Invoices int
	Waiting  int  // of these, those that some notifications are left of, until they were delivered or given up
	More     bool // there is more to erase: do it again
}

// EraseBuyer empties what is known of a buyer: in all invoices of the person's
// merchant that have an e-mail address, or in one invoice, as FindBuyer finds them.
// Amounts and payments stay. What it does is done in small steps; when it is cut
// short, the rest is found when it is called again. The log of what people did keeps
// how many invoices it was, and not whose.
func (d *Desk) EraseBuyer(ctx context.Context, a Actor, who string) (done Erased, err error) {
	if err := a.person(); err != nil {
		return done, err
	}
	t, err := d.findBuyer(ctx, a, who)
	if err != nil {
		return done, err
	}
	for batch := range slices.Chunk(t.Invoices, eraseBatch) {
		waiting, err := store.Update(ctx, d.DB, func(tx *store.Tx) (waiting int, err error) {
			at := now()
			for _, inv := range batch {
				n, err := tx.EraseBuyer(inv.ID, at)
				if err != nil {
					return 0, err
				}
				waiting += min(n, 1)
			}
			subject, detail := "", fmt.Sprintf("%d invoices", len(batch))
			if len(batch) == 1 {
				subject, detail = batch[0].ID, ""
			}
			return waiting, a.audit(tx, "eraseBuyer", subject, detail)
		})
		if err != nil {
			return done, err
		}
		done.Invoices += len(batch)
		done.Waiting += waiting
	}
	done.More = t.More
	return done, nil
}

// StillErasing is how many of the merchant's invoices were emptied and have
// notifications that some webhook waits for.
func (d *Desk) StillErasing(ctx context.Context, a Actor) (int64, error) {
	if err := a.staff(); err != nil {
		return 0, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (int64, error) { return tx.StillErasing(a.MerchantID) })
}
