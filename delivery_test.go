package paybell

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetrySchedule(t *testing.T) {
	var sum time.Duration
	for i, pause := range RetrySchedule {
		if i > 0 && pause < RetrySchedule[i-1] {
			t.Errorf("pause %d is shorter than the one before", i)
		}
		sum += pause
	}
	if want := 71*time.Hour + 42*time.Minute + 35*time.Second; sum != want || len(RetrySchedule) != 16 {
		t.Errorf("%d pauses of %v in all, want 16 of %v", len(RetrySchedule), sum, want)
	}
}

// Played through with an endpoint that never answers: 17 attempts, the last
// after 72 hours or up to a fifth more, then it is over.
func TestDeliveryExhausted(t *testing.T) {
	for _, jitter := range []int{0, 500, 999} {
		d := Delivery{State: DeliveryPending, DueAt: day0}
		start, attempts := d.DueAt, 0
		for d.State == DeliveryPending {
			attempts++
			a := Attempt{N: attempts, StartedAt: d.DueAt, Failure: "no answer"}
			last := d.DueAt
			if d = d.Next(a, jitter); d.State == DeliveryPending && !d.DueAt.After(last) {
				t.Fatalf("attempt %d is due %v, not after %v", attempts, d.DueAt, last)
			}
			if d.State == Exhausted {
				took := last.Sub(start)
				if min, max := 71*time.Hour, 87*time.Hour; took < min || took > max {
					t.Errorf("jitter %d: given up after %v", jitter, took)
				}
			}
		}
		if attempts != 17 || d.State != Exhausted || !d.DueAt.IsZero() || d.Attempts != 17 {
			t.Errorf("jitter %d: after %d attempts %+v", jitter, attempts, d)
		}
	}
}

func TestDeliveryNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := Delivery{
			WebhookID: "w", Number: 7, NotificationID: "n", InvoiceID: "i", ClientID: "c", Origin: "https://o", URL: "https://o/x",
			State: rapid.SampledFrom([]DeliveryState{DeliveryPending, Held}).Draw(t, "state"), Epoch: 3, Previous: 6, CreatedAt: day0, DueAt: day0,
		}
		a := Attempt{
			WebhookID: "w", Number: 7, N: rapid.IntRange(1, 40).Draw(t, "n"), StartedAt: day0,
			Duration: time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "duration")),
			Failure:  rapid.SampledFrom([]string{"", "status 500"}).Draw(t, "failure"),
		}
		after := before.Next(a, rapid.IntRange(0, 999).Draw(t, "jitter"))
		if after.Attempts != a.N {
			t.Errorf("attempts %d", after.Attempts)
		}
		switch {
		case a.Failure == "":
			if after.State != Delivered || !after.DueAt.IsZero() {
				t.Errorf("accepted, but %+v", after)
			}
		case a.N > len(RetrySchedule):
			if after.State != Exhausted || !after.DueAt.IsZero() {
				t.Errorf("the schedule is over, but %+v", after)
			}
		default:
			pause, ended := RetrySchedule[a.N-1], a.StartedAt.Add(a.Duration)
			if wait := after.DueAt.Sub(ended); wait < pause || wait > pause+pause/5 || after.State != before.State {
				t.Errorf("attempt %d failed, next after %v, want %v to a fifth more; %s", a.N, wait, pause, after.State)
			}
		}
		after.State, after.Attempts, after.DueAt = before.State, before.Attempts, before.DueAt
		if after.WebhookID != before.WebhookID || after.Number != before.Number || after.NotificationID != before.NotificationID ||
			after.InvoiceID != before.InvoiceID || after.URL != before.URL || after.Epoch != before.Epoch || after.Previous != before.Previous || after.CreatedAt != before.CreatedAt {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// Every jitter gives another moment, so that what failed together spreads.
func TestJitterSpreads(t *testing.T) {
	moments := map[time.Time]bool{}
	for jitter := range 1000 {
		moments[Delivery{State: DeliveryPending}.Next(Attempt{N: 1, StartedAt: day0, Failure: "x"}, jitter).DueAt] = true
	}
	if len(moments) != 1000 {
		t.Errorf("%d moments for 1000 jitters", len(moments))
	}
}

// While a client has two secrets its deliveries are signed by turns, the first
// attempt with the old one: every receiver can verify one of two in a row.
func TestDeliverySecret(t *testing.T) {
	d := Delivery{State: DeliveryPending, DueAt: day0}
	for n := range 2 * len(RetrySchedule) {
		if got := d.Secret([]string{"only"}); got != "only" {
			t.Errorf("attempt %d of one secret: %s", n+1, got)
		}
		want := []string{"old", "new"}[n%2]
		if got := d.Secret([]string{"new", "old"}); got != want {
			t.Errorf("attempt %d is signed with the %s secret, want the %s one", n+1, got, want)
		}
		d = d.Next(Attempt{N: n + 1, StartedAt: d.DueAt, Failure: "refused"}, 0)
	}
}
