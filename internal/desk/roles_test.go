package desk_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// evenly is a rate, a chain on which everything works, and a wire that delivers.
type evenly struct{}

func (evenly) Rate(context.Context, paybell.Currency, paybell.Currency, time.Time) (decimal.Decimal, error) {
	return decimal.NewFromInt(1), nil
}

func (evenly) Pay(context.Context, string, string, paybell.Units) (string, error) { return "tx", nil }
func (evenly) Mine(context.Context, string, int) (int64, error)                   { return 1, nil }
func (evenly) Drop(context.Context, string, string) error                         { return nil }
func (evenly) Reorg(context.Context, string, int) error                           { return nil }
func (evenly) Height(context.Context, string) (int64, error)                      { return 1, nil }
func (evenly) InFlight(string) int                                                { return 0 }

func (evenly) Address(merchantID string, index int64) string { return fmt.Sprint(merchantID, index) }

func (evenly) Replace(context.Context, string, string, bool) (string, error) { return "tx", nil }

func (evenly) Try(context.Context, paybell.Webhook, paybell.Notification) (paybell.Attempt, error) {
	return paybell.Attempt{}, nil
}

// full is an office in which every verb has something to do, and how to look at
// all that its store has.
func full(t *testing.T) (o *office, dump func() map[string][]string) {
	dir := ""
	o = newOffice(t, func(keys *store.Keyring, in string) (*store.DB, error) {
		dir = in
		storetest.Blank(t, in)
		return store.OpenSQLite(context.Background(), in, store.Options{Keys: keys, Migrate: true})
	})
	o.Quote, o.Sandbox, o.Wire = evenly{}, evenly{}, evenly{}
	watching(o)
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "paybell.db")+"?mode=ro")
	must(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	return o, func() map[string][]string {
		t.Helper()
		content := map[string][]string{}
		for _, table := range texts(t, raw, "SELECT name FROM sqlite_master WHERE type = 'table'") {
			columns := texts(t, raw, "SELECT name FROM pragma_table_info('"+table+"')")
			content[table] = texts(t, raw, "SELECT "+strings.Join(columns, " || ' ' || ")+" FROM "+table)
			slices.Sort(content[table])
		}
		return content
	}
}

func texts(t *testing.T, raw *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := raw.Query(query)
	must(t, err)
	defer rows.Close() //nolint:errcheck // rows.Err says what matters
	for rows.Next() {
		var text sql.NullString
		must(t, rows.Scan(&text))
		all = append(all, text.String)
	}
	must(t, rows.Err())
	return all
}

type verb struct {
	name string
	do   func(a desk.Actor) error
}

