package dash

import (
	"context"
	"fmt"
	"net/http"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// testPanel is what can be tried out with test coins.
type testPanel struct {
	Opened  bool   // there is a payment to pay to
	Missing string // of it; empty: nothing
	Part    bool   // some of it came
	Window  bool   // it waits, and its time can be ended
	Mempool string // the newest transaction that is in no block; empty: there is none
	Blocks  int    // to mine until all is confirmed; 0: all is
	Mined   bool   // there is a block to take back
}

// newTestPanel is nil when the invoice is not paid with test coins.
func newTestPanel(inv *paybell.Invoice) *testPanel {
	if !inv.Test {
		return nil
	}
	t := &testPanel{}
	if p, ok := testPayment(inv); ok {
		m := inv.Money(p)
		t.Opened = true
		if !m.Missing.IsZero() {
			t.Missing, t.Part = coins(m.Missing, p.Currency), !m.Counted.IsZero()
		}
		t.Window = p.Open() && m.Seen.IsZero() && (inv.State == paybell.Unpaid || inv.State == paybell.Pending)
	}
	if tx, ok := newestTransfer(inv, paybell.Mempool); ok {
		t.Mempool = tx.TxID
	}
	if tx, ok := newestTransfer(inv, paybell.Mined); ok {
		t.Mined = tx.Confirmations > 0
	}
	t.Blocks = blocksToMine(inv)
	return t
}

// testPayment is the payment that test coins go to: the latest in that coin.
func testPayment(inv *paybell.Invoice) (paybell.Payment, bool) {
	for i := len(inv.Payments) - 1; i >= 0; i-- {
		if p := inv.Payments[i]; p.Currency == paybell.LTCT {
			return p, true
		}
	}
	return paybell.Payment{}, false
}

func newestTransfer(inv *paybell.Invoice, status paybell.TransferStatus) (newest paybell.Transfer, found bool) {
	for _, t := range inv.Transfers {
		if t.Network == paybell.SandboxNetwork && t.Status == status && (!found || t.SeenAt.After(newest.SeenAt)) {
			newest, found = t, true
		}
	}
	return newest, found
}

// blocksToMine is how many blocks it takes until all test money has its
// confirmations.
func blocksToMine(inv *paybell.Invoice) (blocks int) {
	needed := map[string]int{}
	for _, p := range inv.Payments {
		needed[p.ID] = p.CompletedAfter
	}
	for _, t := range inv.Transfers {
		if t.Network == paybell.SandboxNetwork && t.Standing() {
			blocks = max(blocks, needed[t.PaymentID]-t.Confirmations)
		}
	}
	return blocks
}

// testSteps are the buttons, by the end of their address. Each returns what was done.
var testSteps = map[string]func(*Server, context.Context, desk.Actor, *paybell.Invoice) (string, error){
	"open": func(s *Server, ctx context.Context, _ desk.Actor, inv *paybell.Invoice) (string, error) {
		_, p, err := s.Desk.OpenPayment(ctx, inv.ID, paybell.LTCT)
		return coins(p.Due, p.Currency) + " can be paid now.", err
	},
	"exact": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		_, err := s.Desk.PaySandbox(ctx, a, inv.ID, nil)
		return "What is missing was sent in test coins.", err
	},
	"half": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		return s.payShare(ctx, a, inv, decimal.New(5, -1))
	},
	"much": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		return s.payShare(ctx, a, inv, decimal.New(15, -1))
	},
	"expire": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		err := s.Desk.ExpireSandbox(ctx, a, inv.ID, "window")
		return "The time to pay was ended. What is paid now is late.", err
	},
	"bump": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		return s.replaceTest(ctx, a, inv, true, "The transaction was replaced by another that pays the invoice, too.")
	},
	"replace": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		return s.replaceTest(ctx, a, inv, false, "The transaction was double-spent: another one pays somebody else.")
	},
	"drop": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		t, err := inMempool(inv)
		if err != nil {
			return "", err
		}
		return "The nodes have forgotten the transaction.", s.Desk.DropSandbox(ctx, a, t.TxID)
	},
	"mine": func(s *Server, ctx context.Context, a desk.Actor, _ *paybell.Invoice) (string, error) {
		_, err := s.Desk.MineSandbox(ctx, a, 1)
		return "A block was mined.", err
	},
	"confirm": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		n := max(1, blocksToMine(inv))
		_, err := s.Desk.MineSandbox(ctx, a, n)
		return fmt.Sprintf("%d blocks were mined.", n), err
	},
	"reorg": func(s *Server, ctx context.Context, a desk.Actor, inv *paybell.Invoice) (string, error) {
		t, ok := newestTransfer(inv, paybell.Mined)
		if !ok || t.Confirmations == 0 {
			return "", paybell.Errorf(paybell.Conflict, "no transaction of this invoice is in a block")
		}
		err := s.Desk.ReorgSandbox(ctx, a, t.Confirmations)
		return fmt.Sprintf("%d blocks were taken back, and with them the transaction's confirmations.", t.Confirmations), err
	},
}

// testInvoice does what a button says.
func (s *Server) testInvoice(w http.ResponseWriter, r *request) error {
	step, ok := testSteps[r.PathValue("step")]
	if !ok {
		return nowhere(w, r)
	}
	actor := r.Person.Actor()
	if err := actor.Uses(paybell.UseSandbox); err != nil {
		return err
	}
	inv, _, err := s.Desk.Invoice(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !inv.Test {
		return paybell.Errorf(paybell.Conflict, "this invoice is paid with real coins; test coins cannot pay it")
	}
	said, err := step(s, r.Context(), actor, &inv)
	if err != nil {
		return s.showInvoiceWith(w, r, err)
	}
	return done(w, invoicesPath+"/"+inv.ID, said)
}

// payShare pays a share of what is missing, or of the whole when nothing is.
func (s *Server) payShare(ctx context.Context, a desk.Actor, inv *paybell.Invoice, share decimal.Decimal) (string, error) {
	p, ok := testPayment(inv)
	if !ok {
		opened, fresh, err := s.Desk.OpenPayment(ctx, inv.ID, paybell.LTCT)
		if err != nil {
			return "", err
		}
		*inv, p = opened, fresh
	}
	of := inv.Money(p).Missing
	if of.IsZero() {
		of = p.Due
	}
	coin, _ := paybell.FindCurrency(paybell.LTCT)
	amount := of.Coins(coin.Decimals).Mul(share).RoundUp(coin.Decimals)
	if _, err := s.Desk.PaySandbox(ctx, a, inv.ID, &amount); err != nil {
		return "", err
	}
	return thousands(amount.String()) + " " + coin.Symbol + " were sent.", nil
}

func inMempool(inv *paybell.Invoice) (paybell.Transfer, error) {
	t, ok := newestTransfer(inv, paybell.Mempool)
	if !ok {
		return t, paybell.Errorf(paybell.Conflict, "every transaction of this invoice is in a block, or there is none: pay first")
	}
	return t, nil
}

func (s *Server) replaceTest(ctx context.Context, a desk.Actor, inv *paybell.Invoice, toInvoice bool, said string) (string, error) {
	t, err := inMempool(inv)
	if err != nil {
		return "", err
	}
	_, err = s.Desk.ReplaceSandbox(ctx, a, t.TxID, toInvoice)
	return said, err
}
