package store

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// saved is a store whose key file is in its directory, with a backup of it.
type saved struct {
	t              *testing.T
	dir, key, file string
	client         string
}

// newSaved makes a store with a client, a user who is signed in, a wallet that gave out
// 40 addresses, 30 of them on one day, and takes a backup.
func newSaved(t *testing.T) *saved {
	t.Helper()
	k := &saved{t: t, dir: t.TempDir(), client: paybell.NewClientID()}
	k.key, k.file = filepath.Join(k.dir, "paybell.key"), filepath.Join(t.TempDir(), "backup.db")
	db := k.open(k.dir)
	k.must(Do(t.Context(), db, func(tx *Tx) error {
		if err := tx.CreateMerchant(paybell.Merchant{ID: "m", Name: "m", CreatedAt: time.Now().Add(-90 * time.Minute)}); err != nil {
			return err
		}
		if err := tx.CreateClient(paybell.Client{ID: k.client, MerchantID: "m", Name: "c", State: paybell.ClientActive, CreatedAt: time.Now()}, "the secret"); err != nil {
			return err
		}
		for _, statement := range []string{
			"INSERT INTO wallets (id, merchant_id, network, public_key, fingerprint, policy, created_at, removed_at) VALUES ('w', 'm', 'bitcoin', 'xpub', 'print', '{}', 1, 0), ('v', 'm', 'litecoin', 'zpub', 'unused', '{}', 1, 0)",
			"INSERT INTO address_keys (fingerprint, next_index) VALUES ('print', 40), ('sandbox:m', 7)",
			"INSERT INTO users (id, merchant_id, email, name, role, created_at, signed_in_at, password, factor, pending_factor, factor_step) VALUES ('u', 'm', 'e', 'n', 'owner', 1, 1, '', '', '', 0)",
			"INSERT INTO sessions (hash, id, user_id, created_at, seen_at, ends_at, address, agent) VALUES ('h', 's', 'u', 1, 1, 9, '', '')",
			"INSERT INTO passes (hash, id, what, merchant_id, user_id, email, role, created_at, expires_at) VALUES ('h', 's', 'reset', 'm', 'u', '', '', 1, 9)",
		} {
			if _, err := tx.exec(statement); err != nil {
				return err
			}
		}
		return nil
	}))
	k.must(db.Close())
	b, err := Backup(t.Context(), k.dir, k.file, false)
	k.must(err)
	if b.Epoch != 1 || len(b.SealKeys) != 1 || b.Bytes == 0 || b.File != k.file {
		t.Errorf("backed up %+v", b)
	}
	return k
}

func (k *saved) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// open opens a store in a directory with the key of this one.
func (k *saved) open(dir string) *DB {
	k.t.Helper()
	keys, err := OpenKeyring(k.key)
	k.must(err)
	db, err := OpenSQLite(context.Background(), dir, Options{Keys: keys, Migrate: true})
	k.must(err)
	return db
}

func (k *saved) restore(dir string, change func(*RestoreOptions)) (Restored, error) {
	opt := RestoreOptions{KeyFile: k.key, Skip: -1}
	if change != nil {
		change(&opt)
	}
	return Restore(context.Background(), dir, k.file, opt)
}

// found is what stands in a restored store.
func (k *saved) found(dir string) (epoch int64, indexes map[string]int64) {
	k.t.Helper()
	db := k.open(dir)
	defer closeSQLite(k.t, db)
	secrets, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Secret, error) { return tx.Secrets(k.client, time.Now()) })
	if err != nil || len(secrets) != 1 || secrets[0].Text != "the secret" {
		k.t.Errorf("the secret is %v, %v", secrets, err)
	}
	indexes, err = counts(context.Background(), db.pool, "SELECT fingerprint, next_index FROM address_keys")
	k.must(err)
	return db.epoch, indexes
}

// filesIn are the files in a directory.
func filesIn(t testing.TB, dir string) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

