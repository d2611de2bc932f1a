package desk

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// How often somebody may try to sign in, for each address and each e-mail address;
// and how often to guess a code when the password was right.
const (
	signInBurst = 10
	signInEvery = 6 * time.Second
	codeBurst   = 5
	codeEvery   = time.Minute
)

var (
	errSignIn = paybell.Errorf(paybell.Unauthenticated, "the e-mail address or the password is wrong")
	errCode   = paybell.Errorf(paybell.Unauthenticated, "the code is wrong, or was used already: wait for the next one")
)

// SignIn begins a session of the user with this password. needsCode says that the
// password is right and a code is asked for, too; without one that is no error.
//
// Whether there is such a user cannot be told from the answer, nor from the time
// that it takes. Who tries too often gets RateLimited.
func (d *Desk) SignIn(ctx context.Context, email, password, code string, v Visitor) (session string, needsCode bool, err error) {
	email, err = paybell.ParseEmail("email", email)
	if err != nil {
		email = "" // which nobody has
	}
	if err := d.mayTry(ctx, email, v.address()); err != nil {
		return "", false, err
	}
	address := email
	type account struct {
		user  paybell.User
		known store.Credentials
		found bool
	}
	acc, err := store.View(ctx, d.DB, func(tx *store.Tx) (acc account, err error) {
		if acc.user, acc.found, err = tx.UserByEmail(address); err != nil || !acc.found {
			return acc, err
		}
		acc.known, err = tx.Credentials(acc.user.ID)
		return acc, err
	})
	if err != nil {
		return "", false, err
	}
	right, err := samePassword(ctx, acc.known.Password, password)
	if err != nil {
		return "", false, err
	}
	if !right {
		return "", false, d.signInFailed(ctx, acc.user, v)
	}
	if acc.known.Factor != "" {
		if code == "" {
			return "", true, nil
		}
		if wait, err := d.paced(ctx, &d.codes, "code of "+acc.user.ID, codeBurst, codeEvery); err != nil {
			return "", true, err
		} else if wait > 0 {
			return "", true, tooOften(wait)
		}
	}
	session, err = store.Update(ctx, d.DB, func(tx *store.Tx) (string, error) { return d.signIn(tx, acc.user.ID, acc.known.Password, code, v) })
	if err == nil && session == "" {
		err = errCode
	}
	return session, acc.known.Factor != "" && session == "", err
}

// mayTry counts an attempt by where it comes from and whom it is about.
func (d *Desk) mayTry(ctx context.Context, email string, from netip.Addr) error {
	for _, key := range []string{"sign in from " + network(from), "sign in as " + email} {
		if wait, err := d.paced(ctx, &d.signIns, key, signInBurst, signInEvery); err != nil {
			return err
		} else if wait > 0 {
			return tooOften(wait)
		}
	}
	return nil
}

func tooOften(wait time.Duration) error {
	wait = wait.Truncate(time.Second) + time.Second
	return &paybell.Error{Code: paybell.RateLimited, RetryAfter: wait, Detail: fmt.Sprintf("that was tried too often; wait %v and try again", wait)}
}

// network is an address as attempts are counted: of the new kind of address
// everybody has a /64 full.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

// signInFailed writes down that somebody tried, and is what they are told.
func (d *Desk) signInFailed(ctx context.Context, u paybell.User, v Visitor) error {
	err := store.Do(ctx, d.DB, func(tx *store.Tx) error {
		if u.ID == "" {
			return tx.CountStranger()
		}
		return userActor(u, v.address()).audit(tx, "signInFailed", u.ID, "wrong password")
	})
	if err != nil {
		return err
	}
	return errSignIn
}

// signIn begins a session if the password is still the one that was right, and the
// code is good. A code that is not gives an empty session, and is written down.
func (d *Desk) signIn(tx *store.Tx, userID, hash, code string, v Visitor) (session string, err error) {
	u, err := tx.UserForUpdate(userID)
	if paybell.CodeOf(err) == paybell.NotFound {
		return "", errSignIn // removed meanwhile
	}
	if err != nil {
		return "", err
	}
	at, a := now(), userActor(u, v.address())
	known, err := tx.Credentials(u.ID)
	if err != nil {
		return "", err
	}
	if known.Password != hash {
		return "", errSignIn // changed meanwhile
	}
	if known.Factor != "" {
		step, good := codeAt(known.Factor, code, at)
		if good {
			if good, err = tx.UseStep(u.ID, step); err != nil {
				return "", err
			}
		}
		if !good {
			return "", a.audit(tx, "signInFailed", u.ID, "wrong code")
		}
	}
	if err := a.audit(tx, "signIn", u.ID, ""); err != nil {
		return "", err
	}
	return newSession(tx, u, v, at)
}
