package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// How a bell answers, beside any HTTP status.
const (
	statusNoContent = http.StatusNoContent
	statusHang      = -1 // until it is told to answer otherwise
	statusDown      = 0  // nobody listens
)

// quietTime is how long quiet listens.
const quietTime = 300 * time.Millisecond

// bell is a shop's server that is rung. It is written from the contract and
// shares no code with the sender.
type bell struct {
	name, addr string
	first      int64 // number that the first notification must have; 0: numbers are not looked at
	secrets    *clientSecrets
	crashed    *atomic.Bool // the server was; only then may a notification come again

	mu      sync.Mutex
	status  int
	release chan struct{} // closed when the status changes
	server  *http.Server  // nil while down
	rung    []ring        // first arrivals that were accepted, in order
	asked   int           // of rung, by `rings`
	refused int
	known   map[string]ring // by id, accepted or not
	versions,
	numbers map[string]int64 // the last: version by path and invoice, number by path
	trouble []string
}

// ring is one notification.
type ring struct {
	ID, Type string
	Invoice  struct {
		ID, State string
		Paybell   struct {
			Version int64
			Flags   []string
		}
	}

	path     string
	sequence string
	number   int64
	body     []byte
}

// what is how scripts write a ring.
func (r ring) what() string {
	s := r.Type + "/" + r.Invoice.State
	if flags := r.Invoice.Paybell.Flags; len(flags) > 0 {
		s += "[" + strings.Join(flags, ",") + "]"
	}
	return s
}

// receiver starts a bell.
func (w *world) receiver(ts *testscript.TestScript, args []string) {
	name := args[0]
	b := &bell{
		name: name, addr: freeAddress(), first: 1, secrets: &w.secrets, crashed: &w.crashed, release: make(chan struct{}),
		known: map[string]ring{}, versions: map[string]int64{}, numbers: map[string]int64{},
	}
	if len(args) > 1 {
		var err error
		b.first, err = strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
	}
	ts.Check(b.set(statusNoContent))
	w.bells[name] = b
	ts.Setenv(name, "http://"+b.addr+"/"+name)
}

func (w *world) bell(ts *testscript.TestScript, name string) *bell {
	b := w.bells[name]
	if b == nil {
		ts.Fatalf("there is no receiver %s", name)
	}
	return b
}

// answers changes how a bell answers.
func (w *world) answers(ts *testscript.TestScript, args []string) {
	status := map[string]int{"hang": statusHang, "down": statusDown}[args[1]]
	if status == 0 && args[1] != "down" {
		var err error
		status, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	ts.Check(w.bell(ts, args[0]).set(status))
}

// set changes the status, and lets go whoever hangs.
func (b *bell) set(status int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
	close(b.release)
	b.release = make(chan struct{})
	switch {
	case status == statusDown && b.server != nil:
		server := b.server
		b.server = nil
		return server.Close()
	case status != statusDown && b.server == nil:
		listener, err := net.Listen("tcp", b.addr)
		if err != nil {
			return err
		}
		b.server = &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
		go func(s *http.Server) { _ = s.Serve(listener) }(b.server)
	}
	return nil
}

func (b *bell) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	r, err := b.read(req)
	if err != nil {
		b.complain(err)
		http.Error(rw, err.Error(), http.StatusUnauthorized)
		return
	}
	status, release := b.note(r)
	if status == statusHang {
		select {
		case <-release:
		case <-req.Context().Done():
		}
		status = http.StatusServiceUnavailable
	}
	rw.WriteHeader(max(status, http.StatusOK))
}

func (b *bell) complain(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = append(b.trouble, err.Error())
}

// read verifies and reads one notification.
func (b *bell) read(req *http.Request) (ring, error) {
	r := ring{path: req.URL.Path, sequence: req.Header.Get("Paybell-Sequence")}
	var err error
	if r.body, err = io.ReadAll(req.Body); err != nil {
		return r, err
	}
	client := req.Header.Get("X-CoinPayments-Client")
	secret := b.secrets.of(client)
	if req.Method != http.MethodPost || secret == "" {
		return r, fmt.Errorf("a %s by client %q is no notification", req.Method, client)
	}
	if err := verifyCoinPayments(secret, "http://"+b.addr+req.RequestURI, client, req.Header, r.body); err != nil {
		return r, err
	}
	if err := verifyStandardWebhooks(secret, req.Header, r.body); err != nil {
		return r, err
	}
	if err := json.Unmarshal(r.body, &r); err != nil {
		return r, err
	}
	if r.ID == "" || r.ID != req.Header.Get("webhook-id") {
		return r, fmt.Errorf("the body's id is %q, the webhook-id %q", r.ID, req.Header.Get("webhook-id"))
	}
	if req.Header.Get("Paybell-Out-Of-Order") != "" {
		return r, errors.New("it says to be out of order")
	}
	_, n, _ := strings.Cut(r.sequence, ".")
	r.number, err = strconv.ParseInt(n, 10, 64)
	return r, err
}

// verifyCoinPayments is the contract's section 1.3.
func verifyCoinPayments(secret, url, client string, h http.Header, body []byte) error {
	timestamp := h.Get("X-CoinPayments-Timestamp")
	at, err := time.Parse("2006-01-02T15:04:05", timestamp)
	if err != nil {
		return err
	}
	if age := time.Since(at).Abs(); age > 300*time.Second {
		return fmt.Errorf("it was signed %v ago", age)
	}
	if want := coinPaymentsSignature(secret, http.MethodPost, url, client, timestamp, body); h.Get("X-CoinPayments-Signature") != want {
		return fmt.Errorf("the CoinPayments signature for %s is wrong", url)
	}
	return nil
}

