package dash

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// timeline is what happened to an invoice, the newest first.
type timeline struct {
	Entries []entry
	More    int  // that happened before
	Untold  bool // no webhook was told of any of it
	Unread  bool // older deliveries are not shown
}

// maxEntries bounds a timeline.
const maxEntries = 100

// entry is one thing that happened.
type entry struct {
	ID    string // of the element
	At    time.Time
	Kind  string // good, wait, info, warn, stop, or none
	Title string
	Text  string
	Flags []flagText
	Late  bool
	TxID  string
	To    string // address

	Deliveries []deliveryLine
	More       int  // deliveries that are not shown
	AtLeast    bool // there may be still more

	order int // of things that happened at one moment: greater is later
}

// deliveryLine is what became of telling one webhook.
type deliveryLine struct {
	Address string // of its page
	URL     string
	Kind    string
	Text    string
	At      time.Time // that the text ends with; zero: none
}

// maxLines is how many deliveries of one notification are shown.
const maxLines = 5

// newTimeline joins what is known.
func newTimeline(s *desk.InvoiceStory) timeline {
	inv := &s.Invoice
	var all []entry
	told := map[string]bool{}
	deliveries := map[string][]desk.DeliveryGlance{}
	for _, d := range s.Deliveries {
		deliveries[d.NotificationID] = append(deliveries[d.NotificationID], d)
	}
	for i, n := range s.Told {
		e := eventEntry(s, i)
		e.Deliveries, e.More = deliveryLines(n, deliveries[n.ID])
		e.AtLeast = s.More
		all = append(all, e)
		told[factKey(n.Event, n.At)] = true
	}
	older := 0 // changes that were not read
	if len(s.Told) == desk.MaxStory {
		older = s.Told[len(s.Told)-1].Version - 1
	} else { // what is missing is not kept any more
		for _, f := range keptFacts(inv) {
			if !told[factKey(f.event, f.At)] {
				all = append(all, f.entry)
			}
		}
	}
	transfers := slices.Clone(inv.Transfers)
	slices.SortFunc(transfers, func(a, b paybell.Transfer) int { return b.SeenAt.Compare(a.SeenAt) })
	for _, t := range transfers[:min(len(transfers), maxEntries)] {
		all = append(all, transferEntry(inv, t))
	}
	for _, r := range s.Refunds {
		all = append(all, refundEntry(r))
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.order, a.order)) })
	older += max(0, len(all)-maxEntries) + max(0, len(transfers)-maxEntries)
	return timeline{Entries: all[:min(len(all), maxEntries)], More: older, Untold: len(s.Deliveries) == 0 && len(s.Told) > 0, Unread: s.More}
}

func factKey(e paybell.Event, at time.Time) string { return fmt.Sprint(e, at.UnixMicro()) }