// changing is every verb of the desk that changes something for an actor, in an
// order in which an owner can do them all.
func changing(o *office) []verb {
	ctx, id := o.Context(), o.client.ID
	bill := func() paybell.Bill {
		ten := decimal.NewFromInt(10)
		return paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}, Buyer: &paybell.Party{Email: "buyer@b.example"}}
	}
	inv, err := o.CreateInvoice(ctx, o.program(), desk.NewInvoice{Bill: bill()})
	must(o.T, err)
	invoice := inv.ID
	hook, gone := o.hook("https://shop.example/x", "invoiceCreated"), o.hook("https://shop.example/y", "invoicePaid")
	o.invoice()
	_, _, err = o.CreateAccountToken(ctx, o.operator(), "x")
	must(o.T, err)
	tokens, err := o.AccountTokens(ctx, o.operator())
	must(o.T, err)
	job, err := o.Resend(ctx, o.program(), id, hook.ID, desk.ResendRequest{FailedSince: time.Unix(1, 0)})
	must(o.T, err)
	u, _ := o.user(o.operator(), "max@shop.example", paybell.RoleOwner)
	_, err = o.Invite(ctx, o.operator(), "", paybell.RoleStaff)
	must(o.T, err)
	invites, err := o.Invites(ctx, o.operator())
	must(o.T, err)
	wallet := o.wallet(o.operator(), "LTC", "zoe")
	must(o.T, o.OfferTestCoin(ctx, o.operator(), true)) // or nothing can be paid in the sandbox
	forClient := func(a desk.Actor) desk.Actor {
		a.ClientID, a.Terms = id, o.client.Terms
		return a
	}
	url := desk.NewWebhook{URL: "https://shop.example/z", Events: []string{"invoicePaid"}}
	name := "another"
	return []verb{
		{"CreateInvoice", func(a desk.Actor) error {
			_, err := o.CreateInvoice(ctx, forClient(a), desk.NewInvoice{Bill: bill()})
			return err
		}},
		{"CreateInvoiceOnce", func(a desk.Actor) error {
			answer := func(paybell.Invoice) ([]byte, error) { return []byte("{}"), nil }
			_, err := o.CreateInvoiceOnce(ctx, forClient(a), desk.NewInvoice{Bill: bill()}, desk.Once[paybell.Invoice]{Key: "k", Answer: answer})
			return err
		}},
		{"PaySandbox", func(a desk.Actor) error { _, err := o.PaySandbox(ctx, a, invoice, nil); return err }},
		{"MineSandbox", func(a desk.Actor) error { _, err := o.MineSandbox(ctx, a, 1); return err }},
		{"ReplaceSandbox", func(a desk.Actor) error { _, err := o.ReplaceSandbox(ctx, a, "tx", true); return err }},
		{"DropSandbox", func(a desk.Actor) error { return o.DropSandbox(ctx, a, "tx") }},
		{"ReorgSandbox", func(a desk.Actor) error { return o.ReorgSandbox(ctx, a, 1) }},
		{"ExpireSandbox", func(a desk.Actor) error { return o.ExpireSandbox(ctx, a, invoice, "window") }},
		{"AcceptInvoice", func(a desk.Actor) error { return o.AcceptInvoice(ctx, a, invoice) }},
		{"CancelInvoice", func(a desk.Actor) error { return o.CancelInvoice(ctx, a, invoice) }},
		{"NoteRefund", func(a desk.Actor) error {
			_, err := o.NoteRefund(ctx, a, invoice, desk.NewRefund{Currency: "LTCT", Amount: decimal.NewFromInt(1), TxID: "tx"})
			return err
		}},
		{"EraseBuyer", func(a desk.Actor) error { _, err := o.EraseBuyer(ctx, a, invoice); return err }},

		{"CreateWebhook", func(a desk.Actor) error { _, err := o.CreateWebhook(ctx, a, id, url); return err }},
		{"CreateWebhookOnce", func(a desk.Actor) error {
			answer := func(paybell.Webhook) ([]byte, error) { return []byte("{}"), nil }
			_, err := o.CreateWebhookOnce(ctx, forClient(a), id, url, desk.Once[paybell.Webhook]{Route: "webhooks", Key: "k", Answer: answer})
			return err
		}},
		{"CancelResend", func(a desk.Actor) error { _, err := o.CancelResend(ctx, a, id, job.ID); return err }},
		{"Resend", func(a desk.Actor) error {
			_, err := o.Resend(ctx, a, id, hook.ID, desk.ResendRequest{After: &paybell.SequenceNumber{}})
			return err
		}},
		{"TryWebhook", func(a desk.Actor) error { _, err := o.TryWebhook(ctx, a, id, hook.ID, "invoicePaid"); return err }},
		{"UpdateWebhook", func(a desk.Actor) error { _, err := o.UpdateWebhook(ctx, a, id, hook.ID, url); return err }},
		{"PauseWebhook", func(a desk.Actor) error { _, err := o.PauseWebhook(ctx, a, id, hook.ID); return err }},
		{"EnableWebhook", func(a desk.Actor) error { _, err := o.EnableWebhook(ctx, a, id, hook.ID, true); return err }},
		{"EnableEndpoint", func(a desk.Actor) error { _, err := o.EnableEndpoint(ctx, a, id, hook.Origin, true); return err }},
		{"DeleteWebhook", func(a desk.Actor) error { _, err := o.DeleteWebhook(ctx, a, id, gone.ID); return err }},

		{"CreateClient", func(a desk.Actor) error { _, _, err := o.CreateClient(ctx, a, desk.NewClient{Name: "x"}); return err }},
		{"CreateIntegration", func(a desk.Actor) error {
			_, _, err := o.CreateIntegration(ctx, a, desk.NewIntegration{Client: desk.NewClient{Name: "x"}, Key: strings.Repeat("k", 32)})
			return err
		}},
		{"UpdateClient", func(a desk.Actor) error {
			_, err := o.UpdateClient(ctx, a, id, desk.ClientChange{Name: &name})
			return err
		}},
		{"SetTerms", func(a desk.Actor) error {
			_, err := o.SetTerms(ctx, a, id, paybell.Terms{Window: 2 * time.Hour, Lifetime: 3 * time.Hour})
			return err
		}},
		{"RestrictAccess", func(a desk.Actor) error {
			return o.RestrictAccess(ctx, forClient(a), a.Permissions&^paybell.CreateWallet)
		}},
		{"RotateSecret", func(a desk.Actor) error { _, err := o.RotateSecret(ctx, a, id, time.Hour); return err }},
		{"ReplaceSecret", func(a desk.Actor) error {
			i, err := o.FindIntegration(ctx, a, id)
			must(o.T, err)
			_, err = o.ReplaceSecret(ctx, a, id, i.Secret, time.Hour)
			return err
		}},
		{"CreateAccountToken", func(a desk.Actor) error { _, _, err := o.CreateAccountToken(ctx, a, "y"); return err }},
		{"RevokeAccountToken", func(a desk.Actor) error { return o.RevokeAccountToken(ctx, a, tokens[0].ID) }},
		{"As", func(a desk.Actor) error { _, err := o.As(ctx, a, id); return err }},

		{"AddWallet", func(a desk.Actor) error { _, err := o.AddWallet(ctx, a, newWallet("BTC", "x")); return err }},
		{"SetPolicy", func(a desk.Actor) error {
			_, err := o.SetPolicy(ctx, a, wallet.ID, paybell.Policy{Completed: []paybell.Tier{{Confirmations: 9}}})
			return err
		}},
		{"RemoveWallet", func(a desk.Actor) error { return o.RemoveWallet(ctx, a, wallet.ID) }},
		{"OfferTestCoin", func(a desk.Actor) error { return o.OfferTestCoin(ctx, a, false) }},

		{"Invite", func(a desk.Actor) error { _, err := o.Invite(ctx, a, "x@shop.example", paybell.RoleOwner); return err }},
		{"RevokeInvite", func(a desk.Actor) error { return o.RevokeInvite(ctx, a, invites[0].ID) }},
		{"CreateUser", func(a desk.Actor) error {
			_, _, err := o.CreateUser(ctx, a, desk.NewUser{Name: "x", Email: "y@shop.example"}, paybell.RoleOwner)
			return err
		}},
		{"NewResetPass", func(a desk.Actor) error { _, err := o.NewResetPass(ctx, a, u.User.ID); return err }},
		{"ChangeRole", func(a desk.Actor) error { return o.ChangeRole(ctx, a, u.User.ID, paybell.RoleStaff) }},
		{"RemoveUser", func(a desk.Actor) error { return o.RemoveUser(ctx, a, u.User.ID) }},
		{"UpdateMerchant", func(a desk.Actor) error { return o.UpdateMerchant(ctx, a, "Another name", "") }},
	}
}

