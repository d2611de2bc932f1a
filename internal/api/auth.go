package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

const (
	// defaultSignatureWindow is how far a client's clock may be off, both ways.
	defaultSignatureWindow = time.Minute

	// maxSignedTarget bounds the request target (path and query), in bytes.
	maxSignedTarget = 16 << 10

	// stranger stands in for the secret of a client we do not know. What it
	// verifies is refused all the same.
	stranger = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

// errStranger is all that a client we do not know is ever told.
var errStranger = paybell.Errorf(paybell.Unauthenticated,
	"This client id is not known here, or the client is disabled: compare the %s header with the client id in the dashboard.", paybell.HeaderClient)

// authenticator tells who sent a signed API request, by the recipe of
// CoinPayments (see paybell.SignRequest). It never looks at a decoded or
// cleaned form of the request: clients sign what they wrote.
//
// The recipe joins its parts without separators. So that a signature has only
// one reading, each part is held to a form that cannot run over into the next:
// the client id and the timestamp by their grammar, the host to the characters
// of a host, the request target to the characters of a URL (no '{' and no '"',
// with one of which the body begins or goes on), and a body must be a JSON
// object or array: it cannot begin like the rest of a timestamp. Without the
// last rule, a request signed at "08:04:05+05:00" could be played again five
// hours later as one of "08:04:05" with the body "+05:00".
//
// The protocol has no nonce: inside the window a request can be replayed.
type authenticator struct {
	// PublicURLs are the addresses under which clients know this server, such as
	// https://pay.example or https://example.com/pay, the main one first.
	// What a proxy makes of a request (its Host, its scheme) may differ from what
	// the client signed; these are what it signed.
	PublicURLs []string

	// Window is how far the timestamp may be off, both ways; zero means 60 s.
	Window time.Duration

	// Secrets returns the live secrets of a client, given as 32 lower-case hex
	// digits; during a rotation there are two. A disabled client is not found.
	Secrets func(ctx context.Context, clientID string) (secrets []string, found bool, err error)

	now func() time.Time // nil means time.Now
}

// verify returns the id of the client that signed r, as 32 lower-case hex
// digits. The body is the whole raw body, which the caller has read and
// bounded. Whoever is not recognised gets Unauthenticated; an error of Secrets
// is passed on.
//
// A known client is told which check failed, since a wrong clock and a URL
// rewritten by a proxy are what costs integrators their day. So the answer does
// tell whether a client id exists; ids have 122 random bits and are no secrets.
// Neither secrets nor expected signatures are ever part of it.
func (a *authenticator) verify(r *http.Request, body []byte) (clientID string, err error) {
	req, err := readSigned(r, body)
	if err != nil {
		return "", err
	}
	secrets, found, err := a.Secrets(r.Context(), req.clientID)
	if err != nil {
		return "", fmt.Errorf("look up the secrets of client %s: %w", req.clientID, err)
	}
	// An empty secret would be a key that everybody knows.
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return s == "" })
	if !found || len(secrets) == 0 {
		found, secrets = false, []string{stranger} // the same work as for a known client
	}
	urls := a.signedURLs(req)
	signed := req.signedWith(secrets, urls)
	if !found {
		return "", errStranger
	}
	if err := a.checkClock(req); err != nil {
		return "", err
	}
	if !signed {
		return "", errSignature(urls)
	}
	return req.clientID, nil
}

// signedRequest is what a request claims, in the client's own spelling.
type signedRequest struct {
	method     string
	host       string // empty if it cannot be part of a URL
	target     string // path and query
	clientText string // the header: 32 hex digits or a UUID, any case
	clientID   string // the same as 32 lower-case hex digits
	timestamp  string // the header
	at         time.Time
	signature  string
	body       []byte
}

// readSigned takes the claims out of r and refuses what can be refused without
// knowing the client.
func readSigned(r *http.Request, body []byte) (*signedRequest, error) {
	req := &signedRequest{method: r.Method, body: body}
	var err error
	if req.clientText, err = signedHeader(r, paybell.HeaderClient); err != nil {
		return nil, err
	}
	if req.timestamp, err = signedHeader(r, paybell.HeaderTimestamp); err != nil {
		return nil, err
	}
	if req.signature, err = signedHeader(r, paybell.HeaderSignature); err != nil {
		return nil, err
	}
	var ok bool
	if req.clientID, ok = paybell.ParseClientID(req.clientText); !ok {
		return nil, unauthenticatedf("The header %s must be the client id: 32 hex digits, or a UUID.", paybell.HeaderClient)
	}
	if req.at, err = paybell.ParseTimestamp(req.timestamp); err != nil {
		return nil, unauthenticatedf("The header %s is malformed. It must look like 2026-01-02T03:04:05, in UTC.", paybell.HeaderTimestamp)
	}
	if !isSignatureText(req.signature) {
		return nil, unauthenticatedf("The header %s must be an HMAC-SHA256 in padded base64, 44 characters.", paybell.HeaderSignature)
	}
	if req.target, ok = signedTarget(r.RequestURI); !ok {
		return nil, unauthenticatedf("The request target cannot be verified: it must be a path and query of at most %d bytes, with { and \" percent-encoded.", maxSignedTarget)
	}
	if isNotification(body) {
		return nil, unauthenticatedf("The body is a notification of ours. Notifications are signed for the receiver, not for this API.")
	}
	if !isSignableBody(body) {
		return nil, unauthenticatedf("The body of a signed request must be a JSON object or array, or be left out.")
	}
	if isPlainHost(r.Host) {
		req.host = r.Host
	}
	return req, nil
}

