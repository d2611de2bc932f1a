package killtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// server is the real binary on one data directory and one port, in one process
// after another.
type server struct {
	bin, data, addr string
	store           []string             // flags that name the store, of every command
	serve           []string             // more flags of serve
	log             *os.File             // stderr of all processes
	count           *atomic.Int64        // lives, of all servers of a test
	fail            func(err error)      // ends the test; called from any goroutine
	probe           http.Client          // asks /readyz
	beforeStart     func(life int) error // called when the life before has ended

	mu      sync.Mutex
	lives   []*life
	life    *life         // the last of them
	changed chan struct{} // closed and replaced when anything below mu changes
}

// life is one process of the server, from its start to its end.
type life struct {
	n       int // no other server of the test has it
	cmd     *exec.Cmd
	started time.Time
	exited  chan struct{} // closed when the process is gone
	err     error         // how it ended; set before exited is closed

	answered atomic.Int64 // requests that got their answer

	// Guarded by server.mu.
	up       bool // ready, and not ended by us
	ended    bool // by us, or about to be
	readyAt  time.Time
	killedAt time.Time // or stopped
	flying   int       // requests on the way
	cut      int       // requests whose answer the end of the process has cut off
}

// build compiles the binary as it is shipped: without the race detector, which
// would slow the server and not see more, since the test is in another process.
func build(t *testing.T) string {
	t.Helper()
	openSources(t)
	bin := filepath.Join(t.TempDir(), "paybell")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-race=false", "-o", bin, "github.com/paybell/paybell/cmd/paybell").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// openSources opens every directory of the module. What a test has opened is
// what go test compares to find out whether its last result still holds; and we
// import nothing of what we test, so that it would hold for ever.
func openSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && len(d.Name()) > 2 && d.Name()[0] == '.' {
			return fs.SkipDir // .git
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newServer prepares a server that was not started yet, for all roles.
func newServer(t *testing.T, bin string, random *rand.Rand, fail func(error)) *server {
	t.Helper()
	dir := t.ArtifactDir() // kept with -artifacts
	s := newProcess(t, bin, filepath.Join(dir, "data"), filepath.Join(dir, "server.log"), fail)
	s.listen(t, random)
	return s
}

// newProcess prepares a server that answers nobody.
func newProcess(t *testing.T, bin, data, logFile string, fail func(error)) *server {
	t.Helper()
	log, err := os.Create(logFile)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		bin: bin, data: data, log: log, fail: fail, count: new(atomic.Int64),
		probe:       http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
		beforeStart: func(int) error { return nil }, changed: make(chan struct{}),
	}
	t.Cleanup(func() {
		if s.life != nil {
			s.kill(s.life)
		}
		_ = log.Close()
	})
	return s
}

// listen gives the server an address.
func (s *server) listen(t *testing.T, random *rand.Rand) {
	t.Helper()
	s.addr = freeAddr(t, random)
	s.serve = append(s.serve, "--listen", s.addr, "--public-url", s.url())
}

// freeAddr finds a port below those that the kernel gives to outgoing
// connections: between two lives, one of those could take it.
func freeAddr(t *testing.T, random *rand.Rand) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12_000+random.IntN(18_000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func (s *server) url() string { return "http://" + s.addr }

// environment is ours without what would configure the server.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PAYBELL_") })
}

// run runs another command of the binary on the same data.
func (s *server) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.bin, slices.Concat(args, []string{"--data", s.data}, s.store)...)
	cmd.Env = environment()
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("paybell %s: %w: %s", strings.Join(args, " "), err, e.Stderr)
	}
	return out, err
}

// start begins a new life. The one before must have ended. One goroutine starts
// all of them.
func (s *server) start() (*life, error) {
	cmd := exec.Command(s.bin, slices.Concat([]string{"serve", "--data", s.data, "--allow-cidr", "127.0.0.0/8", "--log-level", "warn"}, s.store, s.serve)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), s.log, s.log
	l := &life{n: int(s.count.Add(1)), cmd: cmd, exited: make(chan struct{})}
	if err := s.beforeStart(l.n); err != nil {
		return nil, err
	}
	l.started = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life, s.lives = l, append(s.lives, l)
	s.change()
	go func() {
		l.err = cmd.Wait()
		close(l.exited)
		s.mu.Lock()
		ended := l.ended
		s.mu.Unlock()
		if !ended {
			s.fail(fmt.Errorf("the server ended by itself in life %d: %v\n%s", l.n, l.err, s.logTail()))
		}
	}()
	return l, nil
}