// verifyStandardWebhooks is the specification of standardwebhooks.com.
func verifyStandardWebhooks(secret string, h http.Header, body []byte) error {
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		return err
	}
	if age := time.Since(time.Unix(at, 0)).Abs(); age > 300*time.Second {
		return fmt.Errorf("it was signed %v ago", age)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	if !slices.Contains(strings.Fields(h.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))) {
		return errors.New("the Standard Webhooks signature is wrong")
	}
	return nil
}

// note decides how a notification is answered, and remembers it.
func (b *bell) note(r ring) (status int, release <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := r.path + " " + r.ID
	before, again := b.known[id]
	if again && (before.sequence != r.sequence || !bytes.Equal(before.body, r.body)) {
		b.trouble = append(b.trouble, fmt.Sprintf("%s came as %s and again as %s with other bytes or another number", r.ID, before.sequence, r.sequence))
	}
	b.known[id] = r
	if b.status < 200 || b.status > 299 {
		b.refused++
		return b.status, b.release
	}
	if slices.ContainsFunc(b.rung, func(old ring) bool { return old.path == r.path && old.ID == r.ID }) {
		if !b.crashed.Load() {
			b.trouble = append(b.trouble, fmt.Sprintf("%s came again although it was accepted", r.what()))
		}
		return b.status, nil
	}
	b.judge(r)
	b.rung = append(b.rung, r)
	return b.status, nil
}

// judge looks at the order of first arrivals. The scripts ask for one thing
// after the other, so the numbers of a webhook come in order, too.
func (b *bell) judge(r ring) {
	last, known := b.numbers[r.path]
	if !known {
		last = b.first - 1
	}
	if b.first > 0 && r.number != last+1 {
		b.trouble = append(b.trouble, fmt.Sprintf("%s has number %s after %d", r.what(), r.sequence, last))
	}
	b.numbers[r.path] = r.number
	of := r.path + " " + r.Invoice.ID
	if v := r.Invoice.Paybell.Version; v <= b.versions[of] {
		b.trouble = append(b.trouble, fmt.Sprintf("%s has version %d after %d", r.what(), v, b.versions[of]))
	}
	b.versions[of] = r.Invoice.Paybell.Version
}

func (b *bell) troubles() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.trouble)
}

// left is what has come and was not asked for, as scripts write it.
func (b *bell) left() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return whats(b.rung[b.asked:])
}

func whats(rings []ring) []string {
	var all []string
	for _, r := range rings {
		all = append(all, r.what())
	}
	return all
}

// take is n rings that have come and were not asked for before.
func (b *bell) take(n int) []ring {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rung)-b.asked < n {
		return nil
	}
	b.asked += n
	return b.rung[b.asked-n : b.asked]
}

// refused waits until a bell has refused so many requests.
func (w *world) refused(ts *testscript.TestScript, args []string) {
	b := w.bell(ts, args[0])
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if !poll(func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.refused >= n }) {
		ts.Fatalf("%s has not refused %d requests", b.name, n)
	}
}

var everyEvent = []string{
	"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled", "invoiceTimedOut",
	"paymentCreated", "paymentTimedOut", "invoiceReverted", "invoiceFlagged",
}

// webhook registers a bell.
func (w *world) webhook(ts *testscript.TestScript, args []string) {
	events := args[1:]
	if len(events) == 0 {
		events = everyEvent
	}
	body, err := json.Marshal(map[string]any{"notificationsUrl": ts.Getenv(args[0]), "notifications": events})
	ts.Check(err)
	answer := w.exchange(ts, "200", call{method: "POST", path: "/api/v1/merchant/clients/" + ts.Getenv("CLIENT") + "/webhooks", body: body})
	ts.Setenv(args[0]+"_WEBHOOK", find(ts, answer, "id"))
}

// rings waits for what is to come next, and compares it.
func (w *world) rings(ts *testscript.TestScript, args []string) {
	b, want := w.bell(ts, args[0]), args[1:]
	var got []ring
	poll(func() bool {
		got = b.take(len(want))
		return got != nil || len(b.troubles()) > 0 || b.wrong(want)
	})
	for _, trouble := range b.troubles() {
		ts.Fatalf("%s: %s", b.name, trouble)
	}
	if !slices.Equal(whats(got), want) {
		ts.Fatalf("%s got %v, not %v", b.name, append(whats(got), b.left()...), want)
	}
	for _, r := range got {
		_, _ = fmt.Fprintf(ts.Stdout(), "%s %s v%d %s %s\n", r.what(), r.sequence, r.Invoice.Paybell.Version, r.Invoice.ID, r.ID)
	}
}

// wrong tells whether what has come is another thing already: no use to wait.
func (b *bell) wrong(want []string) bool {
	left := b.left()
	return len(left) <= len(want) && !slices.Equal(left, want[:len(left)])
}

// quiet listens.
func (w *world) quiet(ts *testscript.TestScript, args []string) {
	b := w.bell(ts, args[0])
	if pollFor(quietTime, func() bool { return len(b.left()) > 0 }) {
		ts.Fatalf("%s got %v", b.name, b.left())
	}
}
