package dash

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// listed is the deliveries that a page lists, each by its link.
func listed(a answer) (links []string) {
	for _, m := range regexp.MustCompile(`<a class="main" href="(/dash/deliveries/[0-9a-f]{32}/[^"]+)">`).FindAllStringSubmatch(a.body, -1) {
		links = append(links, m[1])
	}
	return links
}

func (s *shop) links(w paybell.Webhook, numbers ...int64) (links []string) {
	s.Helper()
	for _, n := range numbers {
		links = append(links, s.link(w, n))
	}
	return links
}

func wantLinks(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: the page lists %d:\n%s\nwant %d:\n%s", what, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

func TestDeliveriesEmpty(t *testing.T) {
	r := newRig(t)
	r.owner.get(deliveriesPath).want(t, http.StatusOK, "<h1>Deliveries</h1>", "Nothing was told yet", `href="/dash/integrations/api"`)
	r.owner.get(deliveriesPath+"?state=held").want(t, http.StatusOK, "Nothing matches", "Show all")
}

func TestDeliveries(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	now := time.Now()
	w := s.hook("https://shop.example/hook?token=x")
	first := s.create(s.draft("INV-1", "10"), now.Add(-3*time.Hour))
	s.becomes(first, paybell.InvoicePaid, paybell.Paid, 0, now.Add(-2*time.Hour))
	second := s.create(s.draft("INV-2", "20"), now.Add(-time.Hour))
	given := s.hookOf(second.ID, "https://given.example/")
	s.becomes(second, paybell.InvoicePaid, paybell.Paid, 0, now.Add(-10*time.Minute))
	s.answers(w, 1, 200, "", "thanks", now.Add(-3*time.Hour), 30*time.Millisecond)
	s.exhaust(w, 2, now.Add(-2*time.Hour))
	s.answers(w, 3, 500, "answered 500", "oops", now.Add(-5*time.Second), 30*time.Millisecond)
	all := append(s.links(w, 1, 2, 3, 4), s.link(given, 1))
	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	stamp := func(ago time.Duration) string { return now.Add(-ago).UTC().Format(dayAndTime) }
	for name, test := range map[string]struct {
		query []string
		want  []string
	}{
		"all":            {nil, all},
		"delivered":      {[]string{"state", "delivered"}, s.links(w, 1)},
		"given up":       {[]string{"state", "exhausted"}, s.links(w, 2)},
		"failing":        {[]string{"state", "failing"}, s.links(w, 3)},
		"waiting":        {[]string{"state", "waiting"}, append(s.links(w, 4), s.link(given, 1))},
		"held":           {[]string{"state", "held"}, nil},
		"event":          {[]string{"event", "invoiceCreated"}, s.links(w, 1, 3)},
		"event, as sent": {[]string{"event", "InvoicePaid"}, append(s.links(w, 2, 4), s.link(given, 1))},
		"invoice":        {[]string{"invoice", " " + second.ID + " "}, append(s.links(w, 3, 4), s.link(given, 1))},
		"client":         {[]string{"client", s.client.ID}, all},
		"webhook":        {[]string{"client", s.client.ID, "webhook", w.ID}, s.links(w, 1, 2, 3, 4)},
		"the form's":     {[]string{"at", s.client.ID + "/" + w.ID}, s.links(w, 1, 2, 3, 4)},
		"the client's":   {[]string{"at", s.client.ID}, all},
		"endpoint":       {[]string{"endpoint", given.Origin}, s.links(given, 1)},
		"from":           {[]string{"from", stamp(90 * time.Minute)}, append(s.links(w, 3, 4), s.link(given, 1))},
		"to":             {[]string{"to", stamp(90 * time.Minute)}, s.links(w, 1, 2)},
		"from, to":       {[]string{"from", stamp(150 * time.Minute), "to", stamp(90 * time.Minute)}, s.links(w, 2)},
	} {
		q := url.Values{}
		for i := 0; i < len(test.query); i += 2 {
			q.Set(test.query[i], test.query[i+1])
		}
		for _, v := range []*visitor{r.owner, looker} {
			wantLinks(t, name, listed(v.get(deliveriesPath+"?"+q.Encode()).want(t, http.StatusOK)), test.want...)
		}
	}
	a := r.owner.get(deliveriesPath).want(t, http.StatusOK, "shop.example", "Webshop", "InvoicePaid", "Answered 500.", "200 in 30 ms", "/dash/invoices/"+second.ID, "those of the newest invoices are listed",
		`id="live"`, "1 waiting") // the given endpoint
	if live, form := strings.Index(a.body, `id="live"`), strings.Index(a.body, `<form class="stack sought"`); form < 0 || form > live {
		t.Error("the form is not before the live part")
	}
	r.owner.get(deliveriesPath+"?state=failing&event=invoicePaid&from=2026-01-02T03%3A04").want(t, http.StatusOK, "Nothing matches", `value="2026-01-02T03:04"`, `value="invoicePaid" selected`, `name="state" value="failing"`)

	r.owner.get(deliveriesPath+"?client="+s.client.ID+"&webhook="+w.ID).want(t, http.StatusOK, "The last 4 notifications")

	// What cannot be asked for is said, and the form is still there.
	for _, query := range []string{"state=lost", "event=somethingElse", "from=yesterday", "to=1-2-3", "after=x", "after=1.2", "invoice=x", "invoice=" + paybell.NewUUID(now)} {
		r.owner.get(deliveriesPath+"?"+query).want(t, http.StatusOK, `role="alert"`, `<form class="stack sought"`)
	}
	for _, query := range []string{"client=x", "client=" + paybell.NewClientID(), "client=" + s.client.ID + "&webhook=x", "at=x/y"} {
		r.owner.get(deliveriesPath+"?"+query).want(t, http.StatusNotFound)
	}
}

// Long lists have pages, and what is rare is looked for in steps.
func TestDeliveriesPages(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	w := s.hook("https://shop.example/")
	s.create(s.draft("INV-1", "10"), time.Now().Add(-time.Hour))
	s.exhaust(w, 1, time.Now())
	s.do(func(tx *store.Tx) error { return tx.Fill(w.ID, 1, 5000, paybell.Delivered) })
	seen := map[string]bool{}
	path := deliveriesPath
	older := regexp.MustCompile(`<a href="(/dash/deliveries\?after=[^"]+)">Older</a>`)
	for page := range 3 {
		a := r.owner.get(path).want(t, http.StatusOK)
		links := listed(a)
		for _, link := range links {
			if seen[link] {
				t.Errorf("page %d has %s again", page, link)
			}
			seen[link] = true
		}
		m := older.FindStringSubmatch(a.body)
		if len(links) != deliveriesOnPage || m == nil || strings.Contains(a.body, ">Newest</a>") != (page > 0) || strings.Contains(a.body, "Your servers") != (page == 0) {
			t.Fatalf("page %d lists %d, and leads on to %v", page, len(links), m)
		}
		path = strings.ReplaceAll(m[1], "&amp;", "&")
	}
	path = deliveriesPath + "?state=exhausted"
	a := r.owner.get(path).want(t, http.StatusOK, "None of the newest notifications is like that", "Looked back to <time")
	m := regexp.MustCompile(`<a href="([^"]+)">Look further back</a>`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("it does not look further back:\n%s", a.body)
	}
	wantLinks(t, "further back", listed(r.owner.get(strings.ReplaceAll(m[1], "&amp;", "&")).want(t, http.StatusOK)), s.link(w, 1))
}

func TestDelivery(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	now := time.Now().Truncate(time.Second)
	w := s.hook("https://shop.example:8443/hook?token=x&y=1")
	inv := s.create(s.draft("INV-1", "10"), now.Add(-time.Hour))
	d := s.delivery(w, 1)
	link := s.link(w, 1)
	r.owner.get(link).want(t, http.StatusOK, "<h1>InvoiceCreated</h1>", "No attempt yet", "An attempt is due now", "(when it is sent)", "It is signed when it is sent", "/dash/invoices/"+inv.ID)
	s.answers(w, 1, 500, "answered 500", "<script>alert(1)</script> & more", now.Add(-time.Minute), 200*time.Millisecond)
	a := r.owner.get(link).want(t, http.StatusOK,
		"The webhook asked for invoiceCreated when it happened.", "Try now", "Answered 500.", "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more",
		"DNS 10 ms", "Connect 20 ms", "TLS 40 ms", "Wait 110 ms", "Answer 20 ms", "200 ms in all",
		"POST /hook?token=x", "Host: shop.example:8443", "X-CoinPayments-Client: "+s.client.ID, "X-CoinPayments-Timestamp: "+now.Add(-time.Minute).UTC().Format("2006-01-02T15:04:05"),
		"webhook-id: "+d.NotificationID, "Paybell-Sequence: 1.1", "signed with the secret of <time datetime=\""+s.client.CreatedAt.Format("2006-01-02T15:04:05"),
		"  &#34;id&#34;: &#34;"+d.NotificationID+"&#34;,\n", fmt.Sprintf("Content-Length: %d", len(d.Body)))
	if strings.Contains(a.body, "<script>alert") {
		t.Error("what the receiver answered is not escaped")
	}
	copies := regexp.MustCompile(`data-copy="([^"]*)"`).FindAllStringSubmatch(a.body, -1)
	if !slices.ContainsFunc(copies, func(m []string) bool {
		return strings.NewReplacer("&#34;", `"`, "&amp;", "&", "&#43;", "+").Replace(m[1]) == string(d.Body)
	}) {
		t.Error("the bytes cannot be copied")
	}
	secrets, err := store.View(t.Context(), r.desk.DB, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(s.client.ID, now) })
	must(t, err)
	if strings.Contains(a.body, secrets[0].Text) || strings.Contains(a.body, paybell.SignRequest(secrets[0].Text, "POST", w.URL, s.client.ID, paybell.FormatTimestamp(now.Add(-time.Minute)), d.Body)) {
		t.Error("a secret, or a signature, is shown")
	}

	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	if b := looker.get(link).want(t, http.StatusOK, "Answered 500."); strings.Contains(b.body, "<button class=\"button") {
		t.Error("who may only look has a button")
	}
	looker.post(link+"/resend").want(t, http.StatusForbidden)
	r.owner.follow(r.owner.post(link+"/resend")).want(t, http.StatusOK, "The notification is sent again.")
	jobs, err := r.desk.Resends(t.Context(), r.ownerActor(), s.client.ID)
	must(t, err)
	if len(jobs) != 1 || jobs[0].What != paybell.ResendOne || jobs[0].After != 0 || jobs[0].Upto != 1 {
		t.Errorf("jobs are %+v", jobs)
	}
	s.answers(w, 1, 204, "", "", now, 20*time.Millisecond)
	r.owner.get(link).want(t, http.StatusOK, "Answered 204", "Attempt 2", "Send again", "The answer had no body.")

	for _, path := range []string{link[:len(link)-1] + "2", link[:len(link)-1] + "0", link[:len(link)-1] + "01", link[:len(link)-1] + "x", link[:len(link)-1] + "-1",
		strings.Replace(link, s.client.ID, paybell.NewClientID(), 1), strings.Replace(link, w.ID, "x", 1)} {
		r.owner.get(path).want(t, http.StatusNotFound)
		r.owner.post(path+"/resend").want(t, http.StatusNotFound)
	}
}

