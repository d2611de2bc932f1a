package dash

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// newIntegrationForm is the pop-up "Add New".
type newIntegrationForm struct {
	complaint
	Key       string // random: a form that is sent again makes nothing more
	Name, URL string
	Events    eventDrop
	Back      string
}

const integrationsPath = "/dash/integrations/api"

func (s *Server) newIntegration(ctx context.Context, r *request) (view, error) {
	return s.integrationListWith(ctx, r, newIntegrationForm{Key: rand.Text(), Events: eventChoices(usualEvents, 0)})
}

// integrationListWith is the list with the pop-up over it.
func (s *Server) integrationListWith(ctx context.Context, r *request, f newIntegrationForm) (view, error) {
	v, err := s.integrationList(ctx, r)
	if err != nil {
		return v, err
	}
	f.Back = integrationsPath
	list := v.Data.(integrationList)
	list.Pop = f
	v.Template, v.Title, v.Data = "integrations_new.html", "Add an API integration", list
	return v, nil
}

var newIntegrationLabels = map[string]string{"name": "Name", "notificationsUrl": "Server URL", "notifications": "Events"}

// createIntegration answers with the id and the secret, which nobody can be shown
// again. A form that is sent again leads to the client that it made.
func (s *Server) createIntegration(w http.ResponseWriter, r *request) error {
	f := newIntegrationForm{Key: r.field("key"), Name: r.field("name"), URL: r.field("url")}
	events := r.PostForm["event"]
	c, secret, err := s.Desk.CreateIntegration(r.Context(), r.Person.Actor(), desk.NewIntegration{
		Client: desk.NewClient{Name: f.Name, Permissions: paybell.UsualPermissions}, Hook: desk.NewWebhook{URL: f.URL, Events: events}, Key: f.Key,
	})
	if f.complaint = complain(err, newIntegrationLabels); f.Wrong != "" {
		chosen, _ := paybell.ParseEvents("", events) // what is none stays unchosen
		f.Events = eventChoices(chosen, 0)
		v, err := s.integrationListWith(r.Context(), r, f)
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	if secret == "" {
		return done(w, integrationPath(c.ID), c.Name+" was made when this form was sent before. Its secret was shown then; if nobody kept it, regenerate it.")
	}
	return s.showSecret(w, r, http.StatusCreated, newSecretPage{Client: c, Secret: secret, Hooked: f.URL != ""})
}
