package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/chain/sandbox"
	"github.com/paybell/paybell/internal/store"
)

// second is how late a change may count.
const second = time.Second

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
	tried   map[deliveryName][]entry
	moved   map[deliveryName][]entry
	owners  map[string][]string // webhooks by URL, those that ever had it
	joins   map[*process][]lease
	owning  map[int][]lease   // shards
	gone    map[string]bool   // clients that are deleted
	left    map[string]commit // leases that ended
	of      map[*call]deliveryName
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
	tx                                  int
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
}

// judge looks at everything, when it is over.
func (w *world) judge() {
	j := &judgement{world: w, inTx: map[int][]entry{}, bodies: map[string]string{}, told: map[string]entry{}, hooks: map[string][]hookState{}, doors: map[string][]doorState{},
		secrets: map[string][]*secret{}, made: map[deliveryName]entry{}, tried: map[deliveryName][]entry{}, moved: map[deliveryName][]entry{},
		owners: map[string][]string{}, joins: map[*process][]lease{}, owning: map[int][]lease{}, gone: map[string]bool{}, left: map[string]commit{}, of: map[*call]deliveryName{}, calls: w.net.calls, explained: map[string]bool{}}
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

// known are the faults of the engine that are being mended: what they explain is
// counted, and is no failure. When one is mended its line goes.
var known = map[string]bool{
	"what a deleted webhook held is never settled": true,
}

// bug is wrong, unless it is known.
func (w *world) bug(name string) bool {
	if !known[name] {
		return false
	}
	w.say("KNOWN: %s", name)
	return true
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
			h := hookState{client: e.text(1), invoice: e.text(2), url: e.text(3), origin: e.text(4), events: paybell.Events(e.int(5)), state: e.text(6), tx: e.tx, from: made.at}
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
			j.joins[made.by] = append(j.joins[made.by], lease{e.text(0), made.tick})
		case "left":
			j.left[e.text(0)] = made
			if own := slices.ContainsFunc(j.joins[made.by], func(l lease) bool { return l.id == e.text(0) }); !own {
				j.happened(buried)
			}
		case "client gone":
			j.gone[e.text(0)] = true
		case "owner":
			shard := int(e.int(0))
			j.owning[shard] = append(j.owning[shard], lease{e.text(1), made.tick})
		case "made":
			if d.number != last[d.hook]+1 {
				j.wrong("webhook %s numbers %d after %d", d.hook, d.number, last[d.hook])
			}
			last[d.hook] = d.number
			j.made[d] = e
			got[e.text(2)] = append(got[e.text(2)], e)
		case "tried":
			j.tried[d] = append(j.tried[d], e)
		case "moved":
			j.moved[d] = append(j.moved[d], e)
			j.lawful(d, e)
		}
	}
	for _, id := range order {
		j.compare(id, wanted[id], got[id])
	}
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

func (j *judgement) secretChanges(e entry, at time.Time) {
	client := e.text(0)
	plain, err := j.keys.Open(e.text(2), "client-secret/"+client)
	if err != nil {
		j.wrong("a secret does not open: %v", err)
		return
	}
	var ends time.Time
	switch us := e.int(3); us {
	case 0:
	case 1:
		ends = at
	default:
		ends = time.UnixMicro(us)
	}
	for _, s := range j.secrets[client] {
		if s.text == string(plain) {
			s.expires = append(s.expires, expiry{at, ends})
			return
		}
	}
	j.secrets[client] = append(j.secrets[client], &secret{text: string(plain), from: at, expires: []expiry{{at, ends}}})
}

// good reports whether a secret was good at some moment of a stretch of time.
func (s *secret) good(from, to time.Time) bool {
	if s.from.After(to) {
		return false
	}
	for i, x := range s.expires {
		end := x.at
		if i+1 < len(s.expires) && (end.IsZero() || s.expires[i+1].from.Before(end)) {
			end = s.expires[i+1].from
		}
		if !x.from.After(to) && (end.IsZero() || end.After(from)) {
			return true
		}
	}
	return false
}

