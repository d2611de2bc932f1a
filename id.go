package paybell

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
)

// NewUUID returns a UUID version 7 (RFC 9562) for the moment now: ids made
// later sort later, which keeps the store's indexes dense.
func NewUUID(now time.Time) string {
	var u uuid.UUID
	_, _ = rand.Read(u[:]) // never fails: crypto/rand aborts the program instead
	ms := now.UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

// NewNotificationID returns 32 lower-case hex digits that sort by time.
func NewNotificationID(now time.Time) string {
	return strings.ReplaceAll(NewUUID(now), "-", "")
}

// NewClientID returns 32 lower-case hex digits.
func NewClientID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40 // also a valid UUID version 4, which some clients parse it as
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// NewWebhookID returns 21 URL-safe characters with 126 random bits.
func NewWebhookID() string {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
	var b [21]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&63]
	}
	return string(b[:])
}

// ParseClientID reads a client id in any of its spellings (32 hex digits, or a
// UUID with dashes, any case) and returns the 32 lower-case hex digits we keep.
func ParseClientID(s string) (id string, ok bool) {
	if len(s) == 36 {
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return "", false
		}
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(s) != 32 {
		return "", false
	}
	s = strings.ToLower(s)
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", false
		}
	}
	return s, true
}

// DashedClientID is the UUID spelling of a client id, as notifications show it.
func DashedClientID(id string) string {
	if len(id) != 32 {
		return id
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// ParseUUID reads an invoice or merchant id, any case, and returns it lower-case.
func ParseUUID(s string) (id string, ok bool) {
	hexID, ok := ParseClientID(s)
	if !ok || len(s) != 36 {
		return "", false
	}
	return DashedClientID(hexID), true
}
