package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestAssets(t *testing.T) {
	a := NewAssets("/there/", map[string][]byte{"style.css": []byte("a{}"), "page.js": []byte("x"), "icon.svg": []byte("<svg/>")})
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		path := a.Path(name)
		stem, ext, _ := strings.Cut(name, ".")
		if !regexp.MustCompile(`^/there/` + stem + `-[0-9a-f]{12}\.` + ext + `$`).MatchString(path) {
			t.Errorf("%s is served at %s", name, path)
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != kind || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
	}
	other := NewAssets("/there/", map[string][]byte{"style.css": []byte("b{}")})
	if other.Path("style.css") == a.Path("style.css") {
		t.Error("another style has the same name")
	}
	for _, path := range []string{"/there/style.css", "/there/", other.Path("style.css"), "/elsewhere/" + strings.TrimPrefix(a.Path("style.css"), "/there/")} {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != 404 || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, kept: %q", path, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

func TestAssetsThatAreNotThere(t *testing.T) {
	for name, f := range map[string]func(){
		"a kind": func() { NewAssets("/", map[string][]byte{"a.exe": nil}) },
		"a name": func() { NewAssets("/", nil).Path("a.css") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s that is not known does not panic", name)
				}
			}()
			f()
		}()
	}
}

// The licence goes with the script.
func TestIdiomorph(t *testing.T) {
	if s := string(Idiomorph); !strings.HasPrefix(s, "/* idiomorph ") || !strings.Contains(s, "0BSD") || !strings.Contains(s, "var Idiomorph=") {
		t.Errorf("idiomorph begins %.100q", s)
	}
}
