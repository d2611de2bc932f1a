package dash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// deliveryPage is one notification and one webhook, with all that happened.
type deliveryPage struct {
	desk.DeliveryStory
	Client   string // the name of its client
	Fate     paybell.Fate
	Attempts []attemptView // the last one first
	Body     string        // to be read; its bytes are Raw
	Raw      string
	Request  string // as it goes over the wire, without what is secret
	SignedBy time.Time
}

// attemptView is one request as the page shows it.
type attemptView struct {
	paybell.Attempt
	Timing   timingBar
	SignedBy time.Time // when the secret was made that signed it
	Resent   bool      // it is the first of a later round
}

func (s *Server) delivery(ctx context.Context, r *request) (view, error) {
	number, err := deliveryNumber(r)
	if err != nil {
		return view{}, err
	}
	a := r.Person.Actor()
	story, err := s.Desk.FindDelivery(ctx, a, r.PathValue("client"), r.PathValue("webhook"), number)
	if err != nil {
		return view{}, err
	}
	c, err := s.Desk.Client(ctx, a, story.Webhook.ClientID)
	if err != nil {
		return view{}, err
	}
	d := story.Delivery
	p := deliveryPage{DeliveryStory: story, Client: c.Name, Fate: d.Fate(), Raw: string(d.Body), Body: readable(d.Body)}
	for _, attempt := range story.Attempts {
		v := attemptView{Attempt: attempt, Timing: newTimingBar(attempt), SignedBy: secretMade(attempt.Secret)}
		v.Resent = attempt.N == d.Round+1 && d.Round > 0
		p.Attempts = append([]attemptView{v}, p.Attempts...)
	}
	at := time.Time{}
	if len(p.Attempts) > 0 {
		at, p.SignedBy = p.Attempts[0].StartedAt, p.Attempts[0].SignedBy
	}
	p.Request = requestText(d, at)
	return view{Template: "delivery.html", Title: "Notification " + d.Sequence().String(), Area: "deliveries", Data: p}, nil
}

// deliveryNumber is the number in the path.
func deliveryNumber(r *request) (int64, error) {
	text := r.PathValue("number")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != text {
		return 0, paybell.Errorf(paybell.NotFound, "%.40q is not the number of a notification", text)
	}
	return n, nil
}

// secretMade is when a secret was made: that is what names it.
func secretMade(id int64) time.Time {
	if id == 0 {
		return time.Time{}
	}
	return time.UnixMicro(id).UTC()
}

// readable writes JSON over several lines.
func readable(body []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		return string(body)
	}
	return b.String()
}

// requestText is the request of an attempt as it goes over the wire, with the
// signatures named in place of written. The zero time is for one that is still to
// be made.
func requestText(d *paybell.Delivery, at time.Time) string {
	path, host := "/", ""
	if u, err := url.Parse(d.URL); err == nil {
		path, host = u.RequestURI(), u.Host
	}
	var b bytes.Buffer
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) }
	fmt.Fprintf(&b, "POST %s HTTP/1.1\n", path)
	line("Host", host)
	line("User-Agent", "Paybell")
	line("Content-Length", strconv.Itoa(len(d.Body)))
	line("Accept-Encoding", "identity")
	line("Content-Type", "application/json")
	for _, h := range paybell.SignedHeaders(nil, "", d.ClientID, d.URL, d.NotificationID, at, nil) {
		switch name := h[0]; {
		case name == paybell.HeaderSignature:
			line(name, "(HMAC-SHA256 of method, URL, client, timestamp and body)")
		case name == "webhook-signature":
			line(name, "v1,(HMAC-SHA256 of id, timestamp and body)")
		case at.IsZero() && strings.HasSuffix(strings.ToLower(name), "timestamp"):
			line(name, "(when it is sent)")
		default:
			line(name, h[1])
		}
	}
	line("Paybell-Sequence", d.Sequence().String())
	if d.OutOfOrder {
		line("Paybell-Out-Of-Order", "true")
	}
	return b.String()
}

// Link is the page's own address.
func (p deliveryPage) Link() string { return deliveryLink(*p.Delivery) }

// MayResend reports whether it can be sent again: its webhook rings, and it does not
// wait for its first attempt.
func (p deliveryPage) MayResend() bool {
	return p.Webhook.State == paybell.WebhookActive && p.Health.DisabledAt.IsZero() && p.Fate != paybell.FateWaiting && p.Fate != paybell.FateHeld
}

// HeldUntil is until when the endpoint asked to be left alone, if that keeps the
// delivery; else zero.
func (p deliveryPage) HeldUntil() time.Time {
	if until := p.Health.PausedUntil; p.scheduled() && until.After(p.Delivery.DueAt) && until.After(time.Now()) {
		return until
	}
	return time.Time{}
}

// DueAt is when the next attempt is due, if that is to come; else zero.
func (p deliveryPage) DueAt() time.Time {
	if due := p.Delivery.DueAt; p.scheduled() && due.After(time.Now()) {
		return due
	}
	return time.Time{}
}

// scheduled reports whether there is a next attempt, at a known time.
func (p deliveryPage) scheduled() bool {
	return p.Delivery.State == paybell.DeliveryPending && !p.Delivery.DueAt.IsZero() && p.Webhook.State == paybell.WebhookActive && p.Health.DisabledAt.IsZero()
}

// EndpointLink is the page of the endpoint that it goes to.
func (p deliveryPage) EndpointLink() string {
	return endpointLink(p.Webhook.ClientID, p.Webhook.Origin)
}

// resendOne sends one notification again, or at once if it waits for another attempt.
func (s *Server) resendOne(w http.ResponseWriter, r *request) error {
	number, err := deliveryNumber(r)
	if err != nil {
		return err
	}
	a := r.Person.Actor()
	story, err := s.Desk.FindDelivery(r.Context(), a, r.PathValue("client"), r.PathValue("webhook"), number)
	if err != nil {
		return err
	}
	d := story.Delivery
	if _, err := s.Desk.Resend(r.Context(), a, d.ClientID, d.WebhookID, desk.ResendRequest{NotificationID: d.NotificationID}); err != nil {
		return err
	}
	return done(w, deliveryLink(*d), "The notification is sent again.")
}
