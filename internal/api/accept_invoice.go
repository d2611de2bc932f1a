package api

import "net/http"

// acceptInvoice takes the money that stands as enough. CoinPayments has no such
// call; this is our own.
func (s *Server) acceptInvoice(w http.ResponseWriter, r *request) error {
	if err := s.Desk.AcceptInvoice(r.Context(), r.actor, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
