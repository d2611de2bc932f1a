package dash

import (
	"net/http"
	"strings"
	"testing"

	"github.com/paybell/paybell"
)

func TestSignIn(t *testing.T) {
	r := newRig(t)
	v := r.visitor()
	a := v.get("/dash/invoices?state=paid").want(t, http.StatusSeeOther)
	to := a.Header.Get("Location")
	v.get(to).want(t, http.StatusOK, "Sign in", `name="next" value="/dash/invoices?state=paid"`)
	for _, wrong := range [][2]string{{"ada@cafe-bell.example", "correct horse"}, {"nobody@cafe-bell.example", "correct horse battery"}, {"<b>", ""}} {
		v.post("/dash/sign-in", "email", wrong[0], "password", wrong[1]).
			want(t, http.StatusUnprocessableEntity, "The e-mail address or the password is wrong.")
	}
	v.post("/dash/sign-in", "email", "Ada@Cafe-Bell.example ", "password", "correct horse battery", "next", "/dash/invoices?state=paid").
		want(t, http.StatusSeeOther)
	v.get("/dash/invoices?state=paid").want(t, http.StatusOK, "Ada · Owner")
	v.post("/dash/sign-out").want(t, http.StatusSeeOther)
	v.get("/dash/").want(t, http.StatusSeeOther)
	r.owner.get("/dash/").want(t, http.StatusOK) // another browser
}

func TestSignInSlowly(t *testing.T) {
	r := newRig(t)
	v := r.visitor()
	for range 11 {
		if a := v.post("/dash/sign-in", "email", "ada@cafe-bell.example", "password", "no"); strings.Contains(a.body, "too often") {
			return
		}
	}
	t.Error("passwords can be tried as often as anybody likes")
}

// Where the form of the sign-in leads is a page of ours, whatever it says.
func TestNextPage(t *testing.T) {
	for next, want := range map[string]string{
		"": "/dash/", "/dash/": "/dash/", "/dash/invoices?a=b": "/dash/invoices?a=b",
		"https://evil.example/dash/": "/dash/", "//evil.example/dash/": "/dash/", `/dash/\evil.example`: "/dash/", "/api/v1": "/dash/",
		"javascript:alert(1)": "/dash/", "/dash/../api": "/dash/", "/dashboard": "/dash/", "dash/": "/dash/", "%zz": "/dash/",
	} {
		if got := nextPage(next); got != want {
			t.Errorf("nextPage(%q) is %q, want %q", next, got, want)
		}
	}
}

func TestPass(t *testing.T) {
	r := newRig(t)
	token, err := r.desk.Invite(t.Context(), r.ownerActor(), "eve@cafe-bell.example", paybell.RoleStaff)
	must(t, err)
	v, path := r.visitor(), "/dash/pass/"+token
	v.get(path).want(t, http.StatusOK, "Join your team", `value="eve@cafe-bell.example"`)
	v.post(path, "name", "Eve", "email", "eve@cafe-bell.example", "password", "short").
		want(t, http.StatusUnprocessableEntity, `value="Eve"`, "10")
	v.get(path).want(t, http.StatusOK) // it is still good
	v.post(path, "name", "Eve", "email", "eve@cafe-bell.example", "password", "long enough, that").want(t, http.StatusSeeOther)
	v.get("/dash/").want(t, http.StatusOK, "Eve · Staff")
	r.visitor().get(path).want(t, http.StatusNotFound, "This link was used or is too old")
	r.visitor().post(path, "name", "Mallory", "email", "m@example.com", "password", "long enough, that").want(t, http.StatusNotFound)
}

// What a page may do is said to the browser, with every answer.
func TestHeaders(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/dash/", "/dash/sign-in", "/dash/nowhere", "/dash/invoices/%00"} {
		a := r.owner.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if strings.Contains(a.body, "<style") || strings.Contains(a.body, "onclick") || strings.Contains(a.body, " style=") {
			t.Errorf("%s holds what its own policy forbids", path)
		}
	}
	r.owner.get("/dash/invoices/%00").want(t, http.StatusNotFound)
	r.owner.post("/dash/integrations/api", "name", "a\x00b").want(t, http.StatusUnprocessableEntity)
	// A form of another site is refused, and one that is too long.
	req, err := http.NewRequest(http.MethodPost, r.url+"/dash/sign-out", nil)
	must(t, err)
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := r.owner.http.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form is answered %d", resp.StatusCode)
	}
	r.owner.post("/dash/sign-in", "email", strings.Repeat("a", maxForm)).want(t, http.StatusUnprocessableEntity)
	r.owner.get("/dash/").want(t, http.StatusOK)
}
