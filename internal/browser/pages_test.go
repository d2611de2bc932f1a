package browser

import (
	"strings"
	"testing"
)

// Every page, once with little on it and once with something: axe-core finds
// nothing serious in the light and in the dark, nothing is wider than a phone, and a
// first visit loads less than 100 KB.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s, b := setUp(t)
	look := func(paths ...string) {
		t.Helper()
		for _, path := range paths {
			b.size(1280, 900)
			b.dark(false)
			b.open(path)
			if at := b.value("location.pathname + location.search"); !strings.HasPrefix(at, strings.Split(path, "?")[0]) {
				t.Errorf("%s leads to %s", path, at)
			}
			b.sound(path)
			if weight := ask[float64](b, `[...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")].reduce((n, e) => n + e.decodedBodySize, 0)`); weight == 0 || weight > 100_000 {
				t.Errorf("%s loads %v bytes", path, weight)
			}
			b.size(390, 844)
			b.dark(true)
			b.sound(path + " on a phone, in the dark")
			if wide := b.value(`document.documentElement.scrollWidth > innerWidth ? [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" | ") : ""`); wide != "" {
				t.Errorf("%s is wider than a phone: %s", path, wide)
			}
		}
		b.size(1280, 900)
		b.dark(false)
	}
	look("/dash/", "/dash/invoices", "/dash/invoices/new", "/dash/integrations", "/dash/integrations/api", "/dash/deliveries", "/dash/wallets",
		"/dash/settings", "/dash/settings/users", "/dash/settings/users/invite", "/dash/settings/business", "/dash/settings/audit", "/dash/settings/privacy",
		"/dash/nowhere")

	b.open("/dash/")
	shop := newShop(t)
	id, secret := integrate(b, shop.url)
	shop.fails("the database is down")
	invoice := s.invoice(id, secret, strings.Repeat("A very long name of a bag of coffee ", 3))
	b.yes()
	b.open("/dash/invoices/" + invoice)
	b.click("Half")
	b.see("0.0625 LTCT seen")
	client := "/dash/integrations/api/" + id
	b.open(client)
	hook := b.value(`document.querySelector("a[href*='/webhooks/']").href.match(/webhooks\/([^/]+)/)[1]`)
	look("/dash/", "/dash/invoices", "/dash/invoices?state=paid", "/dash/invoices/"+invoice, "/dash/invoices/"+invoice+"/refund", "/dash/invoices/new",
		"/dash/integrations/api", "/dash/integrations/api/new", client, client+"/edit", client+"/secret", client+"/delete",
		client+"/webhooks/new", client+"/webhooks/"+hook+"/edit", client+"/webhooks/"+hook+"/test", client+"/webhooks/"+hook+"/delete",
		"/dash/deliveries", "/dash/deliveries?state=failing", "/dash/deliveries/"+id+"/"+hook+"/1", "/dash/wallets", "/dash/wallets/terms/"+id,
		"/dash/settings/audit", "/checkout/?invoice-id="+invoice, "/invoices/"+invoice)
}
