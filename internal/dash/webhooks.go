package dash

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// eventChoice is an event in a drop-down.
type eventChoice struct {
	Name, Text string
	Chosen     bool
	More       bool // in the fold below
}

// eventDrop is a drop-down of all events.
type eventDrop []eventChoice

// Chosen says what is chosen, as the script does when that changes.
func (d eventDrop) Chosen() string {
	var names []string
	for _, e := range d {
		if e.Chosen {
			names = append(names, e.Name)
		}
	}
	if len(names) > 2 {
		return strconv.Itoa(len(names)) + " chosen"
	}
	return strings.Join(names, ", ")
}

// ChosenBelow says that one in the fold is chosen.
func (d eventDrop) ChosenBelow() bool {
	return slices.ContainsFunc(d, func(e eventChoice) bool { return e.More && e.Chosen })
}

// usualEvents are what most shops want.
const usualEvents = paybell.InvoiceCreated | paybell.InvoicePending | paybell.InvoicePaid | paybell.InvoiceCompleted | paybell.InvoiceCancelled

// eventTexts says what each event is, in the order in which they are offered.
var eventTexts = []struct {
	event paybell.Event
	text  string
}{
	{paybell.InvoiceCreated, "An invoice was made."},
	{paybell.InvoicePending, "The buyer chose a coin: address, amount and rate are locked."},
	{paybell.InvoicePaid, "All of the money was seen on the chain."},
	{paybell.InvoiceCompleted, "The money is confirmed. Ship now."},
	{paybell.InvoiceCancelled, "You, or your shop, cancelled it."},
	{paybell.InvoiceTimedOut, "Nobody paid in time."},
	{paybell.PaymentCreated, "A payment in one coin was opened."},
	{paybell.PaymentTimedOut, "The time of one payment was up; another can be opened."},
	{paybell.InvoiceReverted, "Money that was seen is gone again: replaced, dropped, or its block was."},
	{paybell.InvoiceFlagged, "Something to look at: too little, too much, too late."},
	{paybell.WebhookWasDisabled, "Another of your webhooks is not served any more."},
}

// eventChoices is all events, with those in chosen chosen. Payment events go by the
// names that were subscribed.
func eventChoices(chosen, subscribed paybell.Events) eventDrop {
	names := subscribed &^ paybell.AllEvents
	all := make(eventDrop, len(eventTexts))
	for i, e := range eventTexts {
		all[i] = eventChoice{(e.event | names).String(), e.text, chosen&e.event != 0, e.event&usualEvents == 0}
	}
	return all
}

// webhookForm makes or changes a webhook.
type webhookForm struct {
	complaint
	Back     string
	Title    string
	OK       string // on the button
	URL      string
	Events   eventDrop
	Schedule string // pauses, like 5s 30s 2m; empty: the usual ones
	Advanced bool   // the fold is open
}

var webhookLabels = map[string]string{"notificationsUrl": "Server URL", "notifications": "Events", "retrySchedule": "Retry schedule", "event": "Event"}

// showWebhookForm shows a form again that could not be done.
func (s *Server) showWebhookForm(w http.ResponseWriter, r *request, f webhookForm, subscribed paybell.Events) error {
	chosen, _ := paybell.ParseEvents("", r.PostForm["event"]) // what is none stays unchosen
	f.Back, f.URL, f.Events = integrationPath(r.PathValue("client")), r.field("url"), eventChoices(chosen, subscribed)
	f.Schedule = r.field("schedule")
	f.Advanced = f.Schedule != ""
	v, err := s.integrationWith(r.Context(), r, "webhook_form.html", f.Title, f)
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusUnprocessableEntity, v)
}

// readWebhook reads the form.
func readWebhook(r *request) (desk.NewWebhook, error) {
	schedule, err := parsePauses(r.field("schedule"))
	return desk.NewWebhook{URL: r.field("url"), Events: r.PostForm["event"], Schedule: schedule}, err
}

// parsePauses reads pauses like "5s 30s, 2m, 1h" or plain seconds. None at all are
// the usual ones.
func parsePauses(text string) ([]int64, error) {
	const field = "retrySchedule"
	pauses := []int64{}
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,;\t\r\n", c) }) {
		seconds, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			var d time.Duration
			d, err = time.ParseDuration(word)
			if err == nil && d%time.Second != 0 {
				return nil, paybell.InvalidField(field, "%.20q is not a whole number of seconds", word)
			}
			seconds = int64(d / time.Second)
		}
		if err != nil {
			return nil, paybell.InvalidField(field, "%.20q is not a pause; write pauses like 5s 30s 2m 1h", word)
		}
		if pauses = append(pauses, seconds); len(pauses) > paybell.MaxRetries {
			break // which is told
		}
	}
	return pauses, nil
}

// pausesText is what parsePauses reads.
func pausesText(pauses []time.Duration) string {
	texts := make([]string, len(pauses))
	for i, p := range pauses {
		switch {
		case p%time.Hour == 0:
			texts[i] = strconv.FormatInt(int64(p/time.Hour), 10) + "h"
		case p%time.Minute == 0:
			texts[i] = strconv.FormatInt(int64(p/time.Minute), 10) + "m"
		default:
			texts[i] = strconv.FormatInt(int64(p/time.Second), 10) + "s"
		}
	}
	return strings.Join(texts, " ")
}

// UsualPauses is the retry schedule of webhooks that have none of their own,
// without what it repeats.
func (webhookForm) UsualPauses() string {
	return pausesText(slices.Compact(slices.Clone(paybell.RetrySchedule)))
}

// webhookWith is the page of the client with a pop-up over it that is about one of
// its webhooks.
func (s *Server) webhookWith(ctx context.Context, r *request, template, title string, pop func(h desk.HookStatus) any) (view, error) {
	v, err := s.integrationWith(ctx, r, template, title, nil)
	if err != nil {
		return v, err
	}
	page := v.Data.(integrationPage)
	i := slices.IndexFunc(page.Webhooks, func(h desk.HookStatus) bool { return h.Webhook.ID == r.PathValue("webhook") })
	if i < 0 {
		return v, paybell.Errorf(paybell.NotFound, "there is no webhook %.40q on this integration", r.PathValue("webhook"))
	}
	page.Pop = pop(page.Webhooks[i])
	v.Data = page
	return v, nil
}

// webhookPop is a pop-up about a webhook.
type webhookPop struct {
	desk.HookStatus
	complaint
	Back string
}

// attempts writes how many attempts are under way.
func attempts(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return " 1 notification was on its way and may still arrive."
	}
	return " " + strconv.Itoa(n) + " notifications were on their way and may still arrive."
}
