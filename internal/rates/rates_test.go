package rates

import (
	"testing"
	"time"

	"github.com/paybell/paybell"
)

func TestRate(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"USD", "LTCT", "0.0125"}, {"LTCT", "USD", "80"}, {"EUR", "USD", "1.1"}, {"LTCT", "LTCT", "1"}, {"USD", "BTC", "0.00001"},
	} {
		from, _ := paybell.FindCurrency(c.from)
		to, _ := paybell.FindCurrency(c.to)
		if got, err := Default.Rate(t.Context(), from, to, time.Time{}); err != nil || got.String() != c.want {
			t.Errorf("%s to %s: %v, %v; want %s", c.from, c.to, got, err, c.want)
		}
	}
	for _, c := range paybell.Currencies() {
		if Default[c.ID].IsZero() {
			t.Errorf("there is no rate for %s", c.Symbol)
		}
	}
	if _, err := Default.Rate(t.Context(), paybell.Currency{ID: "x", Symbol: "X"}, paybell.Currency{ID: "5057"}, time.Time{}); paybell.CodeOf(err) != paybell.Unavailable {
		t.Errorf("a rate that is not there: %v", err)
	}
}
