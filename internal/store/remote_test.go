package store

import (
	"context"
	"errors"
	"testing"

	"github.com/paybell/paybell/internal/pgtest"
)

// What PostgreSQL takes back instead of committing it is not acknowledged, also when a
// body has hidden from us that something failed.
func TestCommitThatWasNone(t *testing.T) {
	db, err := OpenPostgres(context.Background(), pgtest.Open(t), Options{Keys: keyring(t, keyLine(1)), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = Do(context.Background(), db, func(tx *Tx) error {
		if _, err := tx.exec("INSERT INTO meta (name, value) VALUES ('lost', '1')"); err != nil {
			return err
		}
		_, _ = tx.conn.execContext(tx.ctx, "SELECT 1 / 0")
		return nil
	})
	if !errors.Is(err, errTakenBack) {
		t.Errorf("the answer is %v, want that it was taken back", err)
	}
	found, err := View(context.Background(), db, func(tx *Tx) (int64, error) {
		n, _, err := one(tx, scanInt, "SELECT COUNT(*) FROM meta WHERE name = 'lost'")
		return n, err
	})
	if err != nil || found != 0 {
		t.Errorf("%d rows were written: %v", found, err)
	}
}
