package sim

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// world is one seed: a store, three places where processes run, merchants'
// servers, and everybody who acts.
type world struct {
	t     *testing.T
	seed  uint64
	n     int64 // in worlds
	dir   string
	keys  *store.Keyring
	raw   *sql.DB // the database, without the store
	began time.Time
	net   *network

	commits commits
	ticks   atomic.Int64

	mu      sync.Mutex
	places  [3]*process // nil: nothing runs there
	all     []*process  // that ever ran
	born    int
	did     [kinds]int
	trace   []string
	wrongs  []string
	answers []promise // what clients were told is done

	shops []*shop
}

// promise is an answer that somebody got: what it says must be so for ever.
type promise struct{ invoiceID string }

// newWorld makes the world of a seed, with nothing in it.
func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, n: lastWorld.Add(1), dir: t.TempDir(), began: time.Now()}
	w.commits.done = map[int]commit{}
	w.net = newNetwork(w)
	files, err := blank()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(w.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if w.keys, err = store.OpenKeyring(filepath.Join(w.dir, "key")); err != nil {
		t.Fatal(err)
	}
	if w.raw, err = sql.Open("sqlite", "file:"+filepath.Join(w.dir, "paybell.db")+"?_pragma=busy_timeout(10000)"); err != nil {
		t.Fatal(err)
	}
	w.raw.SetMaxOpenConns(1)
	worlds.Store(w.n, w)
	if _, err := w.raw.Exec("INSERT INTO sim_world (n) VALUES ($1)", w.n); err != nil {
		t.Fatal(err)
	}
	return w
}

// tick is a number for everything that happens, in its order.
func (w *world) tick() int64 { return w.ticks.Add(1) }

// rnd is a source of chance for one of those who act.
func (w *world) rnd(who uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, who)) }

// happened counts a fault.
func (w *world) happened(k kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did[k]++
}

// say writes a line of the story, to be read when something is wrong.
func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%14v  %s", time.Since(w.began).Truncate(time.Millisecond), fmt.Sprintf(format, args...)))
}

// wrong notes what must not be.
func (w *world) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.say("WRONG: %s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrongs = append(w.wrongs, text)
}

// failures is how much is wrong so far.
func (w *world) failures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.wrongs)
}

// at is a moment as the story writes it.
func (w *world) at(t time.Time) time.Duration { return t.Sub(w.began) }

// run plays the seed.
func (w *world) run() {
	defer worlds.Delete(w.n)
	defer w.raw.Close()
	defer w.everybodyEnds()
	rnd := w.rnd(1)
	w.open(rnd)
	days := 1 + rnd.IntN(3)
	if shortDays {
		days = 1 + rnd.IntN(2)
	}
	for day := range days {
		w.day(day, rnd)
		if night := rnd.IntN(4); night > 0 && day+1 < days || night > 1 {
			w.sleep(rnd)
		}
	}
	w.happyEnd(rnd)
	w.everybodyEnds()
	w.judge()
}

