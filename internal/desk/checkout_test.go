package desk_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// fixedRate is what one unit of anything is worth in coins; empty: nobody trades.
type fixedRate struct{ rate string }

func (f *fixedRate) Rate(context.Context, paybell.Currency, paybell.Currency, time.Time) (decimal.Decimal, error) {
	if f.rate == "" {
		return decimal.Zero, paybell.Errorf(paybell.Unavailable, "there is no rate")
	}
	return decimal.NewFromString(f.rate)
}

// counter is a desk on a real store, which cannot be paid at.
type counter struct {
	*testing.T
	*desk.Desk
	rate *fixedRate
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	check(t, err)
	storetest.Blank(t, dir)
	db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	rate := &fixedRate{"0.0125"}
	return &counter{t, &desk.Desk{
		DB: db, Quote: rate, Sandbox: evenly{},
	}, rate}
}

// client makes a merchant with one client, which lives at shopURL.
func (c *counter) client(shopURL string) desk.Actor {
	c.Helper()
	m, err := c.CreateMerchant(c.Context(), "Café Bell", "owner@cafe.example")
	check(c.T, err)
	made, _, err := c.CreateClient(c.Context(), desk.Owner(m.ID), desk.NewClient{Name: "shop", URL: shopURL, Permissions: paybell.AllPermissions})
	check(c.T, err)
	a, err := c.Actor(c.Context(), made.ID, netip.MustParseAddr("192.0.2.1"))
	check(c.T, err)
	return a
}

// invoice makes an invoice of 10.00 USD, changed by the given functions.
func (c *counter) invoice(a desk.Actor, change ...func(*paybell.Bill)) string {
	c.Helper()
	ten := decimal.NewFromInt(10)
	bill := paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}
	for _, f := range change {
		f(&bill)
	}
	inv, err := c.CreateInvoice(c.Context(), a, desk.NewInvoice{Bill: bill})
	check(c.T, err)
	return inv.ID
}