// What a paused webhook is told is held, which its page says, and it cannot be sent
// again before somebody enables it.
func TestDeliveryHeld(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	w := s.hook("https://shop.example/")
	_, err := r.desk.PauseWebhook(t.Context(), r.ownerActor(), s.client.ID, w.ID)
	must(t, err)
	s.create(s.draft("INV-1", "10"), time.Now())
	a := r.owner.get(s.link(w, 1)).want(t, http.StatusOK, "Held", "It is held until the webhook is enabled.")
	if strings.Contains(a.body, "/resend") {
		t.Error("it can be sent again")
	}
	r.owner.post(s.link(w, 1)+"/resend").want(t, http.StatusConflict, "nable it first")
}

func TestEndpoint(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	now := time.Now()
	w := s.hook("https://shop.example/hook")
	s.create(s.draft("INV-1", "10"), now.Add(-6*24*time.Hour))
	s.create(s.draft("INV-2", "10"), now.Add(-time.Hour))
	s.answers(w, 2, 200, "", "", now.Add(-time.Hour), 70*time.Millisecond)
	page := endpointLink(w.ClientID, w.Origin)
	test, again, enable := integrationPath(s.client.ID)+"/webhooks/"+w.ID+"/test", resendPath+"?client="+s.client.ID+"&amp;webhook="+w.ID, `action="/dash/deliveries/endpoint/enable"`
	a := r.owner.get(page).want(t, http.StatusOK, "<h1>shop.example</h1>", "Healthy", "The last 2 notifications", "100 % arrived", "https://shop.example/hook", test, again, "1 h")
	if strings.Contains(a.body, enable) || strings.Contains(a.body, "trouble") {
		t.Error("something is wrong with a server that is well")
	}
	r.owner.get(deliveriesPath).want(t, http.StatusOK, "shop.example", "Healthy", strings.ReplaceAll(page, "&", "&amp;"))
	s.answers(w, 1, 0, "no <answer>", "", now.Add(-paybell.DisableAfter-time.Hour), 15*time.Second)
	r.owner.get(page).want(t, http.StatusOK, "Failing", "1 attempt failed", "No &lt;answer&gt;.", "asked again by itself")

	// Disabled: somebody has to enable it, and says what is to become of what it missed.
	s.outage(w, 1, now.Add(-time.Minute))
	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	r.owner.get(page).want(t, http.StatusOK, "Disabled", enable, `value="send"`, `value="skip" data-confirm=`, test)
	if b := looker.get(page).want(t, http.StatusOK, "Disabled", "Somebody who may change things"); strings.Contains(b.body, enable) || strings.Contains(b.body, test) {
		t.Error("who may only look can enable it")
	}
	looker.post(endpointPath+"/enable", "client", s.client.ID, "origin", w.Origin, "missed", "send").want(t, http.StatusForbidden)
	r.owner.post(endpointPath+"/enable", "client", s.client.ID, "origin", w.Origin).want(t, http.StatusUnprocessableEntity)
	r.owner.post(endpointPath+"/enable", "client", paybell.NewClientID(), "origin", w.Origin, "missed", "send").want(t, http.StatusNotFound)
	r.owner.post(endpointPath+"/enable", "client", s.client.ID, "origin", "https://nobody.example:443", "missed", "send").want(t, http.StatusConflict)
	r.owner.follow(r.owner.post(endpointPath+"/enable", "client", s.client.ID, "origin", w.Origin, "missed", "send")).want(t, http.StatusOK,
		"shop.example is served again. The notification that it missed is sent now.", "Sends what was missed", "0 of 1")
	r.owner.post(endpointPath+"/enable", "client", s.client.ID, "origin", w.Origin, "missed", "send").want(t, http.StatusSeeOther) // again: the same job

	other := r.another()
	theirs := other.hook("https://theirs.example/")
	for _, path := range []string{endpointPath, endpointPath + "?client=" + s.client.ID, endpointLink(s.client.ID, "https://nobody.example:443"), endpointLink("x", w.Origin), endpointLink(theirs.ClientID, theirs.Origin)} {
		r.owner.get(path).want(t, http.StatusNotFound)
	}
	r.owner.post(endpointPath+"/enable", "client", theirs.ClientID, "origin", theirs.Origin, "missed", "send").want(t, http.StatusNotFound)
}

