package api

import "net/http"

func (s *Server) getWallet(w http.ResponseWriter, r *request) error {
	v, err := s.Desk.WalletOf(r.Context(), r.actor, r.PathValue("walletId"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newWalletJSON(v))
}
