package dash

import (
	"context"
	"net/http"

	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) newWebhook(ctx context.Context, r *request) (view, error) {
	f := newWebhookForm
	f.Back, f.Events = integrationPath(r.PathValue("client")), eventChoices(usualEvents, 0)
	return s.integrationWith(ctx, r, "webhook_form.html", f.Title, f)
}

var newWebhookForm = webhookForm{Title: "Add a webhook", OK: "Add webhook"}

func (s *Server) createWebhook(w http.ResponseWriter, r *request) error {
	n, err := readWebhook(r)
	if err == nil {
		_, err = s.Desk.CreateWebhook(r.Context(), r.Person.Actor(), r.PathValue("client"), n)
	}
	f := newWebhookForm
	if f.complaint = complain(err, webhookLabels); f.Wrong != "" {
		return s.showWebhookForm(w, r, f, 0)
	}
	if err != nil {
		return err
	}
	return done(w, integrationPath(r.PathValue("client")), "The webhook is added. It rings for what happens from now on.")
}

var editWebhookForm = webhookForm{Title: "Edit the webhook", OK: "Save"}

func (s *Server) editWebhook(ctx context.Context, r *request) (view, error) {
	return s.webhookWith(ctx, r, "webhook_form.html", editWebhookForm.Title, func(h desk.HookStatus) any {
		f, w := editWebhookForm, h.Webhook
		f.Back, f.URL, f.Events = integrationPath(w.ClientID), w.URL, eventChoices(w.Events, w.Events)
		f.Schedule, f.Advanced = pausesText(w.Schedule), len(w.Schedule) > 0
		return f
	})
}

func (s *Server) updateWebhook(w http.ResponseWriter, r *request) error {
	n, err := readWebhook(r)
	onWire := 0
	if err == nil {
		onWire, err = s.Desk.UpdateWebhook(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"), n)
	}
	f := editWebhookForm
	if f.complaint = complain(err, webhookLabels); f.Wrong != "" {
		was, err := s.Desk.WebhookStatus(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"))
		if err != nil {
			return err
		}
		return s.showWebhookForm(w, r, f, was.Webhook.Events)
	}
	if err != nil {
		return err
	}
	return done(w, integrationPath(r.PathValue("client")), "The webhook is saved."+attempts(onWire))
}

func (s *Server) askDeleteWebhook(ctx context.Context, r *request) (view, error) {
	return s.webhookWith(ctx, r, "webhook_delete.html", "Delete the webhook", popUp)
}

func popUp(h desk.HookStatus) any {
	return webhookPop{HookStatus: h, Back: integrationPath(h.Webhook.ClientID)}
}

func (s *Server) deleteWebhook(w http.ResponseWriter, r *request) error {
	onWire, err := s.Desk.DeleteWebhook(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"))
	if err != nil {
		return err
	}
	return done(w, integrationPath(r.PathValue("client")), "The webhook is deleted."+attempts(onWire))
}
