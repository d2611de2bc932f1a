package api

import (
	"io"
	"net/http"
	"time"

	"github.com/paybell/paybell"
)

// healthz says that the process lives.
func (s *Server) healthz(w http.ResponseWriter, _ *request) error { return say(w, "ok") }

// readyz says that requests can be answered.
func (s *Server) readyz(w http.ResponseWriter, r *request) error {
	if s.Ready != nil {
		if err := s.Ready(r.Context()); err != nil {
			return &paybell.Error{Code: paybell.Unavailable, Detail: "Not ready.", RetryAfter: time.Second, Err: err}
		}
	}
	return say(w, "ready")
}

func say(w http.ResponseWriter, word string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, word+"\n") // who is gone misses nothing
	return nil
}
