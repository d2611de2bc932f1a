// Package pgtest gives each test an empty PostgreSQL database of its own.
//
// The first [Open] in a test binary starts one server from the installed
// binaries; every Open makes one database on it. A package that uses it says
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// so that the server has stopped and its directory is gone before the binary
// ends. A binary that panics, is killed, or has no such TestMain leaves nothing
// behind either, only a moment later: the kernel stops the server and a waiting
// shell removes the directory.
//
// A test that stops or kills a server makes one of its own with [Start].
//
// PAYBELL_TEST_POSTGRES may name a running server to use instead, as the URL of
// a database whose user may create databases.
//
// The package is for Linux: it relies on the parent death signal.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"
)

// Durable says whether the server syncs what is committed to the disk, as it
// does in production. A package that never crashes the machine under the
// database is quicker without: set it to false in TestMain, before [Main].
var Durable = true

// installed is where distributions put the binaries that are not in PATH.
var installed = "/usr/lib/postgresql/*/bin"

// port is only part of the socket's name. It is said to both sides, or PGPORT
// in the environment would decide.
const port = "5432"

const (
	startTimeout = 60 * time.Second // a loaded machine with slow disks; usual is 1-2 s
	stopTimeout  = 20 * time.Second
	sqlTimeout   = 30 * time.Second
)

// shared starts the server of this binary, once. A server that could not start
// is not tried again: every test gets the same error.
var shared = sync.OnceValues(func() (*server, error) {
	s, err := start()
	running = s
	return s, err
})

// running is the server that shared started, for Main to stop; nil if none. Main
// reads it after all tests have ended.
var running *server

// Open makes an empty database (UTF-8, collation C) and returns its URL, which
// pgx and libpq understand. The database is dropped when t ends, even if
// connections to it are still open. When there is no PostgreSQL, t fails: a test
// that was skipped proves nothing.
func Open(t testing.TB) (dsn string) {
	t.Helper()
	// template0 cannot be connected to, so nobody can be in the way of the copy.
	return open(t, "template0")
}

// Copy is Open for a database that begins as fill has made one: with a schema, for
// instance, which takes longer to make than to copy. fill is called once in a
// binary for each name; it must have closed its connections when it returns.
func Copy(t testing.TB, name string, fill func(dsn string) error) (dsn string) {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	template := "pb_template_" + name + "_" + own
	once, _ := templates.LoadOrStore(name, sync.OnceValue(func() error {
		if err := s.exec("CREATE DATABASE " + template + like("template0")); err != nil {
			return err
		}
		return fill(s.dsn(template))
	}))
	if err := once.(func() error)(); err != nil {
		t.Fatalf("pgtest: fill the template %s: %v", name, err)
	}
	return open(t, template)
}

var (
	templates sync.Map                       // name -> func() error
	own       = strings.ToLower(rand.Text()) // keeps binaries apart that share a server
)

func like(template string) string {
	return " TEMPLATE " + template + " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
}

func open(t testing.TB, template string) (dsn string) {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := "pb_" + strings.ToLower(rand.Text())
	if err := s.exec("CREATE DATABASE " + name + like(template)); err != nil {
		t.Fatalf("pgtest: make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: drop the database of the test: %v", err)
		}
	})
	return s.dsn(name)
}

// Main runs the tests, stops the server if one was started, and ends the
// process. Call it from TestMain, last.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a package that has more to clean up: it returns the exit code.
func Run(m interface{ Run() int }) int {
	code := m.Run()
	if running == nil {
		return code
	}
	templates.Range(func(name, _ any) bool { // of a server that goes on
		_ = running.exec("DROP DATABASE IF EXISTS pb_template_" + name.(string) + "_" + own + " WITH (FORCE)")
		return true
	})
	if err := running.stop(); err != nil {
		fmt.Fprintf(os.Stderr, "pgtest: %v\n", err)
		code = max(code, 1)
	}
	return code
}

// server is a PostgreSQL server: one that we started, or one that was named to us.
type server struct {
	url   url.URL // of the database that admin is connected to
	admin *sql.DB // makes and drops databases

	// Only of a server that we started:
	dir     string
	extra   []string // settings, like max_connections=20
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the server process is gone; exit is then set
	exit    error
	sweeper *sweeper
}

