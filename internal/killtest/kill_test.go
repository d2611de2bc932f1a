package killtest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedFlag     = flag.Uint64("seed", 0, "seed of all choices; 0 takes a new one")
	killsFlag    = flag.Int("kills", 25, "how many times the server is killed with requests in flight")
	invoicesFlag = flag.Int("invoices", 2000, "how many acknowledged invoices there are at least")
)

// everything is all event types that the shops may cause, as they are
// subscribed to.
var everything = []string{
	"invoiceCreated", "invoicePending", "invoicePaid", "invoiceCompleted", "invoiceCancelled", "invoiceTimedOut",
	"paymentCreated", "paymentTimedOut", "invoiceReverted", "invoiceFlagged",
}

const (
	workers     = 8                      // that sell
	mineEvery   = 150 * time.Millisecond // of each shop's ledger
	perInvoice  = 3                      // requests, on average
	timeLimit   = 3 * time.Minute        // of the whole, for the default flags; it takes one on an idle machine
	giveUp      = 15 * time.Second       // how long the sender waits for an answer
	pauses      = 32                     // a retry schedule has at most
	quietAfter  = 1500 * time.Millisecond
	mostReports = 20
)

// run is the test while it runs.
type run struct {
	t      *testing.T
	ctx    context.Context
	fail   context.CancelCauseFunc
	random *rand.Rand // of the reaper

	limit                   time.Duration
	wantInvoices, wantKills int64
	up                      func() []span                        // when healthy webhooks can have what is due
	excused                 func(at time.Time, line string) bool // lines in the logs of the servers
	others                  []*server                            // beside the one that answers

	server *server
	recv   *receiver
	shops  []*shop

	acknowledged atomic.Int64 // invoices
	kills        atomic.Int64 // that cut off at least one request
	idle         int          // kills that found no request in flight
	early        int          // kills before the server was ready
	cut          int          // requests whose answer was lost
	traps        []sprung
}

// sprung is a kill between a POST and its record.
type sprung struct {
	delivery
	answered bool // the answer was on the wire before the kill
}

func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	began := time.Now()
	t.Logf("seed %d: go test ./internal/killtest -run 'TestKills$' -seed %d -kills %d -invoices %d", seed, seed, *killsFlag, *invoicesFlag)
	r := newRun(t, seed, *killsFlag, *invoicesFlag)
	r.server = newServer(t, build(t), r.random, r.fail)
	r.server.beforeStart = r.recv.nextLife
	r.up = func() []span { return r.server.up(r.recv.record.began) }
	r.recv.sender = func(net.Conn) int { return int(r.recv.life.Load()) }
	r.open()

	var sellers, others sync.WaitGroup
	for i := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(100+i)))
		s := r.shops[i%len(r.shops)]
		sellers.Go(func() { r.sell(s, random) })
	}
	selling, stop := context.WithCancel(r.ctx)
	for _, s := range r.shops {
		others.Go(func() { r.mine(selling, s) })
	}
	r.reap()
	sellers.Wait()
	stop()
	others.Wait()
	if r.stopped() {
		return
	}
	sold := time.Since(began)
	r.drain()
	drained := time.Since(began)
	r.judge()
	r.again()
	t.Logf("built and sold in %.1f s, drained in %.1f s, all in %.1f s", sold.Seconds(), (drained - sold).Seconds(), time.Since(began).Seconds())
}

func newRun(t *testing.T, seed uint64, kills, invoices int) *run {
	t.Helper()
	scale := max(1, float64(kills)/25, float64(invoices)/2000)
	limit := time.Duration(scale * float64(timeLimit))
	limited, stop := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("it took longer than %v", limit))
	ctx, fail := context.WithCancelCause(limited)
	t.Cleanup(func() { fail(nil); stop() })
	return &run{
		t: t, ctx: ctx, fail: fail, random: rand.New(rand.NewPCG(seed, 1)), limit: limit, wantKills: int64(kills), wantInvoices: int64(invoices),
		recv: newReceiver(t, rand.New(rand.NewPCG(seed, 2))),
	}
}

// must ends the test at the first thing that cannot be.
func (r *run) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// stopped reports whether somebody else has ended the test, and says why.
func (r *run) stopped() bool {
	r.t.Helper()
	if r.ctx.Err() == nil {
		return false
	}
	r.t.Error(context.Cause(r.ctx))
	return true
}

