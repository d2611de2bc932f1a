package hostile

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Report is what happened to one case until now.
type Report struct {
	Case     Case
	Visits   []Visit // in the order of their beginning
	Requests int
	Faults   []Fault
}

// Tried says whether the sender was seen to try the case: also one that made no
// request because it must not.
func (r Report) Tried() bool { return len(r.Visits) >= r.Case.least || r.Case.ByURL() }

// Over says whether nothing is on its way.
func (r Report) Over() bool {
	return !slices.ContainsFunc(r.Visits, func(v Visit) bool { return !v.Ended })
}

// Report tells what happened to a case. It panics if the case is not served.
func (s *Server) Report(name string) Report {
	i := slices.IndexFunc(s.cases, func(c Case) bool { return c.Name == name })
	c := &s.cases[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[name]
	r := Report{Case: *c, Requests: t.requests}
	for _, v := range t.visits {
		r.Visits = append(r.Visits, *v)
	}
	r.Faults = judge(c, r.Visits, t.elsewhere, s.within(c), time.Now())
	return r
}

// FaultKind is what a good sender does not do.
type FaultKind string

const (
	Arrived  FaultKind = "arrived"   // a request where none may come
	Doubled  FaultKind = "doubled"   // one attempt made two requests
	Followed FaultKind = "followed"  // a redirect was followed
	HeldOn   FaultKind = "held on"   // for longer than Within
	TookAll  FaultKind = "took all"  // more than MaxTaken
	TooEarly FaultKind = "too early" // came back before the time it was asked to stay away
)

// Fault is one thing that a sender did and should not have done.
type Fault struct {
	Kind FaultKind
	Text string
}

func (f Fault) String() string { return f.Text }

// grace is what the clocks of sender and receiver may differ by.
const grace = 2 * time.Second

// apart is how far two requests with one body must be from each other to count
// as two attempts. A sender that repeats what failed sooner than that looks like
// one that sends twice.
const apart = time.Second

// judge says what is wrong with the visits to a case, as of now. elsewhere is
// how many requests came to where only a redirect or a forbidden address leads.
func judge(c *Case, visits []Visit, elsewhere int, within time.Duration, now time.Time) []Fault {
	var faults []Fault
	fault := func(kind FaultKind, format string, args ...any) {
		faults = append(faults, Fault{kind, fmt.Sprintf(format, args...)})
	}
	if elsewhere > 0 && c.group == httpCase {
		fault(Followed, "followed the redirect")
	} else if elsewhere > 0 {
		fault(Arrived, "a connection came to an address that it must not come to")
	}
	var requests []Visit
	for _, v := range visits {
		if took := v.took(now); took > within+grace {
			fault(HeldOn, "%s held on for %v, not at most %v", v, took.Round(time.Second/10), within)
		}
		if v.N > 0 {
			requests = append(requests, v)
		}
	}
	slices.SortFunc(requests, func(a, b Visit) int { return cmp.Compare(a.N, b.N) })
	if c.MaxRequests == 0 && len(requests) > 0 {
		fault(Arrived, "a request came, and none may come")
	}
	for i, v := range requests {
		if v.Method != "" && v.Method != "POST" && v.Method != "PUT" {
			fault(Followed, "request %d is a %s: a redirect was followed", v.N, v.Method)
		}
		if c.MaxTaken > 0 && v.Taken > c.MaxTaken {
			fault(TookAll, "request %d took %d bytes of the answer, not at most %d", v.N, v.Taken, c.MaxTaken)
		}
		if same := 1 + repeated(requests[:i], v, within); c.MaxRequests > 0 && same > c.MaxRequests {
			fault(Doubled, "request %d has the body of one just before it: sent twice", v.N)
		}
		if i == 0 {
			continue
		}
		if pause := v.Started.Sub(requests[i-1].end(now)); pause < c.HoldOff {
			fault(TooEarly, "request %d came after %v, was asked to stay away for %v", v.N, pause.Round(time.Second/10), c.HoldOff)
		}
	}
	return faults
}

// String names the visit: "request 2".
func (v Visit) String() string {
	if v.N == 0 {
		return v.Note
	}
	return fmt.Sprintf("request %d", v.N)
}

// repeated counts the requests just before v that had its body. Some receivers
// learn late that the sender has left, so none counts for longer than within.
func repeated(before []Visit, v Visit, within time.Duration) (n int) {
	for _, b := range before {
		end := b.end(v.Started)
		if most := b.Started.Add(within); end.After(most) {
			end = most
		}
		if b.digest == v.digest && v.Started.Sub(end) < apart {
			n++
		}
	}
	return n
}

func (v Visit) took(now time.Time) time.Duration { return v.end(now).Sub(v.Started) }

// end is when both sides were done with the visit; now, if they are not.
func (v Visit) end(now time.Time) time.Time {
	if v.Ended {
		return v.Started.Add(v.Took)
	}
	return now
}
