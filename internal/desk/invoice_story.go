package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// InvoiceStory is an invoice with what happened around it.
type InvoiceStory struct {
	Invoice    paybell.Invoice
	Client     paybell.Client         // that made it; it may be deleted
	Told       []paybell.Notification // newest first, at most MaxStory; less when older ones are not kept any more
	Deliveries []DeliveryGlance       // of what was told, newest first, at most MaxStoryDeliveries
	More       bool                   // there are more deliveries
	Refunds    []Refund               // oldest first
	// Said is what was told of changes of flags, and of those that took the invoice
	// back, by the invoice's version; not of all when there are many.
	Said map[int]Said
}

// Said is how an invoice stood after a change.
type Said struct {
	State paybell.State
	Flags []string
}

// DeliveryGlance is a delivery with its last attempt.
type DeliveryGlance = store.Glance

// Bounds of a story.
const (
	MaxStory           = 100
	MaxStoryDeliveries = 200
	storyHooks         = 300 // webhooks that are asked
	storySaid          = 20  // bodies that are read
)

// InvoiceStory reads an invoice of the merchant's, and what happened around it. It
// takes no longer when very much happened.
func (d *Desk) InvoiceStory(ctx context.Context, a Actor, id string) (InvoiceStory, error) {
	if err := a.may(paybell.FindInvoice | paybell.ListInvoiceHistory); err != nil {
		return InvoiceStory{}, err
	}
	return store.View(ctx, d.DB, func(tx *store.Tx) (s InvoiceStory, err error) {
		if s.Invoice, err = a.invoice(tx, id); err != nil {
			return s, err
		}
		if s.Client, err = tx.Client(s.Invoice.ClientID); err != nil {
			return s, err
		}
		if s.Told, err = tx.LastTold(s.Invoice.ID, MaxStory); err != nil {
			return s, err
		}
		if s.Refunds, err = tx.Refunds(s.Invoice.ID); err != nil {
			return s, err
		}
		if s.Said, err = saidOf(tx, s.Invoice, s.Told); err != nil {
			return s, err
		}
		s.Deliveries, s.More, err = deliveriesOf(tx, s.Invoice)
		return s, err
	})
}

// saidOf reads how the invoice stood where that is not clear from the event. A body
// lists all transfers of its invoice: where there are many, bodies are long.
func saidOf(tx *store.Tx, inv paybell.Invoice, told []paybell.Notification) (map[int]Said, error) {
	said := map[int]Said{}
	if len(inv.Transfers) > MaxStory {
		return said, nil
	}
	for _, n := range told {
		if n.Event&(paybell.InvoiceFlagged|paybell.InvoiceReverted) == 0 || len(said) == storySaid {
			continue
		}
		text, err := tx.NotificationBody(n.ID)
		if err != nil {
			return nil, err
		}
		var body struct {
			Invoice struct {
				State   string
				Paybell struct{ Flags []string }
			}
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			return nil, fmt.Errorf("read notification %s: %w", n.ID, err)
		}
		is := Said{Flags: body.Invoice.Paybell.Flags}
		for _, state := range paybell.States {
			if strings.EqualFold(string(state), body.Invoice.State) {
				is.State = state
			}
		}
		said[n.Version] = is
	}
	return said, nil
}

func deliveriesOf(tx *store.Tx, inv paybell.Invoice) (glances []DeliveryGlance, more bool, err error) {
	hooks, err := tx.HooksOf(inv.ClientID, inv.ID, storyHooks)
	if err != nil || len(hooks) == 0 {
		return nil, false, err
	}
	page, err := tx.Recent(store.RecentFilter{WebhookIDs: hooks, InvoiceID: inv.ID, Limit: MaxStoryDeliveries, Look: 5 * MaxStoryDeliveries})
	if err != nil {
		return nil, false, err
	}
	for _, d := range page.Deliveries {
		g, err := tx.Glance(d)
		if err != nil {
			return nil, false, err
		}
		glances = append(glances, g)
	}
	return glances, !page.Next.IsZero(), nil
}
