package dash

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

// Charts are drawn here and only written down by templates. All lengths are in units
// of the picture's own grid, which is stretched to its place.

// bar is one upright bar of a chart.
type bar struct {
	X, Y, W, H int
	Class      string // good, wait, stop, held or plain
	Text       string // what it stands for; may be empty
}

// gridline is a horizontal line with what it means.
type gridline struct {
	Y    int
	Text string
}

// recentChart shows the newest deliveries of an endpoint, one bar for each, the
// newest at the right. How high a bar is says how long it took until the
// notification had arrived, on a scale where each step is ten times the one below.
type recentChart struct {
	Width, Height int
	Bars          []bar
	Lines         []gridline
	From, To      time.Time // of the oldest and the newest
	Count         tally
	Median, P95   time.Duration // until it had arrived; 0: nothing has
	Label         string        // all of it in words
}

// tally counts what became of deliveries.
type tally struct {
	All       int64
	Delivered int64
	Retried   int64 // of the delivered: not by the first attempt
	Failing   int64
	GivenUp   int64
	Held      int64
	Waiting   int64
}

func (t *tally) add(d paybell.Delivery, n int64) {
	t.All += n
	switch d.Fate() {
	case paybell.FateDelivered:
		t.Delivered += n
		if d.Attempts > 1 {
			t.Retried += n
		}
	case paybell.FateFailing:
		t.Failing += n
	case paybell.FateGivenUp:
		t.GivenUp += n
	case paybell.FateHeld:
		t.Held += n
	default:
		t.Waiting += n
	}
}

// Failed counts what was tried and did not arrive.
func (t tally) Failed() int64 { return t.Failing + t.GivenUp }

// Success is the share of those that arrived among those of which that is known, in
// words; empty when nothing is. It is 100 % only when all did.
func (t tally) Success() string {
	known := t.Delivered + t.Failed()
	if known == 0 {
		return ""
	}
	tenths := 1000 * t.Delivered / known
	if tenths%10 == 0 {
		return fmt.Sprintf("%d %%", tenths/10)
	}
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// Words says what was counted, as a list.
func (t tally) Words() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		word string
	}{{t.Delivered, "delivered"}, {t.Failing, "failing"}, {t.GivenUp, "given up"}, {t.Held, "held"}, {t.Waiting, "waiting"}} {
		if p.n > 0 {
			parts = append(parts, thousands(fmt.Sprint(p.n))+" "+p.word)
		}
	}
	return strings.Join(parts, ", ")
}

// The scale of recentChart: its top is where tenth powers of a millisecond end.
const (
	barStep    = 3
	chartHigh  = 64
	lowestBar  = 3
	topDecades = 8 // 10^8 ms are 28 hours
)

// newRecentChart draws deliveries, which come newest first, on a grid that has room
// for slots of them.
func newRecentChart(recent []paybell.Delivery, slots int, texts bool) *recentChart {
	c := &recentChart{Width: slots*barStep - 1, Height: chartHigh}
	for _, l := range []struct {
		at   time.Duration
		text string
	}{{100 * time.Millisecond, "0.1 s"}, {10 * time.Second, "10 s"}, {time.Hour, "1 h"}} {
		c.Lines = append(c.Lines, gridline{chartHigh - latencyHeight(l.at), l.text})
	}
	recent = recent[:min(len(recent), slots)]
	if len(recent) == 0 {
		c.Label = "Nothing was told yet."
		return c
	}
	c.From, c.To = recent[len(recent)-1].CreatedAt, recent[0].CreatedAt
	var took []time.Duration
	for i, d := range recent {
		c.Count.add(d, 1)
		b := bar{X: (slots - 1 - i) * barStep, W: barStep - 1}
		b.Class, b.H = recentBar(d)
		b.Y = chartHigh - b.H
		if texts {
			b.Text = moment(d.CreatedAt) + ": " + recentText(d)
		}
		if d.State == paybell.Delivered && !d.Resent {
			took = append(took, d.FinishedAt.Sub(d.CreatedAt))
		}
		c.Bars = append(c.Bars, b)
	}
	slices.Reverse(c.Bars)
	c.Median, c.P95 = percentiles(took)
	c.Label = fmt.Sprintf("%s, from %s to %s: %s.", c.Title(), moment(c.From), moment(c.To), c.Count.Words())
	if c.Median > 0 {
		c.Label += fmt.Sprintf(" Half of them had arrived within %s, 95 %% within %s.", span(c.Median), span(c.P95))
	}
	return c
}

// Title says what is shown.
func (c *recentChart) Title() string {
	if c.Count.All == 1 {
		return "The last notification"
	}
	return fmt.Sprintf("The last %d notifications", c.Count.All)
}

// recentBar is the colour and the height of a delivery.
func recentBar(d paybell.Delivery) (class string, height int) {
	switch d.Fate() {
	case paybell.FateDelivered:
		class = "good"
		if d.Attempts > 1 {
			class = "wait"
		}
		if d.Resent {
			return class, lowestBar // when it was made says nothing
		}
		return class, latencyHeight(d.FinishedAt.Sub(d.CreatedAt))
	case paybell.FateFailing, paybell.FateGivenUp:
		return "stop", chartHigh
	case paybell.FateHeld:
		return "held", chartHigh / 2
	}
	return "plain", lowestBar
}

