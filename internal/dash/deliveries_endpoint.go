package dash

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// endpointView is one merchant server as pages show it.
type endpointView struct {
	desk.EndpointLine
	Link, Host string
	State      paybell.EndpointState
	Chart      *recentChart // nil: none of the client's own webhooks rings there
}

func newEndpointView(l desk.EndpointLine, slots int, texts bool) endpointView {
	v := endpointView{EndpointLine: l, Link: endpointLink(l.ClientID, l.Origin), Host: hostOf(l.Origin), State: l.Health.State(time.Now())}
	if len(l.Webhooks) > 0 {
		v.Chart = newRecentChart(l.Recent, slots, texts)
	}
	return v
}

// PendingText is how many notifications wait.
func (v endpointView) PendingText() string { return atLeast(v.Pending, desk.MaxCounted) }

// Quiet says how many of the webhooks there do not ring, if any.
func (v endpointView) Quiet() string {
	counts := map[paybell.WebhookState]int{}
	for _, w := range v.Webhooks {
		counts[w.State]++
	}
	var parts []string
	for _, state := range []paybell.WebhookState{paybell.WebhookPaused, paybell.WebhookDisabled} {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d %s", n, len(v.Webhooks), state))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Webhooks: " + strings.Join(parts, ", ")
}

// Disabled reports whether nothing is sent there.
func (v endpointView) Disabled() bool { return v.State == paybell.EndpointDisabled }

// jobView is a job that sends again, as pages show it.
type jobView struct {
	paybell.Resend
	Host    string
	Percent int
}

func jobViews(jobs []paybell.Resend) (all []jobView) {
	for _, j := range jobs {
		v := jobView{Resend: j, Host: hostOf(j.Origin), Percent: 100}
		if j.Total > 0 {
			v.Percent = int(min(100, 100*j.Done/j.Total))
		}
		all = append(all, v)
	}
	return all
}

// Cancels reports whether the job can be left half done.
func (j jobView) Cancels() bool {
	return j.What != paybell.ResendMissed && j.What != paybell.SkipMissed
}

// Text says what the job does.
func (j jobView) Text() string {
	switch j.What {
	case paybell.ResendOne:
		return "Sends one notification again"
	case paybell.ResendAfter:
		return "Sends everything after a number again"
	case paybell.ResendFailed:
		return "Sends again what was given up since " + moment(j.Since)
	case paybell.ResendMissed:
		return "Sends what was missed"
	}
	return "Skips what was missed"
}

func (s *Server) endpoint(ctx context.Context, r *request) (view, error) {
	q := r.URL.Query()
	if q.Get("client") == "" || q.Get("origin") == "" {
		return view{}, paybell.Errorf(paybell.NotFound, "there is no such page; servers are listed with the deliveries")
	}
	all, err := s.Desk.ListEndpoints(ctx, r.Person.Actor(), desk.EndpointFilter{ClientID: q.Get("client"), Origin: q.Get("origin"), Limit: 1, Recent: desk.MaxRecent})
	if err != nil {
		return view{}, err
	}
	if len(all.Lines) == 0 {
		return view{}, paybell.Errorf(paybell.NotFound, "no webhook of the integration rings at %.200s", q.Get("origin"))
	}
	e := newEndpointView(all.Lines[0], max(barsOfEndpoint, len(all.Lines[0].Recent)), true)
	p := endpointPage{endpointView: e, Jobs: jobViews(all.Jobs)}
	for _, w := range e.Webhooks {
		p.Hooks = append(p.Hooks, endpointHook{w})
	}
	return view{Template: "endpoint.html", Title: e.Host, Area: "deliveries", Data: p}, nil
}

// endpointPage is one of them, with all that is known.
type endpointPage struct {
	endpointView
	Jobs  []jobView
	Hooks []endpointHook
}

// endpointHook is a webhook that rings there.
type endpointHook struct{ paybell.Webhook }

// Integration is the page where the webhook is changed.
func (h endpointHook) Integration() string { return integrationPath(h.ClientID) }

// Test is the form that sends a test to it.
func (h endpointHook) Test() string {
	return integrationPath(h.ClientID) + "/webhooks/" + h.ID + "/test"
}

// Enable is the form that lets it ring again.
func (h endpointHook) Enable() string {
	return integrationPath(h.ClientID) + "/webhooks/" + h.ID + "/enable"
}

// Again is the form that sends again what was given up.
func (h endpointHook) Again() string { return resendLink(h.Webhook) }

// Deliveries are those to it alone.
func (h endpointHook) Deliveries() string {
	return deliveriesPath + "?" + url.Values{"client": {h.ClientID}, "webhook": {h.ID}}.Encode()
}

// Events are the names of what it asks for.
func (h endpointHook) EventNames() string { return strings.Join(h.Webhook.Events.Names(), ", ") }

// Deliveries are those to the endpoint.
func (v endpointView) Deliveries() string {
	return deliveriesPath + "?" + url.Values{"client": {v.ClientID}, "endpoint": {v.Origin}}.Encode()
}

// enableDisabled lets an endpoint be served again, with what it missed or without.
func (s *Server) enableDisabled(w http.ResponseWriter, r *request) error {
	skip, err := skipsMissed(r)
	if err != nil {
		return err
	}
	job, err := s.Desk.EnableEndpoint(r.Context(), r.Person.Actor(), r.field("client"), r.field("origin"), skip)
	if err != nil {
		return err
	}
	return done(w, endpointLink(job.ClientID, job.Origin), hostOf(job.Origin)+" is served again."+jobText(job))
}
