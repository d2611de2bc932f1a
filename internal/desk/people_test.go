package desk_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

const password = "correct horse battery"

// home is where the users of tests sit.
var home = desk.Visitor{From: netip.MustParseAddr("192.0.2.7"), Agent: "Mozilla/5.0"}

// operator is somebody at the terminal, for the office's merchant.
func (o *office) operator() desk.Actor { return desk.Owner(o.client.MerchantID) }

// user makes a user of a merchant by an invitation, signed in at home.
func (o *office) user(a desk.Actor, email string, role paybell.Role) (p desk.Person, session string) {
	o.Helper()
	ctx := context.Background()
	pass, err := o.Invite(ctx, a, email, role)
	must(o.T, err)
	session, err = o.AcceptInvite(ctx, pass, desk.NewUser{Name: "Zoë", Password: password}, home)
	must(o.T, err)
	return o.person(session), session
}

func (o *office) person(session string) desk.Person {
	o.Helper()
	p, err := o.Session(context.Background(), session, home)
	must(o.T, err)
	return p
}

func (o *office) signIn(email, code string) string {
	o.Helper()
	session, _, err := o.SignIn(context.Background(), email, password, code, home)
	must(o.T, err)
	return session
}

// over fails unless a session is over.
func (o *office) over(session string) {
	o.Helper()
	_, err := o.Session(context.Background(), session, home)
	o.wantCode(err, paybell.Unauthenticated)
}

// actions is what the audit log tells of, the oldest first.
func (o *office) actions() string {
	o.Helper()
	all, err := o.AuditLog(context.Background(), o.operator(), "", 100)
	must(o.T, err)
	var names []string
	for _, e := range all {
		names = append([]string{e.Action}, names...)
	}
	return strings.Join(names, " ")
}

func TestSignIn(t *testing.T) { onBoth(t, signIn) }

func signIn(o *office) {
	ctx := o.Context()
	_, first := o.user(o.operator(), "zoe@shop.example", paybell.RoleStaff)
	second := o.signIn(" ZOE@Shop.example ", "")
	p := o.person(second)
	if p.User.Email != "zoe@shop.example" || p.User.Role != paybell.RoleStaff || p.Merchant.ID != o.client.MerchantID || p.Session.From != home.From ||
		p.Session.Agent != home.Agent || p.User.SignedInAt.IsZero() {
		o.Errorf("signed in is %+v", p)
	}
	a := p.Actor()
	if !a.Person || a.Who != "user zoe@shop.example" || a.From != home.From || a.UserID != p.User.ID || a.Role != paybell.RoleStaff || a.ClientID != "" ||
		a.MerchantID != o.client.MerchantID || a.Permissions != paybell.AllPermissions {
		o.Errorf("the actor is %+v", a)
	}
	sessions, err := o.Sessions(ctx, p)
	must(o.T, err)
	if len(sessions) != 2 || sessions[0].ID != p.Session.ID {
		o.Errorf("the sessions are %+v", sessions)
	}
	must(o.T, o.EndSession(ctx, p, sessions[1].ID))
	o.over(first)
	o.wantCode(o.EndSession(ctx, p, sessions[1].ID), paybell.NotFound)
	other, otherSession := o.user(o.operator(), "max@shop.example", paybell.RoleOwner)
	o.wantCode(o.EndSession(ctx, p, other.Session.ID), paybell.NotFound)
	must(o.T, o.SignOut(ctx, second))
	o.over(second)
	for _, nothing := range []string{second, "", "pbs_", "x" + second, strings.ToLower(second), otherSession[:len(otherSession)-1]} {
		o.over(nothing)
		must(o.T, o.SignOut(ctx, nothing))
	}
	o.person(otherSession)
	want := "createClient invite acceptInvite signIn endSession invite acceptInvite signOut"
	if got := o.actions(); got != want {
		o.Errorf("the audit log has %s, want %s", got, want)
	}
}

