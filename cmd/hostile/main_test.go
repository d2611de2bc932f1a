package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// play runs the command and lets send ring every URL of the table. It returns the exit code and what was printed after the table.
func play(t *testing.T, args []string, send func(url string)) (code int, printed string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, screen := io.Pipe()
	ended := make(chan int)
	go func() {
		code := run(ctx, args, screen, io.Discard)
		screen.Close()
		ended <- code
	}()
	lines := bufio.NewScanner(out)
	var urls []string
	for lines.Scan() && lines.Text() != "Waiting for the sender." {
		for _, field := range strings.Fields(lines.Text()) {
			if strings.HasPrefix(field, "http") {
				urls = append(urls, field)
			}
		}
	}
	go func() {
		for _, url := range urls {
			send(url)
		}
	}()
	var rest strings.Builder
	for lines.Scan() {
		rest.WriteString(lines.Text() + "\n")
	}
	return <-ended, rest.String()
}

func post(client *http.Client, url string) {
	resp, err := client.Post(url, "application/json", strings.NewReader("{}"))
	if err == nil {
		_, _ = io.CopyN(io.Discard, resp.Body, 1<<20)
		resp.Body.Close()
	}
}

func TestOnce(t *testing.T) {
	args := []string{"-listen", "127.0.0.1:0", "-once", "-cases", "ok,redirect-302-other,redirect-302-itself,endless-body,url-loopback"}
	t.Run("a good sender", func(t *testing.T) {
		t.Parallel()
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		code, printed := play(t, args, func(url string) {
			if !strings.Contains(url, "url-") {
				post(client, url)
			}
		})
		if code != 0 || !strings.Contains(printed, "0 of 5 bad, 0 not tried") {
			t.Errorf("exit code %d\n%s", code, printed)
		}
	})
	t.Run("one that follows redirects and dials everything", func(t *testing.T) {
		t.Parallel()
		code, printed := play(t, args, func(url string) { post(http.DefaultClient, url) })
		if code != 1 || !strings.Contains(printed, "3 of 5 bad, 0 not tried") || !strings.Contains(printed, "BAD: followed the redirect") {
			t.Errorf("exit code %d\n%s", code, printed)
		}
	})
}

// With -once an interrupt means that something was left out.
func TestInterrupt(t *testing.T) {
	for want, args := range map[int][]string{0: {"-listen", "127.0.0.1:0"}, 1: {"-listen", "127.0.0.1:0", "-once"}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out bytes.Buffer
		if code := run(ctx, args, &out, io.Discard); code != want {
			t.Errorf("%v: exit code %d, want %d\n%s", args, code, want, out.String())
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"rest"}, {"-cases", "["}, {"-cases", "dns-*"}} {
		if code := run(t.Context(), args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	if code := run(t.Context(), []string{"-help"}, io.Discard, &help); code != 0 || !strings.Contains(help.String(), "go run ./cmd/hostile") {
		t.Errorf("exit code %d, said %q", code, help.String())
	}
}
