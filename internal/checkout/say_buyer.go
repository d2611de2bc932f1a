package checkout

import (
	"net/http"
	"net/mail"
	"strings"

	"github.com/paybell/paybell"
)

// buyerForm is what a buyer wrote about themselves, and what is wrong with it.
type buyerForm struct{ First, Last, Email, WrongName, WrongEmail string }

// sayBuyer is a buyer saying who they are, to a merchant who asks.
func (s *Server) sayBuyer(w http.ResponseWriter, r *http.Request) error {
	v, err := readForm(w, r)
	if err != nil {
		return err
	}
	field := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	f := buyerForm{First: field("first-name"), Last: field("last-name"), Email: field("email")}
	if f.check() {
		buyer := paybell.Party{Name: paybell.Name{First: f.First, Last: f.Last}, Email: f.Email}
		err := s.Desk.UpdateBuyer(r.Context(), v.id, &buyer, nil)
		if err != nil && paybell.CodeOf(err) != paybell.Conflict {
			return err
		}
		return redirect(w, r, v) // to what comes next, or to what else has happened
	}
	p, err := s.newPage(r.Context(), r, v)
	if err != nil {
		return err
	}
	if p.Does != "ask" { // it was said meanwhile
		return redirect(w, r, v)
	}
	p.Form = f
	return p.write(w, http.StatusUnprocessableEntity, "checkout.html")
}

// maxField is how long the desk lets a field be, in characters.
const maxField = 254

// check reports whether the form is filled in, and writes into it what is wrong.
func (f *buyerForm) check() bool {
	switch {
	case f.First == "":
		f.WrongName = "Write your name."
	case len([]rune(f.First)) > maxField || len([]rune(f.Last)) > maxField:
		f.WrongName = "This is too long."
	}
	if a, err := mail.ParseAddress(f.Email); err != nil || a.Address != f.Email || len(f.Email) > maxField {
		f.WrongEmail = "Write your email address, like name@example.com."
	}
	return f.WrongName == "" && f.WrongEmail == ""
}
