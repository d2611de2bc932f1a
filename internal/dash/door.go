package dash

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// signedIn lets through who is signed in.
func (s *Server) signedIn(do action) action {
	return func(w http.ResponseWriter, r *request) (err error) {
		if c, err := r.Cookie(s.cookieName()); err == nil {
			r.token = c.Value
		}
		if r.Person, err = s.Desk.Session(r.Context(), r.token, r.visitor); err != nil {
			return err
		}
		return do(w, r)
	}
}

// secure says that people reach us by https only.
func (s *Server) secure() bool { return strings.HasPrefix(s.PublicURL, "https://") }

// cookieName binds the cookie to this very host where browsers can do that (RFC
// 6265bis, section 4.1.3.2).
func (s *Server) cookieName() string {
	if s.secure() {
		return "__Host-paybell"
	}
	return "paybell"
}

// enter signs a browser in.
func (s *Server) enter(w http.ResponseWriter, token, to string) error {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: token, Path: "/", Expires: time.Now().Add(paybell.SessionLife),
		HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode,
	})
	redirect(w, to)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *request) error {
	if err := s.Desk.SignOut(r.Context(), r.token); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode})
	redirect(w, "/dash/sign-in")
	return nil
}

// nextPage is where who signs in wanted to go: a page of ours, nothing else.
func nextPage(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path.Clean(u.Path)+"/", "/dash/") || strings.Contains(next, `\`) {
		return "/dash/"
	}
	return u.RequestURI()
}

// forChangers keeps forms from those who could not send them.
func forChangers(do action) action {
	return func(w http.ResponseWriter, r *request) error {
		if err := mayChange(r); err != nil {
			return err
		}
		return do(w, r)
	}
}

// mayChange refuses people who may only look.
func mayChange(r *request) error {
	if r.User.Role.Changes() {
		return nil
	}
	return paybell.Errorf(paybell.Forbidden, "your role can look, but not change anything; ask an owner")
}

// mayManage keeps forms about users from those who could not send them.
func mayManage(r *request) error {
	if r.User.Role == paybell.RoleOwner {
		return nil
	}
	return paybell.Errorf(paybell.Forbidden, "only an owner can do this; ask one")
}