// open starts the server and makes two merchants beside it. Each has healthy
// endpoints of its own, and both have webhooks at those that are sick.
func (r *run) open() {
	r.t.Helper()
	cafe, money, books := r.recv.listen("cafe", healthy), r.recv.listen("money", healthy), r.recv.listen("books", healthy)
	fails, hangs := r.recv.listen("failing", failing), r.recv.listen("hanging", hanging)
	r.begin()
	r.register(cafe)
	r.register(books)
	for _, s := range r.shops {
		r.webhook(s, fails, "/"+s.name, everything)
		r.webhook(s, hangs, "/"+s.name, everything)
	}
	r.webhook(r.shops[0], cafe, "/all", everything)
	r.webhook(r.shops[0], cafe, "/copy?of=all&x=%C3%A9", everything)
	r.webhook(r.shops[0], money, "/", []string{"invoicePaid", "invoiceCompleted"})
	r.webhook(r.shops[1], books, "/all", everything)
}

// begin starts the server for the first time.
func (r *run) begin() {
	r.t.Helper()
	l, err := r.server.start()
	r.must(err)
	r.must(r.server.ready(r.ctx, l))
}

// register makes a merchant with a shop that has its own server at home.
func (r *run) register(home *endpoint) {
	r.t.Helper()
	web := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * workers}}
	name := home.name
	var merchant struct{ ID string }
	r.command(&merchant, "merchant", "create", "--name", name, "--json")
	var client struct{ ClientID, ClientSecret string }
	r.command(&client, "client", "create", "--merchant", merchant.ID, "--name", name, "--url", "https://"+name+".example", "--json")
	r.shops = append(r.shops, &shop{
		account: account{client.ClientID, client.ClientSecret}, name: name, home: home, server: r.server, recv: r.recv, web: web,
		acknowledged: &r.acknowledged,
	})
}

func (r *run) command(into any, args ...string) {
	r.t.Helper()
	out, err := r.server.run(r.ctx, args...)
	r.must(err)
	r.must(json.Unmarshal(out, into))
}

// schedule is the pauses before the retries of who is sick, in seconds: as short
// as they may be and yet not over before the test is.
func (r *run) schedule() []int {
	return slices.Repeat([]int{int(r.limit/time.Second)/pauses + 1}, pauses)
}

// stallLimit is how long nothing may be accepted with something missing: one
// attempt that is given up, the longest pause with its jitter, and some more.
func (r *run) stallLimit() time.Duration {
	pause := max(6*time.Second, time.Duration(r.schedule()[0])*time.Second*6/5)
	return giveUp + pause + 10*time.Second
}

func (r *run) webhook(s *shop, e *endpoint, path string, events []string) {
	r.t.Helper()
	var wants []string
	if len(events) < len(everything) {
		for _, e := range events {
			wants = append(wants, strings.ToUpper(e[:1])+e[1:])
		}
	}
	h := r.recv.expect(e, path, &s.account, "", wants...)
	in := map[string]any{"notificationsUrl": h.url, "notifications": events}
	if e.health != healthy {
		in["retrySchedule"] = r.schedule()
	}
	body, _ := json.Marshal(in)
	_, err := s.call(r.ctx, http.MethodPost, "/api/v1/merchant/clients/"+s.clientID+"/webhooks", string(body), nil)
	r.must(err)
}

// sell goes on until there were enough invoices and enough kills.
func (r *run) sell(s *shop, random *rand.Rand) {
	for r.acknowledged.Load() < r.wantInvoices || r.kills.Load() < r.wantKills {
		if err := s.sell(r.ctx, random); err != nil {
			r.fail(err)
			return
		}
	}
}

// mine adds a block to the shop's ledger now and then, until ctx ends.
func (r *run) mine(ctx context.Context, s *shop) {
	ticker := time.NewTicker(mineEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := s.mine(ctx, 1); err != nil && ctx.Err() == nil {
			r.fail(err)
			return
		}
	}
}

// reap kills the server until it was killed often enough.
func (r *run) reap() {
	for r.kills.Load() < r.wantKills && r.ctx.Err() == nil {
		if err := r.reapOnce(); err != nil {
			r.fail(err)
			return
		}
	}
}

