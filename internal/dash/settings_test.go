package dash

import (
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/shopspring/decimal"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// settingsRole is a user of each role, and what they see of the settings.
func TestSettingsByRole(t *testing.T) {
	r := newRig(t)
	staff, looker := r.invited("staff@a.example", paybell.RoleStaff), r.invited("looker@a.example", paybell.RoleReadOnly)
	const base = "/dash/settings"
	users, err := r.desk.Users(t.Context(), r.ownerActor())
	must(t, err)
	someone := base + "/users/" + users[2].ID
	inv := r.bought("buyer@b.example")

	for path, says := range map[string]string{
		base: "Your account", base + "/users": "staff@a.example", base + "/business": "Account tokens", base + "/audit": "Set up the account", base + "/privacy": "Whose data",
		base + "/privacy?invoice=" + inv: "Erase the buyer",
	} {
		r.owner.get(path).want(t, 200, "<h1>Settings</h1>", says)
		staff.get(path).want(t, 200, "<h1>Settings</h1>", says)
	}
	looker.get(base).want(t, 200, "Your account", "looker@a.example").wantNot(t, base+"/users", base+"/audit", base+"/privacy")
	for _, path := range []string{"/users", "/users/invite", "/business", "/business/token", "/audit", "/privacy", "/privacy?invoice=" + inv} {
		looker.get(base+path).want(t, 403).wantNot(t, "buyer@b.example", "staff@a.example")
	}

	// What only owners do.
	r.owner.get(base+"/users").want(t, 200, base+"/users/invite", "Manage")
	staff.get(base+"/users").want(t, 200).wantNot(t, base+"/users/invite", "Manage", "Open invitations")
	r.owner.get(base+"/business").want(t, 200, `<form class="form settings-form" method="post" action="/dash/settings/business">`)
	staff.get(base+"/business").want(t, 200, "New token", "An owner can change it").wantNot(t, `action="/dash/settings/business"`)
	for _, path := range []string{base + "/users/invite", someone} {
		staff.get(path).want(t, 403)
	}
	for _, form := range [][]string{
		{base + "/users/invite", "email", "x@a.example", "role", "owner"}, {someone, "role", "owner"}, {someone + "/reset"}, {someone + "/remove"},
		{base + "/invites/x"}, {base + "/business", "name", "Mine"},
	} {
		staff.post(form[0], form[1:]...).want(t, 403)
		looker.post(form[0], form[1:]...).want(t, 403)
	}
	for _, form := range [][]string{
		{base + "/business/token", "name", "x"}, {base + "/business/tokens/x"}, {base + "/privacy", "who", "buyer@b.example"}, {base + "/privacy/erase", "who", "buyer@b.example"},
	} {
		looker.post(form[0], form[1:]...).want(t, 403).wantNot(t, "buyer@b.example")
	}
	if r.visitor().get(base).StatusCode != http.StatusSeeOther {
		t.Error("nobody sees an account")
	}
}

func TestAccount(t *testing.T) {
	r := newRig(t)
	v := r.owner
	v.get("/dash/settings/name").want(t, 200, `data-modal="/dash/settings"`, `value="Ada"`)
	if a := v.post("/dash/settings/name", "name", " Ada <b> "); a.wasDone() == "" {
		t.Errorf("renaming answered %d", a.StatusCode)
	}
	v.get("/dash/settings").want(t, 200, "Ada &lt;b&gt;", "This browser", "127.0.0.1").wantNot(t, "Ada <b>", "Sign out all others")
	v.post("/dash/settings/name", "name", "").want(t, 422, "Name: say who it is.", `aria-invalid="true"`)

	v.get("/dash/settings/password").want(t, 200, `autocomplete="current-password"`)
	v.post("/dash/settings/password", "old", "nope nope nope", "new", "another long one").want(t, 422, "The first one is not your password.", "aria-invalid").wantNot(t, "nope nope nope", "another long one")
	v.post("/dash/settings/password", "old", "correct horse battery", "new", "short").want(t, 422, "The new password has 5 characters")
	other := r.visitor()
	other.post("/dash/sign-in", "email", "ada@cafe-bell.example", "password", "correct horse battery").want(t, 303)
	other.get("/dash/settings").want(t, 200, "Sign out all others")
	v.post("/dash/settings/password", "old", "correct horse battery", "new", "another long one").want(t, 303)
	other.get("/dash/settings").want(t, 303)
	v.get("/dash/settings").want(t, 200, "Your password is changed")
	other.post("/dash/sign-in", "email", "ada@cafe-bell.example", "password", "another long one").want(t, 303)
	other.get("/dash/settings").want(t, 200)
}

func TestSessions(t *testing.T) {
	r := newRig(t)
	var others []*visitor
	for range 3 {
		v := r.visitor()
		v.post("/dash/sign-in", "email", "ada@cafe-bell.example", "password", "correct horse battery").want(t, 303)
		others = append(others, v)
	}
	form := regexp.MustCompile(`action="(/dash/settings/sessions/[0-9a-f-]{36})"`)
	page := r.owner.get("/dash/settings").want(t, 200, "Sign out all others")
	ends := form.FindAllStringSubmatch(page.body, -1)
	if len(ends) != 3 {
		t.Fatalf("%d sessions can be ended, want 3", len(ends))
	}
	stranger := r.invited("staff@a.example", paybell.RoleStaff)
	stranger.post(ends[0][1]).want(t, 404)
	r.owner.post(ends[0][1]).want(t, 303)
	r.owner.post(ends[0][1]).want(t, 404)
	in := func() (n int) {
		for _, v := range others {
			if v.get("/dash/settings").StatusCode == 200 {
				n++
			}
		}
		return n
	}
	if in() != 2 {
		t.Errorf("%d others are signed in, want 2", in())
	}
	r.owner.post("/dash/settings/sessions/others").want(t, 303)
	if in() != 0 {
		t.Errorf("%d others are signed in, want none", in())
	}
	r.owner.get("/dash/settings").want(t, 200, "You are signed out everywhere but here.")
	stranger.get("/dash/settings").want(t, 200)
}

func TestSecondFactor(t *testing.T) {
	r := newRig(t)
	v := r.owner
	const path = "/dash/settings/second-factor"
	v.get("/dash/settings").want(t, 200, `action="`+path+`"`, `<span class="badge">Off</span>`)
	page := v.post(path).want(t, 200, `<path fill="#000" d="M`, "Cannot scan it?")
	uri := html.UnescapeString(regexp.MustCompile(`name="uri" value="([^"]+)"`).FindStringSubmatch(page.body)[1])
	p, err := readFactor(uri)
	must(t, err)
	if !strings.Contains(page.body, "<code>"+p.Secret+"</code>") {
		t.Error("the secret is not shown")
	}
	again := v.post(path+"/confirm", "code", "000000", "uri", uri).want(t, 422, "The code is not the one that the authenticator shows now", p.Secret, `<path fill="#000" d="M`)
	if !strings.Contains(again.body, p.QR.Path) {
		t.Error("another code is shown after a typing error")
	}
	for _, broken := range []string{"", "https://a.example/", "otpauth://totp/x", "otpauth://totp/x?secret=<script>", "otpauth://totp/x?secret=AAAA&x=" + strings.Repeat("y", 1000)} {
		v.post(path+"/confirm", "code", "000000", "uri", broken).want(t, 422, "begin anew").wantNot(t, "<script>")
	}
	code, err := totp.GenerateCode(p.Secret, time.Now())
	must(t, err)
	v.post(path+"/confirm", "code", code[:3]+" "+code[3:], "uri", uri).want(t, 303)
	v.get("/dash/settings").want(t, 200, `<span class="badge good">On</span>`, path+"/remove", "The second factor is on.").wantNot(t, `action="`+path+`"`)
	v.get("/dash/settings/users").want(t, 200, `<span class="badge good">On</span>`)
	v.post(path).want(t, 409)
	signIn := []string{"email", "ada@cafe-bell.example", "password", "correct horse battery"}
	r.visitor().post("/dash/sign-in", signIn...).want(t, 200, "Your code")
	r.visitor().post("/dash/sign-in", append(signIn, "code", code)...).want(t, 422, "was used already")
	next, err := totp.GenerateCode(p.Secret, time.Now().Add(30*time.Second))
	must(t, err)
	in := r.visitor()
	in.post("/dash/sign-in", append(signIn, "code", next)...).want(t, 303)
	in.get("/dash/settings").want(t, 200, `<span class="badge good">On</span>`)

	v.get(path+"/remove").want(t, 200, "Switch the second factor off")
	v.post(path+"/remove", "password", "nope").want(t, 422, "This is not your password.")
	v.post(path+"/remove", "password", "correct horse battery").want(t, 303)
	v.get("/dash/settings").want(t, 200, `<span class="badge">Off</span>`)
}

// link is the link that a page shows once.
func (a answer) link(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`<code>https?://[^/<]+(/dash/pass/pbp_[A-Z2-7]{52})</code>`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("no link is shown:\n%s", a.body)
	}
	return m[1]
}

