package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	run "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// safe is a store at a place whose key file is rotated, and what is sealed in it.
type safe struct {
	t       *testing.T
	place   place
	keyFile string
	mu      sync.Mutex
	secrets map[string]string // by client
	factors map[string]string // by user
	closed  map[*store.DB]bool
}

func newSafe(t *testing.T, p place) *safe {
	return &safe{t: t, place: p, keyFile: filepath.Join(t.TempDir(), "paybell.key"), secrets: map[string]string{}, factors: map[string]string{}, closed: map[*store.DB]bool{}}
}

// open opens the store as a process of its own does, with a keyring of its own.
func (s *safe) open() *store.DB {
	s.t.Helper()
	keys, err := store.OpenKeyring(s.keyFile)
	if err != nil {
		s.t.Fatal(err)
	}
	db := mustOpen(s.t, s.place, store.Options{Keys: keys, Migrate: true})
	s.t.Cleanup(func() {
		if !s.closed[db] {
			s.close(db)
		}
	})
	return db
}

func (s *safe) close(db *store.DB) {
	s.t.Helper()
	mustClose(s.t, db)
	s.closed[db] = true
}

// seal puts a new client and a new user into the store.
func (s *safe) seal(db *store.DB, name string) error {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := paybell.Merchant{ID: paybell.NewUUID(at), Name: name, CreatedAt: at}
	c := paybell.Client{ID: paybell.NewClientID(), MerchantID: m.ID, Name: name, State: paybell.ClientActive, CreatedAt: at}
	u := paybell.User{ID: paybell.NewUUID(at), MerchantID: m.ID, Email: name + "@shop.example", Name: name, Role: paybell.RoleOwner, CreatedAt: at}
	err := store.Do(context.Background(), db, func(tx *store.Tx) error {
		return errors.Join(tx.CreateMerchant(m), tx.CreateClient(c, "secret of "+name), tx.CreateUser(u, "hash"),
			tx.SetPendingFactor(u.ID, "factor of "+name), tx.ConfirmFactor(u.ID, 1), tx.SetPendingFactor(u.ID, "next factor of "+name))
	})
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.secrets[c.ID], s.factors[u.ID] = "secret of "+name, "factor of "+name
	}
	return err
}

// check fails unless everything opens.
func (s *safe) check(when string, db *store.DB) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, want := range s.secrets {
		if got, err := secrets(db, id); err != nil || len(got) != 1 || got[0] != want {
			s.t.Fatalf("%s: %s: a client's secret is %q, %v; want %q", s.place.name, when, got, err, want)
		}
	}
	for id, want := range s.factors {
		c, err := store.View(context.Background(), db, func(tx *store.Tx) (store.Credentials, error) { return tx.Credentials(id) })
		if err != nil || c.Factor != want || c.Pending != "next "+want {
			s.t.Fatalf("%s: %s: a user's factors are %q and %q, %v; want %q", s.place.name, when, c.Factor, c.Pending, err, want)
		}
	}
}

// usedKeys are the ids of the keys that something is sealed with.
func usedKeys(t testing.TB, raw *sql.DB) []string {
	return texts(t, raw, `SELECT DISTINCT substr(sealed, 4, 8) FROM (SELECT sealed FROM secrets UNION SELECT factor FROM users UNION SELECT pending_factor FROM users) AS s
		WHERE sealed <> '' ORDER BY 1`)
}

// fileKeys are the ids in a key file.
func fileKeys(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		if id, _, ok := strings.Cut(line, " "); ok && id != "#" {
			ids = append(ids, id)
		}
	}
	return ids
}

