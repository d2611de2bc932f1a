package api

import (
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) updateClient(w http.ResponseWriter, r *request) error {
	var body clientBody
	if err := decodeOnly(r.body, &body, clientKeys...); err != nil {
		return err
	}
	change, err := body.change()
	if err != nil {
		return err
	}
	c, err := s.Desk.UpdateClient(r.Context(), r.actor, r.PathValue("clientId"), change)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newClientJSON(c))
}

// deleteClient ends a client for ever. Nothing rings for its invoices any more.
func (s *Server) deleteClient(w http.ResponseWriter, r *request) error {
	gone := paybell.ClientDeleted
	if _, err := s.Desk.UpdateClient(r.Context(), r.actor, r.PathValue("clientId"), desk.ClientChange{State: &gone}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
