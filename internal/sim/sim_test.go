package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds = flag.Int("seeds", defaultSeeds, "how many seeds to play")
	seed  = flag.Uint64("seed", 1, "the first of them")
	stop  = flag.Bool("stop", false, "play no more seeds after one that failed")
	story = flag.Bool("story", false, "tell what happens in every seed")
)

// enough is how many seeds must show every kind of fault, often times each.
const (
	enough = 300
	often  = 20
)

// TestMain spends memory for time: worlds are small and many.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestSeeds plays seeds, each in a world and a time of its own.
func TestSeeds(t *testing.T) {
	var all tally
	var played, wrong atomic.Int64
	began := time.Now()
	if _, err := blank(); err != nil {
		t.Fatal(err)
	}
	t.Run("seed", func(t *testing.T) {
		for i := range *seeds {
			n := *seed + uint64(i)
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				if *stop && wrong.Load() > 0 {
					return
				}
				played.Add(1)
				fine := false
				defer func() {
					if !fine {
						wrong.Add(1)
					}
				}()
				play(t, n, &all) // does not come back when the seed fails
				fine = true
			})
		}
	})
	took := time.Since(began)
	fmt.Printf("%d seeds from %d in %v, %.2f a second; %d failed\n", played.Load(), *seed, took.Round(time.Millisecond), float64(played.Load())/took.Seconds(), wrong.Load())
	all.print(os.Stdout)
	if played.Load() < enough {
		return
	}
	for k, n := range all.n {
		if n < often {
			t.Errorf("%q happened %d times in %d seeds: the run proves little about it", kind(k), n, *seeds)
		}
	}
}

const replaying = "replay: go test ./internal/sim -run TestSeeds"

// hung is how long a seed may take, in real time.
const hung = 2 * time.Minute

// play plays one seed.
func play(t *testing.T, n uint64, all *tally) {
	replay := fmt.Sprintf(replaying+" -seeds 1 -seed %d -story", n)
	watchdog := time.AfterFunc(hung, func() { panic(fmt.Sprintf("seed %d takes for ever; %s", n, replay)) })
	defer watchdog.Stop()
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("seed %d: %v\n%s", n, p, replay))
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, n)
		w.run()
		all.add(w.did)
		if len(w.wrongs) > 0 || *story {
			t.Logf("the story of seed %d:\n%s", n, strings.Join(w.trace, "\n"))
		}
		for i, text := range w.wrongs {
			if i == 10 {
				t.Errorf("and %d more", len(w.wrongs)-i)
				break
			}
			t.Error(text)
		}
		if len(w.wrongs) > 0 {
			t.Error(replay)
		}
	})
}