// eventEntry is what was told of the invoice: its version gives the order.
func eventEntry(s *desk.InvoiceStory, i int) entry {
	n, inv := s.Told[i], &s.Invoice
	e := entry{ID: fmt.Sprintf("told-%d", n.Version), At: n.At, order: n.Version}
	switch n.Event {
	case paybell.InvoiceCreated:
		e.Kind, e.Title, e.Text = "", "Created", "By the integration "+s.Client.Name+"."
	case paybell.InvoicePending:
		e.Kind, e.Title, e.Text = "wait", "Pending", "It waits for its payment."
		if i+1 < len(s.Told) && s.Told[i+1].Event == paybell.InvoicePending {
			e.Title, e.Text = "Still pending", "The money that was seen has changed."
		}
	case paybell.InvoicePaid:
		e.Kind, e.Title, e.Text = "info", "Paid", "The whole amount was seen. It waits for its confirmations."
	case paybell.InvoiceCompleted:
		e.Kind, e.Title, e.Text = "good", "Completed", "The money is confirmed and may be used."
	case paybell.InvoiceCancelled:
		e.Kind, e.Title = "stop", "Cancelled"
	case paybell.InvoiceTimedOut:
		e.Kind, e.Title, e.Text = "warn", "Timed out", "Its time ran out without money."
	case paybell.InvoiceReverted:
		e.Kind, e.Title, e.Text = "warn", "Went back", "Money that had been seen is gone, or its confirmations are."
		if said, known := s.Said[n.Version]; known && said.State != "" {
			e.Title = "Went back to " + strings.ToLower(stateBadge(said.State).Text)
		}
	case paybell.InvoiceFlagged:
		e.Kind, e.Title = "warn", "Flags changed"
		if said, known := s.Said[n.Version]; known {
			e.Flags = namedFlags(said.Flags)
			if len(said.Flags) == 0 {
				e.Kind, e.Title = "good", "No flags any more"
			}
		}
	case paybell.PaymentCreated:
		e.Kind, e.Title = "wait", "Payment opened"
		if p, ok := paymentAt(inv, n.At, func(p paybell.Payment) time.Time { return p.OpenedAt }); ok {
			e.Title, e.Text, e.To = coinName(p.Currency)+" chosen", coins(p.Due, p.Currency)+" to this address:", p.Address
		}
	case paybell.PaymentTimedOut:
		e.Kind, e.Title, e.Text = "warn", "Payment timed out", "Nothing came before its time was over."
		if p, ok := paymentAt(inv, n.At, func(p paybell.Payment) time.Time { return p.TimedOutAt }); ok {
			e.Title = coinName(p.Currency) + " payment timed out"
		}
	default:
		e.Title = sentenceCase(n.Event.String())
	}
	return e
}

func namedFlags(names []string) (texts []flagText) {
	for _, name := range names {
		if t, ok := allFlags[name]; ok {
			texts = append(texts, t)
		}
	}
	return texts
}

func paymentAt(inv *paybell.Invoice, at time.Time, when func(paybell.Payment) time.Time) (paybell.Payment, bool) {
	i := slices.IndexFunc(inv.Payments, func(p paybell.Payment) bool { return when(p).Equal(at) })
	if i < 0 {
		return paybell.Payment{}, false
	}
	return inv.Payments[i], true
}

func coinName(currency string) string {
	c, _ := paybell.FindCurrency(currency)
	return cmp.Or(c.Name, currency)
}

// fact is what an invoice says itself of what happened, when what was told of it is
// not kept any more.
type fact struct {
	entry
	event paybell.Event
}

func keptFacts(inv *paybell.Invoice) (facts []fact) {
	add := func(event paybell.Event, at time.Time, kind, title, text string) {
		if !at.IsZero() {
			facts = append(facts, fact{entry{ID: "fact-" + event.String(), At: at, Kind: kind, Title: title, Text: text}, event})
		}
	}
	add(paybell.InvoiceCreated, inv.CreatedAt, "", "Created", "")
	add(paybell.InvoicePaid, inv.PaidAt, "info", "Paid", "")
	add(paybell.InvoiceCompleted, inv.CompletedAt, "good", "Completed", "The money is confirmed and may be used.")
	add(paybell.InvoiceCancelled, inv.CancelledAt, "stop", "Cancelled", "")
	add(paybell.InvoiceTimedOut, inv.TimedOutAt, "warn", "Timed out", "Its time ran out without money.")
	for _, p := range inv.Payments {
		facts = append(facts, fact{entry{
			ID: "fact-opened-" + p.ID, At: p.OpenedAt, Kind: "wait", Title: coinName(p.Currency) + " chosen",
			Text: coins(p.Due, p.Currency) + " to this address:", To: p.Address,
		}, paybell.PaymentCreated})
	}
	return facts
}

