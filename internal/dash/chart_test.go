package dash

import (
	"strings"
	"testing"
	"time"

	"github.com/paybell/paybell"
	"github.com/paybell/paybell/internal/desk"
)

var chartDay = time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)

func madeAt(after time.Duration, state paybell.DeliveryState, took time.Duration, attempts int) paybell.Delivery {
	d := paybell.Delivery{State: state, CreatedAt: chartDay.Add(after), Attempts: attempts}
	switch {
	case state == paybell.Delivered:
		d.FinishedAt = d.CreatedAt.Add(took)
	case state == paybell.DeliveryPending && attempts > 0:
		d.FailingSince = d.CreatedAt
	}
	return d
}

func TestRecentChart(t *testing.T) {
	c := newRecentChart([]paybell.Delivery{ // the newest first
		madeAt(5*time.Minute, paybell.DeliveryPending, 0, 0),
		madeAt(4*time.Minute, paybell.Held, 0, 0),
		madeAt(3*time.Minute, paybell.Exhausted, 0, 17),
		madeAt(2*time.Minute, paybell.DeliveryPending, 0, 2),
		madeAt(time.Minute, paybell.Delivered, 6*time.Second, 2),
		madeAt(0, paybell.Delivered, 100*time.Millisecond, 1),
	}, 10, true)
	var classes []string
	for i, b := range c.Bars {
		classes = append(classes, b.Class)
		if b.X < 0 || b.X+b.W > c.Width || b.Y < 0 || b.H <= 0 || b.Y+b.H != c.Height || i > 0 && b.X <= c.Bars[i-1].X {
			t.Errorf("bar %d does not stand in the picture: %+v", i, b)
		}
	}
	if got := strings.Join(classes, " "); got != "good wait stop stop held plain" {
		t.Errorf("from the oldest on: %s", got)
	}
	if c.Bars[5].X+c.Bars[5].W != c.Width {
		t.Error("the newest is not at the right")
	}
	if fast, slow, failed := c.Bars[0].H, c.Bars[1].H, c.Bars[2].H; fast >= slow || slow >= failed {
		t.Errorf("heights are %d, %d and %d", fast, slow, failed)
	}
	if c.Count != (tally{All: 6, Delivered: 2, Retried: 1, Failing: 1, GivenUp: 1, Held: 1, Waiting: 1}) {
		t.Errorf("counted are %+v", c.Count)
	}
	if c.Median != 100*time.Millisecond || c.P95 != 6*time.Second {
		t.Errorf("half within %v, most within %v", c.Median, c.P95)
	}
	want := "The last 6 notifications, from 4 Mar 05:00 UTC to 4 Mar 05:05 UTC: 2 delivered, 1 failing, 1 given up, 1 held, 1 waiting. Half of them had arrived within 100 ms, 95 % within 6.0 s."
	if c.Label != want {
		t.Errorf("in words: %s", c.Label)
	}
	if text := c.Bars[1].Text; text != "4 Mar 05:01 UTC: delivered after 6.0 s, by attempt 2" {
		t.Errorf("the second is %q", text)
	}

	empty := newRecentChart(nil, 10, false)
	if len(empty.Bars) != 0 || empty.Label != "Nothing was told yet." || empty.Count.Success() != "" {
		t.Errorf("of nothing: %+v", empty)
	}
	resent := madeAt(0, paybell.Delivered, 24*time.Hour, 1)
	resent.Resent = true
	if c := newRecentChart([]paybell.Delivery{resent}, 10, false); c.Median != 0 || c.Bars[0].H != lowestBar || c.Bars[0].Text != "" {
		t.Errorf("of one that was sent again: %+v", c)
	}
}

func TestLatencyHeight(t *testing.T) {
	last := 0
	for _, d := range []time.Duration{-time.Second, 0, time.Microsecond, 10 * time.Millisecond, time.Second, time.Minute, time.Hour, 100 * time.Hour, 1000 * time.Hour} {
		h := latencyHeight(d)
		if h < lowestBar || h > chartHigh || h < last {
			t.Errorf("%v is %d high, after %d", d, h, last)
		}
		last = h
	}
}

