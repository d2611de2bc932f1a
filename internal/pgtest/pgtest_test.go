package pgtest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// How a server ends together with its test binary can only be seen from
// outside, so some tests run this binary again; childMode tells it what to do.
const childMode = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	os.Unsetenv("PAYBELL_TEST_POSTGRES") // the tests are about our own server
	switch os.Getenv(childMode) {
	case "not durable":
		Durable = false
	case "no postgres":
		installed = "/nonexistent/*/bin"
	}
	Main(m)
}

func TestOpenGivesAnEmptyDatabase(t *testing.T) {
	db := dial(t, Open(t))
	if n := query(t, db, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public'"); n != "0" {
		t.Errorf("%s relations in a new database", n)
	}
	for _, c := range []struct{ question, want string }{
		{"SHOW server_encoding", "UTF8"},
		{"SELECT datcollate || ' ' || datctype FROM pg_database WHERE datname = current_database()", "C C"},
		{"SHOW fsync", "on"},
		{"SHOW full_page_writes", "on"},
		{"SHOW max_connections", "200"},
		{"SHOW listen_addresses", ""},
	} {
		if got := query(t, db, c.question); got != c.want {
			t.Errorf("%s: %q, want %q", c.question, got, c.want)
		}
	}
}

func TestOpenGivesEachTestItsOwn(t *testing.T) {
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			db := dial(t, Open(t))
			// Fails if somebody else made the table first.
			if _, err := db.Exec("CREATE TABLE mine (n INTEGER)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDatabaseIsDroppedWithOpenConnections(t *testing.T) {
	databases := func() string { return query(t, dial(t, Open(t)), "SELECT count(*) FROM pg_database") }
	before := databases()

	t.Run("leaks a connection", func(t *testing.T) {
		db, err := sql.Open("pgx", Open(t))
		if err != nil {
			t.Fatal(err)
		}
		query(t, db, "SELECT 1") // and is never closed
	})
	t.Run("drops its own", func(t *testing.T) {
		dsn := Open(t)
		db := dial(t, running.url.String())
		name := query(t, dial(t, dsn), "SELECT current_database()")
		if _, err := db.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Fatal(err)
		}
	})

	// databases makes one for itself each time; the first of them still stands.
	was, _ := strconv.Atoi(before)
	if after := databases(); after != strconv.Itoa(was+1) {
		t.Errorf("%s databases before, %s after", before, after)
	}
}

