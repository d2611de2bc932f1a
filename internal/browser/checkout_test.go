package browser

import "testing"

// A buyer with a phone goes through all of it. The merchant's buttons move the
// chain, and the buyer's page follows by itself.
func TestCheckoutOnAPhone(t *testing.T) {
	t.Parallel()
	s, b := setUp(t)
	shop := newShop(t)
	id, secret := integrate(b, shop.url)
	invoice := s.invoice(id, secret, "A bag of coffee")

	buyer := newTab(t, s.url)
	buyer.size(390, 844)
	buyer.open("/checkout/?invoice-id=" + invoice)
	buyer.see("Café Bell", "10.00", "A bag of coffee")
	buyer.sound("choosing a coin")
	buyer.click("Pay with")
	buyer.see("Amount", "address")
	buyer.sound("waiting for money")
	b.yes()
	step := func(button string, says ...string) {
		t.Helper()
		b.open("/dash/invoices/" + invoice)
		b.click(button)
		buyer.see(says...)
	}
	step("Half", "Still to pay")
	buyer.sound("half is there")
	step("Pay what is missing", "0 of")
	buyer.sound("all is seen")
	step("Mine 3 blocks", "Paid")
	buyer.sound("done")

	late := s.invoice(id, secret, "Grinder")
	buyer.open("/checkout/?invoice-id=" + late)
	buyer.click("Pay with")
	buyer.see("Amount", "address")
	b.open("/dash/invoices/" + late)
	b.click("Cancel")
	buyer.see("cancelled")
	buyer.sound("cancelled")
	if wide := ask[bool](buyer, "document.documentElement.scrollWidth > innerWidth"); wide {
		t.Error("the page is wider than the phone")
	}
}