// start gives a server that answers. If it fails nothing is left running.
func start() (*server, error) {
	if dsn := os.Getenv("PAYBELL_TEST_POSTGRES"); dsn != "" {
		return connect(dsn)
	}
	initdb, postgres, err := findBinaries()
	if err != nil {
		return nil, err
	}
	credential, err := serverUser()
	if err != nil {
		return nil, err
	}
	s, err := newServer(credential)
	if err != nil {
		return nil, err
	}
	if err := s.launch(initdb, postgres, credential); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// connect uses the server that PAYBELL_TEST_POSTGRES names.
func connect(dsn string) (*server, error) {
	u, err := url.Parse(dsn)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// The text may hold a password: it is not repeated here.
		return nil, errors.New("PAYBELL_TEST_POSTGRES: write it as postgres://user:password@host:port/database")
	}
	s := &server{url: *u}
	if s.admin, err = sql.Open("pgx", dsn); err != nil {
		return nil, fmt.Errorf("PAYBELL_TEST_POSTGRES: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), sqlTimeout)
	defer cancel()
	if err := s.admin.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("PAYBELL_TEST_POSTGRES: %w", err), s.admin.Close())
	}
	return s, nil
}

// findBinaries returns the paths of initdb and postgres: from PATH, else of the
// highest version that is installed. Debian keeps them out of PATH.
func findBinaries() (initdb, postgres string, err error) {
	initdb, errInitdb := exec.LookPath("initdb")
	postgres, errPostgres := exec.LookPath("postgres")
	if errInitdb == nil && errPostgres == nil {
		return initdb, postgres, nil
	}
	found, err := filepath.Glob(filepath.Join(installed, "postgres"))
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		return "", "", fmt.Errorf("no PostgreSQL in PATH or %s: install postgresql 15 or later (apt-get install postgresql), or name a server in PAYBELL_TEST_POSTGRES", installed)
	}
	postgres = newest(found)
	return filepath.Join(filepath.Dir(postgres), "initdb"), postgres, nil
}

// newest returns the path .../<version>/bin/postgres with the highest version,
// compared as a number: 9.6 < 15.
func newest(paths []string) string {
	var best string
	highest := -1.0
	for _, p := range paths {
		version, err := strconv.ParseFloat(filepath.Base(filepath.Dir(filepath.Dir(p))), 64)
		if err != nil {
			version = 0 // not a number: better than nothing
		}
		if version > highest {
			best, highest = p, version
		}
	}
	return best
}

