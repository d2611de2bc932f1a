package paybell

import (
	"net/netip"
	"time"
)

// User is a person who signs in to the dashboard: one of a merchant's people. The
// password's hash and the second factor's secret are kept apart and never part of
// this value.
type User struct {
	ID           string // UUID
	MerchantID   string
	Email        string // lower case, unique among all users
	Name         string // 1..127 characters
	Role         Role
	SecondFactor bool // signing in asks for a code, too (RFC 6238)
	CreatedAt    time.Time
	SignedInAt   time.Time // zero: never yet
}

// Role is what a user may do.
type Role string

// The roles, from the most to the least.
const (
	RoleOwner    Role = "owner"    // everything, users included
	RoleStaff    Role = "staff"    // everything but users
	RoleReadOnly Role = "readOnly" // look, and nothing else
)

// Bounds on users.
const (
	MaxUsersPerMerchant = 100
	MaxSessionsPerUser  = 20 // one more ends the one that was idle the longest
	MinPassword         = 10 // characters
	MaxPassword         = 200
)

// Permissions is what of the API a person with this role may use.
func (r Role) Permissions() Permissions {
	switch r {
	case RoleOwner, RoleStaff:
		return AllPermissions
	case RoleReadOnly:
		return ListInvoices | FindInvoice | InvoicePayouts | ListInvoiceHistory | GetWallets | GetWalletByID | GetWalletAddress |
			GetWalletAddresses | GetWalletTransactions | GetWalletTransaction | GetWebhooks | PullNotifications
	}
	return 0
}

// Session is one browser in which a user is signed in. Of its token only a hash is
// kept.
type Session struct {
	ID        string // UUID, says nothing about the token
	UserID    string
	CreatedAt time.Time
	SeenAt    time.Time // at a precision of minutes
	From      netip.Addr
	Agent     string // what the browser calls itself, at most 256 bytes
}

// How long a session lasts.
const (
	SessionIdle = 7 * 24 * time.Hour  // without a request
	SessionLife = 30 * 24 * time.Hour // at most
)

// Pass is a link that lets somebody in once, without a password. Of its token only
// a hash is kept.
type Pass struct {
	ID         string
	What       PassKind
	MerchantID string // empty for a setup with no merchant yet
	UserID     string // of a reset or a sign-in
	Email      string // of an invitation; may be empty
	Role       Role   // of an invitation
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// PassKind says what a pass is for.
type PassKind string

// The kinds of passes.
const (
	PassSetup  PassKind = "setup"  // makes the first owner, and the merchant if there is none
	PassInvite PassKind = "invite" // makes one more user
	PassReset  PassKind = "reset"  // sets a new password and takes the second factor away
	PassSignIn PassKind = "signIn" // signs in as a user: for the demo
)

// AuditEntry is one thing that a person did.
type AuditEntry struct {
	ID         string // UUID version 7: entries sort by time
	MerchantID string
	At         time.Time
	Who        string     // email of the user, "account token <name>", or "operator" at the server's terminal
	From       netip.Addr // zero: the server's terminal
	Action     string     // the verb, like createClient
	Subject    string     // id of what it was done to
	Detail     string     // for people, at most 300 characters; never a secret
}
