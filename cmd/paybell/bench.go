package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell/internal/bench"
)

type benchCmd struct {
	Only       []string      `help:"Run these scenarios only: names separated by commas."`
	Duration   time.Duration `help:"How long one measurement takes." default:"5s"`
	Rows       int           `help:"How many deliveries are very many. Aims are meant for the default." default:"1000000"`
	JSON       bool          `name:"json" help:"Print one JSON document instead of a table."`
	Strict     bool          `help:"Fail when an aim is missed. Without it that is only said: machines differ."`
	CPUProfile string        `name:"cpuprofile" help:"Write a CPU profile of the server and of what loads it to this file. Bare POSTs have the label part=ceiling." type:"path"`

	// The processes beside this one are the same program, started again.
	As   string `hidden:"" help:"Be the receiver, or the server."`
	Data string `hidden:"" help:"Data directory of the server."`
}

// scenario is one thing to measure. run returns figures that do not say yet
// whose they are.
type scenario struct {
	name, help string
	run        func(b *bencher, ctx context.Context) ([]bench.Figure, error)
}

var scenarios = []scenario{
	{"rate-1", "Deliveries per second to one endpoint, beside a bare loop of signed POSTs.", rateTo(1)},
	{"rate-10", "The same with 10 endpoints.", rateTo(10)},
	{"rate-100", "The same with 100 endpoints.", rateTo(100)},
	{"latency", "From the commit, when the caller knew of it, to the receiver; little happens.", (*bencher).latency},
	{"hang", "Nine endpoints while the tenth hangs.", (*bencher).besideHanging},
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
	text.WriteString("Measures a server with its embedded database and a receiver in another process. Other work on this machine spoils the figures.\n\nScenarios:\n")
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
		return errors.New("interrupted; nothing is left behind")
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
	report = bench.Report{Cores: runtime.NumCPU(), Duration: c.Duration.String(), Rows: c.Rows}
	b, err := newBencher(c)
	if err != nil {
		return report, err
	}
	defer func() {
		err = errors.Join(err, b.close())
		report.Others = readCores().others(began)
	}()
	if c.CPUProfile != "" {
		f, err := os.Create(c.CPUProfile)
		if err != nil {
			return report, err
		}
		defer f.Close() // what is lost is a profile
		if err := pprof.StartCPUProfile(f); err != nil {
			return report, err
		}
		defer pprof.StopCPUProfile()
	}
	for _, s := range scenarios {
		if len(c.Only) > 0 && !slices.Contains(c.Only, s.name) {
			continue
		}
		figures, failed := s.figures(ctx, b)
		report.Figures = append(report.Figures, figures...)
		if err = errors.Join(err, failed); ctx.Err() != nil {
			break
		}
	}
	return report, err
}

// figures runs the scenario and says so.
func (s scenario) figures(ctx context.Context, b *bencher) ([]bench.Figure, error) {
	fmt.Fprintf(os.Stderr, "%-10s %-80s", s.name, s.help)
	began := time.Now()
	figures, err := s.run(b, ctx)
	fmt.Fprintf(os.Stderr, " %5.1f s\n", time.Since(began).Seconds())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	for i := range figures {
		figures[i].Scenario = s.name
	}
	return figures, nil
}

// again is this program, started again as a part of a measurement.
func again(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "paybell" // a test binary is the program under this name only
	return cmd, nil
}

func startReceiver() (*bench.Receiver, error) {
	cmd, err := again("bench", "--as", "receiver")
	if err != nil {
		return nil, err
	}
	return bench.StartReceiver(cmd)
}
