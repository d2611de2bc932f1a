// Package loop is the one loop around everything that works in steps.
package loop

import (
	"context"
	"log/slog"
	"time"
)

// Stepper does one bounded piece of work. It returns how long it may be left
// alone: 0 means that there is more to do at once.
type Stepper interface {
	Step(ctx context.Context) (wait time.Duration, err error)
}

// Loop runs one Stepper until its context ends.
type Loop struct {
	name string
	step Stepper
	poke chan struct{}
	log  *slog.Logger
}

// New makes a loop; name says in logs whose it is.
func New(name string, step Stepper, log *slog.Logger) *Loop {
	return &Loop{name: name, step: step, poke: make(chan struct{}, 1), log: log}
}

// Poke ends the present wait. It never blocks. Losing a poke costs latency only.
func (l *Loop) Poke() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// Run steps until ctx ends. After an error it waits, longer each time up to
// half a minute, and goes on: what a step could not do is still to be done.
func (l *Loop) Run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		wait, err := l.step.Step(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			failures++
			wait = min(30*time.Second, 100*time.Millisecond<<min(failures, 10))
			l.log.Error("step failed, trying again", "loop", l.name, "failures", failures, "wait", wait, "err", err)
		} else {
			failures = 0
		}
		if wait <= 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.poke:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}
