package desk_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// readOnly is one of the merchant's people who may only look.
func (o *office) readOnly() desk.Actor {
	a := o.owner
	a.Role = paybell.RoleReadOnly
	a.Permissions = a.Role.Permissions()
	return a
}

// given makes an invoice that brings a webhook of its own.
func (o *office) given(url string) (paybell.Invoice, paybell.Webhook) {
	o.Helper()
	ten := decimal.NewFromInt(10)
	inv, err := o.CreateInvoice(o.Context(), o.program(), desk.NewInvoice{
		Bill:     paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}},
		Webhooks: []desk.NewWebhook{{URL: url, Events: []string{"invoiceCreated", "invoiceCancelled"}}},
	})
	must(o.T, err)
	hooks, err := o.Webhooks(o.Context(), o.program(), o.client.ID, inv.ID, 0)
	must(o.T, err)
	return inv, hooks[0]
}

// tried records that an attempt at a delivery was made some time ago.
func (o *office) tried(w paybell.Webhook, number int64, failure string, ago time.Duration) {
	o.Helper()
	at := time.Now().Add(-ago).UTC().Truncate(time.Microsecond)
	must(o.T, store.Do(o.Context(), o.DB, func(tx *store.Tx) error {
		found, err := tx.Deliveries(w.ID, number-1, 1)
		if err != nil {
			return err
		}
		d := found[0]
		a := paybell.Attempt{WebhookID: w.ID, Number: number, N: d.Attempts + 1, StartedAt: at, Status: 200, Failure: failure}
		_, err = tx.Record([]store.Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a, URL: w.URL}}, at)
		return err
	}))
}

// down records failures of a delivery for so long that its endpoint is disabled.
func (o *office) down(w paybell.Webhook, number int64) {
	o.Helper()
	for i := range 12 {
		o.tried(w, number, "answered 500", time.Hour+time.Duration(11-i)*12*time.Hour)
	}
}

func (o *office) list(f desk.DeliveryFilter) desk.DeliveryPage {
	o.Helper()
	if f.Limit == 0 {
		f.Limit = 50
	}
	page, err := o.ListDeliveries(o.Context(), o.readOnly(), f)
	must(o.T, err)
	return page
}

func TestListDeliveries(t *testing.T) { onBoth(t, listDeliveries) }

