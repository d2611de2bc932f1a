package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is the real binary, serving an empty store.
type server struct {
	*testing.T
	url, setup string // setup is the link to make the first user
	bin, data  string
}

// binary is built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "paybell-browser-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "paybell")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/paybell/paybell/cmd/paybell").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

var setupLink = regexp.MustCompile(`http://\S+/dash/pass/\S+`)

// newServer starts one, with flags besides the usual ones.
func newServer(t *testing.T, flags ...string) *server {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{T: t, bin: bin, data: t.TempDir()}
	cmd := s.process(append([]string{"--listen", "127.0.0.1:0"}, flags...)...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(cmd)
	link := make(chan string, 1)
	go func() {
		var said strings.Builder
		lines := bufio.NewScanner(errs)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if found := setupLink.FindString(lines.Text()); found != "" {
				link <- found
			}
		}
		link <- "" // it ended
		t.Logf("the server said:\n%s", said.String())
	}()
	select {
	case s.setup = <-link:
	case <-time.After(patience):
	}
	if s.setup == "" {
		t.Fatal("the server has shown no link to set up the first user")
	}
	s.url = s.setup[:strings.Index(s.setup, "/dash/")]
	return s
}

// process is one on the server's data, with flags besides the usual ones.
func (s *server) process(flags ...string) *exec.Cmd {
	return exec.Command(s.bin, append([]string{"serve", "--data", s.data, "--allow-cidr", "127.0.0.0/8"}, flags...)...)
}

// start starts a process, which ends with the test.
func (s *server) start(cmd *exec.Cmd) {
	s.Helper()
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
}

// shop is a merchant's server: it takes notifications, or fails.
type shop struct {
	url string

	mu     sync.Mutex
	answer string // with which it fails; empty: it takes everything
	got    []string
	names  []string // of the headers that came last
}

func newShop(t *testing.T) *shop {
	s := &shop{}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.url = web.URL + "/paybell"
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var n struct{ Type string }
	_ = json.Unmarshal(body, &n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = slices.Collect(maps.Keys(r.Header))
	if s.answer != "" {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, s.answer)
		return
	}
	s.got = append(s.got, n.Type)
}

// fails makes the shop answer 500 with a text; an empty one lets it take all again.
func (s *shop) fails(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// headers are the names of those that came last.
func (s *shop) headers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names
}

// heard is what arrived, in its order.
func (s *shop) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got, " ")
}

// shell runs a text of a shell, as somebody would paste it into a terminal.
func (s *server) shell(text string) string {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), "bash", "-euo", "pipefail", "-c", text)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("%v\n%s\n%s\n%s", err, text, out, &errs)
	}
	return string(out)
}

// invoice makes one over 10.00 USD by the signed API, with curl, and returns its id.
func (s *server) invoice(clientID, secret, item string) string {
	s.Helper()
	out := s.shell(fmt.Sprintf(`
url=%[1]s/api/v2/merchant/invoices id=%[2]s stamp=$(date -u +%%Y-%%m-%%dT%%H:%%M:%%S)
body='{"currency":"USD","items":[{"name":"%[4]s","quantity":{"value":1,"type":"quantity"},"amount":"10.00"}],"amount":{"breakdown":{"subtotal":"10.00"},"total":"10.00"}}'
signature=$(printf '\xef\xbb\xbfPOST%%s%%s%%s%%s' "$url" "$id" "$stamp" "$body" | openssl dgst -sha256 -hmac %[3]s -binary | base64)
curl -sS --fail-with-body "$url" -H "Content-Type: application/json" -H "X-CoinPayments-Client: $id" -H "X-CoinPayments-Timestamp: $stamp" \
  -H "X-CoinPayments-Signature: $signature" -d "$body"`, s.url, clientID, secret, item))
	var made struct{ Invoices []struct{ ID string } }
	if err := json.Unmarshal([]byte(out), &made); err != nil || len(made.Invoices) != 1 {
		s.Fatalf("this is no answer of an invoice that was made: %s", out)
	}
	return made.Invoices[0].ID
}
