// Package shop is a small merchant's server, the receiver in "paybell demo". It
// stands in for other people's code, so it trusts nothing and shares nothing
// with the sender: it is written from the public documents alone and imports
// only the standard library and the Standard Webhooks library. If the two sides
// agree, they agree on the documents, not on a common mistake.
package shop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	maxBody    = 1 << 20 // bytes of a notification that are read
	maxAge     = 300     // seconds a signature may be old, or from the future: the SDK's own choice
	remembered = 10_000  // ids kept to know a notification again
	waiting    = 1024    // events that may wait for a reader
)

// Event is one POST that reached the shop.
type Event struct {
	ID         string // of the notification: the same for every attempt
	Type       string // as on the wire, such as InvoicePaid
	InvoiceID  string // empty if it is not about an invoice
	State      string // of the invoice, as on the wire
	Sequence   string // <epoch>.<n>; empty for a test. Like OutOfOrder not covered by the signature
	OutOfOrder bool
	At         time.Time // when it arrived, by the shop's clock
	Err        error     // why it is not trusted, and then only At is set beside it; nil when all is good
	Duplicate  bool      // its id was here before
}

// Shop is an http.Handler for one registered webhook. It answers 204 to a
// notification it trusts, again or for the first time; 401 if the signatures,
// the time or the client are wrong; 400 or 413 if the body is not what was
// documented; and 503 if it has no room to note an event, so that the sender
// comes again.
type Shop struct {
	clientID, clientSecret string

	events chan Event
	now    func() time.Time

	mu    sync.Mutex
	url   string
	seen  map[string]bool
	order [remembered]string // the ids in seen, a ring
	next  int                // place in order of the id to forget next
}

// New makes the shop of the client with this id (32 hex digits) and secret, for
// the webhook registered with url: the signature covers that very text.
func New(url, clientID, clientSecret string) *Shop {
	return &Shop{
		clientID: clientID, clientSecret: clientSecret, url: url,
		events: make(chan Event, waiting), now: time.Now, seen: map[string]bool{},
	}
}

// SetURL says with which URL the webhook is registered, once that is known.
func (s *Shop) SetURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = url
}

// Events returns what arrives, in the order of arrival; the channel is never
// closed. 1024 events wait for a reader. Past that a trusted event is not
// acknowledged, and an untrusted one is left out.
func (s *Shop) Events() <-chan Event { return s.events }

func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "notifications are posted", http.StatusMethodNotAllowed)
		return
	}
	event, status := s.receive(w, r)
	if event.Err == nil {
		if !s.note(event) {
			http.Error(w, "too much to do, come again", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	select {
	case s.events <- event:
	default:
	}
	http.Error(w, event.Err.Error(), status)
}

// receive reads and judges one POST. The status is for an event with Err.
func (s *Shop) receive(w http.ResponseWriter, r *http.Request) (event Event, status int) {
	now := s.now()
	refuse := func(status int, err error) (Event, int) { return Event{At: now, Err: err}, status }

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, fmt.Errorf("shape: the body is larger than %d bytes", maxBody))
	} else if err != nil {
		return refuse(http.StatusBadRequest, fmt.Errorf("shape: the body breaks off: %w", err))
	}
	if err := s.verifyCoinPayments(r.Header, body, now); err != nil {
		return refuse(http.StatusUnauthorized, fmt.Errorf("signature of CoinPayments: %w", err))
	}
	id, err := s.verifyStandard(r.Header, body, now)
	if err != nil {
		return refuse(http.StatusUnauthorized, fmt.Errorf("signature of Standard Webhooks: %w", err))
	}
	event, err = readNotification(body, id)
	if err != nil {
		return refuse(http.StatusBadRequest, fmt.Errorf("shape: %w", err))
	}
	event.At = now
	event.Sequence = r.Header.Get("Paybell-Sequence")
	event.OutOfOrder = r.Header.Get("Paybell-Out-Of-Order") == "true"
	return event, http.StatusNoContent
}

