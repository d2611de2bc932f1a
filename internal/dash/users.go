package dash

import (
	"context"
	"net/http"
	"time"

	"github.com/paybell/paybell"
)

// roleChoice is a role and what it may do.
type roleChoice struct {
	Role       paybell.Role
	Name, Text string
}

var roleChoices = []roleChoice{
	{paybell.RoleOwner, roleNames[paybell.RoleOwner], "Everything, users and their roles included."},
	{paybell.RoleStaff, roleNames[paybell.RoleStaff], "Everything but users: invoices, integrations, webhooks, terms."},
	{paybell.RoleReadOnly, roleNames[paybell.RoleReadOnly], "Looks at invoices, deliveries and integrations. Changes nothing."},
}

// usersPage lists who signs in. Pop names the form over it: invite or user; empty is
// none.
type usersPage struct {
	Users   []paybell.User
	Invites []paybell.Pass
	Roles   []roleChoice
	Pop     string
	Form    userForm
}

type userForm struct {
	complaint
	User  paybell.User // whom it is about; empty of an invitation
	Email string
	Role  paybell.Role
}

// RoleName is a role in words.
func (usersPage) RoleName(r paybell.Role) string { return roleNames[r] }

func (s *Server) users(ctx context.Context, r *request) (view, error) {
	return s.usersWith(ctx, r, "", userForm{})
}

func (s *Server) usersWith(ctx context.Context, r *request, pop string, f userForm) (view, error) {
	p := usersPage{Roles: roleChoices, Pop: pop, Form: f}
	users, err := s.Desk.Users(ctx, r.Person.Actor())
	if err != nil {
		return view{}, err
	}
	p.Users = users
	if r.User.Role == paybell.RoleOwner {
		if p.Invites, err = s.Desk.Invites(ctx, r.Person.Actor()); err != nil {
			return view{}, err
		}
	}
	return settings(r, "users.html", "Team", p)
}

// find is a user of the merchant's.
func (s *Server) find(ctx context.Context, r *request) (paybell.User, error) {
	users, err := s.Desk.Users(ctx, r.Person.Actor())
	if err != nil {
		return paybell.User{}, err
	}
	id := r.PathValue("user")
	for _, u := range users {
		if u.ID == id {
			return u, nil
		}
	}
	return paybell.User{}, paybell.Errorf(paybell.NotFound, "there is no user %.40q", id)
}

func (s *Server) user(ctx context.Context, r *request) (view, error) {
	if err := mayManage(r); err != nil {
		return view{}, err
	}
	u, err := s.find(ctx, r)
	if err != nil {
		return view{}, err
	}
	return s.usersWith(ctx, r, "user", userForm{User: u, Role: u.Role})
}

var userLabels = map[string]string{"email": "Email address", "role": "Role"}

// usersAgain shows a form about users again that could not be done, and what its
// reader can do about it. Other errors it returns.
func (s *Server) usersAgain(w http.ResponseWriter, r *request, err error, pop string, f userForm) error {
	if f.complaint = complain(err, userLabels); f.Wrong == "" {
		return err
	}
	v, err := s.usersWith(r.Context(), r, pop, f)
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusUnprocessableEntity, v)
}

func (s *Server) changeRole(w http.ResponseWriter, r *request) error {
	if err := mayManage(r); err != nil {
		return err
	}
	u, err := s.find(r.Context(), r)
	if err != nil {
		return err
	}
	role := paybell.Role(r.field("role"))
	if err := s.Desk.ChangeRole(r.Context(), r.Person.Actor(), u.ID, role); err != nil {
		return s.usersAgain(w, r, err, "user", userForm{User: u, Role: role})
	}
	to := "/dash/settings/users"
	if u.ID == r.User.ID && role == paybell.RoleReadOnly {
		to = "/dash/settings" // all that is left for them
	}
	return done(w, to, u.Name+" has the role “"+roleNames[role]+"”.")
}

func (s *Server) removeUser(w http.ResponseWriter, r *request) error {
	if err := mayManage(r); err != nil {
		return err
	}
	u, err := s.find(r.Context(), r)
	if err != nil {
		return err
	}
	if err := s.Desk.RemoveUser(r.Context(), r.Person.Actor(), u.ID); err != nil {
		return s.usersAgain(w, r, err, "user", userForm{User: u, Role: u.Role})
	}
	return done(w, "/dash/settings/users", u.Name+" is removed, and signed out everywhere.")
}

// linkPage shows a link that lets somebody in, this once.
type linkPage struct {
	Title, Lead string
	Link        string
	Life        string // how long it is good
}

// inWords is whole days, or hours, in words.
func inWords(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 1 {
		return count(int(days), "day")
	}
	return count(int(d/time.Hour), "hour")
}

func (s *Server) showLink(w http.ResponseWriter, r *request, token string, kind paybell.PassKind, title, lead string) error {
	return s.show(w, r, http.StatusOK, view{Template: "users_link.html", Title: title, Area: "settings", Data: linkPage{
		Title: title, Lead: lead, Link: s.PublicURL + "/dash/pass/" + token, Life: inWords(kind.Life()),
	}})
}

func (s *Server) resetUser(w http.ResponseWriter, r *request) error {
	if err := mayManage(r); err != nil {
		return err
	}
	u, err := s.find(r.Context(), r)
	if err != nil {
		return err
	}
	token, err := s.Desk.NewResetPass(r.Context(), r.Person.Actor(), u.ID)
	if err != nil {
		return err
	}
	return s.showLink(w, r, token, paybell.PassReset, "A link for "+u.Name,
		"Give it to "+u.Name+" in a way that nobody else reads. Who opens it chooses a new password for "+u.Email+
			", which also takes a second factor away and ends all sessions. Until then nothing changes.")
}
