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

// tokenPrefix lets scanners for leaked secrets know what they found.
const tokenPrefix = "pbt_"

// NewAccountToken returns a fresh token text: pbt_ and 52 characters with 260 random
// bits.
func NewAccountToken() string { return tokenPrefix + rand.Text() + rand.Text() }

// HashAccountToken is what is kept of a token's text: nothing to guess it by, since it
// is random. ok is false for what cannot be a token.
func HashAccountToken(text string) (hash string, ok bool) {
	if !strings.HasPrefix(text, tokenPrefix) || len(text) != len(tokenPrefix)+52 {
		return "", false
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), true
}