// looking is every verb that reads, for who may look.
func looking(o *office) []verb {
	ctx, id := o.Context(), o.client.ID
	invoice := o.invoice()
	hook := o.hook("https://shop.example/look", "invoiceCreated")
	o.invoice()
	told := o.pulled(hook.ID)[0]
	wallet := o.wallet(o.operator(), "BTC", "looked at")
	job, err := o.Resend(ctx, o.program(), id, hook.ID, desk.ResendRequest{FailedSince: time.Unix(1, 0)})
	must(o.T, err)
	return []verb{
		{"Client", func(a desk.Actor) error { _, err := o.Client(ctx, a, id); return err }},
		{"Clients", func(a desk.Actor) error { _, err := o.Clients(ctx, a); return err }},
		{"AccountTokens", func(a desk.Actor) error { _, err := o.AccountTokens(ctx, a); return err }},
		{"FindIntegration", func(a desk.Actor) error { _, err := o.FindIntegration(ctx, a, id); return err }},
		{"Integrations", func(a desk.Actor) error { _, err := o.Integrations(ctx, a); return err }},
		{"Invoice", func(a desk.Actor) error { _, _, err := o.Invoice(ctx, a, invoice); return err }},
		{"ListInvoices", func(a desk.Actor) error {
			_, err := o.ListInvoices(ctx, a, desk.InvoiceFilter{Limit: 1}, 1)
			return err
		}},
		{"InvoiceHistory", func(a desk.Actor) error { _, err := o.InvoiceHistory(ctx, a, invoice, 0, 1); return err }},
		{"InvoicePayouts", func(a desk.Actor) error { _, err := o.InvoicePayouts(ctx, a, invoice); return err }},
		{"InvoicesCalled", func(a desk.Actor) error {
			_, err := o.InvoicesCalled(ctx, a, desk.InvoiceFilter{Words: []string{"x"}})
			return err
		}},
		{"InvoiceStory", func(a desk.Actor) error { _, err := o.InvoiceStory(ctx, a, invoice); return err }},
		{"Overview", func(a desk.Actor) error { _, err := o.Overview(ctx, a); return err }},
		{"Attention", func(a desk.Actor) error { _, err := o.Attention(ctx, a); return err }},
		{"ListEndpoints", func(a desk.Actor) error { _, err := o.ListEndpoints(ctx, a, desk.EndpointFilter{Limit: 1}); return err }},
		{"ListDeliveries", func(a desk.Actor) error {
			_, err := o.ListDeliveries(ctx, a, desk.DeliveryFilter{Limit: 1})
			return err
		}},
		{"FindDelivery", func(a desk.Actor) error { _, err := o.FindDelivery(ctx, a, id, hook.ID, told.Number); return err }},
		{"Webhooks", func(a desk.Actor) error { _, err := o.Webhooks(ctx, a, id, "", 0); return err }},
		{"WebhookStatus", func(a desk.Actor) error { _, err := o.WebhookStatus(ctx, a, id, hook.ID); return err }},
		{"Endpoints", func(a desk.Actor) error { _, err := o.Endpoints(ctx, a, id); return err }},
		{"ExplainDelivery", func(a desk.Actor) error {
			_, err := o.ExplainDelivery(ctx, a, id, hook.ID, told.NotificationID)
			return err
		}},
		{"PullNotifications", func(a desk.Actor) error {
			_, err := o.PullNotifications(ctx, a, id, hook.ID, paybell.SequenceNumber{}, 1)
			return err
		}},
		{"ListWallets", func(a desk.Actor) error { _, err := o.ListWallets(ctx, a); return err }},
		{"WalletOf", func(a desk.Actor) error { _, err := o.WalletOf(ctx, a, wallet.ID); return err }},
		{"TestCoin", func(a desk.Actor) error { _, _, err := o.TestCoin(ctx, a); return err }},
		{"Resends", func(a desk.Actor) error { _, err := o.Resends(ctx, a, id); return err }},
		{"FindResend", func(a desk.Actor) error { _, err := o.FindResend(ctx, a, id, job.ID); return err }},
	}
}

