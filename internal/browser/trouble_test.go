package browser

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A merchant's server fails, with an answer that would like to run: it is seen on
// every page, read as text, and made good.
func TestFailingEndpoint(t *testing.T) {
	t.Parallel()
	s, b := setUp(t)
	shop := newShop(t)
	id, secret := integrate(b, shop.url)
	shop.fails(`<script>document.title = "taken over"</script><img src=x onerror="document.title='taken over'">database is down`)
	s.invoice(id, secret, "A bag of coffee")
	b.open("/dash/deliveries")
	b.see("Failing")
	b.clickOn("#live tbody a")
	b.see("Answered 500")
	b.click("What it answered")
	b.see("database is down", "<script>")
	b.sound("a delivery that failed")
	if title := b.value("document.title"); strings.Contains(title, "taken over") {
		t.Fatalf("a receiver's answer has run: the title is %q", title)
	}
	for _, name := range shop.headers() { // what is shown as sent is what was sent
		b.see(name + ":")
	}
	shop.fails("")
	b.yes()
	b.click("Try now")
	b.see("Delivered")
	b.open("/dash/deliveries")
	b.see("Healthy")
	if got := shop.heard(); !strings.HasPrefix(got, "InvoiceCreated") {
		t.Errorf("the shop heard %q", got)
	}
	if title := b.value("document.title"); strings.Contains(title, "taken over") {
		t.Fatalf("a receiver's answer has run: the title is %q", title)
	}
}

// Somebody who may only look sees everything, and can change nothing: no button is
// there, and what a button would send is refused.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s, b := setUp(t)
	shop := newShop(t)
	id, secret := integrate(b, shop.url)
	invoice := s.invoice(id, secret, "A bag of coffee")
	b.open("/dash/settings/users/invite")
	b.fill("Email address", "eve@cafe-bell.example")
	b.click("Read-only")
	b.click("Make the link")
	b.see("/dash/pass/")
	link := b.copied("/dash/pass/")
	if _, err := url.Parse(link); err != nil || !strings.Contains(link, "/dash/pass/") {
		t.Fatalf("the invitation's link is %q", link)
	}
	b.sound("the team")

	eve := newTab(t, s.url)
	eve.open(link)
	eve.fill("Your name", "Eve")
	eve.fill("Email address", "eve@cafe-bell.example")
	eve.fill("Password", password)
	eve.click("Join")
	eve.see("Overview", "Eve · Read-only")
	for _, page := range []string{"/dash/", "/dash/invoices", "/dash/invoices/" + invoice, "/dash/integrations/api", "/dash/integrations/api/" + id, "/dash/deliveries", "/dash/wallets"} {
		eve.open(page)
		forms := ask[[]string](eve, `[...document.querySelectorAll("main form[method=post]")].map((f) => f.getAttribute("action") || location.pathname)`)
		if len(forms) > 0 {
			t.Errorf("%s offers to send %v", page, forms)
		}
		eve.sound(page)
	}
	for _, form := range []string{"/dash/invoices/" + invoice + "/cancel", "/dash/integrations/api/" + id + "/delete", "/dash/settings/users/invite"} {
		if status := ask[float64](eve, `fetch(%s, {method: "POST"}).then((r) => r.status)`, form); status != http.StatusForbidden {
			t.Errorf("sending %s is answered %v", form, status)
		}
	}
	b.open("/dash/invoices/" + invoice)
	b.see("Unpaid")
}
