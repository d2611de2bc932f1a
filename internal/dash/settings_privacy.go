package dash

import (
	"context"
	"fmt"
	"net/http"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// privacyPage finds and erases what is known of a buyer.
type privacyPage struct {
	complaint
	Who    string           // as it was asked for: an e-mail address, or an invoice's id
	Found  *desk.BuyerTrace // nil: nobody was looked for
	Single bool             // one invoice was asked for
	Still  int64            // invoices that were emptied, with notifications that are waited for
}

// Shown are the first of the invoices that were found.
func (p privacyPage) Shown() []paybell.Invoice {
	return p.Found.Invoices[:min(len(p.Found.Invoices), 10)]
}

// Rest is how many are not shown.
func (p privacyPage) Rest() int { return len(p.Found.Invoices) - len(p.Shown()) }

// privacy may name an invoice by its id. It does not take e-mail addresses: these
// would stand in the browser's history and in logs.
func (s *Server) privacy(ctx context.Context, r *request) (view, error) {
	id := r.URL.Query().Get("invoice")
	if id == "" {
		return s.privacyWith(ctx, r, privacyPage{})
	}
	uuid, ok := paybell.ParseUUID(id)
	if !ok {
		return view{}, paybell.Errorf(paybell.NotFound, "there is no such invoice")
	}
	return s.traced(ctx, r, uuid)
}

func (s *Server) privacyWith(ctx context.Context, r *request, p privacyPage) (view, error) {
	var err error
	if p.Still, err = s.Desk.StillErasing(ctx, r.Person.Actor()); err != nil {
		return view{}, err
	}
	return settings(r, "settings_privacy.html", "Privacy", p)
}

// traced is the page with what was found of a buyer.
func (s *Server) traced(ctx context.Context, r *request, who string) (view, error) {
	t, err := s.Desk.FindBuyer(ctx, r.Person.Actor(), who)
	if err != nil {
		return view{}, err
	}
	_, single := paybell.ParseUUID(who)
	return s.privacyWith(ctx, r, privacyPage{Who: who, Found: &t, Single: single})
}

// findBuyer shows what would be erased.
func (s *Server) findBuyer(w http.ResponseWriter, r *request) error {
	who := r.field("who")
	v, err := s.traced(r.Context(), r, who)
	if err != nil {
		return s.privacyAgain(w, r, who, err)
	}
	return s.show(w, r, http.StatusOK, v)
}

// privacyAgain asks again for whom to look. Who may not is told so on a page.
func (s *Server) privacyAgain(w http.ResponseWriter, r *request, who string, err error) error {
	p := privacyPage{Who: who}
	switch paybell.CodeOf(err) {
	case paybell.Invalid:
		p.complaint = complain(err, map[string]string{"who": "Whose data"})
	case paybell.NotFound:
		p.complaint = complaint{Wrong: "There is no such invoice. Give the buyer's email address, or the ID of an invoice.", Bad: map[string]bool{"who": true}}
	default:
		return err
	}
	v, err := s.privacyWith(r.Context(), r, p)
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusUnprocessableEntity, v)
}

func (s *Server) eraseBuyer(w http.ResponseWriter, r *request) error {
	who := r.field("who")
	e, err := s.Desk.EraseBuyer(r.Context(), r.Person.Actor(), who)
	if err != nil {
		return s.privacyAgain(w, r, who, err)
	}
	text := "Nothing was found, so nothing was erased."
	if e.Invoices > 0 {
		text = fmt.Sprintf("The buyer was erased from %s.", count(e.Invoices, "invoice"))
	}
	if e.Waiting > 0 {
		text += fmt.Sprintf(" For %s some notifications still wait to be delivered: they are erased by themselves after that.", count(e.Waiting, "invoice"))
	}
	if e.More {
		text += " There are more: look for the buyer again."
	}
	return done(w, "/dash/settings/privacy", text)
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