// Whether somebody exists cannot be told from what is answered.
func TestSignInTellsNothing(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	invited, _, err := o.CreateUser(ctx, o.operator(), desk.NewUser{Name: "Ann", Email: "ann@shop.example"}, paybell.RoleOwner)
	must(t, err)
	answers := map[string]bool{}
	for i, try := range [][2]string{
		{"zoe@shop.example", "wrong password"}, {"nobody@shop.example", password}, {"", ""}, {"no address", password}, {"zoe@shop.example", ""},
		{invited.Email, password}, {invited.Email, ""}, {strings.Repeat("a", 300) + "@b.example", password}, {"zoe@shop.example", password + "\x00"},
	} {
		from := desk.Visitor{From: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		session, needsCode, err := o.SignIn(ctx, try[0], try[1], "", from)
		if session != "" || needsCode || paybell.CodeOf(err) != paybell.Unauthenticated {
			t.Errorf("%q: %q, %v, %v", try, session, needsCode, err)
		}
		answers[err.Error()] = true
	}
	if len(answers) != 1 {
		t.Errorf("there are different answers: %v", answers)
	}
	// Those who exist read in the log that somebody tried.
	if want := "createClient invite acceptInvite createUser" + strings.Repeat(" signInFailed", 5); o.actions() != want {
		t.Errorf("the audit log has %s", o.actions())
	}
}

// Who does not exist is found out to be so by the same work: a hash, and a write.
func TestSignInTakesAsLong(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	best := func(email string) time.Duration {
		least := time.Hour
		for i := range 5 {
			from := desk.Visitor{From: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
			begun := time.Now()
			_, _, err := o.SignIn(ctx, email, "wrong password", "", from)
			least = min(least, time.Since(begun))
			o.wantCode(err, paybell.Unauthenticated)
		}
		return least
	}
	known, unknown := best("zoe@shop.example"), best("nobody@shop.example")
	if unknown < known/3 || known < unknown/3 { // a hash makes a difference of a hundred times
		t.Errorf("it takes %v when there is such a user, %v when there is none", known, unknown)
	}
}

// Attempts are counted for each e-mail address and for each address: whoever has
// many of one kind has not many of the other.
func TestSignInLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		try := func(email, from string) error {
			_, _, err := o.SignIn(t.Context(), email, "wrong password", "", desk.Visitor{From: netip.MustParseAddr(from)})
			return err
		}
		n := byte(0)
		elsewhere := func() string { n++; return netip.AddrFrom4([4]byte{10, 0, 0, n}).String() }
		for range 10 {
			o.wantCode(try("zoe@shop.example", elsewhere()), paybell.Unauthenticated)
		}
		for range 3 {
			err := try(" Zoe@shop.example", elsewhere())
			o.wantCode(err, paybell.RateLimited)
			if e := err.(*paybell.Error); e.RetryAfter <= 0 || e.RetryAfter > 7*time.Second {
				t.Errorf("try again after %v", e.RetryAfter)
			}
		}
		time.Sleep(6 * time.Second)
		o.wantCode(try("zoe@shop.example", elsewhere()), paybell.Unauthenticated)
		o.wantCode(try("zoe@shop.example", elsewhere()), paybell.RateLimited)

		for i := range 10 {
			o.wantCode(try(string(rune('a'+i))+"@shop.example", "2001:db8:1:2::"+string(rune('a'+i%6))), paybell.Unauthenticated)
		}
		o.wantCode(try("x@shop.example", "2001:db8:1:2:ffff::1"), paybell.RateLimited)
		o.wantCode(try("x@shop.example", "2001:db8:1:3::1"), paybell.Unauthenticated)
		time.Sleep(time.Minute)
		o.wantCode(try("x@shop.example", "2001:db8:1:2:ffff::1"), paybell.Unauthenticated)
	})
}

// A session is over when nothing was heard of it for a week, and after a month.
func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		p, idle := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
		begun := time.Now()
		busy := o.signIn("zoe@shop.example", "")
		for time.Since(begun) < paybell.SessionLife-24*time.Hour {
			time.Sleep(24*time.Hour - time.Second)
			o.person(busy)
		}
		o.over(idle)
		all, err := o.Sessions(t.Context(), p)
		must(t, err)
		if len(all) != 1 {
			t.Errorf("there are %d sessions", len(all))
		}
		time.Sleep(paybell.SessionLife - time.Since(begun) - time.Microsecond)
		o.person(busy)
		time.Sleep(time.Second)
		o.over(busy)
	})
}

