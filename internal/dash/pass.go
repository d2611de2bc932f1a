package dash

import (
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// passForm is what the holder of a pass is asked.
type passForm struct {
	paybell.Pass
	Merchant, Name, Email string
	Wrong                 string
}

// showPass asks what is needed to let the holder of a one-time link in. Opening it
// uses nothing up.
func (s *Server) showPass(w http.ResponseWriter, r *request) error {
	p, err := s.Desk.FindPass(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return s.askPass(w, r, http.StatusOK, passForm{Pass: p, Email: p.Email})
}

var passTitles = map[paybell.PassKind]string{
	paybell.PassSetup: "Welcome to Paybell", paybell.PassInvite: "Join", paybell.PassReset: "Choose a new password", paybell.PassSignIn: "Sign in",
}

func (s *Server) askPass(w http.ResponseWriter, r *request, status int, f passForm) error {
	return s.show(w, r, status, view{Template: "pass.html", Title: passTitles[f.What], Data: f})
}

// usePass lets the holder in, once.
func (s *Server) usePass(w http.ResponseWriter, r *request) error {
	token := r.PathValue("token")
	p, err := s.Desk.FindPass(r.Context(), token)
	if err != nil {
		return err
	}
	f := passForm{Pass: p, Merchant: r.field("merchant"), Name: r.field("name"), Email: r.field("email")}
	password := r.PostForm.Get("password")
	var session string
	switch p.What {
	case paybell.PassSetup:
		session, err = s.Desk.SetUp(r.Context(), token, desk.NewOwner{Merchant: f.Merchant, Name: f.Name, Email: f.Email, Password: password}, r.visitor)
	case paybell.PassInvite:
		session, err = s.Desk.AcceptInvite(r.Context(), token, desk.NewUser{Name: f.Name, Email: f.Email, Password: password}, r.visitor)
	case paybell.PassReset:
		session, err = s.Desk.ResetPassword(r.Context(), token, password, r.visitor)
	case paybell.PassSignIn:
		session, err = s.Desk.EnterBy(r.Context(), token, r.visitor)
	default:
		return nowhere(w, r)
	}
	if f.Wrong = advice(err); f.Wrong != "" {
		return s.askPass(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	return s.enter(w, session, "/dash/")
}
