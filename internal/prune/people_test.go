package prune_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// somebody makes a user with a session, a pass that is good for an hour and n
// entries of the audit log, all now.
func (a *attic) somebody(n int) paybell.User {
	a.Helper()
	at := time.Now()
	m := paybell.Merchant{ID: paybell.NewUUID(at), Name: "Zoë", CreatedAt: at}
	u := paybell.User{ID: paybell.NewUUID(at), MerchantID: m.ID, Email: m.ID + "@b.example", Role: paybell.RoleOwner, CreatedAt: at}
	a.do(func(tx *store.Tx) error {
		if err := tx.CreateMerchant(m); err != nil {
			return err
		}
		if err := tx.CreateUser(u, "hash"); err != nil {
			return err
		}
		if err := tx.CreateSession(paybell.Session{ID: u.ID, UserID: u.ID, CreatedAt: at, SeenAt: at}, u.ID); err != nil {
			return err
		}
		if err := tx.CreatePass(paybell.Pass{ID: u.ID, What: paybell.PassReset, UserID: u.ID, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}, u.ID); err != nil {
			return err
		}
		for i := range n {
			e := paybell.AuditEntry{ID: paybell.NewUUID(at), MerchantID: m.ID, At: at, Who: "operator", Action: "x", Subject: fmt.Sprint(i)}
			if err := tx.Audit(e); err != nil {
				return err
			}
		}
		return nil
	})
	return u
}

// left counts what there is of a user, good or not.
func (a *attic) left(u paybell.User) (sessions, passes, entries int) {
	a.Helper()
	_, err := store.View(context.Background(), a.db, func(tx *store.Tx) (any, error) {
		_, session, err := tx.Session(u.ID, time.Unix(1, 0))
		if err != nil {
			return nil, err
		}
		_, pass, err := tx.Pass(u.ID, time.Unix(1, 0))
		if err != nil {
			return nil, err
		}
		log, err := tx.AuditLog(u.MerchantID, "", 10_000)
		if session {
			sessions = 1
		}
		if pass {
			passes = 1
		}
		entries = len(log)
		return nil, err
	})
	if err != nil {
		a.Fatal(err)
	}
	return sessions, passes, entries
}

// Sessions and passes go when they are over, and what people did after 400 days,
// in batches. The user stays.
func TestPeople(t *testing.T) {
	inAttic(t, func(a *attic) {
		u := a.somebody(600)
		want := func(sessions, passes, entries int) {
			t.Helper()
			s, p, e := a.left(u)
			a.want("sessions", s, sessions)
			a.want("passes", p, passes)
			a.want("entries", e, entries)
		}
		passed := time.Duration(0)
		at := func(d time.Duration) {
			time.Sleep(d - passed)
			passed = d
		}
		at(time.Hour - time.Microsecond)
		a.step(time.Minute)
		want(1, 1, 600)
		at(time.Hour)
		a.step(time.Minute)
		want(1, 0, 600)
		at(paybell.SessionIdle - time.Microsecond)
		a.step(time.Minute)
		want(1, 0, 600)
		at(paybell.SessionIdle)
		a.step(time.Minute)
		want(0, 0, 600)
		at(paybell.AuditKept)
		a.step(time.Minute)
		want(0, 0, 600)
		at(paybell.AuditKept + time.Microsecond)
		young := a.somebody(1)
		a.step(soon)
		want(0, 0, 100)
		a.step(time.Minute)
		want(0, 0, 0)
		if _, _, e := a.left(young); e != 1 {
			t.Error("what was done just now is forgotten")
		}
		if _, err := store.View(context.Background(), a.db, func(tx *store.Tx) (paybell.User, error) { return tx.User(u.ID) }); err != nil {
			t.Error(err)
		}
	})
}