func recentText(d paybell.Delivery) string {
	switch d.Fate() {
	case paybell.FateDelivered:
		text := "delivered after " + span(d.FinishedAt.Sub(d.CreatedAt))
		if d.Attempts > 1 {
			text += fmt.Sprintf(", by attempt %d", d.Attempts)
		}
		return text
	case paybell.FateFailing:
		return "failing"
	case paybell.FateGivenUp:
		return "given up"
	case paybell.FateHeld:
		return "held"
	}
	return "waiting"
}

// latencyHeight is how high a bar stands for a latency: from a millisecond on, as
// many steps as it has digits.
func latencyHeight(d time.Duration) int {
	decades := math.Log10(max(1, float64(d)/float64(time.Millisecond)))
	return max(lowestBar, min(chartHigh, int(math.Round(decades*chartHigh/topDecades))))
}

// percentiles gives the median and the 95th percentile; zeros of nothing.
func percentiles(took []time.Duration) (median, p95 time.Duration) {
	if len(took) == 0 {
		return 0, 0
	}
	took = slices.Sorted(slices.Values(took))
	at := func(percent int) time.Duration {
		return max(time.Microsecond, took[(len(took)*percent+99)/100-1])
	}
	return at(50), at(95)
}

// hourChart shows what was told in the last hour, minute by minute, and what became
// of it: on each other what arrived, what waits, and what failed.
type hourChart struct {
	Width, Height int
	Bars          []bar
	Most          int64 // in one minute
	Count         tally
	Every         int64 // drawn from every so many-th only
	Median, P95   time.Duration
	Label         string
}

// AllText is how many were told, or about how many.
func (c *hourChart) AllText() string {
	n := thousands(fmt.Sprint(c.Count.All))
	if c.Every > 1 {
		return "about " + n
	}
	return n
}

const (
	minutes    = 60
	minuteStep = 10
	hourHigh   = 120
)

// newHourChart draws a sample of the deliveries of the hour that begins at a full
// minute.
func newHourChart(s desk.DeliverySample, since time.Time) *hourChart {
	c := &hourChart{Width: minutes*minuteStep - 2, Height: hourHigh, Every: s.Every}
	var each [minutes]tally
	var took []time.Duration
	for _, d := range s.Deliveries {
		c.Count.add(d, s.Every)
		i := int(d.CreatedAt.Sub(since) / time.Minute)
		each[max(0, min(minutes-1, i))].add(d, s.Every)
		if d.State == paybell.Delivered && !d.Resent {
			took = append(took, d.FinishedAt.Sub(d.CreatedAt))
		}
	}
	for _, t := range each {
		c.Most = max(c.Most, t.All)
	}
	for i, t := range each {
		top := int64(0) // of what is drawn, counted from below
		for _, part := range []struct {
			n     int64
			class string
		}{{t.Delivered, "good"}, {t.Waiting + t.Held, "plain"}, {t.Failed(), "stop"}} {
			if part.n == 0 {
				continue
			}
			low := int(top * hourHigh / c.Most)
			top += part.n
			high := max(low+2, int(top*hourHigh/c.Most)) // few are seen, too
			c.Bars = append(c.Bars, bar{X: i * minuteStep, Y: max(0, hourHigh-high), W: minuteStep - 2, H: high - low, Class: part.class})
		}
	}
	c.Median, c.P95 = percentiles(took)
	if c.Count.All == 0 {
		c.Label = "Nothing was told in the last hour."
		return c
	}
	c.Label = fmt.Sprintf("Notifications of the last hour by minute: %s; %s in the busiest minute.", c.Count.Words(), thousands(fmt.Sprint(c.Most)))
	return c
}

// timingBar is what the time of an attempt was spent on, from left to right.
type timingBar struct {
	Parts []timingPart
	Total time.Duration
	Label string
}

// timingPart is one of them; its place is in thousandths of the whole.
type timingPart struct {
	Name  string
	Took  time.Duration
	X, W  int
	Class string
}

// newTimingBar takes an attempt's time apart. What did not happen is left out.
func newTimingBar(a paybell.Attempt) timingBar {
	t := timingBar{Total: a.Duration}
	setup := a.Timing.DNS + a.Timing.Connect + a.Timing.TLS
	wait, read := a.Timing.FirstByte-setup, a.Duration-a.Timing.FirstByte
	if a.Timing.FirstByte == 0 {
		wait, read = a.Duration-setup, 0
	}
	at := time.Duration(0)
	var words []string
	for _, p := range []timingPart{
		{Name: "DNS", Took: a.Timing.DNS, Class: "dns"}, {Name: "Connect", Took: a.Timing.Connect, Class: "connect"}, {Name: "TLS", Took: a.Timing.TLS, Class: "tls"},
		{Name: "Wait", Took: wait, Class: "first"}, {Name: "Answer", Took: read, Class: "read"},
	} {
		if p.Took <= 0 || a.Duration <= 0 {
			continue
		}
		p.X, p.W = int(1000*at/a.Duration), max(4, int(1000*p.Took/a.Duration))
		p.X, p.W = min(p.X, 996), min(p.W, 1000-min(p.X, 996))
		at += p.Took
		t.Parts = append(t.Parts, p)
		words = append(words, p.Name+" "+span(p.Took))
	}
	t.Label = fmt.Sprintf("%s in all: %s", span(a.Duration), strings.Join(words, ", "))
	return t
}
