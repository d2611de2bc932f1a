package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybell/paybell"
)

// Processes that share a PostgreSQL tell each other what they have committed, by
// NOTIFY. It is sent on a connection of its own, for many commits at once: in each
// transaction it would make all of them wait for one lock. What is told is a hint
// that saves time, and may be lost: everybody looks by itself now and then.

// Hint is what other processes have committed. The zero Hint: something that
// somebody who looks at it may want to see.
type Hint struct {
	// Everything says that there is more that is fresh than can be told, or that hints
	// were lost.
	Everything bool
	// Chain says that something was done on the sandbox's chain.
	Chain bool
	// Fresh are deliveries that were made.
	Fresh []Fresh
}

// Fresh are deliveries of one webhook that were just made and wait for attempts.
type Fresh struct {
	Endpoint
	WebhookID string
	Numbers   []int64
}

const (
	channel    = "paybell"
	maxPayload = 7700 // bytes, without the beginning and the end: PostgreSQL takes less than 8000
	maxNotices = 4    // that are sent at once
	maxNumbers = 200  // of one webhook in a piece
	maxFresh   = 1000 // deliveries in all that one process tells at once, or holds of what it was told

	// What somebody waits for is told at once when all is quiet, and else after
	// noticePause; what only pages show waits for pagePause.
	noticePause = 3 * time.Millisecond
	pagePause   = 50 * time.Millisecond
	// A process that hears of no other for peerGone tells nothing. Each says every
	// helloEvery that it is there.
	helloEvery = 20 * time.Second
	peerGone   = 3 * helloEvery

	noticeTimeout  = 5 * time.Second
	listenPings    = 30 * time.Second // after so long a silence, whether the connection still is one
	longestBackoff = 5 * time.Second
)

// notices is the two ends of the wire between processes: what this one tells, and
// what it is told. Nil, or before listen, it tells nothing.
type notices struct {
	config *pgx.ConnConfig
	self   string // names this process

	hook func(Hint)
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	urgent, calm chan struct{} // there is something to tell
	heard        chan struct{} // there is something in received

	peersUntil atomic.Int64 // in microseconds: when the last other process is gone

	mu       sync.Mutex
	hello    bool // is to be told
	told     gathered
	received gathered
	peers    map[string]time.Time
}

// gathered is what one Hint is made of.
type gathered struct {
	something, everything, chain bool
	fresh                        map[string]*Fresh // by webhook
	count                        int               // of deliveries
}

func (g *gathered) add(e Endpoint, webhookID string, numbers ...int64) {
	g.something = true
	if g.count += len(numbers); g.count > maxFresh {
		g.everything, g.fresh = true, nil
	}
	if g.everything {
		return
	}
	if g.fresh == nil {
		g.fresh = map[string]*Fresh{}
	}
	f := g.fresh[webhookID]
	if f == nil {
		f = &Fresh{Endpoint: e, WebhookID: webhookID}
		g.fresh[webhookID] = f
	}
	f.Numbers = append(f.Numbers, numbers...)
}

func (g *gathered) hint() Hint {
	h := Hint{Everything: g.everything, Chain: g.chain}
	for _, f := range g.fresh {
		h.Fresh = append(h.Fresh, *f)
	}
	return h
}

// notice is a Hint on the wire. Versions of this program differ: unknown keys are
// passed over, and what cannot be read counts as Everything.
type notice struct {
	From       string            `json:"from"`
	Hello      bool              `json:"hello,omitempty"` // nothing was committed
	Everything bool              `json:"everything,omitempty"`
	Chain      bool              `json:"chain,omitempty"`
	Fresh      []json.RawMessage `json:"fresh,omitempty"` // of freshNotice
}

type freshNotice struct {
	ClientID  string  `json:"c"`
	Origin    string  `json:"o"`
	WebhookID string  `json:"w"`
	Numbers   []int64 `json:"n"`
}

// OnHint sets who is told of what other processes commit, and begins to listen and
// to tell them. The function is called on one goroutine; while it takes its time,
// what comes is gathered. Changed is closed for hints, too. On SQLite, which one
// process serves, nobody is ever told.
func (db *DB) OnHint(tell func(Hint)) {
	if db.notices != nil {
		db.notices.listen(func(h Hint) {
			db.changed.tell()
			tell(h)
		})
	}
}

