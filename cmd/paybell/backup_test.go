package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/shop"
)

var backupMiB = flag.Int("backup.mib", 8, "how big the store is that TestBackupUnderLoad backs up; from 500 on its figures say something")

// site is a server in a process of its own, with a client.
type site struct {
	t              *testing.T
	database       string // what stands in databaseVariable
	dir, url       string
	server         *exec.Cmd
	client, secret string
}

func (s *site) env() []string { return append(os.Environ(), databaseVariable+"="+s.database) }

// serve starts the server on what is in the directory.
func (s *site) serve(flags ...string) {
	s.t.Helper()
	address := freeAddress()
	s.server = exec.Command("paybell", append([]string{"serve", "--data", s.dir, "--listen", address, "--no-setup-link", "--log-level", "error", "--rate-limit", "0", "--allow-cidr", "127.0.0.0/8"}, flags...)...)
	s.server.Env, s.server.Stderr = s.env(), os.Stderr
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	running := s.server
	s.t.Cleanup(func() { _ = running.Process.Kill(); _ = running.Wait() })
	s.url = "http://" + address
	waitReady(s.t, s.url+"/readyz")
}

func (s *site) crash() {
	_ = s.server.Process.Kill()
	_ = s.server.Wait()
}

// paybell runs a command on the site's data, and reads its JSON.
func (s *site) paybell(args ...string) map[string]any {
	s.t.Helper()
	cmd := exec.Command("paybell", append(args, "--data", s.dir, "--json")...)
	cmd.Env = s.env()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		s.t.Fatalf("paybell %s: %s", args[0], exit.Stderr)
	}
	v := map[string]any{}
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	if err != nil {
		s.t.Fatalf("paybell %s: %v\n%s", args[0], err, out)
	}
	return v
}

// setUp makes a merchant and a client.
func (s *site) setUp() (merchant string) {
	merchant = s.paybell("merchant", "create", "--name", "Café Bell")["id"].(string)
	c := s.paybell("client", "create", "--name", "Web shop", "--merchant", merchant)
	s.client, s.secret = c["clientId"].(string), c["clientSecret"].(string)
	return merchant
}

// call sends a signed request, and returns an error unless it has this status.
func (s *site) call(status int, method, path, body string) error {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	at := time.Now().UTC().Format("2006-01-02T15:04:05")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CoinPayments-Client", s.client)
	req.Header.Set("X-CoinPayments-Timestamp", at)
	req.Header.Set("X-CoinPayments-Signature", coinPaymentsSignature(s.secret, method, s.url+path, s.client, at, []byte(body)))
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s %s is answered %d: %s", method, path, resp.StatusCode, answer)
	}
	return err
}

// buyers make invoices until stop; any that is not made is an error.
type buyers struct {
	made    atomic.Int64
	slowest atomic.Int64 // microseconds, since it was last taken
	stop    func()
}

func (s *site) buyers() *buyers {
	ctx, cancel := context.WithCancel(context.Background())
	l := &buyers{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if err := s.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
					s.t.Errorf("under load: %v", err)
					return
				}
				l.made.Add(1)
				took := time.Since(began).Microseconds()
				for before := l.slowest.Load(); took > before && !l.slowest.CompareAndSwap(before, took); before = l.slowest.Load() {
				}
			}
		})
	}
	l.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	s.t.Cleanup(l.stop)
	return l
}

// during tells how fast invoices are made while something is done.
func (l *buyers) during(what string, t *testing.T, do func()) {
	before, began := l.made.Load(), time.Now()
	l.slowest.Store(0)
	do()
	took := time.Since(began)
	t.Logf("%-20s %6d ms  %6d invoices/s  slowest %4d ms", what, took.Milliseconds(), (l.made.Load()-before)*1000/max(1, took.Milliseconds()), l.slowest.Load()/1000)
}

