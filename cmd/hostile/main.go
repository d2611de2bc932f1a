// Command hostile runs receivers that misbehave on purpose, to try any webhook
// sender on. It is no part of the product.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/paybell/paybell/internal/hostile"
)

const usage = `hostile runs receivers that misbehave on purpose, to try a webhook sender on.

	go run ./cmd/hostile -listen 127.0.0.1:9999

prints a URL for each case, with what a good sender makes of it:

	delivered  it counts as delivered and is not sent again
	failed     it is recorded as failed, and sent again later
	refused    no connection is opened: the URL or the address is not acceptable

Register the URLs with the sender and let each ring once (twice where the table
says so, one after the other). What the sender did is printed as it happens:
each request, how long it held on, and everything that a good sender does not
do: follow a redirect, send one attempt twice, hold on for longer than its own
limit, swallow an endless answer, come back before it may. At the end, on
Ctrl-C or with -once, comes the verdict on every case.

A receiver cannot see what the sender thinks of an answer. Look there for what
was recorded: every case that is "failed" here must be a failure there, with a
text that tells the merchant why.

The sender has to be told three things for some cases:
  - to deliver to the address of -listen, if that is private, which most senders
    should refuse; the cases whose names begin with url- are for a sender that
    was not told so;
  - to trust the CA in the file of -ca, for all cases with https;
  - to use the name server of -dns, for the cases whose names begin with dns-;
    without -dns they are left out.

A sender that repeats what failed within a second looks like one that sends
twice.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the flags.
type settings struct {
	hostile.Options
	ca   string
	only string
	once bool
}

// run is main without the process: 0 is a good sender (or nothing to judge),
// 1 a bad one or one that left out a case of -once, 2 wrong usage.
func run(ctx context.Context, args []string, out, complaints io.Writer) int {
	var set settings
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.SetOutput(complaints)
	flags.Usage = func() {
		fmt.Fprint(complaints, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&set.Listen, "listen", "127.0.0.1:9999", "`address` of the first listener; some cases need a port of their own and take those after it")
	flags.StringVar(&set.Host, "host", "", "name or address of this `host` for the URLs, if it is not that of -listen")
	flags.StringVar(&set.DNS, "dns", "", "`address` (UDP) of the name server for the dns- cases, such as 127.0.0.1:9953")
	flags.DurationVar(&set.Patience, "timeout", hostile.Patience, "how long the sender gives one request in all")
	flags.StringVar(&set.ca, "ca", "", "`file` to write the CA to, as PEM")
	flags.StringVar(&set.only, "cases", "*", "`patterns` of the cases to serve, with commas between them")
	flags.BoolVar(&set.once, "once", false, "end when every case was tried, and exit with 1 if a verdict is bad")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(complaints, "hostile: %q is too much; see hostile -help\n", flags.Arg(0))
		return 2
	}
	var err error
	if set.Cases, err = choose(set.only, set.DNS != ""); err != nil {
		fmt.Fprintln(complaints, "hostile:", err)
		return 2
	}
	good, err := serve(ctx, set, out)
	switch {
	case err != nil:
		fmt.Fprintln(complaints, "hostile:", err)
		return 1
	case !good:
		return 1
	}
	return 0
}

// choose lists the cases that match one of the patterns.
func choose(patterns string, dns bool) (chosen []hostile.Case, err error) {
	for _, c := range hostile.Cases() {
		if c.ByName() && !dns {
			continue
		}
		for p := range strings.SplitSeq(patterns, ",") {
			match, err := path.Match(p, c.Name)
			if err != nil {
				return nil, fmt.Errorf("the pattern %q: %w", p, err)
			}
			if match {
				chosen = append(chosen, c)
				break
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no case matches %q", patterns)
	}
	return chosen, nil
}

// serve runs the receivers until ctx ends, or with -once until every case was
// tried. good says that no verdict is bad, and with -once that none is missing.
func serve(ctx context.Context, set settings, out io.Writer) (good bool, err error) {
	screen := &screen{out: out, news: make(chan struct{}, 1)}
	set.Watch = screen.show
	s, err := hostile.Start(set.Options)
	if err != nil {
		return false, err
	}
	defer s.Close()
	if set.ca != "" {
		if err := os.WriteFile(set.ca, s.CA(), 0o644); err != nil {
			return false, err
		}
	}
	screen.offer(s)
	if !set.once {
		<-ctx.Done()
	} else {
		waitForAll(ctx, s, screen.news)
	}
	if err := s.Close(); err != nil {
		return false, err
	}
	bad, missing := screen.verdicts(s)
	return bad == 0 && (missing == 0 || !set.once), nil
}

// settle is how long a case is watched after its last visit: a second request
// that should not be comes at once.
const settle = 3 * time.Second

// waitForAll ends when every case was tried and none has anything on its way.
func waitForAll(ctx context.Context, s *hostile.Server, news <-chan struct{}) {
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-news:
			quiet.Reset(settle)
			continue
		case <-ctx.Done():
			return
		case <-quiet.C:
			quiet.Reset(settle)
		}
		over := true
		for _, c := range s.Cases() {
			r := s.Report(c.Name)
			over = over && r.Tried() && r.Over()
		}
		if over {
			return
		}
	}
}

// screen is what a person sees. Its methods may be called at the same time.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	server *hostile.Server
	early  []hostile.Visit // that came before the table was out
	news   chan struct{}   // something has happened
}

// offer prints the table of URLs.
func (s *screen) offer(server *hostile.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CASE\tEXPECTED\tRING\tWITHIN\tURL\tTHE RECEIVER")
	for _, c := range server.Cases() {
		ring := "once"
		if c.Notifications > 1 {
			ring = "twice"
		}
		if c.Body > 0 {
			ring += fmt.Sprintf(", %d KiB", c.Body>>10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%s\t%s\n", c.Name, c.Outcome, ring, c.Within, server.URL(c), c.What)
	}
	_ = w.Flush()
	if at := server.DNS(); at != "" {
		fmt.Fprintln(s.out, "\nName server:", at)
	}
	fmt.Fprintln(s.out, "\nWaiting for the sender.")
	s.server = server
	for _, v := range s.early {
		s.print(v)
	}
}

// show prints a visit and what is wrong with it.
func (s *screen) show(v hostile.Visit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		s.early = append(s.early, v)
	} else {
		s.print(v)
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *screen) print(v hostile.Visit) {
	how := "was answered"
	if v.Left {
		how = "left"
	}
	what := fmt.Sprintf("%s, %s after %.2f s, took %d bytes", strings.Join(strings.Fields(fmt.Sprint(v, " ", v.Method, " ", v.Agent)), " "), how, v.Took.Seconds(), v.Taken)
	if v.N == 0 {
		what = fmt.Sprintf("%s (%.2f s)", v.Note, v.Took.Seconds())
	}
	fmt.Fprintf(s.out, "%s  %s: %s  %s\n", v.Started.Add(v.Took).Format(time.TimeOnly), v.Case, what, verdict(s.server.Report(v.Case)))
}

func verdict(r hostile.Report) string {
	switch {
	case len(r.Faults) > 0:
		var texts []string
		for _, f := range r.Faults {
			texts = append(texts, f.Text)
		}
		return "BAD: " + strings.Join(texts, "; ")
	case !r.Tried():
		return "not tried"
	}
	return "ok"
}

// verdicts prints what to think of every case.
func (s *screen) verdicts(server *hostile.Server) (bad, missing int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nCASE\tEXPECTED\tREQUESTS\tLONGEST\tVERDICT")
	for _, c := range server.Cases() {
		r := server.Report(c.Name)
		var longest time.Duration
		for _, v := range r.Visits {
			longest = max(longest, v.Took)
		}
		switch {
		case len(r.Faults) > 0:
			bad++
		case !r.Tried():
			missing++
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.2f s\t%s\n", c.Name, c.Outcome, r.Requests, longest.Seconds(), verdict(r))
	}
	_ = w.Flush()
	fmt.Fprintf(s.out, "\n%d of %d bad, %d not tried\n", bad, len(server.Cases()), missing)
	return bad, missing
}
