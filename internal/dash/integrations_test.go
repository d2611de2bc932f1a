package dash

import (
	"bytes"
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

const apiPath = "/dash/integrations/api"

var usualNames = []string{"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled"}

// formKey is the key of a form for a new integration.
func formKey(t *testing.T, a answer) string {
	t.Helper()
	m := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("the form has no key:\n%s", a.body)
	}
	return m[1]
}

// newForm opens the pop-up and is the form filled in.
func (v *visitor) newForm(name, url string, events ...string) []string {
	v.rig.Helper()
	a := v.get(apiPath+"/new").want(v.rig.T, http.StatusOK)
	form := []string{"key", formKey(v.rig.T, a), "name", name, "url", url}
	for _, e := range events {
		form = append(form, "event", e)
	}
	return form
}

// integrate makes an integration and returns its id and secret as the page shows
// them.
func (v *visitor) integrate(name, url string, events ...string) (id, secret string) {
	v.rig.Helper()
	a := v.post(apiPath, v.newForm(name, url, events...)...).want(v.rig.T, http.StatusCreated)
	return shownSecret(v.rig.T, a)
}

// shownSecret reads the id and the secret where they are shown once.
func shownSecret(t *testing.T, a answer) (id, secret string) {
	t.Helper()
	copies := regexp.MustCompile(`data-copy="([^"]+)"`).FindAllStringSubmatch(a.body, 2)
	if len(copies) != 2 {
		t.Fatalf("nothing is offered to be copied:\n%s", a.body)
	}
	id, secret = copies[0][1], html.UnescapeString(copies[1][1])
	if len(id) != 32 || len(secret) != 44 {
		t.Fatalf("the page shows the id %q and the secret %q", id, secret)
	}
	return id, secret
}

