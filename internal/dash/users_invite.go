package dash

import (
	"context"
	"net/http"

	"github.com/paybell/paybell"
)

func (s *Server) askInvite(ctx context.Context, r *request) (view, error) {
	if err := mayManage(r); err != nil {
		return view{}, err
	}
	return s.usersWith(ctx, r, "invite", userForm{Role: paybell.RoleStaff})
}

// invite makes an invitation. Its link is shown in the answer only.
func (s *Server) invite(w http.ResponseWriter, r *request) error {
	if err := mayManage(r); err != nil {
		return err
	}
	f := userForm{Email: r.field("email"), Role: paybell.Role(r.field("role"))}
	token, err := s.Desk.Invite(r.Context(), r.Person.Actor(), f.Email, f.Role)
	if err != nil {
		return s.usersAgain(w, r, err, "invite", f)
	}
	title, lead := "An invitation", "Give it to whom you invite, in a way that nobody else reads: whoever opens it first joins your team."
	if f.Email != "" {
		title, lead = "An invitation for "+f.Email, "Send it to "+f.Email+": Paybell sends no mail. Whoever opens it joins your team with that address."
	}
	return s.showLink(w, r, token, paybell.PassInvite, title, lead+" Their role will be “"+roleNames[f.Role]+"”.")
}

func (s *Server) revokeInvite(w http.ResponseWriter, r *request) error {
	if err := s.Desk.RevokeInvite(r.Context(), r.Person.Actor(), r.PathValue("invite")); err != nil {
		return err
	}
	return done(w, "/dash/settings/users", "The invitation is revoked. Its link is worthless.")
}
