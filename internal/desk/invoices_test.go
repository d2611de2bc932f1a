package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// written makes an invoice of the office's client that says something.
func (o *office) written(at time.Time, write func(*paybell.Bill)) paybell.Invoice {
	o.Helper()
	bill := paybell.Bill{Currency: "5057", Total: decimal.NewFromInt(10), Breakdown: paybell.Breakdown{Subtotal: decimal.NewFromInt(10)}}
	write(&bill)
	c := paybell.Create(paybell.Invoice{
		ID: paybell.NewUUID(at), MerchantID: o.client.MerchantID, ClientID: o.client.ID, Bill: bill, ExpiresAt: at.Add(time.Hour), Window: time.Hour,
	}, at)
	must(o.T, store.Do(o.Context(), o.DB, func(tx *store.Tx) error { return tx.Apply(c) }))
	return c.Invoice
}

func idsOf(invoices []paybell.Invoice) (ids []string) {
	for _, inv := range invoices {
		ids = append(ids, inv.ID)
	}
	return ids
}

// A search that goes on from page to page finds the same, however few it looks at in
// a step.
func TestSearchFurtherBack(t *testing.T) { onBoth(t, searchFurtherBack) }

func searchFurtherBack(o *office) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var all, shirts []string
	for i := range 40 {
		inv := o.written(at.Add(time.Duration(i/3)*time.Second), func(b *paybell.Bill) {
			b.Number = fmt.Sprint("WC-", i)
			if i%9 == 2 {
				b.Description = "Blue shirt"
			}
		})
		all = append(all, inv.ID)
		if i%9 == 2 {
			shirts = append(shirts, inv.ID)
		}
	}
	// Of one moment, the id decides.
	slices.SortFunc(all, strings.Compare)
	slices.Reverse(all)
	slices.SortFunc(shirts, strings.Compare)
	slices.Reverse(shirts)
	for _, look := range []int{1, 2, 7, 39, 40, 41, 1000} {
		desk.SetLook(o.T, look)
		for _, limit := range []int{1, 2, 100} {
			for steps := 1; steps <= desk.MaxSteps; steps += 3 {
				f := desk.InvoiceFilter{Words: []string{"blue", "shirt"}, Limit: limit}
				var found []string
				pages := 0
				for ; pages < 100; pages++ {
					page, err := o.ListInvoices(o.Context(), o.owner, f, steps)
					must(o.T, err)
					found = append(found, idsOf(page.Invoices)...)
					if len(page.Invoices) > limit {
						o.Fatalf("a page of %d has %d", limit, len(page.Invoices))
					}
					if bounded := len(page.Invoices) < limit && !page.Next.IsZero(); bounded && !page.LookedTo.Equal(page.Next.At) {
						o.Errorf("the page does not say how far was looked: %+v", page)
					}
					if page.Next.IsZero() {
						break
					}
					f.BeforeAt, f.BeforeID = page.Next.At, page.Next.ID
				}
				if !slices.Equal(found, shirts) {
					o.Errorf("looking at %d in a step, %d steps a page, pages of %d: found %v, want %v", look, steps, limit, found, shirts)
				}
				if most := 40/(look*steps) + len(shirts)/limit + 1; pages > most {
					o.Errorf("looking at %d in a step, %d steps a page, pages of %d: %d pages, want %d at most", look, steps, limit, pages, most)
				}
			}
		}
	}
	// What an index has in order is not looked for.
	desk.SetLook(o.T, 1)
	for name, f := range map[string]desk.InvoiceFilter{"all": {}, "of a client": {ClientID: o.client.ID}, "in a state": {State: paybell.Unpaid}} {
		f.Limit = 100
		page, err := o.ListInvoices(o.Context(), o.owner, f, 1)
		must(o.T, err)
		if !slices.Equal(idsOf(page.Invoices), all) || !page.Next.IsZero() || !page.LookedTo.IsZero() {
			o.Errorf("%s: %d are found, next is %v", name, len(page.Invoices), page.Next)
		}
	}
	page, err := o.ListInvoices(o.Context(), o.owner, desk.InvoiceFilter{ClientID: o.client.ID, State: paybell.Paid, Limit: 5}, 3)
	must(o.T, err)
	if len(page.Invoices) != 0 || page.Next.ID != all[2] || !page.LookedTo.Equal(page.Next.At) {
		o.Errorf("of a client in a state: %+v", page)
	}
}

