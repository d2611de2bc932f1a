package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// empty is a desk on a store without a merchant.
func empty(t *testing.T, like *office) *office {
	t.Helper()
	return &office{T: t, Desk: &desk.Desk{DB: like.DB}}
}

func bare(t *testing.T) *office {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(dir + "/key")
	must(t, err)
	storetest.Blank(t, dir)
	db, err := store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return &office{T: t, Desk: &desk.Desk{DB: db}}
}

var founder = desk.NewOwner{Merchant: "Zoë's", Name: "Zoë", Email: "zoe@shop.example", Password: password}

func TestSetUp(t *testing.T) {
	o := bare(t)
	ctx := t.Context()
	needed := func(want bool) {
		t.Helper()
		if got, err := o.NeedsSetup(ctx); err != nil || got != want {
			t.Errorf("a setup is needed: %v, %v", got, err)
		}
	}
	needed(true)
	old, err := o.NewSetupPass(ctx)
	must(t, err)
	pass, err := o.NewSetupPass(ctx)
	must(t, err)
	_, err = o.FindPass(ctx, old)
	o.wantCode(err, paybell.NotFound)
	p, err := o.FindPass(ctx, pass)
	must(t, err)
	if p.What != paybell.PassSetup || p.MerchantID != "" || p.ExpiresAt.Sub(p.CreatedAt) != 24*time.Hour {
		t.Errorf("the pass is %+v", p)
	}
	for name, change := range map[string]func(*desk.NewOwner){
		"merchant": func(in *desk.NewOwner) { in.Merchant = " " }, "name": func(in *desk.NewOwner) { in.Name = "" },
		"email": func(in *desk.NewOwner) { in.Email = "zoe" }, "password": func(in *desk.NewOwner) { in.Password = "short" },
	} {
		in := founder
		change(&in)
		if _, err := o.SetUp(ctx, pass, in, home); paybell.CodeOf(err) != paybell.Invalid {
			t.Errorf("with a bad %s: %v", name, err)
		}
	}
	needed(true)
	session, err := o.SetUp(ctx, pass, founder, home)
	must(t, err)
	needed(false)
	me := o.person(session)
	if me.User.Role != paybell.RoleOwner || me.Merchant.Name != "Zoë's" || me.User.Name != "Zoë" {
		t.Errorf("made was %+v", me)
	}
	_, err = o.SetUp(ctx, pass, founder, home)
	o.wantCode(err, paybell.NotFound)
	_, err = o.NewSetupPass(ctx)
	o.wantCode(err, paybell.Conflict)
	log, err := o.AuditLog(ctx, me.Actor(), "", 100)
	must(t, err)
	if len(log) != 1 || log[0].Action != "setUp" || log[0].Who != "user zoe@shop.example" || log[0].From != home.From {
		t.Errorf("the log has %+v", log)
	}
}

// The first user belongs to the merchant that is there. Of several none is chosen.
func TestSetUpWithMerchants(t *testing.T) {
	o := bare(t)
	ctx := t.Context()
	early, err := o.NewSetupPass(ctx)
	must(t, err)
	first := o.merchant()
	pass, err := o.NewSetupPass(ctx)
	must(t, err)
	if p, err := o.FindPass(ctx, pass); err != nil || p.MerchantID != first.MerchantID {
		t.Errorf("the pass is %+v, %v", p, err)
	}
	_, err = o.SetUp(ctx, early, founder, home)
	o.wantCode(err, paybell.NotFound)
	in := founder
	in.Merchant = ""
	session, err := o.SetUp(ctx, pass, in, home)
	must(t, err)
	if m := o.person(session).Merchant; m.ID != first.MerchantID || m.Name != "Zoë" {
		t.Errorf("the merchant is %+v", m)
	}

	o = bare(t)
	early, err = o.NewSetupPass(ctx)
	must(t, err)
	o.merchant()
	o.merchant()
	_, err = o.SetUp(ctx, early, founder, home)
	o.wantCode(err, paybell.Conflict)
	_, err = o.NewSetupPass(ctx)
	o.wantCode(err, paybell.Conflict)
	if err != nil && !strings.Contains(err.Error(), "--merchant") {
		t.Errorf("it does not say what to do: %v", err)
	}
}

