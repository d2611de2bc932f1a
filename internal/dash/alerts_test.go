package dash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
	"github.com/paybell/paybell/internal/store"
)

// A server that fails, or that is served no more, is named on every page, with where
// it can be mended; of many, three are.
func TestAlerts(t *testing.T) {
	r := newRig(t)
	s := r.shop("Webshop")
	looker := r.invited("looker@cafe-bell.example", paybell.RoleReadOnly)
	now := time.Now()
	pages := []string{deliveriesPath, "/dash/integrations", "/dash/settings", "/dash/", "/dash/nowhere"}
	quiet := func(v *visitor, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if body := v.get(path).body; strings.Contains(body, "has taken nothing") || strings.Contains(body, "was disabled") {
				t.Errorf("%s raises an alarm:\n%s", path, body)
			}
		}
	}
	quiet(r.owner, pages...)
	failing := s.hook("https://failing.example:8443/hook")
	s.create(s.draft("INV-1", "10"), now.Add(-time.Hour))
	s.answers(failing, 1, 503, "answered 503", "", now.Add(-time.Hour), time.Second)
	r.forget()
	text := fmt.Sprintf("failing.example:8443 has taken nothing since %s, and 1 notification waits. The last reason: answered 503.", moment(now.Add(-time.Hour)))
	link := strings.ReplaceAll(endpointLink(failing.ClientID, failing.Origin), "&", "&amp;")
	for _, v := range []*visitor{r.owner, looker} {
		for _, path := range pages {
			a := v.get(path)
			a.want(t, a.StatusCode, text, link)
		}
	}
	quiet(r.visitor(), "/dash/sign-in", "/dash/settings")
	if a := r.owner.get(endpointLink(failing.ClientID, failing.Origin)).want(t, http.StatusOK); strings.Contains(a.body, text) {
		t.Error("the page of the endpoint says it twice")
	}

	s = r.shop("Tickets")
	disabled := s.hook("https://disabled.example/")
	s.create(s.draft("INV-2", "10"), now.Add(-6*24*time.Hour))
	s.outage(disabled, 1, now.Add(-time.Hour))
	s = r.shop("Bookings")
	gone := s.hook("https://gone.example/")
	s.create(s.draft("INV-3", "10"), now)
	s.answers(gone, 1, 410, "answered 410: nothing is there any more, so the webhook is disabled", "", now, time.Second)
	atGone := integrationPath(s.client.ID)
	for i := range 3 {
		s := r.shop(fmt.Sprint("More", i))
		w := s.hook(fmt.Sprintf("https://more%d.example/", i))
		s.create(s.draft("INV-4", "10"), now.Add(-10*time.Minute))
		s.answers(w, 1, 0, "<script>alert(1)</script>", "", now.Add(-time.Duration(10-i)*time.Minute), time.Second)
	}
	r.forget()
	a := r.owner.get(deliveriesPath).want(t, http.StatusOK, "disabled.example was disabled on "+moment(now.Add(-time.Hour))+": nothing is sent there. The last reason: answered 500.", "Enable it", text, "more0.example", "And 3 more.")
	alerts, _, _ := strings.Cut(a.body, "<h1>")
	if n := strings.Count(alerts, `class="notice stop"`); n != namedAlerts+1 {
		t.Errorf("there are %d notices", n)
	}
	if strings.Contains(a.body, "<script>alert") || !strings.Contains(alerts, "&lt;script&gt;alert(1)") {
		t.Error("what a receiver said is not escaped")
	}
	r.owner.get("/dash/").want(t, http.StatusOK, "disabled.example was disabled", text, "more0.example", "more1.example", "more2.example",
		"A webhook of Bookings at gone.example was disabled on ", ": answered 410: nothing is there any more.", atGone)

	// Nobody else is told.
	other := r.another()
	n, err := r.desk.Attention(t.Context(), desk.Owner(other.client.MerchantID))
	if err != nil || len(n.Endpoints)+len(n.Webhooks) != 0 {
		t.Errorf("another merchant is told %+v, %v", n, err)
	}
}

// forget makes the next page read anew what is remembered for a second.
func (r *rig) forget() {
	for _, m := range []interface{ forget() }{&r.server.attentions, &r.server.overviews, &r.server.deliveryLists} {
		m.forget()
	}
}

func (m *memory[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.known)
}

