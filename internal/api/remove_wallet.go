package api

import "net/http"

func (s *Server) removeWallet(w http.ResponseWriter, r *request) error {
	if err := s.Desk.RemoveWallet(r.Context(), r.actor, r.PathValue("walletId")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
