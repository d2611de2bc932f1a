package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var peopleTests = map[string]func(*testing.T, *store.DB){
	"User/RoundTrip":     testUser,
	"User/Email":         testUserEmail,
	"User/EmailAtOnce":   testUserEmailAtOnce,
	"User/List":          testUsers,
	"User/Delete":        testDeleteUser,
	"User/Password":      testPassword,
	"User/Factor":        testFactor,
	"User/Again":         testUserAgain,
	"User/CodesAtOnce":   testCodesAtOnce,
	"Session/RoundTrip":  testSession,
	"Session/Seen":       testSessionSeen,
	"Session/Most":       testMostSessions,
	"Session/End":        testEndSession,
	"Session/Forget":     testForgetSessions,
	"Merchant/Update":    testUpdateMerchant,
	"Merchant/Voice":     testUpdateMerchantVoice,
	"Session/DeleteUser": testSessionOfDeletedUser,
}

// newUser makes a user of the merchant.
func (s *Shop) newUser(t testing.TB, email string) paybell.User {
	t.Helper()
	u := paybell.User{
		ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, Email: email, Name: "Zoë O'Brien 🔔", Role: paybell.RoleStaff, CreatedAt: t0, SignedInAt: after(1),
	}
	do(t, s.DB, func(tx *store.Tx) error { return tx.CreateUser(u, "hash of "+email) })
	return u
}

func userOf(t testing.TB, db *store.DB, id string) paybell.User {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (paybell.User, error) { return tx.User(id) })
}

func credentials(t testing.TB, db *store.DB, id string) store.Credentials {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (store.Credentials, error) { return tx.Credentials(id) })
}

// fails returns the error of a body that must fail.
func fails(t testing.TB, db *store.DB, body func(*store.Tx) error) error {
	t.Helper()
	err := store.Do(context.Background(), db, body)
	if err == nil {
		t.Error("it did not fail")
	}
	return err
}

func testUser(t *testing.T, db *store.DB) {
	if anybody := view(t, db, func(tx *store.Tx) (bool, error) { return tx.AnyUser() }); anybody {
		t.Error("there is somebody in an empty store")
	}
	s := NewShop(t, db)
	u := s.newUser(t, "zoë@shop.example")
	wantSame(t, "the user", userOf(t, db, u.ID), u)
	wantSame(t, "for an update", update(t, db, func(tx *store.Tx) (paybell.User, error) { return tx.UserForUpdate(u.ID) }), u)
	if anybody := view(t, db, func(tx *store.Tx) (bool, error) { return tx.AnyUser() }); !anybody {
		t.Error("there is nobody")
	}
	u.Name, u.Role, u.SignedInAt = "Zoe", paybell.RoleOwner, after(2)
	do(t, db, func(tx *store.Tx) error { return errors.Join(tx.UpdateUser(u), tx.SignedIn(u.ID, u.SignedInAt)) })
	do(t, db, func(tx *store.Tx) error {
		return errors.Join(tx.SetPendingFactor(u.ID, "x"), tx.ConfirmFactor(u.ID, 1))
	})
	u.SecondFactor = true
	requireSet(t, u)
	wantSame(t, "the changed user", userOf(t, db, u.ID), u)

	nobody := paybell.NewUUID(t0)
	for what, body := range map[string]func(*store.Tx) error{
		"User":             func(tx *store.Tx) error { _, err := tx.User(nobody); return err },
		"UserForUpdate":    func(tx *store.Tx) error { _, err := tx.UserForUpdate(nobody); return err },
		"Credentials":      func(tx *store.Tx) error { _, err := tx.Credentials(nobody); return err },
		"UpdateUser":       func(tx *store.Tx) error { return tx.UpdateUser(paybell.User{ID: nobody}) },
		"SignedIn":         func(tx *store.Tx) error { return tx.SignedIn(nobody, t0) },
		"SetPassword":      func(tx *store.Tx) error { return tx.SetPassword(nobody, "x") },
		"SetPendingFactor": func(tx *store.Tx) error { return tx.SetPendingFactor(nobody, "x") },
		"ConfirmFactor":    func(tx *store.Tx) error { return tx.ConfirmFactor(nobody, 1) },
		"RemoveFactor":     func(tx *store.Tx) error { return tx.RemoveFactor(nobody) },
		"DeleteUser":       func(tx *store.Tx) error { return tx.DeleteUser(nobody) },
		"CreateSession":    func(tx *store.Tx) error { return tx.CreateSession(paybell.Session{ID: "x", UserID: nobody}, "x") },
	} {
		if err := fails(t, db, body); paybell.CodeOf(err) != paybell.NotFound {
			t.Errorf("%s of nobody: %v", what, err)
		}
	}
}

