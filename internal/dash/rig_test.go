package dash

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/rates"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/store/storetest"
)

// rig is a dashboard on a store of its own, with a merchant and its owner.
type rig struct {
	*testing.T
	desk   *desk.Desk
	server *Server
	url    string
	owner  *visitor
}

// visitor is a browser.
type visitor struct {
	rig  *rig
	http *http.Client
}

// newRig opens the dashboard; the functions change what the desk is given.
func newRig(t *testing.T, change ...func(*desk.Desk)) *rig {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.OpenKeyring(dir + "/paybell.key")
	must(t, err)
	storetest.Blank(t, dir)
	db, err := store.OpenSQLite(t.Context(), dir, store.Options{Keys: keys, Migrate: true})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	chain := sandbox.New(sandbox.Journal{
		Load: func(ctx context.Context, after int64) ([]sandbox.Entry, error) {
			return store.View(ctx, db, func(tx *store.Tx) ([]sandbox.Entry, error) {
				rows, err := tx.Journal(after)
				entries := make([]sandbox.Entry, len(rows))
				for i, r := range rows {
					entries[i] = sandbox.Entry(r)
				}
				return entries, err
			})
		},
		Append: func(ctx context.Context, merchantID, op string) (int64, error) {
			return store.Update(ctx, db, func(tx *store.Tx) (int64, error) { return tx.AppendJournal(merchantID, op) })
		},
	})
	r := &rig{T: t, desk: &desk.Desk{
		DB: db, Quote: rates.Default, Sandbox: chain, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}}
	for _, c := range change {
		c(r.desk)
	}
	var logged bytes.Buffer
	server := httptest.NewUnstartedServer(nil)
	r.url = "http://" + server.Listener.Addr().String()
	r.server = &Server{Desk: r.desk, PublicURL: r.url, Log: slog.New(slog.NewTextHandler(&logged, nil))}
	server.Config.Handler = r.server.Handler()
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if logged.Len() > 0 {
			t.Errorf("the server has logged:\n%s", &logged)
		}
	})
	r.owner = r.visitor()
	pass, err := r.desk.NewSetupPass(t.Context())
	must(t, err)
	r.owner.post("/dash/pass/"+pass, "merchant", "Café Bell", "name", "Ada", "email", "ada@cafe-bell.example", "password", "correct horse battery").want(t, http.StatusSeeOther)
	return r
}

// visitor is a browser that nobody is signed in with.
func (r *rig) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	must(r.T, err)
	return &visitor{r, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// invited is a browser in which one more user is signed in.
func (r *rig) invited(email string, role paybell.Role) *visitor {
	r.Helper()
	pass, err := r.desk.Invite(r.Context(), r.ownerActor(), email, role)
	must(r.T, err)
	v := r.visitor()
	v.post("/dash/pass/"+pass, "name", email, "email", email, "password", "correct horse battery").want(r.T, http.StatusSeeOther)
	return v
}

// ownerActor acts as the merchant's owner at the desk.
func (r *rig) ownerActor() desk.Actor {
	r.Helper()
	a, err := r.desk.Operator(r.Context(), "", "")
	must(r.T, err)
	return a
}

// answer is what came back, with its body read.
type answer struct {
	*http.Response
	body string
}

func (v *visitor) get(path string) answer { return v.do(http.MethodGet, path, nil) }

// post sends a form: names and values in turn.
func (v *visitor) post(path string, pairs ...string) answer {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return v.do(http.MethodPost, path, form)
}

func (v *visitor) do(method, path string, form url.Values) answer {
	v.rig.Helper()
	req, err := http.NewRequestWithContext(v.rig.Context(), method, v.rig.url+path, strings.NewReader(form.Encode()))
	must(v.rig.T, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.rig.url)
	}
	resp, err := v.http.Do(req)
	must(v.rig.T, err)
	defer resp.Body.Close() // read below
	body, err := io.ReadAll(resp.Body)
	must(v.rig.T, err)
	return answer{resp, string(body)}
}

// want checks the status and that the page says these things.
func (a answer) want(t *testing.T, status int, says ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s answered %d, want %d:\n%s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	for _, text := range says {
		if !strings.Contains(a.body, text) {
			t.Errorf("%s %s does not say %q:\n%s", a.Request.Method, a.Request.URL, text, a.body)
		}
	}
	return a
}

// follow asks for the page that a form leads to; what was done is said there.
func (v *visitor) follow(a answer) answer {
	v.rig.Helper()
	a.want(v.rig.T, http.StatusSeeOther)
	return v.get(a.Header.Get("Location"))
}

// wasDone is the text that the next page will say.
func (a answer) wasDone() string {
	for _, c := range a.Cookies() {
		if c.Name == doneCookie {
			text, _ := base64.RawURLEncoding.DecodeString(c.Value)
			return string(text)
		}
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
