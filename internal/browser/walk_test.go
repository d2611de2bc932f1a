package browser

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/internal/pgtest"
)

const password = "correct horse battery"

// setUp makes the first user by the link that the server printed.
func setUp(t *testing.T, flags ...string) (*server, *tab) {
	t.Helper()
	s := newServer(t, flags...)
	b := newTab(t, s.url)
	b.open(s.setup)
	b.see("Welcome to Paybell")
	b.sound("set-up")
	b.fill("Your shop or company", "Café Bell")
	b.fill("Your name", "Ada")
	b.fill("Email address", "ada@cafe-bell.example")
	b.fill("Password", password)
	b.click("Set up")
	b.see("Overview", "Café Bell", "Ada · Owner")
	return s, b
}

// integrate walks the path to an integration that rings a shop, and returns the
// client's id and secret as the page shows them.
func integrate(b *tab, shopURL string) (id, secret string) {
	b.Helper()
	b.click("Integrations")
	b.click("API integrations")
	b.click("Add New")
	b.see("Name", "Server URL")
	b.sound("the pop-up for a new integration")
	b.fill("Name", "Web shop")
	b.fill("Server URL", shopURL)
	b.clickOn("dialog details.drop > summary")
	b.see("invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled")
	b.press("\x1b") // Escape closes the drop-down only
	b.click("OK")
	b.see("Client ID", "Client secret")
	id, secret = b.copied("Client ID"), b.copied("Client secret")
	if len(id) != 32 || len(secret) != 44 {
		b.Fatalf("the page offers to copy the client id %q and the secret %q", id, secret)
	}
	b.sound("the new integration's id and secret")
	return id, secret
}

// The path of the seed, word for word, to an invoice that is paid while its page is
// looked at.
func TestFromNothingToPaid(t *testing.T) {
	t.Parallel()
	s, b := setUp(t)
	fromNothingToPaid(t, s, b)
}

// The same on PostgreSQL, where the process that the browser speaks with does none of
// the work: another looks at the chain and brings what happens to the shop.
func TestFromNothingToPaidOnPostgres(t *testing.T) {
	t.Parallel()
	database := []string{"--database", pgtest.Open(t)}
	s, b := setUp(t, append(database, "--roles", "api")...)
	worker := s.process(append(database, "--roles", "watch,deliver,prune")...)
	worker.Stderr = t.Output()
	s.start(worker)
	fromNothingToPaid(t, s, b)
}

func fromNothingToPaid(t *testing.T, s *server, b *tab) {
	shop := newShop(t)
	_, _ = integrate(b, shop.url)

	// The request in curl, as it is shown, makes an invoice.
	b.click("curl")
	program := b.copied("curl")
	if !strings.Contains(program, "openssl") {
		t.Fatalf("this is offered as a request in curl:\n%s", program)
	}
	s.shell(program)
	b.open("/dash/invoices")
	b.see("Unpaid")
	b.sound("the list of invoices")
	b.clickOn("#live tbody a")
	b.see("What happened", "Created", "delivered after")
	b.sound("an invoice")

	// Paid with buttons. A second look at the same page, which nobody touches, follows
	// by itself.
	other := newTab(t, s.url)
	other.open("/dash/sign-in")
	other.fill("Email address", "ada@cafe-bell.example")
	other.fill("Password", password)
	other.click("Sign in")
	other.see("Overview")
	other.open(b.value("location.pathname"))
	other.see("The buyer has not chosen a coin")
	born := other.value("String(performance.timeOrigin)")
	b.click("Choose the coin")
	other.see("It waits for its payment")
	b.click("Pay exactly")
	other.see("The whole amount was seen")
	b.click("Mine 3 blocks")
	other.see("The money is confirmed and may be used", "Completed")
	if now := other.value("String(performance.timeOrigin)"); now != born {
		t.Error("the page that should follow by itself was loaded anew")
	}
	if !ask[bool](other, `paybell.until(() => document.querySelector("#timeline").innerText.match(/delivered after/g).length === 4)`) {
		t.Errorf("not all four notifications are shown as delivered:\n%s", other.text())
	}
	b.open("/dash/deliveries")
	b.see("InvoiceCreated", "InvoicePending", "InvoicePaid", "InvoiceCompleted")
	b.sound("the deliveries")
	if got := shop.heard(); got != "InvoiceCreated InvoicePending InvoicePaid InvoiceCompleted" {
		t.Errorf("the shop heard %s", got)
	}
	b.open("/dash/")
	b.see("Completed")
	b.sound("the overview")
}
