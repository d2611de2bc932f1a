// Package prune deletes what is over: remembered answers after a day, secrets
// after their overlap. It works in small steps, so that nobody waits for it.
package prune

import (
	"context"
	"time"

	"github.com/paybell/paybell/internal/store"
)

// Pruner is a loop's Stepper.
type Pruner struct {
	DB *store.DB
	// Every is the pause when nothing is left to delete.
	Every time.Duration
}

// batch is how many rows of a kind one step deletes.
const batch = 500

// Step deletes one batch of each kind. While there is more, it wants to go on
// soon, and lets others write between.
func (p *Pruner) Step(ctx context.Context) (wait time.Duration, err error) {
	now := time.Now()
	wait = p.Every
	for _, forget := range []func(*store.Tx) (int64, error){
		func(tx *store.Tx) (int64, error) { return tx.ForgetAnswers(now.Add(-store.AnswersKept), batch) },
		func(tx *store.Tx) (int64, error) { return tx.ForgetSecrets(now, batch) },
	} {
		n, err := store.Update(ctx, p.DB, forget)
		if err != nil {
			return 0, err
		}
		if n == batch {
			wait = min(wait, 50*time.Millisecond)
		}
	}
	return wait, nil
}
