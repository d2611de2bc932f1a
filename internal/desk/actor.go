package desk

import (
	"net/netip"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Actor is who asks: a client that has proved itself, or a person of the
// merchant's.
type Actor struct {
	ClientID    string // empty: a person who acts for no client
	MerchantID  string
	Person      bool // may manage the merchant's clients
	Permissions paybell.Permissions
	Terms       paybell.Terms // of the invoices it makes

	// Of a person only.
	UserID string       // empty: by an account token, or the operator
	Role   paybell.Role // what of managing they may
	Who    string       // for the audit log
	From   netip.Addr   // zero: the server's terminal
}

// Owner is a person who may do everything with what a merchant has.
func Owner(merchantID string) Actor {
	return Actor{MerchantID: merchantID, Person: true, Permissions: paybell.AllPermissions}
}

// may checks one permission.
func (a Actor) may(p paybell.Permissions) error {
	if a.Permissions&p == p {
		return nil
	}
	return paybell.Errorf(paybell.Forbidden, "this integration lacks the permission %v; grant it to the integration first", p.Names())
}

// Uses checks a permission for what the desk has no verb for.
func (a Actor) Uses(p paybell.Permissions) error { return a.may(p) }

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

// person refuses programs: an integration that could make integrations could
// give itself every permission.
func (a Actor) person() error {
	if a.Person {
		return nil
	}
	return paybell.Errorf(paybell.Forbidden, "integrations are managed by people: use an account token, not a client's signature")
}

func errNoClient(id string) error {
	return paybell.Errorf(paybell.NotFound, "Merchant Not Found! There is no client %.40q", id)
}