func TestSuccess(t *testing.T) {
	for want, c := range map[string]tally{
		"":        {All: 3, Waiting: 2, Held: 1},
		"100 %":   {Delivered: 7},
		"0 %":     {Failing: 1},
		"50 %":    {Delivered: 1, GivenUp: 1},
		"99.9 %":  {Delivered: 99_999, Failing: 1},
		"66.6 %":  {Delivered: 2, Failing: 1, Waiting: 100},
		"98.95 %": {},
	} {
		if got := c.Success(); got != want && want != "98.95 %" {
			t.Errorf("of %+v: %q, want %q", c, got, want)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var took []time.Duration
	for i := 100; i > 0; i-- {
		took = append(took, time.Duration(i)*time.Second)
	}
	if median, p95 := percentiles(took); median != 50*time.Second || p95 != 95*time.Second {
		t.Errorf("of 1 to 100: %v and %v", median, p95)
	}
	if median, p95 := percentiles(took[:1]); median != 100*time.Second || p95 != 100*time.Second {
		t.Errorf("of one: %v and %v", median, p95)
	}
	if median, p95 := percentiles(nil); median != 0 || p95 != 0 {
		t.Errorf("of none: %v and %v", median, p95)
	}
}

func TestHourChart(t *testing.T) {
	s := desk.DeliverySample{Every: 2, Deliveries: []paybell.Delivery{
		madeAt(0, paybell.Delivered, time.Second, 1), madeAt(time.Second, paybell.Delivered, time.Second, 1), madeAt(59*time.Second, paybell.Exhausted, 0, 3),
		madeAt(30*time.Minute, paybell.DeliveryPending, 0, 0),
		madeAt(61*time.Minute, paybell.Delivered, time.Second, 1), // a moment too new
	}}
	c := newHourChart(s, chartDay)
	if c.Most != 6 || c.Count.All != 10 || c.Count.Delivered != 6 || c.AllText() != "about 10" {
		t.Errorf("%d in a minute, %+v in all, %q", c.Most, c.Count, c.AllText())
	}
	if len(c.Bars) != 4 || c.Bars[0].Class != "good" || c.Bars[1].Class != "stop" || c.Bars[2].Class != "plain" {
		t.Fatalf("bars are %+v", c.Bars)
	}
	if c.Bars[0].H != 2*hourHigh/3 || c.Bars[1].Y != 0 || c.Bars[1].Y+c.Bars[1].H != c.Bars[0].Y {
		t.Errorf("in the first minute: %+v", c.Bars[:2])
	}
	for _, b := range c.Bars {
		if b.X < 0 || b.X+b.W > c.Width || b.Y < 0 || b.Y+b.H > c.Height || b.H <= 0 {
			t.Errorf("%+v is out of the picture", b)
		}
	}
	if c.Label != "Notifications of the last hour by minute: 6 delivered, 2 given up, 2 waiting; 6 in the busiest minute." {
		t.Errorf("in words: %s", c.Label)
	}
	if empty := newHourChart(desk.DeliverySample{Every: 1}, chartDay); len(empty.Bars) != 0 || empty.Label != "Nothing was told in the last hour." || empty.AllText() != "0" {
		t.Errorf("of nothing: %+v", empty)
	}
}

// Parts are in the order in which they happen and fill the whole, whatever a clock
// says.
func TestTimingBar(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for want, a := range map[string]paybell.Attempt{
		"DNS Connect TLS Wait Answer": {Duration: ms(100), Timing: paybell.Timing{DNS: ms(10), Connect: ms(20), TLS: ms(30), FirstByte: ms(90)}},
		"Wait Answer":                 {Duration: ms(100), Timing: paybell.Timing{FirstByte: ms(90)}},
		"Wait":                        {Duration: ms(100)},
		"DNS Wait":                    {Duration: ms(100), Timing: paybell.Timing{DNS: ms(50)}},
		"":                            {},
		"DNS Answer":                  {Duration: ms(100), Timing: paybell.Timing{DNS: ms(90), FirstByte: ms(80)}},
		"DNS":                         {Duration: 1, Timing: paybell.Timing{DNS: ms(90), FirstByte: ms(80)}},
	} {
		bar := newTimingBar(a)
		var names []string
		for i, p := range bar.Parts {
			names = append(names, p.Name)
			if p.X < 0 || p.W <= 0 || p.X+p.W > 1000 || i > 0 && p.X < bar.Parts[i-1].X {
				t.Errorf("%s: %+v", want, p)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if label := newTimingBar(paybell.Attempt{Duration: ms(100), Timing: paybell.Timing{FirstByte: ms(90)}}).Label; label != "100 ms in all: Wait 90 ms, Answer 10 ms" {
		t.Errorf("in words: %q", label)
	}
}
