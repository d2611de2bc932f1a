package api

import (
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// createClient answers with the client and its secret, which is shown this once.
func (s *Server) createClient(w http.ResponseWriter, r *request) error {
	var body clientBody
	if err := decodeOnly(r.body, &body, clientKeys...); err != nil {
		return err
	}
	asked, err := body.change()
	if err != nil {
		return err
	}
	c, secret, err := s.Desk.CreateClient(r.Context(), r.actor, desk.NewClient{
		Name: given(asked.Name, ""), Integration: given(asked.Integration, ""), URL: given(asked.URL, ""),
		State: given(asked.State, ""), Permissions: given(asked.Permissions, paybell.UsualPermissions), AllowedIPs: given(asked.AllowedIPs, nil),
		EventNames: given(asked.EventNames, 0),
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusCreated, struct {
		clientJSON
		secretJSON
	}{newClientJSON(c), secretJSON{secret}})
}

type secretJSON struct {
	ClientSecret string `json:"clientSecret"`
}

func given[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