// always reports whether it was good all that time.
func (s *secret) always(from, to time.Time) bool {
	if s.from.After(from) {
		return false
	}
	for _, x := range s.expires {
		if !x.from.After(to) && !x.at.IsZero() && !x.at.After(to) {
			return false
		}
	}
	return true
}

// lawful checks one change of a delivery.
func (j *judgement) lawful(d deliveryName, e entry) {
	was, is := e.text(2), e.text(3)
	attemptsWere, attempts := e.int(4), e.int(5)
	marksWere, marks := e.int(6), e.int(7)
	h := j.nowAfter(d.hook, e.tx)
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
		law = tried && last.text(5) != "" && attempts-e.int(8) >= 2 || h.state == "deleted" || attempts == attemptsWere && j.skips(d.hook, h)
	case "pending held":
		law = h.state != "active" || j.shutAfter(h, e.tx)
	case "held held", "exhausted exhausted", "delivered delivered": // an attempt that was on the way
		law = attempts == attemptsWere || tried && attempts > attemptsWere
	case "held pending", "exhausted pending", "delivered pending":
		law = marks&2 != 0 && attempts == attemptsWere && e.int(8) == attempts
	case "held exhausted":
		law = h.state == "deleted" || j.skips(d.hook, h)
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

// skips reports whether somebody asked to give up what a webhook missed.
func (j *judgement) skips(hook string, h hookState) (asked bool) {
	if err := j.each("SELECT webhook_id, origin, client_id FROM resends WHERE what = 'skip'", func(cols ...string) {
		asked = asked || cols[0] == hook || cols[0] == "" && cols[2] == h.client
	}); err != nil {
		j.wrong("resends cannot be read: %v", err)
	}
	return asked
}

// poison checks that the head of a lane was passed only for a reason: its server
// took something else, and the head had failed for long.
func (j *judgement) poison(d deliveryName, e entry, h hookState) {
	since := time.UnixMicro(e.int(9))
	made := j.commits.done[e.tx]
	if made.at.Sub(since) < paybell.PoisonAfter {
		j.wrongAbout(d, "%v was passed after %v", d, made.at.Sub(since))
	}
	for _, c := range j.calls {
		if c.good && c.host == hostOf(h.origin) && first(c.head[paybell.HeaderClient]) == h.client && c.answeredAt.After(since) && c.answered < made.tick {
			return
		}
	}
	j.wrongAbout(d, "%v was passed, but %s took nothing since %v", d, h.origin, j.at(since))
}

func hostOf(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
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

// resolve says which delivery a request was.
func (j *judgement) resolve(c *call) (d deliveryName, ok bool) {
	if d, ok := j.of[c]; ok {
		return d, true
	}
	for _, hook := range j.owners[c.url] {
		d := deliveryName{hook, c.number}
		if e, made := j.made[d]; made && e.text(2) == c.id {
			j.of[c] = d
			return d, true
		}
	}
	return d, false
}

// requests looks at each request by itself.
func (j *judgement) requests() {
	for _, c := range j.calls {
		if c.number == 0 {
			if first(c.head["Paybell-Test"]) != "true" {
				j.wrong("%s sent a request without a number to %s", c.p.name, c.url)
			}
			continue
		}
		d, ok := j.resolve(c)
		if !ok {
			j.wrong("%s sent %s as number %d to %s at %v: no such delivery was ever committed", c.p.name, c.id, c.number, c.url, j.at(c.enteredAt))
			continue
		}
		if made := j.commits.done[j.told[c.id].tx]; made.tick > c.entered {
			j.wrong("%s sent %s before it was committed", c.p.name, c.id)
		}
		if c.body != j.bodies[c.id] {
			j.wrong("%s sent other bytes for %s", c.p.name, c.id)
		}
		if c.epoch != "1" {
			j.wrong("%s sent %s with epoch %q", c.p.name, c.id, c.epoch)
		}
		j.place(c, d)
		j.signed(c, d)
	}
}

// place checks that a request did not start to where nothing may go any more.
func (j *judgement) place(c *call, d deliveryName) {
	all := j.hooks[d.hook]
	// What its process slept does not count, from the change on.
	var active, open bool
	client, origin := all[0].client, ""
	for i, h := range all {
		if h.url != c.url || h.state != "active" {
			continue
		}
		origin = h.origin
		active = active || i+1 == len(all) || j.inTime(c, all[i+1].from)
	}
	if !active {
		j.wrongAbout(d, "%s started %v to %s at %v: it does not ring there any more", c.p.name, d, c.url, j.at(c.enteredAt))
		return
	}
	doors := j.doors[door(client, origin)]
	open = len(doors) == 0 || !doors[0].from.Before(c.enteredAt)
	for i, s := range doors {
		open = open || s.disabled && i == 0 && j.inTime(c, s.from)
		open = open || !s.disabled && !s.from.After(c.enteredAt) && (i+1 == len(doors) || j.inTime(c, doors[i+1].from))
	}
	if !open {
		j.wrongAbout(d, "%s started %v to %s at %v: the endpoint is disabled", c.p.name, d, c.url, j.at(c.enteredAt))
	}
}

// inTime reports whether a request started within a second of a change.
func (j *judgement) inTime(c *call, change time.Time) bool {
	return !c.enteredAt.After(change.Add(second + c.p.paused(change.Add(-second), c.enteredAt)))
}

// signed checks the signatures of a request that arrived.
func (j *judgement) signed(c *call, d deliveryName) {
	if c.sent == 0 {
		return
	}
	client := j.hooks[d.hook][0].client
	stamp := c.enteredAt
	since := stamp.Add(-second - c.p.paused(stamp.Add(-20*second), stamp))
	at, unix := first(c.head[paybell.HeaderTimestamp]), stamp.Unix()
	if at != paybell.FormatTimestamp(stamp) || first(c.head["webhook-timestamp"]) != fmt.Sprint(unix) || first(c.head[paybell.HeaderClient]) != client {
		j.wrong("%s sent %v with the times %s and %s at %v", c.p.name, d, at, first(c.head["webhook-timestamp"]), stamp)
	}
	sums := strings.Fields(first(c.head["webhook-signature"]))
	coinpayments, must, valid := false, 0, 0
	for _, s := range j.secrets[client] {
		if !s.good(since, stamp) {
			continue
		}
		coinpayments = coinpayments || paybell.SameSignature(first(c.head[paybell.HeaderSignature]), paybell.SignRequest(s.text, "POST", c.url, client, at, []byte(c.body)))
		has := slices.Contains(sums, paybell.StandardSignature(s.text, c.id, unix, []byte(c.body)))
		if has {
			valid++
		} else if s.always(since, stamp) {
			must++
		}
	}
	if !coinpayments || valid != len(sums) || valid == 0 || must > 0 {
		j.wrong("%s sent %v at %v with signatures that do not verify: CoinPayments %v, Standard Webhooks %d of %d, and %d are missing",
			c.p.name, d, j.at(stamp), coinpayments, valid, len(sums), must)
	}
}

// order checks in which order things arrived first.
func (j *judgement) order() {
	arrivals := slices.Clone(j.calls)
	arrivals = slices.DeleteFunc(arrivals, func(c *call) bool { return c.sent == 0 || c.number == 0 })
	slices.SortFunc(arrivals, func(a, b *call) int { return cmp.Compare(a.sent, b.sent) })
	last := map[string]int64{}
	seen := map[deliveryName]bool{}
	for _, c := range arrivals {
		d, ok := j.resolve(c)
		if !ok {
			continue
		}
		if seen[d] {
			j.happened(cameTwice)
			continue
		}
		seen[d] = true
		lane := d.hook + " " + j.made[d].text(3)
		marked := first(c.head["Paybell-Out-Of-Order"]) == "true"
		if marked {
			j.happened(wentOutOfOrder)
		}
		// A process that is stopped between the look and the sending cannot know.
		if last[lane] > d.number && !marked && !c.sentAt.After(c.enteredAt) && !(j.resent(d) && j.bug("a resend goes before newer news")) {
			j.wrongAbout(d, "%s brought %v of invoice %s at %v after number %d, and does not say that it is out of order", c.p.name, d, j.made[d].text(3), j.at(c.sentAt), last[lane])
		}
		last[lane] = max(last[lane], d.number)
	}
}

// resent reports whether a delivery was ever asked for again.
func (j *judgement) resent(d deliveryName) bool {
	return slices.ContainsFunc(j.moved[d], func(e entry) bool { return e.int(7)&2 != 0 })
}

// leaseAt is as whom a process started a request.
func (j *judgement) leaseAt(p *process, tick int64) string {
	id := ""
	for _, l := range j.joins[p] {
		if l.tick < tick {
			id = l.id
		}
	}
	return id
}

// attempts checks that what is recorded has happened, and that nobody records
// what it did before others took it for dead.
func (j *judgement) attempts() {
	type key struct {
		deliveryName
		started int64
	}
	byStart := map[key][]*call{}
	for _, c := range j.calls {
		if d, ok := j.resolve(c); ok {
			k := key{d, c.enteredAt.UnixMicro()}
			byStart[k] = append(byStart[k], c)
		}
	}
	for d, all := range j.tried {
		for i, e := range all {
			made := j.commits.done[e.tx]
			if e.int(2) != int64(i+1) {
				j.wrongAbout(d, "%v: attempt %d is recorded as the %dth", d, e.int(2), i+1)
			}
			at := slices.IndexFunc(byStart[key{d, e.int(3)}], func(c *call) bool { return c.p == made.by })
			if at < 0 {
				j.wrongAbout(d, "%v: attempt %d at %v by %s is recorded, and was never made", d, e.int(2), j.at(time.UnixMicro(e.int(3))), made.by.name)
				continue
			}
			c := byStart[key{d, e.int(3)}][at]
			if good := e.text(5) == ""; good && !c.good || e.int(4) != int64(c.status) {
				j.wrongAbout(d, "%v: attempt %d is recorded as %d %q, it was answered %d", d, e.int(2), e.int(4), e.text(5), c.status)
			}
			own := j.leaseAt(c.p, c.entered)
			if end, over := j.left[own]; over && end.tick < made.tick {
				j.wrongAbout(d, "%s recorded attempt %d of %v at %v, which it began at %v as %s; others had taken that for dead at %v",
					c.p.name, e.int(2), d, j.at(made.at), j.at(c.enteredAt), own, j.at(end.at))
			}
		}
	}
	for _, c := range j.calls {
		own := j.leaseAt(c.p, c.entered)
		end, over := j.left[own]
		if over && end.by != c.p && end.tick < c.answered && !c.p.isDead() {
			j.happened(lateResult)
		}
		if over && end.tick < c.entered && c.number > 0 && c.p.paused(end.at.Add(-20*second), c.enteredAt) == 0 {
			j.wrong("%s began %s at %v, and was taken for dead at %v", c.p.name, c.id, j.at(c.enteredAt), j.at(end.at))
		}
	}
	j.again()
	j.holds()
	j.oneByOne()
	j.owned()
	j.nothingForgotten()
}

// owned checks that requests begin at the process only that has the endpoint.
func (j *judgement) owned() {
	for _, c := range j.calls {
		if c.number == 0 {
			continue
		}
		own, owner := j.leaseAt(c.p, c.entered), ""
		for _, l := range j.owning[shardOf(first(c.head[paybell.HeaderClient]), originOf(c.url))] {
			if l.tick < c.entered {
				owner = l.id
			}
		}
		if owner != own && c.p.paused(c.enteredAt.Add(-20*second), c.enteredAt) == 0 {
			j.wrong("%s began %s to %s at %v as %s, but the endpoint is %q's", c.p.name, c.id, c.url, j.at(c.enteredAt), own, owner)
		}
	}
}

// shardOf is the part of the endpoints that one belongs to, as the dispatcher has it.
func shardOf(client, origin string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(client + " " + origin))
	return int(h.Sum32() % store.Shards)
}

func originOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + ":443"
}

