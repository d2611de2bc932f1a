package killtest

import (
	"fmt"
	"maps"
	"slices"
)

// missing is what was acknowledged, or is stored, and did not arrive yet, or not
// to the end.
func (h *history) missing() []complaint {
	heard := h.heard()
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
		for _, hk := range h.hooks {
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
			for id := range e.refused {
				complain("%s was answered 503 at %s and did not come again", id, hk.url)
			}
		}
	}
	return out
}

// ear is what a lane has brought so far.
type ear struct {
	kinds   map[string]bool
	version int             // the greatest
	refused map[string]bool // ids that were never answered with 200
}

func (h *history) heard() map[lane]*ear {
	heard := map[lane]*ear{}
	for _, hk := range h.hooks {
		for id, s := range h.stored {
			if sl := h.sales[s.number]; sl != nil && hk.rings(sl) {
				heard[lane{hk, id}] = &ear{kinds: map[string]bool{}, refused: map[string]bool{}}
			}
		}
	}
	for _, a := range h.arrivals {
		e := heard[a.lane()]
		if e == nil || a.distrust != "" {
			continue
		}
		e.kinds[a.kind] = true
		if e.version = max(e.version, a.version); a.status == 200 {
			e.refused[a.id] = false
		} else if _, known := e.refused[a.id]; !known {
			e.refused[a.id] = true
		}
	}
	for _, e := range heard {
		maps.DeleteFunc(e.refused, func(_ string, refused bool) bool { return !refused })
	}
	return heard
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
// not genuine, changed, out of order, without its number, against another or
// against what the API says.
func (h *history) wrong() []complaint {
	j := judge{
		history: h, known: map[string]arrival{}, sent: map[delivery]arrival{}, numbers: map[numbered]string{},
		done: map[inLife]bool{}, last: map[lane]arrival{}, seen: map[lane]map[string]bool{}, versions: map[change]string{}, ids: map[string]string{},
	}
	for _, a := range h.arrivals {
		j.hear(a)
	}
	j.count()
	j.compare()
	return j.out
}

// judge reads a history from its first arrival to its last.
type judge struct {
	*history
	out []complaint

	known    map[string]arrival   // notification id -> its first arrival, anywhere
	sent     map[delivery]arrival // its first arrival at one webhook
	numbers  map[numbered]string  // number at a webhook -> notification id
	done     map[inLife]bool      // answered with 200
	last     map[lane]arrival
	seen     map[lane]map[string]bool // types
	versions map[change]string        // -> notification id
	ids      map[string]string        // number of a sale -> invoice id
}

type delivery struct {
	hook *hook
	id   string
}

type inLife struct {
	delivery
	life int
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
	once := inLife{delivery{a.hook, a.id}, a.life}
	if j.done[once] {
		j.complain(a, "it came again in life %d, which had been answered 200: doubled without need", a.life)
	}
	j.done[once] = j.done[once] || a.status == 200
	if first, again := j.sent[delivery{a.hook, a.id}]; again {
		if first.n != a.n || first.epoch != a.epoch {
			j.complain(a, "number %d.%d was %d.%d before", a.epoch, a.n, first.epoch, first.n)
		}
		return
	}
	j.sent[delivery{a.hook, a.id}] = a
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