// TellChain tells the other processes that something was done on the sandbox's
// chain: those who watch it look at once.
func (db *DB) TellChain() {
	if n := db.notices; n.heeded() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.told.something, n.told.chain = true, true
		poke(n.urgent)
	}
}

func newNotices(config *pgx.ConnConfig) *notices {
	return &notices{
		config: config, self: paybell.NewUUID(time.Now()), peers: map[string]time.Time{},
		urgent: make(chan struct{}, 1), calm: make(chan struct{}, 1), heard: make(chan struct{}, 1),
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was signalled already
	}
}

// listen begins.
func (n *notices) listen(hook func(Hint)) {
	n.hook = hook
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.work.Go(func() { n.again(n.hearAll) })
	n.work.Go(func() { n.again(n.tellAll) })
	n.work.Go(n.passOn)
}

// close ends what listen began.
func (n *notices) close() {
	if n == nil || n.stop == nil {
		return
	}
	n.stop()
	n.work.Wait()
}

// heeded reports whether there is anybody to tell.
func (n *notices) heeded() bool { return n != nil && time.Now().UnixMicro() < n.peersUntil.Load() }

// committed takes what was just committed here. It never blocks.
func (n *notices) committed(fresh []paybell.Delivery) {
	if !n.heeded() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told.something = true
	for _, d := range fresh {
		n.told.add(Endpoint{d.ClientID, d.Origin}, d.WebhookID, d.Number)
	}
	if len(fresh) > 0 {
		poke(n.urgent)
	} else {
		poke(n.calm)
	}
}

// again connects and does its work for as long as the connection holds, and then
// again, sooner or later.
func (n *notices) again(work func(context.Context, *pgx.Conn) error) {
	for failures := 0; n.ctx.Err() == nil; failures++ {
		began := time.Now()
		if conn, err := n.connect(); err == nil {
			_ = work(n.ctx, conn) // it did not last, whatever the reason
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = conn.Close(ctx)
			cancel()
		}
		if time.Since(began) > longestBackoff {
			failures = 0
		}
		wait := min(longestBackoff, 50*time.Millisecond<<min(failures, 10))
		_ = pause(n.ctx, wait/2+rand.N(wait)) // many processes have lost the same server
	}
}

func (n *notices) connect() (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(n.ctx, connectTimeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, n.config.Copy())
}

// tellAll tells the others what is committed here.
func (n *notices) tellAll(ctx context.Context, conn *pgx.Conn) error {
	// Nothing is lost with a hint: no disk has to be waited for.
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return err
	}
	n.greet()
	hello := time.NewTicker(helloEvery)
	defer hello.Stop()
	for {
		select {
		case <-n.urgent:
		case <-n.calm:
			timer := time.NewTimer(pagePause)
			select {
			case <-n.urgent:
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		case <-hello.C:
			n.greet()
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := n.tell(ctx, conn); err != nil {
			n.mu.Lock()
			n.told.something, n.told.everything = true, true
			n.mu.Unlock()
			poke(n.urgent)
			return err
		}
		_ = pause(ctx, noticePause)
	}
}

// greet says that this process is there.
func (n *notices) greet() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hello = true
	poke(n.urgent)
}

