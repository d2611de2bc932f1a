package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/store"
)

// judgement holds the history of a world against what is promised.
type judgement struct {
	*world
	ledger  []entry
	inTx    map[int][]entry // of the ledger
	calls   []*call
	bodies  map[string]string      // of notifications, by id
	told    map[string]entry       // notifications, by id
	hooks   map[string][]hookState // by id, in time
	doors   map[string][]doorState // by client and origin, in time
	secrets map[string][]*secret   // by client
	made    map[deliveryName]entry
	tried   map[deliveryName][]*entry
	moved   map[deliveryName][]entry
	owners  map[string][]string // webhooks by URL, those that ever had it
	joins   map[*process][]lease
	owning  map[int][]lease   // shards
	gone    map[string]bool   // clients that are deleted
	skipped map[string]bool   // webhooks whose missed notifications are given up
	left    map[string]commit // leases that ended
	of      map[*call]deliveryName
	record  map[*call]*entry // of an attempt; nil: it was lost
	call    map[*entry]*call
	// explained are the lanes of which all was told.
	explained map[string]bool
}

type deliveryName struct {
	hook   string
	number int64
}

func (d deliveryName) String() string { return fmt.Sprintf("%s %d", d.hook, d.number) }

type hookState struct {
	client, invoice, url, origin, state string
	events                              paybell.Events
	from                                time.Time
}

type doorState struct {
	disabled bool
	from     time.Time
}

type secret struct {
	text    string
	from    time.Time
	expires []expiry
}

type expiry struct {
	from, at time.Time // since from it ends at; zero: never
}

type lease struct {
	id   string
	tick int64
	at   time.Time
}

// judge looks at everything, when it is over.
func (w *world) judge() {
	j := &judgement{world: w, calls: w.net.calls}
	for _, m := range []any{
		&j.inTx, &j.bodies, &j.told, &j.hooks, &j.doors, &j.secrets, &j.made, &j.tried, &j.moved, &j.owners, &j.joins, &j.owning, &j.gone,
		&j.skipped, &j.left, &j.of, &j.record, &j.call, &j.explained,
	} {
		v := reflect.ValueOf(m).Elem()
		v.Set(reflect.MakeMap(v.Type()))
	}
	var err error
	if j.ledger, err = readLedger(w.raw); err != nil {
		w.wrong("the ledger cannot be read: %v", err)
		return
	}
	if err := j.each("SELECT id, body FROM notifications", func(cols ...string) { j.bodies[cols[0]] = cols[1] }); err != nil {
		w.wrong("notifications cannot be read: %v", err)
		return
	}
	j.walk()
	j.match()
	j.everyChangeIsTold()
	j.everybodyGotEverything()
	j.requests()
	j.order()
	j.attempts()
	j.chain()
}

// each reads rows as text.
func (w *world) each(query string, row func(cols ...string)) error {
	rows, err := w.raw.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	cols := make([]string, len(names))
	dest := make([]any, len(names))
	for i := range cols {
		dest[i] = &cols[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		row(cols...)
	}
	return rows.Err()
}

// wrongAbout is wrong, and tells all that is known of the delivery's lane.
func (j *judgement) wrongAbout(d deliveryName, format string, args ...any) {
	j.wrong(format, args...)
	lane := d.hook + " " + j.made[d].text(3)
	if j.explained[lane] {
		return
	}
	j.explained[lane] = true
	type line struct {
		tick int64
		text string
	}
	var lines []line
	same := func(o deliveryName) bool { return o.hook == d.hook && j.made[o].text(3) == j.made[d].text(3) }
	for i := range j.ledger {
		e := j.ledger[i]
		made := j.commits.done[e.tx]
		by := "the clock"
		if made.by != nil {
			by = made.by.name
		}
		about := deliveryName{e.text(0), e.int(1)}
		if (e.kind == "made" || e.kind == "moved" || e.kind == "tried") && same(about) || e.kind == "hook" && e.text(0) == d.hook || e.kind == "joined" || e.kind == "left" {
			lines = append(lines, line{made.tick, fmt.Sprintf("%14v  %s, tx %d: %s %v", j.at(made.at), by, e.tx, e.kind, e.cols)})
		}
	}
	for _, c := range j.calls {
		if o, ok := j.resolve(c); ok && same(o) {
			lines = append(lines, line{c.entered, fmt.Sprintf("%14v  %s as %s: begins %v to %s, out of order %q", j.at(c.enteredAt), c.p.name, j.leaseAt(c.p, c.entered), o, c.url, first(c.head["Paybell-Out-Of-Order"]))},
				line{c.answered, fmt.Sprintf("%14v  %s: %v arrived at %d, answered %d, good %v", j.at(c.answeredAt), c.p.name, o, c.sent, c.status, c.good)})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.tick, b.tick) })
	j.say("the lane %s:", lane)
	for _, l := range lines {
		j.say("  %8d %s", l.tick, l.text)
	}
}

