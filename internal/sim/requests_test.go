package sim

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/store"
)

// second is how late a change may count.
const second = time.Second

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

// resolve says which delivery a request was.
func (j *judgement) resolve(c *call) (d deliveryName, ok bool) {
	d, ok = j.of[c]
	return d, ok
}

// match finds out which delivery each request was, and where it is recorded. Two
// webhooks can have one URL, and two attempts can begin at one moment.
func (j *judgement) match() {
	type key struct {
		deliveryName
		started int64
		by      *process
	}
	recorded := map[key][]*entry{}
	for i := range j.ledger {
		if e := &j.ledger[i]; e.kind == "tried" {
			k := key{deliveryName{e.text(0), e.int(1)}, e.int(3), j.commits.done[e.tx].by}
			recorded[k] = append(recorded[k], e)
		}
	}
	for _, c := range j.calls {
		hooks := slices.Clone(j.owners[c.url])
		slices.SortStableFunc(hooks, func(a, b string) int { return cmp.Compare(j.rings(b, c), j.rings(a, c)) })
		for _, hook := range hooks {
			d := deliveryName{hook, c.number}
			if e, made := j.made[d]; !made || e.text(2) != c.id {
				continue
			}
			k := key{d, c.enteredAt.UnixMicro(), c.p}
			if j.of[c] = d; len(recorded[k]) > 0 {
				j.record[c], j.call[recorded[k][0]] = recorded[k][0], c
				recorded[k] = recorded[k][1:]
				break
			}
		}
	}
	for k, left := range recorded {
		for _, e := range left {
			j.wrongAbout(k.deliveryName, "%v: attempt %d at %v by %s is recorded, and was never made", k.deliveryName, e.int(2), j.at(time.UnixMicro(k.started)), k.by.name)
		}
	}
}

// rings is 1 when a webhook has the URL of a request when that begins, else 0.
func (j *judgement) rings(hook string, c *call) (is int) {
	for _, h := range j.hooks[hook] {
		if h.from.After(c.enteredAt) {
			break
		}
		is = 0
		if h.url == c.url {
			is = 1
		}
	}
	return is
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
		if made := j.commits.done[j.told[c.id].tx]; made.began > c.entered {
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
		if last[lane] > d.number && !marked && !c.sentAt.After(c.enteredAt) {
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
	for d, all := range j.tried {
		for i, e := range all {
			made := j.commits.done[e.tx]
			if e.int(2) != int64(i+1) {
				j.wrongAbout(d, "%v: attempt %d is recorded as the %dth", d, e.int(2), i+1)
			}
			c := j.call[e]
			if c == nil {
				continue // told already
			}
			if good := e.text(5) == ""; good && !c.good || e.int(4) != int64(c.status) {
				j.wrongAbout(d, "%v: attempt %d is recorded as %d %q, it was answered %d", d, e.int(2), e.int(4), e.text(5), c.status)
			}
			own := j.leaseAt(c.p, c.entered)
			if end, over := j.left[own]; over && end.n < made.n {
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
		if over && end.tick < c.entered && c.number > 0 {
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
		if owner != own {
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

// oneByOne checks that of each lane only the head is on the way to a server.
func (j *judgement) oneByOne() {
	type lane struct{ by, hook, invoice, host string }
	last := map[lane]*call{}
	for _, c := range j.calls { // in the order in which they began
		d, ok := j.resolve(c)
		if !ok || j.resent(d) || j.passed(d) {
			continue
		}
		l := lane{c.p.name + j.leaseAt(c.p, c.entered), d.hook, j.made[d].text(3), c.host}
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
// that it did. When the webhook moves to another endpoint while a request is on its
// way, another process may make an attempt with the same number: of these the one
// that is recorded first stays.
func (j *judgement) nothingForgotten() {
	for _, c := range j.calls {
		d, ok := j.resolve(c)
		own := j.leaseAt(c.p, c.entered)
		if end := j.left[own]; !ok || c.p.isDead() || end.by != c.p {
			continue
		}
		taken := slices.ContainsFunc(j.tried[d], func(e *entry) bool {
			other := j.commits.done[e.tx]
			return other.by != c.p && other.tick > c.entered && other.tick < j.left[own].tick
		})
		if j.record[c] == nil && !taken {
			j.wrongAbout(d, "%s began %v at %v, was answered %d at %v, and has not recorded it", c.p.name, d, j.at(c.enteredAt), c.status, j.at(c.answeredAt))
		}
	}
	last := map[string]*entry{} // what was recorded last, by endpoint
	for i := range j.ledger {
		e := &j.ledger[i]
		if e.kind != "tried" {
			continue
		}
		if c := j.call[e]; c != nil {
			last[door(first(c.head[paybell.HeaderClient]), originOf(c.url))] = e
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
		if delivered == nil {
			continue
		}
		if delivered.by == c.p || c.enteredAt.Sub(delivered.at) > second {
			j.wrongAbout(d, "%s sent %v again at %v, which %s had recorded as delivered at %v", c.p.name, d, j.at(c.enteredAt), delivered.by.name, j.at(delivered.at))
		}
	}
}

// jumped reports whether clocks jumped between two moments.
func (j *judgement) jumped(from, to time.Time) bool {
	for _, c := range j.commits.done {
		if c.by == nil && c.at.After(from) && !c.at.After(to) {
			return true
		}
	}
	return false
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
				if e.c.enteredAt.Before(until) && e.c.enteredAt.After(heard) && !j.jumped(heard, e.c.enteredAt) {
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
