package killtest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// told is what the webhook that wants everything was told of one sale.
type told struct{ kind, state string }

var (
	paidAndDone = []told{
		{"InvoiceCreated", "Unpaid"}, {"PaymentCreated", "Unpaid"}, {"InvoicePending", "Pending"},
		{"InvoicePaid", "Paid"}, {"InvoiceCompleted", "Completed"},
	}
	calledOff = []told{{"InvoiceCreated", "Unpaid"}, {"InvoiceCancelled", "Cancelled"}}
)

// faultless is a history in which all is well: a sale that was paid, one that
// was cancelled, one whose create was cut off and did not happen, and one whose
// create and payment were cut off and did. The fourth notification came twice.
// The server was killed before the last sale was told, and started a minute
// later. The sick endpoint accepts nothing before it recovers.
func faultless() *history {
	owner := &account{"c1", "s1"}
	well, sick := &endpoint{name: "well"}, &endpoint{name: "sick", health: failing}
	h := &history{
		began: time.Now(),
		up:    []span{{0, time.Second}, {time.Minute, 2 * time.Minute}},
		hooks: []*hook{
			{at: well, url: "/all", owner: owner},
			{at: well, url: "/money", owner: owner, wants: map[string]bool{"InvoicePaid": true, "InvoiceCompleted": true}},
			{at: well, url: "/other", owner: &account{"c2", "s2"}},
			{at: sick, url: "/sick", owner: owner},
		},
		sales: map[string]*sale{},
		stored: map[string]stored{
			"i1": {"1", "completed", 5}, "i2": {"2", "cancelled", 2}, "i4": {"4", "completed", 5},
		},
	}
	for _, s := range []*sale{
		{number: "1", id: "i1", did: [verbs]outcome{create: acknowledged, pick: acknowledged, pay: acknowledged}},
		{number: "2", id: "i2", did: [verbs]outcome{create: acknowledged, cancel: acknowledged}},
		{number: "3", did: [verbs]outcome{create: lost}},
		{number: "4", did: [verbs]outcome{create: lost, pay: lost}},
	} {
		s.owner = owner
		h.sales[s.number] = s
	}
	next := map[*hook]int64{}
	tell := func(hooks []*hook, at time.Duration, number, id string, all []told) {
		for i, n := range all {
			for _, hk := range hooks {
				if !hk.want(n.kind) {
					continue
				}
				next[hk]++
				nid := id + "-" + n.kind
				a := arrival{
					at: at, hook: hk, id: nid, kind: n.kind, made: h.began, epoch: 1, n: next[hk], body: "body of " + nid,
					invoiceID: id, number: number, echo: number, state: n.state, version: i + 1, status: 500,
				}
				if hk.at == sick {
					h.arrivals = append(h.arrivals, a)
				}
				a.status = 200
				h.arrivals = append(h.arrivals, a)
			}
		}
	}
	tell(h.hooks[:2], time.Second, "1", "i1", paidAndDone)
	tell(h.hooks[:2], time.Second, "2", "i2", calledOff)
	tell(h.hooks[:2], time.Minute, "4", "i4", paidAndDone)
	tell(h.hooks[3:], 100*time.Second, "1", "i1", paidAndDone)
	tell(h.hooks[3:], 100*time.Second, "2", "i2", calledOff)
	tell(h.hooks[3:], 100*time.Second, "4", "i4", paidAndDone)
	again := h.arrivals[3]
	again.life++
	h.arrivals = slices.Insert(h.arrivals, 4, again)
	return h
}

func (h *history) find(t *testing.T, url, id string) *arrival {
	t.Helper()
	i := slices.IndexFunc(h.arrivals, func(a arrival) bool { return a.hook.url == url && a.id == id })
	if i < 0 {
		t.Fatalf("%s has no %s", url, id)
	}
	return &h.arrivals[i]
}

// drop takes all arrivals of a notification at a webhook away and closes the gap
// in the numbers, as if it had never been made.
func (h *history) drop(url, id string) {
	var n int64
	h.arrivals = slices.DeleteFunc(h.arrivals, func(a arrival) bool {
		gone := a.hook.url == url && a.id == id
		if gone {
			n = a.n
		}
		return gone
	})
	for i, a := range h.arrivals {
		if a.hook.url == url && a.n > n {
			h.arrivals[i].n--
		}
	}
}

func (h *history) swap(t *testing.T, url, one, other string) {
	t.Helper()
	a, b := h.find(t, url, one), h.find(t, url, other)
	*a, *b = *b, *a
}