func TestRestore(t *testing.T) {
	k := newSaved(t)
	dir := filepath.Join(t.TempDir(), "new")
	r, err := k.restore(dir, nil)
	k.must(err)
	if r.Epoch != 2 || r.Was.Epoch != 1 || r.SignedOut != 1 || r.Keys != 3 || r.Skipped != 1020 || r.Kept != "" || r.Unreadable || r.Schema != r.Was.Schema {
		t.Errorf("restored %+v", r)
	}
	if got := filesIn(t, dir); !slices.Equal(got, []string{"paybell.db", "paybell.lock"}) {
		t.Errorf("there are %s", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "paybell.db")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	epoch, indexes := k.found(dir)
	if want := map[string]int64{"print": 1060, "sandbox:m": 1027, "unused": 1020}; epoch != 2 || !maps.Equal(indexes, want) {
		t.Errorf("epoch %d, next indexes %v, want %v", epoch, indexes, want)
	}
}

// What a database has given out that is replaced is not given out again either, also
// when it was restored from the same backup, and for keys that the backup knows
// nothing of.
func TestRestoreAgain(t *testing.T) {
	k := newSaved(t)
	if _, err := k.restore(k.dir, nil); paybell.CodeOf(err) != paybell.Conflict || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("over a database: %v", err)
	}
	replace := func(o *RestoreOptions) { o.Replace, o.Skip = true, 5 }
	for i := range 3 {
		db := k.open(k.dir)
		k.must(Do(t.Context(), db, func(tx *Tx) error {
			for range 10 {
				if _, err := tx.TakeIndex("print"); err != nil {
					return err
				}
			}
			_, err := tx.TakeIndex("new")
			return err
		}))
		k.must(db.Close())
		r, err := k.restore(k.dir, replace)
		k.must(err)
		epoch, indexes := k.found(k.dir)
		n := int64(i + 1)
		if want := map[string]int64{"print": 40 + 15*n, "sandbox:m": 7 + 5*n, "unused": 5 * n, "new": 6 * n}; r.Epoch != n+1 || epoch != n+1 || !maps.Equal(indexes, want) {
			t.Errorf("restore %d: epoch %d, next indexes %v, want %v", n, epoch, indexes, want)
		}
		if _, err := os.Stat(r.Kept); err != nil || !strings.HasPrefix(r.Kept, filepath.Join(k.dir, "paybell.db.replaced-")) {
			t.Errorf("kept as %q, %v", r.Kept, err)
		}
	}
	r, err := k.restore(k.dir, func(o *RestoreOptions) { o.Replace, o.Epoch = true, 77 })
	if err != nil || r.Epoch != 77 {
		t.Errorf("epoch %d, %v", r.Epoch, err)
	}
	if _, err := k.restore(k.dir, func(o *RestoreOptions) { o.Replace, o.Skip = true, lastIndex }); paybell.CodeOf(err) != paybell.Conflict {
		t.Errorf("beyond the last index: %v", err)
	}
}

// However often a backup is restored, and in how many hours: as long as not more is
// given out than the busiest day tells, no index is given twice.
func TestSkipFor(t *testing.T) {
	for _, tt := range []struct {
		since   time.Duration
		busiest int64
		want    int64
	}{
		{-time.Hour, 0, 1000},
		{0, 1_000_000, 1000},
		{time.Minute, 0, 1010},
		{24 * time.Hour, 0, 1240},
		{24 * time.Hour, 60, 1240},
		{24 * time.Hour, 2400, 10600},
		{30 * 24 * time.Hour, 3, 8200},
	} {
		if got := skipFor(tt.since, tt.busiest); got != tt.want {
			t.Errorf("%v, %d on the busiest day: %d, want %d", tt.since, tt.busiest, got, tt.want)
		}
	}
	for hours := range time.Duration(1000) {
		for _, busiest := range []int64{0, 100, 5000} {
			if more := skipFor((hours+24)*time.Hour, busiest) - skipFor(hours*time.Hour, busiest); more < busiest || more < 240 {
				t.Fatalf("after %d hours another day leaves out %d more, and %d were given out", hours, more, busiest)
			}
		}
	}
}

