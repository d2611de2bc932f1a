package dash

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// resendPage asks since when a webhook is to be told again what was given up, counts
// that, and then asks whether to do it.
type resendPage struct {
	Webhook   paybell.Webhook
	Host      string
	Back      string
	SinceText string    // as the form has it, in UTC
	Since     time.Time // zero: it was not asked yet
	Count     int64
	Wrong     string
	Choices   []resendChoice
}

type resendChoice struct{ Text, Since string }

// Sentence says how many there are.
func (p resendPage) Sentence() string {
	switch p.Count {
	case 0:
		return "Nothing was given up since then: there is nothing to send again."
	case 1:
		return "1 notification was given up since then."
	}
	return thousands(fmt.Sprint(p.Count)) + " notifications were given up since then."
}

func (s *Server) askResend(ctx context.Context, r *request) (view, error) {
	q := r.URL.Query()
	return s.showResend(ctx, r, q.Get("client"), q.Get("webhook"), q.Get("since"), nil)
}

// showResend makes the page; failed is why what was asked for could not be done.
func (s *Server) showResend(ctx context.Context, r *request, clientID, webhookID, since string, failed error) (view, error) {
	v := view{Template: "deliver_again.html", Title: "Send again", Area: "deliveries"}
	if err := mayChange(r); err != nil {
		return v, err
	}
	a := r.Person.Actor()
	status, err := s.Desk.WebhookStatus(ctx, a, clientID, webhookID)
	if err != nil {
		return v, err
	}
	hook := status.Webhook
	p := resendPage{Webhook: hook, Host: hostOf(hook.Origin), Back: endpointLink(hook.ClientID, hook.Origin), SinceText: since, Wrong: advice(failed)}
	now := time.Now().UTC()
	for _, c := range []struct {
		text string
		ago  time.Duration
	}{{"An hour", time.Hour}, {"A day", 24 * time.Hour}, {"Three days", 3 * 24 * time.Hour}, {"A week", 7 * 24 * time.Hour}} {
		p.Choices = append(p.Choices, resendChoice{c.text, now.Add(-c.ago).Format(dayAndTime)})
	}
	if h := status.Endpoint.Health; p.SinceText == "" && !h.FailingSince.IsZero() {
		p.SinceText = h.FailingSince.Format(dayAndTime)
	}
	v.Data = &p
	if failed != nil || since == "" {
		return v, nil
	}
	var job paybell.Resend
	if p.Since, err = readTime("since", since); err == nil {
		job, err = s.Desk.Resend(ctx, a, hook.ClientID, hook.ID, desk.ResendRequest{FailedSince: p.Since, DryRun: true})
	}
	if err != nil {
		p.Since, p.Wrong = time.Time{}, advice(err)
		if p.Wrong == "" {
			return v, err
		}
	}
	p.Count = job.Total
	return v, nil
}

// resendSince starts the job.
func (s *Server) resendSince(w http.ResponseWriter, r *request) error {
	clientID, webhookID := r.field("client"), r.field("webhook")
	since, err := readTime("since", r.field("since"))
	if err == nil && since.IsZero() {
		err = paybell.InvalidField("since", "is missing: say since when")
	}
	var job paybell.Resend
	if err == nil {
		job, err = s.Desk.Resend(r.Context(), r.Person.Actor(), clientID, webhookID, desk.ResendRequest{FailedSince: since})
	}
	if err != nil {
		if code := paybell.CodeOf(err); code != paybell.Invalid && code != paybell.Conflict {
			return err
		}
		v, showErr := s.showResend(r.Context(), r, clientID, webhookID, r.field("since"), err)
		if showErr != nil {
			return showErr
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	text := thousands(fmt.Sprint(job.Total)) + " notifications are sent again, after what is new."
	if job.Total == 1 {
		text = "1 notification is sent again."
	}
	return done(w, endpointLink(job.ClientID, job.Origin), text)
}

func (s *Server) cancelResend(w http.ResponseWriter, r *request) error {
	job, err := s.Desk.CancelResend(r.Context(), r.Person.Actor(), r.PathValue("client"), r.PathValue("job"))
	if err != nil {
		return err
	}
	text := "The job is cancelled. What it has brought on its way already is still sent."
	if job.State == paybell.ResendFinished {
		text = "The job was done already."
	}
	return done(w, endpointLink(job.ClientID, job.Origin), text)
}

// resendLink is the page that asks since when.
func resendLink(w paybell.Webhook) string {
	return resendPath + "?" + url.Values{"client": {w.ClientID}, "webhook": {w.ID}}.Encode()
}
