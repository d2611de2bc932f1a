package storetest

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/paybell/paybell/internal/store"
)

// blank is a database of SQLite with the whole schema and nothing in it, not even
// the mark of a key: what takes long to make, with the race detector above all, is
// made once in a binary.
var blank = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "paybell-blank-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		return nil, err
	}
	db, err := store.OpenSQLite(context.Background(), dir, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "paybell.db")
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, err
	}
	if _, err := raw.Exec("DELETE FROM meta WHERE name = 'key'"); err != nil {
		return nil, err
	}
	if err := raw.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// Blank puts an empty database with the whole schema into a directory: a store that
// is opened there begins as if it had just been made, only sooner.
func Blank(t testing.TB, dir string) {
	t.Helper()
	text, err := blank()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "paybell.db"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