// serverUser says as whom the server runs. PostgreSQL refuses root, so root
// hands over to the user postgres; nil means as ourselves.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: make a user postgres, or test as another user: %w", err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// newServer makes the directory of a server, which also holds its socket: it is
// short because the path of a socket has at most 107 bytes, and TMPDIR may be long.
func newServer(credential *syscall.Credential) (*server, error) {
	dir, err := os.MkdirTemp("/tmp", "pb")
	if err != nil {
		return nil, err
	}
	sweeper, err := startSweeper(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	s := &server{
		dir:     dir,
		sweeper: sweeper,
		url: url.URL{
			Scheme:   "postgres",
			User:     url.User("postgres"),
			Path:     "/postgres",
			RawQuery: url.Values{"host": {dir}, "port": {port}, "sslmode": {"disable"}}.Encode(),
		},
	}
	if credential != nil {
		err = os.Chown(dir, int(credential.Uid), int(credential.Gid))
	}
	if err == nil {
		s.admin, err = sql.Open("pgx", s.url.String())
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// launch makes the cluster, starts the server and waits until it answers.
func (s *server) launch(initdb, postgres string, credential *syscall.Credential) error {
	// -N: do not sync. A cluster that a crash of the machine breaks is not wanted any more.
	cmd := child(credential, initdb, "-N", "-A", "trust", "--locale=C", "--encoding=UTF8", "-U", "postgres", "-D", s.data())
	runtime.LockOSThread() // for its life: see boot
	out, err := cmd.CombinedOutput()
	runtime.UnlockOSThread()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return s.boot(postgres, credential)
}

// boot starts the server on its cluster and waits until it answers.
//
// The goroutine that starts it keeps its thread until it has exited: the kernel
// sends the parent death signal when the thread that started the child ends, not
// when the process does, and the Go runtime ends threads at will.
func (s *server) boot(postgres string, credential *syscall.Credential) error {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	cmd := child(credential, postgres, s.settings()...)
	cmd.Stdout, cmd.Stderr = log, log
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			s.exit = cmd.Wait()
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.exited = cmd, exited
	return s.awaitReady()
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) settings() []string {
	args := []string{"-D", s.data(), "-k", s.dir, "-p", port,
		"-c", "listen_addresses=", // the unix socket only
		"-c", "max_connections=200",
	}
	if !Durable {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	for _, setting := range s.extra {
		args = append(args, "-c", setting)
	}
	return args
}

// child is a command that cannot outlive us. It is told SIGQUIT, not SIGKILL: for
// postgres that is the immediate shutdown, which gives its shared memory back;
// killed, it would leave segments on the machine until the next reboot. It has a
// process group of its own, so that Ctrl-C reaches it through us alone.
func child(credential *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/" // ours may be one that the user postgres cannot enter
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: credential,
		Pdeathsig:  syscall.SIGQUIT,
		Setpgid:    true,
	}
	return cmd
}

// awaitReady returns when the server answers a query, or an error with the end of
// its log when it died or took too long.
func (s *server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.exited:
			return fmt.Errorf("postgres ended at its start: %w\n%s", s.exit, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer after %v: %w\n%s", startTimeout, err, s.logTail())
		}
	}
}

func (s *server) logPath() string { return filepath.Join(s.dir, "log") }

// logTail is the end of the server's log, for error messages.
func (s *server) logTail() string {
	log, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4096):])
}

// dsn is the URL of one database on the server.
func (s *server) dsn(database string) string {
	u := s.url
	u.Path = "/" + database
	query := u.Query()
	query.Del("dbname") // it would win over the path
	u.RawQuery = query.Encode()
	return u.String()
}

func (s *server) exec(statement string) error {
	// Not the context of the test: that one is already cancelled in a cleanup.
	ctx, cancel := context.WithTimeout(context.Background(), sqlTimeout)
	defer cancel()
	_, err := s.admin.ExecContext(ctx, statement)
	return err
}

// stop ends a server that we started and removes its directory; it returns when
// both are gone. From a server that was named to us it only disconnects.
func (s *server) stop() error {
	var errs []error
	if s.admin != nil {
		errs = append(errs, s.admin.Close())
	}
	if s.cmd != nil {
		errs = append(errs, s.quit())
	}
	if s.sweeper != nil {
		errs = append(errs, s.sweeper.sweep())
	}
	return errors.Join(errs...)
}

// quit shuts the server down at once: nobody wants its data any more.
func (s *server) quit() error { return s.shutdown(syscall.SIGQUIT) }

// shutdown asks the server to end, in the way that the signal says, and waits for it.
func (s *server) shutdown(how syscall.Signal) error {
	if err := s.cmd.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill postgres: %w", err)
	}
	<-s.exited
	return fmt.Errorf("postgres did not stop within %v and was killed", stopTimeout)
}

// sweeper removes a directory when we are done with it, or dead: it is a shell
// that waits for the end of its input, which comes in both cases.
type sweeper struct {
	cmd   *exec.Cmd
	input io.Closer
}

// sweepScript tries for about 20 s, because a server whose parent was killed
// still writes while it shuts down.
const sweepScript = `
read -r _
for _ in $(seq 200); do
	rm -rf "$1" 2>/dev/null && exit 0
	sleep 0.1
done
rm -rf "$1"
`

func startSweeper(dir string) (*sweeper, error) {
	cmd := exec.Command("/bin/sh", "-c", sweepScript, "sweep", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us, not for it
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the shell that cleans up: %w", err)
	}
	return &sweeper{cmd: cmd, input: input}, nil
}

// sweep removes the directory and returns when it is gone.
func (s *sweeper) sweep() error {
	if err := errors.Join(s.input.Close(), s.cmd.Wait()); err != nil {
		return fmt.Errorf("remove %s: %w", s.cmd.Args[len(s.cmd.Args)-1], err)
	}
	return nil
}
