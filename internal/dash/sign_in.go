package dash

import (
	"net/http"

	"github.com/paybell/paybell"
)

type signInForm struct {
	Email, Password, Next string
	NeedsCode             bool
	Wrong                 string
}

func (s *Server) showSignIn(w http.ResponseWriter, r *request) error {
	return s.askSignIn(w, r, http.StatusOK, signInForm{Next: r.URL.Query().Get("next")})
}

func (s *Server) askSignIn(w http.ResponseWriter, r *request, status int, f signInForm) error {
	return s.show(w, r, status, view{Template: "sign_in.html", Title: "Sign in", Data: f})
}

// signIn takes the email and password, and asks for the code of the second factor
// when there is one.
func (s *Server) signIn(w http.ResponseWriter, r *request) error {
	f := signInForm{Email: r.field("email"), Password: r.PostForm.Get("password"), Next: r.PostForm.Get("next")}
	session, needsCode, err := s.Desk.SignIn(r.Context(), f.Email, f.Password, r.field("code"), r.visitor)
	switch code := paybell.CodeOf(err); {
	case err != nil && code != paybell.Unauthenticated && code != paybell.RateLimited && code != paybell.Invalid:
		return err
	case err != nil:
		f.Wrong, f.NeedsCode = advice(err), needsCode
		if !needsCode {
			f.Password = ""
		}
		return s.askSignIn(w, r, http.StatusUnprocessableEntity, f)
	case needsCode:
		f.NeedsCode = true
		return s.askSignIn(w, r, http.StatusOK, f)
	}
	return s.enter(w, session, nextPage(f.Next))
}
