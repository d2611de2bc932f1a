package killtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// promptly is how long a healthy webhook may wait for what it can have, in time
// that the server is up. It takes milliseconds on an idle machine; one that
// waits for a hanging endpoint takes 15 s.
const promptly = 5 * time.Second

// recordTime is how long a process may take to write down what was answered, in time
// that it can.
const recordTime = 3 * time.Second

// missing is what was acknowledged, or is stored, or was told to others, and did
// not arrive yet at these webhooks, or not to the end.
func (h *history) missing(hooks []*hook) []complaint {
	heard, kinds := h.heard()
	ids := map[string]string{} // number -> invoice id
	for id, s := range h.stored {
		ids[s.number] = id
	}
	var out []complaint
	for _, number := range slices.Sorted(maps.Keys(h.sales)) {
		s := h.sales[number]
		found := h.stored[ids[number]]
		complain := func(format string, args ...any) {
			out = append(out, complaint{number, fmt.Sprintf(format, args...)})
		}
		if text := s.unsettled(found); text != "" {
			complain("%s", text)
		}
		for _, hk := range hooks {
			if !hk.rings(s) {
				continue
			}
			e := heard[lane{hk, ids[number]}]
			if e == nil {
				e = &ear{} // nothing is stored
			}
			for _, kind := range s.due(found) {
				if hk.want(kind) && !e.kinds[kind] {
					complain("%s did not arrive at %s", kind, hk.url)
				}
			}
			if hk.wants == nil && e.version < found.version {
				complain("version %d is stored, and version %d was the last to arrive at %s", found.version, e.version, hk.url)
			}
			for id, kind := range kinds[ids[number]] {
				switch status, arrived := e.told[id]; {
				case !hk.want(kind) || status == http.StatusOK:
				case arrived:
					complain("%s %s was answered %d at %s and did not come again", kind, id, status, hk.url)
				default:
					complain("%s %s did not arrive at %s", kind, id, hk.url)
				}
			}
		}
	}
	return out
}

// ear is what a lane has brought so far.
type ear struct {
	kinds   map[string]bool
	version int            // the greatest
	told    map[string]int // id -> what it was answered at best
}

// heard tells what each lane has brought, and the types of all notifications by
// invoice and id.
func (h *history) heard() (heard map[lane]*ear, kinds map[string]map[string]string) {
	heard, kinds = map[lane]*ear{}, map[string]map[string]string{}
	for _, hk := range h.hooks {
		for id, s := range h.stored {
			if sl := h.sales[s.number]; sl != nil && hk.rings(sl) {
				heard[lane{hk, id}] = &ear{kinds: map[string]bool{}, told: map[string]int{}}
			}
		}
	}
	for _, a := range h.arrivals {
		e := heard[a.lane()]
		if e == nil || a.distrust != "" {
			continue
		}
		e.kinds[a.kind] = true
		e.version = max(e.version, a.version)
		if e.told[a.id] != http.StatusOK {
			e.told[a.id] = a.status
		}
		if kinds[a.invoiceID] == nil {
			kinds[a.invoiceID] = map[string]string{}
		}
		kinds[a.invoiceID][a.id] = a.kind
	}
	return heard, kinds
}

// lane is where order counts: the notifications of one invoice to one webhook.
type lane struct {
	hook      *hook
	invoiceID string
}

func (a arrival) lane() lane { return lane{a.hook, a.invoiceID} }

func (h *hook) rings(s *sale) bool {
	return h.owner == s.owner && (h.only == "" || h.only == s.number)
}

// unsettled says why what is stored does not agree with what was acknowledged.
// Empty: it agrees. What is paid is only on its way to completed.
func (s *sale) unsettled(found stored) string {
	switch {
	case found.number == "" && s.is(create, acknowledged):
		return "an acknowledged invoice is not stored"
	case found.number == "" || found.status == "completed" || found.status == "cancelled":
	case s.is(cancel, acknowledged):
		return "an acknowledged cancel is not stored: it is " + found.status
	case s.is(pay, acknowledged):
		return "an acknowledged payment, mined deep enough, is not completed: it is " + found.status
	case found.status == "paid":
		return "what is paid and mined deep enough is not completed"
	case s.is(pick, acknowledged) && found.status != "pending":
		return "an acknowledged choice of a coin is not stored: it is " + found.status
	}
	return ""
}

