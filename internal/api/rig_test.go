package api_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/deliver"
	"github.com/paybell/paybell/internal/loop"
	"github.com/paybell/paybell/internal/store"
	"github.com/paybell/paybell/internal/watch"
)

// rig is a cell that sends: a real dispatcher and a real resender bring what is
// told to a storefront. Time is virtual.
type rig struct {
	*cell
	shopfront *storefront
	stop      func() // ends what runs; does nothing twice
}

// inRig runs a test in a rig. Nothing runs before run is called.
func inRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	inCell(t, func(c *cell) {
		r := newRig(c)
		defer func() { r.stop() }()
		test(r)
	})
}

func newRig(c *cell) *rig {
	r := &rig{cell: c, shopfront: &storefront{}, stop: func() {}}
	r.wire()
	return r
}

// wire gives the desk a dispatcher that does not run: it can try webhooks.
func (r *rig) wire() *deliver.Dispatcher {
	d := deliver.New(r.db, r.shopfront, r.api.Log)
	d.Alone = true
	r.desk.Wire = d
	return d
}

// resender is one that remembers nothing. It looks once an hour by itself.
func (r *rig) resender() *deliver.Resender { return &deliver.Resender{DB: r.db, Every: time.Hour} }

// run starts a dispatcher, as a server does.
func (r *rig) run() {
	d := r.wire()
	r.db.OnCommit(d.Offer)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx) })
	r.stop = func() { cancel(); wg.Wait() }
	synctest.Wait()
}

// runAll starts a resender, too, which looks every second.
func (r *rig) runAll() {
	r.run()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	l := loop.New("resend", &deliver.Resender{DB: r.db, Every: time.Second}, slog.New(slog.DiscardHandler))
	wg.Go(func() { l.Run(ctx) })
	stop := r.stop
	r.stop = func() { cancel(); wg.Wait(); stop() }
}

// step lets a resender do one step.
func (r *rig) step() {
	r.Helper()
	_, err := r.resender().Step(r.Context())
	must(r.T, err)
}

// hookAt makes a webhook; more are keys of its body.
func (r *rig) hookAt(url, events, more string) string {
	r.Helper()
	body := `{"notificationsUrl":"` + url + `","notifications":"` + events + `"` + more + `}`
	return get(r.bench, r.ok(200, r.call(r.shop, "POST", hooksPath(r.shop), body)), "id").(string)
}

const (
	every  = "invoiceCreated,invoicePending,invoicePaid,invoiceCompleted,invoiceCancelled,paymentCreated,webhookDisabled"
	theURL = "https://shop.example/all?x=%20"
)

// status is what the API says of a webhook.
func (r *rig) status(hook string) any {
	r.Helper()
	return r.ok(200, r.call(r.shop, "GET", hooksPath(r.shop)+"/"+hook, ""))
}

func (r *rig) pause(hook string) answer {
	r.Helper()
	a := r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/pause", "")
	r.ok(200, a)
	return a
}