func (c *counter) view(id, success, cancel string) desk.CheckoutView {
	c.Helper()
	v, err := c.Checkout(c.Context(), id, success, cancel)
	check(c.T, err)
	return v
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCheckoutLinks(t *testing.T) {
	c := newCounter(t)
	shop := c.client("https://shop.example/store?x")
	c.client("https://neighbour.example") // of another merchant
	for _, u := range []string{"https://hooks.example:8443/in", "http://plain.example/in", "https://gone.example/in"} {
		w, err := c.CreateWebhook(c.Context(), shop, shop.ClientID, desk.NewWebhook{URL: u, Events: []string{"invoicePaid"}})
		check(t, err)
		if strings.Contains(u, "gone") {
			_, err := c.DeleteWebhook(c.Context(), shop, shop.ClientID, w.ID)
			check(t, err)
		}
	}
	const own = "http://own.example:8080/ok"
	bare := c.invoice(shop)
	rich := c.invoice(shop, func(b *paybell.Bill) { b.SuccessURL, b.CancelURL = own, own })
	onlySuccess := c.invoice(shop, func(b *paybell.Bill) { b.SuccessURL = "https://one.example/" })
	onlyCancel := c.invoice(shop, func(b *paybell.Bill) { b.CancelURL = "https://two.example/" })
	if v := c.view(onlySuccess, "", "https://one.example/back"); v.SuccessURL != "https://one.example/" || v.CancelURL != "https://one.example/back" {
		t.Errorf("the host of the link for success does not count: %+v", v)
	}
	if v := c.view(onlyCancel, "https://two.example/ok", ""); v.SuccessURL != "https://two.example/ok" || v.CancelURL != "https://two.example/" {
		t.Errorf("the host of the link for cancelling does not count: %+v", v)
	}
	idn := c.invoice(c.client("https://bücher.example/"))

	for _, l := range []struct {
		invoice, given string
		counts         bool
	}{
		{bare, "https://shop.example/", true},
		{bare, "https://shop.example", true},
		{bare, "https://shop.example/cart?order=7&key=a%20b#top", true},
		{bare, "https://SHOP.example/x", true},
		{bare, "https://shop.example:443/x", true},
		{bare, "http://shop.example:443/x", true}, // the same host and port
		{bare, "http://shop.example/x", false},    // another port
		{bare, "https://shop.example:8443/x", false},
		{bare, "https://shop.example:0443/x", false},
		{bare, "https://shop.example./x", false},
		{bare, "https://hooks.example:8443/anywhere", true},
		{bare, "https://hooks.example/anywhere", false},
		{bare, "http://plain.example/", true},
		{bare, "https://plain.example/", false},
		{bare, "https://gone.example/", false},
		{bare, own, false},
		{rich, "https://own.example:8080/other", true},
		{rich, "http://own.example/other", false},
		{rich, "", false},

		{bare, "https://evil.example/", false},
		{bare, "https://neighbour.example/", false},
		{bare, "https://shop.example.evil.example/", false},
		{bare, "https://evil-shop.example/", false},
		{bare, "https://www.shop.example/", false},
		{bare, "//shop.example/", false},
		{bare, "/cart", false},
		{bare, "https:shop.example/", false},
		{bare, "https:///shop.example/", false},
		{bare, "https://", false},
		{bare, "https://:443/", false},
		{bare, `https:\\shop.example/`, false},
		{bare, "javascript:alert(1)", false},
		{bare, "javascript://shop.example/%0aalert(1)", false},
		{bare, "data:text/html,<script>", false},
		{bare, "ftp://shop.example:443/", false},
		{bare, "https://joe@shop.example/", false},
		{bare, "https://joe:pw@shop.example/", false},
		{bare, "https://@shop.example/", false},
		{bare, "https://shop.example@evil.example/", false},
		{bare, "https://shop.example:443@evil.example/", false},
		{bare, `https://shop.example\@evil.example/`, false},
		{bare, `https://evil.example\.shop.example/`, false},
		{bare, "https://evil.example#@shop.example/", false},
		{bare, "https://evil.example?@shop.example/", false},
		{bare, " https://shop.example/", false},
		{bare, "https://shop.example\n.evil.example/", false},
		{bare, "https://shop.example%2eevil.example/", false},
		{bare, "https://shop.example/" + strings.Repeat("x", 2000), false},

		{idn, "https://bücher.example/ok", true},
		{idn, "https://xn--bcher-kva.example/ok", false}, // the same to a browser; register what is sent
		{idn, "https://bucher.example/ok", false},
		{bare, "https://ѕhop.example/", false},            // a Cyrillic letter
		{bare, "https://ｓhop.example/", false},            // a wide one
		{bare, "https://ſhop.example/", false},            // a long one, which folds to s
		{bare, "https://hoo\u212as.example:8443/", false}, // the sign of the kelvin, which lowers to k
	} {
		want := ""
		if l.invoice == rich {
			want = own
		}
		if l.counts {
			want = strings.Replace(l.given, "ü", "%C3%BC", 1)
		}
		v := c.view(l.invoice, l.given, "")
		if v.SuccessURL != want {
			t.Errorf("success %.80q gives %.80q, want %.80q", l.given, v.SuccessURL, want)
		}
		v = c.view(l.invoice, "https://shop.example/other", l.given)
		if v.CancelURL != want {
			t.Errorf("cancel %.80q gives %.80q, want %.80q", l.given, v.CancelURL, want)
		}
	}
}

func TestCheckoutOfNoInvoice(t *testing.T) {
	c := newCounter(t)
	for _, id := range []string{"", "nope", paybell.NewUUID(time.Now())} {
		if _, err := c.Checkout(t.Context(), id, "", ""); paybell.CodeOf(err) != paybell.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestCheckoutCoins(t *testing.T) {
	c := newCounter(t)
	shop := c.client("")
	id := c.invoice(shop)
	want := func(open bool, due string) {
		t.Helper()
		v := c.view(id, "", "")
		if len(v.Coins) != 1 || v.Coins[0].ID != paybell.LTCT || v.Coins[0].Open != open || v.Coins[0].Due.String() != due {
			t.Errorf("the coins are %+v", v.Coins)
		}
	}
	none := func(why string) {
		t.Helper()
		if v := c.view(id, "", ""); v.Coins != nil {
			t.Errorf("%s: the coins are %+v", why, v.Coins)
		}
	}
	want(false, "12500000")
	c.rate.rate = "0.00000000001"
	want(false, "1") // rounded up
	c.rate.rate = ""
	none("nobody trades")
	c.rate.rate = "0.5"
	_, _, err := c.OpenPayment(t.Context(), id, paybell.LTCT)
	check(t, err)
	c.rate.rate = ""
	want(true, "500000000") // locked
	check(t, c.ExpireSandbox(t.Context(), shop, id, "window"))
	none("the window is over")
	check(t, c.CancelInvoice(t.Context(), shop, id))
	none("it is cancelled")
	c.rate.rate = "0.5"
	id = c.invoice(shop)
	want(false, "500000000")
	check(t, c.ExpireSandbox(t.Context(), shop, id, "lifetime"))
	none("its time is over, and nobody has noticed")
}

func TestCheckoutAsksBuyer(t *testing.T) {
	c := newCounter(t)
	shop := c.client("")
	for name, ask := range map[string]struct {
		change func(*paybell.Bill)
		asks   bool
	}{
		"no":      {func(*paybell.Bill) {}, false},
		"flag":    {func(b *paybell.Bill) { b.RequireBuyerNameAndEmail = true }, true},
		"message": {func(b *paybell.Bill) { b.BuyerDataCollectionMessage = "why" }, true},
		"said": {func(b *paybell.Bill) {
			b.RequireBuyerNameAndEmail, b.Buyer = true, &paybell.Party{Email: "a@b.example"}
		}, false},
	} {
		if v := c.view(c.invoice(shop, ask.change), "", ""); v.AsksBuyer != ask.asks {
			t.Errorf("%s: asks %v", name, v.AsksBuyer)
		}
	}
	id := c.invoice(shop, func(b *paybell.Bill) { b.RequireBuyerNameAndEmail = true })
	check(t, c.CancelInvoice(t.Context(), shop, id))
	if c.view(id, "", "").AsksBuyer {
		t.Error("the buyer of a cancelled invoice is asked")
	}
}

// TestCheckoutKeepsSecrets looks at all of a view, whatever pages make of it.
func TestCheckoutKeepsSecrets(t *testing.T) {
	c := newCounter(t)
	shop := c.client("https://secret-shop.example")
	private := func(b *paybell.Bill) {
		b.Notes, b.PONumber, b.CustomData, b.Metadata = "secret", "secret-po", []byte(`{"k":"secret"}`), []byte(`{"k":"secret"}`)
		b.RefundEmail, b.EmailDelivery = "secret@example.com", &paybell.EmailDelivery{To: "secret@example.com"}
		b.Buyer = &paybell.Party{Name: paybell.Name{First: "secret"}}
		b.Shipping = &paybell.Party{Address: paybell.Address{City: "secret"}}
		b.Number, b.Description, b.NotesToRecipient, b.TermsAndConditions = "public-1", "public-2", "public-3", "public-4"
		b.Items = []paybell.Item{{Name: "public-5", Quantity: 1, Amount: b.Total}}
		b.MerchantOptions.AdditionalInfo = "public-6"
	}
	id := c.invoice(shop, private)
	_, _, err := c.OpenPayment(t.Context(), id, paybell.LTCT)
	check(t, err)
	text, err := json.Marshal(c.view(id, "https://evil.example", ""))
	check(t, err)
	for _, word := range []string{"secret", shop.ClientID, "owner@cafe.example", "evil"} {
		if strings.Contains(string(text), word) {
			t.Errorf("the view holds %q: %s", word, text)
		}
	}
	for _, word := range []string{"public-1", "public-2", "public-3", "public-4", "public-5", "public-6", "Café Bell"} {
		if !strings.Contains(string(text), word) {
			t.Errorf("the view lacks %q: %s", word, text)
		}
	}
	id = c.invoice(shop, func(b *paybell.Bill) { b.MerchantOptions.ShowEmail = true })
	if v := c.view(id, "", ""); v.Merchant.Email != "owner@cafe.example" {
		t.Errorf("the merchant is %+v", v.Merchant)
	}
}

// till counts what is paid with test coins.
type till struct {
	desk.Sandbox
	paid atomic.Int64
}

func (s *till) Pay(context.Context, string, string, paybell.Units) (string, error) {
	s.paid.Add(1)
	return "tx", nil
}

// TestPayTest: who has a test invoice's link pays its open payment once, however
// often and at how many places at once they ask.
func TestPayTest(t *testing.T) {
	c := newCounter(t)
	sandbox := &till{Sandbox: evenly{}}
	c.Sandbox = sandbox
	shop := c.client("")
	id := c.invoice(shop)
	want := func(what string, can bool, paid int64) {
		t.Helper()
		if v := c.view(id, "", ""); v.TestPay != can {
			t.Errorf("%s: can be paid: %v", what, v.TestPay)
		}
		var wg sync.WaitGroup
		var went atomic.Int64
		for range 8 {
			wg.Go(func() {
				switch err := c.PayTest(t.Context(), id); {
				case err == nil:
					went.Add(1)
				case paybell.CodeOf(err) != paybell.Conflict:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := sandbox.paid.Swap(0); got != paid || went.Load() != paid {
			t.Errorf("%s: paid %d times, and said so %d times, want %d", what, got, went.Load(), paid)
		}
	}
	open := func() {
		t.Helper()
		_, _, err := c.OpenPayment(t.Context(), id, paybell.LTCT)
		check(t, err)
	}
	want("nothing is chosen", false, 0)
	open()
	want("waiting", true, 1)
	want("waiting, and on its way", true, 0)

	id = c.invoice(shop)
	open()
	check(t, c.ExpireSandbox(t.Context(), shop, id, "window"))
	want("the window is over", false, 0)
	id = c.invoice(shop)
	open()
	check(t, c.CancelInvoice(t.Context(), shop, id))
	want("cancelled", false, 0)
	if err := c.PayTest(t.Context(), "nope"); paybell.CodeOf(err) != paybell.NotFound {
		t.Errorf("no invoice: %v", err)
	}
}

func TestPaymentURI(t *testing.T) {
	coin, _ := paybell.FindCurrency("BTC")
	for units, want := range map[uint64]string{0: "bitcoin:bc1q", 1: "bitcoin:bc1q?amount=0.00000001", 150_000_000: "bitcoin:bc1q?amount=1.5"} {
		if got := coin.PaymentURI("bc1q", paybell.NewUnits(units)); got != want {
			t.Errorf("%d: %s, want %s", units, got, want)
		}
	}
	coin.URIScheme = ""
	if got := coin.PaymentURI("T1", paybell.NewUnits(1)); got != "T1" {
		t.Errorf("without a scheme: %s", got)
	}
}