// due lists the types that must have arrived: for what was acknowledged, and for
// what is stored although its answer was lost.
func (s *sale) due(found stored) []string {
	if found.number == "" && !s.is(create, acknowledged) {
		return nil
	}
	kinds := []string{"InvoiceCreated"}
	cancelled := found.status == "cancelled" || s.is(cancel, acknowledged)
	paid := found.status == "completed" || s.is(pay, acknowledged) && !cancelled
	if paid || found.status == "pending" || s.is(pick, acknowledged) {
		kinds = append(kinds, "PaymentCreated", "InvoicePending")
	}
	if paid {
		kinds = append(kinds, "InvoicePaid", "InvoiceCompleted")
	}
	if cancelled {
		kinds = append(kinds, "InvoiceCancelled")
	}
	return kinds
}

// wrong is what must never be, however late the hour: a notification that is
// not genuine, changed, out of order, late, without its number, against another
// or against what the API says.
func (h *history) wrong() []complaint { return h.held().out }

// held is the judge who has held everything against everything.
func (h *history) held() *judge {
	j := &judge{
		history: h, known: map[string]arrival{}, sent: map[delivery]arrival{}, numbers: map[numbered]string{},
		came: map[delivery]int{}, done: map[delivery]arrival{}, last: map[lane]arrival{}, stirred: map[lane]time.Duration{}, tallies: map[*endpoint]*tally{},
		seen: map[lane]map[string]bool{}, versions: map[change]string{}, ids: map[string]string{},
	}
	for _, hk := range h.hooks {
		j.tallies[hk.at] = &tally{}
	}
	for _, a := range h.arrivals {
		j.hear(a)
	}
	j.count()
	j.compare()
	return j
}

// judge reads a history from its first arrival to its last.
type judge struct {
	*history
	out []complaint

	known    map[string]arrival       // notification id -> its first arrival, anywhere
	sent     map[delivery]arrival     // its first arrival at one webhook
	numbers  map[numbered]string      // number at a webhook -> notification id
	came     map[delivery]int         // how often
	done     map[delivery]arrival     // the last that was answered 200
	last     map[lane]arrival         // of what came for the first time
	stirred  map[lane]time.Duration   // when anything came
	seen     map[lane]map[string]bool // types
	versions map[change]string        // -> notification id
	ids      map[string]string        // number of a sale -> invoice id
	tallies  map[*endpoint]*tally
}

// tally counts what arrived at an endpoint.
type tally struct {
	arrivals, deliveries, refused int
	duplicates                    int           // that had been accepted
	waited                        time.Duration // the longest that one did, in time that the server was up
}

type delivery struct {
	hook *hook
	id   string
}

type numbered struct {
	hook *hook
	n    int64
}

type change struct {
	invoiceID string
	version   int
}

func (j *judge) complain(a arrival, format string, args ...any) {
	text := fmt.Sprintf("%s %s at %s: ", a.kind, a.id, a.hook.url) + fmt.Sprintf(format, args...)
	j.out = append(j.out, complaint{a.number, text})
}

func (j *judge) hear(a arrival) {
	if a.distrust != "" {
		j.complain(a, "not genuine: %s", a.distrust)
		return
	}
	if a.late {
		j.complain(a, "it was passed by another, and nothing had failed for long")
	}
	if first, again := j.known[a.id]; again && first.body != a.body {
		j.complain(a, "the same id came with other bytes:\n%s\n%s", first.body, a.body)
	} else if !again {
		j.known[a.id] = a
	}
	d := delivery{a.hook, a.id}
	first, done := j.done[d]
	j.tally(a, d, done)
	if done {
		j.excuse(a, first)
	}
	if a.status == http.StatusOK {
		j.done[d] = a
	}
	before := j.stirred[a.lane()]
	j.stirred[a.lane()] = a.at
	if first, again := j.sent[d]; again {
		if first.n != a.n || first.epoch != a.epoch {
			j.complain(a, "number %d.%d was %d.%d before", a.epoch, a.n, first.epoch, first.n)
		}
		return
	}
	j.sent[d] = a
	j.waits(a, before)
	if a.epoch != 1 {
		j.complain(a, "epoch %d, and no backup was restored", a.epoch)
	}
	if other, taken := j.numbers[numbered{a.hook, a.n}]; taken {
		j.complain(a, "number %d was %s before", a.n, other)
	}
	j.numbers[numbered{a.hook, a.n}] = a.id
	j.belongs(a)
	j.follows(a)
}

