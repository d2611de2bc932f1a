package paybell

import (
	"math"
	"reflect"
	"slices"
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
			if d = d.Next(a, RetrySchedule, jitter); d.State == DeliveryPending && !d.DueAt.After(last) {
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

// What an attempt makes of a delivery, whatever both are.
func TestDeliveryNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := []time.Duration{time.Second, time.Hour}
		schedule := rapid.SampledFrom([][]time.Duration{RetrySchedule, short}).Draw(t, "schedule")
		before := Delivery{
			WebhookID: "w", Number: 7, NotificationID: "n", InvoiceID: "i", ClientID: "c", Origin: "https://o", URL: "https://o/x",
			State: DeliveryPending, Epoch: 3, Previous: 6, CreatedAt: day0, DueAt: day0, Attempts: rapid.IntRange(0, 40).Draw(t, "attempts"),
			OutOfOrder: rapid.Bool().Draw(t, "out of order"), Resent: rapid.Bool().Draw(t, "resent"), Replay: rapid.Bool().Draw(t, "replay"),
			RefusedSecret: rapid.Int64Range(0, 2).Draw(t, "refused"),
		}
		before.Round = rapid.IntRange(0, before.Attempts).Draw(t, "round")
		if before.Attempts > before.Round {
			before.FailingSince = day0.Add(-time.Hour)
		}
		a := Attempt{
			WebhookID: "w", Number: 7, N: before.Attempts + 1, StartedAt: day0.Add(time.Second), Secret: 77,
			Duration: time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "duration")),
			Status:   rapid.SampledFrom([]int{0, 200, 204, 302, 400, 401, 403, 404, 410, 429, 500, 503}).Draw(t, "status"),
		}
		if a.Status/100 != 2 {
			a.Failure = "no"
		}
		after, want := before.Next(a, schedule, rapid.IntRange(0, 999).Draw(t, "jitter")), before
		ended := a.StartedAt.Add(a.Duration)
		if a.Failure != "" {
			if want.FailingSince.IsZero() {
				want.FailingSince = a.StartedAt
			}
			if a.Status == 400 || a.Status == 401 || a.Status == 403 {
				want.RefusedSecret = 77
			}
		}
		inRound := a.N - before.Round
		switch {
		case a.Failure == "":
			want.State = Delivered
		case a.Status == 410:
			want.State = Held
		case inRound > len(schedule):
			want.State = Exhausted
		default:
			if wait, pause := after.DueAt.Sub(ended), schedule[inRound-1]; wait < pause || wait > pause+pause/5 {
				t.Errorf("attempt %d of a round failed, next after %v, want %v to a fifth more", inRound, wait, pause)
			}
			want.FinishedAt = time.Time{}
		}
		if want.State != DeliveryPending {
			want.FinishedAt = ended
			if !after.DueAt.IsZero() {
				t.Errorf("it is %s, and due at %v", after.State, after.DueAt)
			}
		}
		want.Attempts, want.DueAt = a.N, after.DueAt
		if !reflect.DeepEqual(after, want) {
			t.Errorf("after %+v it is\n%+v, want\n%+v", a, after, want)
		}
	})
}

// A lane may be passed by when its head has failed for ten minutes while its
// endpoint accepted something else.
func TestPoison(t *testing.T) {
	failing := Delivery{State: DeliveryPending, FailingSince: day0}
	at := func(d time.Duration) time.Time { return day0.Add(d) }
	for _, tt := range []struct {
		d             Delivery
		accepted, now time.Time
		want          bool
	}{
		{failing, at(time.Minute), at(10 * time.Minute), true},
		{failing, at(time.Nanosecond), at(time.Hour), true},
		{failing, at(time.Minute), at(10*time.Minute - time.Nanosecond), false},
		{failing, at(0), at(time.Hour), false}, // before it began to fail
		{failing, time.Time{}, at(time.Hour), false},
		{Delivery{State: DeliveryPending}, at(time.Minute), at(time.Hour), false},
		{Delivery{State: Exhausted, FailingSince: day0}, at(time.Minute), at(time.Hour), false},
		{Delivery{State: Held, FailingSince: day0}, at(time.Minute), at(time.Hour), false},
	} {
		if got := tt.d.Poison(tt.accepted, tt.now); got != tt.want {
			t.Errorf("%s since %v, accepted at %v, at %v: poison %v", tt.d.State, tt.d.FailingSince, tt.accepted, tt.now, got)
		}
	}
}

