package api

import (
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// allowedIPsJSON is where a client's requests may come from; none: from anywhere.
type allowedIPsJSON struct {
	IPAddresses []string `json:"ipAddresses"`
}

func (s *Server) getAllowedIPs(w http.ResponseWriter, r *request) error {
	c, err := s.Desk.Client(r.Context(), r.actor, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, allowedIPsJSON{paybell.IPTexts(c.AllowedIPs)})
}

func (s *Server) setAllowedIPs(w http.ResponseWriter, r *request) error {
	var body struct {
		IPAddresses *names `json:"ipAddresses"`
	}
	if err := decodeOnly(r.body, &body, "ipAddresses"); err != nil {
		return err
	}
	if body.IPAddresses == nil {
		return paybell.InvalidField("ipAddresses", "is missing; an empty list allows every address")
	}
	ips, err := paybell.ParseAllowedIPs("ipAddresses", *body.IPAddresses)
	if err != nil {
		return err
	}
	c, err := s.Desk.UpdateClient(r.Context(), r.actor, r.PathValue("clientId"), desk.ClientChange{AllowedIPs: &ips})
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, allowedIPsJSON{paybell.IPTexts(c.AllowedIPs)})
}

// callerIP tells a program how its address looks from here.
func (s *Server) callerIP(w http.ResponseWriter, r *request) error {
	return reply(w, http.StatusOK, web.Caller(r.Request, s.TrustedProxies).String())
}