func TestUsers(t *testing.T) {
	r := newRig(t)
	v := r.owner
	const path = "/dash/settings/users"
	v.get(path+"/invite").want(t, 200, `data-modal="`+path+`"`, "Everything but users", `value="staff" checked`)
	v.post(path+"/invite", "email", "no address", "role", "readOnly").want(t, 422, "Email address is not an e-mail address.", `value="no address"`, `value="readOnly" checked`)
	v.post(path+"/invite", "email", "ada@cafe-bell.example", "role", "staff").want(t, 422, "is a user already")
	v.post(path+"/invite", "email", "x@a.example", "role", "king").want(t, 422, "&#34;king&#34; is not a role")
	page := v.post(path+"/invite", "email", "Grace@A.example", "role", "staff").want(t, 200, "An invitation for Grace@A.example", "shown this once", "7 days", "Paybell sends no mail", "“Staff”")
	link := page.link(t)
	list := v.get(path).want(t, 200, "Open invitations", "grace@a.example").wantNot(t, link)
	grace := r.visitor()
	grace.post(link, "name", "Grace <script>", "email", "grace@a.example", "password", "correct horse battery").want(t, 303)
	list = v.get(path).want(t, 200, "Grace &lt;script&gt;", "Second factor").wantNot(t, "Open invitations", "Grace <script>")

	open := v.post(path+"/invite", "email", "", "role", "readOnly").want(t, 200, "whoever opens it first").link(t)
	list = v.get(path).want(t, 200, "Whoever has the link")
	revoke := regexp.MustCompile(`action="(/dash/settings/invites/[^"]+)"`).FindStringSubmatch(list.body)[1]
	v.post(revoke).want(t, 303)
	v.post(revoke).want(t, 404)
	r.visitor().get(open).want(t, 404)

	var user string
	for _, m := range regexp.MustCompile(`href="(`+path+`/[0-9a-f-]{36})"`).FindAllStringSubmatch(list.body, -1) {
		if user = m[1]; strings.Contains(v.get(user).want(t, 200).body, `<h2 id="pop">Grace`) {
			break
		}
	}
	v.get(user).want(t, 200, "Grace &lt;script&gt;", `value="staff" checked`, "Link for a new password", ">"+"Save the role<")
	v.post(user, "role", "nothing").want(t, 422, "is not a role")
	v.post(user, "role", "readOnly").want(t, 303)
	v.get(path).want(t, 200, "has the role “Read-only”")
	grace.get(path).want(t, 403)

	reset := v.post(user+"/reset").want(t, 200, "A link for Grace &lt;script&gt;", "24 hours", "takes a second factor away").link(t)
	grace.get("/dash/settings").want(t, 200) // until it is used nothing changes
	r.visitor().post(reset, "password", "a wholly new password").want(t, 303)
	grace.get("/dash/settings").want(t, 303)

	// The last owner stays one.
	users, err := r.desk.Users(t.Context(), r.ownerActor())
	must(t, err)
	self := path + "/" + users[0].ID
	v.get(self).want(t, 200, "data-confirm=\"Change your own role?").wantNot(t, self+"/remove", self+"/reset")
	v.post(self, "role", "staff").want(t, 422, "is the last owner")
	v.post(self+"/remove").want(t, 422, "is the last owner")

	v.post(user+"/remove").want(t, 303)
	v.get(path).want(t, 200, "is removed").wantNot(t, "grace@a.example</small>")
	for _, gone := range []string{user, path + "/x"} {
		v.get(gone).want(t, 404)
		v.post(gone, "role", "staff").want(t, 404)
		v.post(gone+"/reset").want(t, 404)
		v.post(gone+"/remove").want(t, 404)
	}

	// Another merchant's users do not exist.
	other := r.merchant()
	theirs, _, err := r.desk.CreateUser(t.Context(), other, desk.NewUser{Name: "Eve", Email: "eve@e.example"}, paybell.RoleOwner)
	must(t, err)
	v.get(path+"/"+theirs.ID).want(t, 404)
	v.post(path+"/"+theirs.ID+"/reset").want(t, 404)
	v.get(path).want(t, 200).wantNot(t, "eve@e.example")
}

