package checkout

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

var update = flag.Bool("update", false, "write testdata/*.html anew")

// TestGolden compares what is sent of some stages with how it was when somebody last
// looked at it.
func TestGolden(t *testing.T) {
	unseen := func(name string) bool { return strings.HasPrefix(name, "unseen") }
	for name, walk := range map[string]func(v *desk.CheckoutView){
		"choose":     func(v *desk.CheckoutView) { v.Invoice.State, v.Invoice.Payments = paybell.Unpaid, nil },
		"waiting":    func(*desk.CheckoutView) {},
		"confirming": func(v *desk.CheckoutView) { v.Invoice.State, v.Invoice.Transfers = paybell.Paid, received() },

		"unseen":      func(*desk.CheckoutView) {},
		"unseen_paid": func(v *desk.CheckoutView) { v.Invoice.State, v.Invoice.Transfers = paybell.Paid, received() },
		"unseen_choose": func(v *desk.CheckoutView) {
			v.Invoice.State, v.Invoice.Payments, v.Coins[0].Delayed = paybell.Unpaid, nil, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := shopping()
			walk(&v)
			p := pageAt(v, visit{success: v.SuccessURL}, "../", noon)
			p.Live, p.Sent, p.Unseen = true, true, unseen(name) && p.Payment != nil
			got, err := p.render("live")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s differs; look at it, and run with -update if it is as it should be:\n%s", path, got)
			}
		})
	}
}

// shopping is an invoice that is to be paid in Litecoin, or in one of two coins.
func shopping() desk.CheckoutView {
	v := facts()
	v.Merchant = paybell.Merchant{Name: "Café Bell", Email: "owner@cafe.example"}
	v.SuccessURL, v.CancelURL = "https://shop.example/paid", "https://shop.example/left"
	inv := &v.Invoice
	inv.ID, inv.Window = "0198c0de-0000-7000-8000-00000000000a", time.Hour
	inv.Bill.Number, inv.Bill.Total = "0067", decimal.RequireFromString("1054.00")
	inv.Bill.Items = []paybell.Item{
		{Name: "A bag of coffee", Description: "Whole beans", Quantity: 2, Amount: decimal.RequireFromString("1049.10")},
	}
	inv.Bill.Breakdown = paybell.Breakdown{Subtotal: decimal.RequireFromString("1049.10"), Shipping: decimal.RequireFromString("4.90")}
	inv.Payments[1].Address = "ltc1qar0srrr7xfkvy5l643lydnw9re59gtzz3rzydc"
	for i, due := range []uint64{1054000, 1317512345} {
		v.Coins = append(v.Coins, desk.PricedCoin{Currency: paybell.Currencies()[i], Due: paybell.NewUnits(due)})
	}
	return v
}

// received pays for shopping.
func received() []paybell.Transfer {
	t := transfer("B", 100, 2)
	t.Status, t.Asset, t.SeenAt = paybell.Mined, "2", noon.Add(-5*time.Minute)
	t.TxID = "72a6c48900000000000000000000000000000000000000000000000000d6515e6"
	return []paybell.Transfer{t}
}
