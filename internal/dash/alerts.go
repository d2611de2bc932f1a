package dash

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// namedAlerts is how many alerts a page has; the rest are counted.
const namedAlerts = 3

// alerts is what has to be seen on every page: networks that cannot be looked at,
// endpoints that fail or were disabled, and webhooks that said that they are gone. The
// overview begins with them itself, and the page of the wallets has the networks.
func (s *Server) alerts(ctx context.Context, r *request) ([]alert, error) {
	if r.URL.Path == "/dash/" {
		return nil, nil
	}
	key := memoryKey{s.Desk, r.Merchant.ID, r.User.Role, ""}
	n, err := s.attentions.get(ctx, key, false, func(ctx context.Context) (desk.Attention, error) { return s.Desk.Attention(ctx, r.Person.Actor()) })
	if err != nil {
		return nil, err
	}
	var all []alert
	if r.URL.Path != walletsPath && !strings.HasPrefix(r.URL.Path, walletsPath+"/") {
		if all, err = s.chainAlerts(ctx, r.Person.Actor()); err != nil {
			return nil, err
		}
	}
	for _, e := range n.Endpoints {
		if here := r.URL.Path == endpointPath && r.URL.Query().Get("origin") == e.Origin && r.URL.Query().Get("client") == e.ClientID; !here {
			all = append(all, alertOf(e))
		}
	}
	for _, w := range n.Webhooks {
		all = append(all, alertOfWebhook(w))
	}
	if more := len(all) - namedAlerts; more > 0 {
		all = append(all[:namedAlerts], alert{Text: fmt.Sprintf("And %d more.", more), Link: "/dash/", Do: "See them all"})
	}
	return all, nil
}

// chainAlerts are about the networks of the merchant's wallets. Whose they are is
// asked only when something is wrong, since every page asks.
func (s *Server) chainAlerts(ctx context.Context, a desk.Actor) (all []alert, err error) {
	chains, err := s.Desk.Chains(ctx)
	if err != nil || !slices.ContainsFunc(chains, func(c desk.ChainStatus) bool { return chainTrouble(c) != "" }) {
		return nil, err
	}
	wallets, err := s.Desk.ListWallets(ctx, a)
	for _, w := range wallets {
		if text := chainTrouble(w.Chain); text != "" {
			all = append(all, alert{Text: text, Link: walletsPath, Do: "See the wallet"})
		}
	}
	return all, err
}

// alertOf says of an endpoint what is wrong, in fixed moments: it is said again on
// each page, and only when it has changed.
func alertOf(e desk.UnwellEndpoint) alert {
	a := alert{Link: endpointLink(e.ClientID, e.Origin), Do: "Look into it"}
	if e.DisabledAt.IsZero() {
		a.Text = fmt.Sprintf("%s has taken nothing since %s%s.", hostOf(e.Origin), moment(e.FailingSince), waiting(e.Pending))
	} else {
		a.Text = fmt.Sprintf("%s was disabled on %s: nothing is sent there.", hostOf(e.Origin), moment(e.DisabledAt))
		a.Do = "Enable it"
	}
	if e.Failure != "" {
		a.Text += " The last reason: " + clip(e.Failure) + "."
	}
	return a
}

func alertOfWebhook(w desk.DisabledWebhook) alert {
	reason := strings.TrimSuffix(w.StateReason, ", so the webhook is disabled")
	return alert{
		Text: fmt.Sprintf("A webhook of %s at %s was disabled on %s: %s.", w.Client, hostOf(w.Origin), moment(w.StateSince), clip(reason)),
		Link: integrationPath(w.ClientID), Do: "Mend it",
	}
}

// waiting writes how many notifications wait.
func waiting(n int64) string {
	switch {
	case n == 0:
		return ""
	case n == 1:
		return ", and 1 notification waits"
	}
	return ", and " + atLeast(n, desk.MaxCounted) + " notifications wait"
}

// atLeast writes a number that was counted up to most only.
func atLeast(n, most int64) string {
	if n > most {
		return "more than " + thousands(fmt.Sprint(most))
	}
	return thousands(fmt.Sprint(n))
}

// moment writes a time where text stands alone and no script can show it in the
// viewer's zone.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 15:04 UTC") }

// clip shortens a reason that somebody else has written.
func clip(text string) string { return clipTo(text, 160) }

func clipTo(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// hostOf is an endpoint as people say it: without what goes without saying.
func hostOf(origin string) string {
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Host == "":
		return origin
	case u.Scheme == "https":
		return strings.TrimSuffix(u.Host, ":443")
	}
	return u.Scheme + "://" + strings.TrimSuffix(u.Host, ":80")
}

// memory keeps what was read for a second: many pages that are looked at cost as much
// as one. The zero value is empty.
type memory[T any] struct {
	mu    sync.Mutex
	known map[memoryKey]*memo[T]
}

// memoryKey is whose it is, and with what right it was read.
type memoryKey struct {
	desk       *desk.Desk
	merchantID string
	role       paybell.Role
	query      string // of the page, where that matters
}

type memo[T any] struct {
	mu      sync.Mutex // held while it is read
	readAt  time.Time
	changed <-chan struct{} // closed: something has changed since
	value   T
}

const (
	memoryLasts = time.Second
	maxMemory   = 200
)

// get returns what read returned within the last second, or returns now. Who is
// patient waits instead until that second is over, if something has changed since.
func (m *memory[T]) get(ctx context.Context, key memoryKey, patient bool, read func(context.Context) (T, error)) (v T, err error) {
	e, asked := m.find(key), time.Now()
	for {
		e.mu.Lock()
		age := time.Since(e.readAt)
		if age >= memoryLasts {
			changed := key.desk.Changed() // before reading: what comes later is told
			if v, err = read(ctx); err == nil {
				e.value, e.readAt, e.changed = v, time.Now(), changed
			}
			e.mu.Unlock()
			return v, err
		}
		v, good := e.value, !patient || !closed(e.changed) || e.readAt.After(asked)
		e.mu.Unlock()
		if good {
			return v, nil
		}
		timer := time.NewTimer(memoryLasts - age)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return v, ctx.Err()
		}
	}
}

func (m *memory[T]) find(key memoryKey) *memo[T] {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.known[key]
	if e == nil {
		if m.known == nil {
			m.known = map[memoryKey]*memo[T]{}
		}
		if len(m.known) >= maxMemory {
			clear(m.known) // they are read again
		}
		e = &memo[T]{}
		m.known[key] = e
	}
	return e
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