// One process serves, another rotates and drops the old key. The server has to
// notice by itself, whether it reads first or seals first.
func TestRotateKey(t *testing.T) {
	for _, p := range places(t) {
		s := newSafe(t, p)
		reads, seals, idle := s.open(), s.open(), s.open()
		for i := range 130 { // more than one step
			if err := s.seal(reads, fmt.Sprint("before-", i)); err != nil {
				t.Fatal(err)
			}
		}
		old := fileKeys(t, s.keyFile)
		cli := s.open()
		r, err := cli.RotateKey(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if r.Resealed != 3*130 || len(r.Old) != 1 || r.Old[0] != old[0] || r.Key == old[0] {
			t.Errorf("%s: %+v, the old key was %s", p.name, r, old)
		}
		s.check("after the rotation", reads)
		if err := s.seal(seals, "after"); err != nil {
			t.Fatal(err)
		}
		if got := usedKeys(t, p.raw(t)); len(got) != 1 || got[0] != r.Key {
			t.Errorf("%s: sealed with %s, want only %s", p.name, got, r.Key)
		}
		again, err := cli.DropOldKeys(context.Background())
		if err != nil || again.Key != r.Key || again.Resealed != 0 || len(again.Old) != 1 {
			t.Errorf("%s: %+v, %v", p.name, again, err)
		}
		if got := fileKeys(t, s.keyFile); len(got) != 1 || got[0] != r.Key {
			t.Errorf("%s: the key file has %s, want only %s", p.name, got, r.Key)
		}
		// One that has heard of nothing still has the old key in memory only.
		if err := s.seal(idle, "late"); err != nil {
			t.Fatal(err)
		}
		for name, db := range map[string]*store.DB{"reads": reads, "seals": seals, "idle": idle, "cli": cli, "new": s.open()} {
			s.check("after dropping, "+name, db)
		}
		if got := usedKeys(t, p.raw(t)); len(got) != 1 || got[0] != r.Key {
			t.Errorf("%s: sealed with %s at last, want only %s", p.name, got, r.Key)
		}
		if last, err := cli.DropOldKeys(context.Background()); err != nil || len(last.Old) != 0 {
			t.Errorf("%s: dropped twice: %+v, %v", p.name, last, err)
		}
	}
}

// Clients and users are made, and all is read, while the key is rotated and dropped
// again and again.
func TestRotateKeyUnderLoad(t *testing.T) {
	for _, p := range places(t) {
		s := newSafe(t, p)
		server, cli := s.open(), s.open()
		if err := s.seal(server, "first"); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := 0; ctx.Err() == nil && n < 100; n++ {
					if err := s.seal(server, fmt.Sprintf("load-%d-%d", i, n)); err != nil {
						t.Errorf("%s: %v", p.name, err)
						return
					}
				}
			})
		}
		for range 3 {
			if _, err := cli.RotateKey(ctx); err != nil {
				t.Errorf("%s: rotate: %v", p.name, err)
			}
			if _, err := cli.DropOldKeys(ctx); err != nil {
				t.Errorf("%s: drop: %v", p.name, err)
			}
			s.check("under load", server)
		}
		stop()
		all.Wait()
		s.check("at the end", s.open())
		if used, keys := usedKeys(t, p.raw(t)), fileKeys(t, s.keyFile); len(used) != 1 || len(keys) != 1 || used[0] != keys[0] {
			t.Errorf("%s: sealed with %s, and the key file has %s", p.name, used, keys)
		}
	}
}

func TestRotationsAtOnce(t *testing.T) {
	for _, p := range places(t) {
		s := newSafe(t, p)
		server := s.open()
		if err := s.seal(server, "client"); err != nil {
			t.Fatal(err)
		}
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			db := s.open()
			all.Go(func() { _, errs[i] = db.RotateKey(context.Background()) })
		}
		all.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if paybell.CodeOf(err) != paybell.Conflict {
				t.Errorf("%s: %v", p.name, err)
			}
		}
		if done == 0 {
			t.Errorf("%s: none was done", p.name)
		}
		s.check("afterwards", server)
		if got := len(fileKeys(t, s.keyFile)); got != 1+done {
			t.Errorf("%s: %d keys are in the file after %d rotations", p.name, got, done)
		}
	}
}

