package paybell

import (
	"net/mail"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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

// ParseRole reads the name of a role.
func ParseRole(field, text string) (Role, error) {
	switch r := Role(text); r {
	case RoleOwner, RoleStaff, RoleReadOnly:
		return r, nil
	}
	return "", InvalidField(field, "%.60q is not a role; use %s, %s or %s", text, RoleOwner, RoleStaff, RoleReadOnly)
}

// Changes reports whether the role may do more than look.
func (r Role) Changes() bool { return r == RoleOwner || r == RoleStaff }

// Bounds on users.
const (
	MaxUsersPerMerchant = 100
	MaxSessionsPerUser  = 20 // one more ends the one that was idle the longest
	MinPassword         = 10 // characters
	MaxPassword         = 200
	maxEmail            = 254 // bytes, RFC 5321
)

// ParseEmail reads a user's e-mail address: without spaces around it, in lower
// case, of the plain form name@host.
func ParseEmail(field, text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	if email == "" {
		return "", InvalidField(field, "give an e-mail address")
	}
	if len(email) > maxEmail {
		return "", InvalidField(field, "is longer than an e-mail address can be")
	}
	parsed, err := mail.ParseAddress(email)
	odd := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("\"`<>()[],;:\\\uFFFD", r)
	}
	if err != nil || parsed.Address != email || strings.Count(email, "@") != 1 || strings.ContainsFunc(email, odd) {
		return "", InvalidField(field, "is not an e-mail address")
	}
	return email, nil
}

// CheckPassword says what is wrong with a password that somebody chose.
func CheckPassword(field, password, email string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return InvalidField(field, "is not text")
	case n < MinPassword:
		return InvalidField(field, "has %d characters, at least %d are needed", n, MinPassword)
	case n > MaxPassword:
		return InvalidField(field, "has %d characters, at most %d are possible", n, MaxPassword)
	case strings.EqualFold(strings.TrimSpace(password), email):
		return InvalidField(field, "is the e-mail address: choose another")
	}
	return nil
}

// Permissions is what a person with this role may use.
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

// EndsAt is when the session is over unless there is another request.
func (s Session) EndsAt() time.Time {
	idle, life := s.SeenAt.Add(SessionIdle), s.CreatedAt.Add(SessionLife)
	if idle.Before(life) {
		return idle
	}
	return life
}

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

// Life is how long a pass of this kind is good.
func (k PassKind) Life() time.Duration {
	switch k {
	case PassInvite:
		return 7 * 24 * time.Hour
	case PassSignIn:
		return time.Hour
	}
	return 24 * time.Hour
}

// How much of what people did is kept.
const (
	AuditKept      = 400 * 24 * time.Hour
	MaxAuditDetail = 300 // characters
)

// AuditEntry is one thing that a person did.
type AuditEntry struct {
	ID         string // UUID
	MerchantID string
	At         time.Time
	Who        string     // "user <email>", "account token <name>", "integration <client id>", or "operator" at the terminal
	From       netip.Addr // zero: the server's terminal, or not known
	Action     string     // the verb, like createClient
	Subject    string     // id of what it was done to
	Detail     string     // for people, at most MaxAuditDetail; never a secret
}
