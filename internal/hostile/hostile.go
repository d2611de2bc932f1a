// Package hostile is receivers that misbehave on purpose: what a webhook sender
// meets on the real internet, each as a named case with what a good sender does
// about it. Our own engine is tested against all of them, and with cmd/hostile
// anybody can point any sender at them.
//
// It imports nothing of ours, so that it judges every sender by the same
// outside view: what arrived, how often, how long the sender held on and how
// much it took.
package hostile

import (
	"crypto/tls"
	"slices"
	"time"
)

// Outcome is what a good sender makes of a case.
type Outcome string

const (
	Delivered Outcome = "delivered" // it counts as delivered and is not sent again
	Failed    Outcome = "failed"    // it is recorded as failed, and sent again later
	Refused   Outcome = "refused"   // no connection is opened: the URL or the address is not acceptable
)

// Patience is how long a sender gives one request, the answer's body included.
// Case.Within follows from it; a Server for a sender that has another limit
// stretches Within in proportion.
const Patience = 15 * time.Second

// Case is one way to misbehave.
type Case struct {
	Name string // stable; also the path of its URL
	What string // what the receiver does, in one sentence

	Outcome Outcome
	// MaxRequests is how many requests may arrive for one attempt: 1, or 0 where
	// the connection, the certificate or the address must stop the sender.
	MaxRequests int
	// Within is how long the sender may hold on, from the first byte it sends.
	Within time.Duration
	// MaxTaken is how many bytes of the answer the sender may take, with what
	// the sockets' buffers hold; 0: no bound.
	MaxTaken int64
	// HoldOff is how long the sender is asked to stay away (Retry-After), capped
	// at 24 h; 0: it is not asked, or not in a way that can be read.
	HoldOff time.Duration

	Notifications int    // how many it takes to see the case, one after the other
	Body          int    // how many bytes a notification must have for it; 0: any
	Scheme        string // http or https

	url   string // a URL with {addr}, {port} and {name} in it, if it is not the ordinary one
	group group

	least   int  // visits that it takes to see the case
	own     bool // needs a port of its own; all cases with cert, connect or streams do
	answer  func(*visit)
	connect func(*visit) // takes a connection over before anything is read
	cert    func(*authorities) *tls.Config
	streams func(*stream)                    // HTTP/2
	names   func(s *Server, nth int) records // DNS
}

type group int

const (
	httpCase group = iota // what the receiver answers, and how
	certCase
	nameCase    // needs the Server's name server
	addressCase // a URL that must not be accepted, or not be dialled
)

// ByName says that the URL has a name that only the Server's own DNS knows.
func (c Case) ByName() bool { return c.group == nameCase }

// ByURL says that the case is its URL: a good sender never connects, so a
// Server never sees it tried.
func (c Case) ByURL() bool { return c.group == addressCase }

// none is MaxRequests 0 in a table, where 0 stands for the usual 1.
const none = -1

// quick is Within for receivers that end the exchange themselves.
const quick = 5 * time.Second

// Cases lists all of them.
func Cases() []Case {
	all := slices.Concat(bodyCases(), headerCases(), connectionCases(), http2Cases(), statusCases(), redirectCases(), retryCases(),
		tlsCases(), dnsCases(), urlCases())
	for i := range all {
		c := &all[i]
		switch {
		case c.MaxRequests == none || c.Outcome == Refused:
			c.MaxRequests = 0
		case c.MaxRequests == 0:
			c.MaxRequests = 1
		}
		if c.Within == 0 {
			c.Within = quick
		}
		if c.Scheme == "" {
			c.Scheme = "http"
		}
		c.Notifications = max(1, c.Notifications)
		c.least = max(c.least, c.Notifications)
		if c.answer == nil {
			c.answer = say(ok)
		}
		c.own = c.own || c.connect != nil || c.cert != nil || c.streams != nil
	}
	return all
}
