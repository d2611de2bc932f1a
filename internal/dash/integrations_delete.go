package dash

import (
	"context"
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// deleteForm asks for the client's name, to be sure.
type deleteForm struct {
	complaint
	Back, Name string
}

func (s *Server) askDeleteIntegration(ctx context.Context, r *request) (view, error) {
	return s.integrationWith(ctx, r, "integrations_delete.html", "Delete an integration", deleteForm{Back: integrationPath(r.PathValue("client"))})
}

func (s *Server) deleteIntegration(w http.ResponseWriter, r *request) error {
	c, err := s.Desk.Client(r.Context(), r.Person.Actor(), r.PathValue("client"))
	if err != nil {
		return err
	}
	if name := r.field("name"); name != c.Name {
		v, err := s.integrationWith(r.Context(), r, "integrations_delete.html", "Delete an integration", deleteForm{
			complaint: complaint{Wrong: "That is not its name, so nothing was deleted. Write it exactly as it stands here.", Bad: map[string]bool{"name": true}},
			Back:      integrationPath(c.ID), Name: name,
		})
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	gone := paybell.ClientDeleted
	if _, err := s.Desk.UpdateClient(r.Context(), r.Person.Actor(), c.ID, desk.ClientChange{State: &gone}); err != nil {
		return err
	}
	return done(w, integrationsPath, c.Name+" is deleted.")
}
