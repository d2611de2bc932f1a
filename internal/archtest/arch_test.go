// Package archtest holds the arrows between the packages: what may import what,
// and what may not be said where.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/paybell/paybell"

// may lists, for each package by its folder, the packages of ours that it may
// import. A package that is not here fails the test: give it its place first.
var may = map[string][]string{
	".":                      {},
	"internal/loop":          {},
	"internal/shop":          {}, // the demo's receiver: shares nothing with the sender
	"internal/pgtest":        {},
	"internal/archtest":      {},
	"internal/bench":         {"."},
	"internal/killtest":      {},
	"internal/rates":         {"."},
	"internal/chain/sandbox": {"."},
	"internal/chain/bitcoin": {"."},
	"internal/btcd":          {}, // a node with test money: knows nothing of who watches it
	"internal/store":         {"."},
	"internal/store/storetest": {
		".", "internal/store",
	},
	"internal/watch": {".", "internal/store"},
	"internal/watch/chaintest": {
		".", "internal/store", "internal/store/storetest", "internal/watch",
	},
	"internal/deliver":   {".", "internal/store"},
	"internal/telemetry": {"internal/store"},
	"internal/desk":      {".", "internal/store"},
	"internal/prune":     {".", "internal/store"},
	"internal/sim": {
		".", "internal/chain/sandbox", "internal/deliver", "internal/desk", "internal/rates", "internal/store", "internal/watch",
	},
	"internal/hostile":  {}, // receivers that misbehave: shares nothing with the sender
	"cmd/hostile":       {"internal/hostile"},
	"internal/interop":  {},    // foreign clients and receivers: share nothing with the product
	"internal/browser":  {},    // a person with a browser: shares nothing with the product
	"internal/web":      {"."}, // what the rooms that speak HTTP share
	"internal/api":      {".", "internal/desk", "internal/web"},
	"internal/checkout": {".", "internal/desk", "internal/web"},
	"internal/dash":     {".", "internal/desk", "internal/web"},
	"cmd/paybell": {
		".", "internal/api", "internal/bench", "internal/btcd", "internal/chain/bitcoin", "internal/chain/sandbox", "internal/checkout", "internal/dash", "internal/deliver", "internal/desk", "internal/loop",
		"internal/telemetry", "internal/prune", "internal/rates", "internal/shop", "internal/store", "internal/watch",
	},
}

// pure are the packages that touch money: no float may be written there.
var pure = []string{".", "internal/rates", "internal/chain/bitcoin", "internal/chain/sandbox", "internal/store", "internal/watch", "internal/desk"}

// impure may not be imported by the domain: I/O, clocks in disguise, contexts.
var impure = []string{"context", "os", "net", "net/http", "database/sql", "log", "log/slog", "io/ioutil", "syscall"}

type source struct {
	folder, name string
	file         *ast.File
}

// sources parses every Go file of the module that is not a test.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); name != root && (strings.HasPrefix(n, ".") && n != ".." || n == "testdata" || n == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		all = append(all, source{folder: path.Dir(rel), name: rel, file: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files were found: this test looks in the wrong place", len(all))
	}
	return all
}

func imports(t *testing.T, s source) []string {
	t.Helper()
	var paths []string
	for _, spec := range s.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		allowed, placed := may[s.folder]
		if !placed {
			t.Errorf("%s: the folder %s has no place among the arrows; give it one in this test", s.name, s.folder)
			continue
		}
		for _, p := range imports(t, s) {
			if p != module && !strings.HasPrefix(p, module+"/") {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(p, module), "/")
			if to == "" {
				to = "."
			}
			if !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: the arrow %s -> %s is not drawn", s.name, to, s.folder, to)
			}
		}
	}
}

func TestTheDomainIsPure(t *testing.T) {
	for _, s := range sources(t) {
		if s.folder != "." {
			continue
		}
		for _, p := range imports(t, s) {
			if slices.Contains(impure, p) {
				t.Errorf("%s imports %s: the domain does no I/O and holds no context", s.name, p)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isName(sel.X, "time") && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After"}, sel.Sel.Name) {
				t.Errorf("%s uses time.%s: the domain gets the time as a parameter", s.name, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestNoFloatsNearMoney(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.Contains(pure, s.folder) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if strings.HasPrefix(n.Name, "float") || strings.Contains(n.Name, "Float64") {
					t.Errorf("%s says %s: money is counted in integers and decimals", s.name, n.Name)
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT {
					t.Errorf("%s holds the float %s", s.name, n.Value)
				}
			}
			return true
		})
	}
}

// TestOnlyTransactionsQuery keeps database/sql inside the store.
func TestOnlyTransactionsQuery(t *testing.T) {
	for _, s := range sources(t) {
		if s.folder == "internal/store" || s.folder == "internal/store/storetest" || s.folder == "internal/pgtest" {
			continue
		}
		for _, p := range imports(t, s) {
			if p == "database/sql" {
				t.Errorf("%s imports database/sql: ask the store", s.name)
			}
		}
	}
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
