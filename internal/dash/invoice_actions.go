package dash

import (
	"context"
	"net/http"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) cancelInvoice(w http.ResponseWriter, r *request) error {
	if err := s.Desk.CancelInvoice(r.Context(), r.Person.Actor(), r.PathValue("id")); err != nil {
		return s.showInvoiceWith(w, r, err)
	}
	return done(w, invoicesPath+"/"+r.PathValue("id"), "The invoice is cancelled.")
}

func (s *Server) acceptInvoice(w http.ResponseWriter, r *request) error {
	if err := s.Desk.AcceptInvoice(r.Context(), r.Person.Actor(), r.PathValue("id")); err != nil {
		return s.showInvoiceWith(w, r, err)
	}
	return done(w, invoicesPath+"/"+r.PathValue("id"), "What is there is accepted as enough.")
}

// refundForm is the pop-up that notes a refund.
type refundForm struct {
	complaint
	TxID, Amount, Currency string
	Coins                  []paybell.Currency // those of the invoice's payments first
	Back                   string
}

func (s *Server) askRefund(ctx context.Context, r *request) (view, error) {
	if err := mayChange(r); err != nil {
		return view{}, err
	}
	return s.refundPop(ctx, r, refundForm{})
}

// refundPop is the invoice's page with the pop-up over it.
func (s *Server) refundPop(ctx context.Context, r *request, f refundForm) (view, error) {
	p, err := s.readInvoice(ctx, r)
	if err != nil {
		return view{}, err
	}
	f.Back = p.Path
	first := map[string]bool{}
	for _, payment := range p.Invoice.Payments {
		if c, ok := paybell.FindCurrency(payment.Currency); ok && !first[c.ID] {
			f.Coins, first[c.ID] = append(f.Coins, c), true
		}
	}
	for _, c := range paybell.Currencies() {
		if !first[c.ID] {
			f.Coins = append(f.Coins, c)
		}
	}
	p.Pop = f
	return view{Template: "invoice_refund.html", Title: "Note a refund of invoice " + p.Name, Area: "invoices", Data: p}, nil
}

var refundLabels = map[string]string{"txId": "Transaction", "amount": "Amount", "currency": "Coin"}

func (s *Server) noteRefund(w http.ResponseWriter, r *request) error {
	f := refundForm{TxID: r.field("txid"), Amount: r.field("amount"), Currency: r.field("currency")}
	_, err := s.refundOf(r, f)
	if paybell.CodeOf(err) == paybell.Forbidden && err != nil {
		return err
	}
	if f.complaint = complain(err, refundLabels); f.Wrong != "" {
		v, err := s.refundPop(r.Context(), r, f)
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return done(w, invoicesPath+"/"+r.PathValue("id"), "The refund is noted.")
}

func (s *Server) refundOf(r *request, f refundForm) (desk.Refund, error) {
	amount, err := typedAmount("amount", strings.ReplaceAll(f.Amount, " ", ""))
	if err != nil {
		return desk.Refund{}, err
	}
	return s.Desk.NoteRefund(r.Context(), r.Person.Actor(), r.PathValue("id"), desk.NewRefund{Currency: f.Currency, Amount: amount, TxID: f.TxID})
}
