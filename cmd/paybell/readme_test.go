package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell/internal/shop"
)

// TestReadme runs the README's commands, word for word but for the ports, as a
// new user would; a shop that checks both signatures hears the four events. With
// PAYBELL_DATABASE in the environment the same commands work on PostgreSQL.
func TestReadme(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "openssl", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the README's commands need %s: %v", tool, err)
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 && strings.HasPrefix(part, "sh\n") {
			blocks = append(blocks, strings.TrimPrefix(part, "sh\n"))
		}
	}
	if len(blocks) != 7 || !strings.Contains(blocks[0], "demo") || !strings.Contains(blocks[2], "paybell serve") {
		t.Fatalf("the README's blocks are not as this test knows them: %d", len(blocks))
	}
	var build string
	build, blocks[2], _ = strings.Cut(blocks[2], "\n")
	binary := filepath.Join(t.TempDir(), "paybell")
	if out, err := exec.Command("sh", "-eu", "-c", "cd ../..\n"+strings.Replace(build, "-o paybell", "-o "+binary, 1)).CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s%v", build, out, err)
	}
	for _, where := range databases {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			followReadme(t, blocks, binary, append(os.Environ(), databaseVariable+"="+where.make(t)))
		})
	}
}

// followReadme runs the commands in a directory that has the program already.
func followReadme(t *testing.T, blocks []string, binary string, env []string) {
	// The shop learns its secret from client.json, when the commands have made it.
	var merchant atomic.Pointer[shop.Shop]
	dir := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(dir, "paybell")); err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { merchant.Load().ServeHTTP(w, r) }))
	defer hook.Close()
	port := freePort(t)
	local := strings.NewReplacer("127.0.0.1:8080", port, "http://127.0.0.1:9000", hook.URL)
	sh := func(script string) string {
		t.Helper()
		cmd := exec.Command("sh", "-eu", "-c", local.Replace(script))
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%s%v", script, out, err)
		}
		return string(out)
	}
	serve := blocks[2]
	server := exec.Command("sh", "-c", "exec "+strings.TrimSpace(serve))
	server.Dir, server.Env = dir, append(env, "PAYBELL_LISTEN="+port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	waitReady(t, "http://"+port+"/readyz")
	id := sh(blocks[3] + `echo "$CLIENT $SECRET"`)
	client, secret, _ := strings.Cut(strings.TrimSpace(id), " ")
	merchant.Store(shop.New(hook.URL+"/hook", client, secret))
	out := sh("CLIENT=" + client + " SECRET='" + secret + "'\n" + blocks[4] + blocks[5])
	if made := sh("URL=http://" + port + "\n" + blocks[6]); !strings.Contains(made, `"clientSecret":"`) {
		t.Errorf("a person's token makes no client: %s", made)
	}
	for _, want := range []string{"InvoiceCreated", "InvoicePending", "InvoicePaid", "InvoiceCompleted"} {
		select {
		case e := <-merchant.Load().Events():
			if e.Type != want || e.Err != nil {
				t.Fatalf("heard %s, %v; want %s\n%s", e.Type, e.Err, want, out)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not heard\n%s", want, out)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitReady(t *testing.T, url string) {
	t.Helper()
	var last error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(url)
		if last = err; err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		last = fmt.Errorf("answered %d", resp.StatusCode)
	}
	t.Fatalf("%s: %v", url, last)
}
