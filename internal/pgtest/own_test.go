package pgtest

import (
	"database/sql"
	"slices"
	"testing"
	"time"
)

// TestStart kills a server while it is written to: what was committed is there
// after the restart, and nothing of it is left when the test has ended.
func TestStart(t *testing.T) {
	t.Setenv("PAYBELL_TEST_POSTGRES", "postgres://nobody@/nowhere?host=/nonexistent") // does not matter
	var dir string
	var pids []int
	t.Run("", func(t *testing.T) {
		began := time.Now()
		s := Start(t, "max_connections=17")
		dir = s.s.dir
		t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
		db := dial(t, s.DSN())
		for _, c := range []struct{ question, want string }{
			{"SHOW fsync", "on"},
			{"SHOW full_page_writes", "on"},
			{"SHOW max_connections", "17"},
			{"SHOW server_encoding", "UTF8"},
			{"SELECT datcollate || ' ' || datctype FROM pg_database WHERE datname = current_database()", "C C"},
		} {
			if got := query(t, db, c.question); got != c.want {
				t.Errorf("%s: %q, want %q", c.question, got, c.want)
			}
		}
		if _, err := db.Exec("CREATE TABLE written (n BIGINT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		var last int64
		for _, end := range []func(){s.Kill, s.Stop, s.Kill} {
			pids = append(pids, s.s.cmd.Process.Pid)
			acknowledged := make(chan int64, 1)
			enough := make(chan struct{})
			from := last
			go func() { acknowledged <- write(db, from, enough) }()
			<-enough
			dsn := s.DSN()
			end()
			if alive(pids[len(pids)-1]) {
				t.Error("the server lives")
			}
			last = <-acknowledged
			began := time.Now()
			s.Restart()
			t.Logf("restarted in %v", time.Since(began).Round(time.Millisecond))
			if s.DSN() != dsn {
				t.Errorf("the URL was %s and is %s", dsn, s.DSN())
			}
			var stored int64
			if err := db.QueryRow("SELECT max(n) FROM written").Scan(&stored); err != nil {
				t.Fatal(err)
			}
			if stored != last && stored != last+1 { // the answer to the last may have been lost
				t.Errorf("%d is stored, %d was acknowledged", stored, last)
			}
			last = stored
		}
		pids = append(pids, s.s.cmd.Process.Pid)
		s.Kill() // and is not started again
	})
	if !missing(dir) {
		t.Errorf("%s still exists", dir)
	}
	for _, pid := range slices.Compact(pids) {
		if alive(pid) || hasSharedMemory(t, pid) {
			t.Errorf("something of %d is left", pid)
		}
	}
}

// write writes numbers until that fails, and gives the last that was acknowledged.
// enough is closed when there are some.
func write(db *sql.DB, last int64, enough chan struct{}) int64 {
	for i := 0; ; i++ {
		if _, err := db.Exec("INSERT INTO written VALUES ($1)", last+1); err != nil {
			return last
		}
		last++
		if i == 50 {
			close(enough)
		}
	}
}
