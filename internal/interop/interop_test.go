package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Durable = false // these tests never take the machine's power away
	// Most of the time they wait for what comes again; who says -parallel has the last word.
	_ = flag.Set("test.parallel", "6")
	pgtest.Main(m)
}

// Each sender meets each receiver on a server of its own, and one of another language
// on two processes with one PostgreSQL: one that answers it, one that rings. The
// receivers refuse signatures older than two seconds and answer the first InvoicePaid
// with 500, so that one which comes again after five seconds is accepted only if it
// was signed anew.
func TestShops(t *testing.T) {
	bin := build(t)
	for _, sender := range [][]string{{"php", "php/sender.php"}, {"node", "node/sender.mjs"}} {
		for _, receiver := range []string{"php", "node"} {
			meet := func(t *testing.T, dsn string) {
				t.Parallel()
				s := newShop(t, bin, dsn)
				s.receive(receiver)
				s.check(s.send(sender...))
			}
			name := sender[0] + " to " + receiver
			t.Run(name, func(t *testing.T) { meet(t, "") })
			if receiver != sender[0] {
				t.Run(name+" on PostgreSQL", func(t *testing.T) { meet(t, pgtest.Open(t)) })
			}
		}
	}
}

// shop is a server, and a shop's credentials at it.
type shop struct {
	*testing.T
	url, hook, log string
	env            []string // of the server's programs and the shop's
}

// newShop starts a server on SQLite, or, if there is a dsn, one that only answers and
// one that does the rest on PostgreSQL.
func newShop(t *testing.T, bin, dsn string) *shop {
	t.Helper()
	dir := t.TempDir()
	s := &shop{T: t, log: filepath.Join(dir, "hooks.jsonl")}
	addr, hookAddr := freeAddr(t), freeAddr(t)
	s.url, s.hook = "http://"+addr, "http://"+hookAddr+"/hook?shop=1&event=All"
	s.env = append(os.Environ(), "PAYBELL_DATABASE="+dsn)
	serve := []string{bin, "serve", "--data", dir, "--allow-cidr", "127.0.0.0/8", "--log-level", "error"}
	if dsn == "" {
		s.start(s.url+"/readyz", append(serve, "--listen", addr)...)
	} else {
		health := freeAddr(t)
		s.start(s.url+"/readyz", append(serve, "--roles", "api", "--listen", addr)...)
		s.start("http://"+health+"/readyz", append(serve, "--roles", "watch,deliver,prune", "--metrics-listen", health)...)
	}
	merchant := s.tell(bin, "merchant", "create", "--data", dir, "--name", "Café", "--email", "shop@example.com", "--json")
	client := s.tell(bin, "client", "create", "--data", dir, "--merchant", merchant["id"], "--name", "Shop", "--json")
	s.env = append(s.env, "BASE_URL="+s.url, "CLIENT_ID="+client["clientId"], "CLIENT_SECRET="+client["clientSecret"],
		"HOOK_URL="+s.hook, "LOG="+s.log, "MAX_AGE=2", "FAIL_FIRST=InvoicePaid", "PORT="+hookAddr[strings.LastIndex(hookAddr, ":")+1:])
	return s
}

// receive starts the receiver that is written in this language.
func (s *shop) receive(language string) {
	s.Helper()
	ready := strings.Split(s.hook, "/hook")[0] + "/"
	if language == "php" {
		s.start(ready, "php", "-S", strings.TrimPrefix(strings.TrimSuffix(ready, "/"), "http://"), "php/receiver.php")
		return
	}
	s.start(ready, "node", "node/receiver.mjs")
}

// result is the line that a sender prints.
type result struct {
	Completed, Cancelled []string
}

func (s *shop) send(command ...string) (r result) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, complaint bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, &out, &complaint
	if err := cmd.Run(); err != nil {
		s.Fatalf("%v: %v\n%s", command, err, complaint.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || len(r.Completed) != 2 || len(r.Cancelled) != 1 {
		s.Fatalf("%v printed %q: %v", command, out.String(), err)
	}
	return r
}

// arrival is a line of a receiver's log.
type arrival struct {
	Accepted            bool
	Status              int
	Reason              string
	ID, Type, Invoice   string
	Timestamp, Sequence string
	CustomData          any
}

// check waits until everything has come, and looks at how it came.
func (s *shop) check(r result) {
	s.Helper()
	want := map[string]string{}
	for _, id := range r.Completed {
		want[id] = "InvoiceCreated InvoicePending InvoicePaid InvoiceCompleted"
	}
	for _, id := range r.Cancelled {
		want[id] = "InvoiceCreated InvoiceCancelled"
	}
	deadline := time.Now().Add(time.Minute)
	for {
		got, again := s.arrivals()
		if s.Failed() {
			return
		}
		complete := true
		for id, types := range want {
			if strings.Join(got[id], " ") != types {
				complete = false
			}
		}
		if complete {
			if again != len(r.Completed) {
				s.Errorf("%d notifications came again after a 500, want %d", again, len(r.Completed))
			}
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("accepted by invoice: %v\nwant: %v", got, want)
		}
		time.Sleep(50 * time.Millisecond) // the receiver is another process
	}
}

// arrivals reads the receiver's log: the types that were accepted, by invoice in
// order, and how many of those had been refused with 500 before.
func (s *shop) arrivals() (accepted map[string][]string, again int) {
	s.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	accepted = map[string][]string{}
	var ids []string
	refused := map[string]arrival{}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var a arrival
		if err := json.Unmarshal(scanner.Bytes(), &a); err != nil {
			s.Fatalf("%v in %s", err, scanner.Bytes())
		}
		first, cameBefore := refused[a.ID]
		switch {
		case a.Accepted && !slices.Contains(ids, a.ID):
			ids = append(ids, a.ID)
			accepted[a.Invoice] = append(accepted[a.Invoice], a.Type)
			if cameBefore {
				again++
				if a.Timestamp == first.Timestamp || a.Sequence != first.Sequence {
					s.Errorf("%s came again with timestamp %s and number %s, after %s and %s", a.Type, a.Timestamp, a.Sequence, first.Timestamp, first.Sequence)
				}
			}
		case a.Status == http.StatusInternalServerError && !cameBefore && a.Type == "InvoicePaid":
			refused[a.ID] = a // on purpose
		case a.Accepted: // twice is allowed
		default:
			s.Errorf("the receiver refused a notification with %d: %s\n%s", a.Status, a.Reason, scanner.Bytes())
		}
	}
	return accepted, again
}

// start runs a program until the test ends, and waits until it answers.
func (s *shop) start(ready string, command ...string) {
	s.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stderr = s.env, s.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.Fatalf("%v (`make tools` installs what the tests need)", err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	s.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	for range 600 {
		resp, err := http.Get(ready)
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case err := <-gone:
			gone <- err
			s.Fatalf("%v ended: %v", command, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.Fatalf("%v does not answer at %s", command, ready)
}

// tell runs a command of the CLI that prints one JSON object.
func (s *shop) tell(command ...string) (answer map[string]string) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), command[0], command[1:]...)
	cmd.Env = s.env
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &answer)
	}
	if err != nil {
		s.Fatalf("%v: %v", command, err)
	}
	return answer
}

// build compiles the binary as it is shipped.
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

// openSources opens every directory of the module: what a test has opened is
// what go test compares to find out whether its last result still holds.
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

// freeAddr finds a port below those that the kernel gives to outgoing
// connections: one of those could take it before the program does.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}
