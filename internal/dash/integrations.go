package dash

import (
	"context"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

func (s *Server) integrationRoutes() []route {
	const client = "/dash/integrations/api/{client}"
	const hook = client + "/webhooks/{webhook}"
	routes := []route{
		{"GET /dash/integrations/api/new", s.page(s.newIntegration)},
		{"POST /dash/integrations/api", s.createIntegration},
		{"GET " + client + "/edit", s.page(s.editIntegration)},
		{"POST " + client + "/edit", s.updateIntegration},
		{"POST " + client + "/state", s.switchIntegration},
		{"GET " + client + "/secret", s.page(s.askNewSecret)},
		{"POST " + client + "/secret", s.newSecret},
		{"GET " + client + "/delete", s.page(s.askDeleteIntegration)},
		{"POST " + client + "/delete", s.deleteIntegration},
		{"POST " + client + "/endpoint", s.enableEndpoint},

		{"GET " + client + "/webhooks/new", s.page(s.newWebhook)},
		{"POST " + client + "/webhooks/new", s.createWebhook},
		{"GET " + hook + "/edit", s.page(s.editWebhook)},
		{"POST " + hook + "/edit", s.updateWebhook},
		{"POST " + hook + "/pause", s.pauseWebhook},
		{"GET " + hook + "/enable", s.page(s.askEnableWebhook)},
		{"POST " + hook + "/enable", s.enableWebhook},
		{"GET " + hook + "/delete", s.page(s.askDeleteWebhook)},
		{"POST " + hook + "/delete", s.deleteWebhook},
		{"GET " + hook + "/test", s.page(s.askTryWebhook)},
		{"POST " + hook + "/test", s.tryWebhook},
	}
	for i := range routes {
		routes[i].do = forChangers(routes[i].do)
	}
	return append(routes,
		route{"GET /dash/integrations", s.page(s.integrations)},
		route{"GET /dash/integrations/api", s.page(s.integrationList)},
		route{"GET " + client, s.page(s.integration)},
	)
}

// integrations shows what kinds there are.
func (s *Server) integrations(ctx context.Context, r *request) (view, error) {
	lines, err := s.Desk.Integrations(ctx, r.Person.Actor())
	return view{Template: "integrations.html", Title: "Integrations", Area: "integrations", Data: lines}, err
}

// integrationList is the page of all clients; what may lie over it is Pop.
type integrationList struct {
	Lines []desk.IntegrationLine
	Pop   any
}

func (s *Server) integrationList(ctx context.Context, r *request) (view, error) {
	lines, err := s.Desk.Integrations(ctx, r.Person.Actor())
	return view{Template: "integrations_api.html", Title: "API integrations", Area: "integrations", Data: integrationList{Lines: lines}}, err
}

// integrationPage is the page of one client; what may lie over it is Pop.
type integrationPage struct {
	desk.Integration
	Path     string // of the page
	BaseURL  string // of the API
	Programs []program
	Pop      any
}

// MayAll says that the client may do everything.
func (p integrationPage) MayAll() bool { return p.Client.Permissions == paybell.AllPermissions }

// MayUsual says that the client may do what new ones may.
func (p integrationPage) MayUsual() bool { return p.Client.Permissions == paybell.UsualPermissions }

// Permissions names what it may do.
func (p integrationPage) Permissions() []string { return p.Client.Permissions.Names() }

// AllowedIPs is where its requests may come from; none: from anywhere.
func (p integrationPage) AllowedIPs() []string { return paybell.IPTexts(p.Client.AllowedIPs) }

// EventName shows how its notifications write the names of events.
func (p integrationPage) EventName() string { return paybell.InvoicePaid.Wire(p.Client.EventNames) }

// Retries is the schedule of a webhook that has one of its own.
func (integrationPage) Retries(w paybell.Webhook) string { return pausesText(w.Schedule) }

func (s *Server) integration(ctx context.Context, r *request) (view, error) {
	return s.integrationWith(ctx, r, "integrations_client.html", "", nil)
}

// integrationWith is the page of the client that the path names, with a pop-up over
// it; nil is none.
func (s *Server) integrationWith(ctx context.Context, r *request, template, title string, pop any) (view, error) {
	i, err := s.Desk.FindIntegration(ctx, r.Person.Actor(), r.PathValue("client"))
	if err != nil {
		return view{}, err
	}
	if title == "" {
		title = i.Client.Name
	}
	return view{Template: template, Title: title, Area: "integrations", Data: integrationPage{
		Integration: i, Path: integrationPath(i.Client.ID), BaseURL: s.PublicURL, Programs: s.programs(i.Client.ID, ""), Pop: pop,
	}}, nil
}

func integrationPath(clientID string) string { return "/dash/integrations/api/" + clientID }