// What is refused changes nothing.
func TestRestoreRefuses(t *testing.T) {
	k := newSaved(t)
	whole, err := os.ReadFile(k.file)
	k.must(err)
	good := k.file
	write := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		k.must(os.WriteFile(path, text, 0o600))
		return path
	}
	sqlFile := func(statements ...string) string {
		path := write("changed.db", nil)
		raw, err := sql.Open("sqlite", path)
		k.must(err)
		for _, s := range statements {
			if _, err := raw.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
		k.must(raw.Close())
		return path
	}
	newer := write("newer.db", whole)
	raw, err := sql.Open("sqlite", newer)
	k.must(err)
	_, err = raw.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1); UPDATE meta SET value = '999' WHERE name = 'oldest_program'")
	k.must(err)
	k.must(raw.Close())
	holes := bytes.Clone(whole)
	for at := 8192; at+4096 <= len(holes); at += 3 * 4096 { // not the pages that are read first
		clear(holes[at : at+4096])
	}
	other := filepath.Join(t.TempDir(), "other.key")
	_, err = OpenKeyring(other)
	k.must(err)

	for name, tt := range map[string]struct {
		file, key, words string
		code             paybell.Code
	}{
		"not there":     {"nothing", k.key, "there is no file", paybell.NotFound},
		"a directory":   {t.TempDir(), k.key, "there is no file", paybell.NotFound},
		"empty":         {write("a", nil), k.key, "is not a backup", paybell.Invalid},
		"a key file":    {k.key, k.key, "is not a backup", paybell.Invalid},
		"cut short":     {write("b", whole[:len(whole)/2]), k.key, "is damaged", paybell.Invalid},
		"holes":         {write("c", holes), k.key, "is damaged", paybell.Invalid},
		"of others":     {sqlFile("CREATE TABLE meta (name TEXT, value TEXT)"), k.key, "not one of Paybell", paybell.Invalid},
		"newer":         {newer, k.key, "use the newer program", paybell.Conflict},
		"the wrong key": {good, other, "give the key file that belongs to the backup", paybell.Conflict},
		"no key":        {good, filepath.Join(t.TempDir(), "none"), "there is no key file", paybell.Conflict},
		"a server's":    {filepath.Join(k.dir, "paybell.db"), k.key, "is in use by a server", paybell.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a server's" {
				release, err := Lock(k.dir)
				k.must(err)
				defer release()
			}
			dir := t.TempDir()
			k.file = tt.file
			_, err := k.restore(dir, func(o *RestoreOptions) { o.KeyFile = tt.key })
			if paybell.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.words) {
				t.Errorf("error %v, want %s that says %q", err, tt.code, tt.words)
			}
			if got := filesIn(t, dir); len(got) > 1 || len(got) == 1 && got[0] != "paybell.lock" {
				t.Errorf("left behind: %s", got)
			}
		})
	}
	k.file = good
	release, err := Lock(k.dir)
	k.must(err)
	if _, err := k.restore(k.dir, func(o *RestoreOptions) { o.Replace = true }); paybell.CodeOf(err) != paybell.Conflict {
		t.Errorf("while a server runs: %v", err)
	}
	release()
	k.file = filepath.Join(k.dir, "paybell.db")
	if _, err := k.restore(k.dir, func(o *RestoreOptions) { o.Replace = true }); paybell.CodeOf(err) != paybell.Invalid {
		t.Errorf("onto itself: %v", err)
	}
}

// A database that is damaged can be replaced, and is kept with its log.
func TestRestoreOverDamage(t *testing.T) {
	k := newSaved(t)
	path := filepath.Join(k.dir, "paybell.db")
	k.must(os.WriteFile(path, []byte("no database at all"), 0o600))
	k.must(os.WriteFile(path+"-wal", []byte("nor a log"), 0o600))
	r, err := k.restore(k.dir, func(o *RestoreOptions) { o.Replace = true })
	k.must(err)
	if epoch, _ := k.found(k.dir); !r.Unreadable || epoch != 2 {
		t.Errorf("epoch %d, restored %+v", epoch, r)
	}
	for suffix, want := range map[string]string{"": "no database at all", "-wal": "nor a log"} {
		if got, err := os.ReadFile(r.Kept + suffix); string(got) != want {
			t.Errorf("kept %q, %v", got, err)
		}
	}
}