// What is told for the first time is one lane, what is told again another, and
// what was passed by is one of its own.
func TestDeliveryLane(t *testing.T) {
	for _, tt := range []struct {
		d    Delivery
		want Lane
	}{
		{Delivery{Number: 7}, FirstTime},
		{Delivery{Number: 7, Resent: true}, FirstTime},
		{Delivery{Number: 7, OutOfOrder: true}, 7},
		{Delivery{Number: 7, OutOfOrder: true, Resent: true}, 7},
		{Delivery{Number: 7, Replay: true, Resent: true}, Again},
		{Delivery{Number: 7, Replay: true, Resent: true, OutOfOrder: true}, Again},
	} {
		if got := tt.d.Lane(); got != tt.want {
			t.Errorf("%+v is in lane %d, want %d", tt.d, got, tt.want)
		}
	}
}

func TestSequenceNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Delivery{Epoch: rapid.Int64Min(1).Draw(t, "epoch"), Number: rapid.Int64Min(0).Draw(t, "n")}.Sequence()
		if got, err := ParseSequence("after", want.String()); err != nil || got != want {
			t.Errorf("%s was read as %v, %v", want, got, err)
		}
	})
	for _, text := range []string{"", "0"} {
		if got, err := ParseSequence("after", text); err != nil || got != (SequenceNumber{}) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"1", "1.", ".1", "0.1", "-1.1", "1.-1", "1.1.1", "01.1", "1.01", "+1.1", "1.+1", " 1.1", "1.1 ", "1,1", "a.b", "1.9223372036854775808",
		"9223372036854775808.1", "1e3.1", "1.1\x00", "00",
	} {
		if got, err := ParseSequence("after", text); CodeOf(err) != Invalid || got != (SequenceNumber{}) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

// Every jitter gives another moment, so that what failed together spreads.
func TestJitterSpreads(t *testing.T) {
	moments := map[time.Time]bool{}
	for jitter := range 1000 {
		moments[Delivery{State: DeliveryPending}.Next(Attempt{N: 1, StartedAt: day0, Failure: "x"}, RetrySchedule, jitter).DueAt] = true
	}
	if len(moments) != 1000 {
		t.Errorf("%d moments for 1000 jitters", len(moments))
	}
}

// While a client has two secrets the one signs that the endpoint accepted last,
// first the old one, and after a refusal the other.
func TestDeliverySecret(t *testing.T) {
	current, old := Secret{2, "new"}, Secret{1, "old"}
	for _, tt := range []struct {
		secrets           []Secret
		accepted, refused int64
		want              Secret
	}{
		{[]Secret{current}, 0, 0, current},
		{[]Secret{current}, 1, 2, current},
		{[]Secret{current, old}, 0, 0, old},
		{[]Secret{current, old}, 1, 0, old},
		{[]Secret{current, old}, 2, 0, current},
		{[]Secret{current, old}, 77, 0, old}, // one from before the last rotation
		{[]Secret{current, old}, 0, 1, current},
		{[]Secret{current, old}, 1, 1, current},
		{[]Secret{current, old}, 2, 1, current},
		{[]Secret{current, old}, 0, 2, old},
		{[]Secret{current, old}, 2, 2, old},
		{[]Secret{current, old}, 2, 77, current},
	} {
		if got := (Delivery{RefusedSecret: tt.refused}).Secret(tt.secrets, tt.accepted); got != tt.want {
			t.Errorf("accepted %d, refused %d: signed with %v, want %v", tt.accepted, tt.refused, got, tt.want)
		}
	}
}

func TestSchedules(t *testing.T) {
	if got := (Webhook{}).RetrySchedule(); !reflect.DeepEqual(got, RetrySchedule) {
		t.Errorf("a webhook without a schedule has %v", got)
	}
	own := []time.Duration{time.Minute}
	if got := (Webhook{Schedule: own}).RetrySchedule(); !reflect.DeepEqual(got, own) {
		t.Errorf("a webhook with a schedule has %v", got)
	}
	many := slices.Repeat([]int64{60}, MaxRetries)
	for _, good := range [][]int64{nil, {60}, {1, 86400, 1}, many} {
		if pauses, err := ParseSchedule("f", good); err != nil || len(pauses) != len(good) || len(good) > 0 && pauses[0] != time.Duration(good[0])*time.Second {
			t.Errorf("%v: %v, %v", good, pauses, err)
		}
	}
	for _, bad := range [][]int64{append(many, 1), {0}, {60, -1}, {86401}, {math.MaxInt64}} {
		if _, err := ParseSchedule("f", bad); CodeOf(err) != Invalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
