package api

import (
	"net/http"

	"github.com/paybell/paybell"
)

// accessJSON is what the client that asks may do.
type accessJSON struct {
	Flags []string `json:"flags"`
}

func (s *Server) getAccess(w http.ResponseWriter, r *request) error {
	return reply(w, http.StatusOK, accessJSON{r.actor.Permissions.Names()})
}

// restrictAccess gives permissions up, as at CoinPayments: nobody gets any that
// way.
func (s *Server) restrictAccess(w http.ResponseWriter, r *request) error {
	var body struct {
		Flags *names `json:"flags"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if body.Flags == nil {
		return paybell.InvalidField("flags", `is missing; name what the client may still do, or "none"`)
	}
	to, err := paybell.ParsePermissions("flags", *body.Flags)
	if err != nil {
		return err
	}
	if err := s.Desk.RestrictAccess(r.Context(), r.actor, to); err != nil {
		return err
	}
	return reply(w, http.StatusOK, accessJSON{to.Names()})
}