func TestOwnerGivesUpTheRole(t *testing.T) {
	r := newRig(t)
	r.invited("second@a.example", paybell.RoleOwner)
	users, err := r.desk.Users(t.Context(), r.ownerActor())
	must(t, err)
	r.owner.follow(r.owner.post("/dash/settings/users/"+users[0].ID, "role", "readOnly")).want(t, 200, "Your account", "Read-only")
}

func TestBusiness(t *testing.T) {
	r := newRig(t)
	v := r.owner
	const path = "/dash/settings/business"
	v.post(path, "name", "", "email", "x").want(t, 422, "Name: give the merchant a name.", `value="x"`, "aria-invalid")
	v.post(path, "name", "Bell & <Sons>", "email", "nope").want(t, 422, "Email address is not an e-mail address.")
	v.post(path, "name", "Bell & <Sons>", "email", "shop@bell.example").want(t, 303)
	v.get(path).want(t, 200, `value="Bell &amp; &lt;Sons&gt;"`, `value="shop@bell.example"`, "There is none.").wantNot(t, "<Sons>")

	v.get(path+"/token").want(t, 200, `data-modal="`+path+`"`)
	v.post(path+"/token", "name", " ").want(t, 422, "say who or what the token is for")
	page := v.post(path+"/token", "name", "CI <x>").want(t, 200, "shown this once", "CI &lt;x&gt;", r.url+"/api/v1/merchant/clients")
	token := regexp.MustCompile(`<code>(pbt_[A-Z2-7]{52})</code>`).FindStringSubmatch(page.body)[1]
	a, err := r.desk.Account(t.Context(), token)
	must(t, err)
	if a.Who != "account token CI <x>" {
		t.Errorf("the token is %q", a.Who)
	}
	list := v.get(path).want(t, 200, "CI &lt;x&gt;").wantNot(t, token)
	revoke := regexp.MustCompile(`action="(` + path + `/tokens/[^"]+)"`).FindStringSubmatch(list.body)[1]
	r.invited("staff@a.example", paybell.RoleStaff).post(revoke).want(t, 303)
	v.post(revoke).want(t, 404)
	if _, err := r.desk.Account(t.Context(), token); err == nil {
		t.Error("the token is good after it was revoked")
	}
}

