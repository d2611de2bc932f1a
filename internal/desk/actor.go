package desk

import (
	"cmp"
	"net/netip"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Actor is who asks: a client that has proved itself, or a person of the
// merchant's.
type Actor struct {
	ClientID    string // empty: a person who acts for no client
	MerchantID  string
	Person      bool // may manage the merchant's clients, if the role allows it
	Permissions paybell.Permissions
	Terms       paybell.Terms // of the invoices it makes

	// Of a person only.
	UserID string       // empty: by an account token, or the operator
	Role   paybell.Role // what of managing they may
	Who    string       // for the audit log
	From   netip.Addr   // zero: the server's terminal, or not known
}

// Owner is somebody at the server's own terminal, who may do everything with what a
// merchant has.
func Owner(merchantID string) Actor {
	return Actor{MerchantID: merchantID, Person: true, Permissions: paybell.AllPermissions, Role: paybell.RoleOwner, Who: "operator"}
}

// may checks one permission.
func (a Actor) may(p paybell.Permissions) error {
	switch {
	case a.Permissions&p == p:
		return nil
	case a.Person:
		return errLooksOnly
	}
	return paybell.Errorf(paybell.Forbidden, "this integration lacks the permission %v; grant it to the integration first", p.Names())
}

// Uses checks a permission for what the desk has no verb for.
func (a Actor) Uses(p paybell.Permissions) error { return a.may(p) }

// acts refuses people who do not say for which client they act; see Desk.As.
func (a Actor) acts() error {
	if a.ClientID == "" {
		return paybell.InvalidField("client", "say for which integration it is")
	}
	return nil
}

// manages loads a client that the actor may manage: any of the merchant's, by a
// person. Those of others do not exist. Others who are about to change it wait.
func (a Actor) manages(tx *store.Tx, clientID string) (paybell.Client, error) {
	return a.client(clientID, tx.ClientForUpdate)
}

// client loads a client of the merchant's.
func (a Actor) client(clientID string, load func(id string) (paybell.Client, error)) (paybell.Client, error) {
	id, ok := paybell.ParseClientID(clientID)
	if !ok {
		return paybell.Client{}, errNoClient(clientID)
	}
	c, err := load(id)
	// In one text, whether it is somebody else's or nobody's.
	if paybell.CodeOf(err) == paybell.NotFound || err == nil && (c.MerchantID != a.MerchantID || c.State == paybell.ClientDeleted) {
		err = errNoClient(clientID)
	}
	return c, err
}

// looker refuses programs: an integration that could see others could find out
// how to pass for them.
func (a Actor) looker() error {
	if a.Person {
		return nil
	}
	return paybell.Errorf(paybell.Forbidden, "integrations are managed by people: use an account token, not a client's signature")
}

// person refuses programs, too, for one that could make integrations could give
// itself every permission; and people who may only look.
func (a Actor) person() error {
	if err := a.looker(); err != nil {
		return err
	}
	return a.changes()
}

// changes refuses people who may only look. Programs have permissions for that.
func (a Actor) changes() error {
	if a.Person && !a.Role.Changes() {
		return errLooksOnly
	}
	return nil
}

var errLooksOnly = paybell.Errorf(paybell.Forbidden, "your role can look, but not change anything; ask an owner")

// staff refuses programs and people who may only look, where it is about people.
func (a Actor) staff() error {
	switch {
	case !a.Person:
		return errForPeople
	case !a.Role.Changes():
		return paybell.Errorf(paybell.Forbidden, "your role cannot see this; ask an owner")
	}
	return nil
}

// owner refuses all but owners.
func (a Actor) owner() error {
	switch {
	case !a.Person:
		return errForPeople
	case a.Role != paybell.RoleOwner:
		return cmp.Or(a.changes(), error(errForOwners))
	}
	return nil
}

var (
	errForPeople = paybell.Errorf(paybell.Forbidden, "this is for people who sign in, not for integrations")
	errForOwners = paybell.Errorf(paybell.Forbidden, "only an owner can do this; ask one")
)

func errNoClient(id string) error {
	return paybell.Errorf(paybell.NotFound, "Merchant Not Found! There is no client %.40q", id)
}
