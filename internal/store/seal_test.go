package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/paybell/paybell"
)

// keyLine is a line of a key file whose key is 32 times b.
func keyLine(b byte) string {
	key := bytes.Repeat([]byte{b}, 32)
	return keyID(key) + " " + base64.StdEncoding.EncodeToString(key)
}

// keyring opens a key file with these lines.
func keyring(t testing.TB, lines ...string) *Keyring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealAndOpen(t *testing.T) {
	k := keyring(t, keyLine(1))
	for _, plaintext := range [][]byte{nil, []byte("s"), []byte("whsec_x\x00\xff"), make([]byte, 100_000)} {
		sealed := k.Seal(plaintext, "client-secret/c1")
		if !strings.HasPrefix(sealed, "v1."+k.Fingerprint()+".") {
			t.Errorf("sealed as %.20s", sealed)
		}
		if strings.Trim(sealed, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") != "" {
			t.Errorf("%.40s has other characters than it should", sealed)
		}
		if k.Seal(plaintext, "client-secret/c1") == sealed {
			t.Error("sealed twice alike")
		}
		opened, err := k.Open(sealed, "client-secret/c1")
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("%d bytes came back as %d bytes, %v", len(plaintext), len(opened), err)
		}
	}
}

// sealedBefore was sealed once, by keyLine(1) for "client-secret/c1".
const sealedBefore = "v1.72cd6e84.h6exq3mnHRrIR3am57HXGSqErMezErPtkBG0vAkGyDIxhbZUtKbHxB43I4UXRQ"

// TestSealedBefore pins the format: what older releases wrote must open.
func TestSealedBefore(t *testing.T) {
	opened, err := keyring(t, keyLine(1)).Open(sealedBefore, "client-secret/c1")
	if err != nil || string(opened) != "a secret from 2026" {
		t.Errorf("opened %q, %v", opened, err)
	}
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	k := keyring(t, keyLine(1), keyLine(2))
	other := keyring(t, keyLine(2)).Fingerprint()
	sealed := k.Seal([]byte("secret"), "client-secret/c1")
	body := sealed[len("v1.12345678."):]
	id := k.Fingerprint()

	refused := map[string]string{
		"empty":              "",
		"plain":              "secret",
		"no body":            "v1." + id + ".",
		"no dots":            strings.ReplaceAll(sealed, ".", ""),
		"other version":      "v2." + sealed[3:],
		"other key":          "v1." + other + "." + body,
		"upper-case id":      "v1." + strings.ToUpper("abcdef01") + "." + body,
		"long id":            "v1." + id + "0." + body,
		"short":              sealed[:len(sealed)-1],
		"shorter than a tag": "v1." + id + ".AAAA",
		"long":               sealed + "A",
		"padded":             sealed + "=",
		"line break":         sealed + "\n",
		"line break inside":  sealed[:20] + "\r\n" + sealed[20:],
		"not base64":         "v1." + id + ".!" + body[1:],
	}
	for name, text := range refused {
		if opened, err := k.Open(text, "client-secret/c1"); !errors.Is(err, errNotSealed) || opened != nil {
			t.Errorf("%s: opened %q, %v", name, opened, err)
		}
	}
	for _, context := range []string{"", "client-secret/c2", "client-secret/c1 ", "client-secret/C1"} {
		if opened, err := k.Open(sealed, context); !errors.Is(err, errNotSealed) || opened != nil {
			t.Errorf("context %q: opened %q, %v", context, opened, err)
		}
	}
}

func TestOpenRefusesEveryFlippedBit(t *testing.T) {
	k := keyring(t, keyLine(1))
	sealed := k.Seal([]byte("secret"), "c")
	prefix := sealed[:len("v1.12345678.")]
	box, err := base64.RawURLEncoding.DecodeString(sealed[len(prefix):])
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(box) * 8 {
		box[i/8] ^= 1 << (i % 8)
		if _, err := k.Open(prefix+base64.RawURLEncoding.EncodeToString(box), "c"); !errors.Is(err, errNotSealed) {
			t.Errorf("bit %d: %v", i, err)
		}
		box[i/8] ^= 1 << (i % 8)
	}
}

func TestOpenWithoutTheKeyNamesIt(t *testing.T) {
	old := keyring(t, keyLine(1))
	sealed := old.Seal([]byte("secret"), "c")
	_, err := keyring(t, keyLine(2)).Open(sealed, "c")
	if !errors.Is(err, errUnknownKey) || !strings.Contains(err.Error(), old.Fingerprint()) {
		t.Errorf("error %v, want one that names key %s", err, old.Fingerprint())
	}
	if strings.Contains(err.Error(), sealed[12:20]) {
		t.Errorf("error shows the text: %v", err)
	}
}

