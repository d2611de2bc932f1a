package main

import (
	"context"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/bitcoin"
	"github.com/paybell/paybell/internal/store"
)

// A rescan sets a network back and nothing else, at whichever height was written.
func TestRescan(t *testing.T) {
	ctx, data := t.Context(), dataFlags{Data: t.TempDir()}
	db, err := data.open(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	cursor := func() store.Cursor {
		c, err := store.View(ctx, db, func(tx *store.Tx) (store.Cursor, error) { return tx.Cursor(paybell.LitecoinNetwork) })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := time.Now().UTC().Truncate(time.Microsecond)
	err = store.Do(ctx, db, func(tx *store.Tx) error {
		_, err := tx.MoveCursor(store.Cursor{Network: paybell.LitecoinNetwork}, store.Cursor{Position: "here", Height: 100, ScannedAt: at})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rescan := func(from int64) error {
		c := chainRescanCmd{dataFlags: data, Network: paybell.LitecoinNetwork, From: from, JSON: true}
		return c.Run(context.Background())
	}
	if err := rescan(101); paybell.CodeOf(err) != paybell.Invalid || cursor().Position != "here" {
		t.Errorf("above the tip: %v; it is %+v", err, cursor())
	}
	for _, tt := range []struct{ from, above int64 }{{100, 99}, {50, 49}, {0, 0}} {
		if err := rescan(tt.from); err != nil {
			t.Fatal(err)
		}
		if c := cursor(); c.Position != bitcoin.From(tt.above) || c.Height != tt.above || !c.ScannedAt.Equal(at) {
			t.Errorf("from %d it is %+v", tt.from, c)
		}
	}
}
