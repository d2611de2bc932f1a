package desk

import (
	"net/netip"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Visitor is the browser that asks.
type Visitor struct {
	From  netip.Addr
	Agent string // what it calls itself
}

// maxAgent bounds what is kept of what a browser calls itself, in bytes.
const maxAgent = 256

// Person is a user who is signed in, in one browser.
type Person struct {
	User     paybell.User
	Merchant paybell.Merchant
	Session  paybell.Session // From is where this request comes from
}

// Actor is who the person acts as: for no client, with what the role allows.
func (p Person) Actor() Actor { return userActor(p.User, p.Session.From) }

func userActor(u paybell.User, from netip.Addr) Actor {
	return Actor{
		MerchantID: u.MerchantID, Person: true, Permissions: u.Role.Permissions(), UserID: u.ID, Role: u.Role,
		Who: "user " + u.Email, From: from,
	}
}

// address is where the visitor comes from, in the one form of an address by which it
// can be compared.
func (v Visitor) address() netip.Addr { return v.From.Unmap().WithZone("") }

// newSession begins a session of a user and returns its token.
func newSession(tx *store.Tx, u paybell.User, v Visitor, at time.Time) (string, error) {
	token := paybell.NewSessionToken()
	hash, _ := paybell.HashSessionToken(token)
	agent := line(v.Agent, maxAgent)
	if len(agent) > maxAgent {
		agent = strings.ToValidUTF8(agent[:maxAgent], "")
	}
	s := paybell.Session{ID: paybell.NewUUID(at), UserID: u.ID, CreatedAt: at, SeenAt: at, From: v.address(), Agent: agent}
	if err := tx.CreateSession(s, hash); err != nil {
		return "", err
	}
	return token, tx.SignedIn(u.ID, at)
}

// userName is a user's name as it is kept.
func userName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", paybell.InvalidField("name", "say who it is")
	}
	if line(name, len(name)) != name {
		return "", paybell.InvalidField("name", "holds characters that cannot be shown")
	}
	return name, text("name", name, 127)
}

// user loads a user of the actor's merchant. Those of others do not exist.
func (a Actor) user(id string, load func(id string) (paybell.User, error)) (paybell.User, error) {
	u, err := load(id)
	if err == nil && u.MerchantID != a.MerchantID || paybell.CodeOf(err) == paybell.NotFound {
		return paybell.User{}, paybell.Errorf(paybell.NotFound, "there is no user %.40q", id)
	}
	return u, err
}