// Being seen is written once a minute, and where.
func TestSeenAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		p, session := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
		begun := p.Session.SeenAt
		seen := func() paybell.Session {
			all, err := o.Sessions(t.Context(), p)
			must(t, err)
			return all[0]
		}
		away := desk.Visitor{From: netip.MustParseAddr("::ffff:198.51.100.1")}
		time.Sleep(time.Minute - time.Microsecond)
		q, err := o.Session(t.Context(), session, away)
		must(t, err)
		if !seen().SeenAt.Equal(begun) || q.Actor().From.String() != "198.51.100.1" {
			t.Errorf("seen at %v, from %v", seen().SeenAt.Sub(begun), q.Actor().From)
		}
		time.Sleep(time.Second)
		o.Session(t.Context(), session, away) //nolint:errcheck // looked at below
		if s := seen(); s.SeenAt.Sub(begun) < time.Minute || s.From.String() != "198.51.100.1" {
			t.Errorf("seen at %v, from %v", s.SeenAt.Sub(begun), s.From)
		}
	})
}

// What changes elsewhere is known a second later; what changes here, at once.
func TestSessionIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		elsewhere := &desk.Desk{DB: o.DB}
		p, session := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
		other, _ := o.user(o.operator(), "max@shop.example", paybell.RoleOwner)
		o.person(session)
		must(t, elsewhere.ChangeRole(t.Context(), other.Actor(), p.User.ID, paybell.RoleStaff))
		if o.person(session).User.Role != paybell.RoleOwner {
			t.Error("it was asked for again within a second")
		}
		time.Sleep(time.Second)
		if o.person(session).User.Role != paybell.RoleStaff {
			t.Error("the new role is not known")
		}
		must(t, o.ChangeRole(t.Context(), other.Actor(), p.User.ID, paybell.RoleReadOnly))
		if o.person(session).User.Role != paybell.RoleReadOnly {
			t.Error("the new role is not known at once")
		}
		must(t, o.RemoveUser(t.Context(), other.Actor(), p.User.ID))
		o.over(session)
	})
}

func TestPasswords(t *testing.T) {
	o := onSQLite(t)
	ctx := t.Context()
	for _, bad := range []string{"", "123456789", strings.Repeat("é", 9), strings.Repeat("é", 201), "zoe@shop.example", " Zoe@Shop.Example ", "bad \xff encoding"} {
		pass, err := o.Invite(ctx, o.operator(), "zoe@shop.example", paybell.RoleOwner)
		must(t, err)
		_, err = o.AcceptInvite(ctx, pass, desk.NewUser{Name: "Zoë", Password: bad}, home)
		o.wantCode(err, paybell.Invalid)
		if err != nil && bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q is shown", bad)
		}
	}
	p, first := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	second := o.signIn("zoe@shop.example", "")
	o.wantCode(o.ChangePassword(ctx, p, "wrong password", "another password"), paybell.Invalid)
	o.wantCode(o.ChangePassword(ctx, p, password, "short"), paybell.Invalid)
	o.person(second)
	most := strings.Repeat("é", 200)
	must(t, o.ChangePassword(ctx, p, password, most))
	o.person(first)
	o.over(second)
	_, _, err := o.SignIn(ctx, "zoe@shop.example", password, "", home)
	o.wantCode(err, paybell.Unauthenticated)
	_, _, err = o.SignIn(ctx, "zoe@shop.example", most, "", home)
	must(t, err)
	must(t, o.RenameUser(ctx, p, "  Zoë Z. "))
	if name := o.person(first).User.Name; name != "Zoë Z." {
		t.Errorf("the name is %q", name)
	}
	for _, bad := range []string{"", " ", strings.Repeat("é", 128), "a\x00b", "\x1b[31mred", "two\nlines"} {
		o.wantCode(o.RenameUser(ctx, p, bad), paybell.Invalid)
	}
}

// secondFactor gives a person one and returns its secret.
func (o *office) secondFactor(p desk.Person) (secret string) {
	o.Helper()
	secret, uri, err := o.NewSecondFactor(o.Context(), p)
	must(o.T, err)
	if !strings.HasPrefix(uri, "otpauth://totp/Paybell:zoe@shop.example?") || !strings.Contains(uri, "secret="+secret) || !strings.Contains(uri, "issuer=Paybell") {
		o.Errorf("the URI is %s", uri)
	}
	must(o.T, o.ConfirmSecondFactor(o.Context(), p, o.code(secret)))
	return secret
}