// hooks are the ids of the webhooks that a client's page shows.
func (v *visitor) hooks(client string) (ids []string) {
	v.rig.Helper()
	a := v.get(apiPath+"/"+client).want(v.rig.T, http.StatusOK)
	for _, m := range regexp.MustCompile(`id="hook-([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// wantNot checks that a page does not say things.
func (a answer) wantNot(t *testing.T, says ...string) answer {
	t.Helper()
	for _, text := range says {
		if strings.Contains(a.body, text) {
			t.Errorf("%s %s says %q:\n%s", a.Request.Method, a.Request.URL, text, a.body)
		}
	}
	return a
}

// From the sidebar to a client with its secret and its webhook, word for word.
func TestAddNew(t *testing.T) {
	r := newRig(t)
	v := r.owner
	v.get("/dash/").want(t, 200, `href="/dash/integrations"`)
	v.get("/dash/integrations").want(t, 200, "<h1>Integrations</h1>", `href="/dash/integrations/api"`, "None yet")
	v.get(apiPath).want(t, 200, "No integration yet", `href="/dash/integrations/api/new"`, "Add New</a>")
	pop := v.get(apiPath+"/new").want(t, 200, `<dialog open data-modal="/dash/integrations/api"`, "<span>Name</span>", "<span>Server URL</span>",
		`data-chosen="Choose events">5 chosen<`, ">Cancel</a>", ">OK</button>", "No integration yet")
	for _, name := range usualNames {
		if !strings.Contains(pop.body, `value="`+name+`" checked`) {
			t.Errorf("%s is not chosen", name)
		}
	}
	if n := strings.Count(pop.body, `name="event"`); n != 11 {
		t.Errorf("%d events are offered", n)
	}

	form := v.newForm("Web shop", "http://127.0.0.1:9000/hook?a=1&b=2", "invoicePaid", "paymentCreated")
	shown := v.post(apiPath, form...).want(t, http.StatusCreated, "Client ID", "Client secret", "Copy the secret now", "shown this once",
		"openssl", "package main", "&lt;?php", "node:crypto", "import base64")
	id, secret := shownSecret(t, shown)
	if got := shown.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the secret may be kept: %s", got)
	}
	secrets, found, err := r.desk.Secrets(t.Context(), id)
	must(t, err)
	if !found || !slices.Equal(secrets, []string{secret}) {
		t.Error("another secret is shown than the client has")
	}
	c, err := r.desk.Client(t.Context(), r.ownerActor(), id)
	must(t, err)
	if c.Name != "Web shop" || c.State != paybell.ClientActive || c.Permissions != paybell.UsualPermissions || c.Terms != paybell.DefaultTerms {
		t.Errorf("the client is %+v", c)
	}
	hooks, err := r.desk.Webhooks(t.Context(), r.ownerActor(), id, "", 0)
	must(t, err)
	if len(hooks) != 1 || hooks[0].URL != "http://127.0.0.1:9000/hook?a=1&b=2" || hooks[0].Events != paybell.InvoicePaid|paybell.PaymentCreated || !hooks[0].CreatedFromUI {
		t.Errorf("the webhooks are %+v", hooks)
	}

	// It is shown once: no other page has it, and the form sent again makes nothing.
	again := v.post(apiPath, form...)
	page := v.follow(again).want(t, 200, "<h1>Web shop</h1>", "was made when this form was sent before", "Made here", "PAYBELL_SECRET", "<dd>All, except to change wallets</dd>", "http://127.0.0.1:9000/hook?a=1&amp;b=2")
	for _, a := range []answer{page, v.get(apiPath), v.get(apiPath + "/" + id), v.get(apiPath + "/" + id + "/edit"), v.get("/dash/integrations")} {
		a.want(t, 200).wantNot(t, html.EscapeString(secret), secret)
	}
	v.get("/dash/integrations").want(t, 200, "1 integration<")
	v.get(apiPath).want(t, 200, `href="/dash/integrations/api/`+id+`"`, "Web shop", id, "Active", "Healthy").wantNot(t, "No integration yet")

	// Without a URL there is no webhook, whatever is chosen.
	bare, _ := v.integrate("Bare", "", usualNames...)
	v.get(apiPath+"/"+bare).want(t, 200, "Nobody is told yet")
	all, err := r.desk.Clients(t.Context(), r.ownerActor())
	must(t, err)
	if len(all) != 2 {
		t.Errorf("there are %d clients", len(all))
	}
}

// What cannot be made is told in the pop-up, with the values kept; nothing is made.
func TestAddNewWrong(t *testing.T) {
	r := newRig(t)
	v := r.owner
	key := formKey(t, v.get(apiPath+"/new"))
	for name, test := range map[string]struct {
		form []string
		says []string
	}{
		"no scheme": {[]string{"name", "My <shop>", "url", "shop.example/<x>", "event", "invoicePaid", "event", "invoiceFlagged"},
			[]string{"Server URL must start with https://", `value="My &lt;shop&gt;"`, `value="shop.example/&lt;x&gt;" inputmode="url"`, `value="invoicePaid" checked`, `value="invoiceFlagged" checked`, "invoicePaid, invoiceFlagged<", `<details class="more" open>`}},
		"a private address": {[]string{"name", "a", "url", "http://10.0.0.1/", "event", "invoicePaid"}, []string{"--allow-cidr 10.0.0.1/32"}},
		"no name":           {[]string{"name", " ", "url", "https://shop.example/", "event", "invoicePaid"}, []string{"Name: give the client a name", `required autofocus aria-invalid="true"`}},
		"no events":         {[]string{"name", "a", "url", "https://shop.example/"}, []string{"Events: name at least one event", `<details class="drop bad" open>`, "Choose events</span>"}},
		"a strange event":   {[]string{"name", "a", "url", "https://shop.example/", "event", "<b>"}, []string{"&lt;b&gt;"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.post(apiPath, append([]string{"key", key}, test.form...)...).want(t, http.StatusUnprocessableEntity, append(test.says, `role="alert"`, "<dialog", key)...)
			if strings.Contains(strings.Join(test.says, ""), "Server URL") && !strings.Contains(a.body, `placeholder="https://shop.example/notifications" aria-invalid="true"`) {
				t.Errorf("the field is not marked:\n%s", a.body)
			}
		})
	}
	for _, key := range []string{"", "short", strings.Repeat("x", 256)} {
		v.post(apiPath, "key", key, "name", "a", "url", "").want(t, http.StatusUnprocessableEntity, "open it again")
	}
	all, err := r.desk.Clients(t.Context(), r.ownerActor())
	must(t, err)
	if len(all) != 0 {
		t.Errorf("there are %d clients", len(all))
	}
}

// Every permission and every event is offered once.
func TestEverythingIsOffered(t *testing.T) {
	var may paybell.Permissions
	for _, g := range permissionGroups {
		for _, p := range g.all {
			if may&p.is != 0 || p.text == "" {
				t.Errorf("%v is offered twice, or with no words", p.is.Names())
			}
			may |= p.is
		}
	}
	if may != paybell.AllPermissions {
		t.Errorf("not offered: %v", (paybell.AllPermissions &^ may).Names())
	}
	var events paybell.Events
	for _, e := range eventTexts {
		if events&e.event != 0 || e.text == "" {
			t.Errorf("%v is offered twice, or with no words", e.event)
		}
		events |= e.event
	}
	if events != paybell.AllEvents {
		t.Errorf("not offered: %v", paybell.AllEvents&^events)
	}
}

func TestEditIntegration(t *testing.T) {
	r := newRig(t)
	v := r.owner
	id, _ := v.integrate("Web shop", "https://shop.example/hook", usualNames...)
	path := apiPath + "/" + id
	client := func() paybell.Client {
		t.Helper()
		c, err := r.desk.Client(t.Context(), r.ownerActor(), id)
		must(t, err)
		return c
	}
	v.get(path+"/edit").want(t, 200, `data-modal="`+path+`"`, `name="name" value="Web shop"`, `value="active" checked`, `value="PascalCase" checked`, `value="createInvoice" checked`, `value="spendRequest" checked`)
	form := func(more ...string) []string {
		f := []string{"name", "Shop", "url", "https://shop.example", "state", "disabled", "style", "camelCase", "ips", "192.0.2.7, 2001:db8::/32\r\n10.0.0.0/8\r\n"}
		return append(f, more...)
	}
	if a := v.post(path+"/edit", form("permission", "createInvoice", "permission", "findInvoice")...); a.wasDone() != "The changes are saved." {
		t.Errorf("%d, done: %q", a.StatusCode, a.wasDone())
	}
	ips := []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.0.0.0/8")}
	c := client()
	if c.Name != "Shop" || c.URL != "https://shop.example" || c.State != paybell.ClientDisabled || c.EventNames != paybell.CamelCase ||
		c.Permissions != paybell.CreateInvoice|paybell.FindInvoice || !slices.Equal(c.AllowedIPs, ips) {
		t.Errorf("it is %+v", c)
	}
	v.get(path).want(t, 200, "<h1>Shop</h1>", "This integration is disabled", "2 of them", "<code>findInvoice</code>", "192.0.2.7", "2001:db8::/32", "<code>invoicePaid</code>", "https://shop.example")
	v.get(path+"/edit").want(t, 200, "192.0.2.7\n2001:db8::/32\n10.0.0.0/8</textarea>", `value="disabled" checked`, `value="camelCase" checked`)
	if a := v.post(path+"/edit", form("permission", "createInvoice", "permission", "findInvoice")...); a.wasDone() != "Nothing was changed." {
		t.Errorf("%d, done: %q", a.StatusCode, a.wasDone())
	}

	for name, test := range map[string]struct {
		form []string
		says []string
	}{
		"no name":       {[]string{"name", "", "state", "active", "style", "PascalCase"}, []string{"Name: give the client a name", `required autofocus aria-invalid="true"`}},
		"a bad URL":     {[]string{"name", "a", "url", "javascript:alert(1)", "state", "active", "style", "PascalCase"}, []string{"Shop URL ", `value="javascript:alert(1)"`, `placeholder="https://shop.example" aria-invalid="true"`}},
		"bad addresses": {[]string{"name", "a", "ips", "10.0.0.0/8\n<x>", "state", "active", "style", "PascalCase"}, []string{"Allowed IP addresses: ", "10.0.0.0/8\n&lt;x&gt;</textarea>", `aria-invalid="true">`}},
		"a bad state":   {[]string{"name", "a", "state", "deleted", "style", "PascalCase"}, []string{"State: choose active or disabled"}},
		"no style":      {[]string{"name", "a", "state", "active"}, []string{"Names of events "}},
		"no permission": {[]string{"name", "a", "state", "active", "style", "PascalCase", "permission", "everything"}, []string{"Permissions: "}},
	} {
		t.Run(name, func(t *testing.T) {
			v.post(path+"/edit", test.form...).want(t, http.StatusUnprocessableEntity, append(test.says, `role="alert"`, "<dialog")...)
		})
	}
	if client().Name != "Shop" {
		t.Error("what was refused was done")
	}

	// With no permission it may do nothing, which is not everything.
	v.get(path).want(t, 200, "2 of them")
	v.follow(v.post(path+"/edit", form()...)).want(t, 200, "<dt>Permissions</dt><dd>None</dd>")
	if client().Permissions != 0 {
		t.Errorf("it may %v", client().Permissions.Names())
	}

	// The button beside it.
	if a := v.post(path+"/state", "state", "active"); !strings.HasPrefix(a.wasDone(), "Shop is active") || client().State != paybell.ClientActive {
		t.Errorf("%d, done: %q", a.StatusCode, a.wasDone())
	}
	if a := v.post(path+"/state", "state", "disabled"); !strings.HasPrefix(a.wasDone(), "Shop is disabled") || client().State != paybell.ClientDisabled {
		t.Errorf("%d, done: %q", a.StatusCode, a.wasDone())
	}
	v.post(path+"/state", "state", "deleted").want(t, http.StatusUnprocessableEntity)
}

func TestDeleteIntegration(t *testing.T) {
	r := newRig(t)
	v := r.owner
	id, _ := v.integrate("Web shop", "https://shop.example/hook", usualNames...)
	path := apiPath + "/" + id
	v.get(path+"/delete").want(t, 200, "Write its name", "its webhook rings no more", `data-modal="`+path+`"`)
	v.post(path+"/delete", "name", "web shop").want(t, http.StatusUnprocessableEntity, "nothing was deleted", `value="web shop"`, `aria-invalid="true"`)
	v.get(path).want(t, 200)
	v.follow(v.post(path+"/delete", "name", "Web shop")).want(t, 200, "Web shop is deleted.", "No integration yet")
	v.get(path).want(t, http.StatusNotFound)
	v.post(path+"/delete", "name", "Web shop").want(t, http.StatusNotFound)
}

// A new secret is shown once, and the form sent again does not make another: that
// would end the one which the overlap is there for.
func TestNewSecret(t *testing.T) {
	r := newRig(t)
	v := r.owner
	id, first := v.integrate("Web shop", "")
	path := apiPath + "/" + id
	ask := func() string {
		t.Helper()
		a := v.get(path+"/secret").want(t, 200, "How long is the old secret good still?", `value="86400" checked`, `value="0"`, `value="3600"`, `value="604800"`)
		return regexp.MustCompile(`name="current" value="([0-9]+)"`).FindStringSubmatch(a.body)[1]
	}
	current := ask()
	shown := v.post(path+"/secret", "current", current, "overlap", "86400").want(t, 200, "Client secret", "The old secret is good until", "openssl")
	shownID, second := shownSecret(t, shown)
	if shownID != id || second == first {
		t.Error("the secret is not new")
	}
	v.follow(v.post(path+"/secret", "current", current, "overlap", "0")).want(t, 200, "nothing was changed now", "The one before is good still")
	secrets, _, err := r.desk.Secrets(t.Context(), id)
	must(t, err)
	if !slices.Equal(secrets, []string{second, first}) {
		t.Error("the secrets are others")
	}
	_, third := shownSecret(t, v.post(path+"/secret", "current", ask(), "overlap", "0").want(t, 200, "worthless from now on"))
	secrets, _, err = r.desk.Secrets(t.Context(), id)
	must(t, err)
	if !slices.Equal(secrets, []string{third}) {
		t.Error("an old secret is good still")
	}
	v.get(path).want(t, 200).wantNot(t, "good still", html.EscapeString(third))
	for _, overlap := range []string{"", "-1", "x", "99999999"} {
		v.post(path+"/secret", "current", ask(), "overlap", overlap).want(t, http.StatusUnprocessableEntity)
	}
	v.post(path+"/secret", "current", "<b>", "overlap", "0").want(t, http.StatusSeeOther)
}

// stubWire is a dispatcher that sends nothing.
type stubWire struct {
	inFlight int
	attempt  paybell.Attempt
	tried    []paybell.Notification
}

func (s *stubWire) InFlight(string) int { return s.inFlight }

func (s *stubWire) Try(_ context.Context, _ paybell.Webhook, n paybell.Notification) (paybell.Attempt, error) {
	s.tried = append(s.tried, n)
	return s.attempt, nil
}

// bill makes an invoice of a client's.
func (r *rig) bill(client string) {
	r.Helper()
	a, err := r.desk.As(r.Context(), r.ownerActor(), client)
	must(r.T, err)
	ten := decimal.NewFromInt(10)
	_, err = r.desk.CreateInvoice(r.Context(), a, desk.NewInvoice{Bill: paybell.Bill{Currency: "5057", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}})
	must(r.T, err)
}

func TestWebhooks(t *testing.T) {
	r := newRig(t)
	wire := &stubWire{}
	r.desk.Wire = wire
	v := r.owner
	client, _ := v.integrate("Web shop", "")
	path := apiPath + "/" + client
	find := func(id string) paybell.Webhook {
		t.Helper()
		s, err := r.desk.WebhookStatus(t.Context(), r.ownerActor(), client, id)
		must(t, err)
		return s.Webhook
	}

	// Added.
	v.get(path+"/webhooks/new").want(t, 200, "Add a webhook", `value="invoicePaid" checked`, "5s 30s 2m 10m 30m 1h", `data-modal="`+path+`"`)
	v.follow(v.post(path+"/webhooks/new", "url", "https://shop.example/hook", "event", "invoiceCreated", "event", "invoicePaid", "schedule", "5, 1m 2h")).want(t, 200,
		"The webhook is added", "https://shop.example/hook", "Made here", "<code>invoicePaid</code>", "after 5s 1m 2h")
	id := v.hooks(client)[0]
	hook := path + "/webhooks/" + id
	if w := find(id); !w.CreatedFromUI || !slices.Equal(w.Schedule, []time.Duration{5 * time.Second, time.Minute, 2 * time.Hour}) {
		t.Errorf("it is %+v", w)
	}
	v.get(path).want(t, 200, `href="/dash/deliveries?webhook=`+id+`&amp;client=`+client+`"`)
	for name, test := range map[string]struct {
		form []string
		says []string
	}{
		"no URL":         {[]string{"event", "invoicePaid"}, []string{"Server URL is missing", `required autofocus aria-invalid="true"`}},
		"no events":      {[]string{"url", "https://shop.example/"}, []string{"Events: ", "drop bad"}},
		"a bad schedule": {[]string{"url", "https://shop.example/", "event", "invoicePaid", "schedule", "5 soon"}, []string{"Retry schedule: ", `value="5 soon"`, `<details class="more" open><summary>Advanced`}},
		"too long":       {[]string{"url", "https://shop.example/", "event", "invoicePaid", "schedule", "25h"}, []string{"Retry schedule has a pause of 90000 seconds"}},
	} {
		for _, at := range []string{path + "/webhooks/new", hook + "/edit"} {
			t.Run(name, func(t *testing.T) {
				v.post(at, test.form...).want(t, http.StatusUnprocessableEntity, append(test.says, "<dialog", `role="alert"`)...)
			})
		}
	}

	// Edited.
	v.get(hook+"/edit").want(t, 200, "Edit the webhook", `value="https://shop.example/hook"`, `value="invoiceCreated" checked`, `value="5s 1m 2h"`, `<details class="more" open><summary>Advanced`)
	wire.inFlight = 1
	v.follow(v.post(hook+"/edit", "url", "https://shop.example/new", "event", "invoiceCompleted", "schedule", "")).want(t, 200, "The webhook is saved. 1 notification was on its way", "https://shop.example/new")
	if w := find(id); w.URL != "https://shop.example/new" || w.Events != paybell.InvoiceCompleted || w.Schedule != nil || !w.CreatedFromUI {
		t.Errorf("it is %+v", w)
	}

	// Paused, and enabled again, with what was missed.
	wire.inFlight = 3
	v.post(hook+"/edit", "url", "https://shop.example/new", "event", "invoiceCreated").want(t, http.StatusSeeOther)
	v.get(path).want(t, 200, hook+"/pause").wantNot(t, hook+"/enable")
	v.follow(v.post(hook+"/pause")).want(t, 200, "The webhook is paused.", "3 notifications were on their way", "Paused", hook+"/enable").wantNot(t, hook+"/pause")
	v.get(hook+"/enable").want(t, 200, "It missed nothing", `name="missed" value="send"`)
	r.bill(client)
	r.bill(client)
	v.get(hook+"/enable").want(t, 200, "Send 2 notifications", "Skip 2 notifications")
	v.post(hook+"/enable").want(t, http.StatusUnprocessableEntity, "send it or skip it")
	v.follow(v.post(hook+"/enable", "missed", "send")).want(t, 200, "The webhook rings again. The 2 notifications that it missed are sent now", "Sending what was missed: 0 of 2")
	if w := find(id); w.State != paybell.WebhookActive {
		t.Errorf("it is %s", w.State)
	}
	v.post(hook + "/pause")
	v.follow(v.post(hook+"/enable", "missed", "skip")).want(t, 200, "are skipped")
	v.get(apiPath).want(t, 200).wantNot(t, "not ringing")

	// Tried.
	wire.attempt = paybell.Attempt{StartedAt: time.Now(), Duration: 83 * time.Millisecond, Status: 500, Answer: "<script>alert(1)</script>", Failure: "answered 500"}
	v.get(hook+"/test").want(t, 200, "Send a test notification", "<option selected>invoiceCreated</option>", "<option>webhookDisabled</option>").wantNot(t, "It arrived")
	v.post(hook+"/test", "event", "invoiceCompleted").want(t, 200, "It did not arrive:", "answered 500", "83 ms", "&lt;script&gt;alert(1)&lt;/script&gt;</pre>", "<option selected>invoiceCompleted</option>", "Send again")
	wire.attempt = paybell.Attempt{StartedAt: time.Now(), Duration: time.Millisecond, Status: 204}
	v.post(hook+"/test", "event", "invoicePaid").want(t, 200, "Your server answered 204", "The answer has no body")
	wire.attempt = paybell.Attempt{StartedAt: time.Now(), Duration: time.Millisecond, Failure: "no such host"}
	v.post(hook+"/test", "event", "invoicePaid").want(t, 200, "no such host", "<dd>None</dd>").wantNot(t, "has no body")
	if len(wire.tried) != 3 || wire.tried[0].Event != paybell.InvoiceCompleted {
		t.Errorf("%d were tried", len(wire.tried))
	}
	v.post(hook+"/test", "event", "nothing").want(t, http.StatusUnprocessableEntity, "Event: ", "is not an event")
	for range 5 {
		v.post(hook+"/test", "event", "invoicePaid")
	}
	v.post(hook+"/test", "event", "invoicePaid").want(t, http.StatusUnprocessableEntity, "Tests are limited")

	// Deleted.
	wire.inFlight = 2
	v.get(hook+"/delete").want(t, 200, "https://shop.example/new", "2 notifications are on their way")
	v.follow(v.post(hook+"/delete")).want(t, 200, "The webhook is deleted. 2 notifications were on their way", "Nobody is told yet")
	v.post(hook+"/delete").want(t, http.StatusNotFound)
	for _, what := range []string{"edit", "enable", "delete", "test"} {
		v.get(hook+"/"+what).want(t, http.StatusNotFound)
	}
}

// A webhook that was made by the API has no badge, and keeps the names by which it
// subscribed to payments when it is saved here.
func TestWebhookOfAPI(t *testing.T) {
	r := newRig(t)
	client, _ := r.owner.integrate("Web shop", "")
	a := desk.Actor{ClientID: client, MerchantID: r.ownerActor().MerchantID, Permissions: paybell.AllPermissions}
	w, err := r.desk.CreateWebhook(t.Context(), a, client, desk.NewWebhook{URL: "https://shop.example/", Events: []string{"invoicePaymentCreated", "invoicePaid"}})
	must(t, err)
	path := apiPath + "/" + client
	r.owner.get(path).want(t, 200, "https://shop.example/", "<code>invoicePaymentCreated</code>").wantNot(t, "Made here")
	hook := path + "/webhooks/" + w.ID
	r.owner.get(hook+"/edit").want(t, 200, `value="invoicePaymentCreated" checked`, `value="invoicePaymentTimedOut"`).wantNot(t, `value="paymentCreated"`)
	r.owner.get(hook+"/test").want(t, 200, "<option>invoicePaymentCreated</option>")
	r.owner.post(hook+"/edit", "url", "https://shop.example/b", "event", "invoicePaymentCreated").want(t, http.StatusSeeOther)
	r.owner.post(hook+"/edit", "url", "shop", "event", "invoicePaymentTimedOut").want(t, http.StatusUnprocessableEntity, `value="invoicePaymentTimedOut" checked`)
	s, err := r.desk.WebhookStatus(t.Context(), r.ownerActor(), client, w.ID)
	must(t, err)
	if got := s.Webhook.Events.String(); got != "invoicePaymentCreated" {
		t.Errorf("it wants %s", got)
	}
}

// addresses are all of the area's, about a client and a webhook.
func addresses(client, hook string) (gets, posts []string) {
	for _, rt := range (&Server{}).integrationRoutes() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		path = strings.NewReplacer("{client}", client, "{webhook}", hook).Replace(path)
		if method == http.MethodGet {
			gets = append(gets, path)
		} else {
			posts = append(posts, path)
		}
	}
	return gets, posts
}

// fullForm is what any of the forms could be about.
func fullForm(name string) []string {
	return []string{
		"key", "0123456789abcdef", "name", name, "url", "https://shop.example/x", "event", "invoicePaid", "state", "disabled", "style", "camelCase",
		"permission", "createInvoice", "current", "1", "overlap", "0", "missed", "send", "origin", "https://shop.example:443",
	}
}

// Who may only look sees everything and no button, and can do nothing.
func TestReadOnlyIntegrations(t *testing.T) {
	r := newRig(t)
	reader := r.invited("reader@cafe-bell.example", paybell.RoleReadOnly)
	reader.get(apiPath).want(t, 200, "No integration yet").wantNot(t, "Add New")
	client, _ := r.owner.integrate("Web shop", "https://shop.example/hook", usualNames...)
	hook := r.owner.hooks(client)[0]
	r.owner.post(apiPath + "/" + client + "/webhooks/" + hook + "/pause")
	gets, posts := addresses(client, hook)
	for _, path := range gets {
		a := reader.get(path)
		switch path {
		case "/dash/integrations", apiPath, apiPath + "/" + client:
			a.want(t, 200).wantNot(t, `method="post" action="/dash/integrations`, "Add New", "/edit", "/delete", "/enable", "/test", "/new", ">Disable<", "/secret")
		default:
			a.want(t, http.StatusForbidden, "Your role can look")
		}
	}
	for _, path := range posts {
		reader.post(path, fullForm("Web shop")...).want(t, http.StatusForbidden, "Your role can look")
		reader.post(path).want(t, http.StatusForbidden)
	}
	c, err := r.desk.Client(t.Context(), r.ownerActor(), client)
	must(t, err)
	if c.State != paybell.ClientActive || c.Permissions != paybell.UsualPermissions {
		t.Errorf("it was changed: %+v", c)
	}
	staff := r.invited("staff@cafe-bell.example", paybell.RoleStaff)
	staff.get(apiPath).want(t, 200, "Add New")
	staff.integrate("Another", "")
}

