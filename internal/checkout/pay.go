package checkout

import (
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// pay is a buyer choosing a coin: an address is taken and an amount locked, or
// those that the coin has are shown again.
func (s *Server) pay(w http.ResponseWriter, r *http.Request) error {
	v, err := readForm(w, r)
	if err != nil {
		return err
	}
	coin, err := desk.FindCurrency(r.PostForm.Get("coin"))
	if err != nil {
		return paybell.Errorf(paybell.Invalid, "the form names no coin")
	}
	for _, who := range []string{v.id, s.caller(r)} {
		if err := s.choices.Take(who); err != nil {
			return err
		}
	}
	// A conflict means that the invoice is not what the buyer saw. Now they see it.
	if _, _, err := s.Desk.OpenPayment(r.Context(), v.id, coin.ID); err != nil && paybell.CodeOf(err) != paybell.Conflict {
		return err
	}
	v.coin = coin.ID
	return redirect(w, r, v)
}