// enable enables a webhook and returns the job.
func (r *rig) enable(hook, body string) any {
	r.Helper()
	return r.ok(200, r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/enable", body))
}

// resend starts a job and returns it.
func (r *rig) resend(hook, body string) any {
	r.Helper()
	return r.ok(202, r.call(r.shop, "POST", hooksPath(r.shop)+"/"+hook+"/resend", body))
}

// job is how a job is now.
func (r *rig) job(id any) any {
	r.Helper()
	return r.ok(200, r.call(r.shop, "GET", resendsPath(r.shop)+"/"+id.(string), ""))
}

// wantJob holds some keys of a job to what they are to be.
func (r *rig) wantJob(job any, what, state, done, total string) {
	r.Helper()
	for key, want := range map[string]string{"what": what, "state": state, "done": done, "total": total} {
		if got := get(r.bench, job, key); want != "" && fmt.Sprint(got) != want {
			r.Errorf("the job's %s is %v, want %s: %v", key, got, want, job)
		}
	}
}

func resendsPath(c client) string { return "/api/v1/merchant/clients/" + c.id + "/resends" }

// cancel ends an invoice, which is told.
func (r *rig) cancel(invoice string) {
	r.Helper()
	r.ok(200, r.call(r.shop, "POST", "/api/v1/merchant/invoices/"+invoice+"/cancel", ""))
}

// pulled is one notification as it is pulled: with its number, and its state.
type pulled struct {
	sequence, state, id, event string
	attempts                   int
	body                       string
}

// pull reads what a webhook is told, through the API.
func (r *rig) pull(hook string) (all []pulled) {
	r.Helper()
	next := hooksPath(r.shop) + "/" + hook + "/notifications?limit=100"
	for {
		var page struct {
			Items []struct {
				Sequence, State string
				Attempts        int
				Notification    json.RawMessage
			}
			Paging struct{ Next *string }
		}
		a := r.call(r.shop, "GET", next, "")
		r.ok(200, a)
		must(r.T, json.Unmarshal(a.body, &page))
		for _, item := range page.Items {
			var n struct{ ID, Type string }
			must(r.T, json.Unmarshal(item.Notification, &n))
			all = append(all, pulled{item.Sequence, item.State, n.ID, n.Type, item.Attempts, string(item.Notification)})
		}
		if page.Paging.Next == nil {
			return all
		}
		next = strings.TrimPrefix(*page.Paging.Next, r.url)
	}
}

// wantStates expects the states of what a webhook is told, in order.
func (r *rig) wantStates(hook string, want ...string) {
	r.Helper()
	var got []string
	for _, n := range r.pull(hook) {
		got = append(got, n.state)
	}
	if g, w := strings.Join(got, " "), strings.Join(want, " "); g != w {
		r.Errorf("the states are %s, want %s", g, w)
	}
}

// story is the whole story of one notification and one webhook.
func (r *rig) story(hook, notification string) any {
	r.Helper()
	return r.ok(200, r.call(r.shop, "GET", hooksPath(r.shop)+"/"+hook+"/notifications/"+notification, ""))
}

// wantStory expects words in what a story says of the match, and of what comes next.
func (r *rig) wantStory(story any, match, next string) {
	r.Helper()
	for key, want := range map[string]string{"match": match, "next": next} {
		if got := get(r.bench, story, key).(string); !strings.Contains(got, want) {
			r.Errorf("%s is %q, want %q in it", key, got, want)
		}
	}
}

// visit is a request as the storefront got it.
type visit struct {
	url, id, event, sequence, invoice string
	outOfOrder, test                  bool
	header                            http.Header
	body                              string
	at                                time.Time
}

// response is what a storefront says; the zero value is 204.
type response struct {
	status     int
	body       string
	retryAfter string
	err        error         // instead of all that
	hold       chan struct{} // nothing is said before it is closed
	took       time.Duration // for each part: the name, connecting, TLS, the answer, its body
}

// storefront is a merchant's server without a network.
type storefront struct {
	mu     sync.Mutex
	got    []visit
	answer func(visit) response
}

func (s *storefront) say(answer func(visit) response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// always answers everything with one status.
func always(status int) func(visit) response {
	return func(visit) response { return response{status: status} }
}

func (s *storefront) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var body struct {
		ID, Type string
		Invoice  struct{ ID string }
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, err
	}
	v := visit{
		url: r.URL.String(), id: body.ID, event: body.Type, sequence: r.Header.Get("Paybell-Sequence"), invoice: body.Invoice.ID,
		outOfOrder: r.Header.Get("Paybell-Out-Of-Order") == "true", test: r.Header.Get("Paybell-Test") == "true", header: r.Header, body: string(raw), at: time.Now(),
	}
	s.mu.Lock()
	s.got = append(s.got, v)
	answer := s.answer
	s.mu.Unlock()
	var says response
	if answer != nil {
		says = answer(v)
	}
	if says.hold != nil {
		select {
		case <-says.hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if says.took > 0 {
		visiting(httptrace.ContextClientTrace(r.Context()), says.took)
	}
	if says.err != nil {
		return nil, says.err
	}
	if says.status == 0 {
		says.status = 204
	}
	header := http.Header{}
	if says.retryAfter != "" {
		header.Set("Retry-After", says.retryAfter)
	}
	return &http.Response{StatusCode: says.status, Body: io.NopCloser(&slowly{strings.NewReader(says.body), says.took}), Header: header, Request: r}, nil
}

// visiting tells a trace of a new connection, each part of which takes a while
// longer than the one before.
func visiting(trace *httptrace.ClientTrace, took time.Duration) {
	trace.DNSStart(httptrace.DNSStartInfo{})
	time.Sleep(took)
	trace.DNSDone(httptrace.DNSDoneInfo{})
	trace.ConnectStart("tcp", "")
	time.Sleep(2 * took)
	trace.ConnectDone("tcp", "", nil)
	trace.TLSHandshakeStart()
	time.Sleep(3 * took)
	trace.TLSHandshakeDone(tls.ConnectionState{}, nil)
	time.Sleep(4 * took)
	trace.GotFirstResponseByte()
}

// slowly is a body that takes a while before its first byte.
type slowly struct {
	io.Reader
	wait time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(s.wait)
	s.wait = 0
	return s.Reader.Read(p)
}

// visits are all requests that came, in order.
func (s *storefront) visits() []visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]visit(nil), s.got...)
}