// hidden is every verb that reads and is not for who may only look.
func hidden(o *office) []verb {
	ctx := o.Context()
	invoice, hook, wallet := o.invoice(), o.hook("https://shop.example/hidden", "invoicePaid"), o.wallet(o.operator(), "BTC", "hidden")
	return []verb{
		{"WalletCoin", func(a desk.Actor) error { _, err := o.WalletCoin(ctx, a, wallet.ID); return err }},
		{"PreviewWallet", func(a desk.Actor) error { _, err := o.PreviewWallet(ctx, a, newWallet("BTC", "x")); return err }},
		{"Users", func(a desk.Actor) error { _, err := o.Users(ctx, a); return err }},
		{"Invites", func(a desk.Actor) error { _, err := o.Invites(ctx, a); return err }},
		{"AuditLog", func(a desk.Actor) error { _, err := o.AuditLog(ctx, a, "", 100); return err }},
		{"FindBuyer", func(a desk.Actor) error { _, err := o.FindBuyer(ctx, a, invoice); return err }},
		{"StillErasing", func(a desk.Actor) error { _, err := o.StillErasing(ctx, a); return err }},
		{"CountMissed", func(a desk.Actor) error { _, _, err := o.CountMissed(ctx, a, o.client.ID, hook.ID); return err }},
	}
}