// signedHeader returns the one value of a header. Two values are refused: we
// and a proxy before us might each look at another one.
func signedHeader(r *http.Request, name string) (string, error) {
	switch values := r.Header.Values(name); {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", unauthenticatedf("The header %s is missing. A signed request needs %s, %s and %s.",
			name, paybell.HeaderClient, paybell.HeaderTimestamp, paybell.HeaderSignature)
	case len(values) > 1:
		return "", unauthenticatedf("The header %s is there %d times. Send it once.", name, len(values))
	default:
		return values[0], nil
	}
}

// signedTarget returns the path and query of a raw request target, which is
// "/path?query" or, in a request to a proxy, "http://host/path?query".
func signedTarget(uri string) (target string, ok bool) {
	if len(uri) > maxSignedTarget || strings.ContainsAny(uri, `{"`) {
		return "", false
	}
	if strings.HasPrefix(uri, "/") {
		return uri, true
	}
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return "", true
	}
	return rest[end:], true
}

// isSignableBody tells whether body cannot be taken for the rest of a
// timestamp: it is empty, null, or a JSON object or array. No route takes
// anything else.
func isSignableBody(body []byte) bool {
	if len(body) == 0 || string(body) == "null" {
		return true
	}
	start := bytes.TrimLeft(body, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// notificationStart is how the bytes of every notification begin; see
// paybell.Change.Tell.
var notificationStart = regexp.MustCompile(`^\{"id":"[0-9a-f]{32}","type":"`)

// isNotification tells whether body is a notification that we signed. The same
// secret signs requests to us and notifications from us, by the same recipe, and
// the Host is the sender's to choose: without this check, whoever receives the
// notifications for https://their.example/api/v1/merchant/invoices/…/cancel
// would hold a signed request to that path, good for as long as the window
// lasts. The signature covers the bytes, so they cannot be dressed up.
func isNotification(body []byte) bool { return notificationStart.Match(body) }

// isSignatureText tells whether s is base64 of 32 bytes, in its one spelling.
func isSignatureText(s string) bool {
	if len(s) != base64.StdEncoding.EncodedLen(32) {
		return false
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(sum) == 32
}

// isPlainHost tells whether host can stand in a URL without becoming part of
// something else there: no slash, no user name.
func isPlainHost(host string) bool {
	if host == "" || len(host) > 261 { // a DNS name, a colon, a port
		return false
	}
	for _, c := range []byte(host) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._:[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// signedURLs returns the URLs that the client may have written for req.
//
// The Host is the sender's to choose, so a signature binds path and query, not
// this server: one made with the same secret for the same path at another host
// is accepted here. The notifications that we sign ourselves are refused by
// isNotification.
func (a *authenticator) signedURLs(req *signedRequest) []string {
	var urls []string
	for _, base := range a.PublicURLs {
		urls = append(urls, strings.TrimRight(base, "/")+req.target)
	}
	if req.host != "" {
		urls = append(urls, "https://"+req.host+req.target, "http://"+req.host+req.target)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(urls, func(url string) bool {
		again := seen[url]
		seen[url] = true
		return again
	})
}

// signedWith tells whether one of the secrets signed req for one of the URLs.
// It does the same work whichever of them did, if any.
func (req *signedRequest) signedWith(secrets, urls []string) bool {
	bodies := [][]byte{req.body}
	if req.mayMeanNull() {
		bodies = append(bodies, []byte("null"))
	}
	signed := false
	for _, secret := range secrets {
		for _, url := range urls {
			for _, body := range bodies {
				want := paybell.SignRequest(secret, req.method, url, req.clientText, req.timestamp, body)
				signed = paybell.SameSignature(req.signature, want) || signed
			}
		}
	}
	return signed
}

// mayMeanNull tells whether the signature may cover the four characters "null"
// although no body was sent: the generated Node client signs
// JSON.stringify(null) when it has no body, and sends none.
//
// This weakens nothing. Such a signature still needs the secret, and covers the
// same method, URL, client and time. All it gives away is the difference
// between no body and a body of JSON null, which to every route mean the same:
// who strips a null from a signed request has changed nothing. A body that is
// not empty is always verified as it is.
func (req *signedRequest) mayMeanNull() bool {
	switch req.method {
	case http.MethodPost, http.MethodPut, http.MethodDelete:
		return len(req.body) == 0
	}
	return false
}

// checkClock refuses a request whose timestamp is outside the window.
func (a *authenticator) checkClock(req *signedRequest) error {
	window := a.Window
	if window == 0 {
		window = defaultSignatureWindow
	}
	now := time.Now
	if a.now != nil {
		now = a.now
	}
	server := now()
	age := server.Sub(req.at)
	side := "behind"
	switch {
	case age > window:
	case age < -window:
		side = "ahead of"
	default:
		return nil
	}
	return unauthenticatedf("The timestamp %s is %s %s this server's clock, which says %s UTC; %s is allowed. "+
		"Set the clock, and write the time in UTC: an error of whole hours is a time zone.",
		req.timestamp, age.Abs().Round(time.Millisecond), side, paybell.FormatTimestamp(server), window)
}

// errSignature says what could have been signed. The URLs are shown since they
// are what usually differs; the first is the main public one, if there is one.
func errSignature(urls []string) error {
	shown := slices.Clone(urls)
	for i, url := range shown {
		if len(url) > 300 {
			shown[i] = strings.ToValidUTF8(url[:300], "") + "…"
		}
	}
	if len(shown) > 6 {
		shown = append(shown[:6], "…")
	}
	return unauthenticatedf("The signature does not match. It must be the base64 of HMAC-SHA256 with the client secret as text (not decoded) over "+
		"EF BB BF, method, URL, client id, timestamp and raw body, joined without separators. For this request the URL may be: %s",
		strings.Join(shown, " or "))
}

func unauthenticatedf(format string, args ...any) error {
	return paybell.Errorf(paybell.Unauthenticated, format, args...)
}
