package killtest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// history is all that was seen from outside: what shops asked for and were
// told, what arrived at their webhooks, and at the end what the API says is so.
type history struct {
	began    time.Time
	hooks    []*hook
	sales    map[string]*sale  // by the merchant's own number
	arrivals []arrival         // in the order of their arrival
	stored   map[string]stored // by invoice id; the end of it all
	up       []span            // when the server was ready

	patience time.Duration // how long a healthy webhook may wait for what it can have
	// gone is when processes, of which there are several, lost what they had to do:
	// from when they were killed, cut off or frozen until they can say nothing of it
	// any more. Nil: there is one process, and each life ends before the next.
	gone map[int]span
}

// span is a stretch of time, in time since the beginning.
type span struct{ from, to time.Duration }

// uptime is how much of the time between two moments the server was ready.
func (h *history) uptime(from, to time.Duration) (sum time.Duration) {
	for _, s := range h.up {
		sum += max(0, min(to, s.to)-max(from, s.from))
	}
	return sum
}

// endpoint is a shop's server, with an address of its own.
type endpoint struct {
	name, base string // http://127.0.0.1:port
	health     health // until all recover
}

// health is how an endpoint answers.
type health int

const (
	healthy health = iota
	failing        // with 500
	hanging        // not before the sender has given up, or was killed
	slow           // with 200, after slowAnswer
)

const slowAnswer = 4 * time.Second

// hook is a registered webhook.
type hook struct {
	at    *endpoint
	url   string
	owner *account
	wants map[string]bool // types as on the wire; nil: all of them
	only  string          // number of the one sale it was given with; empty: a client's webhook
}

// healthy lists the webhooks of endpoints that were never sick.
func (h *history) healthy() (hooks []*hook) {
	for _, hk := range h.hooks {
		if hk.at.health == healthy {
			hooks = append(hooks, hk)
		}
	}
	return hooks
}

func (h *hook) want(kind string) bool { return h.wants == nil || h.wants[kind] }

// account is an integration client: who signs, in both directions.
type account struct{ clientID, secret string }

// verb is what a shop asks of an invoice.
type verb int

const (
	create verb = iota
	pick        // choose the coin
	pay
	cancel
	verbs
)

var verbNames = [verbs]string{"create", "pick", "pay", "cancel"}

// outcome is what a shop knows of what it asked for.
type outcome int

const (
	notAsked     outcome = iota
	lost                 // a kill cut the answer off: it was done, or it was not
	refused              // 409
	acknowledged         // 2xx: it must never be forgotten
)

var outcomeNames = []string{"not asked", "answer lost", "refused", "acknowledged"}

// sale is what one shop did with one invoice.
type sale struct {
	number string // the merchant's own number of the invoice; every attempt to create has its own
	owner  *account

	mu  sync.Mutex
	id  string // of the invoice; empty until an answer told it
	did [verbs]outcome
	log []string
}

// note remembers an answer. What was once acknowledged stays so; what was lost
// counts as done or not by the answer to the next try.
func (s *sale) note(at time.Duration, v verb, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did[v] = max(s.did[v], o)
	s.log = append(s.log, fmt.Sprintf("%8.3f s  %s: %s", at.Seconds(), verbNames[v], outcomeNames[o]))
}

func (s *sale) is(v verb, o outcome) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.did[v] == o
}

// arrival is one POST that reached a webhook with its whole body.
type arrival struct {
	at       time.Duration
	life     int // of the server that sent it
	hook     *hook
	distrust string // why it is not to be trusted; empty: both signatures are good
	late     bool   // it says that it comes out of order

	id        string // of the notification
	kind      string // InvoicePaid ...
	made      time.Time
	epoch, n  int64 // Paybell-Sequence
	body      string
	invoiceID string
	number    string // the merchant's own
	echo      string // customData, which must come back as it went
	state     string
	version   int

	status int // what it was answered; noAnswer: nothing
}

const noAnswer = 0

// stored is an invoice as the API shows it.
type stored struct {
	number  string
	status  string
	version int
}

// complaint is something that is not as it must be.
type complaint struct {
	number string // of the sale; empty: not about one
	text   string
}

// tell writes what happened to a sale, for whoever has to find out why.
func (h *history) tell(c complaint) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.text)
	s := h.sales[c.number]
	if s == nil {
		return b.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&b, "  sale %s, invoice %q, stored %+v\n", s.number, s.id, h.stored[s.id])
	for _, line := range s.log {
		fmt.Fprintln(&b, "  "+line)
	}
	for _, a := range h.arrivals {
		if a.number == s.number {
			fmt.Fprintf(&b, "  %8.3f s  from life %d at %s: %s v%d %s, number %d.%d, id %s, answered %d %s\n",
				a.at.Seconds(), a.life, a.hook.url, a.kind, a.version, a.state, a.epoch, a.n, a.id, a.status, a.distrust)
		}
	}
	return b.String()
}