// Of those who have passes for a setup one becomes the owner, also when the passes
// were made at once.
func TestSetUpOnce(t *testing.T) {
	onBoth(t, func(like *office) {
		ctx := like.Context()
		o := empty(like.T, like)
		passes := make([]string, 4)
		var all sync.WaitGroup
		for i := range passes {
			all.Go(func() {
				var err error
				if passes[i], err = o.NewSetupPass(ctx); err != nil {
					o.Error(err)
				}
			})
		}
		all.Wait()
		var made atomic.Int32
		for i := range 8 {
			all.Go(func() {
				in := founder
				in.Email = fmt.Sprint(i, in.Email)
				_, err := o.SetUp(ctx, passes[i%4], in, home)
				switch paybell.CodeOf(err) {
				case paybell.NotFound, paybell.Conflict:
				default:
					if err != nil {
						o.Error(err)
					}
					made.Add(1)
				}
			})
		}
		all.Wait()
		if made.Load() != 1 {
			o.Errorf("%d owners were made", made.Load())
		}
	})
}

func TestInvitations(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	a := o.operator()
	invite := func(email string, role paybell.Role) string {
		t.Helper()
		pass, err := o.Invite(ctx, a, email, role)
		must(t, err)
		return pass
	}
	for _, bad := range []string{"zoe", "a b@c.example", "Zoë <zoe@shop.example>", "<zoe@shop.example>", "zoe@shop.example, x@y.example", "@shop.example", "a@", "a@b@c.example",
		"zoe@shop.example\x00", `"zoe"@shop.example`, strings.Repeat("a", 250) + "@b.example", "zoe(x)@shop.example"} {
		_, err := o.Invite(ctx, a, bad, paybell.RoleStaff)
		o.wantCode(err, paybell.Invalid)
	}
	for _, bad := range []paybell.Role{"", "boss", "Owner"} {
		_, err := o.Invite(ctx, a, "zoe@shop.example", bad)
		o.wantCode(err, paybell.Invalid)
	}
	first := invite(" Zoe@shop.example", paybell.RoleOwner)
	pass := invite("zoe@shop.example", paybell.RoleReadOnly)
	_, err := o.FindPass(ctx, first)
	o.wantCode(err, paybell.NotFound)
	p, err := o.FindPass(ctx, pass)
	must(t, err)
	if p.What != paybell.PassInvite || p.Email != "zoe@shop.example" || p.Role != paybell.RoleReadOnly || p.MerchantID != o.client.MerchantID || p.ExpiresAt.Sub(p.CreatedAt) != 7*24*time.Hour {
		t.Errorf("the pass is %+v", p)
	}
	open := invite("", paybell.RoleStaff)
	revoked := invite("", paybell.RoleStaff)
	all, err := o.Invites(ctx, a)
	must(t, err)
	if len(all) != 3 || all[0].Email != "zoe@shop.example" {
		t.Errorf("the invitations are %+v", all)
	}
	must(t, o.RevokeInvite(ctx, a, all[2].ID))
	o.wantCode(o.RevokeInvite(ctx, a, all[2].ID), paybell.NotFound)
	accept := func(pass, email string) (string, error) {
		return o.AcceptInvite(ctx, pass, desk.NewUser{Name: "Zoë", Email: email, Password: password}, home)
	}
	_, err = accept(revoked, "x@shop.example")
	o.wantCode(err, paybell.NotFound)
	_, err = accept(pass, "other@shop.example")
	o.wantCode(err, paybell.Invalid)
	session, err := accept(pass, "ZOE@shop.example")
	must(t, err)
	if u := o.person(session).User; u.Email != "zoe@shop.example" || u.Role != paybell.RoleReadOnly || u.MerchantID != o.client.MerchantID {
		t.Errorf("made was %+v", u)
	}
	_, err = accept(pass, "")
	o.wantCode(err, paybell.NotFound)
	_, err = o.Invite(ctx, a, "zoe@shop.example", paybell.RoleStaff)
	o.wantCode(err, paybell.Conflict)
	_, err = accept(open, "")
	o.wantCode(err, paybell.Invalid)
	_, err = accept(open, "zoe@shop.example")
	o.wantCode(err, paybell.Conflict)
	_, err = accept(open, "max@shop.example") // what failed has not used it up
	must(t, err)

	// Somebody of another merchant's can be invited; that they exist is found out by
	// who has their invitation.
	other := o.merchant()
	theirs, err := o.Invite(ctx, other, "zoe@shop.example", paybell.RoleStaff)
	must(t, err)
	_, err = accept(theirs, "")
	o.wantCode(err, paybell.Conflict)
}