func listDeliveries(o *office) {
	w := o.hook("https://shop.example/x", "invoiceCreated", "invoiceCancelled")
	second, _, err := o.CreateClient(o.Context(), o.owner, desk.NewClient{Name: "second", Permissions: paybell.AllPermissions})
	must(o.T, err)
	other, err := o.CreateWebhook(o.Context(), o.owner, second.ID, desk.NewWebhook{URL: "https://second.example/", Events: []string{"invoiceCreated"}})
	must(o.T, err)
	plain := o.invoice()
	inv, given := o.given("https://given.example/y")
	must(o.T, o.CancelInvoice(o.Context(), o.program(), plain))
	names := func(f desk.DeliveryFilter) (names []string) {
		o.Helper()
		for _, l := range o.list(f).Lines {
			if l.Client != o.client.Name {
				o.Errorf("%s is of %q", l.URL, l.Client)
			}
			names = append(names, l.URL+" "+l.Event.String()+" "+string(l.Fate()))
		}
		return names
	}
	created, cancelled, theGiven := "https://shop.example/x invoiceCreated waiting", "https://shop.example/x invoiceCancelled waiting", "https://given.example/y invoiceCreated waiting"
	for name, test := range map[string]struct {
		filter desk.DeliveryFilter
		want   []string // in any order where times are the same
	}{
		"all":                {desk.DeliveryFilter{}, []string{cancelled, theGiven, created, created}},
		"of a client":        {desk.DeliveryFilter{ClientID: o.client.ID}, []string{cancelled, theGiven, created, created}},
		"of the other":       {desk.DeliveryFilter{ClientID: second.ID}, nil},
		"of a webhook":       {desk.DeliveryFilter{ClientID: o.client.ID, WebhookID: w.ID}, []string{cancelled, created, created}},
		"of the given":       {desk.DeliveryFilter{ClientID: o.client.ID, WebhookID: given.ID}, []string{theGiven}},
		"of an endpoint":     {desk.DeliveryFilter{Origin: "https://given.example:443"}, []string{theGiven}},
		"of no endpoint":     {desk.DeliveryFilter{Origin: "https://nobody.example:443"}, nil},
		"about an invoice":   {desk.DeliveryFilter{InvoiceID: inv.ID}, []string{theGiven, created}},
		"about the plain":    {desk.DeliveryFilter{InvoiceID: plain}, []string{cancelled, created}},
		"about, of another":  {desk.DeliveryFilter{InvoiceID: plain, ClientID: second.ID}, nil},
		"about, of one":      {desk.DeliveryFilter{InvoiceID: inv.ID, ClientID: o.client.ID, WebhookID: given.ID}, []string{theGiven}},
		"waiting":            {desk.DeliveryFilter{Fate: paybell.FateWaiting}, []string{cancelled, theGiven, created, created}},
		"waiting of webhook": {desk.DeliveryFilter{Fate: paybell.FateWaiting, ClientID: o.client.ID, WebhookID: w.ID}, []string{cancelled, created, created}},
		"waiting at":         {desk.DeliveryFilter{Fate: paybell.FateWaiting, Origin: given.Origin}, []string{theGiven}},
		"failing":            {desk.DeliveryFilter{Fate: paybell.FateFailing}, nil},
		"an event":           {desk.DeliveryFilter{Event: paybell.InvoiceCancelled}, []string{cancelled}},
		"nothing so old":     {desk.DeliveryFilter{To: time.Now().Add(-time.Hour)}, nil},
		"all of the hour":    {desk.DeliveryFilter{From: time.Now().Add(-time.Hour)}, []string{cancelled, theGiven, created, created}},
	} {
		got := names(test.filter)
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			o.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if !o.list(desk.DeliveryFilter{}).Given || o.list(desk.DeliveryFilter{ClientID: second.ID}).Given {
		o.Error("whether webhooks that were given are listed is wrong")
	}
	_ = other

	// One page after the other, each is there once.
	seen := map[string]int{}
	f := desk.DeliveryFilter{Limit: 1}
	for range 10 {
		page := o.list(f)
		for _, l := range page.Lines {
			seen[l.WebhookID+l.NotificationID]++
		}
		if f.After = page.Next; page.Next.IsZero() {
			break
		}
	}
	if len(seen) != 4 {
		o.Errorf("in pages there are %v", seen)
	}

	// What fails is found at endpoints where only webhooks of invoices ring, however
	// old these are.
	o.tried(given, 1, "answered 500", 2*time.Minute)
	if got := names(desk.DeliveryFilter{Fate: paybell.FateFailing}); !slices.Equal(got, []string{"https://given.example/y invoiceCreated failing"}) {
		o.Errorf("failing are %q", got)
	}
	if l := o.list(desk.DeliveryFilter{Fate: paybell.FateFailing}).Lines[0]; l.Last.N != 1 || l.Last.Failure != "answered 500" {
		o.Errorf("the last attempt is %+v", l.Last)
	}
}

// What is another merchant's does not exist, and programs do not look around.
func TestDeliveriesOfOthers(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	inv := o.invoice()
	o.tried(w, 1, "answered 500", 2*time.Minute)
	theirs := o.merchant()
	for name, f := range map[string]desk.DeliveryFilter{
		"client":  {ClientID: o.client.ID},
		"webhook": {ClientID: o.client.ID, WebhookID: w.ID},
		"invoice": {InvoiceID: inv},
		"junk":    {ClientID: "x"},
	} {
		f.Limit = 10
		if _, err := o.ListDeliveries(ctx, theirs, f); paybell.CodeOf(err) != paybell.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	page, err := o.ListDeliveries(ctx, theirs, desk.DeliveryFilter{Limit: 10, Fate: paybell.FateFailing})
	must(t, err)
	if len(page.Lines) != 0 {
		t.Errorf("another merchant sees %d", len(page.Lines))
	}
	_, err = o.FindDelivery(ctx, theirs, o.client.ID, w.ID, 1)
	o.wantCode(err, paybell.NotFound)
	_, err = o.ListEndpoints(ctx, theirs, desk.EndpointFilter{ClientID: o.client.ID, Limit: 1})
	o.wantCode(err, paybell.NotFound)
	if page, err := o.ListEndpoints(ctx, theirs, desk.EndpointFilter{Origin: w.Origin, Limit: 1}); err != nil || len(page.Lines) != 0 {
		t.Errorf("another merchant's endpoints are %+v, %v", page, err)
	}
	if n, err := o.Attention(ctx, theirs); err != nil || len(n.Endpoints)+len(n.Webhooks) != 0 {
		t.Errorf("another merchant's attention is asked for %+v, %v", n, err)
	}
	if v, err := o.Overview(ctx, theirs); err != nil || len(v.Newest)+len(v.States)+len(v.LastHour.Deliveries)+v.Clients != 0 || v.Told {
		t.Errorf("another merchant's overview is %+v, %v", v, err)
	}

	for name, a := range map[string]desk.Actor{"a program": o.program(), "nobody": {MerchantID: o.owner.MerchantID}} {
		errs := map[string]error{}
		_, errs["ListDeliveries"] = o.ListDeliveries(ctx, a, desk.DeliveryFilter{Limit: 10})
		_, errs["ListEndpoints"] = o.ListEndpoints(ctx, a, desk.EndpointFilter{Limit: 1})
		_, errs["Attention"] = o.Attention(ctx, a)
		_, errs["Overview"] = o.Overview(ctx, a)
		for verb, err := range errs {
			if paybell.CodeOf(err) != paybell.Forbidden {
				t.Errorf("%s by %s: %v", verb, name, err)
			}
		}
	}
	for _, limit := range []int{-1, 0, desk.MaxDeliveries + 1} {
		_, err := o.ListDeliveries(ctx, o.owner, desk.DeliveryFilter{Limit: limit})
		o.wantCode(err, paybell.Invalid)
	}
}

func TestFindDelivery(t *testing.T) { onBoth(t, findDelivery) }

func findDelivery(o *office) {
	ctx := o.Context()
	w := o.hook("https://shop.example/x", "invoiceCreated")
	o.invoice()
	o.tried(w, 1, "answered 500", 2*time.Minute)
	s, err := o.FindDelivery(ctx, o.readOnly(), o.client.ID, w.ID, 1)
	must(o.T, err)
	if s.Delivery.Number != 1 || len(s.Delivery.Body) == 0 || len(s.Attempts) != 1 || s.Notification.Event != paybell.InvoiceCreated || s.Webhook.ID != w.ID {
		o.Errorf("it is %+v", s)
	}
	for _, n := range []int64{-1, 0, 2, 1 << 60} {
		_, err := o.FindDelivery(ctx, o.owner, o.client.ID, w.ID, n)
		o.wantCode(err, paybell.NotFound)
	}
	_, err = o.FindDelivery(ctx, o.owner, o.client.ID, "x", 1)
	o.wantCode(err, paybell.NotFound)
}

func TestListEndpoints(t *testing.T) { onBoth(t, listEndpoints) }

func listEndpoints(o *office) {
	ctx := o.Context()
	list := func(f desk.EndpointFilter) desk.EndpointPage {
		o.Helper()
		page, err := o.ListEndpoints(ctx, o.readOnly(), f)
		must(o.T, err)
		return page
	}
	well := o.hook("https://well.example/", "invoiceCreated")
	ill := o.hook("https://ill.example/", "invoiceCreated")
	quiet := o.hook("https://quiet.example/", "invoiceCancelled")
	for range 3 {
		o.invoice()
	}
	o.tried(well, 1, "", time.Minute)
	o.tried(ill, 1, "answered 500", 5*time.Minute)
	page := list(desk.EndpointFilter{Limit: 10, Recent: 2})
	if len(page.Lines) != 3 || page.More != 0 {
		o.Fatalf("there are %d, and %d more", len(page.Lines), page.More)
	}
	first := page.Lines[0]
	if first.Origin != ill.Origin || first.ClientID != o.client.ID || first.Client != o.client.Name || first.Pending != 3 || first.NextAt.IsZero() || first.OldestWaiting.IsZero() ||
		first.Health.Failures != 1 || len(first.Webhooks) != 1 || first.Webhooks[0].ID != ill.ID {
		o.Errorf("the first is %+v", first)
	}
	if len(first.Recent) != 2 || first.Recent[0].Number != 3 {
		o.Errorf("its newest are %+v", first.Recent)
	}
	if second := page.Lines[1]; second.Origin != well.Origin || second.Pending != 2 || second.Health.Failures != 0 {
		o.Errorf("the second is %+v", second)
	}
	if third := page.Lines[2]; third.Origin != quiet.Origin || third.Pending != 0 || !third.NextAt.IsZero() || len(third.Recent) != 0 {
		o.Errorf("the third is %+v", third)
	}
	if two := list(desk.EndpointFilter{Limit: 2}); len(two.Lines) != 2 || two.More != 1 || two.Lines[0].Recent != nil {
		o.Errorf("two are %d, and %d more", len(two.Lines), two.More)
	}

	// A server that only webhooks of invoices point at, and the job that sends to it.
	_, given := o.given("https://given.example/")
	o.down(given, 1)
	one := list(desk.EndpointFilter{ClientID: o.client.ID, Origin: given.Origin, Limit: 1, Recent: 10})
	if len(one.Lines) != 1 || one.Lines[0].Health.DisabledAt.IsZero() || len(one.Lines[0].Webhooks) != 0 || len(one.Jobs) != 0 {
		o.Errorf("the given one is %+v", one)
	}
	job, err := o.EnableEndpoint(ctx, o.owner, o.client.ID, given.Origin, false)
	must(o.T, err)
	for _, f := range []desk.EndpointFilter{{Limit: 1}, {ClientID: o.client.ID, Origin: given.Origin, Limit: 1}} {
		if page := list(f); len(page.Jobs) != 1 || page.Jobs[0].ID != job.ID {
			o.Errorf("running are %+v", page.Jobs)
		}
	}
	if page := list(desk.EndpointFilter{Origin: well.Origin, Limit: 1}); len(page.Jobs) != 0 {
		o.Errorf("running at another server are %+v", page.Jobs)
	}
}

func TestAttention(t *testing.T) { onBoth(t, attention) }

func attention(o *office) {
	ctx := o.Context()
	look := func() desk.Attention {
		o.Helper()
		n, err := o.Attention(ctx, o.readOnly())
		must(o.T, err)
		return n
	}
	a, b, c := o.hook("https://a.example/", "invoiceCreated"), o.hook("https://b.example/", "invoiceCreated"), o.hook("https://c.example/", "invoiceCreated")
	o.invoice()
	o.invoice()
	if n := look(); len(n.Endpoints)+len(n.Webhooks) != 0 {
		o.Errorf("with nothing wrong: %+v", n)
	}
	o.tried(a, 1, "answered 500", 10*time.Second)
	if n := look(); len(n.Endpoints)+len(n.Webhooks) != 0 {
		o.Errorf("after a failure just now: %+v", n)
	}
	o.tried(b, 1, "answered 503", 2*time.Minute)
	n := look()
	if len(n.Endpoints) != 1 || n.Endpoints[0].Origin != b.Origin || n.Endpoints[0].Pending != 2 || n.Endpoints[0].Failure != "answered 503" || n.Endpoints[0].Client != o.client.Name {
		o.Errorf("after two minutes: %+v", n)
	}
	o.down(c, 1)
	if n := look(); len(n.Endpoints) != 2 || n.Endpoints[0].Origin != c.Origin || n.Endpoints[0].DisabledAt.IsZero() {
		o.Errorf("with one disabled: %+v", n)
	}
	must(o.T, store.Do(context.Background(), o.DB, func(tx *store.Tx) error {
		w := a
		w.State, w.StateReason, w.StateSince = paybell.WebhookDisabled, "answered 410", time.Now().UTC()
		return tx.UpdateWebhook(w)
	}))
	if n := look(); len(n.Webhooks) != 1 || n.Webhooks[0].ID != a.ID || n.Webhooks[0].Client != o.client.Name || n.Webhooks[0].StateReason != "answered 410" {
		o.Errorf("with a webhook disabled: %+v", n.Webhooks)
	}
	_, err := o.UpdateClient(ctx, o.owner, o.client.ID, desk.ClientChange{State: new(paybell.ClientDeleted)})
	must(o.T, err)
	if n := look(); len(n.Endpoints)+len(n.Webhooks) != 0 {
		o.Errorf("of a client that is gone: %+v", n)
	}
}

func TestOverview(t *testing.T) { onBoth(t, overview) }

func overview(o *office) {
	ctx := o.Context()
	look := func() desk.Overview {
		o.Helper()
		v, err := o.Overview(ctx, o.readOnly())
		must(o.T, err)
		return v
	}
	if v := look(); v.Clients != 1 || v.Told || len(v.Newest)+len(v.States)+len(v.Money)+len(v.Flagged) != 0 {
		o.Errorf("at first: %+v", v)
	}
	w := o.hook("https://a.example/", "invoiceCreated")
	add := func(ago time.Duration, state paybell.State, flags paybell.Flags, total string, test bool) paybell.Invoice {
		at := time.Now().Add(-ago).UTC().Truncate(time.Microsecond)
		sum := decimal.RequireFromString(total)
		c := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: o.client.MerchantID, ClientID: o.client.ID,
			Bill: paybell.Bill{Currency: "5057", Total: sum, Breakdown: paybell.Breakdown{Subtotal: sum}}, ExpiresAt: at.Add(time.Hour)}, at)
		c.Invoice.State, c.Invoice.Flags, c.Invoice.Test = state, flags, test
		must(o.T, store.Do(ctx, o.DB, func(tx *store.Tx) error { return tx.Apply(c) }))
		return c.Invoice
	}
	const day = 24 * time.Hour
	add(9*day, paybell.Pending, paybell.Underpaid, "1", false) // too long ago
	add(2*day, paybell.Completed, 0, "2", false)
	older := add(2*day-time.Hour, paybell.Pending, paybell.Underpaid, "3", false)
	add(3*time.Hour, paybell.Completed, paybell.AcceptedAsIs|paybell.Underpaid, "4.10", false)
	doubt := add(150*time.Minute, paybell.Completed, paybell.AcceptedAsIs|paybell.ReorgedFlag, "5", false)
	add(2*time.Hour, paybell.Completed, 0, "6.05", false)
	add(time.Hour, paybell.Completed, 0, "7", true)
	add(30*time.Minute, paybell.Paid, 0, "8", false)
	newest := add(10*time.Minute, paybell.Unpaid, 0, "9", false)
	o.tried(w, 9, "", 10*time.Minute)

	v := look()
	counts := map[paybell.State]int64{}
	for _, c := range v.States {
		counts[c.State] = c.N
	}
	if len(v.States) != 3 || counts[paybell.Completed] != 4 || counts[paybell.Paid] != 1 || counts[paybell.Unpaid] != 1 || v.States[0].State != paybell.Unpaid {
		o.Errorf("states are %+v", v.States)
	}
	var money []string
	for _, m := range v.Money {
		text := string(m.State) + " " + m.Currency + " " + m.Sum.String()
		if m.Test {
			text += " test"
		}
		if m.AtLeast {
			text += " at least"
		}
		money = append(money, text)
	}
	slices.Sort(money)
	if !slices.Equal(money, []string{"completed 5057 15.15", "completed 5057 7 test", "paid 5057 8"}) {
		o.Errorf("money is %q", money)
	}
	var flagged []string
	for _, inv := range v.Flagged {
		flagged = append(flagged, inv.ID)
	}
	if !slices.Equal(flagged, []string{doubt.ID, older.ID}) || v.MoreFlagged {
		o.Errorf("flagged are %v, want %s and %s", flagged, doubt.ID, older.ID)
	}
	if len(v.Newest) != 9 || v.Newest[0].ID != newest.ID {
		o.Errorf("the newest of %d is %s", len(v.Newest), v.Newest[0].ID)
	}
	if !v.Told || len(v.LastHour.Deliveries) != 2 || v.LastHour.Every != 1 {
		o.Errorf("told: %v, in the last hour %d", v.Told, len(v.LastHour.Deliveries))
	}
	for range desk.MaxFlagged {
		add(time.Minute, paybell.Pending, paybell.Late, "1", false)
	}
	if v := look(); len(v.Flagged) != desk.MaxFlagged || !v.MoreFlagged {
		o.Errorf("flagged are %d, and more: %v", len(v.Flagged), v.MoreFlagged)
	}
}
