package api

import (
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) createWebhook(w http.ResponseWriter, r *request) error {
	var body webhookBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	clientID, in := r.PathValue("clientId"), body.webhook()
	if key == "" {
		hook, err := s.Desk.CreateWebhook(r.Context(), r.actor, clientID, in)
		if err != nil {
			return err
		}
		return reply(w, http.StatusOK, idJSON{hook.ID})
	}
	answer, err := s.Desk.CreateWebhookOnce(r.Context(), r.actor, clientID, in, desk.Once[paybell.Webhook]{
		Route: r.Pattern, Key: key, Body: r.body,
		Answer: func(hook paybell.Webhook) ([]byte, error) { return encode(idJSON{hook.ID}) },
	})
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, "application/json", answer)
}

// webhookBody is a webhook as clients send it.
type webhookBody struct {
	NotificationsURL text  `json:"notificationsUrl"`
	Notifications    names `json:"notifications"`
	// RetrySchedule is Paybell's own: pauses in seconds; empty for the usual ones.
	RetrySchedule []int64 `json:"retrySchedule"`
}

func (b webhookBody) webhook() desk.NewWebhook {
	return desk.NewWebhook{URL: string(b.NotificationsURL), Events: b.Notifications, Schedule: b.RetrySchedule}
}

type idJSON struct {
	ID string `json:"id"`
}