// Users and open invitations together have a bound.
func TestMostUsers(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	a := o.operator()
	var last string
	var err error
	for i := range paybell.MaxUsersPerMerchant {
		if i%2 == 0 {
			_, last, err = o.CreateUser(ctx, a, desk.NewUser{Name: "x", Email: fmt.Sprint(i, "@shop.example")}, paybell.RoleStaff)
		} else {
			last, err = o.Invite(ctx, a, fmt.Sprint(i, "@shop.example"), paybell.RoleStaff)
		}
		must(t, err)
	}
	_, err = o.Invite(ctx, a, "", paybell.RoleStaff)
	o.wantCode(err, paybell.Conflict)
	_, _, err = o.CreateUser(ctx, a, desk.NewUser{Name: "x", Email: "x@shop.example"}, paybell.RoleStaff)
	o.wantCode(err, paybell.Conflict)
	_, err = o.AcceptInvite(ctx, last, desk.NewUser{Name: "x", Password: password}, home)
	must(t, err)
	last, err = o.Invite(ctx, a, "97@shop.example", paybell.RoleStaff) // instead of the one that there is
	must(t, err)
	users, err := o.Users(ctx, a)
	must(t, err)
	must(t, o.RemoveUser(ctx, a, users[0].ID))
	_, err = o.Invite(ctx, a, "", paybell.RoleStaff)
	must(t, err)
	if _, err := o.FindPass(ctx, last); err != nil {
		t.Error(err)
	}
}

// A pass is good until its time is over, once, and for what it is.
func TestPassesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		ctx := t.Context()
		p, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
		reset := func(pass string) error { _, err := o.ResetPassword(ctx, pass, password, home); return err }
		enter := func(pass string) error { _, err := o.EnterBy(ctx, pass, home); return err }
		accept := func(pass string) error {
			_, err := o.AcceptInvite(ctx, pass, desk.NewUser{Name: "x", Email: "x@shop.example", Password: password}, home)
			return err
		}
		setUp := func(pass string) error { _, err := o.SetUp(ctx, pass, founder, home); return err }
		uses := []func(string) error{reset, enter, accept, setUp}
		for i, kind := range []struct {
			name string
			make func() (string, error)
			life time.Duration
		}{
			{"reset", func() (string, error) { return o.NewResetPass(ctx, p.Actor(), p.User.ID) }, 24 * time.Hour},
			{"signIn", func() (string, error) { return o.NewSignInPass(ctx, p.User.ID) }, time.Hour},
			{"invite", func() (string, error) { return o.Invite(ctx, p.Actor(), "", paybell.RoleStaff) }, 7 * 24 * time.Hour},
		} {
			pass, err := kind.make()
			must(t, err)
			for j, use := range uses {
				if j != i {
					o.wantCode(use(pass), paybell.NotFound)
				}
			}
			time.Sleep(kind.life)
			err = uses[i](pass)
			if o.wantCode(err, paybell.NotFound); err != nil && !strings.Contains(err.Error(), "this link was used or is too old; ask for a new one") {
				t.Errorf("%s: %v", kind.name, err)
			}
			pass, err = kind.make()
			must(t, err)
			time.Sleep(kind.life - time.Microsecond)
			if err := uses[i](pass); err != nil {
				t.Errorf("%s a moment before its end: %v", kind.name, err)
			}
			o.wantCode(uses[i](pass), paybell.NotFound)
		}
		for _, use := range uses {
			for _, nothing := range []string{"", "pbp_", "pbp_" + strings.Repeat("A", 52), "pbs_" + strings.Repeat("A", 52)} {
				o.wantCode(use(nothing), paybell.NotFound)
			}
		}
	})
}

// Of those who use one pass at once, one is let in.
func TestPassesOnce(t *testing.T) { onBoth(t, passesOnce) }

