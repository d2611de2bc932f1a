package dash

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/paybell/paybell"
)

// auditPage is a page of what people did, newest first.
type auditPage struct {
	Lines  []auditLine
	Older  string // the id of the entry after which the next page goes on; empty: there is none
	Later  bool   // this is not the first page
	Areas  []string
	Looked bool // a filter found nothing in what one page looks through
}

// auditLine is an entry in plain words.
type auditLine struct {
	ID     string
	At     time.Time
	Who    string
	From   netip.Addr
	What   string
	Detail string
	Link   string // to what it was done to; empty: there is no page of it
	ToWhat string
}

// An action is told in words, in an area, and its subject has a page of a kind.
type auditAction struct{ area, text, of string }

const (
	aboutPeople   = "People and sign-ins"
	aboutSettings = "Settings"
	aboutClients  = "Integrations and webhooks"
	aboutInvoices = "Invoices"
	aboutTests    = "Test coin"
)

var auditAreas = []string{aboutPeople, aboutClients, aboutInvoices, aboutSettings, aboutTests}

var auditActions = map[string]auditAction{
	"setUp":              {aboutPeople, "Set up the account", ""},
	"signIn":             {aboutPeople, "Signed in", ""},
	"signInFailed":       {aboutPeople, "Failed to sign in", ""},
	"signOut":            {aboutPeople, "Signed out", ""},
	"endSession":         {aboutPeople, "Signed out another browser", ""},
	"changePassword":     {aboutPeople, "Changed the password", ""},
	"newResetPass":       {aboutPeople, "Made a link for a new password", "user"},
	"resetPassword":      {aboutPeople, "Chose a new password by a link", ""},
	"addSecondFactor":    {aboutPeople, "Switched the second factor on", ""},
	"removeSecondFactor": {aboutPeople, "Switched the second factor off", ""},
	"renameUser":         {aboutPeople, "Changed their name", ""},
	"invite":             {aboutPeople, "Invited somebody", "text"},
	"revokeInvite":       {aboutPeople, "Revoked an invitation", ""},
	"acceptInvite":       {aboutPeople, "Joined by an invitation", ""},
	"createUser":         {aboutPeople, "Made a user", "user"},
	"changeRole":         {aboutPeople, "Changed a role", "user"},
	"removeUser":         {aboutPeople, "Removed a user", ""},

	"updateMerchant":     {aboutSettings, "Changed the business", "business"},
	"createAccountToken": {aboutSettings, "Made an account token", "business"},
	"revokeAccountToken": {aboutSettings, "Revoked an account token", "business"},
	"setTerms":           {aboutSettings, "Changed the terms of", "terms"},
	"eraseBuyer":         {aboutSettings, "Erased a buyer's data", "invoice"},
	"addWallet":          {aboutSettings, "Added a wallet", ""},
	"setPolicy":          {aboutSettings, "Changed the confirmations of a wallet", ""},
	"removeWallet":       {aboutSettings, "Removed a wallet", ""},
	"offerTestCoin":      {aboutSettings, "Changed whether the test coin is offered", ""},

	"createClient":   {aboutClients, "Added an integration", "client"},
	"updateClient":   {aboutClients, "Changed an integration", "client"},
	"deleteClient":   {aboutClients, "Deleted an integration", ""},
	"rotateSecret":   {aboutClients, "Regenerated a client secret", "client"},
	"restrictAccess": {aboutClients, "Changed the access of an integration", "client"},
	"createWebhook":  {aboutClients, "Added a webhook", ""},
	"updateWebhook":  {aboutClients, "Changed a webhook", ""},
	"deleteWebhook":  {aboutClients, "Deleted a webhook", ""},
	"pauseWebhook":   {aboutClients, "Paused a webhook", ""},
	"enableWebhook":  {aboutClients, "Enabled a webhook", ""},
	"enableEndpoint": {aboutClients, "Enabled an endpoint", "client"},
	"tryWebhook":     {aboutClients, "Tested a webhook", ""},
	"resend":         {aboutClients, "Had notifications sent again", ""},
	"cancelResend":   {aboutClients, "Stopped a resend", ""},

	"createInvoice": {aboutInvoices, "Made an invoice", "invoice"},
	"cancelInvoice": {aboutInvoices, "Cancelled an invoice", "invoice"},
	"acceptInvoice": {aboutInvoices, "Accepted what was paid", "invoice"},
	"noteRefund":    {aboutInvoices, "Noted a refund", "invoice"},

	"paySandbox":     {aboutTests, "Paid with the test coin", "invoice"},
	"mineSandbox":    {aboutTests, "Mined test blocks", ""},
	"replaceSandbox": {aboutTests, "Replaced a test payment", ""},
	"dropSandbox":    {aboutTests, "Dropped a test payment", ""},
	"reorgSandbox":   {aboutTests, "Reorganised the test chain", ""},
	"expireSandbox":  {aboutTests, "Let an invoice's time run out", "invoice"},
}