func TestJudgeAcceptsWhatIsRight(t *testing.T) {
	h := faultless()
	for _, c := range append(h.missing(h.hooks), h.wrong()...) {
		t.Error(h.tell(c))
	}
}

// TestJudgeSees breaks the faultless history in one way at a time.
func TestJudgeSees(t *testing.T) {
	for _, m := range []struct {
		fault string
		do    func(t *testing.T, h *history)
		want  string
	}{
		{"a notification is lost and its number used again", func(_ *testing.T, h *history) { h.drop("/all", "i1-InvoicePaid") },
			"InvoicePaid did not arrive at /all"},
		{"the last notification is lost", func(_ *testing.T, h *history) { h.drop("/money", "i4-InvoiceCompleted") },
			"InvoiceCompleted did not arrive at /money"},
		{"it arrived, but not genuine", func(t *testing.T, h *history) { h.find(t, "/all", "i2-InvoiceCancelled").distrust = "bad signature" },
			"bad signature"},
		{"what is not genuine does not count", func(t *testing.T, h *history) { h.find(t, "/all", "i2-InvoiceCancelled").distrust = "bad signature" },
			"InvoiceCancelled did not arrive at /all"},
		{"a number is left out", func(t *testing.T, h *history) { h.find(t, "/all", "i4-InvoiceCompleted").n += 5 },
			"never arrived at /all"},
		{"the first number is left out", func(_ *testing.T, h *history) {
			for i := range h.arrivals {
				h.arrivals[i].n++
			}
		}, "number 1 never arrived"},
		{"a number is used twice", func(t *testing.T, h *history) {
			h.find(t, "/all", "i2-InvoiceCancelled").n = h.find(t, "/all", "i4-InvoiceCreated").n
		}, "number"},
		{"another number the second time", func(_ *testing.T, h *history) { h.arrivals[4].n = 99 }, "before"},
		{"another epoch", func(t *testing.T, h *history) { h.find(t, "/all", "i2-InvoiceCreated").epoch = 2 }, "epoch 2"},
		{"other bytes the second time", func(_ *testing.T, h *history) { h.arrivals[4].body = "x" }, "other bytes"},
		{"other bytes at the other webhook", func(t *testing.T, h *history) { h.find(t, "/money", "i1-InvoicePaid").body = "x" }, "other bytes"},
		{"again without need", func(_ *testing.T, h *history) { h.arrivals[4].life = h.arrivals[3].life }, "doubled without need"},
		{"it was refused and given up", func(t *testing.T, h *history) { h.find(t, "/money", "i1-InvoicePaid").status = 503 }, "did not come again"},
		{"it was never accepted by one that was sick", func(_ *testing.T, h *history) { h.arrivals = h.arrivals[:len(h.arrivals)-1] },
			"InvoiceCompleted i4-InvoiceCompleted was answered 500 at /sick and did not come again"},
		{"it does not wait for what is not accepted", func(_ *testing.T, h *history) {
			a := &h.arrivals[len(h.arrivals)-3]
			a.status = 500
			h.arrivals = append(h.arrivals, *a)
		}, "it did not wait for InvoicePaid i4-InvoicePaid"},
		{"a healthy one waits for a sick one", func(t *testing.T, h *history) { h.find(t, "/money", "i4-InvoiceCompleted").at += promptly + 1 },
			"nothing is wrong with this webhook"},
		{"a healthy one waits in many short lives", func(t *testing.T, h *history) {
			h.up = slices.Insert(h.up, 1, span{10 * time.Second, 13 * time.Second}, span{20 * time.Second, 23 * time.Second})
		}, "nothing is wrong with this webhook"},
		{"only one webhook is told", func(t *testing.T, h *history) {
			a := *h.find(t, "/all", "i4-InvoiceCompleted")
			a.id, a.kind, a.n, a.version = "x", "InvoiceFlagged", a.n+1, 6
			h.arrivals = append(h.arrivals, a)
		}, "InvoiceFlagged x did not arrive at /sick"},
		{"another id the second time", func(_ *testing.T, h *history) { h.arrivals[4].id = "new" }, "was i1-"},
		{"the order is turned round", func(t *testing.T, h *history) { h.swap(t, "/all", "i1-PaymentCreated", "i1-InvoicePending") },
			"arrived after version"},
		{"the order is turned round at one that wants few", func(t *testing.T, h *history) { h.swap(t, "/money", "i1-InvoicePaid", "i1-InvoiceCompleted") },
			"arrived after version"},
		{"the numbers do not follow the versions", func(t *testing.T, h *history) {
			a, b := h.find(t, "/all", "i4-InvoicePaid"), h.find(t, "/all", "i4-InvoiceCompleted")
			a.n, b.n = b.n, a.n
		}, "arrived after number"},
		{"it says that it is out of order", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoicePaid").late = true }, "passed by another"},
		{"a version twice", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoiceCompleted").version = 4 }, "version 4"},
		{"one version is two things", func(t *testing.T, h *history) {
			h.find(t, "/money", "i1-InvoicePaid").id = "again"
		}, "was told before"},
		{"completed and cancelled", func(t *testing.T, h *history) {
			a := *h.find(t, "/all", "i4-InvoiceCompleted")
			a.id, a.kind, a.state, a.n, a.version = "x", "InvoiceCancelled", "Cancelled", a.n+1, 6
			h.arrivals = append(h.arrivals, a)
		}, "at its end already"},
		{"completed without paid", func(t *testing.T, h *history) {
			h.drop("/all", "i4-InvoicePaid")
		}, "never told to be paid"},
		{"told to be cancelled, but is not", func(_ *testing.T, h *history) { h.stored["i2"] = stored{"2", "unpaid", 2} },
			"an acknowledged cancel ended as unpaid"},
		{"the state does not fit the type", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoicePaid").state = "Pending" }, "it says Pending"},
		{"a type that nobody caused", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoicePending").kind = "InvoiceReverted" },
			"nothing was done"},
		{"an acknowledged invoice is gone", func(_ *testing.T, h *history) {
			delete(h.stored, "i1")
		}, "an acknowledged invoice is not stored"},
		{"an acknowledged payment is gone", func(_ *testing.T, h *history) { h.stored["i1"] = stored{"1", "pending", 5} },
			"an acknowledged payment, mined deep enough, is not completed"},
		{"an acknowledged choice of a coin is gone", func(_ *testing.T, h *history) {
			h.stored["i1"] = stored{"1", "unpaid", 5}
			h.sales["1"].did[pay] = notAsked
		}, "an acknowledged choice of a coin is not stored"},
		{"paid for ever", func(_ *testing.T, h *history) { h.stored["i4"] = stored{"4", "paid", 5} }, "is not completed"},
		{"told of and not stored", func(_ *testing.T, h *history) { delete(h.stored, "i4") }, "told of and is not stored"},
		{"stored and not told of", func(_ *testing.T, h *history) { h.stored["i3"] = stored{"3", "unpaid", 1} },
			"InvoiceCreated did not arrive at /all"},
		{"the last change was not told", func(_ *testing.T, h *history) { h.stored["i1"] = stored{"1", "completed", 6} },
			"version 6 is stored, and version 5 was the last to arrive"},
		{"what was told is not stored", func(_ *testing.T, h *history) { h.stored["i1"] = stored{"1", "completed", 4} },
			"version 5 arrived at /all, and only 4 is stored"},
		{"one request made two invoices", func(_ *testing.T, h *history) { h.stored["i5"] = stored{"4", "unpaid", 1} },
			"one request made two invoices"},
		{"an invoice of nobody", func(_ *testing.T, h *history) { h.stored["i6"] = stored{"6", "unpaid", 1} }, "nobody tried to create"},
		{"cancelled by nobody", func(_ *testing.T, h *history) { h.stored["i4"] = stored{"4", "cancelled", 5} }, "nobody asked for that"},
		{"paid by nobody", func(_ *testing.T, h *history) { h.stored["i2"] = stored{"2", "completed", 2} }, "nobody paid"},
		{"another shop's webhook", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoicePaid").hook = h.hooks[2] },
			"none of this webhook's"},
		{"not subscribed to", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoicePending").hook = h.hooks[1] }, "did not ask for it"},
		{"customData changed", func(t *testing.T, h *history) { h.find(t, "/all", "i1-InvoicePaid").echo = "7" }, "customData"},
		{"another invoice than was answered", func(_ *testing.T, h *history) { h.sales["1"].id = "i9" }, "the create was answered with i9"},
	} {
		t.Run(m.fault, func(t *testing.T) {
			h := faultless()
			m.do(t, h)
			var heard []string
			for _, c := range append(h.missing(h.hooks), h.wrong()...) {
				heard = append(heard, c.text)
			}
			if !strings.Contains(strings.Join(heard, "\n"), m.want) {
				t.Errorf("no complaint has %q, only:\n%s", m.want, strings.Join(heard, "\n"))
			}
		})
	}
}
