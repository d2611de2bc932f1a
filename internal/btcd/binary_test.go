package btcd

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program writes a shell script that stands in for a binary.
func program(t *testing.T, path, body string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700))
}

func says(version string) string { return `echo "btcd version ` + version + `"` }

func TestFind(t *testing.T) {
	const shell = "/usr/bin:/bin"
	builds := "[ \"$1 $2\" = 'install github.com/btcsuite/btcd@v0.26.2' ] && cd \"$GOBIN\" && echo '#!/bin/sh' >btcd && echo 'echo btcd version 0.26.2-beta' >>btcd && chmod +x btcd"
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    string // below the test's directory
		err     string
	}{
		{name: "named", want: "named/btcd", prepare: func(t *testing.T, dir string) {
			program(t, dir+"/named/btcd", says("0.24.0"))
			program(t, dir+"/path/btcd", says("0.26.2-beta"))
			t.Setenv("PAYBELL_BTCD_BINARY", dir+"/named/btcd")
		}},
		{name: "named, not there", err: "PAYBELL_BTCD_BINARY", prepare: func(t *testing.T, dir string) {
			t.Setenv("PAYBELL_BTCD_BINARY", dir+"/named/btcd")
		}},
		{name: "installed", want: "path/btcd", prepare: func(t *testing.T, dir string) {
			program(t, dir+"/path/btcd", says("0.26.1-beta"))
		}},
		{name: "installed, too old", want: "cache/paybell/btcd-v0.26.2/btcd", prepare: func(t *testing.T, dir string) {
			program(t, dir+"/path/btcd", says("0.24.2-beta"))
			program(t, dir+"/path/go", builds)
		}},
		{name: "kept", want: "cache/paybell/btcd-v0.26.2/btcd", prepare: func(t *testing.T, dir string) {
			program(t, dir+"/cache/paybell/btcd-v0.26.2/btcd", says("0.26.2-beta"))
		}},
		{name: "built", want: "cache/paybell/btcd-v0.26.2/btcd", prepare: func(t *testing.T, dir string) {
			program(t, dir+"/path/go", builds)
		}},
		{name: "not built", err: "no such module", prepare: func(t *testing.T, dir string) {
			program(t, dir+"/path/go", "echo no such module >&2; exit 1")
		}},
		{name: "no go command", err: "install btcd from", prepare: func(t *testing.T, dir string) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			was := found.path
			found.path = ""
			t.Cleanup(func() { found.path = was })
			t.Setenv("PAYBELL_BTCD_BINARY", "")
			t.Setenv("PATH", dir+"/path:"+shell)
			t.Setenv("XDG_CACHE_HOME", dir+"/cache")
			c.prepare(t, dir)
			path, err := Find(t.Context())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("the error is %v, want it to say %q", err, c.err)
				}
				return
			}
			must(t, err)
			if path != filepath.Join(dir, c.want) {
				t.Errorf("found %s, want %s", path, c.want)
			}
		})
	}
}

func TestSeveralBuildAtOnce(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+"/path:/usr/bin:/bin")
	program(t, dir+"/path/go", `cd "$GOBIN" && echo '#!/bin/sh' >btcd && echo 'echo btcd version 0.26.2-beta' >>btcd && chmod +x btcd`)
	home := filepath.Join(dir, "cache")
	path := filepath.Join(home, "btcd")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := build(t.Context(), home, path); err != nil {
				t.Error(err)
			}
			if !ours(t.Context(), path) {
				t.Error("what was built does not run")
			}
		})
	}
	all.Wait()
	entries, err := os.ReadDir(home)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("%d files are left, want btcd alone", len(entries))
	}
}