// ready waits until a life answers /readyz with 200 and lets requests in.
func (s *server) ready(ctx context.Context, l *life) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for !s.isReady(ctx) {
		select {
		case <-ticker.C:
		case <-limit.C:
			return fmt.Errorf("life %d was not ready after 30 s\n%s", l.n, s.logTail())
		case <-l.exited:
			return fmt.Errorf("life %d ended before it was ready: %v\n%s", l.n, l.err, s.logTail())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.up, l.readyAt = !l.ended, time.Now()
	s.change()
	return nil
}

func (s *server) isReady(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := s.probe.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// kill is kill -9. When it returns the process is gone: it writes nothing more,
// to the disk or to anybody.
func (s *server) kill(l *life) {
	s.end(l)
	_ = l.cmd.Process.Kill() // an error means that it is gone already
	<-l.exited
}

// stop asks a life to end and waits; it must say that all went well.
func (s *server) stop(l *life) error {
	s.end(l)
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-l.exited:
		if l.err != nil {
			return fmt.Errorf("the server stopped with %w\n%s", l.err, s.logTail())
		}
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("the server did not stop within 30 s")
	}
}

// dump ends a life that hangs and returns the stacks of its goroutines.
func (s *server) dump(l *life) string {
	s.end(l)
	_ = l.cmd.Process.Signal(syscall.SIGQUIT) // the Go runtime answers with all stacks
	<-l.exited
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	_, stacks, _ := strings.Cut(string(text), "SIGQUIT: quit")
	return stacks
}

// end lets no more requests in.
func (s *server) end(l *life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.up, l.ended, l.killedAt = false, true, time.Now()
	s.change()
}

// up is when the server was ready, in time since a moment.
func (s *server) up(began time.Time) (spans []span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lives {
		to := time.Now()
		if l.ended {
			to = l.killedAt
		}
		if !l.readyAt.IsZero() {
			spans = append(spans, span{l.readyAt.Sub(began), to.Sub(began)})
		}
	}
	return spans
}

// enter waits until the server is up and counts a request in. Each is followed
// by a leave.
func (s *server) enter(ctx context.Context) (l *life, err error) {
	err = s.wait(ctx, func() bool {
		if s.life == nil || !s.life.up {
			return false
		}
		l = s.life
		l.flying++
		return true
	})
	return l, err
}

// leave counts a request out. A refused connection was never in flight.
func (s *server) leave(l *life, err error) {
	if err == nil {
		l.answered.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.flying--
	if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		l.cut++
	}
	if l.flying == 0 {
		s.change()
	}
}

// landed waits until no request of an ended life is on the way and tells how
// many its end has cut off.
func (s *server) landed(ctx context.Context, l *life) (cut int, err error) {
	err = s.wait(ctx, func() bool { cut = l.cut; return l.flying == 0 })
	return cut, err
}

// wait waits until cond, which is called with mu held, is true.
func (s *server) wait(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		done, changed := cond(), s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// change wakes who waits; mu is held.
func (s *server) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// logTail is the end of what the processes said.
func (s *server) logTail() string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// complaints are the lines of the log that say that something is wrong. Those of
// errors that excused knows do not.
func (s *server) complaints(excused func(at time.Time, line string) bool) []string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		var at time.Time
		if stamp, found := strings.CutPrefix(line, "time="); found {
			stamp, _, _ = strings.Cut(stamp, " ")
			at, _ = time.Parse(time.RFC3339, stamp) // or it is not excused
		}
		if strings.Contains(line, "panic") || strings.Contains(line, "level=ERROR") && (excused == nil || !excused(at, line)) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
