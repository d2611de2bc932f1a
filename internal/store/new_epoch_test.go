package store_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/store"
)

// A database that was restored from a dump goes on as one from a backup does.
func TestNewEpoch(t *testing.T) {
	ctx := context.Background()
	dsn := pgtest.Copy(t, "empty", makeSchema)
	p := postgresAt(dsn)
	s := newSafe(t, p)
	db := s.open()
	if err := s.seal(db, "before"); err != nil {
		t.Fatal(err)
	}
	raw := p.raw(t)
	raw.SetMaxIdleConns(0) // it is not in the database but for its statements
	exec := func(statement string) {
		t.Helper()
		if _, err := raw.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("INSERT INTO address_keys VALUES ('given', 7), ('busy', 100)")
	exec("INSERT INTO wallets SELECT 'w', id, 'bitcoin', 'xpub', 'fresh', '', 1, 0 FROM merchants")
	exec("INSERT INTO sessions SELECT 'h', 's', id, 1, 1, 1, '', '' FROM users")
	exec("INSERT INTO processes (id, beat) VALUES ('dead', 5)")
	exec("UPDATE shards SET owner = 'dead'")
	facts := func() string {
		t.Helper()
		return strings.Join(slices.Concat(texts(t, raw, "SELECT value FROM meta WHERE name = 'epoch'"),
			texts(t, raw, "SELECT fingerprint || '=' || next_index FROM address_keys ORDER BY 1"),
			texts(t, raw, "SELECT id FROM sessions UNION ALL SELECT id FROM processes UNION ALL SELECT DISTINCT owner FROM shards WHERE owner <> ''")), " ")
	}
	before := facts()
	opt := store.RestoreOptions{KeyFile: s.keyFile, Skip: 50}
	refuse := func(what string, dsn string, opt store.RestoreOptions, want paybell.Code, says string) {
		t.Helper()
		_, err := store.NewEpoch(ctx, dsn, opt)
		if paybell.CodeOf(err) != want || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %v, %q", what, err, want, says)
		}
		if now := facts(); now != before {
			t.Errorf("%s: it has changed %s into %s", what, before, now)
		}
	}
	refuse("beside a server", dsn, opt, paybell.Conflict, "stop every server")
	s.close(db)
	other := opt
	other.KeyFile = filepath.Join(t.TempDir(), "none.key")
	refuse("without the key", dsn, other, paybell.Conflict, "no key file")
	keyed := newSafe(t, sqlitePlace(t))
	keyed.open()
	other.KeyFile = keyed.keyFile
	refuse("with another key", dsn, other, paybell.Conflict, "give the key file that belongs to the backup")
	other = opt
	other.Skip = 1 << 31
	refuse("more addresses than there are", dsn, other, paybell.Conflict, "--skip-addresses")
	refuse("an empty database", pgtest.Open(t), opt, paybell.NotFound, "pg_restore")
	refuse("no database", "postgres://me:ses%ame@localhost/x", opt, paybell.Invalid, "postgres://user:password@")

	r, err := store.NewEpoch(ctx, dsn, opt)
	if err != nil || r.Was.Epoch != 1 || r.Epoch != 2 || r.Keys != 3 || r.Skipped != 50 || r.SignedOut != 1 || time.Since(r.At) < time.Hour {
		t.Errorf("%+v, %v", r, err)
	}
	if got, want := facts(), "2 busy=150 fresh=50 given=57"; got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
	db = s.open()
	s.check("in the new epoch", db)
	if epoch, err := store.View(ctx, db, func(tx *store.Tx) (int64, error) { return tx.Epoch(), nil }); err != nil || epoch != 2 {
		t.Errorf("a server begins with epoch %d, %v", epoch, err)
	}
	s.close(db)

	// Once more: what may have been given out since the year in which the dump was made.
	r, err = store.NewEpoch(ctx, dsn, store.RestoreOptions{KeyFile: s.keyFile, Skip: -1, Epoch: 9})
	if err != nil || r.Epoch != 9 || r.Skipped < 1000+24*10 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What somebody may want to keep is not taken for empty.
func TestInUse(t *testing.T) {
	ctx := context.Background()
	check := func(what, dsn string, want bool) {
		t.Helper()
		if got, err := store.InUse(ctx, dsn); err != nil || got != want {
			t.Errorf("%s: in use %v, %v; want %v", what, got, err, want)
		}
	}
	empty := pgtest.Open(t)
	check("nothing", empty, false)
	if _, err := postgresAt(empty).raw(t).Exec("CREATE TABLE somebodys (id TEXT)"); err != nil {
		t.Fatal(err)
	}
	check("somebody's table", empty, true)
	dsn := pgtest.Copy(t, "empty", makeSchema)
	check("a schema", dsn, false)
	s := newSafe(t, postgresAt(dsn))
	if err := s.seal(s.open(), "shop"); err != nil {
		t.Fatal(err)
	}
	check("a merchant", dsn, true)
	if _, err := store.InUse(ctx, "postgres://me:ses%ame@localhost/x"); err == nil || strings.Contains(err.Error(), "ses") {
		t.Errorf("a bad URL: %v", err)
	}
}