// transferEntry is money on a chain: when it was seen, and how it stands now.
func transferEntry(inv *paybell.Invoice, t paybell.Transfer) entry {
	e := entry{ID: fmt.Sprintf("transfer-%s-%s-%d", t.Network, t.TxID, t.Index), At: t.SeenAt, TxID: t.TxID, Title: coins(t.Amount, t.Asset) + " seen"}
	needed := 0
	for _, p := range inv.Payments {
		if p.ID == t.PaymentID {
			needed = p.CompletedAfter
			e.Late = !t.AbsentAt.Before(p.ExpiresAt)
		}
	}
	l := newTransferLine(t, needed)
	e.Kind, e.Text = l.Kind, l.Text
	if l.Block != "" {
		e.Text += " In block " + l.Block + "."
	}
	if t.Replaces != "" {
		e.Text += " It replaces transaction " + short(t.Replaces) + "."
	}
	return e
}

func refundEntry(r desk.Refund) entry {
	return entry{
		ID: "refund-" + r.ID, At: r.NotedAt, Kind: "info", Title: "Refund of " + thousands(r.Amount.String()) + " " + symbol(r.Currency) + " noted",
		Text: "By " + strings.TrimPrefix(r.Who, "user ") + ".", TxID: r.TxID,
	}
}

func symbol(currency string) string {
	c, _ := paybell.FindCurrency(currency)
	return cmp.Or(c.Symbol, currency)
}

// deliveryLines are the deliveries of one notification: first those that somebody
// should look at.
func deliveryLines(n paybell.Notification, all []desk.DeliveryGlance) (lines []deliveryLine, more int) {
	rank := func(d desk.DeliveryGlance) int {
		switch {
		case d.State == paybell.Delivered:
			return 3
		case d.State == paybell.Exhausted:
			return 0
		case d.Attempts > d.Round:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b desk.DeliveryGlance) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.URL, b.URL), cmp.Compare(a.WebhookID, b.WebhookID), cmp.Compare(a.Number, b.Number))
	})
	for _, d := range all[:min(len(all), maxLines)] {
		lines = append(lines, newDeliveryLine(n, d))
	}
	return lines, len(all) - len(lines)
}

func newDeliveryLine(n paybell.Notification, d desk.DeliveryGlance) deliveryLine {
	l := deliveryLine{Address: fmt.Sprintf("/dash/deliveries/%s/%s/%d", d.ClientID, d.WebhookID, d.Number), URL: plainURL(d.URL)}
	failed := d.Attempts - d.Round
	switch {
	case d.State == paybell.Delivered:
		l.Kind, l.Text = "good", "delivered"
		if d.Attempts > 1 {
			l.Text = fmt.Sprintf("delivered at attempt %d", d.Attempts)
		}
		l.Text += " after " + span(max(0, d.FinishedAt.Sub(n.At)))
	case d.State == paybell.Exhausted:
		l.Kind, l.Text = "stop", fmt.Sprintf("given up after %s%s", tries(d.Attempts), reason(d.Last))
	case d.State == paybell.Held:
		l.Kind, l.Text = "warn", "held, because the webhook does not ring now"
	case failed > 0 && d.DueAt.IsZero():
		l.Kind, l.Text = "warn", fmt.Sprintf("%s failed%s", tries(failed), reason(d.Last))
	case failed > 0:
		l.Kind, l.Text, l.At = "warn", fmt.Sprintf("%s failed%s; next try", tries(failed), reason(d.Last)), d.DueAt
	case d.DueAt.IsZero():
		l.Kind, l.Text = "wait", "waits for what was told before"
	default:
		l.Kind, l.Text = "wait", "is being sent"
	}
	return l
}

func tries(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

// reason is why an attempt failed, in brackets, at most so long.
func reason(a paybell.Attempt) string {
	text := []rune(a.Failure)
	if len(text) == 0 {
		return ""
	}
	if len(text) > 80 {
		text = append(text[:79], '…')
	}
	return " (" + string(text) + ")"
}

// plainURL is a webhook's address without what every address has.
func plainURL(url string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "http://"), "/")
}
