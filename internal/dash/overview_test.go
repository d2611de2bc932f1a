package dash

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// Who is new sees what to do first, step by step.
func TestFirstSteps(t *testing.T) {
	r := newRig(t)
	look := func() answer {
		r.forget()
		return r.owner.get("/dash/").want(t, http.StatusOK, "<h1>Overview</h1>")
	}
	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	if a := looker.get("/dash/").want(t, http.StatusOK, "Make an API integration", "To the deliveries"); strings.Contains(a.body, "/new") {
		t.Error("who may only look is asked to make something")
	}
	look().want(t, http.StatusOK, "Make an API integration", `href="/dash/integrations/api/new"`, "Make an invoice", `href="/dash/invoices/new"`, "Watch the notification come")
	s := r.shop("Webshop")
	if a := look(); strings.Count(a.body, "(done)") != 1 || strings.Contains(a.body, `href="/dash/integrations/api/new"`) {
		t.Errorf("with an integration:\n%s", a.body)
	}
	s.create(s.draft("INV-1", "10"), time.Now())
	if a := look(); strings.Count(a.body, "(done)") != 2 {
		t.Errorf("with an invoice:\n%s", a.body)
	}
	s.hook("https://shop.example/")
	s.create(s.draft("INV-2", "10"), time.Now())
	if a := look().want(t, http.StatusOK, "All is well"); strings.Contains(a.body, "Three steps") {
		t.Errorf("with a notification:\n%s", a.body)
	}
}

// Who makes invoices and wants no webhooks is left in peace.
func TestFirstStepsEnd(t *testing.T) {
	o := desk.Overview{Clients: 1, Newest: make([]paybell.Invoice, newcomers-1)}
	if len(firstSteps(o)) != 3 {
		t.Error("with nine invoices there are no steps")
	}
	o.Newest = make([]paybell.Invoice, newcomers)
	if firstSteps(o) != nil {
		t.Error("with ten invoices there are steps")
	}
}

func TestOverviewPage(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	now := time.Now()
	w := s.hook("https://shop.example/")
	paid := s.create(s.draft("INV-<1>", "1234.50"), now.Add(-time.Hour))
	paid = s.becomes(paid, paybell.InvoicePaid, paybell.Paid, 0, now.Add(-30*time.Minute))
	s.becomes(paid, paybell.InvoiceCompleted, paybell.Completed, 0, now.Add(-20*time.Minute))
	late := s.create(s.draft("INV-2", "5"), now.Add(-2*time.Hour))
	s.becomes(late, paybell.InvoiceFlagged, paybell.Cancelled, paybell.Late|paybell.Overpaid, now.Add(-10*time.Minute))
	for n := range int64(3) {
		s.answers(w, n+1, 200, "", "", s.delivery(w, n+1).CreatedAt.Add(time.Millisecond), 50*time.Millisecond)
	}
	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	for _, v := range []*visitor{r.owner, looker} {
		v.get("/dash/").want(t, http.StatusOK, "Needs attention", "INV-2", "More came than is due. Money came after the time was up.", `href="/dash/invoices/`+late.ID+`">Decide`,
			"INV-&lt;1&gt;", "1,234.50 USD", "Completed: may be used", `href="/dash/invoices?state=cancelled"`, "Notifications of the last hour",
			`role="img" aria-label="Notifications of the last hour by minute: 2 delivered, 1 waiting`, `id="inv-`+paid.ID+`"`)
	}
}

// stream looks at a page for as long as the test runs; until reads on to a line that
// says something.
func (v *visitor) stream(path string) (until func(text string)) {
	t := v.rig.T
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.rig.url+path, nil)
	must(t, err)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := v.http.Do(req)
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return func(text string) {
		t.Helper()
		began := time.Now()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("%q took %v", text, took)
				}
				return
			}
		}
		t.Fatalf("the stream ends without %q: %v", text, lines.Err())
	}
}

// What is paid moves on the screen by itself, and so does what is told of it.
func TestPagesAreLive(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	w := s.hook("https://shop.example/")
	inv := s.create(s.draft("INV-1", "10"), time.Now().Add(-time.Minute))
	overview, list, one, endpoint := r.owner.stream("/dash/"), r.owner.stream(deliveriesPath), r.owner.stream(s.link(w, 1)), r.owner.stream(endpointLink(w.ClientID, w.Origin))
	overview(`<span class="badge plain">Unpaid</span>`)
	list("None yet")
	one("No attempt yet")
	endpoint("The last notification<")
	s.becomes(inv, paybell.InvoicePaid, paybell.Paid, 0, time.Now())
	overview(`<span class="badge info">Paid</span>`)
	list("InvoicePaid")
	s.answers(w, 1, 200, "", "thanks", time.Now(), 30*time.Millisecond)
	list("200 in 30 ms")
	one("Answered 200")
	endpoint("100 % arrived")
}