// TestServerOutlivesTheThreadThatAskedForIt: the parent death signal is sent
// when a thread ends.
func TestServerOutlivesTheThreadThatAskedForIt(t *testing.T) {
	var s *server
	var err error
	var thread int
	done := make(chan struct{})
	go func() {
		defer close(done)
		// A goroutine that ends locked takes its thread with it, except the
		// main thread: leave that one to a goroutine that stays.
		runtime.LockOSThread()
		if thread = syscall.Gettid(); thread == os.Getpid() {
			inner := make(chan struct{})
			go func() {
				defer close(inner)
				runtime.LockOSThread()
				thread = syscall.Gettid()
				s, err = start()
			}()
			<-inner
			return
		}
		s, err = start()
	}()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the thread", func() bool { return missing(fmt.Sprintf("/proc/self/task/%d", thread)) })
	if err := s.admin.Ping(); err != nil {
		t.Error(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if !missing(s.dir) {
		t.Errorf("%s still exists", s.dir)
	}
}

func TestServerThatDiesAtItsStart(t *testing.T) {
	credential, err := serverUser()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(credential)
	if err != nil {
		t.Fatal(err)
	}
	initdb, _, err := findBinaries()
	if err != nil {
		t.Fatal(err)
	}
	err = s.launch(initdb, "/bin/ls", credential) // makes a cluster, then fails on our options
	if err == nil || !strings.Contains(err.Error(), "postgres ended at its start") || !strings.Contains(err.Error(), "ls: ") {
		t.Errorf("error %v, want one with the log", err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if !missing(s.dir) {
		t.Errorf("%s still exists", s.dir)
	}
}

func TestNamedServer(t *testing.T) {
	Open(t) // so that there is one to name
	t.Setenv("PAYBELL_TEST_POSTGRES", running.url.String()+"&dbname=postgres")
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if s.cmd != nil {
		t.Error("started another server")
	}
	if err := s.exec("CREATE DATABASE named"); err != nil {
		t.Fatal(err)
	}
	db := dial(t, s.dsn("named"))
	if got := query(t, db, "SELECT current_database()"); got != "named" {
		t.Errorf("connected to %s", got)
	}
	db.Close()
	if err := s.exec("DROP DATABASE named"); err != nil {
		t.Error(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	query(t, dial(t, Open(t)), "SELECT 1") // it is still there
}

func TestNamedServerBadly(t *testing.T) {
	for _, dsn := range []string{
		"host=/tmp user=postgres password=hunter2",
		"mysql://u:hunter2@localhost/db",
		"postgres://u:hunter2@localhost:port/db",
		"postgres://u:hunter2@/db?host=/nonexistent",
	} {
		t.Setenv("PAYBELL_TEST_POSTGRES", dsn)
		_, err := start()
		if err == nil || !strings.Contains(err.Error(), "PAYBELL_TEST_POSTGRES") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", dsn, err)
		}
	}
}

func TestNewest(t *testing.T) {
	for _, c := range []struct {
		versions []string
		want     string
	}{
		{[]string{"15"}, "15"},
		{[]string{"15", "9.6"}, "15"},
		{[]string{"9.6", "15", "17", "16"}, "17"},
		{[]string{"devel", "14"}, "14"},
		{[]string{"devel"}, "devel"},
	} {
		var paths []string
		for _, v := range c.versions {
			paths = append(paths, "/usr/lib/postgresql/"+v+"/bin/postgres")
		}
		if got := newest(paths); got != "/usr/lib/postgresql/"+c.want+"/bin/postgres" {
			t.Errorf("%v: %s", c.versions, got)
		}
	}
}

func TestFindBinaries(t *testing.T) {
	defer func(was string) { installed = was }(installed)
	debian, path := t.TempDir(), t.TempDir()
	installed = debian + "/*/bin"
	t.Setenv("PATH", path)
	program := func(name string) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
		return name
	}
	expect := func(wantInitdb, wantPostgres string) {
		t.Helper()
		initdb, postgres, err := findBinaries()
		if err != nil || initdb != wantInitdb || postgres != wantPostgres {
			t.Errorf("found %s and %s, %v; want %s and %s", initdb, postgres, err, wantInitdb, wantPostgres)
		}
	}

	program(debian + "/9.6/bin/postgres")
	program(debian + "/9.6/bin/initdb")
	initdb15, postgres15 := program(debian+"/15/bin/initdb"), program(debian+"/15/bin/postgres")
	program(path + "/initdb") // half an installation in PATH does not count
	expect(initdb15, postgres15)
	program(path + "/postgres")
	expect(path+"/initdb", path+"/postgres")
}

// TestChild is what the children run. It does nothing in the parent.
func TestChild(t *testing.T) {
	mode := os.Getenv(childMode)
	if mode == "" {
		return
	}
	db := dial(t, Open(t))
	fmt.Printf("\nchild: %s %d %d %s %s\n", running.dir, running.cmd.Process.Pid, running.sweeper.cmd.Process.Pid, query(t, db, "SHOW fsync"), query(t, db, "SHOW full_page_writes"))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent has looked
	if mode == "panics" {
		panic("as asked")
	}
}

func TestNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		mode string
		exit string
		sync string
	}{
		{mode: "ends well", exit: "exit status 0", sync: "on"},
		{mode: "not durable", exit: "exit status 0", sync: "off"},
		{mode: "panics", exit: "exit status 2", sync: "on"},
		{mode: "is killed", exit: "signal: killed", sync: "on"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			child := startChild(t, c.mode)
			if want := c.sync + " " + c.sync; child.sync != want {
				t.Errorf("fsync and full_page_writes are %s, want %s", child.sync, want)
			}
			if missing(child.dir) || !child.serves(t) {
				t.Fatal("there is no server to watch")
			}
			if got := child.end(c.mode == "is killed"); got != c.exit {
				t.Errorf("child ended with %s, want %s", got, c.exit)
			}
			gone := func() bool { return missing(child.dir) && !child.serves(t) }
			if c.exit == "exit status 0" && !gone() {
				t.Error("Main ended before the server was gone")
			}
			await(t, "the end of the server, its directory and its shared memory", gone)
		})
	}
}

// TestKilledWithItsSweeper shows the kernel's part alone. (A server whose
// directory was removed under it ends too, sooner or later.)
func TestKilledWithItsSweeper(t *testing.T) {
	child := startChild(t, "is killed")
	if err := syscall.Kill(child.sweeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	child.end(true)
	await(t, "the end of the server and its shared memory", func() bool { return !child.serves(t) })
	if err := os.RemoveAll(child.dir); err != nil {
		t.Error(err)
	}
}

func TestNoPostgresFails(t *testing.T) {
	cmd := childCommand("no postgres")
	cmd.Env = append(cmd.Env, "PATH=/nonexistent")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--- FAIL: TestChild") || !strings.Contains(string(out), "install postgresql 15") {
		t.Errorf("without PostgreSQL: %v\n%s", err, out)
	}
}

// childCommand runs only TestChild.
func childCommand(mode string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	return cmd
}

// childProcess is a run of TestChild that has a server and waits to be ended.
type childProcess struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader

	dir     string // of its server
	server  int    // process ids
	sweeper int
	sync    string // the server's fsync and full_page_writes
}

func startChild(t *testing.T, mode string) *childProcess {
	t.Helper()
	cmd := childCommand(mode)
	stdin, errIn := cmd.StdinPipe()
	stdout, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	c := &childProcess{cmd: cmd, stdin: stdin, stdout: stdout}
	t.Cleanup(func() { c.end(true) })

	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if facts, ok := strings.CutPrefix(lines.Text(), "child: "); ok {
			var fsync, pages string
			if _, err := fmt.Sscan(facts, &c.dir, &c.server, &c.sweeper, &fsync, &pages); err != nil {
				t.Fatal(err)
			}
			c.sync = fsync + " " + pages
			return c
		}
	}
	t.Fatalf("the child started no server:\n%s", &said)
	return nil
}

// serves says whether the server, or anything of it, is in the system.
func (c *childProcess) serves(t *testing.T) bool {
	return alive(c.server) || hasSharedMemory(t, c.server)
}

// end ends the child, by force or by its own will, and says how it ended.
func (c *childProcess) end(kill bool) string {
	if kill {
		_ = c.cmd.Process.Kill()
	}
	_ = c.stdin.Close()
	_, _ = io.Copy(io.Discard, c.stdout)
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.String()
}

func dial(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func query(t *testing.T, db *sql.DB, question string) (answer string) {
	t.Helper()
	if err := db.QueryRow(question).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return answer
}

// await asks until it is so. Other processes do not tell us when they are done.
func await(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !isSo() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

// alive is false for a zombie: a dead server whose parent is dead too waits for
// init, which may take its time.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// hasSharedMemory says whether a System V segment that pid made exists.
func hasSharedMemory(t *testing.T, pid int) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	const creator = 4 // key shmid perms size cpid lpid ...
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > creator && fields[creator] == strconv.Itoa(pid) {
			return true
		}
	}
	return false
}