func (o *office) code(secret string) string {
	o.Helper()
	code, err := totp.GenerateCode(secret, time.Now())
	must(o.T, err)
	return code
}

func TestSecondFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onSQLite(t)
		ctx := t.Context()
		p, session := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
		o.wantCode(o.ConfirmSecondFactor(ctx, p, "000000"), paybell.Conflict)
		old, _, err := o.NewSecondFactor(ctx, p)
		must(t, err)
		o.signIn("zoe@shop.example", "") // nothing has changed
		secret, _, err := o.NewSecondFactor(ctx, p)
		must(t, err)
		for _, bad := range []string{"", "000000", "x", o.code(old)} {
			o.wantCode(o.ConfirmSecondFactor(ctx, p, bad), paybell.Invalid)
		}
		confirming := o.code(secret)
		must(t, o.ConfirmSecondFactor(ctx, p, confirming))
		o.wantCode(o.ConfirmSecondFactor(ctx, p, confirming), paybell.Conflict)
		if !o.person(session).User.SecondFactor {
			t.Error("there is no second factor")
		}
		_, _, err = o.NewSecondFactor(ctx, p)
		o.wantCode(err, paybell.Conflict)

		try := func(pw, code string) (string, bool, error) { return o.SignIn(ctx, "zoe@shop.example", pw, code, home) }
		if session, needsCode, err := try(password, ""); session != "" || !needsCode || err != nil {
			t.Errorf("without a code: %q, %v, %v", session, needsCode, err)
		}
		if _, needsCode, err := try("wrong password", o.code(secret)); needsCode || paybell.CodeOf(err) != paybell.Unauthenticated {
			t.Errorf("with a wrong password: %v, %v", needsCode, err)
		}
		_, needsCode, err := try(password, confirming)
		if o.wantCode(err, paybell.Unauthenticated); !needsCode {
			t.Error("no code is asked for")
		}
		time.Sleep(time.Minute)
		code := o.code(secret)
		if s, _, err := try(password, code[:3]+" "+code[3:]); err != nil || s == "" {
			t.Errorf("with the code: %q, %v", s, err)
		}
		_, _, err = try(password, code)
		o.wantCode(err, paybell.Unauthenticated)

		// One step late is fine, two are not, and none from before one that was used.
		time.Sleep(5 * time.Minute)
		late := o.code(secret)
		time.Sleep(30 * time.Second)
		next := o.code(secret)
		o.signIn("zoe@shop.example", late)
		time.Sleep(time.Minute)
		_, _, err = try(password, next)
		o.wantCode(err, paybell.Unauthenticated)
		time.Sleep(time.Minute)
		o.signIn("zoe@shop.example", o.code(secret))

		// Codes cannot be guessed.
		time.Sleep(time.Hour)
		for range 5 {
			_, _, err = try(password, "000000")
			o.wantCode(err, paybell.Unauthenticated)
		}
		_, needsCode, err = try(password, o.code(secret))
		if o.wantCode(err, paybell.RateLimited); !needsCode {
			t.Error("no code is asked for")
		}
		time.Sleep(time.Hour)

		o.wantCode(o.RemoveSecondFactor(ctx, p, "wrong password"), paybell.Invalid)
		must(t, o.RemoveSecondFactor(ctx, p, password))
		o.signIn("zoe@shop.example", "")
	})
}

// Of those who use one code at once, one is let in.
func TestCodeOnce(t *testing.T) { onBoth(t, codeOnce) }

func codeOnce(o *office) {
	p, _ := o.user(o.operator(), "zoe@shop.example", paybell.RoleOwner)
	secret := o.secondFactor(p)
	code, err := totp.GenerateCode(secret, time.Now().Add(30*time.Second)) // the confirmed one is used up
	must(o.T, err)
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			session, _, err := o.SignIn(context.Background(), "zoe@shop.example", password, code, home)
			if err == nil && session != "" {
				in.Add(1)
			} else if paybell.CodeOf(err) != paybell.Unauthenticated {
				o.Error(err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		o.Errorf("%d were let in", in.Load())
	}
}
