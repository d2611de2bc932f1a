package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/pgtest"
	"github.com/paybell/paybell/internal/shop"
)

// fails runs a command that must fail, and returns what it says.
func (s *site) fails(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("paybell", args...).CombinedOutput()
	if err == nil {
		s.t.Fatalf("paybell %s has worked: %s", args[0], out)
	}
	return string(out)
}

// A shop whose receiver is down is moved to PostgreSQL by hand. What it could not say
// comes from there, with the numbers that it had, and then the next; old invoices are
// there, and the old place is not served any more.
func TestMigrateStore(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "data")}
	merchant := s.setUp()
	address, dsn := freeAddress(), pgtest.Open(t)
	s.serve()
	if err := s.call(http.StatusOK, "POST", "/api/v1/merchant/clients/"+s.client+"/webhooks", `{"notificationsUrl":"http://`+address+`/hook","notifications":["invoiceCreated"]}`); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
			t.Fatal(err)
		}
	}
	move := []string{"migrate-store", "--from", "sqlite:" + s.dir, "--to", dsn}
	if said := s.fails(move...); !strings.Contains(said, "a server runs on") {
		t.Errorf("while the server runs: %s", said)
	}
	s.crash()
	for _, c := range []struct {
		args  []string
		words string
	}{
		{[]string{"migrate-store", "--from", dsn, "--to", "sqlite:" + s.dir}, "not from PostgreSQL"},
		{[]string{"migrate-store", "--from", s.dir, "--to", dsn}, "write sqlite: and the data directory"},
		{[]string{"migrate-store", "--from", "sqlite:" + s.dir}, "say where the shop is to live"},
		{[]string{"migrate-store", "--from", "sqlite:" + s.dir, "--to", "mysql://x"}, "write the URL of a PostgreSQL"},
		{[]string{"migrate-store", "--from", "sqlite:" + t.TempDir(), "--to", dsn}, "there is no database in"},
	} {
		if said := s.fails(c.args...); !strings.Contains(said, c.words) {
			t.Errorf("%s: %s", c.args, said)
		}
	}
	here := s.jsonOf(append(move, "--dry-run")...)
	moved := s.jsonOf(move...)
	if fmt.Sprint(here["tables"]) != fmt.Sprint(moved["tables"]) || here["dryRun"] != true || moved["pending"] != 3.0 || moved["keyFits"] != true || moved["epoch"] != 1.0 || moved["already"] != false {
		t.Errorf("checked %v\nmoved %v", here, moved)
	}
	if said := s.fails("serve", "--data", s.dir, "--listen", freeAddress()); !strings.Contains(said, "was moved to PostgreSQL") || !strings.Contains(said, "--back") {
		t.Errorf("serving the old place: %s", said)
	}
	out, err := exec.Command("paybell", move...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "moved already") || !strings.Contains(string(out), "Next: paybell serve --database '"+dsn+"' --data "+s.dir) {
		t.Errorf("once more: %v, %s", err, out)
	}

	receiver := shop.New("http://"+address+"/hook", s.client, s.secret)
	server := &http.Server{Addr: address, Handler: receiver, ReadHeaderTimeout: time.Second}
	defer server.Close() //nolint:errcheck // nobody rings any more
	go func() { _ = server.ListenAndServe() }()
	s.serve("--database", dsn)
	if err := s.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
		t.Fatal(err)
	}
	heard := map[string]bool{}
	for range 4 {
		select {
		case e := <-receiver.Events():
			if e.Err != nil || e.Type != "InvoiceCreated" || heard[e.Sequence] {
				t.Errorf("heard %s %s, %v", e.Type, e.Sequence, e.Err)
			}
			heard[e.Sequence] = true
		case <-time.After(patience):
			t.Fatalf("only %v were heard", heard)
		}
	}
	for _, number := range []string{"1.1", "1.2", "1.3", "1.4"} {
		if !heard[number] {
			t.Errorf("number %s was not heard, but %v", number, heard)
		}
	}
	if back := s.fails(append(move, "--back")...); !strings.Contains(back, "a server") {
		t.Errorf("back while it is served: %s", back)
	}
	s.crash()
	back := s.jsonOf("migrate-store", "--back", "--from", "sqlite:"+s.dir)
	if back["served"] != true || back["epoch"] != 2.0 {
		t.Errorf("back: %v", back)
	}
	s.serve()
	if got := s.paybell("client", "list", "--merchant", merchant)["clientId"]; got != s.client {
		t.Errorf("the client is %v, want %s", got, s.client)
	}
}

// jsonOf runs a command and reads its JSON.
func (s *site) jsonOf(args ...string) map[string]any {
	s.t.Helper()
	out, err := exec.Command("paybell", append(args, "--json")...).Output()
	v := map[string]any{}
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		s.t.Fatalf("paybell %s: %s", args[0], exit.Stderr)
	}
	if err != nil {
		s.t.Fatalf("paybell %s: %v\n%s", args[0], err, out)
	}
	return v
}