// A backup of an older version is brought up to date; one that is a plain copy of the
// files, log and all, will do.
func TestRestoreOldSchema(t *testing.T) {
	o := oldSQLite(t) // its last writes are in the log
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(keyLine(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copied.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(t.Context(), filepath.Join(o.dir, "paybell.db")+suffix, copied+suffix); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	r, err := Restore(t.Context(), dir, copied, RestoreOptions{KeyFile: key, Skip: -1})
	if err != nil || r.Was.Schema != 1 || r.Schema <= 1 || r.Invoices == 0 || r.Epoch != 2 {
		t.Fatalf("restored %+v, %v", r, err)
	}
	db, err := OpenSQLite(t.Context(), dir, Options{Keys: o.keys})
	if err != nil {
		t.Fatal(err)
	}
	closeSQLite(t, db)
	if got := filesIn(t, filepath.Dir(copied)); len(got) != 2 {
		t.Errorf("beside the backup there are %s", got)
	}
}

// Backups of a store that is being written hold whole transactions only, and all that
// were committed before.
func TestBackupWhileWriting(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir)
	defer closeSQLite(t, db)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := Do(context.Background(), db, write(fmt.Sprint(i, " ", n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer func() { stop(); all.Wait() }()
	for i := range 5 {
		before, err := View(t.Context(), db, func(tx *Tx) ([]string, error) { return list(tx, scanText, "SELECT op FROM sandbox_journal ORDER BY n") })
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "paybell.db")
		if _, err := Backup(t.Context(), dir, to, false); err != nil {
			t.Fatal(err)
		}
		copied := openSQLite(t, filepath.Dir(to))
		got := written(t, copied)
		closeSQLite(t, copied)
		if len(got) < len(before) || !slices.Equal(got[:len(before)], before) {
			t.Errorf("backup %d has %d ops, %d were written before", i, len(got), len(before))
		}
	}
}

// The child makes a backup, or restores one, and is killed.
const (
	childBackup  = "STORE_TEST_BACKUP" // data directory
	childTo      = "STORE_TEST_TO"
	childRestore = "STORE_TEST_RESTORE" // data directory
	childKey     = "STORE_TEST_KEY"
)

func TestBackupChild(t *testing.T) {
	ctx := context.Background()
	if dir := os.Getenv(childBackup); dir != "" {
		fmt.Println("begins")
		if _, err := Backup(ctx, dir, os.Getenv(childTo), true); err != nil {
			t.Fatal(err)
		}
	}
	if dir := os.Getenv(childRestore); dir != "" {
		fmt.Println("begins")
		if _, err := Restore(ctx, dir, os.Getenv(childTo), RestoreOptions{KeyFile: os.Getenv(childKey), Replace: true, Skip: -1}); err != nil {
			t.Fatal(err)
		}
	}
}

// killChild runs the child and kills it so long after it has begun; killed is false
// when it was done before.
func killChild(t *testing.T, after time.Duration, env ...string) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBackupChild$")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	rest, _ := io.ReadAll(lines) // cut short by the kill
	err = cmd.Wait()
	kill.Stop()
	if err != nil && bytes.Contains(rest, []byte("FAIL")) {
		t.Fatalf("%v\n%s", err, rest)
	}
	return err != nil
}

// A backup that is killed leaves the one from before, and a .part at most, which the
// next one replaces.
func TestKillBackup(t *testing.T) {
	k := newSaved(t)
	_, err := k.restore(filepath.Join(t.TempDir(), "new"), nil)
	k.must(err)
	kills := 0
	for i := range time.Duration(20) {
		if killChild(t, i*2*time.Millisecond, childBackup+"="+k.dir, childTo+"="+k.file) {
			kills++
		}
		for _, name := range filesIn(t, filepath.Dir(k.file)) {
			if name != "backup.db" && !strings.HasPrefix(name, "backup.db.part") {
				t.Errorf("left behind: %s", name)
			}
		}
		conn, err := openFile(k.file, "mode=ro")
		k.must(err)
		k.must(wholeness(t.Context(), conn, k.file))
		k.must(conn.Close())
	}
	if kills == 0 {
		t.Error("it was never killed: this test sees nothing")
	}
	_, err = Backup(t.Context(), k.dir, k.file, true)
	k.must(err)
	if got := filesIn(t, filepath.Dir(k.file)); !slices.Equal(got, []string{"backup.db"}) {
		t.Errorf("at last there are %s", got)
	}
}

// A restore that is killed leaves the database that was there or the new one, whole.
func TestKillRestore(t *testing.T) {
	k := newSaved(t)
	kills, last := 0, int64(1)
	for i := range time.Duration(30) {
		if killChild(t, i*4*time.Millisecond, childRestore+"="+k.dir, childTo+"="+k.file, childKey+"="+k.key) {
			kills++
		}
		epoch, _ := k.found(k.dir)
		if epoch != last && epoch != last+1 {
			t.Errorf("epoch %d after %d", epoch, last)
		}
		last = epoch
	}
	if kills == 0 || last == 1 {
		t.Errorf("%d kills, and epoch %d at last: this test sees nothing", kills, last)
	}
	_, err := k.restore(k.dir, func(o *RestoreOptions) { o.Replace = true })
	k.must(err)
	for _, name := range filesIn(t, k.dir) {
		if strings.Contains(name, ".restore") {
			t.Errorf("left behind: %s", name)
		}
	}
}
