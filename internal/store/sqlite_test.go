package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell"
)

// patience is how long a test waits for what must come at once.
const patience = 20 * time.Second

// openSQLite opens the store in dir; the caller closes it.
func openSQLite(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := OpenSQLite(context.Background(), dir, Options{Keys: keyring(t, keyLine(1)), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closeSQLite(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// newSQLite is a store of its own for a test.
func newSQLite(t testing.TB) *DB {
	t.Helper()
	db := openSQLite(t, t.TempDir())
	t.Cleanup(func() { closeSQLite(t, db) })
	return db
}

// write puts two rows that belong together, named after op.
func write(op string) func(*Tx) error {
	return func(tx *Tx) error {
		n, err := tx.AppendJournal("m", op)
		if err != nil {
			return err
		}
		return tx.CreateMerchant(paybell.Merchant{ID: op, Name: op, CreatedAt: time.UnixMicro(n)})
	}
}

// written reads which ops are there, in the order of their numbers. It fails
// when half of one is, or a number is missing.
func written(t testing.TB, db *DB) []string {
	t.Helper()
	ops, err := View(context.Background(), db, func(tx *Tx) (ops []string, err error) {
		for {
			part, err := tx.Journal(int64(len(ops)))
			if err != nil || len(part) == 0 {
				return ops, err
			}
			for _, e := range part {
				if e.N != int64(len(ops)+1) {
					return nil, fmt.Errorf("after number %d comes %d", len(ops), e.N)
				}
				if _, err := tx.Merchant(e.Op); err != nil {
					return nil, fmt.Errorf("half of %s was written: %w", e.Op, err)
				}
				ops = append(ops, e.Op)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	merchants, err := View(context.Background(), db, func(tx *Tx) ([]paybell.Merchant, error) { return tx.Merchants(1_000_000) })
	if err != nil || len(merchants) != len(ops) {
		t.Fatalf("%d ops have %d merchants, %v: half of some was written", len(ops), len(merchants), err)
	}
	return ops
}

// same fails unless two sets of ops are the same.
func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d: %.500q, want %d: %.500q", what, len(got), got, len(want), want)
	}
}

// await returns when something is so; it has to become so soon.
func await(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); !isSo(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// holdWriter keeps the writer busy with op, which is the first of its batch,
// until release is called; release returns how it went.
func holdWriter(t testing.TB, db *DB, op string) (release func() error) {
	t.Helper()
	began, let, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Do(context.Background(), db, func(tx *Tx) error {
			err := write(op)(tx)
			close(began)
			<-let
			return err
		})
	}()
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("the writer does not begin")
	}
	return func() error {
		close(let)
		return <-ended
	}
}

// queueUp starts n bodies that write "<name> <i>" behind a held writer, and
// returns when all of them wait; wait returns how each went.
func queueUp(t testing.TB, db *DB, name string, n int) (ops []string, wait func() []error) {
	t.Helper()
	before := len(db.queue)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		op := fmt.Sprint(name, " ", i)
		ops = append(ops, op)
		all.Go(func() { errs[i] = Do(context.Background(), db, write(op)) })
	}
	await(t, "all bodies wait for the writer", func() bool { return len(db.queue) == before+n })
	return ops, func() []error {
		t.Helper()
		answered := make(chan struct{})
		go func() { all.Wait(); close(answered) }()
		select {
		case <-answered:
		case <-time.After(patience):
			t.Fatal("a body that waited was never answered")
		}
		return errs
	}
}

// settle lets the writer go and returns how each went, the first first.
func settle(release func() error, wait func() []error) []error {
	return append([]error{release()}, wait()...)
}

func wantUnavailable(t testing.TB, what string, err error) {
	t.Helper()
	var e *paybell.Error
	if !errors.As(err, &e) || e.Code != paybell.Unavailable || e.RetryAfter <= 0 {
		t.Errorf("%s: got %v, want Unavailable with a RetryAfter", what, err)
	}
}

func TestGroupCommit(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir)
	release := holdWriter(t, db, "first")
	ops, wait := queueUp(t, db, "op", 64)
	if err := errors.Join(settle(release, wait)...); err != nil {
		t.Fatal(err)
	}
	closeSQLite(t, db)
	db = openSQLite(t, dir)
	defer closeSQLite(t, db)
	same(t, "after a new start", written(t, db), append(ops, "first"))
}

// More bodies than one transaction takes, some of which fail.
func TestSeveralBatches(t *testing.T) {
	db := newSQLite(t)
	release := holdWriter(t, db, "first")
	ops, wait := queueUp(t, db, "op", 2*maxBatch)
	var failed sync.WaitGroup
	for i := range maxBatch {
		failed.Go(func() {
			err := Do(context.Background(), db, func(tx *Tx) error {
				if err := write(fmt.Sprint("failed ", i))(tx); err != nil {
					return err
				}
				panic("a bug")
			})
			if err == nil || !strings.Contains(err.Error(), "a bug") {
				t.Errorf("a body that panicked: %v", err)
			}
		})
	}
	if err := errors.Join(settle(release, wait)...); err != nil {
		t.Fatal(err)
	}
	failed.Wait()
	same(t, "written", written(t, db), append(ops, "first"))
}

// A caller that leaves before its body has begun leaves no trace; the others
// that wait do not notice.
func TestCancelledWhileWaiting(t *testing.T) {
	db := newSQLite(t)
	release := holdWriter(t, db, "first")
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() { left <- Do(ctx, db, write("cancelled")) }()
	await(t, "the body waits", func() bool { return len(db.queue) == 1 })
	ops, wait := queueUp(t, db, "op", 8)
	cancel()
	select {
	case err := <-left: // while the writer is still busy
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a cancelled caller goes on waiting")
	}
	if err := errors.Join(settle(release, wait)...); err != nil {
		t.Fatal(err)
	}
	same(t, "written", written(t, db), append(ops, "first"))
}

// A caller that leaves while its body runs ends only its own waiting: what the
// body does is committed with the rest of the batch.
func TestCancelledWhileRunning(t *testing.T) {
	db := newSQLite(t)
	ctx, cancel := context.WithCancel(context.Background())
	began, let, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		left <- Do(ctx, db, func(tx *Tx) error {
			close(began)
			<-let
			return write("running")(tx)
		})
	}()
	<-began
	ops, wait := queueUp(t, db, "op", 8)
	cancel()
	select {
	case err := <-left:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a cancelled caller goes on waiting")
	}
	close(let)
	if err := errors.Join(wait()...); err != nil {
		t.Fatal(err)
	}
	same(t, "written", written(t, db), append(ops, "running"))
}

func TestQueueFull(t *testing.T) {
	db := newSQLite(t)
	release := holdWriter(t, db, "first")
	ops, wait := queueUp(t, db, "op", QueueSize)
	for range 3 {
		wantUnavailable(t, "one more", Do(context.Background(), db, write("refused")))
	}
	if err := errors.Join(settle(release, wait)...); err != nil {
		t.Fatal(err)
	}
	if err := Do(context.Background(), db, write("afterwards")); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	same(t, "written", written(t, db), append(ops, "first", "afterwards"))
}

func TestCloseDrains(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir)
	release := holdWriter(t, db, "first")
	ops, wait := queueUp(t, db, "op", 5*maxBatch)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	<-db.stop
	wantUnavailable(t, "an update while it closes", Do(context.Background(), db, write("refused")))
	select {
	case err := <-closed:
		t.Fatalf("closed with bodies under way: %v", err)
	default:
	}
	if err := errors.Join(settle(release, wait)...); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, "an update after Close", Do(context.Background(), db, write("refused")))
	_, err := View(context.Background(), db, func(tx *Tx) (int64, error) { return tx.Undelivered() })
	wantUnavailable(t, "a view after Close", err)

	// Nobody holds the files any more, and the log is back in the database.
	same(t, "files", names(t, dir), []string{"paybell.db"})
	for _, link := range names(t, "/proc/self/fd") {
		if file, err := os.Readlink("/proc/self/fd/" + link); err == nil && strings.HasPrefix(file, dir) {
			t.Errorf("%s is still open", file)
		}
	}
	db = openSQLite(t, dir)
	defer closeSQLite(t, db)
	same(t, "after a new start", written(t, db), append(ops, "first"))
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Whoever writes while the store is closed is told the truth.
func TestWriteWhileClosing(t *testing.T) {
	for range 10 {
		dir := t.TempDir()
		db := openSQLite(t, dir)
		const writers = 8
		var done [writers][]string
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := 0; ; i++ {
					op := fmt.Sprint("writer ", w, " op ", i)
					if err := Do(context.Background(), db, write(op)); err != nil {
						wantUnavailable(t, op, err)
						return
					}
					done[w] = append(done[w], op)
				}
			})
			all.Go(func() {
				for {
					if _, err := View(context.Background(), db, func(tx *Tx) (int64, error) { return tx.Undelivered() }); err != nil {
						wantUnavailable(t, "a view", err)
						return
					}
				}
			})
		}
		for enough := false; !enough; {
			some, err := View(context.Background(), db, func(tx *Tx) ([]JournalEntry, error) { return tx.Journal(20) })
			if err != nil {
				t.Fatal(err)
			}
			enough = len(some) > 0
		}
		closeSQLite(t, db)
		all.Wait()
		db = openSQLite(t, dir)
		same(t, "after a new start", written(t, db), slices.Concat(done[:]...))
		closeSQLite(t, db)
	}
}

