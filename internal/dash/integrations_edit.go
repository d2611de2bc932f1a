package dash

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// integrationForm changes a client.
type integrationForm struct {
	complaint
	Back      string
	Name, URL string
	State     paybell.ClientState
	Groups    []permissionGroup
	IPs       string // one below the other
	Style     string
}

// permissionGroup is permissions that belong together.
type permissionGroup struct {
	Name    string
	Why     string
	Choices []permissionChoice
}

type permissionChoice struct {
	Name, Text string
	Chosen     bool
}

// permissionGroups is every permission, once, for people.
var permissionGroups = []struct {
	name, why string
	all       []permissionText
}{
	{name: "Invoices", all: []permissionText{
		{paybell.CreateInvoice, "Make invoices"},
		{paybell.FindInvoice, "Read an invoice"},
		{paybell.ListInvoices, "List invoices"},
		{paybell.ListInvoiceHistory, "Read an invoice's history"},
		{paybell.InvoicePayouts, "Read what an invoice brought"},
		{paybell.CancelInvoice, "Cancel invoices"},
		{paybell.AcceptInvoice, "Accept what was paid as it is"},
	}},
	{name: "Webhooks and notifications", all: []permissionText{
		{paybell.GetWebhooks, "Read webhooks"},
		{paybell.CreateClientWebhook, "Add webhooks"},
		{paybell.UpdateWebhook, "Change, pause and test webhooks"},
		{paybell.DeleteWebhook, "Delete webhooks"},
		{paybell.PullNotifications, "Pull notifications"},
		{paybell.ResendNotifications, "Have notifications sent again"},
	}},
	{name: "Other", all: []permissionText{
		{paybell.GetWallets, "List wallets"},
		{paybell.UseSandbox, "Pay and mine with the test coin"},
	}},
	{name: "Without effect", why: "The CoinPayments API has these, Paybell has nothing behind them: your money is in your own wallets, and Paybell cannot move it.",
		all: []permissionText{
			{paybell.GetWalletByID, "Read a wallet"},
			{paybell.CreateWallet, "Add wallets"},
			{paybell.CreateAddress, "Add addresses"},
			{paybell.GetWalletAddress, "Read an address"},
			{paybell.GetWalletAddresses, "List addresses"},
			{paybell.GetWalletTransactions, "List transactions"},
			{paybell.GetWalletTransaction, "Read a transaction"},
			{paybell.SpendRequest, "Ask to spend"},
			{paybell.ConfirmSpendingFunds, "Confirm to spend"},
		}},
}

type permissionText struct {
	is   paybell.Permissions
	text string
}

// permissionChoices is all permissions, with those in chosen chosen.
func permissionChoices(chosen paybell.Permissions) []permissionGroup {
	groups := make([]permissionGroup, len(permissionGroups))
	for i, g := range permissionGroups {
		groups[i] = permissionGroup{Name: g.name, Why: g.why}
		for _, p := range g.all {
			groups[i].Choices = append(groups[i].Choices, permissionChoice{p.is.Names()[0], p.text, chosen&p.is != 0})
		}
	}
	return groups
}

func (s *Server) editIntegration(ctx context.Context, r *request) (view, error) {
	c, err := s.Desk.Client(ctx, r.Person.Actor(), r.PathValue("client"))
	if err != nil {
		return view{}, err
	}
	return s.integrationWith(ctx, r, "integrations_edit.html", "Edit "+c.Name, integrationForm{
		Back: integrationPath(c.ID), Name: c.Name, URL: c.URL, State: c.State, Groups: permissionChoices(c.Permissions),
		IPs: strings.Join(paybell.IPTexts(c.AllowedIPs), "\n"), Style: c.EventNames.String(),
	})
}

var integrationLabels = map[string]string{
	"name": "Name", "storeUrl": "Shop URL", "permissions": "Permissions", "allowedIps": "Allowed IP addresses", "eventNames": "Names of events", "state": "State",
}

func (s *Server) updateIntegration(w http.ResponseWriter, r *request) error {
	was, err := s.Desk.Client(r.Context(), r.Person.Actor(), r.PathValue("client"))
	if err != nil {
		return err
	}
	path := integrationPath(was.ID)
	change, err := readIntegration(r, was)
	if err == nil {
		if change == (desk.ClientChange{}) {
			return done(w, path, "Nothing was changed.")
		}
		_, err = s.Desk.UpdateClient(r.Context(), r.Person.Actor(), was.ID, change)
	}
	if c := complain(err, integrationLabels); c.Wrong != "" {
		may, _ := paybell.ParsePermissions("", r.PostForm["permission"])
		v, err := s.integrationWith(r.Context(), r, "integrations_edit.html", "Edit "+was.Name, integrationForm{
			complaint: c, Back: path, Name: r.field("name"), URL: r.field("url"), State: paybell.ClientState(r.field("state")),
			Groups: permissionChoices(may), IPs: r.PostForm.Get("ips"), Style: r.field("style"),
		})
		if err != nil {
			return err
		}
		return s.show(w, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return done(w, path, "The changes are saved.")
}

// readIntegration reads what in the form is otherwise than it was.
func readIntegration(r *request, was paybell.Client) (change desk.ClientChange, err error) {
	change.Name, change.URL = other(was.Name, r.field("name")), other(was.URL, r.field("url"))
	state, err := clientState(r.field("state"))
	if err != nil {
		return change, err
	}
	change.State = other(was.State, state)
	may, err := paybell.ParsePermissions("permissions", r.PostForm["permission"])
	if err != nil {
		return change, err
	}
	change.Permissions = other(was.Permissions, may)
	style, err := paybell.ParseEventNames("eventNames", r.field("style"))
	if err != nil {
		return change, err
	}
	change.EventNames = other(was.EventNames, was.EventNames&^paybell.CamelCase|style)
	ips, err := paybell.ParseAllowedIPs("allowedIps", strings.FieldsFunc(r.PostForm.Get("ips"), func(c rune) bool { return strings.ContainsRune(" ,;\t\r\n", c) }))
	if err == nil && !slices.Equal(ips, was.AllowedIPs) {
		change.AllowedIPs = &ips
	}
	return change, err
}

// other is a value that is to be otherwise than it was; nil is that it stays.
func other[T comparable](was, is T) *T {
	if was == is {
		return nil
	}
	return &is
}

// clientState reads a state that a person can choose.
func clientState(text string) (paybell.ClientState, error) {
	switch state := paybell.ClientState(text); state {
	case paybell.ClientActive, paybell.ClientDisabled:
		return state, nil
	}
	return "", paybell.InvalidField("state", "choose active or disabled")
}

// switchIntegration disables a client, or lets it in again.
func (s *Server) switchIntegration(w http.ResponseWriter, r *request) error {
	state, err := clientState(r.field("state"))
	if err != nil {
		return err
	}
	c, err := s.Desk.UpdateClient(r.Context(), r.Person.Actor(), r.PathValue("client"), desk.ClientChange{State: &state})
	if err != nil {
		return err
	}
	text := c.Name + " is active: its requests are answered again."
	if state == paybell.ClientDisabled {
		text = c.Name + " is disabled: its requests are refused. Its webhooks still ring."
	}
	return done(w, integrationPath(c.ID), text)
}
