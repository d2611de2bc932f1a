package paybell

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// The three headers of a CoinPayments signature, in both directions. They are
// written on the wire exactly so; net/http would write them as
// X-Coinpayments-…, so a sender puts them into the header map by hand.
const (
	HeaderClient    = "X-CoinPayments-Client"
	HeaderTimestamp = "X-CoinPayments-Timestamp"
	HeaderSignature = "X-CoinPayments-Signature"
)

const (
	timestampLayout = "2006-01-02T15:04:05"

	// maxTimestamp is the longest spelling: nine digits of fraction and an offset.
	maxTimestamp = len("2006-01-02T15:04:05.000000000+00:00")

	// byteOrderMark is U+FEFF in UTF-8. The message of a CoinPayments signature
	// starts with it, since the first client had it at the start of a string
	// and nobody saw it.
	byteOrderMark = "\xEF\xBB\xBF"
)

// NewClientSecret returns a fresh client secret: 44 characters, the base64 of
// 32 random bytes. The same characters serve both kinds of signature: as text
// they are the CoinPayments key, behind "whsec_" the Standard Webhooks secret.
func NewClientSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand ends the process instead
	return base64.StdEncoding.EncodeToString(key[:])
}

// SignRequest returns the X-CoinPayments-Signature of one request, 44
// characters of base64. The method is in upper case; the url is absolute, with
// its query, in the very spelling that is requested; the client id and the
// timestamp are the texts of their headers; the body is the bytes sent, empty
// when there is none.
//
// The key is the secret as text. It looks like base64, but CoinPayments does
// not decode it. Nothing stands between the parts, so a verifier must bound
// each of them, or one signature can be read as two different requests.
func SignRequest(secret, method, url, clientID, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range []string{byteOrderMark, method, url, clientID, timestamp} {
		mac.Write([]byte(part))
	}
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// StandardSignature returns one Standard Webhooks signature, "v1,<base64>",
// for the webhook-signature header. The id is the webhook-id and the timestamp
// the webhook-timestamp, in Unix seconds. The key is what the secret decodes
// to. A secret that is not base64, or of nothing, has no Standard Webhooks
// signature: the result is empty, never the HMAC under an empty key.
func StandardSignature(secret, id string, timestamp int64, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(key) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + strconv.FormatInt(timestamp, 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// SameSignature tells in constant time whether the signature got is the one
// wanted. The texts are compared, not the bytes they decode to, so a signature
// has one spelling only. An empty signature is nobody's: two of them are not
// the same.
func SameSignature(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// Secret is one of a client's secrets. ID tells it from the client's others and
// may be shown; Text may not.
type Secret struct {
	ID   int64
	Text string
}

// SecretTexts is the texts of secrets.
func SecretTexts(secrets []Secret) []string {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Text
	}
	return texts
}

// SignedHeaders returns the headers that sign one attempt to deliver a
// notification, as name and value, always in the same order: the three of
// CoinPayments, then the three of Standard Webhooks. The names must reach the
// wire as they are written here.
//
// The secrets are the client's, the current one first; while a rotation lasts
// the old one follows, and Standard Webhooks carries a signature of each.
// CoinPayments has room for one, so the caller chooses coinpaymentsSecret. The
// url is the registered one, byte for byte. The now is the time of this
// attempt: receivers refuse a signature older than 300 s, so every attempt is
// signed again.
func SignedHeaders(secrets []string, coinpaymentsSecret string, clientID, url, notificationID string, now time.Time, body []byte) [][2]string {
	timestamp, unix := FormatTimestamp(now), now.Unix()
	standard := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		if signature := StandardSignature(secret, notificationID, unix, body); signature != "" {
			standard = append(standard, signature)
		}
	}
	return [][2]string{
		{HeaderClient, clientID},
		{HeaderTimestamp, timestamp},
		{HeaderSignature, SignRequest(coinpaymentsSecret, "POST", url, clientID, timestamp, body)},
		{"webhook-id", notificationID},
		{"webhook-timestamp", strconv.FormatInt(unix, 10)},
		{"webhook-signature", strings.Join(standard, " ")},
	}
}

// FormatTimestamp spells t as X-CoinPayments-Timestamp: UTC, whole seconds, no
// zone. The CoinPayments SDK calls every other spelling malformed.
func FormatTimestamp(t time.Time) string {
	return t.UTC().Format(timestampLayout)
}

// ParseTimestamp reads every spelling of X-CoinPayments-Timestamp that live
// clients send: 2026-01-02T03:04:05, with or without a fraction of up to nine
// digits, followed by nothing (which means UTC), Z, or an offset such as
// +00:00. Everything else is Invalid. The result is in UTC.
func ParseTimestamp(s string) (time.Time, error) {
	if len(s) < len(timestampLayout) || len(s) > maxTimestamp {
		return time.Time{}, errTimestamp()
	}
	seconds, rest := s[:len(timestampLayout)], s[len(timestampLayout):]
	t, err := time.Parse(timestampLayout, seconds)
	if err != nil || t.Format(timestampLayout) != seconds { // Parse alone is more lenient than its layout
		return time.Time{}, errTimestamp()
	}
	fraction, rest, ok := cutFraction(rest)
	if !ok {
		return time.Time{}, errTimestamp()
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return time.Time{}, errTimestamp()
	}
	return t.Add(fraction - offset), nil
}

func errTimestamp() error {
	return Errorf(Invalid, "The timestamp must look like 2026-01-02T03:04:05, in UTC; a fraction of up to nine digits and a zone (Z or +00:00) may follow.")
}

// cutFraction takes a leading fraction of a second, if there is one, off s.
func cutFraction(s string) (fraction time.Duration, rest string, ok bool) {
	if !strings.HasPrefix(s, ".") {
		return 0, s, true
	}
	s = s[1:]
	unit := time.Second
	for len(s) > 0 && isDigit(s[0]) {
		if unit == 1 {
			return 0, "", false // a tenth digit
		}
		unit /= 10
		fraction += unit * time.Duration(s[0]-'0')
		s = s[1:]
	}
	return fraction, s, unit < time.Second
}

// parseOffset reads a whole time zone: nothing and Z are UTC, else ±HH:MM.
func parseOffset(s string) (time.Duration, bool) {
	if s == "" || s == "Z" {
		return 0, true
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	for _, i := range []int{1, 2, 4, 5} {
		if !isDigit(s[i]) {
			return 0, false
		}
	}
	hours, minutes := int(s[1]-'0')*10+int(s[2]-'0'), int(s[4]-'0')*10+int(s[5]-'0')
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