func TestAlertTexts(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for want, e := range map[string]desk.UnwellEndpoint{
		"a.example has taken nothing since 4 Mar 05:06 UTC.":                                              {Unwell: store0("https://a.example:443", paybell.Health{FailingSince: at})},
		"http://a.example has taken nothing since 4 Mar 05:06 UTC, and 1 notification waits.":             {Unwell: store0("http://a.example:80", paybell.Health{FailingSince: at}), Pending: 1},
		"a.example:8443 has taken nothing since 4 Mar 05:06 UTC, and more than 1,000 notifications wait.": {Unwell: store0("https://a.example:8443", paybell.Health{FailingSince: at}), Pending: 1001},
		"[2001:db8::1] has taken nothing since 4 Mar 05:06 UTC, and 1,000 notifications wait.":            {Unwell: store0("https://[2001:db8::1]:443", paybell.Health{FailingSince: at}), Pending: 1000},
		"a.example was disabled on 4 Mar 05:06 UTC: nothing is sent there. The last reason: no route.":    {Unwell: store0("https://a.example:443", paybell.Health{FailingSince: at, DisabledAt: at, Failure: "no route"})},
	} {
		if got := alertOf(e).Text; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	long := alertOf(desk.UnwellEndpoint{Unwell: store0("https://a.example:443", paybell.Health{FailingSince: at, Failure: strings.Repeat("ü", 1000)})}).Text
	if n := len([]rune(long)); n > 300 || !strings.HasSuffix(long, "ü….") {
		t.Errorf("a long reason gives %d characters, at the end %q", n, long[len(long)-10:])
	}
}

func store0(origin string, h paybell.Health) (u store.Unwell) {
	u.ClientID, u.Origin, u.Health = "c", origin, h
	return u
}

// What was read is good for a second for all, and who waits for news gets them as
// soon as that is over.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := store.OpenKeyring(t.TempDir() + "/key")
		must(t, err)
		db, err := store.OpenSQLite(t.Context(), t.TempDir(), store.Options{Keys: keys, Migrate: true})
		must(t, err)
		defer func() { must(t, db.Close()) }()
		key := memoryKey{desk: &desk.Desk{DB: db}}
		change := func() {
			must(t, store.Do(t.Context(), db, func(*store.Tx) error { return nil }))
			synctest.Wait()
		}
		var m memory[int]
		n := 0
		get := func(patient bool) int {
			t.Helper()
			v, err := m.get(t.Context(), key, patient, func(context.Context) (int, error) { n++; return n, nil })
			must(t, err)
			return v
		}
		want := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: got %d, want %d", what, got, want)
			}
		}
		want("at first", get(false), 1)
		want("again", get(false), 1)
		want("with nothing new, for who is patient", get(true), 1)
		time.Sleep(300 * time.Millisecond)
		change()
		want("with something new, for who is not", get(false), 1)
		began := time.Now()
		want("with something new, for who is", get(true), 2)
		if waited := time.Since(began); waited != 700*time.Millisecond {
			t.Errorf("it waited for %v", waited)
		}
		change()
		want("what was read after it was asked for is good", func() int {
			var got [5]int
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i] = get(true) })
			}
			all.Wait()
			for _, v := range got {
				if v != got[0] {
					t.Errorf("at once they got %v", got)
				}
			}
			return got[0]
		}(), 3)
		time.Sleep(time.Second)
		want("a second later", get(false), 4)
		if v, err := m.get(t.Context(), memoryKey{desk: key.desk, merchantID: "another"}, false, func(context.Context) (int, error) { return 100, nil }); v != 100 || err != nil {
			t.Errorf("another merchant got %d, %v", v, err)
		}

		// An error is not remembered, and who leaves does not wait.
		time.Sleep(time.Second)
		broken := errors.New("broken")
		if _, err := m.get(t.Context(), key, false, func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		want("after an error", get(false), 5)
		change()
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if _, err := m.get(ctx, key, true, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("who has left got %v", err)
		}
	})
}

// However many merchants look, what is remembered has a bound.
func TestMemoryHasABound(t *testing.T) {
	var m memory[int]
	var read atomic.Int64
	for i := range 3 * maxMemory {
		_, err := m.get(t.Context(), memoryKey{desk: &desk.Desk{DB: &store.DB{}}, merchantID: fmt.Sprint(i)}, false, func(context.Context) (int, error) { read.Add(1); return 0, nil })
		must(t, err)
		if len(m.known) > maxMemory {
			t.Fatalf("%d are remembered", len(m.known))
		}
	}
	if read.Load() != 3*maxMemory {
		t.Errorf("read were %d", read.Load())
	}
}