// grow fills the store with rows that nobody looks at.
func (s *site) grow(mib int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "paybell.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the statement says what matters
	if _, err := db.Exec(`WITH RECURSIVE rows (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows WHERE n < $1)
		INSERT INTO notifications (id, client_id, invoice_id, version, event, created_at, body) SELECT hex(randomblob(16)), '', '', 0, 0, 1, hex(randomblob(1000)) FROM rows`, mib*480); err != nil {
		s.t.Fatal(err)
	}
}

// Backups are made of a server that makes invoices as fast as it can. All requests
// succeed; the last backup is restored in another place after the server was killed,
// its client signs there, and what was pending comes with the new epoch.
func TestBackupUnderLoad(t *testing.T) {
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "data")}
	s.setUp()
	s.grow(*backupMiB)
	s.serve()
	l := s.buyers()
	l.during("alone", t, func() { time.Sleep(time.Duration(*backupMiB) * 8 * time.Millisecond) })
	file := filepath.Join(t.TempDir(), "backup.db")
	var last int64
	for i := range 3 {
		least := l.made.Load()
		l.during("beside a backup", t, func() {
			b := s.paybell("backup", "--to", file, "--overwrite")
			last = int64(b["invoices"].(float64))
			if b["file"] != file || last < least || last > l.made.Load()+8 || b["keyFits"] != true || int(b["bytes"].(float64)) < *backupMiB<<20 {
				t.Errorf("backup %d: %v, when %d to %d invoices were made", i, b, least, l.made.Load())
			}
		})
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("backup %d: mode %v, %v", i, info.Mode(), err)
		}
	}
	if wal, err := os.Stat(filepath.Join(s.dir, "paybell.db-wal")); err == nil {
		t.Logf("the log has %d MiB", wal.Size()>>20)
	}
	l.stop()
	s.crash()
	if parts, _ := filepath.Glob(file + "*"); len(parts) != 1 {
		t.Errorf("left behind: %v", parts)
	}

	there := &site{t: t, dir: filepath.Join(t.TempDir(), "elsewhere"), client: s.client, secret: s.secret}
	key := filepath.Join(s.dir, "paybell.key")
	began := time.Now()
	r := there.paybell("restore", file, "--key-file", key)
	t.Logf("restored in %d ms", time.Since(began).Milliseconds())
	if int64(r["invoices"].(float64)) != last || r["epoch"] != 2.0 || r["previousEpoch"] != 1.0 {
		t.Errorf("restored %v, the backup had %d invoices", r, last)
	}
	there.serve("--key-file", key)
	if err := there.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
		t.Error(err)
	}
}

// Notifications that were pending in a backup come from the restored server, signed,
// with the next epoch. Address indexes go on behind those that may have been given
// out since.
func TestRestoreRings(t *testing.T) {
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "data")}
	s.setUp()
	address := freeAddress()
	s.serve()
	if err := s.call(http.StatusOK, "POST", "/api/v1/merchant/clients/"+s.client+"/webhooks", `{"notificationsUrl":"http://`+address+`/hook","notifications":["invoiceCreated"]}`); err != nil {
		t.Fatal(err)
	}
	if err := s.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	s.paybell("backup", "--to", file)
	for range 2 { // one restore after the other, the second in the place of the first
		s.crash()
		receiver := shop.New("http://"+address+"/hook", s.client, s.secret)
		server := &http.Server{Addr: address, Handler: receiver, ReadHeaderTimeout: time.Second}
		epoch := int(s.paybell("restore", file, "--replace")["epoch"].(float64))
		go func() { _ = server.ListenAndServe() }()
		s.serve()
		select {
		case e := <-receiver.Events():
			if e.Err != nil || e.Type != "InvoiceCreated" || e.Sequence != strconv.Itoa(epoch)+".1" {
				t.Errorf("heard %s %s, %v; want number 1 of epoch %d", e.Type, e.Sequence, e.Err, epoch)
			}
		case <-time.After(patience):
			t.Fatal("nothing was heard")
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(s.dir, "paybell.db.replaced-*")); err != nil || len(kept) != 2 {
		t.Errorf("kept %v, %v; want 2 databases", kept, err)
	}
}
