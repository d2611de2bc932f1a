package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/web"
)

// statuses is how each code of an error is answered.
var statuses = map[paybell.Code]struct {
	status int
	title  string
}{
	paybell.Invalid:         {http.StatusBadRequest, "The request is not valid"},
	paybell.Unauthenticated: {http.StatusUnauthorized, "The request is not authenticated"},
	paybell.Forbidden:       {http.StatusForbidden, "This is not allowed"},
	paybell.NotFound:        {http.StatusNotFound, "Not found"},
	paybell.Conflict:        {http.StatusConflict, "The present state forbids this"},
	paybell.TooLarge:        {http.StatusRequestEntityTooLarge, "The request is too large"},
	paybell.RateLimited:     {http.StatusTooManyRequests, "Too many requests"},
	paybell.NotSupported:    {http.StatusNotImplemented, "This is not offered"},
	paybell.Unavailable:     {http.StatusServiceUnavailable, "Not possible at the moment"},
	paybell.Internal:        {http.StatusInternalServerError, "An error of this server"},
}

// problem is an error as RFC 9457 writes it. There is never a key "error":
// some clients take it for a sign of their own.
type problem struct {
	Type     string              `json:"type"` // urn:paybell:problem: and the code
	Title    string              `json:"title"`
	Status   int                 `json:"status"`
	Detail   string              `json:"detail"`
	Instance string              `json:"instance"` // names this request, also in the log
	Errors   map[string][]string `json:"errors,omitempty"`
}

// methodError says that a path exists, but not for the request's method.
type methodError struct{ allow []string }

func (e *methodError) Error() string {
	return fmt.Sprintf("This address takes %s only.", strings.Join(e.allow, ", "))
}

// fail answers with the problem that err is, and logs what is ours to repair.
func (s *Server) fail(w *recorder, r *request, err error) {
	s.logFailure(r, err)
	if w.status != 0 {
		return // too late: the answer has begun
	}
	p := newProblem(r, err)
	if e, ok := errors.AsType[*methodError](err); ok {
		w.Header().Set("Allow", strings.Join(e.allow, ", "))
	}
	if p.Status == http.StatusUnauthorized { // RFC 9110, 11.6.1
		w.Header().Set("WWW-Authenticate", challenge(r))
	}
	if wait := retryAfter(r, err); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
	}
	_ = writeJSON(w, p.Status, "application/problem+json", p) // strings and numbers always encode
}

// challenge says how to authenticate where this request went.
func challenge(r *request) string {
	if r.bearer {
		return `Bearer realm="Paybell account"`
	}
	return `CoinPayments realm="Paybell client"`
}

func newProblem(r *request, err error) problem {
	code := codeOf(r, err)
	known := statuses[code]
	p := problem{
		Type: "urn:paybell:problem:" + string(code), Title: known.title, Status: known.status,
		Detail: detailOf(r, err), Instance: "urn:uuid:" + r.id,
	}
	if _, ok := errors.AsType[*methodError](err); ok {
		p.Type, p.Title, p.Status = "about:blank", http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed
	}
	if e, ok := errors.AsType[*paybell.Error](err); ok && len(e.Fields) > 0 {
		p.Errors = make(map[string][]string, len(e.Fields))
		for field, what := range e.Fields {
			p.Errors[field] = []string{what}
		}
	}
	return p
}

// codeOf is the error's code. What was cut short since the request was ended
// (by its client, or by this server stopping) is Unavailable, not our fault.
func codeOf(r *request, err error) paybell.Code {
	code := paybell.CodeOf(err)
	switch {
	case isMethodError(err):
		return paybell.Invalid
	case statuses[code].status == 0:
		return paybell.Internal
	case code == paybell.Internal && cancelled(r, err):
		return paybell.Unavailable
	}
	return code
}

func isMethodError(err error) bool {
	_, ok := errors.AsType[*methodError](err)
	return ok
}

// cancelled reports whether err may come from the request's end. Once that has
// come, databases give up with errors of their own.
func cancelled(r *request, err error) bool {
	if _, ok := errors.AsType[*web.PanicError](err); ok {
		return false
	}
	return r.Context().Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// detailOf is what the caller is told. The text of errors that are not meant
// for callers stays in the log.
func detailOf(r *request, err error) string {
	e, ours := errors.AsType[*paybell.Error](err)
	switch code := codeOf(r, err); {
	case isMethodError(err):
		return err.Error()
	case code == paybell.Internal:
		return "Something went wrong here. The operator finds the cause in the log under request " + r.id + "."
	case !ours || e.Code != code:
		return "The request was ended before its outcome was known. Look whether it was done, or ask again."
	default:
		return e.Detail
	}
}

// retryAfter is after how many seconds it is worth to ask again; 0: not said.
func retryAfter(r *request, err error) int {
	var wait time.Duration
	if e, ok := errors.AsType[*paybell.Error](err); ok {
		wait = e.RetryAfter
	}
	switch codeOf(r, err) {
	case paybell.Unavailable, paybell.RateLimited:
		return max(1, int((wait+time.Second-1)/time.Second))
	}
	return 0
}

// logFailure logs the cause of what the caller is not to blame for. A request
// that its own client gave up is nobody's fault.
func (s *Server) logFailure(r *request, err error) {
	if s.Log == nil {
		return
	}
	switch code := codeOf(r, err); {
	case code == paybell.Internal:
		s.Log.Error("a request failed", "request", r.id, "route", r.Pattern, "err", err)
	case code == paybell.Unavailable && r.Context().Err() == nil:
		s.Log.Warn("a request could not be served", "request", r.id, "route", r.Pattern, "err", err)
	}
}

// nowhere answers paths that are not in the mux: 405 if they are for another
// method, else 404.
func nowhere(mux *http.ServeMux) action {
	return func(_ http.ResponseWriter, r *request) error {
		var allow []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			other := r.WithContext(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" && isClean(r.URL) {
				allow = append(allow, method)
			}
		}
		if allow != nil {
			return &methodError{allow}
		}
		return paybell.Errorf(paybell.NotFound, "There is nothing at %.200q.", r.URL.Path)
	}
}