func TestRotatedKeysOpenOldAndSealNew(t *testing.T) {
	before := keyring(t, keyLine(1))
	sealed := before.Seal([]byte("secret"), "c")
	after := keyring(t, "# rotated", "", keyLine(2)+"  # current", "\t"+keyLine(1)+"\r")
	if opened, err := after.Open(sealed, "c"); err != nil || string(opened) != "secret" {
		t.Errorf("opened %q, %v", opened, err)
	}
	if after.Fingerprint() == before.Fingerprint() || after.Fingerprint() != keyring(t, keyLine(2)).Fingerprint() {
		t.Errorf("the current key is %s", after.Fingerprint())
	}
	if _, err := before.Open(after.Seal([]byte("secret"), "c"), "c"); !errors.Is(err, errUnknownKey) {
		t.Errorf("sealed with the old key: %v", err)
	}
}

func TestFirstStartMakesTheKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	first, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	second, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := second.Open(first.Seal([]byte("secret"), "c"), "c"); err != nil || string(opened) != "secret" {
		t.Errorf("after a restart: %q, %v", opened, err)
	}
	elsewhere, err := OpenKeyring(filepath.Join(dir, "key2"))
	if err != nil || elsewhere.Fingerprint() == first.Fingerprint() {
		t.Errorf("another first start: %v, %v", elsewhere, err)
	}
}

func TestFirstStartWhereItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	nowhere := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "gone"), nowhere); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing", "key"), nowhere} {
		if k, err := OpenKeyring(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, %v", path, k, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// TestFirstStartThatComesSecond is the race in slow motion: it saw no file, and
// now there is one.
func TestFirstStartThatComesSecond(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if _, err := OpenKeyring(path); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if err := makeKeyFile(path); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the first key is gone, %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestFirstStartsAtOnce(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "key")
		const starts = 8
		var rings [starts]*Keyring
		var errs [starts]error
		var all sync.WaitGroup
		for i := range starts {
			all.Go(func() { rings[i], errs[i] = OpenKeyring(path) })
		}
		all.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		sealed := rings[0].Seal([]byte("secret"), "c")
		for _, k := range rings {
			if _, err := k.Open(sealed, "c"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Some tests run this binary again, for TestKeyFileChild alone.
const (
	childKeyFile  = "STORE_TEST_KEY_FILE"
	childFileSize = "STORE_TEST_FILE_SIZE" // how much it can write to a file before it dies
)

// TestKeyFileChild makes or opens a key file and says which key it has. It does
// nothing in the parent.
func TestKeyFileChild(t *testing.T) {
	path := os.Getenv(childKeyFile)
	if path == "" {
		return
	}
	if size, err := strconv.ParseUint(os.Getenv(childFileSize), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size}); err != nil {
			t.Fatal(err)
		}
	}
	k, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nchild has key %s\n", k.Fingerprint())
}

func runKeyFileChild(env ...string) ([]byte, error) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKeyFileChild$")
	cmd.Env = append(os.Environ(), env...)
	return cmd.CombinedOutput()
}

func TestFirstStartsOfProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var outputs [4][]byte
	var errs [4]error
	var all sync.WaitGroup
	for i := range outputs {
		all.Go(func() { outputs[i], errs[i] = runKeyFileChild(childKeyFile + "=" + path) })
	}
	all.Wait()
	k, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, out := range outputs {
		if errs[i] != nil || !bytes.Contains(out, []byte("child has key "+k.Fingerprint())) {
			t.Errorf("child %d, want key %s: %v\n%s", i, k.Fingerprint(), errs[i], out)
		}
	}
}

// TestCrashInTheMiddle lets a first start die while it writes: beyond the limit
// on file size the kernel sends SIGXFSZ.
func TestCrashInTheMiddle(t *testing.T) {
	for _, size := range []int{0, 1, 100, len(newKeyFile()) - 1} {
		path := filepath.Join(t.TempDir(), "key")
		out, err := runKeyFileChild(childKeyFile+"="+path, fmt.Sprintf("%s=%d", childFileSize, size))
		if err == nil || bytes.Contains(out, []byte("child has key")) {
			t.Fatalf("%d bytes: the child did not die: %v\n%s", size, err, out)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%d bytes: there is a key file: %v", size, err)
		}
		if _, err := OpenKeyring(path); err != nil {
			t.Errorf("%d bytes: next start: %v", size, err)
		}
	}
}

func TestKeyFileOpenToOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := OpenKeyring(path); err != nil {
		t.Fatal(err)
	}
	for mode := os.FileMode(0); mode <= 0o777; mode++ {
		// Our own right to read is not the question, and root has it anyway.
		if err := os.Chmod(path, mode|0o400); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKeyring(path)
		if open := mode&0o077 != 0; !open && err != nil {
			t.Errorf("mode %04o: %v", mode|0o400, err)
		} else if open && (paybell.CodeOf(err) != paybell.Invalid || !strings.Contains(err.Error(), "chmod 600 "+path)) {
			t.Errorf("mode %04o: error %v, want advice", mode|0o400, err)
		}
	}
}

func TestDamagedKeyFileIsRefusedAndKept(t *testing.T) {
	good := keyLine(1)
	id, key, _ := strings.Cut(good, " ")
	for name, text := range map[string]string{
		"empty":             "",
		"only comments":     "# " + good + "\n",
		"garbage":           "SQLite format 3\x00\x10\x00",
		"no id":             key,
		"no key":            id,
		"half a key":        good[:30],
		"key without end":   strings.TrimSuffix(good, "="),
		"short key":         id + " " + base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"loose bits":        strings.TrimSuffix(good, "E=") + "F=",
		"id of another key": keyLine(2)[:8] + " " + key,
		"upper-case id":     "ABCDEF01 " + key,
		"three words":       good + " current",
		"twice":             good + "\n" + good,
		"good, then bad":    good + "\n" + keyLine(2)[:20],
		"too large":         good + "\n" + strings.Repeat("#\n", maxKeyFile/2),
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := OpenKeyring(path)
		if k != nil || paybell.CodeOf(err) != paybell.Invalid {
			t.Errorf("%s: %v, %v", name, k, err)
			continue
		}
		if strings.Contains(err.Error(), key[:8]) || strings.Contains(err.Error(), "SQLite") {
			t.Errorf("%s: the error shows what is in the file: %v", name, err)
		}
		if is, _ := os.ReadFile(path); string(is) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := OpenKeyring(t.TempDir()); paybell.CodeOf(err) != paybell.Invalid {
		t.Errorf("a directory: %v", err)
	}
}

func TestKeyringDoesNotTalk(t *testing.T) {
	var secrets []string // the key as text, and as fmt would print bytes and words of it
	key := bytes.Repeat([]byte{171}, 32)
	for _, s := range []string{
		hex.EncodeToString(key[:4]), base64.StdEncoding.EncodeToString(key)[:8],
		fmt.Sprint(key[:4])[1:12], "0xab, 0xab", fmt.Sprint(0xabababab), "0xabababab",
	} {
		secrets = append(secrets, s, strings.ToUpper(s))
	}
	k := keyring(t, keyLine(171), keyLine(1))
	// fmt may not call the methods of private fields.
	holder, pointer := struct{ inside Keyring }{*k}, struct{ inside *Keyring }{k}

	var said bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%c", "%08b"} {
		for _, v := range []any{k, *k, &k, holder, &holder, pointer, &pointer, k.held, k.known(), k.known()[0], []*Keyring{k}, []Keyring{*k}} {
			fmt.Fprintf(&said, verb+"\n", v)
		}
	}
	said.WriteString(k.GoString())
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&said, nil)), slog.New(slog.NewJSONHandler(&said, nil))} {
		log.Info("keys", "k", k, "copy", *k, "holder", holder, "pointer", pointer, "list", []*Keyring{k})
	}
	if err := json.NewEncoder(&said).Encode([]any{k, *k, holder}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(said.String()) {
		for _, s := range secrets {
			if strings.Contains(line, s) {
				t.Errorf("%q was shown: %.200s", s, line)
			}
		}
	}
	for _, format := range []string{"%v", "%#v", "%s"} {
		if got, want := fmt.Sprintf(format, k), k.String(); got != want || !strings.Contains(got, k.Fingerprint()) {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	const sealedFor = "client-secret/c1"
	k := keyring(f, keyLine(1), keyLine(2))
	f.Add(sealedBefore, sealedFor)
	f.Add(sealedBefore, "client-secret/c2")
	f.Add(sealedBefore+"\n", sealedFor)
	f.Add("v1."+k.Fingerprint()+".", "c")
	f.Add("v1.00000000.AAAA", "")
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, text, context string) {
		opened, err := k.Open(text, context)
		if err == nil && (text != sealedBefore || context != sealedFor) {
			t.Errorf("%q with %q opened as %q, and was never sealed", text, context, opened)
		}
		if err != nil && !errors.Is(err, errNotSealed) && !errors.Is(err, errUnknownKey) {
			t.Errorf("error %v", err)
		}
		if again, err := k.Open(k.Seal([]byte(text), context), context); err != nil || string(again) != text {
			t.Errorf("sealed %q with %q, opened %q, %v", text, context, again, err)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(newKeyFile()))
	f.Add([]byte(keyLine(1) + "\n" + keyLine(2) + "#x\r\n"))
	f.Add([]byte("#"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
}