// What is another merchant's does not exist, nor does what is deleted or nobody's.
func TestIntegrationsOfOthers(t *testing.T) {
	r := newRig(t)
	r.desk.Wire = &stubWire{}
	mine, _ := r.owner.integrate("Mine", "https://shop.example/hook", usualNames...)
	myHook := r.owner.hooks(mine)[0]
	m, err := r.desk.CreateMerchant(t.Context(), "Other", "")
	must(t, err)
	other := desk.Owner(m.ID)
	c, _, err := r.desk.CreateClient(t.Context(), other, desk.NewClient{Name: "Theirs", Permissions: paybell.AllPermissions})
	must(t, err)
	w, err := r.desk.CreateWebhook(t.Context(), other, c.ID, desk.NewWebhook{URL: "https://theirs.example/", Events: usualNames})
	must(t, err)
	for _, ids := range [][2]string{{c.ID, w.ID}, {strings.Repeat("0", 32), "x"}, {"<script>", "<script>"}, {mine, w.ID}, {mine, "nothing"}, {c.ID, myHook}} {
		gets, posts := addresses(ids[0], ids[1])
		for _, path := range append(gets, posts...) {
			about := strings.TrimPrefix(path, apiPath+"/")
			if about == path || about == "new" || ids[0] == mine && !strings.Contains(path, "/webhooks/"+ids[1]) {
				continue
			}
			if slices.Contains(gets, path) {
				r.owner.get(path).want(t, http.StatusNotFound).wantNot(t, "Theirs", "<script>")
			}
			if slices.Contains(posts, path) {
				r.owner.post(path, fullForm("Theirs")...).want(t, http.StatusNotFound).wantNot(t, "Theirs", "<script>")
			}
		}
	}
	r.owner.get(apiPath).want(t, 200, "Mine").wantNot(t, "Theirs")
	after, err := r.desk.Client(t.Context(), other, c.ID)
	must(t, err)
	if after.State != paybell.ClientActive || after.Name != "Theirs" {
		t.Errorf("it was changed: %+v", after)
	}
}