// oneByOne checks that of each lane only the head is on the way.
func (j *judgement) oneByOne() {
	type lane struct{ by, hook, invoice string }
	last := map[lane]*call{}
	for _, c := range j.calls { // in the order in which they began
		d, ok := j.resolve(c)
		if !ok || j.resent(d) || j.passed(d) {
			continue
		}
		l := lane{c.p.name + j.leaseAt(c.p, c.entered), d.hook, j.made[d].text(3)}
		if b := last[l]; b != nil && b.answered > c.entered {
			j.wrongAbout(d, "%s began %v at %v while %s was on the way", c.p.name, d, j.at(c.enteredAt), b.id)
		}
		last[l] = c
	}
}

// passed reports whether a delivery was ever out of order.
func (j *judgement) passed(d deliveryName) bool {
	return slices.ContainsFunc(j.moved[d], func(e entry) bool { return e.int(7)&1 != 0 })
}

// nothingForgotten checks that a process which ended in peace has recorded all
// that it did.
func (j *judgement) nothingForgotten() {
	for _, c := range j.calls {
		d, ok := j.resolve(c)
		own := j.leaseAt(c.p, c.entered)
		if end := j.left[own]; !ok || c.p.isDead() || end.by != c.p {
			continue
		}
		at := c.enteredAt.UnixMicro()
		if !slices.ContainsFunc(j.tried[d], func(e entry) bool { return e.int(3) == at && j.commits.done[e.tx].by == c.p }) {
			j.wrongAbout(d, "%s began %v at %v, was answered %d at %v, and has not recorded it", c.p.name, d, j.at(c.enteredAt), c.status, j.at(c.answeredAt))
		}
	}
	last := map[string]*entry{} // what was recorded last, by endpoint
	for i := range j.ledger {
		e := &j.ledger[i]
		if e.kind != "tried" {
			continue
		}
		d := deliveryName{e.text(0), e.int(1)}
		for _, c := range j.calls {
			if o, ok := j.resolve(c); ok && o == d && c.enteredAt.UnixMicro() == e.int(3) {
				last[door(first(c.head[paybell.HeaderClient]), originOf(c.url))] = e
			}
		}
	}
	if err := j.each("SELECT client_id, origin, failing_since FROM endpoints WHERE failing_since > 0", func(cols ...string) {
		if e := last[door(cols[0], cols[1])]; e != nil && e.text(5) == "" {
			j.wrong("endpoint %s is said to be failing, it took %s %d last", cols[1], e.text(0), e.int(1))
		}
	}); err != nil {
		j.wrong("endpoints cannot be read: %v", err)
	}
}

