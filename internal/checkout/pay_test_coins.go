package checkout

import (
	"net/http"

	"github.com/paybell/paybell"
)

// payTest pays a test invoice, for who tries out what buyers see.
func (s *Server) payTest(w http.ResponseWriter, r *http.Request) error {
	v, err := readForm(w, r)
	if err != nil {
		return err
	}
	// A conflict means that it is paid already, or cannot be: that can be seen.
	if err := s.Desk.PayTest(r.Context(), v.id); err != nil && paybell.CodeOf(err) != paybell.Conflict {
		return err
	}
	return redirect(w, r, v)
}
