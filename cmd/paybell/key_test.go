package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// browser is somebody at the dashboard.
type browser struct {
	t    *testing.T
	http *http.Client
	site *site
}

func (s *site) browser() *browser {
	jar, _ := cookiejar.New(nil) // it has no options that could be wrong
	return &browser{t: s.t, http: &http.Client{Jar: jar, Timeout: patience}, site: s}
}

// page gets a page, or sends a form, and returns where that has led, and
// with which status.
func (b *browser) page(path string, form url.Values) (at string, status int, text string) {
	b.t.Helper()
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = b.http.Get(b.site.url + path)
	} else {
		resp, err = b.http.PostForm(b.site.url+path, form)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.Request.URL.Path, resp.StatusCode, string(body)
}

// The key is rotated and the old one dropped while the server runs. It was never told:
// requests are signed as before, whoever is signed in stays so, and others sign in with
// their second factor. All of it holds after a crash, too.
func TestRotateKeyWhileServing(t *testing.T) {
	for _, where := range databases {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			rotateKeyWhileServing(t, where)
		})
	}
}

func rotateKeyWhileServing(t *testing.T, where database) {
	s := &site{t: t, database: where.make(t), dir: filepath.Join(t.TempDir(), "data")}
	merchant := s.setUp()
	s.serve()
	link, err := url.Parse(s.paybell("user", "create", "--email", "zoe@shop.example", "--name", "Zoë", "--merchant", merchant)["link"].(string))
	if err != nil {
		t.Fatal(err)
	}
	zoe := s.browser()
	password := "correct horse battery staple"
	if at, _, text := zoe.page(link.Path, url.Values{"password": {password}}); at != "/dash/" {
		t.Fatalf("the link led to %s: %s", at, text)
	}
	_, _, text := zoe.page("/dash/settings/second-factor", url.Values{})
	found := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no secret in %s", text)
	}
	code := func(steps int) string { // of another time step each time: none is good twice
		c, err := totp.GenerateCode(found[1], time.Now().Add(time.Duration(steps)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	uri := "otpauth://totp/Paybell:zoe@shop.example?secret=" + found[1]
	if at, _, text := zoe.page("/dash/settings/second-factor/confirm", url.Values{"code": {code(-1)}, "uri": {uri}}); at != "/dash/settings" {
		t.Fatalf("confirming led to %s: %s", at, text)
	}
	check := func(when string, steps int) {
		t.Helper()
		if err := s.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if at, _, _ := zoe.page("/dash/settings", nil); at != "/dash/settings" {
			t.Errorf("%s: who was signed in is led to %s", when, at)
		}
		form := url.Values{"email": {"zoe@shop.example"}, "password": {password}, "code": {"000000"}}
		if _, status, _ := s.browser().page("/dash/sign-in", form); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: a wrong code is answered %d", when, status)
		}
		form.Set("code", code(steps))
		if at, status, text := s.browser().page("/dash/sign-in", form); status != http.StatusOK {
			t.Errorf("%s: signing in led to %s, %d: %s", when, at, status, text)
		}
	}
	if s.database != "" {
		s.paybell("key", "rotate", "--prepare")
	}
	r := s.paybell("key", "rotate")
	if r["resealed"] != 2.0 {
		t.Errorf("rotated: %v; want a client's secret and a second factor", r)
	}
	check("after the rotation", 0)
	if d := s.paybell("key", "rotate", "--drop-old"); d["dropped"] != true || d["key"] != r["key"] || fmt.Sprint(d["old"]) != fmt.Sprint(r["old"]) {
		t.Errorf("dropped: %v, after %v", d, r)
	}
	check("after dropping the old key", 1)
	s.crash()
	s.serve()
	if err := s.call(http.StatusCreated, "POST", "/api/v2/merchant/invoices", tenDollars); err != nil {
		t.Errorf("after a crash: %v", err)
	}
}