// again checks that what was delivered is not sent again, unless somebody asked
// for that.
func (j *judgement) again() {
	for _, c := range j.calls {
		d, ok := j.resolve(c)
		if !ok {
			continue
		}
		var delivered *commit
		for _, e := range j.moved[d] {
			made := j.commits.done[e.tx]
			if made.tick > c.entered {
				break
			}
			switch e.text(3) {
			case "delivered":
				delivered = &made
			case "pending":
				delivered = nil
			}
		}
		if delivered == nil || c.p.paused(delivered.at.Add(-second), c.enteredAt) > 0 {
			continue
		}
		if delivered.by == c.p || c.enteredAt.Sub(delivered.at) > second {
			j.wrongAbout(d, "%s sent %v again at %v, which %s had recorded as delivered at %v", c.p.name, d, j.at(c.enteredAt), delivered.by.name, j.at(delivered.at))
		}
	}
}

// holds checks that a server which asks for time gets it from who heard that,
// unless it takes something before.
func (j *judgement) holds() {
	type at struct {
		p            *process
		lease, where string
	}
	type event struct {
		tick int64
		c    *call
	}
	events := map[at][]event{}
	for _, c := range j.calls {
		if c.number == 0 {
			continue
		}
		k := at{c.p, j.leaseAt(c.p, c.entered), door(first(c.head[paybell.HeaderClient]), c.host)}
		events[k] = append(events[k], event{c.entered, c}, event{c.answered, c})
	}
	for _, all := range events {
		slices.SortFunc(all, func(a, b event) int { return cmp.Compare(a.tick, b.tick) })
		var until, heard time.Time
		for _, e := range all {
			switch {
			case e.tick == e.c.entered:
				if e.c.enteredAt.Before(until) && e.c.enteredAt.After(heard) {
					j.wrong("%s began %s to %s at %v, which had asked at %v for time until %v", e.c.p.name, e.c.id, e.c.url, j.at(e.c.enteredAt), j.at(heard), j.at(until))
				}
			case e.c.good:
				until = time.Time{}
			case e.c.hold.After(until):
				until, heard = e.c.hold, e.c.answeredAt
			}
		}
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
	is, err := chain.Scan(context.Background(), "", nil)
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

// Bounds of what a dispatcher may hold in memory; see internal/deliver.
const (
	mostLanes = 2048
	mostQueue = 64
	mostSlots = 64
)

// tellMemory writes what a dispatcher holds into the story.
func (w *world) tellMemory(p *process) {
	d, unlock := p.memory()
	defer unlock()
	open := func(f reflect.Value) any {
		return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Interface()
	}
	for i := d.FieldByName("endpoints").MapRange(); i.Next(); {
		e := i.Value().Elem()
		text := fmt.Sprintf("%s remembers %v:", p.name, i.Key())
		for f := range e.NumField() {
			name, value := e.Type().Field(f).Name, e.Field(f)
			switch value.Kind() {
			case reflect.Map, reflect.Slice:
				text += fmt.Sprintf(" %s %d", name, value.Len())
			default:
				v := open(value)
				if at, ok := v.(time.Time); ok && !at.IsZero() {
					v = w.at(at)
				}
				text += fmt.Sprintf(" %s %v", name, v)
			}
		}
		w.say("%s", text)
		for l := e.FieldByName("lanes").MapRange(); l.Next(); {
			w.say("    %v: %+v", l.Key(), l.Value().Elem())
		}
	}
}

// memory is a dispatcher's fields, and its lock, held.
func (p *process) memory() (d reflect.Value, unlock func()) {
	d = reflect.ValueOf(p.dispatcher).Elem()
	mu := (*sync.Mutex)(unsafe.Pointer(d.FieldByName("mu").UnsafeAddr()))
	mu.Lock()
	return d, mu.Unlock
}

// bounded looks at what a dispatcher holds.
func (w *world) bounded(p *process, idle bool) {
	d, unlock := p.memory()
	defer unlock()
	field := func(v reflect.Value, name string) reflect.Value {
		f := v.FieldByName(name)
		if !f.IsValid() {
			panic("sim: the dispatcher's memory looks different now: there is no " + name)
		}
		return f
	}
	endpoints := field(d, "endpoints")
	if idle && field(d, "flights").Len() > 0 || idle && endpoints.Len() > 0 && !w.bug("an endpoint stays in memory") {
		w.wrong("%s has nothing to do and remembers %d endpoints and requests for %d webhooks", p.name, endpoints.Len(), field(d, "flights").Len())
	}
	for i := endpoints.MapRange(); i.Next(); {
		e := i.Value().Elem()
		lanes := field(e, "lanes")
		if n := lanes.Len(); n > mostLanes || field(e, "ready").Len()+field(e, "resent").Len() > n {
			w.wrong("%s holds %d lanes of one endpoint, %d of them ready", p.name, n, field(e, "ready").Len()+field(e, "resent").Len())
		}
		if n := field(e, "flying").Int(); n > mostSlots || n < 0 {
			w.wrong("%s has %d requests to one endpoint in flight", p.name, n)
		}
		for l := lanes.MapRange(); l.Next(); {
			if n := field(l.Value().Elem(), "queue").Len(); n > mostQueue {
				w.wrong("%s holds %d deliveries of one lane", p.name, n)
			}
		}
	}
}
