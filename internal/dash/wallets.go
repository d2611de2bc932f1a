package dash

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/paybell/paybell"
)

func (s *Server) walletRoutes() []route {
	return []route{
		{"GET /dash/wallets", s.page(s.wallets)},
		{"POST /dash/wallets/mine", s.mineBlocks},
		{"GET /dash/wallets/terms/{client}", s.page(s.askTerms)},
		{"POST /dash/wallets/terms/{client}", s.setTerms},
	}
}

// walletsPage is what buyers can pay with, and by which terms. Form is the pop-up
// over it that changes a client's; nil is none.
type walletsPage struct {
	Test    coinLine
	Height  int64
	Coins   []coinLine
	Prices  []paybell.Currency // what invoices can be priced in besides
	Clients []paybell.Client
	Usual   paybell.Terms
	Form    *termsForm
}

// coinLine is a coin with the confirmations that count for it.
type coinLine struct {
	paybell.Currency
	Paid, Completed int
}

// newCoinLine takes a coin with the policy that new payments get (see
// paybell.DefaultPolicy): no wallet has one of its own yet.
func newCoinLine(c paybell.Currency) coinLine {
	l := coinLine{Currency: c}
	l.Paid, l.Completed = paybell.DefaultPolicy(c).Required(paybell.Units{})
	return l
}

// PaidText says when an invoice is paid.
func (l coinLine) PaidText() string {
	if l.Paid == 0 {
		return "As soon as the payment is seen"
	}
	return "After " + count(l.Paid, "confirmation")
}

// CompletedText says when it is completed.
func (l coinLine) CompletedText() string { return "After " + count(l.Completed, "confirmation") }

// wallets is for all who sign in. It holds no secrets: there are only addresses to
// receive at.
func (s *Server) wallets(ctx context.Context, r *request) (view, error) {
	return s.walletsWith(ctx, r, nil)
}

func (s *Server) walletsWith(ctx context.Context, r *request, f *termsForm) (view, error) {
	p := walletsPage{Usual: paybell.DefaultTerms, Form: f}
	for _, c := range paybell.Currencies() {
		switch {
		case c.Type == paybell.Fiat:
			p.Prices = append(p.Prices, c)
		case c.Test:
			p.Test = newCoinLine(c)
		default:
			p.Coins = append(p.Coins, newCoinLine(c))
		}
	}
	var err error
	if _, p.Height, err = s.Desk.LatestBlock(ctx, p.Test.ID); err != nil {
		return view{}, err
	}
	p.Clients, err = s.Desk.Clients(ctx, r.Person.Actor())
	return view{Template: "wallets.html", Title: "Wallets & coins", Area: "wallets", Data: p}, err
}

// mineBlocks mines on the merchant's test ledger.
func (s *Server) mineBlocks(w http.ResponseWriter, r *request) error {
	blocks, err := strconv.Atoi(r.field("blocks"))
	if err != nil {
		return paybell.Errorf(paybell.Invalid, "say how many blocks to mine")
	}
	height, err := s.Desk.MineSandbox(r.Context(), r.Person.Actor(), blocks)
	if err != nil {
		return err
	}
	return done(w, "/dash/wallets", fmt.Sprintf("Mined %s: the test ledger's height is %d.", count(blocks, "block"), height))
}
