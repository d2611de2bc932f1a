package dash

import (
	"context"
	"net/http"

	"github.com/paybell/paybell"
)

// accountPage is what somebody settles for themselves. Pop names the form over it:
// name, password or remove; empty is none.
type accountPage struct {
	Sessions []browserLine
	Pop      string
	Form     accountForm
}

type accountForm struct {
	complaint
	Name string
}

// browserLine is a browser in which the person is signed in.
type browserLine struct {
	paybell.Session
	Browser string
	This    bool
}

var accountLabels = map[string]string{
	"name": "Name", "oldPassword": "The first one", "newPassword": "The new password", "password": "This", "code": "The code",
}

func (s *Server) account(ctx context.Context, r *request) (view, error) {
	return s.accountWith(ctx, r, "", accountForm{})
}

func (s *Server) accountWith(ctx context.Context, r *request, pop string, f accountForm) (view, error) {
	p := accountPage{Pop: pop, Form: f}
	sessions, err := s.Desk.Sessions(ctx, r.Person)
	for _, v := range sessions {
		p.Sessions = append(p.Sessions, browserLine{v, browserName(v.Agent), v.ID == r.Session.ID})
	}
	return view{Template: "account.html", Title: "Your account", Area: "settings", Data: p}, err
}

// accountAgain shows a form of the account again that could not be done, and what
// its reader can do about it. Other errors it returns.
func (s *Server) accountAgain(w http.ResponseWriter, r *request, err error, pop string, f accountForm) error {
	if f.complaint = complain(err, accountLabels); f.Wrong == "" {
		return err
	}
	v, err := s.accountWith(r.Context(), r, pop, f)
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusUnprocessableEntity, v)
}

func (s *Server) askName(ctx context.Context, r *request) (view, error) {
	return s.accountWith(ctx, r, "name", accountForm{Name: r.User.Name})
}

func (s *Server) rename(w http.ResponseWriter, r *request) error {
	f := accountForm{Name: r.field("name")}
	if err := s.Desk.RenameUser(r.Context(), r.Person, f.Name); err != nil {
		return s.accountAgain(w, r, err, "name", f)
	}
	return done(w, "/dash/settings", "Your name is saved.")
}

func (s *Server) askPassword(ctx context.Context, r *request) (view, error) {
	return s.accountWith(ctx, r, "password", accountForm{})
}

func (s *Server) changePassword(w http.ResponseWriter, r *request) error {
	if err := s.Desk.ChangePassword(r.Context(), r.Person, r.PostForm.Get("old"), r.PostForm.Get("new")); err != nil {
		return s.accountAgain(w, r, err, "password", accountForm{})
	}
	return done(w, "/dash/settings", "Your password is changed, and you were signed out everywhere else.")
}

func (s *Server) endSession(w http.ResponseWriter, r *request) error {
	id := r.PathValue("session")
	if err := s.Desk.EndSession(r.Context(), r.Person, id); err != nil {
		return err
	}
	return done(w, "/dash/settings", "That browser is signed out.")
}

// endOtherSessions signs the person out everywhere but here.
func (s *Server) endOtherSessions(w http.ResponseWriter, r *request) error {
	sessions, err := s.Desk.Sessions(r.Context(), r.Person)
	if err != nil {
		return err
	}
	for _, v := range sessions {
		if v.ID == r.Session.ID {
			continue
		}
		if err := s.Desk.EndSession(r.Context(), r.Person, v.ID); err != nil && paybell.CodeOf(err) != paybell.NotFound { // it ended meanwhile
			return err
		}
	}
	return done(w, "/dash/settings", "You are signed out everywhere but here.")
}
