package dash

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/web"
)

// view is what a page shows. Its template is a file of templates/ that defines
// "main", and "live" if part of it changes by itself: main then has that part in
// <div id="live">{{template "live" .}}</div>.
type view struct {
	Template string
	Title    string
	Area     string // of the sidebar: overview, invoices, integrations, deliveries, wallets, settings
	Data     any
}

// look makes the view of a page. It is called again while the page is looked at,
// so it changes nothing.
type look func(ctx context.Context, r *request) (view, error)

// page is what the templates are given.
type page struct {
	view
	request *request
	Person  *person // nil: nobody is signed in
	Alerts  []alert // what no page may be looked at without
	Done    string  // what the form before has done
	Now     time.Time
}

// person is who the page is for.
type person struct {
	paybell.User
	Merchant   string
	MayChange  bool // more than look
	MayManage  bool // users
	RoleInText string
}

//go:embed templates/*.html
var templateFiles embed.FS

// templates holds each page with the layout and the parts that all have.
var templates = func() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(words).ParseFS(templateFiles, "templates/_*.html"))
	all := map[string]*template.Template{}
	names, err := fs.Glob(templateFiles, "templates/[a-z]*.html")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		all[path.Base(name)] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, name))
	}
	return all
}()

// page makes the action of a page that is looked at: whole, or as the stream of
// its live part.
func (s *Server) page(look look) action {
	return func(w http.ResponseWriter, r *request) error {
		if !web.WantsLive(r.Request) {
			v, err := look(r.Context(), r)
			if err != nil {
				return err
			}
			return s.show(w, r, http.StatusOK, v)
		}
		if !s.streams.Enter(r.User.ID) {
			return paybell.Errorf(paybell.RateLimited, "%d pages are open, which is the most", maxStreams)
		}
		defer s.streams.Leave(r.User.ID)
		return s.live.Serve(w, r.Request, func(ctx context.Context) ([]byte, error) {
			var err error
			if r.Person, err = s.Desk.Session(ctx, r.token, r.visitor); err != nil { // who asks may have lost the right since
				return nil, err
			}
			v, err := look(ctx, r)
			if err != nil {
				return nil, err
			}
			p, err := s.newPage(ctx, r, v)
			if err != nil {
				return nil, err
			}
			return p.render("stream")
		})
	}
}

// show writes a page.
func (s *Server) show(w http.ResponseWriter, r *request, status int, v view) error {
	p, err := s.newPage(r.Context(), r, v)
	if err != nil {
		return err
	}
	p.Done = takeDone(w, r)
	body, err := p.render("layout")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has gone cannot be told
	return nil
}

func (s *Server) newPage(ctx context.Context, r *request, v view) (*page, error) {
	p := &page{view: v, request: r, Now: time.Now().UTC()}
	if r.User.ID == "" {
		return p, nil
	}
	p.Person = &person{
		User: r.User, Merchant: r.Merchant.Name, RoleInText: roleNames[r.User.Role],
		MayChange: r.User.Role != paybell.RoleReadOnly, MayManage: r.User.Role == paybell.RoleOwner,
	}
	var err error
	p.Alerts, err = s.alerts(ctx, r)
	return p, err
}

// render executes one of the layout's templates.
func (p *page) render(name string) ([]byte, error) {
	var b bytes.Buffer
	err := templates[p.Template].ExecuteTemplate(&b, name, p)
	return b.Bytes(), err
}

// Live says that part of the page changes by itself.
func (p *page) Live() bool { return templates[p.Template].Lookup("live") != nil && p.Person != nil }

// Path is the page's own address, without its query.
func (p *page) Path() string { return p.request.URL.Path }

// Query is the value of a parameter of the page's address.
func (p *page) Query(name string) string { return p.request.URL.Query().Get(name) }

// With is the page's own address with parameters set to other values; those that
// become empty are left out.
func (p *page) With(pairs ...string) string {
	q := maps.Clone(p.request.URL.Query())
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return p.Path()
	}
	return p.Path() + "?" + q.Encode()
}

const doneCookie = "paybell-done"

// done leads on after a form, to a page that says what was done.
func done(w http.ResponseWriter, to, text string) error {
	http.SetCookie(w, &http.Cookie{
		Name: doneCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(text)), Path: "/dash/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	redirect(w, to)
	return nil
}

func takeDone(w http.ResponseWriter, r *request) string {
	c, err := r.Cookie(doneCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: doneCookie, Path: "/dash/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) > 500 {
		return ""
	}
	return string(text)
}

// alert is what has to be seen on every page.
type alert struct{ Text, Link, Do string }

// field is a value of the form that was sent, trimmed.
func (r *request) field(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