// forget forgets those that came until now.
func (s *storefront) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = nil
}

// sequences are the numbers of those that came, in order.
func (s *storefront) sequences() string {
	var all []string
	for _, v := range s.visits() {
		all = append(all, v.sequence)
	}
	return strings.Join(all, " ")
}

// wantSigned holds a request to both signatures.
func (r *rig) wantSigned(v visit, secret, url string) {
	r.Helper()
	h := func(name string) string {
		if list := v.header[name]; len(list) == 1 {
			return list[0]
		}
		r.Errorf("the header %s is %q", name, v.header[name])
		return ""
	}
	at := h(paybell.HeaderTimestamp)
	sent, err := paybell.ParseTimestamp(at)
	must(r.T, err)
	if signature := paybell.SignRequest(secret, "POST", url, h(paybell.HeaderClient), at, []byte(v.body)); h(paybell.HeaderSignature) != signature {
		r.Errorf("the signature is %s, want %s", h(paybell.HeaderSignature), signature)
	}
	if signature := paybell.StandardSignature(secret, v.id, sent.Unix(), []byte(v.body)); h("webhook-signature") != signature || h("webhook-id") != v.id {
		r.Errorf("the standard signature of %s is %s, want %s of %s", h("webhook-id"), h("webhook-signature"), signature, v.id)
	}
	if off := v.at.Sub(sent); off < 0 || off > time.Second {
		r.Errorf("it was signed %v before it came", off)
	}
}

// disableEndpoint makes an endpoint one that failed for so long that it was
// disabled.
func (b *bench) disableEndpoint(c client, origin string) {
	b.Helper()
	began := time.Now().Add(-paybell.DisableAfter)
	must(b.T, store.Do(b.Context(), b.db, func(tx *store.Tx) error {
		for n := range 10 {
			d := paybell.Delivery{WebhookID: "none", Number: 1, ClientID: c.id, Origin: origin}
			a := paybell.Attempt{WebhookID: d.WebhookID, Number: d.Number, N: n + 1, StartedAt: began, Status: 500, Failure: "answered 500"}
			if _, err := tx.Record([]store.Result{{Delivery: d.Next(a, paybell.RetrySchedule, 0), Attempt: a}}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	}))
}

// slowChain does something while it is looked at.
type slowChain struct {
	watch.Chain
	meanwhile func()
}

func (c slowChain) Scan(ctx context.Context, from string, watch paybell.Watch) (paybell.Batch, error) {
	c.meanwhile()
	return c.Chain.Scan(ctx, from, watch)
}

// newWatcher is one that looks at the sandbox, and finds other things done
// meanwhile.
func (r *rig) newWatcher(meanwhile func()) *watch.Watcher {
	return &watch.Watcher{DB: r.db, Chain: slowChain{sandbox.New(journal(r.db)), meanwhile}, Every: time.Second}
}

// sentAs is a header by the very name that was sent.
func sentAs(h http.Header, name string) string { return strings.Join(h[name], "") }