// The pages of this area as they are, to see what a change changes.
func TestDeliveryFragments(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	id, hookID := "d0ccc52b8204460783d375e278082de2", "wLKBuD6h3Vama4mGDqHeF"
	w := paybell.Webhook{ID: hookID, ClientID: id, URL: "https://shop.example/hook?a=1&b=2", Origin: "https://shop.example:443",
		Events: paybell.InvoicePaid | paybell.InvoiceCompleted, State: paybell.WebhookActive, CreatedAt: now.Add(-time.Hour)}
	d := paybell.Delivery{WebhookID: hookID, Number: 42, NotificationID: "01a20a068400717686fb1f5f71c2a020", InvoiceID: "01a20a1d-5115-7d3e-b3cd-81edd37c36c5", ClientID: id,
		Origin: w.Origin, URL: w.URL, State: paybell.DeliveryPending, Attempts: 1, DueAt: now.Add(100 * 365 * 24 * time.Hour), CreatedAt: now.Add(-time.Minute),
		FailingSince: now.Add(-time.Minute), Epoch: 1, Body: []byte(`{"id":"01a20a068400717686fb1f5f71c2a020","type":"InvoicePaid","x":"<&>"}`)}
	attempt := paybell.Attempt{WebhookID: hookID, Number: 42, N: 1, StartedAt: now.Add(-time.Minute), Duration: 200 * time.Millisecond, Status: 500, Failure: "answered 500", Answer: "<h1>oops</h1>",
		Timing: paybell.Timing{DNS: 10 * time.Millisecond, Connect: 20 * time.Millisecond, TLS: 40 * time.Millisecond, FirstByte: 180 * time.Millisecond}, Secret: now.Add(-time.Hour).UnixMicro()}
	health := paybell.Health{FailingSince: now.Add(-time.Minute), Failures: 3, Failure: "answered 500"}
	line := desk.EndpointLine{ClientID: id, Client: "Web shop", EndpointStatus: desk.EndpointStatus{Origin: w.Origin, Health: health, OldestWaiting: now.Add(-time.Minute)},
		Pending: 1001, NextAt: now.Add(time.Minute), OnWire: 2, Webhooks: []paybell.Webhook{w}, Recent: []paybell.Delivery{d, madeAt(0, paybell.Delivered, time.Second, 2)}}
	disabled := line
	disabled.Health.DisabledAt = now
	job := paybell.Resend{ID: "01a20a1d-0000-7000-8000-000000000000", ClientID: id, WebhookID: hookID, Origin: w.Origin, What: paybell.ResendFailed, Since: now.Add(-time.Hour), Total: 3, Done: 1}
	missed := job
	missed.What = paybell.ResendMissed
	listed := deliveryView{DeliveryLine: desk.DeliveryLine{Client: "Web shop"}, Link: deliveryLink(d), Hook: "shop.example/hook"}
	listed.Delivery, listed.Event, listed.Last = d, paybell.InvoicePaid, attempt
	endpoint := func(l desk.EndpointLine, jobs ...paybell.Resend) endpointPage {
		return endpointPage{newEndpointView(l, 5, true), jobViews(jobs), []endpointHook{{w}}}
	}
	list := &deliveriesPage{Endpoints: []endpointView{newEndpointView(line, 5, false)}, More: 2, Jobs: jobViews([]paybell.Resend{job}), Lines: []deliveryView{listed},
		Page: desk.DeliveryPage{Next: desk.DeliveryMark{At: now, WebhookID: hookID, Number: 42}, Given: true}}
	story := deliveryPage{DeliveryStory: desk.DeliveryStory{Notification: paybell.Notification{ID: d.NotificationID, InvoiceID: d.InvoiceID, Version: 3, Event: paybell.InvoicePaid}, Webhook: w, Health: health,
		Match: "the webhook asked for invoicePaid when it happened", Delivery: &d, Next: "the next attempt is due"}, Client: "Web shop", Fate: paybell.FateFailing,
		Attempts: []attemptView{{attempt, newTimingBar(attempt), secretMade(attempt.Secret), false}}, Body: readable(d.Body), Raw: string(d.Body), Request: requestText(&d, attempt.StartedAt), SignedBy: secretMade(attempt.Secret)}
	inv := paybell.Invoice{ID: d.InvoiceID, State: paybell.Paid, Flags: paybell.Late, CreatedAt: now, Bill: paybell.Bill{Currency: "5057", Total: decimal.RequireFromString("1234.5"), Number: "INV-1"}}
	o := desk.Overview{Since: now, HourSince: now, Clients: 1, Told: true, MoreFlagged: true, Newest: []paybell.Invoice{inv},
		States: []desk.InvoiceCount{{State: paybell.Paid, N: 10_001}}, Money: []desk.InvoiceMoney{{State: paybell.Paid, Currency: "5057", Sum: decimal.NewFromInt(5), AtLeast: true}, {State: paybell.Paid, Currency: "1002", Sum: decimal.NewFromInt(7), Test: true}},
		LastHour: desk.DeliverySample{Every: 3, Deliveries: []paybell.Delivery{madeAt(0, paybell.Delivered, time.Second, 1), madeAt(0, paybell.Exhausted, 0, 17)}}}
	day := overviewPage{Overview: o, Hour: newHourChart(o.LastHour, chartDay), Unwell: []alert{{"a.example is ill.", "/dash/x", "Look into it"}}, Decisions: []decision{{inv, flagTexts(inv.Flags)}}}
	for name, test := range map[string]struct {
		file, template string
		data           any
	}{
		"list":          {"deliveries.html", "live", list},
		"one":           {"delivery.html", "main", story},
		"endpoint":      {"endpoint.html", "main", endpoint(line, job, missed)},
		"disabled":      {"endpoint.html", "live", endpoint(disabled)},
		"again":         {"deliver_again.html", "main", &resendPage{Webhook: w, Host: "shop.example", Back: "/dash/x", SinceText: "2026-01-02T03:04", Since: now, Count: 2, Choices: []resendChoice{{"An hour", "2026-01-02T03:04"}}}},
		"overview":      {"overview.html", "main", day},
		"overview_new":  {"overview.html", "live", overviewPage{Steps: firstSteps(desk.Overview{Clients: 1}), Hour: newHourChart(desk.DeliverySample{Every: 1}, now)}},
		"overview_calm": {"overview.html", "live", overviewPage{Hour: newHourChart(desk.DeliverySample{Every: 1}, now)}},
	} {
		golden(t, "deliveries/"+name, drawing.ReplaceAllString(fragment(t, test.file, test.template, test.data, now), "<svg/>"))
	}
}
