package killtest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// receiver is the shops' own servers, where all webhooks point. They live as
// long as the test and write down what arrives.
type receiver struct {
	t         *testing.T
	endpoints []*endpoint
	sick      context.Context    // ends when all endpoints recover, and requests hang no longer
	recover   context.CancelFunc // ends sick

	life   atomic.Int64         // of the one server, that new connections come from
	sender func(net.Conn) int   // the life that a new connection comes from; 0: it has ended
	trap   atomic.Pointer[trap] // for the next notification that is new; nil: none
	held   atomic.Pointer[held] // the same; for one that waits for its answer

	mu     sync.Mutex
	random *rand.Rand
	hooks  map[string]*hook // by URL
	known  map[delivery]bool
	bodies map[string]string
	record history

	serving  map[*endpoint]map[int]int // requests, by life
	lanes    map[lane]int              // requests
	overlaps []string                  // what two processes were at, at the same time

	gaveUp   map[int]int // by life: requests to a hanging endpoint that it did not wait for any longer
	accepted int         // arrivals that were answered 200, or were to be
	broken   int         // requests whose body the kill cut off: nothing arrived
}

// trap ends the server at the worst moment: between a POST and the record of
// its outcome.
type trap struct {
	answerFirst bool           // the 200 is on the wire before the kill; else it comes after, to nobody
	kill        func(life int) // that has sent it; returns when something is dead
	sprung      chan delivery
}

// held is a request that waits for its answer for as long as the test wants.
type held struct {
	of     delivery // zero: any that is new to a healthy endpoint
	status int      // that it is answered with in the end
	caught chan arrival
	answer chan struct{} // closed when it is to be answered
}

// hold keeps the next request for a delivery, or, if that is zero, for any that is new.
func (r *receiver) hold(of delivery, status int) *held {
	h := &held{of: of, status: status, caught: make(chan arrival, 1), answer: make(chan struct{})}
	r.held.Store(h)
	return h
}

// wait waits until there is a request, and gives it.
func (h *held) wait(ctx context.Context, limit time.Duration) (arrival, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-h.caught:
		return a, nil
	case <-timer.C:
		return arrival{}, fmt.Errorf("no request came within %v", limit)
	case <-ctx.Done():
		return arrival{}, context.Cause(ctx)
	}
}

// catches reports whether a request is to be held.
func (h *held) catches(a *arrival, known bool) bool {
	if h == nil || a.life == 0 || a.hook.at.health != healthy {
		return false
	}
	return h.of == delivery{} && !known || h.of == delivery{a.hook, a.id}
}

func newReceiver(t *testing.T, random *rand.Rand) *receiver {
	r := &receiver{
		t: t, random: random, hooks: map[string]*hook{}, known: map[delivery]bool{}, bodies: map[string]string{}, gaveUp: map[int]int{},
		serving: map[*endpoint]map[int]int{}, lanes: map[lane]int{},
		record: history{began: time.Now(), sales: map[string]*sale{}},
	}
	r.sick, r.recover = context.WithCancel(t.Context())
	return r
}

// listen adds an endpoint, before the server is started.
func (r *receiver) listen(name string, health health) *endpoint {
	r.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	e := &endpoint{name, "http://" + listener.Addr().String(), health}
	r.endpoints = append(r.endpoints, e)
	web := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(e, w, req) }),
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, lifeKey{}, r.sender(c))
		},
	}
	go func() { _ = web.Serve(listener) }()
	r.t.Cleanup(func() { _ = web.Close() })
	return e
}

// lifeKey is where a connection keeps from which life of the server it comes.
type lifeKey struct{}

// nextLife says that connections come from a new life from now on. Connections
// are accepted in the order in which they were made: when ours is answered, all
// of the life before, which is over, have been accepted.
func (r *receiver) nextLife(n int) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, e := range r.endpoints {
		resp, err := client.Get(e.base + "/are-all-in")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
	}
	r.life.Store(int64(n))
	return nil
}

func (r *receiver) since() time.Duration { return time.Since(r.record.began) }

