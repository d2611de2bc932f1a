// Package checkout is the pages that buyers see: choosing a coin, paying,
// watching the payment arrive, and the invoice to print. They are whole without
// JavaScript. It knows HTTP and HTML; everything else it asks the desk.
package checkout

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// Server answers /checkout/ and /invoices/. Its fields are set once, before
// Handler is called.
type Server struct {
	Desk *desk.Desk
	Log  *slog.Logger // nil: nothing is logged
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed style.css
var style []byte

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// stylePath names the style by its content, so that browsers may keep it for ever.
var stylePath = func() string {
	sum := sha256.Sum256(style)
	return "checkout/style-" + hex.EncodeToString(sum[:6]) + ".css"
}()

// Handler answers what browsers ask for, also when it is not there.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /checkout/{$}", s.serve(s.showCheckout))
	mux.Handle("GET /checkout", s.serve(s.showCheckout))
	mux.Handle("GET /checkout/{id}/{step}", s.serve(backToCheckout))
	mux.Handle("POST /checkout/{id}/pay", s.serve(s.pay))
	mux.Handle("POST /checkout/{id}/buyer", s.serve(s.sayBuyer))
	mux.Handle("GET /invoices/{id}", s.serve(s.showInvoice))
	mux.HandleFunc("GET /"+stylePath, serveStyle)
	mux.Handle("GET /", s.serve(nowhere))
	return mux
}

// policy lets a page load its style and nothing else, send its forms here, and
// be framed by nobody.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// sameOrigin refuses forms that another site sends.
var sameOrigin http.CrossOriginProtection

// action answers one request. It writes its answer as its last step and returns
// nil, or returns an error and writes nothing: serve then writes the page.
type action func(w http.ResponseWriter, r *http.Request) error

// serve makes a handler of an action: headers, and one place for errors.
func (s *Server) serve(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with none at all, forms have no origin to be judged by
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex")
		err := sameOrigin.Check(r)
		if err != nil {
			err = &paybell.Error{Code: paybell.Forbidden, Detail: "another site sent this form", Err: err}
		} else {
			err = caught(do, w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// caught runs an action and turns a panic into an error.
func caught(do action, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p) // asks net/http to cut the connection
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do(w, r)
}

// rootOf leads up from a request's path. Links are relative, so that the pages
// work below a path that a proxy takes away.
func rootOf(r *http.Request) string {
	return strings.Repeat("../", max(0, strings.Count(r.URL.EscapedPath(), "/")-1))
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(style)
}

func nowhere(http.ResponseWriter, *http.Request) error {
	return paybell.Errorf(paybell.NotFound, "there is no such page")
}