func TestResendSince(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	now := time.Now()
	w := s.hook("https://shop.example/hook")
	for i := range int64(3) {
		s.create(s.draft("INV-1", "10"), now.Add(-time.Duration(30-i)*time.Hour))
		s.exhaust(w, i+1, now.Add(-time.Duration(3-i)*10*time.Hour)) // 30, 20, 10 hours ago
	}
	page := resendLink(w)
	since := func(hours int) string { return now.Add(-time.Duration(hours) * time.Hour).UTC().Format(dayAndTime) }
	r.owner.get(page).want(t, http.StatusOK, "<h1>Send again</h1>", "https://shop.example/hook", "Count them", "A day ago")
	r.owner.get(page+"&since="+since(25)).want(t, http.StatusOK, "2 notifications were given up since then.", "Send them again", `name="since" value="`+since(25)+`"`)
	r.owner.get(page+"&since="+since(15)).want(t, http.StatusOK, "1 notification was given up", "Send it again")
	if a := r.owner.get(page+"&since="+since(5)).want(t, http.StatusOK, "nothing to send again"); strings.Contains(a.body, "Send them again") {
		t.Error("nothing can be sent again")
	}
	r.owner.get(page+"&since=yesterday").want(t, http.StatusOK, `role="alert"`, "is not a time", `value="yesterday"`)

	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	looker.get(page).want(t, http.StatusForbidden)
	looker.post(resendPath, "client", s.client.ID, "webhook", w.ID, "since", since(25)).want(t, http.StatusForbidden)
	r.owner.post(resendPath, "client", s.client.ID, "webhook", w.ID, "since", "x").want(t, http.StatusUnprocessableEntity, "is not a time", `value="x"`)
	r.owner.post(resendPath, "client", s.client.ID, "webhook", w.ID).want(t, http.StatusUnprocessableEntity, "say since when")
	r.owner.post(resendPath, "client", s.client.ID, "webhook", "x", "since", since(25)).want(t, http.StatusNotFound)
	for _, query := range []string{"", "?client=" + s.client.ID, "?client=x&webhook=" + w.ID, "?client=" + s.client.ID + "&webhook=x"} {
		r.owner.get(resendPath+query).want(t, http.StatusNotFound)
	}

	sent := r.owner.post(resendPath, "client", s.client.ID, "webhook", w.ID, "since", since(25))
	if text := sent.wasDone(); text != "2 notifications are sent again, after what is new." {
		t.Errorf("it says %q", text)
	}
	a := r.owner.follow(sent).want(t, http.StatusOK, "Sends again what was given up since", "0 of 2")
	cancel := regexp.MustCompile(`action="(/dash/deliveries/jobs/[^"]+/cancel)"`).FindStringSubmatch(a.body)
	if cancel == nil {
		t.Fatal("the job cannot be cancelled")
	}
	r.owner.get(deliveriesPath).want(t, http.StatusOK, cancel[1])
	if b := looker.get(deliveriesPath).want(t, http.StatusOK, "0 of 2"); strings.Contains(b.body, cancel[1]) {
		t.Error("who may only look can cancel the job")
	}
	looker.post(cancel[1]).want(t, http.StatusForbidden)
	r.owner.post(strings.Replace(cancel[1], s.client.ID, paybell.NewClientID(), 1)).want(t, http.StatusNotFound)
	if b := r.owner.follow(r.owner.post(cancel[1])).want(t, http.StatusOK, "The job is cancelled."); strings.Contains(b.body, "0 of 2") {
		t.Error("the job is still there")
	}

	// A webhook that does not ring is enabled first.
	_, err := r.desk.PauseWebhook(t.Context(), r.ownerActor(), s.client.ID, w.ID)
	must(t, err)
	r.owner.get(page+"&since="+since(25)).want(t, http.StatusOK, `role="alert"`, "nable it first")
	r.owner.post(resendPath, "client", s.client.ID, "webhook", w.ID, "since", since(25)).want(t, http.StatusUnprocessableEntity, "nable it first")
}

