package dash

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/web"
)

// factorPage shows the secret of a second factor, until a code has confirmed it.
type factorPage struct {
	complaint
	URI    string // what authenticators read
	Secret string
	QR     web.QR
}

// newFactor makes the secret of a second factor. It is shown in the answer only.
func (s *Server) newFactor(w http.ResponseWriter, r *request) error {
	secret, uri, err := s.Desk.NewSecondFactor(r.Context(), r.Person)
	if err != nil {
		return err
	}
	return s.showFactor(w, r, http.StatusOK, factorPage{URI: uri, Secret: secret, QR: web.NewQR(uri)})
}

func (s *Server) showFactor(w http.ResponseWriter, r *request, status int, p factorPage) error {
	return s.show(w, r, status, view{Template: "account_factor.html", Title: "Set up the second factor", Area: "settings", Data: p})
}

// confirmFactor takes the first code. The form carries what it is a code of, so that
// it can be shown again.
func (s *Server) confirmFactor(w http.ResponseWriter, r *request) error {
	err := s.Desk.ConfirmSecondFactor(r.Context(), r.Person, r.field("code"))
	if paybell.CodeOf(err) == paybell.Invalid {
		p, readErr := readFactor(r.field("uri"))
		if readErr != nil {
			return readErr
		}
		p.complaint = complain(err, accountLabels)
		return s.showFactor(w, r, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return done(w, "/dash/settings", "The second factor is on. From now on signing in asks for a code.")
}

// readFactor reads what the form of newFactor carries.
func readFactor(uri string) (factorPage, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || len(uri) > 1000 {
		return factorPage{}, paybell.Errorf(paybell.Invalid, "the form is not complete; begin anew")
	}
	secret := u.Query().Get("secret")
	if secret == "" || strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return factorPage{}, paybell.Errorf(paybell.Invalid, "the form is not complete; begin anew")
	}
	return factorPage{URI: uri, Secret: secret, QR: web.NewQR(uri)}, nil
}

func (s *Server) askRemoveFactor(ctx context.Context, r *request) (view, error) {
	return s.accountWith(ctx, r, "remove", accountForm{})
}

func (s *Server) removeFactor(w http.ResponseWriter, r *request) error {
	if err := s.Desk.RemoveSecondFactor(r.Context(), r.Person, r.PostForm.Get("password")); err != nil {
		return s.accountAgain(w, r, err, "remove", accountForm{})
	}
	return done(w, "/dash/settings", "The second factor is off.")
}