// excuse asks why a came although before had been answered 200. The only reason is
// that the process that knew was gone before it could write that down, or that a
// is of one that was.
func (j *judge) excuse(a, before arrival) {
	if before.life == 0 && j.gone != nil {
		return // its connection was accepted after its end
	}
	if s, gone := j.gone[a.life]; gone && a.at >= s.from && a.at <= s.to {
		return
	}
	s, gone := j.gone[before.life]
	answered := before.at
	if before.hook.at.health == slow {
		answered += slowAnswer
	}
	switch {
	case before.life == a.life && (!gone || before.at > s.to || a.at < s.from):
		j.complain(a, "it came again in life %d, which had been answered 200: doubled without need", a.life)
	case j.gone == nil: // each life ends before the next
	case !gone || before.at > s.to:
		j.complain(a, "it came again in life %d, and life %d, which had been answered 200 at %.3f s, was well: doubled without need", a.life, before.life, before.at.Seconds())
	case j.uptime(answered, s.from) > recordTime:
		j.complain(a, "it came again in life %d; life %d had been answered 200 at %.3f s, and ended at %.3f s without having recorded it", a.life, before.life, answered.Seconds(), s.from.Seconds())
	}
}

func (j *judge) tally(a arrival, d delivery, done bool) {
	n := j.tallies[a.hook.at]
	n.arrivals++
	if j.came[d]++; j.came[d] == 1 {
		n.deliveries++
	}
	switch {
	case done:
		n.duplicates++
	case a.status != http.StatusOK:
		n.refused++
	}
}

// waits checks that nobody kept a, which came for the first time, from a healthy
// webhook. Its turn was when it was committed, or when the last arrival in its
// lane, at before, was over, whichever is later. Time counts while the server is
// up: it may live too short to send anything late.
func (j *judge) waits(a arrival, before time.Duration) {
	waited := j.uptime(max(a.made.Sub(j.began), before), a.at)
	n := j.tallies[a.hook.at]
	if n.waited = max(n.waited, waited); waited > max(promptly, j.patience) && a.hook.at.health == healthy {
		j.complain(a, "it waited %v with the server up, and nothing is wrong with this webhook", waited)
	}
}

// belongs checks that a tells of a sale that there was, to whom it concerns.
func (j *judge) belongs(a arrival) {
	s := j.sales[a.number]
	switch {
	case s == nil:
		j.complain(a, "nobody tried to create an invoice with number %q", a.number)
		return
	case !a.hook.rings(s):
		j.complain(a, "the invoice is none of this webhook's")
	case !a.hook.want(a.kind):
		j.complain(a, "this webhook did not ask for it")
	case a.echo != a.number:
		j.complain(a, "customData came back as %q", a.echo)
	}
	if s.id != "" && s.id != a.invoiceID {
		j.complain(a, "invoice %s, but the create was answered with %s", a.invoiceID, s.id)
	}
	if id, known := j.ids[a.number]; known && id != a.invoiceID {
		j.complain(a, "one request made two invoices, %s and %s", id, a.invoiceID)
	}
	j.ids[a.number] = a.invoiceID
	c := change{a.invoiceID, a.version}
	if id, known := j.versions[c]; known && id != a.id {
		j.complain(a, "version %d was told before, as %s", a.version, id)
	}
	j.versions[c] = a.id
}

// states is what the state of an invoice must be when a type tells of it.
var states = map[string]string{
	"InvoiceCreated": "Unpaid", "PaymentCreated": "Unpaid", "InvoicePending": "Pending",
	"InvoicePaid": "Paid", "InvoiceCompleted": "Completed", "InvoiceCancelled": "Cancelled",
}

