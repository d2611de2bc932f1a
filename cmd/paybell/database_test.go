package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/store"
)

// databaseVariable is the environment of --database; empty is SQLite.
const databaseVariable = "PAYBELL_DATABASE"

// database is where a test can have its data.
type database struct {
	name string
	// make makes a new one with nothing in it but the schema, until the test ends, and
	// returns what stands in databaseVariable.
	make func(testing.TB) string
}

var databases = []database{
	{"SQLite", func(testing.TB) string { return "" }},
	{"Postgres", func(t testing.TB) string { return pgtest.Copy(t, "schema", makeSchema) }},
}

// makeSchema makes the tables, and no key: each test has its own.
func makeSchema(dsn string) error {
	dir, err := os.MkdirTemp("", "paybell-schema-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing of it is wanted
	keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	db, err := store.OpenPostgres(context.Background(), dsn, store.Options{Keys: keys, Migrate: true})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	_, err = raw.Exec("DELETE FROM meta WHERE name = 'key'")
	return errors.Join(err, raw.Close())
}

// suite is all tests of this package. Most of their time they wait for a process, so
// more of them run at once than there are processors.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	pgtest.Durable = false             // these tests never take the machine's power away
	_ = flag.Set("test.parallel", "6") // who says -parallel has the last word
	return pgtest.Run(s.m)
}