// Names and addresses of strangers are text.
func TestHostileIntegration(t *testing.T) {
	const bad = `<script>alert("1")</script>'&`
	r := newRig(t)
	client, _ := r.owner.integrate(bad, "https://shop.example/hook?x='&y=(1)", usualNames...)
	gets, _ := addresses(client, r.owner.hooks(client)[0])
	for _, path := range gets {
		a := r.owner.get(path).want(t, 200).wantNot(t, "<script>alert", "'&y")
		if path != "/dash/integrations" {
			a.want(t, 200, "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&#39;&amp;")
		}
	}
}

// A server that is not well, and that only webhooks of single invoices point at, is
// shown and can be let in again.
func TestHealthIsShown(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, test := range map[string]struct {
		health paybell.Health
		says   []string
	}{
		"healthy":  {paybell.Health{}, []string{"Healthy"}},
		"failing":  {paybell.Health{FailingSince: now.Add(-time.Hour), Failures: 7, Failure: "answered <500>"}, []string{"Failing", "7 attempts: answered &lt;500&gt;", "2026-03-04T04:06:07"}},
		"paused":   {paybell.Health{FailingSince: now.Add(-time.Hour), Failures: 1, Failure: "answered 429", PausedUntil: now.Add(time.Hour)}, []string{"Paused", "left alone until", "2026-03-04T06:06:07"}},
		"disabled": {paybell.Health{FailingSince: now.Add(-5 * 24 * time.Hour), Failures: 99, Failure: "no answer", DisabledAt: now.Add(-time.Hour)}, []string{"Disabled", "no answer", "Nothing is sent there", "2026-02-27"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := samplePage(now)
			p.Webhooks[0].Endpoint.Health = test.health
			page := fragment(t, "integrations_client.html", "live", p, now)
			for _, text := range test.says {
				if !strings.Contains(page, text) {
					t.Errorf("it does not say %q:\n%s", text, page)
				}
			}
			if got, want := strings.Contains(page, "/enable"), name == "disabled"; got != want {
				t.Errorf("can it be enabled? %v", got)
			}
			p = samplePage(now)
			p.Elsewhere = []desk.EndpointStatus{{Origin: "https://elsewhere.example:443", Health: test.health}}
			page = fragment(t, "integrations_client.html", "live", p, now)
			if got, want := strings.Contains(page, p.Path+"/endpoint"), name == "disabled"; got != want || !strings.Contains(page, "https://elsewhere.example:443") {
				t.Errorf("can the other be enabled? %v:\n%s", got, page)
			}
		})
	}
}