// What is called just so is found however far back it is.
func TestInvoicesCalled(t *testing.T) { onBoth(t, invoicesCalled) }

func invoicesCalled(o *office) {
	desk.SetLook(o.T, 1)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old := o.written(at, func(b *paybell.Bill) { b.Number, b.PONumber = "WC 4711", "PO-7" })
	twin := o.written(at.Add(time.Second), func(b *paybell.Bill) { b.PONumber = "wc 4711" })
	newest := o.written(at.Add(time.Minute), func(b *paybell.Bill) { b.Number = "WC 47110" })
	for i := range 7 {
		o.written(at.Add(time.Duration(i)*time.Hour), func(b *paybell.Bill) { b.Number = "same" })
	}
	other := o.merchant()
	for name, want := range map[string][]string{
		"WC 4711": {twin.ID, old.ID}, "wc  4711": {twin.ID, old.ID}, "po-7": {old.ID}, "wc 47110": {newest.ID}, "4711": nil, "": nil, "%": nil,
		old.ID: {old.ID}, strings.ToUpper(old.ID): {old.ID},
	} {
		f := desk.InvoiceFilter{Words: strings.Fields(name)}
		found, err := o.InvoicesCalled(o.Context(), o.owner, f)
		must(o.T, err)
		if !slices.Equal(idsOf(found), want) {
			o.Errorf("called %q are %v, want %v", name, idsOf(found), want)
		}
		if found, err := o.InvoicesCalled(o.Context(), other, f); err != nil || len(found) > 0 {
			o.Errorf("another merchant finds %d called %q, %v", len(found), name, err)
		}
	}
	for want, f := range map[int]desk.InvoiceFilter{
		5: {}, 0: {State: paybell.Paid}, 2: {From: at.Add(5 * time.Hour)}, 1: {To: at}, 3: {From: at.Add(time.Hour), To: at.Add(3 * time.Hour), ClientID: o.client.ID, State: paybell.Unpaid},
	} {
		f.Words = []string{"SAME"}
		found, err := o.InvoicesCalled(o.Context(), o.owner, f)
		must(o.T, err)
		if len(found) != want {
			o.Errorf("%+v: %d are found, want %d", f, len(found), want)
		}
	}
	found, err := o.InvoicesCalled(o.Context(), o.owner, desk.InvoiceFilter{Words: []string{"same"}, ClientID: paybell.NewClientID()})
	must(o.T, err)
	if len(found) != 0 {
		o.Error("those of another client are found")
	}
	// By what was paid, and where.
	p := paybell.Payment{ID: paybell.NewUUID(at), Currency: paybell.LTCT, Network: paybell.SandboxNetwork, Address: "tltc1address", Due: paybell.NewUnits(5), OpenedAt: at, ExpiresAt: at.Add(time.Hour)}
	opened, err := old.Next(paybell.Input{Do: paybell.Open{Payment: p}}, at)
	must(o.T, err)
	must(o.T, store.Do(o.Context(), o.DB, func(tx *store.Tx) error {
		if err := tx.Apply(opened...); err != nil {
			return err
		}
		return tx.RecordTransfer(old.ID, paybell.Transfer{Network: p.Network, TxID: "feed00000001", Asset: p.Currency, Address: p.Address, PaymentID: p.ID, Amount: paybell.NewUnits(1), Status: paybell.Mempool, SeenAt: at}, false)
	}))
	for _, name := range []string{"tltc1address", "feed00000001"} {
		found, err := o.InvoicesCalled(o.Context(), o.owner, desk.InvoiceFilter{Words: []string{name}})
		must(o.T, err)
		if !slices.Equal(idsOf(found), []string{old.ID}) {
			o.Errorf("by %s are found %v", name, idsOf(found))
		}
	}
}

func TestNoteRefund(t *testing.T) { onBoth(t, noteRefund) }

