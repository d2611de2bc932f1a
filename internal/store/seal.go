package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/paybell/paybell"
)

// Keyring seals the secrets that the store keeps, so that the database alone, or
// a backup of it, gives none away. Which of the keys seals is written in the
// store; the others are there to open what was sealed before a rotation. It may be
// used by many goroutines, and copies of it are the same one.
//
// A key that it meets and does not know may have been made since: it reads the key
// file again. Keys that it knows it keeps until the process ends.
//
// A Keyring never shows its keys, however it is printed or logged.
type Keyring struct {
	path string
	held *heldKeys
}

type heldKeys struct {
	mu   sync.RWMutex
	keys []sealKey // at least one, each with its own id; replaced, never changed
}

// sealKey keeps the cipher behind a function: of a function fmt can only print
// the address. In a private field of somebody's struct our String is not called,
// and given a verb that does not fit (%s) fmt would follow a pointer to the
// cipher and print the key in it.
type sealKey struct {
	id   string
	aead func() cipher.AEAD
}

const (
	sealVersion = "v1"
	sealKeySize = 32 // AES-256
	// maxKeyFile stops us from reading a database that was named by mistake.
	maxKeyFile = 64 << 10
)

var (
	errUnknownKey = errors.New("the key is not in the key file")
	errNotSealed  = errors.New("this is not what was sealed here: damaged, moved or forged")
)

// OpenKeyring reads the key file at path. If there is none it makes one with a
// new key. Several processes may do so at once: all end with the same key.
//
// A crash leaves no key file or a whole one, and a returned key is on the disk:
// nothing is ever sealed with a key that a power cut could take away. (A
// .paybell-key file beside it may stay; it was never used and may be deleted.)
//
// A file that others can read, or that is damaged, is refused with Invalid, and
// never overwritten.
func OpenKeyring(path string) (*Keyring, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKeyFile(path); err != nil {
			return nil, fmt.Errorf("make the key file: %w", err)
		}
	} else {
		// Whoever made it may be about to sync its name, or have died before.
		// When we may not open the directory it was not made by Paybell here.
		_ = syncDir(filepath.Dir(path))
	}
	return ReadKeyring(path)
}

// ReadKeyring is OpenKeyring for who must not make a key file: one that is not
// there is NotFound.
func ReadKeyring(path string) (*Keyring, error) {
	_, keys, err := readKeys(path)
	if err != nil {
		return nil, err
	}
	return &Keyring{path: path, held: &heldKeys{keys: keys}}, nil
}

// readKeys reads a key file: its text, and the keys in it.
func readKeys(path string) ([]byte, []sealKey, error) {
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &paybell.Error{Code: paybell.NotFound, Detail: fmt.Sprintf("there is no key file %s", path), Err: err}
	}
	if err != nil {
		return nil, nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, nil, paybell.Errorf(paybell.Invalid, "key file %s: %w; put the right file back, from your backup", path, err)
	}
	return text, keys, nil
}

// known are the keys that were read so far.
func (k *Keyring) known() []sealKey {
	k.held.mu.RLock()
	defer k.held.mu.RUnlock()
	return k.held.keys
}

// reload reads the key file again. The keys in it come first, in their order.
func (k *Keyring) reload() error {
	k.held.mu.Lock()
	defer k.held.mu.Unlock()
	_, keys, err := readKeys(k.path)
	if err != nil {
		return err
	}
	for _, old := range k.held.keys {
		if !hasKey(keys, old.id) {
			keys = append(keys, old)
		}
	}
	k.held.keys = keys
	return nil
}

func hasKey(keys []sealKey, id string) bool {
	return slices.ContainsFunc(keys, func(k sealKey) bool { return k.id == id })
}

// find is the key with this id, if need be after another look at the key file.
func (k *Keyring) find(id string) (sealKey, error) {
	for again := false; ; again = true {
		for _, key := range k.known() {
			if key.id == id {
				return key, nil
			}
		}
		if again {
			return sealKey{}, errUnknownKey
		}
		if err := k.reload(); err != nil {
			return sealKey{}, fmt.Errorf("%w, which cannot be read: %w", errUnknownKey, err)
		}
	}
}

// lacks are those of the ids that the key file does not have.
func (k *Keyring) lacks(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, err := k.find(id)
		return err == nil
	})
}

// makeKeyFile writes a new key file to a temporary name and links it into place.
// The link fails if somebody else was first; then theirs stays, which is fine.
func makeKeyFile(path string) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".paybell-key-*") // mode 0600, O_EXCL
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(newKeyFile())
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// newKeyFile is the text of a key file with one random key.
func newKeyFile() string {
	key := newKey()
	return "# The keys that seal the secrets in Paybell's database. Without this file they are lost:\n" +
		"# back it up, in another place than the database.\n" +
		"# One key a line: its id, and 32 bytes in base64. The newest seals, all open: leave\n" +
		"# changes to `paybell key rotate`.\n" +
		keyLineOf(key)
}

