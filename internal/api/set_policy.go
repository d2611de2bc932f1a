package api

import "net/http"

// setPolicy says how many confirmations new payments to a wallet need.
func (s *Server) setPolicy(w http.ResponseWriter, r *request) error {
	var body policyBody
	if err := decodeOnly(r.body, &body, "paid", "completed"); err != nil {
		return err
	}
	coin, err := s.Desk.WalletCoin(r.Context(), r.actor, r.PathValue("walletId"))
	if err != nil {
		return err
	}
	p, err := body.policy("", coin)
	if err != nil {
		return err
	}
	v, err := s.Desk.SetPolicy(r.Context(), r.actor, r.PathValue("walletId"), p)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newWalletJSON(v))
}
