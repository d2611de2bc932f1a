package api

import "net/http"

func (s *Server) deleteWebhook(w http.ResponseWriter, r *request) error {
	onWire, err := s.Desk.DeleteWebhook(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"))
	if err != nil {
		return err
	}
	sayOnWire(w, onWire)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
