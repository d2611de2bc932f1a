package dash

import (
	"context"
	"fmt"
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) pauseWebhook(w http.ResponseWriter, r *request) error {
	onWire, err := s.Desk.PauseWebhook(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"))
	if err != nil {
		return err
	}
	return done(w, integrationPath(r.PathValue("client")), "The webhook is paused. What happens meanwhile is kept for it."+attempts(onWire))
}

// enablePop asks what is to become of what a webhook missed.
type enablePop struct {
	webhookPop
	Send, Skip int64 // how many notifications that is
}

func (s *Server) askEnableWebhook(ctx context.Context, r *request) (view, error) {
	send, skip, err := s.Desk.CountMissed(ctx, r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"))
	if err != nil {
		return view{}, err
	}
	return s.webhookWith(ctx, r, "webhook_enable.html", "Enable the webhook", func(h desk.HookStatus) any {
		return enablePop{popUp(h).(webhookPop), send, skip}
	})
}

func (s *Server) enableWebhook(w http.ResponseWriter, r *request) error {
	skip, err := skipsMissed(r)
	if err != nil {
		return err
	}
	job, err := s.Desk.EnableWebhook(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("webhook"), skip)
	if err != nil {
		return err
	}
	return done(w, integrationPath(r.PathValue("client")), "The webhook rings again."+jobText(job))
}

// enableEndpoint lets a server be served again that only webhooks of single
// invoices point at.
func (s *Server) enableEndpoint(w http.ResponseWriter, r *request) error {
	skip, err := skipsMissed(r)
	if err != nil {
		return err
	}
	job, err := s.Desk.EnableEndpoint(r.Context(), r.Person.Actor(), r.PathValue("client"), r.field("origin"), skip)
	if err != nil {
		return err
	}
	return done(w, integrationPath(r.PathValue("client")), job.Origin+" is served again."+jobText(job))
}

// skipsMissed reads what is to become of what was missed.
func skipsMissed(r *request) (bool, error) {
	switch r.field("missed") {
	case "send":
		return false, nil
	case "skip":
		return true, nil
	}
	return false, paybell.Errorf(paybell.Invalid, "say what is to become of what was missed: send it or skip it")
}

// jobText says what a job that enabling began is about.
func jobText(job paybell.Resend) string {
	skips := job.What == paybell.SkipMissed
	switch {
	case job.Total == 0:
		return " Nothing was missed."
	case job.Total == 1 && skips:
		return " The notification that it missed is skipped."
	case job.Total == 1:
		return " The notification that it missed is sent now."
	case skips:
		return fmt.Sprintf(" The %d notifications that it missed are skipped.", job.Total)
	}
	return fmt.Sprintf(" The %d notifications that it missed are sent now, after what is new.", job.Total)
}