// verifyCoinPayments applies the rules of the CoinPayments PHP SDK, which are
// the strictest of any receiver's.
func (s *Shop) verifyCoinPayments(h http.Header, body []byte, now time.Time) error {
	if s.clientSecret == "" {
		return errors.New("signature: the shop has no secret, and trusts nobody")
	}
	client, err := one(h, "X-CoinPayments-Client")
	if err != nil {
		return err
	}
	timestamp, err := one(h, "X-CoinPayments-Timestamp")
	if err != nil {
		return err
	}
	signature, err := one(h, "X-CoinPayments-Signature")
	if err != nil {
		return err
	}
	if client != s.clientID {
		return errors.New("client id: it is another client's")
	}
	const layout = "2006-01-02T15:04:05"
	at, err := time.Parse(layout, timestamp)
	if err != nil || at.Format(layout) != timestamp {
		return fmt.Errorf("timestamp: %q is malformed", timestamp)
	}
	if err := fresh(at.Unix(), now); err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(s.clientSecret))
	mac.Write([]byte("\uFEFF" + http.MethodPost + s.registeredURL() + client + timestamp))
	mac.Write(body)
	if !hmac.Equal([]byte(signature), []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))) {
		return errors.New("signature: it does not match")
	}
	return nil
}

// verifyStandard lets the Standard Webhooks library judge and returns the
// webhook-id. The time is judged here: the library has only the real clock.
func (s *Shop) verifyStandard(h http.Header, body []byte, now time.Time) (id string, err error) {
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		if _, err := one(h, name); err != nil {
			return "", err
		}
	}
	unix, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		return "", fmt.Errorf("timestamp: %q is malformed", h.Get("webhook-timestamp"))
	}
	if err := fresh(unix, now); err != nil {
		return "", err
	}
	webhook, err := standardwebhooks.NewWebhook("whsec_" + s.clientSecret)
	if err != nil {
		return "", fmt.Errorf("the shop's secret is no webhook secret: %w", err)
	}
	if err := webhook.VerifyIgnoringTimestamp(body, h); err != nil {
		return "", fmt.Errorf("signature: %w", err)
	}
	return h.Get("webhook-id"), nil
}

// one returns the only value of a header.
func one(h http.Header, name string) (string, error) {
	if values := h.Values(name); len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("signature: the header %s must be there once", name)
	}
	return h.Get(name), nil
}

// fresh refuses a signature made too long before now, or after it.
func fresh(unix int64, now time.Time) error {
	if from, to := now.Unix()-maxAge, now.Unix()+maxAge; unix < from || unix > to {
		return fmt.Errorf("timestamp: it is more than %d s from the shop's clock", maxAge)
	}
	return nil
}

func (s *Shop) registeredURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// readNotification takes out of a body what the shop wants to know. The id is
// the webhook-id, and must be the body's own.
func readNotification(body []byte, id string) (Event, error) {
	var n struct {
		ID, Type string
		Invoice  *struct{ ID, State string }
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return Event{}, err
	}
	switch {
	case n.ID == "" || n.Type == "":
		return Event{}, errors.New("the id or the type is missing")
	case n.ID != id:
		return Event{}, errors.New("the webhook-id is not the id of the notification")
	case n.Invoice == nil && strings.HasPrefix(n.Type, "Invoice"):
		return Event{}, errors.New("the invoice is missing")
	case n.Invoice != nil && (n.Invoice.ID == "" || n.Invoice.State == ""):
		return Event{}, errors.New("the id or the state of the invoice is missing")
	}
	event := Event{ID: n.ID, Type: n.Type}
	if n.Invoice != nil {
		event.InvoiceID, event.State = n.Invoice.ID, n.Invoice.State
	}
	return event, nil
}

// note hands a trusted event to the reader and remembers its id, both or
// neither. It never waits: false means that there was no room.
func (s *Shop) note(event Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	event.Duplicate = s.seen[event.ID]
	select {
	case s.events <- event:
	default:
		return false
	}
	if !event.Duplicate {
		delete(s.seen, s.order[s.next])
		s.seen[event.ID], s.order[s.next] = true, event.ID
		s.next = (s.next + 1) % remembered
	}
	return true
}
