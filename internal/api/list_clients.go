package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

func (s *Server) listClients(w http.ResponseWriter, r *request) error {
	clients, err := s.Desk.Clients(r.Context(), r.actor)
	if err != nil {
		return err
	}
	items := []clientJSON{}
	for _, c := range clients {
		items = append(items, newClientJSON(c))
	}
	// All of them are on one page: there are not more.
	return reply(w, http.StatusOK, listJSON[clientJSON]{items, s.paging(r, paybell.MaxClientsPerMerchant, "")})
}

func (s *Server) getClient(w http.ResponseWriter, r *request) error {
	c, err := s.Desk.Client(r.Context(), r.actor, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newClientJSON(c))
}