// expect makes a webhook's path known before it is registered: the first
// notification may be faster than the answer.
func (r *receiver) expect(e *endpoint, path string, owner *account, only string, wants ...string) *hook {
	h := &hook{at: e, url: e.base + path, owner: owner, only: only}
	for _, kind := range wants {
		if h.wants == nil {
			h.wants = map[string]bool{}
		}
		h.wants[kind] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks[h.url] = h
	r.record.hooks = append(r.record.hooks, h)
	return h
}

// open adds a sale to the record before it is asked for.
func (r *receiver) open(s *sale) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.sales[s.number] = s
}

// seen is how many notifications have arrived.
func (r *receiver) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.record.arrivals)
}

// givenUp is how many requests of a life, which goes on, have not waited longer
// for a hanging endpoint.
func (r *receiver) givenUp(l *life) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gaveUp[l.n]
}

// judged calls f with the record while nothing arrives.
func (r *receiver) judged(f func(*history)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.record)
}

func (r *receiver) serve(e *endpoint, w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodGet {
		return // ours: see nextLife
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.broken++
		return
	}
	r.mu.Lock()
	to := r.hooks[e.base+req.RequestURI]
	r.mu.Unlock()
	if to == nil {
		to = &hook{at: e, url: e.base + req.RequestURI}
	}
	a := read(to, req, body)
	a.life, _ = req.Context().Value(lifeKey{}).(int)
	fresh, h, pause := r.write(&a)
	defer r.enter(e, &a)()
	if h != nil {
		h.caught <- a
		select {
		case <-h.answer:
		case <-r.t.Context().Done():
		}
	}
	if a.status == noAnswer {
		r.hang(req.Context(), a.life)
		return
	}
	if fresh {
		if t := r.trap.Swap(nil); t != nil {
			t.spring(w, a)
			return
		}
	}
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
		}
	}
	w.WriteHeader(a.status)
}

// enter notes a request as being served, and what it overlaps with; leave undoes that.
func (r *receiver) enter(e *endpoint, a *arrival) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.serving[e]
	if at == nil {
		at = map[int]int{}
		r.serving[e] = at
	}
	for other, n := range at {
		if other != a.life && n > 0 && len(r.overlaps) < mostReports {
			r.overlaps = append(r.overlaps, fmt.Sprintf("%.3f s: life %d and life %d at %s", a.at.Seconds(), other, a.life, e.name))
		}
	}
	if r.lanes[a.lane()] > 0 && len(r.overlaps) < mostReports {
		r.overlaps = append(r.overlaps, fmt.Sprintf("%.3f s: two requests for invoice %s at %s", a.at.Seconds(), a.invoiceID, a.hook.url))
	}
	at[a.life]++
	r.lanes[a.lane()]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		at[a.life]--
		if r.lanes[a.lane()]--; r.lanes[a.lane()] == 0 {
			delete(r.lanes, a.lane())
		}
	}
}