func TestAudit(t *testing.T) {
	r := newRig(t)
	v := r.owner
	const path = "/dash/settings/audit"
	inv := r.bought("buyer@b.example")
	v.post("/dash/settings/business/token", "name", "<script>")
	v.get(path).want(t, 200, "ada@cafe-bell.example", "Set up the account", "127.0.0.1", "Made an invoice", `href="/dash/invoices/`+inv+`"`, "Operator", "&lt;script&gt;").
		wantNot(t, "<script>", "buyer@b.example")
	v.get(path+"?area=Invoices").want(t, 200, "Made an invoice").wantNot(t, "Set up the account")
	v.get(path+"?who=ADA").want(t, 200, "Set up the account", `value="ADA"`).wantNot(t, "Made an invoice")
	v.get(path+"?who=nobody").want(t, 200, "Nobody did anything of that kind yet.")
	v.get(path+"?before=x").want(t, 422)

	// Pages: 50 each.
	for i := range 120 {
		_, _, err := r.desk.CreateClient(t.Context(), r.ownerActor(), desk.NewClient{Name: fmt.Sprintf("client-%03d.", i)})
		if paybell.CodeOf(err) == paybell.Conflict {
			break
		}
		must(t, err)
	}
	seen := map[string]int{}
	at, pages := path+"?area=Integrations+and+webhooks", 0
	for ; at != "" && pages < 9; pages++ {
		page := v.get(at).want(t, 200)
		for _, m := range regexp.MustCompile(`client-\d\d\d`).FindAllString(page.body, -1) {
			seen[m]++
		}
		at = ""
		if m := regexp.MustCompile(`<a href="([^"]+)">Older</a>`).FindStringSubmatch(page.body); m != nil {
			at = html.UnescapeString(m[1])
		}
	}
	if len(seen) != paybell.MaxClientsPerMerchant-1 || pages != 2 {
		t.Errorf("%d clients on %d pages", len(seen), pages)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	// Another merchant's log is another.
	_, _, err := r.desk.CreateAccountToken(t.Context(), r.merchant(), "theirs")
	must(t, err)
	v.get(path).want(t, 200).wantNot(t, "theirs")
}

// Whatever is written down has words, and a place in the filter.
func TestAuditWords(t *testing.T) {
	for action, a := range auditActions {
		if a.text == "" || a.area == "" {
			t.Errorf("%s has no words", action)
		}
	}
	for e, want := range map[paybell.AuditEntry]auditLine{
		{Who: "user a@b.example", Action: "changeRole", Subject: "u", Detail: "c@b.example, readOnly to staff"}: {
			Who: "a@b.example", What: "Changed a role", Detail: "c@b.example, read-only to staff", Link: "/dash/settings/users", ToWhat: "Team"},
		{Who: "account token CI", Action: "updateClient", Subject: "c1"}: {Who: "Account token CI", What: "Changed an integration", Link: "/dash/integrations/api/c1", ToWhat: "c1"},
		{Action: "createClient", Subject: "c1", Detail: "Shop"}:          {What: "Added an integration", Link: "/dash/integrations/api/c1", ToWhat: "Shop"},
		{Who: "operator", Action: "somethingNew", Subject: "x"}:          {Who: "Operator", What: "Something new"},
		{Action: "invite", Subject: "x@b.example"}:                       {What: "Invited somebody", ToWhat: "x@b.example"},
		{Action: "eraseBuyer", Detail: "3 invoices"}:                     {What: "Erased a buyer's data", Detail: "3 invoices"},
	} {
		if got := newAuditLine(e); got != want {
			t.Errorf("%+v became %+v, want %+v", e, got, want)
		}
	}
}

// merchant is one more, which has nothing to do with the rig's.
func (r *rig) merchant() desk.Actor {
	r.Helper()
	m, err := r.desk.CreateMerchant(r.Context(), "Other", "")
	must(r.T, err)
	return desk.Owner(m.ID)
}

// bought makes an invoice of a buyer.
func (r *rig) bought(email string) (id string) {
	r.Helper()
	clients, err := r.desk.Clients(r.Context(), r.ownerActor())
	must(r.T, err)
	if len(clients) == 0 {
		c, _, err := r.desk.CreateClient(r.Context(), r.ownerActor(), desk.NewClient{Name: "shop", Permissions: paybell.AllPermissions})
		must(r.T, err)
		clients = append(clients, c)
	}
	return r.boughtFrom(r.ownerActor(), clients[0].ID, email)
}

func (r *rig) boughtFrom(owner desk.Actor, clientID, email string) (id string) {
	r.Helper()
	a, err := r.desk.As(r.Context(), owner, clientID)
	must(r.T, err)
	ten := decimal.NewFromInt(10)
	inv, err := r.desk.CreateInvoice(r.Context(), a, desk.NewInvoice{Bill: paybell.Bill{Currency: "USD", Total: ten,
		Breakdown: paybell.Breakdown{Subtotal: ten}, Number: "R<1>", Buyer: &paybell.Party{Name: paybell.Name{First: "Zoë"}, Email: email}}})
	must(r.T, err)
	return inv.ID
}

func TestPrivacy(t *testing.T) {
	r := newRig(t)
	v := r.owner
	const path = "/dash/settings/privacy"
	v.get(path).want(t, 200, "Erased at once", "Erased later", "Stays").wantNot(t, "Erase the buyer<")
	for who, says := range map[string]string{"": "There is no such invoice", "zoe": "There is no such invoice", "a b@c": "Whose data is not an e-mail address"} {
		v.post(path, "who", who).want(t, 422, says, "aria-invalid")
		v.post(path+"/erase", "who", who).want(t, 422, says)
	}
	v.post(path, "who", "zoe@b.example").want(t, 200, "Nothing found")

	var ids []string
	for range 12 {
		ids = append(ids, r.bought("zoe@b.example"))
	}
	others, staff := r.bought("anna@b.example"), r.invited("staff@a.example", paybell.RoleStaff)
	foreign := r.merchant()
	c, _, err := r.desk.CreateClient(t.Context(), foreign, desk.NewClient{Name: "x", Permissions: paybell.AllPermissions})
	must(t, err)
	theirs := r.boughtFrom(foreign, c.ID, "zoe@b.example")

	v.post(path, "who", "ZOE@b.example").want(t, 200, "12 invoices of this buyer", "And 2 more.", "R&lt;1&gt;", "12 of these can still be paid", "from these 12 invoices?").wantNot(t, "R<1>", theirs)
	v.get(path+"?invoice="+ids[0]).want(t, 200, "This invoice says who bought", "zoe@b.example", "Look for all of their invoices")
	v.get(path+"?invoice="+theirs).want(t, 404).wantNot(t, "zoe@b.example")
	v.get(path+"?invoice=zoe@b.example").want(t, 404)
	v.post(path, "who", theirs).want(t, 422, "There is no such invoice")
	v.post(path+"/erase", "who", theirs).want(t, 422)

	v.follow(v.post(path+"/erase", "who", ids[0])).want(t, 200, "The buyer was erased from 1 invoice.")
	v.get(path+"?invoice="+ids[0]).want(t, 200, "Nothing found", "does not say who bought")
	staff.follow(staff.post(path+"/erase", "who", "zoe@b.example")).want(t, 200, "The buyer was erased from 11 invoices.")
	v.follow(v.post(path+"/erase", "who", "zoe@b.example")).want(t, 200, "nothing was erased")
	for id, a := range map[string]desk.Actor{others: r.actor(t, others), theirs: foreign} {
		if inv, _, err := r.desk.Invoice(t.Context(), a, id); err != nil || inv.Bill.Buyer == nil {
			t.Errorf("somebody else's invoice says %+v, %v", inv.Bill, err)
		}
	}
	v.get("/dash/settings/audit").want(t, 200, "Erased a buyer&#39;s data", "11 invoices").wantNot(t, "zoe@b.example")
}

// What a webhook waits for is erased later, and the page says so.
func TestPrivacyWaits(t *testing.T) {
	r := newRig(t)
	const path = "/dash/settings/privacy"
	first := r.bought("zoe@b.example")
	clients, err := r.desk.Clients(t.Context(), r.actor(t, first))
	must(t, err)
	_, err = r.desk.CreateWebhook(t.Context(), r.actor(t, first), clients[0].ID, desk.NewWebhook{URL: "http://127.0.0.1:9/", Events: []string{"invoiceCreated"}})
	must(t, err)
	r.bought("zoe@b.example")
	r.owner.post(path, "who", "zoe@b.example").want(t, 200, "For one of these some notifications still wait")
	r.owner.follow(r.owner.post(path+"/erase", "who", "zoe@b.example")).want(t, 200, "from 2 invoices. For 1 invoice some notifications still wait", "1 invoice that was erased has")
}

// actor is the owner of the only merchant that has an invoice.
func (r *rig) actor(t *testing.T, invoiceID string) desk.Actor {
	t.Helper()
	a, err := r.desk.Operator(t.Context(), "", invoiceID)
	must(t, err)
	a.ClientID = ""
	return a
}

func TestBrowserName(t *testing.T) {
	for agent, want := range map[string]string{
		"": "Another program",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                            "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":              "Edge on Windows",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 OPR/120.0.0.0":                        "Opera on Linux",
		"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0":                                                             "Firefox on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                      "Safari on a Mac",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1":     "Chrome on iPhone",
		"Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/144.0 Mobile/15E148 Safari/605.1.15":           "Firefox on iPad",
		"Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                             "Chrome on ChromeOS",
		"curl/8.14.1":  "Another program",
		"<script>":     "Another program",
		"Go-http/1.1":  "Another program",
		"bot (Linux;)": "Another program on Linux",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

// The pages as they are, to see what a change changes.
func TestSettingsFragments(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	ada := paybell.User{ID: "u1", Email: "ada@b.example", Name: "Ada", Role: paybell.RoleOwner, SecondFactor: true, SignedInAt: now}
	grace := paybell.User{ID: "u2", Email: "grace@b.example", Name: "Grace", Role: paybell.RoleReadOnly}
	inv := paybell.Invoice{ID: "0190a2b4-0000-7000-8000-000000000001", State: paybell.Paid, CreatedAt: now, Bill: paybell.Bill{Currency: "5057", Total: decimal.NewFromInt(1234)}}
	line := newAuditLine(paybell.AuditEntry{ID: "e", At: now, Who: "user ada@b.example", From: netip.MustParseAddr("192.0.2.1"), Action: "createInvoice", Subject: inv.ID, Detail: "<b>"})
	session := paybell.Session{ID: "s", CreatedAt: now, SeenAt: now, From: netip.MustParseAddr("192.0.2.1"), Agent: "<x>"}
	other := session
	other.ID = "s2"
	for name, test := range map[string]struct {
		file string
		data any
	}{
		"account":  {"account.html", accountPage{Sessions: []browserLine{{session, "Firefox on Linux", true}, {other, "Safari on iPhone", false}}}},
		"users":    {"users.html", usersPage{Users: []paybell.User{ada, grace}, Invites: []paybell.Pass{{ID: "p", Role: paybell.RoleStaff, CreatedAt: now, ExpiresAt: now}}, Roles: roleChoices}},
		"link":     {"users_link.html", linkPage{"An invitation", "Give it away.", "https://pay.example/dash/pass/pbp_X", "7 days"}},
		"business": {"settings_business.html", businessPage{Name: "Bell", Tokens: []paybell.AccountToken{{ID: "t", Name: "CI", CreatedAt: now}}}},
		"audit":    {"audit.html", auditPage{Lines: []auditLine{line}, Older: "e", Areas: auditAreas}},
		"privacy": {"settings_privacy.html", privacyPage{Who: "zoe@b.example", Still: 1,
			Found: &desk.BuyerTrace{Email: "zoe@b.example", Invoices: []paybell.Invoice{inv}, Waiting: 1}}},
	} {
		golden(t, "settings/"+name, drawing.ReplaceAllString(fragment(t, test.file, "main", test.data, now), "<svg/>"))
	}
}