func door(client, origin string) string { return client + " " + origin }

// walk follows the history, change by change, and checks that each is a lawful
// one.
func (j *judgement) walk() {
	last := map[string]int64{}    // number, by webhook
	wanted := map[string][]wish{} // by notification
	got := map[string][]entry{}   // by notification
	var order []string            // of notifications
	for _, e := range j.ledger {
		j.inTx[e.tx] = append(j.inTx[e.tx], e)
	}
	for i := range j.ledger {
		e := j.ledger[i]
		made, known := j.commits.done[e.tx]
		if !known {
			j.wrong("sim: transaction %d was never committed, but has %s %v", e.tx, e.kind, e.cols)
			continue
		}
		d := deliveryName{e.text(0), e.int(1)}
		switch e.kind {
		case "told":
			j.told[e.text(0)] = e
			order = append(order, e.text(0))
			wanted[e.text(0)] = j.wishes(e)
		case "hook":
			id := e.text(0)
			h := hookState{client: e.text(1), invoice: e.text(2), url: e.text(3), origin: e.text(4), events: paybell.Events(e.int(5)), state: e.text(6), from: made.at}
			if !slices.Contains(j.owners[h.url], id) {
				j.owners[h.url] = append(j.owners[h.url], id)
			}
			j.hooks[id] = append(j.hooks[id], h)
		case "door":
			name := door(e.text(0), e.text(1))
			if disabled := e.int(2) > 0; disabled || len(j.doors[name]) > 0 {
				j.doors[name] = append(j.doors[name], doorState{disabled, made.at})
				if disabled {
					j.happened(endpointDisabled)
				}
			}
		case "secret":
			j.secretChanges(e, made.at)
		case "joined":
			j.rejoins(made)
			j.joins[made.by] = append(j.joins[made.by], lease{e.text(0), made.tick, made.at})
		case "left":
			j.left[e.text(0)] = made
			if own := slices.ContainsFunc(j.joins[made.by], func(l lease) bool { return l.id == e.text(0) }); !own {
				j.happened(buried)
			}
			j.dead(e.text(0), made)
		case "skip":
			if hook := e.text(0); hook != "" {
				j.skipped[hook] = true
			} else {
				j.skipped["all of "+e.text(1)] = true
			}
		case "client gone":
			j.gone[e.text(0)] = true
		case "owner":
			shard := int(e.int(0))
			j.owning[shard] = append(j.owning[shard], lease{e.text(1), made.tick, made.at})
		case "made":
			if d.number != last[d.hook]+1 {
				j.wrong("webhook %s numbers %d after %d", d.hook, d.number, last[d.hook])
			}
			last[d.hook] = d.number
			j.made[d] = e
			got[e.text(2)] = append(got[e.text(2)], e)
		case "tried":
			j.tried[d] = append(j.tried[d], &j.ledger[i])
		case "moved":
			j.moved[d] = append(j.moved[d], e)
			j.lawful(d, e)
		}
	}
	for _, id := range order {
		j.compare(id, wanted[id], got[id])
	}
}