// reapOnce lets the present life answer a random number of requests, kills it at
// a random moment after that, and starts the next.
func (r *run) reapOnce() error {
	l := r.server.life
	quota := 1 + r.random.Int64N(2*perInvoice*max(1, r.wantInvoices/r.wantKills))
	for l.answered.Load() < quota {
		if err := pause(r.ctx, time.Millisecond); err != nil {
			return err
		}
	}
	if err := pause(r.ctx, time.Duration(r.random.Int64N(int64(25*time.Millisecond)))); err != nil {
		return err
	}
	certain := slices.ContainsFunc(r.traps, func(s sprung) bool { return !s.answered })
	lastChance := !certain && r.kills.Load() == r.wantKills-1
	if r.random.IntN(3) > 0 && !lastChance {
		r.server.kill(l)
	} else if err := r.killBeforeRecord(l, r.random.IntN(2) == 0 && !lastChance); err != nil {
		return err
	}
	cut, err := r.server.landed(r.ctx, l)
	if err != nil {
		return err
	}
	if r.cut += cut; cut > 0 {
		r.kills.Add(1)
	} else {
		r.idle++
	}
	return r.restart()
}

// killBeforeRecord kills the server while it waits for the answer to a POST, so
// that it cannot have recorded it, or when the answer has just gone out.
func (r *run) killBeforeRecord(l *life, answerFirst bool) error {
	t := &trap{answerFirst: answerFirst, kill: func(int) { r.server.kill(l) }, sprung: make(chan delivery, 1)}
	r.recv.trap.Store(t)
	select {
	case d := <-t.sprung:
		r.traps = append(r.traps, sprung{d, t.answerFirst})
		return nil
	case <-time.After(15 * time.Second):
		return fmt.Errorf("no new notification came for 15 s, with shops selling")
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// restart starts the next life. One in six is killed before it is ready.
func (r *run) restart() error {
	l, err := r.server.start()
	if err != nil {
		return err
	}
	if r.random.IntN(6) == 0 {
		if err := pause(r.ctx, time.Duration(r.random.Int64N(int64(120*time.Millisecond)))); err != nil {
			return err
		}
		r.server.kill(l)
		r.early++
		if l, err = r.server.start(); err != nil {
			return err
		}
	}
	return r.server.ready(r.ctx, l)
}

// drain confirms what was paid, waits until the healthy have all of it while the
// sick are sick, lets these recover, and waits until they have it too. They do
// not recover before the sender has given up an attempt: no life before the last
// is long enough for that.
func (r *run) drain() {
	r.t.Helper()
	for _, s := range r.shops {
		r.must(s.mine(r.ctx, 3))
	}
	r.settle((*history).healthy)
	for began := time.Now(); r.gaveUp() == 0; r.must(pause(r.ctx, 100*time.Millisecond)) {
		if time.Since(began) > giveUp+10*time.Second {
			r.t.Fatalf("the sender waits for a hanging endpoint for longer than %v", giveUp)
		}
	}
	r.recv.recover()
	r.settle(func(h *history) []*hook { return h.hooks })
}

// gaveUp counts requests to hanging endpoints that their senders, who go on, do not
// wait for any longer.
func (r *run) gaveUp() (n int) {
	for _, s := range append(r.others, r.server) {
		n += r.recv.givenUp(s.life)
	}
	return n
}

// settle waits until nothing is missing at some webhooks and nothing more is
// accepted by any.
func (r *run) settle(of func(*history) []*hook) {
	r.t.Helper()
	var missing, wrong []complaint
	accepted, at := 0, time.Now()
	for time.Since(at) < r.stallLimit() && pause(r.ctx, 250*time.Millisecond) == nil {
		before := accepted
		r.recv.judged(func(*history) { accepted = r.recv.accepted })
		if accepted != before {
			at = time.Now()
		}
		if time.Since(at) < quietAfter {
			continue
		}
		r.look()
		if r.recv.judged(func(h *history) { missing = h.missing(of(h)) }); len(missing) == 0 {
			return
		}
	}
	r.recv.judged(func(h *history) { wrong = h.wrong() })
	r.report(missing)
	r.report(wrong)
	r.t.Fatalf("nothing was accepted for %v, or the time is over: %v", time.Since(at), context.Cause(r.ctx))
}

// look reads from the API what is stored.
func (r *run) look() {
	r.t.Helper()
	all := map[string]stored{}
	for _, s := range r.shops {
		r.must(s.list(r.ctx, all))
	}
	r.recv.judged(func(h *history) { h.stored, h.up = all, r.up() })
}

// judge holds everything against everything, and asks whether the test saw what it is
// for.
func (r *run) judge() {
	r.t.Helper()
	held := r.verdict()
	for _, s := range r.traps {
		if !s.answered && held.came[s.delivery] < 2 {
			r.t.Errorf("the server was killed before %s was answered, and it did not come again", s.id)
		}
	}
	if n := r.acknowledged.Load(); n < r.wantInvoices {
		r.t.Errorf("%d invoices were acknowledged, not %d", n, r.wantInvoices)
	}
	if n := r.kills.Load(); n < r.wantKills {
		r.t.Errorf("%d kills had requests in flight, not %d", n, r.wantKills)
	}
	r.sum(held)
}

// verdict holds everything against everything.
func (r *run) verdict() (held *judge) {
	r.t.Helper()
	r.recv.judged(func(h *history) { held = h.held() })
	r.report(held.out)
	for _, s := range append(r.others, r.server) {
		for i, line := range s.complaints(r.excused) {
			if i < mostReports {
				r.t.Errorf("%s: %s", filepath.Base(s.log.Name()), line)
			}
		}
	}
	return held
}

// sum says what the test saw, and complains if that was not enough.
func (r *run) sum(held *judge) {
	r.t.Helper()
	again, notifications, arrivals, duplicates := 0, 0, 0, 0
	var each []string
	for _, s := range r.traps {
		if held.came[s.delivery] > 1 {
			again++
		}
	}
	for _, s := range held.stored {
		notifications += s.version
	}
	for _, e := range r.recv.endpoints {
		n := held.tallies[e]
		arrivals, duplicates = arrivals+n.arrivals, duplicates+n.duplicates
		each = append(each, fmt.Sprintf("%s %d", e.name, n.arrivals))
		r.t.Logf("%-7s %d arrivals of %d deliveries, %d not accepted, %d duplicates; the longest that one waited with the server up: %v",
			e.name, n.arrivals, n.deliveries, n.refused, n.duplicates, n.waited.Round(time.Millisecond))
		if e.health != healthy && n.refused == 0 {
			r.t.Errorf("nothing arrived at %s while it was sick: the test did not see what it is for", e.name)
		}
	}
	var starts []time.Duration // until ready
	for _, l := range r.server.lives {
		if !l.readyAt.IsZero() {
			starts = append(starts, l.readyAt.Sub(l.started))
		}
	}
	slices.Sort(starts)
	if len(starts) == 0 {
		starts = []time.Duration{0}
	}
	r.t.Logf("%d answers lost to kills; %d more kills with no request in flight, %d before ready; %d kills forced between a POST and its record, "+
		"%d came again; %d requests cut off; restart to ready p50 %v, max %v", r.cut, r.idle, r.early, len(r.traps), again, r.recv.broken,
		starts[len(starts)/2].Round(time.Millisecond), starts[len(starts)-1].Round(time.Millisecond))
	r.t.Logf("%d kills, %d invoices acknowledged, %d notifications committed, %d arrivals (%s), %d duplicates",
		r.kills.Load(), r.acknowledged.Load(), notifications, arrivals, strings.Join(each, ", "), duplicates)
	if again == 0 {
		r.t.Error("no kill fell between a POST and its record: the test did not see what it is for")
	}
	if duplicates == 0 {
		r.t.Error("nothing arrived twice: the test did not see what it is for")
	}
}

// report says complaints, most of them.
func (r *run) report(all []complaint) {
	r.t.Helper()
	r.recv.judged(func(h *history) {
		for _, c := range all[:min(len(all), mostReports)] {
			r.t.Error(h.tell(c))
		}
	})
	if len(all) > mostReports {
		r.t.Errorf("and %d more", len(all)-mostReports)
	}
}

// again stops the server as an operator would and starts it once more: what was
// delivered must have been recorded, so that nothing comes again.
func (r *run) again() {
	r.t.Helper()
	before := r.recv.seen()
	r.must(r.server.stop(r.server.life))
	l, err := r.server.start()
	r.must(err)
	r.must(r.server.ready(r.ctx, l))
	r.must(pause(r.ctx, quietAfter))
	r.must(r.server.stop(l))
	if n := r.recv.seen() - before; n > 0 {
		r.t.Errorf("%d notifications came again after a restart, although they had been delivered", n)
	}
}