func noteRefund(o *office) {
	ctx := o.Context()
	inv := o.written(time.Now(), func(*paybell.Bill) {})
	good := desk.NewRefund{Currency: "LTCT", Amount: decimal.RequireFromString("0.25"), TxID: "  feed01  "}
	looker := o.owner
	looker.Role, looker.Permissions = paybell.RoleReadOnly, paybell.RoleReadOnly.Permissions()
	program := desk.Actor{ClientID: o.client.ID, MerchantID: o.client.MerchantID, Permissions: paybell.AllPermissions}
	for _, a := range []desk.Actor{looker, program} {
		_, err := o.NoteRefund(ctx, a, inv.ID, good)
		o.wantCode(err, paybell.Forbidden)
	}
	_, err := o.NoteRefund(ctx, o.merchant(), inv.ID, good)
	o.wantCode(err, paybell.NotFound)
	_, err = o.NoteRefund(ctx, o.owner, "x", good)
	o.wantCode(err, paybell.NotFound)
	for field, change := range map[string]func(*desk.NewRefund){
		"currency": func(r *desk.NewRefund) { r.Currency = "none" },
		"amount":   func(r *desk.NewRefund) { r.Amount = decimal.Zero },
		"txId":     func(r *desk.NewRefund) { r.TxID = " " },
	} {
		bad := good
		change(&bad)
		_, err := o.NoteRefund(ctx, o.owner, inv.ID, bad)
		o.wantCode(err, paybell.Invalid)
		if err != nil && !strings.Contains(err.Error(), field+": ") {
			o.Errorf("%s: %v", field, err)
		}
	}
	for _, bad := range []desk.NewRefund{
		{Currency: "1002", Amount: decimal.RequireFromString("-1"), TxID: "x"}, {Currency: "1002", Amount: decimal.RequireFromString("0.000000001"), TxID: "x"},
		{Currency: "1002", Amount: good.Amount, TxID: strings.Repeat("x", 201)}, {Currency: "1002", Amount: good.Amount, TxID: "a\nb"}, {Currency: "1002", Amount: good.Amount, TxID: "a\x00b"},
	} {
		_, err := o.NoteRefund(ctx, o.owner, inv.ID, bad)
		o.wantCode(err, paybell.Invalid)
	}

	noted, err := o.NoteRefund(ctx, o.owner, strings.ToUpper(inv.ID), good)
	must(o.T, err)
	_, err = o.NoteRefund(ctx, o.owner, inv.ID, good)
	o.wantCode(err, paybell.Conflict)
	good.Amount = decimal.RequireFromString("0.5")
	_, err = o.NoteRefund(ctx, o.owner, inv.ID, good)
	must(o.T, err)
	s, err := o.InvoiceStory(ctx, looker, inv.ID)
	must(o.T, err)
	if len(s.Refunds) != 2 || s.Refunds[0].ID != noted.ID || s.Refunds[0].TxID != "feed01" || s.Refunds[0].Currency != "1002" || !s.Refunds[1].Amount.Equal(good.Amount) || s.Refunds[1].Who != "operator" {
		o.Errorf("noted are %+v", s.Refunds)
	}
	if s.Invoice.State != paybell.Unpaid || s.Invoice.Version != 1 || len(s.Told) != 1 {
		o.Errorf("the invoice is %+v, told were %+v", s.Invoice, s.Told)
	}
	log, err := o.AuditLog(ctx, o.owner, "", 10)
	must(o.T, err)
	if len(log) < 2 || log[0].Action != "noteRefund" || log[0].Subject != inv.ID || log[0].Detail != "0.50000000 LTCT, feed01" {
		o.Errorf("the audit log says %+v", log)
	}
	for i := len(s.Refunds); i < store.MaxRefunds; i++ {
		good.TxID = fmt.Sprint(i)
		_, err := o.NoteRefund(ctx, o.owner, inv.ID, good)
		must(o.T, err)
	}
	good.TxID = "one more"
	_, err = o.NoteRefund(ctx, o.owner, inv.ID, good)
	o.wantCode(err, paybell.Conflict)
}