func passesOnce(o *office) {
	ctx := o.Context()
	p, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	for name, kind := range map[string]struct {
		make func() (string, error)
		use  func(i int, pass string) (string, error)
	}{
		"reset": {
			func() (string, error) { return o.NewResetPass(ctx, o.operator(), p.User.ID) },
			func(i int, pass string) (string, error) {
				return o.ResetPassword(ctx, pass, fmt.Sprint(password, i), home)
			},
		},
		"signIn": {
			func() (string, error) { return o.NewSignInPass(ctx, p.User.ID) },
			func(_ int, pass string) (string, error) { return o.EnterBy(ctx, pass, home) },
		},
		"invite": {
			func() (string, error) { return o.Invite(ctx, o.operator(), "", paybell.RoleStaff) },
			func(i int, pass string) (string, error) {
				return o.AcceptInvite(ctx, pass, desk.NewUser{Name: "x", Email: fmt.Sprint(i, "@shop.example"), Password: password}, home)
			},
		},
	} {
		pass, err := kind.make()
		must(o.T, err)
		sessions := make([]string, 6)
		var all sync.WaitGroup
		for i := range sessions {
			all.Go(func() {
				var err error
				if sessions[i], err = kind.use(i, pass); err != nil && paybell.CodeOf(err) != paybell.NotFound {
					o.Error(err)
				}
			})
		}
		all.Wait()
		sessions = slices.DeleteFunc(sessions, func(s string) bool { return s == "" })
		if len(sessions) != 1 {
			o.Errorf("%s: %d were let in", name, len(sessions))
			continue
		}
		o.person(sessions[0])
	}
}

// Another password by a pass ends all sessions and takes the second factor away.
func TestResetPassword(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	p, session := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	o.secondFactor(p)
	signIn, err := o.NewSignInPass(ctx, p.User.ID)
	must(t, err)
	old, err := o.NewResetPass(ctx, p.Actor(), p.User.ID)
	must(t, err)
	_, err = o.FindPass(ctx, signIn)
	o.wantCode(err, paybell.NotFound)
	pass, err := o.NewResetPass(ctx, p.Actor(), p.User.ID)
	must(t, err)
	_, err = o.ResetPassword(ctx, old, password, home)
	o.wantCode(err, paybell.NotFound)
	_, err = o.ResetPassword(ctx, pass, "zoe@shop.example", home)
	o.wantCode(err, paybell.Invalid)
	o.person(session) // nothing has changed until now
	fresh, err := o.ResetPassword(ctx, pass, "another password", home)
	must(t, err)
	o.over(session)
	if u := o.person(fresh).User; u.SecondFactor || u.ID != p.User.ID {
		t.Errorf("signed in is %+v", u)
	}
	_, _, err = o.SignIn(ctx, "zoe@shop.example", password, "", home)
	o.wantCode(err, paybell.Unauthenticated)
	_, needsCode, err := o.SignIn(ctx, "zoe@shop.example", "another password", "", home)
	if err != nil || needsCode {
		t.Errorf("signing in: %v, %v", needsCode, err)
	}
}

// Who was made at the terminal has no password until they choose one.
func TestCreateUser(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	u, pass, err := o.CreateUser(ctx, o.operator(), desk.NewUser{Name: "Zoë", Email: "Zoe@shop.example", Password: password}, paybell.RoleOwner)
	must(t, err)
	_, _, err = o.SignIn(ctx, u.Email, password, "", home)
	o.wantCode(err, paybell.Unauthenticated)
	session, err := o.ResetPassword(ctx, pass, password, home)
	must(t, err)
	if p := o.person(session); p.User.ID != u.ID || p.User.Email != "zoe@shop.example" || p.User.Name != "Zoë" || p.User.Role != paybell.RoleOwner {
		t.Errorf("signed in is %+v", p.User)
	}
	found, err := o.FindUser(ctx, " zoe@SHOP.example")
	if err != nil || found.ID != u.ID {
		t.Errorf("found is %+v, %v", found, err)
	}
	_, err = o.FindUser(ctx, "x@shop.example")
	o.wantCode(err, paybell.NotFound)
	_, _, err = o.CreateUser(ctx, o.merchant(), desk.NewUser{Name: "Zoë", Email: "zoe@shop.example"}, paybell.RoleOwner)
	o.wantCode(err, paybell.Conflict)
}

// The last owner stays, also when two owners send each other away at once.
func TestLastOwner(t *testing.T) { onBoth(t, lastOwner) }