// open makes merchants, clients and webhooks.
func (w *world) open(rnd *rand.Rand) {
	for i := range 3 {
		s := &shop{w: w, i: i, merchant: fmt.Sprintf("m%d", i), client: paybell.NewClientID()}
		w.shops = append(w.shops, s)
		for _, host := range hostNames {
			if _, err := w.raw.Exec("INSERT INTO sim_shards VALUES ($1) ON CONFLICT DO NOTHING", shardOf(s.client, "https://"+host+":443")); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.everybodyStarts()
	p := w.places[0]
	for i, s := range w.shops {
		secret := paybell.NewClientSecret()
		terms := paybell.DefaultTerms
		terms.Tolerance, terms.AcceptLate = 100*rnd.IntN(3), rnd.IntN(2) == 0
		if err := store.Do(context.Background(), p.db, func(tx *store.Tx) error {
			return errors.Join(tx.CreateMerchant(paybell.Merchant{ID: s.merchant, Name: "M"}),
				tx.CreateClient(paybell.Client{ID: s.client, MerchantID: s.merchant, Name: "c", State: paybell.ClientActive,
					Permissions: paybell.AllPermissions, Terms: terms, CreatedAt: now()}, secret))
		}); err != nil {
			w.t.Fatal(err)
		}
		s.terms = terms
		w.net.knows(s.client, secret)
		for range []int{2 + rnd.IntN(3), 2, 1}[i] {
			if err := s.createWebhook(p, rnd); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// day is some seconds in which much happens.
func (w *world) day(n int, rnd *rand.Rand) {
	w.say("day %d", n)
	w.everybodyStarts()
	length := time.Duration(7+rnd.IntN(12)) * time.Second
	if shortDays {
		length /= 2
	}
	until := time.Now().Add(length)
	var all sync.WaitGroup
	for i, s := range w.shops {
		for j := range []int{2, 2, 1}[i] {
			all.Go(func() { s.work(w.rnd(uint64(1000+100*n+10*i+j)), until) })
		}
	}
	all.Go(func() { w.makeTrouble(w.rnd(uint64(2000+n)), until) })
	all.Wait()
}

// sleep is a night: all processes end, one way or another, and hours pass.
func (w *world) sleep(rnd *rand.Rand) {
	w.happened(night)
	for _, p := range w.running() {
		if rnd.IntN(2) == 0 {
			if w.net.inFlight(p) > 0 {
				p.crash(crashWithRequests)
			} else {
				p.crash(crashAtRest)
			}
		} else {
			w.happened(restart)
		}
	}
	w.everybodyEnds()
	var hours time.Duration
	switch rnd.IntN(6) {
	case 0:
		hours = time.Duration(rnd.IntN(600)) * time.Second
	case 1:
		hours = time.Duration(10+rnd.IntN(600)) * time.Minute
	case 2:
		hours = time.Duration(1+rnd.IntN(24)) * time.Hour
	case 3:
		hours = 3 * 24 * time.Hour
	case 4, 5:
		hours = 6 * 24 * time.Hour
	}
	w.say("a night of %v", hours)
	time.Sleep(hours)
}

// running lists the processes.
func (w *world) running() (all []*process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.places {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// any is one of the processes that live; nil: none does.
func (w *world) any(rnd *rand.Rand) *process {
	all := slices.DeleteFunc(w.running(), (*process).isDead)
	if len(all) == 0 {
		return nil
	}
	return all[rnd.IntN(len(all))]
}

// startAt starts a process in a place, if none runs there.
func (w *world) startAt(place int) {
	w.mu.Lock()
	p := w.places[place]
	w.mu.Unlock()
	if p != nil && !p.isDead() {
		return
	}
	if p != nil {
		<-p.gone
	}
	w.mu.Lock()
	w.born++
	name := fmt.Sprintf("%c%d", 'A'+place, w.born)
	w.mu.Unlock()
	p, err := w.start(name)
	if err != nil {
		w.say("%s cannot start: %v", name, err)
		p = nil
	}
	w.mu.Lock()
	w.places[place] = p
	w.mu.Unlock()
}

func (w *world) everybodyStarts() {
	for i := range w.places {
		w.startAt(i)
	}
}

// everybodyEnds stops all processes, in an orderly way unless they are dead.
func (w *world) everybodyEnds() {
	var all sync.WaitGroup
	for _, p := range w.running() {
		all.Go(p.end)
	}
	all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places = [3]*process{}
}

// happyEnd makes everything well and waits until everybody has got everything.
func (w *world) happyEnd(rnd *rand.Rand) {
	w.say("all is well from here on")
	w.net.heal()
	for _, p := range w.running() {
		p.mu.Lock()
		p.plan, p.cut, p.slow = nil, false, 0
		p.thawLocked()
		p.mu.Unlock()
	}
	w.calm()
	w.everybodyEnds()
	time.Sleep(14 * time.Hour) // past all that a wrong clock has written
	w.everybodyStarts()
	p := w.places[rnd.IntN(3)]
	for _, s := range w.shops {
		s.settle(p)
	}
	w.drain()
}

// calm looks whether processes that came through all that, as they are now, bring
// what is due.
func (w *world) calm() {
	w.everybodyStarts()
	time.Sleep(20 * time.Second) // past all that servers asked for
	late := now().Add(-10 * time.Second).UnixMicro()
	if err := w.each(fmt.Sprintf(`SELECT d.webhook_id, d.number, d.due_at, d.origin FROM deliveries d
		LEFT JOIN endpoints e ON e.client_id = d.client_id AND e.origin = d.origin
		WHERE d.due_at > 0 AND d.due_at < %d AND COALESCE(e.paused_until, 0) < %[1]d`, late), func(cols ...string) {
		us, _ := strconv.ParseInt(cols[2], 10, 64)
		w.wrong("%s %s at %s was due at %v, all is well, and nobody brings it", cols[0], cols[1], cols[3], w.at(time.UnixMicro(us)))
	}); err != nil {
		w.wrong("what is due cannot be read: %v", err)
	}
	if w.failures() > 0 {
		_ = w.each("SELECT owner, COUNT(*), GROUP_CONCAT(CASE WHEN shard IN (SELECT shard FROM sim_shards) THEN shard END) FROM shards GROUP BY owner", func(cols ...string) { w.say("%s owns %s shards, %s", cols[0], cols[1], cols[2]) })
		_ = w.each("SELECT id, beat FROM processes", func(cols ...string) { w.say("process %s, beat %s", cols[0], cols[1]) })
		for _, p := range w.running() {
			w.tellMemory(p)
		}
	}
}

// drain lets time pass until nothing is pending. Hours in which nothing is due
// are slept through with all processes down: that costs nothing.
func (w *world) drain() {
	for round := 0; ; round++ {
		time.Sleep(2 * time.Second)
		var pending, resends, wait int64
		err := errors.Join(
			w.raw.QueryRow("SELECT COUNT(*), COALESCE(MIN(CASE WHEN due_at > 0 THEN due_at END), 0) FROM deliveries WHERE state = 'pending'").Scan(&pending, &wait),
			w.raw.QueryRow("SELECT COUNT(*) FROM resends WHERE state = 'running'").Scan(&resends))
		if err != nil {
			w.wrong("the end cannot be read: %v", err)
			return
		}
		if pending == 0 && resends == 0 {
			break
		}
		if round == 40 {
			w.wrong("%d deliveries are pending for ever, and %d resends run", pending, resends)
			w.tellPending()
			return
		}
		if next := time.Until(time.UnixMicro(wait)); wait > 0 && next > 10*time.Second && resends == 0 {
			w.everybodyEnds()
			time.Sleep(next)
			w.everybodyStarts()
		}
	}
	time.Sleep(15 * time.Second) // endpoints that are well stay in memory for a while
	w.probe(true)
	w.agree(w.running()[0])
	for _, s := range w.shops {
		s.pull(w.running()[1])
	}
}

// tellPending writes what waits into the story.
func (w *world) tellPending() {
	rows, err := w.raw.Query(`SELECT d.webhook_id, d.number, d.invoice_id, d.origin, d.state || ', its webhook is ' || w.state, d.marks, d.attempts, d.round, d.due_at
		FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE d.state IN ('pending', 'held') AND EXISTS
			(SELECT 1 FROM deliveries l WHERE l.webhook_id = d.webhook_id AND l.invoice_id = d.invoice_id AND l.state = 'pending') ORDER BY webhook_id, number`)
	if err != nil {
		w.say("%v", err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var hook, invoice, origin, state string
		var number, marks, attempts, round, due int64
		if err := rows.Scan(&hook, &number, &invoice, &origin, &state, &marks, &attempts, &round, &due); err != nil {
			w.say("%v", err)
			return
		}
		at := "behind another"
		if due > 0 {
			at = w.at(time.UnixMicro(due)).String()
		}
		w.say("  %s %d of invoice %s at %s: %s, marks %d, %d attempts, round %d, due %s", hook, number, invoice, origin, state, marks, attempts, round, at)
	}
}

// now is the present at the precision that the store keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
