package store

import (
	"net/netip"
	"time"

	"github.com/paybell/paybell"
)

const userColumns = "id, merchant_id, email, name, role, factor <> '', created_at, signed_in_at"

func scanUser(s scanner) (u paybell.User, err error) {
	return u, s.Scan(&u.ID, &u.MerchantID, &u.Email, &u.Name, &u.Role, &u.SecondFactor, when{&u.CreatedAt}, when{&u.SignedInAt})
}

// CreateUser writes a new user with the hash of a password; empty: none was chosen
// yet. An e-mail address that some user has, of whatever merchant, is a Conflict.
func (tx *Tx) CreateUser(u paybell.User, password string) error {
	// Of two who do so at once on PostgreSQL one meets the unique index, and looks again.
	if _, taken, err := tx.UserByEmail(u.Email); taken || err != nil {
		if err == nil {
			err = paybell.Errorf(paybell.Conflict, "this e-mail address cannot be used: somebody signs in with it already")
		}
		return err
	}
	_, err := tx.exec(`INSERT INTO users (id, merchant_id, email, name, role, created_at, signed_in_at, password, factor, pending_factor, factor_step)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', '', 0)`,
		u.ID, u.MerchantID, u.Email, u.Name, string(u.Role), micros(u.CreatedAt), micros(u.SignedInAt), password)
	return err
}

// User reads one user, or NotFound.
func (tx *Tx) User(id string) (paybell.User, error) {
	u, found, err := one(tx, scanUser, "SELECT "+userColumns+" FROM users WHERE id = $1", id)
	if err == nil && !found {
		err = errNoUser(id)
	}
	return u, err
}

// UserForUpdate is User for who is about to change the user, or what belongs to
// them: others who do so wait.
func (tx *Tx) UserForUpdate(id string) (paybell.User, error) {
	if err := tx.lock("SELECT id FROM users WHERE id = $1", id); err != nil {
		return paybell.User{}, err
	}
	return tx.User(id)
}

func errNoUser(id string) error {
	return paybell.Errorf(paybell.NotFound, "there is no user %.40q", id)
}

// UserByEmail finds a user of any merchant by their e-mail address, in lower case.
func (tx *Tx) UserByEmail(email string) (u paybell.User, found bool, err error) {
	return one(tx, scanUser, "SELECT "+userColumns+" FROM users WHERE email = $1", email)
}

// Users lists a merchant's users, oldest first.
func (tx *Tx) Users(merchantID string) ([]paybell.User, error) {
	return list(tx, scanUser, "SELECT "+userColumns+" FROM users WHERE merchant_id = $1 ORDER BY created_at, id LIMIT $2",
		merchantID, paybell.MaxUsersPerMerchant)
}

// AnyUser reports whether there is a user at all.
func (tx *Tx) AnyUser() (bool, error) {
	_, found, err := one(tx, scanText, "SELECT id FROM users LIMIT 1")
	return found, err
}

// UpdateUser writes the name and the role of a user; one that is not there is
// NotFound.
func (tx *Tx) UpdateUser(u paybell.User) error {
	return tx.changeUser(u.ID, "UPDATE users SET name = $2, role = $3 WHERE id = $1", u.ID, u.Name, string(u.Role))
}

// SignedIn writes when a user signed in last.
func (tx *Tx) SignedIn(userID string, at time.Time) error {
	return tx.changeUser(userID, "UPDATE users SET signed_in_at = $2 WHERE id = $1", userID, micros(at))
}

// DeleteUser ends a user, with their sessions and passes; one that is not there is
// NotFound.
func (tx *Tx) DeleteUser(id string) error {
	if _, err := tx.UserForUpdate(id); err != nil {
		return err // or else a session could begin meanwhile
	}
	for _, gone := range []string{"DELETE FROM sessions WHERE user_id = $1", "DELETE FROM passes WHERE user_id = $1 AND user_id <> ''"} {
		if _, err := tx.exec(gone, id); err != nil {
			return err
		}
	}
	return tx.changeUser(id, "DELETE FROM users WHERE id = $1", id)
}

