package api

import (
	"bytes"
	"cmp"
	"net/http"
	"net/netip"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

// door lets requests in to the routes: it finds out who asks, and not too often.
type door struct {
	*Server
	auth  *authenticator
	limit *web.Limiter
}

// guarded is a route's action behind the checks that the route asks for.
func (d *door) guarded(rt route) action {
	do := rt.do
	if rt.guard&withBody == 0 {
		do = withoutBody(do)
	}
	switch rt.guard &^ (withBody | known) {
	case signed:
		do = d.verified(do)
	case account:
		do = d.signedIn(do)
	default:
		return d.open(rt)
	}
	return reading(do)
}

// reading reads the body once.
func reading(do action) action {
	return func(w http.ResponseWriter, r *request) (err error) {
		if r.body, err = readBody(w, r.Request); err != nil {
			return err
		}
		return do(w, r)
	}
}

// verified checks the signature over the raw bytes of the body and finds out who
// signed. The limit counts what was signed: else anybody could use up a
// client's.
func (d *door) verified(do action) action {
	return func(w http.ResponseWriter, r *request) error {
		clientID, err := d.auth.verify(r.Request, r.body)
		if paybell.CodeOf(err) == paybell.Unauthenticated {
			// Who is not recognised is counted by where they come from, not by whose
			// name they use, and apart from those who need no name.
			return cmp.Or(d.limit.Take("stranger "+d.address(r)), err)
		}
		if err != nil {
			return err
		}
		if r.actor, err = d.Desk.Actor(r.Context(), clientID, web.Caller(r.Request, d.TrustedProxies)); err != nil {
			return err
		}
		if err := d.limit.Take(clientID); err != nil {
			return err
		}
		return do(w, r)
	}
}

// signedIn finds out which person's token a request carries (RFC 6750). Tokens
// have too many random bits to be guessed; asking is counted by address all the
// same.
func (d *door) signedIn(do action) action {
	return func(w http.ResponseWriter, r *request) (err error) {
		r.bearer = true
		if err := d.limitAddress(r); err != nil {
			return err
		}
		headers := r.Header.Values("Authorization")
		if len(headers) != 1 {
			return unauthenticatedf("This is for people: send the header Authorization: Bearer and an account token, which `paybell token create` makes.")
		}
		scheme, token, _ := strings.Cut(headers[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return unauthenticatedf("The header Authorization must be Bearer and an account token.")
		}
		if r.actor, err = d.Desk.Account(r.Context(), strings.TrimSpace(token)); err != nil {
			return err
		}
		r.actor.From = web.Caller(r.Request, d.TrustedProxies)
		return do(w, r)
	}
}

// open lets anybody in. The body of a route that takes none is not looked at:
// clients that sign everything send one here too.
func (d *door) open(rt route) action {
	do := rt.do
	if rt.guard&withBody != 0 {
		do = reading(do)
	}
	if rt.guard&known != 0 {
		do = d.recognised(do)
	}
	return func(w http.ResponseWriter, r *request) error {
		if err := d.limitAddress(r); err != nil {
			return err
		}
		return do(w, r)
	}
}

// recognised finds out who signed a request that anybody may send. Real clients
// sign such wrongly: then it is nobody's.
func (d *door) recognised(do action) action {
	return func(w http.ResponseWriter, r *request) error {
		if r.Header.Get(paybell.HeaderSignature) == "" {
			return do(w, r)
		}
		clientID, err := d.auth.verify(r.Request, nil)
		if err == nil {
			r.actor, err = d.Desk.Actor(r.Context(), clientID, web.Caller(r.Request, d.TrustedProxies))
		}
		switch paybell.CodeOf(err) {
		case paybell.Unauthenticated, paybell.Forbidden:
			r.actor, err = desk.Actor{}, nil
		}
		if err != nil {
			return err
		}
		return do(w, r)
	}
}

// limitAddress counts a request of nobody known by where it comes from: one
// address, or what one customer has of the new kind (a /64).
func (d *door) limitAddress(r *request) error { return d.limit.Take(d.address(r)) }

func (d *door) address(r *request) string {
	addr := web.Caller(r.Request, d.TrustedProxies)
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}

// withoutBody refuses a body that says anything. What clients send when they
// have nothing to say passes.
func withoutBody(do action) action {
	return func(w http.ResponseWriter, r *request) error {
		body := bytes.TrimSpace(r.body)
		if len(body) == 0 || string(body) == "null" || isEmpty(body, '{') || isEmpty(body, '[') {
			return do(w, r)
		}
		return paybell.Errorf(paybell.Invalid, "This request takes no body; leave it out.")
	}
}