func testUserEmail(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	find := func(email string) paybell.User {
		return view(t, db, func(tx *store.Tx) (paybell.User, error) {
			u, found, err := tx.UserByEmail(email)
			if found != (u.ID != "") {
				t.Errorf("%s: found is %v of %+v", email, found, u)
			}
			return u, err
		})
	}
	wantSame(t, "by e-mail", find(u.Email), u)
	wantSame(t, "by another", find("b@b.example"), paybell.User{})
	twice := u
	twice.ID, twice.MerchantID = paybell.NewUUID(t0), other.Merchant.ID
	wantCode(t, fails(t, db, func(tx *store.Tx) error { return tx.CreateUser(twice, "") }), paybell.Conflict)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteUser(u.ID) })
	do(t, db, func(tx *store.Tx) error { return tx.CreateUser(twice, "") })
	wantSame(t, "by e-mail, later", find(u.Email), twice)
}

// Of those who take one e-mail address at once, one gets it, and the others are
// told so.
func testUserEmailAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	got := make([]error, 8)
	_ = atOnce(len(got), func(i int) error {
		u := paybell.User{ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, Email: "a@b.example", Role: paybell.RoleStaff, CreatedAt: t0}
		got[i] = store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateUser(u, "") })
		return nil
	})
	made := 0
	for _, err := range got {
		if err == nil {
			made++
		} else {
			wantCode(t, err, paybell.Conflict)
		}
	}
	if made != 1 {
		t.Errorf("%d users were made", made)
	}
}

func testUsers(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	var all []paybell.User
	for i := range 3 {
		u := paybell.User{ID: paybell.NewUUID(t0), MerchantID: s.Merchant.ID, Email: fmt.Sprint(i, "@b.example"), Role: paybell.RoleReadOnly, CreatedAt: after(i)}
		all = append(all, u)
	}
	for _, i := range []int{2, 0, 1} {
		do(t, db, func(tx *store.Tx) error { return tx.CreateUser(all[i], "") })
	}
	theirs := other.newUser(t, "x@b.example")
	users := func(merchantID string) []paybell.User {
		return view(t, db, func(tx *store.Tx) ([]paybell.User, error) { return tx.Users(merchantID) })
	}
	wantSame(t, "the users", users(s.Merchant.ID), all)
	wantSame(t, "those of another", users(other.Merchant.ID), []paybell.User{theirs})
}

func testDeleteUser(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u, kept := s.newUser(t, "a@b.example"), s.newUser(t, "b@b.example")
	_, hash := s.newSession(t, u, 0)
	_, keptHash := s.newSession(t, kept, 0)
	_, pass := s.newPass(t, paybell.Pass{What: paybell.PassReset, MerchantID: s.Merchant.ID, UserID: u.ID})
	_, invite := s.newPass(t, paybell.Pass{What: paybell.PassInvite, MerchantID: s.Merchant.ID, Role: paybell.RoleStaff})
	do(t, db, func(tx *store.Tx) error { return tx.DeleteUser(u.ID) })
	if sessionOf(t, db, hash, t0) != nil || passOf(t, db, pass, t0) != nil {
		t.Error("a session or a pass of a deleted user is good")
	}
	if sessionOf(t, db, keptHash, t0) == nil || passOf(t, db, invite, t0) == nil {
		t.Error("what was not the user's is gone")
	}
}

func testPassword(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	wantSame(t, "at first", credentials(t, db, u.ID), store.Credentials{Password: "hash of a@b.example"})
	do(t, db, func(tx *store.Tx) error { return tx.SetPassword(u.ID, "another") })
	wantSame(t, "changed", credentials(t, db, u.ID), store.Credentials{Password: "another"})
}