// unheard is how soon a process that was not told that it has joined tries again.
const unheard = 1500 * time.Millisecond

// rejoins checks that a process joins once, unless others took it for dead, or it
// was not told that it had.
func (j *judgement) rejoins(now commit) {
	all := j.joins[now.by]
	if len(all) == 0 {
		return
	}
	last := all[len(all)-1]
	if _, over := j.left[last.id]; !over && now.at.Sub(last.at) >= unheard && j.awake(now.by, last.at, now.at) {
		j.wrong("%s joins at %v although it has joined at %v, and nobody took it for dead", now.by.name, j.at(now.at), j.at(last.at))
	}
}

// dead checks that nobody is taken for dead who lives: who ended, or stood still
// for a while, or waited for SQLite's lock while somebody else did.
func (j *judgement) dead(id string, at commit) {
	for p, all := range j.joins {
		i := slices.IndexFunc(all, func(l lease) bool { return l.id == id })
		if i < 0 || p == nil || !p.ended.IsZero() && !p.ended.After(at.at) {
			continue
		}
		if i+1 < len(all) && all[i+1].at.Sub(all[i].at) < unheard {
			continue // it was not told that it had joined, and did so again
		}
		if j.awake(p, later(all[i].at, at.at.Add(-10*second)), at.at) {
			j.wrong("%s was taken for dead at %v as %s, and lives", p.name, j.at(at.at), id)
		}
	}
}

