package web

import (
	"crypto/sha256"
	_ "embed" // for what pages need
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

// Idiomorph is a script that changes a piece of a page into another by as little as
// it can, so that focus, selection and scrolling stay: Idiomorph.morph(old, new).
//
//go:embed assets/idiomorph.js
var Idiomorph []byte

// Assets are files that pages need: styles, scripts, pictures. Each is served under
// a name that holds a part of its hash, so browsers may keep it for ever, and another
// version of it is another file.
type Assets struct {
	paths map[string]string // name -> where it is served
	files map[string]asset  // the same the other way round
}

type asset struct {
	kind string
	body []byte
}

// kinds are the types of files, whatever the machine's own table says.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2",
}

// NewAssets takes files by name. They are served below prefix, which begins and ends
// with a slash. It panics if a name does not end in a kind that is known.
func NewAssets(prefix string, files map[string][]byte) *Assets {
	a := &Assets{paths: map[string]string{}, files: map[string]asset{}}
	for name, body := range files {
		ext := path.Ext(name)
		if kinds[ext] == "" {
			panic("of what kind is the asset " + name + "?")
		}
		sum := sha256.Sum256(body)
		at := prefix + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext
		a.paths[name] = at
		a.files[at] = asset{kinds[ext], body}
	}
	return a
}

// Path is where a file is served. It panics if there is none of that name: pages name
// files that are compiled in.
func (a *Assets) Path(name string) string {
	at, ok := a.paths[name]
	if !ok {
		panic("no asset " + name)
	}
	return at
}

// Handler serves the files. It expects whole paths, as Path gives them.
func (a *Assets) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		file, ok := a.files[r.URL.Path]
		if !ok {
			http.Error(w, "there is no such file", http.StatusNotFound)
			return
		}
		h.Set("Content-Type", file.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		_, _ = w.Write(file.body) // who has gone cannot be told
	})
}
