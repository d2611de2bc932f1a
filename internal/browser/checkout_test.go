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

	// The time is over, and they start again; then the merchant cancels.
	invoice = s.invoice(id, secret, "Grinder")
	buyer.open("/checkout/?invoice-id=" + invoice)
	buyer.click("Pay with")
	buyer.see("Waiting for your payment")
	step("End the time", "The time to pay is over", "Start again")
	buyer.sound("the window is over")
	buyer.click("Start again")
	buyer.see("Waiting for your payment")
	step("Cancel", "This invoice was cancelled")
	buyer.sound("cancelled")

	// Half of it came, and then the time was over.
	invoice = s.invoice(id, secret, "Milk jug")
	buyer.open("/checkout/?invoice-id=" + invoice)
	buyer.click("Pay with")
	buyer.see("Waiting for your payment")
	step("Half", "Part of the payment has arrived")
	s.shell(s.bin + " sandbox expire --data " + s.data + " " + invoice)
	buyer.see("The payment is not complete")
	buyer.sound("not complete")

	// Nobody paid in all the time there was.
	invoice = s.invoice(id, secret, "Espresso cups")
	buyer.open("/checkout/?invoice-id=" + invoice)
	buyer.see("Choose how to pay")
	s.shell(s.bin + " sandbox expire --data " + s.data + " --what lifetime " + invoice)
	buyer.see("This invoice has expired")
	buyer.sound("expired")
	if wide := ask[bool](buyer, "document.documentElement.scrollWidth > innerWidth"); wide {
		t.Error("the page is wider than the phone")
	}
}
