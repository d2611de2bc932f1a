package browser

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var pictures = flag.String("pictures", "", "make the pictures of the README anew, in this directory")

// The pictures in the README are of this very program: make pictures.
func TestPictures(t *testing.T) {
	t.Parallel()
	dir := *pictures
	if dir == "" {
		dir = t.TempDir() // that they can be made is held all the same
	}
	s, b := setUp(t)
	shop := newShop(t)
	id, secret := integrate(b, shop.url)
	var first string
	for _, name := range []string{"A bag of coffee", "Filter papers", "Espresso cups", "Grinder", "Milk jug"} {
		first = s.invoice(id, secret, name)
	}
	b.yes()
	b.open("/dash/invoices/" + first)
	b.click("Pay exactly")
	b.see("The whole amount was seen")
	b.click("Mine 3 blocks")
	b.see("The money is confirmed")
	second := s.invoice(id, secret, "Coffee machine")

	save := func(name string) {
		t.Helper()
		png := b.shot()
		if len(png) > 300_000 {
			t.Errorf("%s has %d bytes", name, len(png))
		}
		if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.dark(false)
	b.open("/dash/")
	b.see("Completed")
	save("overview.png")
	b.open("/dash/invoices/" + first)
	b.see("The money is confirmed")
	save("invoice.png")
	b.size(390, 844)
	b.dark(true)
	b.open("/checkout/?invoice-id=" + second)
	b.click("Pay with")
	b.see("address")
	save("checkout.png")
}