// changeUser runs a statement that must touch the user.
func (tx *Tx) changeUser(id, query string, args ...any) error {
	n, err := tx.exec(query, args...)
	if err == nil && n == 0 {
		err = errNoUser(id)
	}
	return err
}

// Credentials are what a user proves with who they are. The secrets live as long
// as the caller keeps them: never log them.
type Credentials struct {
	Password string // its hash; empty: none was chosen yet
	Factor   string // the secret of the second factor; empty: none is asked for
	Pending  string // a secret that is not confirmed yet; empty: none
	Step     int64  // the last time step of which a code was used
}

// Credentials reads a user's, or NotFound.
func (tx *Tx) Credentials(userID string) (Credentials, error) {
	c, found, err := one(tx, func(s scanner) (c Credentials, err error) {
		return c, s.Scan(&c.Password, &c.Factor, &c.Pending, &c.Step)
	},
		"SELECT password, factor, pending_factor, factor_step FROM users WHERE id = $1", userID)
	if err == nil && !found {
		err = errNoUser(userID)
	}
	for _, sealed := range []*string{&c.Factor, &c.Pending} {
		if err != nil || *sealed == "" {
			continue
		}
		var secret []byte
		secret, err = tx.db.keys.Open(*sealed, factorContext(userID))
		*sealed = string(secret)
	}
	return c, err
}

// factorContext binds a sealed secret to its user: moved to another row, it does
// not open.
func factorContext(userID string) string { return "second-factor/" + userID }

// SetPassword writes the hash of a user's password.
func (tx *Tx) SetPassword(userID, hash string) error {
	return tx.changeUser(userID, "UPDATE users SET password = $2 WHERE id = $1", userID, hash)
}

// SetPendingFactor keeps, sealed, the secret of a second factor that counts once
// it is confirmed. It takes the place of one that was pending.
func (tx *Tx) SetPendingFactor(userID, secret string) error {
	sealed, err := tx.seal([]byte(secret), factorContext(userID))
	if err != nil {
		return err
	}
	return tx.changeUser(userID, "UPDATE users SET pending_factor = $2 WHERE id = $1", userID, sealed)
}

// ConfirmFactor makes the pending secret the one that counts. The code that
// confirmed it was of a time step, and is used with it.
func (tx *Tx) ConfirmFactor(userID string, step int64) error {
	return tx.changeUser(userID, `UPDATE users SET factor = pending_factor, pending_factor = '', factor_step = $2
		WHERE id = $1 AND pending_factor <> ''`, userID, step)
}

// RemoveFactor takes a user's second factor away, and a pending one.
func (tx *Tx) RemoveFactor(userID string) error {
	return tx.changeUser(userID, "UPDATE users SET factor = '', pending_factor = '', factor_step = 0 WHERE id = $1", userID)
}

// UseStep uses the code of a time step: of each step one is good, once, and none
// of a step before it after that.
func (tx *Tx) UseStep(userID string, step int64) (good bool, err error) {
	n, err := tx.exec("UPDATE users SET factor_step = $2 WHERE id = $1 AND factor_step < $2", userID, step)
	return n > 0, err
}

// UpdateMerchant writes the name and the e-mail address of a merchant; one that is
// not there is NotFound. What is told from now on is told by the new ones.
func (tx *Tx) UpdateMerchant(m paybell.Merchant) error {
	for id, v := range tx.voices {
		if v.merchant.ID == m.ID {
			delete(tx.voices, id)
		}
	}
	n, err := tx.exec("UPDATE merchants SET name = $2, email = $3 WHERE id = $1", m.ID, m.Name, m.Email)
	if err == nil && n == 0 {
		err = paybell.Errorf(paybell.NotFound, "there is no merchant %s", m.ID)
	}
	return err
}

// addressText is an address as the store keeps it: empty for the zero value.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// address reads a column that addressText wrote.
type address struct{ a *netip.Addr }

func (to address) Scan(src any) (err error) {
	text, ok := src.(string)
	if !ok || text == "" {
		*to.a = netip.Addr{}
		return nil
	}
	*to.a, err = netip.ParseAddr(text)
	return err
}
