// Package checkout is the pages that buyers see: choosing a coin, paying,
// watching the payment arrive, and the invoice to print. They are whole without
// JavaScript; with it they stay true while they are looked at. It knows HTTP and
// HTML; everything else it asks the desk.
package checkout

import (
	_ "embed" // for what the pages need
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// Server answers /checkout/ and /invoices/. Its fields are set once, before
// Handler is called.
type Server struct {
	Desk           *desk.Desk
	TrustedProxies []netip.Prefix  // whose X-Forwarded-For is believed
	RateLimit      int             // requests per second of one address; 0: no limit
	Stopping       <-chan struct{} // closed when the server is about to stop; nil: never
	Log            *slog.Logger    // nil: nothing is logged

	limit     *web.Limiter // by address
	choices   *web.Limiter // of coins, by invoice and by address
	live      web.Live
	watched   web.Streams // by invoice
	watchers  web.Streams // by address
	streaming web.Streams // all
}

// What anybody may do who has a link.
const (
	choicesPerSecond   = 5
	streamsPerInvoice  = 16
	streamsPerAddress  = 32
	streamsOfAllBuyers = 1000
)

//go:embed assets/style.css
var style []byte

//go:embed assets/checkout.js
var script []byte

//go:embed assets/icon.svg
var icon []byte

var assets = web.NewAssets("/checkout/assets/", map[string][]byte{
	"style.css": style, "checkout.js": script, "idiomorph.js": web.Idiomorph, "icon.svg": icon,
})

// Handler answers what browsers ask for, also when it is not there.
func (s *Server) Handler() http.Handler {
	s.limit, s.choices = web.NewLimiter(s.RateLimit), web.NewLimiter(choicesPerSecond)
	s.live = web.Live{Changed: s.Desk.Changed, Stopping: s.Stopping}
	s.watched.Most, s.watchers.Most, s.streaming.Most = streamsPerInvoice, streamsPerAddress, streamsOfAllBuyers
	mux := http.NewServeMux()
	mux.Handle("GET /checkout/{$}", s.serve(s.showCheckout))
	mux.Handle("GET /checkout", s.serve(s.showCheckout))
	mux.Handle("GET /checkout/{id}/{step}", s.serve(backToCheckout))
	mux.Handle("POST /checkout/{id}/pay", s.serve(s.pay))
	mux.Handle("POST /checkout/{id}/pay-test", s.serve(s.payTest))
	mux.Handle("POST /checkout/{id}/buyer", s.serve(s.sayBuyer))
	mux.Handle("GET /checkout/assets/{name}", assets.Handler())
	mux.Handle("GET /invoices/{id}", s.serve(s.showInvoice))
	mux.Handle("GET /", s.serve(nowhere))
	return mux
}

// policy lets a page load what is ours and nothing else, ask here whether it is still
// true, send its forms here, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

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
		err := s.limit.Take(s.caller(r))
		if err == nil {
			err = own(r)
		}
		if err == nil {
			err = web.Caught(func() error { return do(w, r) })
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// own refuses what another site sends.
func own(r *http.Request) error {
	if err := sameOrigin.Check(r); err != nil {
		return &paybell.Error{Code: paybell.Forbidden, Detail: "another site sent this form", Err: err}
	}
	return nil
}

// caller is where a request comes from: one address, or what one customer has of
// the new kind (a /64).
func (s *Server) caller(r *http.Request) string {
	addr := web.Caller(r, s.TrustedProxies)
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().String()
	}
	return addr.String()
}

// rootOf leads up from a request's path. Links are relative, so that the pages
// work below a path that a proxy takes away.
func rootOf(r *http.Request) string {
	return strings.Repeat("../", max(0, strings.Count(r.URL.EscapedPath(), "/")-1))
}

func nowhere(http.ResponseWriter, *http.Request) error {
	return paybell.Errorf(paybell.NotFound, "there is no such page")
}
