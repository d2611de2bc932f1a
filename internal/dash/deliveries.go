package dash

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/web"
)

const (
	deliveriesPath = "/dash/deliveries"
	endpointPath   = deliveriesPath + "/endpoint"
	resendPath     = deliveriesPath + "/resend"
)

func (s *Server) deliveryRoutes() []route {
	const one = deliveriesPath + "/{client}/{webhook}/{number}"
	return []route{
		{"GET " + deliveriesPath, s.page(s.deliveries)},
		{"GET " + one, s.page(s.delivery)},
		{"POST " + one + "/resend", s.resendOne},
		{"GET " + endpointPath, s.page(s.endpoint)},
		{"POST " + endpointPath + "/enable", s.enableDisabled},
		{"GET " + resendPath, s.page(s.askResend)},
		{"POST " + resendPath, s.resendSince},
		{"POST " + deliveriesPath + "/jobs/{client}/{job}/cancel", s.cancelResend},
	}
}

// deliveriesPage is a list of deliveries, and the endpoints that they go to.
type deliveriesPage struct {
	Filter    deliveriesFilter
	Wrong     string // about the filter
	Choices   []hookChoices
	Events    []paybell.Event
	Endpoints []endpointView // none: this is not the beginning of a list of all
	More      int            // endpoints that are not shown
	Jobs      []jobView
	Page      desk.DeliveryPage
	Lines     []deliveryView
}

// deliveryView is a delivery as a list shows it.
type deliveryView struct {
	desk.DeliveryLine
	Link string
	Hook string // where it goes, in short
}

// deliveriesFilter is what the form says.
type deliveriesFilter struct {
	desk.DeliveryFilter
	FromText, ToText string // as the form has them
}

// Set reports whether something is asked for but the place in the list.
func (f deliveriesFilter) Set() bool {
	f.After, f.Limit = desk.DeliveryMark{}, 0
	return f.DeliveryFilter != desk.DeliveryFilter{}
}

// At is the client and the webhook in one, as the form's choices have them.
func (f deliveriesFilter) At() string { return strings.TrimSuffix(f.ClientID+"/"+f.WebhookID, "/") }

// Tabs are the fates to choose from; the first is any.
func (f deliveriesFilter) Tabs() []paybell.Fate { return append([]paybell.Fate{""}, paybell.Fates...) }

// hookChoices are a client and its webhooks, to choose from.
type hookChoices struct {
	ID, Name string
	Hooks    []hookChoice
}

type hookChoice struct{ At, Text string }

const (
	deliveriesOnPage = 50
	endpointsOnPage  = 9
	barsOfEndpoint   = 60
	maxChoices       = 200 // webhooks in the form's drop-down
)

func (s *Server) deliveries(ctx context.Context, r *request) (view, error) {
	v := view{Template: "deliveries.html", Title: "Deliveries", Area: "deliveries"}
	f, err := readDeliveriesFilter(r.URL.Query())
	if err != nil {
		p := deliveriesPage{Filter: f, Wrong: advice(err)}
		v.Data = &p
		return v, s.addChoices(ctx, r, &p)
	}
	read := func(ctx context.Context) (deliveriesPage, error) { return s.deliveryList(ctx, r.Person.Actor(), f) }
	if web.WantsLive(r.Request) { // the form stays as it is, and all who look at the same cost as much as one
		p, err := s.deliveryLists.get(ctx, memoryKey{s.Desk, r.Merchant.ID, r.User.Role, r.URL.RawQuery}, true, read)
		v.Data = &p
		return v, err
	}
	p, err := read(ctx)
	if err != nil {
		return v, err
	}
	v.Data = &p
	return v, s.addChoices(ctx, r, &p)
}

// deliveryList reads what a filter asks for, and the endpoints where a list of all
// begins.
func (s *Server) deliveryList(ctx context.Context, a desk.Actor, f deliveriesFilter) (p deliveriesPage, err error) {
	p.Filter = f
	if p.Page, err = s.Desk.ListDeliveries(ctx, a, f.DeliveryFilter); err != nil {
		if f.InvoiceID == "" || paybell.CodeOf(err) != paybell.NotFound {
			return p, err
		}
		p.Wrong = "There is no such invoice. Filter by the id that its page shows."
	}
	for _, l := range p.Page.Lines {
		p.Lines = append(p.Lines, deliveryView{l, deliveryLink(l.Delivery), urlText(l.URL)})
	}
	if !f.After.IsZero() || f.InvoiceID != "" {
		return p, nil
	}
	return p, s.addEndpoints(ctx, a, &p)
}

// addEndpoints adds the endpoints that a list is about: of one webhook, with what it
// was told only.
func (s *Server) addEndpoints(ctx context.Context, a desk.Actor, p *deliveriesPage) error {
	f := desk.EndpointFilter{ClientID: p.Filter.ClientID, Origin: p.Filter.Origin, Limit: endpointsOnPage, Recent: barsOfEndpoint}
	if p.Filter.WebhookID != "" {
		status, err := s.Desk.WebhookStatus(ctx, a, f.ClientID, p.Filter.WebhookID)
		if err != nil {
			return err
		}
		f.Origin, f.Limit, f.Recent = status.Webhook.Origin, 1, desk.MaxRecent
	}
	all, err := s.Desk.ListEndpoints(ctx, a, f)
	if err != nil {
		return err
	}
	p.More, p.Jobs = all.More, jobViews(all.Jobs)
	for _, l := range all.Lines {
		if id := p.Filter.WebhookID; id != "" {
			l.Recent = slices.DeleteFunc(l.Recent, func(d paybell.Delivery) bool { return d.WebhookID != id })
			l.Webhooks = slices.DeleteFunc(l.Webhooks, func(w paybell.Webhook) bool { return w.ID != id })
		}
		p.Endpoints = append(p.Endpoints, newEndpointView(l, barsOfEndpoint, false))
	}
	return nil
}

