package api

import "net/http"

func (s *Server) deleteWebhook(w http.ResponseWriter, r *request) error {
	if err := s.Desk.DeleteWebhook(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
