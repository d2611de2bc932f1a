package main

import (
	"fmt"
	"os"
	"time"
)

const progressEvery = 500 * time.Millisecond

// showProgress says at a terminal what a scenario does while it runs, and everywhere,
// when done is called, how long it took. count is of what the receiver has got.
func showProgress(f *os.File, s scenario, count func() (int64, error)) (done func()) {
	began := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	terminal := isTerminal(f)
	go func() {
		defer close(stopped)
		if terminal {
			keepShowing(f, s, began, count, stop)
		}
	}()
	return func() {
		close(stop)
		<-stopped
		fmt.Fprintf(f, "%-10s %-100s %6.1f s\n", s.name, s.help, time.Since(began).Seconds())
	}
}

// keepShowing rewrites one line, shorter than terminals are wide, until stop.
func keepShowing(f *os.File, s scenario, began time.Time, count func() (int64, error), stop <-chan struct{}) {
	const clearLine = "\r\x1b[K" // ECMA-48 EL
	defer fmt.Fprint(f, clearLine)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	before, _ := count() // an error is the scenario's, too
	fmt.Fprintf(f, "%-10s", s.name)
	for at := time.Now(); ; {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			n, err := count()
			fmt.Fprintf(f, "%s%-10s %6.1f s", clearLine, s.name, time.Since(began).Seconds())
			if err == nil && n > before {
				fmt.Fprintf(f, " %8.0f notifications/s", float64(n-before)/now.Sub(at).Seconds())
			}
			before, at = n, now
		}
	}
}
