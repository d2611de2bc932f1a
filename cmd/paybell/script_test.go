package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/paybell/paybell/internal/btcd"
)

// TestMain makes this test binary the real `paybell` as well: what a script
// calls by that name is main, in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"paybell": main})
}

// TestScripts runs the acceptance scripts of testdata/script, each with the data in
// SQLite and in PostgreSQL. They use the
// product as its users do: the command line, signed HTTP, and a shop's server
// that is rung. `go doc testscript` describes the language; [postgres] and [sqlite]
// say where the data are, and these are our words:
//
//	serve [flags]            start `paybell serve` on ./data, wait until it is ready, set $URL; its log is server.log
//	worker [flags]           start another process beside it, which does everything but answer, and set $WORKER; its log is worker.log
//	shutdown [worker]        SIGTERM; it must end with status 0
//	crash [worker]           SIGKILL
//	afresh                   forget all data
//	database VAR             make a PostgreSQL database in which there is nothing, and set $VAR to its URL
//	setup [NAME]             make a merchant and a client with the CLI, and be that client; sets $MERCHANT $CLIENT $SECRET,
//	                         and with a NAME also $NAME_MERCHANT $NAME_CLIENT $NAME_SECRET
//	as NAME                  be the client of another setup
//	api [flags] STATUS METHOD PATH [BODY]
//	                         one signed request. BODY is JSON or the name of a file, in which $VARIABLES count.
//	                         The answer goes to stdout; one that is no success must be a good problem document.
//	                         -unsigned: without the three headers. -clock=-61s: by a clock that is wrong.
//	                         -base=https://pay.example.com: signed for this URL, as behind a proxy.
//	                         -header='Name: value': added, or set if it is one of the three.
//	capture VAR PATH         $VAR is what stands in the JSON on stdout at PATH, like invoices.0.id
//	invoice [VAR]            make an invoice of 10.00 USD (0.125 LTCT) and set $INVOICE, or $VAR, to its id
//	receiver NAME [FIRST]    a shop's server that verifies both signatures; sets $NAME to its URL. FIRST is the number
//	                         (Paybell-Sequence) that its first notification must have, 1 if not given; 0: any, in any
//	                         order, since several webhooks ring there
//	answers NAME HOW         from now on it answers with this status, or hangs, or is down
//	refused NAME N           wait until N requests were refused, or hang
//	webhook NAME [EVENT...]  register the receiver's URL for these events, or all; sets $NAME_WEBHOOK
//	rings NAME WHAT...       wait until exactly these notifications have come in this order since the last `rings`:
//	                         Type/State, or Type/State[flag,flag]. Prints one line for each: what, number, version, invoice, id
//	quiet NAME               nothing comes for 300 ms
//	btcd                     find btcd, or build it, for programs of this script to start
//	fill FILE TEXT N...      write N times TEXT, and so on; \x00 in TEXT is a byte
//
// A receiver tells of everything that should not be: a bad signature, a gap in
// the numbers, a version that goes back, other bytes under the same id, one that
// comes again without a crash, and at the end of the script a notification that
// no `rings` has named. The server's log is read at the end, too.
func TestScripts(t *testing.T) {
	for _, where := range databases {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			runScripts(t, where)
		})
	}
}

func runScripts(t *testing.T, where database) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			w := newWorld(env.WorkDir, where)
			env.Values[worldKey{}] = w
			env.Setenv(quickExit())
			env.Values[databaseOwner{}] = env.T()
			env.Setenv(databaseVariable, where.make(env.T().(testing.TB)))
			env.Defer(func() { w.end(env.T().(testing.TB)) })
			return nil
		},
		Condition: func(name string) (bool, error) {
			for _, d := range databases {
				if strings.EqualFold(d.name, name) {
					return d.name == where.name, nil
				}
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":    word(0, (*world).serve),
			"worker":   word(0, (*world).work),
			"afresh":   word(0, (*world).afresh),
			"database": word(1, (*world).database),
			"shutdown": word(0, (*world).shutdown),
			"crash":    word(0, (*world).crash),
			"setup":    word(0, (*world).setup),
			"as":       word(1, (*world).as),
			"api":      word(3, (*world).api),
			"capture":  word(2, (*world).capture),
			"invoice":  word(0, (*world).invoice),
			"receiver": word(1, (*world).receiver),
			"answers":  word(2, (*world).answers),
			"refused":  word(2, (*world).refused),
			"webhook":  word(1, (*world).webhook),
			"rings":    word(2, (*world).rings),
			"quiet":    word(1, (*world).quiet),
			"btcd":     word(0, (*world).btcd),
			"fill":     word(3, (*world).fill),
		},
	})
}

// quickExit keeps programs built with -race from sleeping a second before they
// end, which they do so that their last goroutines can still be caught.
func quickExit() (name, value string) { return "GORACE", "atexit_sleep_ms=10" }

type (
	worldKey      struct{}
	databaseOwner struct{} // the test that a script's databases end with
)

// world is what one script has made: a server, clients, shops.
type world struct {
	dir     string
	where   database
	server  *daemon
	worker  *daemon // beside the server
	crashed atomic.Bool
	secrets clientSecrets
	bells   map[string]*bell
}

func (w *world) btcd(ts *testscript.TestScript, _ []string) {
	path, err := btcd.Find(context.Background())
	ts.Check(err)
	ts.Setenv("PAYBELL_BTCD_BINARY", path)
}

func newWorld(dir string, where database) *world {
	return &world{dir: dir, where: where, bells: map[string]*bell{}}
}

// word makes a command of a method, which needs at least so many arguments.
func word(least int, do func(*world, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command has no opposite")
		}
		if len(args) < least {
			ts.Fatalf("needs at least %d arguments, see TestScripts", least)
		}
		do(ts.Value(worldKey{}).(*world), ts, args)
	}
}

// end stops everything and looks for what should not have been.
func (w *world) end(t testing.TB) {
	for _, b := range w.bells {
		b.set(statusNoContent) // whoever hangs is let go
	}
	for _, p := range []*daemon{w.server, w.worker} {
		if p == nil {
			continue
		}
		if err := p.terminate(); err != nil {
			t.Errorf("%s at the end of the script: %v", p.name, err)
		}
	}
	for _, b := range w.bells {
		b.set(statusDown)
		for _, trouble := range b.troubles() {
			t.Errorf("receiver %s: %s", b.name, trouble)
		}
		for _, left := range b.left() {
			t.Errorf("receiver %s: nobody has asked for %s", b.name, left)
		}
	}
	w.readLog(t, "server")
	w.readLog(t, "worker")
}

// readLog looks for what a process never may log.
func (w *world) readLog(t testing.TB, name string) {
	text, err := os.ReadFile(w.logFile(name))
	if err != nil {
		return // the script has started none
	}
	for line := range strings.Lines(string(text)) {
		for _, bad := range append([]string{"DATA RACE", "panic", "level=ERROR"}, w.secrets.all()...) {
			if strings.Contains(line, bad) {
				t.Errorf("the log of the %s must not hold %q: %s", name, bad, line)
			}
		}
	}
	if t.Failed() {
		t.Logf("%s.log:\n%s", name, text)
	}
}
