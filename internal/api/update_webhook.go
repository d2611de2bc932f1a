package api

import "net/http"

func (s *Server) updateWebhook(w http.ResponseWriter, r *request) error {
	var body webhookBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	id := r.PathValue("webhookId")
	if err := s.Desk.UpdateWebhook(r.Context(), r.actor, r.PathValue("clientId"), id, body.webhook()); err != nil {
		return err
	}
	return reply(w, http.StatusOK, idJSON{id})
}
