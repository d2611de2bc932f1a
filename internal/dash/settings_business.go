package dash

import (
	"context"
	"net/http"
	"strings"

	"github.com/paybell/paybell"
)

// businessPage is the merchant, and the account's tokens. Pop says that the form for
// a new token lies over it.
type businessPage struct {
	complaint
	Name, Email string
	Tokens      []paybell.AccountToken
	Pop         bool
	Form        tokenForm
}

type tokenForm struct {
	complaint
	Name string
}

func (s *Server) business(ctx context.Context, r *request) (view, error) {
	return s.businessWith(ctx, r, businessPage{Name: r.Merchant.Name, Email: r.Merchant.Email})
}

func (s *Server) businessWith(ctx context.Context, r *request, p businessPage) (view, error) {
	var err error
	if p.Tokens, err = s.Desk.AccountTokens(ctx, r.Person.Actor()); err != nil {
		return view{}, err
	}
	return settings(r, "settings_business.html", "Business", p)
}

var businessLabels = map[string]string{"name": "Name", "email": "Email address"}

func (s *Server) updateBusiness(w http.ResponseWriter, r *request) error {
	if err := mayManage(r); err != nil {
		return err
	}
	p := businessPage{Name: r.field("name"), Email: r.field("email")}
	err := s.Desk.UpdateMerchant(r.Context(), r.Person.Actor(), p.Name, p.Email)
	if p.complaint = complain(err, businessLabels); p.Wrong != "" {
		v, err := s.businessWith(r.Context(), r, p)
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return done(w, "/dash/settings/business", "Saved. Buyers see it from now on.")
}

func (s *Server) askToken(ctx context.Context, r *request) (view, error) {
	return s.businessWith(ctx, r, businessPage{Name: r.Merchant.Name, Email: r.Merchant.Email, Pop: true})
}

// tokenPage shows an account token, this once.
type tokenPage struct {
	paybell.AccountToken
	Text    string
	BaseURL string
}

// newToken makes an account token. Its text is shown in the answer only.
func (s *Server) newToken(w http.ResponseWriter, r *request) error {
	if err := mayChange(r); err != nil {
		return err
	}
	f := tokenForm{Name: r.field("name")}
	t, text, err := s.Desk.CreateAccountToken(r.Context(), r.Person.Actor(), f.Name)
	if f.complaint = complain(err, businessLabels); f.Wrong != "" {
		v, err := s.businessWith(r.Context(), r, businessPage{Name: r.Merchant.Name, Email: r.Merchant.Email, Pop: true, Form: f})
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, view{Template: "settings_token.html", Title: "Account token", Area: "settings", Data: tokenPage{
		t, text, strings.TrimSuffix(s.PublicURL, "/"),
	}})
}

func (s *Server) revokeToken(w http.ResponseWriter, r *request) error {
	if err := s.Desk.RevokeAccountToken(r.Context(), r.Person.Actor(), r.PathValue("token")); err != nil {
		return err
	}
	return done(w, "/dash/settings/business", "The token is revoked. Requests with it are refused from now on.")
}
