package killtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// takeOver is how long what a dead process served may wait for another.
const takeOver = 10 * time.Second

// fleet is a run on PostgreSQL: one process answers, others work.
type fleet struct {
	*run
	bin, dsn string
	db       *sql.DB
	workers  []*server

	mu     sync.Mutex
	gone   map[int]span // by life: see history
	down   []span       // when the database was
	apart  []span       // when a process was cut off from it, or frozen
	broken atomic.Int64 // answers with a 500
}

// newFleet makes a fleet of which nothing runs yet.
func newFleet(t *testing.T, bin, dsn string, seed uint64, kills, invoices int) *fleet {
	t.Helper()
	f := &fleet{run: newRun(t, seed, kills, invoices), bin: bin, dsn: dsn, gone: map[int]span{}}
	f.server = f.process("api", dsn)
	f.server.serve = []string{"--roles", "api"}
	f.server.listen(t, f.random)
	f.recv.sender = f.sender
	f.recv.record.patience = takeOver + promptly
	f.run.up = f.up
	f.excused = func(at time.Time, _ string) bool { return f.troubled(at, 3*time.Second) }
	var err error
	if f.db, err = sql.Open("pgx", dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.db.Close() })
	return f
}

// process prepares a process of the fleet.
func (f *fleet) process(name, dsn string) *server {
	f.t.Helper()
	dir := f.t.ArtifactDir()
	s := newProcess(f.t, f.bin, filepath.Join(dir, "data"), filepath.Join(dir, name+".log"), f.fail)
	s.store = []string{"--database", dsn}
	if f.server != nil {
		s.count = f.server.count
	}
	return s
}

// worker adds a process that works, and starts it.
func (f *fleet) worker(dsn string) *server {
	f.t.Helper()
	s := f.process(fmt.Sprintf("worker%d", len(f.workers)+1), dsn)
	s.serve = []string{"--roles", "watch,deliver,prune"}
	f.workers, f.others = append(f.workers, s), append(f.others, s)
	f.must(f.startWorker(s))
	return s
}

// startWorker begins a life of a process that answers nobody.
func (f *fleet) startWorker(s *server) error {
	l, err := s.start()
	if err == nil {
		s.mu.Lock()
		l.up, l.readyAt = true, time.Now()
		s.mu.Unlock()
	}
	return err
}

// sender finds the life at the other end of a connection.
func (f *fleet) sender(c net.Conn) int {
	socket := socketOf(c)
	for _, s := range f.workers {
		s.mu.Lock()
		l := s.life
		s.mu.Unlock()
		if l != nil && socket != "" && holds(l.cmd.Process.Pid, socket) {
			return l.n
		}
	}
	return 0
}

// socketOf is how the kernel calls the other end of a connection on this machine, as
// those who hold it see it: socket:[number]. Empty: nobody does any more.
func socketOf(c net.Conn) string {
	theirs, ours := inKernel(c.RemoteAddr()), inKernel(c.LocalAddr())
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	const local, remote, inode = 1, 2, 9
	for line := range bytes.Lines(table) {
		if !bytes.Contains(line, []byte(theirs)) {
			continue
		}
		if fields := strings.Fields(string(line)); len(fields) > inode && fields[local] == theirs && fields[remote] == ours {
			return "socket:[" + fields[inode] + "]"
		}
	}
	return ""
}

// inKernel writes an IPv4 address as /proc/net/tcp does on little-endian machines.
func inKernel(a net.Addr) string {
	tcp := a.(*net.TCPAddr)
	ip := tcp.IP.To4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], tcp.Port)
}

func holds(pid int, socket string) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, file := range files {
		if name, err := os.Readlink(dir + file.Name()); err == nil && name == socket {
			return true
		}
	}
	return false
}

// lost notes that a life lost what it had to do, from a moment until it says nothing
// of that any more.
func (f *fleet) lost(l *life, from, to time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	began := f.recv.record.began
	f.gone[l.n] = span{from.Sub(began), to.Sub(began)}
}

// up is when the database was, so far.
func (f *fleet) up() (spans []span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recv.record.gone = f.gone
	var from time.Duration
	for _, d := range f.down {
		spans = append(spans, span{from, d.from})
		from = d.to
	}
	return append(spans, span{from, f.recv.since()})
}

// troubled reports whether the database was down, or out of reach for one, at a moment
// or shortly before.
func (f *fleet) troubled(at time.Time, after time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := at.Sub(f.recv.record.began)
	return slices.ContainsFunc(slices.Concat(f.down, f.apart), func(s span) bool { return d >= s.from-time.Millisecond && d <= s.to+after })
}

// ask asks the database for one value.
func ask[T any](f *fleet, question string, args ...any) (answer T) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, 30*time.Second)
	defer cancel()
	if err := f.db.QueryRowContext(ctx, question, args...).Scan(&answer); err != nil {
		f.t.Fatalf("%s: %v", question, err)
	}
	return answer
}

// await asks until it is so, or fails after a time.
func (f *fleet) await(what string, limit time.Duration, isSo func() bool) (took time.Duration) {
	f.t.Helper()
	began := time.Now()
	for !isSo() {
		if time.Since(began) > limit {
			f.t.Fatalf("waited for %v in vain: %s\n%s", limit, what, f.shares())
		}
		f.must(pause(f.ctx, 10*time.Millisecond))
	}
	return time.Since(began)
}

// evenShares is the condition under which the shards are dealt out evenly among n
// processes.
const evenShares = `SELECT (SELECT COUNT(*) FROM processes) = $1 AND (SELECT COUNT(*) FROM shards WHERE owner = '') = 0
	AND (SELECT COUNT(*) = $1 AND MAX(n) - MIN(n) <= 1 FROM (SELECT COUNT(*) AS n FROM shards GROUP BY owner) shares)`

func (f *fleet) awaitEvenShares(limit time.Duration) time.Duration {
	f.t.Helper()
	n := 0
	for _, s := range f.workers {
		if s.life != nil && !s.life.ended {
			n++
		}
	}
	return f.await(fmt.Sprintf("even shares among %d", n), limit, func() bool { return ask[bool](f, evenShares, n) })
}

// shares tells who has how many shards.
func (f *fleet) shares() string {
	f.t.Helper()
	return ask[string](f, `SELECT COALESCE(string_agg(owner || ': ' || n, ', '), '') FROM (SELECT owner, COUNT(*) AS n FROM shards GROUP BY owner ORDER BY owner) shares`)
}

// again stops all as an operator would and starts them once more: nothing comes
// again.
func (f *fleet) again() {
	f.t.Helper()
	before := f.recv.seen()
	all := append(slices.Clone(f.workers), f.server)
	for _, s := range all {
		f.must(s.stop(s.life))
	}
	if n := ask[int](f, "SELECT COUNT(*) FROM processes"); n > 0 {
		f.t.Errorf("%d processes did not say that they leave", n)
	}
	f.begin()
	for _, s := range f.workers {
		f.must(f.startWorker(s))
	}
	f.awaitEvenShares(takeOver)
	f.must(pause(f.ctx, quietAfter))
	for _, s := range all {
		f.must(s.stop(s.life))
	}
	if n := f.recv.seen() - before; n > 0 {
		f.t.Errorf("%d notifications came again after a restart, although they had been delivered", n)
	}
}