// What a page shows, and how much it looks through for that when it is filtered.
const (
	auditPageSize = 50
	auditLooks    = 10 // times
)

func (s *Server) audit(ctx context.Context, r *request) (view, error) {
	q := r.URL.Query()
	who, area, before := strings.ToLower(strings.TrimSpace(q.Get("who"))), q.Get("area"), q.Get("before")
	p := auditPage{Areas: auditAreas, Later: before != ""}
	// One more than is shown says whether there is another page.
	for look := 0; len(p.Lines) <= auditPageSize; look++ {
		if look == auditLooks {
			p.Older, p.Looked = before, len(p.Lines) == 0
			break
		}
		entries, err := s.Desk.AuditLog(ctx, r.Person.Actor(), before, 2*auditPageSize)
		if err != nil {
			return view{}, err
		}
		for _, e := range entries {
			before = e.ID
			if strings.Contains(strings.ToLower(e.Who), who) && (area == "" || auditActions[e.Action].area == area) {
				p.Lines = append(p.Lines, newAuditLine(e))
			}
		}
		if len(entries) < 2*auditPageSize {
			break
		}
	}
	if len(p.Lines) > auditPageSize {
		p.Lines = p.Lines[:auditPageSize]
		p.Older = p.Lines[auditPageSize-1].ID
	}
	return settings(r, "audit.html", "Audit log", p)
}

// newAuditLine tells an entry in plain words.
func newAuditLine(e paybell.AuditEntry) auditLine {
	l := auditLine{ID: e.ID, At: e.At, Who: e.Who, From: e.From, Detail: e.Detail}
	if email, ok := strings.CutPrefix(e.Who, "user "); ok {
		l.Who = email
	} else {
		l.Who = strings.ToUpper(l.Who[:min(1, len(l.Who))]) + l.Who[min(1, len(l.Who)):]
	}
	a, known := auditActions[e.Action]
	if l.What = a.text; !known {
		l.What = sentenceCase(e.Action)
	}
	if a.area == aboutPeople {
		l.Detail = strings.ReplaceAll(l.Detail, string(paybell.RoleReadOnly), "read-only")
	}
	if e.Subject == "" {
		return l
	}
	switch a.of {
	case "invoice":
		l.Link, l.ToWhat = "/dash/invoices/"+e.Subject, short(e.Subject)
	case "client":
		l.Link, l.ToWhat = integrationPath(e.Subject), short(e.Subject)
		if e.Action == "createClient" { // the detail is its name
			l.ToWhat, l.Detail = e.Detail, ""
		}
	case "terms":
		l.Link, l.ToWhat = "/dash/wallets", short(e.Subject)
	case "user":
		l.Link, l.ToWhat = "/dash/settings/users", "Team"
	case "business":
		l.Link, l.ToWhat = "/dash/settings/business", "Business"
	case "text":
		l.ToWhat = e.Subject
	}
	return l
}
