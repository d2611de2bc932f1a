package desk

import (
	"net/netip"

	"github.com/paybell/paybell"
)

// Visitor is the browser that asks.
type Visitor struct {
	From  netip.Addr
	Agent string // what it calls itself
}

// Person is a user who is signed in, in one browser.
type Person struct {
	User     paybell.User
	Merchant paybell.Merchant
	Session  paybell.Session
}

// Actor is who the person acts as: for no client, with what the role allows.
func (p Person) Actor() Actor {
	return Actor{
		MerchantID: p.User.MerchantID, Person: true, Permissions: p.User.Role.Permissions(), Role: p.User.Role,
		UserID: p.User.ID, Who: "user " + p.User.Email, From: p.Session.From,
	}
}
