package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// getNotifications is the other way to hear: a shop that cannot be reached, or
// that wants to compare, reads what its webhook is told. The bytes and the order
// are those of the pushed ones.
func (s *Server) getNotifications(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	after, err := paybell.ParseSequence("after", query.Get("after"))
	if err != nil {
		return err
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return s.streamNotifications(w, r, after)
	}
	limit, err := readLimit(r)
	if err != nil {
		return err
	}
	told, err := s.Desk.PullNotifications(r.Context(), r.actor, r.PathValue("clientId"), r.PathValue("webhookId"), after, limit)
	if err != nil {
		return err
	}
	items, next := []pulledJSON{}, ""
	for _, d := range told {
		items = append(items, pulledJSON{d.Sequence().String(), d.State, d.Attempts, d.Body})
		next = d.Sequence().String() // also of the last page: there will be more
	}
	return reply(w, http.StatusOK, listJSON[pulledJSON]{items, s.paging(r, limit, next)})
}

// pulledJSON is one notification, as it is pushed, and what stands beside it.
type pulledJSON struct {
	Sequence     string                `json:"sequence"` // as the header Paybell-Sequence of the pushed one
	State        paybell.DeliveryState `json:"state"`
	Attempts     int                   `json:"attempts"` // to push it
	Notification json.RawMessage       `json:"notification"`
}

const (
	maxStreams   = 16               // of one client at a time
	streamLooks  = time.Second      // for what nobody told of
	streamBeats  = 15 * time.Second // so that proxies keep it open
	streamWrites = 10 * time.Second // for one write, or the reader is gone
)

// streamNotifications writes them as server-sent events (WHATWG HTML, 9.2), each as
// soon as it is committed, until the reader leaves or the server stops. A reader
// that comes back says in Last-Event-ID, or after, what it has.
func (s *Server) streamNotifications(w http.ResponseWriter, r *request, after paybell.SequenceNumber) (err error) {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if after, err = paybell.ParseSequence("Last-Event-ID", last); err != nil {
			return err
		}
	}
	if !s.streams.Enter(r.actor.ClientID) {
		return &paybell.Error{Code: paybell.RateLimited, RetryAfter: streamBeats,
			Detail: fmt.Sprintf("This client reads %d streams already, which is the most; close one first.", maxStreams)}
	}
	defer s.streams.Leave(r.actor.ClientID)
	webhookID := r.PathValue("webhookId")
	rings, stop := s.Desk.Listen(webhookID)
	defer stop()

	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // nothing more is to be read
	send := func(text []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(streamWrites))
		if _, err := w.Write(text); err != nil {
			return err
		}
		return control.Flush()
	}
	var beat time.Time // of the last write; zero: nothing was written yet
	for {
		// Who asks may have lost the right since.
		if r.actor, err = s.Desk.Actor(r.Context(), r.actor.ClientID, web.Caller(r.Request, s.TrustedProxies)); err != nil {
			return err
		}
		told, err := s.Desk.PullNotifications(r.Context(), r.actor, r.PathValue("clientId"), webhookID, after, desk.MaxPull)
		if err != nil {
			return err // before the beginning it is a problem, later the end
		}
		if beat.IsZero() {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
		}
		var text []byte
		for _, d := range told {
			after = d.Sequence()
			text = fmt.Appendf(text, "id: %v\ndata: %s\n\n", after, d.Body) // JSON of ours has no line breaks
		}
		if text == nil && time.Since(beat) >= streamBeats {
			text = []byte(":\n\n") // a comment
		}
		if text != nil {
			if send(text) != nil {
				return nil // the reader is gone
			}
			beat = time.Now()
		}
		if len(told) == desk.MaxPull {
			continue
		}
		timer := time.NewTimer(streamLooks)
		select {
		case <-rings:
		case <-timer.C:
		case <-s.Stopping:
			timer.Stop()
			return nil
		case <-r.Context().Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}