func TestPauses(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " ": "", "5": "5s", "5s,30s; 2m\r\n1h": "5s 30s 2m 1h", "90": "90s", "60": "1m", "3600 86400": "1h 24h", "1m30s": "90s", "1h0m": "1h",
	} {
		seconds, err := parsePauses(text)
		must(t, err)
		pauses, err := paybell.ParseSchedule("x", seconds)
		must(t, err)
		if got := pausesText(pauses); got != want || seconds == nil {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"x", "5 x", "1.5s", "1,5", "5ms", "0x10", strings.Repeat("1 ", 40), "0", "-5", "25h", "99999999999999999999"} {
		seconds, err := parsePauses(text)
		if err == nil {
			_, err = paybell.ParseSchedule("retrySchedule", seconds)
		}
		if (err == nil) != (text == "1,5") || err != nil && paybell.CodeOf(err) != paybell.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// fragment executes a template of a page as somebody who may change things sees it.
func fragment(t *testing.T, file, name string, data any, now time.Time) string {
	t.Helper()
	var b bytes.Buffer
	p := &page{
		view: view{Template: file, Data: data}, request: &request{Request: httptest.NewRequest(http.MethodGet, apiPath, nil)},
		Person: &person{MayChange: true}, Now: now,
	}
	must(t, templates[file].ExecuteTemplate(&b, name, p))
	return b.String()
}

// samplePage is a client with a webhook.
func samplePage(now time.Time) integrationPage {
	id := "d0ccc52b8204460783d375e278082de2"
	return integrationPage{
		Integration: desk.Integration{
			Client: paybell.Client{ID: id, Name: "Web shop", URL: "https://shop.example", State: paybell.ClientActive, Permissions: paybell.CreateInvoice | paybell.FindInvoice,
				AllowedIPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}, CreatedAt: now.Add(-time.Hour)},
			Webhooks: []desk.HookStatus{{WebhookStatus: desk.WebhookStatus{
				Webhook: paybell.Webhook{ID: "wLKBuD6h3Vama4mGDqHeF", ClientID: id, URL: "https://shop.example/hook?a=1&b=2", Origin: "https://shop.example:443",
					Events: usualEvents, State: paybell.WebhookActive, CreatedFromUI: true, CreatedAt: now},
				Endpoint: desk.EndpointStatus{Origin: "https://shop.example:443"},
			}}},
			Secret: 42,
		},
		Path: integrationPath(id), BaseURL: "https://pay.example",
		Programs: (&Server{PublicURL: "https://pay.example"}).programs(id, ""),
	}
}

// drawing is an icon, which is judged by eye.
var drawing = regexp.MustCompile(`<svg class="icon".*?</svg>`)

// The pages as they are, to see what a change changes.
func TestIntegrationFragments(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	secret := "WYEB+hN+89waO76QeO9T7IIqhdo/60GHrdYu2vEa7Tg="
	one := samplePage(now)
	hook := one.Webhooks[0]
	with := func(pop any) integrationPage {
		p := one
		p.Programs, p.Webhooks, p.Pop = nil, nil, pop
		return p
	}
	line := desk.IntegrationLine{Client: one.Client, Webhooks: 2, Quiet: 1, Health: paybell.EndpointFailing}
	programs := (&Server{PublicURL: "https://pay.example"}).programs(one.Client.ID, secret)
	form := editWebhookForm
	form.Back, form.URL, form.Events, form.Schedule, form.Advanced = one.Path, hook.Webhook.URL, eventChoices(hook.Webhook.Events, 0), "5s 1m", true
	for name, test := range map[string]struct {
		file, template string
		data           any
	}{
		"kinds":  {"integrations.html", "main", []desk.IntegrationLine{line}},
		"list":   {"integrations_api.html", "main", integrationList{Lines: []desk.IntegrationLine{line}}},
		"empty":  {"integrations_api.html", "live", integrationList{}},
		"new":    {"integrations_new.html", "main", integrationList{Pop: newIntegrationForm{Key: "KEY", Events: eventChoices(usualEvents, 0), Back: apiPath}}},
		"client": {"integrations_client.html", "main", one},
		"secret": {"integrations_secret.html", "main", newSecretPage{Client: one.Client, Secret: secret, Path: one.Path, BaseURL: one.BaseURL, Programs: programs, Hooked: true}},
		"edit": {"integrations_edit.html", "main", with(integrationForm{Back: one.Path, Name: "Web shop", State: paybell.ClientActive, Groups: permissionChoices(one.Client.Permissions),
			IPs: "192.0.2.7", Style: "PascalCase"})},
		"new_secret":     {"integrations_new_secret.html", "main", with(newSecretForm{Back: one.Path, Overlaps: overlaps})},
		"delete":         {"integrations_delete.html", "main", with(deleteForm{Back: one.Path})},
		"webhook_form":   {"webhook_form.html", "main", with(form)},
		"webhook_enable": {"webhook_enable.html", "main", with(enablePop{popUp(hook).(webhookPop), 3, 2})},
		"webhook_delete": {"webhook_delete.html", "main", with(popUp(hook))},
		"webhook_test": {"webhook_test.html", "main", with(tryPop{webhookPop: popUp(hook).(webhookPop), Events: usualNames, Event: "invoicePaid",
			Attempt: &paybell.Attempt{StartedAt: now, Duration: 83 * time.Millisecond, Status: 500, Answer: "<h1>oops</h1>", Failure: "answered 500"}})},
	} {
		html := fragment(t, test.file, test.template, test.data, now)
		if strings.HasPrefix(name, "webhook") || name == "edit" || name == "delete" || name == "new_secret" {
			html = html[strings.Index(html, "<dialog"):] // the page below is another
		}
		golden(t, "integrations/"+name, drawing.ReplaceAllString(html, "<svg/>"))
	}
}
