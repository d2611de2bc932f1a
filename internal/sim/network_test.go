package sim

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/paybell/paybell"
)

// network is all merchants' servers and the way to them.
type network struct {
	w     *world
	hosts map[string]*host

	mu     sync.Mutex
	calls  []*call
	flying map[string]int // by process
	secret map[string]string
}

// call is one request, as the network saw it.
type call struct {
	p         *process
	url, host string
	id        string
	number    int64 // 0: it had none
	epoch     string
	invoice   string
	head      map[string][]string // names as they are sent
	body      string

	entered, sent, answered int64 // ticks; sent is 0 when it never arrived
	enteredAt, sentAt       time.Time
	answeredAt              time.Time
	status                  int       // that the sender was told; 0: none
	good                    bool      // the sender was told 2xx, and the body was whole
	hold                    time.Time // the sender was asked to wait until then
}

// host is a merchant's server with moods that change.
type host struct {
	mu    sync.Mutex
	rnd   *rand.Rand
	mood  mood
	until time.Time
	fixed bool // it stays down, until all is well
	well  bool
}

type mood int

const (
	fine mood = iota
	sluggish
	silent
	broken
	flaky
	closed
	poisoned // refuses one of its invoices in four, always the same
	busy
	lossy
	moods
)

// verdict is what becomes of one request.
type verdict struct {
	kind    kind
	status  int
	after   time.Duration
	headers map[string]string
	refuse  bool // it never arrives
	lose    bool // it arrives, the answer does not
	never   bool // no answer, for as long as anybody waits
	breaks  bool // the answer's body breaks off
	stalls  bool // the answer's body never ends
}

func newNetwork(w *world) *network {
	n := &network{w: w, hosts: map[string]*host{}, flying: map[string]int{}, secret: map[string]string{}}
	for i := range hostNames {
		n.hosts[hostNames[i]] = &host{rnd: rand.New(rand.NewPCG(w.seed, uint64(100+i)))}
	}
	return n
}

var hostNames = []string{"alpha.example", "beta.example", "gamma.example", "delta.example"}

// judge decides what becomes of a request at a moment.
func (h *host) judge(c *call, now time.Time, signed bool) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.well {
		return verdict{kind: kinds, status: 204}
	}
	r := h.rnd
	if !h.fixed && now.After(h.until) {
		h.mood = mood(r.IntN(int(moods)))
		if r.IntN(3) == 0 {
			h.mood = fine
		}
		h.until = now.Add(time.Duration(1+r.IntN(12)) * time.Second)
		if r.IntN(8) == 0 {
			h.fixed, h.mood = true, []mood{broken, closed, silent, poisoned, poisoned, poisoned}[r.IntN(6)]
		}
	}
	quick := time.Duration(r.IntN(30)) * time.Millisecond
	ok := verdict{kind: kinds, status: 200 + 4*r.IntN(2), after: quick}
	switch h.mood {
	case sluggish:
		return verdict{kind: answerSlow, status: 200, after: time.Duration(500+r.IntN(12000)) * time.Millisecond}
	case silent:
		return verdict{kind: answerNever, never: true}
	case broken:
		return verdict{kind: answer500, status: 500 + r.IntN(3), after: quick}
	case closed:
		return verdict{kind: connectionRefused, refuse: true, after: quick}
	case lossy:
		if r.IntN(2) == 0 {
			return verdict{kind: answerLost, lose: true, after: quick}
		}
	case busy:
		if r.IntN(3) > 0 {
			v := verdict{kind: answerRetryAfter, status: []int{429, 503}[r.IntN(2)], after: quick}
			wait := 1 + r.IntN(8)
			v.headers = map[string]string{"Retry-After": strconv.Itoa(wait)}
			if r.IntN(3) == 0 {
				v.headers["Retry-After"] = now.Add(time.Duration(wait) * time.Second).UTC().Format(http.TimeFormat)
			}
			return v
		}
	case poisoned:
		if c.invoice != "" && c.invoice[len(c.invoice)-1]&3 == 0 {
			return verdict{kind: poisonMessage, status: 500, after: quick}
		}
	case flaky:
		switch r.IntN(12) {
		case 0:
			return verdict{kind: answer500, status: 500, after: quick}
		case 1:
			return verdict{kind: answerRedirect, status: 302, headers: map[string]string{"Location": "https://elsewhere.example/"}}
		case 2:
			return verdict{kind: answerRefused, status: []int{400, 401, 403}[r.IntN(3)], after: quick}
		case 3:
			if r.IntN(2) == 0 {
				return verdict{kind: answerGone, status: 410}
			}
		case 4:
			return verdict{kind: answerLost, lose: true}
		case 5:
			return verdict{kind: answerBroken, status: 200, breaks: true}
		case 6:
			return verdict{kind: answerBroken, status: 200, stalls: true}
		}
	}
	if !signed { // a shop that knows another secret
		return verdict{kind: answerRefused, status: 401, after: quick}
	}
	return ok
}

