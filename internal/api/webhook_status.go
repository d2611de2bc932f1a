package api

import (
	"net/http"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// getWebhook tells how a webhook is, and its endpoint.
func (s *Server) getWebhook(w http.ResponseWriter, r *request) error {
	status, err := s.Desk.WebhookStatus(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, struct {
		webhookJSON
		Endpoint endpointJSON `json:"endpoint"`
	}{newWebhookJSON(status.Webhook), newEndpointJSON(status.Endpoint, time.Now())})
}

// listEndpoints lists a client's servers. All that are listed are on one page.
func (s *Server) listEndpoints(w http.ResponseWriter, r *request) error {
	all, err := s.Desk.Endpoints(r.Context(), r.actor, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	items := []endpointJSON{}
	for _, e := range all {
		items = append(items, newEndpointJSON(e, time.Now()))
	}
	return reply(w, http.StatusOK, listJSON[endpointJSON]{items, s.paging(r, desk.MaxEndpoints, "")})
}

type webhookJSON struct {
	ID               string           `json:"id"`
	NotificationsURL string           `json:"notificationsUrl"`
	Notifications    []string         `json:"notifications"`
	CreatedFromUI    bool             `json:"createdFromUI"`
	Paybell          webhookExtraJSON `json:"paybell"`
}

// webhookExtraJSON holds what the contract has no place for.
type webhookExtraJSON struct {
	State         paybell.WebhookState `json:"state"`
	Reason        *string              `json:"reason"` // of being disabled
	Since         *string              `json:"since"`  // the state; null: since it was made
	RetrySchedule []int64              `json:"retrySchedule"`
}

func newWebhookJSON(w paybell.Webhook) webhookJSON {
	extra := webhookExtraJSON{State: w.State, Reason: nullable(w.StateReason), Since: stampOrNull(w.StateSince)}
	for _, pause := range w.RetrySchedule() {
		extra.RetrySchedule = append(extra.RetrySchedule, int64(pause/time.Second))
	}
	return webhookJSON{w.ID, w.URL, w.Events.Names(), w.CreatedFromUI, extra}
}

type endpointJSON struct {
	Endpoint      string                `json:"endpoint"` // scheme, host and port
	State         paybell.EndpointState `json:"state"`
	Reason        *string               `json:"reason"`
	FailingSince  *string               `json:"failingSince"`
	Failures      int                   `json:"failures"` // attempts since then
	PausedUntil   *string               `json:"pausedUntil"`
	DisabledAt    *string               `json:"disabledAt"`
	OldestWaiting *string               `json:"oldestWaiting"` // when it was made
	WaitingFor    int64                 `json:"waitingSeconds"`
}

func newEndpointJSON(e desk.EndpointStatus, now time.Time) endpointJSON {
	h := e.Health
	j := endpointJSON{
		Endpoint: e.Origin, State: h.State(now), Reason: nullable(h.Failure), FailingSince: stampOrNull(h.FailingSince), Failures: h.Failures,
		DisabledAt: stampOrNull(h.DisabledAt), OldestWaiting: stampOrNull(e.OldestWaiting),
	}
	if h.PausedUntil.After(now) {
		j.PausedUntil = stampOrNull(h.PausedUntil)
	}
	if !e.OldestWaiting.IsZero() {
		j.WaitingFor = max(0, int64(now.Sub(e.OldestWaiting)/time.Second))
	}
	return j
}