// hang keeps a request without an answer. When it returns, a 200 goes out: too
// late for anybody. Recovery is that of a program that is started again: the
// connections of the one before are gone.
func (r *receiver) hang(ctx context.Context, life int) {
	select {
	case <-ctx.Done():
	case <-r.sick.Done():
		panic(http.ErrAbortHandler)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaveUp[life]++
}

// spring kills the server from inside the request that it waits for.
func (t *trap) spring(w http.ResponseWriter, a arrival) {
	if t.answerFirst {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // whether it got through is what the test is about
		t.kill(a.life)
	} else {
		t.kill(a.life)
		w.WriteHeader(http.StatusOK)
	}
	t.sprung <- delivery{a.hook, a.id}
}

// write puts an arrival into the record and decides how to answer. Who is well
// says 200, nearly always at once; now and then slowly, so that kills find
// requests in flight; now and then 503 to what is new, so that kills find
// retries, too.
func (r *receiver) write(a *arrival) (fresh bool, h *held, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.at = r.since()
	if first, known := r.bodies[a.id]; known && first == a.body {
		a.body = first // kept once
	} else if !known {
		r.bodies[a.id] = a.body
	}
	d := delivery{a.hook, a.id}
	known := r.known[d]
	a.status = http.StatusOK
	switch {
	case r.sick.Err() == nil && a.hook.at.health == failing:
		a.status = http.StatusInternalServerError
	case r.sick.Err() == nil && a.hook.at.health == hanging:
		a.status = noAnswer
	case r.held.Load().catches(a, known):
		h = r.held.Swap(nil)
		if a.status = h.status; a.status == http.StatusOK {
			r.accepted++
		}
	case !known && r.random.IntN(400) == 0:
		a.status = http.StatusServiceUnavailable
	default:
		r.accepted++
	}
	if a.hook.at.health == slow {
		pause = slowAnswer
	} else if r.random.IntN(10) == 0 {
		pause = time.Duration(1+r.random.IntN(30)) * time.Millisecond
	}
	r.known[d] = true
	r.record.arrivals = append(r.record.arrivals, *a)
	return !known && a.status == http.StatusOK && a.distrust == "", h, pause
}

// read takes a notification apart and verifies it.
func read(h *hook, req *http.Request, body []byte) arrival {
	a := arrival{hook: h, body: string(body), late: req.Header.Get("Paybell-Out-Of-Order") != ""}
	var n struct {
		ID, Type  string
		Timestamp time.Time
		Invoice   struct {
			ID, InvoiceID, State, MerchantClientID string
			CustomData                             struct{ Sale string }
			Paybell                                struct{ Version int }
		}
	}
	if err := json.Unmarshal(body, &n); err != nil {
		a.distrust = err.Error()
		return a
	}
	a.id, a.kind, a.made, a.state, a.version = n.ID, n.Type, n.Timestamp, n.Invoice.State, n.Invoice.Paybell.Version
	a.invoiceID, a.number, a.echo = n.Invoice.ID, n.Invoice.InvoiceID, n.Invoice.CustomData.Sale
	var err error
	a.epoch, a.n, err = readSequence(req.Header.Get("Paybell-Sequence"))
	switch {
	case h.owner == nil:
		err = errors.New("no webhook was registered here")
	case err != nil:
	case strings.ReplaceAll(n.Invoice.MerchantClientID, "-", "") != h.owner.clientID:
		err = fmt.Errorf("it is of client %s", n.Invoice.MerchantClientID)
	default:
		err = verify(h, req, body, n.ID)
	}
	if err != nil {
		a.distrust = err.Error()
	}
	return a
}

// readSequence reads <epoch>.<n>.
func readSequence(s string) (epoch, n int64, err error) {
	before, after, _ := strings.Cut(s, ".")
	if epoch, err = strconv.ParseInt(before, 10, 64); err == nil {
		n, err = strconv.ParseInt(after, 10, 64)
	}
	if err != nil || n < 1 {
		return 0, 0, fmt.Errorf("the sequence is %q", s)
	}
	return epoch, n, nil
}

// verify checks both signatures of a notification, after the contract, section
// 1.3, and the specification of Standard Webhooks.
func verify(h *hook, req *http.Request, body []byte, id string) error {
	stamp, unix := req.Header.Get("X-CoinPayments-Timestamp"), req.Header.Get("webhook-timestamp")
	at, err := time.Parse("2006-01-02T15:04:05", stamp)
	if err != nil {
		return err
	}
	standardAt, err := strconv.ParseInt(unix, 10, 64)
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(h.owner.secret)
	if err != nil {
		return err
	}
	got := req.Header.Get("X-CoinPayments-Signature")
	standard := req.Header.Get("webhook-signature")
	switch {
	case req.Method != http.MethodPost:
		return errors.New("it is a " + req.Method)
	case req.Header.Get("X-CoinPayments-Client") != h.owner.clientID:
		return errors.New("the header names another client")
	case time.Since(at).Abs() > 300*time.Second || time.Since(time.Unix(standardAt, 0)).Abs() > 300*time.Second:
		return fmt.Errorf("it was signed at %s and %s", stamp, unix)
	case got != sign([]byte(h.owner.secret), "\xEF\xBB\xBFPOST", h.url, h.owner.clientID, stamp, string(body)):
		return errors.New("the CoinPayments signature does not match")
	case req.Header.Get("webhook-id") != id:
		return fmt.Errorf("the webhook-id is %q", req.Header.Get("webhook-id"))
	case standard != "v1,"+sign(key, id, ".", unix, ".", string(body)):
		return errors.New("the Standard Webhooks signature does not match")
	}
	return nil
}

// sign is the base64 of HMAC-SHA256 over the parts.
func sign(key []byte, parts ...string) string {
	mac := hmac.New(sha256.New, key)
	for _, p := range parts {
		mac.Write([]byte(p))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