func testFactor(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	use := func(step int64) bool {
		return update(t, db, func(tx *store.Tx) (bool, error) { return tx.UseStep(u.ID, step) })
	}
	wantCode(t, fails(t, db, func(tx *store.Tx) error { return tx.ConfirmFactor(u.ID, 1) }), paybell.NotFound)
	do(t, db, func(tx *store.Tx) error { return tx.SetPendingFactor(u.ID, "first") })
	do(t, db, func(tx *store.Tx) error { return tx.SetPendingFactor(u.ID, "second") })
	c := credentials(t, db, u.ID)
	if c.Pending != "second" || c.Factor != "" || userOf(t, db, u.ID).SecondFactor {
		t.Errorf("pending: %+v", c)
	}
	do(t, db, func(tx *store.Tx) error { return tx.ConfirmFactor(u.ID, 100) })
	c = credentials(t, db, u.ID)
	if c.Pending != "" || c.Factor != "second" || c.Step != 100 || !userOf(t, db, u.ID).SecondFactor {
		t.Errorf("confirmed: %+v", c)
	}
	for _, tt := range []struct {
		step int64
		good bool
	}{{99, false}, {100, false}, {101, true}, {101, false}, {100, false}, {103, true}, {102, false}} {
		if use(tt.step) != tt.good {
			t.Errorf("the code of step %d is good: %v", tt.step, !tt.good)
		}
	}
	do(t, db, func(tx *store.Tx) error { return tx.SetPendingFactor(u.ID, "third") })
	do(t, db, func(tx *store.Tx) error { return tx.RemoveFactor(u.ID) })
	wantSame(t, "without", credentials(t, db, u.ID), store.Credentials{Password: c.Password})
}

// Who is made again under an address has nothing of who had it before.
func testUserAgain(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	do(t, db, func(tx *store.Tx) error { return tx.SetPendingFactor(u.ID, "secret") })
	s.newSession(t, u, 0)
	do(t, db, func(tx *store.Tx) error { return tx.DeleteUser(u.ID) })
	again := u
	again.ID = paybell.NewUUID(t0)
	do(t, db, func(tx *store.Tx) error { return tx.CreateUser(again, "") })
	wantSame(t, "what they prove themselves with", credentials(t, db, again.ID), store.Credentials{})
	if all := view(t, db, func(tx *store.Tx) ([]paybell.Session, error) { return tx.Sessions(again.ID, t0) }); len(all) != 0 {
		t.Errorf("they are signed in: %+v", all)
	}
}