func lastOwner(o *office) {
	ctx := o.Context()
	one, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	staff, _ := o.user(o.operator(), "ann@shop.example", paybell.RoleStaff)
	for _, role := range []paybell.Role{paybell.RoleStaff, paybell.RoleReadOnly} {
		o.wantCode(o.ChangeRole(ctx, one.Actor(), one.User.ID, role), paybell.Conflict)
	}
	must(o.T, o.ChangeRole(ctx, one.Actor(), one.User.ID, paybell.RoleOwner))
	o.wantCode(o.RemoveUser(ctx, o.operator(), one.User.ID), paybell.Conflict)
	o.wantCode(o.ChangeRole(ctx, one.Actor(), staff.User.ID, "boss"), paybell.Invalid)
	for i := range 10 {
		must(o.T, o.ChangeRole(ctx, o.operator(), staff.User.ID, paybell.RoleOwner))
		must(o.T, o.ChangeRole(ctx, o.operator(), one.User.ID, paybell.RoleOwner))
		var errs [2]error
		var all sync.WaitGroup
		all.Go(func() { errs[0] = o.ChangeRole(ctx, o.operator(), staff.User.ID, paybell.RoleReadOnly) })
		all.Go(func() { errs[1] = o.ChangeRole(ctx, o.operator(), one.User.ID, paybell.RoleReadOnly) })
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			o.Errorf("round %d: %v and %v", i, errs[0], errs[1])
		}
	}
	must(o.T, o.ChangeRole(ctx, o.operator(), one.User.ID, paybell.RoleOwner))
	must(o.T, o.RemoveUser(ctx, one.Actor(), staff.User.ID))
	o.wantCode(o.RemoveUser(ctx, one.Actor(), staff.User.ID), paybell.NotFound)
}

// Two who change a user at once both have their way.
func TestNobodysNameIsOverruled(t *testing.T) { onBoth(t, nobodysNameIsOverruled) }

func nobodysNameIsOverruled(o *office) {
	ctx := o.Context()
	p, session := o.user(o.operator(), "zoe@shop.example", paybell.RoleStaff)
	for i := range 20 {
		name, role := fmt.Sprint("Zoë ", i), []paybell.Role{paybell.RoleReadOnly, paybell.RoleStaff}[i%2]
		together(o.T, func() error { return o.RenameUser(ctx, p, name) }, func() error { return o.ChangeRole(ctx, o.operator(), p.User.ID, role) })
		fresh := &desk.Desk{DB: o.DB}
		q, err := fresh.Session(ctx, session, home)
		must(o.T, err)
		if q.User.Name != name || q.User.Role != role {
			o.Errorf("round %d: %+v", i, q.User)
		}
	}
}

func TestUpdateMerchant(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	p, session := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	for _, bad := range [][2]string{{"", ""}, {" ", ""}, {strings.Repeat("é", 128), ""}, {"x", "no address"}, {"a\x00b", ""}} {
		o.wantCode(o.UpdateMerchant(ctx, p.Actor(), bad[0], bad[1]), paybell.Invalid)
	}
	must(t, o.UpdateMerchant(ctx, p.Actor(), " Another ", " shop@example.com "))
	if m := o.person(session).Merchant; m.Name != "Another" || m.Email != "shop@example.com" {
		t.Errorf("the merchant is %+v", m)
	}
	before := o.actions()
	must(t, o.UpdateMerchant(ctx, p.Actor(), "Another", "shop@example.com"))
	if o.actions() != before {
		t.Error("what changed nothing is in the log")
	}
}

func TestAuditLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		ctx := t.Context()
		p, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
		for i := range 5 {
			time.Sleep(time.Second)
			must(t, o.RenameUser(ctx, p, fmt.Sprint("Zoë ", i)))
		}
		for _, bad := range []int{0, -1, 101} {
			_, err := o.AuditLog(ctx, p.Actor(), "", bad)
			o.wantCode(err, paybell.Invalid)
		}
		_, err := o.AuditLog(ctx, p.Actor(), "x", 10)
		o.wantCode(err, paybell.Invalid)
		var details []string
		before := ""
		for range 3 {
			page, err := o.AuditLog(ctx, p.Actor(), before, 2)
			must(t, err)
			for _, e := range page {
				details = append(details, e.Detail)
			}
			before = page[len(page)-1].ID
		}
		// What was before that happened in one moment, in which there is no order.
		if want := "Zoë 4,Zoë 3,Zoë 2,Zoë 1,Zoë 0"; len(details) != 6 || strings.Join(details[:5], ",") != want {
			t.Errorf("the log tells of %q", details)
		}
		// What strangers write is one line, and not a long one.
		agent := desk.Visitor{From: home.From, Agent: "\x1b[31m" + strings.Repeat("é", 300) + "\n\xff"}
		session, _, err := o.SignIn(ctx, "zoe@shop.example", password, "", agent)
		must(t, err)
		if got := o.person(session).Session.Agent; got != ("[31m" + strings.Repeat("é", 126)) {
			t.Errorf("the browser is %q", got)
		}
	})
}