// heal makes every server well, for good.
func (n *network) heal() {
	for _, h := range n.hosts {
		h.mu.Lock()
		h.well = true
		h.mu.Unlock()
	}
}

// knows tells a client's servers what their secret is.
func (n *network) knows(clientID, secret string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.secret[clientID] = secret
}

// inFlight is how many requests of a process are on the way.
func (n *network) inFlight(p *process) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.flying[p.name]
}

// wire is the network as one process has it.
type wire struct{ p *process }

// RoundTrip brings a request to its server, if the weather allows.
func (x *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	p, n := x.p, x.p.w.net
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c := &call{p: p, url: r.URL.String(), host: r.URL.Host, head: r.Header, body: string(raw)}
	c.id = first(c.head["webhook-id"])
	if sequence := first(c.head["Paybell-Sequence"]); sequence != "" {
		epoch, number, _ := strings.Cut(sequence, ".")
		c.epoch = epoch
		c.number, _ = strconv.ParseInt(number, 10, 64)
	}
	c.invoice = invoiceIn(c.body)
	n.mu.Lock()
	c.entered, c.enteredAt = p.w.tick(), time.Now()
	n.calls = append(n.calls, c)
	n.flying[p.name]++
	n.mu.Unlock()
	resp, err := n.carry(c, r)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flying[p.name]--
	c.answered, c.answeredAt = p.w.tick(), time.Now()
	if err != nil {
		return nil, err
	}
	c.status = resp.StatusCode
	_, whole := resp.Body.(*answer)
	c.good = whole && c.status/100 == 2
	if after := resp.Header.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil {
			c.hold = c.answeredAt.Add(time.Duration(seconds) * time.Second)
		} else if at, err := http.ParseTime(after); err == nil {
			c.hold = at
		}
	}
	return resp, nil
}

// answer is a body that ends well.
type answer struct{ io.Reader }

func (*answer) Close() error { return nil }

func (n *network) carry(c *call, r *http.Request) (*http.Response, error) {
	p, ctx := c.p, r.Context()
	if err := p.gate(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	h := n.hosts[c.host]
	if h == nil {
		n.w.wrong("%s rings at %s, which is nobody's", p.name, c.url)
		return nil, syscall.ECONNREFUSED
	}
	v := h.judge(c, time.Now(), n.trusts(c))
	if v.kind < kinds {
		n.w.happened(v.kind)
	}
	if !v.refuse {
		n.mu.Lock()
		c.sent, c.sentAt = n.w.tick(), time.Now()
		n.mu.Unlock()
	}
	if err := p.rest(ctx, v); err != nil {
		return nil, err
	}
	if err := p.gate(); err != nil {
		return nil, err
	}
	switch {
	case v.refuse:
		return nil, syscall.ECONNREFUSED
	case v.lose:
		return nil, io.ErrUnexpectedEOF
	}
	resp := &http.Response{StatusCode: v.status, Header: http.Header{}, Request: r, Body: &answer{strings.NewReader("OK")}}
	for name, value := range v.headers {
		resp.Header.Set(name, value)
	}
	switch {
	case v.breaks:
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("O"), bad{}))
	case v.stalls:
		resp.Body = io.NopCloser(endless{ctx, p})
	}
	return resp, nil
}

// rest waits for the answer of a server.
func (p *process) rest(ctx context.Context, v verdict) error {
	if v.after == 0 && !v.never {
		return nil
	}
	timer := time.NewTimer(v.after)
	if v.never {
		timer.Stop()
	}
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.dead:
		return errDead
	}
}

// trusts reports whether a server that knows one secret can verify a request the
// way of CoinPayments.
func (n *network) trusts(c *call) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	client := first(c.head[paybell.HeaderClient])
	want := paybell.SignRequest(n.secret[client], "POST", c.url, client, first(c.head[paybell.HeaderTimestamp]), []byte(c.body))
	return paybell.SameSignature(first(c.head[paybell.HeaderSignature]), want)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// invoiceIn finds the invoice that a notification is about.
func invoiceIn(body string) string {
	_, after, _ := strings.Cut(body, `"invoice":{"invoiceId":"`)
	_, after, _ = strings.Cut(after, `"id":"`)
	id, _, _ := strings.Cut(after, `"`)
	return id
}

type bad struct{}

func (bad) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type endless struct {
	ctx context.Context
	p   *process
}

func (e endless) Read([]byte) (int, error) {
	select {
	case <-e.ctx.Done():
		return 0, e.ctx.Err()
	case <-e.p.dead:
		return 0, errors.Join(errDead, io.ErrUnexpectedEOF)
	}
}
