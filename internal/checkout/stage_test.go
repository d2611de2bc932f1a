package checkout

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// facts are an invoice that is pending, has a minute left to pay, and lives for
// a day. Two coins were chosen for it.
func facts() desk.CheckoutView {
	payment := func(id, currency string, opened int) paybell.Payment {
		return paybell.Payment{
			ID: id, Currency: currency, Network: "n" + currency, Address: "addr" + id, Due: paybell.NewUnits(100),
			Rate: decimal.NewFromInt(1), CompletedAfter: 3, OpenedAt: noon.Add(time.Duration(opened) * time.Second), ExpiresAt: noon.Add(time.Minute),
		}
	}
	return desk.CheckoutView{Invoice: paybell.Invoice{
		State: paybell.Pending, ExpiresAt: noon.Add(24 * time.Hour), Bill: paybell.Bill{Currency: "5057"},
		Payments: []paybell.Payment{payment("A", "1", 0), payment("B", "2", 1)},
	}}
}

func transfer(payment string, amount uint64, confirmations int) paybell.Transfer {
	return paybell.Transfer{TxID: payment, PaymentID: payment, Amount: paybell.NewUnits(amount), Status: paybell.Mempool, Confirmations: confirmations}
}

func TestWhichPaymentIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		coin string
		with []paybell.Transfer
		want string
	}{
		"the newest that is open":         {"", nil, "B"},
		"the coin that is asked for":      {"1", nil, "A"},
		"a coin that was not chosen":      {"4", nil, "B"},
		"none, to choose another":         {chooseCoin, nil, ""},
		"the one with money":              {"2", []paybell.Transfer{transfer("A", 1, 0)}, "A"},
		"the one with money, to choose":   {chooseCoin, []paybell.Transfer{transfer("A", 1, 0)}, "A"},
		"the one that is paid":            {"", []paybell.Transfer{transfer("A", 100, 0), transfer("B", 99, 0)}, "A"},
		"the newer of two that have some": {"", []paybell.Transfer{transfer("A", 50, 0), transfer("B", 40, 0)}, "B"},
	} {
		v := facts()
		v.Invoice.Transfers = c.with
		got := ""
		if p := shown(&v.Invoice, c.coin); p != nil {
			got = p.ID
		}
		if got != c.want {
			t.Errorf("%s: payment %q is shown, want %q", name, got, c.want)
		}
	}
}

func TestStages(t *testing.T) {
	pending := func(change func(*desk.CheckoutView)) desk.CheckoutView {
		v := facts()
		change(&v)
		return v
	}
	with := func(s paybell.State, transfers ...paybell.Transfer) desk.CheckoutView {
		return pending(func(v *desk.CheckoutView) { v.Invoice.State, v.Invoice.Transfers = s, transfers })
	}
	tooLate := transfer("B", 100, 0)
	tooLate.AbsentAt = noon.Add(time.Minute)
	for name, c := range map[string]struct {
		view desk.CheckoutView
		coin string
		at   time.Time
		want stage
	}{
		"open":                              {facts(), "", noon, waiting},
		"open, to choose another":           {facts(), chooseCoin, noon, choose},
		"the clock is over":                 {facts(), "", noon.Add(time.Minute), closing},
		"not chosen":                        {pending(func(v *desk.CheckoutView) { v.Invoice.State, v.Invoice.Payments = paybell.Unpaid, nil }), "", noon, choose},
		"not chosen, and the time is over":  {pending(func(v *desk.CheckoutView) { v.Invoice.Payments = nil }), "", noon.Add(24 * time.Hour), timedOut},
		"who buys is not known":             {pending(func(v *desk.CheckoutView) { v.AsksBuyer = true }), "", noon, askBuyer},
		"part":                              {with(paybell.Pending, transfer("B", 40, 1)), "", noon, part},
		"part, and the clock is over":       {with(paybell.Pending, transfer("B", 40, 1)), "", noon.Add(time.Minute), short},
		"all, but paid needs confirmations": {with(paybell.Pending, transfer("B", 100, 0)), "", noon, seen},
		"all":                               {with(paybell.Paid, transfer("B", 100, 0)), "", noon, seen},
		"all and a block":                   {with(paybell.Paid, transfer("B", 100, 1)), "", noon, confirming},
		"done":                              {with(paybell.Completed, transfer("B", 100, 3)), "", noon, completed},
		"done, and it went away":            {with(paybell.Completed), "", noon, completed},
		"late":                              {with(paybell.Unpaid, tooLate), "", noon.Add(time.Hour), late},
		"cancelled":                         {with(paybell.Cancelled), "", noon, cancelled},
		"cancelled with money":              {with(paybell.Cancelled, tooLate), "", noon, cancelled},
		"timed out":                         {with(paybell.TimedOut), "", noon, timedOut},
		"all windows over": {pending(func(v *desk.CheckoutView) {
			for i := range v.Invoice.Payments {
				v.Invoice.Payments[i].TimedOutAt = noon
			}
		}), "", noon, chooseAnew},
	} {
		p := pageAt(c.view, visit{coin: c.coin}, "", c.at)
		if got := p.stage(); got != c.want {
			t.Errorf("%s: stage %d, want %d", name, got, c.want)
		}
	}
}

