package prune_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/loop"
	"github.com/paybell/paybell/internal/prune"
	"github.com/paybell/paybell/internal/store"
)

// attic is a store in a bubble of virtual time, full of what may be over.
type attic struct {
	*testing.T
	db     *store.DB
	pruner *prune.Pruner
}

func inAttic(t *testing.T, test func(a *attic)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		keys, err := store.OpenKeyring(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(&attic{t, db, &prune.Pruner{DB: db, Every: time.Minute}})
	})
}

func (a *attic) do(body func(*store.Tx) error) {
	a.Helper()
	if err := store.Do(context.Background(), a.db, body); err != nil {
		a.Fatal(err)
	}
}

// answer remembers n answers now, by keys that begin with name.
func (a *attic) answer(name string, n int) {
	a.Helper()
	a.do(func(tx *store.Tx) error {
		for i := range n {
			if err := tx.Answer(asked(name, i), []byte(name), time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

func asked(name string, i int) store.Asked {
	return store.Asked{ClientID: "client", Route: "POST /x", Key: fmt.Sprint(name, " ", i), Digest: "digest"}
}

// answers counts what is left of n answers, however old they are.
func (a *attic) answers(name string, n int) (left int) {
	a.Helper()
	_, err := store.View(context.Background(), a.db, func(tx *store.Tx) (any, error) {
		for i := range n {
			body, found, err := tx.Answered(asked(name, i), time.Time{})
			if err != nil {
				return nil, err
			}
			if found && string(body) == name {
				left++
			}
		}
		return nil, nil
	})
	if err != nil {
		a.Fatal(err)
	}
	return left
}

// clients makes n clients, each of which has rotated its secret now; the old one
// is good for an overlap.
func (a *attic) clients(n int, overlap time.Duration) (ids []string) {
	a.Helper()
	at := time.Now()
	m := paybell.Merchant{ID: paybell.NewUUID(at), Name: "Zoë", CreatedAt: at}
	a.do(func(tx *store.Tx) error {
		if err := tx.CreateMerchant(m); err != nil {
			return err
		}
		for range n {
			c := paybell.Client{ID: paybell.NewClientID(), MerchantID: m.ID, Name: "x", State: paybell.ClientActive, CreatedAt: at.Add(-time.Hour)}
			if err := tx.CreateClient(c, "old"); err != nil {
				return err
			}
			if err := tx.RotateSecret(c.ID, "new", at, at.Add(overlap)); err != nil {
				return err
			}
			ids = append(ids, c.ID)
		}
		return nil
	})
	return ids
}

// secrets counts the secrets there are, good or not, and says whether each
// client still has its current one.
func (a *attic) secrets(ids []string) (left int) {
	a.Helper()
	for _, id := range ids {
		all, err := store.View(context.Background(), a.db, func(tx *store.Tx) ([]paybell.Secret, error) { return tx.Secrets(id, time.Unix(1, 0)) })
		if err != nil {
			a.Fatal(err)
		}
		if !slices.Contains(paybell.SecretTexts(all), "new") {
			a.Errorf("client %s has lost its current secret", id)
		}
		left += len(all)
	}
	return left
}

// step makes one step, which must want to wait so long.
func (a *attic) step(wait time.Duration) {
	a.Helper()
	if got, err := a.pruner.Step(context.Background()); err != nil || got != wait {
		a.Errorf("a step: %v, %v; want %v", got, err, wait)
	}
}

func (a *attic) want(what string, got, want int) {
	a.Helper()
	if got != want {
		a.Errorf("%s: %d are left, want %d", what, got, want)
	}
}

const soon = 50 * time.Millisecond

func TestNothingToPrune(t *testing.T) {
	inAttic(t, func(a *attic) {
		a.step(time.Minute)
		a.pruner.Every = time.Millisecond
		a.step(time.Millisecond)
	})
}

// Answers go when they are a day old, to the microsecond: no earlier, since they
// are given until then.
func TestAnswers(t *testing.T) {
	inAttic(t, func(a *attic) {
		a.answer("old", 3)
		time.Sleep(time.Microsecond)
		a.answer("young", 3)
		time.Sleep(24*time.Hour - 2*time.Microsecond)
		a.step(time.Minute)
		a.want("old answers", a.answers("old", 3), 3)
		time.Sleep(time.Microsecond)
		a.step(time.Minute)
		a.want("old answers a day later", a.answers("old", 3), 0)
		a.want("young answers", a.answers("young", 3), 3)
		time.Sleep(time.Microsecond)
		a.step(time.Minute)
		a.want("young answers a day later", a.answers("young", 3), 0)
	})
}

// Secrets go when their overlap is over. Those that are current have no end.
func TestSecrets(t *testing.T) {
	inAttic(t, func(a *attic) {
		brief, long := a.clients(3, time.Hour), a.clients(3, 2*time.Hour)
		time.Sleep(time.Hour - time.Microsecond)
		a.step(time.Minute)
		a.want("secrets before the end", a.secrets(brief), 6)
		time.Sleep(time.Microsecond)
		a.step(time.Minute)
		a.want("secrets at the end", a.secrets(brief), 3)
		a.want("other secrets", a.secrets(long), 6)
		time.Sleep(1000 * time.Hour)
		a.step(time.Minute)
		a.want("secrets long after the end", a.secrets(long), 3)
		a.want("secrets at last", a.secrets(brief), 3)
	})
}

// A step takes so many of each kind, and wants to go on soon while there may be
// more. What is young is never among them.
func TestBatches(t *testing.T) {
	const batch = 500
	inAttic(t, func(a *attic) {
		a.answer("old", 2*batch+1)
		ids := a.clients(batch+2, time.Hour)
		time.Sleep(24 * time.Hour)
		a.answer("young", 10)
		for _, want := range []struct {
			wait             time.Duration
			answers, secrets int
		}{
			{soon, batch + 1, batch + 2 + 2}, {soon, 1, batch + 2}, {time.Minute, 0, batch + 2}, {time.Minute, 0, batch + 2},
		} {
			a.step(want.wait)
			a.want("old answers", a.answers("old", 2*batch+1), want.answers)
			a.want("secrets", a.secrets(ids), want.secrets)
			a.want("young answers", a.answers("young", 10), 10)
		}

		a.clients(batch, time.Hour) // only the secrets are many
		time.Sleep(time.Hour)
		a.step(soon)
		a.step(time.Minute)
	})
}

// In its loop it is done with a heap in less than a second, lets others write
// meanwhile, and then looks once a minute.
func TestInItsLoop(t *testing.T) {
	inAttic(t, func(a *attic) {
		a.answer("old", 3000)
		time.Sleep(24 * time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { loop.New("prune", a.pruner, slog.New(slog.NewTextHandler(io.Discard, nil))).Run(ctx) })
		time.Sleep(10 * time.Millisecond)
		a.answer("new", 1)
		a.want("old answers at first", a.answers("old", 3000), 2500)
		time.Sleep(time.Second)
		a.want("old answers a second later", a.answers("old", 3000), 0)
		time.Sleep(24*time.Hour + time.Minute)
		a.want("new answers a day and a minute later", a.answers("new", 1), 0)
		cancel()
		wg.Wait()
	})
}

// An error is the loop's to wait for, and the next step goes on.
func TestStepFails(t *testing.T) {
	inAttic(t, func(a *attic) {
		a.answer("old", 1)
		time.Sleep(24 * time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := a.pruner.Step(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		a.step(time.Minute)
		a.want("old answers", a.answers("old", 1), 0)
	})
}
