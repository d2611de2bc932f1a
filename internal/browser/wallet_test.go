package browser

import (
	"strings"
	"testing"

	"github.com/paybell/paybell/internal/btcd"
)

// The account at m/84h/1h/0h of the seed "abandon … about", which is in many wallets'
// tests, and what must never be given to anybody.
const (
	vpub      = "vpub5Y6cjg78GGuNLsaPhmYsiw4gYX3HoQiRBiSwDaBXKUafCt9bNwWQiitDk5VZ5BVxYnQdwoTyXSs2JHRPAgjAvtbBrf8ZhDYe2jWAqvZVnsc"
	seedWords = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
)

// A merchant adds a wallet on a real node, is paid, and the node dies.
func TestWalletOnBitcoin(t *testing.T) {
	t.Parallel()
	node, err := btcd.Start(t.Context(), btcd.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	money := btcd.NewWallet(node, t.Name())
	if err := money.Fund(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, b := setUp(t, "--bitcoin-node", node.URL(), "--bitcoin-network", "regtest")
	shop := newShop(t)
	id, secret := integrate(b, shop.url)
	sound := func(what string) {
		t.Helper()
		b.sound(what)
		b.dark(true)
		b.size(390, 844)
		b.sound(what + " on a phone, in the dark")
		if wide := b.value(`[document.documentElement, document.querySelector("dialog")].some((e) => e && e.scrollWidth > e.clientWidth + 1) ? "wide" : ""`); wide != "" {
			t.Errorf("%s is wider than a phone", what)
		}
		b.dark(false)
		b.size(1280, 900)
	}

	// A secret is refused and gone; a public key shows its addresses.
	b.open("/dash/wallets")
	b.see("No wallet yet", "Test network: regtest", "Buyers pay straight into them")
	sound("a coin without a wallet")
	b.click("Add wallet")
	b.see("1. Your public key", "Where to find it")
	sound("the form for a key")
	b.fill("Extended public key", seedWords)
	b.click("Show its addresses")
	b.see("This is a private key or a wallet's secret words")
	if kept := b.value(`document.documentElement.outerHTML`); strings.Contains(kept, "abandon") {
		t.Error("the secret words are in the page that refuses them")
	}
	b.fill("Extended public key", vpub)
	b.click("Show its addresses")
	b.see("These are my addresses", "Native SegWit (bcrt1q…)", "None of its addresses was used before")
	if first := b.value(`document.querySelector("dialog code").textContent`); first != "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk" {
		t.Errorf("the first address is %s", first)
	}
	b.click("They differ")
	b.see("another kind of address")
	sound("the addresses to compare")
	b.click("Legacy")
	b.see("Legacy (m… or n…)")
	b.click("They differ")
	b.click("Native SegWit")
	b.see("Native SegWit (bcrt1q…)")
	b.click("These are my addresses")
	b.see("Your Bitcoin wallet is live", "Number 0", "completed after 2 blocks")
	sound("a live wallet")

	// Its confirmations.
	b.click("Change confirmations")
	b.see("As it is now")
	sound("the confirmations")
	b.fill("Row 2: from, in BTC", "0.5")
	b.fill("Row 2: confirmations", "x")
	b.click("Save the confirmations")
	b.see("in row 2, write 1 to 100 confirmations")
	b.fill("Row 2: confirmations", "6")
	b.click("Save the confirmations")
	b.see("The confirmations for Bitcoin are saved", "From 0.5 BTC on")

	// A buyer pays.
	invoice := s.invoice(id, secret, "A bag of coffee")
	buyer := newTab(t, s.url)
	buyer.size(390, 844)
	buyer.open("/checkout/?invoice-id=" + invoice)
	buyer.click("Pay with Bitcoin")
	buyer.see("Bitcoin address", "0.0001")
	buyer.sound("waiting for bitcoin")
	address := buyer.value(`document.querySelector(".address .copy").textContent`)
	if address != "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk" {
		t.Fatalf("the buyer is asked to pay to %s", address)
	}
	paid, err := money.Pay(t.Context(), btcd.Output{Address: address, Sats: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	buyer.see("Payment received", "0 of 2 confirmations")
	mine := func() {
		t.Helper()
		if _, err := node.Mine(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	mine()
	buyer.see("1 of 2 confirmations")
	b.open("/dash/invoices/" + invoice)
	b.see("1 of 2 confirmations. In block ")
	if tx := b.value(`document.querySelector(".transfers [data-copy]").dataset.copy`); tx != paid.ID.String() {
		t.Errorf("the transaction to copy is %s, want %s", tx, paid.ID)
	}
	sound("an invoice that is being confirmed")
	mine()
	buyer.see("Thank you. The payment is confirmed and complete.")

	// The node dies: invoices can still be paid, and everybody is told.
	invoice = s.invoice(id, secret, "Grinder")
	node.Kill()
	b.open("/dash/")
	b.see("The Bitcoin network cannot be looked at since", "Not seen now")
	sound("the overview without a node")
	b.click("See the wallet")
	b.see("No money is lost")
	sound("a wallet without a node")
	buyer.open("/checkout/?invoice-id=" + invoice)
	buyer.see("We cannot see the Bitcoin network right now. You can pay all the same")
	buyer.sound("choosing a coin without a node")
	buyer.click("Pay with Bitcoin")
	buyer.see("Waiting for your payment", "We cannot see the Bitcoin network right now. If you have paid, nothing is lost")
	buyer.sound("waiting without a node")
	b.open("/dash/invoices/" + invoice)
	b.see("The Bitcoin network is not seen now")

	// It is removed.
	b.open("/dash/wallets")
	b.click("Remove")
	b.see("stays watched for ever")
	sound("the question before a wallet is removed")
	b.click("Remove the wallet")
	b.see("The Bitcoin wallet is removed", "No wallet yet")
}
