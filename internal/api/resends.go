package api

import (
	"net/http"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// resend starts a job that makes deliveries again, or, dry, counts them.
func (s *Server) resend(w http.ResponseWriter, r *request) error {
	var body struct {
		NotificationID text  `json:"notificationId"`
		FailedSince    text  `json:"failedSince"`
		After          *text `json:"after"`
		DryRun         bool  `json:"dryRun"`
	}
	if err := decodeOnly(r.body, &body, "notificationId", "failedSince", "after", "dryRun"); err != nil {
		return err
	}
	q := desk.ResendRequest{NotificationID: string(body.NotificationID), DryRun: body.DryRun}
	since, err := readTime("failedSince", string(body.FailedSince))
	if err != nil {
		return err
	}
	if since != nil {
		q.FailedSince = *since
	}
	if body.After != nil {
		if *body.After == "" {
			return paybell.InvalidField("after", "is empty; write 0 for everything there is")
		}
		after, err := paybell.ParseSequence("after", string(*body.After))
		if err != nil {
			return err
		}
		q.After = &after
	}
	job, err := s.Desk.Resend(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"), q)
	if err != nil {
		return err
	}
	if q.DryRun {
		return reply(w, http.StatusOK, countJSON{job.Total})
	}
	return reply(w, http.StatusAccepted, newResendJSON(job))
}

type countJSON struct {
	Total int64 `json:"total"`
}

func (s *Server) listResends(w http.ResponseWriter, r *request) error {
	jobs, err := s.Desk.Resends(r.Context(), r.actor, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	items := []resendJSON{}
	for _, job := range jobs {
		items = append(items, newResendJSON(job))
	}
	return reply(w, http.StatusOK, listJSON[resendJSON]{items, s.paging(r, desk.MaxPull, "")})
}

func (s *Server) getResend(w http.ResponseWriter, r *request) error {
	job, err := s.Desk.FindResend(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("resendId"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newResendJSON(job))
}

func (s *Server) cancelResend(w http.ResponseWriter, r *request) error {
	job, err := s.Desk.CancelResend(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("resendId"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newResendJSON(job))
}

// resendJSON is a job: how far it is, of how much.
type resendJSON struct {
	ID        string              `json:"id"`
	WebhookID *string             `json:"webhookId"` // null: every webhook of the endpoint
	Endpoint  string              `json:"endpoint"`
	What      paybell.ResendWhat  `json:"what"`
	State     paybell.ResendState `json:"state"`
	Total     int64               `json:"total"` // when it was started
	Done      int64               `json:"done"`  // made pending again
	Created   string              `json:"created"`
	Finished  *string             `json:"finished"`
}

func newResendJSON(r paybell.Resend) resendJSON {
	return resendJSON{r.ID, nullable(r.WebhookID), r.Origin, r.What, r.State, r.Total, r.Done, stamp(r.CreatedAt), stampOrNull(r.FinishedAt)}
}

// explainDelivery tells the whole story of a notification and a webhook.
func (s *Server) explainDelivery(w http.ResponseWriter, r *request) error {
	story, err := s.Desk.ExplainDelivery(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"), r.PathValue("notificationId"))
	if err != nil {
		return err
	}
	n := story.Notification
	j := storyJSON{
		NotificationID: n.ID, Event: n.Event.String(), InvoiceID: nullable(n.InvoiceID), Version: n.Version, Created: stamp(n.At),
		Match: story.Match, Next: story.Next, Attempts: []attemptJSON{},
		Endpoint: story.Health.State(time.Now()),
	}
	if d := story.Delivery; d != nil {
		sequence := d.Sequence().String()
		j.Sequence, j.State, j.OutOfOrder, j.Due = &sequence, (*string)(&d.State), d.OutOfOrder, stampOrNull(d.DueAt)
	}
	for _, a := range story.Attempts {
		j.Attempts = append(j.Attempts, newAttemptJSON(a))
	}
	return reply(w, http.StatusOK, j)
}

type storyJSON struct {
	NotificationID string                `json:"notificationId"`
	Event          string                `json:"event"`
	InvoiceID      *string               `json:"invoiceId"`
	Version        int                   `json:"version"` // of the invoice
	Created        string                `json:"created"`
	Match          string                `json:"match"`    // why the webhook is told, or not
	Sequence       *string               `json:"sequence"` // null: it is not
	State          *string               `json:"state"`
	OutOfOrder     bool                  `json:"outOfOrder"`
	Attempts       []attemptJSON         `json:"attempts"`
	Due            *string               `json:"due"`
	Next           string                `json:"next"`
	Endpoint       paybell.EndpointState `json:"endpointState"`
}

// attemptJSON is one request. Times are milliseconds.
type attemptJSON struct {
	Number    int     `json:"number"`
	Started   string  `json:"started"`
	DNS       float64 `json:"dnsMs"`
	Connect   float64 `json:"connectMs"`
	TLS       float64 `json:"tlsMs"`
	FirstByte float64 `json:"firstByteMs"`
	Total     float64 `json:"totalMs"`
	Status    int     `json:"status"` // 0: no answer
	Answer    string  `json:"answer"`
	Failure   *string `json:"failure"` // null: it counts as delivered
}

func newAttemptJSON(a paybell.Attempt) attemptJSON {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return attemptJSON{
		Number: a.N, Started: a.StartedAt.UTC().Format(time.RFC3339Nano), DNS: ms(a.Timing.DNS), Connect: ms(a.Timing.Connect), TLS: ms(a.Timing.TLS),
		FirstByte: ms(a.Timing.FirstByte), Total: ms(a.Duration), Status: a.Status, Answer: a.Answer, Failure: nullable(a.Failure),
	}
}