// Who may only look changes nothing, whatever they try; what they try, an owner
// can do.
func TestReadOnly(t *testing.T) {
	o, dump := full(t)
	ctx := t.Context()
	verbs := changing(o)
	viewer, _ := o.user(o.operator(), "ann@shop.example", paybell.RoleReadOnly)
	owner, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	was := dump()
	for _, v := range verbs {
		err := v.do(viewer.Actor())
		if o.wantCode(err, paybell.Forbidden); err == nil || !strings.Contains(err.Error(), "your role can look, but not change anything; ask an owner") {
			t.Errorf("%s by who may only look: %v", v.name, err)
		}
	}
	for table, rows := range dump() {
		if !slices.Equal(rows, was[table]) {
			t.Errorf("something was changed in %s", table)
		}
	}
	for _, v := range looking(o) {
		if err := v.do(viewer.Actor()); err != nil {
			t.Errorf("%s by who may only look: %v", v.name, err)
		}
	}
	hides := hidden(o)
	for _, v := range hides {
		o.wantCode(v.do(viewer.Actor()), paybell.Forbidden)
	}

	for _, v := range slices.Concat(hides, verbs) {
		before := o.actions()
		err := v.do(owner.Actor())
		switch code := paybell.CodeOf(err); {
		case v.name == "AcceptInvoice" || v.name == "EnableEndpoint": // there is nothing to do; but they may
			o.wantCode(err, paybell.Conflict)
		case err != nil:
			t.Errorf("%s by an owner: %s %v", v.name, code, err)
		}
		// And it is written down, by who did it.
		writes := err == nil && v.name != "As" && !slices.ContainsFunc(hides, func(h verb) bool { return h.name == v.name })
		if wrote := o.actions() != before; wrote != writes {
			t.Errorf("%s: the audit log was written: %v", v.name, wrote)
		}
	}
	log, err := o.AuditLog(ctx, owner.Actor(), "", 100)
	must(t, err)
	if e := log[0]; e.Who != "user zoe@shop.example" || e.From != home.From || e.MerchantID != o.client.MerchantID || e.Action != "updateMerchant" {
		t.Errorf("the last entry is %+v", e)
	}
}

// Every verb that is asked by an actor is tried above.
func TestNoVerbIsForgotten(t *testing.T) {
	o, _ := full(t)
	tried := map[string]bool{}
	for _, v := range slices.Concat(changing(o), looking(o), hidden(o)) {
		tried[v.name] = true
	}
	for m := range reflect.TypeFor[*desk.Desk]().Methods() {
		asks := false
		for i := range m.Type.NumIn() {
			asks = asks || m.Type.In(i) == reflect.TypeFor[desk.Actor]()
		}
		if asks && !tried[m.Name] {
			t.Errorf("is %s for who may only look? say so in this test", m.Name)
		}
		delete(tried, m.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(tried)) {
		t.Errorf("there is no verb %s", name)
	}
}

// Staff may do all that is not about users; so may account tokens.
func TestStaff(t *testing.T) {
	o, _ := full(t)
	verbs := changing(o)
	staff, _ := o.user(o.operator(), "ann@shop.example", paybell.RoleStaff)
	_, text, err := o.CreateAccountToken(t.Context(), o.operator(), "Zoë's laptop")
	must(t, err)
	token, err := o.Account(t.Context(), text)
	must(t, err)
	if token.Who != "account token Zoë's laptop" {
		t.Errorf("the token acts as %q", token.Who)
	}
	owners := []string{"Invite", "RevokeInvite", "CreateUser", "NewResetPass", "ChangeRole", "RemoveUser", "UpdateMerchant", "Invites"}
	program := o.program()
	for _, v := range slices.Concat(hidden(o), verbs) {
		if slices.Contains(owners, v.name) {
			for _, a := range []desk.Actor{staff.Actor(), token, program} {
				o.wantCode(v.do(a), paybell.Forbidden)
			}
			continue
		}
		if err := v.do(staff.Actor()); paybell.CodeOf(err) == paybell.Forbidden {
			t.Errorf("%s by staff: %v", v.name, err)
		}
	}
}

// What is another merchant's does not exist, not even for its owners.
func TestOtherMerchants(t *testing.T) {
	o, dump := full(t)
	verbs := changing(o)
	other := o.merchant()
	stranger, _ := o.user(other, "eve@other.example", paybell.RoleOwner)
	was := dump()
	for _, name := range []string{"CancelInvoice", "AcceptInvoice", "PaySandbox", "ExpireSandbox", "EraseBuyer", "CreateWebhook", "UpdateWebhook", "DeleteWebhook", "UpdateClient", "RotateSecret", "SetPolicy", "RemoveWallet",
		"RevokeAccountToken", "RevokeInvite", "NewResetPass", "ChangeRole", "RemoveUser", "As"} {
		i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == name })
		o.wantCode(verbs[i].do(stranger.Actor()), paybell.NotFound)
	}
	for table, rows := range dump() {
		if !slices.Equal(rows, was[table]) {
			t.Errorf("something was changed in %s", table)
		}
	}
	ctx := t.Context()
	users, err := o.Users(ctx, stranger.Actor())
	must(t, err)
	if len(users) != 1 || users[0].Email != "eve@other.example" {
		t.Errorf("they see the users %+v", users)
	}
	log, err := o.AuditLog(ctx, stranger.Actor(), "", 100)
	must(t, err)
	for _, e := range log {
		if e.MerchantID != other.MerchantID {
			t.Errorf("they see %+v", e)
		}
	}
	invites, err := o.Invites(ctx, stranger.Actor())
	must(t, err)
	if len(invites) != 0 {
		t.Errorf("they see the invitations %+v", invites)
	}
}

