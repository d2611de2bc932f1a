package desk

import (
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Codes of the second factor are those of RFC 6238 in the form that every
// authenticator knows: six digits, SHA-1, a step of 30 seconds. A clock may be off
// by one step.
const (
	codeStep  = 30 // seconds
	codeSkew  = 1
	codeBytes = 20 // of the secret, as RFC 4226 recommends
)

// codeAt is the time step that code is of, at a moment, if it is one of secret's.
func codeAt(secret, code string, at time.Time) (step int64, ok bool) {
	code = strings.ReplaceAll(code, " ", "")
	now := at.Unix() / codeStep
	for s := now - codeSkew; s <= now+codeSkew; s++ {
		good, err := hotp.ValidateCustom(code, uint64(s), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && good {
			step, ok = s, true // the latest, should two steps have the same code
		}
	}
	return step, ok
}