// A key file that was put back from before the rotation is refused, not used.
func TestRotateWithAnOldKeyFile(t *testing.T) {
	for _, p := range places(t) {
		s := newSafe(t, p)
		db := s.open()
		if err := s.seal(db, "client"); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		r, err := db.RotateKey(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.keyFile, before, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := db.RotateKey(context.Background()); paybell.CodeOf(err) != paybell.Conflict || !strings.Contains(err.Error(), r.Key) {
			t.Errorf("%s: rotated over it: %v", p.name, err)
		}
		if _, err := db.DropOldKeys(context.Background()); paybell.CodeOf(err) != paybell.Conflict {
			t.Errorf("%s: dropped from it: %v", p.name, err)
		}
		keys, err := store.OpenKeyring(s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, p, store.Options{Keys: keys, Migrate: true}, r.Key, "give the key file")
	}
}

// What does not open is not given up, and says whose it is.
func TestRotateOverDamage(t *testing.T) {
	for _, p := range places(t) {
		s := newSafe(t, p)
		db := s.open()
		c := newClient(t, db, "damaged", "secret")
		old := fileKeys(t, s.keyFile)[0]
		exec(t, p.raw(t), "UPDATE secrets SET sealed = sealed || 'A'")
		if _, err := db.RotateKey(context.Background()); err == nil || !strings.Contains(err.Error(), c.ID) {
			t.Errorf("%s: %v, want an error that names client %s", p.name, err, c.ID)
		}
		if _, err := db.DropOldKeys(context.Background()); err == nil {
			t.Errorf("%s: the old key was dropped", p.name)
		}
		if !strings.Contains(strings.Join(fileKeys(t, s.keyFile), " "), old) {
			t.Errorf("%s: the old key is gone from the file", p.name)
		}
		// It can be helped.
		if err := store.Do(context.Background(), db, func(tx *store.Tx) error { return tx.RotateSecret(c.ID, "new", time.Now(), time.Time{}) }); err != nil {
			t.Fatal(err)
		}
		if _, err := db.DropOldKeys(context.Background()); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if got, err := secrets(db, c.ID); err != nil || len(got) != 1 || got[0] != "new" {
			t.Errorf("%s: %q, %v", p.name, got, err)
		}
	}
}

// Comments, and the order of the other keys, stay.
func TestRotateKeepsTheFile(t *testing.T) {
	s := newSafe(t, sqlitePlace(t))
	s.close(s.open())
	text, err := os.ReadFile(s.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.keyFile, []byte("# mine\n\n"+string(text)+"# end"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := s.keyFile + ".link"
	if err := os.Symlink(s.keyFile, link); err != nil {
		t.Fatal(err)
	}
	s.keyFile = link
	if _, err := s.open().RotateKey(context.Background()); err != nil {
		t.Fatal(err)
	}
	changed, err := os.ReadFile(link)
	if err != nil {
		t.Fatal(err)
	}
	var rest []string
	added := 0
	for line := range strings.Lines(string(changed)) {
		if strings.Contains(string(text)+"# mine\n\n# end", line) {
			rest = append(rest, line)
		} else {
			added++
		}
	}
	if added != 1 || strings.Join(rest, "") != "# mine\n\n"+string(text)+"# end" {
		t.Errorf("the file is now %d lines longer:\n%s", added, rest)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(link); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// The child of TestKillRotation kills itself at one of the points where a machine can
// fail.
const (
	childRotate = "STORE_TEST_ROTATE" // the data directory, in which the key file is
	childPoint  = "STORE_TEST_POINT"
	childDrop   = "STORE_TEST_DROP"
)

func TestRotateChild(t *testing.T) {
	dir := os.Getenv(childRotate)
	if dir == "" {
		return
	}
	left, err := strconv.Atoi(os.Getenv(childPoint))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := store.OpenKeyring(filepath.Join(dir, "paybell.key"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Fault: func(store.FaultPoint) error {
		if left--; left < 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	rotate := db.RotateKey
	if os.Getenv(childDrop) != "" {
		rotate = db.DropOldKeys
	}
	if _, err := rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
}

// A rotation is killed at each of its steps, and so is the dropping. Everything opens
// after each, for the server that runs and for a new one, and can be gone on with.
func TestKillRotation(t *testing.T) {
	dir := t.TempDir()
	s := newSafe(t, sqliteAt(dir))
	s.keyFile = filepath.Join(dir, "paybell.key")
	server := s.open()
	for i := range 2 {
		if err := s.seal(server, fmt.Sprint("before-", i)); err != nil {
			t.Fatal(err)
		}
	}
	rotate := func(point int, drop string) (done bool) {
		t.Helper()
		cmd := run.Command(os.Args[0], "-test.run=^TestRotateChild$")
		cmd.Env = append(os.Environ(), childRotate+"="+dir, childPoint+"="+strconv.Itoa(point), childDrop+"="+drop)
		out, err := cmd.CombinedOutput()
		var exit *run.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
			return false
		}
		if err != nil {
			t.Fatalf("point %d: %v\n%s", point, err, out)
		}
		return true
	}
	kills := 0
	for _, drop := range []string{"", "drop"} {
		for point := 0; !rotate(point, drop); point++ {
			kills++
			when := fmt.Sprintf("killed at point %d %s", point, drop)
			s.check(when+", the server", server)
			fresh := s.open()
			s.check(when+", a new one", fresh)
			if point%4 == 3 { // now and then it is gone on with at once
				if _, err := fresh.RotateKey(context.Background()); err != nil {
					t.Fatalf("%s: gone on: %v", when, err)
				}
				s.check(when+", gone on", server)
			}
			if err := s.seal(fresh, fmt.Sprintf("%s-%d", "after"+drop, point)); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			s.close(fresh)
		}
		s.check("done "+drop, server)
	}
	if kills < 15 {
		t.Errorf("only %d points were found: this test sees nothing", kills)
	}
	if used, keys := usedKeys(t, s.place.raw(t)), fileKeys(t, s.keyFile); len(used) != 1 || len(keys) != 1 || used[0] != keys[0] {
		t.Errorf("sealed with %s, and the key file has %s", used, keys)
	}
}
