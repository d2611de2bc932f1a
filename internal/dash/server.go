// Package dash is the dashboard: for the merchant's people, who sign in. It knows
// HTTP and HTML; everything else it asks the desk. Pages are whole without
// JavaScript; with it they stay true while they are looked at.
package dash

import (
	"cmp"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// Server answers /dash/. Its fields are set once, before Handler is called.
type Server struct {
	Desk           *desk.Desk
	PublicURL      string // what people and programs reach this server under, like https://pay.example.com
	TrustedProxies []netip.Prefix
	Stopping       <-chan struct{} // closed when the server is about to stop; nil: never
	Log            *slog.Logger    // nil: nothing is logged

	live    web.Live
	streams web.Streams

	attentions    memory[desk.Attention]
	overviews     memory[desk.Overview]
	deliveryLists memory[deliveriesPage]
}

// maxStreams is how many live pages one user has open at a time.
const maxStreams = 32

//go:embed assets/*
var assetFiles embed.FS

var assets = web.NewAssets("/dash/assets/", map[string][]byte{
	"style.css":    styles(),
	"dash.js":      asset("dash.js"),
	"idiomorph.js": web.Idiomorph,
	"icon.svg":     asset("icon.svg"),
})

func asset(name string) []byte {
	text, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return text
}

// styles is the style of all pages, and then what single areas add to it.
func styles() []byte {
	text := asset("style.css")
	for _, area := range []string{"integrations", "invoices", "deliveries", "settings"} {
		text = append(text, asset(area+".css")...)
	}
	return text
}

// action answers one request. It writes its answer as its last step and returns
// nil, or returns an error and writes nothing: serve then writes the page.
type action func(w http.ResponseWriter, r *request) error

// request is one of a person who is signed in, or of nobody (door.go).
type request struct {
	*http.Request
	desk.Person
	visitor desk.Visitor
	token   string // of the session
}

type route struct {
	pattern string
	do      action
}

// routes is every address of the dashboard that asks who is there.
func (s *Server) routes() []route {
	all := []route{
		{"GET /dash/{$}", s.page(s.overview)},
		{"POST /dash/sign-out", s.signOut},
	}
	for _, part := range [][]route{s.integrationRoutes(), s.invoiceRoutes(), s.deliveryRoutes(), s.walletRoutes(), s.settingsRoutes()} {
		all = append(all, part...)
	}
	return all
}

// Handler answers what browsers ask for, also when it is not there.
func (s *Server) Handler() http.Handler {
	s.live = web.Live{Changed: s.Desk.Changed, Stopping: s.Stopping}
	s.streams.Most = maxStreams
	mux := http.NewServeMux()
	mux.Handle("GET /dash/assets/", assets.Handler())
	mux.Handle("GET /dash/sign-in", s.serve(s.showSignIn))
	mux.Handle("POST /dash/sign-in", s.serve(s.signIn))
	mux.Handle("GET /dash/pass/{token}", s.serve(s.showPass))
	mux.Handle("POST /dash/pass/{token}", s.serve(s.usePass))
	mux.HandleFunc("GET /dash", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/dash/", http.StatusMovedPermanently)
	})
	for _, rt := range s.routes() {
		mux.Handle(rt.pattern, s.serve(s.signedIn(rt.do)))
	}
	mux.Handle("GET /dash/", s.serve(s.signedIn(nowhere)))
	return mux
}

// policy lets a page load what is ours and nothing else, send its forms here, and
// be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// sameOrigin refuses forms that another site sends.
var sameOrigin http.CrossOriginProtection

// maxForm bounds the body of a form, in bytes.
const maxForm = 256 << 10

