package dash

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is there to testdata, instead of comparing")

// golden compares a piece of a page with testdata/<name>.html.
func golden(t *testing.T, name, html string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name)+".html")
	html = strings.TrimSpace(html) + "\n"
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(html), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if string(want) != html {
		t.Errorf("%s is another (go test -update writes it):\n%s", file, html)
	}
}
