package checkout

import (
	"net/http"
	"time"

	"github.com/paybell/paybell"
)

// failures is how each code of an error is answered, and what a buyer is told.
var failures = map[paybell.Code]struct {
	status      int
	title, text string
}{
	paybell.Invalid:     {http.StatusBadRequest, "That did not work", "Go back and try once more."},
	paybell.Forbidden:   {http.StatusForbidden, "That did not come from this page", "Another site sent this form, so nothing was done."},
	paybell.NotFound:    {http.StatusNotFound, "We cannot find this invoice", "The link may be incomplete. Go back to the shop and start again from there, or ask the merchant for a new link."},
	paybell.TooLarge:    {http.StatusRequestEntityTooLarge, "That was too long", "Go back and write less."},
	paybell.RateLimited: {http.StatusTooManyRequests, "Too many requests at once", "Nothing was done and nothing is lost. Wait a few seconds and try again."},
	paybell.Unavailable: {http.StatusServiceUnavailable, "Not possible at the moment", "Nothing was done and nothing is lost. Wait a few seconds and try again."},
	paybell.Internal:    {http.StatusInternalServerError, "Something went wrong here", "It is not your fault. A payment that you have sent is not lost: it is seen on its network. Wait a minute and try again."},
}

// fail answers with the page that err is, and logs what is ours to repair.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := paybell.CodeOf(err)
	if code == paybell.Internal && r.Context().Err() != nil {
		code = paybell.Unavailable // the request was cut short
	}
	told, ok := failures[code]
	if !ok {
		code, told = paybell.Internal, failures[paybell.Internal]
	}
	p := &page{root: rootOf(r), now: time.Now(), say: say{Mark: "warn", Title: told.title, Text: told.text}}
	if v, err := visitOf(r); err == nil && code != paybell.NotFound {
		p.Back = v.page(p.root)
	}
	switch code {
	case paybell.Internal:
		p.Reference = paybell.NewUUID(time.Now())
	case paybell.Unavailable, paybell.RateLimited:
		w.Header().Set("Retry-After", "5")
	}
	if s.Log != nil && r.Context().Err() == nil && told.status >= http.StatusInternalServerError {
		s.Log.Error("a buyer's page failed", "request", p.Reference, "route", r.Pattern, "err", err)
	}
	if err := p.write(w, told.status, "failure.html"); err != nil && s.Log != nil {
		s.Log.Error("the page of a failure failed", "err", err)
	}
}
