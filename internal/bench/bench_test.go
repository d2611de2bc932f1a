package bench

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// receive starts a receiver in this process.
func receive(t *testing.T, ports int) *Receiver {
	t.Helper()
	questions, in := io.Pipe()
	out, answers := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(Receive(ports, questions, answers), answers.Close()) }()
	r, err := newReceiver(&Helper{in: in, answers: json.NewDecoder(out)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestReceiver(t *testing.T) {
	r := receive(t, 3)
	client := NewClient()
	post := func(port int, path, body string) error {
		return Post(t.Context(), client, Target{URL: r.URL(port, path), ClientID: "c", Secret: "c2VjcmV0"}, []byte(body))
	}
	if err := post(0, Hook, `{"invoiceNumber":"early"}`); err != nil {
		t.Fatal(err)
	}
	if err := r.Record(); err != nil {
		t.Fatal(err)
	}
	before := time.Now().UnixNano()
	for port, number := range []string{"one", "two", "three"} {
		if err := post(port, Hook, `{"invoice":{"invoiceNumber":"`+number+`","state":"unpaid"}}`); err != nil {
			t.Fatal(err)
		}
	}
	if err := post(1, Hook, `{"what":"no invoice"}`); err != nil {
		t.Fatal(err)
	}
	if err := post(1, Fail, `{"invoiceNumber":"failed"}`); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("Fail answered %v", err)
	}
	arrivals, err := r.Arrivals()
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, a := range arrivals {
		numbers = append(numbers, a.Number)
		if now := time.Now().UnixNano(); a.At < before || a.At > now {
			t.Errorf("%s arrived at %d, outside of %d to %d", a.Number, a.At, before, now)
		}
	}
	if got := strings.Join(numbers, " "); got != "one two three" {
		t.Errorf("recorded %q", got)
	}
	if n, err := r.Count(); err != nil || n != 5 {
		t.Errorf("counted %d, %v; 5 came", n, err)
	}
}

func TestReceiverHangs(t *testing.T) {
	r := receive(t, 1)
	client := NewClient()
	hang := func() error {
		return Post(t.Context(), client, Target{URL: r.URL(0, Hang+"/7"), ClientID: "c", Secret: "c2VjcmV0"}, []byte("{}"))
	}
	answered := make(chan error, 1)
	go func() { answered <- hang() }()
	select {
	case err := <-answered:
		t.Fatalf("Hang answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	for range 2 { // twice is fine
		if err := r.Silence(false); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-answered; err != nil {
		t.Errorf("what hung was not let go: %v", err)
	}
	if err := hang(); err != nil {
		t.Errorf("what came later was held: %v", err)
	}
	if err := r.Silence(true); err != nil {
		t.Fatal(err)
	}
	client.Timeout = 50 * time.Millisecond
	if err := hang(); err == nil || !strings.Contains(err.Error(), "Timeout") {
		t.Errorf("Hang does not hang again: %v", err)
	}
	if n, err := r.Count(); err != nil || n != 0 {
		t.Errorf("counted %d, %v; nothing came to Hook", n, err)
	}
}

func TestReceiverIsSlow(t *testing.T) {
	r := receive(t, 1)
	began := time.Now()
	err := Post(t.Context(), NewClient(), Target{URL: r.URL(0, Slow), ClientID: "c", Secret: "c2VjcmV0"}, []byte("{}"))
	if took := time.Since(began); err != nil || took < SlowTime {
		t.Errorf("Slow answered after %v, %v", took, err)
	}
	if n, err := r.Count(); err != nil || n != 1 {
		t.Errorf("counted %d, %v; one came", n, err)
	}
}

func TestTogether(t *testing.T) {
	var n atomic.Int64
	if err := Together(8, func() (bool, error) { return n.Add(1) <= 100, nil }); err != nil || n.Load() < 100 {
		t.Errorf("ran %d times, %v", n.Load(), err)
	}
	broken := errors.New("broken")
	if err := Together(8, func() (bool, error) { return true, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
}

func TestPoisson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		began := time.Now()
		Poisson(t.Context(), 1000, 100*time.Millisecond, func(_ int, at time.Time) {
			n.Add(1)
			if late := time.Since(at); late != 0 {
				t.Errorf("it was called %v after the moment that was meant", late)
			}
			time.Sleep(time.Minute) // nobody waits for it
		})
		if got := n.Load(); got < 70 || got > 130 {
			t.Errorf("%d calls came in 100 ms, about 100 should", got)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+100*time.Millisecond {
			t.Errorf("it took %v: it does not wait for the last call, or a call waited for another", took)
		}
	})
}

func TestPercentile(t *testing.T) {
	samples := []int{5, 1, 4, 2, 3}
	for p, want := range map[float64]int{0: 1, 1: 1, 20: 1, 21: 2, 50: 3, 99: 5, 100: 5} {
		if got := Percentile(samples, p); got != want {
			t.Errorf("the percentile %v is %d, not %d", p, got, want)
		}
	}
	if samples[0] != 5 {
		t.Error("the samples were sorted in place")
	}
	if got := Percentile([]float64(nil), 99); got != 0 {
		t.Errorf("of nothing it is %v", got)
	}
}

func TestReport(t *testing.T) {
	m := Machine{CPU: "Abacus", Cores: 2, System: "linux/amd64", Go: "go1.26", Filesystem: "ext4", SyncMS: 0.25}
	left := []LeftOut{{"processes", "one is all there is."}}
	r := Report{Machine: m, Store: "SQLite 3", Others: 31, LeftOut: left, Figures: []Figure{
		{Scenario: "rate", Name: "ceiling", Value: 12345.6, Unit: "/s"},
		Figure{Scenario: "rate", Name: "share", Value: 0.25}.AtLeast(0.6),
		Figure{Scenario: "idle", Name: "of a core", Value: 0.1, Unit: "%"}.AtMost(0.5),
	}}
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	const want = `SQLite 3, go1.26. 2 × Abacus, linux/amd64. Data on ext4. A synced write takes 0.250 ms.

rate  ceiling         12346  /s
      share           0.250      ≥ 0.600  missed
idle  of a core       0.100  %   ≤ 0.500  ok

processes was left out: one is all there is.

Other programs had 31 % of this machine's 2 cores meanwhile: the figures are worse than they should be.
`
	if got := strings.ReplaceAll(text.String(), "  /s           \n", "  /s\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if missed := r.Missed(); len(missed) != 1 || missed[0].Name != "share" || len(r.Figures) != 3 {
		t.Errorf("missed %v", missed)
	}
	if v := Ratio(1, 0); math.IsInf(v, 0) || v != 0 {
		t.Errorf("1 to 0 is %v, which JSON cannot hold", v)
	}
}

func TestHelperThatDies(t *testing.T) {
	_, in := io.Pipe()
	out, answers := io.Pipe()
	_ = answers.Close()
	h := &Helper{in: in, answers: json.NewDecoder(out)}
	go func() { _ = in.CloseWithError(http.ErrServerClosed) }()
	if err := h.Ask("count", new(int)); err == nil {
		t.Error("a question to nobody was answered")
	}
}