// Of those who use one code at once, one does.
func testCodesAtOnce(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	good := make([]bool, 8)
	if err := atOnce(len(good), func(i int) (err error) {
		good[i], err = store.Update(context.Background(), db, func(tx *store.Tx) (bool, error) { return tx.UseStep(u.ID, 7) })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range good {
		if g {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the code was good %d times", n)
	}
}

// newSession begins a session of a user and returns the hash of its token.
func (s *Shop) newSession(t testing.TB, u paybell.User, at int) (session paybell.Session, hash string) {
	t.Helper()
	session = paybell.Session{
		ID: paybell.NewUUID(t0), UserID: u.ID, CreatedAt: after(at), SeenAt: after(at), From: netip.MustParseAddr("2001:db8::1"), Agent: "Mozilla/5.0 (ünusual)",
	}
	hash, ok := paybell.HashSessionToken(paybell.NewSessionToken())
	if !ok {
		t.Fatal("a new token is none")
	}
	do(t, s.DB, func(tx *store.Tx) error { return tx.CreateSession(session, hash) })
	return session, hash
}

// sessionOf finds a session by its hash; nil: there is none at that moment.
func sessionOf(t testing.TB, db *store.DB, hash string, now time.Time) *paybell.Session {
	t.Helper()
	return view(t, db, func(tx *store.Tx) (*paybell.Session, error) {
		s, found, err := tx.Session(hash, now)
		if !found {
			return nil, err
		}
		return &s, err
	})
}

func testSession(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	session, hash := s.newSession(t, u, 0)
	requireSet(t, session)
	wantSame(t, "the session", sessionOf(t, db, hash, after(1)), &session)
	wantSame(t, "before its end", sessionOf(t, db, hash, t0.Add(paybell.SessionIdle-time.Microsecond)), &session)
	if got := sessionOf(t, db, hash, t0.Add(paybell.SessionIdle)); got != nil {
		t.Errorf("it is good after its end: %+v", got)
	}
	for _, other := range []string{"", session.ID, hash[1:]} {
		if got := sessionOf(t, db, other, t0); got != nil {
			t.Errorf("%q is the hash of %+v", other, got)
		}
	}
	if sessions := view(t, db, func(tx *store.Tx) ([]paybell.Session, error) { return tx.Sessions(u.ID, t0.Add(paybell.SessionIdle)) }); len(sessions) != 0 {
		t.Errorf("listed is what is over: %+v", sessions)
	}
}

// Who is seen may stay, up to a month in all.
func testSessionSeen(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	session, hash := s.newSession(t, u, 0)
	see := func(at time.Time, from string) {
		t.Helper()
		addr, _ := netip.ParseAddr(from)
		do(t, db, func(tx *store.Tx) error { return tx.SeeSession(session, at, addr) })
	}
	step := paybell.SessionIdle - time.Second
	for at := t0.Add(step); at.Before(t0.Add(paybell.SessionLife)); at = at.Add(step) {
		see(at, "192.0.2.7")
		see(at.Add(-time.Minute), "192.0.2.8") // late
		got := sessionOf(t, db, hash, at)
		if got == nil || !got.SeenAt.Equal(at) || got.From.String() != "192.0.2.7" {
			t.Fatalf("seen %v later it is %+v", at.Sub(t0), got)
		}
	}
	if got := sessionOf(t, db, hash, t0.Add(paybell.SessionLife-time.Microsecond)); got == nil {
		t.Error("it is over before its time")
	}
	if got := sessionOf(t, db, hash, t0.Add(paybell.SessionLife)); got != nil {
		t.Errorf("it is good after a month: %+v", got)
	}
	see(t0.Add(paybell.SessionLife), "")
	if got := sessionOf(t, db, hash, t0.Add(paybell.SessionLife)); got != nil {
		t.Errorf("it has come back: %+v", got)
	}

	session, hash = s.newSession(t, u, 0)
	see(t0.Add(paybell.SessionIdle), "")
	if got := sessionOf(t, db, hash, t0.Add(paybell.SessionIdle)); got != nil {
		t.Errorf("an idle one has come back: %+v", got)
	}
	see(after(1), "")
	if got := sessionOf(t, db, hash, after(1)); got == nil || got.From.IsValid() {
		t.Errorf("from nowhere: %+v", got)
	}
}

// One session too many ends the one that was idle the longest, also for those who
// sign in at once.
func testMostSessions(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u, other := s.newUser(t, "a@b.example"), s.newUser(t, "b@b.example")
	_, theirs := s.newSession(t, other, -100)
	first, firstHash := s.newSession(t, u, 0)
	_, secondHash := s.newSession(t, u, 1)
	for i := range paybell.MaxSessionsPerUser - 2 {
		s.newSession(t, u, 2+i)
	}
	do(t, db, func(tx *store.Tx) error { return tx.SeeSession(first, after(50), netip.Addr{}) })
	last, _ := s.newSession(t, u, 100)
	all := view(t, db, func(tx *store.Tx) ([]paybell.Session, error) { return tx.Sessions(u.ID, after(100)) })
	if len(all) != paybell.MaxSessionsPerUser || all[0].ID != last.ID || all[1].ID != first.ID {
		t.Errorf("there are %d sessions, %+v", len(all), all)
	}
	if sessionOf(t, db, secondHash, after(100)) != nil || sessionOf(t, db, firstHash, after(100)) == nil || sessionOf(t, db, theirs, after(100)) == nil {
		t.Error("another session than the one that was idle the longest has ended")
	}
	if err := atOnce(8, func(i int) error {
		v := paybell.Session{ID: paybell.NewUUID(t0), UserID: u.ID, CreatedAt: after(200), SeenAt: after(200)}
		return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.CreateSession(v, fmt.Sprint(i)) })
	}); err != nil {
		t.Fatal(err)
	}
	// One more than are listed would not show: they end one after another.
	ended := 0
	for range paybell.MaxSessionsPerUser + 1 {
		all := view(t, db, func(tx *store.Tx) ([]paybell.Session, error) { return tx.Sessions(u.ID, after(200)) })
		if len(all) == 0 {
			break
		}
		do(t, db, func(tx *store.Tx) error { return tx.EndSession(u.ID, all[0].ID) })
		ended++
	}
	if ended != paybell.MaxSessionsPerUser {
		t.Errorf("%d sessions were there", ended)
	}
}

func testEndSession(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u, other := s.newUser(t, "a@b.example"), s.newUser(t, "b@b.example")
	one, oneHash := s.newSession(t, u, 0)
	kept, keptHash := s.newSession(t, u, 1)
	_, thirdHash := s.newSession(t, u, 2)
	theirs, theirHash := s.newSession(t, other, 0)
	end := func(userID, id string) error {
		return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.EndSession(userID, id) })
	}
	wantCode(t, end(u.ID, theirs.ID), paybell.NotFound)
	if err := end(u.ID, one.ID); err != nil {
		t.Error(err)
	}
	wantCode(t, end(u.ID, one.ID), paybell.NotFound)
	do(t, db, func(tx *store.Tx) error { return tx.EndSessions(u.ID, kept.ID) })
	if sessionOf(t, db, oneHash, t0) != nil || sessionOf(t, db, thirdHash, t0) != nil || sessionOf(t, db, keptHash, t0) == nil || sessionOf(t, db, theirHash, t0) == nil {
		t.Error("others have ended")
	}
	do(t, db, func(tx *store.Tx) error { return tx.EndSessions(u.ID, "") })
	if sessionOf(t, db, keptHash, t0) != nil || sessionOf(t, db, theirHash, t0) == nil {
		t.Error("not all of the user's have ended, or others'")
	}
}

