package api

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/paybell/paybell"
)

func (s *Server) pauseWebhook(w http.ResponseWriter, r *request) error {
	onWire, err := s.Desk.PauseWebhook(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"))
	if err != nil {
		return err
	}
	sayOnWire(w, onWire)
	return reply(w, http.StatusOK, idJSON{r.PathValue("webhookId")})
}

// enableWebhook answers with the job that sends, or skips, what was missed.
func (s *Server) enableWebhook(w http.ResponseWriter, r *request) error {
	var body struct {
		Missed text `json:"missed"`
	}
	if text := bytes.TrimSpace(r.body); len(text) > 0 && !isEmpty(text, '[') {
		if err := decodeOnly(r.body, &body, "missed"); err != nil {
			return err
		}
	}
	skip, err := readMissed(body.Missed)
	if err != nil {
		return err
	}
	job, err := s.Desk.EnableWebhook(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"), skip)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newResendJSON(job))
}

// enableEndpoint does the same for all webhooks of a disabled endpoint.
func (s *Server) enableEndpoint(w http.ResponseWriter, r *request) error {
	var body struct {
		Endpoint text `json:"endpoint"`
		Missed   text `json:"missed"`
	}
	if err := decodeOnly(r.body, &body, "missed", "endpoint"); err != nil {
		return err
	}
	skip, err := readMissed(body.Missed)
	if err != nil {
		return err
	}
	job, err := s.Desk.EnableEndpoint(r.Context(), r.actor, r.PathValue("clientId"), string(body.Endpoint), skip)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newResendJSON(job))
}

// readMissed reads what is to become of what was missed.
func readMissed(missed text) (skip bool, err error) {
	switch {
	case missed == "" || strings.EqualFold(string(missed), "send"):
		return false, nil
	case strings.EqualFold(string(missed), "skip"):
		return true, nil
	}
	return false, paybell.InvalidField("missed", `must be "send" (what was missed is sent, in order) or "skip"`)
}

// tryWebhook sends a sample and answers with how it went.
func (s *Server) tryWebhook(w http.ResponseWriter, r *request) error {
	var body struct {
		Event text `json:"event"`
	}
	if err := decodeOnly(r.body, &body, "event"); err != nil {
		return err
	}
	a, err := s.Desk.TryWebhook(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"), string(body.Event))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, newAttemptJSON(a))
}
