package dash

import (
	"context"
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// tryPop sends a test, and tells how it went.
type tryPop struct {
	webhookPop
	Events  []string
	Event   string           // chosen
	Attempt *paybell.Attempt // nil: none was made yet
}

func (s *Server) askTryWebhook(ctx context.Context, r *request) (view, error) {
	return s.showTry(ctx, r, tryPop{})
}

func (s *Server) showTry(ctx context.Context, r *request, p tryPop) (view, error) {
	return s.webhookWith(ctx, r, "webhook_test.html", "Send a test notification", func(h desk.HookStatus) any {
		p := p
		p.HookStatus, p.Back = h, integrationPath(h.Webhook.ClientID)
		p.Events = (paybell.AllEvents | h.Webhook.Events).Names()
		if p.Event == "" {
			p.Event = h.Webhook.Events.Names()[0]
		}
		return p
	})
}

// tryWebhook sends a sample of an event to a webhook.
func (s *Server) tryWebhook(w http.ResponseWriter, r *request) error {
	p := tryPop{Event: r.field("event")}
	status := http.StatusOK
	a, err := s.Desk.TryWebhook(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"), p.Event)
	switch p.complaint = complain(err, webhookLabels); {
	case p.Wrong != "":
		status = http.StatusUnprocessableEntity
	case err != nil:
		return err
	default:
		p.Attempt = &a
	}
	v, err := s.showTry(r.Context(), r, p)
	if err != nil {
		return err
	}
	return s.show(w, r, status, v)
}
