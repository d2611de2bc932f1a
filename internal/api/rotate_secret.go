package api

import (
	"bytes"
	"net/http"
	"time"

	"github.com/paybell/paybell/internal/desk"
)

// rotateSecret answers with a new secret, which is shown this once. The old one
// goes on being good for overlapSeconds, a day if it is not said.
func (s *Server) rotateSecret(w http.ResponseWriter, r *request) error {
	var body struct {
		OverlapSeconds *int64 `json:"overlapSeconds"`
	}
	if len(bytes.TrimSpace(r.body)) > 0 {
		if err := decodeOnly(r.body, &body, "overlapSeconds"); err != nil {
			return err
		}
	}
	overlap := desk.DefaultOverlap
	if seconds := body.OverlapSeconds; seconds != nil {
		overlap = time.Duration(min(max(*seconds, -1), 1<<31)) * time.Second // the desk knows the bounds
	}
	secret, err := s.Desk.RotateSecret(r.Context(), r.actor, r.PathValue("clientId"), overlap)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, secretJSON{secret})
}