// serve makes a handler of an action: headers, and one place for errors.
func (s *Server) serve(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with none at all, forms have no origin to be judged by
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex")
		r := &request{Request: hr, visitor: desk.Visitor{From: web.Caller(hr, s.TrustedProxies), Agent: hr.UserAgent()}}
		err := check(w, hr)
		if err == nil {
			err = web.Caught(func() error { return do(w, r) })
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// check reads what a request says, in its address and its form, and refuses what
// another site has sent, what is too long, and what is no text.
func check(w http.ResponseWriter, r *http.Request) error {
	if err := sameOrigin.Check(r); err != nil {
		return &paybell.Error{Code: paybell.Forbidden, Detail: "another site sent this form", Err: err}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &paybell.Error{Code: paybell.Invalid, Detail: "the form cannot be read, or is too long", Err: err}
	}
	if !isText(r.URL.Path) {
		return paybell.Errorf(paybell.NotFound, "there is no such page")
	}
	for name, values := range r.Form {
		for _, text := range append(values, name) {
			if !isText(text) {
				return paybell.Errorf(paybell.Invalid, "%.40q holds what is no text", name)
			}
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func nowhere(http.ResponseWriter, *request) error {
	return paybell.Errorf(paybell.NotFound, "there is no such page")
}

// fail writes the page of an error. Who is not signed in is asked to.
func (s *Server) fail(w http.ResponseWriter, r *request, err error) {
	code := paybell.CodeOf(err)
	if code == paybell.Unauthenticated && !web.WantsLive(r.Request) {
		to := "/dash/sign-in"
		if r.Method == http.MethodGet && r.URL.Path != "/dash/" {
			to += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		redirect(w, to)
		return
	}
	f := failure{Title: "Something went wrong", Detail: "The server could not answer. Try again in a moment; what you did before is kept.", Status: http.StatusInternalServerError}
	if known, ok := failures[code]; ok {
		f = known
		var ours *paybell.Error
		if errors.As(err, &ours) {
			f.Detail = sentence(ours.Detail)
		}
	} else if s.Log != nil && r.Context().Err() == nil {
		s.Log.Error("cannot answer", "path", r.URL.Path, "err", err)
	}
	if web.WantsLive(r.Request) {
		w.WriteHeader(f.Status)
		return
	}
	if err := s.show(w, r, f.Status, view{Template: "failure.html", Title: f.Title, Data: f}); err != nil && s.Log != nil {
		s.Log.Error("cannot write a page", "err", err)
	}
}

type failure struct {
	Title, Detail string
	Status        int
}

var failures = map[paybell.Code]failure{
	paybell.Invalid:         {Title: "That does not work", Status: http.StatusUnprocessableEntity},
	paybell.Unauthenticated: {Title: "Sign in first", Status: http.StatusUnauthorized},
	paybell.Forbidden:       {Title: "Not allowed", Status: http.StatusForbidden},
	paybell.NotFound:        {Title: "Not found", Status: http.StatusNotFound},
	paybell.Conflict:        {Title: "That is not possible now", Status: http.StatusConflict},
	paybell.TooLarge:        {Title: "That is too much", Status: http.StatusRequestEntityTooLarge},
	paybell.RateLimited:     {Title: "Too fast", Status: http.StatusTooManyRequests},
	paybell.Unavailable:     {Title: "Not now", Status: http.StatusServiceUnavailable},
}

// sentence is an error's text as people read it.
func sentence(detail string) string {
	if detail == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(detail)
	detail = string(unicode.ToUpper(first)) + detail[size:]
	if !strings.HasSuffix(detail, ".") && !strings.HasSuffix(detail, "?") && !strings.HasSuffix(detail, "!") {
		detail += "."
	}
	return detail
}

// advice is what a form says of an error that its reader can do something about;
// empty for other errors, which are pages of their own.
func advice(err error) string {
	var ours *paybell.Error
	if !errors.As(err, &ours) {
		return ""
	}
	switch ours.Code {
	case paybell.Invalid, paybell.Conflict, paybell.RateLimited, paybell.Forbidden, paybell.Unauthenticated, paybell.TooLarge:
		return sentence(cmp.Or(ours.Detail, ours.Error()))
	}
	return ""
}

// redirect leads on after a form; the browser asks for the page by GET.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