// A person changes invoices of every client of the merchant, a client only its own;
// what a person makes for a client is by its terms.
func TestPersonActsForClients(t *testing.T) {
	o, _ := full(t)
	ctx := t.Context()
	p, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleStaff)
	second, _, err := o.CreateClient(ctx, o.operator(), desk.NewClient{Name: "till", Permissions: paybell.AllPermissions})
	must(t, err)
	id := o.invoice()
	other := desk.Actor{ClientID: second.ID, MerchantID: second.MerchantID, Permissions: paybell.AllPermissions}
	o.wantCode(o.CancelInvoice(ctx, other, id), paybell.Forbidden)
	must(t, o.CancelInvoice(ctx, p.Actor(), id))
	before := o.actions()
	must(t, o.CancelInvoice(ctx, p.Actor(), id)) // again
	if o.actions() != before {
		t.Error("what changed nothing is in the log")
	}

	_, err = o.SetTerms(ctx, p.Actor(), second.ID, paybell.Terms{Window: 2 * time.Hour, Lifetime: 48 * time.Hour, Tolerance: 7})
	must(t, err)
	ten := decimal.NewFromInt(10)
	in := desk.NewInvoice{Bill: paybell.Bill{Currency: "USD", Total: ten, Breakdown: paybell.Breakdown{Subtotal: ten}}}
	_, err = o.CreateInvoice(ctx, p.Actor(), in)
	o.wantCode(err, paybell.Invalid)
	a, err := o.As(ctx, p.Actor(), strings.ToUpper(second.ID))
	must(t, err)
	if !a.Person || a.UserID != p.User.ID || a.Who != p.Actor().Who || a.ClientID != second.ID {
		t.Errorf("acts as %+v", a)
	}
	inv, err := o.CreateInvoice(ctx, a, in)
	must(t, err)
	if inv.ClientID != second.ID || inv.Window != 2*time.Hour || inv.Tolerance != 7 || inv.ExpiresAt.Sub(inv.CreatedAt) != 48*time.Hour {
		t.Errorf("made was %+v", inv)
	}
	_, err = o.As(ctx, o.program(), second.ID)
	o.wantCode(err, paybell.Forbidden)
	_, err = o.As(ctx, p.Actor(), strings.Repeat("0", 32))
	o.wantCode(err, paybell.NotFound)
	gone := paybell.ClientDeleted
	_, err = o.UpdateClient(ctx, p.Actor(), second.ID, desk.ClientChange{State: &gone})
	must(t, err)
	_, err = o.As(ctx, p.Actor(), second.ID)
	o.wantCode(err, paybell.NotFound)
}

// What programs do is not in the log.
func TestProgramsAreNotAudited(t *testing.T) {
	o := onSQLite(t)
	before := o.actions()
	w := o.hook("https://shop.example/x", "invoicePaid")
	must(t, o.CancelInvoice(t.Context(), o.program(), o.invoice()))
	_, err := o.DeleteWebhook(t.Context(), o.program(), o.client.ID, w.ID)
	must(t, err)
	if o.actions() != before {
		t.Errorf("the log has %s", o.actions())
	}
}