func testForgetSessions(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	u := s.newUser(t, "a@b.example")
	for i := range 5 {
		s.newSession(t, u, i)
	}
	forget := func(now time.Time, limit int) int64 {
		return update(t, db, func(tx *store.Tx) (int64, error) { return tx.ForgetSessions(now, limit) })
	}
	end := t0.Add(paybell.SessionIdle)
	for _, tt := range []struct {
		now   time.Time
		limit int
		want  int64
	}{{end.Add(-time.Microsecond), 10, 0}, {end, 10, 1}, {end.Add(3 * time.Second), 2, 2}, {end.Add(3 * time.Second), 2, 1}, {end.Add(3 * time.Second), 2, 0}} {
		if n := forget(tt.now, tt.limit); n != tt.want {
			t.Errorf("%v after the first has ended %d were forgotten, want %d", tt.now.Sub(end), n, tt.want)
		}
	}
}

// Nobody is signed in as a user who is deleted at that moment.
func testSessionOfDeletedUser(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	for i := range 10 {
		u := s.newUser(t, fmt.Sprint(i, "@b.example"))
		hash := "hash " + u.ID
		if err := atOnce(2, func(n int) error {
			if n == 0 {
				return store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.DeleteUser(u.ID) })
			}
			err := store.Do(context.Background(), db, func(tx *store.Tx) error {
				return tx.CreateSession(paybell.Session{ID: u.ID, UserID: u.ID, CreatedAt: t0, SeenAt: t0}, hash)
			})
			if paybell.CodeOf(err) == paybell.NotFound {
				err = nil
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if sessionOf(t, db, hash, t0) != nil {
			t.Error("nobody is signed in")
		}
	}
}

func testUpdateMerchant(t *testing.T, db *store.DB) {
	s, other := NewShop(t, db), NewShop(t, db)
	s.Merchant.Name, s.Merchant.Email = "Another", ""
	do(t, db, func(tx *store.Tx) error { return tx.UpdateMerchant(s.Merchant) })
	wantSame(t, "the merchant", view(t, db, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(s.Merchant.ID) }), s.Merchant)
	wantSame(t, "another", view(t, db, func(tx *store.Tx) (paybell.Merchant, error) { return tx.Merchant(other.Merchant.ID) }), other.Merchant)
	wantCode(t, fails(t, db, func(tx *store.Tx) error { return tx.UpdateMerchant(paybell.Merchant{ID: paybell.NewUUID(t0)}) }), paybell.NotFound)
}

// What is told after the change names the new address, in the same transaction,
// too.
func testUpdateMerchantVoice(t *testing.T, db *store.DB) {
	s := NewShop(t, db)
	w := s.hook(t, "https://a.example/x")
	renamed := s.Merchant
	renamed.Email = "another@example.com"
	before, then := s.NewInvoice(t0), s.NewInvoice(t0)
	do(t, db, func(tx *store.Tx) error {
		return errors.Join(tx.Apply(before), tx.UpdateMerchant(renamed), tx.Apply(then))
	})
	all := s.deliveries(t, w.ID)
	if len(all) != 2 || !strings.Contains(string(all[0].Body), s.Merchant.Email) || !strings.Contains(string(all[1].Body), renamed.Email) {
		t.Errorf("told was %s", all[len(all)-1].Body)
	}
}
