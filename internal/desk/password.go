package desk

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Passwords are kept as Argon2id hashes (RFC 9106) with the least cost that OWASP
// recommends, in the form of the PHC string format. The cost stands in each hash:
// raised here, the old ones stay good.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16 // bytes
	argonKey     = 32
)

// hashing is how many passwords are hashed at a time: each takes 19 MiB and tens
// of milliseconds.
var hashing = make(chan struct{}, 4)

// hashPassword is what is kept of a password.
func hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails
	key, err := argon(ctx, password, salt, argonTime, argonMemory, argonThreads, argonKey)
	return phc(salt, key), err
}

func phc(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64(salt), b64(key))
}

// nobody is the hash of no password. What it is compared with is wrong, at the
// same cost.
var nobody = phc(make([]byte, argonSalt), make([]byte, argonKey))

// samePassword reports whether hash is that of password. An empty hash is that of
// none, which takes as long to find out.
func samePassword(ctx context.Context, hash, password string) (bool, error) {
	if hash == "" {
		hash = nobody
	}
	parts := strings.Split(hash, "$")
	var version int
	var memory, times uint32
	var threads uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errHash
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &times, &threads); err != nil || version != argon2.Version {
		return false, errHash
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(want) < 16 || times < 1 || threads < 1 {
		return false, errHash
	}
	got, err := argon(ctx, password, salt, times, memory, threads, uint32(len(want)))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1 && hash != nobody, err
}

var errHash = fmt.Errorf("the hash of a password is damaged")

// argon waits for its turn and hashes.
func argon(ctx context.Context, password string, salt []byte, times, memory uint32, threads uint8, size uint32) ([]byte, error) {
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, times, memory, threads, size), nil
}