// newKey is a random key.
func newKey() []byte {
	key := make([]byte, sealKeySize)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	return key
}

// keyLineOf is the line of a key in the key file.
func keyLineOf(key []byte) string {
	return keyID(key) + " " + base64.StdEncoding.EncodeToString(key) + "\n"
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readKeyFile reads the file if only its owner can.
func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, not of what has the name by now
	if err != nil {
		return nil, fmt.Errorf("open the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, paybell.Errorf(paybell.Invalid, "key file %s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, paybell.Errorf(paybell.Invalid, "key file %s is open to other users (mode %04o); close it with: chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, paybell.Errorf(paybell.Invalid, "key file %s is too large to be one (over %d KiB)", path, maxKeyFile>>10)
	}
	return text, nil
}

// parseKeys reads the lines of a key file. Its errors name lines, never what is
// in them.
func parseKeys(text []byte) ([]sealKey, error) {
	var keys []sealKey
	known := map[string]bool{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		fields := keyFields(line)
		if len(fields) == 0 {
			continue
		}
		k, err := parseKey(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if known[k.id] {
			return nil, fmt.Errorf("line %d: the key stands there twice", number)
		}
		known[k.id] = true
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

// keyFields are the words of a line of a key file, without the comment.
func keyFields(line []byte) []string {
	line, _, _ = bytes.Cut(line, []byte("#"))
	return strings.Fields(string(line))
}

func parseKey(fields []string) (sealKey, error) {
	if len(fields) != 2 {
		return sealKey{}, errors.New(`not of the form "<key id> <base64 of 32 bytes>"`)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil || len(key) != sealKeySize {
		return sealKey{}, errors.New("the key is not 32 bytes in base64")
	}
	if keyID(key) != fields[0] {
		return sealKey{}, errors.New("the key does not match its id")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sealKey{}, err
	}
	return sealKey{id: fields[0], aead: func() cipher.AEAD { return aead }}, nil
}

// keyID names a key without telling it: the first 8 hex digits of its SHA-256.
func keyID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:4])
}

// Seal encrypts plaintext with the first key of the file and returns text to store:
// "v1.<key id>.<base64url>". The context says what it belongs to, for instance
// "client-secret/<client id>"; Open wants the same, so that sealed text moved to
// another row does not open. The context is not part of the text and not secret.
//
// The same plaintext gives another text each time. The nonces are random, so a
// key is good for 2^32 seals (NIST SP 800-38D, 8.3): more than we shall need.
func (k *Keyring) Seal(plaintext []byte, context string) string {
	return k.known()[0].seal(plaintext, context)
}

func (k sealKey) seal(plaintext []byte, context string) string {
	return sealedBy(k.id) + base64.RawURLEncoding.EncodeToString(k.aead().Seal(nil, nil, plaintext, []byte(context)))
}

// sealedBy is how the text begins that a key has sealed.
func sealedBy(id string) string { return sealVersion + "." + id + "." }

// Open gives back what Seal was given with the same context. Its errors name the
// key at most, never the text.
func (k *Keyring) Open(sealed, context string) ([]byte, error) {
	id, box, err := parseSealed(sealed)
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	key, err := k.find(id)
	if err != nil {
		return nil, fmt.Errorf("open a secret, key %s: %w", id, err)
	}
	plaintext, err := key.aead().Open(nil, nil, box, []byte(context))
	if err != nil {
		return nil, fmt.Errorf("open a secret, key %s: %w", id, errNotSealed)
	}
	return plaintext, nil
}

// parseSealed takes sealed text apart. It accepts only the exact text that Seal
// writes; the id it returns is safe to show.
func parseSealed(sealed string) (id string, box []byte, err error) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, text, _ := strings.Cut(rest, ".")
	if version != sealVersion || !isKeyID(id) {
		return "", nil, errNotSealed
	}
	box, err = base64.RawURLEncoding.DecodeString(text)
	// The decoder passes over line breaks and loose bits at the end.
	if err != nil || base64.RawURLEncoding.EncodeToString(box) != text {
		return "", nil, errNotSealed
	}
	return id, box, nil
}

func keyIDs(keys []sealKey) []string {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.id
	}
	return ids
}

func isKeyID(id string) bool {
	return len(id) == 8 && strings.Trim(id, "0123456789abcdef") == ""
}

// Fingerprint names the first key of the file. It tells nothing about it, and may be
// stored and shown.
func (k *Keyring) Fingerprint() string { return k.known()[0].id }

// The methods below have value receivers, so that a copy does not talk either.

// String names the keys by their ids.
func (k Keyring) String() string {
	return "keyring[" + strings.Join(keyIDs(k.known()), " ") + "]"
}

// Format prints String for every verb.
func (k Keyring) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// GoString is String, for who calls it without fmt.
func (k Keyring) GoString() string { return k.String() }

// LogValue is String, for slog.
func (k Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }
