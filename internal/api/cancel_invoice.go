package api

import "net/http"

// cancelInvoice answers with nothing, as clients expect. Cancelling twice is fine.
func (s *Server) cancelInvoice(w http.ResponseWriter, r *request) error {
	if err := s.Desk.CancelInvoice(r.Context(), r.actor, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