// What another merchant has does not exist.
func TestDeliveriesOfAnother(t *testing.T) {
	r := newRig(t)
	theirs := r.another()
	w := theirs.hook("https://theirs.example/secret-path")
	inv := theirs.create(theirs.draft("THEIRS-1", "10"), time.Now().Add(-time.Hour))
	theirs.answers(w, 1, 500, "answered 500", "", time.Now().Add(-time.Hour), time.Second)
	link := theirs.link(w, 1)
	for _, path := range []string{link, deliveriesPath + "?client=" + w.ClientID, deliveriesPath + "?client=" + w.ClientID + "&webhook=" + w.ID, resendLink(w), resendLink(w) + "&since=2026-01-02T03:04"} {
		r.owner.get(path).want(t, http.StatusNotFound)
	}
	r.owner.post(link+"/resend").want(t, http.StatusNotFound)
	r.owner.post(resendPath, "client", w.ClientID, "webhook", w.ID, "since", "2026-01-02T03:04").want(t, http.StatusNotFound)
	r.owner.post(deliveriesPath+"/jobs/"+w.ClientID+"/x/cancel").want(t, http.StatusNotFound)
	r.owner.get(deliveriesPath+"?invoice="+inv.ID).want(t, http.StatusOK, "There is no such invoice")
	for _, path := range []string{deliveriesPath, deliveriesPath + "?state=failing", deliveriesPath + "?endpoint=" + url.QueryEscape(w.Origin), "/dash/"} {
		if a := r.owner.get(path).want(t, http.StatusOK); strings.Contains(a.body, "theirs.example") && !strings.Contains(path, "endpoint=") || strings.Contains(a.body, "THEIRS-1") || strings.Contains(a.body, w.ID) {
			t.Errorf("%s shows what is another merchant's", path)
		}
	}
}

func TestMarks(t *testing.T) {
	m := desk.DeliveryMark{At: time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), WebhookID: "a.b-c_d", Number: 42}
	got, err := readMark(markText(m))
	if err != nil || got != m {
		t.Errorf("%v is read as %v, %v", m, got, err)
	}
	if got, err := readMark(""); err != nil || !got.IsZero() {
		t.Errorf("nothing is %v, %v", got, err)
	}
	for _, text := range []string{"x", "1", "1.", "1.x.w", " 1.2.w", "01.2.w", "99999999999999999999.1.w"} {
		if got, err := readMark(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
