package bench

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Verdicts on a figure.
const (
	OK     = "ok"
	Missed = "missed"
)

// Figure is one thing that was measured. Without an aim there is no verdict.
type Figure struct {
	Scenario string  `json:"scenario"`
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Aim      string  `json:"aim,omitempty"`
	Verdict  string  `json:"verdict,omitempty"`
}

// AtLeast is the figure with an aim that it has to reach.
func (f Figure) AtLeast(aim float64) Figure { return f.judged("≥ ", aim, f.Value >= aim) }

// AtMost is the figure with an aim that it may not exceed.
func (f Figure) AtMost(aim float64) Figure { return f.judged("≤ ", aim, f.Value <= aim) }

func (f Figure) judged(sign string, aim float64, reached bool) Figure {
	f.Aim, f.Verdict = sign+number(aim), Missed
	if reached {
		f.Verdict = OK
	}
	return f
}

// Report is what a run has found, and what it takes to compare it with another.
type Report struct {
	Machine  Machine   `json:"machine"`
	Store    string    `json:"store"`  // with its version
	Others   float64   `json:"others"` // per cent of the cores' time that other programs had meanwhile
	Duration string    `json:"duration"`
	Rows     int       `json:"rows"`
	Figures  []Figure  `json:"figures"`
	LeftOut  []LeftOut `json:"leftOut,omitempty"`
}

// Machine is what was measured on. What cannot be found out is empty.
type Machine struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	System     string  `json:"system"` // and the architecture
	Go         string  `json:"go"`
	Paybell    string  `json:"paybell"`
	Filesystem string  `json:"filesystem"` // of the data
	SyncMS     float64 `json:"syncMs"`     // what it takes, as a median, to append 4 KiB to a file and sync it
}

// LeftOut is a scenario that has no figures, and why.
type LeftOut struct {
	Scenario string `json:"scenario"`
	Why      string `json:"why"`
}

// Missed lists the figures that did not reach their aims.
func (r Report) Missed() []Figure {
	return slices.DeleteFunc(slices.Clone(r.Figures), func(f Figure) bool { return f.Verdict == OK || f.Verdict == "" })
}

// Print writes one aligned table.
func (r Report) Print(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s, %s. %d × %s, %s.", r.Store, m.Go, m.Cores, m.CPU, m.System)
	if m.Filesystem != "" {
		fmt.Fprintf(w, " Data on %s.", m.Filesystem)
	}
	if m.SyncMS > 0 {
		fmt.Fprintf(w, " A synced write takes %s ms.", number(m.SyncMS))
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	last := ""
	for _, f := range r.Figures {
		scenario := f.Scenario
		if scenario == last {
			scenario = ""
		}
		last = f.Scenario
		fmt.Fprintf(t, "%s\t%s\t%10s\t%s\t%s\t%s\n", scenario, f.Name, number(f.Value), f.Unit, f.Aim, f.Verdict)
	}
	err := t.Flush()
	for _, l := range r.LeftOut {
		fmt.Fprintf(w, "\n%s was left out: %s\n", l.Scenario, l.Why)
	}
	if err == nil && r.Others >= 5 {
		_, err = fmt.Fprintf(w, "\nOther programs had %.0f %% of this machine's %d cores meanwhile: the figures are worse than they should be.\n", r.Others, m.Cores)
	}
	return err
}

// number writes three digits that matter, and never an exponent.
func number(v float64) string {
	digits := 0
	if v != 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	return strconv.FormatFloat(v, 'f', min(digits, 3), 64)
}

// Percentile is the smallest sample that p per cent of them do not exceed (the
// nearest rank); of no samples it is the zero value.
func Percentile[T cmp.Ordered](samples []T, p float64) (v T) {
	if len(samples) == 0 {
		return v
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Ratio is a to b, 0 if there is no b: a report holds numbers only.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
