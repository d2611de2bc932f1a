package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/paybell/paybell/internal/pgtest"
)

// patience is how long something may take that takes milliseconds when the
// machine is not busy. Only a failing script waits so long.
const patience = 30 * time.Second

// poll asks again and again until done, or until the patience is over.
func poll(done func() bool) bool {
	return pollFor(patience, done)
}

func pollFor(limit time.Duration, done func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for !done() {
		select {
		case <-tick.C:
		case <-over:
			return done()
		}
	}
	return true
}

// nextPort counts through ports below the range from which the kernel takes
// those of outgoing connections: a port that was free stays free until it is
// used, also while a receiver is down.
var nextPort atomic.Int64

func init() { nextPort.Store(10_000 + rand.Int64N(15_000)) }

func freeAddress() string {
	for {
		addr := "127.0.0.1:" + strconv.FormatInt(nextPort.Add(1), 10)
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
}

// daemon is a running server, or a worker beside it.
type daemon struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended
}

func (w *world) logFile(name string) string { return filepath.Join(w.dir, name+".log") }

// serve starts the server and waits until it serves.
func (w *world) serve(ts *testscript.TestScript, flags []string) {
	if w.server != nil {
		ts.Fatalf("the server runs already")
	}
	addr := freeAddress()
	w.server = w.run(ts, "server", addr, append([]string{"--listen", addr}, flags...))
	ts.Setenv("URL", "http://"+addr)
}

// work starts a process that does the rest, and waits until it is ready.
func (w *world) work(ts *testscript.TestScript, flags []string) {
	if w.worker != nil {
		ts.Fatalf("the worker runs already")
	}
	addr := freeAddress()
	w.worker = w.run(ts, "worker", addr, append([]string{"--roles", "watch,deliver,prune", "--metrics-listen", addr}, flags...))
	ts.Setenv("WORKER", "http://"+addr)
}

// run starts `paybell serve` and waits until it says at an address that it is ready.
func (w *world) run(ts *testscript.TestScript, name, addr string, flags []string) *daemon {
	program, err := exec.LookPath("paybell")
	ts.Check(err)
	log, err := os.OpenFile(w.logFile(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close() //nolint:errcheck // the process has its own descriptor
	cmd := exec.Command(program, append([]string{"serve", "--data", filepath.Join(w.dir, "data")}, flags...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, log, log
	key, value := quickExit()
	cmd.Env = append(os.Environ(), key+"="+value, databaseVariable+"="+ts.Getenv(databaseVariable))
	ts.Check(cmd.Start())
	p := &daemon{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	ready := poll(func() bool { return p.over() || isReady("http://"+addr) })
	if p.over() {
		ts.Fatalf("the %s ended: %v\n%s", name, p.err, ts.ReadFile(w.logFile(name)))
	}
	if !ready {
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // what is it doing?
		<-p.ended
		ts.Fatalf("the %s is not ready\n%s", name, ts.ReadFile(w.logFile(name)))
	}
	return p
}

// web is what scripts speak HTTP with. An answer takes milliseconds.
var web = &http.Client{Timeout: patience / 2}

func isReady(base string) bool {
	resp, err := web.Get(base + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (p *daemon) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// terminate asks the server to stop and waits for its end, which must be a good one.
func (p *daemon) terminate() error {
	if p.over() {
		return fmt.Errorf("it had ended by itself: %w", errors.Join(errors.New("nobody asked it to"), p.err))
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if !poll(p.over) {
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("it did not stop within %v", patience)
	}
	return p.err
}

// shutdown ends the server as an operator does.
func (w *world) shutdown(ts *testscript.TestScript, args []string) {
	ts.Check(w.take(ts, args).terminate())
}

// crash ends the server as a power cut does.
func (w *world) crash(ts *testscript.TestScript, args []string) {
	p := w.take(ts, args)
	if p.over() {
		ts.Fatalf("the %s had ended by itself: %v", p.name, p.err)
	}
	w.crashed.Store(true)
	ts.Check(p.cmd.Process.Kill())
	<-p.ended
}

// take takes the server, or the worker, out of the world.
func (w *world) take(ts *testscript.TestScript, args []string) *daemon {
	which := &w.server
	if len(args) > 0 && args[0] == "worker" {
		which = &w.worker
	}
	p := *which
	if p == nil {
		ts.Fatalf("it does not run")
	}
	*which = nil
	return p
}

// afresh takes all data away.
func (w *world) afresh(ts *testscript.TestScript, _ []string) {
	if w.server != nil || w.worker != nil {
		ts.Fatalf("a server runs on the data")
	}
	ts.Check(os.RemoveAll(filepath.Join(w.dir, "data")))
	ts.Setenv(databaseVariable, w.where.make(ts.Value(databaseOwner{}).(testing.TB)))
}

// database makes an empty one, without a schema.
func (w *world) database(ts *testscript.TestScript, args []string) {
	ts.Setenv(args[0], pgtest.Open(ts.Value(databaseOwner{}).(testing.TB)))
}

// fill writes a file that no editor would.
func (w *world) fill(ts *testscript.TestScript, args []string) {
	var text strings.Builder
	for i := 1; i+1 < len(args); i += 2 {
		part, err := strconv.Unquote(`"` + strings.ReplaceAll(args[i], `"`, `\"`) + `"`)
		ts.Check(err)
		n, err := strconv.Atoi(args[i+1])
		ts.Check(err)
		text.WriteString(strings.Repeat(part, n))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text.String()), 0o600))
}
