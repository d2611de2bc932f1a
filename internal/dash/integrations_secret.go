package dash

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// newSecretPage shows a secret, this once.
type newSecretPage struct {
	Client   paybell.Client
	Secret   string
	Path     string // of the client's page
	BaseURL  string // of the API
	Programs []program
	Hooked   bool          // a new client that has a webhook
	Again    bool          // the client is not new
	Overlap  time.Duration // how long the secret before is good still
	Until    time.Time     // the same; zero: it is not
}

func (s *Server) showSecret(w http.ResponseWriter, r *request, status int, p newSecretPage) error {
	p.Path, p.BaseURL, p.Programs = integrationPath(p.Client.ID), s.PublicURL, s.programs(p.Client.ID, p.Secret)
	return s.show(w, r, status, view{Template: "integrations_secret.html", Title: "Client ID and secret", Area: "integrations", Data: p})
}

// overlap is how long an old secret may go on being good.
type overlap struct {
	Value string // in seconds
	Text  string
	Usual bool
}

var overlaps = []overlap{
	{"0", "No time: the old secret ends at once", false},
	{"3600", "1 hour", false},
	{strconv.Itoa(int(desk.DefaultOverlap.Seconds())), "24 hours", true},
	{"604800", "7 days", false},
}

// newSecretForm asks how long the old secret goes on being good.
type newSecretForm struct {
	complaint
	Back     string
	Overlaps []overlap
}

func (s *Server) askNewSecret(ctx context.Context, r *request) (view, error) {
	return s.integrationWith(ctx, r, "integrations_new_secret.html", "Regenerate the secret",
		newSecretForm{Back: integrationPath(r.PathValue("client")), Overlaps: overlaps})
}

// newSecret regenerates a client's secret. The form names the secret that it is to
// follow: sent again, it does nothing.
func (s *Server) newSecret(w http.ResponseWriter, r *request) error {
	current, _ := strconv.ParseInt(r.field("current"), 10, 64) // 0 is nobody's
	seconds, err := strconv.ParseInt(r.field("overlap"), 10, 32)
	if err != nil {
		return paybell.Errorf(paybell.Invalid, "the form is not complete: open it again")
	}
	length := time.Duration(seconds) * time.Second
	id := r.PathValue("client")
	secret, err := s.Desk.ReplaceSecret(r.Context(), r.Person.Actor(), id, current, length)
	switch {
	case paybell.CodeOf(err) == paybell.Conflict:
		return done(w, integrationPath(id), "The secret was regenerated before this form was sent, so nothing was changed now. It was shown then, and cannot be shown again.")
	case err != nil:
		return err
	}
	c, err := s.Desk.Client(r.Context(), r.Person.Actor(), id)
	if err != nil {
		return err
	}
	p := newSecretPage{Client: c, Secret: secret, Again: true, Overlap: length}
	if length > 0 {
		p.Until = time.Now().Add(length)
	}
	return s.showSecret(w, r, http.StatusOK, p)
}
