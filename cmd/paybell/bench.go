package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/bench"
)

type benchCmd struct {
	Only      []string      `help:"Run these scenarios only: names separated by commas."`
	Database  string        `help:"Measure on this PostgreSQL instead of the embedded database, like postgres://user:password@host/name. The user must be allowed to create databases: each measurement has one of its own, paybell_bench_ and 26 characters, and drops it when it ends. No other is touched."`
	Duration  time.Duration `help:"How long one measurement takes." default:"5s"`
	Rows      int           `help:"How many deliveries are very many. Aims are meant for the default." default:"1000000"`
	Processes int           `help:"How many processes the scenario of that name compares with one." default:"2"`
	JSON      bool          `name:"json" help:"Print one JSON document instead of a table."`
	Strict    bool          `help:"Fail when an aim is missed. Without it that is only said: machines differ."`
	Profile   string        `help:"Leave what each scenario did with CPU, memory and locks in this directory, for go tool pprof. Bare POSTs have the label part=ceiling." type:"path" placeholder:"DIR"`

	// The processes beside this one are the same program, started again.
	As    string   `hidden:"" help:"Be the receiver, or the server."`
	Data  string   `hidden:"" help:"Data directory of the server."`
	Roles []string `hidden:"" help:"What the server does."`
}

// scenario is one thing to measure. run returns figures that do not say yet
// whose they are.
type scenario struct {
	name, help string
	run        func(b *bencher, ctx context.Context) ([]bench.Figure, error)
}

var scenarios = []scenario{
	{"rate-1", "Invoices of one client are made at the desk; deliveries to its one endpoint, beside bare signed POSTs.", rate(work{clients: 1, judged: true})},
	{"rate-10", "The same with 10 clients, each with an endpoint.", rate(work{clients: 10, judged: true})},
	{"rate-100", "The same with 100 clients.", rate(work{clients: 100, judged: true})},
	{"slow", "One endpoint that answers after 50 ms; the bare POSTs wait for it as well.", rate(work{clients: 1, path: bench.Slow})},
	{"fan-10", "One client with 10 webhooks on 10 endpoints: each invoice is 10 deliveries.", rate(work{clients: 1, hooks: 10})},
	{"fan-100", "The same with 100 webhooks.", rate(work{clients: 1, hooks: 100})},
	{"life", "10 clients' invoices are created, paid with the test coin and completed: 4 deliveries each.", rate(life)},
	{"api", "10 clients make invoices by signed requests: two HTTP exchanges for each delivery.", (*bencher).api},
	{"latency", "From the commit, when the caller knew of it, to the receiver; little happens.", (*bencher).latency},
	{"half", "Invoices come at half of what rate-1 reached, whether the server keeps up or not.", (*bencher).half},
	{"flood", "They come as fast as bare POSTs went there: what is accepted, refused and delivered.", (*bencher).flood},
	{"processes", "What several processes on one PostgreSQL deliver together; from a commit in one to the receiver of another.", (*bencher).processes},
	{"hang", "Nine endpoints while the tenth hangs.", (*bencher).besideHanging},
	{"failing", "Nine endpoints while the tenth answers 500.", (*bencher).besideFailing},
	{"dead", "Nine endpoints while a tenth of --rows waits for the tenth, which is down.", (*bencher).besideDead},
	{"hooks", "Nine endpoints while a thousand webhooks given with invoices hang.", (*bencher).besideHooks},
	{"drain", "A tenth of --rows has waited for one endpoint, which is back.", (*bencher).drain},
	{"memory", "--rows deliveries wait for ten endpoints; five of them hang.", (*bencher).memory},
	{"idle", "Nothing happens.", (*bencher).idle},
	{"kept", "A delivery when --rows are kept, and when a hundredth of that is.", (*bencher).kept},
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// Help lists the scenarios.
func (c *benchCmd) Help() string {
	var text strings.Builder
	text.WriteString("Measures a server, with its embedded database or on a PostgreSQL, and a receiver in another process. Other work on this machine spoils the figures. Data are kept in a directory below TMPDIR, and gone at the end.\n\nScenarios:\n")
	for _, s := range scenarios {
		fmt.Fprintf(&text, "\n  %-10s %s", s.name, s.help)
	}
	return text.String()
}

// Validate is called by the parser.
func (c *benchCmd) Validate() error {
	for _, name := range c.Only {
		if !slices.Contains(scenarioNames(), name) {
			return fmt.Errorf("--only: there is no scenario %q; there are %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	if c.Duration < 10*time.Millisecond || c.Rows < 100 {
		return errors.New("--duration must be at least 10ms, --rows at least 100")
	}
	if c.Processes < 2 || c.Processes > 16 {
		return errors.New("--processes must be 2 to 16")
	}
	return nil
}

// Run measures, or is one of the processes that this takes.
func (c *benchCmd) Run(ctx context.Context) error {
	switch c.As {
	case "":
	case "receiver":
		return bench.Receive(receiverPorts, os.Stdin, os.Stdout)
	case "server":
		return c.beServer(ctx)
	default:
		return fmt.Errorf("--as %s: there is only receiver and server", c.As)
	}
	report, err := c.all(ctx)
	if ctx.Err() != nil {
		if left := new(leftBehind); errors.As(err, left) {
			return *left
		}
		return errors.New("interrupted; nothing is left behind")
	}
	if len(report.Figures)+len(report.LeftOut) == 0 {
		return err
	}
	if c.JSON {
		err = errors.Join(err, printJSON(report))
	} else {
		err = errors.Join(err, report.Print(os.Stdout))
	}
	if missed := report.Missed(); c.Strict && len(missed) > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d figures missed their aims", len(missed), len(report.Figures)))
	}
	return err
}

// all runs the scenarios that are asked for, one after the other. One that fails
// has no figures; the others go on.
func (c *benchCmd) all(ctx context.Context) (report bench.Report, err error) {
	began := readCores()
	b, err := newBencher(ctx, c)
	if err != nil {
		return report, err
	}
	report = bench.Report{Store: b.storeName(), Duration: c.Duration.String(), Rows: c.Rows}
	defer func() {
		err = errors.Join(err, b.close())
		report.Others = readCores().others(began)
	}()
	if report.Machine, err = readMachine(b.place()); err != nil {
		return report, err
	}
	if c.Profile != "" {
		if err := os.MkdirAll(c.Profile, 0o700); err != nil {
			return report, err
		}
		runtime.SetMutexProfileFraction(100)
		runtime.SetBlockProfileRate(int(10 * time.Microsecond))
	}
	for _, s := range scenarios {
		if len(c.Only) > 0 && !slices.Contains(c.Only, s.name) {
			continue
		}
		var figures []bench.Figure
		failed := c.profiled(s.name, func() (err error) {
			figures, err = s.figures(ctx, b)
			return err
		})
		if senseless := new(leftOut); errors.As(failed, senseless) {
			report.LeftOut = append(report.LeftOut, bench.LeftOut{Scenario: s.name, Why: string(*senseless)})
			failed = nil
		}
		report.Figures = append(report.Figures, figures...)
		if err = errors.Join(err, failed); ctx.Err() != nil {
			break
		}
	}
	return report, err
}

// leftOut is why a scenario makes no sense here.
type leftOut string

func (l leftOut) Error() string { return string(l) }

// figures runs the scenario and says so.
func (s scenario) figures(ctx context.Context, b *bencher) ([]bench.Figure, error) {
	done := showProgress(os.Stderr, s, b.receiver.Count)
	figures, err := s.run(b, ctx)
	done()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	for i := range figures {
		figures[i].Scenario = s.name
	}
	return figures, nil
}
