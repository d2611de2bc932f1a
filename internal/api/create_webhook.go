package api

import (
	"net/http"

	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) createWebhook(w http.ResponseWriter, r *request) error {
	var body webhookBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	hook, err := s.Desk.CreateWebhook(r.Context(), r.actor, r.PathValue("clientId"), body.webhook())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, idJSON{hook.ID})
}

// webhookBody is a webhook as clients send it.
type webhookBody struct {
	NotificationsURL text     `json:"notificationsUrl"`
	Notifications    []string `json:"notifications"`
}

func (b webhookBody) webhook() desk.NewWebhook {
	return desk.NewWebhook{URL: string(b.NotificationsURL), Events: b.Notifications}
}

type idJSON struct {
	ID string `json:"id"`
}