// TestPaidNeedsConfirmations: that all is there does not mean paid, if the merchant
// wants to see it in blocks.
func TestPaidNeedsConfirmations(t *testing.T) {
	for after, want := range map[int]string{
		0: "The network will confirm it now. You can close this page.",
		1: "It counts as paid after 1 confirmation. You can close this page.",
		2: "It counts as paid after 2 confirmations. You can close this page.",
	} {
		v := facts()
		v.Invoice.Transfers = []paybell.Transfer{transfer("B", 100, 0)}
		v.Invoice.Payments[1].PaidAfter = after
		p := pageAt(v, visit{}, "", noon)
		if p.Text != want || strings.HasPrefix(p.Label, "Paid") != (after == 0) {
			t.Errorf("paid after %d: %q, on paper %q, want %q", after, p.Text, p.Label, want)
		}
		v.Invoice.State = paybell.Paid
		if p := pageAt(v, visit{}, "", noon); p.Text != stages[seen].Text {
			t.Errorf("paid after %d, and it is: %q", after, p.Text)
		}
	}
}

// TestDepth counts what the payment itself needs, and no further.
func TestDepth(t *testing.T) {
	for confirmations, want := range map[int]string{0: "0 of 6 confirmations", 1: "1 of 6 confirmations", 6: "6 of 6 confirmations", 9: "6 of 6 confirmations"} {
		v := facts()
		v.Invoice.State, v.Invoice.Transfers = paybell.Paid, []paybell.Transfer{transfer("B", 100, confirmations)}
		v.Invoice.Payments[1].CompletedAfter = 6
		text, err := pageAt(v, visit{}, "", noon).render("live")
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("with %d the page does not say %q, %v", confirmations, want, err)
		}
	}
}

// TestEveryStageIsSaid: each stage has its words, those that wait look again, and
// those where the buyer writes or chooses do not.
func TestEveryStageIsSaid(t *testing.T) {
	if len(stages) != int(timedOut)+1 {
		t.Fatalf("%d stages are said, there are %d", len(stages), timedOut+1)
	}
	for i, s := range stages {
		if s.Title == "" || s.Label == "" || s.Leave == "" || s.Text == "" && s.Does == "" {
			t.Errorf("stage %d is not wholly said: %+v", i, s)
		}
		waits := s.Mark == "wait" || stage(i) == part || stage(i) == seen || stage(i) == confirming
		if waits != s.Waits {
			t.Errorf("stage %d looks again: %v", i, s.Waits)
		}
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute", 59 * time.Second: "less than a minute", time.Minute: "1 min", 43*time.Minute + 59*time.Second: "43 min",
		time.Hour: "1 hour", 65 * time.Minute: "1 h 5 min", 3 * time.Hour: "3 hours", 7 * 24 * time.Hour: "7 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	v := facts()
	for at, want := range map[time.Time]string{noon: "12:01 UTC", noon.Add(-24 * time.Hour): "1 March, 12:01 UTC"} {
		if got := pageAt(v, visit{}, "", at).Until().Text; got != want {
			t.Errorf("at %v: until %q, want %q", at, got, want)
		}
	}
	p := &page{}
	p.Native, _ = paybell.FindCurrency("USD")
	for amount, want := range map[string]string{"0.5": "0.50", "999": "999.00", "1000": "1,000.00", "999999999999999.99": "999,999,999,999,999.99"} {
		if got := p.Price(decimal.RequireFromString(amount)); got != want {
			t.Errorf("%s is written %q, want %q", amount, got, want)
		}
	}
}

// TestWallets: a link that opens a wallet is for coins that are worth something.
func TestWallets(t *testing.T) {
	v := facts()
	if got := pageAt(v, visit{}, "", noon).Wallet(); got != "litecoin:addrB?amount=0.000001" {
		t.Errorf("the link to a wallet is %q", got)
	}
	v.Invoice.Payments[1].Currency = paybell.LTCT
	if got := pageAt(v, visit{}, "", noon).Wallet(); got != "" {
		t.Errorf("the test coin opens a wallet: %q", got)
	}
	v.Coins = make([]desk.PricedCoin, 2)
	if got := pageAt(v, visit{success: "https://a.example/?b=c&d"}, "../", noon).OtherCoin(); got != "../checkout/?coin=choose&invoice-id=&success-url=https%3A%2F%2Fa.example%2F%3Fb%3Dc%26d" {
		t.Errorf("the list of coins is at %q", got)
	}
}