// tell sends what was gathered.
func (n *notices) tell(ctx context.Context, conn *pgx.Conn) error {
	n.mu.Lock()
	g, hello := n.told, n.hello
	n.told, n.hello = gathered{}, false
	n.mu.Unlock()
	if !g.something && !hello {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	for _, text := range n.payloads(g.hint(), !g.something) {
		if _, err := conn.Exec(ctx, "SELECT pg_notify($1, $2)", channel, text); err != nil {
			return err
		}
	}
	return nil
}

// payloads writes a Hint as texts that are not too long.
func (n *notices) payloads(h Hint, hello bool) (texts []string) {
	next := notice{From: n.self, Hello: hello, Chain: h.Chain}
	size := 0
	flush := func() {
		text, _ := json.Marshal(next) // texts and numbers
		texts = append(texts, string(text))
		next, size = notice{From: n.self}, 0
	}
	for _, f := range h.Fresh {
		for numbers := range slices.Chunk(f.Numbers, maxNumbers) {
			text, _ := json.Marshal(freshNotice{f.ClientID, f.Origin, f.WebhookID, numbers})
			if size+len(text) > maxPayload {
				flush()
			}
			next.Fresh = append(next.Fresh, text)
			size += len(text) + 1
			h.Everything = h.Everything || len(texts) == maxNotices || size > maxPayload
		}
	}
	if h.Everything {
		texts, next = nil, notice{From: n.self, Hello: hello, Everything: true, Chain: h.Chain}
	}
	flush()
	return texts
}

// hearAll listens to the others.
func (n *notices) hearAll(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	n.receive("") // nobody knows what was told before
	for {
		wait, cancel := context.WithTimeout(ctx, listenPings)
		told, err := conn.WaitForNotification(wait)
		quiet := wait.Err() != nil
		cancel()
		switch {
		case err == nil:
			n.receive(told.Payload)
		case ctx.Err() != nil || !quiet:
			return err
		default:
			ping, cancel := context.WithTimeout(ctx, noticeTimeout)
			err := conn.Ping(ping)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

// receive takes what is on the wire.
func (n *notices) receive(text string) {
	var told notice
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		told = notice{Everything: true, Chain: true}
	}
	if told.From == n.self {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if told.From != "" {
		n.meet(told.From)
	}
	if told.Hello {
		return
	}
	g := &n.received
	g.something = true
	g.chain = g.chain || told.Chain
	if told.Everything {
		g.everything, g.fresh = true, nil
	}
	for _, text := range told.Fresh {
		var f freshNotice
		if err := json.Unmarshal(text, &f); err != nil {
			g.everything, g.fresh = true, nil
			break
		}
		g.add(Endpoint{f.ClientID, f.Origin}, f.WebhookID, f.Numbers...)
	}
	poke(n.heard)
}

// meet notes that another process is there; one that is new gets an answer.
func (n *notices) meet(other string) {
	now := time.Now()
	if _, known := n.peers[other]; !known {
		for p, at := range n.peers {
			if now.Sub(at) > peerGone {
				delete(n.peers, p)
			}
		}
		n.hello = true
		poke(n.urgent)
	}
	n.peers[other] = now
	n.peersUntil.Store(now.Add(peerGone).UnixMicro())
}

// passOn gives what was heard to who wants to know.
func (n *notices) passOn() {
	for {
		select {
		case <-n.heard:
		case <-n.ctx.Done():
			return
		}
		n.mu.Lock()
		g := n.received
		n.received = gathered{}
		n.mu.Unlock()
		n.hook(g.hint())
		if g.everything { // which is much to look at
			_ = pause(n.ctx, pagePause)
		}
	}
}

// hintedAtOnce is how many deliveries one statement finds, the most first.
var hintedAtOnce = [...]int{64, 8, 1}

var hintedTexts = func() (texts [len(hintedAtOnce)]string) {
	for i, rows := range hintedAtOnce {
		var values []string
		for n := range rows {
			values = append(values, "(CAST($"+strconv.Itoa(2*n+1)+" AS TEXT), CAST($"+strconv.Itoa(2*n+2)+" AS BIGINT))")
		}
		texts[i] = fmt.Sprintf("WITH hinted (webhook_id, number) AS (VALUES %s) SELECT %s FROM hinted h JOIN deliveries d ON d.webhook_id = h.webhook_id AND d.number = h.number%s WHERE d.due_at > 0",
			strings.Join(values, ", "), deliveryColumns, joined)
	}
	return texts
}()

// Hinted reads those of fresh deliveries that are heads of lanes still. The others
// become heads later, or are done.
func (tx *Tx) Hinted(fresh []Fresh) (heads []paybell.Delivery, err error) {
	var names []any
	for _, f := range fresh {
		for _, number := range f.Numbers {
			names = append(names, f.WebhookID, number)
		}
	}
	for len(names) > 0 {
		size := 0
		for size+1 < len(hintedAtOnce) && 2*hintedAtOnce[size+1] >= len(names) {
			size++
		}
		args := make([]any, 0, 2*hintedAtOnce[size])
		args = append(args, names[:min(len(names), cap(args))]...)
		names = names[len(args):]
		for len(args) < cap(args) {
			args = append(args, "", 0) // nobody's
		}
		found, err := list(tx, tx.scanDelivery, hintedTexts[size], args...)
		if err != nil {
			return nil, err
		}
		heads = append(heads, found...)
	}
	return heads, nil
}