// follows checks a against what arrived before in its lane.
func (j *judge) follows(a arrival) {
	l := a.lane()
	before, seen := j.last[l], j.seen[l]
	if seen == nil {
		seen = map[string]bool{}
		j.seen[l] = seen
	}
	if want, known := states[a.kind]; known && a.state != want {
		j.complain(a, "it says %s", a.state)
	}
	if _, done := j.done[delivery{a.hook, before.id}]; before.id != "" && !done {
		j.complain(a, "it did not wait for %s %s, which was not answered 200 yet", before.kind, before.id)
	}
	switch {
	case a.version <= before.version:
		j.complain(a, "version %d arrived after version %d", a.version, before.version)
	case a.hook.wants == nil && a.version != before.version+1:
		j.complain(a, "version %d arrived after version %d, and none may be left out", a.version, before.version)
	case a.n <= before.n:
		j.complain(a, "number %d arrived after number %d", a.n, before.n)
	}
	ended := seen["InvoiceCompleted"] || seen["InvoiceCancelled"]
	switch {
	case seen[a.kind] && a.kind != "InvoiceFlagged" && a.kind != "InvoicePending":
		j.complain(a, "it was told before, with another id")
	case ended && a.kind != "InvoiceFlagged":
		j.complain(a, "the invoice was at its end already")
	case a.kind == "InvoiceCompleted" && !seen["InvoicePaid"]:
		j.complain(a, "it was never told to be paid")
	case a.kind == "InvoiceCancelled" && seen["InvoicePaid"]:
		j.complain(a, "it was told to be paid")
	}
	if !a.possible() {
		j.complain(a, "nothing was done that could make it so")
	}
	seen[a.kind] = true
	j.last[l] = a
}

// possible reports whether a type can come of what the shops do.
func (a arrival) possible() bool {
	_, usual := states[a.kind]
	return usual || a.kind == "InvoiceFlagged" // paid twice, or after it was cancelled
}

// count finds gaps: the numbers of a webhook are 1, 2, 3 ... up to its last.
func (j *judge) count() {
	greatest := map[*hook]int64{}
	for n := range j.numbers {
		greatest[n.hook] = max(greatest[n.hook], n.n)
	}
	for _, h := range j.hooks {
		for n := range greatest[h] {
			if _, arrived := j.numbers[numbered{h, n + 1}]; !arrived {
				j.out = append(j.out, complaint{"", fmt.Sprintf("number %d never arrived at %s, but %d did", n+1, h.url, greatest[h])})
			}
		}
	}
}

// compare holds what arrived against what the API says is so.
func (j *judge) compare() {
	for number, id := range j.ids {
		if _, found := j.stored[id]; !found {
			j.out = append(j.out, complaint{number, "invoice " + id + " was told of and is not stored"})
		}
	}
	numbers := map[string]string{}
	for id, found := range j.stored {
		if other, twice := numbers[found.number]; twice {
			j.out = append(j.out, complaint{found.number, fmt.Sprintf("one request made two invoices, %s and %s", id, other)})
		}
		numbers[found.number] = id
		j.agree(id, found)
	}
}

func (j *judge) agree(id string, found stored) {
	complain := func(format string, args ...any) {
		j.out = append(j.out, complaint{found.number, fmt.Sprintf(format, args...)})
	}
	s := j.sales[found.number]
	if s == nil {
		complain("invoice %s is stored, and nobody tried to create number %q", id, found.number)
		return
	}
	if s.is(cancel, acknowledged) && found.status != "cancelled" {
		complain("an acknowledged cancel ended as %s", found.status)
	}
	if s.is(cancel, notAsked) && found.status == "cancelled" {
		complain("it is cancelled, and nobody asked for that")
	}
	if s.is(pay, notAsked) && (found.status == "paid" || found.status == "completed") {
		complain("it is %s, and nobody paid", found.status)
	}
	for _, h := range j.hooks {
		if !h.rings(s) {
			continue
		}
		l := lane{h, id}
		if j.last[l].version > found.version {
			complain("version %d arrived at %s, and only %d is stored", j.last[l].version, h.url, found.version)
		}
		for kind, status := range map[string]string{"InvoiceCompleted": "completed", "InvoiceCancelled": "cancelled"} {
			if h.want(kind) && j.seen[l][kind] != (found.status == status) {
				complain("it is %s, and that %s arrived at %s is %v", found.status, kind, h.url, j.seen[l][kind])
			}
		}
	}
}