// awake reports whether a process could do what it wanted all the time between
// two moments: it did not stand still, and nobody who did held SQLite's lock.
func (j *judgement) awake(p *process, from, to time.Time) bool {
	slept := p.paused(from, to)
	for _, other := range j.all {
		slept += other.locking(from, to)
	}
	return slept == 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wish is a webhook that wants to be told, and whether it is held.
type wish struct {
	hook string
	held bool
}

// now is the last state of a webhook, as of where the walk is.
func (j *judgement) now(id string) hookState {
	all := j.hooks[id]
	if len(all) == 0 {
		return hookState{}
	}
	return all[len(all)-1]
}

// shut reports whether an endpoint is disabled, as of where the walk is.
func (j *judgement) shut(client, origin string) bool {
	all := j.doors[door(client, origin)]
	return len(all) > 0 && all[len(all)-1].disabled
}

// wishes says which webhooks want a notification at this point of the walk.
func (j *judgement) wishes(e entry) (all []wish) {
	id, client, invoice, event := e.text(0), e.text(1), e.text(2), paybell.Event(e.int(4))
	var notice struct {
		Webhook struct {
			Endpoint     string
			IDs          []string
			FailingSince *int64
		}
	}
	if invoice == "" {
		if err := json.Unmarshal([]byte(j.bodies[id]), &notice); err != nil {
			j.wrong("notification %s: %v", id, err)
		}
	}
	wants := func(h hookState) bool {
		return !j.gone[client] && h.client == client && h.state != "deleted" && h.events&event != 0
	}
	for hook := range j.hooks {
		h := j.now(hook)
		if !wants(h) || h.invoice != "" && h.invoice != invoice {
			continue
		}
		if invoice == "" && (slices.Contains(notice.Webhook.IDs, hook) || notice.Webhook.FailingSince != nil && h.origin == notice.Webhook.Endpoint) {
			continue // it is the one that is told of
		}
		same := false
		for other := range j.hooks {
			o := j.now(other)
			same = same || h.invoice != "" && o.invoice == "" && o.url == h.url && wants(o)
		}
		if !same {
			all = append(all, wish{hook, h.state != "active" || j.shut(h.client, h.origin)})
		}
	}
	return all
}

func (j *judgement) compare(id string, wanted []wish, got []entry) {
	for _, w := range wanted {
		i := slices.IndexFunc(got, func(e entry) bool { return e.text(0) == w.hook })
		switch {
		case i < 0:
			j.wrong("notification %s is not for webhook %s, which wanted it", id, w.hook)
		case w.held != (got[i].text(4) == "held"):
			j.wrong("notification %s for webhook %s is %s", id, w.hook, got[i].text(4))
		}
	}
	if len(got) != len(wanted) {
		j.wrong("notification %s goes to %d webhooks, %d wanted it", id, len(got), len(wanted))
	}
}

// lawful checks one change of a delivery.
func (j *judgement) lawful(d deliveryName, e entry) {
	was, is := e.text(2), e.text(3)
	attemptsWere, attempts := e.int(4), e.int(5)
	marksWere, marks := e.int(6), e.int(7)
	before, h := j.now(d.hook), j.nowAfter(d.hook, e.tx) // many bodies share a transaction
	deleted := before.state == "deleted" || h.state == "deleted"
	hook := j.made[d]
	var last entry
	for _, t := range j.inTx[e.tx] {
		if t.kind == "tried" && t.text(0) == d.hook && t.int(1) == d.number && t.int(2) <= attempts {
			last = t
		}
	}
	tried := last.kind != ""
	law := true
	switch was + " " + is {
	case "pending pending":
		law = attempts == attemptsWere || tried && attempts > attemptsWere
	case "pending delivered", "held delivered":
		law = tried && last.text(5) == "" && attempts == last.int(2)
	case "pending exhausted":
		law = tried && last.text(5) != "" && attempts-e.int(8) >= 2 || deleted || attempts == attemptsWere && j.skips(d.hook, h)
	case "pending held":
		law = before.state != "active" || h.state != "active" || j.shut(before.client, before.origin) || j.shutAfter(h, e.tx)
	case "held held", "exhausted exhausted", "delivered delivered": // an attempt that was on the way
		law = attempts == attemptsWere || tried && attempts > attemptsWere
	case "held pending", "exhausted pending", "delivered pending":
		law = marks&2 != 0 && attempts == attemptsWere && e.int(8) == attempts
	case "held exhausted":
		law = deleted || j.skips(d.hook, h)
	default:
		law = false
	}
	if !law {
		j.wrongAbout(d, "%v (notification %s) went from %s to %s in transaction %d (%v), with %d, then %d attempts, tried in it: %v; its webhook is %s",
			d, hook.text(2), was, is, e.tx, j.at(j.commits.done[e.tx].at), attemptsWere, attempts, tried, h.state)
	}
	if marksWere&1 == 0 && marks&1 != 0 && tried {
		j.happened(headPassed)
		j.poison(d, e, h)
	}
}

// nowAfter is a webhook's state after a transaction.
func (j *judgement) nowAfter(id string, tx int) (h hookState) {
	h = j.now(id)
	for _, e := range j.inTx[tx] {
		if e.kind == "hook" && e.text(0) == id {
			h.state, h.url, h.origin = e.text(6), e.text(3), e.text(4)
		}
	}
	return h
}

func (j *judgement) shutAfter(h hookState, tx int) bool {
	shut := j.shut(h.client, h.origin)
	for _, e := range j.inTx[tx] {
		if e.kind == "door" && e.text(0) == h.client && e.text(1) == h.origin {
			shut = e.int(2) > 0
		}
	}
	return shut
}

// skips reports whether somebody has asked to give up what a webhook missed.
func (j *judgement) skips(hook string, h hookState) bool {
	return j.skipped[hook] || j.skipped["all of "+h.client]
}

// everyChangeIsTold checks that each version of each invoice is a notification,
// and that what somebody was told exists.
func (j *judgement) everyChangeIsTold() {
	versions := map[string][]int64{}
	for _, e := range j.told {
		versions[e.text(2)] = append(versions[e.text(2)], e.int(3))
	}
	there := map[string]bool{}
	if err := j.each("SELECT id, version FROM invoices", func(cols ...string) {
		there[cols[0]] = true
		have := versions[cols[0]]
		slices.Sort(have)
		for i, v := range have {
			if v != int64(i+1) {
				j.wrong("invoice %s: version %d is told in place of %d", cols[0], v, i+1)
				return
			}
		}
		if fmt.Sprint(len(have)) != cols[1] {
			j.wrong("invoice %s is at version %s, %d are told", cols[0], cols[1], len(have))
		}
	}); err != nil {
		j.wrong("invoices cannot be read: %v", err)
	}
	for _, p := range j.answers {
		if !there[p.invoiceID] {
			j.wrong("invoice %s was answered to a client, and is not there", p.invoiceID)
		}
	}
}

// everybodyGotEverything looks at what became of each delivery.
func (j *judgement) everybodyGotEverything() {
	arrived := map[deliveryName]bool{}
	for _, c := range j.calls {
		if d, ok := j.resolve(c); ok && c.good {
			arrived[d] = true
		}
	}
	n := 0
	if err := j.each("SELECT webhook_id, number, state, due_at FROM deliveries", func(cols ...string) {
		n++
		d := deliveryName{hook: cols[0]}
		_, _ = fmt.Sscan(cols[1], &d.number)
		gone := j.now(d.hook).state == "deleted"
		switch state := cols[2]; {
		case state == "delivered" && !arrived[d]:
			j.wrongAbout(d, "%v is delivered, and no server has accepted it", d)
		case state != "delivered" && !gone:
			j.wrongAbout(d, "%v is %s at the end, its webhook is %s", d, state, j.now(d.hook).state)
		}
	}); err != nil {
		j.wrong("deliveries cannot be read: %v", err)
	}
	if n != len(j.made) {
		j.wrong("%d deliveries are there, %d were made", n, len(j.made))
	}
}

// chain checks that invoices say what the chain says.
func (j *judgement) chain() {
	chain := sandbox.New(sandbox.Journal{Load: func(_ context.Context, after int64) (page []sandbox.Entry, err error) {
		err = j.each(fmt.Sprintf("SELECT n, merchant_id, op FROM sandbox_journal WHERE n > %d ORDER BY n", after), func(cols ...string) {
			e := sandbox.Entry{MerchantID: cols[1], Op: cols[2]}
			_, _ = fmt.Sscan(cols[0], &e.N)
			page = append(page, e)
		})
		return page, err
	}})
	is, err := chain.Scan(context.Background(), "", paybell.Watch{})
	if err != nil {
		j.wrong("the chain cannot be read: %v", err)
		return
	}
	have := map[string]string{}
	ours := map[string]bool{}
	if err := j.each("SELECT txid, status, reorged FROM transfers", func(cols ...string) { have[cols[0]] = cols[1] + " " + cols[2] }); err != nil {
		j.wrong("transfers cannot be read: %v", err)
	}
	if err := j.each("SELECT address FROM payments", func(cols ...string) { ours[cols[0]] = true }); err != nil {
		j.wrong("payments cannot be read: %v", err)
	}
	for _, t := range is.Transfers {
		reorged := 0
		if t.Reorged {
			reorged = 1
		}
		if want := fmt.Sprintf("%s %d", t.Status, reorged); ours[t.Address] && have[t.TxID] != want {
			j.wrong("transaction %s is %s on the chain, and %q in the store", t.TxID, want, have[t.TxID])
		}
	}
}

// agree checks that every invoice is where its facts lead.
func (w *world) agree(p *process) {
	var ids []string
	if err := w.each("SELECT id FROM invoices", func(cols ...string) { ids = append(ids, cols[0]) }); err != nil {
		w.wrong("invoices cannot be read: %v", err)
	}
	for _, id := range ids {
		inv, err := store.View(context.Background(), p.db, func(tx *store.Tx) (paybell.Invoice, error) { return tx.Invoice(id) })
		if err != nil {
			w.wrong("invoice %s cannot be read: %v", id, err)
			continue
		}
		changes, err := inv.Next(paybell.Input{}, now().Add(-time.Minute))
		if err != nil || len(changes) > 0 {
			w.wrong("invoice %s is %s, and does not agree with its facts: %d changes, %v", id, inv.State, len(changes), err)
		}
	}
}
