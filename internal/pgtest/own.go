package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server of one test, which may stop it, kill it and start
// it again. Its methods wait until that is done, and fail the test when it cannot
// be: call them from the goroutine of the test.
type Server struct {
	t          testing.TB
	s          *server
	postgres   string // path of the program
	credential *syscall.Credential
}

// ownDatabase is the name of the one in which a test starts.
const ownDatabase = "own"

// Start starts a server from the installed binaries, beside the one that Open
// shares, with fsync on and settings like "max_connections=20". It is gone with its
// directory when t ends. PAYBELL_TEST_POSTGRES does not matter: nobody's server is
// to be killed.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("pgtest: %v", err)
		}
	}
	initdb, postgres, err := findBinaries()
	must(err)
	s.postgres = postgres
	s.credential, err = serverUser()
	must(err)
	s.s, err = newServer(s.credential)
	must(err)
	t.Cleanup(func() {
		if err := s.s.stop(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	// Files in its directory instead of /dev/shm, where they would outlive a kill.
	s.s.extra = append([]string{"fsync=on", "full_page_writes=on", "dynamic_shared_memory_type=mmap"}, settings...)
	must(s.s.launch(initdb, postgres, s.credential))
	must(s.s.exec("CREATE DATABASE " + ownDatabase + like("template0")))
	return s
}

// DSN is the URL of a database of the server, which is empty at first (UTF-8,
// collation C). The user is a superuser. The URL stays the same over restarts.
func (s *Server) DSN() string { return s.s.dsn(ownDatabase) }

// Socket is the path of the unix socket that the server listens on, for who wants
// to stand between it and its clients.
func (s *Server) Socket() string { return filepath.Join(s.s.dir, ".s.PGSQL."+port) }

// Kill is a power cut: kill -9 of the server and all its children at once. When it
// returns nothing of it runs or writes any more, and the connections of its clients
// are broken.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.s.kill(); err != nil {
		s.t.Fatalf("pgtest: kill postgres: %v", err)
	}
}

// Stop is the fast shutdown: clients are told and disconnected, everything is
// written, and the server ends.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.s.shutdown(syscall.SIGINT); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Restart starts the server again on its cluster, after Stop or Kill, and waits
// until it answers; that includes recovery.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.s.boot(s.postgres, s.credential); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Log is the end of what the server wrote, for messages.
func (s *Server) Log() string { return s.s.logTail() }

// kill ends the server without a chance to do anything. It is stopped first, so
// that it makes no more children while they are counted.
func (s *server) kill() error {
	pid := s.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(stopTimeout); ; time.Sleep(100 * time.Microsecond) {
		p, err := readProcess(pid)
		if err != nil {
			return err
		}
		if p.state == "T" {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it does not stand still: state %s", p.state)
		}
	}
	children, err := childrenOf(pid)
	if err != nil {
		return err
	}
	segment := s.segment()
	for _, p := range append(children, pid) {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	<-s.exited
	for _, child := range children {
		for deadline := time.Now().Add(stopTimeout); ; time.Sleep(100 * time.Microsecond) {
			if p, err := readProcess(child); err != nil || p.state == "Z" || p.state == "X" {
				break // a dead one whose parent is dead waits for init, which may take its time
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", child)
			}
		}
	}
	// A power cut would have taken its shared memory away, too.
	if segment >= 0 {
		const remove = 0 // IPC_RMID
		if _, _, errno := syscall.Syscall(syscall.SYS_SHMCTL, uintptr(segment), remove, 0); errno != 0 {
			return fmt.Errorf("remove its shared memory: %w", errno)
		}
	}
	return nil
}

// segment is the System V shared memory of the server, or -1: it is the last number
// in the seventh line of its lock file.
func (s *server) segment() int {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return -1
	}
	const line = 6
	lines := strings.Split(string(text), "\n")
	if len(lines) <= line {
		return -1
	}
	fields := strings.Fields(lines[line])
	if len(fields) != 2 {
		return -1
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return -1
	}
	return id
}

// process is what /proc tells of one.
type process struct {
	state  string // T: stopped, Z: dead
	parent int
}

func readProcess(pid int) (p process, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, err
	}
	_, facts, _ := strings.Cut(string(stat), ") ") // the name before may hold anything but this
	_, err = fmt.Sscan(facts, &p.state, &p.parent)
	return p, err
}

func childrenOf(pid int) (children []int, err error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		child, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		if p, err := readProcess(child); err == nil && p.parent == pid {
			children = append(children, child)
		}
	}
	return children, nil
}
