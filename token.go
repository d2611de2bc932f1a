package paybell

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// AccountToken is what a person signs API requests about clients with: the account's
// own, not an integration's. Only its hash is kept.
type AccountToken struct {
	ID         string // UUID
	MerchantID string
	Name       string // 1..127 characters, for people
	CreatedAt  time.Time
}

// MaxTokensPerMerchant bounds a merchant's tokens.
const MaxTokensPerMerchant = 100

// The prefixes let scanners for leaked secrets know what they found.
const (
	accountPrefix = "pbt_"
	sessionPrefix = "pbs_"
	passPrefix    = "pbp_"
)

// NewAccountToken returns a fresh token text: a prefix and 52 characters with 260
// random bits. So do the others.
func NewAccountToken() string { return newToken(accountPrefix) }

// NewSessionToken returns what a browser shows that a user signed in with.
func NewSessionToken() string { return newToken(sessionPrefix) }

// NewPassToken returns the end of a link that lets somebody in once.
func NewPassToken() string { return newToken(passPrefix) }

func newToken(prefix string) string { return prefix + rand.Text() + rand.Text() }

// HashAccountToken is what is kept of a token's text: nothing to guess it by, since it
// is random. ok is false for what cannot be a token. So do the others.
func HashAccountToken(text string) (hash string, ok bool) { return hashToken(accountPrefix, text) }

// HashSessionToken is what is kept of a session's token.
func HashSessionToken(text string) (hash string, ok bool) { return hashToken(sessionPrefix, text) }

// HashPassToken is what is kept of a pass's token.
func HashPassToken(text string) (hash string, ok bool) { return hashToken(passPrefix, text) }

func hashToken(prefix, text string) (hash string, ok bool) {
	if !strings.HasPrefix(text, prefix) || len(text) != len(prefix)+52 {
		return "", false
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), true
}
