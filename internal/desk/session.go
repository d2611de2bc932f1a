package desk

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

var errSession = paybell.Errorf(paybell.Unauthenticated, "you are signed out; sign in again")

// Session is who is signed in, in the browser that shows a token: Unauthenticated
// if nobody is any more. A change made elsewhere counts here within a second.
func (d *Desk) Session(ctx context.Context, token string, v Visitor) (Person, error) {
	hash, ok := paybell.HashSessionToken(token)
	if !ok {
		return Person{}, errSession
	}
	p, known, at := d.people.find(hash)
	if !known {
		var err error
		if p, err = d.person(ctx, hash); err != nil {
			return Person{}, err
		}
		d.people.remember(hash, p, at)
	}
	from := v.address()
	if seen := now(); !known && seen.Sub(p.Session.SeenAt) >= time.Minute {
		s := p.Session
		err := store.Do(ctx, d.DB, func(tx *store.Tx) error { return tx.SeeSession(s, seen, from) })
		if err != nil && paybell.CodeOf(err) != paybell.Unavailable { // who only looks may go on looking
			return Person{}, err
		}
	}
	p.Session.From = from
	return p, nil
}

// person reads who a session is of.
func (d *Desk) person(ctx context.Context, hash string) (Person, error) {
	return store.View(ctx, d.DB, func(tx *store.Tx) (p Person, err error) {
		var found bool
		if p.Session, found, err = tx.Session(hash, now()); err != nil {
			return p, err
		}
		if !found {
			return p, errSession
		}
		if p.User, err = tx.User(p.Session.UserID); err != nil {
			return p, err
		}
		p.Merchant, err = tx.Merchant(p.User.MerchantID)
		return p, err
	})
}

// people remembers for a moment who is signed in, by the hash of the session's
// token.
type people struct {
	mu      sync.Mutex
	known   map[string]knownPerson
	changes int // how often something was forgotten
}

type knownPerson struct {
	Person
	until time.Time
}

// maxKnownPeople is how many are remembered before those are forgotten whose moment
// is over.
const maxKnownPeople = 1000

// find is who is known, or how many changes there were until now.
func (k *people) find(hash string) (p Person, known bool, changes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok := k.known[hash]
	return found.Person, ok && time.Now().Before(found.until), k.changes
}

// remember keeps what was read since find, unless something has changed.
func (k *people) remember(hash string, p Person, changes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if changes != k.changes {
		return
	}
	now := time.Now()
	if k.known == nil {
		k.known = map[string]knownPerson{}
	}
	if len(k.known) >= maxKnownPeople {
		maps.DeleteFunc(k.known, func(_ string, p knownPerson) bool { return !now.Before(p.until) })
	}
	if len(k.known) < maxKnownPeople {
		k.known[hash] = knownPerson{p, now.Add(remember)}
	}
}

// forget forgets all: something about one of them has changed.
func (k *people) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.known)
	k.changes++
}
