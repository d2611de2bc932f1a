package api

import (
	"net/http"
	"strconv"
)

func (s *Server) updateWebhook(w http.ResponseWriter, r *request) error {
	var body webhookBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	id := r.PathValue("webhookId")
	onWire, err := s.Desk.UpdateWebhook(r.Context(), r.actor, r.PathValue("clientId"), id, body.webhook())
	if err != nil {
		return err
	}
	sayOnWire(w, onWire)
	return reply(w, http.StatusOK, idJSON{id})
}

// sayOnWire tells how many attempts for a webhook are still under way after a
// change: they began before, and are not called back.
func sayOnWire(w http.ResponseWriter, n int) { w.Header().Set("Paybell-In-Flight", strconv.Itoa(n)) }