// Told in the order of the commits: a webhook's numbers only grow.
func TestOnCommitInOrder(t *testing.T) {
	db := newSQLite(t)
	var told []int64 // by the writer; read when it is done
	db.OnCommit(func(fresh []paybell.Delivery) {
		for _, d := range fresh {
			told = append(told, d.Number)
		}
	})
	at := time.UnixMicro(1_000_000)
	c := paybell.Client{ID: paybell.NewClientID(), MerchantID: "m", CreatedAt: at}
	hook := paybell.Webhook{ID: paybell.NewWebhookID(), ClientID: c.ID, URL: "https://a.example/", Origin: "https://a.example:443", Events: paybell.AllEvents, State: paybell.WebhookActive}
	if err := Do(context.Background(), db, func(tx *Tx) error {
		return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: "m"}), tx.CreateClient(c, "secret"), tx.CreateWebhook(hook))
	}); err != nil {
		t.Fatal(err)
	}
	const goroutines, each = 16, 10
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				created := paybell.Create(paybell.Invoice{ID: paybell.NewUUID(at), MerchantID: "m", ClientID: c.ID, Bill: paybell.Bill{Currency: "5057"}}, at)
				if err := Do(context.Background(), db, func(tx *Tx) error { return tx.Apply(created) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(told) != goroutines*each || !slices.IsSorted(told) {
		t.Errorf("told of numbers %v", told)
	}
}

// limitPages lets the database grow by n pages at most; a negative n lets it
// grow again.
func limitPages(t testing.TB, db *DB, n int64) {
	t.Helper()
	if err := Do(context.Background(), db, func(tx *Tx) error {
		pages, _, err := one(tx, scanInt, "PRAGMA page_count")
		if err != nil {
			return err
		}
		if n < 0 {
			n = 1 << 30
		}
		limit, _, err := one(tx, scanInt, fmt.Sprintf("PRAGMA max_page_count = %d", pages+n))
		if err == nil && limit != pages+n {
			err = fmt.Errorf("the limit is %d pages, want %d", limit, pages+n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// wantAllOrNothing fails unless every op is there whose caller was told so, and
// no other, and the others were told to try again. It returns those others.
func wantAllOrNothing(t testing.TB, db *DB, ops []string, errs []error) (failed []string) {
	t.Helper()
	var done []string
	for i, err := range errs {
		if err == nil {
			done = append(done, ops[i])
			continue
		}
		wantUnavailable(t, fmt.Sprintf("%.20s", ops[i]), err)
		failed = append(failed, ops[i])
	}
	same(t, "written", written(t, db), done)
	return failed
}

// A full disk takes back the whole transaction that it stopped, of everybody in
// it. The bodies that fitted before are written, and when there is room again
// all is well.
func TestDiskFull(t *testing.T) {
	db := newSQLite(t)
	limitPages(t, db, 24)
	large := strings.Repeat("x", 2000)
	release := holdWriter(t, db, "first "+large)
	ops, wait := queueUp(t, db, large, 16)
	errs := settle(release, wait)
	ops = append([]string{"first " + large}, ops...)
	wantUnavailable(t, "the first of a batch that does not fit", errs[0])

	failed := wantAllOrNothing(t, db, ops, errs)
	if len(failed) == 0 || len(failed) < 5 {
		t.Fatalf("%d of %d did not fit; this test is about more", len(failed), len(ops))
	}
	if !strings.Contains(errs[0].Error(), "disk is full") {
		t.Errorf("it does not say what the matter is: %.300s", errs[0])
	}
	for _, op := range failed { // alone, as often as they like
		err := Do(context.Background(), db, write("again "+op))
		if err != nil {
			wantUnavailable(t, "alone", err)
		}
	}
	was := written(t, db)
	limitPages(t, db, -1)
	for _, op := range failed {
		if err := Do(context.Background(), db, write(op)); err != nil {
			t.Errorf("with room: %v", err)
		}
	}
	same(t, "with room", written(t, db), append(was, failed...))
}

// When the disk is full SQLite ends the transaction and goes on without one: a
// body that does not notice must not write on, and what it makes of the error is
// not for the others.
func TestDiskFullUnnoticed(t *testing.T) {
	for name, answer := range map[string]error{
		"swallowed": nil, "hidden": paybell.Errorf(paybell.Forbidden, "for the one only"),
	} {
		db := newSQLite(t)
		limitPages(t, db, 24)
		release := holdWriter(t, db, "first")
		unnoticed := make(chan error, 1)
		go func() {
			unnoticed <- Do(context.Background(), db, func(tx *Tx) error {
				for i := range 32 {
					_ = write(fmt.Sprint("unnoticed ", i, strings.Repeat("x", 2000)))(tx)
					_ = tx.CreateMerchant(paybell.Merchant{ID: fmt.Sprint("unnoticed merchant ", i)})
				}
				return answer
			})
		}()
		await(t, "the body waits", func() bool { return len(db.queue) == 1 })
		wantUnavailable(t, name+": the others of the batch", release())
		wantUnavailable(t, name+": the body", <-unnoticed)
		if err := Do(context.Background(), db, write("afterwards")); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
		same(t, name, written(t, db), []string{"afterwards"})
	}
}

// Some tests run this binary again, as a process that may be killed. What it
// does is the value of childMode, in the directory childDir.
const (
	childMode = "STORE_TEST_MODE"
	childDir  = "STORE_TEST_DIR"
)

// TestSQLiteChild is that process. It does nothing in the parent.
func TestSQLiteChild(t *testing.T) {
	dir := os.Getenv(childDir)
	switch mode := os.Getenv(childMode); mode {
	case "":
	case "lock":
		childLock(t, dir)
	case "write":
		childWrite(t, dir)
	case "full":
		childFull(t, dir)
	default:
		t.Fatalf("mode %q", mode)
	}
}

// startChild starts this binary again. lines gives what it prints, until it
// ends; input is its standard input.
func startChild(t testing.TB, mode, dir string) (cmd *exec.Cmd, lines *bufio.Scanner, input io.WriteCloser) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^TestSQLiteChild$", "-test.v")
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if input, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // a no-op after Wait
	return cmd, bufio.NewScanner(out), input
}

// The disk is full when the transaction is written to the log: at its commit.
func TestDiskFullAtCommit(t *testing.T) {
	cmd, lines, _ := startChild(t, "full", t.TempDir())
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Wait(); err != nil || !slices.Contains(said, "was full") {
		t.Errorf("%v\n%s", err, strings.Join(said, "\n"))
	}
}

// childFull runs in a process of its own because the limit is the process's.
func childFull(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	db := openSQLite(t, dir)
	defer closeSQLite(t, db)
	if err := Do(context.Background(), db, write("before")); err != nil {
		t.Fatal(err)
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	limit := func(size uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Stat(filepath.Join(dir, "paybell.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	ops := []string{"first"}
	for round := range 3 {
		ops[0] = fmt.Sprint("first ", round)
		release := holdWriter(t, db, ops[0])
		more, wait := queueUp(t, db, fmt.Sprint("op ", round), 16)
		limit(uint64(log.Size()) + 5000)
		errs := settle(release, wait)
		limit(was.Cur)
		for i, err := range errs {
			wantUnavailable(t, fmt.Sprint("body ", i, " of a batch whose commit failed"), err)
		}
		same(t, "written", written(t, db), []string{"before"})
		ops = append(ops[:1], more...)
	}
	fmt.Println("was full")
	for _, op := range ops {
		if err := Do(context.Background(), db, write(op)); err != nil {
			t.Errorf("with room: %v", err)
		}
	}
	same(t, "with room", written(t, db), append(ops, "before"))
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	refused := func(when string) {
		t.Helper()
		release, err := Lock(dir)
		if err == nil {
			release()
			t.Fatalf("two have the lock %s", when)
		}
		if paybell.CodeOf(err) != paybell.Conflict || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data") {
			t.Errorf("refused %s with %v, want a conflict that says what to do", when, err)
		}
	}
	cmd, lines, _ := startChild(t, "lock", dir)
	for lines.Scan() && lines.Text() != "locked" {
	}
	refused("while another process has it")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended before it was killed")
	}
	for range 2 {
		release, err := Lock(dir)
		if err != nil {
			t.Fatalf("the holder is dead: %v", err)
		}
		refused("in one process")
		release()
	}
	if _, err := Lock(filepath.Join(dir, "missing")); err == nil || paybell.CodeOf(err) == paybell.Conflict {
		t.Errorf("a directory that does not exist: %v", err)
	}
}

func childLock(t *testing.T, dir string) {
	if _, err := Lock(dir); err != nil {
		t.Fatal(err)
	}
	fmt.Println("locked")
	_, _ = io.ReadAll(os.Stdin) // until the parent kills us, or is dead itself
}

// Nobody else can read what buyers wrote, whatever the umask of the server.
func TestFileModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	db := openSQLite(t, dir)
	defer closeSQLite(t, db)
	if err := Do(context.Background(), db, write("op")); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	files := names(t, dir)
	same(t, "files", files, []string{"paybell.db", "paybell.db-shm", "paybell.db-wal", "paybell.lock"})
	for _, name := range files {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
}

// A directory may have any name.
func TestOddDirectory(t *testing.T) {
	for _, name := range []string{"a b", "a?b=c", "a#b", "100%41", "é'\"&;\\", "file:x", "_pragma=query_only(ON)"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			db := openSQLite(t, dir)
			if err := Do(context.Background(), db, write(fmt.Sprint("op ", i))); err != nil {
				t.Error(err)
			}
			if n := len(written(t, db)); n != i+1 {
				t.Errorf("%s: %d ops at start %d", name, n, i)
			}
			closeSQLite(t, db)
		}
		same(t, "files in "+name, names(t, dir), []string{"paybell.db"})
		same(t, "files beside "+name, names(t, filepath.Dir(dir)), []string{name})
	}
}

// What a crash may take depends on these.
func TestPragmas(t *testing.T) {
	db := newSQLite(t)
	ask := func(tx *Tx) (all []string, err error) {
		for _, name := range []string{"journal_mode", "synchronous", "foreign_keys"} {
			value, _, err := one(tx, scanText, "PRAGMA "+name)
			if err != nil {
				return nil, err
			}
			all = append(all, name+"="+value)
		}
		return all, nil
	}
	got, err := Update(context.Background(), db, ask)
	if want := []string{"journal_mode=wal", "synchronous=2", "foreign_keys=1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the writer has %v, %v, want %v", got, err, want)
	}
}

// Other commands write beside the server.
func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	stores := []*DB{openSQLite(t, dir), openSQLite(t, dir)}
	const goroutines, each = 4, 25
	var all sync.WaitGroup
	var want []string
	for s, db := range stores {
		defer closeSQLite(t, db)
		for g := range goroutines {
			for i := range each {
				want = append(want, fmt.Sprint("store ", s, " goroutine ", g, " op ", i))
			}
			mine := want[len(want)-each:]
			all.Go(func() {
				for _, op := range mine {
					if err := Do(context.Background(), db, write(op)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	for _, db := range stores {
		same(t, "written", written(t, db), want)
	}
}

// childWriters is how many goroutines of a child write.
const childWriters = 8

// What was acknowledged is there after kill -9, whenever it came, in the order
// in which it was acknowledged; what was not is there whole or not at all.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	var acknowledged []string
	for round := range 6 {
		cmd, lines, input := startChild(t, "write", dir)
		if _, err := fmt.Fprintln(input, round); err != nil {
			t.Fatal(err)
		}
		deadly := 50 + rand.IntN(300)
		for n := 0; lines.Scan(); {
			op, isOp := strings.CutPrefix(lines.Text(), "done ")
			if !isOp {
				if !strings.HasPrefix(lines.Text(), "=== RUN") {
					t.Errorf("the child says %q", lines.Text())
				}
				continue
			}
			acknowledged = append(acknowledged, op)
			if n++; n == deadly {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended before it was killed")
		}
		db := openSQLite(t, dir)
		numbers := map[string]int{}
		all := written(t, db)
		for n, op := range all {
			numbers[op] = n
		}
		last := map[string]int{}
		for _, op := range acknowledged {
			n, there := numbers[op]
			if !there {
				t.Fatalf("round %d: %s was acknowledged and is lost", round, op)
			}
			writer, _, _ := strings.Cut(op, " op ")
			if before, ok := last[writer]; ok && n <= before {
				t.Errorf("round %d: %s has number %d, the one acknowledged before it %d", round, op, n, before)
			}
			last[writer] = n
		}
		if extra := len(all) - len(acknowledged); extra > (round+1)*childWriters {
			t.Errorf("round %d: %d were written without a word, by %d writers", round, extra, childWriters)
		}
		closeSQLite(t, db)
	}
}

func childWrite(t *testing.T, dir string) {
	round, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	round = strings.TrimSpace(round)
	db := openSQLite(t, dir)
	var all sync.WaitGroup
	for w := range childWriters {
		all.Go(func() {
			for i := 0; ; i++ {
				op := fmt.Sprint("round ", round, " writer ", w, " op ", i)
				if err := Do(context.Background(), db, write(op)); err != nil {
					t.Error(err)
					return
				}
				// One write, shorter than what a pipe takes as one.
				if _, err := os.Stdout.WriteString("done " + op + "\n"); err != nil {
					return // the parent is dead
				}
			}
		})
	}
	all.Wait()
}