// addChoices adds what the form has to choose from.
func (s *Server) addChoices(ctx context.Context, r *request, p *deliveriesPage) (err error) {
	for _, e := range eventTexts {
		p.Events = append(p.Events, e.event)
	}
	p.Choices, err = s.hookChoices(ctx, r.Person.Actor(), p.Filter.ClientID)
	return err
}

// hookChoices lists what deliveries can be filtered by: all clients, and so many of
// their webhooks as a drop-down can have, those of one client in any case.
func (s *Server) hookChoices(ctx context.Context, a desk.Actor, clientID string) (all []hookChoices, err error) {
	clients, err := s.Desk.Clients(ctx, a)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, c := range clients {
		choice := hookChoices{ID: c.ID, Name: c.Name}
		if n < maxChoices || c.ID == clientID {
			hooks, err := s.Desk.Webhooks(ctx, a, c.ID, "", 0)
			if err != nil {
				return nil, err
			}
			for _, w := range hooks {
				choice.Hooks = append(choice.Hooks, hookChoice{c.ID + "/" + w.ID, urlText(w.URL)})
			}
			n += len(hooks)
		}
		all = append(all, choice)
	}
	return all, nil
}

// urlText writes where a webhook rings in few characters: its host and its path.
func urlText(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	path := []rune(u.EscapedPath())
	if len(path) > 40 {
		path = append(path[:40], '…')
	}
	return u.Host + string(path)
}

// dayAndTime is how the browser's fields of a time write it.
const dayAndTime = "2006-01-02T15:04"

// readDeliveriesFilter reads an address. Times are in UTC, and the last minute is
// meant with all its seconds.
func readDeliveriesFilter(q url.Values) (f deliveriesFilter, err error) {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f.Limit = deliveriesOnPage
	f.ClientID, f.WebhookID = get("client"), get("webhook")
	if at := get("at"); at != "" {
		f.ClientID, f.WebhookID, _ = strings.Cut(at, "/")
	}
	f.Origin, f.InvoiceID = get("endpoint"), get("invoice")
	f.FromText, f.ToText = get("from"), get("to")
	if f.Fate = paybell.Fate(get("state")); f.Fate != "" && !slices.Contains(paybell.Fates, f.Fate) {
		return f, paybell.InvalidField("state", "%.40q is none; choose one of the tabs", string(f.Fate))
	}
	if name := get("event"); name != "" {
		events, err := paybell.ParseEvents("event", []string{name})
		if err != nil {
			return f, err
		}
		f.Event = events & paybell.AllEvents
	}
	if f.From, err = readTime("from", f.FromText); err != nil {
		return f, err
	}
	if f.To, err = readTime("to", f.ToText); err != nil {
		return f, err
	}
	if !f.To.IsZero() {
		f.To = f.To.Add(time.Minute - time.Microsecond)
	}
	f.After, err = readMark(get("after"))
	return f, err
}

// readTime reads a field of a time, in UTC; nothing is the zero time.
func readTime(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(dayAndTime, text)
	if err != nil || t.Year() < 2000 || t.Year() > 3000 {
		return time.Time{}, paybell.InvalidField(field, "%.40q is not a time like %s", text, dayAndTime)
	}
	return t, nil
}

// markText writes a place in a list for an address.
func markText(m desk.DeliveryMark) string {
	return strconv.FormatInt(m.At.UnixMicro(), 10) + "." + strconv.FormatInt(m.Number, 10) + "." + m.WebhookID
}

// readMark reads what markText writes; nothing is the beginning.
func readMark(text string) (m desk.DeliveryMark, err error) {
	if text == "" {
		return m, nil
	}
	at, rest, _ := strings.Cut(text, ".")
	number, id, _ := strings.Cut(rest, ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if err == nil {
		m.Number, err = strconv.ParseInt(number, 10, 64)
	}
	m.At, m.WebhookID = time.UnixMicro(us).UTC(), id
	if err != nil || markText(m) != text {
		return desk.DeliveryMark{}, paybell.InvalidField("after", "is not where a page begins; go back to the first")
	}
	return m, nil
}

// Next is where the page that follows begins, for its address; empty: there is none.
func (p *deliveriesPage) Next() string {
	if p.Page.Next.IsZero() {
		return ""
	}
	return markText(p.Page.Next)
}

// deliveryLink is the page of one delivery.
func deliveryLink(d paybell.Delivery) string {
	return deliveriesPath + "/" + d.ClientID + "/" + url.PathEscape(d.WebhookID) + "/" + strconv.FormatInt(d.Number, 10)
}

// endpointLink is the page of one endpoint.
func endpointLink(clientID, origin string) string {
	return endpointPath + "?" + url.Values{"client": {clientID}, "origin": {origin}}.Encode()
}
