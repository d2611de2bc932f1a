package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// Two machines have a key file each. The new key is prepared on one, its file brought
// to the other, and only then anything is sealed with it.
func TestPrepareKey(t *testing.T) {
	ctx := context.Background()
	for _, p := range places(t) {
		s := newSafe(t, p)
		here := s.open()
		if err := s.seal(here, "before"); err != nil {
			t.Fatal(err)
		}
		there := newSafe(t, p)
		there.keyFile = filepath.Join(t.TempDir(), "other.key")
		bring := func() {
			t.Helper()
			text, err := os.ReadFile(s.keyFile)
			if err == nil {
				err = os.WriteFile(there.keyFile, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		bring()
		far := there.open()
		prepared := func(want bool) {
			t.Helper()
			if got, err := here.Prepared(ctx); err != nil || got != want {
				t.Errorf("%s: prepared: %v, %v; want %v", p.name, got, err, want)
			}
		}
		prepared(false)
		id, made, err := here.PrepareKey(ctx)
		if err != nil || !made {
			t.Fatalf("%s: %s, %v, %v", p.name, id, made, err)
		}
		if again, made, err := s.open().PrepareKey(ctx); err != nil || made || again != id {
			t.Errorf("%s: prepared again: %s, %v, %v; want %s", p.name, again, made, err, id)
		}
		prepared(true)
		if err := s.seal(here, "meanwhile"); err != nil {
			t.Fatal(err)
		}
		s.check("while the other has no new key", far)
		if r, err := here.DropOldKeys(ctx); err != nil || len(r.Old) != 0 || len(fileKeys(t, s.keyFile)) != 2 {
			t.Errorf("%s: a prepared key is dropped: %+v, %v", p.name, r, err)
		}
		bring()
		old := fileKeys(t, s.keyFile)[1]
		r, err := here.RotateKey(ctx)
		if err != nil || r.Key != id || len(r.Old) != 1 || r.Old[0] != old || len(fileKeys(t, s.keyFile)) != 2 {
			t.Fatalf("%s: rotated: %+v, %v; want key %s", p.name, r, err, id)
		}
		s.check("after the rotation", far)
		prepared(false)
		if err := s.seal(far, "after"); err != nil {
			t.Fatal(err)
		}
		s.check("at last", here)

		// Once it was followed, it is no new key, wherever it stands in the file.
		if _, _, err := here.PrepareKey(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := here.RotateKey(ctx); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		var first, rest string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, id) {
				first = line
			} else {
				rest += line
			}
		}
		if err := os.WriteFile(s.keyFile, []byte(first+rest), 0o600); err != nil {
			t.Fatal(err)
		}
		prepared(false)
		if r, err := s.open().RotateKey(ctx); err != nil || r.Key == id || r.Key == old {
			t.Errorf("%s: rotated to %+v, %v: an old key", p.name, r, err)
		}
	}
}

// A rotation that was cut short is finished first.
func TestPrepareKeyInARotation(t *testing.T) {
	ctx := context.Background()
	for _, p := range places(t) {
		s := newSafe(t, p)
		if err := s.seal(s.open(), "before"); err != nil {
			t.Fatal(err)
		}
		keys, err := store.OpenKeyring(s.keyFile)
		if err != nil {
			t.Fatal(err)
		}
		commits := 0
		db := mustOpen(t, p, store.Options{Keys: keys, Fault: func(at store.FaultPoint) error {
			if at == store.BeforeCommit {
				commits++
			}
			if commits > 3 { // it has told the store of the new key, and goes no further
				return context.Canceled
			}
			return nil
		}})
		_, err = db.RotateKey(ctx)
		mustClose(t, db)
		if err == nil {
			t.Fatalf("%s: the fault has no effect", p.name)
		}
		next := s.open()
		if ready, err := next.Prepared(ctx); err != nil || !ready {
			t.Errorf("%s: a rotation that is to be gone on with: prepared %v, %v", p.name, ready, err)
		}
		if _, _, err := next.PrepareKey(ctx); paybell.CodeOf(err) != paybell.Conflict {
			t.Errorf("%s: in a rotation: %v", p.name, err)
		}
		if _, err := next.RotateKey(ctx); err != nil {
			t.Fatal(err)
		}
		s.check("at last", next)
	}
}