// A story has what happened, bounded, whatever there is.
func TestInvoiceStory(t *testing.T) { onBoth(t, invoiceStory) }

func invoiceStory(o *office) {
	ctx := o.Context()
	at := time.Now().UTC().Truncate(time.Microsecond)
	inv := o.written(at, func(*paybell.Bill) {})
	events := func(events paybell.Events, of string) {
		origin := "https://a.example:443"
		must(o.T, store.Do(ctx, o.DB, func(tx *store.Tx) error {
			return tx.CreateWebhook(paybell.Webhook{
				ID: paybell.NewWebhookID(), ClientID: o.client.ID, InvoiceID: of, URL: "https://a.example/" + paybell.NewWebhookID(), Origin: origin, Events: events, State: paybell.WebhookActive, CreatedAt: at,
			})
		}))
	}
	for range 100 {
		events(paybell.InvoiceFlagged, "")
	}
	events(paybell.AllEvents, inv.ID)
	events(paybell.AllEvents, paybell.NewUUID(at)) // another invoice's
	must(o.T, store.Do(ctx, o.DB, func(tx *store.Tx) error {
		for i := range desk.MaxStory + 20 {
			inv.Version++
			inv.State, inv.Flags = paybell.Pending, paybell.Flags(i%2)
			c := paybell.Change{Event: paybell.InvoicePending, At: at.Add(time.Duration(i) * time.Second), Invoice: inv}
			if i%40 == 39 {
				c.Event = paybell.InvoiceFlagged
			}
			if i == 50 {
				c.Event = paybell.InvoiceReverted
			}
			if err := tx.Apply(c); err != nil {
				return err
			}
		}
		return nil
	}))
	s, err := o.InvoiceStory(ctx, o.owner, inv.ID)
	must(o.T, err)
	if len(s.Told) != desk.MaxStory || s.Told[0].Version != inv.Version || s.Told[99].Version != inv.Version-99 || s.Client.ID != o.client.ID {
		o.Errorf("%d were told, from %d", len(s.Told), s.Told[0].Version)
	}
	if len(s.Deliveries) != desk.MaxStoryDeliveries || !s.More || s.Deliveries[0].NotificationID != s.Told[0].ID || s.Deliveries[0].URL == "" {
		o.Errorf("%d deliveries, more: %v", len(s.Deliveries), s.More)
	}
	if len(s.Said) != 4 || s.Said[52].State != paybell.Pending || !slices.Equal(s.Said[41].Flags, []string{"underpaid"}) {
		o.Errorf("said was %+v", s.Said)
	}
	_, err = o.InvoiceStory(ctx, o.merchant(), inv.ID)
	o.wantCode(err, paybell.NotFound)
	_, err = o.InvoiceStory(ctx, desk.Actor{MerchantID: o.client.MerchantID}, inv.ID)
	o.wantCode(err, paybell.Forbidden)

	// With very many transfers, bodies are not read.
	p := paybell.Payment{ID: paybell.NewUUID(at), Currency: paybell.LTCT, Network: paybell.SandboxNetwork, Address: "a", Due: paybell.NewUnits(5), OpenedAt: at, ExpiresAt: at.Add(time.Hour)}
	inv.Payments = []paybell.Payment{p}
	inv.Version++
	must(o.T, store.Do(ctx, o.DB, func(tx *store.Tx) error {
		if err := tx.Apply(paybell.Change{Event: paybell.PaymentCreated, At: at, Invoice: inv}); err != nil {
			return err
		}
		for i := range desk.MaxStory + 1 {
			if err := tx.RecordTransfer(inv.ID, paybell.Transfer{Network: p.Network, TxID: fmt.Sprint(i), Asset: p.Currency, Address: "a", PaymentID: p.ID, Status: paybell.Mempool, SeenAt: at}, false); err != nil {
				return err
			}
		}
		return nil
	}))
	s, err = o.InvoiceStory(ctx, o.owner, inv.ID)
	must(o.T, err)
	if len(s.Said) != 0 || len(s.Invoice.Transfers) != desk.MaxStory+1 {
		o.Errorf("%d bodies were read of %d transfers", len(s.Said), len(s.Invoice.Transfers))
	}
}
